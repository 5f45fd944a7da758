"""Small HTTP/1.1 clients for benchmarks: one request, and many connections in a closed loop."""

from __future__ import annotations

import asyncio
import json
from typing import Any, cast


async def call(port: int, method: str, path: str, body: bytes = b"") -> tuple[int, bytes]:
    """One request to this machine; the connection is closed after it. Raises ``OSError``, ``asyncio.IncompleteReadError``."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port, limit=1 << 26)
    try:
        head = (
            f"{method} {path} HTTP/1.1\r\nhost: 127.0.0.1:{port}\r\ncontent-type: application/json\r\ncontent-length: {len(body)}\r\n\r\n"
        )
        writer.write(head.encode() + body)
        answer = await reader.readuntil(b"\r\n\r\n")
        return int(answer[9:12]), await reader.readexactly(content_length(answer))
    finally:
        writer.close()


async def call_json(port: int, method: str, path: str, document: Any = None) -> Any:
    """The same with JSON both ways."""
    _, body = await call(port, method, path, b"" if document is None else json.dumps(document).encode())
    return json.loads(body)


def content_length(head: bytes) -> int:
    """Of a response's head; 0 where it names none."""
    lower = head.lower()
    at = lower.find(b"content-length:")
    return int(lower[at + 15 : lower.index(b"\r", at)]) if at >= 0 else 0


class Exchange(asyncio.Protocol):
    """A kept connection with one request under way. Subclasses write with ``ask`` and get ``answered`` and ``cut_off``."""

    def __init__(self) -> None:
        self._buffer = b""
        self._waiting = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)
        self.opened()

    def ask(self, request: bytes) -> None:
        """Send a request."""
        self._waiting = True
        self.transport.write(request)

    def data_received(self, data: bytes) -> None:
        buffer = self._buffer + data if self._buffer else data
        end = buffer.find(b"\r\n\r\n")
        if end < 0:
            self._buffer = buffer
            return
        total = end + 4 + content_length(buffer[: end + 4])
        if len(buffer) < total:
            self._buffer = buffer
            return
        self._buffer, self._waiting = b"", False
        self.answered(int(buffer[9:12]), buffer[end + 4 : total])

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002  (asyncio's signature)
        self.cut_off(self._waiting)

    def opened(self) -> None:
        """The connection is there."""

    def answered(self, status: int, body: bytes) -> None:
        """The answer to the request under way."""

    def cut_off(self, waiting: bool) -> None:
        """The connection is gone; ``waiting``: a request had no answer yet."""
