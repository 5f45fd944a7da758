"""The four push services of the browsers: their paths, and how each words a refusal (vendor sheet webpush, 1 and 6)."""

from __future__ import annotations

import json
import uuid
from typing import Final

from ..base import SimResponse

#: Path of an endpoint at each service; the last one has its token in the query.
PATHS: Final = {"mozilla": "/wpush/v2/", "chrome": "/fcm/send/", "apple": "/apple/", "wns": "/w/"}
SERVICE_OF_BROWSER: Final = {"firefox": "mozilla", "chrome": "chrome", "safari": "apple", "edge": "wns"}


class Refusal(Exception):
    """What a push service refuses: one kind for each check, worded by each service in its own way."""

    def __init__(self, kind: str, words: str) -> None:
        super().__init__(words)
        self.kind, self.words = kind, words


#: kind -> (status, errno) at Mozilla.
_MOZILLA: Final = {
    "unknown": (404, 102),
    "vapid": (401, 109),
    "subject": (401, 109),
    "key": (401, 109),
    "gone": (410, 106),
    "too_large": (413, 104),
    "no_ttl": (400, 111),
    "bad_ttl": (400, 114),
    "encoding": (400, 110),
    "topic": (400, 113),
    "urgency": (400, 110),
    "too_many": (429, 201),
    "method": (405, 999),
    "down": (503, 201),
}
_TITLES: Final = {400: "Bad Request", 401: "Unauthorized", 404: "Not Found", 405: "Method Not Allowed", 410: "Gone"}
#: kind -> (status, reason) at Apple.
_APPLE: Final = {
    "unknown": (400, "BadPath"),
    "vapid": (403, "BadJwtToken"),
    "subject": (403, "BadJwtToken"),
    "key": (403, "VapidPkHashMismatch"),
    "gone": (410, ""),
    "too_large": (413, "PayloadTooLarge"),
    "no_ttl": (400, "BadTtl"),
    "bad_ttl": (400, "BadTtl"),
    "encoding": (400, "BadWebPushRequest"),
    "topic": (400, "BadWebPushTopic"),
    "urgency": (400, "BadUrgency"),
    "too_many": (429, "TooManyRequests"),
    "method": (405, "MethodNotAllowed"),
    "down": (503, "ServiceUnavailable"),
}
_STATUS: Final = {
    "unknown": 404,
    "vapid": 403,
    "key": 403,
    "gone": 410,
    "too_large": 413,
    "too_many": 429,
    "method": 405,
    "down": 503,
}


def refusal_answer(service: str, refusal: Refusal) -> SimResponse:
    """The refusal in this service's words."""
    kind, words = refusal.kind, refusal.words
    if service == "mozilla":
        status, errno = _MOZILLA[kind]
        value = {"code": status, "errno": errno, "error": _TITLES.get(status, "Error"), "message": words, "more_info": ""}
        answer = SimResponse(status, {"content-type": "application/json"}, json.dumps(value).encode())
    elif service == "apple":
        status, reason = _APPLE[kind]
        headers = {"content-type": "application/json", "apns-id": str(uuid.uuid4()).upper()}
        answer = SimResponse(status, headers, json.dumps({"reason": reason}).encode() if reason else b"")
    elif service == "wns":
        status = _STATUS.get(kind, 400)
        answer = SimResponse(status, {"x-wns-error-description": words, "x-wns-status": "dropped"})
    else:
        status = _STATUS.get(kind, 400)
        answer = SimResponse(status, {"content-type": "text/plain"}, words.encode())
    if kind in {"down", "too_many"}:
        answer.headers["retry-after"] = "120" if kind == "down" else "60"
    answer.accepted, answer.reason = False, f"{status} {words}"
    return answer


def accepted_answer(service: str, base_url: str, message_id: str, ttl: int) -> SimResponse:
    """201 with the message's address, in this service's way of naming messages."""
    headers = {"location": f"{base_url}/m/{message_id}", "ttl": str(ttl)}
    if service == "apple":
        headers["apns-id"] = message_id
    elif service == "wns":
        headers |= {"x-wns-msg-id": message_id, "x-wns-status": "received"}
    return SimResponse(201, headers)
