"""vivo's receipts: an object keyed by task id (vendor sheet vivo, section 7)."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

import msgspec

from homing.channels.answers import integer, one_line, text
from homing.model.outcome import Receipt, ReceiptAnswer, ReceiptKind, ReceiptRequest

_MAX_RECEIPTS: Final = 10_000
_KNOWN: Final = frozenset({"param", "targets", "userIds", "ackType", "ackTime", "taskId"})


def read(request: ReceiptRequest, now_ms: int) -> ReceiptAnswer:
    """The receipts of a call: an object keyed by task id, or an array of the same entries."""
    try:
        entries = msgspec.json.decode(request.body)
    except (msgspec.DecodeError, UnicodeError, RecursionError):
        return ReceiptAnswer(status=400, body=b'{"error":"not JSON"}')
    if isinstance(entries, dict):
        entries = [entries] if "ackType" in entries else list(entries.values())
    if not isinstance(entries, list):
        return ReceiptAnswer(status=400, body=b'{"error":"no receipts"}')
    receipts: list[Receipt] = []
    for entry in entries[:_MAX_RECEIPTS]:
        if isinstance(entry, dict) and len(receipts) < _MAX_RECEIPTS:
            receipts.extend(_receipts(entry, now_ms))
    return ReceiptAnswer(tuple(receipts[:_MAX_RECEIPTS]))


def _receipts(entry: dict[str, Any], now_ms: int) -> Iterator[Receipt]:
    """Only 0 is delivered. What else there is has no published meaning, so it never removes a token."""
    ack = text(entry.get("ackType"))
    if not ack:
        return
    delivered = ack == "0"
    kind = ReceiptKind.DELIVERED if delivered else ReceiptKind.DROPPED
    param = text(entry.get("param"))
    msg_id = param[2:] if param.startswith("m:") else ""
    at_ms = integer(entry.get("ackTime")) or now_ms
    detail = "" if delivered else _cause(entry)
    for target in text(entry.get("targets") or entry.get("userIds")).split(","):
        token = target.strip()
        if token:
            yield Receipt(kind, at_ms, msg_id=msg_id, token=token, code=ack[:20], detail=detail)


def _cause(entry: dict[str, Any]) -> str:
    """The newer receipts add a cause under a name that is not published: kept as it came."""
    others = {name: value for name, value in entry.items() if name not in _KNOWN and isinstance(value, (str, int))}
    return one_line("not delivered: " + ", ".join(f"{name}={value}" for name, value in others.items())) if others else "not delivered"
