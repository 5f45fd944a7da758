"""The vivo simulator, driven with raw HTTP written from the vendor sheet."""

from __future__ import annotations

import asyncio
import hashlib
import itertools
import json
from collections.abc import AsyncIterator
from typing import Any

import pytest
import requests

from homing.sandbox.server import Sandbox

PACKAGE = "com.tencent.qcloud.tim.tuikit"
INTENT = (
    "intent://com.tencent.qcloud/detail#Intent;scheme=pushscheme;launchFlags=0x4000000;"
    f"component={PACKAGE}/com.tencent.qcloud.tim.demo.main.MainActivity;end"
)
NOW_MS = 1_800_000_000_000  # 16:00 in China
NAMES = itertools.count(1)


class Console:
    """One app on a phone, and calls as a server would make them."""

    def __init__(self, sandbox: Sandbox, clock: Any) -> None:
        self.sandbox, self.clock = sandbox, clock
        self.token = ""

    async def call(self, method: str, path: str, **options: Any) -> requests.Response:
        return await asyncio.to_thread(requests.request, method, self.sandbox.base_url + path, timeout=20, **options)

    async def phone(self, **order: Any) -> dict[str, Any]:
        made = await self.call("POST", "/phones", json={"brand": "vivo", **order})
        assert made.status_code == 201, made.text
        answer: dict[str, Any] = made.json()
        self.hint = answer["business_hint"]
        self.settings = self.hint["settings"]
        if not self.token:
            self.token = (await self.log_in())["authToken"]
        return answer

    async def post(self, path: str, body: Any, token: str | None = None) -> dict[str, Any]:
        answer = await self.call("POST", path, json=body, headers={"authToken": self.token if token is None else token})
        assert answer.status_code == 200, answer.text
        value: dict[str, Any] = answer.json()
        return value

    async def log_in(self, **changes: Any) -> dict[str, Any]:
        app_id, key, secret = (self.settings[name] for name in ("app_id", "app_key", "app_secret"))
        timestamp = changes.pop("timestamp", self.clock.now_ms())
        sign = hashlib.md5(f"{app_id}{key}{timestamp}{secret}".encode()).hexdigest()
        body = {"appId": int(app_id), "appKey": key, "timestamp": timestamp, "sign": sign, **changes}
        return await self.post("/message/auth", {k: v for k, v in body.items() if v is not None}, "")

    def message(self, **fields: Any) -> dict[str, Any]:
        base = {
            "appId": int(self.settings["app_id"]),
            "notifyType": 4,
            "title": "Alice",
            "content": "一起吃饭吗",
            "timeToLive": 3600,
            "skipType": 1,
            "networkType": -1,
            "classification": 1,
            "category": "IM",
            "requestId": f"r{next(NAMES)}",
        }
        return {k: v for k, v in {**base, **fields}.items() if v is not None}

    async def send(self, phone: dict[str, Any], **fields: Any) -> dict[str, Any]:
        return await self.post("/message/send", self.message(**{"regId": phone["token"], **fields}))

    async def push_list(self, regids: list[str], **fields: Any) -> dict[str, Any]:
        saved = await self.post("/message/saveListPayload", self.message(**fields))
        assert saved["result"] == 0, saved
        return await self.post("/message/pushToList", self.listed(saved["taskId"], regids))

    def listed(self, task: str, regids: list[str]) -> dict[str, Any]:
        return {"appId": int(self.settings["app_id"]), "regIds": regids, "taskId": task, "requestId": f"l{next(NAMES)}"}

    async def tray(self, phone: dict[str, Any]) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = (await self.call("GET", f"/phones/{phone['phone_id']}/tray")).json()
        return found

    async def change(self, phone: dict[str, Any], **changes: Any) -> None:
        assert (await self.call("PATCH", f"/phones/{phone['phone_id']}", json=changes)).status_code == 200

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
        ({"timestamp": str(NOW_MS)}, 0),
        ({"appId": None}, 10200),
        ({"appKey": ""}, 10201),
        ({"appKey": "other"}, 10202),
        ({"timestamp": NOW_MS + 600_001}, 10207),
        ({"sign": None}, 10204),
        ({"appId": 7}, 10205),
        ({"sign": "0" * 32}, 10206),
    ],
)
async def test_the_log_in_checks_keys_clock_and_sign(console: Console, changes: dict[str, Any], code: int) -> None:
    await console.phone()
    assert (await console.log_in(**changes))["result"] == code


