"""``homing bench storage``: what a message with its push takes on disk, by table, and what is written to the log for it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from homing.store.engine import Query, Tx
from homing.store.open import open_database

from .figures import Figures
from .load import Messages, RestLoad, arrived
from .processes import MockVendor, Server
from .seed import Binding, seed
from .throughput import warm_up

TABLES = ("message", "push", "attempt")
_ROWS = {table: Query(f"bench.rows_{table}", f"SELECT COUNT(*) FROM {table}") for table in TABLES}
# On SQLite an index is a tree of its own; the page counts of a table and of its indexes are told apart by name.
_SIZES = Query(
    "bench.sizes",
    "SELECT m.tbl_name, SUM(CASE WHEN m.type = 'table' THEN s.pgsize ELSE 0 END), SUM(CASE WHEN m.type = 'index' THEN s.pgsize ELSE 0 END) "
    "FROM dbstat s JOIN sqlite_master m ON m.name = s.name GROUP BY m.tbl_name",
    "SELECT relname::text, pg_table_size(oid), pg_indexes_size(oid) FROM pg_class "
    "WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace",
)
_LOG = Query("bench.log", "SELECT 0", "SELECT (pg_current_wal_lsn() - '0/0'::pg_lsn)::bigint")
_LIVE = Query("bench.live", "SELECT COUNT(*) FROM push WHERE state < 10")


async def bench_storage(folder: Path, *, database: str = "", count: int = 10_000, users: int = 1000) -> Figures:
    """Bytes a row of the tables that grow with messages: one message, one push, one attempt each. Raises ``StoreRefused``."""
    vendor = MockVendor(folder)
    server = Server(database or f"sqlite:///{folder}/homing.db", folder)
    await vendor.start()
    try:
        await seed(server.database, server.key_file, vendor, [Binding("fcm", users)])
        await server.start()
        await warm_up(vendor, server, users)
        before = await _look(server.database)
        load = RestLoad(Messages(users), count)
        await load.run(server.port, 64)
        await arrived(vendor.totals, len(load.accepted))
    finally:
        await server.stop()
        await vendor.stop()
    after = await _look(server.database)
    return {"bench": "storage", "messages": len(load.accepted), **_figures(before, after, len(load.accepted))}


async def _look(url: str) -> dict[str, Any]:
    async def work(tx: Tx) -> dict[str, Any]:
        sizes = {row[0]: (row[1], row[2]) for row in await tx.fetch(_SIZES)}
        rows = {table: (await tx.fetch(query))[0][0] for table, query in _ROWS.items()}
        return {"sizes": sizes, "rows": rows, "log": (await tx.fetch(_LOG))[0][0], "live": (await tx.fetch(_LIVE))[0][0]}

    opened = await open_database(url)
    try:
        return await opened.read(work)
    finally:
        await opened.close()


def _figures(before: dict[str, Any], after: dict[str, Any], messages: int) -> Figures:
    figures: Figures = {}
    total = 0.0
    for table in TABLES:
        rows = max(1, after["rows"][table] - before["rows"][table])
        grown = [b - a for a, b in zip(before["sizes"].get(table, (0, 0)), after["sizes"][table], strict=True)]
        figures[f"{table}_row_bytes"], figures[f"{table}_index_bytes"] = (round(size / rows) for size in grown)
        total += sum(grown) / max(1, messages)
    log = after["log"] - before["log"]
    return {
        **figures,
        "bytes_per_message": round(total),
        "log_bytes_per_message": round(log / max(1, messages)),
        "still_live": after["live"],
    }
