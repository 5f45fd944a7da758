"""Pushes to browsers on a real store: requests that are not text, and tokens that name no push service."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from typing import Any

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

from homing.channels.registry import CHANNELS
from homing.model.certificates import Certificate
from homing.model.outcome import FailureKind, TransportFailure, VendorRequest, VendorResponse
from homing.model.push import PushState

ENDPOINT = "https://updates.push.services.mozilla.com/wpush/v2/gAAAA"
CREATED = VendorResponse(201, {"location": "https://updates.push.services.mozilla.com/m/1"}, b"")
KEYS = {
    "p256dh": "BCVxsr7N_eNgVRqvHtD0zTZsEc6-VV-JvLexhqUzORcxaOzi6-AYWXvTBHm4bjyPjs7Vd8pZGH6SRpkNtoIAiw4",
    "auth": "BTBZMqHH6r4Tts7J_aSIgg",
}


def subscription(endpoint: str = ENDPOINT) -> str:
    return json.dumps({"endpoint": endpoint, "keys": KEYS})


@pytest.fixture
def certificate() -> Certificate:
    """A Web Push certificate in the pipeline's place for one."""
    channel = CHANNELS["webpush"]
    pem = ec.generate_private_key(ec.SECP256R1()).private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    credentials = channel.credentials_type(vapid_private_key=pem.decode(), subject="mailto:push@example.com")
    return Certificate(1_400_000_001, 15_518, "webpush", "test", credentials, channel.options_type())


async def test_an_encrypted_request_is_sent_and_recorded(pipeline: Any) -> None:
    await pipeline.device(7, "bob", platform="web", token=subscription())
    pipeline.vendor.answer = lambda _: CREATED
    await pipeline.send("hi")
    [request] = await pipeline.vendor.received(1)
    assert b"\x00" in request.body
    [push] = await pipeline.pushes()
    assert (push[1], push[8]) == (PushState.ACCEPTED, "1")
    [attempt] = await pipeline.attempts()
    assert f"{len(request.body)} bytes" in attempt[4]
    assert request.secrets[0] not in attempt[4]


async def test_an_answer_with_nul_characters_is_recorded(pipeline: Any) -> None:
    await pipeline.device(7, "bob", platform="web", token=subscription())
    pipeline.vendor.answer = lambda _: VendorResponse(410, {}, b"gone\x00\xff\x00")
    await pipeline.send("hi")
    await pipeline.vendor.received(1)
    [push] = await pipeline.pushes()
    assert push[1:3] == (PushState.FAILED, "token_dead")
    assert "gone" in (await pipeline.attempts())[0][5]


async def test_an_endpoint_that_may_not_be_called_is_explained_and_harms_no_other_device(pipeline: Any) -> None:
    await pipeline.device(7, "bob", platform="web", token=subscription("http://169.254.169.254/latest/meta-data"))
    await pipeline.device(8, "carol", platform="web", token=subscription())
    pipeline.vendor.answer = lambda request: CREATED if request.url else VendorResponse(0, {}, b"")
    await pipeline.send("hi", to="bob")
    await pipeline.send("hi", to="carol")
    await pipeline.vendor.received(2)
    pushes = {push[5]: push for push in await pipeline.pushes()}
    assert pushes[7][1:3] == (PushState.FAILED, "message_refused")
    assert pushes[8][1] == PushState.ACCEPTED
    called: list[VendorRequest] = pipeline.vendor.requests
    assert {request.url for request in called} == {"", ENDPOINT}
    assert [attempt[3] for attempt in await pipeline.attempts() if attempt[2] == "message_refused"] == ["endpoint_not_allowed"]


CHROME = "https://fcm.googleapis.com/fcm/send/abc"
SHARE = CHANNELS["webpush"].capabilities.max_in_flight // 2


def arrived_at(pipeline: Any, endpoint: str) -> int:
    return sum(request.url == endpoint for request in pipeline.vendor.requests)


async def until(true: Callable[[], bool]) -> None:
    async with asyncio.timeout(10):
        while not true():  # noqa: ASYNC110  (the condition has no event of its own)
            await asyncio.sleep(0.002)


async def two_browsers(pipeline: Any) -> None:
    await pipeline.device(7, "bob", platform="web", token=subscription())
    await pipeline.device(8, "carol", platform="web", token=subscription(CHROME))


