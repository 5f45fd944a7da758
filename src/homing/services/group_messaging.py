"""Saying something in a group, taking it back, and reading what was said (rest-api sheet, section 4).

A message is one row, however many members there are; they are served by ``group_fan_out`` after it was answered.
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from homing.bus.base import Bus
from homing.model.apps import App
from homing.model.clock import Clock, Ids
from homing.model.delivery import Delivery, GroupNotice, RevokedDelivery
from homing.model.groups import DEDUPE_SECONDS, Group, GroupAccepted, GroupDraft, GroupMessage, Member
from homing.model.messages import Message, MessageFlags, group_conversation
from homing.model.problems import (
    GROUP_ACCOUNT_UNKNOWN,
    GROUP_DENIED,
    GROUP_MSG_NOT_FOUND,
    GROUP_NOT_FOUND,
    GROUP_RECALL_DENIED,
    GROUP_RECALL_TOO_LATE,
    Refused,
)
from homing.model.push import Reason
from homing.model.receive_options import ReceiveOption
from homing.rules.groups import may_speak
from homing.store import group_fan_out as jobs
from homing.store import group_members as members
from homing.store import group_messages as store
from homing.store.accounts import fetch_accounts
from homing.store.engine import Database, Tx
from homing.store.groups import find_group
from homing.store.history import ConnectedDevice, connected_devices, lower_unread_total
from homing.store.messages import lock_accounts
from homing.store.pushes import cancel_messages
from homing.store.withdrawals import shown

from .fan_out import Lane
from .group_fan_out import GroupFanOut
from .message_hooks import MessageHooks
from .withdrawals import take_away, take_back

MAX_SENDER_MESSAGES = 1_000
#: Notifications of one recalled message that are replaced on phones: one transaction makes them all.
MAX_TAKEN_BACK = 2_000
_encode = msgspec.json.Encoder().encode
_ONLINE_ONLY = MessageFlags.ONLINE_ONLY.value
_NO_UNREAD = MessageFlags.NO_UNREAD.value


class GroupMessaging:
    """What is said in groups."""

    def __init__(
        self, *, database: Database, clock: Clock, ids: Ids, bus: Bus, fan_out: GroupFanOut, hooks: MessageHooks | None = None
    ) -> None:
        self._database = database
        self._clock = clock
        self._ids = ids
        self._bus = bus
        self._fan_out = fan_out
        self._hooks = hooks

    async def send(self, app: App, draft: GroupDraft) -> GroupAccepted:
        """Store a message for a group; returns when it, and that it is to be handed out, is durable.

        The same ``random`` of the same sender within five minutes is the same message. Raises ``Refused``: no group, no
        account, no member, muted.
        """
        if self._hooks is not None and self._hooks.webhooks.by_app:
            group = await self._database.read(lambda tx: _require_group(tx, app.sdkappid, draft.group_id))
            wanted = await self._hooks.before_group(app, draft, group)
            if isinstance(wanted, GroupAccepted):
                return wanted
            draft = wanted
        now_ms = self._clock.now_ms()

        async def work(tx: Tx) -> GroupAccepted:
            group = await _require_group(tx, app.sdkappid, draft.group_id, lock=True)
            sender = await members.find_member(tx, app.sdkappid, draft.group_id, draft.from_account)
            await _require_speaker(tx, app, group, sender, draft, now_ms // 1000)
            since = max(0, now_ms - DEDUPE_SECONDS * 1000 - Ids.EPOCH_MS) << 22
            same = await store.find_same_random(tx, app.sdkappid, draft.group_id, draft.from_account, draft.random, since)
            if same is not None:
                message_id, seq, timestamp = same
                return _accepted(message_id, seq, draft.random, timestamp, duplicate=True)
            message = _message(app, group, draft, self._ids.next(), now_ms)
            await self._store(tx, group, message, draft, sender, now_ms)
            if self._hooks is not None and self._hooks.webhooks.by_app:
                await self._hooks.note_group(tx, app, group, draft, message)
            return _accepted(message.message_id, message.seq, message.random, message.timestamp)

        accepted = await self._database.write(work)
        if not accepted.duplicate:
            self._fan_out.wake(app.sdkappid, draft.group_id)
        return accepted

    async def import_messages(self, app: App, group_id: str, drafts: Sequence[GroupDraft]) -> list[GroupAccepted]:
        """File old messages under their own times (``sent_at``), in this order; nobody is told. Raises ``Refused``."""
        now_ms = self._clock.now_ms()

        async def work(tx: Tx) -> list[GroupAccepted]:
            known = await fetch_accounts(tx, app.sdkappid, [draft.from_account for draft in drafts])
            filed = []
            for draft in drafts:
                if draft.from_account not in known:
                    raise Refused(GROUP_ACCOUNT_UNKNOWN, draft.from_account)
                group = await _require_group(tx, app.sdkappid, group_id, lock=True)
                message = _message(app, group, draft, self._ids.next(), now_ms)
                await store.insert_message(tx, message, draft.details, counts=False, hidden=False)
                filed.append(_accepted(message.message_id, message.seq, message.random, message.timestamp))
            return filed

        return await self._database.write(work)

    async def recall(self, app: App, group_id: str, seq: int, *, by: str | None = None) -> None:
        """Take a message back: cancel its pushes, tell who is connected. Recalling twice is no error.

        ``by``: the member that does it, its own message within the app's recall time or, as the group's leader, any;
        None is the backend. Raises ``Refused``.
        """
        now_ms = self._clock.now_ms()

        async def work(tx: Tx) -> tuple[Message, list[ConnectedDevice], list[Lane]] | None:
            await _require_group(tx, app.sdkappid, group_id, lock=True)
            said = await store.find_by_seq(tx, app.sdkappid, group_id, seq)
            if said is None:
                raise Refused(GROUP_MSG_NOT_FOUND)
            message = said.message
            if by is not None:
                await _require_recaller(tx, app, message, by, now_ms)
            if not await store.set_revoked(tx, message, now_ms):
                return None
            on_phones = await shown(tx, app.sdkappid, [message.message_id])
            await cancel_messages(tx, app.sdkappid, [message.message_id], Reason.RECALLED, now_ms)
            lanes = await take_back(tx, app, self._ids, on_phones[:MAX_TAKEN_BACK], now_ms, {})
            return message, await store.connected_members(tx, app.sdkappid, group_id, said.details.to or None), lanes

        found = await self._database.write(work)
        if found is not None:
            message, devices, lanes = found
            self._wake(lanes)
            self._tell([(device.node_id, _revoked(device, message)) for device in devices])

    async def recall_many(self, app: App, group_id: str, seqs: Sequence[int]) -> list[tuple[int, int]]:
        """Recall messages as the backend: each number with the REST code of what became of it. Raises ``Refused`` without a group."""
        await self._database.read(lambda tx: _require_group(tx, app.sdkappid, group_id))
        results = []
        for seq in seqs:
            try:
                await self.recall(app, group_id, seq)
            except Refused as refusal:
                results.append((seq, refusal.problem.rest_code))
            else:
                results.append((seq, 0))
        return results

    async def recall_of_sender(self, app: App, group_id: str, sender: str) -> int:
        """Recall the newest messages (at most 1,000) of an account. Returns how many."""

        async def work(tx: Tx) -> list[int]:
            await _require_group(tx, app.sdkappid, group_id)
            return await store.seqs_of_sender(tx, app.sdkappid, group_id, sender, MAX_SENDER_MESSAGES)

        seqs = await self._database.read(work)
        await self.recall_many(app, group_id, seqs)
        return len(seqs)

    async def newest(self, app: App, group_id: str, last_seq: int | None, limit: int) -> tuple[list[GroupMessage], bool]:
        """The history backwards from a number (None: the newest), and whether it ends here. Raises ``Refused``."""

        async def work(tx: Tx) -> tuple[list[GroupMessage], bool]:
            await _require_group(tx, app.sdkappid, group_id)
            found = await store.messages_before(tx, app.sdkappid, group_id, 2**62 if last_seq is None else last_seq, 0, limit + 1)
            return found[:limit], len(found) <= limit

        return await self._database.read(work)

    async def after(self, app: App, group_id: str, user_id: str, seq: int, limit: int) -> tuple[list[GroupMessage], int, bool]:
        """What a member may see after a number: messages, the number up to which this reaches, and whether there is more.

        Raises ``Refused`` when the account is no member.
        """

        async def work(tx: Tx) -> tuple[list[GroupMessage], int, bool]:
            await _require_group(tx, app.sdkappid, group_id)
            member = await _require_member(tx, app.sdkappid, group_id, user_id)
            found = await store.messages_after(tx, app.sdkappid, group_id, max(seq, member.join_seq), limit + 1)
            kept = found[:limit]
            reached = kept[-1].message.seq if kept else max(seq, member.join_seq)
            return [said for said in kept if _visible(said, user_id)], reached, len(found) > limit

        return await self._database.read(work)

    async def mark_read(self, app: App, group_id: str, user_id: str, seq: int | None, *, device_id: int | None = None) -> None:
        """A member has read up to a number (None: everything). The mark only moves forward; its other devices are told.

        Raises ``Refused`` when the account is no member.
        """
        now_ms = self._clock.now_ms()

        async def work(tx: Tx) -> tuple[list[tuple[int, Delivery]], list[Lane]]:
            account = (await lock_accounts(tx, [(app.sdkappid, user_id)])).get((app.sdkappid, user_id))
            group = await _require_group(tx, app.sdkappid, group_id)
            member = await _require_member(tx, app.sdkappid, group_id, user_id)
            last = group.last_seq if seq is None else min(seq, group.last_seq)
            if account is None or (last <= member.read_seq and seq is not None):
                return [], []
            before = await _unread(tx, group, member)
            late = await jobs.not_reached(tx, app.sdkappid, group_id, user_id, last)
            after, recalled = await store.counted_after(tx, app.sdkappid, group_id, last, user_id)
            await members.save_member(tx, msgspec.structs.replace(member, read_seq=last, counted_read=group.counted - after))
            read = max(0, before - (after - recalled) - late) if member.receive_option == ReceiveOption.NOTIFY else 0
            await lower_unread_total(tx, app.sdkappid, user_id, read)
            await jobs.cancel_read(tx, app.sdkappid, user_id, group_id, last, now_ms)
            lanes = await take_away(
                tx,
                app,
                self._ids,
                user_id,
                group_conversation(group_id),
                (0, await _moment(tx, group, last)),
                now_ms,
                badge=max(0, account.unread_total - read),
                device_id=device_id,
            )
            devices = await connected_devices(tx, app.sdkappid, [user_id])
            return [(device.node_id, _read_notice(device, group, last)) for device in devices if device.device_id != device_id], lanes

        told, lanes = await self._database.write(work)
        self._wake(lanes)
        self._tell(told)

    async def set_unread(self, app: App, group_id: str, user_id: str, unread: int) -> None:
        """Set how many messages a member has not read. Raises ``Refused``."""

        async def work(tx: Tx) -> None:
            await lock_accounts(tx, [(app.sdkappid, user_id)])
            group = await _require_group(tx, app.sdkappid, group_id)
            member = await _require_member(tx, app.sdkappid, group_id, user_id)
            _, recalled = await store.counted_after(tx, app.sdkappid, group_id, member.read_seq, user_id)
            await members.save_member(tx, msgspec.structs.replace(member, counted_read=group.counted - recalled - unread))

        await self._database.write(work)

    # --- inside ---

    async def _store(self, tx: Tx, group: Group, message: Message, draft: GroupDraft, sender: Member | None, now_ms: int) -> None:
        hidden = bool(message.flags & _ONLINE_ONLY)
        counts = not (hidden or message.flags & _NO_UNREAD or draft.details.to)
        await store.insert_message(tx, message, draft.details, counts=counts, hidden=hidden)
        if sender is not None:
            await members.member_spoke(tx, group.sdkappid, group.group_id, sender.user_id, int(counts), now_ms // 1000)
        await jobs.insert_job(tx, group.sdkappid, group.group_id, message.seq, message.message_id, draft.sender_device_id or 0, now_ms)

    def _wake(self, lanes: Sequence[Lane]) -> None:
        for lane in lanes:
            self._bus.wake(lane)

    def _tell(self, told: Sequence[tuple[int, Delivery]]) -> None:
        by_node: dict[int, list[Delivery]] = {}
        for node_id, delivery in told:
            by_node.setdefault(node_id, []).append(delivery)
        for node_id, deliveries in by_node.items():
            self._bus.deliver(node_id, deliveries)


async def _moment(tx: Tx, group: Group, seq: int) -> int:
    """When the message with this number was said (unix seconds)."""
    if seq >= group.last_seq:
        return group.last_message_at
    said = await store.find_by_seq(tx, group.sdkappid, group.group_id, seq)
    return 0 if said is None else said.message.timestamp


async def _unread(tx: Tx, group: Group, member: Member) -> int:
    _, recalled = await store.counted_after(tx, group.sdkappid, group.group_id, member.read_seq, member.user_id)
    return max(0, group.counted - member.counted_read - recalled)


def _visible(said: GroupMessage, user_id: str) -> bool:
    return not said.details.to or user_id in said.details.to or said.message.from_account == user_id


async def _require_group(tx: Tx, sdkappid: int, group_id: str, *, lock: bool = False) -> Group:
    group = await find_group(tx, sdkappid, group_id, lock=lock)
    if group is None:
        raise Refused(GROUP_NOT_FOUND)
    return group


async def _require_member(tx: Tx, sdkappid: int, group_id: str, user_id: str) -> Member:
    member = await members.find_member(tx, sdkappid, group_id, user_id)
    if member is None:
        raise Refused(GROUP_DENIED, "the account is no member of the group", cure="Add the account with add_group_member")
    return member


async def _require_speaker(tx: Tx, app: App, group: Group, sender: Member | None, draft: GroupDraft, now: int) -> None:
    if sender is None and draft.from_account not in await fetch_accounts(tx, app.sdkappid, [draft.from_account]):
        raise Refused(GROUP_ACCOUNT_UNKNOWN, draft.from_account)
    problem = may_speak(group, sender, now, by_admin=draft.by_admin)
    if problem is not None:
        raise Refused(problem, f"{draft.from_account} is no member of the group" if problem is GROUP_DENIED else "")


async def _require_recaller(tx: Tx, app: App, message: Message, by: str, now_ms: int) -> None:
    member = await _require_member(tx, app.sdkappid, message.group_id, by)
    if message.from_account != by and not member.leads:
        raise Refused(GROUP_RECALL_DENIED)
    if now_ms > (message.timestamp + app.settings.recall_seconds) * 1000:
        raise Refused(GROUP_RECALL_TOO_LATE)


def _message(app: App, group: Group, draft: GroupDraft, message_id: int, now_ms: int) -> Message:
    flags = draft.flags | MessageFlags.GROUP
    if group.live:
        flags |= MessageFlags.ONLINE_ONLY
    return Message(
        message_id=message_id,
        sdkappid=app.sdkappid,
        from_account=draft.from_account,
        to_account="",
        seq=group.last_seq + 1,
        random=draft.random,
        timestamp=now_ms // 1000 if draft.sent_at is None else draft.sent_at,
        flags=int(flags),
        body=_encode(draft.elements),
        push_info=None if draft.push_info is None else _encode(draft.push_info),
        cloud_custom_data=draft.cloud_custom_data,
        to_seq=None,
        from_seq=None,
        expires_at_ms=now_ms + draft.lifetime_seconds * 1000,
        group_id=group.group_id,
    )


def _accepted(message_id: int, seq: int, random: int, timestamp: int, *, duplicate: bool = False) -> GroupAccepted:
    return GroupAccepted(message_id, f"{message_id}-{timestamp}-{random}", f"{seq}_{random}_{timestamp}", seq, timestamp, duplicate)


def _revoked(device: ConnectedDevice, message: Message) -> RevokedDelivery:
    return RevokedDelivery(
        device.device_id, device.session_id, message.msg_id, message.msg_key, message.from_account, "", message.group_id, message.seq
    )


def _read_notice(device: ConnectedDevice, group: Group, seq: int) -> GroupNotice:
    return GroupNotice(device.device_id, device.session_id, device.node_id, group.group_id, group.name, "read", str(seq))
