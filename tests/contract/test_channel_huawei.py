"""Huawei v1/v2 against the vendor sheet: requests, batches, codes, partial failure, receipts."""

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

from homing.channels.huawei import HuaweiChannel, HuaweiCredentials, HuaweiOptions
from homing.model.certificates import Certificate
from homing.model.notification import Notification, Target
from homing.model.outcome import Evidence, Grant, Outcome, OutcomeKind, ReceiptKind, ReceiptRequest, VendorRequest, VendorResponse
from homing.model.push_info import AndroidInfo, OfflinePushInfo
from homing.rules.intents import parse_intent_uri

NOW_MS = 1_795_000_000_000
HUAWEI = HuaweiChannel()
GRANT = Grant("CgB6e3x9/+==", NOW_MS + 3_600_000, NOW_MS)
TARGET = Target(77, "IQAAAACy0kA")
EXT = '{"entity":{"sender":"u1"}}'
PAGE = (
    "intent://com.example.im/detail?conv=c2c_u1#Intent;scheme=pushscheme;launchFlags=0x4000000;"
    "component=com.example.im/com.example.im.MainActivity;end"
)


def certificate(callback_key: str = "", **options: Any) -> Certificate:
    credentials = HuaweiCredentials(app_id="100123456", client_secret="s+cret/=", callback_key=callback_key)
    return Certificate(1400000001, 15520, "huawei", "huawei", credentials, HuaweiOptions(**options))


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
    return HUAWEI.render(note, targets or (TARGET,), cert or certificate(), GRANT, NOW_MS)


def message(request: VendorRequest) -> dict[str, Any]:
    body = json.loads(request.body)
    assert set(body) == {"message"}
    return dict(body["message"])


def android(note: Notification, cert: Certificate | None = None) -> dict[str, Any]:
    return dict(message(render(note, cert)[0])["android"])


def answer(status: int, body: Any, *targets: Target) -> list[Outcome]:
    request = render(notification(), None, *targets)[0]
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    return HUAWEI.interpret(request, VendorResponse(status, {}, raw), NOW_MS)


def code(number: str, msg: str = "x") -> dict[str, str]:
    return {"code": number, "msg": msg, "requestId": "r1"}


def test_the_sample_of_section_3_5_is_rendered():
    cert = certificate(
        category="IM",
        receipt_id="RCP0001",
        sound="msg_ring.mp3",
        channel_id="im_chat",
        importance="NORMAL",
        badge_class="com.example.im.MainActivity",
        click_action="page",
        click_value=PAGE,
    )
    (request,) = render(notification(wishes=wishes(HuaWeiImage="https://cdn.example.com/a.png")), cert)
    assert request.url == "https://push-api.cloud.huawei.com/v1/100123456/messages:send"
    assert dict(request.headers) == {"authorization": "Bearer CgB6e3x9/+==", "content-type": "application/json; charset=UTF-8"}
    sent = message(request)
    data = json.loads(sent["android"].pop("data"))
    assert data == {"ext": EXT, "msg_id": "0193f2c4", "conv": "c2c_u1", "push_id": "77"}
    click = sent["android"]["notification"].pop("click_action")
    intent = parse_intent_uri(click["intent"])
    assert click["type"] == 1
    assert intent is not None
    assert (intent.component, intent.extras) == ("com.example.im/com.example.im.MainActivity", {"ext": EXT})
    assert sent == {
        "token": ["IQAAAACy0kA"],
        "android": {
            "category": "IM",
            "ttl": "86400s",
            "collapse_key": -1,
            "bi_tag": "m:0193f2c4",
            "receipt_id": "RCP0001",
            "notification": {
                "title": "Alice",
                "body": "see you at eight",
                "image": "https://cdn.example.com/a.png",
                "default_sound": False,
                "sound": "/raw/msg_ring",
                "channel_id": "im_chat",
                "importance": "NORMAL",
                "notify_id": 481516,
                "badge": {"class": "com.example.im.MainActivity", "set_num": 7},
            },
        },
    }


def test_v2_sends_by_project():
    (request,) = render(notification(), certificate(api_version="v2", project_id="7365"))
    assert request.url == "https://push-api.cloud.huawei.com/v2/7365/messages:send"
    assert [p.field for p in HUAWEI.check(certificate(api_version="v2", category="IM", badge_class="a.B"))] == ["project_id"]


def test_a_thousand_tokens_travel_together_and_each_once():
    targets = [Target(n, f"token-{n}") for n in range(2100)] + [Target(9999, "token-2000")]
    requests = render(notification(), None, *targets)
    assert [len(r.targets) for r in requests] == [1000, 1000, 101]
    assert len(message(requests[2])["token"]) == 100
    assert "push_id" not in json.loads(message(requests[0])["android"]["data"])


