"""Receipts: what vendors and devices say later about a push, and what follows for its device's token."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import msgspec

from homing.model.outcome import ReceiptKind

from .bundle_receipts import Sought, find_targets
from .dead_tokens import DeadToken, drop_tokens
from .engine import Bulk, Query, Row, Tx
from .push_days import add_days, day_of

_KEY = [("n", "bigint"), ("sdkappid", "bigint")]
_BY_PUSH = Bulk(
    "receipts.by_push",
    [*_KEY, ("business_id", "bigint"), ("push_id", "bigint")],
    "SELECT k.n, p.push_id, p.token FROM k JOIN push p ON p.push_id = k.push_id "
    "WHERE p.sdkappid = k.sdkappid AND p.business_id = k.business_id",
)
_BY_MESSAGE = Bulk(
    "receipts.by_message",
    [*_KEY, ("business_id", "bigint"), ("message_id", "bigint"), ("token", "text")],
    "SELECT k.n, p.push_id, p.token FROM k JOIN push p ON p.message_id = k.message_id "
    "WHERE p.sdkappid = k.sdkappid AND p.business_id = k.business_id AND p.token = k.token AND p.kind = ''",
)
# The device reported a newer token of the same certificate between the decision and the sending.
_BY_HOLDER = Bulk(
    "receipts.by_holder",
    [*_KEY, ("business_id", "bigint"), ("message_id", "bigint"), ("token", "text")],
    "SELECT k.n, p.push_id, d.token FROM k JOIN push p ON p.message_id = k.message_id JOIN device d ON d.device_id = p.device_id "
    "WHERE p.sdkappid = k.sdkappid AND p.business_id = k.business_id AND d.business_id = k.business_id AND d.token = k.token "
    "AND p.kind = ''",
)
_OF_DEVICE_BY_PUSH = Bulk(
    "receipts.of_device_by_push",
    [*_KEY, ("device_id", "bigint"), ("push_id", "bigint")],
    "SELECT k.n, p.push_id, p.token FROM k JOIN push p ON p.push_id = k.push_id "
    "WHERE p.sdkappid = k.sdkappid AND p.device_id = k.device_id",
)
_OF_DEVICE_BY_MESSAGE = Bulk(
    "receipts.of_device_by_message",
    [*_KEY, ("device_id", "bigint"), ("message_id", "bigint")],
    "SELECT k.n, p.push_id, p.token FROM k JOIN push p ON p.message_id = k.message_id "
    "WHERE p.sdkappid = k.sdkappid AND p.device_id = k.device_id AND p.kind = ''",
)
# A batch of messages shares its MsgKey, and the token tells which of them is meant.
_BY_KEY = Bulk(
    "receipts.by_msg_key",
    [*_KEY, ("business_id", "bigint"), ("seq", "bigint"), ("random", "bigint"), ("token", "text")],
    "SELECT k.n, p.push_id, p.token FROM k JOIN message m ON m.sdkappid = k.sdkappid AND m.seq = k.seq AND m.random = k.random "
    "JOIN push p ON p.message_id = m.message_id WHERE p.business_id = k.business_id AND p.token = k.token AND p.kind = ''",
)
_OF_DEVICE_BY_KEY = Bulk(
    "receipts.of_device_by_msg_key",
    [*_KEY, ("device_id", "bigint"), ("seq", "bigint"), ("random", "bigint")],
    "SELECT k.n, p.push_id, p.token FROM k JOIN message m ON m.sdkappid = k.sdkappid AND m.seq = k.seq AND m.random = k.random "
    "JOIN push p ON p.message_id = m.message_id WHERE p.device_id = k.device_id AND p.kind = ''",
)
_INSERT = Bulk(
    "receipts.insert",
    [("push_id", "bigint"), ("kind", "text"), ("at_ms", "bigint"), ("source", "text"), ("code", "text"), ("detail", "text")],
    # WHERE true: without it SQLite reads ON as the beginning of a join condition.
    "INSERT INTO receipt (push_id, kind, at_ms, source, code, detail) "
    "SELECT push_id, kind, at_ms, source, code, detail FROM k WHERE true ON CONFLICT (push_id, kind) DO NOTHING "
    "RETURNING push_id, kind, at_ms",
)
_HOLDERS = Bulk(
    "receipts.token_holders",
    [*_KEY, ("business_id", "bigint"), ("token", "text")],
    "SELECT k.n, d.device_id FROM k JOIN device d ON d.sdkappid = k.sdkappid AND d.business_id = k.business_id AND d.token = k.token",
)
_REPLACE = Query(
    "receipts.replace_token",
    "UPDATE device SET token = ?, token_at_ms = ? WHERE device_id = ? AND sdkappid = ? AND business_id = ? AND token = ? "
    "AND token_at_ms <= ? AND NOT EXISTS "
    "(SELECT 1 FROM device other WHERE other.sdkappid = ? AND other.business_id = ? AND other.token = ?)",
)


def _mark(column: str) -> Bulk:
    return Bulk(
        f"receipts.mark_{column}",
        [("push_id", "bigint"), ("at_ms", "bigint")],
        f"UPDATE push SET {column} = k.at_ms FROM k WHERE push.push_id = k.push_id AND (push.{column} = 0 OR push.{column} > k.at_ms)",
    )


_MARKS = {
    ReceiptKind.DELIVERED: _mark("delivered_at_ms"),
    ReceiptKind.SHOWN: _mark("shown_at_ms"),
    ReceiptKind.CLICKED: _mark("clicked_at_ms"),
}


New = tuple[int, str, int]  # push id, kind, when


class Report(msgspec.Struct, frozen=True, kw_only=True):
    """One receipt on its way to the store. A vendor's is tied to its certificate, a device's to the device: never beyond."""

    sdkappid: int
    kind: ReceiptKind
    at_ms: int
    business_id: int = 0
    device_id: int = 0  # not 0: from the device itself
    push_id: int = 0
    message_id: int = 0
    key: tuple[int, int] | None = None  # MsgSeq and MsgRandom, for a message of a batch
    token: str = ""
    code: str = ""
    detail: str = ""
    replacement_token: str = ""


async def store_receipts(tx: Tx, reports: Sequence[Report], now_ms: int, next_id: Callable[[], int]) -> tuple[list[int | None], list[New]]:
    """Record a batch; the push that each report belongs to, or None where there is none, and what was new.

    Repeating it changes nothing.
    """
    found, of_bundles = await _resolve(tx, reports)
    pushes = [found.get(n, (None, ""))[0] for n in range(len(reports))]
    known = [(report, push_id) for report, push_id in zip(reports, pushes, strict=True) if push_id is not None]
    new: list[New] = [(row[0], row[1], row[2]) for row in await tx.bulk(_INSERT, _receipt_rows(known))]
    if of_bundles:
        await _count(tx, reports, of_bundles, {(push_id, kind) for push_id, kind, _ in new}, now_ms)
    for kind, mark in _MARKS.items():
        earliest: dict[int, int] = {}
        for report, push_id in known:
            if report.kind is kind:
                earliest[push_id] = min(report.at_ms, earliest.get(push_id, report.at_ms))
        await tx.bulk(mark, sorted(earliest.items()))
    await _dead_tokens(tx, [_with_token(report, found.get(n)) for n, report in enumerate(reports)], now_ms, next_id)
    return pushes, new


async def _count(
    tx: Tx, reports: Sequence[Report], targets: Mapping[int, tuple[int, str, str]], fresh: set[tuple[int, str]], now_ms: int
) -> None:
    """Add to the day's counters of pushes to many what was heard for the first time."""
    day, rows = day_of(now_ms), []
    for n, (push_id, _, channel) in targets.items():
        report = reports[n]
        if (push_id, report.kind.value) in fresh:
            delivered, clicked = int(report.kind is ReceiptKind.DELIVERED), int(report.kind is ReceiptKind.CLICKED)
            rows.append((report.sdkappid, day, "task", channel, 0, 0, delivered, clicked))
    await add_days(tx, rows)


