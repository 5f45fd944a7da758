"""Xiaomi's message templates: the variables of a private message, cleaned to the vendor's rules (vendor sheet xiaomi, section 8)."""

from __future__ import annotations

import unicodedata
from typing import Any, Final

import msgspec

from homing.channels.content import cut_units
from homing.rules.text import clean

MAX_VARIABLES: Final = 9
_MAX_VALUE_UNITS: Final = 128
# Symbols (So) and unassigned, private or surrogate code points are refused, and with them the whole message.
_REFUSED_CLASSES: Final = frozenset({"So", "Cn", "Co", "Cs", "Cc"})
_FOLLOWERS: Final = frozenset("\u200d\u20e3\ufe0e\ufe0f") | {chr(code) for code in (*range(0x1F3FB, 0x1F400), *range(0xE0020, 0xE0080))}


def variables(text: str) -> dict[str, str] | None:
    """The variables in a JSON object of texts (numbers become texts); None where the text is not such an object."""
    try:
        found = msgspec.json.decode(text)
    except (msgspec.DecodeError, UnicodeError, RecursionError):
        return None
    return as_texts(found)


def as_texts(found: Any) -> dict[str, str] | None:
    """The same for an object that is decoded already."""
    if not isinstance(found, dict) or len(found) > MAX_VARIABLES:
        return None
    if not all(isinstance(value, (str, int, float)) and not isinstance(value, bool) for value in found.values()):
        return None
    return {str(name): str(value) for name, value in found.items()}


def filled(mapping: dict[str, str], title: str, body: str) -> dict[str, str]:
    """The certificate's mapping with ``{title}`` and ``{body}`` filled in."""
    return {name: _fill(pattern, title, body) for name, pattern in mapping.items()}


def _fill(pattern: str, title: str, body: str) -> str:
    parts = pattern.split("{title}")  # a title that contains "{body}" stays as it is
    return title.join(part.replace("{body}", body) for part in parts)


def sanitised(values: dict[str, str], fallback: str) -> str:
    """The JSON text of the variables, each 1 to 128 characters of what the vendor takes."""
    return msgspec.json.encode({name: sanitise(value, fallback) for name, value in values.items()}).decode()


def sanitise(value: str, fallback: str) -> str:
    """One variable: without emoji and other refused characters; a sticker alone becomes the fallback word."""
    text = clean(value, newlines=False)
    if not text.isascii():
        text = "".join(_kept(text))
    text = cut_units(text.strip(), _MAX_VALUE_UNITS)
    return text or fallback


def _kept(text: str) -> list[str]:
    kept: list[str] = []
    dropped = False
    for character in text:
        if unicodedata.category(character) in _REFUSED_CLASSES or (character in _FOLLOWERS and dropped):
            dropped = True  # skin tones, joiners and selectors go with the symbol that they change
            continue
        dropped = False
        kept.append(character)
    return kept
