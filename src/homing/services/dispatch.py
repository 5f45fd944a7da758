"""Dispatch: hands durable pushes to their lanes and claims what is due.

Fresh pushes go to their lane straight from the commit that made them, already claimed. Everything else (retries, missed
acknowledgements, what another node left behind) is claimed from the table when it is due.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING

import msgspec
import structlog

from homing.bus.base import Bus
from homing.model.clock import Clock
from homing.model.notification import Notification
from homing.model.push import Reason
from homing.model.push_info import NO_WISHES
from homing.rules import content
from homing.store import push_queue
from homing.store.engine import Database, StoreBusy, Tx
from homing.store.push_queue import ClaimedRow

from .budgets import Budgets
from .fan_out import LEASE_MS, Planned, Stored
from .jobs import AppDirectory, Authority, Job, Logins, Sender
from .lane import CAPACITY, Lane
from .push_hooks import PushHooks
from .recorder import Entry, Recorder
from .second_look import look_again
from .verdicts import Verdicts

if TYPE_CHECKING:
    from homing.channels.base import Channel
    from homing.model.delivery import Delivery

log = structlog.get_logger()

CLAIM_LIMIT = 500
TICK_SECONDS = 1.0
#: How often the table is searched for lanes that nobody told us about, and how small a share of the time that may take.
SURVEY_SECONDS = 1.0
MAX_SURVEY_SECONDS = 20.0
SURVEY_SHARE = 0.1
STOPS_SECONDS = 20.0  # how often the stops that other nodes' quotas ordered are read
GRANT_REFRESH_SECONDS = 30.0
PAUSED_RETRY_MS = 60_000
NOT_SOONER_MS = 100  # another node may hold what is due: no busy waiting for it
#: After an outage of the store every node first writes down what it had sent; only then is anything claimed anew.
AFTER_OUTAGE_SECONDS = 2.0
NO_CERTIFICATE = 0

LaneKey = tuple[int, int, str]
Composed = tuple[str, str, bool]  # language, platform, without a badge


class Dispatch:
    """All lanes of one node."""

    def __init__(
        self,
        *,
        database: Database,
        bus: Bus,
        owner: int,
        clock: Clock,
        apps: AppDirectory,
        authority: Authority,
        logins: Logins,
        sender: Sender,
        channels: Mapping[str, Channel],
        recorder: Recorder,
        verdicts: Verdicts,
        budgets: Budgets | None = None,
        sends: bool = True,
        judges_nodes: Callable[[], bool] = lambda: True,
        on_stored: Callable[[Sequence[Stored]], None] | None = None,
        hooks: PushHooks | None = None,
    ) -> None:
        self._database = database
        self._bus = bus
        self._owner = owner
        self._clock = clock
        self._apps = apps
        self._authority = authority
        self._logins = logins
        self._sender = sender
        self._channels = channels
        self._budgets = budgets or Budgets(database, clock)
        self._recorder = recorder
        self._verdicts = verdicts
        self._sends = sends
        self._on_stored = on_stored
        self._hooks = hooks
        self._lanes: dict[LaneKey, Lane] = {}
        self._wake = asyncio.Event()
        self._turning = asyncio.Lock()
        self._task: asyncio.Task[None] | None = None
        self._stopping = False
        self._judges_nodes = judges_nodes
        self._away = False
        self._claims_from = -AFTER_OUTAGE_SECONDS
        self._survey_every = SURVEY_SECONDS
        self._surveyed_at = -SURVEY_SECONDS
        self._stops_read_at = -STOPS_SECONDS
        self._equipped_at = 0.0
        self._renewed_at = 0.0
        self._refreshed_at = 0.0

    # --- life ---

    async def start(self) -> None:
        """Give back what an earlier life had claimed, then begin to work. A node that does not send only wakes those that do."""
        if not self._sends:
            return
        now_ms = self._clock.now_ms()

        await self._database.write(lambda tx: push_queue.release_owner(tx, self._owner, now_ms))
        self._recorder.on_stuck = self._store_away
        self._bus.on_wake(self.wake)
        self._task = asyncio.get_running_loop().create_task(self._run())

    async def stop(self, drain_seconds: float = 5.0) -> None:
        """Claim nothing more, finish what is in flight, give the rest back."""
        self._stopping = True
        self._wake.set()
        if self._task is not None:
            await self._task
        if self._hooks is not None:
            await self._hooks.quiet()
        for lane in self._lanes.values():
            lane.close()
        with contextlib.suppress(asyncio.TimeoutError):
            await asyncio.wait_for(self.quiet(), drain_seconds)
        await self._budgets.aclose()
        await self._recorder.drain()

    async def quiet(self) -> None:
        """Wait until no request is in flight."""
        await asyncio.gather(*(lane.quiet() for lane in list(self._lanes.values())))

    # --- fresh pushes ---

    def room(self, lane: LaneKey) -> bool:
        """Whether fresh pushes of this lane may be claimed as they are stored. Read from the writer's thread."""
        known = self._lanes.get(lane)
        return known is not None and known.certificate is not None and known.has_room

    def hand_over(self, stored: Sequence[Stored]) -> None:
        """Durable messages: to the sockets, and their claimed pushes to the lanes."""
        if self._on_stored is not None:
            self._on_stored(stored)
        self.hand_on(stored)

    def hand_on(self, stored: Sequence[Stored]) -> None:
        """Durable decisions about messages that are counted already: to the sockets, and their claimed pushes to the lanes."""
        jobs: dict[LaneKey, list[Job]] = {}
        for item in stored:
            composed: dict[Composed, Notification] = {}  # devices of one language and platform are told the same
            for planned in item.pushes:
                if planned.claimed:
                    jobs.setdefault(planned.lane, []).append(_fresh_job(item, planned, composed))
                else:
                    self._expect(planned.lane, planned.due_at_ms)
        self._deliver(stored)
        for key, fresh in jobs.items():
            self._send(self._lanes[key], fresh)

    def _deliver(self, stored: Sequence[Stored]) -> None:
        by_node: dict[int, list[Delivery]] = {}
        for item in stored:
            nodes = item.nodes
            for delivery in item.deliveries:
                by_node.setdefault(nodes[delivery.device_id], []).append(delivery)
        for node_id, deliveries in by_node.items():
            self._bus.deliver(node_id, deliveries)

    def _expect(self, key: LaneKey, due_at_ms: int) -> None:
        if not self._sends:
            self._bus.wake(key)
            return
        lane = self._lane(key)
        if lane.next_due_ms is None or due_at_ms < lane.next_due_ms:
            lane.next_due_ms = due_at_ms
            if due_at_ms <= self._clock.now_ms():
                self._wake.set()

    def wake(self, key: LaneKey) -> None:
        """Somebody says that this lane has work."""
        self._expect(key, self._clock.now_ms())

    def drop_device(self, device_id: int) -> None:
        """A session ended: what waits for its device in memory is forgotten."""
        for lane in self._lanes.values():
            lane.drop_device(device_id)
        if self._hooks is not None:
            self._hooks.drop_device(device_id)

    def lanes(self) -> dict[LaneKey, tuple[int, int]]:
        """Queued and in-flight counts a lane, for metrics."""
        return {key: (lane.queued, lane.in_flight) for key, lane in self._lanes.items()}

    def waits(self, certificate: tuple[int, int]) -> bool:
        """Whether pushes of this certificate (sdkappid, business id) wait in a lane."""
        return any(lane.queued > 0 for key, lane in self._lanes.items() if key[:2] == certificate)

    # --- the scheduler ---

    def _lane(self, key: LaneKey) -> Lane:
        lane = self._lanes.get(key)
        return self._open(key) if lane is None else lane

    def _open(self, key: LaneKey) -> Lane:
        lane = self._lanes[key] = Lane(
            key,
            sender=self._sender,
            logins=self._logins,
            budgets=self._budgets,
            verdicts=self._verdicts,
            clock=self._clock,
            on_room=self._on_room,
        )
        if self._away:
            lane.suspend()
        return lane

    def _on_room(self, lane: Lane) -> None:
        if lane.backlog:
            self._expect(lane.key, self._clock.now_ms())

    async def _run(self) -> None:
        while not self._stopping:
            try:
                await self.turn()
            except StoreBusy as busy:
                log.warning("claims_wait_for_the_store", why=str(busy))
                self._store_away()
                await asyncio.sleep(0.5)
            except Exception:
                log.exception("dispatch_turn_failed")
                await asyncio.sleep(1.0)
            await self._sleep()

    async def turn(self) -> None:
        """One look at what is due. The scheduler calls it; tests may."""
        async with self._turning:
            await self._turn()

    async def _turn(self) -> None:
        now = self._clock.monotonic()
        if self._away and not await self._come_back():
            return
        if now - self._surveyed_at >= self._survey_every:
            await self._survey(now)
        if now - self._equipped_at >= TICK_SECONDS:
            self._equipped_at = now
            await self._equip_all()
        if now - self._renewed_at >= LEASE_MS / 3000:
            self._renewed_at = now
            await self._renew_leases()
        if now - self._refreshed_at >= GRANT_REFRESH_SECONDS:
            self._refreshed_at = now
            for lane in self._lanes.values():
                lane.refresh_grant()
        for lane in self._lanes.values():
            lane.tick()
        if now < self._claims_from:
            return
        now_ms = self._clock.now_ms()
        # One batch a lane and turn: a lane with a long backlog waits for its next turn as everyone does.
        for lane in [lane for lane in self._lanes.values() if lane.next_due_ms is not None and lane.next_due_ms <= now_ms]:
            await self._claim(lane)

    # --- the store goes and comes back ---

    def _store_away(self) -> None:
        if not self._away:
            self._away = True
            for lane in self._lanes.values():
                lane.suspend()

    async def _come_back(self) -> bool:
        """Go on once every result is written and it is known what is still ours. Raises ``StoreBusy``."""
        if self._recorder.stuck:
            return False
        lost = await self._renew_leases()
        self._away = False
        if self._database.dialect == "postgresql":
            self._claims_from = self._clock.monotonic() + AFTER_OUTAGE_SECONDS
        for lane in self._lanes.values():
            lane.go_on(lost)
        return True

    async def _sleep(self) -> None:
        now_ms = self._clock.now_ms()
        dues = [lane.next_due_ms for lane in self._lanes.values() if lane.next_due_ms is not None]
        wait = min([TICK_SECONDS, *((due - now_ms) / 1000 for due in dues)])
        if self._away or self._clock.monotonic() < self._claims_from:
            wait = max(wait, 0.1)  # what is due cannot be claimed yet
        if wait > 0 and not self._stopping:
            with contextlib.suppress(asyncio.TimeoutError):
                await asyncio.wait_for(self._wake.wait(), wait)
        self._wake.clear()

    async def _survey(self, now: float) -> None:
        self._surveyed_at = now
        now_ms = self._clock.now_ms()
        if self._judges_nodes():
            await self._database.write(lambda tx: push_queue.release_lost(tx, self._owner, now_ms))
        began = self._clock.monotonic()
        found = await self._database.read(push_queue.lanes)
        took = self._clock.monotonic() - began
        self._survey_every = min(MAX_SURVEY_SECONDS, max(SURVEY_SECONDS, took / SURVEY_SHARE))
        for key, due_at_ms in found.items():
            self._expect(key, due_at_ms)
        if now - self._stops_read_at >= STOPS_SECONDS:
            self._stops_read_at = now
            stops = await self._database.read(lambda tx: push_queue.stops(tx, now_ms))
            for key, until_ms in stops.items():
                self._lane(key).stop_until(until_ms)

    async def _equip_all(self) -> None:
        for lane in list(self._lanes.values()):
            await self._equip(lane)

    async def _equip(self, lane: Lane) -> None:
        sdkappid, business_id, _ = lane.key
        certificate = await self._authority.get(sdkappid, business_id) if business_id != NO_CERTIFICATE else None
        lane.equip(certificate, self._channels.get(certificate.channel) if certificate is not None else None)

    async def _renew_leases(self) -> set[int]:
        """Prolong what is held here. Returns what is held and no longer ours."""
        held = [*self._recorder.unwritten, *(push_id for lane in self._lanes.values() for push_id in lane.holds())]
        if not held:
            return set()
        until_ms = self._clock.now_ms() + LEASE_MS
        kept = await self._database.write(lambda tx: push_queue.renew(tx, held, self._owner, until_ms))
        return set(held) - kept

    # --- claims ---

    async def _claim(self, lane: Lane) -> None:
        lane.next_due_ms = None
        if not lane.can_take:
            lane.next_due_ms = self._clock.now_ms() + 200
            return
        if lane.certificate is None:
            await self._equip(lane)
        limit = max(1, min(CLAIM_LIMIT, CAPACITY - lane.queued))
        now_ms = self._clock.now_ms()

        async def claim(tx: Tx) -> tuple[list[ClaimedRow], int | None]:
            claimed = await push_queue.claim(tx, lane.key, self._owner, now_ms, LEASE_MS, limit)
            return claimed, await push_queue.next_due(tx, lane.key) if len(claimed) < limit else None

        rows, next_due_ms = await self._database.write(claim)
        lane.backlog = len(rows) >= limit
        if next_due_ms is not None:
            # Retries have due times of their own: what is not due yet must not wait for the next survey.
            self._expect(lane.key, max(next_due_ms, now_ms + NOT_SOONER_MS))
        held = self._recorder.unwritten.union(lane.holds(), self._hooks.holds() if self._hooks is not None else ())
        await self._place(lane, [row for row in rows if row.push_id not in held])
        if lane.backlog and lane.queued < CAPACITY // 2:
            self._expect(lane.key, self._clock.now_ms())

    async def _place(self, lane: Lane, rows: list[ClaimedRow]) -> None:
        """Decide once more about claimed pushes, and queue those that still are to be sent."""
        now_ms = self._clock.now_ms()
        jobs: list[Job] = []
        moved: list[ClaimedRow] = []
        app = await self._apps.get(lane.key[0])
        for row in rows:
            verdict = look_again(row, app, now_ms)
            if verdict is None:
                self._recorder.add(Entry(release=(row.push_id, now_ms + PAUSED_RETRY_MS)))
            elif isinstance(verdict, tuple):
                state, reason = verdict
                self._verdicts.suppressed(row.push_id, reason, row.attempts, state)
            elif row.business_id == lane.key[1]:
                jobs.append(verdict)
            else:
                moved.append(row)
        self._send(lane, jobs)
        await self._move(lane, moved)

    def _send(self, lane: Lane, jobs: Sequence[Job]) -> None:
        """Into the lane; by way of the app's backend where it wants to be asked."""
        if self._hooks is not None and self._hooks.webhooks.by_app and jobs and self._hooks.wants(lane.key[0]):
            self._hooks.screen(lane.key[0], jobs, lane.add, self._veto)
        else:
            lane.add(jobs)

    def _veto(self, job: Job) -> None:
        self._verdicts.suppressed(job.push_id, Reason.VETOED, job.attempts)

    async def _move(self, lane: Lane, rows: list[ClaimedRow]) -> None:
        """The device reported another certificate's token since: these pushes belong to its lane."""
        if not rows:
            return
        now_ms = self._clock.now_ms()
        bindings = [(row.push_id, row.business_id or 0, row.channel or "", row.token or "") for row in rows]
        releases = [(row.push_id, now_ms) for row in rows]

        async def move(tx: Tx) -> None:
            await push_queue.rebind(tx, bindings)
            await push_queue.record(tx, push_queue.Results(releases=releases), self._owner)

        await self._database.write(move)
        for row in rows:
            self._expect((lane.key[0], row.business_id or 0, lane.key[2]), now_ms)


def _fresh_job(stored: Stored, planned: Planned, composed: dict[Composed, Notification]) -> Job:
    device = planned.device
    key = (device.language, device.platform, planned.badge is None)
    notification = composed.get(key)
    if notification is None:
        notification = composed[key] = _composed(stored, planned)
    elif notification.badge is not None and notification.badge != planned.badge:
        notification = msgspec.structs.replace(notification, badge=planned.badge)
    return Job(
        push_id=planned.push_id,
        message_id=stored.message.message_id,
        device_id=device.device_id,
        token=device.token or "",
        notification=notification,
        expires_at_ms=stored.message.expires_at_ms,
        replaces=planned.replaces,
        created_at_ms=planned.due_at_ms - LEASE_MS,
    )


def _composed(stored: Stored, planned: Planned) -> Notification:
    draft, settings, device = stored.entry.draft, stored.entry.app.settings, planned.device
    return content.compose(
        message=stored.message,
        elements=draft.elements,
        info=draft.push_info or NO_WISHES,
        nick=stored.nick,
        settings=settings,
        language=device.language or settings.language,
        platform=device.platform,
        badge=planned.badge,
        default_title=stored.title,
    )
