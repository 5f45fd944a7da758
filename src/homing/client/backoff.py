"""How long to wait before the next attempt to connect."""

from __future__ import annotations

from collections.abc import Callable
from random import Random

import msgspec

_random = Random().random  # noqa: S311 (spreads load, guards nothing)


class Backoff(msgspec.Struct, frozen=True):
    """Full jitter: after a server's restart its clients must not all come back in the same moment. In seconds."""

    first: float = 0.5
    most: float = 30.0

    def seconds(self, attempt: int, random: Callable[[], float] = _random) -> float:
        """The wait before this attempt; the first has number 0 and does not wait."""
        if attempt <= 0:
            return 0.0
        return float(min(self.most, self.first * 2 ** min(attempt - 1, 20)) * random())
