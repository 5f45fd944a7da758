"""The schema: migrations build exactly what the code declares, once, and a newer database is refused."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
import sqlalchemy as sa
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory

from homing.store import migrate as migrating
from homing.store.engine import Query, StoreRefused, Tx
from homing.store.open import open_database
from homing.store.schema import metadata

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
