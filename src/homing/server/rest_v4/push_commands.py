"""Pushes to many: to all, by tag or attribute, to named accounts; their recall and their reports (sheet rest-api, section 7)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime

import msgspec

from homing.model.messages import MAX_LIFETIME_SECONDS, Element, MessageFlags
from homing.model.problems import (
    ACCOUNT_NOT_FOUND,
    CONDITION_DUPLICATE_TAG,
    CONDITION_EMPTY_TAG,
    CONDITION_ILLEGAL,
    CONDITION_MIXED,
    MSG_BAD_BODY,
    MSG_BAD_FORMAT,
    MSG_BAD_LIFETIME,
    MSG_BAD_RANDOM,
    MSG_BAD_RECEIVER,
    MSG_RECEIVER_UNKNOWN,
    MSG_SENDER_UNKNOWN,
    MSG_TOO_MANY_TARGETS,
    PUSH_BODY_TOO_LONG,
    REPORT_NO_TASK,
    REPORT_TOO_MANY,
    REVOKE_NEEDS_INFO,
    TAG_TOO_LONG,
    TOO_MANY_TAGS,
    Refused,
)
from homing.model.push_info import OfflinePushInfo
from homing.model.push_jobs import MAX_BATCH_ACCOUNTS, Condition, JobDraft, JobKind, JobState, Label, PushJob
from homing.rules.message_keys import UINT32_MAX
from homing.services.accounts import is_user_id
from homing.services.labels import MAX_NAME_BYTES, MAX_TAGS_AT_ONCE
from homing.services.push_jobs import push_elements
from homing.store.labels import attribute, tag

from .answers import Answer
from .elements import check_elements
from .gate import Call
from .label_commands import LabelError

MAX_PUSH_BYTES = 10 * 1024
MAX_DATA_ID_BYTES = 64
MAX_REPORTS = 500
#: How many accounts a second a stored push to many reaches (sheet push-statistics-and-limits, section 3).
STORED_PER_SECOND = 200
_QUIET = MessageFlags.NO_UNREAD.value | MessageFlags.NO_LAST_MSG.value
_REPORT_STATES = {JobState.WAITING: 0, JobState.RUNNING: 1, JobState.PAUSED: 1}


class ConditionBody(msgspec.Struct):
    """Whom a push reaches: by tags or by attributes."""

    TagsOr: tuple[str, ...] | None = None
    TagsAnd: tuple[str, ...] | None = None
    AttrsOr: dict[str, str] | None = None
    AttrsAnd: dict[str, str] | None = None


class PushFields(msgspec.Struct, kw_only=True):
    """What every push to many has."""

    From_Account: str = ""
    MsgRandom: int = -1
    OfflinePushInfo: OfflinePushInfo | None = None
    DataId: str = ""
    PushPerSecond: int = 0  # an extension: accounts a second
    SendMsgControl: tuple[str, ...] = ()  # an extension, as of sendmsg: WithMuteNotifications lets do-not-disturb settings count


class ImPush(PushFields, kw_only=True):
    """The body of im_push."""

    MsgBody: tuple[Element, ...] | None = None
    MsgLifeTime: int = 0
    Condition: ConditionBody | None = None
    To_Account: tuple[str, ...] | None = None  # of timpush/batch


class TimPush(PushFields, kw_only=True):
    """The body of timpush/push: a push alone, or with MsgBody a message as well."""

    MsgBody: tuple[Element, ...] | None = None
    OnlineOnlyFlag: int = 0
    Condition: ConditionBody | None = None
    To_Account: tuple[str, ...] | None = None  # of timpush/batch


class TimPushBatch(PushFields, kw_only=True):
    """The body of timpush/batch."""

    To_Account: tuple[str, ...] = ()


class Revoke(msgspec.Struct, kw_only=True):
    """The push to recall, and what takes its place."""

    TaskId: str = ""
    OfflinePushInfo: OfflinePushInfo | None = None


class TaskIds(msgspec.Struct):
    """The pushes to report on."""

    TaskIds: tuple[str, ...] = ()


class TaskAnswer(Answer, kw_only=True):
    """The number of the push."""

    TaskId: str = ""


class BatchTaskAnswer(TaskAnswer, kw_only=True):
    """The number of the push, and the accounts that it cannot reach."""

    ErrorList: list[LabelError] | msgspec.UnsetType = msgspec.UNSET


class Report(msgspec.Struct):
    """How far a push is. ``Status`` 0 waiting, 1 running, 2 finished."""

    TaskId: str
    Status: int
    StartTime: str | msgspec.UnsetType
    Finished: int
    Total: int


class ReportAnswer(Answer, kw_only=True):
    """One report a push."""

    Reports: list[Report] = msgspec.field(default_factory=list)


async def im_push(call: Call, request: ImPush) -> TaskAnswer:
    """Push to everybody, or by tags or attributes."""
    _check_names_nobody(request.To_Account)
    if request.MsgBody is None:
        raise Refused(MSG_BAD_BODY, "$.MsgBody: it is missing")
    check_elements(request.MsgBody)
    if not 0 <= request.MsgLifeTime <= MAX_LIFETIME_SECONDS:
        raise Refused(MSG_BAD_LIFETIME)
    # A life time of 0 means: only for those who are online.
    flags = _QUIET if request.MsgLifeTime else _QUIET | MessageFlags.ONLINE_ONLY.value
    draft = _draft(call, request, request.MsgBody, flags, condition=_condition(request.Condition), lifetime=request.MsgLifeTime or 600)
    job, _ = await call.hub.push_jobs.create(call.app, draft)
    return TaskAnswer(TaskId=job.task_id)


async def push(call: Call, request: TimPush) -> TaskAnswer:
    """Push to everybody, or by tags or attributes; with MsgBody as a message, stored unless OnlineOnlyFlag is 1."""
    _check_names_nobody(request.To_Account)
    condition = _condition(request.Condition)
    if request.MsgBody is None:
        info = _info(request)
        draft = _draft(call, request, push_elements(info), _QUIET, condition=condition)
    else:
        check_elements(request.MsgBody)
        stored = request.OnlineOnlyFlag != 1
        draft = _draft(call, request, request.MsgBody, 0 if stored else _QUIET, condition=condition)
        if stored:
            speed = request.PushPerSecond or STORED_PER_SECOND
            draft = msgspec.structs.replace(draft, kind=JobKind.MESSAGE, per_second=speed)
    job, _ = await call.hub.push_jobs.create(call.app, draft)
    return TaskAnswer(TaskId=job.task_id)


async def batch(call: Call, request: TimPushBatch) -> BatchTaskAnswer:
    """Push to up to 500 accounts."""
    users = tuple(dict.fromkeys(request.To_Account))
    if not users:
        raise Refused(MSG_BAD_RECEIVER, "$.To_Account: it is missing or empty")
    if len(request.To_Account) > MAX_BATCH_ACCOUNTS:
        raise Refused(MSG_TOO_MANY_TARGETS, f"$.To_Account: {len(request.To_Account)} accounts")
    info = _info(request)
    possible = tuple(user for user in users if is_user_id(user))
    if not possible:
        raise Refused(MSG_RECEIVER_UNKNOWN)
    draft = _draft(call, request, push_elements(info), _QUIET, condition=Condition(users=possible), source="batch")
    job, unknown = await call.hub.push_jobs.create(call.app, draft)
    failed = [user for user in users if user in set(unknown) or not is_user_id(user)]
    errors = [LabelError(user, ACCOUNT_NOT_FOUND.rest_code, ACCOUNT_NOT_FOUND.sentence) for user in failed]
    return BatchTaskAnswer(TaskId=job.task_id, ErrorList=errors or msgspec.UNSET)


async def revoke(call: Call, request: Revoke) -> Answer:
    """Recall a push within 24 hours: the rest is not sent, and the replacement takes the place of what was."""
    if not request.TaskId:
        raise Refused(REPORT_NO_TASK, "$.TaskId: it is missing")
    job = await call.hub.push_jobs.find(call.app.sdkappid, request.TaskId)
    if request.OfflinePushInfo is None and (job is None or job.kind == JobKind.PUSH):
        raise Refused(REVOKE_NEEDS_INFO, "$.OfflinePushInfo")
    await call.hub.push_jobs.revoke(call.app.sdkappid, request.TaskId, request.OfflinePushInfo)
    return Answer()


async def im_get_push_report(call: Call, request: TaskIds) -> ReportAnswer:
    """How far pushes are."""
    if not request.TaskIds:
        raise Refused(REPORT_NO_TASK, "$.TaskIds: it is missing or empty")
    if len(request.TaskIds) > MAX_REPORTS:
        raise Refused(REPORT_TOO_MANY, f"{len(request.TaskIds)}")
    jobs = await call.hub.push_jobs.many(call.app.sdkappid, request.TaskIds)
    return ReportAnswer(Reports=[_report(task_id, job) for task_id, job in zip(request.TaskIds, jobs, strict=True)])


def _report(task_id: str, job: PushJob) -> Report:
    status = _REPORT_STATES.get(JobState(job.state), 2)
    start = datetime.fromtimestamp(job.started_at_ms / 1000, UTC).strftime("%Y-%m-%d %H:%M:%S") if job.started_at_ms else msgspec.UNSET
    return Report(task_id, status, start if status else msgspec.UNSET, job.done + job.on_sockets, job.targets + job.on_sockets)


def _draft(
    call: Call,
    request: PushFields,
    elements: tuple[Element, ...],
    flags: int,
    *,
    condition: Condition,
    lifetime: int = MAX_LIFETIME_SECONDS,
    source: str = "all",
) -> JobDraft:
    sender = request.From_Account or call.identifier
    if not is_user_id(sender):
        raise Refused(MSG_SENDER_UNKNOWN, "$.From_Account")
    if not 0 <= request.MsgRandom <= UINT32_MAX:
        raise Refused(MSG_BAD_RANDOM)
    if len(request.DataId.encode("utf-8", "replace")) > MAX_DATA_ID_BYTES or "\0" in request.DataId:
        raise Refused(MSG_BAD_FORMAT, f"$.DataId: it has more than {MAX_DATA_ID_BYTES} bytes")
    if not 0 <= request.PushPerSecond <= UINT32_MAX:
        raise Refused(MSG_BAD_FORMAT, "$.PushPerSecond: it is not a positive number")
    if "WithMuteNotifications" in request.SendMsgControl:
        flags |= MessageFlags.HONOUR_MUTE.value
    return JobDraft(
        from_account=sender,
        random=request.MsgRandom,
        condition=condition,
        elements=elements,
        push_info=request.OfflinePushInfo,
        source=source,
        flags=flags,
        lifetime_seconds=lifetime,
        per_second=request.PushPerSecond,
        data_id=request.DataId,
    )


def _info(request: PushFields) -> OfflinePushInfo:
    if request.OfflinePushInfo is None:
        raise Refused(MSG_BAD_FORMAT, "$.OfflinePushInfo: it is missing")
    return request.OfflinePushInfo


def _check_names_nobody(accounts: Sequence[str] | None) -> None:
    """Who names accounts means them: a push that went to everybody instead could not be taken back."""
    if accounts is not None:
        raise Refused(MSG_BAD_FORMAT, "$.To_Account: this command reaches everybody", cure="Use timpush/batch to reach named accounts")


def _condition(body: ConditionBody | None) -> Condition:
    """The condition, checked. Tags and attributes are not mixed (sheet rest-api, section 7.1)."""
    if body is None:
        return Condition()
    tags = (body.TagsOr or (), body.TagsAnd or ())
    attributes = (body.AttrsOr or {}, body.AttrsAnd or {})
    if any(tags) and any(attributes):
        raise Refused(CONDITION_MIXED)
    if any(tags):
        return Condition(any_of=_tags(tags[0]), all_of=_tags(tags[1]))
    if any(attributes):
        return Condition(any_of=_attributes(attributes[0]), all_of=_attributes(attributes[1]))
    raise Refused(CONDITION_ILLEGAL, "it is empty")


def _tags(names: Sequence[str]) -> tuple[Label, ...]:
    if len(names) > MAX_TAGS_AT_ONCE:
        raise Refused(TOO_MANY_TAGS, f"{len(names)} in the condition")
    if len(set(names)) < len(names):
        raise Refused(CONDITION_DUPLICATE_TAG)
    if not all(names):
        raise Refused(CONDITION_EMPTY_TAG)
    if any(_unfit(name) for name in names):
        raise Refused(TAG_TOO_LONG, "in the condition")
    return tuple(tag(name) for name in names)


def _attributes(values: Mapping[str, str]) -> tuple[Label, ...]:
    if len(values) > MAX_TAGS_AT_ONCE or any(_unfit(text) for item in values.items() for text in item):
        raise Refused(CONDITION_ILLEGAL, f"at most 10 attributes with values of 1 to {MAX_NAME_BYTES} bytes")
    return tuple(attribute(name, value) for name, value in values.items())


def _unfit(text: str) -> bool:
    octets = text.encode("utf-8", "replace")
    return not 0 < len(octets) <= MAX_NAME_BYTES or "\0" in text or octets.decode() != text


def check_size(request: object, body_bytes: int) -> None:  # noqa: ARG001  (the protocol's signature)
    """A push to many has at most 10 KB. Raises ``Refused``."""
    if body_bytes > MAX_PUSH_BYTES:
        raise Refused(PUSH_BODY_TOO_LONG, f"{body_bytes} bytes")
