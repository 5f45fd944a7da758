"""Reading the lines of a token import: good ones in batches, bad ones with their number and reason."""

from __future__ import annotations

import io
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from homing.services.token_import import MAX_LINE_BYTES, BadLine, TokenLine, batches

GOOD: dict[str, Any] = {"user_id": "alice", "platform": "android", "business_id": 15518, "token": "abc"}


def _read(content: bytes, size: int = 2000) -> tuple[list[TokenLine], list[BadLine]]:
    good: list[TokenLine] = []
    bad: list[BadLine] = []
    for right, wrong in batches(io.BytesIO(content), [15518], size=size):
        assert len(right) + len(wrong) <= size
        good += right
        bad += wrong
    return good, bad


def _line(**changes: Any) -> bytes:
    return json.dumps(GOOD | changes).encode() + b"\n"


def test_a_good_line_is_read_and_the_state_may_be_missing() -> None:
    good, bad = _read(_line() + _line(user_id="bob", state="foreground", extra=1))
    assert bad == []
    assert [(line.user_id, line.state) for line in good] == [("alice", "background"), ("bob", "foreground")]


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"{\n", "not JSON"),
        (b'{"user_id": "\xff"}\n', "not JSON"),
        (b"[]\n", "not a JSON object"),
        (b'{"user_id": "a", "platform": "ios", "token": "x"}\n', "the field business_id is missing"),
        (_line(business_id="15518"), "business_id: expected `int`"),
        (_line(business_id=1), "no certificate 1"),
        (_line(platform="nokia"), "platform: 'nokia'"),
        (_line(token=""), "token"),
        (_line(token="x" * 4097), "token: it has 4097 bytes"),
        (_line(token="a b"), "token: it has a space"),
        (_line(token="a\0b"), "control character"),
        (_line(user_id=""), "user_id"),
        (_line(user_id="x" * 33), "user_id"),
        (_line(user_id="a\nb"), "user_id"),
        (_line(user_id="\ud800"), ""),
        (_line(state="asleep"), "state: 'asleep'"),
        (_line(padding="x" * MAX_LINE_BYTES), "longer than"),
    ],
)
def test_a_bad_line_is_named_with_its_reason_and_its_neighbours_go_in(content: bytes, reason: str) -> None:
    good, bad = _read(_line() + b"\n" + content + _line(user_id="bob"))
    assert [line.user_id for line in good] == ["alice", "bob"]
    [wrong] = bad
    assert wrong.line == 3
    assert reason in wrong.reason


def test_a_byte_order_mark_and_windows_line_ends_are_no_problem() -> None:
    good, bad = _read(b"\xef\xbb\xbf" + _line().replace(b"\n", b"\r\n") + _line(user_id="bob").rstrip())
    assert (len(good), bad) == (2, [])


def test_batches_are_bounded() -> None:
    good, _ = _read(_line() * 25, size=10)
    assert len(good) == 25


@given(st.lists(st.binary(max_size=200), max_size=30))
def test_no_file_makes_it_fall_over(lines: list[bytes]) -> None:
    content = b"\n".join(lines)
    good, bad = _read(content)
    assert len(good) + len(bad) <= content.count(b"\n") + 1
