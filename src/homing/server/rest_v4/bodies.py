"""From a body to a typed request: strict about types, lax about what clients add or leave out.

A wrong field is answered with the code that the sheet gives for that field and with its path. Members that are null count as
left out: several client libraries write every field.
"""

from __future__ import annotations

import re
from typing import Any, Generic, TypeVar

import msgspec

from homing.model.problems import (
    ATTRIBUTE_ILLEGAL,
    BAD_JSON,
    BAD_PARAMETER,
    CONDITION_ILLEGAL,
    INTERNAL,
    LABELS_BAD_ACCOUNT,
    LABELS_BAD_BODY,
    MSG_BAD_BODY,
    MSG_BAD_FORMAT,
    MSG_BAD_JSON,
    MSG_BAD_LIFETIME_TYPE,
    MSG_BAD_RANDOM,
    MSG_BAD_RECEIVER,
    MSG_BAD_SEQ,
    MSG_BAD_SYNC,
    MSG_BAD_TIME,
    MSG_BODY_NOT_ARRAY,
    MSG_INTERNAL,
    REPORT_NO_TASK,
    Problem,
    Refused,
)

T = TypeVar("T")

MAX_DEPTH = 64
_TOKENS = re.compile(rb'"(?:[^"\\]++|\\.)*+(?:"|\\?\Z)|[\[\]{}]', re.DOTALL)
_PATH = re.compile(r" - at `(\$[^`]*)`\Z")
_MISSING = re.compile(r"missing required field `(\w+)`")
_FIELD = re.compile(r"\$\.(\w+)")


class Family(msgspec.Struct, frozen=True):
    """The codes of a family of commands."""

    bad_json: Problem
    bad_field: Problem
    internal: Problem
    fields: dict[str, Problem] = {}


ACCOUNT_FAMILY = Family(BAD_JSON, BAD_PARAMETER, INTERNAL)
MESSAGE_FAMILY = Family(
    MSG_BAD_JSON,
    MSG_BAD_FORMAT,
    MSG_INTERNAL,
    {
        "To_Account": MSG_BAD_RECEIVER,
        "MsgBody": MSG_BAD_BODY,
        "MsgRandom": MSG_BAD_RANDOM,
        "MsgSeq": MSG_BAD_SEQ,
        "MsgTimeStamp": MSG_BAD_TIME,
        "SyncOtherMachine": MSG_BAD_SYNC,
        "MsgLifeTime": MSG_BAD_LIFETIME_TYPE,
    },
)


PUSH_FAMILY = Family(
    MSG_BAD_JSON,
    MSG_BAD_FORMAT,
    MSG_INTERNAL,
    {
        "To_Account": MSG_BAD_RECEIVER,
        "MsgBody": MSG_BAD_BODY,
        "MsgRandom": MSG_BAD_RANDOM,
        "MsgLifeTime": MSG_BAD_LIFETIME_TYPE,
        "Condition": CONDITION_ILLEGAL,
        "TaskId": REPORT_NO_TASK,
        "TaskIds": REPORT_NO_TASK,
        "TaskID": REPORT_NO_TASK,
    },
)
LABEL_FAMILY = Family(MSG_BAD_JSON, LABELS_BAD_BODY, MSG_INTERNAL, {"To_Account": LABELS_BAD_ACCOUNT, "AttrNames": ATTRIBUTE_ILLEGAL})


class BodyDecoder(Generic[T]):
    """Decodes the bodies of one command."""

    def __init__(self, kind: type[T], family: Family) -> None:
        self.kind = kind
        self._family = family
        self._decode = msgspec.json.Decoder(kind).decode

    def decode(self, body: bytes) -> T:
        """The request. Raises ``Refused`` with the code for what is wrong."""
        if body.count(b"[") + body.count(b"{") > MAX_DEPTH and depth_of(body) > MAX_DEPTH:
            raise Refused(self._family.bad_json, f"it is nested deeper than {MAX_DEPTH} levels")
        try:
            return self._typed(body)
        except msgspec.ValidationError as error:
            raise self._refusal(str(error)) from None
        except (ValueError, RecursionError) as error:  # not JSON; an integer of thousands of digits
            raise Refused(self._family.bad_json, str(error)) from None

    def _typed(self, body: bytes) -> T:
        try:
            return self._decode(body)
        except msgspec.ValidationError:
            if b"null" not in body:
                raise
        return msgspec.convert(_without_nulls(msgspec.json.decode(body)), self.kind)

    def _refusal(self, text: str) -> Refused:
        where = _PATH.search(text)
        missing = _MISSING.search(text)
        path = where.group(1) if where else "$"
        if path == "$" and missing is None:
            return Refused(self._family.bad_json, text)
        reason = _PATH.sub("", text)
        if missing is not None:
            path, reason = f"{path}.{missing.group(1)}", "it is missing"
        return Refused(self._problem(path), f"{path}: {reason}")

    def _problem(self, path: str) -> Problem:
        if path == "$.MsgBody" and "MsgBody" in self._family.fields:
            return MSG_BODY_NOT_ARRAY
        field = _FIELD.match(path)
        return self._family.fields.get(field.group(1), self._family.bad_field) if field else self._family.bad_field


def depth_of(body: bytes) -> int:
    """How deep arrays and objects are nested, in one pass over the text."""
    depth = deepest = 0
    for token in _TOKENS.findall(body):
        if token in (b"[", b"{"):
            depth += 1
            deepest = max(deepest, depth)
        elif token in (b"]", b"}"):
            depth -= 1
    return deepest


def _without_nulls(value: Any) -> Any:
    """Without null members, except inside MsgContent, which is passed on as it came."""
    if isinstance(value, dict):
        return {key: item if key == "MsgContent" else _without_nulls(item) for key, item in value.items() if item is not None}
    if isinstance(value, list):
        return [_without_nulls(item) for item in value]
    return value
