"""The bytes of uploads in a local folder. Everything here blocks: call it in a thread.

Each upload has a folder of its own, ``<sdkappid>/<first two letters>/<name>/``, and its bytes are in the file that is named
after their SHA-256. So two attempts at one upload never mix, and deleting an upload never touches another.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import re
import secrets
import shutil
import threading
from pathlib import Path
from typing import BinaryIO

_NAME = re.compile(r"[A-Za-z0-9_-]{43}")
_DIGEST = re.compile(r"[0-9a-f]{64}")


def new_name() -> str:
    """A name that cannot be guessed: 256 random bits."""
    return secrets.token_urlsafe(32)


def is_name(text: str) -> bool:
    """Whether this can be the name of an upload. Nothing else ever becomes a part of a path."""
    return _NAME.fullmatch(text) is not None


def is_digest(text: str) -> bool:
    """Whether this is a SHA-256 in hex, lower case."""
    return _DIGEST.fullmatch(text) is not None


class MediaFiles:
    """A folder of uploads."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def path(self, sdkappid: int, name: str, sha256: str) -> Path:
        """Where the bytes are. Raises ``ValueError`` for what is no name or no digest."""
        if not is_digest(sha256):
            raise ValueError("no SHA-256")
        return self._place(sdkappid, name) / sha256

    def incoming(self, sdkappid: int, name: str) -> Incoming:
        """A file to write; nothing is done yet."""
        return Incoming(self._place(sdkappid, name))

    def remove(self, keys: list[tuple[int, str]]) -> list[tuple[int, str]]:
        """Delete uploads. Returns those that are gone, also when they had been before."""
        gone = []
        for sdkappid, name in keys:
            place = self._place(sdkappid, name)
            with contextlib.suppress(OSError):
                if place.exists():
                    shutil.rmtree(place)
                gone.append((sdkappid, name))
        return gone

    def _place(self, sdkappid: int, name: str) -> Path:
        if not is_name(name):
            raise ValueError("no name of an upload")
        return self._folder / f"{sdkappid:d}" / name[:2] / name


class Incoming:
    """A file that is being written beside its final place.

    Whoever waits for a thread may be called off while the thread goes on: so ``discard`` waits for it, and ends all that comes later.
    """

    def __init__(self, place: Path) -> None:
        self._place = place
        self._temporary = place / f"{secrets.token_hex(8)}.part"
        self._file: BinaryIO | None = None
        self._hash = hashlib.sha256()
        self._lock = threading.Lock()
        self._discarded = False

    def write(self, data: bytes | bytearray) -> None:
        """Append. Raises ``OSError``."""
        with self._lock:
            if self._discarded:
                return
            if self._file is None:
                self._place.mkdir(mode=0o700, parents=True, exist_ok=True)
                self._file = self._temporary.open("xb")
            self._file.write(data)
            self._hash.update(data)

    def keep(self) -> None:
        """Everything was written: bring it to the disk and give it its final name, at once. Raises ``OSError``."""
        with self._lock:
            if self._discarded or self._file is None:
                return
            self._file.flush()
            os.fsync(self._file.fileno())
            os.replace(self._temporary, self._place / self.sha256)
        folder = os.open(self._place, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)

    @property
    def sha256(self) -> str:
        """Of what was written, in hex."""
        return self._hash.hexdigest()

    def discard(self) -> None:
        """Delete what was written, unless it was kept."""
        with self._lock:
            self._discarded = True
            if self._file is not None:
                self._file.close()
            with contextlib.suppress(OSError):
                self._temporary.unlink(missing_ok=True)
