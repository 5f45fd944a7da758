"""Push statistics and traces (sheet push-statistics-and-limits, sections 1 and 2)."""

from __future__ import annotations

from datetime import UTC, datetime

import msgspec

from homing.channels.registry import CHANNELS
from homing.model.problems import BAD_STATISTICS_SPAN, REPORT_NO_TASK, REPORT_TOO_MANY, TASK_UNKNOWN, Refused
from homing.model.push import PushState
from homing.rules.masking import mask
from homing.services.receipts import message_id_of
from homing.services.statistics import MAX_DAYS, Traced
from homing.store.statistics import ONLINE, ByChannel, Counts

from .answers import Answer
from .gate import Call

MAX_TASKS = 5
ONLINE_PLATFORM = 0


class Span(msgspec.Struct, kw_only=True):
    """Unix seconds, at most 30 days."""

    StartTime: int
    EndTime: int


class JobSpan(Span, kw_only=True):
    """At most 5 tasks; none: all of the days."""

    TaskID: tuple[str, ...] = ()


class JobTrace(msgspec.Struct):
    """One account's part of a push to many."""

    TaskID: str = ""
    UserID: str = ""


class MessageTrace(msgspec.Struct):
    """The MsgId of a message."""

    PushID: str = ""


class PlatformCounts(msgspec.Struct):
    """The counts of one vendor; ``PushPlatform`` 0: on the socket. ``EventType`` 1: the vendor's channel, 2: online."""

    EventType: int
    PushPlatform: int
    TotalCount: int
    SentCount: int
    DeliveredCount: int
    ClickCount: int


class NormalAnswer(Answer, kw_only=True):
    """Counts in all and by vendor."""

    TotalCount: int = 0
    SentCount: int = 0
    DeliveredCount: int = 0
    ClickCount: int = 0
    PlatformStatistics: list[PlatformCounts] = msgspec.field(default_factory=list)


class TaskCounts(msgspec.Struct):
    """The counts of one push to many."""

    TaskID: str
    TotalCount: int
    SentCount: int
    DeliveredCount: int
    ClickCount: int
    PlatformStatistics: list[PlatformCounts]


class TasksAnswer(Answer, kw_only=True):
    """One item a push, or one for all."""

    Results: list[TaskCounts] = msgspec.field(default_factory=list)


class Stat(msgspec.Struct):
    """Whether a step was reached (1), when, and what was said."""

    PushStatus: int
    ErrorCode: int
    ErrorInfo: str
    EventTime: str


class InstanceTrace(msgspec.Struct):
    """The way of a push to one device."""

    InstanceId: str
    PushTime: str
    DeviceModel: str
    System: str
    SystemVersion: str
    EventType: int
    PushPlatform: int
    Token: str
    CertId: str
    SdkVersion: str
    PushVersion: str
    NotificationStatus: int
    last_active_terminal: int
    IMCommitStat: dict[str, Stat]
    OfflinePushStat: dict[str, Stat]


class TraceAnswer(Answer, kw_only=True):
    """One item a device."""

    InstanceTrace: list[InstanceTrace] = msgspec.field(default_factory=list)


async def normal_push_statistics(call: Call, request: Span) -> NormalAnswer:
    """Counts of the pushes of one-to-one and group messages."""
    _check(request)
    counts = await call.hub.statistics.normal(call.app, request.StartTime, request.EndTime)
    total = _sum(counts)
    return NormalAnswer(
        TotalCount=total.total,
        SentCount=total.sent,
        DeliveredCount=total.delivered,
        ClickCount=total.clicked,
        PlatformStatistics=_platforms(counts),
    )


async def all_member_push_statistics(call: Call, request: JobSpan) -> TasksAnswer:
    """Counts of pushes to many: of these, or of all in those days."""
    _check(request)
    if len(request.TaskID) > MAX_TASKS:
        raise Refused(REPORT_TOO_MANY, f"{len(request.TaskID)}", cure=f"Ask for at most {MAX_TASKS} at a time")
    if not request.TaskID:
        counts = await call.hub.statistics.all_jobs(call.app, request.StartTime, request.EndTime)
        return TasksAnswer(Results=[_task("", counts)])
    jobs = await call.hub.push_jobs.many(call.app.sdkappid, request.TaskID)
    found = await call.hub.statistics.jobs(jobs)
    return TasksAnswer(Results=[_task(task_id, counts) for task_id, counts in zip(request.TaskID, found, strict=True)])


