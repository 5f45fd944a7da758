"""Rate limits of certificates: a bucket where one process sends alone, rows of the database where many do."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Protocol

import structlog

from homing.model.clock import Clock
from homing.rules.budget import Slices
from homing.rules.quota import TokenBucket
from homing.store.budgets import reserve
from homing.store.engine import Database, StoreBusy

log = structlog.get_logger()

#: One process may send a tenth of a second's worth at once.
BURST_SHARE = 0.1
RETRY_SECONDS = 0.5

Wake = Callable[[], None]


class Budget(Protocol):
    """The permits of one certificate, shared by its lanes."""

    def take(self, now: float, waiting: int, wake: Wake) -> float:
        """0: one request may go. Positive: seconds to wait. Negative: permits are being reserved; ``wake`` is called.

        ``waiting``: how many more requests the caller has.
        """
        ...


class Unlimited:
    """No limit is documented and none is set."""

    def take(self, now: float, waiting: int, wake: Wake) -> float:  # noqa: ARG002  (the protocol's signature)
        return 0.0


UNLIMITED = Unlimited()


class LocalBudget:
    """The limit within this process."""

    def __init__(self, rate: float, now: float) -> None:
        self._bucket = TokenBucket(rate, max(1.0, rate * BURST_SHARE), now)

    def take(self, now: float, waiting: int, wake: Wake) -> float:  # noqa: ARG002  (the protocol's signature)
        return self._bucket.take(now)


class SharedBudget:
    """The limit within the whole cluster, reserved in slices ahead of need: never a statement a message."""

    def __init__(self, database: Database, key: tuple[int, int], rate: float, clock: Clock) -> None:
        self._database = database
        self._key = key
        self._clock = clock
        self._slices = Slices(rate, clock.monotonic())
        self._reserving: asyncio.Task[None] | None = None
        self._wakes: set[Wake] = set()

    def take(self, now: float, waiting: int, wake: Wake) -> float:
        slices = self._slices
        wait = slices.take(now)
        if wait < 0:
            self._wakes.add(wake)
            self._reserve(now, waiting + 1)
        elif slices.low:
            self._reserve(now, waiting)
        return wait

    def _reserve(self, now: float, waiting: int) -> None:
        if self._reserving is not None:
            return
        wanted = self._slices.wanted(now, waiting)
        if wanted:
            self._reserving = asyncio.get_running_loop().create_task(self._fetch(wanted))

    async def _fetch(self, permits: int) -> None:
        span_us = max(1, round(permits * 1_000_000 / self._slices.rate))
        try:
            wait_us = await self._database.write(lambda tx: reserve(tx, *self._key, span_us))
        except StoreBusy as busy:
            log.warning("rate_limit_waits_for_the_store", why=str(busy))
            await asyncio.sleep(RETRY_SECONDS)
        except Exception:
            log.exception("rate_limit_not_reserved", certificate=self._key)
            await asyncio.sleep(RETRY_SECONDS)
        else:
            self._slices.reserved(permits, self._clock.monotonic() + wait_us / 1_000_000)
        self._reserving = None
        wakes, self._wakes = self._wakes, set()
        for wake in wakes:
            wake()

    async def aclose(self) -> None:
        """Let a reservation that is under way end."""
        if self._reserving is not None:
            self._reserving.cancel()
            await asyncio.wait([self._reserving])


class Budgets:
    """The budgets of one node. With ``shared`` limits hold for all nodes on the database together."""

    def __init__(self, database: Database, clock: Clock, *, shared: bool | None = None) -> None:
        self._database = database
        self._clock = clock
        self._shared = database.dialect == "postgresql" if shared is None else shared
        self._known: dict[tuple[int, int], tuple[float, Budget]] = {}

    def of(self, sdkappid: int, business_id: int, rate: float) -> Budget:
        """The budget of a certificate that may send ``rate`` requests a second; 0 or less: no limit."""
        if rate <= 0:
            return UNLIMITED
        key = (sdkappid, business_id)
        known = self._known.get(key)
        if known is not None and known[0] == rate:
            return known[1]
        budget = self._made(key, rate)
        self._known[key] = (rate, budget)
        return budget

    def _made(self, key: tuple[int, int], rate: float) -> Budget:
        if self._shared:
            return SharedBudget(self._database, key, rate, self._clock)
        return LocalBudget(rate, self._clock.monotonic())

    async def aclose(self) -> None:
        """Stop reserving."""
        for _, budget in self._known.values():
            if isinstance(budget, SharedBudget):
                await budget.aclose()
