"""FCM against the vendor sheet: requests, limits, the table of answers code by code, log-in."""

from __future__ import annotations

import json
from typing import Any
from urllib.parse import parse_qs

import jwt
import msgspec
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from hypothesis import given, settings
from hypothesis import strategies as st

from homing.channels.fcm import FcmChannel, FcmCredentials, FcmOptions
from homing.model.certificates import Certificate
from homing.model.notification import Notification, Target
from homing.model.outcome import Evidence, Grant, Outcome, OutcomeKind, VendorRequest, VendorResponse
from homing.model.push_info import AndroidInfo, OfflinePushInfo

NOW_MS = 1_795_000_000_000
KEY = rsa.generate_private_key(public_exponent=65537, key_size=2048)
PEM = KEY.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()).decode()
ACCOUNT = {
    "type": "service_account",
    "project_id": "im-demo",
    "private_key_id": "kid-1",
    "private_key": PEM,
    "client_email": "push@im-demo.iam.gserviceaccount.com",
    "token_uri": "https://oauth2.googleapis.com/token",
}
FCM = FcmChannel()
GRANT = Grant("ya29.secret", NOW_MS + 3_600_000, NOW_MS)
TARGET = Target(144115188075855881, "dQw3xSimToken0000000000:APA91bSIMULATED-0001")


def certificate(account: dict[str, Any] | None = None, **options: Any) -> Certificate:
    credentials = FcmCredentials(service_account=json.dumps(account or ACCOUNT))
    return Certificate(1400000001, 15518, "fcm", "fcm", credentials, FcmOptions(**options))


def notification(**changes: Any) -> Notification:
    values: dict[str, Any] = {
        "title": "Li Lei",
        "body": "See you at 6 pm?",
        "ext": '{"entity":{"sender":"u1001","chatType":1,"action":1}}',
        "conversation_id": "c2c_u1001",
        "msg_id": "144115-1732437600-88",
        "notify_id": 481516,
        "collapse_id": "c2c_u1001",
        "wishes": OfflinePushInfo(),
        "expires_at_ms": NOW_MS + 86_400_000,
        "badge": 7,
    }
    return Notification(**(values | changes))


def render(note: Notification, cert: Certificate, *targets: Target) -> list[VendorRequest]:
    return FCM.render(note, targets or (TARGET,), cert, GRANT, NOW_MS)


def message(request: VendorRequest) -> dict[str, Any]:
    body = json.loads(request.body)
    assert set(body) == {"message"}
    return dict(body["message"])


def answer(status: int, body: Any, headers: dict[str, str] | None = None) -> Outcome:
    request = render(notification(), certificate())[0]
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    (outcome,) = FCM.interpret(request, VendorResponse(status, headers or {}, raw), NOW_MS)
    return outcome


def error(status: str, error_code: str = "", text: str = "", details: list[dict[str, Any]] | None = None) -> dict[str, Any]:
    found = list(details or [])
    if error_code:
        found.append({"@type": "type.googleapis.com/google.firebase.fcm.v1.FcmError", "errorCode": error_code})
    return {"error": {"code": 0, "message": text, "status": status, "details": found}}


def violation(field: str) -> dict[str, Any]:
    return {"@type": "type.googleapis.com/google.rpc.BadRequest", "fieldViolations": [{"field": field, "description": "Invalid"}]}


def test_the_sample_of_section_3_7_is_rendered():
    cert = certificate(
        package_name="com.example.im",
        channel_id="im_messages",
        sound="ring_short.mp3",
        click_action="page",
        click_value="com.example.im.OPEN_CHAT",
    )
    (request,) = render(notification(), cert)
    assert (request.method, request.url) == ("POST", "https://fcm.googleapis.com/v1/projects/im-demo/messages:send")
    assert dict(request.headers) == {"authorization": "Bearer ya29.secret", "content-type": "application/json"}
    assert request.secrets == ("ya29.secret",)
    assert message(request) == {
        "token": TARGET.token,
        "data": {
            "ext": '{"entity":{"sender":"u1001","chatType":1,"action":1}}',
            "msg_id": "144115-1732437600-88",
            "push_id": str(TARGET.push_id),
            "conv": "c2c_u1001",
        },
        "notification": {"title": "Li Lei", "body": "See you at 6 pm?"},
        "android": {
            "priority": "high",
            "ttl": "86400s",
            "restricted_package_name": "com.example.im",
            "notification": {
                "channel_id": "im_messages",
                "sound": "ring_short",
                "tag": "c2c_u1001",
                "click_action": "com.example.im.OPEN_CHAT",
                "notification_count": 7,
            },
        },
    }


