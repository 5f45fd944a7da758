"""VAPID, how a sender names itself to push services: RFC 8292 (vendor sheet webpush, section 3)."""

from __future__ import annotations

import contextlib
import ipaddress
from typing import Final
from urllib.parse import urlsplit

import msgspec
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ec import ECDSA, SECP256R1, EllipticCurvePrivateKey, derive_private_key
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from homing.channels.webpush_encryption import decode_base64, encode_base64, point

#: One token serves this long: some services want one new token an hour at most.
WINDOW_SECONDS: Final = 6 * 3600
_HEADER: Final = encode_base64(b'{"typ":"JWT","alg":"ES256"}')
_MAX_ORIGINS: Final = 256
_encode: Final = msgspec.json.Encoder().encode


class Vapid:
    """Signs for one key pair, and keeps the header values that are still good."""

    __slots__ = ("_headers", "_key", "_subject", "public_key")

    def __init__(self, key: EllipticCurvePrivateKey, subject: str) -> None:
        self._key = key
        self._subject = subject
        self.public_key = encode_base64(point(key.public_key()))
        self._headers: dict[str, tuple[int, str, str]] = {}

    def authorization(self, origin: str, now: int) -> tuple[str, str]:
        """The ``Authorization`` value for an origin, and the token in it. ``now`` in seconds.

        Whoever signs in the same six hours makes the same token: time is taken in steps and the signature needs no
        randomness, so all nodes of a cluster show a push service one token. It ends six to twelve hours later.
        """
        expires = (now // WINDOW_SECONDS + 2) * WINDOW_SECONDS
        kept = self._headers.get(origin)
        if kept is not None and kept[0] == expires:
            return kept[1], kept[2]
        token = self._signed(origin, expires)
        header = f"vapid t={token}, k={self.public_key}"
        if len(self._headers) >= _MAX_ORIGINS:
            self._headers.clear()
        self._headers[origin] = (expires, header, token)
        return header, token

    def _signed(self, origin: str, expires: int) -> str:
        claims = encode_base64(_encode({"aud": origin, "exp": expires, "sub": self._subject}))
        signed = f"{_HEADER}.{claims}"
        r, s = decode_dss_signature(_signature(self._key, signed.encode()))
        return f"{signed}.{encode_base64(r.to_bytes(32, 'big') + s.to_bytes(32, 'big'))}"


def _signature(key: EllipticCurvePrivateKey, data: bytes) -> bytes:
    """Without randomness where the machine's OpenSSL can (3.2 and later); else each node has a token of its own."""
    try:
        return key.sign(data, ECDSA(SHA256(), deterministic_signing=True))
    except UnsupportedAlgorithm:
        return key.sign(data, ECDSA(SHA256()))


def read_private_key(text: str) -> EllipticCurvePrivateKey | None:
    """A P-256 key in PEM form, as 32 bytes in base64url, or as the JSON that key generators print; None for anything else."""
    text = text.strip()
    if "-----BEGIN" in text:
        return _pem(text)
    if text.startswith("{"):
        with contextlib.suppress(msgspec.DecodeError, UnicodeError):
            text = msgspec.json.decode(text, type=_KeyFile).privateKey
    raw = decode_base64(text)
    if raw is None or len(raw) != 32:
        return None
    try:
        return derive_private_key(int.from_bytes(raw, "big"), SECP256R1())
    except ValueError:
        return None


class _KeyFile(msgspec.Struct):
    privateKey: str = ""


def _pem(text: str) -> EllipticCurvePrivateKey | None:
    try:
        key = load_pem_private_key(text.encode(), password=None)
    except (ValueError, TypeError, UnsupportedAlgorithm):
        return None
    return key if isinstance(key, EllipticCurvePrivateKey) and isinstance(key.curve, SECP256R1) else None


def subject_problem(subject: str) -> str:
    """What is wrong with a subject, "" when every push service takes it. One refuses ``localhost`` and missing subjects."""
    if subject.startswith("mailto:"):
        name, at, domain = subject.removeprefix("mailto:").strip("<>").rpartition("@")
        return "" if name and at and _is_public(domain) else "subject is not a mail address that others can write to"
    if subject.startswith("https://"):
        try:
            host = urlsplit(subject).hostname or ""
        except ValueError:
            host = ""
        return "" if _is_public(host) else "subject is not a public https address"
    return "subject is neither mailto: with an address nor an https:// address"


def _is_public(host: str) -> bool:
    with contextlib.suppress(ValueError):
        return ipaddress.ip_address(host).is_global
    labels = host.lower().split(".")
    return (
        len(labels) > 1
        and all(labels)
        and labels[-1] not in {"localhost", "local", "internal", "invalid"}
        and not any(c.isspace() for c in host)
    )
