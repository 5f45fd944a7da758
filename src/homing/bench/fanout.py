"""``homing bench fanout``: one REST request to many receivers, and how their pushes leave."""

from __future__ import annotations

from pathlib import Path

from .figures import Figures, against, rated
from .load import MAX_TARGETS, Messages, Reckoning, RestLoad, arrived
from .processes import LOAD_CORE, MockVendor, Server, pin
from .seed import Binding, seed
from .send import bare_transport
from .throughput import warm_up


async def bench_fanout(
    folder: Path,
    *,
    database: str = "",
    channel: str = "huawei",
    requests: int = 20,
    targets: int = MAX_TARGETS,
    connections: int = 4,
) -> Figures:
    """Pushes a second of ``requests`` batch messages to ``targets`` receivers each; vendor requests tell how well they batch."""
    vendor = MockVendor(folder)
    server = Server(database or f"sqlite:///{folder}/homing.db", folder)
    users = targets * min(requests, 8)
    await vendor.start()
    try:
        ceiling = await bare_transport(vendor, channel, requests * targets)
        pin(LOAD_CORE)
        # The vendor's documented rate is not what is measured here.
        await seed(server.database, server.key_file, vendor, [Binding(channel, users, options={"requests_per_second": "100000"})])
        await server.start()
        await warm_up(vendor, server, users)
        before = server.usage()
        load = RestLoad(Messages(users, targets=targets), requests)
        seconds = await load.run(server.port, connections)
        await arrived(vendor.totals, len(load.accepted) * targets)
        after, totals = server.usage(), await vendor.totals()
        reckoning = Reckoning(load.accepted, await vendor.dump(), tokens=targets)
    finally:
        await server.stop()
        await vendor.stop()
    span = (totals["last_ns"] - min(load.started.values(), default=0)) / 1e9
    figures = rated(totals["pushes"], span, after.cpu_seconds - before.cpu_seconds)
    return {
        "bench": "fanout",
        "channel": channel,
        **against(figures, ceiling),
        "targets": targets,
        "accepted": len(load.accepted),
        "refused": load.refusals + load.cut_off,
        "receivers_accepted_per_s": round(len(load.accepted) * targets / seconds, 1),
        "pushes": totals["pushes"],
        "vendor_requests": totals["requests"],
        "lost": len(reckoning.lost),
        "doubled": len(reckoning.doubled),
        "rss_mib": round(after.rss_mib, 1),
    }
