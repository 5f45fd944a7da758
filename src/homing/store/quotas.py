"""What was accepted today and what is stopped, by certificate and class."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from .engine import Query, Tx

# Every row is found by its whole key, so that the days which are kept do not slow a scrape down.
_FIELDS = (
    "SELECT c.sdkappid, c.business_id, c.channel, c.name, c.options, k.class, q.day, "
    "COALESCE(q.accepted, 0), COALESCE(q.stopped_until_ms, 0) "
    "FROM certificate c CROSS JOIN (SELECT 'private' AS class UNION ALL SELECT 'public' UNION ALL SELECT 'bulk') k "
    "CROSS JOIN (SELECT {day} AS day UNION ALL SELECT {day} UNION ALL SELECT {day}) d "
    "LEFT JOIN quota q ON q.sdkappid = c.sdkappid AND q.business_id = c.business_id AND q.notification_class = k.class AND q.day = d.day "
)
_ORDER = "ORDER BY c.sdkappid, c.business_id, k.class"


def _query(name: str, condition: str) -> Query:
    text = _FIELDS + condition + _ORDER
    return Query(f"quotas.{name}", text.format(day="?"), text.format(day="?::text"))


_ALL = _query("all", "WHERE q.day IS NOT NULL ")
_OF_APP = _query("of_app", "WHERE c.sdkappid = ? ")


class QuotaRow(msgspec.Struct, frozen=True):
    """One certificate and class on one vendor day; ``day`` is None where nothing was counted."""

    sdkappid: int
    business_id: int
    channel: str
    name: str
    options: bytes | str  # JSON of the certificate's options
    notification_class: str  # of the lane that counted
    day: str | None
    accepted: int
    stopped_until_ms: int


async def counted(tx: Tx, days: Sequence[str]) -> list[QuotaRow]:
    """What was counted on these three days, for every app."""
    first, second, third = days
    return [QuotaRow(*row) for row in await tx.fetch(_ALL, first, second, third)]


async def of_app(tx: Tx, sdkappid: int, days: Sequence[str]) -> list[QuotaRow]:
    """Every certificate of an app with both classes, on these three days."""
    first, second, third = days
    return [QuotaRow(*row) for row in await tx.fetch(_OF_APP, first, second, third, sdkappid)]
