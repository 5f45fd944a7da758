"""OPPO against the vendor sheet: signature, message object, parameters, classification, codes, receipts."""

from __future__ import annotations

import json
from typing import Any
from urllib.parse import parse_qs

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from homing.channels.oppo import OppoChannel, signature
from homing.channels.oppo_answers import region_of
from homing.channels.oppo_fields import OppoCredentials, OppoOptions
from homing.model.certificates import Certificate
from homing.model.notification import Notification, Target
from homing.model.outcome import Evidence, Grant, Outcome, OutcomeKind, ReceiptKind, ReceiptRequest, VendorRequest, VendorResponse
from homing.model.push_info import AndroidInfo, OfflinePushInfo

NOW_MS = 1_735_689_600_000  # 2025-01-01 08:00 in China
OPPO = OppoChannel()
ID = "CN_0123456789abcdef0123456789abcdef"
OTHER = "CN_fedcba9876543210fedcba9876543210"
TARGET = Target(77, ID)
EXT = '{"entity":{"sender":"u1","conv":"c2c_u1"}}'
GRANT = Grant("t0+ken", NOW_MS + 1)


def certificate(path: str = "p17", **options: Any) -> Certificate:
    given = {"package_name": "com.example.im", "channel_id": "tuikit"} | options
    credentials = OppoCredentials(app_key="6b7d2f0c9a1e4c58b3d7e0f1a2c4b6d8", master_secret="0f1e2d3c4b5a69788796a5b4c3d2e1f0")
    return Certificate(1400000001, 15521, "oppo", "oppo", credentials, OppoOptions(**given), receipt_path=path)


def notification(**changes: Any) -> Notification:
    values: dict[str, Any] = {
        "title": "Alice",
        "body": "Lunch at noon?",
        "ext": EXT,
        "conversation_id": "c2c_u1",
        "msg_id": "0193f2c4",
        "notify_id": 48213,
        "collapse_id": "c2c_u1",
        "wishes": OfflinePushInfo(),
        "expires_at_ms": NOW_MS + 86_400_000,
    }
    return Notification(**(values | changes))


def wishes(**values: Any) -> OfflinePushInfo:
    return OfflinePushInfo(AndroidInfo=AndroidInfo(**values))


def render(note: Notification, cert: Certificate | None = None, *targets: Target) -> list[VendorRequest]:
    return OPPO.render(note, targets or (TARGET,), cert or certificate(), GRANT, NOW_MS)


def form(request: VendorRequest) -> dict[str, Any]:
    fields = {name: values[0] for name, values in parse_qs(request.body.decode(), strict_parsing=True, errors="strict").items()}
    return {name: json.loads(value) if name.startswith("message") else value for name, value in fields.items()}


def shown(note: Notification, **options: Any) -> dict[str, Any]:
    found: dict[str, Any] = form(render(note, certificate(**options))[0])["message"]["notification"]
    return found


def parameters(note: Notification, **options: Any) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(shown(note, **options)["action_parameters"])
    return found


def answer(body: Any, *targets: Target, status: int = 200, region: str = "china") -> list[Outcome]:
    request = render(notification(), certificate(region=region), *targets)[0]
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    return OPPO.interpret(request, VendorResponse(status, {}, raw), NOW_MS)


# --- log-in


@pytest.mark.parametrize(
    ("key", "timestamp", "secret", "sign"),
    [
        ("ak_3f9c1d", 1700000000123, "ms_7be204", "761f8535a19f2de6bf64722b01fecf09f7a41c75bf7118c7102fb302c92beec8"),
        (
            "6b7d2f0c9a1e4c58b3d7e0f1a2c4b6d8",
            1735689600000,
            "0f1e2d3c4b5a69788796a5b4c3d2e1f0",
            "f7f12adcad209d3ce3beed819672b40dbf83dd66cf3b2a2b5ab7b0842c4f6120",
        ),
    ],
)
def test_the_vectors_of_section_2_are_signed(key, timestamp, secret, sign):
    assert signature(key, timestamp, secret) == sign


