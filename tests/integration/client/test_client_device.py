"""The device SDK against a real server: messages, states, cuts, kicks."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from homing.client import (
    HomingClient,
    HomingError,
    Listener,
    LoginStatus,
    OfflinePushConfig,
    OfflinePushInfo,
    custom_message,
    image_message,
    text_message,
)
from homing.rules.usersig import sign

APP, KEY = 1400000001, "0123456789abcdef" * 4


async def test_two_people_talk(phones: Any) -> None:
    alice, alice_ear = await phones("alice")
    bob, bob_ear = await phones("bob")
    assert (alice.login_status, alice.login_user, alice.connected) == (LoginStatus.LOGINED, "alice", True)
    progress: list[int] = []
    done: list[str] = []
    task = alice.send_message(
        "bob",
        [text_message("hello"), image_message("https://example.com/1.jpg")],
        offline_push_info=OfflinePushInfo(Title="Alice", Desc="hello"),
        on_progress=progress.append,
        on_success=lambda sent: done.append(sent.msg_id),
    )
    assert task.msg_id.startswith("alice-")
    sent = await task
    assert (task.msg_id, done, progress, task.done) == (sent.msg_id, [sent.msg_id], [0, 100], True)
    message = await bob_ear.hears("message")
    assert (message.text, message.from_user, message.nick, message.peer) == ("hello", "alice", "Alice", "alice")
    assert (message.msg_id, message.conversation_id) == (sent.msg_id, "c2c_alice")
    await bob.send_message("alice", custom_message("{}", "a gift"))
    assert (await alice_ear.hears("message")).elements[0].msg_type == "TIMCustomElem"
    await bob.mark_read("alice")
    assert await alice_ear.hears("read") == "bob"
    await alice.recall("bob", sent.msg_key)
    assert await bob_ear.hears("revoked") == sent.msg_key
    await alice.settled()
    assert alice_ear.names().count("message") == 1


async def test_what_is_refused_comes_as_an_error(phones: Any) -> None:
    alice, _ = await phones("alice")
    errors: list[str] = []
    task = alice.send_message("nobody", text_message("?"), on_error=lambda code, _: errors.append(code))
    with pytest.raises(HomingError) as caught:
        await task
    assert (caught.value.code, errors) == ("message_receiver_unknown", ["message_receiver_unknown"])
    with pytest.raises(HomingError, match="certificate_unknown"):
        await alice.set_offline_push_config(OfflinePushConfig(1, "token"))
    with pytest.raises(HomingError, match="push_unknown"):
        await alice.report_push_event(12, "clicked")
    with pytest.raises(HomingError, match="login_running"):
        await alice.login("alice", "sig")


async def test_a_wrong_login_leaves_the_client_logged_out(server: Any, backend: Any) -> None:
    async with HomingClient(server.url, APP) as client:
        with pytest.raises(HomingError, match="usersig_malformed"):
            await client.login("alice", "rubbish")
        assert client.login_status is LoginStatus.LOGOUT
        with pytest.raises(HomingError, match="not_logged_in"):
            await client.do_foreground()
        await client.login("alice", backend.usersig("alice"))
        await client.logout()
        assert (client.login_status, client.login_user) == (LoginStatus.LOGOUT, "")
        await client.logout()
        await client.login("bob", backend.usersig("bob"))
        assert client.login_user == "bob"


async def test_no_server_and_no_url_are_told(server: Any) -> None:
    with pytest.raises(HomingError, match="connect_failed"):
        HomingClient("localhost", APP)
    port = server.port
    await server.stop()
    async with HomingClient(f"http://127.0.0.1:{port}", APP) as client:
        with pytest.raises(HomingError, match="connect_failed"):
            await client.login("alice", "sig")


async def test_presence_follows_the_app(phones: Any, backend: Any) -> None:
    bob, _ = await phones("bob")
    assert await backend.online_status(["bob", "alice"]) == {"bob": "Online", "alice": "Offline"}
    await bob.do_background(3)
    assert (await bob.session())["app_state"] == "background"
    await bob.do_foreground()
    assert (await bob.session())["app_state"] == "foreground"
    await bob.set_offline_push_config(None)
    await bob.close()
    seen = ""
    for _ in range(500):
        seen = (await backend.online_status(["bob"]))["bob"]
        if seen == "PushOnline":
            break
    assert seen == "PushOnline"


async def test_a_cut_is_mended_without_gap_or_repeat(phones: Any, backend: Any) -> None:
    bob, ear = await phones("bob")
    sent = 0
    for turn in range(4):
        for _ in range(5):
            await backend.send_message("alice", "bob", text_message(f"{sent}"), MsgSeq=sent)
            sent += 1
        if turn < 3:
            bob.cut()
            await backend.send_message("alice", "bob", text_message(f"{sent}"), MsgSeq=sent)
            sent += 1
            await ear.hears("connected", turn + 2)
    await ear.hears("message", sent)
    assert ear.texts() == [f"{n}" for n in range(sent)]
    assert bob.cursor


async def test_a_message_sent_during_a_cut_arrives_once(phones: Any) -> None:
    alice, _ = await phones("alice")
    _, ear = await phones("bob")
    tasks = []
    for n in range(20):
        tasks.append(alice.send_message("bob", text_message(f"{n}")))
        if n % 5 == 2:
            await asyncio.sleep(0)
            alice.cut()
    await asyncio.gather(*tasks)
    await ear.hears("message", 20)
    await asyncio.sleep(0.05)
    assert sorted(ear.texts(), key=int) == [f"{n}" for n in range(20)]


async def test_a_restarted_server_gets_its_clients_back(server: Any, phones: Any, backend: Any) -> None:
    bob, ear = await phones("bob")
    await server.stop()
    await ear.hears("failed")
    await server.start()
    await ear.hears("connected", 2)
    await backend.send_message("alice", "bob", text_message("back"))
    assert (await ear.hears("message")).text == "back"
    assert bob.login_status is LoginStatus.LOGINED


async def test_another_phone_kicks(phones: Any, backend: Any) -> None:
    first, ear = await phones("bob", instance_id="one")
    await phones("bob", instance_id="two")
    await ear.hears("kicked")
    assert (first.login_status, first.login_user) == (LoginStatus.LOGOUT, "")
    with pytest.raises(HomingError, match="session_ended"):
        await first.do_foreground()
    await first.login("bob", backend.usersig("bob"), instance_id="one")
    assert first.login_user == "bob"


async def test_a_kick_by_the_backend_and_one_that_is_learnt_later(server: Any, phones: Any, backend: Any) -> None:
    _, ear = await phones("bob")
    await backend.kick("bob")
    await ear.hears("kicked")
    second, ear = await phones("alice")
    device = (await server.hub.sessions.devices_of(APP, ["alice"]))["alice"][0]
    second.cut()
    await server.hub.sessions.logout(device)
    await ear.hears("kicked")
    assert ear.names().count("connected") <= 2


async def test_an_expired_usersig_is_told_at_login_and_while_online(server: Any, backend: Any) -> None:
    now = server.hub.clock.now_ms() // 1000
    ear = Ear()
    async with HomingClient(server.url, APP, listener=ear) as client:
        with pytest.raises(HomingError, match="usersig_expired"):
            await client.login("bob", sign(APP, "bob", KEY, now - 100, 50))
        await client.login("bob", sign(APP, "bob", KEY, now, 1))
        await ear.hears("expired")
        assert client.login_status is LoginStatus.LOGOUT
        with pytest.raises(HomingError, match="usersig_expired"):
            await client.do_foreground()


class Ear(Listener):
    """Waits for the end of the UserSig."""

    def __init__(self) -> None:
        self.expired = asyncio.Event()

    def on_user_sig_expired(self) -> None:
        self.expired.set()

    async def hears(self, _: str) -> None:
        async with asyncio.timeout(20):
            await self.expired.wait()


async def test_a_listener_may_call_the_client_and_may_fail(phones: Any, backend: Any) -> None:
    bob, ear = await phones("bob")
    _, alice_ear = await phones("alice")

    class Answering(type(ear)):  # type: ignore[misc]
        async def on_recv_new_message(self, message: Any) -> None:
            await bob.send_message(message.from_user, text_message("got " + message.text))
            raise RuntimeError("an app's mistake")

    bob.remove_listener(ear)
    bob.remove_listener(ear)
    bob.add_listener(Answering())
    for n in range(3):
        await backend.send_message("alice", "bob", text_message(f"{n}"), MsgSeq=n)
    await alice_ear.hears("message", 3)
    assert alice_ear.texts() == ["got 0", "got 1", "got 2"]


async def test_missed_messages_can_be_paged(phones: Any, backend: Any) -> None:
    for n in range(5):
        await backend.send_message("alice", "bob", text_message(f"{n}"), MsgSeq=n)
    bob, ear = await phones("bob")
    page = await bob.missed_messages(limit=2)
    assert [m.text for m in page.messages] == ["0", "1"]
    page = await bob.missed_messages(page.cursor, 50)
    assert [m.text for m in page.messages] == ["2", "3", "4"]
    await ear.hears("synced")
    assert ear.texts() == []


async def test_a_cursor_kept_over_a_restart_of_the_app(phones: Any, backend: Any) -> None:
    bob, ear = await phones("bob")
    await backend.send_message("alice", "bob", text_message("one"))
    await ear.hears("message")
    await bob.settled()
    cursor = bob.cursor
    await bob.close()
    await backend.send_message("alice", "bob", text_message("two"))
    _, ear = await phones("bob", after=cursor)
    await ear.hears("synced")
    assert ear.texts() == ["two"]
