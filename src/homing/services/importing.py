"""Importing old messages, for those who come from another system (rest-api sheet, section 3, importmsg)."""

from __future__ import annotations

import msgspec

from homing.model.messages import MAX_LIFETIME_SECONDS, Draft, Message, MessageFlags, conversation_of
from homing.model.problems import MSG_BAD_TIME, MSG_RECEIVER_UNKNOWN, MSG_SENDER_UNKNOWN, Refused
from homing.rules.message_keys import content_crc
from homing.store.engine import Tx
from homing.store.history import is_imported, read_state
from homing.store.messages import lock_accounts, save_batch

FUTURE_SLACK_SECONDS = 60
_encode = msgspec.json.Encoder().encode


def imported_message(sdkappid: int, message_id: int, draft: Draft, now_ms: int, *, realtime: bool) -> Message:
    """The message under its own time (``draft.sent_at``, unix seconds). Raises ``Refused`` when that lies in the future.

    ``realtime``: devices get it with their next synchronisation; otherwise it is found by roaming only.
    """
    at = draft.sent_at if draft.sent_at is not None else now_ms // 1000
    if not 0 < at <= now_ms // 1000 + FUTURE_SLACK_SECONDS:
        raise Refused(MSG_BAD_TIME, "$.MsgTimeStamp lies in the future", cure="Pass the second when the message was sent")
    return Message(
        message_id=message_id,
        sdkappid=sdkappid,
        from_account=draft.from_account,
        to_account=draft.to_account,
        seq=draft.seq or 0,
        random=draft.random,
        timestamp=at,
        flags=int(draft.flags),
        body=_encode(draft.elements),
        push_info=None,
        cloud_custom_data=draft.cloud_custom_data,
        to_seq=None,
        from_seq=None,
        expires_at_ms=now_ms + MAX_LIFETIME_SECONDS * 1000 if realtime else 0,
    )


async def file_message(tx: Tx, message: Message, *, count_unread: bool) -> bool:
    """Store it in both sides' inboxes. False when the conversation has it already. Raises ``Refused`` for an unknown account."""
    sdkappid, sender, receiver = message.sdkappid, message.from_account, message.to_account
    keys = sorted({(sdkappid, sender), (sdkappid, receiver)})
    accounts = await lock_accounts(tx, keys)
    if (sdkappid, sender) not in accounts:
        raise Refused(MSG_SENDER_UNKNOWN)
    if (sdkappid, receiver) not in accounts:
        raise Refused(MSG_RECEIVER_UNKNOWN)
    conversation = conversation_of(sender, receiver)
    if await is_imported(tx, sdkappid, conversation, message.seq, message.random, message.timestamp):
        return False
    counted = int(count_unread and sender != receiver and await _is_unread(tx, message))
    places = {key: account.inbox_seq + 1 for key, account in accounts.items()}
    unread = {key: account.unread_total + (counted if key[1] == receiver else 0) for key, account in accounts.items()}
    last = message.message_id if count_unread else 0
    row = (
        message.message_id,
        sdkappid,
        conversation,
        sender,
        receiver,
        message.seq,
        message.random,
        message.timestamp,
        content_crc(message.body),
        message.flags,
        message.body,
        None,
        message.cloud_custom_data,
        places[(sdkappid, receiver)],
        places[(sdkappid, sender)] if sender != receiver else None,
        message.expires_at_ms,
    )
    sides = [(sdkappid, receiver, sender, counted, last)]
    if sender != receiver:
        sides.append((sdkappid, sender, receiver, 0, last))
    await save_batch(tx, [row], sides, [(*key, unread[key], places[key]) for key in keys])
    return True


async def _is_unread(tx: Tx, message: Message) -> bool:
    if message.flags & MessageFlags.NO_UNREAD:
        return False
    state = await read_state(tx, message.sdkappid, message.to_account, message.from_account)
    return state is None or message.timestamp > state.read_at
