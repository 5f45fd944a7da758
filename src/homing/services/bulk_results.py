"""From a vendor's answers about a bundle to what is written down: the bundle's state, and what ended otherwise."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import msgspec

from homing.model.certificates import Certificate
from homing.model.clock import Clock, Ids
from homing.model.outcome import Outcome, OutcomeKind
from homing.model.push import PushState, Reason
from homing.model.webhooks import TaskFact
from homing.rules.decision import DeviceSnapshot
from homing.rules.push_state import Step, next_step
from homing.rules.quota import day_end_ms, day_of
from homing.rules.retry import DEFAULT_POLICY
from homing.rules.webhooks import sent_result
from homing.store import push_bundles as store
from homing.store.audience import APP_STATE, DEVICE, EXPIRES, NODE, SEEN, SESSION, TOKEN, USER
from homing.store.dead_tokens import DeadToken, devices_with_fallbacks, drop_tokens
from homing.store.engine import Tx
from homing.store.push_bundles import Exceptional, Exceptions
from homing.store.push_days import count_day
from homing.store.push_days import day_of as utc_day
from homing.store.push_jobs import count_results, finish_job
from homing.store.push_queue import Results, record
from homing.store.pushes import insert_pushes

from .exchanges import MAX_DETAIL_CHARS
from .job_pages import BULK_CLASS, Bundle
from .push_hooks import PushHooks
from .vendor_days import utc_offset_minutes
from .verdicts import RECENTLY_SECONDS

_encode = msgspec.msgpack.Encoder().encode
_encode_inputs = msgspec.json.Encoder().encode
_MOVED = Step("fail", PushState.SUPPRESSED, Reason.TOKEN_MOVED)


class Settled(msgspec.Struct):
    """What became of a bundle, ready to be written."""

    bundle: Bundle
    state: PushState
    reason: str = ""
    due_at_ms: int = 0
    vendor_message_id: str = ""
    exceptions: Exceptions = Exceptions()
    sent: int = 0
    failed: int = 0
    ended: int = 0
    moved: int = 0  # devices that were no targets any more when the bundle was sent
    dead: list[tuple[int, Outcome]] = []  # index, what the vendor said
    again: list[tuple[int, Step]] = []  # index: tried again as a push of its own
    attempts: list[tuple[Any, ...]] = []
    steps: list[Step] = []  # one a kind of outcome: what the lane has to do

    @property
    def retried(self) -> bool:
        """Whether the whole bundle is tried again."""
        return self.state is PushState.PENDING


class BulkResults:
    """Settles bundles. ``random`` gives floats in [0, 1)."""

    def __init__(self, *, ids: Ids, owner: int, clock: Clock, random: Callable[[], float], hooks: PushHooks | None = None) -> None:
        self._ids = ids
        self._owner = owner
        self._clock = clock
        self._random = random
        self._hooks = hooks
        self._ok_at: dict[tuple[int, int], float] = {}

    def settle(self, certificate: Certificate, bundle: Bundle, outcomes: Mapping[int, Outcome]) -> Settled:
        """Decide about every target by what the vendor said (by its index); a target without outcome was not sent.

        One outcome for all settles the bundle; what differs is kept beside it.
        """
        bundle.attempts += 1
        now, key = self._clock.monotonic(), (certificate.sdkappid, certificate.business_id)
        kinds = {id(outcome): outcome for outcome in outcomes.values()}  # a batch shares few of them
        if any(outcome.kind is OutcomeKind.ACCEPTED for outcome in kinds.values()):
            self._ok_at[key] = now
        vouched = now - self._ok_at.get(key, -RECENTLY_SECONDS) < RECENTLY_SECONDS
        steps = {number: self._step(certificate, bundle, outcome, vouched) for number, outcome in kinds.items()}
        settled = Settled(bundle, PushState.ACCEPTED, steps=list(steps.values()))
        if outcomes and all(step.kind == "retry" for step in steps.values()) and not bundle.gone:
            settled.state, settled.due_at_ms = PushState.PENDING, max(step.due_at_ms for step in settled.steps)
            settled.reason = Reason.OFFLINE.value
            return settled
        self._split(settled, outcomes, steps)
        return settled

    def ended(self, bundle: Bundle, state: PushState, reason: Reason) -> Settled:
        """A bundle that is not sent at all: its time is over, or it was recalled."""
        return Settled(bundle, state, reason.value, ended=len(bundle.rows))

    def _step(self, certificate: Certificate, bundle: Bundle, outcome: Outcome, vouched: bool) -> Step:
        now_ms = self._clock.now_ms()
        day_ends = day_end_ms(now_ms, utc_offset_minutes(certificate.channel))
        return next_step(
            outcome,
            bundle.attempts,
            now_ms,
            bundle.expires_at_ms,
            self._random(),
            DEFAULT_POLICY,
            day_ends,
            vouched,
            bundle.refreshed,
        )

    def _split(self, settled: Settled, outcomes: Mapping[int, Outcome], steps: Mapping[int, Step]) -> None:
        """Count, and keep what ended otherwise than the greater part."""
        bundle = settled.bundle
        others: list[Exceptional] = []
        ids: dict[str, None] = {}
        same = len(steps) == 1 and len(outcomes) == len(bundle.rows)
        whole = settled.steps[0] if same else None
        if whole is not None and whole.kind == "done":
            settled.sent, settled.vendor_message_id = len(bundle.rows), outcomes[0].vendor_message_id
            return
        if whole is not None and whole.kind == "fail":
            settled.state, settled.reason = whole.state, whole.reason
        for index in range(len(bundle.rows)):
            outcome = outcomes.get(index)
            step = _MOVED if outcome is None else steps[id(outcome)]
            if outcome is None:
                settled.moved += 1
                others.append(Exceptional(index, int(step.state), step.reason))
                continue
            if step.kind == "done":
                settled.sent += 1
                ids[outcome.vendor_message_id] = None
                continue
            if step.kind == "retry":
                settled.again.append((index, step))
            elif step.state is PushState.EXPIRED:
                settled.ended += 1
            else:
                settled.failed += 1
            if step.drop_token:
                settled.dead.append((index, outcome))
            if whole is None:
                others.append(Exceptional(index, int(step.state), step.reason, outcome.code, outcome.detail[:MAX_DETAIL_CHARS]))
        each = [outcome.vendor_message_id if (outcome := outcomes.get(i)) else "" for i in range(len(bundle.rows))] if len(ids) > 1 else []
        settled.vendor_message_id = next(iter(ids), "")
        settled.exceptions = Exceptions(others, each)

    # --- writing ---

    async def write(self, tx: Tx, settled: Settled, business_id: int) -> bool:
        """Record what became of a bundle, everything in one transaction. False: it is no longer this node's."""
        bundle, now_ms = settled.bundle, self._clock.now_ms()
        finished = 0 if settled.retried else now_ms
        differs = settled.exceptions.others or settled.exceptions.message_ids
        exceptions = _encode(settled.exceptions) if differs else None
        reason = settled.reason or Reason.OFFLINE.value
        values = (int(settled.state), reason, exceptions, bundle.attempts, settled.vendor_message_id, settled.due_at_ms, finished)
        mine = await store.record_bundle(tx, self._owner, bundle.bundle_id, values)
        sdkappid, day = bundle.lane[0], day_of(now_ms, utc_offset_minutes(bundle.channel))
        counts, stops = [], []
        if mine and settled.sent:
            counts.append((sdkappid, business_id, BULK_CLASS, day, settled.sent))
        for step in settled.steps:
            if step.stop_lane_until_ms is not None:
                stops = [(sdkappid, business_id, BULK_CLASS, day, step.stop_lane_until_ms)]
        await record(tx, Results(attempts=settled.attempts, counts=counts, stops=stops), self._owner)
        if not mine:
            return False
        await self._write_others(tx, settled, now_ms)
        if not settled.retried:
            await count_results(tx, [(bundle.job_id, settled.sent, settled.failed, settled.ended, settled.moved)])
            await count_day(tx, sdkappid, utc_day(now_ms), "task", bundle.channel, settled.sent + settled.failed, settled.sent)
            await finish_job(tx, bundle.job_id, now_ms)
            if self._hooks is not None and self._hooks.wants_tasks(sdkappid):
                await self._hooks.note_targets(tx, {bundle.job_id: _told(settled, now_ms)})
        return True

    async def _write_others(self, tx: Tx, settled: Settled, now_ms: int) -> None:
        """Targets that are tried again on their own, and dead tokens (promise 4: only what the vendor said of this token)."""
        bundle = settled.bundle
        rows = [self._own_push(bundle, index, PushState.PENDING, Reason.OFFLINE, step.due_at_ms, now_ms) for index, step in settled.again]
        if settled.dead:
            several = await devices_with_fallbacks(tx, [bundle.rows[index][DEVICE] for index, _ in settled.dead])
            rows += [
                self._own_push(bundle, index, PushState.FAILED, Reason.TOKEN_DEAD, 0, now_ms)
                for index, _ in settled.dead
                if bundle.rows[index][DEVICE] in several
            ]
        await insert_pushes(tx, rows)
        dead = [_dead(bundle, index, outcome) for index, outcome in settled.dead]
        await drop_tokens(tx, dead, now_ms, self._ids.next)

    def _own_push(self, bundle: Bundle, index: int, state: PushState, reason: Reason, due_at_ms: int, now_ms: int) -> tuple[Any, ...]:
        row = bundle.rows[index]
        live = state < PushState.ACCEPTED
        return (
            bundle.bundle_id + index,
            bundle.lane[0],
            bundle.job_id,
            row[USER],
            row[DEVICE],
            int(state),
            reason.value,
            _encode_inputs(snapshot_of_target(row, bundle.platform)).decode(),
            bundle.lane[1],
            bundle.channel,
            BULK_CLASS,
            row[TOKEN],
            None,
            due_at_ms,
            bundle.expires_at_ms,
            None,
            "",
            bundle.created_at_ms,
            0 if live else now_ms,
        )


