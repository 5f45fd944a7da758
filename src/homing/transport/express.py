"""The fast lane of a pool: HTTP/2 connections of our own to an origin that has answered libcurl in HTTP/2.

libcurl goes first, always: it knows proxies, client certificates, HTTP/1.1 and every oddity of a handshake. Once an origin has
proved to speak HTTP/2 and several requests are under way at once, the small ones travel here at a third of the CPU time. Whatever
this cannot do, or stops being able to do, goes to libcurl as before.
"""

from __future__ import annotations

import asyncio
import contextlib
import functools
import ssl
from collections.abc import Callable
from typing import TYPE_CHECKING

from homing.model.outcome import VendorRequest

from .guard import check_peer, split_origin
from .header_blocks import RequestHeaders
from .http2 import Connection, Done, Stream

if TYPE_CHECKING:
    from .easy import Origin, TransportOptions

#: Requests under way in the pool from which a connection of our own is worth opening.
WORTH_WHILE = 4
#: Streams on a connection from which another one is opened, where several are allowed.
CROWDED = 250
MAX_CONNECTIONS = 8
_SWEEP_SECONDS = 0.5
_PATIENCE_SECONDS = 30.0  # after a connection that could not be made


class Express:
    """Connections of one pool to one origin. ``otherwise`` sends a request that the peer has not looked at by libcurl."""

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        options: TransportOptions,
        origin: Origin,
        ca: tuple[str | None, str | None],
        *,
        otherwise: Callable[[VendorRequest, Done, float], object],
    ) -> None:
        self._loop = loop
        self._options = options
        self._origin = origin
        self._ca = ca
        self._otherwise = otherwise
        self._connections: list[Connection] = []
        self._leaving: list[Connection] = []
        self._opening: asyncio.Task[None] | None = None
        self._not_before = 0.0
        self._sweeper: asyncio.TimerHandle | None = None
        self._ca_file: str | None = None
        self._context: ssl.SSLContext | None = None
        self._headers = RequestHeaders(origin.authority, options.user_agent)

    @property
    def in_flight(self) -> int:
        """Requests under way here."""
        return sum(len(connection.streams) for connection in self._connections) + sum(len(c.streams) for c in self._leaving)

    def submit(self, request: VendorRequest, done: Done, busy: int) -> Callable[[], None] | None:
        """Send a request if it fits; returns how to withdraw it. None: send it by libcurl. ``busy``: what libcurl has under way."""
        if request.ca_file != self._ca_file:
            if self._ca_file is not None and (self._connections or self._opening is not None):
                return None  # made under another authority
            self._ca_file, self._context = request.ca_file, None
        path = request.url[self._origin.length :] or "/"
        number, connection = self._place(request, path, done, CROWDED)
        if not number and self._may_open(request, busy):
            self._opening = self._loop.create_task(self._open())
        if not number and self._connections:
            number, connection = self._place(request, path, done, self._options.max_streams)
        if connection is None:
            return None
        if self._sweeper is None:
            self._watch()
        return functools.partial(connection.withdraw, number)

    def _place(self, request: VendorRequest, path: str, done: Done, crowd: int) -> tuple[int, Connection | None]:
        for connection in self._connections:
            if len(connection.streams) < crowd and (number := connection.submit(request, path, done)):
                return number, connection
        return 0, None

    def _may_open(self, request: VendorRequest, busy: int) -> bool:
        most = self._options.max_http2_connections if request.http2 else MAX_CONNECTIONS
        if self._opening is not None or len(self._connections) >= most or self._loop.time() < self._not_before:
            return False
        return bool(self._connections) or busy >= WORTH_WHILE

    async def _open(self) -> None:
        try:
            self._connections.append(await asyncio.wait_for(self._connect(), self._options.connect_timeout_seconds))
        except (OSError, TimeoutError, ssl.SSLError, ValueError):
            self._not_before = self._loop.time() + _PATIENCE_SECONDS  # libcurl says in its own words what is wrong
        finally:
            self._opening = None

    async def _connect(self) -> Connection:
        """Resolve, judge the numeric address, connect to exactly that one, and insist on HTTP/2. Raises ``OSError``."""
        scheme, host, port = split_origin(self._origin.name)
        if self._context is None:
            self._context = await self._loop.run_in_executor(None, _context, self._ca_file or self._ca[0], self._ca[1])
        found = await self._loop.getaddrinfo(host, port, type=1)
        address = found[0][4][0]
        refusal = check_peer(str(address), allow_private=self._options.allow_private, allow_loopback=self._origin.loopback)
        if refusal or scheme != "https":
            raise OSError(refusal or "not encrypted")
        transport, connection = await self._loop.create_connection(self._make, str(address), port, ssl=self._context, server_hostname=host)
        encrypted = transport.get_extra_info("ssl_object")
        if encrypted is None or encrypted.selected_alpn_protocol() != "h2":
            transport.abort()
            raise OSError("the vendor does not speak HTTP/2 here")
        return connection

    def _make(self) -> Connection:
        options = self._options
        return Connection(
            self._loop, self._headers, max_body_bytes=options.max_body_bytes, max_streams=options.max_streams, left=self._left
        )

    def _left(self, connection: Connection, untouched: list[Stream]) -> None:
        if not connection.writable:
            for group in (self._connections, self._leaving):
                with contextlib.suppress(ValueError):
                    group.remove(connection)
            if connection.streams:
                self._leaving.append(connection)
        for stream in untouched:
            self._otherwise(stream.request, stream.done, stream.deadline)

    def renew(self) -> None:
        """Leave the present connections to what is on them."""
        for connection in list(self._connections):
            connection.leave()
            self._left(connection, [])

    def sweep(self, now: float) -> None:
        """Leave connections that have grown old, and those without anything to do."""
        options = self._options
        for connection in list(self._connections):
            quiet = not connection.streams and now - connection.last_answer > options.connection_idle_seconds
            if quiet or now - connection.born > options.connection_life_seconds:
                connection.leave()
                self._left(connection, [])

    def _end_overdue(self) -> None:
        self._sweeper = None
        now = self._loop.time()
        for connection in (*self._connections, *self._leaving):
            if connection.fail_overdue(now):  # it fell silent
                connection.leave()
                self._left(connection, [])
        self._watch()

    def _watch(self) -> None:
        """Look at time limits now and then, as long as anything is under way."""
        if self._sweeper is None and self.in_flight:
            self._sweeper = self._loop.call_later(_SWEEP_SECONDS, self._end_overdue)

    def close(self) -> None:
        """Close everything; what is under way is told."""
        if self._opening is not None:
            self._opening.cancel()
        if self._sweeper is not None:
            self._sweeper.cancel()
        for connection in (*self._connections, *self._leaving):
            connection.abort()


def _context(ca_file: str | None, ca_folder: str | None) -> ssl.SSLContext:
    context = ssl.create_default_context(cafile=ca_file, capath=ca_folder)
    context.set_alpn_protocols(["h2"])
    return context
