"""Callbacks around pushes: what became of them, and what the backend says before they go out."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import msgspec
import structlog

from homing.model.clock import Clock, Ids
from homing.model.outcome import ReceiptKind
from homing.model.webhooks import Callback, OnFailure, PushFact, PushHookAnswer, PushTask, PushVerdict, TaskFact
from homing.rules import webhooks as rules
from homing.store.bundle_receipts import targets_of
from homing.store.engine import Tx
from homing.store.push_jobs import jobs_by_id
from homing.store.webhooks import insert_events, pushes_of

from .hook_calls import HookCalls
from .jobs import Job
from .webhooks import Webhooks

if TYPE_CHECKING:
    from homing.channels.base import Channel

log = structlog.get_logger()

MAX_ASKED = 100  # pushes of one request
PATIENCE_SECONDS = 2.0
_STAGES = {ReceiptKind.DELIVERED.value: 2, ReceiptKind.CLICKED.value: 3}
Add = Callable[[Sequence[Job]], None]
Veto = Callable[[Job], None]


class PushHooks:
    """Asks about the pushes of chat messages, and tells about those and about pushes to many."""

    def __init__(self, *, webhooks: Webhooks, calls: HookCalls, clock: Clock, ids: Ids, channels: Mapping[str, Channel]) -> None:
        self.webhooks = webhooks
        self._calls = calls
        self._clock = clock
        self._ids = ids
        self._numbers = {name: channel.push_platform for name, channel in channels.items()}
        self._asking: dict[int, Job] = {}  # by push id
        self._tasks: set[asyncio.Task[None]] = set()

    # --- telling ---

    async def note_results(self, tx: Tx, records: Sequence[Sequence[Any]]) -> None:
        """Queue what became of pushes at their vendors, in the transaction that writes it down."""
        settled = {row[0]: row for row in records if rules.sent_result(row[1], row[2]) is not None}
        found = await pushes_of(tx, list(settled))
        now_ms = self._clock.now_ms()
        facts = []
        for push_id, row in found.items():
            # A push that somebody else took over keeps its own state, and its own event.
            if row[3] == settled[push_id][1] and (result := rules.sent_result(row[3], row[4])) is not None:
                facts.append((row, 1, *result, now_ms))
        await self._queue(tx, facts)

    async def note_receipts(self, tx: Tx, receipts: Sequence[tuple[int, str, int]]) -> None:
        """Queue new receipts: push id, kind, and when."""
        wanted = [receipt for receipt in receipts if receipt[1] in _STAGES]
        found = await pushes_of(tx, [push_id for push_id, _, _ in wanted])
        facts = [(found[push_id], _STAGES[kind], 0, "OK", at_ms) for push_id, kind, at_ms in wanted if push_id in found]
        await self._queue(tx, facts)
        left = list({push_id for push_id, _, _ in wanted if push_id not in found})
        if left and any(Callback.TASK_PUSH.value in hook.commands for hook in self.webhooks.by_app.values()):
            targets = await targets_of(tx, left, self.wants_tasks)
            told: dict[int, list[TaskFact]] = {}
            for push_id, kind, at_ms in wanted:
                if (target := targets.get(push_id)) is not None:
                    fact = TaskFact(push_id, target.user_id, target.channel, _STAGES[kind], 0, "OK", at_ms)
                    told.setdefault(target.job_id, []).append(fact)
            await self.note_targets(tx, told)

    def wants_tasks(self, sdkappid: int) -> bool:
        """Whether this app's backend is to be told what becomes of its pushes to many."""
        return self.webhooks.of(sdkappid, Callback.TASK_PUSH) is not None

    async def note_targets(self, tx: Tx, told: Mapping[int, Sequence[TaskFact]]) -> None:
        """Queue steps of targets of pushes to many, by job: a hundred an event, and each event is a request."""
        due_ms, rows = self._clock.now_ms(), []
        for job in await jobs_by_id(tx, list(told)):
            if not self.wants_tasks(job.sdkappid):
                continue
            task = PushTask(job.job_id, job.sdkappid, job.task_id, job.data_id, job.created_at_ms)
            bodies = [rules.task_push_told(task, fact, self._numbers.get(fact.channel, 0)) for fact in told[job.job_id]]
            for start in range(0, len(bodies), MAX_ASKED):
                body = rules.push_batch(bodies[start : start + MAX_ASKED])
                rows.append((self._ids.next(), job.sdkappid, Callback.TASK_PUSH.value, "", body, due_ms))
        await insert_events(tx, rows)

    async def _queue(self, tx: Tx, facts: Sequence[tuple[Any, int, int, str, int]]) -> None:
        due_ms, rows = self._clock.now_ms(), []
        tasks: dict[int, list[TaskFact]] = {}
        for row, stage, code, info, at_ms in facts:
            push_id, sdkappid, channel, _, _, sender, receiver, seq, random, timestamp, group_id, job_id = row
            if job_id:
                tasks.setdefault(job_id, []).append(TaskFact(push_id, receiver, channel, stage, code, info, at_ms))
                continue
            if self.webhooks.of(sdkappid, Callback.OFFLINE_PUSH) is None:
                continue
            event_id = self._ids.next()
            fact = PushFact(
                event_id, sdkappid, push_id, channel, stage, sender, receiver, seq, random, timestamp, group_id, code, info, at_ms
            )
            body = rules.push_told(fact, self._numbers.get(channel, 0))
            rows.append((event_id, sdkappid, Callback.OFFLINE_PUSH.value, "", body, due_ms))
        await insert_events(tx, rows)
        if tasks:
            await self.note_targets(tx, tasks)

    # --- asking ---

    def wants(self, sdkappid: int) -> bool:
        """Whether this app's backend is to be asked before its pushes go out."""
        return self.webhooks.of(sdkappid, Callback.BEFORE_PUSH) is not None

    def screen(self, sdkappid: int, jobs: Sequence[Job], add: Add, veto: Veto) -> None:
        """Ask about claimed pushes; ``add`` and ``veto`` are called when the answer is here, within two seconds."""
        for start in range(0, len(jobs), MAX_ASKED):
            part = list(jobs[start : start + MAX_ASKED])
            self._asking.update((job.push_id, job) for job in part)
            task = asyncio.get_running_loop().create_task(self._screen(sdkappid, part, add, veto))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    def holds(self) -> list[int]:
        """The pushes that are being asked about."""
        return list(self._asking)

    def drop_device(self, device_id: int) -> None:
        """A session ended: what is asked about for its device is forgotten."""
        for push_id in [push_id for push_id, job in self._asking.items() if job.device_id == device_id]:
            del self._asking[push_id]

    async def quiet(self) -> None:
        """Wait until nothing is asked any more."""
        while self._tasks:
            await asyncio.wait(set(self._tasks))

    async def _screen(self, sdkappid: int, jobs: Sequence[Job], add: Add, veto: Veto) -> None:
        answer = await self._verdicts(sdkappid, jobs)
        kept: list[Job] = []
        verdicts = {} if answer is None else {verdict.PushID: verdict for verdict in answer.Pushes}
        hook = self.webhooks.of(sdkappid, Callback.BEFORE_PUSH)
        refuse_all = answer is None and hook is not None and hook.options.push_on_failure is OnFailure.REFUSE
        for job in jobs:
            if self._asking.pop(job.push_id, None) is None:
                continue
            verdict = verdicts.get(rules.push_id_text(job.push_id))
            if refuse_all or (verdict is not None and verdict.Refuse):
                veto(job)
            else:
                kept.append(job if verdict is None else _edited(job, verdict))
        add(kept)

    async def _verdicts(self, sdkappid: int, jobs: Sequence[Job]) -> PushHookAnswer | None:
        hook = self.webhooks.of(sdkappid, Callback.BEFORE_PUSH)
        if hook is None:
            return PushHookAnswer()
        body = rules.pushes_asked([(job.push_id, job.notification) for job in jobs], self._clock.now_ms())
        patience = min(PATIENCE_SECONDS, hook.options.timeout_seconds)
        found = await self._calls.ask(hook, Callback.BEFORE_PUSH.value, body, patience)
        return None if found is None else rules.read_verdicts(found.status, found.body)


def _edited(job: Job, verdict: PushVerdict) -> Job:
    return msgspec.structs.replace(job, notification=rules.edited(job.notification, verdict))
