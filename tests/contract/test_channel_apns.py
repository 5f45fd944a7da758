"""APNs against the vendor sheet: headers, payload, the table of reasons, provider tokens and client certificates."""

from __future__ import annotations

import datetime
import json
import uuid
from typing import Any

import jwt
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import pkcs12
from cryptography.x509.oid import NameOID, ObjectIdentifier
from hypothesis import given, settings
from hypothesis import strategies as st

from homing.channels.apns import ApnsChannel, expires_at_ms
from homing.channels.apns_fields import ApnsCredentials, ApnsOptions
from homing.channels.apns_message import apns_id
from homing.model.certificates import Certificate
from homing.model.notification import Notification, Target
from homing.model.outcome import Evidence, Grant, Outcome, OutcomeKind, VendorRequest, VendorResponse
from homing.model.push_info import ApnsInfo, OfflinePushInfo

NOW_MS = 1_795_000_000_000
APNS = ApnsChannel()
KEY = ec.generate_private_key(ec.SECP256R1())
P8 = KEY.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()).decode()
TARGET = Target(144115188075855881, "5F0C1e9a7b3d4c2281aa90ffed01b6c7d8e9f00112233445566778899aabbccd")
GRANT = Grant("header.claims.signature", NOW_MS + 3_000_000, NOW_MS)


def certificate(credentials: dict[str, Any] | None = None, **options: Any) -> Certificate:
    given = {"key_id": "ABCDE12345", "team_id": "TEAM123456", "private_key": P8} if credentials is None else credentials
    return Certificate(1400000001, 15519, "apns", "apns", ApnsCredentials(**given), ApnsOptions(**({"topic": "com.example.im"} | options)))


def notification(**changes: Any) -> Notification:
    values: dict[str, Any] = {
        "title": "Li Lei",
        "body": "See you at 6 pm?",
        "ext": '{"entity":{"sender":"u1001","chatType":2,"action":1}}',
        "conversation_id": "group_9001",
        "msg_id": "144115-1732437600-88",
        "notify_id": 1,
        "collapse_id": "msg-144115-88",
        "wishes": OfflinePushInfo(),
        "expires_at_ms": NOW_MS + 600_000,
        "badge": 7,
    }
    return Notification(**(values | changes))


def wishes(**values: Any) -> OfflinePushInfo:
    return OfflinePushInfo(ApnsInfo=ApnsInfo(**values))


def render(note: Notification, cert: Certificate | None = None, *targets: Target, grant: Grant | None = GRANT) -> list[VendorRequest]:
    return APNS.render(note, targets or (TARGET,), cert or certificate(), grant, NOW_MS)


def payload(request: VendorRequest) -> dict[str, Any]:
    return dict(json.loads(request.body))


def aps(note: Notification, cert: Certificate | None = None) -> dict[str, Any]:
    return dict(payload(render(note, cert)[0])["aps"])


def answer(status: int, reason: str = "", **more: Any) -> Outcome:
    body = json.dumps({"reason": reason} | more).encode() if reason else b""
    (outcome,) = APNS.interpret(render(notification())[0], VendorResponse(status, {"apns-id": "x"}, body), NOW_MS)
    return outcome


