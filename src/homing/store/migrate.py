"""Bring a database to this release's schema, once, and refuse one that a newer release made.

Alembic is imported only when there is something to do: most starts find the schema as it should be.
"""

from __future__ import annotations

import asyncio
import sqlite3
from pathlib import Path
from typing import Any

from .engine import StoreRefused

HEAD = "0009"  # the newest file in migrations/versions
KNOWN = ("0001", "0002", "0003", "0004", "0005", "0006", "0007", "0008", "0009")
_LOCK = 0x486F6D69  # one migration at a time in the whole cluster ("Homi")
_VERSION = "SELECT version_num FROM alembic_version"


async def migrate(url: str) -> None:
    """Create or upgrade the schema. Raises ``StoreRefused`` with a sentence."""
    if url.startswith("sqlite"):
        await asyncio.to_thread(_migrate_sqlite, url)
    else:
        await _migrate_postgres(url)


def _up_to_date(version: str | None) -> bool:
    if version is None or version in KNOWN[:-1]:
        return False
    if version not in KNOWN:
        raise StoreRefused(
            f"The database has schema {version}, made by a newer Homing: start that version, or restore a backup from before it"
        )
    return True


def _migrate_sqlite(url: str) -> None:
    connection = sqlite3.connect(url.removeprefix("sqlite:///"), timeout=30)
    try:
        version = connection.execute(_VERSION).fetchone()
    except sqlite3.OperationalError as error:
        if "no such table" not in str(error):
            raise StoreRefused(f"The database cannot be read ({error}): check the path given with --database") from error
        version = None
    finally:
        connection.close()
    if _up_to_date(version[0] if version else None):
        return
    import sqlalchemy as sa

    engine = sa.create_engine(url)
    try:
        with engine.connect() as bind:
            bind.exec_driver_sql("BEGIN IMMEDIATE")  # two first starts at once: the second waits and finds the work done
            upgrade(bind)
            bind.commit()
    except sa.exc.OperationalError as error:
        raise StoreRefused(
            f"The database cannot be upgraded ({error.orig}): free disk space and check that its folder can be written"
        ) from error
    finally:
        engine.dispose()


async def _migrate_postgres(url: str) -> None:
    import asyncpg

    try:
        version = await _postgres_version(url)
    except (asyncpg.PostgresError, OSError) as error:
        raise StoreRefused(f"The schema cannot be read ({error}): give the user of --database the rights to its tables") from error
    if _up_to_date(version):
        return
    import sqlalchemy as sa
    from sqlalchemy.ext.asyncio import create_async_engine

    engine = create_async_engine("postgresql+asyncpg://", async_creator=lambda: asyncpg.connect(url))
    try:
        async with engine.begin() as bind:
            await bind.exec_driver_sql(f"SELECT pg_advisory_xact_lock({_LOCK})")
            await bind.run_sync(upgrade)
    except (asyncpg.PostgresError, sa.exc.DBAPIError, OSError) as error:
        why = str(getattr(error, "orig", None) or error).rpartition(">: ")[2].splitlines()[0]
        raise StoreRefused(f"The schema cannot be upgraded ({why}): the user needs the right to create tables") from error
    finally:
        await engine.dispose()


async def _postgres_version(url: str) -> str | None:
    import asyncpg

    connection = await asyncpg.connect(url)
    try:
        found = await connection.fetchval("SELECT to_regclass('alembic_version') IS NOT NULL")
        return await connection.fetchval(_VERSION) if found else None
    finally:
        await connection.close()


def upgrade(connection: Any, target: str = "head") -> None:
    """Run every missing step up to ``target`` on this SQLAlchemy connection."""
    from alembic import command
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent / "migrations"))
    config.attributes["connection"] = connection
    command.upgrade(config, target)
