"""Lanes take turns, an outage of the store stops sending what could not be written down, and nobody is declared dead too early."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from typing import Any

import msgspec
import pytest

from homing.model.certificates import Certificate
from homing.model.push import PushState
from homing.services.dispatch import AFTER_OUTAGE_SECONDS, CLAIM_LIMIT
from homing.store import push_queue
from homing.store.engine import Database, Query, StoreBusy, Tx
from homing.store.nodes import release_node, renew_node, take_node

APP, BUSINESS = 1_400_000_001, 15_518
_CLAIMED = Query("test.claimed", "SELECT business_id, COUNT(*) FROM push WHERE state = 2 GROUP BY business_id ORDER BY business_id")
_TAKEN = Query("test.taken", "UPDATE push SET state = 10, owner = NULL WHERE token = ?")
_DUE = Query("test.due", "UPDATE push SET due_at_ms = ?, state = 1 WHERE push_id = ?")


class Fragile:
    """A database that can be cut off."""

    def __init__(self, database: Database) -> None:
        self.whole = database
        self.dialect = database.dialect
        self.away = False

    async def write(self, work: Any) -> Any:
        if self.away:
            raise StoreBusy("cut off")
        return await self.whole.write(work)

    async def read(self, work: Any) -> Any:
        if self.away:
            raise StoreBusy("cut off")
        return await self.whole.read(work)

    async def close(self) -> None:
        await self.whole.close()


@pytest.fixture
async def database(database_url: str) -> AsyncIterator[Fragile]:
    from homing.store.open import open_database

    fragile = Fragile(await open_database(database_url))
    yield fragile
    await fragile.close()


class TestTurns:
    """Without a scheduler of its own: every turn is the test's."""

    async def test_one_turn_claims_one_batch_a_lane_however_long_one_backlog_is(self, pipeline: Any, certificate: Certificate) -> None:
        patient = type(pipeline)(pipeline.database, pipeline.clock, certificate, node_id=2)
        others = {BUSINESS: certificate, BUSINESS + 1: msgspec.structs.replace(certificate, business_id=BUSINESS + 1)}
        patient.authority.get = lambda sdkappid, business_id: _later(others.get(business_id))
        patient.vendor.hold = True
        await pipeline.dispatch.stop(1.0)  # only what the test turns is turned
        await patient.device(7, "bob")
        await patient.device(8, "carol", business_id=BUSINESS + 1)
        await patient.database.write(_second_certificate)
        backlog = 2 * CLAIM_LIMIT
        await asyncio.gather(*(patient.send(f"m{n}", seq=n) for n in range(backlog)))
        await asyncio.gather(*(patient.send(f"c{n}", seq=n, to="carol") for n in range(3)))
        await patient.dispatch.turn()
        claimed = await patient.database.read(lambda tx: tx.fetch(_CLAIMED))
        assert [tuple(row) for row in claimed] == [(BUSINESS, CLAIM_LIMIT), (BUSINESS + 1, 3)]
        await patient.vendor.received(3)
        async with asyncio.timeout(10):
            while not {"c0", "c1", "c2"} <= set(patient.vendor.bodies()):  # noqa: ASYNC110  (the loop has to turn)
                await asyncio.sleep(0)
        patient.vendor.release()
        await patient.dispatch.stop(1.0)


def _later(value: Any) -> Any:
    future = asyncio.get_running_loop().create_future()
    future.set_result(value)
    return future


async def _second_certificate(tx: Tx) -> None:
    await tx.execute(
        Query(
            "test.second",
            "INSERT INTO certificate (sdkappid, business_id, channel, name, credentials_sealed, options, version, receipt_path, "
            "created_at_ms, updated_at_ms) VALUES (?, ?, 'fcm', 'test', ?, '{}', 1, 'path2', 0, 0)",
        ),
        APP,
        BUSINESS + 1,
        b"sealed",
    )


