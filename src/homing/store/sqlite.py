"""SQLite: one writer thread with group commit, a few read connections.

WAL with ``synchronous=FULL``: an answered write is on disk. Works that queue up while a commit is under way share the
next one, each in a savepoint of its own, so durability costs one disk flush a group and not one a message.
"""

from __future__ import annotations

import asyncio
import contextlib
import queue
import sqlite3
import threading
import time
from collections.abc import Callable, Coroutine, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, TypeVar

from .engine import Bulk, Query, Row, StoreBusy, StoreRefused, Work

T = TypeVar("T")

MAX_QUEUED = 20_000
GROUP = 512
COMMIT_DISTANCE_SECONDS = 0.004
#: Row counts that get a statement text of their own; a batch is cut into these, so the statement cache stays small.
_CHUNKS = (256, 128, 64, 32, 16, 8, 4, 2, 1)
#: The writer's covers the leaves that a million messages touch in turn: three indexes are in the order of accounts, not of time.
WRITER_CACHE_KIB = 80 * 1024
READER_CACHE_KIB = 8 * 1024
_PRAGMAS = (
    "PRAGMA journal_mode=WAL",
    "PRAGMA synchronous=FULL",
    "PRAGMA foreign_keys=ON",
    "PRAGMA busy_timeout=10000",
    "PRAGMA wal_autocheckpoint=16000",
    "PRAGMA temp_store=MEMORY",
    "PRAGMA mmap_size=0",
)


def connect(path: str, *, read_only: bool = False) -> sqlite3.Connection:
    """A connection with Homing's settings. Raises ``StoreRefused`` with a sentence when the file cannot be used."""
    try:
        if not read_only:
            Path(path).parent.mkdir(parents=True, exist_ok=True)
        connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False, cached_statements=1024)
        for pragma in (*_PRAGMAS, f"PRAGMA cache_size=-{READER_CACHE_KIB if read_only else WRITER_CACHE_KIB}"):
            connection.execute(pragma)
        if read_only:
            connection.execute("PRAGMA query_only=ON")
        else:
            connection.execute("BEGIN IMMEDIATE")
            connection.execute("ROLLBACK")
    except (sqlite3.Error, OSError) as error:
        raise StoreRefused(_open_sentence(path, error)) from error
    return connection


def _open_sentence(path: str, error: Exception) -> str:
    text = str(error)
    if "readonly" in text or "unable to open" in text or isinstance(error, PermissionError):
        return f"The database {path} cannot be opened for writing: make its folder writable for this user, or name another with --database"
    if "not a database" in text or "malformed" in text:
        return f"The file {path} is not a Homing database: name another with --database, or restore it from a backup"
    if "locked" in text:
        return f"The database {path} is locked by another process: stop the other server, or name another file with --database"
    if "full" in text:
        return f"The disk of {path} is full: free some space and start again"
    return f"The database {path} cannot be opened ({text}): check the path given with --database"


class SqliteTx:
    """A transaction on one connection. Its coroutines never wait, so a thread can drive them to their end."""

    __slots__ = ("_execute",)

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._execute = connection.execute

    async def fetch(self, query: Query, *args: Any) -> list[Any]:
        return self._execute(query.sqlite, args).fetchall()

    async def fetch_one(self, query: Query, *args: Any) -> Any | None:
        return self._execute(query.sqlite, args).fetchone()

    async def execute(self, query: Query, *args: Any) -> int:
        return self._execute(query.sqlite, args).rowcount

    async def bulk(self, statement: Bulk, rows: Sequence[Row], *extra: Any) -> list[Any]:
        answer: list[Any] = []
        start, left = 0, len(rows)
        for size in _CHUNKS:
            while left >= size:
                values: list[Any] = []
                for row in rows[start : start + size]:
                    values.extend(row)
                values.extend(extra)
                answer.extend(self._execute(statement.sqlite_text(size), values).fetchall())
                start, left = start + size, left - size
        return answer


def _drive(coroutine: Coroutine[Any, Any, T]) -> T:
    """Run a coroutine that never waits."""
    try:
        coroutine.send(None)
    except StopIteration as stop:
        return stop.value  # type: ignore[no-any-return]
    coroutine.close()
    raise RuntimeError("store functions may only wait for their transaction")


class _Job:
    __slots__ = ("error", "future", "loop", "result", "work")

    def __init__(self, work: Work[Any], loop: asyncio.AbstractEventLoop) -> None:
        self.work = work
        self.loop = loop
        self.future: asyncio.Future[Any] = loop.create_future()
        self.result: Any = None
        self.error: BaseException | None = None

    def settle(self) -> None:
        if self.future.done():
            return
        if self.error is not None:
            self.future.set_exception(self.error)
        else:
            self.future.set_result(self.result)


