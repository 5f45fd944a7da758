"""Uploads in a bucket that speaks S3: the devices' requests go there with signed URLs, and the server deletes there."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from homing.app import listener, open_node, web_server
from homing.client import HomingClient
from homing.config import Config, ConfigError, load
from homing.rules.usersig import sign
from homing.server.build import build
from homing.store.engine import StoreRefused

APP, KEY = 1400000001, "0123456789abcdef" * 4
BYTES = bytes(range(256)) * 1000


class FakeBucket:
    """Keeps objects by path and writes down what it is asked."""

    def __init__(self) -> None:
        self.objects: dict[str, bytes] = {}
        self.asked: list[tuple[str, str, dict[str, str]]] = []
        self.status = 0

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
        method, target, _ = head[0].split(" ")
        headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in head[1:] if line)}
        self.asked.append((method, target, headers))
        path = urlsplit(target).path
        body, status = b"", 200
        if self.status:
            status = self.status
        elif method == "PUT":
            self.objects[path] = await reader.readexactly(int(headers["content-length"]))
        elif method == "DELETE":
            status = 204 if self.objects.pop(path, None) is not None else 404
        else:
            body = self.objects[path]
        writer.write(b"HTTP/1.1 %d x\r\ncontent-length: %d\r\nconnection: close\r\n\r\n" % (status, len(body)) + body)
        await writer.drain()
        writer.close()


@pytest.fixture
async def bucket() -> AsyncIterator[tuple[FakeBucket, str]]:
    """A bucket and its address."""
    fake = FakeBucket()
    server = await asyncio.start_server(fake.serve, "127.0.0.1", 0)
    yield fake, f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/uploads"
    server.close()
    await server.wait_closed()


@pytest.fixture
async def world(bucket: tuple[FakeBucket, str], sqlite_url: str, tmp_path: Path) -> AsyncIterator[tuple[Any, str, FakeBucket]]:
    """A server that puts uploads into the bucket: its hub and its address."""
    (tmp_path / "s3.key").write_text("AKID\nSECRET\n")
    config = Config(database=sqlite_url, media_s3_url=bucket[1], media_s3_key_file=str(tmp_path / "s3.key"))
    async with contextlib.AsyncExitStack() as stack:
        sock = listener("127.0.0.1", 0)
        stack.callback(sock.close)
        node = await stack.enter_async_context(open_node(config))
        started = asyncio.Event()
        server = web_server(await stack.enter_async_context(build(node)), config, started)
        serving = asyncio.get_running_loop().create_task(server.serve(sockets=[sock]))
        await started.wait()
        await node.hub.apps.create(APP, KEY)
        yield node.hub, f"http://127.0.0.1:{sock.getsockname()[1]}", bucket[0]
        server.should_exit = True
        await serving


async def redirect(url: str) -> tuple[int, str]:
    """Status and Location of a GET."""
    parts = urlsplit(url)
    reader, writer = await asyncio.open_connection(parts.hostname, parts.port)
    writer.write(f"GET {parts.path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n".encode())
    answer = (await reader.read()).decode()
    writer.close()
    location = [line.partition(": ")[2] for line in answer.split("\r\n") if line.startswith("location: ")]
    return int(answer.split(" ")[1]), "".join(location)


async def test_an_upload_goes_to_the_bucket_and_is_read_and_deleted_there(world: tuple[Any, str, FakeBucket], clock: Any) -> None:
    hub, base, fake = world
    async with HomingClient(base, APP) as alice:
        await alice.login("alice", sign(APP, "alice", KEY, int(time.time())))
        heard: list[int] = []
        page = await alice.upload(BYTES, content_type="text/html", file_name="a.html", on_progress=heard.append)
    assert heard[-1] == 100
    path = f"/uploads/{APP}/{page.uuid}"
    assert fake.objects == {path: BYTES}
    _, target, headers = fake.asked[0]
    assert parse_qs(urlsplit(target).query)["X-Amz-SignedHeaders"] == ["content-length;content-type;host;x-amz-checksum-sha256"]
    assert "authorization" not in headers  # the session is nothing to the bucket
    assert len(headers["x-amz-checksum-sha256"]) == 44
    assert hashlib.sha256(fake.objects[path]).digest() == hashlib.sha256(BYTES).digest()

    status, location = await redirect(page.url)
    assert (status, urlsplit(location).path) == (302, path)
    query = parse_qs(urlsplit(location).query)
    assert query["response-content-type"] == ["application/octet-stream"]
    assert query["response-content-disposition"] == ["attachment; filename*=UTF-8''a.html"]

    clock.set(hub.clock.now_ms() + 31 * 86_400_000)
    hub.media._clock = clock
    fake.status = 500
    assert await hub.media.sweep(10) == 0  # tried again in the next round
    fake.status = 0
    assert (await redirect(page.url))[0] == 404
    assert await hub.media.sweep(10) == 1
    assert fake.objects == {}
    assert await hub.media.sweep(10) == 0


@pytest.mark.parametrize("flags", [{"media_s3_url": "https://h/b"}, {"media_s3_url": "ftp://h/b", "media_s3_key_file": "k"}])
def test_half_a_bucket_is_refused_with_a_sentence(flags: dict[str, str]) -> None:
    with pytest.raises(ConfigError, match="media_s3_url"):
        load(flags, {})


@pytest.mark.parametrize("content", [None, "AKID\n", "a b c"])
async def test_a_key_file_that_cannot_be_used_is_refused_with_a_sentence(sqlite_url: str, tmp_path: Path, content: str | None) -> None:
    if content is not None:
        (tmp_path / "s3.key").write_text(content)
    config = Config(database=sqlite_url, media_s3_url="https://h/b", media_s3_key_file=str(tmp_path / "s3.key"))
    with pytest.raises(StoreRefused, match="media_s3_key_file"):
        async with open_node(config):
            pass
