"""Friends and blacklists."""

from __future__ import annotations

import itertools
from collections.abc import Awaitable, Callable, Iterable, Sequence
from typing import Any

import msgspec

from homing.model.apps import App
from homing.model.clock import Clock
from homing.model.problems import (
    SNS_ACCOUNT_UNKNOWN,
    SNS_BAD_REQUEST,
    SNS_BLACKLIST_FULL,
    SNS_IN_OWN_BLACKLIST,
    SNS_IN_PEER_BLACKLIST,
    SNS_NEEDS_CONFIRMATION,
    SNS_NOT_FRIENDS,
    SNS_PEER_DENIES,
    SNS_PEER_TOO_MANY_FRIENDS,
    SNS_SENDER_FORBIDDEN,
    SNS_TOO_MANY_FRIENDS,
    Problem,
    Refused,
)
from homing.model.relations import MAX_BLOCKED, MAX_FRIENDS, Blocked, Friend, FriendDetails
from homing.rules.portraits import ADMIN_FORBID, ALLOW_TYPE
from homing.store import relations as store
from homing.store.engine import Database, Tx
from homing.store.messages import lock_accounts
from homing.store.portraits import PortraitRow, fetch_portraits

from .accounts import is_user_id

Find = Callable[[Tx, int, Iterable[store.Pair]], Awaitable[Iterable[store.Pair]]]
Results = dict[str, Problem | None]  # by account: None when it worked
PAGE = 100
_REFUSES: dict[str, Problem] = {"AllowType_Type_NeedConfirm": SNS_NEEDS_CONFIRMATION, "AllowType_Type_DenyAny": SNS_PEER_DENIES}


class _Scene(msgspec.Struct):
    """What adding friends has to look at, read once."""

    portraits: dict[str, PortraitRow]  # of the accounts that exist
    blocked: set[store.Pair]
    known: dict[store.Pair, Friend]
    counts: dict[str, int]


