"""The limiter of requests under way."""

from __future__ import annotations

import asyncio

import pytest

from homing.transport.limits import InFlight


async def step() -> None:
    await asyncio.sleep(0)
    await asyncio.sleep(0)


async def test_no_more_than_the_limit_are_given_out() -> None:
    limit = InFlight(2)
    assert limit.try_acquire()
    assert await limit.acquire()
    assert not limit.try_acquire()
    assert (limit.in_flight, limit.free) == (2, 0)


async def test_waiters_get_slots_in_the_order_of_asking() -> None:
    limit = InFlight(1)
    await limit.acquire()
    order: list[int] = []

    async def worker(number: int) -> None:
        await limit.acquire()
        order.append(number)
        limit.release()

    tasks = [asyncio.ensure_future(worker(number)) for number in range(5)]
    await step()
    limit.release()
    await asyncio.gather(*tasks)
    assert order == [0, 1, 2, 3, 4]
    assert limit.in_flight == 0


async def test_a_newcomer_does_not_overtake_waiters() -> None:
    limit = InFlight(1)
    await limit.acquire()
    waiter = asyncio.ensure_future(limit.acquire())
    await step()
    limit.release()
    assert not limit.try_acquire()
    assert await waiter


async def test_too_many_waiters_are_refused() -> None:
    limit = InFlight(1, max_waiting=1)
    await limit.acquire()
    waiter = asyncio.ensure_future(limit.acquire())
    await step()
    assert limit.waiting == 1
    assert not await limit.acquire()
    limit.release()
    assert await waiter


async def test_a_cancelled_waiter_leaves_the_queue() -> None:
    limit = InFlight(1)
    await limit.acquire()
    first, second = asyncio.ensure_future(limit.acquire()), asyncio.ensure_future(limit.acquire())
    await step()
    first.cancel()
    await step()
    limit.release()
    assert await second
    assert limit.in_flight == 1


@pytest.mark.parametrize("cancel_first", [True, False])
async def test_a_slot_given_to_a_waiter_that_is_cancelled_at_the_same_moment_is_passed_on(cancel_first: bool) -> None:
    limit = InFlight(1)
    await limit.acquire()
    first, second = asyncio.ensure_future(limit.acquire()), asyncio.ensure_future(limit.acquire())
    await step()
    if cancel_first:
        first.cancel()
        limit.release()
    else:
        limit.release()
        first.cancel()
    assert await second
    assert limit.in_flight == 1
    assert limit.waiting == 0


async def test_a_larger_limit_frees_waiters_and_a_smaller_one_takes_effect_as_slots_come_back() -> None:
    limit = InFlight(1)
    await limit.acquire()
    waiter = asyncio.ensure_future(limit.acquire())
    await step()
    limit.resize(2)
    assert await waiter
    limit.resize(1)
    limit.release()
    assert not limit.try_acquire()
    limit.release()
    assert limit.try_acquire()


def test_a_limit_below_one_is_refused() -> None:
    with pytest.raises(ValueError, match="at least one"):
        InFlight(0)
    with pytest.raises(ValueError, match="at least one"):
        InFlight(1).resize(0)