async def _resolve(tx: Tx, reports: Sequence[Report]) -> tuple[dict[int, tuple[int, str]], dict[int, tuple[int, str, str]]]:
    """Push id and token by the report's place, and those found in bundles with their channel.

    The push id counts; message id and token serve where it is missing.
    """
    found: dict[int, tuple[int, str]] = {}

    async def look(statement: Bulk, rows: Sequence[Row]) -> None:
        for n, push_id, token in await tx.bulk(statement, rows):
            found.setdefault(n, (push_id, token))

    numbered = list(enumerate(reports))
    vendors = [(n, r) for n, r in numbered if not r.device_id]
    devices = [(n, r) for n, r in numbered if r.device_id]
    await look(_BY_PUSH, [(n, r.sdkappid, r.business_id, r.push_id) for n, r in vendors if r.push_id])
    for statement in (_BY_MESSAGE, _BY_HOLDER):
        rows = [(n, r.sdkappid, r.business_id, r.message_id, r.token) for n, r in vendors if n not in found and r.message_id and r.token]
        await look(statement, rows)
    keyed = [(n, r.sdkappid, r.business_id, *r.key, r.token) for n, r in vendors if n not in found and r.key and r.token]
    await look(_BY_KEY, keyed)
    await look(_OF_DEVICE_BY_PUSH, [(n, r.sdkappid, r.device_id, r.push_id) for n, r in devices if r.push_id])
    await look(_OF_DEVICE_BY_MESSAGE, [(n, r.sdkappid, r.device_id, r.message_id) for n, r in devices if n not in found and r.message_id])
    await look(_OF_DEVICE_BY_KEY, [(n, r.sdkappid, r.device_id, *r.key) for n, r in devices if n not in found and r.key])
    left = [(n, r) for n, r in numbered if n not in found and (r.push_id or r.message_id)]
    if left:
        sought = [Sought(n, r.sdkappid, r.business_id, r.device_id, r.push_id, r.message_id, r.token) for n, r in left]
        of_bundles = await find_targets(tx, sought)
        found.update({n: target[:2] for n, target in of_bundles.items()})
        return found, of_bundles
    return found, {}


