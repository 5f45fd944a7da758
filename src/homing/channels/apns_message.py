"""Apple's headers and payload for one notification (vendor sheet apns, section 3)."""

from __future__ import annotations

import hashlib
import uuid
from collections.abc import Sequence
from typing import Any, Final

import msgspec

from homing.channels import apns_voip
from homing.channels.apns_fields import ApnsOptions
from homing.channels.content import Content, fit, image_wish, wish
from homing.model.notification import Notification, Target

PAYLOAD_LIMIT_BYTES: Final = 4096
MAX_TTL_SECONDS: Final = 30 * 86_400
_COLLAPSE_ID_LIMIT_BYTES: Final = 64
_ID_NAMESPACE: Final = uuid.UUID("6f1d2a54-3c0b-5d3e-9f57-0a8a5d1e77c2").bytes
_INTERRUPTION_LEVELS: Final = frozenset({"passive", "active", "time-sensitive", "critical"})
# The constants of the original product's client SDKs, by their names and by their values.
_NO_SOUND: Final = frozenset({"kIOSOfflinePushNoSound", "IOS_OFFLINE_PUSH_NO_SOUND", "push.no_sound"})
_DEFAULT_SOUND: Final = frozenset({"kIOSOfflinePushDefaultSound", "IOS_OFFLINE_PUSH_DEFAULT_SOUND"})
_encode: Final = msgspec.json.Encoder().encode


def apns_id(push_id: int) -> str:
    """The UUID of a push in Apple's records, the same for every attempt."""
    digest = hashlib.sha1(_ID_NAMESPACE + b"%d" % push_id, usedforsecurity=False).hexdigest()
    variant = "89ab"[int(digest[16], 16) & 3]
    return f"{digest[:8]}-{digest[8:12]}-5{digest[13:16]}-{variant}{digest[17:20]}-{digest[20:32]}"


class Job:
    """One notification on its way to its targets through one certificate.

    ``withdraws``: nothing is shown; the app takes notifications away, and the badge is set.
    """

    __slots__ = ("call", "limit", "notification", "now_ms", "options", "sets_badge", "silent", "withdraws")

    def __init__(self, notification: Notification, options: ApnsOptions, now_ms: int) -> None:
        self.notification = notification
        self.options = options
        self.now_ms = now_ms
        self.call = options.push_type == "voip"
        self.withdraws = bool(notification.withdraws)
        self.sets_badge = self.withdraws and notification.badge is not None
        self.silent = not self.call and (self.withdraws or notification.wishes.ApnsInfo.ContentAvailable == 1)
        self.limit = apns_voip.PAYLOAD_LIMIT_BYTES if self.call else PAYLOAD_LIMIT_BYTES

    def headers(self) -> tuple[tuple[str, str], ...]:
        """The headers of this notification (section 3.1)."""
        if self.call:
            return apns_voip.headers(self.notification, self.now_ms)
        ttl = min(self.notification.ttl_seconds(self.now_ms), MAX_TTL_SECONDS)
        expiration = self.now_ms // 1000 + ttl if ttl else 0
        urgent = not self.silent and self.notification.notification_class == "private"  # 10 is an error with background
        headers: tuple[tuple[str, str], ...] = (
            # A background push must not set the badge (section 3.2), an alert without a text shows nothing and may.
            ("apns-push-type", "background" if self.silent and not self.sets_badge else "alert"),
            ("apns-priority", "10" if urgent else "5"),
            ("apns-expiration", str(expiration)),
        )
        if self.notification.collapse_id:
            headers += (("apns-collapse-id", _collapse_id(self.notification.collapse_id)),)
        return headers

    def bodies(self, targets: Sequence[Target]) -> list[bytes]:
        """A body for each target; only push_id differs unless it must shrink."""
        notification, wishes = self.notification, self.notification.wishes.ApnsInfo
        content = Content(
            wish(wishes.Title, notification.title, 512),
            notification.body,
            notification.ext,
            image_wish(wishes.Image),
            wish(wishes.SubTitle, notification.subtitle, 512),
        )
        payload = self.payload(content)
        bodies = []
        for target in targets:
            payload["push_id"] = str(target.push_id)
            body = _encode(payload)
            bodies.append(body if len(body) <= self.limit else self.shrunk(content, target))
        return bodies

    def shrunk(self, content: Content, target: Target) -> bytes:
        def encode(smaller: Content) -> bytes:
            payload = self.payload(smaller)
            if smaller.ours:
                payload["push_id"] = str(target.push_id)
            return _encode(payload)

        return encode(fit(content, lambda smaller: len(encode(smaller)), self.limit))

    def payload(self, content: Content) -> dict[str, Any]:
        """The payload (section 3.2) but for push_id."""
        payload: dict[str, Any] = {"aps": self.aps(content)}
        if content.ext:
            payload["ext"] = content.ext
        if content.ours:
            payload["msg_id"] = self.notification.msg_id
            payload["conv"] = self.notification.conversation_id
        if self.withdraws:
            payload["withdraw"] = list(self.notification.withdraws)
        if content.image and not self.silent and not self.call:
            payload["image"] = content.image
        return payload

    def aps(self, content: Content) -> dict[str, Any]:
        if self.call:
            return apns_voip.aps(self.notification, content)
        if self.silent:
            return {"content-available": 1} | ({"badge": max(0, self.notification.badge or 0)} if self.sets_badge else {})
        notification, options, wishes = self.notification, self.options, self.notification.wishes.ApnsInfo
        alert = {"title": content.title, "subtitle": content.subtitle, "body": content.body}
        aps: dict[str, Any] = {"alert": {key: value for key, value in alert.items() if value} or {"body": content.body}}
        if notification.badge is not None and wishes.BadgeMode != 1:
            aps["badge"] = max(0, notification.badge)
        if sound := _sound(wishes.Sound, options.sound):
            aps["sound"] = sound
        if notification.conversation_id:
            aps["thread-id"] = notification.conversation_id
        if options.category:
            aps["category"] = options.category
        if wishes.MutableContent == 1 or options.mutable_content or content.image or notification.wake_up:
            aps["mutable-content"] = 1
        level = wishes.InterruptionLevel if wishes.InterruptionLevel in _INTERRUPTION_LEVELS else options.interruption_level
        if level:
            aps["interruption-level"] = level
        return aps


def _sound(wanted: str, certificates: str) -> str:
    """The file with its suffix; "" is silence."""
    sound = wish(wanted, certificates) or "default"
    if sound in _NO_SOUND:
        return ""
    return "default" if sound in _DEFAULT_SOUND else sound


def _collapse_id(identifier: str) -> str:
    """At most 64 bytes that may stand in a header; longer or other ones become their digest."""
    if len(identifier) <= _COLLAPSE_ID_LIMIT_BYTES and identifier.isascii() and identifier.isprintable():
        return identifier
    return hashlib.sha256(identifier.encode(errors="replace")).hexdigest()