def test_each_target_gets_a_request_of_its_own_with_its_push_id():
    targets = [Target(n, f"token-{n}") for n in range(1, 4)]
    requests = render(notification(), certificate(), *targets)
    assert [r.targets for r in requests] == [(t,) for t in targets]
    assert [(message(r)["token"], message(r)["data"]["push_id"]) for r in requests] == [(t.token, str(t.push_id)) for t in targets]


def test_the_messages_wishes_go_over_the_certificates_values_and_empty_ones_do_not():
    wishes = OfflinePushInfo(AndroidInfo=AndroidInfo(GoogleChannelID="urgent", Sound="", GoogleImage="https://img.example.com/a.jpg"))
    (request,) = render(notification(wishes=wishes), certificate(channel_id="im", sound="ring"))
    shown = message(request)["android"]["notification"]
    assert (shown["channel_id"], shown["sound"]) == ("urgent", "ring")
    assert message(request)["notification"]["image"] == "https://img.example.com/a.jpg"


def test_a_data_message_carries_everything_as_strings():
    (request,) = render(notification(), certificate(message_type="data", channel_id="im"))
    sent = message(request)
    assert "notification" not in sent
    assert "notification" not in sent["android"]
    assert sent["data"]["title"] == "Li Lei"
    assert sent["data"]["notification_count"] == "7"
    assert all(isinstance(value, str) for value in sent["data"].values())


def test_android_v2_is_a_remote_notification_without_a_priority():
    (request,) = render(notification(), certificate(message_type="android_v2", channel_id="im"))
    sent = message(request)
    assert set(sent) == {"token", "data", "android_v2"}
    assert "priority" not in sent["android_v2"]
    shown = sent["android_v2"]["remote_notification"]["notification"]
    assert (shown["title"], shown["channel_id"], shown["id"]) == ("Li Lei", "im", 481516)


def test_installation_ids_are_addressed_as_fid():
    (request,) = render(notification(), certificate(address="fid"))
    assert message(request)["fid"] == TARGET.token
    assert "token" not in message(request)
    assert answer(400, error("INVALID_ARGUMENT", details=[violation("message.fid")])).kind is OutcomeKind.TOKEN_DEAD


@pytest.mark.parametrize(("seconds", "ttl"), [(0, "0s"), (-5, "0s"), (60, "60s"), (40 * 86_400, "2419200s")])
def test_the_time_to_live_is_kept_within_the_vendors_bounds(seconds, ttl):
    (request,) = render(notification(expires_at_ms=NOW_MS + seconds * 1000), certificate())
    assert message(request)["android"]["ttl"] == ttl


def test_public_notifications_have_normal_priority():
    (request,) = render(notification(notification_class="public"), certificate())
    assert message(request)["android"]["priority"] == "normal"


def test_an_intent_uri_opens_its_action_and_launcher_opens_none():
    uri = "intent://chat/#Intent;scheme=im;action=com.example.im.OPEN;end"
    (request,) = render(notification(), certificate(click_action="page", click_value=uri))
    assert message(request)["android"]["notification"]["click_action"] == "com.example.im.OPEN"
    (request,) = render(notification(), certificate(click_value=uri))
    assert "click_action" not in message(request)["android"]["notification"]


def test_base_url_replaces_the_host_and_keeps_its_path():
    (request,) = render(notification(), certificate(base_url="http://127.0.0.1:18080/fcm/", ca_file="/etc/ca.pem"))
    assert request.url == "http://127.0.0.1:18080/fcm/v1/projects/im-demo/messages:send"
    assert request.ca_file == "/etc/ca.pem"


