"""The APNs simulator on the wire: HTTP/2 only, provider tokens and certificates, Apple's reasons, delivery to the phone."""

from __future__ import annotations

import asyncio
import base64
import json
import ssl
import uuid
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import jwt
import pycurl
import pytest
import requests
from cryptography.hazmat.primitives.asymmetric import ec
from hypothesis import given
from hypothesis import strategies as st

from homing.sandbox import tls
from homing.sandbox.base import PhoneEvent, RealClock
from homing.sandbox.h2values import REFUSED_STREAM
from homing.sandbox.phone_api import change_phone, create_phone, tray_json
from homing.sandbox.phones import Phone
from homing.sandbox.server import Sandbox
from homing.sandbox.tap import open_notification
from homing.sandbox.vendors.apns import ApnsSimulator
from homing.sandbox.vendors.apns_delivery import notice_for
from homing.sandbox.vendors.apns_keys import AppleApp, Refusal, read_certificate
from homing.sandbox.vendors.apns_request import Push

BUNDLE = "com.example.im"
ALERT = {"aps": {"alert": {"title": "Li Lei", "body": "See you at 6 pm?"}}}
PRIOR: dict[int, Any] = {pycurl.HTTP_VERSION: pycurl.CURL_HTTP_VERSION_2_PRIOR_KNOWLEDGE}


