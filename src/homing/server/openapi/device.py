"""The device API's HTTPS calls, from their tables. Its socket is no subject of OpenAPI."""

from __future__ import annotations

from collections.abc import Iterator

from homing.server.device.answers import Done, LoginAnswer
from homing.server.device.bodies import LoginBody
from homing.server.device.operations import OPERATIONS
from homing.server.device.routes import CALLS, PREFIX, QUERIES, READS

from .described import Described

SECURITY = "session"
FAILURE = "DeviceFailure"
TAG = "device"
SECURITY_SCHEME = {"type": "http", "scheme": "bearer", "description": "The session_token that the log-in answered."}
FAILURE_SCHEMA = {
    "title": "DeviceFailure",
    "description": "The answer to a call that was refused.",
    "type": "object",
    "properties": {
        "code": {"type": "string", "description": "A stable name."},
        "message": {"type": "string", "description": "What is wrong, and what to do."},
        "help": {"type": "string", "description": "Where the documents say more."},
    },
    "required": ["code", "message", "help"],
}
_FAILURES = {"4XX": FAILURE, "500": FAILURE}


def device_operations() -> Iterator[Described]:
    """Every HTTPS call."""
    yield Described(
        path=f"{PREFIX}login",
        method="post",
        tag=TAG,
        operation_id="device_login",
        summary="Log in with a UserSig.",
        body=LoginBody,
        answer=LoginAnswer,
        failures=_FAILURES,
    )
    for path, method, name in CALLS:
        yield _call(path, method.lower(), name, with_body=True)
    yield _call("messages", "get", "messages", query=True)
    for name in READS:
        yield _call(name, "get", name)
    for path, name in QUERIES:
        yield _call(path, "get", name, query=True)
    yield Described(
        path=f"{PREFIX}media/{{name}}",
        method="put",
        tag=TAG,
        operation_id="device_media_upload",
        summary="Upload the bytes that were asked for.",
        body=None,
        raw=True,
        answer=Done,
        parameters=({"name": "name", "in": "path", "required": True, "schema": {"type": "string"}},),
        security=SECURITY,
        failures=_FAILURES,
    )


def _call(path: str, method: str, name: str, *, with_body: bool = False, query: bool = False) -> Described:
    operation = OPERATIONS[name]
    kind = operation.decoder.kind
    return Described(
        path=PREFIX + path,
        method=method,
        tag=TAG,
        operation_id=f"device_{name.replace('-', '_')}",
        summary=(operation.run.__doc__ or "").strip().splitlines()[0],
        body=kind if with_body else None,
        query=kind if query else None,
        answer=operation.answer,
        security=SECURITY,
        failures=_FAILURES,
    )