async def test_a_push_service_that_is_down_stops_its_own_browsers_alone(pipeline: Any) -> None:
    await two_browsers(pipeline)
    down = TransportFailure(FailureKind.CONNECT, "refused")
    pipeline.vendor.answer = lambda request: down if request.url == ENDPOINT else CREATED
    for n in range(30):
        await pipeline.send(f"to Firefox {n}", to="bob", seq=n)
        await pipeline.send(f"to Chrome {n}", to="carol", seq=n)
    await until(lambda: arrived_at(pipeline, CHROME) == 30)
    pushes = await pipeline.pushes()
    assert {push[1] for push in pushes if push[5] == 8} == {PushState.ACCEPTED}
    assert {push[1] for push in pushes if push[5] == 7} == {PushState.PENDING}
    assert arrived_at(pipeline, CHROME) == 30
    asked = arrived_at(pipeline, ENDPOINT)
    assert asked < 30
    pipeline.vendor.answer = lambda _: CREATED
    for _ in range(60):
        pipeline.clock.advance(seconds=10)
        await pipeline.turn()
        if {push[1] for push in await pipeline.pushes()} == {PushState.ACCEPTED}:
            break
    assert {push[1] for push in await pipeline.pushes()} == {PushState.ACCEPTED}
    assert (arrived_at(pipeline, CHROME), arrived_at(pipeline, ENDPOINT)) == (30, asked + 30)


async def test_a_push_service_that_never_answers_takes_no_more_than_its_share(pipeline: Any) -> None:
    await two_browsers(pipeline)
    silent: list[Any] = []
    submit = pipeline.vendor.submit

    def hold(request: VendorRequest, pool: str, done: Any, *, reconnect: bool = False) -> object:
        if request.url == ENDPOINT:
            silent.append(done)
            return None
        return submit(request, pool, done, reconnect=reconnect)

    pipeline.vendor.submit = hold
    for n in range(2 * SHARE + 10):
        await pipeline.send(f"to Firefox {n}", to="bob", seq=n)
    for n in range(20):
        await pipeline.send(f"to Chrome {n}", to="carol", seq=n)
    await until(lambda: arrived_at(pipeline, CHROME) == 20 and len(silent) == SHARE)
    assert (arrived_at(pipeline, CHROME), len(silent)) == (20, SHARE)
    while silent:  # it comes back: what waited for it goes out, once
        silent.pop(0)(CREATED)
        await asyncio.sleep(0)
    pushes = await pipeline.pushes()
    assert {push[1] for push in pushes} == {PushState.ACCEPTED}
    assert [push[3] for push in pushes] == [1] * len(pushes)


async def test_a_pause_that_a_push_service_asks_for_is_its_own(pipeline: Any) -> None:
    await two_browsers(pipeline)
    slower = VendorResponse(429, {"retry-after": "4"}, b"")
    pipeline.vendor.answer = lambda request: slower if request.url == ENDPOINT else CREATED
    await pipeline.send("first", to="bob")
    await pipeline.vendor.received(1)
    await pipeline.pushes()
    await pipeline.send("second", to="bob", seq=2)
    await pipeline.send("third", to="carol")
    await pipeline.vendor.received(2)
    pushes = await pipeline.pushes()
    assert [push[1] for push in pushes] == [PushState.PENDING, PushState.PENDING, PushState.ACCEPTED]
    assert arrived_at(pipeline, ENDPOINT) == 1
    pipeline.vendor.answer = lambda _: CREATED
    pipeline.clock.advance(seconds=5)
    await pipeline.turn()
    assert {push[1] for push in await pipeline.pushes()} == {PushState.ACCEPTED}


async def test_logging_out_silences_what_waits_for_a_push_services_share(pipeline: Any) -> None:
    await two_browsers(pipeline)
    pipeline.vendor.hold = True
    for n in range(SHARE + 3):
        await pipeline.send(f"to Firefox {n}", to="bob", seq=n)
    lane = next(iter(pipeline.dispatch._lanes.values()))
    await until(lambda: lane.queued == 3)
    assert (lane.queued, len(lane.holds())) == (3, SHARE + 3)
    lane.drop_device(7)
    assert (lane.queued, len(lane.holds())) == (0, SHARE)
