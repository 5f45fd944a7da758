"""Whatever comes in, the device API says what is wrong, and nothing else happens."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from homing.model.devices import Device
from homing.model.problems import Refused
from homing.server.device import bodies
from homing.server.device.operations import OPERATIONS, _draft
from homing.server.device.socket import read_frame

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=12), inner, max_size=4),
    max_leaves=20,
)
FIELDS = st.sampled_from(
    ["op", "id", "body", "to_user", "elements", "random", "token", "business_id", "msg_ids", "cursor", "after", "limit", "MsgType"]
)
OBJECTS = st.dictionaries(FIELDS | st.text(max_size=5), JSON, max_size=6)
EXPECTED = {"frame_malformed", "bad_parameter"}


def refusal(work: Any, *arguments: Any) -> str | None:
    """The name of the refusal, or None when it was taken."""
    try:
        work(*arguments)
    except Refused as error:
        return error.problem.name
    return None


@given(st.binary(max_size=200) | st.text(max_size=200) | OBJECTS.map(json.dumps))
def test_any_frame_is_read_or_refused(data: bytes | str) -> None:
    assert refusal(read_frame, data) in {None, "frame_malformed"}


@pytest.mark.parametrize("name", sorted(OPERATIONS))
@given(body=(st.binary(max_size=100) | (OBJECTS | JSON).map(lambda value: json.dumps(value).encode())))
def test_any_body_is_read_or_refused(name: str, body: bytes) -> None:
    assert refusal(OPERATIONS[name].decoder.decode, body) in EXPECTED | {None}


@given(body=OBJECTS.map(lambda value: json.dumps(value).encode()))
def test_any_login_is_read_or_refused(body: bytes) -> None:
    assert refusal(bodies.decoder(bodies.LoginBody).decode, body) in EXPECTED | {None}


@given(
    elements=st.lists(st.fixed_dictionaries({"MsgType": st.text(max_size=5) | st.just("TIMTextElem"), "MsgContent": OBJECTS}), max_size=3),
    more=st.fixed_dictionaries(
        {}, optional={"to_user": st.text(max_size=40), "random": st.integers(), "seq": st.integers(), "lifetime_seconds": st.integers()}
    ),
)
def test_any_message_is_a_draft_or_refused(elements: list[Any], more: dict[str, Any]) -> None:
    raw = json.dumps({"elements": elements} | more).encode()

    def make() -> None:
        _draft(Device(1, 1, "alice", "android", "i"), OPERATIONS["send"].decoder.decode(raw))

    refused = refusal(make)
    assert refused is None or refused.startswith("message_") or refused in EXPECTED


def test_deep_nesting_is_refused_before_it_is_read() -> None:
    deep = b'{"op":"ping","body":' + b"[" * 30_000
    assert refusal(read_frame, deep) == "frame_malformed"
    assert refusal(OPERATIONS["send"].decoder.decode, deep) == "frame_malformed"


def test_lone_surrogates_are_no_traceback() -> None:
    assert refusal(read_frame, '{"op":"ping","body":{"x":"\ud800"}}') in {None, "frame_malformed"}
    assert refusal(read_frame, b'{"op":"\\ud800"}') in {None, "frame_malformed"}
