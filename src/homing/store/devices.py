"""Devices: installations, their sessions, their tokens and where their sockets are."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from homing.model.devices import AppState, Device, SessionState
from homing.model.push import Reason

from .engine import Bulk, Query, Tx
from .pushes import silence_device

_COLUMNS = (
    "d.device_id, d.sdkappid, d.user_id, d.platform, d.instance_id, d.session_state, d.session_id, d.login_at_ms, d.expires_at_ms, "
    "d.last_seen_ms, d.app_state, d.node_id, d.business_id, d.token, d.token_at_ms, d.language"
)
_OF_ACCOUNTS = Bulk(
    "devices.of_accounts",
    [("user_id", "text")],
    f"SELECT {_COLUMNS} FROM k JOIN device d ON d.user_id = k.user_id WHERE d.sdkappid = ? ORDER BY d.device_id",
)
_BY_SESSION = Query("devices.by_session", f"SELECT {_COLUMNS} FROM device d WHERE d.session_hash = ?")
_BY_ID = Query("devices.by_id", f"SELECT {_COLUMNS} FROM device d WHERE d.sdkappid = ? AND d.device_id = ?")
_START = Query(
    "devices.start_session",
    "INSERT INTO device (device_id, sdkappid, user_id, platform, instance_id, session_state, session_id, session_hash, login_at_ms, "
    "expires_at_ms, last_seen_ms, app_state, language) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) "
    "ON CONFLICT (sdkappid, user_id, platform, instance_id) DO UPDATE SET session_state = excluded.session_state, "
    "session_id = excluded.session_id, session_hash = excluded.session_hash, login_at_ms = excluded.login_at_ms, ended_at_ms = 0, "
    "expires_at_ms = excluded.expires_at_ms, last_seen_ms = excluded.last_seen_ms, app_state = excluded.app_state, "
    "language = excluded.language, node_id = NULL, connection_id = 0 RETURNING device_id",
)
_END = Query(
    "devices.end_session",
    "UPDATE device SET session_state = ?, session_hash = NULL, ended_at_ms = ?, node_id = NULL, connection_id = 0, business_id = NULL, "
    "token = NULL WHERE device_id = ? AND session_id = ? AND session_state = ?",
)
_DELETE = Query("devices.delete", "DELETE FROM device WHERE device_id = ?")
_HOLDERS = Query(
    "devices.token_holders",
    "SELECT device_id, user_id FROM device WHERE sdkappid = ? AND business_id = ? AND token = ? AND device_id <> ?",
)
_UNBIND = Query("devices.unbind", "UPDATE device SET business_id = NULL, token = NULL, token_at_ms = ? WHERE device_id = ?")
_BIND = Query(
    "devices.bind",
    "UPDATE device SET business_id = ?, token = ?, token_at_ms = ?, is_tpns_token = ? WHERE device_id = ? AND session_id = ?",
)
_STATE = Query("devices.app_state", "UPDATE device SET app_state = ?, last_seen_ms = ? WHERE device_id = ? AND session_id = ?")
_UNREAD = Query("devices.unread", "UPDATE account SET unread_total = ? WHERE sdkappid = ? AND user_id = ?")
_CONNECT = Query(
    "devices.connect",
    "UPDATE device SET node_id = ?, connection_id = ?, last_seen_ms = ? WHERE device_id = ? AND session_id = ? AND session_state = ?",
)
_DISCONNECT = Query(
    "devices.disconnect", "UPDATE device SET node_id = NULL, connection_id = 0, last_seen_ms = ? WHERE device_id = ? AND connection_id = ?"
)
_CLEAR_NODE = Query("devices.clear_node", "UPDATE device SET node_id = NULL, connection_id = 0 WHERE node_id = ?")
_SEEN = Bulk(
    "devices.seen",
    [("device_id", "bigint")],
    "UPDATE device SET last_seen_ms = ? FROM k WHERE device.device_id = k.device_id",
)
_EVENT = Query(
    "devices.event",
    "INSERT INTO device_event (event_id, sdkappid, user_id, device_id, at_ms, kind, detail) VALUES (?, ?, ?, ?, ?, ?, ?)",
)

NextId = Callable[[], int]


class NewSession(NamedTuple):
    """What a log-in writes."""

    sdkappid: int
    user_id: str
    platform: str
    instance_id: str
    session_id: int
    session_hash: bytes
    expires_at_ms: int
    language: str


def device_of(row: Sequence[Any]) -> Device:
    """A device from a row of this module's columns."""
    return Device(*row)


async def devices_of(tx: Tx, sdkappid: int, user_ids: Sequence[str]) -> dict[str, list[Device]]:
    """The devices of these accounts."""
    devices: dict[str, list[Device]] = {}
    for row in await tx.bulk(_OF_ACCOUNTS, [(user_id,) for user_id in dict.fromkeys(user_ids)], sdkappid):
        devices.setdefault(row[2], []).append(device_of(row))
    return devices


