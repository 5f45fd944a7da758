"""Hands a group's message out to its members after it was accepted: in bounded steps, each a transaction of its own.

What is to be done stands in the table: a server that dies goes on with the member after the last one that was served, and
nobody is served twice. Between two steps everything else has its turn, so a large group does not hold up one-to-one messages.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Sequence
from typing import Protocol

import msgspec
import structlog

from homing.model.apps import App
from homing.model.clock import Clock, Ids
from homing.model.groups import Group, GroupDraft, GroupMessage, Member
from homing.model.messages import Accepted, Element, MessageFlags
from homing.model.push import Reason
from homing.model.push_info import NO_WISHES, OfflinePushInfo
from homing.model.receive_options import NO_SCREENING, Screening
from homing.rules.content import describable
from homing.rules.decision import MessageTraits
from homing.rules.groups import member_screening, member_traits
from homing.store import group_fan_out as store
from homing.store.engine import Database, StoreBusy, Tx
from homing.store.group_members import find_members
from homing.store.group_messages import hold_group_message
from homing.store.groups import find_group
from homing.store.messages import AccountKey, AccountRow, DeviceRow, load_devices, lock_accounts, save_batch
from homing.store.pushes import insert_pushes
from homing.store.screening import Key, load_screens

from .fan_out import Entry, Lane, Plan, Stored
from .jobs import AppDirectory

log = structlog.get_logger()

#: Members a step. A step of this size keeps the writer busy for some ten milliseconds.
STEP = 200
#: Groups that are worked on at the same moment.
CONCURRENT = 4
SURVEY_SECONDS = 1.0
#: A job that nobody touched for so long belongs to nobody any more.
ABANDONED_MS = 3_000
MAX_SURVEYED = 100

GroupKey = tuple[int, str]
_decode_elements = msgspec.json.Decoder(tuple[Element, ...]).decode
_decode_info = msgspec.json.Decoder(OfflinePushInfo).decode
_UNCOUNTED = (MessageFlags.NO_UNREAD | MessageFlags.ONLINE_ONLY).value


class Outgoing(Protocol):
    """Who takes decided messages on: sockets and lanes."""

    def room(self, lane: Lane) -> bool:
        """Whether the lane can take a push straight away. Called from the writer's thread: reads only."""
        ...

    def hand_on(self, stored: Sequence[Stored]) -> None:
        """These decisions are durable; send what they ask for."""
        ...


class GroupFanOut:
    """The groups of this node that have something to hand out, and the abandoned ones of other nodes."""

    def __init__(
        self,
        *,
        database: Database,
        clock: Clock,
        ids: Ids,
        owner: int,
        apps: AppDirectory,
        outgoing: Outgoing,
        on_decided: Callable[[Stored], None] | None = None,
    ) -> None:
        self._database = database
        self._clock = clock
        self._ids = ids
        self._owner = owner
        self._apps = apps
        self._outgoing = outgoing
        self._on_decided = on_decided
        self._running: dict[GroupKey, asyncio.Task[None]] = {}
        self._asked: set[GroupKey] = set()
        self._turns = asyncio.Semaphore(CONCURRENT)
        self._surveyor: asyncio.Task[None] | None = None
        self._stopping = False

    def start(self) -> None:
        """Go on with what an earlier life left, and look for what is abandoned from then on."""
        self._surveyor = asyncio.get_running_loop().create_task(self._survey())

    async def stop(self) -> None:
        """Finish the steps that are under way; the rest is durable."""
        self._stopping = True
        if self._surveyor is not None:
            self._surveyor.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._surveyor
        await self.idle()

    async def idle(self) -> None:
        """Wait until everything that this node knows of is handed out."""
        while self._running:
            await asyncio.wait(set(self._running.values()))

    def wake(self, sdkappid: int, group_id: str) -> None:
        """This group has something to hand out."""
        key = (sdkappid, group_id)
        self._asked.add(key)
        if key not in self._running and not self._stopping:
            task = self._running[key] = asyncio.get_running_loop().create_task(self._run(key))
            task.add_done_callback(lambda _: self._ended(key))

    async def resume(self, idle_ms: int) -> None:
        """Take on the jobs that nobody has touched for so long."""
        before_ms = self._clock.now_ms() - idle_ms
        for key in await self._database.read(lambda tx: store.waiting_groups(tx, before_ms, MAX_SURVEYED)):
            self.wake(*key)

    # --- inside ---

    def _ended(self, key: GroupKey) -> None:
        del self._running[key]
        if key in self._asked:
            self.wake(*key)

    async def _survey(self) -> None:
        # One process alone has no neighbour that could be at work on what is left in the table.
        idle_ms = 0 if self._database.dialect == "sqlite" else ABANDONED_MS
        while True:
            try:
                await self.resume(idle_ms)
            except StoreBusy as busy:
                log.warning("group_fan_out_waits_for_the_store", why=str(busy))
            except Exception:
                log.exception("group_fan_out_survey_failed")
            idle_ms = ABANDONED_MS
            await asyncio.sleep(SURVEY_SECONDS)

    async def _run(self, key: GroupKey) -> None:
        try:
            async with self._turns:
                while not self._stopping:
                    self._asked.discard(key)
                    if not await self._step(key) and key not in self._asked:
                        return
        except StoreBusy as busy:
            self._asked.discard(key)  # the survey finds it again
            log.warning("group_fan_out_waits_for_the_store", why=str(busy))
        except Exception:
            self._asked.discard(key)
            log.exception("group_fan_out_failed", sdkappid=key[0], group_id=key[1])

    async def _step(self, key: GroupKey) -> bool:
        """Serve the next members of the group's oldest message. False when there is nothing left to do."""
        app = await self._apps.get(key[0])
        now_ms = self._clock.now_ms()

        async def work(tx: Tx) -> tuple[bool, Stored | None]:
            return await self._serve(tx, app, key, now_ms)

        more, stored = await self._database.write(work)
        if stored is not None:
            if self._on_decided is not None:
                self._on_decided(stored)
            self._outgoing.hand_on([stored])
        return more

    async def _serve(self, tx: Tx, app: App | None, key: GroupKey, now_ms: int) -> tuple[bool, Stored | None]:
        sdkappid, group_id = key
        job = await store.oldest_job(tx, sdkappid, group_id)
        if job is None:
            return False, None
        group = await find_group(tx, sdkappid, group_id)
        said = await hold_group_message(tx, sdkappid, job.message_id)
        if app is None or group is None or said is None or said.message.revoked:
            await store.finish(tx, sdkappid, group_id, job.seq)
            return True, None
        user_ids = await store.next_members(tx, sdkappid, group_id, job, said.details.to, STEP)
        stored = _stored(app, group, said, job.sender_device_id) if user_ids else None
        if stored is not None:
            await self._decide(tx, group, said, stored, user_ids, now_ms)
        if said.details.to or len(user_ids) < STEP:
            await store.finish(tx, sdkappid, group_id, job.seq)
        else:
            await store.advance(tx, sdkappid, group_id, job.seq, user_ids[-1], now_ms)
        return True, stored

    async def _decide(self, tx: Tx, group: Group, said: GroupMessage, stored: Stored, user_ids: list[str], now_ms: int) -> None:
        """Decide about every device of these members, and write it down. Their accounts are held, as accepting a message holds them."""
        keys = sorted((group.sdkappid, user_id) for user_id in user_ids)
        accounts = await lock_accounts(tx, keys)
        members = await find_members(tx, group.sdkappid, group.group_id, user_ids)
        devices = await load_devices(tx, keys)
        reachable = _reachable(devices) if group.live else devices
        plan = Plan(
            accounts=accounts,
            devices=reachable,
            duplicates={},
            screens={},
            ids=self._ids,
            owner=self._owner,
            now_ms=now_ms,
            room=self._outgoing.room,
        )
        screens = await load_screens(tx, _screened(accounts, said))
        for user_id in user_ids:
            key = (group.sdkappid, user_id)
            if key in accounts and user_id in members and (reachable.get(key) or not group.live):
                member = members[user_id]
                found = screens.get((*key, said.message.conversation_id, said.message.from_account))
                _plan_member(plan, stored, said, member, member_screening(member.receive_option, found), now_ms, live=group.live)
        if said.details.at or said.details.at_all:
            at, at_all = said.details.at, said.details.at_all
            stored.deliveries = [msgspec.structs.replace(delivery, at=at, at_all=at_all) for delivery in stored.deliveries]
        await save_batch(tx, (), (), plan.account_rows())
        await insert_pushes(tx, plan.push_rows)


