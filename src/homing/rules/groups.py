"""What a kind of group means: its ids, who may come in and speak, and what a member hears of it at first."""

from __future__ import annotations

from homing.model.groups import LIVE, MAX_GROUP_ID_BYTES, Group, GroupDetails, GroupKind, Member
from homing.model.problems import GROUP_DENIED, GROUP_MUTED, Problem
from homing.model.receive_options import NO_SCREENING, ReceiveOption, Screening

from .decision import MessageTraits
from .screening import is_quiet

AUTOMATIC_PREFIX = "@TGS#"
COMMUNITY_PREFIX = "@TGS#_"
_MENTIONS_PASS = (ReceiveOption.SILENT_BUT_MENTIONS, ReceiveOption.DISCARD_BUT_MENTIONS)
_DISCARDS = (ReceiveOption.DISCARD, ReceiveOption.DISCARD_BUT_MENTIONS)
_DIGITS = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ"


def automatic_group_id(number: int, kind: GroupKind) -> str:
    """The id of a group whose creator chose none."""
    text = ""
    while number:
        number, digit = divmod(number, 36)
        text = _DIGITS[digit] + text
    return f"{COMMUNITY_PREFIX if kind is GroupKind.COMMUNITY else AUTOMATIC_PREFIX}{text}"


def is_group_id(text: str, kind: GroupKind, *, given: bool = True) -> bool:
    """Whether a group may have this id. ``given``: its creator chose it, so it must not look like one that was made up."""
    if not 0 < len(text) <= MAX_GROUP_ID_BYTES or not text.isascii() or not text.isprintable():
        return False
    reserved = text.startswith(AUTOMATIC_PREFIX) and not (kind is GroupKind.COMMUNITY and text.startswith(COMMUNITY_PREFIX))
    return not (given and reserved)


def can_join(group: Group) -> bool:
    """Whether an account may come in by itself. Private groups are by invitation; live audiences and ChatRooms are open."""
    if group.kind in LIVE or group.kind == GroupKind.CHATROOM:
        return group.apply_join != "DisableApply"
    return group.kind != GroupKind.PRIVATE and group.apply_join == "FreeAccess"


def first_receive_option(kind: GroupKind) -> ReceiveOption:
    """A new member's option. Meetings do not ring (rest-api sheet, section 4)."""
    return ReceiveOption.SILENT if kind is GroupKind.CHATROOM else ReceiveOption.NOTIFY


def may_speak(group: Group, sender: Member | None, now: int, *, by_admin: bool) -> Problem | None:
    """Why this account may not speak in the group now (unix seconds), or None. ``by_admin``: the backend's own administrator."""
    if by_admin:
        return None
    if sender is None:
        return GROUP_DENIED
    if sender.muted_until > now or (group.mute_all and not sender.leads):
        return GROUP_MUTED
    return None


def is_mentioned(details: GroupDetails, user_id: str) -> bool:
    """Whether the message names this member, or everybody."""
    return details.at_all or user_id in details.at


def member_screening(option: int, found: Screening | None) -> Screening:
    """What a member has set: its option in the group, and its account's quiet hours. A blacklist does not bear on groups."""
    if found is None:
        return NO_SCREENING if option == ReceiveOption.NOTIFY else Screening(option=option)
    return Screening(option=option, passes_quiet=found.passes_quiet, quiet_hours=found.quiet_hours)


def member_traits(
    message: MessageTraits, screening: Screening, details: GroupDetails, user_id: str, now_ms: int, *, honours_mute: bool
) -> MessageTraits:
    """The message as the decision sees it for one member.

    The option counts always, whoever sends (rest-api sheet, section 4); quiet hours where the sender leaves it to the receiver
    (``honours_mute``). With an option that lets mentions through, a mention rings in spite of both.
    """
    if screening is NO_SCREENING:
        return message
    mentioned = screening.option in _MENTIONS_PASS and is_mentioned(details, user_id)
    quiet = screening.quiet_hours if honours_mute and not screening.passes_quiet else None
    return MessageTraits(
        push_flag=message.push_flag,
        online_only=message.online_only,
        describable=message.describable,
        muted=screening.option != ReceiveOption.NOTIFY,
        quiet=quiet is not None and is_quiet(quiet, now_ms // 1000),
        mentioned=mentioned,
        discarded=screening.option in _DISCARDS and not mentioned,
    )
