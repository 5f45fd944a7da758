"""Vendor log-in grants: one log-in at a time for each key, renewed before they end, shared through the store.

Vendors limit log-ins (APNs refuses a second signed token within twenty minutes, several Android vendors count log-ins a
day), so whatever fails here must never turn into a storm of log-ins.
"""

from __future__ import annotations

import asyncio
import logging
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from typing import Protocol

import msgspec

from homing.model.clock import Clock
from homing.model.outcome import Grant, Outcome, OutcomeKind

log = logging.getLogger(__name__)

MARGIN_MS = 225_000
LOGIN_LIMIT_SECONDS = 60.0
FIRST_PAUSE_SECONDS = 1.0
LONGEST_PAUSE_SECONDS = 60.0
LONGEST_VENDOR_PAUSE_SECONDS = 3600.0
YOUNG_SECONDS = 30.0
MAX_KEYS = 10_000

Login = Callable[[], Awaitable[Grant | Outcome]]


class GrantKey(msgspec.Struct, frozen=True):
    """One set of credentials. A changed certificate has another version and so another grant."""

    sdkappid: int
    business_id: int
    version: int = 1


class GrantStore(Protocol):
    """Where the cluster keeps its grants, one for each key."""

    async def load(self, key: GrantKey) -> Grant | None:
        """The stored grant, or None."""
        ...

    async def save(self, key: GrantKey, grant: Grant, previous_expires_at_ms: int) -> bool:
        """Store ``grant`` if the stored one still ends at ``previous_expires_at_ms`` (0: none is stored). False: it does not."""
        ...


class _Entry:
    __slots__ = ("failure", "failures", "got_at", "grant", "refresh_at_ms", "rejected", "retry_at", "task", "young_rejections")

    def __init__(self) -> None:
        self.grant: Grant | None = None
        self.refresh_at_ms = 0
        self.got_at = 0.0
        self.task: asyncio.Task[Grant | Outcome] | None = None
        self.failure: Outcome | None = None
        self.failures = 0
        self.retry_at = 0.0  # monotonic seconds; no log-in before
        self.rejected = ""  # the token that the vendor refused: the store may still hold it
        self.young_rejections = 0


