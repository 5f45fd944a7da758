"""The OPPO simulator, driven with raw HTTP written from the vendor sheet."""

from __future__ import annotations

import asyncio
import hashlib
import json
from collections.abc import AsyncIterator
from typing import Any

import pytest
import requests

from homing.sandbox.server import Sandbox

SEND = "/server/v1/message/notification/"
ACTIVITY = "com.tencent.qcloud.tim.demo.main.MainActivity"


class Console:
    """One app on a phone, and calls as a server would make them."""

    def __init__(self, sandbox: Sandbox, clock: Any) -> None:
        self.sandbox, self.clock = sandbox, clock

    async def call(self, method: str, path: str, **options: Any) -> requests.Response:
        return await asyncio.to_thread(requests.request, method, self.sandbox.base_url + path, timeout=20, **options)

    async def phone(self, **order: Any) -> dict[str, Any]:
        made = await self.call("POST", "/phones", json={"brand": "oppo", "notifications_enabled": True, **order})
        assert made.status_code == 201, made.text
        answer: dict[str, Any] = made.json()
        self.hint = answer["business_hint"]
        self.settings = self.hint["settings"]
        return answer

    async def post(self, path: str, form: dict[str, Any], **options: Any) -> dict[str, Any]:
        answer = await self.call("POST", path, data=form, **options)
        assert answer.status_code == 200, answer.text
        value: dict[str, Any] = answer.json()
        return value

    async def log_in(self, **changes: Any) -> dict[str, Any]:
        key, secret = self.settings["app_key"], self.settings["master_secret"]
        timestamp = str(changes.pop("timestamp", self.clock.now_ms()))
        sign = hashlib.sha256((key + timestamp + secret).encode()).hexdigest()
        form = {"app_key": key, "timestamp": timestamp, "sign": sign, **changes}
        return await self.post("/server/v1/auth", {k: v for k, v in form.items() if v is not None})

    async def token(self) -> str:
        found: str = (await self.log_in())["data"]["auth_token"]
        return found

    def message(self, phone: dict[str, Any], **notification: Any) -> dict[str, Any]:
        base = {"title": "Alice", "content": "see you", "channel_id": "tuikit", "category": "IM", "off_line_ttl": 3600}
        fields = {k: v for k, v in {**base, **notification}.items() if v is not None}
        return {"target_type": 2, "target_value": phone["token"], "verify_registration_id": True, "notification": fields}

    async def send(self, phone: dict[str, Any], **notification: Any) -> dict[str, Any]:
        return await self.unicast(self.message(phone, **notification))

    async def unicast(self, message: Any) -> dict[str, Any]:
        text = message if isinstance(message, str) else json.dumps(message)
        return await self.post(SEND + "unicast", {"auth_token": await self.token(), "message": text})

    async def tray(self, phone: dict[str, Any]) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = (await self.call("GET", f"/phones/{phone['phone_id']}/tray")).json()
        return found

    async def tap(self, phone: dict[str, Any]) -> dict[str, Any]:
        found: dict[str, Any] = (await self.call("POST", f"/phones/{phone['phone_id']}/tray/0/tap")).json()
        return found


@pytest.fixture
async def console(clock: Any) -> AsyncIterator[Console]:
    async with Sandbox(clock=clock) as sandbox:
        yield Console(sandbox, clock)


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({}, 0),
        ({"app_key": None}, 15),
        ({"app_key": "unknown"}, 14),
        ({"sign": None}, 17),
        ({"sign": "0" * 64}, 16),
        ({"timestamp": "17"}, 19),
        ({"timestamp": 1_800_000_000_000 - 600_001}, 19),
        ({"timestamp": 1_800_000_000_000 + 600_000}, 0),
    ],
)
async def test_the_log_in_checks_key_clock_and_sign(console: Console, changes: dict[str, Any], code: int) -> None:
    await console.phone()
    assert (await console.log_in(**changes))["code"] == code