def _settle_all(jobs: list[_Job]) -> None:
    for job in jobs:
        job.settle()


class SqliteDatabase:
    """The engine of one machine. Make it inside a running event loop's process; close it when done."""

    dialect = "sqlite"

    def __init__(self, path: str, *, readers: int = 2) -> None:
        self.path = path
        self._connection = connect(path)
        self._tx = SqliteTx(self._connection)
        self._queue: queue.SimpleQueue[_Job | None] = queue.SimpleQueue()
        self._local = threading.local()
        self._read_connections: list[sqlite3.Connection] = []
        self._readers = ThreadPoolExecutor(readers, thread_name_prefix="homing-read")
        self._closed = False
        self._writer = threading.Thread(target=self._write_loop, name="homing-write", daemon=True)
        self._writer.start()

    async def write(self, work: Work[T]) -> T:
        if self._closed:
            raise StoreBusy("the store is closing")
        if self._queue.qsize() >= MAX_QUEUED:
            raise StoreBusy("the write queue is full")
        job = _Job(work, asyncio.get_running_loop())
        self._queue.put(job)
        return await job.future  # type: ignore[no-any-return]

    async def read(self, work: Work[T]) -> T:
        if self._closed:
            raise StoreBusy("the store is closing")
        return await asyncio.get_running_loop().run_in_executor(self._readers, self._read, work)

    async def close(self) -> None:
        if self._closed:
            return
        self._closed = True
        self._queue.put(None)
        loop = asyncio.get_running_loop()
        await loop.run_in_executor(None, self._writer.join)
        await loop.run_in_executor(None, self._readers.shutdown)
        for connection in self._read_connections:
            connection.close()
        self._connection.close()

    # --- reading, on a reader thread ---

    def _read(self, work: Work[T]) -> T:
        connection = getattr(self._local, "connection", None)
        if connection is None:
            connection = self._local.connection = connect(self.path, read_only=True)
            self._read_connections.append(connection)
        connection.execute("BEGIN")
        try:
            return _drive(work(SqliteTx(connection)))  # type: ignore[arg-type]
        finally:
            connection.execute("ROLLBACK")

    # --- writing, on the writer thread ---

    def _write_loop(self) -> None:
        committed_at = 0.0
        while True:
            job = self._queue.get()
            if job is None:
                return
            # Under load, commits keep a small distance: what arrives meanwhile shares the disk flush.
            pause = committed_at + COMMIT_DISTANCE_SECONDS - time.monotonic()
            if pause > 0 and self._queue.qsize() < GROUP:
                time.sleep(pause)
            jobs = [job]
            stop = False
            while len(jobs) < GROUP:
                try:
                    following = self._queue.get_nowait()
                except queue.Empty:
                    break
                if following is None:
                    stop = True
                    break
                jobs.append(following)
            self._commit_group(jobs)
            self._deliver(jobs)
            committed_at = time.monotonic()
            if stop:
                return

    def _commit_group(self, jobs: list[_Job]) -> None:
        execute = self._connection.execute
        try:
            execute("BEGIN IMMEDIATE")
            for job in jobs:
                self._run(job, execute)
            execute("COMMIT")
        except sqlite3.Error as error:
            with contextlib.suppress(sqlite3.Error):
                execute("ROLLBACK")
            busy = StoreBusy(str(error))
            for job in jobs:
                job.error = job.error or busy

    def _run(self, job: _Job, execute: Callable[[str], Any]) -> None:
        execute("SAVEPOINT work")
        try:
            job.result = _drive(job.work(self._tx))  # type: ignore[arg-type]
        except BaseException as error:
            full = isinstance(error, sqlite3.OperationalError)
            job.error = StoreBusy(str(error)) if full else error
            if not self._connection.in_transaction:  # a full disk ends the whole transaction
                raise sqlite3.OperationalError(str(error)) from error
            execute("ROLLBACK TO work")
        execute("RELEASE work")

    def _deliver(self, jobs: list[_Job]) -> None:
        by_loop: dict[asyncio.AbstractEventLoop, list[_Job]] = {}
        for job in jobs:
            by_loop.setdefault(job.loop, []).append(job)
        for loop, mine in by_loop.items():
            with contextlib.suppress(RuntimeError):  # the loop was closed meanwhile: nobody waits any more
                loop.call_soon_threadsafe(_settle_all, mine)
