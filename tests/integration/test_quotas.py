"""What was sent today, what a vendor allows, and a lane that waits for its vendor's midnight."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
from prometheus_client import CollectorRegistry, generate_latest

from homing.channels.registry import CHANNELS
from homing.model.certificates import Certificate
from homing.model.clock import Clock
from homing.model.outcome import VendorResponse
from homing.model.problems import Refused
from homing.model.push import PushState
from homing.rules.quota import DAY_MS, day_end_ms, day_of
from homing.server.health import HubCollector, health_routes
from homing.services.counters import Counters
from homing.services.explain import Explain
from homing.services.quotas import FRESH_SECONDS, Quotas
from homing.store.engine import Query, StoreBusy
from homing.store.push_queue import Results, record

APP, BUSINESS = 1_400_000_001, 15_518
SPENT = VendorResponse(200, {}, b'{"result":"error","reason":"exceed quota, quota: 20000, have acked: 20000","code":200001}')
_APP = Query(
    "test.app", "INSERT INTO app (sdkappid, name, secret_key_sealed, admins, settings, created_at_ms) VALUES (?, 'x', ?, '[]', '{}', 0)"
)
_OPTIONS = Query("test.options", "UPDATE certificate SET options = ?")
_CHANNEL = Query("test.channel", "UPDATE certificate SET channel = ?")


@pytest.fixture
async def counted(pipeline: Any) -> Any:
    """A pipeline whose bob has a device of a vendor that counts an app's notifications."""
    vendor = CHANNELS["xiaomi"]
    credentials, options = vendor.credentials_type(app_secret="secret"), vendor.options_type(package_name="com.example")
    pipeline.authority.certificate = Certificate(APP, BUSINESS, "xiaomi", "test", credentials, options)
    await pipeline.database.write(lambda tx: tx.execute(_APP, APP, b"sealed"))
    await pipeline.database.write(lambda tx: tx.execute(_CHANNEL, "xiaomi"))
    await pipeline.device(7, "bob")
    pipeline.vendor.answer = lambda _: VendorResponse(200, {}, b'{"result":"ok","code":0,"data":{"id":"m1"}}')
    return pipeline


async def lanes(pipeline: Any) -> dict[str, Any]:
    await pipeline.settle()
    return {lane.notification_class: lane for lane in await Quotas(pipeline.database, pipeline.clock).of_app(APP)}


async def sent(pipeline: Any, *texts: str) -> None:
    for text in texts:
        pipeline.clock.advance(seconds=1)  # the vendor's limit a second counts on this clock
        before = len(pipeline.vendor.requests)
        await pipeline.send(text)
        await pipeline.turn()
        await pipeline.vendor.received(before + 1)
        await pipeline.settle()


async def test_what_the_vendor_accepted_today_is_counted_by_class(counted: Any) -> None:
    assert {name: lane.accepted for name, lane in (await lanes(counted)).items()} == {"private": 0, "public": 0}
    await sent(counted, "one", "two")
    found = await lanes(counted)
    assert (found["private"].accepted, found["public"].accepted) == (2, 0)
    assert found["private"].day == day_of(counted.clock.now_ms(), 480)
    assert found["private"].stopped_until_ms == 0


async def test_a_public_certificates_pushes_are_counted_as_public(counted: Any) -> None:
    await counted.database.write(lambda tx: tx.execute(_OPTIONS, '{"notification_class":"public"}'))
    today = day_of(counted.clock.now_ms(), 480)
    await counted.database.write(lambda tx: record(tx, Results(counts=[(APP, BUSINESS, "bulk", today, 5)]), 0))
    await sent(counted, "one", "two")
    found = await lanes(counted)
    assert {name: lane.accepted for name, lane in found.items()} == {"public": 7}
    assert found["public"].limit == 20_000


async def test_pushes_to_many_count_against_the_certificates_allowance(counted: Any) -> None:
    today = day_of(counted.clock.now_ms(), 480)
    await counted.database.write(lambda tx: record(tx, Results(counts=[(APP, BUSINESS, "bulk", today, 5)]), 0))
    await sent(counted, "one")
    assert {name: lane.accepted for name, lane in (await lanes(counted)).items()} == {"private": 6, "public": 0}


async def test_the_vendors_documented_limits_are_shown(counted: Any) -> None:
    found = await lanes(counted)
    assert (found["public"].limit, found["public"].device_limit) == (20_000, 5)
    assert (found["private"].limit, found["private"].device_limit) == (None, None)