async def test_an_app_logs_in_ten_times_a_second(console: Console) -> None:
    await console.phone()
    assert [(await console.log_in())["result"] for _ in range(10)] == [0] * 9 + [10250]


async def test_a_token_lives_a_day_and_belongs_to_its_app(console: Console) -> None:
    phone = await console.phone()
    old, new = console.token, (await console.log_in())["authToken"]
    for token, code in (("", 10000), ("x", 10000), (old, 0), (new, 0)):
        assert (await console.post("/message/send", console.message(regId=phone["token"]), token))["result"] == code
    assert (await console.send(phone, appId=1))["result"] == 10094
    assert (await console.send(phone, appId=None))["result"] == 0
    console.clock.advance(seconds=86_400)
    assert (await console.send(phone))["result"] == 10000


async def test_a_tap_opens_the_page_with_the_custom_map_as_extras(console: Console) -> None:
    phone = await console.phone()
    answer = await console.send(phone, skipType=4, skipContent=INTENT, clientCustomMap={"ext": '{"a":1}'})
    assert (answer["result"], answer["desc"]) == (0, "请求成功")
    (item,) = await console.tray(phone)
    assert (item["title"], item["body"], item["sound"], item["vendor_message_id"]) == ("Alice", "一起吃饭吗", "default", answer["taskId"])
    tapped = await console.tap(phone)
    assert (tapped["activity"], tapped["extras"]) == ("com.tencent.qcloud.tim.demo.main.MainActivity", {"ext": '{"a":1}'})


async def test_a_custom_click_goes_to_the_receiver(console: Console) -> None:
    phone = await console.phone()
    await console.send(phone, skipType=3, skipContent="x", clientCustomMap={"ext": "e"})
    tapped = await console.tap(phone)
    assert (tapped["receiver"], tapped["extras"]) == (True, {"params": {"ext": "e"}})


BAD: list[tuple[str, dict[str, Any], int]] = [
    ("unknown field", {"sound": "ring"}, 10040),
    ("no phone", {"regId": None}, 10050),
    ("notifyType missing", {"notifyType": None}, 10054),
    ("notifyType 5", {"notifyType": 5}, 10054),
    ("no title", {"title": ""}, 10055),
    ("title of 21 Chinese characters", {"title": "汉" * 21}, 10056),
    ("title of 41", {"title": "x" * 41}, 10056),
    ("blank content", {"content": " "}, 10057),
    ("content of 51 Chinese characters", {"content": "汉" * 51}, 10058),
    ("time to live of 59", {"timeToLive": 59}, 10059),
    ("time to live over a day", {"timeToLive": 86_401}, 10059),
    ("skipType missing", {"skipType": None}, 10060),
    ("page without target", {"skipType": 4}, 10061),
    ("target over 1024", {"skipType": 2, "skipContent": "https://a/" + "x" * 1024}, 10062),
    ("link without http", {"skipType": 2, "skipContent": "ftp://a"}, 10063),
    ("page without intent", {"skipType": 4, "skipContent": "com.example.Main"}, 10064),
    ("networkType 0", {"networkType": 0}, 10065),
    ("eleven pairs", {"clientCustomMap": {str(n): "v" for n in range(11)}}, 10066),
    ("long pairs", {"clientCustomMap": {"ext": "x" * 1022}}, 10067),
    ("numbers in the map", {"clientCustomMap": {"n": 1}}, 10068),
    ("notifyId 0", {"notifyId": 0}, 10068),
    ("boolean as text", {"addBadge": "true"}, 10068),
    ("both receipts", {"extra": {"callback": "http://a", "callback.id": "1"}}, 10068),
    ("callback over 128", {"extra": {"callback": "http://a/" + "x" * 128}}, 10068),
    ("lower-case category", {"category": "im"}, 10096),
    ("classes disagree", {"category": "NEWS"}, 10097),
    ("no request id", {"requestId": ""}, 10303),
    ("request id over 64", {"requestId": "x" * 65}, 10304),
]


@pytest.mark.parametrize(("fields", "code"), [b[1:] for b in BAD], ids=[b[0] for b in BAD])
async def test_bad_fields_have_their_codes(console: Console, fields: dict[str, Any], code: int) -> None:
    phone = await console.phone()
    answer = await console.send(phone, **fields)
    assert answer["result"] == code, answer
    assert answer["desc"]
    assert await console.tray(phone) == []


