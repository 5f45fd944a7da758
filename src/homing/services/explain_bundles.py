"""The targets of pushes to many as pushes, for the explanation: out of their bundles, with what ended otherwise."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import msgspec

from homing.model.devices import AppState
from homing.model.outcome import ReceiptKind
from homing.model.push import PushState, Reason
from homing.model.push_jobs import JobKind, PushJob
from homing.store.audience import APP_STATE, BUSINESS, DEVICE, NODE, PLATFORM, USER
from homing.store.engine import Tx
from homing.store.explain import AttemptRecord, PushRecord, receipts_of
from homing.store.explain import attempts_of as read_attempts
from homing.store.push_bundles import BundleRecord, bundle_of_push, bundles_of_account, decode_exceptions, decode_targets
from homing.store.push_jobs import get_job, list_jobs

from .bulk_results import snapshot_of_target
from .job_pages import BULK_CLASS, RECORDED_SUPPRESSED

#: How many of an app's last pushes to many are searched for an account.
RECENT_JOBS = 10
_CERTIFICATES = {Reason.NO_CERTIFICATE: "none", Reason.CERTIFICATE_PAUSED: "paused"}


async def pushes_of_account(tx: Tx, sdkappid: int, user_id: str, limit: int) -> list[PushRecord]:
    """What the last pushes to many decided for this account's devices, newest first."""
    found: list[PushRecord] = []
    for job in await list_jobs(tx, sdkappid, RECENT_JOBS):
        if job.kind == JobKind.PUSH:
            found += await pushes_of_job(tx, job, user_id)
    return sorted(found, key=lambda push: -push.push_id)[:limit]


async def pushes_of_job(tx: Tx, job: PushJob, user_id: str) -> list[PushRecord]:
    """What a push to many decided for the devices of one account."""
    found: list[PushRecord] = []
    for bundle in await bundles_of_account(tx, job.job_id, user_id):
        found += _records(bundle, job.expires_at_ms, lambda row: bool(row[USER] == user_id))
    return await _with_receipts(tx, found)


async def attempts_of(tx: Tx, pushes: Sequence[PushRecord]) -> dict[int, list[AttemptRecord]]:
    """The attempts of each push. A target of a push to many went out with the requests of its bundle."""
    ids = [number for push in pushes for number in (push.push_id, push.bundle_id) if number]
    found = await read_attempts(tx, list(dict.fromkeys(ids)))
    return {push.push_id: found.get(push.push_id) or found.get(push.bundle_id, []) for push in pushes}


async def push_by_id(tx: Tx, sdkappid: int, push_id: int) -> PushRecord | None:
    """The target with this number, or None."""
    bundle = await bundle_of_push(tx, sdkappid, push_id)
    if bundle is None:
        return None
    job = await get_job(tx, sdkappid, bundle.job_id)
    records = _records(bundle, 0 if job is None else job.expires_at_ms, lambda row: True)  # noqa: ARG005  (all of them)
    chosen = [record for record in records if record.push_id == push_id]
    return (await _with_receipts(tx, chosen))[0] if chosen else None


def _records(bundle: BundleRecord, expires_at_ms: int, wanted: Callable[[Sequence[Any]], bool]) -> list[PushRecord]:
    """The wanted targets of a bundle. One that is a push of its own by now tells its story itself."""
    exceptions = decode_exceptions(bundle.exceptions)
    others = {item.index: item for item in exceptions.others}
    found = []
    for index, row in enumerate(decode_targets(bundle.targets)):
        other = others.get(index)
        if not wanted(row) or (other is not None and other.state == PushState.PENDING):
            continue
        state, reason = (bundle.state, bundle.reason) if other is None else (other.state, other.reason)
        message_id = exceptions.message_ids[index] if exceptions.message_ids else bundle.vendor_message_id
        found.append(
            PushRecord(
                push_id=bundle.bundle_id + index,
                message_id=bundle.job_id,
                user_id=row[USER],
                device_id=row[DEVICE] or 0,
                state=state,
                reason=_reason(row, reason),
                inputs=_inputs(bundle, row),
                business_id=bundle.business_id or (row[BUSINESS] or 0 if len(row) > BUSINESS else 0),
                channel=bundle.channel,
                notification_class=BULK_CLASS,
                attempts=bundle.attempts,
                due_at_ms=bundle.due_at_ms,
                expires_at_ms=expires_at_ms,
                created_at_ms=bundle.created_at_ms,
                finished_at_ms=bundle.finished_at_ms,
                vendor_message_id=message_id if state == PushState.ACCEPTED else "",
                delivered_at_ms=0,
                shown_at_ms=0,
                clicked_at_ms=0,
                bundle_id=bundle.bundle_id,
            )
        )
    return found


def _reason(row: Sequence[Any], reason: str) -> str:
    """A device that had a socket and was in background was pushed to for that."""
    background = row[NODE] is not None and row[APP_STATE] == AppState.BACKGROUND
    return Reason.BACKGROUND.value if reason == Reason.OFFLINE and background else reason


def _inputs(bundle: BundleRecord, row: Sequence[Any]) -> str:
    if row[DEVICE] is None:
        return "{}"
    platform = bundle.platform or (row[PLATFORM] if len(row) > PLATFORM else "")
    snapshot = snapshot_of_target(row, platform)
    certificate = _CERTIFICATES.get(Reason(bundle.reason), "ok") if bundle.state == PushState.SUPPRESSED else "ok"
    told = msgspec.structs.asdict(snapshot) | {"certificate": certificate}
    if len(row) > RECORDED_SUPPRESSED:
        told["receiver"] = row[RECORDED_SUPPRESSED]
    return msgspec.json.encode(told).decode()


async def _with_receipts(tx: Tx, pushes: Sequence[PushRecord]) -> list[PushRecord]:
    receipts = await receipts_of(tx, [push.push_id for push in pushes])
    told = []
    for push in pushes:
        at = {receipt.kind: receipt.at_ms for receipt in receipts.get(push.push_id, ())}
        told.append(
            msgspec.structs.replace(
                push,
                delivered_at_ms=at.get(ReceiptKind.DELIVERED, 0),
                shown_at_ms=at.get(ReceiptKind.SHOWN, 0),
                clicked_at_ms=at.get(ReceiptKind.CLICKED, 0),
            )
        )
    return told
