"""Message keys."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from homing.rules.message_keys import DEDUPE_SECONDS, UINT32_MAX, content_crc, msg_key, parse_msg_key

UINT32 = st.integers(0, UINT32_MAX)


@given(UINT32, UINT32, st.integers(0, 2**40))
def test_a_key_survives_the_way_there_and_back(seq: int, random: int, timestamp: int):
    key = msg_key(seq, random, timestamp)
    assert len(key) <= 50
    assert parse_msg_key(key) == (seq, random, timestamp)


@pytest.mark.parametrize(
    "text", ["", "1_2", "1_2_3_4", "a_2_3", "-1_2_3", "1_2_", "４_2_3", "4294967296_1_1", "1_4294967296_1", "1_1_" + "9" * 60]
)
def test_what_is_no_key_is_none(text: str):
    assert parse_msg_key(text) is None


@given(st.text(st.characters()))
def test_no_text_makes_the_reader_raise(text: str):
    parse_msg_key(text)


def test_the_crc_is_the_usual_one_and_the_window_is_two_minutes():
    assert content_crc(b"123456789") == 0xCBF43926
    assert DEDUPE_SECONDS == 120
