"""The counters of pushes to many, with the targets that became pushes of their own."""

from __future__ import annotations

from typing import Any

from homing.model.outcome import VendorRequest, VendorResponse
from homing.model.push import PushState
from homing.services.statistics import Statistics
from homing.store.engine import Query
from homing.store.pushes import acknowledge
from homing.store.statistics import Counts

from .many import APP, SENT_ONE, SINGLES, Many

_WITHDRAW = Query("test.withdrawals", "UPDATE push SET kind = 'recall', notification_class = 'private', state = 10")


def _busy(request: VendorRequest) -> VendorResponse:
    """Token 2 has to wait."""
    busy = request.targets[0].token == "token-2"
    return VendorResponse(429, {"retry-after": "30"}, b"{}") if busy else SENT_ONE


async def _day(many: Many) -> dict[str, Counts]:
    now = many.clock.now_ms() // 1000
    return await Statistics(many.database, many.clock).all_jobs(many.apps.app, now - 60, now)


async def test_a_target_that_was_tried_again_on_its_own_is_counted(many: Many, clock: Any) -> None:
    await many.devices(1, 2, 3, business_id=SINGLES)
    many.vendor.answer = _busy
    job = await many.push()
    await many.run()
    waiting = await many.job(job)
    assert (waiting.targets, waiting.sent, waiting.done) == (3, 2, 2)
    assert await _day(many) == {"fcm": Counts(3, 2, 0, 0)}
    many.vendor.answer = None
    clock.advance(seconds=31)
    await many.dispatch.turn()
    await many.dispatch.quiet()
    await many.recorder.drain()
    done = await many.job(job)
    assert (done.targets, done.sent, done.failed, done.done) == (3, 3, 0, 3)
    assert await _day(many) == {"fcm": Counts(3, 3, 0, 0)}
    [listed] = await many.jobs.recent(APP)
    assert listed.sent == 3


async def test_a_device_whose_socket_did_not_help_is_a_target(many: Many, clock: Any) -> None:
    await many.devices(1, 2, node_id=1, app_state="foreground", business_id=SINGLES)
    job = await many.push()
    await many.run()
    assert ((await many.job(job)).on_sockets, (await many.job(job)).targets) == (2, 0)
    await many.database.write(lambda tx: acknowledge(tx, [(job.job_id, 1, APP)], clock.now_ms()))
    clock.advance(seconds=60)
    await many.dispatch.turn()
    await many.dispatch.quiet()
    states = [state for _, _, state, _, _ in await many.pushes()]
    assert states == [PushState.DELIVERED_ONLINE, PushState.ACCEPTED]
    done = await many.job(job)
    assert (done.on_sockets, done.targets, done.sent) == (1, 1, 1)


async def test_what_takes_a_notification_back_is_no_push(many: Many) -> None:
    await many.devices(1, 2, business_id=SINGLES)
    many.vendor.answer = _busy
    await many.push()
    await many.run()
    await many.database.write(lambda tx: tx.execute(_WITHDRAW))
    now = many.clock.now_ms() // 1000
    assert await Statistics(many.database, many.clock).normal(many.apps.app, now - 60, now + 60) == {}
