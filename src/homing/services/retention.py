"""Retention: what is older than the configured days goes, a little at a time, while the server works."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence

import structlog

from homing.model.clock import Clock, Ids
from homing.store import retention as store
from homing.store.engine import Database, StoreBusy, Tx

log = structlog.get_logger()

DAY_MS = 86_400_000
BATCH = 500
KEEP_AUDIT_DAYS = 400
#: Between two batches, so that deleting never takes more than a small share of the writer.
PAUSE_SECONDS = 0.2
ROUND_SECONDS = 300.0

Delete = Callable[[Tx, int, int], Awaitable[int]]
#: Deletes at most so many of what its owner keeps beside the tables; returns how many.
Sweep = Callable[[int], Awaitable[int]]


class Retention:
    """Deletes old rows in bounded batches. Messages are kept at least as long as their pushes can be sent."""

    def __init__(
        self, *, database: Database, clock: Clock, keep_messages_days: int, keep_pushes_days: int, sweeps: Sequence[Sweep] = ()
    ) -> None:
        self._sweeps = sweeps
        self._database = database
        self._clock = clock
        # A push is explained with its message, so a message never goes before its pushes may.
        self._plan: tuple[tuple[Delete, int], ...] = (
            (store.delete_pushes, keep_pushes_days),
            (store.delete_bundles, keep_pushes_days),
            (store.delete_messages, max(keep_messages_days, keep_pushes_days)),
            (store.delete_events, keep_pushes_days),
            (store.delete_quotas, keep_pushes_days),
            (store.delete_audit, KEEP_AUDIT_DAYS),
        )
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begin to clean up in the background."""
        self._task = asyncio.get_running_loop().create_task(self._run())

    def stop(self) -> None:
        """Stop cleaning up."""
        if self._task is not None:
            self._task.cancel()

    async def round(self) -> int:
        """Delete everything that is too old by now. Returns how many rows."""
        deleted = 0
        for delete, days in self._plan:
            before = max(0, self._clock.now_ms() - days * DAY_MS - Ids.EPOCH_MS) << 22
            while n := await self._batch(delete, before):
                deleted += n
                if n < BATCH:
                    break
                await asyncio.sleep(PAUSE_SECONDS)
        for sweep in self._sweeps:
            while n := await sweep(BATCH):
                deleted += n
                await asyncio.sleep(PAUSE_SECONDS)
        return deleted

    async def _batch(self, delete: Delete, before: int) -> int:
        async def work(tx: Tx) -> int:
            return await delete(tx, before, BATCH)

        return await self._database.write(work)

    async def _run(self) -> None:
        while True:
            await asyncio.sleep(ROUND_SECONDS)
            try:
                deleted = await self.round()
            except StoreBusy as busy:
                log.warning("retention_waits_for_the_store", why=str(busy))
            else:
                if deleted:
                    log.info("old_rows_deleted", rows=deleted)
