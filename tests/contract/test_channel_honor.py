"""Honor against the vendor sheet: requests, batches, codes, partial failure, log-in, receipts."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from typing import Any
from urllib.parse import parse_qs

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from homing.channels.honor import HonorChannel, HonorCredentials, HonorOptions
from homing.model.certificates import Certificate
from homing.model.notification import Notification, Target
from homing.model.outcome import Evidence, Grant, Outcome, OutcomeKind, ReceiptKind, ReceiptRequest, VendorRequest, VendorResponse
from homing.model.push_info import AndroidInfo, OfflinePushInfo
from homing.rules.intents import parse_intent_uri

NOW_MS = 1_732_400_000_123
HONOR = HonorChannel()
GRANT = Grant("eyJhbGciOi", NOW_MS + 3_600_000, NOW_MS)
TARGET = Target(77, "BAEAAAAAB.jk1")
EXT = '{"entity":{"sender":"u1"}}'
PAGE = (
    "intent://com.example.im/detail?conv=c2c_u1#Intent;scheme=pushscheme;launchFlags=0x4000000;"
    "component=com.example.im/com.example.im.MainActivity;end"
)
REFUSED, CREDENTIALS, DOWN = OutcomeKind.MESSAGE_REFUSED, OutcomeKind.CREDENTIALS_REFUSED, OutcomeKind.VENDOR_DOWN


def certificate(callback_key: str = "", app_id: str = "104123456", **options: Any) -> Certificate:
    credentials = HonorCredentials(app_id=app_id, client_id="c1", client_secret="s+cret/=", callback_key=callback_key)
    return Certificate(1400000001, 15526, "honor", "honor", credentials, HonorOptions(**options))


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


def wishes(**values: Any) -> OfflinePushInfo:
    return OfflinePushInfo(AndroidInfo=AndroidInfo(**values))


def render(note: Notification, cert: Certificate | None = None, *targets: Target) -> list[VendorRequest]:
    return HONOR.render(note, targets or (TARGET,), cert or certificate(), GRANT, NOW_MS)


def sent(note: Notification, cert: Certificate | None = None) -> dict[str, Any]:
    return dict(json.loads(render(note, cert)[0].body))


def shown(note: Notification, cert: Certificate | None = None) -> dict[str, Any]:
    return dict(sent(note, cert)["android"]["notification"])


def answer(status: int, body: Any, *targets: Target) -> list[Outcome]:
    request = render(notification(), None, *targets)[0]
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    return HONOR.interpret(request, VendorResponse(status, {}, raw), NOW_MS)


def lists(code: Any, failed: list[str], expired: list[str], *, result: Any = True) -> dict[str, Any]:
    data = {"sendResult": result, "requestId": "174", "failTokens": failed, "expireTokens": expired}
    return {"code": code, "message": "x", "data": data}


def test_the_sample_of_section_3_is_rendered():
    cert = certificate(badge_class="com.example.im.MainActivity", click_action="page", click_value=PAGE)
    (request,) = render(notification(wishes=wishes(HonorImage="https://cdn.example.com/a.png")), cert)
    assert (request.method, request.url) == ("POST", "https://push-api.cloud.honor.com/api/v1/104123456/sendMessage")
    assert dict(request.headers) == {
        "authorization": "Bearer eyJhbGciOi",
        "timestamp": "1732400000123",
        "content-type": "application/json; charset=UTF-8",
    }
    body = json.loads(request.body)
    assert json.loads(body.pop("data")) == {"ext": EXT, "msg_id": "0193f2c4", "conv": "c2c_u1", "push_id": "77"}
    click = body["android"]["notification"].pop("clickAction")
    intent = parse_intent_uri(click["intent"])
    assert intent is not None
    assert (click["type"], intent.component, intent.extras) == (1, "com.example.im/com.example.im.MainActivity", {"ext": EXT})
    assert body == {
        "token": ["BAEAAAAAB.jk1"],
        "android": {
            "ttl": "86400s",
            "biTag": "m:0193f2c4",
            "targetUserType": 0,
            "notification": {
                "title": "Alice",
                "body": "see you at eight",
                "importance": "NORMAL",
                "notifyId": 481516,
                "image": "https://cdn.example.com/a.png",
                "badge": {"badgeClass": "com.example.im.MainActivity", "setNum": 7},
            },
        },
    }


def test_a_thousand_tokens_travel_together_and_each_once():
    targets = [Target(n, f"token-{n}") for n in range(2100)] + [Target(9999, "token-2000")]
    requests = render(notification(), None, *targets)
    assert [len(r.targets) for r in requests] == [1000, 1000, 101]
    assert len(json.loads(requests[2].body)["token"]) == 100
    assert "push_id" not in json.loads(json.loads(requests[0].body)["data"])


@pytest.mark.parametrize(
    ("options", "click"),
    [
        ({}, {"type": 3}),
        ({"click_action": "web", "click_value": "https://example.com/a"}, {"type": 2, "url": "https://example.com/a"}),
        ({"click_action": "page", "click_value": "com.example.im.OPEN_CHAT"}, {"type": 1, "action": "com.example.im.OPEN_CHAT"}),
    ],
)
def test_each_click_action_has_its_form(options, click):
    assert shown(notification(), certificate(**options))["clickAction"] == click


@pytest.mark.parametrize(
    ("wished", "notification_class", "option", "importance"),
    [
        ("", "private", "", "NORMAL"),
        ("", "public", "", "LOW"),
        ("", "private", "LOW", "LOW"),
        ("", "public", "NORMAL", "LOW"),  # a private certificate never lifts a public message
        ("NORMAL", "public", "LOW", "NORMAL"),
        ("LOW", "private", "NORMAL", "LOW"),
        ("HIGH", "private", "", "NORMAL"),  # not a value of this vendor
    ],
)
def test_importance_is_the_class_and_the_messages_goes_over_the_certificates(wished, notification_class, option, importance):
    note = notification(notification_class=notification_class, wishes=wishes(HonorImportance=wished))
    assert shown(note, certificate(importance=option))["importance"] == importance


def test_a_badge_of_zero_is_sent_and_one_without_a_class_is_not():
    cert = certificate(badge_class="a.B")
    assert shown(notification(badge=0), cert)["badge"] == {"badgeClass": "a.B", "setNum": 0}
    assert shown(notification(badge=250), cert)["badge"]["setNum"] == 99
    assert "badge" not in shown(notification(badge=None), cert)
    assert "badge" not in shown(notification(badge=3))


def test_names_of_the_older_channel_are_never_sent():
    text = render(
        notification(wishes=wishes(Sound="ring", HuaWeiChannelID="a", HuaWeiCategory="IM")), certificate(sound="x", channel_id="y")
    )
    for name in ("sound", "channel", "category", "collapse", "notify_id", "click_action", "receipt_id"):
        assert name not in text[0].body.decode()


def test_big_text_style_repeats_the_texts():
    note = shown(notification(wishes=wishes(PushStyle=1)))
    assert (note["style"], note["bigTitle"], note["bigBody"]) == (1, "Alice", "see you at eight")


@pytest.mark.parametrize(("seconds", "ttl"), [(-1, "1s"), (60, "60s"), (99 * 86_400, "1296000s")])
def test_the_time_to_live_is_kept_within_bounds(seconds, ttl):
    assert sent(notification(expires_at_ms=NOW_MS + seconds * 1000))["android"]["ttl"] == ttl


def test_test_messages_are_an_option():
    assert sent(notification(), certificate(target_user_type=1))["android"]["targetUserType"] == 1


def test_the_sender_may_have_ext_in_the_intent_alone():
    body = sent(notification(wishes=wishes(ExtAsHuaweiIntentParam=1)), certificate(click_action="page", click_value=PAGE))
    assert "ext" not in json.loads(body["data"])
    assert "S.ext=" in body["android"]["notification"]["clickAction"]["intent"]


@settings(max_examples=60, deadline=None)
@given(
    title=st.text(st.characters(), max_size=3000),
    body=st.text(st.characters(), max_size=3000),
    ext=st.text(st.characters(), max_size=3000),
    other=st.text(st.characters(), max_size=2000),
    style=st.integers(0, 1),
    page=st.booleans(),
    limit=st.sampled_from([2048, 4096]),
)
def test_any_text_gives_a_body_within_the_limit_without_tokens(title, body, ext, other, style, page, limit):
    given_wishes = wishes(HonorImage="https://" + other, HonorImportance=other, PushStyle=style)
    options = {"click_action": "page", "click_value": PAGE} if page else {}
    (request,) = render(
        notification(title=title, body=body, ext=ext, wishes=given_wishes), certificate(payload_limit_bytes=limit, **options)
    )
    rendered = json.loads(request.body)
    assert len(request.body) - len(json.dumps(rendered["token"])) + 2 <= limit
    assert isinstance(json.loads(rendered["data"]), dict)
    assert rendered["android"]["notification"]["title"].strip()
    assert rendered["android"]["notification"]["body"].strip()


# --- answers (section 4) -----------------------------------------------------------------------


@pytest.mark.parametrize("code", [200, "200", 0, "80000000", 80000000])
def test_success_is_accepted_with_the_request_id(code):
    assert {(o.kind, o.vendor_message_id) for o in answer(200, lists(code, [], []), TARGET, Target(78, "b"))} == {
        (OutcomeKind.ACCEPTED, "174")
    }


@pytest.mark.parametrize(("code", "result"), [(0, None), ("80000000", "true"), (200, False), (80100000, True)])
def test_a_success_that_says_no_or_names_nobody_is_none(code, result):
    assert {o.kind for o in answer(200, lists(code, [], [], result=result), TARGET, Target(78, "b"))} == {OutcomeKind.UNKNOWN}


@pytest.mark.parametrize("code", [200, 80100000])
def test_expired_tokens_are_dead_failed_ones_are_tried_again_and_the_others_are_accepted(code):
    targets = (Target(1, "good"), Target(2, "failed"), Target(3, "expired"))
    good, failed, expired = answer(200, lists(code, ["failed", "expired"], ["expired"], result=False), *targets)
    assert (good.kind, good.vendor_message_id) == (OutcomeKind.ACCEPTED, "174")
    assert failed.kind is OutcomeKind.UNKNOWN
    assert (expired.kind, expired.evidence) == (OutcomeKind.TOKEN_DEAD, Evidence.TOKEN)


def test_all_tokens_invalid_is_no_evidence_by_itself():
    outcomes = answer(200, lists(80300007, ["a", "b"], ["a", "b"], result=False), Target(1, "a"), Target(2, "b"))
    assert {(o.kind, o.evidence) for o in outcomes} == {(OutcomeKind.TOKEN_DEAD, Evidence.REQUEST)}


CODES = [
    (80100001, REFUSED),
    (80100003, REFUSED),
    (80100004, REFUSED),
    (80100016, REFUSED),
    (80200001, OutcomeKind.AUTH_EXPIRED),
    (80200003, OutcomeKind.AUTH_EXPIRED),
    (80300002, CREDENTIALS),
    (80300008, REFUSED),
    (80300010, REFUSED),
    (81000001, DOWN),
]


@pytest.mark.parametrize("status", [200, 400, 401, 500])
@pytest.mark.parametrize(("number", "kind"), CODES)
def test_each_code_has_its_meaning_under_every_http_status(status, number, kind):
    (outcome,) = answer(status, {"code": number, "message": "x", "data": {"sendResult": False}})
    assert (outcome.kind, outcome.code, outcome.detail) == (kind, str(number), "x")


def test_an_unknown_code_gives_the_message_up_and_keeps_the_token():
    assert answer(200, {"code": 80999999, "message": "new"})[0].kind is REFUSED


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (200, OutcomeKind.UNKNOWN),
        (400, REFUSED),
        (401, OutcomeKind.AUTH_EXPIRED),
        (403, CREDENTIALS),
        (404, CREDENTIALS),
        (413, REFUSED),
        (429, OutcomeKind.THROTTLED),
        (500, DOWN),
        (502, DOWN),
        (503, OutcomeKind.THROTTLED),
        (504, DOWN),
        (302, OutcomeKind.UNKNOWN),
    ],
)
def test_without_a_code_the_http_status_decides(status, kind):
    assert answer(status, b"<html>")[0].kind is kind


@given(
    status=st.integers(100, 599),
    body=st.binary(max_size=100)
    | st.dictionaries(
        st.sampled_from(["code", "message", "data"]),
        st.none()
        | st.integers()
        | st.sampled_from([200, "80100000"])
        | st.text()
        | st.dictionaries(
            st.sampled_from(["failTokens", "expireTokens", "sendResult", "requestId"]), st.none() | st.booleans() | st.lists(st.integers())
        ),
    ),
)
def test_no_answer_is_too_strange_and_none_condemns_a_token_by_guess(status, body):
    outcomes = answer(status, body, Target(1, "a"), Target(2, "b"))
    assert len(outcomes) == 2
    assert all(o.kind is not OutcomeKind.TOKEN_DEAD for o in outcomes)


# --- log-in (section 2) ------------------------------------------------------------------------


def test_the_login_is_a_client_credentials_form():
    request = HONOR.login(certificate(), NOW_MS)
    assert isinstance(request, VendorRequest)
    assert request.url == "https://iam.developer.honor.com/auth/token"
    assert dict(request.headers) == {"content-type": "application/x-www-form-urlencoded"}
    assert parse_qs(request.body.decode()) == {
        "grant_type": ["client_credentials"],
        "client_id": ["c1"],
        "client_secret": ["s+cret/="],
    }
    assert set(request.secrets) == {"s+cret/=", "s%2Bcret%2F%3D"}


def test_the_older_log_in_path_can_be_named():
    older = "https://iam.developer.honor.com/auth/realms/developer/protocol/openid-connect/token"
    request = HONOR.login(certificate(auth_url=older), NOW_MS)
    assert isinstance(request, VendorRequest)
    assert request.url == older


@pytest.mark.parametrize("expires_in", [600, 3600, 86_400])
def test_the_grant_lives_as_long_as_the_answer_says(expires_in):
    body = json.dumps({"access_token": "t", "expires_in": expires_in, "token_type": "Bearer"}).encode()
    assert HONOR.read_login(certificate(), VendorResponse(200, {}, body), NOW_MS) == Grant("t", NOW_MS + expires_in * 1000, NOW_MS)


@pytest.mark.parametrize(
    ("status", "kind"), [(200, CREDENTIALS), (400, CREDENTIALS), (401, CREDENTIALS), (429, DOWN), (500, DOWN), (302, OutcomeKind.UNKNOWN)]
)
def test_each_refused_login_has_its_meaning(status, kind):
    body = b'{"error":"invalid_client","error_description":"secret wrong"}'
    outcome = HONOR.read_login(certificate(), VendorResponse(status, {}, body), NOW_MS)
    assert isinstance(outcome, Outcome)
    assert (outcome.kind, outcome.code, outcome.detail) == (kind, "invalid_client", "secret wrong")


# --- receipts (section 6) ----------------------------------------------------------------------

BODY = {
    "statuses": [
        {
            "appid": "104123456",
            "token": "tokA",
            "biTag": "m:0193f2c4",
            "status": 40000002,
            "timestamp": 1732400001234,
            "requestId": "174",
        }
    ]
}


def receipts(body: Any, cert: Certificate | None = None, header: str = "") -> Any:
    headers = {"x-honor-callback-id": header} if header else {}
    return HONOR.read_receipts(cert or certificate(), ReceiptRequest(headers, {}, json.dumps(body).encode()), NOW_MS)


def test_the_body_is_read():
    found = receipts(BODY)
    assert (found.status, json.loads(found.body)) == (200, {"code": "0", "message": "success"})
    (receipt,) = found.receipts
    assert (receipt.kind, receipt.msg_id, receipt.token, receipt.at_ms) == (ReceiptKind.DELIVERED, "0193f2c4", "tokA", 1732400001234)


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (40000001, ReceiptKind.DELIVERED),
        (40000002, ReceiptKind.DELIVERED),
        (40000003, ReceiptKind.TOKEN_DEAD),
        (40000004, ReceiptKind.TOKEN_DEAD),
        (40000005, ReceiptKind.MUTED),
        (40000006, ReceiptKind.MUTED),
        (40000007, ReceiptKind.CLICKED),
        (40000009, ReceiptKind.DROPPED),
        (40000011, ReceiptKind.DROPPED),
        (40000014, ReceiptKind.DROPPED),
        (40000015, ReceiptKind.DROPPED),
        (50000003, ReceiptKind.DROPPED),
        (49999999, ReceiptKind.DROPPED),
    ],
)
def test_each_status_has_its_meaning(status, kind):
    (receipt,) = receipts({"statuses": [{"token": "t", "status": status}]}).receipts
    assert (receipt.kind, receipt.code) == (kind, str(status))


def test_a_message_held_by_power_saving_is_neither_delivered_nor_lost():
    assert receipts({"statuses": [{"token": "t", "status": 40000013}]}).receipts == ()


def signed(key: bytes, timestamp: int = NOW_MS) -> str:
    value = base64.b64encode(hmac.new(key, f"{timestamp}n-1user".encode(), hashlib.sha256).digest()).decode()
    return f"timestamp={timestamp}; nonce=n-1; value={value}"


def test_a_signature_is_checked_where_a_key_is_configured():
    cert = certificate("key", callback_user="user")
    assert len(receipts(BODY, cert, signed(b"key")).receipts) == 1
    for header in ("", "nonsense", signed(b"wrong"), signed(b"key", NOW_MS - 301_000)):
        refused = receipts(BODY, cert, header)
        assert (refused.status, refused.receipts) == (401, ())


@given(
    st.binary(max_size=80)
    | st.recursive(
        st.none() | st.integers() | st.text(),
        lambda inner: st.lists(inner) | st.dictionaries(st.sampled_from(["statuses", "status", "token", "timestamp", "biTag"]), inner),
        max_leaves=8,
    )
)
def test_no_receipt_call_is_too_strange(body):
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    assert HONOR.read_receipts(certificate(), ReceiptRequest({}, {}, raw), NOW_MS).status in {200, 400}


# --- certificates ------------------------------------------------------------------------------


def problems(cert: Certificate) -> dict[str, bool]:
    return {problem.field: problem.warning for problem in HONOR.check(cert)}


def test_a_good_certificate_has_no_problem():
    assert problems(certificate(badge_class="a.B")) == {}


@pytest.mark.parametrize(
    ("options", "field"),
    [
        ({"importance": "LOW"}, "importance"),
        ({"badge_class": ""}, "badge_class"),
        ({"target_user_type": 1}, "target_user_type"),
        ({"sound": "ring"}, "sound"),
        ({"channel_id": "im"}, "channel_id"),
    ],
)
def test_what_will_bite_is_told_as_a_warning(options, field):
    assert problems(certificate(**{"badge_class": "a.B", **options})) == {field: True}


@pytest.mark.parametrize(
    ("cert", "field"),
    [
        (certificate(app_id="", badge_class="a.B"), "app_id"),
        (certificate(app_id="client-1", badge_class="a.B"), "app_id"),
        (certificate(badge_class="a.B", callback_user="user"), "callback_key"),
        (certificate(badge_class="a.B", click_action="page", click_value="com.example.im.ChatActivity"), "package_name"),
        (certificate(badge_class="a.B", click_action="web", click_value="http://127.0.0.1/"), "click_value"),
    ],
)
def test_what_would_fail_is_an_error(cert, field):
    assert problems(cert) == {field: False}


def test_the_tapped_app_gets_the_ext_back():
    assert HONOR.parse_extras(json.loads(sent(notification())["data"])) == EXT


@pytest.mark.parametrize(("unit", "length"), [("ms", 13), ("s", 10)])
def test_the_timestamp_is_in_the_unit_that_the_certificate_says(unit: str, length: int):
    (request,) = HonorChannel().render(notification(), (Target(1, "token"),), certificate(timestamp_unit=unit), None, NOW_MS)
    assert len(dict(request.headers)["timestamp"]) == length
