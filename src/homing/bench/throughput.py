"""``homing bench server``: REST in to vendor request out, durable, on a real server process."""

from __future__ import annotations

from pathlib import Path

from .figures import Figures, against, rated
from .load import Messages, Reckoning, RestLoad, arrived, latencies
from .nginx_mock import SLOW_MS
from .processes import LOAD_CORE, MockVendor, Server, Usage, pin
from .seed import Binding, seed
from .send import bare_transport

WARM_UP = 200
#: The vendor's documented rate and a certificate's default of requests in flight are not what is measured.
UNHINDERED = {"requests_per_second": "100000", "max_in_flight": "1000"}


async def bench_server(
    folder: Path,
    *,
    database: str = "",
    channel: str = "fcm",
    count: int = 20_000,
    connections: int = 64,
    users: int = 1000,
    rate: float = 0.0,
    latency_ms: float = 0.0,
    half_load_seconds: int = 10,
) -> Figures:
    """Messages a second from accepted to arrived, what was lost or doubled, and the server's CPU time and memory.

    Without a rate a second part follows, in which the messages come at half of that rate and the vendor takes 50 ms.
    """
    vendor = MockVendor(folder)
    server = Server(database or f"sqlite:///{folder}/homing.db", folder)
    await vendor.start()
    try:
        ceiling = await bare_transport(vendor, channel, count)
        pin(LOAD_CORE)
        await seed(server.database, server.key_file, vendor, [Binding(channel, users, options=UNHINDERED)])
        await server.start()
        await warm_up(vendor, server, users)
        figures = await _part(vendor, server, RestLoad(Messages(users), count, rate=rate), connections, latency_ms)
        if not rate and half_load_seconds and figures["per_s"] >= 2:
            rate = figures["per_s"] / 2
            await vendor.reset()
            load = RestLoad(Messages(users), int(rate * half_load_seconds), rate=rate)
            half = {"rate": round(rate, 1), **await _part(vendor, server, load, connections, SLOW_MS)}
            figures = {**figures, f"at_half_load_vendor_{SLOW_MS}_ms": half}
    finally:
        await server.stop()
        await vendor.stop()
    return {"bench": "server", "channel": channel, "connections": connections, **against(figures, ceiling)}


async def _part(vendor: MockVendor, server: Server, load: RestLoad, connections: int, latency_ms: float) -> Figures:
    await vendor.configure(latency_ms=latency_ms)
    before = server.usage()
    seconds = await load.run(server.port, connections)
    await arrived(vendor.totals, len(load.accepted))
    figures = await _figures(vendor, load, before, server.usage())
    answered = {key: round(value + latency_ms, 2) for key, value in figures["send_to_vendor_ms"].items()}
    accepted = round(len(load.accepted) / seconds, 1)
    return {**figures, "accepted_per_s": accepted, "latency_ms": latency_ms, "send_to_answer_ms": answered}


async def warm_up(vendor: MockVendor, server: Server, users: int) -> None:
    """A few messages before the clock runs: log-in at the vendor, caches, connections. They are not counted."""
    load = RestLoad(Messages(users), WARM_UP)
    await load.run(server.port, 8)
    if load.refused:
        raise RuntimeError(f"the server refused a message: {load.refused[0].decode('utf-8', 'replace')}")
    await arrived(vendor.totals, WARM_UP)
    await vendor.reset()


async def _figures(vendor: MockVendor, load: RestLoad, before: Usage, after: Usage) -> Figures:
    totals, arrivals = await vendor.totals(), await vendor.dump()
    reckoning = Reckoning(load.accepted, arrivals)
    span = (totals["last_ns"] - min(load.started.values(), default=0)) / 1e9
    return {
        **rated(totals["pushes"], span, after.cpu_seconds - before.cpu_seconds),
        "accepted": len(load.accepted),
        "refused": load.refusals + load.cut_off,
        "arrived": totals["messages"],
        "lost": len(reckoning.lost),
        "doubled": len(reckoning.doubled),
        "accept_to_vendor_ms": latencies(load.accepted, arrivals),
        "send_to_vendor_ms": latencies(load.started, arrivals),
        "rss_mib": round(after.rss_mib, 1),
        "rss_mib_before": round(before.rss_mib, 1),
    }
