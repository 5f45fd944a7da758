"""Mi Push receipts: their kinds and the form in which batches are posted (vendor sheet, section 6)."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlencode

DELIVERED, CLICKED, INVALID_TARGET, DISABLED, UNMATCHED, OVER_QUOTA, EXPIRED = 1, 2, 16, 32, 64, 128, 1024
KNOWN_TYPES = DELIVERED | CLICKED | INVALID_TARGET | DISABLED | UNMATCHED | OVER_QUOTA | EXPIRED


@dataclass(slots=True)
class ReceiptEntry:
    """What became of one message on one phone."""

    message_id: str
    kind: int
    regid: str
    param: str
    jobkey: str
    bar_status: str
    timestamp: int
    extra: dict[str, str] = field(default_factory=dict)


def receipt_bodies(entries: list[ReceiptEntry]) -> Iterator[bytes]:
    """Form bodies whose ``data`` is an object keyed by message id. A message with two kinds needs two bodies."""
    while entries:
        batch: dict[str, dict[str, Any]] = {}
        rest = [entry for entry in entries if not _merge(batch, entry)]
        yield urlencode({"data": json.dumps(batch, separators=(",", ":"))}).encode()
        entries = rest


def _merge(batch: dict[str, dict[str, Any]], entry: ReceiptEntry) -> bool:
    """Put an entry into a batch; False when its message is there with another kind."""
    present = batch.get(entry.message_id)
    if present is None:
        batch[entry.message_id] = {
            "param": entry.param,
            "type": entry.kind,
            "targets": entry.regid,
            "jobkey": entry.jobkey,
            "barStatus": entry.bar_status,
            "timestamp": entry.timestamp,
            **({"extra": entry.extra} if entry.extra else {}),
            **({"errorCode": 1} if entry.kind == INVALID_TARGET else {}),
        }
        return True
    if present["type"] != entry.kind or present["barStatus"] != entry.bar_status or present.get("extra", {}) != entry.extra:
        return False
    present["targets"] += f",{entry.regid}"
    return True
