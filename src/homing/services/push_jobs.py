"""Asking for pushes to many: stored in one transaction and answered at once; runners do the rest."""

from __future__ import annotations

import zlib
from collections.abc import Awaitable, Callable, Sequence

import msgspec

from homing.model.apps import App
from homing.model.clock import Clock, Ids
from homing.model.messages import Element, MessageFlags
from homing.model.problems import (
    MSG_SENDER_UNKNOWN,
    PUSH_TASK_EXISTS,
    REVOKE_TOO_LATE,
    REVOKE_UNKNOWN,
    REVOKED_ALREADY,
    TASK_UNKNOWN,
    Refused,
)
from homing.model.push_info import OfflinePushInfo
from homing.model.push_jobs import RECALL_SECONDS, Condition, JobDraft, JobState, PushJob, job_id_of
from homing.rules.message_keys import content_crc
from homing.store import push_jobs as store
from homing.store.accounts import fetch_accounts
from homing.store.engine import Database, Tx
from homing.store.statistics import with_own_pushes

DAY_MS = 86_400_000
#: How long one MsgRandom names one push (sheet rest-api, section 7.1), and how long for a push to named accounts.
REPEAT_MS = {"all": 7 * DAY_MS, "batch": 120_000}
MAX_LISTED = 500
_encode = msgspec.json.Encoder().encode


