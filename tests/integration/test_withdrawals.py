"""Notifications that are taken back after they had gone out: recalled, or read on another device. On both engines."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest

from homing.channels.registry import CHANNELS
from homing.model.apps import NotificationMode
from homing.model.certificates import Certificate
from homing.model.outcome import VendorResponse
from homing.model.push import PushState, Reason
from homing.model.push_info import AndroidInfo, OfflinePushInfo
from homing.services.explain import Explain
from homing.services.history import History
from homing.services.withdrawals import IN_FLIGHT_MS
from homing.store.engine import Query

APP = 1_400_000_001
OK = VendorResponse(200, {}, b'{"name":"projects/p/messages/0:1%a"}')
BUSY = VendorResponse(503, {"retry-after": "7"}, b'{"error":{"code":503,"status":"UNAVAILABLE"}}')
KINDS = Query("test.kinds", "SELECT kind, state, reason, device_id, badge FROM push ORDER BY push_id")
DUE = Query("test.due", "SELECT push_id FROM push WHERE state = 2 OR (state = 1 AND due_at_ms <= ?)")
SPEAKS = Query("test.language", "UPDATE device SET language = ?, instance_id = ? WHERE device_id = ?")
ENDED = Query("test.ended", "UPDATE device SET session_state = 'logged_out' WHERE device_id = ?")
IN_FRONT = Query("test.in_front", "UPDATE device SET node_id = 1, app_state = 'foreground' WHERE device_id = ?")
ANOTHER_VENDOR = Query("test.vendor", "UPDATE certificate SET channel = 'harmony', options = ?")
CLICKED = Query("test.clicked", "UPDATE push SET clicked_at_ms = 1")


class World:
    """A pipeline with the side that recalls and reads."""

    def __init__(self, pipeline: Any) -> None:
        self.pipeline = pipeline
        self.ids = pipeline.messaging._ids
        self.history = History(pipeline.database, pipeline.clock, self.ids, pipeline.bus)

    async def phone(self, device_id: int, user_id: str = "bob", language: str = "en-GB") -> None:
        await self.pipeline.device(device_id, user_id)
        await self.change(SPEAKS, language, f"i{device_id}", device_id)

    async def change(self, query: Query, *args: Any) -> None:
        await self.pipeline.database.write(lambda tx: tx.execute(query, *args))

    async def say(self, text: str, **options: Any) -> Any:
        accepted = await self.pipeline.send(text, **options)
        await self.work()
        return accepted

    async def recall(self, accepted: Any, sender: str = "alice", to: str = "bob") -> None:
        app = self.pipeline.directory.app
        await self.history.revoke(app, sender, to, msg_key=accepted.msg_key, by_admin=True)
        await self.work()

    async def read(self, device_id: int | None = None, peer: str = "alice") -> None:
        await self.history.mark_read(self.pipeline.directory.app, "bob", peer, None, device_id=device_id)
        await self.work()

    async def work(self) -> None:
        """Until nothing is due any more: lanes are woken over the bus, and log in by tasks of their own."""
        async with asyncio.timeout(20):
            while True:
                await asyncio.sleep(0)
                await self.pipeline.turn()
                await self.pipeline.settle()
                due = await self.pipeline.database.read(lambda tx: tx.fetch(DUE, self.pipeline.clock.now_ms()))
                if not due or self.pipeline.vendor.hold:
                    return

    async def pushes(self) -> list[tuple[Any, ...]]:
        await self.pipeline.settle()
        return [tuple(row) for row in await self.pipeline.database.read(lambda tx: tx.fetch(KINDS))]

    def sent(self) -> list[dict[str, Any]]:
        return [json.loads(request.body)["message"] for request in self.pipeline.vendor.requests]


@pytest.fixture
def world(pipeline: Any) -> World:
    return World(pipeline)


@pytest.fixture
async def recalling(world: World) -> World:
    """The same with a vendor that takes notifications off phones itself."""
    await use_harmony(world, client_id="104987654")
    world.pipeline.vendor.answer = lambda _: VendorResponse(200, {}, b'{"code":"80000000","msg":"Success","requestId":"r1"}')
    return world


async def use_harmony(world: World, client_id: str) -> None:
    harmony, fcm = CHANNELS["harmony"], world.pipeline.authority.certificate
    options = harmony.options_type(client_id=client_id)
    made = Certificate(fcm.sdkappid, fcm.business_id, "harmony", "test", harmony.credentials_type(service_account="{}"), options)
    world.pipeline.authority.certificate = made
    await world.change(ANOTHER_VENDOR, json.dumps({"client_id": client_id}))


def calls(world: World) -> list[tuple[str, dict[str, Any]]]:
    """What was asked of the vendor: send or revoke, with which body."""
    return [(request.url.rpartition(":")[2], json.loads(request.body)) for request in world.pipeline.vendor.requests]


def tag(message: dict[str, Any]) -> str:
    return str(message["android"]["notification"]["tag"])


async def test_a_recalled_messages_notification_is_replaced_in_the_receivers_language(world: World) -> None:
    await world.phone(7, language="en-GB")
    await world.phone(8, language="zh-CN")
    info = OfflinePushInfo(Title="Secret", Desc="the password is 1234", Ext='{"pw":1234}', AndroidInfo=AndroidInfo(GoogleChannelID="chat"))
    accepted = await world.say("secret", push_info=info)
    await world.recall(accepted)
    first, second, third, fourth = world.sent()
    assert {tag(first), tag(second)} == {tag(third), tag(fourth)}
    shown = {message["token"]: message["notification"] for message in (third, fourth)}
    assert shown["token-7"] == {"title": "Alice", "body": "This message was recalled"}
    assert shown["token-8"] == {"title": "Alice", "body": "此消息已被撤回"}
    assert third["android"]["notification"]["channel_id"] == "chat"
    assert "1234" not in json.dumps([third, fourth])
    rows = await world.pushes()
    assert [(kind, state, reason) for kind, state, reason, _, _ in rows[2:]] == [("recalled", PushState.ACCEPTED, Reason.TAKEN_BACK)] * 2
    assert {badge for *_, badge in rows[2:]} == {0}  # it is not unread any more


async def test_recalling_twice_replaces_once(world: World) -> None:
    await world.phone(7)
    accepted = await world.say("secret")
    await world.recall(accepted)
    await world.recall(accepted)
    assert len(world.sent()) == 2


async def test_what_was_recalled_before_it_was_sent_needs_no_replacement(world: World) -> None:
    await world.phone(7)
    world.pipeline.vendor.answer = lambda _: BUSY
    accepted = await world.say("secret")
    await world.recall(accepted)
    assert await world.pushes() == [("", PushState.CANCELLED, Reason.RECALLED, 7, 1)]


async def test_a_replacement_does_not_overtake_what_is_on_its_way(world: World) -> None:
    await world.phone(7)
    await world.say("first of all, so that the lane is open")
    world.pipeline.vendor.hold = True
    accepted = await world.pipeline.send("secret")
    await world.pipeline.turn()
    await world.pipeline.vendor.received(2)
    await world.recall(accepted)
    assert len(world.sent()) == 2  # the vendor has not answered yet
    world.pipeline.vendor.release()
    world.pipeline.clock.advance(ms=IN_FLIGHT_MS + 200)
    await world.work()
    assert tag(world.sent()[1]) == tag(world.sent()[2])
    assert (await world.pushes())[-1][:3] == ("recalled", PushState.ACCEPTED, Reason.TAKEN_BACK)


async def test_a_replacement_is_tried_again_like_any_push(world: World) -> None:
    await world.phone(7)
    accepted = await world.say("secret")
    world.pipeline.vendor.answer = lambda _: BUSY
    await world.recall(accepted)
    assert (await world.pushes())[-1][1] == PushState.PENDING
    world.pipeline.vendor.answer = lambda _: OK
    world.pipeline.clock.advance(seconds=8)
    await world.work()
    assert (await world.pushes())[-1][1] == PushState.ACCEPTED
    assert world.sent()[-1]["notification"]["body"] == "This message was recalled"


async def test_the_conversations_notification_is_replaced_only_while_it_shows_that_message(world: World) -> None:
    world.pipeline.settings(notification_mode=NotificationMode.PER_CONVERSATION)
    await world.phone(7)
    older = await world.say("older")
    newer = await world.say("newer")
    await world.recall(older)
    assert len(world.sent()) == 2  # the phone shows the newer one
    await world.recall(newer)
    assert len(world.sent()) == 3
    assert tag(world.sent()[2]) == tag(world.sent()[1])


async def test_a_newer_message_is_never_replaced_by_the_news_of_an_older_ones_recall(world: World) -> None:
    world.pipeline.settings(notification_mode=NotificationMode.PER_CONVERSATION)
    await world.phone(7)
    older = await world.say("older")
    world.pipeline.vendor.answer = lambda _: BUSY
    await world.recall(older)
    world.pipeline.vendor.answer = lambda _: OK
    await world.say("newer")
    world.pipeline.clock.advance(seconds=60)
    await world.work()
    assert [message["notification"]["body"] for message in world.sent()] == ["older", "This message was recalled", "newer"]
    assert [row[1] for row in await world.pushes()] == [PushState.ACCEPTED, PushState.CANCELLED, PushState.ACCEPTED]


@pytest.mark.parametrize("what", ["clicked", "logged out", "in front", "read", "switched off"])
async def test_nothing_is_replaced_where_there_is_nothing_to_replace(world: World, what: str) -> None:
    await world.phone(7)
    accepted = await world.say("secret")
    if what == "clicked":
        await world.change(CLICKED)
    elif what == "logged out":
        await world.change(ENDED, 7)
    elif what == "in front":
        await world.change(IN_FRONT, 7)
    elif what == "read":
        await world.read(device_id=7)
    else:
        world.pipeline.settings(replace_recalled=False)
    await world.recall(accepted)
    assert len(world.sent()) == 1


async def test_what_was_read_elsewhere_is_taken_away_by_one_silent_push_that_sets_the_badge(world: World) -> None:
    await world.phone(7)
    for text in ("one", "two"):
        await world.say(text)
    await world.say("from another", sender="carol")
    await world.read(device_id=99)
    [silent] = world.sent()[3:]
    assert "notification" not in silent
    assert sorted(json.loads(silent["data"]["withdraw"])) == sorted(tag(message) for message in world.sent()[:2])
    assert silent["data"]["badge"] == "1"
    assert (await world.pushes())[-1] == ("read", PushState.ACCEPTED, Reason.CLEARED, 7, 1)
    await world.read(device_id=99)
    assert len(world.sent()) == 4


async def test_what_is_on_its_way_while_it_is_read_is_taken_away_afterwards(world: World) -> None:
    await world.phone(7)
    await world.say("first of all, so that the lane is open")
    await world.read(device_id=99)
    world.pipeline.clock.advance(seconds=2)
    world.pipeline.vendor.hold = True
    await world.pipeline.send("two")
    await world.pipeline.turn()
    await world.pipeline.vendor.received(3)
    await world.read(device_id=99)
    world.pipeline.vendor.release()
    world.pipeline.clock.advance(ms=IN_FLIGHT_MS + 200)
    await world.work()
    assert json.loads(world.sent()[3]["data"]["withdraw"]) == [tag(world.sent()[2])]


@pytest.mark.parametrize("what", ["itself", "clicked", "switched off"])
async def test_no_phone_is_told_of_what_it_knows(world: World, what: str) -> None:
    await world.phone(7)
    await world.say("one")
    if what == "clicked":
        await world.change(CLICKED)
    elif what == "switched off":
        world.pipeline.settings(clear_read=False)
    await world.read(device_id=7 if what == "itself" else None)
    assert len(world.sent()) == 1


async def test_what_comes_after_the_reading_stays(world: World) -> None:
    await world.phone(7)
    await world.say("one")
    world.pipeline.clock.advance(seconds=2)
    await world.read()
    world.pipeline.clock.advance(seconds=2)
    await world.say("two")
    world.pipeline.clock.advance(seconds=2)
    await world.read()
    first, _, third, fourth = world.sent()
    assert json.loads(fourth["data"]["withdraw"]) == [tag(third)]
    assert tag(first) != tag(third)


async def test_the_explanation_tells_of_both_notifications(world: World) -> None:
    await world.phone(7)
    accepted = await world.say("secret")
    await world.recall(accepted)
    explain = Explain(world.pipeline.database, world.pipeline.clock)
    for language, words in (("en", "recalled after its notification had gone out"), ("zh", "通知发出之后被撤回")):
        told = await explain.message(APP, accepted.msg_key, language)
        first, second = told["messages"][0]["pushes"]
        assert (first["reason"], second["reason"]) == (Reason.OFFLINE, Reason.TAKEN_BACK)
        assert words in second["reason_text"]
        assert str(first["push_id"]) in second["device_state_text"]


async def test_a_vendors_own_recall_takes_a_recalled_messages_notification_away(recalling: World) -> None:
    await recalling.phone(7)
    accepted = await recalling.say("secret")
    await recalling.recall(accepted)
    (_, sent), (call, body) = calls(recalling)
    assert (call, body) == ("revoke", {"notifyId": sent["payload"]["notification"]["notifyId"], "token": ["token-7"]})
    assert (await recalling.pushes())[-1][:3] == ("recalled", PushState.ACCEPTED, Reason.TAKEN_BACK)


async def test_a_vendors_own_recall_takes_each_notification_away_that_was_read_elsewhere(recalling: World) -> None:
    await recalling.phone(7)
    for text in ("one", "two"):
        await recalling.say(text)
    await recalling.say("from another", sender="carol")
    await recalling.read(device_id=99)
    shown = [body["payload"]["notification"]["notifyId"] for _, body in calls(recalling)[:2]]
    recalled = calls(recalling)[3:]
    assert [call for call, _ in recalled] == ["revoke"] * 2
    assert sorted(body["notifyId"] for _, body in recalled) == sorted(shown)
    assert [row[:4] for row in (await recalling.pushes())[3:]] == [("read", PushState.ACCEPTED, Reason.CLEARED, 7)] * 2


async def test_a_conversations_one_notification_stays_since_it_may_show_a_newer_message_by_then(recalling: World) -> None:
    recalling.pipeline.settings(notification_mode=NotificationMode.PER_CONVERSATION)
    await recalling.phone(7)
    await recalling.say("one")
    await recalling.read(device_id=99)
    assert [call for call, _ in calls(recalling)] == ["send"]


async def test_without_what_the_vendors_recall_needs_a_recalled_message_is_replaced_and_a_read_one_stays(recalling: World) -> None:
    await use_harmony(recalling, client_id="")
    await recalling.phone(7)
    first, second = await recalling.say("one"), await recalling.say("two")
    await recalling.recall(first)
    assert calls(recalling)[-1][1]["payload"]["notification"]["body"] == "This message was recalled"
    await recalling.read(device_id=99)
    assert [call for call, _ in calls(recalling)] == ["send"] * 3
    assert second.msg_key
