"""Pushes: one notification for one device through one certificate, with its state."""

from __future__ import annotations

import enum

import msgspec


class PushState(enum.IntEnum):
    """Where a push stands. Stored as an integer; the first three are live, the rest are final or waiting for receipts."""

    WAITING_ACK = 0  # sent on the socket; pushed when no acknowledgement comes in time
    PENDING = 1  # due at ``due_at_ms``
    CLAIMED = 2  # owned by a node until the lease runs out
    ACCEPTED = 10  # the vendor took it
    DELIVERED_ONLINE = 11  # acknowledged on the socket
    SUPPRESSED = 12  # decided not to push, with the reason
    FAILED = 13  # the vendor refused it for good
    EXPIRED = 14  # its time to live ran out before the vendor took it
    CANCELLED = 15  # read elsewhere, recalled, or superseded before it was sent


LIVE = (PushState.WAITING_ACK, PushState.PENDING, PushState.CLAIMED)


class Action(enum.StrEnum):
    """What the decision table says."""

    SOCKET = "socket"  # socket only; push when no acknowledgement comes
    SOCKET_AND_PUSH = "socket_and_push"
    PUSH = "push"
    SUPPRESS = "suppress"
    SYNC = "sync"  # the sender's own other devices: socket, never a push


class Reason(enum.StrEnum):
    """Why a device got no push, or why it got one. Stable: documents, REST and console show these words."""

    OFFLINE = "offline"
    BACKGROUND = "background"
    FOREGROUND = "foreground"
    NO_ACK = "no_ack"
    FALLBACK = "fallback"  # the token before it was dead: the device's next one is used
    LOGGED_OUT = "logged_out"
    KICKED = "kicked"
    REVOKED = "revoked"
    USERSIG_EXPIRED = "usersig_expired"
    SESSION_EXPIRED = "session_expired"
    NOT_MOBILE = "not_mobile"
    NO_TOKEN = "no_token"
    NO_CERTIFICATE = "no_certificate"
    CERTIFICATE_PAUSED = "certificate_paused"
    OWN_MESSAGE = "own_message"
    MUTED = "muted"
    QUIET_HOURS = "quiet_hours"
    DISCARDED = "discarded"
    BLOCKED = "blocked"
    SENDER_OPTED_OUT = "sender_opted_out"
    ONLINE_ONLY = "online_only"
    NO_DESCRIPTION = "no_description"
    NO_DEVICE = "no_device"
    NOT_MEMBER = "not_member"  # left or was removed from the group before it was sent
    READ_ELSEWHERE = "read_elsewhere"
    RECALLED = "recalled"
    SUPERSEDED = "superseded"
    TOKEN_DEAD = "token_dead"
    TOKEN_MOVED = "token_moved"
    TTL_OVER = "ttl_over"
    ATTEMPTS_OVER = "attempts_over"
    MESSAGE_REFUSED = "message_refused"
    CLASS_REFUSED = "class_refused"
    CREDENTIALS_REFUSED = "credentials_refused"
    QUOTA_DEVICE = "quota_device"
    TAKEN_BACK = "taken_back"
    CLEARED = "cleared"
    VETOED = "vetoed"  # the app's own backend said no before it went out
    NO_CHANNEL_ID = "no_channel_id"  # the vendor would take it, and the phone would show nothing


class PushKind(enum.StrEnum):
    """What a push is for."""

    MESSAGE = ""
    RECALLED = "recalled"  # takes the place of a recalled message's notification
    READ = "read"  # silently takes the notifications away that were read elsewhere


class Decision(msgspec.Struct, frozen=True):
    """The decision for one device, with the reason that the explanation shows."""

    action: Action
    reason: Reason


class Push(msgspec.Struct, frozen=True):
    """A stored push."""

    push_id: int
    sdkappid: int
    message_id: int
    user_id: str
    device_id: int
    state: int
    reason: str
    inputs: str  # JSON of the device snapshot at the decision
    business_id: int = 0
    channel: str = ""
    notification_class: str = "private"
    token: str = ""
    badge: int | None = None
    attempts: int = 0
    due_at_ms: int = 0
    expires_at_ms: int = 0
    created_at_ms: int = 0
    accepted_at_ms: int = 0
    vendor_message_id: str = ""


class Attempt(msgspec.Struct, frozen=True):
    """One try of one push at the vendor, as it is recorded."""

    push_id: int
    number: int
    at_ms: int
    latency_ms: int
    outcome: str
    code: str
    detail: str
    request: str  # "POST url" + headers + body, secrets masked
    answer: str  # status line + body, cut
