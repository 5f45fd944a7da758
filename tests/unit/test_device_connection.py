"""The state of one connection: what is acknowledged, what it sent itself, how its queue is bounded."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from homing.model.apps import App, AppSettings
from homing.model.devices import Device
from homing.model.problems import Refused
from homing.server.device.closing import KICKED, SLOW_CONSUMER, closing_of
from homing.server.device.connection import Connection
from homing.server.device.cursors import cursor_of, place_of_cursor
from homing.server.device.limits import Buckets, DeviceLimits, TokenBucket

DEVICE = Device(1, 1, "bob", "android", "i")
OWNER = App(1, "app", "key", (), AppSettings(), 0)


class Wire:
    """Remembers how it was closed."""

    def __init__(self) -> None:
        self.heard = False
        self.closed: list[int] = []

    def ping(self) -> None:
        self.heard = True

    def close_now(self, code: int, reason: str) -> None:
        self.closed.append(code)

    def refused(self) -> None:
        self.closed.append(0)


class Peer:
    """Takes what is sent, when it wants to."""

    def __init__(self) -> None:
        self.taken: list[Any] = []
        self.reading = asyncio.Event()
        self.reading.set()

    async def send(self, message: Any) -> None:
        await self.reading.wait()
        self.taken.append(message.get("text", message.get("code")))


def connection(send: Any = None, wire: Wire | None = None, **limits: Any) -> Connection:
    async def nowhere(_: Any) -> None:
        return None

    return Connection(app=OWNER, device=DEVICE, connection_id=1, send=send or nowhere, wire=wire, now=0.0, limits=DeviceLimits(**limits))


@given(st.lists(st.lists(st.integers(1, 30), max_size=6), max_size=12))
async def test_the_resume_position_is_behind_everything_that_arrived(acks: Sequence[list[int]]) -> None:
    state = connection()
    for place in range(1, 31):
        state.track(1000 + place, place)
        state.advance(place)
    arrived: set[int] = set()
    for batch in acks:
        state.acknowledge([1000 + place for place in batch], 0)
        arrived.update(batch)
        gap = next(place for place in range(1, 32) if place not in arrived)
        assert state.acknowledged == (gap - 1 if batch or arrived else 0)


async def test_a_client_that_acknowledges_nothing_costs_little_and_resumes_from_its_first_message() -> None:
    state = connection(unacknowledged=10)
    for place in range(1, 101):
        state.track(place, place)
        state.advance(place)
    assert len(state.unacknowledged or ()) == 10
    state.acknowledge([], 0)
    assert state.acknowledged == 0
    state.acknowledge(list(range(1, 11)), 0)
    assert state.acknowledged == 10
    state.acknowledge([], 100)
    assert state.acknowledged == 100
    state.acknowledge([], 10**9)
    assert state.acknowledged == 100


@given(st.permutations(list(range(1, 12))), st.sets(st.integers(1, 11)))
async def test_own_messages_close_the_gaps_in_any_order(order: list[int], own: set[int]) -> None:
    state = connection()
    waiting = set(range(1, 12)) - own
    for place in order:
        if place in own:
            state.sent_itself(place)
        else:
            waiting.discard(place)
        while state.place + 1 in set(range(1, 12)) - own - waiting:
            state.advance(state.place + 1)
    assert state.place == 11
    assert not state.known


async def test_frames_go_out_in_order_and_the_close_comes_last() -> None:
    peer = Peer()
    state = connection(peer.send)
    for n in range(5):
        state.push(str(n))
    state.close(KICKED, "last")
    state.push("too late")
    assert state.writer is not None
    await state.writer
    assert peer.taken == ["0", "1", "2", "3", "4", "last", 4001]
    assert state.queue is None
    assert state.queued_bytes == 0


@pytest.mark.parametrize("limits", [{"queued_frames": 10}, {"queued_bytes": 50}])
async def test_a_queue_over_its_bound_ends_the_connection(limits: dict[str, int]) -> None:
    peer, wire = Peer(), Wire()
    peer.reading.clear()
    state = connection(peer.send, wire, **limits)
    for _ in range(12):
        state.push("12345")
    assert (state.closing, wire.closed, state.queue) == (SLOW_CONSUMER, [4005], None)
    state.end()
    assert peer.taken == []


async def test_waiting_for_room_ends_with_the_connection_or_the_patience() -> None:
    peer = Peer()
    peer.reading.clear()
    state = connection(peer.send, Wire(), queued_frames=16)
    for _ in range(10):
        state.push("x")
    assert await state.drained(0.001) is False
    waiting = asyncio.get_running_loop().create_task(state.drained(5))
    await asyncio.sleep(0)
    peer.reading.set()
    assert await waiting is True
    assert await state.drained(0) is True


async def test_a_peer_that_is_gone_is_no_error() -> None:
    async def broken(_: Any) -> None:
        raise OSError

    state = connection(broken)
    state.push("x")
    assert state.writer is not None
    await state.writer
    assert state.queue is None


@given(st.integers(0, 2**63 - 1))
def test_a_cursor_leads_back_to_its_place(place: int) -> None:
    assert place_of_cursor(cursor_of(place)) == place


@given(st.text(max_size=40))
def test_any_text_is_a_cursor_or_refused(text: str) -> None:
    try:
        place = place_of_cursor(text)
    except Refused as error:
        name = error.problem.name
    else:
        name = "bad_parameter" if 0 <= place < 2**63 else "a wrong place"
    assert name == "bad_parameter"


@settings(max_examples=50)
@given(st.lists(st.floats(0, 2), min_size=1, max_size=60))
def test_a_bucket_lets_through_its_burst_and_its_rate(pauses: list[float]) -> None:
    limits = DeviceLimits(burst=5, calls_per_second=2)
    bucket, now, taken = TokenBucket(limits, 0.0), 0.0, 0
    for pause in pauses:
        now += pause
        taken += bucket.take(limits, now)
        assert taken <= 5 + 2 * now + 1e-6
    assert taken >= min(len(pauses), 5)


def test_buckets_are_bounded() -> None:
    buckets = Buckets(DeviceLimits(sessions_tracked=3, burst=1, calls_per_second=0))
    assert [buckets.take(n, 0.0) for n in (1, 2, 3, 1)] == [True, True, True, False]
    assert buckets.take(4, 0.0)
    assert buckets.take(2, 0.0), "the least recently used one was forgotten"


def test_every_end_of_a_session_has_a_close_code() -> None:
    ends = {state: closing_of(state).code for state in ("logged_out", "kicked", "revoked", "expired", "of a newer server")}
    assert ends == {"logged_out": 4000, "kicked": 4001, "revoked": 4001, "expired": 4002, "of a newer server": 4000}
