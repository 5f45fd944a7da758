"""Uploads and downloads on a whole server: its port, its files and its tables are real ones."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httptools
import pytest

from homing.app import listener, open_node, web_server
from homing.config import Config
from homing.rules.usersig import sign
from homing.server.build import build
from homing.services import media as service
from homing.services.retention import Retention
from homing.store.administration import delete_rows
from homing.store.media_files import Incoming

APP, OTHER = 1400000001, 1400000002
KEYS = {APP: "a" * 64, OTHER: "b" * 64}
PICTURE = b"\x89PNG\r\n\x1a\n" + bytes(range(256)) * 5000  # more than two pieces
KEPT_MS = 30 * 86_400_000


class Answer:
    """One answer of the server."""

    def __init__(self) -> None:
        self.status = 0
        self.headers: dict[str, str] = {}
        self.body = b""

    def on_header(self, name: bytes, value: bytes) -> None:
        self.headers[name.decode().lower()] = value.decode()

    def on_body(self, data: bytes) -> None:
        self.body += data

    @property
    def code(self) -> str:
        return str(json.loads(self.body)["code"])


class World:
    """A server, and calls to it."""

    def __init__(self, hub: Any, port: int, folder: Path) -> None:
        self.hub = hub
        self.port = port
        self.folder = folder

    async def call(self, method: str, path: str, body: bytes = b"", token: str = "", **headers: str) -> Answer:
        """One request on a connection of its own."""
        lines = [f"{method} {path} HTTP/1.1", "host: im.example.com", "connection: close"]
        if token:
            lines.append(f"authorization: Bearer {token}")
        headers.setdefault("content_length", str(len(body)))
        lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items() if value]
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        writer.write("\r\n".join((*lines, "", "")).encode() + body)
        with contextlib.suppress(OSError):
            await writer.drain()
        answer = Answer()
        parser = httptools.HttpResponseParser(answer)
        async with asyncio.timeout(20):
            with contextlib.suppress(ConnectionError):
                while data := await reader.read(65_536):
                    parser.feed_data(data)
        answer.status = parser.get_status_code()
        writer.close()
        return answer

    async def log_in(self, user_id: str, app: int = APP) -> str:
        sig = sign(app, user_id, KEYS[app], self.hub.clock.now_ms() // 1000)
        body = {"sdkappid": app, "user_id": user_id, "user_sig": sig, "platform": "android", "instance_id": user_id}
        answer = await self.call("POST", "/v1/device/login", json.dumps(body).encode())
        return str(json.loads(answer.body)["session_token"])

    async def ask(self, token: str, size: int, **fields: Any) -> Answer:
        body = {"kind": "image", "size": size, "content_type": "image/png", "file_name": "猫.png"} | fields
        return await self.call("POST", "/v1/device/media", json.dumps(body).encode(), token)

    async def place(self, token: str, size: int, **fields: Any) -> Any:
        """Where to upload, and the url."""
        return json.loads((await self.ask(token, size, **fields)).body)

    async def upload(self, token: str, data: bytes, **fields: Any) -> str:
        """A complete upload; its url."""
        place = await self.place(token, len(data), **fields)
        answer = await self.call("PUT", place["upload"]["url"], data, token)
        assert (answer.status, answer.body) == (200, b"{}")
        return str(place["url"])

    def files(self) -> list[Path]:
        return [path for path in self.folder.rglob("*") if path.is_file()]


@contextlib.asynccontextmanager
async def running(config: Config, folder: Path) -> AsyncIterator[World]:
    async with contextlib.AsyncExitStack() as stack:
        sock = listener("127.0.0.1", 0)
        stack.callback(sock.close)
        node = await stack.enter_async_context(open_node(config))
        started = asyncio.Event()
        server = web_server(await stack.enter_async_context(build(node)), config, started)
        serving = asyncio.get_running_loop().create_task(server.serve(sockets=[sock]))
        await started.wait()
        for app, key in KEYS.items():
            await node.hub.apps.create(app, key)
        yield World(node.hub, sock.getsockname()[1], folder)
        server.should_exit = True
        await serving


@pytest.fixture
async def world(database_url: str, tmp_path: Path) -> AsyncIterator[World]:
    """A server that takes uploads of 2 MiB."""
    folder, key = tmp_path / "uploads", str(tmp_path / "homing.key")
    config = Config(database=database_url, master_key_file=key, media_dir=str(folder), media_max_mb=2, media_daily_mb=5)
    async with running(config, folder) as world:
        yield world


async def test_what_is_uploaded_is_downloaded_by_whoever_knows_the_address(world: World) -> None:
    token = await world.log_in("alice")
    url = await world.upload(token, PICTURE, sha256=hashlib.sha256(PICTURE).hexdigest())
    got = await world.call("GET", url)
    assert (got.status, got.body) == (200, PICTURE)
    assert got.headers["content-type"] == "image/png"
    assert got.headers["content-disposition"] == "inline; filename*=UTF-8''%E7%8C%AB.png"
    assert got.headers["etag"] == f'"{hashlib.sha256(PICTURE).hexdigest()}"'
    assert got.headers["cache-control"] == "private, max-age=86400, immutable"
    assert got.headers["x-content-type-options"] == "nosniff"
    assert "sandbox" in got.headers["content-security-policy"]
    head = await world.call("HEAD", url)
    assert (head.status, head.body, head.headers["content-length"]) == (200, b"", str(len(PICTURE)))
    same = await world.call("GET", url, if_none_match=got.headers["etag"])
    assert (same.status, same.body) == (304, b"")
    assert [path.name for path in world.files()] == [hashlib.sha256(PICTURE).hexdigest()]


@pytest.mark.parametrize(
    ("wanted", "status", "part"),
    [
        ("bytes=10-19", 206, slice(10, 20)),
        ("bytes=-5", 206, slice(-5, None)),
        ("bytes=1000000-", 206, slice(1_000_000, None)),
        ("bytes=9999999-", 416, slice(0, 0)),
        ("bytes=0-1,5-6", 200, slice(None)),
    ],
)
async def test_a_range_is_answered_with_its_part(world: World, wanted: str, status: int, part: slice) -> None:
    url = await world.upload(await world.log_in("alice"), PICTURE)
    got = await world.call("GET", url, range=wanted)
    assert got.status == status
    if status != 416:
        assert got.body == PICTURE[part]


@pytest.mark.parametrize("content_type", ["text/html", "image/svg+xml", "application/xhtml+xml"])
async def test_a_page_that_is_uploaded_does_not_run(world: World, content_type: str) -> None:
    url = await world.upload(await world.log_in("alice"), b"<script>alert(1)</script>", kind="file", content_type=content_type)
    got = await world.call("GET", url)
    assert got.headers["content-type"] == "application/octet-stream"
    assert got.headers["content-disposition"].startswith("attachment;")


async def test_other_bytes_than_the_announced_ones_are_refused_and_can_be_sent_again(world: World) -> None:
    token = await world.log_in("alice")
    place = await world.place(token, len(PICTURE), sha256=hashlib.sha256(PICTURE).hexdigest())
    put = place["upload"]["url"]
    for wrong in (PICTURE[:-1], PICTURE + b"x", PICTURE[:-1] + b"x"):
        refused = await world.call("PUT", put, wrong, token)
        assert (refused.status, refused.code) == (400, "media_differs")
        assert (await world.call("GET", place["url"])).status == 404
        assert world.files() == []
    chunks = b"%x\r\n%b\r\n0\r\n\r\n" % (len(PICTURE) + 1, PICTURE + b"x")
    refused = await world.call("PUT", put, chunks, token, content_length="", transfer_encoding="chunked")
    assert (refused.status, refused.code) == (400, "media_differs")
    assert (await world.call("PUT", put, PICTURE, token)).status == 200
    again = await world.call("PUT", put, PICTURE, token)
    assert (again.status, again.code) == (409, "media_done")
    assert (await world.call("GET", place["url"])).body == PICTURE


async def test_a_connection_that_breaks_leaves_nothing_behind(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    token = await world.log_in("alice")
    place = await world.place(token, len(PICTURE))
    _, writer = await asyncio.open_connection("127.0.0.1", world.port)
    head = f"PUT {place['upload']['url']} HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {token}\r\ncontent-length: {len(PICTURE)}\r\n\r\n"
    writer.write(head.encode() + PICTURE[:-1])
    await writer.drain()
    ended, discard = asyncio.Event(), Incoming.discard

    def discarding(incoming: Incoming) -> None:
        discard(incoming)
        loop.call_soon_threadsafe(ended.set)

    loop = asyncio.get_running_loop()
    monkeypatch.setattr(Incoming, "discard", discarding)
    writer.close()
    await asyncio.wait_for(ended.wait(), 10)
    assert world.files() == []
    assert (await world.call("PUT", place["upload"]["url"], PICTURE, token)).status == 200
    assert (await world.call("GET", place["url"])).body == PICTURE


@pytest.mark.parametrize(
    ("fields", "status", "code"),
    [
        ({"size": 2 * 1024 * 1024 + 1}, 413, "media_too_large"),
        ({"size": 0}, 400, "bad_parameter"),
        ({"kind": "page"}, 400, "bad_parameter"),
        ({"kind": "sound"}, 400, "bad_parameter"),
        ({"content_type": "image/png\r\nx: y"}, 400, "bad_parameter"),
        ({"file_name": "a\nb"}, 400, "bad_parameter"),
        ({"file_name": "a" * 256}, 400, "bad_parameter"),
        ({"sha256": "../../etc/passwd"}, 400, "bad_parameter"),
    ],
)
async def test_an_impossible_upload_is_refused_when_it_is_asked_for(world: World, fields: dict[str, Any], status: int, code: str) -> None:
    answer = await world.ask(await world.log_in("alice"), **({"size": 5} | fields))
    assert (answer.status, answer.code) == (status, code)


async def test_an_account_uploads_so_much_in_a_day(world: World) -> None:
    token = await world.log_in("alice")
    for _ in range(2):
        assert (await world.ask(token, 2 * 1024 * 1024)).status == 200
    refused = await world.ask(token, 2 * 1024 * 1024)
    assert (refused.status, refused.code) == (429, "media_day_full")
    assert (await world.ask(await world.log_in("bob"), 2 * 1024 * 1024)).status == 200


async def test_only_the_account_that_asked_uploads(world: World) -> None:
    token = await world.log_in("alice")
    put = (await world.place(token, 5))["upload"]["url"]
    for stranger in (await world.log_in("bob"), await world.log_in("alice", OTHER)):
        refused = await world.call("PUT", put, b"12345", stranger)
        assert (refused.status, refused.code) == (404, "media_unknown")
    assert (await world.call("PUT", put, b"12345", "no-session")).code == "session_unknown"
    await world.call("POST", "/v1/device/logout", b"", token)
    assert (await world.call("PUT", put, b"12345", token)).status == 401
    assert world.files() == []


async def test_an_upload_is_not_found_under_another_app(world: World) -> None:
    url = await world.upload(await world.log_in("alice"), b"12345")
    refused = await world.call("GET", url.replace(str(APP), str(OTHER)))
    assert (refused.status, refused.code) == (404, "media_unknown")


@pytest.mark.parametrize(
    "path",
    [
        f"/media/{APP}/..%2f..%2fhoming.db",
        f"/media/{APP}/../../homing.db",
        f"/media/..%2f{APP}/" + "A" * 43,
        f"/media/{APP}/" + "A" * 43,
        f"/media/{APP}/%00" + "A" * 42,
        f"/media/{10**30}/" + "A" * 43,
        "/media/x/y",
    ],
)
async def test_no_address_leads_out_of_the_folder(world: World, path: str) -> None:
    assert (await world.call("GET", path)).status == 404


async def test_a_device_has_so_many_uploads_at_the_same_time(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(service, "MAX_UPLOADS_OF_DEVICE", 0)
    token = await world.log_in("alice")
    place = await world.place(token, 5)
    refused = await world.call("PUT", place["upload"]["url"], b"12345", token)
    assert (refused.status, refused.code) == (429, "media_busy")


async def test_uploads_that_come_too_slowly_are_ended(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(service, "FIRST_SECONDS", 0.0)
    monkeypatch.setattr(service, "SLOWEST_BYTES_PER_SECOND", 1000)
    token = await world.log_in("alice")
    place = await world.place(token, 5)
    refused = await world.call("PUT", place["upload"]["url"], b"123", token, content_length="5")
    assert (refused.status, refused.code) == (400, "media_differs")
    assert world.files() == []


async def test_an_upload_that_expired_is_not_found_and_its_bytes_go(world: World, clock: Any) -> None:
    token = await world.log_in("alice")
    url = await world.upload(token, b"12345")
    abandoned = await world.place(token, 5)
    media = world.hub.media
    clock.set(world.hub.clock.now_ms() + KEPT_MS - 60_000)
    media._clock = clock
    retention = Retention(
        database=world.hub.database, clock=world.hub.clock, keep_messages_days=1, keep_pushes_days=1, sweeps=(media.sweep,)
    )
    assert (await world.call("GET", url)).status == 200
    assert (await world.call("PUT", abandoned["upload"]["url"], b"12345", token)).code == "media_unknown"
    assert await retention.round() == 1  # the permission that nobody used
    clock.advance(seconds=120)
    assert (await world.call("GET", url)).status == 404
    clock.advance(seconds=3600)
    assert await retention.round() == 1
    assert world.files() == []
    assert await retention.round() == 0


async def test_an_app_is_taken_away_with_the_bytes_of_its_uploads(world: World) -> None:
    url = await world.upload(await world.log_in("alice"), b"12345")
    kept = await world.upload(await world.log_in("alice", OTHER), b"12345")
    assert await world.hub.database.write(lambda tx: delete_rows(tx, "media", APP, 10)) == 1
    assert await world.hub.database.write(lambda tx: delete_rows(tx, "media", APP, 10)) == 0
    assert (await world.call("GET", url)).status == 404
    assert await world.hub.media.sweep(10) == 1
    assert [path.parents[2].name for path in world.files()] == [str(OTHER)]
    assert (await world.call("GET", kept)).body == b"12345"


async def test_bytes_that_somebody_deleted_are_not_found(world: World) -> None:
    url = await world.upload(await world.log_in("alice"), b"12345")
    world.files()[0].unlink()
    refused = await world.call("GET", url)
    assert (refused.status, refused.code) == (404, "media_unknown")


async def test_a_folder_that_cannot_be_written_is_said_and_the_upload_can_be_repeated(world: World) -> None:
    token = await world.log_in("alice")
    place = await world.place(token, 5)
    world.folder.write_text("in the way")
    refused = await world.call("PUT", place["upload"]["url"], b"12345", token)
    assert (refused.status, refused.code) == (429, "too_fast")
    world.folder.unlink()
    assert (await world.call("PUT", place["upload"]["url"], b"12345", token)).status == 200


async def test_a_server_without_a_folder_takes_no_uploads(postgres_url: str, tmp_path: Path) -> None:
    config = Config(database=postgres_url, master_key_file=str(tmp_path / "homing.key"))
    async with running(config, tmp_path) as world:
        refused = await world.ask(await world.log_in("alice"), 5)
        assert (refused.status, refused.code) == (404, "media_off")
        assert (await world.call("GET", f"/media/{APP}/" + "A" * 43)).status == 404
        assert await world.hub.media.sweep(10) == 0


async def test_links_are_complete_where_the_server_knows_its_address(sqlite_url: str, tmp_path: Path) -> None:
    async with running(Config(database=sqlite_url, public_url="https://im.example.com/"), tmp_path / "media") as world:
        place = await world.place(await world.log_in("alice"), 5)
        assert place["url"].startswith(f"https://im.example.com/media/{APP}/")
        assert place["upload"]["url"] == f"https://im.example.com/v1/device/media/{place['uuid']}"
