"""Callbacks to an app's own backend, over real HTTP, on each engine."""

from __future__ import annotations

import hashlib
import json
from collections.abc import AsyncIterator
from typing import Any

import pytest

from homing.model.apps import App, AppSettings
from homing.model.clock import Ids, SystemClock
from homing.model.devices import Device
from homing.model.groups import Group, GroupDraft
from homing.model.messages import Draft, Element, MessageFlags
from homing.model.problems import Refused
from homing.model.webhooks import Callback, OnFailure, Webhook, WebhookOptions
from homing.services.hook_calls import HookCalls
from homing.services.hook_queue import HookQueue
from homing.services.message_hooks import MessageHooks
from homing.services.messaging import Messaging
from homing.services.state_hooks import LOGIN, StateHooks
from homing.services.webhooks import Webhooks, callbacks_named
from homing.store import webhooks as store
from homing.store.accounts import insert_accounts
from homing.store.engine import Database, Query, Tx
from homing.store.sealing import Sealer
from homing.transport.client import HttpTransport
from homing.transport.easy import TransportOptions

from ..hook_backend import Backend

APP = 1_400_000_001
TOKEN = "backend-token"
BODIES = Query("test.bodies", "SELECT body FROM message ORDER BY message_id")
SEALER = Sealer(bytes(range(32)))


class Outgoing:
    """Nothing leaves."""

    def room(self, lane: Any) -> bool:
        return False

    def hand_over(self, stored: Any) -> None:
        pass


class Running:
    """The accept side of one node, with callbacks."""

    def __init__(self, database: Database) -> None:
        self.database, self.clock = database, SystemClock()
        self.ids = Ids(self.clock, 1)
        self.app = App(APP, "", "k" * 32, ("administrator",), AppSettings(), 0)
        self.backend = Backend()
        self.transport = HttpTransport(TransportOptions(allow_private=True))
        self.webhooks = Webhooks(database, SEALER, allow_private=True)
        calls = HookCalls(self.transport, self.clock, allow_private=True)
        self.queue = HookQueue(database=database, clock=self.clock, webhooks=self.webhooks, calls=calls)
        self.hooks = MessageHooks(webhooks=self.webhooks, calls=calls, clock=self.clock, ids=self.ids)
        self.messaging = Messaging(database=database, ids=self.ids, owner=1, clock=self.clock, outgoing=Outgoing(), hooks=self.hooks)

    async def configure(self, *commands: Callback, **options: Any) -> None:
        url = await self.backend.start()
        names = frozenset(command.value for command in commands)
        await self.webhooks.save(Webhook(APP, url, names, TOKEN, WebhookOptions(**options)))
        await self.webhooks.refresh()

    async def send(self, text: str = "hello", flags: MessageFlags = MessageFlags.NONE, **values: Any) -> Any:
        elements = (Element("TIMTextElem", {"Text": text}),)
        draft = Draft(from_account="alice", to_account="bob", elements=elements, random=7, flags=flags, **values)
        return await self.messaging.send(self.app, draft)

    async def bodies(self) -> list[Any]:
        async def work(tx: Tx) -> list[Any]:
            return [json.loads(bytes(row[0])) for row in await tx.fetch(BODIES)]

        return await self.database.read(work)

    async def waiting(self) -> dict[int, tuple[int, str]]:
        return await self.webhooks.counts(APP)


@pytest.fixture
async def running(database: Database) -> AsyncIterator[Running]:
    node = Running(database)
    await database.write(lambda tx: insert_accounts(tx, APP, [("alice", "", ""), ("bob", "", "")], 0))
    yield node
    await node.messaging.drain()
    await node.queue.stop()
    await node.backend.stop()
    await node.transport.aclose(grace_seconds=0.1)


async def test_the_backend_is_asked_before_a_message_in_the_documented_form(running: Running) -> None:
    await running.configure(Callback.BEFORE_MESSAGE)
    accepted = await running.send(seq=5, cloud_custom_data="mine")
    (asked,) = running.backend.requests
    time, sign = asked.query.pop("RequestTime"), asked.query.pop("Sign")
    assert sign == hashlib.sha256(f"{TOKEN}{time}".encode()).hexdigest()
    assert asked.query == {
        "SdkAppid": str(APP),
        "CallbackCommand": "C2C.CallbackBeforeSendMsg",
        "contenttype": "json",
        "ClientIP": "",
        "OptPlatform": "RESTAPI",
    }
    body = asked.body
    assert body.pop("EventTime") // 1000 == body.pop("MsgTime")
    assert body.pop("MsgId")
    assert body.pop("MsgKey").startswith("5_7_")
    assert body == {
        "CallbackCommand": "C2C.CallbackBeforeSendMsg",
        "From_Account": "alice",
        "To_Account": "bob",
        "MsgSeq": 5,
        "MsgRandom": 7,
        "OnlineOnlyFlag": 0,
        "MsgBody": [{"MsgType": "TIMTextElem", "MsgContent": {"Text": "hello"}}],
        "CloudCustomData": "mine",
    }
    assert accepted.seq == 5


