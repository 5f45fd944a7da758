"""``homing cert``: add, list, check and change push certificates."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .app_commands import pair
from .cert_check import configure_check, run_check
from .cert_database import certificates_of
from .command import OK, Call, Command, Failure, WrongUse, sdkappid_option, store_options, whole_number

if TYPE_CHECKING:
    from collections.abc import Sequence

    from homing.channels.base import Channel, FieldProblem
    from homing.model.certificates import Certificate

MAX_FILE_BYTES = 64 * 1024


def channel_named(name: str) -> Channel:
    """The channel. Raises ``WrongUse`` naming the ones there are."""
    from homing.channels.registry import CHANNELS
    from homing.config import nearest

    channel = CHANNELS.get(name)
    if channel is None:
        raise WrongUse(f"there is no channel {name!r}{nearest(name, CHANNELS)} (channels: {', '.join(CHANNELS)})")
    return channel


def document(certificate: Certificate) -> dict[str, Any]:
    """A certificate as it is printed: secrets only as set or not set."""
    from homing.channels.fields import shown

    readable = certificate.credentials is not None and certificate.options is not None
    return {
        "sdkappid": certificate.sdkappid,
        "business_id": certificate.business_id,
        "channel": certificate.channel,
        "name": certificate.name,
        "version": certificate.version,
        "paused_reason": certificate.paused_reason,
        "receipt_path": f"/v1/receipts/{certificate.receipt_path}",
        "fields": shown(certificate.credentials, certificate.options) if readable else {},
    }


def _text(certificate: Certificate) -> str:
    shown = document(certificate)
    state = f"PAUSED: {certificate.paused_reason}" if certificate.paused_reason else "in use"
    lines = [f"certificate {certificate.business_id} of app {certificate.sdkappid}: {certificate.channel} {certificate.name}".rstrip()]
    lines += [f"  state: {state}", f"  receipts: {shown['receipt_path']}"]
    lines += [f"  {key} = {value}" for key, value in shown["fields"].items() if value]
    return "\n".join(lines)


def _value_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--name", help="what people call it")
    parser.add_argument(
        "--set",
        action="append",
        default=[],
        metavar="KEY=VALUE",
        dest="values",
        help="a field's value, see `homing cert fields`; repeatable",
    )
    parser.add_argument(
        "--file", action="append", default=[], metavar="KEY=PATH", dest="files", help="a field's value from a file; repeatable"
    )


def _values(args: argparse.Namespace) -> dict[str, str | bytes]:
    values: dict[str, str | bytes] = {}
    for option, texts in (("--set", args.values), ("--file", args.files)):
        for text in texts:
            key, value = pair(text, option)
            if key in values:
                raise WrongUse(f"the field {key} is given twice")
            values[key] = _content(key, value) if option == "--file" else value
    return values


def _content(key: str, path: str) -> bytes:
    try:
        with Path(path).expanduser().open("rb") as file:
            content = file.read(MAX_FILE_BYTES + 1)
    except OSError as error:
        raise WrongUse(f"--file {key}: {path} cannot be read ({error.strerror})") from None
    if len(content) > MAX_FILE_BYTES:
        raise WrongUse(f"--file {key}: {path} is larger than 64 KiB and so is no key file")
    return content


def refuse(problems: Sequence[FieldProblem]) -> WrongUse:
    """The refusal of fields in one sentence: the first problem, and the names of the others."""
    first = problems[0]
    others = [problem.field for problem in problems[1:] if problem.field != first.field]
    more = f"; also wrong: {', '.join(dict.fromkeys(others))}" if others else ""
    sentence = first.sentence if first.field in first.sentence else f"{first.field}: {first.sentence}"
    return WrongUse(f"{sentence.rstrip('.')} ({first.cure.rstrip('.')}){more}; nothing was stored")


def _configure_add(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("channel", metavar="CHANNEL", help="the vendor's channel, for example fcm or apns")
    sdkappid_option(parser)
    parser.add_argument("--business-id", type=whole_number, metavar="N", help="the certificate's number; default the next free one")
    _value_options(parser)
    store_options(parser)


async def _add(call: Call) -> int:
    args = call.args
    channel_named(args.channel)
    values = _values(args)
    async with certificates_of(call) as certificates:
        added = await certificates.add(args.sdkappid, args.channel, values, business_id=args.business_id, name=args.name or "")
        if isinstance(added, list):
            raise refuse(added)
        warnings = [problem for problem in certificates.problems(added) if problem.warning]
    for problem in warnings:
        call.warn(f"warning: {problem.sentence}. {problem.cure}")
    result = document(added) | {"warnings": [{"field": p.field, "sentence": p.sentence, "cure": p.cure} for p in warnings]}
    call.show(result, str(added.business_id))
    return OK


def _configure_one(parser: argparse.ArgumentParser) -> None:
    sdkappid_option(parser)
    parser.add_argument("--business-id", type=whole_number, required=True, metavar="N", help="the certificate's number")
    store_options(parser)


async def _list(call: Call) -> int:
    async with certificates_of(call) as certificates:
        found = await certificates.of_known_app(call.args.sdkappid)
    lines = [
        f"{c.business_id}  {c.channel:<8}  {'PAUSED: ' + c.paused_reason if c.paused_reason else 'in use'}  {c.name}".rstrip()
        for c in found
    ]
    call.show([document(c) for c in found], "\n".join(lines) or "no certificate yet: add one with `homing cert add`")
    return OK


def _configure_list(parser: argparse.ArgumentParser) -> None:
    sdkappid_option(parser)
    store_options(parser)


async def _show(call: Call) -> int:
    async with certificates_of(call) as certificates:
        certificate = await certificates.require(call.args.sdkappid, call.args.business_id)
    call.show(document(certificate), _text(certificate))
    return OK


def _configure_set(parser: argparse.ArgumentParser) -> None:
    _value_options(parser)
    _configure_one(parser)


async def _set(call: Call) -> int:
    args = call.args
    values = _values(args)
    if not values and args.name is None:
        raise WrongUse("nothing to change: give --set, --file or --name (see `homing cert set --help`)")
    async with certificates_of(call, replacing=True) as certificates:
        changed = await certificates.update(args.sdkappid, args.business_id, values, name=args.name)
    if isinstance(changed, list):
        raise refuse(changed)
    call.show(document(changed), _text(changed))
    return OK


async def _remove(call: Call) -> int:
    args = call.args
    async with certificates_of(call, replacing=True) as certificates:
        if not await certificates.remove(args.sdkappid, args.business_id):
            raise Failure(f"app {args.sdkappid} has no certificate {args.business_id}: `homing cert list` shows those it has")
    call.show(
        {"removed": args.business_id}, f"certificate {args.business_id} is removed; its devices get no push until they report another"
    )
    return OK


async def _pause(call: Call) -> int:
    args = call.args
    async with certificates_of(call) as certificates:
        await certificates.require(args.sdkappid, args.business_id)
        await certificates.pause(args.sdkappid, args.business_id, args.reason)
        certificate = await certificates.require(args.sdkappid, args.business_id)
    call.show(document(certificate), f"certificate {args.business_id} is paused: {certificate.paused_reason}")
    return OK


def _configure_pause(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--reason", default="paused by the operator", help="what `homing explain` will say")
    _configure_one(parser)


async def _resume(call: Call) -> int:
    args = call.args
    async with certificates_of(call) as certificates:
        certificate = await certificates.require(args.sdkappid, args.business_id)
        resumed = await certificates.resume(args.sdkappid, args.business_id)
        certificate = await certificates.require(args.sdkappid, args.business_id)
    if certificate.paused_reason:
        raise Failure(
            f"certificate {args.business_id} stays paused ({certificate.paused_reason}): store its secrets with `homing cert set`"
        )
    text = f"certificate {args.business_id} is in use again" if resumed else f"certificate {args.business_id} was not paused"
    call.show(document(certificate), text)
    return OK


def _configure_fields(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("channel", metavar="CHANNEL", help="the vendor's channel, for example fcm or apns")
    parser.add_argument("--lang", choices=("en", "zh"), default="en", help="language of the help texts")


def _fields(call: Call) -> int:
    import msgspec

    from homing.channels.fields import describe

    found = describe(channel_named(call.args.channel))
    chinese = call.args.lang == "zh"
    lines = []
    for field in found:
        marks = [mark for mark, holds in (("required", field.required), ("secret", field.secret), ("file", field.file)) if holds]
        default = f"default {field.default}" if field.default else ""
        choices = "one of " + ", ".join(c for c in field.choices if c) if field.choices else ""
        notes = "; ".join(note for note in (", ".join(marks), default, choices) if note)
        label = field.label_zh if chinese else field.label_en
        help_text = field.help_zh if chinese else field.help_en
        lines.append(f"{field.name}  {label}" + (f" ({notes})" if notes else "") + (f"\n    {help_text}" if help_text else ""))
    call.show([msgspec.structs.asdict(field) for field in found], "\n".join(lines))
    return OK


COMMANDS = (
    Command(
        "cert add",
        "add a push certificate and print its business id",
        _configure_add,
        _add,
        details="Each vendor has its own fields: `homing cert fields CHANNEL` lists them. A wrong one is named, and nothing is stored.",
        examples=("homing cert add fcm --sdkappid 1400000001 --name production --file service_account=service-account.json",),
    ),
    Command("cert fields", "list the fields of a channel's certificates", _configure_fields, _fields),
    Command("cert list", "list an app's certificates", _configure_list, _list),
    Command("cert show", "show a certificate, secrets masked", _configure_one, _show),
    Command(
        "cert check",
        "log in with the vendor and say whether the credentials work",
        configure_check,
        run_check,
        details="Nothing is sent to a phone. Exit status 1 when something would fail.",
    ),
    Command(
        "cert set",
        "change a certificate",
        _configure_set,
        _set,
        details="What is not given stays; an empty value resets a field to its default. A pause ends.",
        examples=("homing cert set --sdkappid 1400000001 --business-id 15501 --set channel_id=chat",),
    ),
    Command("cert pause", "stop using a certificate", _configure_pause, _pause),
    Command("cert resume", "end a pause", _configure_one, _resume),
    Command("cert remove", "delete a certificate", _configure_one, _remove),
)
