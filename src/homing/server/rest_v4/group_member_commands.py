"""Members of groups: add, import, list, change, mute and remove them (rest-api sheet, section 4)."""

from __future__ import annotations

import msgspec

from homing.model.groups import FOREVER, NOT_MEMBER, Group, Member, Role
from homing.model.problems import GROUP_BAD_PARAMETER, GROUP_DENIED, GROUP_TOO_MANY, Refused
from homing.services.accounts import is_user_id

from .answers import Answer
from .gate import Call
from .group_fields import (
    MAX_NAME_CARD_BYTES,
    CustomField,
    MemberFields,
    MemberInfo,
    checked,
    custom_json,
    group_id_of,
    member_info,
    member_of,
    receive_option,
    role_of,
)

MAX_ADDED = 500
MAX_PAGE = 6_000
MAX_NAMED = 500


class AddMembers(msgspec.Struct):
    """Up to 500 members. ``Silence`` 1: their devices are not told."""

    GroupId: str = ""
    Silence: int = 0
    MemberList: tuple[MemberFields, ...] = ()


class DeleteMembers(msgspec.Struct):
    """Up to 500 members."""

    GroupId: str = ""
    Silence: int = 0
    Reason: str = ""
    MemberToDel_Account: tuple[str, ...] = ()


class GetMembers(msgspec.Struct):
    """A page of members: by Limit and Offset, or by Limit and Next."""

    GroupId: str = ""
    Limit: int = MAX_PAGE
    Offset: int = 0
    Next: str | None = None
    MemberInfoFilter: tuple[str, ...] = ()
    MemberRoleFilter: tuple[str, ...] = ()
    AppDefinedDataFilter_GroupMember: tuple[str, ...] = ()


class GetNamedMembers(msgspec.Struct):
    """Certain accounts."""

    GroupId: str = ""
    Member_List_Account: tuple[str, ...] = ()
    MemberInfoFilter: tuple[str, ...] = ()
    MemberRoleFilter: tuple[str, ...] = ()


class GetRoles(msgspec.Struct):
    """Up to 500 accounts."""

    GroupId: str = ""
    User_Account: tuple[str, ...] = ()


class ModifyMember(msgspec.Struct):
    """What is to change. MuteTime and ShutUpTime are seconds from now; ShutUpUntil is a unix second."""

    GroupId: str = ""
    Member_Account: str = ""
    Role: str | None = None
    MsgFlag: str | None = None
    NameCard: str | None = None
    MuteTime: int | None = None
    ShutUpTime: int | None = None
    ShutUpUntil: int | None = None
    AppMemberDefinedData: tuple[CustomField, ...] = ()


class ForbidSending(msgspec.Struct):
    """Up to 500 members, and for how many seconds; 0 ends it. The newer name is MuteTime."""

    GroupId: str = ""
    Members_Account: tuple[str, ...] = ()
    MuteTime: int | None = None
    ShutUpTime: int | None = None


class GroupRef(msgspec.Struct):
    """A group."""

    GroupId: str = ""


class AddResult(msgspec.Struct):
    """0 failed, 1 added, 2 is a member already."""

    Member_Account: str
    Result: int


class AddAnswer(Answer):
    """What became of each."""

    MemberList: list[AddResult] = msgspec.field(default_factory=list)


class MembersAnswer(Answer):
    """A page of members."""

    MemberNum: int = 0
    MemberList: list[MemberInfo] = msgspec.field(default_factory=list)
    Next: str | msgspec.UnsetType = msgspec.UNSET


class NamedMembersAnswer(Answer):
    """Those that are members."""

    MemberList: list[MemberInfo] = msgspec.field(default_factory=list)


class RoleItem(msgspec.Struct):
    """What an account is in the group."""

    Member_Account: str
    Role: str


class RolesAnswer(Answer):
    """Owner, Admin, Member or NotMember."""

    UserIdList: list[RoleItem] = msgspec.field(default_factory=list)


class MutedItem(msgspec.Struct):
    """Who may not speak, and until when (unix seconds)."""

    Member_Account: str
    MutedUntil: int


class MutedAnswer(Answer):
    """Everybody that may not speak now."""

    GroupId: str = ""
    MutedAccountList: list[MutedItem] = msgspec.field(default_factory=list)


class ShuttedItem(msgspec.Struct):
    """The same under its older name."""

    Member_Account: str
    ShuttedUntil: int


class ShuttedAnswer(Answer):
    """The same under its older name."""

    GroupId: str = ""
    ShuttedUinList: list[ShuttedItem] = msgspec.field(default_factory=list)


async def add_group_member(call: Call, request: AddMembers) -> AddAnswer:
    """Add members to a group."""
    return await _add(call, request)


async def import_group_member(call: Call, request: AddMembers) -> AddAnswer:
    """Add members with their own time of joining and unread count; nobody is told."""
    return await _add(call, msgspec.structs.replace(request, Silence=1))


async def delete_group_member(call: Call, request: DeleteMembers) -> Answer:
    """Remove members from a group."""
    group_id = group_id_of(request.GroupId)
    user_ids = _some("MemberToDel_Account", request.MemberToDel_Account, MAX_ADDED)
    await call.hub.groups.remove(call.app, group_id, user_ids, silent=request.Silence == 1)
    return Answer()


async def get_group_member_info(call: Call, request: GetMembers) -> MembersAnswer:
    """List the members of a group."""
    limit = max(1, min(request.Limit or MAX_PAGE, MAX_PAGE))
    after, offset = request.Next or "", max(0, request.Offset) if request.Next is None else 0
    group, found = await call.hub.groups.page(call.app, group_id_of(request.GroupId), after, limit, offset)
    roles = request.MemberRoleFilter
    answer = MembersAnswer(
        MemberNum=group.member_count,
        MemberList=[member_info(member, request.MemberInfoFilter) for member in found if not roles or member.role in roles],
    )
    if request.Next is not None:
        answer.Next = found[-1].user_id if len(found) == limit else ""
    return answer


