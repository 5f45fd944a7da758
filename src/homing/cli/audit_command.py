"""``homing audit``: who changed what."""

from __future__ import annotations

import argparse

from .command import OK, Call, Command, store_options, whole_number


def _configure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--sdkappid", type=whole_number, metavar="N", help="of this app alone")
    parser.add_argument("--limit", type=whole_number, default=100, metavar="N", help="the newest N entries; default 100")
    store_options(parser)


async def _run(call: Call) -> int:
    import msgspec

    from homing.model.clock import SystemClock
    from homing.services.administration import Administration
    from homing.services.explain import moment

    async with call.database() as database:
        administration = Administration(database, await call.sealer(database), SystemClock())
        entries = await administration.entries(call.args.sdkappid, call.args.limit)
    lines = [f"{moment(e.at_ms)}  {e.sdkappid}  {e.actor}  {e.action}  {e.detail}".rstrip() for e in entries]
    call.show([msgspec.structs.asdict(entry) for entry in entries], "\n".join(lines) or "nothing was written down yet")
    return OK


COMMANDS = (
    Command(
        "audit list",
        "show who changed what, the newest first",
        _configure,
        _run,
        details="Kept for 400 days.",
        examples=("homing audit list --sdkappid 1400000001",),
    ),
)
