"""Accepting messages: one durable transaction a batch, with every decision in it."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Callable, Sequence
from typing import Protocol

import msgspec

from homing.model.apps import App
from homing.model.clock import Clock, Ids
from homing.model.messages import Accepted, Draft, MessageFlags
from homing.model.problems import Problem, Refused
from homing.model.push_info import NO_WISHES
from homing.rules.content import describable
from homing.rules.decision import MessageTraits
from homing.rules.message_keys import DEDUPE_SECONDS, content_crc
from homing.store import messages as store
from homing.store import screening
from homing.store.engine import Database, StoreBusy, Tx
from homing.store.pushes import insert_pushes

from .batcher import Batcher
from .fan_out import SYNCHRONISED, Entry, Lane, Plan, Results, Stored, duplicate_key, screen_key
from .message_hooks import MessageHooks

MAX_BATCH = 256
LINGER_SECONDS = 0.001
_encode = msgspec.json.Encoder().encode
_ONLINE_ONLY = MessageFlags.ONLINE_ONLY.value


class Outgoing(Protocol):
    """Who takes stored messages on: sockets and lanes."""

    def room(self, lane: Lane) -> bool:
        """Whether the lane can take a push straight away. Called from the writer's thread: reads only."""
        ...

    def hand_over(self, stored: Sequence[Stored]) -> None:
        """These messages are durable; send what they ask for."""
        ...


class Messaging:
    """The accept side. Every answered message is on disk together with its pushes."""

    def __init__(
        self,
        *,
        database: Database,
        ids: Ids,
        owner: int,
        clock: Clock,
        outgoing: Outgoing,
        random_bits: Callable[[int], int] = secrets.randbits,
        max_queued: int = 20_000,
        hooks: MessageHooks | None = None,
    ) -> None:
        self._database = database
        self._ids = ids
        self._owner = owner
        self._clock = clock
        self._outgoing = outgoing
        self._random_bits = random_bits
        self._hooks = hooks
        self._batcher: Batcher[Entry, Stored | Accepted | Problem] = Batcher(
            self._accept, max_batch=MAX_BATCH, max_queued=max_queued, linger_seconds=LINGER_SECONDS
        )

    async def send(self, app: App, draft: Draft) -> Accepted:
        """Store a message and decide its pushes; returns when both are durable.

        Raises ``Refused`` when an account does not exist, ``StoreBusy`` when the store cannot take it now.
        """
        if self._hooks is not None and self._hooks.webhooks.by_app:
            wanted = await self._hooks.before(app, draft)
            if isinstance(wanted, Accepted):
                return wanted
            draft = wanted
        result = await self._batcher.submit(self._prepare(app, draft))
        if isinstance(result, Stored):
            return result.accepted
        if isinstance(result, Problem):
            raise Refused(result)
        return result

    async def send_many(self, app: App, drafts: Sequence[Draft]) -> list[Accepted | Problem]:
        """Like ``send`` for many messages at once; a refusal stands in its message's place.

        Raises ``StoreBusy`` when the store cannot take all of them; what was stored all the same is found again by its
        MsgSeq and MsgRandom when the caller repeats.
        """
        if self._batcher.free < len(drafts):
            raise StoreBusy("too many requests are waiting for the store")
        results = await asyncio.gather(*(self._batcher.submit(self._prepare(app, draft)) for draft in drafts))
        return [result.accepted if isinstance(result, Stored) else result for result in results]

    def prepared(self, app: App, drafts: Sequence[Draft]) -> list[Entry]:
        """Drafts made ready to be stored in a transaction of the caller's."""
        return [self._prepare(app, draft) for draft in drafts]

    async def store(self, tx: Tx, entries: Sequence[Entry]) -> Results:
        """Store messages in the caller's transaction; ``hand_over`` what this returns once it is durable."""
        return await self._store(tx, list(entries), self._clock.now_ms())

    def hand_over(self, results: Results) -> None:
        """These messages are durable."""
        self._outgoing.hand_over([result for result in results if isinstance(result, Stored)])

    async def drain(self) -> None:
        """Wait until everything handed in is stored."""
        await self._batcher.drain()

    def _prepare(self, app: App, draft: Draft) -> Entry:
        body = _encode(draft.elements)
        info = draft.push_info
        wishes = NO_WISHES if info is None else info
        return Entry(
            app=app,
            draft=draft,
            body=body,
            push_info=None if info is None else _encode(info),
            content_crc=content_crc(body),
            seq=self._random_bits(32) if draft.seq is None else draft.seq,
            traits=MessageTraits(
                push_flag=wishes.PushFlag,
                online_only=bool(draft.flags.value & _ONLINE_ONLY),
                describable=describable(draft.elements, wishes),
            ),
        )

    async def _accept(self, entries: list[Entry]) -> list[Stored | Accepted | Problem]:
        now_ms = self._clock.now_ms()

        async def work(tx: Tx) -> Results:
            return await self._store(tx, entries, now_ms)

        results = await self._database.write(work)
        self._outgoing.hand_over([result for result in results if isinstance(result, Stored)])
        return list(results)

    async def _store(self, tx: Tx, entries: list[Entry], now_ms: int) -> Results:
        # Sorted, so that two nodes that accept at the same moment lock in the same order.
        keys = sorted({(e.app.sdkappid, user) for e in entries for user in (e.draft.from_account, e.draft.to_account)})
        accounts = await store.lock_accounts(tx, keys)
        since = max(0, now_ms - DEDUPE_SECONDS * 1000 - Ids.EPOCH_MS) << 22
        repeated = [(place, *duplicate_key(entry)) for place, entry in enumerate(entries) if entry.draft.seq is not None]
        duplicates = {found.place: found for found in await store.find_duplicates(tx, repeated, since)}
        plan = Plan(
            accounts=accounts,
            devices=await store.load_devices(tx, _whose_devices(entries)),
            duplicates=duplicates,
            screens=await screening.load_screens(tx, _screened(entries, accounts)),
            ids=self._ids,
            owner=self._owner,
            now_ms=now_ms,
            room=self._outgoing.room,
        )
        results = [plan.add(place, entry) for place, entry in enumerate(entries)]
        await store.save_batch(tx, plan.message_rows, plan.conversation_rows(), plan.account_rows())
        await insert_pushes(tx, plan.push_rows)
        if self._hooks is not None and self._hooks.webhooks.by_app:
            await self._hooks.note(tx, [result for result in results if isinstance(result, Stored)])
        return results


def _screened(entries: list[Entry], accounts: dict[store.AccountKey, store.AccountRow]) -> list[screening.Key]:
    """The messages to receivers that have set something against incoming ones; mostly none, which costs no look-up."""
    if not any(account.filters for account in accounts.values()):
        return []
    keys = []
    for entry in entries:
        receiver = accounts.get((entry.app.sdkappid, entry.draft.to_account))
        if receiver is not None and receiver.filters:
            keys.append(screen_key(entry))
    return keys


def _whose_devices(entries: list[Entry]) -> set[store.AccountKey]:
    """Receivers always; senders only where a message is to be synchronised to their other devices."""
    keys = {(e.app.sdkappid, e.draft.to_account) for e in entries}
    keys.update((e.app.sdkappid, e.draft.from_account) for e in entries if e.draft.flags.value & SYNCHRONISED)
    return keys
