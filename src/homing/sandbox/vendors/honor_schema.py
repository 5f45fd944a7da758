"""The request tables of Honor Push (vendor sheet, section 3): every field, its type and its limits."""

from __future__ import annotations

from typing import Any, Final

from ..json_fields import Check, array, integer, mapping, one_of, text
from .push_kit import (
    EXPIRED,
    MAX_TOKENS,
    MAX_TTL_SECONDS,
    PARAMETER,
    TOKEN_COUNT,
    Refused,
    check,
    check_data,
    check_intent,
    check_size,
    decoded,
)


def _click_action(path: str, value: Any) -> None:
    mapping({"type": integer(1, 3), "intent": text(), "action": text(), "url": text()}, ("type",))(path, value)
    kind = value["type"]
    if kind == 1 and not value.get("intent") and not value.get("action"):
        raise Refused(PARAMETER, f"{path}: type 1 needs intent or action")
    if kind == 1 and value.get("intent"):
        check_intent(f"{path}.intent", value["intent"])
    if kind == 2 and not str(value.get("url") or "").startswith("https://"):
        raise Refused(PARAMETER, f"{path}.url must be an https address")


def _ttl(path: str, value: Any) -> None:
    text(pattern=r"\d{1,10}s", words="seconds, as in 86400s")(path, value)
    seconds = int(value[:-1])
    if seconds <= 0:
        raise Refused(EXPIRED, f"{path}: the message has expired")
    if seconds > MAX_TTL_SECONDS:
        raise Refused(PARAMETER, f"{path} is over {MAX_TTL_SECONDS} seconds")


def ttl_ms(value: str | None) -> int:
    """Milliseconds of a checked ttl; the default is a day."""
    return 86_400_000 if value is None else int(value[:-1]) * 1000


_HTTPS: Final = text(pattern=r"(https://\S+)?", words="an https address")  # libraries send an unset one as an empty text
_WHEN: Final = text(pattern=r"\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}(\.\d{1,9})?Z", words="a time, as in 2014-10-02T15:01:23.045123456Z")
_BUTTON: Final = mapping(
    {
        "name": text(limit=40),
        "actionType": integer(0, 2),
        "intentType": integer(0, 1),
        "intent": text(),
        "data": text(limit=1024),
    },
    ("name", "actionType"),
)
_NOTIFICATION: Final[dict[str, Check]] = {
    "title": text(),
    "body": text(),
    "clickAction": _click_action,
    "importance": one_of("NORMAL", "LOW"),
    "image": _HTTPS,
    "style": integer(0, 1),
    "bigTitle": text(),
    "bigBody": text(),
    "when": _WHEN,
    "buttons": array(_BUTTON, 3),
    "badge": mapping({"badgeClass": text(), "addNum": integer(0, 99), "setNum": integer(0, 99)}),
    "notifyId": integer(-1, 2**31 - 1),
    "tag": text(),
    "group": text(),
}
_ANDROID: Final[dict[str, Check]] = {
    "ttl": _ttl,
    "biTag": text(),
    "data": text(),
    "targetUserType": integer(0, 1),
    "notification": mapping(_NOTIFICATION, ("clickAction",)),
}
_TOP: Final = mapping(
    {
        "token": array(text(least=1), MAX_TOKENS),
        "data": text(),
        "notification": mapping({"title": text(), "body": text(), "image": _HTTPS}),
        "android": mapping(_ANDROID),
    }
)


def read_body(raw: bytes) -> dict[str, Any]:
    """The checked request. Raises Refused with the code that the sheet's table gives."""
    body = decoded(raw)
    tokens = body.get("token")
    if not tokens or (isinstance(tokens, list) and len(tokens) > MAX_TOKENS):
        raise Refused(TOKEN_COUNT, f"the number of tokens must be from 1 to {MAX_TOKENS}")
    check(_TOP, body)
    _check_payload(body)
    check_size(raw, body["token"])
    return body


def _check_payload(body: dict[str, Any]) -> None:
    android, general = body.get("android") or {}, body.get("notification") or {}
    shown, data = android.get("notification"), android.get("data") or body.get("data")
    if shown is None and not general:
        if not data:
            raise Refused(PARAMETER, "there is neither a notification nor data")
        return
    if shown is None:
        raise Refused(PARAMETER, "android.notification.clickAction is required")
    for name in ("title", "body"):
        if not (shown.get(name) or general.get(name)):
            raise Refused(PARAMETER, f"android.notification.{name} is required")
    if shown.get("style") == 1 and not (shown.get("bigTitle") and shown.get("bigBody")):
        raise Refused(PARAMETER, "style 1 needs bigTitle and bigBody")
    if data is not None:
        check_data(data)
