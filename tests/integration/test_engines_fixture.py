"""The two engines that the other integration tests stand on."""

from __future__ import annotations

from homing.store.engine import Database, Query, Tx

_TABLES = Query("test.count_apps", "SELECT COUNT(*) FROM app")


async def test_a_fresh_database_is_migrated_and_empty(database: Database) -> None:
    async def count(tx: Tx) -> int:
        row = await tx.fetch_one(_TABLES)
        assert row is not None
        return int(row[0])

    assert await database.read(count) == 0
    assert await database.write(count) == 0
