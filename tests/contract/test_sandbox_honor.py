"""The Honor simulator, driven with raw HTTP written from the vendor sheet."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any

import pytest
import requests

from homing.sandbox.base import SandboxClock
from homing.sandbox.receipts import ReceiptPost
from homing.sandbox.server import Sandbox

INTENT = (
    "intent://com.tencent.qcloud/detail?conv=c2c_u1#Intent;scheme=pushscheme;launchFlags=0x4000000;"
    "component=com.tencent.qcloud.tim.tuikit/com.tencent.qcloud.tim.demo.main.MainActivity;end"
)


class Console:
    """Phones with one app, and calls as a server would make them. Receipts are caught instead of posted."""

    def __init__(self, sandbox: Sandbox) -> None:
        self.sandbox = sandbox
        self.posts: list[ReceiptPost] = []
        sandbox.world.post_receipt = self._caught
        self.grant = ""
        self.settings: dict[str, Any] = {}

    def _caught(self, post: ReceiptPost) -> bool:
        self.posts.append(post)
        return True

    async def call(self, method: str, path: str, **options: Any) -> requests.Response:
        return await asyncio.to_thread(requests.request, method, self.sandbox.base_url + path, timeout=20, **options)

    async def phone(self, **order: Any) -> dict[str, Any]:
        made = await self.call("POST", "/phones", json={"brand": "honor", **order})
        assert made.status_code == 201, made.text
        answer: dict[str, Any] = made.json()
        self.settings = answer["business_hint"]["settings"]
        return answer

    async def log_in(self, path: str = "/auth/token", **changes: str) -> requests.Response:
        form = {
            "grant_type": "client_credentials",
            "client_id": self.settings["client_id"],
            "client_secret": self.settings["client_secret"],
        }
        answer = await self.call("POST", path, data=form | changes)
        self.grant = answer.json().get("access_token", self.grant)
        return answer

    async def send(self, body: Any, app_id: str = "", **headers: str) -> requests.Response:
        head = {
            "Authorization": f"Bearer {self.grant}",
            "timestamp": "1732400000123",
            "Content-Type": "application/json; charset=UTF-8",
            **headers,
        }
        data = body if isinstance(body, bytes) else json.dumps(body, ensure_ascii=False).encode()
        return await self.call("POST", f"/api/v1/{app_id or self.settings['app_id']}/sendMessage", data=data, headers=head)

    async def tray(self, phone: dict[str, Any]) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = (await self.call("GET", f"/phones/{phone['phone_id']}/tray")).json()
        return found

    def receipts(self) -> list[tuple[str, int]]:
        """(biTag, status) of every receipt so far."""
        self.sandbox.world.vendors["honor"]._receipts.flush()  # type: ignore[attr-defined]
        return [(entry["biTag"], entry["status"]) for post in self.posts for entry in json.loads(post.body)["statuses"]]


@pytest.fixture
async def console(clock: SandboxClock) -> AsyncIterator[Console]:
    async with Sandbox(clock=clock, receipts_to="http://127.0.0.1:9") as sandbox:
        yield Console(sandbox)


def message(*tokens: str, android: dict[str, Any] | None = None, **changes: Any) -> dict[str, Any]:
    shown = {"title": "Alice", "body": "see you at eight", "importance": "NORMAL", "clickAction": {"type": 1, "intent": INTENT}}
    return {"token": list(tokens), "android": {"biTag": "m:1", "notification": {**shown, **changes}, **(android or {})}}


async def test_a_message_is_shown_and_its_tap_opens_the_chat(console: Console) -> None:
    phone = await console.phone()
    answered = await console.log_in()
    assert (answered.status_code, answered.json()["expires_in"], answered.json()["token_type"]) == (200, 3600, "Bearer")
    ext = '{"entity":{"sender":"u1"}}'
    answer = await console.send({**message(phone["token"], notifyId=7), "data": json.dumps({"ext": ext})})
    assert answer.status_code == 200
    sent = answer.json()
    assert (sent["code"], sent["message"]) == (200, "success")
    assert sent["data"] == {"sendResult": True, "requestId": sent["data"]["requestId"], "failTokens": [], "expireTokens": []}
    (item,) = await console.tray(phone)
    assert (item["title"], item["body"], item["vendor_message_id"]) == ("Alice", "see you at eight", sent["data"]["requestId"])
    opened = (await console.call("POST", f"/phones/{phone['phone_id']}/tray/0/tap")).json()
    assert opened == {
        "activity": "com.tencent.qcloud.tim.demo.main.MainActivity",
        "data": "pushscheme://com.tencent.qcloud/detail?conv=c2c_u1",
        "extras": {"ext": ext},
    }
    assert console.receipts() == [("m:1", 40000002), ("m:1", 40000007)]


async def test_both_log_in_paths_answer(console: Console) -> None:
    await console.phone()
    assert (await console.log_in("/auth/realms/developer/protocol/openid-connect/token")).status_code == 200


@pytest.mark.parametrize(
    ("change", "status", "error"),
    [
        ({"grant_type": "grant_type"}, 400, "unsupported_grant_type"),
        ({"client_id": "other"}, 401, "invalid_client"),
        ({"client_secret": "wrong"}, 401, "invalid_client"),
    ],
)
async def test_a_wrong_log_in_is_refused(console: Console, change: dict[str, str], status: int, error: str) -> None:
    await console.phone()
    answer = await console.log_in(**change)
    assert (answer.status_code, answer.json()["error"]) == (status, error)


async def test_authentication_codes_tell_missing_foreign_and_expired_apart(console: Console, clock: Any) -> None:
    phone = await console.phone()
    await console.log_in()
    body = message(phone["token"])
    for header in ("", console.grant, f"bearer {console.grant}", "Bearer other"):
        answer = await console.send(body, Authorization=header)
        assert (answer.status_code, answer.json()["code"]) == (401, 80200001)
    foreign = await console.send(body, "999")
    assert (foreign.status_code, foreign.json()["code"]) == (403, 80300002)
    clock.advance(seconds=3600)
    expired = await console.send(body)
    assert (expired.status_code, expired.json()["code"]) == (401, 80200003)


@pytest.mark.parametrize("timestamp", ["", "now", "17324000001230000"])
async def test_the_timestamp_header_is_needed(console: Console, timestamp: str) -> None:
    phone = await console.phone()
    await console.log_in()
    assert (await console.send(message(phone["token"]), timestamp=timestamp)).json()["code"] == 80100001


BAD: list[tuple[str, dict[str, Any], dict[str, Any], int]] = [
    ("a name of the older channel", {"click_action": {"type": 3}}, {}, 80100003),
    ("sound", {"sound": "/raw/ring"}, {}, 80100003),
    ("channel", {"channel_id": "im"}, {}, 80100003),
    ("wrong type", {"notifyId": "7"}, {}, 80100003),
    ("importance", {"importance": "HIGH"}, {}, 80100001),
    ("picture not https", {"image": "http://a/b.png"}, {}, 80100001),
    ("no click action", {"clickAction": None}, {}, 80100001),
    ("web page not https", {"clickAction": {"type": 2, "url": "http://a"}}, {}, 80100001),
    ("page without target", {"clickAction": {"type": 1}}, {}, 80100001),
    ("no intent", {"clickAction": {"type": 1, "intent": "chat"}}, {}, 80100001),
    ("empty body", {"body": ""}, {}, 80100001),
    ("style", {"style": 1}, {}, 80100001),
    ("badge", {"badge": {"class": "a.B"}}, {}, 80100003),
    ("badge over 99", {"badge": {"badgeClass": "a.B", "setNum": 100}}, {}, 80100001),
    ("buttons", {"buttons": [{"name": "a", "actionType": 0}] * 4}, {}, 80100001),
    ("ttl over", {}, {"ttl": "1296001s"}, 80100001),
    ("ttl passed", {}, {"ttl": "0s"}, 80100004),
    ("ttl a number", {}, {"ttl": 86400}, 80100003),
    ("data no JSON", {}, {"data": "hello"}, 80100001),
    ("data an object", {}, {"data": {}}, 80100003),
    ("category", {}, {"category": "IM"}, 80100003),
    ("too big", {"body": "x" * 4096}, {}, 80300008),
]


@pytest.mark.parametrize(("case", "notification", "android", "code"), BAD, ids=[case[0] for case in BAD])
async def test_each_wrong_field_has_its_code(
    console: Console, case: str, notification: dict[str, Any], android: dict[str, Any], code: int
) -> None:
    phone = await console.phone()
    await console.log_in()
    answer = await console.send(message(phone["token"], android=android, **notification))
    assert (answer.status_code, answer.json()["code"]) == (400, code), answer.text
    assert await console.tray(phone) == []


@pytest.mark.parametrize(
    ("body", "code"), [(b"{", 80100003), (b"[]", 80100003), ({"message": {}}, 80300010), (message(*"x" * 1001), 80300010)]
)
async def test_a_body_without_proper_tokens_is_refused(console: Console, body: Any, code: int) -> None:
    await console.phone()
    await console.log_in()
    assert (await console.send(body)).json()["code"] == code


async def test_bad_tokens_are_listed_and_the_good_ones_get_the_message(console: Console) -> None:
    good = await console.phone()
    failing = await console.phone(app={"vendor": {"failing": True}})
    gone = await console.phone()
    await console.call("PATCH", f"/phones/{gone['phone_id']}", json={"app_installed": False})
    await console.log_in()
    sent = (await console.send(message(good["token"], failing["token"], gone["token"], "unknown"))).json()
    assert (sent["code"], sent["data"]["sendResult"]) == (80100000, True)
    assert set(sent["data"]["expireTokens"]) == {gone["token"], "unknown"}
    assert set(sent["data"]["failTokens"]) == {gone["token"], "unknown", failing["token"]}
    assert len(await console.tray(good)) == 1
    nobody = (await console.send(message("unknown"))).json()
    assert (nobody["code"], nobody["data"]["sendResult"]) == (80100000, False)


async def test_marketing_is_silent_capped_and_told_by_a_receipt(console: Console, clock: Any) -> None:
    phone = await console.phone()
    await console.log_in()
    for _ in range(3):
        assert (await console.send(message(phone["token"], importance="LOW"))).json()["code"] == 200
    tray = await console.tray(phone)
    assert [item["sound"] for item in tray] == [None, None]
    assert [status for _, status in console.receipts()] == [40000002, 40000002, 40000009]
    for _ in range(4):
        await console.send(message(phone["token"]))
    assert len(await console.tray(phone)) == 6
    clock.advance(seconds=86_400)
    await console.log_in()
    await console.send(message(phone["token"], importance="LOW"))
    assert len(await console.tray(phone)) == 7


async def test_without_the_right_everything_is_marketing_but_test_messages_are_free_of_the_cap(console: Console) -> None:
    phone = await console.phone(app={"vendor": {"has_right": False}})
    await console.log_in()
    for _ in range(3):
        await console.send(message(phone["token"]))
    assert len(await console.tray(phone)) == 2
    await console.send(message(phone["token"], android={"targetUserType": 1}))
    assert len(await console.tray(phone)) == 3


async def test_muted_and_gone_phones_are_told_by_receipts(console: Console) -> None:
    muted = await console.phone()
    await console.call("PATCH", f"/phones/{muted['phone_id']}", json={"notifications_enabled": False})
    gone = await console.phone()
    await console.call("PATCH", f"/phones/{gone['phone_id']}", json={"offline": True, "app_installed": False})
    await console.log_in()
    assert (await console.send(message(muted["token"], gone["token"]))).json()["code"] == 200
    assert sorted(status for _, status in console.receipts()) == [40000003, 40000005]


async def test_badges_count_with_the_launchers_class_only(console: Console) -> None:
    phone = await console.phone()
    await console.log_in()
    launcher = console.settings["badge_class"]
    await console.send(message(phone["token"], badge={"badgeClass": launcher, "setNum": 5}))
    await console.send(message(phone["token"], badge={"badgeClass": launcher, "addNum": 2}))
    await console.send(message(phone["token"], badge={"badgeClass": "other.Activity", "setNum": 50}))
    assert [item["badge"] for item in await console.tray(phone)] == [5, 7, 7]
    await console.send(message(phone["token"], badge={"badgeClass": launcher, "setNum": 0}))
    assert (await console.tray(phone))[-1]["badge"] == 0


async def test_the_same_notify_id_replaces(console: Console) -> None:
    phone = await console.phone()
    await console.log_in()
    for body in ("one", "two"):
        await console.send(message(phone["token"], notifyId=9, body=body))
    assert [item["body"] for item in await console.tray(phone)] == ["two"]


async def test_over_the_rate_the_answer_is_503(console: Console) -> None:
    phone = await console.phone(app={"vendor": {"qps": 2}})
    await console.log_in()
    codes = [(await console.send(message(phone["token"]))).status_code for _ in range(3)]
    assert codes == [200, 200, 503]


async def test_ordered_faults_hit(console: Console) -> None:
    phone = await console.phone()
    await console.log_in()
    await console.call("POST", "/faults", json={"vendor": "honor", "kind": "dead_token", "token": phone["token"], "count": 1})
    assert (await console.send(message(phone["token"]))).json()["data"]["expireTokens"] == [phone["token"]]
    await console.call("POST", "/faults", json={"vendor": "honor", "kind": "quota", "count": 1})
    assert (await console.send(message(phone["token"]))).status_code == 503
    await console.call("POST", "/faults", json={"vendor": "honor", "kind": "status", "status": 500, "count": 1})
    assert (await console.send(message(phone["token"]))).json()["code"] == 81000001
    assert (await console.send(message(phone["token"]))).json()["code"] == 200


async def test_a_data_message_goes_to_the_app(console: Console) -> None:
    phone = await console.phone(app_state="background")
    await console.log_in()
    assert (await console.send({"token": [phone["token"]], "data": "free text", "android": {"biTag": "d"}})).json()["code"] == 200
    assert await console.tray(phone) == []
    assert console.receipts() == [("d", 40000001)]


async def test_at_night_notifications_are_held_until_the_morning(console: Console, clock: Any) -> None:
    day_ms, china_ms, hour_ms = 86_400_000, 8 * 3_600_000, 3_600_000
    midnight_ms = (clock.now_ms() + china_ms) // day_ms * day_ms + day_ms - china_ms
    clock.set(midnight_ms + hour_ms)
    phone = await console.phone(app={"vendor": {"night_hold": True}})
    await console.log_in()
    assert (await console.send(message(phone["token"]))).json()["code"] == 200
    assert await console.tray(phone) == []
    clock.set(midnight_ms + 6 * hour_ms)
    await console.log_in()
    assert len(await console.tray(phone)) == 1
    assert (await console.send(message(phone["token"]))).json()["code"] == 200
    assert len(await console.tray(phone)) == 2
