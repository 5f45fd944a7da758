"""Header blocks of HTTP/2 (HPACK, RFC 7541) without a dynamic table in either direction.

Requests are literals that no table keeps: vendors see as many different tokens and ids as there are pushes, and a secret in
a table is a secret that can be guessed at. Answers come without a table because we offer none (a table size of 0), so equal
bytes always mean equal headers and are looked up, not decoded.
"""

from __future__ import annotations

from hpack.exceptions import HPACKError
from hpack.huffman_table import decode_huffman
from hpack.table import HeaderTable

STATIC: tuple[tuple[bytes, bytes], ...] = tuple(HeaderTable.STATIC_TABLE)
_NAME_INDEX = {name.decode(): number for number, (name, _) in reversed(list(enumerate(STATIC, 1)))}
_PSEUDO_POST_HTTPS = b"\x83\x87"  # :method POST, :scheme https, both in the static table
_MAX_CACHED = 2048
_MAX_CACHED_BYTES = 512

Headers = tuple[tuple[str, str], ...]


class BadBlock(Exception):
    """The peer's header block makes no sense."""


def _integer(value: int, bits: int, first: int) -> bytes:
    """An integer with a prefix of so many bits (section 5.1)."""
    limit = (1 << bits) - 1
    if value < limit:
        return bytes((first | value,))
    value -= limit
    out = bytearray((first | limit,))
    while value >= 128:
        out.append(value & 127 | 128)
        value >>= 7
    out.append(value)
    return bytes(out)


def _text(data: bytes) -> bytes:
    size = len(data)
    return bytes((size,)) + data if size < 127 else _integer(size, 7, 0) + data


def literal(name: str, value: str) -> bytes | None:
    """A field that no table keeps ("never indexed"), or None when it would break out of its place."""
    if "\r" in value or "\n" in value or "\0" in value:
        return None
    number = _NAME_INDEX.get(name)
    start = _integer(number, 4, 0x10) if number is not None else b"\x10" + _text(name.encode())
    return start + _text(value.encode())


class RequestHeaders:
    """Makes the blocks of POST requests to one authority. Fields that come back are kept encoded."""

    __slots__ = ("_agent", "_fields", "_start")

    def __init__(self, authority: str, user_agent: str) -> None:
        self._start = _PSEUDO_POST_HTTPS + (literal(":authority", authority) or b"") + b"\x14"  # and the name of :path
        self._agent = (literal("user-agent", user_agent) or b"") + b"\x1f\x0d"  # and the name of content-length
        self._fields: dict[tuple[str, str], bytes] = {}

    def block(self, path: str, headers: Headers, body_size: int) -> bytes | None:
        """The whole block, or None when a field cannot be sent."""
        kept = self._fields
        parts = [self._start, _text(path.encode()), self._agent, _text(b"%d" % body_size)]
        for pair in headers:
            field = kept.get(pair)
            if field is None:
                field = literal(pair[0].lower(), pair[1])
                if field is None:
                    return None
                if len(kept) >= _MAX_CACHED:
                    kept.clear()
                kept[pair] = field
            parts.append(field)
        return b"".join(parts)


class AnswerHeaders:
    """Reads the blocks of answers. Equal blocks give the same dictionary: it is not to be changed."""

    __slots__ = ("_blocks", "_fields")

    def __init__(self) -> None:
        self._blocks: dict[bytes, tuple[int, dict[str, str]]] = {}
        self._fields: dict[bytes, tuple[str, str]] = {}

    def read(self, block: bytes) -> tuple[int, dict[str, str]]:
        """Status (0 where the block has none, as trailers) and headers, names in lower case. Raises ``BadBlock``."""
        known = self._blocks.get(block)
        if known is None:
            known = self._decode(block)
            if len(block) <= _MAX_CACHED_BYTES:
                if len(self._blocks) >= _MAX_CACHED:
                    self._blocks.clear()
                self._blocks[block] = known
        return known

    def _decode(self, block: bytes) -> tuple[int, dict[str, str]]:
        headers: dict[str, str] = {}
        at, size = 0, len(block)
        try:
            while at < size:
                start, first = at, block[at]
                if first >= 0x80:
                    at, name, value = self._indexed(block, at)
                elif 0x20 <= first < 0x40:
                    at, _ = _read_integer(block, at, 5)  # the size of a table that stays empty
                    continue
                else:
                    end = _end_of_literal(block, at)
                    pair = self._fields.get(block[start:end])
                    if pair is None:
                        pair = self._literal(block, start)
                    at, (name, value) = end, pair
                headers[name] = value
            return int(headers.pop(":status", "0")), headers
        except (IndexError, ValueError, HPACKError) as error:
            raise BadBlock(str(error)) from error

    def _indexed(self, block: bytes, at: int) -> tuple[int, str, str]:
        at, number = _read_integer(block, at, 7)
        if not number:
            raise BadBlock("index 0")
        name, value = STATIC[number - 1]
        return at, name.decode(), value.decode()

    def _literal(self, block: bytes, start: int) -> tuple[str, str]:
        at, number = _read_integer(block, start, 6 if block[start] & 0x40 else 4)
        if number:
            name = STATIC[number - 1][0].decode("latin-1")
        else:
            at, raw = _read_text(block, at)
            name = raw.decode("latin-1").lower()
        end, raw = _read_text(block, at)
        pair = (name, raw.decode("latin-1").strip())
        if end - start <= 96:
            if len(self._fields) >= _MAX_CACHED:
                self._fields.clear()
            self._fields[block[start:end]] = pair
        return pair


def _read_integer(block: bytes, at: int, bits: int) -> tuple[int, int]:
    limit = (1 << bits) - 1
    value = block[at] & limit
    at += 1
    if value < limit:
        return at, value
    for shift in range(0, 28, 7):
        byte = block[at]
        at += 1
        value += (byte & 127) << shift
        if byte < 128:
            return at, value
    raise BadBlock("an integer is too long")


def _end_of_literal(block: bytes, at: int) -> int:
    at, number = _read_integer(block, at, 6 if block[at] & 0x40 else 4)
    for _ in range(1 if number else 2):
        at, size = _read_integer(block, at, 7)
        at += size
    if at > len(block):
        raise BadBlock("a text is cut off")
    return at


def _read_text(block: bytes, at: int) -> tuple[int, bytes]:
    huffman = block[at] & 0x80
    at, size = _read_integer(block, at, 7)
    data = block[at : at + size]
    if len(data) != size:
        raise BadBlock("a text is cut off")
    return at + size, decode_huffman(data) if huffman else data
