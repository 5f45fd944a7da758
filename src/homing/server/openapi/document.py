"""The OpenAPI document of everything that is called with HTTP."""

from __future__ import annotations

import functools
from typing import Any

import msgspec

from homing import __version__

from . import device, rest
from .described import Described, reference
from .schemas import components

_JSON = "application/json"
_ABOUT = """The server REST API has the URLs, bodies and codes of Tencent Cloud IM: HTTP status 200, and the code in `ErrorCode`.
The device API is what apps call; its WebSocket is described in the documents.
Unknown fields are ignored, and a field that is null counts as left out."""
_TAGS = {
    "im_open_login_svc": "Accounts",
    "openim": "One-to-one messages and online states",
    "group_open_http_svc": "Groups",
    "all_member_push": "Pushes to many, with the names of the older push service",
    "timpush": "Pushes to many",
    "profile": "Profiles",
    "sns": "Friends and blacklists",
    device.TAG: "What apps call",
}


@functools.cache
def description() -> dict[str, Any]:
    """The document. It is the same for everybody who asks: do not change it."""
    operations = [*rest.rest_operations(), *device.device_operations()]
    asked = [kind for operation in operations for kind in (operation.body, operation.query) if kind is not None]
    answered = [operation.answer for operation in operations]
    schemas, named = components(asked, answered)
    questions, answers = iter(schemas[: len(asked)]), iter(schemas[len(asked) :])
    paths: dict[str, Any] = {}
    for operation in operations:
        body = next(questions) if operation.body is not None else None
        query = next(questions) if operation.query is not None else None
        fields = named.pop(_name(query)) if query is not None else {}  # they are parameters, each by itself
        paths.setdefault(operation.path, {})[operation.method] = _operation(operation, body, fields, next(answers))
    return {
        "openapi": "3.1.0",
        "info": {"title": "Homing", "version": __version__, "description": _ABOUT, "license": {"name": "Apache-2.0"}},
        "servers": [{"url": "/"}],
        "tags": [{"name": name, "description": _TAGS.get(name, name)} for name in dict.fromkeys(item.tag for item in operations)],
        "paths": paths,
        "components": {
            "schemas": named | {rest.FAILURE: rest.FAILURE_SCHEMA, device.FAILURE: device.FAILURE_SCHEMA},
            "parameters": rest.PARAMETERS,
            "securitySchemes": {rest.SECURITY: rest.SECURITY_SCHEME, device.SECURITY: device.SECURITY_SCHEME},
        },
    }


def document() -> bytes:
    """The document as JSON."""
    return msgspec.json.encode(description())


def _operation(operation: Described, body: dict[str, Any] | None, query: dict[str, Any], answer: dict[str, Any]) -> dict[str, Any]:
    good = {"anyOf": [answer, reference(operation.either)]} if operation.either else answer
    result: dict[str, Any] = {
        "tags": [operation.tag],
        "operationId": operation.operation_id,
        "summary": operation.summary.replace("``", "`"),
    }
    if operation.description:
        result["description"] = operation.description
    result["security"] = [{operation.security: []}] if operation.security else []
    parameters = [*operation.parameters, *_parameters(query)]
    if parameters:
        result["parameters"] = parameters
    if body is not None:
        result["requestBody"] = {"required": True, "content": {_JSON: {"schema": body}}}
    if operation.raw:
        result["requestBody"] = {
            "required": True,
            "content": {"application/octet-stream": {"schema": {"type": "string", "format": "binary"}}},
        }
    result["responses"] = {"200": _response("Done, or refused: see ActionStatus" if operation.either else "Done", good)}
    result["responses"] |= {status: _response("Refused", reference(name)) for status, name in operation.failures.items()}
    return result


def _response(words: str, schema: dict[str, Any]) -> dict[str, Any]:
    return {"description": words, "content": {_JSON: {"schema": schema}}}


def _name(pointer: dict[str, str]) -> str:
    return pointer["$ref"].rpartition("/")[2]


def _parameters(query: dict[str, Any]) -> list[dict[str, Any]]:
    required, properties = query.get("required", []), query.get("properties", {})
    return [{"name": name, "in": "query", "required": name in required, "schema": schema} for name, schema in properties.items()]
