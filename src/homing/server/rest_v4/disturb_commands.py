"""Do not disturb for backends. The original has it in its SDK alone (rest-api sheet, section 5); these commands are Homing's own."""

from __future__ import annotations

import msgspec

from homing.model.problems import MSG_BAD_FORMAT, MSG_BAD_PACKAGE, Refused
from homing.model.receive_options import ReceiveOption
from homing.server.quiet_times import clock_of, window_of

from .answers import Answer
from .bodies import MESSAGE_FAMILY
from .command import Command
from .gate import Call


class SetC2COption(msgspec.Struct):
    """Whose option, for which peers (at most 30)."""

    From_Account: str = ""
    To_Account: list[str] = []
    Opt: int | None = None
    PassQuietHours: int | None = None


class GetC2COption(msgspec.Struct):
    """Whose options, for which peers (at most 30)."""

    From_Account: str = ""
    To_Account: list[str] = []


class C2COption(msgspec.Struct):
    """What an account wants of one conversation."""

    To_Account: str
    Opt: int
    PassQuietHours: int


class C2COptionAnswer(Answer):
    """One item a peer."""

    OptList: list[C2COption] = msgspec.field(default_factory=list)


class SetAllOption(msgspec.Struct):
    """The window: daily from a time of the local day on, or once from StartTimeStamp on; Opt 0 ends it."""

    From_Account: str = ""
    Opt: int = ReceiveOption.SILENT
    StartHour: int = 0
    StartMinute: int = 0
    StartSecond: int = 0
    StartTimeStamp: int = 0
    Duration: int = 0
    TimeZone: str = ""
    UtcOffsetMinutes: int = 0


class GetAllOption(msgspec.Struct):
    """Whose window."""

    From_Account: str = ""


class AllOptionAnswer(Answer):
    """The window; Opt 0 where there is none. Active 1: the account is in it now."""

    Opt: int = 0
    StartHour: int = 0
    StartMinute: int = 0
    StartSecond: int = 0
    StartTimeStamp: int = 0
    Duration: int = 0
    TimeZone: str = ""
    UtcOffsetMinutes: int = 0
    Active: int = 0


async def set_c2c_receive_opt(call: Call, request: SetC2COption) -> Answer:
    """Mute conversations for an account, or let them ring again."""
    if request.Opt is None and request.PassQuietHours is None:
        raise Refused(MSG_BAD_FORMAT, "$.Opt: it is missing")
    passes = None if request.PassQuietHours is None else request.PassQuietHours == 1
    user_id = _required(request.From_Account)
    await call.hub.do_not_disturb.set_options(call.app, user_id, request.To_Account, option=request.Opt, passes_quiet=passes)
    return Answer()


async def get_c2c_receive_opt(call: Call, request: GetC2COption) -> C2COptionAnswer:
    """Read what an account wants of its conversations."""
    found = await call.hub.do_not_disturb.options(call.app, _required(request.From_Account), request.To_Account)
    return C2COptionAnswer(OptList=[C2COption(peer, row.option, int(row.passes_quiet)) for peer, row in found.items()])


async def set_all_receive_opt(call: Call, request: SetAllOption) -> Answer:
    """Set an account's do-not-disturb window, or end it."""
    user_id = _required(request.From_Account)
    if request.Opt not in (ReceiveOption.NOTIFY, ReceiveOption.SILENT):
        raise Refused(MSG_BAD_FORMAT, "$.Opt: it must be 0 or 2")
    window = None
    if request.Opt == ReceiveOption.SILENT:
        clock = (request.StartHour, request.StartMinute, request.StartSecond)
        window = window_of(clock, request.Duration, request.TimeZone, request.UtcOffsetMinutes, request.StartTimeStamp)
    await call.hub.do_not_disturb.set_quiet_hours(call.app, user_id, window)
    return Answer()


async def get_all_receive_opt(call: Call, request: GetAllOption) -> AllOptionAnswer:
    """Read an account's do-not-disturb window."""
    state = await call.hub.do_not_disturb.quiet_hours(call.app, _required(request.From_Account))
    window = state.window
    if window is None:
        return AllOptionAnswer()
    hour, minute, second = clock_of(window)
    return AllOptionAnswer(
        Opt=ReceiveOption.SILENT,
        StartHour=hour,
        StartMinute=minute,
        StartSecond=second,
        StartTimeStamp=window.starts_at,
        Duration=window.duration_seconds,
        TimeZone=window.time_zone,
        UtcOffsetMinutes=window.utc_offset_minutes,
        Active=int(state.active),
    )


def _required(user_id: str) -> str:
    if not user_id:
        raise Refused(MSG_BAD_PACKAGE, "$.From_Account: it is missing")
    return user_id


DISTURB_COMMANDS: tuple[Command, ...] = (
    Command("openim/set_c2c_receive_opt", SetC2COption, set_c2c_receive_opt, MESSAGE_FAMILY),
    Command("openim/get_c2c_receive_opt", GetC2COption, get_c2c_receive_opt, MESSAGE_FAMILY, answer=C2COptionAnswer),
    Command("openim/set_all_receive_opt", SetAllOption, set_all_receive_opt, MESSAGE_FAMILY),
    Command("openim/get_all_receive_opt", GetAllOption, get_all_receive_opt, MESSAGE_FAMILY, answer=AllOptionAnswer),
)
