"""vivo against the vendor sheet: signature, message, classes, lengths, group sends, codes, receipts."""

from __future__ import annotations

import json
import unicodedata
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from homing.channels.vivo import VivoChannel, signature
from homing.channels.vivo_fields import VivoCredentials, VivoOptions
from homing.channels.vivo_message import cut_width
from homing.model.certificates import Certificate
from homing.model.notification import Notification, Target
from homing.model.outcome import Evidence, Grant, Outcome, OutcomeKind, ReceiptKind, ReceiptRequest, VendorRequest, VendorResponse
from homing.model.push_info import AndroidInfo, OfflinePushInfo

NOW_MS = 1_735_689_600_000  # 2025-01-01 08:00 in China
VIVO = VivoChannel()
REGID = "16005080910330978890938"
TARGET = Target(77, REGID)
OTHER = Target(78, "v2-" + "x" * 60)
EXT = '{"sender":"alice","chatType":1}'
GRANT = Grant("vt-5b1e90c2d7a84f36", NOW_MS + 1)
PAGE = (
    "intent://com.example.im/detail#Intent;scheme=pushscheme;launchFlags=0x4000000;component=com.example.im/com.example.im.MainActivity;end"
)


def certificate(path: str = "p17", app_id: str = "10004", **options: Any) -> Certificate:
    given = {"package_name": "com.example.im", "category": "IM"} | options
    credentials = VivoCredentials(app_id=app_id, app_key="25509283-3767-4b9e-83fe-b6e55ac6243e", app_secret="vs_9ad1")
    return Certificate(1400000001, 15521, "vivo", "vivo", credentials, VivoOptions(**given), receipt_path=path)


def notification(**changes: Any) -> Notification:
    values: dict[str, Any] = {
        "title": "Alice",
        "body": "中午一起吃饭吗？",
        "ext": EXT,
        "conversation_id": "c2c_alice",
        "msg_id": "im-8f21",
        "notify_id": 48213,
        "collapse_id": "c2c_alice",
        "wishes": OfflinePushInfo(),
        "expires_at_ms": NOW_MS + 86_400_000,
        "badge": 3,
    }
    return Notification(**(values | changes))


def wishes(**values: Any) -> OfflinePushInfo:
    return OfflinePushInfo(AndroidInfo=AndroidInfo(**values))


def render(note: Notification, cert: Certificate | None = None, *targets: Target) -> list[VendorRequest]:
    return VIVO.render(note, targets or (TARGET,), cert or certificate(), GRANT, NOW_MS)


def sent(note: Notification, **options: Any) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(render(note, certificate(**options))[0].body)
    return found


def response(body: Any, status: int = 200) -> VendorResponse:
    return VendorResponse(status, {}, body if isinstance(body, bytes) else json.dumps(body).encode())


def answer(body: Any, status: int = 200) -> Outcome:
    (outcome,) = VIVO.interpret(render(notification())[0], response(body, status), NOW_MS)
    return outcome


def follow(request: VendorRequest, body: Any, cert: Certificate | None = None) -> list[VendorRequest]:
    return VIVO.follow_up(request, response(body), cert or certificate())


# --- log-in


@pytest.mark.parametrize(
    ("app_id", "key", "timestamp", "secret", "sign"),
    [
        ("10004", "25509283-3767-4b9e-83fe-b6e55ac6243e", 1700000000123, "vs_9ad1", "d500c92893f06c027d036279f9780022"),
        (
            " 105000001",
            "3f2b8c1d-7a64-4e0b-9c55-d1e2f3a4b5c6 ",
            1735689600000,
            "a9d8c7b6-e5f4-4321-8765-0f1e2d3c4b5a",
            "8f9f5f2726769941e33504c14cb11bb0",
        ),
    ],
)
def test_the_vectors_of_section_2_are_signed(app_id, key, timestamp, secret, sign):
    assert signature(app_id, key, timestamp, secret) == sign


def test_the_login_is_signed_json():
    request = VIVO.login(certificate(), 1700000000123)
    assert isinstance(request, VendorRequest)
    assert (request.method, request.url) == ("POST", "https://api-push.vivo.com.cn/message/auth")
    assert json.loads(request.body) == {
        "appId": 10004,
        "appKey": "25509283-3767-4b9e-83fe-b6e55ac6243e",
        "timestamp": 1700000000123,
        "sign": "d500c92893f06c027d036279f9780022",
    }
    assert request.secrets == ("d500c92893f06c027d036279f9780022",)


