"""The bus inside one process: bounded queues, emptied on the next step of the event loop."""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Callable, Sequence
from itertools import islice
from typing import Any

from homing.model.delivery import Delivery

from .base import AnnounceHandler, BusCounters, BusLimits, DeliverHandler, Lane, WakeHandler

log = logging.getLogger(__name__)


class _Inbox:
    """One node's waiting deliveries."""

    __slots__ = ("handler", "scheduled", "waiting")

    def __init__(self, handler: DeliverHandler) -> None:
        self.handler = handler
        self.waiting: deque[Delivery] = deque()
        self.scheduled = False


class LocalBus:
    """Implements ``Bus`` for a single process; several nodes of one process (tests) are kept apart by their number."""

    def __init__(self, limits: BusLimits | None = None) -> None:
        self.limits = limits or BusLimits()
        self.counters = BusCounters()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._inboxes: dict[int, _Inbox] = {}
        self._wake_handlers: list[WakeHandler] = []
        self._announce_handlers: list[tuple[str, AnnounceHandler]] = []
        self._lanes: dict[Lane, None] = {}
        self._topics: dict[str, None] = {}

    @property
    def healthy(self) -> bool:
        """Whether the bus was started and not closed."""
        return self._loop is not None

    async def start(self) -> None:
        """Use the running loop. What was sent before is dropped."""
        self._loop = asyncio.get_running_loop()

    async def close(self) -> None:
        """Drop what waits; no handler is called any more."""
        self._loop = None
        for inbox in self._inboxes.values():
            self.counters.dropped += len(inbox.waiting)
            inbox.waiting.clear()
        self._lanes.clear()
        self._topics.clear()

    # --- deliveries ---

    def deliver(self, node_id: int, deliveries: Sequence[Delivery]) -> None:
        """Queue deliveries for the node. See ``Bus.deliver``."""
        loop, inbox = self._loop, self._inboxes.get(node_id)
        if loop is None or inbox is None:
            self.counters.dropped += len(deliveries)
            return
        room = self.limits.max_deliveries - len(inbox.waiting)
        if len(deliveries) > room:
            # The newest are dropped: what waits already keeps its order, and the push comes after the missing acknowledgement.
            self.counters.dropped += len(deliveries) - room
            deliveries = deliveries[:room]
        inbox.waiting.extend(deliveries)
        self._schedule(loop, inbox)

    def _schedule(self, loop: asyncio.AbstractEventLoop, inbox: _Inbox) -> None:
        if inbox.waiting and not inbox.scheduled:
            inbox.scheduled = True
            loop.call_soon(self._hand_over, inbox)

    def _hand_over(self, inbox: _Inbox) -> None:
        inbox.scheduled = False
        batch = list(islice(inbox.waiting, self.limits.batch))
        if self._loop is None or not batch:
            return
        for _ in batch:
            inbox.waiting.popleft()
        self._schedule(self._loop, inbox)  # before the handler runs: its own sends queue up behind
        self.counters.delivered += len(batch)
        self._call(inbox.handler, batch)

    def on_deliver(self, node_id: int, handler: DeliverHandler) -> None:
        """Receive the node's deliveries. See ``Bus.on_deliver``."""
        inbox = self._inboxes.get(node_id)
        if inbox is None:
            self._inboxes[node_id] = _Inbox(handler)
        else:
            inbox.handler = handler

    # --- wake-ups ---

    def wake(self, lane: Lane) -> None:
        """Wake the lane on the next step of the loop. See ``Bus.wake``."""
        loop = self._loop
        if loop is None or lane in self._lanes:
            return
        if len(self._lanes) >= self.limits.max_lanes:
            self.counters.dropped += 1
            return
        if not self._lanes:
            loop.call_soon(self._hand_out_lanes)
        self._lanes[lane] = None

    def _hand_out_lanes(self) -> None:
        lanes = list(self._lanes)
        self._lanes.clear()
        for lane in lanes:
            for handler in list(self._wake_handlers):
                self._call(handler, lane)

    def on_wake(self, handler: WakeHandler) -> None:
        """Receive wake-ups. See ``Bus.on_wake``."""
        self._wake_handlers.append(handler)

    # --- announcements ---

    def announce(self, topic: str) -> None:
        """Announce on the next step of the loop. See ``Bus.announce``."""
        loop = self._loop
        if loop is None or topic in self._topics:
            return
        if len(self._topics) >= self.limits.max_topics:
            self.counters.dropped += 1
            return
        if not self._topics:
            loop.call_soon(self._hand_out_topics)
        self._topics[topic] = None

    def _hand_out_topics(self) -> None:
        topics = list(self._topics)
        self._topics.clear()
        for topic in topics:
            for prefix, handler in list(self._announce_handlers):
                if topic.startswith(prefix):
                    self._call(handler, topic)

    def on_announce(self, topic_prefix: str, handler: AnnounceHandler) -> None:
        """Receive topics that begin with the prefix. See ``Bus.on_announce``."""
        self._announce_handlers.append((topic_prefix, handler))

    def _call(self, handler: Callable[[Any], None], argument: Any) -> None:
        try:
            handler(argument)
        except Exception:  # one receiver's mistake must not take the hints from the others
            self.counters.handler_errors += 1
            log.exception("a bus handler failed")
