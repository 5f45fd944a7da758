"""Header blocks of HTTP/2 (HPACK, RFC 7541) without a dynamic table in either direction.

Requests are literals that no table keeps: vendors see as many different tokens and ids as there are pushes, and a secret in
a table is a secret that can be guessed at. Answers come without a table because we offer none (a table size of 0), so equal
bytes always mean equal headers and are looked up, not decoded.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TypeVar

from hpack.table import HeaderTable

from .huffman import decode_huffman

STATIC: tuple[tuple[bytes, bytes], ...] = tuple(HeaderTable.STATIC_TABLE)
#: The same as text, by its number; there is no number 0.
_STATIC_TEXT = dict(enumerate(((name.decode(), value.decode()) for name, value in STATIC), 1))
_NAME_INDEX = {name.decode(): number for number, (name, _) in reversed(list(enumerate(STATIC, 1)))}
_PSEUDO_POST_HTTPS = b"\x83\x87"  # :method POST, :scheme https, both in the static table
_MAX_CACHED = 2048
_MAX_CACHED_BYTES = 512
_MAX_CACHED_FIELD = 96
_ASKED_AT_ONCE = frozenset({":status", "content-length"})

_K = TypeVar("_K")
_V = TypeVar("_V")
Headers = tuple[tuple[str, str], ...]


class _Kept(dict[_K, _V]):
    """A bounded cache that keeps what it meets a second time: ids that never come back would only fill it."""

    __slots__ = ("_seen",)

    def __init__(self) -> None:
        super().__init__()
        self._seen: set[int] = set()

    def again(self, key: _K) -> bool:
        """Whether the key was met before, and there is room for it now."""
        mark = hash(key)
        if mark in self._seen:
            if len(self) >= _MAX_CACHED:
                self.clear()
            return True
        if len(self._seen) >= _MAX_CACHED:
            self._seen.clear()
        self._seen.add(mark)
        return False


class LaterHeaders(Mapping[str, str]):
    """Headers whose values are read when somebody asks: most answers are judged by their status alone."""

    __slots__ = ("_raw", "_values")

    def __init__(self, values: dict[str, str], raw: dict[str, tuple[bytes, int]]) -> None:
        self._values = values
        self._raw = raw

    def __getitem__(self, name: str) -> str:
        if name in self._raw:
            raw, at = self._raw.pop(name)
            try:
                self._values[name] = _value(raw, at)
            except ValueError:
                self._values[name] = ""
        return self._values[name]

    def __iter__(self) -> Iterator[str]:
        return iter((*self._values, *self._raw))

    def __len__(self) -> int:
        return len(self._values) + len(self._raw)


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


_starts: dict[str, bytes] = {}


def literal(name: str, value: str) -> bytes | None:
    """A field that no table keeps ("never indexed"), or None when it would break out of its place."""
    if not value.isprintable() and ("\r" in value or "\n" in value or "\0" in value):
        return None
    start = _starts.get(name)
    if start is None:
        number = _NAME_INDEX.get(name)
        start = _integer(number, 4, 0x10) if number is not None else b"\x10" + _text(name.encode())
        if len(_starts) < _MAX_CACHED:
            _starts[name] = start
    return start + _text(value.encode())


class RequestHeaders:
    """Makes the blocks of POST requests to one authority. Fields that come back are kept encoded."""

    __slots__ = ("_agent", "_fields", "_start")

    def __init__(self, authority: str, user_agent: str) -> None:
        self._start = _PSEUDO_POST_HTTPS + (literal(":authority", authority) or b"") + b"\x14"  # and the name of :path
        self._agent = (literal("user-agent", user_agent) or b"") + b"\x1f\x0d"  # and the name of content-length
        self._fields: _Kept[tuple[str, str], bytes] = _Kept()

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
                if kept.again(pair):
                    kept[pair] = field
            parts.append(field)
        return b"".join(parts)


class AnswerHeaders:
    """Reads the blocks of answers. Equal blocks give the same dictionary: it is not to be changed."""

    __slots__ = ("_blocks", "_fields", "_names")

    def __init__(self) -> None:
        self._blocks: _Kept[bytes, tuple[int, Mapping[str, str]]] = _Kept()
        self._fields: _Kept[bytes, tuple[str, str]] = _Kept()
        self._names: dict[bytes, str] = {}

    def read(self, block: bytes) -> tuple[int, Mapping[str, str]]:
        """Status (0 where the block has none, as trailers) and headers, names in lower case. Raises ``BadBlock``."""
        known = self._blocks.get(block)
        if known is None:
            known = self._decode(block)
            if len(block) <= _MAX_CACHED_BYTES and self._blocks.again(block):
                self._blocks[block] = known
        return known

    def _decode(self, block: bytes) -> tuple[int, Mapping[str, str]]:
        headers: dict[str, str] = {}
        later: dict[str, tuple[bytes, int]] = {}
        fields = self._fields
        at, size = 0, len(block)
        try:
            while at < size:
                first = block[at]
                if first >= 0x80:
                    at, number = _read_integer(block, at, 7)
                    name, value = _STATIC_TEXT[number]
                elif 0x20 <= first < 0x40:
                    at, _ = _read_integer(block, at, 5)  # the size of a table that stays empty
                    continue
                else:
                    start = at
                    name_at, at = _bounds(block, at)
                    raw = block[start:at]
                    pair = fields.get(raw)
                    if pair is None:
                        name = self._name(raw, name_at - start)
                        comes_back = len(raw) <= _MAX_CACHED_FIELD and fields.again(raw)
                        if not comes_back and name not in _ASKED_AT_ONCE:
                            later[name] = (raw, name_at - start)
                            headers.pop(name, None)
                            continue
                        pair = (name, _value(raw, name_at - start))
                        if comes_back:
                            fields[raw] = pair
                    name, value = pair
                headers[name] = value
                if later:
                    later.pop(name, None)
            status = int(headers.pop(":status", "0"))
            return status, LaterHeaders(headers, later) if later else headers
        except (LookupError, ValueError) as error:
            raise BadBlock(str(error)) from error

    def _name(self, raw: bytes, value_at: int) -> str:
        """The name of a field whose value starts at ``value_at``."""
        start = raw[:value_at]
        name = self._names.get(start)
        if name is None:
            at, number = _read_integer(raw, 0, 6 if raw[0] & 0x40 else 4)
            name = _STATIC_TEXT[number][0] if number else _read_text(raw, at).decode("latin-1").lower()
            if len(self._names) < _MAX_CACHED:
                self._names[start] = name
        return name


def _value(raw: bytes, at: int) -> str:
    """Raises ``ValueError``."""
    return _read_text(raw, at).decode("latin-1").strip()


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


def _bounds(block: bytes, at: int) -> tuple[int, int]:
    """Where the value of the literal at ``at`` begins, and where it ends."""
    first = block[at]
    number = first & 0x3F if first & 0x40 else first & 0xF
    if number in (0x3F, 0xF):
        at, number = _read_integer(block, at, 6 if first & 0x40 else 4)
    else:
        at += 1
    if not number:
        at = _after_text(block, at)
    return at, _after_text(block, at)


def _after_text(block: bytes, at: int) -> int:
    size = block[at] & 0x7F
    if size == 0x7F:
        at, size = _read_integer(block, at, 7)
        at += size
    else:
        at += 1 + size
    if at > len(block):
        raise BadBlock("a text is cut off")
    return at


def _read_text(block: bytes, at: int) -> bytes:
    huffman = block[at] & 0x80
    at, size = _read_integer(block, at, 7)
    data = block[at : at + size]
    return decode_huffman(data) if huffman else data
