"""Xiaomi against the vendor sheet: the form, templates, codes, partial failure, receipts."""

from __future__ import annotations

import json
import unicodedata
from typing import Any
from urllib.parse import parse_qs, urlencode

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from homing.channels.xiaomi import XiaomiChannel, XiaomiCredentials, XiaomiOptions
from homing.channels.xiaomi_templates import sanitise
from homing.model.certificates import Certificate
from homing.model.notification import Notification, Target
from homing.model.outcome import Evidence, Outcome, OutcomeKind, ReceiptKind, ReceiptRequest, VendorRequest, VendorResponse
from homing.model.push_info import AndroidInfo, OfflinePushInfo

NOW_MS = 1_795_000_000_000
XIAOMI = XiaomiChannel()
TARGET = Target(77, "nD1kXq+/A==")
EXT = '{"entity":{"sender":"u1","conv":"c2c_u1"}}'
PAGE = (
    "intent://com.example.im/detail?conv=c2c_u1#Intent;scheme=pushscheme;launchFlags=0x4000000;"
    "component=com.example.im/com.example.im.MainActivity;end"
)


def certificate(path: str = "p17", **options: Any) -> Certificate:
    given = {"package_name": "com.example.im"} | options
    credentials = XiaomiCredentials(app_secret="AbCdEfGh0123456789==")
    return Certificate(1400000001, 15521, "xiaomi", "xiaomi", credentials, XiaomiOptions(**given), receipt_path=path)


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
    }
    return Notification(**(values | changes))


def wishes(**values: Any) -> OfflinePushInfo:
    return OfflinePushInfo(AndroidInfo=AndroidInfo(**values))


def render(note: Notification, cert: Certificate | None = None, *targets: Target) -> list[VendorRequest]:
    return XIAOMI.render(note, targets or (TARGET,), cert or certificate(), None, NOW_MS)


def form(request: VendorRequest) -> dict[str, str]:
    return {name: values[0] for name, values in parse_qs(request.body.decode(), strict_parsing=True, errors="strict").items()}


def sent(note: Notification, **options: Any) -> dict[str, str]:
    return form(render(note, certificate(**options))[0])


def answer(status: int, body: Any, *targets: Target) -> list[Outcome]:
    request = render(notification(), None, *targets)[0]
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    return XIAOMI.interpret(request, VendorResponse(status, {}, raw), NOW_MS)


def test_the_sample_of_section_3_1_is_rendered():
    cert = certificate(
        channel_id="123456",
        template_id="P00012",
        template_param='{"nick":"{title}","text":"{body}"}',
        sound="msg_ring.mp3",
        click_action="page",
        click_value=PAGE,
        callback_base_url="https://push.example.com",
    )
    (request,) = render(notification(), cert, TARGET, Target(78, "Zm9vYmB"))
    assert (request.method, request.url) == ("POST", "https://api.xmpush.xiaomi.com/v3/message/regid")
    assert dict(request.headers) == {
        "authorization": "key=AbCdEfGh0123456789==",
        "content-type": "application/x-www-form-urlencoded; charset=UTF-8",
    }
    assert request.secrets == ("AbCdEfGh0123456789==",)
    assert form(request) == {
        "registration_id": "nD1kXq+/A==,Zm9vYmB",
        "restricted_package_name": "com.example.im",
        "pass_through": "0",
        "notify_type": "-1",
        "notify_id": "481516",
        "time_to_live": "86400000",
        "title": "Alice",
        "description": "see you at eight",
        "extra.channel_id": "123456",
        "extra.template_id": "P00012",
        "extra.template_param": '{"nick":"Alice","text":"see you at eight"}',
        "extra.notify_effect": "2",
        "extra.intent_uri": PAGE,
        "extra.sound_uri": "android.resource://com.example.im/raw/msg_ring",
        "extra.callback": "https://push.example.com/v1/receipts/p17",
        "extra.callback.param": "m:0193f2c4",
        "extra.callback.type": "1267",
        "extra.ext": EXT,
        "extra.msg_id": "0193f2c4",
        "extra.conv": "c2c_u1",
    }


def test_a_lone_target_has_its_push_id_and_a_batch_has_none():
    assert sent(notification())["extra.push_id"] == "77"
    assert "extra.push_id" not in form(render(notification(), None, TARGET, Target(78, "b"))[0])


