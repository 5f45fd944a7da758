"""Every target of a push to many can be explained, and its receipts find it."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from typing import Any

import pytest

from homing.model.outcome import ReceiptKind, VendorResponse
from homing.services.explain import Explain
from homing.services.retention import Retention
from homing.services.statistics import Statistics
from homing.store.engine import Database, Query
from homing.store.receipts import Report, store_receipts

from .many import APP, BATCHES, SINGLES, Many, user

_APP = Query(
    "test.app", "INSERT INTO app (sdkappid, name, secret_key_sealed, admins, settings, created_at_ms) VALUES (?, 'x', ?, '[]', '{}', 0)"
)


@pytest.fixture
async def many(database: Database, clock: Any, service_account: str) -> AsyncIterator[Many]:
    node = Many(database, clock, service_account)
    await node.certificate_rows()
    await node.accounts()
    await node.database.write(lambda tx: tx.execute(_APP, APP, b"sealed"))
    yield node
    await node.close()


async def told(many: Many, number: int) -> dict[str, Any]:
    """The one push of this account, as it is explained."""
    account = await Explain(many.database, many.clock).account(APP, user(number))
    [push] = [push for message in account["messages"] for push in message["pushes"]]
    return dict(push)


async def receive(many: Many, **values: Any) -> int | None:
    known: dict[str, Any] = {"sdkappid": APP, "kind": ReceiptKind.DELIVERED, "at_ms": many.clock.now_ms()}
    report = Report(**(known | values))
    [push_id], _ = await many.database.write(lambda tx: store_receipts(tx, [report], many.clock.now_ms(), many.ids.next))
    return push_id


async def test_a_target_is_explained_with_its_decision_request_and_answer(many: Many) -> None:
    await many.devices(*range(1, 6))
    await many.push()
    await many.run()
    push = await told(many, 3)
    assert (push["state"], push["reason"], push["device"]["device_id"]) == ("accepted", "offline", 3)
    assert push["device_state"]["session_state"] == "active"
    [attempt] = push["attempts"]
    assert "token-3" in attempt["request"]
    assert "80000000" in attempt["answer"]
    assert "Bearer grant" not in attempt["request"]
    by_id = await Explain(many.database, many.clock).push(APP, push["push_id"])
    assert by_id["messages"][0]["pushes"][0]["user_id"] == user(3)


async def test_a_device_that_got_none_is_explained_with_its_reason(many: Many) -> None:
    await many.devices(1, token=None)
    await many.accounts(user(2))
    await many.devices(3, business_id=99)
    await many.push()
    await many.run()
    assert [(await told(many, n))["reason"] for n in (1, 2, 3)] == ["no_token", "no_device", "no_certificate"]
    assert (await told(many, 3))["device_state"]["certificate"] == "none"


async def test_a_dead_token_in_a_batch_is_explained_for_its_device_alone(many: Many) -> None:
    await many.devices(*range(1, 6))
    partly = json.dumps({"code": "80100000", "msg": json.dumps({"illegal_tokens": ["token-3"]}), "requestId": "r"}).encode()
    many.vendor.answer = lambda request: VendorResponse(200, {}, partly)
    await many.push()
    await many.run()
    assert ((await told(many, 3))["state"], (await told(many, 3))["reason"]) == ("failed", "token_dead")
    assert (await told(many, 4))["state"] == "accepted"


async def test_receipts_find_their_target_by_message_and_token_by_number_and_from_the_device(many: Many) -> None:
    await many.devices(*range(1, 6))
    job = await many.push()
    await many.run()
    pushes = {n: (await told(many, n))["push_id"] for n in range(1, 6)}
    assert await receive(many, business_id=BATCHES, message_id=job.job_id, token="token-2") == pushes[2]
    assert await receive(many, business_id=BATCHES, push_id=pushes[4]) == pushes[4]
    assert await receive(many, device_id=5, message_id=job.job_id, kind=ReceiptKind.CLICKED) == pushes[5]
    assert await receive(many, device_id=1, push_id=pushes[1], kind=ReceiptKind.SHOWN) == pushes[1]
    assert (await told(many, 2))["delivered_at_ms"] == many.clock.now_ms()
    assert (await told(many, 5))["clicked_at_ms"] == many.clock.now_ms()
    assert (await told(many, 3))["delivered_at_ms"] is None


async def test_receipts_of_strangers_find_nothing(many: Many) -> None:
    await many.devices(*range(1, 6))
    job = await many.push()
    await many.run()
    push_id = (await told(many, 2))["push_id"]
    assert await receive(many, business_id=SINGLES, push_id=push_id) is None
    assert await receive(many, device_id=1, push_id=push_id) is None
    assert await receive(many, sdkappid=APP + 1, business_id=BATCHES, push_id=push_id) is None
    assert await receive(many, business_id=BATCHES, message_id=job.job_id, token="nobody's") is None
    assert await receive(many, business_id=BATCHES, push_id=push_id + 4000) is None


async def test_a_receipt_that_calls_a_token_dead_removes_it(many: Many) -> None:
    await many.devices(*range(1, 4))
    job = await many.push()
    await many.run()
    await receive(many, business_id=BATCHES, message_id=job.job_id, token="token-2", kind=ReceiptKind.TOKEN_DEAD)
    assert await many.without_token() == [2]


async def test_statistics_count_what_was_to_be_sent_taken_delivered_and_clicked(many: Many) -> None:
    await many.devices(*range(1, 6))
    await many.devices(11, 12, business_id=SINGLES)
    partly = json.dumps({"code": "80100000", "msg": json.dumps({"illegal_tokens": ["token-3"]}), "requestId": "r"}).encode()
    single = VendorResponse(200, {}, b'{"name":"projects/p/messages/1"}')
    many.vendor.answer = lambda request: single if "/v1/projects/" in request.url else VendorResponse(200, {}, partly)
    job = await many.push()
    await many.run()
    for _ in range(2):  # a receipt that comes twice counts once
        await receive(many, business_id=BATCHES, message_id=job.job_id, token="token-2")
    await receive(many, device_id=2, message_id=job.job_id, kind=ReceiptKind.CLICKED)
    statistics = Statistics(many.database, many.clock)
    [counts] = await statistics.jobs([await many.job(job)])
    assert counts == {"huawei": (5, 4, 1, 1), "fcm": (2, 2, 0, 0)}
    now = many.clock.now_ms() // 1000
    assert await statistics.all_jobs(many.apps.app, now - 60, now) == counts
    [trace] = await statistics.trace_job(many.apps.app, job, user(3))
    assert (trace.push.reason, len(trace.attempts)) == ("token_dead", 1)


async def test_bundles_go_when_their_time_is_over(many: Many, clock: Any) -> None:
    await many.devices(*range(1, 4))
    job = await many.push()
    await many.run()
    await receive(many, business_id=BATCHES, message_id=job.job_id, token="token-2")
    clock.advance(seconds=40 * 86_400)
    keeper = Retention(database=many.database, clock=clock, keep_messages_days=30, keep_pushes_days=30)
    await keeper.round()
    await keeper.round()
    assert await many.bundles() == []
    assert await many.jobs.find(APP, job.task_id) is None
    left = Query("test.left", "SELECT push_id FROM attempt UNION ALL SELECT push_id FROM receipt")
    assert await many.rows(left) == []
