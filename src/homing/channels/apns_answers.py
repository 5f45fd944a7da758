"""What Apple's answers mean: by the reason in the body, else by the status (vendor sheet apns, section 4)."""

from __future__ import annotations

from typing import Final

import msgspec

from homing.channels.answers import integer, json_object, text
from homing.model.outcome import Evidence, Outcome, OutcomeKind, VendorResponse


class _Meaning(msgspec.Struct, frozen=True):
    kind: OutcomeKind
    reconnect: bool = False
    evidence: Evidence = Evidence.TOKEN
    wait: float | None = None
    words: str = ""  # what Apple's word means for whoever has to do something


_REFUSED: Final = _Meaning(OutcomeKind.MESSAGE_REFUSED)
_CREDENTIALS: Final = _Meaning(OutcomeKind.CREDENTIALS_REFUSED)
_OTHER_ENVIRONMENT: Final = _Meaning(OutcomeKind.CREDENTIALS_REFUSED, words="the key is for the other environment")
# Section 4. BadDeviceToken may be a good token of the other environment (trap 1), so it needs a recent success beside it.
_BY_REASON: Final[dict[str, _Meaning]] = {
    "BadDeviceToken": _Meaning(
        OutcomeKind.TOKEN_DEAD,
        evidence=Evidence.REQUEST,
        words="no token, or one of the other environment: builds from Xcode need a certificate with environment=sandbox",
    ),
    "DeviceTokenNotForTopic": _Meaning(
        OutcomeKind.TOKEN_DEAD, evidence=Evidence.REQUEST, words="a token of another app: compare topic with the app's bundle id"
    ),
    "Unregistered": _Meaning(OutcomeKind.TOKEN_DEAD),
    "ExpiredToken": _Meaning(OutcomeKind.TOKEN_DEAD),
    "TopicDisallowed": _CREDENTIALS,
    "BadTopic": _CREDENTIALS,
    "MissingTopic": _CREDENTIALS,
    "BadCertificate": _CREDENTIALS,
    "BadCertificateEnvironment": _Meaning(OutcomeKind.CREDENTIALS_REFUSED, words="the certificate is for the other environment"),
    "InvalidProviderToken": _CREDENTIALS,
    "MissingProviderToken": _CREDENTIALS,
    "Forbidden": _CREDENTIALS,
    "BadEnvironmentKeyIdInToken": _OTHER_ENVIRONMENT,
    "BadEnvironmentKeyInToken": _OTHER_ENVIRONMENT,  # the live server's spelling
    "BadCollapseId": _REFUSED,
    "BadExpirationDate": _REFUSED,
    "BadMessageId": _REFUSED,
    "BadPriority": _REFUSED,
    "InvalidPushType": _REFUSED,
    "DuplicateHeaders": _REFUSED,
    "PayloadEmpty": _REFUSED,
    "PayloadTooLarge": _REFUSED,
    "MissingDeviceToken": _REFUSED,
    "BadPath": _REFUSED,
    "MethodNotAllowed": _REFUSED,
    "ExpiredProviderToken": _Meaning(OutcomeKind.AUTH_EXPIRED, reconnect=True),  # the connection stays wedged
    "UnrelatedKeyIdInToken": _Meaning(OutcomeKind.UNKNOWN, reconnect=True),  # bound to another key: a new connection, once
    "TooManyRequests": _Meaning(OutcomeKind.THROTTLED),  # one device's limit: no wait that would hold everybody up
    "TooManyProviderTokenUpdates": _Meaning(OutcomeKind.THROTTLED, reconnect=True, wait=60.0),
    "IdleTimeout": _Meaning(OutcomeKind.VENDOR_DOWN, reconnect=True),
    "InternalServerError": _Meaning(OutcomeKind.VENDOR_DOWN),
    "ServiceUnavailable": _Meaning(OutcomeKind.VENDOR_DOWN, reconnect=True),
    "Shutdown": _Meaning(OutcomeKind.VENDOR_DOWN, reconnect=True),
}
_BY_STATUS: Final[dict[int, _Meaning]] = {
    400: _REFUSED,
    403: _CREDENTIALS,
    404: _REFUSED,
    405: _REFUSED,
    410: _Meaning(OutcomeKind.TOKEN_DEAD, evidence=Evidence.REQUEST),
    413: _REFUSED,
    429: _Meaning(OutcomeKind.THROTTLED),
    503: _Meaning(OutcomeKind.VENDOR_DOWN, reconnect=True),
}


def refused(response: VendorResponse) -> Outcome:
    """The meaning of a status other than 200."""
    answer = json_object(response.body)
    reason = text(answer.get("reason"))
    meaning = _BY_REASON.get(reason) or _BY_STATUS.get(response.status)
    if meaning is None:
        meaning = _Meaning(OutcomeKind.VENDOR_DOWN if response.status >= 500 else OutcomeKind.UNKNOWN)
    dead_since = integer(answer.get("timestamp")) if meaning.kind is OutcomeKind.TOKEN_DEAD else 0
    return Outcome(
        meaning.kind,
        reason[:64] or str(response.status),
        meaning.words,
        vendor_message_id=response.headers.get("apns-id", "")[:256],
        retry_after_seconds=meaning.wait,
        dead_since_ms=dead_since if dead_since > 0 else None,
        evidence=meaning.evidence,
        reconnect=meaning.reconnect,
    )
