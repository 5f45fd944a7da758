"""The server's short way keeps to HTTP: kept and closed connections, pipelining, large and slow bodies, the usual way beside it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest
import uvicorn

from homing.server import direct
from homing.server.direct import direct_to

LIMIT = 1_500_000


async def application(scope: Any, receive: Any, send: Any) -> None:
    """The usual way: answers with the body it got."""
    body, more = b"", True
    while more:
        message = await receive()
        body, more = body + message.get("body", b""), message.get("more_body", False)
    headers = [(b"content-type", b"application/json"), (b"content-length", b"%d" % len(body))]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": body})


class Echo:
    """The short way, for all under /v4/: answers with the body it got, where told so after something else was done."""

    prefix = b"/v4/"

    def __init__(self) -> None:
        self.asked: list[tuple[str, bytes, bytes]] = []

    def limit(self, path: bytes) -> int:
        return 10 if path == b"/v4/short" else LIMIT

    async def answer(self, method: str, path: bytes, query: bytes, body: bytes) -> bytes:
        self.asked.append((method, path, query))
        if path == b"/v4/later":
            await asyncio.sleep(0)
        return body

    def too_long(self, limit: int) -> bytes:
        return b"at most %d" % limit

    def too_slow(self) -> bytes:
        return b"too slow"


@pytest.fixture
def echo() -> Echo:
    return Echo()


@pytest.fixture
async def port(echo: Echo) -> AsyncIterator[int]:
    config = uvicorn.Config(application, http=direct_to(echo), lifespan="off", log_config=None, port=0, server_header=False)
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
    [(head, body)] = await talk(port, post("/v4/now", b'{"a":1}'))
    assert head.startswith(b"HTTP/1.1 200 OK\r\n")
    assert b"content-type: application/json; charset=utf-8\r\n" in head
    assert body == b'{"a":1}'


async def test_requests_in_one_segment_are_answered_in_order_on_one_connection(port: int) -> None:
    numbers = [str(n).encode() for n in range(30)]
    got = await talk(port, b"".join(post(("/usual", "/v4/now", "/v4/later")[n % 3], body) for n, body in enumerate(numbers)), 30)
    assert [body for _, body in got] == numbers


@pytest.mark.parametrize("path", ["/v4/now", "/usual"])
async def test_a_client_that_asks_for_it_gets_its_connection_closed(port: int, path: str) -> None:
    [(head, _)] = await talk(port, post(path, b"{}", "connection: close"))
    assert b"connection: close\r\n" in head


async def test_http_1_0_is_answered_and_closed(port: int) -> None:
    [(head, body)] = await talk(port, post("/v4/now", b"{}", version="1.0"))
    assert b"connection: close\r\n" in head
    assert body == b"{}"


async def test_large_bodies_come_back_whole(port: int) -> None:
    large = b"x" * 1_000_000
    [(_, body)] = await talk(port, post("/v4/now", large))
    assert body == large


async def test_a_body_that_arrives_in_pieces_is_waited_for(port: int) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    request = post("/v4/now", b"0123456789")
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
    writer.write(b"POST /v4/now HTTP/1.1\r\nhost: x\r\nexpect: 100-continue\r\ncontent-length: 2\r\n\r\n")
    async with asyncio.timeout(10):
        assert await reader.readuntil(b"\r\n\r\n") == b"HTTP/1.1 100 Continue\r\n\r\n"
        writer.write(b"{}")
        assert (await reader.readuntil(b"\r\n\r\n")).startswith(b"HTTP/1.1 200 OK")
    writer.close()


async def test_a_client_that_hangs_up_breaks_nothing(port: int) -> None:
    for _ in range(20):
        _, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(post("/v4/now", b"{}"))
        writer.close()
    assert (await talk(port, post("/v4/now", b"ok")))[0][1] == b"ok"


async def test_method_path_and_query_are_handed_over(port: int, echo: Echo) -> None:
    await talk(port, post("/v4/a/b?x=1&y=%20", b"{}"))
    assert echo.asked == [("POST", b"/v4/a/b", b"x=1&y=%20")]


async def test_other_methods_take_the_usual_way(port: int, echo: Echo) -> None:
    [(head, _)] = await talk(port, b"GET /v4/now HTTP/1.1\r\nhost: x\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 200 OK")
    assert echo.asked == []


@pytest.mark.parametrize("path", ["/v4/now", "/usual"])
async def test_an_offered_upgrade_is_declined_and_its_body_kept(port: int, path: str) -> None:
    """Java's client offers HTTP/2 with its first request, body included, and expects an HTTP/1.1 answer."""
    offer = ("connection: upgrade, http2-settings", "upgrade: h2c", "http2-settings: AAM")
    got = await talk(port, post(path, b"{}", *offer) + post(path, b"next"), 2)
    assert [body for _, body in got] == [b"{}", b"next"]


async def test_an_offered_upgrade_whose_body_comes_later_is_declined_too(port: int) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    request = post("/v4/now", b"0123456789", "upgrade: h2c", "connection: upgrade")
    for start in range(0, len(request), 5):
        writer.write(request[start : start + 5])
        await writer.drain()
        await asyncio.sleep(0)
    async with asyncio.timeout(10):
        await reader.readuntil(b"\r\n\r\n")
        assert await reader.readexactly(10) == b"0123456789"
    writer.close()


