"""Groups: create, import, describe, list, change and dissolve them (rest-api sheet, section 4)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec

from homing.model.groups import (
    DEFAULT_MAX_MEMBERS,
    KINDS,
    MAX_MAX_MEMBERS,
    Group,
    JoinedGroup,
    Member,
    app_data,
)
from homing.model.problems import GROUP_ACCOUNT_UNKNOWN, GROUP_BAD_PARAMETER, GROUP_NOT_FOUND, GROUP_TOO_MANY, Refused
from homing.services.accounts import is_user_id

from .answers import Answer, sentence_of
from .gate import Call
from .group_fields import CustomField, MemberFields, MemberInfo, checked, custom_json, group_id_of, member_info, member_of

MAX_GROUPS = 50
MAX_FIRST_MEMBERS = 500
MAX_LISTED = 10_000
MAX_JOINED = 5_000
_LIMITS = {"Name": 100, "Introduction": 400, "Notification": 400, "FaceUrl": 500}  # bytes
_JOIN_OPTIONS = ("FreeAccess", "NeedPermission", "DisableApply")
_SWITCH = {"On": 1, "Off": 0}


class GroupFields(msgspec.Struct, kw_only=True):
    """What describes a group."""

    GroupId: str = ""
    Name: str | None = None
    Introduction: str | None = None
    Notification: str | None = None
    FaceUrl: str | None = None
    MaxMemberCount: int | None = None
    MaxMemberNum: int | None = None  # the name in modify_group_base_info
    ApplyJoinOption: str | None = None
    InviteJoinOption: str | None = None
    AppDefinedData: tuple[CustomField, ...] = ()


class CreateGroup(GroupFields, kw_only=True):
    """The body of create_group."""

    Type: str = ""
    Owner_Account: str = ""
    MemberList: tuple[MemberFields, ...] = ()
    SupportTopic: int = 0


class ImportGroup(CreateGroup, kw_only=True):
    """The body of import_group: ``CreateTime`` in unix seconds."""

    CreateTime: int = 0


class ModifyGroup(GroupFields, kw_only=True):
    """The body of modify_group_base_info. The older name of MuteAllMember is taken as well."""

    MuteAllMember: str | None = None
    ShutUpAllMember: str | None = None


class GroupRef(msgspec.Struct):
    """A group."""

    GroupId: str = ""


class ChangeOwner(GroupRef):
    """The member that owns the group from now on."""

    NewOwner_Account: str = ""


class ResponseFilter(msgspec.Struct, frozen=True):
    """Which fields the caller wants. Empty: all."""

    GroupBaseInfoFilter: tuple[str, ...] = ()
    MemberInfoFilter: tuple[str, ...] = ()
    AppDefinedDataFilter_Group: tuple[str, ...] = ()
    AppDefinedDataFilter_GroupMember: tuple[str, ...] = ()
    SelfInfoFilter: tuple[str, ...] = ()


NO_FILTER = ResponseFilter()


class GetGroups(msgspec.Struct):
    """Up to 50 groups."""

    GroupIdList: tuple[str, ...] = ()
    ResponseFilter: ResponseFilter = NO_FILTER


class GetJoined(msgspec.Struct):
    """Whose groups. ``Limit`` 0: all."""

    Member_Account: str = ""
    Limit: int = 0
    Offset: int = 0
    GroupType: str = ""
    Type: str = ""
    WithHugeGroups: int = 0
    WithNoActiveGroups: int = 0
    ResponseFilter: ResponseFilter = NO_FILTER


class ListGroups(msgspec.Struct):
    """Which kind (empty: all), and where the page begins."""

    Limit: int = MAX_LISTED
    Next: int = 0
    GroupType: str = ""
    Type: str = ""


class Notify(GroupRef):
    """A system notification for all members, or for those named."""

    Content: str | None = None
    ToMembers_Account: tuple[str, ...] = ()


class CreateAnswer(Answer):
    """The new group."""

    GroupId: str = ""
    Type: str = ""


class GroupsAnswer(Answer):
    """One entry a group that was asked for, as a JSON object."""

    GroupInfo: list[dict[str, Any]] = msgspec.field(default_factory=list)


class JoinedAnswer(Answer):
    """The groups of an account."""

    TotalCount: int = 0
    GroupIdList: list[dict[str, Any]] = msgspec.field(default_factory=list)


class GroupIdItem(msgspec.Struct):
    """A group in the app's list."""

    GroupId: str


class ListAnswer(Answer):
    """A page of the app's groups; ``Next`` 0: it was the last."""

    TotalCount: int = 0
    GroupIdList: list[GroupIdItem] = msgspec.field(default_factory=list)
    Next: int = 0


class OnlineNumberAnswer(Answer):
    """How many members are online."""

    OnlineMemberNum: int = 0


async def create_group(call: Call, request: CreateGroup) -> CreateAnswer:
    """Make a group."""
    return await _create(call, request, 0)