@pytest.mark.parametrize(
    ("options", "click"),
    [
        ({}, {"type": 3}),
        ({"click_action": "web", "click_value": "https://example.com/a"}, {"type": 2, "url": "https://example.com/a"}),
        ({"click_action": "page", "click_value": "com.example.im.OPEN_CHAT"}, {"type": 1, "action": "com.example.im.OPEN_CHAT"}),
    ],
)
def test_each_click_action_has_its_form(options, click):
    assert android(notification(), certificate(**options))["notification"]["click_action"] == click


def test_an_activity_becomes_an_intent_uri_of_the_package():
    cert = certificate(click_action="page", click_value="com.example.im.ChatActivity", package_name="com.example.im")
    intent = parse_intent_uri(android(notification(), cert)["notification"]["click_action"]["intent"])
    assert intent is not None
    assert intent.component == "com.example.im/com.example.im.ChatActivity"
    lone = certificate(click_action="page", click_value="com.example.im.ChatActivity", category="IM", badge_class="a.B")
    assert [p.field for p in HUAWEI.check(lone)] == ["package_name"]


def test_the_sender_may_have_ext_in_the_intent_alone():
    sent = android(notification(wishes=wishes(ExtAsHuaweiIntentParam=1)), certificate(click_action="page", click_value=PAGE))
    assert "ext" not in json.loads(sent["data"])
    assert "S.ext=" in sent["notification"]["click_action"]["intent"]


def test_a_large_ext_stays_in_the_data_and_leaves_the_intent():
    note = notification(ext=json.dumps({"k": "v" * 2000}))
    sent = android(note, certificate(click_action="page", click_value=PAGE))
    assert json.loads(sent["data"])["ext"] == note.ext
    assert sent["notification"]["click_action"]["intent"] == PAGE


def test_wishes_go_over_the_certificates_values():
    cert = certificate(category="IM", channel_id="a", importance="NORMAL", sound="x")
    given = wishes(HuaWeiCategory="voip", HuaWeiChannelID="b", HuaWeiImportance="LOW", Sound="y")
    sent = android(notification(wishes=given), cert)
    shown = sent["notification"]
    assert (sent["category"], shown["channel_id"], shown["importance"], shown["sound"]) == ("VOIP", "b", "LOW", "/raw/y")
    kept = android(notification(), cert)
    assert (kept["category"], kept["notification"]["channel_id"]) == ("IM", "a")


def test_a_public_notification_never_travels_under_the_chat_category():
    assert android(notification(notification_class="public"), certificate(category="IM"))["category"] == "MARKETING"


def test_sound_needs_default_sound_false_and_badge_needs_a_class():
    shown = android(notification())["notification"]
    assert "sound" not in shown
    assert "default_sound" not in shown
    assert "badge" not in shown
    assert android(notification(badge=250), certificate(badge_class="a.B"))["notification"]["badge"]["set_num"] == 99


def test_big_text_style_repeats_the_texts():
    shown = android(notification(wishes=wishes(PushStyle=1)))["notification"]
    assert (shown["style"], shown["big_title"], shown["big_body"]) == (1, "Alice", "see you at eight")


@pytest.mark.parametrize(("seconds", "ttl"), [(-1, "1s"), (60, "60s"), (99 * 86_400, "1296000s")])
def test_the_time_to_live_is_kept_within_bounds(seconds, ttl):
    assert android(notification(expires_at_ms=NOW_MS + seconds * 1000))["ttl"] == ttl


def test_test_messages_and_offline_merging_are_options():
    sent = android(notification(), certificate(target_user_type=1, collapse_key=0))
    assert (sent["target_user_type"], sent["collapse_key"]) == (1, 0)


@settings(max_examples=60, deadline=None)
@given(
    title=st.text(st.characters(), max_size=3000),
    body=st.text(st.characters(), max_size=3000),
    ext=st.text(st.characters(), max_size=3000),
    other=st.text(st.characters(), max_size=2000),
    style=st.integers(0, 1),
    ext_in_intent=st.integers(0, 1),
    page=st.booleans(),
)
def test_any_text_gives_a_body_within_4096_bytes_without_tokens(title, body, ext, other, style, ext_in_intent, page):
    given = wishes(
        HuaWeiImage="https://" + other,
        HuaWeiChannelID=other,
        Sound=other,
        HuaWeiCategory=other,
        PushStyle=style,
        ExtAsHuaweiIntentParam=ext_in_intent,
    )
    cert = certificate(click_action="page", click_value=PAGE) if page else certificate()
    (request,) = render(notification(title=title, body=body, ext=ext, wishes=given), cert)
    sent = message(request)
    assert len(request.body) - len(json.dumps(sent["token"])) + 2 <= 4096
    assert isinstance(json.loads(sent["android"]["data"]), dict)
    assert sent["android"]["notification"]["title"].strip()
    assert sent["android"]["notification"]["body"].strip()


