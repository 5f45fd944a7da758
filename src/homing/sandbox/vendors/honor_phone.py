"""What an Honor message becomes on the phone: the notification, its tap, its badge and what the opened page finds."""

from __future__ import annotations

import json
from typing import Any

from ..base import Notice, StoreRule, TapKind
from ..phones import Phone
from .honor_schema import ttl_ms

OFFLINE_CAP = 120  # the vendor names no figure


def is_shown(body: dict[str, Any]) -> bool:
    """Whether the message is a notification, not a data message."""
    return (body.get("android") or {}).get("notification") is not None


def importance(body: dict[str, Any]) -> str:
    """The class that the sender asks for; what is not declared is marketing."""
    return ((body.get("android") or {}).get("notification") or {}).get("importance") or "LOW"


def make_notice(body: dict[str, Any], phone: Phone, request_id: str, *, quiet: bool) -> Notice:
    """What the phone gets out of a checked request. There is no sound and no channel on the wire."""
    android, general = body.get("android") or {}, body.get("notification") or {}
    shown = android.get("notification") or {}
    kind, value = _tap(shown.get("clickAction") or {})
    set_num, add_num = _badge(phone, shown.get("badge") or {})
    data_only = not is_shown(body)
    return Notice(
        vendor="honor",
        message_id=request_id,
        package=phone.package,
        title=shown.get("title") or general.get("title") or "",
        body=shown.get("body") or general.get("body") or "",
        tap=kind,
        tap_value=value,
        extras=_extras(android.get("data") or body.get("data") or "", data_only=data_only),
        data_only=data_only,
        sound="default",
        silent=quiet,
        badge=set_num,
        badge_add=add_num,
        image=shown.get("image") or general.get("image") or "",
        replace_key=_replace_key(shown),
        group=shown.get("group") or "",
        ttl_ms=ttl_ms(android.get("ttl")),
        store=StoreRule(cap=OFFLINE_CAP),
    )


def _replace_key(shown: dict[str, Any]) -> str | None:
    if shown.get("tag"):
        return f"tag:{shown['tag']}"
    number = shown.get("notifyId")
    return f"id:{number}" if number is not None and number >= 0 else None


def _tap(click: dict[str, Any]) -> tuple[TapKind, str]:
    kind = click.get("type")
    if kind == 1 and click.get("intent"):
        return TapKind.INTENT_URI, click["intent"]
    if kind == 1:
        return TapKind.ACTION, click["action"]
    if kind == 2:
        return TapKind.WEB, click["url"]
    return TapKind.LAUNCHER, ""


def _extras(data: str, *, data_only: bool) -> dict[str, Any]:
    """Top-level keys of the data become extras of the opened page; a data message hands the text over as it is."""
    if data_only:
        return {"data": data}
    try:
        value = json.loads(data) if data else {}
    except ValueError:
        return {}
    if not isinstance(value, dict):
        return {}
    return {k: v if isinstance(v, str) else json.dumps(v, ensure_ascii=False, separators=(",", ":")) for k, v in value.items()}


def _badge(phone: Phone, badge: dict[str, Any]) -> tuple[int | None, int | None]:
    """The absolute and the added number; without the launcher's class nothing is counted."""
    if not badge.get("badgeClass") or badge["badgeClass"] != phone.launcher:
        return None, None
    if badge.get("setNum") is not None:
        return badge["setNum"], None
    return None, badge.get("addNum", 1)