def test_the_login_is_a_signed_form():
    request = OPPO.login(certificate(), NOW_MS)
    assert isinstance(request, VendorRequest)
    assert (request.method, request.url) == ("POST", "https://api.push.oppomobile.com/server/v1/auth")
    sign = "f7f12adcad209d3ce3beed819672b40dbf83dd66cf3b2a2b5ab7b0842c4f6120"
    assert form(request) == {"app_key": "6b7d2f0c9a1e4c58b3d7e0f1a2c4b6d8", "timestamp": "1735689600000", "sign": sign}
    assert request.secrets == (sign,)
    abroad = OPPO.login(certificate(region="overseas"), NOW_MS)
    assert isinstance(abroad, VendorRequest)
    assert abroad.url == "https://api-intl.push.oppomobile.com/server/v1/auth"


@pytest.mark.parametrize(
    ("data", "ends"),
    [
        ({"auth_token": "t", "create_time": NOW_MS - 3_600_000}, NOW_MS + 23 * 3_600_000),
        ({"auth_token": "t", "create_time": str(NOW_MS)}, NOW_MS + 86_400_000),
        (json.dumps({"auth_token": "t", "create_time": NOW_MS}), NOW_MS + 86_400_000),
        ({"auth_token": "t", "create_time": 17}, NOW_MS + 86_400_000),
        ({"auth_token": "t"}, NOW_MS + 86_400_000),
    ],
)
def test_a_token_lives_a_day_from_its_creation(data, ends):
    response = VendorResponse(200, {}, json.dumps({"code": 0, "message": "", "data": data}).encode())
    assert OPPO.read_login(certificate(), response, NOW_MS) == Grant("t", ends, NOW_MS)


@pytest.mark.parametrize(
    ("body", "kind"),
    [
        ({"code": 16, "message": "Invalid Signature"}, OutcomeKind.CREDENTIALS_REFUSED),
        ({"code": 14}, OutcomeKind.CREDENTIALS_REFUSED),
        ({"code": 19}, OutcomeKind.UNKNOWN),
        ({"code": 13}, OutcomeKind.THROTTLED),
        ({"code": -1}, OutcomeKind.VENDOR_DOWN),
        ({"code": 0, "data": {}}, OutcomeKind.UNKNOWN),
        ({}, OutcomeKind.UNKNOWN),
    ],
)
def test_a_refused_login_says_why(body, kind):
    found = OPPO.read_login(certificate(), VendorResponse(200, {}, json.dumps(body).encode()), NOW_MS)
    assert isinstance(found, Outcome)
    assert found.kind is kind


def test_certificates_of_one_app_share_a_grant_and_a_wrong_secret_does_not():
    identity = OPPO.login_identity(certificate())
    assert identity == OPPO.login_identity(certificate(path="other", channel_id="x"))
    assert identity != OPPO.login_identity(certificate(region="overseas"))
    other = OppoCredentials(app_key=certificate().credentials.app_key, master_secret="other")
    wrong = Certificate(1400000001, 15522, "oppo", "oppo", other, certificate().options)
    assert OPPO.login_identity(wrong) != identity
    assert "other" not in OPPO.login_identity(wrong)


# --- the message


def test_the_sample_of_section_3_2_is_rendered():
    cert = certificate(
        category="IM",
        notify_level=2,
        template_id="66f0c1a2b3c4d5e6f7081920",
        template_title='{"nick":"{title}"}',
        template_content='{"text":"{body}"}',
        click_action="page",
        click_value="activity:com.example.im.MainActivity",
        callback_base_url="https://push.example.com",
    )
    (request,) = render(notification(), cert)
    assert (request.method, request.url) == ("POST", "https://api.push.oppomobile.com/server/v1/message/notification/unicast")
    assert dict(request.headers) == {"content-type": "application/x-www-form-urlencoded; charset=UTF-8"}
    assert set(request.secrets) == {"t0+ken", "t0%2Bken"}
    sent = form(request)
    assert sent["auth_token"] == "t0+ken"
    message = sent["message"]
    once = message["notification"].pop("app_message_id")
    assert len(once) == 32
    assert json.loads(message["notification"].pop("action_parameters")) == {
        "push_id": "77",
        "msg_id": "0193f2c4",
        "conv": "c2c_u1",
        "entity": {"sender": "u1", "conv": "c2c_u1"},
    }
    assert message == {
        "target_type": 2,
        "target_value": ID,
        "verify_registration_id": True,
        "notification": {
            "style": 1,
            "title": "Alice",
            "content": "Lunch at noon?",
            "click_action_type": 4,
            "click_action_activity": "com.example.im.MainActivity",
            "off_line": True,
            "off_line_ttl": 86_400,
            "notify_id": 48213,
            "channel_id": "tuikit",
            "category": "IM",
            "notify_level": 2,
            "private_msg_template_id": "66f0c1a2b3c4d5e6f7081920",
            "private_title_parameters": {"nick": "Alice"},
            "private_content_parameters": {"text": "Lunch at noon?"},
            "call_back_url": "https://push.example.com/v1/receipts/p17",
            "call_back_parameter": "m:0193f2c4",
        },
    }


