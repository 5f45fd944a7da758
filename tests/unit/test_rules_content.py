"""From a message to a notification: texts, precedence, hidden content, identity."""

from __future__ import annotations

import json
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from homing.model.apps import AppSettings, NotificationMode
from homing.model.clock import Ids
from homing.model.messages import Element, Message, MessageFlags
from homing.model.notification import Notification
from homing.model.push_info import NO_WISHES, AndroidInfo, ApnsInfo, HarmonyInfo, OfflinePushInfo
from homing.rules.content import compose, describable, element_text, push_text
from homing.rules.offline_message import OfflineMessage, parse_ext

TEXT = Element("TIMTextElem", {"Text": "world"})
CUSTOM = Element("TIMCustomElem", {"Data": "d", "Desc": "hello", "Ext": "X", "Sound": "S"})
BARE_CUSTOM = Element("TIMCustomElem", {"Data": "d"})
MESSAGE = Message(
    message_id=(1_800_000_000_000 - Ids.EPOCH_MS) << 22 | 1,
    sdkappid=1400000000,
    from_account="ann",
    to_account="bob",
    seq=1,
    random=2,
    timestamp=1_800_000_000,
    flags=0,
    body=b"[]",
    push_info=None,
    cloud_custom_data="",
    to_seq=1,
    from_seq=None,
    expires_at_ms=1_800_000_000_000 + 7 * 86_400_000,
)


def made(*elements: Element, **changes: Any) -> Notification:
    message_changes = {name: changes.pop(name) for name in list(changes) if name in MESSAGE.__struct_fields__}
    arguments: dict[str, Any] = {
        "message": msgspec.structs.replace(MESSAGE, **message_changes),
        "elements": elements or (TEXT,),
        "info": NO_WISHES,
        "nick": "Ann",
        "settings": AppSettings(),
        "language": "en",
        "platform": "android",
        "badge": 5,
    }
    return compose(**{**arguments, **changes})


@pytest.mark.parametrize(
    ("kind", "zh", "en"),
    [
        ("TIMFaceElem", "[表情]", "[Face]"),
        ("TIMLocationElem", "[位置]", "[Location]"),
        ("TIMImageElem", "[图片]", "[Image]"),
        ("TIMSoundElem", "[语音]", "[Voice]"),
        ("TIMFileElem", "[文件]", "[File]"),
        ("TIMVideoFileElem", "[视频]", "[Video]"),
        ("TIMRelayElem", "[聊天记录]", "[Chat history]"),
        ("TIMNewElem", "", ""),
    ],
)
def test_each_kind_of_element_has_its_placeholder(kind: str, zh: str, en: str):
    assert element_text(Element(kind, {}), "zh") == zh
    assert element_text(Element(kind, {}), "en") == en


@pytest.mark.parametrize("language", ["zh", "zh-CN", "zh_TW", "ZH-Hans-CN"])
def test_every_chinese_is_answered_in_chinese(language: str):
    assert push_text([Element("TIMImageElem", {})], language) == "[图片]"


@pytest.mark.parametrize("language", ["en", "en-GB", "de", "", "zha", "z"])
def test_every_other_language_is_answered_in_english(language: str):
    assert push_text([Element("TIMImageElem", {})], language) == "[Image]"


def test_the_texts_of_a_combined_message_are_joined_with_nothing_between():
    assert push_text([CUSTOM, Element("TIMImageElem", {}), TEXT], "zh") == "hello[图片]world"


def test_a_field_of_another_type_counts_as_missing():
    assert element_text(Element("TIMTextElem", {"Text": 5}), "en") == ""
    assert element_text(Element("TIMCustomElem", {"Desc": None}), "en") == ""


@pytest.mark.parametrize(
    ("elements", "info", "expected"),
    [
        ([BARE_CUSTOM], NO_WISHES, False),
        ([BARE_CUSTOM], OfflinePushInfo(Title="t"), False),
        ([BARE_CUSTOM], OfflinePushInfo(Desc="d"), True),
        ([CUSTOM], NO_WISHES, True),
        ([BARE_CUSTOM, TEXT], NO_WISHES, True),
        ([TEXT], NO_WISHES, True),
        ([Element("TIMCustomElem", {"Desc": ""})], NO_WISHES, False),
    ],
)
def test_a_custom_message_needs_a_description(elements: list[Element], info: OfflinePushInfo, expected: bool):
    assert describable(elements, info) is expected


