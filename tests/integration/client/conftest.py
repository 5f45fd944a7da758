"""A whole server in this process, on a real port."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from homing.app import listener, open_node, web_server
from homing.client import HomingClient, Listener, ReceivedMessage, RestClient
from homing.config import Config
from homing.server.build import build

APP, KEY = 1400000001, "0123456789abcdef" * 4


class Ear(Listener):
    """Writes down what it hears."""

    def __init__(self) -> None:
        self.heard: list[tuple[str, Any]] = []
        self._news = asyncio.Event()

    def note(self, name: str, value: Any = None) -> None:
        self.heard.append((name, value))
        self._news.set()

    def on_connecting(self) -> None:
        self.note("connecting")

    def on_connect_success(self) -> None:
        self.note("connected")

    def on_connect_failed(self, code: str, message: str) -> None:
        self.note("failed", code)

    def on_kicked_offline(self) -> None:
        self.note("kicked")

    def on_user_sig_expired(self) -> None:
        self.note("expired")

    async def on_recv_new_message(self, message: ReceivedMessage) -> None:
        await asyncio.sleep(0)
        self.note("message", message)

    def on_message_revoked(self, notice: Any) -> None:
        self.note("revoked", notice.msg_key)

    def on_conversation_read(self, notice: Any) -> None:
        self.note("read", notice.peer)

    def on_sync_finished(self, cursor: str) -> None:
        self.note("synced", cursor)

    def names(self) -> list[str]:
        return [name for name, _ in self.heard]

    def texts(self) -> list[str]:
        return [value.text for name, value in self.heard if name == "message"]

    async def hears(self, name: str, times: int = 1) -> Any:
        """Wait until it has heard this so many times; the last value."""
        async with asyncio.timeout(20):
            while self.names().count(name) < times:
                self._news.clear()
                await self._news.wait()
        return [value for heard, value in self.heard if heard == name][-1]


class Server:
    """A server that can be stopped and started again on its port."""

    def __init__(self, database: str) -> None:
        self._database = database
        self._stack: contextlib.AsyncExitStack | None = None
        self.port = 0
        self.hub: Any = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    async def start(self) -> None:
        async with contextlib.AsyncExitStack() as stack:
            config = Config(listen=f"127.0.0.1:{self.port}", database=self._database)
            sock = listener(config.host, config.port)
            stack.callback(sock.close)
            node = await stack.enter_async_context(open_node(config))
            started = asyncio.Event()
            server = web_server(await stack.enter_async_context(build(node)), config, started)
            serving = asyncio.get_running_loop().create_task(server.serve(sockets=[sock]))

            async def stop() -> None:
                server.should_exit = True
                await serving

            stack.push_async_callback(stop)
            await started.wait()
            self.port, self.hub = sock.getsockname()[1], node.hub
            self._stack = stack.pop_all()

    async def stop(self) -> None:
        stack, self._stack = self._stack, None
        if stack is not None:
            await stack.aclose()


@pytest.fixture
async def server(tmp_path: Path) -> AsyncIterator[Server]:
    """A server with one app."""
    running = Server(f"sqlite:///{tmp_path}/homing.db")
    await running.start()
    await running.hub.apps.create(APP, KEY)
    yield running
    await running.stop()


@pytest.fixture
async def backend(server: Server) -> AsyncIterator[RestClient]:
    """The app's backend, with the accounts ``alice`` and ``bob``."""
    async with RestClient(server.url, APP, KEY) as client:
        for user_id in ("alice", "bob"):
            await client.import_account(user_id, nick=user_id.title())
        yield client


@pytest.fixture
async def phones(server: Server, backend: RestClient) -> AsyncIterator[Any]:
    """Makes logged-in clients: ``client, ear = await phones("bob")``."""
    made: list[HomingClient] = []

    async def login(user_id: str, *, instance_id: str = "phone", **options: Any) -> tuple[HomingClient, Ear]:
        from homing.client import Backoff

        ear = Ear()
        client = HomingClient(server.url, APP, listener=ear, backoff=Backoff(first=0.05, most=0.2))
        made.append(client)
        await client.login(user_id, backend.usersig(user_id), instance_id=instance_id, **options)
        return client, ear

    yield login
    for client in made:
        await client.close()
