"""What was said: conversations, recalls, read marks and the inbox of an account."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

from homing.model.devices import SessionState
from homing.model.messages import Message, MessageFlags

from .engine import Bulk, Query, Tx

_COLUMNS = (
    "message_id, sdkappid, from_account, to_account, seq, random, timestamp, flags, body, push_info, cloud_custom_data, to_seq, from_seq, "
    "expires_at_ms, revoked_at_ms"
)
_NO_UNREAD = int(MessageFlags.NO_UNREAD)
# What counts as unread: stored for the receiver, not asked to stay uncounted, not recalled, not a note to oneself.
_COUNTS = f"to_seq IS NOT NULL AND (flags & {_NO_UNREAD}) = 0 AND revoked_at_ms = 0 AND from_account <> to_account"

# A batch that was accepted across the turn of a second has one MsgKey for all its receivers, so the nearest second wins.
_BY_KEY = Query(
    "history.by_key",
    f"SELECT {_COLUMNS} FROM message WHERE sdkappid = ? AND random = ? AND seq = ? AND from_account = ? AND to_account = ? "
    "AND timestamp BETWEEN ? AND ? ORDER BY ABS(timestamp - ?), message_id LIMIT 1",
)
_BY_ID = Query("history.by_id", f"SELECT {_COLUMNS} FROM message WHERE sdkappid = ? AND message_id = ?")
_REVOKE = Query("history.revoke", "UPDATE message SET revoked_at_ms = ? WHERE sdkappid = ? AND message_id = ? AND revoked_at_ms = 0")
_CONVERSATION = Query("history.conversation", "SELECT unread, read_at FROM conversation WHERE sdkappid = ? AND user_id = ? AND peer = ?")
_SET_READ = Query("history.set_read", "UPDATE conversation SET unread = ?, read_at = ? WHERE sdkappid = ? AND user_id = ? AND peer = ?")
_LOWER_TOTAL = Query(
    "history.lower_total",
    "UPDATE account SET unread_total = CASE WHEN unread_total > ? THEN unread_total - ? ELSE 0 END WHERE sdkappid = ? AND user_id = ?",
)
_COUNT_UNREAD = Query(
    "history.count_unread",
    "SELECT COUNT(*) FROM (SELECT 1 FROM message WHERE sdkappid = ? AND conversation = ? AND to_account = ? AND timestamp > ? "
    f"AND {_COUNTS} LIMIT ?) AS unread",
)
_UNREAD_TOTAL = Query(
    "history.unread_total", "SELECT CAST(COALESCE(SUM(unread), 0) AS bigint) FROM conversation WHERE sdkappid = ? AND user_id = ?"
)
_UNREAD_OF = Bulk(
    "history.unread_of",
    [("peer", "text")],
    "SELECT c.peer, c.unread FROM k JOIN conversation c ON c.peer = k.peer WHERE c.sdkappid = ? AND c.user_id = ?",
)
_CONNECTED = Bulk(
    "history.connected",
    [("user_id", "text")],
    "SELECT d.user_id, d.device_id, d.session_id, d.node_id FROM k JOIN device d ON d.user_id = k.user_id "
    "WHERE d.sdkappid = ? AND d.node_id IS NOT NULL AND d.session_state = ?",
)
_ROAM = Query(
    "history.roam",
    f"SELECT {_COLUMNS} FROM message WHERE sdkappid = ? AND conversation = ? AND timestamp >= ? AND timestamp <= ? "
    "AND (timestamp, message_id) < (?, ?) "
    "AND ((to_account = ? AND to_seq IS NOT NULL) OR (from_account = ? AND from_seq IS NOT NULL)) "
    "ORDER BY timestamp DESC, message_id DESC LIMIT ?",
)
_RECEIVED = Query(
    "history.received",
    f"SELECT {_COLUMNS} FROM message WHERE sdkappid = ? AND to_account = ? AND to_seq > ? AND to_seq IS NOT NULL AND expires_at_ms > ? "
    "ORDER BY to_seq LIMIT ?",
)
_SENT = Query(
    "history.sent",
    f"SELECT {_COLUMNS} FROM message WHERE sdkappid = ? AND from_account = ? AND from_seq > ? AND from_seq IS NOT NULL "
    "AND expires_at_ms > 0 ORDER BY from_seq LIMIT ?",
)
_SAME_IMPORT = Query(
    "history.same_import",
    "SELECT 1 FROM message WHERE sdkappid = ? AND random = ? AND seq = ? AND timestamp = ? AND conversation = ? LIMIT 1",
)

#: How far the second of a MsgKey may be from the message's own.
KEY_SLACK_SECONDS = 5


class ConnectedDevice(NamedTuple):
    """A device whose socket a node holds."""

    user_id: str
    device_id: int
    session_id: int
    node_id: int


class ReadState(NamedTuple):
    """One account's side of a conversation."""

    unread: int
    read_at: int  # unix seconds