def test_the_form_is_encoded_as_in_the_vector_of_section_3_2():
    body = render(notification(title="小明", body="在吗? 1+1=2&ok"))[0].body.decode()
    assert "%22title%22%3A%22%E5%B0%8F%E6%98%8E%22%2C%22content%22%3A%22%E5%9C%A8%E5%90%97%3F+1%2B1%3D2%26ok%22" in body


def test_a_batch_has_a_message_of_its_own_for_each_target():
    (request,) = render(notification(), None, TARGET, Target(78, OTHER))
    assert request.url.endswith("/server/v1/message/notification/unicast_batch")
    messages = form(request)["messages"]
    assert [m["target_value"] for m in messages] == [ID, OTHER]
    assert [json.loads(m["notification"]["action_parameters"])["push_id"] for m in messages] == ["77", "78"]
    assert len({m["notification"]["app_message_id"] for m in messages}) == 2


def test_batches_have_at_most_a_thousand_messages_and_a_megabyte():
    targets = [Target(n, f"CN_{n:032x}") for n in range(1500)]
    assert [len(r.targets) for r in render(notification(), None, *targets)] == [1000, 500]
    heavy = render(notification(ext=json.dumps({"entity": "x" * 3000})), None, *targets)
    assert all(len(r.body) < 1_100_000 for r in heavy)
    assert sum(len(r.targets) for r in heavy) == 1500


def test_what_cannot_be_an_id_travels_alone():
    requests = render(notification(), None, Target(1, "a;b,c d"), TARGET, Target(2, OTHER))
    assert [[t.push_id for t in r.targets] for r in requests] == [[77, 2], [1]]


def test_a_retry_has_the_same_message_id_and_another_text_another():
    first, again = shown(notification()), shown(notification(expires_at_ms=NOW_MS + 50_000))
    assert first["app_message_id"] == again["app_message_id"]
    assert shown(notification(body="recalled"))["app_message_id"] != first["app_message_id"]


@pytest.mark.parametrize(
    ("body", "style", "length"),
    [("x" * 50, 1, 50), ("x" * 51, 2, 51), ("x" * 500, 2, 128), ("😀" * 500, 2, 127)],
)
def test_long_texts_use_the_style_that_shows_more(body, style, length):
    found = shown(notification(body=body))
    assert found["style"] == style
    assert len(found["content"].encode("utf-16-le")) // 2 == length


def test_the_sender_may_ask_for_the_long_style():
    assert shown(notification(wishes=wishes(PushStyle=1)))["style"] == 2


def test_empty_texts_become_words():
    found = shown(notification(title=" \n", body=""))
    assert (found["title"], found["content"]) == ("新消息", "新消息")


@pytest.mark.parametrize("ttl_seconds", [-5, 0, 1, 864_000, 9_000_000])
def test_time_to_live_stays_in_its_bounds(ttl_seconds):
    found = shown(notification(expires_at_ms=NOW_MS + ttl_seconds * 1000))
    assert found["off_line_ttl"] == min(max(ttl_seconds, 1), 864_000)


# --- parameters


@pytest.mark.parametrize(
    "ext", ["plain text", "[1,2]", '"a"', "5", "null", "{}", '{"ext":1}', '{"push_id":"1"}', '{"a":1', '{"":1}', "NaN"]
)
def test_an_ext_that_is_not_an_object_is_wrapped_into_one(ext):
    assert parameters(notification(ext=ext))["ext"] == ext


