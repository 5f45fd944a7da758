"""Pushes: the queue is this table."""

from __future__ import annotations

from collections.abc import Sequence

from homing.model.push import PushState, Reason

from .engine import Bulk, Query, Tx

_SILENCE_DEVICE = Query(
    "pushes.silence_device",
    "UPDATE push SET state = ?, reason = ?, finished_at_ms = ? WHERE device_id = ? AND state < 10 RETURNING push_id",
)
_CANCEL_MESSAGES = Bulk(
    "pushes.cancel_messages",
    [("message_id", "bigint")],
    "UPDATE push SET state = ?, reason = ?, finished_at_ms = ? FROM k "
    "WHERE push.message_id = k.message_id AND push.sdkappid = ? AND push.state < 10 RETURNING push.push_id",
)
_CANCEL_READ = Query(
    "pushes.cancel_read",
    "UPDATE push SET state = ?, reason = ?, finished_at_ms = ? WHERE state < 10 AND sdkappid = ? AND user_id = ? AND message_id IN "
    "(SELECT message_id FROM message WHERE sdkappid = ? AND conversation = ? AND to_account = ? AND timestamp <= ?) RETURNING push_id",
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