def test_a_token_lives_a_day():
    assert VIVO.read_login(certificate(), response({"result": 0, "desc": "ok", "authToken": "t"}), NOW_MS) == Grant(
        "t", NOW_MS + 86_400_000, NOW_MS
    )


@pytest.mark.parametrize(
    ("body", "kind"),
    [
        ({"result": 10206, "desc": "sign"}, OutcomeKind.CREDENTIALS_REFUSED),
        ({"result": 10205}, OutcomeKind.CREDENTIALS_REFUSED),
        ({"result": 10207}, OutcomeKind.UNKNOWN),
        ({"result": 10250}, OutcomeKind.THROTTLED),
        ({"result": 0}, OutcomeKind.UNKNOWN),
        (b"<html>", OutcomeKind.UNKNOWN),
    ],
)
def test_a_refused_login_says_why(body, kind):
    found = VIVO.read_login(certificate(), response(body), NOW_MS)
    assert isinstance(found, Outcome)
    assert found.kind is kind


def test_certificates_of_one_app_share_a_grant_and_a_wrong_secret_does_not():
    assert VIVO.login_identity(certificate()) == VIVO.login_identity(certificate(path="x", category="TODO"))
    other = VivoCredentials(app_id="10004", app_key=certificate().credentials.app_key, app_secret="other")
    wrong = Certificate(1400000001, 15522, "vivo", "vivo", other, certificate().options)
    assert VIVO.login_identity(wrong) != VIVO.login_identity(certificate())


# --- the message


def test_the_sample_of_section_3_is_rendered():
    (request,) = render(notification(), certificate(click_action="page", click_value=PAGE, receipt_id="1234"))
    assert (request.method, request.url) == ("POST", "https://api-push.vivo.com.cn/message/send")
    assert dict(request.headers) == {"authtoken": "vt-5b1e90c2d7a84f36", "content-type": "application/json;charset=UTF-8"}
    assert request.secrets == ("vt-5b1e90c2d7a84f36",)
    body = json.loads(request.body)
    assert len(body.pop("requestId")) == 32
    assert body == {
        "appId": 10004,
        "regId": REGID,
        "notifyType": 4,
        "title": "Alice",
        "content": "中午一起吃饭吗？",
        "timeToLive": 86_400,
        "skipType": 4,
        "skipContent": PAGE,
        "networkType": -1,
        "classification": 1,
        "category": "IM",
        "clientCustomMap": {"ext": EXT, "msg_id": "im-8f21", "conv": "c2c_alice", "push_id": "77"},
        "extra": {"callback.id": "1234", "callback.param": "m:im-8f21"},
        "pushMode": 0,
        "notifyId": 48213,
        "addBadge": True,
        "foregroundShow": False,
        "sendOnline": False,
    }


def test_a_retry_has_the_same_request_id_and_another_phone_or_text_another():
    first = sent(notification())["requestId"]
    assert first == sent(notification(expires_at_ms=NOW_MS + 90_000))["requestId"]
    assert first != sent(notification(body="撤回"))["requestId"]
    assert first != sent(notification(msg_id="other"))["requestId"]
    assert first != json.loads(render(notification(), None, OTHER)[0].body)["requestId"]


@pytest.mark.parametrize(("ttl_seconds", "expected"), [(-5, 60), (0, 60), (61, 61), (90_000, 86_400)])
def test_time_to_live_stays_in_its_bounds(ttl_seconds, expected):
    assert sent(notification(expires_at_ms=NOW_MS + ttl_seconds * 1000))["timeToLive"] == expected


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({}, {"skipType": 1}),
        ({"click_action": "page", "click_value": PAGE}, {"skipType": 4, "skipContent": PAGE}),
        ({"click_action": "web", "click_value": "https://a.example"}, {"skipType": 2, "skipContent": "https://a.example"}),
    ],
)
def test_click_actions_in_the_vendors_terms(options, expected):
    found = sent(notification(), **options)
    assert {name: value for name, value in found.items() if name.startswith("skip")} == expected


