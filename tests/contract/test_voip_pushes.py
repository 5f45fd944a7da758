"""Calls on iPhones: what the channel sends to PushKit, and what Apple and the phone make of it."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from homing.channels.apns import ApnsChannel
from homing.channels.apns_fields import ApnsOptions
from homing.channels.base import call_problem
from homing.channels.fields import build
from homing.channels.registry import CHANNELS
from homing.model.certificates import Certificate
from homing.model.notification import Notification, Target
from homing.model.outcome import Grant, VendorRequest
from homing.model.push_info import ApnsInfo, OfflinePushInfo
from homing.sandbox.base import RealClock
from homing.sandbox.phone_api import change_phone, create_phone, phone_json
from homing.sandbox.phones import Phone
from homing.sandbox.server import Sandbox
from homing.sandbox.vendors.apns_keys import Refusal, read_certificate

BUNDLE = "com.example.im"
EXT = '{"entity":{"version":1,"chatType":1,"action":2,"sender":"u1001","nickname":"Li Lei","content":"{}"}}'
APNS = ApnsChannel()


def notification(now_ms: int, **changes: Any) -> Notification:
    values: dict[str, Any] = {
        "title": "Han Meimei",
        "body": "Video call",
        "ext": EXT,
        "conversation_id": "c2c_u1001",
        "msg_id": "144115-1732437600-88",
        "notify_id": 1,
        "collapse_id": "m-88",
        "wishes": OfflinePushInfo(ApnsInfo=ApnsInfo(Sound="ring.caf", Image="https://img.example.com/a.jpg", ContentAvailable=1)),
        "expires_at_ms": now_ms + 600_000,
        "badge": 7,
    }
    return Notification(**(values | changes))


class Caller:
    """An iPhone of the sandbox, a connection to Apple, and a certificate for calls."""

    def __init__(self, sandbox: Sandbox, client: Any, **options: str) -> None:
        self.world, self.client = sandbox.world, client
        self.phone: Phone = create_phone(sandbox.world, {"brand": "apple", "app": {"package": BUNDLE}})
        self.certificate = self.certificate_for(**options)

    def certificate_for(self, **options: str) -> Certificate:
        hint = self.world.vendors["apns"].business_hint(self.phone)
        built = build(APNS, hint["settings"] | hint["files"] | {"push_type": "voip"} | options)
        assert isinstance(built, tuple), built
        return Certificate(1400000001, 1, "apns", "calls", *built)

    @property
    def now_ms(self) -> int:
        return int(self.world.clock.now_ms())

    def render(self, note: Notification | None = None, token: str = "", certificate: Certificate | None = None) -> VendorRequest:
        certificate = certificate or self.certificate
        grant = APNS.login(certificate, self.now_ms)
        assert isinstance(grant, Grant)
        target = Target(9, token or self.phone.voip_token)
        (request,) = APNS.render(note or notification(self.now_ms), (target,), certificate, grant, self.now_ms)
        return request

    async def send(self, request: VendorRequest) -> tuple[int, str]:
        answer = await self.client.ask(request.url[request.url.index("/3/") :], list(request.headers), request.body)
        return answer.status, json.loads(answer.body)["reason"] if answer.body else ""


@pytest.fixture
async def caller(raw_h2: Any) -> AsyncIterator[Caller]:
    async with Sandbox(apns_listen=("127.0.0.1", 0), clock=RealClock()) as sandbox:
        yield Caller(sandbox, await raw_h2(int(sandbox.apns_url.rpartition(":")[2])))


def test_a_call_has_the_headers_that_pushkit_demands(caller: Caller):
    note = notification(caller.now_ms)
    headers = dict(caller.render(note).headers)
    assert (headers["apns-topic"], headers["apns-push-type"], headers["apns-priority"]) == (f"{BUNDLE}.voip", "voip", "10")
    assert 0 <= int(headers["apns-expiration"]) - caller.now_ms // 1000 <= 30
    assert "apns-collapse-id" not in headers


def test_a_call_that_is_over_is_tried_once_and_not_kept(caller: Caller):
    request = caller.render(notification(caller.now_ms, expires_at_ms=caller.now_ms))
    assert dict(request.headers)["apns-expiration"] == "0"


def test_a_topic_that_has_the_suffix_already_keeps_one(caller: Caller):
    request = caller.render(certificate=caller.certificate_for(topic=f"{BUNDLE}.voip"))
    assert dict(request.headers)["apns-topic"] == f"{BUNDLE}.voip"


def test_the_payload_has_what_a_call_screen_needs_and_no_more(caller: Caller):
    assert json.loads(caller.render().body) == {
        "aps": {"alert": {"title": "Han Meimei", "body": "Video call"}},
        "ext": EXT,
        "msg_id": "144115-1732437600-88",
        "conv": "c2c_u1001",
        "push_id": "9",
    }


@pytest.mark.parametrize(
    ("ext", "alert"),
    [
        (EXT, {"title": "Li Lei", "body": "Video call"}),
        ('{"entity":{"action":2,"sender":"u1001"}}', {"title": "u1001", "body": "Video call"}),
        ('{"mine":1}', {"body": "Video call"}),
        ("", {"body": "Video call"}),
    ],
)
def test_without_a_title_the_caller_is_named_by_the_container(caller: Caller, ext: str, alert: dict[str, str]):
    note = notification(caller.now_ms, title="", ext=ext)
    assert json.loads(caller.render(note).body)["aps"] == {"alert": alert}


@pytest.mark.parametrize(("push_type", "limit"), [("voip", 5120), ("alert", 4096)])
def test_the_payload_is_filled_up_to_its_own_limit(caller: Caller, push_type: str, limit: int):
    note = notification(caller.now_ms, body="长" * 3000, wishes=OfflinePushInfo())
    body = caller.render(note, certificate=caller.certificate_for(push_type=push_type)).body
    assert limit - 4 < len(body) <= limit


async def test_a_call_rings_on_a_killed_app_and_leaves_nothing_in_the_tray(caller: Caller):
    change_phone(caller.world, caller.phone, {"app_state": "killed", "notifications_enabled": False})
    assert await caller.send(caller.render()) == (200, "")
    state = phone_json(caller.phone)
    assert [(call["caller"], call["extras"]["ext"]) for call in state["calls"]] == [("Han Meimei", EXT)]
    assert (state["tray"], state["badge"]) == ([], 0)


async def test_two_calls_ring_twice(caller: Caller):
    for _ in range(2):
        assert await caller.send(caller.render()) == (200, "")
    assert len(caller.phone.calls) == 2


@pytest.mark.parametrize(("push_type", "kind"), [("voip", "token"), ("alert", "voip_token")])
async def test_a_token_of_the_other_kind_is_refused(caller: Caller, push_type: str, kind: str):
    request = caller.render(token=getattr(caller.phone, kind), certificate=caller.certificate_for(push_type=push_type))
    assert await caller.send(request) == (400, "DeviceTokenNotForTopic")
    assert (list(caller.phone.calls), caller.phone.tray) == ([], [])


async def test_both_tokens_of_a_phone_die_with_the_app_and_differ_after_it_is_back(caller: Caller):
    first = (caller.phone.token, caller.phone.voip_token)
    request = caller.render()
    change_phone(caller.world, caller.phone, {"app_installed": False})
    assert await caller.send(request) == (410, "Unregistered")
    change_phone(caller.world, caller.phone, {"app_installed": True})
    assert await caller.send(request) == (410, "Unregistered")
    assert len({*first, caller.phone.token, caller.phone.voip_token}) == 4
    assert await caller.send(caller.render()) == (200, "")


async def test_a_voip_services_certificate_names_the_topic_with_its_suffix(raw_h2: Any, tmp_path: Path):
    async with Sandbox(apns_listen=("127.0.0.1", 0), apns_tls_folder=tmp_path, clock=RealClock()) as sandbox:
        assert sandbox.world.authority is not None
        pem = sandbox.world.authority.push_client(f"{BUNDLE}.voip").pem
        built = build(APNS, {"client_certificate": pem, "push_type": "voip"})
        assert isinstance(built, tuple), built
        (request,) = APNS.render(notification(0), (Target(1, "ab" * 32),), Certificate(1, 1, "apns", "calls", *built), None, 0)
    assert dict(request.headers)["apns-topic"] == f"{BUNDLE}.voip"
    known = read_certificate(x509.load_pem_x509_certificate(pem).public_bytes(Encoding.DER))
    known.check(BUNDLE, "production", voip=True)
    with pytest.raises(Refusal):
        known.check(BUNDLE, "production")


def test_what_pushkit_demands_is_said_when_the_certificate_is_saved(caller: Caller):
    (problem,) = APNS.check(caller.certificate)
    assert problem.warning
    assert "CallKit" in problem.sentence
    assert APNS.check(caller.certificate_for(push_type="alert")) == []


def test_only_a_certificate_for_calls_takes_pushkit_tokens(caller: Caller):
    assert call_problem(APNS, caller.certificate) is None
    problem = call_problem(APNS, caller.certificate_for(push_type="alert"))
    assert problem is not None
    assert ".voip" in problem.sentence
    assert "push_type=voip" in problem.cure
    problem = call_problem(CHANNELS["huawei"], caller.certificate)
    assert problem is not None
    assert "calls" in problem.sentence


@pytest.mark.parametrize(
    ("options", "field"), [({"push_type": "alert", "topic": f"{BUNDLE}.voip"}, "topic"), ({"push_type": "complication"}, "push_type")]
)
def test_a_topic_or_a_type_that_cannot_be_is_refused(caller: Caller, options: dict[str, str], field: str):
    hint = caller.world.vendors["apns"].business_hint(caller.phone)
    built = build(APNS, hint["settings"] | hint["files"] | options)
    assert isinstance(built, list)
    assert [(problem.field, problem.warning) for problem in built] == [(field, False)]
    certificate = msgspec.structs.replace(caller.certificate, options=msgspec.convert({"topic": BUNDLE} | options, ApnsOptions))
    assert field in [problem.field for problem in APNS.check(certificate)]