def test_a_thousand_ids_travel_together_and_each_once():
    targets = [Target(n, f"r{n}") for n in range(1500)] + [Target(9, "r1400")]
    requests = render(notification(), None, *targets)
    assert [len(r.targets) for r in requests] == [1000, 501]
    assert len(form(requests[1])["registration_id"].split(",")) == 500


@pytest.mark.parametrize(
    ("region", "host"),
    [
        ("china", "https://api.xmpush.xiaomi.com"),
        ("russia", "https://ru-api.xmpush.global.xiaomi.com"),
        ("india", "https://idmb-api.xmpush.global.xiaomi.com"),
        ("europe", "https://fr-api.xmpush.global.xiaomi.com"),
        ("global", "https://sgp-api.xmpush.global.xiaomi.com"),
    ],
)
def test_each_region_has_its_host(region, host):
    assert render(notification(), certificate(region=region))[0].url == host + "/v3/message/regid"


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({}, {"extra.notify_effect": "1"}),
        (
            {"click_action": "web", "click_value": "https://e.example/a?b=c&d"},
            {"extra.notify_effect": "3", "extra.web_uri": "https://e.example/a?b=c&d"},
        ),
        (
            {"click_action": "page", "click_value": "com.example.im.ChatActivity"},
            {
                "extra.notify_effect": "2",
                "extra.intent_uri": "intent:#Intent;launchFlags=0x4000000;component=com.example.im/com.example.im.ChatActivity;end",
            },
        ),
    ],
)
def test_each_click_action_has_its_form(options, expected):
    fields = sent(notification(), **options)
    assert {name: fields[name] for name in expected} == expected


@pytest.mark.parametrize(
    ("seconds", "cls", "ttl"),
    [(0, "private", 1000), (60, "private", 60_000), (30 * 86_400, "private", 864_000_000), (30 * 86_400, "public", 86_400_000)],
)
def test_the_time_to_live_is_within_the_bounds_of_its_class(seconds, cls, ttl):
    note = notification(expires_at_ms=NOW_MS + seconds * 1000, notification_class=cls)
    assert sent(note)["time_to_live"] == str(ttl)


def test_wishes_go_over_the_certificates_channel_and_template():
    fields = sent(
        notification(wishes=wishes(XiaoMiChannelID="9", XiaoMiTemplateId="T9", XiaoMiTemplateParam={"who": "Bob 👍", "n": 3})),
        channel_id="1",
        template_id="T1",
        template_param='{"nick":"{title}"}',
    )
    assert (fields["extra.channel_id"], fields["extra.template_id"]) == ("9", "T9")
    assert json.loads(fields["extra.template_param"]) == {"who": "Bob", "n": "3"}


def test_the_messages_variables_may_come_as_json_text_and_broken_ones_fall_back():
    options = {"template_id": "T1", "template_param": '{"nick":"{title}"}'}
    fields = sent(notification(wishes=wishes(XiaoMiTemplateParam='{"a":"b"}')), **options)
    assert json.loads(fields["extra.template_param"]) == {"a": "b"}
    fields = sent(notification(wishes=wishes(XiaoMiTemplateParam='{"a":')), **options)
    assert json.loads(fields["extra.template_param"]) == {"nick": "Alice"}


def test_a_placeholder_inside_a_message_text_is_not_filled_again():
    fields = sent(notification(title="{body}"), template_id="T", template_param='{"a":"{title}: {body}"}')
    assert json.loads(fields["extra.template_param"]) == {"a": "{body}: see you at eight"}


def test_public_messages_do_not_travel_on_a_private_certificates_channel():
    fields = sent(notification(notification_class="public"), channel_id="1", template_id="T")
    assert "extra.channel_id" not in fields
    assert "extra.template_id" not in fields
    public = sent(notification(notification_class="public"), channel_id="1", notification_class="public")
    assert public["extra.channel_id"] == "1"


