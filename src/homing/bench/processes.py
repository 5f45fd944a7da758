"""The processes of a benchmark: the mock vendor and the server, and what the kernel says about them."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import msgspec

from .http import call_json

#: The server has a core of its own; vendor and load share the other. On a single core everything shares.
SERVER_CORE, LOAD_CORE = 0, 1
START_SECONDS = 30.0
_LISTENING = b"listening on "


class Usage(NamedTuple):
    """What a process has used: CPU seconds since its start, resident memory now."""

    cpu_seconds: float
    rss_mib: float


def usage(pid: int) -> Usage:
    """Of a process, all its threads included. Raises ``OSError`` when it is gone."""
    fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    ticks = int(fields[11]) + int(fields[12])
    pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    return Usage(ticks / os.sysconf("SC_CLK_TCK"), pages * os.sysconf("SC_PAGE_SIZE") / 2**20)


def peak_rss_mib(pid: int) -> float:
    """The most resident memory that a process ever had. Raises ``OSError`` when it is gone."""
    status = Path(f"/proc/{pid}/status").read_text()
    return int(status.partition("VmHWM:")[2].split()[0]) / 1024


def pin(core: int, pid: int = 0) -> None:
    """Keep a process on one core, where there are several."""
    allowed = sorted(os.sched_getaffinity(pid))
    if (os.cpu_count() or 1) > 1 and hasattr(os, "sched_setaffinity"):
        with contextlib.suppress(OSError):
            os.sched_setaffinity(pid, {allowed[core % len(allowed)]} if len(allowed) > 1 else {core})


_ALL_CORES = os.sched_getaffinity(0) if hasattr(os, "sched_getaffinity") else set()


def unpin() -> None:
    """Let this process use every core that it had at the start."""
    if _ALL_CORES:
        os.sched_setaffinity(0, _ALL_CORES)


class MockVendor:
    """A ``mock_vendor`` process. It ends with this one, whatever happens to this one."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.name = "built in"
        self.port = 0
        self._tls: dict[str, int] = {}
        self._process: asyncio.subprocess.Process | None = None

    async def start(self, *, core: int | None = LOAD_CORE) -> None:
        """Start it and wait until it listens."""
        pipe = asyncio.subprocess.PIPE
        self._process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "homing.bench.mock_vendor", str(self.folder), stdin=pipe, stdout=pipe
        )
        assert self._process.stdout is not None
        line = await asyncio.wait_for(self._process.stdout.readline(), START_SECONDS)
        where = msgspec.json.decode(line)
        self.port, self._tls = where["plain"], where["tls"]
        if core is not None:
            pin(core, self._process.pid)

    @property
    def ca_file(self) -> str:
        """What a certificate names as its ca_file."""
        return str((self.folder / "ca.pem").resolve())

    def url(self, channel: str = "") -> str:
        """Where a channel is served with TLS and HTTP/2; without a channel, the plain port."""
        return f"https://127.0.0.1:{self._tls[channel]}" if channel else f"http://127.0.0.1:{self.port}"

    async def totals(self) -> dict[str, Any]:
        """What arrived, in counts."""
        return dict(await call_json(self.port, "GET", "/__ctl/totals"))

    async def dump(self) -> dict[str, Arrival]:
        """What arrived, message by message."""
        return {row[0]: Arrival(*row) for row in await call_json(self.port, "GET", "/__ctl/dump")}

    async def reset(self) -> None:
        """Forget what arrived."""
        await call_json(self.port, "POST", "/__ctl/reset")

    async def configure(self, **order: Any) -> None:
        """Order latency and faults, see ``mock_vendor``."""
        await call_json(self.port, "POST", "/__ctl/config", order)

    async def stop(self) -> None:
        """End it."""
        if self._process is not None and self._process.returncode is None:
            assert self._process.stdin is not None
            self._process.stdin.close()
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._process.wait(), 5)
            if self._process.returncode is None:
                self._process.kill()
                await self._process.wait()


class Arrival(NamedTuple):
    """One message as the vendor saw it."""

    mark: str
    arrived_ns: int  # the first good answer, on the monotonic clock; 0: none yet
    bad: int
    tags_differ: bool
    tokens: dict[str, int]  # good answers for each token

    @property
    def times(self) -> int:
        """How often the token that got it most often got it."""
        return max(self.tokens.values(), default=0)


class Server:
    """A ``homing serve`` process that can be stopped, killed and started again on the same store."""

    def __init__(self, database: str, folder: Path, *, environment: Mapping[str, str] | None = None, options: tuple[str, ...] = ()) -> None:
        self.database = database
        self.key_file = folder / "homing.key"
        self.log = folder / "server.log"
        self.port = 0
        self._options = options
        self._environment = {"HOMING_LOG_LEVEL": "warning", **(environment or {})}
        self._process: asyncio.subprocess.Process | None = None
        self._reading: asyncio.Task[None] | None = None

    async def start(self, *, core: int | None = SERVER_CORE, preexec: Any = None) -> None:
        """Start it on a free port and wait until it says that it listens. Raises ``RuntimeError`` with its last words."""
        command = [sys.executable, "-c", "from homing.cli.main import main; main()", "serve", "--listen", "127.0.0.1:0"]
        command += ["--database", self.database, "--master-key-file", str(self.key_file), *self._options]
        with self.log.open("ab") as log:
            self._process = await asyncio.create_subprocess_exec(
                *command, stdout=asyncio.subprocess.PIPE, stderr=log, env={**os.environ, **self._environment}, preexec_fn=preexec
            )
        if core is not None:
            pin(core, self._process.pid)
        try:
            await asyncio.wait_for(self._until_listening(), START_SECONDS)
        except TimeoutError:
            await self.kill()
            raise RuntimeError(f"the server did not begin to listen within {START_SECONDS:.0f} s; its log is {self.log}") from None

    async def _until_listening(self) -> None:
        assert self._process is not None
        assert self._process.stdout is not None
        while line := await self._process.stdout.readline():
            if line.startswith(_LISTENING):
                self.port = int(line.rsplit(b":", 1)[1])
                self._reading = asyncio.get_running_loop().create_task(_read_away(self._process.stdout))
                return
        await self._process.wait()
        raise RuntimeError(f"the server did not start: {self.last_words() or 'see ' + str(self.log)}")

    @property
    def pid(self) -> int:
        """Its process id."""
        assert self._process is not None
        return self._process.pid

    @property
    def running(self) -> bool:
        """Whether the process lives."""
        return self._process is not None and self._process.returncode is None

    def usage(self) -> Usage:
        """CPU and memory of the process."""
        return usage(self.pid)

    def last_words(self) -> str:
        """The end of its log."""
        return self.log.read_bytes()[-2000:].decode("utf-8", "replace").strip() if self.log.exists() else ""

    async def stop(self, number: int = signal.SIGTERM, seconds: float = 15.0) -> int:
        """Send a signal and wait for the end. Returns the exit status; kills it when it takes longer."""
        process = self._process
        if process is None:
            return 0
        if process.returncode is None:
            process.send_signal(number)
            try:
                await asyncio.wait_for(process.wait(), seconds)
            except TimeoutError:
                process.kill()
                await process.wait()
        if self._reading is not None:
            await self._reading
        return int(process.returncode or 0)

    async def kill(self) -> None:
        """``kill -9``."""
        await self.stop(signal.SIGKILL)


async def _read_away(stream: asyncio.StreamReader) -> None:
    """A full pipe must not stop the server."""
    while await stream.read(65_536):
        pass