async def import_group(call: Call, request: ImportGroup) -> CreateAnswer:
    """Make a group under its own time of creation."""
    if not 0 <= request.CreateTime <= call.hub.clock.now_ms() // 1000 + 60:
        raise Refused(GROUP_BAD_PARAMETER, "$.CreateTime: it must be unix seconds, and not in the future")
    return await _create(call, request, request.CreateTime)


async def get_group_info(call: Call, request: GetGroups) -> GroupsAnswer:
    """Describe up to 50 groups."""
    if not request.GroupIdList:
        raise Refused(GROUP_BAD_PARAMETER, "$.GroupIdList: it is missing or empty")
    if len(request.GroupIdList) > MAX_GROUPS:
        raise Refused(GROUP_TOO_MANY, f"$.GroupIdList: {len(request.GroupIdList)} groups", cure=f"Pass at most {MAX_GROUPS} groups")
    found = await call.hub.groups.find(call.app, request.GroupIdList)
    infos: list[dict[str, Any]] = []
    for group_id in request.GroupIdList:
        group = found.get(group_id)
        if group is None:
            infos.append({"GroupId": group_id, "ErrorCode": GROUP_NOT_FOUND.rest_code, "ErrorInfo": sentence_of(GROUP_NOT_FOUND)})
            continue
        info: dict[str, Any] = {"ErrorCode": 0, "ErrorInfo": "", **_described(group, request.ResponseFilter)}
        if not group.live:
            info["MemberList"] = await _members(call, group, request.ResponseFilter.MemberInfoFilter)
        infos.append(info)
    return GroupsAnswer(GroupInfo=infos)


async def get_joined_group_list(call: Call, request: GetJoined) -> JoinedAnswer:
    """List the groups that an account is in."""
    if not is_user_id(request.Member_Account):
        raise Refused(GROUP_ACCOUNT_UNKNOWN if request.Member_Account else GROUP_BAD_PARAMETER, "$.Member_Account")
    limit = MAX_JOINED if request.Limit <= 0 else min(request.Limit, MAX_JOINED)
    kind = _kind_or_all(request.GroupType or request.Type)
    joined, total = await call.hub.groups.joined(call.app, request.Member_Account, kind, limit, max(0, request.Offset))
    wanted = request.ResponseFilter
    return JoinedAnswer(TotalCount=total, GroupIdList=[_joined(item, wanted) for item in joined])


async def get_appid_group_list(call: Call, request: ListGroups) -> ListAnswer:
    """List the app's groups."""
    limit, offset = max(1, min(request.Limit, MAX_LISTED)), max(0, request.Next)
    found, total = await call.hub.groups.list_ids(call.app, _kind_or_all(request.GroupType or request.Type), limit, offset)
    more = offset + len(found) < total and len(found) == limit
    return ListAnswer(TotalCount=total, GroupIdList=[GroupIdItem(group_id) for group_id in found], Next=offset + limit if more else 0)


async def modify_group_base_info(call: Call, request: ModifyGroup) -> Answer:
    """Change what describes a group."""
    changes = _changes(request)
    for name in ("MuteAllMember", "ShutUpAllMember"):
        switch = getattr(request, name)
        if switch is not None:
            if switch not in _SWITCH:
                raise Refused(GROUP_BAD_PARAMETER, f"$.{name}: it must be On or Off")
            changes["mute_all"] = _SWITCH[switch]
    group_id = group_id_of(request.GroupId)
    if request.AppDefinedData:
        found = await call.hub.groups.find(call.app, [group_id])
        if group_id in found:
            changes["app_data"] = custom_json(request.AppDefinedData, found[group_id].app_data)
    await call.hub.groups.change(call.app, group_id, changes)
    return Answer()


async def change_group_owner(call: Call, request: ChangeOwner) -> Answer:
    """Give a group to another of its members."""
    if not is_user_id(request.NewOwner_Account):
        raise Refused(GROUP_BAD_PARAMETER, "$.NewOwner_Account: it is missing or no UserID")
    await call.hub.groups.change_owner(call.app, group_id_of(request.GroupId), request.NewOwner_Account)
    return Answer()


async def destroy_group(call: Call, request: GroupRef) -> Answer:
    """Dissolve a group."""
    await call.hub.groups.destroy(call.app, group_id_of(request.GroupId))
    return Answer()


async def send_group_system_notification(call: Call, request: Notify) -> Answer:
    """Notify the connected devices of a group's members."""
    if request.Content is None:
        raise Refused(GROUP_BAD_PARAMETER, "$.Content: it is missing")
    await call.hub.groups.notify(call.app, group_id_of(request.GroupId), request.Content, request.ToMembers_Account)
    return Answer()


async def get_online_member_num(call: Call, request: GroupRef) -> OnlineNumberAnswer:
    """Count the members that are online."""
    return OnlineNumberAnswer(OnlineMemberNum=await call.hub.groups.online(call.app, group_id_of(request.GroupId)))


