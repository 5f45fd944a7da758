"""What a browser and its push service do with keys: decrypt a message, verify a VAPID header (vendor sheet webpush, 3 and 4)."""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
from dataclasses import dataclass
from typing import Any, Final

import jwt
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

MAX_LIFE_SECONDS: Final = 86_400
_POINT_BYTES: Final = 65


class CannotDecrypt(Exception):
    """The browser drops such a message; the text says why."""


class BadVapid(Exception):
    """The push service refuses the header; the text says why."""


@dataclass(frozen=True, slots=True)
class Vapid:
    """A verified VAPID header: the sender's public key, its claims, the token itself."""

    key: str
    claims: dict[str, Any]
    token: str


def b64(data: bytes) -> str:
    """Base64url without padding."""
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def unb64(text: str) -> bytes:
    """The bytes of base64url text without padding. Raises ValueError."""
    try:
        return base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
    except binascii.Error as error:
        raise ValueError(str(error)) from None


def public_point(key: ec.EllipticCurvePrivateKey) -> bytes:
    """The uncompressed point of a key's public half."""
    return key.public_key().public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)


def decrypt(body: bytes, key: ec.EllipticCurvePrivateKey, auth: bytes) -> bytes:
    """The plaintext of a body in the aes128gcm coding with one record. Raises CannotDecrypt."""
    if len(body) < 21 or body[20] != _POINT_BYTES or len(body) < 21 + _POINT_BYTES:
        raise CannotDecrypt("the header is not salt, record size, 65 and the sender's key")
    salt, record_size = body[:16], int.from_bytes(body[16:20], "big")
    sender, sealed = body[21 : 21 + _POINT_BYTES], body[21 + _POINT_BYTES :]
    if record_size < 18 or len(sealed) > record_size:
        raise CannotDecrypt(f"a record of {len(sealed)} bytes does not fit the record size {record_size}")
    try:
        sender_key = ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), sender)
    except ValueError:
        raise CannotDecrypt("the sender's key is no point of the curve") from None
    shared = key.exchange(ec.ECDH(), sender_key)
    material = _expand(_extract(auth, shared), b"WebPush: info\x00" + public_point(key) + sender, 32)
    secret = _extract(salt, material)
    content_key, nonce = _expand(secret, b"Content-Encoding: aes128gcm\x00", 16), _expand(secret, b"Content-Encoding: nonce\x00", 12)
    try:
        padded = AESGCM(content_key).decrypt(nonce, sealed, None)
    except (InvalidTag, ValueError):
        raise CannotDecrypt("the message is not for this subscription") from None
    plain = padded.rstrip(b"\x00")
    if not plain.endswith(b"\x02"):
        raise CannotDecrypt("the last record does not end with the delimiter 2")
    return plain[:-1]


def _extract(salt: bytes, material: bytes) -> bytes:
    return hmac.new(salt, material, hashlib.sha256).digest()


def _expand(secret: bytes, info: bytes, length: int) -> bytes:
    """HKDF-Expand for up to 32 bytes: its first block."""
    return hmac.new(secret, info + b"\x01", hashlib.sha256).digest()[:length]


def read_vapid(header: str, audience: str, now: int) -> Vapid:
    """The verified sender of a push. ``now`` in seconds. Raises BadVapid."""
    scheme, _, rest = header.partition(" ")
    if scheme.lower() != "vapid":
        raise BadVapid("the Authorization header must be vapid t=…, k=…")
    fields = dict(part.strip().partition("=")[::2] for part in rest.split(","))
    token, key = fields.get("t", ""), fields.get("k", "")
    claims = _verified(token, key)
    if claims.get("aud") != audience:
        raise BadVapid(f"aud must be {audience}")
    expires = claims.get("exp")
    if not isinstance(expires, int) or isinstance(expires, bool):
        raise BadVapid("exp must be seconds since 1970")
    if expires <= now:
        raise BadVapid("the token has expired")
    if expires > now + MAX_LIFE_SECONDS:
        raise BadVapid("exp lies more than 24 hours ahead")
    return Vapid(key, claims, token)


def _verified(token: str, key: str) -> dict[str, Any]:
    try:
        public = ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), unb64(key))
    except ValueError:
        raise BadVapid("k is not a P-256 public key in base64url") from None
    unchecked = {"verify_aud": False, "verify_exp": False, "verify_iat": False, "verify_nbf": False, "verify_sub": False}
    try:
        claims: dict[str, Any] = jwt.decode(token, public, algorithms=["ES256"], options=unchecked)  # type: ignore[arg-type]
    except jwt.PyJWTError:
        raise BadVapid("t is not a JWT that k signed with ES256") from None
    return claims
