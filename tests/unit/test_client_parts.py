"""The client SDK's parts that need no server."""

from __future__ import annotations

import asyncio
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from homing import client as sdk
from homing.client.events import Events
from homing.client.http import HttpClient, HttpError
from homing.client.link import socket_url
from homing.client.values import ReceivedMessage
from homing.model.push_info import NO_WISHES
from homing.rules.content import describable
from homing.server.rest_v4.elements import check_elements


@pytest.mark.parametrize(
    "element",
    [
        sdk.text_message("hi"),
        sdk.custom_message("{}", "a gift", "ext", "ring.caf"),
        sdk.face_message(1, "smile"),
        sdk.location_message(31.2, 121.5, "here"),
        sdk.image_message("https://example.com/1.jpg", width=10, height=10),
        sdk.sound_message("https://example.com/1.amr", 3),
        sdk.file_message("https://example.com/1.pdf", "1.pdf", size=9),
        sdk.video_message("https://example.com/1.mp4", 3, "https://example.com/1.jpg"),
    ],
    ids=lambda element: element.msg_type,
)
def test_the_server_takes_every_element_that_the_client_makes(element: sdk.Element) -> None:
    check_elements((element,))
    assert describable((element,), NO_WISHES)


def test_a_custom_message_without_a_description_has_nothing_to_show() -> None:
    assert not describable((sdk.custom_message("{}"),), NO_WISHES)


@given(st.integers(0, 10_000), st.floats(0, 1, exclude_max=True))
def test_the_pause_before_an_attempt_is_bounded(attempt: int, chance: float) -> None:
    pause = sdk.Backoff(first=0.5, most=30).seconds(attempt, lambda: chance)
    assert 0 <= pause <= 30
    assert attempt or pause == 0


def test_base_urls_lead_to_the_socket() -> None:
    assert socket_url("https://im.example.com/") == "wss://im.example.com/v1/device/socket"
    assert socket_url("http://127.0.0.1:8080/x") == "ws://127.0.0.1:8080/x/v1/device/socket"
    for wrong in ("", "im.example.com", "ftp://x", "http://"):
        with pytest.raises(sdk.HomingError):
            socket_url(wrong)


def test_tokens_do_not_show() -> None:
    assert "SECRET" not in repr(sdk.OfflinePushConfig(1, "SECRET"))


def message(n: int) -> ReceivedMessage:
    return ReceivedMessage(f"{n}-1-1", "1_1_1", "alice", "bob", (sdk.text_message(str(n)),), 1, 1, 1, cursor=f"i{n}")


async def test_a_message_is_told_once_and_acknowledged_behind_the_listener() -> None:
    order: list[str] = []

    class Ear(sdk.Listener):
        async def on_recv_new_message(self, message: ReceivedMessage) -> None:
            await asyncio.sleep(0)
            order.append(message.text)

    async def acknowledge(msg_ids: list[str], cursor: str) -> None:
        order.append(f"ack {','.join(msg_ids)} {cursor}")

    events = Events(acknowledge)
    events.listeners.append(Ear())
    for n in (1, 2, 2, 1):
        events.message(message(n))
    await events.settled()
    assert order == ["1", "2", "ack 1-1-1,2-1-1,2-1-1,1-1-1 i1"]
    events.restart("")
    events.message(message(2))
    await events.settled()
    assert (order[-2:], events.cursor) == (["2", "ack 2-1-1 i2"], "i2")
    await events.close()


async def test_what_is_remembered_is_bounded() -> None:
    async def acknowledge(_: list[str], __: str) -> None:
        return None

    events = Events(acknowledge)
    for n in range(5000):
        events.remember(str(n))
    assert len(events._remembered) == 2000


async def serve(answers: list[bytes]) -> tuple[asyncio.Server, str]:
    """A server that gives these answers, one a connection, then hangs up."""

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        assert head.startswith(b"POST /prefix/x?y HTTP/1.1\r\n")
        await reader.readexactly(2)
        writer.write(answers.pop(0))
        await writer.drain()
        writer.close()
        await writer.wait_closed()

    server = await asyncio.start_server(talk, "127.0.0.1", 0)
    return server, f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/prefix"


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        (b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok", (200, b"ok")),
        (b"HTTP/1.1 429 No\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n", (429, b"ok")),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nok", "the answer was cut"),
        (b"<html>", "Expected HTTP"),
        (b"", "closed the connection"),
    ],
)
async def test_http_answers_are_read_or_told_as_errors(answer: bytes, expected: Any) -> None:
    server, url = await serve([answer])
    client = HttpClient(url, timeout_seconds=5)
    try:
        if isinstance(expected, str):
            with pytest.raises(HttpError, match=expected):
                await client.post("/x?y", b"{}")
        else:
            assert await client.post("/x?y", b"{}") == expected
    finally:
        await client.aclose()
        server.close()
        await server.wait_closed()


async def test_a_kept_connection_that_died_is_replaced() -> None:
    answer = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
    server, url = await serve([answer, answer])
    client = HttpClient(url, timeout_seconds=5)
    assert await client.post("/x?y", b"{}") == (200, b"ok")
    assert await client.post("/x?y", b"{}") == (200, b"ok")
    await client.aclose()
    server.close()
    await server.wait_closed()


async def test_a_silent_server_is_not_waited_for_for_ever() -> None:
    hold = asyncio.Event()

    async def talk(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await hold.wait()
        writer.close()

    server = await asyncio.start_server(talk, "127.0.0.1", 0)
    client = HttpClient(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}", timeout_seconds=0.01)
    with pytest.raises(HttpError, match="no answer within"):
        await client.post("/x", b"{}")
    hold.set()
    await client.aclose()
    server.close()
    await server.wait_closed()


def test_a_message_of_a_newer_server_is_still_a_message() -> None:
    raw = msgspec.json.encode(msgspec.structs.asdict(message(1)) | {"later": [1, {"x": None}]})
    assert msgspec.json.decode(raw, type=ReceivedMessage).text == "1"
