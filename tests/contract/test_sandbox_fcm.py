"""The FCM simulator on the wire: log-in, the strict reader of proto3 JSON, errors with their envelopes, delivery to the phone."""

from __future__ import annotations

import asyncio
import functools
import json
from collections.abc import AsyncIterator
from typing import Any
from urllib.parse import urlencode

import jwt
import pycurl
import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from hypothesis import given
from hypothesis import strategies as st

from homing.sandbox.base import PhoneEvent, SimRequest
from homing.sandbox.phone_api import change_phone, create_phone, tray_json
from homing.sandbox.phones import Phone
from homing.sandbox.server import Sandbox
from homing.sandbox.tap import open_notification
from homing.sandbox.vendors.fcm import FcmSimulator
from homing.sandbox.vendors.fcm_oauth import ServiceAccount
from homing.sandbox.vendors.fcm_rules import is_condition
from homing.sandbox.world import World

SCOPE = "https://www.googleapis.com/auth/firebase.messaging"
GRANT = "urn:ietf:params:oauth:grant-type:jwt-bearer"
MANIFEST = """<manifest xmlns:android="http://schemas.android.com/apk/res/android" package="com.example.im"><application>
  <meta-data android:name="com.google.firebase.messaging.default_notification_channel_id" android:value="im_default"/>
  <activity android:name=".Main" android:exported="true"><intent-filter>
    <action android:name="android.intent.action.MAIN"/><category android:name="android.intent.category.LAUNCHER"/>
  </intent-filter></activity>
  <activity android:name=".Chat" android:exported="false"><intent-filter>
    <action android:name="com.example.im.OPEN_CHAT"/><category android:name="android.intent.category.DEFAULT"/>
  </intent-filter></activity>
</application></manifest>"""


class Fcm:
    """A sandbox with one phone, seen by a sender."""

    def __init__(self, sandbox: Sandbox, curl: Any) -> None:
        self.sandbox, self.curl = sandbox, curl
        self.world = sandbox.world
        simulator = self.world.vendors["fcm"]
        assert isinstance(simulator, FcmSimulator)
        self.simulator = simulator
        self.phone: Phone = self.new_phone()
        self.hint = simulator.business_hint(self.phone)
        self.account: dict[str, Any] = json.loads(self.hint["files"]["service_account"])
        self.access_token: str = ""

    def new_phone(self, package: str = "com.example.im", **order: Any) -> Phone:
        return create_phone(self.world, {"brand": "google", "app": {"manifest": MANIFEST, "package": package}, **order})

    def assertion(self, key: Any = None, **claims: Any) -> str:
        now = self.world.clock.now_ms() // 1000
        base = {
            "iss": self.account["client_email"],
            "scope": SCOPE,
            "aud": "https://oauth2.googleapis.com/token",
            "iat": now,
            "exp": now + 3600,
        }
        merged = {name: value for name, value in (base | claims).items() if value is not None}
        return jwt.encode(merged, key or self.account["private_key"], "RS256", {"kid": self.account["private_key_id"]})

    async def login(self, assertion: str | None = None, **form: str) -> tuple[int, dict[str, Any]]:
        fields = {"grant_type": GRANT, "assertion": self.assertion() if assertion is None else assertion} | form
        headers = ["content-type: application/x-www-form-urlencoded"]
        answer = await self.curl(f"{self.sandbox.base_url}/token", urlencode(fields).encode(), headers)
        return answer.status, json.loads(answer.body)

    async def post(self, body: bytes, *, project: str | None = None, token: str | None = None, options: Any = None) -> Any:
        if not self.access_token:
            self.access_token = (await self.login())[1]["access_token"]
        url = f"{self.sandbox.base_url}/v1/projects/{project or self.account['project_id']}/messages:send"
        bearer = self.access_token if token is None else token
        headers = ["content-type: application/json", *([f"authorization: Bearer {bearer}"] if bearer else [])]
        return await self.curl(url, body, headers, options)

    async def send(self, message: dict[str, Any], *, phone: Phone | None = None, **top: Any) -> Any:
        """Send to the phone unless the message names a target."""
        targeted = message if {"token", "fid", "topic", "condition"} & set(message) else {"token": (phone or self.phone).token, **message}
        return await self.post(json.dumps({"message": targeted, **top}).encode())

    def tray(self, phone: Phone | None = None) -> list[dict[str, Any]]:
        return tray_json(phone or self.phone)

    def change(self, **order: Any) -> None:
        change_phone(self.world, self.phone, order)


