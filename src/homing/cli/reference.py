"""The reference page of the command line, made from the commands themselves by ``make generate``."""

from __future__ import annotations

import argparse
from collections.abc import Iterator

from .command import Command, WrongUse
from .main import GROUPS, commands

INTRODUCTION = """# Command line

One command, `homing`. Every command accepts `--help`, and `--json` prints one JSON document on stdout.

| exit status | means |
|---|---|
| 0 | it worked |
| 1 | it failed; one sentence on stderr says why and what to do |
| 2 | it was called wrongly; one sentence on stderr says how |

Every option under *configuration* is also a key of the configuration file ([homing.toml](homing.toml)) and an environment
variable `HOMING_<NAME>`. Flags go over the environment, that over the file, that over the defaults.
"""


def reference() -> str:
    """The page."""
    return INTRODUCTION + "".join(_command(command) for command in every_command())


def every_command() -> Iterator[Command]:
    """All commands of this build, in the order of the overview."""
    for group in GROUPS:
        try:
            yield from commands(group)
        except WrongUse:  # not part of this build
            continue


def _command(command: Command) -> str:
    parser = command.parser()
    lines = ["", f"## homing {command.name}", "", command.summary[:1].upper() + command.summary[1:] + "."]
    if command.details:
        lines += ["", " ".join(command.details.split())]
    own, configuration = _rows(parser)
    if own:
        lines += ["", "| option | |", "|---|---|", *own]
    if configuration:
        lines += ["", "*Configuration:*", "", "| option | |", "|---|---|", *configuration]
    if command.examples:
        lines += ["", "```sh", *command.examples, "```"]
    return "\n".join(lines) + "\n"


def _rows(parser: argparse.ArgumentParser) -> tuple[list[str], list[str]]:
    """Table rows: the command's own options, and those of the configuration."""
    own: list[str] = []
    configuration: list[str] = []
    for group in parser._action_groups:
        rows = configuration if (group.title or "").startswith("configuration") else own
        rows += [_row(action) for action in group._group_actions if not {"--help", "--json"} & set(action.option_strings)]
    return own, configuration


def _row(action: argparse.Action) -> str:
    name = action.option_strings[-1] if action.option_strings else ""
    choices = "\\|".join(str(choice) for choice in action.choices) if action.choices else ""
    value = "" if action.nargs == 0 else (str(action.metavar) if action.metavar else choices)
    shown = f"`{' '.join(part for part in (name, value) if part)}`"
    required = " (required)" if action.required else ""
    return f"| {shown} | {_escaped(str(action.help or '').replace('%%', '%'))}{required} |"


def _escaped(text: str) -> str:
    return text.replace("|", "\\|").replace("<", "&lt;")
