"""A server that cannot work says why in one sentence and what to do, with exit status 1, and leaves no traceback."""

from __future__ import annotations

import asyncio
import ctypes
import os
import socket
import sqlite3
import subprocess
import sys
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path

import asyncpg
import pytest

from homing.bench.processes import MockVendor, Server
from homing.bench.seed import Binding, seed
from homing.store.engine import StoreRefused
from homing.store.open import open_database

ServerFactory = Callable[..., Server]
_PR_CAPBSET_DROP, _CAP_DAC_OVERRIDE = 24, 1


def refusal(database: str, *options: str, listen: str = "127.0.0.1:0", preexec: Callable[[], None] | None = None) -> str:
    """The sentence with which ``homing serve`` refuses to start."""
    command = [sys.executable, "-c", "from homing.cli.main import main; main()", "serve", "--listen", listen, "--database", database]
    ended = subprocess.run([*command, *options], capture_output=True, text=True, timeout=60, preexec_fn=preexec, check=False)
    assert ended.returncode == 1, ended
    assert ended.stdout == ""
    assert ended.stderr.startswith("homing: ")
    assert ended.stderr.count("\n") == 1, ended.stderr
    assert "Traceback" not in ended.stderr
    return ended.stderr


def obey_file_modes() -> None:
    """Take from root, who may run the tests, the right to write where the mode says no."""
    if os.geteuid() == 0:
        ctypes.CDLL(None).prctl(_PR_CAPBSET_DROP, _CAP_DAC_OVERRIDE, 0, 0, 0)


@pytest.fixture
def read_only_folder(tmp_path: Path) -> Iterator[Path]:
    folder = tmp_path / "read-only"
    folder.mkdir(mode=0o555)
    yield folder
    folder.chmod(0o755)


async def test_a_second_server_on_the_same_sqlite_file(make_server: ServerFactory, sqlite_url: str) -> None:
    server = make_server(sqlite_url)
    await server.start(core=None)
    sentence = refusal(sqlite_url)
    assert "Another server is running on" in sentence
    assert "stop it" in sentence
    assert server.running


def test_an_address_that_is_in_use(sqlite_url: str) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        listen = f"127.0.0.1:{taken.getsockname()[1]}"
        sentence = refusal(sqlite_url, listen=listen)
    assert listen in sentence
    assert "--listen" in sentence


def test_a_folder_that_cannot_be_written(read_only_folder: Path) -> None:
    sentence = refusal(f"sqlite:///{read_only_folder}/homing.db", preexec=obey_file_modes)
    assert "cannot be opened for writing" in sentence
    assert "--database" in sentence


async def test_a_database_of_a_newer_version(make_server: ServerFactory, tmp_path: Path, sqlite_url: str) -> None:
    server = make_server(sqlite_url)
    await server.start(core=None)
    assert await server.stop() == 0
    with sqlite3.connect(tmp_path / "homing.db") as connection:
        connection.execute("UPDATE alembic_version SET version_num = '9999'")
    connection.close()
    sentence = refusal(sqlite_url)
    assert "newer" in sentence
    assert "9999" in sentence


async def test_a_lost_master_key(vendor: MockVendor, make_server: ServerFactory, sqlite_url: str) -> None:
    server = make_server(sqlite_url)
    await seed(sqlite_url, server.key_file, vendor, [Binding(users=1)])
    server.key_file.unlink()
    sentence = refusal(sqlite_url, "--master-key-file", str(server.key_file))
    assert "master key" in sentence
    assert "backup" in sentence


def test_a_file_that_is_no_database(tmp_path: Path, sqlite_url: str) -> None:
    (tmp_path / "homing.db").write_bytes(b"this is a letter to my aunt, and no database at all\n" * 100)
    sentence = refusal(sqlite_url)
    assert "not a Homing database" in sentence


def test_a_postgresql_that_does_not_answer(tmp_path: Path) -> None:
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        url = f"postgresql://nobody@127.0.0.1:{closed.getsockname()[1]}/nothing"
        sentence = refusal(url, "--master-key-file", str(tmp_path / "key"))
    assert "PostgreSQL" in sentence or "database" in sentence


@pytest.fixture
async def powerless(postgres_server: str, postgres_url: str) -> AsyncIterator[str]:
    """A user of the migrated database ``postgres_url`` who may do nothing in it; yields the URL of an empty database of his own kind."""
    administrator = await asyncpg.connect(postgres_url)
    await administrator.execute("CREATE ROLE powerless LOGIN")
    await administrator.execute("CREATE DATABASE powerless")
    yield postgres_server.replace("{name}", "powerless").replace("postgres:@", "powerless:@")
    await administrator.execute("DROP DATABASE powerless WITH (FORCE)")
    await administrator.execute("DROP ROLE powerless")
    await administrator.close()


async def test_a_user_who_may_make_no_tables(powerless: str, tmp_path: Path) -> None:
    sentence = await asyncio.to_thread(refusal, powerless, "--master-key-file", str(tmp_path / "key"))
    assert "permission denied for schema public" in sentence
    assert "the right to create tables" in sentence


async def test_a_user_who_may_read_no_tables(powerless: str, postgres_url: str, tmp_path: Path) -> None:
    assert powerless
    url = postgres_url.replace("postgres:@", "powerless:@")
    sentence = await asyncio.to_thread(refusal, url, "--master-key-file", str(tmp_path / "key"))
    assert "permission denied for table alembic_version" in sentence
    assert "rights" in sentence


async def test_a_database_that_does_not_exist(postgres_server: str, tmp_path: Path) -> None:
    sentence = await asyncio.to_thread(refusal, postgres_server.replace("{name}", "nowhere"), "--master-key-file", str(tmp_path / "key"))
    assert 'database "nowhere" does not exist' in sentence
    assert "--database" in sentence


async def test_a_postgresql_that_is_too_old(postgres_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("homing.store.postgres._MIN_VERSION", 99)
    with pytest.raises(StoreRefused, match=r"PostgreSQL \d+ is too old: Homing needs 99 or newer"):
        await open_database(postgres_url)