class Apns:
    """A sandbox with one iPhone, seen by a provider with one open connection."""

    def __init__(self, sandbox: Sandbox, raw_h2: Any) -> None:
        self.sandbox, self.raw_h2 = sandbox, raw_h2
        self.world = sandbox.world
        simulator = self.world.vendors["apns"]
        assert isinstance(simulator, ApnsSimulator)
        self.simulator = simulator
        self.phone: Phone = self.new_phone()
        self.app: AppleApp = simulator.app_of(self.phone)
        self.client: Any = None
        self.token: str = self.jwt()  # one for the whole test, as a provider is told to do

    def new_phone(self, package: str = BUNDLE, sounds: tuple[str, ...] = ("ring.caf",), **vendor: Any) -> Phone:
        return create_phone(self.world, {"brand": "apple", "app": {"package": package, "sounds": list(sounds), "vendor": vendor}})

    @property
    def port(self) -> int:
        return int(self.sandbox.apns_url.rpartition(":")[2])

    def jwt(self, app: AppleApp | None = None, *, key: Any = None, kid: str | None = None, algorithm: str = "ES256", **claims: Any) -> str:
        app = app or self.app
        merged = {"iss": app.team_id, "iat": self.world.clock.now_ms() // 1000} | claims
        merged = {name: value for name, value in merged.items() if value is not None}
        return jwt.encode(merged, app.key if key is None else key, algorithm, {"kid": kid or app.key_id})

    def headers(self, token: str | None = None, **changes: str | None) -> list[tuple[str, str]]:
        """The headers of a push; a change of None leaves one out."""
        base = {"authorization": f"bearer {token or self.token}", "apns-topic": BUNDLE, "apns-push-type": "alert"}
        merged = base | {name.replace("_", "-"): value for name, value in changes.items()}
        return [(name, value) for name, value in merged.items() if value is not None]

    async def connect(self, **arguments: Any) -> Any:
        self.client = await self.raw_h2(self.port, **arguments)
        return self.client

    async def push(self, payload: Any = ALERT, *, device: str | None = None, method: str = "POST", path: str = "", **changes: Any) -> Any:
        """One push on the open connection (opened when there is none)."""
        if self.client is None:
            await self.connect()
        body = payload if isinstance(payload, bytes) else json.dumps(payload, ensure_ascii=False).encode()
        token = changes.pop("jwt_", None) or self.token
        where = path or f"/3/device/{device or self.phone.token}"
        return await self.client.ask(where, self.headers(token, **changes), body, method)

    def tray(self, phone: Phone | None = None) -> list[dict[str, Any]]:
        return tray_json(phone or self.phone)

    def change(self, **order: Any) -> None:
        change_phone(self.world, self.phone, order)


@pytest.fixture
async def apns(raw_h2: Any, clock: Any) -> AsyncIterator[Apns]:
    async with Sandbox(apns_listen=("127.0.0.1", 0), clock=clock) as sandbox:
        yield Apns(sandbox, raw_h2)


def reason(response: Any) -> tuple[int, str]:
    assert response.headers["content-type"] == "application/json"
    assert uuid.UUID(response.headers["apns-id"])
    return response.status, json.loads(response.body)["reason"]


# --- transport (section 1)


async def test_success_is_200_without_a_body_and_echoes_the_id(apns):
    given_id = "6f1d2a54-3c0b-4d3e-9f57-0a8a5d1e77c2"
    response = await apns.push(apns_id=given_id)
    assert (response.status, response.body, response.ended_with_headers) == (200, b"", True)
    assert response.headers == {"apns-id": given_id}
    assert uuid.UUID((await apns.push()).headers["apns-id"])


async def test_libcurl_with_prior_knowledge_is_served(apns, curl):
    headers = [f"{name}: {value}" for name, value in apns.headers()]
    answer = await curl(f"{apns.sandbox.apns_url}/3/device/{apns.phone.token}", json.dumps(ALERT).encode(), headers, PRIOR)
    assert (answer.status, answer.http_version) == (200, pycurl.CURL_HTTP_VERSION_2_0)


async def test_http1_is_not_served(apns, curl):
    headers = [f"{name}: {value}" for name, value in apns.headers()]
    with pytest.raises(pycurl.error):
        await curl(f"{apns.sandbox.base_url}/3/device/{apns.phone.token}", json.dumps(ALERT).encode(), headers)


async def test_one_stream_until_the_first_valid_token_then_a_thousand(apns):
    client = await apns.connect()
    await client.settled()
    assert client.max_streams == [1]
    await apns.push(jwt_="nonsense")
    await client.settled()
    assert client.max_streams == [1]
    await apns.push()
    await client.settled()
    assert client.max_streams == [1, 1000]
    streams = [client.request(f"/3/device/{apns.phone.token}", apns.headers(), json.dumps(ALERT).encode()) for _ in range(100)]
    assert [(await client.response(s)).status for s in streams] == [200] * 100


async def test_a_second_stream_before_the_first_valid_token_is_refused(apns):
    client = await apns.connect()
    await client.settled()
    client.conn.remote_settings[3] = 100
    client.conn.remote_settings.acknowledge()
    apns.world.faults.add({"vendor": "apns", "kind": "latency", "ms": 50, "count": 1})
    path, headers, body = f"/3/device/{apns.phone.token}", apns.headers(), json.dumps(ALERT).encode()
    first, second = client.request(path, headers, body), client.request(path, headers, body)
    assert (await client.response(second)).reset_code == REFUSED_STREAM
    assert (await client.response(first)).status == 200


async def test_an_ordered_goaway_carries_the_reason_and_leaves_the_push_unprocessed(apns):
    first = await apns.push()
    assert first.status == 200
    apns.world.faults.add({"vendor": "apns", "kind": "goaway", "count": 1})
    client = apns.client
    client.request(f"/3/device/{apns.phone.token}", apns.headers(), json.dumps(ALERT).encode())
    await client.until(lambda: bool(client.goaways))
    assert client.goaways[0].last_stream_id == 1
    assert json.loads(client.goaways[0].additional_data) == {"reason": "Shutdown"}
    await client.until(lambda: client.closed)
    assert len(apns.tray()) == 1
    await apns.connect()
    assert (await apns.push()).status == 200


async def test_a_refused_stream_was_not_processed_and_may_be_sent_again(apns):
    apns.world.faults.add({"vendor": "apns", "kind": "refused_stream", "count": 1})
    assert (await apns.push()).reset_code == REFUSED_STREAM
    assert apns.tray() == []
    assert (await apns.push()).status == 200


async def test_the_limit_of_streams_can_be_lowered_while_it_runs(apns):
    await apns.push()
    apns.world.faults.add({"vendor": "apns", "kind": "max_streams", "streams": 5, "count": 1})
    await apns.push()
    await apns.client.settled()
    assert apns.client.max_streams == [1, 1000, 5]


async def test_ordered_faults_speak_apples_language(apns):
    for status, word in (
        (503, "ServiceUnavailable"),
        (500, "InternalServerError"),
        (429, "TooManyRequests"),
        (403, "InvalidProviderToken"),
    ):
        apns.world.faults.add({"vendor": "apns", "kind": "status", "status": status, "count": 1})
        response = await apns.push()
        assert (response.status, json.loads(response.body)["reason"]) == (status, word)
        assert response.headers["apns-id"]
    apns.world.faults.add({"vendor": "apns", "kind": "quota", "count": 1})
    assert reason(await apns.push()) == (429, "TooManyRequests")
    apns.world.faults.add({"vendor": "apns", "kind": "dead_token", "count": 1})
    dead = await apns.push()
    assert reason(dead) == (410, "Unregistered")
    assert json.loads(dead.body)["timestamp"] == apns.world.clock.now_ms()
    assert apns.tray() == []


# --- headers, path, payload (section 3)


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"apns_id": "not-a-uuid"}, (400, "BadMessageId")),
        ({"apns_topic": None}, (400, "MissingTopic")),
        ({"apns_topic": "com example"}, (400, "BadTopic")),
        ({"apns_collapse_id": "x" * 65}, (400, "BadCollapseId")),
        ({"apns_priority": "7"}, (400, "BadPriority")),
        ({"apns_priority": "high"}, (400, "BadPriority")),
        ({"apns_expiration": "soon"}, (400, "BadExpirationDate")),
        ({"apns_expiration": "-1"}, (400, "BadExpirationDate")),
        ({"apns_push_type": "message"}, (400, "InvalidPushType")),
        ({"apns_push_type": "background"}, (400, "BadPriority")),
        ({"apns_push_type": "background", "apns_priority": "10"}, (400, "BadPriority")),
        ({"apns_push_type": "voip"}, (400, "TopicDisallowed")),
        ({"apns_topic": "com.example.other"}, (400, "DeviceTokenNotForTopic")),
        ({"method": "GET"}, (405, "MethodNotAllowed")),
        ({"path": "/3/devices/ab"}, (404, "BadPath")),
        ({"path": "/3/device/"}, (400, "MissingDeviceToken")),
        ({"path": "/3/device"}, (400, "MissingDeviceToken")),
        ({"device": "nothex"}, (400, "BadDeviceToken")),
        ({"device": "ab" * 32}, (400, "BadDeviceToken")),
        ({"payload": b""}, (400, "PayloadEmpty")),
        ({"payload": b'{"a":"' + b"x" * 4089 + b'"}'}, (413, "PayloadTooLarge")),
        ({"payload": b"x" * 60_000}, (413, "PayloadTooLarge")),
    ],
)
async def test_each_mistake_has_its_reason(apns, changes, expected):
    assert reason(await apns.push(**changes)) == expected
    assert apns.tray() == []