def test_without_an_ext_there_are_our_extras_alone():
    assert parameters(notification(ext="")) == {"push_id": "77", "msg_id": "0193f2c4", "conv": "c2c_u1"}


def test_a_long_ext_takes_the_place_of_our_extras_and_one_over_the_limit_is_left_out():
    assert set(parameters(notification(ext=json.dumps({"entity": "x" * 3950})))) == {"entity"}
    assert set(parameters(notification(ext=json.dumps({"entity": "x" * 4000})))) == {"push_id", "msg_id", "conv"}


@settings(max_examples=150, deadline=None)
@given(ext=st.text(max_size=4500) | st.dictionaries(st.text(max_size=5), st.text(max_size=20) | st.integers(), max_size=5).map(json.dumps))
def test_parameters_are_always_the_text_of_an_object_within_the_limit(ext):
    text = shown(notification(ext=ext))["action_parameters"]
    assert isinstance(json.loads(text), dict)
    assert len(text) <= 4000


@settings(max_examples=150, deadline=None)
@given(
    st.dictionaries(
        st.text(st.characters(codec="utf-8"), min_size=1, max_size=5),
        st.text(st.characters(codec="utf-8"), max_size=20).filter(lambda t: t[:1] not in ("{", "["))
        | st.dictionaries(st.just("a"), st.integers()),
        min_size=1,
        max_size=4,
    )
)
def test_the_app_gets_the_ext_back_out_of_the_extras(value):
    ext = json.dumps(value, ensure_ascii=False, separators=(",", ":"))
    handed = {k: v if isinstance(v, str) else json.dumps(v) for k, v in parameters(notification(ext=ext)).items()}
    found = OPPO.parse_extras(handed)
    assert found is not None
    assert json.loads(found) == value


def test_extras_without_an_ext_have_none():
    assert OPPO.parse_extras({"push_id": "1", "msg_id": "m", "conv": "c"}) is None
    assert OPPO.parse_extras({"entity": '{"sender":"u1"}'}) == '{"entity":{"sender":"u1"}}'
    assert OPPO.parse_extras({"ext": EXT, "entity": "{}"}) == EXT


# --- click, channel, class


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({}, {"click_action_type": 0}),
        (
            {"click_action": "page", "click_value": "com.example.im.MainActivity"},
            {"click_action_type": 4, "click_action_activity": "com.example.im.MainActivity"},
        ),
        (
            {"click_action": "page", "click_value": "com.example.im/.MainActivity"},
            {"click_action_type": 4, "click_action_activity": "com.example.im.MainActivity"},
        ),
        (
            {"click_action": "page", "click_value": "com.example.OPEN_CHAT"},
            {"click_action_type": 1, "click_action_activity": "com.example.OPEN_CHAT"},
        ),
        (
            {"click_action": "page", "click_value": "intent:#Intent;action=com.example.OPEN;end"},
            {"click_action_type": 1, "click_action_activity": "com.example.OPEN"},
        ),
        (
            {"click_action": "page", "click_value": "intent://h/p#Intent;scheme=s;component=com.example.im/com.example.im.Main;end"},
            {"click_action_type": 4, "click_action_activity": "com.example.im.Main"},
        ),
        ({"click_action": "web", "click_value": "https://a.example"}, {"click_action_type": 2, "click_action_url": "https://a.example"}),
    ],
)
def test_click_actions_in_the_vendors_terms(options, expected):
    found = shown(notification(), **options)
    assert {name: value for name, value in found.items() if name.startswith("click_")} == expected


def test_a_deep_link_carries_the_ext_itself_and_a_web_page_is_told_nothing():
    found = shown(notification(), click_action="page", click_value="intent://h/p#Intent;scheme=s;end")
    assert found["click_action_type"] == 5
    assert "S.entity=%7B%22sender" in found["click_action_url"]
    assert "action_parameters" not in found
    assert "action_parameters" not in shown(notification(), click_action="web", click_value="https://a.example")


def test_the_messages_values_win_over_the_certificates():
    asked = wishes(OPPOChannelID="other", OPPOCategory="order", OPPONotifyLevel=1, OPPOPrivateMsgTemplateId="t2")
    found = shown(notification(wishes=asked), category="IM", notify_level=16, template_id="t1")
    assert (found["channel_id"], found["category"], found["notify_level"], found["private_msg_template_id"]) == ("other", "ORDER", 1, "t2")
    assert shown(notification(wishes=wishes(OPPONotifyLevel=7)), category="IM", notify_level=2)["notify_level"] == 2


