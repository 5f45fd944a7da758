"""Jobs: pushes to many, made once, walked by one node at a time."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import NamedTuple

import msgspec

from homing.model.messages import conversation_of
from homing.model.push import PushState, Reason
from homing.model.push_jobs import JobState, PushJob

from .engine import Bulk, Query, Row, Tx
from .messages import save_batch

_FIELDS = ", ".join(PushJob.__struct_fields__)
# Two requests with one random value at the same moment come one after the other. SQLite has one writer anyway.
_LOCK = Query("push_jobs.lock", "SELECT ?", "SELECT pg_advisory_xact_lock(?)")
_INSERT = Query(
    "push_jobs.insert",
    "INSERT INTO push_job (job_id, sdkappid, kind, source, state, from_account, random, fingerprint, condition, per_second, data_id, "
    "replaces_job, created_at_ms, expires_at_ms) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
)
_REPEATED = Query(
    "push_jobs.repeated",
    f"SELECT {_FIELDS} FROM push_job WHERE sdkappid = ? AND random = ? AND source = ? AND created_at_ms > ? ORDER BY job_id DESC LIMIT 1",
)
_GET = Query("push_jobs.get", f"SELECT {_FIELDS} FROM push_job WHERE sdkappid = ? AND job_id = ?")
_LIST = Query("push_jobs.list", f"SELECT {_FIELDS} FROM push_job WHERE sdkappid = ? AND job_id < ? ORDER BY job_id DESC LIMIT ?")
_MANY = Bulk(
    "push_jobs.many",
    [("job_id", "bigint")],
    f"SELECT {', '.join('j.' + name for name in PushJob.__struct_fields__)} FROM k JOIN push_job j ON j.job_id = k.job_id "
    "WHERE j.sdkappid = ?",
)
_BY_ID = Bulk(
    "push_jobs.by_id",
    [("job_id", "bigint")],
    f"SELECT {', '.join('j.' + name for name in PushJob.__struct_fields__)} FROM k JOIN push_job j ON j.job_id = k.job_id",
)
_RUNNABLE = Query(
    "push_jobs.runnable",
    f"SELECT {_FIELDS} FROM push_job WHERE state < 2 AND walked = 0 AND (owner IS NULL OR owner = ? OR lease_until_ms < ?) "
    "ORDER BY job_id LIMIT ?",
)
_CLAIM = Query(
    "push_jobs.claim",
    "UPDATE push_job SET state = ?, owner = ?, lease_until_ms = ?, "
    "started_at_ms = CASE WHEN started_at_ms = 0 THEN ? ELSE started_at_ms END "
    "WHERE job_id = ? AND state < 2 AND walked = 0 AND (owner IS NULL OR owner = ? OR lease_until_ms < ?)",
)
# The fence: a walker that was thought dead, or whose job was paused or recalled meanwhile, changes nothing.
_ADVANCE = Query(
    "push_jobs.advance",
    "UPDATE push_job SET cursor = ?, walked = ?, lease_until_ms = ?, accounts = accounts + ?, targets = targets + ?, "
    "suppressed = suppressed + ?, on_sockets = on_sockets + ? WHERE job_id = ? AND owner = ? AND cursor = ? AND walked = 0 AND state = ?",
)
_LET_GO = Query("push_jobs.let_go", "UPDATE push_job SET owner = NULL, lease_until_ms = 0 WHERE job_id = ? AND owner = ?")
_LET_GO_NODES = Bulk(
    "push_jobs.let_go_nodes",
    [("node_id", "bigint")],
    "UPDATE push_job SET owner = NULL, lease_until_ms = 0 FROM k WHERE push_job.owner / 4294967296 = k.node_id AND push_job.state < 10",
)
_SET_STATE = Query(
    "push_jobs.set_state",
    "UPDATE push_job SET state = ?, finished_at_ms = ?, owner = NULL WHERE sdkappid = ? AND job_id = ? AND state = ?",
)
_FINISH = Query(
    "push_jobs.finish",
    "UPDATE push_job SET state = ?, finished_at_ms = ?, owner = NULL WHERE job_id = ? AND walked = 1 AND state = ? "
    "AND NOT EXISTS (SELECT 1 FROM push_bundle b WHERE b.job_id = push_job.job_id AND b.state < 10)",
)
_EXPIRED = Query(
    "push_jobs.expired", "SELECT job_id, sdkappid, state FROM push_job WHERE state < 10 AND walked = 0 AND expires_at_ms <= ? LIMIT 20"
)
_END_BUNDLES = Query(
    "push_jobs.end_bundles",
    "UPDATE push_bundle SET state = ?, reason = ?, finished_at_ms = ? WHERE job_id = ? AND state = ? RETURNING count",
)
_COUNT = Bulk(
    "push_jobs.count",
    [("job_id", "bigint"), ("sent", "bigint"), ("failed", "bigint"), ("ended", "bigint"), ("suppressed", "bigint")],
    "UPDATE push_job SET sent = push_job.sent + k.sent, failed = push_job.failed + k.failed, ended = push_job.ended + k.ended, "
    "suppressed = push_job.suppressed + k.suppressed, targets = push_job.targets - k.suppressed FROM k WHERE push_job.job_id = k.job_id",
)

_CONTENT = Query(
    "push_jobs.content",
    "SELECT m.message_id, m.from_account, m.seq, m.random, m.timestamp, m.flags, m.body, m.push_info, m.expires_at_ms, "
    "COALESCE(a.nick, ''), COALESCE(a.face_url, '') FROM message m LEFT JOIN account a ON a.sdkappid = m.sdkappid "
    "AND a.user_id = m.from_account WHERE m.message_id = ? AND m.sdkappid = ?",
)
_STATES = Bulk("push_jobs.states", [("job_id", "bigint")], "SELECT j.job_id, j.state FROM k JOIN push_job j ON j.job_id = k.job_id")

#: Above every job.
LAST_ID = 2**63 - 1


class ContentRow(NamedTuple):
    """What a job sends."""

    message_id: int
    from_account: str
    seq: int
    random: int
    timestamp: int
    flags: int
    body: bytes
    push_info: bytes | None
    expires_at_ms: int
    nick: str
    face_url: str


async def get_content(tx: Tx, sdkappid: int, job_id: int) -> ContentRow | None:
    """What a job sends, and its sender's nick; None when it is gone."""
    row = await tx.fetch_one(_CONTENT, job_id, sdkappid)
    return None if row is None else ContentRow(*row)


