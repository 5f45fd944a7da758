"""The TPNS simulator, driven with raw HTTP written from the vendor sheet."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import hmac
import json
from collections.abc import AsyncIterator
from typing import Any

import pytest
import requests

from homing.sandbox.base import SandboxClock
from homing.sandbox.server import Sandbox

CUSTOM = json.dumps({"ext": '{"conv":"c2c_alice"}'})


class Console:
    """Phones with one app, and calls as a server would make them."""

    def __init__(self, sandbox: Sandbox) -> None:
        self.sandbox = sandbox
        self.settings: dict[str, Any] = {}

    async def call(self, method: str, path: str, **options: Any) -> requests.Response:
        return await asyncio.to_thread(requests.request, method, self.sandbox.base_url + path, timeout=20, **options)

    async def phone(self, **order: Any) -> dict[str, Any]:
        made = await self.call("POST", "/phones", json={"brand": "tpns", **order})
        assert made.status_code == 201, made.text
        answer: dict[str, Any] = made.json()
        self.settings = answer["business_hint"]["settings"]
        return answer

    def headers(self, body: bytes) -> dict[str, str]:
        timestamp, access_id = str(self.sandbox.world.clock.now_ms() // 1000), self.settings["access_id"]
        signed = timestamp.encode() + access_id.encode() + body
        digest = hmac.new(self.settings["secret_key"].encode(), signed, hashlib.sha256).hexdigest()
        return {
            "AccessId": access_id,
            "TimeStamp": timestamp,
            "Sign": base64.b64encode(digest.encode()).decode(),
            "Content-Type": "application/json",
        }

    async def push(self, body: Any, **changes: str) -> dict[str, Any]:
        data = body if isinstance(body, bytes) else json.dumps(body, ensure_ascii=False).encode()
        answer = await self.call("POST", "/v3/push/app", data=data, headers=self.headers(data) | changes)
        assert answer.status_code == 200
        found: dict[str, Any] = answer.json()
        return found

    async def tray(self, phone: dict[str, Any]) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = (await self.call("GET", f"/phones/{phone['phone_id']}/tray")).json()
        return found

    async def tap(self, phone: dict[str, Any]) -> dict[str, Any]:
        found: dict[str, Any] = (await self.call("POST", f"/phones/{phone['phone_id']}/tray/0/tap")).json()
        return found


@pytest.fixture
async def console(clock: SandboxClock) -> AsyncIterator[Console]:
    async with Sandbox(clock=clock) as sandbox:
        yield Console(sandbox)


def push(*tokens: str, message: dict[str, Any] | None = None, android: dict[str, Any] | None = None, **changes: Any) -> dict[str, Any]:
    shown = {"title": "Alice", "content": "Lunch? 你好", "android": {"custom_content": CUSTOM, **(android or {})}}
    return {
        "audience_type": "token_list",
        "token_list": list(tokens),
        "ignore_invalid_token": 1,
        "message_type": "notify",
        "message": shown | (message or {}),
        **changes,
    }


async def test_a_message_is_shown_and_its_tap_opens_the_page_with_the_custom_content(console: Console) -> None:
    phone = await console.phone()
    action = {"action_type": 3, "intent": "pushscheme://com.tencent.qcloud/detail?ext=1"}
    sent = await console.push(push(phone["token"], android={"action": action}, seq=9))
    assert (sent["ret_code"], sent["err_msg"], sent["result"], sent["seq"], sent["invalid_targe_list"]) == (0, "NO_ERROR", "{}", 9, [])
    (item,) = await console.tray(phone)
    assert (item["title"], item["body"], item["vendor_message_id"]) == ("Alice", "Lunch? 你好", sent["push_id"])
    assert await console.tap(phone) == {
        "activity": "com.tencent.qcloud.tim.demo.main.MainActivity",
        "data": "pushscheme://com.tencent.qcloud/detail?ext=1",
        "extras": {"custom_content": CUSTOM},
    }


async def test_basic_authentication_is_taken_too(console: Console) -> None:
    phone = await console.phone()
    pair = f"{console.settings['access_id']}:{console.settings['secret_key']}".encode()
    body = json.dumps(push(phone["token"])).encode()
    for key, code in ((pair, 0), (pair + b"x", 1008003), (b"nobody:x", 1008003)):
        headers = {"Authorization": "Basic " + base64.b64encode(key).decode(), "Content-Type": "application/json"}
        assert (await console.call("POST", "/v3/push/app", data=body, headers=headers)).json()["ret_code"] == code


@pytest.mark.parametrize("wrong", ["AccessId", "TimeStamp", "Sign", "raw", "late"])
async def test_a_wrong_signature_is_refused_under_http_200(console: Console, clock: Any, wrong: str) -> None:
    phone = await console.phone()
    body = json.dumps(push(phone["token"])).encode()
    headers = console.headers(body)
    if wrong == "late":
        clock.advance(seconds=301)
    elif wrong == "raw":  # base64 of the digest's bytes instead of its hexadecimal text
        headers["Sign"] = base64.b64encode(bytes.fromhex(base64.b64decode(headers["Sign"]).decode())).decode()
    else:
        headers[wrong] = "1"
    answer = await console.call("POST", "/v3/push/app", data=body, headers=headers)
    assert (answer.status_code, answer.json()["ret_code"]) == (200, 1008003)
    assert await console.tray(phone) == []


BAD: list[tuple[str, dict[str, Any], int]] = [
    ("no audience", {"audience_type": None}, 1008002),
    ("no message type", {"message_type": None}, 1008002),
    ("unknown audience", {"audience_type": "alias"}, 1008007),
    ("no tokens", {"token_list": []}, 1008002),
    ("token over 36", {"token_list": ["x" * 37]}, 1008007),
    ("a thousand and one", {"token_list": ["x"] * 1001}, 1008007),
    ("expire over 72 h", {"expire_time": 259_201}, 1008007),
    ("expire as text", {"expire_time": "60"}, 1008007),
    ("unknown field", {"colour": 1}, 1008007),
    ("no title", {"message": {"title": ""}}, 1008002),
    ("too big", {"message": {"content": "x" * 4096}}, 1008007),
    ("unknown android field", {"android": {"channel_id": "im"}}, 1008007),
    ("custom content an object", {"android": {"custom_content": {}}}, 1008007),
    ("custom content not JSON", {"android": {"custom_content": "ext"}}, 1008007),
    ("tone without channel", {"android": {"ring_raw": "ring"}}, 1008007),
    ("tone with suffix", {"android": {"n_ch_id": "im", "ring_raw": "ring.mp3"}}, 1008007),
    ("vivo channel a number", {"android": {"vivo_ch_id": 1}}, 1008007),
    ("badge", {"android": {"badge_type": 100}}, 1008007),
    ("scheme missing", {"android": {"action": {"action_type": 3}}}, 1008007),
    ("browser missing", {"android": {"action": {"action_type": 2}}}, 1008007),
    ("ios with an android pair", {"environment": "product", "message": {"ios": {"aps": {"alert": {}}}}}, 1008007),
    ("ios without environment", {"message": {"ios": {"aps": {"alert": {}}}}}, 1008002),
]


@pytest.mark.parametrize(("case", "changes", "code"), BAD, ids=[case[0] for case in BAD])
async def test_each_wrong_field_has_its_code(console: Console, case: str, changes: dict[str, Any], code: int) -> None:
    phone = await console.phone()
    assert (await console.push(push(phone["token"], **changes)))["ret_code"] == code
    assert await console.tray(phone) == []


@pytest.mark.parametrize("body", [b"{", b"[]"])
async def test_what_is_no_json_object_cannot_be_parsed(console: Console, body: bytes) -> None:
    await console.phone()
    assert (await console.push(body))["ret_code"] == 1008001


async def test_bad_tokens_are_named_only_where_the_sender_asked_to_skip_them(console: Console) -> None:
    good, gone = await console.phone(), await console.phone()
    await console.call("PATCH", f"/phones/{gone['phone_id']}", json={"app_installed": False})
    sent = await console.push(push(good["token"], gone["token"], "unknown"))
    assert (sent["ret_code"], sent["invalid_targe_list"]) == (0, [gone["token"], "unknown"])
    assert len(await console.tray(good)) == 1
    assert (await console.push(push(good["token"], "unknown", ignore_invalid_token=0)))["ret_code"] == 1008029
    assert (await console.push(push("unknown")))["ret_code"] == 10010005
    assert (await console.push(push("unknown", audience_type="token")))["ret_code"] == 1008029
    assert len(await console.tray(good)) == 1


async def test_the_single_form_reaches_the_first_token_only(console: Console) -> None:
    first, second = await console.phone(), await console.phone()
    assert (await console.push(push(first["token"], second["token"], audience_type="token")))["ret_code"] == 0
    assert (len(await console.tray(first)), len(await console.tray(second))) == (1, 0)


async def test_accounts_are_unknown_here(console: Console) -> None:
    await console.phone()
    body = push(audience_type="account_list", account_list=["u1"])
    del body["token_list"]
    assert (await console.push(body))["ret_code"] == 10110008


async def test_a_killed_app_is_reached_through_its_makers_channel_only(console: Console) -> None:
    with_maker = await console.phone(app_state="killed")
    without = await console.phone(app_state="killed", app={"vendor": {"maker": None}})
    await console.push(push(with_maker["token"], without["token"]))
    assert (len(await console.tray(with_maker)), len(await console.tray(without))) == (1, 0)
    await console.push(push(with_maker["token"], message={"content": "x" * 129}))  # longer than the maker takes
    await console.push(push(with_maker["token"], channel_rules=[{"channel": "xm", "disable": True}]))
    data = push(with_maker["token"], message_type="message")
    await console.push(data)  # data messages use TPNS's own connection
    assert len(await console.tray(with_maker)) == 1


async def test_the_custom_content_is_lost_on_huaweis_channel(console: Console) -> None:
    phone = await console.phone(app_state="killed", app={"vendor": {"maker": "hw"}})
    await console.push(push(phone["token"]))
    assert (await console.tap(phone))["extras"] == {}


async def test_tones_channels_and_badges(console: Console) -> None:
    phone = await console.phone()
    android = {"n_ch_id": "im", "n_ch_name": "Chat", "ring_raw": "private_ring", "badge_type": 5}
    await console.push(push(phone["token"], android=android))
    await console.push(push(phone["token"], android={"badge_type": -2}))
    await console.push(push(phone["token"], android={"ring": 0, "badge_type": -1}))
    tray = await console.tray(phone)
    assert [(item["sound"], item["badge"]) for item in tray] == [("private_ring", 5), ("default", 6), (None, 6)]
    assert tray[0]["channel"] == "im"


@pytest.mark.parametrize(("expire", "after", "shown"), [(0, 1, False), (60, 790, True), (60, 801, False), (3600, 3599, True)])
async def test_short_lives_are_stretched_and_0_means_now(console: Console, clock: Any, expire: int, after: int, shown: bool) -> None:
    phone = await console.phone(offline=True)
    assert (await console.push(push(phone["token"], expire_time=expire)))["ret_code"] == 0
    clock.advance(seconds=after)
    await console.call("PATCH", f"/phones/{phone['phone_id']}", json={"offline": False})
    assert bool(await console.tray(phone)) is shown


async def test_an_ios_pair_takes_ios_messages_only(console: Console) -> None:
    phone = await console.phone(app={"package": "com.example.ios", "vendor": {"apple": True}})
    assert console.settings["access_id"].startswith("16")
    ios: dict[str, Any] = {"aps": {"alert": {}, "badge_type": 3, "sound": "default"}, "custom_content": CUSTOM}
    body = push(phone["token"], environment="product")
    body["message"] = {"title": "Alice", "content": "Lunch?", "ios": ios}
    assert (await console.push(body))["ret_code"] == 0
    ((item,), tapped) = (await console.tray(phone), await console.tap(phone))
    assert (item["title"], item["badge"], tapped["extras"]) == ("Alice", 3, {"custom": CUSTOM})
    assert (await console.push(push(phone["token"])))["ret_code"] == 1008007
    ios["aps"]["content-available"] = 1
    assert (await console.push(body))["ret_code"] == 1008007


async def test_equal_bodies_within_a_second_can_be_refused(console: Console, clock: Any) -> None:
    phone = await console.phone(app={"vendor": {"refuse_repeats": True}})
    codes = [(await console.push(push(phone["token"])))["ret_code"] for _ in range(2)]
    clock.advance(seconds=1)
    assert [*codes, (await console.push(push(phone["token"])))["ret_code"]] == [0, 10010018, 0]


async def test_ordered_faults_hit(console: Console) -> None:
    phone, other = await console.phone(), await console.phone()
    await console.call("POST", "/faults", json={"vendor": "tpns", "kind": "dead_token", "token": phone["token"], "count": 1})
    assert (await console.push(push(phone["token"], other["token"])))["invalid_targe_list"] == [phone["token"]]
    await console.call("POST", "/faults", json={"vendor": "tpns", "kind": "quota", "count": 1})
    assert (await console.push(push(phone["token"])))["ret_code"] == 1008028
    await console.call("POST", "/faults", json={"vendor": "tpns", "kind": "status", "status": 200, "count": 1})
    assert (await console.push(push(phone["token"])))["ret_code"] == 1008004


async def test_a_text_with_a_blocked_word_is_refused(console: Console) -> None:
    phone = await console.phone(app={"vendor": {"blocked": "Lunch"}})
    assert (await console.push(push(phone["token"])))["ret_code"] == 1008019
    assert (await console.push(push(phone["token"], message={"content": "new message"})))["ret_code"] == 0
