"""Taking notifications back: a message was recalled, or read elsewhere, after its notification had gone out.

What takes a notification back is a push like any other: made in the transaction that recalls or reads, claimed, sent, tried again
and explained.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import msgspec

from homing.channels.registry import CHANNELS
from homing.model.apps import App
from homing.model.clock import Ids
from homing.model.push import PushKind, PushState, Reason
from homing.rules.withdrawing import collapse_id_of, notify_id_of
from homing.store import withdrawals as store
from homing.store.certificates import get_certificate
from homing.store.engine import Tx
from homing.store.withdrawals import ShownRow

from .fan_out import Lane

#: How long a notification that is on its way to the vendor just now may take: what replaces it must not overtake it (promise 8).
IN_FLIGHT_MS = 5_000
MAX_AGE_MS = 7 * 86_400_000
MAX_IDS = 30  # notifications that one silent push takes off a phone
#: The channels whose phones replace a notification by one with the same id, and those through which an app can be told silently.
REPLACING = frozenset(name for name, channel in CHANNELS.items() if channel.capabilities.replaces)
SILENT = frozenset(name for name, channel in CHANNELS.items() if channel.capabilities.withdraws)
#: The vendors that take notifications off phones themselves, each with the certificate option that this needs.
RECALLING = {name: channel.capabilities.recall_option for name, channel in CHANNELS.items() if channel.capabilities.recall_option}


class Notes(msgspec.Struct, frozen=True):
    """What is recorded with a push that takes notifications back."""

    takes_back: list[int]  # pushes
    withdraws: list[str] = []  # the collapse ids by which the app finds them
    notify_id: int = 0  # the one by which the vendor finds it


async def take_back(tx: Tx, app: App, ids: Ids, notifications: Sequence[ShownRow], now_ms: int, badges: dict[str, int]) -> list[Lane]:
    """Replace the notifications of a recalled message. ``badges``: the receivers' unread totals. Returns the lanes with work."""
    if not app.settings.replace_recalled:
        return []
    rows = []
    for row in notifications:
        if row.channel not in REPLACING:
            continue
        notes = _encoded(Notes([row.push_id]))
        badge, due_at_ms = badges.get(row.user_id), _due([row], now_ms)
        rows.append(_row(ids.next(), row, Reason.TAKEN_BACK, PushKind.RECALLED, notes, badge, due_at_ms))
    return await _insert(tx, app.sdkappid, rows, notifications, now_ms)


async def take_away(
    tx: Tx, app: App, ids: Ids, user_id: str, conversation: str, read: tuple[int, int], now_ms: int, *, badge: int, device_id: int | None
) -> list[Lane]:
    """Take the notifications of a conversation that ``user_id`` read elsewhere off its other phones, and set their badges.

    ``read``: the read mark before and now, unix seconds. One silent push a device; where the vendor itself takes them off, one recall
    for each notification. Returns the lanes with work.
    """
    if not app.settings.clear_read:
        return []
    since_ms = max(read[0] * 1000, now_ms - MAX_AGE_MS)
    found = await store.shown_and_read(
        tx,
        app.sdkappid,
        user_id,
        conversation,
        since_push_id=max(0, since_ms - Ids.EPOCH_MS) << 22,
        read=read,
        but_device=device_id or 0,
    )
    recalling = await _recalling(tx, app.sdkappid, found)
    by_device: dict[tuple[int, int], list[ShownRow]] = {}
    for row in found:
        # A conversation's one notification may show a newer message by the time that the vendor takes it away.
        recalls = row.business_id in recalling and not row.replaces
        notify_id = _notify_id(row) if recalls else 0
        if (recalls or row.channel in SILENT) and len(by_device.setdefault((row.device_id, notify_id), [])) < MAX_IDS:
            by_device[row.device_id, notify_id].append(row)
    rows, newest = [], []
    for (_, notify_id), shown in by_device.items():
        names = list(dict.fromkeys(_collapse_id(row) for row in shown))
        notes = _encoded(Notes([row.push_id for row in shown], names, notify_id))
        rows.append(_row(ids.next(), shown[0], Reason.CLEARED, PushKind.READ, notes, badge, _due(shown, now_ms)))
        newest.append(shown[0])
    return await _insert(tx, app.sdkappid, rows, newest, now_ms)


def notes_of(inputs: str) -> Notes:
    """What was recorded with such a push."""
    try:
        return msgspec.json.decode(inputs, type=Notes)
    except msgspec.MsgspecError:
        return Notes([])


def _due(shown: Iterable[ShownRow], now_ms: int) -> int:
    return now_ms + (IN_FLIGHT_MS if any(row.state == PushState.CLAIMED for row in shown) else 0)


def _encoded(notes: Notes) -> str:
    return msgspec.json.encode(notes).decode()


def _collapse_id(row: ShownRow) -> str:
    return collapse_id_of(row.message_id, row.flags, row.from_account, _msg_key(row), row.replaces)


def _notify_id(row: ShownRow) -> int:
    return notify_id_of(row.message_id, row.flags, row.from_account, _msg_key(row))


def _msg_key(row: ShownRow) -> str:
    return f"{row.seq}_{row.random}_{row.timestamp}"


async def _recalling(tx: Tx, sdkappid: int, shown: Iterable[ShownRow]) -> set[int]:
    """The certificates among these through which the vendor itself takes notifications off."""
    found = set()
    for business_id, channel in {row.business_id: row.channel for row in shown if row.channel in RECALLING}.items():
        certificate = await get_certificate(tx, sdkappid, business_id)
        if certificate is not None and msgspec.json.decode(certificate.options).get(RECALLING[channel]):
            found.add(business_id)
    return found


def _row(push_id: int, row: ShownRow, reason: Reason, kind: PushKind, notes: str, badge: int | None, due_at_ms: int) -> tuple[Any, ...]:
    return (
        push_id,
        row.message_id,
        row.user_id,
        row.device_id,
        reason.value,
        notes,
        row.business_id,
        row.channel,
        row.notification_class,
        row.token,
        badge,
        due_at_ms,
        row.expires_at_ms,
        row.replaces if kind is PushKind.RECALLED else "",
        kind.value,
    )


async def _insert(tx: Tx, sdkappid: int, rows: list[tuple[Any, ...]], shown: Iterable[ShownRow], now_ms: int) -> list[Lane]:
    await store.insert_withdrawals(tx, sdkappid, rows, now_ms)
    return list(dict.fromkeys((sdkappid, row.business_id, row.notification_class) for row in shown)) if rows else []