def _plan_member(plan: Plan, stored: Stored, said: GroupMessage, member: Member, screening: Screening, now_ms: int, *, live: bool) -> None:
    key = (member.sdkappid, member.user_id)
    own = member.user_id == said.message.from_account
    if not own and not live and member.read_seq >= said.message.seq:
        plan.leave_out(stored, key, Reason.READ_ELSEWHERE)
        return
    entry = stored.entry
    common = entry.traits
    entry.traits = member_traits(common, screening, said.details, member.user_id, now_ms, honours_mute=_honours_mute(said))
    entry.screening = None if screening is NO_SCREENING else screening
    plan.receive(stored, key, counted=not own and _counts(said, entry.traits))
    entry.traits, entry.screening = common, None


def _screened(accounts: dict[AccountKey, AccountRow], said: GroupMessage) -> list[Key]:
    """The members that have set something for their account; mostly none, which costs no look-up."""
    conversation, sender = said.message.conversation_id, said.message.from_account
    return [(*key, conversation, sender) for key, account in accounts.items() if account.filters]


def _honours_mute(said: GroupMessage) -> bool:
    return bool(said.message.flags & MessageFlags.HONOUR_MUTE.value)


def _counts(said: GroupMessage, traits: MessageTraits) -> bool:
    """Whether it raises the number on the member's app icon: what the member silenced does not, unless it is mentioned."""
    if said.message.flags & _UNCOUNTED or said.details.to or traits.discarded:
        return False
    return traits.mentioned or not traits.muted


def _reachable(devices: dict[AccountKey, list[DeviceRow]]) -> dict[AccountKey, list[DeviceRow]]:
    """Only devices whose sockets are open: a live audience is told nothing later."""
    return {key: [device for device in rows if device.node_id is not None] for key, rows in devices.items()}


def _stored(app: App, group: Group, said: GroupMessage, sender_device_id: int) -> Stored:
    """The message as the plan and the lanes take it."""
    message = said.message
    elements = _decode_elements(message.body)
    info = None if message.push_info is None else _decode_info(message.push_info)
    wishes = NO_WISHES if info is None else info
    draft = GroupDraft(
        group_id=group.group_id,
        from_account=message.from_account,
        elements=elements,
        random=message.random,
        flags=MessageFlags(message.flags),
        push_info=info,
        sender_device_id=sender_device_id or None,
        details=said.details,
    )
    traits = MessageTraits(
        push_flag=wishes.PushFlag,
        online_only=bool(message.flags & MessageFlags.ONLINE_ONLY.value),
        describable=describable(elements, wishes),
    )
    entry = Entry(app=app, draft=draft, body=message.body, push_info=message.push_info, content_crc=0, seq=message.seq, traits=traits)
    accepted = Accepted(message.message_id, message.msg_id, message.msg_key, message.seq, message.timestamp)
    return Stored(accepted, message, entry, said.nick, said.face_url, title=group.name)
