"""What every bus must do. Another implementation adds itself to ``BUSES`` and passes the same tests."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence

import pytest

from homing.bus.base import Bus, BusLimits
from homing.bus.local import LocalBus
from homing.bus.nats import NatsBus
from homing.model.delivery import Delivery, ReadDelivery


def local_bus(_: pytest.FixtureRequest, limits: BusLimits) -> Bus:
    return LocalBus(limits)


def nats_bus(request: pytest.FixtureRequest, limits: BusLimits) -> Bus:
    return NatsBus([request.getfixturevalue("nats_url")], limits)


BUSES: dict[str, Callable[[pytest.FixtureRequest, BusLimits], Bus]] = {"local": local_bus, "nats": nats_bus}
LIMITS = BusLimits(max_deliveries=1000, max_lanes=100, max_topics=100, batch=64)
HERE, THERE = 1, 2


@pytest.fixture(params=BUSES)
async def bus(request: pytest.FixtureRequest) -> AsyncIterator[Bus]:
    made = BUSES[request.param](request, LIMITS)
    await made.start()
    yield made
    await made.close()


class Receiver:
    """Collects what a node gets; ``until`` waits for it without polling."""

    def __init__(self) -> None:
        self.got: list[Delivery] = []
        self._wanted: tuple[int, asyncio.Event] | None = None

    def __call__(self, deliveries: Sequence[Delivery]) -> None:
        self.got.extend(deliveries)
        if self._wanted is not None and len(self.got) >= self._wanted[0]:
            self._wanted[1].set()

    async def until(self, count: int) -> list[Delivery]:
        if len(self.got) < count:
            self._wanted = (count, asyncio.Event())
            await asyncio.wait_for(self._wanted[1].wait(), 5)
        return self.got


def read(device_id: int, number: int) -> ReadDelivery:
    return ReadDelivery(device_id, 1, "peer", number)


async def settled(bus: Bus) -> None:
    """Everything sent before has been handed over: announcements from one sender arrive after its earlier ones."""
    for step in range(3):
        arrived = asyncio.Event()
        bus.on_announce(f"settled/{step}", lambda _topic, arrived=arrived: arrived.set())  # type: ignore[misc]
        bus.announce(f"settled/{step}")
        await asyncio.wait_for(arrived.wait(), 5)


async def test_deliveries_of_a_device_keep_their_order(bus: Bus) -> None:
    receiver = Receiver()
    bus.on_deliver(HERE, receiver)
    for number in range(300):
        bus.deliver(HERE, [read(number % 3, number)])
    got = await receiver.until(300)
    for device in range(3):
        numbers = [d.read_at for d in got if isinstance(d, ReadDelivery) and d.device_id == device]
        assert numbers == sorted(numbers)


async def test_a_delivery_is_never_handed_over_inside_the_senders_call(bus: Bus) -> None:
    receiver = Receiver()
    bus.on_deliver(HERE, receiver)
    bus.deliver(HERE, [read(1, 1)])
    assert receiver.got == []
    await receiver.until(1)


async def test_deliveries_come_in_batches_of_bounded_size(bus: Bus) -> None:
    sizes: list[int] = []
    receiver = Receiver()

    def handler(deliveries: Sequence[Delivery]) -> None:
        sizes.append(len(deliveries))
        receiver(deliveries)

    bus.on_deliver(HERE, handler)
    bus.deliver(HERE, [read(1, number) for number in range(200)])
    await receiver.until(200)
    assert max(sizes) <= LIMITS.batch


async def test_a_node_gets_its_own_deliveries_only(bus: Bus) -> None:
    here, there = Receiver(), Receiver()
    bus.on_deliver(HERE, here)
    bus.on_deliver(THERE, there)
    bus.deliver(HERE, [read(1, 1)])
    bus.deliver(THERE, [read(2, 2)])
    assert await here.until(1) == [read(1, 1)]
    assert await there.until(1) == [read(2, 2)]


async def test_a_delivery_to_an_unknown_node_is_dropped_without_an_error(bus: Bus) -> None:
    bus.deliver(999, [read(1, 1)])
    await settled(bus)


async def test_a_full_receiver_drops_the_newest_and_counts_them(bus: Bus) -> None:
    receiver = Receiver()
    bus.on_deliver(HERE, receiver)
    bus.deliver(HERE, [read(1, number) for number in range(1500)])
    got = await receiver.until(1000)
    await settled(bus)
    assert [d.read_at for d in got if isinstance(d, ReadDelivery)] == list(range(1000))
    assert bus.counters.dropped == 500
    assert bus.counters.delivered == 1000


async def test_a_receiver_that_was_full_takes_deliveries_again(bus: Bus) -> None:
    receiver = Receiver()
    bus.on_deliver(HERE, receiver)
    bus.deliver(HERE, [read(1, number) for number in range(1100)])
    await receiver.until(1000)
    bus.deliver(HERE, [read(1, 5000)])
    assert (await receiver.until(1001))[-1] == read(1, 5000)


async def test_a_full_receiver_does_not_take_room_from_another(bus: Bus) -> None:
    here, there = Receiver(), Receiver()
    bus.on_deliver(HERE, here)
    bus.on_deliver(THERE, there)
    bus.deliver(HERE, [read(1, number) for number in range(5000)])
    bus.deliver(THERE, [read(2, 1)])
    assert await there.until(1) == [read(2, 1)]


async def test_nothing_arrives_after_close(bus: Bus) -> None:
    receiver, lanes, topics = Receiver(), list[object](), list[str]()
    bus.on_deliver(HERE, receiver)
    bus.on_wake(lanes.append)
    bus.on_announce("", topics.append)
    bus.deliver(HERE, [read(1, 1)])
    bus.wake((1, 1, "private"))
    bus.announce("apps/1")
    await bus.close()
    bus.deliver(HERE, [read(1, 2)])
    bus.wake((1, 2, "private"))
    bus.announce("apps/2")
    for _ in range(5):
        await asyncio.sleep(0)
    assert (receiver.got, lanes, topics) == ([], [], [])
    assert not bus.healthy


async def test_a_started_bus_is_healthy(bus: Bus) -> None:
    assert bus.healthy


async def test_a_raising_delivery_handler_gets_the_next_batch_all_the_same(bus: Bus) -> None:
    receiver = Receiver()

    def handler(deliveries: Sequence[Delivery]) -> None:
        receiver(deliveries)
        raise ValueError("a mistake in the handler")

    bus.on_deliver(HERE, handler)
    bus.deliver(HERE, [read(1, 1)])
    await receiver.until(1)
    bus.deliver(HERE, [read(1, 2)])
    await receiver.until(2)
    assert bus.counters.handler_errors == 2


async def test_a_raising_handler_does_not_stop_the_others(bus: Bus) -> None:
    lanes: list[object] = []
    topics: list[str] = []

    def bad(_: object) -> None:
        raise ValueError("a mistake in the handler")

    bus.on_wake(bad)
    bus.on_wake(lanes.append)
    bus.on_announce("apps", bad)
    bus.on_announce("apps", topics.append)
    bus.wake((1, 2, "private"))
    bus.announce("apps/1")
    await settled(bus)
    assert lanes == [(1, 2, "private")]
    assert topics == ["apps/1"]


async def test_wakes_of_one_lane_in_a_burst_arrive_as_one(bus: Bus) -> None:
    lanes: list[tuple[int, int, str]] = []
    bus.on_wake(lanes.append)
    for _ in range(1000):
        bus.wake((1, 2, "private"))
        bus.wake((1, 2, "public"))
    await settled(bus)
    assert set(lanes) == {(1, 2, "private"), (1, 2, "public")}
    assert len(lanes) < 20


async def test_a_lane_can_be_woken_again_after_it_was_woken(bus: Bus) -> None:
    lanes: list[object] = []
    bus.on_wake(lanes.append)
    for _ in range(2):
        bus.wake((1, 2, "private"))
        await settled(bus)
    assert lanes == [(1, 2, "private")] * 2


async def test_a_lane_woken_by_a_wake_handler_is_not_lost(bus: Bus) -> None:
    lanes: list[tuple[int, int, str]] = []

    def handler(lane: tuple[int, int, str]) -> None:
        lanes.append(lane)
        if lane[1] < 3:
            bus.wake((1, lane[1] + 1, "private"))

    bus.on_wake(handler)
    bus.wake((1, 0, "private"))
    await settled(bus)
    await settled(bus)
    assert [lane[1] for lane in lanes] == [0, 1, 2, 3]


async def test_waiting_wakes_and_topics_are_bounded(bus: Bus) -> None:
    lanes: list[object] = []
    topics: list[str] = []
    bus.on_wake(lanes.append)
    bus.on_announce("t/", topics.append)
    for number in range(1000):
        bus.wake((1, number, "private"))
        bus.announce(f"t/{number}")
    for _ in range(5):
        await asyncio.sleep(0)
    await settled(bus)
    assert len(lanes) <= LIMITS.max_lanes
    assert len(topics) <= LIMITS.max_topics
    assert bus.counters.dropped >= 1800


async def test_an_announcement_reaches_the_handlers_of_its_prefix_only(bus: Bus) -> None:
    apps: list[str] = []
    certificates: list[str] = []
    bus.on_announce("apps", apps.append)
    bus.on_announce("certificates", certificates.append)
    bus.announce("certificates/20000001")
    await settled(bus)
    assert apps == []
    assert certificates == ["certificates/20000001"]


async def test_a_later_delivery_handler_takes_the_place_of_the_earlier(bus: Bus) -> None:
    first, second = Receiver(), Receiver()
    bus.on_deliver(HERE, first)
    bus.on_deliver(HERE, second)
    bus.deliver(HERE, [read(1, 1)])
    await second.until(1)
    assert first.got == []
