"""One HTTP/2 connection of the sandbox: frames in, requests to the handler, replies out, flow control both ways.

GOAWAY and SETTINGS_MAX_CONCURRENT_STREAMS are written here and not through the library: the library refuses to send anything
after its own GOAWAY, and answers one stream too many with a connection error where vendors refuse that stream only.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import socket
import ssl
import struct
from collections import deque
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Final, cast

import h2.config
import h2.connection
import h2.events
import h2.exceptions
import h2.settings

from .h2values import REFUSED_STREAM, Abort, Answer, Goaway, H2Limits, Reply, ResetStream, StreamRequest, StreamState

_log = logging.getLogger(__name__)
_MAX_STREAMS: Final = h2.settings.SettingCodes.MAX_CONCURRENT_STREAMS
_FRAME_SETTINGS: Final = 0x4
_FRAME_GOAWAY: Final = 0x7
_ENHANCE_YOUR_CALM: Final = 0xB

Handler = Callable[[StreamRequest, "H2Connection"], Awaitable[Reply]]


class H2Connection(asyncio.Protocol):
    """The server's end of one connection. ``state`` belongs to the handler: what a vendor remembers per connection."""

    def __init__(self, handler: Handler, limits: H2Limits, opened: Callable[[H2Connection], bool], closed: Callable[[H2Connection], None]):
        self._handler, self._limits = handler, limits
        self._opened, self._closed = opened, closed
        self.state: dict[str, Any] = {}
        self.peer_certificate: bytes | None = None  # DER
        self.requests_seen = 0
        self.going_away = False
        self._conn = h2.connection.H2Connection(h2.config.H2Configuration(client_side=False, header_encoding=None))
        self._streams: dict[int, StreamState] = {}
        self._tasks: dict[int, asyncio.Task[None]] = {}
        self._begun: set[int] = set()  # streams whose handler runs
        self._highest_replied = 0
        self._pings = 0
        self._allowed = max(limits.unacknowledged_max_streams, limits.initial_max_streams)
        self._announced: deque[int] = deque()  # one entry per SETTINGS frame that waits for its acknowledgement
        self._timers: list[asyncio.TimerHandle] = []
        self._flush_due = False

    # --- asyncio.Protocol

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        self._loop = asyncio.get_running_loop()
        if not self._opened(self):
            self._transport.abort()
            return
        ssl_object = transport.get_extra_info("ssl_object")
        if isinstance(ssl_object, ssl.SSLObject):
            self.peer_certificate = ssl_object.getpeercert(binary_form=True)
        self._heard_at = self._loop.time()
        self._idle = self._loop.call_later(self._limits.idle_seconds, self._check_idle)
        self._greet()

    def data_received(self, data: bytes) -> None:
        try:
            events = self._conn.receive_data(data)
        except (h2.exceptions.ProtocolError, ValueError) as error:
            _log.info("sandbox: HTTP/2 protocol error: %s", error)
            self._flush()  # the library has put its GOAWAY there
            self._transport.close()
            return
        self._heard_at = self._loop.time()
        for event in events:
            self._on_event(event)
        self._flush()

    def pause_writing(self) -> None:
        """The client does not read its answers: stop reading its requests."""
        self._transport.pause_reading()

    def resume_writing(self) -> None:
        self._transport.resume_reading()

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002  (asyncio's signature)
        for task in self._tasks.values():
            task.cancel()
        for timer in self._timers:
            timer.cancel()
        if hasattr(self, "_idle"):
            self._idle.cancel()
        self._streams.clear()
        self._closed(self)

    # --- what a handler or a test may order

    @property
    def open_streams(self) -> int:
        """Streams that have no complete answer yet."""
        return len(self._streams)

    def set_max_concurrent_streams(self, count: int) -> None:
        """Announce a new limit. More is allowed at once, less only when the client has acknowledged it."""
        self._allowed = max(self._allowed, count)
        self._announced.append(count)
        self._write(_frame(_FRAME_SETTINGS, struct.pack(">HL", _MAX_STREAMS, count)))

    def goaway(self, reason: Mapping[str, Any] | None = None, error_code: int = 0, *, unprocessed: int | None = None) -> None:
        """Tell the client to leave: what has started is finished, ``unprocessed`` and later streams are not processed."""
        if self.going_away:
            return
        self.going_away = True
        last = max((self._highest_replied, *(s for s in self._begun if s != unprocessed)))
        if unprocessed is not None and unprocessed < last:
            self._reset(unprocessed, REFUSED_STREAM)
        debug = json.dumps(reason, separators=(",", ":")).encode() if reason is not None else b""
        self._write(_frame(_FRAME_GOAWAY, struct.pack(">LL", last, error_code) + debug))
        for stream_id in [stream_id for stream_id in self._streams if stream_id > last]:
            self._forget(stream_id)
        self._timers.append(self._loop.call_later(self._limits.goaway_grace_seconds, self._transport.close))
        self._close_when_done()

    def close(self) -> None:
        """Close the connection once what was written is out."""
        self._transport.close()

    def abort(self) -> None:
        """Reset the TCP connection: linger zero makes the kernel send RST instead of FIN."""
        sock = self._transport.get_extra_info("socket")
        if sock is not None:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self._transport.abort()

    def _check_idle(self) -> None:
        """One timer a connection, and not one a read: a cancelled timer stays in the loop until its hour is over."""
        left = self._heard_at + self._limits.idle_seconds - self._loop.time()
        if left <= 0:
            self.goaway()
        else:
            self._idle = self._loop.call_later(left, self._check_idle)

    # --- frames in

    def _greet(self) -> None:
        settings = h2.settings.SettingCodes
        initial = {_MAX_STREAMS: self._limits.initial_max_streams, settings.MAX_HEADER_LIST_SIZE: self._limits.max_header_list_bytes}
        self._conn.local_settings = h2.settings.Settings(client=False, initial_values=initial)
        self._conn.decoder.max_header_list_size = self._limits.max_header_list_bytes
        self._conn.initiate_connection()
        # From here on the library must not count streams itself (see the module's docstring).
        self._conn.local_settings = h2.settings.Settings(client=False)
        self._announced.append(self._limits.initial_max_streams)
        self._flush()

    def _on_event(self, event: h2.events.Event) -> None:
        match event:
            case h2.events.RequestReceived():
                self._on_request(event.stream_id, event.headers)
            case h2.events.DataReceived():
                self._on_data(event)
            case h2.events.StreamEnded():
                self._on_complete(event.stream_id)
            case h2.events.StreamReset():
                self._forget(event.stream_id)
            case h2.events.WindowUpdated() | h2.events.RemoteSettingsChanged():
                self._pump_all()
            case h2.events.SettingsAcknowledged():
                self._on_acknowledged()
            case h2.events.PingReceived():
                self._on_ping()
            case h2.events.ConnectionTerminated():
                self.going_away = True
                self._close_when_done()
            case _:
                pass

    def _on_request(self, stream_id: int, headers: list[tuple[bytes, bytes]]) -> None:
        if self.going_away:
            return  # not processed, as the GOAWAY said
        if len(self._streams) >= self._allowed:
            self._reset(stream_id, REFUSED_STREAM)
            return
        self._pings = 0
        self._streams[stream_id] = StreamState([(name.decode("latin-1"), value.decode("latin-1")) for name, value in headers])

    def _on_data(self, event: h2.events.DataReceived) -> None:
        stream_id = event.stream_id
        self._conn.acknowledge_received_data(event.flow_controlled_length, stream_id)
        stream = self._streams.get(stream_id)
        if stream is not None:
            room = self._limits.max_body_bytes + 1 - len(stream.body)
            stream.body += event.data[:room]

    def _on_complete(self, stream_id: int) -> None:
        stream = self._streams.get(stream_id)
        if stream is None:
            return
        self.requests_seen += 1
        self._tasks[stream_id] = self._loop.create_task(self._answer(stream_id, _request(stream_id, stream)))

    def _on_acknowledged(self) -> None:
        if self._announced:
            self._allowed = max(self._announced)  # the one in force now, or a higher one under way
            self._announced.popleft()

    def _on_ping(self) -> None:
        self._pings += 1
        limit = self._limits.max_pings_between_requests
        if limit is not None and self._pings >= limit:
            self.goaway(error_code=_ENHANCE_YOUR_CALM)

    # --- replies out

    async def _answer(self, stream_id: int, request: StreamRequest) -> None:
        self._begun.add(stream_id)
        try:
            reply = await self._handler(request, self)
        except Exception:
            _log.exception("sandbox: the handler of %s failed", request.path)
            reply = Answer(500)
        finally:
            self._begun.discard(stream_id)
        self._tasks.pop(stream_id, None)
        self._carry_out(stream_id, reply)
        self._flush_soon()

    def _carry_out(self, stream_id: int, reply: Reply) -> None:
        if self._transport.is_closing():
            return
        if not isinstance(reply, Goaway):
            self._highest_replied = max(self._highest_replied, stream_id)
        match reply:
            case Answer():
                self._send(stream_id, reply)
            case ResetStream():
                self._reset(stream_id, reply.error_code)
            case Goaway() if not self.going_away:
                self.goaway(reply.reason, reply.error_code, unprocessed=stream_id)
            case Goaway():
                self._reset(stream_id, REFUSED_STREAM)
            case Abort():
                self.abort()
            case _:
                pass  # a stall: the stream stays open
        self._close_when_done()

    def _send(self, stream_id: int, answer: Answer) -> None:
        stream = self._streams.get(stream_id)
        if stream is None:
            return  # the client has reset it
        headers = [(":status", str(answer.status)), *answer.headers]
        try:
            self._conn.send_headers(stream_id, headers, end_stream=not answer.body)
        except h2.exceptions.ProtocolError:
            self._forget(stream_id)
            return
        if answer.body:
            stream.pending = memoryview(answer.body)
            self._pump(stream_id, stream)
        else:
            self._forget(stream_id)

    def _pump(self, stream_id: int, stream: StreamState) -> None:
        """Send as much of an answer as the client's windows take."""
        conn = self._conn
        try:
            while stream.pending:
                room = min(conn.local_flow_control_window(stream_id), conn.max_outbound_frame_size)
                if room <= 0:
                    return
                chunk, stream.pending = stream.pending[:room], stream.pending[room:]
                conn.send_data(stream_id, chunk.tobytes(), end_stream=not stream.pending)
        except h2.exceptions.ProtocolError:
            pass  # the stream was closed by the other side in the meantime
        self._forget(stream_id)

    def _pump_all(self) -> None:
        for stream_id, stream in list(self._streams.items()):
            if stream.pending:
                self._pump(stream_id, stream)
        self._close_when_done()

    def _reset(self, stream_id: int, error_code: int) -> None:
        self._forget(stream_id)
        with contextlib.suppress(h2.exceptions.ProtocolError):
            self._conn.reset_stream(stream_id, error_code)
        self._flush_soon()

    def _forget(self, stream_id: int) -> None:
        self._streams.pop(stream_id, None)
        task = self._tasks.pop(stream_id, None)
        if task is not None:
            task.cancel()

    def _close_when_done(self) -> None:
        if self.going_away and not self._streams:
            self._flush()
            self._transport.close()

    def _write(self, frame: bytes) -> None:
        self._flush()
        self._transport.write(frame)

    def _flush_soon(self) -> None:
        """One write for all answers of this turn of the loop."""
        if not self._flush_due:
            self._flush_due = True
            self._loop.call_soon(self._flush)

    def _flush(self) -> None:
        self._flush_due = False
        data = self._conn.data_to_send()
        if data and not self._transport.is_closing():
            self._transport.write(data)


def _frame(kind: int, payload: bytes) -> bytes:
    """A frame of stream 0 without flags (RFC 9113, section 4.1)."""
    return len(payload).to_bytes(3, "big") + struct.pack(">BBL", kind, 0, 0) + payload


def _request(stream_id: int, stream: StreamState) -> StreamRequest:
    pseudo = {name: value for name, value in stream.headers if name.startswith(":")}
    plain = tuple((name, value) for name, value in stream.headers if not name.startswith(":"))
    host = next((value for name, value in plain if name == "host"), "")
    return StreamRequest(
        stream_id,
        pseudo.get(":method", ""),
        pseudo.get(":scheme", ""),
        pseudo.get(":authority", host),
        pseudo.get(":path", ""),
        plain,
        bytes(stream.body),
    )
