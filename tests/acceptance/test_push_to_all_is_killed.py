"""A push to everybody whose server is killed in the middle: every target is reached, and none twice but what was just under way."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from homing.bench.job import ask_for_push, finished
from homing.bench.processes import MockVendor, Server
from homing.bench.seed import Binding, seed
from homing.bench.waiting import until
from homing.services.bulk_lane import BATCHES_IN_FLIGHT

ServerFactory = Callable[..., Server]
TOKENS = 60_000
BATCH = 1000


async def kill_in_the_middle(server: Server, vendor: MockVendor) -> None:
    bindings = [Binding("huawei", TOKENS, options={"requests_per_second": "10000000"})]
    await seed(server.database, server.key_file, vendor, bindings)
    await server.start(core=None)
    await vendor.configure(latency_ms=30)
    task_id = await ask_for_push(server.port)

    async def on_its_way() -> str:
        return "" if (await vendor.totals())["pushes"] >= TOKENS // 10 else "nothing was pushed yet"

    await until(on_its_way)
    await server.kill()
    before = (await vendor.totals())["pushes"]
    assert before < TOKENS
    await server.start(core=None)
    told = await finished(server.port, task_id, 60.0)
    assert told["Finished"] == told["Total"] == TOKENS
    counts = [n for arrival in (await vendor.dump()).values() for n in arrival.tokens.values()]
    assert len(counts) == TOKENS
    # A vendor may have taken what the process had no time to write down: that is sent again, under the same notification.
    assert sum(n - 1 for n in counts) <= BATCHES_IN_FLIGHT * BATCH
    assert max(counts) <= 2
    assert not any(arrival.tags_differ for arrival in (await vendor.dump()).values())
    await asyncio.wait_for(server.stop(), 20)


async def test_a_push_to_all_survives_kill_9(vendor: MockVendor, make_server: ServerFactory, sqlite_url: str) -> None:
    await kill_in_the_middle(make_server(sqlite_url), vendor)


async def test_a_push_to_all_survives_kill_9_on_postgresql(vendor: MockVendor, make_server: ServerFactory, postgres_url: str) -> None:
    await kill_in_the_middle(make_server(postgres_url, options=("--node-lease-seconds", "2")), vendor)
