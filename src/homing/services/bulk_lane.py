"""One certificate's lane for bundles: vendor requests with as many targets as the vendor takes, after the chat pushes.

It has connections, a breaker and a log-in of its own, holds a few bundles in memory, and shares nothing with the chat
lanes of the certificate but its rate limit, at which it waits until no chat push does.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections import deque
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, Protocol

import structlog

from homing.channels.base import follow_ups
from homing.model.certificates import Certificate
from homing.model.clock import Clock
from homing.model.notification import Target
from homing.model.outcome import Grant, Outcome, OutcomeKind, TransportFailure, VendorRequest
from homing.model.push import PushState, Reason
from homing.rules.quota import TRIAL_LOOK_SECONDS, CircuitBreaker
from homing.store.audience import DEVICE, TOKEN

from .budgets import UNLIMITED, Budgets
from .bulk_results import BulkResults, Settled
from .exchanges import attempt_row, pool_of, rate_of, unanswered
from .job_pages import Bundle
from .jobs import Answer, Authority, Logins, Sender

if TYPE_CHECKING:
    from homing.channels.base import Channel

log = structlog.get_logger()

CAPACITY = 8
#: Requests with many targets under way at once, and with one each.
BATCHES_IN_FLIGHT = 4
#: A pause longer than this gives the bundles back; not the wait for a trial's answer.
PATIENCE_SECONDS = TRIAL_LOOK_SECONDS
#: How often, and at which distance, a bundle looks whether chat pushes still wait: they keep it back for a second at most.
COURTESY_LOOKS = 50
LOOK_SECONDS = 0.02
#: What was decided longer ago is looked at again before it is sent: sessions end, and tokens move.
FRESH_SECONDS = 2.0
NOT_UNDERSTOOD_MS = 60_000


class Owner(Protocol):
    """What a lane needs of the node."""

    def chat_waits(self, lane: tuple[int, int]) -> bool:
        """Whether chat pushes of this certificate wait."""
        ...

    async def write(self, settled: Settled, lane: tuple[int, int]) -> None:
        """Write a result; returns when it is on disk."""
        ...

    async def look_again(self, bundle: Bundle) -> None:
        """Find out which targets of a bundle are none any more."""
        ...

    def give_back(self, bundles: Sequence[Bundle], due_at_ms: int) -> None:
        """These bundles are to be claimed again when they are due."""
        ...

    def texts(self, request: VendorRequest, answer: Answer) -> tuple[str, str]:
        """A request and its answer as they are kept, secrets masked."""
        ...


class BulkLane:
    """Sends bundles one after the other, several under way. All methods run on the event loop."""

    def __init__(
        self,
        key: tuple[int, int],
        *,
        owner: Owner,
        authority: Authority,
        logins: Logins,
        sender: Sender,
        budgets: Budgets,
        results: BulkResults,
        clock: Clock,
        channel_of: Callable[[str], Channel | None],
    ) -> None:
        self.key = key
        self.held_until = 0.0
        self._owner = owner
        self._authority = authority
        self._logins = logins
        self._sender = sender
        self._budgets = budgets
        self._results = results
        self._clock = clock
        self._channel_of = channel_of
        self._queue: deque[Bundle] = deque()
        self._flying: dict[int, Bundle] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._changed = asyncio.Event()
        self._breaker = CircuitBreaker()
        self._grant: Grant | None = None
        self._stopped_until_ms = 0
        self._permits = 0
        self._closing = False
        self._task = asyncio.get_running_loop().create_task(self._run())

    @property
    def room(self) -> int:
        """How many bundles it can take."""
        if self._closing or self.held_until > self._clock.monotonic():
            return 0
        return max(0, CAPACITY - len(self._queue) - len(self._flying))

    @property
    def busy(self) -> bool:
        """Whether it is full, and moves."""
        return len(self._queue) + len(self._flying) >= CAPACITY and self.held_until <= self._clock.monotonic()

    def holds(self) -> list[Bundle]:
        """The bundles that wait or are under way here."""
        return [*self._queue, *self._flying.values()]

    def add(self, bundles: Sequence[Bundle]) -> None:
        """Take claimed bundles."""
        self._queue.extend(bundles)
        self._changed.set()

    def lose(self, bundle_ids: set[int]) -> None:
        """These bundles are no longer this node's, or their job was recalled."""
        self._queue = deque(bundle for bundle in self._queue if bundle.bundle_id not in bundle_ids)

    def stop_until(self, until_ms: int) -> None:
        """A spent quota: nothing is sent before ``until_ms``."""
        self._stopped_until_ms = max(self._stopped_until_ms, until_ms)

    async def close(self, seconds: float) -> None:
        """Send nothing more: finish what is under way, give back the rest."""
        self._closing = True
        self._task.cancel()
        self._give_back(self._clock.now_ms())
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=seconds)
        for task in list(self._tasks):
            task.cancel()

    async def idle(self) -> None:
        """Wait until nothing waits or is under way."""
        while self._queue or self._flying:
            self._changed.clear()
            await self._changed.wait()
            self._changed.set()
            await asyncio.sleep(0)

    # --- sending ---

    async def _run(self) -> None:
        while True:
            try:
                await self._turn()
            except asyncio.CancelledError:
                raise
            except Exception:
                log.exception("bulk_lane_failed", lane=self.key)
                await self._hold(PATIENCE_SECONDS + 1)

    async def _turn(self) -> None:
        if not self._queue or len(self._flying) >= BATCHES_IN_FLIGHT:
            self._changed.clear()
            await self._changed.wait()
            return
        certificate = await self._authority.get(*self.key)
        channel = self._channel_of(certificate.channel) if certificate is not None else None
        if certificate is None or channel is None or certificate.paused_reason:
            await self._hold(60.0)
            return
        wait = await self._gate(certificate, channel)
        if wait > 0:
            await self._hold(wait)
            return
        await self._courtesy()
        if self._queue:
            self._start(self._queue.popleft(), certificate, channel)

    async def _gate(self, certificate: Certificate, channel: Channel) -> float:
        """0: go on. Positive: seconds to wait."""
        now_ms = self._clock.now_ms()
        if now_ms < self._stopped_until_ms:
            return (self._stopped_until_ms - now_ms) / 1000
        if channel.capabilities.login_token_seconds is not None and (self._grant is None or now_ms >= self._grant.expires_at_ms):
            result = await self._logins.grant(certificate)
            if isinstance(result, Outcome):
                log.warning("vendor_login_refused", lane=self.key, code=result.code, detail=result.detail)
                if result.kind is OutcomeKind.CREDENTIALS_REFUSED:
                    await self._authority.pause(*self.key, f"{result.code}: {result.detail}")
                return result.retry_after_seconds or 10.0
            self._grant = result
        return self._breaker.wait_seconds(self._clock.monotonic())

    async def _courtesy(self) -> None:
        """Chat pushes of the same certificate go first."""
        for _ in range(COURTESY_LOOKS):
            if not self._owner.chat_waits(self.key):
                return
            await asyncio.sleep(LOOK_SECONDS)

    async def _hold(self, seconds: float) -> None:
        self.held_until = self._clock.monotonic() + seconds
        if seconds > PATIENCE_SECONDS:
            self._give_back(self._clock.now_ms() + int(seconds * 1000))
        await asyncio.sleep(min(seconds, PATIENCE_SECONDS))
        self.held_until = 0.0

    def _give_back(self, due_at_ms: int) -> None:
        if self._queue:
            bundles, self._queue = list(self._queue), deque()
            self._owner.give_back(bundles, due_at_ms)

    def _start(self, bundle: Bundle, certificate: Certificate, channel: Channel) -> None:
        self._flying[bundle.bundle_id] = bundle
        task = asyncio.get_running_loop().create_task(self._work(bundle, certificate, channel))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _work(self, bundle: Bundle, certificate: Certificate, channel: Channel) -> None:
        try:
            settled = await self._settled(bundle, certificate, channel)
            await self._owner.write(settled, self.key)
            await self._act(settled, certificate)
        except asyncio.CancelledError:
            raise
        except Exception:
            # A fault of ours must not lose the bundle: it goes back to the table and is tried again.
            log.exception("bundle_not_sent", lane=self.key, bundle_id=bundle.bundle_id)
            self._owner.give_back([bundle], self._clock.now_ms() + NOT_UNDERSTOOD_MS)
        finally:
            self._flying.pop(bundle.bundle_id, None)
            self._changed.set()

    async def _settled(self, bundle: Bundle, certificate: Certificate, channel: Channel) -> Settled:
        if bundle.expires_at_ms <= self._clock.now_ms():
            return self._results.ended(bundle, PushState.EXPIRED, Reason.TTL_OVER)
        if self._clock.monotonic() - bundle.seen_at > FRESH_SECONDS:
            await self._owner.look_again(bundle)
        first, gone = bundle.bundle_id, bundle.gone
        targets = [Target(first + n, row[TOKEN]) for n, row in enumerate(bundle.rows) if not gone or row[DEVICE] not in gone]
        exchange = _Exchange(self, bundle, certificate, channel)
        await exchange.send(targets, self._grant)
        expired = [target for target in targets if exchange.outcomes[target.push_id - first].kind is OutcomeKind.AUTH_EXPIRED]
        if expired and self._grant is not None and not bundle.refreshed:
            bundle.refreshed = True
            await self._renew(certificate)
            await exchange.send(expired, self._grant)
        settled = self._results.settle(certificate, bundle, exchange.outcomes)
        settled.attempts = exchange.attempts
        return settled

    async def _renew(self, certificate: Certificate) -> None:
        if self._grant is not None:
            self._logins.invalidate(certificate, self._grant)
        result = await self._logins.grant(certificate)
        if isinstance(result, Grant):
            self._grant = result

    async def _act(self, settled: Settled, certificate: Certificate) -> None:
        """What the vendor's answers ask of the whole lane."""
        for step in settled.steps:
            if step.stop_lane_until_ms is not None:
                self.stop_until(step.stop_lane_until_ms)
            if step.pause_certificate:
                log.error("certificate_paused", sdkappid=self.key[0], business_id=self.key[1], why=step.reason)
                await self._authority.pause(certificate.sdkappid, certificate.business_id, step.reason)

    async def submit(self, request: VendorRequest, certificate: Certificate, channel: Channel) -> tuple[Answer, tuple[int, int]]:
        """Send one request within the certificate's rate; its answer, when it was sent and how long it took."""
        await self._permit(max(1, len(request.targets)) if channel.capabilities.rate_counts_devices else 1, certificate, channel)
        answered: asyncio.Future[Answer] = asyncio.get_running_loop().create_future()
        started_ms, started = self._clock.now_ms(), self._clock.monotonic()

        def done(answer: Answer) -> None:
            if not answered.done():
                answered.set_result(answer)

        self._sender.submit(request, f"{pool_of(certificate)}/bulk", done)
        answer = await answered
        return answer, (started_ms, int((self._clock.monotonic() - started) * 1000))

    def note_health(self, outcome: Outcome) -> None:
        """Tell the breaker."""
        if outcome.kind is OutcomeKind.VENDOR_DOWN:
            self._breaker.failure(self._clock.monotonic())
        else:
            self._breaker.success()

    async def _permit(self, cost: int, certificate: Certificate, channel: Channel) -> None:
        """Wait for the rate. A request with many phones is paid for afterwards, so that it is slow and never stuck."""
        budget = self._budgets.of(certificate.sdkappid, certificate.business_id, rate_of(certificate, channel))
        if budget is UNLIMITED:
            return
        while self._permits < 1:
            woken = asyncio.Event()
            wait = budget.take(self._clock.monotonic(), max(0, -self._permits), woken.set)
            if wait == 0:
                self._permits += 1
            elif wait > 0:
                await asyncio.sleep(wait)
            else:
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(woken.wait(), 1.0)
        self._permits -= cost


