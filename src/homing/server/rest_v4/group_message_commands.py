"""Messages of groups: send, import, recall, read, count (rest-api sheet, section 4)."""

from __future__ import annotations

import msgspec

from homing.model.groups import MAX_TARGETS, GroupDetails, GroupDraft, GroupMessage
from homing.model.messages import MAX_MESSAGE_BYTES, Element, MessageFlags
from homing.model.problems import GROUP_ACCOUNT_UNKNOWN, GROUP_BAD_PARAMETER, GROUP_TOO_MANY, TEXT_TOO_LONG, Refused
from homing.model.push_info import OfflinePushInfo
from homing.rules.message_keys import UINT32_MAX
from homing.services.accounts import is_user_id

from .answers import Answer
from .elements import check_elements
from .gate import Call
from .group_fields import group_id_of
from .message_commands import CALLBACK_CONTROLS

MAX_MENTIONS = 500
MAX_RECALLED = 10
MAX_IMPORTED = 20
MAX_PAGE = 20
MAX_UNREAD = 100_000
PRIORITIES = ("High", "Normal", "Low", "Lowest")
_CONTROLS = {
    "NoUnread": MessageFlags.NO_UNREAD,
    "NoLastMsg": MessageFlags.NO_LAST_MSG,
    "WithMuteNotifications": MessageFlags.HONOUR_MUTE,
}
_encode = msgspec.json.Encoder().encode


class Mention(msgspec.Struct):
    """An account that is @-mentioned; ``GroupAtAllFlag`` 1: everybody."""

    GroupAtAllFlag: int = 0
    GroupAt_Account: str = ""


class SendGroupMsg(msgspec.Struct, kw_only=True):
    """The body of send_group_msg. The older names of Random and OnlineOnlyFlag are taken as well."""

    GroupId: str = ""
    Random: int = -1
    MsgRandom: int = -1
    MsgPriority: str = ""
    From_Account: str = ""
    MsgBody: tuple[Element, ...] | None = None
    OfflinePushInfo: OfflinePushInfo | None = None
    ForbidCallbackControl: tuple[str, ...] = ()
    OnlineOnlyFlag: int = 0
    MsgOnlineOnlyFlag: int = 0
    SendMsgControl: tuple[str, ...] = ()
    CloudCustomData: str = ""
    SupportMessageExtension: int = 0
    NeedReadReceipt: int = 0
    To_Account: tuple[str, ...] = ()
    GroupAtInfo: tuple[Mention, ...] = ()
    TopicId: str = ""


class ImportedMsg(msgspec.Struct, kw_only=True):
    """An old message."""

    From_Account: str = ""
    SendTime: int = 0
    Random: int | None = None
    MsgBody: tuple[Element, ...] | None = None
    CloudCustomData: str = ""


class ImportGroupMsg(msgspec.Struct, kw_only=True):
    """Up to 20 old messages, oldest first."""

    GroupId: str = ""
    RecentContactFlag: int = 0
    MsgList: tuple[ImportedMsg, ...] = ()


class SeqItem(msgspec.Struct):
    """A message of the group."""

    MsgSeq: int


class RecallGroupMsg(msgspec.Struct):
    """Up to 10 messages of a group."""

    GroupId: str = ""
    MsgSeqList: tuple[SeqItem, ...] = ()
    Reason: str = ""
    TopicId: str = ""


class GetSimple(msgspec.Struct):
    """The history backwards from ``ReqMsgSeq`` (left out: the newest), at most 20 messages."""

    GroupId: str = ""
    ReqMsgNumber: int = 0
    ReqMsgSeq: int | None = None
    WithRecalledMsg: int = 0
    TopicId: str = ""


class SetUnread(msgspec.Struct):
    """How many messages a member has not read."""

    GroupId: str = ""
    Member_Account: str = ""
    UnreadMsgNum: int = -1


class OfSender(msgspec.Struct):
    """Whose messages are to be recalled."""

    GroupId: str = ""
    Sender_Account: str = ""


class SendAnswer(Answer, kw_only=True):
    """The message's number in its group."""

    MsgTime: int = 0
    MsgSeq: int = 0


class ImportResult(msgspec.Struct):
    """What became of an old message: 0 is done."""

    Result: int
    MsgTime: int
    MsgSeq: int


class ImportAnswer(Answer):
    """One result a message."""

    ImportMsgResult: list[ImportResult] = msgspec.field(default_factory=list)


class RecallResult(msgspec.Struct):
    """What became of a recall: 0 is done."""

    MsgSeq: int
    RetCode: int


class RecallAnswer(Answer):
    """One result a message."""

    RecallRetList: list[RecallResult] = msgspec.field(default_factory=list)


