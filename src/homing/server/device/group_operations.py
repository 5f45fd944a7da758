"""What a logged-in device can do with groups."""

from __future__ import annotations

import secrets
import zlib
from typing import TYPE_CHECKING, Any

import msgspec

from homing.model.groups import MSG_FLAG_NAMES, MSG_FLAGS, Group, GroupDetails, GroupDraft, JoinedGroup, Member, Role
from homing.model.messages import MAX_LIFETIME_SECONDS
from homing.model.problems import BAD_PARAMETER, GROUP_BAD_ID, GROUP_DENIED, Refused
from homing.model.receive_options import ReceiveOption
from homing.rules.webhooks import platform_name

from . import bodies
from .answers import Done, GroupAnswer, GroupMessagesAnswer, GroupsAnswer, JoinedGroupAnswer, MemberAnswer, MembersAnswer
from .encoding import MessageBody, group_message_body

if TYPE_CHECKING:
    from .operations import Caller

MAX_GROUPS = 500
MAX_MEMBERS = 500
MAX_PAGE = 100
MAX_PAGE_BYTES = 256 * 1024
MAX_MENTIONS = 500
MAX_GROUP_ID_CHARS = 256


class GroupBody(msgspec.Struct):
    """A group."""

    to_group: str


class GroupsBody(msgspec.Struct):
    """A page of the account's groups."""

    limit: int = 100
    offset: int = 0


class GroupMessagesBody(msgspec.Struct):
    """What was said in a group after a number."""

    to_group: str
    after: int = 0
    limit: int = 50


class GroupMembersBody(msgspec.Struct):
    """A page of members, after a UserID."""

    to_group: str
    after: str = ""
    limit: int = 100


class GroupOptionBody(msgspec.Struct):
    """AcceptAndNotify, AcceptNotNotify, Discard, AcceptNotNotifyExceptAt or DiscardExceptAt."""

    to_group: str
    option: str


def group_draft(caller: Caller, body: bodies.SendBody, flags: Any) -> GroupDraft:
    """The message for a group; its elements are checked already. Raises ``Refused``."""
    device = caller.device
    if len(body.at) > MAX_MENTIONS:
        raise Refused(BAD_PARAMETER, f"$.at: at most {MAX_MENTIONS} accounts")
    random = secrets.randbits(32) if body.random is None else body.random
    if body.seq is not None:
        random = zlib.crc32(b"%d:%d" % (body.seq, random))
    return GroupDraft(
        group_id=_group_id(body.to_group),
        from_account=device.user_id,
        elements=body.elements,
        random=random,
        flags=flags,
        lifetime_seconds=min(body.lifetime_seconds, MAX_LIFETIME_SECONDS),
        push_info=body.offline_push_info,
        cloud_custom_data=body.cloud_custom_data,
        sender_device_id=device.device_id,
        sender_platform=platform_name(device.platform),
        details=GroupDetails(at=tuple(dict.fromkeys(body.at)), at_all=body.at_all),
    )


async def groups(caller: Caller, body: GroupsBody) -> GroupsAnswer:
    """The account's groups, with what it has not read."""
    limit = _in_range("limit", body.limit, 1, MAX_GROUPS)
    offset = _in_range("offset", body.offset, 0, 2**31)
    joined, total = await caller.hub.groups.joined(caller.app, caller.device.user_id, "", limit, offset)
    return {"groups": [_joined(item) for item in joined], "total": total}


async def group_messages(caller: Caller, body: GroupMessagesBody) -> GroupMessagesAnswer:
    """A page of a group's history, oldest first. ``reached`` begins the next page."""
    limit = _in_range("limit", body.limit, 1, MAX_PAGE)
    after = _in_range("after", body.after, 0, 2**62)
    group_id, user_id = _group_id(body.to_group), caller.device.user_id
    found, reached, more = await caller.hub.group_messaging.after(caller.app, group_id, user_id, after, limit)
    told: list[MessageBody] = []
    size = 0
    for said in found:
        size += len(said.message.body) + len(said.message.cloud_custom_data)
        if told and size > MAX_PAGE_BYTES:
            reached, more = said.message.seq - 1, True
            break
        told.append(group_message_body(said.message, user_id, said.nick, said.face_url, said.details.at, at_all=said.details.at_all))
    return {"messages": told, "reached": reached, "more": more}


