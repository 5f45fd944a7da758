"""Where apps' backends listen, and the queue of what they have to be told.

``due_at_ms`` alone says when an event is to be looked at next: a retry, or the end of a claim's lease. A crash is a lease that
runs out, and then the event is told again under the same id.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

from .engine import Bulk, Query, Row, Tx

WAITING, DEAD = 0, 1

_ALL = Query("webhooks.all", "SELECT sdkappid, url, commands, token_sealed, options FROM webhook ORDER BY sdkappid")
_SAVE = Query(
    "webhooks.save",
    "INSERT INTO webhook (sdkappid, url, commands, token_sealed, options) VALUES (?, ?, ?, ?, ?) ON CONFLICT (sdkappid) "
    "DO UPDATE SET url = excluded.url, commands = excluded.commands, token_sealed = excluded.token_sealed, options = excluded.options",
)
_DELETE = Query("webhooks.delete", "DELETE FROM webhook WHERE sdkappid = ?")
_INSERT = Bulk(
    "webhooks.insert_events",
    [
        ("event_id", "bigint"),
        ("sdkappid", "bigint"),
        ("command", "text"),
        ("platform", "text"),
        ("body", "bytea"),
        ("due_at_ms", "bigint"),
    ],
    "INSERT INTO webhook_event (event_id, sdkappid, command, platform, body, due_at_ms) "
    "SELECT event_id, sdkappid, command, platform, body, due_at_ms FROM k",
)
_DUE = Query("webhooks.due", "SELECT 1 FROM webhook_event WHERE sdkappid = ? AND state = 0 AND due_at_ms <= ? LIMIT 1")
_CLAIM_SQL = (
    "UPDATE webhook_event SET due_at_ms = ?, attempts = attempts + 1 WHERE event_id IN (SELECT event_id FROM webhook_event "
    "WHERE sdkappid = ? AND state = 0 AND due_at_ms <= ? ORDER BY due_at_ms, event_id LIMIT ?{lock}) "
    "RETURNING event_id, command, platform, body, attempts"
)
_CLAIM = Query("webhooks.claim", _CLAIM_SQL.format(lock=""), _CLAIM_SQL.format(lock=" FOR UPDATE SKIP LOCKED"))
_TOLD = Bulk("webhooks.told", [("event_id", "bigint")], "DELETE FROM webhook_event WHERE event_id IN (SELECT event_id FROM k)")
_AGAIN = Bulk(
    "webhooks.again",
    [("event_id", "bigint"), ("state", "bigint"), ("due_at_ms", "bigint"), ("error", "text")],
    "UPDATE webhook_event SET state = k.state, due_at_ms = k.due_at_ms, error = k.error FROM k WHERE webhook_event.event_id = k.event_id",
)
_COUNTS = Query(
    "webhooks.counts",
    "SELECT state, COUNT(*), COALESCE(MAX(CASE WHEN error <> '' THEN error END), '') FROM webhook_event WHERE sdkappid = ? GROUP BY state",
)
_REVIVE = Query("webhooks.revive", "UPDATE webhook_event SET state = 0, attempts = 0, due_at_ms = ? WHERE sdkappid = ? AND state = 1")
_OVERFLOW = Query(
    "webhooks.overflow",
    "DELETE FROM webhook_event WHERE event_id IN (SELECT event_id FROM webhook_event WHERE sdkappid = ? AND state = ? "
    "ORDER BY event_id DESC LIMIT 1000 OFFSET ?)",
)
_PUSHES = Bulk(
    "webhooks.pushes",
    [("push_id", "bigint")],
    "SELECT p.push_id, p.sdkappid, p.channel, p.state, p.reason, m.from_account, p.user_id, m.seq, m.random, m.timestamp, "
    "COALESCE(g.group_id, ''), CASE WHEN p.notification_class = 'bulk' THEN p.message_id ELSE 0 END "
    "FROM k JOIN push p ON p.push_id = k.push_id JOIN message m ON m.message_id = p.message_id "
    # What takes a notification back is no push.
    "LEFT JOIN group_message g ON g.message_id = p.message_id WHERE p.kind = ''",
)


class Claimed(NamedTuple):
    """An event that this node tells."""

    event_id: int
    command: str
    platform: str
    body: bytes
    attempts: int  # this one counted


async def all_webhooks(tx: Tx) -> list[Any]:
    """Every app's: sdkappid, URL, commands, sealed token, options."""
    return await tx.fetch(_ALL)


async def save_webhook(tx: Tx, row: Row) -> None:
    """Store one, in the order of ``all_webhooks``."""
    await tx.execute(_SAVE, *row)


async def delete_webhook(tx: Tx, sdkappid: int) -> bool:
    """Tell this app's backend nothing more. False when there is none."""
    return await tx.execute(_DELETE, sdkappid) > 0


async def insert_events(tx: Tx, rows: Sequence[Row]) -> None:
    """Queue events: id, sdkappid, command, platform, body, due time."""
    await tx.bulk(_INSERT, rows)


async def is_due(tx: Tx, sdkappid: int, now_ms: int) -> bool:
    """Whether there is anything to tell."""
    return await tx.fetch_one(_DUE, sdkappid, now_ms) is not None


async def claim(tx: Tx, sdkappid: int, now_ms: int, lease_ms: int, limit: int) -> list[Claimed]:
    """Take what is due of one app; whoever does not report within the lease has died."""
    return [Claimed(*row) for row in await tx.fetch(_CLAIM, now_ms + lease_ms, sdkappid, now_ms, limit)]


async def settle(tx: Tx, told: Sequence[int], again: Sequence[Row]) -> None:
    """Forget what was told; put the rest back as (event id, state, due time, error)."""
    await tx.bulk(_TOLD, [(event_id,) for event_id in told])
    await tx.bulk(_AGAIN, again)


async def counts(tx: Tx, sdkappid: int) -> dict[int, tuple[int, str]]:
    """How many events wait and were given up, by state, with one of their errors."""
    return {state: (count, error) for state, count, error in await tx.fetch(_COUNTS, sdkappid)}


async def revive(tx: Tx, sdkappid: int, now_ms: int) -> int:
    """Try again what was given up. Returns how many."""
    return await tx.execute(_REVIVE, now_ms, sdkappid)


async def delete_overflow(tx: Tx, sdkappid: int, state: int, keep: int) -> int:
    """Delete the oldest events beyond ``keep``, 1,000 at most. Returns how many."""
    return await tx.execute(_OVERFLOW, sdkappid, state, keep)


async def pushes_of(tx: Tx, push_ids: Sequence[int]) -> dict[int, Any]:
    """What a backend is told of pushes, by push id: push id, sdkappid, channel, state, reason, from, to, seq, random, time,
    group, and the push to many that it belongs to (0: none).
    """
    return {row[0]: row for row in await tx.bulk(_PUSHES, [(push_id,) for push_id in sorted(set(push_ids))])}
