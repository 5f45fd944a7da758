"""Turns many small asks into few large ones: whatever arrives while one batch is under way travels in the next."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Generic, TypeVar

from homing.store.engine import StoreBusy

T = TypeVar("T")
R = TypeVar("R")

ENOUGH = 32  # a batch of this size is not worth waiting for more


class Batcher(Generic[T, R]):
    """Calls ``run(items)`` with at most ``max_batch`` items, at most ``concurrent`` calls at a time.

    ``run`` answers one result an item, in order. More than ``max_queued`` waiting items raise ``StoreBusy`` at once, so
    memory stays bounded. A batch that is still small waits ``linger_seconds`` for company: a commit costs the same for one
    item and for twenty.
    """

    def __init__(
        self,
        run: Callable[[list[T]], Awaitable[list[R]]],
        *,
        max_batch: int = 256,
        max_queued: int = 20_000,
        concurrent: int = 1,
        linger_seconds: float = 0.0,
    ) -> None:
        self._run = run
        self._max_batch = max_batch
        self._max_queued = max_queued
        self._concurrent = concurrent
        self._linger_seconds = linger_seconds
        self._waiting: list[tuple[T, asyncio.Future[R] | None]] = []
        self._active = 0
        self._scheduled = False
        self._tasks: set[asyncio.Task[None]] = set()

    def __len__(self) -> int:
        return len(self._waiting)

    @property
    def free(self) -> int:
        """How many more items may wait."""
        return self._max_queued - len(self._waiting)

    def submit(self, item: T) -> asyncio.Future[R]:
        """Hand over one item; the future brings its result."""
        if len(self._waiting) >= self._max_queued:
            raise StoreBusy("too many requests are waiting for the store")
        future: asyncio.Future[R] = asyncio.get_running_loop().create_future()
        self._waiting.append((item, future))
        self._schedule()
        return future

    def add(self, item: T) -> None:
        """Hand over one item whose result nobody waits for. Never refused: the caller bounds what is in flight."""
        self._waiting.append((item, None))
        self._schedule()

    async def drain(self) -> None:
        """Wait until everything handed over so far is done."""
        while self._waiting or self._tasks:
            self._start()
            if self._tasks:
                await asyncio.wait(set(self._tasks))

    def _schedule(self) -> None:
        if self._scheduled or self._active >= self._concurrent:
            return
        self._scheduled = True
        loop = asyncio.get_running_loop()
        if self._linger_seconds and len(self._waiting) < ENOUGH:
            loop.call_later(self._linger_seconds, self._start)
        else:
            # One loop turn of patience: requests that are already in the sockets' buffers join the batch.
            loop.call_soon(self._start)

    def _start(self) -> None:
        self._scheduled = False
        while self._waiting and self._active < self._concurrent:
            batch = self._waiting[: self._max_batch]
            del self._waiting[: self._max_batch]
            self._active += 1
            task = asyncio.get_running_loop().create_task(self._flush(batch))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def _flush(self, batch: list[tuple[T, asyncio.Future[R] | None]]) -> None:
        try:
            results = await self._run([item for item, _ in batch])
        except BaseException as error:
            for _, future in batch:
                if future is not None and not future.done():
                    future.set_exception(error if isinstance(error, Exception) else StoreBusy("the server is stopping"))
            if not isinstance(error, Exception):
                raise
        else:
            for (_, future), result in zip(batch, results, strict=True):
                if future is not None and not future.done():
                    future.set_result(result)
        finally:
            self._active -= 1
            if self._waiting:
                self._schedule()
