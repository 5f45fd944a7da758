"""Retention: old rows go, young ones stay."""

from __future__ import annotations

from typing import Any

from homing.services.retention import Retention
from homing.store.engine import Query, Tx

COUNT = Query("test.count", "SELECT (SELECT COUNT(*) FROM message), (SELECT COUNT(*) FROM push), (SELECT COUNT(*) FROM attempt)")


async def counts(pipeline: Any) -> tuple[int, ...]:
    async def work(tx: Tx) -> Any:
        return await tx.fetch_one(COUNT)

    return tuple(await pipeline.database.read(work))


async def test_what_is_older_than_it_is_kept_is_deleted_with_its_records(pipeline: Any) -> None:
    await pipeline.device(7, "bob")
    retention = Retention(database=pipeline.database, clock=pipeline.clock, keep_messages_days=1, keep_pushes_days=2)
    await pipeline.send("old")
    await pipeline.vendor.received(1)
    await pipeline.pushes()
    pipeline.clock.advance(seconds=1.5 * 86_400)
    assert await retention.round() == 0
    await pipeline.send("young")
    await pipeline.vendor.received(2)
    await pipeline.pushes()
    pipeline.clock.advance(seconds=0.6 * 86_400)
    assert await retention.round() == 2
    assert await counts(pipeline) == (1, 1, 1)
