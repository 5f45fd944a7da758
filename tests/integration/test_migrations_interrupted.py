"""A server that is killed in the middle of an upgrade leaves a database that the next start finishes."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from typing import Any

import pytest
import sqlalchemy as sa

from homing.store import migrate as migrating
from homing.store.engine import Query
from homing.store.open import open_database

_PUSHES = Query("test.pushes", "SELECT push_id, state FROM push ORDER BY push_id")
_PUSH = (
    "INSERT INTO push (push_id, sdkappid, message_id, user_id, device_id, state, reason, inputs, created_at_ms) "
    "VALUES ({0}, 1400000001, {0}, 'bob', 7, 1, 'offline', '{{}}', 5)"
)
#: An upgrade that does some of the steps, says so, and never comes to its end.
_HALF = """
import asyncio, sys, time
from homing.store import migrate
whole = migrate.upgrade
def half(connection, target="head"):
    whole(connection, migrate.KNOWN[len(migrate.KNOWN) // 2])
    print("half", flush=True)
    time.sleep(600)
migrate.upgrade = half
asyncio.run(migrate.migrate(sys.argv[1]))
"""


async def _as_the_first_release_had_it(url: str) -> None:
    def build(connection: Any) -> None:
        migrating.upgrade(connection, migrating.KNOWN[0])
        for push_id in (1, 2):
            connection.exec_driver_sql(_PUSH.format(push_id))

    if url.startswith("sqlite"):
        engine = sa.create_engine(url)
        with engine.begin() as connection:
            build(connection)
        engine.dispose()
        return
    import asyncpg
    from sqlalchemy.ext.asyncio import create_async_engine

    connection = await asyncpg.connect(url)
    await connection.execute("DROP SCHEMA public CASCADE; CREATE SCHEMA public")
    await connection.close()
    remote = create_async_engine("postgresql+asyncpg://", async_creator=lambda: asyncpg.connect(url))
    async with remote.begin() as bind:
        await bind.run_sync(build)
    await remote.dispose()


@pytest.mark.parametrize("times", [1, 2])
async def test_the_next_start_finishes_what_a_killed_one_began(database_url: str, times: int) -> None:
    await _as_the_first_release_had_it(database_url)
    for _ in range(times):
        upgrading = await asyncio.create_subprocess_exec(sys.executable, "-c", _HALF, database_url, stdout=subprocess.PIPE)
        assert upgrading.stdout is not None
        assert await upgrading.stdout.readline() == b"half\n"
        upgrading.kill()
        await upgrading.wait()
    database = await open_database(database_url)
    try:
        assert [tuple(row) for row in await database.read(lambda tx: tx.fetch(_PUSHES))] == [(1, 1), (2, 1)]
        [(version,)] = await database.read(lambda tx: tx.fetch(Query("test.version", "SELECT version_num FROM alembic_version")))
        assert version == migrating.HEAD
    finally:
        await database.close()
