"""Bundles of pushes to many: given to their lanes fresh from the commit, or claimed from the table when they are due."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING

import structlog

from homing.model.clock import Clock
from homing.model.outcome import VendorRequest
from homing.model.push import PushState, Reason
from homing.model.push_jobs import JobState
from homing.store import push_bundles as store
from homing.store import push_queue
from homing.store.audience import DEVICE, TOKEN, still_there
from homing.store.engine import Database, StoreBusy, Tx
from homing.store.push_jobs import get_job_states

from .budgets import Budgets
from .bulk_lane import BulkLane
from .bulk_results import BulkResults, Settled
from .fan_out import LEASE_MS
from .job_contents import JobContents
from .job_pages import Bundle
from .jobs import Answer, Authority, Logins, Sender
from .recorder import Recorder

if TYPE_CHECKING:
    from homing.channels.base import Channel

log = structlog.get_logger()

TICK_SECONDS = 0.5
STOPS_SECONDS = 20.0
RETRY_SECONDS = 0.5
DRAIN_SECONDS = 3.0
NOT_SOONER_MS = 100
Key = tuple[int, int]  # sdkappid, business id


class BulkDispatch:
    """The bulk lanes of one node."""

    def __init__(
        self,
        *,
        database: Database,
        clock: Clock,
        owner: int,
        authority: Authority,
        logins: Logins,
        sender: Sender,
        channels: Mapping[str, Channel],
        budgets: Budgets,
        results: BulkResults,
        recorder: Recorder,
        contents: JobContents,
        chat_waits: Callable[[Key], bool],
    ) -> None:
        self._database = database
        self._clock = clock
        self._owner = owner
        self._authority = authority
        self._logins = logins
        self._sender = sender
        self._channels = channels
        self._budgets = budgets
        self._results = results
        self._recorder = recorder
        self._contents = contents
        self._chat_waits = chat_waits
        self._lanes: dict[Key, BulkLane] = {}
        self._due: dict[Key, int] = {}
        self._wake = asyncio.Event()
        self._moved = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        self._backs: set[asyncio.Task[None]] = set()
        self._stopping = False
        self._renewed_at = 0.0
        self._stops_read_at = -STOPS_SECONDS

    # --- life ---

    async def start(self) -> None:
        """Give back what an earlier life had claimed, then begin to work."""
        now_ms = self._clock.now_ms()
        await self._database.write(lambda tx: store.release_nodes(tx, [self._owner >> 32], now_ms))
        self._task = asyncio.get_running_loop().create_task(self._run())

    async def stop(self) -> None:
        """Claim nothing more, finish what is under way, give the rest back."""
        self._stopping = True
        self._wake.set()
        if self._task is not None:
            await self._task
        await asyncio.gather(*(lane.close(DRAIN_SECONDS) for lane in self._lanes.values()))
        if self._backs:
            await asyncio.wait(self._backs, timeout=DRAIN_SECONDS)

    async def quiet(self) -> None:
        """Wait until no lane has anything."""
        await asyncio.gather(*(lane.idle() for lane in list(self._lanes.values())))

    # --- bundles ---

    def room(self, key: Key) -> int:
        """How many bundles of a certificate may be claimed as they are stored."""
        return self._lane(key).room

    def hand_over(self, bundles: Sequence[Bundle]) -> None:
        """Durable bundles, claimed for this node."""
        by_lane: dict[Key, list[Bundle]] = {}
        for bundle in bundles:
            by_lane.setdefault(bundle.lane, []).append(bundle)
        for key, mine in by_lane.items():
            self._lane(key).add(mine)

    def wake(self) -> None:
        """There may be something to claim."""
        self._wake.set()

    async def room_again(self, seconds: float) -> None:
        """Wait, not longer than this, while a lane that moves is full: what it cannot take would have to be read again."""
        until = self._clock.monotonic() + seconds
        while any(lane.busy for lane in self._lanes.values()) and self._clock.monotonic() < until:
            self._moved.clear()
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._moved.wait(), max(0.001, until - self._clock.monotonic()))

    # --- what lanes ask for ---

    def chat_waits(self, lane: Key) -> bool:
        return self._chat_waits(lane)

    async def write(self, settled: Settled, lane: Key) -> None:
        async def work(tx: Tx) -> bool:
            return await self._results.write(tx, settled, lane[1])

        while True:
            try:
                mine = await self._database.write(work)
                break
            except StoreBusy as busy:
                log.warning("bulk_results_wait_for_the_store", why=str(busy))
                await asyncio.sleep(RETRY_SECONDS)
        if not mine:
            log.warning("bundle_was_taken_over", bundle_id=settled.bundle.bundle_id)
        if settled.retried:
            self._expect(lane, settled.due_at_ms)
        self._moved.set()

    async def look_again(self, bundle: Bundle) -> None:
        targets = [(row[DEVICE], row[TOKEN]) for row in bundle.rows]
        there = await self._database.read(lambda tx: still_there(tx, *bundle.lane, targets))
        bundle.gone = {device_id for device_id, _ in targets if device_id not in there}
        bundle.seen_at = self._clock.monotonic()

    def give_back(self, bundles: Sequence[Bundle], due_at_ms: int) -> None:
        ids = [bundle.bundle_id for bundle in bundles]
        task = asyncio.get_running_loop().create_task(self._release(ids, due_at_ms))
        self._backs.add(task)
        task.add_done_callback(self._backs.discard)

    def texts(self, request: VendorRequest, answer: Answer) -> tuple[str, str]:
        return self._recorder.texts(request, answer)

    async def _release(self, ids: Sequence[int], due_at_ms: int) -> None:
        # When the store is away the lease runs out, which is the same.
        with contextlib.suppress(StoreBusy):
            await self._database.write(lambda tx: store.release_bundles(tx, ids, self._owner, due_at_ms))

    # --- the scheduler ---

    def _lane(self, key: Key) -> BulkLane:
        lane = self._lanes.get(key)
        if lane is None:
            lane = self._lanes[key] = BulkLane(
                key,
                owner=self,
                authority=self._authority,
                logins=self._logins,
                sender=self._sender,
                budgets=self._budgets,
                results=self._results,
                clock=self._clock,
                channel_of=self._channels.get,
            )
        return lane

    def _expect(self, key: Key, due_at_ms: int) -> None:
        if due_at_ms < self._due.get(key, 2**63):
            self._due[key] = due_at_ms

    async def _run(self) -> None:
        while not self._stopping:
            try:
                await self.turn()
            except StoreBusy as busy:
                log.warning("bulk_claims_wait_for_the_store", why=str(busy))
            except Exception:
                log.exception("bulk_turn_failed")
            self._wake.clear()
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._wake.wait(), TICK_SECONDS)

    async def turn(self) -> None:
        """One look at what is due. The scheduler calls it; tests may."""
        now = self._clock.monotonic()
        if now - self._renewed_at >= 1.0:
            self._renewed_at = now
            await self._renew()
        if now - self._stops_read_at >= STOPS_SECONDS:
            self._stops_read_at = now
            await self._read_stops()
        for key, due_at_ms in (await self._database.read(store.bundle_lanes)).items():
            self._expect(key, due_at_ms)
        while not self._stopping:
            now_ms = self._clock.now_ms()
            ready = [key for key, due_at_ms in self._due.items() if due_at_ms <= now_ms and self._lane(key).room]
            if not ready:
                return
            for key in ready:
                await self._claim(key)
            await self.room_again(0.2)

    async def _renew(self) -> None:
        """Prolong what is held, and forget what is no longer ours or whose job was recalled."""
        held = [bundle for lane in self._lanes.values() for bundle in lane.holds()]
        if not held:
            return
        ids, until_ms = [bundle.bundle_id for bundle in held], self._clock.now_ms() + LEASE_MS
        kept = await self._database.write(lambda tx: store.renew_bundles(tx, ids, self._owner, until_ms))
        states = await self._database.read(lambda tx: get_job_states(tx, list({bundle.job_id for bundle in held})))
        over = [
            bundle for bundle in held if bundle.bundle_id not in kept or states.get(bundle.job_id) in (JobState.REVOKED, JobState.PAUSED)
        ]
        if not over:
            return
        for lane in self._lanes.values():
            lane.lose({bundle.bundle_id for bundle in over})
        waiting = {bundle.bundle_id for lane in self._lanes.values() for bundle in lane.holds()}
        await self._end([b for b in over if b.bundle_id not in waiting and b.bundle_id in kept], states)

    async def _end(self, bundles: Sequence[Bundle], states: Mapping[int, int]) -> None:
        for bundle in bundles:
            if states.get(bundle.job_id) == JobState.REVOKED:
                await self.write(self._results.ended(bundle, PushState.CANCELLED, Reason.RECALLED), bundle.lane)
            else:
                self.give_back([bundle], self._clock.now_ms())

    async def _read_stops(self) -> None:
        now_ms = self._clock.now_ms()
        for key, until_ms in (await self._database.read(lambda tx: push_queue.stops(tx, now_ms))).items():
            if key[:2] in self._lanes:
                self._lanes[key[:2]].stop_until(until_ms)

    async def _claim(self, key: Key) -> None:
        lane, now_ms = self._lane(key), self._clock.now_ms()
        limit = lane.room

        found = await self._database.write(lambda tx: store.claim_bundles(tx, key, self._owner, now_ms, LEASE_MS, limit))
        if len(found) < limit:
            self._due.pop(key, None)
        held = {bundle.bundle_id for bundle in lane.holds()}
        for claimed in found:
            if claimed.bundle_id in held:
                continue
            work_of = await self._contents.get(claimed.sdkappid, claimed.job_id)
            if work_of is None:
                await self._release([claimed.bundle_id], now_ms + 60_000)
                continue
            bundle = Bundle(
                claimed.bundle_id,
                claimed.job_id,
                key,
                claimed.channel,
                claimed.platform,
                claimed.language,
                store.decode_targets(claimed.targets),
                work_of.notification(claimed.platform, claimed.language),
                work_of.message.expires_at_ms,
                claimed.created_at_ms,
                claimed.attempts,
            )
            lane.add([bundle])
