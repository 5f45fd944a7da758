"""The request tables of Huawei Push Kit v1/v2 (vendor sheet, section 3): every field, its type and its limits."""

from __future__ import annotations

import re
from decimal import Decimal
from typing import Any, Final

from ..json_fields import Check, array, boolean, integer, mapping, one_of, text
from .push_kit import (
    EXPIRED,
    MAX_TOKENS,
    MAX_TTL_SECONDS,
    PARAMETER,
    STRUCTURE,
    TOKEN_COUNT,
    Refused,
    check,
    check_data,
    check_intent,
    check_size,
    collapse_key,
    decoded,
)

NO_HIGH_RIGHT: Final = "80300011"


def _number(path: str, value: Any) -> None:
    if not isinstance(value, int | float) or isinstance(value, bool) or not 0 <= value <= 1:
        raise Refused(PARAMETER, f"{path} must be a number from 0 to 1")


def _ttl(path: str, value: Any) -> None:
    text()(path, value)
    if re.fullmatch(r"\d{1,10}(\.\d{1,9})?[sS]?", value) is None:
        raise Refused(PARAMETER, f"{path} must be seconds, as in 86400s")
    seconds = Decimal(value.rstrip("sS"))
    if seconds <= 0:
        raise Refused(EXPIRED, f"{path}: the message has expired")
    if seconds > MAX_TTL_SECONDS:
        raise Refused(PARAMETER, f"{path} is over {MAX_TTL_SECONDS} seconds")


def ttl_ms(value: str | None) -> int:
    """Milliseconds of a checked ttl; the default is a day."""
    return 86_400_000 if value is None else int(Decimal(value.rstrip("sS")) * 1000)


def _vibrate(path: str, value: Any) -> None:
    text(pattern=r"\d+(\.\d+)?[sS]", words="seconds, as in 1.5S")(path, value)
    if not 0 < Decimal(value.rstrip("sS")) <= 60:
        raise Refused(PARAMETER, f"{path} must be above 0 and up to 60 seconds")


def _click_action(path: str, value: Any) -> None:
    fields: dict[str, Check] = {"type": integer(1, 4), "intent": text(), "action": text(), "url": text(), "rich_resource": text()}
    mapping(fields, ("type",))(path, value)
    kind = value["type"]
    if kind == 1 and not value.get("intent") and not value.get("action"):
        raise Refused(PARAMETER, f"{path}: type 1 needs intent or action")
    if kind == 1 and value.get("intent"):
        check_intent(f"{path}.intent", value["intent"])
    if kind == 2 and not str(value.get("url") or "").startswith("https://"):
        raise Refused(PARAMETER, f"{path}.url must be an https address")
    if kind == 4 and not value.get("rich_resource"):
        raise Refused(PARAMETER, f"{path}: type 4 needs rich_resource")


