"""Sending and importing one-to-one messages (rest-api sheet, section 3)."""

from __future__ import annotations

import functools
import secrets
from collections.abc import Sequence

import msgspec

from homing.model.messages import MAX_LIFETIME_SECONDS, MAX_MESSAGE_BYTES, Accepted, Draft, Element, MessageFlags
from homing.model.problems import (
    ACCOUNT_NOT_FOUND,
    MSG_BAD_BODY,
    MSG_BAD_FORMAT,
    MSG_BAD_LIFETIME,
    MSG_BAD_RANDOM,
    MSG_BAD_RECEIVER,
    MSG_BAD_SEQ,
    MSG_BAD_SYNC,
    MSG_BAD_TIME,
    MSG_RECEIVER_UNKNOWN,
    MSG_SENDER_UNKNOWN,
    MSG_TOO_MANY_TARGETS,
    TEXT_TOO_LONG,
    Problem,
    Refused,
)
from homing.model.push_info import OfflinePushInfo
from homing.rules.message_keys import UINT32_MAX, msg_key
from homing.services.accounts import is_user_id

from .answers import Answer, sentence_of
from .elements import check_elements
from .gate import Call
from .presence import AccountError

MAX_TARGETS = 500
MAX_TIME = 2**40
_CONTROLS = {
    "NoUnread": MessageFlags.NO_UNREAD,
    "NoLastMsg": MessageFlags.NO_LAST_MSG,
    "WithMuteNotifications": MessageFlags.HONOUR_MUTE,
}
_KNOWN_CONTROLS = frozenset(_CONTROLS)
_NO_CONTROLS: frozenset[str] = frozenset()
#: ForbidCallbackControl (rest-api sheet, section 3).
CALLBACK_CONTROLS = {
    "ForbidBeforeSendMsgCallback": MessageFlags.NO_HOOK_BEFORE,
    "ForbidAfterSendMsgCallback": MessageFlags.NO_HOOK_AFTER,
}
NO_CALLBACKS = MessageFlags.NO_HOOK_BEFORE | MessageFlags.NO_HOOK_AFTER
_SYNC = {0: MessageFlags.NONE, 1: MessageFlags.SYNC_SENDER, 2: MessageFlags.NO_SENDER_COPY}
_encode = msgspec.json.Encoder().encode


class MessageFields(msgspec.Struct, kw_only=True):
    """What every sending command has."""

    From_Account: str = ""
    MsgSeq: int | None = None
    MsgRandom: int = -1
    MsgTimeStamp: int | None = None
    MsgBody: tuple[Element, ...] | None = None
    CloudCustomData: str = ""
    SyncOtherMachine: int = 0
    OnlineOnlyFlag: int = 0
    MsgLifeTime: int = MAX_LIFETIME_SECONDS
    SendMsgControl: tuple[str, ...] = ()
    ForbidCallbackControl: tuple[str, ...] = ()
    SupportMessageExtension: int = 0
    IsNeedReadReceipt: int = 0
    OfflinePushInfo: OfflinePushInfo | None = None


class SendMsg(MessageFields, kw_only=True):
    """The body of sendmsg."""

    To_Account: str = ""


class BatchSendMsg(MessageFields, kw_only=True):
    """The body of batchsendmsg."""

    To_Account: tuple[str, ...] = ()


class ImportMsg(SendMsg, kw_only=True):
    """The body of importmsg."""

    SyncFromOldSystem: int = 0


class SendAnswer(Answer, kw_only=True):
    """Where the message is filed."""

    MsgTime: int = 0
    MsgKey: str = ""
    MsgId: str | msgspec.UnsetType = msgspec.UNSET


class BatchAnswer(Answer, kw_only=True):
    """One key for all receivers, and who could not be served."""

    MsgTime: int | msgspec.UnsetType = msgspec.UNSET
    MsgKey: str | msgspec.UnsetType = msgspec.UNSET
    ErrorList: list[AccountError] | msgspec.UnsetType = msgspec.UNSET