@functools.cache
def shared_key() -> rsa.RSAPrivateKey:
    """Making an RSA key takes longer than a test."""
    return rsa.generate_private_key(public_exponent=65537, key_size=2048)


@pytest.fixture
async def fcm(curl: Any, clock: Any, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Fcm]:
    def make(project_id: str) -> ServiceAccount:
        return ServiceAccount(project_id, f"firebase@{project_id}.iam.gserviceaccount.com", "ab" * 20, shared_key())

    monkeypatch.setattr(ServiceAccount, "make", make)
    async with Sandbox(clock=clock) as sandbox:
        yield Fcm(sandbox, curl)


def error(answer: Any) -> tuple[int, str, str | None]:
    """HTTP status, canonical status, FcmError code; and checks the envelope."""
    value = json.loads(answer.body)["error"]
    assert value["code"] == answer.status
    code = next((d["errorCode"] for d in value.get("details", ()) if d["@type"].endswith("google.firebase.fcm.v1.FcmError")), None)
    return answer.status, value["status"], code


def fields(answer: Any) -> list[str]:
    """The fields of the BadRequest detail."""
    details = json.loads(answer.body)["error"]["details"]
    bad = next(d for d in details if d["@type"] == "type.googleapis.com/google.rpc.BadRequest")
    return [violation.get("field", "") for violation in bad["fieldViolations"]]


# --- log-in (section 2)


async def test_an_assertion_of_the_registered_key_is_answered_with_a_token(fcm):
    status, answer = await fcm.login()
    assert status == 200
    assert (answer["expires_in"], answer["token_type"]) == (3599, "Bearer")
    assert answer["access_token"].startswith("ya29.")


async def test_the_audience_may_be_the_simulators_own_url(fcm):
    assert (await fcm.login(fcm.assertion(aud=f"{fcm.sandbox.base_url}/token")))[0] == 200


@pytest.mark.parametrize(
    ("claims", "code"),
    [
        ({"iss": "nobody@example.com"}, "invalid_grant"),
        ({"aud": "https://example.com"}, "invalid_grant"),
        ({"scope": "https://www.googleapis.com/auth/drive"}, "invalid_scope"),
        ({"scope": None}, "invalid_scope"),
        ({"exp": None}, "invalid_grant"),
        ({"iat": "today"}, "invalid_grant"),
    ],
)
async def test_wrong_claims_are_refused(fcm, claims, code):
    status, answer = await fcm.login(fcm.assertion(**claims))
    assert (status, answer["error"]) == (400, code)
    assert answer["error_description"]


async def test_times_are_taken_with_five_minutes_of_skew_and_an_hour_at_most(fcm):
    now = fcm.world.clock.now_ms() // 1000
    assert (await fcm.login(fcm.assertion(iat=now + 290, exp=now + 3000)))[0] == 200
    assert (await fcm.login(fcm.assertion(iat=now + 310, exp=now + 3000)))[0] == 400
    assert (await fcm.login(fcm.assertion(iat=now - 3600, exp=now - 290)))[0] == 200
    assert (await fcm.login(fcm.assertion(iat=now - 3600, exp=now - 310)))[0] == 400
    assert (await fcm.login(fcm.assertion(iat=now, exp=now + 3601)))[0] == 400


async def test_a_foreign_key_an_unsigned_assertion_and_noise_are_refused(fcm):
    stranger = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    unsigned = jwt.encode({"iss": fcm.account["client_email"]}, "", "none")
    for assertion in (fcm.assertion(stranger), unsigned, "a.b.c", "", "\u4f60"):
        status, answer = await fcm.login(assertion)
        assert (status, answer["error"]) in ((400, "invalid_grant"), (400, "invalid_request"))


async def test_other_grant_types_are_unsupported(fcm):
    assert (await fcm.login(grant_type="password"))[1]["error"] == "unsupported_grant_type"


# --- order of the checks (section 8, item 2)


async def test_a_missing_or_unknown_token_is_401_before_anything_else(fcm):
    for token in ("", "ya29.unknown"):
        assert error(await fcm.post(b"no json", project="nowhere", token=token)) == (401, "UNAUTHENTICATED", None)


