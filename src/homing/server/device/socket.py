"""``GET /v1/device/socket``: the WebSocket of the apps, as a raw ASGI application."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, MutableMapping
from functools import partial
from typing import Any
from urllib.parse import parse_qs

import msgspec

from homing.model.apps import App
from homing.model.devices import Device
from homing.model.problems import (
    BAD_PARAMETER,
    BAD_URL,
    FLOOD,
    FRAME_MALFORMED,
    INTERNAL,
    SESSION_ENDED,
    SESSION_UNKNOWN,
    TOO_FAST,
    USERSIG_EXPIRED,
    Refused,
)
from homing.server.rest_v4.bodies import MAX_DEPTH, depth_of
from homing.services.hub import Hub
from homing.store.engine import StoreBusy

from .bodies import FrameBody, LoginBody, decoder
from .closing import EXPIRED, FLOODING, INTERNAL_ERROR, MALFORMED, SESSION_OVER, TRY_LATER, UNKNOWN_SESSION, Closing
from .connection import Connection, Wire
from .cursors import cursor_of, place_of_cursor
from .encoding import failure_of, frame, refusal, reply
from .gateway import Gateway
from .operations import OPERATIONS, Caller, log_in, login_answer
from .routes import bearer

PATH = "/v1/device/socket"
#: Where the server's own protocol puts itself into the scope, see ``wire``.
WIRE = "homing.wire"
log = logging.getLogger(__name__)
_decode_frame = msgspec.json.Decoder(FrameBody).decode
_LOGIN = decoder(LoginBody)
_encode = msgspec.json.Encoder().encode

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]


class _Gone(Exception):
    """The client hung up."""


class _Entry(msgspec.Struct):
    """Who comes in, where it goes on, and what it hears first."""

    app: App
    device: Device
    after: int | None = None
    greeting: str | None = None


class DeviceSocket:
    """Lets sockets in, and turns their frames into operations."""

    def __init__(self, hub: Hub, gateway: Gateway) -> None:
        self._hub = hub
        self._gateway = gateway
        self._limits = gateway.limits
        self._waiting = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await receive()  # websocket.connect
        try:
            entry = await self._at_the_door(scope)
        except Refused as error:
            await _deny(scope, send, error)
            return
        await send({"type": "websocket.accept"})
        try:
            if entry is None:
                entry = await self._first_frame(receive, send)
            if entry is not None:
                await self._serve(entry, scope, receive, send)
        except _Gone:
            return

    async def _at_the_door(self, scope: Scope) -> _Entry | None:
        """The session of the Authorization header; None: the first frame must log in. Raises ``Refused``."""
        if scope["path"] != PATH:
            raise Refused(BAD_URL, "there is no socket at this path", cure=f"Connect to {PATH}")
        after = _after(scope)
        header = next((value for name, value in scope["headers"] if name == b"authorization"), None)
        if header is None:
            if self._waiting >= self._limits.waiting_logins:
                raise Refused(TOO_FAST)
            return None
        try:
            app, device = await self._hub.sessions.authenticate(bearer(header.decode("latin-1")))
        except StoreBusy:
            raise Refused(TOO_FAST) from None
        return _Entry(app, device, after)

    # --- logging in by the first frame ---

    async def _first_frame(self, receive: Receive, send: Send) -> _Entry | None:
        self._waiting += 1
        frame_id: int | str | None = None
        try:
            async with asyncio.timeout(self._limits.login_seconds):
                data = await _next(receive)
            request = read_frame(data)
            frame_id = request.id
            return await self._log_in(request)
        except TimeoutError:
            await _close(send, UNKNOWN_SESSION)
        except Refused as error:
            await _close(send, _closing_for(error), refusal(frame_id, error))
        except StoreBusy:
            await _close(send, TRY_LATER, refusal(frame_id, Refused(TOO_FAST)))
        finally:
            self._waiting -= 1
        return None

    async def _log_in(self, request: FrameBody) -> _Entry:
        if request.op != "login":
            raise Refused(SESSION_UNKNOWN, "the first frame must be a login")
        body = _LOGIN.decode(bytes(request.body))
        after = None if body.after is None else place_of_cursor(body.after)
        if body.session_token:
            app, device = await self._hub.sessions.authenticate(body.session_token)
            return _Entry(app, device, after, reply(request.id, {"device_id": str(device.device_id), "user_id": device.user_id}))
        login = await log_in(self._hub, body)
        found = await self._hub.apps.get(login.device.sdkappid)
        if found is None:
            raise Refused(SESSION_UNKNOWN)
        return _Entry(found, login.device, after, reply(request.id, login_answer(login)))

    # --- a logged-in socket ---

    async def _serve(self, entry: _Entry, scope: Scope, receive: Receive, send: Send) -> None:
        wire: Wire | None = scope.get("extensions", {}).get(WIRE)
        connection = Connection(
            app=entry.app,
            device=entry.device,
            connection_id=self._hub.ids.next(),
            send=send,
            wire=wire,
            now=self._hub.clock.monotonic(),
            limits=self._limits,
        )
        try:
            await self._gateway.attach(connection, entry.after)
        except Refused as error:
            await _close(send, SESSION_OVER, refusal(None, error))
            return
        except StoreBusy:
            await _close(send, TRY_LATER)
            return
        scope["headers"] = ()  # not needed any more, and the session token need not stay in memory
        try:
            self._greet(connection, entry.greeting)
            del entry
            while True:
                await self._handle(connection, await _next(receive))
        except asyncio.CancelledError:
            if connection.closing is None:
                raise
        finally:
            await self._gateway.detach(connection)

    def _greet(self, connection: Connection, greeting: str | None) -> None:
        if greeting is not None:
            connection.push(greeting)
        device = connection.device
        body = {
            "device_id": str(device.device_id),
            "user_id": device.user_id,
            "cursor": cursor_of(connection.place),
            "heartbeat_seconds": self._limits.heartbeat_seconds,
            "server_time": self._hub.clock.now_ms() // 1000,
        }
        connection.push(frame("ready", body))
        self._gateway.begin(connection)

    async def _handle(self, connection: Connection, data: str | bytes) -> None:
        if connection.closing is not None:
            return
        now = self._hub.clock.monotonic()
        connection.last_heard, connection.pinged = now, False
        try:
            request = read_frame(data)
        except Refused as error:
            self._gateway.shut(connection, MALFORMED, refusal(None, error))
            return
        try:
            result = await self._run(connection, request, now)
        except Refused as error:
            connection.push(refusal(request.id, error))
            if error.problem is FLOOD and connection.strikes > self._limits.strikes:
                self._gateway.shut(connection, FLOODING)
        except StoreBusy:
            connection.push(refusal(request.id, Refused(TOO_FAST)))
        except OverflowError:  # JSON knows no largest integer, the store does
            connection.push(refusal(request.id, Refused(BAD_PARAMETER, "an integer has more than 64 bits")))
        except Exception:
            request_id = f"{self._hub.ids.next():x}"
            log.exception("frame %s failed: %s", request_id, request.op)
            connection.push(refusal(request.id, Refused(INTERNAL, f"request id {request_id}")))
        else:
            if request.id is not None:
                connection.push(reply(request.id, result))

    async def _run(self, connection: Connection, request: FrameBody, now: float) -> Any:
        operation = OPERATIONS.get(request.op)
        if not connection.bucket.take(self._limits, now, 1.0 if operation is None else operation.cost):
            connection.strikes += 1
            raise Refused(FLOOD)
        connection.strikes = 0
        if operation is None:
            raise Refused(FRAME_MALFORMED, f"there is no op {request.op[:40]!r}")
        device = connection.device
        caller = Caller(
            self._hub,
            await self._hub.apps.get(device.sdkappid) or connection.app,
            device,
            partial(self._gateway.sent, connection),
            connection.acknowledge,
        )
        return await operation.run(caller, operation.decoder.decode(bytes(request.body)))


def read_frame(data: str | bytes) -> FrameBody:
    """The frame in a WebSocket message. Raises ``Refused`` (frame_malformed)."""
    raw = data.encode("utf-8", "replace") if isinstance(data, str) else data
    if raw.count(b"[") + raw.count(b"{") > MAX_DEPTH and depth_of(raw) > MAX_DEPTH:
        raise Refused(FRAME_MALFORMED, f"it is nested deeper than {MAX_DEPTH} levels")
    try:
        return _decode_frame(raw)
    except (msgspec.MsgspecError, ValueError, RecursionError) as error:
        raise Refused(FRAME_MALFORMED, str(error)) from None


def _after(scope: Scope) -> int | None:
    """The cursor in the query string, or None when there is none. Raises ``Refused``."""
    values = parse_qs(scope.get("query_string", b"").decode("latin-1"), keep_blank_values=True).get("after")
    return None if not values else place_of_cursor(values[-1])


async def _next(receive: Receive) -> str | bytes:
    message = await receive()
    if message["type"] != "websocket.receive":
        raise _Gone
    text = message.get("text")
    data: str | bytes = text if text is not None else message.get("bytes") or b""
    return data


def _closing_for(error: Refused) -> Closing:
    if error.problem is FRAME_MALFORMED or error.problem is BAD_PARAMETER:
        return MALFORMED
    if error.problem is USERSIG_EXPIRED:
        return EXPIRED
    if error.problem is SESSION_ENDED:
        return SESSION_OVER
    return INTERNAL_ERROR if error.problem is INTERNAL else UNKNOWN_SESSION


async def _close(send: Send, closing: Closing, last: str | None = None) -> None:
    try:
        if last is not None:
            await send({"type": "websocket.send", "text": last})
        await send({"type": "websocket.close", "code": closing.code, "reason": closing.reason})
    except OSError:
        raise _Gone from None


async def _deny(scope: Scope, send: Send, error: Refused) -> None:
    """Answer the upgrade with the HTTP error."""
    if "websocket.http.response" not in scope.get("extensions", {}):
        await send({"type": "websocket.close", "code": UNKNOWN_SESSION.code})
        return
    headers = [(b"content-type", b"application/json")]
    await send({"type": "websocket.http.response.start", "status": error.problem.http_status, "headers": headers})
    await send({"type": "websocket.http.response.body", "body": _encode(failure_of(error))})
    wire: Wire | None = scope["extensions"].get(WIRE)
    if wire is not None:
        wire.refused()