async def sendmsg(call: Call, request: SendMsg) -> SendAnswer:
    """Send a message to one account."""
    receiver = request.To_Account
    if not receiver:
        raise Refused(MSG_BAD_RECEIVER)
    elements = _checked_elements(request)
    _check_numbers(request)
    _check_accounts(request.From_Account, receiver)
    accepted = await call.hub.messaging.send(call.app, _draft(call, request, receiver, elements, request.MsgSeq))
    return SendAnswer(MsgTime=accepted.timestamp, MsgKey=accepted.msg_key, MsgId=accepted.msg_id)


async def batchsendmsg(call: Call, request: BatchSendMsg) -> BatchAnswer:
    """Send a message to up to 500 accounts."""
    receivers = list(dict.fromkeys(request.To_Account))
    if not receivers:
        raise Refused(MSG_BAD_RECEIVER, "$.To_Account: it is missing or empty")
    if len(request.To_Account) > MAX_TARGETS:
        raise Refused(MSG_TOO_MANY_TARGETS, f"$.To_Account: {len(request.To_Account)} accounts")
    elements = _checked_elements(request)
    _check_numbers(request)
    _check_accounts(request.From_Account)
    # All receivers get one MsgSeq, so that they share the MsgKey of the answer.
    seq = secrets.randbits(32) if request.MsgSeq is None else request.MsgSeq
    possible = [receiver for receiver in receivers if is_user_id(receiver)]
    drafts = [_draft(call, request, receiver, elements, seq, MessageFlags.BATCH) for receiver in possible]
    results = dict(zip(possible, await call.hub.messaging.send_many(call.app, drafts), strict=True))
    return _batch_answer([(receiver, results.get(receiver, MSG_RECEIVER_UNKNOWN)) for receiver in receivers])


async def importmsg(call: Call, request: ImportMsg) -> SendAnswer:
    """Import a message of another system: 1 counts as unread, 2 is history, 5 is sent and pushed as well."""
    if request.SyncFromOldSystem not in (1, 2, 5):
        raise Refused(MSG_BAD_FORMAT, "$.SyncFromOldSystem: it must be 1, 2 or 5")
    if not request.To_Account:
        raise Refused(MSG_BAD_RECEIVER)
    if not request.From_Account:
        raise Refused(MSG_BAD_FORMAT, "$.From_Account: it is missing")
    if request.MsgTimeStamp is None:
        raise Refused(MSG_BAD_TIME, "$.MsgTimeStamp: it is missing")
    elements = _checked_elements(request)
    _check_numbers(request)
    _check_accounts(request.From_Account, request.To_Account)
    seq = secrets.randbits(32) if request.MsgSeq is None else request.MsgSeq
    draft = _draft(call, request, request.To_Account, elements, seq, NO_CALLBACKS)  # importing calls nobody back
    if request.SyncFromOldSystem == 5:
        accepted = await call.hub.messaging.send(call.app, draft)
        return SendAnswer(MsgTime=accepted.timestamp, MsgKey=accepted.msg_key, MsgId=accepted.msg_id)
    await call.hub.history.import_message(call.app, draft, count_unread=request.SyncFromOldSystem == 1)
    return SendAnswer(MsgTime=request.MsgTimeStamp, MsgKey=msg_key(seq, request.MsgRandom, request.MsgTimeStamp))


def _checked_elements(request: MessageFields) -> tuple[Element, ...]:
    elements = request.MsgBody
    if elements is None:
        raise Refused(MSG_BAD_BODY, "$.MsgBody: it is missing")
    check_elements(elements)
    if "\0" in request.CloudCustomData:
        raise Refused(MSG_BAD_FORMAT, "$.CloudCustomData: it contains a NUL character")
    return elements


def _check_numbers(request: MessageFields) -> None:
    if not 0 <= request.MsgRandom <= UINT32_MAX:
        raise Refused(MSG_BAD_RANDOM)
    if request.MsgSeq is not None and not 0 <= request.MsgSeq <= UINT32_MAX:
        raise Refused(MSG_BAD_SEQ)
    if request.MsgTimeStamp is not None and not 0 <= request.MsgTimeStamp <= MAX_TIME:
        raise Refused(MSG_BAD_TIME)
    if request.MsgLifeTime < 0:
        raise Refused(MSG_BAD_LIFETIME)
    if request.SyncOtherMachine not in _SYNC:
        raise Refused(MSG_BAD_SYNC)