async def test_an_expired_token_is_401(fcm, clock):
    assert (await fcm.send({})).status == 200
    clock.advance(seconds=3600)
    assert error(await fcm.send({})) == (401, "UNAUTHENTICATED", None)


async def test_a_project_of_another_account_is_403_and_an_unknown_one_404_without_fcm_error(fcm):
    other = fcm.simulator.project_of("com.example.other")
    assert error(await fcm.post(b"no json", project=other.id)) == (403, "PERMISSION_DENIED", None)
    assert error(await fcm.post(b"no json", project="nowhere")) == (404, "NOT_FOUND", None)


async def test_a_field_error_comes_before_the_look_up_of_the_target(fcm):
    answer = await fcm.send({"token": "x:APA91bnowhere0000", "android": {"ttl": "-1s"}})
    assert error(answer) == (400, "INVALID_ARGUMENT", "INVALID_ARGUMENT")
    assert fields(answer) == ["message.android.ttl"]


async def test_paths_that_google_took_away_are_html_404(fcm):
    for path in ("/batch", "/fcm/send", "/v1/projects/x/messages"):
        answer = await fcm.curl(fcm.sandbox.base_url + path, b"{}")
        assert (answer.status, answer.headers["content-type"]) == (404, "text/html; charset=UTF-8")


# --- the reader (section 3)


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b'"x"', b"\xff\xfe", b'{"message": NaN}', b"[" * 100_000])
async def test_what_is_no_json_object_is_400(fcm, body):
    assert error(await fcm.post(body)) == (400, "INVALID_ARGUMENT", None)


@pytest.mark.parametrize(
    ("message", "field"),
    [
        ({"colour": "red"}, "message"),
        ({"android": {"prio": "high"}}, "message.android"),
        ({"android": {"notification": {"channelID": "x"}}}, "message.android.notification"),
        ({"data": {"a": "b", "n": 12}}, "message.data[1].value"),
        ({"data": {"n": None}}, "message.data[0].value"),
        ({"data": "x"}, "message.data"),
        ({"notification": {"title": 5}}, "message.notification.title"),
        ({"notification": "x"}, "message.notification"),
        ({"android": {"priority": "urgent"}}, "message.android.priority"),
        ({"android": {"ttl": "3600"}}, "message.android.ttl"),
        ({"android": {"ttl": 3600}}, "message.android.ttl"),
        ({"android": {"direct_boot_ok": "true"}}, "message.android.direct_boot_ok"),
        ({"android": {"notification": {"notification_count": 1.5}}}, "message.android.notification.notification_count"),
        ({"android": {"notification": {"notification_count": 2**31}}}, "message.android.notification.notification_count"),
        ({"android": {"notification": {"visibility": "HIDDEN"}}}, "message.android.notification.visibility"),
        ({"android": {"notification": {"event_time": "yesterday"}}}, "message.android.notification.event_time"),
        ({"android": {"notification": {"vibrate_timings": ["x"]}}}, "message.android.notification.vibrate_timings[0]"),
        ({"apns": {"headers": {"apns-priority": 10}}}, "message.apns.headers[0].value"),
        ({"android_v2": {"priority": "high", "background_sync": {}}}, "message.android_v2"),
        ({"notification": {"title": "\ud800"}}, "message.notification.title"),
        ({"token": "a", "topic": "b"}, "message"),
    ],
)
async def test_unknown_names_and_wrong_types_are_400_with_the_field_and_no_fcm_error(fcm, message, field):
    answer = await fcm.send(message)
    assert error(answer) == (400, "INVALID_ARGUMENT", None)
    assert fields(answer) == [field]


async def test_a_number_in_data_is_refused_in_googles_words(fcm):
    answer = await fcm.send({"data": {"n": 12}})
    assert json.loads(answer.body)["error"]["message"] == "Invalid value at 'message.data[0].value' (TYPE_STRING), 12"


