"""Web Push and HarmonyOS over real connections: the transport carries what the channels made, byte for byte."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest
import requests

from homing.channels.base import Channel
from homing.channels.fields import build
from homing.channels.registry import CHANNELS
from homing.model.certificates import Certificate
from homing.model.notification import Notification, Target
from homing.model.outcome import Grant, Outcome, OutcomeKind, VendorResponse
from homing.model.push_info import OfflinePushInfo
from homing.sandbox.server import Sandbox
from homing.transport.client import HttpTransport


@pytest.fixture
async def sandbox(clock: Any) -> AsyncIterator[Sandbox]:
    async with Sandbox(clock=clock) as running:
        yield running


@pytest.fixture
async def transport() -> AsyncIterator[HttpTransport]:
    running = HttpTransport()
    yield running
    await running.aclose()


async def call(sandbox: Sandbox, method: str, path: str, **options: Any) -> Any:
    answer = await asyncio.to_thread(requests.request, method, sandbox.base_url + path, timeout=20, **options)
    return answer.json()


async def send(channel: Channel, transport: HttpTransport, hint: dict[str, Any], tokens: list[str], now_ms: int) -> list[Outcome]:
    built = build(channel, hint["settings"] | hint["files"])
    assert isinstance(built, tuple), built
    certificate = Certificate(1_400_000_001, 1, channel.name, "test", *built)
    note = Notification("Li Lei", "你好 🌹", '{"a":1}', "c2c_u1", "1-2-3", 7, "m-7", OfflinePushInfo(), now_ms + 60_000, badge=2)
    grant = channel.login(certificate, now_ms)
    assert grant is None or isinstance(grant, Grant)
    outcomes = []
    for request in channel.render(note, [Target(n, token) for n, token in enumerate(tokens)], certificate, grant, now_ms):
        answer = await transport.send(request, pool="test")
        assert isinstance(answer, VendorResponse), answer
        outcomes += channel.interpret(request, answer, now_ms)
    return outcomes


@pytest.mark.parametrize(
    ("name", "brand", "vendor"),
    [
        ("harmony", "harmony", {}),
        ("webpush", "web", {"browser": "firefox"}),
        ("webpush", "web", {"browser": "chrome"}),
        ("webpush", "web", {"browser": "safari"}),
        ("webpush", "web", {"browser": "edge"}),
    ],
)
async def test_a_push_over_a_real_connection_is_shown(
    sandbox: Sandbox, transport: HttpTransport, clock: Any, name: str, brand: str, vendor: dict[str, Any]
) -> None:
    phone = await call(sandbox, "POST", "/phones", json={"brand": brand, "app": {"vendor": vendor}})
    outcomes = await send(CHANNELS[name], transport, phone["business_hint"], [phone["token"]], clock.now_ms())
    assert [outcome.kind for outcome in outcomes] == [OutcomeKind.ACCEPTED], outcomes
    [item] = await call(sandbox, "GET", f"/phones/{phone['phone_id']}/tray")
    assert (item["title"], item["body"], item["badge"], item["extras"]["ext"]) == ("Li Lei", "你好 🌹", 2, '{"a":1}')
    assert item["vendor_message_id"] == outcomes[0].vendor_message_id


async def test_a_token_that_names_no_push_service_is_answered_without_a_call(
    sandbox: Sandbox, transport: HttpTransport, clock: Any
) -> None:
    phone = await call(sandbox, "POST", "/phones", json={"brand": "web"})
    outcomes = await send(CHANNELS["webpush"], transport, phone["business_hint"], ["garbage", phone["token"]], clock.now_ms())
    assert [outcome.kind for outcome in outcomes] == [OutcomeKind.TOKEN_DEAD, OutcomeKind.ACCEPTED]
    assert len(await call(sandbox, "GET", "/requests?vendor=webpush")) == 1