def test_the_reference_payload_of_a_custom_element_comes_out_for_apple_devices():
    """Vendor sheet offline-push-info, section 3: alert "N:helloworld", badge 5, sound S, ext X."""
    notification = made(CUSTOM, TEXT, nick="N", platform="ios")
    assert (notification.title, notification.body, notification.badge) == ("", "N:helloworld", 5)
    assert (notification.wishes.ApnsInfo.Sound, notification.ext) == ("S", "X")


def test_with_offline_push_info_only_the_description_of_a_custom_element_counts():
    notification = made(CUSTOM, info=OfflinePushInfo(Title="T"))
    assert notification.body == "hello"
    assert notification.ext != "X"
    assert notification.wishes.ApnsInfo.Sound == ""


def test_a_custom_element_without_ext_or_sound_wishes_nothing():
    assert made(Element("TIMCustomElem", {"Desc": "d"})).wishes is NO_WISHES


def test_the_description_wins_over_the_elements():
    assert made(TEXT, info=OfflinePushInfo(Desc="D")).body == "D"


@pytest.mark.parametrize(
    ("platform", "info", "title"),
    [
        ("android", OfflinePushInfo(Title="T", ApnsInfo=ApnsInfo(Title="A")), "T"),
        ("ios", OfflinePushInfo(Title="T", ApnsInfo=ApnsInfo(Title="A")), "A"),
        ("ipad", OfflinePushInfo(Title="T"), "T"),
        ("ios", OfflinePushInfo(Desc="d"), ""),
        ("harmony", NO_WISHES, "Ann"),
        ("android", NO_WISHES, "Ann"),
    ],
)
def test_the_title_follows_the_precedence(platform: str, info: OfflinePushInfo, title: str):
    assert made(info=info, platform=platform).title == title


def test_a_missing_title_is_the_default_then_the_nick_then_the_sender():
    assert made(default_title="Shop").title == "Shop"
    assert made().title == "Ann"
    assert made(nick="").title == "ann"
    assert made(nick="\x00\n", info=OfflinePushInfo(Title=" ")).title == "ann"


@pytest.mark.parametrize(("nick", "body"), [("Ann", "Ann:world"), ("", "world")])
def test_apple_devices_without_a_title_carry_the_nick_in_the_body(nick: str, body: str):
    assert made(nick=nick, platform="ios").body == body
    assert made(nick=nick, platform="ipad", default_title="ignored").title == ""


def test_with_a_title_the_nick_stays_out_of_the_body():
    assert made(info=OfflinePushInfo(Title="T"), platform="ios").body == "world"


def test_the_subtitle_is_passed_on():
    assert made(info=OfflinePushInfo(ApnsInfo=ApnsInfo(SubTitle="sub\nline")), platform="ios").subtitle == "sub line"


def test_an_empty_text_is_announced_instead_of_shown():
    assert made(Element("TIMTextElem", {"Text": " \x00 "}), language="zh-CN").body == "你收到一条新消息"


def test_control_characters_never_reach_the_phone():
    notification = made(Element("TIMTextElem", {"Text": "a\x00b\nc\ud800"}), info=OfflinePushInfo(Title="x\ny\x07"))
    assert (notification.title, notification.body) == ("x y", "ab\nc")


def test_without_a_reported_language_the_app_decides():
    assert made(Element("TIMImageElem", {}), language="").body == "[图片]"
    assert made(Element("TIMImageElem", {}), language="", settings=AppSettings(language="en")).body == "[Image]"


HIDDEN = AppSettings(hide_content=True)
REVEALING = OfflinePushInfo(
    Title="secret",
    Desc="secret",
    AndroidInfo=AndroidInfo(
        Sound="ring",
        HuaWeiImage="secret",
        HonorImage="secret",
        GoogleImage="secret",
        XiaoMiTemplateId="t",
        XiaoMiTemplateParam={"text": "secret"},
        OPPOPrivateMsgTemplateId="t",
        OPPOChannelID="c",
    ),
    ApnsInfo=ApnsInfo(Title="secret", SubTitle="secret", Image="secret", Sound="ring"),
    HarmonyInfo=HarmonyInfo(Image="secret", Category="IM"),
)


@pytest.mark.parametrize("platform", ["android", "ios", "harmony"])
def test_hidden_content_shows_who_and_nothing_else(platform: str):
    notification = made(Element("TIMTextElem", {"Text": "secret"}), info=REVEALING, settings=HIDDEN, platform=platform)
    assert b"secret" not in msgspec.json.encode(notification)
    assert "You have a new message" in notification.body
    assert "Ann" in notification.title + notification.body
    assert notification.wishes.AndroidInfo.OPPOChannelID == "c"
    assert notification.wishes.ApnsInfo.Sound == "ring"


def test_hidden_content_keeps_the_sender_s_ext_so_that_the_tap_works():
    assert made(settings=HIDDEN, info=OfflinePushInfo(Ext='{"a":1}')).ext == '{"a":1}'


