"""A small HTTP/1.1 server on asyncio, so that faults (resets, cut bodies) are under full control.

Keep-alive, pipelining (answers in order), bounded heads and bodies, a limit for slow clients. A connection that opens with the HTTP/2
preface is handed to an HTTP/2 protocol.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections import deque
from collections.abc import AsyncIterator, Callable
from http import HTTPStatus
from typing import Final, cast
from urllib.parse import parse_qsl

import httptools

from .base import ConnectionState, Handler, SimRequest, SimResponse

H2_PREFACE: Final = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
MAX_BODY_BYTES = 4 * 1024 * 1024
MAX_HEAD_BYTES = 64 * 1024
MAX_PIPELINED = 64
REQUEST_SECONDS = 30.0  # for a request to come in completely
IDLE_SECONDS = 75.0
_REASONS: Final = {status.value: status.phrase for status in HTTPStatus}


class Http1Connection(asyncio.Protocol):
    """The server's end of one connection."""

    def __init__(
        self,
        handler: Handler,
        connections: set[Http1Connection],
        h2_protocol: Callable[[], asyncio.Protocol] | None = None,
    ) -> None:
        self._handler, self._connections, self._h2_protocol = handler, connections, h2_protocol
        self._parser = httptools.HttpRequestParser(self)
        self._state = ConnectionState()
        self._start: bytes | None = b""  # what came before it was clear which protocol is spoken
        self._waiting: deque[tuple[SimRequest, bool]] = deque()
        self._worker: asyncio.Task[None] | None = None
        self._writable = asyncio.Event()
        self._writable.set()
        self._broken: SimResponse | None = None
        self._half_closed = False

    # --- asyncio.Protocol

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)  # uvloop's are none by class
        self._loop = asyncio.get_running_loop()
        peer = self._transport.get_extra_info("peername")
        self._state.values["peer"] = peer[0] if peer else ""
        self._connections.add(self)
        self._deadline = self._loop.call_later(REQUEST_SECONDS, self._too_slow)
        self._clear()

    def connection_lost(self, _exc: Exception | None) -> None:
        self._connections.discard(self)
        self._deadline.cancel()
        self._writable.set()
        if self._worker is not None:
            self._worker.cancel()

    def data_received(self, data: bytes) -> None:
        if self._start is not None:
            data = self._start + data
            if self._h2_protocol is not None and H2_PREFACE.startswith(data[: len(H2_PREFACE)]):
                if len(data) < len(H2_PREFACE):
                    self._start = data
                    return
                self._become_h2(data)
                return
            self._start = None
        self._feed(data)

    def pause_writing(self) -> None:
        self._writable.clear()

    def resume_writing(self) -> None:
        self._writable.set()

    def eof_received(self) -> bool:
        self._half_closed = True
        return self._worker is not None  # a client may close its half and still wait for its answers

    # --- httptools

    def on_url(self, url: bytes) -> None:
        self._url += url
        self._count_head(len(url))

    def on_header(self, name: bytes, value: bytes) -> None:
        self._count_head(len(name) + len(value) + 4)
        key, text = name.decode("latin-1").lower(), value.decode("latin-1")
        self._headers[key] = f"{self._headers[key]}, {text}" if key in self._headers else text

    def on_headers_complete(self) -> None:
        if self._headers.get("expect", "").lower() == "100-continue":
            self._transport.write(b"HTTP/1.1 100 Continue\r\n\r\n")

    def on_body(self, body: bytes) -> None:
        self._body_bytes += len(body)
        if self._body_bytes > MAX_BODY_BYTES:
            self._refuse(413, "the body is over 4 MB")
            return
        self._body.append(body)

    def on_message_complete(self) -> None:
        if self._broken is not None:
            return
        target, _, query = self._url.decode("latin-1").partition("?")
        request = SimRequest(
            method=self._parser.get_method().decode("latin-1"),
            path=target if target.startswith("/") else "/" + target.partition("://")[2].partition("/")[2],
            query=dict(parse_qsl(query, keep_blank_values=True)),
            headers=self._headers,
            body=b"".join(self._body),
            http_version=self._parser.get_http_version(),
            connection=self._state,
        )
        self._waiting.append((request, self._parser.should_keep_alive()))
        self._clear()
        self._deadline.cancel()
        if len(self._waiting) >= MAX_PIPELINED:
            self._transport.pause_reading()
        if self._worker is None:
            self._worker = self._loop.create_task(self._work())

    # --- the rest

    def _clear(self) -> None:
        self._url = b""
        self._headers: dict[str, str] = {}
        self._body: list[bytes] = []
        self._head_bytes = self._body_bytes = 0

    def _count_head(self, size: int) -> None:
        self._head_bytes += size
        if self._head_bytes > MAX_HEAD_BYTES:
            self._refuse(431, "the header is over 64 KB")

    def _refuse(self, status: int, sentence: str) -> None:
        if self._broken is None:
            self._broken = SimResponse(status, {"content-type": "text/plain"}, sentence.encode())

    def _feed(self, data: bytes) -> None:
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserUpgrade:
            self._refuse(400, "no upgrade is spoken here")
        except httptools.HttpParserError:
            self._refuse(400, "this is not HTTP/1.1")
        if self._broken is not None and self._worker is None:
            self._give_up()

    def _give_up(self) -> None:
        if self._broken is not None and not self._transport.is_closing():
            self._transport.write(_encode(self._broken, keep_alive=False))
            self._transport.close()

    def _too_slow(self) -> None:
        self._transport.close()

    def _become_h2(self, data: bytes) -> None:
        assert self._h2_protocol is not None
        self._deadline.cancel()
        self._connections.discard(self)
        protocol = self._h2_protocol()
        self._transport.set_protocol(protocol)
        protocol.connection_made(self._transport)
        protocol.data_received(data)

    async def _work(self) -> None:
        while self._waiting and not self._transport.is_closing():
            request, keep_alive = self._waiting.popleft()
            response = await self._handler(request)
            await self._writable.wait()
            if not await self._send(response, keep_alive):
                return
            if len(self._waiting) == MAX_PIPELINED // 2:
                self._transport.resume_reading()
        self._worker = None
        if self._half_closed:
            self._transport.close()
            return
        self._transport.resume_reading()
        self._deadline.cancel()
        self._deadline = self._loop.call_later(IDLE_SECONDS, self._too_slow)
        self._give_up()

    async def _send(self, response: SimResponse, keep_alive: bool) -> bool:
        """Write an answer; whether the connection lives on."""
        if response.reset:
            self._transport.abort()
            return False
        keep_alive = keep_alive and not response.goaway and not response.truncate
        if response.stream is not None:
            await self._send_stream(response, response.stream)
            keep_alive = False
        else:
            self._transport.write(_encode(response, keep_alive=keep_alive))
        if not keep_alive:
            self._transport.close()
        return keep_alive

    async def _send_stream(self, response: SimResponse, stream: AsyncIterator[bytes]) -> None:
        head = [f"HTTP/1.1 {response.status} {_REASONS.get(response.status, 'Unknown')}", "connection: close"]
        head += [f"{name}: {value}" for name, value in response.headers.items()]
        self._transport.write(("\r\n".join(head) + "\r\n\r\n").encode("latin-1", "replace"))
        async for piece in stream:
            await self._writable.wait()
            if self._transport.is_closing():
                break
            self._transport.write(piece)