@pytest.mark.parametrize(
    ("message", "field"),
    [
        ({"data": {"from": "x"}}, "message.data"),
        ({"data": {"message_type": "x"}}, "message.data"),
        ({"data": {"collapse_key": "x"}}, "message.data"),
        ({"data": {"google.c.a": "x"}}, "message.data"),
        ({"android": {"data": {"gcm.n.e": "1"}}}, "message.android.data"),
        ({"android": {"ttl": "2419201s"}}, "message.android.ttl"),
        ({"android": {"ttl": "-1s"}}, "message.android.ttl"),
        ({"android": {"notification": {"color": "red"}}}, "message.android.notification.color"),
        ({"android": {"notification": {"title_loc_args": ["x"]}}}, "message.android.notification.title_loc_key"),
        ({"android": {"notification": {"light_settings": {"color": {}}}}}, "message.android.notification.light_settings.light_on_duration"),
        ({"fcm_options": {"analytics_label": "a b"}}, "message.fcm_options.analytics_label"),
        ({"topic": "/topics/x"}, "message.topic"),
        ({"condition": "'a' in topics &&"}, "message.condition"),
        ({"android": {"restricted_package_name": "com.other"}}, "message.android.restricted_package_name"),
        ({"android": {}, "android_v2": {"background_sync": {}}}, "message.android_v2"),
        ({"android_v2": {}}, "message.android_v2"),
        ({"webpush": {"fcm_options": {"link": "http://example.com"}}}, "message.webpush.fcm_options.link"),
        ({"data": {"k": "x" * 4096}}, "message"),
        ({"notification": {"body": "你" * 1366}}, "message"),
        ({"topic": "news", "data": {"k": "x" * 2048}}, "message"),
    ],
)
async def test_forbidden_values_are_400_with_field_and_fcm_error(fcm, message, field):
    answer = await fcm.send(message)
    assert error(answer) == (400, "INVALID_ARGUMENT", "INVALID_ARGUMENT")
    assert field in fields(answer)
    assert fcm.tray() == []


async def test_the_largest_payload_is_taken(fcm):
    assert (await fcm.send({"data": {"k": "x" * 4095}})).status == 200
    assert (await fcm.send({"notification": {"body": "你" * 1365}})).status == 200


async def test_both_spellings_of_names_are_read_and_the_samples_shape_is_taken(fcm):
    sample = {
        "data": {"ext": '{"entity":{"sender":"u1001"}}', "conv": "c2c_u1001"},
        "notification": {"title": "Li Lei", "body": "See you at 6 pm?"},
        "android": {
            "priority": "high",
            "ttl": "86400s",
            "restrictedPackageName": "com.example.im",
            "notification": {
                "channelId": "im_messages",
                "sound": "ring_short",
                "tag": "c2c_u1001",
                "click_action": "com.example.im.OPEN_CHAT",
                "notificationCount": 7,
                "visibility": "PRIVATE",
                "notification_priority": "PRIORITY_HIGH",
                "event_time": "2026-11-24T08:00:00.123Z",
                "vibrate_timings": ["0s", "0.200000000s"],
                "light_settings": {
                    "color": {"red": 1, "green": 0.5, "blue": 0, "alpha": 1},
                    "light_on_duration": "1s",
                    "light_off_duration": "1.500s",
                },
                "proxy": "ALLOW",
            },
            "fcm_options": {"analytics_label": "im_c2c"},
        },
        "apns": {"headers": {"apns-priority": "10"}, "payload": {"aps": {"badge": 1}}},
    }
    answer = await fcm.send(sample)
    assert answer.status == 200
    project = fcm.account["project_id"]
    assert json.loads(answer.body)["name"].startswith(f"projects/{project}/messages/0:")
    assert "%" in json.loads(answer.body)["name"]


async def test_no_recipient_has_its_own_sentence(fcm):
    for message in ({}, {"token": ""}):
        answer = await fcm.post(json.dumps({"message": message}).encode())
        assert json.loads(answer.body)["error"]["message"] == "Recipient of the message is not set."
        assert error(answer)[0] == 400


@given(
    st.recursive(st.none() | st.booleans() | st.integers() | st.text(), lambda c: st.lists(c) | st.dictionaries(st.text(), c), max_leaves=8)
)
def test_no_value_breaks_the_reader(value):
    async def scenario() -> None:
        world = World()
        simulator = FcmSimulator(world)
        project: Any = FakeProject()
        simulator._by_name["p"] = project
        access: Any = FakeAccess()
        simulator.oauth._tokens["t"] = access
        request = SimRequest("POST", "/v1/projects/p/messages:send", headers={"authorization": "Bearer t"})
        for body in (value, {"message": value}, {"message": {"android": value, "data": value}}):
            request.body = json.dumps(body).encode()
            assert (await simulator.handle(request)).status in (200, 400, 404)
        assert project.id

    asyncio.run(scenario())


