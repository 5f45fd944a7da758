"""Accounts, their devices and the sessions on them."""

from __future__ import annotations

import enum

import msgspec

MAX_TOKEN_BYTES = 4096
MAX_USER_ID_BYTES = 32


class Platform(enum.StrEnum):
    """What kind of device logged in."""

    ANDROID = "android"
    IOS = "ios"
    IPAD = "ipad"
    HARMONY = "harmony"
    WEB = "web"
    WINDOWS = "windows"
    MAC = "mac"
    LINUX = "linux"


#: Only these keep receiving pushes when the socket is gone (sheet rest-api, the three states).
MOBILE = frozenset({Platform.ANDROID, Platform.IOS, Platform.IPAD, Platform.HARMONY})


class SessionState(enum.StrEnum):
    """Where a device's login stands."""

    ACTIVE = "active"
    LOGGED_OUT = "logged_out"
    KICKED = "kicked"
    REVOKED = "revoked"  # by the REST command kick
    EXPIRED = "expired"  # the UserSig ran out


class AppState(enum.StrEnum):
    """What the app reported of itself last."""

    FOREGROUND = "foreground"
    BACKGROUND = "background"


class Account(msgspec.Struct, frozen=True):
    """A user of an app."""

    sdkappid: int
    user_id: str
    nick: str = ""
    face_url: str = ""
    valid_from: int = 0  # UserSigs issued before this second are revoked
    unread_total: int = 0
    inbox_seq: int = 0
    created_at_ms: int = 0


class Device(msgspec.Struct, frozen=True):
    """One installation that logged in, with its present session and push token."""

    device_id: int
    sdkappid: int
    user_id: str
    platform: str
    instance_id: str
    session_state: str = SessionState.ACTIVE
    session_id: int = 0  # grows with each login; a frame of an older session is refused
    login_at_ms: int = 0
    expires_at_ms: int = 0  # when the UserSig ends
    last_seen_ms: int = 0
    app_state: str = AppState.FOREGROUND
    node_id: int | None = None  # the node that holds its socket
    business_id: int | None = None
    token: str | None = None
    token_at_ms: int = 0
    language: str = ""

    @property
    def connected(self) -> bool:
        """Whether a node says that it holds this device's socket."""
        return self.node_id is not None