async def all_member_push_trace(call: Call, request: JobTrace) -> TraceAnswer:
    """The way of a push to many to one account's devices."""
    if not request.TaskID or not request.UserID:
        raise Refused(REPORT_NO_TASK, "$.TaskID and $.UserID are needed")
    job = await call.hub.push_jobs.get(call.app.sdkappid, request.TaskID)
    return TraceAnswer(InstanceTrace=[_trace(item) for item in await call.hub.statistics.trace_job(call.app, job, request.UserID)])


async def normal_push_trace(call: Call, request: MessageTrace) -> TraceAnswer:
    """The way of a message's pushes to the devices of its receivers."""
    message_id = message_id_of(request.PushID)
    if not message_id:
        raise Refused(TASK_UNKNOWN, "$.PushID is not a MsgId")
    return TraceAnswer(InstanceTrace=[_trace(item) for item in await call.hub.statistics.trace_message(call.app, message_id)])


def _check(span: Span) -> None:
    if not 0 <= span.StartTime <= span.EndTime < 2**40 or span.EndTime - span.StartTime > MAX_DAYS * 86_400:
        raise Refused(BAD_STATISTICS_SPAN)


def _sum(counts: ByChannel) -> Counts:
    total = Counts()
    for item in counts.values():
        total = total.plus(*item)
    return total


def _platform(channel: str) -> int:
    known = CHANNELS.get(channel)
    return ONLINE_PLATFORM if known is None else known.push_platform


def _platforms(counts: ByChannel) -> list[PlatformCounts]:
    return [PlatformCounts(2 if channel == ONLINE else 1, _platform(channel), *counts[channel]) for channel in sorted(counts)]


def _task(task_id: str, counts: ByChannel) -> TaskCounts:
    return TaskCounts(task_id, *_sum(counts), _platforms(counts))


def _trace(item: Traced) -> InstanceTrace:
    push, device = item.push, item.device
    last = item.attempts[-1] if item.attempts else None
    went = push.state in (PushState.ACCEPTED, PushState.DELIVERED_ONLINE)
    online = push.state in (PushState.WAITING_ACK, PushState.DELIVERED_ONLINE)
    why = "success" if went else (f"{last.code} {last.detail}".strip() if last is not None else "") or push.reason
    seen_ms = push.delivered_at_ms or push.shown_at_ms or push.clicked_at_ms
    return InstanceTrace(
        InstanceId=str(push.device_id),
        PushTime=_time(push.created_at_ms),
        DeviceModel="",
        System=device.platform if device is not None else "",
        SystemVersion="",
        EventType=2 if online else 1,
        PushPlatform=ONLINE_PLATFORM if online else _platform(push.channel),
        Token=mask(device.token) if device is not None and device.token else "",
        CertId=str(push.business_id),
        SdkVersion="",
        PushVersion="",
        NotificationStatus=0,
        last_active_terminal=1,
        IMCommitStat={"IMStat": _stat(push.created_at_ms)},
        OfflinePushStat={
            "OfflineStat": _stat(last.at_ms if last is not None else 0, push.reason),
            "ChannelStat": _stat(push.finished_at_ms if went else 0, why),
            "DeviceStat": _stat(seen_ms),
            "ClickStat": _stat(push.clicked_at_ms),
        },
    )


def _stat(at_ms: int, otherwise: str = "") -> Stat:
    return Stat(1, 0, "success", _time(at_ms)) if at_ms else Stat(0, 0, otherwise, "")


def _time(at_ms: int) -> str:
    return datetime.fromtimestamp(at_ms / 1000, UTC).strftime("%Y-%m-%d %H:%M:%S")
