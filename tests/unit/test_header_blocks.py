"""Header blocks without tables, against an independent implementation of HPACK."""

from __future__ import annotations

import hpack
import pytest
from hpack.huffman import HuffmanEncoder
from hpack.huffman_constants import REQUEST_CODES, REQUEST_CODES_LENGTH
from hpack.huffman_table import decode_huffman as library_decode
from hypothesis import given
from hypothesis import strategies as st

from homing.transport.header_blocks import AnswerHeaders, BadBlock, RequestHeaders, literal
from homing.transport.huffman import decode_huffman

TEXTS = st.text(st.characters(min_codepoint=32, max_codepoint=126), max_size=300)
NAMES = st.text("abcdefghijklmnopqrstuvwxyz-", min_size=1, max_size=150)
PAIRS = st.lists(st.tuples(NAMES, TEXTS), max_size=8)


@given(path=TEXTS, pairs=PAIRS, size=st.integers(0, 20_000))
def test_request_headers_arrive_as_they_were_written(path: str, pairs: list[tuple[str, str]], size: int) -> None:
    maker = RequestHeaders("push.example:8443", "homing")
    for _ in range(2):  # made, and taken from what was kept
        block = maker.block(path, tuple(pairs), size)
        assert block is not None
        decoded = [(str(name), str(value)) for name, value in hpack.Decoder(max_header_list_size=1 << 20).decode(block)]
        pseudo = [(":method", "POST"), (":scheme", "https"), (":authority", "push.example:8443"), (":path", path)]
        assert decoded == [*pseudo, ("user-agent", "homing"), ("content-length", str(size)), *pairs]


@pytest.mark.parametrize("value", ["a\r\nb: c", "a\nb", "a\0b"])
def test_a_value_cannot_break_out_of_its_field(value: str) -> None:
    assert literal("authorization", value) is None
    assert RequestHeaders("a", "b").block("/", (("x", value),), 0) is None


@given(pairs=PAIRS, huffman=st.booleans(), status=st.sampled_from([200, 204, 404, 418, 503]))
def test_answers_are_read_without_a_table(pairs: list[tuple[str, str]], huffman: bool, status: int) -> None:
    encoder = hpack.Encoder()
    encoder.header_table_size = 0
    reader = AnswerHeaders()
    for _ in range(2):
        block = encoder.encode([(":status", str(status)), *pairs], huffman=huffman)
        assert reader.read(block) == (status, {name: value.strip() for name, value in pairs})


@given(block=st.binary(max_size=200))
def test_nonsense_is_told_and_never_breaks(block: bytes) -> None:
    try:
        status, headers = AnswerHeaders().read(block)
    except BadBlock:
        return
    assert isinstance(status, int)
    assert all(isinstance(value, str) for value in headers.values())


@pytest.mark.parametrize(
    "block",
    [b"\x80", b"\xff\xff\xff\xff\xff\xff\xff", b"\xbe", b"\x08\x85abc", b"\x08\x03abc", b"\x00", b"\x40\x7f"],
    ids=["index 0", "endless", "beyond the static table", "bad Huffman", "no number", "no name", "cut"],
)
def test_what_makes_no_sense_is_a_bad_block(block: bytes) -> None:
    with pytest.raises(BadBlock):
        AnswerHeaders().read(block)


@given(text=st.binary(max_size=300))
def test_huffman_texts_are_read_as_the_library_reads_them(text: bytes) -> None:
    encoder = HuffmanEncoder(REQUEST_CODES, REQUEST_CODES_LENGTH)
    assert decode_huffman(encoder.encode(text)) == text


@given(data=st.binary(max_size=40))
def test_broken_huffman_texts_are_refused_as_the_library_refuses_them(data: bytes) -> None:
    try:
        expected: bytes | None = library_decode(data)
    except hpack.HPACKDecodingError:
        expected = None
    try:
        found: bytes | None = decode_huffman(data)
    except ValueError:
        found = None
    assert found == expected
