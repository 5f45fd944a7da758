"""Do not disturb from the setting to the push that is not sent, on both engines."""

from __future__ import annotations

import json
from typing import Any

import pytest

from homing.model.messages import MessageFlags
from homing.model.problems import Refused
from homing.model.push import PushState, Reason
from homing.model.receive_options import QuietHours, ReceiveOption
from homing.services.do_not_disturb import MAX_PEERS, DoNotDisturb
from homing.services.explain import Explain
from homing.services.history import History
from homing.store.accounts import insert_accounts
from homing.store.engine import Query, Tx

APP = 1_400_000_001
DEVICE = MessageFlags.FROM_DEVICE | MessageFlags.HONOUR_MUTE
INPUTS = Query("test.inputs", "SELECT inputs FROM push ORDER BY push_id")
FILTERS = Query("test.filters", "SELECT filters FROM account WHERE user_id = 'bob'")
UNREAD = Query("test.unread", "SELECT unread_total FROM account WHERE user_id = 'bob'")


@pytest.fixture
def settings(pipeline: Any) -> DoNotDisturb:
    return DoNotDisturb(pipeline.database, pipeline.clock)


async def one(pipeline: Any, query: Query) -> Any:
    row = await pipeline.database.read(lambda tx: tx.fetch_one(query))
    return row[0]


async def reasons(pipeline: Any) -> list[tuple[int, str]]:
    await pipeline.turn()
    return [(push[1], push[2]) for push in await pipeline.pushes()]


async def mute(pipeline: Any, settings: DoNotDisturb, option: int = ReceiveOption.SILENT, *peers: str) -> None:
    await settings.set_options(pipeline.app, "bob", peers or ["alice"], option=option)


async def test_a_muted_conversation_is_not_pushed_and_the_others_are(pipeline: Any, settings: DoNotDisturb) -> None:
    await pipeline.device(7, "bob")
    await mute(pipeline, settings)
    await pipeline.send("one", flags=DEVICE)
    await pipeline.send("two", flags=DEVICE, sender="carol")
    assert await reasons(pipeline) == [(PushState.SUPPRESSED, Reason.MUTED), (PushState.ACCEPTED, Reason.OFFLINE)]
    assert json.loads(await one(pipeline, INPUTS))["receiver"]["option"] == ReceiveOption.SILENT
    assert await one(pipeline, UNREAD) == 1  # a muted conversation is unread, and not in the account's total
    await mute(pipeline, settings, ReceiveOption.NOTIFY)
    assert await one(pipeline, UNREAD) == 2
    await mute(pipeline, settings, ReceiveOption.SILENT, "alice", "carol")
    assert await one(pipeline, UNREAD) == 0


async def test_reading_and_recalling_in_a_muted_conversation_leave_the_total_alone(pipeline: Any, settings: DoNotDisturb) -> None:
    history = History(pipeline.database, pipeline.clock, pipeline.ids, pipeline.bus)
    await pipeline.send("counts", flags=DEVICE, sender="carol")
    await mute(pipeline, settings)
    first = await pipeline.send("one", flags=DEVICE)
    await pipeline.send("two", flags=DEVICE)
    await history.revoke(pipeline.app, "alice", "bob", msg_key=first.msg_key, by_admin=True)
    await history.mark_read(pipeline.app, "bob", "alice", None)
    assert await one(pipeline, UNREAD) == 1
    await history.mark_read(pipeline.app, "bob", "carol", None)
    assert await one(pipeline, UNREAD) == 0


async def test_a_backend_rings_unless_it_leaves_it_to_the_receiver(pipeline: Any, settings: DoNotDisturb) -> None:
    await pipeline.device(7, "bob")
    await mute(pipeline, settings)
    await pipeline.send("news")
    await pipeline.send("chat", flags=MessageFlags.HONOUR_MUTE)  # WithMuteNotifications
    assert await reasons(pipeline) == [(PushState.ACCEPTED, Reason.OFFLINE), (PushState.SUPPRESSED, Reason.MUTED)]


