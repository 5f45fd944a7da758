"""Who may push to what: Apple's teams, keys and certificates, and what a connection is bound to (vendor sheet apns, section 2)."""

from __future__ import annotations

import hashlib
import math
import re
import secrets
from collections import OrderedDict
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

import jwt
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

from ..base import ConnectionState, SandboxClock

_LETTERS: Final = "ABCDEFGHJKLMNPQRSTUVWXYZ23456789"
_JWT_MAX_AGE_SECONDS: Final = 3600
_JWT_FUTURE_SECONDS: Final = 60  # a clock may be a little ahead
_UPDATE_SECONDS: Final = 20 * 60
_MAX_VERIFIED: Final = 10_000
_MARKS: Final = {"sandbox": "1.2.840.113635.100.6.3.1", "production": "1.2.840.113635.100.6.3.2"}
_TOPICS_MARK: Final = "1.2.840.113635.100.6.3.6"
_BEARER: Final = re.compile(r"bearer +(\S+) *", re.IGNORECASE)


class Refusal(Exception):
    """Apple's no: status and reason."""

    def __init__(self, status: int, reason: str) -> None:
        super().__init__(reason)
        self.status, self.reason = status, reason


def ten_characters() -> str:
    """A key id or team id."""
    return "".join(secrets.choice(_LETTERS) for _ in range(10))


@dataclass(frozen=True, slots=True, repr=False)
class AppleApp:
    """One bundle id with the key that its team made for it."""

    bundle_id: str
    team_id: str
    key_id: str
    key: ec.EllipticCurvePrivateKey
    topic_key: bool = False  # the key is for this topic alone, not for the whole team
    key_environment: str | None = None  # None: both, as keys made before 2025

    @classmethod
    def make(cls, bundle_id: str, settings: dict[str, Any]) -> AppleApp:
        """A new app. ``settings``: ``team_id``, ``key_scope`` ("team" or "topic"), ``key_environment``."""
        return cls(
            bundle_id,
            str(settings.get("team_id") or ten_characters()),
            ten_characters(),
            ec.generate_private_key(ec.SECP256R1()),
            settings.get("key_scope") == "topic",
            settings.get("key_environment"),
        )

    @property
    def p8(self) -> str:
        """The .p8 file."""
        return self.key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()


@dataclass(frozen=True, slots=True)
class _Verified:
    """A provider token whose signature is right."""

    app: AppleApp
    issued_at: int


class ProviderTokens:
    """Checks ``authorization`` headers, and what a connection may do with them."""

    def __init__(self, clock: SandboxClock, apps: dict[str, AppleApp]) -> None:
        self._clock, self._apps = clock, apps
        self._verified: OrderedDict[bytes, _Verified] = OrderedDict()

    def check(self, header: str | None, topic: str, environment: str, connection: ConnectionState) -> None:
        """Raises Refusal unless this token may push to this topic on this connection."""
        if not header:
            raise Refusal(403, "MissingProviderToken")
        match = _BEARER.fullmatch(header)
        if match is None:
            raise Refusal(403, "InvalidProviderToken")
        digest = hashlib.sha256(match[1].encode()).digest()
        verified = self._verify(match[1], digest)
        self._check_age(verified)
        self._check_updates(digest, connection)
        self._check_key(verified.app, topic, environment, connection)

    def _verify(self, token: str, digest: bytes) -> _Verified:
        known = self._verified.get(digest)
        if known is None:
            known = self._verified[digest] = self._read(token)
            if len(self._verified) > _MAX_VERIFIED:
                self._verified.popitem(last=False)
        return known

    def _read(self, token: str) -> _Verified:
        """ES256, a known key id, the signature, the team of that key, a number of seconds."""
        invalid = Refusal(403, "InvalidProviderToken")
        checks = {f"verify_{name}": False for name in ("exp", "iat", "nbf", "aud", "iss", "sub", "jti")}
        try:
            header = jwt.get_unverified_header(token)
            app = next((app for app in self._apps.values() if app.key_id == header.get("kid")), None)
            if header.get("alg") != "ES256" or app is None:
                raise invalid
            claims = jwt.decode(token, app.key.public_key(), algorithms=["ES256"], options=checks)  # type: ignore[arg-type]
        except (jwt.PyJWTError, ValueError):
            raise invalid from None
        issued_at = _seconds(claims.get("iat"))
        if claims.get("iss") != app.team_id or issued_at is None:
            raise invalid
        return _Verified(app, issued_at)

    def _check_age(self, verified: _Verified) -> None:
        now = self._clock.now_ms() // 1000
        if verified.issued_at > now + _JWT_FUTURE_SECONDS:
            raise Refusal(403, "InvalidProviderToken")
        if verified.issued_at < now - _JWT_MAX_AGE_SECONDS:
            raise Refusal(403, "ExpiredProviderToken")

    def _check_updates(self, digest: bytes, connection: ConnectionState) -> None:
        """More than one new token within 20 minutes on a connection spoils it until the time is over (section 2.1)."""
        now, values = self._clock.monotonic(), connection.values
        current: bytes | None = values.get("apns_token")
        if now < values.get("apns_spoilt_until", now):
            raise Refusal(429, "TooManyProviderTokenUpdates")
        if current == digest:
            return
        if current is not None:
            if now - values.get("apns_updated_at", now - _UPDATE_SECONDS) < _UPDATE_SECONDS:
                values["apns_spoilt_until"] = now + _UPDATE_SECONDS
                raise Refusal(429, "TooManyProviderTokenUpdates")
            values["apns_updated_at"] = now
        values["apns_token"] = digest

    def _check_key(self, app: AppleApp, topic: str, environment: str, connection: ConnectionState) -> None:
        """The first push binds the connection to a team and to the kind of its key."""
        if app.key_environment not in (None, environment):
            raise Refusal(403, "BadEnvironmentKeyIdInToken")
        team, family = connection.values.setdefault("apns_binding", (app.team_id, app.key_id if app.topic_key else None))
        if team != app.team_id:
            raise Refusal(403, "InvalidProviderToken")
        if family != (app.key_id if app.topic_key else None):
            raise Refusal(403, "UnrelatedKeyIdInToken")
        owner = self._apps.get(topic)
        if owner is None or owner.team_id != app.team_id or (app.topic_key and topic != app.bundle_id):
            raise Refusal(400, "TopicDisallowed")


