"""The control API and the door of the sandbox, over real sockets."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any

import pycurl
import pytest
import requests
import uvloop

from homing.sandbox.base import SandboxClock
from homing.sandbox.server import Sandbox


class Operator:
    """Calls on the control API, and one kind of vendor call that is easy to make."""

    def __init__(self, sandbox: Sandbox) -> None:
        self.sandbox = sandbox

    async def call(self, method: str, path: str, **options: Any) -> requests.Response:
        return await asyncio.to_thread(requests.request, method, self.sandbox.base_url + path, timeout=20, **options)

    async def phone(self, brand: str = "xiaomi", **order: Any) -> dict[str, Any]:
        answer = await self.call("POST", "/phones", json={"brand": brand, **order})
        assert answer.status_code == 201, answer.text
        made: dict[str, Any] = answer.json()
        return made

    async def push(self, phone: dict[str, Any], **form: str) -> requests.Response:
        settings = phone["business_hint"]["settings"]
        base = {"registration_id": phone["token"], "title": "Alice", "description": "hello", "extra.channel_id": settings["channel_id"]}
        headers = {"Authorization": f"key={settings['app_secret']}"}
        return await self.call("POST", "/v3/message/regid", data={**base, **form}, headers=headers)

    async def state(self, phone: dict[str, Any]) -> dict[str, Any]:
        found: dict[str, Any] = (await self.call("GET", f"/phones/{phone['phone_id']}")).json()
        return found

    async def change(self, phone: dict[str, Any], **settings: Any) -> requests.Response:
        return await self.call("PATCH", f"/phones/{phone['phone_id']}", json=settings)


@pytest.fixture
async def operator(clock: SandboxClock) -> AsyncIterator[Operator]:
    async with Sandbox(clock=clock) as sandbox:
        yield Operator(sandbox)


async def raw(sandbox: Sandbox, data: bytes) -> bytes:
    """Everything that comes back on one connection."""
    host, port = sandbox.base_url.removeprefix("http://").split(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    try:
        writer.write(data)
        await writer.drain()
        async with asyncio.timeout(10):
            return await reader.read()
    finally:
        writer.close()


# --- phones


async def test_every_brand_gives_a_phone_with_a_token_and_a_certificate_hint(operator: Operator) -> None:
    index = (await operator.call("GET", "/")).json()
    assert {"huawei", "xiaomi"} <= set(index["brands"])
    for brand in index["brands"]:
        made = await operator.phone(brand)
        assert made["token"]
        assert made["business_hint"]["channel"]
        assert made["business_hint"]["settings"]["base_url"].startswith("http")
        assert (await operator.state(made))["brand"] == brand
    assert len((await operator.call("GET", "/phones")).json()) == len(index["brands"])


async def test_phones_with_one_package_share_one_vendor_app(operator: Operator) -> None:
    first, second = await operator.phone(), await operator.phone()
    other = await operator.phone(app={"package": "com.other"})
    assert first["business_hint"] == second["business_hint"]
    assert first["token"] != second["token"]
    assert other["business_hint"]["settings"]["app_secret"] != first["business_hint"]["settings"]["app_secret"]
    answer = await operator.call(
        "POST",
        "/v3/message/regid",
        data={"registration_id": other["token"], "title": "t", "description": "d"},
        headers={"Authorization": f"key={first['business_hint']['settings']['app_secret']}"},
    )
    assert answer.json()["code"] == 20301


@pytest.mark.parametrize(
    ("order", "code"),
    [
        (b"{", "bad_json"),
        (b"[]", "bad_json"),
        (b"[" * 100_000, "bad_json"),
        (b'{"brand":"nokia"}', "bad_brand"),
        (b'{"brand":{}}', "bad_brand"),
        (b'{"brand":"xiaomi","colour":1}', "unknown_field"),
        (b'{"brand":"xiaomi","app":[]}', "bad_value"),
        (b'{"brand":"xiaomi","app":{"manifest":"<a/>"}}', "bad_manifest"),
        (b'{"brand":"xiaomi","app":{"manifest":5}}', "bad_manifest"),
        (b'{"brand":"xiaomi","app":{"channels":[{"name":"x"}]}}', "bad_value"),
        (b'{"brand":"xiaomi","app":{"sounds":"ring"}}', "bad_value"),
        (b'{"brand":"xiaomi","locked":"yes"}', "bad_value"),
        (b'{"brand":"xiaomi","locale":"\xff"}', "bad_json"),
    ],
)
async def test_a_bad_order_has_a_code_a_sentence_and_a_cure(operator: Operator, order: bytes, code: str) -> None:
    answer = await operator.call("POST", "/phones", data=order)
    assert answer.status_code == 400
    assert answer.json()["code"] == code
    assert answer.json()["message"]
    assert "Traceback" not in answer.text
    assert (await operator.call("GET", "/phones")).json() == []


async def test_unknown_fields_of_the_app_are_told_and_do_no_harm(operator: Operator) -> None:
    made = await operator.phone(app={"signing": {"sha256": "ab"}, "chanels": []})
    assert made["ignored"] == ["app.chanels"]


async def test_a_bad_change_changes_nothing(operator: Operator) -> None:
    phone = await operator.phone()
    answer = await operator.change(phone, locked=True, lock_screen="sideways")
    assert (answer.status_code, answer.json()["code"]) == (400, "bad_value")
    assert (await operator.state(phone))["locked"] is False
    assert (await operator.change(phone, colour="red")).json()["code"] == "unknown_field"
    assert (await operator.change({"phone_id": "nobody"}, locked=True)).status_code == 404
    assert (await operator.call("PUT", "/phones")).status_code == 405


async def test_settings_decide_what_is_shown(operator: Operator) -> None:
    phone = await operator.phone()
    await operator.change(phone, notifications_enabled=False)
    await operator.push(phone, notify_id="1")
    await operator.change(phone, notifications_enabled=True, app_state="foreground")
    await operator.push(phone, notify_id="2", **{"extra.notify_foreground": "0"})
    channel = phone["business_hint"]["settings"]["channel_id"]
    await operator.change(phone, app_state="background", channels=[{"id": channel, "importance": "none"}])
    await operator.push(phone, notify_id="3")
    state = await operator.state(phone)
    assert state["tray"] == []
    assert [m["title"] for m in state["app_messages"]] == ["Alice"]
    await operator.change(phone, channels=[{"id": channel, "importance": "low"}])
    await operator.push(phone, notify_id="4")
    (item,) = (await operator.state(phone))["tray"]
    assert (item["n"], item["sound"], item["channel"]) == (0, None, channel)


async def test_the_lock_screen_shows_what_the_user_chose(operator: Operator) -> None:
    phone = await operator.phone(locked=True)
    await operator.push(phone)
    for choice, expected in (
        ("show", {"title": "Alice", "body": "hello"}),
        ("hide_content", {"title": "com.tencent.qcloud.tim.tuikit", "body": ""}),
        ("hide", None),
    ):
        await operator.change(phone, lock_screen=choice)
        assert (await operator.state(phone))["tray"][0]["lock_screen"] == expected


async def test_uninstalling_kills_the_token_and_installing_gives_a_new_one(operator: Operator) -> None:
    phone = await operator.phone()
    await operator.push(phone)
    await operator.change(phone, app_installed=False)
    assert (await operator.state(phone))["tray"] == []
    assert (await operator.push(phone)).json()["code"] == 20301
    await operator.change(phone, app_installed=True)
    renewed = (await operator.state(phone))["token"]
    assert renewed != phone["token"]
    assert (await operator.push(phone)).json()["code"] == 20301
    assert (await operator.push({**phone, "token": renewed})).json()["code"] == 0


async def test_a_tap_that_opens_nothing_says_why_and_the_notification_is_gone(operator: Operator) -> None:
    phone = await operator.phone()
    await operator.push(phone, **{"extra.notify_effect": "2", "extra.intent_uri": "intent:#Intent;component=com.a/com.a.B;end"})
    path = f"/phones/{phone['phone_id']}/tray"
    result = (await operator.call("POST", path + "/0/tap")).json()
    assert result["activity"] is None
    assert "com.a" in result["error"]
    assert (await operator.call("POST", path + "/0/tap")).status_code == 404
    assert (await operator.call("POST", path + "/x/tap")).status_code == 404
    assert (await operator.call("DELETE", path)).json() == {"removed": 0}


async def test_the_hints_intent_uri_opens_the_page_of_the_manifest(operator: Operator) -> None:
    phone = await operator.phone()
    uri = phone["business_hint"]["intent_uri"]
    await operator.push(phone, **{"extra.notify_effect": "2", "extra.intent_uri": uri})
    result = (await operator.call("POST", f"/phones/{phone['phone_id']}/tray/0/tap")).json()
    assert (result["activity"], result.get("error")) == ("com.tencent.qcloud.tim.demo.main.MainActivity", None)


# --- log, events


async def test_the_log_has_every_vendor_request_with_its_verdict(operator: Operator) -> None:
    phone = await operator.phone()
    await operator.push(phone)
    await operator.push(phone, title="")
    log = (await operator.call("GET", "/requests?vendor=xiaomi")).json()
    assert [(r["method"], r["path"], r["verdict"]) for r in log] == [("POST", "/v3/message/regid", v) for v in ("accepted", "refused")]
    assert "Alice" in log[0]["body"]
    assert log[0]["headers"]["authorization"].startswith("key=")
    assert log[1]["reason"].startswith("10016")
    assert (await operator.call("GET", f"/requests?after={log[0]['n']}")).json() == log[1:]
    assert (await operator.call("GET", "/requests?vendor=huawei")).json() == []
    assert (await operator.call("GET", "/requests?after=x")).json()["code"] == "bad_value"


async def test_events_can_be_polled_waited_for_and_streamed(operator: Operator) -> None:
    phone = await operator.phone()
    last = (await operator.call("GET", "/events")).json()[-1]["n"]
    waiting = asyncio.create_task(operator.call("GET", f"/events?after={last}&wait=20"))
    await operator.push(phone)
    assert (await waiting).json()[0]["event"] in ("delivered", "shown")
    host, port = operator.sandbox.base_url.removeprefix("http://").split(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    writer.write(f"GET /events?after={last} HTTP/1.1\r\nhost: {host}\r\naccept: text/event-stream\r\n\r\n".encode())
    async with asyncio.timeout(10):
        await reader.readuntil(b"\r\n\r\n")
        seen = [json.loads((await reader.readuntil(b"\n\n")).split(b"data: ")[1]) for _ in range(2)]
        assert [e["event"] for e in seen] == ["delivered", "shown"]
        await operator.change(phone, locked=True)
        assert json.loads((await reader.readuntil(b"\n\n")).split(b"data: ")[1])["event"] == "phone_changed"
    writer.close()


# --- faults


@pytest.mark.parametrize(
    "order",
    [
        {},
        {"kind": "fire"},
        {"vendor": "nokia", "kind": "reset"},
        {"kind": "status", "status": 99},
        {"kind": "latency", "ms": -1},
        {"kind": "status", "rate": 2},
        {"kind": "status", "body": "poem"},
        {"kind": "reset", "count": True},
    ],
)
async def test_a_bad_fault_is_refused(operator: Operator, order: dict[str, Any]) -> None:
    answer = await operator.call("POST", "/faults", json=order)
    assert (answer.status_code, answer.json()["code"]) == (400, "bad_fault")


async def test_status_faults_have_bodies_headers_and_a_count(operator: Operator) -> None:
    phone = await operator.phone()

    async def fault(**order: Any) -> None:
        assert (await operator.call("POST", "/faults", json={"vendor": "xiaomi", "kind": "status", "count": 1, **order})).status_code == 201

    await fault(status=503, retry_after=7)
    answer = await operator.push(phone)
    assert (answer.status_code, answer.headers["retry-after"], answer.json()["code"]) == (503, "7", 10001)
    await fault(status=502, body="html")
    answer = await operator.push(phone)
    assert (answer.status_code, answer.headers["content-type"]) == (502, "text/html")
    await fault(status=200, body="empty")
    assert (await operator.push(phone)).text == ""
    await fault(status=200, body="truncated")
    with pytest.raises(ValueError, match="Expecting"):
        (await operator.push(phone)).json()
    await fault(body="ok_but_no")
    answer = await operator.push(phone)
    assert (answer.status_code, answer.json()["result"]) == (200, "error")
    await fault(status=200, body="cut")
    with pytest.raises(requests.RequestException):
        await operator.push(phone)
    assert (await operator.call("GET", "/faults")).json() == []
    assert (await operator.push(phone)).json()["code"] == 0
    verdicts = [r["verdict"] for r in (await operator.call("GET", "/requests")).json()]
    assert verdicts == ["fault"] * 6 + ["accepted"]


async def test_a_reset_a_latency_and_a_dead_token(operator: Operator) -> None:
    phone, other = await operator.phone(), await operator.phone()
    await operator.call("POST", "/faults", json={"vendor": "xiaomi", "kind": "reset", "count": 1})
    with pytest.raises(requests.ConnectionError):
        await operator.push(phone)
    await operator.call("POST", "/faults", json={"vendor": "*", "kind": "latency", "ms": 50, "count": 1})
    assert (await operator.push(phone)).elapsed.total_seconds() >= 0.05
    await operator.call("POST", "/faults", json={"vendor": "xiaomi", "kind": "dead_token", "token": phone["token"]})
    assert (await operator.push(phone)).json()["code"] == 20301
    assert (await operator.push(other)).json()["code"] == 0
    assert (await operator.call("DELETE", "/faults")).json() == {"removed": 1}
    assert (await operator.push(phone)).json()["code"] == 0


# --- the door


async def test_pipelined_requests_are_answered_in_order(operator: Operator) -> None:
    one = b"GET /phones/%d HTTP/1.1\r\nhost: localhost\r\n\r\n"
    last = b"GET /phones/99 HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n"
    answer = await raw(operator.sandbox, b"".join(one % n for n in range(200)) + last)
    places = [answer.index(f"phone '{n}'".encode()) for n in (*range(200), 99)[:200]]
    assert places == sorted(places)
    assert answer.count(b"HTTP/1.1 404") == 201


@pytest.mark.parametrize(
    ("data", "status"),
    [
        (b"hello\r\n\r\n", b"400"),
        (b"POST /phones HTTP/1.1\r\nhost: localhost\r\ncontent-length: 5000000\r\n\r\n" + b"x" * 5_000_000, b"413"),
        (b"GET / HTTP/1.1\r\nhost: localhost\r\nx: " + b"y" * 70_000 + b"\r\n\r\n", b"431"),
        (b"GET / HTTP/1.1\r\nhost: evil.example\r\nconnection: close\r\n\r\n", b"403"),
        (b"GET / HTTP/1.1\r\nhost: localhost\r\norigin: http://evil.example\r\nconnection: close\r\n\r\n", b"403"),
        (b"GET /v9/nothing HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n", b"404"),
        (b"GET / HTTP/1.0\r\nhost: localhost\r\n\r\n", b"200"),
    ],
)
async def test_a_strange_request_gets_its_status(operator: Operator, data: bytes, status: bytes) -> None:
    try:
        answer = await raw(operator.sandbox, data)
    except ConnectionError:  # the server may close while the client still writes
        assert status == b"413"
        return
    assert answer.split(b" ")[1] == status
    assert b"Traceback" not in answer


async def test_the_same_address_speaks_http2_with_prior_knowledge(operator: Operator) -> None:
    phone = await operator.phone()
    settings = phone["business_hint"]["settings"]

    def send() -> tuple[int, int, bytes]:
        body: list[bytes] = []
        curl = pycurl.Curl()
        curl.setopt(pycurl.URL, operator.sandbox.base_url + "/v3/message/regid")
        curl.setopt(pycurl.HTTP_VERSION, pycurl.CURL_HTTP_VERSION_2_PRIOR_KNOWLEDGE)
        curl.setopt(pycurl.HTTPHEADER, [f"authorization: key={settings['app_secret']}", "content-type: application/x-www-form-urlencoded"])
        curl.setopt(pycurl.POSTFIELDS, "registration_id=nobody&title=a&description=b")
        curl.setopt(pycurl.WRITEFUNCTION, body.append)
        curl.perform()
        found = curl.getinfo(pycurl.RESPONSE_CODE), curl.getinfo(pycurl.INFO_HTTP_VERSION), b"".join(body)
        curl.close()
        return found

    status, version, body = await asyncio.to_thread(send)
    assert (status, version) == (200, pycurl.CURL_HTTP_VERSION_2_0)
    assert json.loads(body)["code"] == 20301
    assert (await operator.call("GET", "/requests")).json()[0]["http_version"] == "2"


async def check_one_port(clock: SandboxClock) -> None:
    async with Sandbox(apns_listen=("127.0.0.1", 0), clock=clock) as sandbox:
        operator = Operator(sandbox)
        assert (await operator.call("GET", "/ca.pem")).text == sandbox.world.apns_ca_pem
        host, port = sandbox.apns_url.removeprefix("http://").split(":")
        silent = await asyncio.open_connection(host, int(port))  # says nothing and holds nobody up

        def ask(url: str, version: int) -> tuple[int, int]:
            curl = pycurl.Curl()
            curl.setopt(pycurl.URL, url + "/3/device/00")
            curl.setopt(pycurl.HTTP_VERSION, version)
            curl.setopt(pycurl.CAINFO, sandbox.world.apns_ca_file)
            curl.setopt(pycurl.POSTFIELDS, "{}")
            curl.setopt(pycurl.WRITEFUNCTION, len)
            curl.perform()
            found = curl.getinfo(pycurl.RESPONSE_CODE), curl.getinfo(pycurl.INFO_HTTP_VERSION)
            curl.close()
            return found

        plain = await asyncio.to_thread(ask, sandbox.apns_url, pycurl.CURL_HTTP_VERSION_2_PRIOR_KNOWLEDGE)
        tls = await asyncio.to_thread(ask, sandbox.world.apns_tls_url, pycurl.CURL_HTTP_VERSION_2TLS)
        assert plain == tls
        assert 400 <= plain[0] < 500
        assert plain[1] == pycurl.CURL_HTTP_VERSION_2_0
        silent[1].close()


async def test_one_port_takes_tls_and_prior_knowledge(clock: SandboxClock) -> None:
    await check_one_port(clock)


def test_the_same_holds_on_the_loop_of_the_command(clock: SandboxClock) -> None:
    async def whole() -> None:
        await check_one_port(clock)
        async with Sandbox(clock=clock) as sandbox:
            operator = Operator(sandbox)
            assert (await operator.push(await operator.phone())).json()["code"] == 0
            await operator.call("POST", "/faults", json={"vendor": "xiaomi", "kind": "reset", "count": 1})
            with pytest.raises(requests.ConnectionError):
                await operator.push(await operator.phone())

    uvloop.run(whole())


async def test_an_address_in_use_is_an_error_and_leaves_nothing_open(clock: SandboxClock) -> None:
    async with Sandbox(clock=clock) as first:
        taken = int(first.base_url.rpartition(":")[2])
        with pytest.raises(OSError, match="in use"):
            await Sandbox(listen=("127.0.0.1", taken)).start()
        with pytest.raises(OSError, match="in use"):
            await Sandbox(apns_listen=("127.0.0.1", taken)).start()
