"""A listener that takes TLS and plain TCP on one port, told apart by the first byte that a client sends."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import ssl
from collections.abc import Callable
from typing import Any, Final

TLS_HANDSHAKE: Final = b"\x16"  # content type of a ClientHello's record (RFC 8446, section 5.1)
FIRST_BYTE_SECONDS = 10.0
MAX_UNDECIDED = 512


class EitherListener:
    """Accepts connections and gives each to a protocol of ``factory``; TLS is added where the client speaks it."""

    def __init__(self, factory: Callable[[], asyncio.Protocol], context: ssl.SSLContext) -> None:
        self._factory, self._context = factory, context
        self._socket: socket.socket | None = None
        self._accepting: asyncio.Task[None] | None = None
        self._undecided: set[asyncio.Task[None]] = set()
        self.port = 0

    async def start(self, host: str, port: int) -> None:
        """Listen. Raises OSError when the address is taken."""
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        self._socket = socket.create_server((host, port), family=family, backlog=256)
        self._socket.setblocking(False)
        self.port = self._socket.getsockname()[1]
        self._accepting = asyncio.create_task(self._accept(self._socket))

    async def aclose(self) -> None:
        """Stop listening; connections that were handed over stay."""
        tasks = [t for t in (self._accepting, *self._undecided) if t is not None]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        if self._socket is not None:
            self._socket.close()
            self._socket = None

    async def _accept(self, listener: socket.socket) -> None:
        loop = asyncio.get_running_loop()
        while True:
            try:
                connection, _ = await loop.sock_accept(listener)
            except OSError:  # out of descriptors, or the client is gone already
                await asyncio.sleep(0.05)
                continue
            if len(self._undecided) >= MAX_UNDECIDED:
                connection.close()
                continue
            connection.setblocking(False)
            task = asyncio.create_task(self._begin(connection))
            self._undecided.add(task)
            task.add_done_callback(self._undecided.discard)

    async def _begin(self, connection: socket.socket) -> None:
        loop = asyncio.get_running_loop()
        try:
            async with asyncio.timeout(FIRST_BYTE_SECONDS):
                await _readable(loop, connection)
            first = connection.recv(1, socket.MSG_PEEK)
            options: dict[str, Any] = {"ssl": self._context, "ssl_shutdown_timeout": 2.0} if first == TLS_HANDSHAKE else {}
            if first:
                await loop.connect_accepted_socket(self._factory, connection, **options)
            else:
                connection.close()
        except (OSError, TimeoutError):  # a failed handshake is an OSError too
            connection.close()
        except asyncio.CancelledError:
            connection.close()
            raise


async def _readable(loop: asyncio.AbstractEventLoop, connection: socket.socket) -> None:
    came = loop.create_future()

    def on_readable() -> None:
        if not came.done():
            came.set_result(None)

    loop.add_reader(connection, on_readable)
    try:
        await came
    finally:
        with contextlib.suppress(ValueError, OSError):
            loop.remove_reader(connection)