def _check_accounts(sender: str, receiver: str | None = None) -> None:
    """What cannot be a UserID cannot be an account; whether the others exist is seen when the message is stored."""
    if sender and not is_user_id(sender):
        raise Refused(MSG_SENDER_UNKNOWN)
    if receiver is not None and not is_user_id(receiver):
        raise Refused(MSG_RECEIVER_UNKNOWN)


def _draft(
    call: Call,
    request: MessageFields,
    receiver: str,
    elements: tuple[Element, ...],
    seq: int | None,
    extra: MessageFlags = MessageFlags.NONE,
) -> Draft:
    flags = _flags(
        request.SyncOtherMachine,
        _KNOWN_CONTROLS.intersection(request.SendMsgControl) if request.SendMsgControl else _NO_CONTROLS,
        # A life time of 0 means: only for those who are online (rest-api sheet, section 3).
        online_only=request.OnlineOnlyFlag == 1 or request.MsgLifeTime == 0,
        receipt=request.IsNeedReadReceipt == 1,
        own_seq=request.MsgSeq is not None,
    )
    for control in request.ForbidCallbackControl:
        flags |= CALLBACK_CONTROLS.get(control, MessageFlags.NONE)
    return Draft(
        from_account=request.From_Account or call.identifier,
        to_account=receiver,
        elements=elements,
        random=request.MsgRandom,
        seq=seq,
        sent_at=request.MsgTimeStamp,
        flags=flags | extra if extra else flags,
        lifetime_seconds=min(request.MsgLifeTime, MAX_LIFETIME_SECONDS),
        push_info=request.OfflinePushInfo,
        cloud_custom_data=request.CloudCustomData,
    )


@functools.lru_cache(1024)  # arithmetic on enum flags costs a microsecond each
def _flags(sync: int, controls: frozenset[str], *, online_only: bool, receipt: bool, own_seq: bool) -> MessageFlags:
    flags = _SYNC[sync]
    if online_only:
        flags |= MessageFlags.ONLINE_ONLY
    for control in controls:
        flags |= _CONTROLS[control]
    if receipt:
        flags |= MessageFlags.NEED_RECEIPT
    if own_seq:
        flags |= MessageFlags.CALLER_SEQ
    return flags


def check_size(request: MessageFields, body_bytes: int) -> None:
    """A message has at most 12 KB: its elements and its CloudCustomData. Raises ``Refused``."""
    if body_bytes <= MAX_MESSAGE_BYTES:
        return  # the message is a part of the body
    size = len(_encode(request.MsgBody)) + len(request.CloudCustomData.encode())
    if size > MAX_MESSAGE_BYTES:
        raise Refused(TEXT_TOO_LONG, f"$.MsgBody and $.CloudCustomData have {size} bytes")


def _batch_answer(results: Sequence[tuple[str, Accepted | Problem]]) -> BatchAnswer:
    accepted = [result for _, result in results if isinstance(result, Accepted)]
    problems = [(receiver, result) for receiver, result in results if isinstance(result, Problem)]
    if any(problem is MSG_SENDER_UNKNOWN for _, problem in problems):
        raise Refused(MSG_SENDER_UNKNOWN)
    errors = [AccountError(receiver, _target_code(problem)) for receiver, problem in problems]
    answer = BatchAnswer(ErrorList=errors or msgspec.UNSET)
    if accepted:
        answer.MsgTime, answer.MsgKey = accepted[0].timestamp, accepted[0].msg_key
    else:
        problem = problems[0][1]
        answer.ActionStatus, answer.ErrorInfo, answer.ErrorCode = "FAIL", sentence_of(problem), problem.rest_code
    return answer


def _target_code(problem: Problem) -> int:
    """The list of failed receivers speaks of accounts, not of fields."""
    return ACCOUNT_NOT_FOUND.rest_code if problem is MSG_RECEIVER_UNKNOWN else problem.rest_code
