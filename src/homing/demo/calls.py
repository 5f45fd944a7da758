"""What the demo asks of the sandbox, over real HTTP on this machine."""

from __future__ import annotations

import asyncio
import contextlib
import json
from typing import Any
from urllib.parse import urlsplit

CALL_SECONDS = 20.0
MAX_ANSWER_BYTES = 8 * 1024 * 1024


class CallFailed(Exception):
    """A call was refused or not answered. ``str()`` is one sentence."""


async def call_json(method: str, url: str, body: Any = None) -> Any:
    """One HTTP call with a JSON body and a JSON answer. Raises ``CallFailed``."""
    try:
        async with asyncio.timeout(CALL_SECONDS):
            status, answer = await _exchange(method, url, body)
        value = json.loads(answer or b"null")
    except (OSError, TimeoutError, ValueError, asyncio.IncompleteReadError) as error:
        raise CallFailed(f"{method} {urlsplit(url).path} was not answered ({type(error).__name__})") from None
    if status >= 400:
        sentence = value.get("message") if isinstance(value, dict) else None
        raise CallFailed(sentence or f"{method} {urlsplit(url).path} was answered with {status}")
    return value


async def _exchange(method: str, url: str, body: Any) -> tuple[int, bytes]:
    parts = urlsplit(url)
    content = b"" if body is None else json.dumps(body, ensure_ascii=False).encode()
    target = parts.path + (f"?{parts.query}" if parts.query else "")
    head = (
        f"{method} {target} HTTP/1.1\r\nhost: {parts.netloc}\r\ncontent-type: application/json\r\n"
        f"content-length: {len(content)}\r\nconnection: close\r\n\r\n"
    )
    reader, writer = await asyncio.open_connection(parts.hostname, parts.port, limit=MAX_ANSWER_BYTES)
    try:
        writer.write(head.encode() + content)
        await writer.drain()
        top = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
        headers = {name.strip().lower(): value.strip() for name, _, value in (line.partition(":") for line in top[1:])}
        length = headers.get("content-length")
        answer = await reader.readexactly(int(length)) if length is not None else await reader.read(MAX_ANSWER_BYTES)
        return int(top[0].split(" ")[1]), answer
    finally:
        writer.close()
        with contextlib.suppress(OSError):
            await writer.wait_closed()


class SandboxApi:
    """The sandbox's control API: phones, trays, taps, faults."""

    def __init__(self, base_url: str) -> None:
        self.base_url = base_url

    async def create_phone(self, brand: str, **settings: Any) -> dict[str, Any]:
        """A new phone: ``phone_id``, ``token``, ``business_hint``."""
        return dict(await call_json("POST", f"{self.base_url}/phones", {"brand": brand, **settings}))

    async def phone(self, phone_id: str) -> dict[str, Any]:
        """State, settings and tray."""
        return dict(await call_json("GET", f"{self.base_url}/phones/{phone_id}"))

    async def change(self, phone_id: str, **settings: Any) -> dict[str, Any]:
        """Change what a user can change; the phone afterwards."""
        return dict(await call_json("PATCH", f"{self.base_url}/phones/{phone_id}", settings))

    async def clear_tray(self, phone_id: str) -> None:
        """Swipe everything away."""
        await call_json("DELETE", f"{self.base_url}/phones/{phone_id}/tray")

    async def tap(self, phone_id: str, place: int) -> dict[str, Any]:
        """Tap a notification: ``activity``, ``data``, ``extras``, perhaps ``error``."""
        return dict(await call_json("POST", f"{self.base_url}/phones/{phone_id}/tray/{place}/tap"))

    async def order_fault(self, vendor: str, kind: str, **more: Any) -> None:
        """Let a vendor fail."""
        await call_json("POST", f"{self.base_url}/faults", {"vendor": vendor, "kind": kind, **more})

    async def clear_faults(self) -> None:
        """Let every vendor work again."""
        await call_json("DELETE", f"{self.base_url}/faults")

    async def count_requests(self) -> int:
        """How many requests the vendors received so far."""
        counts = (await call_json("GET", f"{self.base_url}/"))["requests"]
        return sum(vendor["requests"] for vendor in counts.values())

    async def send_receipts(self, vendor: str, **settings: str) -> None:
        """What the receipt page of the vendor's console holds."""
        await call_json("PUT", f"{self.base_url}/vendors/{vendor}/receipts", settings)

    async def events(self, after: int, wait_seconds: int) -> list[dict[str, Any]]:
        """What happened on the phones after event number ``after``; waits for news at most this long."""
        return list(await call_json("GET", f"{self.base_url}/events?after={after}&wait={wait_seconds}"))