@pytest.mark.parametrize(
    ("value", "clean"),
    [
        ("see you 👍🏽 at 8", "see you  at 8"),
        ("👨‍👩‍👧", "新消息"),
        ("  ", "新消息"),
        ("", "新消息"),
        ("你好🌹", "你好"),
        ("क्‍ष", "क्‍ष"),
        ("line\nbreak", "line break"),
        ("x" * 200, "x" * 127 + "…"),
    ],
)
def test_template_values_are_cleaned(value, clean):
    assert sanitise(value, "新消息") == clean


@given(st.text(max_size=400))
def test_any_text_is_a_valid_template_value(value):
    cleaned = sanitise(value, "新消息")
    assert cleaned.strip()
    assert len(cleaned.encode("utf-16-le")) // 2 <= 128
    assert not {unicodedata.category(character) for character in cleaned} & {"So", "Cn", "Cs", "Co", "Cc"}


def test_a_title_of_blanks_is_replaced():
    assert sent(notification(title=" \t", body=""))["title"] == "新消息"
    assert sent(notification(title=" \t", body=""))["description"] == "新消息"


def test_a_long_ext_moves_to_the_payload():
    long = json.dumps({"k": "v" * 1500})
    fields = sent(notification(ext=long))
    assert fields["payload"] == long
    assert "extra.ext" not in fields


def test_a_callback_that_is_too_long_is_left_out_and_told():
    cert = certificate(callback_base_url="https://" + "h" * 120 + ".example")
    assert "extra.callback" not in form(render(notification(), cert)[0])
    assert "callback_base_url" in {p.field for p in XIAOMI.check(cert)}


@settings(max_examples=80, deadline=None)
@given(
    title=st.text(st.characters(), max_size=2000),
    body=st.text(st.characters(), max_size=2000),
    ext=st.text(st.characters(), max_size=4000),
    other=st.text(st.characters(), max_size=1000),
    values=st.dictionaries(st.text(max_size=20), st.text(max_size=300), max_size=12),
)
def test_any_text_gives_a_form_within_the_limits(title, body, ext, other, values):
    given = wishes(XiaoMiChannelID=other, XiaoMiTemplateId="T", XiaoMiTemplateParam=values, Sound=other)
    fields = sent(
        notification(title=title, body=body, ext=ext, conversation_id=other[:40], wishes=given),
        template_param='{"a":"{title}","b":"{body}"}',
    )
    assert 0 < len(fields["title"].encode("utf-16-le")) // 2 < 50
    assert 0 < len(fields["description"].encode("utf-16-le")) // 2 < 128
    assert fields["title"].strip()
    assert fields["description"].strip()
    own = {
        name.removeprefix("extra."): value
        for name, value in fields.items()
        if name in {"extra.ext", "extra.msg_id", "extra.push_id", "extra.conv"}
    }
    assert sum(len((name + value).encode()) for name, value in own.items()) <= 1024
    total = sum(len((name + value).encode()) for name, value in fields.items() if name != "registration_id")
    assert total <= 4096


# --- answers (section 4) -----------------------------------------------------------------------


def test_success_keeps_the_message_id():
    body = {"result": "ok", "trace_id": "Xcm9a", "code": 0, "data": {"id": "scm0123", "day_quota": "200000"}}
    assert answer(200, body) == [Outcome(OutcomeKind.ACCEPTED, "0", vendor_message_id="scm0123")]
    assert answer(200, body | {"data": {}})[0].vendor_message_id == "Xcm9a"


@pytest.mark.parametrize("name", ["bad_regids", "bad_regIds"])
def test_code_0_with_bad_ids_condemns_only_those(name):
    outcomes = answer(200, {"code": 0, "data": {"id": "x", name: "b,c"}}, Target(1, "a"), Target(2, "b"))
    assert [o.kind for o in outcomes] == [OutcomeKind.ACCEPTED, OutcomeKind.TOKEN_DEAD]
    assert outcomes[1].evidence is Evidence.TOKEN


def test_no_valid_target_condemns_a_lone_id_on_weak_evidence_and_a_batch_not_at_all():
    (outcome,) = answer(200, {"result": "error", "code": 20301, "reason": "no valid targets"})
    assert (outcome.kind, outcome.evidence, outcome.detail) == (OutcomeKind.TOKEN_DEAD, Evidence.REQUEST, "no valid targets")
    batch = answer(200, {"result": "error", "code": 20301}, Target(1, "a"), Target(2, "b"))
    assert {o.kind for o in batch} == {OutcomeKind.UNKNOWN}


