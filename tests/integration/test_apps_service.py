"""Apps on both engines."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from homing.model.apps import NotificationMode
from homing.model.problems import ALREADY_EXISTS, APP_NOT_FOUND, BAD_PARAMETER, Refused
from homing.services.apps import Apps
from homing.store.accounts import fetch_accounts
from homing.store.engine import Database, Query, Tx
from homing.store.sealing import Sealer, make_key

KEY = "0123456789abcdef0123456789abcdef"
_RAW = Query("test.raw_app", "SELECT secret_key_sealed FROM app WHERE sdkappid = ?")


@pytest.fixture
def sealer(tmp_path: Path) -> Sealer:
    return Sealer(make_key(tmp_path / "homing.key"))


@pytest.fixture
def apps(database: Database, sealer: Sealer, clock: Any) -> Apps:
    return Apps(database, sealer, clock)


async def test_an_app_is_made_with_its_administrators_accounts(database: Database, apps: Apps) -> None:
    await apps.create(1400000001, KEY, name="chat", admins=["administrator", "backend", "administrator"])
    app = await apps.require(1400000001)
    assert (app.name, app.secret_key, app.admins) == ("chat", KEY, ("administrator", "backend"))
    accounts = await database.read(lambda tx: fetch_accounts(tx, 1400000001, ["administrator", "backend"]))
    assert set(accounts) == {"administrator", "backend"}


async def test_the_secret_key_is_sealed_in_the_database(database: Database, apps: Apps) -> None:
    await apps.create(1, KEY)

    async def raw(tx: Tx) -> bytes:
        row = await tx.fetch_one(_RAW, 1)
        assert row is not None
        return bytes(row[0])

    assert KEY.encode() not in await database.read(raw)
    assert KEY not in repr(await apps.require(1))


async def test_a_taken_number_is_refused_and_nothing_changes(apps: Apps) -> None:
    await apps.create(1, KEY)
    with pytest.raises(Refused) as refusal:
        await apps.create(1, KEY + "x", admins=["other"])
    assert refusal.value.problem is ALREADY_EXISTS
    assert (await apps.require(1)).secret_key == KEY


@pytest.mark.parametrize(
    ("sdkappid", "key", "admins", "words"),
    [
        (0, KEY, ["a"], "sdkappid"),
        (2**32, KEY, ["a"], "sdkappid"),
        (1, "short", ["a"], "secret key"),
        (1, "k" * 300, ["a"], "secret key"),
        (1, "ключ-ключ-ключ", ["a"], "ASCII"),
        (1, KEY, [], "administrators"),
        (1, KEY, ["x" * 33], "UserID"),
        (1, KEY, ["a\nb"], "UserID"),
    ],
)
async def test_an_illegal_value_is_named(apps: Apps, sdkappid: int, key: str, admins: list[str], words: str) -> None:
    with pytest.raises(Refused) as refusal:
        await apps.create(sdkappid, key, admins=admins)
    assert refusal.value.problem is BAD_PARAMETER
    assert words in refusal.value.detail
    assert await apps.list() == []


async def test_settings_change_one_by_one(apps: Apps) -> None:
    await apps.create(1, KEY)
    await apps.update(1, settings={"notification_mode": "per_conversation", "keep_days": "14"})
    app = await apps.update(1, name="new", settings={"hide_content": "true"})
    assert app.settings.notification_mode is NotificationMode.PER_CONVERSATION
    assert (app.settings.keep_days, app.settings.hide_content, app.name) == (14, True, "new")
    assert await apps.require(1) == app


@pytest.mark.parametrize("change", [{"keep_dayz": "1"}, {"keep_days": "soon"}, {"keep_days": "-1"}, {"terminal_policy": "many"}])
async def test_a_wrong_setting_is_refused(apps: Apps, change: dict[str, str]) -> None:
    await apps.create(1, KEY)
    with pytest.raises(Refused):
        await apps.update(1, settings=change)


async def test_an_unknown_app_is_none_and_cannot_be_changed(apps: Apps) -> None:
    assert await apps.get(7) is None
    with pytest.raises(Refused) as refusal:
        await apps.update(7, name="x")
    assert refusal.value.problem is APP_NOT_FOUND


async def test_another_process_change_is_seen_within_two_seconds(database: Database, sealer: Sealer, apps: Apps, clock: Any) -> None:
    await apps.create(1, KEY)
    before = await apps.require(1)
    other = Apps(database, sealer, clock)
    await other.update(1, name="changed")
    assert await apps.require(1) is before
    clock.advance(seconds=2)
    assert (await apps.require(1)).name == "changed"


async def test_an_unchanged_app_stays_the_same_object(apps: Apps, clock: Any) -> None:
    await apps.create(1, KEY)
    before = await apps.require(1)
    clock.advance(seconds=5)
    assert await apps.require(1) is before