async def test_a_body_over_the_limit_is_refused_and_the_connection_goes_on(port: int, echo: Echo) -> None:
    got = await talk(port, post("/v4/short", b"x" * 300_000) + post("/v4/now", b"next"), 2)
    assert [body for _, body in got] == [b"at most 10", b"next"]
    assert echo.asked == [("POST", b"/v4/now", b"")]


async def test_a_refusal_waits_for_the_answers_before_it(port: int) -> None:
    got = await talk(port, post("/usual", b"1") + post("/v4/later", b"2") + post("/v4/short", b"x" * 11) + post("/v4/now", b"4"), 4)
    assert [body for _, body in got] == [b"1", b"2", b"at most 10", b"4"]


async def test_a_body_that_does_not_come_is_refused_and_the_connection_closed(port: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(direct, "BODY_SECONDS", 0.01)
    [(head, body)] = await talk(port, b"POST /v4/now HTTP/1.1\r\nhost: x\r\ncontent-length: 5\r\n\r\nab")
    assert b"connection: close" in head
    assert body == b"too slow"


async def test_an_idle_connection_is_closed_after_its_time_and_a_used_one_is_not(echo: Echo) -> None:
    config = uvicorn.Config(application, http=direct_to(echo), lifespan="off", log_config=None, port=0, timeout_keep_alive=1)
    server = uvicorn.Server(config)
    config.load()
    server.lifespan = config.lifespan_class(config)
    await server.startup()
    reader, writer = await asyncio.open_connection("127.0.0.1", server.servers[0].sockets[0].getsockname()[1])
    started = asyncio.get_running_loop().time()
    async with asyncio.timeout(10):
        for body in (b"1", b"2"):
            writer.write(post("/v4/now", body))
            await reader.readuntil(b"\r\n\r\n")
            assert await reader.readexactly(1) == body
        assert await reader.read() == b""
    assert asyncio.get_running_loop().time() - started >= 0.9
    writer.close()
    await server.shutdown()


async def test_a_broken_request_is_answered_with_400(port: int) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(b"POST /v4/now HTTP/1.1\r\ncontent-length: many\r\n\r\n")
    async with asyncio.timeout(10):
        assert (await reader.read()).startswith(b"HTTP/1.1 400")
    writer.close()


@pytest.mark.parametrize("piece", [b"x-%d: y\r\n", b"y" * 9 + b"%d"])
async def test_a_head_without_an_end_is_refused(port: int, piece: bytes) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(b"POST /v4/now HTTP/1.1\r\nhost: x\r\n")
    answer = asyncio.ensure_future(reader.readuntil(b"\r\n"))
    async with asyncio.timeout(10):
        while not answer.done():
            writer.write(b"".join(piece % n for n in range(1000)))
            await asyncio.sleep(0)
        assert (await answer).startswith(b"HTTP/1.1 431")
    writer.close()


async def test_a_long_body_before_the_next_head_does_not_count_for_it(port: int) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    second = post("/v4/now", b"2", "x-long: " + "y" * 30_000)
    async with asyncio.timeout(10):
        writer.write(post("/v4/now", b"x" * 1_000_000) + second[:100])
        await reader.readuntil(b"\r\n\r\n")
        await reader.readexactly(1_000_000)
        writer.write(second[100:])
        assert (await reader.readuntil(b"\r\n\r\n")).startswith(b"HTTP/1.1 200")
    writer.close()


@pytest.mark.parametrize("sent", [b"", b"POST /v4/now HTTP/1.1\r\nx-slow: "])
async def test_a_connection_whose_head_does_not_come_is_closed(sent: bytes, echo: Echo) -> None:
    config = uvicorn.Config(application, http=direct_to(echo), lifespan="off", log_config=None, port=0, timeout_keep_alive=1)
    server = uvicorn.Server(config)
    config.load()
    server.lifespan = config.lifespan_class(config)
    await server.startup()
    reader, writer = await asyncio.open_connection("127.0.0.1", server.servers[0].sockets[0].getsockname()[1])
    writer.write(sent)
    async with asyncio.timeout(10):
        assert await reader.read() == b""
    writer.close()
    await server.shutdown()


async def test_many_declined_offers_in_one_segment_are_all_answered(port: int) -> None:
    offer = post("/v4/now", b"1", "connection: upgrade", "upgrade: h2c")
    got = await talk(port, offer * 1500, 1500)
    assert {body for _, body in got} == {b"1"}


async def test_a_post_that_offers_a_web_socket_is_answered_as_a_post(port: int) -> None:
    [(_, body)] = await talk(port, post("/v4/now", b"{}", "connection: upgrade", "upgrade: websocket"))
    assert body == b"{}"


async def test_connect_is_refused_in_words(port: int) -> None:
    [(head, body)] = await talk(port, b"CONNECT x:80 HTTP/1.1\r\nhost: x\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 400")
    assert b"CONNECT" in body