def test_an_illegal_device_is_named_by_the_vendor():
    (outcome,) = answer(200, {"result": "error", "code": 10029})
    assert (outcome.kind, outcome.evidence) == (OutcomeKind.TOKEN_DEAD, Evidence.TOKEN)


CODES = {
    OutcomeKind.VENDOR_DOWN: [-1, 1, 10001, 10002, 10003, 10009, 10010, 10011, 26003, 65029, 20607],
    OutcomeKind.CREDENTIALS_REFUSED: [
        10004,
        10005,
        10014,
        10025,
        65036,
        65037,
        65038,
        10026,
        10031,
        10036,
        21301,
        21302,
        21303,
        22000,
        22001,
        22006,
        22007,
        22008,
        22022,
    ],
    OutcomeKind.MESSAGE_REFUSED: [
        10008,
        10012,
        10016,
        10017,
        21305,
        65011,
        10018,
        65009,
        10020,
        10021,
        65007,
        65008,
        65012,
        65013,
        65010,
        65016,
        65017,
        65035,
        20209,
        20215,
        20216,
        65014,
        65015,
        65028,
        99999,
    ],
    OutcomeKind.THROTTLED: [10022, 10023, 10024, 10027, 10028, 26004, 200002, 10030, 10032, 10033, 10035, 10038, 10039],
    OutcomeKind.QUOTA_APP: [10034, 200001],
    OutcomeKind.UNKNOWN: [10037, 22102, 65003],
    OutcomeKind.CLASS_REFUSED: [26006, 27001],
}


@pytest.mark.parametrize(("kind", "number"), [(kind, number) for kind, numbers in CODES.items() for number in numbers])
def test_each_code_has_its_meaning(kind, number):
    (outcome,) = answer(200, {"result": "error", "code": number, "reason": "r"})
    assert (outcome.kind, outcome.code) == (kind, str(number))


def test_a_spent_quota_ends_at_midnight_in_china():
    (outcome,) = answer(200, {"result": "error", "code": 200001})
    assert outcome.retry_after_seconds is not None
    assert (NOW_MS / 1000 + outcome.retry_after_seconds + 8 * 3600) % 86_400 == 0
    assert 0 < outcome.retry_after_seconds <= 86_400


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (200, OutcomeKind.UNKNOWN),
        (400, OutcomeKind.MESSAGE_REFUSED),
        (401, OutcomeKind.CREDENTIALS_REFUSED),
        (404, OutcomeKind.CREDENTIALS_REFUSED),
        (429, OutcomeKind.THROTTLED),
        (500, OutcomeKind.VENDOR_DOWN),
        (503, OutcomeKind.VENDOR_DOWN),
    ],
)
def test_without_a_code_the_http_status_decides(status, kind):
    assert answer(status, b"<html>")[0].kind is kind


@given(
    status=st.integers(100, 599),
    body=st.binary(max_size=100)
    | st.dictionaries(
        st.sampled_from(["code", "data", "reason", "result"]),
        st.none()
        | st.integers()
        | st.text()
        | st.booleans()
        | st.dictionaries(st.sampled_from(["id", "bad_regids"]), st.none() | st.text()),
    ),
)
def test_no_answer_is_too_strange(status, body):
    assert len(answer(status, body, Target(1, "a"), Target(2, "b"))) == 2


# --- receipts (section 6) ----------------------------------------------------------------------


def receipts(data: Any) -> Any:
    body = urlencode({"data": json.dumps(data)}).encode()
    return XIAOMI.read_receipts(certificate(), ReceiptRequest({}, {}, body), NOW_MS)


