"""From an accepted FCM message to what the phone gets: collapsing, channel, tap, extras (vendor sheet fcm, sections 3, 5, 6)."""

from __future__ import annotations

from decimal import Decimal
from typing import Any, Final

from ..base import Notice, StoreRule, TapKind
from ..phones import Phone

FALLBACK_CHANNEL: Final = "fcm_fallback_notification_channel"
_DEFAULT_CHANNEL_KEY: Final = "com.google.firebase.messaging.default_notification_channel_id"
_DEFAULT_TTL_SECONDS: Final = 2_419_200
_STORED_MESSAGES: Final = 100
MAX_COLLAPSE_KEYS: Final = 4


def notice_for(phone: Phone, message: dict[str, Any], message_id: str, sender: str, now_ms: int) -> Notice:
    """What this message is on this phone."""
    android = message.get("android", message.get("android_v2", {}))
    shown = _shown(message, android)
    data: dict[str, str] = android.get("data", message.get("data", {}))
    ttl_seconds = int(android.get("ttl", Decimal(_DEFAULT_TTL_SECONDS)))  # a fraction is rounded down
    notice = Notice("fcm", message_id, phone.package, ttl_ms=ttl_seconds * 1000, store=_store_rule(phone, message, android, bool(shown)))
    if not shown or android.get("remote_notification", {}).get("mutable_content"):
        notice.data_only = True
        notice.extras = dict(data)
        notice.title, notice.body = shown.get("title", ""), shown.get("body", "")
        return notice
    notice.extras = data | _system_extras(message_id, sender, android.get("collapse_key", phone.package), ttl_seconds, now_ms)
    _fill(notice, phone, shown)
    return notice


def _shown(message: dict[str, Any], android: dict[str, Any]) -> dict[str, Any]:
    """The notification's fields: Android's own win over the common ones. Empty: a data message."""
    remote: dict[str, Any] = android.get("remote_notification", {})
    if remote.get("use_as_v1_data_message"):
        return {}
    own: dict[str, Any] = android.get("notification") or remote.get("notification", {})
    return {**message.get("notification", {}), **own}


def _store_rule(phone: Phone, message: dict[str, Any], android: dict[str, Any], is_shown: bool) -> StoreRule:
    """v1 notification messages always collapse, whatever their key; data messages and v2 only with a key (section 5)."""
    group = android.get("collapse_key")
    if is_shown and "android_v2" not in message:
        group = f"notification:{phone.package}"
    urgent = "remote_notification" in android or android.get("priority") == "HIGH"
    return StoreRule(group=group, cap=_STORED_MESSAGES, overflow_drops_all=True, high_priority=urgent)


def _fill(notice: Notice, phone: Phone, shown: dict[str, Any]) -> None:
    notice.title, notice.body = shown.get("title", ""), shown.get("body", "")
    notice.image = shown.get("image", "")
    notice.channel_id = shown.get("channel_id")
    notice.fallback_channel = _fallback_channel(phone)
    notice.sound = "default" if shown.get("default_sound") else shown.get("sound")
    notice.replace_key = shown.get("tag") or None
    notice.visibility = shown.get("visibility", "PRIVATE").lower()
    notice.show_in_foreground = False  # handed to onMessageReceived
    count = shown.get("notification_count", 0)
    notice.badge, notice.badge_add = (count, None) if count > 0 else (None, 1)
    if shown.get("click_action"):
        notice.tap, notice.tap_value = TapKind.ACTION, shown["click_action"]
        notice.started_by_app = True  # the SDK in the app's own process makes the pending intent


def _fallback_channel(phone: Phone) -> str:
    """The channel named in the manifest if the app created it, else the SDK's own (section 3.3)."""
    named = phone.manifest.metadata.get(_DEFAULT_CHANNEL_KEY, "") if phone.manifest is not None else ""
    return named if named in phone.channels else FALLBACK_CHANNEL


def _system_extras(message_id: str, sender: str, collapse_key: str, ttl_seconds: int, now_ms: int) -> dict[str, str]:
    """What the SDK leaves in the launching intent beside the sender's data."""
    return {
        "from": sender,
        "google.message_id": message_id.rpartition("/")[2],
        "google.sent_time": str(now_ms),
        "google.ttl": str(ttl_seconds),
        "collapse_key": collapse_key,
    }


def surplus_collapse_group(phone: Phone, notice: Notice) -> str | None:
    """Of a sender's own collapse keys four are kept for a phone that is away: the group that must go for a fifth."""
    own = [n.store.group for n in phone.stored if n.vendor == "fcm" and n.data_only and n.store.group is not None]
    groups = list(dict.fromkeys(own))
    if not notice.data_only or notice.store.group is None or notice.store.group in groups or len(groups) < MAX_COLLAPSE_KEYS:
        return None
    return groups[0]
