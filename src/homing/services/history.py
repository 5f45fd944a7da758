"""Recall, read marks, unread counts, roaming and synchronisation."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

import msgspec

from homing.bus.base import Bus
from homing.model.apps import App
from homing.model.clock import Clock, Ids
from homing.model.delivery import Delivery, ReadDelivery, RevokedDelivery
from homing.model.devices import Device
from homing.model.messages import Draft, Message, MessageFlags, conversation_of
from homing.model.problems import MSG_NOT_FOUND, MSG_SENDER_UNKNOWN, RECALL_TOO_LATE, Refused
from homing.model.push import Reason
from homing.rules.message_keys import parse_msg_key
from homing.store import accounts as account_store
from homing.store import history as store
from homing.store.engine import Database, Tx
from homing.store.messages import lock_accounts
from homing.store.pushes import cancel_messages, cancel_read
from homing.store.screening import is_muted
from homing.store.withdrawals import shown

from .fan_out import Lane
from .importing import file_message, imported_message
from .withdrawals import take_away, take_back

MAX_ROAM_PAGE = 100
MAX_ROAM_BYTES = 256 * 1024
#: Unread messages of one conversation beyond this number are not counted (rest-api sheet, section 8).
MAX_COUNTED_UNREAD = 100_000


class RoamPage(msgspec.Struct, frozen=True):
    """One page of a conversation, newest last."""

    messages: tuple[Message, ...]
    complete: bool
    last_time: int = 0  # of the oldest message of the page: where the next page begins
    last_key: str = ""
    peer_read_at: int = 0  # unix seconds up to which the peer has read


class History:
    """What was said, and what became of it."""

    def __init__(self, database: Database, clock: Clock, ids: Ids, bus: Bus) -> None:
        self._database = database
        self._clock = clock
        self._ids = ids
        self._bus = bus

    async def revoke(
        self,
        app: App,
        from_account: str,
        to_account: str,
        *,
        msg_key: str | None = None,
        msg_id: str | None = None,
        by_admin: bool,
        by_device: Device | None = None,
    ) -> None:
        """Recall a message: cancel its live pushes and tell the connected devices of both sides. Recalling twice is no error.

        Raises ``Refused``: no such message, or a sender after the app's recall time. Administrators have no time limit.
        """
        now_ms = self._clock.now_ms()

        async def work(tx: Tx) -> tuple[Message, list[store.ConnectedDevice], list[Lane]] | None:
            message = await _find(tx, app.sdkappid, from_account, to_account, msg_key, msg_id)
            if not by_admin and now_ms > (message.timestamp + app.settings.recall_seconds) * 1000:
                raise Refused(RECALL_TOO_LATE)
            if message.revoked:
                return None
            lanes = await self._take_back(tx, app, message, now_ms)
            return message, await store.connected_devices(tx, app.sdkappid, [from_account, to_account]), lanes

        found = await self._database.write(work)
        if found is None:
            return
        message, devices, lanes = found
        self._wake(lanes)

        def recalled(device: store.ConnectedDevice) -> Delivery:
            return RevokedDelivery(device.device_id, device.session_id, message.msg_id, message.msg_key, from_account, to_account)

        self._tell(devices, recalled, but=None if by_device is None else by_device.device_id)

    async def mark_read(self, app: App, user_id: str, peer: str, read_at: int | None, *, device_id: int | None = None) -> None:
        """Everything that ``peer`` wrote up to ``read_at`` (unix seconds, default now) is read. The mark only moves forward.

        ``device_id`` is the device that read and is not told again. Raises ``Refused`` when an account does not exist.
        """
        now_ms = self._clock.now_ms()
        at = now_ms // 1000 if read_at is None else max(0, min(read_at, now_ms // 1000))

        async def work(tx: Tx) -> tuple[list[store.ConnectedDevice], list[Lane]]:
            await _require(tx, app.sdkappid, user_id, peer)
            moved = await _move_read_mark(tx, app.sdkappid, user_id, peer, at)
            if moved is None:
                return [], []
            before, total = moved
            conversation = conversation_of(user_id, peer)
            lanes = await take_away(tx, app, self._ids, user_id, conversation, (before, at), now_ms, badge=total, device_id=device_id)
            await cancel_read(tx, app.sdkappid, user_id, conversation, at, now_ms)
            return await store.connected_devices(tx, app.sdkappid, [user_id, peer]), lanes

        devices, lanes = await self._database.write(work)
        self._wake(lanes)

        def read(device: store.ConnectedDevice) -> Delivery:
            own = device.user_id == user_id
            return ReadDelivery(device.device_id, device.session_id, peer if own else user_id, at, by_peer=not own)

        self._tell(devices, read, but=device_id)

    async def unread(self, app: App, user_id: str, peers: Sequence[str] | None = None) -> tuple[int, dict[str, int]]:
        """Unread messages in all, and by peer (0 without a conversation) where ``peers`` are named; unknown peers are left out.

        Raises ``Refused`` when the account does not exist."""

        async def work(tx: Tx) -> tuple[int, dict[str, int]]:
            known = await account_store.fetch_accounts(tx, app.sdkappid, [user_id, *(peers or ())])
            if user_id not in known:
                raise Refused(MSG_SENDER_UNKNOWN)
            if peers is None:
                return await store.unread_total(tx, app.sdkappid, user_id), {}
            counts = await store.unread_of(tx, app.sdkappid, user_id, peers)
            named = {peer: counts.get(peer, 0) for peer in peers if peer in known}
            return sum(named.values()), named

        return await self._database.read(work)

    async def roam(
        self, app: App, operator: str, peer: str, *, max_count: int, min_time: int, max_time: int, last_msg_key: str = ""
    ) -> RoamPage:
        """A page of ``operator``'s conversation with ``peer`` between two unix seconds, going back from the newest.

        Where a page ends, ``last_time`` and ``last_key`` go into the next call. At most 100 messages and 256 KiB of bodies a page.
        """
        limit = max(1, min(max_count, MAX_ROAM_PAGE))

        async def work(tx: Tx) -> tuple[list[Message], int]:
            await _require(tx, app.sdkappid, operator, peer)
            before = await _roam_start(tx, app.sdkappid, operator, peer, last_msg_key, max_time)
            conversation = conversation_of(operator, peer)
            messages = await store.roam(tx, app.sdkappid, conversation, operator, (min_time, max_time), before, limit + 1)
            state = await store.read_state(tx, app.sdkappid, peer, operator)
            return messages, 0 if state is None else state.read_at

        messages, peer_read_at = await self._database.read(work)
        kept = _cut(messages, limit)
        if not kept:
            return RoamPage((), True, peer_read_at=peer_read_at)
        oldest = kept[-1]
        ordered = tuple(_in_order(reversed(kept)))
        return RoamPage(ordered, len(kept) == len(messages), oldest.timestamp, oldest.msg_key, peer_read_at)

    async def inbox_after(self, sdkappid: int, user_id: str, after_seq: int, limit: int) -> tuple[list[Message], bool]:
        """What the account received and sent after a place of its inbox, in order, and whether there is more.

        Recalled messages are among them, flagged; received messages whose offline delivery ended are not.
        """
        now_ms = self._clock.now_ms()
        messages = await self._database.read(lambda tx: store.inbox_after(tx, sdkappid, user_id, after_seq, now_ms, limit + 1))
        return messages[:limit], len(messages) > limit

    async def import_message(self, app: App, draft: Draft, *, count_unread: bool) -> bool:
        """File an old message under its own time (``draft.sent_at``, unix seconds); nobody is told and nothing is pushed.

        False when the conversation has it already: the first import wins. Raises ``Refused``.
        """
        message = imported_message(app.sdkappid, self._ids.next(), draft, self._clock.now_ms(), realtime=count_unread)
        return await self._database.write(lambda tx: file_message(tx, message, count_unread=count_unread))

    async def _take_back(self, tx: Tx, app: App, message: Message, now_ms: int) -> list[Lane]:
        """Mark as recalled, cancel what is not yet sent, correct the receiver's unread count, replace what is on phones."""
        # The receiver's account first, as accepting a message does: so counts cannot change in between.
        key = (message.sdkappid, message.to_account)
        account = (await lock_accounts(tx, [key])).get(key)
        if not await store.set_revoked(tx, message.sdkappid, message.message_id, now_ms):
            return []
        on_phones = await shown(tx, message.sdkappid, [message.message_id])
        await cancel_messages(tx, message.sdkappid, [message.message_id], Reason.RECALLED, now_ms)
        state = await store.read_state(tx, message.sdkappid, message.to_account, message.from_account)
        if state is None or message.timestamp <= state.read_at:
            return []  # whoever has read it has no notification of it any more
        if _counts(message) and state.unread > 0:
            lowered = store.ReadState(state.unread - 1, state.read_at)
            await store.set_read_state(tx, message.sdkappid, message.to_account, message.from_account, lowered)
            if account is not None and not await is_muted(tx, *key, account.filters, message.from_account):
                await store.lower_unread_total(tx, message.sdkappid, message.to_account, 1)
        account = (await lock_accounts(tx, [key])).get(key)
        badges = {} if account is None else {account.user_id: account.unread_total}
        return await take_back(tx, app, self._ids, on_phones, now_ms, badges)

    def _wake(self, lanes: Iterable[Lane]) -> None:
        for lane in lanes:
            self._bus.wake(lane)

    def _tell(
        self, devices: Iterable[store.ConnectedDevice], make: Callable[[store.ConnectedDevice], Delivery], *, but: int | None
    ) -> None:
        by_node: dict[int, list[Delivery]] = {}
        for device in devices:
            if device.device_id != but:
                by_node.setdefault(device.node_id, []).append(make(device))
        for node_id, deliveries in by_node.items():
            self._bus.deliver(node_id, deliveries)


