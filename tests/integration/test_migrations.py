"""The schema: migrations build exactly what the code declares, once, and a newer database is refused."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory

from homing.store import migrate as migrating
from homing.store.budgets import reserve
from homing.store.engine import Query, StoreRefused, Tx
from homing.store.open import open_database
from homing.store.schema import metadata

PUSH = (
    "INSERT INTO push (push_id, sdkappid, message_id, user_id, device_id, state, reason, inputs, created_at_ms) "
    "VALUES ({0}, 1400000001, {0}, 'bob', 7, {1}, 'offline', '{{}}', 5)"
)
PUSHES = Query("test.pushes", "SELECT push_id, state FROM push ORDER BY push_id")
DEAD = Query("test.dead", "SELECT push_id FROM push WHERE sdkappid = 1400000001 AND state BETWEEN 13 AND 14")
NEWER = Query("test.newer", "UPDATE alembic_version SET version_num = '9999'")


def test_the_newest_step_is_the_one_that_starts_look_for() -> None:
    folder = Path(migrating.__file__).parent / "migrations"
    script = ScriptDirectory(str(folder))
    assert script.get_current_head() == migrating.HEAD
    assert {step.revision for step in script.walk_revisions()} == set(migrating.KNOWN)
    assert migrating.KNOWN[-1] == migrating.HEAD


def test_the_migrations_build_the_declared_schema(tmp_path: Path) -> None:
    engine = sa.create_engine(f"sqlite:///{tmp_path}/x.db")
    with engine.begin() as connection:
        migrating.upgrade(connection)
        assert compare_metadata(MigrationContext.configure(connection), metadata) == []
        built: dict[str, str] = dict(connection.exec_driver_sql("SELECT name, sql FROM sqlite_master WHERE sql IS NOT NULL").all())
    declared = sa.create_engine("sqlite://")
    with declared.begin() as connection:
        metadata.create_all(connection)
        wanted: dict[str, str] = dict(connection.exec_driver_sql("SELECT name, sql FROM sqlite_master WHERE sql IS NOT NULL").all())
    engine.dispose()
    declared.dispose()
    built.pop("alembic_version")
    assert {name: " ".join(sql.split()) for name, sql in built.items()} == {name: " ".join(sql.split()) for name, sql in wanted.items()}


async def test_several_first_starts_at_once_migrate_once(sqlite_url: str) -> None:
    databases = await asyncio.gather(*(open_database(sqlite_url) for _ in range(4)))
    for database in databases:
        await database.close()


async def test_a_database_of_a_newer_version_is_refused_with_a_sentence(database_url: str) -> None:
    database = await open_database(database_url)

    async def age(tx: Tx) -> None:
        await tx.execute(NEWER)

    await database.write(age)
    await database.close()
    with pytest.raises(StoreRefused, match="newer Homing"):
        await open_database(database_url)


@pytest.mark.parametrize(
    ("url", "sentence"),
    [
        ("sqlite:////proc/nowhere/homing.db", "writable|cannot be opened"),
        ("mysql://root@localhost/x", "not known"),
        ("postgresql://nobody@127.0.0.1:1/none", "cannot be reached"),
    ],
)
async def test_a_store_that_cannot_be_used_is_refused_with_a_sentence(url: str, sentence: str) -> None:
    with pytest.raises(StoreRefused, match=sentence):
        await open_database(url)


async def test_a_file_that_is_no_database_is_refused_with_a_sentence(tmp_path: Path) -> None:
    path = tmp_path / "homing.db"
    path.write_bytes(b"this is a letter, not a database. " * 200)
    with pytest.raises(StoreRefused, match="not a Homing database"):
        await open_database(f"sqlite:///{path}")


def at_step(connection: Any, step: str) -> None:
    """The schema as a release had it that knew the steps up to this one, with two pushes in it."""
    migrating.upgrade(connection, step)
    for push_id, state in ((1, 1), (2, 13)):
        connection.exec_driver_sql(PUSH.format(push_id, state))


@pytest.mark.parametrize("step", migrating.KNOWN[:-1])
async def test_a_database_of_an_earlier_release_is_upgraded_with_its_data(database_url: str, step: str) -> None:
    await _rebuild(database_url, step)
    databases = await asyncio.gather(*(open_database(database_url) for _ in range(3)))  # nodes that start at the same moment
    try:
        rows = await databases[0].read(lambda tx: tx.fetch(PUSHES))
        assert [tuple(row) for row in rows] == [(1, 1), (2, 13)]
        assert len(await databases[1].read(lambda tx: tx.fetch(DEAD))) == 1
        assert await databases[2].write(lambda tx: reserve(tx, 1, 2, 1000)) <= 1000
    finally:
        for database in databases:
            await database.close()


async def _rebuild(url: str, step: str) -> None:
    """Make the database anew at a step."""
    if url.startswith("sqlite"):
        engine = sa.create_engine(url)
        with engine.begin() as connection:
            at_step(connection, step)
        engine.dispose()
        return
    import asyncpg
    from sqlalchemy.ext.asyncio import create_async_engine

    postgres = create_async_engine("postgresql+asyncpg://", async_creator=lambda: asyncpg.connect(url))
    async with postgres.begin() as bind:
        await bind.exec_driver_sql("DROP SCHEMA public CASCADE")
        await bind.exec_driver_sql("CREATE SCHEMA public")
        await bind.run_sync(at_step, step)
    await postgres.dispose()
