"""Decoding of bodies: nesting, nulls, and where an error lies."""

from __future__ import annotations

import json
from collections.abc import Callable
from functools import partial
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from homing.model.problems import MSG_BODY_NOT_ARRAY, Refused
from homing.server.rest_v4.bodies import MAX_DEPTH, MESSAGE_FAMILY, BodyDecoder, depth_of
from homing.server.rest_v4.commands import COMMANDS, ROUTES
from homing.server.rest_v4.gate import parse_query
from homing.server.rest_v4.message_commands import SendMsg

_MESSAGE_CODES = {90001, 90002, 90003, 90004, 90005, 90007, 90010}
_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=20,
)


def _code(act: Callable[[], object]) -> int:
    """0, or the code of the refusal."""
    try:
        act()
    except Refused as refused:
        return refused.problem.rest_code
    return 0


def _depth(value: Any) -> int:
    if isinstance(value, dict):
        return 1 + max(map(_depth, value.values()), default=0)
    if isinstance(value, list):
        return 1 + max(map(_depth, value), default=0)
    return 0


@given(_JSON, st.booleans())
def test_the_depth_of_a_text_is_that_of_its_value(value: Any, ascii_only: bool) -> None:
    assert depth_of(json.dumps(value, ensure_ascii=ascii_only).encode("utf-8", "surrogatepass")) == _depth(value)


@given(st.binary())
def test_any_bytes_have_a_depth(raw: bytes) -> None:
    assert depth_of(raw) >= 0


def test_unclosed_quotes_cost_one_pass() -> None:
    assert depth_of(b'\\"' * 200_000) == 0
    assert depth_of(b'"' + b"\\" * 200_001) == 0


@given(st.binary())
def test_any_body_is_decoded_or_refused(raw: bytes) -> None:
    for command in COMMANDS:
        family = command.family
        problems = (family.bad_json, family.bad_field, MSG_BODY_NOT_ARRAY, *family.fields.values())
        assert _code(partial(command.decoder.decode, raw)) in {0} | {problem.rest_code for problem in problems}


@given(st.dictionaries(st.sampled_from(["To_Account", "MsgBody", "MsgRandom", "MsgSeq", "OfflinePushInfo", "SendMsgControl"]), _JSON))
def test_any_object_is_decoded_or_refused(value: dict[str, Any]) -> None:
    decoder = BodyDecoder(SendMsg, MESSAGE_FAMILY)
    assert _code(lambda: decoder.decode(json.dumps(value).encode())) in {0} | _MESSAGE_CODES


def test_the_deepest_allowed_nesting_is_taken() -> None:
    decoder = BodyDecoder(SendMsg, MESSAGE_FAMILY)
    inner = b"[" * (MAX_DEPTH - 1) + b"]" * (MAX_DEPTH - 1)
    assert decoder.decode(b'{"To_Account":"a","X":' + inner + b"}").To_Account == "a"
    with pytest.raises(Refused):
        decoder.decode(b'{"To_Account":"a","X":[' + inner + b"]}")


@given(st.dictionaries(st.sampled_from(["a", "b", "c"]), st.text(st.characters(codec="ascii", exclude_characters="&%+="))))
def test_a_query_string_gives_back_its_parameters(params: dict[str, str]) -> None:
    query = "&".join(f"{key}={value}" for key, value in params.items())
    assert {key: value for key, value in parse_query(query.encode()).items() if key} == params


@given(st.binary(max_size=200))
def test_any_query_string_is_parsed_or_refused(raw: bytes) -> None:
    assert _code(lambda: parse_query(raw)) in {0, 60002}


def test_every_route_has_a_summary_and_a_name_of_its_own() -> None:
    assert len(ROUTES) == len(COMMANDS) + sum(len(command.aliases) for command in COMMANDS)
    for command in COMMANDS:
        assert command.summary.endswith(".")
