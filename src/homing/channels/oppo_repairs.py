"""A message that OPPO refused for its class, changed as the vendor sheet advises (section 5, code 67)."""

from __future__ import annotations

from typing import Any, Final
from urllib.parse import parse_qs, urlencode

import msgspec

_STRONG: Final = 16
_LOCK_SCREEN: Final = 2


def quieter(body: bytes) -> bytes:
    """The form with a lower ``notify_level``; then, for an app that is still under the old rule, without category and level.

    b"" where there is nothing left to take away.
    """
    form = {name: values[0] for name, values in parse_qs(body.decode()).items()}
    field = "message" if "message" in form else "messages"
    found = msgspec.json.decode(form[field])
    changed = False
    for message in found if isinstance(found, list) else [found]:
        changed = _quieter(message["notification"]) or changed
    return urlencode(form | {field: msgspec.json.encode(found).decode()}).encode() if changed else b""


def _quieter(notification: dict[str, Any]) -> bool:
    if notification.get("notify_level") == _STRONG:
        notification["notify_level"] = _LOCK_SCREEN
        return True
    level, category = notification.pop("notify_level", None), notification.pop("category", None)
    return level is not None or category is not None
