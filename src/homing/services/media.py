"""Uploads: who may upload what, taking the bytes, finding them again, and deleting them when their time is over."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from pathlib import Path

import msgspec
import structlog

from homing.model.clock import Clock
from homing.model.devices import Device
from homing.model.problems import (
    BAD_PARAMETER,
    MEDIA_BUSY,
    MEDIA_DAY_FULL,
    MEDIA_DIFFERS,
    MEDIA_DONE,
    MEDIA_OFF,
    MEDIA_TOO_LARGE,
    MEDIA_UNKNOWN,
    TOO_FAST,
    Refused,
)
from homing.store.engine import Database, Tx
from homing.store.media import MediaRow, add_media, complete_media, delete_media, expired_media, fetch_media, used_media
from homing.store.media_files import Incoming, MediaFiles, is_digest, is_name, new_name
from homing.store.messages import lock_accounts

from .media_bucket import Bucket

log = structlog.get_logger()

MIB = 1024 * 1024
DAY_MS = 86_400_000
UPLOAD_MS = 3_600_000  # from the question to the bytes
#: How slowly bytes may come before they stand in the way of other uploads.
SLOWEST_BYTES_PER_SECOND = 16 * 1024
FIRST_SECONDS = 30.0
LONGEST_SECONDS = 1800.0
#: Bytes stay this long after their time, for downloads and uploads that are under way.
GRACE_MS = UPLOAD_MS
MAX_UPLOADS = 64  # of one process at the same time
MAX_UPLOADS_OF_DEVICE = 4
MAX_DAILY_UPLOADS = 2000  # of one account
WRITE_BYTES = 512 * 1024


class Wanted(msgspec.Struct, frozen=True):
    """What somebody wants to upload. ``size`` in bytes; ``sha256`` in hex, or empty."""

    size: int
    content_type: str
    file_name: str
    sha256: str


class Found(msgspec.Struct, frozen=True):
    """An upload that can be downloaded."""

    path: Path | None  # None: in the bucket
    row: MediaRow


class Media:
    """The uploads of every app. ``files``: None where the server takes none."""

    def __init__(
        self,
        *,
        database: Database,
        clock: Clock,
        files: MediaFiles | None,
        max_mb: int,
        daily_mb: int,
        keep_days: int,
        public_url: str = "",
        bucket: Bucket | None = None,
    ) -> None:
        self.public_url = public_url.rstrip("/")
        self._database = database
        self._clock = clock
        self._files = files
        self.bucket = bucket  # takes the place of files
        self._max_bytes = max_mb * MIB
        self._daily_bytes = daily_mb * MIB
        self._keep_ms = keep_days * DAY_MS
        self._running: Counter[int] = Counter()  # uploads by device

    async def ask(self, device: Device, wanted: Wanted) -> tuple[str, MediaRow]:
        """Permission to upload, for an hour. Returns the name. Raises ``Refused``."""
        if self.bucket is None:
            self._have_files()
        if wanted.size < 1:
            raise Refused(BAD_PARAMETER, "$.size: it is the number of bytes, at least 1")
        if wanted.size > self._max_bytes:
            raise Refused(MEDIA_TOO_LARGE, f"$.size: at most {self._max_bytes} bytes")
        if wanted.sha256 and not is_digest(wanted.sha256):
            raise Refused(BAD_PARAMETER, "$.sha256: it is not a SHA-256 in lower-case hexadecimal")
        now_ms, name = self._clock.now_ms(), new_name()
        row = MediaRow(device.user_id, wanted.size, wanted.content_type, wanted.file_name, wanted.sha256, False, now_ms + UPLOAD_MS)

        async def work(tx: Tx) -> None:
            await lock_accounts(tx, [(device.sdkappid, device.user_id)])
            uploads, used = await used_media(tx, device.sdkappid, device.user_id, now_ms - DAY_MS)
            if used + wanted.size > self._daily_bytes or uploads >= MAX_DAILY_UPLOADS:
                raise Refused(MEDIA_DAY_FULL)
            await add_media(tx, device.sdkappid, name, row, now_ms)
            if self.bucket is not None:  # nobody will say that the bytes came: until then the bucket itself answers that it has none
                await complete_media(tx, device.sdkappid, name, row.sha256, now_ms + self._keep_ms)

        await self._database.write(work)
        return name, row

    async def take(self, device: Device, name: str, length: int | None, body: AsyncIterator[bytes]) -> None:
        """Take the bytes of an upload that this account asked for. ``length``: what the request announces. Raises ``Refused``."""
        files = self._have_files()
        row = await self._row(device.sdkappid, name)
        if row is None or row.user_id != device.user_id:
            raise Refused(MEDIA_UNKNOWN)
        if row.complete:
            raise Refused(MEDIA_DONE)
        if length is not None and length != row.size:
            raise Refused(MEDIA_DIFFERS, f"Content-Length is {length}, and {row.size} bytes were announced")
        if self._running[device.device_id] >= MAX_UPLOADS_OF_DEVICE or self._running.total() >= MAX_UPLOADS:
            raise Refused(MEDIA_BUSY)
        self._running[device.device_id] += 1
        seconds = min(LONGEST_SECONDS, FIRST_SECONDS + row.size / SLOWEST_BYTES_PER_SECOND)
        try:
            async with asyncio.timeout(seconds):
                await self._receive(files, device.sdkappid, name, row, body)
        except TimeoutError:
            raise Refused(MEDIA_DIFFERS, f"they did not arrive within {seconds:.0f} seconds") from None
        except OSError as error:
            log.error("upload_not_written", why=str(error.strerror or error))
            raise Refused(TOO_FAST, "the upload cannot be written") from None
        finally:
            self._running[device.device_id] -= 1
            if not self._running[device.device_id]:
                del self._running[device.device_id]

    async def find(self, sdkappid: int, name: str) -> Found | None:
        """An upload that is complete and has not expired."""
        row = await self._row(sdkappid, name)
        if row is None or not row.complete:
            return None
        if self.bucket is not None:
            return Found(None, row)
        if self._files is None:
            return None
        return Found(self._files.path(sdkappid, name, row.sha256), row)

    async def sweep(self, limit: int) -> int:
        """Delete the oldest of what expired, bytes first. Returns how many."""
        if self.bucket is None and self._files is None:
            return 0
        before_ms = self._clock.now_ms() - GRACE_MS
        expired = await self._database.read(lambda tx: expired_media(tx, before_ms, limit))
        if not expired:
            return 0
        gone = await self._remove(expired)
        if len(gone) < len(expired):
            log.warning(
                "uploads_not_deleted",
                count=len(expired) - len(gone),
                hint="check the rights in media_dir, or those of the key of the bucket",
            )
        await self._database.write(lambda tx: delete_media(tx, gone))
        return len(gone)

    async def _remove(self, keys: list[tuple[int, str]]) -> list[tuple[int, str]]:
        if self.bucket is not None:
            return await self.bucket.remove(keys)
        return await asyncio.to_thread(self._have_files().remove, keys)

    async def _receive(self, files: MediaFiles, sdkappid: int, name: str, row: MediaRow, body: AsyncIterator[bytes]) -> None:
        incoming = files.incoming(sdkappid, name)
        try:
            await _write(incoming, row, body)
            # The bytes first: a row that says they are there is never wrong.
            await asyncio.to_thread(incoming.keep)
            expires_at_ms = self._clock.now_ms() + self._keep_ms
            if not await self._database.write(lambda tx: complete_media(tx, sdkappid, name, incoming.sha256, expires_at_ms)):
                raise Refused(MEDIA_DONE)
        finally:
            await asyncio.shield(asyncio.to_thread(incoming.discard))

    async def _row(self, sdkappid: int, name: str) -> MediaRow | None:
        if not is_name(name):
            return None
        row = await self._database.read(lambda tx: fetch_media(tx, sdkappid, name))
        return row if row is not None and row.expires_at_ms > self._clock.now_ms() else None

    def _have_files(self) -> MediaFiles:
        if self._files is None:
            raise Refused(MEDIA_OFF)
        return self._files


async def _write(incoming: Incoming, row: MediaRow, body: AsyncIterator[bytes]) -> None:
    """Write a body, at most the announced bytes of it and a piece at a time. Raises ``Refused``, ``OSError``."""
    size, piece = 0, bytearray()
    async for data in body:
        size += len(data)
        if size > row.size:
            raise Refused(MEDIA_DIFFERS, f"there are more than the {row.size} bytes that were announced")
        piece += data
        if len(piece) >= WRITE_BYTES:
            await asyncio.to_thread(incoming.write, piece)
            piece = bytearray()
    await asyncio.to_thread(incoming.write, piece)
    if size != row.size:
        raise Refused(MEDIA_DIFFERS, f"there are {size} bytes, and {row.size} were announced")
    if row.sha256 and incoming.sha256 != row.sha256:
        raise Refused(MEDIA_DIFFERS, f"their SHA-256 is {incoming.sha256}")
