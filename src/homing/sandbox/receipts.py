"""Receipts from the vendors to the receiver's server: queued, posted in the background, tried again a few times."""

from __future__ import annotations

import asyncio
import contextlib
import ipaddress
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, Generic, TypeVar
from urllib.parse import urlsplit

MAX_QUEUED = 50_000
MAX_ANSWER_BYTES = 65_536
TRIES: Final = (0.0, 0.2, 1.0, 3.0)
POST_SECONDS = 10.0


@dataclass(slots=True)
class ReceiptPost:
    """One call on the receiver. ``make_headers`` is asked for each try, so that a signature is fresh."""

    vendor: str
    url: str
    body: bytes
    content_type: str
    make_headers: Callable[[], dict[str, str]] | None = None


class ReceiptPoster:
    """Posts receipts over plain HTTP to loopback addresses; nothing else is called from a sandbox."""

    def __init__(self, workers: int = 4, tries: tuple[float, ...] = TRIES) -> None:
        self._queue: asyncio.Queue[ReceiptPost] = asyncio.Queue(MAX_QUEUED)
        self._workers, self._tries = workers, tries
        self._tasks: list[asyncio.Task[None]] = []
        self.posted = 0
        self.failed = 0

    def start(self) -> None:
        """Begin to post; needs a running loop."""
        self._tasks = [asyncio.create_task(self._run()) for _ in range(self._workers)]

    def add(self, post: ReceiptPost) -> bool:
        """Queue a receipt; False when it is dropped because the receiver is not on this machine or too many wait."""
        if not is_loopback_url(post.url):
            self.failed += 1
            return False
        try:
            self._queue.put_nowait(post)
        except asyncio.QueueFull:
            self.failed += 1
            return False
        return True

    async def drain(self) -> None:
        """Wait until everything queued was posted or given up."""
        await self._queue.join()

    async def aclose(self) -> None:
        """Stop; what still waits is dropped."""
        for task in self._tasks:
            task.cancel()
        for task in self._tasks:
            with contextlib.suppress(asyncio.CancelledError):
                await task
        self._tasks = []

    async def _run(self) -> None:
        while True:
            post = await self._queue.get()
            try:
                await self._deliver(post)
            finally:
                self._queue.task_done()

    async def _deliver(self, post: ReceiptPost) -> None:
        for wait_seconds in self._tries:
            await asyncio.sleep(wait_seconds)
            try:
                async with asyncio.timeout(POST_SECONDS):  # wait_for may swallow the cancellation of aclose
                    status = await _post(post)
            except (OSError, TimeoutError, ValueError, asyncio.IncompleteReadError):
                continue
            if 200 <= status < 300:
                self.posted += 1
                return
            if 400 <= status < 500 and status not in (408, 429):
                break
        self.failed += 1


Key = TypeVar("Key")
Entry = TypeVar("Entry")


class Batch(Generic[Key, Entry]):
    """Collects entries for a moment, then hands each key's over in one call, as vendors batch their receipts."""

    def __init__(self, seconds: float, flush: Callable[[Key, list[Entry]], None]) -> None:
        self._seconds, self._flush = seconds, flush
        self._entries: dict[Key, list[Entry]] = {}
        self._timer: asyncio.TimerHandle | None = None
        self._count = 0

    def add(self, key: Key, entry: Entry) -> None:
        """Keep an entry; dropped when as many wait as the poster would take."""
        if self._count >= MAX_QUEUED:
            return
        self._count += 1
        self._entries.setdefault(key, []).append(entry)
        if self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(self._seconds, self.flush)

    def flush(self) -> None:
        """Hand over what was collected, now."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        entries, self._entries, self._count = self._entries, {}, 0
        for key, found in entries.items():
            self._flush(key, found)


def is_loopback_url(url: str) -> bool:
    """Whether a URL is plain HTTP on this machine."""
    try:
        parts = urlsplit(url)
        host, _ = parts.hostname, parts.port
        return parts.scheme == "http" and host is not None and (host == "localhost" or ipaddress.ip_address(host).is_loopback)
    except ValueError:
        return False


async def _post(post: ReceiptPost) -> int:
    """One POST on a connection of its own; the answer's status."""
    parts = urlsplit(post.url)
    target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    headers = {"host": parts.netloc, "content-type": post.content_type, "content-length": str(len(post.body)), "connection": "close"}
    headers.update(post.make_headers() if post.make_headers is not None else {})
    head = f"POST {target} HTTP/1.1\r\n" + "".join(f"{name}: {value}\r\n" for name, value in headers.items()) + "\r\n"
    reader, writer = await asyncio.open_connection(parts.hostname, parts.port or 80)
    try:
        writer.write(head.encode("latin-1", "replace") + post.body)
        await writer.drain()
        line = await reader.readline()
        await reader.read(MAX_ANSWER_BYTES)
        return int(line.split(b" ")[1])
    except IndexError:
        raise ValueError("no HTTP answer") from None
    finally:
        writer.close()
        with contextlib.suppress(OSError):
            await writer.wait_closed()
