"""Tags and attributes: what pushes to many choose accounts by (sheet rest-api, section 7.1)."""

from __future__ import annotations

from collections.abc import Container, Mapping, Sequence

from homing.model.apps import App
from homing.model.problems import (
    ACCOUNT_NOT_FOUND,
    ATTRIBUTE_ILLEGAL,
    LABELS_BAD_ACCOUNT,
    MSG_TOO_MANY_ACCOUNTS,
    TAG_TOO_LONG,
    TOO_MANY_TAGS,
    USER_HAS_TOO_MANY_TAGS,
    Problem,
    Refused,
)
from homing.store import labels as store
from homing.store.accounts import fetch_accounts
from homing.store.engine import Database, Tx
from homing.store.messages import lock_accounts

from .accounts import is_user_id

MAX_NAME_BYTES = 50
MAX_ATTRIBUTES = 10
MAX_TAGS_AT_ONCE = 10
MAX_TAGS = 100
MAX_ACCOUNTS = 500

Failures = dict[str, Problem]  # by account


class Labels:
    """Marks accounts. What fails for one account does not keep the others from theirs."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def set_attribute_names(self, app: App, names: Mapping[str, str], types: Mapping[str, int]) -> None:
        """Name the app's attributes, numbered "0" to "9". Raises ``Refused``."""
        wanted: dict[int, tuple[str, int]] = {}
        for number, name in names.items():
            if not (len(number) == 1 and number.isascii() and number.isdigit()):
                raise Refused(ATTRIBUTE_ILLEGAL, f"$.AttrNames: {number[:20]!r} is not a number from 0 to 9")
            _check_text(name, ATTRIBUTE_ILLEGAL, f"$.AttrNames.{number}")
            wanted[int(number)] = (name, int(types.get(number, 0) == 1))
        await self._database.write(lambda tx: store.set_attribute_names(tx, app.sdkappid, wanted))

    async def attribute_names(self, app: App) -> dict[int, tuple[str, int]]:
        """Name and account type by number."""
        return await self._database.read(lambda tx: store.attribute_names(tx, app.sdkappid))

    async def set_attributes(self, app: App, wanted: Sequence[tuple[str, Mapping[str, str]]]) -> Failures:
        """Give accounts attribute values. Raises ``Refused`` for a value or a name that cannot be."""
        _check_accounts([user_id for user_id, _ in wanted])
        for user_id, values in wanted:
            for name, value in values.items():
                _check_text(value, ATTRIBUTE_ILLEGAL, f"{name[:50]} of {user_id}")

        async def work(tx: Tx) -> Failures:
            await _check_named(tx, app, {name for _, values in wanted for name in values})
            known = await _lock(tx, app, [user_id for user_id, _ in wanted])
            rows = {(user_id, name): value for user_id, values in wanted if user_id in known for name, value in values.items()}
            await store.add_labels(tx, app.sdkappid, store.ATTRIBUTE, [(*key, value) for key, value in rows.items()])
            return _unknown([user_id for user_id, _ in wanted], known)

        return await self._database.write(work)

    async def remove_attributes(self, app: App, wanted: Sequence[tuple[str, Sequence[str]]]) -> Failures:
        """Take attributes away."""
        return await self._remove(app, store.ATTRIBUTE, wanted)

    async def attributes(self, app: App, user_ids: Sequence[str]) -> tuple[dict[str, dict[str, str]], Failures]:
        """The attributes of these accounts, and which accounts there are not."""
        return await self._labels(app, user_ids, store.ATTRIBUTE)

    async def add_tags(self, app: App, wanted: Sequence[tuple[str, Sequence[str]]], *, replace: bool = False) -> Failures:
        """Mark accounts with tags; ``replace``: with these and no others. Raises ``Refused`` for a tag that cannot be."""
        _check_accounts([user_id for user_id, _ in wanted])
        for user_id, tags in wanted:
            if len(tags) > (MAX_TAGS if replace else MAX_TAGS_AT_ONCE):
                raise Refused(TOO_MANY_TAGS, f"{len(tags)} for {user_id}")
            for tag in tags:
                _check_text(tag, TAG_TOO_LONG, f"a tag of {user_id}")

        async def work(tx: Tx) -> Failures:
            users = [user_id for user_id, _ in wanted]
            known = await _lock(tx, app, users)
            if replace:
                await store.clear_labels(tx, app.sdkappid, store.TAG, known)
            have = {user_id: set(tags) for user_id, tags in (await store.labels_of(tx, app.sdkappid, known, store.TAG)).items()}
            failures, rows = _unknown(users, known), []
            for user_id, tags in wanted:
                mine = have.setdefault(user_id, set())
                if user_id not in known:
                    continue
                if len(mine.union(tags)) > MAX_TAGS:
                    failures[user_id] = USER_HAS_TOO_MANY_TAGS
                    continue
                mine.update(tags)
                rows += [(user_id, tag, "") for tag in tags]
            await store.add_labels(tx, app.sdkappid, store.TAG, rows)
            return failures

        return await self._database.write(work)

    async def remove_tags(self, app: App, wanted: Sequence[tuple[str, Sequence[str]]]) -> Failures:
        """Take tags away."""
        return await self._remove(app, store.TAG, wanted)

    async def tags(self, app: App, user_ids: Sequence[str]) -> tuple[dict[str, dict[str, str]], Failures]:
        """The tags of these accounts, and which accounts there are not."""
        return await self._labels(app, user_ids, store.TAG)

    async def remove_all_tags(self, app: App, user_ids: Sequence[str]) -> Failures:
        """Take all tags of these accounts away."""
        _check_accounts(user_ids)

        async def work(tx: Tx) -> Failures:
            known = await fetch_accounts(tx, app.sdkappid, user_ids)
            await store.clear_labels(tx, app.sdkappid, store.TAG, known)
            return _unknown(user_ids, known)

        return await self._database.write(work)

    async def _remove(self, app: App, kind: str, wanted: Sequence[tuple[str, Sequence[str]]]) -> Failures:
        users = [user_id for user_id, _ in wanted]
        _check_accounts(users)

        async def work(tx: Tx) -> Failures:
            known = await fetch_accounts(tx, app.sdkappid, users)
            rows = [(user_id, _clean(name)) for user_id, names in wanted if user_id in known for name in names]
            await store.remove_labels(tx, app.sdkappid, kind, rows)
            return _unknown(users, known)

        return await self._database.write(work)

    async def _labels(self, app: App, user_ids: Sequence[str], kind: str) -> tuple[dict[str, dict[str, str]], Failures]:
        _check_accounts(user_ids)

        async def work(tx: Tx) -> tuple[dict[str, dict[str, str]], Failures]:
            known = await fetch_accounts(tx, app.sdkappid, user_ids)
            found = await store.labels_of(tx, app.sdkappid, known, kind)
            return {user_id: found.get(user_id, {}) for user_id in user_ids if user_id in known}, _unknown(user_ids, known)

        return await self._database.read(work)


