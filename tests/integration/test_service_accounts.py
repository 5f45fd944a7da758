"""Accounts as a service: first log-in, revocation, caches."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from homing.bus.local import LocalBus
from homing.model.apps import App, AppSettings
from homing.model.problems import Refused
from homing.services.accounts import Accounts, is_user_id
from homing.store.engine import Database

APP = App(1400000001, "", "k" * 64, ("administrator",), AppSettings(), 0)


@pytest.fixture
async def bus() -> AsyncIterator[LocalBus]:
    bus = LocalBus()
    await bus.start()
    yield bus
    await bus.close()


async def test_the_first_log_in_makes_the_account_once(database: Database, clock: Any, bus: LocalBus) -> None:
    accounts = Accounts(database, clock, bus)
    made = await asyncio.gather(*(accounts.ensure(APP, "alice") for _ in range(5)))
    assert {account.created_at_ms for account in made} == {clock.now_ms()}
    await accounts.import_accounts(APP, [("alice", "Alice", "")])
    assert (await accounts.ensure(APP, "alice")).nick == "Alice"


@pytest.mark.parametrize("user_id", ["", "x" * 33, "名", "a\0b", "a\n"])
async def test_an_impossible_user_id_never_becomes_an_account(database: Database, clock: Any, bus: LocalBus, user_id: str) -> None:
    accounts = Accounts(database, clock, bus)
    with pytest.raises(Refused):
        await accounts.ensure(APP, user_id)
    with pytest.raises(Refused):
        await accounts.revoke(APP, user_id, 1)
    assert await accounts.get(APP.sdkappid, user_id) is None
    assert await accounts.check(APP, [user_id]) == set()
    assert await accounts.valid_from(APP.sdkappid, user_id) == 0


async def test_a_revocation_reaches_every_node_at_once_over_the_bus(database: Database, clock: Any, bus: LocalBus) -> None:
    here, there = Accounts(database, clock, bus), Accounts(database, clock, bus)
    await here.ensure(APP, "alice")
    assert await there.valid_from(APP.sdkappid, "alice") == 0
    await here.revoke(APP, "alice", 1_800_000_000)
    assert await here.valid_from(APP.sdkappid, "alice") == 1_800_000_000
    await here.get(APP.sdkappid, "alice")  # the announcement arrives on the next step of the loop
    assert await there.valid_from(APP.sdkappid, "alice") == 1_800_000_000


async def test_without_the_announcement_two_seconds_are_enough(database: Database, clock: Any, bus: LocalBus) -> None:
    here, there = Accounts(database, clock, bus), Accounts(database, clock, LocalBus())
    await here.ensure(APP, "alice")
    assert await there.valid_from(APP.sdkappid, "alice") == 0
    await here.revoke(APP, "alice", 1_800_000_000)
    clock.advance(seconds=2)
    assert await there.valid_from(APP.sdkappid, "alice") == 1_800_000_000


async def test_revoking_somebody_who_does_not_exist_is_refused(database: Database, clock: Any, bus: LocalBus) -> None:
    with pytest.raises(Refused):
        await Accounts(database, clock, bus).revoke(APP, "nobody", 1)


@given(st.text(max_size=40))
def test_a_user_id_is_printable_ascii_of_one_to_thirty_two_bytes(text: str) -> None:
    expected = 1 <= len(text) <= 32 and all(" " <= character <= "~" for character in text)
    assert is_user_id(text) == expected
