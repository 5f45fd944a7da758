"""``homing quota`` as an operator and a script use it."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from homing.cli.main import run
from homing.config import DEFAULTS
from homing.model.clock import SystemClock
from homing.rules.quota import DAY_MS, day_of
from homing.store.open import open_database
from homing.store.push_queue import Results, record

APP, BUSINESS = "1400000001", 15_501


class Result(NamedTuple):
    """What a command left behind."""

    status: int
    out: str
    err: str


@pytest.fixture
def homing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Callable[..., Result]:
    """Runs a command line in an empty folder that has an app."""
    monkeypatch.chdir(tmp_path)

    def call(*argv: str) -> Result:
        status = run(argv)
        return Result(status, *capsys.readouterr())

    assert call("app", "create", "--sdkappid", APP, "--secret-key", "k" * 32).status == 0
    return call


def add_certificate(homing: Callable[..., Result]) -> None:
    fields = ("--set", "app_secret=secret", "--set", "package_name=com.example", "--set", "channel_id=chat")
    assert homing("cert", "add", "xiaomi", "--sdkappid", APP, "--business-id", str(BUSINESS), *fields).status == 0


def write(results: Results) -> None:
    async def work() -> None:
        database = await open_database(DEFAULTS.database)
        await database.write(lambda tx: record(tx, results, 0))
        await database.close()

    asyncio.run(work())


def test_an_app_without_certificates_is_told_how_to_add_one(homing: Callable[..., Result]) -> None:
    assert homing("quota", "--sdkappid", APP) == (0, "no certificate yet: add one with `homing cert add`\n", "")


def test_counts_limits_and_a_stopped_lane_are_shown(homing: Callable[..., Result]) -> None:
    add_certificate(homing)
    now_ms = SystemClock().now_ms()
    today, until = day_of(now_ms, 480), now_ms + DAY_MS
    write(Results(counts=[(int(APP), BUSINESS, "public", today, 1234)], stops=[(int(APP), BUSINESS, "public", today, until)]))
    lines = homing("quota", "--sdkappid", APP).out.splitlines()
    assert "private" in lines[0]
    assert "0 accepted, no documented limit" in lines[0]
    assert "1,234 accepted, of 20,000, 5 a device" in lines[1]
    assert "STOPPED" in lines[2]
    assert "UTC" in lines[2]
    told: Any = json.loads(homing("quota", "--sdkappid", APP, "--json", "--lang", "zh").out)
    private, public = told["lanes"]
    assert (private["stopped_until_ms"], private["cure"]) == (0, "")
    assert (public["accepted"], public["limit"], public["stopped_until_ms"]) == (1234, 20_000, until)
    assert any("一" <= letter <= "鿿" for letter in public["cure"])


def test_an_unknown_app_is_one_sentence(homing: Callable[..., Result]) -> None:
    done = homing("quota", "--sdkappid", "1400000002")
    assert (done.status, done.out, len(done.err.splitlines())) == (1, "", 1)
    assert "1400000002" in done.err or "app" in done.err
