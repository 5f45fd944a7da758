"""The story of ``homing demo --check``, played for real: server, simulators and phones on free ports of this machine."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from typing import Any

import pytest

from homing.channels.registry import CHANNELS
from homing.demo.cast import BRANDS
from homing.demo.steps import STEPS

MUST_BE_THERE = {
    "foreground",
    "background",
    "locked",
    "killed",
    "tap",
    "badge",
    "no_description",
    "with_description",
    "no_push",
    "outage",
    "logged_out",
    "kicked",
    "token_moves",
    "dead_token",
    *(f"on_{name}" for name in BRANDS),
    *(f"{'quota' if brand.app_quota else 'limit'}_{brand.name}" for brand in BRANDS.values()),
}


def homing(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", "from homing.cli.main import main; main()", *arguments]
    environment = {name: value for name, value in os.environ.items() if not name.startswith("HOMING_")}
    return subprocess.run(command, capture_output=True, text=True, timeout=100, check=False, env=environment)


@pytest.fixture(scope="module")
def report() -> dict[str, Any]:
    done = homing("demo", "--check", "--json")
    assert done.stderr == ""
    told: dict[str, Any] = json.loads(done.stdout)
    assert done.returncode == (0 if told["ok"] else 1)
    return told


@pytest.mark.parametrize("step", STEPS, ids=lambda step: step.name)
def test_step_is_as_promised(report: dict[str, Any], step: Any) -> None:
    played = next(one for one in report["steps"] if one["name"] == step.name)
    assert played["ok"], played["told"]


def test_the_story_tells_everything_that_must_be_told(report: dict[str, Any]) -> None:
    assert {one["name"] for one in report["steps"]} >= MUST_BE_THERE
    assert report["ok"]
    assert report["passed"] == len(STEPS)


def test_every_channel_has_a_make_of_phone_in_the_story() -> None:
    assert {brand.channel for brand in BRANDS.values()} == set(CHANNELS)
    assert len({(brand.label_en, brand.service) for brand in BRANDS.values()}) == len(BRANDS)


@pytest.mark.parametrize("brand", BRANDS.values(), ids=lambda brand: brand.name)
def test_a_make_that_can_plays_the_apps_own_sound(report: dict[str, Any], brand: Any) -> None:
    told = next(one["told"] for one in report["steps"] if one["name"] == f"on_{brand.name}")
    assert ("with its own sound" in told) == CHANNELS[brand.channel].capabilities.custom_sound
    assert "the token is dead" in told


@pytest.mark.parametrize("brand", [brand for brand in BRANDS.values() if brand.app_quota], ids=lambda brand: brand.name)
def test_a_spent_quota_says_until_when_the_vendor_is_not_asked(report: dict[str, Any], brand: Any) -> None:
    told = next(one["told"] for one in report["steps"] if one["name"] == f"quota_{brand.name}")
    assert "waits until" in told
    assert "UTC" in told


def test_the_story_is_told_in_three_quarters_of_a_minute(report: dict[str, Any]) -> None:
    assert sum(one["took_ms"] for one in report["steps"]) < 45_000


def test_every_step_is_told_in_both_languages() -> None:
    for step in STEPS:
        assert all(step.title), step.name
        assert all(step.why), step.name
        assert any("一" <= letter <= "鿿" for letter in step.title[1] + step.why[1]), step.name


def test_a_port_that_is_none_is_wrong_use() -> None:
    done = homing("demo", "--port", "99999")
    assert done.returncode == 2
    assert "99999" in done.stderr
    assert done.stdout == ""


def test_a_taken_port_is_said_and_another_is_chosen() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        command = [sys.executable, "-c", "from homing.cli.main import main; main()", "demo", "--no-story", "--port", str(port)]
        with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
            assert process.stdout is not None
            said = ""
            while "Ctrl-C" not in said:
                line = process.stdout.readline()
                assert line, said
                said += line
            process.terminate()
            assert process.wait(10) == 0
    assert f"port {port} is taken" in said
    assert "/demo/" in said
    assert f":{port}/demo/" not in said
