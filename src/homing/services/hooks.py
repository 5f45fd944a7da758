"""Everything about callbacks of one node, made and ended together."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from homing.model.clock import Clock, Ids
from homing.store.engine import Database
from homing.store.sealing import Sealer
from homing.transport.client import HttpTransport
from homing.transport.easy import TransportOptions

from .hook_calls import HookCalls
from .hook_queue import HookQueue
from .message_hooks import MessageHooks
from .push_hooks import PushHooks
from .state_hooks import StateHooks
from .webhooks import Webhooks

if TYPE_CHECKING:
    from homing.channels.base import Channel


class Hooks:
    """The callbacks of one node. Make it on the event loop; ``allow_private`` lets them go to private addresses."""

    def __init__(
        self, *, database: Database, sealer: Sealer, clock: Clock, ids: Ids, channels: Mapping[str, Channel], allow_private: bool
    ) -> None:
        # A transport of its own: what its guard lets through is another question than for vendors.
        self._transport = HttpTransport(TransportOptions(allow_private=allow_private))
        self.webhooks = Webhooks(database, sealer, allow_private=allow_private)
        calls = HookCalls(self._transport, clock, allow_private=allow_private)
        self.queue = HookQueue(database=database, clock=clock, webhooks=self.webhooks, calls=calls)
        self.messages = MessageHooks(webhooks=self.webhooks, calls=calls, clock=clock, ids=ids)
        self.pushes = PushHooks(webhooks=self.webhooks, calls=calls, clock=clock, ids=ids, channels=channels)
        self.states = StateHooks(webhooks=self.webhooks, clock=clock, ids=ids)

    async def start(self) -> None:
        """Read who wants to be called, and begin to tell. Raises ``StoreBusy``."""
        await self.webhooks.start()
        self.queue.start()

    async def stop(self) -> None:
        """Begin nothing new; what was not told stays in the queue."""
        self.webhooks.stop()
        await self.queue.stop()
        await self._transport.aclose(grace_seconds=0.5)
