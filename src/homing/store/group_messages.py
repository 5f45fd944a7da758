"""What is said in groups: one row a message, however many members there are."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec

from homing.model.devices import SessionState
from homing.model.groups import GroupDetails, GroupMessage
from homing.model.messages import Message, group_conversation

from .engine import Bulk, Query, Tx
from .history import ConnectedDevice

MAX_CONNECTED = 200_000
_decode_details = msgspec.json.Decoder(GroupDetails).decode
_encode_details = msgspec.json.Encoder().encode

_COLUMNS = (
    "m.message_id, m.sdkappid, m.from_account, m.to_account, m.seq, m.random, m.timestamp, m.flags, m.body, m.push_info, "
    "m.cloud_custom_data, m.expires_at_ms, m.revoked_at_ms, g.group_id, g.details, a.nick, a.face_url"
)
_JOINS = "JOIN message m ON m.message_id = g.message_id LEFT JOIN account a ON a.sdkappid = g.sdkappid AND a.user_id = g.from_account"
_FROM = f"FROM group_message g {_JOINS} WHERE g.sdkappid = ? AND g.group_id = ?"
_INSERT_MESSAGE = Query(
    "group_messages.insert_message",
    "INSERT INTO message (message_id, sdkappid, conversation, from_account, to_account, seq, random, timestamp, content_crc, flags, body, "
    "push_info, cloud_custom_data, expires_at_ms) VALUES (?, ?, ?, ?, '', ?, ?, ?, 0, ?, ?, ?, ?, ?)",
)
_INSERT = Query(
    "group_messages.insert",
    "INSERT INTO group_message (message_id, sdkappid, group_id, seq, random, from_account, counts, hidden, details) "
    "VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
)
_NUMBER = Query(
    "group_messages.number",
    "UPDATE chat_group SET last_seq = ?, last_message_at = ?, counted = counted + ? WHERE sdkappid = ? AND group_id = ?",
)
_SAME_RANDOM = Query(
    "group_messages.same_random",
    "SELECT g.message_id, g.seq, m.timestamp FROM group_message g JOIN message m ON m.message_id = g.message_id WHERE g.sdkappid = ? "
    "AND g.group_id = ? AND g.random = ? AND g.from_account = ? AND g.message_id >= ? ORDER BY g.message_id LIMIT 1",
)
_BY_SEQ = Query("group_messages.by_seq", f"SELECT {_COLUMNS} {_FROM} AND g.seq = ?")
_HOLD_SQL = f"SELECT {_COLUMNS} FROM group_message g {_JOINS} WHERE g.sdkappid = ? AND g.message_id = ?"
_HOLD = Query("group_messages.hold", _HOLD_SQL, _HOLD_SQL + " FOR SHARE OF g")
_BEFORE = Query(
    "group_messages.before", f"SELECT {_COLUMNS} {_FROM} AND g.seq <= ? AND g.seq > ? AND g.hidden = 0 ORDER BY g.seq DESC LIMIT ?"
)
_AFTER = Query("group_messages.after", f"SELECT {_COLUMNS} {_FROM} AND g.seq > ? AND g.hidden = 0 ORDER BY g.seq LIMIT ?")
_REVOKE = Query(
    "group_messages.revoke", "UPDATE group_message SET revoked = 1 WHERE sdkappid = ? AND group_id = ? AND seq = ? AND revoked = 0"
)
_REVOKE_MESSAGE = Query("group_messages.revoke_message", "UPDATE message SET revoked_at_ms = ? WHERE sdkappid = ? AND message_id = ?")
_OF_SENDER = Query(
    "group_messages.of_sender",
    "SELECT seq FROM group_message WHERE sdkappid = ? AND group_id = ? AND from_account = ? AND revoked = 0 ORDER BY seq DESC LIMIT ?",
)
_COUNTED_AFTER = Query(
    "group_messages.counted_after",
    "SELECT COUNT(*) FROM group_message WHERE sdkappid = ? AND group_id = ? AND seq > ? AND counts = 1 AND from_account <> ?",
)
_REVOKED_COUNTED = Query(
    "group_messages.revoked_counted",
    "SELECT COUNT(*) FROM group_message WHERE sdkappid = ? AND group_id = ? AND seq > ? AND revoked = 1 AND counts = 1 "
    "AND from_account <> ?",
)
_CONNECTED_ALL = Query(
    "group_messages.connected_all",
    "SELECT d.user_id, d.device_id, d.session_id, d.node_id FROM group_member m JOIN device d ON d.sdkappid = m.sdkappid "
    "AND d.user_id = m.user_id WHERE m.sdkappid = ? AND m.group_id = ? AND d.node_id IS NOT NULL AND d.session_state = ? LIMIT ?",
)
_CONNECTED_NAMED = Bulk(
    "group_messages.connected_named",
    [("user_id", "text")],
    "SELECT d.user_id, d.device_id, d.session_id, d.node_id FROM k JOIN group_member m ON m.user_id = k.user_id "
    "JOIN device d ON d.sdkappid = m.sdkappid AND d.user_id = m.user_id "
    "WHERE m.sdkappid = ? AND m.group_id = ? AND d.node_id IS NOT NULL AND d.session_state = ?",
)


def _message(row: Sequence[Any]) -> GroupMessage:
    *values, expires_at_ms, revoked_at_ms, group_id, details, nick, face_url = row
    message = Message(*values, None, None, expires_at_ms, bool(revoked_at_ms), group_id)  # type: ignore[call-arg]
    return GroupMessage(message, _decode_details(details), nick or "", face_url or "")


async def insert_message(tx: Tx, message: Message, details: GroupDetails, *, counts: bool, hidden: bool) -> None:
    """Store a message under the number that its group has for it, and count the group on. The caller holds the group's lock.

    ``hidden``: it is in no history.
    """
    await tx.execute(
        _INSERT_MESSAGE,
        message.message_id,
        message.sdkappid,
        group_conversation(message.group_id),
        message.from_account,
        message.seq,
        message.random,
        message.timestamp,
        message.flags,
        message.body,
        message.push_info,
        message.cloud_custom_data,
        message.expires_at_ms,
    )
    await tx.execute(
        _INSERT,
        message.message_id,
        message.sdkappid,
        message.group_id,
        message.seq,
        message.random,
        message.from_account,
        int(counts),
        int(hidden),
        _encode_details(details).decode(),
    )
    await tx.execute(_NUMBER, message.seq, message.timestamp, int(counts), message.sdkappid, message.group_id)


async def find_same_random(
    tx: Tx, sdkappid: int, group_id: str, sender: str, random: int, since_message_id: int
) -> tuple[int, int, int] | None:
    """The sender's message with this random value that is not older: its id, number and unix second; or None."""
    row = await tx.fetch_one(_SAME_RANDOM, sdkappid, group_id, random, sender, since_message_id)
    return None if row is None else (row[0], row[1], row[2])