def test_an_app_under_the_old_rule_sends_neither_category_nor_level():
    found = shown(notification(wishes=wishes(OPPONotifyLevel=16)))
    assert not {"category", "notify_level", "private_msg_template_id"} & set(found)


def test_a_public_message_never_takes_the_private_certificates_class():
    note = notification(notification_class="public")
    found = shown(note, category="IM", notify_level=16, template_id="t1")
    assert (found["category"], "channel_id" in found, "notify_level" in found, "private_msg_template_id" in found) == (
        "MARKETING",
        False,
        False,
        False,
    )
    assert shown(note, public_channel_id="news")["channel_id"] == "news"
    assert "channel_id" not in shown(note)


def test_the_badge_is_sent_only_when_it_is_switched_on():
    assert "badge_message_count" not in shown(notification(badge=7))
    assert shown(notification(badge=7), badge=True)["badge_message_count"] == 7


def test_a_receipt_url_over_the_limit_is_left_out_and_told():
    cert = certificate(callback_base_url="https://" + "a" * 190 + ".example")
    assert "call_back_url" not in form(render(notification(), cert)[0])["message"]["notification"]
    assert "callback_base_url" in {p.field for p in OPPO.check(cert) if p.warning}


# --- answers


@pytest.mark.parametrize(
    ("code", "kind"),
    [
        (-1, OutcomeKind.VENDOR_DOWN),
        (-2, OutcomeKind.THROTTLED),
        (11, OutcomeKind.AUTH_EXPIRED),
        (12, OutcomeKind.MESSAGE_REFUSED),
        (13, OutcomeKind.THROTTLED),
        (14, OutcomeKind.CREDENTIALS_REFUSED),
        (15, OutcomeKind.CREDENTIALS_REFUSED),
        (16, OutcomeKind.CREDENTIALS_REFUSED),
        (17, OutcomeKind.CREDENTIALS_REFUSED),
        (18, OutcomeKind.UNKNOWN),
        (19, OutcomeKind.UNKNOWN),
        *((code, OutcomeKind.MESSAGE_REFUSED) for code in range(20, 26)),
        (26, OutcomeKind.CREDENTIALS_REFUSED),
        (27, OutcomeKind.CLASS_REFUSED),
        (28, OutcomeKind.CREDENTIALS_REFUSED),
        (29, OutcomeKind.AUTH_EXPIRED),
        (30, OutcomeKind.CREDENTIALS_REFUSED),
        (31, OutcomeKind.MESSAGE_REFUSED),
        (32, OutcomeKind.ACCEPTED),
        (33, OutcomeKind.QUOTA_APP),
        (34, OutcomeKind.MESSAGE_REFUSED),
        (40, OutcomeKind.MESSAGE_REFUSED),
        (41, OutcomeKind.MESSAGE_REFUSED),
        (51, OutcomeKind.MESSAGE_REFUSED),
        (54, OutcomeKind.CLASS_REFUSED),
        (55, OutcomeKind.THROTTLED),
        (59, OutcomeKind.MESSAGE_REFUSED),
        (67, OutcomeKind.CLASS_REFUSED),
        (10000, OutcomeKind.TOKEN_DEAD),
        (10001, OutcomeKind.MESSAGE_REFUSED),
        (20000, OutcomeKind.MESSAGE_REFUSED),
        (99, OutcomeKind.MESSAGE_REFUSED),
    ],
)
def test_each_code_has_its_outcome(code, kind):
    (outcome,) = answer({"code": code, "message": "words"})
    assert (outcome.kind, outcome.code) == (kind, str(code))


def test_the_daily_quota_rests_until_midnight_in_china():
    (outcome,) = answer({"code": 33, "message": "quota"})
    assert outcome.retry_after_seconds == 16 * 3600


def test_an_accepted_message_has_its_id_in_both_spellings():
    assert answer({"code": 0, "data": {"messageId": "1-1"}})[0].vendor_message_id == "1-1"
    assert answer({"code": "0", "data": {"message_id": "1-2"}})[0].vendor_message_id == "1-2"


