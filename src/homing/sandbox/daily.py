"""Counters that start again at midnight, China time, as the domestic vendors' quotas do."""

from __future__ import annotations

from collections.abc import Hashable

from .base import SandboxClock

CHINA_OFFSET_MS = 8 * 3_600_000
DAY_MS = 86_400_000


class DailyCounter:
    """Counts per key and day. Yesterday's counts are forgotten as a whole, so that memory is bounded by a day's keys."""

    def __init__(self, clock: SandboxClock) -> None:
        self._clock = clock
        self._day = -1
        self._counts: dict[Hashable, int] = {}

    def get(self, key: Hashable) -> int:
        """Today's count."""
        self._turn()
        return self._counts.get(key, 0)

    def add(self, key: Hashable, count: int = 1) -> int:
        """Count on; the new value."""
        self._turn()
        self._counts[key] = self._counts.get(key, 0) + count
        return self._counts[key]

    def _turn(self) -> None:
        day = (self._clock.now_ms() + CHINA_OFFSET_MS) // DAY_MS
        if day != self._day:
            self._day = day
            self._counts.clear()
