"""What listeners hear, one thing after the other, away from the reader: a listener may call the client and wait."""

from __future__ import annotations

import asyncio
import inspect
import logging
from collections import deque
from collections.abc import Awaitable, Callable
from typing import Any

from .listener import Listener
from .values import ReceivedMessage

MAX_REMEMBERED = 2000
MAX_WAITING = 10_000
ACK_BATCH = 100
log = logging.getLogger(__name__)

Acknowledge = Callable[[list[str], str], Awaitable[None]]


class Events:
    """Calls the listeners, acknowledges what they have taken, and keeps the cursor behind it."""

    def __init__(self, acknowledge: Acknowledge) -> None:
        self.listeners: list[Listener] = []
        self.cursor = ""
        self._acknowledge = acknowledge
        self._waiting: deque[tuple[str, tuple[Any, ...]]] = deque()
        self._task: asyncio.Task[None] | None = None
        self._remembered: dict[str, None] = {}
        self._taken: list[str] = []

    @property
    def full(self) -> bool:
        """The listeners are far behind: take nothing more from the server for now."""
        return len(self._waiting) >= MAX_WAITING

    def restart(self, cursor: str) -> None:
        """Another account, or a place to go on from."""
        self.cursor = cursor
        self._remembered.clear()

    def remember(self, msg_id: str) -> None:
        """This message is known; it is not told again."""
        self._remembered[msg_id] = None
        while len(self._remembered) > MAX_REMEMBERED:
            del self._remembered[next(iter(self._remembered))]

    def message(self, message: ReceivedMessage) -> None:
        """A message came. A repeat, and one's own, only move the cursor."""
        known = message.msg_id in self._remembered
        self.remember(message.msg_id)
        self.tell("" if known else "on_recv_new_message", message)

    def tell(self, name: str, *arguments: Any) -> None:
        """Call the listeners when what came before is done."""
        self._waiting.append((name, arguments))
        if self._task is None:
            self._task = asyncio.get_running_loop().create_task(self._hand_out())

    async def settled(self) -> None:
        """Wait until the listeners have heard everything that came so far."""
        while self._task is not None:
            await asyncio.wait([self._task])

    async def close(self) -> None:
        """Tell nothing more."""
        self._waiting.clear()
        if self._task is not None and self._task is not asyncio.current_task():
            self._task.cancel()
            await asyncio.wait([self._task])

    async def _hand_out(self) -> None:
        try:
            while self._waiting:
                name, arguments = self._waiting.popleft()
                if name:
                    await self._call(name, arguments)
                for argument in arguments:
                    if isinstance(argument, ReceivedMessage):
                        self._taken.append(argument.msg_id)
                        self.cursor = argument.cursor or self.cursor
                if self._taken and (not self._waiting or len(self._taken) >= ACK_BATCH):
                    taken, self._taken = self._taken, []
                    await self._acknowledge(taken, self.cursor)
        finally:
            self._task = None

    async def _call(self, name: str, arguments: tuple[Any, ...]) -> None:
        for listener in list(self.listeners):
            try:
                heard = getattr(listener, name)(*arguments)
                if inspect.isawaitable(heard):
                    await heard
            except Exception:  # an app's mistake must not stop its messages
                log.exception("a listener failed in %s", name)
