"""Walks the audiences of jobs: a page at a time, its cursor and its pushes in one transaction, so that nobody is left out or met twice.

A job is walked by one node at a time, under a lease; the cursor is the fence: a page counts only where the page before it ended.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Mapping
from typing import TYPE_CHECKING

import msgspec
import structlog

from homing.bus.base import Bus
from homing.model.clock import Clock, Ids
from homing.model.delivery import Delivery
from homing.model.messages import Draft, MessageFlags
from homing.model.push_jobs import Condition, JobKind, JobState, PushJob
from homing.model.receive_options import Screening
from homing.store import audience, push_bundles
from homing.store import push_jobs as store
from homing.store.audience import Page
from homing.store.engine import Database, StoreBusy, Tx
from homing.store.pushes import insert_pushes
from homing.store.screening import load_screens_of_many

from .bulk_dispatch import BulkDispatch
from .fan_out import LEASE_MS, Results
from .job_contents import JobContents
from .job_pages import BuiltPage, JobContent, PageBuilder, bundle_size_of
from .messaging import Messaging
from .recalls import replaced_page

if TYPE_CHECKING:
    from homing.channels.base import Channel

log = structlog.get_logger()

TICK_SECONDS = 0.5
#: Accounts looked at in one step: enough that vendors with a thousand targets a request get full ones.
PAGE_ACCOUNTS = 20_000
#: Accounts of a page that stores a message for each.
PAGE_MESSAGES = 200
EARLY_SECONDS = 0.001
#: A job with a speed limit gets this many steps a second.
STEPS_PER_SECOND = 5
MAX_JOBS = 8
JOB_LEASE_MS = 15_000
#: How long a full lane may hold up the walk of a page.
FULL_LANE_SECONDS = 0.25
_condition = msgspec.json.Decoder(Condition).decode


class JobRunner:
    """Walks the jobs that it can get, in turns."""

    def __init__(
        self,
        *,
        database: Database,
        clock: Clock,
        ids: Ids,
        owner: int,
        bus: Bus,
        channels: Mapping[str, Channel],
        contents: JobContents,
        bulk: BulkDispatch,
        messaging: Messaging,
    ) -> None:
        self._database = database
        self._clock = clock
        self._ids = ids
        self._owner = owner
        self._bus = bus
        self._channels = channels
        self._contents = contents
        self._bulk = bulk
        self._messaging = messaging
        self._claimed: dict[int, int] = {}  # job: until when it is ours
        self._next_at: dict[int, float] = {}  # job with a speed limit: when its next page may be walked
        self._wake = asyncio.Event()
        self._stopping = False
        self._task: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Leave what an earlier life of this node walked, then begin to work."""
        await self._database.write(lambda tx: store.let_go_nodes(tx, [self._owner >> 32]))
        self._task = asyncio.get_running_loop().create_task(self._run())

    async def stop(self) -> None:
        """End with the page that is being walked; others may go on with its job at once."""
        self._stopping = True
        self._wake.set()
        if self._task is not None:
            await self._task
        for job_id in self._claimed:
            with contextlib.suppress(StoreBusy):
                await self._database.write(lambda tx, job_id=job_id: store.let_go(tx, job_id, self._owner))  # type: ignore[misc]

    def wake(self, job_id: int) -> None:  # noqa: ARG002  (which job it is shows when they are read)
        """A job was made or changed."""
        self._wake.set()
        self._bulk.wake()

    async def _run(self) -> None:
        while not self._stopping:
            wait = 0.5
            try:
                wait = await self.turn()
            except StoreBusy as busy:
                log.warning("jobs_wait_for_the_store", why=str(busy))
            except Exception:
                log.exception("job_turn_failed")
            if wait > 0 and not self._stopping:
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(self._wake.wait(), wait)
            self._wake.clear()

    async def turn(self) -> float:
        """One page of every job that may go on. Returns in how many seconds there may be something to do. Tests call it, too."""
        now_ms = self._clock.now_ms()
        for job_id, sdkappid, state in await self._database.read(lambda tx: store.expired_jobs(tx, now_ms)):
            await self._expire(job_id, sdkappid, state, now_ms)
        jobs = await self._database.read(lambda tx: store.runnable_jobs(tx, self._owner, now_ms, MAX_JOBS))
        self._claimed = {job_id: until for job_id, until in self._claimed.items() if any(job.job_id == job_id for job in jobs)}
        self._next_at = {job_id: at for job_id, at in self._next_at.items() if job_id in self._claimed}
        waits = [TICK_SECONDS]
        for job in jobs:
            if self._stopping:
                break
            wait = self._next_at.get(job.job_id, 0.0) - self._clock.monotonic()
            if wait <= EARLY_SECONDS:
                wait = 0.0 if await self._step(job) else TICK_SECONDS
            waits.append(wait)
        return min(waits)

    async def _expire(self, job_id: int, sdkappid: int, state: int, now_ms: int) -> None:
        await self._database.write(lambda tx: store.end_job(tx, sdkappid, job_id, state, JobState.EXPIRED, now_ms))

    async def _step(self, job: PushJob) -> bool:
        """Walk one page. False: this job is another's, or there is nothing to do for now."""
        now_ms = self._clock.now_ms()
        if self._claimed.get(job.job_id, 0) < now_ms + JOB_LEASE_MS // 2:
            if not await self._database.write(lambda tx: store.claim_job(tx, job.job_id, self._owner, now_ms, JOB_LEASE_MS)):
                return False
            self._claimed[job.job_id] = now_ms + JOB_LEASE_MS
        work = await self._contents.get(job.sdkappid, job.job_id)
        if work is None:
            return False
        limit = self._page_size(job)
        if job.kind == JobKind.MESSAGE:
            accounts = await self._message_page(job, work, limit)
        else:
            accounts = await self._push_page(job, work, limit)
        if accounts is None:
            self._claimed.pop(job.job_id, None)
            return False
        if job.per_second:
            now = self._clock.monotonic()
            # What came late is caught up with, by a second at most.
            self._next_at[job.job_id] = max(self._next_at.get(job.job_id, now), now - 1.0) + accounts / job.per_second
        return True

    def _page_size(self, job: PushJob) -> int:
        largest = PAGE_MESSAGES if job.kind == JobKind.MESSAGE else PAGE_ACCOUNTS
        return min(largest, max(1, job.per_second // STEPS_PER_SECOND)) if job.per_second else largest

    # --- pushes alone ---

    async def _push_page(self, job: PushJob, work: JobContent, limit: int) -> int | None:
        """Decide a page and store it. The number of accounts, or None when the job is no longer ours to walk."""
        await self._bulk.room_again(FULL_LANE_SECONDS)
        condition = _condition(job.condition)

        async def read(tx: Tx) -> tuple[Page, dict[int, tuple[str, str]], dict[str, Screening]]:
            if job.replaces_job:
                page = await replaced_page(tx, job)
            else:
                page = await audience.read_page(tx, job.sdkappid, condition, job.cursor, limit)
            screens: dict[str, Screening] = {}
            if work.honours_mute:
                screens = await load_screens_of_many(tx, job.sdkappid, (row[audience.USER] for row in page.rows), job.from_account)
            return page, await audience.certificates(tx, job.sdkappid), screens

        page, certificates, screens = await self._database.read(read)
        builder = PageBuilder(
            job,
            work,
            certificates=certificates,
            bundle_size=self._bundle_size,
            ids=self._ids,
            owner=self._owner,
            now_ms=self._clock.now_ms(),
            seen_at=self._clock.monotonic(),
            lease_ms=LEASE_MS,
            room=self._rooms(job.sdkappid, certificates),
            screens=screens,
        )
        # Thousands of decisions are not made on the loop: what waits there would feel it.
        built = await asyncio.to_thread(builder.build, page.rows, page.cursor)
        if not await self._database.write(lambda tx: self._store(tx, job, page, built)):
            return None
        self._bulk.hand_over(built.bundles)
        self._deliver(built)
        return built.accounts

    def _rooms(self, sdkappid: int, certificates: Mapping[int, object]) -> dict[tuple[int, int], int]:
        return {(sdkappid, business_id): self._bulk.room((sdkappid, business_id)) for business_id in certificates}

    def _bundle_size(self, channel: str) -> int:
        known = self._channels.get(channel)
        return bundle_size_of(known.capabilities.batch_size if known is not None else 1)

    async def _store(self, tx: Tx, job: PushJob, page: Page, built: BuiltPage) -> bool:
        """The cursor and everything that the page leads to, or nothing."""
        now_ms = self._clock.now_ms()
        counts = (built.accounts, built.targets, built.suppressed, len(built.push_rows))
        if not await store.advance_job(tx, job, self._owner, page.cursor, page.last, now_ms + JOB_LEASE_MS, counts):
            return False
        await push_bundles.insert_bundles(tx, built.bundle_rows)
        await insert_pushes(tx, built.push_rows)
        if page.last:
            await store.finish_job(tx, job.job_id, now_ms)
        return True

    def _deliver(self, built: BuiltPage) -> None:
        by_node: dict[int, list[Delivery]] = {}
        for node_id, delivery in built.deliveries:
            by_node.setdefault(node_id, []).append(delivery)
        for node_id, deliveries in by_node.items():
            self._bus.deliver(node_id, deliveries)

    # --- a stored message for each account ---

    async def _message_page(self, job: PushJob, work: JobContent, limit: int) -> int | None:
        """Store the message for a page of accounts, as if it was sent to each of them, together with the cursor."""
        condition = _condition(job.condition)

        async def read(tx: Tx) -> Page:
            return await audience.read_page(tx, job.sdkappid, condition, job.cursor, limit)

        page = await self._database.read(read)
        users = [user for user in dict.fromkeys(row[audience.USER] for row in page.rows) if user != job.from_account]
        entries = self._messaging.prepared(work.app, [self._draft(job, work, user) for user in users])

        n = len(users)

        async def write(tx: Tx) -> Results | None:
            until_ms = self._clock.now_ms() + JOB_LEASE_MS
            if not await store.advance_job(tx, job, self._owner, page.cursor, page.last, until_ms, (n, n, 0, 0)):
                return None
            results = await self._messaging.store(tx, entries)
            await store.count_results(tx, [(job.job_id, n, 0, 0, 0)])
            if page.last:
                await store.finish_job(tx, job.job_id, self._clock.now_ms())
            return results

        results = await self._database.write(write)
        if results is None:
            return None
        self._messaging.hand_over(results)
        return n

    def _draft(self, job: PushJob, work: JobContent, user_id: str) -> Draft:
        # One random value and MsgSeq for all: they share the MsgKey, and vendors take many of them in one request.
        return Draft(
            from_account=job.from_account,
            to_account=user_id,
            elements=work.elements,
            random=job.random,
            seq=work.message.seq,
            flags=MessageFlags(work.message.flags) | MessageFlags.BATCH | MessageFlags.NO_SENDER_COPY,
            lifetime_seconds=max(1, (job.expires_at_ms - job.created_at_ms) // 1000),
            push_info=None if work.message.push_info is None else work.info,
        )
