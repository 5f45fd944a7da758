"""One lane: the pushes of one certificate and class, on their way to the vendor.

A lane holds one bounded batch in memory, never the backlog. Whatever stops it (vendor down, quota spent, log-in refused)
stops it alone: its pushes go back to the table with a later due time.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Container, Sequence
from typing import TYPE_CHECKING, Any

import structlog

from homing.channels.base import NotShown, follow_ups, host_group_of, not_shown_by
from homing.model.certificates import Certificate
from homing.model.clock import Clock
from homing.model.notification import Target
from homing.model.outcome import Grant, Outcome, OutcomeKind, TransportFailure, VendorRequest
from homing.rules.quota import TRIAL_LOOK_SECONDS, CircuitBreaker

from .budgets import UNLIMITED, Budget, Budgets
from .exchanges import pool_of, rate_of, unanswered
from .host_groups import HostGroups
from .jobs import Answer, Job, Logins, Sender, Times, Used, badge_parts_requests, fitted
from .replacement_order import ReplacementOrder
from .verdicts import Verdicts

if TYPE_CHECKING:
    from homing.channels.base import Channel

log = structlog.get_logger()

CAPACITY = 2_000
#: How many requests one turn of the loop may start, so that a full lane never holds up the others.
STRIDE = 64
#: A pause no longer than this keeps the batch in memory, the wait for a trial's answer among them; a longer one gives it back.
PATIENCE_SECONDS = TRIAL_LOOK_SECONDS
#: How long a push waits when we could not handle it ourselves.
FAULT_MS = 60_000
#: How long a lane sleeps at most while it owes its budget; a bucket holds a tenth of a second.
OWING_SECONDS = 0.05


class Lane:
    """Sends what it is given, within the vendor's limits. All methods run on the event loop."""

    def __init__(
        self,
        key: tuple[int, int, str],
        *,
        sender: Sender,
        logins: Logins,
        budgets: Budgets,
        verdicts: Verdicts,
        clock: Clock,
        on_room: Callable[[Lane], None],
    ) -> None:
        self.key = key
        self.certificate: Certificate | None = None
        self.channel: Channel | None = None
        self.next_due_ms: int | None = None
        self.backlog = False
        self.in_flight = 0
        self._queue: deque[Job] = deque()
        self._sender = sender
        self._logins = logins
        self._verdicts = verdicts
        self._clock = clock
        self._on_room = on_room
        self._limit = 1
        self._pool = ""
        self._badgeless = self._public = False
        self._budgets = budgets
        self._budget: Budget = UNLIMITED
        self._rate = 0.0
        self._permits = 0  # taken from the budget and not used yet; negative: used in advance
        self._wake_up = self._pump_soon
        self._breaker = CircuitBreaker()
        self._groups: HostGroups | None = None  # where tokens name their hosts: then each group has its breaker
        self._not_shown: NotShown | None = None
        self._grant: Grant | None = None
        self._login: asyncio.Task[None] | None = None
        self._held_until = 0.0
        self._held_by_breaker = False
        self._suspended = False
        self._timer: asyncio.TimerHandle | None = None
        self._pump_scheduled = False
        self._stopped_until_ms = 0
        self._order = ReplacementOrder()
        self._sent: set[int] = set()
        self._reconnect = False
        self._closing = False
        self._quiet = asyncio.Event()
        self._quiet.set()

    @property
    def queued(self) -> int:
        """How many pushes wait to be sent."""
        return len(self._queue) + (len(self._groups) if self._groups is not None else 0)

    @property
    def has_room(self) -> bool:
        """Whether fresh pushes may be claimed for this lane right away."""
        return not self.backlog and self.can_take

    @property
    def can_take(self) -> bool:
        """Whether claimed pushes may be added: not while it is held or full."""
        return self.queued < CAPACITY and self._held_until == 0.0 and not self._closing and not self._suspended

    def equip(self, certificate: Certificate | None, channel: Channel | None) -> None:
        """Use this certificate from now on."""
        changed = self.certificate is None or certificate is None or certificate.version != self.certificate.version
        self.certificate, self.channel = certificate, channel
        if not changed or certificate is None or channel is None:
            return
        capabilities, options = channel.capabilities, certificate.options
        self._badgeless = badge_parts_requests(capabilities, options)
        self._public = options.notification_class == "public"
        self._grant = None
        self._pool = pool_of(certificate)
        self._limit = options.max_in_flight or capabilities.max_in_flight
        self._not_shown = not_shown_by(channel)
        if self._groups is None and (group_of := host_group_of(channel)):
            self._groups = HostGroups(group_of, self._limit)
        self._rate = rate_of(certificate, channel)
        self._budget = self._budgets.of(certificate.sdkappid, certificate.business_id, self._rate)

    def stop_until(self, until_ms: int) -> None:
        """A spent quota: nothing is sent before ``until_ms``."""
        self._stopped_until_ms = max(self._stopped_until_ms, until_ms)

    def add(self, jobs: Sequence[Job]) -> None:
        """Queue claimed pushes and send what the limits allow."""
        wait = self._held_until - self._clock.monotonic()
        if self._closing or wait > PATIENCE_SECONDS:
            self._release(jobs, self._clock.now_ms() + max(0, int(wait * 1000)))
            return
        if self._badgeless or self._public:
            for job in jobs:
                job.notification = fitted(job.notification, badgeless=self._badgeless, public=self._public)
        self._queue.extend(jobs)
        self.pump()

    def holds(self) -> list[int]:
        """The push ids that wait here: their leases are to be renewed, and nobody may claim them anew."""
        ids = [job.push_id for job in self._queue]
        ids.extend(self._order.holds())
        ids.extend(self._sent)
        ids.extend(job.push_id for job in self._groups or ())
        return ids

    def drop_device(self, device_id: int) -> None:
        """Forget the queued pushes of a device whose session ended; the table has them suppressed already."""
        self._keep(lambda job: job.device_id != device_id)

    def suspend(self) -> None:
        """Send nothing until ``go_on``: what is sent now could not be written down, and others would send it again."""
        self._suspended = True

    def go_on(self, lost: Container[int]) -> None:
        """Send again. The pushes in ``lost`` belong to another node now."""
        self._suspended = False
        if lost:
            self._keep(lambda job: job.push_id not in lost)
        self._pump_soon()

    def _keep(self, wanted: Callable[[Job], bool]) -> None:
        self._order.keep(wanted)
        if self._queue:
            self._queue = deque(filter(wanted, self._queue))
        if self._groups is not None:
            self._groups.keep(wanted)

    def close(self) -> None:
        """Send nothing more; give the queue back."""
        self._closing = True
        self._give_back(self._clock.now_ms())
        for handle in (self._timer, self._login):
            if handle is not None:
                handle.cancel()

    async def quiet(self) -> None:
        """Wait until nothing is in flight."""
        await self._quiet.wait()

    # --- sending ---

    def pump(self) -> None:
        """Start as many requests as limits and one turn of the loop allow."""
        if self._closing:
            self._give_back(self._clock.now_ms())
        if self._held_until or self._suspended:
            return
        started = 0
        while self._queue and self.in_flight < self._limit and not self._closing:
            if started >= STRIDE:
                self._pump_soon()
                break
            wait = self._gate()
            if wait > 0:
                self._hold(wait)
                break
            if wait < 0:
                break
            started += self._start_next()
        if len(self._queue) < CAPACITY // 2:
            self._on_room(self)

    def _pump_soon(self) -> None:
        if not self._pump_scheduled:
            self._pump_scheduled = True
            asyncio.get_running_loop().call_soon(self._pump_again)

    def _pump_again(self) -> None:
        self._pump_scheduled = False
        self.pump()

    def _gate(self) -> float:
        """0: go on. Positive: seconds to wait. Negative: something else will pump again."""
        now_ms = self._clock.now_ms()
        certificate = self.certificate
        if certificate is None or self.channel is None or certificate.paused_reason:
            return 60.0
        if now_ms < self._stopped_until_ms:
            return (self._stopped_until_ms - now_ms) / 1000
        if self.channel.capabilities.login_token_seconds is not None and not self._grant_valid(now_ms):
            self._log_in(certificate)
            return -1.0
        now = self._clock.monotonic()
        while self._permits < 1:
            wait = self._budget.take(now, max(len(self._queue) - 1, -self._permits), self._wake_up)
            if wait > 0:  # many permits are owed: not a timer for each of them
                return max(wait, min(-self._permits / self._rate, OWING_SECONDS))
            if wait:
                return wait
            self._permits += 1
        # Asked last: a half-open breaker admits one trial, which must not be spent on waiting.
        wait = self._breaker.wait_seconds(now)
        if wait:
            self._held_by_breaker = True
        return wait

    def _hold(self, seconds: float) -> None:
        if seconds > PATIENCE_SECONDS:
            self._give_back(self._clock.now_ms() + int(seconds * 1000))
        self._held_until = self._clock.monotonic() + seconds
        if self._timer is not None:
            self._timer.cancel()
        self._timer = asyncio.get_running_loop().call_later(seconds, self._resume)

    def tick(self) -> None:
        """Go on when a pause is over, should its timer have been missed."""
        if self._held_until and self._clock.monotonic() >= self._held_until:
            self._resume()

    def _resume(self) -> None:
        self._held_until = 0.0
        self._held_by_breaker = False
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self._pump_soon()
        self._on_room(self)

    def _give_back(self, due_at_ms: int) -> None:
        parked = self._groups.drain() if self._groups is not None else []
        if self._queue or parked:
            jobs, self._queue = [*parked, *self._queue], deque()
            self._release(jobs, due_at_ms)

    def _release(self, jobs: Sequence[Job], due_at_ms: int) -> None:
        self._verdicts.release(jobs, due_at_ms)
        self._due(due_at_ms)

    def _due(self, due_at_ms: int) -> None:
        self.next_due_ms = due_at_ms if self.next_due_ms is None else min(due_at_ms, self.next_due_ms)

    def _start_next(self) -> int:
        """Send the next group of equal notifications. Returns the number of requests started."""
        jobs = self._take_group()
        if not jobs:
            return 0
        certificate, channel = self.certificate, self.channel
        assert certificate is not None
        assert channel is not None
        if self._not_shown is not None and (reason := self._not_shown(jobs[0].notification, certificate)):
            for job in jobs:
                self._verdicts.suppressed(job.push_id, reason, job.attempts)
                self._leave(job)
            return 0
        targets = [Target(job.push_id, job.token) for job in jobs]
        try:
            requests = channel.render(jobs[0].notification, targets, certificate, self._grant, self._clock.now_ms())
        except Exception:
            log.exception("notification_not_rendered", lane=self.key)
            self._try_later(jobs)
            return 0
        if len(requests) == 1:
            self._submit(requests[0], jobs)
            return 1
        by_id = {job.push_id: job for job in jobs}
        for request in requests:
            self._submit(request, [by_id[target.push_id] for target in request.targets])
        return len(requests)

    def _take_group(self) -> list[Job]:
        assert self.channel is not None
        size = self.channel.capabilities.batch_size
        first = self._take_one()
        if first is None:
            return []
        jobs = [first]
        tokens = {first.token}
        while len(jobs) < size and self._queue:
            following = self._queue[0]
            if following.notification != first.notification or following.token in tokens:
                break
            job = self._take_one()
            if job is None:
                break
            jobs.append(job)
            tokens.add(job.token)
        return jobs

    def _take_one(self) -> Job | None:
        """The next job that may go now. Promise 8: one at a time for each device and conversation that replaces."""
        job = self._queue.popleft()
        if job.expires_at_ms <= self._clock.now_ms():
            self._verdicts.expired(job)
            return None
        if self._groups is not None and not self._admitted(job, self._groups):
            return None
        if not job.replaces:
            return job
        goes, older = self._order.enter(job)
        if older is not None:
            self._verdicts.superseded(older)
        return job if goes else None

    def _admitted(self, job: Job, groups: HostGroups) -> bool:
        """Whether its host takes requests now; else it is parked, or given back until the host may."""
        wait = groups.admit(job, self._clock.monotonic())
        if wait > 0:
            self._release([job], self._clock.now_ms() + int(wait * 1000))
        return wait == 0

    def _submit(self, request: VendorRequest, jobs: list[Job]) -> None:
        if not self.in_flight:
            self._quiet.clear()
        self.in_flight += 1
        if self._groups is not None:
            self._groups.started(jobs[0])
        self._permits -= self._cost(request)
        for job in jobs:
            self._sent.add(job.push_id)
        started_ms, started = self._clock.now_ms(), self._clock.monotonic()
        grant, certificate = self._grant, self.certificate
        reconnect, self._reconnect = self._reconnect, False

        def answered(answer: Answer) -> None:
            latency_ms = int((self._clock.monotonic() - started) * 1000)
            self._on_answer(request, jobs, answer, (started_ms, latency_ms), (grant, certificate))

        self._sender.submit(request, self._pool, answered, reconnect=reconnect)

    def _cost(self, request: VendorRequest) -> int:
        """Permits that a request needs; one for many phones is paid for afterwards, so that it is slow and never stuck."""
        assert self.channel is not None
        return max(1, len(request.targets)) if self.channel.capabilities.rate_counts_devices else 1

    # --- answers ---

    def _on_answer(self, request: VendorRequest, jobs: list[Job], answer: Answer, times: Times, used: Used) -> None:
        self.in_flight -= 1
        for job in jobs:
            self._sent.discard(job.push_id)
        try:
            self._judge(request, jobs, answer, times, used)
        except Exception:
            log.exception("answer_not_understood", lane=self.key)
            self._try_later(jobs)
        if self._groups is not None:
            self._queue.extendleft(reversed(self._groups.ended(jobs[0])))
        if not self.in_flight:  # asked last: an answer may have started another request
            self._quiet.set()
        self._pump_soon()

    def _try_later(self, jobs: list[Job]) -> None:
        """A fault of ours must not lose the push: it goes back to the table and is tried again."""
        self._release(jobs, self._clock.now_ms() + FAULT_MS)
        for job in jobs:
            self._leave(job)

    def _judge(self, request: VendorRequest, jobs: list[Job], answer: Answer, times: Times, used: Used) -> None:
        channel, certificate = self.channel, used[1]
        assert channel is not None
        assert certificate is not None
        now_ms = self._clock.now_ms()
        if isinstance(answer, TransportFailure):
            outcomes = [unanswered(answer)] * len(jobs)
        else:
            outcomes = channel.interpret(request, answer, now_ms)
            following = follow_ups(channel, request, answer, certificate)
            if following:
                self._note_health(outcomes[0], jobs[0])
                self._permits += self._cost(request) - 1  # it reached no phone
                self._follow(following, jobs, outcomes, self._verdicts.answered(request, answer, times))
                return
        self._reconnect = self._reconnect or any(outcome.reconnect for outcome in outcomes)
        self._note_health(outcomes[0], jobs[0])
        again: list[Job] = []
        answered = self._verdicts.answered(request, answer, times)
        for job, outcome in zip(jobs, outcomes, strict=True):
            step = self._verdicts.judge(self.key, certificate, job, outcome, answered, newer_waits=self._order.newer_waits(job))
            if step.refresh_grant and used[0] is not None:
                self._renew(certificate, used[0])
            if step.stop_lane_until_ms is not None:
                self.stop_until(step.stop_lane_until_ms)
            self._leave(job)  # one that goes again at once takes its turn anew
            if step.kind == "retry" and step.refresh_grant and not job.refreshed:
                job.refreshed = True
                again.append(job)
            elif step.kind == "retry":
                self._due(step.due_at_ms)
        self._queue.extendleft(reversed(again))

    def _leave(self, job: Job) -> None:
        waiting = self._order.leave(job)
        if waiting is not None:
            self._queue.appendleft(waiting)

    def _follow(self, requests: list[VendorRequest], jobs: list[Job], outcomes: list[Outcome], answered: tuple[str, str, int, int]) -> None:
        """Go on with the same pushes: a vendor's second step, or a repaired request."""
        self._verdicts.noted(jobs, outcomes, answered)
        by_id = {job.push_id: job for job in jobs}
        for request in requests:
            self._submit(request, [by_id[target.push_id] for target in request.targets])

    def _note_health(self, outcome: Outcome, job: Job) -> None:
        groups, now = self._groups, self._clock.monotonic()
        breaker = groups.breaker(job) if groups is not None else self._breaker
        if outcome.kind is OutcomeKind.VENDOR_DOWN:
            breaker.failure(now)
        else:
            breaker.success()
            if self._held_by_breaker:
                self._resume()
        if outcome.kind is OutcomeKind.THROTTLED and outcome.retry_after_seconds:
            seconds = min(outcome.retry_after_seconds, PATIENCE_SECONDS)
            if groups is not None:
                groups.hold(job, now + seconds)
            else:
                self._hold(seconds)

    # --- logging in at the vendor ---

    def _grant_valid(self, now_ms: int) -> bool:
        return self._grant is not None and now_ms < self._grant.expires_at_ms

    def _renew(self, certificate: Certificate, used: Grant) -> None:
        self._logins.invalidate(certificate, used)
        if self._grant is used:
            self._grant = None

    def refresh_grant(self) -> None:
        """Look for a fresher grant in the background; called now and then while the present one still works."""
        if self.certificate is not None and self._grant is not None and not self.certificate.paused_reason:
            self._log_in(self.certificate)

    def _log_in(self, certificate: Certificate) -> None:
        if self._login is None:
            self._login = asyncio.get_running_loop().create_task(self._fetch_grant(certificate))

    async def _fetch_grant(self, certificate: Certificate) -> None:
        try:
            result: Any = await self._logins.grant(certificate)
        except Exception as error:
            log.exception("login_failed", lane=self.key)
            result = Outcome(OutcomeKind.VENDOR_DOWN, "login_failed", str(error))
        self._login = None
        if isinstance(result, Outcome):
            if not self._grant_valid(self._clock.now_ms()):
                self._login_refused(certificate, result)
            return
        self._grant = result
        self.pump()

    def _login_refused(self, certificate: Certificate, outcome: Outcome) -> None:
        log.warning("vendor_login_refused", lane=self.key, code=outcome.code, detail=outcome.detail)
        if outcome.kind is OutcomeKind.CREDENTIALS_REFUSED:
            self._verdicts.pause(certificate, outcome)
        seconds = outcome.retry_after_seconds or 10.0
        self._verdicts.login_failed(list(self._queue), outcome)
        self._give_back(self._clock.now_ms() + int(seconds * 1000))
        self._hold(seconds)
