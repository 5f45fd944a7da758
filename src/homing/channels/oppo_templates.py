"""OPPO's private-message templates: placeholders filled with the message's texts (vendor sheet oppo, sections 3.1 and 8)."""

from __future__ import annotations

from typing import Final

import msgspec

_MAX_PLACEHOLDERS: Final = 20


def placeholders(text: str) -> dict[str, str] | None:
    """The placeholders in a JSON object of texts; None where the text is not one."""
    try:
        found = msgspec.json.decode(text)
    except (msgspec.DecodeError, UnicodeError, RecursionError):
        return None
    if not isinstance(found, dict) or not 1 <= len(found) <= _MAX_PLACEHOLDERS:
        return None
    return found if all(isinstance(value, str) and value for value in found.values()) else None


def filled(mapping: dict[str, str], title: str, content: str) -> dict[str, str]:
    """The mapping with ``{title}`` and ``{body}`` filled in; a title that contains "{body}" stays as it is."""
    return {name: title.join(part.replace("{body}", content) for part in pattern.split("{title}")) for name, pattern in mapping.items()}