def test_items_of_a_batch_are_matched_by_their_id_not_by_their_place():
    items = [
        {"registrationId": OTHER, "errorCode": 10000, "errorMessage": "Invalid RegistrationId"},
        {"messageId": "m", "registrationId": ID},
    ]
    good, bad = answer({"code": 0, "data": items}, TARGET, Target(78, OTHER))
    assert (good.kind, good.vendor_message_id) == (OutcomeKind.ACCEPTED, "m")
    assert (bad.kind, bad.code, bad.evidence) == (OutcomeKind.TOKEN_DEAD, "10000", Evidence.TOKEN)


@pytest.mark.parametrize("code", [10000, 41, 99])
def test_a_refusal_of_a_whole_batch_deletes_no_token(code):
    outcomes = answer({"code": code}, TARGET, Target(78, OTHER))
    assert len(outcomes) == 2
    assert not any(outcome.kind is OutcomeKind.TOKEN_DEAD for outcome in outcomes)


def test_41_is_about_the_token_only_where_it_cannot_be_one():
    assert answer({"code": 41})[0].kind is OutcomeKind.MESSAGE_REFUSED
    assert answer({"code": 41}, Target(1, "nonsense"))[0].kind is OutcomeKind.TOKEN_DEAD


@pytest.mark.parametrize(
    ("token", "region"),
    [
        ("0" * 32, "china"),
        ("CN_" + "0" * 32, "china"),
        ("OPPO_CN_" + "0" * 32, "china"),
        ("realme_CN_" + "0" * 32, "china"),
        ("IN_" + "0" * 32, "overseas"),
        ("EUEX_" + "0" * 32, "overseas"),
        ("OPPO_IN_" + "0" * 32, "overseas"),
    ],
)
def test_a_token_of_another_region_is_explained_and_kept(token, region):
    assert region_of(token) == region
    assert answer({"code": 10000}, Target(1, token), region=region)[0].kind is OutcomeKind.TOKEN_DEAD
    (outcome,) = answer({"code": 10000}, Target(1, token), region="overseas" if region == "china" else "china")
    assert outcome.kind is OutcomeKind.MESSAGE_REFUSED
    assert "region" in outcome.detail


@pytest.mark.parametrize(
    ("status", "body", "kind"),
    [
        (200, b"<html>", OutcomeKind.UNKNOWN),
        (200, b"", OutcomeKind.UNKNOWN),
        (200, b'{"code":', OutcomeKind.UNKNOWN),
        (200, {"code": True}, OutcomeKind.UNKNOWN),
        (429, b"", OutcomeKind.THROTTLED),
        (404, b"", OutcomeKind.UNKNOWN),
        (503, b"<html>", OutcomeKind.VENDOR_DOWN),
        (500, {"code": 99}, OutcomeKind.VENDOR_DOWN),
    ],
)
def test_answers_without_a_verdict_never_touch_tokens(status, body, kind):
    outcomes = answer(body, TARGET, Target(78, OTHER), status=status)
    assert [outcome.kind for outcome in outcomes] == [kind, kind]


@settings(max_examples=200, deadline=None)
@given(st.recursive(st.none() | st.booleans() | st.integers() | st.text(max_size=10), lambda inner: st.lists(inner, max_size=3)))
def test_no_data_in_an_answer_breaks_the_reading(data):
    outcomes = answer({"code": 0, "data": data}, TARGET, Target(78, OTHER))
    assert len(outcomes) == 2


# --- repairs


def after_67(request: VendorRequest, body: Any) -> list[VendorRequest]:
    return OPPO.follow_up(request, VendorResponse(200, {}, json.dumps(body).encode()), certificate())


def test_a_refused_class_is_sent_less_loud_and_then_without_a_category():
    (request,) = render(notification(body="在吗? 1+1=2&ok"), certificate(category="IM", notify_level=16))
    (second,) = after_67(request, {"code": 67})
    (third,) = after_67(second, {"code": 67})
    first, less, least = (form(r)["message"]["notification"] for r in (request, second, third))
    assert (less["category"], less["notify_level"]) == ("IM", 2)
    assert not {"category", "notify_level"} & set(least)
    assert {k: v for k, v in first.items() if k in least} == least
    assert form(third)["auth_token"] == "t0+ken"
    assert after_67(third, {"code": 67}) == []


