"""The table of pushes as a queue: claims with a lease, results, releases.

``due_at_ms`` alone says when a live push is to be looked at next: the end of the acknowledgement time, a retry, or the
end of a claim's lease. A crash is a lease that runs out.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import msgspec

from homing.model.groups import GroupDetails
from homing.model.messages import MessageFlags, group_conversation
from homing.model.push import PushState
from homing.model.receive_options import Screening

from .engine import Bulk, Query, Row, Tx
from .push_bundles import release_nodes
from .push_jobs import let_go_nodes
from .screening import Key, load_screens

_CLAIM_SQL = (
    "UPDATE push SET state = ?, owner = ?, due_at_ms = ? WHERE push_id IN (SELECT push_id FROM push WHERE sdkappid = ? "
    "AND business_id = ? AND notification_class = ? AND state < 10 AND due_at_ms <= ? ORDER BY due_at_ms LIMIT ?{lock}) RETURNING push_id"
)
_CLAIM = Query("push_queue.claim", _CLAIM_SQL.format(lock=""), _CLAIM_SQL.format(lock=" FOR UPDATE SKIP LOCKED"))
_DETAILS = Bulk(
    "push_queue.details",
    [("push_id", "bigint")],
    "SELECT p.push_id, p.message_id, p.user_id, p.device_id, p.reason, p.badge, p.attempts, p.expires_at_ms, p.replaces, p.created_at_ms, "
    "m.from_account, m.to_account, m.seq, m.random, m.timestamp, m.flags, m.body, m.push_info, m.cloud_custom_data, m.to_seq, m.from_seq, "
    "m.expires_at_ms, m.revoked_at_ms, d.platform, d.session_state, d.session_id, d.expires_at_ms, d.last_seen_ms, d.app_state, "
    "COALESCE(v.business_id, d.business_id), COALESCE(v.token, d.token), d.language, c.channel, c.paused_reason, a.nick, p.sdkappid, "
    "CASE WHEN p.replaces <> '' AND EXISTS (SELECT 1 FROM push n WHERE n.sdkappid = p.sdkappid AND n.user_id = p.user_id "
    "AND n.push_id > p.push_id AND n.device_id = p.device_id AND n.replaces = p.replaces AND n.state NOT IN (12, 15)) "
    "THEN 1 ELSE 0 END, COALESCE(r.attempts, 0), COALESCE(u.filters, 0), p.kind, "
    "CASE WHEN p.kind = '' THEN '' ELSE p.inputs END "
    "FROM k JOIN push p ON p.push_id = k.push_id JOIN message m ON m.message_id = p.message_id "
    "LEFT JOIN device d ON d.device_id = p.device_id "
    # A call that was bound to the device's token for calls stays there for as long as the device has that token.
    "LEFT JOIN voip_token v ON v.device_id = p.device_id AND v.business_id = p.business_id AND d.token IS NOT NULL "
    "LEFT JOIN certificate c ON c.sdkappid = d.sdkappid AND c.business_id = COALESCE(v.business_id, d.business_id) "
    "LEFT JOIN account a ON a.sdkappid = m.sdkappid AND a.user_id = m.from_account LEFT JOIN push_retry r ON r.push_id = p.push_id "
    "LEFT JOIN account u ON u.sdkappid = p.sdkappid AND u.user_id = p.user_id",
)
_GROUPS = Bulk(
    "push_queue.groups",
    [("push_id", "bigint")],
    "SELECT p.push_id, g.group_id, g.details, COALESCE(c.name, ''), m.receive_option FROM k JOIN push p ON p.push_id = k.push_id "
    "JOIN group_message g ON g.message_id = p.message_id "
    "LEFT JOIN chat_group c ON c.sdkappid = g.sdkappid AND c.group_id = g.group_id "
    "LEFT JOIN group_member m ON m.sdkappid = g.sdkappid AND m.group_id = g.group_id AND m.user_id = p.user_id",
)
_GROUP = MessageFlags.GROUP.value
_group_details = msgspec.json.Decoder(GroupDetails).decode
_RECORD = Bulk(
    "push_queue.record",
    [
        ("push_id", "bigint"),
        ("state", "bigint"),
        ("reason", "text"),
        ("due_at_ms", "bigint"),
        ("attempts", "bigint"),
        ("vendor_message_id", "text"),
        ("finished_at_ms", "bigint"),
    ],
    "UPDATE push SET state = k.state, reason = CASE WHEN k.reason = '' THEN push.reason ELSE k.reason END, due_at_ms = k.due_at_ms, "
    "attempts = k.attempts, vendor_message_id = k.vendor_message_id, finished_at_ms = k.finished_at_ms, owner = NULL "
    "FROM k WHERE push.push_id = k.push_id AND push.owner = ? AND push.state = ?",
)
_RELEASE = Bulk(
    "push_queue.release",
    [("push_id", "bigint"), ("due_at_ms", "bigint")],
    "UPDATE push SET state = ?, due_at_ms = k.due_at_ms, owner = NULL FROM k "
    "WHERE push.push_id = k.push_id AND push.owner = ? AND push.state = ?",
)
_RELEASE_NODES = Bulk(
    "push_queue.release_nodes",
    [("sdkappid", "bigint"), ("business_id", "bigint"), ("notification_class", "text"), ("node_id", "bigint")],
    # Only what the claims' index has beyond this moment: a claim that ran out is found by the next one, and neither the history
    # nor a backlog of a million is read.
    "UPDATE push SET state = ?, due_at_ms = ?, owner = NULL FROM k WHERE push.sdkappid = k.sdkappid AND push.business_id = k.business_id "
    "AND push.notification_class = k.notification_class AND push.state < 10 AND push.due_at_ms > ? AND push.state = ? "
    "AND push.owner / 4294967296 = k.node_id",
)
_LOST_NODES = Query(
    "push_queue.lost_nodes",
    "UPDATE node SET lease_until_ms = 0 WHERE lease_until_ms > 0 AND lease_until_ms < ? AND node_id <> ? RETURNING node_id",
)
_ATTEMPTS = Bulk(
    "push_queue.attempts",
    [
        ("push_id", "bigint"),
        ("number", "bigint"),
        ("at_ms", "bigint"),
        ("latency_ms", "bigint"),
        ("outcome", "text"),
        ("code", "text"),
        ("detail", "text"),
        ("request", "text"),
        ("answer", "text"),
    ],
    "INSERT INTO attempt (push_id, number, at_ms, latency_ms, outcome, code, detail, request, answer) "
    "SELECT push_id, number, at_ms, latency_ms, outcome, code, detail, request, answer FROM k WHERE true "
    "ON CONFLICT (push_id, number) DO NOTHING",
)
_COUNT = Bulk(
    "push_queue.count_quota",
    [("sdkappid", "bigint"), ("business_id", "bigint"), ("notification_class", "text"), ("day", "text"), ("accepted", "bigint")],
    "INSERT INTO quota (sdkappid, business_id, notification_class, day, accepted) "
    "SELECT sdkappid, business_id, notification_class, day, accepted FROM k WHERE true "
    "ON CONFLICT (sdkappid, business_id, notification_class, day) DO UPDATE SET accepted = quota.accepted + excluded.accepted",
)
_STOP = Bulk(
    "push_queue.stop_lane",
    [("sdkappid", "bigint"), ("business_id", "bigint"), ("notification_class", "text"), ("day", "text"), ("stopped_until_ms", "bigint")],
    "INSERT INTO quota (sdkappid, business_id, notification_class, day, stopped_until_ms) "
    "SELECT sdkappid, business_id, notification_class, day, stopped_until_ms FROM k WHERE true "
    "ON CONFLICT (sdkappid, business_id, notification_class, day) DO UPDATE SET stopped_until_ms = excluded.stopped_until_ms",
)
_RENEW = Bulk(
    "push_queue.renew",
    [("push_id", "bigint")],
    "UPDATE push SET due_at_ms = ? FROM k WHERE push.push_id = k.push_id AND push.owner = ? AND push.state = ? RETURNING push.push_id",
)
_REBIND = Bulk(
    "push_queue.rebind",
    [("push_id", "bigint"), ("business_id", "bigint"), ("channel", "text"), ("token", "text")],
    "UPDATE push SET business_id = k.business_id, channel = k.channel, token = k.token FROM k WHERE push.push_id = k.push_id",
)
_NEXT_DUE = Query(
    "push_queue.next_due",
    "SELECT MIN(due_at_ms) FROM push WHERE sdkappid = ? AND business_id = ? AND notification_class = ? AND state < 10",
)
_STOPS = Query(
    "push_queue.stops", "SELECT sdkappid, business_id, notification_class, stopped_until_ms FROM quota WHERE stopped_until_ms > ?"
)
# One look into the index for each lane, however long its backlog is: the first entry after the lane that was found last.
_LANE = "sdkappid, business_id, notification_class, due_at_ms"
_FIRST = f"(SELECT push_id FROM push WHERE state < 10{{after}} ORDER BY {_LANE} LIMIT 1)"
_LANES_SQL = (
    f"WITH RECURSIVE lane AS (SELECT {_LANE} FROM push WHERE push_id = {_FIRST.format(after='')} UNION ALL "
    "SELECT p.sdkappid, p.business_id, p.notification_class, p.due_at_ms FROM lane l JOIN push p ON p.push_id = {following}) "
    f"SELECT {_LANE} FROM lane"
)
_SAME_APP, _SAME_CERTIFICATE = " AND sdkappid = l.sdkappid", " AND business_id = l.business_id"
_AFTER = (
    f"{_SAME_APP}{_SAME_CERTIFICATE} AND notification_class > l.notification_class",
    f"{_SAME_APP} AND business_id > l.business_id",
    " AND sdkappid > l.sdkappid",
)
_LANES = Query(
    "push_queue.lanes",
    # SQLite compares rows by their first column alone when it searches an index, so it gets three searches.
    _LANES_SQL.format(following=f"COALESCE({', '.join(_FIRST.format(after=after) for after in _AFTER)})"),
    _LANES_SQL.format(
        following=_FIRST.format(
            after=" AND (sdkappid, business_id, notification_class) > (l.sdkappid, l.business_id, l.notification_class)"
        )
    ),
)


class GroupRow(NamedTuple):
    """What belongs to the group of a claimed push's message, and to the receiver's place in it."""

    group_id: str
    details: GroupDetails
    name: str
    option: int | None  # the member's ReceiveOption; None: it is no member any more


class ClaimedRow(NamedTuple):
    """Everything needed to decide once more about a claimed push, and to send it."""

    push_id: int
    message_id: int
    user_id: str
    device_id: int
    reason: str
    badge: int | None
    attempts: int
    expires_at_ms: int
    replaces: str
    created_at_ms: int
    from_account: str
    to_account: str
    seq: int
    random: int
    timestamp: int
    flags: int
    body: bytes
    push_info: bytes | None
    cloud_custom_data: str
    to_seq: int | None
    from_seq: int | None
    message_expires_at_ms: int
    revoked_at_ms: int
    platform: str | None
    session_state: str | None
    session_id: int | None
    session_expires_at_ms: int | None
    last_seen_ms: int | None
    app_state: str | None
    business_id: int | None
    token: str | None
    language: str | None
    channel: str | None
    paused_reason: str | None
    nick: str | None
    sdkappid: int
    superseded: int
    attempts_before: int  # somebody had it tried again after so many
    filters: int = 0  # what the receiver has set against incoming messages
    kind: str = ""  # PushKind
    inputs: str = ""  # of a push that takes notifications back
    screening: Screening | None = None  # the same in detail, where it has set anything
    group: GroupRow | None = None  # of a message to a group


class Results(NamedTuple):
    """What happened to a batch of pushes, ready to be written."""

    records: Sequence[Row] = ()
    attempts: Sequence[Row] = ()
    releases: Sequence[Row] = ()
    counts: Sequence[Row] = ()
    stops: Sequence[Row] = ()


async def claim(tx: Tx, lane: tuple[int, int, str], owner: int, now_ms: int, lease_ms: int, limit: int) -> list[ClaimedRow]:
    """Claim up to ``limit`` due pushes of a lane for ``owner``, oldest due first."""
    rows = await tx.fetch(_CLAIM, PushState.CLAIMED, owner, now_ms + lease_ms, *lane, now_ms, limit)
    details = [ClaimedRow(*row) for row in await tx.bulk(_DETAILS, [(row[0],) for row in rows])]
    details.sort(key=lambda row: row.push_id)
    if any(row.flags & _GROUP for row in details):
        found = await tx.bulk(_GROUPS, [(row.push_id,) for row in details if row.flags & _GROUP])
        groups = {row[0]: GroupRow(row[1], _group_details(row[2]), row[3], row[4]) for row in found}
        details = [row._replace(group=groups.get(row.push_id)) for row in details]
    if any(row.filters for row in details):
        screens = await load_screens(tx, [screen_key(row) for row in details if row.filters])
        details = [row._replace(screening=screens.get(screen_key(row))) if row.filters else row for row in details]
    return details


def screen_key(row: ClaimedRow) -> Key:
    """Under which the receiver's settings for this push's sender are looked up."""
    conversation = f"c2c_{row.from_account}" if row.group is None else group_conversation(row.group.group_id)
    return (row.sdkappid, row.user_id, conversation, row.from_account)


async def next_due(tx: Tx, lane: tuple[int, int, str]) -> int | None:
    """When the lane's next live push is to be looked at; None when it has none."""
    row = await tx.fetch_one(_NEXT_DUE, *lane)
    return None if row is None else row[0]


