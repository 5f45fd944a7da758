"""Promise 4: a dead token is removed only on per-token evidence, and only if it was not replaced meanwhile."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

from homing.model.push import PushState, Reason

from . import voip_tokens
from .engine import Bulk, Tx

_DROP = Bulk(
    "dead_tokens.drop",
    [("device_id", "bigint"), ("sdkappid", "bigint"), ("token", "text"), ("dead_since_ms", "bigint")],
    "UPDATE device SET token = NULL, business_id = NULL FROM k WHERE device.device_id = k.device_id AND device.sdkappid = k.sdkappid "
    "AND device.token = k.token AND device.token_at_ms <= k.dead_since_ms RETURNING device.device_id, device.sdkappid, device.user_id",
)
_EVENT_COLUMNS = [
    ("event_id", "bigint"),
    ("sdkappid", "bigint"),
    ("user_id", "text"),
    ("device_id", "bigint"),
    ("at_ms", "bigint"),
    ("detail", "text"),
]
_NOTE = (
    "INSERT INTO device_event (event_id, sdkappid, user_id, device_id, at_ms, kind, detail) "
    "SELECT event_id, sdkappid, user_id, device_id, at_ms, '{kind}', detail FROM k"
)
_EVENTS = Bulk("dead_tokens.events", _EVENT_COLUMNS, _NOTE.format(kind="token_removed"))
_FELL_BACK = Bulk("dead_tokens.fell_back", _EVENT_COLUMNS, _NOTE.format(kind="token_fallback"))


# The next token of a device that reported several takes the dead one's place. It keeps the time of that report: a push made
# since then may find this token dead as well.
_PROMOTE = Bulk(
    "dead_tokens.promote",
    [("device_id", "bigint")],
    "UPDATE device SET business_id = f.business_id, token = f.token FROM k "
    "JOIN fallback_token f ON f.device_id = k.device_id "
    "AND f.rank = (SELECT MIN(g.rank) FROM fallback_token g WHERE g.device_id = k.device_id) "
    "WHERE device.device_id = k.device_id AND device.token IS NULL "
    "RETURNING device.device_id, device.sdkappid, device.user_id, device.business_id",
)
_USED = Bulk(
    "dead_tokens.used",
    [("device_id", "bigint")],
    "DELETE FROM fallback_token WHERE device_id IN (SELECT device_id FROM k) "
    "AND rank = (SELECT MIN(f.rank) FROM fallback_token f WHERE f.device_id = fallback_token.device_id)",
)
_AGAIN = Bulk(
    "dead_tokens.again",
    [("push_id", "bigint"), ("device_id", "bigint")],
    "UPDATE push SET state = ?, reason = ?, due_at_ms = ?, finished_at_ms = 0, owner = NULL, business_id = d.business_id, "
    "channel = c.channel, token = d.token FROM k JOIN device d ON d.device_id = k.device_id "
    "JOIN certificate c ON c.sdkappid = d.sdkappid AND c.business_id = d.business_id "
    "WHERE push.push_id = k.push_id AND push.state = ?",
)


_SEVERAL = Bulk(
    "dead_tokens.several",
    [("device_id", "bigint")],
    "SELECT DISTINCT f.device_id FROM k JOIN fallback_token f ON f.device_id = k.device_id",
)


class DeadToken(NamedTuple):
    """A token that its vendor called dead. ``dead_since_ms``: one reported later is another life of it and stays."""

    device_id: int
    sdkappid: int
    token: str
    dead_since_ms: int
    code: str
    push_id: int = 0  # the push that found out: it goes to the device's next token, where there is one


async def drop_tokens(tx: Tx, dead: Sequence[DeadToken], now_ms: int, next_id: Callable[[], int]) -> list[int]:
    """Unbind dead tokens from their devices and note it for the explanation. Returns the devices that lost theirs.

    A device that reported further tokens gets the next one in its place, and the push that found out goes there.
    """
    if not dead:
        return []
    codes = {token.device_id: token.code for token in dead}
    rows = await tx.bulk(_DROP, [token[:4] for token in dead])
    await tx.bulk(_EVENTS, [(next_id(), row[1], row[2], row[0], now_ms, codes[row[0]]) for row in rows])
    lost = [row[0] for row in rows]
    await _promote(tx, lost, {token.device_id: token.push_id for token in dead}, now_ms, next_id)
    await _drop_voip(tx, dead, now_ms, next_id)
    return lost


async def devices_with_fallbacks(tx: Tx, device_ids: Sequence[int]) -> set[int]:
    """Which of these devices reported further tokens."""
    return {row[0] for row in await tx.bulk(_SEVERAL, [(device_id,) for device_id in device_ids])}


async def _drop_voip(tx: Tx, dead: Sequence[DeadToken], now_ms: int, next_id: Callable[[], int]) -> None:
    """A dead token for calls: the call that found out goes to the device's own token."""
    found = {(token.device_id, token.token): token for token in dead}
    rows = await voip_tokens.drop(tx, [(token.device_id, token.token, token.dead_since_ms) for token in dead])
    gone = {row[0] for row in rows}
    codes = {token.device_id: token.code for token in found.values() if token.device_id in gone}
    await tx.bulk(_EVENTS, [(next_id(), row[1], row[2], row[0], now_ms, f"VoIP: {codes[row[0]]}") for row in rows])
    again = [(token.push_id, token.device_id) for token in found.values() if token.device_id in gone and token.push_id]
    await tx.bulk(_AGAIN, again, PushState.PENDING, Reason.FALLBACK.value, now_ms, PushState.FAILED)


async def _promote(tx: Tx, lost: Sequence[int], pushes: Mapping[int, int], now_ms: int, next_id: Callable[[], int]) -> None:
    rows = await tx.bulk(_PROMOTE, [(device_id,) for device_id in lost])
    promoted = [row[0] for row in rows]
    await tx.bulk(_USED, [(device_id,) for device_id in promoted])
    await tx.bulk(_FELL_BACK, [(next_id(), row[1], row[2], row[0], now_ms, f"business_id {row[3]}") for row in rows])
    again = [(pushes[device_id], device_id) for device_id in promoted if pushes.get(device_id)]
    await tx.bulk(_AGAIN, again, PushState.PENDING, Reason.FALLBACK.value, now_ms, PushState.FAILED)
