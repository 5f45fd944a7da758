"""The Huawei simulator, driven with raw HTTP written from the vendor sheet."""

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

INTENT = (
    "intent://com.tencent.qcloud/detail?conv=c2c_u1#Intent;scheme=pushscheme;launchFlags=0x4000000;"
    "component=com.tencent.qcloud.tim.tuikit/com.tencent.qcloud.tim.demo.main.MainActivity;end"
)


class Console:
    """One app on a phone, and calls as a server would make them."""

    def __init__(self, sandbox: Sandbox) -> None:
        self.sandbox = sandbox

    async def call(self, method: str, path: str, **options: Any) -> requests.Response:
        return await asyncio.to_thread(requests.request, method, self.sandbox.base_url + path, timeout=20, **options)

    async def phone(self, **order: Any) -> dict[str, Any]:
        made = await self.call("POST", "/phones", json={"brand": "huawei", **order})
        assert made.status_code == 201, made.text
        answer: dict[str, Any] = made.json()
        self.settings = answer["business_hint"]["settings"]
        self.hint = answer["business_hint"]
        return answer

    async def log_in(self) -> None:
        form = {
            "grant_type": "client_credentials",
            "client_id": self.settings["client_id"],
            "client_secret": self.settings["client_secret"],
        }
        answer = await self.call("POST", "/oauth2/v3/token", data=form)
        assert answer.status_code == 200, answer.text
        assert (answer.json()["expires_in"], answer.json()["token_type"]) == (3600, "Bearer")
        self.grant = answer.json()["access_token"]

    async def send(self, body: Any, path: str = "", **headers: str) -> requests.Response:
        head = {"Authorization": f"Bearer {self.grant}", "Content-Type": "application/json; charset=UTF-8", **headers}
        data = body if isinstance(body, bytes) else json.dumps(body, ensure_ascii=False).encode()
        return await self.call("POST", path or f"/v1/{self.settings['app_id']}/messages:send", data=data, headers=head)

    async def tray(self, phone: dict[str, Any]) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = (await self.call("GET", f"/phones/{phone['phone_id']}/tray")).json()
        return found


@pytest.fixture
async def console(clock: SandboxClock) -> AsyncIterator[Console]:
    async with Sandbox(clock=clock) as sandbox:
        yield Console(sandbox)


def message(*tokens: str, android: dict[str, Any] | None = None, **notification: Any) -> dict[str, Any]:
    shown = {"title": "Alice", "body": "see you at eight", "click_action": {"type": 1, "intent": INTENT}, **notification}
    return {"message": {"token": list(tokens), "android": {"category": "IM", "notification": shown, **(android or {})}}}


async def test_a_message_is_shown_and_its_tap_opens_the_chat(console: Console) -> None:
    phone = await console.phone()
    await console.log_in()
    ext = '{"entity":{"sender":"u1"}}'
    answer = await console.send(message(phone["token"], android={"data": json.dumps({"ext": ext})}, notify_id=7))
    assert answer.status_code == 200
    assert answer.headers["content-type"] == "application/json"
    assert answer.json()["code"] == "80000000"
    assert isinstance(answer.json()["requestId"], str)
    (item,) = await console.tray(phone)
    assert (item["title"], item["body"], item["vendor_message_id"]) == ("Alice", "see you at eight", answer.json()["requestId"])
    opened = (await console.call("POST", f"/phones/{phone['phone_id']}/tray/0/tap")).json()
    assert opened == {
        "activity": "com.tencent.qcloud.tim.demo.main.MainActivity",
        "data": "pushscheme://com.tencent.qcloud/detail?conv=c2c_u1",
        "extras": {"ext": ext},
    }
    assert await console.tray(phone) == []


@pytest.mark.parametrize(
    ("form", "sub_error"),
    [
        ({"grant_type": "password"}, 20042),
        ({"client_id": "abc"}, 20002),
        ({"client_secret": "wrong"}, 20044),
    ],
)
async def test_a_wrong_log_in_is_refused_with_its_sub_error(console: Console, form: dict[str, str], sub_error: int) -> None:
    await console.phone()
    right = {
        "grant_type": "client_credentials",
        "client_id": console.settings["app_id"],
        "client_secret": console.settings["client_secret"],
    }
    answer = await console.call("POST", "/oauth2/v3/token", data={**right, **form})
    assert answer.status_code == 400
    assert (answer.json()["error"], answer.json()["sub_error"]) == (1101, sub_error)


