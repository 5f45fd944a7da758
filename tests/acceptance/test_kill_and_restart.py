"""A message that was answered OK is never lost: ``kill -9`` and SIGTERM under load, then a restart on the same store."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable

from homing.bench.load import Messages, RestLoad
from homing.bench.processes import MockVendor, Server
from homing.bench.seed import Binding, seed
from homing.bench.waiting import all_arrived, until
from homing.store.engine import Query
from homing.store.open import open_database

ServerFactory = Callable[..., Server]
USERS = 200
MESSAGES = 4000
#: What the vendor took and the server had no time to write down may be sent again: requests in flight, and results on their way.
WINDOW_NS = 3_000_000_000


async def under_load(server: Server, vendor: MockVendor) -> tuple[RestLoad, asyncio.Task[float]]:
    """A started, seeded server with a load under way, and a vendor so slow that pushes are in flight and wait in the lane."""
    await seed(server.database, server.key_file, vendor, [Binding(users=USERS)])
    await server.start(core=None)
    await vendor.configure(latency_ms=200)
    load = RestLoad(Messages(USERS), MESSAGES)
    running = asyncio.create_task(load.run(server.port, 32))
    await load.until_accepted(MESSAGES // 4)
    assert load.refused == []
    return load, running


async def kill_and_restart(server: Server, vendor: MockVendor) -> None:
    load, running = await under_load(server, vendor)
    killed_ns = time.monotonic_ns()
    await server.kill()
    await running
    assert MESSAGES // 4 <= len(load.accepted) < MESSAGES
    assert load.cut_off > 0
    await server.start(core=None)
    more = RestLoad(load.messages, 500, first=MESSAGES)
    await more.run(server.port, 16)
    assert len(more.accepted) == 500
    arrivals = await all_arrived(vendor, {**load.accepted, **more.accepted})
    doubled = [arrival for arrival in arrivals.values() if arrival.times > 1]
    assert all(arrival.times == 2 and not arrival.tags_differ for arrival in doubled)
    assert all(killed_ns - arrival.arrived_ns < WINDOW_NS for arrival in doubled)
    assert await server.stop() == 0


async def test_what_was_accepted_before_kill_9_arrives_after_a_restart(
    vendor: MockVendor, make_server: ServerFactory, sqlite_url: str
) -> None:
    await kill_and_restart(make_server(sqlite_url), vendor)


async def test_what_was_accepted_before_kill_9_arrives_after_a_restart_on_postgresql(
    vendor: MockVendor, make_server: ServerFactory, postgres_url: str
) -> None:
    await kill_and_restart(make_server(postgres_url, options=("--node-lease-seconds", "2")), vendor)


async def test_sigterm_under_load_drains_within_ten_seconds_and_loses_nothing(
    vendor: MockVendor, make_server: ServerFactory, database_url: str
) -> None:
    server = make_server(database_url)
    load, running = await under_load(server, vendor)
    began = time.monotonic()
    assert await server.stop(seconds=20) == 0
    assert time.monotonic() - began < 10
    await running
    assert "Traceback" not in server.last_words()
    await server.start(core=None)
    arrivals = await all_arrived(vendor, load.accepted)
    assert [mark for mark, arrival in arrivals.items() if arrival.times > 1] == []


async def test_a_stopped_server_leaves_the_rest_durable_when_the_vendor_does_not_answer(
    vendor: MockVendor, make_server: ServerFactory, sqlite_url: str
) -> None:
    server = make_server(sqlite_url)
    await seed(server.database, server.key_file, vendor, [Binding(users=USERS)])
    await server.start(core=None)
    await vendor.configure(faults=[{"kind": "silence"}], share=1.0, times=1)
    load = RestLoad(Messages(USERS), 400)
    await load.run(server.port, 16)
    assert len(load.accepted) == 400

    async def in_flight() -> str:
        return "" if (await vendor.totals())["requests"] else "a request at the vendor"

    await until(in_flight)
    began = time.monotonic()
    assert await server.stop(seconds=20) == 0
    assert time.monotonic() - began < 10
    await vendor.configure(faults=[])
    await vendor.reset()
    await server.start(core=None)
    arrivals = await all_arrived(vendor, load.accepted)
    assert all(arrival.times == 1 for arrival in arrivals.values())
    await _everything_is_recorded(server.database)


async def _everything_is_recorded(url: str) -> None:
    """No push waits any more, by the record."""
    database = await open_database(url)
    query = Query("test.live", "SELECT COUNT(*) FROM push WHERE state < 10")

    async def live() -> str:
        [(count,)] = await database.read(lambda tx: tx.fetch(query))
        return f"{count} pushes are still live" if count else ""

    try:
        await until(live)
    finally:
        await database.close()
