"""What browsers' push services answer (vendor sheet webpush, section 6): one table a service's words, one for the statuses."""

from __future__ import annotations

from typing import Final

from homing.channels.answers import json_object, one_line, retry_after, text
from homing.channels.webpush_endpoints import Unusable
from homing.model.outcome import Evidence, Outcome, OutcomeKind, VendorRequest, VendorResponse

_REFUSED: Final = OutcomeKind.MESSAGE_REFUSED
_CREDENTIALS: Final = OutcomeKind.CREDENTIALS_REFUSED
_DOWN: Final = OutcomeKind.VENDOR_DOWN
_THROTTLED: Final = OutcomeKind.THROTTLED
_DEAD: Final = OutcomeKind.TOKEN_DEAD
_SURE: Final = Evidence.TOKEN
_DOUBT: Final = Evidence.REQUEST

_OTHER_KEY: Final = "the subscription was made with another key: the page must subscribe again with this certificate's public key"
_BAD_JWT: Final = "check this machine's clock, and that subject is a real address"
#: Apple's ``reason``. What it says of the JWT is true for all subscriptions, what it says of the key hash for one.
BY_REASON: Final[dict[str, tuple[OutcomeKind, Evidence, str]]] = {
    "BadAuthorizationHeader": (_CREDENTIALS, _SURE, _BAD_JWT),
    "BadJwtToken": (_CREDENTIALS, _SURE, _BAD_JWT),
    "BadVapidPublicKey": (_CREDENTIALS, _SURE, _BAD_JWT),
    "VapidPkHashMismatch": (_DEAD, _DOUBT, _OTHER_KEY),
    "BadTtl": (_REFUSED, _SURE, ""),
    "BadUrgency": (_REFUSED, _SURE, ""),
    "BadWebPushRequest": (_REFUSED, _SURE, ""),
    "BadWebPushTopic": (_REFUSED, _SURE, ""),
    "BadPath": (_REFUSED, _SURE, ""),
    "MethodNotAllowed": (_REFUSED, _SURE, ""),
    "PayloadTooLarge": (_REFUSED, _SURE, ""),
    "TooManyRequests": (_THROTTLED, _SURE, ""),
    "IdleTimeout": (_DOWN, _SURE, ""),
    "InternalServerError": (_DOWN, _SURE, ""),
    "ServiceUnavailable": (_DOWN, _SURE, ""),
    "Shutdown": (_DOWN, _SURE, ""),
}
# A refusal of the key may be the subscription's fault or ours; a client that reports a foreign one must not pause the others.
BY_STATUS: Final[dict[int, tuple[OutcomeKind, Evidence, str]]] = {
    400: (_REFUSED, _SURE, ""),
    401: (OutcomeKind.AUTH_EXPIRED, _SURE, f"{_BAD_JWT}; if it is this device alone, {_OTHER_KEY}"),
    403: (_DEAD, _DOUBT, _OTHER_KEY),
    404: (_DEAD, _SURE, "the subscription is unknown or has expired"),
    405: (_REFUSED, _SURE, ""),
    406: (_THROTTLED, _SURE, ""),
    408: (_DOWN, _SURE, ""),
    410: (_DEAD, _SURE, "the subscription is gone"),
    413: (_REFUSED, _SURE, "the message is larger than this push service takes"),
    429: (_THROTTLED, _SURE, ""),
}
#: Seconds to wait where the service does not say.
_WAITS: Final = {406: 3600.0, 429: 60.0, 500: 10.0, 502: 10.0, 503: 30.0}
#: The word that one service answers 400 with when the key is not the subscription's.
_KEY_MISMATCH: Final = b"UnauthorizedRegistration"
#: Why a request without a URL was not sent (codes of ``Unusable``). Nothing is removed before the certificate has proved itself.
_UNSENT: Final = {"endpoint_not_allowed": (_REFUSED, _SURE)}


def unsent(reason: Unusable) -> bytes:
    """The body of a request that is not to be sent, for ``interpret`` to read again."""
    return f"{reason.code} {reason.words}".encode()


def interpret(request: VendorRequest, response: VendorResponse, endpoint_replaced: bool, now_ms: int) -> Outcome:
    """The one outcome. ``endpoint_replaced``: something stands in for the push service, whose 404 says nothing of a token."""
    if not request.url:
        code, _, words = request.body.decode().partition(" ")
        kind, evidence = _UNSENT.get(code, (_DEAD, _DOUBT))
        return Outcome(kind, code, words, evidence=evidence)
    if 200 <= response.status < 300:
        return _accepted(response)
    answer = json_object(response.body)
    reason = text(answer.get("reason"))
    kind, evidence, cure = BY_REASON.get(reason) or _of_status(response)
    if kind is _DEAD and endpoint_replaced:
        evidence = _DOUBT
    errno = text(answer.get("errno"))
    wait = retry_after(response.headers, now_ms) if kind in {_THROTTLED, _DOWN} else None
    if wait is None and kind in {_THROTTLED, _DOWN} and errno != "202":  # 202: try again at once
        wait = _WAITS.get(response.status, 10.0)
    code = " ".join(part for part in (str(response.status), reason, f"errno {errno}" if errno else "") if part)
    detail = one_line("; ".join(part for part in (_words(response), cure) if part))
    return Outcome(kind, code[:128], detail, retry_after_seconds=wait, evidence=evidence)


def _of_status(response: VendorResponse) -> tuple[OutcomeKind, Evidence, str]:
    status = response.status
    if status == 400 and _KEY_MISMATCH in response.body:
        return BY_STATUS[403]
    if status >= 500:
        return _DOWN, _SURE, ""
    if 300 <= status < 400:  # never followed: the target would be the client's choice
        return _REFUSED, _SURE, "the push service has moved"
    return BY_STATUS.get(status, (OutcomeKind.UNKNOWN, _SURE, ""))


def _accepted(response: VendorResponse) -> Outcome:
    """Any 2xx. One service says in a header that it accepted and dropped the message."""
    headers, code = response.headers, str(response.status)
    state = headers.get("x-wns-status", "").lower()
    if state == "dropped":
        return Outcome(_REFUSED, f"{code} dropped", one_line(headers.get("x-wns-error-description")))
    if state == "channelthrottled":
        return Outcome(_THROTTLED, f"{code} channelthrottled", retry_after_seconds=3600.0)
    location = headers.get("location", "").partition("?")[0].rstrip("/")
    name = headers.get("apns-id") or headers.get("x-wns-msg-id") or location.rpartition("/")[2]
    return Outcome(OutcomeKind.ACCEPTED, code, vendor_message_id=name[:256])


def _words(response: VendorResponse) -> str:
    """The service's words: a JSON message, a header, or the beginning of a text."""
    described = response.headers.get("x-wns-error-description")
    message = text(json_object(response.body).get("message"))
    return one_line(described or message or response.body[:200].decode("utf-8", "replace").replace("\x00", ""))