def _encode(response: SimResponse, *, keep_alive: bool) -> bytes:
    head = [f"HTTP/1.1 {response.status} {_REASONS.get(response.status, 'Unknown')}"]
    head += [f"{name}: {value}" for name, value in response.headers.items()]
    promised = len(response.body) + (100 if response.truncate else 0)
    head.append(f"content-length: {promised}")
    head.append("connection: keep-alive" if keep_alive else "connection: close")
    return ("\r\n".join(head) + "\r\n\r\n").encode("latin-1", "replace") + response.body


class Http1Server:
    """Listens and keeps its connections."""

    def __init__(self, handler: Handler, h2_protocol: Callable[[], asyncio.Protocol] | None = None) -> None:
        self._handler, self._h2_protocol = handler, h2_protocol
        self._server: asyncio.Server | None = None
        self.connections: set[Http1Connection] = set()
        self.port = 0

    async def start(self, host: str, port: int) -> None:
        """Listen. Raises OSError when the address is taken."""
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(self.connection, host, port, backlog=1024)
        self.port = self._server.sockets[0].getsockname()[1]

    def connection(self) -> Http1Connection:
        """A protocol for one connection; for listeners of another kind."""
        return Http1Connection(self._handler, self.connections, self._h2_protocol)

    async def aclose(self) -> None:
        """Stop listening and close what is open."""
        if self._server is not None:
            self._server.close()
        for connection in list(self.connections):
            connection._transport.abort()
        if self._server is None:
            return
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(2):
                await self._server.wait_closed()
        self._server = None
