"""Session tokens: 256 random bits for the device, their SHA-256 for the store."""

from __future__ import annotations

import hashlib
import secrets

from homing.model.devices import MAX_TOKEN_BYTES
from homing.model.problems import BAD_PARAMETER, SESSION_UNKNOWN, TOKEN_TOO_LONG, Refused

MAX_SESSION_TOKEN_CHARS = 128


def new_session_token() -> str:
    """A token that nobody can guess, safe in headers and URLs."""
    return secrets.token_urlsafe(32)


def session_hash(session_token: str) -> bytes:
    """What is stored of a token. Raises ``Refused`` (session_unknown) for what cannot be one."""
    if not 0 < len(session_token) <= MAX_SESSION_TOKEN_CHARS or not session_token.isascii():
        raise Refused(SESSION_UNKNOWN)
    return hashlib.sha256(session_token.encode("ascii")).digest()


def check_push_token(token: str) -> None:
    """Raises ``Refused`` for what no vendor SDK gives out."""
    if not token:
        raise Refused(BAD_PARAMETER, "$.token: it is empty", cure="Send null in place of the whole configuration to turn push off")
    if len(token.encode("utf-8", "replace")) > MAX_TOKEN_BYTES:
        raise Refused(TOKEN_TOO_LONG)
    if not token.isprintable() or token != token.strip():
        raise Refused(BAD_PARAMETER, "$.token: it has control characters or spaces around it")