_COLOR: Final = text(pattern=r"#[0-9A-Fa-f]{6}", words="a colour, as in #RRGGBB")
_HTTPS: Final = text(pattern=r"https://\S+", words="an https address")
_RAW: Final = text(pattern=r"/raw/[A-Za-z0-9_.]+", words="a resource, as in /raw/name")
_RFC3339: Final = text(
    pattern=r"\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}(\.\d{1,9})?(Z|[+-]\d{2}:\d{2})", words="a time, as in 2026-01-31T08:00:00.000Z"
)
_LIGHT: Final = mapping(
    {
        "color": mapping({"alpha": _number, "red": _number, "green": _number, "blue": _number}),
        "light_on_duration": text(),
        "light_off_duration": text(),
    },
    ("color", "light_on_duration", "light_off_duration"),
)
_BUTTON: Final = mapping(
    {"name": text(limit=40), "action_type": integer(0, 4), "intent_type": integer(0, 1), "intent": text(), "data": text(limit=1024)},
    ("name", "action_type"),
)
_NOTIFICATION_FIELDS: Final[dict[str, Check]] = {
    "title": text(),
    "body": text(),
    "click_action": _click_action,
    "image": _HTTPS,
    "icon": text(),
    "color": _COLOR,
    "sound": _RAW,
    "default_sound": boolean,
    "channel_id": text(),
    "importance": one_of("LOW", "NORMAL", "HIGH"),
    "notify_id": integer(-1, 2**31 - 1),
    "tag": text(),
    "group": text(),
    "badge": mapping({"class": text(), "add_num": integer(1, 99), "set_num": integer(0, 99)}),
    "style": integer(0, 3),
    "big_title": text(),
    "big_body": text(),
    "inbox_content": array(text(limit=1024), 5),
    "buttons": array(_BUTTON, 3),
    "notify_summary": text(),
    "ticker": text(),
    "when": _RFC3339,
    "use_default_vibrate": boolean,
    "use_default_light": boolean,
    "vibrate_config": array(_vibrate, 10),
    "light_settings": _LIGHT,
    "visibility": one_of("VISIBILITY_UNSPECIFIED", "PUBLIC", "SECRET", "PRIVATE"),
    "foreground_show": boolean,
    "profile_id": text(limit=64),
    "title_loc_key": text(),
    "title_loc_args": array(text(), 100),
    "body_loc_key": text(),
    "body_loc_args": array(text(), 100),
    "multi_lang_key": mapping(None),
    "auto_clear": integer(1, 2**31 - 1),
    "auto_cancel": boolean,
    "local_only": boolean,
}
_ANDROID_FIELDS: Final[dict[str, Check]] = {
    "category": text(pattern=r"[A-Z_]{1,64}", words="upper case letters"),
    "ttl": _ttl,
    "collapse_key": collapse_key,
    "urgency": one_of("HIGH", "NORMAL"),
    "bi_tag": text(),
    "receipt_id": text(),
    "target_user_type": integer(0, 1),
    "data": text(),
    "fast_app_target": integer(1, 2),
    "notification": mapping(_NOTIFICATION_FIELDS, ("click_action",)),
}
_MESSAGE: Final = mapping(
    {
        "token": array(text(), MAX_TOKENS),
        "topic": text(),
        "condition": text(),
        "data": text(),
        "notification": mapping({"title": text(), "body": text(), "image": _HTTPS}),
        "android": mapping(_ANDROID_FIELDS),
        "apns": mapping(None),
        "webpush": mapping(None),
    }
)
_TOP: Final = mapping({"validate_only": boolean, "message": _MESSAGE, "review": array(mapping(None), 100)}, ("message",))


def read_body(raw: bytes) -> dict[str, Any]:
    """The checked request. Raises Refused with the code that the sheet's table gives."""
    body = decoded(raw)
    message = body.get("message")
    _count_targets(message if isinstance(message, dict) else {})
    check(_TOP, body)
    assert isinstance(message, dict)
    _check_payload(message)
    check_size(raw, message.get("token") or [])
    return body


def _count_targets(message: dict[str, Any]) -> None:
    """A misspelt ``message`` or a token in the wrong place looks like an empty token list (vendor sheet, trap 8)."""
    kinds = [k for k in ("token", "topic", "condition") if message.get(k)]
    if not kinds:
        raise Refused(TOKEN_COUNT, "the number of tokens must be from 1 to 1000")
    if len(kinds) > 1:
        raise Refused(STRUCTURE, f"message has {' and '.join(kinds)}; exactly one target is allowed")
    tokens = message.get("token")
    if isinstance(tokens, list) and len(tokens) > MAX_TOKENS:
        raise Refused(TOKEN_COUNT, "the number of tokens must be from 1 to 1000")


def _check_payload(message: dict[str, Any]) -> None:
    android = message.get("android") or {}
    shown = android.get("notification")
    general = message.get("notification") or {}
    if shown is None and general:
        raise Refused(PARAMETER, "message.android.notification.click_action is required")
    if shown is None:
        if not (android.get("data") or message.get("data")):
            raise Refused(PARAMETER, "message has neither a notification nor data")
        if android.get("urgency") == "HIGH":
            raise Refused(NO_HIGH_RIGHT, "no right to send data messages with urgency HIGH")
        return
    for name in ("title", "body"):
        if not (shown.get(name) or general.get(name)):
            raise Refused(PARAMETER, f"message.android.notification.{name} is required")
    _check_style(shown)
    if shown.get("importance") == "HIGH":
        raise Refused(NO_HIGH_RIGHT, "no right to send notifications of importance HIGH")
    data = android.get("data") or message.get("data")
    if data is not None:
        check_data(data)


def _check_style(shown: dict[str, Any]) -> None:
    style = shown.get("style") or 0
    if style == 1 and not (shown.get("big_title") and shown.get("big_body")):
        raise Refused(PARAMETER, "style 1 needs big_title and big_body")
    if style == 2:
        raise Refused(PARAMETER, "style must be 0, 1 or 3")
    if style == 3 and not shown.get("inbox_content"):
        raise Refused(PARAMETER, "style 3 needs inbox_content")