class _Exchange:
    """The requests of one bundle with their answers."""

    def __init__(self, lane: BulkLane, bundle: Bundle, certificate: Certificate, channel: Channel) -> None:
        self._lane = lane
        self._bundle = bundle
        self._certificate = certificate
        self._channel = channel
        self.outcomes: dict[int, Outcome] = {}
        self.attempts: list[tuple[Any, ...]] = []
        self._accepted_told = False

    async def send(self, targets: Sequence[Target], grant: Grant | None) -> None:
        """Send to these targets; their outcomes are known afterwards."""
        if not targets:
            return
        now_ms = self._lane._clock.now_ms()
        requests = self._channel.render(self._bundle.notification, targets, self._certificate, grant, now_ms)
        if len(requests) == 1:
            await self._ask(requests[0])
        else:
            await asyncio.gather(*(self._ask(request) for request in requests))

    async def _ask(self, request: VendorRequest) -> None:
        answer, times = await self._lane.submit(request, self._certificate, self._channel)
        if isinstance(answer, TransportFailure):
            outcomes: Sequence[Outcome] = [unanswered(answer)] * len(request.targets)
        else:
            outcomes = self._channel.interpret(request, answer, self._lane._clock.now_ms())
            following = follow_ups(self._channel, request, answer, self._certificate)
            if following:
                self._note(request, answer, times, outcomes)
                await asyncio.gather(*(self._ask(more) for more in following))
                return
        self._lane.note_health(outcomes[0])
        first = self._bundle.bundle_id
        for target, outcome in zip(request.targets, outcomes, strict=True):
            self.outcomes[target.push_id - first] = outcome
        self._note(request, answer, times, outcomes)

    def _note(self, request: VendorRequest, answer: Answer, times: tuple[int, int], outcomes: Sequence[Outcome]) -> None:
        """An attempt for the record. Where each target has a request, one that was taken speaks for all that were."""
        outcome = outcomes[0]
        alone = len(request.targets) == 1 and len(self._bundle.rows) > 1
        if alone and outcome.kind is OutcomeKind.ACCEPTED:
            if self._accepted_told:
                return
            self._accepted_told = True
        push_id = request.targets[0].push_id if alone and outcome.kind is not OutcomeKind.ACCEPTED else self._bundle.bundle_id
        texts = self._lane._owner.texts(request, answer)
        number = self._bundle.attempts + 1 + sum(attempt[0] == push_id for attempt in self.attempts)
        self.attempts.append(attempt_row(push_id, number, outcome, *texts, *times))
