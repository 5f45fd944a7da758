"""The HarmonyOS simulator, driven with raw HTTP written from the vendor sheet."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import hmac
import json
from collections.abc import AsyncIterator
from typing import Any

import jwt
import pytest
import requests
from cryptography.hazmat.primitives.asymmetric import rsa

from homing.sandbox.base import SandboxClock
from homing.sandbox.server import Sandbox

AUDIENCE = "https://oauth-login.cloud.huawei.com/oauth2/v3/token"
PAGE = "pushscheme://com.tencent.qcloud/detail"


class Console:
    """One app on a phone, and calls as a server would make them."""

    def __init__(self, sandbox: Sandbox, clock: Any) -> None:
        self.sandbox, self.clock = sandbox, clock

    async def call(self, method: str, path: str, **options: Any) -> requests.Response:
        return await asyncio.to_thread(requests.request, method, self.sandbox.base_url + path, timeout=20, **options)

    async def phone(self, **order: Any) -> dict[str, Any]:
        made = await self.call("POST", "/phones", json={"brand": "harmony", **order})
        assert made.status_code == 201, made.text
        answer: dict[str, Any] = made.json()
        self.hint = answer["business_hint"]
        self.settings = self.hint["settings"]
        self.account = json.loads(self.hint["files"]["service_account"])
        return answer

    def token(self, *, key: Any = None, alg: str = "PS256", kid: str = "", **claims: Any) -> str:
        now = self.clock.now_ms() // 1000
        values = {"iss": self.account["sub_account"], "aud": AUDIENCE, "iat": now, "exp": now + 3600, **claims}
        return jwt.encode(values, key or self.account["private_key"], alg, {"kid": kid or self.account["key_id"]})

    async def send(self, body: Any, *, token: str | None = None, project: str = "", **headers: str) -> requests.Response:
        head = {"Authorization": f"Bearer {self.token() if token is None else token}", "Content-Type": "application/json", "push-type": "0"}
        data = body if isinstance(body, bytes) else json.dumps(body, ensure_ascii=False).encode()
        path = f"/v3/{project or self.settings['project_id']}/messages:send"
        return await self.call("POST", path, data=data, headers=head | {k.replace("_", "-"): v for k, v in headers.items()})

    async def recall(self, body: Any, *, client: str = "", **headers: str) -> requests.Response:
        head = {"Authorization": f"Bearer {self.token()}", "Content-Type": "application/json", "push-type": "0"}
        path = f"/v1/{client or self.settings['client_id']}/messages:revoke"
        data = body if isinstance(body, bytes) else json.dumps(body).encode()
        return await self.call("POST", path, data=data, headers=head | {k.replace("_", "-"): v for k, v in headers.items()})

    async def tray(self, phone: dict[str, Any]) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = (await self.call("GET", f"/phones/{phone['phone_id']}/tray")).json()
        return found

    async def tap(self, phone: dict[str, Any]) -> dict[str, Any]:
        opened: dict[str, Any] = (await self.call("POST", f"/phones/{phone['phone_id']}/tray/0/tap")).json()
        return opened


@pytest.fixture
async def console(clock: SandboxClock) -> AsyncIterator[Console]:
    async with Sandbox(clock=clock) as sandbox:
        yield Console(sandbox, clock)


def message(*tokens: str, options: dict[str, Any] | None = None, **notification: Any) -> dict[str, Any]:
    shown = {"category": "IM", "title": "Alice", "body": "see you at eight", "clickAction": {"actionType": 0}, **notification}
    return {"payload": {"notification": shown}, "target": {"token": list(tokens)}, "pushOptions": {"ttl": 86400, **(options or {})}}


async def test_a_message_is_shown_and_its_tap_opens_the_page_with_the_data(console: Console) -> None:
    phone = await console.phone()
    click = {"actionType": 1, "uri": PAGE + "?conv=c2c_u1", "data": {"ext": "{}"}}
    answer = await console.send(message(phone["token"], clickAction=click, badge={"setNum": 7}, sound="private_ring.mp3"))
    assert (answer.status_code, answer.json()["code"]) == (200, "80000000")
    (item,) = await console.tray(phone)
    assert (item["title"], item["sound"], item["badge"]) == ("Alice", "private_ring", 7)
    assert item["vendor_message_id"] == answer.json()["requestId"]
    assert await console.tap(phone) == {"activity": "EntryAbility", "data": PAGE + "?conv=c2c_u1", "extras": {"ext": "{}"}}


async def test_an_unknown_action_opens_the_home_and_an_unknown_uri_nothing(console: Console) -> None:
    phone = await console.phone()
    await console.send(message(phone["token"], clickAction={"actionType": 1, "action": "no.such"}))
    assert (await console.tap(phone)) == {"activity": "EntryAbility", "data": None, "extras": {}}
    await console.send(message(phone["token"], clickAction={"actionType": 1, "uri": "other://page"}))
    assert "no ability" in (await console.tap(phone))["error"]


@pytest.mark.parametrize(
    ("changes", "code", "status"),
    [
        ({"iss": "1"}, "80200001", 401),
        ({"aud": "https://example.com"}, "80200001", 401),
        ({"iat": None}, "80200001", 401),
        ({"iat": -90_000}, "80300036", 400),
        ({"iat": -7_200, "exp": -1}, "80200005", 401),
        ({"iat": 4_000, "exp": 5_000}, "80200001", 401),
        ({"alg": "RS256"}, "80200001", 401),
        ({"kid": "other"}, "80200001", 401),
        ({"key": rsa.generate_private_key(public_exponent=65537, key_size=2048)}, "80200001", 401),
    ],
)
async def test_a_wrong_jwt_is_refused(console: Console, changes: dict[str, Any], code: str, status: int) -> None:
    phone = await console.phone()
    now = console.clock.now_ms() // 1000
    moved = {k: now + v if k in ("iat", "exp") and v is not None else v for k, v in changes.items()}
    answer = await console.send(message(phone["token"]), token=console.token(**moved))
    assert (answer.status_code, answer.json()["code"]) == (status, code)
    assert await console.tray(phone) == []


@pytest.mark.parametrize("header", ["", "CgB6e3x9", "Bearer CgB6e3x9/oauth", "Bearer a.b.c", "bearer x.y.z"])
async def test_what_is_no_jwt_is_refused(console: Console, header: str) -> None:
    phone = await console.phone()
    answer = await console.send(message(phone["token"]), Authorization=header)
    assert (answer.status_code, answer.json()["code"]) == (401, "80200001")


async def test_the_path_must_name_the_accounts_own_project(console: Console) -> None:
    other = await console.phone(app={"package": "com.other"})
    other_project = console.settings["project_id"]
    await console.phone()
    assert (await console.send(message(other["token"]), project=other_project)).json()["code"] == "80200001"
    assert (await console.send(message(other["token"]), project="1")).json()["code"] == "80300002"


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"category": "CHAT"}, "80100001"),
        ({"category": "PLAY_VOICE"}, "80100001"),
        ({"category": None}, "80100001"),
        ({"title": ""}, "80100001"),
        ({"body": 5}, "80100003"),
        ({"clickAction": None}, "80100001"),
        ({"clickAction": {"actionType": 1}}, "80100001"),
        ({"clickAction": {"actionType": 2}}, "80100001"),
        ({"clickAction": {"actionType": "0"}}, "80100003"),
        ({"clickAction": {"actionType": 0, "data": "{}"}}, "80100003"),
        ({"click_action": {"type": 3}}, "80100003"),
        ({"image": "http://a/b.png"}, "80100001"),
        ({"notifyId": 2**31}, "80100001"),
        ({"appMessageId": "ä"}, "80100001"),
        ({"appMessageId": "a" * 65}, "80100001"),
        ({"badge": {"setNum": 100}}, "80100001"),
        ({"badge": {"class": "a.B"}}, "80100003"),
        ({"sound": "/raw/ring"}, "80100001"),
        ({"soundDuration": 5}, "80100001"),
        ({"foregroundShow": "no"}, "80100003"),
        ({"style": 1}, "80100001"),
        ({"style": 3, "inboxContent": ["1", "2", "3", "4"]}, "80100001"),
        ({"options": {"ttl": "86400s"}}, "80100003"),
        ({"options": {"ttl": 0}}, "80100004"),
        ({"options": {"ttl": 1_296_001}}, "80100001"),
        ({"options": {"collapseKey": 101}}, "80100013"),
        ({"options": {"biTag": "ä" * 33}}, "80100001"),
        ({"options": {"bi_tag": "x"}}, "80100003"),
        ({"body": "x" * 4096}, "80300008"),
    ],
)
async def test_each_field_is_checked(console: Console, change: dict[str, Any], code: str) -> None:
    phone = await console.phone()
    answer = await console.send(message(phone["token"], **change))
    assert (answer.status_code, answer.json()["code"]) == (400, code), answer.text
    assert await console.tray(phone) == []


@pytest.mark.parametrize(
    ("body", "code"),
    [
        (b"{", "80100003"),
        (b"[]", "80100003"),
        ({"message": {"token": ["a"]}}, "80300010"),
        (message(), "80300010"),
        (message(*["a"] * 1001), "80300010"),
        (message(*["a"] * 11, options={"testMessage": True}), "80300030"),
    ],
)
async def test_a_wrong_body_is_refused(console: Console, body: Any, code: str) -> None:
    await console.phone()
    assert (await console.send(body)).json()["code"] == code


async def test_the_push_type_and_the_content_type_are_required(console: Console) -> None:
    phone = await console.phone()
    for headers in ({"push_type": "7"}, {"push_type": ""}, {"Content_Type": "text/plain"}):
        assert (await console.send(message(phone["token"]), **headers)).json()["code"] == "80100001"


async def test_bad_tokens_are_named_with_their_reasons(console: Console) -> None:
    android = await console.call("POST", "/phones", json={"brand": "huawei"})
    foreign = await console.phone(app={"package": "com.other"})
    gone = await console.phone()
    phone = await console.phone()
    await console.call("PATCH", f"/phones/{gone['phone_id']}", json={"app_installed": False})
    bad = ["garbage", android.json()["token"], foreign["token"], gone["token"]]
    reasons = {"tokenFormatError": bad[:1], "tokenPlatformNotSupport": bad[1:2], "noRight": bad[2:]}
    partly = (await console.send(message(phone["token"], *bad))).json()
    assert partly["code"] == "80100000"
    assert json.loads(partly["msg"]) == {"illegalTokens": reasons, "success": 1, "failure": 4}
    none = (await console.send(message(*bad))).json()
    assert none["code"] == "80300007"
    assert json.loads(none["msg"]) == {"failure": 4, "illegalTokens": reasons}
    assert len(await console.tray(phone)) == 1


async def test_messages_without_an_approved_category_are_silent_and_capped(console: Console) -> None:
    phone = await console.phone()
    for _ in range(3):
        assert (await console.send(message(phone["token"], category="MARKETING"))).json()["code"] == "80000000"
    assert [item["sound"] for item in await console.tray(phone)] == [None, None]
    await console.send(message(phone["token"], category="MARKETING", options={"testMessage": True}))
    await console.send(message(phone["token"]))
    assert len(await console.tray(phone)) == 4
    console.clock.advance(seconds=86_400)
    await console.send(message(phone["token"], category="WORK"))
    assert len(await console.tray(phone)) == 5


async def test_test_messages_have_a_daily_limit(console: Console) -> None:
    phones = [await console.phone(app_state="force_stopped") for _ in range(10)]
    body = message(*[phone["token"] for phone in phones], options={"testMessage": True})
    codes = [(await console.send(body)).json()["code"] for _ in range(101)]
    assert codes == ["80000000"] * 100 + ["80300029"]


async def test_an_app_message_id_is_shown_once_and_an_equal_notify_id_replaces(console: Console) -> None:
    phone = await console.phone()
    changes: list[dict[str, Any]] = [{"appMessageId": number, "notifyId": 5} for number in ("1", "1", "2")]
    for change in changes:
        await console.send(message(phone["token"], body=change["appMessageId"], **change))
    await console.send(message(phone["token"], body="3"))
    assert [item["body"] for item in await console.tray(phone)] == ["2", "3"]


async def test_an_offline_phone_gets_what_was_kept_by_group_and_time(console: Console) -> None:
    phone = await console.phone(offline=True)
    await console.send(message(phone["token"], options={"ttl": 60}, body="short"))
    await console.send(message(phone["token"], options={"collapseKey": 3}, body="old of 3"))
    await console.send(message(phone["token"], options={"collapseKey": 3}, body="new of 3"))
    console.clock.advance(seconds=61)
    await console.call("PATCH", f"/phones/{phone['phone_id']}", json={"offline": False})
    assert [item["body"] for item in await console.tray(phone)] == ["new of 3"]


async def test_pictures_and_receipts_are_refused_where_the_console_says_so(console: Console) -> None:
    phone = await console.phone(app={"package": "com.strict", "vendor": {"refuses_images": True, "receipts_broken": True}})
    image = await console.send(message(phone["token"], image="https://a.example/b.png"))
    receipt = await console.send(message(phone["token"], options={"receiptId": "RCP1"}))
    plain = await console.send(message(phone["token"]))
    assert [answer.json()["code"] for answer in (image, receipt, plain)] == ["80100022", "80300013", "80000000"]


async def test_flow_control_is_503_and_other_methods_are_405(console: Console) -> None:
    phone = await console.phone(app={"package": "com.small", "vendor": {"qps": 2}})
    assert [(await console.send(message(phone["token"]))).status_code for _ in range(3)] == [200, 200, 503]
    assert (await console.call("GET", f"/v3/{console.settings['project_id']}/messages:send")).status_code == 405


async def test_receipts_have_the_v2_body_and_are_signed(clock: Any) -> None:
    received: asyncio.Queue[tuple[dict[str, str], dict[str, Any]]] = asyncio.Queue()

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).decode()
        headers = {k.lower(): v for k, v in (line.split(": ", 1) for line in head.split("\r\n")[1:] if line)}
        body = json.loads(await reader.readexactly(int(headers["content-length"])))
        writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n")
        await writer.drain()
        writer.close()
        received.put_nowait((headers, body))

    receiver = await asyncio.start_server(answer, "127.0.0.1", 0)
    base = f"http://127.0.0.1:{receiver.sockets[0].getsockname()[1]}/r"
    async with receiver, Sandbox(clock=clock, receipts_to=base) as sandbox:
        console = Console(sandbox, clock)
        phone = await console.phone()
        muted = await console.phone(notifications_enabled=False)
        sent = await console.send(message(phone["token"], muted["token"], options={"biTag": "m:1"}))
        headers, body = await asyncio.wait_for(received.get(), 10)
    fields = dict(part.strip().split("=", 1) for part in headers["x-huawei-callback-id"].split(";"))
    text = fields["timestamp"] + fields["nonce"] + console.settings["callback_user"]
    key = base64.b64decode(console.settings["callback_key"])
    assert base64.b64encode(hmac.new(key, text.encode(), hashlib.sha256).digest()).decode() == fields["value"]
    by_token = {s["token"]: s for s in body["statuses"]}
    assert by_token[phone["token"]] == {
        "token": phone["token"],
        "pushType": 0,
        "appPackageName": console.settings["package_name"],
        "biTag": "m:1",
        "requestId": sent.json()["requestId"],
        "deliveryStatus": {"result": 0, "timestamp": clock.now_ms()},
    }
    assert by_token[muted["token"]]["deliveryStatus"]["result"] == 6


async def test_a_recall_takes_the_notification_with_that_id_off_the_phone(console: Console) -> None:
    phone = await console.phone()
    for number in (5, 6):
        await console.send(message(phone["token"], notifyId=number))
    answer = await console.recall({"notifyId": 5, "token": [phone["token"]]})
    assert (answer.status_code, answer.json()["code"], answer.json()["msg"]) == (200, "80000000", "Success")
    assert answer.json()["requestId"]
    assert len(await console.tray(phone)) == 1
    await console.recall({"notifyId": 6, "token": [phone["token"]]})
    assert await console.tray(phone) == []


@pytest.mark.parametrize(
    ("changes", "headers", "code", "status"),
    [
        ({"notifyId": "5"}, {}, "80100003", 400),
        ({"notifyId": 2**31}, {}, "80100001", 400),
        ({"notifyId": None}, {}, "80300032", 400),
        ({"token": None}, {}, "80300032", 400),
        ({"token": "t"}, {}, "80100003", 400),
        ({"token": []}, {}, "80300010", 400),
        ({"token": ["t"] * 1001}, {}, "80300010", 400),
        ({"token": ["unknown"]}, {}, "80300007", 200),
        ({"validate_only": True}, {}, "80100003", 400),
        ({}, {"push_type": "1"}, "80100003", 400),
        ({}, {"Content_Type": "text/plain"}, "80100001", 400),
        ({}, {"Authorization": "Bearer a.b.c"}, "80200001", 401),
    ],
)
async def test_a_wrong_recall_is_refused_and_changes_nothing(
    console: Console, changes: dict[str, Any], headers: dict[str, str], code: str, status: int
) -> None:
    phone = await console.phone()
    await console.send(message(phone["token"], notifyId=5))
    body = {"notifyId": 5, "token": [phone["token"]]} | changes
    answer = await console.recall({name: value for name, value in body.items() if value is not None}, **headers)
    assert (answer.status_code, answer.json()["code"]) == (status, code)
    assert len(await console.tray(phone)) == 1


async def test_a_recall_is_for_the_phones_of_one_app(console: Console) -> None:
    other = await console.phone(app={"package": "com.example.other"})
    phone = await console.phone()
    for tokens, code in (
        ([other["token"]], "80300028"),
        ([other["token"], phone["token"]], "80300017"),
        (["unknown", phone["token"]], "80100020"),
    ):
        assert (await console.recall({"notifyId": 5, "token": tokens})).json()["code"] == code
    assert (await console.recall({"notifyId": 5, "token": [phone["token"]]}, client="1")).json()["code"] == "80300002"
