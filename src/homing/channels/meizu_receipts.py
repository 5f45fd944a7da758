"""Meizu's receipts: a form with JSON keyed by message id and kind, and a fixed token (vendor sheet meizu, section 7)."""

from __future__ import annotations

import hmac
from collections.abc import Iterator
from typing import Any, Final
from urllib.parse import parse_qs

from homing.channels.answers import integer, json_object, text
from homing.model.outcome import Receipt, ReceiptAnswer, ReceiptKind, ReceiptRequest

_MAX_RECEIPTS: Final = 10_000

TYPES: Final[dict[int, ReceiptKind]] = {1: ReceiptKind.DELIVERED, 2: ReceiptKind.CLICKED}


def read(request: ReceiptRequest, token: str, now_ms: int) -> ReceiptAnswer:
    """The receipts of a call. Where the console's receipt token is known, a call without it is refused."""
    try:
        form = parse_qs(request.body.decode(), max_num_fields=100)
    except (UnicodeDecodeError, ValueError):
        return ReceiptAnswer(status=400, body=b'{"error":"not a form"}')
    shown = form.get("access_token", [""])[0]
    if token and not hmac.compare_digest(token.encode(), shown.encode("utf-8", "surrogatepass")):
        return ReceiptAnswer(status=401, body=b'{"error":"wrong access_token"}')
    if "cb" not in form:
        return ReceiptAnswer(status=400, body=b'{"error":"no cb"}')
    receipts: list[Receipt] = []
    for key, entry in json_object(form["cb"][0]).items():
        if isinstance(entry, dict) and len(receipts) < _MAX_RECEIPTS:
            receipts.extend(_receipts(key, entry, now_ms))
    return ReceiptAnswer(tuple(receipts[:_MAX_RECEIPTS]))


def _receipts(key: str, entry: dict[str, Any], now_ms: int) -> Iterator[Receipt]:
    """One receipt a target. The key is message id and kind, split at its last ``-``; there are no times in it."""
    number = integer(entry.get("type") or key.rpartition("-")[2], -1)
    targets = entry.get("targets")
    if isinstance(targets, str):
        targets = targets.split(",")
    if number not in TYPES or not isinstance(targets, list):
        return
    param = text(entry.get("param"))
    msg_id = param[2:] if param.startswith("m:") else ""
    for target in targets:
        if token := text(target).strip():
            yield Receipt(TYPES[number], now_ms, msg_id=msg_id, token=token, code=str(number))
