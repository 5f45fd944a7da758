"""The fields of an APNs certificate: a signing key or a client certificate, the topic, the environment (vendor sheet apns, section 2)."""

from __future__ import annotations

from typing import Annotated

from homing.channels.base import CommonCredentials, CommonOptions, field


class ApnsCredentials(CommonCredentials, frozen=True, kw_only=True):
    """A signing key with its ids, or a client certificate."""

    key_id: Annotated[str, field("Key ID", "密钥 ID", "10 characters, from Apple's developer site", "苹果开发者网站上的 10 位 ID")] = ""
    team_id: Annotated[str, field("Team ID", "团队 ID", "10 characters, from Apple's developer site", "苹果开发者网站上的 10 位 ID")] = ""
    private_key: Annotated[
        str, field("Signing key (.p8)", "签名密钥（.p8）", "The AuthKey file", "AuthKey 文件", secret=True, file=True)
    ] = ""
    client_certificate: Annotated[
        bytes,
        field(
            "Push certificate",
            "推送证书",
            "A .p12 or .pem file, instead of a signing key",
            ".p12 或 .pem 文件，与签名密钥二选一",
            secret=True,
            file=True,
        ),
    ] = b""
    passphrase: Annotated[
        str, field("Passphrase", "证书密码", "Of the .p12 or of the key in the .pem", ".p12 或 .pem 私钥的密码", secret=True)
    ] = ""


class ApnsOptions(CommonOptions, frozen=True, kw_only=True):
    """Options of an APNs certificate."""

    topic: Annotated[
        str, field("Topic", "Topic（Bundle ID）", "The app's bundle id; a push certificate names its own", "应用的 Bundle ID；推送证书自带")
    ] = ""
    environment: Annotated[
        str,
        field(
            "Environment",
            "环境",
            "sandbox: builds from Xcode; production: App Store and TestFlight",
            "sandbox：Xcode 调试包；production：App Store 与 TestFlight",
            choices=("production", "sandbox"),
        ),
    ] = "production"
    push_type: Annotated[
        str,
        field(
            "Push type",
            "推送类型",
            "voip: calls by PushKit, with the device's VoIP token and nothing but calls",
            "voip：通过 PushKit 来电，使用设备的 VoIP token，且只能推送来电",
            choices=("alert", "voip"),
        ),
    ] = "alert"
    mutable_content: Annotated[
        bool, field("Mutable content", "mutable-content", "Let the app's service extension change the notification", "允许通知扩展修改通知")
    ] = False
    interruption_level: Annotated[
        str,
        field(
            "Interruption level",
            "中断级别",
            "iOS 15 and later",
            "iOS 15 及以上",
            choices=("", "passive", "active", "time-sensitive", "critical"),
        ),
    ] = ""
    category: Annotated[str, field("Category", "通知类别", "A UNNotificationCategory of the app", "应用注册的 UNNotificationCategory")] = ""
