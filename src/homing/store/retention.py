"""Deleting what is older than it is kept, in small batches: identifiers grow with time, so age is a bound on the key."""

from __future__ import annotations

import datetime as dt

from homing.model.clock import id_time_ms

from .engine import Query, Tx

_PUSH_IDS = "(SELECT push_id FROM push WHERE push_id < ? ORDER BY push_id LIMIT ?)"
_ATTEMPTS = Query("retention.attempts", f"DELETE FROM attempt WHERE push_id IN {_PUSH_IDS}")
_RECEIPTS = Query("retention.receipts", f"DELETE FROM receipt WHERE push_id IN {_PUSH_IDS}")
_RETRIES = Query("retention.retries", f"DELETE FROM push_retry WHERE push_id IN {_PUSH_IDS}")
_PUSHES = Query("retention.pushes", f"DELETE FROM push WHERE push_id IN {_PUSH_IDS}")
_MESSAGES = Query(
    "retention.messages", "DELETE FROM message WHERE message_id IN (SELECT message_id FROM message WHERE message_id < ? ORDER BY 1 LIMIT ?)"
)
_GROUP_MESSAGES = Query(
    "retention.group_messages",
    "DELETE FROM group_message WHERE message_id IN (SELECT message_id FROM message WHERE message_id < ? ORDER BY 1 LIMIT ?)",
)
_EVENTS = Query(
    "retention.events",
    "DELETE FROM device_event WHERE event_id IN (SELECT event_id FROM device_event WHERE event_id < ? ORDER BY 1 LIMIT ?)",
)
_QUOTAS = Query("retention.quotas", "DELETE FROM quota WHERE day < ? AND stopped_until_ms < ?")


async def delete_pushes(tx: Tx, before_id: int, limit: int) -> int:
    """Delete the oldest pushes with their attempts and receipts. Returns how many pushes."""
    await tx.execute(_ATTEMPTS, before_id, limit)
    await tx.execute(_RECEIPTS, before_id, limit)
    await tx.execute(_RETRIES, before_id, limit)
    return await tx.execute(_PUSHES, before_id, limit)


async def delete_messages(tx: Tx, before_id: int, limit: int) -> int:
    """Delete the oldest messages. Returns how many."""
    await tx.execute(_GROUP_MESSAGES, before_id, limit)
    return await tx.execute(_MESSAGES, before_id, limit)


async def delete_events(tx: Tx, before_id: int, limit: int) -> int:
    """Delete the oldest device events. Returns how many."""
    return await tx.execute(_EVENTS, before_id, limit)


async def delete_quotas(tx: Tx, before_id: int, limit: int) -> int:  # noqa: ARG001  (a row a certificate, class and day: few)
    """Delete the counts of days that ended before identifiers like this were made. Returns how many."""
    before_ms = id_time_ms(before_id)
    day = dt.datetime.fromtimestamp(before_ms / 1000, dt.UTC).date() - dt.timedelta(days=1)
    return await tx.execute(_QUOTAS, day.isoformat(), before_ms)
