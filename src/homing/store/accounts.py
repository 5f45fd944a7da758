"""Accounts: rows of the table ``account``, and what has to go with them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from homing.model.devices import Account

from .engine import Bulk, Query, Tx
from .group_members import leave_all

AccountRow = tuple[str, str, str]  # user id, nick, face URL

_COLUMNS = [("user_id", "text"), ("nick", "text"), ("face_url", "text")]
_INSERT_SQL = (
    "INSERT INTO account (sdkappid, user_id, nick, face_url, created_at_ms) "
    "SELECT CAST(? AS bigint), user_id, nick, face_url, CAST(? AS bigint) FROM k WHERE true ON CONFLICT (sdkappid, user_id) "
)
_INSERT = Bulk("accounts.insert", _COLUMNS, _INSERT_SQL + "DO NOTHING RETURNING user_id")
# What an import leaves out stays as it is.
_UPSERT = Bulk(
    "accounts.upsert",
    _COLUMNS,
    _INSERT_SQL + "DO UPDATE SET nick = CASE WHEN excluded.nick = '' THEN account.nick ELSE excluded.nick END, "
    "face_url = CASE WHEN excluded.face_url = '' THEN account.face_url ELSE excluded.face_url END",
)
_FETCH = Bulk(
    "accounts.fetch",
    [("user_id", "text")],
    "SELECT a.sdkappid, a.user_id, a.nick, a.face_url, a.valid_from, a.unread_total, a.inbox_seq, a.created_at_ms "
    "FROM k JOIN account a ON a.user_id = k.user_id WHERE a.sdkappid = ?",
)
_DELETE = Bulk(
    "accounts.delete",
    [("user_id", "text")],
    "DELETE FROM account WHERE sdkappid = ? AND user_id IN (SELECT user_id FROM k) RETURNING user_id",
)
_DELETE_CONVERSATIONS = Bulk(
    "accounts.delete_conversations",
    [("user_id", "text")],
    "DELETE FROM conversation WHERE sdkappid = ? AND user_id IN (SELECT user_id FROM k)",
)
_DELETE_LABELS = Bulk(
    "accounts.delete_labels",
    [("user_id", "text")],
    "DELETE FROM account_label WHERE sdkappid = ? AND user_id IN (SELECT user_id FROM k)",
)
# An account that is made again under the same name counts its inbox from the start: the old places must be free.
_LEAVE_INBOX = Bulk(
    "accounts.leave_inbox",
    [("user_id", "text")],
    "UPDATE message SET to_seq = NULL FROM k WHERE message.sdkappid = ? AND message.to_account = k.user_id AND message.to_seq IS NOT NULL",
)
_LEAVE_OUTBOX = Bulk(
    "accounts.leave_outbox",
    [("user_id", "text")],
    "UPDATE message SET from_seq = NULL FROM k "
    "WHERE message.sdkappid = ? AND message.from_account = k.user_id AND message.from_seq IS NOT NULL",
)
# What an account had set, and every mention of it on the others' lists.
_FORGET = tuple(
    Bulk(
        f"accounts.forget_{table}_{column}",
        [("user_id", "text")],
        f"DELETE FROM {table} WHERE sdkappid = ? AND {column} IN (SELECT user_id FROM k)",
    )
    for table, column in (
        ("friend", "user_id"),
        ("friend", "friend"),
        ("blacklist", "user_id"),
        ("blacklist", "blocked"),
        ("receive_option", "user_id"),
        ("quiet_hours", "user_id"),
    )
)
_SET_VALID_FROM = Query(
    "accounts.set_valid_from",
    "UPDATE account SET valid_from = CASE WHEN valid_from > ? THEN valid_from ELSE ? END WHERE sdkappid = ? AND user_id = ?",
)


def _unique(rows: Iterable[AccountRow]) -> list[AccountRow]:
    """One row an account, the last one given; sorted, so that two nodes lock in the same order."""
    return sorted({row[0]: row for row in rows}.values())


async def insert_accounts(tx: Tx, sdkappid: int, rows: Sequence[AccountRow], now_ms: int) -> list[str]:
    """Make the accounts that are missing; those that exist stay as they are. Returns the new ones."""
    return [row[0] for row in await tx.bulk(_INSERT, _unique(rows), sdkappid, now_ms)]


async def upsert_accounts(tx: Tx, sdkappid: int, rows: Sequence[AccountRow], now_ms: int) -> None:
    """Make the accounts, or overwrite nick and face URL where they exist; an empty value leaves the old one."""
    await tx.bulk(_UPSERT, _unique(rows), sdkappid, now_ms)


async def fetch_accounts(tx: Tx, sdkappid: int, user_ids: Iterable[str]) -> dict[str, Account]:
    """The accounts that exist, by UserID."""
    rows = await tx.bulk(_FETCH, [(user_id,) for user_id in dict.fromkeys(user_ids)], sdkappid)
    return {row[1]: Account(*row) for row in rows}


async def delete_accounts(tx: Tx, sdkappid: int, user_ids: Iterable[str]) -> list[str]:
    """Delete accounts with their conversations and their side of every message. Returns those that existed.

    Their devices are ended by whoever owns the sessions, before this is called.
    """
    keys = [(user_id,) for user_id in sorted(set(user_ids))]
    deleted = [(row[0],) for row in await tx.bulk(_DELETE, keys, sdkappid)]
    await leave_all(tx, sdkappid, [key[0] for key in deleted])
    for statement in (_DELETE_CONVERSATIONS, _DELETE_LABELS, _LEAVE_INBOX, _LEAVE_OUTBOX, *_FORGET):
        await tx.bulk(statement, deleted, sdkappid)
    return [key[0] for key in deleted]


async def set_valid_from(tx: Tx, sdkappid: int, user_id: str, valid_from: int) -> bool:
    """UserSigs issued before this unix second are revoked; never moves back. False when there is no such account."""
    return await tx.execute(_SET_VALID_FROM, valid_from, valid_from, sdkappid, user_id) == 1
