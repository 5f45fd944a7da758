"""Notifications that are on phones, and the pushes that take them back."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from homing.model.devices import SessionState
from homing.model.push import PushState

from .engine import Bulk, Query, Row, Tx

#: How many of an account's last notifications are looked at when a conversation was read.
MAX_LOOKED_AT = 200

_COLUMNS = (
    "p.push_id, p.message_id, p.user_id, p.device_id, p.business_id, p.channel, p.notification_class, p.token, p.replaces, "
    "p.expires_at_ms, p.state, m.from_account, m.seq, m.random, m.timestamp, m.flags"
)
# A device that can still be reached, whose app is not in front of its user; a call is no notification.
_ON_PHONE = (
    "JOIN device d ON d.device_id = p.device_id AND d.session_state = ? AND d.token IS NOT NULL "
    "AND NOT (d.node_id IS NOT NULL AND d.app_state = 'foreground') "
    "AND NOT EXISTS (SELECT 1 FROM voip_token v WHERE v.device_id = p.device_id AND v.business_id = p.business_id)"
)
_SHOWN = Bulk(
    "withdrawals.shown",
    [("message_id", "bigint")],
    f"SELECT {_COLUMNS} FROM k JOIN push p ON p.message_id = k.message_id JOIN message m ON m.message_id = p.message_id {_ON_PHONE} "
    "WHERE p.sdkappid = ? AND p.kind = '' AND p.state IN (?, ?) AND p.clicked_at_ms = 0 "
    # One that a newer message of its conversation replaced is on no phone any more.
    "AND NOT (p.replaces <> '' AND EXISTS (SELECT 1 FROM push n WHERE n.sdkappid = p.sdkappid AND n.user_id = p.user_id "
    "AND n.push_id > p.push_id AND n.device_id = p.device_id AND n.replaces = p.replaces AND n.state NOT IN (12, 15)))",
)
_READ = Query(
    "withdrawals.read",
    f"SELECT {_COLUMNS} FROM (SELECT * FROM push WHERE sdkappid = ? AND user_id = ? AND push_id > ? AND state IN (?, ?) AND kind = '' "
    "AND clicked_at_ms = 0 AND device_id <> ? ORDER BY push_id DESC LIMIT ?) p "
    f"JOIN message m ON m.message_id = p.message_id AND m.conversation = ? AND m.timestamp > ? AND m.timestamp <= ? "
    f"{_ON_PHONE} ORDER BY p.push_id DESC",
)
_INSERT = Bulk(
    "withdrawals.insert",
    [
        ("push_id", "bigint"),
        ("message_id", "bigint"),
        ("user_id", "text"),
        ("device_id", "bigint"),
        ("reason", "text"),
        ("inputs", "text"),
        ("business_id", "bigint"),
        ("channel", "text"),
        ("notification_class", "text"),
        ("token", "text"),
        ("badge", "bigint"),
        ("due_at_ms", "bigint"),
        ("expires_at_ms", "bigint"),
        ("replaces", "text"),
        ("kind", "text"),
    ],
    "INSERT INTO push (push_id, sdkappid, message_id, user_id, device_id, state, reason, inputs, business_id, channel, "
    "notification_class, token, badge, due_at_ms, expires_at_ms, replaces, created_at_ms, kind) "
    "SELECT push_id, CAST(? AS bigint), message_id, user_id, device_id, CAST(? AS bigint), reason, inputs, business_id, channel, "
    "notification_class, token, badge, due_at_ms, expires_at_ms, replaces, CAST(? AS bigint), kind FROM k",
)


class ShownRow(NamedTuple):
    """A notification that a phone may show."""

    push_id: int
    message_id: int
    user_id: str
    device_id: int
    business_id: int
    channel: str
    notification_class: str
    token: str
    replaces: str
    expires_at_ms: int
    state: int
    from_account: str
    seq: int
    random: int
    timestamp: int
    flags: int


async def shown(tx: Tx, sdkappid: int, message_ids: Sequence[int]) -> list[ShownRow]:
    """The notifications of these messages that vendors took, or that are on their way to them just now."""
    args = (SessionState.ACTIVE, sdkappid, PushState.ACCEPTED, PushState.CLAIMED)
    return [ShownRow(*row) for row in await tx.bulk(_SHOWN, [(m,) for m in dict.fromkeys(message_ids)], *args)]


async def shown_and_read(
    tx: Tx, sdkappid: int, user_id: str, conversation: str, *, since_push_id: int, read: tuple[int, int], but_device: int
) -> list[ShownRow]:
    """Notifications of a conversation between two read marks (unix seconds) among the account's last ones, newest first.

    Those on their way to a vendor just now are among them: asked before they are cancelled.
    """
    states = (PushState.ACCEPTED, PushState.CLAIMED)
    args = (sdkappid, user_id, since_push_id, *states, but_device, MAX_LOOKED_AT, conversation, *read, SessionState.ACTIVE)
    return [ShownRow(*row) for row in await tx.fetch(_READ, *args)]


async def insert_withdrawals(tx: Tx, sdkappid: int, rows: Sequence[Row], now_ms: int) -> None:
    """Store pushes that take notifications back, in the columns' order of ``withdrawals.insert``."""
    await tx.bulk(_INSERT, rows, sdkappid, PushState.PENDING, now_ms)
