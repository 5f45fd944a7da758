"""The day of the vendors whose quotas end at midnight in China."""

from __future__ import annotations

from typing import Final

_DAY_MS: Final = 86_400_000
_CHINA_MS: Final = 8 * 3_600_000


def seconds_to_midnight(now_ms: int) -> float:
    """Seconds until the next midnight in China (UTC+8, no summer time); never 0."""
    return (_DAY_MS - (now_ms + _CHINA_MS) % _DAY_MS) / 1000
