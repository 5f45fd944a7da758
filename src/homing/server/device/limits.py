"""Bounds of the device API."""

from __future__ import annotations

import msgspec


class DeviceLimits(msgspec.Struct, frozen=True):
    """What one session, one connection and one node may use. Times are in seconds."""

    frame_bytes: int = 65_536  # of a frame and of an HTTP body
    calls_per_second: float = 50.0  # of one session, over time
    burst: float = 200.0  # of one session, at once
    strikes: int = 100  # refused frames in a row, after which a flooding socket is closed
    login_seconds: float = 10.0  # until the first frame of a socket that has no Authorization
    waiting_logins: int = 2_000  # sockets that have not logged in yet
    heartbeat_seconds: float = 120.0  # how often a client shall show a sign of life
    ping_after_seconds: float = 150.0  # silence after which the server asks
    loss_seconds: float = 400.0  # silence after which the connection counts as lost
    queued_frames: int = 512  # waiting for a slow reader
    queued_bytes: int = 1024 * 1024
    unacknowledged: int = 1_000  # messages whose acknowledgement is tracked for the resume position
    sync_page: int = 50
    sync_patience_seconds: float = 30.0  # for a reader that takes what was missed
    seen_seconds: float = 300.0  # between two bulk updates of last-seen times
    sessions_tracked: int = 20_000  # token buckets of sessions that use HTTPS


LIMITS = DeviceLimits()


class TokenBucket:
    """So many calls at once, so many a second over time."""

    __slots__ = ("_at", "_left")

    def __init__(self, limits: DeviceLimits, now: float) -> None:
        self._left = limits.burst
        self._at = now

    def take(self, limits: DeviceLimits, now: float, cost: float = 1.0) -> bool:
        """Whether there is room for one more call at ``now`` (monotonic seconds)."""
        self._left = min(limits.burst, self._left + (now - self._at) * limits.calls_per_second)
        self._at = now
        if self._left < cost:
            return False
        self._left -= cost
        return True


class Buckets:
    """One bucket a session, the least recently used ones forgotten."""

    def __init__(self, limits: DeviceLimits) -> None:
        self._limits = limits
        self._buckets: dict[int, TokenBucket] = {}

    def take(self, device_id: int, now: float) -> bool:
        """Whether this device may call once more."""
        bucket = self._buckets.pop(device_id, None) or TokenBucket(self._limits, now)
        self._buckets[device_id] = bucket
        while len(self._buckets) > self._limits.sessions_tracked:
            del self._buckets[next(iter(self._buckets))]
        return bucket.take(self._limits, now)
