"""The request tables of Push Kit v3 (vendor sheet huawei, section 5): every field, its type and its limits."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from typing import Any, Final

PARAMETER: Final = "80100001"
STRUCTURE: Final = "80100003"
TTL_OVER: Final = "80100004"
BAD_COLLAPSE_KEY: Final = "80100013"
TOO_LONG: Final = "80300008"
TOKEN_COUNT: Final = "80300010"
TEST_TOKEN_COUNT: Final = "80300030"

MAX_TOKENS = 1000
MAX_TEST_TOKENS = 10
MAX_BODY_BYTES = 4096
MAX_TTL_SECONDS = 1_296_000
CATEGORIES: Final = (
    "IM",
    "VOIP",
    "MISS_CALL",
    "SUBSCRIPTION",
    "TRAVEL",
    "HEALTH",
    "WORK",
    "ACCOUNT",
    "EXPRESS",
    "FINANCE",
    "DEVICE_REMINDER",
    "MAIL",
    "MARKETING",
)

Check = Callable[[str, Any], None]


class Refused(Exception):
    """The request is refused with a business code and a detail."""

    def __init__(self, code: str, detail: str) -> None:
        super().__init__(detail)
        self.code, self.detail = code, detail


def _text(pattern: str = "", words: str = "") -> Check:
    expression = re.compile(pattern, re.DOTALL) if pattern else None

    def check(path: str, value: Any) -> None:
        if not isinstance(value, str):
            raise Refused(STRUCTURE, f"{path} must be a string")
        if expression is not None and expression.fullmatch(value) is None:
            raise Refused(PARAMETER, f"{path} must be {words}")

    return check


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


def _category(path: str, value: Any) -> None:
    _text()(path, value)
    if value not in CATEGORIES:
        raise Refused(PARAMETER, f"{path} must be one of {', '.join(CATEGORIES)}")


def _ttl(path: str, value: Any) -> None:
    if isinstance(value, int) and not isinstance(value, bool) and value <= 0:
        raise Refused(TTL_OVER, f"{path}: the message has expired")
    _integer(1, MAX_TTL_SECONDS)(path, value)


def _bi_tag(path: str, value: Any) -> None:
    _text()(path, value)
    if len(value.encode("utf-8", "surrogatepass")) > 64:
        raise Refused(PARAMETER, f"{path} is longer than 64 bytes")


def _lines(path: str, value: Any) -> None:
    if not isinstance(value, list) or not all(isinstance(line, str) for line in value):
        raise Refused(STRUCTURE, f"{path} must be an array of strings")
    if len(value) > 3:
        raise Refused(PARAMETER, f"{path} has more than 3 lines")


def _tokens(path: str, value: Any) -> None:
    if not isinstance(value, list) or not all(isinstance(token, str) for token in value):
        raise Refused(STRUCTURE, f"{path} must be an array of strings")


def _object(fields: dict[str, Check] | None, required: tuple[str, ...] = ()) -> Check:
    """An object with exactly known fields; None allows any. A null counts as absent."""

    def check(path: str, value: Any) -> None:
        if not isinstance(value, dict):
            raise Refused(STRUCTURE, f"{path} must be an object")
        for name, entry in value.items():
            if fields is not None and name not in fields:
                raise Refused(STRUCTURE, f"{path}.{name} is not a known field")
            if fields is not None and entry is not None:
                fields[name](f"{path}.{name}", entry)
        for name in required:
            if value.get(name) in (None, ""):
                raise Refused(PARAMETER, f"{path}.{name} is required")

    return check


def _click(path: str, value: Any) -> None:
    fields: dict[str, Check] = {"actionType": _integer(0, 1), "action": _text(), "uri": _text(), "data": _object(None)}
    _object(fields, ("actionType",))(path, value)
    if value["actionType"] == 1 and not value.get("action") and not value.get("uri"):
        raise Refused(PARAMETER, f"{path}: actionType 1 needs action or uri")


_NOTIFICATION: Final[dict[str, Check]] = {
    "category": _category,
    "title": _text(),
    "body": _text(),
    "clickAction": _click,
    "image": _text(r"https://\S+", "an https address"),
    "style": _integer(0, 3),
    "bigTitle": _text(),
    "bigBody": _text(),
    "inboxContent": _lines,
    "notifyId": _integer(-1, 2**31 - 1),
    "appMessageId": _text(r"[A-Za-z0-9+/=_\- ]{1,64}", "1 to 64 of letters, digits and + / = _ - or blank"),
    "profileId": _text(r".{0,64}", "at most 64 characters"),
    "badge": _object({"addNum": _integer(1, 99), "setNum": _integer(0, 99)}),
    "sound": _text(r"[^/\\]+\.[A-Za-z0-9]+", "a file of resources/rawfile, as in alert.mp3"),
    "soundDuration": _integer(1, 60),
    "foregroundShow": _boolean,
}
_OPTIONS: Final[dict[str, Check]] = {
    "testMessage": _boolean,
    "ttl": _ttl,
    "biTag": _bi_tag,
    "receiptId": _text(),
    "collapseKey": _integer(-1, 100, BAD_COLLAPSE_KEY),
    "backgroundMode": _integer(0, 1),
}
_TOP: Final = _object(
    {
        "payload": _object({"notification": _object(_NOTIFICATION, ("category", "title", "body", "clickAction"))}, ("notification",)),
        "target": _object({"token": _tokens}, ("token",)),
        "pushOptions": _object(_OPTIONS),
    },
    ("payload", "target"),
)


def read_body(raw: bytes) -> dict[str, Any]:
    """The checked request of push-type 0. Raises Refused with the code that the sheet's table gives."""
    try:
        body = json.loads(raw)
    except (ValueError, RecursionError):
        raise Refused(STRUCTURE, "the body is not JSON") from None
    if not isinstance(body, dict):
        raise Refused(STRUCTURE, "the body is not a JSON object")
    _count_tokens(body)
    _TOP("request", body)
    _check_notification(body["payload"]["notification"])
    _check_size(raw, body["target"]["token"])
    return body


