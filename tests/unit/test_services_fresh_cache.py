"""The cache whose values are never older than two seconds."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from homing.services.fresh import FreshCache


class Source:
    """Values that can be counted, held back and made to fail."""

    def __init__(self) -> None:
        self.value: str | None = "old"
        self.loads = 0
        self.gate = asyncio.Event()
        self.gate.set()
        self.error: Exception | None = None

    async def load(self, key: str) -> str | None:
        self.loads += 1
        value = self.value
        await self.gate.wait()
        if self.error is not None:
            raise self.error
        return value


async def test_a_fresh_value_is_not_loaded_again(clock: Any) -> None:
    source = Source()
    cache = FreshCache(source.load, clock)
    assert await cache.get("a") == "old"
    source.value = "new"
    clock.advance(seconds=0.9)
    assert await cache.get("a") == "old"
    assert source.loads == 1


async def test_a_value_of_a_second_is_refreshed_behind_the_callers_back(clock: Any) -> None:
    source = Source()
    cache = FreshCache(source.load, clock)
    await cache.get("a")
    source.value = "new"
    clock.advance(seconds=1.5)
    assert await cache.get("a") == "old"
    for _ in range(3):
        await asyncio.sleep(0)
    assert await cache.get("a") == "new"
    assert source.loads == 2


async def test_nobody_gets_a_value_older_than_two_seconds(clock: Any) -> None:
    source = Source()
    cache = FreshCache(source.load, clock)
    await cache.get("a")
    source.value = None
    clock.advance(seconds=2)
    assert await cache.get("a") is None


async def test_many_callers_share_one_load(clock: Any) -> None:
    source = Source()
    source.gate.clear()
    cache = FreshCache(source.load, clock)
    waiting = [asyncio.create_task(cache.get("a")) for _ in range(20)]
    await asyncio.sleep(0)
    source.gate.set()
    assert await asyncio.gather(*waiting) == ["old"] * 20
    assert source.loads == 1


async def test_what_is_forgotten_during_a_load_does_not_come_back(clock: Any) -> None:
    source = Source()
    source.gate.clear()
    cache = FreshCache(source.load, clock)
    first = asyncio.create_task(cache.get("a"))
    await asyncio.sleep(0)
    source.value = "new"
    cache.forget("a")
    source.gate.set()
    await first
    assert await cache.get("a") == "new"


async def test_a_failed_load_reaches_the_caller_and_is_not_kept(clock: Any) -> None:
    source = Source()
    source.error = RuntimeError("away")
    cache = FreshCache(source.load, clock)
    with pytest.raises(RuntimeError):
        await cache.get("a")
    source.error = None
    assert await cache.get("a") == "old"


async def test_a_cancelled_caller_leaves_the_load_to_the_others(clock: Any) -> None:
    source = Source()
    source.gate.clear()
    cache = FreshCache(source.load, clock)
    impatient, patient = asyncio.create_task(cache.get("a")), asyncio.create_task(cache.get("a"))
    await asyncio.sleep(0)
    impatient.cancel()
    await asyncio.sleep(0)
    source.gate.set()
    assert await patient == "old"


async def test_the_number_of_entries_is_bounded(clock: Any) -> None:
    source = Source()
    cache = FreshCache(source.load, clock, max_entries=3)
    for key in "abcd":
        await cache.get(key)
    assert cache.peek("a") is None
    assert cache.peek("d") == "old"
