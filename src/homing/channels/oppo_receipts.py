"""OPPO's receipts: an array of events, each with several ids (vendor sheet oppo, section 7)."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

import msgspec

from homing.channels.answers import integer, text
from homing.model.outcome import Receipt, ReceiptAnswer, ReceiptKind, ReceiptRequest

_MAX_RECEIPTS: Final = 10_000

EVENTS: Final[dict[str, tuple[ReceiptKind, str]]] = {
    "push_arrive": (ReceiptKind.DELIVERED, ""),
    "regid_invalid": (ReceiptKind.TOKEN_DEAD, "uninstalled, unregistered, or a month without network"),
    "user_daily_limit": (ReceiptKind.DROPPED, "over the device's daily limit of public messages"),
}


def read(request: ReceiptRequest, now_ms: int) -> ReceiptAnswer:
    """The receipts of a call; receipts for one URL come merged into an array. Unknown events and broken entries are passed over."""
    try:
        entries = msgspec.json.decode(request.body)
    except (msgspec.DecodeError, UnicodeError, RecursionError):
        return ReceiptAnswer(status=400, body=b'{"error":"not JSON"}')
    if isinstance(entries, dict):
        entries = [entries]
    if not isinstance(entries, list):
        return ReceiptAnswer(status=400, body=b'{"error":"not an array"}')
    receipts: list[Receipt] = []
    for entry in entries[:_MAX_RECEIPTS]:
        if isinstance(entry, dict) and len(receipts) < _MAX_RECEIPTS:
            receipts.extend(_receipts(entry, now_ms))
    return ReceiptAnswer(tuple(receipts[:_MAX_RECEIPTS]))


def _receipts(entry: dict[str, Any], now_ms: int) -> Iterator[Receipt]:
    event = text(entry.get("eventType"))
    if event not in EVENTS:
        return
    kind, words = EVENTS[event]
    param = text(entry.get("param"))
    msg_id = param[2:] if param.startswith("m:") else ""
    at_ms = integer(entry.get("eventTime")) or now_ms
    for part in text(entry.get("registrationIds")).split(","):
        token = part.strip()
        if token:
            yield Receipt(kind, at_ms, msg_id=msg_id, token=token, code=event, detail=words)
