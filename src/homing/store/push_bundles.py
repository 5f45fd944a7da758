"""Bundles: many targets of a push to many in one row, with what ended otherwise kept beside them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import msgspec

from homing.model.push import PushState
from homing.model.push_jobs import JobState

from .engine import Bulk, Query, Row, Tx

_COLUMNS = [
    ("bundle_id", "bigint"),
    ("sdkappid", "bigint"),
    ("job_id", "bigint"),
    ("business_id", "bigint"),
    ("channel", "text"),
    ("platform", "text"),
    ("language", "text"),
    ("page", "text"),
    ("count", "bigint"),
    ("targets", "bytea"),
    ("state", "bigint"),
    ("reason", "text"),
    ("due_at_ms", "bigint"),
    ("owner", "bigint"),
    ("created_at_ms", "bigint"),
    ("finished_at_ms", "bigint"),
]
_NAMES = ", ".join(name for name, _ in _COLUMNS)
_INSERT = Bulk("push_bundles.insert", _COLUMNS, f"INSERT INTO push_bundle ({_NAMES}) SELECT {_NAMES} FROM k")
_CLAIMED = "bundle_id, sdkappid, job_id, business_id, channel, platform, language, targets, attempts, created_at_ms"
_CLAIM_SQL = (
    "UPDATE push_bundle SET state = ?, owner = ?, due_at_ms = ? WHERE bundle_id IN (SELECT bundle_id FROM push_bundle WHERE sdkappid = ? "
    f"AND business_id = ? AND state < 10 AND due_at_ms <= ? "
    f"AND job_id NOT IN (SELECT job_id FROM push_job WHERE state = {JobState.PAUSED:d}) ORDER BY due_at_ms LIMIT ?{{lock}}) "
    f"RETURNING {_CLAIMED}"
)
_CLAIM = Query("push_bundles.claim", _CLAIM_SQL.format(lock=""), _CLAIM_SQL.format(lock=" FOR UPDATE SKIP LOCKED"))
_LANES = Query(
    "push_bundles.lanes", "SELECT sdkappid, business_id, MIN(due_at_ms) FROM push_bundle WHERE state < 10 GROUP BY sdkappid, business_id"
)
_RECORD = Query(
    "push_bundles.record",
    "UPDATE push_bundle SET state = ?, reason = ?, exceptions = ?, attempts = ?, vendor_message_id = ?, due_at_ms = ?, owner = NULL, "
    "finished_at_ms = ? WHERE bundle_id = ? AND owner = ? AND state = ?",
)
_RENEW = Bulk(
    "push_bundles.renew",
    [("bundle_id", "bigint")],
    "UPDATE push_bundle SET due_at_ms = ? FROM k WHERE push_bundle.bundle_id = k.bundle_id AND push_bundle.owner = ? "
    "AND push_bundle.state = ? RETURNING push_bundle.bundle_id",
)
_RELEASE = Bulk(
    "push_bundles.release",
    [("bundle_id", "bigint")],
    "UPDATE push_bundle SET state = ?, due_at_ms = ?, owner = NULL FROM k "
    "WHERE push_bundle.bundle_id = k.bundle_id AND push_bundle.owner = ? AND push_bundle.state = ?",
)
_RELEASE_NODES = Bulk(
    "push_bundles.release_nodes",
    [("node_id", "bigint")],
    "UPDATE push_bundle SET state = ?, due_at_ms = ?, owner = NULL FROM k "
    "WHERE push_bundle.state = ? AND push_bundle.owner / 4294967296 = k.node_id",
)
_DETAILS = (
    "bundle_id, sdkappid, job_id, business_id, channel, platform, language, count, targets, state, reason, exceptions, attempts, "
    "vendor_message_id, due_at_ms, created_at_ms, finished_at_ms, page"
)
_BY_PUSH = Query(
    "push_bundles.by_push",
    f"SELECT {_DETAILS} FROM push_bundle WHERE bundle_id <= ? AND sdkappid = ? ORDER BY bundle_id DESC LIMIT 1",
)
# Pages do not overlap: the first page that ends at or behind an account is the one that holds it.
_BY_ACCOUNT = Query(
    "push_bundles.by_account",
    f"SELECT {_DETAILS} FROM push_bundle WHERE job_id = ? AND page = (SELECT MIN(page) FROM push_bundle WHERE job_id = ? AND page >= ?)",
)
_NEXT_PAGE = Query(
    "push_bundles.next_page",
    f"SELECT {_DETAILS} FROM push_bundle WHERE job_id = ? AND page = (SELECT MIN(page) FROM push_bundle WHERE job_id = ? AND page > ?)",
)


class ClaimedBundle(NamedTuple):
    """What is needed to send a bundle."""

    bundle_id: int
    sdkappid: int
    job_id: int
    business_id: int
    channel: str
    platform: str
    language: str
    targets: bytes
    attempts: int
    created_at_ms: int


class BundleRecord(NamedTuple):
    """A bundle as it is stored."""

    bundle_id: int
    sdkappid: int
    job_id: int
    business_id: int
    channel: str
    platform: str
    language: str
    size: int
    targets: bytes
    state: int
    reason: str
    exceptions: bytes | None
    attempts: int
    vendor_message_id: str
    due_at_ms: int
    created_at_ms: int
    finished_at_ms: int
    page: str


class Exceptional(msgspec.Struct, frozen=True, array_like=True):
    """One target that ended otherwise than its bundle. ``state`` PENDING: it is a push of its own now."""

    index: int
    state: int
    reason: str
    code: str = ""
    detail: str = ""


class Exceptions(msgspec.Struct, frozen=True, array_like=True):
    """The targets that ended otherwise, and the vendor's own message ids where each target has one."""

    others: list[Exceptional] = []
    message_ids: list[str] = []


