"""Who plays: the app, the people, and the phones they may have."""

from __future__ import annotations

from typing import Final

import msgspec

SDKAPPID: Final = 1400000001
#: The activity that the seed app opens for a push, and that the phones' manifest declares.
CHAT_ACTIVITY: Final = "com.tencent.qcloud.tim.demo.main.MainActivity"


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
    """A make of phone: its vendor's channel and what the certificate says about a tap."""

    name: str  # as the sandbox calls it
    channel: str
    platform: str
    label_en: str
    label_zh: str
    service: str  # the vendor's push service, as people know it
    opens_page: bool  # the certificate opens the chat page; else the launcher (or the app itself) takes the tap


BRANDS: Final = {
    brand.name: brand
    for brand in (
        Brand("apple", "apns", "ios", "iPhone", "iPhone", "APNs", False),
        Brand("google", "fcm", "android", "Google Pixel", "Google Pixel", "FCM", False),
        Brand("huawei", "huawei", "android", "Huawei", "华为", "Push Kit", True),
        Brand("xiaomi", "xiaomi", "android", "Xiaomi", "小米", "Mi Push", True),
    )
}


def brand_of_channel(channel: str) -> Brand | None:
    """The make of phone that a channel serves."""
    return next((brand for brand in BRANDS.values() if brand.channel == channel), None)
