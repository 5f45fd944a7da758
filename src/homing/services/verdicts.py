"""From a vendor's answer to what is written down: the step of the push, the attempt, the quota, the dead token."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Sequence

import structlog

from homing.model.certificates import Certificate
from homing.model.clock import Clock
from homing.model.outcome import Outcome, OutcomeKind, VendorRequest
from homing.model.push import PushState, Reason
from homing.rules.push_state import Step, next_step
from homing.rules.quota import day_end_ms, day_of
from homing.rules.retry import DEFAULT_POLICY, RetryPolicy
from homing.store.dead_tokens import DeadToken

from .exchanges import MAX_DETAIL_CHARS, attempt_row
from .jobs import Answer, Authority, Job
from .recorder import Entry, Recorder
from .vendor_days import utc_offset_minutes

log = structlog.get_logger()

#: How long one accepted push vouches for a certificate when the vendor refuses a whole request.
RECENTLY_SECONDS = 600.0
_SUPERSEDED = Step("fail", PushState.CANCELLED, Reason.SUPERSEDED)


class Verdicts:
    """Judges answers and hands the entries to the recorder. ``random`` gives floats in [0, 1)."""

    def __init__(
        self,
        *,
        recorder: Recorder,
        authority: Authority,
        clock: Clock,
        random: Callable[[], float],
        policy: RetryPolicy = DEFAULT_POLICY,
        on_outcome: Callable[[Certificate, Outcome], None] | None = None,
    ) -> None:
        self._recorder = recorder
        self._authority = authority
        self._clock = clock
        self._random = random
        self._policy = policy
        self._on_outcome = on_outcome
        self._ok_at: dict[tuple[int, int], float] = {}
        self._days: dict[int, tuple[int, str]] = {}  # by the vendor's UTC offset: the minute of the last look, and the day
        self._tasks: set[asyncio.Task[None]] = set()

    def answered(self, request: VendorRequest, answer: Answer, times: tuple[int, int]) -> tuple[str, str, int, int]:
        """The request and the answer as they are kept, made once for all targets of the request."""
        return *self._recorder.texts(request, answer), *times

    def judge(
        self,
        lane: tuple[int, int, str],
        certificate: Certificate,
        job: Job,
        outcome: Outcome,
        answered: tuple[str, str, int, int],
        *,
        newer_waits: bool = False,
    ) -> Step:
        """Decide the next step of one push and record it.

        ``newer_waits``: a newer notification that replaces this one is ready, so this one is not tried again (promise 8).
        """
        job.attempts += 1
        step = self._step(certificate, job, outcome)
        if step.kind == "retry" and newer_waits:
            step = _SUPERSEDED
        again_at_once = step.kind == "retry" and step.refresh_grant and not job.refreshed
        now_ms = self._clock.now_ms()
        entry = Entry(attempt=attempt_row(job.push_id, job.attempts, outcome, *answered))
        if not again_at_once:
            entry.record = self._record(job, step, outcome, now_ms)
        if step.kind == "done":
            entry.count = (*lane, self._day(certificate, now_ms), 1)
        if step.stop_lane_until_ms is not None:
            entry.stop = (*lane, self._day(certificate, now_ms), step.stop_lane_until_ms)
        if step.drop_token:
            dead_since_ms = outcome.dead_since_ms or job.created_at_ms
            entry.drop = DeadToken(job.device_id, certificate.sdkappid, job.token, dead_since_ms, outcome.code, job.push_id)
        self._recorder.add(entry)
        self._tell(certificate, outcome, step)
        return step

    def noted(self, jobs: Sequence[Job], outcomes: Sequence[Outcome], answered: tuple[str, str, int, int]) -> None:
        """Record an answer that is not the last word: another request goes out for the same pushes at once."""
        for job, outcome in zip(jobs, outcomes, strict=True):
            job.attempts += 1
            job.attempts_before += 1  # a step of one attempt, which no retry limit counts
            self._recorder.add(Entry(attempt=attempt_row(job.push_id, job.attempts, outcome, *answered)))

    def _step(self, certificate: Certificate, job: Job, outcome: Outcome) -> Step:
        key, now = (certificate.sdkappid, certificate.business_id), self._clock.monotonic()
        if outcome.kind is OutcomeKind.ACCEPTED:
            self._ok_at[key] = now
        now_ms = self._clock.now_ms()
        return next_step(
            outcome,
            job.attempts - job.attempts_before,
            now_ms,
            job.expires_at_ms,
            self._random(),
            self._policy,
            day_end_ms(now_ms, utc_offset_minutes(certificate.channel)),
            now - self._ok_at.get(key, -RECENTLY_SECONDS) < RECENTLY_SECONDS,
            job.refreshed,
        )

    def _tell(self, certificate: Certificate, outcome: Outcome, step: Step) -> None:
        if step.pause_certificate:
            self.pause(certificate, outcome)
        if step.flag_certificate:
            log.warning(
                "whole_requests_refused",
                sdkappid=certificate.sdkappid,
                business_id=certificate.business_id,
                code=outcome.code,
                hint="check the app id and the package name of the certificate",
            )
        if self._on_outcome is not None:
            self._on_outcome(certificate, outcome)

    def release(self, jobs: Iterable[Job], due_at_ms: int) -> None:
        """Give pushes back to the table, to be claimed again when they are due."""
        for job in jobs:
            self._recorder.add(Entry(release=(job.push_id, due_at_ms)))

    def superseded(self, job: Job) -> None:
        """A newer notification of the same conversation takes this one's place."""
        self._final(job, PushState.CANCELLED, Reason.SUPERSEDED)

    def expired(self, job: Job) -> None:
        """Its time to live ran out before it could be sent."""
        self._final(job, PushState.EXPIRED, Reason.TTL_OVER)

    def suppressed(self, push_id: int, reason: Reason, attempts: int = 0, state: PushState = PushState.SUPPRESSED) -> None:
        """Decided anew when it was claimed: no push."""
        now_ms = self._clock.now_ms()
        self._recorder.add(Entry(record=(push_id, int(state), reason.value, 0, attempts, "", now_ms)))

    def login_failed(self, jobs: Sequence[Job], outcome: Outcome) -> None:
        """The vendor refused the log-in: written down with the first waiting push, so that it can be explained."""
        if jobs:
            job = jobs[0]
            job.attempts += 1
            answered = ("log-in at the vendor", outcome.detail, self._clock.now_ms(), 0)
            self._recorder.add(Entry(attempt=attempt_row(job.push_id, job.attempts, outcome, *answered)))

    def pause(self, certificate: Certificate, outcome: Outcome) -> None:
        """Stop using the certificate and raise the alarm."""
        reason = f"{outcome.code}: {outcome.detail}" if outcome.detail else outcome.code
        task = asyncio.get_running_loop().create_task(self._pause(certificate, reason[:MAX_DETAIL_CHARS]))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _pause(self, certificate: Certificate, reason: str) -> None:
        log.error("certificate_paused", sdkappid=certificate.sdkappid, business_id=certificate.business_id, why=reason)
        await self._authority.pause(certificate.sdkappid, certificate.business_id, reason)

    def _final(self, job: Job, state: PushState, reason: Reason) -> None:
        self.suppressed(job.push_id, reason, job.attempts, state)

    def _record(self, job: Job, step: Step, outcome: Outcome, now_ms: int) -> tuple[object, ...]:
        # A retry keeps the decision's reason; what the vendor said stands in the attempt.
        finished, reason = (0, "") if step.kind == "retry" else (now_ms, step.reason)
        return (job.push_id, int(step.state), reason, step.due_at_ms, job.attempts, outcome.vendor_message_id, finished)

    def _day(self, certificate: Certificate, now_ms: int) -> str:
        offset, minute = utc_offset_minutes(certificate.channel), now_ms // 60_000
        known = self._days.get(offset)
        if known is None or known[0] != minute:
            known = self._days[offset] = (minute, day_of(now_ms, offset))
        return known[1]
