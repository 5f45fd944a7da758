"""Keys that overlap, taking an app away, the audit log, and limits of REST calls, on each engine."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

from homing.model.apps import App, AppSettings, SendingLimits
from homing.model.clock import Ids
from homing.model.messages import Draft, Element
from homing.model.problems import APP_NOT_FOUND, USERSIG_WRONG_KEY, Refused
from homing.rules.sending_limits import limit_of, own_limits
from homing.rules.usersig import UserSig, sign, verify_for
from homing.server.rest_v4.sending_limits import SendingLimits as Limiter
from homing.services.administration import Administration
from homing.services.apps import Apps
from homing.services.messaging import Messaging
from homing.store.accounts import insert_accounts
from homing.store.administration import BY_APP, BY_PUSH, KEPT
from homing.store.engine import Database, Query
from homing.store.schema import metadata
from homing.store.sealing import Sealer, make_key

OLD, NEW = "o" * 32, "n" * 32
APP, OTHER = 1_400_000_001, 1_400_000_002
ROWS = {table: Query(f"test.rows_{table}", f"SELECT COUNT(*) FROM {table} WHERE sdkappid = ?") for table in BY_APP}
LEFT = Query("test.left", "SELECT COUNT(*) FROM push_retry")
PUSH = Query(
    "test.push",
    "INSERT INTO push (push_id, sdkappid, message_id, user_id, device_id, state, reason, inputs, created_at_ms) "
    "VALUES (?, ?, 1, 'bob', 7, 10, 'offline', '{}', 5)",
)
RETRY = Query("test.retry", "INSERT INTO push_retry (push_id, at_ms, attempts, was) VALUES (?, 1, 1, '')")


class Outgoing:
    """Nothing leaves."""

    def room(self, lane: Any) -> bool:
        return False

    def hand_over(self, stored: Any) -> None:
        pass


@pytest.fixture
def sealer(tmp_path: Path) -> Sealer:
    return Sealer(make_key(tmp_path / "homing.key"))


@pytest.fixture
async def apps(database: Database, sealer: Sealer, clock: Any) -> Apps:
    found = Apps(database, sealer, clock)
    await found.create(APP, OLD)
    await found.create(OTHER, OLD)
    return found


@pytest.fixture
def administration(database: Database, sealer: Sealer, clock: Any) -> Administration:
    return Administration(database, sealer, clock, "an operator")


async def test_the_old_key_is_good_until_its_time_is_over(apps: Apps, administration: Administration, clock: Any) -> None:
    until_ms = await administration.rotate_key(APP, NEW, 3600)
    apps.forget()
    app = await apps.require(APP)
    now = clock.now_ms() // 1000
    old, new = sign(APP, "bob", OLD, now, 86_400), sign(APP, "bob", NEW, now, 86_400)
    assert isinstance(verify_for(app, old, "bob", clock.now_ms()), UserSig)
    assert isinstance(verify_for(app, new, "bob", clock.now_ms()), UserSig)
    assert verify_for(app, old, "bob", until_ms) is USERSIG_WRONG_KEY
    assert isinstance(verify_for(app, new, "bob", until_ms), UserSig)
    assert verify_for(await apps.require(OTHER), new, "bob", clock.now_ms()) is not None
    assert (await apps.require(OTHER)).previous_key == ""
    assert OLD not in repr(app)


async def test_without_an_overlap_the_old_key_ends_at_once(apps: Apps, administration: Administration, clock: Any) -> None:
    await administration.rotate_key(APP, NEW, 0)
    apps.forget()
    old = sign(APP, "bob", OLD, clock.now_ms() // 1000, 86_400)
    assert verify_for(await apps.require(APP), old, "bob", clock.now_ms()) is USERSIG_WRONG_KEY


async def test_deleting_an_app_takes_what_is_its_own_and_nothing_else(
    database: Database, apps: Apps, administration: Administration
) -> None:
    for number, app in ((1, APP), (2, OTHER)):
        await database.write(lambda tx, app=app: insert_accounts(tx, app, [(f"user{n}", "", "") for n in range(2500)], 0))  # type: ignore[misc]
        await database.write(lambda tx, app=app, number=number: tx.execute(PUSH, number, app))  # type: ignore[misc]
        await database.write(lambda tx, number=number: tx.execute(RETRY, number))  # type: ignore[misc]
    before = {table: (await database.read(lambda tx, q=query: tx.fetch_one(q, OTHER)))[0] for table, query in ROWS.items()}  # type: ignore[misc]
    deleted = await administration.delete(APP)
    assert deleted["account"] == 2501
    for table, query in ROWS.items():
        assert (await database.read(lambda tx, q=query: tx.fetch_one(q, APP)))[0] == 0, table  # type: ignore[misc]
        assert (await database.read(lambda tx, q=query: tx.fetch_one(q, OTHER)))[0] == before[table], table  # type: ignore[misc]
    assert (await database.read(lambda tx: tx.fetch_one(LEFT)))[0] == 1  # type: ignore[index]
    apps.forget()
    assert await apps.get(APP) is None
    with pytest.raises(Refused) as refused:
        await administration.delete(APP)
    assert refused.value.problem is APP_NOT_FOUND
    assert "begun" in [entry.detail for entry in await administration.entries(APP)]


def test_every_table_that_says_whose_its_rows_are_is_emptied() -> None:
    tables = metadata.tables.values()
    assert {table.name for table in tables if "sdkappid" in table.c} == set(BY_APP) | KEPT
    assert {table.name for table in tables if "push_id" in table.c and "sdkappid" not in table.c} == set(BY_PUSH)
    for name, keys in BY_APP.items():
        assert tuple(column.name for column in metadata.tables[name].primary_key) == keys


async def test_the_audit_log_says_who_did_what(apps: Apps, administration: Administration, clock: Any) -> None:
    await administration.note(APP, "app set", "name")
    clock.advance(seconds=1)
    await administration.note(OTHER, "app create")
    assert [(e.sdkappid, e.actor, e.action, e.detail) for e in await administration.entries()] == [
        (OTHER, "an operator", "app create", ""),
        (APP, "an operator", "app set", "name"),
    ]
    assert [entry.sdkappid for entry in await administration.entries(APP)] == [APP]
    with pytest.raises(Refused):
        await administration.entries(limit=0)


@pytest.mark.parametrize("nodes", [1, 2])
async def test_fifty_identical_calls_at_once_are_one_message(database: Database, apps: Apps, clock: Any, nodes: int) -> None:
    await database.write(lambda tx: insert_accounts(tx, APP, [("alice", "", ""), ("bob", "", "")], 0))
    app = await apps.require(APP)
    sides = [
        Messaging(database=database, ids=Ids(clock, node), owner=node, clock=clock, outgoing=Outgoing()) for node in range(1, nodes + 1)
    ]
    elements = (Element("TIMTextElem", {"Text": "once"}),)
    draft = Draft(from_account="alice", to_account="bob", elements=elements, random=7, seq=5)
    answers = await asyncio.gather(*(sides[n % nodes].send(app, draft) for n in range(50)))
    assert len({(answer.msg_id, answer.msg_key, answer.timestamp) for answer in answers}) == 1
    assert [answer.duplicate for answer in answers].count(False) == 1
    count = Query("test.messages", "SELECT COUNT(*) FROM message")
    assert (await database.read(lambda tx: tx.fetch_one(count)))[0] == 1  # type: ignore[index]


def test_limits_are_off_unless_asked_for() -> None:
    assert limit_of(AppSettings(), "openim/sendmsg") == 0
    original = AppSettings(sending_limits=SendingLimits.ORIGINAL, command_limits="openim/sendmsg=50, timpush/batch=0")
    assert limit_of(original, "openim/sendmsg") == 50
    assert limit_of(original, "timpush/batch") == 0
    assert limit_of(original, "timpush/push") == 1
    assert limit_of(original, "openim/batchsendmsg") == 200


@pytest.mark.parametrize("text", ["x", "openim/sendmsg", "openim/sendmsg=a", "a/b=-1", "a/b=nan", "sendmsg=4"])
async def test_a_wrong_limit_is_named(apps: Apps, text: str) -> None:
    with pytest.raises(ValueError, match="requests a second"):
        own_limits(text)
    with pytest.raises(Refused, match="command_limits"):
        await apps.update(APP, settings={"command_limits": text})


def test_what_is_over_the_limit_gets_the_documented_code_and_other_apps_do_not() -> None:
    settings = AppSettings(command_limits="openim/sendmsg=2")
    first, second = (App(number, "", OLD, (), settings, 0) for number in (APP, OTHER))
    limiter = Limiter()
    for app in (first, second):
        limiter.check(app, "openim/sendmsg", 100.0)
        limiter.check(app, "openim/sendmsg", 100.0)
    with pytest.raises(Refused) as refused:
        limiter.check(first, "openim/sendmsg", 100.1)
    assert refused.value.problem.rest_code == 60007
    limiter.check(first, "openim/batchsendmsg", 100.1)
    limiter.check(first, "openim/sendmsg", 100.6)