async def test_a_log_in_token_lives_a_day_and_several_live_at_once(console: Console) -> None:
    phone = await console.phone()
    first, second = await console.token(), await console.token()
    message = json.dumps(console.message(phone))
    for form, code in (({}, 29), ({"auth_token": "x"}, 11), ({"auth_token": first}, 0), ({"auth_token": second}, 0)):
        assert (await console.post(SEND + "unicast", {**form, "message": message}))["code"] == code
    in_header = await console.post(SEND + "unicast", {"message": message}, headers={"auth_token": first})
    assert in_header["code"] == 0
    console.clock.advance(seconds=86_400)
    assert (await console.post(SEND + "unicast", {"auth_token": first, "message": message}))["code"] == 11


async def test_notifications_are_off_until_the_user_turns_them_on(console: Console) -> None:
    made = await console.call("POST", "/phones", json={"brand": "oppo"})
    phone = made.json()
    console.settings = phone["business_hint"]["settings"]
    assert (await console.send(phone))["code"] == 0
    assert await console.tray(phone) == []
    await console.call("PATCH", f"/phones/{phone['phone_id']}", json={"notifications_enabled": True})
    await console.send(phone)
    assert len(await console.tray(phone)) == 1


@pytest.mark.parametrize(
    ("channels", "notification", "shown"),
    [
        (None, {}, "tuikit"),
        (["im"], {}, None),
        (["im"], {"channel_id": "im"}, "im"),
        ([], {"channel_id": None, "category": None}, None),
        ([], {"channel_id": "nosuch", "category": None}, None),
        ([], {"channel_id": None}, "push_oplus_category_service"),
        ([], {"channel_id": None, "category": "NEWS"}, "push_oplus_category_content"),
    ],
)
async def test_an_unknown_channel_shows_nothing(console: Console, channels: Any, notification: dict[str, Any], shown: str | None) -> None:
    phone = await console.phone(app={"channels": channels})
    assert (await console.send(phone, **notification))["code"] == 0
    assert [item["channel"] for item in await console.tray(phone)] == ([shown] if shown else [])


async def test_android_seven_has_no_channels(console: Console) -> None:
    phone = await console.phone(os_version="7.1", app={"channels": []})
    await console.send(phone, channel_id=None, category=None)
    assert len(await console.tray(phone)) == 1


async def test_a_tap_hands_over_the_top_level_keys_as_extras(console: Console) -> None:
    phone = await console.phone()
    parameters = json.dumps({"entity": {"sender": "alice", "n": 1}, "plain": "x", "number": 5})
    answer = await console.send(phone, click_action_type=4, click_action_activity=ACTIVITY, action_parameters=parameters)
    assert answer["data"]["messageId"].split("-")[1:3] == ["1", "1"]
    tapped = await console.tap(phone)
    assert tapped["activity"] == ACTIVITY
    assert tapped["extras"] == {"entity": '{"sender":"alice","n":1}', "plain": "x", "number": "5"}


async def test_parameters_of_a_url_become_its_query(console: Console) -> None:
    phone = await console.phone()
    await console.send(phone, click_action_type=2, click_action_url="https://a.example/?b=1", action_parameters='{"c":"d"}')
    tapped = await console.tap(phone)
    assert (tapped["activity"], tapped["data"], tapped["extras"]) == ("browser", "https://a.example/?b=1&c=d", {})


async def test_parameters_that_are_no_object_are_taken_and_lost(console: Console) -> None:
    phone = await console.phone()
    for bad in ("hello", "[1]", '{"a":'):
        assert (await console.send(phone, action_parameters=bad))["code"] == 0
    assert await console.tray(phone) == []


