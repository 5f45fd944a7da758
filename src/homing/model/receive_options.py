"""What an account wants of its conversations, and when it wants no notifications at all (client-sdk sheet, section 4)."""

from __future__ import annotations

import enum

import msgspec

DAY_SECONDS = 86_400


class ReceiveOption(enum.IntEnum):
    """An account's wish for the messages of one conversation."""

    NOTIFY = 0  # receive and notify
    DISCARD = 1  # nothing: neither the message nor a push
    SILENT = 2  # on the socket and unread, no push
    SILENT_BUT_MENTIONS = 3  # as SILENT, but a mention is pushed
    DISCARD_BUT_MENTIONS = 4  # as DISCARD, but a mention comes and is pushed


#: What a one-to-one conversation, which knows no mentions, can be set to.
ONE_TO_ONE_OPTIONS = (ReceiveOption.NOTIFY, ReceiveOption.DISCARD, ReceiveOption.SILENT)


class QuietHours(msgspec.Struct, frozen=True, omit_defaults=True):
    """A do-not-disturb window. Daily by the clock on the account's wall, or once from a moment on (``starts_at`` > 0)."""

    start_second: int = 0  # of the local day
    duration_seconds: int = 0  # 86400 and more, daily: without an end
    time_zone: str = ""  # IANA name; "": ``utc_offset_minutes`` counts
    utc_offset_minutes: int = 0
    starts_at: int = 0  # unix seconds


class Screening(msgspec.Struct, frozen=True):
    """What a receiver has set that bears on one sender's messages."""

    blocked: bool = False
    option: int = ReceiveOption.NOTIFY
    passes_quiet: bool = False  # this conversation notifies in the quiet hours too
    quiet_hours: QuietHours | None = None


#: A receiver that has set nothing.
NO_SCREENING = Screening()
