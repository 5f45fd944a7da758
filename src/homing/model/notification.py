"""A notification: vendor-neutral content after the precedence rules, ready for a channel to render."""

from __future__ import annotations

import msgspec

from .push_info import OfflinePushInfo


class Notification(msgspec.Struct, frozen=True, gc=False):
    """What the phone should show. Pushes with equal notifications may share one vendor request."""

    title: str
    body: str
    ext: str  # the sender's JSON, "" when none
    conversation_id: str  # "c2c_{sender}" or "group_{group id}", as the receiver names it
    msg_id: str
    notify_id: int  # 31 bits, stable over retries; the conversation's in per-conversation mode
    collapse_id: str  # at most 64 bytes; equal ids replace one another on the phone
    wishes: OfflinePushInfo  # the message's own values; a channel puts them over its certificate's
    expires_at_ms: int
    badge: int | None = None  # absolute unread total; None leaves the badge as it is
    subtitle: str = ""
    notification_class: str = "private"
    chat_type: int = 1  # 1 one-to-one, 2 group
    withdraws: tuple[str, ...] = ()  # nothing is shown: the app is to take the notifications with these collapse ids away
    recalls: bool = False  # takes the place of a recalled message's notification, whose identity it has
    wake_up: bool = False  # no content: the app is to fetch the message, by msg_id and conversation_id, and show it itself

    def ttl_seconds(self, now_ms: int) -> int:
        """Seconds that the vendor may keep trying, never negative."""
        return max(0, (self.expires_at_ms - now_ms) // 1000)


class Target(msgspec.Struct, frozen=True, gc=False):
    """One device that a notification goes to."""

    push_id: int
    token: str