class Grants:
    """The grants of this node. ``get`` costs a dictionary look-up while the grant is good."""

    def __init__(self, clock: Clock, store: GrantStore | None = None) -> None:
        self._clock = clock
        self._store = store
        self._entries: OrderedDict[GrantKey, _Entry] = OrderedDict()

    async def get(self, key: GrantKey, login: Login) -> Grant | Outcome:
        """A usable grant, or why there is none (with ``retry_after_seconds``).

        ``login`` asks the vendor, or signs; it is called by one caller at a time for each key. A grant near its end is
        renewed in the background while it is still handed out. A failed log-in is remembered for a while.
        """
        entry = self._entry(key)
        grant, now_ms = entry.grant, self._clock.now_ms()
        if grant is not None and now_ms < entry.refresh_at_ms:
            return grant
        usable = grant is not None and now_ms < grant.expires_at_ms
        if entry.task is None:
            waiting = entry.retry_at - self._clock.monotonic()
            if waiting > 0 and not usable:
                return _remembered(entry, waiting)
            if waiting <= 0:
                entry.task = asyncio.ensure_future(self._renew(key, entry, login))
        if usable and grant is not None:
            return grant
        assert entry.task is not None
        return await asyncio.shield(entry.task)  # a cancelled caller leaves the log-in to the others

    def invalidate(self, key: GrantKey, used: Grant) -> None:
        """The vendor refused ``used``. Drops it, and only it: a newer grant stays.

        A vendor that refuses grants as soon as it gave them is asked again after ever longer pauses.
        """
        entry = self._entries.get(key)
        if entry is None or entry.grant is None or entry.grant.access_token != used.access_token:
            return
        now = self._clock.monotonic()
        young = now - entry.got_at < YOUNG_SECONDS
        entry.young_rejections = entry.young_rejections + 1 if young else 0
        if entry.young_rejections > 1:
            entry.failure = Outcome(OutcomeKind.THROTTLED, "grant_refused", "the vendor refuses the grants it gives")
            entry.retry_at = now + _pause(entry.young_rejections - 1)
        entry.rejected, entry.grant = used.access_token, None

    async def aclose(self) -> None:
        """Stop log-ins under way."""
        tasks = [entry.task for entry in self._entries.values() if entry.task is not None]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        self._entries.clear()

    def _entry(self, key: GrantKey) -> _Entry:
        entry = self._entries.get(key)
        if entry is not None:
            self._entries.move_to_end(key)
            return entry
        if len(self._entries) >= MAX_KEYS:
            oldest = next((k for k, e in self._entries.items() if e.task is None), None)
            if oldest is not None:
                del self._entries[oldest]
        entry = self._entries[key] = _Entry()
        return entry

    async def _renew(self, key: GrantKey, entry: _Entry, login: Login) -> Grant | Outcome:
        try:
            stored = await self._load(key)
            if stored is not None and self._better(stored, entry):
                return self._adopt(entry, stored)
            answer = await self._ask(login)
            if isinstance(answer, Outcome):
                return self._fail(entry, answer)
            if answer.expires_at_ms <= self._clock.now_ms():
                return self._fail(entry, Outcome(OutcomeKind.UNKNOWN, "grant_expired", "the vendor gave a grant that has already ended"))
            return self._adopt(entry, await self._share(key, entry, answer, stored))
        finally:
            entry.task = None

    async def _ask(self, login: Login) -> Grant | Outcome:
        try:
            async with asyncio.timeout(LOGIN_LIMIT_SECONDS):
                return await login()
        except TimeoutError:
            return Outcome(OutcomeKind.VENDOR_DOWN, "login_timeout", "the log-in took longer than a minute")
        except Exception as error:  # a broken key must not take the lane down with it
            log.exception("a vendor log-in failed inside")
            return Outcome(OutcomeKind.UNKNOWN, "login_error", f"{type(error).__name__} while logging in")

    async def _load(self, key: GrantKey) -> Grant | None:
        if self._store is None:
            return None
        try:
            return await self._store.load(key)
        except Exception:  # without the store this node still works, alone
            log.exception("a stored grant could not be read")
            return None

    async def _share(self, key: GrantKey, entry: _Entry, grant: Grant, previous: Grant | None) -> Grant:
        """Store the new grant; when another node was faster, the grant of that node, so that all use one."""
        if self._store is None:
            return grant
        try:
            if await self._store.save(key, grant, previous.expires_at_ms if previous else 0):
                return grant
            stored = await self._store.load(key)
        except Exception:
            log.exception("a grant could not be stored")
            return grant
        return stored if stored is not None and self._better(stored, entry) else grant

    def _better(self, stored: Grant, entry: _Entry) -> bool:
        """Whether a stored grant saves the log-in: not refused, not about to end, not the one that is being renewed."""
        present = entry.grant.access_token if entry.grant is not None else ""
        fresh = self._clock.now_ms() < _refresh_at_ms(stored, self._clock.now_ms())
        return fresh and stored.access_token not in (entry.rejected, present)

    def _adopt(self, entry: _Entry, grant: Grant) -> Grant:
        now_ms = self._clock.now_ms()
        entry.grant, entry.refresh_at_ms = grant, _refresh_at_ms(grant, now_ms)
        entry.got_at = self._clock.monotonic()
        entry.failure, entry.failures, entry.retry_at = None, 0, 0.0
        return grant

    def _fail(self, entry: _Entry, outcome: Outcome) -> Outcome:
        entry.failures += 1
        pause = _pause(entry.failures)
        if outcome.retry_after_seconds is not None:
            pause = max(pause, min(outcome.retry_after_seconds, LONGEST_VENDOR_PAUSE_SECONDS))
        entry.failure, entry.retry_at = outcome, self._clock.monotonic() + pause
        return msgspec.structs.replace(outcome, retry_after_seconds=pause)


def _pause(failures: int) -> float:
    return float(min(FIRST_PAUSE_SECONDS * 2 ** min(failures - 1, 10), LONGEST_PAUSE_SECONDS))


def _refresh_at_ms(grant: Grant, now_ms: int) -> int:
    """225 s before the end, but never more than the last third of a short life."""
    life = grant.expires_at_ms - (grant.issued_at_ms or now_ms)
    return grant.expires_at_ms - max(0, min(MARGIN_MS, life // 3))


def _remembered(entry: _Entry, waiting: float) -> Outcome:
    outcome = entry.failure or Outcome(OutcomeKind.THROTTLED, "login_paused")
    return msgspec.structs.replace(outcome, retry_after_seconds=waiting)
