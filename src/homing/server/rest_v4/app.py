"""The ASGI application of the REST API. Whatever comes in, a documented answer goes out."""

from __future__ import annotations

import asyncio
import functools
import logging
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any
from urllib.parse import unquote

from homing.model.apps import SendingLimits as Limits
from homing.model.problems import BAD_URL, BODY_TOO_LONG, REQUEST_TIMEOUT, TOO_FAST, UNKNOWN_COMMAND, Refused
from homing.server.direct import BODY_SECONDS
from homing.services.hub import Hub
from homing.store.engine import StoreBusy

from .answers import encode, failure, refusal
from .command import MAX_BODY_BYTES, Command
from .commands import ROUTES
from .gate import Gate
from .sending_limits import SendingLimits

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
Read = Callable[[int], Awaitable[bytes]]  # the body, at most so many bytes

PREFIX = "/v4/"
NO_LIMITS = Limits.NONE
_PATHS = {path.encode(): command for path, command in ROUTES.items()}
log = logging.getLogger(__name__)


class _Gone(Exception):
    """The client hung up: there is nobody to answer."""


class RestV4:
    """``POST /v4/{service}/{command}`` for every command of the table: a raw ASGI application, and the server's short way beside it."""

    prefix = PREFIX.encode()

    def __init__(self, hub: Hub) -> None:
        self._hub = hub
        self._gate = Gate(hub)
        self._limits = SendingLimits()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return
        try:
            body = await self._answer(scope["method"], scope["path"], scope["query_string"], functools.partial(_read, receive))
        except _Gone:
            return
        headers = [(b"content-type", b"application/json; charset=utf-8"), (b"content-length", b"%d" % len(body))]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": body})

    # --- the short way: whole requests, no application interface ---

    def limit(self, path: bytes) -> int:
        """How many bytes the body of a command may have."""
        command = _PATHS.get(path)
        return MAX_BODY_BYTES if command is None else command.max_body_bytes

    async def answer(self, method: str, path: bytes, query: bytes, body: bytes) -> bytes:
        """The answer to a request that is here as a whole."""
        known = _PATHS.get(path)

        async def whole(_: int) -> bytes:
            return body

        return await self._answer(method, known or unquote(path.decode("latin-1")), query, whole)

    def too_long(self, limit: int) -> bytes:
        """The answer to a body that is longer than ``limit`` bytes."""
        return refusal(_too_long(limit))

    def too_slow(self) -> bytes:
        """The answer when the body did not arrive in time."""
        return refusal(Refused(REQUEST_TIMEOUT))

    async def _answer(self, method: str, path: str | Command, query: bytes, read: Read) -> bytes:
        try:
            command = path if isinstance(path, Command) else _route(method, path)
        except Refused as error:
            return refusal(error)
        try:
            return await self._run(command, query, read)
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

    async def _run(self, command: Command, query: bytes, read: Read) -> bytes:
        call = await self._gate.admit(query)
        settings = call.app.settings
        if settings.command_limits or settings.sending_limits is not NO_LIMITS:
            self._limits.check(call.app, command.path, self._hub.clock.monotonic())
        body = await read(command.max_body_bytes)
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


def _too_long(limit: int) -> Refused:
    return Refused(BODY_TOO_LONG, f"this command takes at most {limit} bytes")


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
                    raise _too_long(limit)
                if not message.get("more_body", False):
                    return b"".join(chunks) + chunk if chunks else chunk
                chunks.append(chunk)
    except TimeoutError:
        raise Refused(REQUEST_TIMEOUT) from None
