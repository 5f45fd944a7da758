"""``homing bench cluster``: one push process against several, on one PostgreSQL and NATS, in one run."""

from __future__ import annotations

from pathlib import Path

from homing.store.engine import Query, Tx
from homing.store.open import open_database

from .backlog import insert_backlog
from .figures import Figures
from .load import arrived
from .processes import MockVendor, Server
from .seed import Binding, seed

_FORGET = tuple(Query(f"bench.forget_{table}", f"DELETE FROM {table}") for table in ("attempt", "push", "message"))
_HEAD_START = 500  # pushes that are sent before the clock runs: log-in, connections, first claims


async def bench_cluster(
    folder: Path,
    *,
    database: str,
    bus: str = "local",
    nodes: int = 2,
    count: int = 20_000,
    users: int = 1000,
    latency_ms: float = 50.0,
    in_flight: int = 100,
) -> Figures:
    """Pushes a second of a backlog with one push process, then with ``nodes``. Nothing is pinned: the cores are shared.

    ``in_flight`` requests a process are under way at most, so that the vendor's latency is the limit and not the cores; 0: the
    channel's own limit.
    """
    vendor = MockVendor(folder)
    await vendor.start(core=None)
    try:
        template = Server(database, folder)
        # The vendor's documented rate is not what is measured here.
        options = {"requests_per_second": "100000", "max_in_flight": str(in_flight)}
        await seed(database, template.key_file, vendor, [Binding("fcm", users, options=options)])
        await vendor.configure(latency_ms=latency_ms)
        alone = await _drain(vendor, folder, (database, bus), 1, count)
        together = await _drain(vendor, folder, (database, bus), nodes, count)
    finally:
        await vendor.stop()
    bound = round(in_flight / latency_ms * 1000, 1) if in_flight and latency_ms else 0.0
    return {
        "bench": "cluster",
        "per_s": together["per_s"],
        "cpu_s_per_1000": together["cpu_s_per_1000"],
        "latency_ms": latency_ms,
        "in_flight_per_process": in_flight,
        "limit_per_process_per_s": bound,
        "one_process": alone,
        f"{nodes}_processes": together,
        "ratio": round(together["per_s"] / alone["per_s"], 2) if alone["per_s"] else 0.0,
    }


async def _drain(vendor: MockVendor, folder: Path, where: tuple[str, str], processes: int, count: int) -> Figures:
    database, bus = where
    await _forget(database)
    await vendor.reset()
    servers = [Server(database, folder, options=("--bus", bus, "--roles", "push")) for _ in range(processes)]
    try:
        for server in servers:
            await server.start(core=None)
        await insert_backlog(database, "fcm", count)
        await arrived(vendor.totals, count, deadline_seconds=180)
        used = [server.usage() for server in servers]
        arrivals = sorted(a.arrived_ns for a in (await vendor.dump()).values() if a.arrived_ns)
        doubled = sum(arrival.times > 1 for arrival in (await vendor.dump()).values())
    finally:
        for server in servers:
            await server.stop()
    head = min(_HEAD_START, len(arrivals) // 4)
    span = (arrivals[-1] - arrivals[head]) / 1e9
    return {
        "per_s": round((len(arrivals) - head) / span, 1),
        "cpu_s_per_1000": round(sum(u.cpu_seconds for u in used) / count * 1000, 4),
        "busiest_share": round(max(u.cpu_seconds for u in used) / sum(u.cpu_seconds for u in used), 2),
        "lost": count - len(arrivals),
        "doubled": doubled,
    }


async def _forget(url: str) -> None:
    async def work(tx: Tx) -> None:
        for query in _FORGET:
            await tx.execute(query)

    opened = await open_database(url)
    try:
        await opened.write(work)
    finally:
        await opened.close()
