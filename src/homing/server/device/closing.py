"""The close codes of the device socket. They are part of the contract: documents and clients know them."""

from __future__ import annotations

import msgspec

from homing.model.devices import SessionState


class Closing(msgspec.Struct, frozen=True):
    """A close code and its word."""

    code: int
    reason: str


SESSION_OVER = Closing(4000, "session_ended")
KICKED = Closing(4001, "kicked")
EXPIRED = Closing(4002, "usersig_expired")
FLOODING = Closing(4003, "flood")
MALFORMED = Closing(4004, "frame_malformed")
SLOW_CONSUMER = Closing(4005, "slow_consumer")
UNKNOWN_SESSION = Closing(4006, "session_unknown")
REPLACED = Closing(4007, "replaced")  # by a newer connection of the same session
SILENT = Closing(4008, "heartbeat_lost")
GOING_AWAY = Closing(1012, "restart")
INTERNAL_ERROR = Closing(1011, "internal")
TRY_LATER = Closing(1013, "too_fast")

_BY_STATE = {
    SessionState.LOGGED_OUT: SESSION_OVER,
    SessionState.KICKED: KICKED,
    SessionState.REVOKED: KICKED,
    SessionState.EXPIRED: EXPIRED,
}


def closing_of(state: str) -> Closing:
    """How a socket is closed whose session ended like this."""
    try:
        return _BY_STATE.get(SessionState(state), SESSION_OVER)
    except ValueError:
        return SESSION_OVER
