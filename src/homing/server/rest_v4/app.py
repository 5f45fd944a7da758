"""The ASGI application of the REST API. Whatever comes in, a documented answer goes out."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

from homing.model.problems import BAD_URL, BODY_TOO_LONG, REQUEST_TIMEOUT, TOO_FAST, UNKNOWN_COMMAND, Refused
from homing.server.one_write import REPLY
from homing.services.hub import Hub
from homing.store.engine import StoreBusy

from .answers import encode, failure, refusal
from .command import Command
from .commands import ROUTES
from .gate import Gate

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]

PREFIX = "/v4/"
BODY_SECONDS = 30.0
_NONE: dict[str, Any] = {}
log = logging.getLogger(__name__)


class _Gone(Exception):
    """The client hung up: there is nobody to answer."""


class RestV4:
    """``POST /v4/{service}/{command}`` for every command of the table. A raw ASGI application: this is the hot path."""

    def __init__(self, hub: Hub) -> None:
        self._hub = hub
        self._gate = Gate(hub)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return
        try:
            body = await self._answer(scope, receive)
        except _Gone:
            return
        reply = scope.get("extensions", _NONE).get(REPLY)
        if reply is not None and reply(body):
            return
        headers = [(b"content-type", b"application/json; charset=utf-8"), (b"content-length", b"%d" % len(body))]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": body})

    async def _answer(self, scope: Scope, receive: Receive) -> bytes:
        try:
            command = _route(scope["method"], scope["path"])
        except Refused as error:
            return refusal(error)
        try:
            return await self._run(command, scope["query_string"], receive)
        except Refused as error:
            return refusal(error)
        except StoreBusy as error:
            log.debug("the store is busy: %s", error)
            return failure(TOO_FAST, "")
        except OverflowError:
            # JSON knows no largest integer, but what cannot be written again cannot be stored.
            return refusal(Refused(command.family.bad_field, "an integer has more than 64 bits"))
        except _Gone:
            raise
        except Exception:
            request_id = f"{self._hub.ids.next():x}"
            log.exception("request %s failed: %s", request_id, command.path)
            return failure(command.family.internal, f"request id {request_id}")

    async def _run(self, command: Command, query: bytes, receive: Receive) -> bytes:
        call = await self._gate.admit(query)
        body = await _read(receive, command.max_body_bytes)
        request = command.decoder.decode(body)
        if command.check_size is not None:
            command.check_size(request, len(body))
        return encode(await command.run(call, request))


def _route(method: str, path: str) -> Command:
    command = ROUTES.get(path)
    if command is None:
        parts = path.removeprefix(PREFIX).rstrip("/").split("/")
        if not path.startswith(PREFIX) or len(parts) != 2 or not all(parts):
            raise Refused(BAD_URL)
        command = ROUTES.get(f"{PREFIX}{parts[0]}/{parts[1]}")
        if command is None:
            raise Refused(UNKNOWN_COMMAND, path[: len(PREFIX) + 80])
    if method != "POST":
        raise Refused(BAD_URL, f"the method is {method[:16]}", cure="Use POST")
    return command


async def _read(receive: Receive, limit: int) -> bytes:
    """The body, at most ``limit`` bytes: what is longer is refused without reading on."""
    chunks: list[bytes] = []
    size = 0
    try:
        async with asyncio.timeout(BODY_SECONDS):
            while True:
                message = await receive()
                if message["type"] != "http.request":
                    raise _Gone
                chunk: bytes = message.get("body", b"")
                size += len(chunk)
                if size > limit:
                    raise Refused(BODY_TOO_LONG, f"this command takes at most {limit} bytes")
                if not message.get("more_body", False):
                    return b"".join(chunks) + chunk if chunks else chunk
                chunks.append(chunk)
    except TimeoutError:
        raise Refused(REQUEST_TIMEOUT) from None