async def jobs_by_id(tx: Tx, job_ids: Sequence[int]) -> list[PushJob]:
    """These jobs, whatever app they are of."""
    return [PushJob(*row) for row in await tx.bulk(_BY_ID, [(job_id,) for job_id in job_ids])]


async def get_job_states(tx: Tx, job_ids: Sequence[int]) -> dict[int, int]:
    """The states of jobs."""
    return {row[0]: row[1] for row in await tx.bulk(_STATES, [(job_id,) for job_id in job_ids])}


async def lock_random(tx: Tx, sdkappid: int, random: int) -> None:
    """Let requests with one random value come one after the other."""
    digest = hashlib.sha256(f"job/{sdkappid}/{random}".encode()).digest()
    await tx.fetch(_LOCK, int.from_bytes(digest[:8], "big", signed=True))


async def insert_job(tx: Tx, job: PushJob, message: Row) -> None:
    """Store a new job with its content, a row of ``message`` without receiver."""
    await save_batch(tx, [message], [], [])
    values = (job.job_id, job.sdkappid, job.kind, job.source, job.state, job.from_account, job.random, job.fingerprint, job.condition)
    await tx.execute(_INSERT, *values, job.per_second, job.data_id, job.replaces_job, job.created_at_ms, job.expires_at_ms)


def content_row(job: PushJob, flags: int, body: bytes, push_info: bytes | None) -> Row:
    """The job's content in the columns of ``messages.insert``."""
    return (
        job.job_id,
        job.sdkappid,
        conversation_of(job.from_account, ""),
        job.from_account,
        "",
        job.job_id & 0xFFFF_FFFF,
        job.random,
        job.created_at_ms // 1000,
        job.fingerprint & 0xFFFF_FFFF,
        flags,
        body,
        push_info,
        "",
        None,
        None,
        job.expires_at_ms,
    )


async def repeated_job(tx: Tx, sdkappid: int, random: int, source: str, since_ms: int) -> PushJob | None:
    """The last job with this random value that is not older than ``since_ms``."""
    row = await tx.fetch_one(_REPEATED, sdkappid, random, source, since_ms)
    return None if row is None else PushJob(*row)


async def get_job(tx: Tx, sdkappid: int, job_id: int) -> PushJob | None:
    """The job, or None."""
    row = await tx.fetch_one(_GET, sdkappid, job_id)
    return None if row is None else PushJob(*row)


