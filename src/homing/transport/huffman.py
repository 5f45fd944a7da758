"""Huffman texts of HPACK (RFC 7541, section 5.2), a byte at a time.

The library's table takes half a byte a step and is the source; here two steps become one, made when it is first needed, so
that the ids in vendors' answers cost a fifth.
"""

from __future__ import annotations

from hpack.huffman_table import HUFFMAN_COMPLETE, HUFFMAN_EMIT_SYMBOL, HUFFMAN_FAIL, HUFFMAN_TABLE

# (state << 8 | byte) -> what it emits, and the next state shifted by 8. At most 256 states of 256 bytes.
_steps: dict[int, tuple[bytes, int]] = {}
#: States in which a text may end; the first one is also the start.
_complete = {0}


def decode_huffman(data: bytes) -> bytes:
    """The text. Raises ``ValueError`` where it is not one."""
    state, out, steps = 0, [], _steps
    for byte in data:
        step = steps.get(state | byte)
        if step is None:
            step = steps[state | byte] = _two_steps(state, byte)
        out.append(step[0])
        state = step[1]
    if state not in _complete:
        raise ValueError("a Huffman text ends in the middle of a character")
    return b"".join(out)


def _two_steps(state: int, byte: int) -> tuple[bytes, int]:
    out = bytearray()
    number, flags = state >> 8, 0
    for half in (byte >> 4, byte & 0xF):
        number, flags, symbol = HUFFMAN_TABLE[number * 16 + half]
        if flags & HUFFMAN_FAIL:
            raise ValueError("not a Huffman text")
        if flags & HUFFMAN_EMIT_SYMBOL:
            out.append(symbol)
    if flags & HUFFMAN_COMPLETE:
        _complete.add(number << 8)
    return bytes(out), number << 8
