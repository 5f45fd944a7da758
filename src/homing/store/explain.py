"""Reading what is recorded about messages, pushes and devices, for the explanation. Nothing here changes anything."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from homing.model.messages import MessageFlags

from .engine import Bulk, Query, Tx

MAX_MESSAGES = 20
MAX_PUSHES = 200

# A group's message is to its conversation.
_MESSAGE = (
    f"message_id, from_account, CASE WHEN (flags & {int(MessageFlags.GROUP)}) <> 0 THEN conversation ELSE to_account END, seq, random, "
    "timestamp, flags, body, push_info, expires_at_ms, revoked_at_ms"
)
_PUSH = (
    "push_id, message_id, user_id, device_id, state, reason, inputs, business_id, channel, notification_class, attempts, due_at_ms, "
    "expires_at_ms, created_at_ms, finished_at_ms, vendor_message_id, delivered_at_ms, shown_at_ms, clicked_at_ms"
)
_DEVICE = (
    "device_id, user_id, platform, instance_id, session_state, login_at_ms, ended_at_ms, expires_at_ms, last_seen_ms, app_state, node_id, "
    "business_id, token, token_at_ms, language"
)
_BY_KEY = Query(
    "explain.message_by_key",
    f"SELECT {_MESSAGE} FROM message WHERE sdkappid = ? AND random = ? AND seq = ? AND timestamp = ? ORDER BY message_id LIMIT ?",
)
_MESSAGE_BY_ID = Query("explain.message_by_id", f"SELECT {_MESSAGE} FROM message WHERE message_id = ? AND sdkappid = ?")
_PUSHES_OF = Query("explain.pushes_of", f"SELECT {_PUSH} FROM push WHERE message_id = ? AND sdkappid = ? ORDER BY push_id LIMIT ?")
_PUSH_BY_ID = Query("explain.push_by_id", f"SELECT {_PUSH} FROM push WHERE push_id = ? AND sdkappid = ?")
_PUSHES_OF_ACCOUNT = Query(
    "explain.pushes_of_account", f"SELECT {_PUSH} FROM push WHERE sdkappid = ? AND user_id = ? ORDER BY push_id DESC LIMIT ?"
)
_ATTEMPTS = Bulk(
    "explain.attempts",
    [("push_id", "bigint")],
    "SELECT a.push_id, a.number, a.at_ms, a.latency_ms, a.outcome, a.code, a.detail, a.request, a.answer "
    "FROM k JOIN attempt a ON a.push_id = k.push_id ORDER BY a.push_id, a.number",
)
_RECEIPTS = Bulk(
    "explain.receipts",
    [("push_id", "bigint")],
    "SELECT r.push_id, r.kind, r.at_ms, r.source, r.code, r.detail "
    "FROM k JOIN receipt r ON r.push_id = k.push_id ORDER BY r.push_id, r.at_ms",
)
_RETRIES = Bulk(
    "explain.retries",
    [("push_id", "bigint")],
    "SELECT r.push_id, r.at_ms, r.attempts, r.was FROM k JOIN push_retry r ON r.push_id = k.push_id",
)
_DEVICES = Query("explain.devices", f"SELECT {_DEVICE} FROM device WHERE sdkappid = ? AND user_id = ? ORDER BY last_seen_ms DESC LIMIT 50")
_DEVICES_BY_ID = Bulk(
    "explain.devices_by_id",
    [("device_id", "bigint")],
    f"SELECT {', '.join('d.' + column for column in _DEVICE.split(', '))} FROM k JOIN device d ON d.device_id = k.device_id",
)
_EVENTS = Query(
    "explain.events",
    "SELECT device_id, at_ms, kind, detail FROM device_event WHERE sdkappid = ? AND user_id = ? ORDER BY event_id DESC LIMIT ?",
)
_ACCOUNT = Query("explain.account", "SELECT nick, created_at_ms, unread_total FROM account WHERE sdkappid = ? AND user_id = ?")
_STOPS = Query(
    "explain.stops",
    "SELECT business_id, notification_class, MAX(stopped_until_ms) FROM quota WHERE sdkappid = ? AND stopped_until_ms > ? "
    "GROUP BY business_id, notification_class",
)


class MessageRecord(msgspec.Struct, frozen=True):
    """A message as it is stored."""

    message_id: int
    from_account: str
    to_account: str  # or "group_{group id}"
    seq: int
    random: int
    timestamp: int
    flags: int
    body: bytes
    push_info: bytes | None
    expires_at_ms: int
    revoked_at_ms: int


class PushRecord(msgspec.Struct, frozen=True):
    """A push as it is stored."""

    push_id: int
    message_id: int
    user_id: str
    device_id: int
    state: int
    reason: str
    inputs: str
    business_id: int
    channel: str
    notification_class: str
    attempts: int
    due_at_ms: int
    expires_at_ms: int
    created_at_ms: int
    finished_at_ms: int
    vendor_message_id: str
    delivered_at_ms: int
    shown_at_ms: int
    clicked_at_ms: int
    bundle_id: int = 0  # of a push to many: whose requests carried it


class AttemptRecord(msgspec.Struct, frozen=True):
    """One try at the vendor."""

    push_id: int
    number: int
    at_ms: int
    latency_ms: int
    outcome: str
    code: str
    detail: str
    request: str
    answer: str


class ReceiptRecord(msgspec.Struct, frozen=True):
    """One later word."""

    push_id: int
    kind: str
    at_ms: int
    source: str
    code: str
    detail: str


class RetryRecord(msgspec.Struct, frozen=True):
    """A dead letter that somebody had tried again."""

    push_id: int
    at_ms: int
    attempts: int  # made before
    was: str  # reason for which it had ended


class DeviceRecord(msgspec.Struct, frozen=True):
    """A device as it is now."""

    device_id: int
    user_id: str
    platform: str
    instance_id: str
    session_state: str
    login_at_ms: int
    ended_at_ms: int
    expires_at_ms: int
    last_seen_ms: int
    app_state: str
    node_id: int | None
    business_id: int | None
    token: str | None
    token_at_ms: int
    language: str


class EventRecord(msgspec.Struct, frozen=True):
    """Something that happened to a device."""

    device_id: int
    at_ms: int
    kind: str
    detail: str


class AccountRecord(msgspec.Struct, frozen=True):
    """What is shown of an account."""

    nick: str
    created_at_ms: int
    unread_total: int


async def messages_by_key(tx: Tx, sdkappid: int, seq: int, random: int, timestamp: int) -> list[MessageRecord]:
    """The messages with this MsgKey: one a receiver where a sender used one key for several."""
    return [MessageRecord(*row) for row in await tx.fetch(_BY_KEY, sdkappid, random, seq, timestamp, MAX_MESSAGES)]


async def message_by_id(tx: Tx, sdkappid: int, message_id: int) -> MessageRecord | None:
    """The message, or None when it is gone."""
    row = await tx.fetch_one(_MESSAGE_BY_ID, message_id, sdkappid)
    return None if row is None else MessageRecord(*row)


async def pushes_of_message(tx: Tx, sdkappid: int, message_id: int) -> list[PushRecord]:
    """The pushes of a message, one a device."""
    return [PushRecord(*row) for row in await tx.fetch(_PUSHES_OF, message_id, sdkappid, MAX_PUSHES)]


async def push_by_id(tx: Tx, sdkappid: int, push_id: int) -> PushRecord | None:
    """One push, or None."""
    row = await tx.fetch_one(_PUSH_BY_ID, push_id, sdkappid)
    return None if row is None else PushRecord(*row)


async def pushes_of_account(tx: Tx, sdkappid: int, user_id: str, limit: int) -> list[PushRecord]:
    """The last pushes of an account, newest first."""
    return [PushRecord(*row) for row in await tx.fetch(_PUSHES_OF_ACCOUNT, sdkappid, user_id, limit)]


async def attempts_of(tx: Tx, push_ids: Sequence[int]) -> dict[int, list[AttemptRecord]]:
    """The attempts of each push, in order."""
    found: dict[int, list[AttemptRecord]] = {}
    for row in await tx.bulk(_ATTEMPTS, [(push_id,) for push_id in push_ids]):
        found.setdefault(row[0], []).append(AttemptRecord(*row))
    return found


async def receipts_of(tx: Tx, push_ids: Sequence[int]) -> dict[int, list[ReceiptRecord]]:
    """The receipts of each push, in order."""
    found: dict[int, list[ReceiptRecord]] = {}
    for row in await tx.bulk(_RECEIPTS, [(push_id,) for push_id in push_ids]):
        found.setdefault(row[0], []).append(ReceiptRecord(*row))
    return found


async def retries_of(tx: Tx, push_ids: Sequence[int]) -> dict[int, RetryRecord]:
    """Which of them somebody had tried again."""
    return {row[0]: RetryRecord(*row) for row in await tx.bulk(_RETRIES, [(push_id,) for push_id in push_ids])}


async def devices_of(tx: Tx, sdkappid: int, user_id: str) -> list[DeviceRecord]:
    """An account's devices, the one seen last first."""
    return [DeviceRecord(*row) for row in await tx.fetch(_DEVICES, sdkappid, user_id)]


async def devices_by_id(tx: Tx, device_ids: Sequence[int]) -> dict[int, DeviceRecord]:
    """Devices by their id."""
    rows = await tx.bulk(_DEVICES_BY_ID, [(device_id,) for device_id in dict.fromkeys(device_ids)])
    return {row[0]: DeviceRecord(*row) for row in rows}


async def events_of(tx: Tx, sdkappid: int, user_id: str, limit: int) -> list[EventRecord]:
    """What happened to an account's devices last, newest first."""
    return [EventRecord(*row) for row in await tx.fetch(_EVENTS, sdkappid, user_id, limit)]


async def account_record(tx: Tx, sdkappid: int, user_id: str) -> AccountRecord | None:
    """The account, or None."""
    row = await tx.fetch_one(_ACCOUNT, sdkappid, user_id)
    return None if row is None else AccountRecord(*row)


async def quota_stops(tx: Tx, sdkappid: int, now_ms: int) -> dict[tuple[int, str], int]:
    """Until when a spent quota stops a certificate's class."""
    return {(row[0], row[1]): row[2] for row in await tx.fetch(_STOPS, sdkappid, now_ms)}
