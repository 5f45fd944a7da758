"""TPNS against the vendor sheet: the signature's vectors, both platforms' messages, batches, codes."""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from homing.channels.tpns import TpnsChannel, sign
from homing.channels.tpns_fields import TpnsCredentials, TpnsOptions
from homing.model.certificates import Certificate
from homing.model.notification import Notification, Target
from homing.model.outcome import Evidence, Outcome, OutcomeKind, ReceiptRequest, VendorRequest, VendorResponse
from homing.model.push_info import AndroidInfo, ApnsInfo, OfflinePushInfo
from homing.rules.offline_message import container_json, parse_offline_message

NOW_MS = 1_700_000_000_456
TPNS = TpnsChannel()
ONE, TWO = "0123456789abcdef0123456789abcdef0123", "05da87c0ae5973bd2dfa9e08d884aada5bb2"
TARGET = Target(77, ONE)
EXT = '{"conv":"c2c_alice"}'
PAGE = (
    "intent://com.example.im/detail#Intent;scheme=pushscheme;launchFlags=0x4000000;component=com.example.im/com.example.im.MainActivity;end"
)
REFUSED, CREDENTIALS, DOWN, UNKNOWN = (
    OutcomeKind.MESSAGE_REFUSED,
    OutcomeKind.CREDENTIALS_REFUSED,
    OutcomeKind.VENDOR_DOWN,
    OutcomeKind.UNKNOWN,
)


def certificate(access_id: str = "1500001048", secret_key: str = "tp_secret_01", **options: Any) -> Certificate:
    credentials = TpnsCredentials(access_id=access_id, secret_key=secret_key)
    return Certificate(1400000001, 15524, "tpns", "tpns", credentials, TpnsOptions(**options))


APPLE = certificate("1600001048")


def notification(**changes: Any) -> Notification:
    values: dict[str, Any] = {
        "title": "Alice",
        "body": "Lunch?",
        "ext": EXT,
        "conversation_id": "c2c_alice",
        "msg_id": "0193f2c4",
        "notify_id": 481516,
        "collapse_id": "c2c_alice",
        "wishes": OfflinePushInfo(),
        "expires_at_ms": NOW_MS + 86_400_000,
        "badge": 7,
    }
    return Notification(**(values | changes))


def wishes(**values: Any) -> OfflinePushInfo:
    return OfflinePushInfo(AndroidInfo=AndroidInfo(**values))


def render(note: Notification, cert: Certificate | None = None, *targets: Target) -> list[VendorRequest]:
    return TPNS.render(note, targets or (TARGET,), cert or certificate(), None, NOW_MS)


def body(note: Notification, cert: Certificate | None = None) -> dict[str, Any]:
    return dict(json.loads(render(note, cert)[0].body))


def android(note: Notification, cert: Certificate | None = None) -> dict[str, Any]:
    return dict(body(note, cert)["message"]["android"])


def answer(status: int, value: Any, *targets: Target) -> list[Outcome]:
    request = render(notification(), None, *targets)[0]
    raw = value if isinstance(value, bytes) else json.dumps(value).encode()
    return TPNS.interpret(request, VendorResponse(status, {}, raw), NOW_MS)


# --- the signature (section 2, vectors) ---------------------------------------------------------

