"""Fields that several group commands share: ids, custom fields, members under their old and new names."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec

from homing.model.groups import MSG_FLAG_NAMES, MSG_FLAGS, Member, Role, app_data
from homing.model.problems import GROUP_ACCOUNT_UNKNOWN, GROUP_BAD_ID, GROUP_BAD_PARAMETER, Refused
from homing.model.receive_options import ReceiveOption
from homing.services.accounts import is_user_id

MAX_CUSTOM_BYTES = 8 * 1024
MAX_NAME_CARD_BYTES = 50
MAX_GROUP_ID_CHARS = 256
UNSET_OPTION = -1  # the group's kind decides
_encode = msgspec.json.Encoder().encode


class CustomField(msgspec.Struct):
    """A field that the app defined itself."""

    Key: str
    Value: Any = ""


class MemberFields(msgspec.Struct, kw_only=True):
    """A member that is to be added or imported."""

    Member_Account: str = ""
    Role: str = ""
    NameCard: str = ""
    MsgFlag: str = ""
    JoinTime: int = 0
    UnreadMsgNum: int = 0
    AppMemberDefinedData: tuple[CustomField, ...] = ()


class MemberInfo(msgspec.Struct, omit_defaults=False):
    """A member as it is described. What the caller did not ask for is left out."""

    Member_Account: str
    Role: str | msgspec.UnsetType = msgspec.UNSET
    JoinTime: int | msgspec.UnsetType = msgspec.UNSET
    MsgSeq: int | msgspec.UnsetType = msgspec.UNSET
    MsgFlag: str | msgspec.UnsetType = msgspec.UNSET
    LastSendMsgTime: int | msgspec.UnsetType = msgspec.UNSET
    NameCard: str | msgspec.UnsetType = msgspec.UNSET
    MuteUntil: int | msgspec.UnsetType = msgspec.UNSET
    ShutUpUntil: int | msgspec.UnsetType = msgspec.UNSET
    AppMemberDefinedData: list[CustomField] | msgspec.UnsetType = msgspec.UNSET


def group_id_of(text: str) -> str:
    """The id as it was given. Raises ``Refused`` when there is none, or none that could exist."""
    if not text:
        raise Refused(GROUP_BAD_PARAMETER, "$.GroupId: it is missing")
    if len(text) > MAX_GROUP_ID_CHARS or not text.isascii() or not text.isprintable():
        raise Refused(GROUP_BAD_ID)
    return text


def checked(field: str, value: str, limit: int) -> str:
    """A text of at most ``limit`` bytes. Raises ``Refused``."""
    if "\0" in value or len(value.encode("utf-8", "replace")) > limit:
        raise Refused(GROUP_BAD_PARAMETER, f"$.{field}: it has more than {limit} bytes, or a NUL character")
    return value


def custom_json(fields: Sequence[CustomField], before: str = "{}") -> str:
    """Custom fields as they are stored, laid over those that there were. Raises ``Refused``."""
    merged = app_data(before) | {field.Key: field.Value for field in fields}
    text = _encode(merged).decode()
    if len(text) > MAX_CUSTOM_BYTES or "\\u0000" in text:
        raise Refused(GROUP_BAD_PARAMETER, f"the custom fields have more than {MAX_CUSTOM_BYTES} bytes, or a NUL character")
    return text


def receive_option(name: str, path: str = "$.MsgFlag") -> ReceiveOption:
    """The option behind a MsgFlag. Raises ``Refused``."""
    if name not in MSG_FLAGS:
        raise Refused(GROUP_BAD_PARAMETER, f"{path}: it is none of {', '.join(MSG_FLAGS)}")
    return MSG_FLAGS[name]


def role_of(name: str, path: str = "$.Role") -> Role:
    """Admin or Member: who owns the group is said elsewhere. Raises ``Refused``."""
    if name not in (Role.ADMIN, Role.MEMBER):
        raise Refused(GROUP_BAD_PARAMETER, f"{path}: it must be Admin or Member")
    return Role(name)


def member_of(fields: MemberFields, path: str) -> Member:
    """The member that a request describes. Raises ``Refused``."""
    if not is_user_id(fields.Member_Account):
        problem = GROUP_ACCOUNT_UNKNOWN if fields.Member_Account else GROUP_BAD_PARAMETER
        raise Refused(problem, f"{path}.Member_Account: it is missing or no UserID")
    if fields.JoinTime < 0 or fields.JoinTime >= 2**40 or not 0 <= fields.UnreadMsgNum <= 1_000_000:
        raise Refused(GROUP_BAD_PARAMETER, f"{path}: JoinTime must be unix seconds and UnreadMsgNum a count")
    return Member(
        sdkappid=0,
        group_id="",
        user_id=fields.Member_Account,
        role=role_of(fields.Role, f"{path}.Role") if fields.Role not in ("", "Owner") else Role.MEMBER,
        name_card=checked("NameCard", fields.NameCard, MAX_NAME_CARD_BYTES),
        receive_option=receive_option(fields.MsgFlag, f"{path}.MsgFlag") if fields.MsgFlag else UNSET_OPTION,
        joined_at=fields.JoinTime,
        counted_read=-fields.UnreadMsgNum,
        app_data=custom_json(fields.AppMemberDefinedData),
    )


def member_info(member: Member, wanted: Sequence[str]) -> MemberInfo:
    """The member with the fields that are wanted (none named: all)."""
    info = MemberInfo(
        Member_Account=member.user_id,
        Role=member.role,
        JoinTime=member.joined_at,
        MsgSeq=member.read_seq,
        MsgFlag=MSG_FLAG_NAMES[ReceiveOption(member.receive_option)],
        LastSendMsgTime=member.last_sent_at,
        NameCard=member.name_card,
        MuteUntil=member.muted_until,
        ShutUpUntil=member.muted_until,
        AppMemberDefinedData=[CustomField(key, value) for key, value in app_data(member.app_data).items()],
    )
    if wanted:
        for name in info.__struct_fields__:
            if name != "Member_Account" and name not in wanted:
                setattr(info, name, msgspec.UNSET)
    return info
