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
# The targets of a bundle have the numbers from its own on, and what is recorded of older ones is old enough as well.
_BUNDLE_IDS = "(SELECT bundle_id FROM push_bundle WHERE bundle_id < ? ORDER BY bundle_id LIMIT ?)"
_OLD_BUNDLES = Query("retention.old_bundles", "SELECT MAX(bundle_id + count) FROM push_bundle WHERE bundle_id IN " + _BUNDLE_IDS)
_OF_BUNDLES = (
    Query(
        "retention.bundle_attempts", "DELETE FROM attempt WHERE push_id < ? AND push_id NOT IN (SELECT push_id FROM push WHERE push_id < ?)"
    ),
    Query(
        "retention.bundle_receipts", "DELETE FROM receipt WHERE push_id < ? AND push_id NOT IN (SELECT push_id FROM push WHERE push_id < ?)"
    ),
)
_BUNDLES = Query("retention.bundles", f"DELETE FROM push_bundle WHERE bundle_id IN {_BUNDLE_IDS}")
_JOBS = Query("retention.jobs", "DELETE FROM push_job WHERE job_id < ? AND state >= 10")
_DAYS = Query("retention.push_days", "DELETE FROM push_day WHERE day < ?")
_AUDIT = Query("retention.audit", "DELETE FROM audit WHERE audit_id IN (SELECT audit_id FROM audit WHERE audit_id < ? ORDER BY 1 LIMIT ?)")
_QUOTAS = Query("retention.quotas", "DELETE FROM quota WHERE day < ? AND stopped_until_ms < ?")


async def delete_pushes(tx: Tx, before_id: int, limit: int) -> int:
    """Delete the oldest pushes with their attempts and receipts. Returns how many pushes."""
    await tx.execute(_ATTEMPTS, before_id, limit)
    await tx.execute(_RECEIPTS, before_id, limit)
    await tx.execute(_RETRIES, before_id, limit)
    return await tx.execute(_PUSHES, before_id, limit)


async def delete_bundles(tx: Tx, before_id: int, limit: int) -> int:
    """Delete the oldest bundles of pushes to many with their attempts and receipts, then jobs that are over. Returns how many bundles."""
    row = await tx.fetch_one(_OLD_BUNDLES, before_id, limit)
    if row is None or row[0] is None:
        await tx.execute(_JOBS, before_id)
        return 0
    end = min(int(row[0]), before_id)
    for statement in _OF_BUNDLES:
        await tx.execute(statement, end, end)
    return await tx.execute(_BUNDLES, before_id, limit)


async def delete_messages(tx: Tx, before_id: int, limit: int) -> int:
    """Delete the oldest messages. Returns how many."""
    await tx.execute(_GROUP_MESSAGES, before_id, limit)
    return await tx.execute(_MESSAGES, before_id, limit)


async def delete_events(tx: Tx, before_id: int, limit: int) -> int:
    """Delete the oldest device events. Returns how many."""
    return await tx.execute(_EVENTS, before_id, limit)


async def delete_audit(tx: Tx, before_id: int, limit: int) -> int:
    """Delete the oldest entries of the audit log. Returns how many."""
    return await tx.execute(_AUDIT, before_id, limit)


async def delete_quotas(tx: Tx, before_id: int, limit: int) -> int:  # noqa: ARG001  (a row a certificate, class and day: few)
    """Delete the counts of days that ended before identifiers like this were made. Returns how many."""
    before_ms = id_time_ms(before_id)
    day = dt.datetime.fromtimestamp(before_ms / 1000, dt.UTC).date() - dt.timedelta(days=1)
    await tx.execute(_DAYS, day.isoformat())
    return await tx.execute(_QUOTAS, day.isoformat(), before_ms)