OFFICIAL = (
    '{"audience_type": "account","platform": "android","message": {"title": "test title","content": "test content",'
    '"android": { "action": {"action_type": 3,"intent": "xgscheme://com.xg.push/notify_detail?param1=xg"}}},'
    '"message_type": "notify","account_list": ["5822f0eee44c3625ef0000bb"] }'
)
CHINESE = (
    '{"audience_type":"token","token_list":["0123456789abcdef0123456789abcdef0123"],"message_type":"notify",'
    '"message":{"title":"Alice","content":"Hi 你好"}}'
)
APPLE_LIST = (
    '{"audience_type":"token_list","token_list":["05da87c0ae5973bd2dfa9e08d884aada5bb2","0123456789abcdef0123456789abcdef0123"],'
    '"environment":"product","message_type":"notify","ignore_invalid_token":1,"message":{"title":"Alice","content":"Lunch?",'
    '"ios":{"aps":{"alert":{},"badge_type":-2,"sound":"default","mutable-content":1},"custom_content":"{\\"ext\\":\\"c2c_u1\\"}"}}}'
)
PRINTED_KEY = "1452fcebae9f3115ba794fb0fff2fd73"
VECTORS = [
    (
        "official",
        (PRINTED_KEY, "1565314789", "1500001048", OFFICIAL),
        "Y2QyMDc3NDY4MmJmNzhiZmRiNDNlMTdkMWQ1ZDU2YjNlNWI3ODlhMTY3MGZjMTUyN2VmNTRjNjVkMmQ3Yjc2ZA==",
    ),
    (
        "as it is printed today",
        (PRINTED_KEY, "1565314789", "1500001048", OFFICIAL.replace('"platform": "android",', "")),
        "MDlmMDdkMmE1MThhODgxNGUzNjlkY2Q5NTM0ZjEwYjhhMjlkMTI4NTMxYTE5YWRhYTI4Y2IyNDc2MDVjMWU4NA==",
    ),
    (
        "not ASCII",
        ("tp_secret_01", "1700000000", "1500001048", CHINESE),
        "ZjNiMWZlZWU2N2FiMTRhYjk1NWQ3YTg1OWZiYjcyOTU4MzI5NTEyMDE2ZjM1ZTAyZTkzYTYyNGE1MGYwYzcxMA==",
    ),
    (
        "escaped",
        ("tp_secret_01", "1700000000", "1500001048", CHINESE.replace("你好", "\\u4f60\\u597d")),
        "NmQ0OGFkYzYwYzc4ODNlNTRkN2U2MzEwZDJmNDlkOTUxZGVkMjk1MGViNDczZTcxZTI1ZjJlYTUzN2Q0OTBkOQ==",
    ),
    (
        "iOS list",
        ("tp_secret_ios", "1764000000", "1600001048", APPLE_LIST),
        "OWI5NTBmNGM0NzMxNzMwYWJiNjU3ZDBjYTkyNWY4MWRhNDJjOTcyMDg3NTFjNTI4YWJiY2I1OTUwY2ZkMzA5Mg==",
    ),
]


@pytest.mark.parametrize(("case", "signed", "expected"), VECTORS, ids=[vector[0] for vector in VECTORS])
def test_each_vector_of_the_signature(case, signed, expected):
    key, timestamp, access_id, text = signed
    assert sign(key, timestamp, access_id, text.encode()) == expected


def test_the_very_bytes_that_are_sent_are_signed_in_seconds():
    (request,) = render(notification(title="你好"))
    headers = dict(request.headers)
    assert headers == {
        "content-type": "application/json",
        "accessid": "1500001048",
        "timestamp": "1700000000",
        "sign": sign("tp_secret_01", "1700000000", "1500001048", request.body),
    }
    assert len(headers["sign"]) == 88


def test_basic_authentication_is_an_option_and_is_masked():
    (request,) = render(notification(), certificate(authentication="basic"))
    assert dict(request.headers)["authorization"] == "Basic MTUwMDAwMTA0ODp0cF9zZWNyZXRfMDE="
    assert request.secrets == ("MTUwMDAwMTA0ODp0cF9zZWNyZXRfMDE=",)
    assert base64.b64decode(request.secrets[0]) == b"1500001048:tp_secret_01"


# --- requests (section 3) -----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("region", "host"),
    [
        ("guangzhou", "api.tpns.tencent.com"),
        ("shanghai", "api.tpns.sh.tencent.com"),
        ("hongkong", "api.tpns.hk.tencent.com"),
        ("singapore", "api.tpns.sgp.tencent.com"),
    ],
)
def test_each_access_point_has_its_host(region, host):
    assert render(notification(), certificate(region=region))[0].url == f"https://{host}/v3/push/app"


def test_the_sample_of_section_3_is_rendered():
    cert = certificate(
        channel_id="im",
        channel_name="Chat",
        xiaomi_channel_id="123456",
        oppo_channel_id="im",
        huawei_category="IM",
        vivo_category="im",
        sound="msg_ring.mp3",
        click_action="page",
        click_value=PAGE,
    )
    sent = body(notification(), cert)
    custom = json.loads(sent["message"]["android"].pop("custom_content"))
    assert custom == {"ext": EXT, "msg_id": "0193f2c4", "conv": "c2c_alice", "push_id": "77"}
    assert sent == {
        "audience_type": "token_list",
        "token_list": [ONE],
        "ignore_invalid_token": 1,
        "message_type": "notify",
        "expire_time": 86_400,
        "message": {
            "title": "Alice",
            "content": "Lunch?",
            "android": {
                "n_ch_id": "im",
                "n_ch_name": "Chat",
                "xm_ch_id": "123456",
                "oppo_ch_id": "im",
                "hw_category": "IM",
                "hw_importance": 2,
                "vivo_ch_id": "1",
                "vivo_category": "IM",
                "badge_type": 7,
                "ring": 1,
                "ring_raw": "msg_ring",
                "vibrate": 1,
                "lights": 1,
                "clearable": 1,
                "show_type": 2,
                "action": {
                    "action_type": 3,
                    "intent": "pushscheme://com.example.im/detail?ext=%7B%22conv%22%3A%22c2c_alice%22%7D",
                },
            },
        },
    }


