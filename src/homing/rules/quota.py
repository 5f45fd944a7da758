"""Quota arithmetic: a vendor's calendar day, the token bucket and the circuit breaker. Pure: time is passed in."""

from __future__ import annotations

import datetime as dt

DAY_MS = 86_400_000
MINUTE_MS = 60_000
#: How soon who waits for a trial's answer asks again: sent away for longer, it would sleep through the vendor's recovery.
TRIAL_LOOK_SECONDS = 5.0


def day_of(now_ms: int, utc_offset_minutes: int) -> str:
    """The vendor's calendar day ``YYYY-MM-DD`` at ``now_ms``."""
    days = (now_ms + utc_offset_minutes * MINUTE_MS) // DAY_MS
    return (dt.date(1970, 1, 1) + dt.timedelta(days=days)).isoformat()


def day_end_ms(now_ms: int, utc_offset_minutes: int) -> int:
    """The vendor's next midnight, in milliseconds since 1970. Always later than ``now_ms``."""
    offset_ms = utc_offset_minutes * MINUTE_MS
    return ((now_ms + offset_ms) // DAY_MS + 1) * DAY_MS - offset_ms


class TokenBucket:
    """At most ``rate`` a second on average and ``burst`` at once. ``now`` is a monotonic clock's seconds."""

    __slots__ = ("_filled_at", "_tokens", "burst", "rate")

    def __init__(self, rate: float, burst: float, now: float) -> None:
        """A full bucket. A ``rate`` of zero or less means: no limit."""
        self.rate = rate
        self.burst = max(1.0, burst)
        self._tokens = self.burst
        self._filled_at = now

    def take(self, now: float, n: float = 1) -> float:
        """Take ``n`` and return 0; or take nothing and return the seconds until they are there.

        More than ``burst`` at once is granted from a full bucket and paid for afterwards, so that a large batch
        is slow and never stuck.
        """
        if self.rate <= 0:
            return 0.0
        elapsed = now - self._filled_at
        if elapsed > 0:
            self._tokens = min(self.burst, self._tokens + elapsed * self.rate)
            self._filled_at = now
        missing = min(n, self.burst) - self._tokens
        # A rounding error of a clock must not ask for a wait of a nanosecond.
        if missing > 1e-9:
            return missing / self.rate
        self._tokens -= n
        return 0.0


class CircuitBreaker:
    """Stops asking a vendor that is down: closed, open, then half-open with one trial at a time.

    ``now`` is a monotonic clock's seconds. Each failed trial doubles the time that it stays open, up to ``max_open_seconds``.
    """

    __slots__ = ("_failures", "_open_for", "_opened_at", "_trial_at", "max_open_seconds", "open_seconds", "threshold")

    def __init__(self, threshold: int = 5, open_seconds: float = 5.0, max_open_seconds: float = 120.0) -> None:
        self.threshold = threshold
        self.open_seconds = open_seconds
        self.max_open_seconds = max_open_seconds
        self._failures = 0
        self._open_for = 0.0  # 0: closed
        self._opened_at = 0.0
        self._trial_at: float | None = None

    @property
    def state(self) -> str:
        """``closed``, ``open`` or ``half_open`` (a trial is under way)."""
        if not self._open_for:
            return "closed"
        return "open" if self._trial_at is None else "half_open"

    def allow(self, now: float) -> bool:
        """Whether a request may go out now. When the open time is over this admits one trial."""
        if not self._open_for:
            return True
        if now < self.retry_at:
            return False
        # A trial that never reports (its task was cancelled) must not close the door for ever: retry_at counts from it.
        self._trial_at = now
        return True

    def wait_seconds(self, now: float) -> float:
        """0: ``allow`` admits a request now. Else how long to wait before asking again."""
        if self.allow(now):
            return 0.0
        wait = max(0.05, self.retry_at - now)
        return wait if self._trial_at is None else min(TRIAL_LOOK_SECONDS, wait)

    def success(self) -> None:
        """The vendor answered: closed again, as new."""
        self._failures = 0
        self._open_for = 0.0
        self._trial_at = None

    def failure(self, now: float) -> None:
        """The vendor did not answer, or said that it is down."""
        self._failures += 1
        if self._open_for:
            if self._trial_at is not None:
                self._open(now, min(self.max_open_seconds, self._open_for * 2))
        elif self._failures >= self.threshold:
            self._open(now, min(self.max_open_seconds, self.open_seconds))

    def _open(self, now: float, seconds: float) -> None:
        self._open_for = seconds
        self._opened_at = now
        self._trial_at = None

    @property
    def retry_at(self) -> float:
        """When ``allow`` says yes again; 0 while closed."""
        if not self._open_for:
            return 0.0
        return (self._opened_at if self._trial_at is None else self._trial_at) + self._open_for
