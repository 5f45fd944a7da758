"""Do not disturb: what an account wants of its conversations, and when it wants no notifications at all."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import msgspec

from homing.model.apps import App
from homing.model.clock import Clock
from homing.model.problems import BAD_PARAMETER, MSG_SENDER_UNKNOWN, Refused
from homing.model.receive_options import DAY_SECONDS, ONE_TO_ONE_OPTIONS, QuietHours, ReceiveOption
from homing.rules.screening import MAX_OFFSET_MINUTES, is_quiet, is_time_zone
from homing.store import screening as store
from homing.store.engine import Database, Tx
from homing.store.history import unread_of
from homing.store.messages import AccountRow, lock_accounts
from homing.store.presence import set_unread_total
from homing.store.screening import OptionRow

from .accounts import is_user_id

MAX_PEERS = 30  # a call, as the original has it (client-sdk sheet, section 4)
MAX_SET = 10_000  # conversations of an account that are set to something
MAX_WINDOW_SECONDS = 366 * DAY_SECONDS  # of a window that happens once


class QuietState(msgspec.Struct, frozen=True):
    """An account's window, and whether it is in it now."""

    window: QuietHours | None
    active: bool


class DoNotDisturb:
    """The receive options and quiet hours of every app's accounts."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock

    async def set_options(
        self, app: App, user_id: str, peers: Sequence[str], *, option: int | None = None, passes_quiet: bool | None = None
    ) -> None:
        """Set what ``user_id`` wants of its conversations with ``peers``; what is None stays as it is.

        ``passes_quiet``: they notify in its quiet hours too. Raises ``Refused``: too many peers, an impossible option, no such account.
        """
        names = _conversations(peers)
        if option is not None and option not in ONE_TO_ONE_OPTIONS:
            raise Refused(BAD_PARAMETER, f"option {option}", cure="Use 0 (receive and notify), 1 (not receive) or 2 (receive, not notify)")

        async def work(tx: Tx) -> None:
            account = await _lock(tx, app, user_id)
            known = await store.options_of(tx, app.sdkappid, user_id, names)
            if await store.count_options(tx, app.sdkappid, user_id) + len(names) > MAX_SET + len(known):
                raise Refused(BAD_PARAMETER, f"{MAX_SET} conversations are set to something", cure="Set some back to 0 first")
            rows = [known.get(name, OptionRow(name, ReceiveOption.NOTIFY)) for name in names]
            changed = [_changed(row, option, passes_quiet) for row in rows]
            await store.save_options(tx, app.sdkappid, user_id, changed)
            await _recount(tx, account, rows, changed)

        await self._database.write(work)

    async def options(self, app: App, user_id: str, peers: Sequence[str]) -> dict[str, OptionRow]:
        """What ``user_id`` wants of its conversations, by peer. Raises ``Refused`` for too many peers."""
        names = _conversations(peers)
        found = await self._database.read(lambda tx: store.options_of(tx, app.sdkappid, user_id, names))
        return {
            peer: found.get(name, OptionRow(name, ReceiveOption.NOTIFY)) for peer, name in zip(dict.fromkeys(peers), names, strict=True)
        }

    async def set_quiet_hours(self, app: App, user_id: str, window: QuietHours | None) -> None:
        """Set the account's window, or end it with None. Raises ``Refused``: an impossible window, no such account."""
        if window is not None:
            _check(window)

        async def work(tx: Tx) -> None:
            await _lock(tx, app, user_id)
            await store.save_quiet_hours(tx, app.sdkappid, user_id, window)

        await self._database.write(work)

    async def quiet_hours(self, app: App, user_id: str) -> QuietState:
        """The account's window."""
        window = await self._database.read(lambda tx: store.quiet_hours_of(tx, app.sdkappid, user_id))
        return QuietState(window, window is not None and is_quiet(window, self._clock.now_ms() // 1000))


def _conversations(peers: Sequence[str]) -> list[str]:
    names = list(dict.fromkeys(peers))
    if not 0 < len(names) <= MAX_PEERS:
        raise Refused(BAD_PARAMETER, f"{len(names)} accounts", cure=f"Name 1 to {MAX_PEERS}")
    for name in names:
        if not is_user_id(name):
            raise Refused(BAD_PARAMETER, "a peer is no UserID")
    return [f"c2c_{name}" for name in names]


async def _lock(tx: Tx, app: App, user_id: str) -> AccountRow:
    key = (app.sdkappid, user_id)
    account = (await lock_accounts(tx, [key])).get(key) if is_user_id(user_id) else None
    if account is None:
        raise Refused(MSG_SENDER_UNKNOWN)
    return account


async def _recount(tx: Tx, account: AccountRow, before: Sequence[OptionRow], after: Sequence[OptionRow]) -> None:
    """A conversation that is muted leaves the account's unread total, and comes back into it when it rings again."""
    signs = {
        old.conversation.removeprefix("c2c_"): 1 if new.option == ReceiveOption.NOTIFY else -1
        for old, new in zip(before, after, strict=True)
        if (old.option == ReceiveOption.NOTIFY) != (new.option == ReceiveOption.NOTIFY)
    }
    if not signs:
        return
    unread = await unread_of(tx, account.sdkappid, account.user_id, list(signs))
    total = account.unread_total + sum(signs[peer] * count for peer, count in unread.items())
    await set_unread_total(tx, account.sdkappid, account.user_id, max(0, total))


def _changed(row: OptionRow, option: int | None, passes_quiet: bool | None) -> OptionRow:
    return OptionRow(
        row.conversation,
        row.option if option is None else option,
        row.passes_quiet if passes_quiet is None else passes_quiet,
    )


def _check(window: QuietHours) -> None:
    rules: tuple[tuple[Callable[[], bool], str], ...] = (
        (lambda: 0 <= window.start_second < DAY_SECONDS, "the start is no time of the day"),
        (lambda: window.duration_seconds > 0, "the duration is not positive"),
        (lambda: not window.starts_at or window.duration_seconds <= MAX_WINDOW_SECONDS, "the window is longer than a year"),
        (lambda: 0 <= window.starts_at < 2**40, "the start is no unix time in seconds"),
        (lambda: not window.time_zone or is_time_zone(window.time_zone), "the time zone is not known; use a name such as Asia/Shanghai"),
        (lambda: abs(window.utc_offset_minutes) <= MAX_OFFSET_MINUTES, "the offset from UTC is more than 14 hours"),
    )
    for holds, sentence in rules:
        if not holds():
            raise Refused(BAD_PARAMETER, sentence)
