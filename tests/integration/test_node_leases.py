"""After an outage of the store all leases look old: the living are not taken for dead, and the dead are, a lease later."""

from __future__ import annotations

from typing import Any

import pytest

from homing.services.node_lease import NodeLease
from homing.services.presence import Presence
from homing.store.engine import Database, Query, StoreBusy, Tx
from homing.store.nodes import take_node
from homing.store.push_queue import owner_of, release_lost

LEASE = 15.0
_DEVICE = Query(
    "test.device",
    "INSERT INTO device (device_id, sdkappid, user_id, platform, instance_id, session_state, session_id, login_at_ms, expires_at_ms, "
    "last_seen_ms, app_state, node_id) VALUES (?, 1400000001, ?, 'android', 'i', 'active', 1, 0, 0, 0, 'foreground', ?)",
)
_WHERE = Query("test.where", "SELECT device_id, node_id FROM device ORDER BY device_id")


class Outage:
    """A store that may be away."""

    def __init__(self, database: Database) -> None:
        self.dialect, self.away, self._database = database.dialect, False, database

    async def write(self, work: Any) -> Any:
        if self.away:
            raise StoreBusy("away")
        return await self._database.write(work)

    async def read(self, work: Any) -> Any:
        return await self._database.read(work)


class Node:
    """The signs of life and the presence of one node; node n holds the socket of device n."""

    def __init__(self, store: Any, clock: Any, node_id: int) -> None:
        self.node_id, self._store, self._clock = node_id, store, clock
        self.lease = NodeLease(store, clock, node_id, f"boot {node_id}", LEASE)
        self.presence = Presence(store, clock, node_id)
        self.presence.follow(self.lease)

    async def search(self) -> list[int]:
        """Look for dead nodes as presence and dispatch do."""
        await self.presence.flush()
        if not self.lease.judges():
            return []
        owner, now_ms = owner_of(self.node_id, 1), self._clock.now_ms()
        return list(await self._store.write(lambda tx: release_lost(tx, owner, now_ms)))


@pytest.fixture
async def store(database: Database) -> Outage:
    return Outage(database)


@pytest.fixture
async def nodes(store: Outage, clock: Any) -> list[Node]:
    """Three nodes that have been there for a while, each with a socket."""
    now_ms = clock.now_ms()

    async def begin(tx: Tx) -> None:
        for n in range(3):
            assert await take_node(tx, f"boot {n}", now_ms, int(LEASE * 1000), alone=False) == n
            await tx.execute(_DEVICE, n, f"user {n}", n)

    await store.write(begin)
    made = [Node(store, clock, n) for n in range(3)]
    await live(clock, made, 2 * LEASE)
    return made


async def live(clock: Any, nodes: list[Node], seconds: float) -> list[int]:
    """These nodes renew and search; the nodes that they took for dead."""
    lost: list[int] = []
    for _ in range(int(seconds / (LEASE / 3))):
        clock.advance(seconds=LEASE / 3)
        for node in nodes:
            await node.lease.renew()
        for node in nodes:
            lost += await node.search()
    return lost


async def sockets(store: Outage) -> dict[int, int | None]:
    return {row[0]: row[1] for row in await store.read(lambda tx: tx.fetch(_WHERE))}


async def test_a_node_that_stays_silent_is_taken_for_dead(store: Outage, clock: Any, nodes: list[Node]) -> None:
    assert await live(clock, nodes[:2], LEASE + 2 * LEASE / 3) == [2]
    assert await sockets(store) == {0: 0, 1: 1, 2: None}


@pytest.mark.parametrize("outage_leases", [0.7, 1.0, 1.5, 40.0])
async def test_the_first_node_back_after_an_outage_spares_the_living(
    store: Outage, clock: Any, nodes: list[Node], outage_leases: float
) -> None:
    clock.advance(seconds=LEASE / 3)  # the others' signs of life are as old as they may be
    await nodes[0].lease.renew()
    clock.advance(seconds=outage_leases * LEASE)
    assert await nodes[0].search() == []
    await nodes[0].lease.renew()
    assert await nodes[0].search() == []
    assert await sockets(store) == {0: 0, 1: 1, 2: 2}
    assert await live(clock, nodes, 3 * LEASE) == []
    assert await sockets(store) == {0: 0, 1: 1, 2: 2}


async def test_who_does_not_come_back_after_an_outage_is_taken_for_dead_a_lease_later(store: Outage, clock: Any, nodes: list[Node]) -> None:
    store.away = True
    clock.advance(seconds=2 * LEASE)
    with pytest.raises(StoreBusy):
        await nodes[0].lease.renew()
    store.away = False
    assert await live(clock, nodes[:2], LEASE * 2 / 3) == []
    assert set(await live(clock, nodes[:2], LEASE)) == {2}
    assert await sockets(store) == {0: 0, 1: 1, 2: None}


async def test_a_node_that_stood_still_itself_judges_nobody_before_a_whole_lease(clock: Any, nodes: list[Node]) -> None:
    clock.advance(seconds=LEASE)
    await nodes[1].lease.renew()
    await nodes[2].lease.renew()
    assert not nodes[0].lease.judges()
    assert await nodes[0].lease.renew()
    assert [node.lease.lapses for node in nodes] == [1, 1, 1]
    clock.advance(seconds=LEASE / 3)
    assert not nodes[0].lease.judges()


async def test_a_number_that_another_process_took_is_noticed(store: Outage, clock: Any, nodes: list[Node]) -> None:
    clock.advance(seconds=LEASE + 1)
    now_ms = clock.now_ms()

    async def taken(tx: Tx) -> list[int]:
        await tx.execute(Query("test.full", "UPDATE node SET lease_until_ms = ? WHERE node_id > 0"), now_ms + 10**6)
        await tx.execute(Query("test.mine", "UPDATE node SET boot = 'another' WHERE node_id = 0"))
        return []

    await store.write(taken)
    assert not await nodes[0].lease.renew()
    await nodes[0].lease.keep()  # ends
    assert await nodes[1].lease.renew()
