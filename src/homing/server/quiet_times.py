"""A do-not-disturb window as clients write it: hours, minutes and seconds, as in the original's SDK (client-sdk sheet, section 4)."""

from __future__ import annotations

from homing.model.problems import BAD_PARAMETER, Refused
from homing.model.receive_options import QuietHours


def window_of(
    clock: tuple[int, int, int], duration_seconds: int, time_zone: str = "", utc_offset_minutes: int = 0, starts_at: int = 0
) -> QuietHours:
    """The window that begins daily at ``clock`` (hour, minute, second), or once at ``starts_at``. Raises ``Refused``."""
    hour, minute, second = clock
    if not (0 <= hour < 24 and 0 <= minute < 60 and 0 <= second < 60):
        raise Refused(BAD_PARAMETER, f"{hour}:{minute}:{second} is no time of the day")
    if len(time_zone) > 64:
        raise Refused(BAD_PARAMETER, "the time zone's name is too long")
    return QuietHours(hour * 3600 + minute * 60 + second, duration_seconds, time_zone, utc_offset_minutes, starts_at)


def clock_of(window: QuietHours) -> tuple[int, int, int]:
    """Hour, minute and second at which the window begins."""
    minutes, second = divmod(window.start_second, 60)
    hour, minute = divmod(minutes, 60)
    return hour, minute, second
