"""Cleaning and cutting of text."""

from __future__ import annotations

import pytest
import regex  # type: ignore[import-untyped]
from hypothesis import given
from hypothesis import strategies as st

from homing.rules.text import ELLIPSIS, clean, cut, cut_bytes, utf8_length

FAMILY = "👨‍👩‍👧‍👦"
FLAG = "🇨🇳"
ACCENT = "e\u0301"
PIECES = st.sampled_from(["a", "b ", "好", FAMILY, FLAG, "🇨", ACCENT, "\u0301", "\r\n", "\n", "👍🏽", "\u200d", "नि", "각", "\u0600"])
TEXTS = st.text() | st.lists(PIECES, max_size=30).map("".join)


def graphemes(text: str) -> list[str]:
    found = regex.findall(r"\X", text)
    return [str(piece) for piece in found]


@pytest.mark.parametrize(
    ("raw", "cleaned"),
    [
        ("plain", "plain"),
        ("a\x00b\x07c\x7f\x9f", "abc"),
        ("a\ud800b\udfff", "ab"),
        ("a\ufffeb\uffff", "ab"),
        ("one\r\ntwo\rthree\u2028four", "one\ntwo\nthree\nfour"),
        ("a\tb", "a b"),
        (f"全角\u3000{FAMILY}", f"全角\u3000{FAMILY}"),
    ],
)
def test_what_no_phone_can_show_is_removed(raw: str, cleaned: str):
    assert clean(raw) == cleaned


def test_in_a_title_a_line_break_is_a_space():
    assert clean("one\r\ntwo\nthree", newlines=False) == "one two three"


@given(st.text(st.characters()))
def test_cleaned_text_is_stable_and_can_be_encoded(text: str):
    cleaned = clean(text)
    assert clean(cleaned) == cleaned
    assert not set(cleaned) & {chr(code) for code in [*range(10), *range(11, 32), *range(127, 160)]}
    cleaned.encode()
    assert "\n" not in clean(text, newlines=False)


@pytest.mark.parametrize(
    ("text", "limit", "expected"),
    [
        ("hello", 5, "hello"),
        ("hello!", 5, "hell…"),
        (FAMILY * 3, 3, FAMILY * 3),
        (FAMILY * 4, 3, FAMILY * 2 + ELLIPSIS),
        (FLAG * 3, 2, FLAG + ELLIPSIS),
        (ACCENT * 3, 2, ACCENT + ELLIPSIS),
        ("a\r\nb", 3, "a\r\nb"),
        ("abc", 1, ELLIPSIS),
        ("好好", 1, ELLIPSIS),
        ("abc", 0, ""),
        ("abc", -1, ""),
        ("", 0, ""),
    ],
)
def test_a_cut_counts_what_a_person_sees(text: str, limit: int, expected: str):
    assert cut(text, limit) == expected


@given(TEXTS, st.integers(0, 40))
def test_a_cut_keeps_the_limit_and_whole_characters(text: str, limit: int):
    result = cut(text, limit)
    assert len(graphemes(result)) <= limit
    if result != text and limit:
        assert result.endswith(ELLIPSIS)
        kept = result.removesuffix(ELLIPSIS)
        assert graphemes(text)[: limit - 1] == graphemes(kept)
        assert text.startswith(kept)


@given(TEXTS)
def test_what_fits_is_left_alone(text: str):
    assert cut(text, len(graphemes(text))) == text
    assert cut_bytes(text, utf8_length(text)) == text


@pytest.mark.parametrize(
    ("text", "limit", "expected"),
    [
        ("hello", 5, "hello"),
        ("hello!", 5, "he…"),
        ("好好好", 9, "好好好"),
        ("好好好", 8, "好…"),
        ("好好好", 3, "好"),
        (FAMILY + "x", 25, ELLIPSIS),
        ("abcd", 3, "abc"),
        ("abc" + "\u0301", 3, "ab"),
        ("abc", 0, ""),
        (FAMILY + "xyz!", 28, FAMILY + ELLIPSIS),
        ("好", -1, ""),
    ],
)
def test_a_cut_by_bytes_counts_utf8(text: str, limit: int, expected: str):
    assert cut_bytes(text, limit) == expected


@given(TEXTS, st.integers(0, 80))
def test_a_cut_by_bytes_keeps_the_limit_and_whole_characters(text: str, limit: int):
    result = cut_bytes(text, limit)
    assert len(result.encode()) <= limit
    if result != text:
        kept = result.removesuffix(ELLIPSIS) if limit > 3 else result
        assert graphemes(kept) == graphemes(text)[: len(graphemes(kept))]


@given(st.text(st.characters()), st.integers(-2, 40))
def test_no_text_makes_a_cut_raise(text: str, limit: int):
    cut(text, limit)
    cut_bytes(text, limit)
