"""Pushes to browsers on a real store: requests that are not text, and tokens that name no push service."""

from __future__ import annotations

import json
from typing import Any

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

from homing.channels.registry import CHANNELS
from homing.model.certificates import Certificate
from homing.model.outcome import VendorRequest, VendorResponse
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
