"""The request tables of Push Kit v3 (vendor sheet huawei, section 5): every field, its type and its limits."""

from __future__ import annotations

from typing import Any, Final

from ..json_fields import Check, boolean, integer, mapping, one_of, text
from .push_kit import (
    EXPIRED,
    MAX_TOKENS,
    MAX_TTL_SECONDS,
    PARAMETER,
    STRUCTURE,
    TOKEN_COUNT,
    Refused,
    check,
    check_size,
    collapse_key,
    decoded,
)

TEST_TOKEN_COUNT: Final = "80300030"
RECALL_REFUSED: Final = "80300032"
MAX_TEST_TOKENS = 10
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


def _ttl(path: str, value: Any) -> None:
    if isinstance(value, int) and not isinstance(value, bool) and value <= 0:
        raise Refused(EXPIRED, f"{path}: the message has expired")
    integer(1, MAX_TTL_SECONDS)(path, value)


def _bi_tag(path: str, value: Any) -> None:
    text()(path, value)
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


def _click(path: str, value: Any) -> None:
    fields: dict[str, Check] = {"actionType": integer(0, 1), "action": text(), "uri": text(), "data": mapping(None)}
    mapping(fields, ("actionType",))(path, value)
    if value["actionType"] == 1 and not value.get("action") and not value.get("uri"):
        raise Refused(PARAMETER, f"{path}: actionType 1 needs action or uri")


_NOTIFICATION: Final[dict[str, Check]] = {
    "category": one_of(*CATEGORIES),
    "title": text(),
    "body": text(),
    "clickAction": _click,
    "image": text(pattern=r"https://\S+", words="an https address"),
    "style": integer(0, 3),
    "bigTitle": text(),
    "bigBody": text(),
    "inboxContent": _lines,
    "notifyId": integer(-1, 2**31 - 1),
    "appMessageId": text(pattern=r"[A-Za-z0-9+/=_\- ]{1,64}", words="1 to 64 of letters, digits and + / = _ - or blank"),
    "profileId": text(limit=64),
    "badge": mapping({"addNum": integer(1, 99), "setNum": integer(0, 99)}),
    "sound": text(pattern=r"[^/\\]+\.[A-Za-z0-9]+", words="a file of resources/rawfile, as in alert.mp3"),
    "soundDuration": integer(1, 60),
    "foregroundShow": boolean,
}
_OPTIONS: Final[dict[str, Check]] = {
    "testMessage": boolean,
    "ttl": _ttl,
    "biTag": _bi_tag,
    "receiptId": text(),
    "collapseKey": collapse_key,
    "backgroundMode": integer(0, 1),
}
_TOP: Final = mapping(
    {
        "payload": mapping({"notification": mapping(_NOTIFICATION, ("category", "title", "body", "clickAction"))}, ("notification",)),
        "target": mapping({"token": _tokens}, ("token",)),
        "pushOptions": mapping(_OPTIONS),
    },
    ("payload", "target"),
)


_RECALL: Final = mapping({"notifyId": integer(0, 2**31 - 1), "token": _tokens}, ("notifyId", "token"))


def read_body(raw: bytes) -> dict[str, Any]:
    """The checked request of push-type 0. Raises Refused with the code that the sheet's table gives."""
    body = decoded(raw)
    _count_tokens(body)
    check(_TOP, body)
    _check_notification(body["payload"]["notification"])
    check_size(raw, body["target"]["token"])
    return body


def read_recall(raw: bytes) -> dict[str, Any]:
    """The checked request of a recall. Raises Refused."""
    body = decoded(raw)
    if "notifyId" not in body or "token" not in body:
        raise Refused(RECALL_REFUSED, "No permission to revoke messages.")
    check(_RECALL, body)
    if not 1 <= len(body["token"]) <= MAX_TOKENS:
        raise Refused(TOKEN_COUNT, f"token count should within 1 and {MAX_TOKENS}.")
    check_size(raw, body["token"])
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
    for name in ("title", "body"):
        if not shown[name]:
            raise Refused(PARAMETER, f"payload.notification.{name} is required")
    style = shown.get("style") or 0
    if style == 1 and not (shown.get("bigTitle") and shown.get("bigBody")):
        raise Refused(PARAMETER, "style 1 needs bigTitle and bigBody")
    if style == 2:
        raise Refused(PARAMETER, "style must be 0, 1 or 3")
    if style == 3 and not shown.get("inboxContent"):
        raise Refused(PARAMETER, "style 3 needs inboxContent")
    if shown.get("soundDuration") is not None and not shown.get("sound"):
        raise Refused(PARAMETER, "soundDuration needs sound")