class FakeProject:
    id = "p"
    number = "1"


class FakeAccess:
    project_id = "p"
    expires_at_ms = 2**62


@pytest.mark.parametrize(
    ("text", "good"),
    [
        ("'a' in topics", True),
        ("'a' in topics && ('b' in topics || !('c' in topics))", True),
        (" && ".join(["'a' in topics"] * 5), True),
        (" && ".join(["'a' in topics"] * 6), False),
        ("'a' in topics 'b' in topics", False),
        ("('a' in topics", False),
        ("a in topics", False),
        ("", False),
    ],
)
def test_conditions(text, good):
    assert is_condition(text) is good


# --- tokens (section 4.2)


async def test_a_malformed_token_is_invalid_argument(fcm):
    answer = await fcm.send({"token": "not a token"})
    assert error(answer) == (400, "INVALID_ARGUMENT", "INVALID_ARGUMENT")
    assert json.loads(answer.body)["error"]["message"] == "The registration token is not a valid FCM registration token"


async def test_unknown_and_uninstalled_tokens_are_unregistered(fcm):
    unknown = fcm.phone.token[:-4] + "0000"
    assert error(await fcm.send({"token": unknown})) == (404, "NOT_FOUND", "UNREGISTERED")
    old = fcm.phone.token
    fcm.change(app_installed=False)
    assert error(await fcm.send({"token": old})) == (404, "NOT_FOUND", "UNREGISTERED")
    fcm.change(app_installed=True)
    assert error(await fcm.send({"token": old})) == (404, "NOT_FOUND", "UNREGISTERED")
    assert (await fcm.send({})).status == 200


async def test_an_installation_id_is_a_target_too_and_a_bad_one_is_unregistered(fcm):
    fid = fcm.phone.token.partition(":")[0]
    assert (await fcm.send({"fid": fid, "notification": {"title": "t", "body": "b"}})).status == 200
    assert len(fcm.tray()) == 1
    assert error(await fcm.send({"fid": "???"})) == (404, "NOT_FOUND", "UNREGISTERED")


async def test_a_token_of_another_project_is_a_sender_mismatch(fcm):
    other = fcm.new_phone("com.example.other")
    assert error(await fcm.send({"token": other.token})) == (403, "PERMISSION_DENIED", "SENDER_ID_MISMATCH")


async def test_a_broken_apple_key_is_401_about_the_third_party(fcm):
    fcm.phone.vendor_settings["third_party_auth_error"] = True
    assert error(await fcm.send({})) == (401, "UNAUTHENTICATED", "THIRD_PARTY_AUTH_ERROR")


async def test_the_project_number_names_the_project_too(fcm):
    number = fcm.simulator.project_of("com.example.im").number
    body = json.dumps({"message": {"token": fcm.phone.token}}).encode()
    assert (await fcm.post(body, project=number)).status == 200


async def test_validate_only_checks_everything_and_delivers_nothing(fcm):
    good = await fcm.send({"notification": {"title": "t"}}, validate_only=True)
    assert json.loads(good.body)["name"] == f"projects/{fcm.account['project_id']}/messages/fake_message_id"
    assert fcm.tray() == []
    assert (await fcm.send({"data": {"from": "x"}}, validate_only=True)).status == 400


async def test_topics_and_conditions_are_accepted_with_a_numeric_id(fcm):
    for target in ({"topic": "news"}, {"condition": "'a' in topics || 'b' in topics"}):
        answer = await fcm.send(target)
        assert answer.status == 200
        assert json.loads(answer.body)["name"].rpartition("/")[2].isdecimal()


# --- quotas and faults (section 5)


async def test_a_device_takes_240_a_minute_and_then_says_when_to_come_back(fcm, clock):
    for _ in range(240):
        assert fcm.simulator._device_minute.hit(fcm.phone.id)
    answer = await fcm.send({})
    assert error(answer) == (429, "RESOURCE_EXHAUSTED", "QUOTA_EXCEEDED")
    assert answer.headers["retry-after"] == "60"
    details = json.loads(answer.body)["error"]["details"]
    assert any(d["@type"] == "type.googleapis.com/google.rpc.QuotaFailure" and d["violations"] for d in details)
    clock.advance(seconds=60)
    assert (await fcm.send({})).status == 200


