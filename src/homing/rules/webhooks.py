"""The form of callbacks: query parameters, signature, bodies, and what an answer means (webhooks sheet)."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import Any
from urllib.parse import quote, urlencode

import msgspec

from homing.model.groups import GroupDraft
from homing.model.messages import MAX_MESSAGE_BYTES, Draft, Element, Message, MessageFlags
from homing.model.notification import Notification
from homing.model.problems import GROUP_MESSAGE_REFUSED, MESSAGE_REFUSED, Problem
from homing.model.push import PushState
from homing.model.webhooks import Callback, HookAnswer, PushFact, PushHookAnswer, PushTask, PushVerdict, TaskFact, Webhook

ALLOW, REFUSE, DROP = 0, 1, 2
#: Codes that an app may choose itself; they reach the sender as they are (webhooks sheet, section 2).
APP_CODES = range(120_001, 130_001)
MAX_ERROR_INFO_CHARS = 200
FIRST_RETRY_SECONDS, MAX_RETRY_SECONDS = 1.0, 600.0
#: With these delays an event is tried for about a day.
MAX_ATTEMPTS = 150
_encode = msgspec.json.Encoder().encode
_read_answer = msgspec.json.Decoder(HookAnswer).decode
_read_verdicts = msgspec.json.Decoder(PushHookAnswer).decode
#: The names of the original product's platforms (webhooks sheet, section 1).
_PLATFORMS = {"web": "Web", "android": "Android", "ios": "iOS", "ipad": "IPad", "windows": "Windows", "mac": "Mac"}
_SENT = {PushState.ACCEPTED: (0, "OK"), PushState.FAILED: (1, "")}


def platform_name(platform: str) -> str:
    """OptPlatform of a device's platform."""
    return _PLATFORMS.get(platform, "Unknown")


def address(hook: Webhook, command: str, platform: str, client_ip: str, now: int) -> str:
    """The URL of one request. ``now`` in unix seconds goes into the signature, so every try has its own."""
    params = {"SdkAppid": str(hook.sdkappid), "CallbackCommand": command, "contenttype": "json"}
    if command not in (Callback.OFFLINE_PUSH, Callback.TASK_PUSH, Callback.BEFORE_PUSH):  # those carry the first three only
        params |= {"ClientIP": client_ip, "OptPlatform": platform}
    if hook.token:
        params |= {"RequestTime": str(now), "Sign": signature(hook.token, now)}
    return f"{hook.url}{'&' if '?' in hook.url else '?'}{urlencode(params, quote_via=quote)}"


def signature(token: str, now: int) -> str:
    """SHA-256 over the token and the request time, in hexadecimal (webhooks sheet, section 1)."""
    return hashlib.sha256(f"{token}{now}".encode()).hexdigest()


