"""Notifications that a vendor holds back at night, China time, until the morning or until the phone is picked up."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable

from .base import Notice, SandboxClock
from .daily import CHINA_OFFSET_MS, DAY_MS
from .phones import Phone

MORNING_MS = 6 * 3_600_000
MAX_HELD = 10_000


class NightHold:
    """Holds from midnight to six in the morning. ``deliver`` brings a notice to its phone when its time has come."""

    def __init__(self, clock: SandboxClock, deliver: Callable[[Phone, Notice], object]) -> None:
        self._clock, self._deliver = clock, deliver
        self._held: deque[tuple[Phone, Notice]] = deque(maxlen=MAX_HELD)
        self._timer: asyncio.TimerHandle | None = None

    def hold(self, phone: Phone, notice: Notice) -> bool:
        """Keep it when it is night; False by day, and nothing is kept then."""
        into_day_ms = (self._clock.now_ms() + CHINA_OFFSET_MS) % DAY_MS
        if into_day_ms >= MORNING_MS:
            return False
        self._held.append((phone, notice))
        if self._timer is None:
            self._timer = asyncio.get_running_loop().call_later((MORNING_MS - into_day_ms) / 1000, self.release)
        return True

    def release(self) -> None:
        """The morning has come: everything arrives. At night nothing does."""
        if (self._clock.now_ms() + CHINA_OFFSET_MS) % DAY_MS < MORNING_MS:
            return
        self.close()
        while self._held:
            self._deliver(*self._held.popleft())

    def close(self) -> None:
        """Wait no longer."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