async def device_by_session(tx: Tx, session_hash: bytes) -> Device | None:
    """The device whose session token has this SHA-256, or None."""
    row = await tx.fetch_one(_BY_SESSION, session_hash)
    return None if row is None else device_of(row)


async def device_by_id(tx: Tx, sdkappid: int, device_id: int) -> Device | None:
    """One device of an app, or None."""
    row = await tx.fetch_one(_BY_ID, sdkappid, device_id)
    return None if row is None else device_of(row)


async def start_session(tx: Tx, new: NewSession, next_id: NextId, now_ms: int) -> int:
    """Log in on an installation; returns its device id, the same for every log-in of that account there."""
    rows = await tx.fetch(
        _START,
        next_id(),
        new.sdkappid,
        new.user_id,
        new.platform,
        new.instance_id,
        SessionState.ACTIVE.value,
        new.session_id,
        new.session_hash,
        now_ms,
        new.expires_at_ms,
        now_ms,
        AppState.FOREGROUND.value,
        new.language,
    )
    return int(rows[0][0])


async def end_session(tx: Tx, device: Device, state: SessionState, next_id: NextId, now_ms: int, detail: str = "") -> bool:
    """End a device's session, unbind its token and silence what is on its way to it (promise 5). False: it had ended before."""
    ended = await tx.execute(_END, state.value, now_ms, device.device_id, device.session_id, SessionState.ACTIVE.value)
    if not ended:
        return False
    reason = Reason.USERSIG_EXPIRED if state is SessionState.EXPIRED else Reason(state.value)
    await silence_device(tx, device.device_id, reason, now_ms)
    await add_event(tx, device, _KINDS[state], next_id, now_ms, detail)
    return True


_KINDS = {
    SessionState.LOGGED_OUT: "logout",
    SessionState.KICKED: "kicked",
    SessionState.REVOKED: "revoked",
    SessionState.EXPIRED: "usersig_expired",
}


async def delete_device(tx: Tx, device_id: int) -> None:
    """Forget a device of a deleted account."""
    await tx.execute(_DELETE, device_id)


async def bind_token(tx: Tx, device: Device, business_id: int, token: str, next_id: NextId, now_ms: int, *, is_tpns: bool) -> bool:
    """Give a token to a device, and take it from whoever held it, in one step (promise 5). False: the session has ended."""
    for holder_id, user_id in await tx.fetch(_HOLDERS, device.sdkappid, business_id, token, device.device_id):
        await tx.execute(_UNBIND, now_ms, holder_id)
        await silence_device(tx, holder_id, Reason.TOKEN_MOVED, now_ms)
        await tx.execute(_EVENT, next_id(), device.sdkappid, user_id, holder_id, now_ms, "token_moved", f"to {device.user_id}")
    if not await tx.execute(_BIND, business_id, token, now_ms, int(is_tpns), device.device_id, device.session_id):
        return False
    await add_event(tx, device, "token_reported", next_id, now_ms, f"certificate {business_id}")
    return True


async def unbind_token(tx: Tx, device: Device, next_id: NextId, now_ms: int) -> None:
    """The app switched its pushes off."""
    await tx.execute(_UNBIND, now_ms, device.device_id)
    await silence_device(tx, device.device_id, Reason.NO_TOKEN, now_ms)
    await add_event(tx, device, "token_cleared", next_id, now_ms)


async def set_app_state(tx: Tx, device: Device, state: AppState, now_ms: int, unread_count: int | None) -> bool:
    """The app went to the background or came to the foreground. ``unread_count`` starts the badge from there."""
    if unread_count is not None:
        await tx.execute(_UNREAD, unread_count, device.sdkappid, device.user_id)
    return await tx.execute(_STATE, state.value, now_ms, device.device_id, device.session_id) > 0


async def connect(tx: Tx, device: Device, node_id: int, connection_id: int, now_ms: int) -> bool:
    """A node holds the device's socket. False: the session has ended meanwhile."""
    args = (node_id, connection_id, now_ms, device.device_id, device.session_id, SessionState.ACTIVE.value)
    return await tx.execute(_CONNECT, *args) > 0


async def disconnect(tx: Tx, device_id: int, connection_id: int, now_ms: int) -> None:
    """The socket is gone, unless a newer one has taken its place."""
    await tx.execute(_DISCONNECT, now_ms, device_id, connection_id)


async def clear_node(tx: Tx, node_id: int) -> int:
    """A node starts: no socket of its earlier life is open any more."""
    return await tx.execute(_CLEAR_NODE, node_id)


async def seen(tx: Tx, device_ids: Sequence[int], now_ms: int) -> None:
    """These devices showed a sign of life; one statement for all of them."""
    await tx.bulk(_SEEN, [(device_id,) for device_id in device_ids], now_ms)


async def add_event(tx: Tx, device: Device, kind: str, next_id: NextId, now_ms: int, detail: str = "") -> None:
    """Note what happened to a device, for the explanation."""
    await tx.execute(_EVENT, next_id(), device.sdkappid, device.user_id, device.device_id, now_ms, kind, detail)
