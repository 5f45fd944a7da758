"""Pushes to many and what their receivers have set: it counts where the request leaves it to them."""

from __future__ import annotations

import pytest

from homing.model.messages import MessageFlags
from homing.model.push import PushState
from homing.model.push_jobs import JobState
from homing.model.receive_options import DAY_SECONDS, QuietHours, ReceiveOption
from homing.model.relations import InboxFilter
from homing.services.explain_bundles import pushes_of_job
from homing.store import screening
from homing.store.engine import Query, Tx
from homing.store.relations import set_filter

from .many import APP, SINGLES, Many, user

ALWAYS = QuietHours(start_second=0, duration_seconds=DAY_SECONDS)
ASKING = (MessageFlags.NO_UNREAD | MessageFlags.NO_LAST_MSG | MessageFlags.HONOUR_MUTE).value
_BLOCK = Query("test.block_news", "INSERT INTO blacklist (sdkappid, user_id, blocked, added_at) VALUES (?, ?, 'news', 0)")


async def _settings(many: Many) -> None:
    """1 has set nothing, 2 silences the sender, 3 takes nothing, 4 is in quiet hours, 5 too but not for it, 6 blocked it."""

    async def work(tx: Tx) -> None:
        for number, option, passes in (
            (2, ReceiveOption.SILENT, False),
            (3, ReceiveOption.DISCARD, False),
            (5, ReceiveOption.NOTIFY, True),
        ):
            await screening.save_options(tx, APP, user(number), [screening.OptionRow("c2c_news", option, passes)])
        for number in (4, 5):
            await screening.save_quiet_hours(tx, APP, user(number), ALWAYS)
        await tx.execute(_BLOCK, APP, user(6))
        await set_filter(tx, APP, user(6), InboxFilter.BLACKLIST, on=True)

    await many.devices(*range(1, 7))
    await many.database.write(work)


async def _reasons(many: Many) -> dict[str, int]:
    return {reason: count for _, _, count, state, reason, _ in await many.bundles() if state == PushState.SUPPRESSED}


async def test_a_push_rings_whatever_the_receivers_have_set(many: Many) -> None:
    await _settings(many)
    await many.push()
    await many.run()
    assert sorted(many.vendor.tokens()) == [f"token-{n}" for n in range(1, 7)]


async def test_a_push_that_leaves_it_to_the_receivers_keeps_their_settings(many: Many) -> None:
    await _settings(many)
    job = await many.push(flags=ASKING)
    await many.run()
    # The backend is on nobody's blacklist.
    assert sorted(many.vendor.tokens()) == ["token-1", "token-5", "token-6"]
    assert await _reasons(many) == {"muted": 1, "discarded": 1, "quiet_hours": 1, "no_device": 1}
    done = await many.job(job)
    assert (done.state, done.sent, done.suppressed) == (JobState.FINISHED, 3, 4)


async def test_the_record_shows_the_setting_that_held_a_push_back(many: Many) -> None:
    await _settings(many)
    job = await many.push(flags=ASKING)
    await many.run()
    [push] = await many.database.read(lambda tx: pushes_of_job(tx, job, user(4)))
    assert push.reason == "quiet_hours"
    assert '"receiver":{"blocked":false,"option":0,"passes_quiet":false,"quiet_hours":{"duration_seconds":86400}}' in push.inputs
    [plain] = await many.database.read(lambda tx: pushes_of_job(tx, job, user(1)))
    assert "receiver" not in plain.inputs


async def test_a_connected_device_gets_a_muted_push_on_its_socket_alone(many: Many) -> None:
    await many.devices(1, node_id=1)
    await many.devices(2, node_id=1, business_id=SINGLES)
    await many.database.write(lambda tx: screening.save_quiet_hours(tx, APP, user(1), ALWAYS))
    await many.push(flags=ASKING)
    await many.run()
    assert sorted(delivery.device_id for delivery in many.delivered) == [1, 2]
    assert sorted(many.vendor.tokens()) == ["token-2"]
    [(_, account, state, reason, _)] = await many.pushes()
    assert (account, state, reason) == (user(1), PushState.WAITING_ACK, "quiet_hours")


async def test_a_push_without_the_word_looks_up_no_settings(many: Many, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[object] = []

    async def spied(*args: object) -> dict[str, object]:
        asked.append(args)
        return {}

    monkeypatch.setattr("homing.services.job_runner.load_screens_of_many", spied)
    await many.devices(1)
    await many.push()
    await many.run()
    assert asked == []
    await many.push(flags=ASKING, random=8)
    await many.run()
    assert len(asked) == 1