def test_an_ios_pair_sends_an_ios_message_with_its_environment():
    info = OfflinePushInfo(ApnsInfo=ApnsInfo(Sound="ring.caf", InterruptionLevel="time-sensitive", Image="https://a/b.png"))
    sent = body(notification(subtitle="in Lunch", wishes=info), certificate("1600001048", environment="dev"))
    message = sent["message"]
    assert sent["environment"] == "dev"
    assert json.loads(message["ios"].pop("custom_content"))["ext"] == EXT
    assert message == {
        "title": "Alice",
        "content": "Lunch?",
        "thread_id": "c2c_alice",
        "xg_media_resources": "https://a/b.png",
        "ios": {
            "aps": {
                "alert": {"subtitle": "in Lunch"},
                "sound": "ring.caf",
                "mutable-content": 1,
                "badge_type": 7,
                "interruption-level": "time-sensitive",
            }
        },
    }


def test_the_platform_can_be_named_where_the_access_id_does_not_tell():
    assert "ios" in body(notification(), certificate("9", platform="ios"))["message"]
    assert "android" in body(notification(), certificate("1600001048", platform="android"))["message"]


def test_no_badge_changes_nothing_and_a_zero_clears():
    assert "badge_type" not in body(notification(badge=None), APPLE)["message"]["ios"]["aps"]
    assert body(notification(badge=0), APPLE)["message"]["ios"]["aps"]["badge_type"] == 0
    assert [android(notification(badge=badge))["badge_type"] for badge in (None, 0, 250)] == [-1, 0, 99]


def test_an_app_can_ask_apple_phones_to_be_mute():
    info = OfflinePushInfo(ApnsInfo=ApnsInfo(Sound="push.no_sound"))
    assert body(notification(wishes=info), APPLE)["message"]["ios"]["aps"]["sound"] == ""


def test_a_thousand_tokens_travel_together_each_once_and_one_of_another_vendor_spoils_nobody():
    targets = [Target(n, f"token-{n}") for n in range(2100)] + [Target(9999, "token-2000"), Target(5, "x" * 64)]
    requests = render(notification(), None, *targets)
    assert [len(r.targets) for r in requests] == [1000, 1000, 101, 1]
    assert len(json.loads(requests[2].body)["token_list"]) == 100
    assert requests[3].targets == (Target(5, "x" * 64),)


@pytest.mark.parametrize(
    ("options", "action"),
    [
        ({}, {"action_type": 1}),
        (
            {"click_action": "web", "click_value": "https://example.com/a"},
            {"action_type": 2, "browser": {"url": "https://example.com/a", "confirm": 0}},
        ),
        (
            {"click_action": "page", "click_value": "com.example.im.ChatActivity"},
            {"action_type": 1, "activity": "com.example.im.ChatActivity"},
        ),
        (
            {"click_action": "page", "click_value": "activity:.Chat", "package_name": "com.example.im"},
            {"action_type": 1, "activity": "com.example.im.Chat"},
        ),
        (
            {"click_action": "page", "click_value": "intent:#Intent;component=com.example.im/.Chat;end"},
            {"action_type": 1, "activity": "com.example.im.Chat"},
        ),
        (
            {"click_action": "page", "click_value": "intent://im/a?x=1#Intent;scheme=push;end"},
            {"action_type": 3, "intent": "push://im/a?x=1&ext=%7B%22conv%22%3A%22c2c_alice%22%7D"},
        ),
        ({"click_action": "page", "click_value": "com.example.im.OPEN_CHAT"}, {"action_type": 1}),
    ],
)
def test_each_click_action_has_its_form(options, action):
    assert android(notification(), certificate(**options))["action"] == action


