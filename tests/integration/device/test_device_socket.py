"""The WebSocket: greeting, delivery and acknowledgement, resuming without gaps or repeats, closing."""

from __future__ import annotations

import asyncio
import json
import random
from typing import Any

import pytest

from homing.model.messages import MessageFlags
from homing.model.push import PushState


async def test_a_socket_is_greeted_and_gets_messages(world: Any) -> None:
    socket = world.open(await world.login("bob"))
    ready, synced = await socket.until("synced")
    assert (ready["op"], ready["body"]["user_id"], ready["body"]["heartbeat_seconds"]) == ("ready", "bob", 120)
    assert synced["body"]["cursor"] == ready["body"]["cursor"]
    assert (await world.devices())[0]["node_id"] == 1
    accepted = await world.say("hello")
    message = (await socket.frame())["body"]
    assert (message["msg_id"], message["msg_key"], message["from_user"]) == (accepted.msg_id, accepted.msg_key, "alice")
    assert (message["nick"], message["to_user"], message["timestamp"]) == ("Alice", "bob", accepted.timestamp)
    await socket.call("ack", {"msg_ids": [message["msg_id"]]})
    assert (await world.pushes())[-1][1] == PushState.DELIVERED_ONLINE
    await socket.hang_up()
    device = (await world.devices())[0]
    assert (device["node_id"], device["synced_seq"]) == (None, 1)


async def test_every_operation_works_as_a_frame(world: Any, words: Any) -> None:
    await world.login("bob")
    socket = await world.socket(await world.login("alice"))
    sent = await socket.call("send", {"to_user": "bob", "elements": words("hello"), "random": 5})
    calls: list[tuple[str, Any]] = [
        ("push-config", {"business_id": 15518, "token": "t"}),
        ("background", {"unread_count": 2}),
        ("foreground", {}),
        ("messages", {"after": "", "limit": 10}),
        ("read", {"peer": "bob"}),
        ("recall", {"to_user": "bob", "msg_key": sent["body"]["msg_key"]}),
        ("session", {}),
        ("ack", {"msg_ids": []}),
        ("ping", {}),
    ]
    for op, body in calls:
        assert (await socket.call(op, body))["ok"] is True, op
    refused = await socket.call("push-events", {"push_id": 1, "event": "shown"})
    assert (refused["ok"], refused["error"]["code"]) == (False, "push_unknown")
    unknown = await socket.call("dance")
    assert unknown["error"]["code"] == "frame_malformed"
    socket.send("push-config", None, frame_id="null")
    socket.raw('{"op":"push-config","id":"off","body":null}')
    assert (await socket.until("reply"))[-1]["error"]["code"] == "bad_parameter"
    assert (await socket.until("reply"))[-1] == {"op": "reply", "id": "off", "ok": True, "body": {}}
    assert (await socket.call("logout"))["ok"] is True
    assert await socket.end() == (4000, "session_ended")


async def test_the_first_frame_may_log_in(world: Any) -> None:
    socket = world.open()
    socket.send("login", world.login_body("bob"), frame_id=1)
    reply, ready, synced = await socket.until("synced")
    assert (reply["ok"], ready["op"], synced["op"]) == (True, "ready", "synced")
    token = reply["body"]["session_token"]
    again = world.open()
    again.send("login", {"session_token": token, "after": ""}, frame_id=2)
    assert (await again.frame())["body"]["user_id"] == "bob"
    assert await socket.end() == (4007, "replaced")
    await again.until("synced")
    assert (await world.devices())[0]["node_id"] == 1


@pytest.mark.parametrize(
    ("frame", "code", "close"),
    [
        ({"op": "login", "id": 1, "body": {"session_token": "nobody"}}, "session_unknown", 4006),
        ({"op": "login", "id": 1, "body": {"user_id": "bob"}}, "bad_parameter", 4004),
        ({"op": "ping", "id": 1, "body": {}}, "session_unknown", 4006),
        ({"op": "login", "id": 1, "body": {"session_token": "x", "after": "?"}}, "bad_parameter", 4004),
        ("{", "frame_malformed", 4004),
        ("[]", "frame_malformed", 4004),
    ],
)
async def test_a_wrong_first_frame_is_refused_and_closed(world: Any, frame: Any, code: str, close: int) -> None:
    socket = world.open()
    socket.raw(frame if isinstance(frame, str) else json.dumps(frame))
    assert (await socket.frame())["error"]["code"] == code
    assert (await socket.end())[0] == close


async def test_a_socket_that_does_not_log_in_is_closed(world: Any) -> None:
    world.build(login_seconds=0.01)
    assert await world.open().end() == (4006, "session_unknown")


async def test_a_wrong_session_is_refused_with_http(world: Any) -> None:
    socket = world.open("nobody")
    await socket.task
    assert (socket.status, socket.refusal["code"]) == (401, "session_unknown")
    token = await world.login("bob")
    damaged = world.open(token, "no-cursor")
    await damaged.task
    assert (damaged.status, damaged.refusal["code"]) == (400, "bad_parameter")