async def record(tx: Tx, results: Results, owner: int) -> None:
    """Write results. A push that is no longer this owner's (taken over, silenced) keeps its state; its attempts are kept all the same."""
    await tx.bulk(_RECORD, results.records, owner, PushState.CLAIMED)
    if results.releases:
        await tx.bulk(_RELEASE, [(push_id, due) for push_id, due in results.releases], PushState.PENDING, owner, PushState.CLAIMED)
    await tx.bulk(_ATTEMPTS, results.attempts)
    await tx.bulk(_COUNT, results.counts)
    await tx.bulk(_STOP, results.stops)


async def renew(tx: Tx, push_ids: Sequence[int], owner: int, until_ms: int) -> set[int]:
    """Prolong the leases of pushes that still wait in a lane. Returns those that are still this owner's."""
    return {row[0] for row in await tx.bulk(_RENEW, [(push_id,) for push_id in push_ids], until_ms, owner, PushState.CLAIMED)}


async def rebind(tx: Tx, rows: Sequence[Row]) -> None:
    """The device reported another token since: the push goes there (push id, business id, channel, token)."""
    await tx.bulk(_REBIND, rows)


def owner_of(node_id: int, life: int) -> int:
    """The number under which one life of a node claims: a process that was thought dead cannot pass for its successor."""
    return node_id << 32 | (life & 0xFFFF_FFFF)


