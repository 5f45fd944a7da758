"""What a TPNS message becomes on a phone, and which way it gets there (vendor sheet, sections 3 and 9)."""

from __future__ import annotations

from typing import Any, Final

from ..base import Notice, StoreRule, TapKind
from ..phones import Phone

VIEW = "android.intent.action.VIEW"
DEFAULT_EXPIRE_SECONDS, SHORTEST_SECONDS = 86_400, 800
#: Title and content that a maker's channel takes; longer ones go on TPNS's own connection.
MAKERS: Final = {
    "xm": (50, 128),
    "hw": (40, 80),
    "mz": (32, 100),
    "oppo": (50, 128),
    "vivo": (40, 100),
    "honor": (40, 80),
    "fcm": (999, 999),
}


def way(body: dict[str, Any], phone: Phone) -> str | None:
    """``xg`` (TPNS's own connection, while the app lives), the maker's channel, or None when nothing reaches a killed app.

    ``app.vendor.maker`` of the phone says which maker's channel the console was given; null for none.
    """
    message = body["message"]
    disabled = {rule["channel"] for rule in body.get("channel_rules") or [] if rule["disable"]}
    if message.get("ios") is not None:
        return None if "apns" in disabled else "apns"
    if phone.app_state != "killed" and "xg" not in disabled and body.get("tpns_online_push_type") != 1:
        return "xg"
    maker = phone.vendor_settings.get("maker", "xm")
    if maker not in MAKERS or maker in disabled or body["message_type"] == "message":
        return None
    title, content = MAKERS[maker]
    return maker if len(message["title"]) <= title and len(message["content"]) <= content else None


def expire_ms(body: dict[str, Any]) -> int:
    """How long it is kept; short times are stretched, 0 is now or never."""
    seconds = body.get("expire_time", DEFAULT_EXPIRE_SECONDS)
    return 0 if seconds == 0 else max(seconds, SHORTEST_SECONDS) * 1000


def android_notice(body: dict[str, Any], phone: Phone, push_id: str, channel: str) -> Notice:
    """What an Android phone gets out of a checked request, by this way."""
    message = body["message"]
    android = message.get("android") or {}
    kind, value, data = _tap(android.get("action") or {})
    badge = android.get("badge_type", -1)
    own = channel == "xg"
    custom = "" if channel == "hw" else android.get("custom_content") or ""  # Huawei's channel (v5) does not deliver it
    return Notice(
        vendor="tpns",
        message_id=push_id,
        package=phone.package,
        title=message.get("title") or "",
        body=message["content"],
        tap=kind,
        tap_value=value,
        tap_data=data,
        extras={"custom_content": custom} if custom else {},
        data_only=body["message_type"] == "message",
        channel_id=android.get("n_ch_id"),
        create_channel=True,
        sound=android.get("ring_raw") or "default",
        silent=android.get("ring") == 0 or (channel in ("hw", "honor") and android.get("hw_importance") == 1),
        badge=badge if badge >= 0 else None,
        badge_add=1 if badge == -2 else None,
        image=message.get("xg_media_resources") or "",
        group=message.get("thread_id") or "",
        show_in_foreground=not own or android.get("show_type") != 1,
        ttl_ms=expire_ms(body),
        store=StoreRule(),
    )


def apple_notice(body: dict[str, Any], phone: Phone, push_id: str) -> Notice:
    """What an Apple phone gets out of a checked request."""
    message = body["message"]
    aps = message["ios"]["aps"]
    custom = message["ios"].get("custom_content") or message["ios"].get("custom") or ""
    badge, sound = aps.get("badge_type", -1), aps.get("sound")
    sound = sound.get("name") if isinstance(sound, dict) else sound
    return Notice(
        vendor="tpns",
        message_id=push_id,
        package=phone.package,
        title=message.get("title") or "",
        body=message.get("content") or "",
        extras={"custom": custom} if custom else {},
        data_only=body["message_type"] == "message",
        sound=sound or None,
        silent=not sound,
        badge=badge if badge >= 0 else None,
        badge_add=1 if badge == -2 else None,
        image=message.get("xg_media_resources") or "",
        group=message.get("thread_id") or "",
        ttl_ms=expire_ms(body),
        store=StoreRule(group="one", cap=1),  # one a device while it is away
    )


def _tap(action: dict[str, Any]) -> tuple[TapKind, str, str | None]:
    kind = action.get("action_type") or 1
    if kind == 2:
        return TapKind.WEB, action["browser"]["url"], None
    if kind == 3:
        return TapKind.ACTION, VIEW, action["intent"]
    if action.get("activity"):
        return TapKind.ACTIVITY, action["activity"], None
    return TapKind.LAUNCHER, "", None
