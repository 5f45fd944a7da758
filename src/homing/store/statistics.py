"""Counting pushes for the statistics (sheet push-statistics-and-limits, section 1). Reads only, in pieces of bounded time."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import msgspec

from homing.model.push import PushState
from homing.model.push_jobs import JobKind, PushJob

from .engine import Bulk, Query, Tx
from .push_bundles import decode_exceptions

#: What an online push is filed under: it went through no vendor.
ONLINE = ""
_SUMS = (
    "COUNT(*), SUM(CASE WHEN {p}state IN (10, 11) THEN 1 ELSE 0 END), "
    "SUM(CASE WHEN {p}state = 11 OR {p}delivered_at_ms > 0 OR {p}shown_at_ms > 0 OR {p}clicked_at_ms > 0 THEN 1 ELSE 0 END), "
    "SUM(CASE WHEN {p}clicked_at_ms > 0 THEN 1 ELSE 0 END)"
)
_CHANNEL = "CASE WHEN {p}state IN (0, 11) THEN '' ELSE {p}channel END"
# Identifiers grow with time, so a span of time is a span of the key. Suppressed and cancelled pushes were never to be sent, and what
# takes a notification back is no push.
_NORMAL = Query(
    "statistics.normal",
    f"SELECT {_CHANNEL.format(p='')}, {_SUMS.format(p='')} FROM push WHERE push_id >= ? AND push_id < ? AND sdkappid = ? "
    f"AND state NOT IN (12, 15) AND kind = '' AND notification_class <> 'bulk' GROUP BY {_CHANNEL.format(p='')}",
)
_OWN = Query(
    "statistics.own_pushes",
    f"SELECT {_CHANNEL.format(p='')}, {_SUMS.format(p='')} FROM push WHERE message_id = ? AND sdkappid = ? AND state NOT IN (12, 15) "
    # A dead token of a device that has another is noted with its bundle as well.
    "AND kind = '' AND NOT (state = 13 AND attempts = 0) "
    f"GROUP BY {_CHANNEL.format(p='')}",
)
_OWN_OF_JOBS = Query(
    "statistics.own_pushes_of_jobs",
    f"SELECT {_CHANNEL.format(p='p.')}, {_SUMS.format(p='p.')} FROM push_job j JOIN push p ON p.message_id = j.job_id "
    "WHERE j.sdkappid = ? AND j.job_id >= ? AND j.job_id < ? AND p.notification_class = 'bulk' AND p.state NOT IN (12, 15) "
    f"AND p.kind = '' AND NOT (p.state = 13 AND p.attempts = 0) GROUP BY {_CHANNEL.format(p='p.')}",
)
_OWN_STATES = Bulk(
    "statistics.own_states",
    [("job_id", "bigint")],
    "SELECT p.message_id, p.state, COUNT(*) FROM k JOIN push p ON p.message_id = k.job_id WHERE p.notification_class = 'bulk' "
    "AND p.kind = '' AND NOT (p.state = 13 AND p.attempts = 0) GROUP BY p.message_id, p.state",
)
_BUNDLES = Query(
    "statistics.bundles",
    "SELECT channel, SUM(count), SUM(CASE WHEN state = 10 THEN count ELSE 0 END) FROM push_bundle WHERE job_id = ? AND channel <> '' "
    "GROUP BY channel",
)
_EXCEPTIONS = Query(
    "statistics.exceptions", "SELECT channel, state, exceptions FROM push_bundle WHERE job_id = ? AND exceptions IS NOT NULL"
)
_RECEIPTS = Query(
    "statistics.receipts",
    "SELECT b.channel, COUNT(DISTINCT r.push_id), COUNT(DISTINCT CASE WHEN r.kind = 'clicked' THEN r.push_id END) FROM push_bundle b "
    "JOIN receipt r ON r.push_id >= b.bundle_id AND r.push_id < b.bundle_id + b.count "
    "WHERE b.job_id = ? AND b.channel <> '' AND r.kind IN ('delivered', 'shown', 'clicked') GROUP BY b.channel",
)


class Counts(NamedTuple):
    """To be sent, taken by the vendor (or the socket), delivered, clicked."""

    total: int = 0
    sent: int = 0
    delivered: int = 0
    clicked: int = 0

    def plus(self, total: int = 0, sent: int = 0, delivered: int = 0, clicked: int = 0) -> Counts:
        """The sums."""
        return Counts(self.total + total, self.sent + sent, self.delivered + delivered, self.clicked + clicked)


ByChannel = dict[str, Counts]


def add(counts: ByChannel, channel: str, *more: int) -> None:
    """Add to a channel's counts."""
    counts[channel] = counts.get(channel, Counts()).plus(*more)


