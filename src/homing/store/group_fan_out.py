"""Handing a group's message out to its members, a bounded number at a time.

The oldest job of a group is the one that is worked on, so that members hear messages in their order. Whoever works on it
holds its row: each step of it is one transaction that also writes how far it has come.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from homing.model.push import PushState, Reason

from .engine import Bulk, Query, Tx

_INSERT = Query(
    "group_fan_out.insert",
    "INSERT INTO group_fan_out (sdkappid, group_id, seq, message_id, sender_device_id, touched_at_ms) VALUES (?, ?, ?, ?, ?, ?)",
)
_HEAD_SQL = "SELECT seq, message_id, reached, sender_device_id FROM group_fan_out WHERE sdkappid = ? AND group_id = ? ORDER BY seq LIMIT 1"
_HEAD = Query("group_fan_out.head", _HEAD_SQL, _HEAD_SQL + " FOR UPDATE")
_NEXT_MEMBERS = Query(
    "group_fan_out.next_members",
    "SELECT user_id FROM group_member WHERE sdkappid = ? AND group_id = ? AND user_id > ? AND join_seq < ? ORDER BY user_id LIMIT ?",
)
_NAMED_MEMBERS = Bulk(
    "group_fan_out.named_members",
    [("user_id", "text")],
    "SELECT m.user_id FROM k JOIN group_member m ON m.user_id = k.user_id WHERE m.sdkappid = ? AND m.group_id = ? AND m.user_id > ? "
    "AND m.join_seq < ?",
)
_ADVANCE = Query(
    "group_fan_out.advance",
    "UPDATE group_fan_out SET reached = ?, touched_at_ms = ? WHERE sdkappid = ? AND group_id = ? AND seq = ?",
)
_DONE = Query("group_fan_out.done", "DELETE FROM group_fan_out WHERE sdkappid = ? AND group_id = ? AND seq = ?")
_WAITING = Query(
    "group_fan_out.waiting", "SELECT DISTINCT sdkappid, group_id FROM group_fan_out WHERE touched_at_ms <= ? ORDER BY 1, 2 LIMIT ?"
)
_NOT_REACHED = Query(
    "group_fan_out.not_reached",
    "SELECT COUNT(*) FROM group_fan_out f JOIN group_message g ON g.message_id = f.message_id WHERE f.sdkappid = ? AND f.group_id = ? "
    "AND f.seq <= ? AND f.reached < ? AND g.counts = 1 AND g.revoked = 0 AND g.from_account <> ?",
)
_CANCEL_READ = Query(
    "group_fan_out.cancel_read",
    # By way of the devices: only they lead to the few live pushes without a walk through all that ever was.
    "UPDATE push SET state = ?, reason = ?, finished_at_ms = ? WHERE state < 10 "
    "AND device_id IN (SELECT device_id FROM device WHERE sdkappid = ? AND user_id = ?) AND EXISTS (SELECT 1 FROM group_message g "
    "WHERE g.message_id = push.message_id AND g.sdkappid = ? AND g.group_id = ? AND g.seq <= ?) RETURNING push_id",
)


class FanOutJob(NamedTuple):
    """A message that is being handed out, and the last member (in the order of UserIDs) that was served."""

    seq: int
    message_id: int
    reached: str
    sender_device_id: int


async def insert_job(tx: Tx, sdkappid: int, group_id: str, seq: int, message_id: int, sender_device_id: int, now_ms: int) -> None:
    """This message is to be handed out."""
    await tx.execute(_INSERT, sdkappid, group_id, seq, message_id, sender_device_id, now_ms)


async def oldest_job(tx: Tx, sdkappid: int, group_id: str) -> FanOutJob | None:
    """The group's oldest job, held until the transaction ends; None when there is none."""
    row = await tx.fetch_one(_HEAD, sdkappid, group_id)
    return None if row is None else FanOutJob(*row)


async def next_members(tx: Tx, sdkappid: int, group_id: str, job: FanOutJob, only: Sequence[str], limit: int) -> list[str]:
    """The members that come next, in order: those that were members when it was said. ``only``: none but these."""
    if only:
        rows = await tx.bulk(_NAMED_MEMBERS, [(user_id,) for user_id in dict.fromkeys(only)], sdkappid, group_id, job.reached, job.seq)
        return [row[0] for row in rows]
    return [row[0] for row in await tx.fetch(_NEXT_MEMBERS, sdkappid, group_id, job.reached, job.seq, limit)]


async def advance(tx: Tx, sdkappid: int, group_id: str, seq: int, reached: str, now_ms: int) -> None:
    """The members up to this one are served."""
    await tx.execute(_ADVANCE, reached, now_ms, sdkappid, group_id, seq)


async def finish(tx: Tx, sdkappid: int, group_id: str, seq: int) -> None:
    """Everybody is served."""
    await tx.execute(_DONE, sdkappid, group_id, seq)


async def waiting_groups(tx: Tx, before_ms: int, limit: int) -> list[tuple[int, str]]:
    """Groups with a job that nobody has touched since ``before_ms``."""
    return [(row[0], row[1]) for row in await tx.fetch(_WAITING, before_ms, limit)]


async def not_reached(tx: Tx, sdkappid: int, group_id: str, user_id: str, seq: int) -> int:
    """Messages up to a number that count as unread and have not come to this member yet."""
    row = await tx.fetch_one(_NOT_REACHED, sdkappid, group_id, seq, user_id, user_id)
    return 0 if row is None else int(row[0])


async def cancel_read(tx: Tx, sdkappid: int, user_id: str, group_id: str, seq: int, now_ms: int) -> list[int]:
    """Cancel the pushes of a group's messages that ``user_id`` read elsewhere up to a number. Returns the push ids."""
    args = (PushState.CANCELLED, Reason.READ_ELSEWHERE, now_ms, sdkappid, user_id, sdkappid, group_id, seq)
    return [row[0] for row in await tx.fetch(_CANCEL_READ, *args)]
