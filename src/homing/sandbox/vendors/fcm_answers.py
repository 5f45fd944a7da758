"""FCM's answers: the message name, and Google's error envelope with its details (vendor sheet fcm, section 4)."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any, Final

from ..base import SimResponse
from .fcm_proto import Violation

_TYPES: Final = "type.googleapis.com/google"
_JSON: Final = {"content-type": "application/json; charset=UTF-8", "server": "scaffolding on HTTPServer2"}
_AUTH_HELP: Final = (
    "Expected OAuth 2 access token, login cookie or other valid authentication credential. "
    "See https://developers.google.com/identity/sign-in/web/devconsole-project."
)
_STATUS: Final = {
    400: "INVALID_ARGUMENT",
    401: "UNAUTHENTICATED",
    403: "PERMISSION_DENIED",
    404: "NOT_FOUND",
    429: "RESOURCE_EXHAUSTED",
    500: "INTERNAL",
    503: "UNAVAILABLE",
    504: "DEADLINE_EXCEEDED",
}
_SENTENCES: Final = {
    400: "Request contains an invalid argument.",
    429: "Quota exceeded for sending messages.",
    500: "Internal error encountered.",
    503: "The service is currently unavailable.",
    504: "Deadline expired before operation could complete.",
}
_FCM_CODES: Final = {400: "INVALID_ARGUMENT", 404: "UNREGISTERED", 429: "QUOTA_EXCEEDED", 500: "INTERNAL", 503: "UNAVAILABLE"}


def accepted(name: str) -> SimResponse:
    """200 with the message's name."""
    return SimResponse(200, dict(_JSON), json.dumps({"name": name}, indent=2).encode())


def error(status: int, message: str, details: Sequence[dict[str, Any]] = (), headers: dict[str, str] | None = None) -> SimResponse:
    """The envelope. ``reason`` of the response is the most telling code in it."""
    code = next((d["errorCode"] for d in details if "errorCode" in d), _STATUS.get(status, "UNKNOWN"))
    value: dict[str, Any] = {"code": status, "message": message, "status": _STATUS.get(status, "UNKNOWN")}
    if details:
        value["details"] = list(details)
    body = json.dumps({"error": value}, indent=2).encode()
    return SimResponse(status, {**_JSON, **(headers or {})}, body, accepted=False, reason=f"{code}: {message}"[:500])


def fcm_error(code: str) -> dict[str, Any]:
    """Detail ``google.firebase.fcm.v1.FcmError``."""
    return {"@type": f"{_TYPES}.firebase.fcm.v1.FcmError", "errorCode": code}


def bad_request(violations: Sequence[Violation]) -> dict[str, Any]:
    """Detail ``google.rpc.BadRequest``."""
    entries = [{"field": v.field, "description": v.description} if v.field else {"description": v.description} for v in violations]
    return {"@type": f"{_TYPES}.rpc.BadRequest", "fieldViolations": entries}


def unreadable(violations: Sequence[Violation]) -> SimResponse:
    """400 of the front end that reads proto3 JSON: no FcmError in it."""
    return error(400, "\n".join(v.description for v in violations)[:4000], [bad_request(violations)])


def refused(violations: Sequence[Violation]) -> SimResponse:
    """400 of FCM itself."""
    return error(400, violations[0].description, [bad_request(violations), fcm_error("INVALID_ARGUMENT")])


def no_recipient() -> SimResponse:
    """400: no target at all (section 4.2)."""
    words = "Recipient of the message is not set."
    return error(400, words, [bad_request([Violation("message", words)])])


def bad_token() -> SimResponse:
    """400: the token is none (section 4.2)."""
    return error(400, "The registration token is not a valid FCM registration token", [fcm_error("INVALID_ARGUMENT")])


def unauthenticated(*, missing: bool) -> SimResponse:
    """401: no access token, or one that is unknown or too old."""
    if missing:
        words, reason = f"Request is missing required authentication credential. {_AUTH_HELP}", "CREDENTIALS_MISSING"
    else:
        words, reason = f"Request had invalid authentication credentials. {_AUTH_HELP}", "ACCESS_TOKEN_EXPIRED"
    challenge = 'Bearer realm="https://accounts.google.com/"' + ("" if missing else ', error="invalid_token"')
    return error(401, words, [_info(reason)], {"www-authenticate": challenge})


def third_party_auth() -> SimResponse:
    """401 that is not about the access token: Apple's or web push's key in the console is wrong."""
    return error(401, f"Request is missing required authentication credential. {_AUTH_HELP}", [fcm_error("THIRD_PARTY_AUTH_ERROR")])


def denied(project: str) -> SimResponse:
    """403: the service account has no right in this project."""
    resource = f"//cloudresourcemanager.googleapis.com/projects/{project}"
    words = f"Permission 'cloudmessaging.messages.create' denied on resource '{resource}' (or it may not exist)."
    return error(403, words, [_info("IAM_PERMISSION_DENIED")])


def no_project() -> SimResponse:
    """404 without FcmError: there is no such project."""
    return error(404, "Requested entity was not found.")


def unregistered() -> SimResponse:
    """404: the token is dead."""
    return error(404, "Requested entity was not found.", [fcm_error("UNREGISTERED")])


def sender_mismatch() -> SimResponse:
    """403: the token belongs to another project."""
    return error(403, "SenderId mismatch", [fcm_error("SENDER_ID_MISMATCH")])


def quota(subject: str, description: str, retry_after: int = 60) -> SimResponse:
    """429 with its QuotaFailure."""
    failure = {"@type": f"{_TYPES}.rpc.QuotaFailure", "violations": [{"subject": subject, "description": description}]}
    return error(429, description, [failure, fcm_error("QUOTA_EXCEEDED")], {"retry-after": str(retry_after)})


def html_404() -> SimResponse:
    """What Google's front end says of a path that is not there."""
    body = b"<!DOCTYPE html>\n<html lang=en>\n<title>Error 404 (Not Found)!!1</title>\n<p><b>404.</b> That's an error.\n"
    return SimResponse(404, {"content-type": "text/html; charset=UTF-8"}, body, accepted=False, reason="no such URL")


def of_status(status: int) -> bytes:
    """The body that goes with an ordered status."""
    details = [fcm_error(_FCM_CODES[status])] if status in _FCM_CODES else []
    return error(status, _SENTENCES.get(status, "Fault ordered in the sandbox."), details).body


def _info(reason: str) -> dict[str, Any]:
    return {"@type": f"{_TYPES}.rpc.ErrorInfo", "reason": reason, "domain": "googleapis.com", "metadata": {"service": "fcm.googleapis.com"}}
