"""Proto3 JSON, read as strictly as Google's front end reads it: unknown names, wrong types and two members of a oneof are violations.

Names are accepted in snake_case and lowerCamelCase; null is an absent field. The result has snake_case names.
"""

from __future__ import annotations

import datetime as dt
import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any, Final

_PACKAGE: Final = "type.googleapis.com/google.firebase.fcm.v1"
_DURATION: Final = re.compile(r"(-?)(\d{1,12})(?:\.(\d{1,9}))?s")
_TIMESTAMP: Final = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d{1,9})?(?:Z|[+-]\d\d:\d\d)")
_INT32: Final = range(-(2**31), 2**31)
MAX_VIOLATIONS: Final = 50


@dataclass(frozen=True, slots=True)
class Violation:
    """One entry of ``google.rpc.BadRequest.fieldViolations``."""

    field: str
    description: str


class Unreadable(ValueError):
    """The body is no JSON object; the text is the vendor's sentence."""


Reader = Callable[[Any, str, list[Violation]], Any]
"""Takes a JSON value, its path and the list of violations; returns the normalized value."""


def read_json(body: bytes) -> dict[str, Any]:
    """The JSON object of a body. Raises Unreadable."""

    def no_constant(name: str) -> Any:
        raise ValueError(name)

    try:
        value = json.loads(body.decode("utf-8"), parse_constant=no_constant)
    except (ValueError, RecursionError):
        raise Unreadable("Invalid JSON payload received. Unexpected token.") from None
    if not isinstance(value, dict):
        raise Unreadable('Invalid JSON payload received. Unknown name "": Root element must be a message.')
    return value


def _wrong(path: str, kind: str, value: Any, found: list[Violation]) -> None:
    shown = json.dumps(value, ensure_ascii=True)[:200]
    found.append(Violation(path, f"Invalid value at '{path}' ({kind}), {shown}"))


def string(value: Any, path: str, found: list[Violation]) -> str:
    """TYPE_STRING; lone surrogates are no UTF-8."""
    if not isinstance(value, str):
        _wrong(path, "TYPE_STRING", value, found)
        return ""
    try:
        value.encode()
    except UnicodeEncodeError:
        found.append(Violation(path, f"Invalid value at '{path}' (TYPE_STRING), Bad UTF-8"))
        return ""
    return value


def boolean(value: Any, path: str, found: list[Violation]) -> bool:
    """TYPE_BOOL."""
    if not isinstance(value, bool):
        _wrong(path, "TYPE_BOOL", value, found)
    return value is True


def int32(value: Any, path: str, found: list[Violation]) -> int:
    """TYPE_INT32: a whole number, or one in a string."""
    number = value
    if isinstance(value, str) and re.fullmatch(r"-?\d{1,10}", value):
        number = int(value)
    if isinstance(number, float) and number.is_integer():
        number = int(number)
    if not isinstance(number, int) or isinstance(number, bool) or number not in _INT32:
        _wrong(path, "TYPE_INT32", value, found)
        return 0
    return number


def floating(value: Any, path: str, found: list[Violation]) -> float:
    """TYPE_FLOAT."""
    if not isinstance(value, int | float) or isinstance(value, bool):
        _wrong(path, "TYPE_FLOAT", value, found)
        return 0.0
    return float(value)


def duration(value: Any, path: str, found: list[Violation]) -> Decimal:
    """google.protobuf.Duration, in seconds."""
    match = _DURATION.fullmatch(value) if isinstance(value, str) else None
    if match is None:
        name = path.rpartition(".")[2]
        words = f"Field '{name}', Illegal duration format; duration must end with 's'"
        found.append(Violation(path, f"Invalid value at '{path}' (type.googleapis.com/google.protobuf.Duration), {words}"))
        return Decimal(0)
    return Decimal(f"{match[1]}{match[2]}.{match[3] or 0}")


