"""What a sender is measured against, in the same run on the same mock: h2load, and Go's own HTTP client where Go is installed."""

from __future__ import annotations

import asyncio
import json
import os
import re
import resource
import shutil
from collections.abc import Mapping
from pathlib import Path

from homing.model.outcome import VendorRequest

from .figures import Figures, rated
from .processes import SERVER_CORE, pin

#: Streams on one connection of h2load; more stall on delayed acknowledgements.
_STREAMS = 100
_SECONDS = {"us": 1e-6, "ms": 1e-3, "s": 1.0}
_GO_SOURCE = Path(__file__).with_name("go_peer.go")
_BUILD_SECONDS = 180.0


async def h2load(request: VendorRequest, url: str, count: int, in_flight: int, folder: Path) -> Figures | None:
    """The ceiling: this prepared request by h2load (nghttp2), from the sender's core. None where h2load is not installed."""
    program = shutil.which("h2load")
    if program is None:
        return None
    body = folder / "h2load-body"
    body.write_bytes(request.body)
    command = [program, "-n", str(count), "-c", str(max(1, in_flight // _STREAMS)), "-m", str(min(_STREAMS, in_flight)), "-d", str(body)]
    for name, value in request.headers:
        command += ["-H", f"{name}: {value}"]
    printed, cpu_seconds = await _run([*command, url])
    wall, succeeded = re.search(r"finished in ([\d.]+)(us|ms|s)", printed), re.search(r"(\d+) 2xx", printed)
    if wall is None or succeeded is None or int(succeeded[1]) < count:
        raise RuntimeError(f"h2load did not get all its answers: {printed[-300:]}")
    return rated(count, float(wall[1]) * _SECONDS[wall[2]], cpu_seconds)


class GoPeer:
    """Go's net/http in a closed loop, built once."""

    def __init__(self, folder: Path) -> None:
        self._program = folder / "go-peer"

    async def build(self) -> bool:
        """Whether there is a Go compiler, and the peer is built."""
        compiler = shutil.which("go")
        if compiler is None:
            return False
        process = await asyncio.create_subprocess_exec(
            compiler, "build", "-o", str(self._program), str(_GO_SOURCE), stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT
        )
        printed, _ = await asyncio.wait_for(process.communicate(), _BUILD_SECONDS)
        if process.returncode:
            raise RuntimeError(f"the Go peer did not compile: {printed[-300:].decode('utf-8', 'replace')}")
        return True

    async def run(self, request: VendorRequest, ca_file: str, count: int, in_flight: int) -> Figures:
        """The same kind of request, with a body encoded anew each time, one core."""
        order = {
            "url": request.url,
            "headers": dict(request.headers),
            "body": json.loads(request.body),
            "ca_file": ca_file,
            "count": count,
            "in_flight": in_flight,
        }
        file = self._program.with_name("go-order.json")
        file.write_text(json.dumps(order))
        printed, _ = await _run([str(self._program), str(file)], {"GOMAXPROCS": "1"})
        found = json.loads(printed)
        if found["ok"] < count:
            raise RuntimeError(f"the Go peer got {found['ok']} answers of {count}")
        return rated(count, found["seconds"], found["cpu_seconds"])


async def _run(command: list[str], environment: Mapping[str, str] | None = None) -> tuple[str, float]:
    """What a program prints, and the CPU seconds it took. Raises ``RuntimeError`` when it fails."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    process = await asyncio.create_subprocess_exec(
        *command,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
        env={**os.environ, **(environment or {})},
        preexec_fn=lambda: pin(SERVER_CORE),
    )
    printed, _ = await process.communicate()
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    text = printed.decode("utf-8", "replace")
    if process.returncode:
        raise RuntimeError(f"{Path(command[0]).name} failed: {text[-300:]}")
    return text, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