BAD: list[tuple[str, dict[str, Any], int]] = [
    ("no title", {"title": None}, 40),
    ("no content", {"content": ""}, 40),
    ("title of 51", {"title": "汉" * 51}, 41),
    ("content of 201", {"content": "x" * 201}, 41),
    ("long text of 129", {"style": 2, "content": "x" * 129}, 41),
    ("big picture", {"style": 3}, 41),
    ("subtitle of 11", {"sub_title": "x" * 11}, 41),
    ("unknown key", {"sound": "ring"}, 41),
    ("text as a number", {"title": 7}, 41),
    ("number as text", {"notify_id": "7"}, 41),
    ("boolean as text", {"off_line": "true"}, 41),
    ("time to live zero", {"off_line_ttl": 0}, 41),
    ("page without a name", {"click_action_type": 4}, 40),
    ("link without a URL", {"click_action_type": 5}, 40),
    ("action type 3", {"click_action_type": 3}, 41),
    ("web without http", {"click_action_type": 2, "click_action_url": "ftp://a"}, 41),
    ("URL over 2000", {"click_action_type": 5, "click_action_url": "a" * 2001}, 41),
    ("parameters as an object", {"action_parameters": {"a": "b"}}, 41),
    ("parameters over 4000", {"action_parameters": "x" * 4001}, 41),
    ("window without an end", {"show_time_type": 1, "show_start_time": 5}, 40),
    ("window back to front", {"show_time_type": 1, "show_start_time": 5, "show_end_time": 5}, 41),
    ("level without category", {"category": None, "notify_level": 2}, 41),
    ("level 3", {"notify_level": 3}, 41),
    ("level 16 without approval", {"notify_level": 16}, 67),
    ("lower-case category", {"category": "im"}, 67),
    ("unknown template", {"private_msg_template_id": "0" * 24}, 41),
    ("callback over 200", {"call_back_url": "http://a/" + "x" * 200}, 41),
    ("callback without http", {"call_back_url": "a"}, 41),
    ("callback parameter over 100", {"call_back_parameter": "x" * 101}, 41),
    ("paid picture", {"big_picture_url": "https://a/b.png"}, 27),
]


@pytest.mark.parametrize(("notification", "code"), [b[1:] for b in BAD], ids=[b[0] for b in BAD])
async def test_bad_fields_have_their_codes(console: Console, notification: dict[str, Any], code: int) -> None:
    phone = await console.phone()
    answer = await console.send(phone, **notification)
    assert answer["code"] == code, answer
    assert await console.tray(phone) == []


async def test_bad_messages_have_their_codes(console: Console) -> None:
    phone = await console.phone()
    good = console.message(phone)
    assert (await console.unicast("not JSON"))["code"] == 41
    assert (await console.unicast([good]))["code"] == 41
    assert (await console.unicast({**good, "extra": 1}))["code"] == 41
    assert (await console.unicast({**good, "target_value": ""}))["code"] == 40
    assert (await console.unicast({**good, "target_value": "a;b"}))["code"] == 41
    assert (await console.unicast({**good, "target_type": 1}))["code"] == 41
    assert (await console.unicast({**good, "target_value": "CN_" + "0" * 32}))["code"] == 10000
    assert (await console.unicast({**good, "notification": None}))["code"] == 40
    missing = await console.post(SEND + "unicast", {"auth_token": await console.token()})
    assert missing["code"] == 40
    wrong = await console.call("GET", SEND + "unicast")
    assert wrong.json()["code"] == 12
    as_json = await console.call("POST", SEND + "unicast", json=good)
    assert as_json.json()["code"] == 41


async def test_both_spellings_of_the_keys_are_taken(console: Console) -> None:
    phone = await console.phone()
    notification = {"title": "t", "content": "c", "channelId": "tuikit", "offLineTtl": 60, "notifyId": 4, "clickActionType": 0}
    message = {"targetType": 2, "targetValue": phone["token"], "notification": notification}
    assert (await console.unicast(message))["code"] == 0
    assert len(await console.tray(phone)) == 1


async def test_a_batch_has_a_verdict_for_each_message(console: Console) -> None:
    phones = [await console.phone() for _ in range(2)]
    messages = [console.message(p, content=f"for {n}") for n, p in enumerate(phones)]
    messages.append({**messages[0], "target_value": "CN_" + "f" * 32})
    answer = await console.post(SEND + "unicast_batch", {"auth_token": await console.token(), "messages": json.dumps(messages)})
    assert answer["code"] == 0
    assert [item.get("errorCode") for item in answer["data"]] == [None, None, 10000]
    assert [item["registrationId"] for item in answer["data"]] == [m["target_value"] for m in messages]
    assert [(await console.tray(p))[0]["body"] for p in phones] == ["for 0", "for 1"]
    for bad in ("{}", "[]", json.dumps([messages[2]] * 1001)):
        assert (await console.post(SEND + "unicast_batch", {"auth_token": await console.token(), "messages": bad}))["code"] == 41


