"""Which of several PostgreSQL servers is the primary: a URL may name the primary and its standbys.

The driver tries the hosts of a URL one after the other, and a host that is cut off answers neither yes nor no: all the time
there is would be spent on it. So the hosts are asked side by side, and the one that answers comes first.
"""

from __future__ import annotations

import asyncio
from urllib.parse import parse_qs, urlsplit

import asyncpg

_PRIMARY = "target_session_attrs"


def primary_only(url: str) -> str:
    """The same URL, never satisfied with a standby where it names several hosts."""
    if len(each_host(url)) < 2 or _PRIMARY in parse_qs(urlsplit(url).query):
        return url
    return f"{url}{'&' if urlsplit(url).query else '?'}{_PRIMARY}=read-write"


def each_host(url: str) -> list[str]:
    """One URL for each host, in the order in which they stand there."""
    parts = urlsplit(url)
    user, at, hosts = parts.netloc.rpartition("@")
    if "," not in hosts:
        return [url]
    return [parts._replace(netloc=f"{user}{at}{host}").geturl() for host in hosts.split(",")]


def with_first(url: str, first: str) -> str:
    """The URL with the host of ``first``, one of ``each_host``, before the others."""
    if url == first:
        return url
    parts, user = urlsplit(url), urlsplit(url).netloc.rpartition("@")
    ordered = [first, *(one for one in each_host(url) if one != first)]
    hosts = ",".join(urlsplit(one).netloc.rpartition("@")[2] for one in ordered)
    return parts._replace(netloc=f"{user[0]}{user[1]}{hosts}").geturl()


async def find_primary(url: str, seconds: float) -> str | None:
    """The URL, with one host, of the first that answers; None when none does."""
    asked = [asyncio.create_task(_answers(one, seconds)) for one in each_host(url)]
    try:
        for answer in asyncio.as_completed(asked):
            if found := await answer:
                return found
    finally:
        for task in asked:
            task.cancel()
        await asyncio.gather(*asked, return_exceptions=True)
    return None


async def _answers(url: str, seconds: float) -> str | None:
    connection = None
    try:
        async with asyncio.timeout(seconds):
            connection = await asyncpg.connect(url, timeout=seconds)
            await connection.execute("SELECT 1")
    except (OSError, TimeoutError, asyncpg.CannotConnectNowError, asyncpg.PostgresConnectionError, asyncpg.InternalClientError):
        return None  # not there, or a standby
    except (asyncpg.PostgresError, asyncpg.InterfaceError):
        return url  # it says no, so it is there
    finally:
        if connection is not None:
            connection.terminate()
    return url
