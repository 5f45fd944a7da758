"""Friends and blacklists, whole batches a statement."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import msgspec

from homing.model.relations import Blocked, Friend, FriendDetails, InboxFilter

from .engine import Bulk, Query, Tx

Pair = tuple[str, str]  # whose list, and who is on it

_PAIR = [("user_id", "text"), ("other", "text")]
_FIND_FRIENDS = Bulk(
    "relations.find_friends",
    _PAIR,
    "SELECT f.user_id, f.friend, f.details, f.added_at FROM k JOIN friend f ON f.user_id = k.user_id AND f.friend = k.other "
    "WHERE f.sdkappid = ?",
)
_SAVE_FRIENDS = Bulk(
    "relations.save_friends",
    [*_PAIR, ("details", "text"), ("added_at", "bigint")],
    "INSERT INTO friend (sdkappid, user_id, friend, details, added_at) SELECT CAST(? AS bigint), user_id, other, details, added_at FROM k "
    "WHERE true ON CONFLICT (sdkappid, user_id, friend) DO UPDATE SET details = excluded.details, added_at = excluded.added_at",
)
_DELETE_FRIENDS = Bulk(
    "relations.delete_friends",
    _PAIR,
    "DELETE FROM friend WHERE sdkappid = ? AND (user_id, friend) IN (SELECT user_id, other FROM k) RETURNING user_id, friend",
)
_DELETE_ALL = Query("relations.delete_all", "DELETE FROM friend WHERE sdkappid = ? AND user_id = ?")
_DELETE_REVERSE = Query("relations.delete_reverse", "DELETE FROM friend WHERE sdkappid = ? AND friend = ?")
_COUNT_FRIENDS = Bulk(
    "relations.count_friends",
    [("user_id", "text")],
    "SELECT f.user_id, COUNT(*) FROM k JOIN friend f ON f.user_id = k.user_id WHERE f.sdkappid = ? GROUP BY f.user_id",
)
_PAGE_FRIENDS = Query(
    "relations.page_friends",
    "SELECT friend, details, added_at FROM friend WHERE sdkappid = ? AND user_id = ? ORDER BY friend LIMIT ? OFFSET ?",
)
_FIND_BLOCKED = Bulk(
    "relations.find_blocked",
    _PAIR,
    "SELECT b.user_id, b.blocked FROM k JOIN blacklist b ON b.user_id = k.user_id AND b.blocked = k.other WHERE b.sdkappid = ?",
)
_BLOCK = Bulk(
    "relations.block",
    [*_PAIR, ("added_at", "bigint")],
    "INSERT INTO blacklist (sdkappid, user_id, blocked, added_at) SELECT CAST(? AS bigint), user_id, other, added_at FROM k "
    "WHERE true ON CONFLICT (sdkappid, user_id, blocked) DO NOTHING",
)
_UNBLOCK = Bulk(
    "relations.unblock", _PAIR, "DELETE FROM blacklist WHERE sdkappid = ? AND (user_id, blocked) IN (SELECT user_id, other FROM k)"
)
_COUNT_BLOCKED = Query("relations.count_blocked", "SELECT COUNT(*) FROM blacklist WHERE sdkappid = ? AND user_id = ?")
_PAGE_BLOCKED = Query(
    "relations.page_blocked",
    "SELECT blocked, added_at FROM blacklist WHERE sdkappid = ? AND user_id = ? ORDER BY added_at, blocked LIMIT ? OFFSET ?",
)
_SET_FILTER = Query("relations.set_filter", "UPDATE account SET filters = filters | CAST(? AS bigint) WHERE sdkappid = ? AND user_id = ?")
_CLEAR_FILTER = Query(
    "relations.clear_filter", "UPDATE account SET filters = filters & ~CAST(? AS bigint) WHERE sdkappid = ? AND user_id = ?"
)
_details = msgspec.json.Decoder(FriendDetails).decode


async def find_friends(tx: Tx, sdkappid: int, pairs: Iterable[Pair]) -> dict[Pair, Friend]:
    """The friendships among these pairs, each seen from its first account."""
    rows = await tx.bulk(_FIND_FRIENDS, list(pairs), sdkappid)
    return {(row[0], row[1]): Friend(row[1], _details(row[2]), row[3]) for row in rows}


async def save_friends(tx: Tx, sdkappid: int, rows: Sequence[tuple[str, Friend]]) -> None:
    """Make or overwrite friendships: whose, and the friend."""
    texts = {(user_id, f.user_id): (msgspec.json.encode(f.details).decode(), f.added_at) for user_id, f in rows}
    await tx.bulk(_SAVE_FRIENDS, [(*pair, *texts[pair]) for pair in sorted(texts)], sdkappid)


async def delete_friends(tx: Tx, sdkappid: int, pairs: Iterable[Pair]) -> set[Pair]:
    """End friendships, each on its first account's side alone. Returns those that existed."""
    return {(row[0], row[1]) for row in await tx.bulk(_DELETE_FRIENDS, sorted(set(pairs)), sdkappid)}