async def test_a_receiver_that_takes_nothing_gets_nothing(pipeline: Any, settings: DoNotDisturb) -> None:
    await pipeline.device(7, "bob", node_id=1, app_state="foreground")
    await mute(pipeline, settings, ReceiveOption.DISCARD)
    await pipeline.send("one", flags=DEVICE)
    assert await reasons(pipeline) == [(PushState.SUPPRESSED, Reason.DISCARDED)]
    assert pipeline.delivered == []
    assert await one(pipeline, UNREAD) == 0
    await mute(pipeline, settings, ReceiveOption.NOTIFY)
    await pipeline.send("two", flags=DEVICE)
    assert len(pipeline.delivered) == 1
    assert await one(pipeline, FILTERS) == 0


async def test_a_muted_message_comes_on_the_socket_and_is_not_pushed_when_nobody_acknowledges(
    pipeline: Any, settings: DoNotDisturb
) -> None:
    await pipeline.device(7, "bob", node_id=1, app_state="foreground")
    await mute(pipeline, settings)
    await pipeline.send("one", flags=DEVICE)
    assert len(pipeline.delivered) == 1
    pipeline.clock.advance(seconds=4)
    await pipeline.turn()
    assert await reasons(pipeline) == [(PushState.SUPPRESSED, Reason.MUTED)]
    assert pipeline.vendor.requests == []


async def test_what_is_muted_while_its_push_waits_is_not_pushed(pipeline: Any, settings: DoNotDisturb) -> None:
    await pipeline.device(7, "bob", node_id=1, app_state="foreground")
    await pipeline.send("one", flags=DEVICE)
    await mute(pipeline, settings)
    pipeline.clock.advance(seconds=4)
    await pipeline.turn()
    assert await reasons(pipeline) == [(PushState.SUPPRESSED, Reason.MUTED)]


async def test_the_quiet_hours_hold_from_their_start_to_their_end(pipeline: Any, settings: DoNotDisturb) -> None:
    await pipeline.device(7, "bob")
    await settings.set_quiet_hours(pipeline.app, "bob", QuietHours(22 * 3600, 9 * 3600, "Asia/Shanghai"))
    await settings.set_options(pipeline.app, "bob", ["carol"], passes_quiet=True)
    pipeline.clock.set(1_800_021_599_000)  # 2027-01-15 21:59:59 in Shanghai
    await pipeline.send("before", flags=DEVICE)
    await reasons(pipeline)  # what still waits at ten would be quiet too
    assert not (await settings.quiet_hours(pipeline.app, "bob")).active
    pipeline.clock.advance(seconds=1)
    assert (await settings.quiet_hours(pipeline.app, "bob")).active
    await pipeline.send("at night", flags=DEVICE)
    await pipeline.send("at night from one who may", flags=DEVICE, sender="carol")
    await pipeline.send("from the backend")
    await reasons(pipeline)
    pipeline.clock.advance(seconds=9 * 3600)
    await pipeline.send("in the morning", flags=DEVICE)
    assert [reason for _, reason in await reasons(pipeline)] == [
        Reason.OFFLINE,
        Reason.QUIET_HOURS,
        Reason.OFFLINE,
        Reason.OFFLINE,
        Reason.OFFLINE,
    ]


async def test_the_explanation_says_what_was_set_and_what_ends_it(pipeline: Any, settings: DoNotDisturb) -> None:
    await pipeline.device(7, "bob")
    await settings.set_quiet_hours(pipeline.app, "bob", QuietHours(0, 86_400, "UTC"))
    accepted = await pipeline.send("one", flags=DEVICE)
    await pipeline.settle()
    explain = Explain(pipeline.database, pipeline.clock)
    for language, words, cure in (
        ("en", "do not disturb all day", "setAllReceiveMessageOpt"),
        ("zh", "全天免打扰", "setAllReceiveMessageOpt"),
    ):
        told = await explain.message(APP, accepted.msg_key, language)
        [push] = told["messages"][0]["pushes"]
        assert push["reason"] == Reason.QUIET_HOURS
        assert words in push["device_state_text"]
        assert cure in push["cure"]