async def test_the_limits_themselves_are_taken(apns):
    payload = b'{"aps":{"alert":"a"},"k":"' + b"x" * (4096 - 28) + b'"}'
    assert len(payload) == 4096
    response = await apns.push(payload, apns_collapse_id="x" * 64, apns_priority="1", apns_expiration="0")
    assert response.status == 200
    assert (await apns.push(apns_push_type=None)).status == 200
    assert (await apns.push(device=apns.phone.token.upper())).status == 200


async def test_a_header_given_twice_is_refused(apns):
    client = await apns.connect()
    headers = [*apns.headers(), ("apns-priority", "5"), ("apns-priority", "10")]
    response = await client.ask(f"/3/device/{apns.phone.token}", headers, json.dumps(ALERT).encode())
    assert reason(response) == (400, "DuplicateHeaders")


async def test_the_earlier_check_wins(apns):
    changes: dict[str, Any] = {
        "apns_id": "x",
        "method": "GET",
        "apns_topic": None,
        "apns_collapse_id": "x" * 65,
        "apns_priority": "7",
        "apns_push_type": "x",
        "path": "/3/devices",
        "authorization": None,
        "payload": b"",
    }
    seen: list[str] = []
    for fixed in list(changes):
        seen.append(reason(await apns.push(**changes))[1])
        del changes[fixed]
    assert seen == [
        "BadMessageId",
        "MethodNotAllowed",
        "MissingTopic",
        "BadCollapseId",
        "BadPriority",
        "InvalidPushType",
        "BadPath",
        "MissingProviderToken",
        "PayloadEmpty",
    ]