async def delete_all_friends(tx: Tx, sdkappid: int, user_id: str, *, both: bool) -> None:
    """Empty an account's list of friends; ``both``: it leaves the others' lists as well."""
    await tx.execute(_DELETE_ALL, sdkappid, user_id)
    if both:
        await tx.execute(_DELETE_REVERSE, sdkappid, user_id)


async def count_friends(tx: Tx, sdkappid: int, user_ids: Iterable[str]) -> dict[str, int]:
    """How many friends each of these accounts has; those without one are left out."""
    rows = await tx.bulk(_COUNT_FRIENDS, [(user_id,) for user_id in dict.fromkeys(user_ids)], sdkappid)
    return {row[0]: int(row[1]) for row in rows}


async def page_of_friends(tx: Tx, sdkappid: int, user_id: str, start: int, limit: int) -> list[Friend]:
    """Friends in the order of their UserIDs."""
    return [Friend(row[0], _details(row[1]), row[2]) for row in await tx.fetch(_PAGE_FRIENDS, sdkappid, user_id, limit, start)]


async def find_blocked(tx: Tx, sdkappid: int, pairs: Iterable[Pair]) -> set[Pair]:
    """The pairs whose first account has the second on its blacklist."""
    return {(row[0], row[1]) for row in await tx.bulk(_FIND_BLOCKED, list(pairs), sdkappid)}


async def block(tx: Tx, sdkappid: int, user_id: str, others: Sequence[str], now: int) -> None:
    """Put accounts on a blacklist; those on it already keep their time (unix seconds)."""
    await tx.bulk(_BLOCK, [(user_id, other, now) for other in sorted(set(others))], sdkappid)
    await set_filter(tx, sdkappid, user_id, InboxFilter.BLACKLIST, on=True)


async def unblock(tx: Tx, sdkappid: int, user_id: str, others: Sequence[str]) -> None:
    """Take accounts off a blacklist."""
    await tx.bulk(_UNBLOCK, [(user_id, other) for other in sorted(set(others))], sdkappid)
    if not await count_blocked(tx, sdkappid, user_id):
        await set_filter(tx, sdkappid, user_id, InboxFilter.BLACKLIST, on=False)


async def count_blocked(tx: Tx, sdkappid: int, user_id: str) -> int:
    """How long an account's blacklist is."""
    row = await tx.fetch_one(_COUNT_BLOCKED, sdkappid, user_id)
    return 0 if row is None else int(row[0])


async def page_of_blocked(tx: Tx, sdkappid: int, user_id: str, start: int, limit: int) -> list[Blocked]:
    """A blacklist, oldest entry first."""
    return [Blocked(*row) for row in await tx.fetch(_PAGE_BLOCKED, sdkappid, user_id, limit, start)]


async def set_filter(tx: Tx, sdkappid: int, user_id: str, which: InboxFilter, *, on: bool) -> None:
    """Note with the account whether it has rows of this kind. The caller holds the account's lock."""
    await tx.execute(_SET_FILTER if on else _CLEAR_FILTER, int(which), sdkappid, user_id)
