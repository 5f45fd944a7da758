"""All channels by name. A new vendor is one file and one line here."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from homing.channels.apns import ApnsChannel
from homing.channels.base import Channel
from homing.channels.fcm import FcmChannel
from homing.channels.harmony import HarmonyChannel
from homing.channels.honor import HonorChannel
from homing.channels.huawei import HuaweiChannel
from homing.channels.meizu import MeizuChannel
from homing.channels.oppo import OppoChannel
from homing.channels.tpns import TpnsChannel
from homing.channels.vivo import VivoChannel
from homing.channels.webpush import WebPushChannel
from homing.channels.xiaomi import XiaomiChannel

_VENDORS: Final[tuple[Channel, ...]] = (
    FcmChannel(),
    ApnsChannel(),
    HuaweiChannel(),
    HarmonyChannel(),
    HonorChannel(),
    XiaomiChannel(),
    OppoChannel(),
    VivoChannel(),
    MeizuChannel(),
    WebPushChannel(),
    TpnsChannel(),
)

CHANNELS: Final[Mapping[str, Channel]] = MappingProxyType({vendor.name: vendor for vendor in _VENDORS})


def channel(name: str) -> Channel | None:
    """The channel of that name, or None."""
    return CHANNELS.get(name)