# --- provider tokens (section 2.1)


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        (None, (403, "MissingProviderToken")),
        ("", (403, "MissingProviderToken")),
        ("basic abc", (403, "InvalidProviderToken")),
        ("bearer", (403, "InvalidProviderToken")),
        ("bearer a.b.c", (403, "InvalidProviderToken")),
    ],
)
async def test_what_is_no_provider_token_is_refused(apns, header, expected):
    assert reason(await apns.push(authorization=header)) == expected


async def test_bearer_is_read_in_any_case(apns):
    assert (await apns.push(authorization=f"Bearer {apns.token}")).status == 200


async def test_a_wrong_key_key_id_team_algorithm_or_time_is_invalid(apns):
    now = apns.world.clock.now_ms() // 1000
    stranger = ec.generate_private_key(ec.SECP256R1())
    tokens = [
        apns.jwt(key=stranger),
        apns.jwt(kid="ABCDE12345"),
        apns.jwt(iss="ABCDE12345"),
        apns.jwt(key="secret" * 8, algorithm="HS256"),
        apns.jwt(iat=None),
        apns.jwt(iat=True),
        apns.jwt(iat=f"{now}.5"),
        apns.jwt(iat=str(now * 1000)),
        apns.jwt(iat=now * 1000),
        apns.jwt(iat=now + 120),
    ]
    for token in tokens:
        assert reason(await apns.push(jwt_=token)) == (403, "InvalidProviderToken")


@pytest.mark.parametrize("spelling", [float, str, lambda seconds: seconds + 0.25], ids=["fraction .0", "text", "fraction"])
async def test_seconds_are_read_as_clients_in_use_spell_them(apns, spelling):
    now = apns.world.clock.now_ms() // 1000
    assert (await apns.push(jwt_=apns.jwt(iat=spelling(now)))).status == 200


async def test_a_der_signature_is_invalid(apns):
    from cryptography.hazmat.primitives import hashes

    head, claims, _ = apns.token.split(".")
    der = apns.app.key.sign(f"{head}.{claims}".encode(), ec.ECDSA(hashes.SHA256()))
    token = f"{head}.{claims}.{base64.urlsafe_b64encode(der).rstrip(b'=').decode()}"
    assert reason(await apns.push(jwt_=token)) == (403, "InvalidProviderToken")


async def test_a_token_of_more_than_an_hour_is_expired(apns, clock):
    now = clock.now_ms() // 1000
    assert reason(await apns.push(jwt_=apns.jwt(iat=now - 3601))) == (403, "ExpiredProviderToken")
    assert (await apns.push(jwt_=apns.jwt(iat=now - 3600))).status == 200


async def test_more_than_one_new_token_in_twenty_minutes_spoils_the_connection(apns, clock):
    now = clock.now_ms() // 1000
    tokens = [apns.jwt(iat=now - n) for n in range(3)]
    assert (await apns.push(jwt_=tokens[0])).status == 200
    assert (await apns.push(jwt_=tokens[1])).status == 200
    assert reason(await apns.push(jwt_=tokens[2])) == (429, "TooManyProviderTokenUpdates")
    assert reason(await apns.push(jwt_=tokens[1])) == (429, "TooManyProviderTokenUpdates")
    await apns.connect()
    assert (await apns.push(jwt_=tokens[1])).status == 200


async def test_a_new_token_every_twenty_minutes_is_fine(apns, clock):
    for _ in range(4):
        assert (await apns.push(jwt_=apns.jwt())).status == 200
        clock.advance(seconds=20 * 60)


async def test_a_connection_belongs_to_one_team(apns):
    other = apns.new_phone("com.example.other")
    foreign = apns.jwt(apns.simulator.app_of(other))
    assert (await apns.push()).status == 200
    wrong_team = await apns.push(jwt_=foreign, device=other.token, apns_topic="com.example.other")
    assert reason(wrong_team) == (403, "InvalidProviderToken")
    await apns.connect()
    assert (await apns.push(jwt_=foreign, device=other.token, apns_topic="com.example.other")).status == 200


async def test_a_key_of_another_team_may_not_push_to_the_topic(apns):
    foreign = apns.jwt(apns.simulator.app_of(apns.new_phone("com.example.other")))
    assert reason(await apns.push(jwt_=foreign)) == (400, "TopicDisallowed")