class TestOutage:
    """One request in flight at a time, so that others wait in the lane."""

    @pytest.fixture
    def certificate(self, certificate: Certificate) -> Certificate:
        return msgspec.structs.replace(certificate, options=msgspec.structs.replace(certificate.options, max_in_flight=1))

    async def test_what_could_not_be_written_down_is_not_sent_and_what_others_took_meanwhile_neither(self, pipeline: Any) -> None:
        for device_id, user_id in ((7, "bob"), (8, "carol")):
            await pipeline.device(device_id, user_id)
        await pipeline.send("warm")
        await pipeline.vendor.received(1)
        await pipeline.pushes()
        pipeline.vendor.hold = True
        for text, to in (("one", "bob"), ("two", "bob"), ("three", "carol"), ("four", "bob")):
            await pipeline.send(text, to=to)
        await pipeline.vendor.received(2)
        pipeline.database.away = True
        pipeline.vendor.release()
        pipeline.vendor.hold = True
        await pipeline.vendor.received(3)  # "two" goes before the store is known to be away
        async with asyncio.timeout(10):
            while not pipeline.recorder.stuck:  # noqa: ASYNC110  (a flag of the recorder)
                await asyncio.sleep(0.005)
        pipeline.vendor.release()
        await pipeline.dispatch.quiet()
        for _ in range(20):
            await asyncio.sleep(0)
        assert pipeline.vendor.bodies() == ["warm", "one", "two"]
        assert pipeline.dispatch.room((APP, BUSINESS, "private")) is False
        await pipeline.database.whole.write(lambda tx: tx.execute(_TAKEN, "token-8"))
        pipeline.database.away = False
        await pipeline.vendor.received(4)
        pushes = await pipeline.pushes()
        assert pipeline.vendor.bodies() == ["warm", "one", "two", "four"]
        assert {push[1] for push in pushes} == {PushState.ACCEPTED}

    async def test_claims_wait_a_little_after_an_outage_where_there_are_other_nodes(self, pipeline: Any) -> None:
        await pipeline.device(7, "bob")
        await pipeline.send("warm")
        await pipeline.vendor.received(1)
        [push] = await pipeline.pushes()
        pipeline.database.away = True
        with contextlib.suppress(StoreBusy):
            pipeline.clock.advance(seconds=1.5)
            await pipeline.dispatch.turn()
        pipeline.dispatch._store_away()
        pipeline.database.away = False
        await pipeline.database.write(lambda tx: tx.execute(_DUE, pipeline.clock.now_ms() - 1, push[0]))
        await pipeline.dispatch.turn()
        pipeline.dispatch.wake((APP, BUSINESS, "private"))
        await pipeline.dispatch.turn()
        await asyncio.sleep(0)
        cluster = pipeline.database.dialect == "postgresql"
        await pipeline.settle()
        assert len(pipeline.vendor.requests) == (1 if cluster else 2)
        pipeline.clock.advance(seconds=AFTER_OUTAGE_SECONDS)
        await pipeline.dispatch.turn()
        await pipeline.vendor.received(2)


async def test_the_lanes_are_found_with_the_first_due_time_of_each(pipeline: Any, database: Database) -> None:
    await pipeline.dispatch.stop(1.0)
    await pipeline.device(7, "bob")
    await pipeline.device(8, "carol", business_id=BUSINESS + 7)
    assert await database.read(push_queue.lanes) == {}
    at_ms = pipeline.clock.now_ms()
    await pipeline.send("one")
    await pipeline.send("two", to="carol")
    pipeline.clock.advance(seconds=1)
    await pipeline.send("three")
    assert await database.read(push_queue.lanes) == {(APP, BUSINESS, "private"): at_ms}
    await database.write(_second_lane)
    assert await database.read(push_queue.lanes) == {
        (APP, BUSINESS, "private"): at_ms,
        (APP, BUSINESS, "public"): at_ms + 5,
        (APP, BUSINESS + 1, "private"): at_ms + 6,
        (APP + 1, 3, "private"): at_ms + 7,
    }


async def _second_lane(tx: Tx) -> None:
    copy = Query(
        "test.copy",
        "INSERT INTO push (push_id, sdkappid, message_id, user_id, device_id, state, reason, inputs, business_id, notification_class, "
        "due_at_ms, created_at_ms) SELECT ?, ?, message_id, user_id, device_id, state, reason, inputs, ?, ?, due_at_ms + ?, created_at_ms "
        "FROM push WHERE push_id > 9 ORDER BY push_id LIMIT 1",
    )
    await tx.execute(copy, 1, APP, BUSINESS, "public", 5)
    await tx.execute(copy, 2, APP, BUSINESS + 1, "private", 6)
    await tx.execute(copy, 3, APP + 1, 3, "private", 7)


async def test_a_lapsed_number_is_taken_last(database: Database) -> None:
    async def take(boot: str, now_ms: int) -> int:
        return await database.write(lambda tx: take_node(tx, boot, now_ms, 1000, alone=False))

    assert [await take("a", 0), await take("b", 0), await take("c", 0)] == [0, 1, 2]
    await database.write(lambda tx: release_node(tx, 1, "b"))
    assert [await take("d", 5000), await take("e", 5000)] == [1, 3]  # 0 and 2 lapsed: their processes may only be cut off
    assert await database.write(lambda tx: renew_node(tx, 0, "a", 9000))
