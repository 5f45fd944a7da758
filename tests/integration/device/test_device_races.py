"""Things that happen at one moment, and more than one node."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable
from typing import Any

from homing.model.apps import TerminalPolicy
from homing.model.push import PushState
from homing.server.asgi import Front
from homing.server.device.gateway import Gateway
from homing.server.device.routes import device_routes
from homing.server.device.socket import DeviceSocket
from homing.services.sessions import Sessions
from homing.store.engine import Query

_NODE = Query("test.node", "INSERT INTO node (node_id, boot, started_at_ms, lease_until_ms) VALUES (?, 'boot', 0, ?)")
_ON_NODE = Query("test.on_node", "UPDATE device SET node_id = ? WHERE user_id = ?")


async def test_a_phone_that_connects_while_it_is_kicked_does_not_stay(world: Any) -> None:
    world.apps.settings(terminal_policy=TerminalPolicy.SINGLE)
    chance = random.Random(5)
    for turn in range(15):
        first = await world.login("bob", instance_id=f"a{turn}")
        socket = world.open(first)
        for _ in range(chance.randrange(12)):
            await asyncio.sleep(0)
        await world.login("bob", instance_id=f"b{turn}")
        async with asyncio.timeout(10):
            await socket.task
        assert socket.status == 401 or socket.closed[0] in (4000, 4001), (socket.status, socket.closed)
    assert len(world.gateway) == 0
    assert [device["session_state"] for device in await world.devices()].count("active") == 1


async def test_a_message_sent_while_a_phone_connects_arrives_once(world: Any) -> None:
    chance = random.Random(6)
    token = await world.login("bob")
    cursor = None
    for turn in range(15):
        sending = asyncio.gather(*[world.say(f"{turn}.{n}") for n in range(3)])
        for _ in range(chance.randrange(12)):
            await asyncio.sleep(0)
        socket = world.open(token, cursor)
        got: list[dict[str, Any]] = []
        while len(got) < 3:
            frame = await socket.frame()
            if frame["op"] == "message":
                got.append(frame["body"])
        await sending
        assert sorted(m["elements"][0]["MsgContent"]["Text"] for m in got) == [f"{turn}.{n}" for n in range(3)]
        cursor = got[-1]["cursor"]
        await socket.hang_up()


async def test_two_nodes_share_the_sessions(world: Any) -> None:
    hub = world.hub
    sessions = Sessions(
        database=hub.database,
        clock=hub.clock,
        ids=hub.ids,
        bus=hub.bus,
        node_id=2,
        apps=hub.apps,
        accounts=hub.accounts,
        certificates=hub.certificates,
    )
    names = vars(hub) | {"node_id": 2, "sessions": sessions}
    other_hub: Any = type(hub)(**names)
    gateway = Gateway(other_hub)
    hub.bus.on_deliver(2, gateway.deliver)
    here = world.front
    there = Front(None, DeviceSocket(other_hub, gateway), device_routes(other_hub))  # type: ignore[arg-type]
    token = await world.login("bob")
    world.front = there
    socket = await world.socket(token)
    assert (await world.devices())[0]["node_id"] == 2
    await world.say("from one node to the other")
    assert await socket.texts(1) == ["from one node to the other"]
    await world.ok("GET", "session", ..., token)
    world.front = here
    await world.ok("POST", "logout", {}, token)
    assert await socket.end() == (4000, "session_ended")
    world.front = there
    assert await world.refused("GET", "session", ..., token) == (401, "session_ended")
    world.front = here


async def test_the_sockets_of_a_dead_node_are_forgotten(world: Any) -> None:
    database, now_ms = world.hub.database, world.clock.now_ms()
    await world.login("alice")
    await world.login("bob")
    for node_id, lease, user_id in ((7, now_ms - 1, "alice"), (8, now_ms + 10**6, "bob")):
        await database.write(lambda tx, n=node_id, until=lease: tx.execute(_NODE, n, until))
        await database.write(lambda tx, n=node_id, u=user_id: tx.execute(_ON_NODE, n, u))
    await world.hub.sessions.presence.flush()
    assert {device["user_id"]: device["node_id"] for device in await world.devices()} == {"alice": None, "bob": 8}


async def test_a_node_that_was_taken_for_dead_has_its_sockets_back(world: Any) -> None:
    token = await world.login("bob")
    socket = await world.socket(token)
    presence = world.hub.sessions.presence
    await presence.start()  # what another node does with the sockets of one that it takes for dead
    assert (await world.devices())[0]["node_id"] is None
    await world.say("while nobody knew of the socket")
    await world.gateway.tick()
    assert (await world.devices())[0]["node_id"] is None
    presence.lapses = lambda: 1
    await world.gateway.tick()
    assert (await world.devices())[0]["node_id"] == 1
    await world.say("again")
    assert await socket.texts(2) == ["while nobody knew of the socket", "again"]


async def test_a_socket_that_moved_on_is_not_taken_back(world: Any) -> None:
    token = await world.login("bob")
    await world.socket(token)
    await world.hub.database.write(lambda tx: tx.execute(_ON_NODE, 8, "bob"))
    world.hub.sessions.presence.lapses = lambda: 1
    await world.gateway.tick()
    assert (await world.devices())[0]["node_id"] == 8


async def test_an_old_connection_does_not_take_the_new_one_with_it(world: Any) -> None:
    token = await world.login("bob")
    old = await world.socket(token)
    new = await world.socket(token)
    assert await old.end() == (4007, "replaced")
    assert (await world.devices())[0]["node_id"] == 1
    await world.say("hello")
    assert await new.texts(1) == ["hello"]


async def test_no_push_is_left_for_a_device_that_went_silent_at_that_moment(world: Any) -> None:
    chance = random.Random(8)
    alice = await world.login("alice")
    silencers: list[Callable[[str], Awaitable[Any]]] = [
        lambda token: world.ok("POST", "logout", {}, token),
        lambda token: world.ok("PUT", "push-config", b"null", token),
        lambda token: world.ok("PUT", "push-config", {"business_id": 15518, "token": "phone"}, alice),
        lambda _: world.login("bob", instance_id="another"),
    ]
    for turn in range(24):
        token = await world.login("bob", instance_id="phone")
        await world.ok("PUT", "push-config", {"business_id": 15518, "token": "phone"}, token)
        sending = asyncio.gather(*[world.say(f"{turn}.{n}") for n in range(3)])
        for _ in range(chance.randrange(12)):
            await asyncio.sleep(0)
        await silencers[turn % 4](token)
        await sending
        assert {state for user, state, _ in await world.pushes() if user == "bob"} == {PushState.SUPPRESSED}, turn
