"""The clock and the source of randomness, passed in wherever time or chance matters, so that tests can hold them."""

from __future__ import annotations

import secrets
import threading
import time
from typing import Protocol


class Clock(Protocol):
    """Wall clock in milliseconds and a monotonic one in seconds."""

    def now_ms(self) -> int:
        """Milliseconds since 1970, UTC."""
        ...

    def monotonic(self) -> float:
        """Seconds on a clock that never jumps."""
        ...


class SystemClock:
    """The machine's clock."""

    def now_ms(self) -> int:
        return time.time_ns() // 1_000_000

    monotonic = staticmethod(time.monotonic)  # asked several times a message


class Ids:
    """64-bit identifiers that grow with time: 41 bits of milliseconds, 10 bits of node, 12 bits of counter.

    Two nodes never share a number (the store hands them out), so neither do their identifiers.
    A clock that steps back does not repeat identifiers: the generator never goes below its last millisecond.
    """

    EPOCH_MS = 1_704_067_200_000  # 2024-01-01

    def __init__(self, clock: Clock, node: int) -> None:
        if not 0 <= node < 1024:
            raise ValueError("a node number has ten bits")
        self._clock = clock
        self._node = node << 12
        self._last = 0
        self._counter = secrets.randbelow(64)
        self._lock = threading.Lock()  # the store's writer thread makes identifiers too

    def next(self) -> int:
        """A new identifier, larger than every one before it from this node."""
        now = self._clock.now_ms() - self.EPOCH_MS
        with self._lock:
            if now > self._last:
                self._last, self._counter = now, 0
            else:
                self._counter += 1
                if self._counter == 4096:
                    self._last, self._counter = self._last + 1, 0
            return (self._last << 22) | self._node | self._counter

    def take(self, count: int) -> int:
        """The first of ``count`` identifiers in a row, at most 4096, that are all new."""
        if not 0 < count <= 4096:
            raise ValueError("identifiers are taken 1 to 4096 at a time")
        now = self._clock.now_ms() - self.EPOCH_MS
        with self._lock:
            if now > self._last:
                self._last, first = now, 0
            else:
                first = self._counter + 1
                if first + count > 4096:
                    self._last, first = self._last + 1, 0
            self._counter = first + count - 1
            return (self._last << 22) | self._node | first


def id_time_ms(identifier: int) -> int:
    """When an identifier was made, in milliseconds since 1970."""
    return (identifier >> 22) + Ids.EPOCH_MS
