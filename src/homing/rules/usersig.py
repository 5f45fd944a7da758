"""UserSig (TLSSigAPIv2): a signed statement that an app vouches for a UserID until a time (usersig sheet, sections 2 and 3).

The secret key is used as plain ASCII bytes, never hex-decoded. Verification recomputes the signature from the decoded
values, because generators differ in field order and white space of the JSON inside.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import json
import zlib
from urllib.parse import unquote

import msgspec

from homing.model.apps import App
from homing.model.problems import (
    USERSIG_EMPTY,
    USERSIG_EXPIRED,
    USERSIG_MALFORMED,
    USERSIG_OTHER_APP,
    USERSIG_OTHER_USER,
    USERSIG_WRONG_KEY,
    Problem,
)

DEFAULT_EXPIRE_SECONDS = 15_552_000  # 180 days, the original product's default
MAX_USERSIG_CHARS = 8192  # a real one has about 200; the rest is somebody trying
MAX_JSON_BYTES = 16 * 1024  # stops decompression bombs
MAX_INTEGER = 2**53

_TO_URL = str.maketrans("+/=", "*-_")
_FROM_URL = str.maketrans("*-_", "+/=")


class UserSig(msgspec.Struct, frozen=True):
    """A UserSig that passed every check."""

    sdkappid: int
    user_id: str
    issued_at: int  # unix seconds; compared with the account's ``valid_from`` after a kick
    expire_seconds: int
    userbuf: bytes | None = None  # room permission of the RTC product; kept, not used

    @property
    def expires_at(self) -> int:
        """The last unix second in which it is valid."""
        return self.issued_at + self.expire_seconds


class _Document(msgspec.Struct):
    """The JSON inside. Some older generators write numbers as strings."""

    identifier: str = msgspec.field(name="TLS.identifier")
    sdkappid: int | str = msgspec.field(name="TLS.sdkappid")
    issued_at: int | str = msgspec.field(name="TLS.time")
    expire: int | str = msgspec.field(name="TLS.expire")
    sig: str = msgspec.field(name="TLS.sig")
    userbuf: str | None = msgspec.field(name="TLS.userbuf", default=None)


_DECODER = msgspec.json.Decoder(_Document)


def sign(
    sdkappid: int,
    user_id: str,
    secret_key: str,
    now: int,
    expire_seconds: int = DEFAULT_EXPIRE_SECONDS,
    userbuf: bytes | None = None,
) -> str:
    """A UserSig for ``user_id``, issued at unix second ``now``, in the published layout (usersig sheet, section 2)."""
    userbuf_text = None if userbuf is None else base64.b64encode(userbuf).decode()
    document: dict[str, str | int] = {
        "TLS.ver": "2.0",
        "TLS.identifier": user_id,
        "TLS.sdkappid": sdkappid,
        "TLS.expire": expire_seconds,
        "TLS.time": now,
    }
    if userbuf_text is not None:
        document["TLS.userbuf"] = userbuf_text
    digest = _signature(secret_key, user_id, sdkappid, now, expire_seconds, userbuf_text)
    document["TLS.sig"] = base64.b64encode(digest).decode()
    packed = zlib.compress(json.dumps(document).encode())
    return base64.b64encode(packed).decode().translate(_TO_URL)


def verify_for(app: App, usersig: str, user_id: str, now_ms: int) -> UserSig | Problem:
    """``verify`` with the app's key, or with the one before it while that is still good."""
    result = verify(usersig, app.sdkappid, user_id, app.secret_key, now_ms // 1000)
    if result is USERSIG_WRONG_KEY and app.previous_key and now_ms < app.previous_key_until_ms:
        return verify(usersig, app.sdkappid, user_id, app.previous_key, now_ms // 1000)
    return result


def verify(usersig: str, sdkappid: int, user_id: str, secret_key: str, now: int) -> UserSig | Problem:
    """The verified UserSig, or the first problem in the order of the usersig sheet, section 3. Never raises.

    ``now`` is in unix seconds. Whether it was revoked by a kick is the caller's check, on ``issued_at``.
    """
    if not usersig:
        return USERSIG_EMPTY
    parsed = _parse(usersig)
    if parsed is None:
        return USERSIG_MALFORMED
    result, userbuf_text, signature = parsed
    if result.sdkappid != sdkappid:
        return USERSIG_OTHER_APP
    if result.user_id != user_id:
        return USERSIG_OTHER_USER
    expected = _signature(secret_key, result.user_id, result.sdkappid, result.issued_at, result.expire_seconds, userbuf_text)
    # An app without a key must not accept what anybody can sign with the empty key.
    if not hmac.compare_digest(signature, expected) or not secret_key:
        return USERSIG_WRONG_KEY
    if result.expires_at < now:
        return USERSIG_EXPIRED
    return result


def _signature(secret_key: str, user_id: str, sdkappid: int, issued_at: int, expire: int, userbuf: str | None) -> bytes:
    text = f"TLS.identifier:{user_id}\nTLS.sdkappid:{sdkappid}\nTLS.time:{issued_at}\nTLS.expire:{expire}\n"
    if userbuf is not None:
        text += f"TLS.userbuf:{userbuf}\n"
    key = secret_key.encode("utf-8", "surrogatepass")
    return hmac.digest(key, text.encode("utf-8", "surrogatepass"), hashlib.sha256)


def _parse(usersig: str) -> tuple[UserSig, str | None, bytes] | None:
    """What stands in a UserSig, with the userbuf as it was signed and the signature; None when it is not one."""
    if len(usersig) > MAX_USERSIG_CHARS:
        return None
    if "%" in usersig:
        usersig = unquote(usersig)  # clients may send it URL-encoded once more
    try:
        packed = binascii.a2b_base64(usersig.strip().translate(_FROM_URL).encode("ascii"), strict_mode=True)
        document = _DECODER.decode(_decompress(packed))
        signature = binascii.a2b_base64(document.sig.encode("ascii"), strict_mode=True)
        userbuf = None if document.userbuf is None else binascii.a2b_base64(document.userbuf.encode("ascii"), strict_mode=True)
        numbers = _integer(document.sdkappid), _integer(document.issued_at), _integer(document.expire)
    except (ValueError, zlib.error, msgspec.MsgspecError, RecursionError):
        return None
    sdkappid, issued_at, expire = numbers
    return UserSig(sdkappid, document.identifier, issued_at, expire, userbuf), document.userbuf, signature


def _decompress(packed: bytes) -> bytes:
    unpacker = zlib.decompressobj()
    plain = unpacker.decompress(packed, MAX_JSON_BYTES)
    if not unpacker.eof or unpacker.unused_data:
        raise ValueError("truncated, too large or followed by something else")
    return plain


def _integer(value: int | str) -> int:
    if isinstance(value, str):
        if not value.isascii() or not value.isdigit() or len(value) > 16:
            raise ValueError("not an integer")
        value = int(value)
    if not 0 <= value <= MAX_INTEGER:
        raise ValueError("out of range")
    return value