async def test_ordered_faults_speak_googles_language(fcm):
    faults = fcm.world.faults
    faults.add({"vendor": "fcm", "kind": "dead_token", "token": fcm.phone.token, "count": 1})
    assert error(await fcm.send({})) == (404, "NOT_FOUND", "UNREGISTERED")
    faults.add({"vendor": "fcm", "kind": "quota", "retry_after": 7, "count": 1})
    limited = await fcm.send({})
    assert (error(limited), limited.headers["retry-after"]) == ((429, "RESOURCE_EXHAUSTED", "QUOTA_EXCEEDED"), "7")
    faults.add({"vendor": "fcm", "kind": "status", "status": 503, "count": 1})
    assert error(await fcm.send({})) == (503, "UNAVAILABLE", "UNAVAILABLE")
    faults.add({"vendor": "fcm", "kind": "status", "status": 502, "body": "html", "count": 1})
    assert (await fcm.send({})).headers["content-type"] == "text/html"
    assert (await fcm.send({})).status == 200


# --- HTTP versions


async def test_the_same_address_speaks_http1_and_http2(fcm):
    body = json.dumps({"message": {"token": fcm.phone.token}}).encode()
    for option, version in (
        (pycurl.CURL_HTTP_VERSION_1_1, pycurl.CURL_HTTP_VERSION_1_1),
        (pycurl.CURL_HTTP_VERSION_2_PRIOR_KNOWLEDGE, pycurl.CURL_HTTP_VERSION_2_0),
    ):
        answer = await fcm.post(body, options={pycurl.HTTP_VERSION: option})
        assert (answer.status, answer.http_version) == (200, version)


async def test_goaway_over_http2_leaves_the_request_unprocessed(fcm, raw_h2):
    await fcm.send({})
    fcm.world.faults.add({"vendor": "fcm", "kind": "goaway", "count": 1})
    client = await raw_h2(int(fcm.sandbox.base_url.rpartition(":")[2]))
    path = f"/v1/projects/{fcm.account['project_id']}/messages:send"
    headers = [("authorization", f"Bearer {fcm.access_token}")]
    body = json.dumps({"message": {"token": fcm.phone.token, "notification": {"title": "t"}}}).encode()
    client.request(path, headers, body)
    await client.until(lambda: bool(client.goaways))
    assert client.goaways[0].last_stream_id == 0
    assert fcm.tray() == []


# --- what the phone gets (sections 3.3, 5, 6)


async def test_a_notification_is_shown_with_its_channel_and_the_channels_sound(fcm):
    fcm.change(channels=[{"id": "im", "sound": "private_ring"}])
    shown = {"channel_id": "im", "sound": "other", "title": "own title"}
    await fcm.send({"notification": {"title": "T", "body": "B"}, "android": {"notification": shown}})
    item = fcm.tray()[0]
    assert (item["title"], item["body"], item["channel"], item["sound"]) == ("own title", "B", "im", "private_ring")


async def test_a_missing_channel_falls_back_to_the_manifests_and_then_to_the_sdks(fcm):
    message = {"notification": {"title": "T"}, "android": {"notification": {"channel_id": "nope"}}}
    await fcm.send(message)
    fcm.change(channels=[{"id": "im_default"}])
    await fcm.send(message)
    assert [item["channel"] for item in fcm.tray()] == ["fcm_fallback_notification_channel", "im_default"]


async def test_an_equal_tag_replaces_and_none_adds(fcm):
    for n, tag in enumerate(["a", "a", None, None]):
        android = {"notification": {"tag": tag}}
        await fcm.send({"notification": {"title": str(n)}, "android": android})
    assert [item["title"] for item in fcm.tray()] == ["1", "2", "3"]


async def test_the_badge_is_the_count_or_one_more(fcm):
    await fcm.send({"notification": {"title": "a"}, "android": {"notification": {"notification_count": 7}}})
    await fcm.send({"notification": {"title": "b"}})
    assert [item["badge"] for item in fcm.tray()] == [7, 8]


