"""A token bucket on the sandbox's clock."""

from __future__ import annotations

from .base import SandboxClock


class TokenBucket:
    """``rate`` a second, with a burst of one second's worth."""

    def __init__(self, clock: SandboxClock, rate: float) -> None:
        self._clock, self._rate = clock, rate
        self._left = float(rate)
        self._at = clock.monotonic()

    def take(self, count: int = 1) -> bool:
        """Take ``count``; False, and nothing taken, when they are not there."""
        now = self._clock.monotonic()
        self._left = min(self._rate, self._left + (now - self._at) * self._rate)
        self._at = now
        if self._left < count:
            return False
        self._left -= count
        return True
