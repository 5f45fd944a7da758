"""What has to be told survives ``kill -9``: every message and every push is told at least once, under one event id."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from homing.bench.load import Messages, RestLoad
from homing.bench.processes import MockVendor, Server
from homing.bench.seed import APP, Binding, seed
from homing.cli.main import run

from ..hook_backend import OK, Backend

USERS, MESSAGES = 50, 400
PRIVATE = {"HOMING_WEBHOOKS_TO_PRIVATE_ADDRESSES": "true"}
AFTER, PUSH = "C2C.CallbackAfterSendMsg", "Push.OfflinePush"


async def test_events_that_wait_when_the_server_is_killed_are_told_after_its_restart(
    vendor: MockVendor, make_server: Callable[..., Server], database_url: str
) -> None:
    server = make_server(database_url, environment=PRIVATE, options=("--node-lease-seconds", "2"))
    backend = Backend()
    url = await backend.start()
    await seed(server.database, server.key_file, vendor, [Binding(users=USERS)])
    where = ["--database", database_url, "--master-key-file", str(server.key_file)]
    hook = ["webhook", "set", "--sdkappid", str(APP), "--url", url, "--webhooks-to-private-addresses", *where]
    assert await asyncio.to_thread(run, [*hook, "--command", AFTER, "--command", PUSH]) == 0
    backend.answer = lambda _: (503, b"")
    await server.start(core=None)
    load = RestLoad(Messages(USERS), MESSAGES)
    await load.run(server.port, 16)
    assert load.refused == []
    await backend.received(AFTER)
    await backend.received(PUSH)
    await server.kill()
    refused = told(backend)
    backend.requests.clear()
    backend.answer = lambda _: (200, OK)
    await server.start(core=None)
    async with asyncio.timeout(60):
        while len(told(backend)) < MESSAGES or len(pushed(backend)) < MESSAGES:
            await backend.received(AFTER, len(backend.of(AFTER)))
            await asyncio.sleep(0.05)
    assert told(backend) == told(backend) | refused
    assert len(set(told(backend).values())) == MESSAGES
    assert await server.stop() == 0
    await backend.stop()


def told(backend: Backend) -> dict[str, str]:
    """The messages that were told, with the event's id."""
    return {request.body["MsgKey"]: request.headers["x-event-id"] for request in backend.of(AFTER)}


def pushed(backend: Backend) -> set[str]:
    """The messages whose pushes were told."""
    return {event["MsgKey"] for request in backend.of(PUSH) for event in request.body["Events"] if event["PushStage"] == 1}
