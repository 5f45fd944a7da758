"""Real processes for acceptance tests: servers that can be killed, and a vendor that writes down what it received."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest

from homing.bench.processes import MockVendor, Server


@pytest.fixture
async def vendor(tmp_path: Path) -> AsyncIterator[MockVendor]:
    """A mock vendor process."""
    running = MockVendor(tmp_path / "vendor")
    await running.start(core=None)
    yield running
    await running.stop()


@pytest.fixture
async def make_server(tmp_path: Path) -> AsyncIterator[Callable[..., Server]]:
    """Makes server processes on a database URL; whatever still runs at the end is killed."""
    made: list[Server] = []

    def make(url: str, **options: object) -> Server:
        server = Server(url, tmp_path, **options)  # type: ignore[arg-type]
        made.append(server)
        return server

    yield make
    for server in made:
        await server.kill()
