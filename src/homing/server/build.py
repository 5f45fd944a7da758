"""Puts the rooms of the server behind one front door."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator
from typing import Protocol

from homing.server.asgi import Front
from homing.server.device.gateway import Gateway
from homing.server.device.routes import device_routes
from homing.server.device.socket import DeviceSocket
from homing.server.health import health_routes
from homing.server.receipts.routes import receipt_routes
from homing.server.rest_v4.app import RestV4
from homing.services.counters import Counters
from homing.services.hub import Hub


class Running(Protocol):
    """What a node offers to its server."""

    hub: Hub
    counters: Counters


@contextlib.asynccontextmanager
async def build(node: Running) -> AsyncIterator[Front]:
    """The ASGI application of a node."""
    hub = node.hub
    gateway = Gateway(hub)
    await gateway.start()
    try:
        routes = [*health_routes(hub, node.counters), *device_routes(hub), *receipt_routes(hub)]
        yield Front(RestV4(hub), DeviceSocket(hub, gateway), routes)
    finally:
        await gateway.close()
