"""Secrets at rest and the master key's file."""

from __future__ import annotations

import stat
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from homing.services.apps import Apps
from homing.store.engine import Database, StoreRefused
from homing.store.sealing import Sealer, is_exposed, key_path, make_key, open_sealer, read_key

KEY = bytes(range(32))


@given(st.binary(max_size=2000), st.text(max_size=50).filter(lambda text: "\ud800" not in text))
def test_what_is_sealed_opens_again_and_only_in_its_context(plain: bytes, context: str) -> None:
    context = context.encode("utf-8", "replace").decode()
    sealer = Sealer(KEY)
    sealed = sealer.seal(plain, context)
    assert sealer.open(sealed, context) == plain
    with pytest.raises(StoreRefused, match="copied from elsewhere"):
        sealer.open(sealed, context + "x")


def test_two_seals_of_one_value_differ() -> None:
    sealer = Sealer(KEY)
    assert sealer.seal(b"same", "a") != sealer.seal(b"same", "a")


@given(st.binary(max_size=100), st.integers(min_value=0, max_value=60))
def test_a_damaged_value_is_told_in_words(noise: bytes, place: int) -> None:
    sealer = Sealer(KEY)
    sealed = bytearray(sealer.seal(b"a secret of some length", "app 1"))
    damaged = sealed[:place] + bytes([sealed[place % len(sealed)] ^ 1]) + noise
    with pytest.raises(StoreRefused) as refusal:
        sealer.open(bytes(damaged), "app 1")
    assert "secret of some" not in str(refusal.value)


def test_another_key_is_told_apart_from_damage() -> None:
    sealed = Sealer(KEY).seal(b"x", "a")
    with pytest.raises(StoreRefused, match="is not the one that sealed"):
        Sealer(bytes(32)).open(sealed, "a")


def test_a_sealer_does_not_show_its_key() -> None:
    assert KEY.hex() not in repr(Sealer(KEY, "homing.key"))


def test_the_key_file_is_for_its_owner_alone(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "homing.key"
    key = make_key(path)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert not is_exposed(path)
    assert read_key(path) == key
    assert [entry.name for entry in path.parent.iterdir()] == ["homing.key"]


def test_processes_that_make_the_key_together_get_the_same_one(tmp_path: Path) -> None:
    with ThreadPoolExecutor(8) as pool:
        keys = set(pool.map(lambda _: make_key(tmp_path / "homing.key"), range(16)))
    assert len(keys) == 1


@pytest.mark.parametrize("content", [b"", b"hello", b"\xff\xfe", b"homing-master-key-1:AAAA", b"homing-master-key-1:!!"])
def test_a_file_that_is_no_key_is_told(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "homing.key"
    path.write_bytes(content)
    with pytest.raises(StoreRefused, match="is not a Homing master key"):
        read_key(path)


def test_the_key_lies_beside_the_sqlite_file_and_must_be_named_with_postgresql(tmp_path: Path) -> None:
    assert key_path("sqlite:////var/lib/homing/homing.db", "") == Path("/var/lib/homing/homing.key")
    assert key_path("postgresql://db/homing", str(tmp_path / "k")) == tmp_path / "k"
    with pytest.raises(StoreRefused, match="--master-key-file"):
        key_path("postgresql://db/homing", "")


async def _app(database: Database, path: Path, clock: Any) -> None:
    await Apps(database, await open_sealer(database, path), clock).create(1, "secret-key-of-one")


async def test_the_key_is_made_on_first_use_and_needed_ever_after(database: Database, tmp_path: Path, clock: Any) -> None:
    path = tmp_path / "homing.key"
    await _app(database, path, clock)
    app = await Apps(database, await open_sealer(database, path), clock).get(1)
    assert app is not None
    assert app.secret_key == "secret-key-of-one"
    path.unlink()
    with pytest.raises(StoreRefused, match=r"is missing.*restore the key file"):
        await open_sealer(database, path)
    assert not path.exists(), "a lost key must not be replaced silently"


async def test_another_key_is_refused_at_once(database: Database, tmp_path: Path, clock: Any) -> None:
    path = tmp_path / "homing.key"
    await _app(database, path, clock)
    path.unlink()
    make_key(path)
    with pytest.raises(StoreRefused, match="is not the one that sealed this database"):
        await open_sealer(database, path)


async def test_after_a_loss_secrets_can_be_stored_again_under_a_new_key(database: Database, tmp_path: Path, clock: Any) -> None:
    path = tmp_path / "homing.key"
    await _app(database, path, clock)
    path.unlink()
    apps = Apps(database, await open_sealer(database, path, replacing=True), clock)
    await apps.update(1, secret_key="another-secret-key")
    assert (await Apps(database, await open_sealer(database, path), clock).require(1)).secret_key == "another-secret-key"
