"""One open socket of a device: a bounded queue out, the place in the inbox, what is acknowledged.

Thousands of these sit idle, so there is no task and no timer in one: a writer task lives only while something is to be sent.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any, Protocol

from homing.model.apps import App
from homing.model.delivery import Delivery
from homing.model.devices import Device

from .closing import SLOW_CONSUMER, Closing
from .limits import DeviceLimits, TokenBucket

Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]


class Wire(Protocol):
    """What the server's own WebSocket protocol offers beside the application interface."""

    heard: bool  # a WebSocket ping or pong came since this was last set to False

    def ping(self) -> None:
        """Send a WebSocket ping."""
        ...

    def close_now(self, code: int, reason: str) -> None:
        """Close at once, although the peer may not be reading."""
        ...

    def refused(self) -> None:
        """The upgrade was answered with an HTTP error."""
        ...


class Connection:
    """A logged-in socket."""

    __slots__ = (
        "acknowledged",
        "app",
        "bucket",
        "closing",
        "connection_id",
        "device",
        "early",
        "known",
        "last_heard",
        "limits",
        "pinged",
        "place",
        "queue",
        "queued_bytes",
        "reader",
        "room",
        "send",
        "strikes",
        "syncing",
        "unacknowledged",
        "wanted",
        "wire",
        "writer",
    )

    def __init__(
        self, *, app: App, device: Device, connection_id: int, send: Send, wire: Wire | None, now: float, limits: DeviceLimits
    ) -> None:
        self.app = app
        self.device = device
        self.connection_id = connection_id
        self.send = send
        self.wire = wire
        self.limits = limits
        self.reader = asyncio.current_task()
        self.writer: asyncio.Task[None] | None = None
        self.syncing: asyncio.Task[None] | None = None
        self.closing: Closing | None = None
        self.queue: deque[str] | None = None  # made when something is to be sent
        self.queued_bytes = 0
        self.room: asyncio.Event | None = None  # somebody waits for the queue to empty
        self.bucket = TokenBucket(limits, now)
        self.strikes = 0
        self.last_heard = now
        self.pinged = False
        self.place = 0  # everything up to this place of the inbox was sent to, or by, this device
        self.wanted = 0  # highest place that is known to exist
        self.known: set[int] | None = None  # places beyond ``place`` that this device sent itself
        self.early: list[Delivery] | None = []  # came before the client was greeted
        self.acknowledged = 0  # everything up to this place arrived
        self.unacknowledged: dict[int, int] | None = None  # message id -> place, in order

    # --- out ---

    def push(self, text: str) -> None:
        """Queue a frame. A reader that is too slow loses its connection: its messages come by push."""
        if self.closing is not None:
            return
        if self.queue is None:
            self.queue = deque()
        self.queue.append(text)
        self.queued_bytes += len(text)
        if len(self.queue) > self.limits.queued_frames or self.queued_bytes > self.limits.queued_bytes:
            self.drop(SLOW_CONSUMER)
        elif self.writer is None:
            self.writer = asyncio.get_running_loop().create_task(self._write())

    def close(self, closing: Closing, last: str | None = None) -> None:
        """Send what is queued and ``last``, then close."""
        if self.closing is not None:
            return
        if last is not None:
            self.push(last)
        if self.closing is None:
            self.closing = closing
            self._stop_syncing()
            if self.writer is None:
                self.writer = asyncio.get_running_loop().create_task(self._write())

    def drop(self, closing: Closing) -> None:
        """Close without sending what is queued."""
        self.closing = closing
        self._stop_syncing()
        self.abandon()

    def abandon(self) -> None:
        """Wait no longer for a peer that does not take its close frame."""
        closing = self.closing or Closing(1006, "")
        self.queue, self.queued_bytes = None, 0
        if self.writer is not None:
            self.writer.cancel()
        if self.wire is not None:
            self.wire.close_now(closing.code, closing.reason)
        elif self.reader is not None:
            self.reader.cancel()

    def end(self) -> None:
        """The socket is gone."""
        if self.closing is None:
            self.closing = Closing(1006, "")
        self._stop_syncing()
        if self.writer is not None:
            self.writer.cancel()
        self.queue = None
        self._set_room()

    async def drained(self, seconds: float) -> bool:
        """Wait until the queue is nearly empty. False when the reader does not take it in time."""
        if self._nearly_empty():
            return True
        self.room = asyncio.Event()
        try:
            async with asyncio.timeout(seconds):
                await self.room.wait()
        except TimeoutError:
            return False
        finally:
            self.room = None
        return True

    async def _write(self) -> None:
        try:
            while self.queue:
                text = self.queue.popleft()
                self.queued_bytes -= len(text)
                await self.send({"type": "websocket.send", "text": text})
                if self.room is not None and self._nearly_empty():
                    self._set_room()
            if self.closing is not None:
                await self.send({"type": "websocket.close", "code": self.closing.code, "reason": self.closing.reason})
        except (OSError, RuntimeError, asyncio.CancelledError):
            self.queue = None  # the peer is gone; the reader hears of it and cleans up
        finally:
            self.writer = None
            if not self.queue:
                self.queue, self.queued_bytes = None, 0

    def _nearly_empty(self) -> bool:
        limits = self.limits
        return len(self.queue or ()) <= limits.queued_frames // 8 and self.queued_bytes <= limits.queued_bytes // 8

    def _set_room(self) -> None:
        if self.room is not None:
            self.room.set()

    def _stop_syncing(self) -> None:
        if self.syncing is not None:
            self.syncing.cancel()
            self.syncing = None

    # --- the inbox ---

    def advance(self, place: int) -> None:
        """Everything up to ``place`` is done; so is what this device sent itself right behind it."""
        self.place = max(self.place, place)
        if self.known:
            while self.place + 1 in self.known:
                self.place += 1
                self.known.discard(self.place)
            self.known = {later for later in self.known if later > self.place} or None

    def sent_itself(self, place: int) -> None:
        """This device sent the message at ``place``: it need not come back."""
        if place == self.place + 1 and self.syncing is None:
            self.advance(place)
        elif place > self.place:
            if self.known is None:
                self.known = set()
            if len(self.known) < self.limits.unacknowledged:
                self.known.add(place)

    def track(self, message_id: int, place: int) -> None:
        """A stored message was sent; its acknowledgement is awaited."""
        if self.unacknowledged is None:
            self.unacknowledged = {}
        # A client that never acknowledges costs no more than this: its first messages hold the resume position back anyway.
        if len(self.unacknowledged) < self.limits.unacknowledged:
            self.unacknowledged[message_id] = place

    def acknowledge(self, message_ids: list[int], place: int) -> None:
        """These arrived, and everything up to ``place``."""
        waiting = self.unacknowledged or {}
        full = len(waiting) >= self.limits.unacknowledged
        last = next(reversed(waiting.values()), self.place)
        for message_id in message_ids:
            waiting.pop(message_id, None)
        if place:
            for message_id in [m for m, at in waiting.items() if at <= place]:
                del waiting[message_id]
        done = next(iter(waiting.values())) - 1 if waiting else (last if full else self.place)
        self.acknowledged = max(self.acknowledged, min(done, self.place), min(place, self.place))
        self.unacknowledged = waiting or None