async def get_jobs(tx: Tx, sdkappid: int, job_ids: Sequence[int]) -> dict[int, PushJob]:
    """Several jobs of one app by their numbers."""
    rows = await tx.bulk(_MANY, [(job_id,) for job_id in dict.fromkeys(job_ids)], sdkappid)
    return {row[0]: PushJob(*row) for row in rows}


async def list_jobs(tx: Tx, sdkappid: int, limit: int, before_id: int = LAST_ID) -> list[PushJob]:
    """The app's jobs, newest first."""
    return [PushJob(*row) for row in await tx.fetch(_LIST, sdkappid, before_id, limit)]


async def runnable_jobs(tx: Tx, owner: int, now_ms: int, limit: int) -> list[PushJob]:
    """Jobs that ``owner`` may walk on, the oldest first."""
    return [PushJob(*row) for row in await tx.fetch(_RUNNABLE, owner, now_ms, limit)]


async def claim_job(tx: Tx, job_id: int, owner: int, now_ms: int, lease_ms: int) -> bool:
    """Become the one who walks this job. False when another is, or it is over."""
    changed = await tx.execute(_CLAIM, JobState.RUNNING, owner, now_ms + lease_ms, now_ms, job_id, owner, now_ms)
    return changed == 1


async def advance_job(tx: Tx, job: PushJob, owner: int, cursor: str, walked: bool, lease_until_ms: int, counts: Sequence[int]) -> bool:
    """Move the cursor on (accounts, targets, suppressed, on sockets are added). False: no longer the owner's to walk."""
    args = (cursor, int(walked), lease_until_ms, *counts, job.job_id, owner, job.cursor, JobState.RUNNING)
    return await tx.execute(_ADVANCE, *args) == 1


async def let_go(tx: Tx, job_id: int, owner: int) -> None:
    """Leave a job to others."""
    await tx.execute(_LET_GO, job_id, owner)


async def let_go_nodes(tx: Tx, node_ids: Sequence[int]) -> None:
    """Leave what these nodes walked to others."""
    await tx.bulk(_LET_GO_NODES, [(node_id,) for node_id in node_ids])


async def count_results(tx: Tx, rows: Sequence[tuple[int, int, int, int, int]]) -> None:
    """Add to the counters of jobs: job id, sent, failed, ended, and targets that turned out not to be any."""
    await tx.bulk(_COUNT, sorted(rows))


async def finish_job(tx: Tx, job_id: int, now_ms: int) -> bool:
    """End a job that was walked to its end and whose bundles are all done. False when it is not there yet."""
    return await tx.execute(_FINISH, JobState.FINISHED, now_ms, job_id, JobState.RUNNING) == 1


async def expired_jobs(tx: Tx, now_ms: int) -> list[tuple[int, int, int]]:
    """Job id, app and state of jobs whose time is over before their walk is."""
    return [(row[0], row[1], row[2]) for row in await tx.fetch(_EXPIRED, now_ms)]


async def pause_job(tx: Tx, sdkappid: int, job_id: int, state: int) -> bool:
    """Stop a job for now: nobody walks it on, and nobody claims its bundles."""
    return await tx.execute(_SET_STATE, JobState.PAUSED, 0, sdkappid, job_id, state) == 1


async def resume_job(tx: Tx, sdkappid: int, job_id: int) -> bool:
    """Let a paused job go on."""
    return await tx.execute(_SET_STATE, JobState.RUNNING, 0, sdkappid, job_id, JobState.PAUSED) == 1


async def end_job(tx: Tx, sdkappid: int, job_id: int, was: int, state: JobState, now_ms: int) -> bool:
    """End a job early; what was not handed to a lane yet is not sent any more. False when its state is another by now."""
    if not await tx.execute(_SET_STATE, state, now_ms, sdkappid, job_id, was):
        return False
    revoked = state is JobState.REVOKED
    bundles, reason = (PushState.CANCELLED, Reason.RECALLED) if revoked else (PushState.EXPIRED, Reason.TTL_OVER)
    rows = await tx.fetch(_END_BUNDLES, bundles, reason.value, now_ms, job_id, PushState.PENDING)
    await count_results(tx, [(job_id, 0, 0, sum(row[0] for row in rows), 0)])
    return True


def condition_json(condition: object) -> str:
    """A condition as it is stored."""
    return msgspec.json.encode(condition).decode()
