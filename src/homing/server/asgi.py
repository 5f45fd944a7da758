"""The front door: the hot REST path goes straight to its handler, everything else through the router."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, MutableMapping, Sequence
from typing import Any

import msgspec
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute

from .direct import Requests

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]


async def closed(scope: Scope, _: Receive, send: Send) -> None:
    """Stands in for a room that this node's roles leave out."""
    if scope["type"] == "websocket":
        await send({"type": "websocket.close", "code": 1008})
        return
    body = _body("not_here", "This process does not have the role for that", "docs/reference/configuration.md")
    headers = [(b"content-type", b"application/json"), (b"content-length", b"%d" % len(body))]
    await send({"type": "http.response.start", "status": 404, "headers": headers})
    await send({"type": "http.response.body", "body": body})


class Front:
    """One ASGI application for all rooms of the server."""

    def __init__(self, rest: App, socket: App, routes: Sequence[BaseRoute], direct: Requests | None = None) -> None:
        self._rest = rest
        self.direct = direct  # the same REST API, without the application interface in between
        self._socket = socket
        self._site = Starlette(routes=list(routes), exception_handlers={404: _not_found, 405: _not_found, 500: _failed})

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and scope["path"].startswith("/v4/"):
            await self._rest(scope, receive, send)
        elif scope["type"] == "websocket":
            await self._socket(scope, receive, send)
        else:
            await self._site(scope, receive, send)


async def _not_found(request: Request, _: Exception) -> Response:
    return _error(404, "not_found", f"There is nothing at {request.method} {request.url.path}", "docs/reference/device-api.md")


async def _failed(_: Request, __: Exception) -> Response:
    return _error(500, "internal", "The server failed inside; repeat the request", "docs/reference/errors.md#internal")


def _error(status: int, code: str, message: str, help_page: str) -> Response:
    return Response(_body(code, message, help_page), status, media_type="application/json")


def _body(code: str, message: str, help_page: str) -> bytes:
    return msgspec.json.encode({"code": code, "message": message, "help": help_page})