async def test_numbers_may_be_text_and_the_loose_reading_counts_characters(console: Console) -> None:
    phone = await console.phone(app={"vendor": {"length_rule": "chars"}})
    assert (await console.send(phone, notifyType="4", networkType="-1", appId=console.settings["app_id"], title="汉" * 40))["result"] == 0
    assert (await console.send(phone, title="汉" * 41))["result"] == 10056


async def test_bodies_that_are_no_objects_are_refused(console: Console) -> None:
    await console.phone()
    headers = {"authToken": console.token}
    for options in ({"data": "{", "headers": {**headers, "content-type": "application/json"}}, {"json": [], "headers": headers}):
        assert (await console.call("POST", "/message/send", **options)).json()["result"] == 10040
    assert (await console.call("POST", "/message/send", data={"a": "b"}, headers=headers)).json()["result"] == 10040
    assert (await console.call("GET", "/message/send", headers=headers)).status_code == 405


async def test_invalid_users_have_their_status(console: Console) -> None:
    phone = await console.phone()
    unknown = await console.send(phone, regId="16005080910330978890938")
    assert (unknown["result"], unknown["invalidUser"]) == (10302, {"status": 1, "userid": "16005080910330978890938"})
    assert (await console.send(phone, pushMode=1))["invalidUser"]["status"] == 4
    await console.change(phone, inactive=True)
    assert (await console.send(phone))["invalidUser"]["status"] == 3
    await console.change(phone, app_installed=False)
    assert (await console.send(phone))["invalidUser"]["status"] == 2
    await console.change(phone, app_installed=True)
    assert (await console.send(phone))["invalidUser"]["status"] == 2


async def test_a_list_push_names_the_users_that_failed(console: Console) -> None:
    phones = [await console.phone() for _ in range(2)]
    answer = await console.push_list([phones[0]["token"], "nobody", phones[1]["token"]])
    assert (answer["result"], answer["invalidUsers"]) == (0, [{"status": 1, "userid": "nobody"}])
    assert [len(await console.tray(p)) for p in phones] == [1, 1]
    task = answer["taskId"]
    tokens = [p["token"] for p in phones]
    assert (await console.post("/message/pushToList", console.listed("7", tokens)))["result"] == 10068
    for wrong in (tokens[:1], ["r"] * 1001, "r"):
        assert (await console.post("/message/pushToList", console.listed(task, wrong)))["result"] == 10050  # type: ignore[arg-type]
    assert (await console.post("/message/saveListPayload", console.message(regId=tokens[0])))["result"] == 10040


async def test_saved_bodies_are_counted(console: Console) -> None:
    await console.phone(app={"vendor": {"saves_a_day": 1}})
    assert [(await console.post("/message/saveListPayload", console.message()))["result"] for _ in range(2)] == [0, 10252]
    assert (await console.post("/message/all", console.message()))["result"] == 10254


async def test_a_repeated_request_id_delivers_once(console: Console) -> None:
    phone = await console.phone()
    first, again = [await console.send(phone, requestId="same") for _ in range(2)]
    assert (again["result"], again["taskId"]) == (0, first["taskId"])
    assert len(await console.tray(phone)) == 1


async def test_operational_messages_are_silent_capped_and_rest_at_night(console: Console) -> None:
    phone = await console.phone()
    news = {"category": "NEWS", "classification": 0}
    answers = [await console.send(phone, **news) for _ in range(3)]
    assert [a["result"] for a in answers] == [0, 0, 0]
    tray = await console.tray(phone)
    assert [(item["sound"], item["lock_screen"]) for item in tray] == [(None, None)] * 2
    counts = await console.call(
        "GET", "/report/getStatistics", params={"taskIds": answers[2]["taskId"]}, headers={"authToken": console.token}
    )
    assert counts.json()["statistics"] == [{"taskId": answers[2]["taskId"], "send": 1, "receive": 0, "display": 0, "click": 0}]
    console.clock.advance(seconds=7 * 3600)
    assert (await console.send(phone, **news))["result"] == 10071
    assert (await console.send(phone, category=None))["result"] == 10071  # system without a category counts as operational
    assert (await console.send(phone))["result"] == 0
    console.clock.advance(seconds=8 * 3600)
    assert (await console.send(phone, **news))["result"] == 0


async def test_totals_a_day_count_arrivals_by_class(console: Console) -> None:
    phone = await console.phone(app={"vendor": {"system_quota": 2, "operational_quota": 1}})
    news = {"category": "NEWS", "classification": None}
    assert [(await console.send(phone, **news))["result"] for _ in range(2)] == [0, 10070]
    assert [(await console.send(phone))["result"] for _ in range(3)] == [0, 0, 10073]


