"""Messages, as they are stored and delivered."""

from __future__ import annotations

import enum
from typing import Any

import msgspec

from .push_info import OfflinePushInfo

MAX_MESSAGE_BYTES = 12 * 1024
MAX_LIFETIME_SECONDS = 7 * 86_400


class MessageFlags(enum.IntFlag):
    """What a message asks for beside being delivered. Stored as one integer."""

    NONE = 0
    ONLINE_ONLY = 1
    NO_UNREAD = 2
    NO_LAST_MSG = 4
    HONOUR_MUTE = 8  # WithMuteNotifications, and every message sent by a device
    SYNC_SENDER = 16  # SyncOtherMachine = 1
    NO_SENDER_COPY = 32  # SyncOtherMachine = 2
    NEED_RECEIPT = 64
    FROM_DEVICE = 128
    CALLER_SEQ = 256  # the caller chose MsgSeq: it orders messages inside one second
    BATCH = 512  # one of a batch that shares its MsgKey: the notifications are equal, so that a vendor request carries many
    GROUP = 1024  # to a group: ``seq`` is the group's, and nobody's inbox has a place for it
    NO_HOOK_BEFORE = 2048  # ForbidCallbackControl: the app's backend is not asked
    NO_HOOK_AFTER = 4096  # ForbidCallbackControl: the app's backend is not told


class Element(msgspec.Struct, frozen=True, rename={"msg_type": "MsgType", "content": "MsgContent"}, gc=False):
    """One element of a message, with its content as it came."""

    msg_type: str
    content: dict[str, Any]


class Draft(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """A one-to-one message that somebody asks to send; the REST API and the device API both make these."""

    from_account: str
    to_account: str
    elements: tuple[Element, ...]
    random: int
    seq: int | None = None  # caller's MsgSeq; a random value is taken when absent
    sent_at: int | None = None  # caller's MsgTimeStamp, unix seconds
    flags: MessageFlags = MessageFlags.NONE
    lifetime_seconds: int = MAX_LIFETIME_SECONDS
    push_info: OfflinePushInfo | None = None
    cloud_custom_data: str = ""
    sender_device_id: int | None = None
    sender_platform: str = "RESTAPI"  # OptPlatform of the callbacks (webhooks sheet, section 1)


class Accepted(msgspec.Struct, frozen=True, gc=False):
    """The durable answer to a draft."""

    message_id: int
    msg_id: str  # "{message id}-{unix s}-{random}", the client-side id of the original product
    msg_key: str  # "{seq}_{random}_{unix s}"
    seq: int
    timestamp: int  # unix seconds
    duplicate: bool = False  # a resend inside the 120-second window: nothing was stored again
    sender_place: int = 0  # place of the copy in the sender's inbox; 0: none, or a duplicate


class Message(msgspec.Struct, frozen=True, gc=False):
    """A stored message."""

    message_id: int
    sdkappid: int
    from_account: str
    to_account: str
    seq: int
    random: int
    timestamp: int
    flags: int
    body: bytes  # JSON array of elements, as stored
    push_info: bytes | None  # JSON of OfflinePushInfo, as stored
    cloud_custom_data: str
    to_seq: int | None  # place in the receiver's inbox
    from_seq: int | None  # place in the sender's inbox
    expires_at_ms: int  # offline delivery ends
    revoked: bool = False
    group_id: str = ""  # of a message to a group; its ``to_account`` is ""

    @property
    def msg_key(self) -> str:
        return f"{self.seq}_{self.random}_{self.timestamp}"

    @property
    def notification_key(self) -> str:
        """What names this message in notifications and receipts: its own id, or the MsgKey that a whole batch shares."""
        return self.msg_key if self.flags & MessageFlags.BATCH.value else self.msg_id

    @property
    def msg_id(self) -> str:
        return f"{self.message_id}-{self.timestamp}-{self.random}"

    @property
    def conversation_id(self) -> str:
        """The conversation as the receiver's app names it (client-sdk sheet, section 4)."""
        return group_conversation(self.group_id) if self.group_id else f"c2c_{self.from_account}"


def group_conversation(group_id: str) -> str:
    """The key under which a group's messages are filed, and the group's conversation id in apps."""
    return f"group_{group_id}"


def conversation_of(first: str, second: str) -> str:
    """The key under which both sides' one-to-one messages are filed: the two accounts in order."""
    return f"{first}\x1f{second}" if first <= second else f"{second}\x1f{first}"
