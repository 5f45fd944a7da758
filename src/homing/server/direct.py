"""The server's HTTP protocol with a short way for the REST API: a whole request in, a whole answer out.

The application interface costs a dictionary, an event, a task set and two timers for each request, and two writes for each
answer. The REST API needs none of it: its requests have a path, a query and a bounded body, its answers are short and all
alike. Everything else (the device API, sockets, pages, odd requests) takes the usual way of the web server.
"""

from __future__ import annotations

import asyncio
from typing import Any, Protocol

import httptools
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

BODY_SECONDS = 30.0
HEAD_BYTES = 65_536  # beyond the piece in which the head began
_HEAD = b"HTTP/1.1 200 OK\r\ncontent-type: application/json; charset=utf-8\r\ncontent-length: %d\r\n"
_UPGRADE_HEADERS = frozenset((b"connection", b"upgrade", b"http2-settings"))
_CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"
_HEAD_TOO_LONG = (
    b"HTTP/1.1 431 Request Header Fields Too Large\r\ncontent-type: text/plain; charset=utf-8\r\n"
    b"content-length: 63\r\nconnection: close\r\n\r\n"
    b"The request's headers are too long. Send at most 64 KB of them."
)


class Requests(Protocol):
    """Who answers ``POST`` requests under a prefix. Every answer has status 200 and is JSON."""

    prefix: bytes

    def limit(self, path: bytes) -> int:
        """How many bytes the body may have."""
        ...

    async def answer(self, method: str, path: bytes, query: bytes, body: bytes) -> bytes:
        """The answer to a whole request. Raises nothing."""
        ...

    def too_long(self, limit: int) -> bytes:
        """The answer to a body that is longer."""
        ...

    def too_slow(self) -> bytes:
        """The answer when the body did not arrive in time."""
        ...


class _NoEvent:
    """Stands where the web server would wake an application."""

    def set(self) -> None:
        """Nobody waits."""


_NO_EVENT = _NoEvent()


class Exchange:
    """One request and its answer. The web server sees it as one of its own cycles."""

    __slots__ = (
        "body",
        "complete",
        "disconnected",
        "expects_continue",
        "keep_alive",
        "limit",
        "message_event",
        "path",
        "query",
        "refused",
        "response_complete",
        "size",
        "timer",
        "turn",
    )

    def __init__(self, path: bytes, query: bytes, limit: int, *, keep_alive: bool, expects_continue: bool) -> None:
        self.path = path
        self.query = query
        self.limit = limit
        self.keep_alive = keep_alive
        self.expects_continue = expects_continue
        self.body: bytes | list[bytes] = b""
        self.size = 0
        self.complete = False  # the whole body is here
        self.turn = False  # earlier requests of the connection are answered
        self.refused: bytes | None = None
        self.timer: asyncio.TimerHandle | None = None
        self.response_complete = False
        self.disconnected = False
        self.message_event = _NO_EVENT

    def add(self, data: bytes) -> None:
        """Keep a piece of the body, within the limit."""
        self.size += len(data)
        if self.size > self.limit:
            self.body = b""
        elif not self.body:
            self.body = data
        elif isinstance(self.body, list):
            self.body.append(data)
        else:
            self.body = [self.body, data]

    def whole(self) -> bytes:
        """The body."""
        return self.body if isinstance(self.body, bytes) else b"".join(self.body)


