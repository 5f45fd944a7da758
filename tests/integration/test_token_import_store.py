"""Importing tokens on both engines: accounts are made, tokens belong to one account, a repeat changes nothing."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from homing.model.clock import Ids
from homing.store.engine import Database, Query, Tx
from homing.store.explain import DeviceRecord, devices_of, events_of
from homing.store.token_import import Imported, TokenRow, import_tokens, instance_of

APP = 1400000001
_LOGIN = Query(
    "test.login",
    "INSERT INTO device (device_id, sdkappid, user_id, platform, instance_id, session_state, session_id, login_at_ms, expires_at_ms, "
    "last_seen_ms, app_state, business_id, token, token_at_ms) "
    "VALUES (1, ?, 'carol', 'android', 'real', 'active', 1, 0, 0, 0, 'background', 15518, 'held', 0)",
)
_PUSH = Query(
    "test.push",
    "INSERT INTO push (push_id, sdkappid, message_id, user_id, device_id, state, reason, inputs, created_at_ms) "
    "VALUES (9, ?, 1, 'alice', ?, 1, 'offline', '{}', 0)",
)
_PUSH_STATE = Query("test.push_state", "SELECT reason FROM push WHERE push_id = 9")


def _row(user_id: str, token: str, platform: str = "android", state: str = "background") -> TokenRow:
    return TokenRow(user_id, platform, 15518, token, state)


@pytest.fixture
def bring(database: Database, ids: Ids, clock: Any) -> Callable[..., Awaitable[Imported]]:
    """Import rows."""

    async def call(*rows: TokenRow) -> Imported:
        return await database.write(lambda tx: import_tokens(tx, APP, rows, ids.next, clock.now_ms()))

    return call


async def _devices(database: Database, user_id: str) -> list[DeviceRecord]:
    return await database.read(lambda tx: devices_of(tx, APP, user_id))


async def test_accounts_and_devices_are_made(bring: Any, database: Database) -> None:
    done = await bring(_row("alice", "t1"), _row("bob", "t2"), _row("alice", "t3", "ios"))
    assert done == Imported(devices=3, accounts_made=2, kept=0)
    devices = {device.token: device for device in await _devices(database, "alice")}
    assert set(devices) == {"t1", "t3"}
    assert devices["t1"].session_state == "active"
    assert devices["t1"].instance_id == instance_of(15518, "t1")
    assert devices["t1"].expires_at_ms == 0


async def test_a_repeat_changes_the_state_and_nothing_else(bring: Any, database: Database) -> None:
    await bring(_row("alice", "t1"))
    [before] = await _devices(database, "alice")
    assert (await bring(_row("alice", "t1", state="foreground"))).accounts_made == 0
    [after] = await _devices(database, "alice")
    assert (after.device_id, after.app_state) == (before.device_id, "foreground")


async def test_a_token_of_another_imported_account_moves_and_is_silent_there(bring: Any, database: Database) -> None:
    await bring(_row("alice", "t1"))
    [old] = await _devices(database, "alice")

    async def waiting(tx: Tx) -> None:
        await tx.execute(_PUSH, APP, old.device_id)

    await database.write(waiting)
    await bring(_row("bob", "t1"))
    assert [device.token for device in await _devices(database, "alice")] == [None]
    assert [device.token for device in await _devices(database, "bob")] == ["t1"]
    assert [event.kind for event in await database.read(lambda tx: events_of(tx, APP, "alice", 5))] == ["token_moved"]
    row = await database.read(lambda tx: tx.fetch_one(_PUSH_STATE))
    assert row is not None
    assert row[0] == "token_moved"


async def test_a_device_that_logged_in_keeps_its_token(bring: Any, database: Database) -> None:
    await database.write(lambda tx: tx.execute(_LOGIN, APP))
    done = await bring(_row("alice", "held"), _row("alice", "t1"))
    assert (done.devices, done.kept) == (1, 1)
    assert [device.token for device in await _devices(database, "carol")] == ["held"]


async def test_of_a_token_given_twice_the_last_line_counts(bring: Any, database: Database) -> None:
    assert (await bring(_row("alice", "t1"), _row("bob", "t1"))).devices == 1
    assert await _devices(database, "alice") == []
    assert len(await _devices(database, "bob")) == 1


async def test_a_batch_of_thousands_goes_in_at_once(bring: Any) -> None:
    done = await bring(*[_row(f"u{i}", f"t{i}") for i in range(2000)])
    assert (done.devices, done.accounts_made) == (2000, 2000)
