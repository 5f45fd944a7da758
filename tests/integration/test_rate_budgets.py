"""A certificate's rate limit holds for the whole cluster, and costs no statement a message."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path
from typing import Any

import pytest

from homing.bench.waiting import until
from homing.channels.registry import CHANNELS
from homing.model.certificates import Certificate
from homing.model.clock import SystemClock
from homing.model.outcome import VendorRequest, VendorResponse
from homing.services.budgets import Budgets, SharedBudget
from homing.store.budgets import CREDIT_US, reserve
from homing.store.engine import Database, StoreBusy

APP, BUSINESS, RATE = 1_400_000_001, 15_518, 200
MESSAGES = 1000
OK = VendorResponse(200, {}, b'{"name":"projects/p/messages/0:1%a"}')


async def test_reservations_follow_one_another_in_time(database: Database) -> None:
    first = await database.write(lambda tx: reserve(tx, APP, BUSINESS, 1_000_000))
    began = time.monotonic()
    second = await database.write(lambda tx: reserve(tx, APP, BUSINESS, 500_000))
    third = await database.write(lambda tx: reserve(tx, APP, BUSINESS, 500_000))
    passed_us = (time.monotonic() - began) * 1_000_000
    other = await database.write(lambda tx: reserve(tx, APP, BUSINESS + 1, 500_000))
    assert -CREDIT_US <= first <= 1_000
    assert 1_000_000 - passed_us - 100_000 <= second <= 1_001_000
    assert 1_500_000 - passed_us - 100_000 <= third <= 1_501_000
    assert other <= 1_000


async def test_a_budget_waits_for_the_store_and_goes_on(database: Database) -> None:
    class Away:
        dialect = "postgresql"
        asked = 0

        async def write(self, work: Any) -> Any:
            self.asked += 1
            if self.asked == 1:
                raise StoreBusy("away")
            return await database.write(work)

    budget, woken = SharedBudget(Away(), (APP, BUSINESS), 10, SystemClock()), asyncio.Event()  # type: ignore[arg-type]
    assert budget.take(time.monotonic(), 0, woken.set) < 0
    await asyncio.wait_for(woken.wait(), 5)
    woken.clear()
    assert budget.take(time.monotonic(), 0, woken.set) < 0
    await asyncio.wait_for(woken.wait(), 5)
    assert budget.take(time.monotonic(), 0, woken.set) == 0


async def test_one_process_needs_no_rows(sqlite_url: str, tmp_path: Path) -> None:
    from homing.store.open import open_database

    database = await open_database(sqlite_url)
    budget = Budgets(database, SystemClock()).of(APP, BUSINESS, 10)
    await database.close()
    assert budget.take(time.monotonic(), 0, lambda: None) == 0


class TestTwoNodes:
    """Two pipelines on one PostgreSQL, in real time."""

    @pytest.fixture
    def clock(self) -> SystemClock:
        return SystemClock()

    @pytest.fixture
    def database_url(self, postgres_url: str) -> str:
        return postgres_url

    @pytest.fixture
    def certificate(self, service_account: str) -> Certificate:
        fcm = CHANNELS["fcm"]
        options = fcm.options_type(requests_per_second=RATE)
        return Certificate(APP, BUSINESS, "fcm", "test", fcm.credentials_type(service_account=service_account), options)

    async def test_together_send_at_the_limit_and_no_more_than_they_hold_above_it(self, pipeline: Any, certificate: Certificate) -> None:
        other = type(pipeline)(pipeline.database, pipeline.clock, certificate, node_id=2)
        nodes, times = (pipeline, other), ([], [])  # type: tuple[Any, ...], tuple[list[float], ...]
        for node, sent in zip(nodes, times, strict=True):
            node.vendor.answer = _noting(sent)
        await other.bus.start()
        await other.dispatch.start()
        try:
            await pipeline.device(7, "bob")
            await asyncio.gather(*(nodes[n % 2].send(f"m{n}", seq=n) for n in range(MESSAGES)))
            await until(lambda: _missing(times), 30)
        finally:
            await other.messaging.drain()
            await other.dispatch.stop(1.0)
            await other.bus.close()
        moments = sorted(times[0] + times[1])
        seconds = moments[-1] - moments[0]
        # The last slice's own time, the credit, and a first request that this machine sent late. The two percent of ten seconds
        # are proven in simulated time.
        assert RATE * (seconds + 0.1 + 0.1 + 0.05) >= MESSAGES
        assert MESSAGES / (seconds + 0.1) > RATE * 0.96  # a machine that stands still for a moment loses that moment
        assert min(map(len, times)) > MESSAGES / 10  # both take part; how evenly depends on which of them is awake
        busiest = max(sum(1 for t in moments if start <= t < start + 1) for start in moments)
        assert busiest <= RATE * 1.3  # a slice on either edge, and what was made up for


async def _missing(times: tuple[list[float], ...]) -> str:
    sent = sum(map(len, times))
    return "" if sent == MESSAGES else f"{sent} of {MESSAGES} sent"


def _noting(sent: list[float]) -> Any:
    def answer(request: VendorRequest) -> VendorResponse:
        sent.append(time.monotonic())
        return OK

    return answer
