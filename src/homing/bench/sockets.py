"""``homing bench sockets``: what an idle device on a WebSocket costs the server."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import os
import re
import resource
import time
from pathlib import Path
from typing import cast

from .figures import Figures
from .http import call, call_json
from .processes import LOAD_CORE, MockVendor, Server, pin
from .seed import APP, Binding, seed, user_of, user_sig

_BATCH = 50
_SETTLE_SECONDS = 2.0  # what came with the opening: presence is written in batches
_OTHER_FILES = 256
_PER_ADDRESS = 20_000  # clients from one loopback address: ports are finite
_PING, _CLOSE = 0x9, 0x8


async def bench_sockets(folder: Path, *, database: str = "", count: int = 10_000, hold_seconds: int = 10) -> Figures:
    """Log in ``count`` devices, open their sockets, keep them idle, and look at the server's memory and CPU time."""
    allow_files(count)
    vendor = MockVendor(folder)
    server = Server(database or f"sqlite:///{folder}/homing.db", folder)
    await vendor.start()
    try:
        pin(LOAD_CORE)
        await seed(server.database, server.key_file, vendor, [Binding(users=count)])
        await server.start()
        tokens = [token for start in range(0, count, _BATCH) for token in await _log_in(server.port, start, min(count, start + _BATCH))]
        before, began = server.usage(), time.monotonic()
        sockets = [one for start in range(0, count, _BATCH) for one in await _open(server.port, tokens[start : start + _BATCH], start)]
        seconds = time.monotonic() - began
        await asyncio.sleep(_SETTLE_SECONDS)
        opened, idle = server.usage(), time.monotonic()
        await asyncio.sleep(hold_seconds)
        held, idle = server.usage(), time.monotonic() - idle
        shown, alive = await _open_sockets(server.port), sum(socket.alive for socket in sockets)
        for socket in sockets:
            socket.transport.close()
    finally:
        await server.stop()
        await vendor.stop()
    return {
        "bench": "sockets",
        "per_s": round(count / seconds, 1),
        "cpu_s_per_1000": round((opened.cpu_seconds - before.cpu_seconds) / count * 1000, 4),
        "sockets": count,
        "alive": alive,
        "counted_by_server": shown,
        "kib_per_socket": round((held.rss_mib - before.rss_mib) * 1024 / count, 2),
        "idle_cpu_percent": round((held.cpu_seconds - opened.cpu_seconds) / idle * 100, 2),
        "rss_mib_before": round(before.rss_mib, 1),
        "rss_mib": round(held.rss_mib, 1),
    }


def allow_files(sockets: int) -> None:
    """Raise the limit of open files of this process and of those that it starts. Raises ``RuntimeError`` where it is too low."""
    wanted = sockets + _OTHER_FILES
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft >= wanted or soft == resource.RLIM_INFINITY:
        return
    if hard != resource.RLIM_INFINITY and hard < wanted:
        with contextlib.suppress(ValueError, OSError):  # root may
            resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, wanted))
            return
        raise RuntimeError(f"{sockets} sockets need {wanted} open files, and this machine allows {hard}: raise `ulimit -Hn`")
    resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


async def _open_sockets(port: int) -> int:
    """What the server's own gauge says."""
    _, body = await call(port, "GET", "/metrics")
    found = re.search(rb"^homing_open_sockets ([0-9.e+]+)", body, re.MULTILINE)
    return int(float(found[1])) if found else 0


async def _log_in(port: int, first: int, end: int) -> list[str]:
    async def one(number: int) -> str:
        user_id = user_of(number)
        body = {"sdkappid": APP, "user_id": user_id, "user_sig": user_sig(user_id), "platform": "android", "instance_id": f"bench-{number}"}
        answer = await call_json(port, "POST", "/v1/device/login", body)
        if "session_token" not in answer:
            raise RuntimeError(f"a device was not let in: {answer}")
        return str(answer["session_token"])

    return list(await asyncio.gather(*(one(number) for number in range(first, end))))


async def _open(port: int, tokens: list[str], first: int) -> list[IdleSocket]:
    loop = asyncio.get_running_loop()
    address = (f"127.0.{1 + first // _PER_ADDRESS}.1", 0)
    made = [loop.create_connection(lambda token=token: IdleSocket(token), "127.0.0.1", port, local_addr=address) for token in tokens]  # type: ignore[misc]
    sockets = [protocol for _, protocol in await asyncio.gather(*made)]
    await asyncio.gather(*(socket.upgraded for socket in sockets))
    return sockets


class IdleSocket(asyncio.Protocol):
    """A WebSocket client (RFC 6455) that answers pings and reads nothing else."""

    def __init__(self, session_token: str) -> None:
        self._token = session_token
        self._buffer = bytearray()
        self.upgraded: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.alive = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)
        key = base64.b64encode(os.urandom(16)).decode()
        lines = [
            "GET /v1/device/socket HTTP/1.1",
            "host: bench",
            "upgrade: websocket",
            "connection: Upgrade",
            f"sec-websocket-key: {key}",
            "sec-websocket-version: 13",
            f"authorization: Bearer {self._token}",
        ]
        self.transport.write(("\r\n".join(lines) + "\r\n\r\n").encode())

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        if not self.alive and not self._upgrade():
            return
        while (size := _frame_size(self._buffer)) is not None and len(self._buffer) >= size[0] + size[1]:
            head, length = size
            opcode, payload = self._buffer[0] & 0x0F, bytes(self._buffer[head : head + length])
            del self._buffer[: head + length]
            if opcode == _PING:
                self.transport.write(bytes([0x8A, 0x80 | length]) + b"\0\0\0\0" + payload)
            elif opcode == _CLOSE:
                self.alive = False
                self.transport.close()

    def _upgrade(self) -> bool:
        end = self._buffer.find(b"\r\n\r\n")
        if end < 0:
            return False
        head = bytes(self._buffer[: end + 4])
        del self._buffer[: end + 4]
        if b" 101 " not in head[:20]:
            self.upgraded.set_exception(RuntimeError(f"no WebSocket: {head[:60].decode('latin-1')}"))
            return False
        self.alive = True
        self.upgraded.set_result(None)
        return True

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002  (asyncio's signature)
        self.alive = False
        if not self.upgraded.done():
            self.upgraded.set_exception(RuntimeError("the server closed the connection instead of upgrading it"))


def _frame_size(buffer: bytearray) -> tuple[int, int] | None:
    """Length of a server frame's head and payload; None when more must come."""
    if len(buffer) < 2:
        return None
    length = buffer[1] & 0x7F
    extra = {126: 2, 127: 8}.get(length, 0)
    if len(buffer) < 2 + extra:
        return None
    return (2 + extra, int.from_bytes(buffer[2 : 2 + extra], "big") if extra else length)
