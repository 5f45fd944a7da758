"""One slow or broken vendor never delays another (promise 6), measured from the REST request to the vendor."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable

import pytest

from homing.bench.load import Messages, RestLoad, latencies
from homing.bench.processes import MockVendor, Server
from homing.bench.seed import BUSINESS_ID, Binding, seed
from homing.bench.waiting import all_arrived

ServerFactory = Callable[..., Server]
USERS = 100
RATE = 200.0
#: Far above what a busy machine makes of it, far below the 10 and 15 seconds that a dead vendor takes to give up on.
BOUND_MS = 1500.0


@pytest.mark.parametrize("death", ["port_closed", "never_answers"])
async def test_a_dead_vendor_does_not_slow_another_certificate(
    vendor: MockVendor, make_server: ServerFactory, sqlite_url: str, death: str
) -> None:
    server = make_server(sqlite_url)
    dead = Binding("huawei", USERS, BUSINESS_ID + 1, first_user=USERS, base_url=_closed_port() if death == "port_closed" else "")
    await seed(server.database, server.key_file, vendor, [Binding(users=USERS), dead])
    await vendor.configure(faults=[{"kind": "silence"}], share=1.0, times=1_000_000, channel="huawei")
    await server.start(core=None)
    alive, lost = RestLoad(Messages(USERS), 600, rate=RATE), RestLoad(Messages(USERS, first_user=USERS), 600, rate=RATE)
    await asyncio.gather(alive.run(server.port, 16), lost.run(server.port, 16))
    assert len(alive.accepted) == len(lost.accepted) == 600
    arrivals = await all_arrived(vendor, alive.accepted)
    found = latencies(alive.started, arrivals)
    assert found["p99"] < BOUND_MS, found
    assert not any(arrivals[mark].tokens for mark in lost.accepted if mark in arrivals)


def _closed_port() -> str:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return f"http://127.0.0.1:{taken.getsockname()[1]}"
