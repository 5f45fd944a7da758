"""Do not disturb: from what a receiver has set to what the decision asks about (client-sdk sheet, section 4)."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone, tzinfo
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import msgspec

from homing.model.receive_options import DAY_SECONDS, QuietHours, ReceiveOption, Screening

from .decision import MessageTraits

MAX_OFFSET_MINUTES = 14 * 60
_DISCARDS = (ReceiveOption.DISCARD, ReceiveOption.DISCARD_BUT_MENTIONS)


def screened(message: MessageTraits, screening: Screening, now_ms: int, *, honours_mute: bool) -> MessageTraits:
    """The message as the decision sees it for a receiver with these settings, at this moment.

    ``honours_mute``: the sender leaves it to the receiver (devices always do, REST with WithMuteNotifications); otherwise only
    the blacklist counts.
    """
    if not honours_mute:
        return msgspec.structs.replace(message, blocked=screening.blocked)
    return msgspec.structs.replace(
        message,
        blocked=screening.blocked,
        discarded=screening.option in _DISCARDS,
        muted=screening.option != ReceiveOption.NOTIFY,
        quiet=not screening.passes_quiet and screening.quiet_hours is not None and is_quiet(screening.quiet_hours, now_ms // 1000),
    )


def is_quiet(window: QuietHours, now: int) -> bool:
    """Whether the moment (unix seconds) lies in the window; its end does not.

    A daily window goes by the clock on the wall: it begins and ends at the same local time when the clocks change.
    """
    if window.starts_at:
        return window.starts_at <= now < window.starts_at + window.duration_seconds
    if window.duration_seconds >= DAY_SECONDS:
        return True
    local = datetime.fromtimestamp(now, zone_of(window))
    second = local.hour * 3600 + local.minute * 60 + local.second
    return (second - window.start_second) % DAY_SECONDS < window.duration_seconds


def zone_of(window: QuietHours) -> tzinfo:
    """The window's time zone; its offset where this machine does not know the name."""
    if window.time_zone:
        try:
            return ZoneInfo(window.time_zone)
        except (ZoneInfoNotFoundError, ValueError, OSError):
            pass
    return timezone(timedelta(minutes=window.utc_offset_minutes)) if window.utc_offset_minutes else UTC


def is_time_zone(name: str) -> bool:
    """Whether this machine knows a time zone of this name."""
    try:
        ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        return False
    return True
