"""Callbacks around pushes: the backend is asked before they go out, and told what became of them."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from typing import Any

import pytest

from homing.channels.registry import CHANNELS
from homing.model.clock import Ids, SystemClock
from homing.model.outcome import ReceiptKind
from homing.model.push import PushState
from homing.model.webhooks import Callback, OnFailure, Webhook, WebhookOptions
from homing.services.hook_calls import HookCalls
from homing.services.hook_queue import HookQueue
from homing.services.push_hooks import PushHooks
from homing.services.webhooks import Webhooks
from homing.store.sealing import Sealer
from homing.transport.client import HttpTransport
from homing.transport.easy import TransportOptions

from ..hook_backend import Backend, Received
from .conftest import APP, Pipeline


class Asked:
    """A pipeline whose app's backend wants to know about its pushes."""

    def __init__(self, pipeline: Pipeline) -> None:
        self.pipeline, self.backend = pipeline, Backend()
        self.transport = HttpTransport(TransportOptions(allow_private=True))
        self.webhooks = Webhooks(pipeline.database, Sealer(bytes(32)), allow_private=True)
        clock = SystemClock()
        calls = HookCalls(self.transport, clock, allow_private=True)
        self.hooks = PushHooks(webhooks=self.webhooks, calls=calls, clock=clock, ids=Ids(clock, 2), channels=CHANNELS)
        self.queue = HookQueue(database=pipeline.database, clock=clock, webhooks=self.webhooks, calls=calls)
        pipeline.dispatch._hooks = pipeline.recorder._hooks = self.hooks

    async def wants(self, *callbacks: Callback, **options: Any) -> None:
        url = await self.backend.start()
        names = frozenset(callback.value for callback in callbacks)
        await self.webhooks.save(Webhook(APP, url, names, "token", WebhookOptions(**options)))
        await self.webhooks.refresh()

    async def pushes(self) -> list[Any]:
        await self.pipeline.turn()
        await self.hooks.quiet()
        return await self.pipeline.pushes()


@pytest.fixture
async def asked(pipeline: Pipeline) -> AsyncIterator[Asked]:
    await pipeline.device(7, "bob")
    node = Asked(pipeline)
    yield node
    await node.hooks.quiet()
    await node.backend.stop()
    await node.transport.aclose(grace_seconds=0.1)


def verdict(**values: Any) -> Any:
    """Answers with the same verdict on every push that is asked about."""

    def answer(request: Received) -> tuple[int, bytes]:
        named = [{"PushID": push["PushID"], **values} for push in request.body["Pushes"]]
        return 200, json.dumps({"ErrorCode": 0, "Pushes": named}).encode()

    return answer


async def test_a_refused_push_is_suppressed_with_its_reason(asked: Asked) -> None:
    await asked.wants(Callback.BEFORE_PUSH)
    asked.backend.answer = verdict(Refuse=1)
    await asked.pipeline.send()
    (push,) = await asked.pushes()
    assert (push[1], push[2]) == (PushState.SUPPRESSED, "vetoed")
    assert asked.pipeline.vendor.requests == []


async def test_the_backend_edits_what_the_phone_shows(asked: Asked) -> None:
    await asked.wants(Callback.BEFORE_PUSH)
    asked.backend.answer = verdict(Title="Edited", Desc="by the backend")
    await asked.pipeline.send()
    (push,) = await asked.pushes()
    assert push[1] == PushState.ACCEPTED
    assert asked.pipeline.vendor.bodies() == ["by the backend"]
    (request,) = asked.backend.requests
    assert set(request.query) == {"SdkAppid", "CallbackCommand", "contenttype", "RequestTime", "Sign"}
    assert (request.body["Pushes"][0]["Title"], request.body["Pushes"][0]["Desc"]) == ("Alice", "hello")


@pytest.mark.parametrize(("default", "state"), [(OnFailure.ALLOW, PushState.ACCEPTED), (OnFailure.REFUSE, PushState.SUPPRESSED)])
async def test_without_an_answer_in_time_the_configured_default_holds(asked: Asked, default: OnFailure, state: PushState) -> None:
    await asked.wants(Callback.BEFORE_PUSH, timeout_seconds=0.2, push_on_failure=default)
    asked.backend.answer = lambda _: "silent"
    await asked.pipeline.send()
    (push,) = await asked.pushes()
    assert push[1] == state


async def test_pushes_are_told_in_one_request_with_their_stage(asked: Asked) -> None:
    await asked.wants(Callback.OFFLINE_PUSH)
    accepted = [await asked.pipeline.send(f"message {n}") for n in range(3)]
    pushes = await asked.pushes()
    clicked = (pushes[0][0], ReceiptKind.CLICKED.value, 5_000)
    await asked.pipeline.database.write(lambda tx: asked.hooks.note_receipts(tx, [clicked]))
    await asked.queue.turn(APP)
    (request,) = asked.backend.requests
    events = request.body["Events"]
    assert sorted(event["MsgKey"] for event in events if event["PushStage"] == 1) == sorted(a.msg_key for a in accepted)
    (click,) = [event for event in events if event["PushStage"] == 3]
    assert click["MsgKey"] == accepted[0].msg_key
    assert click["PushID"].count("_") == 4
    click.pop("PushID"), click.pop("MsgKey")
    assert click == {
        "CallbackCommand": "Push.OfflinePush",
        "EventType": 1,
        "EventTime": 5,
        "From_Account": "alice",
        "To_Account": "bob",
        "PushPlatform": 4,
        "PushStage": 3,
        "MsgSeq": accepted[0].seq,
        "MsgRandom": click["MsgRandom"],
        "MsgTime": accepted[0].timestamp,
        "ErrCode": 0,
        "ErrInfo": "OK",
    }
