"""Blacklists: add, delete, get, check (public documentation of the original product)."""

from __future__ import annotations

import msgspec

from homing.model.problems import SNS_BAD_REQUEST, Refused

from .gate import Call
from .relation_answers import CheckItem, DisplayAnswer, RelationAnswer, answer_of, check, distinct, required

_WORDS = "BlackCheckResult_Type_"
MAX_PAGE = 1000


class BlackList(msgspec.Struct):
    """Whose blacklist, and up to 1,000 accounts."""

    From_Account: str = ""
    To_Account: list[str] = []


class BlackListGet(msgspec.Struct):
    """Whose blacklist, from which place on and how much of it."""

    From_Account: str = ""
    StartIndex: int = 0
    MaxLimited: int = MAX_PAGE
    LastSequence: int = 0


class BlackListCheck(msgspec.Struct):
    """Whose blacklist, up to 1,000 accounts, and whether theirs count too."""

    From_Account: str = ""
    To_Account: list[str] = []
    CheckType: str = ""


class BlackListItem(msgspec.Struct):
    """An entry, with the unix second in which it was made."""

    To_Account: str
    AddBlackTimeStamp: int


class BlackListAnswer(DisplayAnswer):
    """A page; StartIndex is where the next one begins, 0 after the last."""

    BlackListItem: list[BlackListItem] = msgspec.field(default_factory=list)
    StartIndex: int = 0
    CurruentSequence: int = 0  # spelt like this in the original


class BlackListCheckAnswer(DisplayAnswer):
    """One item an account; Fail_Account only where something failed."""

    BlackListCheckItem: list[CheckItem] = msgspec.field(default_factory=list)
    Fail_Account: list[str] | msgspec.UnsetType = msgspec.UNSET


async def black_list_add(call: Call, request: BlackList) -> RelationAnswer:
    """Put accounts on a blacklist; friendships with them end."""
    user_id, names = required(request.From_Account), distinct(request.To_Account)
    return answer_of(await call.hub.relations.block(call.app, user_id, names))


async def black_list_delete(call: Call, request: BlackList) -> RelationAnswer:
    """Take accounts off a blacklist."""
    user_id, names = required(request.From_Account), distinct(request.To_Account)
    return answer_of(await call.hub.relations.unblock(call.app, user_id, names))


async def black_list_get(call: Call, request: BlackListGet) -> BlackListAnswer:
    """Read a blacklist page by page."""
    user_id = required(request.From_Account)
    if request.StartIndex < 0 or request.MaxLimited <= 0:
        raise Refused(SNS_BAD_REQUEST, "$.StartIndex and $.MaxLimited", cure=f"Begin with 0, and take 1 to {MAX_PAGE}")
    page, total = await call.hub.relations.page_of_blocked(call.app, user_id, min(request.StartIndex, MAX_PAGE), request.MaxLimited)
    following = request.StartIndex + len(page)
    items = [BlackListItem(entry.user_id, entry.added_at) for entry in page]
    return BlackListAnswer(BlackListItem=items, StartIndex=following if page and following < total else 0)


async def black_list_check(call: Call, request: BlackListCheck) -> BlackListCheckAnswer:
    """Say who is on whose blacklist."""
    items, unknown = await check(call.app, request, call.hub.relations.blocks, _WORDS, "NO")
    return BlackListCheckAnswer(BlackListCheckItem=items, Fail_Account=unknown)
