"""``homing sandbox``: vendor simulators and virtual phones on this machine."""

from __future__ import annotations

import argparse
from pathlib import Path

from .command import OK, Call, Command, Failure, WrongUse

DEFAULT_LISTEN = "127.0.0.1:8090"


def _configure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--listen", metavar="HOST:PORT", default=DEFAULT_LISTEN, help=f"address of the simulators; default {DEFAULT_LISTEN}"
    )
    parser.add_argument("--apns-listen", metavar="HOST:PORT", help="another address, for HTTP/2 alone")
    parser.add_argument("--apns-tls", metavar="FOLDER", help="serve --apns-listen over TLS; the CA for ca_file is written to this folder")
    parser.add_argument("--receipts-to", metavar="URL", default="", help="the server that receipts are sent to")


async def _run(call: Call) -> int:
    from homing.config import ConfigError, split_address
    from homing.sandbox.server import run_sandbox

    args = call.args
    if args.apns_tls and not args.apns_listen:
        raise WrongUse("--apns-tls needs --apns-listen: the plain address stays plain")
    try:
        listen = split_address(args.listen)
        apns_listen = split_address(args.apns_listen) if args.apns_listen else None
    except ConfigError as error:
        raise WrongUse(str(error)) from None
    folder = Path(args.apns_tls) if args.apns_tls else None
    try:
        await run_sandbox(listen, apns_listen, args.receipts_to, apns_tls_folder=folder)
    except OSError as error:
        places = args.listen + (f" or {args.apns_listen}" if args.apns_listen else "")
        raise Failure(f"{places} cannot be listened on ({error.strerror or error}): choose another address") from None
    return OK


COMMANDS = (
    Command(
        "sandbox",
        "run vendor simulators and virtual phones",
        _configure,
        _run,
        details="Prints `listening on http://HOST:PORT` when it can serve. Certificates get base_url and auth_url of it. Ctrl-C stops it.",
        examples=("homing sandbox --listen 127.0.0.1:8090",),
    ),
)