def test_wishes_go_over_the_certificates_values():
    cert = certificate(xiaomi_channel_id="1", huawei_channel_id="2", oppo_channel_id="3", fcm_channel_id="4", huawei_category="IM")
    given_wishes = wishes(
        XiaoMiChannelID="a", HuaWeiChannelID="b", OPPOChannelID="c", GoogleChannelID="d", HuaWeiCategory="voip", VIVOCategory="todo"
    )
    sent = android(notification(wishes=given_wishes), cert)
    names = ("xm_ch_id", "hw_ch_id", "oppo_ch_id", "fcm_ch_id", "hw_category", "vivo_category")
    assert [sent[name] for name in names] == ["a", "b", "c", "d", "VOIP", "TODO"]
    kept = android(notification(), cert)
    assert [kept[name] for name in names[:5]] == ["1", "2", "3", "4", "IM"]


def test_a_public_message_never_travels_under_private_classes():
    cert = certificate(xiaomi_channel_id="1", oppo_channel_id="3", huawei_category="IM", vivo_category="IM")
    sent = android(notification(notification_class="public"), cert)
    assert (sent["hw_category"], sent["hw_importance"], sent["vivo_ch_id"]) == ("MARKETING", 1, "0")
    assert not {"xm_ch_id", "oppo_ch_id", "vivo_category"} & set(sent)


def test_the_sender_may_choose_the_class_message_by_message():
    low = android(notification(wishes=wishes(HonorImportance="LOW", VIVOClassification=0)))
    assert (low["hw_importance"], low["vivo_ch_id"]) == (1, "0")


def test_a_tone_needs_a_channel():
    assert "ring_raw" not in android(notification(wishes=wishes(Sound="ring")))
    assert android(notification(wishes=wishes(Sound="ring")), certificate(channel_id="im"))["ring_raw"] == "ring"


def test_the_first_picture_that_the_sender_names_is_taken():
    note = notification(wishes=wishes(GoogleImage="http://a/plain.png", HonorImage="https://a/b.png"))
    assert body(note)["message"]["xg_media_resources"] == "https://a/b.png"


@pytest.mark.parametrize(
    ("seconds", "expire"), [(-1, 0), (30, 0), (399, 0), (400, 400), (3600, 3600), (259_200, 259_200), (99 * 86_400, 259_200)]
)
def test_a_short_life_means_now_or_never_and_a_long_one_is_cut(seconds, expire):
    assert body(notification(expires_at_ms=NOW_MS + seconds * 1000))["expire_time"] == expire


def test_several_package_names_are_an_option():
    assert "multi_pkg" not in body(notification())
    assert body(notification(), certificate(multi_pkg=1))["multi_pkg"] is True


def test_a_large_ext_stays_in_the_custom_content_and_leaves_the_address():
    note = notification(ext='{"k":"' + "中" * 500 + '"}')
    sent = android(note, certificate(click_action="page", click_value=PAGE))
    assert json.loads(sent["custom_content"])["ext"] == note.ext
    assert sent["action"]["intent"] == "pushscheme://com.example.im/detail"


@settings(max_examples=60, deadline=None)
@given(
    title=st.text(st.characters(), max_size=300),
    text=st.text(st.characters(), max_size=3000),
    ext=st.text(st.characters(), max_size=3000),
    other=st.text(st.characters(), max_size=2000),
    apple=st.booleans(),
    page=st.booleans(),
)
def test_any_text_gives_a_message_within_its_limits(title, text, ext, other, apple, page):
    info = OfflinePushInfo(
        AndroidInfo=AndroidInfo(GoogleImage="https://" + other, XiaoMiChannelID=other, Sound=other, HuaWeiCategory=other),
        ApnsInfo=ApnsInfo(Image="https://" + other, Sound=other),
    )
    options = {"click_action": "page", "click_value": PAGE} if page else {}
    cert = certificate("1600001048" if apple else "1500001048", **options)
    message = body(notification(title=title, body=text, ext=ext, subtitle=other, wishes=info), cert)["message"]
    assert len(json.dumps(message, ensure_ascii=False, separators=(",", ":")).encode()) <= 4096
    assert 1 <= len(message["title"]) <= 32
    assert 1 <= len(message["content"]) <= 80


# --- answers (section 5) ------------------------------------------------------------------------


