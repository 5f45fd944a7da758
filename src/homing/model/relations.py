"""What accounts are to one another: friends, blacklists, and what each takes from whom."""

from __future__ import annotations

import enum
from typing import Any

import msgspec

#: The original product's limits (public documentation of its relationship chain).
MAX_FRIENDS = 3000
MAX_BLOCKED = 1000
MAX_REMARK_BYTES = 96
MAX_GROUPS = 32
MAX_GROUP_NAME_BYTES = 30
MAX_WORDING_BYTES = 256
MAX_SOURCE_BYTES = 8
MAX_CUSTOM_BYTES = 500
SOURCE_PREFIX = "AddSource_Type_"


class InboxFilter(enum.IntFlag):
    """What an account set against incoming messages. Stored with the account, so that the others' messages cost no look-up."""

    NONE = 0
    BLACKLIST = 1
    OPTIONS = 2
    QUIET_HOURS = 4


class FriendDetails(msgspec.Struct, frozen=True, omit_defaults=True):
    """One account's notes about a friend."""

    remark: str = ""
    groups: tuple[str, ...] = ()
    source: str = ""
    wording: str = ""
    remark_at: int = 0  # unix seconds
    custom: dict[str, Any] = {}


class Friend(msgspec.Struct, frozen=True):
    """A friend of an account, as it sees it."""

    user_id: str
    details: FriendDetails
    added_at: int  # unix seconds


class Blocked(msgspec.Struct, frozen=True):
    """An entry of a blacklist."""

    user_id: str
    added_at: int  # unix seconds
