"""Callbacks around messages: the backend is asked before one is stored, and told of it afterwards."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Sequence
from typing import TypeVar

import msgspec

from homing.model.apps import App
from homing.model.clock import Clock, Ids
from homing.model.groups import Group, GroupAccepted, GroupDraft
from homing.model.messages import Accepted, Draft, Message, MessageFlags
from homing.model.problems import HOOK_FAILED, Refused
from homing.model.webhooks import Callback, HookAnswer, OnFailure, Webhook
from homing.rules import webhooks as rules
from homing.rules.message_keys import msg_key
from homing.store.engine import Tx
from homing.store.webhooks import insert_events

from .fan_out import Stored
from .hook_calls import HookCalls
from .webhooks import Webhooks

_NO_BEFORE = MessageFlags.NO_HOOK_BEFORE.value
_NO_AFTER = MessageFlags.NO_HOOK_AFTER.value
_BATCH = MessageFlags.BATCH.value
D = TypeVar("D", bound=Draft)


class MessageHooks:
    """Asks and tells about messages. ``webhooks.by_app`` is empty where no app wants to know: callers look at that first."""

    def __init__(
        self, *, webhooks: Webhooks, calls: HookCalls, clock: Clock, ids: Ids, random_bits: Callable[[int], int] = secrets.randbits
    ) -> None:
        self.webhooks = webhooks
        self._calls = calls
        self._clock = clock
        self._ids = ids
        self._random_bits = random_bits

    async def before(self, app: App, draft: Draft) -> Draft | Accepted:
        """The draft as the backend wants it, or the answer to a sender whose message is dropped. Raises ``Refused``."""
        hook = self.webhooks.of(app.sdkappid, Callback.BEFORE_MESSAGE)
        if hook is None or int(draft.flags) & _NO_BEFORE:
            return draft
        now_ms = self._clock.now_ms()
        seq = self._random_bits(32) if draft.seq is None else draft.seq
        message_id, key = self._ids.next(), msg_key(seq, draft.random, now_ms // 1000)
        msg_id = f"{message_id}-{now_ms // 1000}-{draft.random}"
        body = rules.message_asked(draft, msg_id, key, seq, now_ms)
        answer = await self._ask(hook, Callback.BEFORE_MESSAGE, body, draft.sender_platform)
        if answer.ErrorCode == rules.DROP:
            return Accepted(message_id, msg_id, key, seq, now_ms // 1000)
        if answer.ErrorCode != rules.ALLOW:
            raise Refused(rules.refusal(answer, group=False))
        return _changed(msgspec.structs.replace(draft, seq=seq), answer)

    async def before_group(self, app: App, draft: GroupDraft, group: Group) -> GroupDraft | GroupAccepted:
        """The same for a message to a group. Raises ``Refused``."""
        hook = self.webhooks.of(app.sdkappid, Callback.BEFORE_GROUP_MESSAGE)
        if hook is None or int(draft.flags) & _NO_BEFORE:
            return draft
        now_ms = self._clock.now_ms()
        body = rules.group_asked(draft, group.kind, draft.from_account, now_ms)
        answer = await self._ask(hook, Callback.BEFORE_GROUP_MESSAGE, body, draft.sender_platform)
        if answer.ErrorCode == rules.DROP:
            message_id, seq, time = self._ids.next(), group.last_seq + 1, now_ms // 1000
            return GroupAccepted(message_id, f"{message_id}-{time}-{draft.random}", msg_key(seq, draft.random, time), seq, time)
        if answer.ErrorCode != rules.ALLOW:
            raise Refused(rules.refusal(answer, group=True))
        return _changed(draft, answer)

    async def note(self, tx: Tx, stored: Sequence[Stored]) -> None:
        """Queue what has to be told of stored messages, in the transaction that stores them."""
        now_ms = self._clock.now_ms()
        rows = [
            (
                self._ids.next(),
                item.message.sdkappid,
                Callback.AFTER_MESSAGE.value,
                item.entry.draft.sender_platform,
                rules.message_told(item.message, item.unread, now_ms),
                now_ms,
            )
            for item in stored
            if not item.message.flags & (_NO_AFTER | _BATCH) and self.webhooks.of(item.message.sdkappid, Callback.AFTER_MESSAGE)
        ]
        await insert_events(tx, rows)

    async def note_group(self, tx: Tx, app: App, group: Group, draft: GroupDraft, message: Message) -> None:
        """Queue what has to be told of a message to a group."""
        if self.webhooks.of(app.sdkappid, Callback.AFTER_GROUP_MESSAGE) is None or message.flags & _NO_AFTER:
            return
        now_ms = self._clock.now_ms()
        body = rules.group_told(draft, group.kind, draft.from_account, message, now_ms)
        row = (self._ids.next(), app.sdkappid, Callback.AFTER_GROUP_MESSAGE.value, draft.sender_platform, body, now_ms)
        await insert_events(tx, [row])

    async def _ask(self, hook: Webhook, callback: Callback, body: bytes, platform: str) -> HookAnswer:
        found = await self._calls.ask(hook, callback.value, body, hook.options.timeout_seconds, platform)
        answer = rules.read_answer(found.status, found.body) if found is not None else None
        if answer is not None:
            return answer
        if hook.options.message_on_failure is OnFailure.REFUSE:
            raise Refused(HOOK_FAILED)
        return HookAnswer()


def _changed(draft: D, answer: HookAnswer) -> D:
    """The draft with what the backend put in place."""
    return msgspec.structs.replace(
        draft,
        elements=draft.elements if answer.MsgBody is None else answer.MsgBody,
        cloud_custom_data=draft.cloud_custom_data if answer.CloudCustomData is None else answer.CloudCustomData.replace("\0", ""),
        push_info=draft.push_info if answer.OfflinePushInfo is None else answer.OfflinePushInfo,
    )
