"""The Meizu simulator, driven with raw HTTP written from the vendor sheet."""

from __future__ import annotations

import asyncio
import hashlib
import json
from collections.abc import AsyncIterator
from typing import Any
from urllib.parse import parse_qs

import pytest
import requests

from homing.sandbox.base import SandboxClock
from homing.sandbox.receipts import ReceiptPost
from homing.sandbox.server import Sandbox

PUSH = "/garcia/api/server/push/"
SEND = PUSH + "varnished/pushByPushId"
CALLBACK = "http://127.0.0.1:9/v1/receipts/7f3a"


class Console:
    """Phones with one app, and calls as a server would make them. Receipts are caught instead of posted."""

    def __init__(self, sandbox: Sandbox) -> None:
        self.sandbox = sandbox
        self.posts: list[ReceiptPost] = []
        sandbox.world.post_receipt = self._caught
        self.settings: dict[str, Any] = {}

    def _caught(self, post: ReceiptPost) -> bool:
        self.posts.append(post)
        return True

    async def call(self, method: str, path: str, **options: Any) -> requests.Response:
        return await asyncio.to_thread(requests.request, method, self.sandbox.base_url + path, timeout=20, **options)

    async def phone(self, **order: Any) -> dict[str, Any]:
        made = await self.call("POST", "/phones", json={"brand": "meizu", **order})
        assert made.status_code == 201, made.text
        answer: dict[str, Any] = made.json()
        self.settings = answer["business_hint"]["settings"]
        return answer

    def signed(self, fields: dict[str, str]) -> dict[str, str]:
        fields = {"appId": self.settings["app_id"], **fields}
        base = "".join(f"{name}={fields[name]}" for name in sorted(fields)) + self.settings["app_secret"]
        return {**fields, "sign": hashlib.md5(base.encode(), usedforsecurity=False).hexdigest()}

    async def post(self, path: str = SEND, **fields: str) -> dict[str, Any]:
        answer = await self.call("POST", path, data=self.signed(fields))
        assert answer.status_code == 200
        found: dict[str, Any] = answer.json()
        return found

    async def send(self, message: Any, *ids: str) -> dict[str, Any]:
        text = message if isinstance(message, str) else json.dumps(message, ensure_ascii=False)
        return await self.post(pushIds=",".join(ids), messageJson=text)

    async def tray(self, phone: dict[str, Any]) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = (await self.call("GET", f"/phones/{phone['phone_id']}/tray")).json()
        return found

    def receipts(self) -> list[tuple[str, dict[str, Any], str]]:
        """(key, entry, access token) of every receipt so far."""
        self.sandbox.world.vendors["meizu"]._receipts.flush()  # type: ignore[attr-defined]
        forms = [parse_qs(post.body.decode()) for post in self.posts]
        return [(key, entry, form["access_token"][0]) for form in forms for key, entry in json.loads(form["cb"][0]).items()]


@pytest.fixture
async def console(clock: SandboxClock) -> AsyncIterator[Console]:
    async with Sandbox(clock=clock, receipts_to="http://127.0.0.1:9") as sandbox:
        yield Console(sandbox)


def message(*, public: bool = False, **changes: Any) -> dict[str, Any]:
    bar = {"noticeMsgType": int(not public), "noticeBarType": 0, "title": "Alice", "content": "Lunch? 你好"}
    return {
        "noticeBarInfo": bar | changes.pop("noticeBarInfo", {}),
        "clickTypeInfo": {"clickType": 0},
        "pushTimeInfo": {"offLine": 1, "validTime": 24},
        **changes,
    }


async def test_a_message_is_shown_and_its_tap_opens_the_activity_with_the_parameters(console: Console) -> None:
    phone = await console.phone()
    click = {"clickType": 1, "activity": "com.tencent.qcloud.tim.demo.main.MainActivity", "parameters": {"ext": "{}"}}
    sent = await console.send(message(clickTypeInfo=click, extra={"callback": CALLBACK, "callback.param": "p"}), phone["token"])
    assert (sent["code"], sent["value"], len(sent["msgId"])) == ("200", {}, 32)
    (item,) = await console.tray(phone)
    assert (item["title"], item["body"], item["vendor_message_id"]) == ("Alice", "Lunch? 你好", sent["msgId"])
    opened = (await console.call("POST", f"/phones/{phone['phone_id']}/tray/0/tap")).json()
    assert (opened["activity"], opened["extras"]) == (click["activity"], {"ext": "{}"})
    token = console.settings["callback_token"]
    assert console.receipts() == [
        (f"{sent['msgId']}-1", {"param": "p", "type": 1, "targets": [phone["token"]]}, token),
        (f"{sent['msgId']}-2", {"param": "p", "type": 2, "targets": [phone["token"]]}, token),
    ]
    assert {post.content_type for post in console.posts} == {"application/x-www-form-urlencoded"}


