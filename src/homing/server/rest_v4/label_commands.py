"""Tags and attributes of accounts (sheet rest-api, section 7.1), under the old and the new service name."""

from __future__ import annotations

import msgspec

from homing.services.labels import Failures

from .answers import Answer
from .gate import Call


class LabelError(msgspec.Struct):
    """An account that could not be served."""

    To_Account: str
    ErrorCode: int
    ErrorInfo: str = ""


class LabelsAnswer(Answer, kw_only=True):
    """Done; accounts that could not be served are listed."""

    ErrorList: list[LabelError] | msgspec.UnsetType = msgspec.UNSET


class SetAttrName(msgspec.Struct):
    """Names by number "0" to "9", and whose attribute each is (0: of accounts)."""

    AttrNames: dict[str, str]
    AttrTypes: dict[str, int] = {}


class Nothing(msgspec.Struct):
    """An empty body."""


class AttrNamesAnswer(Answer, kw_only=True):
    """The names by number."""

    AttrNames: dict[str, str] = msgspec.field(default_factory=dict)
    AttrTypes: dict[str, int] = msgspec.field(default_factory=dict)


class UserAttrsItem(msgspec.Struct):
    """One account's attributes."""

    To_Account: str
    Attrs: dict[str, str]


class SetAttr(msgspec.Struct):
    """The attributes to set."""

    UserAttrs: list[UserAttrsItem]


class RemovedAttrs(msgspec.Struct):
    """The attributes to take away: their names, or an object with them, as older clients send it."""

    To_Account: str
    Attrs: list[str] | dict[str, str]


class RemoveAttr(msgspec.Struct):
    """The attributes to take away."""

    UserAttrs: list[RemovedAttrs]


class AccountList(msgspec.Struct):
    """Accounts."""

    To_Account: list[str]


class UserAttrsAnswer(LabelsAnswer, kw_only=True):
    """The attributes of each account."""

    UserAttrs: list[UserAttrsItem] = msgspec.field(default_factory=list)


class UserTagsItem(msgspec.Struct):
    """One account's tags."""

    To_Account: str
    Tags: list[str]


class AddTag(msgspec.Struct):
    """The tags to add; ``Replace`` 1: in place of those that the account has."""

    UserTags: list[UserTagsItem]
    Replace: int = 0


class RemoveTag(msgspec.Struct):
    """The tags to take away."""

    UserTags: list[UserTagsItem]


class UserTagsAnswer(LabelsAnswer, kw_only=True):
    """The tags of each account."""

    UserTags: list[UserTagsItem] = msgspec.field(default_factory=list)


async def set_attr_name(call: Call, request: SetAttrName) -> Answer:
    """Name the app's attributes."""
    await call.hub.labels.set_attribute_names(call.app, request.AttrNames, request.AttrTypes)
    return Answer()


async def get_attr_name(call: Call, request: Nothing) -> AttrNamesAnswer:  # noqa: ARG001  (every command takes a body)
    """The names of the app's attributes."""
    names = await call.hub.labels.attribute_names(call.app)
    return AttrNamesAnswer(
        AttrNames={str(number): name for number, (name, _) in names.items()},
        AttrTypes={str(number): kind for number, (_, kind) in names.items()},
    )


async def set_attr(call: Call, request: SetAttr) -> LabelsAnswer:
    """Set attributes of accounts."""
    return _answer(await call.hub.labels.set_attributes(call.app, [(item.To_Account, item.Attrs) for item in request.UserAttrs]))


async def get_attr(call: Call, request: AccountList) -> UserAttrsAnswer:
    """The attributes of accounts."""
    found, failures = await call.hub.labels.attributes(call.app, request.To_Account)
    return UserAttrsAnswer(ErrorList=_errors(failures), UserAttrs=[UserAttrsItem(user_id, attrs) for user_id, attrs in found.items()])


async def remove_attr(call: Call, request: RemoveAttr) -> LabelsAnswer:
    """Take attributes of accounts away."""
    return _answer(await call.hub.labels.remove_attributes(call.app, [(item.To_Account, list(item.Attrs)) for item in request.UserAttrs]))


async def add_tag(call: Call, request: AddTag) -> LabelsAnswer:
    """Add tags to accounts."""
    wanted = [(item.To_Account, item.Tags) for item in request.UserTags]
    return _answer(await call.hub.labels.add_tags(call.app, wanted, replace=request.Replace == 1))


async def get_tag(call: Call, request: AccountList) -> UserTagsAnswer:
    """The tags of accounts."""
    found, failures = await call.hub.labels.tags(call.app, request.To_Account)
    return UserTagsAnswer(ErrorList=_errors(failures), UserTags=[UserTagsItem(user_id, list(tags)) for user_id, tags in found.items()])


async def remove_tag(call: Call, request: RemoveTag) -> LabelsAnswer:
    """Take tags of accounts away."""
    return _answer(await call.hub.labels.remove_tags(call.app, [(item.To_Account, item.Tags) for item in request.UserTags]))


async def remove_all_tags(call: Call, request: AccountList) -> LabelsAnswer:
    """Take all tags of accounts away."""
    return _answer(await call.hub.labels.remove_all_tags(call.app, request.To_Account))


def _errors(failures: Failures) -> list[LabelError] | msgspec.UnsetType:
    return [LabelError(user_id, problem.rest_code, problem.sentence) for user_id, problem in failures.items()] or msgspec.UNSET


def _answer(failures: Failures) -> LabelsAnswer:
    return LabelsAnswer(ErrorList=_errors(failures))
