"""A backend that takes callbacks over real HTTP, and misbehaves when it is told to."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from typing import Any
from urllib.parse import parse_qs, urlsplit

OK = b'{"ActionStatus":"OK","ErrorInfo":"","ErrorCode":0}'


class Received:
    """One request."""

    def __init__(self, target: str, headers: dict[str, str], body: bytes) -> None:
        self.query = {key: values[0] for key, values in parse_qs(urlsplit(target).query, keep_blank_values=True).items()}
        self.headers = headers
        self.body: Any = json.loads(body)


class Backend:
    """``answer`` gives status and body; "close" closes without one, "silent" never answers."""

    def __init__(self) -> None:
        self.requests: list[Received] = []
        self.answer: Callable[[Received], Any] = lambda _: (200, OK)
        self._arrived = asyncio.Condition()
        self._server: asyncio.Server | None = None
        self._writers: set[asyncio.StreamWriter] = set()

    async def start(self) -> str:
        """Listen; returns the URL."""
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        return f"http://127.0.0.1:{self._server.sockets[0].getsockname()[1]}/im"

    async def stop(self) -> None:
        """Go away."""
        if self._server is not None:
            self._server.close()
        for writer in self._writers:
            writer.transport.abort()

    def of(self, command: str) -> list[Received]:
        """The requests of one callback."""
        return [request for request in self.requests if request.query["CallbackCommand"] == command]

    async def received(self, command: str, n: int = 1) -> list[Received]:
        """Wait for so many requests of one callback."""
        async with asyncio.timeout(20), self._arrived:
            await self._arrived.wait_for(lambda: len(self.of(command)) >= n)
        return self.of(command)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._writers.add(writer)
        try:
            while await self._one(reader, writer):
                pass
        except (ConnectionError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.close()

    async def _one(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        head = (await reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
        headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in head[1:] if line)}
        request = Received(head[0].split()[1], headers, await reader.readexactly(int(headers["content-length"])))
        self.requests.append(request)
        async with self._arrived:
            self._arrived.notify_all()
        answer = self.answer(request)
        if answer == "silent":
            await reader.read()
            return False
        if answer == "close":
            return False
        status, body = answer
        writer.write(b"HTTP/1.1 %d x\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n%s" % (status, len(body), body))
        await writer.drain()
        return True
