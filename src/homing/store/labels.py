"""Tags and attributes of accounts, and the names of an app's attributes."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from homing.model.push_jobs import Label

from .engine import Bulk, Query, Tx

TAG, ATTRIBUTE = "tag", "attribute"
LabelRow = tuple[str, str, str]  # user id, name, value

_COLUMNS = [("user_id", "text"), ("name", "text"), ("value", "text")]
_OF = Bulk(
    "labels.of",
    [("user_id", "text")],
    "SELECT l.user_id, l.name, l.value FROM k JOIN account_label l ON l.sdkappid = ? AND l.user_id = k.user_id AND l.kind = ? "
    "ORDER BY l.user_id, l.name",
)
_ADD = Bulk(
    "labels.add",
    _COLUMNS,
    "INSERT INTO account_label (sdkappid, kind, name, value, user_id) "
    "SELECT CAST(? AS bigint), CAST(? AS text), name, value, user_id FROM k WHERE true ON CONFLICT DO NOTHING",
)
_REMOVE = Bulk(
    "labels.remove",
    [("user_id", "text"), ("name", "text")],
    "DELETE FROM account_label WHERE sdkappid = ? AND kind = ? AND (user_id, name) IN (SELECT user_id, name FROM k)",
)
_CLEAR = Bulk(
    "labels.clear",
    [("user_id", "text")],
    "DELETE FROM account_label WHERE sdkappid = ? AND kind = ? AND user_id IN (SELECT user_id FROM k)",
)
_NAMES = Query("labels.names", "SELECT number, name, account_type FROM attribute_name WHERE sdkappid = ? ORDER BY number")
_SET_NAMES = Bulk(
    "labels.set_names",
    [("number", "bigint"), ("name", "text"), ("account_type", "bigint")],
    "INSERT INTO attribute_name (sdkappid, number, name, account_type) SELECT CAST(? AS bigint), number, name, account_type FROM k "
    "WHERE true ON CONFLICT (sdkappid, number) DO UPDATE SET name = excluded.name, account_type = excluded.account_type",
)


async def labels_of(tx: Tx, sdkappid: int, user_ids: Iterable[str], kind: str) -> dict[str, dict[str, str]]:
    """The labels of each account by name, with their values ("" for tags)."""
    found: dict[str, dict[str, str]] = {}
    for user_id, name, value in await tx.bulk(_OF, [(user_id,) for user_id in sorted(set(user_ids))], sdkappid, kind):
        found.setdefault(user_id, {})[name] = value
    return found


async def add_labels(tx: Tx, sdkappid: int, kind: str, rows: Sequence[LabelRow]) -> None:
    """Mark accounts. An attribute has one value: what it had before goes."""
    if kind == ATTRIBUTE:
        await remove_labels(tx, sdkappid, kind, [row[:2] for row in rows])
    await tx.bulk(_ADD, sorted(set(rows)), sdkappid, kind)


async def remove_labels(tx: Tx, sdkappid: int, kind: str, rows: Iterable[tuple[str, str]]) -> None:
    """Take marks away (user id, name)."""
    await tx.bulk(_REMOVE, sorted(set(rows)), sdkappid, kind)


async def clear_labels(tx: Tx, sdkappid: int, kind: str, user_ids: Iterable[str]) -> None:
    """Take all marks of this kind away."""
    await tx.bulk(_CLEAR, [(user_id,) for user_id in sorted(set(user_ids))], sdkappid, kind)


async def attribute_names(tx: Tx, sdkappid: int) -> dict[int, tuple[str, int]]:
    """Name and account type of each numbered attribute."""
    return {row[0]: (row[1], row[2]) for row in await tx.fetch(_NAMES, sdkappid)}


async def set_attribute_names(tx: Tx, sdkappid: int, names: dict[int, tuple[str, int]]) -> None:
    """Name attributes; the others stay."""
    await tx.bulk(_SET_NAMES, [(number, *names[number]) for number in sorted(names)], sdkappid)


def tag(name: str) -> Label:
    """A tag as a label."""
    return Label(TAG, name)


def attribute(name: str, value: str) -> Label:
    """An attribute's value as a label."""
    return Label(ATTRIBUTE, name, value)
