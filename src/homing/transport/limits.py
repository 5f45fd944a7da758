"""How many requests may be under way at once."""

from __future__ import annotations

import asyncio
import contextlib
from collections import deque


class InFlight:
    """A bounded number of slots, given out in the order of asking. The queue of waiters is bounded too.

    Unlike ``asyncio.Semaphore`` it can be resized (a certificate's ``max_in_flight`` changes) and refuses waiters
    beyond its bound instead of collecting them.
    """

    def __init__(self, limit: int, *, max_waiting: int = 10_000) -> None:
        if limit < 1:
            raise ValueError("at least one slot is needed")
        self._limit = limit
        self._max_waiting = max_waiting
        self._taken = 0
        self._waiters: deque[asyncio.Future[None]] = deque()

    @property
    def in_flight(self) -> int:
        """Slots that are taken."""
        return self._taken

    @property
    def free(self) -> int:
        """Slots that can be taken now."""
        return 0 if self._waiters else max(0, self._limit - self._taken)

    @property
    def waiting(self) -> int:
        """Callers that wait."""
        return len(self._waiters)

    def try_acquire(self) -> bool:
        """Take a slot if one is free and nobody waits for it."""
        if self.free == 0:
            return False
        self._taken += 1
        return True

    async def acquire(self) -> bool:
        """Take a slot, waiting for one if need be. False when too many wait already."""
        if self.try_acquire():
            return True
        if len(self._waiters) >= self._max_waiting:
            return False
        waiter: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiters.append(waiter)
        try:
            await waiter
        except asyncio.CancelledError:
            if waiter.done() and not waiter.cancelled():
                self.release()  # the slot had been given to us at the same moment: pass it on
            else:
                with contextlib.suppress(ValueError):  # a release may have skipped us already
                    self._waiters.remove(waiter)
            raise
        return True

    def release(self) -> None:
        """Give a slot back; the longest waiter gets it."""
        self._taken -= 1
        self._hand_out()

    def resize(self, limit: int) -> None:
        """Change the number of slots. Slots beyond a smaller limit are not taken away, they are not given out again."""
        if limit < 1:
            raise ValueError("at least one slot is needed")
        self._limit = limit
        self._hand_out()

    def _hand_out(self) -> None:
        while self._waiters and self._taken < self._limit:
            waiter = self._waiters.popleft()
            if not waiter.done():
                self._taken += 1
                waiter.set_result(None)
