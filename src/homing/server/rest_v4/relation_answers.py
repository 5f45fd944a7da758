"""What the profile, friend and blacklist commands answer alike, and how they check their accounts."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import Any, Protocol

import msgspec

from homing.model.apps import App
from homing.model.problems import SNS_ACCOUNT_UNKNOWN, SNS_BAD_REQUEST, Problem, Refused
from homing.services.accounts import is_user_id
from homing.services.relations import Results

from .answers import Answer, sentence_of

MAX_ACCOUNTS = 1000


class DisplayAnswer(Answer):
    """The envelope of these families has one more field."""

    ErrorDisplay: str = ""


class RelationResult(msgspec.Struct):
    """What happened to one account."""

    To_Account: str
    ResultCode: int = 0
    ResultInfo: str = ""


class RelationAnswer(DisplayAnswer):
    """One item an account, in the order of the request; Fail_Account only where something failed."""

    ResultItem: list[RelationResult] = msgspec.field(default_factory=list)
    Fail_Account: list[str] | msgspec.UnsetType = msgspec.UNSET


class CheckItem(msgspec.Struct):
    """How two accounts stand to one another."""

    To_Account: str
    Relation: str
    ResultCode: int = 0
    ResultInfo: str = ""


class TagItem(msgspec.Struct):
    """A field of a profile or of a friend."""

    Tag: str
    Value: Any


def required(user_id: str) -> str:
    """From_Account as it came. Raises ``Refused`` when it is missing."""
    if not user_id:
        raise Refused(SNS_BAD_REQUEST, "$.From_Account: it is missing")
    if not is_user_id(user_id):
        raise Refused(SNS_ACCOUNT_UNKNOWN, "$.From_Account")
    return user_id


def distinct(names: Sequence[str], field: str = "To_Account", limit: int = MAX_ACCOUNTS) -> list[str]:
    """The accounts of a request, each once. Raises ``Refused`` for none or too many."""
    if not 0 < len(names) <= limit:
        raise Refused(SNS_BAD_REQUEST, f"$.{field}: {len(names)} accounts", cure=f"Send 1 to {limit}")
    return list(dict.fromkeys(names))


def answer_of(results: Results) -> RelationAnswer:
    """The answer to a command that did something to each account."""
    items = [RelationResult(name) if problem is None else _failed(name, problem) for name, problem in results.items()]
    return RelationAnswer(ResultItem=items, Fail_Account=[item.To_Account for item in items if item.ResultCode] or msgspec.UNSET)


class Check(Protocol):
    """The body of a check: whose list, which accounts, and whether their lists count too."""

    From_Account: str
    To_Account: list[str]
    CheckType: str


LookUp = Callable[[App, str, list[str]], Awaitable[tuple[set[str], set[str], set[str]]]]


async def check(
    app: App, request: Check, look_up: LookUp, words: str, nothing: str
) -> tuple[list[CheckItem], list[str] | msgspec.UnsetType]:
    """How the accounts stand to one another, and those that do not exist. The words of the answer begin with ``words``.

    ``look_up``: of the accounts, those that exist, those on the list, and those that have the asker on theirs.
    """
    user_id, names = required(request.From_Account), distinct(request.To_Account)
    one_way, both = f"{words}Single", f"{words}Both"
    if request.CheckType not in (one_way, both):
        raise Refused(SNS_BAD_REQUEST, "$.CheckType", cure=f"Send {one_way} or {both}")
    known, own, theirs = await look_up(app, user_id, names)
    if request.CheckType == one_way:
        theirs = set()
    ways = {(True, True): "BothWay", (True, False): "AWithB", (False, True): "BWithA", (False, False): nothing}
    items = [_check_item(name, words + ways[name in own, name in theirs], exists=name in known) for name in names]
    return items, [name for name in names if name not in known] or msgspec.UNSET


def _check_item(name: str, relation: str, *, exists: bool) -> CheckItem:
    """The answer about one pair; an account that does not exist has no relation and says so."""
    if exists:
        return CheckItem(name, relation)
    return CheckItem(name, relation, SNS_ACCOUNT_UNKNOWN.rest_code, sentence_of(SNS_ACCOUNT_UNKNOWN))


def _failed(name: str, problem: Problem) -> RelationResult:
    return RelationResult(name, problem.rest_code, sentence_of(problem))
