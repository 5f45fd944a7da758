"""Several nodes on one PostgreSQL and NATS: roles apart, a node that dies, a NATS that restarts."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest

from homing.bench.load import Messages, RestLoad
from homing.bench.processes import MockVendor, Server
from homing.bench.seed import Binding, seed
from homing.bench.waiting import all_arrived

ServerFactory = Callable[..., Server]
USERS = 100
LEASE = ("--node-lease-seconds", "2")


@pytest.fixture
async def seeded(postgres_url: str, make_server: ServerFactory, vendor: MockVendor) -> str:
    """A database with users, tokens and a certificate that points at the mock vendor."""
    template = make_server(postgres_url)
    await seed(template.database, template.key_file, vendor, [Binding(users=USERS)])
    return postgres_url


def node(make_server: ServerFactory, url: str, nats: str, roles: str) -> Server:
    return make_server(url, options=("--bus", nats, "--roles", roles, *LEASE))


async def test_what_one_node_accepts_another_sends_at_once(
    seeded: str, make_server: ServerFactory, vendor: MockVendor, nats_url: str
) -> None:
    api, push = node(make_server, seeded, nats_url, "api"), node(make_server, seeded, nats_url, "push")
    await push.start(core=None)
    await api.start(core=None)
    load = RestLoad(Messages(USERS), 1000)
    await load.run(api.port, 16)
    assert (len(load.accepted), load.refused) == (1000, [])
    arrivals = await all_arrived(vendor, load.accepted)
    assert all(arrival.times == 1 for arrival in arrivals.values())
    assert await api.stop() == 0
    assert await push.stop() == 0


async def test_a_killed_nodes_pushes_are_taken_over_and_none_is_sent_twice_but_those_in_flight(
    seeded: str, make_server: ServerFactory, vendor: MockVendor, nats_url: str
) -> None:
    first, second = node(make_server, seeded, nats_url, "api,push"), node(make_server, seeded, nats_url, "api,push")
    await first.start(core=None)
    await second.start(core=None)
    await vendor.configure(latency_ms=200)
    loads = [RestLoad(Messages(USERS), 800), RestLoad(Messages(USERS), 800, first=10_000)]
    loads[1].messages = loads[0].messages
    running = [asyncio.create_task(load.run(server.port, 8)) for load, server in zip(loads, (first, second), strict=True)]
    await loads[0].until_accepted(300)
    await first.kill()
    await asyncio.gather(*running)
    assert len(loads[1].accepted) == 800
    arrivals = await all_arrived(vendor, {**loads[0].accepted, **loads[1].accepted})
    doubled = [arrival for arrival in arrivals.values() if arrival.times > 1]
    assert len(doubled) <= 600  # one lane's requests in flight and their results on the way
    assert all(arrival.times == 2 and not arrival.tags_differ for arrival in doubled)
    assert await second.stop() == 0


async def test_a_nats_restart_under_load_loses_and_doubles_nothing(
    seeded: str, make_server: ServerFactory, vendor: MockVendor, nats_server: Any
) -> None:
    api, push = node(make_server, seeded, nats_server.url, "api"), node(make_server, seeded, nats_server.url, "push")
    await push.start(core=None)
    await api.start(core=None)
    load = RestLoad(Messages(USERS), 1500)
    running = asyncio.create_task(load.run(api.port, 8))
    await load.until_accepted(300)
    await asyncio.to_thread(nats_server.stop)
    await load.until_accepted(700)
    await asyncio.to_thread(nats_server.start)
    await running
    assert (len(load.accepted), load.refused) == (1500, [])
    arrivals = await all_arrived(vendor, load.accepted)
    assert all(arrival.times == 1 for arrival in arrivals.values())
    assert await api.stop() == 0
    assert await push.stop() == 0


async def test_a_bus_that_is_not_there_is_told_in_one_sentence(seeded: str, make_server: ServerFactory) -> None:
    server = node(make_server, seeded, "nats://127.0.0.1:1", "api")
    with pytest.raises(RuntimeError, match="NATS cannot be reached"):
        await server.start(core=None)
    assert "Traceback" not in server.last_words()
