"""A small HTTP/1.1 client on asyncio: keep-alive, TLS, bounded answers. Enough to call one server."""

from __future__ import annotations

import asyncio
import contextlib
import ssl as ssl_module
from collections.abc import Callable, Mapping
from typing import Any, BinaryIO
from urllib.parse import urlsplit

import httptools

MAX_ANSWER_BYTES = 8 * 1024 * 1024
MAX_IDLE = 32
PIECE_BYTES = 65_536


class HttpError(Exception):
    """No answer came: the server cannot be reached, or what it says is not HTTP."""


class _Answer:
    """Collects one response."""

    def __init__(self) -> None:
        self.body = bytearray()
        self.done = False

    def on_body(self, data: bytes) -> None:
        self.body += data
        if len(self.body) > MAX_ANSWER_BYTES:
            raise HttpError("the answer is too large")

    def on_message_complete(self) -> None:
        self.done = True


class HttpClient:
    """Requests to one base URL. ``timeout_seconds`` bounds a whole request."""

    def __init__(self, base_url: str, *, ssl: ssl_module.SSLContext | None = None, timeout_seconds: float = 15.0) -> None:
        parts = urlsplit(base_url)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise ValueError(f"{base_url!r} is no base URL: write https://host[:port]")
        self._secure = parts.scheme == "https"
        self._host, self._port = parts.hostname, parts.port or (443 if self._secure else 80)
        self._authority, self._prefix = parts.netloc.rpartition("@")[2], parts.path.rstrip("/")
        self._ssl = (ssl or ssl_module.create_default_context()) if self._secure else None
        self._timeout = timeout_seconds
        self._idle: list[tuple[asyncio.StreamReader, asyncio.StreamWriter]] = []

    async def post(self, target: str, body: bytes) -> tuple[int, bytes]:
        """POST JSON; returns status and body. Raises ``HttpError``."""
        head = (
            f"POST {self._prefix}{target} HTTP/1.1\r\nHost: {self._authority}\r\nContent-Type: application/json\r\n"
            f"Accept: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
        )
        try:
            async with asyncio.timeout(self._timeout):
                return await self._exchange(head.encode("ascii") + body)
        except TimeoutError:
            raise HttpError(f"no answer within {self._timeout:g} seconds") from None
        except (OSError, httptools.HttpParserError, UnicodeEncodeError) as error:
            raise HttpError(str(error) or type(error).__name__) from None

    async def put(
        self, target: str, headers: Mapping[str, str], file: BinaryIO, size: int, on_progress: Callable[[int], object] | None
    ) -> tuple[int, bytes]:
        """PUT ``size`` bytes of a file, a piece at a time; returns status and body. Raises ``HttpError``.

        The time limit is for each piece and for the answer. ``on_progress`` hears percents of what was handed to the network.
        """
        lines = [f"PUT {self._prefix}{target} HTTP/1.1", f"Host: {self._authority}", f"Content-Length: {size}"]
        lines += [f"{name}: {value}" for name, value in headers.items()]
        try:
            async with asyncio.timeout(self._timeout):
                reader, writer = await asyncio.open_connection(self._host, self._port, ssl=self._ssl)
            try:
                writer.write("\r\n".join((*lines, "", "")).encode("ascii"))
                with contextlib.suppress(ConnectionError):  # a server that says no early closes; its answer says why
                    await self._send(writer, file, size, on_progress)
                async with asyncio.timeout(self._timeout):
                    return await self._read(await reader.read(PIECE_BYTES), reader, writer)
            finally:
                writer.close()
        except TimeoutError:
            raise HttpError(f"nothing was taken or answered within {self._timeout:g} seconds") from None
        except (OSError, httptools.HttpParserError, UnicodeEncodeError) as error:
            raise HttpError(str(error) or type(error).__name__) from None

    async def _send(self, writer: asyncio.StreamWriter, file: BinaryIO, size: int, on_progress: Callable[[int], object] | None) -> None:
        sent, told = 0, -1
        while data := await asyncio.to_thread(file.read, PIECE_BYTES):
            writer.write(data)
            async with asyncio.timeout(self._timeout):
                await writer.drain()
            sent += len(data)
            percent = min(100, sent * 100 // size)
            if on_progress is not None and percent > told:
                told = percent
                on_progress(percent)

    async def aclose(self) -> None:
        """Close the idle connections."""
        idle, self._idle = self._idle, []
        for _, writer in idle:
            await _close(writer)

    async def _exchange(self, request: bytes) -> tuple[int, bytes]:
        while True:
            kept = bool(self._idle)
            reader, writer = self._idle.pop() if kept else await asyncio.open_connection(self._host, self._port, ssl=self._ssl)
            try:
                writer.write(request)
                await writer.drain()
                first = await reader.read(65_536)
            except OSError:
                first = b""
            except BaseException:
                writer.close()
                raise
            if first:
                return await self._read(first, reader, writer)
            await _close(writer)
            if not kept:  # a kept connection may have been closed meanwhile; a new one may not
                raise HttpError("the server closed the connection")

    async def _read(self, data: bytes, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> tuple[int, bytes]:
        answer = _Answer()
        parser: Any = httptools.HttpResponseParser(answer)
        try:
            while data:
                parser.feed_data(data)
                if answer.done:
                    break
                data = await reader.read(65_536)
            else:
                raise HttpError("the answer was cut")
        except BaseException:
            writer.close()
            raise
        if parser.should_keep_alive() and len(self._idle) < MAX_IDLE:
            self._idle.append((reader, writer))
        else:
            await _close(writer)
        return parser.get_status_code(), bytes(answer.body)


async def _close(writer: asyncio.StreamWriter) -> None:
    writer.close()
    with contextlib.suppress(OSError, ssl_module.SSLError):
        await writer.wait_closed()
