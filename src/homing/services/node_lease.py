"""This node's number and its sign of life, and whether its view of the other nodes can be trusted.

After an outage of the store every node's lease looks old. Who comes back first must not take the living for dead: what
they hold would be sent twice, and their sockets forgotten. So a node judges others only after it has itself written its
sign of life without a break for a whole lease: all that live have written theirs by then.
"""

from __future__ import annotations

import asyncio

import structlog

from homing.model.clock import Clock
from homing.store.engine import Database
from homing.store.nodes import renew_node

log = structlog.get_logger()

RETRY_SECONDS = 0.5


class NodeLease:
    """The lease of one life of a node."""

    def __init__(self, database: Database, clock: Clock, node_id: int, boot: str, seconds: float) -> None:
        """The lease was taken just now, for ``seconds``."""
        self._database = database
        self._clock = clock
        self._node_id = node_id
        self._boot = boot
        self._seconds = seconds
        self.lapses = 0  # how often it had run out before it was renewed
        self._renewed_at = self._steady_since = clock.monotonic()

    def judges(self) -> bool:
        """Whether a lease that has run out means that its node is gone."""
        now = self._clock.monotonic()
        self._notice_gap(now)
        return now - self._steady_since >= self._seconds

    async def renew(self) -> bool:
        """Prolong the lease. False: another process lives under this number. Raises ``StoreBusy``."""
        until_ms = self._clock.now_ms() + int(self._seconds * 1000)
        kept = await self._database.write(lambda tx: renew_node(tx, self._node_id, self._boot, until_ms))
        now = self._clock.monotonic()
        self._notice_gap(now)
        self.lapses += now - self._renewed_at >= self._seconds
        self._renewed_at = now
        return kept

    async def keep(self) -> None:
        """Renew until it is lost."""
        while True:
            try:
                if not await self.renew():
                    return
            except Exception as error:
                log.warning("node_number_not_renewed", why=str(error))
                await asyncio.sleep(min(RETRY_SECONDS, self._seconds / 3))
            else:
                await asyncio.sleep(self._seconds / 3)

    def _notice_gap(self, now: float) -> None:
        # A third passes between two renewals: an outage that outlasts another's lease makes a gap of two thirds here.
        if now - self._renewed_at > self._seconds / 2:
            self._steady_since = now
