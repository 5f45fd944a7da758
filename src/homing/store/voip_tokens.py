"""The token that a device reports for calls alone, beside its own. It is worth something only while the device has its own."""

from __future__ import annotations

from collections.abc import Sequence

from homing.model.devices import Device

from .engine import Bulk, Query, Row, Tx

_HOLDERS = Query(
    "voip_tokens.holders",
    "SELECT v.device_id, v.user_id, d.instance_id FROM voip_token v JOIN device d ON d.device_id = v.device_id "
    "WHERE v.sdkappid = ? AND v.business_id = ? AND v.token = ? AND v.device_id <> ?",
)
_TAKE = Query("voip_tokens.take", "DELETE FROM voip_token WHERE sdkappid = ? AND business_id = ? AND token = ? AND device_id <> ?")
_FORGET = Query("voip_tokens.forget", "DELETE FROM voip_token WHERE device_id = ?")
_SET = Query("voip_tokens.set", "INSERT INTO voip_token (device_id, sdkappid, user_id, business_id, token) VALUES (?, ?, ?, ?, ?)")
# Both tokens are reported together, so the device's time tells of this one too.
_DROP = Bulk(
    "voip_tokens.drop",
    [("device_id", "bigint"), ("token", "text"), ("dead_since_ms", "bigint")],
    "DELETE FROM voip_token WHERE EXISTS (SELECT 1 FROM k JOIN device d ON d.device_id = k.device_id "
    "WHERE k.device_id = voip_token.device_id AND k.token = voip_token.token AND d.token_at_ms <= k.dead_since_ms) "
    "RETURNING device_id, sdkappid, user_id",
)


async def holders(tx: Tx, device: Device, item: tuple[int, str]) -> Sequence[Row]:
    """Other devices that reported this token (business id, token) for calls: device id, user id, instance id."""
    return await tx.fetch(_HOLDERS, device.sdkappid, *item, device.device_id)


async def replace(tx: Tx, device: Device, item: tuple[int, str] | None) -> None:
    """The device has this token for calls from now on, and no other device has it. None: it has none."""
    await tx.execute(_FORGET, device.device_id)
    if item is not None:
        await tx.execute(_TAKE, device.sdkappid, *item, device.device_id)
        await tx.execute(_SET, device.device_id, device.sdkappid, device.user_id, *item)


async def drop(tx: Tx, dead: Sequence[tuple[int, str, int]]) -> Sequence[Row]:
    """Forget dead ones (device id, token, dead since) that were not reported anew: device id, sdkappid and user id of each."""
    return await tx.bulk(_DROP, list(dead))
