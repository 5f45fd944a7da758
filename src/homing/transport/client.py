"""Outbound HTTP for all vendors: libcurl (HTTP/1.1 and HTTP/2) on the event loop, in separate pools.

A pool is a bulkhead: its connections, its waiting requests and its timer are its own, so that a vendor that stalls
delays nobody else, and two APNs teams never share a connection.
"""

from __future__ import annotations

import asyncio
import functools
from collections.abc import Callable

import msgspec
import pycurl

from homing.model.outcome import FailureKind, TransportFailure, VendorRequest, VendorResponse

from .easy import Answer, Easy, Origin, TransportOptions, system_ca
from .engine import OVERDUE_SECONDS, Engine
from .express import Express
from .guard import judge_origin, origin_of

_SWEEP_SECONDS = 5.0
_MAX_ORIGINS = 4096
_MAX_EXPRESS = 16  # origins of one pool with connections of their own
_DRAIN_SECONDS = 0.02


class _Pool:
    __slots__ = ("_loop", "_options", "engine", "express", "free", "last_used", "retired")

    def __init__(self, loop: asyncio.AbstractEventLoop, options: TransportOptions) -> None:
        self._loop = loop
        self._options = options
        self.free: list[Easy] = []
        self.engine = Engine(loop, options, self._over)
        self.retired: list[Engine] = []
        self.last_used = 0.0
        self.express: dict[str, Express] = {}  # by origin

    def _over(self, easy: Easy, reusable: bool) -> None:
        if reusable and len(self.free) < self._options.max_free_handles:
            self.free.append(easy)
        else:
            easy.close()

    @property
    def in_flight(self) -> int:
        own = sum(express.in_flight for express in self.express.values())
        return len(self.engine.active) + sum(len(engine.active) for engine in self.retired) + own

    def renew(self) -> None:
        """Leave the present connections to what is on them; everything later goes on new ones."""
        self.retired.append(self.engine)
        self.engine = Engine(self._loop, self._options, self._over)
        for express in self.express.values():
            express.renew()

    def sweep(self, now: float) -> None:
        """End what is overdue, close engines that were left and have become idle."""
        for engine in (self.engine, *self.retired):
            engine.fail_overdue(now)
        for engine in [engine for engine in self.retired if not engine.active]:
            self.retired.remove(engine)
            engine.close()
        for express in self.express.values():
            express.sweep(now)

    async def drain(self) -> None:
        """Wait until nothing is under way."""
        while self.in_flight:  # noqa: ASYNC110  (asked once, at the very end; an event would cost every request)
            await asyncio.sleep(_DRAIN_SECONDS)

    def close(self) -> None:
        """Close everything; what is under way is told."""
        for engine in (self.engine, *self.retired):
            engine.close()
        self.retired.clear()
        for express in self.express.values():
            express.close()
        for easy in self.free:
            easy.close()
        self.free.clear()


