"""What only a real connection shows: frame limits, WebSocket pings, a peer that stops reading."""

from __future__ import annotations

import asyncio
import base64
import json
import os
import socket as sockets
from typing import Any

import pytest
from websockets.asyncio.client import connect
from websockets.exceptions import InvalidStatus

from homing.client import RestClient
from homing.client.http import HttpClient
from homing.model.messages import Draft, Element, MessageFlags

APP = 1400000001


async def session_token(server: Any, backend: RestClient, user_id: str) -> str:
    http = HttpClient(server.url)
    body = {"sdkappid": APP, "user_id": user_id, "user_sig": backend.usersig(user_id), "platform": "android", "instance_id": "i"}
    status, answer = await http.post("/v1/device/login", json.dumps(body).encode())
    await http.aclose()
    assert status == 200, answer
    return str(json.loads(answer)["session_token"])


def url(server: Any) -> str:
    return f"ws://127.0.0.1:{server.port}/v1/device/socket"


def gateway_of(server: Any) -> Any:
    """The gateway behind the bus: it has no other door."""
    return server.hub.bus._inboxes[server.hub.node_id].handler.__self__


async def test_the_frame_limit_is_64_kib(server: Any, backend: RestClient) -> None:
    token = await session_token(server, backend, "bob")
    headers = {"Authorization": f"Bearer {token}"}
    async with connect(url(server), additional_headers=headers, proxy=None) as socket:
        frame = json.dumps({"op": "ping", "id": 1, "body": {"x": ""}})
        await socket.send(frame.replace('"x": ""', '"x": "' + "y" * (65_536 - len(frame)) + '"'))
        while json.loads(await socket.recv())["op"] != "reply":
            pass
        await socket.send("x" * 65_537)
        await socket.wait_closed()
        assert socket.close_code == 1009
    async with connect(url(server), additional_headers=headers, proxy=None) as socket:
        await socket.send(b"\xff\xff")
        await socket.wait_closed()
        assert socket.close_code == 4004


async def test_an_unknown_session_and_path_are_answered_with_http(
    server: Any, backend: RestClient, caplog: pytest.LogCaptureFixture
) -> None:
    for target, status, code in ((url(server), 401, "session_unknown"), (url(server) + "s", 404, "bad_url")):
        with pytest.raises(InvalidStatus) as caught:
            await connect(target, additional_headers={"Authorization": "Bearer nobody"}, proxy=None)
        assert caught.value.response.status_code == status
        assert json.loads(bytes(caught.value.response.body or b""))["code"] == code
    assert not [record for record in caplog.records if record.levelname == "ERROR"], "a client's mistake is none of the operator's"


async def test_websocket_pings_and_pongs_are_signs_of_life(server: Any, backend: RestClient) -> None:
    token = await session_token(server, backend, "bob")
    async with connect(url(server), additional_headers={"Authorization": f"Bearer {token}"}, proxy=None) as socket:
        while json.loads(await socket.recv())["op"] != "synced":
            pass
        gateway = gateway_of(server)
        (connection,) = gateway._connections.values()
        now = server.hub.clock.monotonic()
        connection.last_heard = now - 200
        gateway.check_heartbeats(now)
        assert connection.pinged
        await (await socket.ping())
        assert connection.wire.heard
        gateway.check_heartbeats(now)
        assert (connection.pinged, connection.last_heard) == (False, now)
        connection.last_heard = now - 500
        connection.wire.heard = False
        gateway.check_heartbeats(now)
        await socket.wait_closed()
        assert socket.close_code == 4008


async def test_a_peer_that_stops_reading_is_cut_off_and_its_messages_wait(server: Any, backend: RestClient) -> None:
    token = await session_token(server, backend, "bob")
    raw = sockets.socket()
    raw.setsockopt(sockets.SOL_SOCKET, sockets.SO_RCVBUF, 4096)
    raw.setblocking(False)
    await asyncio.get_running_loop().sock_connect(raw, ("127.0.0.1", server.port))
    reader, writer = await asyncio.open_connection(sock=raw, limit=1024)
    key = base64.b64encode(os.urandom(16)).decode()
    writer.write(
        f"GET /v1/device/socket HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Key: {key}\r\n"
        f"Sec-WebSocket-Version: 13\r\nAuthorization: Bearer {token}\r\n\r\n".encode()
    )
    await reader.readuntil(b'"synced"')
    app = await server.hub.apps.get(APP)
    gateway = gateway_of(server)
    async with asyncio.timeout(30):
        sent = 0
        while gateway._connections:
            draft = Draft(
                from_account="alice",
                to_account="bob",
                elements=(Element("TIMTextElem", {"Text": "x" * 11_000}),),
                random=sent,
                flags=MessageFlags.ONLINE_ONLY,
            )
            await server.hub.messaging.send(app, draft)
            sent += 1
            assert sent < 3000
        data = b""
        while chunk := await reader.read(65_536):
            data = (data + chunk)[-200:]
    assert bytes([0x88, 2 + len("slow_consumer")]) + (4005).to_bytes(2, "big") + b"slow_consumer" in data
    writer.close()
    await writer.wait_closed()
