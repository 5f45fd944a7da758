"""Apps: rows of the table ``app``, with the secret key still sealed."""

from __future__ import annotations

import msgspec

from .engine import Query, Tx

_COLUMNS = "sdkappid, name, secret_key_sealed, admins, settings, created_at_ms"
_INSERT = Query(
    "apps.insert",
    f"INSERT INTO app ({_COLUMNS}) VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT (sdkappid) DO NOTHING",
)
_GET = Query("apps.get", f"SELECT {_COLUMNS} FROM app WHERE sdkappid = ?")
_LIST = Query("apps.list", f"SELECT {_COLUMNS} FROM app ORDER BY sdkappid")
_UPDATE = Query("apps.update", "UPDATE app SET name = ?, secret_key_sealed = ?, admins = ?, settings = ? WHERE sdkappid = ?")


class AppRow(msgspec.Struct, frozen=True):
    """A row as it is stored."""

    sdkappid: int
    name: str
    secret_key_sealed: bytes
    admins: str  # JSON array
    settings: str  # JSON of AppSettings
    created_at_ms: int


async def insert_app(tx: Tx, row: AppRow) -> bool:
    """Store a new app. False when the SDKAppID is taken; nothing changed then."""
    return await tx.execute(_INSERT, *msgspec.structs.astuple(row)) == 1


async def get_app(tx: Tx, sdkappid: int) -> AppRow | None:
    """One app, or None."""
    row = await tx.fetch_one(_GET, sdkappid)
    return None if row is None else AppRow(*row)


async def list_apps(tx: Tx) -> list[AppRow]:
    """All apps, in the order of their numbers."""
    return [AppRow(*row) for row in await tx.fetch(_LIST)]


async def update_app(tx: Tx, row: AppRow) -> bool:
    """Replace everything but the number and the date. False when there is no such app."""
    return await tx.execute(_UPDATE, row.name, row.secret_key_sealed, row.admins, row.settings, row.sdkappid) == 1
