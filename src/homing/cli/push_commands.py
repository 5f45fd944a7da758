"""``homing push``: dead letters, and pushes to many."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING, Any

from .command import OK, Call, Command, WrongUse, sdkappid_option, store_options, whole_number
from .push_job_commands import COMMANDS as JOB_COMMANDS

if TYPE_CHECKING:
    from homing.store.dead_letters import Letter

STATES = ("failed", "expired", "suppressed", "pending")
MAX_LISTED = 1000


def _configure_list(parser: argparse.ArgumentParser) -> None:
    sdkappid_option(parser)
    parser.add_argument("--state", choices=STATES, default="failed", help="which pushes; default failed")
    parser.add_argument("--reason", default="", help="only those with this reason, for example attempts_over")
    parser.add_argument(
        "--limit", type=whole_number, default=50, metavar="N", help=f"at most so many, newest first; default 50, at most {MAX_LISTED}"
    )
    store_options(parser)


async def _list(call: Call) -> int:
    from homing.model.clock import SystemClock
    from homing.services.dead_letters import DeadLetters

    args = call.args
    async with call.database() as database:
        letters = DeadLetters(database, SystemClock())
        found = await letters.list(args.sdkappid, args.state, reason=args.reason, limit=min(args.limit, MAX_LISTED))
    call.show({"sdkappid": args.sdkappid, "state": args.state, "pushes": [_told(letter) for letter in found]}, _table(found, args.state))
    return OK


def _told(letter: Letter) -> dict[str, Any]:
    import msgspec

    from homing.model.push import PushState

    return msgspec.structs.asdict(letter) | {"state": PushState(letter.state).name.lower()}


def _table(found: list[Letter], state: str) -> str:
    from homing.services.explain import moment

    if not found:
        return f"no push is {state}"
    lines = []
    for letter in found:
        at = moment(letter.due_at_ms if state == "pending" else letter.finished_at_ms or letter.created_at_ms)
        code = f" ({letter.code})" if letter.code else ""
        lines.append(
            f"{letter.push_id}  {at}  {letter.user_id}  {letter.channel or '-'} {letter.business_id}  {letter.reason}{code}  "
            f"{letter.attempts} attempts"
        )
    return "\n".join(lines)


def _configure_retry(parser: argparse.ArgumentParser) -> None:
    sdkappid_option(parser)
    which = parser.add_mutually_exclusive_group(required=True)
    which.add_argument("--push-id", type=whole_number, metavar="ID", help="one push")
    which.add_argument("--state", choices=STATES[:2], help="all that failed, or all that expired")
    parser.add_argument("--reason", default="", help="with --state: only those with this reason, for example attempts_over")
    store_options(parser)


async def _retry(call: Call) -> int:
    import msgspec

    from homing.model.clock import SystemClock
    from homing.services.dead_letters import DeadLetters

    args = call.args
    if args.push_id is not None and args.reason:
        raise WrongUse("--reason belongs to --state: a push id names one push already")
    async with call.database() as database:
        letters = DeadLetters(database, SystemClock())
        if args.push_id is not None:
            await letters.retry_one(args.sdkappid, args.push_id)
            call.show({"again": 1, "over": 0, "no_token": 0}, "1 push is pending again")
            return OK
        retried = await letters.retry_all(args.sdkappid, args.state, reason=args.reason)
    left = f"; left alone: {retried.over} whose time is over, {retried.no_token} whose device has no token"
    call.show(
        msgspec.structs.asdict(retried), f"{retried.again} pushes are pending again{left if retried.over or retried.no_token else ''}"
    )
    return OK


COMMANDS = (
    Command(
        "push list",
        "list pushes that failed, expired, were suppressed or wait",
        _configure_list,
        _list,
        details="Newest first: push id, when, account, channel and certificate, reason with the vendor's last code, attempts.",
        examples=(
            "homing push list --sdkappid 1400000001",
            "homing push list --sdkappid 1400000001 --state expired --limit 200 --json",
        ),
    ),
    Command(
        "push retry",
        "try pushes again that failed or expired",
        _configure_retry,
        _retry,
        details=(
            "They become pending again, with a fresh count of attempts, where the message's lifetime has not ended and the device still\n"
            "has a push token. What is true by then is decided anew: a device that logged out stays silent, a message that was recalled\n"
            "is not pushed, and an older notification never replaces a newer one. A running server takes them up within about a second."
        ),
        examples=(
            "homing push retry --sdkappid 1400000001 --push-id 401234567890123456",
            "homing push retry --sdkappid 1400000001 --state failed --reason attempts_over",
        ),
    ),
    *JOB_COMMANDS,
)
