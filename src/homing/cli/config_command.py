"""``homing config``: the effective configuration, and where each value came from."""

from __future__ import annotations

import argparse

from .command import OK, Call, Command, config_options


def _configure(parser: argparse.ArgumentParser) -> None:
    from homing.config import KEYS

    parser.add_argument("--sample", action="store_true", help="print a documented sample file instead")
    config_options(parser, tuple(KEYS))


def _run(call: Call) -> int:
    from homing.config import sample, shown

    if call.args.sample:
        text = sample()
        call.show({"sample": text}, text.rstrip("\n"))
        return OK
    sources = call.sources
    values = shown(sources.config)
    width = max(map(len, values))
    lines = []
    for key, value in values.items():
        text = ",".join(value) if isinstance(value, list) else str(value)
        lines.append(f"{key:<{width}} = {text or '(not set)':<40} # {sources.origin[key]}")
    for warning in sources.warnings:
        call.warn(warning)
    document = {key: {"value": value, "from": sources.origin[key]} for key, value in values.items()}
    call.show(document, "\n".join(lines))
    return OK


COMMANDS = (
    Command(
        "config",
        "print the effective configuration",
        _configure,
        _run,
        details="Flags go over HOMING_<NAME>, that over homing.toml, that over the defaults. Passwords are masked.",
        examples=("homing config --sample > homing.toml",),
    ),
)
