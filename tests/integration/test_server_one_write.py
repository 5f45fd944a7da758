"""The server's short way of answering keeps to HTTP: kept and closed connections, pipelining, large answers, the usual way beside it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest
import uvicorn

from homing.server.one_write import REPLY, OneWriteProtocol


async def application(scope: Any, receive: Any, send: Any) -> None:
    """Answers with the body it got: the short way, or the usual one for /usual and where the short one is not to be had."""
    body, more = b"", True
    while more:
        message = await receive()
        body, more = body + message.get("body", b""), message.get("more_body", False)
    if scope["path"] == "/raises":
        raise ValueError("on purpose")
    if scope["path"] != "/usual" and scope["extensions"][REPLY](body):
        return
    headers = [(b"content-type", b"application/json"), (b"content-length", b"%d" % len(body))]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": body})


@pytest.fixture
async def port() -> AsyncIterator[int]:
    config = uvicorn.Config(application, http=OneWriteProtocol, lifespan="off", log_config=None, port=0, server_header=False)
    server = uvicorn.Server(config)
    config.load()
    server.lifespan = config.lifespan_class(config)
    await server.startup()
    yield server.servers[0].sockets[0].getsockname()[1]
    await server.shutdown()


async def talk(port: int, request: bytes, answers: int = 1) -> list[tuple[bytes, bytes]]:
    """Send raw bytes; returns head and body of so many answers."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port, limit=1 << 22)
    writer.write(request)
    got = []
    async with asyncio.timeout(10):
        for _ in range(answers):
            head = await reader.readuntil(b"\r\n\r\n")
            length = next((int(line.split(b":")[1]) for line in head.split(b"\r\n") if line.startswith(b"content-length")), 0)
            got.append((head, await reader.readexactly(length)))
        if b"connection: close" in got[-1][0]:
            assert await reader.read() == b""
    writer.close()
    return got


def post(path: str, body: bytes, *headers: str, version: str = "1.1") -> bytes:
    lines = [f"POST {path} HTTP/{version}", "host: x", f"content-length: {len(body)}", *headers, "", ""]
    return "\r\n".join(lines).encode() + body


async def test_an_answer_has_its_length_and_type(port: int) -> None:
    [(head, body)] = await talk(port, post("/", b'{"a":1}'))
    assert head.startswith(b"HTTP/1.1 200 OK\r\n")
    assert b"content-type: application/json; charset=utf-8\r\n" in head
    assert body == b'{"a":1}'


async def test_requests_in_one_segment_are_answered_in_order_on_one_connection(port: int) -> None:
    numbers = [str(n).encode() for n in range(30)]
    got = await talk(port, b"".join(post("/usual" if n % 3 == 0 else "/", body) for n, body in enumerate(numbers)), 30)
    assert [body for _, body in got] == numbers


@pytest.mark.parametrize("path", ["/", "/usual"])
async def test_a_client_that_asks_for_it_gets_its_connection_closed(port: int, path: str) -> None:
    [(head, _)] = await talk(port, post(path, b"{}", "connection: close"))
    assert b"connection: close\r\n" in head


async def test_http_1_0_is_answered_and_closed(port: int) -> None:
    [(head, body)] = await talk(port, post("/", b"{}", version="1.0"))
    assert b"connection: close\r\n" in head
    assert body == b"{}"


async def test_large_bodies_come_back_whole(port: int) -> None:
    large = b"x" * 1_000_000
    [(_, body)] = await talk(port, post("/", large))
    assert body == large


async def test_a_body_that_arrives_in_pieces_is_waited_for(port: int) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    request = post("/", b"0123456789")
    for start in range(0, len(request), 7):
        writer.write(request[start : start + 7])
        await writer.drain()
        await asyncio.sleep(0)
    async with asyncio.timeout(10):
        await reader.readuntil(b"\r\n\r\n")
        assert await reader.readexactly(10) == b"0123456789"
    writer.close()


async def test_expect_100_continue_is_honoured(port: int) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(b"POST / HTTP/1.1\r\nhost: x\r\nexpect: 100-continue\r\ncontent-length: 2\r\n\r\n")
    async with asyncio.timeout(10):
        assert await reader.readuntil(b"\r\n\r\n") == b"HTTP/1.1 100 Continue\r\n\r\n"
        writer.write(b"{}")
        assert (await reader.readuntil(b"\r\n\r\n")).startswith(b"HTTP/1.1 200 OK")
    writer.close()


async def test_a_client_that_hangs_up_breaks_nothing(port: int) -> None:
    for _ in range(20):
        _, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(post("/", b"{}"))
        writer.close()
    assert (await talk(port, post("/", b"ok")))[0][1] == b"ok"
