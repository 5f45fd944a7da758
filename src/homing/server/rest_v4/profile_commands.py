"""Profiles: portrait_set and portrait_get (public documentation of the original product)."""

from __future__ import annotations

from typing import Any

import msgspec

from homing.model.problems import PROFILE_ACCOUNT_UNKNOWN, PROFILE_BAD_REQUEST, Refused

from .answers import sentence_of
from .gate import Call
from .relation_answers import DisplayAnswer, TagItem

MAX_ACCOUNTS = 100
MAX_ITEMS = 200


class PortraitSet(msgspec.Struct):
    """Whose profile, and the fields to change."""

    From_Account: str = ""
    ProfileItem: list[TagItem] = []


class PortraitGet(msgspec.Struct):
    """At most 100 accounts, and the fields to read."""

    To_Account: list[str] = []
    TagList: list[str] = []


class ProfileResult(msgspec.Struct):
    """One account's fields; those that are not set are left out."""

    To_Account: str
    ProfileItem: list[TagItem] = []
    ResultCode: int = 0
    ResultInfo: str = ""


class ProfileAnswer(DisplayAnswer):
    """One item an account; Fail_Account only where something failed."""

    UserProfileItem: list[ProfileResult] = msgspec.field(default_factory=list)
    Fail_Account: list[str] | msgspec.UnsetType = msgspec.UNSET


async def portrait_set(call: Call, request: PortraitSet) -> DisplayAnswer:
    """Change fields of an account's profile."""
    if not request.From_Account:
        raise Refused(PROFILE_BAD_REQUEST, "$.From_Account: it is missing")
    if not 0 < len(request.ProfileItem) <= MAX_ITEMS:
        raise Refused(PROFILE_BAD_REQUEST, f"$.ProfileItem: {len(request.ProfileItem)} fields", cure=f"Send 1 to {MAX_ITEMS}")
    items: list[tuple[str, Any]] = [(item.Tag, item.Value) for item in request.ProfileItem]
    await call.hub.portraits.set(call.app, request.From_Account, items)
    return DisplayAnswer()


async def portrait_get(call: Call, request: PortraitGet) -> ProfileAnswer:
    """Read fields of up to 100 profiles."""
    if not 0 < len(request.To_Account) <= MAX_ACCOUNTS:
        raise Refused(PROFILE_BAD_REQUEST, f"$.To_Account: {len(request.To_Account)} accounts", cure=f"Send 1 to {MAX_ACCOUNTS}")
    if not 0 < len(request.TagList) <= MAX_ITEMS:
        raise Refused(PROFILE_BAD_REQUEST, f"$.TagList: {len(request.TagList)} fields", cure=f"Send 1 to {MAX_ITEMS}")
    names = list(dict.fromkeys(request.To_Account))
    found = await call.hub.portraits.get(call.app, names, list(dict.fromkeys(request.TagList)))
    unknown = sentence_of(PROFILE_ACCOUNT_UNKNOWN)
    items = [
        ProfileResult(name, [TagItem(tag, value) for tag, value in found[name].items()])
        if name in found
        else ProfileResult(name, [], PROFILE_ACCOUNT_UNKNOWN.rest_code, unknown)
        for name in names
    ]
    return ProfileAnswer(UserProfileItem=items, Fail_Account=[name for name in names if name not in found] or msgspec.UNSET)
