"""One way to talk to both engines: transactions as coroutines, and statements over whole batches.

Store functions are ``async def f(tx: Tx, ...)``. On PostgreSQL they run on the event loop; on SQLite the writer
thread drives the same coroutine to its end, because nothing in it ever really waits there. So every statement is
written once, and the event loop never blocks.

``Bulk`` statements work on a whole batch of rows at once: ``WITH k(col, ...) AS ({keys}) ...`` where ``k`` holds the
rows that were passed. SQLite gets ``VALUES (?, ...), ...`` in one step (one release of the interpreter lock), and
PostgreSQL gets ``unnest`` over arrays.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import Any, Protocol, TypeVar

T = TypeVar("T")
Row = Sequence[Any]


class StoreBusy(Exception):
    """The store cannot take more work now (full disk, queue at its limit, database away). Nothing was stored."""


class StoreRefused(Exception):
    """The store cannot be used at all: newer schema, read-only, wrong key. ``str()`` says what to do."""


class Query:
    """A statement with positional parameters ``?``; written for SQLite, converted to ``$1 ...`` for PostgreSQL.

    ``postgres`` gives a different text where the two dialects part.
    """

    __slots__ = ("name", "postgres", "sqlite")

    def __init__(self, name: str, sql: str, postgres: str | None = None) -> None:
        self.name = name
        self.sqlite = sql
        self.postgres = _numbered(postgres if postgres is not None else sql)


class Bulk:
    """A statement over a batch of rows, see the module's text. ``columns`` are pairs of name and PostgreSQL type.

    Further positional parameters of the statement (``?``) come after the rows, as ``extra``.
    """

    __slots__ = ("_sqlite_texts", "columns", "name", "postgres", "sql", "width")

    def __init__(self, name: str, columns: Sequence[tuple[str, str]], sql: str, postgres: str | None = None) -> None:
        self.name = name
        self.columns = tuple(columns)
        self.width = len(self.columns)
        names = ", ".join(column for column, _ in self.columns)
        self.sql = f"WITH k({names}) AS ({{keys}}) {sql}"
        arrays = ", ".join(f"${i + 1}::{kind}[]" for i, (_, kind) in enumerate(self.columns))
        tail = _numbered(postgres if postgres is not None else sql, self.width)
        self.postgres = f"WITH k({names}) AS (SELECT * FROM unnest({arrays})) {tail}"
        self._sqlite_texts: dict[int, str] = {}

    def sqlite_text(self, rows: int) -> str:
        """The SQLite text for this many rows."""
        text = self._sqlite_texts.get(rows)
        if text is None:
            one = "(" + ",".join("?" * self.width) + ")"
            text = self._sqlite_texts[rows] = self.sql.replace("{keys}", "VALUES " + ",".join([one] * rows))
        return text


def _numbered(sql: str, start: int = 0) -> str:
    parts = sql.split("?")
    return parts[0] + "".join(f"${start + i}{part}" for i, part in enumerate(parts[1:], 1))


class Tx(Protocol):
    """A transaction, or a read snapshot."""

    async def fetch(self, query: Query, *args: Any) -> list[Any]:
        """All rows."""
        ...

    async def fetch_one(self, query: Query, *args: Any) -> Any | None:
        """The first row, or None."""
        ...

    async def execute(self, query: Query, *args: Any) -> int:
        """Run a statement; returns the number of rows changed."""
        ...

    async def bulk(self, statement: Bulk, rows: Sequence[Row], *extra: Any) -> list[Any]:
        """Run a statement over a batch; returns the rows that it yields. An empty batch does nothing."""
        ...


Work = Callable[[Tx], Awaitable[T]]


class Database(Protocol):
    """An engine. ``write`` groups concurrent work into one commit; the call returns when it is durable."""

    dialect: str

    async def write(self, work: Work[T]) -> T:
        """Run ``work`` in a transaction and return when it is on disk. An exception undoes this work alone.

        Raises ``StoreBusy`` when the engine cannot take it."""
        ...

    async def read(self, work: Work[T]) -> T:
        """Run ``work`` on a read connection."""
        ...

    async def close(self) -> None:
        """Finish what is queued, then close."""
        ...