async def test_a_team_key_serves_the_teams_other_apps_and_a_topic_key_only_its_own(apns):
    sister = apns.new_phone("com.example.sister", team_id=apns.app.team_id)
    assert (await apns.push(device=sister.token, apns_topic="com.example.sister")).status == 200
    narrow = apns.new_phone("com.example.narrow", team_id=apns.app.team_id, key_scope="topic")
    token = apns.jwt(apns.simulator.app_of(narrow))
    assert reason(await apns.push(jwt_=token, device=narrow.token, apns_topic="com.example.narrow")) == (403, "UnrelatedKeyIdInToken")
    await apns.connect()
    assert (await apns.push(jwt_=token, device=narrow.token, apns_topic="com.example.narrow")).status == 200
    assert reason(await apns.push(jwt_=token)) == (400, "TopicDisallowed")


async def test_environments_are_kept_apart(apns):
    debug = apns.new_phone("com.example.debug", environment="sandbox", key_environment="sandbox")
    token = apns.jwt(apns.simulator.app_of(debug))
    push = {"jwt_": token, "apns_topic": "com.example.debug"}
    assert reason(await apns.push(device=debug.token, **push)) == (400, "BadDeviceToken")
    release = apns.new_phone("com.example.debug")
    assert reason(await apns.push(device=release.token, **push)) == (403, "BadEnvironmentKeyIdInToken")
    apns.simulator.environment = "sandbox"
    accepted = await apns.push(device=debug.token, **push)
    assert accepted.status == 200
    assert uuid.UUID(accepted.headers["apns-unique-id"])


# --- device tokens (section 4)


async def test_an_uninstalled_app_is_unregistered_since_a_moment(apns, clock):
    old = apns.phone.token
    apns.change(app_installed=False)
    since = clock.now_ms()
    for _ in range(2):
        response = await apns.push(device=old)
        assert reason(response) == (410, "Unregistered")
        assert json.loads(response.body)["timestamp"] == since
        clock.advance(seconds=5)
    apns.change(app_installed=True)
    assert apns.phone.token != old
    assert reason(await apns.push(device=old)) == (410, "Unregistered")
    assert (await apns.push()).status == 200


async def test_a_flood_to_one_device_is_too_many_requests(apns, clock):
    for _ in range(240):
        assert apns.simulator._device_minute.hit(apns.phone.id)
    assert reason(await apns.push()) == (429, "TooManyRequests")
    clock.advance(seconds=60)
    assert (await apns.push(jwt_=apns.token)).status == 200


# --- certificates (section 2.2)


class TlsApns(Apns):
    """The same with TLS, for providers that show certificates."""

    authority: tls.CertificateAuthority
    folder: Path

    async def with_certificate(self, issued: tls.Issued | None) -> Any:
        context = ssl.create_default_context(cafile=self.world.apns_ca_file)
        context.set_alpn_protocols(["h2"])
        if issued is not None:
            pair = self.folder / "client.pem"
            pair.write_bytes(issued.pem)
            context.load_cert_chain(pair)
        return await self.connect(ssl=context)


@pytest.fixture
async def tls_apns(raw_h2: Any, tmp_path: Path) -> AsyncIterator[TlsApns]:
    async with Sandbox(apns_listen=("127.0.0.1", 0), apns_tls_folder=tmp_path, clock=RealClock()) as sandbox:
        apns = TlsApns(sandbox, raw_h2)
        assert sandbox.world.authority is not None
        apns.authority, apns.folder = sandbox.world.authority, tmp_path
        yield apns


async def test_a_certificate_needs_no_token_and_no_topic(tls_apns):
    await tls_apns.with_certificate(tls_apns.authority.push_client(BUNDLE))
    assert (await tls_apns.push(authorization=None, apns_topic=None)).status == 200
    assert (await tls_apns.push(authorization="bearer nonsense")).status == 200
    await tls_apns.client.settled()
    assert tls_apns.client.max_streams == [1, 1000]


async def test_a_certificate_with_several_topics_needs_one_named(tls_apns):
    await tls_apns.with_certificate(tls_apns.authority.push_client(BUNDLE, topics=(BUNDLE, "com.example.more")))
    assert reason(await tls_apns.push(authorization=None, apns_topic=None)) == (400, "MissingTopic")
    assert (await tls_apns.push(authorization=None)).status == 200


