"""What an OPPO PUSH message becomes on the phone: channel, loudness, tap and extras (vendor sheet, sections 3, 8 and 9)."""

from __future__ import annotations

import json
from typing import Any, Final
from urllib.parse import urlencode

from ..base import Notice, TapKind
from ..phones import Phone
from .oppo_rules import LONG_TEXT, MAX_TTL_SECONDS, SHADE, STRONG, OppoMessage

SERVICE_CHANNEL: Final = "push_oplus_category_service"
CONTENT_CHANNEL: Final = "push_oplus_category_content"
DEFAULT_TTL_SECONDS: Final = 3600
SHOWN_OF_STANDARD: Final = 50  # characters of style 1 that fit on the screen


def make_notice(message: OppoMessage, phone: Phone, message_id: str) -> Notice | None:
    """What the phone gets out of a checked message; None where the client loses it: parameters that are not a JSON object."""
    parameters = _parameters(message.text("action_parameters"))
    if parameters is None:
        return None
    fields = message.fields
    kind, value = _tap(message, parameters)
    channel, is_systems = _channel(message)
    once = message.text("app_message_id")
    ttl_seconds = min(fields.get("off_line_ttl", DEFAULT_TTL_SECONDS), MAX_TTL_SECONDS)
    content = message.text("content")
    return Notice(
        vendor="oppo",
        message_id=message_id,
        package=phone.package,
        title=message.text("title"),
        body=content if fields.get("style") == LONG_TEXT else content[:SHOWN_OF_STANDARD],
        tap=kind,
        tap_value=value,
        extras=parameters if kind in (TapKind.LAUNCHER, TapKind.ACTIVITY, TapKind.ACTION) else {},
        channel_id=channel,
        fallback_channel="default" if _before_channels(phone) else None,
        create_channel=is_systems,
        silent=bool(message.text("category")) and message.level != STRONG,
        badge=fields.get("badge_message_count") if fields.get("badge_operation_type") == 0 else None,
        badge_add=fields.get("badge_message_count") if fields.get("badge_operation_type") == 1 else None,
        replace_key=f"id:{fields['notify_id']}" if "notify_id" in fields else None,
        first_wins_key=f"oppo:{once}" if once else None,
        visibility="secret" if message.level == SHADE else "private",
        ttl_ms=ttl_seconds * 1000 if fields.get("off_line", True) else 0,
    )


def _parameters(text: str) -> dict[str, str] | None:
    """Top-level keys of the object, which become extras; objects, arrays and numbers arrive as their JSON text."""
    if not text:
        return {}
    try:
        found: Any = json.loads(text)
    except (ValueError, RecursionError):
        return None
    if not isinstance(found, dict):
        return None
    return {k: v if isinstance(v, str) else json.dumps(v, ensure_ascii=False, separators=(",", ":")) for k, v in found.items()}


def _tap(message: OppoMessage, parameters: dict[str, str]) -> tuple[TapKind, str]:
    kind = message.fields.get("click_action_type", 0)
    if kind == 1:
        return TapKind.ACTION, message.text("click_action_activity")
    if kind == 4:
        return TapKind.ACTIVITY, message.text("click_action_activity")
    if kind in (2, 5):
        return (TapKind.WEB if kind == 2 else TapKind.INTENT_URI), _with_query(message.text("click_action_url"), parameters)
    return TapKind.LAUNCHER, ""


def _with_query(url: str, parameters: dict[str, str]) -> str:
    """Parameters of a URL become its query."""
    if not parameters:
        return url
    head, hash_, tail = url.partition("#")
    return f"{head}{'&' if '?' in head else '?'}{urlencode(parameters)}{hash_}{tail}"


def _channel(message: OppoMessage) -> tuple[str | None, bool]:
    """The app's channel, or under the new rule one that the system makes."""
    channel = message.text("channel_id")
    if message.text("category") and channel in ("", SERVICE_CHANNEL, CONTENT_CHANNEL):
        return (SERVICE_CHANNEL if message.private else CONTENT_CHANNEL), True
    return channel or None, False


def _before_channels(phone: Phone) -> bool:
    """Android 7 and earlier have no channels."""
    major = phone.os_version.partition(".")[0]
    return major.isdecimal() and int(major) < 8
