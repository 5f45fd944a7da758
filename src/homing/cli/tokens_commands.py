"""``homing tokens``: bring existing push tokens in."""

from __future__ import annotations

import argparse
import os
import sys
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, BinaryIO

from .command import FAILURE, OK, Call, Command, WrongUse, sdkappid_option, store_options

if TYPE_CHECKING:
    from collections.abc import Iterator

    from homing.services.token_import import BadLine, Progress
    from homing.store.engine import Database

MAX_LISTED = 1000  # bad lines that are listed; all are counted


def _configure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("file", metavar="FILE", help="JSON lines; - reads them from stdin")
    sdkappid_option(parser)
    store_options(parser)


async def _run(call: Call) -> int:
    from homing.services.token_import import Progress

    args = call.args
    progress = Progress()
    bad: list[BadLine] = []
    began = time.monotonic()
    with _opened(args.file) as file:
        async with call.database() as database:
            business_ids = await _business_ids(database, args.sdkappid)
            await _import(database, args.sdkappid, file, business_ids, progress, bad)
    seconds = time.monotonic() - began
    for line in bad if not args.json else ():
        call.warn(f"line {line.line}: {line.reason}")
    if progress.bad > len(bad):
        call.warn(f"and {progress.bad - len(bad)} more bad lines")
    document = _document(progress, bad, seconds)
    call.show(document, _text(document))
    return FAILURE if progress.bad else OK


@contextmanager
def _opened(path: str) -> Iterator[BinaryIO]:
    if path == "-":
        yield sys.stdin.buffer
        return
    try:
        file = open(os.path.expanduser(path), "rb")  # noqa: SIM115  (closed below; only the opening is guarded)
    except OSError as error:
        raise WrongUse(f"{path} cannot be read ({error.strerror})") from None
    with file:
        yield file


async def _business_ids(database: Database, sdkappid: int) -> list[int]:
    from homing.model.problems import APP_NOT_FOUND, Refused
    from homing.store.apps import get_app
    from homing.store.certificates import list_certificates

    if await database.read(lambda tx: get_app(tx, sdkappid)) is None:
        raise Refused(APP_NOT_FOUND, str(sdkappid))
    return [row.business_id for row in await database.read(lambda tx: list_certificates(tx, sdkappid))]


async def _import(
    database: Database, sdkappid: int, file: BinaryIO, business_ids: list[int], progress: Progress, bad: list[BadLine]
) -> None:
    from homing.model.clock import Ids, SystemClock
    from homing.services.token_import import batches, store_batch
    from homing.store.nodes import MAX_NODES

    clock = SystemClock()
    ids = Ids(clock, MAX_NODES + os.getpid() % (1024 - MAX_NODES))
    for good, wrong in batches(file, business_ids):
        progress.bad += len(wrong)
        bad += wrong[: MAX_LISTED - len(bad)]
        if good:
            done = await store_batch(database, sdkappid, good, ids, clock)
            progress.imported += done.devices
            progress.accounts_made += done.accounts_made
            progress.kept += done.kept


def _document(progress: Progress, bad: list[BadLine], seconds: float) -> dict[str, Any]:
    lines = progress.imported + progress.kept + progress.bad
    return {
        "imported": progress.imported,
        "accounts_made": progress.accounts_made,
        "kept": progress.kept,
        "bad": progress.bad,
        "bad_lines": [{"line": line.line, "reason": line.reason} for line in bad],
        "seconds": round(seconds, 3),
        "lines_per_s": round(lines / seconds) if seconds else 0,
    }


def _text(document: dict[str, Any]) -> str:
    kept = f", {document['kept']} kept by devices that are logged in" if document["kept"] else ""
    bad = f", {document['bad']} bad lines left out" if document["bad"] else ""
    return f"{document['imported']} tokens imported, {document['accounts_made']} accounts made{kept}{bad} ({document['seconds']} s)"


COMMANDS = (
    Command(
        "tokens import",
        "import push tokens from a file with one JSON object a line",
        _configure,
        _run,
        details=(
            'A line: {"user_id": "alice", "platform": "android", "business_id": 15501, "token": "…", "state": "background"}; state may be\n'
            "missing. Accounts that are missing are made. Bad lines are listed with their number and left out, the good ones go in, and\n"
            "the exit status is 1. An import may be repeated."
        ),
        examples=(
            "homing tokens import tokens.jsonl --sdkappid 1400000001",
            "zcat tokens.gz | homing tokens import - --sdkappid 1400000001",
        ),
    ),
)