def test_the_sample_of_section_3_3_is_rendered():
    cert = certificate(sound="ring_short.caf", category="IM_MESSAGE", mutable_content=True, interruption_level="active")
    note = notification(subtitle="Project group", wishes=wishes(Image="https://img.example.com/a/88.jpg"))
    (request,) = render(note, cert)
    assert request.http2
    assert request.url == "https://api.push.apple.com/3/device/5f0c1e9a7b3d4c2281aa90ffed01b6c7d8e9f00112233445566778899aabbccd"
    assert dict(request.headers) == {
        "authorization": "bearer header.claims.signature",
        "apns-topic": "com.example.im",
        "apns-push-type": "alert",
        "apns-priority": "10",
        "apns-expiration": str(NOW_MS // 1000 + 600),
        "apns-id": apns_id(TARGET.push_id),
        "apns-collapse-id": "msg-144115-88",
    }
    assert request.secrets == ("header.claims.signature",)
    assert payload(request) == {
        "aps": {
            "alert": {"title": "Li Lei", "subtitle": "Project group", "body": "See you at 6 pm?"},
            "badge": 7,
            "sound": "ring_short.caf",
            "thread-id": "group_9001",
            "category": "IM_MESSAGE",
            "mutable-content": 1,
            "interruption-level": "active",
        },
        "ext": '{"entity":{"sender":"u1001","chatType":2,"action":1}}',
        "msg_id": "144115-1732437600-88",
        "conv": "group_9001",
        "push_id": str(TARGET.push_id),
        "image": "https://img.example.com/a/88.jpg",
    }


@pytest.mark.parametrize(
    ("environment", "host"), [("production", "https://api.push.apple.com"), ("sandbox", "https://api.sandbox.push.apple.com")]
)
def test_each_environment_has_its_host(environment, host):
    assert render(notification(), certificate(environment=environment))[0].url.startswith(host + "/3/device/")


def test_base_url_replaces_the_host():
    (request,) = render(notification(), certificate(base_url="http://127.0.0.1:18082"))
    assert request.url == "http://127.0.0.1:18082/3/device/" + TARGET.token.lower()
    assert request.http2


def test_the_apns_id_is_a_lower_case_uuid_that_follows_from_the_push_id():
    assert apns_id(5) == apns_id(5) != apns_id(6)
    assert str(uuid.UUID(apns_id(5))) == apns_id(5)


def test_targets_differ_in_path_id_and_push_id_only():
    first, second = render(notification(), None, Target(1, "aa"), Target(2, "bb"))
    assert payload(first) | {"push_id": "2"} == payload(second)
    assert dict(first.headers) | {"apns-id": apns_id(2)} == dict(second.headers)


@pytest.mark.parametrize("name", ["kIOSOfflinePushNoSound", "IOS_OFFLINE_PUSH_NO_SOUND", "push.no_sound"])
def test_no_sound_leaves_the_key_out(name):
    assert "sound" not in aps(notification(wishes=wishes(Sound=name)), certificate(sound="a.caf"))


@pytest.mark.parametrize(
    ("wish", "certificates", "sound"),
    [("", "", "default"), ("", "a.caf", "a.caf"), ("b.caf", "a.caf", "b.caf"), ("kIOSOfflinePushDefaultSound", "a.caf", "default")],
)
def test_the_sound_is_the_messages_else_the_certificates_else_the_default(wish, certificates, sound):
    assert aps(notification(wishes=wishes(Sound=wish)), certificate(sound=certificates))["sound"] == sound


def test_the_badge_is_absolute_and_left_alone_where_it_is_unwanted():
    assert aps(notification(badge=0))["badge"] == 0
    assert "badge" not in aps(notification(badge=None))
    assert "badge" not in aps(notification(wishes=wishes(BadgeMode=1)))


def test_the_messages_own_title_and_subtitle_win():
    alert = aps(notification(wishes=wishes(Title="T", SubTitle="S")))["alert"]
    assert alert == {"title": "T", "subtitle": "S", "body": "See you at 6 pm?"}


def test_an_unknown_interruption_level_does_not_go_out():
    assert "interruption-level" not in aps(notification(wishes=wishes(InterruptionLevel="loud")))
    assert aps(notification(wishes=wishes(InterruptionLevel="time-sensitive")))["interruption-level"] == "time-sensitive"


def test_a_silent_push_is_background_with_priority_5_and_no_alert():
    (request,) = render(notification(wishes=wishes(ContentAvailable=1)))
    headers = dict(request.headers)
    assert (headers["apns-push-type"], headers["apns-priority"]) == ("background", "5")
    assert payload(request)["aps"] == {"content-available": 1}
    assert payload(request)["ext"]


def test_an_expired_notification_gets_one_attempt_and_a_long_one_thirty_days():
    assert dict(render(notification(expires_at_ms=NOW_MS))[0].headers)["apns-expiration"] == "0"
    long = dict(render(notification(expires_at_ms=NOW_MS + 90 * 86_400_000))[0].headers)["apns-expiration"]
    assert int(long) == NOW_MS // 1000 + 30 * 86_400


@pytest.mark.parametrize("identifier", ["x" * 65, "会话" * 8, "a\nb"])
def test_a_collapse_id_that_cannot_stand_in_a_header_becomes_its_digest(identifier):
    value = dict(render(notification(collapse_id=identifier))[0].headers)["apns-collapse-id"]
    assert value.isascii()
    assert len(value) == 64


def test_no_collapse_id_no_header():
    assert "apns-collapse-id" not in dict(render(notification(collapse_id=""))[0].headers)


@settings(max_examples=60, deadline=None)
@given(
    title=st.text(st.characters(), max_size=3000),
    body=st.text(st.characters(), max_size=3000),
    ext=st.text(st.characters(), max_size=3000),
    other=st.text(st.characters(), max_size=3000),
    conversation=st.text(st.characters(), max_size=60),
)
def test_any_text_gives_a_payload_within_4096_bytes(title, body, ext, other, conversation):
    note = notification(
        title=title,
        body=body,
        ext=ext,
        conversation_id=conversation,
        collapse_id=conversation,
        wishes=wishes(Title=other, SubTitle=other, Image="https://" + other, Sound=other),
    )
    (request,) = render(note)
    assert len(request.body) <= 4096
    assert payload(request)["aps"]["alert"]
    for name, value in request.headers:
        assert name.isascii()
        assert value.isascii()
        assert "\n" not in value


def test_lone_surrogates_do_not_break_a_request():
    (request,) = render(notification(title="a\ud800b"))
    assert payload(request)["aps"]["alert"]["title"] == "ab"


# --- answers (section 4) -----------------------------------------------------------------------

TABLE = [
    (400, "BadDeviceToken", OutcomeKind.TOKEN_DEAD, False),
    (400, "DeviceTokenNotForTopic", OutcomeKind.TOKEN_DEAD, False),
    (400, "TopicDisallowed", OutcomeKind.CREDENTIALS_REFUSED, False),
    (400, "BadTopic", OutcomeKind.CREDENTIALS_REFUSED, False),
    (400, "MissingTopic", OutcomeKind.CREDENTIALS_REFUSED, False),
    (400, "BadCollapseId", OutcomeKind.MESSAGE_REFUSED, False),
    (400, "BadExpirationDate", OutcomeKind.MESSAGE_REFUSED, False),
    (400, "BadMessageId", OutcomeKind.MESSAGE_REFUSED, False),
    (400, "BadPriority", OutcomeKind.MESSAGE_REFUSED, False),
    (400, "InvalidPushType", OutcomeKind.MESSAGE_REFUSED, False),
    (400, "DuplicateHeaders", OutcomeKind.MESSAGE_REFUSED, False),
    (400, "PayloadEmpty", OutcomeKind.MESSAGE_REFUSED, False),
    (400, "MissingDeviceToken", OutcomeKind.MESSAGE_REFUSED, False),
    (400, "IdleTimeout", OutcomeKind.VENDOR_DOWN, True),
    (403, "BadCertificate", OutcomeKind.CREDENTIALS_REFUSED, False),
    (403, "BadCertificateEnvironment", OutcomeKind.CREDENTIALS_REFUSED, False),
    (403, "ExpiredProviderToken", OutcomeKind.AUTH_EXPIRED, True),
    (403, "InvalidProviderToken", OutcomeKind.CREDENTIALS_REFUSED, False),
    (403, "MissingProviderToken", OutcomeKind.CREDENTIALS_REFUSED, False),
    (403, "Forbidden", OutcomeKind.CREDENTIALS_REFUSED, False),
    (403, "UnrelatedKeyIdInToken", OutcomeKind.UNKNOWN, True),
    (403, "BadEnvironmentKeyIdInToken", OutcomeKind.CREDENTIALS_REFUSED, False),
    (403, "BadEnvironmentKeyInToken", OutcomeKind.CREDENTIALS_REFUSED, False),
    (404, "BadPath", OutcomeKind.MESSAGE_REFUSED, False),
    (405, "MethodNotAllowed", OutcomeKind.MESSAGE_REFUSED, False),
    (410, "Unregistered", OutcomeKind.TOKEN_DEAD, False),
    (410, "ExpiredToken", OutcomeKind.TOKEN_DEAD, False),
    (413, "PayloadTooLarge", OutcomeKind.MESSAGE_REFUSED, False),
    (429, "TooManyRequests", OutcomeKind.THROTTLED, False),
    (429, "TooManyProviderTokenUpdates", OutcomeKind.THROTTLED, True),
    (500, "InternalServerError", OutcomeKind.VENDOR_DOWN, False),
    (503, "ServiceUnavailable", OutcomeKind.VENDOR_DOWN, True),
    (503, "Shutdown", OutcomeKind.VENDOR_DOWN, True),
    (400, "", OutcomeKind.MESSAGE_REFUSED, False),
    (403, "SomethingNew", OutcomeKind.CREDENTIALS_REFUSED, False),
    (410, "", OutcomeKind.TOKEN_DEAD, False),
    (418, "", OutcomeKind.UNKNOWN, False),
    (502, "", OutcomeKind.VENDOR_DOWN, False),
]


@pytest.mark.parametrize(("status", "reason", "kind", "reconnect"), TABLE)
def test_each_reason_has_its_meaning(status, reason, kind, reconnect):
    outcome = answer(status, reason)
    assert (outcome.kind, outcome.reconnect, outcome.code) == (kind, reconnect, reason or str(status))


def test_a_200_is_accepted_under_the_id_that_the_request_gave():
    outcome = answer(200)
    assert outcome.kind is OutcomeKind.ACCEPTED
    assert str(uuid.UUID(outcome.vendor_message_id)) == outcome.vendor_message_id


def test_a_410_tells_since_when_the_token_is_dead():
    assert answer(410, "Unregistered", timestamp=1_732_437_600_000).dead_since_ms == 1_732_437_600_000
    assert answer(410, "Unregistered").dead_since_ms is None
    assert answer(410, "Unregistered", timestamp="soon").dead_since_ms is None


@pytest.mark.parametrize(
    ("status", "reason", "evidence"),
    [
        (410, "Unregistered", Evidence.TOKEN),
        (410, "ExpiredToken", Evidence.TOKEN),
        (400, "BadDeviceToken", Evidence.REQUEST),
        (400, "DeviceTokenNotForTopic", Evidence.REQUEST),
    ],
)
def test_a_token_that_may_belong_to_the_other_environment_is_not_condemned_alone(status, reason, evidence):
    assert answer(status, reason).evidence is evidence


@given(status=st.integers(100, 599), body=st.binary(max_size=200))
def test_no_answer_is_too_strange(status, body):
    APNS.interpret(render(notification())[0], VendorResponse(status, {}, body), NOW_MS)


# --- provider tokens (section 2.1) -------------------------------------------------------------


def test_the_provider_token_is_es256_with_key_and_team():
    grant = APNS.login(certificate(), NOW_MS)
    assert isinstance(grant, Grant)
    assert (grant.issued_at_ms, grant.expires_at_ms) == (NOW_MS, NOW_MS + 50 * 60_000)
    header = jwt.get_unverified_header(grant.access_token)
    assert (header["alg"], header["kid"]) == ("ES256", "ABCDE12345")
    claims = jwt.decode(grant.access_token, KEY.public_key(), algorithms=["ES256"], options={"verify_iat": False})
    assert claims == {"iss": "TEAM123456", "iat": NOW_MS // 1000}


def test_a_good_certificate_has_no_problem():
    assert APNS.check(certificate()) == []


@pytest.mark.parametrize(
    ("credentials", "field"),
    [
        ({}, "private_key"),
        ({"key_id": "ABCDE12345", "team_id": "TEAM123456", "private_key": "nonsense"}, "private_key"),
        ({"team_id": "TEAM123456", "private_key": P8}, "key_id"),
        ({"key_id": "ABCDE12345", "private_key": P8}, "team_id"),
        ({"client_certificate": b"nonsense"}, "client_certificate"),
        ({"client_certificate": b"-----BEGIN CERTIFICATE-----\nAA\n-----END CERTIFICATE-----"}, "client_certificate"),
    ],
)
def test_each_missing_or_broken_credential_is_named(credentials, field):
    assert [problem.field for problem in APNS.check(certificate(credentials))] == [field]


def test_a_missing_topic_is_named_with_a_key():
    assert [p.field for p in APNS.check(certificate(topic=""))] == ["topic"]


# --- client certificates (section 2.2) ----------------------------------------------------------


def push_certificate(*oids: str, uid: str = "com.example.cert", topics: tuple[str, ...] = ()) -> tuple[rsa.RSAPrivateKey, x509.Certificate]:
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    names = [x509.NameAttribute(NameOID.COMMON_NAME, "Apple Push Services")]
    if uid:
        names.append(x509.NameAttribute(NameOID.USER_ID, uid))
    start = datetime.datetime(2026, 1, 1, tzinfo=datetime.UTC)
    builder = (
        x509.CertificateBuilder()
        .subject_name(x509.Name(names))
        .issuer_name(x509.Name(names))
        .public_key(key.public_key())
        .serial_number(7)
        .not_valid_before(start)
        .not_valid_after(start + datetime.timedelta(days=395))
    )
    for oid in oids:
        builder = builder.add_extension(x509.UnrecognizedExtension(ObjectIdentifier(oid), b"\x05\x00"), critical=False)
    if topics:
        listed = b"".join(b"\x0c" + bytes([len(topic)]) + topic.encode() for topic in topics)
        listing = ObjectIdentifier("1.2.840.113635.100.6.3.6")
        builder = builder.add_extension(x509.UnrecognizedExtension(listing, b"\x30" + bytes([len(listed)]) + listed), critical=False)
    return key, builder.sign(key, hashes.SHA256())


RSA_KEY, CERTIFICATE = push_certificate("1.2.840.113635.100.6.3.2")
P12 = pkcs12.serialize_key_and_certificates(b"push", RSA_KEY, CERTIFICATE, None, serialization.BestAvailableEncryption(b"secret"))
PEM = CERTIFICATE.public_bytes(serialization.Encoding.PEM) + RSA_KEY.private_bytes(
    serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.BestAvailableEncryption(b"secret")
)


@pytest.mark.parametrize("file", [P12, PEM])
def test_a_client_certificate_needs_no_grant_and_names_its_topic(file):
    cert = certificate({"client_certificate": file, "passphrase": "secret"}, topic="")
    assert APNS.check(cert) == []
    assert APNS.login(cert, NOW_MS) is None
    (request,) = render(notification(), cert, grant=None)
    assert dict(request.headers)["apns-topic"] == "com.example.cert"
    assert "authorization" not in dict(request.headers)
    assert b"BEGIN CERTIFICATE" in request.client_pem
    assert b"BEGIN PRIVATE KEY" in request.client_pem
    assert expires_at_ms(cert) == int(datetime.datetime(2027, 1, 31, tzinfo=datetime.UTC).timestamp() * 1000)
    assert "PRIVATE" not in repr(cert.credentials) + repr(request)


@pytest.mark.parametrize("file", [P12, PEM])
def test_a_wrong_passphrase_is_said_in_one_sentence(file):
    (problem,) = APNS.check(certificate({"client_certificate": file, "passphrase": "wrong"}))
    assert problem.field == "client_certificate"
    assert "passphrase" in problem.sentence


def test_a_certificate_of_the_other_environment_is_told():
    (problem,) = APNS.check(certificate({"client_certificate": P12, "passphrase": "secret"}, environment="sandbox"))
    assert "production only" in problem.sentence


@pytest.mark.parametrize(
    ("uid", "topics", "push_type", "field"),
    [
        ("com.example.cert", ("com.example.cert", "com.example.cert.complication"), "voip", "client_certificate"),
        ("com.example.cert", ("com.example.cert", "com.example.cert.voip"), "voip", ""),
        ("com.example.cert", (), "voip", ""),
        ("com.example.cert.voip", (), "voip", ""),
        ("com.example.cert.voip", (), "alert", "topic"),
        ("com.example.cert", ("com.example.cert",), "alert", ""),
    ],
)
def test_a_client_certificate_that_is_not_for_the_push_type_is_told(uid: str, topics: tuple[str, ...], push_type: str, field: str):
    key, named = push_certificate("1.2.840.113635.100.6.3.2", uid=uid, topics=topics)
    file = pkcs12.serialize_key_and_certificates(b"push", key, named, None, serialization.BestAvailableEncryption(b"secret"))
    found = APNS.check(certificate({"client_certificate": file, "passphrase": "secret"}, topic="", push_type=push_type))
    assert [problem.field for problem in found if not problem.warning] == ([field] if field else [])
    assert all(problem.cure for problem in found)


def test_a_pem_without_its_key_or_with_anothers_is_told():
    alone = CERTIFICATE.public_bytes(serialization.Encoding.PEM)
    (problem,) = APNS.check(certificate({"client_certificate": alone}))
    assert "no private key" in problem.sentence
    (problem,) = APNS.check(certificate({"client_certificate": alone + P8.encode()}))
    assert "another certificate" in problem.sentence


def test_the_tapped_app_gets_the_ext_back():
    assert APNS.parse_extras(payload(render(notification())[0])) == notification().ext


@pytest.mark.parametrize(
    ("status", "reason", "words"),
    [
        (400, "BadDeviceToken", "environment=sandbox"),
        (400, "DeviceTokenNotForTopic", "topic"),
        (403, "BadEnvironmentKeyInToken", "other environment"),
    ],
)
def test_a_token_or_a_key_of_the_other_kind_is_explained_and_not_believed_at_once(status: int, reason: str, words: str):
    (request,) = render(notification())
    (outcome,) = APNS.interpret(request, VendorResponse(status, {}, json.dumps({"reason": reason}).encode()), NOW_MS)
    assert words in outcome.detail
    assert not (outcome.kind is OutcomeKind.TOKEN_DEAD and outcome.evidence is Evidence.TOKEN)
