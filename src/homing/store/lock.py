"""One server on one SQLite file: a lock that the kernel releases when the process dies."""

from __future__ import annotations

import fcntl
import os
from pathlib import Path

from .engine import StoreRefused


class FileLock:
    """Held from ``take`` until ``release`` or the end of the process. Command-line tools do not take it."""

    def __init__(self, database_path: str) -> None:
        self._path = Path(f"{database_path}.lock")
        self._fd: int | None = None

    def take(self) -> None:
        """Raises ``StoreRefused`` when another server holds it."""
        try:
            fd = os.open(self._path, os.O_RDWR | os.O_CREAT, 0o600)
        except OSError as error:
            raise StoreRefused(
                f"The folder of {self._path} cannot be written ({error.strerror}): make it writable for this user"
            ) from error
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            os.close(fd)
            name = str(self._path).removesuffix(".lock")
            raise StoreRefused(
                f"Another server is running on {name}: stop it, name another file with --database, or use PostgreSQL for several servers"
            ) from None
        os.ftruncate(fd, 0)
        os.write(fd, f"{os.getpid()}\n".encode())
        self._fd = fd

    def release(self) -> None:
        """Let another server have it."""
        if self._fd is not None:
            os.close(self._fd)
            self._fd = None
