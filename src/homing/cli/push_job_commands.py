"""``homing push jobs``, ``pause``, ``resume``, ``cancel``: pushes to many."""

from __future__ import annotations

import argparse
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

from .command import OK, Call, Command, sdkappid_option, store_options, whole_number

if TYPE_CHECKING:
    from homing.model.push_jobs import PushJob
    from homing.services.push_jobs import PushJobs


@asynccontextmanager
async def _jobs(call: Call) -> AsyncIterator[PushJobs]:
    from homing.model.clock import Ids, SystemClock
    from homing.services.push_jobs import PushJobs
    from homing.store.nodes import MAX_NODES

    clock = SystemClock()
    async with call.database() as database:
        yield PushJobs(database=database, ids=Ids(clock, MAX_NODES + os.getpid() % (1024 - MAX_NODES)), clock=clock)


def _configure_list(parser: argparse.ArgumentParser) -> None:
    sdkappid_option(parser)
    parser.add_argument(
        "--limit", type=whole_number, default=20, metavar="N", help="at most so many, newest first; default 20, at most 500"
    )
    store_options(parser)


def _configure_one(parser: argparse.ArgumentParser) -> None:
    sdkappid_option(parser)
    parser.add_argument("task_id", metavar="TASK", help="the TaskId that answered the push")
    store_options(parser)


async def _list(call: Call) -> int:
    async with _jobs(call) as jobs:
        found = await jobs.recent(call.args.sdkappid, call.args.limit)
    told = [_told(job) for job in found]
    text = "\n".join(_line(item) for item in told) if told else "There are no pushes to many."
    call.show({"sdkappid": call.args.sdkappid, "jobs": told}, text)
    return OK


async def _one(call: Call, what: str) -> int:
    async with _jobs(call) as jobs:
        sdkappid, task_id = call.args.sdkappid, call.args.task_id
        if what == "pause":
            job = await jobs.pause(sdkappid, task_id)
        elif what == "resume":
            job = await jobs.resume(sdkappid, task_id)
        else:
            job = await jobs.revoke(sdkappid, task_id)
    call.show(_told(job), _line(_told(job)))
    return OK


async def _pause(call: Call) -> int:
    return await _one(call, "pause")


async def _resume(call: Call) -> int:
    return await _one(call, "resume")


async def _cancel(call: Call) -> int:
    return await _one(call, "cancel")


def _told(job: PushJob) -> dict[str, Any]:
    from homing.model.push_jobs import JobState

    return {
        "task_id": job.task_id,
        "state": JobState(job.state).name.lower(),
        "kind": job.kind,
        "from": job.from_account,
        "data_id": job.data_id,
        "created_at_ms": job.created_at_ms,
        "started_at_ms": job.started_at_ms or None,
        "finished_at_ms": job.finished_at_ms or None,
        "expires_at_ms": job.expires_at_ms,
        "walked": bool(job.walked),
        "per_second": job.per_second,
        "accounts": job.accounts,
        "targets": job.targets,
        "sent": job.sent,
        "failed": job.failed,
        "ended": job.ended,
        "suppressed": job.suppressed,
        "on_sockets": job.on_sockets,
    }


def _line(job: dict[str, Any]) -> str:
    from homing.services.explain import moment

    counts = ", ".join(f"{job[name]:,} {name}" for name in ("accounts", "targets", "sent", "failed", "ended", "suppressed"))
    return f"{job['task_id']}  {job['state']}  {moment(job['created_at_ms'])}  {job['from']}: {counts}"


_DETAILS = "A running server notices within a second; what is under way to a vendor at that moment still goes out."

COMMANDS = (
    Command(
        "push jobs",
        "list pushes to many with their progress",
        _configure_list,
        _list,
        details=(
            "Newest first: accounts that were looked at, devices to push to, what the vendors took, what failed, what ended before it was\n"
            "sent, and devices that get no push (homing explain tells why)."
        ),
        examples=("homing push jobs --sdkappid 1400000001",),
    ),
    Command(
        "push pause",
        "let a push to many stand still",
        _configure_one,
        _pause,
        details=_DETAILS,
        examples=("homing push pause --sdkappid 1400000001 552fd890f800000",),
    ),
    Command(
        "push resume",
        "let a paused push to many go on",
        _configure_one,
        _resume,
        details="It goes on where it stood.",
        examples=("homing push resume --sdkappid 1400000001 552fd890f800000",),
    ),
    Command(
        "push cancel",
        "recall a push to many",
        _configure_one,
        _cancel,
        details=f"What was not sent is not sent any more; within 24 hours. {_DETAILS}",
        examples=("homing push cancel --sdkappid 1400000001 552fd890f800000",),
    ),
)
