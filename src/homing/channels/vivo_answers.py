"""What vivo's answers mean: its codes, and the users that they name (vendor sheet vivo, section 5)."""

from __future__ import annotations

from typing import Any, Final

from homing.channels.answers import integer, json_object, one_line, retry_after, text
from homing.channels.china_day import seconds_to_midnight
from homing.model.outcome import Evidence, Outcome, OutcomeKind, VendorRequest, VendorResponse

_REFUSED: Final = OutcomeKind.MESSAGE_REFUSED
_CREDENTIALS: Final = OutcomeKind.CREDENTIALS_REFUSED
# 0 and 10302 stand apart: they speak of tokens.
_BY_CODE: Final[dict[int, OutcomeKind]] = {
    10000: OutcomeKind.AUTH_EXPIRED,
    **dict.fromkeys(range(10040, 10070), _REFUSED),  # parameters; sources differ about the members of this range
    10070: OutcomeKind.QUOTA_APP,
    10071: OutcomeKind.THROTTLED,  # until the morning
    10072: OutcomeKind.THROTTLED,
    10073: OutcomeKind.QUOTA_APP,
    10085: _REFUSED,
    10094: _CREDENTIALS,
    10096: OutcomeKind.CLASS_REFUSED,
    10097: OutcomeKind.CLASS_REFUSED,
    10101: _REFUSED,
    10102: OutcomeKind.VENDOR_DOWN,
    10103: _REFUSED,
    10104: _REFUSED,
    10200: _CREDENTIALS,
    10201: _CREDENTIALS,
    10202: _CREDENTIALS,
    10203: _CREDENTIALS,
    10204: _CREDENTIALS,
    10205: _CREDENTIALS,
    10206: _CREDENTIALS,
    10207: OutcomeKind.UNKNOWN,  # the clock: worth another try with a fresh time
    10250: OutcomeKind.THROTTLED,
    10252: OutcomeKind.UNKNOWN,
    10254: _REFUSED,
    10303: _REFUSED,
    10304: _REFUSED,
}
INVALID_ID: Final = 10302
TASK: Final = "task:"  # the context of a list push begins so; behind it stands the task that is pushed
TEXT_REFUSED: Final = frozenset({10085, 10103, 10104})
_CLOSED_HOURS: Final = 10071
_MORNING_SECONDS: Final = 7 * 3600
_DAY_SECONDS: Final = 86_400
# Section 5, status of an invalid user. Who is inactive or no test device is alive.
_DEAD: Final = {1: "unknown in this app", 2: "uninstalled, unsubscribed or cleared"}
_ALIVE: Final = {3: "inactive for long", 4: "not a test device: set test_mode=0, or list the phone in vivo's console"}


def outcomes(request: VendorRequest, response: VendorResponse, now_ms: int) -> list[Outcome]:
    """One outcome for each target. Users are named after any result, and in three places."""
    answer = json_object(response.body)
    code, words = result(answer), one_line(answer.get("desc"))
    invalid = _invalid_users(answer)
    if code == 0:
        pushed = request.context.removeprefix(TASK) if request.context.startswith(TASK) else ""
        accepted = Outcome(OutcomeKind.ACCEPTED, "0", vendor_message_id=task_id(answer) or pushed)
    elif code == INVALID_ID:
        single = len(request.targets) == 1
        status = next(iter(invalid.values()), 0) if single else 0
        if single:
            return [_about_user(status, str(code), words)]
        accepted = Outcome(OutcomeKind.UNKNOWN, str(code), words)  # for those of a list that are not named
    else:
        return [refusal(response, now_ms)] * len(request.targets)
    return [_about_user(invalid[target.token], str(code), words) if target.token in invalid else accepted for target in request.targets]


def refusal(response: VendorResponse, now_ms: int) -> Outcome:
    """What a refusal of the whole request means."""
    answer = json_object(response.body)
    code, words = result(answer), one_line(answer.get("desc"))
    wait = retry_after(response.headers, now_ms)
    if code is None or code == 0:
        kind = OutcomeKind.VENDOR_DOWN if response.status >= 500 else OutcomeKind.UNKNOWN
        kind = OutcomeKind.THROTTLED if response.status == 429 else kind
        return Outcome(kind, str(response.status), words, retry_after_seconds=wait)
    kind = _BY_CODE.get(code) or (OutcomeKind.VENDOR_DOWN if response.status >= 500 else _REFUSED)  # unknown codes: given up
    if kind is OutcomeKind.QUOTA_APP:
        wait = seconds_to_midnight(now_ms)  # calling on makes the vendor lower the quota
    elif code == _CLOSED_HOURS:
        words = words or "operational messages go out between 07:00 and 23:00 only"
        wait = seconds_to_morning(now_ms)
    elif kind not in {OutcomeKind.THROTTLED, OutcomeKind.VENDOR_DOWN}:
        wait = None
    return Outcome(kind, str(code), words, retry_after_seconds=wait)


def result(answer: dict[str, Any]) -> int | None:
    """``result``, which some clients meet as text."""
    value = answer.get("result")
    if isinstance(value, str) and value.isascii() and value.lstrip("-").isdigit() and len(value) < 10:
        return int(value)
    return value if isinstance(value, int) and not isinstance(value, bool) else None


def task_id(answer: dict[str, Any]) -> str:
    """The vendor's id of the send."""
    return text(answer.get("taskId"))[:256]


def seconds_to_morning(now_ms: int) -> float:
    """Seconds until 07:00 in China, when operational messages may be sent again."""
    return (seconds_to_midnight(now_ms) + _MORNING_SECONDS) % _DAY_SECONDS or float(_DAY_SECONDS)


def _about_user(status: int, code: str, words: str) -> Outcome:
    if status in _ALIVE:
        return Outcome(_REFUSED, f"{code}/{status}", _ALIVE[status])
    detail = _DEAD.get(status) or words
    return Outcome(OutcomeKind.TOKEN_DEAD, f"{code}/{status}" if status else code, detail, evidence=Evidence.TOKEN)


def _invalid_users(answer: dict[str, Any]) -> dict[str, int]:
    """Ids with their status."""
    found: dict[str, int] = {}
    for name in ("invalidUser", "invalidUsers", "data"):
        value = answer.get(name)
        for entry in value if isinstance(value, list) else [value]:
            if isinstance(entry, dict) and (user := text(entry.get("userid", entry.get("userId")))):
                found[user] = integer(entry.get("status"))
    return found
