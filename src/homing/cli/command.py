"""What a command is: its options, its work, and what it may use while it works.

Commands are made with argparse: it starts in a few milliseconds, its help can be turned into the reference page, and the
server that ``homing serve`` becomes does not carry a terminal library in its memory.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from typing import IO, TYPE_CHECKING, Any, NoReturn

if TYPE_CHECKING:
    from homing.config import Config, Sources
    from homing.store.engine import Database
    from homing.store.sealing import Sealer

OK, FAILURE, WRONG_USE = 0, 1, 2


class WrongUse(Exception):
    """The command was called wrongly: exit 2 and this one sentence."""


class Failure(Exception):
    """The command could not do its work: exit 1 and this sentence."""


class Parser(argparse.ArgumentParser):
    """A parser that raises one sentence instead of printing usage and leaving."""

    def error(self, message: str) -> NoReturn:
        raise WrongUse(f"{message.removeprefix('argument ')} (see `{self.prog} --help`)")


class Command:
    """One command. ``configure`` adds its options, ``run`` does the work and returns the exit status."""

    def __init__(
        self,
        name: str,
        summary: str,
        configure: Callable[[argparse.ArgumentParser], None],
        run: Callable[[Call], int | Awaitable[int]],
        *,
        details: str = "",
        examples: Sequence[str] = (),
    ) -> None:
        self.name = name  # "app create"
        self.summary = summary  # without a full stop
        self.configure = configure
        self.run = run
        self.details = details
        self.examples = tuple(examples)

    def parser(self) -> Parser:
        """Its parser, with the options that every command has."""
        epilog = "\n".join(["examples:", *(f"  {example}" for example in self.examples)]) if self.examples else None
        parser = Parser(
            prog=f"homing {self.name}",
            description=self.summary + "." + (f"\n\n{self.details}" if self.details else ""),
            epilog=epilog,
            formatter_class=argparse.RawDescriptionHelpFormatter,
            allow_abbrev=False,
        )
        self.configure(parser)
        parser.add_argument("--json", action="store_true", help="print one JSON document on stdout")
        return parser


class Call:
    """One call of a command: its arguments, the configuration, and where to print."""

    def __init__(self, command: Command, args: argparse.Namespace, *, out: IO[str] | None = None, err: IO[str] | None = None) -> None:
        self.command = command
        self.args = args
        self.out = sys.stdout if out is None else out
        self.err = sys.stderr if err is None else err
        self._sources: Sources | None = None

    @property
    def sources(self) -> Sources:
        """The configuration with where each value came from. Raises ``ConfigError``."""
        if self._sources is None:
            from homing.config import KEYS, load

            given = {key: getattr(self.args, key) for key in KEYS if hasattr(self.args, key)}
            self._sources = load(given, config_file=getattr(self.args, "config", None))
        return self._sources

    @property
    def config(self) -> Config:
        """The effective configuration. Raises ``ConfigError``."""
        return self.sources.config

    def show(self, document: Any, text: str) -> None:
        """Print the result: the document with ``--json``, else the text."""
        if self.args.json:
            import msgspec

            text = msgspec.json.format(msgspec.json.encode(document)).decode()
        print(text, file=self.out, flush=True)

    def warn(self, sentence: str) -> None:
        """Say something beside the result."""
        print(sentence, file=self.err, flush=True)

    @asynccontextmanager
    async def database(self, *, make: bool = False) -> AsyncIterator[Database]:
        """The open database. ``make``: a missing SQLite file is made. Raises ``StoreRefused``, ``Failure``."""
        from homing.store.open import open_database

        if not make:
            _require_file(self.config.database)
        database = await open_database(self.config.database)
        try:
            yield database
        finally:
            await database.close()

    async def sealer(self, database: Database, *, replacing: bool = False) -> Sealer:
        """The sealer of that database. Raises ``StoreRefused``."""
        from homing.store.sealing import key_path, open_sealer

        return await open_sealer(database, key_path(self.config.database, self.config.master_key_file), replacing=replacing)


def _require_file(url: str) -> None:
    """A wrong path must not look like an empty installation."""
    from homing.store.open import sqlite_path

    path = sqlite_path(url)
    if path is not None and not os.path.exists(path):
        raise Failure(f"There is no database {path}: make an app with `homing app create`, or name another with --database")


def store_options(parser: argparse.ArgumentParser) -> None:
    """The options of every command that touches the store."""
    config_options(parser, ("database", "master_key_file"))


def config_options(parser: argparse.ArgumentParser, keys: Sequence[str]) -> None:
    """Options that are keys of the configuration, and the option that names the configuration file."""
    from homing.config import DEFAULTS, KEYS, description

    group = parser.add_argument_group("configuration (also HOMING_<NAME> and homing.toml)")
    for key in keys:
        default = getattr(DEFAULTS, key)
        shown = ",".join(default) if isinstance(default, tuple) else str(default)
        text = description(key) + (f"; default {shown}" if shown else "")
        metavar = {"listen": "HOST:PORT", "database": "DATABASE", "bus": "BUS"}.get(key, "PATH" if key.endswith("_file") else "VALUE")
        group.add_argument("--" + key.replace("_", "-"), metavar=metavar, help=text.replace("%", "%%"))
        assert key in KEYS
    group.add_argument("--config", metavar="FILE", help="configuration file; default homing.toml where it exists")


def sdkappid_option(parser: argparse.ArgumentParser) -> None:
    """``--sdkappid N``."""
    parser.add_argument("--sdkappid", type=whole_number, required=True, metavar="N", help="the app's number")


def whole_number(text: str) -> int:
    """A positive whole number, for argparse."""
    if not (text.isascii() and text.isdigit()) or not 0 < int(text) < 2**63:
        raise argparse.ArgumentTypeError(f"{text!r} is not a positive whole number")
    return int(text)
