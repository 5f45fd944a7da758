"""``homing usersig``: print a UserSig, for scripts and for trying things."""

from __future__ import annotations

import argparse
import time

from .app_commands import apps_of
from .command import OK, Call, Command, WrongUse, sdkappid_option, store_options, whole_number


def _configure(parser: argparse.ArgumentParser) -> None:
    sdkappid_option(parser)
    parser.add_argument("--user-id", required=True, metavar="ID", help="the account that the UserSig vouches for")
    parser.add_argument("--expire", type=whole_number, metavar="SECONDS", help="how long it is valid; default 180 days")
    store_options(parser)


async def _run(call: Call) -> int:
    from homing.model.devices import MAX_USER_ID_BYTES
    from homing.rules.usersig import DEFAULT_EXPIRE_SECONDS, sign

    args = call.args
    expire = args.expire or DEFAULT_EXPIRE_SECONDS
    if not 0 < len(args.user_id.encode(errors="surrogateescape")) <= MAX_USER_ID_BYTES or not args.user_id.isprintable():
        raise WrongUse(f"--user-id: a UserID has 1 to {MAX_USER_ID_BYTES} printable bytes")
    async with apps_of(call) as apps:
        app = await apps.require(args.sdkappid)
    now = int(time.time())
    usersig = sign(app.sdkappid, args.user_id, app.secret_key, now, expire)
    document = {"sdkappid": app.sdkappid, "user_id": args.user_id, "usersig": usersig, "issued_at": now, "expires_at": now + expire}
    call.show(document, usersig)
    return OK


COMMANDS = (
    Command(
        "usersig",
        "print a UserSig",
        _configure,
        _run,
        details="Whoever holds it is that account until it expires: treat it like a password.",
        examples=("homing usersig --sdkappid 1400000001 --user-id alice --expire 86400",),
    ),
)
