"""One HTTP/2 connection (RFC 9113) for what vendors get by the thousand: small POST requests over TLS.

It does little, and that little in few steps: a request is one HEADERS and at most one DATA frame, written together with all
others of a turn of the loop. What does not fit (a body beyond one frame or the peer's window, no free stream) is refused here
and goes the way of everything else, libcurl.
"""

from __future__ import annotations

import asyncio
import logging
import struct
from collections.abc import Callable, Mapping
from typing import cast

from homing.model.outcome import FailureKind, TransportFailure, VendorRequest, VendorResponse

from .easy import Answer
from .header_blocks import AnswerHeaders, BadBlock, RequestHeaders

log = logging.getLogger(__name__)

Done = Callable[[Answer], object]

_PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
_DATA, _HEADERS, _RST_STREAM, _SETTINGS, _PUSH, _PING, _GOAWAY, _WINDOW_UPDATE, _CONTINUATION = 0, 1, 3, 4, 5, 6, 7, 8, 9
_END_STREAM, _ACK, _END_HEADERS, _PADDED, _PRIORITY = 0x1, 0x1, 0x4, 0x8, 0x20
_MAX_STREAMS, _INITIAL_WINDOW = 3, 4
_FRAME = 16_384  # the largest that every peer takes
_OUR_WINDOW = 1 << 24
_OUR_STREAM_WINDOW = 1 << 20
_MAX_HEADER_BYTES = 65_536
_CANCEL, _REFUSED = 0x8, 0x7
_LAST_STREAM = 1 << 30

# Reading goes through this one: the data is taken out before the loop reads again.
_INBOX = memoryview(bytearray(1 << 16))


def frame(kind: int, flags: int, stream: int, payload: bytes = b"") -> bytes:
    """One frame."""
    return struct.pack(">HBBBL", len(payload) >> 8, len(payload) & 0xFF, kind, flags, stream) + payload


class Stream:
    """A request under way and what has come of its answer."""

    __slots__ = ("body", "deadline", "done", "headers", "request", "size", "started", "status")

    def __init__(self, request: VendorRequest, done: Done, started: float) -> None:
        self.request = request
        self.done = done
        self.started = started
        self.deadline = started + request.timeout_seconds
        self.status = 0
        self.headers: Mapping[str, str] = {}
        self.body: list[bytes] = []
        self.size = 0


