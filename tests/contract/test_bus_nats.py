"""The NATS bus between processes: hints travel, an outage costs hints and nothing else."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest

from homing.bus.nats import BusRefused, NatsBus
from homing.model.delivery import Delivery, MessageDelivery, ReadDelivery, SessionEnded
from homing.model.messages import Message

MESSAGE = Message(1, 2, "alice", "bob", 3, 4, 5, 0, b'[{"MsgType":"TIMTextElem","MsgContent":{"Text":"hi"}}]', None, "", 6, None, 7)


class Inbox:
    """Collects deliveries and tells when enough are there."""

    def __init__(self) -> None:
        self.got: list[Delivery] = []
        self._more = asyncio.Event()

    def __call__(self, deliveries: Any) -> None:
        self.got.extend(deliveries)
        self._more.set()

    async def until(self, n: int) -> list[Delivery]:
        async with asyncio.timeout(10):
            while len(self.got) < n:
                self._more.clear()
                await self._more.wait()
        return self.got


@pytest.fixture
async def pair(nats_url: str) -> AsyncIterator[tuple[NatsBus, NatsBus]]:
    first, second = NatsBus([nats_url]), NatsBus([nats_url])
    await first.start()
    await second.start()
    yield first, second
    await first.close()
    await second.close()


async def test_every_kind_of_delivery_reaches_the_other_node_unchanged(pair: tuple[NatsBus, NatsBus], nats_url: str) -> None:
    here, _ = pair
    inbox, there = Inbox(), NatsBus([nats_url])
    there.on_deliver(2, inbox)
    await there.start()
    sent: list[Delivery] = [MessageDelivery(1, 9, MESSAGE, "Alice"), ReadDelivery(1, 9, "alice", 5), SessionEnded(1, 9, "kicked")]
    here.deliver(2, sent)
    assert await inbox.until(3) == sent
    await there.close()


async def test_wakes_and_announcements_reach_everybody_once(pair: tuple[NatsBus, NatsBus]) -> None:
    here, there = pair
    heard: dict[str, list[object]] = {"here": [], "there": []}
    done = asyncio.Event()
    here.on_announce("", heard["here"].append)
    there.on_announce("", heard["there"].append)
    there.on_wake(heard["there"].append)
    there.on_announce("last", lambda _: done.set())
    here.wake((1, 2, "private"))
    here.announce("apps/1")
    await asyncio.sleep(0)
    here.announce("last")
    await asyncio.wait_for(done.wait(), 10)
    assert heard["there"].count((1, 2, "private")) == 1
    assert heard["there"].count("apps/1") == 1
    assert heard["here"].count("apps/1") == 1


async def test_an_outage_costs_hints_and_the_bus_comes_back_by_itself(nats_server: Any) -> None:
    here, there, inbox = NatsBus([nats_server.url]), NatsBus([nats_server.url]), Inbox()
    there.on_deliver(2, inbox)
    await here.start()
    await there.start()
    await asyncio.to_thread(nats_server.stop)
    here.deliver(2, [ReadDelivery(1, 1, "lost", 1)])  # must neither raise nor block
    await asyncio.to_thread(nats_server.start)
    async with asyncio.timeout(20):
        while not inbox.got:
            here.deliver(2, [ReadDelivery(1, 1, "found", 2)])
            await asyncio.sleep(0.05)
    assert here.healthy
    await here.close()
    await there.close()


async def test_a_bus_that_cannot_be_reached_is_refused_with_a_sentence() -> None:
    with pytest.raises(BusRefused, match=r"cannot be reached at nats://127\.0\.0\.1:1 .*--bus"):
        await NatsBus(["nats://127.0.0.1:1"], connect_seconds=0.3).start()


async def test_a_password_in_the_address_is_not_shown() -> None:
    with pytest.raises(BusRefused) as refused:
        await NatsBus(["nats://homing:secret@127.0.0.1:1"], connect_seconds=0.3).start()
    assert "secret" not in str(refused.value)


async def test_a_nats_that_is_too_old_is_refused_with_a_sentence() -> None:
    async def greet(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        info = b'{"server_id":"a","version":"2.9.25","proto":1,"max_payload":1048576,"headers":true}'
        writer.write(b"INFO " + info + b"\r\n")
        while line := await reader.readline():
            if line.startswith(b"PING"):
                writer.write(b"PONG\r\n")
        writer.close()

    server = await asyncio.start_server(greet, "127.0.0.1", 0)
    try:
        port = server.sockets[0].getsockname()[1]
        with pytest.raises(BusRefused, match=r"NATS 2\.9 is too old: Homing needs 2\.10 or newer"):
            await NatsBus([f"nats://127.0.0.1:{port}"], connect_seconds=5).start()
    finally:
        server.close()
