"""A phone with several push services: the maker's token first, the next one when that is dead; all of them one account's."""

from __future__ import annotations

from typing import Any

import pytest

from homing.model.devices import Device
from homing.model.outcome import VendorResponse
from homing.model.push import PushState
from homing.store.engine import Query, Tx
from homing.store.push_tokens import bind_token, clear_token

SECOND = 15_519
DEAD = VendorResponse(
    404,
    {},
    b'{"error":{"code":404,"status":"NOT_FOUND","details":[{"@type":"type.googleapis.com/google.firebase.fcm.v1.FcmError",'
    b'"errorCode":"UNREGISTERED"}]}}',
)
OK = VendorResponse(200, {}, b'{"name":"projects/p/messages/0:1%a"}')
TOKENS = Query("test.tokens", "SELECT business_id, token FROM device WHERE device_id = ?")
FALLBACKS = Query("test.fallbacks", "SELECT device_id, business_id, token FROM fallback_token ORDER BY device_id, rank")
CERTIFICATE = Query(
    "test.second_certificate",
    "INSERT INTO certificate (sdkappid, business_id, channel, name, credentials_sealed, options, version, receipt_path, created_at_ms, "
    "updated_at_ms) VALUES (?, ?, 'fcm', 'second', ?, '{}', 1, 'second', 0, 0)",
)
EVENTS = Query("test.events", "SELECT kind, detail FROM device_event WHERE device_id = ? ORDER BY event_id")


def device(pipeline: Any, device_id: int, user_id: str) -> Device:
    return Device(device_id, pipeline.app.sdkappid, user_id, "android", "instance", session_id=1)


async def rows(pipeline: Any, query: Query, *args: Any) -> list[tuple[Any, ...]]:
    async def work(tx: Tx) -> list[Any]:
        return await tx.fetch(query, *args)

    return [tuple(row) for row in await pipeline.database.read(work)]


@pytest.fixture
async def phone(pipeline: Any) -> Any:
    """Bob's phone with a token of the first certificate and two of the second."""
    await pipeline.database.write(lambda tx: tx.execute(CERTIFICATE, pipeline.app.sdkappid, SECOND, b"sealed"))
    first = pipeline.authority.certificate
    both = {
        first.business_id: first,
        SECOND: type(first)(**{f: getattr(first, f) for f in first.__struct_fields__} | {"business_id": SECOND}),
    }

    async def get(sdkappid: int, business_id: int) -> Any:
        return both.get(business_id)

    pipeline.authority.get = get
    await pipeline.device(7, "bob")
    await bind(pipeline, 7, "bob", "maker", [(SECOND, "google"), (SECOND, "spare")])
    return pipeline


async def bind(pipeline: Any, device_id: int, user_id: str, token: str, fallbacks: list[tuple[int, str]]) -> Any:
    async def work(tx: Tx) -> Any:
        return await bind_token(tx, device(pipeline, device_id, user_id), 15_518, token, pipeline.clock.now_ms(), fallbacks=fallbacks)

    return await pipeline.database.write(work)


async def test_a_dead_token_gives_way_to_the_next_and_the_message_arrives_there(phone: Any) -> None:
    phone.clock.advance(seconds=1)
    phone.vendor.answer = lambda request: DEAD if b'"maker"' in request.body else OK
    await phone.send("hi")
    await phone.vendor.received(1)
    await phone.pushes()
    phone.clock.advance(seconds=30)
    await phone.turn()
    await phone.turn()
    await phone.vendor.received(2)
    [push] = await phone.pushes()
    assert push[1:3] == (PushState.ACCEPTED, "fallback")
    assert push[7] == "google"
    assert [attempt[2] for attempt in await phone.attempts()] == ["token_dead", "accepted"]
    assert await rows(phone, TOKENS, 7) == [(SECOND, "google")]
    assert await rows(phone, FALLBACKS) == [(7, SECOND, "spare")]
    kinds = [kind for kind, _ in await rows(phone, EVENTS, 7)]
    assert kinds == ["token_removed", "token_fallback"]


async def test_without_a_further_token_the_push_fails(phone: Any) -> None:
    phone.clock.advance(seconds=1)
    phone.vendor.answer = lambda _: DEAD
    await phone.send("hi")
    for n in (1, 2, 3):
        await phone.vendor.received(n)
        await phone.pushes()
        phone.clock.advance(seconds=30)
        await phone.turn()
        await phone.turn()
    [push] = await phone.pushes()
    assert push[1:3] == (PushState.FAILED, "token_dead")
    assert await rows(phone, TOKENS, 7) == [(None, None)]


async def test_a_fallback_token_belongs_to_one_account_too(phone: Any) -> None:
    await phone.device(8, "carol")
    holders = await bind(phone, 8, "carol", "google", [])
    assert holders == []
    assert await rows(phone, FALLBACKS) == [(7, SECOND, "google"), (7, SECOND, "spare")]  # another certificate's token of that text
    moved = await bind(phone, 8, "carol", "x", [(SECOND, "google")])
    assert moved == []
    assert await rows(phone, FALLBACKS) == [(7, SECOND, "spare"), (8, SECOND, "google")]
    [holder] = await bind(phone, 8, "carol", "x", [(15_518, "maker")])
    assert holder.device_id == 7
    assert await rows(phone, TOKENS, 7) == [(None, None)]


async def test_a_new_report_and_a_clearing_replace_the_fallbacks(phone: Any) -> None:
    await bind(phone, 7, "bob", "maker", [(SECOND, "other")])
    assert await rows(phone, FALLBACKS) == [(7, SECOND, "other")]
    await phone.database.write(lambda tx: clear_token(tx, device(phone, 7, "bob"), phone.clock.now_ms()))
    assert await rows(phone, FALLBACKS) == []