async def test_an_app_message_id_is_shown_once_and_a_notify_id_replaces(console: Console) -> None:
    phone = await console.phone()
    for content in ("first", "second"):
        assert (await console.send(phone, app_message_id="a", content=content))["code"] == 0
    assert [item["body"] for item in await console.tray(phone)] == ["first"]
    for content in ("third", "fourth"):
        await console.send(phone, notify_id=7, content=content)
    assert [item["body"] for item in await console.tray(phone)] == ["first", "fourth"]


async def test_a_phone_that_registered_anew_drops_what_was_for_its_former_id(console: Console) -> None:
    phone = await console.phone()
    for installed in (False, True):
        await console.call("PATCH", f"/phones/{phone['phone_id']}", json={"app_installed": installed})
        if not installed:
            assert (await console.send(phone))["code"] == 10000
    assert (await console.send(phone))["code"] == 0
    assert await console.tray(phone) == []
    await console.unicast({**console.message(phone), "verify_registration_id": False})
    assert len(await console.tray(phone)) == 1


async def test_a_message_without_offline_cache_is_dropped_and_the_cache_has_its_time(console: Console) -> None:
    phone = await console.phone(offline=True)
    await console.send(phone, off_line=False, content="dropped")
    await console.send(phone, off_line_ttl=60, content="too late")
    await console.send(phone, off_line_ttl=600, content="in time")
    console.clock.advance(seconds=120)
    await console.call("PATCH", f"/phones/{phone['phone_id']}", json={"offline": False})
    assert [item["body"] for item in await console.tray(phone)] == ["in time"]


async def test_the_loudness_follows_category_and_level(console: Console) -> None:
    phone = await console.phone(app={"vendor": {"strong": True}})
    for notification in ({"notify_level": 16}, {"notify_level": 2}, {"notify_level": 1}, {"category": None}):
        await console.send(phone, **notification)
    tray = await console.tray(phone)
    assert [item["sound"] for item in tray] == ["default", None, None, "default"]
    assert [item["lock_screen"] is None for item in tray] == [False, False, True, False]


async def test_the_old_rule_refuses_categories_and_a_template_may_be_required(console: Console) -> None:
    old = await console.phone(app={"vendor": {"rule": "legacy"}})
    assert "category" not in console.settings
    assert (await console.send(old))["code"] == 67
    assert (await console.send(old, category=None))["code"] == 0


async def test_templates_take_exactly_their_placeholders(console: Console) -> None:
    template = {"id": "66f0c1a2b3c4d5e6f7081920", "title": ["nick"], "content": ["text"]}
    phone = await console.phone(app={"vendor": {"needs_template": True, "templates": [template]}})
    assert (await console.send(phone))["code"] == 54
    base = {"private_msg_template_id": template["id"], "private_title_parameters": {"nick": "A"}}
    for content, code in (({"text": "x"}, 0), ('{"text":"x"}', 0), (None, 41), ({}, 41), ({"text": "x", "b": "y"}, 41), ({"text": 1}, 41)):
        assert (await console.send(phone, **base, private_content_parameters=content))["code"] == code


async def test_public_messages_have_a_cap_a_device_and_a_quota_a_day(console: Console) -> None:
    phone = await console.phone(app={"vendor": {"daily_quota": 3}})
    codes = [(await console.send(phone, category="NEWS", content=str(n)))["code"] for n in range(4)]
    assert codes == [0, 0, 0, 33]
    assert len(await console.tray(phone)) == 2
    assert (await console.send(phone))["code"] == 0
    console.clock.advance(seconds=86_400)
    assert (await console.send(phone, category="NEWS"))["code"] == 0


