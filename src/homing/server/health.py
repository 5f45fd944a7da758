"""Health and metrics."""

from __future__ import annotations

from collections.abc import Iterator

import msgspec
from prometheus_client import CollectorRegistry, GCCollector, PlatformCollector, ProcessCollector, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from homing import __version__
from homing.services.counters import Counters
from homing.services.hub import Hub
from homing.services.quotas import Quotas
from homing.store.engine import Query, StoreBusy, Tx

_PING = Query("health.ping", "SELECT 1")


class HubCollector(Collector):
    """Reads the node's counters when Prometheus asks."""

    def __init__(self, hub: Hub, counters: Counters, quotas: Quotas | None = None) -> None:
        self._hub = hub
        self._counters = counters
        self._quotas = quotas

    def collect(self) -> Iterator[Metric]:
        counters = self._counters
        yield CounterMetricFamily("homing_messages_accepted", "Messages stored and answered OK", counters.messages)
        yield CounterMetricFamily("homing_accept_commits", "Transactions that stored messages", counters.commits)
        yield GaugeMetricFamily("homing_open_sockets", "Devices with an open WebSocket on this node", counters.open_sockets())
        decisions = CounterMetricFamily("homing_decisions", "Decisions per device, by reason", labels=["reason"])
        for reason, n in sorted(counters.decisions.items()):
            decisions.add_metric([reason], n)
        yield decisions
        outcomes = CounterMetricFamily("homing_vendor_outcomes", "Answers of vendors, by meaning", labels=["channel", "outcome"])
        for (channel, kind), n in sorted(counters.outcomes.items()):
            outcomes.add_metric([channel, kind], n)
        yield outcomes
        queued = GaugeMetricFamily("homing_lane_queued", "Pushes in memory, by lane", labels=["sdkappid", "business_id", "class"])
        flying = GaugeMetricFamily(
            "homing_lane_in_flight", "Vendor requests under way, by lane", labels=["sdkappid", "business_id", "class"]
        )
        for (sdkappid, business_id, name), (waiting, in_flight) in self._hub.dispatch.lanes().items():
            queued.add_metric([str(sdkappid), str(business_id), name], waiting)
            flying.add_metric([str(sdkappid), str(business_id), name], in_flight)
        yield queued
        yield flying
        yield from self._quota_gauges()
        bus = self._hub.bus.counters
        hints = CounterMetricFamily("homing_bus_deliveries", "Hints on the bus, by fate", labels=["fate"])
        hints.add_metric(["delivered"], bus.delivered)
        hints.add_metric(["dropped"], bus.dropped)
        yield hints

    def _quota_gauges(self) -> Iterator[Metric]:
        labels = ["sdkappid", "business_id", "class"]
        accepted = GaugeMetricFamily(
            "homing_quota_accepted", "Pushes that the vendor accepted in its present day, by lane, of all nodes", labels=labels
        )
        stopped = GaugeMetricFamily(
            "homing_lane_stopped_until_seconds",
            "Unix time until which a spent daily quota stops a lane; only for stopped ones",
            labels=labels,
        )
        for lane in self._quotas.lanes if self._quotas is not None else ():
            values = [str(lane.sdkappid), str(lane.business_id), lane.notification_class]
            accepted.add_metric(values, lane.accepted)
            if lane.stopped_until_ms:
                stopped.add_metric(values, lane.stopped_until_ms / 1000)
        yield accepted
        yield stopped


def health_routes(hub: Hub, counters: Counters) -> list[Route]:
    """``/healthz``, ``/readyz`` and ``/metrics``."""
    registry = CollectorRegistry()
    quotas = Quotas(hub.database, hub.clock)
    registry.register(HubCollector(hub, counters, quotas))
    for collector in (ProcessCollector, PlatformCollector, GCCollector):
        collector(registry=registry)

    async def healthz(_: Request) -> Response:
        return _json(200, {"alive": True, "version": __version__})

    async def readyz(_: Request) -> Response:
        database = await _database_state(hub)
        bus = "ok" if hub.bus.healthy else "away: hints are late, nothing is lost"
        ready = database == "ok"
        return _json(200 if ready else 503, {"ready": ready, "database": database, "bus": bus, "migrations": "ok"})

    async def metrics(_: Request) -> Response:
        await quotas.refresh()
        return PlainTextResponse(generate_latest(registry), media_type="text/plain; version=0.0.4; charset=utf-8")

    return [Route("/healthz", healthz), Route("/readyz", readyz), Route("/metrics", metrics)]


async def _database_state(hub: Hub) -> str:
    async def ping(tx: Tx) -> object:
        return await tx.fetch_one(_PING)

    try:
        await hub.database.read(ping)
    except StoreBusy as busy:
        return f"away: {busy}"
    return "ok"


def _json(status: int, value: object) -> Response:
    return Response(msgspec.json.encode(value), status, media_type="application/json")
