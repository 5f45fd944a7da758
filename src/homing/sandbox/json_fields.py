"""Tables of JSON fields: each field a check of type and range. What a vendor calls a failure is the vendor's to say."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection
from typing import Any

Check = Callable[[str, Any], None]

TYPE, UNKNOWN, MISSING, VALUE = "type", "unknown", "missing", "value"


class WrongField(Exception):
    """A field is wrong: how (TYPE, UNKNOWN, MISSING or VALUE), where and why."""

    def __init__(self, kind: str, path: str, words: str) -> None:
        super().__init__(f"{path} {words}")
        self.kind, self.path = kind, path


def text(*, limit: int | None = None, least: int = 0, pattern: str = "", words: str = "") -> Check:
    """A string of ``least`` to ``limit`` characters that matches ``pattern`` (described by ``words``)."""
    expression = re.compile(pattern) if pattern else None

    def check(path: str, value: Any) -> None:
        if not isinstance(value, str):
            raise WrongField(TYPE, path, "must be a string")
        if len(value) < least:
            raise WrongField(VALUE, path, "must not be empty" if least == 1 else f"is shorter than {least}")
        if limit is not None and len(value) > limit:
            raise WrongField(VALUE, path, f"is longer than {limit}")
        if expression is not None and expression.fullmatch(value) is None:
            raise WrongField(VALUE, path, f"must be {words}")

    return check


def one_of(*choices: Any) -> Check:
    """One of these values, of the same type."""

    def check(path: str, value: Any) -> None:
        if type(value) not in {type(choice) for choice in choices}:
            raise WrongField(TYPE, path, "has the wrong type")
        if value not in choices:
            raise WrongField(VALUE, path, f"must be one of {', '.join(str(choice) for choice in choices)}")

    return check


def boolean(path: str, value: Any) -> None:
    """true or false."""
    if not isinstance(value, bool):
        raise WrongField(TYPE, path, "must be a boolean")


def integer(low: int, high: int) -> Check:
    """A whole number within bounds."""

    def check(path: str, value: Any) -> None:
        if not isinstance(value, int) or isinstance(value, bool):
            raise WrongField(TYPE, path, "must be an integer")
        if not low <= value <= high:
            raise WrongField(VALUE, path, f"must be from {low} to {high}")

    return check


def switch(path: str, value: Any) -> None:
    """0, 1, true or false: vendors whose clients send either."""
    if value not in (0, 1) or not isinstance(value, int):
        raise WrongField(TYPE, path, "must be 0 or 1")


def array(item: Check, limit: int) -> Check:
    """A list of at most ``limit`` items."""

    def check(path: str, value: Any) -> None:
        if not isinstance(value, list):
            raise WrongField(TYPE, path, "must be an array")
        if len(value) > limit:
            raise WrongField(VALUE, path, f"has more than {limit} entries")
        for number, entry in enumerate(value):
            item(f"{path}[{number}]", entry)

    return check


def mapping(fields: dict[str, Check] | None, required: Collection[str] = ()) -> Check:
    """An object with exactly known fields; None allows any. A null counts as absent."""

    def check(path: str, value: Any) -> None:
        if not isinstance(value, dict):
            raise WrongField(TYPE, path, "must be an object")
        for name, entry in value.items():
            if fields is None:
                return
            if name not in fields:
                raise WrongField(UNKNOWN, f"{path}.{name}", "is not a known field")
            if entry is not None:
                fields[name](f"{path}.{name}", entry)
        for name in required:
            if value.get(name) is None:
                raise WrongField(MISSING, f"{path}.{name}", "is required")

    return check
