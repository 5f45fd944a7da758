"""What travels to a device's socket, on this node or over the bus to another."""

from __future__ import annotations

import msgspec

from .messages import Message


class MessageDelivery(msgspec.Struct, frozen=True, tag="message", gc=False):
    """A message for one device. ``expect_ack``: a push waits for the acknowledgement."""

    device_id: int
    session_id: int
    message: Message
    sender_nick: str = ""
    sender_face_url: str = ""
    at: tuple[str, ...] = ()  # accounts that are mentioned, in a group
    at_all: bool = False


class RevokedDelivery(msgspec.Struct, frozen=True, tag="revoked"):
    """A message was recalled."""

    device_id: int
    session_id: int
    msg_id: str
    msg_key: str
    from_account: str
    to_account: str
    group_id: str = ""  # of a message to a group, with its number there
    seq: int = 0


class ReadDelivery(msgspec.Struct, frozen=True, tag="read"):
    """A conversation was read: on another device of the account, or by the peer (``by_peer``)."""

    device_id: int
    session_id: int
    peer: str
    read_at: int
    by_peer: bool = False


class GroupNotice(msgspec.Struct, frozen=True, tag="group_notice"):
    """Something happened to a group, or the backend notifies its members. ``node_id`` holds the device's socket."""

    device_id: int
    session_id: int
    node_id: int
    group_id: str
    group_name: str
    event: str  # joined, left, removed, changed, dissolved, read or notification
    content: str = ""


class SessionEnded(msgspec.Struct, frozen=True, tag="session_ended"):
    """The session ended: kicked by another login, revoked, or UserSig expired. The socket is closed after it."""

    device_id: int
    session_id: int
    reason: str  # a SessionState value


Delivery = MessageDelivery | RevokedDelivery | ReadDelivery | GroupNotice | SessionEnded