def _seconds(value: Any) -> int | None:
    """``iat`` as a whole number. Clients in wide use send fractions (PyAPNs2) or a text of digits (kalyke), and Apple takes both."""
    if isinstance(value, str) and value.isascii() and value.isdigit() and len(value) <= 20:
        return int(value)
    return int(value) if isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value) else None


@dataclass(frozen=True, slots=True)
class PushCertificate:
    """What Apple reads out of a client certificate (section 2.2)."""

    bundle_id: str
    environments: frozenset[str]
    topics: tuple[str, ...]

    def check(self, topic: str, environment: str, *, voip: bool = False) -> None:
        """Raises Refusal unless it may push to this topic here. A VoIP Services certificate names the topic with its suffix alone."""
        if environment not in self.environments:
            raise Refusal(403, "BadCertificateEnvironment")
        if topic not in self.topics and not (voip and f"{topic}.voip" in self.topics):
            raise Refusal(400, "TopicDisallowed")


def read_certificate(der: bytes) -> PushCertificate:
    """Raises Refusal when it is no push certificate."""
    try:
        certificate = x509.load_der_x509_certificate(der)
        names = certificate.subject.get_attributes_for_oid(NameOID.USER_ID)
        marks = {e.oid.dotted_string: e.value.public_bytes() for e in certificate.extensions}
    except ValueError:
        raise Refusal(403, "BadCertificate") from None
    environments = frozenset(name for name, oid in _MARKS.items() if oid in marks)
    if not names or not environments:
        raise Refusal(403, "BadCertificate")
    bundle_id = str(names[0].value)
    listed = tuple(_utf8_strings(marks.get(_TOPICS_MARK, b"")))
    return PushCertificate(bundle_id, environments, tuple(dict.fromkeys((bundle_id, *listed))))


def _utf8_strings(der: bytes) -> Iterator[str]:
    """The UTF8Strings of a SEQUENCE; other members are passed over."""
    body = _value(der, 0)[0] if der else b""
    position = 0
    while position < len(body):
        tag = body[position]
        value, position = _value(body, position)
        if tag == 0x0C:
            yield value.decode("utf-8", "replace")


def _value(der: bytes, position: int) -> tuple[bytes, int]:
    """Contents of the element at a position, and where the next one is."""
    size, start = der[position + 1] if position + 1 < len(der) else 0, position + 2
    if size & 0x80:
        width = size & 0x7F
        size, start = int.from_bytes(der[start : start + width], "big"), start + width
    return der[start : start + size], start + size
