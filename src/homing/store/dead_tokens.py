"""Promise 4: a dead token is removed only on per-token evidence, and only if it was not replaced meanwhile."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

from .engine import Bulk, Tx

_DROP = Bulk(
    "dead_tokens.drop",
    [("device_id", "bigint"), ("sdkappid", "bigint"), ("token", "text"), ("dead_since_ms", "bigint")],
    "UPDATE device SET token = NULL, business_id = NULL FROM k WHERE device.device_id = k.device_id AND device.sdkappid = k.sdkappid "
    "AND device.token = k.token AND device.token_at_ms <= k.dead_since_ms RETURNING device.device_id, device.sdkappid, device.user_id",
)
_EVENTS = Bulk(
    "dead_tokens.events",
    [
        ("event_id", "bigint"),
        ("sdkappid", "bigint"),
        ("user_id", "text"),
        ("device_id", "bigint"),
        ("at_ms", "bigint"),
        ("detail", "text"),
    ],
    "INSERT INTO device_event (event_id, sdkappid, user_id, device_id, at_ms, kind, detail) "
    "SELECT event_id, sdkappid, user_id, device_id, at_ms, 'token_removed', detail FROM k",
)


class DeadToken(NamedTuple):
    """A token that its vendor called dead. ``dead_since_ms``: one reported later is another life of it and stays."""

    device_id: int
    sdkappid: int
    token: str
    dead_since_ms: int
    code: str


async def drop_tokens(tx: Tx, dead: Sequence[DeadToken], now_ms: int, next_id: Callable[[], int]) -> list[int]:
    """Unbind dead tokens from their devices and note it for the explanation. Returns the devices that lost theirs."""
    codes = {token.device_id: token.code for token in dead}
    rows = await tx.bulk(_DROP, [token[:4] for token in dead])
    await tx.bulk(_EVENTS, [(next_id(), row[1], row[2], row[0], now_ms, codes[row[0]]) for row in rows])
    return [row[0] for row in rows]