def message_asked(draft: Draft, msg_id: str, msg_key: str, seq: int, now_ms: int) -> bytes:
    """The body of the callback before a one-to-one message."""
    elements: Any = draft.elements
    fields = _message(draft.from_account, draft.to_account, seq, draft.random, now_ms // 1000, msg_key, msg_id, int(draft.flags))
    return _encode(
        {"CallbackCommand": Callback.BEFORE_MESSAGE}
        | fields
        | {"MsgBody": elements, "CloudCustomData": draft.cloud_custom_data, "EventTime": now_ms}
    )


def message_told(message: Message, unread: int, now_ms: int) -> bytes:
    """The body of the callback after a one-to-one message."""
    fields = _message(
        message.from_account,
        message.to_account,
        message.seq,
        message.random,
        message.timestamp,
        message.msg_key,
        message.msg_id,
        message.flags,
    )
    return _encode(
        {"CallbackCommand": Callback.AFTER_MESSAGE}
        | fields
        | {
            "MsgBody": msgspec.Raw(message.body),
            "CloudCustomData": message.cloud_custom_data,
            "SendMsgResult": 0,
            "ErrorInfo": "send msg succeed",
            "UnreadMsgNum": unread,
            "EventTime": now_ms,
        }
    )


def _message(sender: str, receiver: str, seq: int, random: int, time: int, key: str, msg_id: str, flags: int) -> dict[str, Any]:
    return {
        "From_Account": sender,
        "To_Account": receiver,
        "MsgSeq": seq,
        "MsgRandom": random,
        "MsgTime": time,
        "MsgKey": key,
        "MsgId": msg_id,
        "OnlineOnlyFlag": int(bool(flags & MessageFlags.ONLINE_ONLY.value)),
    }


def group_asked(draft: GroupDraft, kind: str, operator: str, now_ms: int) -> bytes:
    """The body of the callback before a message to a group."""
    return _encode(
        {"CallbackCommand": Callback.BEFORE_GROUP_MESSAGE}
        | _group_message(draft, kind, operator)
        | {"MsgBody": draft.elements, "CloudCustomData": draft.cloud_custom_data, "EventTime": now_ms}
    )


def group_told(draft: GroupDraft, kind: str, operator: str, message: Message, now_ms: int) -> bytes:
    """The body of the callback after a message to a group."""
    return _encode(
        {"CallbackCommand": Callback.AFTER_GROUP_MESSAGE}
        | _group_message(draft, kind, operator)
        | {
            "MsgSeq": message.seq,
            "MsgTime": message.timestamp,
            "MsgBody": msgspec.Raw(message.body),
            "CloudCustomData": message.cloud_custom_data,
            "EventTime": now_ms,
        }
    )


def _group_message(draft: GroupDraft, kind: str, operator: str) -> dict[str, Any]:
    return {
        "GroupId": draft.group_id,
        "Type": kind,
        "From_Account": draft.from_account,
        "Operator_Account": operator,
        "Random": draft.random,
        "OnlineOnlyFlag": int(bool(int(draft.flags) & MessageFlags.ONLINE_ONLY.value)),
    }


def state_told(user_id: str, action: str, reason: str, kicked: Sequence[str], now_ms: int) -> bytes:
    """The body of a state change; ``kicked`` are the platforms of devices that had to go."""
    body: dict[str, Any] = {
        "CallbackCommand": Callback.STATE_CHANGE,
        "EventTime": now_ms,
        "Info": {"Action": action, "To_Account": user_id, "Reason": reason},
    }
    if kicked:
        body["KickedDevice"] = [{"Platform": platform_name(platform)} for platform in kicked]
    return _encode(body)


def push_told(fact: PushFact, push_platform: int) -> bytes:
    """One event of the push callback; up to 100 of them travel in one request."""
    event: dict[str, Any] = {
        "CallbackCommand": Callback.OFFLINE_PUSH,
        "EventType": 2 if fact.group_id else 1,
        "EventTime": fact.at_ms // 1000,
        "From_Account": fact.from_account,
        "To_Account": fact.to_account,
        "PushPlatform": push_platform,
        "PushStage": fact.stage,
        "MsgSeq": fact.seq,
        "MsgTime": fact.timestamp,
        "PushID": push_id_text(fact.push_id),
        "ErrCode": fact.code,
        "ErrInfo": fact.info,
    }
    if fact.group_id:
        event["GroupID"] = fact.group_id
    else:
        event |= {"MsgKey": f"{fact.seq}_{fact.random}_{fact.timestamp}", "MsgRandom": fact.random}
    return _encode(event)


def task_push_told(task: PushTask, fact: TaskFact, push_platform: int) -> bytes:
    """One event of the callback about pushes to many. ``PushID`` is an extension: it tells the devices of an account apart."""
    event: dict[str, Any] = {
        "CallbackCommand": Callback.TASK_PUSH,
        "EventType": 1,
        "TaskId": task.task_id,
        "TaskTime": task.created_at_ms // 1000,
        "EventTime": fact.at_ms // 1000,
        "To_Account": fact.to_account,
        "PushPlatform": push_platform,
        "PushStage": fact.stage,
        "PushID": push_id_text(fact.push_id),
        "ErrCode": fact.code,
        "ErrInfo": fact.info,
    }
    if task.data_id:
        event["DataId"] = task.data_id
    return _encode(event)


def push_batch(bodies: Sequence[bytes]) -> bytes:
    """The request's body around push events."""
    return b'{"Events":[' + b",".join(bodies) + b"]}"


def sent_result(state: int, reason: str) -> tuple[int, str] | None:
    """ErrCode and ErrInfo of a push that is settled at the vendor; None: not at the vendor."""
    found = _SENT.get(PushState(state))
    return None if found is None else (found[0], found[1] or reason)


def push_id_text(push_id: int) -> str:
    """PushID in the original's form: five groups of hexadecimal digits."""
    digits = f"{push_id:032x}"
    return "_".join((digits[:8], digits[8:12], digits[12:16], digits[16:20], digits[20:]))


def pushes_asked(pushes: Sequence[tuple[int, Notification]], now_ms: int) -> bytes:
    """The body of the callback before pushes."""
    asked = [
        {
            "PushID": push_id_text(push_id),
            "MsgId": shown.msg_id,
            "ConversationID": shown.conversation_id,
            "Title": shown.title,
            "Desc": shown.body,
            "Ext": shown.ext,
        }
        for push_id, shown in pushes
    ]
    return _encode({"CallbackCommand": Callback.BEFORE_PUSH, "EventTime": now_ms, "Pushes": asked})


def read_answer(status: int, body: bytes) -> HookAnswer | None:
    """A backend's answer before a message, or None where it is none: then the configured default holds."""
    if status != 200:
        return None
    try:
        answer = _read_answer(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None
    if answer.ErrorCode not in (ALLOW, REFUSE, DROP) and answer.ErrorCode not in APP_CODES:
        return None
    if answer.MsgBody is not None and not _fits(answer.MsgBody):
        return None
    return answer


def read_verdicts(status: int, body: bytes) -> PushHookAnswer | None:
    """A backend's answer before pushes, or None where it is none."""
    if status != 200:
        return None
    try:
        answer = _read_verdicts(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None
    return answer if answer.ErrorCode == 0 else None


def edited(notification: Notification, verdict: PushVerdict) -> Notification:
    """The notification as the backend wants it; what it did not name stays."""
    return msgspec.structs.replace(
        notification,
        title=notification.title if verdict.Title is None else verdict.Title,
        body=notification.body if verdict.Desc is None else verdict.Desc,
        ext=notification.ext if verdict.Ext is None else verdict.Ext,
        wishes=notification.wishes if verdict.OfflinePushInfo is None else verdict.OfflinePushInfo,
    )


def refusal(answer: HookAnswer, *, group: bool) -> Problem:
    """What the sender hears of a refused message: the app's own code where it gave one."""
    problem = GROUP_MESSAGE_REFUSED if group else MESSAGE_REFUSED
    info = answer.ErrorInfo[:MAX_ERROR_INFO_CHARS]
    code = answer.ErrorCode if answer.ErrorCode in APP_CODES else problem.rest_code
    return Problem(problem.name, code, problem.http_status, info or problem.sentence, problem.cure)


def retry_seconds(attempts: int) -> float:
    """How long an event waits after so many failed tries."""
    return min(MAX_RETRY_SECONDS, FIRST_RETRY_SECONDS * 2.0 ** min(attempts - 1, 20))


def _fits(elements: tuple[Element, ...]) -> bool:
    return bool(elements) and len(_encode(elements)) <= MAX_MESSAGE_BYTES
