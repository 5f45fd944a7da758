"""The request tables of Huawei Push Kit v1/v2 (vendor sheet, section 3): every field, its type and its limits."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from decimal import Decimal
from typing import Any, Final

PARAMETER: Final = "80100001"
STRUCTURE: Final = "80100003"
TTL_OVER: Final = "80100004"
BAD_COLLAPSE_KEY: Final = "80100013"
TOO_LONG: Final = "80300008"
TOKEN_COUNT: Final = "80300010"
NO_HIGH_RIGHT: Final = "80300011"

MAX_TOKENS = 1000
MAX_BODY_BYTES = 4096
MAX_TTL_SECONDS = 1_296_000

Check = Callable[[str, Any], None]


class Refused(Exception):
    """The request is refused with a business code and a detail."""

    def __init__(self, code: str, detail: str) -> None:
        super().__init__(detail)
        self.code, self.detail = code, detail


def _text(path: str, value: Any) -> None:
    if not isinstance(value, str):
        raise Refused(STRUCTURE, f"{path} must be a string")


def _boolean(path: str, value: Any) -> None:
    if not isinstance(value, bool):
        raise Refused(STRUCTURE, f"{path} must be a boolean")


def _integer(low: int, high: int, code: str = PARAMETER) -> Check:
    def check(path: str, value: Any) -> None:
        if not isinstance(value, int) or isinstance(value, bool):
            raise Refused(STRUCTURE, f"{path} must be an integer")
        if not low <= value <= high:
            raise Refused(code, f"{path} must be from {low} to {high}")

    return check


def _number(path: str, value: Any) -> None:
    if not isinstance(value, int | float) or isinstance(value, bool) or not 0 <= value <= 1:
        raise Refused(PARAMETER, f"{path} must be a number from 0 to 1")


def _up_to(limit: int) -> Check:
    def check(path: str, value: Any) -> None:
        _text(path, value)
        if len(value) > limit:
            raise Refused(PARAMETER, f"{path} is longer than {limit}")

    return check


def _one_of(*choices: str) -> Check:
    def check(path: str, value: Any) -> None:
        _text(path, value)
        if value not in choices:
            raise Refused(PARAMETER, f"{path} must be one of {', '.join(choices)}")

    return check


def _matching(pattern: str, words: str) -> Check:
    expression = re.compile(pattern)

    def check(path: str, value: Any) -> None:
        _text(path, value)
        if expression.fullmatch(value) is None:
            raise Refused(PARAMETER, f"{path} must be {words}")

    return check


def _list(item: Check, limit: int) -> Check:
    def check(path: str, value: Any) -> None:
        if not isinstance(value, list):
            raise Refused(STRUCTURE, f"{path} must be an array")
        if len(value) > limit:
            raise Refused(PARAMETER, f"{path} has more than {limit} entries")
        for number, entry in enumerate(value):
            item(f"{path}[{number}]", entry)

    return check


def _object(fields: dict[str, Check] | None, required: tuple[str, ...] = ()) -> Check:
    """An object with exactly known fields; None allows any. A null counts as absent."""

    def check(path: str, value: Any) -> None:
        if not isinstance(value, dict):
            raise Refused(STRUCTURE, f"{path} must be an object")
        if fields is None:
            return
        for name, entry in value.items():
            if name not in fields:
                raise Refused(STRUCTURE, f"{path}.{name} is not a known field")
            if entry is not None:
                fields[name](f"{path}.{name}", entry)
        for name in required:
            if value.get(name) is None:
                raise Refused(PARAMETER, f"{path}.{name} is required")

    return check


def _ttl(path: str, value: Any) -> None:
    _text(path, value)
    if re.fullmatch(r"\d{1,10}(\.\d{1,9})?[sS]?", value) is None:
        raise Refused(PARAMETER, f"{path} must be seconds, as in 86400s")
    seconds = Decimal(value.rstrip("sS"))
    if seconds <= 0:
        raise Refused(TTL_OVER, f"{path}: the message has expired")
    if seconds > MAX_TTL_SECONDS:
        raise Refused(PARAMETER, f"{path} is over {MAX_TTL_SECONDS} seconds")


def ttl_ms(value: str | None) -> int:
    """Milliseconds of a checked ttl; the default is a day."""
    return 86_400_000 if value is None else int(Decimal(value.rstrip("sS")) * 1000)


def _vibrate(path: str, value: Any) -> None:
    _matching(r"\d+(\.\d+)?[sS]", "seconds, as in 1.5S")(path, value)
    if not 0 < Decimal(value.rstrip("sS")) <= 60:
        raise Refused(PARAMETER, f"{path} must be above 0 and up to 60 seconds")


def _click_action(path: str, value: Any) -> None:
    fields: dict[str, Check] = {"type": _integer(1, 4), "intent": _text, "action": _text, "url": _text, "rich_resource": _text}
    _object(fields, ("type",))(path, value)
    kind = value["type"]
    if kind == 1 and not value.get("intent") and not value.get("action"):
        raise Refused(PARAMETER, f"{path}: type 1 needs intent or action")
    if kind == 1 and value.get("intent"):
        _intent(f"{path}.intent", value["intent"])
    if kind == 2 and not str(value.get("url") or "").startswith("https://"):
        raise Refused(PARAMETER, f"{path}.url must be an https address")
    if kind == 4 and not value.get("rich_resource"):
        raise Refused(PARAMETER, f"{path}: type 4 needs rich_resource")


def _intent(path: str, value: str) -> None:
    """Huawei checks the form of the text; whether an activity takes it shows on the phone."""
    head, marker, tail = value.partition("#Intent;")
    if not marker or not (head == "" or head.startswith("intent:")) or not tail.rstrip(";").endswith("end"):
        raise Refused(PARAMETER, f"{path} must be an intent URI: intent://host/path#Intent;…;end")


_COLOR: Final = _matching(r"#[0-9A-Fa-f]{6}", "a colour, as in #RRGGBB")
_HTTPS: Final = _matching(r"https://\S+", "an https address")
_RAW: Final = _matching(r"/raw/[A-Za-z0-9_.]+", "a resource, as in /raw/name")
_RFC3339: Final = _matching(r"\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}(\.\d{1,9})?(Z|[+-]\d{2}:\d{2})", "a time, as in 2026-01-31T08:00:00.000Z")
_LIGHT: Final = _object(
    {
        "color": _object({"alpha": _number, "red": _number, "green": _number, "blue": _number}),
        "light_on_duration": _text,
        "light_off_duration": _text,
    },
    ("color", "light_on_duration", "light_off_duration"),
)
_BUTTON: Final = _object(
    {"name": _up_to(40), "action_type": _integer(0, 4), "intent_type": _integer(0, 1), "intent": _text, "data": _up_to(1024)},
    ("name", "action_type"),
)
_NOTIFICATION_FIELDS: Final[dict[str, Check]] = {
    "title": _text,
    "body": _text,
    "click_action": _click_action,
    "image": _HTTPS,
    "icon": _text,
    "color": _COLOR,
    "sound": _RAW,
    "default_sound": _boolean,
    "channel_id": _text,
    "importance": _one_of("LOW", "NORMAL", "HIGH"),
    "notify_id": _integer(-1, 2**31 - 1),
    "tag": _text,
    "group": _text,
    "badge": _object({"class": _text, "add_num": _integer(1, 99), "set_num": _integer(0, 99)}),
    "style": _integer(0, 3),
    "big_title": _text,
    "big_body": _text,
    "inbox_content": _list(_up_to(1024), 5),
    "buttons": _list(_BUTTON, 3),
    "notify_summary": _text,
    "ticker": _text,
    "when": _RFC3339,
    "use_default_vibrate": _boolean,
    "use_default_light": _boolean,
    "vibrate_config": _list(_vibrate, 10),
    "light_settings": _LIGHT,
    "visibility": _one_of("VISIBILITY_UNSPECIFIED", "PUBLIC", "SECRET", "PRIVATE"),
    "foreground_show": _boolean,
    "profile_id": _up_to(64),
    "title_loc_key": _text,
    "title_loc_args": _list(_text, 100),
    "body_loc_key": _text,
    "body_loc_args": _list(_text, 100),
    "multi_lang_key": _object(None),
    "auto_clear": _integer(1, 2**31 - 1),
    "auto_cancel": _boolean,
    "local_only": _boolean,
}
_ANDROID_FIELDS: Final[dict[str, Check]] = {
    "category": _matching(r"[A-Z_]{1,64}", "upper case letters"),
    "ttl": _ttl,
    "collapse_key": _integer(-1, 100, BAD_COLLAPSE_KEY),
    "urgency": _one_of("HIGH", "NORMAL"),
    "bi_tag": _text,
    "receipt_id": _text,
    "target_user_type": _integer(0, 1),
    "data": _text,
    "fast_app_target": _integer(1, 2),
    "notification": _object(_NOTIFICATION_FIELDS, ("click_action",)),
}
_MESSAGE: Final = _object(
    {
        "token": _list(_text, MAX_TOKENS),
        "topic": _text,
        "condition": _text,
        "data": _text,
        "notification": _object({"title": _text, "body": _text, "image": _HTTPS}),
        "android": _object(_ANDROID_FIELDS),
        "apns": _object(None),
        "webpush": _object(None),
    }
)
_TOP: Final = _object({"validate_only": _boolean, "message": _MESSAGE, "review": _list(_object(None), 100)}, ("message",))


def read_body(raw: bytes) -> dict[str, Any]:
    """The checked request. Raises Refused with the code that the sheet's table gives."""
    try:
        body = json.loads(raw)
    except (ValueError, RecursionError):
        raise Refused(STRUCTURE, "the body is not JSON") from None
    if not isinstance(body, dict):
        raise Refused(STRUCTURE, "the body is not a JSON object")
    message = body.get("message")
    _count_targets(message if isinstance(message, dict) else {})
    _TOP("request", body)
    assert isinstance(message, dict)
    _check_payload(message)
    _check_size(raw, message)
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
        _check_data(data)


def _check_style(shown: dict[str, Any]) -> None:
    style = shown.get("style") or 0
    if style == 1 and not (shown.get("big_title") and shown.get("big_body")):
        raise Refused(PARAMETER, "style 1 needs big_title and big_body")
    if style == 2:
        raise Refused(PARAMETER, "style must be 0, 1 or 3")
    if style == 3 and not shown.get("inbox_content"):
        raise Refused(PARAMETER, "style 3 needs inbox_content")


def _check_data(data: str) -> None:
    try:
        json.loads(data)
    except (ValueError, RecursionError):
        raise Refused(PARAMETER, "data of a notification message must be a JSON string") from None


def _check_size(raw: bytes, message: dict[str, Any]) -> None:
    """4096 bytes without the tokens, their quotes and commas."""
    tokens = message.get("token") or []
    size = len(raw) - sum(len(t.encode("utf-8", "surrogatepass")) + 3 for t in tokens)
    if size > MAX_BODY_BYTES:
        raise Refused(TOO_LONG, f"the message body is {size} bytes; {MAX_BODY_BYTES} are allowed")
