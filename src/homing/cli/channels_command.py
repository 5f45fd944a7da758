"""``homing channels``: what each vendor can do, and its limits."""

from __future__ import annotations

import argparse
import textwrap
import unicodedata
from collections.abc import Sequence

from .command import OK, Call, Command

MAX_CELL = 13
GAP = "  "


def _configure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("channels", nargs="*", metavar="CHANNEL", help="only these channels; default all")
    parser.add_argument("--lang", choices=("en", "zh"), default="en", help="language of the labels")


def _run(call: Call) -> int:
    from homing.channels.matrix import facts, rows
    from homing.channels.registry import CHANNELS

    from .cert_commands import channel_named

    chosen = [channel_named(name) for name in dict.fromkeys(call.args.channels)] or list(CHANNELS.values())
    table = [("", *(channel.name for channel in chosen)), *rows(chosen, call.args.lang)]
    call.show([facts(channel) for channel in chosen], aligned(table))
    return OK


def aligned(table: Sequence[Sequence[str]]) -> str:
    """The table for a terminal: long cells in several lines, columns as wide as what stands in them."""
    cells = [[[row[0]], *(_lines(cell) for cell in row[1:])] for row in table]
    widths = [max(_width(line) for cell in column for line in cell) for column in zip(*cells, strict=True)]
    lines = []
    for row in cells:
        for n in range(max(map(len, row))):
            parts = (cell[n] if n < len(cell) else "" for cell in row)
            lines.append(GAP.join(part + " " * (width - _width(part)) for part, width in zip(parts, widths, strict=True)).rstrip())
    return "\n".join(lines)


def _lines(cell: str) -> list[str]:
    return textwrap.wrap(cell, MAX_CELL, break_long_words=False, break_on_hyphens=False) or [""]


def _width(text: str) -> int:
    """Columns on a terminal: Chinese characters take two."""
    return sum(2 if unicodedata.east_asian_width(letter) in "WF" else 1 for letter in text)


COMMANDS = (
    Command(
        "channels",
        "show what each vendor can do, and its limits",
        _configure,
        _run,
        details=(
            "The matrix is made from the channels themselves. Limits are the vendors' documented ones for the smallest app;\n"
            "“–” means that the vendor documents no such limit, or has no such thing. `homing cert fields CHANNEL` lists the\n"
            "fields of a vendor's certificate."
        ),
        examples=("homing channels", "homing channels fcm apns --lang zh", "homing channels --json"),
    ),
)
