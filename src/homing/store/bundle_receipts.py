"""Receipts of pushes to many: from a push id, or a message and a token, to the target inside its bundle."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

from .audience import DEVICE, TOKEN, USER
from .engine import Bulk, Tx
from .push_bundles import decode_targets

_KEY = [("n", "bigint"), ("sdkappid", "bigint")]
_BY_PUSH = Bulk(
    "bundle_receipts.by_push",
    [*_KEY, ("push_id", "bigint")],
    "SELECT k.n, b.bundle_id, b.business_id FROM k JOIN push_bundle b ON b.bundle_id = "
    "(SELECT MAX(x.bundle_id) FROM push_bundle x WHERE x.bundle_id <= k.push_id) "
    "WHERE b.sdkappid = k.sdkappid AND k.push_id < b.bundle_id + b.count",
)
# The job's number is its message's. Its pages do not overlap, so the account of the device leads to one of them.
_PAGE = (
    "JOIN push_bundle b ON b.job_id = k.message_id AND b.sdkappid = k.sdkappid AND b.page = "
    "(SELECT MIN(x.page) FROM push_bundle x WHERE x.job_id = k.message_id AND x.page >= d.user_id)"
)
_BY_TOKEN = Bulk(
    "bundle_receipts.by_token",
    [*_KEY, ("business_id", "bigint"), ("message_id", "bigint"), ("token", "text")],
    "SELECT k.n, b.bundle_id, b.business_id FROM k JOIN device d ON d.sdkappid = k.sdkappid AND d.business_id = k.business_id "
    f"AND d.token = k.token {_PAGE} AND b.business_id = k.business_id",
)
_BY_DEVICE = Bulk(
    "bundle_receipts.by_device",
    [*_KEY, ("device_id", "bigint"), ("message_id", "bigint")],
    f"SELECT k.n, b.bundle_id, b.business_id FROM k JOIN device d ON d.device_id = k.device_id AND d.sdkappid = k.sdkappid {_PAGE} "
    "AND b.business_id <> 0",
)
_TARGETS = Bulk(
    "bundle_receipts.targets",
    [("bundle_id", "bigint")],
    "SELECT b.bundle_id, b.targets, b.channel FROM k JOIN push_bundle b ON b.bundle_id = k.bundle_id",
)


_HOLDER = Bulk(
    "bundle_receipts.holder",
    [("push_id", "bigint")],
    "SELECT k.push_id, b.bundle_id, b.sdkappid, b.job_id, b.channel FROM k JOIN push_bundle b ON b.bundle_id = "
    "(SELECT MAX(x.bundle_id) FROM push_bundle x WHERE x.bundle_id <= k.push_id) WHERE k.push_id < b.bundle_id + b.count",
)


class Target(NamedTuple):
    """Whom a target of a push to many belongs to."""

    push_id: int
    sdkappid: int
    job_id: int
    channel: str
    user_id: str


class Sought(NamedTuple):
    """A receipt whose target is looked for. A vendor's names its certificate, a device's the device."""

    n: int
    sdkappid: int
    business_id: int
    device_id: int
    push_id: int
    message_id: int
    token: str


async def find_targets(tx: Tx, sought: Sequence[Sought]) -> dict[int, tuple[int, str, str]]:
    """Push id, token and channel of the targets that were found, by ``n``."""
    candidates: list[tuple[Sought, int]] = []
    by_n = {item.n: item for item in sought}

    async def look(statement: Bulk, rows: Sequence[tuple[object, ...]]) -> None:
        for n, bundle_id, business_id in await tx.bulk(statement, rows):
            if by_n[n].device_id or business_id == by_n[n].business_id:
                candidates.append((by_n[n], bundle_id))

    await look(_BY_PUSH, [(s.n, s.sdkappid, s.push_id) for s in sought if s.push_id])
    named = [s for s in sought if s.message_id and not s.push_id]
    await look(_BY_TOKEN, [(s.n, s.sdkappid, s.business_id, s.message_id, s.token) for s in named if s.token and not s.device_id])
    await look(_BY_DEVICE, [(s.n, s.sdkappid, s.device_id, s.message_id) for s in named if s.device_id])
    return await _inside(tx, candidates)


async def targets_of(tx: Tx, push_ids: Sequence[int], wanted: Callable[[int], bool]) -> dict[int, Target]:
    """The targets with these numbers, of the apps that are ``wanted``."""
    holders = [row for row in await tx.bulk(_HOLDER, [(push_id,) for push_id in push_ids]) if wanted(row[2])]
    bundles = {row[0]: row[1] for row in await tx.bulk(_TARGETS, [(bundle_id,) for bundle_id in dict.fromkeys(row[1] for row in holders)])}
    opened = {bundle_id: decode_targets(targets) for bundle_id, targets in bundles.items()}
    return {
        push_id: Target(push_id, sdkappid, job_id, channel, opened[bundle_id][push_id - bundle_id][USER])
        for push_id, bundle_id, sdkappid, job_id, channel in holders
    }


async def _inside(tx: Tx, candidates: Sequence[tuple[Sought, int]]) -> dict[int, tuple[int, str, str]]:
    """The place of each within its bundle; a bundle is opened once for all of its receipts."""
    wanted: dict[int, list[Sought]] = {}
    for item, bundle_id in candidates:
        wanted.setdefault(bundle_id, []).append(item)
    found: dict[int, tuple[int, str, str]] = {}
    for bundle_id, targets, channel in await tx.bulk(_TARGETS, [(bundle_id,) for bundle_id in wanted]):
        rows = decode_targets(targets)
        places = {row[TOKEN]: index for index, row in enumerate(rows)}
        devices = {row[DEVICE]: index for index, row in enumerate(rows)}
        for item in wanted[bundle_id]:
            index = item.push_id - bundle_id if item.push_id else devices.get(item.device_id) if item.device_id else places.get(item.token)
            if index is None or (item.device_id and rows[index][DEVICE] != item.device_id):
                continue
            found[item.n] = (bundle_id + index, rows[index][TOKEN] or "", channel)
    return found
