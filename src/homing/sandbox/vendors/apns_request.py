"""The headers and the path of a push, checked in a plausible order: Apple's own is not published (vendor sheet apns, sections 3, 8)."""

from __future__ import annotations

import re
import uuid
from dataclasses import dataclass
from typing import Final

from ..base import SimRequest
from .apns_keys import Refusal

MAX_PAYLOAD_BYTES: Final = 4096
MAX_VOIP_PAYLOAD_BYTES: Final = 5120
_MAX_COLLAPSE_ID_BYTES: Final = 64
_UUID: Final = re.compile(r"[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")
_TOPIC: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9.\-]{0,254}")
_DEVICE_PATH: Final = re.compile(r"/3/device(?:/([^/]*))?")
_HEX: Final = re.compile(r"(?:[0-9a-fA-F]{2})+")
_ONCE: Final = ("authorization", "content-type")
# Push type -> what its topic ends with after the bundle id (section 3.1).
_SUFFIXES: Final = {
    "alert": "",
    "background": "",
    "voip": ".voip",
    "complication": ".complication",
    "fileprovider": ".pushkit.fileprovider",
    "mdm": "",
    "location": ".location-query",
    "liveactivity": ".push-type.liveactivity",
    "pushtotalk": ".voip-ptt",
    "widgets": ".push-type.widgets",
    "controls": ".push-type.controls",
}


@dataclass(slots=True)
class Push:
    """One push request whose form is right."""

    apns_id: str
    topic: str  # the bundle id, without the suffix of the push type
    push_type: str
    priority: int
    expiration: int | None  # epoch seconds; 0: now or never; None: not said
    collapse_id: str | None
    device_token: str


def response_id(request: SimRequest) -> str:
    """The apns-id of the answer: the request's, or a new one."""
    given = request.headers.get("apns-id", "")
    return given if _UUID.fullmatch(given) else str(uuid.uuid4())


def read_push(request: SimRequest, apns_id: str, default_topic: str | None) -> Push:
    """Section 8, item 2, up to the device token. ``default_topic``: a certificate with one topic has one. Raises Refusal."""
    headers = request.headers
    _check_duplicates(request)
    if "apns-id" in headers and not _UUID.fullmatch(headers["apns-id"]):
        raise Refusal(400, "BadMessageId")
    if request.method != "POST":
        raise Refusal(405, "MethodNotAllowed")
    topic = headers.get("apns-topic") or default_topic
    if not topic:
        raise Refusal(400, "MissingTopic")
    if not _TOPIC.fullmatch(topic):
        raise Refusal(400, "BadTopic")
    collapse_id = headers.get("apns-collapse-id")
    if collapse_id is not None and not 0 < len(collapse_id.encode("latin-1", "replace")) <= _MAX_COLLAPSE_ID_BYTES:
        raise Refusal(400, "BadCollapseId")
    priority, expiration = _priority(headers), _expiration(headers)
    push_type = headers.get("apns-push-type", "alert")
    if push_type not in _SUFFIXES:
        raise Refusal(400, "InvalidPushType")
    if push_type == "background" and priority != 5:
        raise Refusal(400, "BadPriority")  # 10 is the default and an error here: it has to be said
    token = _device_token(request.path)
    return Push(apns_id, _bundle_id(topic, push_type), push_type, priority, expiration, collapse_id, token)


def check_payload(push: Push, body: bytes) -> None:
    """Section 8, items "empty body" and "size". Raises Refusal."""
    if not body:
        raise Refusal(400, "PayloadEmpty")
    if len(body) > (MAX_VOIP_PAYLOAD_BYTES if push.push_type == "voip" else MAX_PAYLOAD_BYTES):
        raise Refusal(413, "PayloadTooLarge")


def _check_duplicates(request: SimRequest) -> None:
    names = [name for name, _ in request.header_list if name.startswith("apns-") or name in _ONCE]
    if len(names) != len(set(names)):
        raise Refusal(400, "DuplicateHeaders")


def _priority(headers: dict[str, str]) -> int:
    text = headers.get("apns-priority", "10")
    if text not in ("1", "5", "10"):
        raise Refusal(400, "BadPriority")
    return int(text)


def _expiration(headers: dict[str, str]) -> int | None:
    text = headers.get("apns-expiration")
    if text is None:
        return None
    if not re.fullmatch(r"[0-9]{1,18}", text):
        raise Refusal(400, "BadExpirationDate")
    return int(text)


def _device_token(path: str) -> str:
    match = _DEVICE_PATH.fullmatch(path)
    if match is None:
        raise Refusal(404, "BadPath")
    if not match[1]:
        raise Refusal(400, "MissingDeviceToken")
    if not _HEX.fullmatch(match[1]):
        raise Refusal(400, "BadDeviceToken")
    return match[1].lower()


def _bundle_id(topic: str, push_type: str) -> str:
    """A topic has the suffix of its push type, and no other (section 3.1)."""
    suffix = _SUFFIXES[push_type]
    if not suffix:
        return topic
    if not topic.endswith(suffix):
        raise Refusal(400, "TopicDisallowed")
    return topic.removesuffix(suffix)
