"""Cursors: places of an account's inbox, opaque to the client."""

from __future__ import annotations

from homing.model.problems import BAD_PARAMETER, Refused

_PREFIX = "i"
_MAX_CHARS = 17


def cursor_of(place: int) -> str:
    """The cursor after this place."""
    return f"{_PREFIX}{place:x}"


def place_of_cursor(cursor: str) -> int:
    """The place behind a cursor; "" is the beginning. Raises ``Refused`` for what this server never gave out."""
    if not cursor:
        return 0
    digits = cursor.removeprefix(_PREFIX)
    if len(cursor) <= _MAX_CHARS and digits != cursor and digits.isascii() and digits.isalnum():
        try:
            place = int(digits, 16)
        except ValueError:
            place = -1
        if 0 <= place < 2**63:
            return place
    raise Refused(BAD_PARAMETER, "$.after is no cursor", cure="Pass a cursor exactly as the server gave it, or none to begin anew")
