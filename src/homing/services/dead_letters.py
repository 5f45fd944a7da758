"""Dead letters: what failed or expired, and trying it again."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import msgspec

from homing.model.clock import Clock
from homing.model.problems import APP_NOT_FOUND, Problem, Refused
from homing.model.push import PushState
from homing.store import dead_letters as store
from homing.store.apps import get_app
from homing.store.engine import Database, Tx

BATCH = 500
RETRIED_STATES = {"failed": PushState.FAILED, "expired": PushState.EXPIRED}
NOT_RETRIED = Problem(
    "not_retried",
    90_991,
    409,
    "This push cannot be tried again",
    "Only a push that failed or expired can, within its message's lifetime and while its device has a push token",
)

Lane = tuple[int, int, str]


class Retried(msgspec.Struct):
    """What came of trying again, in counts."""

    again: int = 0
    over: int = 0  # the message's lifetime has ended
    no_token: int = 0  # the device has no push token any more


class DeadLetters:
    """Lists and retries. ``wake`` tells lanes that they have work; without it they find it within about a second."""

    def __init__(self, database: Database, clock: Clock, wake: Callable[[Lane], None] | None = None) -> None:
        self._database = database
        self._clock = clock
        self._wake = wake

    async def list(self, sdkappid: int, state: str = "failed", *, reason: str = "", limit: int = 50) -> list[store.Letter]:
        """The newest pushes in a state (failed, expired, suppressed, pending). Raises ``Refused`` where there is no such app."""

        async def work(tx: Tx) -> list[store.Letter]:
            await _require_app(tx, sdkappid)
            return await store.letters(tx, sdkappid, state, reason, limit)

        return await self._database.read(work)

    async def retry_one(self, sdkappid: int, push_id: int) -> None:
        """Try one push again. Raises ``Refused`` with the reason why not."""

        async def work(tx: Tx) -> store.Candidate:
            await _require_app(tx, sdkappid)
            found = await store.candidate(tx, sdkappid, push_id)
            why = "it is not recorded" if found is None else self._why_not(found)
            if found is None or why:
                raise Refused(NOT_RETRIED, f"{push_id}: {why}")
            if not await store.put_back(tx, [found], self._clock.now_ms()):
                raise Refused(NOT_RETRIED, f"{push_id}: it changed at this moment")
            return found

        self._woken(sdkappid, [await self._database.write(work)])

    async def retry_all(self, sdkappid: int, state: str, *, reason: str = "") -> Retried:
        """Try all dead letters in this state (failed, expired) again, in bounded batches; ``reason`` "" means any."""
        retried, after_id = Retried(), 0
        now_ms = self._clock.now_ms()

        async def work(tx: Tx) -> tuple[list[store.Candidate], set[int]]:
            if not after_id:
                await _require_app(tx, sdkappid)
            found = await store.candidates(tx, sdkappid, RETRIED_STATES[state], reason, after_id, BATCH)
            return found, await store.put_back(tx, [c for c in found if not self._why_not(c)], now_ms)

        while True:
            found, done = await self._database.write(work)
            retried.again += len(done)
            retried.over += sum(c.expires_at_ms <= now_ms for c in found)
            retried.no_token += sum(c.expires_at_ms > now_ms and not c.has_token for c in found)
            self._woken(sdkappid, [c for c in found if c.push_id in done])
            if len(found) < BATCH:
                return retried
            after_id = found[-1].push_id

    def _why_not(self, candidate: store.Candidate) -> str:
        if candidate.state not in (PushState.FAILED, PushState.EXPIRED):
            return f"it is {PushState(candidate.state).name.lower()}"
        if candidate.expires_at_ms <= self._clock.now_ms():
            return "its message's lifetime has ended"
        return "" if candidate.has_token else "its device has no push token"

    def _woken(self, sdkappid: int, put_back: Sequence[store.Candidate]) -> None:
        if self._wake is not None:
            for lane in {(sdkappid, c.business_id, c.notification_class) for c in put_back}:
                self._wake(lane)


async def _require_app(tx: Tx, sdkappid: int) -> None:
    if await get_app(tx, sdkappid) is None:
        raise Refused(APP_NOT_FOUND, str(sdkappid))
