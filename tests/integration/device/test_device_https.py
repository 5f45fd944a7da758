"""The HTTPS calls: messages, synchronisation, receipts, and what is refused."""

from __future__ import annotations

import json
from typing import Any

import pytest

from homing.model.push import PushState


async def send(world: Any, token: str, words: Any, text: str, **more: Any) -> dict[str, Any]:
    answer: dict[str, Any] = await world.ok("POST", "messages", {"to_user": "bob", "elements": words(text), **more}, token)
    return answer


async def test_a_message_is_stored_and_found_after_a_cursor(world: Any, words: Any) -> None:
    alice, bob = await world.login("alice"), await world.login("bob")
    first = await send(world, alice, words, "one", random=1, offline_push_info={"Title": "Alice", "Desc": "one"})
    assert first["msg_key"] == f"{first['seq']}_1_{first['timestamp']}"
    await send(world, alice, words, "two", random=2)
    page = await world.ok("GET", "messages", ..., bob, "limit=1")
    assert [m["elements"] for m in page["messages"]] == [words("one")]
    assert (page["messages"][0]["from_user"], page["messages"][0].get("is_self", False), page["more"]) == ("alice", False, True)
    page = await world.ok("GET", "messages", ..., bob, f"after={page['cursor']}")
    assert [m["elements"] for m in page["messages"]] == [words("two")]
    assert page["more"] is False
    page = await world.ok("GET", "messages", ..., bob, f"after={page['cursor']}")
    assert page["messages"] == []
    own = await world.ok("GET", "messages", ..., alice)
    assert [m["is_self"] for m in own["messages"]] == [True, True]


async def test_a_repeated_message_is_stored_once(world: Any, words: Any) -> None:
    alice = await world.login("alice")
    first = await send(world, alice, words, "one", random=7)
    assert await send(world, alice, words, "one", random=7) == first
    other = await send(world, alice, words, "one", random=8)
    assert other["msg_id"] != first["msg_id"]
    assert len(await world.pushes()) == 2


async def test_messages_to_nobody_and_to_groups_are_refused(world: Any, words: Any) -> None:
    alice = await world.login("alice")
    cases: list[tuple[dict[str, Any], int, str]] = [
        ({}, 400, "message_bad_receiver"),
        ({"to_user": "nobody"}, 404, "message_receiver_unknown"),
        ({"to_user": "x" * 33}, 404, "message_receiver_unknown"),
        ({"to_group": "g"}, 404, "group_not_found"),
        ({"to_group": "名"}, 400, "group_bad_id"),
        ({"to_group": "g", "to_user": "bob"}, 400, "bad_parameter"),
        ({"to_user": "bob", "random": -1}, 400, "message_bad_random"),
        ({"to_user": "bob", "random": 2**32}, 400, "message_bad_random"),
        ({"to_user": "bob", "random": "5"}, 400, "bad_parameter"),
        ({"to_user": "bob", "seq": 2**40}, 400, "message_bad_seq"),
        ({"to_user": "bob", "elements": []}, 400, "message_body_not_array"),
        ({"to_user": "bob", "elements": words("x" * 13_000)}, 413, "message_too_long"),
        ({"to_user": "bob", "elements": [{"MsgType": "TIMOddElem", "MsgContent": {}}]}, 400, "message_bad_format"),
        ({"to_user": "bob", "elements": [{"MsgType": "TIMTextElem"}]}, 400, "bad_parameter"),
        ({"to_user": "bob", "lifetime_seconds": -1}, 400, "message_bad_lifetime"),
        ({"to_user": "bob", "cloud_custom_data": "\0"}, 400, "message_bad_format"),
    ]
    for changes, status, code in cases:
        body = {"elements": words("hello")} | changes
        assert await world.refused("POST", "messages", body, alice) == (status, code), changes


@pytest.mark.parametrize(
    ("raw", "status", "code"),
    [
        (b"{", 400, "frame_malformed"),
        (b"", 400, "bad_parameter"),
        (b"[]", 400, "frame_malformed"),
        (b"\xff\xfe", 400, "frame_malformed"),
        (b'{"to_user":' + b"[" * 100_000, 413, "frame_too_large"),
        (b'{"to_user":' + b"[" * 30_000, 400, "frame_malformed"),
    ],
)
async def test_damaged_bodies_get_a_stable_code(world: Any, raw: bytes, status: int, code: str) -> None:
    token = await world.login("alice")
    answered = await world.http("POST", "/v1/device/messages", raw, token)
    assert (answered[0], answered[1]["code"]) == (status, code)


