"""Calls on Apple devices: PushKit pushes of the type ``voip`` (vendor sheet apns, sections 3.1, 3.2 and 5).

PushKit starts the app whatever its state, and demands that it reports a call to CallKit for each such push: an app that does
not is ended by iOS, and after some times gets no VoIP pushes any more. So nothing but calls may come this way.
"""

from __future__ import annotations

from typing import Any, Final

from homing.channels.base import FieldProblem
from homing.channels.content import Content
from homing.model.notification import Notification
from homing.rules.offline_message import parse_ext

PAYLOAD_LIMIT_BYTES: Final = 5120
#: A call that rings a minute later is a nuisance: the phone is reached now, or the app shows a missed call when it starts.
MAX_TTL_SECONDS: Final = 30
_SUFFIX: Final = ".voip"


def topic_of(topic: str) -> str:
    """The bundle id with the suffix of the push type, also where the operator (or a VoIP certificate) gave it with the suffix."""
    return topic if not topic or topic.endswith(_SUFFIX) else topic + _SUFFIX


def headers(notification: Notification, now_ms: int) -> tuple[tuple[str, str], ...]:
    """Urgent and short-lived; two calls never replace one another, so there is no collapse id."""
    ttl = min(notification.ttl_seconds(now_ms), MAX_TTL_SECONDS)
    return (
        ("apns-push-type", "voip"),
        ("apns-priority", "10"),
        ("apns-expiration", str(now_ms // 1000 + ttl if ttl else 0)),
    )


def aps(notification: Notification, content: Content) -> dict[str, Any]:
    """The caller's name as the title, for the screen of the call. iOS itself shows nothing of it, so the rest would be wasted."""
    caller = content.title or _caller(notification.ext)
    return {"alert": {"title": caller, "body": content.body} if caller else {"body": content.body}}


def _caller(ext: str) -> str:
    """On Apple devices a message without a title has its sender's name in the container alone (offline-push-info sheet, section 3)."""
    message = parse_ext(ext) if ext else None
    return message.nickname or message.sender if message is not None else ""


def problems(push_type: str, topic: str) -> list[FieldProblem]:
    """What PushKit demands, said when the certificate is saved. ``topic`` is the operator's, else the one that the certificate names."""
    if push_type not in ("alert", "voip"):
        return [FieldProblem("push_type", "push_type is neither alert nor voip", "Use one of the two")]
    if push_type == "alert":
        if not topic.endswith(_SUFFIX):
            return []
        return [FieldProblem("topic", "topic is the one of VoIP pushes", "Set push_type=voip, or leave .voip out of the topic")]
    sentence = "iOS ends an app that does not report a call to CallKit for every VoIP push, and then stops delivering them"
    cure = "Report only PushKit tokens for this certificate, and send nothing but calls to it"
    return [FieldProblem("push_type", sentence, cure, warning=True)]


def call_problem(push_type: str) -> FieldProblem | None:
    """Why a certificate cannot take PushKit tokens: only the topic that ends in .voip rings, and Apple refuses the token on any other."""
    if push_type == "voip":
        return None
    sentence = "it sends notifications: its topic does not end in .voip, and Apple refuses a PushKit token there"
    return FieldProblem("push_type", sentence, "Name a certificate that was added with push_type=voip: `homing cert list` shows them")