async def test_what_was_missed_comes_first_and_once(world: Any) -> None:
    token = await world.login("bob")
    socket = await world.socket(token)
    await world.say("zero")
    first = await socket.frame()
    await socket.hang_up()
    texts = [f"missed {n}" for n in range(120)]
    for text in texts:
        await world.say(text)
    socket = world.open(token, first["body"]["cursor"])
    assert await socket.texts(120) == texts
    await socket.until("synced")
    await world.say("live")
    assert await socket.texts(1) == ["live"]
    await socket.nothing()


async def test_without_a_cursor_a_device_goes_on_where_it_acknowledged(world: Any) -> None:
    await world.say("before the first login")
    token = await world.login("bob")
    await world.say("one")
    await world.say("two")
    socket = world.open(token)
    frames = await socket.until("synced")
    messages = [frame["body"] for frame in frames if frame["op"] == "message"]
    assert [m["elements"][0]["MsgContent"]["Text"] for m in messages] == ["one", "two"]
    await socket.call("ack", {"msg_ids": [messages[0]["msg_id"]]})
    await socket.hang_up()
    socket = world.open(token)
    assert await socket.texts(1) == ["two"]
    await socket.until("synced")
    await socket.call("ack", {"msg_ids": [], "cursor": messages[1]["cursor"]})
    await socket.hang_up()
    assert [frame["op"] for frame in await world.open(token).until("synced")] == ["ready", "synced"]


async def test_a_cursor_beyond_the_inbox_begins_anew(world: Any) -> None:
    token = await world.login("bob")
    await world.say("one")
    socket = world.open(token, "iffff")
    assert await socket.texts(1) == ["one"]


async def test_lost_and_overtaken_hints_leave_no_gap(world: Any) -> None:
    socket = await world.socket(await world.login("bob"))
    await world.say("one")
    world.outgoing.lose = True
    await world.say("two")
    await world.say("three")
    world.outgoing.lose = False
    await world.say("four")
    assert await socket.texts(4) == ["one", "two", "three", "four"]
    world.outgoing.held = []
    for text in ("five", "six", "seven"):
        await world.say(text)
    held, world.outgoing.held = world.outgoing.held, None
    world.outgoing.hand_over(list(reversed(held)))
    assert await socket.texts(3) == ["five", "six", "seven"]
    await socket.nothing()


async def test_cuts_at_any_moment_lose_and_repeat_nothing(world: Any) -> None:
    chance = random.Random(7)
    token = await world.login("bob")
    cursor, sent = "", 0
    got: list[str] = []
    socket = world.open(token)
    for _ in range(25):
        for _ in range(chance.randrange(4)):
            world.outgoing.lose = chance.random() < 0.2
            await world.say(f"{sent}")
            sent += 1
        if chance.random() < 0.5:
            await asyncio.sleep(0)
        await socket.hang_up()
        cursor, got = await drain(socket, cursor, got)
        socket = world.open(token, cursor)
    await world.say("last")
    while not got or got[-1] != "last":
        frame = await socket.frame()
        if frame["op"] == "message":
            got.append(frame["body"]["elements"][0]["MsgContent"]["Text"])
    assert got == [f"{n}" for n in range(sent)] + ["last"]


async def drain(socket: Any, cursor: str, got: list[str]) -> tuple[str, list[str]]:
    """What a socket brought before it was cut, and the cursor behind it."""
    while not socket._from_server.empty():
        message = socket._from_server.get_nowait()
        if message["type"] == "websocket.send":
            frame = json.loads(message["text"])
            if frame["op"] == "message":
                got.append(frame["body"]["elements"][0]["MsgContent"]["Text"])
                cursor = frame["body"]["cursor"]
            elif frame["op"] == "ready" and not cursor:
                cursor = frame["body"]["cursor"]
    return cursor, got


async def test_a_device_does_not_get_its_own_message_back_but_its_other_devices_do(world: Any, words: Any) -> None:
    phone = await world.socket(await world.login("alice", instance_id="phone"))
    desk = await world.socket(await world.login("alice", platform="windows", instance_id="desk"))
    bob = await world.socket(await world.login("bob"))
    await phone.call("send", {"to_user": "bob", "elements": words("ho")})
    assert await bob.texts(1) == ["ho"]
    copy = (await desk.frame())["body"]
    assert (copy["is_self"], copy["elements"]) == (True, words("ho"))
    await bob.call("send", {"to_user": "alice", "elements": words("answer")})
    assert await phone.texts(1) == ["answer"]
    assert await desk.texts(1) == ["answer"]
    for socket in (phone, desk, bob):
        await socket.nothing()


async def test_an_online_only_message_has_no_cursor(world: Any) -> None:
    token = await world.login("bob")
    socket = await world.socket(token)
    await world.say("typing", flags=MessageFlags.ONLINE_ONLY)
    message = (await socket.frame())["body"]
    assert (message["online_only"], "cursor" in message) == (True, False)
    await socket.hang_up()
    assert [frame["op"] for frame in await world.open(token).until("synced")] == ["ready", "synced"]