class Relations:
    """Who is whose friend, and who takes nothing from whom."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock

    # --- friends ---

    async def add_friends(self, app: App, user_id: str, wanted: Sequence[Friend], *, both: bool, force: bool) -> Results:
        """Ask for friends; ``both``: each gets ``user_id`` as a friend as well. ``force`` passes over blacklists and the others' wishes.

        Raises ``Refused`` when ``user_id`` does not exist.
        """
        names = [friend.user_id for friend in wanted]

        async def work(tx: Tx) -> Results:
            await _lock(tx, app, user_id, names)
            scene = await _look(tx, app.sdkappid, user_id, names)
            results: Results = {}
            rows: list[tuple[str, Friend]] = []
            for friend in wanted:
                problem = results[friend.user_id] = _why_not(scene, user_id, friend.user_id, both=both, force=force)
                if problem is None:
                    rows += _new_rows(scene, user_id, friend, both=both)
            await store.save_friends(tx, app.sdkappid, rows)
            return results

        return await self._database.write(work)

    async def import_friends(self, app: App, user_id: str, friends: Sequence[Friend]) -> Results:
        """Take over friends of another system, on ``user_id``'s side alone; what exists is overwritten. Raises ``Refused``."""
        names = [friend.user_id for friend in friends]

        async def work(tx: Tx) -> Results:
            await _lock(tx, app, user_id, names)
            scene = await _look(tx, app.sdkappid, user_id, names)
            results: Results = {}
            for friend in friends:
                results[friend.user_id] = _why_not(scene, user_id, friend.user_id, both=False, force=True)
                if results[friend.user_id] is None:
                    _count(scene, (user_id, friend.user_id), friend)
            await store.save_friends(tx, app.sdkappid, [(user_id, f) for f in friends if results[f.user_id] is None])
            return results

        return await self._database.write(work)

    async def update_friends(self, app: App, user_id: str, changes: dict[str, dict[str, Any]]) -> Results:
        """Change the notes about friends: fields of ``FriendDetails``; custom fields are merged. Raises ``Refused``."""
        now = self._clock.now_ms() // 1000

        async def work(tx: Tx) -> Results:
            await _lock(tx, app, user_id, ())
            known = await store.find_friends(tx, app.sdkappid, [(user_id, name) for name in changes])
            rows = []
            for (_, name), friend in known.items():
                fields = dict(changes[name])
                if "custom" in fields:
                    fields["custom"] = friend.details.custom | fields["custom"]
                if "remark" in fields:
                    fields["remark_at"] = now
                rows.append((user_id, msgspec.structs.replace(friend, details=msgspec.structs.replace(friend.details, **fields))))
            await store.save_friends(tx, app.sdkappid, rows)
            return {name: None if (user_id, name) in known else SNS_NOT_FRIENDS for name in changes}

        return await self._database.write(work)

    async def delete_friends(self, app: App, user_id: str, names: Sequence[str], *, both: bool) -> Results:
        """End friendships. Raises ``Refused`` when ``user_id`` does not exist."""

        async def work(tx: Tx) -> Results:
            await _lock(tx, app, user_id, ())
            pairs = [(user_id, name) for name in names]
            reverse = [(name, user_id) for name in names] if both else []
            gone = await store.delete_friends(tx, app.sdkappid, [*pairs, *reverse])
            return {name: None if (user_id, name) in gone or (name, user_id) in gone else SNS_NOT_FRIENDS for name in names}

        return await self._database.write(work)

    async def delete_all_friends(self, app: App, user_id: str, *, both: bool) -> None:
        """Empty the list of friends. Raises ``Refused`` when ``user_id`` does not exist."""

        async def work(tx: Tx) -> None:
            await _lock(tx, app, user_id, ())
            await store.delete_all_friends(tx, app.sdkappid, user_id, both=both)

        await self._database.write(work)

    async def friendships(self, app: App, user_id: str, names: Sequence[str]) -> tuple[set[str], set[str], set[str]]:
        """Of ``names``: the accounts that exist, ``user_id``'s friends, and those that have it as a friend. Raises ``Refused``."""
        return await self._both_ways(app, user_id, names, store.find_friends)

    async def friends(self, app: App, user_id: str, names: Sequence[str]) -> dict[str, Friend]:
        """``user_id``'s friends among ``names``. Raises ``Refused`` when it does not exist."""

        async def work(tx: Tx) -> dict[str, Friend]:
            await _known(tx, app, user_id, ())
            found = await store.find_friends(tx, app.sdkappid, [(user_id, name) for name in names])
            return {friend.user_id: friend for friend in found.values()}

        return await self._database.read(work)

    async def page_of_friends(self, app: App, user_id: str, start: int) -> tuple[list[Friend], int]:
        """100 friends from a place on, and how many there are. Raises ``Refused`` when ``user_id`` does not exist."""

        async def work(tx: Tx) -> tuple[list[Friend], int]:
            await _known(tx, app, user_id, ())
            total = (await store.count_friends(tx, app.sdkappid, [user_id])).get(user_id, 0)
            return await store.page_of_friends(tx, app.sdkappid, user_id, start, PAGE), total

        return await self._database.read(work)

    # --- blacklists ---

    async def block(self, app: App, user_id: str, names: Sequence[str]) -> Results:
        """Put accounts on the blacklist; friendships with them end on both sides. Raises ``Refused`` when ``user_id`` does not exist."""
        now = self._clock.now_ms() // 1000

        async def work(tx: Tx) -> Results:
            await _lock(tx, app, user_id, ())
            known = await fetch_portraits(tx, app.sdkappid, [name for name in names if is_user_id(name)])
            old = await store.find_blocked(tx, app.sdkappid, [(user_id, name) for name in names])
            room = MAX_BLOCKED - await store.count_blocked(tx, app.sdkappid, user_id)
            results: Results = {}
            for name in names:
                if name not in known:
                    results[name] = SNS_ACCOUNT_UNKNOWN
                elif name == user_id:
                    results[name] = SNS_BAD_REQUEST
                elif (user_id, name) not in old and room <= 0:
                    results[name] = SNS_BLACKLIST_FULL
                else:
                    room -= (user_id, name) not in old
                    results[name] = None
            good = [name for name in names if results[name] is None]
            if good:
                await store.block(tx, app.sdkappid, user_id, good, now)
                await store.delete_friends(tx, app.sdkappid, _pairs(user_id, good))
            return results

        return await self._database.write(work)

    async def unblock(self, app: App, user_id: str, names: Sequence[str]) -> Results:
        """Take accounts off the blacklist; one that is not on it is no error. Raises ``Refused`` when ``user_id`` does not exist."""

        async def work(tx: Tx) -> Results:
            await _lock(tx, app, user_id, ())
            await store.unblock(tx, app.sdkappid, user_id, names)
            return dict.fromkeys(names)

        return await self._database.write(work)

    async def page_of_blocked(self, app: App, user_id: str, start: int, limit: int) -> tuple[list[Blocked], int]:
        """A part of the blacklist, and how long it is. Raises ``Refused`` when ``user_id`` does not exist."""

        async def work(tx: Tx) -> tuple[list[Blocked], int]:
            await _known(tx, app, user_id, ())
            total = await store.count_blocked(tx, app.sdkappid, user_id)
            return await store.page_of_blocked(tx, app.sdkappid, user_id, start, max(1, min(limit, MAX_BLOCKED))), total

        return await self._database.read(work)

    async def blocks(self, app: App, user_id: str, names: Sequence[str]) -> tuple[set[str], set[str], set[str]]:
        """Of ``names``: the accounts that exist, those on ``user_id``'s blacklist, and those that have it on theirs. Raises ``Refused``."""
        return await self._both_ways(app, user_id, names, store.find_blocked)

    async def _both_ways(self, app: App, user_id: str, names: Sequence[str], find: Find) -> tuple[set[str], set[str], set[str]]:
        async def work(tx: Tx) -> tuple[set[str], set[str], set[str]]:
            known = await _known(tx, app, user_id, names)
            found = await find(tx, app.sdkappid, _pairs(user_id, names))
            return set(known), {b for a, b in found if a == user_id}, {a for a, b in found if b == user_id}

        return await self._database.read(work)


