"""Presence: which node holds a device's socket, what the app reported of itself, when it was last heard of."""

from __future__ import annotations

from collections.abc import Sequence

from homing.model.devices import AppState, Device, SessionState

from .engine import Bulk, Query, Tx

# The session must be the present one: a frame of an ended session changes nothing.
_MINE = "device_id = ? AND session_id = ? AND session_state = ?"
_CONNECT = Query(
    "presence.connect",
    f"UPDATE device SET node_id = ?, connection_id = ?, last_seen_ms = ? WHERE {_MINE} RETURNING synced_seq",
)
_DISCONNECT = Query(
    "presence.disconnect",
    "UPDATE device SET node_id = NULL, last_seen_ms = ? WHERE device_id = ? AND node_id = ? AND connection_id = ?",
)
_RECLAIM = Bulk(
    "presence.reclaim",
    [("device_id", "bigint"), ("session_id", "bigint"), ("connection_id", "bigint")],
    "UPDATE device SET node_id = ? FROM k WHERE device.device_id = k.device_id AND device.session_id = k.session_id "
    "AND device.connection_id = k.connection_id AND device.node_id IS NULL AND device.session_state = ? RETURNING device.device_id",
)
_CLEAR_NODE = Query("presence.clear_node", "UPDATE device SET node_id = NULL WHERE node_id = ?")
_CLEAR_LOST = Query(
    "presence.clear_lost",
    "UPDATE device SET node_id = NULL WHERE node_id IN (SELECT node_id FROM node WHERE lease_until_ms < ? AND node_id <> ?)",
)
_APP_STATE = Query("presence.app_state", f"UPDATE device SET app_state = ?, last_seen_ms = ? WHERE {_MINE}")
_BADGE = Query("presence.badge", "UPDATE account SET unread_total = ? WHERE sdkappid = ? AND user_id = ?")
_INBOX_END = Query("presence.inbox_end", "SELECT inbox_seq FROM account WHERE sdkappid = ? AND user_id = ?")
_SEEN = Bulk(
    "presence.seen",
    [("device_id", "bigint"), ("session_id", "bigint"), ("seen_ms", "bigint"), ("synced_seq", "bigint")],
    "UPDATE device SET last_seen_ms = CASE WHEN k.seen_ms > device.last_seen_ms THEN k.seen_ms ELSE device.last_seen_ms END, "
    "synced_seq = CASE WHEN k.synced_seq > device.synced_seq THEN k.synced_seq ELSE device.synced_seq END FROM k "
    "WHERE device.device_id = k.device_id AND device.session_id = k.session_id AND device.session_state = ? RETURNING device.device_id",
)


async def connect(tx: Tx, device: Device, node_id: int, connection_id: int, now_ms: int) -> int | None:
    """This node holds the device's socket now. Returns the inbox place that the device acknowledged last; None: session ended."""
    args = (node_id, connection_id, now_ms, device.device_id, device.session_id, SessionState.ACTIVE)
    rows = await tx.fetch(_CONNECT, *args)
    return rows[0][0] if rows else None


async def disconnect(tx: Tx, device_id: int, node_id: int, connection_id: int, now_ms: int) -> bool:
    """The socket is gone. False when a newer connection has taken its place: that one stays."""
    return await tx.execute(_DISCONNECT, now_ms, device_id, node_id, connection_id) > 0


async def reclaim(tx: Tx, rows: Sequence[tuple[int, int, int]], node_id: int) -> int:
    """Sockets (device id, session id, connection id) that others took for gone are here after all. Returns how many."""
    return len(await tx.bulk(_RECLAIM, rows, node_id, SessionState.ACTIVE))


async def clear_node(tx: Tx, node_id: int) -> int:
    """A node starts: sockets of its earlier life are gone. Returns how many there were."""
    return await tx.execute(_CLEAR_NODE, node_id)


async def clear_lost_nodes(tx: Tx, now_ms: int, own_node_id: int) -> int:
    """Sockets of nodes whose lease ran out are gone. Returns how many there were."""
    return await tx.execute(_CLEAR_LOST, now_ms, own_node_id)


async def set_app_state(tx: Tx, device: Device, state: AppState, now_ms: int) -> bool:
    """The app went to the background or came back. False: the session has ended."""
    args = (state, now_ms, device.device_id, device.session_id, SessionState.ACTIVE)
    return await tx.execute(_APP_STATE, *args) == 1


async def set_unread_total(tx: Tx, sdkappid: int, user_id: str, unread_total: int) -> None:
    """The number that the badge continues from, as the app counts it."""
    await tx.execute(_BADGE, unread_total, sdkappid, user_id)


async def inbox_end(tx: Tx, sdkappid: int, user_id: str) -> int:
    """The last place of the account's inbox; 0 when there is no such account."""
    row = await tx.fetch_one(_INBOX_END, sdkappid, user_id)
    return 0 if row is None else int(row[0])


async def mark_seen(tx: Tx, rows: Sequence[tuple[int, int, int, int]]) -> set[int]:
    """Many devices were heard of: (device id, session id, at ms, acknowledged inbox place). Returns those whose session lives."""
    return {row[0] for row in await tx.bulk(_SEEN, rows, SessionState.ACTIVE)}
