"""Groups on devices: sending, hearing at once and later, reading, coming and going."""

from __future__ import annotations

from typing import Any

import pytest

from homing.model.groups import Group, Member

APP = 1400000001
GROUP = {"to_group": "g1"}


@pytest.fixture
async def group(world: Any) -> Any:
    """The group ``g1`` of alice with bob."""
    made = Group(APP, "g1", "Public", "The team", owner="alice", apply_join="FreeAccess")
    return await world.hub.groups.create(world.apps.known[APP], made, [Member(0, "", "bob")])


async def say(world: Any, token: str, words: Any, text: str, **options: Any) -> dict[str, Any]:
    answer = await world.ok("POST", "messages", GROUP | {"elements": words(text)} | options, token)
    await world.hub.group_fan_out.idle()
    return dict(answer)


async def test_a_message_to_a_group_comes_on_the_members_sockets(world: Any, words: Any, group: Any) -> None:
    alice, bob = await world.login("alice"), await world.login("bob")
    socket = await world.socket(bob)
    sent = await say(world, alice, words, "lunch?", at=["bob"], random=7)
    assert sent["seq"] == 1
    frame = await socket.frame()
    body = frame["body"]
    assert frame["op"] == "message"
    assert (body["to_group"], body["from_user"], body["to_user"], body["seq"], body["nick"]) == ("g1", "alice", "", 1, "Alice")
    assert (body["at"], body["msg_id"], body["elements"]) == (["bob"], sent["msg_id"], words("lunch?"))
    assert "cursor" not in body
    await socket.call("ack", {"msg_ids": [body["msg_id"]]})
    assert {state for _, state, *_ in await world.pushes()} != set()
    again = await say(world, alice, words, "lunch?", random=7)
    assert again == sent
    await socket.nothing()


async def test_what_was_missed_is_fetched_after_a_number(world: Any, words: Any, group: Any) -> None:
    alice, bob = await world.login("alice"), await world.login("bob")
    for number in range(3):
        await say(world, alice, words, f"m{number}")
    listed = await world.ok("GET", "groups", token=bob)
    [found] = listed["groups"]
    assert (found["to_group"], found["name"], found["last_seq"], found["unread"], found["role"], listed["total"]) == (
        "g1",
        "The team",
        3,
        3,
        "Member",
        1,
    )
    page = await world.ok("GET", "groups/messages", token=bob, query="to_group=g1&after=1&limit=1")
    assert ([message["seq"] for message in page["messages"]], page["reached"], page["more"]) == ([2], 2, True)
    page = await world.ok("GET", "groups/messages", token=bob, query="to_group=g1&after=2")
    assert ([message["seq"] for message in page["messages"]], page["reached"], page["more"]) == ([3], 3, False)


async def test_reading_on_one_device_is_told_to_the_others(world: Any, words: Any, group: Any) -> None:
    alice, bob, pad = await world.login("alice"), await world.login("bob"), await world.login("bob", platform="ipad")
    await say(world, alice, words, "hello")
    socket = await world.socket(pad)
    await world.ok("POST", "read", GROUP | {"seq": 1}, bob)
    frame = await socket.frame()
    assert (frame["op"], frame["body"]["event"], frame["body"]["content"]) == ("group", "read", "1")
    assert (await world.ok("GET", "groups", token=bob))["groups"][0]["unread"] == 0


async def test_a_message_is_recalled_by_its_sender(world: Any, words: Any, group: Any) -> None:
    alice, bob = await world.login("alice"), await world.login("bob")
    sent = await say(world, bob, words, "oops")
    socket = await world.socket(alice)
    await world.ok("POST", "recall", GROUP | {"seq": sent["seq"]}, bob)
    frame = await socket.frame()
    assert (frame["op"], frame["body"]["to_group"], frame["body"]["seq"]) == ("revoked", "g1", 1)
    assert (await world.refused("POST", "recall", GROUP, bob))[1] == "bad_parameter"
    assert (await world.refused("POST", "recall", GROUP | {"seq": 9}, bob))[1] == "group_message_not_found"


async def test_accounts_come_and_go_and_choose_what_they_hear(world: Any, words: Any, group: Any) -> None:
    bob = await world.login("bob")
    await world.ok("PUT", "groups/option", GROUP | {"option": "Discard"}, bob)
    assert (await world.ok("GET", "groups", token=bob))["groups"][0]["option"] == "Discard"
    assert (await world.refused("PUT", "groups/option", GROUP | {"option": "x"}, bob))[1] == "bad_parameter"
    await world.ok("POST", "groups/quit", GROUP, bob)
    assert (await world.refused("POST", "messages", GROUP | {"elements": words("hi")}, bob))[1] == "group_permission_denied"
    assert (await world.refused("GET", "groups/messages", None, bob, "to_group=g1"))[1] == "group_permission_denied"
    assert (await world.refused("GET", "groups/members", None, bob, "to_group=g1"))[1] == "group_permission_denied"
    assert (await world.ok("POST", "groups/join", GROUP, bob))["name"] == "The team"
    members = await world.ok("GET", "groups/members", token=bob, query="to_group=g1&limit=1")
    assert ([member["user_id"] for member in members["members"]], members["total"], members["more"]) == (["alice"], 2, True)
    members = await world.ok("GET", "groups/members", token=bob, query="to_group=g1&after=alice")
    assert [member["user_id"] for member in members["members"]] == ["bob"]
    alice = await world.login("alice")
    assert (await world.refused("POST", "groups/quit", GROUP, alice))[1] == "group_owner_stays"
