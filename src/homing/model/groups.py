"""Groups, their members, and what is said in them (rest-api sheet, section 4)."""

from __future__ import annotations

import enum
from typing import Any

import msgspec

from .messages import Draft, Message
from .receive_options import ReceiveOption

MAX_GROUP_ID_BYTES = 48
#: Groups whose creator named no limit. The original's limits belong to its price plans.
DEFAULT_MAX_MEMBERS = 100_000
MAX_MAX_MEMBERS = 1_000_000
MAX_TARGETS = 50  # of a message to named members
DEDUPE_SECONDS = 300
FOREVER = 4_294_967_295  # seconds of a mute that does not end


class GroupKind(enum.StrEnum):
    """What kind of group it is, under its name on the wire."""

    PRIVATE = "Private"  # newer name: Work
    PUBLIC = "Public"
    CHATROOM = "ChatRoom"  # newer name: Meeting
    AVCHATROOM = "AVChatRoom"
    BCHATROOM = "BChatRoom"
    COMMUNITY = "Community"


#: Every name that the original ever took, in lower case.
KINDS: dict[str, GroupKind] = {kind.lower(): kind for kind in GroupKind} | {"work": GroupKind.PRIVATE, "meeting": GroupKind.CHATROOM}
#: Audiences of live broadcasts: only who is online gets the messages, nothing is kept for the others.
LIVE = frozenset({GroupKind.AVCHATROOM, GroupKind.BCHATROOM})


class Role(enum.StrEnum):
    """What a member may do."""

    OWNER = "Owner"
    ADMIN = "Admin"
    MEMBER = "Member"


NOT_MEMBER = "NotMember"


#: MsgFlag as REST names it; the last two are the client SDK's alone there.
MSG_FLAGS = {
    "AcceptAndNotify": ReceiveOption.NOTIFY,
    "Discard": ReceiveOption.DISCARD,
    "AcceptNotNotify": ReceiveOption.SILENT,
    "AcceptNotNotifyExceptAt": ReceiveOption.SILENT_BUT_MENTIONS,
    "DiscardExceptAt": ReceiveOption.DISCARD_BUT_MENTIONS,
}
MSG_FLAG_NAMES = {option: name for name, option in MSG_FLAGS.items()}


class Group(msgspec.Struct, frozen=True):
    """A group, in the order of the columns of its table."""

    sdkappid: int
    group_id: str
    kind: str
    name: str
    owner: str = ""
    introduction: str = ""
    notice: str = ""
    face_url: str = ""
    apply_join: str = ""
    invite_join: str = ""
    mute_all: int = 0
    max_members: int = DEFAULT_MAX_MEMBERS
    member_count: int = 0
    app_data: str = "{}"  # JSON object
    created_at: int = 0  # unix seconds, as all ``*_at`` here
    changed_at: int = 0
    last_seq: int = 0
    last_message_at: int = 0
    counted: int = 0

    @property
    def live(self) -> bool:
        """Whether only who is online gets its messages."""
        return self.kind in LIVE


class Member(msgspec.Struct, frozen=True):
    """A member, in the order of the columns of its table."""

    sdkappid: int
    group_id: str
    user_id: str
    role: str = Role.MEMBER
    name_card: str = ""
    receive_option: int = ReceiveOption.NOTIFY
    muted_until: int = 0
    joined_at: int = 0
    join_seq: int = 0
    read_seq: int = 0
    counted_read: int = 0
    last_sent_at: int = 0
    app_data: str = "{}"  # JSON object

    @property
    def leads(self) -> bool:
        """Owner or administrator of the group."""
        return self.role != Role.MEMBER


class GroupDetails(msgspec.Struct, frozen=True, omit_defaults=True):
    """What a group message has beside its content; stored as JSON."""

    at: tuple[str, ...] = ()  # accounts that are @-mentioned
    at_all: bool = False
    to: tuple[str, ...] = ()  # only these members get it
    priority: str = ""


NO_DETAILS = GroupDetails()


class GroupDraft(Draft, frozen=True, kw_only=True):
    """A message that somebody asks to send to a group. ``to_account`` stays empty."""

    group_id: str
    to_account: str = ""
    details: GroupDetails = NO_DETAILS
    by_admin: bool = False  # the backend sends it: it may write in every group


class GroupAccepted(msgspec.Struct, frozen=True):
    """The durable answer to a group draft."""

    message_id: int
    msg_id: str
    msg_key: str
    seq: int
    timestamp: int
    duplicate: bool = False


class GroupMessage(msgspec.Struct, frozen=True):
    """A stored message with what belongs to its group."""

    message: Message
    details: GroupDetails = NO_DETAILS
    nick: str = ""
    face_url: str = ""


class JoinedGroup(msgspec.Struct, frozen=True):
    """A group as one of its members sees it."""

    group: Group
    member: Member
    unread: int = 0


def app_data(text: str) -> dict[str, Any]:
    """Custom fields as they are stored."""
    found: dict[str, Any] = msgspec.json.decode(text)
    return found
