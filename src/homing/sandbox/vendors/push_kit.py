"""What the simulators of one family share: the codes of Huawei's push API, and how its request tables are checked.

The tables themselves, with each vendor's names and limits, stand in the vendors' own files.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any, Final

from ..json_fields import TYPE, UNKNOWN, Check, WrongField, integer

PARAMETER: Final = "80100001"
STRUCTURE: Final = "80100003"
EXPIRED: Final = "80100004"
BAD_COLLAPSE_KEY: Final = "80100013"
TOO_BIG: Final = "80300008"
TOKEN_COUNT: Final = "80300010"

MAX_TOKENS = 1000
MAX_BODY_BYTES = 4096
MAX_TTL_SECONDS = 1_296_000

_COLLAPSE_KEY: Final = integer(-1, 100)


class Refused(Exception):
    """The request is refused with a business code and words."""

    def __init__(self, code: str, words: str) -> None:
        super().__init__(words)
        self.code, self.words = code, words


def decoded(raw: bytes) -> dict[str, Any]:
    """The JSON object of a request. Raises Refused."""
    try:
        body = json.loads(raw)
    except (ValueError, RecursionError):
        raise Refused(STRUCTURE, "the body is not JSON") from None
    if not isinstance(body, dict):
        raise Refused(STRUCTURE, "the body is not a JSON object")
    return body


def check(table: Check, body: dict[str, Any]) -> None:
    """The body against its table: what is no such field, or of another type, is a fault of structure; all else of a parameter."""
    try:
        table("request", body)
    except WrongField as wrong:
        raise Refused(STRUCTURE if wrong.kind in (UNKNOWN, TYPE) else PARAMETER, str(wrong)) from None


def collapse_key(path: str, value: Any) -> None:
    """-1 to 100, with a code of its own."""
    try:
        _COLLAPSE_KEY(path, value)
    except WrongField as wrong:
        if wrong.kind == TYPE:
            raise
        raise Refused(BAD_COLLAPSE_KEY, str(wrong)) from None


def check_intent(path: str, value: str) -> None:
    """The vendor checks the form of the text; whether an activity takes it shows on the phone."""
    head, marker, tail = value.partition("#Intent;")
    if not marker or not (head == "" or head.startswith("intent:")) or not tail.rstrip(";").endswith("end"):
        raise Refused(PARAMETER, f"{path} must be an intent URI: intent://host/path#Intent;…;end")


def check_data(data: str) -> None:
    """The click data of a notification."""
    try:
        json.loads(data)
    except (ValueError, RecursionError):
        raise Refused(PARAMETER, "data of a notification must be a JSON string") from None


def check_size(raw: bytes, tokens: Sequence[str]) -> None:
    """4096 bytes without the tokens, their quotes and commas."""
    size = len(raw) - sum(len(token.encode("utf-8", "surrogatepass")) + 3 for token in tokens)
    if size > MAX_BODY_BYTES:
        raise Refused(TOO_BIG, f"the body is {size} bytes without tokens; {MAX_BODY_BYTES} are allowed")
