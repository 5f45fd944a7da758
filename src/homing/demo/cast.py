"""Who plays: the app, the people, and the phones they may have."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

import msgspec

from homing.channels.registry import CHANNELS
from homing.sandbox.server import simulators
from homing.sandbox.world import World

SDKAPPID: Final = 1400000001
#: The activity that the seed app opens for a push, and that the phones' manifest declares.
CHAT_ACTIVITY: Final = "com.tencent.qcloud.tim.demo.main.MainActivity"
#: A tone that the app brings along, and the notification channel in which it plays it (on Android the channel's tone wins).
RING: Final = "private_ring"
RING_CHANNEL: Final = "chat"


class Person(msgspec.Struct, frozen=True):
    """An account of the demo."""

    user_id: str
    nick: str  # what the server and the notifications call them
    name_en: str
    name_zh: str


PEOPLE: Final = {
    person.user_id: person
    for person in (
        Person("alice", "Alice 爱丽丝", "Alice", "爱丽丝"),
        Person("bob", "Bob 鲍勃", "Bob", "鲍勃"),
        Person("carol", "Carol 卡罗尔", "Carol", "卡罗尔"),
    )
}


class Brand(msgspec.Struct, frozen=True):
    """A make of phone and its vendor's channel."""

    name: str  # as the sandbox calls it
    channel: str
    platform: str
    label_en: str
    label_zh: str
    service: str  # the vendor's push service, as people know it
    opens_page: bool  # the certificate opens the chat page; else the launcher (or the app itself) takes the tap
    custom_sound: bool
    app_quota: bool  # the vendor counts what an app sends in a day


#: What people call the makes; one that is not here goes by its name and its channel's title.
_LABELS: Final = {
    "apple": ("iPhone", "iPhone", "APNs"),
    "google": ("Google Pixel", "Google Pixel", "FCM"),
    "huawei": ("Huawei", "华为", "Push Kit"),
    "harmony": ("HarmonyOS phone", "鸿蒙", "HarmonyOS Push Kit"),
    "honor": ("Honor", "荣耀", "Honor Push"),
    "xiaomi": ("Xiaomi", "小米", "Mi Push"),
    "oppo": ("OPPO", "OPPO", "OPPO PUSH"),
    "vivo": ("vivo", "vivo", "vivo push"),
    "meizu": ("Meizu", "魅族", "Meizu Push"),
    "tpns": ("phone with TPNS", "接入 TPNS 的手机", "TPNS"),
    "web": ("browser", "浏览器", "Web Push"),
}
#: Makes whose taps start the app as its icon does: they take no intent URI.
_LAUNCHER: Final = frozenset({"apple", "google"})
_PLATFORMS: Final = ("android", "ios", "harmony", "web")


def _brands() -> Iterator[Brand]:
    """Every make that the sandbox has and a channel serves, in the order of the channels."""
    made = simulators(World())
    for channel in CHANNELS.values():
        for name in (brand for simulator in made if simulator.name == channel.name for brand in simulator.brands):
            label_en, label_zh, service = _LABELS.get(name, (name.capitalize(), channel.title_zh, channel.title_en))
            can = channel.capabilities
            yield Brand(
                name=name,
                channel=channel.name,
                platform=next(platform for platform in _PLATFORMS if platform in channel.platforms),
                label_en=label_en,
                label_zh=label_zh,
                service=service,
                opens_page="page" in can.click_actions and name not in _LAUNCHER,
                custom_sound=can.custom_sound,
                app_quota=can.app_quota,
            )


BRANDS: Final = {brand.name: brand for brand in _brands()}


def brand_of_channel(channel: str) -> Brand | None:
    """The make of phone that a channel serves."""
    return next((brand for brand in BRANDS.values() if brand.channel == channel), None)
