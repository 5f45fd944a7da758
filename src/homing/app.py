"""The composition root: the only place that wires things."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import os
import random
import secrets
import signal
import socket
import sys
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import structlog

from homing.bus.base import Bus
from homing.bus.local import LocalBus
from homing.bus.nats import BusRefused, NatsBus
from homing.channels.registry import CHANNELS
from homing.config import Config
from homing.logs import configure_logs
from homing.model.clock import Clock, Ids, SystemClock
from homing.rules.sigv4 import AccessKey
from homing.services.accounts import Accounts
from homing.services.apps import Apps
from homing.services.budgets import Budgets
from homing.services.bulk_dispatch import BulkDispatch
from homing.services.bulk_results import BulkResults
from homing.services.certificates import Certificates
from homing.services.counters import Counters
from homing.services.delivery import Delivery
from homing.services.dispatch import Dispatch
from homing.services.do_not_disturb import DoNotDisturb
from homing.services.explain import Explain
from homing.services.group_fan_out import GroupFanOut
from homing.services.group_messaging import GroupMessaging
from homing.services.groups import Groups
from homing.services.history import History
from homing.services.hooks import Hooks
from homing.services.hub import Hub
from homing.services.job_contents import JobContents
from homing.services.job_runner import JobRunner
from homing.services.labels import Labels
from homing.services.logins import VendorLogins
from homing.services.media import Media
from homing.services.media_bucket import Bucket
from homing.services.messaging import Messaging
from homing.services.node_lease import NodeLease
from homing.services.portraits import Portraits
from homing.services.push_hooks import PushHooks
from homing.services.push_jobs import PushJobs
from homing.services.receipts import Receipts
from homing.services.recorder import Recorder
from homing.services.relations import Relations
from homing.services.retention import Retention
from homing.services.sessions import Sessions
from homing.services.statistics import Statistics
from homing.services.verdicts import Verdicts
from homing.store.engine import Database, StoreRefused
from homing.store.grants import SealedGrants
from homing.store.lock import FileLock
from homing.store.media_files import MediaFiles
from homing.store.nodes import release_node, take_node
from homing.store.open import open_database, sqlite_path
from homing.store.push_queue import owner_of
from homing.store.sealing import Sealer, key_path, open_sealer
from homing.transport.client import HttpTransport
from homing.transport.easy import TransportOptions
from homing.transport.grants import Grants

if TYPE_CHECKING:
    import uvicorn

log = structlog.get_logger()

GRACE_SECONDS = 2.0  # for requests that are being answered when the server stops


class Node:
    """A running node: its hub and what has to be stopped in order."""

    def __init__(self, config: Config, database: Database, sealer: Sealer, node_id: int, boot: str) -> None:
        self.config, self.counters = config, Counters()
        self.lease = NodeLease(database, SystemClock(), node_id, boot, config.node_lease_seconds)
        self._transport = HttpTransport()
        clock, bus = SystemClock(), _bus(config)
        ids, owner = Ids(clock, node_id), owner_of(node_id, int(boot, 16))
        apps = Apps(database, sealer, clock)
        certificates = Certificates(database, sealer, clock, CHANNELS)
        accounts = Accounts(database, clock, bus)
        self._grants = Grants(clock, SealedGrants(database, sealer))
        hooks = self._hooks = _hooks(config, database, sealer, clock, ids)
        common: dict[str, Any] = {"database": database, "clock": clock, "ids": ids, "bus": bus}
        recorder = Recorder(database=database, ids=ids, owner=owner, clock=clock, hooks=hooks.pushes)
        verdicts = Verdicts(
            recorder=recorder,
            authority=certificates,
            clock=clock,
            random=random.Random().random,  # noqa: S311  (spreads retries, guards nothing)
            on_outcome=self.counters.outcome,
        )
        budgets = Budgets(database, clock)
        logins = VendorLogins(grants=self._grants, transport=self._transport, channels=CHANNELS, clock=clock)
        dispatch = Dispatch(
            database=database,
            bus=bus,
            owner=owner,
            clock=clock,
            apps=apps,
            authority=certificates,
            logins=logins,
            sender=self._transport,
            channels=CHANNELS,
            recorder=recorder,
            verdicts=verdicts,
            budgets=budgets,
            sends="push" in config.roles,
            judges_nodes=self.lease.judges,
            on_stored=self.counters.stored,
            hooks=hooks.pushes,
        )
        self._media_transport = HttpTransport(TransportOptions(allow_private=True))  # the operator's own bucket may be next door
        media = _media(config, database, clock, self._media_transport)
        self._retention = Retention(
            database=database,
            clock=clock,
            keep_messages_days=config.keep_messages_days,
            keep_pushes_days=config.keep_pushes_days,
            sweeps=(media.sweep,),
        )
        messaging = Messaging(database=database, ids=ids, owner=owner, clock=clock, outgoing=dispatch, hooks=hooks.messages)
        group_fan_out = GroupFanOut(
            database=database, clock=clock, ids=ids, owner=owner, apps=apps, outgoing=dispatch, on_decided=self.counters.handed_out
        )
        contents = JobContents(database, apps)
        self._bulk = _bulk_lanes(
            database, clock, ids, owner, certificates, logins, self._transport, budgets, recorder, contents, hooks.pushes, dispatch.waits
        )
        self._runner = JobRunner(
            **common,
            owner=owner,
            channels=CHANNELS,
            contents=contents,
            bulk=self._bulk,
            messaging=messaging,
        )
        push_jobs = PushJobs(database=database, ids=ids, clock=clock)
        push_jobs.on_change = self._runner.wake
        self.hub = Hub(
            clock=clock,
            ids=ids,
            node_id=node_id,
            database=database,
            bus=bus,
            apps=apps,
            accounts=accounts,
            certificates=certificates,
            sessions=Sessions(**common, node_id=node_id, apps=apps, accounts=accounts, certificates=certificates, hooks=hooks.states),
            messaging=messaging,
            history=History(database, clock, ids, bus),
            delivery=Delivery(database=database, clock=clock),
            dispatch=dispatch,
            receipts=Receipts(database=database, clock=clock, ids=ids, certificates=certificates, hooks=hooks.pushes),
            explain=Explain(database, clock),
            labels=Labels(database),
            push_jobs=push_jobs,
            statistics=Statistics(database, clock),
            portraits=Portraits(database),
            relations=Relations(database, clock),
            groups=Groups(database, clock, ids, bus),
            do_not_disturb=DoNotDisturb(database, clock),
            group_messaging=GroupMessaging(**common, fan_out=group_fan_out, hooks=hooks.messages),
            group_fan_out=group_fan_out,
            media=media,
        )
        self.hub.sessions.presence.follow(self.lease)

    async def start(self) -> None:
        """Begin to work."""
        try:
            await self.hub.bus.start()
        except BusRefused as error:
            raise StoreRefused(str(error)) from error
        await self._hooks.start()
        await self.hub.dispatch.start()
        self.hub.group_fan_out.start()
        if "push" in self.config.roles:
            await self._bulk.start()
            await self._runner.start()
        self._retention.start()

    async def stop(self) -> None:
        """Finish what is in flight; the rest is durable."""
        hub = self.hub
        self._retention.stop()
        await self._runner.stop()
        await self._bulk.stop()
        await hub.messaging.drain()
        await hub.group_fan_out.stop()
        await hub.delivery.drain()
        await hub.receipts.drain()
        await hub.dispatch.stop(self.config.drain_seconds)
        await self._grants.aclose()
        await self._hooks.stop()
        await self._transport.aclose(grace_seconds=1.0)
        await self._media_transport.aclose(grace_seconds=0.0)
        await hub.bus.close()


def _bulk_lanes(
    database: Database,
    clock: SystemClock,
    ids: Ids,
    owner: int,
    certificates: Certificates,
    logins: VendorLogins,
    transport: HttpTransport,
    budgets: Budgets,
    recorder: Recorder,
    contents: JobContents,
    hooks: PushHooks,
    chat_waits: Callable[[tuple[int, int]], bool],
) -> BulkDispatch:
    return BulkDispatch(
        database=database,
        clock=clock,
        owner=owner,
        authority=certificates,
        logins=logins,
        sender=transport,
        channels=CHANNELS,
        budgets=budgets,
        results=BulkResults(ids=ids, owner=owner, clock=clock, random=random.Random().random, hooks=hooks),  # noqa: S311  (spreads retries)
        recorder=recorder,
        contents=contents,
        chat_waits=chat_waits,
    )


def _media(config: Config, database: Database, clock: Clock, transport: HttpTransport) -> Media:
    path = sqlite_path(config.database)
    folder = config.media_dir or (str(Path(path).parent / "media") if path is not None else "")
    return Media(
        database=database,
        clock=clock,
        files=MediaFiles(Path(folder)) if folder else None,
        max_mb=config.media_max_mb,
        daily_mb=config.media_daily_mb,
        keep_days=config.keep_media_days,
        public_url=config.public_url,
        bucket=Bucket(config.media_s3_url, config.media_s3_region, _access_key(config), transport, clock) if config.media_s3_url else None,
    )


def _access_key(config: Config) -> AccessKey:
    try:
        key_id, secret = Path(config.media_s3_key_file).read_text("utf-8").split()
    except (OSError, ValueError) as error:
        why = getattr(error, "strerror", None) or "it has not two words"
        raise StoreRefused(f"media_s3_key_file cannot be used ({why}): it has the access key id and the secret, a line each") from None
    return AccessKey(key_id, secret)


def _hooks(config: Config, database: Database, sealer: Sealer, clock: Clock, ids: Ids) -> Hooks:
    private = config.webhooks_to_private_addresses
    return Hooks(database=database, sealer=sealer, clock=clock, ids=ids, channels=CHANNELS, allow_private=private)


def _bus(config: Config) -> Bus:
    return LocalBus() if config.bus == "local" else NatsBus([f"nats://{part.removeprefix('nats://')}" for part in config.bus.split(",")])


@contextlib.asynccontextmanager
async def open_node(config: Config) -> AsyncIterator[Node]:
    """A started node on the configured store; stopped and closed at the end. Raises ``StoreRefused`` with a sentence."""
    async with contextlib.AsyncExitStack() as stack:
        path = sqlite_path(config.database)
        if path is not None:
            lock = FileLock(path)
            await asyncio.to_thread(_take, lock, path)
            stack.callback(lock.release)
        database = await open_database(config.database, connections=config.postgres_connections)
        stack.push_async_callback(database.close)
        sealer = await open_sealer(database, key_path(config.database, config.master_key_file))
        boot = secrets.token_hex(8)
        now_ms, lease_ms = SystemClock().now_ms(), int(config.node_lease_seconds * 1000)
        node_id = await database.write(lambda tx: take_node(tx, boot, now_ms, lease_ms, alone=path is not None))
        stack.push_async_callback(database.write, lambda tx: release_node(tx, node_id, boot))
        node = Node(config, database, sealer, node_id, boot)
        await node.start()
        stack.push_async_callback(node.stop)
        if path is None:
            keeper = asyncio.get_running_loop().create_task(_keep_number(node.lease, node_id))
            stack.callback(keeper.cancel)
        yield node


def _take(lock: FileLock, path: str) -> None:
    from homing.store.sqlite import connect

    connect(path).close()  # makes the folder, or says in words why not
    lock.take()


async def _keep_number(lease: NodeLease, node_id: int) -> None:
    await lease.keep()
    # Another process lives under this number now: what it holds must not be touched by us.
    log.error("node_number_lost", node_id=node_id, hint="the process was stopped or cut off for longer than node_lease_seconds")
    os.kill(os.getpid(), signal.SIGTERM)


def listener(host: str, port: int) -> socket.socket:
    """A listening socket. Raises ``StoreRefused`` with a sentence when the address cannot be had."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    sock = socket.socket(family, socket.SOCK_STREAM)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        sock.bind((host, port))
    except OSError as error:
        sock.close()
        raise StoreRefused(f"{host}:{port} cannot be listened on ({error.strerror}): choose another address with --listen") from error
    sock.listen(4096)
    sock.setblocking(False)
    return sock


