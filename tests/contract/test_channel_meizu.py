"""Meizu against the vendor sheet: the signature's vectors, forms, batches, codes on both levels, receipts."""

from __future__ import annotations

import hashlib
import json
from typing import Any
from urllib.parse import parse_qs, urlencode

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from homing.channels.meizu import MeizuChannel, MeizuCredentials, MeizuOptions, sign
from homing.model.certificates import Certificate
from homing.model.notification import Notification, Target
from homing.model.outcome import Evidence, Outcome, OutcomeKind, ReceiptKind, ReceiptRequest, VendorRequest, VendorResponse
from homing.model.push_info import AndroidInfo, OfflinePushInfo

NOW_MS = 1_795_000_000_000  # 19:06:40 in China
MEIZU = MeizuChannel()
SECRET = "mz_secret_01"
ONE = "S5Q4b72637e455d415a7a557d68465c7a60020a6e6a43"
TWO = "RA50c6348036344485d01776773577c64740465480a6b"
TARGET = Target(77, ONE)
EXT = '{"entity":{"sender":"u1"}}'
PAGE = (
    "intent://com.example.im/detail?conv=c2c_u1#Intent;scheme=pushscheme;launchFlags=0x4000000;"
    "component=com.example.im/com.example.im.MainActivity;end"
)
REFUSED, CREDENTIALS, DOWN, UNKNOWN = (
    OutcomeKind.MESSAGE_REFUSED,
    OutcomeKind.CREDENTIALS_REFUSED,
    OutcomeKind.VENDOR_DOWN,
    OutcomeKind.UNKNOWN,
)


def certificate(callback_token: str = "", app_id: str = "100999", receipt_path: str = "", **options: Any) -> Certificate:
    credentials = MeizuCredentials(app_id=app_id, app_secret=SECRET, callback_token=callback_token)
    return Certificate(1400000001, 15523, "meizu", "meizu", credentials, MeizuOptions(**options), receipt_path=receipt_path)


