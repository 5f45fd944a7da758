"""HarmonyOS (v3) against the vendor sheet: the JWT, requests, batches, codes, reasons, receipts."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from hypothesis import given, settings
from hypothesis import strategies as st

from homing.channels.harmony import HarmonyChannel, HarmonyCredentials, HarmonyOptions
from homing.channels.harmony_answers import BY_CODE, BY_REASON, FRESH_SECONDS
from homing.model.certificates import Certificate
from homing.model.notification import Notification, Target
from homing.model.outcome import Evidence, Grant, Outcome, OutcomeKind, ReceiptKind, ReceiptRequest, VendorRequest, VendorResponse
from homing.model.push import Reason
from homing.model.push_info import AndroidInfo, HarmonyInfo, OfflinePushInfo

NOW_MS = 1_795_000_000_000
HARMONY = HarmonyChannel()
KEY = rsa.generate_private_key(public_exponent=65537, key_size=2048)
TARGET = Target(77, "MAMzLgIkEUWNEgAA")
EXT = '{"entity":{"sender":"u1"}}'
GRANT = Grant("header.claims.signature", NOW_MS + 3_600_000, NOW_MS)


def pem(key: Any) -> str:
    plain = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    return str(plain.decode())


ACCOUNT = {"project_id": "388421841222", "key_id": "k1", "private_key": pem(KEY), "sub_account": "103456789"}


def certificate(account: dict[str, str] | str = ACCOUNT, callback_key: str = "", project_id: str = "", **options: Any) -> Certificate:
    file = account if isinstance(account, str) else json.dumps(account)
    credentials = HarmonyCredentials(service_account=file, callback_key=callback_key, project_id=project_id)
    return Certificate(1400000001, 15530, "harmony", "harmony", credentials, HarmonyOptions(**options))


def notification(**changes: Any) -> Notification:
    values: dict[str, Any] = {
        "title": "Alice",
        "body": "see you at eight",
        "ext": EXT,
        "conversation_id": "c2c_u1",
        "msg_id": "0193f2c4",
        "notify_id": 481516,
        "collapse_id": "c2c_u1",
        "wishes": OfflinePushInfo(),
        "expires_at_ms": NOW_MS + 86_400_000,
        "badge": 7,
    }
    return Notification(**(values | changes))


def render(note: Notification, cert: Certificate | None = None, *targets: Target) -> list[VendorRequest]:
    return HARMONY.render(note, targets or (TARGET,), cert or certificate(), GRANT, NOW_MS)


def sent(note: Notification, cert: Certificate | None = None, *targets: Target) -> dict[str, Any]:
    return dict(json.loads(render(note, cert, *targets)[0].body))


def shown(note: Notification, cert: Certificate | None = None) -> dict[str, Any]:
    return dict(sent(note, cert)["payload"]["notification"])


def answer(status: int, body: Any, *targets: Target, grant: Grant = GRANT, headers: dict[str, str] | None = None) -> list[Outcome]:
    (request,) = HARMONY.render(notification(), targets or (TARGET,), certificate(), grant, NOW_MS)
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    return HARMONY.interpret(request, VendorResponse(status, headers or {}, raw), NOW_MS)


def code(number: str, msg: Any = "x") -> dict[str, str]:
    return {"code": number, "msg": msg if isinstance(msg, str) else json.dumps(msg), "requestId": "r1"}


def test_the_sample_of_section_5_is_rendered():
    options = {"receipt_id": "RCP0001", "sound": "msg_ring.mp3", "click_action": "page", "click_value": "imdemo://chat/c2c_u1"}
    (request,) = render(notification(), certificate(**options))
    assert (request.method, request.url) == ("POST", "https://push-api.cloud.huawei.com/v3/388421841222/messages:send")
    assert request.headers == (
        ("authorization", "Bearer header.claims.signature"),
        ("content-type", "application/json"),
        ("push-type", "0"),
    )
    assert request.secrets == ("header.claims.signature",)
    assert json.loads(request.body) == {
        "payload": {
            "notification": {
                "category": "IM",
                "title": "Alice",
                "body": "see you at eight",
                "notifyId": 481516,
                "appMessageId": "0193f2c4",
                "badge": {"setNum": 7},
                "sound": "msg_ring.mp3",
                "clickAction": {
                    "actionType": 1,
                    "uri": "imdemo://chat/c2c_u1",
                    "data": {"ext": EXT, "msg_id": "0193f2c4", "conv": "c2c_u1", "push_id": "77"},
                },
            }
        },
        "target": {"token": ["MAMzLgIkEUWNEgAA"]},
        "pushOptions": {"ttl": 86400, "biTag": "m:0193f2c4", "receiptId": "RCP0001", "collapseKey": -1, "testMessage": False},
    }


def test_the_log_in_is_a_jwt_of_an_hour_signed_with_ps256():
    grant = HARMONY.login(certificate(), NOW_MS)
    assert isinstance(grant, Grant)
    assert (grant.issued_at_ms, grant.expires_at_ms) == (NOW_MS, NOW_MS + 3_600_000)
    assert jwt.get_unverified_header(grant.access_token) == {"kid": "k1", "typ": "JWT", "alg": "PS256"}
    unchecked: Any = {"verify_exp": False, "verify_iat": False, "verify_aud": False}
    claims = jwt.decode(grant.access_token, KEY.public_key(), algorithms=["PS256"], options=unchecked)
    assert claims == {
        "iss": "103456789",
        "aud": "https://oauth-login.cloud.huawei.com/oauth2/v3/token",
        "iat": NOW_MS // 1000,
        "exp": NOW_MS // 1000 + 3600,
    }


def test_certificates_of_one_key_share_their_log_in_and_others_do_not():
    identity = HARMONY.login_identity(certificate())
    assert identity == HARMONY.login_identity(certificate(category="IM", sound="a.mp3"))
    other = pem(rsa.generate_private_key(public_exponent=65537, key_size=2048))
    for change in ({"key_id": "k2"}, {"sub_account": "9"}, {"private_key": other}):
        assert HARMONY.login_identity(certificate(ACCOUNT | change)) != identity
    assert "PRIVATE" not in identity


def test_secrets_are_never_shown():
    assert "PRIVATE" not in repr(certificate()) + repr(certificate().credentials)


def test_a_thousand_targets_go_in_one_request_and_duplicates_once():
    targets = [Target(number, f"MA{number}") for number in range(1001)]
    first, second = render(notification(), None, *targets)
    assert (len(first.targets), len(second.targets)) == (1000, 1)
    assert "push_id" not in json.loads(first.body)["payload"]["notification"]["clickAction"]["data"]
    assert sent(notification(), None, Target(1, "MA"), Target(2, "MA"))["target"] == {"token": ["MA"]}


def test_test_messages_go_to_ten_devices_at_most():
    requests = render(notification(), certificate(test_message=True), *[Target(n, f"MA{n}") for n in range(25)])
    assert [len(request.targets) for request in requests] == [10, 10, 5]
    assert json.loads(requests[0].body)["pushOptions"]["testMessage"] is True


@pytest.mark.parametrize(
    ("options", "wish", "kind", "expected"),
    [
        ({}, "", "private", "IM"),
        ({"category": "work"}, "", "private", "WORK"),
        ({"category": "IM"}, "voip", "private", "VOIP"),
        ({"category": "IM"}, "", "public", "MARKETING"),
        ({"notification_class": "public"}, "", "public", "MARKETING"),
        ({"notification_class": "public", "category": "FINANCE"}, "", "public", "FINANCE"),
        ({"category": "IM"}, "nonsense 1", "private", "IM"),
    ],
)
def test_the_messages_category_wins_and_public_ones_never_wear_a_private_certificates(options, wish, kind, expected):
    note = notification(notification_class=kind, wishes=OfflinePushInfo(HarmonyInfo=HarmonyInfo(Category=wish)))
    assert shown(note, certificate(**options))["category"] == expected


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("imdemo://chat", {"actionType": 1, "uri": "imdemo://chat"}),
        ("com.example.OPEN", {"actionType": 1, "action": "com.example.OPEN"}),
        ("intent://chat/c#Intent;scheme=imdemo;component=a.b/.C;end", {"actionType": 1, "uri": "imdemo://chat/c"}),
        ("intent:#Intent;action=com.example.OPEN;end", {"actionType": 1, "action": "com.example.OPEN"}),
    ],
)
def test_a_page_is_named_by_uri_or_action(value, expected):
    click = shown(notification(), certificate(click_action="page", click_value=value))["clickAction"]
    click.pop("data")
    assert click == expected


def test_without_a_page_the_app_opens_with_the_ext():
    for options in ({}, {"click_action": "web", "click_value": "https://example.com"}):
        click = shown(notification(), certificate(**options))["clickAction"]
        assert (click["actionType"], click["data"]["ext"]) == (0, EXT)
    assert HARMONY.parse_extras(click["data"]) == EXT


@pytest.mark.parametrize(
    ("wanted", "certificates", "expected"),
    [
        ("", "", None),
        ("ring.wav", "other.mp3", "ring.wav"),
        ("private_ring", "", "private_ring.mp3"),
        ("/raw/ring", "", "ring.mp3"),
        ("default", "other.mp3", None),
        ("../../etc", "other.mp3", "other.mp3"),
    ],
)
def test_the_sound_is_a_file_of_the_app(wanted, certificates, expected):
    note = notification(wishes=OfflinePushInfo(AndroidInfo=AndroidInfo(Sound=wanted)))
    assert shown(note, certificate(sound=certificates)).get("sound") == expected


@pytest.mark.parametrize(
    ("badge", "mode", "expected"), [(None, 0, None), (0, 0, {"setNum": 0}), (500, 0, {"setNum": 99}), (-3, 0, {"setNum": 0}), (4, 1, None)]
)
def test_the_badge_is_absolute_and_the_sender_may_leave_it_alone(badge, mode, expected):
    note = notification(badge=badge, wishes=OfflinePushInfo(HarmonyInfo=HarmonyInfo(BadgeMode=mode)))
    assert shown(note).get("badge") == expected


def test_pictures_are_https_only():
    for url, expected in (("https://cdn.example.com/a.png", "https://cdn.example.com/a.png"), ("http://cdn.example.com/a.png", None)):
        assert shown(notification(wishes=OfflinePushInfo(HarmonyInfo=HarmonyInfo(Image=url)))).get("image") == expected


@pytest.mark.parametrize(("seconds", "ttl"), [(-5, 1), (0, 1), (60, 60), (99_000_000, 1_296_000)])
def test_the_time_to_live_is_within_the_vendors_bounds(seconds, ttl):
    assert sent(notification(expires_at_ms=NOW_MS + seconds * 1000))["pushOptions"]["ttl"] == ttl


def test_a_message_id_that_the_vendor_cannot_take_is_left_out():
    assert "appMessageId" not in shown(notification(msg_id="ä" * 40))
    assert "biTag" not in sent(notification(msg_id="ä" * 40))["pushOptions"]


@settings(max_examples=150, deadline=None)
@given(title=st.text(max_size=300), body=st.text(max_size=6000), ext=st.just(EXT) | st.text(max_size=6000), image=st.text(max_size=2000))
def test_a_body_never_exceeds_the_limit_and_never_loses_title_or_text(title, body, ext, image):
    note = notification(title=title, body=body, ext=ext, wishes=OfflinePushInfo(HarmonyInfo=HarmonyInfo(Image="https://" + image)))
    (request,) = render(note)
    assert len(request.body) - len('"MAMzLgIkEUWNEgAA"') <= 4096
    content = json.loads(request.body)["payload"]["notification"]
    assert content["title"]
    assert content["body"]


def test_broken_text_is_cleaned_and_sent():
    content = shown(notification(title="a\ud800b", body="c\udfffd", ext="{}\ud800"))
    assert (content["title"], content["body"], content["clickAction"]["data"]["ext"]) == ("ab", "cd", "{}")


def test_there_is_no_log_in_request_to_read():
    outcome = HARMONY.read_login(certificate(), VendorResponse(200, {}, b"{}"), NOW_MS)
    assert isinstance(outcome, Outcome)
    assert outcome.kind is OutcomeKind.UNKNOWN


def test_accepted_and_partly_accepted():
    (outcome,) = answer(200, code("80000000", "Success"))
    assert (outcome.kind, outcome.vendor_message_id) == (OutcomeKind.ACCEPTED, "r1")
    verdict = {"illegalTokens": {"tokenFormatError ": ["MB "], " noRight": ["MC"]}, "success": 1, "failure": 2}
    good, bad, foreign = answer(200, code("80100000", verdict), Target(1, "MA"), Target(2, "MB"), Target(3, "MC"))
    assert (good.kind, good.vendor_message_id) == (OutcomeKind.ACCEPTED, "r1")
    assert (bad.kind, bad.evidence, bad.code) == (OutcomeKind.TOKEN_DEAD, Evidence.TOKEN, "80100000 tokenFormatError")
    assert (foreign.kind, foreign.evidence) == (OutcomeKind.TOKEN_DEAD, Evidence.REQUEST)


@pytest.mark.parametrize("words", ["", "not json", "[]", '{"success":1}', '{"illegalTokens":["MA"]}'])
def test_partly_accepted_without_a_map_condemns_nobody(words):
    assert {o.kind for o in answer(200, code("80100000", words), Target(1, "MA"), Target(2, "MB"))} == {OutcomeKind.UNKNOWN}


REASONS = {
    "tokenFormatError": OutcomeKind.TOKEN_DEAD,
    "tokenPlatformNotSupport": OutcomeKind.TOKEN_DEAD,
    "noRight": OutcomeKind.TOKEN_DEAD,
    "noPushTypeRight": OutcomeKind.CLASS_REFUSED,
    "noRightToSendThisLiveNotificationEvent": OutcomeKind.CLASS_REFUSED,
    "notSupportPlayVoice": OutcomeKind.CLASS_REFUSED,
    "atomicUnableSendUnsubscribedMsg": OutcomeKind.CLASS_REFUSED,
    "differentImgVerifyPolicy": OutcomeKind.CLASS_REFUSED,
    "countryNotSupport": OutcomeKind.MESSAGE_REFUSED,
    "disableSendHuaweiMsgBecauseOfPenalty": OutcomeKind.CREDENTIALS_REFUSED,
    "appinfoError": OutcomeKind.CREDENTIALS_REFUSED,
    "somethingNew": OutcomeKind.UNKNOWN,
}


@pytest.mark.parametrize(("reason", "kind"), REASONS.items())
def test_every_reason_has_its_meaning_and_a_refusal_of_all_is_doubted(reason, kind):
    assert set(BY_REASON) == set(REASONS) - {"somethingNew"}
    (outcome,) = answer(200, code("80300007", {"failure": 1, "illegalTokens": {reason: [TARGET.token]}}))
    assert (outcome.kind, outcome.code) == (kind, f"80300007 {reason}")
    assert outcome.detail
    if kind is OutcomeKind.TOKEN_DEAD:
        assert outcome.evidence is Evidence.REQUEST


def test_all_invalid_without_reasons_is_doubted_too():
    (outcome,) = answer(200, code("80300007", "All the tokens are invalid"))
    assert (outcome.kind, outcome.evidence) == (OutcomeKind.TOKEN_DEAD, Evidence.REQUEST)


CODES = {
    "80100001": OutcomeKind.MESSAGE_REFUSED,
    "80100003": OutcomeKind.MESSAGE_REFUSED,
    "80100004": OutcomeKind.MESSAGE_REFUSED,
    "80100013": OutcomeKind.MESSAGE_REFUSED,
    "80100016": OutcomeKind.MESSAGE_REFUSED,
    "80100022": OutcomeKind.MESSAGE_REFUSED,
    "80200003": OutcomeKind.AUTH_EXPIRED,
    "80200005": OutcomeKind.AUTH_EXPIRED,
    "80200006": OutcomeKind.CREDENTIALS_REFUSED,
    "80300002": OutcomeKind.CREDENTIALS_REFUSED,
    "80300008": OutcomeKind.MESSAGE_REFUSED,
    "80300010": OutcomeKind.MESSAGE_REFUSED,
    "80300011": OutcomeKind.CLASS_REFUSED,
    "80300013": OutcomeKind.CREDENTIALS_REFUSED,
    "80300029": OutcomeKind.QUOTA_APP,
    "80300030": OutcomeKind.MESSAGE_REFUSED,
    "80300036": OutcomeKind.CREDENTIALS_REFUSED,
    "80300037": OutcomeKind.CREDENTIALS_REFUSED,
    "80600003": OutcomeKind.VENDOR_DOWN,
    "81000001": OutcomeKind.VENDOR_DOWN,
}


@pytest.mark.parametrize(("number", "kind"), CODES.items())
def test_every_code_has_its_meaning_under_any_status(number, kind):
    assert set(BY_CODE) == set(CODES)
    for status in (200, 400, 500):
        (outcome,) = answer(status, code(number))
        assert (outcome.kind, outcome.code) == (kind, number)


@pytest.mark.parametrize(("age_seconds", "kind"), [(10, OutcomeKind.CREDENTIALS_REFUSED), (FRESH_SECONDS + 1, OutcomeKind.AUTH_EXPIRED)])
def test_a_fresh_jwt_that_is_refused_means_wrong_credentials_and_an_older_one_is_signed_anew(age_seconds, kind):
    grant = HARMONY.login(certificate(), NOW_MS - age_seconds * 1000)
    assert isinstance(grant, Grant)
    assert answer(401, code("80200001"), grant=grant)[0].kind is kind


@pytest.mark.parametrize("token", ["", "a.b", "a.b.c", "a.!.c", "a.bnVsbA.c", "..."])
def test_an_unreadable_jwt_that_is_refused_means_wrong_credentials(token):
    grant = Grant(token, NOW_MS + 1)
    assert answer(401, code("80200001"), grant=grant)[0].kind is OutcomeKind.CREDENTIALS_REFUSED


@pytest.mark.parametrize(
    ("status", "body", "kind"),
    [
        (503, b"", OutcomeKind.THROTTLED),
        (503, code("81000001"), OutcomeKind.VENDOR_DOWN),
        (502, b"<html>Bad Gateway</html>", OutcomeKind.VENDOR_DOWN),
        (500, b"{", OutcomeKind.VENDOR_DOWN),
        (429, b"", OutcomeKind.THROTTLED),
        (404, b"", OutcomeKind.CREDENTIALS_REFUSED),
        (400, b"", OutcomeKind.MESSAGE_REFUSED),
        (200, b"", OutcomeKind.UNKNOWN),
        (200, b"[]", OutcomeKind.UNKNOWN),
        (200, code("99999999"), OutcomeKind.UNKNOWN),
    ],
)
def test_answers_without_a_known_code_never_cost_a_token(status, body, kind):
    assert answer(status, body)[0].kind is kind


@pytest.mark.parametrize(
    ("number", "path"), [("80100022", ("payload", "notification", "image")), ("80300013", ("pushOptions", "receiptId"))]
)
def test_what_is_refused_for_its_picture_or_its_receipt_goes_out_once_more_without(number, path):
    cert = certificate(receipt_id="RCP0001")
    note = notification(wishes=OfflinePushInfo(HarmonyInfo=HarmonyInfo(Image="https://cdn.example.com/a.png")))
    (request,) = render(note, cert, Target(1, "MA"), Target(2, "MB"))
    refused = VendorResponse(400, {}, json.dumps(code(number)).encode())
    (again,) = HARMONY.follow_up(request, refused, cert)
    expected = json.loads(request.body)
    holder = expected
    for name in path[:-1]:
        holder = holder[name]
    del holder[path[-1]]
    assert json.loads(again.body) == expected
    assert (again.targets, again.headers, again.url) == (request.targets, request.headers, request.url)
    assert HARMONY.follow_up(again, refused, cert) == []


@pytest.mark.parametrize("body", [b"", b"[]", json.dumps(code("80000000")).encode(), json.dumps(code("80100001")).encode()])
def test_nothing_else_is_sent_again_at_once(body):
    (request,) = render(notification(), certificate(receipt_id="RCP0001"))
    assert HARMONY.follow_up(request, VendorResponse(200, {}, body), certificate()) == []


def test_the_vendors_wait_is_kept():
    assert answer(503, b"", headers={"retry-after": "7"})[0].retry_after_seconds == 7


@settings(max_examples=100, deadline=None)
@given(status=st.integers(100, 599), body=st.binary(max_size=300))
def test_no_answer_breaks_the_reading(status, body):
    assert len(answer(status, body, Target(1, "MA"), Target(2, "MB"))) == 2


def receipts(body: Any, headers: dict[str, str] | None = None, cert: Certificate | None = None) -> Any:
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    return HARMONY.read_receipts(cert or certificate(), ReceiptRequest(headers or {}, {}, raw), NOW_MS)


def entry(result: int, **more: Any) -> dict[str, Any]:
    delivery = {"result": result, "timestamp": 1607832761768}
    return {"token": "MAMz", "pushType": 0, "appPackageName": "com.example.im", "biTag": "m:0193f2c4", "deliveryStatus": delivery, **more}


@pytest.mark.parametrize(
    ("result", "kind"),
    [
        (0, ReceiptKind.DELIVERED),
        (2, ReceiptKind.TOKEN_DEAD),
        (5, ReceiptKind.TOKEN_DEAD),
        (6, ReceiptKind.MUTED),
        (15, ReceiptKind.DROPPED),
        (256, ReceiptKind.DROPPED),
        (999, ReceiptKind.DROPPED),
    ],
)
def test_a_v2_receipt_is_read(result, kind):
    (receipt,) = receipts({"statuses": [entry(result)]}).receipts
    assert (receipt.kind, receipt.msg_id, receipt.token, receipt.at_ms) == (kind, "0193f2c4", "MAMz", 1607832761768)


def test_a_widgets_receipt_is_not_ours():
    form = {"token": "MAMz", "formStatus": {"formId": 1, "result": 0, "timestamp": 1}}
    assert receipts({"statuses": [form, entry(0)]}).receipts == receipts({"statuses": [entry(0)]}).receipts


def test_only_signed_receipts_count_when_a_key_is_configured():
    key = base64.b64encode(b"k" * 32).decode()
    cert = certificate(callback_key=key, callback_user="u")
    value = base64.b64encode(hmac.new(b"k" * 32, f"{NOW_MS}nu".encode(), hashlib.sha256).digest()).decode()
    signed = {"x-huawei-callback-id": f"timestamp={NOW_MS}; nonce=n; value={value}"}
    body = {"statuses": [entry(0)]}
    assert len(receipts(body, signed, cert).receipts) == 1
    for headers in ({}, {"x-huawei-callback-id": signed["x-huawei-callback-id"].replace("nonce=n", "nonce=m")}):
        refused = receipts(body, headers, cert)
        assert (refused.status, refused.receipts) == (401, ())


def problems(cert: Certificate, *, warnings: bool = False) -> list[str]:
    return [problem.field for problem in HARMONY.check(cert) if problem.warning is warnings]


def test_a_good_certificate_has_no_problem():
    assert problems(certificate(category="IM")) == []
    assert problems(certificate(category="IM"), warnings=True) == []


@pytest.mark.parametrize(
    ("account", "project_id", "field"),
    [
        ("", "", "service_account"),
        ("{", "", "service_account"),
        ("[]", "", "service_account"),
        (ACCOUNT | {"sub_account": ""}, "", "service_account"),
        (ACCOUNT | {"key_id": ""}, "", "service_account"),
        (ACCOUNT | {"private_key": "-----BEGIN"}, "", "service_account"),
        (ACCOUNT | {"private_key": pem(ec.generate_private_key(ec.SECP256R1()))}, "", "service_account"),
        (ACCOUNT | {"project_id": ""}, "", "service_account"),
        (ACCOUNT, "1", "project_id"),
    ],
)
def test_what_the_vendor_would_refuse_is_found_when_it_is_saved(account, project_id, field):
    cert = certificate(account, project_id=project_id)
    assert problems(cert) == [field]
    assert HARMONY.login(cert, NOW_MS) is not None
    assert HARMONY.render(notification(), [TARGET], cert, GRANT, NOW_MS)


@pytest.mark.parametrize(
    ("options", "field", "warning"),
    [
        ({"category": ""}, "category", True),
        ({"category": "MARKETING"}, "category", True),
        ({"category": "I M"}, "category", False),
        ({"channel_id": "im"}, "channel_id", True),
        ({"test_message": True}, "test_message", True),
        ({"click_action": "page", "click_value": "intent:#Intent;component=a.b/.C;end"}, "click_value", False),
        ({"click_action": "page"}, "click_value", False),
        ({"click_action": "web", "click_value": "https://example.com"}, "click_action", True),
        ({"callback_user": "u"}, "callback_key", False),
    ],
)
def test_what_would_bite_silently_is_said_when_it_is_saved(options, field, warning):
    assert problems(certificate(**({"category": "IM"} | options)), warnings=warning) == [field]


def recall(note: Notification, *targets: Target, grant: Grant = GRANT) -> list[VendorRequest]:
    return HARMONY.render(note, targets or (TARGET,), certificate(client_id="104987654"), grant, NOW_MS)


@pytest.mark.parametrize("changes", [{"recalls": True}, {"withdraws": ("m-1",)}])
def test_with_the_client_id_a_notification_is_taken_back_by_the_vendors_recall(changes: dict[str, Any]):
    (request,) = recall(notification(**changes), TARGET, Target(78, "second"), Target(79, "second"))
    assert (request.method, request.url) == ("POST", "https://push-api.cloud.huawei.com/v1/104987654/messages:revoke")
    assert request.headers == render(notification())[0].headers
    assert request.secrets == ("header.claims.signature",)
    assert json.loads(request.body) == {"notifyId": 481516, "token": [TARGET.token, "second"]}
    assert [target.push_id for target in request.targets] == [77, 78, 79]


def test_a_recall_takes_a_thousand_tokens_also_of_a_test_certificate():
    targets = [Target(number, f"t{number}") for number in range(1, 1002)]
    requests = HARMONY.render(notification(recalls=True), targets, certificate(client_id="1", test_message=True), GRANT, NOW_MS)
    assert [len(request.targets) for request in requests] == [1000, 1]


def test_without_the_client_id_a_recalled_message_is_replaced_and_no_id_keeps_the_replacement_off_the_phone():
    taking_its_place = shown(notification(recalls=True))
    assert taking_its_place["notifyId"] == 481516
    assert "appMessageId" not in taking_its_place  # the phone has shown it, and would show it no second time


def test_without_the_client_id_nothing_takes_a_read_notification_away():
    silent = notification(title="", body="", withdraws=("m-1",))
    assert HARMONY.not_shown(silent, certificate()) is Reason.NO_DEVICE
    assert HARMONY.not_shown(silent, certificate(client_id="1")) is None
    assert HARMONY.not_shown(notification(recalls=True), certificate()) is None


@pytest.mark.parametrize(
    ("status", "number", "kind"),
    [
        (200, "80000000", OutcomeKind.ACCEPTED),
        (400, "80100001", OutcomeKind.MESSAGE_REFUSED),
        (400, "80100003", OutcomeKind.MESSAGE_REFUSED),
        (200, "80100020", OutcomeKind.MESSAGE_REFUSED),
        (401, "80200003", OutcomeKind.AUTH_EXPIRED),
        (401, "80200005", OutcomeKind.AUTH_EXPIRED),
        (401, "80200001", OutcomeKind.MESSAGE_REFUSED),  # a fresh JWT: the messages tell whether its key is good
        (400, "80300002", OutcomeKind.MESSAGE_REFUSED),
        (400, "80300007", OutcomeKind.MESSAGE_REFUSED),
        (400, "80300010", OutcomeKind.MESSAGE_REFUSED),
        (400, "80300017", OutcomeKind.MESSAGE_REFUSED),
        (400, "80300028", OutcomeKind.MESSAGE_REFUSED),
        (400, "80300032", OutcomeKind.MESSAGE_REFUSED),
        (500, "80000001", OutcomeKind.VENDOR_DOWN),
        (404, "", OutcomeKind.MESSAGE_REFUSED),
        (502, "", OutcomeKind.VENDOR_DOWN),
        (503, "", OutcomeKind.THROTTLED),
    ],
)
def test_what_the_answer_to_a_recall_means(status: int, number: str, kind: OutcomeKind):
    (request,) = recall(notification(recalls=True), TARGET, Target(78, "second"))
    response = VendorResponse(status, {}, json.dumps(code(number)).encode() if number else b"<html>")
    outcomes = HARMONY.interpret(request, response, NOW_MS)
    assert [outcome.kind for outcome in outcomes] == [kind] * 2
    assert outcomes[0].vendor_message_id == ("r1" if kind is OutcomeKind.ACCEPTED else "")
    assert HARMONY.follow_up(request, response, certificate(client_id="1")) == []


def test_a_wrong_client_id_is_named_and_never_stops_the_messages():
    (request,) = recall(notification(recalls=True))
    (outcome,) = HARMONY.interpret(request, VendorResponse(400, {}, json.dumps(code("80300002")).encode()), NOW_MS)
    assert "client_id" in outcome.detail
    assert [problem.field for problem in HARMONY.check(certificate(client_id="../v3", category="IM"))] == ["client_id"]
    assert HARMONY.check(certificate(client_id="104987654", category="IM")) == []
