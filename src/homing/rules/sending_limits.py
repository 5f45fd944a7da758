"""How often an app may call each REST command: not at all limited, or with the original product's numbers, each one replaceable."""

from __future__ import annotations

from homing.model.apps import AppSettings, SendingLimits

#: Requests a second of one command and app (sheet push-statistics-and-limits, section 3, and rest-api).
ORIGINAL_DEFAULT = 200.0
ORIGINAL: dict[str, float] = {
    "all_member_push/im_push": 1.0,
    "all_member_push/im_push_revoke": 1.0,
    "timpush/push": 1.0,
    "timpush/batch": 30.0,
    "timpush/revoke": 1.0,
    "timpush/normal_push_statistics": 1.0,
    "timpush/all_member_push_statistics": 1.0,
}


def limit_of(settings: AppSettings, command: str) -> float:
    """Requests a second that an app may make of ``service/command``; 0 for no limit."""
    own = own_limits(settings.command_limits)
    if command in own:
        return own[command]
    if settings.sending_limits is SendingLimits.ORIGINAL:
        return ORIGINAL.get(command, ORIGINAL_DEFAULT)
    return 0.0


def own_limits(text: str) -> dict[str, float]:
    """The pairs of ``service/command=N,…``. Raises ``ValueError`` naming the pair that is none."""
    found = {}
    for pair in filter(None, (part.strip() for part in text.split(","))):
        command, equals, number = pair.partition("=")
        try:
            rate = float(number)
        except ValueError:
            rate = -1.0
        if not equals or command.count("/") != 1 or not 0 <= rate <= 1_000_000:
            raise ValueError(f"{pair[:80]!r} is not service/command=N with N requests a second")
        found[command] = rate
    return found
