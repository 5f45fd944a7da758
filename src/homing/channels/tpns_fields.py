"""The fields of a TPNS certificate (vendor sheet tpns, sections 1 to 3)."""

from __future__ import annotations

from typing import Annotated

from homing.channels.base import CommonCredentials, CommonOptions, field


class TpnsCredentials(CommonCredentials, frozen=True, kw_only=True):
    """The pair of one application at one access point. Android and iOS have a pair each."""

    access_id: Annotated[str, field("Access ID", "AccessID", "1500… for Android, 1600… for iOS", "Android 以 1500、iOS 以 1600 开头")]
    secret_key: Annotated[
        str,
        field("Secret key", "SecretKey", "The server's key; not the AccessKey of the client", "服务端密钥，不是 AccessKey", secret=True),
    ]


class TpnsOptions(CommonOptions, frozen=True, kw_only=True):
    """Options of a TPNS certificate."""

    region: Annotated[
        str,
        field(
            "Access point",
            "服务接入点",
            "Where the application was made; tokens of one are unknown to the others",
            "应用所在的接入点；各接入点的数据相互隔离",
            choices=("guangzhou", "shanghai", "hongkong", "singapore"),
        ),
    ] = "guangzhou"
    platform: Annotated[
        str,
        field(
            "Platform",
            "平台",
            "Empty: ios for access ids that begin with 16, else android",
            "留空：AccessID 以 16 开头为 ios，否则 android",
            choices=("", "android", "ios"),
        ),
    ] = ""
    environment: Annotated[
        str,
        field("Environment", "推送环境", "iOS: must fit the build", "iOS：须与安装包一致", choices=("product", "dev")),
    ] = "product"
    authentication: Annotated[
        str,
        field(
            "Authentication",
            "鉴权方式",
            "signed: HMAC, needs a right clock; basic: the key itself travels",
            "signed：HMAC 签名，要求时钟准确；basic：直接携带密钥",
            choices=("signed", "basic"),
        ),
    ] = "signed"
    multi_pkg: Annotated[
        int, field("Several packages", "多包名推送", "1: the app has several package names", "1：应用有多个包名", ge=0, le=1)
    ] = 0
    channel_name: Annotated[
        str, field("Channel name", "通道名称", "What the user sees for channel_id", "channel_id 对应的用户可见名称")
    ] = ""
    xiaomi_channel_id: Annotated[str, field("Xiaomi channel ID", "小米通道 ID", "For Xiaomi phones", "用于小米手机")] = ""
    huawei_channel_id: Annotated[str, field("Huawei channel ID", "华为通道 ID", "For Huawei phones", "用于华为手机")] = ""
    oppo_channel_id: Annotated[str, field("OPPO channel ID", "OPPO 通道 ID", "For OPPO phones", "用于 OPPO 手机")] = ""
    fcm_channel_id: Annotated[str, field("FCM channel ID", "FCM 通道 ID", "For phones with FCM", "用于 FCM 手机")] = ""
    huawei_category: Annotated[str, field("Huawei category", "华为消息类别", "IM for chat; needs the right", "聊天用 IM；需要权益")] = ""
    vivo_category: Annotated[str, field("vivo category", "vivo 消息类别", "IM for chat; needs the right", "聊天用 IM；需要权益")] = ""
    neutral_text: Annotated[
        str,
        field(
            "Neutral text",
            "替代文案",
            "Sent once instead of a text that the content check refused; empty: give up",
            "内容审核未通过时改发的文案；留空则放弃",
        ),
    ] = "你收到一条新消息"