texts = st.text(st.characters(), max_size=3000)


@settings(max_examples=60, deadline=None)
@given(title=texts, body=texts, ext=texts, image=st.text(max_size=3000))
@pytest.mark.parametrize("message_type", ["notification", "data", "android_v2"])
def test_any_text_gives_a_request_within_the_limit(message_type, title, body, ext, image):
    wishes = OfflinePushInfo(AndroidInfo=AndroidInfo(GoogleImage="https://" + image, Sound=image, GoogleChannelID=image))
    note = notification(title=title, body=body, ext=ext, wishes=wishes)
    (request,) = render(note, certificate(message_type=message_type))
    sent = message(request)
    assert len(request.body) - len(TARGET.token) <= 3584
    assert sent["token"] == TARGET.token


def test_a_long_body_is_cut_before_anything_else_is_given_up():
    (request,) = render(notification(body="长" * 4000), certificate())
    sent = message(request)
    assert sent["data"]["push_id"]
    assert sent["data"]["ext"]
    assert 900 < len(sent["notification"]["body"]) < 1200


def test_our_own_extras_go_before_the_senders_ext():
    ext = json.dumps({"x": "y" * 3260})
    (request,) = render(notification(ext=ext, body="b" * 500), certificate())
    data = message(request)["data"]
    assert "push_id" not in data
    assert data["ext"] == ext


# --- answers (section 4.2), code by code --------------------------------------------------------


def test_a_200_is_accepted_with_the_vendors_message_id():
    outcome = answer(200, {"name": "projects/im-demo/messages/0:1500415314455276%31bd1c9631bd1c96"})
    assert outcome.kind is OutcomeKind.ACCEPTED
    assert outcome.vendor_message_id == "projects/im-demo/messages/0:1500415314455276%31bd1c9631bd1c96"


@pytest.mark.parametrize("body", [b"", b"<html>", b"[]", b'{"name":5}'])
def test_a_200_without_a_message_name_is_tried_again(body):
    assert answer(200, body).kind is OutcomeKind.UNKNOWN


TABLE = [
    (400, error("INVALID_ARGUMENT", "INVALID_ARGUMENT", details=[violation("message.token")]), OutcomeKind.TOKEN_DEAD, None),
    (400, error("INVALID_ARGUMENT", details=[violation("message.data[0].value")]), OutcomeKind.MESSAGE_REFUSED, None),
    (400, error("INVALID_ARGUMENT", "INVALID_ARGUMENT", details=[violation("message.android.ttl")]), OutcomeKind.MESSAGE_REFUSED, None),
    (400, error("INVALID_ARGUMENT", text="Recipient of the message is not set."), OutcomeKind.MESSAGE_REFUSED, None),
    (401, error("UNAUTHENTICATED"), OutcomeKind.AUTH_EXPIRED, None),
    (401, error("UNAUTHENTICATED", "THIRD_PARTY_AUTH_ERROR", "Expected OAuth 2 access token"), OutcomeKind.CREDENTIALS_REFUSED, None),
    (401, error("UNAUTHENTICATED", "APNS_AUTH_ERROR"), OutcomeKind.CREDENTIALS_REFUSED, None),
    (403, error("PERMISSION_DENIED", "SENDER_ID_MISMATCH"), OutcomeKind.TOKEN_DEAD, None),
    (403, error("PERMISSION_DENIED"), OutcomeKind.CREDENTIALS_REFUSED, None),
    (404, error("NOT_FOUND", "UNREGISTERED"), OutcomeKind.TOKEN_DEAD, None),
    (404, error("NOT_FOUND"), OutcomeKind.CREDENTIALS_REFUSED, None),
    (404, b"<html>not found</html>", OutcomeKind.CREDENTIALS_REFUSED, None),
    (429, error("RESOURCE_EXHAUSTED", "QUOTA_EXCEEDED"), OutcomeKind.THROTTLED, 60.0),
    (429, b"", OutcomeKind.THROTTLED, 60.0),
    (500, error("INTERNAL", "INTERNAL"), OutcomeKind.VENDOR_DOWN, 10.0),
    (502, b"<html>The server encountered a temporary error</html>", OutcomeKind.VENDOR_DOWN, 30.0),
    (503, error("UNAVAILABLE", "UNAVAILABLE"), OutcomeKind.VENDOR_DOWN, 10.0),
    (504, b"", OutcomeKind.VENDOR_DOWN, 10.0),
    (302, b"", OutcomeKind.UNKNOWN, None),
]