async def normal_counts(tx: Tx, sdkappid: int, first_id: int, end_id: int) -> ByChannel:
    """Pushes of one-to-one and group messages whose identifiers are in this span, by channel."""
    return {row[0]: Counts(*row[1:5]) for row in await tx.fetch(_NORMAL, first_id, end_id, sdkappid)}


async def own_counts(tx: Tx, sdkappid: int, first_id: int, end_id: int) -> ByChannel:
    """Targets that became pushes of their own, of the jobs whose identifiers are in this span, by channel."""
    rows = await tx.fetch(_OWN_OF_JOBS, sdkappid, first_id, end_id)
    return {row[0]: Counts(*(int(value) for value in row[1:5])) for row in rows}


async def with_own_pushes(tx: Tx, jobs: Sequence[PushJob]) -> list[PushJob]:
    """These jobs with what became of the targets that are pushes of their own: tried again, or held back for a socket."""
    own: dict[int, dict[int, int]] = {}
    for job_id, state, count in await tx.bulk(_OWN_STATES, [(job.job_id,) for job in jobs if job.kind == JobKind.PUSH]):
        own.setdefault(job_id, {})[state] = count
    return [_completed(job, own[job.job_id]) if job.job_id in own else job for job in jobs]


def _completed(job: PushJob, states: dict[int, int]) -> PushJob:
    """The walk counted what it left to sockets apart; the rows say where that ended."""

    def count(*wanted: PushState) -> int:
        return sum(states.get(state, 0) for state in wanted)

    on_sockets, suppressed = count(PushState.WAITING_ACK, PushState.DELIVERED_ONLINE), count(PushState.SUPPRESSED)
    sent, failed = job.sent + count(PushState.ACCEPTED), job.failed + count(PushState.FAILED)
    ended = job.ended + count(PushState.EXPIRED, PushState.CANCELLED)
    # A token that took a dead one's place is a target more.
    targets = max(job.targets + job.on_sockets - on_sockets - suppressed, sent + failed + ended)
    return msgspec.structs.replace(
        job, targets=targets, suppressed=job.suppressed + suppressed, on_sockets=on_sockets, sent=sent, failed=failed, ended=ended
    )


async def job_counts(tx: Tx, job: PushJob) -> ByChannel:
    """What became of a push to many, by channel."""
    counts: ByChannel = {}
    for channel, total, sent in await tx.fetch(_BUNDLES, job.job_id):
        add(counts, channel, int(total), int(sent))
    for channel, state, blob in await tx.fetch(_EXCEPTIONS, job.job_id):
        others = decode_exceptions(blob).others
        # What moved was no target any more; what became a push of its own is counted there.
        gone = sum(item.state in (PushState.SUPPRESSED, PushState.PENDING) for item in others)
        add(counts, channel, -gone, -len(others) if state == PushState.ACCEPTED else 0)
    for row in await tx.fetch(_OWN, job.job_id, job.sdkappid):
        add(counts, row[0], *(int(value) for value in row[1:5]))
    for channel, delivered, clicked in await tx.fetch(_RECEIPTS, job.job_id):
        add(counts, channel, 0, 0, int(delivered), int(clicked))
    return counts
