"""Every `homing …` command line in the documents names a command and options that exist."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from homing.cli.command import Command
from homing.cli.main import GROUPS, commands

ROOT = Path(__file__).parents[2]
PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")])


def _command_lines(page: Path) -> Iterator[str]:
    """Each one from `homing` to where the shell would go on to something else."""
    text = page.read_text(encoding="utf-8").replace("\\\n", " ")
    blocks = re.findall(r"(?ms)^ *```(?:sh|ini)\n(.*?)^ *```", text)
    spans = re.findall(r"`([^`\n]+)`", re.sub(r"(?ms)^ *```.*?^ *```", "", text))
    for code in (line for part in [*blocks, *spans] for line in part.splitlines()):
        for match in re.finditer(r"(?:^|[ /(\"])homing (?!homing)([a-z]+\b[^|&;#`]*)", code):
            yield match[1]


def _options(command: Command) -> set[str]:
    return {option for action in command.parser()._actions for option in action.option_strings}


def _problem(line: str) -> str | None:
    words = line.split()
    if words[0] not in GROUPS:
        return f"there is no command {words[0]!r}"
    found = {command.name: command for command in commands(words[0])}
    name = words[0] if words[0] in found else " ".join(words[:2])
    if len(words) == 1 and words[0] not in found:
        return None  # the group as such
    if name not in found:
        return None if words[1].startswith("-") else f"there is no command {name!r}"
    known = _options(found[name])
    unknown = [option for option in re.findall(r"(?<![\w-])--[a-z-]+", line) if option not in known]
    return f"`homing {name}` has no {unknown[0]}" if unknown else None


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_documented_command_lines_exist(page: Path) -> None:
    problems = {line: _problem(line) for line in _command_lines(page)}
    assert {line: problem for line, problem in problems.items() if problem} == {}


def test_the_check_finds_what_does_not_exist() -> None:
    assert _problem("cert ad fcm") == "there is no command 'cert ad'"
    assert _problem("serve --lisen x") == "`homing serve` has no --lisen"
    assert _problem("cert add fcm --set a=b") is None
