"""``homing quota``: what each certificate sent today, what the vendor allows, and which lanes wait for its midnight."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING, Any

from .command import OK, Call, Command, sdkappid_option, store_options

if TYPE_CHECKING:
    from homing.services.quotas import LaneQuota


def _configure(parser: argparse.ArgumentParser) -> None:
    sdkappid_option(parser)
    parser.add_argument("--lang", choices=("en", "zh"), default="en", help="language of the cure")
    store_options(parser)


async def _run(call: Call) -> int:
    from homing.model.clock import SystemClock
    from homing.services.quotas import Quotas

    args = call.args
    async with call.database() as database:
        lanes = await Quotas(database, SystemClock()).of_app(args.sdkappid)
    document = {"sdkappid": args.sdkappid, "lanes": [_told(lane, args.lang) for lane in lanes]}
    lines = [line for lane in lanes for line in _lines(lane, args.lang)]
    call.show(document, "\n".join(lines) or "no certificate yet: add one with `homing cert add`")
    return OK


def _told(lane: LaneQuota, language: str) -> dict[str, Any]:
    import msgspec

    return msgspec.structs.asdict(lane) | {"cure": _cure(language) if lane.stopped_until_ms else ""}


def _lines(lane: LaneQuota, language: str) -> list[str]:
    from homing.services.explain import moment

    limit = f"of {lane.limit:,}" if lane.limit is not None else "no documented limit"
    device = f", {lane.device_limit} a device" if lane.device_limit is not None else ""
    lines = [
        f"{lane.business_id}  {lane.channel:<8}  {lane.notification_class:<7}  {lane.day}  "
        f"{lane.accepted:,} accepted, {limit}{device}  {lane.name}".rstrip()
    ]
    if lane.stopped_until_ms:
        lines += [f"    STOPPED: the vendor's daily quota is used up; goes on at {moment(lane.stopped_until_ms)}", f"    {_cure(language)}"]
    return lines


def _cure(language: str) -> str:
    from homing.model.outcome import OutcomeKind
    from homing.rules.explanations import outcome_words

    return outcome_words(OutcomeKind.QUOTA_APP).cure(language)


COMMANDS = (
    Command(
        "quota",
        "show what was sent today, what the vendors allow, and which lanes wait",
        _configure,
        _run,
        details=(
            "A line for each certificate and notification class: the vendor's day, how many pushes it accepted in it, and the vendor's\n"
            "documented limit for the smallest app. When a vendor says that the daily quota is used up, that certificate's class rests\n"
            "until the vendor's midnight and then goes on by itself; nothing is lost unless its lifetime ends before."
        ),
        examples=("homing quota --sdkappid 1400000001", "homing quota --sdkappid 1400000001 --json"),
    ),
)
