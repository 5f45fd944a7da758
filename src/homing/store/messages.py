"""What accepting messages reads and writes, a whole batch a statement."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from .engine import Bulk, Row, Tx

AccountKey = tuple[int, str]  # sdkappid, user id


class AccountRow(NamedTuple):
    """What accepting a message needs to know of an account."""

    sdkappid: int
    user_id: str
    nick: str
    face_url: str
    unread_total: int
    inbox_seq: int
    filters: int = 0  # InboxFilter: what it has set against incoming messages


class DeviceRow(NamedTuple):
    """A device with the state of its certificate, as the decision wants it."""

    sdkappid: int
    user_id: str
    device_id: int
    platform: str
    session_state: str
    session_id: int
    expires_at_ms: int
    last_seen_ms: int
    app_state: str
    node_id: int | None
    business_id: int | None
    token: str | None
    language: str
    channel: str | None
    paused_reason: str | None
    voip_business_id: int | None = None
    voip_token: str | None = None
    voip_channel: str | None = None
    voip_paused_reason: str | None = None


class Duplicate(NamedTuple):
    """An earlier message that a draft repeats."""

    place: int
    message_id: int
    seq: int
    random: int
    timestamp: int


_KEYS = [("sdkappid", "bigint"), ("user_id", "text")]

# Locked in order of their keys, so that two nodes never wait for each other in a circle.
_LOCK_ACCOUNTS_SQL = (
    "SELECT a.sdkappid, a.user_id, a.nick, a.face_url, a.unread_total, a.inbox_seq, a.filters "
    "FROM k JOIN account a ON a.sdkappid = k.sdkappid AND a.user_id = k.user_id"
)
_LOCK_ACCOUNTS = Bulk(
    "messages.lock_accounts", _KEYS, _LOCK_ACCOUNTS_SQL, _LOCK_ACCOUNTS_SQL + " ORDER BY a.sdkappid, a.user_id FOR UPDATE OF a"
)
_SAVE_ACCOUNTS = Bulk(
    "messages.save_accounts",
    [*_KEYS, ("unread_total", "bigint"), ("inbox_seq", "bigint")],
    "UPDATE account SET unread_total = k.unread_total, inbox_seq = k.inbox_seq FROM k "
    "WHERE account.sdkappid = k.sdkappid AND account.user_id = k.user_id",
)
_FIND_DUPLICATES = Bulk(
    "messages.find_duplicates",
    [
        ("place", "bigint"),
        ("sdkappid", "bigint"),
        ("random", "bigint"),
        ("seq", "bigint"),
        ("from_account", "text"),
        ("to_account", "text"),
        ("content_crc", "bigint"),
    ],
    "SELECT k.place, m.message_id, m.seq, m.random, m.timestamp FROM k JOIN message m ON m.sdkappid = k.sdkappid AND m.random = k.random "
    "AND m.seq = k.seq AND m.from_account = k.from_account AND m.to_account = k.to_account AND m.content_crc = k.content_crc "
    "AND m.message_id >= ?",
)
_LOAD_DEVICES = Bulk(
    "messages.load_devices",
    _KEYS,
    "SELECT d.sdkappid, d.user_id, d.device_id, d.platform, d.session_state, d.session_id, d.expires_at_ms, d.last_seen_ms, d.app_state, "
    "d.node_id, d.business_id, d.token, d.language, c.channel, c.paused_reason, "
    "v.business_id, v.token, vc.channel, vc.paused_reason FROM k "
    "JOIN device d ON d.sdkappid = k.sdkappid AND d.user_id = k.user_id "
    "LEFT JOIN certificate c ON c.sdkappid = d.sdkappid AND c.business_id = d.business_id "
    "LEFT JOIN voip_token v ON v.device_id = d.device_id AND d.token IS NOT NULL "
    "LEFT JOIN certificate vc ON vc.sdkappid = v.sdkappid AND vc.business_id = v.business_id",
)
_INSERT_MESSAGES = Bulk(
    "messages.insert",
    [
        ("message_id", "bigint"),
        ("sdkappid", "bigint"),
        ("conversation", "text"),
        ("from_account", "text"),
        ("to_account", "text"),
        ("seq", "bigint"),
        ("random", "bigint"),
        ("timestamp", "bigint"),
        ("content_crc", "bigint"),
        ("flags", "bigint"),
        ("body", "bytea"),
        ("push_info", "bytea"),
        ("cloud_custom_data", "text"),
        ("to_seq", "bigint"),
        ("from_seq", "bigint"),
        ("expires_at_ms", "bigint"),
    ],
    "INSERT INTO message (message_id, sdkappid, conversation, from_account, to_account, seq, random, timestamp, content_crc, flags, body, "
    "push_info, cloud_custom_data, to_seq, from_seq, expires_at_ms) SELECT message_id, sdkappid, conversation, from_account, to_account, "
    "seq, random, timestamp, content_crc, flags, body, push_info, cloud_custom_data, to_seq, from_seq, expires_at_ms FROM k",
)
_BUMP_CONVERSATIONS = Bulk(
    "messages.bump_conversations",
    [*_KEYS, ("peer", "text"), ("unread", "bigint"), ("last_message_id", "bigint")],
    "INSERT INTO conversation (sdkappid, user_id, peer, unread, last_message_id) "
    "SELECT sdkappid, user_id, peer, unread, last_message_id FROM k WHERE true ON CONFLICT (sdkappid, user_id, peer) DO UPDATE SET "
    "unread = conversation.unread + excluded.unread, "
    "last_message_id = CASE WHEN excluded.last_message_id > conversation.last_message_id THEN excluded.last_message_id "
    "ELSE conversation.last_message_id END",
)


async def lock_accounts(tx: Tx, keys: Iterable[AccountKey]) -> dict[AccountKey, AccountRow]:
    """The accounts that exist, locked for this transaction."""
    rows = await tx.bulk(_LOCK_ACCOUNTS, list(keys))
    return {(row[0], row[1]): AccountRow(*row) for row in rows}


async def find_duplicates(tx: Tx, keys: Sequence[Row], since_message_id: int) -> list[Duplicate]:
    """Earlier messages with the same sender, receiver, seq, random and content that are not older than ``since_message_id``."""
    return [Duplicate(*row) for row in await tx.bulk(_FIND_DUPLICATES, keys, since_message_id)]


async def load_devices(tx: Tx, keys: Iterable[AccountKey]) -> dict[AccountKey, list[DeviceRow]]:
    """Every device of these accounts."""
    devices: dict[AccountKey, list[DeviceRow]] = {}
    for row in await tx.bulk(_LOAD_DEVICES, list(keys)):
        devices.setdefault((row[0], row[1]), []).append(DeviceRow(*row))
    return devices


async def save_batch(tx: Tx, messages: Sequence[Row], conversations: Sequence[Row], accounts: Sequence[Row]) -> None:
    """Store accepted messages, their conversations and the accounts' counters."""
    await tx.bulk(_INSERT_MESSAGES, messages)
    await tx.bulk(_BUMP_CONVERSATIONS, conversations)
    await tx.bulk(_SAVE_ACCOUNTS, accounts)