async def test_a_spent_quota_stops_the_class_until_the_vendors_midnight_and_is_explained(counted: Any) -> None:
    counted.vendor.answer = lambda _: SPENT
    await sent(counted, "one too many")
    midnight = day_end_ms(counted.clock.now_ms(), 480)
    found = await lanes(counted)
    assert (found["private"].stopped_until_ms, found["public"].stopped_until_ms) == (pytest.approx(midnight, abs=1), 0)
    [push] = await counted.pushes()
    assert push[1] == PushState.PENDING
    told = await Explain(counted.database, counted.clock).push(APP, push[0])
    told = told["messages"][0]["pushes"][0]
    assert "waits until" in told["hints"][0]
    assert "larger quota" in told["cure"]


async def test_the_day_is_the_vendors_own(counted: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    for module in ("verdicts", "quotas"):
        monkeypatch.setattr(f"homing.services.{module}.utc_offset_minutes", lambda _: -600)
    await sent(counted, "aloha")
    found = (await lanes(counted))["private"]
    assert (found.day, found.accepted) == (day_of(counted.clock.now_ms(), -600), 1)
    counted.vendor.answer = lambda _: SPENT
    await sent(counted, "one too many")
    assert (await lanes(counted))["private"].stopped_until_ms >= day_end_ms(counted.clock.now_ms(), -600)


async def test_yesterdays_counts_and_stops_that_are_over_do_not_show(counted: Any) -> None:
    now_ms = counted.clock.now_ms()
    yesterday = day_of(now_ms - DAY_MS, 480)
    results = Results(counts=[(APP, BUSINESS, "private", yesterday, 9)], stops=[(APP, BUSINESS, "private", yesterday, now_ms - 1)])
    await counted.database.write(lambda tx: record(tx, results, 0))
    found = (await lanes(counted))["private"]
    assert (found.accepted, found.stopped_until_ms) == (0, 0)


async def test_an_unknown_app_is_refused(counted: Any) -> None:
    with pytest.raises(Refused, match="app"):
        await Quotas(counted.database, counted.clock).of_app(APP + 1)


async def test_the_metrics_show_counts_and_stopped_lanes(counted: Any) -> None:
    await sent(counted, "one")
    counted.vendor.answer = lambda _: SPENT
    await sent(counted, "two")
    quotas = Quotas(counted.database, counted.clock)
    await quotas.refresh()
    hub: Any = SimpleNamespace(dispatch=counted.dispatch, bus=counted.bus)
    registry = CollectorRegistry()
    registry.register(HubCollector(hub, Counters(), quotas))
    text = generate_latest(registry).decode()
    where = f'business_id="{BUSINESS}",class="private",sdkappid="{APP}"'
    assert f"homing_quota_accepted{{{where}}} 1.0" in text
    stopped = next(line for line in text.splitlines() if line.startswith(f"homing_lane_stopped_until_seconds{{{where}}}"))
    assert float(stopped.split()[-1]) * 1000 == pytest.approx(day_end_ms(counted.clock.now_ms(), 480), abs=1_000)


async def test_frequent_scrapes_ask_the_store_once_and_an_absent_store_never_fails_one(clock: Clock) -> None:
    asked = 0
    now = 0.0

    async def read(_: Any) -> Any:
        nonlocal asked
        asked += 1
        raise StoreBusy("away")

    hand: Any = SimpleNamespace(now_ms=clock.now_ms, monotonic=lambda: now)
    database: Any = SimpleNamespace(read=read)
    quotas = Quotas(database, hand)
    for _ in range(3):
        await quotas.refresh()
    assert (asked, quotas.lanes) == (1, [])
    now += FRESH_SECONDS
    await quotas.refresh()
    assert asked == 2


async def test_a_scrape_answers_while_the_store_is_away() -> None:
    async def read(_: Any) -> Any:
        raise StoreBusy("away")

    hub: Any = SimpleNamespace(
        dispatch=SimpleNamespace(lanes=dict),
        bus=SimpleNamespace(counters=SimpleNamespace(delivered=0, dropped=0)),
        database=SimpleNamespace(read=read),
        clock=SimpleNamespace(now_ms=lambda: 0, monotonic=lambda: 0.0),
    )
    metrics: Any = next(route.endpoint for route in health_routes(hub, Counters()) if route.path == "/metrics")
    answer = await metrics(None)
    assert answer.status_code == 200
    assert b"homing_quota_accepted" in answer.body
