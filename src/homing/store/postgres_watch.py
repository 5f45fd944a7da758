"""Notices within two seconds that PostgreSQL no longer answers, without a limit on how long good work may take.

A server that ends closes its connections, and everybody hears of it. One that is cut off does not: a statement would wait
until the kernel gives up, many minutes. So when a transaction takes long, a second connection asks whether the server is
there. If it is not, everything under way is broken off, and what comes is refused at once until it is there again. If
another server of the URL is the primary now, everything under way is broken off as well, and goes there when it comes again.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

from .postgres_hosts import find_primary

#: How long a transaction may take before the server is asked, and how long it may take to answer.
LONG_SECONDS = 0.8
ANSWER_SECONDS = 0.7
TICK_SECONDS = 0.2
#: Between two questions while work that takes long goes on.
PAUSE_SECONDS = 2.0


class Watch:
    """Watches the transactions of one process. ``there`` is the URL, with one host, of the primary when it was made."""

    def __init__(self, url: str, there: str, on_moved: Callable[[str], Awaitable[None]]) -> None:
        self._url = url
        self._there = there
        self._on_moved = on_moved
        self._under_way: dict[Any, float] = {}
        self._task: asyncio.Task[None] | None = None
        self.away = False

    def began(self, connection: Any) -> None:
        """A transaction begins on this connection."""
        loop = asyncio.get_running_loop()
        self._under_way[connection] = loop.time()
        if self._task is None:
            self._task = loop.create_task(self._watch())

    def ended(self, connection: Any) -> None:
        """It is over."""
        self._under_way.pop(connection, None)

    async def close(self) -> None:
        """Watch no more."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait([self._task])

    async def _watch(self) -> None:
        loop, asked_at = asyncio.get_running_loop(), 0.0
        while True:
            await asyncio.sleep(TICK_SECONDS)
            oldest = min(self._under_way.values(), default=loop.time())
            if not self.away and (loop.time() - oldest < LONG_SECONDS or loop.time() - asked_at < PAUSE_SECONDS):
                continue
            asked_at = loop.time()
            there = await find_primary(self._url, ANSWER_SECONDS)
            if there != self._there:
                self._break_off(asked_at - LONG_SECONDS)
            if there is not None and there != self._there:
                self._there = there
                await self._on_moved(there)
            self.away = there is None

    def _break_off(self, before: float) -> None:
        for connection, began in list(self._under_way.items()):
            if began <= before:
                connection.terminate()
