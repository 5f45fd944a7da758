"""Friends: add, import, update, delete, check, get (public documentation of the original product)."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

import msgspec

from homing.model.problems import SNS_BAD_REQUEST, SNS_NOT_FRIENDS, Refused
from homing.model.relations import (
    MAX_CUSTOM_BYTES,
    MAX_GROUP_NAME_BYTES,
    MAX_GROUPS,
    MAX_REMARK_BYTES,
    MAX_SOURCE_BYTES,
    MAX_WORDING_BYTES,
    SOURCE_PREFIX,
    Friend,
    FriendDetails,
)
from homing.rules.portraits import is_tag

from .answers import sentence_of
from .gate import Call
from .relation_answers import CheckItem, DisplayAnswer, RelationAnswer, TagItem, answer_of, check, distinct, required

_CUSTOM = re.compile(r"Tag_SNS_Custom_[A-Za-z][A-Za-z0-9_]{0,31}")
_REMARK, _GROUP = "Tag_SNS_IM_Remark", "Tag_SNS_IM_Group"
_WORDS = "CheckResult_Type_"
MAX_GET = 100
MAX_TIME = 2**40
MAX_CUSTOM = 20
MAX_TAGS = 200


class AddItem(msgspec.Struct):
    """A friend to be."""

    To_Account: str
    AddSource: str = ""
    Remark: str = ""
    GroupName: str | list[str] = ""
    AddWording: str = ""


class FriendAdd(msgspec.Struct):
    """Who asks for which friends; Add_Type_Both (both ways) unless Add_Type_Single is said."""

    From_Account: str = ""
    AddFriendItem: list[AddItem] = []
    AddType: str = "Add_Type_Both"
    ForceAddFlags: int = 0


class ImportItem(AddItem):
    """A friend of another system, with its history."""

    AddTime: int = 0
    RemarkTime: int = 0
    CustomItem: list[TagItem] = []


class FriendImport(msgspec.Struct):
    """Whose friends."""

    From_Account: str = ""
    AddFriendItem: list[ImportItem] = []


class UpdateItem(msgspec.Struct):
    """The fields of a friend to change."""

    To_Account: str
    SnsItem: list[TagItem] = []


class FriendUpdate(msgspec.Struct):
    """Whose friends, and what to change."""

    From_Account: str = ""
    UpdateItem: list[UpdateItem] = []


class FriendDelete(msgspec.Struct):
    """Whose friends; on this side alone unless Delete_Type_Both is said."""

    From_Account: str = ""
    To_Account: list[str] = []
    DeleteType: str = "Delete_Type_Single"


class FriendDeleteAll(msgspec.Struct):
    """Whose friends; on this side alone unless Delete_Type_Both (or CheckResult_Type_Both, as older pages spell it) is said."""

    From_Account: str = ""
    DeleteType: str = "Delete_Type_Single"


class FriendCheck(msgspec.Struct):
    """Whose friends, and whether both sides are looked at."""

    From_Account: str = ""
    To_Account: list[str] = []
    CheckType: str = ""


class FriendGet(msgspec.Struct):
    """Whose friends, from which place on."""

    From_Account: str = ""
    StartIndex: int = 0
    StandardSequence: int = 0
    CustomSequence: int = 0


class FriendGetList(msgspec.Struct):
    """Whose friends, which, and which of their fields."""

    From_Account: str = ""
    To_Account: list[str] = []
    TagList: list[str] = []


class CheckAnswer(DisplayAnswer):
    """One item an account; Fail_Account only where something failed."""

    InfoItem: list[CheckItem] = msgspec.field(default_factory=list)
    Fail_Account: list[str] | msgspec.UnsetType = msgspec.UNSET


class UserData(msgspec.Struct):
    """A friend with its fields."""

    To_Account: str
    ValueItem: list[TagItem]


class FriendsAnswer(DisplayAnswer):
    """A page of friends. NextStartIndex begins the next one; CompleteFlag 1 says that there is none."""

    UserDataItem: list[UserData] = msgspec.field(default_factory=list)
    StandardSequence: int = 0
    CustomSequence: int = 0
    FriendNum: int = 0
    CompleteFlag: int = 1
    NextStartIndex: int = 0


class FriendInfo(msgspec.Struct):
    """A friend's fields, or why there are none."""

    To_Account: str
    SnsProfileItem: list[TagItem] = []
    ResultCode: int = 0
    ResultInfo: str = ""


class FriendListAnswer(DisplayAnswer):
    """One item an account; Fail_Account only where something failed."""

    InfoItem: list[FriendInfo] = msgspec.field(default_factory=list)
    Fail_Account: list[str] | msgspec.UnsetType = msgspec.UNSET


