"""The fields of a vivo certificate (vendor sheet vivo, sections 2, 3 and 8)."""

from __future__ import annotations

from typing import Annotated

from homing.channels.base import CommonCredentials, CommonOptions, field


class VivoCredentials(CommonCredentials, frozen=True, kw_only=True):
    """The server's keys of an app."""

    app_id: Annotated[str, field("App ID", "AppID", "A number, from vivo's push console", "数字，来自 vivo 推送平台")]
    app_key: Annotated[str, field("App key", "AppKey", "From vivo's push console", "vivo 推送平台的 AppKey")]
    app_secret: Annotated[str, field("App secret", "AppSecret", "From vivo's push console", "vivo 推送平台的 AppSecret", secret=True)]


class VivoOptions(CommonOptions, frozen=True, kw_only=True):
    """Options of a vivo certificate."""

    category: Annotated[
        str,
        field(
            "Category",
            "消息类别",
            "IM for chat; without it a message is operational: silent, by day, two a day and device",
            "聊天用 IM；不填则按运营消息处理：静默、仅白天、每设备每日两条",
        ),
    ] = ""
    classification: Annotated[
        int,
        field(
            "Classification",
            "一级分类",
            "1 system, 0 operational; a category decides it where there is one",
            "1 系统消息，0 运营消息；填了类别时以类别为准",
            choices=("0", "1"),
        ),
    ] = 1
    notify_type: Annotated[
        int,
        field(
            "Notify type",
            "提醒方式",
            "1 none, 2 ring, 3 vibrate, 4 both; up to Android 8.0, above it the class decides",
            "1 无、2 响铃、3 振动、4 响铃和振动；仅 Android 8.0 及以下，之后由分类决定",
            ge=1,
            le=4,
        ),
    ] = 4
    receipt_id: Annotated[
        str,
        field(
            "Receipt ID",
            "回执 ID",
            "Of the receipt URL registered in vivo's console; replaces a URL in each message",
            "在 vivo 控制台登记回执地址后得到；代替消息中的回执地址",
        ),
    ] = ""
    test_mode: Annotated[
        int,
        field(
            "Test mode",
            "测试推送",
            "1: only phones listed in the console, and all that an app in review may send",
            "1：仅控制台登记的测试设备；应用审核期间只能用此模式",
            ge=0,
            le=1,
        ),
    ] = 0
    length_rule: Annotated[
        str,
        field(
            "Length rule",
            "长度规则",
            "half_width counts Chinese characters as two; vivo's pages differ",
            "half_width：汉字按两个字符计；vivo 各页面说法不一",
            choices=("half_width", "chars"),
        ),
    ] = "half_width"
    add_badge: Annotated[bool, field("Badge", "角标加一", "A message raises the badge by one", "每条消息角标加一")] = True
    foreground_show: Annotated[
        bool, field("Show in the foreground", "前台展示", "Show also while the app is in front", "应用在前台时也展示")
    ] = False
    neutral_text: Annotated[
        str,
        field(
            "Neutral text",
            "中性文案",
            "Sent instead, once, where vivo takes a text for a test or finds words in it",
            "被判为测试文案或含敏感词时，改用此文案重发一次",
        ),
    ] = "你收到一条新消息"
    list_from: Annotated[
        int,
        field(
            "Group send from",
            "群推起始人数",
            "Equal text for as many phones goes out as a group; 0: never",
            "相同内容达到此人数时使用群推；0：从不",
            ge=0,
            le=1000,
        ),
    ] = 20
