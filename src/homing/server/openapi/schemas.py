"""The types of bodies and answers as JSON schemas, as msgspec describes them, with what a type cannot say."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any

import msgspec

from homing.server.rest_v4.elements import SHAPES

from .described import REFERENCE, reference

#: Begins the names of types that share theirs with another one.
ROOM = re.compile(r"\bhoming\.server\.(rest_v4|device)\.(?=\w+\.\w+$)")
_TYPES = {"a string": "string", "an integer": "integer", "a number": "number", "an array": "array"}
_RAW_ELEMENTS = ("elements", "MsgBody")


def components(bodies: Iterable[Any], answers: Iterable[Any]) -> tuple[list[dict[str, Any]], dict[str, Any]]:
    """A schema for each type (bodies first), and the named ones that they point to."""
    bodies, answers = list(bodies), list(answers)
    schemas, named = msgspec.json.schema_components([*bodies, *answers], ref_template=REFERENCE)
    _require(named, bodies, answers)
    for schema in named.values():
        _mend(schema)
    named["Element"] = element_schema()
    return _shorter(list(schemas)), _shorter(named)


def _require(named: dict[str, Any], bodies: list[Any], answers: list[Any]) -> None:
    """An answer has all its fields, but for those that may be left out."""
    inspect = msgspec.inspect.multi_type_info
    for struct in _structs(inspect(answers)) - _structs(inspect(bodies)):
        if not struct.__struct_config__.omit_defaults:
            name = struct.__name__ if struct.__name__ in named else f"{struct.__module__}.{struct.__name__}"
            fields = msgspec.structs.fields(struct)
            named[name]["required"] = [field.encode_name for field in fields if field.default is not msgspec.UNSET]


def _structs(types: Iterable[Any]) -> set[type[msgspec.Struct]]:
    """The struct types that are part of these."""
    found: dict[type[msgspec.Struct], None] = {}
    waiting = list(types)
    while waiting:
        item = waiting.pop()
        if isinstance(item, msgspec.inspect.StructType):
            if item.cls in found:
                continue
            found[item.cls] = None
        if isinstance(item, msgspec.inspect.Type | msgspec.inspect.Field):
            waiting += [getattr(item, name) for name in item.__struct_fields__]
        elif isinstance(item, tuple | list):
            waiting += item
    return set(found)


def _mend(schema: dict[str, Any]) -> None:
    if "description" in schema:
        schema["description"] = schema["description"].replace("``", "`")
    for name, value in schema.get("properties", {}).items():
        if value == {} and name in _RAW_ELEMENTS:
            value |= {"type": "array", "items": reference("Element")}
        if value.get("default") == -1:  # stands for "left out"
            del value["default"]


def element_schema() -> dict[str, Any]:
    """The kinds of message elements with their fields. Further fields pass as they are."""
    kinds = []
    for kind, shape in SHAPES.items():
        fields = {name: {"type": _TYPES[word] if name in shape.required else [_TYPES[word], "null"]} for name, word in shape.fields.items()}
        content: dict[str, Any] = {"type": "object", "properties": fields, "required": list(shape.required)}
        if shape.one_of:
            content["anyOf"] = [{"required": [name], "properties": {name: {"not": {"type": "null"}}}} for name in shape.one_of]
        properties = {"MsgType": {"const": kind}, "MsgContent": content}
        kinds.append({"title": kind, "type": "object", "properties": properties, "required": ["MsgType", "MsgContent"]})
    return {"title": "Element", "description": "One element of a message.", "anyOf": kinds}


def _shorter(value: Any) -> Any:
    """Without the module's long name in the names of schemas."""
    if isinstance(value, dict):
        return {ROOM.sub("", key): _shorter(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_shorter(item) for item in value]
    return ROOM.sub("", value) if isinstance(value, str) else value
