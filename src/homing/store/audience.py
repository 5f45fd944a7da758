"""Whom a push to many reaches: walked in bounded pages, by account, along an index."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from typing import Any, NamedTuple

from homing.model.push_jobs import Condition, Label

from .engine import Bulk, Query, Tx

#: A device of the audience; an account without devices has one row with ``device_id`` None. The first ten are recorded with the decision.
Row = tuple[Any, ...]
USER, DEVICE, TOKEN, SESSION, APP_STATE, NODE, SEEN, EXPIRES, PLATFORM, BUSINESS, SESSION_ID, LANGUAGE = range(12)
_DEVICE = (
    "d.device_id, d.token, d.session_state, d.app_state, d.node_id, d.last_seen_ms, d.expires_at_ms, d.platform, d.business_id, "
    "d.session_id, d.language"
)
_ACCOUNTS = "(SELECT sdkappid, user_id FROM account WHERE sdkappid = ? AND user_id > ? ORDER BY user_id LIMIT ?) a"
_EVERYBODY = Query(
    "audience.everybody",
    f"SELECT a.user_id, {_DEVICE} FROM {_ACCOUNTS} LEFT JOIN device d ON d.sdkappid = a.sdkappid AND d.user_id = a.user_id "
    "ORDER BY a.user_id",
    # Account by account along the index: a join of its own choice would read all devices for every page.
    f"SELECT a.user_id, {_DEVICE} FROM {_ACCOUNTS} LEFT JOIN LATERAL (SELECT * FROM device WHERE device.sdkappid = a.sdkappid "
    "AND device.user_id = a.user_id OFFSET 0) d ON true ORDER BY a.user_id",
)
_CHOSEN = Bulk(
    "audience.chosen",
    [("user_id", "text")],
    f"SELECT a.user_id, {_DEVICE} FROM k JOIN account a ON a.sdkappid = ? AND a.user_id = k.user_id "
    "LEFT JOIN device d ON d.sdkappid = ? AND d.user_id = a.user_id ORDER BY a.user_id",
)
_BY_ID = Bulk(
    "audience.by_id",
    [("device_id", "bigint")],
    f"SELECT d.user_id, {_DEVICE} FROM k JOIN device d ON d.device_id = k.device_id WHERE d.sdkappid = ?",
)
_CERTIFICATES = Query("audience.certificates", "SELECT business_id, channel, paused_reason FROM certificate WHERE sdkappid = ?")
# By the primary key alone: with more conditions a planner without statistics walks the certificate's devices for each target.
_NOW = Bulk(
    "audience.now",
    [("device_id", "bigint")],
    "SELECT d.device_id, d.sdkappid, d.business_id, d.token, d.session_state FROM k JOIN device d ON d.device_id = k.device_id",
)
_ONE = "account_label l WHERE l.sdkappid = ? AND l.kind = ? AND l.name = ? AND l.value = ?"
_ARM = f"SELECT user_id FROM (SELECT l.user_id FROM {_ONE} AND l.user_id > ? ORDER BY l.user_id LIMIT ?) AS arm"
_HAS = f"EXISTS (SELECT 1 FROM {_ONE} AND l.user_id = c.user_id)"


class Page(NamedTuple):
    """A part of an audience. ``cursor``: the account up to which it was walked; ``last``: there is nobody behind it."""

    rows: list[Row]
    cursor: str
    last: bool


async def read_page(tx: Tx, sdkappid: int, condition: Condition, cursor: str, limit: int) -> Page:
    """The devices of the next accounts after ``cursor``, at most ``limit`` accounts are looked at."""
    if condition.users:
        rows = await _devices(tx, sdkappid, condition.users)  # at most 500: one page
        return Page(rows, rows[-1][USER] if rows else cursor, True)
    if condition.labels:
        candidates = await _candidates(tx, sdkappid, condition, cursor, limit)
        chosen = [row[0] for row in candidates if row[1]]
        end = candidates[-1][0] if candidates else cursor
        return Page(await _devices(tx, sdkappid, chosen), end, len(candidates) < limit)
    rows = await tx.fetch(_EVERYBODY, sdkappid, cursor, limit)
    if not rows:
        return Page([], cursor, True)
    accounts = len({row[USER] for row in rows})
    return Page(rows, rows[-1][USER], accounts < limit)


async def devices_by_id(tx: Tx, sdkappid: int, device_ids: Sequence[int]) -> list[Row]:
    """These devices as they are now."""
    return await tx.bulk(_BY_ID, [(device_id,) for device_id in device_ids], sdkappid)


async def certificates(tx: Tx, sdkappid: int) -> dict[int, tuple[str, str]]:
    """Channel and reason of its pause ("" for none) of each certificate."""
    return {row[0]: (row[1], row[2]) for row in await tx.fetch(_CERTIFICATES, sdkappid)}


async def still_there(tx: Tx, sdkappid: int, business_id: int, targets: Sequence[tuple[int, str]]) -> set[int]:
    """Which of these devices (id, token) still have that token and a session."""
    rows = await tx.bulk(_NOW, [(device_id,) for device_id, _ in targets])
    now = {row[0]: (row[1], row[2], row[3], row[4]) for row in rows}
    return {device_id for device_id, token in targets if now.get(device_id) == (sdkappid, business_id, token, "active")}


async def _devices(tx: Tx, sdkappid: int, user_ids: Sequence[str]) -> list[Row]:
    return await tx.bulk(_CHOSEN, [(user_id,) for user_id in user_ids], sdkappid, sdkappid)


async def _candidates(tx: Tx, sdkappid: int, condition: Condition, cursor: str, limit: int) -> list[Any]:
    """The next accounts that could match, in order, and whether they do."""
    query = _candidate_query(len(condition.any_of), len(condition.all_of))

    def label(item: Label) -> tuple[Any, ...]:
        return (sdkappid, item.kind, item.name, item.value)

    if condition.all_of:
        first, *others = condition.all_of
        conditions = [value for item in (*others, *condition.any_of) for value in label(item)]
        return await tx.fetch(query, *conditions, *label(first), cursor, limit)
    arms = [value for item in condition.any_of for value in (*label(item), cursor, limit)]
    return await tx.fetch(query, *arms, limit)


@functools.lru_cache(maxsize=256)
def _candidate_query(any_of: int, all_of: int) -> Query:
    """Walks one label's accounts and asks for the others, or merges several walks: never more than a page of each."""
    name = f"audience.labels_{any_of}_{all_of}"
    if all_of:
        tests = [_HAS] * (all_of - 1)
        if any_of:
            tests.append(f"({' OR '.join([_HAS] * any_of)})")
        return Query(
            name, f"SELECT c.user_id, CASE WHEN {' AND '.join(tests) or 'true'} THEN 1 ELSE 0 END FROM ({_ARM}) c ORDER BY c.user_id"
        )
    union = " UNION ".join([_ARM] * any_of)
    return Query(name, f"SELECT c.user_id, 1 FROM ({union}) c ORDER BY c.user_id LIMIT ?")
