"""Devices: who logged in, on what, and how each session ended. Tokens are in ``push_tokens``, sockets in ``presence``."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from homing.model.devices import AppState, Device, SessionState
from homing.model.push import Reason

from .engine import Bulk, Query, Tx
from .pushes import silence_device

_COLUMNS = (
    "device_id, sdkappid, user_id, platform, instance_id, session_state, session_id, login_at_ms, expires_at_ms, last_seen_ms, app_state, "
    "node_id, business_id, token, token_at_ms, language"
)
_OF = Bulk(
    "devices.of",
    [("user_id", "text")],
    f"SELECT {', '.join('d.' + name for name in _COLUMNS.split(', '))} FROM k JOIN device d ON d.user_id = k.user_id "
    "WHERE d.sdkappid = ? ORDER BY d.user_id, d.device_id",
)
_BY_ID = Query("devices.by_id", f"SELECT {_COLUMNS} FROM device WHERE device_id = ?")
# Locked: a socket that connects at this very moment comes before or after, and its node is known or it is refused.
_CURRENT = Query(
    "devices.current",
    f"SELECT {_COLUMNS} FROM device WHERE device_id = ?",
    f"SELECT {_COLUMNS} FROM device WHERE device_id = ? FOR UPDATE",
)
_BY_SESSION = Query("devices.by_session", f"SELECT {_COLUMNS} FROM device WHERE session_hash = ?")
_LOGIN = Query(
    "devices.login",
    "INSERT INTO device (device_id, sdkappid, user_id, platform, instance_id, session_state, session_id, session_hash, login_at_ms, "
    "expires_at_ms, last_seen_ms, app_state, language, synced_seq) VALUES (?, ?, ?, ?, ?, ?, 1, ?, ?, ?, ?, ?, ?, ?) "
    "ON CONFLICT (sdkappid, user_id, platform, instance_id) DO UPDATE SET session_state = excluded.session_state, "
    "session_id = device.session_id + 1, session_hash = excluded.session_hash, login_at_ms = excluded.login_at_ms, ended_at_ms = 0, "
    "expires_at_ms = excluded.expires_at_ms, last_seen_ms = excluded.last_seen_ms, app_state = excluded.app_state, node_id = NULL, "
    f"language = excluded.language RETURNING {_COLUMNS}",
)
# An ended session has no token: the phone may belong to somebody else by now (promise 5). The hash stays, so that the
# old session token is answered "ended" and not "unknown".
_END = Query(
    "devices.end",
    "UPDATE device SET session_state = ?, ended_at_ms = ?, node_id = NULL, token = NULL, business_id = NULL "
    "WHERE device_id = ? AND session_id = ? AND session_state = ?",
)
# The token of an expired session stays: the same account logs in again on the same phone, and nobody else can have it.
_EXPIRE = Query(
    "devices.expire",
    "UPDATE device SET session_state = ?, ended_at_ms = ?, node_id = NULL WHERE device_id = ? AND session_id = ? AND session_state = ?",
)
_SYNCED = Query("devices.synced", "SELECT synced_seq FROM device WHERE device_id = ?")
_DELETE = Bulk("devices.delete", [("device_id", "bigint")], "DELETE FROM device WHERE device_id IN (SELECT device_id FROM k)")
_EVENT = Query(
    "devices.event",
    "INSERT INTO device_event (event_id, sdkappid, user_id, device_id, at_ms, kind, detail) VALUES (?, ?, ?, ?, ?, ?, ?)",
)

#: Why pushes on their way to a device stop when its session ends like this.
SILENCE = {
    SessionState.LOGGED_OUT: Reason.LOGGED_OUT,
    SessionState.KICKED: Reason.KICKED,
    SessionState.REVOKED: Reason.REVOKED,
    SessionState.EXPIRED: Reason.USERSIG_EXPIRED,
}


async def devices_of(tx: Tx, sdkappid: int, user_ids: Iterable[str]) -> dict[str, list[Device]]:
    """Every device of these accounts; accounts without one are left out."""
    found: dict[str, list[Device]] = {}
    for row in await tx.bulk(_OF, [(user_id,) for user_id in dict.fromkeys(user_ids)], sdkappid):
        found.setdefault(row[2], []).append(Device(*row))
    return found


async def device_by_id(tx: Tx, device_id: int) -> Device | None:
    """The device, or None."""
    row = await tx.fetch_one(_BY_ID, device_id)
    return None if row is None else Device(*row)


async def lock_device(tx: Tx, device_id: int) -> Device | None:
    """The device as it is now, locked for this transaction."""
    row = await tx.fetch_one(_CURRENT, device_id)
    return None if row is None else Device(*row)


async def device_by_session(tx: Tx, session_hash: bytes) -> Device | None:
    """The device whose present or last session has this hash, or None."""
    row = await tx.fetch_one(_BY_SESSION, session_hash)
    return None if row is None else Device(*row)


async def save_login(tx: Tx, device: Device, session_hash: bytes, synced_seq: int) -> Device:
    """Begin a session; returns the device as it is stored, with the next ``session_id``.

    An installation that is known keeps its ``device_id`` and its token. ``synced_seq`` is the inbox place from which a
    new device synchronises.
    """
    args = (
        device.device_id,
        device.sdkappid,
        device.user_id,
        device.platform,
        device.instance_id,
        SessionState.ACTIVE,
        session_hash,
        device.login_at_ms,
        device.expires_at_ms,
        device.last_seen_ms,
        AppState.FOREGROUND,
        device.language,
        synced_seq,
    )
    rows = await tx.fetch(_LOGIN, *args)
    return Device(*rows[0])


async def end_session(tx: Tx, device: Device, state: SessionState, now_ms: int) -> Device | None:
    """End the session: the token is unbound and what is on its way to it stops.

    Returns the device as it was just before, with the node that holds its socket; None when the session had ended already.
    """
    current = await lock_device(tx, device.device_id)
    statement = _EXPIRE if state is SessionState.EXPIRED else _END
    if current is None or not await tx.execute(statement, state, now_ms, device.device_id, device.session_id, SessionState.ACTIVE):
        return None
    await silence_device(tx, device.device_id, SILENCE[state], now_ms)
    return current


async def synced_seq_of(tx: Tx, device_id: int) -> int:
    """The inbox place that the device acknowledged last; 0 when there is no such device."""
    row = await tx.fetch_one(_SYNCED, device_id)
    return 0 if row is None else int(row[0])


async def delete_devices(tx: Tx, device_ids: Sequence[int]) -> None:
    """Forget devices."""
    await tx.bulk(_DELETE, [(device_id,) for device_id in device_ids])


async def note_event(tx: Tx, event_id: int, device: Device, at_ms: int, kind: str, detail: str = "") -> None:
    """Note for the explanation what happened to a device."""
    await tx.execute(_EVENT, event_id, device.sdkappid, device.user_id, device.device_id, at_ms, kind, detail)