@pytest.mark.parametrize(("code", "heard"), [(1, 20006), (120_001, 120_001), (130_000, 130_000)])
async def test_what_the_backend_refuses_is_not_stored_and_its_code_reaches_the_sender(running: Running, code: int, heard: int) -> None:
    await running.configure(Callback.BEFORE_MESSAGE, Callback.AFTER_MESSAGE)
    running.backend.answer = lambda _: (200, json.dumps({"ErrorCode": code, "ErrorInfo": "not here"}).encode())
    with pytest.raises(Refused) as refused:
        await running.send()
    assert (refused.value.problem.rest_code, refused.value.problem.sentence) == (heard, "not here")
    assert await running.bodies() == []
    assert await running.waiting() == {}


async def test_a_message_that_is_dropped_in_silence_looks_sent(running: Running) -> None:
    await running.configure(Callback.BEFORE_MESSAGE)
    running.backend.answer = lambda _: (200, b'{"ErrorCode":2}')
    accepted = await running.send(seq=9)
    assert accepted.msg_key.startswith("9_7_")
    assert await running.bodies() == []


async def test_the_backend_changes_a_message_and_is_told_of_the_changed_one(running: Running) -> None:
    await running.configure(Callback.BEFORE_MESSAGE, Callback.AFTER_MESSAGE)
    changed = [{"MsgType": "TIMTextElem", "MsgContent": {"Text": "***"}}]
    running.backend.answer = lambda _: (200, json.dumps({"ErrorCode": 0, "MsgBody": changed, "CloudCustomData": "seen"}).encode())
    accepted = await running.send()
    assert await running.bodies() == [changed]
    await running.queue.turn(APP)
    (told,) = running.backend.of("C2C.CallbackAfterSendMsg")
    assert (told.body["MsgBody"], told.body["CloudCustomData"]) == (changed, "seen")
    assert (told.body["MsgKey"], told.body["MsgId"]) == (accepted.msg_key, accepted.msg_id)
    assert (told.body["SendMsgResult"], told.body["ErrorInfo"], told.body["UnreadMsgNum"]) == (0, "send msg succeed", 1)
    assert await running.waiting() == {}


@pytest.mark.parametrize("answer", ["silent", "close", (500, b""), (200, b"<html>"), (200, b'{"ErrorCode":7}'), (200, b'{"MsgBody":[]}')])
async def test_without_a_usable_answer_the_configured_default_holds(running: Running, answer: Any) -> None:
    await running.configure(Callback.BEFORE_MESSAGE, timeout_seconds=0.2)
    running.backend.answer = lambda _: answer
    await running.send("allowed")
    assert len(await running.bodies()) == 1
    hook = running.webhooks.by_app[APP]
    options = WebhookOptions(timeout_seconds=0.2, message_on_failure=OnFailure.REFUSE)
    await running.webhooks.save(Webhook(APP, hook.url, hook.commands, TOKEN, options))
    await running.webhooks.refresh()
    with pytest.raises(Refused) as refused:
        await running.send("refused")
    assert refused.value.problem.rest_code == 80003
    assert len(await running.bodies()) == 1


async def test_a_backend_that_is_down_is_not_asked_for_every_message(running: Running) -> None:
    await running.configure(Callback.BEFORE_MESSAGE)
    running.backend.answer = lambda _: (500, b"")
    for n in range(20):
        await running.send(f"message {n}")
    assert len(running.backend.requests) == 10  # then its circuit breaker is open


async def test_forbidden_callbacks_are_not_made(running: Running) -> None:
    await running.configure(Callback.BEFORE_MESSAGE, Callback.AFTER_MESSAGE)
    await running.send(flags=MessageFlags.NO_HOOK_BEFORE)
    assert [request.query["CallbackCommand"] for request in running.backend.requests] == []
    assert (await running.waiting())[store.WAITING][0] == 1
    await running.send("other", flags=MessageFlags.NO_HOOK_AFTER)
    assert len(running.backend.requests) == 1
    assert (await running.waiting())[store.WAITING][0] == 1


async def test_an_event_that_fails_is_told_again_under_the_same_id(running: Running) -> None:
    await running.configure(Callback.AFTER_MESSAGE)
    await running.send()
    answers = iter(["close", (503, b""), (200, b"")])
    running.backend.answer = lambda _: next(answers)
    running.queue.start()
    told = await running.backend.received("C2C.CallbackAfterSendMsg", 3)
    assert len({request.headers["x-event-id"] for request in told}) == 1
    assert len({json.dumps(request.body) for request in told}) == 1


