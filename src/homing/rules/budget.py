"""A share of a vendor's rate limit: permits that a node reserved in the cluster's budget, each batch with its place in time.

Pure: time is passed in, and reserving is done elsewhere.
"""

from __future__ import annotations

from collections import deque

#: What one reservation asks for at most. Long enough that reserving costs little, short enough that nodes alternate.
SLICE_SECONDS = 0.1
#: How long reserved permits may be used after their time has come. Unused ones are lost, never saved up.
LIFE_SECONDS = 1.0


class _Slice:
    __slots__ = ("ends_at", "left", "starts_at")

    def __init__(self, starts_at: float, ends_at: float, left: int) -> None:
        self.starts_at = starts_at
        self.ends_at = ends_at
        self.left = left


class Slices:
    """Reserved permits of one certificate on one node. ``now`` is a monotonic clock's seconds."""

    __slots__ = ("_last", "_lately", "_left", "_since", "_slices", "_taken", "rate")

    def __init__(self, rate: float, now: float) -> None:
        """No permits yet. ``rate`` (per second, above 0) is the whole cluster's."""
        self.rate = rate
        self._slices: deque[_Slice] = deque()
        self._left = 0
        self._last = 0  # size of the last reservation
        self._taken = 0  # in the present window of at least a slice's time
        self._since = now
        self._lately = 0.0  # taken in a slice's time, by the window before

    def take(self, now: float) -> float:
        """0: a permit was taken. Positive: seconds until there are some. Negative: none are reserved."""
        slices = self._slices
        while slices:
            head = slices[0]
            if head.starts_at > now:
                return head.starts_at - now
            if head.left and now < head.ends_at:
                head.left -= 1
                self._left -= 1
                self._taken += 1
                return 0.0
            self._left -= head.left
            slices.popleft()
        return -1.0

    @property
    def low(self) -> bool:
        """At most half of the last reservation is left: time to reserve ahead of need."""
        return self._left * 2 <= self._last

    def wanted(self, now: float, waiting: int) -> int:
        """How many permits to reserve now: for what waits, and for as much as was used lately; at most a slice."""
        elapsed = now - self._since
        if elapsed >= SLICE_SECONDS:
            self._lately = self._taken * SLICE_SECONDS / elapsed
            self._taken, self._since = 0, now
        lately = max(int(self._lately), self._taken)
        return max(0, min(max(waiting, lately), max(1, int(self.rate * SLICE_SECONDS))))

    def reserved(self, permits: int, starts_at: float) -> None:
        """So many permits may be used from this moment on."""
        ends_at = starts_at + permits / self.rate + LIFE_SECONDS
        self._slices.append(_Slice(starts_at, ends_at, permits))
        self._left += permits
        self._last = permits
