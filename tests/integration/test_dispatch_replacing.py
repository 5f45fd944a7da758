"""One notification a conversation: the newest waits for the one on its way, and nothing keeps it waiting for ever."""

from __future__ import annotations

from typing import Any

import pytest

from homing.channels.registry import CHANNELS
from homing.model.apps import NotificationMode
from homing.model.outcome import Grant, VendorRequest, VendorResponse
from homing.model.push import PushState, Reason
from homing.store.pushes import silence_device

OK = VendorResponse(200, {}, b'{"name":"projects/p/messages/0:1%a"}')
EXPIRED = VendorResponse(401, {}, b'{"error":{"code":401,"status":"UNAUTHENTICATED"}}')


@pytest.fixture
async def replacing(pipeline: Any) -> Any:
    """A pipeline whose lane is open and whose notifications replace one another."""
    pipeline.settings(notification_mode=NotificationMode.PER_CONVERSATION)
    await pipeline.device(7, "bob")
    await pipeline.send("zero")
    await pipeline.vendor.received(1)
    await pipeline.pushes()
    return pipeline


def lane_of(pipeline: Any) -> Any:
    [lane] = pipeline.dispatch._lanes.values()
    return lane


async def waiting_behind(pipeline: Any) -> None:
    """ "one" is on its way, and "two" waits for its end."""
    pipeline.vendor.hold = True
    await pipeline.send("one")
    await pipeline.vendor.received(2)
    await pipeline.send("two")
    lane = lane_of(pipeline)
    while lane.queued:
        lane.pump()
    assert len(lane.holds()) == 2


async def test_an_answer_that_cannot_be_judged_lets_the_newer_notification_go(replacing: Any, monkeypatch: Any) -> None:
    await waiting_behind(replacing)
    fcm = CHANNELS["fcm"]
    judged: list[VendorRequest] = []
    interpret = type(fcm).interpret

    def broken_once(self: Any, request: VendorRequest, answer: VendorResponse, now_ms: int) -> Any:
        judged.append(request)
        if len(judged) == 1:
            raise RuntimeError("a fault of ours")
        return interpret(self, request, answer, now_ms)

    monkeypatch.setattr(type(fcm), "interpret", broken_once)
    replacing.vendor.release()
    await replacing.vendor.received(3)
    await replacing.pushes()
    replacing.clock.advance(seconds=61)  # "one" comes up again, and is not shown over the newer one
    await replacing.turn()
    states = [push[1:3] for push in (await replacing.pushes())[1:]]
    assert states == [(PushState.CANCELLED, "superseded"), (PushState.ACCEPTED, "offline")]
    assert replacing.vendor.bodies() == ["zero", "one", "two"]


async def test_a_notification_that_cannot_be_rendered_comes_again_and_holds_up_nobody(replacing: Any, monkeypatch: Any) -> None:
    await replacing.device(8, "carol")
    fcm = CHANNELS["fcm"]
    render = type(fcm).render

    def broken(self: Any, notification: Any, *rest: Any) -> Any:
        if notification.body == "bad":
            raise RuntimeError("a fault of ours")
        return render(self, notification, *rest)

    monkeypatch.setattr(type(fcm), "render", broken)
    await replacing.send("bad")
    await replacing.send("good", to="carol")
    await replacing.vendor.received(2)
    bad, good = (await replacing.pushes())[1:]
    assert good[1] == PushState.ACCEPTED
    assert (bad[1], bad[4]) == (PushState.PENDING, replacing.clock.now_ms() + 60_000)
    monkeypatch.setattr(type(fcm), "render", render)
    replacing.clock.advance(seconds=60)
    await replacing.turn()
    await replacing.vendor.received(3)
    assert {push[1] for push in await replacing.pushes()} == {PushState.ACCEPTED}


async def test_a_renewed_login_sends_a_replacing_notification_again(replacing: Any) -> None:
    """It has its turn already: it must not wait for itself."""

    def answer(request: VendorRequest) -> VendorResponse:
        return OK if dict(request.headers)["authorization"].endswith("grant-2") else EXPIRED

    def invalidate(_: Any, used: Grant) -> None:
        replacing.logins.result = Grant("grant-2", 2**50)

    replacing.vendor.answer = answer
    replacing.logins.invalidate = invalidate
    await replacing.send("one")
    await replacing.vendor.received(3)
    assert {push[1] for push in await replacing.pushes()} == {PushState.ACCEPTED}
    await replacing.send("two")
    await replacing.vendor.received(4)
    assert replacing.vendor.bodies() == ["zero", "one", "one", "two"]


async def test_what_waits_its_turn_is_dropped_with_its_device(replacing: Any) -> None:
    await waiting_behind(replacing)
    now_ms = replacing.clock.now_ms()
    await replacing.database.write(lambda tx: silence_device(tx, 7, Reason.LOGGED_OUT, now_ms))
    replacing.dispatch.drop_device(7)
    assert len(lane_of(replacing).holds()) == 1  # the one on its way
    replacing.vendor.release()
    await replacing.pushes()
    assert replacing.vendor.bodies() == ["zero", "one"]