async def _require(tx: Tx, sdkappid: int, user_id: str, peer: str) -> None:
    known = await account_store.fetch_accounts(tx, sdkappid, [user_id, peer])
    if user_id not in known or peer not in known:
        raise Refused(MSG_SENDER_UNKNOWN, "the peer" if user_id in known else "")


async def _find(tx: Tx, sdkappid: int, from_account: str, to_account: str, msg_key: str | None, msg_id: str | None) -> Message:
    message = None
    if msg_key is not None:
        key = parse_msg_key(msg_key)
        message = None if key is None else await store.find_by_key(tx, sdkappid, key, from_account, to_account)
    elif msg_id is not None:
        number = msg_id.split("-", 1)[0]
        if number.isascii() and number.isdigit() and len(number) < 19:
            message = await store.find_by_id(tx, sdkappid, int(number))
    if message is None or (message.from_account, message.to_account) != (from_account, to_account):
        raise Refused(MSG_NOT_FOUND)
    return message


def _counts(message: Message) -> bool:
    """Whether the message had counted as unread."""
    return not (message.to_seq is None or message.flags & MessageFlags.NO_UNREAD or message.from_account == message.to_account)


async def _move_read_mark(tx: Tx, sdkappid: int, user_id: str, peer: str, at: int) -> tuple[int, int] | None:
    """The mark before, and the account's unread total now; None when the mark would not move."""
    key = (sdkappid, user_id)
    account = (await lock_accounts(tx, [key])).get(key)
    state = await store.read_state(tx, sdkappid, user_id, peer)
    if account is None or state is None or at < state.read_at:
        return None
    limit = min(state.unread, MAX_COUNTED_UNREAD)
    left = await store.count_unread(tx, sdkappid, conversation_of(user_id, peer), user_id, at, limit)
    await store.set_read_state(tx, sdkappid, user_id, peer, store.ReadState(left, at))
    by = 0 if await is_muted(tx, sdkappid, user_id, account.filters, peer) else state.unread - left
    await store.lower_unread_total(tx, sdkappid, user_id, by)
    return state.read_at, max(0, account.unread_total - by)