async def test_authentication_codes_tell_missing_foreign_and_expired_apart(console: Console, clock: Any) -> None:
    phone = await console.phone()
    await console.log_in()
    body = message(phone["token"])
    path = f"/v1/{console.settings['app_id']}/messages:send"
    assert (await console.send(body, Authorization="")).json()["code"] == "80200001"
    assert (await console.send(body, Authorization=f"Bearer  {console.grant}")).json()["code"] == "80200001"
    assert (await console.send(body, "/v1/999/messages:send")).json()["code"] == "80300002"
    other = await console.phone(app={"package": "com.other"})
    assert other["business_hint"]["settings"]["app_id"] not in path
    foreign = await console.send(body)
    assert (foreign.status_code, foreign.json()["code"]) == (401, "80200001")
    clock.advance(seconds=3600)
    expired = await console.send(body, path)
    assert (expired.status_code, expired.json()["code"]) == (401, "80200003")


BAD: list[tuple[str, dict[str, Any], dict[str, Any], str]] = [
    ("unknown field", {"colour": "#FF0000"}, {}, "80100003"),
    ("wrong type", {"notify_id": "7"}, {}, "80100003"),
    ("collapse key", {}, {"collapse_key": 101}, "80100013"),
    ("ttl over", {}, {"ttl": "1296001s"}, "80100001"),
    ("ttl passed", {}, {"ttl": "0s"}, "80100004"),
    ("ttl a number", {}, {"ttl": 86400}, "80100003"),
    ("picture not https", {"image": "http://a/b.png"}, {}, "80100001"),
    ("colour", {"color": "red"}, {}, "80100001"),
    ("sound without /raw/", {"sound": "ring.mp3"}, {}, "80100001"),
    ("click type 1 without a page", {"click_action": {"type": 1}}, {}, "80100001"),
    ("click type 2 without https", {"click_action": {"type": 2, "url": "http://a"}}, {}, "80100001"),
    ("not an intent", {"click_action": {"type": 1, "intent": "com.example.Main"}}, {}, "80100001"),
    ("badge over", {"badge": {"class": "a.B", "set_num": 100}}, {}, "80100001"),
    ("style 1 without text", {"style": 1}, {}, "80100001"),
    ("importance without right", {"importance": "HIGH"}, {}, "80300011"),
    ("data not JSON", {}, {"data": "hello"}, "80100001"),
    ("no title", {"title": None}, {}, "80100001"),
    ("too long", {"body": "x" * 4100}, {}, "80300008"),
    ("too long in bytes", {"body": "汉" * 1400}, {}, "80300008"),
]


@pytest.mark.parametrize(("shown", "android", "code"), [b[1:] for b in BAD], ids=[b[0] for b in BAD])
async def test_bad_fields_have_their_codes(console: Console, shown: dict[str, Any], android: dict[str, Any], code: str) -> None:
    phone = await console.phone()
    await console.log_in()
    answer = await console.send(message(phone["token"], android=android, **shown))
    assert (answer.status_code, answer.json()["code"]) == (400, code), answer.text
    assert await console.tray(phone) == []
    logged = (await console.call("GET", "/requests?vendor=huawei")).json()[-1]
    assert logged["verdict"] == "refused"
    assert logged["reason"].startswith(code)


async def test_bad_structures_have_their_codes(console: Console) -> None:
    phone = await console.phone()
    await console.log_in()
    assert (await console.send(b"{")).json()["code"] == "80100003"
    assert (await console.send(b"[]")).json()["code"] == "80100003"
    assert (await console.send(b"[" * 100_000)).json()["code"] == "80100003"
    assert (await console.send({"messsage": {}})).json()["code"] == "80300010"
    assert (await console.send(message())).json()["code"] == "80300010"
    assert (await console.send(message(*(["t"] * 1001)))).json()["code"] == "80300010"
    both = message(phone["token"])
    both["message"]["topic"] = "news"
    assert (await console.send(both)).json()["code"] == "80100003"
    misplaced = message()
    misplaced["message"]["android"]["token"] = misplaced["message"].pop("token")
    assert (await console.send(misplaced)).json()["code"] == "80300010"


async def test_bad_tokens_are_named_when_some_are_good_and_not_when_none_is(console: Console) -> None:
    phone = await console.phone()
    gone = await console.phone()
    await console.call("PATCH", f"/phones/{gone['phone_id']}", json={"app_installed": False})
    await console.log_in()
    answer = await console.send(message(phone["token"], gone["token"], "nonsense"))
    assert (answer.status_code, answer.json()["code"]) == (200, "80100000")
    assert json.loads(answer.json()["msg"]) == {"success": 1, "failure": 2, "illegal_tokens": [gone["token"], "nonsense"]}
    assert len(await console.tray(phone)) == 1
    answer = await console.send(message(gone["token"]))
    assert (answer.status_code, answer.json()["code"]) == (200, "80300007")


