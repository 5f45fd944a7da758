"""Existing push tokens as devices, many in one transaction."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from typing import Any

import msgspec

from homing.model.devices import SessionState
from homing.model.push import Reason

from .accounts import insert_accounts
from .engine import Bulk, Tx
from .pushes import silence_device

#: Begins the instance id of a device that never logged in here.
IMPORTED = "import-"

_HOLDERS = Bulk(
    "token_import.holders",
    [("business_id", "bigint"), ("token", "text")],
    "SELECT d.business_id, d.token, d.device_id, d.user_id, d.platform, d.instance_id FROM k JOIN device d "
    "ON d.sdkappid = ? AND d.business_id = k.business_id AND d.token = k.token",
)
_CLEAR = Bulk(
    "token_import.clear",
    [("device_id", "bigint")],
    "UPDATE device SET token = NULL, token_at_ms = ? FROM k WHERE device.device_id = k.device_id",
)
_EVENTS = Bulk(
    "token_import.events",
    [("event_id", "bigint"), ("user_id", "text"), ("device_id", "bigint"), ("detail", "text")],
    "INSERT INTO device_event (event_id, sdkappid, user_id, device_id, at_ms, kind, detail) "
    "SELECT event_id, CAST(? AS bigint), user_id, device_id, CAST(? AS bigint), 'token_moved', detail FROM k WHERE true",
)
_SAVE = Bulk(
    "token_import.save",
    [
        ("device_id", "bigint"),
        ("user_id", "text"),
        ("platform", "text"),
        ("instance_id", "text"),
        ("app_state", "text"),
        ("business_id", "bigint"),
        ("token", "text"),
        ("language", "text"),
    ],
    "INSERT INTO device (device_id, sdkappid, user_id, platform, instance_id, session_state, session_id, login_at_ms, expires_at_ms, "
    "last_seen_ms, app_state, business_id, token, token_at_ms, language) "
    "SELECT device_id, CAST(? AS bigint), user_id, platform, instance_id, CAST(? AS text), 1, CAST(? AS bigint), 0, CAST(? AS bigint), "
    "app_state, business_id, token, CAST(? AS bigint), language FROM k WHERE true "
    "ON CONFLICT (sdkappid, user_id, platform, instance_id) DO UPDATE SET session_state = excluded.session_state, "
    "last_seen_ms = excluded.last_seen_ms, app_state = excluded.app_state, business_id = excluded.business_id, "
    "token = excluded.token, token_at_ms = excluded.token_at_ms",
)


class TokenRow(msgspec.Struct, frozen=True, gc=False):
    """One device to be imported."""

    user_id: str
    platform: str
    business_id: int
    token: str
    app_state: str
    language: str = ""


class Imported(msgspec.Struct, frozen=True):
    """What a batch changed."""

    devices: int
    accounts_made: int
    kept: int  # tokens that a device which really logged in holds already: it knows better than an old file


class _Holder(msgspec.Struct, frozen=True):
    business_id: int
    token: str
    device_id: int
    user_id: str
    platform: str
    instance_id: str


def instance_of(business_id: int, token: str) -> str:
    """The instance id of an imported token: always the same, so that an import can be repeated."""
    return IMPORTED + hashlib.sha256(f"{business_id}\0{token}".encode()).hexdigest()[:24]


async def import_tokens(tx: Tx, sdkappid: int, rows: Sequence[TokenRow], next_id: Callable[[], int], now_ms: int) -> Imported:
    """Make a device for each token, and the accounts that are missing. Of a token given twice the last line counts.

    A token that belongs to an imported device of another account moves (promise 5); one that a device with a real login
    holds stays there.
    """
    wanted = {(row.business_id, row.token): row for row in rows}
    holders = {(h.business_id, h.token): h for h in [_Holder(*row) for row in await tx.bulk(_HOLDERS, list(wanted), sdkappid)]}
    kept = {key for key, holder in holders.items() if not holder.instance_id.startswith(IMPORTED)}
    fresh = [row for key, row in wanted.items() if key not in kept]
    moved = [h for key, h in holders.items() if key not in kept and (h.user_id, h.platform) != (wanted[key].user_id, wanted[key].platform)]
    made = await insert_accounts(tx, sdkappid, [(row.user_id, "", "") for row in wanted.values()], now_ms)
    await _take_away(tx, sdkappid, moved, wanted, next_id, now_ms)
    values = [
        (next_id(), r.user_id, r.platform, instance_of(r.business_id, r.token), r.app_state, r.business_id, r.token, r.language)
        for r in fresh
    ]
    await tx.bulk(_SAVE, values, sdkappid, SessionState.ACTIVE.value, now_ms, now_ms, now_ms)
    return Imported(len(fresh), len(made), len(kept))


async def _take_away(
    tx: Tx, sdkappid: int, holders: Sequence[_Holder], wanted: dict[tuple[int, str], Any], next_id: Callable[[], int], now_ms: int
) -> None:
    """Tokens that move: the old device loses its own before the new one gets it, and its pending pushes with it."""
    await tx.bulk(_CLEAR, [(holder.device_id,) for holder in holders], now_ms)
    events = [(next_id(), h.user_id, h.device_id, f"to {wanted[(h.business_id, h.token)].user_id} by an import") for h in holders]
    await tx.bulk(_EVENTS, events, sdkappid, now_ms)
    for holder in holders:
        await silence_device(tx, holder.device_id, Reason.TOKEN_MOVED, now_ms)