# --- answers (section 4) -----------------------------------------------------------------------


def test_success_is_accepted_with_the_request_id():
    outcomes = answer(200, code("80000000", "Success"), TARGET, Target(78, "b"))
    assert outcomes == [Outcome(OutcomeKind.ACCEPTED, "80000000", vendor_message_id="r1")] * 2


@pytest.mark.parametrize("key", ["illegal_tokens", "illegalTokens"])
def test_partial_success_is_parsed_twice_and_condemns_only_the_named_tokens(key):
    bad: Any = ["tokA"] if key == "illegal_tokens" else {" tokenFormatError ": ["tokA "]}
    msg = json.dumps({"success": 3, "failure": 1, key: bad})
    first, second = answer(200, code("80100000", msg), Target(1, "tokA"), Target(2, "tokB"))
    assert (first.kind, first.evidence) == (OutcomeKind.TOKEN_DEAD, Evidence.TOKEN)
    assert (second.kind, second.vendor_message_id) == (OutcomeKind.ACCEPTED, "r1")


def test_a_partial_success_that_names_nobody_condemns_nobody():
    assert {o.kind for o in answer(200, code("80100000", "oops"), Target(1, "a"), Target(2, "b"))} == {OutcomeKind.UNKNOWN}


def test_all_tokens_invalid_is_no_evidence_by_itself():
    (outcome,) = answer(200, code("80300007"))
    assert (outcome.kind, outcome.evidence) == (OutcomeKind.TOKEN_DEAD, Evidence.REQUEST)


REFUSED, CREDENTIALS, DOWN = OutcomeKind.MESSAGE_REFUSED, OutcomeKind.CREDENTIALS_REFUSED, OutcomeKind.VENDOR_DOWN
CODES = [
    ("80100001", REFUSED),
    ("80100002", REFUSED),
    ("80100003", REFUSED),
    ("80100004", REFUSED),
    ("80100013", REFUSED),
    ("80100016", REFUSED),
    ("80100017", OutcomeKind.THROTTLED),
    ("80100018", REFUSED),
    ("80200001", OutcomeKind.AUTH_EXPIRED),
    ("80200003", OutcomeKind.AUTH_EXPIRED),
    ("80200005", OutcomeKind.AUTH_EXPIRED),
    ("80300002", CREDENTIALS),
    ("80300008", REFUSED),
    ("80300010", REFUSED),
    ("80300011", OutcomeKind.CLASS_REFUSED),
    ("80300013", CREDENTIALS),
    ("80600003", DOWN),
    ("81000001", DOWN),
    *[(str(n), REFUSED) for n in range(82000001, 82000012)],
]


@pytest.mark.parametrize("status", [200, 400, 401, 500])
@pytest.mark.parametrize(("number", "kind"), CODES)
def test_each_code_has_its_meaning_under_every_http_status(status, number, kind):
    (outcome,) = answer(status, code(number))
    assert (outcome.kind, outcome.code) == (kind, number)


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (200, OutcomeKind.UNKNOWN),
        (400, REFUSED),
        (401, OutcomeKind.AUTH_EXPIRED),
        (404, CREDENTIALS),
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
    | st.dictionaries(st.sampled_from(["code", "msg", "requestId"]), st.none() | st.integers() | st.text() | st.lists(st.text())),
)
def test_no_answer_is_too_strange(status, body):
    assert len(answer(status, body, Target(1, "a"), Target(2, "b"))) == 2


# --- log-in (section 2.1) ----------------------------------------------------------------------


def test_the_login_is_a_client_credentials_form():
    request = HUAWEI.login(certificate(), NOW_MS)
    assert isinstance(request, VendorRequest)
    assert request.url == "https://oauth-login.cloud.huawei.com/oauth2/v3/token"
    assert parse_qs(request.body.decode()) == {
        "grant_type": ["client_credentials"],
        "client_id": ["100123456"],
        "client_secret": ["s+cret/="],
    }
    assert set(request.secrets) == {"s+cret/=", "s%2Bcret%2F%3D"}


@pytest.mark.parametrize(
    ("auth_url", "url"),
    [("http://127.0.0.1:18081", "http://127.0.0.1:18081/oauth2/v3/token"), ("https://h.example/x/token", "https://h.example/x/token")],
)
def test_auth_url_takes_a_path_or_gets_the_vendors(auth_url, url):
    request = HUAWEI.login(certificate(auth_url=auth_url), NOW_MS)
    assert isinstance(request, VendorRequest)
    assert request.url == url