async def test_an_address_of_the_apps_own_scheme_opens_its_page(console: Console) -> None:
    phone = await console.phone()
    await console.send(message(clickTypeInfo={"clickType": 2, "url": "pushscheme://com.tencent.qcloud/detail"}), phone["token"])
    opened = (await console.call("POST", f"/phones/{phone['phone_id']}/tray/0/tap")).json()
    assert (opened["activity"], opened["data"]) == (
        "com.tencent.qcloud.tim.demo.main.MainActivity",
        "pushscheme://com.tencent.qcloud/detail",
    )


async def test_a_custom_click_does_nothing_since_android_12(console: Console) -> None:
    for version, works in (("11", True), ("14", False)):
        phone = await console.phone(os_version=version)
        await console.send(message(clickTypeInfo={"clickType": 3, "customAttribute": "x"}), phone["token"])
        opened = (await console.call("POST", f"/phones/{phone['phone_id']}/tray/0/tap")).json()
        assert ("error" not in opened) is works


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"sign": "0" * 32}, "1006"),
        ({"sign": ""}, "110004"),
        ({"messageJson": "{}"}, "1006"),  # written anew after signing
        ({"appId": "1"}, "110000"),
        ({"pushIds": ""}, "110004"),
        ({"restrictedPackageNames": "com.a"}, "1006"),  # every parameter is signed
    ],
)
async def test_wrong_forms_have_their_codes(console: Console, change: dict[str, str], code: str) -> None:
    phone = await console.phone()
    form = console.signed({"pushIds": phone["token"], "messageJson": json.dumps(message())}) | change
    refused = (await console.call("POST", SEND, data=form)).json()
    assert (refused["code"], refused["value"]) == (code, "")
    assert await console.tray(phone) == []


BAD: list[tuple[str, Any]] = [
    ("not JSON", "{"),
    ("unknown field", message(channel="im")),
    ("title over", message(noticeBarInfo={"title": "x" * 33})),
    ("title empty", message(noticeBarInfo={"title": ""})),
    ("title blank", message(noticeBarInfo={"title": " "})),
    ("content over", message(noticeBarInfo={"content": "x" * 101})),
    ("class", message(noticeBarInfo={"noticeMsgType": 2})),
    ("picture style", message(noticeBarInfo={"noticeBarType": 1})),
    ("hours over", message(pushTimeInfo={"offLine": 1, "validTime": 73})),
    ("hours missing", message(pushTimeInfo={"offLine": 1})),
    ("hours as text", message(pushTimeInfo={"offLine": 1, "validTime": "24"})),
    ("key over", message(advanceInfo={"notifyKey": "123456789"})),
    ("key characters", message(advanceInfo={"notifyKey": "a b"})),
    ("activity missing", message(clickTypeInfo={"clickType": 1})),
    ("url missing", message(clickTypeInfo={"clickType": 2})),
    ("parameters as text", message(clickTypeInfo={"clickType": 0, "parameters": "{}"})),
    ("receipt address over", message(extra={"callback": "http://127.0.0.1:9/" + "a" * 120})),
    ("receipt address unregistered", message(extra={"callback": "http://127.0.0.1:8/x"})),
    ("receipt param over", message(extra={"callback": CALLBACK, "callback.param": "x" * 65})),
    ("receipt kinds", message(extra={"callback": CALLBACK, "callback.type": 4})),
]


@pytest.mark.parametrize(("case", "body"), BAD, ids=[case[0] for case in BAD])
async def test_each_wrong_message_is_refused(console: Console, case: str, body: Any) -> None:
    phone = await console.phone()
    assert (await console.send(body, phone["token"]))["code"] == "1005"
    assert await console.tray(phone) == []


async def test_more_than_a_hundred_targets_are_refused(console: Console) -> None:
    await console.phone()
    assert (await console.send(message(), *(f"id{n}" for n in range(101))))["code"] == "1005"


async def test_switches_may_be_numbers_or_booleans(console: Console) -> None:
    phone = await console.phone()
    body = message(
        pushTimeInfo={"offLine": True, "validTime": 24},
        advanceInfo={"suspend": False, "notificationType": {"sound": False}},
        extra={"callback": CALLBACK, "callback.type": "1"},
    )
    assert (await console.send(body, phone["token"]))["code"] == "200"
    assert (await console.tray(phone))[0]["sound"] is None


async def test_failed_targets_are_named_behind_a_200_and_the_others_get_the_message(console: Console) -> None:
    good, muted, gone = await console.phone(), await console.phone(), await console.phone()
    await console.call("PATCH", f"/phones/{muted['phone_id']}", json={"notifications_enabled": False})
    await console.call("PATCH", f"/phones/{gone['phone_id']}", json={"app_installed": False})
    unknown = "S5Q" + "0" * 42
    sent = await console.send(message(), good["token"], muted["token"], gone["token"], unknown, "not an id")
    assert sent["code"] == "200"
    assert sent["value"] == {"110010": [muted["token"]], "110002": [gone["token"], unknown], "110003": ["not an id"]}
    assert len(await console.tray(good)) == 1