def test_a_batch_is_repaired_only_where_each_message_was_refused_for_its_class():
    (request,) = render(notification(), certificate(category="IM"), TARGET, Target(78, OTHER))
    refused = {"registrationId": ID, "errorCode": 67}
    (again,) = after_67(request, {"code": 0, "data": [refused, {**refused, "registrationId": OTHER}]})
    assert again.targets == request.targets
    assert all("category" not in m["notification"] for m in form(again)["messages"])
    assert after_67(request, {"code": 0, "data": [refused, {"registrationId": OTHER, "messageId": "m"}]}) == []


@pytest.mark.parametrize("body", [{"code": 0, "data": []}, {"code": 54}, {"code": 0, "data": [7]}, [], "x"])
def test_other_answers_are_not_followed(body):
    assert after_67(render(notification(), certificate(category="IM"))[0], body) == []


# --- receipts


def test_the_receipts_of_section_7_are_read():
    body = [
        {
            "messageId": "m",
            "registrationIds": f"{ID}, {OTHER}",
            "eventTime": "1735689612345",
            "param": "m:0193",
            "eventType": "push_arrive",
        },
        {"messageId": "n", "registrationIds": "CN_c", "eventTime": "x", "param": "", "eventType": "regid_invalid"},
        {"registrationIds": "CN_d", "eventType": "user_daily_limit", "param": "m:1", "eventTime": "5"},
        {"registrationIds": "CN_d", "eventType": "news"},
        7,
    ]
    found = OPPO.read_receipts(certificate(), ReceiptRequest({}, {}, json.dumps(body).encode()), NOW_MS)
    assert found.status == 200
    assert [(r.kind, r.token, r.msg_id, r.at_ms) for r in found.receipts] == [
        (ReceiptKind.DELIVERED, ID, "0193", 1735689612345),
        (ReceiptKind.DELIVERED, OTHER, "0193", 1735689612345),
        (ReceiptKind.TOKEN_DEAD, "CN_c", "", NOW_MS),
        (ReceiptKind.DROPPED, "CN_d", "1", 5),
    ]


@pytest.mark.parametrize(("body", "status"), [(b"", 400), (b"{", 400), (b'"x"', 400), (b"[]", 200), (b"{}", 200), (b"[[]]", 200)])
def test_other_calls_have_no_receipts(body, status):
    found = OPPO.read_receipts(certificate(), ReceiptRequest({}, {}, body), NOW_MS)
    assert (found.receipts, found.status) == ((), status)


# --- what is found when a certificate is saved


@pytest.mark.parametrize(
    ("options", "field"),
    [
        ({"notify_level": 2}, "notify_level"),
        ({"notify_level": 3, "category": "IM"}, "notify_level"),
        ({"region": "mars"}, "region"),
        ({"template_title": "{}", "template_id": "t"}, "template_title"),
        ({"template_content": "x", "template_id": "t"}, "template_content"),
        ({"notification_class": "public", "category": "IM"}, "category"),
        ({"click_action": "page", "click_value": "com.example/"}, "click_value"),
        ({"click_action": "page", "click_value": ".MainActivity", "package_name": ""}, "package_name"),
    ],
)
def test_what_the_vendor_would_refuse_is_found_before(options, field):
    found = {problem.field for problem in OPPO.check(certificate(**options)) if not problem.warning}
    assert field in found


@pytest.mark.parametrize(
    ("options", "field"),
    [
        ({"channel_id": ""}, "channel_id"),
        ({"category": "IM"}, "template_id"),
        ({"category": "CHAT"}, "category"),
        ({"category": "IM", "notify_level": 16}, "notify_level"),
        ({"sound": "ring.mp3"}, "sound"),
        ({"template_title": '{"a":"{title}"}'}, "template_id"),
    ],
)
def test_what_would_bite_silently_is_a_warning_with_its_cure(options, field):
    problems = OPPO.check(certificate(**options))
    assert [p for p in problems if not p.warning] == []
    (found,) = [p for p in problems if p.field == field]
    assert found.cure


def test_a_good_certificate_has_no_problems():
    assert OPPO.check(certificate()) == []