def test_without_an_ext_a_container_is_made_that_opens_the_chat():
    notification = made(nick="Ann")
    assert parse_ext(notification.ext) == OfflineMessage(
        version=1, chat_type=1, action=1, sender="ann", nickname="Ann", content="world", send_time=1_800_000_000
    )
    assert set(json.loads(notification.ext)["entity"]) == {
        "version",
        "chatType",
        "action",
        "sender",
        "nickname",
        "faceUrl",
        "content",
        "sendTime",
    }


def test_the_container_stays_small_for_a_long_message():
    assert len(made(Element("TIMTextElem", {"Text": "好" * 4000})).ext.encode()) < 600


def test_a_badge_is_left_alone_where_the_message_does_not_count():
    apple, harmony = OfflinePushInfo(ApnsInfo=ApnsInfo(BadgeMode=1)), OfflinePushInfo(HarmonyInfo=HarmonyInfo(BadgeMode=1))
    assert made().badge == 5
    assert made(flags=int(MessageFlags.NO_UNREAD | MessageFlags.HONOUR_MUTE)).badge is None
    assert made(info=apple, platform="ios").badge is None
    assert made(info=apple, platform="android").badge == 5
    assert made(info=harmony, platform="harmony").badge is None
    assert made(info=harmony, platform="ios").badge == 5


def test_it_expires_with_the_message_or_the_app_s_default_whichever_is_first():
    assert made(settings=AppSettings(default_ttl_seconds=60)).expires_at_ms == 1_800_000_060_000
    assert made(expires_at_ms=1_800_000_001_000).expires_at_ms == 1_800_000_001_000


def test_a_caller_whose_clock_is_behind_does_not_make_it_expire_at_once():
    assert made(settings=AppSettings(default_ttl_seconds=60), timestamp=1_799_999_000).expires_at_ms == 1_800_000_060_000


def test_ids_name_the_conversation_and_the_message():
    notification = made()
    assert notification.conversation_id == "c2c_ann"
    assert notification.msg_id == MESSAGE.msg_id
    assert notification.collapse_id == f"m-{MESSAGE.message_id}"


def test_one_notification_a_conversation_shares_its_ids_among_messages_of_one_sender():
    per_conversation = AppSettings(notification_mode=NotificationMode.PER_CONVERSATION)
    first, second = made(settings=per_conversation), made(settings=per_conversation, message_id=9)
    assert (first.notify_id, first.collapse_id) == (second.notify_id, second.collapse_id)
    other = made(settings=per_conversation, from_account="eve")
    assert other.notify_id != first.notify_id
    assert other.collapse_id != first.collapse_id


@given(st.integers(0, 2**63 - 1), st.text(max_size=32), st.sampled_from(list(NotificationMode)))
def test_ids_keep_their_bounds_and_are_stable(message_id: int, sender: str, mode: NotificationMode):
    settings = AppSettings(notification_mode=mode)
    notification = made(message_id=message_id, from_account=sender, settings=settings)
    assert 0 < notification.notify_id < 2**31
    assert len(notification.collapse_id.encode()) <= 64
    assert made(message_id=message_id, from_account=sender, settings=settings) == notification


def test_messages_made_in_a_row_do_not_share_a_notify_id(clock: Any):
    ids = Ids(clock, 1)
    seen = set()
    for _ in range(2000):
        clock.advance(ms=37)
        seen.add(made(message_id=ids.next()).notify_id)
    assert len(seen) == 2000


INFOS = st.builds(OfflinePushInfo, Title=st.text(max_size=5), Desc=st.text(max_size=5), Ext=st.text(max_size=5))
ELEMENTS = st.lists(
    st.builds(
        Element,
        st.sampled_from(["TIMTextElem", "TIMCustomElem", "TIMFaceElem", "x"]),
        st.dictionaries(st.sampled_from(["Text", "Desc", "Ext", "Sound"]), st.text(st.characters(), max_size=8) | st.integers()),
    ),
    max_size=3,
)


@given(ELEMENTS, INFOS, st.text(st.characters(), max_size=8), st.sampled_from(["android", "ios", "web"]), st.booleans())
def test_a_notification_always_has_words_and_an_ext_and_can_be_encoded(
    elements: list[Element], info: OfflinePushInfo, nick: str, platform: str, hide: bool
):
    notification = made(info=info, elements=elements, nick=nick, platform=platform, settings=AppSettings(hide_content=hide))
    (notification.title + notification.body).encode()
    assert notification.body
    assert notification.title or platform == "ios"
    assert notification.ext