async def test_the_rate_is_counted_in_devices_and_faults_have_the_vendors_codes(console: Console) -> None:
    phone = await console.phone(app={"vendor": {"qps": 3}})
    await console.call("POST", "/faults", json={"vendor": "oppo", "kind": "quota", "count": 1})
    await console.call("POST", "/faults", json={"vendor": "oppo", "kind": "dead_token", "token": phone["token"], "count": 1})
    assert [(await console.send(phone))["code"] for _ in range(4)] == [33, 10000, 0, 13]
    await console.call("POST", "/faults", json={"vendor": "oppo", "kind": "status", "status": 503, "count": 1})
    broken = await console.call("POST", SEND + "unicast", data={})
    assert (broken.status_code, broken.json()["code"]) == (503, -1)


async def test_a_broadcast_names_the_ids_that_failed_under_their_code(console: Console) -> None:
    phones = [await console.phone() for _ in range(2)]
    token = await console.token()
    form = {"auth_token": token, "title": "t", "content": "c", "channel_id": "tuikit", "off_line": "true", "off_line_ttl": "60"}
    saved = await console.post(SEND + "save_message_content", form)
    dead = "CN_" + "0" * 32
    targets = ";".join([phones[0]["token"], dead, phones[1]["token"]])
    order = {"auth_token": token, "message_id": saved["data"]["message_id"], "target_type": "2", "target_value": targets}
    answer = await console.post(SEND + "broadcast", order)
    assert (answer["code"], answer["data"]["10000"]) == (0, [dead])
    assert [len(await console.tray(p)) for p in phones] == [1, 1]
    assert (await console.post(SEND + "broadcast", {**order, "message_id": "0"}))["code"] == 31
    assert (await console.post(SEND + "save_message_content", {**form, "off_line_ttl": "soon"}))["code"] == 41


async def test_the_feedback_host_lists_dead_ids(console: Console) -> None:
    phone = await console.phone()
    await console.call("PATCH", f"/phones/{phone['phone_id']}", json={"app_installed": False})
    answer = await console.call("GET", "/server/v1/feedback/fetch_invalid_regidList", headers={"auth_token": await console.token()})
    assert answer.json()["data"] == {"registration_ids": [phone["token"]]}


async def test_receipts_are_arrays_for_each_address(clock: Any) -> None:
    received: asyncio.Queue[list[dict[str, Any]]] = asyncio.Queue()

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).decode()
        headers = {k.lower(): v for k, v in (line.split(": ", 1) for line in head.split("\r\n")[1:] if line)}
        body = await reader.readexactly(int(headers["content-length"]))
        writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n")
        await writer.drain()
        writer.close()
        assert headers["content-type"] == "application/json"
        received.put_nowait(json.loads(body))

    receiver = await asyncio.start_server(answer, "127.0.0.1", 0)
    url = f"http://127.0.0.1:{receiver.sockets[0].getsockname()[1]}/r/oppo"
    async with receiver, Sandbox(clock=clock) as sandbox:
        console = Console(sandbox, clock)
        phone = await console.phone(app={"vendor": {"late_dead": True, "device_cap": 0}})
        gone = await console.phone()
        await console.call("PATCH", f"/phones/{gone['phone_id']}", json={"app_installed": False})
        wish = {"call_back_url": url, "call_back_parameter": "m:1"}
        sent = await console.send(phone, **wish)
        assert (await console.send(gone, **wish))["code"] == 0
        await console.send(phone, **wish, category="NEWS")
        found: list[dict[str, Any]] = []
        while len(found) < 3:
            found += await asyncio.wait_for(received.get(), 10)
    assert {(r["eventType"], r["registrationIds"], r["param"]) for r in found} == {
        ("push_arrive", phone["token"], "m:1"),
        ("regid_invalid", gone["token"], "m:1"),
        ("user_daily_limit", phone["token"], "m:1"),
    }
    arrived = next(r for r in found if r["eventType"] == "push_arrive")
    assert (arrived["messageId"], arrived["taskId"]) == (sent["data"]["messageId"],) * 2
    assert arrived["eventTime"] == str(clock.now_ms())
