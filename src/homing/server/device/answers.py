"""What device calls answer. The types are those of the described API; the operations build plain objects."""

from __future__ import annotations

from typing import TypedDict

from .encoding import MessageBody


class Done(TypedDict):
    """Nothing: it was done."""


class LoginAnswer(TypedDict):
    """The new session. ``expires_in`` in seconds."""

    session_token: str
    device_id: str
    expires_in: int
    user_id: str
    cursor: str


class SentAnswer(TypedDict):
    """Where the message is filed. ``timestamp`` in unix seconds."""

    msg_id: str
    msg_key: str
    seq: int
    timestamp: int


class MessagesAnswer(TypedDict):
    """A page of messages; ``cursor`` begins the next one."""

    messages: list[MessageBody]
    cursor: str
    more: bool


class SessionAnswer(TypedDict):
    """What the server knows of a session. ``expires_in`` in seconds."""

    device_id: str
    user_id: str
    platform: str
    instance_id: str
    app_state: str
    connected: bool
    business_id: int | None
    has_token: bool
    expires_in: int
    cursor: str


class GroupAnswer(TypedDict):
    """A group. Times in unix seconds."""

    to_group: str
    kind: str
    name: str
    owner: str
    introduction: str
    notification: str
    face_url: str
    members: int
    last_seq: int
    last_message_at: int
    mute_all: bool


class JoinedGroupAnswer(GroupAnswer):
    """A group, and the account in it. Times in unix seconds."""

    role: str
    option: str
    name_card: str
    muted_until: int
    read_seq: int
    unread: int


class GroupsAnswer(TypedDict):
    """A page of the account's groups; ``total`` of all pages."""

    groups: list[JoinedGroupAnswer]
    total: int


class GroupMessagesAnswer(TypedDict):
    """A page of a group's history; ``reached`` begins the next one."""

    messages: list[MessageBody]
    reached: int
    more: bool


class MemberAnswer(TypedDict):
    """A member. ``joined_at`` in unix seconds."""

    user_id: str
    role: str
    name_card: str
    joined_at: int


class MembersAnswer(TypedDict):
    """A page of members; ``total`` of all pages."""

    members: list[MemberAnswer]
    total: int
    more: bool