async def test_public_messages_are_capped_a_day_and_private_ones_are_not(console: Console, clock: Any) -> None:
    phone = await console.phone()
    for expected in ({}, {}, {}, {"110011": [phone["token"]]}):
        assert (await console.send(message(public=True), phone["token"]))["value"] == expected
    assert (await console.send(message(), phone["token"]))["value"] == {}
    clock.advance(seconds=86_400)
    assert (await console.send(message(public=True), phone["token"]))["value"] == {}


async def test_more_than_five_a_minute_are_folded(console: Console, clock: Any) -> None:
    phone = await console.phone()
    for _ in range(5):
        assert (await console.send(message(), phone["token"]))["value"] == {}
    assert (await console.send(message(), phone["token"]))["value"] == {"520": [phone["token"]]}
    clock.advance(seconds=61)
    assert (await console.send(message(), phone["token"]))["value"] == {}


async def test_without_the_right_private_messages_are_refused(console: Console) -> None:
    phone = await console.phone(app={"vendor": {"private_right": False}})
    assert (await console.send(message(), phone["token"]))["value"] == {"201": [phone["token"]]}
    assert (await console.send(message(public=True), phone["token"]))["value"] == {}


async def test_over_the_rate_the_whole_request_is_refused(console: Console) -> None:
    phone = await console.phone(app={"vendor": {"qps": 2}})
    codes = [(await console.send(message(), phone["token"]))["code"] for _ in range(3)]
    assert codes == ["200", "200", "110010"]


async def test_ordered_faults_hit(console: Console) -> None:
    phone = await console.phone()
    await console.call("POST", "/faults", json={"vendor": "meizu", "kind": "dead_token", "token": phone["token"], "count": 1})
    assert (await console.send(message(), phone["token"]))["value"] == {"110002": [phone["token"]]}
    await console.call("POST", "/faults", json={"vendor": "meizu", "kind": "quota", "count": 1})
    assert (await console.send(message(), phone["token"]))["code"] == "110019"
    await console.call("POST", "/faults", json={"vendor": "meizu", "kind": "status", "status": 200, "count": 1})
    assert (await console.send(message(), phone["token"]))["code"] == "1001"


async def test_equal_keys_replace_one_another(console: Console) -> None:
    phone = await console.phone()
    for body in ("one", "two"):
        await console.send(message(noticeBarInfo={"content": body}, advanceInfo={"notifyKey": "c8f21a0b"}), phone["token"])
    assert [item["body"] for item in await console.tray(phone)] == ["two"]


async def test_a_message_that_is_not_kept_is_lost_on_a_phone_that_is_away(console: Console) -> None:
    phone = await console.phone(offline=True)
    for off_line in (0, 1):
        await console.send(
            message(noticeBarInfo={"content": f"kept {off_line}"}, pushTimeInfo={"offLine": off_line, "validTime": 1}), phone["token"]
        )
    await console.call("PATCH", f"/phones/{phone['phone_id']}", json={"offline": False})
    assert [item["body"] for item in await console.tray(phone)] == ["kept 1"]


async def test_a_stored_text_is_sent_by_its_task(console: Console) -> None:
    phone = await console.phone()
    stored = await console.post(PUSH + "pushTask/getTaskId", pushType="0", messageJson=json.dumps(message()))
    assert (stored["code"], stored["value"]["pushType"]) == ("200", 0)
    task = str(stored["value"]["taskId"])
    sent = await console.post(PUSH + "task/varnished/pushByPushId", taskId=task, pushIds=phone["token"])
    assert (sent["code"], sent["value"]) == ("200", {})
    assert len(await console.tray(phone)) == 1
    assert (await console.post(PUSH + "task/varnished/pushByPushId", taskId="1", pushIds=phone["token"]))["code"] == "110032"


async def test_the_users_switch_can_be_asked_for(console: Console) -> None:
    phone = await console.phone()
    query = console.signed({"pushId": phone["token"]})
    found = (await console.call("GET", "/garcia/api/server/message/getRegisterSwitch", params=query)).json()
    assert found["value"] == {"barTypeSwitch": 1, "directTypeSwitch": 1, "pushId": phone["token"]}


async def test_aliases_and_data_messages(console: Console) -> None:
    await console.phone()
    sent = await console.post(PUSH + "varnished/pushByAlias", alias="a,b", messageJson=json.dumps(message()))
    assert sent["value"] == {"110005": ["a", "b"]}
    assert (await console.post(PUSH + "unvarnished/pushByPushId", pushIds="a", messageJson="{}"))["code"] == "110053"


async def test_an_address_that_the_console_registered_gets_receipts(console: Console) -> None:
    phone = await console.phone()
    order = {"package": console.settings["package_name"], "url": "http://127.0.0.1:8/mine", "key": "t0"}
    assert (await console.call("PUT", "/vendors/meizu/receipts", json=order)).status_code == 200
    await console.send(message(extra={"callback": order["url"], "callback.type": 1}), phone["token"])
    ((_, entry, token),) = console.receipts()
    assert (entry["type"], token) == (1, "t0")
