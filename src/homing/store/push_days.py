"""Pushes a day: decided, taken by the vendor, delivered, clicked; by kind and channel (sheet push-statistics-and-limits, section 1)."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from typing import NamedTuple

from .engine import Bulk, Query, Tx

_COLUMNS = [
    ("sdkappid", "bigint"),
    ("day", "text"),
    ("kind", "text"),
    ("channel", "text"),
    ("total", "bigint"),
    ("sent", "bigint"),
    ("delivered", "bigint"),
    ("clicked", "bigint"),
]
_NAMES = ", ".join(name for name, _ in _COLUMNS)
_ADD = Bulk(
    "push_days.add",
    _COLUMNS,
    f"INSERT INTO push_day ({_NAMES}) SELECT {_NAMES} FROM k WHERE true ON CONFLICT (sdkappid, day, kind, channel) DO UPDATE SET "
    + ", ".join(f"{name} = push_day.{name} + excluded.{name}" for name in ("total", "sent", "delivered", "clicked")),
)
_READ = Query(
    "push_days.read",
    "SELECT day, kind, channel, total, sent, delivered, clicked FROM push_day WHERE sdkappid = ? AND day >= ? AND day <= ? "
    "ORDER BY day, kind, channel",
)


class PushDay(NamedTuple):
    """The counts of one day (UTC), kind and channel."""

    day: str
    kind: str
    channel: str
    total: int
    sent: int
    delivered: int
    clicked: int


def day_of(now_ms: int) -> str:
    """The day (UTC) of a moment."""
    return dt.datetime.fromtimestamp(now_ms / 1000, dt.UTC).date().isoformat()


DayRow = tuple[int, str, str, str, int, int, int, int]


async def add_days(tx: Tx, rows: Sequence[DayRow]) -> None:
    """Add counts: sdkappid, day, kind, channel, total, sent, delivered, clicked."""
    sums: dict[tuple[int, str, str, str], list[int]] = {}
    for sdkappid, day, kind, channel, *counts in rows:
        known = sums.setdefault((sdkappid, day, kind, channel), [0, 0, 0, 0])
        sums[sdkappid, day, kind, channel] = [a + b for a, b in zip(known, counts, strict=True)]
    await tx.bulk(_ADD, [(*key, *sums[key]) for key in sorted(sums)])


async def count_day(tx: Tx, sdkappid: int, day: str, kind: str, channel: str, total: int, sent: int) -> None:
    """Add what became of some pushes."""
    await add_days(tx, [(sdkappid, day, kind, channel, total, sent, 0, 0)])


async def read_days(tx: Tx, sdkappid: int, first: str, last: str) -> list[PushDay]:
    """The counts from the day ``first`` to the day ``last``, both YYYY-MM-DD."""
    return [PushDay(*row) for row in await tx.fetch(_READ, sdkappid, first, last)]
