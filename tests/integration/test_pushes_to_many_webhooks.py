"""What an app's backend is told of the targets of pushes to many."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from typing import Any

import pytest

from homing.channels.registry import CHANNELS
from homing.model.clock import Ids
from homing.model.outcome import ReceiptKind, VendorRequest, VendorResponse
from homing.model.webhooks import Callback, Webhook
from homing.rules.webhooks import push_id_text
from homing.services.hook_calls import HookCalls
from homing.services.push_hooks import PushHooks
from homing.services.webhooks import Webhooks
from homing.store.engine import Database, Query, Tx
from homing.store.receipts import Report, store_receipts
from homing.store.sealing import Sealer
from homing.transport.client import HttpTransport
from homing.transport.easy import TransportOptions

from .many import APP, BATCHES, SENT_ONE, SINGLES, Many, user

_EVENTS = Query("test.task_events", "SELECT command, body FROM webhook_event ORDER BY event_id")


class Told:
    """A node that pushes to many, and the queue of what its backend is to hear."""

    def __init__(self, database: Database, clock: Any, service_account: str) -> None:
        self.transport = HttpTransport(TransportOptions(allow_private=True))
        self.webhooks = Webhooks(database, Sealer(bytes(range(32))), allow_private=True)
        self.hooks = PushHooks(
            webhooks=self.webhooks,
            calls=HookCalls(self.transport, clock, allow_private=True),
            clock=clock,
            ids=Ids(clock, 9),
            channels=CHANNELS,
        )
        self.many = Many(database, clock, service_account, hooks=self.hooks)

    async def configure(self, *commands: Callback) -> None:
        await self.webhooks.save(Webhook(APP, "http://127.0.0.1:9/", frozenset(command.value for command in commands)))
        await self.webhooks.refresh()

    async def requests(self) -> list[list[dict[str, Any]]]:
        """The events of each request that waits."""
        await self.many.recorder.drain()
        return [json.loads(bytes(body))["Events"] for command, body in await self.many.rows(_EVENTS) if command == Callback.TASK_PUSH]

    async def receipt(self, push_id: int, kind: ReceiptKind) -> None:
        async def work(tx: Tx) -> None:
            report = Report(sdkappid=APP, business_id=BATCHES, push_id=push_id, kind=kind, at_ms=self.many.clock.now_ms())
            _, new = await store_receipts(tx, [report], self.many.clock.now_ms(), self.many.ids.next)
            await self.hooks.note_receipts(tx, new)

        await self.many.database.write(work)


@pytest.fixture
async def told(database: Database, clock: Any, service_account: str) -> AsyncIterator[Told]:
    node = Told(database, clock, service_account)
    await node.many.certificate_rows()
    await node.many.accounts()
    await node.many.bus.start()
    yield node
    await node.many.close()
    await node.many.bus.close()
    await node.transport.aclose(grace_seconds=0.1)


async def test_every_target_is_told_of_a_hundred_in_a_request(told: Told) -> None:
    await told.configure(Callback.TASK_PUSH)
    await told.many.devices(*range(1, 251))
    job = await told.many.push(data_id="spring")
    await told.many.run()
    requests = await told.requests()
    assert [len(events) for events in requests] == [100, 100, 50]
    events = [event for request in requests for event in request]
    assert sorted(event["To_Account"] for event in events) == [user(n) for n in range(1, 251)]
    first = events[0]
    assert first["PushID"] == push_id_text((await told.many.bundles())[0][0])
    assert {key: value for key, value in first.items() if key != "PushID"} == {
        "CallbackCommand": "Push.AllMemberPush",
        "EventType": 1,
        "TaskId": job.task_id,
        "TaskTime": job.created_at_ms // 1000,
        "EventTime": told.many.clock.now_ms() // 1000,
        "To_Account": user(1),
        "PushPlatform": CHANNELS["huawei"].push_platform,
        "PushStage": 1,
        "ErrCode": 0,
        "ErrInfo": "OK",
        "DataId": "spring",
    }


async def test_a_refused_target_is_told_with_its_reason_and_the_others_as_sent(told: Told) -> None:
    partly = json.dumps({"code": "80100000", "msg": json.dumps({"illegal_tokens": ["token-2"]}), "requestId": "r"}).encode()
    await told.configure(Callback.TASK_PUSH)
    told.many.vendor.answer = lambda request: VendorResponse(200, {}, partly)
    await told.many.devices(1, 2, 3)
    await told.many.push()
    await told.many.run()
    [events] = await told.requests()
    assert [(event["To_Account"], event["ErrCode"], event["ErrInfo"]) for event in events] == [
        (user(1), 0, "OK"),
        (user(2), 1, "token_dead"),
        (user(3), 0, "OK"),
    ]
    assert all("DataId" not in event for event in events)


async def test_a_target_that_is_tried_again_on_its_own_is_told_of_when_it_is_over(told: Told, clock: Any) -> None:
    def answer(request: VendorRequest) -> VendorResponse:
        busy = request.targets[0].token == "token-2"
        return VendorResponse(429, {"retry-after": "30"}, b"{}") if busy else SENT_ONE

    await told.configure(Callback.TASK_PUSH)
    told.many.vendor.answer = answer
    await told.many.devices(1, 2, business_id=SINGLES)
    job = await told.many.push(data_id="spring")
    await told.many.run()
    assert [[event["To_Account"] for event in events] for events in await told.requests()] == [[user(1)]]
    told.many.vendor.answer = None
    clock.advance(seconds=31)
    await told.many.dispatch.turn()
    await told.many.dispatch.quiet()
    _, [event] = await told.requests()
    assert (event["To_Account"], event["TaskId"], event["DataId"], event["PushStage"]) == (user(2), job.task_id, "spring", 1)


async def test_receipts_of_targets_are_told_once(told: Told) -> None:
    await told.configure(Callback.TASK_PUSH)
    await told.many.devices(1, 2)
    job = await told.many.push(data_id="spring")
    await told.many.run()
    second = next(row[0] for row in await told.many.bundles() if row[1] == BATCHES) + 1
    for kind in (ReceiptKind.DELIVERED, ReceiptKind.DELIVERED, ReceiptKind.CLICKED):
        await told.receipt(second, kind)
    later = [event for request in (await told.requests())[1:] for event in request]
    assert [(event["PushStage"], event["To_Account"], event["TaskId"], event["DataId"]) for event in later] == [
        (2, user(2), job.task_id, "spring"),
        (3, user(2), job.task_id, "spring"),
    ]


async def test_a_backend_that_wants_other_callbacks_hears_nothing_of_pushes_to_many(told: Told) -> None:
    await told.configure(Callback.OFFLINE_PUSH)
    await told.many.devices(1)
    await told.many.push()
    await told.many.run()
    await told.receipt(next(row[0] for row in await told.many.bundles() if row[1] == BATCHES), ReceiptKind.CLICKED)
    assert await told.many.rows(_EVENTS) == []