async def test_a_damaged_cursor_is_refused(world: Any) -> None:
    token = await world.login("alice")
    for query in ("after=zzz", "after=i", "after=i-1", "after=i" + "f" * 17, "limit=0", "limit=1000", "limit=x", "after=%00"):
        assert await world.refused("GET", "messages", ..., token, query) == (400, "bad_parameter"), query


async def test_what_a_recall_and_a_read_mark_change(world: Any, words: Any) -> None:
    alice, bob = await world.login("alice"), await world.login("bob")
    one, two = await send(world, alice, words, "one"), await send(world, alice, words, "two")
    await world.ok("POST", "recall", {"to_user": "bob", "msg_key": one["msg_key"]}, alice)
    page = await world.ok("GET", "messages", ..., bob)
    assert [(m.get("revoked", False), m["elements"]) for m in page["messages"]] == [(True, []), (False, words("two"))]
    assert await world.unread("bob") == 1
    await world.ok("POST", "read", {"peer": "alice"}, bob)
    assert await world.unread("bob") == 0
    assert await world.refused("POST", "recall", {"to_user": "bob", "msg_key": "1_2_3"}, alice) == (404, "message_not_found")
    assert await world.refused("POST", "recall", {"to_user": "a\0b", "msg_key": "1_2_3"}, alice) == (404, "message_not_found")
    world.clock.advance(seconds=121)
    assert await world.refused("POST", "recall", {"to_user": "bob", "msg_key": two["msg_key"]}, alice) == (403, "recall_too_late")
    assert (await world.refused("POST", "read", {"peer": "nobody"}, bob))[0] == 404


async def test_a_device_reports_what_became_of_its_push(world: Any) -> None:
    bob = await world.login("bob")
    await world.ok("PUT", "push-config", {"business_id": 15518, "token": "t"}, bob)
    accepted = await world.say("hello")
    await world.ok("POST", "push-events", {"msg_id": accepted.msg_id, "event": "clicked", "at": world.now}, bob)
    assert await world.refused("POST", "push-events", {"push_id": 5, "event": "shown"}, bob) == (404, "push_unknown")
    assert await world.refused("POST", "push-events", {"push_id": "abc", "event": "shown"}, bob) == (400, "bad_parameter")
    assert await world.refused("POST", "push-events", {"push_id": "7", "event": "eaten"}, bob) == (400, "bad_parameter")
    assert await world.refused("POST", "push-events", {"event": "shown"}, bob) == (400, "bad_parameter")


async def test_an_acknowledged_message_is_not_pushed(world: Any) -> None:
    bob = await world.login("bob")
    await world.ok("PUT", "push-config", {"business_id": 15518, "token": "t"}, bob)
    await world.socket(bob)
    accepted = await world.say("hello")
    assert (await world.pushes())[-1][1] == PushState.WAITING_ACK
    await world.ok("POST", "ack", {"msg_ids": [accepted.msg_id]}, bob)
    assert (await world.pushes())[-1][1] == PushState.DELIVERED_ONLINE
    assert await world.refused("POST", "ack", {"msg_ids": ["rubbish"]}, bob) == (400, "bad_parameter")
    assert await world.refused("POST", "ack", {"msg_ids": ["1-2-3"] * 501}, bob) == (400, "bad_parameter")


async def test_a_flood_is_slowed_down_alone(world: Any) -> None:
    world.build(burst=5, calls_per_second=1)
    alice, bob = await world.login("alice"), await world.login("bob")
    for _ in range(5):
        await world.ok("GET", "session", ..., alice)
    assert await world.refused("GET", "session", ..., alice) == (429, "flood")
    await world.ok("GET", "session", ..., bob)
    world.clock.advance(seconds=1)
    await world.ok("GET", "session", ..., alice)


async def test_unknown_paths_and_methods_are_answered_in_json(world: Any) -> None:
    assert await world.refused("GET", "nothing") == (404, "not_found")
    assert (await world.refused("DELETE", "logout"))[1] == "not_found"


async def test_secrets_do_not_show(world: Any) -> None:
    from homing.server.device.bodies import LoginBody, PushConfigBody
    from homing.services.sessions import LoginRequest

    values = [LoginBody(1, "bob", "SECRET"), PushConfigBody(1, "SECRET"), LoginRequest("bob", "SECRET", "web", "i")]
    assert "SECRET" not in repr(values)
    assert json.dumps(repr(values))
