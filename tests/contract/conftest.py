"""Raw HTTP/2 clients for the contract tests: frames by hand with ``h2``, and whole requests with libcurl."""

from __future__ import annotations

import asyncio
import io
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

import h2.config
import h2.connection
import h2.events
import h2.settings
import pycurl
import pytest


@dataclass
class RawResponse:
    """What came back on one stream."""

    status: int = 0
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b""
    ended: bool = False
    ended_with_headers: bool = False
    reset_code: int | None = None


class RawH2:
    """One HTTP/2 connection under the test's control. Reads only while something is awaited."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, *, window: int | None = None) -> None:
        self.reader, self.writer = reader, writer
        self.conn = h2.connection.H2Connection(h2.config.H2Configuration(client_side=True, header_encoding="utf-8"))
        self.responses: dict[int, RawResponse] = {}
        self.goaways: list[h2.events.ConnectionTerminated] = []
        self.pongs: list[bytes] = []
        self.max_streams: list[int] = []
        self.closed = False
        self.window = window

    def start(self) -> None:
        self.conn.initiate_connection()
        if self.window is not None:
            self.conn.update_settings({h2.settings.SettingCodes.INITIAL_WINDOW_SIZE: self.window})
        self.flush()

    def flush(self) -> None:
        data = self.conn.data_to_send()
        if data:
            self.writer.write(data)

    def request(self, path: str, headers: list[tuple[str, str]] | None = None, body: bytes = b"", method: str = "POST") -> int:
        """Send a request; its stream id."""
        stream_id = self.conn.get_next_available_stream_id()
        pseudo = [(":method", method), (":scheme", "https"), (":authority", "127.0.0.1"), (":path", path)]
        self.responses[stream_id] = RawResponse()
        self.conn.send_headers(stream_id, pseudo + (headers or []), end_stream=not body)
        for start in range(0, len(body), 16_384):
            chunk = body[start : start + 16_384]
            self.conn.send_data(stream_id, chunk, end_stream=start + len(chunk) == len(body))
        self.flush()
        return stream_id

    async def until(self, condition: Callable[[], bool], seconds: float = 10) -> None:
        """Read until the condition holds or the server closes."""
        async with asyncio.timeout(seconds):
            while not condition() and not self.closed:
                try:
                    data = await self.reader.read(65_536)
                except (ConnectionError, ssl.SSLError):
                    data = b""
                if not data:
                    self.closed = True
                    return
                for event in self.conn.receive_data(data):
                    self._on_event(event)
                self.flush()

    async def response(self, stream_id: int, seconds: float = 10) -> RawResponse:
        """The complete response (or reset) of a stream."""
        response = self.responses[stream_id]
        await self.until(lambda: response.ended, seconds)
        return response

    async def ask(self, path: str, headers: list[tuple[str, str]] | None = None, body: bytes = b"", method: str = "POST") -> RawResponse:
        """One request and its response."""
        return await self.response(self.request(path, headers, body, method))

    async def settled(self) -> None:
        """Until the server has read everything sent so far: a PING comes back in order."""
        token = len(self.pongs).to_bytes(8, "big")
        self.conn.ping(token)
        self.flush()
        await self.until(lambda: token in self.pongs)

    async def close(self) -> None:
        self.writer.close()
        try:
            await asyncio.wait_for(self.writer.wait_closed(), 2)
        except (OSError, TimeoutError):
            self.writer.transport.abort()

    def _on_event(self, event: h2.events.Event) -> None:
        match event:
            case h2.events.ResponseReceived():
                response = self.responses[event.stream_id]
                headers = {str(name): str(value) for name, value in event.headers}
                response.status = int(headers.pop(":status"))
                response.headers = headers
                response.ended_with_headers = event.stream_ended is not None
            case h2.events.DataReceived():
                self.responses[event.stream_id].body += event.data
                if self.window is None:
                    self.conn.acknowledge_received_data(event.flow_controlled_length, event.stream_id)
            case h2.events.StreamEnded():
                self.responses[event.stream_id].ended = True
            case h2.events.StreamReset():
                self.responses[event.stream_id].reset_code = int(event.error_code)
                self.responses[event.stream_id].ended = True
            case h2.events.ConnectionTerminated():
                self.goaways.append(event)
                # The library reads nothing after a GOAWAY, but streams below its number still get their answers.
                self.conn.state_machine.state = h2.connection.ConnectionState.CLIENT_OPEN
            case h2.events.PingAckReceived():
                self.pongs.append(event.ping_data)
            case h2.events.RemoteSettingsChanged():
                changed = event.changed_settings.get(h2.settings.SettingCodes.MAX_CONCURRENT_STREAMS)
                if changed is not None:
                    self.max_streams.append(changed.new_value)
            case _:
                pass


Connect = Callable[..., Awaitable[RawH2]]


@pytest.fixture
async def raw_h2() -> AsyncIterator[Connect]:
    """Opens raw HTTP/2 connections: ``await raw_h2(port, ssl=None, window=None)``."""
    opened: list[RawH2] = []

    async def connect(port: int, *, ssl: Any = None, window: int | None = None) -> RawH2:
        reader, writer = await asyncio.open_connection("127.0.0.1", port, ssl=ssl)
        client = RawH2(reader, writer, window=window)
        opened.append(client)
        client.start()
        return client

    yield connect
    for client in opened:
        await client.close()


@dataclass
class CurlAnswer:
    """What libcurl got."""

    status: int
    headers: dict[str, str]
    body: bytes
    http_version: int


Curl = Callable[..., Awaitable[CurlAnswer]]


def _curl(url: str, body: bytes, headers: list[str], options: dict[int, Any]) -> CurlAnswer:
    handle, out, heads = pycurl.Curl(), io.BytesIO(), {}

    def on_header(line: bytes) -> None:
        name, separator, value = line.decode("latin-1").partition(":")
        if separator:
            heads[name.strip().lower()] = value.strip()

    handle.setopt(pycurl.URL, url)
    handle.setopt(pycurl.POSTFIELDS, body)
    handle.setopt(pycurl.HTTPHEADER, headers)
    handle.setopt(pycurl.WRITEDATA, out)
    handle.setopt(pycurl.HEADERFUNCTION, on_header)
    handle.setopt(pycurl.TIMEOUT, 20)
    handle.setopt(pycurl.PROXY, "")
    for option, value in options.items():
        handle.setopt(option, value)
    try:
        handle.perform()
        version = handle.getinfo(pycurl.INFO_HTTP_VERSION)
        return CurlAnswer(handle.getinfo(pycurl.RESPONSE_CODE), heads, out.getvalue(), version)
    finally:
        handle.close()


@pytest.fixture
def curl() -> Curl:
    """One POST through libcurl in a thread: ``await curl(url, body, headers, {option: value})``."""

    async def post(url: str, body: bytes = b"", headers: list[str] | None = None, options: dict[int, Any] | None = None) -> CurlAnswer:
        return await asyncio.to_thread(_curl, url, body, headers or [], options or {})

    return post