async def test_marketing_is_capped_in_silence_and_rings_nowhere(console: Console, clock: Any) -> None:
    phone = await console.phone()
    await console.log_in()
    for _ in range(4):
        answer = await console.send(message(phone["token"], android={"category": None}))
        assert answer.json()["code"] == "80000000"
    tray = await console.tray(phone)
    assert [item["sound"] for item in tray] == [None, None]
    test = await console.send(message(phone["token"], android={"category": None, "target_user_type": 1}))
    assert test.json()["code"] == "80000000"
    assert len(await console.tray(phone)) == 3
    clock.advance(seconds=86_400)
    await console.log_in()
    await console.send(message(phone["token"], android={"category": None}))
    assert len(await console.tray(phone)) == 4


async def test_the_phone_shows_sound_badge_and_channel_by_the_rules(console: Console) -> None:
    app = {"channels": [{"id": "im_chat", "importance": "high", "sound": "pling"}], "sounds": ["pling", "msg_ring"]}
    phone = await console.phone(app=app)
    await console.log_in()
    badge = {"class": "com.tencent.qcloud.tim.demo.SplashActivity", "set_num": 7}
    await console.send(message(phone["token"], channel_id="im_chat", badge=badge))
    await console.send(message(phone["token"], sound="/raw/msg_ring", default_sound=False, badge={**badge, "set_num": None, "add_num": 2}))
    await console.send(message(phone["token"], sound="/raw/msg_ring", badge={"class": "a.Wrong", "set_num": 50}))
    tray = await console.tray(phone)
    assert [(t["channel"], t["sound"], t["badge"]) for t in tray] == [
        ("im_chat", "pling", 7),
        ("default:msg_ring", "msg_ring", 9),
        ("default", "default", 9),
    ]


async def test_equal_notify_ids_replace_and_validate_only_delivers_nothing(console: Console) -> None:
    phone = await console.phone()
    await console.log_in()
    await console.send(message(phone["token"], notify_id=5, body="first"))
    await console.send(message(phone["token"], notify_id=5, body="second"))
    await console.send(message(phone["token"], body="third"))
    dry = {**message(phone["token"], body="dry"), "validate_only": True}
    assert (await console.send(dry)).json()["code"] == "80000000"
    assert [t["body"] for t in await console.tray(phone)] == ["second", "third"]


async def test_an_offline_phone_gets_what_was_kept_by_group_and_time(console: Console, clock: Any) -> None:
    phone = await console.phone(offline=True)
    await console.log_in()
    await console.send(message(phone["token"], android={"ttl": "60s"}, body="short"))
    await console.send(message(phone["token"], android={"collapse_key": 3}, body="old of 3"))
    await console.send(message(phone["token"], android={"collapse_key": 3}, body="new of 3"))
    assert await console.tray(phone) == []
    clock.advance(seconds=61)
    await console.call("PATCH", f"/phones/{phone['phone_id']}", json={"offline": False})
    assert [t["body"] for t in await console.tray(phone)] == ["new of 3"]


async def test_v2_takes_the_project_id(console: Console) -> None:
    phone = await console.phone()
    await console.log_in()
    answer = await console.send(message(phone["token"]), f"/v2/{console.hint['project_id']}/messages:send")
    assert answer.json()["code"] == "80000000"
    wrong = await console.send(message(phone["token"]), f"/v2/{console.settings['app_id']}/messages:send")
    assert wrong.json()["code"] == "80300002"


async def test_flow_control_is_503(console: Console) -> None:
    phone = await console.phone(app={"package": "com.small", "vendor": {"qps": 2}})
    await console.log_in()
    codes = [(await console.send(message(phone["token"]))).status_code for _ in range(3)]
    assert codes == [200, 200, 503]


async def test_receipts_are_signed_and_say_what_became_of_the_message(clock: Any) -> None:
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
        console = Console(sandbox)
        phone = await console.phone()
        muted = await console.phone(notifications_enabled=False)
        await console.log_in()
        sent = await console.send(message(phone["token"], muted["token"], android={"bi_tag": "m:1"}))
        headers, body = await asyncio.wait_for(received.get(), 10)
    fields = dict(part.strip().split("=", 1) for part in headers["x-huawei-callback-id"].split(";"))
    text = fields["timestamp"] + fields["nonce"] + console.settings["callback_user"]
    key = base64.b64decode(console.settings["callback_key"])
    assert base64.b64encode(hmac.new(key, text.encode(), hashlib.sha256).digest()).decode() == fields["value"]
    by_token = {s["token"]: s for s in body["statuses"]}
    assert (by_token[phone["token"]]["status"], by_token[muted["token"]]["status"]) == (0, 6)
    assert by_token[phone["token"]]["biTag"] == "m:1"
    assert by_token[phone["token"]]["requestId"] == sent.json()["requestId"]
    assert by_token[phone["token"]]["appid"] == console.settings["app_id"]