async def friend_add(call: Call, request: FriendAdd) -> RelationAnswer:
    """Ask for friends, or make them by force."""
    if request.AddType not in ("Add_Type_Both", "Add_Type_Single"):
        raise Refused(SNS_BAD_REQUEST, "$.AddType", cure="Send Add_Type_Both or Add_Type_Single")
    user_id = required(request.From_Account)
    distinct([item.To_Account for item in request.AddFriendItem], "AddFriendItem")
    now = call.hub.clock.now_ms() // 1000
    wanted = {item.To_Account: Friend(item.To_Account, _details(item, now), now) for item in request.AddFriendItem}
    both, force = request.AddType == "Add_Type_Both", request.ForceAddFlags == 1
    return answer_of(await call.hub.relations.add_friends(call.app, user_id, list(wanted.values()), both=both, force=force))


async def friend_import(call: Call, request: FriendImport) -> RelationAnswer:
    """Import friends on one side."""
    user_id = required(request.From_Account)
    distinct([item.To_Account for item in request.AddFriendItem], "AddFriendItem")
    now = call.hub.clock.now_ms() // 1000
    friends = {}
    for item in request.AddFriendItem:
        details = _details(item, min(max(item.RemarkTime, 0), MAX_TIME) or now)
        details = msgspec.structs.replace(details, custom=_custom(item.CustomItem))
        friends[item.To_Account] = Friend(item.To_Account, details, min(max(item.AddTime, 0), MAX_TIME) or now)
    return answer_of(await call.hub.relations.import_friends(call.app, user_id, list(friends.values())))


async def friend_update(call: Call, request: FriendUpdate) -> RelationAnswer:
    """Change the notes about friends."""
    user_id = required(request.From_Account)
    distinct([item.To_Account for item in request.UpdateItem], "UpdateItem")
    changes = {item.To_Account: _changes(item.SnsItem) for item in request.UpdateItem}
    return answer_of(await call.hub.relations.update_friends(call.app, user_id, changes))


async def friend_delete(call: Call, request: FriendDelete) -> RelationAnswer:
    """End friendships on one side or on both."""
    user_id, names = required(request.From_Account), distinct(request.To_Account)
    return answer_of(await call.hub.relations.delete_friends(call.app, user_id, names, both=_both(request.DeleteType)))


async def friend_delete_all(call: Call, request: FriendDeleteAll) -> DisplayAnswer:
    """End all friendships of an account."""
    await call.hub.relations.delete_all_friends(call.app, required(request.From_Account), both=_both(request.DeleteType))
    return DisplayAnswer()


async def friend_check(call: Call, request: FriendCheck) -> CheckAnswer:
    """Say who is whose friend."""
    items, unknown = await check(call.app, request, call.hub.relations.friendships, _WORDS, "NoRelation")
    return CheckAnswer(InfoItem=items, Fail_Account=unknown)


async def friend_get(call: Call, request: FriendGet) -> FriendsAnswer:
    """Read an account's friends page by page."""
    user_id = required(request.From_Account)
    if not 0 <= request.StartIndex < 2**31:
        raise Refused(SNS_BAD_REQUEST, "$.StartIndex: it must not be negative")
    page, total = await call.hub.relations.page_of_friends(call.app, user_id, request.StartIndex)
    following = request.StartIndex + len(page)
    complete = not page or following >= total
    items = [UserData(friend.user_id, [TagItem(tag, value) for tag, value in _tags(friend).items()]) for friend in page]
    return FriendsAnswer(UserDataItem=items, FriendNum=total, CompleteFlag=int(complete), NextStartIndex=0 if complete else following)


async def friend_get_list(call: Call, request: FriendGetList) -> FriendListAnswer:
    """Read chosen fields of chosen friends, of their profiles as well."""
    user_id, names = required(request.From_Account), distinct(request.To_Account, limit=MAX_GET)
    if not 0 < len(request.TagList) <= MAX_TAGS:
        raise Refused(SNS_BAD_REQUEST, f"$.TagList: {len(request.TagList)} fields", cure=f"Send 1 to {MAX_TAGS}")
    friends = await call.hub.relations.friends(call.app, user_id, names)
    profile_tags = [tag for tag in dict.fromkeys(request.TagList) if is_tag(tag)]
    portraits = await call.hub.portraits.get(call.app, list(friends), profile_tags)
    items = [_info(name, friends.get(name), portraits.get(name, {}), request.TagList) for name in names]
    return FriendListAnswer(InfoItem=items, Fail_Account=[item.To_Account for item in items if item.ResultCode] or msgspec.UNSET)


