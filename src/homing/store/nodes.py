"""Node numbers: each running process holds one, with a lease."""

from __future__ import annotations

from .engine import Query, StoreRefused, Tx

FOREVER_MS = 2**42
MAX_NODES = 960  # the numbers above belong to command-line tools

_TAKEN = Query("nodes.taken", "SELECT node_id, lease_until_ms FROM node ORDER BY node_id")
_TAKE = Query(
    "nodes.take",
    "INSERT INTO node (node_id, boot, started_at_ms, lease_until_ms) VALUES (?, ?, ?, ?) ON CONFLICT (node_id) DO UPDATE SET "
    "boot = excluded.boot, started_at_ms = excluded.started_at_ms, lease_until_ms = excluded.lease_until_ms WHERE node.lease_until_ms <= ?",
)
_RENEW = Query("nodes.renew", "UPDATE node SET lease_until_ms = ? WHERE node_id = ? AND boot = ?")
_RELEASE = Query("nodes.release", "UPDATE node SET lease_until_ms = 0 WHERE node_id = ? AND boot = ?")


async def take_node(tx: Tx, boot: str, now_ms: int, lease_ms: int, *, alone: bool) -> int:
    """A number for this process. ``alone``: no other process can be running on this store, so number 0 is free.

    Raises ``StoreRefused`` when all numbers are taken.
    """
    if alone:
        # Nobody else could notice that it died, so nothing renews this lease, and it must not look like a dead node's.
        await tx.execute(_TAKE, 0, boot, now_ms, now_ms + FOREVER_MS, now_ms + FOREVER_MS)
        return 0
    leases: dict[int, int] = {row[0]: row[1] for row in await tx.fetch(_TAKEN)}
    # Numbers whose lease ran out come last: their process may live and only have been cut off from the database.
    free = [number for number in range(MAX_NODES) if not leases.get(number)]
    lapsed = [number for number, until_ms in leases.items() if 0 < until_ms <= now_ms and number < MAX_NODES]
    for number in free + lapsed:
        if await tx.execute(_TAKE, number, boot, now_ms, now_ms + lease_ms, now_ms):
            return number
    raise StoreRefused(f"All {MAX_NODES} node numbers are in use: stop processes that are no longer needed")


async def renew_node(tx: Tx, node_id: int, boot: str, until_ms: int) -> bool:
    """Prolong the lease. False when another process took the number meanwhile."""
    return await tx.execute(_RENEW, until_ms, node_id, boot) > 0


async def release_node(tx: Tx, node_id: int, boot: str) -> None:
    """Give the number back."""
    await tx.execute(_RELEASE, node_id, boot)
