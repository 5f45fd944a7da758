"""What HarmonyOS Push Kit's answers mean (vendor sheet huawei, section 5): codes, and the reasons that name tokens."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping, Sequence
from typing import Any, Final

import msgspec

from homing.channels import push_kit
from homing.channels.answers import integer, json_object, one_line, text
from homing.channels.push_kit import ALL_INVALID, PARTIAL
from homing.model.notification import Target
from homing.model.outcome import Evidence, Outcome, OutcomeKind, VendorRequest, VendorResponse

ACCEPTED: Final = "80000000"
AUTH_WRONG: Final = "80200001"
#: A JWT refused within this time of its signing is not stale: the key, the project or the clock is wrong.
FRESH_SECONDS: Final = 300

_REFUSED: Final = OutcomeKind.MESSAGE_REFUSED
_CREDENTIALS: Final = OutcomeKind.CREDENTIALS_REFUSED
# 80000000, 80100000, 80300007 (they speak of tokens) and 80200001 stand apart.
BY_CODE: Final = {
    **push_kit.CODES,
    "80100022": _REFUSED,
    "80200006": _CREDENTIALS,
    "80300029": OutcomeKind.QUOTA_APP,
    "80300030": _REFUSED,
    "80300036": _CREDENTIALS,
    "80300037": _CREDENTIALS,
}
_CURES: Final = {
    "80100016": "the text contains what the vendor refuses",
    "80100022": "the picture was not checked by the vendor",
    "80200006": "the token is disabled by a penalty",
    "80300002": "the app may not push: is the push service on, and is it this project?",
    "80300013": "the receipt configuration: repair it in the console, or empty receipt_id",
    "80300029": "the day's test messages are used up: set test_message=false",
    "80300030": "more than ten devices in a test message",
    "80300036": "the JWT is valid for more than a day",
    "80300037": "the app is under a penalty: see the console",
}
#: What to leave out before the message is sent again (section 5, codes).
_REPAIRS: Final = {"80100022": ("payload", "notification", "image"), "80300013": ("pushOptions", "receiptId")}
_CLASS: Final = OutcomeKind.CLASS_REFUSED
#: Why a token was refused. A token of another family or project is doubted, not condemned: a whole certificate may be wrong.
BY_REASON: Final[dict[str, tuple[OutcomeKind, Evidence, str]]] = {
    "tokenFormatError": (OutcomeKind.TOKEN_DEAD, Evidence.TOKEN, "not a push token: report it as the SDK gives it"),
    "tokenPlatformNotSupport": (
        OutcomeKind.TOKEN_DEAD,
        Evidence.REQUEST,
        "not a token of HarmonyOS 5 or later: an Android token belongs under an Android certificate of this vendor",
    ),
    "noRight": (
        OutcomeKind.TOKEN_DEAD,
        Evidence.REQUEST,
        "a token of another project, or from before the phone was upgraded: the app must report its token again",
    ),
    "noPushTypeRight": (_CLASS, Evidence.TOKEN, "the project has no right to this kind of message"),
    "noRightToSendThisLiveNotificationEvent": (_CLASS, Evidence.TOKEN, "no right to this live notification"),
    "notSupportPlayVoice": (_CLASS, Evidence.TOKEN, "the device plays no voice broadcasts"),
    "atomicUnableSendUnsubscribedMsg": (_CLASS, Evidence.TOKEN, "an atomic service may send subscribed messages only"),
    "differentImgVerifyPolicy": (_CLASS, Evidence.TOKEN, "the devices check pictures in different ways: send without one"),
    "countryNotSupport": (_REFUSED, Evidence.TOKEN, "push is not offered in the device's country"),
    "disableSendHuaweiMsgBecauseOfPenalty": (_CREDENTIALS, Evidence.TOKEN, "sending is disabled by a penalty: see the console"),
    "appinfoError": (_CREDENTIALS, Evidence.TOKEN, "the app's data in the console are wrong"),
}


def interpret(request: VendorRequest, response: VendorResponse, now_ms: int) -> list[Outcome]:
    """One outcome for each target. The body's code counts under every HTTP status."""
    answer = json_object(response.body)
    code, words = text(answer.get("code")), text(answer.get("msg"))
    if code == ACCEPTED:
        return [Outcome(OutcomeKind.ACCEPTED, code, vendor_message_id=_request_id(answer))] * len(request.targets)
    if code == PARTIAL:
        return _partly(request.targets, words, _request_id(answer))
    if code == ALL_INVALID:
        return _all_invalid(request.targets, words)
    told = "; ".join(part for part in (words, _CURES.get(code, "")) if part)
    return [refused(code, told, request, response, now_ms, BY_CODE)] * len(request.targets)


