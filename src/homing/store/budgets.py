"""Vendors' rate limits for the whole cluster: one row a certificate says up to when its limit is given away.

A reservation moves that moment on by the time that its permits cost, so the limit holds however many nodes reserve. The
database's clock counts, not the nodes'. The table is not worth a disk flush: after a crash the limit simply starts anew.
"""

from __future__ import annotations

from .engine import Query, Tx

#: How much of the past may still be given away: reservations that come a little late do not lower the rate.
CREDIT_US = 100_000

_RESERVE = (
    "INSERT INTO rate_budget AS b (sdkappid, business_id, reserved_until_us) SELECT ?, ?, {now} + ? WHERE true "
    "ON CONFLICT (sdkappid, business_id) DO UPDATE SET reserved_until_us = "
    "CASE WHEN b.reserved_until_us > {earliest} THEN b.reserved_until_us ELSE {earliest} END + ? RETURNING reserved_until_us - ? - {now}"
)
_SQLITE_NOW = "CAST((julianday('now') - 2440587.5) * 86400000000 AS INTEGER)"
_POSTGRES_NOW = "CAST(extract(epoch FROM clock_timestamp()) * 1000000 AS bigint)"


def _text(now: str) -> str:
    return _RESERVE.format(now=now, earliest=f"{now} - {CREDIT_US}")


_QUERY = Query("budgets.reserve", _text(_SQLITE_NOW), _text(_POSTGRES_NOW).replace("SELECT ?, ?", "SELECT ?::bigint, ?::bigint"))


async def reserve(tx: Tx, sdkappid: int, business_id: int, span_us: int) -> int:
    """Reserve ``span_us`` microseconds of the certificate's limit. Returns in how many microseconds they begin (0 or less: now)."""
    row = await tx.fetch_one(_QUERY, sdkappid, business_id, span_us, span_us, span_us)
    assert row is not None
    return int(row[0])