@pytest.mark.parametrize(("status", "body", "kind", "wait"), TABLE)
def test_each_answer_has_its_meaning(status, body, kind, wait):
    outcome = answer(status, body)
    assert (outcome.kind, outcome.retry_after_seconds) == (kind, wait)


def test_retry_after_is_heeded_as_seconds_and_as_a_date():
    assert answer(429, error("RESOURCE_EXHAUSTED", "QUOTA_EXCEEDED"), {"retry-after": "120"}).retry_after_seconds == 120
    assert answer(503, b"", {"retry-after": "Wed, 18 Nov 2026 11:07:10 GMT"}).retry_after_seconds == 30
    assert answer(503, b"", {"retry-after": "soon"}).retry_after_seconds == 10


def test_only_the_vendors_word_on_this_token_is_evidence_against_it():
    assert answer(404, error("NOT_FOUND", "UNREGISTERED")).evidence is Evidence.TOKEN
    assert answer(403, error("PERMISSION_DENIED", "SENDER_ID_MISMATCH")).evidence is Evidence.REQUEST
    vague = answer(400, error("INVALID_ARGUMENT", "INVALID_ARGUMENT", "The registration token is not a valid FCM registration token"))
    assert (vague.kind, vague.evidence) == (OutcomeKind.TOKEN_DEAD, Evidence.REQUEST)


@given(
    status=st.integers(100, 599),
    body=st.binary(max_size=300)
    | st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(),
        lambda inner: (
            st.lists(inner)
            | st.dictionaries(
                st.sampled_from(["error", "details", "status", "message", "errorCode", "fieldViolations", "field", "@type"]), inner
            )
        ),
        max_leaves=12,
    ),
)
def test_no_answer_is_too_strange(status, body):
    answer(status, body)


# --- log-in (section 2) -------------------------------------------------------------------------


def login_request(cert: Certificate) -> VendorRequest:
    request = FCM.login(cert, NOW_MS)
    assert isinstance(request, VendorRequest)
    return request


def test_the_login_is_a_signed_jwt_bearer_request():
    request = login_request(certificate())
    assert request.url == "https://oauth2.googleapis.com/token"
    form = parse_qs(request.body.decode())
    assert form["grant_type"] == ["urn:ietf:params:oauth:grant-type:jwt-bearer"]
    (assertion,) = form["assertion"]
    assert jwt.get_unverified_header(assertion) == {"alg": "RS256", "typ": "JWT", "kid": "kid-1"}
    claims = jwt.decode(
        assertion,
        KEY.public_key(),
        algorithms=["RS256"],
        audience="https://oauth2.googleapis.com/token",
        options={"verify_exp": False, "verify_iat": False},
    )
    assert claims == {
        "iss": ACCOUNT["client_email"],
        "scope": "https://www.googleapis.com/auth/firebase.messaging",
        "aud": "https://oauth2.googleapis.com/token",
        "iat": NOW_MS // 1000,
        "exp": NOW_MS // 1000 + 3600,
    }
    assert assertion in request.secrets


@pytest.mark.parametrize(
    ("auth_url", "url"),
    [
        ("https://127.0.0.1:18443/token", "https://127.0.0.1:18443/token"),
        ("http://127.0.0.1:18080", "http://127.0.0.1:18080/token"),
        ("", "https://oauth2.example.com/t"),
    ],
)
def test_the_login_goes_to_auth_url_else_to_the_accounts_token_uri(auth_url, url):
    account = ACCOUNT | {"token_uri": "https://oauth2.example.com/t"}
    assert login_request(certificate(account, auth_url=auth_url, base_url="http://127.0.0.1:1")).url == url