class Connection(asyncio.BufferedProtocol):
    """``left`` is called with the streams that the peer has certainly not looked at, and when the connection is lost or given up."""

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        headers: RequestHeaders,
        *,
        max_body_bytes: int,
        max_streams: int,
        left: Callable[[Connection, list[Stream]], None],
    ) -> None:
        self._loop = loop
        self._headers = headers
        self._answers = AnswerHeaders()
        self._max_body = max_body_bytes
        self._max_streams = max_streams
        self._left = left
        self._transport: asyncio.Transport | None = None
        self._rest = b""
        self._out: list[bytes] = []
        self._flush_due = False
        self._next = 1
        self._window = self._stream_window = 65_535
        self._consumed = 0
        self._block: tuple[int, int, bytes] | None = None  # stream, flags and start of a block that goes on
        self.streams: dict[int, Stream] = {}
        self.born = loop.time()
        self.limit = 0  # streams at once; none before the peer's settings are here
        self.answers = 0
        self.last_answer = self.born
        self.writable = False  # and open, and not about to close

    # --- what the loop calls

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        settings = struct.pack(">HLHLHL", 1, 0, 2, 0, _INITIAL_WINDOW, _OUR_STREAM_WINDOW)  # no header table, no server push
        self._transport.write(_PREFACE + frame(_SETTINGS, 0, 0, settings) + frame(_WINDOW_UPDATE, 0, 0, struct.pack(">L", _OUR_WINDOW)))
        self.writable = True

    def get_buffer(self, _size: int) -> memoryview:
        return _INBOX

    def buffer_updated(self, size: int) -> None:
        try:
            self._read(self._rest + _INBOX[:size] if self._rest else bytes(_INBOX[:size]))
        except (BadBlock, struct.error, IndexError) as error:
            log.warning("the vendor's HTTP/2 makes no sense: %s", error)
            self.abort()

    def pause_writing(self) -> None:
        self.writable = False

    def resume_writing(self) -> None:
        self.writable = self._transport is not None and self._next < _LAST_STREAM

    def connection_lost(self, exc: Exception | None) -> None:
        self.writable, self._transport = False, None
        streams, self.streams = list(self.streams.values()), {}
        self._left(self, [])
        for stream in streams:
            _tell(stream.done, TransportFailure(FailureKind.CLOSED, f"connection lost: {exc or 'closed by the vendor'}"[:300]))

    # --- requests

    def submit(self, request: VendorRequest, path: str, done: Done) -> int:
        """Send a request; ``done`` gets its answer. Returns the number of its stream, or 0 when it does not fit here."""
        body = request.body
        size = len(body)
        if not self.writable or len(self.streams) >= self.limit or size > self._window or size > self._stream_window or size > _FRAME:
            return 0
        block = self._headers.block(path, request.headers, size)
        if block is None or len(block) > _FRAME:
            return 0
        number = self._next
        self._next = number + 2
        if number >= _LAST_STREAM:
            self.writable = False
        self._window -= size
        self.streams[number] = Stream(request, done, self._loop.time())
        length = len(block)
        if size:
            head = struct.pack(">HBBBL", length >> 8, length & 0xFF, _HEADERS, _END_HEADERS, number)
            data = struct.pack(">HBBBL", size >> 8, size & 0xFF, _DATA, _END_STREAM, number)
            self._send(b"".join((head, block, data, body)))
        else:
            self._send(frame(_HEADERS, _END_HEADERS | _END_STREAM, number, block))
        return number

    def withdraw(self, number: int) -> None:
        """Give a request up without telling anybody; nothing when it is over."""
        if self.streams.pop(number, None) is not None:
            self._reset(number)

    def fail_overdue(self, now: float) -> bool:
        """End what is out of time. Returns whether the connection fell silent: nothing was answered since such a request began."""
        silent = False
        for number, stream in [(number, stream) for number, stream in self.streams.items() if stream.deadline < now]:
            del self.streams[number]
            self._reset(number)
            silent = silent or stream.started >= self.last_answer
            _tell(stream.done, TransportFailure(FailureKind.TIMEOUT, "no answer within the time limit"))
        return silent

    def leave(self) -> None:
        """Take nothing new; close when the last answer is there."""
        self.writable = False
        self._next = _LAST_STREAM
        self._leave_if_done()

    def abort(self) -> None:
        """Close now; what is under way is told."""
        self.writable = False
        if self._transport is not None:
            self._transport.abort()

    def _reset(self, number: int) -> None:
        self._send(frame(_RST_STREAM, 0, number, struct.pack(">L", _CANCEL)))
        self._leave_if_done()

    def _leave_if_done(self) -> None:
        if self._next >= _LAST_STREAM and not self.streams and self._transport is not None:
            self._transport.close()

    def _send(self, data: bytes) -> None:
        self._out.append(data)
        if not self._flush_due:
            self._flush_due = True
            self._loop.call_soon(self._flush)

    def _flush(self) -> None:
        self._flush_due = False
        out, self._out = self._out, []
        if self._transport is not None and not self._transport.is_closing():
            self._transport.write(b"".join(out))

    # --- answers

    def _read(self, data: bytes) -> None:
        at, size = 0, len(data)
        while size - at >= 9:
            length = (data[at] << 16) | (data[at + 1] << 8) | data[at + 2]
            end = at + 9 + length
            if length > _FRAME:
                raise BadBlock("a frame is longer than we take")
            if end > size:
                break
            number = int.from_bytes(data[at + 5 : at + 9], "big") & 0x7FFFFFFF
            self._frame(data[at + 3], data[at + 4], number, data[at + 9 : end])
            at = end
        self._rest = data[at:]
        self._leave_if_done()

    def _frame(self, kind: int, flags: int, number: int, payload: bytes) -> None:
        if self._block is not None and kind != _CONTINUATION:
            raise BadBlock("a header block was interrupted")
        if kind == _DATA:
            self._on_data(flags, number, payload)
        elif kind == _HEADERS:
            self._on_headers(flags, number, _unpadded(flags, payload))
        elif kind == _CONTINUATION:
            self._on_continuation(flags, payload)
        elif kind == _RST_STREAM:
            self._on_reset(number, int.from_bytes(payload, "big"))
        elif kind == _SETTINGS:
            if not flags & _ACK:
                self._on_settings(payload)
        elif kind == _GOAWAY:
            self._on_goaway(payload)
        else:
            self._on_other(kind, flags, number, payload)

    def _on_other(self, kind: int, flags: int, number: int, payload: bytes) -> None:
        if kind == _PING and not flags & _ACK:
            self._send(frame(_PING, _ACK, 0, payload))
        elif kind == _WINDOW_UPDATE and not number:
            self._window += int.from_bytes(payload, "big") & 0x7FFFFFFF
        elif kind == _PUSH:
            raise BadBlock("a pushed answer that we ruled out")

    def _on_data(self, flags: int, number: int, payload: bytes) -> None:
        self._consumed += len(payload)
        if self._consumed > _OUR_WINDOW // 2:
            self._send(frame(_WINDOW_UPDATE, 0, 0, struct.pack(">L", self._consumed)))
            self._consumed = 0
        stream = self.streams.get(number)
        if stream is None:
            return
        if flags & _PADDED:
            payload = payload[1 : len(payload) - payload[0]]
        if payload:
            stream.size += len(payload)
            stream.body.append(payload)
            if stream.size > self._max_body:
                self._finish(number, stream, TransportFailure(FailureKind.TOO_LARGE, "the answer is larger than we read"))
                self._reset(number)
                return
        if flags & _END_STREAM:
            self._answered(number, stream)

    def _on_headers(self, flags: int, number: int, block: bytes) -> None:
        if not flags & _END_HEADERS:
            self._block = (number, flags, block)
            return
        status, headers = self._answers.read(block)
        stream = self.streams.get(number)
        if stream is None:
            return
        if status >= 200:
            stream.status, stream.headers = status, headers
        if flags & _END_STREAM:
            self._answered(number, stream)

    def _on_continuation(self, flags: int, payload: bytes) -> None:
        if self._block is None:
            raise BadBlock("a continuation of nothing")
        number, first, block = self._block
        block += payload
        if len(block) > _MAX_HEADER_BYTES:
            raise BadBlock("the headers are larger than we read")
        self._block = None
        self._on_headers(first | (flags & _END_HEADERS), number, block)

    def _answered(self, number: int, stream: Stream) -> None:
        body = stream.body
        whole = b"" if not body else body[0] if len(body) == 1 else b"".join(body)
        length = stream.headers.get("content-length")
        if not stream.status or (length is not None and length != str(len(whole))):
            self._finish(number, stream, TransportFailure(FailureKind.CLOSED, "the answer ended before it was whole"))
            return
        self.answers += 1
        self.last_answer = self._loop.time()
        self._finish(number, stream, VendorResponse(stream.status, stream.headers, whole))

    def _on_reset(self, number: int, code: int) -> None:
        stream = self.streams.get(number)
        if stream is None:
            return
        if code == _REFUSED:
            del self.streams[number]
            self._left(self, [stream])
        else:
            self._finish(number, stream, TransportFailure(FailureKind.CLOSED, f"the vendor reset the stream, code {code}"))

    def _on_settings(self, payload: bytes) -> None:
        self.limit = self.limit or self._max_streams
        for key, value in struct.iter_unpack(">HL", payload):
            if key == _MAX_STREAMS:
                self.limit = min(value, self._max_streams)
            elif key == _INITIAL_WINDOW:
                self._stream_window = value
        self._send(frame(_SETTINGS, _ACK, 0))

    def _on_goaway(self, payload: bytes) -> None:
        last = int.from_bytes(payload[:4], "big") & 0x7FFFFFFF
        untouched = [number for number in self.streams if number > last]
        streams = [self.streams.pop(number) for number in untouched]
        self.leave()
        self._left(self, streams)

    def _finish(self, number: int, stream: Stream, answer: Answer) -> None:
        del self.streams[number]
        _tell(stream.done, answer)


def _unpadded(flags: int, payload: bytes) -> bytes:
    if flags & _PADDED:
        payload = payload[1 : len(payload) - payload[0]]
    return payload[5:] if flags & _PRIORITY else payload


def _tell(done: Done, answer: Answer) -> None:
    try:
        done(answer)
    except Exception:  # a caller's mistake must not stop the other answers
        log.exception("the receiver of a vendor's answer failed")
