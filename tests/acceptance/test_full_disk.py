"""A disk that fills up while the server runs: "too fast" while it lasts, nothing lost, and on it goes when there is room again.

A limit on the size of the server's files stands in for the disk: the kernel refuses the same writes, and it can be lifted.
"""

from __future__ import annotations

import resource
from collections.abc import Callable

import msgspec
import pytest

from homing.bench.http import call
from homing.bench.load import Messages, RestLoad
from homing.bench.processes import MockVendor, Server
from homing.bench.seed import Binding, seed
from homing.bench.waiting import all_arrived, until

ServerFactory = Callable[..., Server]
USERS = 100
LIMIT_BYTES = 4096
TOO_FAST = 60_007


@pytest.mark.parametrize("log", ["log_elsewhere", "log_on_the_same_disk"])
async def test_a_full_disk_is_answered_too_fast_and_loses_nothing(
    vendor: MockVendor, make_server: ServerFactory, sqlite_url: str, log: str
) -> None:
    server = make_server(sqlite_url)
    if log == "log_on_the_same_disk":
        server.log.write_bytes(b"." * LIMIT_BYTES)
    await seed(sqlite_url, server.key_file, vendor, [Binding(users=USERS)])
    await server.start(core=None)
    # Slow answers, so that results of pushes are to be written while the disk is full.
    await vendor.configure(latency_ms=300)
    messages = Messages(USERS)
    before = RestLoad(messages, 300)
    await before.run(server.port, 16)
    assert len(before.accepted) == 300

    old = resource.prlimit(server.pid, resource.RLIMIT_FSIZE, (LIMIT_BYTES, resource.RLIM_INFINITY))
    full = RestLoad(messages, 300, first=300)
    await full.run(server.port, 16)
    assert full.refusals > 0
    assert full.cut_off == 0
    assert {msgspec.json.decode(answer)["ErrorCode"] for answer in full.refused} == {TOO_FAST}
    assert server.running
    assert (await call(server.port, "GET", "/healthz"))[0] == 200

    resource.prlimit(server.pid, resource.RLIMIT_FSIZE, old)
    after = RestLoad(messages, 300, first=600)

    async def refused() -> str:
        probe = RestLoad(messages, 1, first=10_000)
        await probe.run(server.port, 1)
        return "" if probe.accepted else "the server takes no messages although there is room again"

    await until(refused)
    await after.run(server.port, 16)
    assert len(after.accepted) == 300, after.refused
    arrivals = await all_arrived(vendor, {**before.accepted, **full.accepted, **after.accepted})
    assert [mark for mark, arrival in arrivals.items() if arrival.times > 1] == []
    assert await server.stop() == 0
    assert "Traceback" not in server.last_words()
