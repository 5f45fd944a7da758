"""What the profile, friend and blacklist commands answer alike, and how they check their accounts."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec

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


def check_item(name: str, relation: str, *, exists: bool) -> CheckItem:
    """The answer about one pair; an account that does not exist has no relation and says so."""
    if exists:
        return CheckItem(name, relation)
    return CheckItem(name, relation, SNS_ACCOUNT_UNKNOWN.rest_code, sentence_of(SNS_ACCOUNT_UNKNOWN))


def _failed(name: str, problem: Problem) -> RelationResult:
    return RelationResult(name, problem.rest_code, sentence_of(problem))
