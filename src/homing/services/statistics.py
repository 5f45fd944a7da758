"""Push statistics, and the way of single pushes (sheet push-statistics-and-limits, sections 1 and 2)."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime

from homing.model.apps import App
from homing.model.clock import Clock, Ids
from homing.model.push_jobs import JobKind, PushJob
from homing.services import explain_bundles
from homing.store import explain as records
from homing.store import statistics as store
from homing.store.engine import Database, Tx
from homing.store.explain import AttemptRecord, DeviceRecord, PushRecord
from homing.store.push_days import read_days
from homing.store.statistics import ByChannel

MAX_DAYS = 30
HOUR_MS = 3_600_000
MAX_TRACED = 50


class Traced:
    """One push with what was recorded about it."""

    __slots__ = ("attempts", "device", "push")

    def __init__(self, push: PushRecord, attempts: Sequence[AttemptRecord], device: DeviceRecord | None) -> None:
        self.push = push
        self.attempts = attempts
        self.device = device


class Statistics:
    """Counts and traces of every app."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock

    async def normal(self, app: App, start: int, end: int) -> ByChannel:
        """Pushes of one-to-one and group messages decided from ``start`` to ``end`` (unix seconds), by channel."""
        end_ms = min(end * 1000, self._clock.now_ms() + 1)
        at_ms = max(start * 1000, end_ms - MAX_DAYS * 24 * HOUR_MS)
        sums: ByChannel = {}
        while at_ms < end_ms:  # an hour at a time: no read holds a connection for long
            until_ms = min(end_ms, at_ms + HOUR_MS)
            first, last = _first_id(at_ms), _first_id(until_ms)

            async def read(tx: Tx, first: int = first, last: int = last) -> ByChannel:
                return await store.normal_counts(tx, app.sdkappid, first, last)

            for channel, counts in (await self._database.read(read)).items():
                store.add(sums, channel, *counts)
            at_ms = until_ms
        return sums

    async def jobs(self, jobs: Sequence[PushJob]) -> list[ByChannel]:
        """What became of these pushes to many."""
        found: list[ByChannel] = []
        for job in jobs:
            counts = await self._database.read(lambda tx, job=job: store.job_counts(tx, job))  # type: ignore[misc]
            if job.kind == JobKind.MESSAGE:
                store.add(counts, store.ONLINE, job.targets, job.sent)
            found.append(counts)
        return found

    async def all_jobs(self, app: App, start: int, end: int) -> ByChannel:
        """All pushes to many of the days (UTC) from ``start`` to ``end``, by the days' counters.

        Targets that became pushes of their own count on the day on which their push to many was asked for.
        """
        first = max(start, end - MAX_DAYS * 86_400)
        days = [datetime.fromtimestamp(max(0, at), UTC).date().isoformat() for at in (first, end)]
        sums: ByChannel = {}
        for day in await self._database.read(lambda tx: read_days(tx, app.sdkappid, *days)):
            store.add(sums, day.channel, day.total, day.sent, day.delivered, day.clicked)
        span = [_first_id(start_of_day_ms(at) + extra) for at, extra in ((first, 0), (end, 24 * HOUR_MS))]
        own = await self._database.read(lambda tx: store.own_counts(tx, app.sdkappid, *span))
        for channel, counts in own.items():
            store.add(sums, channel, *counts)
        return sums

    async def trace_job(self, app: App, job: PushJob, user_id: str) -> list[Traced]:
        """What a push to many did on the devices of one account."""

        async def read(tx: Tx) -> list[Traced]:
            pushes = await explain_bundles.pushes_of_job(tx, job, user_id)
            pushes += [push for push in await records.pushes_of_message(tx, app.sdkappid, job.job_id) if push.user_id == user_id]
            return await self._traced(tx, pushes)

        return await self._database.read(read)

    async def trace_message(self, app: App, message_id: int) -> list[Traced]:
        """What a message did on every device of its receivers."""

        async def read(tx: Tx) -> list[Traced]:
            return await self._traced(tx, await records.pushes_of_message(tx, app.sdkappid, message_id))

        return await self._database.read(read)

    async def _traced(self, tx: Tx, pushes: Sequence[PushRecord]) -> list[Traced]:
        told = list(pushes)[:MAX_TRACED]
        attempts = await explain_bundles.attempts_of(tx, told)
        devices = await records.devices_by_id(tx, [push.device_id for push in told if push.device_id])
        return [Traced(push, attempts.get(push.push_id, []), devices.get(push.device_id)) for push in told]


def start_of_day_ms(at: int) -> int:
    """When the day (UTC) of a moment (unix seconds) began, in milliseconds."""
    return max(0, at) // 86_400 * 86_400_000


def _first_id(at_ms: int) -> int:
    """The smallest identifier that was made at this moment or later."""
    return max(0, at_ms - Ids.EPOCH_MS) << 22
