"""Certificate fields: what a form, the command line and the documents show, and how their text becomes typed values."""

from __future__ import annotations

import base64
import binascii
import difflib
from collections.abc import Mapping
from typing import Any, Final

import msgspec

from homing.channels.base import Channel, FieldInfo, FieldProblem
from homing.model.certificates import Certificate

MAX_VALUE_BYTES: Final = 64 * 1024
_CERTIFICATE_NAME: Final = "name"  # belongs to the certificate, not to a channel; callers take it themselves


class FieldDescription(msgspec.Struct, frozen=True, kw_only=True):
    """One certificate field, as a form or a table shows it. ``kind`` is text, integer, number, boolean or bytes."""

    name: str
    required: bool
    secret: bool
    file: bool
    default: str
    kind: str
    label_en: str
    label_zh: str
    help_en: str
    help_zh: str
    choices: tuple[str, ...]
    credential: bool  # part of the credentials; False: an option


class _Field(msgspec.Struct, frozen=True):
    name: str
    type: Any
    required: bool
    default: Any
    info: FieldInfo


_KINDS: Final[dict[type, str]] = {
    msgspec.inspect.StrType: "text",
    msgspec.inspect.IntType: "integer",
    msgspec.inspect.FloatType: "number",
    msgspec.inspect.BoolType: "boolean",
    msgspec.inspect.BytesType: "bytes",
}


def describe(channel: Channel) -> list[FieldDescription]:
    """Every field of a channel's certificates: the credentials first, then the options."""
    credentials = [_description(field, True) for field in _fields(channel.credentials_type)]
    return credentials + [_description(field, False) for field in _fields(channel.options_type)]


def build(
    channel: Channel, values: Mapping[str, str | bytes], *, current: tuple[Any, Any] | None = None
) -> tuple[Any, Any] | list[FieldProblem]:
    """Typed credentials and options out of ``--set``/``--file`` texts, or every problem found, each naming its field.

    ``current`` holds the values to change (an edit); fields that are not passed keep them. A value of "" resets a
    field to its default. Warnings do not stop it: ask ``channel.check`` for them.
    """
    credentials, found = _decode(channel.credentials_type, values, current[0] if current else None)
    options, more = _decode(channel.options_type, values, current[1] if current else None)
    problems = _unknown(channel, values) + found + more
    if problems:
        return problems
    certificate = Certificate(0, 0, channel.name, "", credentials, options, receipt_path="check")
    problems = [problem for problem in channel.check(certificate) if not problem.warning]
    return problems or (credentials, options)


def dump_credentials(channel: Channel, credentials: Any) -> bytes:  # noqa: ARG001  (mirrors load_credentials)
    """The credentials as bytes to be sealed."""
    return msgspec.json.encode(credentials)


def load_credentials(channel: Channel, data: bytes) -> Any:
    """The credentials out of unsealed bytes. Raises ``msgspec.DecodeError`` where they were not made by ``dump_credentials``."""
    return msgspec.json.decode(data, type=channel.credentials_type)


def dump_options(channel: Channel, options: Any) -> bytes:  # noqa: ARG001  (mirrors load_options)
    """The options as JSON. They hold no secrets but those marked so, see ``describe``."""
    return msgspec.json.encode(options)


def load_options(channel: Channel, data: bytes) -> Any:
    """The options out of stored JSON. Raises ``msgspec.DecodeError`` where they were not made by ``dump_options``."""
    return msgspec.json.decode(data, type=channel.options_type)


def shown(credentials: Any, options: Any) -> dict[str, str]:
    """The values as a form shows them again: secrets and files only as set ("••••") or not set ("")."""
    values: dict[str, str] = {}
    for part in (credentials, options):
        for field in _fields(type(part)):
            value = getattr(part, field.name)
            hidden = field.info.secret or field.info.file
            values[field.name] = ("••••" if value else "") if hidden else _as_text(value)
    return values


def _fields(struct: type[msgspec.Struct]) -> list[_Field]:
    described = msgspec.inspect.type_info(struct)
    assert isinstance(described, msgspec.inspect.StructType)
    return [_field(field) for field in described.fields]


def _field(field: msgspec.inspect.Field) -> _Field:
    extra = field.type.extra if isinstance(field.type, msgspec.inspect.Metadata) else None
    info = (extra or {}).get("field") or FieldInfo(field.name, field.name)
    inner = field.type.type if isinstance(field.type, msgspec.inspect.Metadata) else field.type
    return _Field(field.name, inner, field.required, "" if field.required else field.default, info)