@pytest.mark.parametrize("expires_in", [3599, "3599"])
def test_the_grant_has_the_tokens_true_expiry(expires_in):
    response = VendorResponse(200, {}, json.dumps({"access_token": "ya29.x", "expires_in": expires_in, "token_type": "Bearer"}).encode())
    assert FCM.read_login(certificate(), response, NOW_MS) == Grant("ya29.x", NOW_MS + 3_599_000, NOW_MS)


@pytest.mark.parametrize(
    ("status", "code", "kind"),
    [
        (400, "invalid_grant", OutcomeKind.CREDENTIALS_REFUSED),
        (400, "invalid_scope", OutcomeKind.CREDENTIALS_REFUSED),
        (400, "invalid_request", OutcomeKind.CREDENTIALS_REFUSED),
        (400, "unsupported_grant_type", OutcomeKind.CREDENTIALS_REFUSED),
        (401, "invalid_client", OutcomeKind.CREDENTIALS_REFUSED),
        (401, "unauthorized_client", OutcomeKind.CREDENTIALS_REFUSED),
        (400, "internal_failure", OutcomeKind.VENDOR_DOWN),
        (400, "server_error", OutcomeKind.VENDOR_DOWN),
        (400, "temporarily_unavailable", OutcomeKind.VENDOR_DOWN),
        (408, "", OutcomeKind.VENDOR_DOWN),
        (429, "", OutcomeKind.VENDOR_DOWN),
        (500, "", OutcomeKind.VENDOR_DOWN),
        (503, "", OutcomeKind.VENDOR_DOWN),
        (504, "", OutcomeKind.VENDOR_DOWN),
        (200, "", OutcomeKind.UNKNOWN),
    ],
)
def test_each_refused_login_has_its_meaning(status, code, kind):
    response = VendorResponse(status, {}, json.dumps({"error": code, "error_description": "no"}).encode())
    outcome = FCM.read_login(certificate(), response, NOW_MS)
    assert isinstance(outcome, Outcome)
    assert outcome.kind is kind


# --- checks -------------------------------------------------------------------------------------


def test_a_good_certificate_has_no_problem():
    assert FCM.check(certificate()) == []


@pytest.mark.parametrize(
    "account",
    [
        {"type": "authorized_user"},
        ACCOUNT | {"project_id": ""},
        ACCOUNT | {"client_email": ""},
        ACCOUNT | {"private_key": "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----"},
        ACCOUNT | {"token_uri": "http://evil.example.com/token"},
    ],
)
def test_a_broken_service_account_is_named(account):
    problems = FCM.check(certificate(account))
    assert problems
    assert {problem.field for problem in problems} == {"service_account"}
    assert not any("PRIVATE KEY" in problem.sentence for problem in problems)


def test_plain_http_is_taken_for_loopback_only():
    assert FCM.check(certificate(base_url="http://127.0.0.1:18080", auth_url="http://[::1]:1/token")) == []
    (problem,) = FCM.check(certificate(base_url="http://10.0.0.1:18080"))
    assert problem.field == "base_url"


def test_a_web_page_cannot_be_opened_and_that_is_a_warning():
    (problem,) = FCM.check(certificate(click_action="web", click_value="https://example.com"))
    assert problem.warning


def test_secrets_are_not_in_any_repr():
    cert = certificate()
    shown = repr(cert) + repr(cert.credentials) + repr(login_request(cert)) + repr(render(notification(), cert))
    assert "PRIVATE KEY" not in shown
    assert "ya29" not in shown


def test_the_tapped_app_gets_the_ext_back():
    (request,) = render(notification(), certificate())
    extras = {**message(request)["data"], "from": "1"}
    assert FCM.parse_extras(extras) == notification().ext
    assert FCM.parse_extras({}) is None


def test_a_changed_certificate_of_the_same_number_is_not_served_from_the_cache():
    first = certificate()
    second = msgspec.structs.replace(first, options=FcmOptions(base_url="http://127.0.0.1:9"))
    assert render(notification(), first)[0].url != render(notification(), second)[0].url