def _check_accounts(user_ids: Sequence[str]) -> None:
    if not user_ids:
        raise Refused(LABELS_BAD_ACCOUNT, "no account is named")
    if len(user_ids) > MAX_ACCOUNTS:
        raise Refused(MSG_TOO_MANY_ACCOUNTS, f"{len(user_ids)} accounts; at most {MAX_ACCOUNTS}")
    for user_id in user_ids:
        if not is_user_id(user_id):
            raise Refused(LABELS_BAD_ACCOUNT, f"{user_id[:40]!r}")


def _check_text(text: str, problem: Problem, where: str) -> None:
    if not 0 < len(text.encode("utf-8", "replace")) <= MAX_NAME_BYTES or _clean(text) != text:
        raise Refused(problem, where)


def _clean(text: str) -> str:
    """Text that both engines store: no NUL, no lone surrogate."""
    return text.replace("\0", "").encode("utf-8", "replace").decode()


async def _check_named(tx: Tx, app: App, names: set[str]) -> None:
    known = {name for name, _ in (await store.attribute_names(tx, app.sdkappid)).values()}
    if missing := sorted(names - known):
        raise Refused(ATTRIBUTE_ILLEGAL, f"this app has no attribute {missing[0][:50]!r}")


async def _lock(tx: Tx, app: App, user_ids: Sequence[str]) -> set[str]:
    """Which of these accounts exist; nobody else changes their labels meanwhile."""
    return {user_id for _, user_id in await lock_accounts(tx, sorted({(app.sdkappid, user_id) for user_id in user_ids}))}


def _unknown(user_ids: Sequence[str], known: Container[str]) -> Failures:
    return {user_id: ACCOUNT_NOT_FOUND for user_id in user_ids if user_id not in known}
