"""The page that compares the server with the original says no more and no less than there is."""

from __future__ import annotations

import re
from collections import Counter
from pathlib import Path

import msgspec

from homing.model import push_info
from homing.model.webhooks import Callback
from homing.server.rest_v4.commands import ROUTES

PAGE = (Path(__file__).parents[2] / "docs" / "reference" / "compatibility.md").read_text("utf-8")
WORDS = {"same", "partly", "not", "extension"}


def _rows(shape: str, *, of: str = PAGE) -> dict[str, tuple[str, str]]:
    """The word and the remark for each name of this shape in a first cell."""
    found: dict[str, tuple[str, str]] = {}
    for names, word, remark in re.findall(r"(?m)^\| (`.+?`) \| (\w+) \| (.*?) ?\|$", of):
        found |= {name: (word, remark) for name in re.findall(r"`([^`]+)`", names) if re.fullmatch(shape, name)}
    return found


COMMANDS = _rows(r"\w+/\w+")


def test_what_the_page_says_to_exist_is_what_the_server_has() -> None:
    assert {f"/v4/{name}" for name, (word, _) in COMMANDS.items() if word != "not"} == set(ROUTES)


def test_every_command_stands_on_the_page_once() -> None:
    named = Counter(re.findall(r"`(\w+/\w+)`", "\n".join(line.split(" | ")[0] for line in PAGE.splitlines() if line.startswith("| `"))))
    assert [name for name, times in named.items() if times > 1] == []
    assert set(named) == set(COMMANDS)


def test_every_difference_is_named() -> None:
    rows = COMMANDS | _rows(r"\w+\.\w+")
    assert {word for word, _ in rows.values()} <= WORDS
    assert [name for name, (word, remark) in rows.items() if word != "same" and not remark] == []


def test_the_callbacks_are_those_that_there_are() -> None:
    rows = _rows(r"\w+\.\w+")
    assert {name for name, (word, _) in rows.items() if word != "not"} == set(Callback)


def test_every_field_of_offline_push_info_is_on_the_page() -> None:
    kinds = (push_info.OfflinePushInfo, push_info.AndroidInfo, push_info.ApnsInfo, push_info.HarmonyInfo)
    fields = {field.encode_name for kind in kinds for field in msgspec.structs.fields(kind)}
    assert set(_rows(r"\w+", of=PAGE.partition("## OfflinePushInfo")[2])) == fields
