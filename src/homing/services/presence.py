"""Presence: sockets that come and go, signs of life, and how far each device has acknowledged its inbox."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import msgspec

from homing.model.clock import Clock
from homing.model.devices import Device
from homing.model.problems import SESSION_ENDED, Refused
from homing.store import presence as store
from homing.store.devices import device_by_id
from homing.store.engine import Database, Tx
from homing.store.messages import lock_accounts

from .node_lease import NodeLease
from .state_hooks import CLOSED, LOGIN, SILENT, StateHooks

#: A session that uses HTTPS is noted as alive this often at most.
TOUCH_MS = 60_000
MAX_TOUCHED = 50_000
BATCH = 2_000

Seen = tuple[int, int, int, int]  # device id, session id, at ms, acknowledged inbox place


class Connected(msgspec.Struct, frozen=True):
    """Where a device's synchronisation stands when it connects."""

    acknowledged: int  # inbox place that the device acknowledged last
    inbox_end: int


class Presence:
    """What the store knows of this node's sockets."""

    def __init__(self, database: Database, clock: Clock, node_id: int, hooks: StateHooks | None = None) -> None:
        self._database = database
        self._clock = clock
        self._node_id = node_id
        #: Whether a node whose lease has run out is gone; see ``NodeLease``.
        self.judges_nodes: Callable[[], bool] = lambda: True
        self._hooks = hooks
        #: How often this node was silent for so long that others may have taken its sockets for gone.
        self.lapses: Callable[[], int] = lambda: 0
        self._touched: dict[int, Seen] = {}

    def follow(self, lease: NodeLease) -> None:
        """Ask the lease of this node what to think of itself and of the others."""
        self.judges_nodes, self.lapses = lease.judges, lambda: lease.lapses

    async def start(self) -> None:
        """Sockets of this node's earlier life are gone."""
        await self._database.write(lambda tx: store.clear_node(tx, self._node_id))

    async def connect(self, device: Device, connection_id: int) -> Connected:
        """This node holds the device's socket now. Raises ``Refused`` when its session has ended."""
        now_ms = self._clock.now_ms()

        async def work(tx: Tx) -> Connected | None:
            # Accepting a message holds this lock too: it either is in the inbox by now, or will find the socket.
            key = (device.sdkappid, device.user_id)
            account = (await lock_accounts(tx, [key])).get(key)
            acknowledged = await store.connect(tx, device, self._node_id, connection_id, now_ms)
            if acknowledged is None:
                return None
            if self._hooks is not None:
                await self._hooks.note(tx, [device], LOGIN)
            return Connected(acknowledged, 0 if account is None else account.inbox_seq)

        connected = await self._database.write(work)
        if connected is None:
            raise Refused(SESSION_ENDED)
        return connected

    async def disconnect(self, device: Device, connection_id: int, acknowledged: int, *, silent: bool = False) -> None:
        """The socket is gone, unless a newer one has taken its place. ``silent``: nothing was heard on it any more."""
        now_ms = self._clock.now_ms()

        async def work(tx: Tx) -> None:
            gone = await store.disconnect(tx, device.device_id, self._node_id, connection_id, now_ms)
            if gone and self._hooks is not None:
                await self._hooks.note(tx, [device], SILENT if silent else CLOSED)
            await store.mark_seen(tx, [(device.device_id, device.session_id, 0, acknowledged)])

        await self._database.write(work)

    async def reclaim(self, sockets: list[tuple[int, int, int]]) -> None:
        """These sockets (device id, session id, connection id) are here, whatever others took this node for."""
        for start in range(0, len(sockets), BATCH):
            await self._database.write(partial(store.reclaim, rows=sockets[start : start + BATCH], node_id=self._node_id))

    async def seen(self, rows: list[Seen]) -> set[int]:
        """Note signs of life, in few statements; returns the devices among them whose session lives."""
        alive: set[int] = set()
        for start in range(0, len(rows), BATCH):
            alive |= await self._database.write(partial(store.mark_seen, rows=rows[start : start + BATCH]))
        return alive

    def touch(self, device: Device) -> None:
        """A sign of life by HTTPS; it is written with the next ``flush``."""
        now_ms = self._clock.now_ms()
        if now_ms - device.last_seen_ms >= TOUCH_MS and len(self._touched) < MAX_TOUCHED:
            self._touched[device.device_id] = (device.device_id, device.session_id, now_ms, 0)

    async def acknowledged(self, device: Device, place: int) -> None:
        """The device has everything up to this place of its inbox."""
        row = (device.device_id, device.session_id, self._clock.now_ms(), place)

        async def work(tx: Tx) -> None:
            end = await store.inbox_end(tx, device.sdkappid, device.user_id)
            await store.mark_seen(tx, [(*row[:3], min(place, end))])

        await self._database.write(work)

    async def flush(self) -> None:
        """Write what ``touch`` noted, and clear the sockets of nodes that died."""
        rows, self._touched = list(self._touched.values()), {}
        await self.seen(rows)
        if self.judges_nodes():
            now_ms = self._clock.now_ms()
            await self._database.write(lambda tx: store.clear_lost_nodes(tx, now_ms, self._node_id))

    async def look(self, device: Device) -> tuple[Device, int]:
        """The device as it is stored now, and the end of its inbox. Raises ``Refused`` when it is gone."""

        async def work(tx: Tx) -> tuple[Device | None, int]:
            return await device_by_id(tx, device.device_id), await store.inbox_end(tx, device.sdkappid, device.user_id)

        found, end = await self._database.read(work)
        if found is None:
            raise Refused(SESSION_ENDED)
        return found, end
