"""Webhooks: what an app's own backend is asked and told (webhooks sheet)."""

from __future__ import annotations

import enum

import msgspec

from .messages import Element
from .push_info import OfflinePushInfo as PushInfo


class Callback(enum.StrEnum):
    """The callbacks, by the names that the original product gives them; each has its own switch."""

    STATE_CHANGE = "State.StateChange"
    BEFORE_MESSAGE = "C2C.CallbackBeforeSendMsg"
    AFTER_MESSAGE = "C2C.CallbackAfterSendMsg"
    BEFORE_GROUP_MESSAGE = "Group.CallbackBeforeSendMsg"
    AFTER_GROUP_MESSAGE = "Group.CallbackAfterSendMsg"
    OFFLINE_PUSH = "Push.OfflinePush"
    TASK_PUSH = "Push.AllMemberPush"
    BEFORE_PUSH = "Push.CallbackBeforeOfflinePush"  # an extension: the original has no such callback


class OnFailure(enum.StrEnum):
    """What happens to a message or push when the backend cannot be asked."""

    ALLOW = "allow"
    REFUSE = "refuse"


class WebhookOptions(msgspec.Struct, frozen=True, omit_defaults=True):
    """What an operator may choose beside the address."""

    timeout_seconds: float = 2.0  # the original's; 0.1 to 10. A push waits at most 2 seconds all the same
    message_on_failure: OnFailure = OnFailure.ALLOW
    push_on_failure: OnFailure = OnFailure.ALLOW


class Webhook(msgspec.Struct, frozen=True):
    """Where an app's backend listens."""

    sdkappid: int
    url: str
    commands: frozenset[str]
    token: str = ""  # signs the requests; "" for none
    options: WebhookOptions = WebhookOptions()

    def __repr__(self) -> str:
        return f"Webhook({self.sdkappid}, {self.url!r})"  # never the token


class HookAnswer(msgspec.Struct):
    """What a backend may answer to a callback before a message is sent."""

    ActionStatus: str = "OK"
    ErrorInfo: str = ""
    ErrorCode: int = 0
    MsgBody: tuple[Element, ...] | None = None
    CloudCustomData: str | None = None
    OfflinePushInfo: PushInfo | None = None


class PushVerdict(msgspec.Struct):
    """What a backend wants of one push. A field that is absent stays as it is."""

    PushID: str
    Refuse: int = 0
    Title: str | None = None
    Desc: str | None = None
    Ext: str | None = None
    OfflinePushInfo: PushInfo | None = None


class PushHookAnswer(msgspec.Struct):
    """What a backend answers before pushes go out. Pushes that it does not name go as they are."""

    ErrorCode: int = 0
    Pushes: tuple[PushVerdict, ...] = ()


class PushFact(msgspec.Struct, frozen=True):
    """One step of a push, as the backend is told of it."""

    event_id: int
    sdkappid: int
    push_id: int
    channel: str
    stage: int  # 1 at the vendor, 2 on the phone, 3 clicked
    from_account: str
    to_account: str
    seq: int
    random: int
    timestamp: int
    group_id: str
    code: int
    info: str
    at_ms: int


class TaskFact(msgspec.Struct, frozen=True):
    """One step of one target of a push to many, as the backend is told of it."""

    push_id: int
    to_account: str
    channel: str
    stage: int  # 1 at the vendor, 2 on the phone, 3 clicked
    code: int
    info: str
    at_ms: int


class PushTask(msgspec.Struct, frozen=True):
    """What the backend knows a push to many by."""

    job_id: int
    sdkappid: int
    task_id: str
    data_id: str
    created_at_ms: int
