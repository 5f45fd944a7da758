"""Delivery on sockets: the acknowledgement that makes a waiting push unnecessary."""

from __future__ import annotations

from collections.abc import Sequence

from homing.model.clock import Clock
from homing.store.engine import Database, Tx
from homing.store.pushes import acknowledge

from .batcher import Batcher


class Delivery:
    """Acknowledgements, written in batches."""

    def __init__(self, *, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock
        self._batcher: Batcher[tuple[int, int, int], None] = Batcher(self._write, max_batch=512)

    async def acknowledge(self, sdkappid: int, device_id: int, message_ids: Sequence[int]) -> None:
        """The device has these messages: no push for them. Returns when that is durable. Repeats are harmless."""
        for future in [self._batcher.submit((message_id, device_id, sdkappid)) for message_id in dict.fromkeys(message_ids)]:
            await future

    async def drain(self) -> None:
        """Wait until everything is written."""
        await self._batcher.drain()

    async def _write(self, rows: list[tuple[int, int, int]]) -> list[None]:
        now_ms = self._clock.now_ms()

        async def work(tx: Tx) -> list[int]:
            return await acknowledge(tx, list(dict.fromkeys(rows)), now_ms)

        await self._database.write(work)
        return [None] * len(rows)
