"""Where a vendor's day begins, by its channel."""

from __future__ import annotations

from homing.channels.registry import CHANNELS

CHINA_MINUTES = 480


def utc_offset_minutes(channel: str) -> int:
    """Minutes east of UTC whose midnight begins the vendor's day; China time for a channel of another release."""
    known = CHANNELS.get(channel)
    return CHINA_MINUTES if known is None else known.capabilities.day_utc_offset_minutes
