"""Writes what happened to pushes, in batches, and keeps trying until it is written."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import msgspec
import structlog

from homing.model.clock import Clock, Ids
from homing.model.outcome import TransportFailure, VendorRequest
from homing.rules.masking import mask_all
from homing.store.dead_tokens import DeadToken, drop_tokens
from homing.store.engine import Database, StoreBusy, Tx
from homing.store.push_queue import Results, record

from .batcher import Batcher
from .jobs import Answer
from .push_hooks import PushHooks

log = structlog.get_logger()

MAX_BODY_CHARS = 8_192
MAX_ANSWER_CHARS = 2_048
MAX_HEADS = 256
_RETRY_SECONDS = 0.5
#: Short, because a process that dies before the result is written sends once more.
LINGER_SECONDS = 0.004


class Entry(msgspec.Struct, gc=False):
    """What happened to one push. Empty tuples mean: nothing of that kind."""

    record: tuple[Any, ...] = ()
    attempt: tuple[Any, ...] = ()
    release: tuple[Any, ...] = ()
    count: tuple[Any, ...] = ()
    stop: tuple[Any, ...] = ()
    drop: DeadToken | None = None


class Recorder:
    """Collects entries and commits them together."""

    def __init__(self, *, database: Database, ids: Ids, owner: int, clock: Clock, hooks: PushHooks | None = None) -> None:
        self._database = database
        self._ids = ids
        self._owner = owner
        self._clock = clock
        self._hooks = hooks
        self._batcher: Batcher[Entry, None] = Batcher(self._write, max_batch=512, linger_seconds=LINGER_SECONDS)
        #: Pushes whose result or return is not on disk yet. Whoever claims anew must not send them: again, or with a return
        #: behind them that would undo the claim, and the result with it.
        self.unwritten: set[int] = set()
        #: Results wait because the store is away; called when that begins.
        self.stuck = False
        self.on_stuck: Callable[[], None] | None = None
        self._heads: dict[tuple[int, str], tuple[object, str]] = {}

    def __len__(self) -> int:
        return len(self._batcher)

    def add(self, entry: Entry) -> None:
        """Hand over one entry; it is written soon."""
        if entry.record:
            self.unwritten.add(entry.record[0])
        elif entry.release:
            self.unwritten.add(entry.release[0])
        self._batcher.add(entry)

    async def drain(self) -> None:
        """Wait until everything is written."""
        await self._batcher.drain()

    def texts(self, request: VendorRequest, answer: Answer) -> tuple[str, str]:
        """The request and what came of it as they are kept."""
        if isinstance(answer, TransportFailure):
            return self._request_text(request), f"no answer: {answer.kind.value} {answer.detail}"
        return self._request_text(request), f"{answer.status} {answer.body[:MAX_ANSWER_CHARS].decode('utf-8', 'replace')}"

    def _request_text(self, request: VendorRequest) -> str:
        """Method, URL, headers and body, secrets masked."""
        body = readable(request.body)
        if any(secret in body for secret in request.secrets):  # some vendors take the log-in token in a form
            body = mask_all(body, request.secrets)
        return f"{self._head(request)}\n{body if len(body) <= MAX_BODY_CHARS else body[:MAX_BODY_CHARS] + '…'}"

    def _head(self, request: VendorRequest) -> str:
        # Channels share one tuple of headers among the requests of a certificate: its masked text is made once.
        key = (id(request.headers), request.url)
        known = self._heads.get(key)
        if known is not None and known[0] is request.headers:
            return known[1]
        lines = "".join(f"{name}: {value}\n" for name, value in request.headers)
        head = mask_all(f"{request.method} {request.url}\n{lines}", request.secrets)
        if len(self._heads) > MAX_HEADS:
            self._heads.clear()
        self._heads[key] = (request.headers, head)
        return head

    async def _write(self, entries: list[Entry]) -> list[None]:
        results = Results(
            records=[_storable(e.record) for e in entries if e.record],
            attempts=[_storable(e.attempt) for e in entries if e.attempt],
            releases=[e.release for e in entries if e.release],
            counts=_summed([e.count for e in entries if e.count]),
            stops=list({e.stop[:4]: e.stop for e in entries if e.stop}.values()),
        )
        drops = list({e.drop.device_id: e.drop for e in entries if e.drop is not None}.values())

        async def work(tx: Tx) -> None:
            await record(tx, results, self._owner)
            if self._hooks is not None and self._hooks.webhooks.by_app:
                await self._hooks.note_results(tx, results.records)
            await drop_tokens(tx, drops, self._clock.now_ms(), self._ids.next)

        await self._until_written(work)
        self.unwritten.difference_update(row[0] for row in results.records)
        self.unwritten.difference_update(row[0] for row in results.releases)
        return [None] * len(entries)

    async def _until_written(self, work: Callable[[Tx], Any]) -> None:
        while True:
            try:
                await self._database.write(work)
            except StoreBusy as busy:
                log.warning("results_wait_for_the_store", why=str(busy))
                self._stick()
                await asyncio.sleep(_RETRY_SECONDS)
            else:
                self.stuck = False
                return

    def _stick(self) -> None:
        self.stuck = True
        if self.on_stuck is not None:
            self.on_stuck()


def readable(body: bytes) -> str:
    """A request's body for people: an encrypted one is not text, and only its size says something."""
    try:
        return body.decode()
    except UnicodeDecodeError:
        return f"({len(body)} bytes that are not text)"


def _storable(row: tuple[Any, ...]) -> tuple[Any, ...]:
    """PostgreSQL takes no NUL character, and one in a vendor's answer would hold up every result behind it."""
    for value in row:
        if type(value) is str and "\0" in value:
            return tuple(value.replace("\0", "\ufffd") if type(value) is str else value for value in row)
    return row


def _summed(counts: list[tuple[Any, ...]]) -> list[tuple[Any, ...]]:
    """Counts of one key added up: a statement may meet a key only once."""
    sums: dict[tuple[Any, ...], int] = {}
    for *key, n in counts:
        sums[tuple(key)] = sums.get(tuple(key), 0) + n
    return [(*key, n) for key, n in sums.items()]