async def test_recalls_and_read_marks_reach_the_other_side(world: Any, words: Any) -> None:
    alice, bob = await world.socket(await world.login("alice")), await world.socket(await world.login("bob"))
    sent = (await alice.call("send", {"to_user": "bob", "elements": words("oops")}))["body"]
    await bob.until("message")
    await bob.call("read", {"peer": "alice"})
    assert (await alice.frame())["body"] == {"peer": "bob", "read_at": world.now, "by_peer": True}
    await alice.call("recall", {"to_user": "bob", "msg_key": sent["msg_key"]})
    assert (await bob.frame())["body"] == {
        "msg_id": sent["msg_id"],
        "msg_key": sent["msg_key"],
        "from_user": "alice",
        "to_user": "bob",
    }


async def test_a_slow_reader_loses_its_connection_not_its_messages(world: Any) -> None:
    world.build(queued_frames=16, sync_page=8)
    token = await world.login("bob")
    socket = await world.socket(token)
    socket.reading.clear()
    for n in range(40):
        await world.say(f"{n}")
    async with asyncio.timeout(10):
        await socket.task
    assert (await world.devices())[0]["node_id"] is None
    assert (await world.pushes())[0][1] == PushState.WAITING_ACK
    socket = world.open(token)
    assert await socket.texts(40) == [f"{n}" for n in range(40)]


async def test_a_backlog_larger_than_the_queue_is_sent_at_the_readers_pace(world: Any) -> None:
    world.build(queued_frames=64, sync_page=20)
    token = await world.login("bob")
    for n in range(300):
        await world.say(f"{n}")
    socket = world.open(token)
    assert await socket.texts(300) == [f"{n}" for n in range(300)]


async def test_a_flooding_socket_is_refused_then_closed(world: Any) -> None:
    world.build(burst=5, calls_per_second=1, strikes=10)
    socket = await world.socket(await world.login("bob"))
    for n in range(30):
        socket.send("session", frame_id=n)
    codes: list[str] = []
    while len(codes) < 16:
        frame = (await socket.until("reply"))[-1]
        codes.append("ok" if frame["ok"] else frame["error"]["code"])
    assert codes == ["ok"] * 5 + ["flood"] * 11
    assert await socket.end() == (4003, "flood")


@pytest.mark.parametrize("raw", ["", "{", "[]", '{"id":1}', '{"op":5}', "\x00", '{"op":"x","body":' + "[" * 100 + "]" * 100 + "}"])
async def test_a_damaged_frame_closes_the_socket_with_its_code(world: Any, raw: str) -> None:
    socket = await world.socket(await world.login("bob"))
    socket.raw(raw)
    frame = (await socket.until("reply"))[-1]
    assert (frame["id"], frame["error"]["code"]) == (None, "frame_malformed")
    assert await socket.end() == (4004, "frame_malformed")
    assert (await world.devices())[0]["node_id"] is None


async def test_a_silent_client_is_asked_and_then_dropped(world: Any) -> None:
    token = await world.login("bob")
    socket = await world.socket(token)
    world.clock.advance(seconds=151)
    world.gateway.check_heartbeats(world.clock.monotonic())
    assert (await socket.frame())["op"] == "ping"
    socket.send("pong")
    await socket.call("ping")
    world.clock.advance(seconds=399)
    world.gateway.check_heartbeats(world.clock.monotonic())
    assert (await socket.frame())["op"] == "ping"
    world.clock.advance(seconds=1)
    world.gateway.check_heartbeats(world.clock.monotonic())
    async with asyncio.timeout(10):
        await socket.task
    assert (await world.devices())[0]["node_id"] is None


async def test_a_session_whose_end_was_not_heard_of_is_closed_in_time(world: Any) -> None:
    token = await world.login("bob")
    socket = await world.socket(token)
    _, device = await world.hub.sessions.authenticate(token)
    from homing.model.devices import SessionState
    from homing.store.devices import end_session

    await world.hub.database.write(lambda tx: end_session(tx, device, SessionState.KICKED, world.clock.now_ms()))
    world.clock.advance(seconds=301)
    await world.gateway.tick()
    assert await socket.end() == (4000, "session_ended")


async def test_a_starting_node_forgets_its_old_sockets_and_a_stopping_one_closes_them(world: Any) -> None:
    token = await world.login("bob")
    socket = await world.socket(token)
    world.build()
    await world.gateway.start()
    assert (await world.devices())[0]["node_id"] is None
    other = await world.socket(token)
    await world.gateway.close()
    assert await other.end() == (1012, "restart")
    assert (await world.devices())[0]["node_id"] is None
    await socket.hang_up()


async def test_reconnecting_all_the_time_costs_no_memory(world: Any) -> None:
    token = await world.login("bob")
    for _ in range(1200):
        await world.gateway._presence.connect((await world.hub.sessions.authenticate(token))[1], 1)
        world.gateway._tidy_expiries()
        world.gateway._expiries.append((2**50, 1, 1))
    assert len(world.gateway._expiries) <= 1002
