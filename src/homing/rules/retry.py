"""Back-off: how long to wait before the next attempt of a push."""

from __future__ import annotations

import msgspec


class RetryPolicy(msgspec.Struct, frozen=True):
    """Exponential back-off with jitter, in seconds.

    A vendor's Retry-After always wins over these. ``max_attempts`` covers seven days at ``max_seconds``, so that an
    outage of a vendor ends a push by its time to live and not by a count. ``max_unclear_attempts`` is for answers that
    may be this push's own fault: an answer nobody understands, a log-in that expires again and again.
    """

    first_seconds: float = 1.0
    factor: float = 2.0
    max_seconds: float = 900.0
    max_attempts: int = 700
    max_unclear_attempts: int = 12
    jitter: float = 0.2  # a share of the wait, both ways


DEFAULT_POLICY = RetryPolicy()


def back_off_seconds(policy: RetryPolicy, attempts: int, random: float) -> float:
    """Seconds to wait after ``attempts`` attempts (1 after the first); ``random`` in [0, 1) spreads them.

    Never more than ``max_seconds`` plus its jitter, never negative.
    """
    exponent = max(0, attempts - 1)
    wait = policy.first_seconds
    # Stops at the ceiling: a float power of a large count would overflow.
    while exponent > 0 and wait < policy.max_seconds and policy.factor > 1:
        wait *= policy.factor
        exponent -= 1
    wait = min(wait, policy.max_seconds)
    return max(0.0, wait * (1 + policy.jitter * (2 * random - 1)))