def _told(settled: Settled, now_ms: int) -> list[TaskFact]:
    """What is over at the vendor; a target that is tried again on its own is told of then."""
    bundle, others = settled.bundle, {item.index: item for item in settled.exceptions.others}
    waiting = {index for index, _ in settled.again}
    facts = []
    for index, row in enumerate(bundle.rows):
        other = others.get(index)
        state, reason = (settled.state, settled.reason) if other is None else (other.state, other.reason)
        result = None if index in waiting else sent_result(state, reason)
        if result is not None:
            facts.append(TaskFact(bundle.bundle_id + index, row[USER], bundle.channel, 1, *result, now_ms))
    return facts


def snapshot_of_target(row: Sequence[Any], platform: str) -> DeviceSnapshot:
    """A recorded target as the decision saw it."""
    session = row[SESSION]
    return DeviceSnapshot(
        session_state=session,
        platform=platform,
        connected=row[NODE] is not None and session == "active",
        app_state=row[APP_STATE],
        last_seen_ms=row[SEEN],
        has_token=bool(row[TOKEN]),
        certificate="ok",
        session_expires_at_ms=row[EXPIRES],
    )


def _dead(bundle: Bundle, index: int, outcome: Outcome) -> DeadToken:
    row = bundle.rows[index]
    since_ms = outcome.dead_since_ms or bundle.created_at_ms
    return DeadToken(row[DEVICE], bundle.lane[0], row[TOKEN], since_ms, outcome.code, bundle.bundle_id + index)