def _count_tokens(body: dict[str, Any]) -> None:
    """A misspelt ``target`` looks like an empty token list, as on v1 (vendor sheet, trap 8)."""
    target = body.get("target")
    tokens = target.get("token") if isinstance(target, dict) else None
    if not tokens or (isinstance(tokens, list) and len(tokens) > MAX_TOKENS):
        raise Refused(TOKEN_COUNT, "the number of tokens must be from 1 to 1000")
    options = body.get("pushOptions")
    is_test = isinstance(options, dict) and options.get("testMessage") is True
    if is_test and isinstance(tokens, list) and len(tokens) > MAX_TEST_TOKENS:
        raise Refused(TEST_TOKEN_COUNT, "a test message takes at most 10 tokens")


def _check_notification(shown: dict[str, Any]) -> None:
    style = shown.get("style") or 0
    if style == 1 and not (shown.get("bigTitle") and shown.get("bigBody")):
        raise Refused(PARAMETER, "style 1 needs bigTitle and bigBody")
    if style == 2:
        raise Refused(PARAMETER, "style must be 0, 1 or 3")
    if style == 3 and not shown.get("inboxContent"):
        raise Refused(PARAMETER, "style 3 needs inboxContent")
    if shown.get("soundDuration") is not None and not shown.get("sound"):
        raise Refused(PARAMETER, "soundDuration needs sound")


def _check_size(raw: bytes, tokens: list[str]) -> None:
    """4096 bytes without the tokens, their quotes and commas."""
    size = len(raw) - sum(len(t.encode("utf-8", "surrogatepass")) + 3 for t in tokens)
    if size > MAX_BODY_BYTES:
        raise Refused(TOO_LONG, f"the message body is {size} bytes; {MAX_BODY_BYTES} are allowed")
