"""The durable queue of callbacks: an event is stored with what it tells of, and told until the backend has it."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Sequence

import structlog

from homing.model.clock import Clock
from homing.model.webhooks import Callback, Webhook
from homing.rules.webhooks import MAX_ATTEMPTS, push_batch, retry_seconds
from homing.store import webhooks as store
from homing.store.engine import Database, StoreBusy, Tx
from homing.store.webhooks import Claimed

from .hook_calls import HookCalls
from .webhooks import Webhooks

log = structlog.get_logger()

TURN_SECONDS = 0.2
CLAIM_LIMIT = 200
LEASE_MS = 30_000
MAX_PUSH_EVENTS = 100  # of one request (webhooks sheet, section 2)
CONCURRENT = 16  # requests of one app
MAX_WAITING_EVENTS = 1_000_000  # of one app: beyond them the oldest are forgotten
MAX_DEAD_EVENTS = 10_000
TIDY_SECONDS = 60.0


class HookQueue:
    """Tells what is due. Every node does; a claim with a lease keeps two from telling the same at once."""

    def __init__(self, *, database: Database, clock: Clock, webhooks: Webhooks, calls: HookCalls) -> None:
        self._database = database
        self._clock = clock
        self._webhooks = webhooks
        self._calls = calls
        self._task: asyncio.Task[None] | None = None
        self._apps: dict[int, asyncio.Task[None]] = {}
        self._tidied_at = clock.monotonic()

    def start(self) -> None:
        """Begin to tell."""
        self._task = asyncio.get_running_loop().create_task(self._run())

    async def stop(self) -> None:
        """Begin nothing new; what is under way comes to its end, or its lease does."""
        for task in (self._task, *self._apps.values()):
            if task is not None:
                task.cancel()
                with contextlib.suppress(asyncio.CancelledError):
                    await task

    async def _run(self) -> None:
        while True:
            await asyncio.sleep(TURN_SECONDS)
            # An app whose backend is slow holds up nobody else's.
            for sdkappid in [sdkappid for sdkappid in self._webhooks.by_app if sdkappid not in self._apps]:
                task = self._apps[sdkappid] = asyncio.get_running_loop().create_task(self._serve(sdkappid))
                task.add_done_callback(lambda _, sdkappid=sdkappid: self._apps.pop(sdkappid, None))  # type: ignore[misc]

    async def _serve(self, sdkappid: int) -> None:
        try:
            while await self.turn(sdkappid) == CLAIM_LIMIT:
                pass
            if self._clock.monotonic() - self._tidied_at > TIDY_SECONDS:
                self._tidied_at = self._clock.monotonic()
                await self._tidy()
        except StoreBusy as busy:
            log.warning("webhooks_wait_for_the_store", why=str(busy))
        except Exception:
            log.exception("webhook_turn_failed", sdkappid=sdkappid)

    async def turn(self, sdkappid: int) -> int:
        """Tell what is due of one app. Returns how many events were taken."""
        hook = self._webhooks.by_app.get(sdkappid)
        if hook is None or not await self._database.read(lambda tx: store.is_due(tx, sdkappid, self._clock.now_ms())):
            return 0
        now_ms = self._clock.now_ms()
        claimed = await self._database.write(lambda tx: store.claim(tx, sdkappid, now_ms, LEASE_MS, CLAIM_LIMIT))
        slots = asyncio.Semaphore(CONCURRENT)
        await asyncio.gather(*(self._tell(hook, bundle, slots) for bundle in _bundles(claimed)))
        return len(claimed)

    async def _tell(self, hook: Webhook, events: Sequence[Claimed], slots: asyncio.Semaphore) -> None:
        first = events[0]
        body = push_batch([bytes(event.body) for event in events]) if first.command == Callback.OFFLINE_PUSH else bytes(first.body)
        async with slots:
            if first.command in hook.commands:
                error = await self._calls.tell(hook, first.command, body, first.platform, str(first.event_id))
            else:
                error = ""  # switched off since
        now_ms = self._clock.now_ms()
        again = [
            (
                event.event_id,
                store.DEAD if event.attempts >= MAX_ATTEMPTS else store.WAITING,
                now_ms + int(retry_seconds(event.attempts) * 1000),
                error,
            )
            for event in events
        ]

        async def settle(tx: Tx) -> None:
            await store.settle(tx, [] if error else [event.event_id for event in events], again if error else [])

        await self._database.write(settle)

    async def _tidy(self) -> None:
        for sdkappid in list(self._webhooks.by_app):
            for state, keep in ((store.WAITING, MAX_WAITING_EVENTS), (store.DEAD, MAX_DEAD_EVENTS)):
                if forgotten := await self._database.write(
                    lambda tx, app=sdkappid, state=state, keep=keep: store.delete_overflow(tx, app, state, keep)  # type: ignore[misc]
                ):
                    log.warning("webhook_events_forgotten", sdkappid=sdkappid, events=forgotten)


def _bundles(claimed: Sequence[Claimed]) -> list[list[Claimed]]:
    """One request each; push events travel together."""
    pushes = [event for event in claimed if event.command == Callback.OFFLINE_PUSH]
    bundles = [[event] for event in claimed if event.command != Callback.OFFLINE_PUSH]
    return bundles + [pushes[start : start + MAX_PUSH_EVENTS] for start in range(0, len(pushes), MAX_PUSH_EVENTS)]
