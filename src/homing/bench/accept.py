"""``homing bench accept``: messages answered OK a second, durable, on SQLite and on PostgreSQL, in one run on the same cores."""

from __future__ import annotations

from pathlib import Path

from .figures import Figures, rated
from .load import Messages, RestLoad
from .processes import MockVendor, Server
from .seed import Binding, seed

_WARM_UP = 500
_HARDLY_ANY = "0.01"  # pushes are made and stay pending
_FOLDERS = ("sqlite", "node")


async def bench_accept(folder: Path, *, database: str, count: int = 20_000, connections: int = 128, users: int = 1000) -> Figures:
    """Messages are stored with their pushes, and the pushes wait. Nothing is pinned: the cores are shared."""
    vendor = MockVendor(folder)
    for name in _FOLDERS:
        (folder / name).mkdir()
    await vendor.start(core=None)
    try:
        embedded = await _accepted(vendor, folder / _FOLDERS[0], f"sqlite:///{folder}/{_FOLDERS[0]}/homing.db", count, connections, users)
        cluster = await _accepted(vendor, folder / _FOLDERS[1], database, count, connections, users)
    finally:
        await vendor.stop()
    ratio = round(cluster["per_s"] / embedded["per_s"], 3) if embedded["per_s"] else 0.0
    return {"bench": "accept", "messages": count, "connections": connections, **cluster, "sqlite": embedded, "ratio_to_sqlite": ratio}


async def _accepted(vendor: MockVendor, folder: Path, url: str, count: int, connections: int, users: int) -> Figures:
    server = Server(url, folder)
    await seed(url, server.key_file, vendor, [Binding("fcm", users, options={"requests_per_second": _HARDLY_ANY})])
    await server.start(core=None)
    try:
        await RestLoad(Messages(users), _WARM_UP).run(server.port, connections)
        before, load = server.usage(), RestLoad(Messages(users), count)
        seconds = await load.run(server.port, connections)
        after = server.usage()
    finally:
        await server.stop()
    figures = rated(len(load.accepted), seconds, after.cpu_seconds - before.cpu_seconds)
    return {**figures, "refused": load.refusals + load.cut_off}
