"""Whom the replacement of a recalled push to many goes to: the devices that its notifications were sent to."""

from __future__ import annotations

from homing.model.push import PushState
from homing.model.push_jobs import PushJob
from homing.store.audience import DEVICE, USER, Page, devices_by_id
from homing.store.engine import Tx
from homing.store.push_bundles import decode_exceptions, decode_targets, next_page


async def replaced_page(tx: Tx, job: PushJob) -> Page:
    """The devices of the next page of the recalled job that got its notification, as they are now."""
    bundles = await next_page(tx, job.replaces_job, job.cursor)
    if not bundles:
        return Page([], job.cursor, True)
    devices: list[int] = []
    for bundle in bundles:
        if bundle.state == PushState.ACCEPTED:
            others = {item.index for item in decode_exceptions(bundle.exceptions).others}
            devices += [row[DEVICE] for n, row in enumerate(decode_targets(bundle.targets)) if n not in others]
    rows = await devices_by_id(tx, job.sdkappid, devices)
    return Page(sorted(rows, key=lambda row: str(row[USER])), bundles[0].page, False)
