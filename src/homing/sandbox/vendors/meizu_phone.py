"""What a Meizu message becomes on the phone: the notification, its tap and what the opened page finds."""

from __future__ import annotations

from typing import Any

from ..base import Notice, StoreRule, TapKind
from ..phones import Phone

VIEW = "android.intent.action.VIEW"
NO_CUSTOM_CLICK_SINCE = 12  # Android; clickType 3 was withdrawn
HOUR_MS = 3_600_000


def is_public(message: dict[str, Any]) -> bool:
    """What the sender does not declare private is public."""
    return bool(message["noticeBarInfo"].get("noticeMsgType") != 1)


def make_notice(message: dict[str, Any], phone: Phone, message_id: str) -> Notice:
    """What the phone gets out of a checked message. No server can name a tone or a channel."""
    bar, click, advanced = message["noticeBarInfo"], message.get("clickTypeInfo") or {}, message.get("advanceInfo") or {}
    kind, value, data = _tap(click, phone)
    key = advanced.get("notifyKey")
    return Notice(
        vendor="meizu",
        message_id=message_id,
        package=phone.package,
        title=bar["title"],
        body=bar["content"],
        tap=kind,
        tap_value=value,
        tap_data=data,
        extras=dict(click.get("parameters") or {}),
        sound="default",
        silent=(advanced.get("notificationType") or {}).get("sound") in (0, False),
        replace_key=f"key:{key}" if key else None,
        ttl_ms=_ttl_ms(message.get("pushTimeInfo") or {}),
        store=StoreRule(),
    )


def _ttl_ms(time: dict[str, Any]) -> int:
    """Hours; 0 for a message that is not kept for a phone that is away."""
    if time.get("offLine") in (0, False):
        return 0
    return int(time.get("validTime") or 24) * HOUR_MS


def _tap(click: dict[str, Any], phone: Phone) -> tuple[TapKind, str, str | None]:
    kind = click.get("clickType") or 0
    if kind == 1:
        return TapKind.ACTIVITY, click["activity"], None
    if kind == 2 and click["url"].lower().startswith(("http://", "https://")):
        return TapKind.WEB, click["url"], None
    if kind == 2:
        return TapKind.ACTION, VIEW, click["url"]
    if kind == 3:
        version = phone.os_version.partition(".")[0]
        works = version.isdecimal() and int(version) < NO_CUSTOM_CLICK_SINCE
        return (TapKind.RECEIVER, "", None) if works else (TapKind.ACTIVITY, "", None)
    return TapKind.LAUNCHER, "", None