async def insert_bundles(tx: Tx, rows: Sequence[Row]) -> None:
    """Store new bundles, in the columns' order of ``push_bundles.insert``."""
    await tx.bulk(_INSERT, rows)


async def claim_bundles(tx: Tx, lane: tuple[int, int], owner: int, now_ms: int, lease_ms: int, limit: int) -> list[ClaimedBundle]:
    """Claim up to ``limit`` due bundles of a certificate, oldest due first."""
    rows = await tx.fetch(_CLAIM, PushState.CLAIMED, owner, now_ms + lease_ms, *lane, now_ms, limit)
    return sorted(ClaimedBundle(*row) for row in rows)


async def bundle_lanes(tx: Tx) -> dict[tuple[int, int], int]:
    """Every certificate with bundles that are not done, and when its first is due."""
    return {(row[0], row[1]): row[2] for row in await tx.fetch(_LANES)}


async def record_bundle(tx: Tx, owner: int, bundle_id: int, values: Row) -> bool:
    """Write what became of a bundle: state, reason, exceptions, attempts, vendor message id, due, finished.

    False: it is no longer this owner's, and nothing is written.
    """
    return await tx.execute(_RECORD, *values, bundle_id, owner, PushState.CLAIMED) == 1


async def renew_bundles(tx: Tx, bundle_ids: Sequence[int], owner: int, until_ms: int) -> set[int]:
    """Prolong leases. Returns the bundles that are still this owner's."""
    return {row[0] for row in await tx.bulk(_RENEW, [(bundle_id,) for bundle_id in bundle_ids], until_ms, owner, PushState.CLAIMED)}


async def release_bundles(tx: Tx, bundle_ids: Sequence[int], owner: int, due_at_ms: int) -> None:
    """Give bundles back, to be claimed again when they are due."""
    await tx.bulk(_RELEASE, [(bundle_id,) for bundle_id in bundle_ids], PushState.PENDING, due_at_ms, owner, PushState.CLAIMED)


async def release_nodes(tx: Tx, node_ids: Sequence[int], now_ms: int) -> None:
    """Give back what these nodes had claimed."""
    await tx.bulk(_RELEASE_NODES, [(node_id,) for node_id in node_ids], PushState.PENDING, now_ms, PushState.CLAIMED)


async def bundle_of_push(tx: Tx, sdkappid: int, push_id: int) -> BundleRecord | None:
    """The bundle that holds this push, or None."""
    row = await tx.fetch_one(_BY_PUSH, push_id, sdkappid)
    return BundleRecord(*row) if row is not None and push_id < row[0] + row[7] else None


async def bundles_of_account(tx: Tx, job_id: int, user_id: str) -> list[BundleRecord]:
    """The bundles of a job in which this account's devices can be."""
    return [BundleRecord(*row) for row in await tx.fetch(_BY_ACCOUNT, job_id, job_id, user_id)]


async def next_page(tx: Tx, job_id: int, cursor: str) -> list[BundleRecord]:
    """The bundles of the job's next page after this one, none at its end."""
    return [BundleRecord(*row) for row in await tx.fetch(_NEXT_PAGE, job_id, job_id, cursor)]


def decode_targets(targets: bytes) -> list[list[Any]]:
    """The devices of a bundle as they were at the decision, in the columns of ``audience``."""
    return msgspec.msgpack.decode(targets)  # type: ignore[no-any-return]


def decode_exceptions(exceptions: bytes | None) -> Exceptions:
    """The targets that ended otherwise."""
    return Exceptions() if exceptions is None else msgspec.msgpack.decode(exceptions, type=Exceptions)