async def find_by_seq(tx: Tx, sdkappid: int, group_id: str, seq: int) -> GroupMessage | None:
    """The group's message with this number, or None."""
    row = await tx.fetch_one(_BY_SEQ, sdkappid, group_id, seq)
    return None if row is None else _message(row)


async def hold_group_message(tx: Tx, sdkappid: int, message_id: int) -> GroupMessage | None:
    """The message, or None. Until this transaction ends nobody recalls it."""
    row = await tx.fetch_one(_HOLD, sdkappid, message_id)
    return None if row is None else _message(row)


async def messages_before(tx: Tx, sdkappid: int, group_id: str, last_seq: int, after: int, limit: int) -> list[GroupMessage]:
    """The history from a number on backwards (included), newest first, down to ``after`` (not included)."""
    return [_message(row) for row in await tx.fetch(_BEFORE, sdkappid, group_id, last_seq, after, limit)]


async def messages_after(tx: Tx, sdkappid: int, group_id: str, after: int, limit: int) -> list[GroupMessage]:
    """The history after a number, oldest first."""
    return [_message(row) for row in await tx.fetch(_AFTER, sdkappid, group_id, after, limit)]


async def set_revoked(tx: Tx, message: Message, now_ms: int) -> bool:
    """Mark a message as recalled. False when it already was."""
    if await tx.execute(_REVOKE, message.sdkappid, message.group_id, message.seq) != 1:
        return False
    await tx.execute(_REVOKE_MESSAGE, now_ms, message.sdkappid, message.message_id)
    return True


async def seqs_of_sender(tx: Tx, sdkappid: int, group_id: str, sender: str, limit: int) -> list[int]:
    """The numbers of an account's messages that are not recalled, newest first."""
    return [row[0] for row in await tx.fetch(_OF_SENDER, sdkappid, group_id, sender, limit)]


async def counted_after(tx: Tx, sdkappid: int, group_id: str, seq: int, reader: str) -> tuple[int, int]:
    """Messages of others after a number that count as unread, and how many of them were recalled."""
    found = await tx.fetch_one(_COUNTED_AFTER, sdkappid, group_id, seq, reader)
    recalled = await tx.fetch_one(_REVOKED_COUNTED, sdkappid, group_id, seq, reader)
    return (int(found[0]) if found else 0), (int(recalled[0]) if recalled else 0)


async def connected_members(tx: Tx, sdkappid: int, group_id: str, user_ids: Sequence[str] | None = None) -> list[ConnectedDevice]:
    """The devices of members (of those named, where some are) whose sockets are open somewhere."""
    if user_ids is None:
        rows = await tx.fetch(_CONNECTED_ALL, sdkappid, group_id, SessionState.ACTIVE, MAX_CONNECTED)
    else:
        keys = [(user_id,) for user_id in dict.fromkeys(user_ids)]
        rows = await tx.bulk(_CONNECTED_NAMED, keys, sdkappid, group_id, SessionState.ACTIVE)
    return [ConnectedDevice(*row) for row in rows]
