"""The certificates of a database, for the commands that read or change them."""

from __future__ import annotations

from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from homing.services.certificates import Certificates

    from .command import Call


@asynccontextmanager
async def certificates_of(call: Call, *, replacing: bool = False) -> AsyncIterator[Certificates]:
    """The certificates of the database that this call names."""
    from homing.model.clock import SystemClock
    from homing.services.certificates import Certificates

    async with call.database() as database:
        yield Certificates(database, await call.sealer(database, replacing=replacing), SystemClock())
