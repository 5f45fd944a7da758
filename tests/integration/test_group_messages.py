"""Messages of groups on real storage: one row a message, every member's device decided once, pushes that open the group."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from typing import Any

import pytest

from homing.model.groups import Group, GroupAccepted, GroupDetails, GroupDraft, Member
from homing.model.messages import Element, MessageFlags
from homing.model.problems import GROUP_ACCOUNT_UNKNOWN, GROUP_DENIED, GROUP_MUTED, GROUP_NOT_FOUND, GROUP_RECALL_DENIED, Refused
from homing.model.push import PushState
from homing.model.push_info import OfflinePushInfo
from homing.model.receive_options import ReceiveOption
from homing.rules.offline_message import GROUP, parse_ext
from homing.services import group_fan_out
from homing.services.explain import Explain
from homing.services.group_fan_out import GroupFanOut
from homing.services.group_messaging import GroupMessaging
from homing.services.groups import Groups
from homing.store.accounts import insert_accounts
from homing.store.engine import Query, Tx

APP = 1_400_000_001
MESSAGES = Query("test.group_messages", "SELECT COUNT(*) FROM message")
JOBS = Query("test.group_jobs", "SELECT seq, reached FROM group_fan_out ORDER BY seq")
TOTAL = Query("test.group_total", f"SELECT unread_total FROM account WHERE sdkappid = {APP} AND user_id = ?")
PUSHES = Query("test.group_pushes", "SELECT user_id, state, reason, badge FROM push ORDER BY push_id")


class Room:
    """A group ``g1`` on a running pipeline."""

    def __init__(self, pipeline: Any) -> None:
        self.pipeline = pipeline
        self.groups = Groups(pipeline.database, pipeline.clock, pipeline.ids, pipeline.bus)
        self.fan_out = self.new_fan_out()
        self.messaging = GroupMessaging(
            database=pipeline.database, clock=pipeline.clock, ids=pipeline.ids, bus=pipeline.bus, fan_out=self.fan_out
        )
        self.randoms = 0

    def new_fan_out(self) -> GroupFanOut:
        pipeline = self.pipeline
        return GroupFanOut(
            database=pipeline.database,
            clock=pipeline.clock,
            ids=pipeline.ids,
            owner=pipeline.owner,
            apps=pipeline.directory,
            outgoing=pipeline.dispatch,
        )

    async def make(self, *members: str, kind: str = "Public", **options: ReceiveOption) -> None:
        people = [Member(0, "", user, receive_option=int(options.get(user, ReceiveOption.NOTIFY))) for user in members]
        await self.groups.create(self.pipeline.app, Group(APP, "g1", kind, "The team", owner="alice"), people)

    async def say(self, text: str = "hello", sender: str = "alice", *, wait: bool = True, **options: Any) -> GroupAccepted:
        self.randoms += 1
        options.setdefault("random", self.randoms)
        options.setdefault("elements", (Element("TIMTextElem", {"Text": text}),))
        accepted = await self.messaging.send(self.pipeline.app, GroupDraft(group_id="g1", from_account=sender, **options))
        if wait:
            await self.fan_out.idle()
        return accepted

    async def rows(self, query: Query, *args: Any) -> list[Any]:
        async def work(tx: Tx) -> list[Any]:
            return await tx.fetch(query, *args)

        return [tuple(row) for row in await self.pipeline.database.read(work)]

    async def pushes(self) -> list[Any]:
        await self.pipeline.settle()
        return await self.rows(PUSHES)

    async def unread(self, user_id: str) -> int:
        joined, _ = await self.groups.joined(self.pipeline.app, user_id, "", 10, 0)
        return joined[0].unread

    async def total(self, user_id: str) -> int:
        [(total,)] = await self.rows(TOTAL, user_id)
        return int(total)


@pytest.fixture
async def room(pipeline: Any) -> AsyncIterator[Room]:
    made = Room(pipeline)
    yield made
    await made.fan_out.stop()


async def test_every_member_but_the_sender_is_pushed_and_the_tap_opens_the_group(room: Room) -> None:
    await room.make("bob", "carol")
    for number, user in enumerate(("alice", "bob", "carol"), 7):
        await room.pipeline.device(number, user)
    accepted = await room.say("lunch?")
    assert accepted.seq == 1
    requests = await room.pipeline.vendor.received(2)
    pushes = await room.pushes()
    assert [(user, reason) for user, _, reason, _ in pushes] == [("alice", "own_message"), ("bob", "offline"), ("carol", "offline")]
    told = [json.loads(request.body)["message"] for request in requests]
    assert {message["notification"]["title"] for message in told} == {"The team"}
    assert {message["notification"]["body"] for message in told} == {"lunch?"}
    opened = parse_ext(told[0]["data"]["ext"])
    assert opened is not None
    assert (opened.chat_type, opened.sender, opened.nickname) == (GROUP, "g1", "The team")


async def test_on_apple_devices_nick_and_group_stand_before_the_words(room: Room) -> None:
    await room.make("bob")
    await room.pipeline.device(7, "bob", platform="ios")
    await room.say("lunch?")
    [request] = await room.pipeline.vendor.received(1)
    assert json.loads(request.body)["message"]["notification"]["body"] == "Alice(The team):lunch?"


async def test_a_message_is_one_row_and_every_member_is_served_once_in_steps(room: Room, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(group_fan_out, "STEP", 4)
    users = [f"u{number:02}" for number in range(10)]
    await room.pipeline.database.write(lambda tx: insert_accounts(tx, APP, [(user, "", "") for user in users], 0))
    await room.make(*users)
    for number, user in enumerate(users, 100):
        await room.pipeline.device(number, user)
    await room.say()
    await room.say("again")
    assert await room.rows(MESSAGES) == [(2,)]
    assert await room.rows(JOBS) == []
    pushed = [user for user, _, reason, _ in await room.pushes() if reason == "offline"]
    assert sorted(pushed) == sorted(users * 2)
    assert pushed[:10] == users  # all of the first message before any of the second


async def test_a_server_that_died_goes_on_after_the_last_member_that_was_served(room: Room, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(group_fan_out, "STEP", 3)
    users = [f"u{number:02}" for number in range(8)]
    await room.pipeline.database.write(lambda tx: insert_accounts(tx, APP, [(user, "", "") for user in users], 0))
    await room.make(*users)
    for number, user in enumerate(users, 100):
        await room.pipeline.device(number, user)
    dying = room.fan_out
    monkeypatch.setattr(dying, "wake", lambda *_: None)
    await room.say(wait=False)
    assert await dying._step((APP, "g1"))
    assert await room.rows(JOBS) == [(1, "u01")]
    later = room.new_fan_out()
    await later.resume(0)
    await later.idle()
    assert await room.rows(JOBS) == []
    assert [user for user, _, reason, _ in await room.pushes() if reason == "offline"] == users


@pytest.mark.parametrize(
    ("option", "mentioned", "outcome"),
    [
        (ReceiveOption.NOTIFY, False, "offline"),
        (ReceiveOption.SILENT, False, "muted"),
        (ReceiveOption.SILENT, True, "muted"),
        (ReceiveOption.DISCARD, False, "discarded"),
        (ReceiveOption.DISCARD, True, "discarded"),
        (ReceiveOption.SILENT_BUT_MENTIONS, False, "muted"),
        (ReceiveOption.SILENT_BUT_MENTIONS, True, "offline"),
        (ReceiveOption.DISCARD_BUT_MENTIONS, True, "offline"),
    ],
)
async def test_a_members_option_decides_about_the_push(room: Room, option: ReceiveOption, mentioned: bool, outcome: str) -> None:
    await room.make("bob", bob=option)
    await room.pipeline.device(7, "bob")
    await room.say(details=GroupDetails(at=("bob",)) if mentioned else GroupDetails())
    assert [(user, reason) for user, _, reason, _ in await room.pushes() if user == "bob"] == [("bob", outcome)]


async def test_everybody_is_mentioned_at_once(room: Room) -> None:
    await room.make("bob", "carol", bob=ReceiveOption.SILENT_BUT_MENTIONS)
    await room.pipeline.device(7, "bob")
    await room.say(details=GroupDetails(at_all=True))
    assert ("bob", "offline") in [(user, reason) for user, _, reason, _ in await room.pushes()]


async def test_who_discards_hears_nothing_on_the_socket_either(room: Room) -> None:
    await room.make("bob", "carol", bob=ReceiveOption.DISCARD, carol=ReceiveOption.SILENT)
    await room.pipeline.device(7, "bob", node_id=1, app_state="foreground")
    await room.pipeline.device(8, "carol", node_id=1, app_state="background")
    await room.say()
    await room.pushes()
    assert [delivery.device_id for delivery in room.pipeline.delivered] == [8]


async def test_unread_is_counted_without_a_row_a_member(room: Room) -> None:
    await room.make("bob", "carol", carol=ReceiveOption.SILENT)
    await room.say()
    await room.say(sender="bob")
    await room.say(flags=MessageFlags.NO_UNREAD)
    await room.say(flags=MessageFlags.ONLINE_ONLY)
    await room.say(details=GroupDetails(to=("bob",)))
    last = await room.say()
    assert (await room.unread("alice"), await room.unread("bob"), await room.unread("carol")) == (1, 2, 3)
    assert (await room.total("bob"), await room.total("carol"), await room.total("alice")) == (2, 0, 1)
    await room.messaging.mark_read(room.pipeline.app, "g1", "bob", last.seq - 1)
    assert (await room.unread("bob"), await room.total("bob")) == (1, 1)
    await room.messaging.mark_read(room.pipeline.app, "g1", "bob", None)
    assert (await room.unread("bob"), await room.total("bob")) == (0, 0)
    await room.messaging.set_unread(room.pipeline.app, "g1", "bob", 9)
    assert await room.unread("bob") == 9


async def test_a_recalled_message_is_not_unread_any_more(room: Room) -> None:
    await room.make("bob")
    first = await room.say()
    await room.say("second")
    await room.messaging.recall(room.pipeline.app, "g1", first.seq)
    assert await room.unread("bob") == 1
    await room.messaging.mark_read(room.pipeline.app, "g1", "bob", None)
    assert await room.unread("bob") == 0


async def test_the_badge_is_the_accounts_unread_total(room: Room) -> None:
    await room.make("bob")
    await room.pipeline.device(7, "bob")
    await room.pipeline.send("hi", to="bob")
    await room.say()
    await room.say()
    assert [badge for _, _, _, badge in await room.pushes() if badge is not None] == [1, 2, 3]


async def test_what_was_read_or_recalled_before_it_was_sent_is_not_pushed(room: Room) -> None:
    await room.make("bob", "carol")
    await room.pipeline.device(7, "bob", node_id=1, app_state="foreground")
    await room.pipeline.device(8, "carol", node_id=1, app_state="foreground")
    accepted = await room.say()
    await room.messaging.mark_read(room.pipeline.app, "g1", "bob", accepted.seq)
    await room.messaging.recall(room.pipeline.app, "g1", accepted.seq)
    states = {user: (state, reason) for user, state, reason, _ in await room.pushes()}
    assert states["bob"] == (PushState.CANCELLED, "read_elsewhere")
    assert states["carol"] == (PushState.CANCELLED, "recalled")


async def test_a_message_that_no_socket_acknowledged_is_pushed_as_the_groups(room: Room) -> None:
    await room.make("bob", "carol", carol=ReceiveOption.SILENT)
    await room.pipeline.device(7, "bob", node_id=1, app_state="foreground")
    await room.pipeline.device(8, "carol", node_id=1, app_state="foreground")
    await room.say("still there?")
    room.pipeline.clock.advance(seconds=4)
    await room.pipeline.turn()
    [request] = await room.pipeline.vendor.received(1)
    message = json.loads(request.body)["message"]
    assert (message["notification"]["title"], message["notification"]["body"]) == ("The team", "still there?")
    states = {user: (state, reason) for user, state, reason, _ in await room.pushes()}
    assert states["bob"][0] == PushState.ACCEPTED
    assert states["carol"] == (PushState.SUPPRESSED, "muted")


async def test_who_left_meanwhile_gets_no_late_push(room: Room) -> None:
    await room.make("bob")
    await room.pipeline.device(7, "bob", node_id=1, app_state="foreground")
    await room.say()
    await room.groups.remove(room.pipeline.app, "g1", ["bob"], silent=True)
    room.pipeline.clock.advance(seconds=4)
    await room.pipeline.turn()
    assert [(user, state, reason) for user, state, reason, _ in await room.pushes() if user == "bob"] == [
        ("bob", PushState.CANCELLED, "not_member")
    ]


async def test_who_comes_later_gets_nothing_of_before(room: Room) -> None:
    await room.make("bob")
    await room.say("before")
    await room.groups.add(room.pipeline.app, "g1", [Member(0, "", "carol")])
    await room.say("after")
    seen, reached, more = await room.messaging.after(room.pipeline.app, "g1", "carol", 0, 10)
    assert ([said.message.seq for said in seen], reached, more) == ([2], 2, False)
    assert await room.unread("carol") == 1


async def test_a_message_to_named_members_reaches_these_alone(room: Room) -> None:
    await room.make("bob", "carol")
    await room.say("psst", details=GroupDetails(to=("carol", "nobody")))
    assert [user for user, _, _, _ in await room.pushes()] == ["carol"]
    for user, expected in (("alice", 1), ("bob", 0), ("carol", 1)):
        seen, _, _ = await room.messaging.after(room.pipeline.app, "g1", user, 0, 10)
        assert len(seen) == expected


async def test_the_same_random_of_one_sender_is_one_message_for_five_minutes(room: Room) -> None:
    await room.make("bob")
    first = await room.say(random=5)
    again = await room.say(random=5)
    assert (again.duplicate, again.seq, again.msg_key) == (True, first.seq, first.msg_key)
    assert not (await room.say(random=5, sender="bob")).duplicate
    room.pipeline.clock.advance(seconds=301)
    assert not (await room.say(random=5)).duplicate


async def test_only_members_that_are_not_muted_speak(room: Room) -> None:
    await room.make("bob")
    app = room.pipeline.app

    async def refusal(**options: Any) -> Any:
        with pytest.raises(Refused) as refused:
            await room.say(**options)
        return refused.value.problem

    assert await refusal(sender="carol") is GROUP_DENIED
    assert await refusal(sender="ghost") is GROUP_ACCOUNT_UNKNOWN
    await room.groups.mute(app, "g1", ["bob"], 60)
    assert await refusal(sender="bob") is GROUP_MUTED
    room.pipeline.clock.advance(seconds=60)
    await room.say(sender="bob")
    await room.groups.change(app, "g1", {"mute_all": 1})
    assert await refusal(sender="bob") is GROUP_MUTED
    await room.say(sender="alice")
    await room.say(sender="carol", by_admin=True)
    await room.groups.destroy(app, "g1")
    assert await refusal() is GROUP_NOT_FOUND


async def test_a_member_recalls_its_own_and_a_leader_any(room: Room) -> None:
    await room.make("bob", "carol")
    app = room.pipeline.app
    accepted = await room.say(sender="bob")
    with pytest.raises(Refused) as refused:
        await room.messaging.recall(app, "g1", accepted.seq, by="carol")
    assert refused.value.problem is GROUP_RECALL_DENIED
    await room.messaging.recall(app, "g1", accepted.seq, by="alice")
    found, _ = await room.messaging.newest(app, "g1", None, 10)
    assert [said.message.revoked for said in found] == [True]


async def test_a_live_audience_is_told_on_its_sockets_and_never_later(room: Room) -> None:
    await room.make(kind="AVChatRoom")
    await room.groups.join(room.pipeline.app, "g1", "bob")
    await room.groups.join(room.pipeline.app, "g1", "carol")
    await room.pipeline.device(7, "bob")
    await room.pipeline.device(8, "carol", node_id=1, app_state="foreground")
    await room.say()
    assert [user for user, _, _, _ in await room.pushes()] == ["carol"]
    assert [delivery.device_id for delivery in room.pipeline.delivered] == [8]
    assert (await room.messaging.newest(room.pipeline.app, "g1", None, 10))[0] == []
    assert await room.unread("bob") == 0


async def test_the_senders_other_devices_are_synchronised(room: Room) -> None:
    await room.make("bob")
    await room.pipeline.device(7, "alice", node_id=1, app_state="foreground")
    await room.pipeline.device(8, "alice", node_id=1, app_state="foreground", platform="ios")
    await room.say(sender_device_id=7)
    await room.pushes()
    assert [delivery.device_id for delivery in room.pipeline.delivered] == [8]


async def test_the_sender_may_ask_for_no_push(room: Room) -> None:
    await room.make("bob")
    await room.pipeline.device(7, "bob")
    await room.say(push_info=OfflinePushInfo(PushFlag=1))
    assert ("bob", "sender_opted_out") in [(user, reason) for user, _, reason, _ in await room.pushes()]


async def test_devices_of_one_language_share_what_they_are_told(room: Room) -> None:
    await room.make("bob", "carol")
    await room.pipeline.device(7, "bob")
    await room.pipeline.device(8, "carol")
    await room.pipeline.send("hi", to="bob")  # bob's badge is another than carol's
    await room.pipeline.vendor.received(1)
    await room.say("same")
    await room.pipeline.vendor.received(3)
    assert [badge for user, _, _, badge in await room.pushes() if user in ("bob", "carol")] == [1, 2, 1]


async def test_a_notification_is_taken_back_when_its_message_is_recalled_or_read_elsewhere(room: Room) -> None:
    await room.make("bob")
    await room.pipeline.device(7, "bob")
    first = await room.say("first")
    await room.pipeline.vendor.received(1)
    await room.pushes()
    await room.messaging.recall(room.pipeline.app, "g1", first.seq)
    room.pipeline.clock.advance(seconds=6)
    await room.pipeline.turn()
    requests = await room.pipeline.vendor.received(2)
    assert json.loads(requests[1].body)["message"]["notification"]["title"] == "The team"
    second = await room.say("second")
    await room.pipeline.vendor.received(3)
    await room.pushes()
    await room.messaging.mark_read(room.pipeline.app, "g1", "bob", second.seq)
    await room.pipeline.turn()
    requests = await room.pipeline.vendor.received(4)
    assert "notification" not in json.loads(requests[3].body)["message"]  # a silent one


async def test_the_message_is_explained_member_by_member(room: Room) -> None:
    await room.make("bob", "carol", carol=ReceiveOption.SILENT)
    await room.pipeline.device(7, "bob")
    await room.pipeline.device(8, "carol")
    accepted = await room.say()
    await room.pushes()
    told = await Explain(room.pipeline.database, room.pipeline.clock).message(APP, accepted.msg_key)
    [message] = told["messages"]
    assert (message["from"], message["to"], message["msg_key"]) == ("alice", "group_g1", accepted.msg_key)
    assert {push["user_id"]: push["reason"] for push in message["pushes"]} == {"bob": "offline", "carol": "muted"}
