"""From the HTTP/2 server's values to the simulators' and back."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable
from typing import Any
from urllib.parse import parse_qsl

from .base import ConnectionState, Handler, SimRequest, SimResponse
from .h2connection import H2Connection
from .h2values import INTERNAL_ERROR, Abort, Answer, Goaway, Reply, ResetStream, StreamRequest

_STATE = "sandbox"


def bridge(handler: Handler) -> Callable[[StreamRequest, H2Connection], Awaitable[Reply]]:
    """A handler for the HTTP/2 server that asks the sandbox's. ``connection.values["h2"]`` is the HTTP/2 connection itself."""

    async def answer(request: StreamRequest, connection: H2Connection) -> Reply:
        return _reply(await handler(_request(request, connection)), connection)

    return answer


def _request(request: StreamRequest, connection: H2Connection) -> SimRequest:
    state = connection.state.get(_STATE)
    if state is None:
        state = connection.state[_STATE] = ConnectionState(values={"h2": connection})
    headers: dict[str, str] = {"host": request.authority}
    for name, value in request.headers:
        headers[name] = f"{headers[name]}, {value}" if name in headers and name != "host" else value
    path, _, query = request.path.partition("?")
    return SimRequest(
        method=request.method,
        path=path,
        query=dict(parse_qsl(query, keep_blank_values=True)),
        headers=headers,
        body=request.body,
        http_version="2",
        connection=state,
        header_list=request.headers,
        client_certificate=connection.peer_certificate,
    )


def _reply(response: SimResponse, connection: H2Connection) -> Reply:
    if response.refused_stream:
        return ResetStream()
    if response.goaway and response.reset:
        return Goaway(_reason(response))
    if response.reset:
        return Abort()
    if response.truncate:
        return ResetStream(INTERNAL_ERROR)
    if response.goaway:
        connection.goaway(_reason(response))
    return Answer(response.status, tuple(response.headers.items()), response.body)


def _reason(response: SimResponse) -> dict[str, Any] | None:
    try:
        value = json.loads(response.goaway_body) if response.goaway_body else None
    except ValueError:
        return None
    return value if isinstance(value, dict) else None
