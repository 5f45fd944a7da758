"""Reading what vendors answer: nothing in it is trusted, not its type, its encoding or its size."""

from __future__ import annotations

from collections.abc import Mapping
from email.utils import parsedate_to_datetime
from typing import Any

import msgspec

from homing.model.outcome import Outcome

_MAX_DETAIL = 300
_MAX_RETRY_AFTER_SECONDS = 86_400.0


def json_object(body: bytes | str) -> dict[str, Any]:
    """The JSON object in an answer; empty for HTML pages, other JSON types and broken text."""
    try:
        value = msgspec.json.decode(body)
    except (msgspec.DecodeError, RecursionError, UnicodeError):
        return {}
    return value if isinstance(value, dict) else {}


def text(value: Any) -> str:
    """A scalar as text ("" for None and for containers): vendors switch between numbers and strings."""
    if isinstance(value, str):
        return value
    if isinstance(value, bool) or value is None or isinstance(value, (dict, list)):
        return ""
    return str(value)


def integer(value: Any, default: int = 0) -> int:
    """A whole number that may come as a number or as text."""
    try:
        return int(value)
    except (TypeError, ValueError, OverflowError):
        return default


def one_line(words: Any) -> str:
    """A vendor's words, cut to one line that fits a record."""
    line = " ".join(text(words)[: 4 * _MAX_DETAIL].split())
    return line if len(line) <= _MAX_DETAIL else line[: _MAX_DETAIL - 1] + "…"


def retry_after(headers: Mapping[str, str], now_ms: int) -> float | None:
    """Seconds of a ``Retry-After`` header, as a number or as a date; None where there is none that makes sense."""
    value = headers.get("retry-after", "").strip()
    if not value:
        return None
    if value.isascii() and value.isdigit():
        return min(float(value[:9]), _MAX_RETRY_AFTER_SECONDS)
    try:
        wait = parsedate_to_datetime(value).timestamp() - now_ms / 1000
    except (TypeError, ValueError, OverflowError):
        return None
    return min(max(0.0, wait), _MAX_RETRY_AFTER_SECONDS)


def for_all(outcome: Outcome, count: int) -> list[Outcome]:
    """The same meaning for every target of a request."""
    return [outcome] * count


def ext_text(extras: Mapping[str, Any], key: str = "ext") -> str | None:
    """The ext under its key, as JSON text even where the client handed over an object."""
    value = extras.get(key)
    if value is None or value == "":
        return None
    return value if isinstance(value, str) else msgspec.json.encode(value).decode()