async def test_an_account_that_has_set_nothing_costs_no_look_up(pipeline: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[Any] = []

    async def load(tx: Tx, keys: Any) -> dict[Any, Any]:
        asked.extend(keys)
        return {}

    monkeypatch.setattr("homing.store.screening.load_screens", load)
    await pipeline.device(7, "bob")
    await pipeline.send("one", flags=DEVICE)
    assert asked == []
    assert await reasons(pipeline) == [(PushState.ACCEPTED, Reason.OFFLINE)]


async def test_options_are_read_as_they_were_set(pipeline: Any, settings: DoNotDisturb) -> None:
    await mute(pipeline, settings, ReceiveOption.SILENT, "alice", "carol")
    await settings.set_options(pipeline.app, "bob", ["carol"], passes_quiet=True)
    found = await settings.options(pipeline.app, "bob", ["carol", "dave", "alice"])
    assert {peer: (row.option, row.passes_quiet) for peer, row in found.items()} == {
        "carol": (2, True),
        "dave": (0, False),
        "alice": (2, False),
    }
    await settings.set_options(pipeline.app, "bob", ["carol"], option=0, passes_quiet=False)
    await mute(pipeline, settings, ReceiveOption.NOTIFY)
    assert await one(pipeline, FILTERS) == 0
    assert (await settings.quiet_hours(pipeline.app, "bob")).window is None


@pytest.mark.parametrize(
    "window",
    [
        QuietHours(),
        QuietHours(-1, 60),
        QuietHours(86_400, 60),
        QuietHours(0, 60, "Atlantis/Center"),
        QuietHours(0, 60, "", 841),
        QuietHours(0, 367 * 86_400, starts_at=5),
        QuietHours(0, 60, starts_at=2**40),
    ],
)
async def test_an_impossible_window_is_refused(pipeline: Any, settings: DoNotDisturb, window: QuietHours) -> None:
    with pytest.raises(Refused):
        await settings.set_quiet_hours(pipeline.app, "bob", window)
    with pytest.raises(Refused):
        await settings.set_quiet_hours(pipeline.app, "nobody", QuietHours(0, 60))


@pytest.mark.parametrize(
    ("user_id", "peers", "option"),
    [
        ("bob", [], 2),
        ("bob", [f"u{n}" for n in range(MAX_PEERS + 1)], 2),
        ("bob", ["名"], 2),
        ("bob", ["alice"], 3),
        ("bob", ["alice"], -1),
        ("nobody", ["alice"], 2),
        ("名", ["alice"], 2),
    ],
)
async def test_an_impossible_option_is_refused(pipeline: Any, settings: DoNotDisturb, user_id: str, peers: list[str], option: int) -> None:
    with pytest.raises(Refused):
        await settings.set_options(pipeline.app, user_id, peers, option=option)


async def test_the_number_of_conversations_that_are_set_is_bounded(
    pipeline: Any, settings: DoNotDisturb, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("homing.services.do_not_disturb.MAX_SET", 2)
    await mute(pipeline, settings, ReceiveOption.SILENT, "alice", "carol")
    await mute(pipeline, settings, ReceiveOption.DISCARD, "alice")
    with pytest.raises(Refused):
        await mute(pipeline, settings, ReceiveOption.SILENT, "dave")


async def test_settings_of_one_app_are_nothing_to_another(pipeline: Any, settings: DoNotDisturb) -> None:
    await pipeline.database.write(lambda tx: insert_accounts(tx, 5, [("bob", "", "")], 1))
    await mute(pipeline, settings)
    stored = await pipeline.database.read(
        lambda tx: tx.fetch(Query("test.all", "SELECT sdkappid, filters FROM account WHERE user_id = 'bob'"))
    )
    assert sorted(tuple(row) for row in stored) == [(5, 0), (APP, 2)]
