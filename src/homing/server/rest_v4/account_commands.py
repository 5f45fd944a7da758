"""Accounts: import, delete, check, kick (rest-api sheet, section 2)."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from homing.model.problems import ACCOUNT_NOT_FOUND, BAD_PARAMETER, BATCH_SIZE, Refused

from .answers import Answer, sentence_of
from .gate import Call

MAX_ACCOUNTS = 100


class AccountImport(msgspec.Struct):
    """One account. What is left out stays as it is."""

    UserID: str = ""
    Identifier: str = ""  # the name of UserID before 2020
    Nick: str = ""
    FaceUrl: str = ""


class MultiAccountImport(msgspec.Struct):
    """The old body has ``Accounts``, the new one ``AccountList``."""

    Accounts: list[str] = []
    AccountList: list[AccountImport] = []


class UserItem(msgspec.Struct):
    """An account in a list."""

    UserID: str


class AccountDelete(msgspec.Struct):
    """At most 100 accounts."""

    DeleteItem: list[UserItem] = []


class AccountCheck(msgspec.Struct):
    """At most 100 accounts."""

    CheckItem: list[UserItem] = []


class Kick(msgspec.Struct):
    """The account to log out everywhere."""

    UserID: str = ""
    Identifier: str = ""


class ImportAnswer(Answer):
    """The accounts that were not imported."""

    FailAccounts: list[str] = msgspec.field(default_factory=list)


class ResultItem(msgspec.Struct):
    """What happened to one account."""

    UserID: str
    ResultCode: int = 0
    ResultInfo: str = ""
    AccountStatus: str | msgspec.UnsetType = msgspec.UNSET


class ResultAnswer(Answer):
    """One item an account, in the order of the request."""

    ResultItem: list[ResultItem] = msgspec.field(default_factory=list)


async def account_import(call: Call, request: AccountImport) -> Answer:
    """Import one account, or overwrite its nick and face URL."""
    user_id = request.UserID or request.Identifier
    if not user_id:
        raise Refused(BAD_PARAMETER, "$.UserID: it is missing")
    if await call.hub.accounts.import_accounts(call.app, [(user_id, request.Nick, request.FaceUrl)]):
        raise Refused(
            BAD_PARAMETER,
            "$.UserID, $.Nick or $.FaceUrl",
            cure="A UserID is 1 to 32 bytes of printable ASCII; Nick and FaceUrl have at most 500 bytes",
        )
    return Answer()


async def multiaccount_import(call: Call, request: MultiAccountImport) -> ImportAnswer:
    """Import up to 100 accounts."""
    rows = [(user_id, "", "") for user_id in request.Accounts]
    rows += [(item.UserID or item.Identifier, item.Nick, item.FaceUrl) for item in request.AccountList]
    _bounded(rows)
    failed = await call.hub.accounts.import_accounts(call.app, rows)
    if len(failed) == len({row[0] for row in rows}):
        text = sentence_of(BAD_PARAMETER, "no account could be imported", "A UserID is 1 to 32 bytes of printable ASCII")
        return ImportAnswer("FAIL", text, BAD_PARAMETER.rest_code, failed)
    return ImportAnswer(FailAccounts=failed)


async def account_delete(call: Call, request: AccountDelete) -> ResultAnswer:
    """Delete up to 100 accounts with their devices and conversations; administrators stay."""
    _bounded(request.DeleteItem)
    user_ids = [item.UserID for item in request.DeleteItem]
    known = await call.hub.accounts.check(call.app, user_ids)
    await call.hub.sessions.forget_account(call.app, sorted(known.difference(call.app.admins)))
    results = await call.hub.accounts.delete(call.app, user_ids)
    items = []
    for user_id in user_ids:
        problem = results[user_id]
        detail = "an administrator stays" if problem is BAD_PARAMETER else ""
        items.append(ResultItem(user_id) if problem is None else ResultItem(user_id, problem.rest_code, sentence_of(problem, detail)))
    return ResultAnswer(ResultItem=items)


async def account_check(call: Call, request: AccountCheck) -> ResultAnswer:
    """Say which of up to 100 accounts exist."""
    _bounded(request.CheckItem)
    user_ids = [item.UserID for item in request.CheckItem]
    known = await call.hub.accounts.check(call.app, user_ids)
    return ResultAnswer(
        ResultItem=[ResultItem(user_id, AccountStatus="Imported" if user_id in known else "NotImported") for user_id in user_ids]
    )


async def kick(call: Call, request: Kick) -> Answer:
    """Revoke every UserSig issued before now and end all sessions of an account."""
    user_id = request.UserID or request.Identifier
    if not user_id:
        raise Refused(BAD_PARAMETER, "$.UserID: it is missing")
    if user_id not in await call.hub.accounts.check(call.app, [user_id]):
        raise Refused(ACCOUNT_NOT_FOUND)
    await call.hub.accounts.revoke(call.app, user_id, call.hub.clock.now_ms() // 1000)
    await call.hub.sessions.revoke_account(call.app, user_id)
    return Answer()


def _bounded(items: Sequence[object]) -> None:
    if not 0 < len(items) <= MAX_ACCOUNTS:
        raise Refused(BATCH_SIZE, f"{len(items)} accounts")
