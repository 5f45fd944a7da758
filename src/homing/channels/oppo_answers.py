"""What OPPO's answers mean: its codes, for a request and for each message in it (vendor sheet oppo, section 5)."""

from __future__ import annotations

import re
from typing import Any, Final

from homing.channels.answers import json_object, one_line, retry_after, text
from homing.channels.china_day import seconds_to_midnight
from homing.model.outcome import Evidence, Outcome, OutcomeKind, VendorRequest, VendorResponse

TOKEN: Final = re.compile(r"(?:[A-Za-z0-9]{2,10}_)?(?:(?:[A-Z]{2}|EUEX)_)?[0-9A-Fa-f]{32}")

_REFUSED: Final = OutcomeKind.MESSAGE_REFUSED
_CREDENTIALS: Final = OutcomeKind.CREDENTIALS_REFUSED
# Section 5. 0, 41 and 10000 stand apart: they speak of tokens.
_BY_CODE: Final[dict[int, OutcomeKind]] = {
    -1: OutcomeKind.VENDOR_DOWN,
    -2: OutcomeKind.THROTTLED,
    11: OutcomeKind.AUTH_EXPIRED,
    12: _REFUSED,
    13: OutcomeKind.THROTTLED,
    14: _CREDENTIALS,
    15: _CREDENTIALS,
    16: _CREDENTIALS,
    17: _CREDENTIALS,
    18: OutcomeKind.UNKNOWN,  # the clock: worth another try with a fresh time
    19: OutcomeKind.UNKNOWN,
    **dict.fromkeys(range(20, 26), _REFUSED),
    26: _CREDENTIALS,
    27: OutcomeKind.CLASS_REFUSED,
    28: _CREDENTIALS,
    29: OutcomeKind.AUTH_EXPIRED,
    30: _CREDENTIALS,
    31: _REFUSED,
    32: OutcomeKind.ACCEPTED,  # a repeat of what was sent already
    33: OutcomeKind.QUOTA_APP,
    34: _REFUSED,
    40: _REFUSED,
    41: _REFUSED,
    51: _REFUSED,
    54: OutcomeKind.CLASS_REFUSED,
    55: OutcomeKind.THROTTLED,
    59: _REFUSED,
    67: OutcomeKind.CLASS_REFUSED,
}
_CLASSIFICATION: Final = 67
_OTHER_REGION: Final = "the token belongs to another region: add a certificate of that region for it"


def outcomes(request: VendorRequest, response: VendorResponse, now_ms: int) -> list[Outcome]:
    """Code 0 has a verdict for each message; every other code is about the request."""
    answer = json_object(response.body)
    code, words, targets = _code(answer.get("code")), one_line(_words(answer)), request.targets
    if code == 0:
        return _accepted(request, answer.get("data"))
    if code == 10000 and len(targets) > 1:  # nobody knows which; each is tried again
        return [Outcome(OutcomeKind.UNKNOWN, "10000", words)] * len(targets)
    if code in {10000, 41} and len(targets) == 1:
        return [_about_token(code, words, targets[0].token, request.context)]
    return [refusal(response, now_ms)] * len(targets)


def class_refused(response: VendorResponse) -> bool:
    """Whether the class is what the whole request, or each message in it, was refused for."""
    answer = json_object(response.body)
    code, data = _code(answer.get("code")), answer.get("data")
    if code == 0 and isinstance(data, list) and data:
        return all(isinstance(item, dict) and _code(item.get("errorCode")) == _CLASSIFICATION for item in data)
    return code == _CLASSIFICATION


def region_of(token: str) -> str:
    """Where a registration id belongs (section 1)."""
    parts = token.split("_")
    china = len(parts) == 1 or (len(parts) == 2 and parts[0] == "CN") or (len(parts) == 3 and parts[1] == "CN")
    return "china" if china else "overseas"


def _code(value: Any) -> int | None:
    if isinstance(value, str) and value.lstrip("-").isdigit() and len(value) < 10:
        return int(value)
    return value if isinstance(value, int) and not isinstance(value, bool) else None


def _words(answer: dict[str, Any]) -> Any:
    return answer.get("message") or answer.get("msg")


def _accepted(request: VendorRequest, data: Any) -> list[Outcome]:
    """Code 0 does not mean that every message was taken; items are matched by id, then by place (section 5)."""
    items = [item for item in (data if isinstance(data, list) else [data]) if isinstance(item, dict)]
    by_token = {text(item.get("registrationId") or item.get("registration_id")): item for item in items}
    in_order = len(items) == len(request.targets)
    found = []
    for place, target in enumerate(request.targets):
        item = by_token.get(target.token) or (items[place] if in_order and not _named(items[place]) else {})
        found.append(_item_outcome(item, target.token, request.context))
    return found


def _named(item: dict[str, Any]) -> bool:
    return bool(item.get("registrationId") or item.get("registration_id"))


def _item_outcome(item: dict[str, Any], token: str, region: str) -> Outcome:
    code = _code(item.get("errorCode", item.get("error_code", 0)))
    if code in {0, None}:
        identifier = text(item.get("messageId") or item.get("message_id"))[:256]
        return Outcome(OutcomeKind.ACCEPTED, "0", vendor_message_id=identifier)
    words = one_line(item.get("errorMessage") or item.get("error_message"))
    assert code is not None
    if code in {10000, 41}:
        return _about_token(code, words, token, region)
    return Outcome(_BY_CODE.get(code, _REFUSED), str(code), words)


def _about_token(code: int, words: str, token: str, region: str) -> Outcome:
    """10000, and 41 for what cannot be an id. An id of another region is alive: it was sent to the wrong host (section 1)."""
    shaped = TOKEN.fullmatch(token) is not None
    if code == 41 and shaped:
        return Outcome(_REFUSED, "41", words)
    if shaped and region and region_of(token) != region:
        return Outcome(_REFUSED, str(code), _OTHER_REGION)
    return Outcome(OutcomeKind.TOKEN_DEAD, str(code), words, evidence=Evidence.TOKEN)


def refusal(response: VendorResponse, now_ms: int) -> Outcome:
    """What a refusal of the whole request means."""
    answer = json_object(response.body)
    code, words = _code(answer.get("code")), one_line(_words(answer))
    wait = retry_after(response.headers, now_ms)
    if code is None or code == 0:
        kind = OutcomeKind.VENDOR_DOWN if response.status >= 500 else OutcomeKind.UNKNOWN
        kind = OutcomeKind.THROTTLED if response.status == 429 else kind
        return Outcome(kind, str(response.status), words, retry_after_seconds=wait)
    kind = _BY_CODE.get(code) or (OutcomeKind.VENDOR_DOWN if response.status >= 500 else _REFUSED)  # unknown codes: given up
    if kind is OutcomeKind.QUOTA_APP:
        wait = seconds_to_midnight(now_ms)
    elif kind not in {OutcomeKind.THROTTLED, OutcomeKind.VENDOR_DOWN}:
        wait = None
    return Outcome(kind, str(code), words, retry_after_seconds=wait)
