"""Decides, inside the transaction that accepts a batch of messages, what happens on every device of every receiver.

The rows that were read go in, the rows to write come out; nothing here waits or looks at a clock.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Literal

import msgspec

from homing.model.apps import App, NotificationMode
from homing.model.clock import Ids
from homing.model.delivery import MessageDelivery
from homing.model.devices import SessionState
from homing.model.messages import Accepted, Draft, Message, MessageFlags, conversation_of
from homing.model.problems import MSG_BLOCKED, MSG_RECEIVER_UNKNOWN, MSG_SENDER_UNKNOWN, Problem
from homing.model.push import Action, PushState, Reason
from homing.model.receive_options import ReceiveOption, Screening
from homing.rules.calls import is_call
from homing.rules.decision import DeviceSnapshot, MessageTraits, decide
from homing.rules.screening import screened
from homing.store.messages import AccountKey, AccountRow, DeviceRow, Duplicate
from homing.store.screening import Key

DAY_MS = 86_400_000
#: How long a freshly accepted push belongs to the node that accepted it, before others may take it over.
LEASE_MS = 60_000
CHAT_CLASS = "private"

# As plain integers: arithmetic on enum flags costs a microsecond each, several times a message.
_ONLINE_ONLY = MessageFlags.ONLINE_ONLY.value
_NO_UNREAD = MessageFlags.NO_UNREAD.value
_NO_SENDER_COPY = MessageFlags.NO_SENDER_COPY.value
_HONOUR_MUTE = MessageFlags.HONOUR_MUTE.value
_FROM_DEVICE = MessageFlags.FROM_DEVICE.value
#: Messages that the sender's other devices get as well.
SYNCHRONISED = (MessageFlags.SYNC_SENDER | MessageFlags.FROM_DEVICE).value

Lane = tuple[int, int, str]  # sdkappid, business id, notification class
_encode_inputs = msgspec.json.Encoder().encode


class Entry(msgspec.Struct, gc=False):
    """A draft made ready before the transaction."""

    app: App
    draft: Draft
    body: bytes
    push_info: bytes | None
    content_crc: int
    seq: int
    traits: MessageTraits
    screening: Screening | None = None  # what the receiver has set, where it has set anything


class Planned(msgspec.Struct, gc=False):
    """A push that this node may send right after the commit."""

    push_id: int
    lane: Lane
    device: DeviceRow
    badge: int | None
    due_at_ms: int
    claimed: bool
    replaces: str


class Stored(msgspec.Struct, gc=False):
    """An accepted message with what has to be done once it is durable."""

    accepted: Accepted
    message: Message
    entry: Entry
    nick: str = ""
    face_url: str = ""
    pushes: list[Planned] = []
    deliveries: list[MessageDelivery] = []
    nodes: dict[int, int] = {}  # device id: the node that holds its socket
    reasons: list[str] = []  # one a device, for the counters
    unread: int = 0  # of the receiver in all, this message counted
    title: str = ""  # the group's name


class Plan:
    """The rows of one batch. ``room`` tells whether a lane can take a push straight away."""

    def __init__(
        self,
        *,
        accounts: dict[AccountKey, AccountRow],
        devices: dict[AccountKey, list[DeviceRow]],
        duplicates: dict[int, Duplicate],
        screens: dict[Key, Screening],
        ids: Ids,
        owner: int,
        now_ms: int,
        room: Callable[[Lane], bool],
    ) -> None:
        self._accounts = accounts
        self._devices = devices
        self._duplicates = duplicates
        self._screens = screens
        self._ids = ids
        self._owner = owner
        self._now_ms = now_ms
        self._room = room
        self._seen: dict[tuple[Any, ...], Accepted] = {}
        self._counters: dict[AccountKey, list[int]] = {}  # unread total, inbox seq
        self._bumps: dict[tuple[int, str, str], list[int]] = {}  # unread, last message id
        self.message_rows: list[tuple[Any, ...]] = []
        self.push_rows: list[tuple[Any, ...]] = []

    def add(self, place: int, entry: Entry) -> Stored | Accepted | Problem:
        """Plan one entry: stored, a duplicate of an earlier one, or refused."""
        draft, app = entry.draft, entry.app
        sender, receiver = (app.sdkappid, draft.from_account), (app.sdkappid, draft.to_account)
        if sender not in self._accounts:
            return MSG_SENDER_UNKNOWN
        if receiver not in self._accounts:
            return MSG_RECEIVER_UNKNOWN
        known = self._known(place, entry)
        if known is not None:
            return known
        if self._screens and self._screen(entry):
            return MSG_BLOCKED
        return self._store(entry, sender, receiver)

    def conversation_rows(self) -> list[tuple[Any, ...]]:
        """One row a conversation side that changed."""
        return [(*key, *values) for key, values in self._bumps.items()]

    def account_rows(self) -> list[tuple[Any, ...]]:
        """One row an account whose counters changed."""
        return [(*key, *values) for key, values in self._counters.items()]

    def _screen(self, entry: Entry) -> bool:
        """Apply what the receiver has set. True: the sender is to hear that it is on the blacklist."""
        screening = self._screens.get(screen_key(entry))
        if screening is None:
            return False
        flags = entry.draft.flags.value
        if screening.blocked and not flags & _FROM_DEVICE:
            # The backend is never on anybody's blacklist (rest-api sheet, section 3).
            screening = msgspec.structs.replace(screening, blocked=False)
        entry.screening = screening
        entry.traits = screened(entry.traits, screening, self._now_ms, honours_mute=bool(flags & _HONOUR_MUTE))
        return screening.blocked and entry.app.settings.tell_blocked_senders

    def _known(self, place: int, entry: Entry) -> Accepted | None:
        found = self._duplicates.get(place)
        if found is not None:
            return _accepted(found.message_id, found.seq, found.random, found.timestamp, duplicate=True)
        if entry.draft.seq is None:
            return None
        key = duplicate_key(entry)
        earlier = self._seen.get(key)
        if earlier is None:
            return None
        return msgspec.structs.replace(earlier, duplicate=True)

    def _store(self, entry: Entry, sender: AccountKey, receiver: AccountKey) -> Stored:
        draft, now_ms = entry.draft, self._now_ms
        message_id, timestamp = self._ids.next(), now_ms // 1000
        flags = draft.flags.value
        online_only = bool(flags & _ONLINE_ONLY)
        unwanted = entry.traits.discarded or entry.traits.blocked
        counted = not (online_only or unwanted or flags & _NO_UNREAD or sender == receiver)
        to_seq = None if online_only or unwanted else self._next_seq(receiver)
        keep_copy = not (online_only or sender == receiver or flags & _NO_SENDER_COPY)
        from_seq = self._next_seq(sender) if keep_copy else None
        message = Message(
            message_id=message_id,
            sdkappid=entry.app.sdkappid,
            from_account=draft.from_account,
            to_account=draft.to_account,
            seq=entry.seq,
            random=draft.random,
            timestamp=timestamp,
            flags=flags,
            body=entry.body,
            push_info=entry.push_info,
            cloud_custom_data=draft.cloud_custom_data,
            to_seq=to_seq,
            from_seq=from_seq,
            expires_at_ms=now_ms + draft.lifetime_seconds * 1000,
        )
        self.message_rows.append(_message_row(message, entry.content_crc))
        if not online_only:
            if not unwanted:
                self._bump(receiver, draft.from_account, 1 if counted else 0, message_id)
            if sender != receiver:
                self._bump(sender, draft.to_account, 0, message_id)
        accepted = _accepted(message_id, entry.seq, draft.random, timestamp, sender_place=from_seq or 0)
        if draft.seq is not None:
            self._seen[duplicate_key(entry)] = accepted
        account = self._accounts[sender]
        stored = Stored(accepted, message, entry, account.nick, account.face_url)
        badge = self._badge(receiver) if counted and not _muted(entry) else None
        stored.unread = self._accounts[receiver].unread_total if badge is None else badge
        self._fan_out(stored, sender, receiver, badge)
        return stored

    def _fan_out(self, stored: Stored, sender: AccountKey, receiver: AccountKey, badge: int | None) -> None:
        own = sender == receiver
        devices = self._devices.get(receiver, ())
        for device in devices:
            if not (own and device.device_id == stored.entry.draft.sender_device_id):
                self._decide(stored, _ringing(stored.entry.draft, device), badge, own=own)
        if not devices:
            self.leave_out(stored, receiver, Reason.NO_DEVICE, badge)
        if not own and stored.entry.draft.flags.value & SYNCHRONISED:
            for device in self._devices.get(sender, ()):
                if device.device_id != stored.entry.draft.sender_device_id:
                    self._decide(stored, device, None, own=True)

    def receive(self, stored: Stored, receiver: AccountKey, *, counted: bool) -> None:
        """One receiver more of a message that is stored already: ``stored.entry`` has the traits and the screening for it.

        ``counted``: it raises the account's unread total.
        """
        draft = stored.entry.draft
        own = receiver[1] == stored.message.from_account
        badge = self._badge(receiver) if counted else None
        devices = self._devices.get(receiver, ())
        for device in devices:
            if not (own and device.device_id == draft.sender_device_id):
                self._decide(stored, _ringing(draft, device), badge, own=own)
        if not devices and not own:
            self.leave_out(stored, receiver, Reason.NO_DEVICE, badge)

    def leave_out(self, stored: Stored, receiver: AccountKey, reason: Reason, badge: int | None = None) -> None:
        """This account gets nothing, on none of its devices."""
        self._record(stored, None, PushState.SUPPRESSED, reason, "{}", badge, account=receiver[1])

    def _decide(self, stored: Stored, device: DeviceRow, badge: int | None, *, own: bool) -> None:
        snapshot = snapshot_of(device, is_sender_account=own)
        settings = stored.entry.app.settings
        decision = decide(snapshot, stored.entry.traits, self._now_ms, settings.keep_days * DAY_MS)
        inputs = _encode_inputs(snapshot).decode()
        if stored.entry.screening is not None:
            inputs = f'{inputs[:-1]},"receiver":{_encode_inputs(stored.entry.screening).decode()}}}'
        action = decision.action
        if action in (Action.SOCKET, Action.SOCKET_AND_PUSH, Action.SYNC):
            stored.deliveries.append(MessageDelivery(device.device_id, device.session_id, stored.message, stored.nick, stored.face_url))
            stored.nodes[device.device_id] = device.node_id or 0
        if action is Action.SOCKET:
            due = self._now_ms + settings.ack_timeout_ms
            self._record(stored, device, PushState.WAITING_ACK, decision.reason, inputs, badge, due)
        elif action in (Action.PUSH, Action.SOCKET_AND_PUSH):
            self._record(stored, device, PushState.PENDING, decision.reason, inputs, badge, self._now_ms)
        else:
            self._record(stored, device, PushState.SUPPRESSED, decision.reason, inputs, badge)

    def _record(
        self,
        stored: Stored,
        device: DeviceRow | None,
        state: PushState,
        reason: Reason,
        inputs: str,
        badge: int | None,
        due_at_ms: int = 0,
        account: str = "",
    ) -> None:
        message, now_ms = stored.message, self._now_ms
        settings = stored.entry.app.settings
        push_id = self._ids.next()
        business_id = (device.business_id or 0) if device is not None else 0
        lane: Lane = (message.sdkappid, business_id, CHAT_CLASS)
        claimed = state is PushState.PENDING and self._room(lane)
        replaces = message.conversation_id if settings.notification_mode is NotificationMode.PER_CONVERSATION else ""
        if claimed:
            state, due_at_ms = PushState.CLAIMED, now_ms + LEASE_MS
        stored.reasons.append(reason.value)
        live = state < PushState.ACCEPTED
        self.push_rows.append(
            (
                push_id,
                message.sdkappid,
                message.message_id,
                device.user_id if device is not None else account,
                device.device_id if device is not None else 0,
                int(state),
                reason.value,
                inputs,
                business_id,
                (device.channel or "") if device is not None else "",
                CHAT_CLASS,
                (device.token or "") if device is not None and live else "",
                badge,
                due_at_ms,
                message.expires_at_ms,
                self._owner if claimed else None,
                replaces if live else "",
                now_ms,
                0 if live else now_ms,
            )
        )
        if live and device is not None:
            stored.pushes.append(Planned(push_id, lane, device, badge, due_at_ms, claimed, replaces))

    def _counter(self, key: AccountKey) -> list[int]:
        counter = self._counters.get(key)
        if counter is None:
            account = self._accounts[key]
            counter = self._counters[key] = [account.unread_total, account.inbox_seq]
        return counter

    def _next_seq(self, key: AccountKey) -> int:
        counter = self._counter(key)
        counter[1] += 1
        return counter[1]

    def _badge(self, key: AccountKey) -> int:
        counter = self._counter(key)
        counter[0] += 1
        return counter[0]

    def _bump(self, key: AccountKey, peer: str, unread: int, message_id: int) -> None:
        bump = self._bumps.setdefault((*key, peer), [0, 0])
        bump[0] += unread
        bump[1] = message_id


def _ringing(draft: Draft, device: DeviceRow) -> DeviceRow:
    """For a call the device's token for calls stands in for its own, where it reported one that can be used."""
    if (
        device.voip_token is None
        or device.voip_channel is None
        or device.voip_paused_reason
        or not is_call(draft.push_info, draft.elements)
    ):
        return device
    return device._replace(
        business_id=device.voip_business_id, token=device.voip_token, channel=device.voip_channel, paused_reason=device.voip_paused_reason
    )


