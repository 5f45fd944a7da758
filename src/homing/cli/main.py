"""The entry point: finds the command, runs it, and turns whatever went wrong into one sentence and an exit status."""

from __future__ import annotations

import asyncio
import difflib
import importlib
import inspect
import os
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

from homing import __version__

from .command import FAILURE, OK, WRONG_USE, Call, Command, Failure, WrongUse

if TYPE_CHECKING:
    from homing.model.problems import Refused


class Group(NamedTuple):
    """Commands that live in one module, as its tuple ``COMMANDS``."""

    module: str
    summary: str


#: First words of the command line. A module is imported when one of its commands is called.
GROUPS: dict[str, Group] = {
    "demo": Group("demo_command", "see the whole thing work on this machine"),
    "serve": Group("serve_command", "run the server"),
    "app": Group("app_commands", "make and change apps (tenants)"),
    "audit": Group("audit_command", "show who changed what"),
    "webhook": Group("webhook_commands", "ask and tell an app's own backend"),
    "cert": Group("cert_commands", "add, check and change push certificates"),
    "channels": Group("channels_command", "show what each vendor can do, and its limits"),
    "tokens": Group("tokens_commands", "bring existing push tokens in"),
    "push": Group("push_commands", "list pushes, try them again, steer pushes to many"),
    "quota": Group("quota_command", "show what was sent today and which lanes wait"),
    "usersig": Group("usersig_command", "print a UserSig"),
    "explain": Group("explain_command", "tell why a message arrived, or why not"),
    "render": Group("render_command", "show the vendor requests of a message without sending it"),
    "doctor": Group("doctor_command", "check this installation and say what to do"),
    "config": Group("config_command", "print the effective configuration"),
    "sandbox": Group("sandbox_command", "run vendor simulators and virtual phones"),
    "bench": Group("bench_commands", "measure this machine"),
}


def main(argv: Sequence[str] | None = None) -> None:
    """The console script ``homing``."""
    sys.exit(run(sys.argv[1:] if argv is None else argv))


def run(argv: Sequence[str]) -> int:
    """Run one command line. Returns the exit status; nothing expected leaves a traceback."""
    try:
        return _run(list(argv))
    except BrokenPipeError:  # the reader of our output went away, as `head` does
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return FAILURE
    except KeyboardInterrupt:
        return 130


def commands(group: str) -> tuple[Command, ...]:
    """The commands of a group. Raises ``WrongUse`` where this build has none."""
    name = f"{__package__}.{GROUPS[group].module}"
    try:
        module = importlib.import_module(name)
    except ModuleNotFoundError as error:
        if error.name != name:
            raise
        raise WrongUse(f"`homing {group}` is not part of this build") from None
    found: tuple[Command, ...] = module.COMMANDS
    return found


def _run(argv: list[str]) -> int:
    try:
        if not argv or argv[0] in ("-h", "--help", "help"):
            print(overview(), file=sys.stdout if argv else sys.stderr)
            return OK if argv else WRONG_USE
        if argv[0] in ("-V", "--version"):
            print(f"homing {__version__}")
            return OK
        command, rest = _find(argv)
        if command is None:
            print(group_overview(argv[0]))
            return OK
        return _call(command, rest)
    except WrongUse as error:
        return _fail(str(error), WRONG_USE)


def _find(argv: list[str]) -> tuple[Command | None, list[str]]:
    """The command and what is left of the line; None when a group's help is asked for."""
    first = argv[0]
    if first not in GROUPS:
        raise WrongUse(f"there is no command {first!r}{_near(first, GROUPS)} (see `homing --help`)")
    found = {command.name: command for command in commands(first)}
    if first in found:
        return found[first], argv[1:]
    second = argv[1] if len(argv) > 1 else ""
    if second in ("-h", "--help", "help"):
        return None, []
    name = f"{first} {second}"
    if name in found:
        return found[name], argv[2:]
    words = [command.split()[1] for command in found]
    if not second:
        raise WrongUse(f"`homing {first}` needs one of: {', '.join(words)} (see `homing {first} --help`)")
    raise WrongUse(f"there is no command {name!r}{_near(second, words)} (see `homing {first} --help`)")


def _call(command: Command, argv: list[str]) -> int:
    try:
        args = command.parser().parse_args(argv)
    except SystemExit as stop:  # --help
        return int(stop.code or 0)
    call = Call(command, args)
    try:
        result = command.run(call)
        if inspect.isawaitable(result):
            result = asyncio.run(_await(result))
        return int(result)
    except (WrongUse, KeyboardInterrupt, BrokenPipeError):
        raise
    except Exception as error:
        sentence = _sentence(error)
        if sentence is None:
            raise
        return _fail(sentence[0], sentence[1])


async def _await(result: object) -> int:
    assert inspect.isawaitable(result)
    return int(await result)


def _sentence(error: Exception) -> tuple[str, int] | None:
    """What a person is told about an expected error, and the exit status; None for a defect."""
    from homing.config import ConfigError
    from homing.model.problems import Refused
    from homing.store.engine import StoreBusy, StoreRefused

    if isinstance(error, ConfigError):
        return str(error), WRONG_USE
    if isinstance(error, Refused):
        return _refused(error)
    if isinstance(error, StoreBusy):
        return f"The database cannot take the work now ({error}): free disk space or repeat the command in a moment", FAILURE
    if isinstance(error, Failure | StoreRefused):
        return str(error), FAILURE
    return None


def _refused(error: Refused) -> tuple[str, int]:
    from homing.model.problems import BAD_PARAMETER

    if error.problem is not BAD_PARAMETER:
        return f"{error.sentence}. {error.cure}", FAILURE
    cure = "" if error.cure == BAD_PARAMETER.cure else f": {error.cure[:1].lower()}{error.cure[1:]}"
    return f"{error.detail}{cure}", WRONG_USE


def _fail(sentence: str, status: int) -> int:
    line = " ".join(sentence.split())
    print(f"homing: {line}", file=sys.stderr, flush=True)
    return status


def overview() -> str:
    """What `homing --help` prints."""
    width = max(map(len, GROUPS))
    lines = ["usage: homing COMMAND [OPTIONS]", "", "Instant messaging whose offline push reaches every phone.", "", "commands:"]
    lines += [f"  {name:<{width}}  {group.summary}" for name, group in GROUPS.items()]
    lines += ["", "`homing COMMAND --help` explains a command; `homing --version` prints the version."]
    return "\n".join(lines)


def group_overview(group: str) -> str:
    """What `homing GROUP --help` prints."""
    found = commands(group)
    width = max(len(command.name) for command in found)
    lines = [f"usage: homing {group} COMMAND [OPTIONS]", "", GROUPS[group].summary.capitalize() + ".", "", "commands:"]
    lines += [f"  homing {command.name:<{width}}  {command.summary}" for command in found]
    lines += ["", f"`homing {found[0].name} --help` explains a command."]
    return "\n".join(lines)


def _near(word: str, known: Sequence[str] | dict[str, Group]) -> str:
    near = difflib.get_close_matches(word, list(known), n=1)
    return f": did you mean {near[0]!r}?" if near else ""
