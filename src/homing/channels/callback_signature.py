"""The ``…-CALLBACK-ID`` header with which some vendors sign their receipts: ``timestamp=…; nonce=…; value=…``."""

from __future__ import annotations

import base64
import binascii
import contextlib
import hashlib
import hmac
from typing import Final

from homing.channels.answers import integer

_MAX_SKEW_MS: Final = 300_000
_MAX_HEADER_CHARS: Final = 2048


def is_signed(header: str, user: str, key: str, now_ms: int) -> bool:
    """Whether the header is a fresh HMAC-SHA256 of timestamp, nonce and user under the key, compared in constant time."""
    # The value ends with "=", so each part is split at its first one only.
    parts = {name.strip(): value.strip() for name, _, value in (part.partition("=") for part in header[:_MAX_HEADER_CHARS].split(";"))}
    timestamp, nonce, value = parts.get("timestamp", ""), parts.get("nonce", ""), parts.get("value", "")
    if not value or abs(integer(timestamp) - now_ms) > _MAX_SKEW_MS:
        return False
    signed = (timestamp + nonce + user).encode()
    return any(hmac.compare_digest(_signature(secret, signed), value.encode()) for secret in _key_forms(key))


def _signature(key: bytes, signed: bytes) -> bytes:
    return base64.b64encode(hmac.new(key, signed, hashlib.sha256).digest())


def _key_forms(key: str) -> list[bytes]:
    """Newer configurations use the secret's base64-decoded bytes, older ones its text; nothing says which one this is."""
    forms = [key.encode()]
    with contextlib.suppress(binascii.Error, ValueError):
        forms.append(base64.b64decode(key, validate=True))
    return [form for form in forms if form]
