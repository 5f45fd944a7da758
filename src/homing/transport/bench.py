"""Drive the transport as fast as it goes, for ``homing bench``."""

from __future__ import annotations

import asyncio
import time

from homing.model.outcome import TransportFailure, VendorRequest

from .client import HttpTransport
from .easy import Answer


async def drive(transport: HttpTransport, request: VendorRequest, n: int, in_flight: int, *, pool: str = "bench") -> float:
    """Send ``request`` ``n`` times with ``in_flight`` under way. Returns seconds; raises ``RuntimeError`` if one had no answer."""
    over: asyncio.Future[None] = asyncio.get_running_loop().create_future()
    left_to_start, left_to_end = n, n

    def done(answer: Answer) -> None:
        nonlocal left_to_end
        left_to_end -= 1
        if isinstance(answer, TransportFailure) and not over.done():
            over.set_exception(RuntimeError(f"{answer.kind}: {answer.detail}"))
        elif left_to_start and not over.done():
            start()
        elif not left_to_end and not over.done():
            over.set_result(None)

    def start() -> None:
        nonlocal left_to_start
        left_to_start -= 1
        transport.submit(request, pool, done)

    began = time.perf_counter()
    for _ in range(min(in_flight, n)):
        start()
    await over
    return time.perf_counter() - began