@pytest.mark.parametrize(
    ("note", "options", "expected"),
    [
        ({}, {}, ("IM", 1)),
        ({}, {"category": ""}, (None, 1)),
        ({}, {"category": "", "classification": 0}, (None, 0)),
        ({"wishes": wishes(VIVOCategory="todo")}, {}, ("TODO", 1)),
        ({"wishes": wishes(VIVOCategory="MARKETING")}, {}, ("MARKETING", 0)),
        ({"wishes": wishes(VIVOCategory="MARKETING", VIVOClassification=1)}, {}, ("MARKETING", 0)),
        ({"wishes": wishes(VIVOClassification=0)}, {}, (None, 0)),
        ({"wishes": wishes(VIVOClassification=1)}, {}, ("IM", 1)),
        ({"wishes": wishes(VIVOClassification=5)}, {}, ("IM", 1)),
        ({"wishes": wishes(VIVOCategory="NEWLY")}, {}, ("NEWLY", 1)),
        ({"notification_class": "public"}, {}, ("MARKETING", 0)),
        ({"notification_class": "public"}, {"category": ""}, (None, 0)),
        ({"notification_class": "public"}, {"category": "NEWS", "notification_class": "public"}, ("NEWS", 0)),
    ],
)
def test_category_and_classification_always_agree(note, options, expected):
    found = sent(notification(**note), **options)
    assert (found.get("category"), found["classification"]) == expected


def test_receipts_have_an_id_or_a_url_and_never_both():
    url = "https://push.example.com"
    assert sent(notification(), callback_base_url=url)["extra"] == {"callback": f"{url}/v1/receipts/p17", "callback.param": "m:im-8f21"}
    assert sent(notification(), callback_base_url=url, receipt_id="7")["extra"] == {"callback.id": "7", "callback.param": "m:im-8f21"}
    assert "extra" not in sent(notification())
    assert "extra" not in sent(notification(), callback_base_url=url, test_mode=1)
    assert "extra" not in sent(notification(), callback_base_url=f"https://{'a' * 120}.example")
    assert "callback.param" not in sent(notification(msg_id="m" * 63), receipt_id="7")["extra"]


def test_the_badge_is_raised_by_one_unless_that_is_switched_off():
    assert sent(notification(badge=None))["addBadge"] is True
    assert "addBadge" not in sent(notification(), add_badge=False)


def test_what_is_too_long_for_the_custom_map_gives_way():
    assert set(sent(notification(ext="x" * 1010))["clientCustomMap"]) == {"ext"}
    assert set(sent(notification(ext="x" * 1022))["clientCustomMap"]) == {"msg_id", "conv", "push_id"}
    assert set(sent(notification(ext=""))["clientCustomMap"]) == {"msg_id", "conv", "push_id"}


def test_empty_texts_become_words():
    found = sent(notification(title=" ", body=""))
    assert (found["title"], found["content"]) == ("新消息", "新消息")


def half_width(text: str) -> int:
    return sum(2 if unicodedata.east_asian_width(c) in ("W", "F") else 1 for c in text)


@settings(max_examples=150, deadline=None)
@given(title=st.text(max_size=100), body=st.text(max_size=300))
def test_texts_keep_to_the_strict_reading_of_the_limits(title, body):
    found = sent(notification(title=title, body=body))
    assert 0 < half_width(found["title"]) <= 40
    assert 0 < half_width(found["content"]) <= 100
    loose = sent(notification(title=title, body=body), length_rule="chars")
    assert 0 < len(loose["title"]) <= 40
    assert 0 < len(loose["content"]) <= 100


def test_cutting_leaves_whole_characters():
    assert cut_width("汉" * 30, 40) == "汉" * 19 + "…"
    assert cut_width("汉" * 20, 40) == "汉" * 20
    family = "👨‍👩‍👧‍👦"
    assert cut_width(family * 9, 40).replace(family, "") == "…"


# --- group sends


def many(count: int) -> list[Target]:
    return [Target(n, f"v2-{n}") for n in range(count)]


def test_few_phones_get_a_request_each_and_many_a_saved_text():
    assert [r.url.rpartition("/")[2] for r in render(notification(), None, *many(19))] == ["send"] * 19
    requests = render(notification(), None, *many(1020))
    assert [(r.url.rpartition("/")[2], len(r.targets)) for r in requests] == [("saveListPayload", 1000), ("saveListPayload", 20)]
    assert not {"regId", "alias", "profileId"} & set(json.loads(requests[0].body))
    assert len(render(notification(), certificate(list_from=0), *many(50))) == 50