class DirectProtocol(HttpToolsProtocol):
    """Pass as ``http=`` to uvicorn, with ``requests`` set by ``direct_to``."""

    requests: Requests | None = None

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self._exchange: Exchange | None = None  # whose body is being read
        self._task: asyncio.Task[None] | None = None  # the loop itself holds tasks only weakly
        self._idle_since: float | None = None
        self._declined = False  # this message offers an upgrade that is not taken
        self._received = 0  # bytes
        self._head_began: int | None = None  # bytes that had been received when the head began that is being read

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Give the first head as long as an idle connection has for its next."""
        super().connection_made(transport)  # type: ignore[arg-type]
        self._idle_since = self.loop.time()
        self._look_again_in(self.timeout_keep_alive)

    # --- the parser's callbacks ---

    def on_message_begin(self) -> None:
        self.url = b""
        self.headers = []
        self._exchange = None
        self._head_began = self._received

    def on_header(self, name: bytes, value: bytes) -> None:
        self.headers.append((name, value))

    def on_headers_complete(self) -> None:
        self._idle_since = self._head_began = None
        requests, parser = self.requests, self.parser
        if parser.should_upgrade() and not self._is_websocket():
            self._declined = True
            return
        direct = requests is not None and self.url.startswith(requests.prefix) and parser.get_method() == b"POST"
        if not direct or parser.should_upgrade() or b"#" in self.url:
            self._to_application()
            return
        assert requests is not None
        path, _, query = self.url.partition(b"?")
        exchange = self._exchange = Exchange(
            path,
            query,
            requests.limit(path),
            keep_alive=parser.should_keep_alive() and parser.get_http_version() != "1.0",
            expects_continue=_expects_continue(self.headers),
        )
        earlier, self.cycle = self.cycle, exchange  # type: ignore[assignment]
        if earlier is None or earlier.response_complete:
            self._take_turn(exchange)
        else:
            self.flow.pause_reading()
            self.pipeline.appendleft((exchange, self.app))  # type: ignore[arg-type]

    def on_body(self, body: bytes) -> None:
        exchange = self._exchange
        if exchange is None:
            super().on_body(body)
            return
        exchange.add(body)
        if exchange.size > exchange.limit and exchange.refused is None:
            assert self.requests is not None
            self._refuse(exchange, self.requests.too_long(exchange.limit))

    def on_message_complete(self) -> None:
        exchange = self._exchange
        if exchange is None:
            if not self._declined:
                super().on_message_complete()
            return
        exchange.complete = True
        if exchange.timer is not None:
            exchange.timer.cancel()
            exchange.timer = None
        if exchange.turn and exchange.refused is None:
            self._run(exchange)

    def _is_websocket(self) -> bool:
        offered = any(name.lower() == b"upgrade" and value.lower() == b"websocket" for name, value in self.headers)
        return offered and self.parser.get_method() == b"GET"

    def handle_websocket_upgrade(self) -> None:
        """Hand the connection over; nothing of this protocol stays behind."""
        self._stop_looking()
        super().handle_websocket_upgrade()

    def _without_offer(self, rest: bytes) -> bytes:
        """The message as if no upgrade had been offered, and a parser that has not seen it.

        Java's own client offers HTTP/2 with its first request, body included; a parser that takes the offer at its word
        leaves the body out.
        """
        self._declined = False
        lines = [b"%b %b HTTP/1.1" % (self.parser.get_method(), self.url)]
        lines += [b"%b: %b" % header for header in self.headers if header[0].lower() not in _UPGRADE_HEADERS]
        self.parser = httptools.HttpRequestParser(self)
        return b"\r\n".join((*lines, b"", rest))

    def _to_application(self) -> None:
        """The usual way: what it needs is made now."""
        url, headers = self.url, self.headers
        super().on_message_begin()
        self.url = url
        for name, value in headers:
            super().on_header(name, value)
        super().on_headers_complete()

    # --- one request after the other ---

    def _start_asgi_task(self, cycle: Any, app: Any) -> None:
        if isinstance(cycle, Exchange):
            self._take_turn(cycle)
        else:
            super()._start_asgi_task(cycle, app)

    def _take_turn(self, exchange: Exchange) -> None:
        exchange.turn = True
        if exchange.refused is not None:
            self._reply(exchange, exchange.refused)
        elif exchange.complete:
            self._run(exchange)
        elif exchange.expects_continue:
            self.transport.write(_CONTINUE)

    def _run(self, exchange: Exchange) -> None:
        self._task = self.loop.create_task(self._answer(exchange))

    async def _answer(self, exchange: Exchange) -> None:
        assert self.requests is not None
        answer = await self.requests.answer("POST", exchange.path, exchange.query, exchange.whole())
        if self.flow.write_paused:
            await self.flow.drain()
        self._reply(exchange, answer)

    def _refuse(self, exchange: Exchange, answer: bytes) -> None:
        """Answer before the body ends; what follows of it is read and forgotten."""
        exchange.refused = answer
        if exchange.turn:
            self._reply(exchange, answer)

    def _reply(self, exchange: Exchange, body: bytes) -> None:
        exchange.response_complete = True
        transport = self.transport
        if transport.is_closing():
            return
        parts = [_HEAD % len(body)]
        for name, value in self.server_state.default_headers:
            parts += (name, b": ", value, b"\r\n")
        parts += (b"\r\n" if exchange.keep_alive else b"connection: close\r\n\r\n", body)
        transport.write(b"".join(parts))
        if not exchange.keep_alive:
            transport.close()
        self.on_response_complete()

    # --- time ---

    def data_received(self, data: bytes) -> None:
        self._received += len(data)
        if not self._parse(data):
            return
        if self._head_began is not None and self._received - self._head_began > HEAD_BYTES:
            self.transport.write(_HEAD_TOO_LONG)
            self.transport.close()
            return
        exchange = self._exchange
        if exchange is not None and not exchange.complete and exchange.refused is None and exchange.timer is None:
            exchange.timer = self.loop.call_later(BODY_SECONDS, self._body_is_late, exchange)

    def _parse(self, data: bytes) -> bool:
        """Feed the parser; False when the connection is closed or handed over."""
        while True:
            try:
                self.parser.feed_data(data)
                return True
            except httptools.HttpParserError:
                self.send_400_response("Invalid HTTP request received.")
                return False
            except httptools.HttpParserUpgrade as upgrade:
                if not self._declined:
                    self.handle_websocket_upgrade()
                    return False
                if self.parser.get_method() == b"CONNECT":
                    self.send_400_response("CONNECT is for proxies; this is none.")
                    return False
                data = self._without_offer(data[upgrade.args[0] :])

    def _body_is_late(self, exchange: Exchange) -> None:
        exchange.timer = None
        if not exchange.complete and self.requests is not None:
            exchange.keep_alive = False
            self._refuse(exchange, self.requests.too_slow())

    def on_response_complete(self) -> None:
        self.server_state.total_requests += 1
        if self.transport.is_closing():
            return
        self.flow.resume_reading()
        if self.pipeline:
            cycle, app = self.pipeline.pop()
            self._start_asgi_task(cycle, app)
            return
        self._idle_since = self.loop.time()
        if self.timeout_keep_alive_task is None:
            self._look_again_in(self.timeout_keep_alive)

    def _unset_keepalive_if_required(self) -> None:
        """One timer a connection looks now and then how long it was idle, instead of two calls of the loop a request."""

    def _look_again_in(self, seconds: float) -> None:
        self.timeout_keep_alive_task = self.loop.call_later(seconds, self.timeout_keep_alive_handler)

    def timeout_keep_alive_handler(self) -> None:
        """Close a connection that was idle for the whole time."""
        self.timeout_keep_alive_task = None
        if self.transport.is_closing():
            return
        if self._idle_since is None:
            self._look_again_in(self.timeout_keep_alive)
            return
        left = self._idle_since + self.timeout_keep_alive - self.loop.time()
        if left > 0:
            self._look_again_in(left)
        else:
            self.transport.close()

    def connection_lost(self, exc: Exception | None) -> None:
        super().connection_lost(exc)
        self._stop_looking()
        if self._exchange is not None and self._exchange.timer is not None:
            self._exchange.timer.cancel()

    def _stop_looking(self) -> None:
        if self.timeout_keep_alive_task is not None:
            self.timeout_keep_alive_task.cancel()
            self.timeout_keep_alive_task = None


def _expects_continue(headers: list[tuple[bytes, bytes]]) -> bool:
    return any(len(name) == 6 and name.lower() == b"expect" and value.lower() == b"100-continue" for name, value in headers)


def direct_to(requests: Requests | None) -> type[DirectProtocol]:
    """The protocol class whose short way leads to ``requests``; None: everything takes the usual way."""
    return type("DirectProtocol", (DirectProtocol,), {"requests": requests})
