"""``homing bench send``: the send stage alone. Render, sign, send and interpret, with nothing stored."""

from __future__ import annotations

import asyncio
import gc
import shutil
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
from .nginx_mock import SLOW_MS, NginxVendor, echo_module
from .peers import GoPeer, h2load
from .processes import SERVER_CORE, MockVendor, pin
from .seed import APP, certificate, token_of

WARM_UP = 200
CHANNELS_MEASURED = ("fcm", "apns", "huawei", "xiaomi")
_JSON_CHANNELS = frozenset({"fcm", "apns"})  # what the Go peer sends


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
        number = self._left_to_start % 1000
        token = f"{number:064x}" if self._channel.name == "apns" else token_of(number)
        target = Target(self._ids.next(), token)
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


async def bench_send(
    folder: Path, *, channel: str = "fcm", count: int = 20_000, in_flight: int = 100, slow_in_flight: int = 500
) -> Figures:
    """Messages a second through channel and transport, with the vendor answering at once and (where nginx is the mock) after 50 ms.

    ``channel`` "all": one after the other, and the figures of the first on top.
    """
    vendor: MockVendor | NginxVendor = NginxVendor(folder) if echo_module() else MockVendor(folder)
    await vendor.start()
    pin(SERVER_CORE)
    gc.collect()
    gc.freeze()
    gc.set_threshold(20_000, 20, 50)  # as the server does
    go = GoPeer(folder)
    bench = _Comparison(folder, vendor, go if await go.build() else None)
    names = CHANNELS_MEASURED if channel == "all" else (channel,)
    try:
        found = {name: await bench.of(name, count, in_flight, slow_in_flight) for name in names}
    finally:
        await vendor.stop()
    others = {name: figures for name, figures in found.items() if name != names[0]}
    return {"bench": "send", "channel": names[0], "messages": count, **bench.about(), **found[names[0]], **others}


class _Comparison:
    """The send stage beside h2load, Go's client and the bare transport, on one mock vendor."""

    def __init__(self, folder: Path, vendor: MockVendor | NginxVendor, go: GoPeer | None) -> None:
        self._folder = folder
        self._vendor = vendor
        self._go = go

    def about(self) -> Figures:
        """What was measured against."""
        ceiling = "h2load" if shutil.which("h2load") else "bare transport: h2load is not installed, and this is a lower ceiling"
        return {"mock": self._vendor.name, "ceiling": ceiling}

    async def of(self, name: str, count: int, in_flight: int, slow_in_flight: int) -> Figures:
        """The figures of one channel."""
        figures = {"in_flight": in_flight, **await self._once(name, count, in_flight, slow=False)}
        if isinstance(self._vendor, NginxVendor):
            # Twice as many: the last round, in which less and less is in flight, counts for less.
            slow = await self._once(name, 2 * count, slow_in_flight, slow=True)
            figures[f"after_{SLOW_MS}_ms"] = {"in_flight": slow_in_flight, **slow}
        return figures

    async def _once(self, name: str, count: int, in_flight: int, *, slow: bool) -> Figures:
        channel, vendor = CHANNELS[name], self._vendor
        url = vendor.url(name, slow=True) if isinstance(vendor, NginxVendor) and slow else vendor.url(name)
        transport = HttpTransport()
        try:
            bound = certificate(vendor, name, url)
            stage = SendStage(transport, channel, bound, await _grant(transport, channel, bound))
            prepared = stage.request()
            await drive(transport, prepared, WARM_UP + 4 * in_flight, in_flight, pool="send")
            bare = await measured(drive(transport, prepared, count, in_flight, pool="send"), count)
            figures = await measured(stage.run(count, in_flight), count)
        finally:
            await transport.aclose()
        top = await h2load(prepared, prepared.url, count, in_flight, self._folder)
        beside = {f"transport_{key}": value for key, value in bare.items()}
        if self._go is not None and name in _JSON_CHANNELS:
            go = await self._go.run(prepared, vendor.ca_file, count, in_flight)
            beside |= {f"go_{key}": value for key, value in go.items()}
            beside["cpu_ratio_to_go"] = round(figures["cpu_s_per_1000"] / go["cpu_s_per_1000"], 3)
        return {**against(figures, top or bare), **beside}


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
