"""A large group's message through ``kill -9``: every member's device is decided once, and every push arrives."""

from __future__ import annotations

from collections.abc import Callable

from homing.bench.group import make_group, say
from homing.bench.processes import MockVendor, Server
from homing.bench.seed import Binding, seed
from homing.bench.waiting import until
from homing.store.engine import Query
from homing.store.open import open_database

MEMBERS = 3_000
DECIDED = Query("test.decided", "SELECT COUNT(*), COUNT(DISTINCT device_id) FROM push")
LEFT = Query("test.left", "SELECT COUNT(*) FROM group_fan_out")


async def test_a_server_that_is_killed_while_it_hands_a_message_out_goes_on_and_serves_nobody_twice(
    vendor: MockVendor, make_server: Callable[..., Server], database_url: str
) -> None:
    server = make_server(database_url, options=("--node-lease-seconds", "2"))
    options = {"requests_per_second": "100000"}
    await seed(server.database, server.key_file, vendor, [Binding("huawei", MEMBERS, options=options)])
    await server.start(core=None)
    await make_group(server.port, MEMBERS)
    await say(server.port, "hb-group-1")
    await server.kill()
    await server.start(core=None)

    async def arrived() -> str:
        tokens = [len(arrival.tokens) for arrival in (await vendor.dump()).values()]
        return "" if tokens == [MEMBERS] else f"{tokens} of {MEMBERS} arrived"

    await until(arrived)
    database = await open_database(database_url)
    try:
        [(decided, devices)] = await database.read(lambda tx: tx.fetch(DECIDED))
        [(left,)] = await database.read(lambda tx: tx.fetch(LEFT))
    finally:
        await database.close()
    assert (decided, devices, left) == (MEMBERS, MEMBERS, 0)
