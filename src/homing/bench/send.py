"""``homing bench send``: the send stage alone. Render, sign, send and interpret, with nothing stored."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from pathlib import Path

from homing.channels.base import Channel
from homing.channels.registry import CHANNELS
from homing.model.apps import AppSettings
from homing.model.certificates import Certificate
from homing.model.clock import Ids, SystemClock
from homing.model.messages import Element, Message
from homing.model.notification import Notification, Target
from homing.model.outcome import Grant, Outcome, OutcomeKind, TransportFailure, VendorRequest
from homing.model.push_info import OfflinePushInfo
from homing.rules.content import compose
from homing.transport.bench import drive
from homing.transport.client import HttpTransport
from homing.transport.easy import Answer

from .figures import Figures, against, rated
from .processes import SERVER_CORE, MockVendor, pin
from .seed import APP, certificate, token_of

WARM_UP = 200


class SendStage:
    """Sends ``count`` messages, each composed, rendered and its answer interpreted, ``in_flight`` at a time."""

    def __init__(self, transport: HttpTransport, channel: Channel, bound: Certificate, grant: Grant | None) -> None:
        self._transport = transport
        self._channel = channel
        self._certificate = bound
        self._grant = grant
        self._clock = SystemClock()
        self._ids = Ids(self._clock, 0)
        self._left_to_start = self._left_to_end = 0
        self._over: asyncio.Future[None] | None = None

    async def run(self, count: int, in_flight: int) -> float:
        """Returns seconds. Raises ``RuntimeError`` when the vendor did not accept one."""
        self._over = asyncio.get_running_loop().create_future()
        self._left_to_start = self._left_to_end = count
        began = time.perf_counter()
        for _ in range(min(in_flight, count)):
            self._start()
        await self._over
        return time.perf_counter() - began

    def request(self) -> VendorRequest:
        """One more message, rendered."""
        now_ms = self._clock.now_ms()
        target = Target(self._ids.next(), token_of(self._left_to_start % 1000))
        return self._channel.render(self._notification(now_ms), [target], self._certificate, self._grant, now_ms)[0]

    def _notification(self, now_ms: int) -> Notification:
        number = self._ids.next()
        text = f"hello hb-send-{number}"
        message = Message(number, APP, "alice", "bob", 1, 1, now_ms // 1000, 0, b"", None, "", 1, None, now_ms + 604_800_000)
        elements = (Element("TIMTextElem", {"Text": text}),)
        info = OfflinePushInfo(Title="Alice", Desc=text, Ext='{"id":1}')
        platform = "android" if "android" in self._channel.platforms else "ios"
        settings = AppSettings()
        return compose(
            message=message, elements=elements, info=info, nick="Alice", settings=settings, language="en", platform=platform, badge=1
        )

    def _start(self) -> None:
        self._left_to_start -= 1
        request = self.request()
        self._transport.submit(request, "send", self._done(request))

    def _done(self, request: VendorRequest) -> Callable[[Answer], None]:
        def done(answer: Answer) -> None:
            assert self._over is not None
            self._left_to_end -= 1
            outcome = self._judge(request, answer)
            if self._over.done():
                return
            if outcome.kind is not OutcomeKind.ACCEPTED:
                self._over.set_exception(RuntimeError(f"the mock vendor did not accept: {outcome.code} {outcome.detail}"))
            elif self._left_to_start:
                self._start()
            elif not self._left_to_end:
                self._over.set_result(None)

        return done

    def _judge(self, request: VendorRequest, answer: Answer) -> Outcome:
        if isinstance(answer, TransportFailure):
            return Outcome(OutcomeKind.VENDOR_DOWN, answer.kind.value, answer.detail)
        return self._channel.interpret(request, answer, self._clock.now_ms())[0]


async def bench_send(folder: Path, *, channel: str = "fcm", count: int = 20_000, in_flight: int = 100) -> Figures:
    """Messages a second through channel and transport, and how the bare transport does in the same run."""
    vendor = MockVendor(folder)
    await vendor.start()
    pin(SERVER_CORE)
    transport = HttpTransport()
    try:
        bound = certificate(vendor, channel)
        stage = SendStage(transport, CHANNELS[channel], bound, await _grant(transport, CHANNELS[channel], bound))
        prepared = stage.request()
        await drive(transport, prepared, WARM_UP, in_flight, pool="send")
        # Before and after: other programs come and go, and the better of the two is the ceiling.
        before = await measured(drive(transport, prepared, count, in_flight, pool="send"), count)
        figures = await measured(stage.run(count, in_flight), count)
        after = await measured(drive(transport, prepared, count, in_flight, pool="send"), count)
        ceiling = max(before, after, key=lambda found: found["per_s"])
    finally:
        await transport.aclose()
        await vendor.stop()
    about = {"bench": "send", "channel": channel, "messages": count, "in_flight": in_flight}
    return {**about, **against(figures, ceiling)}


async def bare_transport(vendor: MockVendor, channel: str, count: int, in_flight: int = 100) -> Figures:
    """The ceiling for whole-server benchmarks: this channel's prepared request, over and over, from the server's core."""
    pin(SERVER_CORE)
    transport = HttpTransport()
    try:
        bound = certificate(vendor, channel)
        prepared = SendStage(transport, CHANNELS[channel], bound, Grant("bench-grant", 2**52)).request()
        await drive(transport, prepared, WARM_UP, in_flight)
        return await measured(drive(transport, prepared, count, in_flight), count)
    finally:
        await transport.aclose()
        await vendor.reset()


async def measured(work: Awaitable[float], count: int) -> Figures:
    """Run something that returns its seconds, with this process's CPU time beside it."""
    before = time.process_time()
    seconds = await work
    return rated(count, seconds, time.process_time() - before)


async def _grant(transport: HttpTransport, channel: Channel, bound: Certificate) -> Grant | None:
    now_ms = SystemClock().now_ms()
    step = channel.login(bound, now_ms)
    if not isinstance(step, VendorRequest):
        return step
    answer = await transport.send(step, pool="login")
    if isinstance(answer, TransportFailure):
        raise RuntimeError(f"the mock vendor did not let us log in: {answer.detail}")
    result = channel.read_login(bound, answer, now_ms)
    if isinstance(result, Outcome):
        raise RuntimeError(f"the mock vendor did not let us log in: {result.code}")
    return result
