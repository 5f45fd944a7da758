"""What accounts upload: the rows. The bytes are in ``media_files``."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from .engine import Bulk, Query, Tx

_ADD = Query(
    "media.add",
    "INSERT INTO media (sdkappid, name, user_id, size, content_type, file_name, sha256, created_at_ms, expires_at_ms) "
    "VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
)
_USED = Query("media.used", "SELECT COUNT(*), COALESCE(SUM(size), 0) FROM media WHERE sdkappid = ? AND user_id = ? AND created_at_ms > ?")
_COLUMNS = "user_id, size, content_type, file_name, sha256, state, expires_at_ms"
_FETCH = Query("media.fetch", f"SELECT {_COLUMNS} FROM media WHERE sdkappid = ? AND name = ?")
_COMPLETE = Query(
    "media.complete", "UPDATE media SET state = 1, sha256 = ?, expires_at_ms = ? WHERE sdkappid = ? AND name = ? AND state = 0"
)
_EXPIRED = Query("media.expired", "SELECT sdkappid, name FROM media WHERE expires_at_ms < ? ORDER BY expires_at_ms LIMIT ?")
_DELETE = Bulk(
    "media.delete",
    [("sdkappid", "bigint"), ("name", "text")],
    "DELETE FROM media WHERE (sdkappid, name) IN (SELECT sdkappid, name FROM k)",
)


class MediaRow(msgspec.Struct, frozen=True):
    """An upload. ``size`` in bytes; ``sha256`` in hex, or empty."""

    user_id: str
    size: int
    content_type: str
    file_name: str
    sha256: str
    complete: bool
    expires_at_ms: int


async def add_media(tx: Tx, sdkappid: int, name: str, row: MediaRow, now_ms: int) -> None:
    """Store that somebody wants to upload."""
    values = (row.user_id, row.size, row.content_type, row.file_name, row.sha256)
    await tx.execute(_ADD, sdkappid, name, *values, now_ms, row.expires_at_ms)


async def used_media(tx: Tx, sdkappid: int, user_id: str, since_ms: int) -> tuple[int, int]:
    """How many uploads an account asked for since then, and their bytes."""
    row = await tx.fetch_one(_USED, sdkappid, user_id, since_ms)
    assert row is not None
    return int(row[0]), int(row[1])


async def fetch_media(tx: Tx, sdkappid: int, name: str) -> MediaRow | None:
    """An upload of this app."""
    row = await tx.fetch_one(_FETCH, sdkappid, name)
    return None if row is None else MediaRow(row[0], row[1], row[2], row[3], row[4], row[5] == 1, row[6])


async def complete_media(tx: Tx, sdkappid: int, name: str, sha256: str, expires_at_ms: int) -> bool:
    """The bytes are there. False when they were already, or the row is gone."""
    return await tx.execute(_COMPLETE, sha256, expires_at_ms, sdkappid, name) == 1


async def expired_media(tx: Tx, before_ms: int, limit: int) -> list[tuple[int, str]]:
    """App and name of what expired first, of every app."""
    return [(row[0], row[1]) for row in await tx.fetch(_EXPIRED, before_ms, limit)]


async def delete_media(tx: Tx, keys: Sequence[tuple[int, str]]) -> None:
    """Forget uploads, by app and name."""
    await tx.bulk(_DELETE, keys)