async def test_what_nobody_reported_is_told_when_its_lease_is_over(running: Running) -> None:
    await running.configure(Callback.AFTER_MESSAGE)
    await running.send()
    now_ms = running.clock.now_ms()
    (claimed,) = await running.database.write(lambda tx: store.claim(tx, APP, now_ms, 30_000, 10))
    assert await running.queue.turn(APP) == 0  # somebody holds it
    (again,) = await running.database.write(lambda tx: store.claim(tx, APP, now_ms + 30_001, 30_000, 10))
    assert (again.event_id, bytes(again.body)) == (claimed.event_id, bytes(claimed.body))


async def test_an_event_is_given_up_in_the_end_and_can_be_told_again(running: Running) -> None:
    await running.configure(Callback.AFTER_MESSAGE)
    await running.send()
    running.backend.answer = lambda _: (500, b"")
    exhausted = Query("test.exhausted", "UPDATE webhook_event SET attempts = 200")
    await running.database.write(lambda tx: tx.execute(exhausted))
    await running.queue.turn(APP)
    assert await running.waiting() == {store.DEAD: (1, "HTTP 500")}
    running.backend.answer = lambda _: (200, b"")
    assert await running.webhooks.revive(APP) == 1
    await running.queue.turn(APP)
    assert await running.waiting() == {}


async def test_state_changes_name_who_had_to_go(running: Running) -> None:
    await running.configure(Callback.STATE_CHANGE)
    states = StateHooks(webhooks=running.webhooks, clock=running.clock, ids=running.ids)
    device = Device(device_id=1, sdkappid=APP, user_id="bob", platform="android", instance_id="i")
    other = Device(device_id=2, sdkappid=APP, user_id="bob", platform="ios", instance_id="j")
    await running.database.write(lambda tx: states.note(tx, [device], LOGIN, [other]))
    await running.queue.turn(APP)
    (told,) = running.backend.of("State.StateChange")
    assert told.query["OptPlatform"] == "Android"
    assert told.body["Info"] == {"Action": "Login", "To_Account": "bob", "Reason": "Register"}
    assert told.body["KickedDevice"] == [{"Platform": "iOS"}]


async def test_group_messages_are_asked_about(running: Running) -> None:
    await running.configure(Callback.BEFORE_GROUP_MESSAGE)
    group = Group(APP, "g1", "Public", "Group", last_seq=4)
    draft = GroupDraft(group_id="g1", from_account="alice", elements=(Element("TIMTextElem", {"Text": "x"}),), random=3)
    assert await running.hooks.before_group(running.app, draft, group) == draft
    (asked,) = running.backend.requests
    assert {key: asked.body[key] for key in ("GroupId", "Type", "From_Account", "Operator_Account", "Random")} == {
        "GroupId": "g1",
        "Type": "Public",
        "From_Account": "alice",
        "Operator_Account": "alice",
        "Random": 3,
    }
    running.backend.answer = lambda _: (200, b'{"ErrorCode":1}')
    with pytest.raises(Refused) as refused:
        await running.hooks.before_group(running.app, draft, group)
    assert refused.value.problem.rest_code == 10016


async def test_another_app_is_never_asked_about(running: Running) -> None:
    await running.configure(*Callback)
    other = App(APP + 1, "", "k" * 32, ("administrator",), AppSettings(), 0)
    await running.database.write(lambda tx: insert_accounts(tx, APP + 1, [("alice", "", ""), ("bob", "", "")], 0))
    draft = Draft(from_account="alice", to_account="bob", elements=(Element("TIMTextElem", {"Text": "x"}),), random=3)
    await running.messaging.send(other, draft)
    assert running.backend.requests == []
    assert await running.waiting() == {}


@pytest.mark.parametrize(
    "url",
    ["http://127.0.0.1/x", "https://localhost/x", "https://10.0.0.1/x", "https://169.254.169.254/", "http://example.com/", "ftp://x/", ""],
)
async def test_addresses_inside_are_refused_unless_allowed(database: Database, url: str) -> None:
    webhooks = Webhooks(database, SEALER)
    with pytest.raises(Refused):
        await webhooks.save(Webhook(APP, url, callbacks_named(["all"])))


async def test_a_webhook_saved_when_inside_was_allowed_is_not_called_afterwards(running: Running) -> None:
    await running.configure(Callback.AFTER_MESSAGE)
    strict = HookCalls(running.transport, running.clock)
    error = await strict.tell(running.webhooks.by_app[APP], Callback.AFTER_MESSAGE, b"{}", "RESTAPI", "1")
    assert error == "the URL names this machine itself"
    assert running.backend.requests == []


def test_an_unknown_callback_is_named() -> None:
    with pytest.raises(Refused, match="Nonsense"):
        callbacks_named(["Nonsense"])
