"""Open a database by its URL: migrate, then connect."""

from __future__ import annotations

from .engine import Database, StoreRefused
from .migrate import migrate

SQLITE_PREFIX = "sqlite:///"


def sqlite_path(url: str) -> str | None:
    """The file behind a SQLite URL, or None for another engine."""
    return url.removeprefix(SQLITE_PREFIX) if url.startswith(SQLITE_PREFIX) else None


async def open_database(url: str, *, connections: int = 8) -> Database:
    """An open, migrated database; ``connections`` to PostgreSQL at most. Raises ``StoreRefused`` with a sentence."""
    path = sqlite_path(url)
    if path is not None:
        from .sqlite import SqliteDatabase, connect

        connect(path).close()  # says in words when the folder cannot be written
        await migrate(url)
        return SqliteDatabase(path)
    if url.startswith(("postgresql://", "postgres://")):
        from .postgres import PostgresDatabase
        from .postgres_hosts import primary_only

        url = primary_only("postgresql://" + url.split("://", 1)[1])
        database = await PostgresDatabase.open(url, connections=connections)
        try:
            await migrate(url)
        except BaseException:
            await database.close()
            raise
        return database
    raise StoreRefused(
        f"The database URL {url.split('@')[-1]!r} is not known: use sqlite:///path/homing.db or postgresql://user@host:port/db"
    )
