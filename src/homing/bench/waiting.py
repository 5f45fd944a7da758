"""Waiting for what can be observed, with a deadline."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable

from .processes import Arrival, MockVendor

_POLL_SECONDS = 0.05


async def until(condition: Callable[[], Awaitable[str]], seconds: float = 30.0) -> None:
    """Wait until ``condition`` answers "" and no longer what is missing. Raises ``TimeoutError`` with its last words."""
    loop = asyncio.get_running_loop()
    end = loop.time() + seconds
    while missing := await condition():
        if loop.time() > end:
            raise TimeoutError(f"not within {seconds:.0f} s: {missing}")
        await asyncio.sleep(_POLL_SECONDS)


async def all_arrived(vendor: MockVendor, accepted: Iterable[str], seconds: float = 30.0) -> dict[str, Arrival]:
    """Wait until the vendor has every accepted message; returns all that it has. Raises ``TimeoutError``."""
    wanted = set(accepted)

    async def missing() -> str:
        pushes = (await vendor.totals())["pushes"]
        if pushes < len(wanted):
            return f"{pushes} of {len(wanted)} messages arrived"
        absent = wanted - {mark for mark, arrival in (await vendor.dump()).items() if arrival.tokens}
        return f"{len(absent)} of {len(wanted)} messages have not arrived" if absent else ""

    await until(missing, seconds)
    return await vendor.dump()