async def release_owner(tx: Tx, owner: int, now_ms: int) -> None:
    """Give back everything that earlier lives of this node had claimed."""
    await _release_claims(tx, [owner >> 32], now_ms)


async def _release_claims(tx: Tx, nodes: list[int], now_ms: int) -> None:
    if nodes:
        rows = [(*lane, node_id) for lane in await lanes(tx) for node_id in nodes]
        await tx.bulk(_RELEASE_NODES, rows, PushState.PENDING, now_ms, now_ms, PushState.CLAIMED)


async def release_lost(tx: Tx, owner: int, now_ms: int) -> list[int]:
    """Give back what other nodes had claimed whose lease has run out. Returns these nodes.

    Never this node's own: what it holds is in its memory, and would be sent twice.
    """
    lost = [row[0] for row in await tx.fetch(_LOST_NODES, now_ms, owner >> 32)]
    await _release_claims(tx, lost, now_ms)
    await release_nodes(tx, lost, now_ms)
    await let_go_nodes(tx, lost)
    return lost


async def lanes(tx: Tx) -> dict[tuple[int, int, str], int]:
    """Every lane with live pushes, and when its first is due."""
    return {(row[0], row[1], row[2]): row[3] for row in await tx.fetch(_LANES)}


async def stops(tx: Tx, now_ms: int) -> dict[tuple[int, int, str], int]:
    """Lanes that a spent quota stopped, and until when."""
    return {(row[0], row[1], row[2]): row[3] for row in await tx.fetch(_STOPS, now_ms)}
