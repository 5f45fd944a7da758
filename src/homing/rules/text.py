"""Text for a screen: cleaned of what no phone can show, and cut without breaking a visible character."""

from __future__ import annotations

import re

import regex  # type: ignore[import-untyped]

ELLIPSIS = "…"
_ELLIPSIS_BYTES = 3

_BREAKS = re.compile(r"\r\n|[\n\r\x0b\x0c\x85\u2028\u2029]")
_TABS = re.compile(r"[\t\x1c-\x1f]")
# Control characters, lone surrogates (they cannot be encoded) and two code points that are no characters.
_UNSHOWABLE = re.compile(r"[\x00-\x08\x0e-\x1b\x7f-\x84\x86-\x9f\ud800-\udfff\ufffe\uffff]")
_GRAPHEME = regex.compile(r"\X")


def clean(text: str, *, newlines: bool = True) -> str:
    """``text`` without control characters and lone surrogates.

    Line breaks become ``\\n``, or a space where ``newlines`` is False (titles); tabs become a space.
    """
    if text.isprintable():
        return text
    text = _BREAKS.sub("\n" if newlines else " ", text)
    return _UNSHOWABLE.sub("", _TABS.sub(" ", text))


def cut(text: str, limit: int) -> str:
    """At most ``limit`` user-visible characters (grapheme clusters), the last one an ellipsis where something was cut."""
    if len(text) <= limit:
        return text
    if limit <= 0:
        return ""
    if text.isascii() and "\r" not in text:
        return text[: limit - 1] + ELLIPSIS
    return _cut_graphemes(text, limit)


def _cut_graphemes(text: str, limit: int) -> str:
    keep = 0
    for count, match in enumerate(_GRAPHEME.finditer(text), 1):
        if count == limit:
            keep = match.start()
        elif count > limit:
            return text[:keep] + ELLIPSIS
    return text


def cut_bytes(text: str, max_bytes: int) -> str:
    """At most ``max_bytes`` bytes of UTF-8, cut between user-visible characters, with an ellipsis where it fits."""
    if len(text) * 4 <= max_bytes or utf8_length(text) <= max_bytes:
        return text
    ellipsis = ELLIPSIS if max_bytes > _ELLIPSIS_BYTES else ""
    budget = max_bytes - len(ellipsis.encode())
    if text.isascii() and "\r" not in text:
        return text[: max(0, budget)] + ellipsis
    end = 0
    # Every code point has a byte or more, so nothing behind this slice can fit.
    for match in _GRAPHEME.finditer(text[: max(0, max_bytes) + 1]):
        budget -= utf8_length(match.group())
        if budget < 0:
            break
        end = match.end()
    return text[:end] + ellipsis


def utf8_length(text: str) -> int:
    """Bytes of ``text`` in UTF-8; a lone surrogate counts three."""
    return len(text) if text.isascii() else len(text.encode("utf-8", "surrogatepass"))
