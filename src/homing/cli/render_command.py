"""``homing render``: the exact vendor requests of a REST message body."""

from __future__ import annotations

import argparse
import secrets
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from .command import OK, Call, Command, Failure, WrongUse, sdkappid_option, store_options, whole_number

if TYPE_CHECKING:
    from homing.model.apps import App
    from homing.model.messages import Draft
    from homing.store.engine import Database

MAX_BODY_BYTES = 1024 * 1024


def _configure(parser: argparse.ArgumentParser) -> None:
    sdkappid_option(parser)
    parser.add_argument("--business-id", type=whole_number, required=True, metavar="N", help="the certificate's number")
    parser.add_argument("--token", required=True, metavar="T", help="the device's push token")
    parser.add_argument("--json-message", required=True, metavar="FILE", help="the body of openim/sendmsg; - reads it from stdin")
    parser.add_argument("--platform", default="", help="the device's platform; default the one that the channel serves")
    parser.add_argument("--lang", default="", help="language of placeholder texts, for example en or zh; default the app's")
    parser.add_argument("--nick", help="nickname of the sender; default the stored one")
    parser.add_argument("--badge", type=whole_number, metavar="N", help="unread total of the receiver; default 1")
    store_options(parser)


async def _run(call: Call) -> int:
    from homing.channels.registry import CHANNELS
    from homing.model.clock import SystemClock
    from homing.rules.explanations import reason_words
    from homing.services.apps import Apps
    from homing.services.certificates import Certificates
    from homing.services.preview import vendor_requests, why_not_pushed

    args = call.args
    body = _read(args.json_message)
    clock = SystemClock()
    async with call.database() as database:
        sealer = await call.sealer(database)
        app = await Apps(database, sealer, clock).require(args.sdkappid)
        certificate = await Certificates(database, sealer, clock).require(args.sdkappid, args.business_id)
        draft = _draft(app, body)
        nick = args.nick if args.nick is not None else await _nick(database, app.sdkappid, draft.from_account)
    if certificate.credentials is None or certificate.options is None:
        raise Failure(f"The secrets of certificate {args.business_id} cannot be opened: store them again with `homing cert set`")
    requests = vendor_requests(
        app=app,
        channel=CHANNELS[certificate.channel],
        certificate=certificate,
        draft=draft,
        token=args.token,
        clock=clock,
        platform=args.platform,
        language=args.lang,
        nick=nick,
        badge=args.badge or 1,
    )
    reason = why_not_pushed(draft)
    if reason:
        words = reason_words(reason)
        call.warn(f"note: this message would not be pushed: {words.en}. {words.cure_en}")
    import msgspec

    call.show(requests, msgspec.json.format(msgspec.json.encode(requests)).decode())
    return OK


def _read(path: str) -> bytes:
    try:
        if path == "-":
            body = sys.stdin.buffer.read(MAX_BODY_BYTES + 1)
        else:
            with Path(path).expanduser().open("rb") as file:
                body = file.read(MAX_BODY_BYTES + 1)
    except OSError as error:
        raise WrongUse(f"--json-message: {path} cannot be read ({error.strerror})") from None
    if len(body) > MAX_BODY_BYTES:
        raise WrongUse("--json-message: the message is larger than 1 MiB")
    return body


def _draft(app: App, body: bytes) -> Draft:
    """The message as ``sendmsg`` would take it. Its MsgRandom and To_Account may be missing here."""
    from homing.model.messages import MAX_LIFETIME_SECONDS, Draft, MessageFlags
    from homing.model.problems import Refused
    from homing.server.rest_v4.bodies import MESSAGE_FAMILY, BodyDecoder
    from homing.server.rest_v4.elements import check_elements
    from homing.server.rest_v4.message_commands import MessageFields

    class Body(MessageFields, kw_only=True):
        To_Account: str | tuple[str, ...] = ""

    try:
        request = BodyDecoder(Body, MESSAGE_FAMILY).decode(body)
        check_elements(request.MsgBody or ())
    except Refused as error:
        raise WrongUse(f"--json-message: {error.sentence}. {error.cure}") from None
    flags = MessageFlags.ONLINE_ONLY if request.OnlineOnlyFlag == 1 or request.MsgLifeTime == 0 else MessageFlags.NONE
    if "NoUnread" in request.SendMsgControl:
        flags |= MessageFlags.NO_UNREAD
    receivers = request.To_Account if isinstance(request.To_Account, tuple) else (request.To_Account,)
    return Draft(
        from_account=request.From_Account or app.admins[0],
        to_account=receivers[0] if receivers else "",
        elements=request.MsgBody or (),
        random=request.MsgRandom if request.MsgRandom >= 0 else secrets.randbits(32),
        seq=request.MsgSeq,
        sent_at=request.MsgTimeStamp,
        flags=flags,
        lifetime_seconds=min(max(0, request.MsgLifeTime), MAX_LIFETIME_SECONDS),
        push_info=request.OfflinePushInfo,
    )


async def _nick(database: Database, sdkappid: int, user_id: str) -> str:
    from homing.store.accounts import fetch_accounts

    found = await database.read(lambda tx: fetch_accounts(tx, sdkappid, [user_id]))
    return found[user_id].nick if user_id in found else ""


COMMANDS = (
    Command(
        "render",
        "show the vendor requests of a message without sending it",
        _configure,
        _run,
        details=(
            "Prints a JSON list of {method, url, headers, body}, with or without --json. Secrets are masked; where the vendor would give\n"
            "a log-in token, *** stands in its place. Nothing is sent, and nobody logs in."
        ),
        examples=("homing render --sdkappid 1400000001 --business-id 15501 --token abc --json-message message.json",),
    ),
)
