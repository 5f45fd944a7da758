"""A vendor in a process of its own that answers well, or as badly as ordered, and writes down what it received.

``python -m homing.bench.mock_vendor FOLDER`` makes a throw-away authority in FOLDER, listens on free ports of the
loopback (one with TLS and HTTP/2 for each channel, one plain one for HTTP/1.1, log-ins and control) and prints them as one
line of JSON. It ends with its standard input.

Control, on the plain port: ``GET /__ctl/totals``, ``GET /__ctl/dump``, ``POST /__ctl/reset``, ``POST /__ctl/config`` with
``{"latency_ms": 50, "faults": [{"kind": "status", "status": 503, "retry_after": "1"}], "share": 0.05, "times": 1, "channel": ""}``.
Kinds: ``status``, ``html`` (a 200 that is no answer), ``cut`` (half an answer), ``reset``, ``silence``.
"""

from __future__ import annotations

import asyncio
import json
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, cast

import httptools

from .ledger import Fault, Ledger, Seen
from .wire import Http2, header_block

CHANNELS = ("fcm", "apns", "huawei", "xiaomi")
_ANSWERS = {
    "fcm": b'{"name":"projects/bench/messages/0:1700000000%25a"}',
    "apns": b"",
    "huawei": b'{"code":"80000000","msg":"Success","requestId":"1"}',
    "xiaomi": b'{"result":"ok","code":0,"description":"ok","data":{"id":"x1"},"info":"ok"}',
}
_BAD_BODIES = {"apns": b'{"reason":"ServiceUnavailable"}'}
_GRANT = b'{"access_token":"bench-grant","expires_in":3599,"token_type":"Bearer"}'
_JSON = (("content-type", "application/json"),)
_OK = header_block(200, _JSON)
_HTML = header_block(200, (("content-type", "text/html"),))
_PAGE = b"<html><body>please log in to the wireless network</body></html>"


def channel_of(path: str) -> str:
    """Whose request this is, by its path."""
    if path.startswith("/v1/projects/"):
        return "fcm"
    if path.startswith("/3/device/"):
        return "apns"
    return "huawei" if path.endswith("messages:send") else "xiaomi"


class Vendor:
    """Answers requests of any channel."""

    def __init__(self) -> None:
        self.ledger = Ledger()
        self.latency_seconds = 0.0

    def receive(self, channel: str, body: bytes, answer: Callable[[Fault | None], None]) -> None:
        """Take a request; ``answer`` is called with the fault it meets, at once or after the latency."""
        arrived_ns = time.monotonic_ns()
        ledger = self.ledger
        seen, fault = ledger.look(channel, body)
        if fault is not None and fault.kind == "silence":
            return
        if self.latency_seconds:
            ledger.in_flight += 1
            asyncio.get_running_loop().call_later(self.latency_seconds, self._later, seen, fault, body, arrived_ns, answer)
            return
        if fault is None:
            ledger.accept(seen, body, arrived_ns)
        answer(fault)

    def _later(self, seen: Seen, fault: Fault | None, body: bytes, arrived_ns: int, answer: Callable[[Fault | None], None]) -> None:
        self.ledger.in_flight -= 1
        if fault is None:
            self.ledger.accept(seen, body, arrived_ns)
        answer(fault)

    def control(self, what: str, body: bytes) -> Any:
        """One order from the plain port."""
        if what == "config":
            return self._configure(json.loads(body or b"{}"))
        if what == "reset":
            self.ledger = Ledger()
        if what == "dump":
            return self.ledger.dump()
        return self.ledger.totals()

    def _configure(self, order: dict[str, Any]) -> dict[str, Any]:
        if "latency_ms" in order:
            self.latency_seconds = order["latency_ms"] / 1000
        if "faults" in order:
            faults = [Fault(**fault) for fault in order["faults"]]
            self.ledger.order(faults, order.get("share", 1.0), order.get("times", 1), order.get("channel", ""))
        return order

    def over_http2(self, channel: str) -> Callable[[], Http2]:
        """Connections of a channel."""
        body, bad_body = _ANSWERS[channel], _BAD_BODIES.get(channel, b'{"error":{"code":503,"status":"UNAVAILABLE"}}')

        def on_request(connection: Http2, stream: int, request: bytes) -> None:
            def answer(fault: Fault | None) -> None:
                if fault is None:
                    connection.respond(stream, _OK, body)
                elif fault.kind == "status":
                    headers = (*_JSON, ("retry-after", fault.retry_after)) if fault.retry_after else _JSON
                    connection.respond(stream, header_block(fault.status, headers), bad_body)
                elif fault.kind == "html":
                    connection.respond(stream, _HTML, _PAGE)
                elif fault.kind == "cut":
                    connection.respond(stream, _OK, body or _PAGE, cut=True)
                else:
                    connection.reset(stream)

            self.receive(channel, request, answer)

        return lambda: Http2(on_request)


