"""Message encryption for Web Push: RFC 8291 on the aes128gcm coding of RFC 8188 (vendor sheet webpush, section 4)."""

from __future__ import annotations

import base64
import binascii
from typing import Final

import msgspec
from cryptography.hazmat.primitives.asymmetric.ec import (
    ECDH,
    SECP256R1,
    EllipticCurvePrivateKey,
    EllipticCurvePublicKey,
    derive_private_key,
)
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

MAX_BODY_BYTES: Final = 4096
SALT_BYTES: Final = 16
#: Random bytes for a private key: so many more than the curve's 32 that no key is likelier than another.
KEY_BYTES: Final = 48
_HEADER_BYTES: Final = SALT_BYTES + 4 + 1 + 65
_DELIMITER: Final = b"\x02"  # of the last record; there is only one
_TAG_BYTES: Final = 16
MAX_PLAINTEXT_BYTES: Final = MAX_BODY_BYTES - _HEADER_BYTES - len(_DELIMITER) - _TAG_BYTES
_CURVE_ORDER: Final = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551


class Keys(msgspec.Struct, frozen=True):
    """The keys of a subscription: the browser's public key and its authentication secret."""

    public: EllipticCurvePublicKey
    auth: bytes

    def __repr__(self) -> str:
        return "Keys(...)"


def read_keys(p256dh: str, auth: str) -> Keys | None:
    """The keys out of their base64 texts; None where the point is not on the curve or the secret has another length."""
    point, secret = decode_base64(p256dh), decode_base64(auth)
    if point is None or secret is None or len(secret) != 16 or len(point) != 65:
        return None
    try:
        return Keys(EllipticCurvePublicKey.from_encoded_point(SECP256R1(), point), secret)
    except ValueError:
        return None


def decode_base64(text: str) -> bytes | None:
    """Bytes of base64url; padded and standard base64 are taken too, as some clients write them. None for anything else."""
    plain = text.strip().rstrip("=").replace("+", "-").replace("/", "_")
    try:
        return base64.b64decode(plain + "=" * (-len(plain) % 4), altchars=b"-_", validate=True)
    except (binascii.Error, ValueError):
        return None


def encode_base64(data: bytes) -> str:
    """Base64url without padding."""
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def private_key(random: bytes) -> EllipticCurvePrivateKey:
    """A P-256 key out of ``KEY_BYTES`` random bytes."""
    return derive_private_key(int.from_bytes(random, "big") % (_CURVE_ORDER - 1) + 1, SECP256R1())


def point(key: EllipticCurvePublicKey) -> bytes:
    """A public key as its uncompressed point, 65 bytes."""
    return key.public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)


def encrypt(plaintext: bytes, keys: Keys, sender: EllipticCurvePrivateKey, salt: bytes) -> bytes:
    """The body of a push message. ``sender`` and ``salt`` belong to this message alone: with a pair used twice it can be read."""
    receiver_point, sender_point = point(keys.public), point(sender.public_key())
    shared = sender.exchange(ECDH(), keys.public)
    material = _hkdf(keys.auth, shared, b"WebPush: info\x00" + receiver_point + sender_point, 32)
    content_key = _hkdf(salt, material, b"Content-Encoding: aes128gcm\x00", 16)
    nonce = _hkdf(salt, material, b"Content-Encoding: nonce\x00", 12)
    sealed = AESGCM(content_key).encrypt(nonce, plaintext + _DELIMITER, None)
    return salt + MAX_BODY_BYTES.to_bytes(4, "big") + bytes([len(sender_point)]) + sender_point + sealed


def _hkdf(salt: bytes, material: bytes, info: bytes, length: int) -> bytes:
    return HKDF(SHA256(), length, salt, info).derive(material)