def _pairs(user_id: str, names: Iterable[str]) -> list[store.Pair]:
    return list(itertools.chain.from_iterable(((user_id, name), (name, user_id)) for name in dict.fromkeys(names)))


async def _lock(tx: Tx, app: App, user_id: str, names: Iterable[str]) -> None:
    """Lock the account and the others, as accepting a message does. Raises ``Refused`` when the account does not exist."""
    possible = {name for name in (user_id, *names) if is_user_id(name)}
    found = await lock_accounts(tx, sorted((app.sdkappid, name) for name in possible))
    if (app.sdkappid, user_id) not in found:
        raise Refused(SNS_ACCOUNT_UNKNOWN, "$.From_Account")


async def _known(tx: Tx, app: App, user_id: str, names: Sequence[str]) -> dict[str, PortraitRow]:
    found = await fetch_portraits(tx, app.sdkappid, [name for name in (user_id, *names) if is_user_id(name)])
    if user_id not in found:
        raise Refused(SNS_ACCOUNT_UNKNOWN, "$.From_Account")
    return found


async def _look(tx: Tx, sdkappid: int, user_id: str, names: Sequence[str]) -> _Scene:
    possible = [name for name in (user_id, *names) if is_user_id(name)]
    return _Scene(
        portraits=await fetch_portraits(tx, sdkappid, possible),
        blocked=await store.find_blocked(tx, sdkappid, _pairs(user_id, names)),
        known=await store.find_friends(tx, sdkappid, _pairs(user_id, names)),
        counts=await store.count_friends(tx, sdkappid, possible),
    )


def _why_not(scene: _Scene, user_id: str, other: str, *, both: bool, force: bool) -> Problem | None:
    """Why ``other`` cannot become a friend of ``user_id``, or None."""
    if other == user_id:
        return SNS_BAD_REQUEST
    if other not in scene.portraits:
        return SNS_ACCOUNT_UNKNOWN
    new = (user_id, other) not in scene.known
    if not force and new:
        refusal = _refusal(scene, user_id, other)
        if refusal is not None:
            return refusal
    if new and scene.counts.get(user_id, 0) >= MAX_FRIENDS:
        return SNS_TOO_MANY_FRIENDS
    if both and (other, user_id) not in scene.known and scene.counts.get(other, 0) >= MAX_FRIENDS:
        return SNS_PEER_TOO_MANY_FRIENDS
    return None


def _refusal(scene: _Scene, user_id: str, other: str) -> Problem | None:
    if scene.portraits[user_id].rest.get(ADMIN_FORBID) == "AdminForbid_Type_SendOut":
        return SNS_SENDER_FORBIDDEN
    if (user_id, other) in scene.blocked:
        return SNS_IN_OWN_BLACKLIST
    if (other, user_id) in scene.blocked:
        return SNS_IN_PEER_BLACKLIST
    return _REFUSES.get(scene.portraits[other].rest.get(ALLOW_TYPE, ""))


def _new_rows(scene: _Scene, user_id: str, friend: Friend, *, both: bool) -> list[tuple[str, Friend]]:
    """The rows to write; a friendship that exists keeps its notes."""
    rows = []
    if _count(scene, (user_id, friend.user_id), friend):
        rows.append((user_id, friend))
    mirrored = Friend(user_id, FriendDetails(source=friend.details.source, wording=friend.details.wording), friend.added_at)
    if both and _count(scene, (friend.user_id, user_id), mirrored):
        rows.append((friend.user_id, mirrored))
    return rows


def _count(scene: _Scene, pair: store.Pair, friend: Friend) -> bool:
    """Note a friendship; False when it is known already."""
    if pair in scene.known:
        return False
    scene.known[pair] = friend
    scene.counts[pair[0]] = scene.counts.get(pair[0], 0) + 1
    return True
