"""Calls go to the token that a device reported for them, and everything else to its own."""

from __future__ import annotations

from typing import Any

import pytest

from homing.model.devices import Device
from homing.model.outcome import VendorResponse
from homing.model.push import PushState
from homing.model.push_info import OfflinePushInfo
from homing.rules.calls import is_call
from homing.rules.offline_message import CALL, CHAT, ONE_TO_ONE, container_json
from homing.store.engine import Query, Tx
from homing.store.push_tokens import bind_token, clear_token

OWN, CALLS = 15_518, 15_519
DEAD = VendorResponse(
    404,
    {},
    b'{"error":{"code":404,"status":"NOT_FOUND","details":[{"@type":"type.googleapis.com/google.firebase.fcm.v1.FcmError",'
    b'"errorCode":"UNREGISTERED"}]}}',
)
OK = VendorResponse(200, {}, b'{"name":"projects/p/messages/0:1%a"}')
VOIP = Query("test.voip", "SELECT device_id, user_id, business_id, token FROM voip_token ORDER BY device_id")
CERTIFICATE = Query(
    "test.calls_certificate",
    "INSERT INTO certificate (sdkappid, business_id, channel, name, credentials_sealed, options, version, receipt_path, created_at_ms, "
    "updated_at_ms) VALUES (?, ?, 'fcm', 'calls', ?, '{}', 1, 'calls', 0, 0)",
)
PAUSE = Query("test.pause", "UPDATE certificate SET paused_reason = 'refused' WHERE business_id = ?")
EVENTS = Query("test.voip_events", "SELECT kind, detail FROM device_event WHERE device_id = ? ORDER BY event_id")


def info(action: int) -> OfflinePushInfo:
    return OfflinePushInfo(Title="Alice", Desc="ring", Ext=container_json(chat_type=ONE_TO_ONE, action=action, sender="alice"))


def device(pipeline: Any, device_id: int, user_id: str) -> Device:
    return Device(device_id, pipeline.app.sdkappid, user_id, "ios", "instance", session_id=1)


async def rows(pipeline: Any, query: Query, *args: Any) -> list[tuple[Any, ...]]:
    async def work(tx: Tx) -> list[Any]:
        return await tx.fetch(query, *args)

    return [tuple(row) for row in await pipeline.database.read(work)]


async def bind(pipeline: Any, device_id: int, user_id: str, token: str, voip: tuple[int, str] | None) -> Any:
    async def work(tx: Tx) -> Any:
        return await bind_token(tx, device(pipeline, device_id, user_id), OWN, token, pipeline.clock.now_ms(), voip=voip)

    return await pipeline.database.write(work)


@pytest.fixture
async def phone(pipeline: Any) -> Any:
    """Bob's phone with a token of its own and one for calls."""
    await pipeline.database.write(lambda tx: tx.execute(CERTIFICATE, pipeline.app.sdkappid, CALLS, b"sealed"))
    first = pipeline.authority.certificate
    both = {OWN: first, CALLS: type(first)(**{f: getattr(first, f) for f in first.__struct_fields__} | {"business_id": CALLS})}

    async def get(_sdkappid: int, business_id: int) -> Any:
        return both.get(business_id)

    pipeline.authority.get = get
    await pipeline.device(7, "bob")
    await bind(pipeline, 7, "bob", "own", (CALLS, "ringer"))
    return pipeline


async def test_only_a_call_goes_to_the_token_for_calls(phone: Any) -> None:
    await phone.send("hi", push_info=info(CHAT))
    await phone.send("no push info")
    await phone.send("ring", push_info=info(CALL))
    await phone.vendor.received(3)
    pushes = await phone.pushes()
    assert [push[1] for push in pushes] == [PushState.ACCEPTED] * 3
    assert [push[7] for push in pushes] == ["own", "own", "ringer"]


async def test_a_call_that_is_tried_again_stays_with_its_token(phone: Any) -> None:
    answers = [VendorResponse(503, {}, b""), OK]
    phone.vendor.answer = lambda _: answers.pop(0)
    await phone.send("ring", push_info=info(CALL))
    await phone.vendor.received(1)
    await phone.pushes()
    phone.clock.advance(seconds=60)
    await phone.turn()
    await phone.turn()
    await phone.vendor.received(2)
    assert [push[7] for push in await phone.pushes()] == ["ringer"]


async def test_a_call_goes_to_the_devices_own_token_when_the_one_for_calls_is_dead(phone: Any) -> None:
    phone.clock.advance(seconds=1)
    phone.vendor.answer = lambda request: DEAD if b'"ringer"' in request.body else OK
    await phone.send("ring", push_info=info(CALL))
    await phone.vendor.received(1)
    await phone.pushes()
    phone.clock.advance(seconds=30)
    await phone.turn()
    await phone.turn()
    await phone.vendor.received(2)
    [push] = await phone.pushes()
    assert (push[1], push[7]) == (PushState.ACCEPTED, "own")
    assert await rows(phone, VOIP) == []
    assert [kind for kind, _ in await rows(phone, EVENTS, 7)] == ["token_removed"]


async def test_a_call_goes_to_the_devices_own_token_while_the_certificate_for_calls_is_paused(phone: Any) -> None:
    await phone.database.write(lambda tx: tx.execute(PAUSE, CALLS))
    await phone.send("ring", push_info=info(CALL))
    await phone.vendor.received(1)
    assert [push[7] for push in await phone.pushes()] == ["own"]


async def test_a_token_for_calls_belongs_to_one_account(phone: Any) -> None:
    await phone.device(8, "carol")
    [holder] = await bind(phone, 8, "carol", "other", (CALLS, "ringer"))
    assert (holder.device_id, holder.user_id) == (7, "bob")
    assert await rows(phone, VOIP) == [(8, "carol", CALLS, "ringer")]
    await phone.send("ring", push_info=info(CALL))
    await phone.vendor.received(1)
    assert [push[7] for push in await phone.pushes()] == ["own"]  # bob's phone keeps its own token


async def test_a_report_without_one_and_a_clearing_forget_the_token_for_calls(phone: Any) -> None:
    await bind(phone, 7, "bob", "own", None)
    assert await rows(phone, VOIP) == []
    await bind(phone, 7, "bob", "own", (CALLS, "again"))
    await phone.database.write(lambda tx: clear_token(tx, device(phone, 7, "bob"), phone.clock.now_ms()))
    assert await rows(phone, VOIP) == []


def test_a_call_is_known_by_its_container_alone() -> None:
    assert is_call(info(CALL), ())
    assert not is_call(info(CHAT), ())
    assert not is_call(OfflinePushInfo(Ext="not json"), ())
    assert not is_call(None, ())
