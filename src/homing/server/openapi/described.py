"""What both APIs say about one of their operations before it becomes a part of the document."""

from __future__ import annotations

from typing import Any

import msgspec

REFERENCE = "#/components/schemas/{name}"


class Described(msgspec.Struct, frozen=True):
    """One operation: where it is, what it takes and answers."""

    path: str
    method: str  # lower case
    tag: str
    operation_id: str
    summary: str
    body: Any  # a type, or None
    answer: Any  # a type
    parameters: tuple[dict[str, Any], ...] = ()
    query: Any = None  # a type whose fields are query parameters
    security: str | None = None  # the name of the security scheme
    failures: dict[str, str] = {}  # status: name of the schema
    either: str = ""  # the schema that answers with status 200 as well when it was refused
    description: str = ""
    raw: bool = False  # the body is bytes


def reference(name: str) -> dict[str, Any]:
    """A pointer to a schema of the document."""
    return {"$ref": REFERENCE.format(name=name)}