def test_a_saved_text_is_pushed_to_the_list_under_an_id_that_retries_keep():
    (save,) = render(notification(), None, *many(20))
    (push,) = follow(save, {"result": 0, "taskId": "130204417"})
    assert push.url == "https://api-push.vivo.com.cn/message/pushToList"
    body = json.loads(push.body)
    name = body.pop("requestId")
    assert body == {"appId": 10004, "regIds": [f"v2-{n}" for n in range(20)], "taskId": "130204417", "pushMode": 0}
    later = VIVO.render(notification(), many(20), certificate(), GRANT, NOW_MS + 60_000)[0]
    assert json.loads(later.body)["requestId"] != json.loads(save.body)["requestId"]
    assert json.loads(follow(later, {"result": 0, "taskId": "2"})[0].body)["requestId"] == name
    outcomes = VIVO.interpret(push, response({"result": 0, "invalidUsers": [{"status": 2, "userid": "v2-3"}]}), NOW_MS)
    assert [n for n, o in enumerate(outcomes) if o.kind is OutcomeKind.TOKEN_DEAD] == [3]
    assert {o.vendor_message_id for o in outcomes if o.kind is OutcomeKind.ACCEPTED} == {"130204417"}
    assert follow(push, {"result": 0}) == []


def test_a_saved_text_that_was_not_pushed_is_not_accepted():
    (save,) = render(notification(), None, *many(20))
    outcomes = VIVO.interpret(save, response({"result": 0, "taskId": "1"}), NOW_MS)
    assert {o.kind for o in outcomes} == {OutcomeKind.UNKNOWN}


def test_when_no_more_texts_can_be_saved_today_each_phone_gets_its_own_request():
    (save,) = render(notification(), None, *many(20))
    singles = follow(save, {"result": 10252, "desc": "limit"})
    assert [r.targets[0].push_id for r in singles] == list(range(20))
    bodies = [json.loads(r.body) for r in singles]
    assert [b["regId"] for b in bodies] == [f"v2-{n}" for n in range(20)]
    assert bodies[0]["requestId"] == json.loads(render(notification(), None, many(1)[0])[0].body)["requestId"]


@pytest.mark.parametrize("code", [10000, 10070, 10302])
def test_a_refused_list_deletes_no_token_that_is_not_named(code):
    (push,) = follow(render(notification(), None, *many(20))[0], {"result": 0, "taskId": "1"})
    outcomes = VIVO.interpret(push, response({"result": code}), NOW_MS)
    assert len(outcomes) == 20
    assert OutcomeKind.TOKEN_DEAD not in {o.kind for o in outcomes}


# --- repairs


@pytest.mark.parametrize("code", [10085, 10103, 10104])
def test_a_text_that_is_taken_for_a_test_is_replaced_once(code):
    (request,) = render(notification(body="123"))
    (again,) = follow(request, {"result": code, "desc": "test"})
    first, second = json.loads(request.body), json.loads(again.body)
    assert (second["title"], second["content"]) == ("你收到一条新消息", "你收到一条新消息")
    assert second["requestId"] != first["requestId"]
    assert {k: v for k, v in second.items() if k not in ("title", "content", "requestId")} == {
        k: v for k, v in first.items() if k not in ("title", "content", "requestId")
    }
    assert follow(again, {"result": code}) == []


@pytest.mark.parametrize(("code", "name"), [(10096, "category"), (10097, "classification")])
def test_a_refused_class_is_sent_once_without_the_field(code, name):
    (request,) = render(notification())
    (again,) = follow(request, {"result": code})
    assert name not in json.loads(again.body)
    assert follow(again, {"result": code}) == []


@pytest.mark.parametrize("body", [{"result": 0, "taskId": "1"}, {"result": 10302}, {"result": 10070}, b"", {"result": "x"}])
def test_other_answers_are_not_followed(body):
    assert VIVO.follow_up(render(notification())[0], response(body), certificate()) == []


# --- answers


