"""Requests to apps' backends: bounded, broken off in time, and not made to a backend that is down."""

from __future__ import annotations

import asyncio
from typing import Protocol

import structlog

from homing.model.clock import Clock
from homing.model.outcome import TransportFailure, VendorRequest, VendorResponse
from homing.model.webhooks import Webhook
from homing.rules.quota import CircuitBreaker
from homing.rules.webhooks import address
from homing.transport.guard import judge_origin, origin_of

log = structlog.get_logger()

MAX_CONCURRENT = 64  # of one app's
MAX_WAITING = 1_000  # beyond them nobody waits: the configured default holds at once
_HEADERS = (("Content-Type", "application/json"),)


class HookTransport(Protocol):
    """The transport, as callbacks use it."""

    async def send(self, request: VendorRequest, *, pool: str) -> VendorResponse | TransportFailure:
        """Send and wait for the answer."""
        ...


class _Line:
    """The way to one app's backend."""

    def __init__(self) -> None:
        self.slots = asyncio.Semaphore(MAX_CONCURRENT)
        self.breaker = CircuitBreaker(threshold=10, open_seconds=1.0, max_open_seconds=30.0)
        self.waiting = 0


class HookCalls:
    """Sends callbacks through the outbound transport, whose guard judges every address that is connected to."""

    def __init__(self, transport: HookTransport, clock: Clock, *, allow_private: bool = False) -> None:
        self._transport = transport
        self._clock = clock
        self._allow_private = allow_private
        self._lines: dict[tuple[int, str], _Line] = {}

    async def ask(
        self, hook: Webhook, command: str, body: bytes, timeout_seconds: float, platform: str = "RESTAPI"
    ) -> VendorResponse | None:
        """The answer to a callback that something waits for; None when there is none in time, or its backend is known to be down."""
        line = self._line(hook)
        if not line.breaker.allow(self._clock.monotonic()) or line.waiting >= MAX_WAITING:
            return None
        line.waiting += 1
        try:
            async with asyncio.timeout(timeout_seconds):
                async with line.slots:
                    answer = await self._send(hook, command, body, timeout_seconds, platform, "")
        except TimeoutError:
            answer = "no answer in time"
        finally:
            line.waiting -= 1
        if isinstance(answer, str) or answer.status != 200:
            line.breaker.failure(self._clock.monotonic())
            log.warning("webhook_failed", sdkappid=hook.sdkappid, command=command, why=answer if isinstance(answer, str) else answer.status)
            return None
        line.breaker.success()
        return answer

    async def tell(self, hook: Webhook, command: str, body: bytes, platform: str, event_id: str) -> str:
        """Tell something. Returns "" when the backend has it, else why not."""
        answer = await self._send(hook, command, body, max(hook.options.timeout_seconds, 5.0), platform, event_id)
        if isinstance(answer, str):
            return answer
        return "" if 200 <= answer.status < 300 else f"HTTP {answer.status}"

    async def _send(
        self, hook: Webhook, command: str, body: bytes, timeout_seconds: float, platform: str, event_id: str
    ) -> VendorResponse | str:
        if not self._allow_private and judge_origin(origin_of(hook.url)).loopback:
            return "the URL names this machine itself"
        request = VendorRequest(
            "POST",
            address(hook, command, platform, "", self._clock.now_ms() // 1000),
            (*_HEADERS, ("X-Event-Id", event_id)) if event_id else _HEADERS,
            body,
            timeout_seconds=timeout_seconds,
            secrets=(hook.token,) if hook.token else (),
        )
        answer = await self._transport.send(request, pool=f"webhook/{hook.sdkappid}")
        if isinstance(answer, TransportFailure):
            return f"{answer.kind.value}: {answer.detail}"[:200]
        return answer

    def _line(self, hook: Webhook) -> _Line:
        key = (hook.sdkappid, hook.url)
        line = self._lines.get(key)
        if line is None:
            for other in [other for other in self._lines if other[0] == hook.sdkappid]:
                del self._lines[other]  # it moved: what was known of its old address means nothing
            line = self._lines[key] = _Line()
        return line
