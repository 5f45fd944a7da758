"""The capability matrix, in words and for programs, and its table on a terminal."""

from __future__ import annotations

import io
import json
from typing import Any

import msgspec
import pytest

from homing.channels.base import Capabilities
from homing.channels.matrix import FEATURES, NONE, facts, rows
from homing.channels.registry import CHANNELS
from homing.cli.channels_command import _width, aligned
from homing.cli.main import run


@pytest.mark.parametrize("language", ["en", "zh"])
def test_the_matrix_has_a_cell_for_every_feature_and_channel(language: str) -> None:
    matrix = rows(CHANNELS.values(), language)
    assert len(matrix) == len(FEATURES)
    assert all(len(row) == len(CHANNELS) + 1 and all(row) for row in matrix)
    assert len({row[0] for row in matrix}) == len(matrix)


def test_the_two_languages_say_the_same() -> None:
    for english, chinese in zip(rows(CHANNELS.values()), rows(CHANNELS.values(), "zh"), strict=True):
        assert [cell == NONE for cell in english] == [cell == NONE for cell in chinese]


@pytest.mark.parametrize("channel", CHANNELS.values(), ids=lambda channel: channel.name)
def test_programs_get_every_capability(channel: Any) -> None:
    told = facts(channel)
    assert {field.name for field in msgspec.structs.fields(Capabilities)} <= told.keys()
    assert told["channel"] == channel.name
    assert json.loads(msgspec.json.encode(told))["batch_size"] == channel.capabilities.batch_size


@pytest.mark.parametrize("channel", CHANNELS.values(), ids=lambda channel: channel.name)
def test_limits_of_a_day_belong_to_a_vendor_that_counts(channel: Any) -> None:
    can = channel.capabilities
    assert can.app_quota or (can.daily_public is None and can.daily_private is None)
    assert -12 * 60 <= can.day_utc_offset_minutes <= 14 * 60


def test_columns_stand_under_one_another_whatever_their_script() -> None:
    lines = aligned([("", "a", "b"), ("推送", "yes", "launcher, page, web"), ("x", "–", "1")]).splitlines()
    assert len(lines) == 4
    starts = [_width(line[: line.index(mark)]) for line, mark in zip(lines, ("b", "launcher", "page", "1"), strict=True)]
    assert len(set(starts)) == 1


def test_the_command_shows_the_channels_that_are_named(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["channels", "apns", "fcm", "apns"]) == 0
    assert capsys.readouterr().out.splitlines()[0].split() == ["apns", "fcm"]
    assert run(["channels", "fcm", "--json"]) == 0
    told = json.load(io.StringIO(capsys.readouterr().out))
    assert [one["channel"] for one in told] == ["fcm"]
    assert told[0]["title_zh"]


def test_a_channel_that_is_none_is_named_with_those_there_are(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["channels", "fcn"]) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert "fcm" in captured.err
    assert len(captured.err.splitlines()) == 1
