"""Accounts: imported by the backend, or made by their first log-in."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from homing.bus.base import Bus
from homing.model.apps import App
from homing.model.clock import Clock
from homing.model.devices import MAX_USER_ID_BYTES, Account
from homing.model.problems import ACCOUNT_NOT_FOUND, BAD_PARAMETER, Problem, Refused
from homing.store import accounts as store
from homing.store.engine import Database, Tx

from .fresh import FreshCache

MAX_NICK_BYTES = 500
MAX_FACE_URL_BYTES = 500
TOPIC = "accounts/"

Key = tuple[int, str]  # sdkappid, user id


def is_user_id(text: str) -> bool:
    """Whether this can be a UserID: printable ASCII, 1 to 32 bytes (rest-api sheet, section 2)."""
    return 0 < len(text) <= MAX_USER_ID_BYTES and text.isascii() and text.isprintable()


class Accounts:
    """The accounts of every app. What another node changed is seen within two seconds."""

    def __init__(self, database: Database, clock: Clock, bus: Bus) -> None:
        self._database = database
        self._clock = clock
        self._bus = bus
        self._cache: FreshCache[Key, Account | None] = FreshCache(self._load, clock)
        bus.on_announce(TOPIC, self._forget_announced)

    async def get(self, sdkappid: int, user_id: str) -> Account | None:
        """The account as it is stored now, or None."""
        return await self._load((sdkappid, user_id))

    async def valid_from(self, sdkappid: int, user_id: str) -> int:
        """UserSigs issued before this unix second are revoked. Cached; 0 when there is no such account or it was never kicked."""
        account = await self._cache.get((sdkappid, user_id))
        return 0 if account is None else account.valid_from

    async def ensure(self, app: App, user_id: str) -> Account:
        """The account, made when it is missing (first log-in). Raises ``Refused`` for an impossible UserID."""
        account = await self.get(app.sdkappid, user_id)
        if account is not None:
            return account
        if not is_user_id(user_id):
            raise Refused(BAD_PARAMETER, "a UserID is 1 to 32 bytes of printable ASCII")
        now_ms = self._clock.now_ms()

        async def work(tx: Tx) -> Account:
            await store.insert_accounts(tx, app.sdkappid, [(user_id, "", "")], now_ms)
            return (await store.fetch_accounts(tx, app.sdkappid, [user_id]))[user_id]

        account = await self._database.write(work)
        self._changed(app.sdkappid, user_id)
        return account

    async def import_accounts(self, app: App, rows: Sequence[tuple[str, str, str]]) -> list[str]:
        """Make or overwrite accounts ``(user id, nick, face URL)``; returns the UserIDs that are impossible and were left out.

        An empty nick or face URL leaves the stored one as it is.
        """
        good = [row for row in rows if is_user_id(row[0]) and _storable(row[1], MAX_NICK_BYTES) and _storable(row[2], MAX_FACE_URL_BYTES)]
        now_ms = self._clock.now_ms()
        if good:
            await self._database.write(lambda tx: store.upsert_accounts(tx, app.sdkappid, good, now_ms))
        for row in good:
            self._cache.forget((app.sdkappid, row[0]))
        kept = {row[0] for row in good}
        return [user_id for user_id in dict.fromkeys(row[0] for row in rows) if user_id not in kept]

    async def delete(self, app: App, user_ids: Iterable[str]) -> dict[str, Problem | None]:
        """Delete accounts. One answer each: None when it is gone, or why not. Administrators stay.

        The caller ends their devices first.
        """
        wanted = list(dict.fromkeys(user_ids))
        targets = [user_id for user_id in wanted if is_user_id(user_id) and user_id not in app.admins]
        gone: set[str] = set()
        if targets:
            gone.update(await self._database.write(lambda tx: store.delete_accounts(tx, app.sdkappid, targets)))
        for user_id in gone:
            self._changed(app.sdkappid, user_id)
        return {user_id: _why_kept(app, user_id, gone) for user_id in wanted}

    async def check(self, app: App, user_ids: Iterable[str]) -> set[str]:
        """Which of these exist."""
        wanted = [user_id for user_id in user_ids if is_user_id(user_id)]
        if not wanted:
            return set()
        return set(await self._database.read(lambda tx: store.fetch_accounts(tx, app.sdkappid, wanted)))

    async def revoke(self, app: App, user_id: str, now: int) -> None:
        """Revoke every UserSig issued before the unix second ``now``. Raises ``Refused`` when there is no such account.

        A UserSig issued in that very second stays valid: the one made right after the kick must work.
        """
        known = is_user_id(user_id) and await self._database.write(lambda tx: store.set_valid_from(tx, app.sdkappid, user_id, now))
        if not known:
            raise Refused(ACCOUNT_NOT_FOUND, user_id[:MAX_USER_ID_BYTES])
        self._changed(app.sdkappid, user_id)

    async def _load(self, key: Key) -> Account | None:
        sdkappid, user_id = key
        if not is_user_id(user_id):
            return None
        found = await self._database.read(lambda tx: store.fetch_accounts(tx, sdkappid, [user_id]))
        return found.get(user_id)

    def _changed(self, sdkappid: int, user_id: str) -> None:
        self._cache.forget((sdkappid, user_id))
        self._bus.announce(f"{TOPIC}{sdkappid}/{user_id}")

    def _forget_announced(self, topic: str) -> None:
        sdkappid, _, user_id = topic.removeprefix(TOPIC).partition("/")
        if sdkappid.isdigit():
            self._cache.forget((int(sdkappid), user_id))


def _why_kept(app: App, user_id: str, gone: set[str]) -> Problem | None:
    if user_id in gone:
        return None
    return BAD_PARAMETER if user_id in app.admins else ACCOUNT_NOT_FOUND


def _storable(text: str, limit: int) -> bool:
    return len(text.encode("utf-8", "replace")) <= limit and "\0" not in text