async def test_a_click_action_opens_its_page_with_the_data_and_none_the_launcher(fcm):
    data = {"ext": '{"a":1}', "msg_id": "m1"}
    await fcm.send(
        {"notification": {"title": "a"}, "data": data, "android": {"notification": {"click_action": "com.example.im.OPEN_CHAT"}}}
    )
    await fcm.send({"notification": {"title": "b"}, "data": data})
    await fcm.send({"notification": {"title": "c"}, "android": {"notification": {"click_action": "nowhere"}}})
    results = [open_notification(fcm.phone, item.notice) for item in fcm.phone.tray]
    assert [r.activity for r in results] == ["com.example.im.Chat", "com.example.im.Main", None]
    assert results[2].error
    for result in results[:2]:
        assert result.extras.items() >= data.items()
        assert not [key for key in result.extras if key.startswith("gcm.")]


async def test_android_data_replaces_the_common_data(fcm):
    await fcm.send({"notification": {"title": "a"}, "data": {"a": "1"}, "android": {"data": {"b": "2"}}})
    extras = fcm.phone.tray[0].notice.extras
    assert ("a" in extras, extras["b"]) == (False, "2")


async def test_a_data_message_goes_to_the_app_and_shows_nothing(fcm):
    await fcm.send({"data": {"a": "1"}})
    assert fcm.tray() == []
    assert [m["extras"] for m in fcm.phone.app_messages] == [{"a": "1"}]


async def test_in_the_foreground_the_app_gets_the_notification(fcm):
    fcm.change(app_state="foreground")
    await fcm.send({"notification": {"title": "a"}})
    assert (fcm.tray(), fcm.phone.app_messages[0]["title"]) == ([], "a")


async def test_of_ten_notifications_for_a_phone_that_is_away_the_last_arrives_and_all_data_messages_do(fcm):
    fcm.change(offline=True)
    for n in range(10):
        await fcm.send({"notification": {"title": str(n)}, "android": {"collapse_key": f"k{n}"}})
        await fcm.send({"data": {"n": str(n)}})
    fcm.change(offline=False)
    assert [item["title"] for item in fcm.tray()] == ["9"]
    assert [m["extras"]["n"] for m in fcm.phone.app_messages] == [str(n) for n in range(10)]


async def test_the_hundred_and_first_stored_message_discards_all(fcm):
    fcm.change(offline=True)
    for n in range(101):
        await fcm.send({"data": {"n": str(n)}})
    fcm.change(offline=False)
    assert not fcm.phone.app_messages


async def test_four_collapse_keys_are_kept_for_a_phone_that_is_away(fcm):
    fcm.change(offline=True)
    for n in range(5):
        for turn in range(2):
            await fcm.send({"data": {"n": f"{n}.{turn}"}, "android": {"collapse_key": f"k{n}"}})
    fcm.change(offline=False)
    assert [m["extras"]["n"] for m in fcm.phone.app_messages] == ["1.1", "2.1", "3.1", "4.1"]


async def test_ttl_is_honoured_and_zero_is_now_or_never(fcm, clock):
    fcm.change(offline=True)
    await fcm.send({"data": {"n": "now"}, "android": {"ttl": "0s"}})
    await fcm.send({"data": {"n": "short"}, "android": {"ttl": "10.9s"}})
    await fcm.send({"data": {"n": "long"}, "android": {"ttl": "100s"}})
    clock.advance(seconds=10)
    fcm.change(offline=False)
    assert [m["extras"]["n"] for m in fcm.phone.app_messages] == ["long"]


async def test_a_dozing_phone_gets_high_priority_at_once_and_the_rest_later(fcm):
    fcm.change(doze=True)
    await fcm.send({"notification": {"title": "normal"}})
    await fcm.send({"notification": {"title": "high"}, "android": {"priority": "high"}})
    assert [item["title"] for item in fcm.tray()] == ["high"]
    fcm.change(doze=False)
    assert [item["title"] for item in fcm.tray()] == ["high", "normal"]


async def test_a_phone_not_seen_for_a_month_is_accepted_and_discarded(fcm):
    fcm.change(inactive=True)
    assert (await fcm.send({"notification": {"title": "a"}})).status == 200
    assert fcm.tray() == []
    assert fcm.world.events[-1]["event"] == PhoneEvent.EXPIRED


async def test_a_remote_notification_does_not_collapse(fcm):
    fcm.change(offline=True)
    for n in range(3):
        shown = {"title": str(n), "id": n}
        await fcm.send({"android_v2": {"remote_notification": {"notification": shown}}})
    fcm.change(offline=False)
    assert [item["title"] for item in fcm.tray()] == ["0", "1", "2"]