class Http1(asyncio.Protocol):
    """A plain connection: the vendors' paths, their log-ins, and control."""

    def __init__(self, vendor: Vendor) -> None:
        self._vendor = vendor
        self._parser = httptools.HttpRequestParser(self)
        self._path = ""
        self._body: list[bytes] = []

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)

    def data_received(self, data: bytes) -> None:
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserError:
            self._transport.close()

    def on_url(self, url: bytes) -> None:
        self._path = url.decode("latin-1").partition("?")[0]
        self._body = []

    def on_body(self, body: bytes) -> None:
        self._body.append(body)

    def on_message_complete(self) -> None:
        body, path = b"".join(self._body), self._path
        if path.startswith("/__ctl/"):
            self._write(200, json.dumps(self._vendor.control(path[7:], body)).encode())
        elif "token" in path:
            self._vendor.ledger.logins += 1
            self._write(200, _GRANT)
        else:
            channel = channel_of(path)
            self._vendor.receive(channel, body, lambda fault: self._answer(channel, fault))

    def _answer(self, channel: str, fault: Fault | None) -> None:
        if fault is None:
            self._write(200, _ANSWERS[channel])
        elif fault.kind == "status":
            retry_after = f"retry-after: {fault.retry_after}\r\n" if fault.retry_after else ""
            self._write(fault.status, b'{"error":{"code":503,"status":"UNAVAILABLE"}}', retry_after)
        elif fault.kind == "html":
            self._write(200, _PAGE, kind="text/html")
        elif fault.kind == "cut":
            self._transport.write(b"HTTP/1.1 200 OK\r\ncontent-length: 400\r\n\r\n" + _ANSWERS[channel][:9])
            self._transport.close()
        else:
            self._transport.abort()

    def _write(self, status: int, body: bytes, extra: str = "", kind: str = "application/json") -> None:
        if not self._transport.is_closing():
            head = f"HTTP/1.1 {status} X\r\ncontent-type: {kind}\r\n{extra}content-length: {len(body)}\r\n\r\n"
            self._transport.write(head.encode() + body)


async def serve(folder: Path) -> None:
    """Listen, say where, and answer until standard input ends."""
    from homing.sandbox.tls import CertificateAuthority, server_context, write_files

    write_files(CertificateAuthority("Homing benchmark CA"), folder)
    loop, vendor = asyncio.get_running_loop(), Vendor()
    context = server_context(folder)
    servers = [await loop.create_server(vendor.over_http2(name), "127.0.0.1", 0, ssl=context, backlog=1024) for name in CHANNELS]
    plain = await loop.create_server(lambda: Http1(vendor), "127.0.0.1", 0, backlog=1024)
    ports = {name: server.sockets[0].getsockname()[1] for name, server in zip(CHANNELS, servers, strict=True)}
    sys.stdout.write(json.dumps({"plain": plain.sockets[0].getsockname()[1], "tls": ports}) + "\n")
    sys.stdout.flush()
    over = asyncio.Event()
    loop.add_reader(sys.stdin.fileno(), over.set)
    await over.wait()


if __name__ == "__main__":
    import uvloop

    uvloop.run(serve(Path(sys.argv[1])))
