"""What takes a notification back: one that says that the message was recalled, or a silent one that takes read ones away."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from homing.model.apps import AppSettings
from homing.model.messages import Message, MessageFlags
from homing.model.notification import Notification
from homing.model.push_info import NO_WISHES, OfflinePushInfo

from .content import (
    batch_collapse_id,
    batch_notify_id,
    compose,
    conversation_collapse_id,
    message_collapse_id,
    message_notify_id,
    without_content,
)
from .elements import recalled_message

#: The name by which Apple devices stay silent (client-sdk sheet, section 2).
_NO_SOUND = "push.no_sound"
_BATCH = MessageFlags.BATCH.value


def recalled(
    *,
    message: Message,
    info: OfflinePushInfo,
    nick: str,
    settings: AppSettings,
    language: str,
    platform: str,
    badge: int | None,
    default_title: str = "",
) -> Notification:
    """The notification that takes a recalled message's place: the same identity, none of its content, as quiet as can be."""
    language = language or settings.language
    wishes = without_content(info)
    apple = msgspec.structs.replace(wishes.ApnsInfo, Sound=_NO_SOUND, InterruptionLevel="passive", ContentAvailable=0)
    made = compose(
        message=message,
        elements=(),
        info=msgspec.structs.replace(wishes, PushFlag=0, Desc=recalled_message(language), Ext="", ApnsInfo=apple),
        nick=nick,
        settings=msgspec.structs.replace(settings, hide_content=False),  # there is no content
        language=language,
        platform=platform,
        badge=badge,
        default_title=default_title,
    )
    return msgspec.structs.replace(made, recalls=True)


def cleared(message: Message, collapse_ids: Sequence[str], badge: int | None, notify_id: int = 0) -> Notification:
    """The silent push by which an app takes notifications away that were read elsewhere.

    ``notify_id``: that of the one notification, where the vendor itself takes it away.
    """
    return Notification(
        title="",
        body="",
        ext="",
        conversation_id=message.conversation_id,
        msg_id=message.notification_key,
        notify_id=notify_id,
        collapse_id="",
        wishes=NO_WISHES,
        expires_at_ms=message.expires_at_ms,
        badge=badge,
        withdraws=tuple(collapse_ids),
    )


def collapse_id_of(message_id: int, flags: int, from_account: str, msg_key: str, replaces: str) -> str:
    """The collapse id of a message's notification. ``replaces``: the conversation, where it replaced the earlier ones."""
    if replaces:
        return conversation_collapse_id(replaces)
    return batch_collapse_id(from_account, msg_key) if flags & _BATCH else message_collapse_id(message_id)


def notify_id_of(message_id: int, flags: int, from_account: str, msg_key: str) -> int:
    """The notify id of a message's notification that no other message shares."""
    return batch_notify_id(from_account, msg_key) if flags & _BATCH else message_notify_id(message_id)
