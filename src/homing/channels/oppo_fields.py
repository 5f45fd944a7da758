"""The fields of an OPPO certificate (vendor sheet oppo, sections 2, 3 and 8)."""

from __future__ import annotations

from typing import Annotated

from homing.channels.base import CommonCredentials, CommonOptions, field


class OppoCredentials(CommonCredentials, frozen=True, kw_only=True):
    """The server's key pair of an app."""

    app_key: Annotated[str, field("App key", "AppKey", "From OPPO's push console", "OPPO 推送平台的 AppKey")]
    master_secret: Annotated[
        str,
        field("Master secret", "MasterSecret", "Not the AppSecret, which is for the phone", "不是客户端用的 AppSecret", secret=True),
    ]


class OppoOptions(CommonOptions, frozen=True, kw_only=True):
    """Options of an OPPO certificate."""

    region: Annotated[str, field("Region", "地区", "Where the phones are registered", "设备注册的地区", choices=("china", "overseas"))] = (
        "china"
    )
    category: Annotated[
        str,
        field(
            "Category",
            "消息类别",
            "IM for chat; empty for apps that are still under the rule of before 2024-11-20",
            "聊天用 IM；仍使用 2024-11-20 之前旧规则的应用留空",
        ),
    ] = ""
    notify_level: Annotated[
        int,
        field(
            "Notify level",
            "提醒等级",
            "1 shade; 2 and lock screen; 16 and banner, vibration, ring (needs approval); 0: the category's default",
            "1 通知栏；2 加锁屏；16 加横幅、震动、铃声（需申请）；0 类别默认",
            choices=("0", "1", "2", "16"),
        ),
    ] = 0
    public_channel_id: Annotated[
        str,
        field(
            "Channel ID for public messages",
            "公信通道 ID",
            "Where a private certificate sends a public message; the private channel is never used for one",
            "私信证书发送公信消息时使用的通道；不会用私信通道发送公信",
        ),
    ] = ""
    without_channel: Annotated[
        str,
        field(
            "Messages without a channel",
            "没有通道的消息",
            "suppress: nothing is shown on Android 8 and later, so nothing is sent; send: OPPO's page speaks of a default channel",
            "suppress：Android 8 及以上不会展示，因此不发送；send：照常发送（OPPO 文档称会使用默认通道）",
            choices=("suppress", "send"),
        ),
    ] = "suppress"
    template_id: Annotated[
        str,
        field("Template ID", "私信模板 ID", "Approved private-message template; code 54 asks for it", "已审核的私信模板；错误码 54 时必填"),
    ] = ""
    template_title: Annotated[
        str,
        field(
            "Template title placeholders",
            "模板标题变量",
            'JSON, e.g. {"nick":"{title}"}: {title} and {body} are filled in',
            'JSON，例如 {"nick":"{title}"}，其中 {title}、{body} 会被替换',
        ),
    ] = ""
    template_content: Annotated[
        str,
        field(
            "Template content placeholders",
            "模板内容变量",
            'JSON, e.g. {"text":"{body}"}: {title} and {body} are filled in',
            'JSON，例如 {"text":"{body}"}，其中 {title}、{body} 会被替换',
        ),
    ] = ""
    badge: Annotated[
        bool,
        field(
            "Badge",
            "角标",
            "Send the unread number; OPPO has not published the fields, so ask its support first",
            "发送未读数；OPPO 未公开该字段，启用前请咨询其支持",
        ),
    ] = False
