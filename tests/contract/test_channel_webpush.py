"""Web Push against the vendor sheet: the vector of RFC 8291, VAPID, endpoints, requests, answers."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import jwt
import pytest
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from hypothesis import given, settings
from hypothesis import strategies as st

from homing.channels.webpush import WebPushChannel, WebPushCredentials, WebPushOptions, public_key
from homing.channels.webpush_answers import BY_REASON, BY_STATUS
from homing.channels.webpush_encryption import MAX_PLAINTEXT_BYTES, decode_base64, encode_base64, encrypt, point, private_key, read_keys
from homing.channels.webpush_vapid import WINDOW_SECONDS, Vapid, read_private_key
from homing.model.certificates import Certificate
from homing.model.notification import Notification, Target
from homing.model.outcome import Evidence, Outcome, OutcomeKind, ReceiptRequest, VendorRequest, VendorResponse
from homing.model.push_info import AndroidInfo, OfflinePushInfo

NOW_MS = 1_795_000_000_000
NOW = NOW_MS // 1000
# RFC 8291, appendix A.
PLAINTEXT = "V2hlbiBJIGdyb3cgdXAsIEkgd2FudCB0byBiZSBhIHdhdGVybWVsb24"
AS_PRIVATE = "yfWPiYE-n46HLnH0KqZOF1fJJU3MYrct3AELtAQ-oRw"
AS_PUBLIC = "BP4z9KsN6nGRTbVYI_c7VJSPQTBtkgcy27mlmlMoZIIgDll6e3vCYLocInmYWAmS6TlzAC8wEqKK6PBru3jl7A8"
UA_PRIVATE = "q1dXpw3UpT5VOmu_cf_v6ih07Aems3njxI-JWgLcM94"
UA_PUBLIC = "BCVxsr7N_eNgVRqvHtD0zTZsEc6-VV-JvLexhqUzORcxaOzi6-AYWXvTBHm4bjyPjs7Vd8pZGH6SRpkNtoIAiw4"
AUTH = "BTBZMqHH6r4Tts7J_aSIgg"
SALT = "DGv6ra1nlYgDCS1FRnbzlw"
BODY = (
    "DGv6ra1nlYgDCS1FRnbzlwAAEABBBP4z9KsN6nGRTbVYI_c7VJSPQTBtkgcy27mlmlMoZIIgDll6e3vCYLocInmYWAmS6TlzAC8wEqKK6PBru3jl7A_"
    "yl95bQpu6cVPTpK4Mqgkf1CXztLVBSt2Ks3oZwbuwXPXLWyouBWLVWGNWQexSgSxsj_Qulcy4a-fN"
)

KEY = "A" * 42 + "E"  # a scalar of 32 bytes
EXT = '{"entity":{"sender":"u1001"}}'
MOZILLA = "https://updates.push.services.mozilla.com/wpush/v2/gAAAA"
CHROME = "https://fcm.googleapis.com/fcm/send/abc:def"
APPLE = "https://web.push.apple.com/QGuq?x=1"
WNS = "https://wns2-by3p.notify.windows.com/w/?token=BQYAAA%2bc%3d"


def raw(text: str) -> bytes:
    data = decode_base64(text)
    assert data is not None
    return data


def subscription(endpoint: str = MOZILLA, p256dh: str = UA_PUBLIC, auth: str = AUTH, **more: Any) -> str:
    return json.dumps({"endpoint": endpoint, "expirationTime": None, "keys": {"p256dh": p256dh, "auth": auth}, **more})


def certificate(key: str = KEY, subject: str = "mailto:push@example.com", **options: Any) -> Certificate:
    credentials = WebPushCredentials(vapid_private_key=key, subject=subject)
    return Certificate(1400000001, 15540, "webpush", "webpush", credentials, WebPushOptions(**options))


def notification(**changes: Any) -> Notification:
    values: dict[str, Any] = {
        "title": "Li Lei",
        "body": "See you at 6 pm?",
        "ext": EXT,
        "conversation_id": "c2c_u1001",
        "msg_id": "144115-1732437600-88",
        "notify_id": 481516,
        "collapse_id": "m-88",
        "wishes": OfflinePushInfo(),
        "expires_at_ms": NOW_MS + 86_400_000,
        "badge": 7,
    }
    return Notification(**(values | changes))


def counter() -> Callable[[int], bytes]:
    """Bytes that are never the same twice, and the same in every run."""
    numbers = iter(range(1, 1_000_000))
    return lambda size: next(numbers).to_bytes(size, "big")


def render(note: Notification | None = None, cert: Certificate | None = None, token: str = "") -> VendorRequest:
    target = Target(77, token or subscription())
    (request,) = WebPushChannel(counter()).render(note or notification(), [target], cert or certificate(), None, NOW_MS)
    return request


def opened(request: VendorRequest) -> dict[str, Any]:
    """The payload as the browser of the vector reads it, step by step as in RFC 8291, section 3.4."""
    body, key = request.body, read_private_key(UA_PRIVATE)
    assert key is not None
    assert (body[16:20], body[20]) == ((4096).to_bytes(4, "big"), 65)
    salt, sender, sealed = body[:16], body[21:86], body[86:]
    shared = key.exchange(ec.ECDH(), ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), sender))
    material = HKDF(SHA256(), 32, raw(AUTH), b"WebPush: info\0" + raw(UA_PUBLIC) + sender).derive(shared)
    content_key = HKDF(SHA256(), 16, salt, b"Content-Encoding: aes128gcm\0").derive(material)
    nonce = HKDF(SHA256(), 12, salt, b"Content-Encoding: nonce\0").derive(material)
    plain = AESGCM(content_key).decrypt(nonce, sealed, None)
    assert plain.endswith(b"\x02")
    return dict(json.loads(plain[:-1]))


def answer(status: int, body: Any = b"", headers: dict[str, str] | None = None, token: str = "", **options: Any) -> Outcome:
    request = render(cert=certificate(**options), token=token)
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    (outcome,) = WebPushChannel().interpret(request, VendorResponse(status, headers or {}, data), NOW_MS)
    return outcome


# --- encryption


def test_the_vector_of_rfc_8291():
    sender, keys = read_private_key(AS_PRIVATE), read_keys(UA_PUBLIC, AUTH)
    assert sender is not None
    assert keys is not None
    assert encode_base64(point(sender.public_key())) == AS_PUBLIC
    assert encode_base64(encrypt(raw(PLAINTEXT), keys, sender, raw(SALT))) == BODY


def test_the_vectors_key_and_salt_come_out_of_the_injected_randomness():
    given_bytes = iter([(int.from_bytes(raw(AS_PRIVATE), "big") - 1).to_bytes(48, "big"), raw(SALT)])
    (request,) = WebPushChannel(lambda _size: next(given_bytes)).render(
        notification(), [Target(1, subscription())], certificate(), None, NOW_MS
    )
    assert request.body.startswith(raw(BODY)[:86])


def test_no_key_and_no_salt_is_used_twice():
    targets = [Target(number, subscription()) for number in range(50)]
    requests = WebPushChannel().render(notification(), targets, certificate(), None, NOW_MS)
    assert len({request.body[:16] for request in requests}) == 50
    assert len({request.body[21:86] for request in requests}) == 50


@settings(max_examples=50, deadline=None)
@given(st.binary(min_size=48, max_size=48))
def test_every_random_number_makes_a_key(random):
    assert len(point(private_key(random).public_key())) == 65


def test_padded_and_standard_base64_keys_are_taken():
    standard = UA_PUBLIC.replace("-", "+").replace("_", "/")
    assert opened(render(token=subscription(p256dh=standard + "=", auth=AUTH.replace("_", "/") + "==")))["title"] == "Li Lei"


# --- VAPID


def claims_of(request: VendorRequest) -> dict[str, Any]:
    scheme, _, rest = dict(request.headers)["authorization"].partition(" ")
    t, k = rest.split(", ")
    assert (scheme, t[:2], k) == ("vapid", "t=", "k=" + public_key(certificate()))
    assert request.secrets == (t[2:],)
    public = ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), raw(k[2:]))
    unchecked: Any = {"verify_exp": False, "verify_aud": False}
    assert jwt.get_unverified_header(t[2:]) == {"typ": "JWT", "alg": "ES256"}
    return dict(jwt.decode(t[2:], public, algorithms=["ES256"], options=unchecked))


@pytest.mark.parametrize(
    ("endpoint", "audience"),
    [
        (MOZILLA, "https://updates.push.services.mozilla.com"),
        (CHROME, "https://fcm.googleapis.com"),
        (APPLE, "https://web.push.apple.com"),
        (WNS, "https://wns2-by3p.notify.windows.com"),
        ("https://FCM.googleapis.com:443/x", "https://fcm.googleapis.com"),
    ],
)
def test_each_push_service_gets_a_token_for_its_own_origin(endpoint, audience):
    request = render(token=subscription(endpoint))
    assert request.url == endpoint
    claims = claims_of(request)
    assert (claims["aud"], claims["sub"]) == (audience, "mailto:push@example.com")
    assert 6 * 3600 <= claims["exp"] - NOW <= 12 * 3600


def test_all_nodes_show_a_service_the_same_token_for_hours():
    key = read_private_key(KEY)
    assert key is not None
    nodes = [Vapid(key, "mailto:push@example.com") for _ in range(2)]
    begin = NOW // WINDOW_SECONDS * WINDOW_SECONDS
    tokens = {node.authorization("https://a.example", begin + passed)[1] for node in nodes for passed in (0, 3600, WINDOW_SECONDS - 1)}
    assert len(tokens) == 1
    assert nodes[0].authorization("https://a.example", begin + WINDOW_SECONDS)[1] not in tokens
    assert nodes[0].authorization("https://b.example", begin)[1] not in tokens


def test_a_token_is_signed_too_where_signing_needs_randomness():
    class OldKey:
        def sign(self, data: bytes, algorithm: ec.ECDSA) -> bytes:
            if algorithm.deterministic_signing:
                raise UnsupportedAlgorithm("this OpenSSL cannot")
            return key.sign(data, algorithm)

        def public_key(self) -> ec.EllipticCurvePublicKey:
            return key.public_key()

    key = ec.generate_private_key(ec.SECP256R1())
    old: Any = OldKey()
    token = Vapid(old, "mailto:push@example.com").authorization("https://a.example", NOW)[1]
    unchecked: Any = {"verify_exp": False, "verify_aud": False}
    assert jwt.decode(token, key.public_key(), algorithms=["ES256"], options=unchecked)["aud"] == "https://a.example"


def test_the_private_key_is_taken_in_every_form_it_comes_in():
    key = read_private_key(KEY)
    assert key is not None
    forms = [
        key.private_bytes(serialization.Encoding.PEM, form, serialization.NoEncryption()).decode()
        for form in (serialization.PrivateFormat.PKCS8, serialization.PrivateFormat.TraditionalOpenSSL)
    ]
    forms += [KEY, KEY + "=", f" {KEY}\n", json.dumps({"publicKey": "x", "privateKey": KEY})]
    assert {public_key(certificate(form)) for form in forms} == {encode_base64(point(key.public_key()))}
    assert len(public_key(certificate())) == 87


# --- the request


def test_the_sample_of_section_5_is_rendered():
    options = {"icon": "https://img.example.com/f.png", "click_action": "page", "click_value": "/chat/u1001"}
    note = notification(wishes=OfflinePushInfo(AndroidInfo=AndroidInfo(GoogleImage="https://img.example.com/p.png")))
    request = render(note, certificate(**options))
    headers = dict(request.headers)
    headers.pop("authorization")
    assert (request.method, request.url) == ("POST", MOZILLA)
    assert len(headers.pop("topic")) == 32
    assert headers == {
        "ttl": "86400",
        "urgency": "high",
        "content-type": "application/octet-stream",
        "content-encoding": "aes128gcm",
    }
    assert opened(request) == {
        "v": 1,
        "title": "Li Lei",
        "body": "See you at 6 pm?",
        "icon": "https://img.example.com/f.png",
        "image": "https://img.example.com/p.png",
        "tag": "m-88",
        "badge": 7,
        "url": "/chat/u1001",
        "msg_id": "144115-1732437600-88",
        "conv": "c2c_u1001",
        "push_id": "77",
        "ext": EXT,
    }


@pytest.mark.parametrize(("seconds", "ttl"), [(-5, "1"), (0, "1"), (60, "60"), (99_000_000, "2419200")])
def test_the_time_to_live_is_never_zero_and_never_over_the_limit(seconds, ttl):
    assert dict(render(notification(expires_at_ms=NOW_MS + seconds * 1000)).headers)["ttl"] == ttl


def test_marketing_is_not_urgent():
    assert dict(render(notification(notification_class="public")).headers)["urgency"] == "low"


def test_equal_collapse_ids_replace_one_another_at_the_service_and_others_do_not():
    topics = [dict(render(notification(collapse_id=name)).headers).get("topic") for name in ("m-1", "m-1", "m-2", "")]
    assert topics[0] == topics[1] != topics[2]
    assert topics[3] is None


def test_what_the_service_worker_hands_over_is_the_ext():
    assert WebPushChannel().parse_extras(opened(render())) == EXT
    assert WebPushChannel().parse_extras({}) is None


@settings(max_examples=80, deadline=None)
@given(title=st.text(max_size=400), body=st.text(max_size=6000), ext=st.just(EXT) | st.text(max_size=6000), service=st.sampled_from([0, 1]))
def test_a_body_never_exceeds_what_the_service_takes(title, body, ext, service):
    endpoint, limit = ((MOZILLA, 2500 + 103), (CHROME, 4096))[service]
    request = render(notification(title=title, body=body, ext=ext), token=subscription(endpoint))
    assert len(request.body) <= limit
    assert opened(request)["v"] == 1


def test_the_largest_plaintext_makes_the_largest_body():
    keys = read_keys(UA_PUBLIC, AUTH)
    assert keys is not None
    assert MAX_PLAINTEXT_BYTES == 3993
    assert len(encrypt(b"x" * 3993, keys, private_key(b"1" * 48), b"s" * 16)) == 4096
    assert len(encrypt(b"", keys, private_key(b"1" * 48), b"s" * 16)) == 103


def test_broken_text_is_cleaned_and_sent():
    assert opened(render(notification(title="a\ud800b", body="c\udfff")))["title"] == "ab"


# --- endpoints


REFUSED_ENDPOINTS = [
    "https://push.evil.example/x",
    "https://evilfcm.googleapis.com/x",
    "https://fcm.googleapis.com.evil.example/x",
    "https://evil.example/fcm.googleapis.com",
    "https://fcm.googleapis.com@evil.example/x",
    "https://evil.example#@fcm.googleapis.com/x",
    "https://fcm.googleapis.com\\@evil.example/x",
    "https://fcm.googleapis.com:8443/x",
    "https://fcm.googleapis.com:99999/x",
    "https://fcm.googleapis.com./x",
    "https://push.apple.com.evil.example/x",
    "https://xpush.apple.com/x",
    "http://fcm.googleapis.com/x",
    "http://127.0.0.1:9100/wpush/v2/x",
    "https://127.0.0.1/x",
    "https://[::1]/x",
    "https://169.254.169.254/latest/meta-data",
    "https://localhost/x",
    "file:///etc/passwd",
    "https://fcm.googleapis.com/a b",
    "https://fcm.googleapis.com/a\r\nX: y",
    "https://fcm.googleapis.com/" + "a" * 2048,
    "https://пример.example/x",
    "",
    "fcm.googleapis.com/x",
]


@pytest.mark.parametrize("endpoint", REFUSED_ENDPOINTS)
def test_an_endpoint_outside_the_known_services_is_never_called(endpoint):
    request = render(token=subscription(endpoint))
    assert (request.url, request.headers) == ("", ())
    (outcome,) = WebPushChannel().interpret(request, VendorResponse(0, {}, b""), NOW_MS)
    assert outcome.kind in {OutcomeKind.MESSAGE_REFUSED, OutcomeKind.TOKEN_DEAD}
    assert outcome.kind is OutcomeKind.MESSAGE_REFUSED or outcome.evidence is Evidence.REQUEST
    assert outcome.code in {"endpoint_not_allowed", "bad_endpoint"}
    assert outcome.detail


def test_an_unknown_service_costs_no_token_and_names_the_cure():
    outcome = answer(0, token=subscription("https://push.new-browser.example/x"))
    assert (outcome.kind, outcome.code) == (OutcomeKind.MESSAGE_REFUSED, "endpoint_not_allowed")
    assert "allowed_hosts" in outcome.detail


@pytest.mark.parametrize(
    ("allowed", "endpoint", "called"),
    [
        ("push.corp.example", "https://push.corp.example/x", True),
        ("push.corp.example", "https://push.corp.example:8443/x", False),
        ("push.corp.example:8443, other.example", "https://push.corp.example:8443/x", True),
        ("*.corp.example", "https://a.b.corp.example/x", True),
        ("*.corp.example", "https://corp.example/x", False),
        ("*.corp.example", "http://a.corp.example/x", False),
    ],
)
def test_an_operator_may_name_more_services(allowed, endpoint, called):
    assert bool(render(cert=certificate(allowed_hosts=allowed), token=subscription(endpoint)).url) is called


def test_a_simulator_may_listen_on_ipv6():
    simulator = certificate(base_url="http://[::1]:9100")
    assert problems(simulator) == []
    assert render(cert=simulator, token=subscription("http://[::1]:9100/wpush/v2/x")).url == "http://[::1]:9100/wpush/v2/x"


def test_a_base_url_takes_the_place_of_every_service():
    simulator = certificate(base_url="http://127.0.0.1:9100")
    own = "http://127.0.0.1:9100/w/?token=x"
    assert render(cert=simulator, token=subscription(own)).url == own
    assert render(cert=simulator, token=subscription(WNS)).url == "http://127.0.0.1:9100/w/?token=BQYAAA%2bc%3d"
    assert render(cert=simulator, token=subscription("http://127.0.0.1:22/x")).url == "http://127.0.0.1:9100/x"
    assert claims_of(render(cert=simulator, token=subscription(CHROME)))["aud"] == "https://fcm.googleapis.com"
    assert claims_of(render(cert=simulator, token=subscription(own)))["aud"] == "http://127.0.0.1:9100"


@pytest.mark.parametrize(
    ("token", "code"),
    [
        ("", "bad_subscription"),
        ("dGhpcyBpcyBhIHJlZ2lzdHJhdGlvbiB0b2tlbg", "bad_subscription"),
        ("{", "bad_subscription"),
        ("[]", "bad_subscription"),
        ("[" * 4000, "bad_subscription"),
        ("\ud800", "bad_subscription"),
        (json.dumps({"endpoint": MOZILLA}), "bad_subscription"),
        (json.dumps({"endpoint": 5, "keys": {"p256dh": UA_PUBLIC, "auth": AUTH}}), "bad_subscription"),
        (subscription(auth="c2hvcnQ"), "bad_keys"),
        (subscription(auth="!"), "bad_keys"),
        (subscription(p256dh=AUTH), "bad_keys"),
        (subscription(p256dh="B" + "A" * 86), "bad_keys"),
        (subscription(p256dh=UA_PUBLIC[:-4] + "AAAA"), "bad_keys"),
    ],
)
def test_a_token_that_is_no_subscription_is_doubted_and_explained(token, code):
    (request,) = WebPushChannel().render(notification(), [Target(1, token)], certificate(), None, NOW_MS)
    assert request.url == ""
    (outcome,) = WebPushChannel().interpret(request, VendorResponse(0, {}, b""), NOW_MS)
    assert (outcome.kind, outcome.code, outcome.evidence) == (OutcomeKind.TOKEN_DEAD, code, Evidence.REQUEST)
    assert outcome.detail


def test_one_bad_token_does_not_cost_the_others_their_push():
    targets = [Target(1, subscription()), Target(2, "garbage"), Target(3, subscription(CHROME))]
    requests = WebPushChannel().render(notification(), targets, certificate(), None, NOW_MS)
    assert [(request.url, request.targets) for request in requests] == [
        (MOZILLA, (targets[0],)),
        ("", (targets[1],)),
        (CHROME, (targets[2],)),
    ]


@settings(max_examples=150, deadline=None)
@given(endpoint=st.text(max_size=80) | st.from_regex(r"https?://[a-z.@:/#?\\\[\]0-9%]{0,60}", fullmatch=True))
def test_whatever_a_client_reports_only_known_hosts_are_called(endpoint):
    request = render(token=subscription(endpoint))
    hosts = ("https://fcm.googleapis.com/", "https://updates.push.services.mozilla.com/")
    assert (
        request.url == ""
        or request.url.lower().startswith(hosts)
        or ".push.apple.com" in request.url
        or ".notify.windows.com" in request.url
    )


# --- answers


@pytest.mark.parametrize(
    ("headers", "name"),
    [
        ({"location": "https://updates.push.services.mozilla.com/m/gAAA-1"}, "gAAA-1"),
        ({"location": "/m/abc/"}, "abc"),
        ({"apns-id": "9F2D", "location": "/x"}, "9F2D"),
        ({"x-wns-msg-id": "31D1", "x-wns-status": "received"}, "31D1"),
        ({}, ""),
    ],
)
def test_any_2xx_is_accepted_and_the_message_has_a_name(headers, name):
    for status in (200, 201, 202):
        outcome = answer(status, headers=headers)
        assert (outcome.kind, outcome.vendor_message_id) == (OutcomeKind.ACCEPTED, name)


def test_a_service_that_accepts_and_drops_is_not_believed():
    assert answer(200, headers={"x-wns-status": "dropped"}).kind is OutcomeKind.MESSAGE_REFUSED
    assert answer(200, headers={"x-wns-status": "channelthrottled"}).kind is OutcomeKind.THROTTLED


STATUSES = {
    301: (OutcomeKind.MESSAGE_REFUSED, Evidence.TOKEN, None),
    307: (OutcomeKind.MESSAGE_REFUSED, Evidence.TOKEN, None),
    400: (OutcomeKind.MESSAGE_REFUSED, Evidence.TOKEN, None),
    401: (OutcomeKind.AUTH_EXPIRED, Evidence.TOKEN, None),
    403: (OutcomeKind.TOKEN_DEAD, Evidence.REQUEST, None),
    404: (OutcomeKind.TOKEN_DEAD, Evidence.TOKEN, None),
    405: (OutcomeKind.MESSAGE_REFUSED, Evidence.TOKEN, None),
    406: (OutcomeKind.THROTTLED, Evidence.TOKEN, 3600.0),
    408: (OutcomeKind.VENDOR_DOWN, Evidence.TOKEN, 10.0),
    410: (OutcomeKind.TOKEN_DEAD, Evidence.TOKEN, None),
    413: (OutcomeKind.MESSAGE_REFUSED, Evidence.TOKEN, None),
    418: (OutcomeKind.UNKNOWN, Evidence.TOKEN, None),
    429: (OutcomeKind.THROTTLED, Evidence.TOKEN, 60.0),
    500: (OutcomeKind.VENDOR_DOWN, Evidence.TOKEN, 10.0),
    502: (OutcomeKind.VENDOR_DOWN, Evidence.TOKEN, 10.0),
    503: (OutcomeKind.VENDOR_DOWN, Evidence.TOKEN, 30.0),
}


@pytest.mark.parametrize(("status", "meaning"), STATUSES.items())
@pytest.mark.parametrize("body", [b"", b"<html>no</html>", b"\x00\xff", b"[1]"])
def test_every_status_has_its_meaning(status, meaning, body):
    assert set(BY_STATUS) <= set(STATUSES)
    outcome = answer(status, body)
    assert (outcome.kind, outcome.evidence, outcome.retry_after_seconds) == meaning
    assert outcome.code == str(status)
    assert "\x00" not in outcome.detail


REASONS = {
    "BadAuthorizationHeader": OutcomeKind.CREDENTIALS_REFUSED,
    "BadJwtToken": OutcomeKind.CREDENTIALS_REFUSED,
    "BadVapidPublicKey": OutcomeKind.CREDENTIALS_REFUSED,
    "VapidPkHashMismatch": OutcomeKind.TOKEN_DEAD,
    "BadTtl": OutcomeKind.MESSAGE_REFUSED,
    "BadUrgency": OutcomeKind.MESSAGE_REFUSED,
    "BadWebPushRequest": OutcomeKind.MESSAGE_REFUSED,
    "BadWebPushTopic": OutcomeKind.MESSAGE_REFUSED,
    "BadPath": OutcomeKind.MESSAGE_REFUSED,
    "MethodNotAllowed": OutcomeKind.MESSAGE_REFUSED,
    "PayloadTooLarge": OutcomeKind.MESSAGE_REFUSED,
    "TooManyRequests": OutcomeKind.THROTTLED,
    "IdleTimeout": OutcomeKind.VENDOR_DOWN,
    "InternalServerError": OutcomeKind.VENDOR_DOWN,
    "ServiceUnavailable": OutcomeKind.VENDOR_DOWN,
    "Shutdown": OutcomeKind.VENDOR_DOWN,
}


@pytest.mark.parametrize(("reason", "kind"), REASONS.items())
def test_every_reason_has_its_meaning(reason, kind):
    assert set(BY_REASON) == set(REASONS)
    outcome = answer(403, {"reason": reason}, token=subscription(APPLE))
    assert (outcome.kind, outcome.code) == (kind, f"403 {reason}")
    assert outcome.kind is not OutcomeKind.TOKEN_DEAD or outcome.evidence is Evidence.REQUEST


def test_a_key_mismatch_that_is_answered_as_a_bad_request_is_doubted_too():
    outcome = answer(400, b"<TITLE>UnauthorizedRegistration</TITLE>", token=subscription(CHROME))
    assert (outcome.kind, outcome.evidence) == (OutcomeKind.TOKEN_DEAD, Evidence.REQUEST)


@pytest.mark.parametrize(
    ("status", "errno", "headers", "wait"),
    [
        (503, 201, {"retry-after": "120"}, 120.0),
        (503, 202, {}, None),
        (429, 201, {"retry-after": "Tue, 18 Nov 2026 10:00:00 GMT"}, 0.0),
        (502, 900, {}, 10.0),
    ],
)
def test_the_services_wait_is_obeyed(status, errno, headers, wait):
    outcome = answer(status, {"code": status, "errno": errno, "error": "x", "message": "m"}, headers)
    assert (outcome.retry_after_seconds, outcome.code, outcome.detail) == (wait, f"{status} errno {errno}", "m")


def test_the_reason_may_stand_in_a_header():
    outcome = answer(400, headers={"x-wns-error-description": "Ttl value conflicts with X-WNS-Cache-Policy."})
    assert outcome.detail == "Ttl value conflicts with X-WNS-Cache-Policy."


def test_a_404_of_something_in_the_services_place_says_nothing_of_a_token():
    for base_url, evidence in (("https://relay.example", Evidence.REQUEST), ("https://updates.push.services.mozilla.com", Evidence.TOKEN)):
        for status in (404, 410):
            assert answer(status, base_url=base_url).evidence is evidence


@settings(max_examples=100, deadline=None)
@given(status=st.integers(100, 599), body=st.binary(max_size=300))
def test_no_answer_breaks_the_reading(status, body):
    assert answer(status, body).code


def test_nobody_calls_back():
    assert WebPushChannel().read_receipts(certificate(), ReceiptRequest({}, {}, b"{}"), NOW_MS).status == 404
    assert WebPushChannel().login(certificate(), NOW_MS) is None


# --- the certificate


def problems(cert: Certificate, *, warnings: bool = False) -> list[str]:
    return [problem.field for problem in WebPushChannel().check(cert) if problem.warning is warnings]


def test_a_good_certificate_has_no_problem():
    assert problems(certificate()) == problems(certificate(), warnings=True) == []
    assert "A" * 42 not in repr(certificate().credentials)


def pem(key: Any) -> str:
    plain = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    return str(plain.decode())


BAD_KEYS = ["x", "A" * 43, "-----BEGIN", "{}", "{", AS_PUBLIC, pem(rsa.generate_private_key(public_exponent=65537, key_size=2048))]
BAD_KEYS.append(pem(ec.generate_private_key(ec.SECP384R1())))


@pytest.mark.parametrize("key", BAD_KEYS)
def test_a_key_that_cannot_sign_is_found_and_breaks_nothing(key):
    cert = certificate(key)
    assert problems(cert) == ["vapid_private_key"]
    assert public_key(cert) == ""
    assert "authorization" not in dict(render(cert=cert).headers)


@pytest.mark.parametrize(
    ("subject", "good"),
    [
        ("mailto:push@example.com", True),
        ("https://example.com/contact", True),
        ("push@example.com", False),
        ("mailto:push@localhost", False),
        ("mailto:example.com", False),
        ("https://localhost", False),
        ("https://127.0.0.1", False),
        ("https://[", False),
        ("http://example.com", False),
        ("mailto:a@b.local", False),
    ],
)
def test_a_subject_that_some_service_refuses_is_found(subject, good):
    assert problems(certificate(subject=subject)) == ([] if good else ["subject"])


@pytest.mark.parametrize(
    ("options", "field", "warning"),
    [
        ({"click_action": "page", "click_value": "intent:#Intent;action=a;end"}, "click_value", False),
        ({"click_action": "page", "click_value": "com.example.Main"}, "click_value", False),
        ({"icon": "icon.png"}, "icon", False),
        ({"allowed_hosts": "https://push.example.com"}, "allowed_hosts", False),
        ({"allowed_hosts": "10.0.0.5"}, "allowed_hosts", False),
        ({"allowed_hosts": "*"}, "allowed_hosts", False),
        ({"base_url": "https://ex_ample.com"}, "base_url", False),
        ({"sound": "ring.mp3"}, "sound", True),
        ({"channel_id": "im"}, "channel_id", True),
    ],
)
def test_what_would_fail_or_bite_is_said_when_it_is_saved(options, field, warning):
    assert problems(certificate(**options), warnings=warning) == [field]
