"""A real HTTP/2 server on asyncio: TLS with ALPN ``h2`` (client certificates optional), or prior knowledge over plain TCP."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Mapping
from typing import Any

from .h2connection import H2Connection, Handler
from .h2values import H2Limits

__all__ = ["H2Connection", "H2Limits", "H2Server", "Handler"]


class H2Server:
    """Listens, keeps its connections, and speaks to all of them when a test or an operator wants it to.

    ``handler(request, connection)`` returns a reply of ``h2values``; it is run as a task of its own for every request.
    Bounds are in ``limits``; above ``max_connections`` a new connection is dropped.
    """

    def __init__(self, handler: Handler, *, limits: H2Limits | None = None, ssl_context: ssl.SSLContext | None = None) -> None:
        self._handler = handler
        self._limits = limits or H2Limits()
        self._ssl_context = ssl_context
        self._server: asyncio.Server | None = None
        self._port = 0
        self.connections: set[H2Connection] = set()
        self.connections_seen = 0

    @property
    def port(self) -> int:
        """The port that is listened on, also when 0 was asked for."""
        return self._port

    async def start(self, host: str, port: int) -> None:
        """Listen. Raises OSError when the address is taken."""
        loop = asyncio.get_running_loop()
        # A client that never answers close_notify must not hold up the end.
        shutdown_seconds = 2.0 if self._ssl_context is not None else None
        self._server = await loop.create_server(
            self.connection, host, port, ssl=self._ssl_context, backlog=256, ssl_shutdown_timeout=shutdown_seconds
        )
        self._port = self._server.sockets[0].getsockname()[1]

    def connection(self) -> H2Connection:
        """A protocol for one connection; for listeners that find out themselves that HTTP/2 is spoken."""
        return H2Connection(self._handler, self._limits, self._opened, self.connections.discard)

    def goaway(self, reason: Mapping[str, Any] | None = None) -> None:
        """Send every client away; what has started is finished."""
        for connection in list(self.connections):
            connection.goaway(reason)

    def set_max_concurrent_streams(self, count: int) -> None:
        """Announce a new limit on every open connection."""
        for connection in list(self.connections):
            connection.set_max_concurrent_streams(count)

    async def aclose(self) -> None:
        """Stop listening, say GOAWAY, close. Answers under way are not waited for."""
        if self._server is None:
            return
        self._server.close()
        for connection in list(self.connections):
            connection.goaway()
            connection.close()
        await self._server.wait_closed()
        self._server = None

    def _opened(self, connection: H2Connection) -> bool:
        if len(self.connections) >= self._limits.max_connections:
            return False
        self.connections.add(connection)
        self.connections_seen += 1
        return True