async def _create(call: Call, request: CreateGroup, created_at: int) -> CreateAnswer:
    kind = KINDS.get(request.Type.lower())
    if kind is None:
        raise Refused(GROUP_BAD_PARAMETER, f"$.Type: it is none of {', '.join(dict.fromkeys(KINDS.values()))}")
    if not request.Name:
        raise Refused(GROUP_BAD_PARAMETER, "$.Name: it is missing")
    if request.Owner_Account and not is_user_id(request.Owner_Account):
        raise Refused(GROUP_ACCOUNT_UNKNOWN, "$.Owner_Account")
    if len(request.MemberList) > MAX_FIRST_MEMBERS:
        raise Refused(GROUP_TOO_MANY, f"$.MemberList: {len(request.MemberList)} accounts", cure="Add the others with add_group_member")
    changes: dict[str, Any] = {"apply_join": "NeedPermission", "invite_join": "", "max_members": DEFAULT_MAX_MEMBERS} | _changes(request)
    if request.AppDefinedData:
        changes["app_data"] = custom_json(request.AppDefinedData)
    group = Group(call.app.sdkappid, request.GroupId, kind, owner=request.Owner_Account, created_at=created_at, **changes)
    first = [member_of(item, f"$.MemberList[{i}]") for i, item in enumerate(request.MemberList)]
    made = await call.hub.groups.create(call.app, group, first)
    return CreateAnswer(GroupId=made.group_id, Type=made.kind)


def _changes(request: GroupFields) -> dict[str, Any]:
    """The columns that the request sets. Raises ``Refused``."""
    changes: dict[str, Any] = {}
    columns = {"Name": "name", "Introduction": "introduction", "Notification": "notice", "FaceUrl": "face_url"}
    for field, column in columns.items():
        value = getattr(request, field)
        if value is not None:
            changes[column] = checked(field, value, _LIMITS[field])
    if changes.get("name") == "":
        raise Refused(GROUP_BAD_PARAMETER, "$.Name: it is empty")
    for field, column in (("ApplyJoinOption", "apply_join"), ("InviteJoinOption", "invite_join")):
        value = getattr(request, field)
        if value:
            if value not in _JOIN_OPTIONS:
                raise Refused(GROUP_BAD_PARAMETER, f"$.{field}: it is none of {', '.join(_JOIN_OPTIONS)}")
            changes[column] = value
    for field in ("MaxMemberCount", "MaxMemberNum"):
        value = getattr(request, field)
        if value is not None:
            if not 1 <= value <= MAX_MAX_MEMBERS:
                raise Refused(GROUP_BAD_PARAMETER, f"$.{field}: it must be 1 to {MAX_MAX_MEMBERS}")
            changes["max_members"] = value
    return changes


def _kind_or_all(name: str) -> str:
    if not name:
        return ""
    kind = KINDS.get(name.lower())
    if kind is None:
        raise Refused(GROUP_BAD_PARAMETER, f"$.GroupType: it is none of {', '.join(dict.fromkeys(KINDS.values()))}")
    return kind


def _described(group: Group, wanted: ResponseFilter) -> dict[str, Any]:
    switch = "On" if group.mute_all else "Off"
    info: dict[str, Any] = {
        "Type": group.kind,
        "Name": group.name,
        "Introduction": group.introduction,
        "Notification": group.notice,
        "FaceUrl": group.face_url,
        "Owner_Account": group.owner,
        "CreateTime": group.created_at,
        "InfoSeq": group.changed_at,
        "LastInfoTime": group.changed_at,
        "LastMsgTime": group.last_message_at,
        "NextMsgSeq": group.last_seq + 1,
        "MemberNum": group.member_count,
        "MaxMemberNum": group.max_members,
        "ApplyJoinOption": group.apply_join,
        "InviteJoinOption": group.invite_join,
        "MuteAllMember": switch,
        "ShutUpAllMember": switch,
    }
    base = wanted.GroupBaseInfoFilter
    if base:
        info = {name: value for name, value in info.items() if name in base}
    fields = app_data(group.app_data)
    chosen = wanted.AppDefinedDataFilter_Group
    custom = [{"Key": key, "Value": value} for key, value in fields.items() if not chosen or key in chosen]
    return {"GroupId": group.group_id, "Appid": group.sdkappid} | info | {"AppDefinedData": custom}


async def _members(call: Call, group: Group, wanted: Sequence[str]) -> list[MemberInfo]:
    _, found = await call.hub.groups.page(call.app, group.group_id, "", MAX_FIRST_MEMBERS)
    return [member_info(member, wanted) for member in found]


def _joined(item: JoinedGroup, wanted: ResponseFilter) -> dict[str, Any]:
    if not wanted.GroupBaseInfoFilter and not wanted.SelfInfoFilter:
        return {"GroupId": item.group.group_id}
    info: dict[str, Any] = _described(item.group, wanted) if wanted.GroupBaseInfoFilter else {"GroupId": item.group.group_id}
    if wanted.SelfInfoFilter:
        info["SelfInfo"] = self_info(item.member, item.unread, wanted.SelfInfoFilter)
    return info


def self_info(member: Member, unread: int, wanted: Sequence[str]) -> dict[str, Any]:
    """The account's own side of a group."""
    known: dict[str, Any] = msgspec.to_builtins(member_info(member, ())) | {"UnreadMsgNum": unread}
    return {name: known[name] for name in wanted if name in known}
