"""Bring a database to this release's schema, and refuse one that is newer."""

from __future__ import annotations

import asyncio

import sqlalchemy as sa

from .engine import StoreRefused
from .schema import metadata

SCHEMA_VERSION = 1


def sqlalchemy_url(url: str) -> str:
    """The URL as SQLAlchemy wants it for the driver that is installed."""
    if url.startswith("postgresql://"):
        return "postgresql+asyncpg://" + url.removeprefix("postgresql://")
    return url


def _upgrade(connection: sa.Connection) -> None:
    metadata.create_all(connection)


async def migrate(url: str) -> None:
    """Create or upgrade the schema. Raises ``StoreRefused``."""
    if url.startswith("sqlite"):
        await asyncio.to_thread(_migrate_sqlite, url)
        return
    from sqlalchemy.ext.asyncio import create_async_engine

    engine = create_async_engine(sqlalchemy_url(url))
    try:
        async with engine.begin() as connection:
            await connection.run_sync(_upgrade)
    finally:
        await engine.dispose()


def _migrate_sqlite(url: str) -> None:
    engine = sa.create_engine(url)
    try:
        with engine.begin() as connection:
            _upgrade(connection)
    except sa.exc.OperationalError as error:
        raise StoreRefused(f"The database cannot be opened ({error.orig}): check the path given with --database") from error
    finally:
        engine.dispose()