def _message(row: Sequence[Any]) -> Message:
    *values, revoked_at_ms = row
    return Message(*values, revoked=bool(revoked_at_ms))  # type: ignore[misc]


async def find_by_key(tx: Tx, sdkappid: int, key: tuple[int, int, int], from_account: str, to_account: str) -> Message | None:
    """The message with this (seq, random, unix seconds), or None."""
    seq, random, at = key
    first, last = at - KEY_SLACK_SECONDS, at + KEY_SLACK_SECONDS
    row = await tx.fetch_one(_BY_KEY, sdkappid, random, seq, from_account, to_account, first, last, at)
    return None if row is None else _message(row)


async def find_by_id(tx: Tx, sdkappid: int, message_id: int) -> Message | None:
    """The message, or None."""
    row = await tx.fetch_one(_BY_ID, sdkappid, message_id)
    return None if row is None else _message(row)


async def set_revoked(tx: Tx, sdkappid: int, message_id: int, now_ms: int) -> bool:
    """Mark a message as recalled. False when it already was."""
    return await tx.execute(_REVOKE, now_ms, sdkappid, message_id) == 1


async def read_state(tx: Tx, sdkappid: int, user_id: str, peer: str) -> ReadState | None:
    """What ``user_id`` has read of the conversation with ``peer``, or None when there is no conversation."""
    row = await tx.fetch_one(_CONVERSATION, sdkappid, user_id, peer)
    return None if row is None else ReadState(row[0], row[1])


async def set_read_state(tx: Tx, sdkappid: int, user_id: str, peer: str, state: ReadState) -> None:
    """Write the unread count and the read mark. The caller holds the account's lock."""
    await tx.execute(_SET_READ, state.unread, state.read_at, sdkappid, user_id, peer)


async def lower_unread_total(tx: Tx, sdkappid: int, user_id: str, by: int) -> None:
    """Take read or recalled messages off the account's total; never below zero, because a device may have set it lower."""
    if by > 0:
        await tx.execute(_LOWER_TOTAL, by, by, sdkappid, user_id)


async def count_unread(tx: Tx, sdkappid: int, conversation: str, user_id: str, after: int, limit: int) -> int:
    """Messages to ``user_id`` later than ``after`` (unix seconds) that count as unread, at most ``limit``."""
    row = await tx.fetch_one(_COUNT_UNREAD, sdkappid, conversation, user_id, after, limit)
    return 0 if row is None else int(row[0])


async def unread_total(tx: Tx, sdkappid: int, user_id: str) -> int:
    """Unread messages of all conversations."""
    row = await tx.fetch_one(_UNREAD_TOTAL, sdkappid, user_id)
    return 0 if row is None else int(row[0])


async def unread_of(tx: Tx, sdkappid: int, user_id: str, peers: Sequence[str]) -> dict[str, int]:
    """Unread messages by peer; peers without a conversation are left out."""
    rows = await tx.bulk(_UNREAD_OF, [(peer,) for peer in dict.fromkeys(peers)], sdkappid, user_id)
    return {row[0]: row[1] for row in rows}


async def connected_devices(tx: Tx, sdkappid: int, user_ids: Sequence[str]) -> list[ConnectedDevice]:
    """The devices of these accounts whose sockets are open somewhere."""
    rows = await tx.bulk(_CONNECTED, [(user_id,) for user_id in dict.fromkeys(user_ids)], sdkappid, SessionState.ACTIVE)
    return [ConnectedDevice(*row) for row in rows]


async def roam(
    tx: Tx, sdkappid: int, conversation: str, operator: str, times: tuple[int, int], before: tuple[int, int], limit: int
) -> list[Message]:
    """``operator``'s side of a conversation between two unix seconds (both included), newest first, before (second, message id)."""
    args = (sdkappid, conversation, *times, *before, operator, operator, limit)
    return [_message(row) for row in await tx.fetch(_ROAM, *args)]


async def inbox_after(tx: Tx, sdkappid: int, user_id: str, after_seq: int, now_ms: int, limit: int) -> list[Message]:
    """What the account received and sent after a place of its inbox, in the inbox's order; at most ``limit``.

    Received messages whose offline delivery ended are left out.
    """
    received = await tx.fetch(_RECEIVED, sdkappid, user_id, after_seq, now_ms, limit)
    sent = await tx.fetch(_SENT, sdkappid, user_id, after_seq, limit)
    messages = [_message(row) for row in [*received, *sent]]
    messages.sort(key=lambda message: place_of(message, user_id))
    return messages[:limit]


def place_of(message: Message, user_id: str) -> int:
    """The message's place in this account's inbox; 0 when it has none."""
    return (message.to_seq if message.to_account == user_id else message.from_seq) or 0


async def is_imported(tx: Tx, sdkappid: int, conversation: str, seq: int, random: int, timestamp: int) -> bool:
    """Whether the conversation has such a message already, in either direction."""
    return await tx.fetch_one(_SAME_IMPORT, sdkappid, random, seq, timestamp, conversation) is not None
