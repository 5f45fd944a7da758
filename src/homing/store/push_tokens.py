"""Promise 5: one physical token belongs to one account. It moves in one transaction."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import NamedTuple

from homing.model.devices import Device, SessionState
from homing.model.push import Reason

from . import voip_tokens
from .devices import delete_devices
from .engine import Query, Tx
from .messages import lock_accounts
from .pushes import silence_device
from .token_import import IMPORTED

# Two phones that report one token at the same moment come one after the other. SQLite has one writer anyway.
_LOCK = Query("push_tokens.lock", "SELECT ?", "SELECT pg_advisory_xact_lock(?)")
_HOLDERS = Query(
    "push_tokens.holders",
    "SELECT device_id, user_id, instance_id FROM device WHERE sdkappid = ? AND business_id = ? AND token = ? AND device_id <> ?",
)
_UNBIND = Query("push_tokens.unbind", "UPDATE device SET token = NULL, business_id = NULL, token_at_ms = ? WHERE device_id = ?")
_SET = Query(
    "push_tokens.set",
    "UPDATE device SET business_id = ?, token = ?, token_at_ms = ?, is_tpns_token = ?, last_seen_ms = ? "
    "WHERE device_id = ? AND session_id = ? AND session_state = ?",
)


_FORGET_FALLBACKS = Query("push_tokens.forget_fallbacks", "DELETE FROM fallback_token WHERE device_id = ?")
_TAKE_FALLBACK = Query(
    "push_tokens.take_fallback", "DELETE FROM fallback_token WHERE sdkappid = ? AND business_id = ? AND token = ? AND device_id <> ?"
)
_ADD_FALLBACK = Query(
    "push_tokens.add_fallback", "INSERT INTO fallback_token (device_id, rank, sdkappid, business_id, token) VALUES (?, ?, ?, ?, ?)"
)


class Holder(NamedTuple):
    """Who had the token before."""

    device_id: int
    user_id: str
    instance_id: str


async def bind_token(
    tx: Tx,
    device: Device,
    business_id: int,
    token: str,
    now_ms: int,
    *,
    is_tpns_token: bool = False,
    fallbacks: Sequence[tuple[int, str]] = (),
    voip: tuple[int, str] | None = None,
) -> list[Holder] | None:
    """Give the token to this device and take it from every other; returns who had it. None: the session has ended.

    What is on its way to the earlier holders stops. A device that was only imported is nothing without its token and goes.
    ``fallbacks`` are further tokens (business id, token) of the same phone, and belong to this account alone just as well,
    as does ``voip``, the one for calls.
    """
    holders: dict[int, Holder] = {}
    tokens = [(business_id, token), *fallbacks]
    for number in sorted({_lock_number(device.sdkappid, *item) for item in (*tokens, *([voip] if voip else ()))}):
        await tx.fetch(_LOCK, number)
    for item in tokens:
        for row in await tx.fetch(_HOLDERS, device.sdkappid, *item, device.device_id):
            holders[row[0]] = Holder(*row)
    callers = {row[0]: Holder(*row) for row in await voip_tokens.holders(tx, device, voip)} if voip else {}
    everybody = {**callers, **holders}
    await lock_accounts(tx, sorted({(device.sdkappid, user_id) for user_id in (device.user_id, *(h.user_id for h in everybody.values()))}))
    for holder in everybody.values():
        await silence_device(tx, holder.device_id, Reason.TOKEN_MOVED, now_ms)
    for holder in holders.values():
        await tx.execute(_UNBIND, now_ms, holder.device_id)
    await delete_devices(tx, [holder.device_id for holder in holders.values() if holder.instance_id.startswith(IMPORTED)])
    if not await _set(tx, device, business_id, token, now_ms, is_tpns_token):
        return None
    await _set_fallbacks(tx, device, tokens)
    await voip_tokens.replace(tx, device, voip)
    return list(everybody.values())


async def _set_fallbacks(tx: Tx, device: Device, tokens: Sequence[tuple[int, str]]) -> None:
    """Keep all but the first; none of them stays another device's fallback."""
    for item in tokens:
        await tx.execute(_TAKE_FALLBACK, device.sdkappid, *item, device.device_id)
    await tx.execute(_FORGET_FALLBACKS, device.device_id)
    for rank, item in enumerate(tokens[1:], 1):
        await tx.execute(_ADD_FALLBACK, device.device_id, rank, device.sdkappid, *item)


async def clear_token(tx: Tx, device: Device, now_ms: int) -> bool:
    """The device wants no push any more: unbind its token, stop what is on its way. False: the session has ended."""
    await lock_accounts(tx, [(device.sdkappid, device.user_id)])
    if not await _set(tx, device, None, None, now_ms, False):
        return False
    await tx.execute(_FORGET_FALLBACKS, device.device_id)
    await voip_tokens.replace(tx, device, None)
    await silence_device(tx, device.device_id, Reason.NO_TOKEN, now_ms)
    return True


async def _set(tx: Tx, device: Device, business_id: int | None, token: str | None, now_ms: int, is_tpns_token: bool) -> bool:
    args = (business_id, token, now_ms, int(is_tpns_token), now_ms, device.device_id, device.session_id, SessionState.ACTIVE)
    return await tx.execute(_SET, *args) == 1


def _lock_number(sdkappid: int, business_id: int, token: str) -> int:
    digest = hashlib.sha256(f"{sdkappid}\0{business_id}\0{token}".encode("utf-8", "replace")).digest()
    return int.from_bytes(digest[:8], "big", signed=True)
