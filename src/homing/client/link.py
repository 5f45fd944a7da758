"""One WebSocket connection: frames out, replies matched, events handed on."""

from __future__ import annotations

import asyncio
import ssl as ssl_module
from collections.abc import Callable
from typing import Any

import msgspec
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidHandshake, InvalidURI

from .errors import ConnectionLost, HomingError
from .values import Incoming

MAX_FRAME_BYTES = 1024 * 1024
MAX_WAITING = 1000
CONNECT_SECONDS = 10.0
_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(Incoming).decode


def socket_url(base_url: str) -> str:
    """The socket's URL for ``http(s)://host:port[/prefix]``. Raises ``HomingError`` for anything else."""
    scheme, colon, rest = base_url.rstrip("/").partition("://")
    schemes = {"http": "ws", "https": "wss", "ws": "ws", "wss": "wss"}
    if not colon or scheme not in schemes or not rest:
        raise HomingError("connect_failed", f"{base_url!r} is no base URL: write https://host[:port]")
    return f"{schemes[scheme]}://{rest}/v1/device/socket"


class Link:
    """An open connection, read by a task of its own until it ends."""

    def __init__(self, socket: ClientConnection, on_event: Callable[[Incoming], None]) -> None:
        self._socket = socket
        self._on_event = on_event
        self._next_id = 0
        self._over = False
        self._waiting: dict[int, asyncio.Future[msgspec.Raw]] = {}
        self._reader = asyncio.get_running_loop().create_task(self._read())

    @classmethod
    async def open(cls, url: str, ssl: ssl_module.SSLContext | None, on_event: Callable[[Incoming], None]) -> Link:
        """Connect. Raises ``HomingError`` (connect_failed)."""
        try:
            socket = await connect(
                url, ssl=ssl, max_size=MAX_FRAME_BYTES, open_timeout=CONNECT_SECONDS, close_timeout=2, ping_interval=60, proxy=None
            )
        except (OSError, TimeoutError, InvalidHandshake, InvalidURI) as error:
            raise HomingError("connect_failed", str(error) or type(error).__name__) from None
        return cls(socket, on_event)

    @property
    def closed_by(self) -> tuple[int, str]:
        """Close code and reason, once it is closed; 1006 when the connection just broke."""
        return self._socket.close_code or 1006, self._socket.close_reason or ""

    async def request(self, op: str, body: Any) -> msgspec.Raw:
        """Send a frame and wait for its reply. Raises ``HomingError`` (the server's no) or ``ConnectionLost``."""
        if self._over:
            raise ConnectionLost
        if len(self._waiting) >= MAX_WAITING:
            raise HomingError("flood", "too many calls are waiting for their answers")
        self._next_id += 1
        number = self._next_id
        future: asyncio.Future[msgspec.Raw] = asyncio.get_running_loop().create_future()
        self._waiting[number] = future
        try:
            await self.send({"op": op, "id": number, "body": body})
            return await future
        finally:
            self._waiting.pop(number, None)

    async def send(self, frame: dict[str, Any]) -> None:
        """Send a frame whose reply nobody waits for. Raises ``ConnectionLost``."""
        try:
            await self._socket.send(_encode(frame).decode())
        except ConnectionClosed:
            raise ConnectionLost from None

    async def closed(self) -> None:
        """Wait until the connection has ended."""
        await asyncio.wait([self._reader])

    async def _read(self) -> None:
        try:
            async for data in self._socket:
                self._received(data)
        except ConnectionClosed:
            pass
        finally:
            self._over = True
            for future in self._waiting.values():
                if not future.done():
                    future.set_exception(ConnectionLost())

    def _received(self, data: str | bytes) -> None:
        try:
            frame = _decode(data)
            if frame.op != "reply":
                self._on_event(frame)
                return
        except (msgspec.MsgspecError, ValueError):
            return  # of a newer server
        future = self._waiting.get(frame.id) if isinstance(frame.id, int) else None
        if future is None or future.done():
            return
        if frame.ok:
            future.set_result(frame.body)
        else:
            error = frame.error
            future.set_exception(HomingError(error.code if error else "internal", error.message if error else ""))

    async def close(self) -> None:
        """Hang up."""
        await self._socket.close()
        await self.closed()

    def abort(self) -> None:
        """Hang up without a word, as a phone that loses its network does."""
        self._socket.transport.abort()
