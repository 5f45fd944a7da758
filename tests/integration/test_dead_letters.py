"""Dead letters: listed, tried again with a fresh count, and left alone where it would be wrong."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from homing.model.apps import NotificationMode
from homing.model.outcome import VendorResponse
from homing.model.problems import Refused
from homing.model.push import PushState
from homing.rules.retry import DEFAULT_POLICY
from homing.services.dead_letters import BATCH, DeadLetters
from homing.services.explain import Explain
from homing.store.engine import Query
from homing.store.retention import delete_pushes

APP = 1_400_000_001
REFUSED = VendorResponse(400, {}, b'{"error":{"code":400,"status":"INVALID_ARGUMENT","message":"bad"}}')
BUSY = VendorResponse(503, {"retry-after": "1"}, b'{"error":{"code":503,"status":"UNAVAILABLE"}}')
OK = VendorResponse(200, {}, b'{"name":"projects/p/messages/0:1%a"}')
_APP = Query(
    "test.app", "INSERT INTO app (sdkappid, name, secret_key_sealed, admins, settings, created_at_ms) VALUES (?, 'x', ?, '[]', '{}', 0)"
)
_UNBIND = Query("test.unbind", "UPDATE device SET token = NULL, business_id = NULL WHERE device_id = ?")
_NOTES = Query("test.notes", "SELECT COUNT(*) FROM push_retry")


@pytest.fixture
async def letters(pipeline: Any) -> DeadLetters:
    """The dead letters of an app whose bob has a device."""
    await pipeline.database.write(lambda tx: tx.execute(_APP, APP, b"sealed"))
    await pipeline.device(7, "bob")
    return DeadLetters(pipeline.database, pipeline.clock, pipeline.bus.wake)


async def failed(pipeline: Any, *texts: str, **options: Any) -> list[int]:
    """Pushes that the vendor refused."""
    pipeline.vendor.answer = lambda _: REFUSED
    sent = len(pipeline.vendor.requests)
    for text in texts:
        await pipeline.send(text, **options)
    await pipeline.vendor.received(sent + len(texts))
    pushes = await pipeline.pushes()
    pipeline.vendor.answer = lambda _: OK
    return [push[0] for push in pushes if push[1] == PushState.FAILED]


async def turn(pipeline: Any) -> None:
    """One turn, once the wake-up has arrived."""
    for _ in range(3):
        await asyncio.sleep(0)
    await pipeline.turn()


async def test_a_failed_push_is_listed_and_sent_when_it_is_tried_again(pipeline: Any, letters: DeadLetters) -> None:
    [push_id] = await failed(pipeline, "hi")
    [letter] = await letters.list(APP)
    assert (letter.push_id, letter.reason, letter.attempts, letter.user_id) == (push_id, "message_refused", 1, "bob")
    assert letter.code
    assert await letters.list(APP, "failed", reason="attempts_over") == []
    await letters.retry_one(APP, push_id)
    await turn(pipeline)
    await pipeline.vendor.received(2)
    [push] = await pipeline.pushes()
    assert push[1:4] == (PushState.ACCEPTED, "offline", 2)
    assert [attempt[1:3] for attempt in await pipeline.attempts()] == [(1, "message_refused"), (2, "accepted")]
    assert await letters.list(APP) == []
    told = await Explain(pipeline.database, pipeline.clock).push(APP, push_id)
    again = told["messages"][0]["pushes"][0]["tried_again"]
    assert (again["was"], again["attempts"], again["at_ms"]) == ("message_refused", 1, pipeline.clock.now_ms())


async def test_attempts_before_do_not_count_against_it(pipeline: Any, letters: DeadLetters) -> None:
    pipeline.vendor.answer = lambda _: BUSY
    await pipeline.send("hi")
    await pipeline.vendor.received(1)
    for n in range(2, DEFAULT_POLICY.max_attempts + 1):
        await pipeline.pushes()
        pipeline.clock.advance(seconds=130)  # the breaker of the lane opens meanwhile
        await turn(pipeline)
        await pipeline.vendor.received(n)
    [push] = await pipeline.pushes()
    assert push[1:3] == (PushState.FAILED, "attempts_over")
    pipeline.clock.advance(seconds=130)
    assert (await letters.retry_all(APP, "failed", reason="attempts_over")).again == 1
    await turn(pipeline)
    await pipeline.vendor.received(DEFAULT_POLICY.max_attempts + 1)
    [push] = await pipeline.pushes()
    assert push[1] == PushState.PENDING
    pipeline.vendor.answer = lambda _: OK
    pipeline.clock.advance(seconds=130)
    await turn(pipeline)
    await pipeline.vendor.received(DEFAULT_POLICY.max_attempts + 2)
    [push] = await pipeline.pushes()
    assert push[1:4] == (PushState.ACCEPTED, "offline", DEFAULT_POLICY.max_attempts + 2)


async def test_what_is_over_or_has_no_token_is_left_alone(pipeline: Any, letters: DeadLetters) -> None:
    await pipeline.device(8, "carol")
    await failed(pipeline, "soon over", lifetime_seconds=60)
    await failed(pipeline, "no token", to="carol")
    await failed(pipeline, "good")
    await pipeline.database.write(lambda tx: tx.execute(_UNBIND, 8))
    pipeline.clock.advance(seconds=61)
    retried = await letters.retry_all(APP, "failed")
    assert (retried.again, retried.over, retried.no_token) == (1, 1, 1)
    await turn(pipeline)
    await pipeline.vendor.received(4)
    assert pipeline.vendor.bodies()[3:] == ["good"]
    for letter in await letters.list(APP):
        with pytest.raises(Refused, match=r"lifetime has ended|no push token"):
            await letters.retry_one(APP, letter.push_id)


async def test_what_did_not_fail_cannot_be_tried_again(pipeline: Any, letters: DeadLetters) -> None:
    await pipeline.send("hi")
    await pipeline.vendor.received(1)
    [push] = await pipeline.pushes()
    with pytest.raises(Refused, match="it is accepted"):
        await letters.retry_one(APP, push[0])
    with pytest.raises(Refused, match="not recorded"):
        await letters.retry_one(APP, 1)
    with pytest.raises(Refused, match="99"):
        await letters.retry_all(99, "failed")
    with pytest.raises(Refused, match="99"):
        await letters.list(99)


async def test_an_older_notification_does_not_come_after_a_newer_one(pipeline: Any, letters: DeadLetters) -> None:
    pipeline.settings(notification_mode=NotificationMode.PER_CONVERSATION)
    [push_id] = await failed(pipeline, "old")
    await pipeline.send("new")
    await pipeline.vendor.received(2)
    await letters.retry_one(APP, push_id)
    await turn(pipeline)
    pushes = await pipeline.pushes()
    assert [push[1:3] for push in pushes] == [(PushState.CANCELLED, "superseded"), (PushState.ACCEPTED, "offline")]
    assert pipeline.vendor.bodies() == ["old", "new"]


async def test_many_are_tried_again_in_bounded_batches_and_notes_go_with_their_pushes(pipeline: Any, letters: DeadLetters) -> None:
    many = BATCH + 70
    pipeline.vendor.answer = lambda _: REFUSED
    await pipeline.send("warm")
    await asyncio.gather(*(pipeline.send(f"m{n}", seq=n) for n in range(many - 1)))
    for _ in range(20):
        pipeline.clock.advance(ms=100)
        await turn(pipeline)
        await pipeline.settle()
    await pipeline.pushes()
    assert len(await letters.list(APP, limit=1000)) == many
    pipeline.vendor.answer = lambda _: OK
    assert (await letters.retry_all(APP, "failed")).again == many
    for _ in range(100):
        pipeline.clock.advance(ms=100)  # the certificate's rate limit needs time to pass
        await turn(pipeline)
        await pipeline.settle()
        if len(pipeline.vendor.requests) == 2 * many:
            break
    assert {push[1] for push in await pipeline.pushes()} == {PushState.ACCEPTED}
    assert (await pipeline.database.read(lambda tx: tx.fetch(_NOTES)))[0][0] == many
    await pipeline.database.write(lambda tx: delete_pushes(tx, 2**62, 1000))
    assert (await pipeline.database.read(lambda tx: tx.fetch(_NOTES)))[0][0] == 0
