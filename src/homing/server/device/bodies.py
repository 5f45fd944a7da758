"""The bodies of the device API, the same in HTTPS calls and in frames."""

from __future__ import annotations

from typing import Annotated, Any

import msgspec

from homing.model.messages import MAX_LIFETIME_SECONDS, Element
from homing.model.problems import BAD_PARAMETER, FRAME_MALFORMED, INTERNAL
from homing.model.push_info import OfflinePushInfo
from homing.server.rest_v4.bodies import BodyDecoder, Family

MAX_FALLBACKS = 4
_FAMILY = Family(FRAME_MALFORMED, BAD_PARAMETER, INTERNAL)


class LoginBody(msgspec.Struct):
    """A log-in with a UserSig, or the continuation of a session (frames only)."""

    sdkappid: int = 0
    user_id: str = ""
    user_sig: str = ""
    platform: str = ""
    instance_id: str = ""
    language: str = ""
    session_token: str = ""
    after: str | None = None

    def __repr__(self) -> str:
        return f"LoginBody({self.user_id!r}, {self.platform!r})"  # never the UserSig or the token


class FallbackToken(msgspec.Struct, frozen=True):
    """A further token of the same phone, used when the one before it is dead."""

    business_id: int
    token: str

    def __repr__(self) -> str:
        return f"FallbackToken({self.business_id})"


class VoipToken(msgspec.Struct, frozen=True):
    """The phone's token for calls alone."""

    business_id: int
    token: str

    def __repr__(self) -> str:
        return f"VoipToken({self.business_id})"


class PushConfigBody(msgspec.Struct):
    """The push token of this device, its phone maker's own first."""

    business_id: int
    token: str
    is_tpns_token: bool = False
    fallback: Annotated[tuple[FallbackToken, ...], msgspec.Meta(max_length=MAX_FALLBACKS)] = ()
    voip: VoipToken | None = None

    def __repr__(self) -> str:
        return f"PushConfigBody({self.business_id})"


class BackgroundBody(msgspec.Struct):
    """Where the badge starts."""

    unread_count: int | None = None


class EmptyBody(msgspec.Struct):
    """Nothing."""


class SendBody(msgspec.Struct):
    """A message."""

    elements: tuple[Element, ...]
    to_user: str = ""
    to_group: str = ""
    offline_push_info: OfflinePushInfo | None = None
    online_only: bool = False
    random: int | None = None
    seq: int | None = None
    cloud_custom_data: str = ""
    need_read_receipt: bool = False
    exclude_from_unread: bool = False
    exclude_from_last_message: bool = False
    lifetime_seconds: int = MAX_LIFETIME_SECONDS
    at: tuple[str, ...] = ()  # accounts that are mentioned, in a group
    at_all: bool = False


class MessagesBody(msgspec.Struct):
    """What was missed after a cursor."""

    after: str = ""
    limit: int = 50


class PushEventBody(msgspec.Struct):
    """What became of a push on the phone. ``at``: unix seconds or milliseconds."""

    event: str
    push_id: int | str | None = None
    msg_id: str | None = None
    at: int | float | None = None


class ReadBody(msgspec.Struct):
    """A conversation was read, up to a unix second; or a group (``to_group``), up to one of its numbers."""

    peer: str = ""
    read_at: int | None = None
    to_group: str = ""
    seq: int | None = None


class RecallBody(msgspec.Struct):
    """A message that shall be taken back: by its key, or in a group by its number there."""

    to_user: str = ""
    msg_key: str = ""
    to_group: str = ""
    seq: int | None = None


class AckBody(msgspec.Struct):
    """Messages that have arrived; ``cursor``: everything up to there has."""

    msg_ids: list[str] = []
    cursor: str = ""


class FrameBody(msgspec.Struct):
    """A frame from a client."""

    op: str
    id: int | str | None = None
    body: msgspec.Raw = msgspec.Raw(b"{}")


def decoder(kind: Any) -> BodyDecoder[Any]:
    """A decoder for one kind of body. It raises ``Refused``: frame_malformed, or bad_parameter with the path."""
    return BodyDecoder(kind, _FAMILY)
