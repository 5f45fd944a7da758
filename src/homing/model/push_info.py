"""OfflinePushInfo: the sender's wishes for the notification (sheet offline-push-info, sections 1 and 2).

Field names on the wire are those of the original product. Unknown fields are ignored, as there.
An empty string never overrides a certificate's value.
"""

from __future__ import annotations

from typing import Any

import msgspec


class AndroidInfo(msgspec.Struct, frozen=True, omit_defaults=True):
    """Wishes for Android vendors."""

    Sound: str = ""
    PushStyle: int = 0
    HuaWeiChannelID: str = ""
    HuaWeiImportance: str = ""
    HuaWeiCategory: str = ""
    HuaWeiImage: str = ""
    ExtAsHuaweiIntentParam: int = 0
    XiaoMiChannelID: str = ""
    XiaoMiTemplateId: str = ""
    XiaoMiTemplateParam: dict[str, Any] | str = ""
    OPPOChannelID: str = ""
    OPPOCategory: str = ""
    OPPONotifyLevel: int = 0
    OPPOPrivateMsgTemplateId: str = ""
    GoogleChannelID: str = ""
    GoogleImage: str = ""
    VIVOClassification: int | None = None
    VIVOCategory: str = ""
    HonorImportance: str = ""
    HonorImage: str = ""
    MeiZuNoticeMsgType: int | None = None


class ApnsInfo(msgspec.Struct, frozen=True, omit_defaults=True):
    """Wishes for Apple devices."""

    Sound: str = ""
    BadgeMode: int = 0
    Title: str = ""
    SubTitle: str = ""
    Image: str = ""
    MutableContent: int = 0
    InterruptionLevel: str = ""
    ContentAvailable: int = 0


class HarmonyInfo(msgspec.Struct, frozen=True, omit_defaults=True):
    """Wishes for HarmonyOS devices."""

    Image: str = ""
    Category: str = ""
    BadgeMode: int = 0


class OfflinePushInfo(msgspec.Struct, frozen=True, omit_defaults=True):
    """The sender's wishes. ``PushFlag`` 1 means: do not push."""

    PushFlag: int = 0
    Title: str = ""
    Desc: str = ""
    Ext: str = ""
    AndroidInfo: AndroidInfo = AndroidInfo()
    ApnsInfo: ApnsInfo = ApnsInfo()
    HarmonyInfo: HarmonyInfo = HarmonyInfo()


NO_WISHES = OfflinePushInfo()
