"""The server REST API, from its table of commands."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from homing.server.rest_v4.command import Command
from homing.server.rest_v4.commands import COMMANDS

from .described import Described

SECURITY = "usersig"
FAILURE = "Failure"
_IN_QUERY = {"in": "query", "required": True}
PARAMETERS: dict[str, dict[str, Any]] = {
    "sdkappid": {
        **_IN_QUERY,
        "name": "sdkappid",
        "description": "The app.",
        "schema": {"type": "integer", "minimum": 1, "maximum": 9_999_999_999},
    },
    "identifier": {
        **_IN_QUERY,
        "name": "identifier",
        "description": "An administrator of the app.",
        "schema": {"type": "string", "minLength": 1, "maxLength": 32},
    },
    "random": {
        "name": "random",
        "in": "query",
        "description": "Any number; not used.",
        "schema": {"type": "integer", "minimum": 0, "maximum": 4_294_967_295},
    },
    "contenttype": {"name": "contenttype", "in": "query", "description": "The only one.", "schema": {"type": "string", "enum": ["json"]}},
}
SECURITY_SCHEME = {
    "type": "apiKey",
    "in": "query",
    "name": "usersig",
    "description": "A UserSig for the administrator, made with the app's secret key.",
}
FAILURE_SCHEMA: dict[str, Any] = {
    "title": "Failure",
    "description": "The answer to a request that was refused, with HTTP status 200.",
    "type": "object",
    "properties": {
        "ActionStatus": {"const": "FAIL"},
        "ErrorInfo": {"type": "string", "minLength": 1, "description": "What is wrong, and what to do."},
        "ErrorCode": {"type": "integer", "minimum": 1},
    },
    "required": ["ActionStatus", "ErrorInfo", "ErrorCode"],
}


def rest_operations() -> Iterator[Described]:
    """Every command, under each of its paths."""
    for command in COMMANDS:
        yield _described(command, command.path, command.summary)
        for alias in command.aliases:
            yield _described(command, alias, f"Another name of /v4/{command.path}.")


def _described(command: Command, path: str, summary: str) -> Described:
    return Described(
        path=f"/v4/{path}",
        method="post",
        tag=path.partition("/")[0],
        operation_id=path.replace("/", "_"),
        summary=summary,
        description=f"The body has at most {command.max_body_bytes} bytes.",
        body=command.request,
        answer=command.answer,
        parameters=tuple({"$ref": f"#/components/parameters/{name}"} for name in PARAMETERS),
        security=SECURITY,
        either=FAILURE,
    )
