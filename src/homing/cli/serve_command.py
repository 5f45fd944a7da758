"""``homing serve``: run the server until SIGTERM."""

from __future__ import annotations

import argparse
import sys

from .command import OK, Call, Command, config_options


def _configure(parser: argparse.ArgumentParser) -> None:
    from homing.config import KEYS

    config_options(parser, tuple(KEYS))


def _run(call: Call) -> int:
    import uvloop

    from homing.app import serve

    for warning in call.sources.warnings:
        call.warn(f"warning: {warning}")
    uvloop.run(serve(call.config, ready=_announce_json if call.args.json else None))
    return OK


def _announce_json(url: str) -> None:
    import msgspec

    sys.stdout.write(msgspec.json.encode({"listening": url}).decode() + "\n")
    sys.stdout.flush()


COMMANDS = (
    Command(
        "serve",
        "run the server",
        _configure,
        _run,
        details=(
            "Prints `listening on http://HOST:PORT` when it can serve. SIGTERM or Ctrl-C drains: no new work is taken, what is in flight\n"
            "is finished, the rest stays in the database, and the exit status is 0."
        ),
        examples=("homing serve --listen 0.0.0.0:8080 --database sqlite:////var/lib/homing/homing.db",),
    ),
)