@pytest.mark.parametrize(
    ("code", "kind"),
    [
        (10000, OutcomeKind.AUTH_EXPIRED),
        *((code, OutcomeKind.MESSAGE_REFUSED) for code in range(10040, 10070)),
        (10070, OutcomeKind.QUOTA_APP),
        (10071, OutcomeKind.THROTTLED),
        (10072, OutcomeKind.THROTTLED),
        (10073, OutcomeKind.QUOTA_APP),
        (10085, OutcomeKind.MESSAGE_REFUSED),
        (10094, OutcomeKind.CREDENTIALS_REFUSED),
        (10096, OutcomeKind.CLASS_REFUSED),
        (10097, OutcomeKind.CLASS_REFUSED),
        (10101, OutcomeKind.MESSAGE_REFUSED),
        (10102, OutcomeKind.VENDOR_DOWN),
        (10103, OutcomeKind.MESSAGE_REFUSED),
        (10104, OutcomeKind.MESSAGE_REFUSED),
        *((code, OutcomeKind.CREDENTIALS_REFUSED) for code in range(10200, 10207)),
        (10207, OutcomeKind.UNKNOWN),
        (10250, OutcomeKind.THROTTLED),
        (10252, OutcomeKind.UNKNOWN),
        (10254, OutcomeKind.MESSAGE_REFUSED),
        (10302, OutcomeKind.TOKEN_DEAD),
        (10303, OutcomeKind.MESSAGE_REFUSED),
        (10304, OutcomeKind.MESSAGE_REFUSED),
        (99, OutcomeKind.MESSAGE_REFUSED),
    ],
)
def test_each_code_has_its_outcome(code, kind):
    outcome = answer({"result": code, "desc": "words"})
    assert (outcome.kind, outcome.code) == (kind, str(code))
    assert answer({"result": str(code)}).kind is kind


@pytest.mark.parametrize(
    ("status", "kind", "words"),
    [
        (1, OutcomeKind.TOKEN_DEAD, "unknown"),
        (2, OutcomeKind.TOKEN_DEAD, "uninstalled"),
        (3, OutcomeKind.MESSAGE_REFUSED, "inactive"),
        (4, OutcomeKind.MESSAGE_REFUSED, "test_mode=0"),
        (9, OutcomeKind.TOKEN_DEAD, "regId"),
    ],
)
def test_the_status_of_an_invalid_user_decides(status, kind, words):
    outcome = answer({"result": 10302, "desc": "regId不合法", "invalidUser": {"status": status, "userid": REGID}})
    assert (outcome.kind, outcome.code, outcome.evidence) == (kind, f"10302/{status}", Evidence.TOKEN)
    assert words in outcome.detail


def test_users_are_named_after_any_result():
    outcome = answer({"result": 0, "taskId": "1", "invalidUser": {"status": 2, "userid": REGID}})
    assert outcome.kind is OutcomeKind.TOKEN_DEAD
    assert answer({"result": 0, "taskId": "1", "data": [{"status": 2, "userid": "another"}]}).kind is OutcomeKind.ACCEPTED


def test_an_accepted_message_has_its_task():
    outcome = answer({"result": 0, "desc": "请求成功", "taskId": "130204417"})
    assert (outcome.kind, outcome.vendor_message_id) == (OutcomeKind.ACCEPTED, "130204417")


def test_a_spent_quota_rests_until_midnight_and_closed_hours_until_the_morning():
    assert answer({"result": 10070}).retry_after_seconds == 16 * 3600
    assert answer({"result": 10071}).retry_after_seconds == 23 * 3600
    assert "07:00" in answer({"result": 10071}).detail


@pytest.mark.parametrize(
    ("status", "body", "kind"),
    [
        (200, b"<html>", OutcomeKind.UNKNOWN),
        (200, b"", OutcomeKind.UNKNOWN),
        (200, {"result": True}, OutcomeKind.UNKNOWN),
        (404, b"", OutcomeKind.UNKNOWN),
        (429, b"", OutcomeKind.THROTTLED),
        (500, b"<html>", OutcomeKind.VENDOR_DOWN),
        (503, {"result": 99}, OutcomeKind.VENDOR_DOWN),
    ],
)
def test_answers_without_a_verdict_never_touch_tokens(status, body, kind):
    assert answer(body, status).kind is kind


