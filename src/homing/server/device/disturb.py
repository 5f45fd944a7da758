"""Do not disturb, as a device sets it for its account."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypedDict

import msgspec

from homing.server.quiet_times import clock_of, window_of

from .answers import Done

if TYPE_CHECKING:
    from .operations import Caller


class SetOptionsBody(msgspec.Struct):
    """What the account wants of its conversations with these peers; what is left out stays."""

    peers: list[str]
    option: int | None = None
    pass_quiet_hours: bool | None = None


class OptionsBody(msgspec.Struct):
    """The conversations that are asked about."""

    peers: list[str]


class QuietHoursBody(msgspec.Struct):
    """Daily from a time of the local day on, or once from ``starts_at`` (unix seconds) on."""

    duration_seconds: int
    start_hour: int = 0
    start_minute: int = 0
    start_second: int = 0
    starts_at: int = 0
    time_zone: str = ""
    utc_offset_minutes: int = 0


class PeerOptions(TypedDict):
    """What the account wants of one conversation."""

    peer: str
    option: int
    pass_quiet_hours: bool


class OptionsAnswer(TypedDict):
    """What the account wants of its conversations."""

    options: list[PeerOptions]


class QuietHoursAnswer(TypedDict):
    """The window, or null, and whether the account is in it now."""

    quiet_hours: QuietHoursBody | None
    active: bool


async def set_receive_options(caller: Caller, body: SetOptionsBody) -> Done:
    """Mute conversations, or let them ring again."""
    device = caller.device
    await caller.hub.do_not_disturb.set_options(
        caller.app, device.user_id, body.peers, option=body.option, passes_quiet=body.pass_quiet_hours
    )
    return {}


async def receive_options(caller: Caller, body: OptionsBody) -> OptionsAnswer:
    """What the account wants of its conversations."""
    found = await caller.hub.do_not_disturb.options(caller.app, caller.device.user_id, body.peers)
    options: list[PeerOptions] = [{"peer": peer, "option": row.option, "pass_quiet_hours": row.passes_quiet} for peer, row in found.items()]
    return {"options": options}


async def set_quiet_hours(caller: Caller, body: QuietHoursBody | None) -> Done:
    """Set the account's do-not-disturb window, or end it."""
    window = None
    if body is not None:
        clock = (body.start_hour, body.start_minute, body.start_second)
        window = window_of(clock, body.duration_seconds, body.time_zone, body.utc_offset_minutes, body.starts_at)
    await caller.hub.do_not_disturb.set_quiet_hours(caller.app, caller.device.user_id, window)
    return {}


async def quiet_hours(caller: Caller, _: object) -> QuietHoursAnswer:
    """The account's do-not-disturb window."""
    state = await caller.hub.do_not_disturb.quiet_hours(caller.app, caller.device.user_id)
    if state.window is None:
        return {"quiet_hours": None, "active": False}
    hour, minute, second = clock_of(state.window)
    window = QuietHoursBody(
        state.window.duration_seconds,
        hour,
        minute,
        second,
        state.window.starts_at,
        state.window.time_zone,
        state.window.utc_offset_minutes,
    )
    return {"quiet_hours": window, "active": state.active}
