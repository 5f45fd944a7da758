"""Accepting messages: durable, once, with every decision in the same transaction."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from homing.model.messages import Draft, Element, MessageFlags
from homing.model.problems import MSG_RECEIVER_UNKNOWN, MSG_SENDER_UNKNOWN, Refused
from homing.model.push import PushState
from homing.model.push_info import OfflinePushInfo
from homing.store.engine import Query, Tx

MESSAGES = Query("test.messages", "SELECT message_id, to_seq, from_seq, seq, random FROM message ORDER BY message_id")
UNREAD = Query("test.unread", "SELECT user_id, peer, unread FROM conversation WHERE user_id = ? ORDER BY peer")
TOTAL = Query("test.total", "SELECT unread_total, inbox_seq FROM account WHERE user_id = ?")


async def rows(pipeline: Any, query: Query, *args: Any) -> list[tuple[Any, ...]]:
    async def work(tx: Tx) -> list[Any]:
        return await tx.fetch(query, *args)

    return [tuple(row) for row in await pipeline.database.read(work)]


async def test_an_accepted_message_is_stored_with_its_push(pipeline: Any) -> None:
    await pipeline.device(7, "bob")
    accepted = await pipeline.send("hi", seq=5, random=9)
    assert accepted.msg_key == f"5_9_{accepted.timestamp}"
    await pipeline.vendor.received(1)
    [push] = await pipeline.pushes()
    assert push[1:4] == (PushState.ACCEPTED, "offline", 1)
    assert push[9] == accepted.message_id
    assert [row[0] for row in await rows(pipeline, MESSAGES)] == [accepted.message_id]


async def test_a_repeat_within_120_seconds_is_the_same_message(pipeline: Any) -> None:
    await pipeline.device(7, "bob")
    first = await pipeline.send("hi", seq=5, random=9)
    pipeline.clock.advance(seconds=119)
    again = await pipeline.send("hi", seq=5, random=9)
    assert again.duplicate
    assert (again.msg_key, again.timestamp) == (first.msg_key, first.timestamp)
    assert len(await rows(pipeline, MESSAGES)) == 1
    pipeline.clock.advance(seconds=2)
    assert not (await pipeline.send("hi", seq=5, random=9)).duplicate


@pytest.mark.parametrize("change", [{"seq": 6}, {"random": 10}, {"to": "carol"}, {"elements": (Element("TIMTextElem", {"Text": "ho"}),)}])
async def test_another_seq_random_receiver_or_content_is_another_message(pipeline: Any, change: dict[str, Any]) -> None:
    await pipeline.send("hi", seq=5, random=9)
    assert not (await pipeline.send("hi", **{"seq": 5, "random": 9, **change})).duplicate
    assert len(await rows(pipeline, MESSAGES)) == 2


async def test_repeats_that_arrive_at_the_same_moment_are_stored_once(pipeline: Any) -> None:
    answers = await asyncio.gather(*(pipeline.send("hi", seq=5, random=9) for _ in range(20)))
    assert len({answer.msg_key for answer in answers}) == 1
    assert sum(not answer.duplicate for answer in answers) == 1
    assert len(await rows(pipeline, MESSAGES)) == 1


async def test_without_a_seq_of_the_caller_nothing_counts_as_a_repeat(pipeline: Any) -> None:
    await pipeline.send("hi", random=9)
    assert not (await pipeline.send("hi", random=9)).duplicate


async def test_unknown_accounts_are_refused_and_store_nothing(pipeline: Any) -> None:
    with pytest.raises(Refused) as receiver:
        await pipeline.send("hi", to="nobody")
    assert receiver.value.problem is MSG_RECEIVER_UNKNOWN
    with pytest.raises(Refused) as sender:
        await pipeline.send("hi", sender="nobody")
    assert sender.value.problem is MSG_SENDER_UNKNOWN
    assert await rows(pipeline, MESSAGES) == []


async def test_both_inboxes_count_without_gaps_under_concurrency(pipeline: Any) -> None:
    drafts = [("alice", "bob"), ("bob", "alice"), ("carol", "bob")] * 40
    await asyncio.gather(*(pipeline.send(f"m{i}", sender=sender, to=to, seq=i) for i, (sender, to) in enumerate(drafts)))
    stored = await rows(pipeline, MESSAGES)
    bobs = [row[1] for row in stored if row[1] is not None]
    assert len(stored) == 120
    assert len(bobs) == 120
    ((_, inbox_seq),) = await rows(pipeline, TOTAL, "bob")
    assert inbox_seq == 120  # received from alice and carol, and the copies of what was sent


async def test_unread_counts_by_conversation_and_in_the_badge(pipeline: Any) -> None:
    await pipeline.device(7, "bob")
    await pipeline.send("one")
    await pipeline.send("two", sender="carol")
    await pipeline.send("three", flags=MessageFlags.NO_UNREAD)
    assert await rows(pipeline, UNREAD, "bob") == [("bob", "alice", 1), ("bob", "carol", 1)]
    assert (await rows(pipeline, TOTAL, "bob"))[0][0] == 2
    assert [push[6] for push in await pipeline.pushes()] == [1, 2, None]


async def test_an_online_only_message_is_neither_counted_nor_pushed(pipeline: Any) -> None:
    await pipeline.device(7, "bob")
    await pipeline.send("psst", flags=MessageFlags.ONLINE_ONLY)
    assert await rows(pipeline, UNREAD, "bob") == []
    [(_, to_seq, from_seq, _, _)] = await rows(pipeline, MESSAGES)
    assert (to_seq, from_seq) == (None, None)
    [push] = await pipeline.pushes()
    assert push[1:3] == (PushState.SUPPRESSED, "online_only")


async def test_a_receiver_without_devices_is_recorded_too(pipeline: Any) -> None:
    await pipeline.send("hi")
    [push] = await pipeline.pushes()
    assert push[1:3] == (PushState.SUPPRESSED, "no_device")


@pytest.mark.parametrize(
    ("device", "info", "reason"),
    [
        ({"session_state": "logged_out"}, {}, "logged_out"),
        ({"session_state": "kicked"}, {}, "kicked"),
        ({"session_state": "revoked"}, {}, "revoked"),
        ({"token": None, "business_id": None}, {}, "no_token"),
        ({"business_id": 99}, {}, "no_certificate"),
        ({"seen_ms": 0}, {}, "session_expired"),
        ({}, {"PushFlag": 1}, "sender_opted_out"),
    ],
)
async def test_every_suppression_is_recorded_with_its_reason(pipeline: Any, device: Any, info: Any, reason: str) -> None:
    await pipeline.device(7, "bob", **device)
    await pipeline.send("hi", push_info=OfflinePushInfo(Title="A", Desc="hi", **info))
    [push] = await pipeline.pushes()
    assert push[1:3] == (PushState.SUPPRESSED, reason)
    assert pipeline.vendor.requests == []


async def test_a_custom_message_without_description_is_not_pushed(pipeline: Any) -> None:
    await pipeline.device(7, "bob")
    await pipeline.send("x", elements=(Element("TIMCustomElem", {"Data": "{}"}),), push_info=None)
    [push] = await pipeline.pushes()
    assert push[1:3] == (PushState.SUPPRESSED, "no_description")


async def test_many_messages_at_once_keep_refusals_in_their_places(pipeline: Any) -> None:
    drafts = [
        Draft(from_account="alice", to_account=to, elements=(Element("TIMTextElem", {"Text": "hi"}),), random=1)
        for to in ("bob", "nobody", "carol")
    ]
    first, second, third = await pipeline.messaging.send_many(pipeline.app, drafts)
    assert first.msg_key
    assert second is MSG_RECEIVER_UNKNOWN
    assert third.msg_key


async def test_the_senders_other_devices_are_synchronised_and_never_pushed(pipeline: Any) -> None:
    await pipeline.device(7, "bob")
    await pipeline.device(8, "alice", node_id=1, app_state="foreground")
    await pipeline.device(9, "alice", platform="ios")
    await pipeline.send("hi", flags=MessageFlags.FROM_DEVICE, sender_device_id=8)
    await pipeline.vendor.received(1)
    by_device = {push[5]: push[1:3] for push in await pipeline.pushes()}
    assert by_device == {7: (PushState.ACCEPTED, "offline"), 9: (PushState.SUPPRESSED, "own_message")}