@settings(max_examples=200, deadline=None)
@given(
    st.sampled_from([0, 10302, 10070]),
    st.sampled_from(["invalidUser", "invalidUsers", "data", "taskId", "desc"]),
    st.recursive(
        st.none() | st.integers() | st.text(max_size=5), lambda i: st.lists(i, max_size=3) | st.dictionaries(st.just("userid"), i)
    ),
)
def test_nothing_in_an_answer_breaks_the_reading(code, name, value):
    body = {"result": code, name: value}
    assert isinstance(answer(body), Outcome)
    assert isinstance(follow(render(notification())[0], body), list)


# --- receipts


def test_the_receipts_of_section_7_are_read():
    body = {
        "130204417": {"param": "m:im-8f21", "targets": REGID, "ackType": "0", "ackTime": 1735689612345},
        "130204418": {"param": "m:im-8f22", "targets": "a, b", "ackType": "1", "ackTime": 1735689613001, "subCode": 7},
        "130204419": {"param": "x", "userIds": "c", "ackType": 0},
        "130204420": {"targets": "d"},
        "130204421": [],
    }
    found = VIVO.read_receipts(certificate(), ReceiptRequest({}, {}, json.dumps(body).encode()), NOW_MS)
    assert found.status == 200
    assert [(r.kind, r.token, r.msg_id, r.at_ms, r.detail) for r in found.receipts] == [
        (ReceiptKind.DELIVERED, REGID, "im-8f21", 1735689612345, ""),
        (ReceiptKind.DROPPED, "a", "im-8f22", 1735689613001, "not delivered: subCode=7"),
        (ReceiptKind.DROPPED, "b", "im-8f22", 1735689613001, "not delivered: subCode=7"),
        (ReceiptKind.DELIVERED, "c", "", NOW_MS, ""),
    ]
    as_array = VIVO.read_receipts(certificate(), ReceiptRequest({}, {}, json.dumps(list(body.values())).encode()), NOW_MS)
    assert as_array.receipts == found.receipts


@pytest.mark.parametrize(("body", "status"), [(b"", 400), (b"{", 400), (b'"x"', 400), (b"[]", 200), (b"{}", 200), (b'{"a":[1]}', 200)])
def test_other_calls_have_no_receipts(body, status):
    found = VIVO.read_receipts(certificate(), ReceiptRequest({}, {}, body), NOW_MS)
    assert (found.receipts, found.status) == ((), status)


def test_the_ext_is_found_in_a_page_and_at_the_receiver():
    assert VIVO.parse_extras({"ext": EXT, "push_id": "1"}) == EXT
    assert VIVO.parse_extras({"params": {"ext": EXT}}) == EXT
    assert VIVO.parse_extras({"params": "x"}) is None


# --- what is found when a certificate is saved


@pytest.mark.parametrize(
    ("options", "field"),
    [
        ({"app_id": "abc"}, "app_id"),
        ({"app_id": ""}, "app_id"),
        ({"classification": 3}, "classification"),
        ({"notification_class": "public"}, "category"),
        ({"click_action": "page", "click_value": "com.example.im.Main", "package_name": ""}, "package_name"),
        ({"neutral_text": " "}, "neutral_text"),
    ],
)
def test_what_the_vendor_would_refuse_is_found_before(options, field):
    assert field in {problem.field for problem in VIVO.check(certificate(**options)) if not problem.warning}


@pytest.mark.parametrize(
    ("options", "field"),
    [
        ({"category": ""}, "category"),
        ({"category": "NEWS"}, "category"),
        ({"test_mode": 1}, "test_mode"),
        ({"sound": "ring.mp3"}, "sound"),
        ({"channel_id": "im"}, "channel_id"),
        ({"receipt_id": "https://push.example.com/r"}, "receipt_id"),
        ({"callback_base_url": "https://push.example.com"}, "list_from"),
        ({"callback_base_url": f"https://{'a' * 60}.{'a' * 60}.example"}, "callback_base_url"),
    ],
)
def test_what_would_bite_silently_is_a_warning_with_its_cure(options, field):
    problems = VIVO.check(certificate(**options))
    assert [p for p in problems if not p.warning] == []
    (found,) = [p for p in problems if p.field == field]
    assert found.cure


def test_a_good_certificate_has_no_problems():
    assert VIVO.check(certificate()) == []
