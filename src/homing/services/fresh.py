"""A bounded cache whose values are never older than two seconds.

What the command line changes must reach a running server without a restart, and a busy server must not read the same
row for every message. So a value is taken as it is for one second, refreshed in the background during the next, and
after two seconds nobody gets it without a new look.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Hashable
from typing import Generic, TypeVar

from homing.model.clock import Clock

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")

FRESH_SECONDS = 1.0
STALE_SECONDS = 2.0
MAX_ENTRIES = 4096


class FreshCache(Generic[K, V]):
    """Values by key, loaded by ``load`` (single flight a key). None is a value too: what does not exist is asked once a second."""

    def __init__(self, load: Callable[[K], Awaitable[V]], clock: Clock, *, max_entries: int = MAX_ENTRIES) -> None:
        self._load = load
        self._clock = clock
        self._max_entries = max_entries
        self._entries: dict[K, tuple[float, V]] = {}
        self._loading: dict[K, asyncio.Task[V]] = {}
        self._generation = 0

    async def get(self, key: K) -> V:
        """The value, at most two seconds old. Raises what ``load`` raises when a new look is needed."""
        entry = self._entries.get(key)
        if entry is not None:
            age = self._clock.monotonic() - entry[0]
            if age < FRESH_SECONDS:
                return entry[1]
            if age < STALE_SECONDS:
                self._start(key)
                return entry[1]
        return await asyncio.shield(self._start(key))

    def peek(self, key: K) -> V | None:
        """The last value that was loaded, however old, or None."""
        entry = self._entries.get(key)
        return None if entry is None else entry[1]

    def forget(self, key: K | None = None) -> None:
        """Drop one value, or all: the next ``get`` looks anew. A load under way does not bring the old value back."""
        self._generation += 1
        self._loading.clear()
        if key is None:
            self._entries.clear()
        else:
            self._entries.pop(key, None)

    def _start(self, key: K) -> asyncio.Task[V]:
        task = self._loading.get(key)
        if task is None:
            task = self._loading[key] = asyncio.get_running_loop().create_task(self._refresh(key, self._generation))
            task.add_done_callback(_retrieve)
        return task

    async def _refresh(self, key: K, generation: int) -> V:
        try:
            started = self._clock.monotonic()
            value = await self._load(key)
            if generation == self._generation:
                self._keep(key, started, value)
            return value
        finally:
            if generation == self._generation:
                self._loading.pop(key, None)

    def _keep(self, key: K, at: float, value: V) -> None:
        self._entries.pop(key, None)
        self._entries[key] = (at, value)
        while len(self._entries) > self._max_entries:
            del self._entries[next(iter(self._entries))]


def _retrieve(task: asyncio.Task[V]) -> None:
    if not task.cancelled():
        task.exception()  # a failed background refresh is no news: the next get looks anew and hears of it
