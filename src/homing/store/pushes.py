"""Pushes: the queue is this table."""

from __future__ import annotations

from collections.abc import Sequence

from homing.model.push import PushState, Reason

from .engine import Bulk, Query, Row, Tx

_SILENCE_DEVICE = Query(
    "pushes.silence_device",
    "UPDATE push SET state = ?, reason = ?, finished_at_ms = ? WHERE device_id = ? AND state < 10 RETURNING push_id",
)
_CANCEL_MESSAGES = Bulk(
    "pushes.cancel_messages",
    [("message_id", "bigint")],
    "UPDATE push SET state = ?, reason = ?, finished_at_ms = ? FROM k "
    "WHERE push.message_id = k.message_id AND push.sdkappid = ? AND push.state < 10 AND push.kind = '' "
    "RETURNING push.push_id",
)
_CANCEL_READ = Query(
    "pushes.cancel_read",
    # By way of the devices: only they lead to the few live pushes without a walk through all that ever was.
    "UPDATE push SET state = ?, reason = ?, finished_at_ms = ? WHERE state < 10 AND kind = '' "
    "AND device_id IN (SELECT device_id FROM device WHERE sdkappid = ? AND user_id = ?) AND EXISTS (SELECT 1 FROM message m "
    "WHERE m.message_id = push.message_id AND m.sdkappid = ? AND m.conversation = ? AND m.to_account = ? AND m.timestamp <= ?) "
    "RETURNING push_id",
)


async def silence_device(tx: Tx, device_id: int, reason: Reason, now_ms: int) -> list[int]:
    """Suppress everything still on its way to a device whose session ended. Returns the push ids."""
    rows = await tx.fetch(_SILENCE_DEVICE, PushState.SUPPRESSED, reason, now_ms, device_id)
    return [row[0] for row in rows]


async def cancel_messages(tx: Tx, sdkappid: int, message_ids: Sequence[int], reason: Reason, now_ms: int) -> list[int]:
    """Cancel the pushes of messages that were recalled before they were sent. Returns the push ids."""
    rows = await tx.bulk(_CANCEL_MESSAGES, [(m,) for m in message_ids], PushState.CANCELLED, reason, now_ms, sdkappid)
    return [row[0] for row in rows]


async def cancel_read(tx: Tx, sdkappid: int, user_id: str, conversation: str, read_at: int, now_ms: int) -> list[int]:
    """Cancel the pushes of a conversation that ``user_id`` read elsewhere up to ``read_at`` (unix seconds)."""
    args = (PushState.CANCELLED, Reason.READ_ELSEWHERE, now_ms, sdkappid, user_id, sdkappid, conversation, user_id, read_at)
    rows = await tx.fetch(_CANCEL_READ, *args)
    return [row[0] for row in rows]


_INSERT = Bulk(
    "pushes.insert",
    [
        ("push_id", "bigint"),
        ("sdkappid", "bigint"),
        ("message_id", "bigint"),
        ("user_id", "text"),
        ("device_id", "bigint"),
        ("state", "bigint"),
        ("reason", "text"),
        ("inputs", "text"),
        ("business_id", "bigint"),
        ("channel", "text"),
        ("notification_class", "text"),
        ("token", "text"),
        ("badge", "bigint"),
        ("due_at_ms", "bigint"),
        ("expires_at_ms", "bigint"),
        ("owner", "bigint"),
        ("replaces", "text"),
        ("created_at_ms", "bigint"),
        ("finished_at_ms", "bigint"),
    ],
    "INSERT INTO push (push_id, sdkappid, message_id, user_id, device_id, state, reason, inputs, business_id, channel, notification_class, "
    "token, badge, due_at_ms, expires_at_ms, owner, replaces, created_at_ms, finished_at_ms) "
    "SELECT push_id, sdkappid, message_id, user_id, device_id, state, reason, inputs, business_id, channel, notification_class, "
    "token, badge, due_at_ms, expires_at_ms, owner, replaces, created_at_ms, finished_at_ms FROM k",
)
_ACKNOWLEDGE = Bulk(
    "pushes.acknowledge",
    [("message_id", "bigint"), ("device_id", "bigint"), ("sdkappid", "bigint")],
    "UPDATE push SET state = ?, finished_at_ms = ? FROM k WHERE push.message_id = k.message_id AND push.device_id = k.device_id "
    "AND push.sdkappid = k.sdkappid AND push.state = ? RETURNING push.push_id",
)


async def insert_pushes(tx: Tx, rows: Sequence[Row]) -> None:
    """Store new pushes, suppressed ones included, in the columns' order of ``pushes.insert``."""
    await tx.bulk(_INSERT, rows)


async def acknowledge(tx: Tx, rows: Sequence[tuple[int, int, int]], now_ms: int) -> list[int]:
    """The devices acknowledged these messages (message id, device id, sdkappid) on their sockets. Returns the push ids."""
    answer = await tx.bulk(_ACKNOWLEDGE, rows, PushState.DELIVERED_ONLINE, now_ms, PushState.WAITING_ACK)
    return [row[0] for row in answer]
