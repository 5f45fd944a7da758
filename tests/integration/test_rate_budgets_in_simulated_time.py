"""The cluster's rate limit to within 2 %, counted over simulated time: the real statement, and a clock that the test moves."""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from typing import Any

import pytest

from homing.services.budgets import SharedBudget
from homing.store import budgets as store
from homing.store.engine import Database, Query

APP, BUSINESS, RATE = 1_400_000_001, 15_518, 200
SECONDS = 10
STEP_MS = 5
_TABLE = Query("test.table", "CREATE TABLE simulated (now_us bigint)")
_BEGIN = Query("test.begin", "INSERT INTO simulated (now_us) VALUES (?)")
_MOVE = Query("test.move", "UPDATE simulated SET now_us = ?")
_NOW = "(SELECT now_us FROM simulated)"


class World:
    """Nodes that share one limit. The database's clock is the test's, so a slow machine changes nothing."""

    def __init__(self, database: Database, clock: Any, nodes: int) -> None:
        self.dialect = database.dialect
        self._database, self.clock = database, clock
        self._began_ms = clock.now_ms()
        self._under_way, self._idle = 0, asyncio.Event()
        self.reservations = 0
        self.nodes = [SharedBudget(self, (APP, BUSINESS), RATE, clock) for _ in range(nodes)]  # type: ignore[arg-type]
        self.sent: list[tuple[int, int]] = []  # at ms, by node
        self.demand: list[int | None] = [None] * nodes  # requests a second; None: without end

    async def write(self, work: Any) -> Any:
        self._under_way += 1
        self.reservations += 1
        self._idle.clear()
        now_us = self.clock.now_ms() * 1000

        async def at_the_tests_time(tx: Any) -> Any:
            await tx.execute(_MOVE, now_us)
            return await work(tx)

        try:
            return await self._database.write(at_the_tests_time)
        finally:
            self._under_way -= 1
            if not self._under_way:
                self._idle.set()

    async def run(self, seconds: float, awake: Any) -> None:
        """Move time; in each step every node that is ``awake(node)`` sends what it may."""
        allowance = [0.0] * len(self.nodes)
        for _ in range(int(seconds * 1000 / STEP_MS)):
            self.clock.advance(ms=STEP_MS)
            for n, demand in enumerate(self.demand):
                allowance[n] += float("inf") if demand is None else demand * STEP_MS / 1000
                if awake(n):
                    allowance[n] -= await self._send(n, allowance[n])

    async def _send(self, n: int, allowance: float) -> int:
        sent = 0
        while allowance - sent >= 1:
            waiting = int(min(allowance - sent, 10_000))
            wait = self.nodes[n].take(self.clock.monotonic(), waiting - 1, lambda: None)
            await self._settled()
            if wait > 0:
                break
            if wait == 0:
                sent += 1
                self.sent.append((self.clock.now_ms() - self._began_ms, n))
        return sent

    async def _settled(self) -> None:
        for _ in range(3):
            await asyncio.sleep(0)
            if self._under_way:
                await self._idle.wait()

    def busiest_second(self) -> int:
        """The most that was sent in any second."""
        most, first = 0, 0
        for last, (at_ms, _) in enumerate(self.sent):
            while self.sent[first][0] <= at_ms - 1000:
                first += 1
            most = max(most, last - first + 1)
        return most


@pytest.fixture
async def simulated(database: Database, clock: Any, monkeypatch: Any) -> Any:
    """Makes worlds of so many nodes."""
    text = store._text(_NOW)
    monkeypatch.setattr(store, "_QUERY", Query("test.reserve", text, text.replace("SELECT ?, ?", "SELECT ?::bigint, ?::bigint")))

    async def begin(tx: Any) -> None:
        await tx.execute(_TABLE)
        await tx.execute(_BEGIN, clock.now_ms() * 1000)

    await database.write(begin)
    return lambda nodes: World(database, clock, nodes)


@pytest.mark.parametrize("nodes", [1, 2, 5])
async def test_busy_nodes_together_send_the_limit_to_within_two_percent(simulated: Any, nodes: int) -> None:
    world = simulated(nodes)
    await world.run(SECONDS, lambda _: True)
    assert RATE * SECONDS * 0.98 <= len(world.sent) <= RATE * SECONDS * 1.02
    assert world.busiest_second() <= RATE * 1.2
    shares = Counter(n for _, n in world.sent)
    assert min(shares[n] for n in range(nodes)) > len(world.sent) / (2 * nodes)
    assert world.reservations <= SECONDS * 10 * 1.5 + 10 * nodes  # about one for a tenth of a second, never one a message


async def test_nodes_that_stand_still_for_moments_never_take_more_and_hardly_less(simulated: Any) -> None:
    world, dice = simulated(3), random.Random(7)
    asleep_until = [0] * 3

    def awake(n: int) -> bool:
        now_ms = world.clock.now_ms()
        if now_ms >= asleep_until[n] and dice.random() < 0.02:
            asleep_until[n] = now_ms + dice.randrange(10, 80)
        return bool(now_ms >= asleep_until[n])

    await world.run(SECONDS, awake)
    assert RATE * SECONDS * 0.98 <= len(world.sent) <= RATE * SECONDS * 1.02
    assert world.busiest_second() <= RATE * 1.2


async def test_a_quiet_node_leaves_its_share_to_a_busy_one(simulated: Any) -> None:
    world = simulated(2)
    world.demand[1] = 10
    await world.run(SECONDS, lambda _: True)
    assert RATE * SECONDS * 0.98 <= len(world.sent) <= RATE * SECONDS * 1.02
    assert Counter(n for _, n in world.sent)[1] >= 10 * SECONDS * 0.9


async def test_a_node_that_dies_with_its_permits_costs_no_more_than_they_are(simulated: Any) -> None:
    world = simulated(2)
    await world.run(SECONDS / 2, lambda _: True)
    await world.run(SECONDS / 2, lambda n: n == 0)
    assert RATE * SECONDS * 0.98 <= len(world.sent) <= RATE * SECONDS * 1.02