async def get_specified_group_member_info(call: Call, request: GetNamedMembers) -> NamedMembersAnswer:
    """Describe certain members of a group."""
    wanted = _some("Member_List_Account", request.Member_List_Account, MAX_NAMED)
    _, found = await call.hub.groups.named(call.app, group_id_of(request.GroupId), wanted)
    roles = request.MemberRoleFilter
    members = [found[user_id] for user_id in wanted if user_id in found]
    return NamedMembersAnswer(
        MemberList=[member_info(member, request.MemberInfoFilter) for member in members if not roles or member.role in roles]
    )


async def get_role_in_group(call: Call, request: GetRoles) -> RolesAnswer:
    """Say what accounts are in a group."""
    wanted = _some("User_Account", request.User_Account, MAX_NAMED)
    _, found = await call.hub.groups.named(call.app, group_id_of(request.GroupId), wanted)
    return RolesAnswer(UserIdList=[RoleItem(user_id, found[user_id].role if user_id in found else NOT_MEMBER) for user_id in wanted])


async def modify_group_member_info(call: Call, request: ModifyMember) -> Answer:
    """Change a member: role, name card, receive option, mute, custom fields."""
    if not is_user_id(request.Member_Account):
        raise Refused(GROUP_BAD_PARAMETER, "$.Member_Account: it is missing or no UserID")
    seconds = request.MuteTime if request.MuteTime is not None else request.ShutUpTime
    _check_seconds("MuteTime", seconds)
    _check_seconds("ShutUpUntil", request.ShutUpUntil)
    changes: dict[str, object] = {}
    if request.Role:
        changes["role"] = role_of(request.Role)
    if request.NameCard is not None:
        changes["name_card"] = checked("NameCard", request.NameCard, MAX_NAME_CARD_BYTES)
    if request.MsgFlag:
        changes["receive_option"] = int(receive_option(request.MsgFlag))
    if seconds is not None:
        changes["muted_until"] = call.hub.groups.mute_end(seconds)
    elif request.ShutUpUntil is not None:
        changes["muted_until"] = request.ShutUpUntil

    def change(group: Group, member: Member) -> Member:
        if "role" in changes and member.role == Role.OWNER:
            raise Refused(GROUP_DENIED, "the owner's role is not changed here", cure="Use change_group_owner")
        if changes.get("muted_until") and group.kind == "Private":
            raise Refused(GROUP_DENIED, "members of Private groups cannot be muted", cure="Use a Public group")
        if request.AppMemberDefinedData:
            changes["app_data"] = custom_json(request.AppMemberDefinedData, member.app_data)
        return msgspec.structs.replace(member, **changes)

    await call.hub.groups.change_member(call.app, group_id_of(request.GroupId), request.Member_Account, change)
    return Answer()


async def forbid_send_msg(call: Call, request: ForbidSending) -> Answer:
    """Let members not speak for a time."""
    seconds = request.MuteTime if request.MuteTime is not None else request.ShutUpTime
    if seconds is None:
        raise Refused(GROUP_BAD_PARAMETER, "$.MuteTime: it is missing")
    _check_seconds("MuteTime", seconds)
    user_ids = _some("Members_Account", request.Members_Account, MAX_NAMED)
    await call.hub.groups.mute(call.app, group_id_of(request.GroupId), user_ids, seconds)
    return Answer()


async def get_group_muted_account(call: Call, request: GroupRef) -> MutedAnswer:
    """List the members that may not speak."""
    group_id = group_id_of(request.GroupId)
    return MutedAnswer(GroupId=group_id, MutedAccountList=[MutedItem(*item) for item in await call.hub.groups.muted(call.app, group_id)])


async def get_group_shutted_uin(call: Call, request: GroupRef) -> ShuttedAnswer:
    """The same under its older name."""
    group_id = group_id_of(request.GroupId)
    return ShuttedAnswer(GroupId=group_id, ShuttedUinList=[ShuttedItem(*item) for item in await call.hub.groups.muted(call.app, group_id)])


async def _add(call: Call, request: AddMembers) -> AddAnswer:
    if not request.MemberList:
        raise Refused(GROUP_BAD_PARAMETER, "$.MemberList: it is missing or empty")
    if len(request.MemberList) > MAX_ADDED:
        raise Refused(GROUP_TOO_MANY, f"$.MemberList: {len(request.MemberList)} accounts", cure=f"Pass at most {MAX_ADDED} accounts")
    people = {item.Member_Account: member_of(item, f"$.MemberList[{i}]") for i, item in enumerate(request.MemberList)}
    results = await call.hub.groups.add(call.app, group_id_of(request.GroupId), list(people.values()), silent=request.Silence == 1)
    return AddAnswer(MemberList=[AddResult(user_id, result) for user_id, result in results.items()])


def _some(name: str, user_ids: tuple[str, ...], limit: int) -> list[str]:
    """The accounts, each once. Raises ``Refused`` for none, or too many."""
    if not user_ids:
        raise Refused(GROUP_BAD_PARAMETER, f"$.{name}: it is missing or empty")
    if len(user_ids) > limit:
        raise Refused(GROUP_TOO_MANY, f"$.{name}: {len(user_ids)} accounts", cure=f"Pass at most {limit} accounts")
    return list(dict.fromkeys(user_ids))


def _check_seconds(name: str, value: int | None) -> None:
    if value is not None and not 0 <= value <= FOREVER:
        raise Refused(GROUP_BAD_PARAMETER, f"$.{name}: it must be 0 to {FOREVER} seconds")
