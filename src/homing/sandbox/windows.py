"""Counters of a fixed span per key, on the sandbox's clock: "240 a minute and device"."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Hashable

from .base import SandboxClock

MAX_KEYS = 200_000


class Windows:
    """At most ``limit`` hits per key in each window of ``seconds``; a window begins with its first hit."""

    def __init__(self, clock: SandboxClock, seconds: float, limit: int) -> None:
        self._clock, self._seconds, self.limit = clock, seconds, limit
        self._open: OrderedDict[Hashable, tuple[float, int]] = OrderedDict()

    def hit(self, key: Hashable) -> bool:
        """Count one; False, and nothing counted, when the window is full."""
        now = self._clock.monotonic()
        began, count = self._open.get(key, (now, 0))
        if now - began >= self._seconds:
            began, count = now, 0
            self._open.pop(key, None)  # a new window goes to the end, so that the oldest is always in front
        if count >= self.limit:
            return False
        self._open[key] = (began, count + 1)
        if len(self._open) > MAX_KEYS:
            self._open.popitem(last=False)
        return True