class HttpTransport:
    """Sends vendor requests. Make and use it on one event loop; ``aclose`` it at the end.

    ``pool`` names a bulkhead, for example certificate and host. The number of pools is bounded; idle ones are closed.
    """

    def __init__(self, options: TransportOptions | None = None) -> None:
        self.options = options or TransportOptions()
        self._loop = asyncio.get_running_loop()
        self._pools: dict[str, _Pool] = {}
        self._origins: dict[str, Origin] = {}
        self._ca = system_ca()
        self._share = pycurl.CurlShare()
        self._share.setopt(pycurl.SH_SHARE, pycurl.LOCK_DATA_DNS)
        self._share.setopt(pycurl.SH_SHARE, pycurl.LOCK_DATA_SSL_SESSION)
        self._closing = False
        self._sweeper = self._loop.call_later(_SWEEP_SECONDS, self._sweep)

    @property
    def in_flight(self) -> int:
        """Requests that have no answer yet."""
        return sum(pool.in_flight for pool in self._pools.values())

    async def send(self, request: VendorRequest, *, pool: str, reconnect: bool = False) -> Answer:
        """Send and wait for the answer, at most ``request.timeout_seconds``. A vendor's or the network's no is a value.

        libcurl itself repeats a request when a kept connection turns out to be closed before a byte of the answer, and
        when a GOAWAY says that its stream was not looked at. Nothing else is repeated here.

        ``reconnect``: the last connection is spoilt, use a new one. Redirects are answers, they are not followed.
        A cancelled caller withdraws the request.
        """
        future: asyncio.Future[Answer] = self._loop.create_future()

        def settle(answer: Answer) -> None:
            if not future.done():
                future.set_result(answer)

        withdraw = self.submit(request, pool, settle, reconnect=reconnect)
        try:
            return await future
        except asyncio.CancelledError:
            if withdraw is not None:
                withdraw()
            raise

    def submit(
        self, request: VendorRequest, pool: str, done: Callable[[Answer], object], *, reconnect: bool = False
    ) -> Callable[[], None] | None:
        """Send without a task of its own: ``done`` is called once, on the loop, with the answer.

        Returns how to withdraw the request (then ``done`` is not called), or None when it was refused on the spot;
        a refusal too is told through ``done``, before this returns.

        A request without a URL cannot be sent to its targets and is not: its answer has the status 0, and its channel says
        what that means. So a token that names no address costs that device its push and the vendor nothing.
        """
        if not request.url:
            done(VendorResponse(0, {}, b""))
            return None
        origin = self._origin(request.url)
        if origin.refusal:
            done(TransportFailure(FailureKind.BLOCKED, origin.refusal))
            return None
        bulkhead = self._pools.get(pool) or self._new_pool(pool)
        if bulkhead is None or self._closing:
            done(TransportFailure(FailureKind.CONNECT, "the transport is closing" if self._closing else "too many pools in use"))
            return None
        engine = bulkhead.engine
        # An engine without an answer is a new one: of a hundred requests that ask for a new connection, one opens it.
        if engine.suspect or (reconnect and engine.answers):
            bulkhead.renew()
            engine = bulkhead.engine
        bulkhead.last_used = self._loop.time()
        if origin.multiplexed and request.method == "POST" and not request.client_pem and not reconnect:
            express = bulkhead.express.get(origin.name) or self._new_express(bulkhead, origin)
            withdraw = express.submit(request, done, len(engine.active)) if express is not None else None
            if withdraw is not None:
                return withdraw
        return self._by_libcurl(request, bulkhead, origin, done)

    def _by_libcurl(
        self, request: VendorRequest, bulkhead: _Pool, origin: Origin, done: Callable[[Answer], object]
    ) -> Callable[[], None] | None:
        engine = bulkhead.engine
        easy = bulkhead.free.pop() if bulkhead.free else Easy(self.options, self._ca, self._share)
        failure = easy.prepare(request, origin)
        if failure is not None:
            easy.close()
            done(failure)
            return None
        easy.started = self._loop.time()
        easy.deadline = easy.started + request.timeout_seconds + OVERDUE_SECONDS
        easy.done = done
        easy.serial += 1
        engine.start(easy, http2=request.http2)
        return functools.partial(engine.withdraw, easy, easy.serial)

    def _new_express(self, bulkhead: _Pool, origin: Origin) -> Express | None:
        if len(bulkhead.express) >= _MAX_EXPRESS:
            return None

        def otherwise(request: VendorRequest, done: Callable[[Answer], object], deadline: float) -> None:
            left = deadline - self._loop.time()
            if left <= 0 or self._closing:
                done(TransportFailure(FailureKind.CLOSED, "the vendor left the connection"))
            else:
                self._by_libcurl(msgspec.structs.replace(request, timeout_seconds=left), bulkhead, origin, done)

        express = bulkhead.express[origin.name] = Express(self._loop, self.options, origin, self._ca, otherwise=otherwise)
        return express

    def _origin(self, url: str) -> Origin:
        name = origin_of(url)
        origin = self._origins.get(name)
        if origin is None:
            if len(self._origins) >= _MAX_ORIGINS:
                self._origins.clear()
            origin = self._origins[name] = Origin(judge_origin(name, allow_private=self.options.allow_private), name)
        return origin

    def _new_pool(self, name: str) -> _Pool | None:
        if len(self._pools) >= self.options.max_pools:
            idle = [(pool.last_used, key) for key, pool in self._pools.items() if pool.in_flight == 0]
            if not idle:
                return None
            self._pools.pop(min(idle)[1]).close()
        pool = self._pools[name] = _Pool(self._loop, self.options)
        return pool

    def _sweep(self) -> None:
        now = self._loop.time()
        for name, pool in list(self._pools.items()):
            pool.sweep(now)
            if now - pool.last_used > self.options.pool_idle_seconds and pool.in_flight == 0:
                del self._pools[name]
                pool.close()
        self._sweeper = self._loop.call_later(_SWEEP_SECONDS, self._sweep)

    async def aclose(self, *, grace_seconds: float = 5.0) -> None:
        """Take nothing new, finish what is under way, end the rest after ``grace_seconds``, close all connections."""
        self._closing = True
        pools = list(self._pools.values())
        if pools:
            await asyncio.wait([asyncio.ensure_future(pool.drain()) for pool in pools], timeout=grace_seconds)
        self._sweeper.cancel()
        for pool in self._pools.values():
            pool.close()
        self._pools.clear()
