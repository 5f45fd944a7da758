"""Secrets at rest: AES-256-GCM under a master key that lives in a file of its own, never in the database.

A sealed value is ``version (1) | key id (4) | nonce (12) | ciphertext and tag``. The context is authenticated with it,
so that a value copied into another app's or certificate's row does not open there. The key id tells "another key" from
"damaged", and both are told in words.
"""

from __future__ import annotations

import base64
import binascii
import contextlib
import hashlib
import os
import secrets
import stat
from pathlib import Path

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from .engine import Database, Query, StoreRefused, Tx
from .open import sqlite_path

KEY_FILE = "homing.key"
_KEY_BYTES = 32
_PREFIX = "homing-master-key-1:"
_VERSION = b"\x01"
_NONCE = 12
_HEAD = 1 + 4

_CANARY_APP = Query("sealing.canary_app", "SELECT sdkappid, secret_key_sealed FROM app ORDER BY sdkappid LIMIT 1")

RECOVERY = (
    "restore the key file from your backup (or name it with --master-key-file); without it, give every app its key again with "
    "`homing app set --secret-key` and every certificate its credentials with `homing cert set`"
)


class Sealer:
    """Seals and opens secrets with one master key."""

    __slots__ = ("_aead", "_key_id", "_path")

    def __init__(self, key: bytes, path: str = "") -> None:
        self._aead = AESGCM(key)
        self._key_id = hashlib.sha256(b"homing key id" + key).digest()[:4]
        self._path = path

    def __repr__(self) -> str:
        return f"Sealer({self._path!r})"

    def seal(self, plain: bytes, context: str) -> bytes:
        """Encrypt ``plain`` for this context alone."""
        nonce = secrets.token_bytes(_NONCE)
        return _VERSION + self._key_id + nonce + self._aead.encrypt(nonce, plain, context.encode())

    def open(self, sealed: bytes, context: str) -> bytes:
        """The plain value. Raises ``StoreRefused`` with a sentence when the key is another one or the value is damaged."""
        sealed = bytes(sealed)
        if len(sealed) < _HEAD + _NONCE or sealed[:1] != _VERSION:
            raise StoreRefused(f"The stored secret of {context} is damaged: restore the database from a backup, or store the secret again")
        if sealed[1:_HEAD] != self._key_id:
            raise StoreRefused(f"The master key {self._path} is not the one that sealed this database: {RECOVERY}")
        nonce, rest = sealed[_HEAD : _HEAD + _NONCE], sealed[_HEAD + _NONCE :]
        try:
            return self._aead.decrypt(nonce, rest, context.encode())
        except InvalidTag:
            raise StoreRefused(f"The stored secret of {context} is damaged or was copied from elsewhere: store that secret again") from None


def key_path(database_url: str, master_key_file: str) -> Path:
    """Where the master key lives: as named, or beside the SQLite file. Raises ``StoreRefused`` when it must be named."""
    if master_key_file:
        return Path(master_key_file)
    path = sqlite_path(database_url)
    if path is None:
        raise StoreRefused("With PostgreSQL the master key must be named: pass --master-key-file PATH or set HOMING_MASTER_KEY_FILE")
    return Path(path).parent / KEY_FILE


def read_key(path: Path) -> bytes | None:
    """The key in a file, or None when there is no file. Raises ``StoreRefused`` when it cannot be used."""
    try:
        text = path.read_text(encoding="ascii").strip()
    except FileNotFoundError:
        return None
    except UnicodeDecodeError:
        raise _not_a_key(path) from None
    except OSError as error:
        raise StoreRefused(f"The master key {path} cannot be read ({error.strerror}): make it readable for this user") from error
    if not text.startswith(_PREFIX):
        raise _not_a_key(path)
    try:
        key = base64.b64decode(text.removeprefix(_PREFIX), validate=True)
    except binascii.Error:
        raise _not_a_key(path) from None
    if len(key) != _KEY_BYTES:
        raise _not_a_key(path)
    return key


def _not_a_key(path: Path) -> StoreRefused:
    return StoreRefused(f"The file {path} is not a Homing master key: {RECOVERY}")


def make_key(path: Path) -> bytes:
    """Make a key file, readable for this user alone. When another process was first, its key is taken.

    The file appears complete or not at all: it is written under another name and linked into place.
    """
    key = secrets.token_bytes(_KEY_BYTES)
    draft = path.with_name(f".{path.name}.{secrets.token_hex(6)}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(handle, "w", encoding="ascii") as file:
            file.write(_PREFIX + base64.b64encode(key).decode() + "\n")
            file.flush()
            os.fsync(file.fileno())
        with contextlib.suppress(FileExistsError):
            os.link(draft, path)
    except OSError as error:
        raise StoreRefused(
            f"The master key {path} cannot be made ({error.strerror}): name a writable place with --master-key-file"
        ) from error
    finally:
        draft.unlink(missing_ok=True)
    made = read_key(path)
    if made is None:
        raise StoreRefused(f"The master key {path} vanished while it was made: name another place with --master-key-file")
    return made


def is_exposed(path: Path) -> bool:
    """Whether other users of this machine may read the key."""
    return bool(path.stat().st_mode & (stat.S_IRGRP | stat.S_IROTH))


async def open_sealer(database: Database, path: Path, *, replacing: bool = False) -> Sealer:
    """The sealer of a database. The key is made on first use only: a database that holds secrets needs the key that sealed them.

    ``replacing`` is for the commands that store a secret again after the key was lost: they may go on with a new key.
    Raises ``StoreRefused`` when the key is missing, unreadable or another one.
    """

    async def canary(tx: Tx) -> tuple[int, bytes] | None:
        row = await tx.fetch_one(_CANARY_APP)
        return None if row is None else (row[0], bytes(row[1]))

    sealed = await database.read(canary)
    key = read_key(path)
    if key is None:
        if sealed is not None and not replacing:
            raise StoreRefused(f"The master key {path} is missing, and this database holds secrets sealed with it: {RECOVERY}")
        key = make_key(path)
    sealer = Sealer(key, str(path))
    if sealed is not None and not replacing:
        sealer.open(sealed[1], app_context(sealed[0]))
    return sealer


def app_context(sdkappid: int) -> str:
    """What an app's secret key is bound to."""
    return f"app {sdkappid}"


def certificate_context(sdkappid: int, business_id: int, channel: str) -> str:
    """What a certificate's credentials are bound to."""
    return f"certificate {business_id} ({channel}) of app {sdkappid}"


def previous_key_context(sdkappid: int) -> str:
    """What the key before an app's present one is bound to."""
    return f"previous key of app {sdkappid}"


def webhook_context(sdkappid: int) -> str:
    """What the token that signs an app's callbacks is bound to."""
    return f"webhook token of app {sdkappid}"


def grant_context(sdkappid: int, business_id: int) -> str:
    """What a vendor log-in token is bound to."""
    return f"log-in token of certificate {business_id} of app {sdkappid}"
