"""The server's WebSocket protocol with what the application interface lacks.

The gateway must see WebSocket pings and pongs (a phone's library sends nothing else when it is idle), and must be able to close
a connection whose peer has stopped reading.
"""

from __future__ import annotations

from typing import Any, cast

from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol
from websockets.exceptions import InvalidState
from websockets.frames import Frame
from websockets.http11 import Request

from .socket import WIRE

ABORT_SECONDS = 5.0


class DeviceWebSocket(WebSocketsSansIOProtocol):
    """Pass as ``ws=`` to uvicorn."""

    heard = False

    def handle_connect(self, event: Request) -> None:
        """Offer this protocol to the application."""
        super().handle_connect(event)
        if self.handshake_complete:
            return  # refused
        extensions: dict[str, Any] = cast(dict[str, Any], self.scope["extensions"])
        extensions[WIRE] = self
        # The upgrade's headers are in the scope; kept twice they would be half of an idle connection's memory.
        del self.request

    def handle_ping(self) -> None:
        """A sign of life."""
        self.heard = True
        super().handle_ping()

    def handle_pong(self, event: Frame) -> None:
        """A sign of life."""
        self.heard = True
        super().handle_pong(event)

    def refused(self) -> None:
        """The upgrade was answered with an HTTP error; the web server would log an error for want of a handshake."""
        self.handshake_complete = True

    def ping(self) -> None:
        """Ask for a sign of life."""
        if not self.disconnected and not self.close_sent and not self.transport.is_closing():
            self.conn.send_ping(b"")
            self.transport.write(b"".join(self.conn.data_to_send()))

    def close_now(self, code: int, reason: str) -> None:
        """Write the close frame behind what the kernel already has, and hang up when the peer does not take it."""
        if self.disconnected:
            return
        if not self.close_sent and not self.transport.is_closing():
            try:
                self.conn.send_close(code, reason)
            except InvalidState:
                self.transport.abort()
                return
            self.close_sent = True
            self.transport.write(b"".join(self.conn.data_to_send()))
        self.queue.put_nowait({"type": "websocket.disconnect", "code": code, "reason": reason})
        self.close_timer = self.loop.call_later(ABORT_SECONDS, self.transport.abort)
