"""Apps (tenants) and their settings."""

from __future__ import annotations

import enum

import msgspec

DAY_SECONDS = 86_400


class TerminalPolicy(enum.StrEnum):
    """Which devices of one account may be logged in together (sheet client-sdk, multi-terminal policy)."""

    SINGLE = "single"  # one device in all
    TWO = "two"  # one of mobile or desktop, and web
    THREE = "three"  # one mobile, one desktop, and web
    PER_PLATFORM = "per_platform"  # one of each platform
    UNLIMITED = "unlimited"


class NotificationMode(enum.StrEnum):
    """One notification a message, or one a conversation that newer messages replace."""

    PER_MESSAGE = "per_message"
    PER_CONVERSATION = "per_conversation"


class SendingLimits(enum.StrEnum):
    """Which limits hold for REST calls where the app has none of its own for a command."""

    NONE = "none"
    ORIGINAL = "original"  # the numbers of the original product


class AppSettings(msgspec.Struct, frozen=True, omit_defaults=True):
    """What an operator may choose for one app; every default is what a chat product expects."""

    terminal_policy: TerminalPolicy = TerminalPolicy.PER_PLATFORM
    notification_mode: NotificationMode = NotificationMode.PER_MESSAGE
    hide_content: bool = False
    wake_up_only: bool = False  # the notification carries identifiers alone: for apps that encrypt end to end
    keep_days: int = 7  # how long a device that is gone but not logged out still gets pushes
    ack_timeout_ms: int = 3000  # how long a foreground device may take to acknowledge
    language: str = "zh"  # of placeholder texts when the device reported none
    recall_seconds: int = 120  # how long a sender may recall
    session_days: int = 30  # how long a session token lives without being used
    default_ttl_seconds: int = 7 * DAY_SECONDS  # of a notification
    replace_recalled: bool = True  # the notification of a recalled message is replaced by one that says so
    clear_read: bool = True  # notifications that were read on another device are taken away, where the vendor allows it
    sending_limits: SendingLimits = SendingLimits.NONE
    command_limits: str = ""  # "service/command=N,…": own limits in requests a second; 0 for none
    tell_blocked_senders: bool = True  # a sender on the receiver's blacklist is refused; else it hears that it was sent


class App(msgspec.Struct, frozen=True):
    """A tenant: its accounts, certificates and secret key."""

    sdkappid: int
    name: str
    secret_key: str
    admins: tuple[str, ...]
    settings: AppSettings
    created_at_ms: int
    previous_key: str = ""  # good until then
    previous_key_until_ms: int = 0

    def __repr__(self) -> str:
        return f"App(sdkappid={self.sdkappid}, name={self.name!r})"  # never the key
