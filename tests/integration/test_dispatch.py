"""The push pipeline: every outcome has its one action, nothing is lost, nothing is doubled."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest

from homing.model.apps import NotificationMode
from homing.model.outcome import FailureKind, Grant, TransportFailure, VendorRequest, VendorResponse
from homing.model.push import PushState, Reason
from homing.services.recorder import Entry
from homing.store.engine import Query, Tx
from homing.store.nodes import take_node
from homing.store.push_queue import owner_of, release_lost
from homing.store.pushes import cancel_messages, silence_device

OK = VendorResponse(200, {}, b'{"name":"projects/p/messages/0:1%a"}')
BUSY = VendorResponse(503, {"retry-after": "7"}, b'{"error":{"code":503,"status":"UNAVAILABLE"}}')
DEAD = VendorResponse(
    404,
    {},
    json.dumps(
        {
            "error": {
                "code": 404,
                "status": "NOT_FOUND",
                "details": [{"@type": "type.googleapis.com/google.firebase.fcm.v1.FcmError", "errorCode": "UNREGISTERED"}],
            }
        }
    ).encode(),
)
LAPSED = Query("test.lapsed", "UPDATE node SET node_id = ?, lease_until_ms = 1")
TOKEN = Query("test.token", "SELECT token FROM device WHERE device_id = ?")
RETOKEN = Query("test.retoken", "UPDATE device SET token = ?, token_at_ms = ? WHERE device_id = ?")


async def token_of(pipeline: Any, device_id: int) -> Any:
    async def work(tx: Tx) -> Any:
        return (await tx.fetch(TOKEN, device_id))[0][0]

    return await pipeline.database.read(work)


async def test_a_vendor_that_is_busy_is_asked_again_when_it_said(pipeline: Any) -> None:
    await pipeline.device(7, "bob")
    pipeline.vendor.answer = lambda _: BUSY
    await pipeline.send("hi")
    await pipeline.vendor.received(1)
    [push] = await pipeline.pushes()
    assert push[1] == PushState.PENDING
    assert push[4] == pipeline.clock.now_ms() + 7000
    pipeline.vendor.answer = lambda _: OK
    pipeline.clock.advance(seconds=6)
    await pipeline.turn()
    assert len(pipeline.vendor.requests) == 1
    pipeline.clock.advance(seconds=2)
    await pipeline.turn()
    await pipeline.vendor.received(2)
    [push] = await pipeline.pushes()
    assert push[1:4] == (PushState.ACCEPTED, "offline", 2)
    assert [attempt[2] for attempt in await pipeline.attempts()] == ["vendor_down", "accepted"]


@pytest.mark.parametrize(
    "answer",
    [
        VendorResponse(200, {}, b"<html>maintenance</html>"),
        VendorResponse(200, {}, b""),
        VendorResponse(200, {}, b'{"name":'),
        VendorResponse(200, {}, b'{"error":"no"}'),
        VendorResponse(502, {"content-type": "text/html"}, b"<html>Bad Gateway</html>"),
        VendorResponse(404, {}, b"<html>not here</html>"),
        TransportFailure(FailureKind.TIMEOUT),
        TransportFailure(FailureKind.CLOSED, "in the middle"),
    ],
)
async def test_nonsense_from_a_vendor_never_deletes_a_token_and_is_recorded(pipeline: Any, answer: Any) -> None:
    await pipeline.device(7, "bob")
    pipeline.vendor.answer = lambda _: answer
    await pipeline.send("hi")
    await pipeline.vendor.received(1)
    [push] = await pipeline.pushes()
    assert push[1] in (PushState.PENDING, PushState.ACCEPTED, PushState.FAILED)
    assert push[1] != PushState.ACCEPTED or b"name" in answer.body
    assert await token_of(pipeline, 7) == "token-7"
    assert len(await pipeline.attempts()) == 1


async def test_a_dead_token_is_removed(pipeline: Any) -> None:
    await pipeline.device(7, "bob")
    pipeline.vendor.answer = lambda _: DEAD
    await pipeline.send("hi")
    await pipeline.vendor.received(1)
    [push] = await pipeline.pushes()
    assert push[1:3] == (PushState.FAILED, "token_dead")
    assert await token_of(pipeline, 7) is None


async def test_a_dead_token_that_was_replaced_meanwhile_stays(pipeline: Any) -> None:
    await pipeline.device(7, "bob")
    pipeline.vendor.hold = True
    pipeline.vendor.answer = lambda _: DEAD
    await pipeline.send("hi")
    await pipeline.vendor.received(1)

    async def report(tx: Tx) -> None:
        await tx.execute(RETOKEN, "fresh", pipeline.clock.now_ms() + 1, 7)

    await pipeline.database.write(report)
    pipeline.vendor.release()
    await pipeline.pushes()
    assert await token_of(pipeline, 7) == "fresh"


async def test_an_expired_login_is_renewed_once_and_the_message_sent_again(pipeline: Any) -> None:
    await pipeline.device(7, "bob")
    expired = VendorResponse(401, {}, b'{"error":{"code":401,"status":"UNAUTHENTICATED"}}')

    def answer(request: VendorRequest) -> VendorResponse:
        return OK if dict(request.headers)["authorization"].endswith("grant-2") else expired

    def invalidate(_: Any, used: Grant) -> None:
        pipeline.logins.result = Grant("grant-2", 2**50)

    pipeline.vendor.answer = answer
    pipeline.logins.invalidate = invalidate
    await pipeline.send("hi")
    await pipeline.vendor.received(2)
    [push] = await pipeline.pushes()
    assert push[1] == PushState.ACCEPTED
    assert [attempt[2] for attempt in await pipeline.attempts()] == ["auth_expired", "accepted"]


async def test_refused_credentials_pause_the_certificate_and_keep_the_push(pipeline: Any) -> None:
    await pipeline.device(7, "bob")
    pipeline.vendor.answer = lambda _: VendorResponse(403, {}, b'{"error":{"code":403,"status":"PERMISSION_DENIED","message":"disabled"}}')
    await pipeline.send("hi")
    await pipeline.vendor.received(1)
    [push] = await pipeline.pushes()
    assert push[1] == PushState.PENDING
    assert len(pipeline.authority.paused) == 1
    assert await token_of(pipeline, 7) == "token-7"


async def test_secrets_are_masked_in_what_is_recorded(pipeline: Any) -> None:
    pipeline.logins.result = Grant("ya29.very-secret-access-token", 2**50)
    await pipeline.device(7, "bob")
    await pipeline.send("hi")
    await pipeline.vendor.received(1)
    [attempt] = await pipeline.attempts()
    assert "very-secret" not in attempt[4]
    assert "messages:send" in attempt[4]


async def test_a_push_is_not_sent_after_its_time_to_live(pipeline: Any) -> None:
    await pipeline.device(7, "bob")
    pipeline.vendor.answer = lambda _: BUSY
    await pipeline.send("hi", lifetime_seconds=60)
    await pipeline.vendor.received(1)
    await pipeline.pushes()
    pipeline.clock.advance(seconds=61)
    await pipeline.turn()
    [push] = await pipeline.pushes()
    assert push[1:3] == (PushState.EXPIRED, "ttl_over")
    assert len(pipeline.vendor.requests) == 1


async def test_logging_out_silences_what_waits_for_a_retry(pipeline: Any) -> None:
    await pipeline.device(7, "bob")
    pipeline.vendor.answer = lambda _: BUSY
    await pipeline.send("hi")
    await pipeline.vendor.received(1)
    await pipeline.pushes()
    await pipeline.database.write(lambda tx: silence_device(tx, 7, Reason.LOGGED_OUT, pipeline.clock.now_ms()))
    pipeline.clock.advance(seconds=60)
    await pipeline.turn()
    [push] = await pipeline.pushes()
    assert push[1:3] == (PushState.SUPPRESSED, "logged_out")
    assert len(pipeline.vendor.requests) == 1


async def test_a_recalled_message_is_not_pushed_any_more(pipeline: Any) -> None:
    await pipeline.device(7, "bob")
    pipeline.vendor.answer = lambda _: BUSY
    accepted = await pipeline.send("hi")
    await pipeline.vendor.received(1)
    await pipeline.pushes()
    await pipeline.database.write(
        lambda tx: cancel_messages(tx, pipeline.app.sdkappid, [accepted.message_id], Reason.RECALLED, pipeline.clock.now_ms())
    )
    pipeline.clock.advance(seconds=60)
    await pipeline.turn()
    assert len(pipeline.vendor.requests) == 1


async def test_a_foreground_device_gets_the_socket_and_no_push_when_it_acknowledges(pipeline: Any) -> None:
    await pipeline.device(7, "bob", node_id=1, app_state="foreground")
    accepted = await pipeline.send("hi")
    await asyncio.sleep(0)
    assert [delivery.device_id for delivery in pipeline.delivered] == [7]
    await pipeline.acknowledgements.acknowledge(pipeline.app.sdkappid, 7, [accepted.message_id])
    pipeline.clock.advance(seconds=10)
    await pipeline.turn()
    [push] = await pipeline.pushes()
    assert push[1:3] == (PushState.DELIVERED_ONLINE, "foreground")
    assert pipeline.vendor.requests == []


async def test_without_an_acknowledgement_in_three_seconds_the_push_goes_out(pipeline: Any) -> None:
    await pipeline.device(7, "bob", node_id=1, app_state="foreground")
    await pipeline.send("hi")
    pipeline.clock.advance(ms=2900)
    await pipeline.turn()
    assert pipeline.vendor.requests == []
    pipeline.clock.advance(ms=200)
    await pipeline.turn()
    await pipeline.vendor.received(1)
    [push] = await pipeline.pushes()
    assert push[1] == PushState.ACCEPTED


async def test_a_background_device_that_is_connected_gets_both(pipeline: Any) -> None:
    await pipeline.device(7, "bob", node_id=1)
    await pipeline.send("hi")
    await pipeline.vendor.received(1)
    assert [delivery.device_id for delivery in pipeline.delivered] == [7]


async def test_what_a_dead_process_had_claimed_is_sent_by_its_next_life(pipeline: Any, certificate: Any) -> None:
    await pipeline.device(7, "bob")
    await pipeline.send("first")
    await pipeline.vendor.received(1)
    pipeline.vendor.hold = True
    for n in range(5):
        await pipeline.send(f"lost {n}", seq=n)
    await pipeline.vendor.received(6)
    after = type(pipeline)(pipeline.database, pipeline.clock, certificate)  # the same node number, nothing in memory
    await after.dispatch.start()
    try:
        await after.dispatch.turn()
        await after.vendor.received(5)
        assert sorted(after.vendor.bodies()) == [f"lost {n}" for n in range(5)]
        assert {push[1] for push in await after.pushes()} == {PushState.ACCEPTED}
        pipeline.vendor.release()  # the first life's answers come late and change nothing
        assert {push[3] for push in await pipeline.pushes()} == {1}
    finally:
        await after.dispatch.stop(1.0)


async def test_another_node_takes_over_when_the_lease_runs_out(pipeline: Any, certificate: Any) -> None:
    await pipeline.device(7, "bob")
    await pipeline.send("first")
    await pipeline.vendor.received(1)
    pipeline.vendor.hold = True
    await pipeline.send("second")
    await pipeline.vendor.received(2)
    other = type(pipeline)(pipeline.database, pipeline.clock, certificate, node_id=2)
    await other.dispatch.start()
    try:
        await other.dispatch.turn()
        assert other.vendor.requests == []
        pipeline.clock.advance(seconds=61)
        await other.dispatch.turn()
        await other.vendor.received(1)
        states = {push[1] for push in await other.pushes()}
        assert states == {PushState.ACCEPTED}
    finally:
        await other.dispatch.stop(1.0)


async def test_a_push_on_its_way_back_to_the_table_is_not_claimed_before_it_is_there(pipeline: Any) -> None:
    """Else its return would be written after the new claim and undo it: sent, and still waiting."""
    await pipeline.device(7, "bob")
    await pipeline.send("first")
    await pipeline.vendor.received(1)
    pipeline.vendor.hold = True
    await pipeline.send("second")
    await pipeline.vendor.received(2)
    [push_id] = [push[0] for push in await pipeline.pushes() if push[1] == PushState.CLAIMED]
    pipeline.recorder.add(Entry(release=(push_id, pipeline.clock.now_ms() + 1000)))
    assert push_id in pipeline.recorder.unwritten
    await pipeline.recorder.drain()
    assert push_id not in pipeline.recorder.unwritten


async def test_a_node_never_takes_its_own_pushes_for_those_of_a_dead_one(pipeline: Any) -> None:
    """Its lease looks old (nobody renews it on SQLite; a database that was away on PostgreSQL), and pushes are in flight."""
    await pipeline.device(7, "bob")
    await pipeline.send("first")
    await pipeline.vendor.received(1)
    await pipeline.pushes()
    pipeline.vendor.hold = True
    await pipeline.send("second")
    await pipeline.vendor.received(2)

    async def lapse(tx: Tx) -> None:
        await take_node(tx, "boot", pipeline.clock.now_ms(), 1, alone=False)
        await tx.execute(LAPSED, pipeline.node_id)

    await pipeline.database.write(lapse)
    own = owner_of(pipeline.node_id, 1)
    assert await pipeline.database.write(lambda tx: release_lost(tx, own, pipeline.clock.now_ms())) == []
    pipeline.vendor.release()  # the answer is written after the search for dead nodes, and before the next claim
    assert {push[1] for push in await pipeline.pushes()} == {PushState.ACCEPTED}
    for _ in range(5):
        pipeline.clock.advance(seconds=6)
        await pipeline.turn()
    assert len(pipeline.vendor.requests) == 2


async def test_the_only_node_of_a_store_never_looks_dead(pipeline: Any) -> None:
    now_ms = pipeline.clock.now_ms()
    year_ms = 365 * 86_400_000
    assert await pipeline.database.write(lambda tx: take_node(tx, "one", now_ms, 1000, alone=True)) == 0
    assert await pipeline.database.write(lambda tx: release_lost(tx, owner_of(5, 1), now_ms + year_ms)) == []
    assert await pipeline.database.write(lambda tx: take_node(tx, "next life", now_ms + year_ms, 1000, alone=True)) == 0


async def test_an_older_notification_never_replaces_a_newer_one(pipeline: Any) -> None:
    pipeline.settings(notification_mode=NotificationMode.PER_CONVERSATION)
    await pipeline.device(7, "bob")
    await pipeline.send("zero")
    await pipeline.vendor.received(1)
    await pipeline.pushes()
    pipeline.vendor.hold = True
    pipeline.vendor.answer = lambda request: BUSY if b'"one"' in request.body else OK
    await pipeline.send("one")
    await pipeline.vendor.received(2)
    await pipeline.send("two")  # waits: "one" is in flight for the same device and conversation
    await pipeline.send("three")  # and takes the place of "two"
    pipeline.vendor.release()
    await pipeline.vendor.received(3)
    pipeline.clock.advance(seconds=61)  # the leases end while the last result is not written yet
    await pipeline.turn()
    pushes = await pipeline.pushes()
    assert pipeline.vendor.bodies() == ["zero", "one", "three"]
    assert [push[1:3] for push in pushes[1:]] == [
        (PushState.CANCELLED, "superseded"),
        (PushState.CANCELLED, "superseded"),
        (PushState.ACCEPTED, "offline"),
    ]


async def test_a_vendor_that_is_down_gets_few_requests_and_nothing_is_lost(pipeline: Any) -> None:
    await pipeline.device(7, "bob")
    pipeline.vendor.answer = lambda _: TransportFailure(FailureKind.CONNECT, "refused")
    for n in range(60):
        await pipeline.send(f"m{n}", seq=n)
    await pipeline.pushes()
    asked = len(pipeline.vendor.requests)
    assert asked < 60
    pipeline.vendor.answer = lambda _: OK
    for _ in range(40):
        pipeline.clock.advance(seconds=30)
        await pipeline.turn()
        await pipeline.pushes()
        if {push[1] for push in await pipeline.pushes()} == {PushState.ACCEPTED}:
            break
    assert {push[1] for push in await pipeline.pushes()} == {PushState.ACCEPTED}
    delivered = [body for request, body in zip(pipeline.vendor.requests, pipeline.vendor.bodies(), strict=True)][asked:]
    assert len(set(delivered)) >= 60 - asked


async def test_what_waits_for_a_trial_goes_out_as_soon_as_the_vendor_has_recovered(pipeline: Any) -> None:
    await pipeline.device(7, "bob")
    pipeline.vendor.answer = lambda _: TransportFailure(FailureKind.CONNECT, "refused")
    for n in range(20):
        await pipeline.send(f"m{n}", seq=n)
    for _ in range(3):  # each failed trial doubles the time between trials
        await pipeline.pushes()
        pipeline.clock.advance(seconds=130)
        await pipeline.turn()
    await pipeline.pushes()
    pipeline.vendor.answer = lambda _: OK
    pipeline.vendor.hold = True
    asked = len(pipeline.vendor.requests)
    pipeline.clock.advance(seconds=130)
    await pipeline.turn()
    await pipeline.vendor.received(asked + 1)
    pipeline.vendor.release()
    await pipeline.turn()
    assert {push[1] for push in await pipeline.pushes()} == {PushState.ACCEPTED}