def repaired(request: VendorRequest, response: VendorResponse) -> list[VendorRequest]:
    """The request without the field that the vendor refuses; none where it was left out already, so that this ends."""
    path = _REPAIRS.get(text(json_object(response.body).get("code")))
    if path is None:
        return []
    body = json_object(request.body)
    holder = body
    for name in path[:-1]:
        holder = holder.get(name, {})
    if holder.pop(path[-1], None) is None:
        return []
    return [msgspec.structs.replace(request, body=msgspec.json.encode(body))]


def _partly(targets: Sequence[Target], words: str, request_id: str) -> list[Outcome]:
    """``msg`` is a JSON document inside a text. Without its map nobody knows which tokens were taken."""
    reasons = _reasons(words)
    if reasons is None:
        return [Outcome(OutcomeKind.UNKNOWN, PARTIAL, one_line(words))] * len(targets)
    accepted = Outcome(OutcomeKind.ACCEPTED, PARTIAL, vendor_message_id=request_id)
    return [_of_reason(PARTIAL, reasons[t.token]) if t.token in reasons else accepted for t in targets]


def _all_invalid(targets: Sequence[Target], words: str) -> list[Outcome]:
    """Usually a wrong project, not dead phones (section 9, trap 1): a dead token needs a success beside it."""
    reasons = _reasons(words) or {}
    unnamed = Outcome(OutcomeKind.TOKEN_DEAD, ALL_INVALID, one_line(words), evidence=Evidence.REQUEST)
    found = [_of_reason(ALL_INVALID, reasons[t.token]) if t.token in reasons else unnamed for t in targets]
    return [msgspec.structs.replace(o, evidence=Evidence.REQUEST) if o.kind is OutcomeKind.TOKEN_DEAD else o for o in found]


def _reasons(words: str) -> dict[str, str] | None:
    """Token to reason; None where the map is missing. Documented samples carry stray blanks, also in the keys."""
    verdict = {name.strip(): value for name, value in json_object(words).items()}
    illegal = verdict.get("illegalTokens")
    if not isinstance(illegal, dict):
        return None
    lists = ((reason.strip(), tokens) for reason, tokens in illegal.items() if isinstance(tokens, list))
    return {token.strip(): reason for reason, tokens in lists for token in tokens if isinstance(token, str)}


def _of_reason(code: str, reason: str) -> Outcome:
    kind, evidence, cure = BY_REASON.get(reason, (OutcomeKind.UNKNOWN, Evidence.TOKEN, "a reason that the vendor does not explain"))
    return Outcome(kind, f"{code} {reason}"[:128], cure, evidence=evidence)


def refused(
    code: str, words: str, request: VendorRequest, response: VendorResponse, now_ms: int, codes: Mapping[str, OutcomeKind]
) -> Outcome:
    """A whole request refused. A JWT that is fresh and refused all the same does not get better by signing another."""
    if code == AUTH_WRONG:
        fresh = _jwt_age_seconds(request, now_ms) < FRESH_SECONDS
        codes = {code: _CREDENTIALS if fresh else OutcomeKind.AUTH_EXPIRED}
        cure = "compare the service account with the project, and check this machine's clock" if fresh else ""
        words = "; ".join(part for part in (words, cure) if part)
    return push_kit.refusal(code, words, response, now_ms, codes)


def _jwt_age_seconds(request: VendorRequest, now_ms: int) -> int:
    """Seconds since the request's JWT was signed; 0 where it cannot be read: signing it again would not help then."""
    token = next((value for name, value in request.headers if name == "authorization"), "").removeprefix("Bearer ")
    part = token.split(".")[1] if token.count(".") == 2 else ""
    try:
        claims: dict[str, Any] = json_object(base64.urlsafe_b64decode(part + "=" * (-len(part) % 4)))
    except (binascii.Error, ValueError):
        return 0
    return now_ms // 1000 - integer(claims.get("iat"), now_ms // 1000)


def _request_id(answer: dict[str, Any]) -> str:
    return text(answer.get("requestId"))[:256]