async def test_a_certificate_of_another_app_or_environment_is_refused(tls_apns):
    await tls_apns.with_certificate(tls_apns.authority.push_client("com.example.other"))
    assert reason(await tls_apns.push(authorization=None)) == (400, "TopicDisallowed")
    assert reason(await tls_apns.push(authorization=None, apns_topic=None)) == (400, "DeviceTokenNotForTopic")
    await tls_apns.with_certificate(tls_apns.authority.push_client(BUNDLE, environments=("sandbox",)))
    assert reason(await tls_apns.push(authorization=None)) == (403, "BadCertificateEnvironment")
    await tls_apns.with_certificate(tls_apns.authority.push_client(BUNDLE, environments=()))
    assert reason(await tls_apns.push(authorization=None)) == (403, "BadCertificate")


async def test_tls_without_a_certificate_is_for_provider_tokens(tls_apns):
    await tls_apns.with_certificate(None)
    assert reason(await tls_apns.push(authorization=None)) == (403, "MissingProviderToken")
    assert (await tls_apns.push()).status == 200


async def test_tls_without_http2_is_spoken_for_the_other_vendors_and_not_for_apple(tls_apns):
    url, ca_file = tls_apns.sandbox.world.apns_tls_url, tls_apns.sandbox.world.apns_ca_file
    google = await asyncio.to_thread(requests.post, f"{url}/v1/projects/nobody/messages:send", verify=ca_file, timeout=10)
    assert (google.status_code, google.json()["error"]["status"]) == (401, "UNAUTHENTICATED")
    with pytest.raises(requests.ConnectionError):
        await asyncio.to_thread(requests.post, f"{url}/3/device/{tls_apns.phone.token}", json=ALERT, verify=ca_file, timeout=10)


async def test_the_hint_has_everything_a_certificate_needs(tls_apns, curl):
    hint = tls_apns.simulator.business_hint(tls_apns.phone)
    settings = hint["settings"]
    assert {"base_url", "key_id", "team_id", "topic", "environment", "ca_file"} == set(settings)
    now = tls_apns.world.clock.now_ms() // 1000
    token = jwt.encode({"iss": settings["team_id"], "iat": now}, hint["files"]["private_key"], "ES256", {"kid": settings["key_id"]})
    headers = [f"authorization: bearer {token}", f"apns-topic: {settings['topic']}", "apns-push-type: alert"]
    url = f"{settings['base_url']}/3/device/{tls_apns.phone.token}"
    assert (await curl(url, json.dumps(ALERT).encode(), headers, {pycurl.CAINFO: settings["ca_file"]})).status == 200
    pair = tls_apns.folder / "hint.pem"
    pair.write_text(hint["with_certificate"]["files"]["client_certificate"])
    options = {pycurl.CAINFO: settings["ca_file"], pycurl.SSLCERT: str(pair)}
    assert (await curl(url, json.dumps(ALERT).encode(), headers[1:], options)).status == 200


@given(st.binary(max_size=200))
def test_noise_is_no_certificate(noise):
    with pytest.raises(Refusal):
        read_certificate(noise)


# --- what the phone gets (sections 3.2, 5)


async def test_an_alert_is_shown_and_a_tap_hands_over_user_info(apns):
    payload = {
        "aps": {"alert": {"title": "Li Lei", "subtitle": "Group", "body": "你好"}, "badge": 7, "sound": "ring.caf", "thread-id": "g1"},
        "ext": '{"entity":{"sender":"u1001"}}',
        "msg_id": "m1",
    }
    await apns.push(payload)
    item = apns.tray()[0]
    assert (item["title"], item["body"], item["badge"], item["sound"], item["group"]) == ("Li Lei", "Group\n你好", 7, "ring.caf", "g1")
    result = open_notification(apns.phone, apns.phone.tray[0].notice)
    assert (result.activity, result.extras, result.error) == ("AppDelegate", payload, None)


@pytest.mark.parametrize(
    ("aps", "sound"),
    [
        ({"sound": "ring.caf"}, "ring.caf"),
        ({"sound": "ring"}, "default"),
        ({"sound": "missing.caf"}, "default"),
        ({"sound": "default"}, "default"),
        ({}, None),
        ({"sound": {"critical": 1, "name": "ring.caf", "volume": 0.5}}, "ring.caf"),
        ({"sound": "ring.caf", "interruption-level": "passive"}, None),
    ],
)
async def test_a_sound_must_be_in_the_app(apns, aps, sound):
    await apns.push({"aps": {"alert": "a", **aps}})
    assert apns.tray()[0]["sound"] == sound


