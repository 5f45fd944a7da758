"""Puts the rooms of the server behind one front door."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator
from typing import Protocol

from starlette.routing import BaseRoute

from homing.config import Config
from homing.server.asgi import App, Front, closed
from homing.server.device.gateway import Gateway
from homing.server.device.routes import device_routes
from homing.server.device.socket import DeviceSocket
from homing.server.health import health_routes
from homing.server.media import media_routes
from homing.server.openapi.routes import openapi_routes
from homing.server.receipts.routes import receipt_routes
from homing.server.rest_v4.app import RestV4
from homing.services.counters import Counters
from homing.services.hub import Hub


class Running(Protocol):
    """What a node offers to its server."""

    config: Config
    hub: Hub
    counters: Counters


@contextlib.asynccontextmanager
async def build(node: Running) -> AsyncIterator[Front]:
    """The ASGI application of a node, with the rooms of its roles."""
    hub, roles = node.hub, node.config.roles
    async with contextlib.AsyncExitStack() as stack:
        routes: list[BaseRoute] = list(health_routes(hub, node.counters))
        rest: App = closed
        direct: RestV4 | None = None
        socket: App = closed
        if "api" in roles:
            rest = direct = RestV4(hub)
            routes += receipt_routes(hub)
        if "gateway" in roles:
            gateway = Gateway(hub)
            node.counters.open_sockets = gateway.__len__
            await gateway.start()
            stack.push_async_callback(gateway.close)
            socket = DeviceSocket(hub, gateway)
            routes += [*device_routes(hub), *media_routes(hub)]
        if rest is not closed or socket is not closed:
            routes += openapi_routes()
        yield Front(rest, socket, routes, direct)
