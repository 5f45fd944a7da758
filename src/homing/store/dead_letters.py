"""Dead letters: pushes that failed or expired. They are states of the table of pushes, and can become pending again."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from homing.model.push import PushState, Reason

from .engine import Bulk, Query, Tx

_FIELDS = (
    "p.push_id, p.message_id, p.user_id, p.device_id, p.state, p.reason, p.business_id, p.channel, p.notification_class, p.attempts, "
    "p.created_at_ms, p.finished_at_ms, p.due_at_ms, p.expires_at_ms, "
    "COALESCE((SELECT a.code FROM attempt a WHERE a.push_id = p.push_id ORDER BY a.number DESC LIMIT 1), '')"
)
#: The same words stand in the partial index of dead letters.
_DEAD = "p.state BETWEEN 13 AND 14"
_BY_REASON = "p.reason = CASE WHEN ? = '' THEN p.reason ELSE ? END"
_POSTGRES_BY_REASON = "p.reason = CASE WHEN ?::text = '' THEN p.reason ELSE ?::text END"


def _list(name: str, states: str) -> Query:
    text = f"SELECT {_FIELDS} FROM push p WHERE p.sdkappid = ? AND {states} AND {{reason}} ORDER BY p.push_id DESC LIMIT ?"
    return Query(f"dead_letters.list_{name}", text.format(reason=_BY_REASON), text.format(reason=_POSTGRES_BY_REASON))


#: What can be listed, by the word for it.
LISTS = {
    "failed": _list("failed", f"{_DEAD} AND p.state = 13"),
    "expired": _list("expired", f"{_DEAD} AND p.state = 14"),
    "suppressed": _list("suppressed", "p.state = 12"),
    "pending": _list("pending", "p.state < 10"),
}
_RETRY_FIELDS = (
    "p.push_id, p.state, p.reason, p.attempts, p.expires_at_ms, p.business_id, p.notification_class, "
    "CASE WHEN d.token IS NULL THEN 0 ELSE 1 END FROM push p LEFT JOIN device d ON d.device_id = p.device_id"
)
_ONE = Query("dead_letters.one", f"SELECT {_RETRY_FIELDS} WHERE p.sdkappid = ? AND p.push_id = ?")
_SOME = (
    f"SELECT {_RETRY_FIELDS} WHERE p.sdkappid = ? AND {_DEAD} AND p.state = ? AND {{reason}} AND p.push_id > ? ORDER BY p.push_id LIMIT ?"
)
_SOME_QUERY = Query("dead_letters.some", _SOME.format(reason=_BY_REASON), _SOME.format(reason=_POSTGRES_BY_REASON))
_AGAIN = Bulk(
    "dead_letters.again",
    [("push_id", "bigint"), ("state", "bigint")],
    "UPDATE push SET state = ?, reason = ?, due_at_ms = ?, owner = NULL, finished_at_ms = 0 FROM k "
    "WHERE push.push_id = k.push_id AND push.state = k.state RETURNING push.push_id",
)
_NOTE = Bulk(
    "dead_letters.note",
    [("push_id", "bigint"), ("attempts", "bigint"), ("was", "text"), ("at_ms", "bigint")],
    "INSERT INTO push_retry (push_id, at_ms, attempts, was) SELECT push_id, at_ms, attempts, was FROM k WHERE true "
    "ON CONFLICT (push_id) DO UPDATE SET at_ms = excluded.at_ms, attempts = excluded.attempts, was = excluded.was",
)


class Letter(msgspec.Struct, frozen=True):
    """A push as it is listed. ``code`` is the vendor's of the last attempt."""

    push_id: int
    message_id: int
    user_id: str
    device_id: int
    state: int
    reason: str
    business_id: int
    channel: str
    notification_class: str
    attempts: int
    created_at_ms: int
    finished_at_ms: int
    due_at_ms: int
    expires_at_ms: int
    code: str


class Candidate(msgspec.Struct, frozen=True):
    """A push with what decides whether it can be tried again."""

    push_id: int
    state: int
    reason: str
    attempts: int
    expires_at_ms: int
    business_id: int
    notification_class: str
    has_token: int


async def letters(tx: Tx, sdkappid: int, state: str, reason: str, limit: int) -> list[Letter]:
    """The newest pushes of an app in a state of ``LISTS``; ``reason`` "" means any."""
    return [Letter(*row) for row in await tx.fetch(LISTS[state], sdkappid, reason, reason, limit)]


async def candidate(tx: Tx, sdkappid: int, push_id: int) -> Candidate | None:
    """One push, or None."""
    row = await tx.fetch_one(_ONE, sdkappid, push_id)
    return None if row is None else Candidate(*row)


async def candidates(tx: Tx, sdkappid: int, state: PushState, reason: str, after_id: int, limit: int) -> list[Candidate]:
    """The next dead letters after a push id, oldest first."""
    return [Candidate(*row) for row in await tx.fetch(_SOME_QUERY, sdkappid, int(state), reason, reason, after_id, limit)]


async def put_back(tx: Tx, chosen: Sequence[Candidate], now_ms: int) -> set[int]:
    """Make them pending again, due now, and note it for the explanation. Returns those that had not changed meanwhile."""
    rows = await tx.bulk(_AGAIN, [(c.push_id, c.state) for c in chosen], PushState.PENDING, Reason.OFFLINE, now_ms)
    done = {row[0] for row in rows}
    await tx.bulk(_NOTE, [(c.push_id, c.attempts, c.reason, now_ms) for c in chosen if c.push_id in done])
    return done