def notification(**changes: Any) -> Notification:
    values: dict[str, Any] = {
        "title": "Alice",
        "body": "Lunch?",
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
    return MEIZU.render(note, targets or (TARGET,), cert or certificate(), None, NOW_MS)


def form(request: VendorRequest) -> dict[str, str]:
    return {name: values[0] for name, values in parse_qs(request.body.decode(), keep_blank_values=True).items()}


def message(note: Notification, cert: Certificate | None = None) -> dict[str, Any]:
    return dict(json.loads(form(render(note, cert)[0])["messageJson"]))


def answer(status: int, body: Any, *targets: Target) -> list[Outcome]:
    request = render(notification(), None, *targets)[0]
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    return MEIZU.interpret(request, VendorResponse(status, {}, raw), NOW_MS)


def ok(value: Any) -> dict[str, Any]:
    return {"code": "200", "message": "", "value": value, "msgId": "c2ee", "redirect": ""}


# --- the signature (section 2, vectors) ---------------------------------------------------------

VENDORS_MESSAGE = '{"title":"title","content":"content","pushTimeInfo":{"offLine":1,"validTime":24}}'
MESSAGE_B = (
    '{"noticeBarInfo":{"noticeMsgType":1,"noticeBarType":0,"title":"Alice","content":"Hi 你好"},'
    '"clickTypeInfo":{"clickType":0},"pushTimeInfo":{"offLine":1,"validTime":24}}'
)
MESSAGE_C = (
    '{"noticeBarInfo":{"noticeMsgType":1,"noticeBarType":0,"title":"Alice","content":"Lunch?"},'
    '"noticeExpandInfo":{"noticeExpandType":0},"clickTypeInfo":{"clickType":1,"activity":"com.example.im.MainActivity",'
    '"parameters":{"ext":"{\\"conv\\":\\"c2c_alice\\"}"}},"pushTimeInfo":{"offLine":1,"validTime":24},'
    '"advanceInfo":{"suspend":1,"clearNoticeBar":1,"notificationType":{"vibrate":1,"lights":1,"sound":1},"notifyKey":"c8f21a0b"},'
    '"extra":{"callback":"https://push.example.com/cb/meizu/7f3a","callback.param":"im-8f21","callback.type":3}}'
)
VECTORS = [
    (
        "vendor's own",
        {"appId": "10000", "messageJson": VENDORS_MESSAGE, "pushIds": TWO},
        "<APP_SECRET>",
        "ac076ff25d9900015a681cb5172aa53b",
    ),
    ("two targets", {"appId": "100999", "pushIds": f"{ONE},{TWO}", "messageJson": MESSAGE_B}, SECRET, "1a2fdc9e84ce2f71a1e730c2dba31f40"),
    ("chat message", {"pushIds": ONE, "messageJson": MESSAGE_C, "appId": "100999"}, SECRET, "615fdc274e8f1bc31738545139149035"),
    ("alias", {"appId": "100999", "alias": "u_alice,u_bob", "messageJson": MESSAGE_B}, SECRET, "7984feadcdfae531335d9c3d79970756"),
    ("switch", {"appId": "100999", "pushId": ONE}, SECRET, "51e65a4724aec8afbb5eea6de4588a5d"),
    ("task", {"appId": "100999", "taskId": "20457", "pushIds": ONE}, SECRET, "c893897410de182d0bb4f79521a7a6ff"),
]


@pytest.mark.parametrize(("case", "fields", "secret", "expected"), VECTORS, ids=[vector[0] for vector in VECTORS])
def test_each_vector_of_the_signature(case, fields, secret, expected):
    assert sign(fields, secret) == expected


def test_the_text_that_the_vendor_prints_with_blanks_signs_otherwise():
    printed = VENDORS_MESSAGE.replace('":', '": ')
    assert sign({"appId": "10000", "messageJson": printed, "pushIds": TWO}, "<APP_SECRET>") == "250ed115b2977afb5f81578daa33aa7c"


def test_what_is_signed_is_what_is_sent():
    fields = form(render(notification(title="你好 & =", body="a+b%20"))[0])
    given_sign = fields.pop("sign")
    assert sorted(fields) == ["appId", "messageJson", "pushIds"]
    base = f"appId={fields['appId']}messageJson={fields['messageJson']}pushIds={fields['pushIds']}{SECRET}"
    assert given_sign == hashlib.md5(base.encode(), usedforsecurity=False).hexdigest()


# --- requests (section 3) -----------------------------------------------------------------------


def test_the_sample_of_section_3_is_rendered():
    cert = certificate(
        receipt_path="7f3a",
        click_action="page",
        click_value=PAGE,
        callback_base_url="https://push.example.com",
        callback_registered=1,
    )
    (request,) = render(notification(), cert)
    assert (request.method, request.url) == ("POST", "https://server-api-push.meizu.com/garcia/api/server/push/varnished/pushByPushId")
    assert dict(request.headers) == {"content-type": "application/x-www-form-urlencoded;charset=UTF-8"}
    fields = form(request)
    assert (fields["appId"], fields["pushIds"]) == ("100999", ONE)
    assert json.loads(fields["messageJson"]) == {
        "noticeBarInfo": {"noticeMsgType": 1, "noticeBarType": 0, "title": "Alice", "content": "Lunch?"},
        "noticeExpandInfo": {"noticeExpandType": 0},
        "clickTypeInfo": {
            "clickType": 1,
            "activity": "com.example.im.MainActivity",
            "parameters": {"ext": EXT, "msg_id": "0193f2c4", "conv": "c2c_u1", "push_id": "77"},
        },
        "pushTimeInfo": {"offLine": 1, "validTime": 24},
        "advanceInfo": {
            "suspend": 1,
            "clearNoticeBar": 1,
            "notificationType": {"vibrate": 1, "lights": 1, "sound": 1},
            "notifyKey": "000758ec",
        },
        "extra": {"callback": "https://push.example.com/v1/receipts/7f3a", "callback.param": "m:0193f2c4", "callback.type": 3},
    }


def test_a_hundred_ids_travel_together_and_each_once():
    targets = [Target(n, f"id{n}") for n in range(250)] + [Target(999, "id200")]
    requests = render(notification(), None, *targets)
    assert [len(r.targets) for r in requests] == [100, 100, 51]
    assert len(form(requests[2])["pushIds"].split(",")) == 50
    assert "push_id" not in json.loads(form(requests[0])["messageJson"])["clickTypeInfo"]["parameters"]


@pytest.mark.parametrize(("region", "host"), [("china", "server-api-push.meizu.com"), ("overseas", "server-api-push.in.meizu.com")])
def test_each_region_has_its_host(region, host):
    assert render(notification(), certificate(region=region))[0].url.startswith(f"https://{host}/")


@pytest.mark.parametrize(
    ("options", "click"),
    [
        ({}, {"clickType": 0}),
        ({"click_action": "web", "click_value": "https://example.com/a"}, {"clickType": 2, "url": "https://example.com/a"}),
        (
            {"click_action": "page", "click_value": "com.example.im.ChatActivity"},
            {"clickType": 1, "activity": "com.example.im.ChatActivity"},
        ),
        (
            {"click_action": "page", "click_value": "com.example.im/.ChatActivity"},
            {"clickType": 1, "activity": "com.example.im.ChatActivity"},
        ),
        (
            {"click_action": "page", "click_value": "activity:.ChatActivity", "package_name": "com.example.im"},
            {"clickType": 1, "activity": "com.example.im.ChatActivity"},
        ),
        (
            {"click_action": "page", "click_value": "intent://im/detail?a=b#Intent;scheme=pushscheme;end"},
            {"clickType": 2, "url": "pushscheme://im/detail?a=b"},
        ),
        ({"click_action": "page", "click_value": "com.example.im.OPEN_CHAT"}, {"clickType": 0}),
    ],
)
def test_each_click_action_has_its_form(options, click):
    sent = message(notification(), certificate(**options))["clickTypeInfo"]
    assert sent.pop("parameters")["ext"] == EXT
    assert sent == click


@pytest.mark.parametrize(
    ("wished", "notification_class", "number"),
    [(None, "private", 1), (None, "public", 0), (0, "private", 0), (1, "public", 1), (7, "private", 1)],
)
def test_chat_is_private_and_the_messages_own_class_goes_over_it(wished, notification_class, number):
    note = notification(notification_class=notification_class, wishes=wishes(MeiZuNoticeMsgType=wished))
    assert message(note)["noticeBarInfo"]["noticeMsgType"] == number


@pytest.mark.parametrize(
    ("seconds", "off_line", "hours"),
    [(-5, 0, 1), (30, 0, 1), (1799, 0, 1), (1800, 1, 1), (3600, 1, 1), (9000, 1, 3), (86_400, 1, 24), (99 * 86_400, 1, 72)],
)
def test_the_time_to_live_is_in_hours_and_a_short_one_is_not_kept(seconds, off_line, hours):
    note = notification(expires_at_ms=NOW_MS + seconds * 1000)
    assert message(note)["pushTimeInfo"] == {"offLine": off_line, "validTime": hours}


def test_a_receipt_address_that_is_not_registered_is_never_sent():
    assert "extra" not in message(notification(), certificate(receipt_path="7f3a", callback_base_url="https://push.example.com"))
    long = certificate(receipt_path="7" * 100, callback_base_url="https://push.example.com", callback_registered=1)
    assert "extra" not in message(notification(), long)


@settings(max_examples=60, deadline=None)
@given(
    title=st.text(st.characters(), max_size=300),
    body=st.text(st.characters(), max_size=1000),
    ext=st.text(st.characters(), max_size=5000),
    notify_id=st.integers(-(2**40), 2**40),
    limit=st.sampled_from([2048, 4096]),
)
def test_any_text_gives_a_message_within_the_limits(title, body, ext, notify_id, limit):
    (request,) = render(notification(title=title, body=body, ext=ext, notify_id=notify_id), certificate(payload_limit_bytes=limit))
    text = form(request)["messageJson"]
    sent = json.loads(text)
    assert len(text.encode()) <= limit
    assert 1 <= len(sent["noticeBarInfo"]["title"]) <= 32
    assert 1 <= len(sent["noticeBarInfo"]["content"]) <= 100
    assert len(sent["advanceInfo"]["notifyKey"]) == 8


# --- answers (section 5) ------------------------------------------------------------------------


def test_success_is_accepted_with_the_message_id():
    assert answer(200, ok({}), TARGET, Target(78, TWO)) == [Outcome(OutcomeKind.ACCEPTED, "200", vendor_message_id="c2ee")] * 2
    assert answer(200, {"code": 200, "value": ""})[0] == Outcome(OutcomeKind.ACCEPTED, "200")


INNER = [
    ("201", OutcomeKind.CLASS_REFUSED),
    ("501", UNKNOWN),
    ("513", UNKNOWN),
    ("518", OutcomeKind.THROTTLED),
    ("519", OutcomeKind.THROTTLED),
    ("520", OutcomeKind.QUOTA_DEVICE),
    ("110002", OutcomeKind.TOKEN_DEAD),
    ("110003", OutcomeKind.TOKEN_DEAD),
    ("110005", REFUSED),
    ("110010", REFUSED),
    ("110011", OutcomeKind.QUOTA_DEVICE),
    ("999999", REFUSED),
]


@pytest.mark.parametrize(("code", "kind"), INNER)
def test_each_inner_code_speaks_of_its_targets_only(code, kind):
    bad, good = answer(200, ok({code: [ONE]}), TARGET, Target(78, TWO))
    assert (bad.kind, bad.code, good.kind) == (kind, code, OutcomeKind.ACCEPTED)
    assert bad.detail
    assert bad.evidence is Evidence.TOKEN


CODES = [
    ("-1", UNKNOWN),
    ("300", UNKNOWN),
    ("500", UNKNOWN),
    ("1001", DOWN),
    ("1003", DOWN),
    ("1005", REFUSED),
    ("1006", CREDENTIALS),
    ("110000", CREDENTIALS),
    ("110001", CREDENTIALS),
    ("110004", REFUSED),
    ("110009", CREDENTIALS),
    ("110010", OutcomeKind.THROTTLED),
    ("110019", OutcomeKind.QUOTA_APP),
    ("110031", CREDENTIALS),
    ("110032", REFUSED),
    ("110033", CREDENTIALS),
    ("110051", OutcomeKind.QUOTA_APP),
    ("110053", REFUSED),
    ("424242", UNKNOWN),
]


@pytest.mark.parametrize(("code", "kind"), CODES)
def test_each_top_level_code_has_its_meaning(code, kind):
    (outcome,) = answer(200, {"code": code, "message": "m", "value": "", "redirect": ""})
    assert (outcome.kind, outcome.code, outcome.detail) == (kind, code, "m")


def test_a_used_up_day_ends_at_midnight_in_china():
    (outcome,) = answer(200, {"code": "110019", "message": "", "value": ""})
    assert outcome.retry_after_seconds == (24 * 3600 - (19 * 3600 + 6 * 60 + 40))


@pytest.mark.parametrize("code", ["110002", "110003"])
def test_a_refusal_of_the_whole_request_is_weak_evidence_for_one_id_and_none_for_several(code):
    (lone,) = answer(200, {"code": code, "message": "", "value": ""})
    assert (lone.kind, lone.evidence) == (OutcomeKind.TOKEN_DEAD, Evidence.REQUEST)
    assert {o.kind for o in answer(200, {"code": code, "value": ""}, TARGET, Target(78, TWO))} == {UNKNOWN}


@pytest.mark.parametrize(
    ("status", "kind"),
    [(200, UNKNOWN), (302, UNKNOWN), (400, REFUSED), (404, REFUSED), (429, OutcomeKind.THROTTLED), (500, DOWN), (503, DOWN)],
)
def test_without_a_code_the_http_status_decides(status, kind):
    assert answer(status, b"<html>")[0].kind is kind


@given(
    status=st.integers(100, 599),
    body=st.binary(max_size=100)
    | st.dictionaries(
        st.sampled_from(["code", "message", "value", "msgId"]),
        st.none()
        | st.integers()
        | st.sampled_from(["200", "1001"])
        | st.dictionaries(st.sampled_from(["501", "x"]), st.none() | st.text() | st.lists(st.text() | st.integers())),
    ),
)
def test_no_answer_is_too_strange(status, body):
    outcomes = answer(status, body, Target(1, "a"), Target(2, "b"))
    assert len(outcomes) == 2
    assert all(o.kind is not OutcomeKind.TOKEN_DEAD for o in outcomes)


# --- receipts (section 7) -----------------------------------------------------------------------

CB = {
    "c2ee5c3bf00448cfbceb7fdf68c3c8eb-1": {"param": "m:0193f2c4", "type": 1, "targets": ["pushId1", "pushId2"]},
    "c2ee5c3bf00448cfbceb7fdf68c3c8eb-2": {"param": "m:0193f2c4", "type": 2, "targets": ["pushId1"]},
}


def receipts(body: bytes | str, token: str = "") -> Any:
    raw = body.encode() if isinstance(body, str) else body
    return MEIZU.read_receipts(certificate(token), ReceiptRequest({}, {}, raw), NOW_MS)


def test_both_kinds_are_read():
    found = receipts(urlencode({"cb": json.dumps(CB), "access_token": "t"}))
    assert found.status == 200
    assert [(r.kind, r.msg_id, r.token, r.code) for r in found.receipts] == [
        (ReceiptKind.DELIVERED, "0193f2c4", "pushId1", "1"),
        (ReceiptKind.DELIVERED, "0193f2c4", "pushId2", "1"),
        (ReceiptKind.CLICKED, "0193f2c4", "pushId1", "2"),
    ]


def test_the_kind_may_stand_in_the_key_alone():
    (receipt,) = receipts(urlencode({"cb": json.dumps({"a-b-2": {"targets": ["t"]}})})).receipts
    assert (receipt.kind, receipt.msg_id) == (ReceiptKind.CLICKED, "")


@pytest.mark.parametrize("shown", [None, "", "other", "\udcff"])
def test_a_wrong_token_yields_nothing(shown):
    fields = {"cb": json.dumps(CB)} | ({} if shown is None else {"access_token": shown.encode("utf-8", "replace").decode()})
    found = receipts(urlencode(fields), "right")
    assert (found.status, found.receipts) == (401, ())


def test_the_right_token_is_taken():
    assert len(receipts(urlencode({"cb": json.dumps(CB), "access_token": "right"}), "right").receipts) == 3


@given(
    st.binary(max_size=80)
    | st.recursive(
        st.none() | st.integers() | st.text(),
        lambda inner: st.lists(inner) | st.dictionaries(st.sampled_from(["a-1", "type", "targets", "param"]), inner),
        max_leaves=8,
    ).map(lambda value: urlencode({"cb": json.dumps(value)}))
)
def test_no_receipt_call_is_too_strange(body):
    assert receipts(body).status in {200, 400}


# --- certificates -------------------------------------------------------------------------------


def problems(cert: Certificate) -> dict[str, bool]:
    return {problem.field: problem.warning for problem in MEIZU.check(cert)}


def test_a_good_certificate_has_no_problem_and_needs_no_login():
    assert problems(certificate()) == {}
    assert MEIZU.login(certificate(), NOW_MS) is None


@pytest.mark.parametrize(
    ("options", "field"),
    [
        ({"notification_class": "public"}, "notification_class"),
        ({"callback_base_url": "https://push.example.com", "receipt_path": "x"}, "callback_registered"),
        (
            {"callback_base_url": "https://push.example.com/" + "a" * 100, "receipt_path": "x", "callback_registered": 1},
            "callback_base_url",
        ),
        ({"sound": "ring"}, "sound"),
        ({"channel_id": "im"}, "channel_id"),
    ],
)
def test_what_will_bite_is_told_as_a_warning(options, field):
    assert problems(certificate(**options)) == {field: True}


@pytest.mark.parametrize(
    ("options", "field"),
    [
        ({"app_id": ""}, "app_id"),
        ({"app_id": "abc"}, "app_id"),
        ({"region": "mars"}, "region"),
        ({"click_action": "page", "click_value": "com.example.im.OPEN_CHAT"}, "click_value"),
        ({"click_action": "page", "click_value": "activity:.Chat"}, "click_value"),
        ({"click_action": "web", "click_value": "https://example.com/" + "a" * 985}, "click_value"),
    ],
)
def test_what_would_fail_is_an_error(options, field):
    assert problems(certificate(**options)) == {field: False}


def test_the_tapped_app_gets_the_ext_back():
    assert MEIZU.parse_extras(message(notification())["clickTypeInfo"]["parameters"]) == EXT


def redirected(url: Any, request: VendorRequest | None = None) -> list[VendorRequest]:
    body = json.dumps({"code": "300", "message": "", "value": "", "redirect": url}).encode()
    return MEIZU.follow_up(request or render(notification())[0], VendorResponse(200, {}, body), certificate())


def test_a_redirect_within_the_vendors_domain_is_followed_once():
    (request,) = render(notification())
    (second,) = redirected("https://push2.meizu.com/garcia/x", request)
    assert (second.url, second.body, second.targets) == ("https://push2.meizu.com/garcia/x", request.body, request.targets)
    assert redirected("https://push3.meizu.com/", second) == []


def test_a_redirect_to_the_host_that_answered_is_followed():
    (request,) = render(notification(), certificate(base_url="http://127.0.0.1:9100"))
    assert [r.url for r in redirected("http://127.0.0.1:9100/b", request)] == ["http://127.0.0.1:9100/b"]


@pytest.mark.parametrize(
    "url",
    [
        "",
        None,
        7,
        "/garcia/x",
        "http://push2.meizu.com/",
        "https://meizu.com.evil.example/",
        "https://evilmeizu.com/",
        "https://u@push2.meizu.com/",
        "https://[::1",
        "http://127.0.0.1/",
    ],
)
def test_a_redirect_to_somebody_else_is_not_followed(url):
    assert redirected(url) == []


def test_nothing_follows_on_other_answers():
    (request,) = render(notification())
    body = json.dumps({"code": "200", "redirect": "https://push2.meizu.com/"}).encode()
    assert MEIZU.follow_up(request, VendorResponse(200, {}, body), certificate()) == []