class SimpleMsg(msgspec.Struct):
    """A message of the history. ``IsPlaceMsg`` 1: it was recalled, and its content is not shown."""

    From_Account: str
    IsPlaceMsg: int
    MsgBody: msgspec.Raw
    MsgPriority: int
    MsgRandom: int
    MsgSeq: int
    MsgTimeStamp: int
    IsSystemMsg: int = 0
    MsgFlagBits: int = 0
    CloudCustomData: str = ""


class SimpleAnswer(Answer):
    """A page, newest first. ``IsFinished`` 1: there is nothing older."""

    GroupId: str = ""
    IsFinished: int = 1
    RspMsgList: list[SimpleMsg] = msgspec.field(default_factory=list)


async def send_group_msg(call: Call, request: SendGroupMsg) -> SendAnswer:
    """Send a message to a group."""
    draft = _draft(call, request)
    accepted = await call.hub.group_messaging.send(call.app, draft)
    return SendAnswer(MsgTime=accepted.timestamp, MsgSeq=accepted.seq)


async def import_group_msg(call: Call, request: ImportGroupMsg) -> ImportAnswer:
    """File old messages in a group; nobody is told."""
    if not 1 <= len(request.MsgList) <= MAX_IMPORTED:
        raise Refused(GROUP_BAD_PARAMETER, f"$.MsgList: it must have 1 to {MAX_IMPORTED} messages")
    group_id, now = group_id_of(request.GroupId), call.hub.clock.now_ms() // 1000
    drafts = []
    for index, item in enumerate(request.MsgList):
        path = f"$.MsgList[{index}]"
        if not is_user_id(item.From_Account):
            raise Refused(GROUP_ACCOUNT_UNKNOWN, f"{path}.From_Account")
        if not 0 < item.SendTime <= now + 60:
            raise Refused(GROUP_BAD_PARAMETER, f"{path}.SendTime: it must be unix seconds, and not in the future")
        random = 0 if item.Random is None else item.Random
        if not 0 <= random <= UINT32_MAX:
            raise Refused(GROUP_BAD_PARAMETER, f"{path}.Random: it must be an unsigned 32-bit integer")
        elements = _elements(item.MsgBody, item.CloudCustomData)
        drafts.append(
            GroupDraft(
                group_id=group_id,
                from_account=item.From_Account,
                elements=elements,
                random=random,
                sent_at=item.SendTime,
                cloud_custom_data=item.CloudCustomData,
            )
        )
    filed = await call.hub.group_messaging.import_messages(call.app, group_id, drafts)
    return ImportAnswer(ImportMsgResult=[ImportResult(0, item.timestamp, item.seq) for item in filed])


async def group_msg_recall(call: Call, request: RecallGroupMsg) -> RecallAnswer:
    """Recall messages of a group, however old they are."""
    if not 1 <= len(request.MsgSeqList) <= MAX_RECALLED:
        raise Refused(GROUP_BAD_PARAMETER, f"$.MsgSeqList: it must have 1 to {MAX_RECALLED} entries")
    group_id, seqs = group_id_of(request.GroupId), [item.MsgSeq for item in request.MsgSeqList]
    results = await call.hub.group_messaging.recall_many(call.app, group_id, seqs)
    return RecallAnswer(RecallRetList=[RecallResult(seq, code) for seq, code in results])


async def group_msg_get_simple(call: Call, request: GetSimple) -> SimpleAnswer:
    """Read a group's history backwards."""
    if request.ReqMsgNumber <= 0:
        raise Refused(GROUP_BAD_PARAMETER, "$.ReqMsgNumber: it must be a positive integer")
    limit = min(request.ReqMsgNumber, MAX_PAGE)
    group_id = group_id_of(request.GroupId)
    found, finished = await call.hub.group_messaging.newest(call.app, group_id, request.ReqMsgSeq, limit)
    shown = [_simple(said, show=request.WithRecalledMsg == 1) for said in found]
    return SimpleAnswer(GroupId=group_id, IsFinished=int(finished), RspMsgList=shown)


async def set_unread_msg_num(call: Call, request: SetUnread) -> Answer:
    """Set a member's unread count."""
    if not is_user_id(request.Member_Account):
        raise Refused(GROUP_BAD_PARAMETER, "$.Member_Account: it is missing or no UserID")
    if not 0 <= request.UnreadMsgNum <= MAX_UNREAD:
        raise Refused(GROUP_BAD_PARAMETER, f"$.UnreadMsgNum: it must be 0 to {MAX_UNREAD}")
    await call.hub.group_messaging.set_unread(call.app, group_id_of(request.GroupId), request.Member_Account, request.UnreadMsgNum)
    return Answer()