def timestamp(value: Any, path: str, found: list[Violation]) -> str:
    """google.protobuf.Timestamp: RFC 3339."""
    try:
        if not isinstance(value, str) or not _TIMESTAMP.fullmatch(value):
            raise ValueError
        dt.datetime.fromisoformat(f"{value[:19]}+00:00")
    except ValueError:
        _wrong(path, "type.googleapis.com/google.protobuf.Timestamp", value, found)
        return ""
    return str(value)


def struct(value: Any, path: str, found: list[Violation]) -> dict[str, Any]:
    """google.protobuf.Struct: any JSON object."""
    if not isinstance(value, dict):
        _wrong(path, "type.googleapis.com/google.protobuf.Struct", value, found)
        return {}
    return value


def enum(name: str, *values: str) -> Reader:
    """An enum by name (in any case, as clients send it) or by number."""

    def read(value: Any, path: str, found: list[Violation]) -> str:
        if isinstance(value, str) and value.upper() in values:
            return value.upper()
        if isinstance(value, int) and not isinstance(value, bool) and 0 <= value < len(values):
            return values[value]
        _wrong(path, f"{_PACKAGE}.{name}", value, found)
        return values[0]

    return read


def repeated(item: Reader) -> Reader:
    """A list."""

    def read(value: Any, path: str, found: list[Violation]) -> list[Any]:
        if not isinstance(value, list):
            value = [value]  # as Google's parser does: one value stands for a list of one
        return [item(entry, f"{path}[{n}]", found) for n, entry in enumerate(value)]

    return read


def string_map(value: Any, path: str, found: list[Violation]) -> dict[str, str]:
    """map<string, string>: the value of the n-th entry is at ``path[n].value``."""
    if not isinstance(value, dict):
        _wrong(path, "map", value, found)
        return {}
    return {
        string(key, f"{path}[{n}].key", found): string(entry, f"{path}[{n}].value", found) for n, (key, entry) in enumerate(value.items())
    }


@dataclass(slots=True)
class Message:
    """A message type: its fields by snake_case name, and the oneofs among them."""

    name: str
    fields: Mapping[str, Reader]
    oneofs: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    _names: dict[str, str] = field(init=False)

    def __post_init__(self) -> None:
        self._names = {name: name for name in self.fields} | {_camel(name): name for name in self.fields}

    def __call__(self, value: Any, path: str, found: list[Violation]) -> dict[str, Any]:
        """Read one."""
        if isinstance(value, list):
            parent, _, name = path.rpartition(".")
            where = f" at '{parent}'" if parent else ""
            words = f'Invalid JSON payload received. Unknown name "{name}"{where}: Proto field is not repeating, cannot start list.'
            found.append(Violation(parent, words))
            return {}
        if not isinstance(value, dict):
            _wrong(path, f"{_PACKAGE}.{self.name}", value, found)
            return {}
        return self._members(value, path, found)

    def _members(self, value: dict[str, Any], path: str, found: list[Violation]) -> dict[str, Any]:
        read: dict[str, Any] = {}
        for key, entry in value.items():
            name = self._names.get(key)
            if name is None:
                where = f" at '{path}'" if path else ""
                words = f"Invalid JSON payload received. Unknown name {json.dumps(key)}{where}: Cannot find field."
                found.append(Violation(path, words))
            elif entry is not None:
                self._only_one(name, read, path, found)
                read[name] = self.fields[name](entry, f"{path}.{name}" if path else name, found)
            if len(found) >= MAX_VIOLATIONS:
                break
        return read

    def _only_one(self, name: str, read: dict[str, Any], path: str, found: list[Violation]) -> None:
        if name in read:
            found.append(Violation(path, f"Invalid value at '{path}' (field), field '{name}' is given twice"))
        for oneof, members in self.oneofs.items():
            if name in members and any(member in read for member in members if member != name):
                words = f"Invalid value at '{path}' (oneof), oneof field '{oneof}' is already set. Cannot set '{_camel(name)}'"
                found.append(Violation(path, words))


def _camel(name: str) -> str:
    first, *rest = name.split("_")
    return first + "".join(part.capitalize() for part in rest)
