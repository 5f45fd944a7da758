"""Values of the client SDK."""

from __future__ import annotations

import enum
from typing import Any

import msgspec

from homing.model.messages import Element


class LoginStatus(enum.IntEnum):
    """V2TIM_STATUS_*: the same numbers (client-sdk sheet, section 1)."""

    LOGINED = 1
    LOGINING = 2
    LOGOUT = 3


class FallbackToken(msgspec.Struct, frozen=True):
    """A further token of the same phone, used when the one before it is dead."""

    business_id: int
    token: str

    def __repr__(self) -> str:
        return f"FallbackToken(business_id={self.business_id})"


class VoipToken(msgspec.Struct, frozen=True):
    """The PushKit token of an iPhone: calls go there, and nothing else."""

    business_id: int
    token: str

    def __repr__(self) -> str:
        return f"VoipToken(business_id={self.business_id})"


class QuietWindow(msgspec.Struct, frozen=True):
    """A do-not-disturb window: daily from a time of the local day on, or once from ``starts_at`` (unix seconds) on.

    Daily, 86400 seconds and more mean: always. ``time_zone`` is an IANA name; without it ``utc_offset_minutes`` counts.
    """

    duration_seconds: int
    start_hour: int = 0
    start_minute: int = 0
    start_second: int = 0
    starts_at: int = 0
    time_zone: str = ""
    utc_offset_minutes: int = 0


class OfflinePushConfig(msgspec.Struct, frozen=True):
    """V2TIMOfflinePushConfig: the certificate's number and the token that the vendor SDK gave.

    ``fallback`` goes beyond the original: a phone that has its maker's service and Google's reports both tokens.
    So does ``voip``, an iPhone's token for calls.
    """

    business_id: int
    token: str
    is_tpns_token: bool = False
    fallback: tuple[FallbackToken, ...] = ()
    voip: VoipToken | None = None

    def __repr__(self) -> str:
        return f"OfflinePushConfig(business_id={self.business_id})"


class ReceivedMessage(msgspec.Struct, frozen=True):
    """V2TIMMessage, as it comes from the server. Times are unix seconds."""

    msg_id: str
    msg_key: str
    from_user: str
    to_user: str
    elements: tuple[Element, ...]
    timestamp: int
    seq: int
    random: int
    is_self: bool = False
    cursor: str = ""
    nick: str = ""
    face_url: str = ""
    cloud_custom_data: str = ""
    online_only: bool = False
    need_read_receipt: bool = False
    exclude_from_unread: bool = False
    exclude_from_last_message: bool = False
    revoked: bool = False
    to_group: str = ""  # of a message to a group, whose number there is ``seq``
    at: tuple[str, ...] = ()
    at_all: bool = False

    @property
    def peer(self) -> str:
        """The other side of the conversation: an account, or the group."""
        return self.to_group or (self.to_user if self.is_self else self.from_user)

    @property
    def conversation_id(self) -> str:
        """``c2c_{peer}``, or ``group_{group}``."""
        return f"group_{self.to_group}" if self.to_group else f"c2c_{self.peer}"

    @property
    def text(self) -> str:
        """The text of the text elements."""
        texts: list[Any] = [e.content.get("Text") for e in self.elements if e.msg_type == "TIMTextElem"]
        return "".join(text for text in texts if isinstance(text, str))


class SentMessage(msgspec.Struct, frozen=True):
    """What the server answered to a message: it is stored, and its pushes are decided."""

    msg_id: str
    msg_key: str
    seq: int
    timestamp: int


class MissedPage(msgspec.Struct, frozen=True):
    """A page of the inbox."""

    messages: tuple[ReceivedMessage, ...]
    cursor: str
    more: bool


class Failure(msgspec.Struct, frozen=True):
    """An error in a reply."""

    code: str
    message: str = ""
    help: str = ""


class Incoming(msgspec.Struct, frozen=True):
    """A frame from the server."""

    op: str
    id: int | str | None = None
    ok: bool = True
    body: msgspec.Raw = msgspec.Raw(b"null")
    error: Failure | None = None


class ReadNotice(msgspec.Struct, frozen=True):
    """A conversation was read, here or by the peer (``by_peer``)."""

    peer: str
    read_at: int
    by_peer: bool = False


class RevokedNotice(msgspec.Struct, frozen=True):
    """A message was taken back."""

    msg_id: str
    msg_key: str
    from_user: str
    to_user: str
    to_group: str = ""
    seq: int = 0


class EndedNotice(msgspec.Struct, frozen=True):
    """The session ended."""

    reason: str
    close_code: int = 4000


class CursorNotice(msgspec.Struct, frozen=True):
    """Everything up to here was sent."""

    cursor: str
