"""Just enough HTTP/2 (RFC 9113) to answer our own transport as fast as Python can: headers are not even decoded.

The simulators have a complete server; this one exists so that the vendor is not what a benchmark measures.
"""

from __future__ import annotations

import asyncio
import struct
from collections.abc import Callable
from typing import cast

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
_DATA, _HEADERS, _RST_STREAM, _SETTINGS, _PING, _WINDOW_UPDATE = 0x0, 0x1, 0x3, 0x4, 0x6, 0x8
_END_STREAM, _ACK, _END_HEADERS = 0x1, 0x1, 0x4
_INTERNAL_ERROR = 0x2
_WINDOW = 1 << 30
_STREAM_WINDOW = (1 << 31) - 1
_MAX_CONCURRENT_STREAMS, _INITIAL_WINDOW_SIZE = 0x3, 0x4

OnRequest = Callable[["Http2", int, bytes], None]


def frame(kind: int, flags: int, stream: int, payload: bytes = b"") -> bytes:
    """One frame."""
    return struct.pack(">HBBBL", len(payload) >> 8, len(payload) & 0xFF, kind, flags, stream) + payload


def header_block(status: int, headers: tuple[tuple[str, str], ...]) -> bytes:
    """Response headers in HPACK (RFC 7541) without the dynamic table and without Huffman coding."""
    block = b"\x88" if status == 200 else b"\x08" + _string(str(status))
    return block + b"".join(b"\x00" + _string(name) + _string(value) for name, value in headers)


def _string(text: str) -> bytes:
    data = text.encode()
    if len(data) >= 127:
        raise ValueError("a header of this mock is shorter")
    return bytes([len(data)]) + data


class Http2(asyncio.Protocol):
    """One connection. ``on_request(connection, stream, body)`` is called for each complete request."""

    def __init__(self, on_request: OnRequest, max_streams: int = 1000) -> None:
        self._on_request = on_request
        self._max_streams = max_streams
        self._buffer = bytearray()
        self._bodies: dict[int, bytearray] = {}
        self._greeted = False
        self._consumed = 0
        self._out: list[bytes] = []
        self._flush_due = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)
        self._loop = asyncio.get_running_loop()
        settings = struct.pack(">HLHL", _MAX_CONCURRENT_STREAMS, self._max_streams, _INITIAL_WINDOW_SIZE, _STREAM_WINDOW)
        self.write(frame(_SETTINGS, 0, 0, settings) + frame(_WINDOW_UPDATE, 0, 0, struct.pack(">L", _WINDOW)))

    def data_received(self, data: bytes) -> None:
        buffer = self._buffer
        buffer += data
        at, size = 0, len(buffer)
        if not self._greeted:
            if size < len(PREFACE):
                return
            at, self._greeted = len(PREFACE), True
        while size - at >= 9:
            length = (buffer[at] << 16) | (buffer[at + 1] << 8) | buffer[at + 2]
            end = at + 9 + length
            if end > size:
                break
            stream = int.from_bytes(buffer[at + 5 : at + 9], "big") & 0x7FFFFFFF
            self._on_frame(buffer[at + 3], buffer[at + 4], stream, bytes(buffer[at + 9 : end]))
            at = end
        del buffer[:at]

    def _on_frame(self, kind: int, flags: int, stream: int, payload: bytes) -> None:
        if kind == _DATA:
            self._on_data(flags, stream, payload)
        elif kind == _HEADERS:
            if flags & _END_STREAM:
                self._on_request(self, stream, b"")
        elif kind == _SETTINGS and not flags & _ACK:
            self.write(frame(_SETTINGS, _ACK, 0))
        elif kind == _PING and not flags & _ACK:
            self.write(frame(_PING, _ACK, 0, payload))
        elif kind == _RST_STREAM:
            self._bodies.pop(stream, None)

    def _on_data(self, flags: int, stream: int, payload: bytes) -> None:
        self._consumed += len(payload)
        if self._consumed > _WINDOW // 2:
            self.write(frame(_WINDOW_UPDATE, 0, 0, struct.pack(">L", self._consumed)))
            self._consumed = 0
        earlier = self._bodies.get(stream)
        if not flags & _END_STREAM:
            if earlier is None:
                earlier = self._bodies[stream] = bytearray()
            earlier += payload
        elif earlier is None:
            self._on_request(self, stream, payload)
        else:
            del self._bodies[stream]
            self._on_request(self, stream, bytes(earlier) + payload)

    def respond(self, stream: int, headers: bytes, body: bytes, *, cut: bool = False) -> None:
        """Answer; ``cut``: half of the body, then RST_STREAM."""
        if cut:
            part = body[: len(body) // 2]
            reset = frame(_RST_STREAM, 0, stream, struct.pack(">L", _INTERNAL_ERROR))
            self.write(frame(_HEADERS, _END_HEADERS, stream, headers) + frame(_DATA, 0, stream, part) + reset)
        elif body:
            self.write(frame(_HEADERS, _END_HEADERS, stream, headers) + frame(_DATA, _END_STREAM, stream, body))
        else:
            self.write(frame(_HEADERS, _END_HEADERS | _END_STREAM, stream, headers))

    def reset(self, stream: int) -> None:
        """RST_STREAM without an answer."""
        self.write(frame(_RST_STREAM, 0, stream, struct.pack(">L", _INTERNAL_ERROR)))

    def write(self, data: bytes) -> None:
        """One write for all answers of this turn of the loop."""
        self._out.append(data)
        if not self._flush_due:
            self._flush_due = True
            self._loop.call_soon(self._flush)

    def _flush(self) -> None:
        self._flush_due = False
        out, self._out = b"".join(self._out), []
        if not self.transport.is_closing():
            self.transport.write(out)
