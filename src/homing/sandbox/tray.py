"""What a phone does with a notice that arrives, and what the vendor keeps for a phone that is away."""

from __future__ import annotations

import json

from .base import Notice, PhoneEvent
from .phones import MAX_TRAY, Phone, PhoneChannel, TrayItem

MAX_SEEN_KEYS = 1000


def put_into_store(phone: Phone, notice: Notice) -> list[Notice]:
    """Keep a notice at the vendor; the notices that this pushes out."""
    rule = notice.store
    dropped = [n for n in phone.stored if rule.group is not None and n.package == notice.package and n.store.group == rule.group]
    phone.stored = [n for n in phone.stored if n not in dropped]
    if len(phone.stored) >= rule.cap:
        overflow = len(phone.stored) if rule.overflow_drops_all else len(phone.stored) - rule.cap + 1
        dropped += phone.stored[:overflow]
        phone.stored = phone.stored[overflow:]
        if rule.overflow_drops_all:
            return [*dropped, notice]
    phone.stored.append(notice)
    return dropped


def arrive(phone: Phone, notice: Notice, item_id: int) -> tuple[PhoneEvent, str]:
    """A notice reached the phone: show it, hand it to the app, or neither, with the reason in words."""
    if phone.app_state == "force_stopped":
        return PhoneEvent.NOT_SHOWN, "the app was force-stopped"
    if notice.data_only:
        _count_badge(phone, notice)
        _take_away(phone, notice)
        return _hand_over(phone, notice, "data message")
    if phone.app_state == "foreground" and not notice.show_in_foreground:
        return _hand_over(phone, notice, "the app is in the foreground")
    if not phone.notifications_enabled:
        return PhoneEvent.NOT_SHOWN, "notifications are switched off for the app"
    if notice.first_wins_key is not None and notice.first_wins_key in phone.seen_keys:
        return PhoneEvent.NOT_SHOWN, "a message with the same batch key was shown before"
    channel = _channel(phone, notice)
    if channel is None:
        return PhoneEvent.NOT_SHOWN, f"the app has no notification channel {notice.channel_id!r}"
    if channel.importance == "none":
        return PhoneEvent.NOT_SHOWN, f"the notification channel {channel.id!r} is switched off"
    _show(phone, notice, channel, item_id)
    return PhoneEvent.SHOWN, ""


def _take_away(phone: Phone, notice: Notice) -> None:
    """The app does what a data message asks for that withdraws notifications: it cancels them, and sets its badge."""
    names = notice.extras.get("withdraw")
    if isinstance(names, str):  # where every value is a string
        names = json.loads(names)
        badge = notice.extras.get("badge", "")
        phone.badge = int(badge) if badge.isdigit() else phone.badge
    if isinstance(names, list):
        phone.tray = [t for t in phone.tray if not (t.notice.vendor == notice.vendor and t.notice.replace_key in names)]


def recall(phone: Phone, vendor: str, replace_key: str) -> None:
    """The vendor takes a notification back: off the phone, and out of what it keeps for it."""
    phone.tray = [t for t in phone.tray if not (t.notice.vendor == vendor and t.notice.replace_key == replace_key)]
    phone.stored = [n for n in phone.stored if not (n.vendor == vendor and n.replace_key == replace_key)]


def _hand_over(phone: Phone, notice: Notice, reason: str) -> tuple[PhoneEvent, str]:
    phone.app_messages.append(
        {
            "vendor_message_id": notice.message_id,
            "title": notice.title,
            "body": notice.body,
            "extras": notice.extras,
            "received_at": notice.received_at_ms,
        }
    )
    return PhoneEvent.HANDED_TO_APP, reason


def _channel(phone: Phone, notice: Notice) -> PhoneChannel | None:
    if notice.channel_id and notice.channel_id in phone.channels:
        return phone.channels[notice.channel_id]
    if notice.channel_id and notice.create_channel:
        return _create(phone, notice.channel_id, notice.sound)
    if notice.fallback_channel is None:
        return None
    sound = notice.sound if notice.fallback_takes_sound else "default"
    return phone.channels.get(notice.fallback_channel) or _create(phone, notice.fallback_channel, sound)


def _create(phone: Phone, channel_id: str, sound: str | None) -> PhoneChannel:
    channel = PhoneChannel(channel_id, sound=existing_sound(phone, sound), created_by="message")
    phone.channels[channel_id] = channel
    return channel


def existing_sound(phone: Phone, sound: str | None) -> str | None:
    """A sound that the app does not bring along is the system tone."""
    if sound is None or sound == "default" or sound in phone.sounds:
        return sound
    return "default"


def _show(phone: Phone, notice: Notice, channel: PhoneChannel, item_id: int) -> None:
    if notice.first_wins_key is not None:
        phone.seen_keys[notice.first_wins_key] = None
        while len(phone.seen_keys) > MAX_SEEN_KEYS:
            del phone.seen_keys[next(iter(phone.seen_keys))]
    if notice.replace_key is not None:
        phone.tray = [t for t in phone.tray if not (t.notice.vendor == notice.vendor and t.notice.replace_key == notice.replace_key)]
    _count_badge(phone, notice)
    quiet = notice.silent or channel.importance in ("min", "low")
    sound = None if quiet else _sound_of(phone, notice, channel)
    phone.tray.append(TrayItem(item_id, notice, channel.id, sound, phone.badge, notice.received_at_ms))
    del phone.tray[:-MAX_TRAY]


def _sound_of(phone: Phone, notice: Notice, channel: PhoneChannel) -> str | None:
    """Since Android 8 the channel's tone wins; Apple phones have no channels and play the message's."""
    if phone.manifest is None:
        return existing_sound(phone, notice.sound)
    return channel.sound


def _count_badge(phone: Phone, notice: Notice) -> None:
    if notice.badge is not None:
        phone.badge = notice.badge
    elif notice.badge_add is not None:
        phone.badge += notice.badge_add
