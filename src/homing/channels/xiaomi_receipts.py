"""Xiaomi's receipts: a form with JSON keyed by message id (vendor sheet xiaomi, section 6)."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final
from urllib.parse import parse_qs

from homing.channels.answers import integer, json_object, text
from homing.model.outcome import Receipt, ReceiptAnswer, ReceiptKind, ReceiptRequest

_MAX_RECEIPTS: Final = 10_000
_INVALID_TARGET: Final = 16

TYPES: Final[dict[int, tuple[ReceiptKind, str]]] = {
    1: (ReceiptKind.DELIVERED, ""),
    2: (ReceiptKind.CLICKED, ""),
    _INVALID_TARGET: (ReceiptKind.TOKEN_DEAD, "the target is invalid"),
    32: (ReceiptKind.MUTED, "push is disabled by the client"),
    64: (ReceiptKind.DROPPED, "the device did not match the filters"),
    128: (ReceiptKind.DROPPED, "over the daily quota"),
    1024: (ReceiptKind.DROPPED, "the time to live was over before delivery"),
}


def read(request: ReceiptRequest, now_ms: int) -> ReceiptAnswer:
    """The receipts of a call. The form is decoded once: ids contain ``+``, ``/`` and ``=`` (section 9, trap 13)."""
    try:
        form = parse_qs(request.body.decode(), max_num_fields=100)
    except (UnicodeDecodeError, ValueError):
        return ReceiptAnswer(status=400, body=b'{"error":"not a form"}')
    if "data" not in form:
        return ReceiptAnswer(status=400, body=b'{"error":"no data"}')
    receipts: list[Receipt] = []
    for entry in json_object(form["data"][0]).values():
        if isinstance(entry, dict) and len(receipts) < _MAX_RECEIPTS:
            receipts.extend(_receipts(entry, now_ms))
    return ReceiptAnswer(tuple(receipts[:_MAX_RECEIPTS]))


def _receipts(entry: dict[str, Any], now_ms: int) -> Iterator[Receipt]:
    """One receipt a target, and one more where the phone says that notifications are off."""
    number = integer(entry.get("type"), -1)
    if number not in TYPES:
        return
    kind, words = TYPES[number]
    param = text(entry.get("param"))
    msg_id = param[2:] if param.startswith("m:") else ""
    at_ms = integer(entry.get("timestamp")) or now_ms
    replacements = entry.get("replaceTarget") if number == _INVALID_TARGET else None
    detail = _quota(entry) or words
    for target in text(entry.get("targets")).split(","):
        token = target.strip()
        if not token:
            continue
        other = text(replacements.get(token)) if isinstance(replacements, dict) else ""
        yield Receipt(kind, at_ms, msg_id=msg_id, token=token, code=str(number), detail=detail, replacement_token=other)
        if kind is ReceiptKind.DELIVERED and entry.get("barStatus") == "Disable":
            yield Receipt(ReceiptKind.MUTED, at_ms, msg_id=msg_id, token=token, code=str(number), detail="notifications are switched off")


def _quota(entry: dict[str, Any]) -> str:
    extra = entry.get("extra")
    if not isinstance(extra, dict):
        return ""
    if "device_quota" in extra:
        return f"over the device's daily quota of {text(extra.get('device_quota'))[:20]}"
    return f"over the app's daily quota of {text(extra.get('quota'))[:20]}" if "quota" in extra else ""