async def test_the_rate_and_the_ordered_faults_have_the_vendors_codes(console: Console) -> None:
    phone = await console.phone(app={"vendor": {"qps": 3}})
    await console.call("POST", "/faults", json={"vendor": "vivo", "kind": "quota", "count": 1})
    await console.call("POST", "/faults", json={"vendor": "vivo", "kind": "dead_token", "token": phone["token"], "count": 1})
    assert [(await console.send(phone))["result"] for _ in range(4)] == [10070, 10302, 0, 10072]
    await console.call("POST", "/faults", json={"vendor": "vivo", "kind": "status", "status": 500, "count": 1})
    broken = await console.call("POST", "/message/send", json={})
    assert (broken.status_code, broken.json()["result"]) == (500, 10102)


@pytest.mark.parametrize(
    ("content", "code"), [("12345", 10104), ("hello!", 10104), ("这是测试", 10104), ("你好 Test", 10104), ("你[好]", 10104), ("你好", 0)]
)
async def test_texts_that_look_like_tests_are_refused_where_the_filter_is_on(console: Console, content: str, code: int) -> None:
    phone = await console.phone(app={"vendor": {"test_filter": True}})
    assert (await console.send(phone, title="爱丽丝", content=content))["result"] == code


async def test_a_message_reaches_only_whom_it_is_for(console: Console) -> None:
    phone = await console.phone(app={"vendor": {"profile_id": "me"}}, offline=True)
    await console.send(phone, sendOnline=True, content="只在线")
    await console.send(phone, timeToLive=60, content="太晚")
    await console.send(phone, profileId="you", content="别人")
    await console.send(phone, profileId="me", content="本人")
    console.clock.advance(seconds=120)
    await console.change(phone, offline=False)
    assert [item["body"] for item in await console.tray(phone)] == ["本人"]
    await console.change(phone, app_state="foreground")
    await console.send(phone, foregroundShow=False)
    assert len(await console.tray(phone)) == 1
    await console.send(phone, foregroundShow=True, notifyId=5, addBadge=True)
    await console.send(phone, foregroundShow=True, notifyId=5, addBadge=True)
    assert [item["badge"] for item in await console.tray(phone)] == [0, 2]


async def test_ids_can_be_checked(console: Console) -> None:
    phone = await console.phone()
    body = {"userType": 1, "userIds": [phone["token"], "nobody"]}
    assert (await console.post("/invalidUser/check", body))["data"] == [{"userid": "nobody", "status": 1}]


async def receiver(received: asyncio.Queue[dict[str, Any]]) -> asyncio.Server:
    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).decode()
        headers = {k.lower(): v for k, v in (line.split(": ", 1) for line in head.split("\r\n")[1:] if line)}
        body = await reader.readexactly(int(headers["content-length"]))
        writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n")
        await writer.drain()
        writer.close()
        assert headers["content-type"] == "application/json"
        received.put_nowait({"path": head.split(" ")[1], "body": json.loads(body)})

    return await asyncio.start_server(answer, "127.0.0.1", 0)


async def test_receipts_are_keyed_by_task_and_the_consoles_end_the_messages_own(clock: Any) -> None:
    received: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
    server = await receiver(received)
    url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    async with server, Sandbox(clock=clock) as sandbox:
        console = Console(sandbox, clock)
        phone = await console.phone()
        own = {"callback": f"{url}/own", "callback.param": "m:1"}
        sent = await console.send(phone, extra=own)
        first = await asyncio.wait_for(received.get(), 10)
        assert first["path"] == "/own"
        assert first["body"] == {sent["taskId"]: {"param": "m:1", "targets": phone["token"], "ackType": "0", "ackTime": clock.now_ms()}}
        configured = await console.call("PUT", "/vendors/vivo/receipts", json={"package": PACKAGE, "url": f"{url}/console"})
        assert configured.json() == {"ok": True}
        await console.send(phone, extra=own)
        by_id = {"callback.id": console.hint["receipt_id"], "callback.param": "m:2"}
        other = await console.phone()
        assert console.settings["receipt_id"] == console.hint["receipt_id"]
        await console.push_list([phone["token"], other["token"]], extra=by_id)
        entries: list[dict[str, Any]] = []
        while len(entries) < 2:
            got = await asyncio.wait_for(received.get(), 10)
            assert got["path"] == "/console"
            entries += got["body"].values()
    assert {(e["targets"], e["param"], e["ackType"]) for e in entries} == {(p["token"], "m:2", "0") for p in (phone, other)}