async def test_an_equal_collapse_id_replaces(apns):
    for n, collapse in enumerate(["c", "c", None, None]):
        await apns.push({"aps": {"alert": str(n)}}, apns_collapse_id=collapse)
    assert [item["body"] for item in apns.tray()] == ["1", "2", "3"]


async def test_the_badge_is_absolute_and_stays_when_it_is_not_said(apns):
    await apns.push({"aps": {"alert": "a", "badge": 5}})
    await apns.push({"aps": {"alert": "b"}})
    assert [item["badge"] for item in apns.tray()] == [5, 5]
    await apns.push({"aps": {"badge": 0}})
    assert (apns.phone.badge, len(apns.tray())) == (0, 2)


async def test_a_silent_push_shows_nothing_and_wakes_the_app(apns):
    response = await apns.push({"aps": {"content-available": 1}, "k": "v"}, apns_push_type="background", apns_priority="5")
    assert response.status == 200
    assert apns.tray() == []
    assert apns.phone.app_messages[0]["extras"]["k"] == "v"


async def test_the_service_extension_attaches_the_image_only_when_it_runs(apns):
    await apns.push({"aps": {"alert": "a"}, "image": "https://img.example.com/a.jpg"})
    await apns.push({"aps": {"alert": "a", "mutable-content": 1}, "image": "https://img.example.com/a.jpg"})
    assert [item["image"] for item in apns.tray()] == ["", "https://img.example.com/a.jpg"]


@pytest.mark.parametrize("payload", [b"no json", b"[]", b"{}", b'{"aps":{}}', b'{"aps":{"alert":5}}', b'{"aps":{"alert":{"title":""}}}'])
async def test_a_payload_without_an_alert_is_accepted_and_never_seen(apns, payload):
    assert (await apns.push(payload)).status == 200
    assert apns.tray() == []
    assert apns.world.events[-1]["event"] == PhoneEvent.NOT_SHOWN
    assert apns.world.requests[-1].reason


async def test_one_notification_is_kept_for_a_phone_that_is_away(apns):
    apns.change(offline=True)
    for n in range(3):
        await apns.push({"aps": {"alert": str(n)}})
    apns.change(offline=False)
    assert [item["body"] for item in apns.tray()] == ["2"]


async def test_expiration_is_honoured_and_zero_is_now_or_never(apns, clock):
    apns.change(offline=True)
    await apns.push({"aps": {"alert": "never"}}, apns_expiration="0")
    assert not apns.phone.stored
    await apns.push({"aps": {"alert": "short"}}, apns_expiration=str(clock.now_ms() // 1000 + 10))
    clock.advance(seconds=10)
    apns.change(offline=False)
    assert apns.tray() == []
    assert (await apns.push({"aps": {"alert": "now"}}, apns_expiration="0")).status == 200
    assert [item["body"] for item in apns.tray()] == ["now"]


async def test_low_priority_waits_for_a_sleeping_phone(apns):
    apns.change(doze=True)
    await apns.push({"aps": {"alert": "low"}}, apns_priority="5")
    assert apns.tray() == []
    apns.change(doze=False)
    assert [item["body"] for item in apns.tray()] == ["low"]


async def test_the_app_in_the_foreground_and_switched_off_notifications_show_nothing(apns):
    apns.change(app_state="foreground")
    assert (await apns.push()).status == 200
    apns.change(app_state="background", notifications_enabled=False)
    assert (await apns.push()).status == 200
    assert apns.tray() == []


@given(
    st.recursive(st.none() | st.booleans() | st.integers() | st.text(), lambda c: st.lists(c) | st.dictionaries(st.text(), c), max_leaves=8)
)
def test_no_payload_breaks_the_phone(value):
    phone = Phone("p", "apple", "apns", BUNDLE, None, "AppDelegate")
    push = Push("id", BUNDLE, "alert", 10, None, None, "ab")
    keys = ("alert", "badge", "sound", "thread-id", "interruption-level", "mutable-content", "content-available")
    for body in (value, {"aps": value}, {"aps": dict.fromkeys(keys, value), "image": value}):
        notice, reason_ = notice_for(phone, push, json.dumps(body).encode(), 0)
        assert isinstance(notice.title + notice.body + notice.group + notice.image + reason_, str)