async def delete_group_msg_by_sender(call: Call, request: OfSender) -> Answer:
    """Recall the newest messages of an account in a group, at most 1,000."""
    if not is_user_id(request.Sender_Account):
        raise Refused(GROUP_BAD_PARAMETER, "$.Sender_Account: it is missing or no UserID")
    await call.hub.group_messaging.recall_of_sender(call.app, group_id_of(request.GroupId), request.Sender_Account)
    return Answer()


def _draft(call: Call, request: SendGroupMsg) -> GroupDraft:
    random = request.Random if request.Random >= 0 else request.MsgRandom
    if not 0 <= random <= UINT32_MAX:
        raise Refused(GROUP_BAD_PARAMETER, "$.Random: it is missing, or no unsigned 32-bit integer")
    sender = request.From_Account or call.identifier
    if not is_user_id(sender):
        raise Refused(GROUP_ACCOUNT_UNKNOWN, "$.From_Account")
    if request.MsgPriority and request.MsgPriority not in PRIORITIES:
        raise Refused(GROUP_BAD_PARAMETER, f"$.MsgPriority: it is none of {', '.join(PRIORITIES)}")
    if request.TopicId:
        raise Refused(GROUP_BAD_PARAMETER, "$.TopicId: this server has no topics", cure="Send to the group itself")
    elements = _elements(request.MsgBody, request.CloudCustomData)
    flags = MessageFlags.NONE
    for control in request.SendMsgControl:
        flags |= _CONTROLS.get(control, MessageFlags.NONE)
    for control in request.ForbidCallbackControl:
        flags |= CALLBACK_CONTROLS.get(control, MessageFlags.NONE)
    if request.OnlineOnlyFlag == 1 or request.MsgOnlineOnlyFlag == 1:
        flags |= MessageFlags.ONLINE_ONLY
    if request.NeedReadReceipt == 1:
        flags |= MessageFlags.NEED_RECEIPT
    return GroupDraft(
        group_id=group_id_of(request.GroupId),
        from_account=sender,
        elements=elements,
        random=random,
        flags=flags,
        push_info=request.OfflinePushInfo,
        cloud_custom_data=request.CloudCustomData,
        details=_details(request),
        by_admin=sender in call.app.admins,
    )


def _details(request: SendGroupMsg) -> GroupDetails:
    if len(request.To_Account) > MAX_TARGETS:
        raise Refused(GROUP_TOO_MANY, f"$.To_Account: {len(request.To_Account)} accounts", cure=f"Name at most {MAX_TARGETS} members")
    if len(request.GroupAtInfo) > MAX_MENTIONS:
        raise Refused(GROUP_TOO_MANY, f"$.GroupAtInfo: {len(request.GroupAtInfo)} entries", cure=f"Mention at most {MAX_MENTIONS}")
    return GroupDetails(
        at=tuple(dict.fromkeys(mention.GroupAt_Account for mention in request.GroupAtInfo if mention.GroupAt_Account)),
        at_all=any(mention.GroupAtAllFlag == 1 for mention in request.GroupAtInfo),
        to=tuple(dict.fromkeys(request.To_Account)),
        priority=request.MsgPriority,
    )


def _elements(elements: tuple[Element, ...] | None, custom: str) -> tuple[Element, ...]:
    """Elements in their format. Raises ``Refused`` with this family's code."""
    if elements is None:
        raise Refused(GROUP_BAD_PARAMETER, "$.MsgBody: it is missing")
    try:
        check_elements(elements)
    except Refused as refusal:
        raise Refused(GROUP_BAD_PARAMETER, refusal.detail) from None
    if "\0" in custom:
        raise Refused(GROUP_BAD_PARAMETER, "$.CloudCustomData: it contains a NUL character")
    size = len(_encode(elements)) + len(custom.encode("utf-8", "replace"))
    if size > MAX_MESSAGE_BYTES:
        raise Refused(TEXT_TOO_LONG, f"$.MsgBody and $.CloudCustomData have {size} bytes")
    return elements


def _simple(said: GroupMessage, *, show: bool) -> SimpleMsg:
    message = said.message
    hidden = message.revoked and not show
    return SimpleMsg(
        From_Account=message.from_account,
        IsPlaceMsg=int(hidden),
        MsgBody=msgspec.Raw(b"[]") if hidden else msgspec.Raw(message.body),
        MsgPriority=_priority(said.details.priority),
        MsgRandom=message.random,
        MsgSeq=message.seq,
        MsgTimeStamp=message.timestamp,
        MsgFlagBits=8 if message.revoked else 0,
        CloudCustomData="" if hidden else message.cloud_custom_data,
    )


def _priority(name: str) -> int:
    """1 is the highest; what was said without one is Normal."""
    return 1 + (PRIORITIES.index(name) if name in PRIORITIES else PRIORITIES.index("Normal"))
