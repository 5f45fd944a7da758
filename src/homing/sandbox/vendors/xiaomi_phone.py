"""What a Mi Push message becomes on the phone: the notification, its tap, its tone and what the opened page finds."""

from __future__ import annotations

from typing import Any

from ..base import Notice, StoreRule, TapKind
from ..phones import Phone
from .xiaomi_rules import MiMessage

OFFLINE_CAP = 1000  # how many are kept for a phone that is away; the vendor names no figure


def is_private(message: MiMessage) -> bool:
    """Whether the message goes through an audited private channel."""
    return message.channel is not None and message.channel.private


def make_notice(message: MiMessage, phone: Phone, message_id: str) -> Notice:
    """What the phone gets out of a checked message."""
    extra, private = message.extra, is_private(message)
    kind, value = _tap(extra)
    channel = message.channel.id if message.channel is not None else "default"
    return Notice(
        vendor="xiaomi",
        message_id=message_id,
        package=phone.package,
        title=message.title,
        body=message.description,
        tap=kind,
        tap_value=value,
        extras={"key_message": _mi_push_message(message, message_id)},
        data_only=message.pass_through == 1,
        channel_id=channel,
        create_channel=True,
        sound=_sound(message, phone.package),
        silent=not private or (message.notify_type != -1 and not message.notify_type & 1),
        replace_key=f"id:{message.notify_id}",
        group=phone.package,
        first_wins_key=extra.get("jobkey"),
        show_in_foreground=extra.get("notify_foreground") != "0",
        ttl_ms=message.ttl_ms,
        store=StoreRule(cap=OFFLINE_CAP),
    )


def _tap(extra: dict[str, str]) -> tuple[TapKind, str]:
    effect = extra.get("notify_effect")
    if effect == "1":
        return TapKind.LAUNCHER, ""
    if effect == "2" and extra.get("intent_uri"):
        return TapKind.INTENT_URI, extra["intent_uri"]
    if effect == "2":
        return TapKind.ACTIVITY, extra["class_name"]
    if effect == "3":
        return TapKind.WEB, extra["web_uri"]
    return TapKind.RECEIVER, ""


def _sound(message: MiMessage, package: str) -> str:
    """The channel's own tone, else that of the message that makes the channel on the phone."""
    if message.channel is not None and message.channel.sound:
        return message.channel.sound
    prefix = f"android.resource://{package}/raw/"
    uri = message.extra.get("sound_uri", "")
    return uri.removeprefix(prefix) if uri.startswith(prefix) else "default"


def _mi_push_message(message: MiMessage, message_id: str) -> dict[str, Any]:
    """MiPushMessage, which the opened page reads from the extra ``key_message``."""
    return {
        "messageId": message_id,
        "messageType": 0,
        "content": message.payload,
        "alias": None,
        "topic": None,
        "userAccount": None,
        "passThrough": message.pass_through,
        "notifyType": message.notify_type,
        "notifyId": message.notify_id,
        "isNotified": message.pass_through == 0,
        "title": message.title,
        "description": message.description,
        "category": None,
        "extra": dict(message.extra),
    }
