"""The HTTPS calls of the device API."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import Any

import msgspec
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.routing import Route

from homing.model.problems import BAD_PARAMETER, FLOOD, FRAME_TOO_LARGE, INTERNAL, REQUEST_TIMEOUT, SESSION_UNKNOWN, TOO_FAST, Refused
from homing.services.hub import Hub
from homing.store.engine import StoreBusy

from .answers import Done, LoginAnswer
from .bodies import LoginBody, decoder
from .encoding import Failure, failure, failure_of
from .limits import LIMITS, Buckets, DeviceLimits
from .operations import OPERATIONS, Caller, Operation, log_in, login_answer

PREFIX = "/v1/device/"
BODY_SECONDS = 15.0
#: Path below the prefix, method, operation.
CALLS = (
    ("push-config", "PUT", "push-config"),
    ("background", "POST", "background"),
    ("foreground", "POST", "foreground"),
    ("logout", "POST", "logout"),
    ("messages", "POST", "send"),
    ("push-events", "POST", "push-events"),
    ("read", "POST", "read"),
    ("recall", "POST", "recall"),
    ("ack", "POST", "ack"),
    ("receive-options", "PUT", "set-receive-options"),
    ("receive-options", "POST", "receive-options"),
    ("quiet-hours", "PUT", "set-quiet-hours"),
    ("groups/join", "POST", "group-join"),
    ("groups/quit", "POST", "group-quit"),
    ("groups/option", "PUT", "group-option"),
    ("media", "POST", "media"),
)
#: What is only read, and asks nothing.
READS = ("session", "quiet-hours")
#: What is only read, and whose body is the query string: path below the prefix, operation.
QUERIES = (("groups", "groups"), ("groups/messages", "group-messages"), ("groups/members", "group-members"))
_NUMBERS = frozenset({"limit", "offset", "after"})
log = logging.getLogger(__name__)
_encode = msgspec.json.Encoder().encode
_LOGIN = decoder(LoginBody)
Answer = Callable[[Request], Awaitable[Any]]


def device_routes(hub: Hub, limits: DeviceLimits = LIMITS) -> list[Route]:
    """Every HTTPS call of the device API."""
    calls = DeviceCalls(hub, limits)
    routes = [Route(PREFIX + "login", calls.endpoint(calls.login), methods=["POST"])]
    for path, method, name in CALLS:
        routes.append(Route(PREFIX + path, calls.endpoint(calls.operation(OPERATIONS[name])), methods=[method]))
    routes.append(Route(PREFIX + "messages", calls.endpoint(calls.missed), methods=["GET"]))
    routes += [Route(PREFIX + name, calls.endpoint(calls.reading(OPERATIONS[name])), methods=["GET"]) for name in READS]
    routes += [Route(PREFIX + path, calls.endpoint(calls.query(OPERATIONS[name])), methods=["GET"]) for path, name in QUERIES]
    routes.append(Route(PREFIX + "media/{name}", calls.endpoint(calls.upload), methods=["PUT"]))
    return routes


class DeviceCalls:
    """Reads requests, lets the operations work, and turns every outcome into an answer."""

    def __init__(self, hub: Hub, limits: DeviceLimits) -> None:
        self._hub = hub
        self._limits = limits
        self._buckets = Buckets(limits)

    async def login(self, request: Request) -> LoginAnswer:
        """``POST login``."""
        body = _LOGIN.decode(await self._body(request))
        return login_answer(await log_in(self._hub, body))

    def operation(self, operation: Operation) -> Answer:
        """A call whose body is the operation's."""

        async def run(request: Request) -> Any:
            caller = await self._caller(request)
            return await operation.run(caller, operation.decoder.decode(await self._body(request) or b"{}"))

        return run

    def query(self, operation: Operation) -> Answer:
        """A call whose body is the query string."""

        async def run(request: Request) -> Any:
            caller = await self._caller(request)
            body: dict[str, Any] = {}
            for name, value in request.query_params.items():
                number = name in _NUMBERS and value.isascii() and value.isdigit() and len(value) < 19
                body[name] = int(value) if number and not (name == "after" and operation.texts) else value
            return await operation.run(caller, operation.decoder.decode(_encode(body)))

        return run

    async def missed(self, request: Request) -> Any:
        """``GET messages?after=CURSOR&limit=N``."""
        caller = await self._caller(request)
        body: dict[str, Any] = {"after": request.query_params.get("after", "")}
        limit = request.query_params.get("limit")
        if limit is not None:
            if not limit.isascii() or not limit.isdigit() or len(limit) > 9:
                raise Refused(BAD_PARAMETER, "limit is no number")
            body["limit"] = int(limit)
        operation = OPERATIONS["messages"]
        return await operation.run(caller, operation.decoder.decode(_encode(body)))

    def reading(self, operation: Operation) -> Answer:
        """A call that has no body."""

        async def run(request: Request) -> Any:
            return await operation.run(await self._caller(request), operation.decoder.decode(b"{}"))

        return run

    async def upload(self, request: Request) -> Done:
        """``PUT media/{name}``: the bytes, as they are."""
        caller = await self._caller(request)
        length = request.headers.get("content-length", "")
        if length and not (length.isascii() and length.isdigit() and len(length) < 19):
            raise Refused(BAD_PARAMETER, "Content-Length is no number")
        await caller.hub.media.take(caller.device, request.path_params["name"], int(length) if length else None, request.stream())
        return {}

    def endpoint(self, answer: Answer) -> Callable[[Request], Awaitable[Response]]:
        """The Starlette endpoint around a call."""

        async def respond(request: Request) -> Response:
            try:
                return _response(200, await answer(request))
            except Refused as error:
                return refused(error)
            except StoreBusy as error:
                log.debug("the store is busy: %s", error)
                return refused(Refused(TOO_FAST))
            except ClientDisconnect:
                return Response(status_code=400)
            except OverflowError:  # JSON knows no largest integer, the store does
                return refused(Refused(BAD_PARAMETER, "an integer has more than 64 bits"))
            except Exception:
                request_id = f"{self._hub.ids.next():x}"
                log.exception("request %s failed: %s", request_id, request.url.path)
                return _response(500, failure(INTERNAL, f"{INTERNAL.sentence}: request id {request_id}", INTERNAL.cure))

        return respond

    async def _caller(self, request: Request) -> Caller:
        app, device = await self._hub.sessions.authenticate(bearer(request.headers.get("authorization", "")))
        if not self._buckets.take(device.device_id, self._hub.clock.monotonic()):
            raise Refused(FLOOD)
        self._hub.sessions.presence.touch(device)
        return Caller(self._hub, app, device)

    async def _body(self, request: Request) -> bytes:
        limit = self._limits.frame_bytes
        length = request.headers.get("content-length", "")
        if length.isascii() and length.isdigit() and int(length[:12]) > limit:
            raise Refused(FRAME_TOO_LARGE)
        body = bytearray()
        try:
            async with asyncio.timeout(BODY_SECONDS):
                async for chunk in request.stream():
                    body += chunk
                    if len(body) > limit:
                        raise Refused(FRAME_TOO_LARGE)
        except TimeoutError:
            raise Refused(REQUEST_TIMEOUT) from None
        return bytes(body)


def bearer(header: str) -> str:
    """The session token of an Authorization header. Raises ``Refused`` (session_unknown)."""
    scheme, _, token = header.partition(" ")
    if scheme.lower() != "bearer" or not token.strip():
        raise Refused(
            SESSION_UNKNOWN, "there is no Authorization header with a session token", cure="Send Authorization: Bearer <session_token>"
        )
    return token.strip()


def refused(error: Refused) -> Response:
    """The answer to a call that was refused."""
    return _response(error.problem.http_status, failure_of(error))


def _response(status: int, body: Failure | Any) -> Response:
    headers = {"retry-after": "1"} if status == 429 else None
    return Response(_encode(body), status, headers=headers, media_type="application/json")
