"""Retention: old rows go, young ones stay."""

from __future__ import annotations

from typing import Any

from homing.rules.quota import DAY_MS, day_of
from homing.services.retention import Retention
from homing.store.engine import Query, Tx
from homing.store.push_queue import Results, record

QUOTA_DAYS = Query("test.quota_days", "SELECT day FROM quota ORDER BY day")
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


async def test_the_counts_of_old_days_go_and_a_stop_that_still_holds_stays(pipeline: Any) -> None:
    now_ms = pipeline.clock.now_ms()
    days = [day_of(now_ms - n * DAY_MS, 480) for n in (9, 4, 0)]
    held = (1, 1, "public", days[0], now_ms + DAY_MS)
    results = Results(counts=[(1, 1, "private", day, 5) for day in days], stops=[held])
    await pipeline.database.write(lambda tx: record(tx, results, 0))
    retention = Retention(database=pipeline.database, clock=pipeline.clock, keep_messages_days=1, keep_pushes_days=5)
    assert await retention.round() == 1

    async def work(tx: Tx) -> Any:
        return await tx.fetch(QUOTA_DAYS)

    assert [row[0] for row in await pipeline.database.read(work)] == [days[0], days[1], days[2]]
    assert await retention.round() == 0
