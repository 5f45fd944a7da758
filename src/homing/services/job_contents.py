"""What jobs send, read once and kept while they run."""

from __future__ import annotations

from collections import OrderedDict

import msgspec

from homing.model.messages import Message
from homing.store import push_jobs as store
from homing.store.engine import Database, Tx

from .job_pages import JobContent
from .jobs import AppDirectory, traits_of, wishes_of

MAX_KEPT = 64


class JobContents:
    """The contents of jobs. They never change; the app's settings are those of the moment."""

    def __init__(self, database: Database, apps: AppDirectory) -> None:
        self._database = database
        self._apps = apps
        self._kept: OrderedDict[int, JobContent] = OrderedDict()

    async def get(self, sdkappid: int, job_id: int) -> JobContent | None:
        """A job's content, or None when the job or its app is gone."""
        app = await self._apps.get(sdkappid)
        if app is None:
            return None
        known = self._kept.get(job_id)
        if known is None:
            known = await self._read(sdkappid, job_id)
            if known is None:
                return None
            self._kept[job_id] = known
            while len(self._kept) > MAX_KEPT:
                self._kept.popitem(last=False)
        if known.app is not app:
            known = self._kept[job_id] = msgspec.structs.replace(known, app=app)
        return known

    async def _read(self, sdkappid: int, job_id: int) -> JobContent | None:
        app = await self._apps.get(sdkappid)

        async def work(tx: Tx) -> tuple[store.ContentRow | None, store.ContentRow | None]:
            job = await store.get_job(tx, sdkappid, job_id)
            if job is None:
                return None, None
            old = await store.get_content(tx, sdkappid, job.replaces_job) if job.replaces_job else None
            return await store.get_content(tx, sdkappid, job_id), old

        row, old = await self._database.read(work)
        if row is None or app is None:
            return None
        message = message_of_job(sdkappid, row)
        elements, info = wishes_of(message)
        return JobContent(
            app=app,
            message=message,
            elements=elements,
            info=info,
            traits=traits_of(message, elements, info),
            nick=row.nick,
            face_url=row.face_url,
            replaces=None if old is None else message_of_job(sdkappid, old),
        )


def message_of_job(sdkappid: int, row: store.ContentRow) -> Message:
    """A job's content as a message without receiver."""
    return Message(
        message_id=row.message_id,
        sdkappid=sdkappid,
        from_account=row.from_account,
        to_account="",
        seq=row.seq,
        random=row.random,
        timestamp=row.timestamp,
        flags=row.flags,
        body=row.body,
        push_info=row.push_info,
        cloud_custom_data="",
        to_seq=None,
        from_seq=None,
        expires_at_ms=row.expires_at_ms,
    )