def _info(name: str, friend: Friend | None, portrait: dict[str, Any], tags: Sequence[str]) -> FriendInfo:
    if friend is None:
        return FriendInfo(name, [], SNS_NOT_FRIENDS.rest_code, sentence_of(SNS_NOT_FRIENDS, cure="Add it as a friend first"))
    values = _tags(friend) | portrait
    return FriendInfo(name, [TagItem(tag, values[tag]) for tag in dict.fromkeys(tags) if tag in values])


def _tags(friend: Friend) -> dict[str, Any]:
    details = friend.details
    named = {
        "Tag_SNS_IM_AddSource": details.source,
        _REMARK: details.remark,
        _GROUP: list(details.groups),
        "Tag_SNS_IM_AddWording": details.wording,
        "Tag_SNS_IM_AddTime": friend.added_at,
        "Tag_SNS_IM_RemarkTime": details.remark_at,
    }
    return {tag: value for tag, value in named.items() if value} | details.custom


def _details(item: AddItem, remark_at: int) -> FriendDetails:
    source = item.AddSource
    if not source.startswith(SOURCE_PREFIX) or not 0 < len(source.removeprefix(SOURCE_PREFIX).encode()) <= MAX_SOURCE_BYTES:
        raise Refused(SNS_BAD_REQUEST, "$.AddSource", cure=f"Send {SOURCE_PREFIX} and a keyword of at most {MAX_SOURCE_BYTES} bytes")
    groups = [item.GroupName] if isinstance(item.GroupName, str) else item.GroupName
    remark = _bounded("Remark", item.Remark, MAX_REMARK_BYTES)
    return FriendDetails(
        remark=remark,
        groups=_groups([group for group in groups if group]),
        source=source,
        wording=_bounded("AddWording", item.AddWording, MAX_WORDING_BYTES),
        remark_at=remark_at if remark else 0,
    )


def _changes(items: Sequence[TagItem]) -> dict[str, Any]:
    """Fields of ``FriendDetails``. Raises ``Refused``."""
    if not items:
        raise Refused(SNS_BAD_REQUEST, "$.SnsItem: it is missing")
    changes: dict[str, Any] = {}
    for item in items:
        if item.Tag == _REMARK:
            changes["remark"] = _bounded(_REMARK, item.Value, MAX_REMARK_BYTES)
        elif item.Tag == _GROUP:
            values = item.Value if isinstance(item.Value, list) else [item.Value]
            changes["groups"] = _groups([value for value in values if value != ""])
        else:
            changes.setdefault("custom", {}).update(_custom([item]))
    return changes


def _groups(names: Sequence[Any]) -> tuple[str, ...]:
    if len(names) > MAX_GROUPS:
        raise Refused(SNS_BAD_REQUEST, f"{len(names)} groups", cure=f"Send at most {MAX_GROUPS}")
    return tuple(dict.fromkeys(_bounded(_GROUP, name, MAX_GROUP_NAME_BYTES) for name in names))


def _custom(items: Sequence[TagItem]) -> dict[str, Any]:
    if len(items) > MAX_CUSTOM:
        raise Refused(SNS_BAD_REQUEST, f"{len(items)} custom fields", cure=f"Send at most {MAX_CUSTOM}")
    custom: dict[str, Any] = {}
    for item in items:
        if _CUSTOM.fullmatch(item.Tag) is None:
            raise Refused(SNS_BAD_REQUEST, item.Tag[:60], cure=f"Use {_REMARK}, {_GROUP} or a Tag_SNS_Custom_ field")
        number = isinstance(item.Value, int) and not isinstance(item.Value, bool) and 0 <= item.Value < 2**63
        custom[item.Tag] = item.Value if number else _bounded(item.Tag, item.Value, MAX_CUSTOM_BYTES)
    return custom


def _bounded(name: str, value: Any, limit: int) -> str:
    if not isinstance(value, str) or "\0" in value or len(value.encode("utf-8", "replace")) > limit:
        raise Refused(SNS_BAD_REQUEST, name, cure=f"Send a string of at most {limit} bytes")
    return value


def _both(delete_type: str) -> bool:
    if delete_type not in ("Delete_Type_Single", "Delete_Type_Both", f"{_WORDS}Single", f"{_WORDS}Both"):
        raise Refused(SNS_BAD_REQUEST, "$.DeleteType", cure="Send Delete_Type_Single or Delete_Type_Both")
    return delete_type.endswith("_Both")
