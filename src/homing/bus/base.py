"""What a bus is. Every implementation passes the same contract tests.

The bus carries only hints. A delivery that is dropped falls back to a push when no acknowledgement comes, a lane that
is not woken is polled, a cache that missed an announcement has a time limit of its own.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Protocol

import msgspec

from homing.model.delivery import Delivery

Lane = tuple[int, int, str]  # sdkappid, business_id, notification class

DeliverHandler = Callable[[Sequence[Delivery]], None]
WakeHandler = Callable[[Lane], None]
AnnounceHandler = Callable[[str], None]


class BusLimits(msgspec.Struct, frozen=True):
    """Bounds of one receiver's memory."""

    max_deliveries: int = 20_000  # per node; what comes beyond is dropped and counted
    max_lanes: int = 10_000
    max_topics: int = 10_000
    batch: int = 500  # deliveries handed to a handler in one step of the loop


class BusCounters(msgspec.Struct):
    """What happened so far, for the metrics page."""

    delivered: int = 0
    dropped: int = 0  # receiver full, unknown, or the bus is closed
    handler_errors: int = 0


class Bus(Protocol):
    """Routing to the node that holds a socket, wake-ups and announcements. All sends return at once and never raise."""

    counters: BusCounters

    @property
    def healthy(self) -> bool:
        """Whether hints travel at the moment."""
        ...

    async def start(self) -> None:
        """Connect. Handlers may be registered before and after."""
        ...

    async def close(self) -> None:
        """Disconnect. After it no handler is called any more, and what is sent is dropped and counted."""
        ...

    def deliver(self, node_id: int, deliveries: Sequence[Delivery]) -> None:
        """Hand deliveries to the node. They arrive in the order of the calls from one sender, or not at all."""
        ...

    def on_deliver(self, node_id: int, handler: DeliverHandler) -> None:
        """Receive this node's deliveries, in batches. One handler a node; a later one takes its place."""
        ...

    def wake(self, lane: Lane) -> None:
        """Say that a lane has work. Several wake-ups of one lane may arrive as one."""
        ...

    def on_wake(self, handler: WakeHandler) -> None:
        """Receive wake-ups from all nodes, this one's own too."""
        ...

    def announce(self, topic: str) -> None:
        """Say that something changed, for example ``certificates/20000001``. Equal topics may arrive as one."""
        ...

    def on_announce(self, topic_prefix: str, handler: AnnounceHandler) -> None:
        """Receive the topics that begin with ``topic_prefix``, this node's own too."""
        ...
