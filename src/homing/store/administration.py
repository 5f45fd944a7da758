"""What the operator did, and taking an app away with everything that belongs to it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from .engine import Query, Tx

_NOTE = Query("administration.note", "INSERT INTO audit (audit_id, sdkappid, actor, action, detail, at_ms) VALUES (?, ?, ?, ?, ?, ?)")
_LIST = Query(
    "administration.list",
    "SELECT audit_id, sdkappid, actor, action, detail, at_ms FROM audit WHERE sdkappid >= ? AND sdkappid <= ? "
    "ORDER BY audit_id DESC LIMIT ?",
)
_PREVIOUS = Query(
    "administration.previous_key",
    "INSERT INTO app_previous_key (sdkappid, secret_key_sealed, valid_until_ms) VALUES (?, ?, ?) ON CONFLICT (sdkappid) "
    "DO UPDATE SET secret_key_sealed = excluded.secret_key_sealed, valid_until_ms = excluded.valid_until_ms",
)
_FORGET_PREVIOUS = Query("administration.forget_previous_key", "DELETE FROM app_previous_key WHERE sdkappid = ?")
_GET_PREVIOUS = Query(
    "administration.get_previous_key", "SELECT secret_key_sealed, valid_until_ms FROM app_previous_key WHERE sdkappid = ?"
)

#: Tables of what a push left behind, by push id: they go before the pushes.
BY_PUSH = ("attempt", "receipt", "push_retry")
#: Every table that says whose its rows are, with its primary key, in the order in which they are emptied. The app is the first, so that
#: nothing new comes. The audit log stays.
BY_APP: dict[str, tuple[str, ...]] = {
    "app": ("sdkappid",),
    "app_previous_key": ("sdkappid",),
    "webhook": ("sdkappid",),
    "webhook_event": ("event_id",),
    "push": ("push_id",),
    "push_bundle": ("bundle_id",),
    "push_job": ("job_id",),
    "push_day": ("sdkappid", "day", "kind", "channel"),
    "group_fan_out": ("sdkappid", "group_id", "seq"),
    "group_message": ("message_id",),
    "group_member": ("sdkappid", "group_id", "user_id"),
    "chat_group": ("sdkappid", "group_id"),
    "message": ("message_id",),
    "conversation": ("sdkappid", "user_id", "peer"),
    "fallback_token": ("device_id", "rank"),
    "voip_token": ("device_id",),
    "device_event": ("event_id",),
    "device": ("device_id",),
    "account_label": ("sdkappid", "kind", "name", "value", "user_id"),
    "attribute_name": ("sdkappid", "number"),
    "blacklist": ("sdkappid", "user_id", "blocked"),
    "friend": ("sdkappid", "user_id", "friend"),
    "quiet_hours": ("sdkappid", "user_id"),
    "receive_option": ("sdkappid", "user_id", "conversation"),
    "quota": ("sdkappid", "business_id", "notification_class", "day"),
    "rate_budget": ("sdkappid", "business_id"),
    "vendor_grant": ("sdkappid", "business_id"),
    "certificate": ("sdkappid", "business_id"),
    "account": ("sdkappid", "user_id"),
    "media": ("sdkappid", "name"),
}
KEPT = frozenset({"audit"})


def _deletion(table: str, keys: tuple[str, ...]) -> Query:
    columns = ", ".join(keys)
    wanted = f"({columns})" if len(keys) > 1 else columns
    return Query(
        f"administration.delete_{table}",
        f"DELETE FROM {table} WHERE {wanted} IN (SELECT {columns} FROM {table} WHERE sdkappid = ? LIMIT ?)",
    )


_DELETIONS = {table: _deletion(table, keys) for table, keys in BY_APP.items()}
# Uploads have bytes beside their rows, so they expire at once, and retention takes away both.
_DELETIONS["media"] = Query(
    "administration.expire_media",
    "UPDATE media SET expires_at_ms = 0 WHERE (sdkappid, name) IN "
    "(SELECT sdkappid, name FROM media WHERE sdkappid = ? AND expires_at_ms > 0 LIMIT ?)",
)
_LEFT_BEHIND = {
    table: Query(
        f"administration.delete_{table}",
        f"DELETE FROM {table} WHERE push_id IN (SELECT push_id FROM push WHERE sdkappid = ? ORDER BY push_id LIMIT ?)",
    )
    for table in BY_PUSH
}
_DELETE_PUSHES = Query(
    "administration.delete_pushes",
    "DELETE FROM push WHERE push_id IN (SELECT push_id FROM push WHERE sdkappid = ? ORDER BY push_id LIMIT ?)",
)


async def note(tx: Tx, next_id: Callable[[], int], sdkappid: int, actor: str, action: str, detail: str, now_ms: int) -> None:
    """Write down who did what."""
    await tx.execute(_NOTE, next_id(), sdkappid, actor, action, detail, now_ms)


async def notes(tx: Tx, sdkappid: int | None, limit: int) -> list[Any]:
    """The newest entries of one app or of all: id, sdkappid, actor, action, detail, time."""
    low, high = (0, 2**62) if sdkappid is None else (sdkappid, sdkappid)
    return await tx.fetch(_LIST, low, high, limit)


async def keep_previous_key(tx: Tx, sdkappid: int, sealed: bytes | None, valid_until_ms: int) -> None:
    """Go on taking this key until then; None takes it no more."""
    if sealed is None:
        await tx.execute(_FORGET_PREVIOUS, sdkappid)
    else:
        await tx.execute(_PREVIOUS, sdkappid, sealed, valid_until_ms)


async def previous_key(tx: Tx, sdkappid: int) -> tuple[bytes, int] | None:
    """The sealed key before the present one, and until when it is good."""
    row = await tx.fetch_one(_GET_PREVIOUS, sdkappid)
    return None if row is None else (bytes(row[0]), row[1])


async def delete_rows(tx: Tx, table: str, sdkappid: int, limit: int) -> int:
    """Delete at most ``limit`` rows of an app from one table. Returns how many."""
    if table != "push":
        return await tx.execute(_DELETIONS[table], sdkappid, limit)
    for left_behind in _LEFT_BEHIND.values():
        await tx.execute(left_behind, sdkappid, limit)
    return await tx.execute(_DELETE_PUSHES, sdkappid, limit)
