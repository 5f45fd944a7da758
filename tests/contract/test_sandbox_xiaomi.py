"""The Xiaomi simulator, driven with raw HTTP written from the vendor sheet."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any
from urllib.parse import parse_qs

import pytest
import requests

from homing.sandbox.base import SandboxClock
from homing.sandbox.server import Sandbox

PACKAGE = "com.tencent.qcloud.tim.tuikit"
INTENT = (
    "intent://com.tencent.qcloud/detail#Intent;scheme=pushscheme;launchFlags=0x4000000;"
    f"component={PACKAGE}/com.tencent.qcloud.tim.demo.main.MainActivity;end"
)


class Console:
    """One app on a phone, and calls as a server would make them."""

    def __init__(self, sandbox: Sandbox) -> None:
        self.sandbox = sandbox

    async def call(self, method: str, path: str, **options: Any) -> requests.Response:
        return await asyncio.to_thread(requests.request, method, self.sandbox.base_url + path, timeout=20, **options)

    async def phone(self, **order: Any) -> dict[str, Any]:
        made = await self.call("POST", "/phones", json={"brand": "xiaomi", **order})
        assert made.status_code == 201, made.text
        answer: dict[str, Any] = made.json()
        self.hint = answer["business_hint"]
        self.settings = self.hint["settings"]
        self.private = {"extra.channel_id": self.settings["channel_id"]}
        self.public = {"extra.channel_id": next(c["channel_id"] for c in self.hint["channels"] if not c["private"])}
        return answer

    async def post(self, path: str, form: dict[str, str], key: str | None = None) -> dict[str, Any]:
        headers = {"Authorization": key if key is not None else f"key={self.settings['app_secret']}"}
        answer = await self.call("POST", path, data=form, headers=headers)
        assert answer.status_code == 200, answer.text
        value: dict[str, Any] = answer.json()
        return value

    async def send(self, form: dict[str, Any], path: str = "/v3/message/regid", key: str | None = None) -> dict[str, Any]:
        base = {"restricted_package_name": PACKAGE, "title": "Alice", "description": "see you at eight", "pass_through": "0"}
        return await self.post(path, {k: v for k, v in {**base, **form}.items() if v is not None}, key)

    async def tray(self, phone: dict[str, Any]) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = (await self.call("GET", f"/phones/{phone['phone_id']}/tray")).json()
        return found


@pytest.fixture
async def console(clock: SandboxClock) -> AsyncIterator[Console]:
    async with Sandbox(clock=clock) as sandbox:
        yield Console(sandbox)


async def test_parameters_in_the_query_of_a_post_are_read_too(console: Console) -> None:
    phone = await console.phone()
    form = {
        "registration_id": phone["token"],
        "restricted_package_name": PACKAGE,
        "title": "Alice",
        "description": "a+b c",
        "notify_id": "3",
    }
    headers = {"Authorization": f"key={console.settings['app_secret']}", "Content-Type": "application/x-www-form-urlencoded"}
    answer = await console.call("POST", "/v2/message/regid", params=form, headers=headers)
    assert answer.json()["code"] == 0
    assert [item["body"] for item in await console.tray(phone)] == ["a+b c"]


@pytest.mark.parametrize("path", ["/v2/message/regid", "/v3/message/regid", "/v4/message/regid"])
async def test_a_message_is_shown_and_the_page_finds_it_under_key_message(console: Console, path: str) -> None:
    phone = await console.phone()
    form = {
        "registration_id": phone["token"],
        **console.private,
        "extra.notify_effect": "2",
        "extra.intent_uri": INTENT,
        "extra.ext": '{"a":"b+c d"}',
    }
    answer = await console.send({**form, "payload": "p"}, path)
    assert (answer["result"], answer["code"]) == ("ok", 0)
    assert answer["data"]["id"].startswith("scm")
    assert "day_quota" not in answer["data"]
    (item,) = await console.tray(phone)
    assert (item["title"], item["body"], item["sound"], item["channel"]) == (
        "Alice",
        "see you at eight",
        "default",
        console.settings["channel_id"],
    )
    opened = (await console.call("POST", f"/phones/{phone['phone_id']}/tray/0/tap")).json()
    assert opened["activity"] == "com.tencent.qcloud.tim.demo.main.MainActivity"
    assert opened["extras"]["key_message"]["extra"]["ext"] == '{"a":"b+c d"}'
    assert opened["extras"]["key_message"]["content"] == "p"
    assert opened["extras"]["key_message"]["messageId"] == answer["data"]["id"]


@pytest.mark.parametrize("key", ["", "key=wrong", "Key={0}", "key= {0}", "{0}"])
async def test_only_the_exact_key_header_is_taken(console: Console, key: str) -> None:
    phone = await console.phone()
    answer = await console.send({"registration_id": phone["token"]}, key=key.format(console.settings["app_secret"]))
    assert (answer["result"], answer["code"]) == ("error", 21301)
    assert answer["reason"]


BAD: list[tuple[str, dict[str, Any], int]] = [
    ("foreign package", {"restricted_package_name": "com.other"}, 22022),
    ("no title", {"title": None}, 10016),
    ("blank title", {"title": "   "}, 10017),
    ("title of 50", {"title": "汉" * 50}, 10017),
    ("description of 128", {"description": "x" * 128}, 10017),
    ("payload over 4 KB", {"payload": "x" * 4097}, 65009),
    ("notify_type", {"notify_type": "8"}, 10017),
    ("notify_id negative", {"notify_id": "-1"}, 10017),
    ("notify_id over 31 bits", {"notify_id": str(2**31)}, 10017),
    ("time_to_live not a number", {"time_to_live": "1d"}, 10017),
    ("unknown channel", {"extra.channel_id": "1"}, 27001),
    ("effect 2 without page", {"extra.notify_effect": "2"}, 10017),
    ("effect 3 without address", {"extra.notify_effect": "3", "extra.web_uri": "ftp://a"}, 10017),
    ("effect 4", {"extra.notify_effect": "4"}, 10017),
    ("jobkey", {"extra.jobkey": "_a"}, 10017),
    ("jobkey too long", {"extra.jobkey": "a" * 21}, 10017),
    ("callback too long", {"extra.callback": "http://a/" + "x" * 120}, 10025),
    ("callback param too long", {"extra.callback": "http://a/", "extra.callback.param": "x" * 65}, 10025),
    ("eleven own pairs", {f"extra.k{n}": "v" for n in range(11)}, 65014),
    ("own pairs too long", {"extra.ext": "x" * 1022}, 65015),
    ("data message", {"pass_through": "1"}, 10036),
    ("no target", {"registration_id": ""}, 10016),
    ("a thousand and one", {"registration_id": ",".join(["r"] * 1001)}, 10017),
    ("unknown target", {"registration_id": "nonsense"}, 20301),
]


@pytest.mark.parametrize(("form", "code"), [b[1:] for b in BAD], ids=[b[0] for b in BAD])
async def test_bad_fields_have_their_codes(console: Console, form: dict[str, Any], code: int) -> None:
    phone = await console.phone()
    answer = await console.send({"registration_id": phone["token"], **console.private, **form})
    assert (answer["result"], answer["code"]) == ("error", code), answer
    assert await console.tray(phone) == []


async def test_limits_are_passed_at_their_last_character(console: Console) -> None:
    phone = await console.phone()
    form = {"registration_id": phone["token"], **console.private, "title": "汉" * 49, "description": "字" * 127, "extra.ext": "x" * 1021}
    assert (await console.send(form))["code"] == 0
    assert len(await console.tray(phone)) == 1


async def test_bad_targets_are_listed_beside_the_good_ones(console: Console) -> None:
    phone, gone = await console.phone(), await console.phone()
    await console.call("PATCH", f"/phones/{gone['phone_id']}", json={"app_installed": False})
    answer = await console.send({"registration_id": f"{phone['token']},{gone['token']},nonsense", **console.private})
    assert answer["code"] == 0
    assert answer["data"]["bad_regids"] == f"{gone['token']},nonsense"
    assert len(await console.tray(phone)) == 1


async def test_wrong_paths_and_methods_have_their_codes(console: Console) -> None:
    await console.phone()
    assert (await console.post("/v2/message/nothing", {}))["code"] == 10020
    answer = await console.call("GET", "/v3/message/regid")
    assert answer.json()["code"] == 10021


async def test_a_template_makes_the_text_and_its_values_are_checked(console: Console) -> None:
    phone = await console.phone()
    template = console.hint["templates"][0]["template_id"]

    async def send(param: Any, **more: Any) -> dict[str, Any]:
        text = param if isinstance(param, str) else json.dumps(param)
        form = {"registration_id": phone["token"], **console.private, "extra.template_id": template, "extra.template_param": text}
        return await console.send({**form, "title": None, "description": None, **more})

    assert (await send({"nick": "Alice", "content": "hello {$nick$}"}))["code"] == 0
    (item,) = await console.tray(phone)
    assert (item["title"], item["body"]) == ("[好友消息]Alice", "hello {$nick$}")
    for bad in (
        {"nick": "Alice"},
        {"nick": "Alice", "content": "x", "more": "y"},
        {"nick": "Alice", "content": ""},
        {"nick": "Alice", "content": "  "},
        {"nick": "Alice", "content": "x" * 129},
        {"nick": "Alice", "content": "good \U0001f44d"},
        {"nick": "Alice", "content": "\u0378"},
        {"nick": "Alice", "content": 5},
        "[]",
        "{",
    ):
        assert (await send(bad))["code"] == 10017, bad
    assert (await send({"nick": "a", "content": "b"}, **console.public))["code"] == 10017
    assert (await send({"nick": "a", "content": "b"}, **{"extra.template_id": "P0"}))["code"] == 10017


async def test_equal_notify_ids_replace_and_the_first_of_a_jobkey_wins(console: Console) -> None:
    phone = await console.phone()
    base = {"registration_id": phone["token"], **console.private}
    await console.send({**base, "notify_id": "1", "title": "one"})
    await console.send({**base, "notify_id": "2", "title": "two"})
    await console.send({**base, "notify_id": "1", "title": "one again"})
    await console.send({**base, "notify_id": "3", "title": "job", "extra.jobkey": "j"})
    await console.send({**base, "notify_id": "4", "title": "job again", "extra.jobkey": "j"})
    assert [t["title"] for t in await console.tray(phone)] == ["two", "one again", "job"]
    await console.send({**base, "title": "nameless"})
    await console.send({**base, "title": "nameless again"})
    assert [t["title"] for t in await console.tray(phone)][3:] == ["nameless again"]


async def test_the_first_tone_of_a_channel_stays_and_public_messages_are_silent(console: Console) -> None:
    phone = await console.phone(app={"sounds": ["ring", "bell"]})
    base = {"registration_id": phone["token"], **console.private}
    await console.send({**base, "notify_id": "1", "extra.sound_uri": f"android.resource://{PACKAGE}/raw/ring"})
    await console.send({**base, "notify_id": "2", "extra.sound_uri": f"android.resource://{PACKAGE}/raw/bell"})
    await console.send({**base, "notify_id": "3", "notify_type": "2"})
    await console.send({**base, **console.public, "notify_id": "4"})
    assert [t["sound"] for t in await console.tray(phone)] == ["ring", "ring", None, None]


async def test_public_messages_are_capped_per_device_and_private_ones_are_not(console: Console) -> None:
    phone = await console.phone()
    base = {"registration_id": phone["token"]}
    for number in range(7):
        answer = await console.send({**base, **console.public, "notify_id": str(number)})
        assert answer["code"] == 0
    assert (answer["data"]["day_quota"], answer["data"]["day_acked"]) == ("20000", "5")
    assert len(await console.tray(phone)) == 5
    for number in range(2):
        await console.send({**base, "notify_id": f"1{number}"})
    assert len(await console.tray(phone)) == 6
    for number in range(10):
        await console.send({**base, **console.private, "notify_id": f"2{number}"})
    assert len(await console.tray(phone)) == 16


async def test_the_apps_quota_is_an_answer_and_on_the_multi_call_a_count(console: Console) -> None:
    phones = [await console.phone(app={"vendor": {"daily_quota": 1}}) for _ in range(2)]
    await console.send({"registration_id": phones[0]["token"], **console.public})
    answer = await console.send({"registration_id": phones[1]["token"], **console.public})
    assert answer["code"] == 200001
    assert answer["reason"] == "exceed quota, quota: 1, have acked: 1"
    public = {"channel_id": console.public["extra.channel_id"]}
    messages = [{"target": p["token"], "message": {"title": "t", "description": "d", "extra": public}} for p in phones]
    multi = await console.post("/v2/multi_messages/regids", {"messages": json.dumps(messages), "time_to_send": "0"})
    assert multi["code"] == 0
    assert multi["data"]["channel_exceed_quota"] == f"{public['channel_id']}:2"


async def test_the_multi_call_sends_each_its_own_text(console: Console) -> None:
    phones = [await console.phone() for _ in range(2)]
    extra = {"channel_id": console.settings["channel_id"], "notify_effect": "1"}
    messages = [
        {"target": p["token"], "message": {"title": "t", "description": f"for {n}", "notify_id": 7, "pass_through": 0, "extra": extra}}
        for n, p in enumerate(phones)
    ]
    messages.append({**messages[0], "target": "nonsense"})
    answer = await console.post("/v2/multi_messages/regids", {"messages": json.dumps(messages)})
    assert (answer["code"], answer["data"]["bad_regids"]) == (0, "nonsense")
    assert [(await console.tray(p))[0]["body"] for p in phones] == ["for 0", "for 1"]
    assert (await console.post("/v2/multi_messages/regids", {"messages": "{"}))["code"] == 10017


async def test_the_qps_limit_and_the_ordered_quota_fault_have_their_codes(console: Console) -> None:
    phone = await console.phone(app={"vendor": {"qps": 2}})
    form = {"registration_id": phone["token"], **console.private}
    await console.call("POST", "/faults", json={"vendor": "xiaomi", "kind": "quota", "count": 1})
    assert [(await console.send(form))["code"] for _ in range(3)] == [200001, 0, 200002]


async def test_receipts_are_form_batches_with_the_kinds_that_were_asked_for(clock: Any) -> None:
    received: asyncio.Queue[dict[str, Any]] = asyncio.Queue()

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).decode()
        headers = {k.lower(): v for k, v in (line.split(": ", 1) for line in head.split("\r\n")[1:] if line)}
        assert headers["content-type"] == "application/x-www-form-urlencoded"
        body = await reader.readexactly(int(headers["content-length"]))
        writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n")
        await writer.drain()
        writer.close()
        received.put_nowait(json.loads(parse_qs(body.decode())["data"][0]))

    receiver = await asyncio.start_server(answer, "127.0.0.1", 0)
    callback = f"http://127.0.0.1:{receiver.sockets[0].getsockname()[1]}/r/xiaomi"
    async with receiver, Sandbox(clock=clock) as sandbox:
        console = Console(sandbox)
        phone, away = await console.phone(), await console.phone(offline=True)
        wish = {**console.private, "extra.callback": callback, "extra.callback.param": "m:1"}
        sent = await console.send({"registration_id": phone["token"], **wish, "extra.callback.type": "1267"})
        late = await console.send({"registration_id": away["token"], **wish, "extra.callback.type": "1267", "time_to_live": "1000"})
        await console.send({"registration_id": phone["token"], **wish, "extra.callback.type": "246", "notify_id": "9"})
        await console.call("POST", f"/phones/{phone['phone_id']}/tray/0/tap")
        clock.advance(seconds=2)
        await console.call("PATCH", f"/phones/{away['phone_id']}", json={"offline": False})
        found: dict[tuple[str, int], dict[str, Any]] = {}
        while len(found) < 3:
            batch = await asyncio.wait_for(received.get(), 10)
            found |= {(message_id, r["type"]): r for message_id, r in batch.items()}
    assert set(found) == {(sent["data"]["id"], 1), (sent["data"]["id"], 2), (late["data"]["id"], 1024)}
    delivered = found[(sent["data"]["id"], 1)]
    assert (delivered["param"], delivered["targets"], delivered["barStatus"]) == ("m:1", phone["token"], "Enable")