def _receipt_rows(known: Sequence[tuple[Report, int]]) -> list[Row]:
    """One row a push and kind, in key order so that two nodes lock alike."""
    rows: dict[tuple[int, str], Row] = {}
    for report, push_id in known:
        source = "device" if report.device_id else "vendor"
        rows.setdefault((push_id, report.kind.value), (push_id, report.kind.value, report.at_ms, source, report.code, report.detail))
    return [rows[key] for key in sorted(rows)]


def _with_token(report: Report, found: tuple[int, str] | None) -> Report:
    if report.token or found is None:
        return report
    return msgspec.structs.replace(report, token=found[1])


async def _dead_tokens(tx: Tx, reports: Sequence[Report], now_ms: int, next_id: Callable[[], int]) -> None:
    """Unbind what the vendor called dead, or put the replacement that it named in its place.

    A token that was reported after the receipt's time is another life of it and stays.
    """
    dead = [r for r in reports if r.kind is ReceiptKind.TOKEN_DEAD and r.token and not r.device_id]
    holders = await tx.bulk(_HOLDERS, [(n, r.sdkappid, r.business_id, r.token) for n, r in enumerate(dead)])
    drops: dict[int, DeadToken] = {}
    for n, device_id in holders:
        report = dead[n]
        if not await _replaced(tx, report, device_id, now_ms):
            drops[device_id] = DeadToken(device_id, report.sdkappid, report.token, report.at_ms, report.code)
    await drop_tokens(tx, list(drops.values()), now_ms, next_id)


async def _replaced(tx: Tx, report: Report, device_id: int, now_ms: int) -> bool:
    new = report.replacement_token
    if not new or new == report.token:
        return False
    key = (report.sdkappid, report.business_id)
    changed = await tx.execute(_REPLACE, new, now_ms, device_id, *key, report.token, report.at_ms, *key, new)
    return changed == 1
