"""The sockets of this node: who is here, what is delivered to them, who has gone silent."""

from __future__ import annotations

import asyncio
import contextlib
import heapq
import logging
from collections.abc import Sequence
from typing import Any

from homing.model.delivery import Delivery, GroupNotice, MessageDelivery, ReadDelivery, RevokedDelivery, SessionEnded
from homing.model.devices import SessionState
from homing.model.messages import Accepted, Message, MessageFlags
from homing.model.problems import Refused
from homing.services.hub import Hub
from homing.store.engine import StoreBusy
from homing.store.history import place_of

from .closing import EXPIRED, GOING_AWAY, INTERNAL_ERROR, REPLACED, SESSION_OVER, SILENT, SLOW_CONSUMER, TRY_LATER, Closing, closing_of
from .connection import Connection
from .cursors import cursor_of
from .encoding import MessageBody, frame, group_message_body, message_body
from .limits import LIMITS, DeviceLimits

TICK_SECONDS = 1.0
HEARTBEAT_TICKS = 10
CLOSE_SECONDS = 10.0  # for a peer that does not read on to take its close frame
MAX_EARLY = 100
log = logging.getLogger(__name__)


class Gateway:
    """Registers for this node's deliveries. One ticker for all sockets."""

    def __init__(self, hub: Hub, limits: DeviceLimits = LIMITS) -> None:
        self.limits = limits
        self._hub = hub
        self._presence = hub.sessions.presence
        self._connections: dict[int, Connection] = {}
        self._expiries: list[tuple[int, int, int]] = []  # (at ms, device id, connection id), a heap
        self._last: tuple[int, str, str] = (0, "", "")  # message id, user, frame: devices of one account get the same
        self._leaving: dict[Connection, float] = {}  # closed, but the peer has not gone yet: until when it may stay
        self._ticker: asyncio.Task[None] | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self._seen_at = hub.clock.monotonic()
        self._ticks = 0
        self._lapses = 0
        self.dropped = 0  # deliveries for devices that are not here

    def __len__(self) -> int:
        return len(self._connections)

    async def start(self) -> None:
        """Take this node's deliveries. Sockets of an earlier life are gone."""
        await self._presence.start()
        self._hub.bus.on_deliver(self._hub.node_id, self.deliver)
        self._ticker = asyncio.get_running_loop().create_task(self._run())

    async def close(self) -> None:
        """Close every socket and write what was seen."""
        if self._ticker is not None:
            self._ticker.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._ticker
        connections = list(self._connections.values())
        for connection in connections:
            self.shut(connection, GOING_AWAY)
        try:
            await self._presence.seen([_row(c, self._hub.clock.now_ms()) for c in connections])
            await self._presence.flush()
            await self._presence.start()
        except StoreBusy as busy:
            log.warning("presence was not written: %s", busy)

    # --- sockets ---

    async def attach(self, connection: Connection, after: int | None) -> None:
        """A device is here: from now on its messages come to this socket, what it missed first.

        ``after``: the place that the client says it has; None: the place that it acknowledged last. Raises ``Refused``.
        """
        device = connection.device
        # Registered before the store says so: nothing that is delivered from then on may find nobody here.
        older = self._connections.get(device.device_id)
        self._connections[device.device_id] = connection
        if older is not None:
            self.shut(older, REPLACED)
        try:
            connected = await self._presence.connect(device, connection.connection_id)
        except BaseException:
            self._forget(connection)
            raise
        self._tidy_expiries()
        heapq.heappush(self._expiries, (device.expires_at_ms, device.device_id, connection.connection_id))
        place = connected.acknowledged if after is None else after
        # A place beyond the end is of another life of the account: begin anew rather than miss what comes.
        connection.place = place if place <= connected.inbox_end else 0
        connection.acknowledged = min(connected.acknowledged, connection.place)
        connection.wanted = max(connection.wanted, connected.inbox_end)

    def begin(self, connection: Connection) -> None:
        """The client was greeted: send what it missed, then what comes."""
        early, connection.early = connection.early or [], None
        self._synchronise(connection, announce=True)
        self.deliver(early)

    async def detach(self, connection: Connection) -> None:
        """The socket is gone."""
        connection.end()
        self._leaving.pop(connection, None)
        self._forget(connection)
        with contextlib.suppress(StoreBusy):  # the next connect, or the next start, sets it right
            silent = connection.closing is SILENT
            await self._presence.disconnect(connection.device, connection.connection_id, connection.acknowledged, silent=silent)

    def sent(self, connection: Connection, accepted: Accepted) -> None:
        """The device sent a message itself."""
        if accepted.sender_place:
            connection.sent_itself(accepted.sender_place)

    def shut(self, connection: Connection, closing: Closing, last: str | None = None) -> None:
        """Send what is queued and ``last``, close, and see to it that the peer goes."""
        self._forget(connection)
        if connection.closing is None:
            self._leaving[connection] = self._hub.clock.monotonic() + CLOSE_SECONDS
            connection.close(closing, last)

    def _forget(self, connection: Connection) -> None:
        if self._connections.get(connection.device.device_id) is connection:
            del self._connections[connection.device.device_id]

    # --- deliveries ---

    def deliver(self, deliveries: Sequence[Delivery]) -> None:
        """Hand deliveries to their sockets. What finds no socket is dropped: the push covers it."""
        for delivery in deliveries:
            connection = self._connections.get(delivery.device_id)
            if connection is None or connection.device.session_id != delivery.session_id:
                self.dropped += 1
            elif connection.early is not None:
                if len(connection.early) < MAX_EARLY:
                    connection.early.append(delivery)
                else:
                    self.dropped += 1
            elif isinstance(delivery, MessageDelivery):
                self._deliver_message(connection, delivery)
            else:
                self._deliver_event(connection, delivery)

    def _deliver_message(self, connection: Connection, delivery: MessageDelivery) -> None:
        message, user_id = delivery.message, connection.device.user_id
        place = place_of(message, user_id)
        if not place:
            connection.push(self._encoded(delivery, user_id))
        elif place <= connection.place:
            return  # it was among what the device had missed
        elif connection.syncing is not None or place > connection.place + 1:
            # A hint was lost or overtaken: the inbox has everything, in order.
            connection.wanted = max(connection.wanted, place)
            self._synchronise(connection)
        else:
            connection.track(message.message_id, place)
            connection.push(self._encoded(delivery, user_id))
            connection.advance(place)

    def _encoded(self, delivery: MessageDelivery, user_id: str) -> str:
        message_id, user, text = self._last
        message = delivery.message
        if message.group_id and message.from_account != user_id:
            user_id = ""  # all other members see the same
        if message_id != message.message_id or user != user_id:
            text = frame("message", _body(delivery, user_id))
            self._last = (message.message_id, user_id, text)
        return text

    def _deliver_event(self, connection: Connection, delivery: RevokedDelivery | ReadDelivery | GroupNotice | SessionEnded) -> None:
        if isinstance(delivery, SessionEnded):
            self._end(connection, delivery.reason, closing_of(delivery.reason))
        elif isinstance(delivery, RevokedDelivery):
            body: dict[str, Any] = {"msg_id": delivery.msg_id, "msg_key": delivery.msg_key}
            body |= {"from_user": delivery.from_account, "to_user": delivery.to_account}
            if delivery.group_id:
                body |= {"to_group": delivery.group_id, "seq": delivery.seq}
            connection.push(frame("revoked", body))
        elif isinstance(delivery, GroupNotice):
            notice = {"to_group": delivery.group_id, "name": delivery.group_name, "event": delivery.event, "content": delivery.content}
            connection.push(frame("group", notice))
        else:
            connection.push(frame("read", {"peer": delivery.peer, "read_at": delivery.read_at, "by_peer": delivery.by_peer}))

    def _end(self, connection: Connection, reason: str, closing: Closing) -> None:
        self.shut(connection, closing, frame("ended", {"reason": reason, "close_code": closing.code}))

    # --- what was missed ---

    def _synchronise(self, connection: Connection, *, announce: bool = False) -> None:
        if connection.syncing is None and connection.closing is None:
            task = asyncio.get_running_loop().create_task(self._send_missed(connection, announce))
            connection.syncing = task
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def _send_missed(self, connection: Connection, announce: bool) -> None:
        try:
            while await self._send_page(connection):
                if not await connection.drained(self.limits.sync_patience_seconds):
                    connection.drop(SLOW_CONSUMER)
                    return
        except StoreBusy:
            # The device has its cursor and tries again; what is due to it meanwhile comes by push.
            self.shut(connection, TRY_LATER)
            return
        except Exception:
            log.exception("what a device missed could not be sent")
            self.shut(connection, INTERNAL_ERROR)
            return
        connection.syncing = None
        if announce:
            connection.push(frame("synced", {"cursor": cursor_of(connection.place)}))

    async def _send_page(self, connection: Connection) -> bool:
        """Send one page; whether there is more to come."""
        device, goal = connection.device, connection.wanted
        if connection.place >= goal:
            return False
        found, more = await self._hub.history.inbox_after(device.sdkappid, device.user_id, connection.place, self.limits.sync_page)
        for message in found:
            place = place_of(message, device.user_id)
            own = connection.known is not None and place in connection.known
            if not own and _comes_by_socket(message, device.user_id):
                connection.track(message.message_id, place)
                connection.push(frame("message", message_body(message, device.user_id)))
            connection.advance(place)
        if not more:
            connection.advance(goal)  # places without a message: expired or deleted meanwhile
        return connection.closing is None and (more or connection.wanted > connection.place)

    # --- time ---

    async def _run(self) -> None:
        while True:
            await asyncio.sleep(TICK_SECONDS)
            try:
                await self.tick()
            except (StoreBusy, Refused) as error:
                log.warning("the sockets' times were not written: %s", error)
            except Exception:
                log.exception("a turn of the gateway failed")

    async def tick(self) -> None:
        """One turn: end what expired, ask who is silent, write who was seen."""
        now = self._hub.clock.monotonic()
        self._ticks += 1
        if self._ticks % HEARTBEAT_TICKS == 0:
            self.check_heartbeats(now)
        await self._expire()
        for connection in [c for c, until in self._leaving.items() if until <= now]:
            del self._leaving[connection]
            connection.abandon()
        if (lapses := self._presence.lapses()) != self._lapses:
            await self._presence.reclaim([(c.device.device_id, c.device.session_id, c.connection_id) for c in self._connections.values()])
            self._lapses = lapses
        if now - self._seen_at >= self.limits.seen_seconds:
            self._seen_at = now
            await self._write_seen()

    def check_heartbeats(self, now: float) -> None:
        """Ask silent clients for a sign of life; drop those that give none."""
        for connection in list(self._connections.values()):
            if connection.wire is not None and connection.wire.heard:
                connection.wire.heard = False
                connection.last_heard, connection.pinged = now, False
            silence = now - connection.last_heard
            if silence >= self.limits.loss_seconds:
                self._forget(connection)
                connection.drop(SILENT)
            elif silence >= self.limits.ping_after_seconds and not connection.pinged:
                connection.pinged = True
                if connection.wire is not None:
                    connection.wire.ping()
                else:
                    connection.push(frame("ping", {}))

    async def _expire(self) -> None:
        now_ms = self._hub.clock.now_ms()
        while self._expiries and self._expiries[0][0] <= now_ms:
            _, device_id, connection_id = heapq.heappop(self._expiries)
            connection = self._connections.get(device_id)
            if connection is not None and connection.connection_id == connection_id:
                self._end(connection, SessionState.EXPIRED.value, EXPIRED)
                await self._hub.sessions.expire(connection.device)

    def _tidy_expiries(self) -> None:
        """Entries of connections that are gone must not pile up under a client that reconnects all the time."""
        if len(self._expiries) > 2 * len(self._connections) + 1000:
            here = {connection.connection_id for connection in self._connections.values()}
            self._expiries = [entry for entry in self._expiries if entry[2] in here]
            heapq.heapify(self._expiries)

    async def _write_seen(self) -> None:
        now_ms = self._hub.clock.now_ms()
        connections = list(self._connections.values())
        alive = await self._presence.seen([_row(connection, now_ms) for connection in connections])
        for connection in connections:
            if connection.device.device_id not in alive:
                # The word that its session ended was lost on the way.
                self._end(connection, SessionState.LOGGED_OUT.value, SESSION_OVER)
        await self._presence.flush()


def _body(delivery: MessageDelivery, user_id: str) -> MessageBody:
    message, nick, face_url = delivery.message, delivery.sender_nick, delivery.sender_face_url
    if message.group_id:
        return group_message_body(message, user_id, nick, face_url, delivery.at, at_all=delivery.at_all)
    return message_body(message, user_id, nick, face_url)


def _comes_by_socket(message: Message, user_id: str) -> bool:
    """Copies of what the backend sent in the account's name stay in its history unless they are to be synchronised."""
    return message.to_account == user_id or bool(message.flags & (MessageFlags.SYNC_SENDER | MessageFlags.FROM_DEVICE))


def _row(connection: Connection, now_ms: int) -> tuple[int, int, int, int]:
    return connection.device.device_id, connection.device.session_id, now_ms, connection.acknowledged