def test_the_grant_keeps_escaped_slashes_right():
    body = b'{"access_token":"Cg\\/B+==","expires_in":3600,"token_type":"Bearer"}'
    assert HUAWEI.read_login(certificate(), VendorResponse(200, {}, body), NOW_MS) == Grant("Cg/B+==", NOW_MS + 3_600_000, NOW_MS)


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (400, CREDENTIALS),
        (401, CREDENTIALS),
        (403, OutcomeKind.UNKNOWN),
        (405, OutcomeKind.UNKNOWN),
        (429, DOWN),
        (500, DOWN),
        (502, DOWN),
        (503, DOWN),
        (504, DOWN),
        (590, DOWN),
    ],
)
def test_each_refused_login_has_its_meaning(status, kind):
    body = b'{"error":1101,"sub_error":20044,"error_description":"secret wrong"}'
    outcome = HUAWEI.read_login(certificate(), VendorResponse(status, {}, body), NOW_MS)
    assert isinstance(outcome, Outcome)
    assert (outcome.kind, outcome.code) == (kind, "1101/20044")


# --- receipts (section 6) ----------------------------------------------------------------------

V1 = {"statuses": [{"biTag": "m:0193f2c4", "appid": "1", "token": "tokA", "status": 0, "timestamp": 1489993883189, "requestId": "1"}]}
V2 = {"statuses": [{"token": "tokA", "pushType": 0, "biTag": "m:0193f2c4", "deliveryStatus": {"result": 0, "timestamp": 1489993883189}}]}


def receipts(body: Any, cert: Certificate | None = None, header: str = "") -> Any:
    request = ReceiptRequest({"x-huawei-callback-id": header}, {}, json.dumps(body).encode())
    return HUAWEI.read_receipts(cert or certificate(), request, NOW_MS)


def signed(key: bytes, timestamp: int = NOW_MS) -> str:
    value = base64.b64encode(hmac.new(key, f"{timestamp}n-1user".encode(), hashlib.sha256).digest()).decode()
    return f"timestamp={timestamp}; nonce=n-1; value={value}"


@pytest.mark.parametrize("body", [V1, V2])
def test_both_bodies_are_read(body):
    found = receipts(body)
    assert found.status == 200
    assert json.loads(found.body)["code"] == "0"
    (receipt,) = found.receipts
    assert (receipt.kind, receipt.msg_id, receipt.token, receipt.at_ms) == (ReceiptKind.DELIVERED, "0193f2c4", "tokA", 1489993883189)


DROPPED = (10, 14, 15, 22, 27, 31, 51, 102, 144, 151, 188, 191, 201, 256, 259, 264, 261, 262, 155, 156, 158, 265, 268, 269)
STATUSES = [(0, ReceiptKind.DELIVERED), (2, ReceiptKind.TOKEN_DEAD), (5, ReceiptKind.TOKEN_DEAD), (6, ReceiptKind.MUTED)]


@pytest.mark.parametrize(("status", "kind"), STATUSES + [(n, ReceiptKind.DROPPED) for n in DROPPED])
def test_each_status_has_its_meaning(status, kind):
    (receipt,) = receipts({"statuses": [{"token": "t", "status": status}]}).receipts
    assert (receipt.kind, receipt.code) == (kind, str(status))


SECRET = base64.b64encode(b"0123456789abcdef").decode()


@pytest.mark.parametrize("key", [SECRET.encode(), b"0123456789abcdef"])
def test_both_forms_of_the_key_are_taken(key):
    found = receipts(V1, certificate(SECRET, callback_user="user"), signed(key))
    assert (found.status, len(found.receipts)) == (200, 1)


@pytest.mark.parametrize("header", ["", "nonsense", signed(b"wrong"), signed(SECRET.encode(), NOW_MS - 301_000)])
def test_an_unsigned_wrong_or_stale_call_yields_nothing(header):
    found = receipts(V1, certificate(SECRET, callback_user="user"), header)
    assert (found.status, found.receipts) == (401, ())


@given(
    st.binary(max_size=80)
    | st.recursive(
        st.none() | st.integers() | st.text(),
        lambda inner: (
            st.lists(inner)
            | st.dictionaries(st.sampled_from(["statuses", "status", "token", "deliveryStatus", "result", "timestamp", "biTag"]), inner)
        ),
        max_leaves=8,
    )
)
def test_no_receipt_call_is_too_strange(body):
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    assert HUAWEI.read_receipts(certificate(), ReceiptRequest({}, {}, raw), NOW_MS).status in {200, 400}


def test_what_will_bite_is_told_as_a_warning():
    problems = HUAWEI.check(certificate())
    assert {p.field for p in problems} == {"category", "badge_class"}
    assert all(p.warning for p in problems)


def test_the_tapped_app_gets_the_ext_back():
    data = json.loads(android(notification())["data"])
    assert HUAWEI.parse_extras(data) == EXT
