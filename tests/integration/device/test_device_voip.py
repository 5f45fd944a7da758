"""A phone reports its token for calls beside its own."""

from __future__ import annotations

from typing import Any

import pytest

from homing.channels.base import call_problem
from homing.channels.registry import CHANNELS
from homing.model.certificates import Certificate
from homing.store.engine import Query

APP = 1_400_000_001
OWN, CALLS = 15_518, 15_520
VOIP = Query("test.device_voip", "SELECT user_id, business_id, token FROM voip_token")


async def stored(world: Any) -> list[tuple[Any, ...]]:
    return [tuple(row) for row in await world.hub.database.read(lambda tx: tx.fetch(VOIP))]


@pytest.mark.parametrize(
    ("voip", "status", "code"),
    [
        ({"business_id": OWN, "token": "r"}, 400, "bad_parameter"),
        ({"business_id": 1, "token": "r"}, 404, "certificate_unknown"),
        ({"business_id": 2**80, "token": "r"}, 404, "certificate_unknown"),
        ({"business_id": CALLS, "token": ""}, 400, "bad_parameter"),
        ({"business_id": CALLS, "token": "x" * 4097}, 413, "token_too_long"),
        ({"token": "r"}, 400, "bad_parameter"),
        ("ringer", 400, "bad_parameter"),
    ],
)
async def test_a_wrong_token_for_calls_is_refused_and_nothing_is_kept(world: Any, voip: Any, status: int, code: str) -> None:
    body = {"business_id": OWN, "token": "own", "voip": voip}
    assert await world.refused("PUT", "push-config", body, await world.login("bob")) == (status, code)
    assert await stored(world) == []
    assert [device["token"] for device in await world.devices()] == [None]


async def test_both_tokens_are_reported_in_one_call(world: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    async def get(_self: Any, _sdkappid: int, business_id: int) -> object | None:
        return object() if business_id in (OWN, CALLS) else None

    monkeypatch.setattr(type(world.hub.sessions._certificates), "get", get)
    bob = await world.login("bob")
    await world.ok("PUT", "push-config", {"business_id": OWN, "token": "own", "voip": {"business_id": CALLS, "token": "ringer"}}, bob)
    assert await stored(world) == [("bob", CALLS, "ringer")]
    assert [device["token"] for device in await world.devices()] == ["own"]
    await world.ok("PUT", "push-config", {"business_id": OWN, "token": "own"}, bob)
    assert await stored(world) == []


async def test_a_certificate_that_sends_notifications_is_refused_with_the_cure(world: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    apns = CHANNELS["apns"]
    notifications = Certificate(APP, CALLS, "apns", "chat", apns.credentials_type(), apns.options_type(topic="com.example.im"))
    numbers = {OWN: notifications, CALLS: notifications}

    async def get(_self: Any, _sdkappid: int, business_id: int) -> Certificate | None:
        return numbers.get(business_id)

    async def problem(_self: Any, _sdkappid: int, business_id: int) -> Any:
        return call_problem(apns, numbers[business_id])

    monkeypatch.setattr(type(world.hub.sessions._certificates), "get", get)
    monkeypatch.setattr(type(world.hub.sessions._certificates), "call_problem", problem)
    body = {"business_id": OWN, "token": "own", "voip": {"business_id": CALLS, "token": "ringer"}}
    assert await world.refused("PUT", "push-config", body, await world.login("bob")) == (400, "bad_parameter")
    assert await stored(world) == []