def test_the_vendors_sample_is_read():
    found = receipts(
        {
            "scm01": {
                "param": "m:0193f2c4",
                "type": 1,
                "targets": "regA,regB",
                "jobkey": "",
                "barStatus": "Enable",
                "timestamp": 1732400000000,
            },
            "scm02": {
                "param": "m:0193f2c5",
                "type": 16,
                "targets": "reg+/C=",
                "barStatus": "Unknown",
                "errorCode": 1,
                "replaceTarget": {"reg+/C=": "regC2"},
                "timestamp": 1732400001000,
            },
            "scm03": {"type": 128, "targets": "regD", "extra": {"ack": "20000", "quota": "20000"}, "timestamp": 1732400002000},
            "scm04": {"type": 128, "targets": "regE", "extra": {"device_acked": "5", "device_quota": "5"}, "timestamp": 1732400003000},
            "scm05": {"param": "m:x", "type": 1024, "targets": "regF", "timestamp": 1732400004000},
        }
    )
    assert found.status == 200
    assert [(r.kind, r.token, r.msg_id, r.replacement_token) for r in found.receipts] == [
        (ReceiptKind.DELIVERED, "regA", "0193f2c4", ""),
        (ReceiptKind.DELIVERED, "regB", "0193f2c4", ""),
        (ReceiptKind.TOKEN_DEAD, "reg+/C=", "0193f2c5", "regC2"),
        (ReceiptKind.DROPPED, "regD", "", ""),
        (ReceiptKind.DROPPED, "regE", "", ""),
        (ReceiptKind.DROPPED, "regF", "x", ""),
    ]
    assert "app's daily quota" in found.receipts[3].detail
    assert "device's daily quota" in found.receipts[4].detail
    assert found.receipts[0].at_ms == 1732400000000


@pytest.mark.parametrize(
    ("number", "kind"),
    [
        (1, ReceiptKind.DELIVERED),
        (2, ReceiptKind.CLICKED),
        (16, ReceiptKind.TOKEN_DEAD),
        (32, ReceiptKind.MUTED),
        (64, ReceiptKind.DROPPED),
        (128, ReceiptKind.DROPPED),
        (1024, ReceiptKind.DROPPED),
    ],
)
def test_each_receipt_type_has_its_meaning(number, kind):
    (receipt,) = receipts({"m": {"type": number, "targets": "r"}}).receipts
    assert (receipt.kind, receipt.code, receipt.at_ms) == (kind, str(number), NOW_MS)


def test_a_delivery_to_a_phone_with_notifications_off_says_so():
    found = receipts({"m": {"type": 1, "targets": "r", "barStatus": "Disable"}}).receipts
    assert [r.kind for r in found] == [ReceiptKind.DELIVERED, ReceiptKind.MUTED]


@given(
    st.binary(max_size=80)
    | st.dictionaries(
        st.text(),
        st.none()
        | st.dictionaries(
            st.sampled_from(["type", "targets", "param", "replaceTarget", "extra", "timestamp"]), st.none() | st.integers() | st.text()
        ),
    )
)
def test_no_receipt_call_is_too_strange(data):
    body = data if isinstance(data, bytes) else urlencode({"data": json.dumps(data)}).encode()
    assert XIAOMI.read_receipts(certificate(), ReceiptRequest({}, {}, body), NOW_MS).status in {200, 400}


# --- checks ------------------------------------------------------------------------------------


def test_a_good_certificate_has_no_problem_and_needs_no_login():
    assert XIAOMI.check(certificate(channel_id="1")) == []
    assert XIAOMI.login(certificate(), NOW_MS) is None


@pytest.mark.parametrize(
    ("options", "field"),
    [
        ({"package_name": ""}, "package_name"),
        ({"region": "moon"}, "region"),
        ({"template_id": "T", "template_param": "{"}, "template_param"),
        ({"template_id": "T", "template_param": json.dumps({str(n): "x" for n in range(10)})}, "template_param"),
        ({"template_param": '{"a":"b"}'}, "template_id"),
        ({"click_action": "page"}, "click_value"),
        ({"click_action": "page", "click_value": "intent://x"}, "click_value"),
    ],
)
def test_each_wrong_option_is_named(options, field):
    assert [p.field for p in XIAOMI.check(certificate(**({"channel_id": "1"} | options)))] == [field]


@pytest.mark.parametrize(
    "extras",
    [
        {"key_message": {"extra": {"ext": EXT}, "content": "x"}},
        {"key_message": {"content": EXT}},
        {"ext": EXT},
        {"extra": {"ext": json.loads(EXT)}},
    ],
)
def test_the_tapped_app_gets_the_ext_back(extras):
    assert json.loads(XIAOMI.parse_extras(extras) or "") == json.loads(EXT)
