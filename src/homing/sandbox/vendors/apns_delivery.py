"""From an accepted push to what the iPhone gets: alert, badge, sound, grouping, userInfo (vendor sheet apns, sections 3.2, 5)."""

from __future__ import annotations

import json
from typing import Any, Final

from ..base import Notice, PhoneEvent, StoreRule
from ..phones import Phone
from .apns_request import Push

_MAX_STORE_SECONDS: Final = 30 * 86_400


def notice_for(phone: Phone, push: Push, body: bytes, now_ms: int) -> tuple[Notice, str]:
    """What this push is on this phone, and why it is not shown (empty when it is, or when the app gets it instead)."""
    notice = Notice("apns", push.apns_id, phone.package, ttl_ms=_ttl_ms(push, now_ms))
    # One notification per bundle id and device is kept (section 5); priority 5 and 1 wait until the phone wakes.
    notice.store = StoreRule(group=f"topic:{push.topic}", cap=1, high_priority=push.priority == 10)
    payload = _object(body)
    if payload is None:
        return notice, "the payload is not a JSON object"
    notice.extras = payload
    aps = payload.get("aps")
    if not isinstance(aps, dict):
        return notice, "the payload has no aps dictionary"
    if push.push_type == "voip":
        return _call(notice, aps), ""
    _fill(notice, push, aps, payload)
    if notice.title or notice.body:
        notice.data_only = push.push_type == "background"
        return notice, ""
    notice.data_only = True
    silent = aps.get("content-available") == 1 or notice.badge is not None
    return notice, "" if silent else "aps has no alert with a text, no badge and no content-available"


def _call(notice: Notice, aps: dict[str, Any]) -> Notice:
    """PushKit starts the app, which shows CallKit's screen: nothing of it is in the tray, and every call rings for itself."""
    notice.title, notice.body = _texts(aps.get("alert"))
    notice.data_only = True
    notice.store = StoreRule(high_priority=True)
    notice.on_event = _ring
    return notice


def _object(body: bytes) -> dict[str, Any] | None:
    try:
        value = json.loads(body)
    except (ValueError, RecursionError):
        return None
    return value if isinstance(value, dict) else None


def _ttl_ms(push: Push, now_ms: int) -> int:
    if push.expiration is None:
        return _MAX_STORE_SECONDS * 1000
    return min(max(push.expiration * 1000 - now_ms, 0), _MAX_STORE_SECONDS * 1000)


def _fill(notice: Notice, push: Push, aps: dict[str, Any], payload: dict[str, Any]) -> None:
    notice.title, notice.body = _texts(aps.get("alert"))
    notice.sound = _sound(aps.get("sound"))
    notice.silent = aps.get("interruption-level") == "passive"
    notice.group = _text(aps.get("thread-id"))
    notice.replace_key = push.collapse_id
    notice.show_in_foreground = False  # willPresent decides; the app gets it
    badge = aps.get("badge")
    if isinstance(badge, int) and not isinstance(badge, bool) and badge >= 0:
        notice.badge = badge
        if not (notice.title or notice.body):
            notice.on_event = _set_badge
    if aps.get("mutable-content") == 1 and (notice.title or notice.body):
        notice.image = _text(payload.get("image"))  # the app's service extension attaches it


def _texts(alert: Any) -> tuple[str, str]:
    """Title and body. A subtitle stands above the body; a key without its translation is shown as it is."""
    if isinstance(alert, str):
        return "", alert
    if not isinstance(alert, dict):
        return "", ""
    title = _text(alert.get("title")) or _text(alert.get("title-loc-key"))
    subtitle = _text(alert.get("subtitle")) or _text(alert.get("subtitle-loc-key"))
    body = _text(alert.get("body")) or _text(alert.get("loc-key"))
    return title, "\n".join(part for part in (subtitle, body) if part)


def _sound(sound: Any) -> str | None:
    """A file's name, or the name in a critical alert's object; without one the push makes no noise."""
    if isinstance(sound, dict):
        sound = sound.get("name", "default")
    return _text(sound) or None


def _text(value: Any) -> str:
    return value if isinstance(value, str) else ""


def _ring(event: PhoneEvent, phone: Phone, notice: Notice, _reason: str) -> None:
    if event is PhoneEvent.HANDED_TO_APP:
        phone.calls.append({"vendor_message_id": notice.message_id, "caller": notice.title, "extras": notice.extras})


def _set_badge(event: PhoneEvent, phone: Phone, notice: Notice, _reason: str) -> None:
    """A push with a badge alone changes the number on the icon and shows nothing."""
    if event is PhoneEvent.DELIVERED and notice.badge is not None:
        phone.badge = notice.badge