def _muted(entry: Entry) -> bool:
    """Whether the receiver has muted the conversation: then it is unread, but not in the account's total (client-sdk sheet, section 4)."""
    return entry.screening is not None and entry.screening.option != ReceiveOption.NOTIFY


def screen_key(entry: Entry) -> Key:
    """Under which the receiver's settings for this sender are looked up."""
    draft = entry.draft
    return (entry.app.sdkappid, draft.to_account, f"c2c_{draft.from_account}", draft.from_account)


def duplicate_key(entry: Entry) -> tuple[Any, ...]:
    """What makes two drafts the same message, beside the 120 seconds (sheet rest-api, section 3).

    The receiver belongs to the key: one random value used for two receivers is two messages, and neither may be lost.
    """
    draft = entry.draft
    return (entry.app.sdkappid, draft.random, entry.seq, draft.from_account, draft.to_account, entry.content_crc)


def snapshot_of(device: DeviceRow, *, is_sender_account: bool) -> DeviceSnapshot:
    """The device as the decision sees it."""
    return DeviceSnapshot(
        session_state=device.session_state,
        platform=device.platform,
        connected=device.node_id is not None and device.session_state == SessionState.ACTIVE,
        app_state=device.app_state,
        last_seen_ms=device.last_seen_ms,
        has_token=bool(device.token),
        certificate=certificate_state(device.channel, device.paused_reason),
        is_sender_account=is_sender_account,
        session_expires_at_ms=device.expires_at_ms,
    )


def certificate_state(channel: str | None, paused_reason: str | None) -> Literal["ok", "none", "paused"]:
    """What a device's joined certificate row means to the decision."""
    if channel is None:
        return "none"
    return "paused" if paused_reason else "ok"


def _accepted(message_id: int, seq: int, random: int, timestamp: int, *, duplicate: bool = False, sender_place: int = 0) -> Accepted:
    msg_id, msg_key = f"{message_id}-{timestamp}-{random}", f"{seq}_{random}_{timestamp}"
    return Accepted(message_id, msg_id, msg_key, seq, timestamp, duplicate, sender_place)


def _message_row(message: Message, content_crc: int) -> tuple[Any, ...]:
    return (
        message.message_id,
        message.sdkappid,
        conversation_of(message.from_account, message.to_account),
        message.from_account,
        message.to_account,
        message.seq,
        message.random,
        message.timestamp,
        content_crc,
        message.flags,
        message.body,
        message.push_info,
        message.cloud_custom_data,
        message.to_seq,
        message.from_seq,
        message.expires_at_ms,
    )


Results = Sequence[Stored | Accepted | Problem]