async def _roam_start(tx: Tx, sdkappid: int, operator: str, peer: str, last_msg_key: str, max_time: int) -> tuple[int, int]:
    """Where the page begins: before the last message of the page before, or with the newest."""
    key = parse_msg_key(last_msg_key)
    if key is not None:
        for sender, receiver in ((operator, peer), (peer, operator)):
            message = await store.find_by_key(tx, sdkappid, key, sender, receiver)
            if message is not None:
                return message.timestamp, message.message_id
    return max_time + 1, 0


def _cut(messages: Sequence[Message], limit: int) -> list[Message]:
    """At most ``limit`` messages and a bounded answer; one message always fits."""
    kept: list[Message] = []
    size = 0
    for message in messages[:limit]:
        size += len(message.body) + len(message.cloud_custom_data)
        if kept and size > MAX_ROAM_BYTES:
            break
        kept.append(message)
    return kept


def _in_order(messages: Iterable[Message]) -> list[Message]:
    """By time; inside one second by the callers' MsgSeq where all chose one (rest-api sheet, section 3), else as they arrived."""
    ordered: list[Message] = []
    second: list[Message] = []
    for message in messages:
        if second and second[0].timestamp != message.timestamp:
            ordered += _by_seq(second)
            second = []
        second.append(message)
    return ordered + _by_seq(second)


def _by_seq(second: list[Message]) -> list[Message]:
    if all(message.flags & MessageFlags.CALLER_SEQ for message in second):
        return sorted(second, key=lambda message: message.seq)
    return second
