"""What TPNS shows: the ``message`` of a push, for Android and for Apple devices (vendor sheet tpns, section 3)."""

from __future__ import annotations

from typing import Any, Final
from urllib.parse import quote

import msgspec

from homing.channels.clicks import opens_page, page_action
from homing.channels.content import Content, cut_units, image_wish, raw_sound, wish
from homing.channels.tpns_fields import TpnsOptions
from homing.model.notification import Notification
from homing.rules.intents import activity_of, parse_intent_uri

# The smallest limits of the makers' channels below it: what one refuses travels on TPNS's own connection, which a killed
# app does not have.
MAX_TITLE_UNITS: Final = 32
MAX_BODY_UNITS: Final = 80
_MAX_BADGE: Final = 99
_NO_SOUND: Final = frozenset({"kIOSOfflinePushNoSound", "IOS_OFFLINE_PUSH_NO_SOUND", "push.no_sound"})
_LEVELS: Final = frozenset({"passive", "active", "time-sensitive", "critical"})
_encode: Final = msgspec.json.Encoder().encode


def android_message(notification: Notification, options: TpnsOptions, content: Content, push_id: str, *, twice: bool) -> dict[str, Any]:
    """``message`` for Android (section 3.2). ``twice``: ext in the page's address too, because on Huawei phones the custom
    content does not arrive.
    """
    message: dict[str, Any] = texts(content.title, content.body)
    if content.image:
        message["xg_media_resources"] = content.image
    android: dict[str, Any] = _channels(notification, options) | _tone(notification, options)
    android["badge_type"] = -1 if notification.badge is None else min(max(notification.badge, 0), _MAX_BADGE)
    android["show_type"] = 2
    android["action"] = action(options, content.ext if twice else "")
    android["custom_content"] = custom_content(notification, content, push_id)
    return message | {"android": android}


def apple_message(notification: Notification, options: TpnsOptions, content: Content, push_id: str) -> dict[str, Any]:
    """``message`` for Apple devices (section 3.3)."""
    wishes = notification.wishes.ApnsInfo
    sound = wish(wishes.Sound, options.sound) or "default"
    aps: dict[str, Any] = {
        "alert": {"subtitle": content.subtitle} if content.subtitle else {},
        "sound": "" if sound in _NO_SOUND else sound,  # empty: mute
        "mutable-content": 1,
    }
    if notification.badge is not None:  # absent: no change; a 0 clears
        aps["badge_type"] = max(notification.badge, 0)
    if wishes.InterruptionLevel in _LEVELS:
        aps["interruption-level"] = wishes.InterruptionLevel
    message = texts(content.title, content.body) | {"thread_id": notification.conversation_id}
    if content.image:
        message["xg_media_resources"] = content.image
    return message | {"ios": {"aps": aps, "custom_content": custom_content(notification, content, push_id)}}


def picture(notification: Notification, *, apple: bool) -> str:
    """The message's picture: TPNS has one for all makers, so the first that the sender names."""
    android = notification.wishes.AndroidInfo
    urls = (notification.wishes.ApnsInfo.Image,) if apple else (android.GoogleImage, android.HuaWeiImage, android.HonorImage)
    return next((url for url in map(image_wish, urls) if url), "")


def custom_content(notification: Notification, content: Content, push_id: str) -> str:
    """The sender's ext and our ids: a JSON text, not an object (section 9)."""
    own = {"ext": content.ext} if content.ext else {}
    if content.ours:
        own |= {"msg_id": notification.msg_id, "conv": notification.conversation_id}
        if push_id:
            own["push_id"] = push_id
    return _encode(own).decode()


def action(options: TpnsOptions, ext: str) -> dict[str, Any]:
    """``android.action``: 1 the app or an activity, 2 a browser, 3 an address of the app's own scheme."""
    if opens_page(options):
        intent = parse_intent_uri(options.click_value)
        if intent is not None and intent.data:
            address = intent.data + (f"{'&' if intent.query else '?'}ext={quote(ext, safe='')}" if ext else "")
            return {"action_type": 3, "intent": address}
        if activity := _activity(options):
            return {"action_type": 1, "activity": activity}
    if options.click_action == "web" and options.click_value:
        return {"action_type": 2, "browser": {"url": options.click_value, "confirm": 0}}
    return {"action_type": 1}


def _activity(options: TpnsOptions) -> str:
    name = "" if page_action(options) else activity_of(options.click_value)
    if not name.startswith("."):
        return name
    return options.package_name + name if options.package_name else ""


def texts(title: str, body: str) -> dict[str, Any]:
    """Title and content, cut to what every maker's channel takes."""
    return {"title": cut_units(title, MAX_TITLE_UNITS), "content": cut_units(body, MAX_BODY_UNITS)}


def _channels(notification: Notification, options: TpnsOptions) -> dict[str, Any]:
    """Each maker's channel and class (section 8). A private certificate's never label a public message: that is punished."""
    wishes, private = notification.wishes.AndroidInfo, notification.notification_class == "private"
    fits = private or options.notification_class == "public"
    silent = wishes.HuaWeiImportance == "LOW" or wishes.HonorImportance == "LOW" or not private
    found: dict[str, Any] = {
        "xm_ch_id": wish(wishes.XiaoMiChannelID, options.xiaomi_channel_id if fits else ""),
        "hw_ch_id": wish(wishes.HuaWeiChannelID, options.huawei_channel_id if fits else ""),
        "oppo_ch_id": wish(wishes.OPPOChannelID, options.oppo_channel_id if fits else ""),
        "fcm_ch_id": wish(wishes.GoogleChannelID, options.fcm_channel_id),
        "hw_category": wish(wishes.HuaWeiCategory, options.huawei_category if fits else "MARKETING").upper(),
        "vivo_category": wish(wishes.VIVOCategory, options.vivo_category if fits else "").upper(),
        "n_ch_id": options.channel_id,
        "n_ch_name": (options.channel_name or options.channel_id) if options.channel_id else "",
    }
    found = {name: value for name, value in found.items() if value}
    system = wishes.VIVOClassification == 1 if wishes.VIVOClassification in (0, 1) else private
    return found | {"hw_importance": 1 if silent else 2, "vivo_ch_id": "1" if system else "0"}


def _tone(notification: Notification, options: TpnsOptions) -> dict[str, Any]:
    """Ring, vibration and light. A tone of the app counts only together with a channel (section 3.2)."""
    tone: dict[str, Any] = {"ring": 1, "vibrate": 1, "lights": 1, "clearable": 1}
    sound = raw_sound(notification.wishes.AndroidInfo.Sound, options.sound)
    return tone | ({"ring_raw": sound} if sound and options.channel_id else {})