def web_server(application: Any, config: Config, started: asyncio.Event) -> uvicorn.Server:
    """The HTTP server around an ASGI application. It handles no signals of its own, and sets ``started`` when it can serve."""
    import uvicorn

    from homing.server.device.wire import DeviceWebSocket
    from homing.server.direct import direct_to

    class Server(uvicorn.Server):
        @contextlib.contextmanager
        def capture_signals(self) -> Any:
            yield

        async def startup(self, sockets: list[socket.socket] | None = None) -> None:
            await super().startup(sockets)
            started.set()

    settings = uvicorn.Config(
        application,
        http=direct_to(getattr(application, "direct", None)),
        ws=DeviceWebSocket,
        lifespan="off",
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,
        timeout_keep_alive=75,
        timeout_graceful_shutdown=int(GRACE_SECONDS),
        ws_max_size=65_536,
        ws_ping_interval=None,
        ws_per_message_deflate=False,
        ssl_certfile=config.tls_certificate_file or None,
        ssl_keyfile=config.tls_key_file or None,
    )
    return Server(settings)


async def serve(config: Config, *, ready: Callable[[str], None] | None = None) -> None:
    """Run until SIGTERM or SIGINT, then drain. Raises ``StoreRefused`` with a sentence when it cannot start."""
    from homing.server.build import build

    configure_logs(config)
    sock = listener(config.host, config.port)
    async with contextlib.AsyncExitStack() as stack:
        stack.callback(sock.close)
        node = await stack.enter_async_context(open_node(config))
        started = asyncio.Event()
        server = web_server(await stack.enter_async_context(build(node)), config, started)
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, _stop, server)
        serving = loop.create_task(server.serve(sockets=[sock]))
        await started.wait()
        _settle_memory()
        host, port = sock.getsockname()[:2]
        scheme = "https" if config.tls_certificate_file else "http"
        announce = ready or _announce
        announce(f"{scheme}://{f'[{host}]' if ':' in host else host}:{port}")
        await serving


def _settle_memory() -> None:
    """What lives as long as the server is taken out of the collector's rounds, and the rounds become rarer.

    Messages make no cycles; the default of one round every 700 objects costs several percent of a loaded core.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(20_000, 20, 50)


def _stop(server: uvicorn.Server) -> None:
    server.should_exit = True


def _announce(url: str) -> None:
    sys.stdout.write(f"listening on {url}\n")
    sys.stdout.flush()
