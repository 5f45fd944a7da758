"""Bring existing push tokens in, from a file with one JSON object a line, in batches and with bounded memory."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import BinaryIO, NamedTuple

import msgspec

from homing.model.clock import Clock, Ids
from homing.model.devices import MAX_TOKEN_BYTES, MAX_USER_ID_BYTES, AppState, Platform
from homing.store.engine import Database, Tx
from homing.store.token_import import Imported, TokenRow, import_tokens

BATCH = 2000
MAX_LINE_BYTES = 16 * 1024
_PLATFORMS = frozenset(Platform)
_STATES = frozenset(AppState)


class TokenLine(msgspec.Struct, frozen=True, gc=False):
    """One device. Unknown fields are ignored."""

    user_id: str
    platform: str
    business_id: int
    token: str
    state: str = AppState.BACKGROUND
    language: str = ""


class BadLine(NamedTuple):
    """A line that cannot be imported, and why."""

    line: int
    reason: str


class Progress(msgspec.Struct):
    """How far an import is. ``kept``: tokens that a device with a real login holds already."""

    imported: int = 0
    accounts_made: int = 0
    kept: int = 0
    bad: int = 0


Batch = tuple[list[TokenLine], list[BadLine]]

_decode = msgspec.json.Decoder(TokenLine).decode


def batches(file: BinaryIO, business_ids: Iterable[int], *, size: int = BATCH) -> Iterator[Batch]:
    """The file in batches of lines: the good ones, and the bad ones with their number and reason. Empty lines are skipped."""
    known = frozenset(business_ids)
    good: list[TokenLine] = []
    bad: list[BadLine] = []
    for number, text in enumerate(_lines(file), 1):
        if text is None:
            bad.append(BadLine(number, f"the line is longer than {MAX_LINE_BYTES} bytes"))
        elif text:
            line = _read(text, known)
            if isinstance(line, str):
                bad.append(BadLine(number, line))
            else:
                good.append(line)
        if len(good) + len(bad) >= size:
            yield good, bad
            good, bad = [], []
    if good or bad:
        yield good, bad


async def store_batch(database: Database, sdkappid: int, lines: Sequence[TokenLine], ids: Ids, clock: Clock) -> Imported:
    """Store one batch in one transaction. Raises ``StoreBusy``; nothing of the batch is stored then."""
    rows = [TokenRow(line.user_id, line.platform, line.business_id, line.token, line.state, line.language) for line in lines]

    async def work(tx: Tx) -> Imported:
        return await import_tokens(tx, sdkappid, rows, ids.next, clock.now_ms())

    return await database.write(work)


def _lines(file: BinaryIO) -> Iterator[bytes | None]:
    """Lines without their end; None for one that is too long to be kept in memory."""
    first = True
    while text := file.readline(MAX_LINE_BYTES + 1):
        if first:
            text, first = text.removeprefix(b"\xef\xbb\xbf"), False
        if len(text) > MAX_LINE_BYTES and not text.endswith(b"\n"):
            while not text.endswith(b"\n") and (text := file.readline(MAX_LINE_BYTES)):
                pass
            yield None
        else:
            yield text.strip()


def _read(text: bytes, business_ids: frozenset[int]) -> TokenLine | str:
    """The device, or why this line has none."""
    try:
        line = _decode(text)
    except msgspec.ValidationError as error:
        return _field_reason(str(error))
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        return f"it is not JSON: {error}"
    user_id, token = line.user_id, line.token
    if not 0 < len(user_id.encode()) <= MAX_USER_ID_BYTES or not user_id.isprintable():
        return f"user_id: {user_id[:40]!r} is no UserID (1 to {MAX_USER_ID_BYTES} printable bytes)"
    if line.platform not in _PLATFORMS:
        return f"platform: {line.platform[:40]!r} is none of {', '.join(Platform)}"
    if line.business_id not in business_ids:
        return f"business_id: this app has no certificate {line.business_id}"
    if not 0 < len(token.encode()) <= MAX_TOKEN_BYTES:
        return f"token: it has {len(token.encode())} bytes, allowed are 1 to {MAX_TOKEN_BYTES}"
    if not token.isprintable() or " " in token:
        return "token: it has a space or a control character in it"
    if line.state not in _STATES:
        return f"state: {line.state[:40]!r} is neither foreground nor background"
    return line


def _field_reason(text: str) -> str:
    """A validation message in this tool's words."""
    if "missing required field" in text:
        return f"the field {text.split('`')[1]} is missing"
    words, _, path = text.partition(" - at `$.")
    return f"{path.rstrip('`')}: {words[:1].lower()}{words[1:]}" if path else f"it is not a JSON object: {words[:1].lower()}{words[1:]}"
