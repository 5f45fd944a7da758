"""Today's counts and stops: what each certificate sent in the vendor's day, what the vendor allows, and which lanes wait."""

from __future__ import annotations

from collections.abc import Iterable

import msgspec

from homing.channels.registry import CHANNELS
from homing.model.clock import Clock
from homing.model.problems import APP_NOT_FOUND, Refused
from homing.rules.quota import day_end_ms, day_of
from homing.store import quotas as store
from homing.store.apps import get_app
from homing.store.engine import Database, StoreBusy, Tx

from .vendor_days import utc_offset_minutes

#: Metrics may be this old: a scrape more often than that asks the store for nothing.
FRESH_SECONDS = 15.0
#: No place on earth has another date than one of these has.
_DATE_LINES_MINUTES = (-720, 0, 840)


class _Options(msgspec.Struct):
    """The one option of a certificate that counts here."""

    notification_class: str = "private"


_read_class = msgspec.json.Decoder(_Options).decode


class LaneQuota(msgspec.Struct, frozen=True):
    """One certificate and class today."""

    sdkappid: int
    business_id: int
    channel: str
    name: str
    notification_class: str
    day: str  # the vendor's calendar day
    day_ends_ms: int
    accepted: int
    limit: int | None  # the vendor's documented one for the smallest app; None: none documented
    device_limit: int | None  # the same for one device
    stopped_until_ms: int  # 0: not stopped


class Quotas:
    """Reads the counts that the dispatcher keeps. ``lanes`` is what ``refresh`` found last, for metrics."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock
        self.lanes: list[LaneQuota] = []
        self._read_at = -FRESH_SECONDS

    async def of_app(self, sdkappid: int) -> list[LaneQuota]:
        """Every certificate of an app with its classes. Raises ``Refused`` where there is no such app."""
        now_ms = self._clock.now_ms()

        async def work(tx: Tx) -> list[store.QuotaRow]:
            if await get_app(tx, sdkappid) is None:
                raise Refused(APP_NOT_FOUND, f"app {sdkappid}")
            return await store.of_app(tx, sdkappid, _days(now_ms))

        return _today(await self._database.read(work), now_ms)

    async def refresh(self) -> None:
        """Read what was counted today, unless that was done a moment ago. A store that is away leaves what was read last."""
        if self._clock.monotonic() - self._read_at < FRESH_SECONDS:
            return
        self._read_at, now_ms = self._clock.monotonic(), self._clock.now_ms()
        try:
            self.lanes = _today(await self._database.read(lambda tx: store.counted(tx, _days(now_ms))), now_ms)
        except StoreBusy:
            return


def _days(now_ms: int) -> list[str]:
    return [day_of(now_ms, minutes) for minutes in _DATE_LINES_MINUTES]


def _today(rows: Iterable[store.QuotaRow], now_ms: int) -> list[LaneQuota]:
    """One entry a certificate and class: the count of the vendor's own day, and the latest stop that still holds."""
    lanes: dict[tuple[int, int, str], LaneQuota] = {}
    counted: set[tuple[int, int, str, str | None]] = set()  # two of the date lines may have the same day
    for row in rows:
        place = (row.sdkappid, row.business_id, row.notification_class, row.day)
        fresh = place not in counted
        counted.add(place)
        shown_class = _class_of(row)
        key = (row.sdkappid, row.business_id, shown_class)
        known = lanes.get(key) or _empty(row, shown_class, now_ms)
        stop = row.stopped_until_ms if row.stopped_until_ms > now_ms else 0
        lanes[key] = msgspec.structs.replace(
            known,
            accepted=known.accepted + (row.accepted if fresh and row.day == known.day else 0),
            stopped_until_ms=max(known.stopped_until_ms, stop),
        )
    return list(lanes.values())


def _class_of(row: store.QuotaRow) -> str:
    """The class under which the vendor counts what this lane sent: a certificate may make all of its pushes public.

    Pushes to many have a lane of their own and no allowance of their own.
    """
    if row.notification_class == "public":
        return "public"
    return _read_class(row.options).notification_class


def _empty(row: store.QuotaRow, shown_class: str, now_ms: int) -> LaneQuota:
    offset, channel = utc_offset_minutes(row.channel), CHANNELS.get(row.channel)
    can = channel.capabilities if channel is not None else None
    public = shown_class == "public"
    return LaneQuota(
        sdkappid=row.sdkappid,
        business_id=row.business_id,
        channel=row.channel,
        name=row.name,
        notification_class=shown_class,
        day=day_of(now_ms, offset),
        day_ends_ms=day_end_ms(now_ms, offset),
        accepted=0,
        limit=None if can is None else can.daily_public if public else can.daily_private,
        device_limit=can.device_daily_public if can is not None and public else None,
        stopped_until_ms=0,
    )