@pytest.mark.parametrize(
    "value",
    [
        {"seq": 0, "push_id": "427184209", "ret_code": 0, "environment": "dev", "err_msg": "", "result": "[0]"},
        {"seq": 0, "push_id": "427184209", "ret_code": 0, "err_msg": "NO_ERROR", "result": "{}", "invalid_targe_list": []},
        {"push_id": 427184209, "ret_code": "0"},
    ],
)
def test_success_is_accepted_with_the_push_id(value):
    assert answer(200, value, TARGET, Target(78, TWO)) == [Outcome(OutcomeKind.ACCEPTED, "0", vendor_message_id="427184209")] * 2


@pytest.mark.parametrize("name", ["invalid_targe_list", "invalid_target_list"])
def test_filtered_tokens_are_dead(name):
    good, bad = answer(200, {"ret_code": 0, "push_id": "4", name: [TWO, 7]}, TARGET, Target(78, TWO))
    assert good.kind is OutcomeKind.ACCEPTED
    assert (bad.kind, bad.evidence) == (OutcomeKind.TOKEN_DEAD, Evidence.TOKEN)


def test_a_repeated_push_was_sent_before():
    assert answer(200, {"ret_code": 10010018, "err_msg": "repeated"})[0].kind is OutcomeKind.ACCEPTED


CODES = [
    *[(code, REFUSED) for code in (1008001, 1008002, 1008007, 1008015, 1008016, 1008019, 10010012, 999, -1)],
    *[(code, CREDENTIALS) for code in (1008003, 10030002, 1008023, 1008025, 1008030, 1008031, 1010001)],
    *[(code, CREDENTIALS) for code in (1008011, 1008012, 1008013, 1008020, 1008021, 1008022)],
    *[(code, DOWN) for code in (1008004, 10100, 10101)],
    (1008028, OutcomeKind.THROTTLED),
    *[(code, UNKNOWN) for code in (1008026, 1008027)],
]


@pytest.mark.parametrize(("code", "kind"), CODES)
def test_each_code_has_its_meaning(code, kind):
    (outcome,) = answer(200, {"ret_code": code, "err_msg": "words"})
    assert (outcome.kind, outcome.code, outcome.detail) == (kind, str(code), "words")


@pytest.mark.parametrize("code", [1008006, 1008029])
def test_a_failing_token_is_believed_weakly_where_it_is_alone_and_not_in_a_list(code):
    (lone,) = answer(200, {"ret_code": code})
    assert (lone.kind, lone.evidence) == (OutcomeKind.TOKEN_DEAD, Evidence.REQUEST)
    assert {o.kind for o in answer(200, {"ret_code": code}, TARGET, Target(78, TWO))} == {UNKNOWN}


@pytest.mark.parametrize("code", [10010005, 10110008])
def test_a_request_of_which_nobody_is_known_is_no_evidence_by_itself(code):
    outcomes = answer(200, {"ret_code": code}, TARGET, Target(78, TWO))
    assert {(o.kind, o.evidence) for o in outcomes} == {(OutcomeKind.TOKEN_DEAD, Evidence.REQUEST)}


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (200, UNKNOWN),
        (302, UNKNOWN),
        (400, UNKNOWN),
        (401, CREDENTIALS),
        (403, CREDENTIALS),
        (413, REFUSED),
        (429, OutcomeKind.THROTTLED),
        (500, DOWN),
        (503, DOWN),
    ],
)
def test_without_a_code_the_http_status_decides(status, kind):
    assert answer(status, b"<html>")[0].kind is kind


@given(
    status=st.integers(100, 599),
    value=st.binary(max_size=100)
    | st.dictionaries(
        st.sampled_from(["ret_code", "err_msg", "push_id", "invalid_targe_list"]),
        st.none() | st.integers(0, 5) | st.text() | st.lists(st.text(max_size=5) | st.integers()),
    ),
)
def test_no_answer_is_too_strange(status, value):
    outcomes = answer(status, value, Target(1, "abcdef"), Target(2, "ghijkl"))
    assert len(outcomes) == 2
    assert all(o.kind is not OutcomeKind.TOKEN_DEAD for o in outcomes)


def test_there_are_no_receipts_and_no_login():
    answered = TPNS.read_receipts(certificate(), ReceiptRequest({}, {}, b"{}"), NOW_MS)
    assert (answered.status, answered.receipts) == (404, ())
    assert TPNS.login(certificate(), NOW_MS) is None


# --- certificates -------------------------------------------------------------------------------

QUIET = {"click_action": "page", "click_value": PAGE, "huawei_category": "IM"}