class PushJobs:
    """The jobs of every app. ``on_change`` is called with a job that a runner may want to know about."""

    def __init__(self, *, database: Database, ids: Ids, clock: Clock) -> None:
        self._database = database
        self._ids = ids
        self._clock = clock
        self.on_change: Callable[[int], None] | None = None

    async def create(self, app: App, draft: JobDraft) -> tuple[PushJob, list[str]]:
        """Store a job; returns it with the named accounts that do not exist. Durable when this returns.

        The same request with the same random value gets the same job. Raises ``Refused`` when the sender does not exist
        or the random value named another push within seven days.
        """
        now_ms = self._clock.now_ms()
        body, info = _encode(draft.elements), None if draft.push_info is None else _encode(draft.push_info)
        fingerprint = zlib.crc32(store.condition_json(draft.condition).encode(), content_crc(body + (info or b"")))

        async def work(tx: Tx) -> tuple[PushJob, list[str]]:
            users = draft.condition.users
            known = await fetch_accounts(tx, app.sdkappid, [draft.from_account, *users])
            if draft.from_account not in known:
                raise Refused(MSG_SENDER_UNKNOWN, "$.From_Account")
            unknown = [user_id for user_id in users if user_id not in known]
            await store.lock_random(tx, app.sdkappid, draft.random)
            found = await store.repeated_job(tx, app.sdkappid, draft.random, draft.source, now_ms - REPEAT_MS[draft.source])
            if found is not None and (found.fingerprint, found.from_account) == (fingerprint, draft.from_account):
                return found, unknown
            if found is not None and draft.source == "all":
                raise Refused(PUSH_TASK_EXISTS)
            job = self._job(app.sdkappid, draft, fingerprint, now_ms)
            await store.insert_job(tx, job, store.content_row(job, draft.flags, body, info))
            return job, unknown

        job, unknown = await self._database.write(work)
        self._changed(job.job_id)
        return job, unknown

    async def find(self, sdkappid: int, task_id: str) -> PushJob | None:
        """The job of a task id, or None."""
        job_id = job_id_of(task_id)
        if job_id is None:
            return None
        found = await self._read(lambda tx: store.get_jobs(tx, sdkappid, [job_id]))
        return found.get(job_id)

    async def get(self, sdkappid: int, task_id: str) -> PushJob:
        """The job of a task id. Raises ``Refused``: task_unknown."""
        job = await self.find(sdkappid, task_id)
        if job is None:
            raise Refused(TASK_UNKNOWN, task_id[:60])
        return job

    async def many(self, sdkappid: int, task_ids: Sequence[str]) -> list[PushJob]:
        """The jobs of these task ids, in order. Raises ``Refused`` for the first that there is not."""
        ids = [job_id_of(task_id) for task_id in task_ids]
        found = await self._read(lambda tx: store.get_jobs(tx, sdkappid, [i for i in ids if i is not None]))
        for task_id, job_id in zip(task_ids, ids, strict=True):
            if job_id is None or job_id not in found:
                raise Refused(TASK_UNKNOWN, task_id[:60])
        return [found[job_id] for job_id in ids if job_id is not None]

    async def recent(self, sdkappid: int, limit: int = 50, before_id: int = store.LAST_ID) -> list[PushJob]:
        """The app's jobs, newest first."""

        async def listed(tx: Tx) -> dict[int, PushJob]:
            return {job.job_id: job for job in await store.list_jobs(tx, sdkappid, min(limit, MAX_LISTED), before_id)}

        return list((await self._read(listed)).values())

    async def _read(self, look: Callable[[Tx], Awaitable[dict[int, PushJob]]]) -> dict[int, PushJob]:
        """Jobs with true counters, in their order."""

        async def work(tx: Tx) -> dict[int, PushJob]:
            return {job.job_id: job for job in await with_own_pushes(tx, list((await look(tx)).values()))}

        return await self._database.read(work)

    async def pause(self, sdkappid: int, task_id: str) -> PushJob:
        """Stop a job for now. One that is over, or stands already, stays as it is."""
        job = await self.get(sdkappid, task_id)
        if job.state in (JobState.WAITING, JobState.RUNNING):
            await self._database.write(lambda tx: store.pause_job(tx, sdkappid, job.job_id, job.state))
            self._changed(job.job_id)
        return await self.get(sdkappid, task_id)

    async def resume(self, sdkappid: int, task_id: str) -> PushJob:
        """Let a paused job go on."""
        job = await self.get(sdkappid, task_id)
        await self._database.write(lambda tx: store.resume_job(tx, sdkappid, job.job_id))
        self._changed(job.job_id)
        return await self.get(sdkappid, task_id)

    async def revoke(self, sdkappid: int, task_id: str, replacement: OfflinePushInfo | None = None) -> PushJob:
        """Recall a push to many: what was not sent is not sent any more. ``replacement`` takes the place of what was.

        Raises ``Refused``: revoke_unknown, revoked_already, revoke_too_late (24 hours).
        """
        job_id, now_ms = job_id_of(task_id), self._clock.now_ms()

        async def work(tx: Tx) -> PushJob:
            job = await store.get_job(tx, sdkappid, job_id) if job_id is not None else None
            if job is None:
                raise Refused(REVOKE_UNKNOWN, task_id[:60])
            if job.state == JobState.REVOKED:
                raise Refused(REVOKED_ALREADY)
            if now_ms - job.created_at_ms > RECALL_SECONDS * 1000:
                raise Refused(REVOKE_TOO_LATE)
            if not await store.end_job(tx, sdkappid, job.job_id, job.state, JobState.REVOKED, now_ms):
                raise Refused(REVOKED_ALREADY)
            if replacement is not None and replacement.PushFlag != 1:
                await self._replace(tx, job, replacement, now_ms)
            return job

        job = await self._database.write(work)
        self._changed(job.job_id)
        return await self.get(sdkappid, task_id)

    async def _replace(self, tx: Tx, job: PushJob, info: OfflinePushInfo, now_ms: int) -> None:
        """A job that takes the place of the notifications that were sent: to those alone, under their identity."""
        draft = JobDraft(
            from_account=job.from_account,
            random=job.random,
            condition=Condition(),
            elements=push_elements(info),
            push_info=info,
            source=job.source,
            flags=MessageFlags.NO_UNREAD.value | MessageFlags.NO_LAST_MSG.value,
            lifetime_seconds=RECALL_SECONDS,
        )
        fresh = msgspec.structs.replace(self._job(job.sdkappid, draft, 0, now_ms), source="recall", replaces_job=job.job_id)
        await store.insert_job(tx, fresh, store.content_row(fresh, draft.flags, _encode(draft.elements), _encode(info)))

    def _job(self, sdkappid: int, draft: JobDraft, fingerprint: int, now_ms: int) -> PushJob:
        return PushJob(
            job_id=self._ids.next(),
            sdkappid=sdkappid,
            kind=draft.kind.value,
            source=draft.source,
            state=JobState.WAITING,
            from_account=draft.from_account,
            random=draft.random,
            fingerprint=fingerprint,
            condition=store.condition_json(draft.condition),
            cursor="",
            walked=0,
            per_second=draft.per_second,
            data_id=draft.data_id,
            replaces_job=0,
            created_at_ms=now_ms,
            started_at_ms=0,
            finished_at_ms=0,
            expires_at_ms=now_ms + draft.lifetime_seconds * 1000,
            accounts=0,
            targets=0,
            suppressed=0,
            on_sockets=0,
            sent=0,
            failed=0,
            ended=0,
        )

    def _changed(self, job_id: int) -> None:
        if self.on_change is not None:
            self.on_change(job_id)


def push_elements(info: OfflinePushInfo) -> tuple[Element, ...]:
    """What connected devices get of a push without a message: its text and its ext, as a custom element."""
    return (Element("TIMCustomElem", {"Data": info.Ext, "Desc": info.Desc or info.Title, "Ext": info.Ext}),)
