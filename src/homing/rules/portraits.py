"""The fields of a profile: which tags there are and what each may hold (public documentation of the original's profiles)."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any, Final

from homing.model.problems import PROFILE_BAD_FORMAT, PROFILE_BAD_VALUE, PROFILE_TAG_UNKNOWN, PROFILE_TOO_LONG, Problem

NICK: Final = "Tag_Profile_IM_Nick"
IMAGE: Final = "Tag_Profile_IM_Image"
ALLOW_TYPE: Final = "Tag_Profile_IM_AllowType"
ADMIN_FORBID: Final = "Tag_Profile_IM_AdminForbidType"
MAX_VALUE_BYTES = 500
MAX_CUSTOM_TAGS = 100
_MAX_UINT32 = 2**32 - 1
_CUSTOM = re.compile(r"Tag_Profile_Custom_[A-Za-z][A-Za-z0-9_]{0,31}")

Check = Callable[[Any], Problem | None]


def _text(limit: int) -> Check:
    def check(value: Any) -> Problem | None:
        if not isinstance(value, str):
            return PROFILE_BAD_FORMAT
        if "\0" in value:
            return PROFILE_BAD_VALUE
        return PROFILE_TOO_LONG if len(value.encode("utf-8", "replace")) > limit else None

    return check


def _one_of(*choices: str) -> Check:
    def check(value: Any) -> Problem | None:
        return None if value in choices else PROFILE_BAD_VALUE

    return check


def _number(value: Any) -> Problem | None:
    if not isinstance(value, int) or isinstance(value, bool):
        return PROFILE_BAD_FORMAT
    return None if 0 <= value <= _MAX_UINT32 else PROFILE_BAD_VALUE


STANDARD: Final[Mapping[str, Check]] = {
    NICK: _text(MAX_VALUE_BYTES),
    "Tag_Profile_IM_Gender": _one_of("Gender_Type_Unknown", "Gender_Type_Female", "Gender_Type_Male"),
    "Tag_Profile_IM_BirthDay": _number,
    "Tag_Profile_IM_Location": _text(16),
    "Tag_Profile_IM_SelfSignature": _text(MAX_VALUE_BYTES),
    ALLOW_TYPE: _one_of("AllowType_Type_NeedConfirm", "AllowType_Type_AllowAny", "AllowType_Type_DenyAny"),
    "Tag_Profile_IM_Language": _number,
    IMAGE: _text(MAX_VALUE_BYTES),
    "Tag_Profile_IM_MsgSettings": _number,
    ADMIN_FORBID: _one_of("AdminForbid_Type_None", "AdminForbid_Type_SendOut"),
    "Tag_Profile_IM_Level": _number,
    "Tag_Profile_IM_Role": _number,
}


def is_tag(tag: str) -> bool:
    """Whether a profile can have this field. Custom ones need no declaration."""
    return tag in STANDARD or _CUSTOM.fullmatch(tag) is not None


def problem_of(tag: str, value: Any) -> Problem | None:
    """What is wrong with a field and its value, or None."""
    standard = STANDARD.get(tag)
    if standard is not None:
        return standard(value)
    if _CUSTOM.fullmatch(tag) is None:
        return PROFILE_TAG_UNKNOWN
    if isinstance(value, int) and not isinstance(value, bool):
        return None if 0 <= value < 2**63 else PROFILE_BAD_VALUE
    return _text(MAX_VALUE_BYTES)(value)
