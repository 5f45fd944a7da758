"""``homing push`` beside a running server."""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import Callable
from typing import Any

from homing.bench.load import Messages, RestLoad
from homing.bench.processes import MockVendor, Server
from homing.bench.seed import APP, Binding, seed
from homing.bench.waiting import all_arrived, until
from homing.store.engine import Query
from homing.store.open import open_database

_FAIL = Query("test.fail", "UPDATE push SET state = 13, reason = 'attempts_over' WHERE state = 10")


async def homing(*argv: str) -> tuple[int, str, str]:
    """Run a command as an operator does."""
    pipe = asyncio.subprocess.PIPE
    code = "from homing.cli.main import main; main()"
    process = await asyncio.create_subprocess_exec(sys.executable, "-c", code, *argv, stdout=pipe, stderr=pipe)
    out, err = await process.communicate()
    assert b"Traceback" not in err
    return process.returncode or 0, out.decode(), err.decode()


async def fail_all(url: str, count: int) -> None:
    """What was accepted counts as failed from now on."""
    database = await open_database(url)
    try:
        left = count

        async def missing() -> str:
            nonlocal left
            left -= await database.write(lambda tx: tx.execute(_FAIL))
            return f"{left} pushes are not accepted yet" if left else ""

        await until(missing)
    finally:
        await database.close()


async def test_dead_letters_are_listed_and_tried_again_while_the_server_runs(
    database_url: str, make_server: Callable[..., Server], vendor: MockVendor
) -> None:
    server = make_server(database_url)
    where = ("--sdkappid", str(APP), "--database", database_url)
    await seed(server.database, server.key_file, vendor, [Binding(users=10)])
    await server.start(core=None)
    load = RestLoad(Messages(10), 5)
    await load.run(server.port, 1)
    await all_arrived(vendor, load.accepted)
    await fail_all(database_url, 5)
    await vendor.reset()
    status, out, _ = await homing("push", "list", *where)
    assert (status, out.count("attempts_over")) == (0, 5)
    listed: Any = json.loads((await homing("push", "list", *where, "--limit", "2", "--json"))[1])
    assert [push["state"] for push in listed["pushes"]] == ["failed", "failed"]
    one = str(listed["pushes"][0]["push_id"])
    assert (await homing("push", "retry", *where, "--push-id", one))[0] == 0
    status, out, _ = await homing("push", "retry", *where, "--state", "failed", "--reason", "attempts_over")
    assert (status, out) == (0, "4 pushes are pending again\n")
    await all_arrived(vendor, load.accepted, 5)
    assert "an operator had it tried again" in (await homing("explain", *where, "--push-id", one))[1]
    status, _, err = await homing("push", "retry", *where, "--push-id", "1")
    assert (status, err.count("\n")) == (1, 1)
    assert (await homing("push", "retry", *where, "--push-id", "1", "--reason", "x"))[0] == 2
    assert (await homing("push", "list", *where, "--state", "expired"))[1] == "no push is expired\n"
    assert await server.stop() == 0
