"""What goes out to devices: messages and events as JSON, each encoded once for all sockets that get the same."""

from __future__ import annotations

from typing import Any

import msgspec

from homing.model.messages import Message, MessageFlags
from homing.model.problems import Problem, Refused
from homing.store.history import place_of

from .cursors import cursor_of

_encode = msgspec.json.Encoder().encode
_NO_ELEMENTS = msgspec.Raw(b"[]")


class MessageBody(msgspec.Struct, omit_defaults=True):
    """A message as a device sees it. ``cursor`` is missing from messages that are not stored."""

    msg_id: str
    msg_key: str
    from_user: str
    to_user: str
    elements: msgspec.Raw
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
    to_group: str = ""
    at: tuple[str, ...] = ()
    at_all: bool = False


class Frame(msgspec.Struct):
    """An event from the server."""

    op: str
    body: Any


class Failure(msgspec.Struct):
    """An error as the device API tells it."""

    code: str
    message: str
    help: str


def message_body(message: Message, user_id: str, nick: str = "", face_url: str = "") -> MessageBody:
    """The message as ``user_id``'s devices see it. Of a recalled message the content is not shown any more."""
    flags, place = message.flags, place_of(message, user_id)
    return MessageBody(
        msg_id=message.msg_id,
        msg_key=message.msg_key,
        from_user=message.from_account,
        to_user=message.to_account,
        elements=_NO_ELEMENTS if message.revoked else msgspec.Raw(message.body),
        timestamp=message.timestamp,
        seq=message.seq,
        random=message.random,
        is_self=message.from_account == user_id,
        cursor=cursor_of(place) if place else "",
        nick=nick,
        face_url=face_url,
        cloud_custom_data="" if message.revoked else message.cloud_custom_data,
        online_only=bool(flags & MessageFlags.ONLINE_ONLY),
        need_read_receipt=bool(flags & MessageFlags.NEED_RECEIPT),
        exclude_from_unread=bool(flags & MessageFlags.NO_UNREAD),
        exclude_from_last_message=bool(flags & MessageFlags.NO_LAST_MSG),
        revoked=message.revoked,
    )


def group_message_body(
    message: Message, user_id: str, nick: str, face_url: str, at: tuple[str, ...] = (), *, at_all: bool = False
) -> MessageBody:
    """The message of a group as ``user_id``'s devices see it."""
    body = message_body(message, user_id, nick, face_url)
    body.to_group, body.at, body.at_all = message.group_id, at, at_all
    return body


def frame(op: str, body: Any) -> str:
    """The text of an event's frame."""
    return _encode(Frame(op, body)).decode()


def reply(frame_id: int | str | None, body: Any) -> str:
    """The text of the answer to a frame that was done."""
    return _encode({"op": "reply", "id": frame_id, "ok": True, "body": body}).decode()


def refusal(frame_id: int | str | None, error: Refused) -> str:
    """The text of the answer to a frame that was refused."""
    return _encode({"op": "reply", "id": frame_id, "ok": False, "error": failure_of(error)}).decode()


def failure_of(error: Refused) -> Failure:
    """The stable code, one sentence with the cure, and where to read on."""
    return failure(error.problem, error.sentence, error.cure)


def failure(problem: Problem, sentence: str, cure: str) -> Failure:
    """Like ``failure_of``, from the parts."""
    return Failure(problem.name, f"{sentence}. {cure}", problem.help)
