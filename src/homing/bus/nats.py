"""The bus of many machines: NATS core subjects, no streams. A lost hint costs time, never a message.

Subjects: ``homing.deliver.{node}`` (MessagePack array of deliveries), ``homing.wake`` (a lane), ``homing.announce`` (a topic).
What is for this process takes the in-process bus; what is sent while NATS is away is dropped once the small buffer is full.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import secrets
from collections import deque
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import msgspec

from homing.model.delivery import Delivery

from .base import AnnounceHandler, BusLimits, DeliverHandler, Lane, WakeHandler
from .local import LocalBus

if TYPE_CHECKING:
    from nats.aio.client import Client

log = logging.getLogger(__name__)

CONNECT_SECONDS = 5
RECONNECT_SECONDS = 0.5
PENDING_BYTES = 4 * 1024 * 1024
_MIN_VERSION = (2, 10)
_MAX_PAYLOAD = 512 * 1024  # below the server's default of 1 MB
_WAKE, _ANNOUNCE, _DELIVER = "homing.wake", "homing.announce", "homing.deliver."


class BusRefused(Exception):
    """The bus cannot be used. ``str()`` says why and what to do."""


class _Wake(msgspec.Struct, array_like=True):
    origin: str
    lane: Lane


class _Announcement(msgspec.Struct, array_like=True):
    origin: str
    topic: str


_encode = msgspec.msgpack.Encoder().encode
_decode_deliveries = msgspec.msgpack.Decoder(list[Delivery]).decode
_decode_wake = msgspec.msgpack.Decoder(_Wake).decode
_decode_announcement = msgspec.msgpack.Decoder(_Announcement).decode


class NatsBus:
    """Implements ``Bus`` over NATS."""

    def __init__(self, servers: Sequence[str], limits: BusLimits | None = None, *, connect_seconds: float = CONNECT_SECONDS) -> None:
        self.limits = limits or BusLimits()
        self._local = LocalBus(self.limits)
        self.counters = self._local.counters
        self._servers = list(servers)
        self._connect_seconds = connect_seconds
        self._origin = secrets.token_hex(8)
        self._client: Client | None = None
        self._here: set[int] = set()
        self._outgoing: deque[tuple[str, bytes]] = deque()
        self._lanes: set[Lane] = set()
        self._topics: set[str] = set()
        self._more = asyncio.Event()
        self._sender: asyncio.Task[None] | None = None

    @property
    def healthy(self) -> bool:
        """Whether NATS is connected."""
        return self._client is not None and self._client.is_connected

    async def start(self) -> None:
        """Connect. Raises ``BusRefused`` with a sentence."""
        await self._local.start()
        self._client = await _connect(self._servers, self._connect_seconds)
        for node_id in self._here:
            await self._listen(node_id)
        await self._client.subscribe(_WAKE, cb=self._on_wake_message)
        await self._client.subscribe(_ANNOUNCE, cb=self._on_announcement)
        await self._client.flush()
        self._sender = asyncio.get_running_loop().create_task(self._send_all())

    async def close(self) -> None:
        """Disconnect; what waits is dropped."""
        client, self._client = self._client, None
        if self._sender is not None:
            self._sender.cancel()
        self.counters.dropped += len(self._outgoing)
        self._outgoing.clear()
        await self._local.close()
        if client is not None:
            with contextlib.suppress(Exception):
                await client.close()

    def deliver(self, node_id: int, deliveries: Sequence[Delivery]) -> None:
        """Hand deliveries to the node. See ``Bus.deliver``."""
        if node_id in self._here:
            self._local.deliver(node_id, deliveries)
            return
        for start in range(0, len(deliveries), self.limits.batch):
            part = deliveries[start : start + self.limits.batch]
            self._queue(_DELIVER + str(node_id), _encode(part), len(part))

    def on_deliver(self, node_id: int, handler: DeliverHandler) -> None:
        """Receive this node's deliveries. See ``Bus.on_deliver``."""
        self._local.on_deliver(node_id, handler)
        if node_id not in self._here:
            self._here.add(node_id)
            if self._client is not None:
                self._keep(self._listen(node_id))

    def wake(self, lane: Lane) -> None:
        """Say that a lane has work. See ``Bus.wake``."""
        self._local.wake(lane)
        if self._client is not None and lane not in self._lanes and len(self._lanes) < self.limits.max_lanes:
            self._lanes.add(lane)
            self._more.set()

    def on_wake(self, handler: WakeHandler) -> None:
        """Receive wake-ups from all nodes. See ``Bus.on_wake``."""
        self._local.on_wake(handler)

    def announce(self, topic: str) -> None:
        """Say that something changed. See ``Bus.announce``."""
        self._local.announce(topic)
        if self._client is not None and len(self._topics) < self.limits.max_topics:
            self._topics.add(topic)
            self._more.set()

    def on_announce(self, topic_prefix: str, handler: AnnounceHandler) -> None:
        """Receive topics. See ``Bus.on_announce``."""
        self._local.on_announce(topic_prefix, handler)

    # --- out ---

    def _queue(self, subject: str, payload: bytes, count: int) -> None:
        if self._client is None or len(self._outgoing) >= self.limits.max_deliveries or len(payload) > _MAX_PAYLOAD:
            self.counters.dropped += count
            return
        self._outgoing.append((subject, payload))
        self._more.set()

    async def _send_all(self) -> None:
        while True:
            await self._more.wait()
            self._more.clear()
            lanes, self._lanes = self._lanes, set()
            topics, self._topics = self._topics, set()
            self._outgoing.extend((_WAKE, _encode(_Wake(self._origin, lane))) for lane in lanes)
            self._outgoing.extend((_ANNOUNCE, _encode(_Announcement(self._origin, topic))) for topic in topics)
            while self._outgoing and self._client is not None:
                subject, payload = self._outgoing.popleft()
                try:
                    await self._client.publish(subject, payload)
                except Exception as error:  # away, and its buffer is full
                    self.counters.dropped += 1
                    log.debug("a hint was dropped: %s", error)

    # --- in ---

    async def _listen(self, node_id: int) -> None:
        assert self._client is not None

        async def received(message: Any) -> None:
            with contextlib.suppress(msgspec.MsgspecError):  # another version's hint: the push covers it
                self._local.deliver(node_id, _decode_deliveries(message.data))

        await self._client.subscribe(_DELIVER + str(node_id), cb=received)

    async def _on_wake_message(self, message: Any) -> None:
        with contextlib.suppress(msgspec.MsgspecError):
            wake = _decode_wake(message.data)
            if wake.origin != self._origin:
                self._local.wake(wake.lane)

    async def _on_announcement(self, message: Any) -> None:
        with contextlib.suppress(msgspec.MsgspecError):
            announcement = _decode_announcement(message.data)
            if announcement.origin != self._origin:
                self._local.announce(announcement.topic)

    def _keep(self, work: Any) -> None:
        task = asyncio.get_running_loop().create_task(work)
        task.add_done_callback(lambda done: done.cancelled() or done.exception())


async def _connect(servers: list[str], seconds: float) -> Client:
    import nats

    async def quiet(error: Exception) -> None:
        log.info("nats: %s", error or type(error).__name__)

    try:
        # The first connection is tried for a few seconds; a later loss is mended for ever.
        async with asyncio.timeout(seconds):
            client = await nats.connect(
                servers,
                name="homing",
                connect_timeout=CONNECT_SECONDS,
                allow_reconnect=True,
                max_reconnect_attempts=-1,
                reconnect_time_wait=RECONNECT_SECONDS,
                pending_size=PENDING_BYTES,
                error_cb=quiet,
            )
    except Exception as error:
        where = ", ".join(server.split("@")[-1] for server in servers)
        raise BusRefused(
            f"NATS cannot be reached at {where} ({str(error) or type(error).__name__}): check the address given with --bus"
        ) from error
    version = client.connected_server_version
    if (version.major, version.minor) < _MIN_VERSION:
        await client.close()
        raise BusRefused(f"NATS {version.major}.{version.minor} is too old: Homing needs {_MIN_VERSION[0]}.{_MIN_VERSION[1]} or newer")
    return client