def _description(field: _Field, credential: bool) -> FieldDescription:
    info = field.info
    return FieldDescription(
        name=field.name,
        required=field.required,
        secret=info.secret,
        file=info.file,
        default=_as_text(field.default),
        kind=_KINDS.get(type(field.type), "text"),
        label_en=info.label_en,
        label_zh=info.label_zh,
        help_en=info.help_en,
        help_zh=info.help_zh,
        choices=info.choices,
        credential=credential,
    )


def _as_text(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return "" if value is None or isinstance(value, bytes) else str(value)


def _unknown(channel: Channel, values: Mapping[str, str | bytes]) -> list[FieldProblem]:
    known = [field.name for part in (channel.credentials_type, channel.options_type) for field in _fields(part)]
    found = []
    for name in values:
        if name not in known and name != _CERTIFICATE_NAME:
            near = difflib.get_close_matches(name, known, n=1)
            cure = f"Did you mean {near[0]}?" if near else f"`homing cert fields {channel.name}` lists all"
            found.append(FieldProblem(name, f"{channel.name} certificates have no field {name}", cure))
    return found


def _decode(struct: type[msgspec.Struct], values: Mapping[str, str | bytes], current: Any) -> tuple[Any, list[FieldProblem]]:
    typed: dict[str, Any] = {}
    found: list[FieldProblem] = []
    for field in _fields(struct):
        raw = values.get(field.name)
        if raw is None:
            if current is not None:
                typed[field.name] = getattr(current, field.name)
            elif field.required:
                found.append(_missing(field))
            continue
        value = _value(field, raw)
        if isinstance(value, FieldProblem):
            found.append(value)
        elif value is not None:
            typed[field.name] = value
        elif field.required:
            found.append(_missing(field))
    if found:
        return None, found
    return _converted(struct, typed)


def _converted(struct: type[msgspec.Struct], typed: dict[str, Any]) -> tuple[Any, list[FieldProblem]]:
    """Constraints such as ``ge=0`` are the struct's own; the path in its error names the field."""
    try:
        return msgspec.convert(typed, struct), []
    except msgspec.ValidationError as error:
        words, _, path = str(error).partition(" - at `$.")
        name = path.rstrip("`").partition("[")[0]
        return None, [FieldProblem(name, f"{name} is wrong: {words}", "Use a value in the documented range")]


def _missing(field: _Field) -> FieldProblem:
    how = f"--file {field.name}=PATH" if field.info.file else f"--set {field.name}=…"
    return FieldProblem(field.name, f"{field.name} is missing", f"Pass {how}")


def _value(field: _Field, raw: str | bytes) -> Any:
    """The typed value, None for "", or what is wrong with it."""
    name = field.name
    if len(raw) > MAX_VALUE_BYTES:
        return FieldProblem(name, f"{name} is larger than 64 KiB", "Pass the value itself, not an archive around it")
    if isinstance(field.type, msgspec.inspect.BytesType):
        return _bytes(raw) or None
    if isinstance(raw, bytes):
        try:
            raw = raw.decode("utf-8-sig")
        except UnicodeDecodeError:
            return FieldProblem(name, f"{name} is not text", "Pass a UTF-8 text file")
    value = raw.strip()
    if not value:
        return None
    if field.info.choices and value not in field.info.choices:
        allowed = ", ".join(choice for choice in field.info.choices if choice)
        return FieldProblem(name, f"{name} is {value[:40]!r}, which is none of its values", f"Use one of {allowed}")
    return _scalar(field, value)


def _scalar(field: _Field, value: str) -> Any:
    wanted: tuple[type, str] | None = {
        msgspec.inspect.IntType: (int, "a whole number"),
        msgspec.inspect.FloatType: (float, "a number"),
        msgspec.inspect.BoolType: (bool, "true or false"),
    }.get(type(field.type))
    if wanted is None:
        return value if value.isprintable() or field.info.file or field.info.secret else _one_line(field.name, value)
    try:
        return msgspec.convert(value, wanted[0], strict=False)
    except msgspec.ValidationError:
        return FieldProblem(field.name, f"{field.name} is not {wanted[1]}", f"Pass {wanted[1]}")


def _one_line(name: str, value: str) -> Any:
    """Line breaks and control characters would travel into URLs and headers."""
    if any(ord(character) < 32 or ord(character) == 127 for character in value):
        return FieldProblem(name, f"{name} has a line break or a control character in it", "Pass one line of text")
    return value


def _bytes(raw: str | bytes) -> bytes:
    """A file's bytes; pasted text is PEM, or base64 of a binary file."""
    if isinstance(raw, bytes):
        return raw
    if "-----BEGIN" in raw:
        return raw.encode()
    try:
        return base64.b64decode(raw, validate=False) if raw.strip() else b""
    except (binascii.Error, ValueError):
        return raw.encode(errors="replace")