async def group_members(caller: Caller, body: GroupMembersBody) -> MembersAnswer:
    """A page of a group's members, in the order of their UserIDs. Members alone may ask."""
    limit, group_id = _in_range("limit", body.limit, 1, MAX_MEMBERS), _group_id(body.to_group)
    _, own = await caller.hub.groups.named(caller.app, group_id, [caller.device.user_id])
    if not own:
        raise Refused(GROUP_DENIED, "the account is no member of the group")
    group, found = await caller.hub.groups.page(caller.app, group_id, body.after, limit)
    return {"members": [_member(member) for member in found], "total": group.member_count, "more": len(found) == limit}


async def group_join(caller: Caller, body: GroupBody) -> GroupAnswer:
    """Come into a group that lets accounts in."""
    group = await caller.hub.groups.join(caller.app, _group_id(body.to_group), caller.device.user_id)
    return _described(group)


async def group_quit(caller: Caller, body: GroupBody) -> Done:
    """Leave a group."""
    await caller.hub.groups.quit(caller.app, _group_id(body.to_group), caller.device.user_id)
    return {}


async def group_option(caller: Caller, body: GroupOptionBody) -> Done:
    """Say what the account wants to hear of a group."""
    if body.option not in MSG_FLAGS:
        raise Refused(BAD_PARAMETER, f"$.option: it is none of {', '.join(MSG_FLAGS)}")
    option = int(MSG_FLAGS[body.option])

    def change(_: Group, member: Member) -> Member:
        return msgspec.structs.replace(member, receive_option=option)

    await caller.hub.groups.change_member(caller.app, _group_id(body.to_group), caller.device.user_id, change)
    return {}


async def read_group(caller: Caller, body: bodies.ReadBody) -> Done:
    """Mark a group as read up to a number; left out: everything."""
    device = caller.device
    await caller.hub.group_messaging.mark_read(caller.app, _group_id(body.to_group), device.user_id, body.seq, device_id=device.device_id)
    return {}


async def recall_in_group(caller: Caller, body: bodies.RecallBody) -> Done:
    """Take a message of a group back."""
    if body.seq is None:
        raise Refused(BAD_PARAMETER, "$.seq: it is missing")
    await caller.hub.group_messaging.recall(caller.app, _group_id(body.to_group), body.seq, by=caller.device.user_id)
    return {}


def _group_id(text: str) -> str:
    if not 0 < len(text) <= MAX_GROUP_ID_CHARS or not text.isascii() or not text.isprintable():
        raise Refused(GROUP_BAD_ID)
    return text


def _in_range(name: str, value: int, lowest: int, highest: int) -> int:
    if not lowest <= value <= highest:
        raise Refused(BAD_PARAMETER, f"$.{name}: it must be {lowest} to {highest}")
    return value


def _described(group: Group) -> GroupAnswer:
    return {
        "to_group": group.group_id,
        "kind": group.kind,
        "name": group.name,
        "owner": group.owner,
        "introduction": group.introduction,
        "notification": group.notice,
        "face_url": group.face_url,
        "members": group.member_count,
        "last_seq": group.last_seq,
        "last_message_at": group.last_message_at,
        "mute_all": bool(group.mute_all),
    }


def _joined(item: JoinedGroup) -> JoinedGroupAnswer:
    member = item.member
    return {
        **_described(item.group),
        "role": member.role,
        "option": MSG_FLAG_NAMES[ReceiveOption(member.receive_option)],
        "name_card": member.name_card,
        "muted_until": member.muted_until,
        "read_seq": member.read_seq,
        "unread": 0 if item.group.live else item.unread,
    }


def _member(member: Member) -> MemberAnswer:
    return {"user_id": member.user_id, "role": Role(member.role), "name_card": member.name_card, "joined_at": member.joined_at}