def problems(cert: Certificate) -> dict[str, bool]:
    return {problem.field: problem.warning for problem in TPNS.check(cert) if "no longer sold" not in problem.sentence}


def test_every_certificate_is_told_that_the_service_is_no_longer_sold():
    (problem,) = TPNS.check(certificate(**QUIET))
    assert problem.warning
    assert "no longer sold" in problem.sentence


@pytest.mark.parametrize(
    ("options", "field"),
    [
        ({"sound": "ring"}, "sound"),
        ({"click_action": "launcher"}, "click_action"),
        ({"click_value": "com.example.im.ChatActivity"}, "click_action"),
        ({"huawei_category": ""}, "huawei_category"),
    ],
)
def test_what_will_bite_is_told_as_a_warning(options, field):
    assert problems(certificate(**{**QUIET, **options})) == {field: True}


def test_an_ios_pair_has_none_of_the_android_warnings():
    assert problems(certificate("1600001048", sound="ring.caf")) == {}


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"access_id": ""}, "access_id"),
        ({"access_id": "A1500"}, "access_id"),
        ({"secret_key": ""}, "secret_key"),
        ({"secret_key": "密钥"}, "secret_key"),
        ({"region": "mars"}, "region"),
    ],
)
def test_what_would_fail_is_an_error(changes, field):
    assert problems(certificate(**{**QUIET, **changes})) == {field: False}


def test_an_action_cannot_be_opened():
    found = problems(certificate(**{**QUIET, "click_value": "com.example.im.OPEN_CHAT"}))
    assert found["click_value"] is False


@pytest.mark.parametrize(
    "extras",
    [
        {"custom_content": json.dumps({"ext": EXT})},
        {"custom": json.dumps({"ext": EXT})},
        {"custom": {"ext": EXT}},
        {"ext": EXT},
        {"custom_content": "[", "ext": EXT},
    ],
)
def test_the_tapped_app_gets_the_ext_back(extras):
    assert TPNS.parse_extras(extras) == EXT


@pytest.mark.parametrize("name", ["custom_content", "custom"])
def test_the_client_kit_finds_the_chat_in_the_custom_content(name):
    ext = container_json(chat_type=1, action=1, sender="alice")
    found = parse_offline_message({name: json.dumps({"ext": ext})})
    assert found is not None
    assert found.sender == "alice"


@pytest.mark.parametrize("extras", [{}, {"custom_content": 7}, {"custom": "{}"}, {"ext": ""}])
def test_extras_without_an_ext_give_none(extras):
    assert TPNS.parse_extras(extras) is None


@pytest.mark.parametrize(
    ("access_id", "platform", "serves"),
    [
        ("1500001048", "android", True),
        ("1500001048", "ios", False),
        ("1600001048", "ios", True),
        ("1600001048", "ipad", True),
        ("1600001048", "android", False),
        ("1600001048", "web", False),
    ],
)
def test_a_pair_serves_the_devices_of_its_platform(access_id, platform, serves):
    assert TPNS.serves(certificate(access_id), platform) is serves


def follow_up(request: VendorRequest, code: int, cert: Certificate) -> list[VendorRequest]:
    return TPNS.follow_up(request, VendorResponse(200, {}, json.dumps({"ret_code": code}).encode()), cert)


@pytest.mark.parametrize("authentication", ["signed", "basic"])
def test_a_refused_text_is_replaced_once_by_the_neutral_one_and_signed_anew(authentication):
    cert = certificate(neutral_text="新消息", authentication=authentication)
    (request,) = render(notification(wishes=wishes(GoogleImage="https://a/b.png")), cert)
    (second,) = follow_up(request, 1008019, cert)
    before, after = json.loads(request.body), json.loads(second.body)
    assert (after["message"]["title"], after["message"]["content"]) == ("新消息", "新消息")
    assert after["message"]["android"] == before["message"]["android"]
    assert "xg_media_resources" not in after["message"]
    assert second.targets == request.targets
    headers = dict(second.headers)
    if authentication == "signed":
        assert headers["sign"] == sign("tp_secret_01", "1700000000", "1500001048", second.body)
    else:
        assert headers == dict(request.headers)
    assert follow_up(second, 1008019, cert) == []


def test_nothing_follows_on_other_answers_or_without_a_neutral_text():
    (request,) = render(notification())
    assert follow_up(request, 0, certificate()) == []
    assert follow_up(request, 1008007, certificate()) == []
    assert follow_up(request, 1008019, certificate(neutral_text="")) == []
