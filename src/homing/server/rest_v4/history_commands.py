"""Recall, read marks, unread counts and roaming (rest-api sheet, section 3)."""

from __future__ import annotations

import msgspec

from homing.model.messages import Message
from homing.model.problems import (
    ACCOUNT_NOT_FOUND,
    MSG_BAD_FORMAT,
    MSG_BAD_PACKAGE,
    MSG_BAD_RECEIVER,
    MSG_SENDER_UNKNOWN,
    MSG_TOO_MANY_ACCOUNTS,
    Refused,
)
from homing.services.accounts import is_user_id

from .answers import Answer
from .gate import Call

MAX_PEERS = 10
MAX_TIME = 2**40
RECALLED_BITS = 8


class Withdraw(msgspec.Struct):
    """The message to recall."""

    From_Account: str = ""
    To_Account: str = ""
    MsgKey: str = ""


class SetRead(msgspec.Struct):
    """Whose conversation was read, and up to when (unix seconds; 0 or left out: now)."""

    Report_Account: str = ""
    Peer_Account: str = ""
    MsgReadTime: int | None = None


class UnreadQuery(msgspec.Struct):
    """Whose unread messages, of whom (at most 10 peers) or of all."""

    To_Account: str = ""
    Peer_Account: list[str] | None = None


class PeerUnread(msgspec.Struct):
    """Unread messages of one conversation."""

    Peer_Account: str
    C2CUnreadMsgNum: int


class PeerError(msgspec.Struct):
    """A peer that does not exist."""

    Peer_Account: str
    ErrorCode: int


class UnreadAnswer(Answer):
    """Either the sum, or one number a peer."""

    AllC2CUnreadMsgNum: int | msgspec.UnsetType = msgspec.UNSET
    C2CUnreadMsgNumList: list[PeerUnread] | msgspec.UnsetType = msgspec.UNSET
    ErrorList: list[PeerError] | msgspec.UnsetType = msgspec.UNSET


class Roam(msgspec.Struct):
    """One side's view of a conversation. The older names of the two accounts are taken as well."""

    Operator_Account: str = ""
    Peer_Account: str = ""
    From_Account: str = ""
    To_Account: str = ""
    MaxCnt: int = 0
    MinTime: int | None = None
    MaxTime: int | None = None
    LastMsgKey: str = ""


class RoamMessage(msgspec.Struct):
    """A message of the conversation."""

    From_Account: str
    To_Account: str
    MsgSeq: int
    MsgRandom: int
    MsgTimeStamp: int
    MsgFlagBits: int
    IsPeerRead: int
    MsgKey: str
    MsgBody: msgspec.Raw
    CloudCustomData: str


class RoamAnswer(Answer):
    """A page, newest last. LastMsgTime and LastMsgKey of an incomplete page begin the next one."""

    Complete: int = 1
    MsgCnt: int = 0
    LastMsgTime: int = 0
    LastMsgKey: str = ""
    MsgList: list[RoamMessage] = msgspec.field(default_factory=list)


async def admin_msgwithdraw(call: Call, request: Withdraw) -> Answer:
    """Recall a message, however old it is."""
    _require("From_Account", request.From_Account)
    if not is_user_id(request.To_Account):
        raise Refused(MSG_BAD_RECEIVER)
    _require("MsgKey", request.MsgKey)
    await call.hub.history.revoke(call.app, request.From_Account, request.To_Account, msg_key=request.MsgKey, by_admin=True)
    return Answer()


async def admin_set_msg_read(call: Call, request: SetRead) -> Answer:
    """Mark everything as read that a peer wrote up to a time."""
    _require("Report_Account", request.Report_Account)
    _require("Peer_Account", request.Peer_Account)
    await call.hub.history.mark_read(call.app, request.Report_Account, request.Peer_Account, request.MsgReadTime or None)
    return Answer()


async def get_c2c_unread_msg_num(call: Call, request: UnreadQuery) -> UnreadAnswer:
    """Count an account's unread one-to-one messages."""
    if not request.To_Account:
        raise Refused(MSG_BAD_RECEIVER)
    if not is_user_id(request.To_Account):
        raise Refused(MSG_SENDER_UNKNOWN)
    peers = request.Peer_Account or None  # several client libraries write an empty array for "all"
    if peers is not None and len(peers) > MAX_PEERS:
        raise Refused(MSG_TOO_MANY_ACCOUNTS, f"$.Peer_Account: {len(peers)} accounts", cure=f"Pass at most {MAX_PEERS} peers")
    possible = None if peers is None else [peer for peer in peers if is_user_id(peer)]
    total, counts = await call.hub.history.unread(call.app, request.To_Account, possible)
    if peers is None:
        return UnreadAnswer(AllC2CUnreadMsgNum=total)
    return UnreadAnswer(
        C2CUnreadMsgNumList=[PeerUnread(peer, counts[peer]) for peer in peers if peer in counts],
        ErrorList=[PeerError(peer, ACCOUNT_NOT_FOUND.rest_code) for peer in peers if peer not in counts],
    )


async def admin_getroammsg(call: Call, request: Roam) -> RoamAnswer:
    """Read one side of a conversation, page by page, going back from the newest message."""
    operator = request.Operator_Account or request.From_Account
    peer = request.Peer_Account or request.To_Account
    _require("Operator_Account", operator)
    _require("Peer_Account", peer)
    if request.MaxCnt <= 0:
        raise Refused(MSG_BAD_FORMAT, "$.MaxCnt: it must be a positive integer")
    first, last = _time("MinTime", request.MinTime), _time("MaxTime", request.MaxTime)
    page = await call.hub.history.roam(
        call.app, operator, peer, max_count=request.MaxCnt, min_time=first, max_time=last, last_msg_key=request.LastMsgKey
    )
    return RoamAnswer(
        Complete=int(page.complete),
        MsgCnt=len(page.messages),
        LastMsgTime=page.last_time,
        LastMsgKey=page.last_key,
        MsgList=[_roam_message(message, operator, page.peer_read_at) for message in page.messages],
    )


def _roam_message(message: Message, operator: str, peer_read_at: int) -> RoamMessage:
    read = message.from_account == operator and message.timestamp <= peer_read_at
    return RoamMessage(
        message.from_account,
        message.to_account,
        message.seq,
        message.random,
        message.timestamp,
        RECALLED_BITS if message.revoked else 0,
        int(read),
        message.msg_key,
        msgspec.Raw(message.body),
        message.cloud_custom_data,
    )


def _require(name: str, user_id: str) -> None:
    if not user_id:
        raise Refused(MSG_BAD_PACKAGE, f"$.{name}: it is missing")
    if name != "MsgKey" and not is_user_id(user_id):
        raise Refused(MSG_SENDER_UNKNOWN, f"$.{name}")


def _time(name: str, value: int | None) -> int:
    if value is None or value < 0:
        raise Refused(MSG_BAD_FORMAT, f"$.{name}: it must be unix seconds")
    return min(value, MAX_TIME)
