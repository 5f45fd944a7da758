"""Groups in the device SDK against a real server."""

from __future__ import annotations

from typing import Any

from homing.client import GroupEvent, Listener, ReceivedMessage, text_message

SERVICE = "group_open_http_svc/"


class Ear(Listener):
    """Keeps what it hears of groups."""

    def __init__(self) -> None:
        self.messages: list[ReceivedMessage] = []
        self.events: list[GroupEvent] = []

    def on_recv_new_message(self, message: ReceivedMessage) -> None:
        self.messages.append(message)

    def on_group_event(self, event: GroupEvent) -> None:
        self.events.append(event)


async def make(backend: Any) -> None:
    body = {"Type": "Public", "Name": "The team", "GroupId": "g1", "Owner_Account": "alice", "MemberList": [{"Member_Account": "bob"}]}
    await backend.call(SERVICE + "create_group", body)


async def test_a_group_talks_and_reads(phones: Any, backend: Any) -> None:
    alice, _ = await phones("alice")
    bob, bob_ear = await phones("bob")
    await make(backend)
    sent = await alice.groups.send("g1", text_message("lunch?"), at=["bob"])
    message = await bob_ear.hears("message")
    assert (message.to_group, message.seq, message.text, message.at, message.msg_id) == ("g1", 1, "lunch?", ("bob",), sent.msg_id)
    assert (message.peer, message.conversation_id) == ("g1", "group_g1")
    [group] = await bob.groups.joined()
    assert (group.name, group.unread, group.last_seq, group.role) == ("The team", 1, 1, "Member")
    await bob.groups.mark_read("g1")
    assert [one.unread for one in await bob.groups.joined()] == [0]
    await alice.groups.recall("g1", 1)
    assert await bob_ear.hears("revoked") == sent.msg_key
    assert [member.user_id for member in await bob.groups.members("g1")] == ["alice", "bob"]
    await bob.groups.set_receive_option("g1", "Discard")
    assert [one.option for one in await bob.groups.joined()] == ["Discard"]
    await bob.groups.quit("g1")
    assert await bob.groups.joined() == ()


async def test_what_was_said_while_the_phone_was_away_comes_with_the_next_connection(phones: Any, backend: Any) -> None:
    alice, _ = await phones("alice")
    bob, bob_ear = await phones("bob")
    await make(backend)
    await alice.groups.send("g1", text_message("one"))
    assert (await bob_ear.hears("message")).text == "one"
    await bob.close()
    await alice.groups.send("g1", text_message("two"))
    await alice.groups.send("g1", text_message("three"))
    again, ear = await phones("bob")
    await ear.hears("message", times=3)
    assert ear.texts() == ["one", "two", "three"]  # none of them was read
    await again.groups.settled()
    page = await again.groups.messages("g1", 1)
    assert [message.text for message in page.messages] == ["two", "three"]
    await again.logout()
    assert again.groups.reached == {"g1": 3}  # kept: the same account may come back


async def test_the_backend_notifies_a_groups_members(phones: Any, backend: Any) -> None:
    ear = Ear()
    bob, _ = await phones("bob")
    bob.add_listener(ear)
    await phones("alice")
    await make(backend)
    await backend.call(SERVICE + "send_group_system_notification", {"GroupId": "g1", "Content": "closed at ten"})
    await bob.session()
    await bob.settled()
    assert [(event.event, event.content) for event in ear.events] == [("joined", ""), ("notification", "closed at ten")]
