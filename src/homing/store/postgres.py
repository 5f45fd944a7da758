"""PostgreSQL through asyncpg: the same store functions, batches as ``unnest`` over arrays."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any, TypeVar

import asyncpg

from .engine import Bulk, Query, Row, StoreBusy, StoreRefused, Work
from .postgres_hosts import each_host, find_primary, with_first
from .postgres_watch import Watch

T = TypeVar("T")

_RETRY = (asyncpg.DeadlockDetectedError, asyncpg.SerializationError)
_GONE = (
    asyncpg.InterfaceError,
    asyncpg.InternalClientError,  # the server said goodbye on an idle connection
    asyncpg.PostgresConnectionError,
    asyncpg.CannotConnectNowError,
    asyncpg.AdminShutdownError,
    asyncpg.CrashShutdownError,
    asyncpg.TooManyConnectionsError,
    asyncpg.DiskFullError,
    asyncpg.ReadOnlySQLTransactionError,
    ConnectionError,
    OSError,
    asyncio.TimeoutError,
)
_ACQUIRE_SECONDS = 2.0  # database away: callers hear "too fast" within two seconds
_CLOSE_SECONDS = 2.0
_CONNECT_SECONDS = 5.0
_CONNECTION: dict[str, Any] = {"command_timeout": 30, "timeout": _CONNECT_SECONDS, "statement_cache_size": 512}
_MIN_VERSION = 15


class PostgresTx:
    """A transaction on one pooled connection."""

    __slots__ = ("_connection",)

    def __init__(self, connection: Any) -> None:
        self._connection = connection

    async def fetch(self, query: Query, *args: Any) -> list[Any]:
        return await self._connection.fetch(query.postgres, *args)  # type: ignore[no-any-return]

    async def fetch_one(self, query: Query, *args: Any) -> Any | None:
        return await self._connection.fetchrow(query.postgres, *args)

    async def execute(self, query: Query, *args: Any) -> int:
        status: str = await self._connection.execute(query.postgres, *args)
        last = status.rsplit(" ", 1)[-1]
        return int(last) if last.isdigit() else 0

    async def bulk(self, statement: Bulk, rows: Sequence[Row], *extra: Any) -> list[Any]:
        if not rows:
            return []
        columns = [list(column) for column in zip(*rows, strict=True)]
        return await self._connection.fetch(statement.postgres, *columns, *extra)  # type: ignore[no-any-return]


class PostgresDatabase:
    """The engine of many machines. Make it with ``await PostgresDatabase.open(url)``."""

    dialect = "postgresql"

    def __init__(self, pool: Any, url: str, there: str) -> None:
        self._pool = pool
        self._url = url
        self._watch = Watch(url, there, self._move)

    @classmethod
    async def open(cls, url: str, *, connections: int = 8) -> PostgresDatabase:
        """Connect. Raises ``StoreRefused`` with a sentence when the server cannot be used."""
        try:
            hosts = each_host(url)
            there = (await find_primary(url, _CONNECT_SECONDS) if len(hosts) > 1 else None) or hosts[0]
            pool = await asyncpg.create_pool(
                with_first(url, there),
                min_size=0,
                max_size=connections,
                max_inactive_connection_lifetime=300,
                reset=_as_it_is,
                **_CONNECTION,
            )
            async with pool.acquire() as connection:
                version = connection.get_server_version().major
        except (TimeoutError, asyncpg.PostgresError, asyncpg.InternalClientError, OSError, ValueError) as error:
            raise StoreRefused(
                f"PostgreSQL cannot be reached ({error}): check the URL given with --database and the rights of its user"
            ) from error
        if version < _MIN_VERSION:
            await pool.close()
            raise StoreRefused(f"PostgreSQL {version} is too old: Homing needs {_MIN_VERSION} or newer")
        return cls(pool, url, there)

    async def write(self, work: Work[T]) -> T:
        for attempt in range(4):
            try:
                return await self._once(work, readonly=False)
            except _RETRY:
                if attempt == 3:
                    raise StoreBusy("concurrent writes kept colliding") from None
        raise AssertionError("unreachable")

    async def read(self, work: Work[T]) -> T:
        return await self._once(work, readonly=True)

    async def _once(self, work: Work[T], *, readonly: bool) -> T:
        if self._watch.away:
            raise StoreBusy("PostgreSQL does not answer")
        try:
            async with self._pool.acquire(timeout=_ACQUIRE_SECONDS) as connection:
                self._watch.began(connection)
                try:
                    async with connection.transaction(readonly=readonly):
                        return await work(PostgresTx(connection))
                except asyncpg.InternalClientError:
                    connection.terminate()
                    raise
                finally:
                    self._watch.ended(connection)
        except _GONE as error:
            if isinstance(error, asyncpg.ReadOnlySQLTransactionError):
                await self._pool.expire_connections()  # no longer the primary: connect anew
            raise StoreBusy(f"PostgreSQL is away: {str(error) or type(error).__name__}") from error

    async def _move(self, there: str) -> None:
        """Another server is the primary now."""
        self._pool.set_connect_args(with_first(self._url, there), **_CONNECTION)
        await self._pool.expire_connections()

    async def close(self) -> None:
        await self._watch.close()
        try:
            await asyncio.wait_for(self._pool.close(), _CLOSE_SECONDS)
        except TimeoutError:  # cut off: nobody says goodbye
            self._pool.terminate()


async def _as_it_is(connection: Any) -> None:
    """Give a connection back without a word to the server: whatever our transactions set ends with them."""
