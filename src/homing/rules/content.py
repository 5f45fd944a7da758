"""From a message to a notification: precedence, placeholder texts, hidden content (offline-push-info sheet, sections 3 and 4)."""

from __future__ import annotations

import hashlib
import zlib
from collections.abc import Sequence

import msgspec

from homing.model.apps import AppSettings, NotificationMode
from homing.model.clock import id_time_ms
from homing.model.devices import Platform
from homing.model.messages import Element, Message, MessageFlags
from homing.model.notification import Notification
from homing.model.push_info import NO_WISHES, AndroidInfo, ApnsInfo, HarmonyInfo, OfflinePushInfo

from .elements import CUSTOM, describable, element_text, new_message, new_message_title, push_text, text_of
from .offline_message import CHAT, GROUP, ONE_TO_ONE, container_json
from .text import clean, cut_bytes

__all__ = ["compose", "describable", "element_text", "push_text"]

#: Of the words repeated in a container made here: the notification itself carries the whole text, and APNs takes 4 KB in all.
MAX_EXT_CONTENT_BYTES = 256

_APPLE = frozenset({Platform.IOS, Platform.IPAD})
_IMPORTANCES = frozenset({"LOW", "NORMAL", "HIGH"})
_INTERRUPTION_LEVELS = frozenset({"passive", "active", "time-sensitive", "critical"})
_MASK64 = 0xFFFF_FFFF_FFFF_FFFF
_MASK31 = 0x7FFF_FFFF
_NO_UNREAD = MessageFlags.NO_UNREAD.value  # plain integers: this runs for every push
_BATCH = MessageFlags.BATCH.value


def compose(
    *,
    message: Message,
    elements: Sequence[Element],
    info: OfflinePushInfo,
    nick: str,
    settings: AppSettings,
    language: str,
    platform: str,
    badge: int | None,
    default_title: str = "",
) -> Notification:
    """The notification of ``message`` for a device of this ``platform`` and ``language`` ("": the app's language).

    ``info`` is NO_WISHES when the message has no offline push info. ``badge`` is the absolute unread total.
    ``default_title`` stands in for a missing title, before the sender's nick; Apple devices put the nick into the body instead.
    Of a message to a group it is the group's name, which Apple devices put there as well (section 3).
    """
    language = language or settings.language
    wishes = info if info != NO_WISHES else _wishes_of_custom(elements)
    apple = platform in _APPLE
    if settings.wake_up_only:
        title = "" if apple else (not message.group_id and _line(default_title)) or new_message_title(language)
        body, ext, wishes = new_message(language), "", _closed_choices(wishes)
    else:
        title, body, ext, wishes = _words(message, elements, wishes, nick, settings, language, default_title, apple=apple)
    conversation_id = message.conversation_id
    notify_id, collapse_id = _identity(message, conversation_id, settings.notification_mode)
    return Notification(
        title=title,
        body=body,
        ext=ext,
        conversation_id=conversation_id,
        msg_id=message.notification_key,
        notify_id=notify_id,
        collapse_id=collapse_id,
        wishes=wishes,
        expires_at_ms=min(message.expires_at_ms, _accepted_at_ms(message) + settings.default_ttl_seconds * 1000),
        badge=None if message.flags & _NO_UNREAD or _badge_refused(wishes, platform) else badge,
        subtitle=_line(wishes.ApnsInfo.SubTitle),
        wake_up=settings.wake_up_only,
    )


def _words(
    message: Message,
    elements: Sequence[Element],
    wishes: OfflinePushInfo,
    nick: str,
    settings: AppSettings,
    language: str,
    default_title: str,
    *,
    apple: bool,
) -> tuple[str, str, str, OfflinePushInfo]:
    """Title, body, ext and the wishes that are left when the app hides the content."""
    body = new_message(language) if settings.hide_content else _body(wishes, elements, language)
    ext = wishes.Ext or _default_ext(message, default_title if message.group_id else nick, body)
    if settings.hide_content:
        wishes = without_content(wishes)
    if apple and message.group_id:
        nick = f"{_line(nick)}({_line(default_title)})"
    return *_headline(wishes, body, _line(nick), message.from_account, default_title, apple=apple), ext, wishes


def _accepted_at_ms(message: Message) -> int:
    # The timestamp may be the caller's: a backend whose clock is behind must not make every short-lived push expire at once.
    # A batch is one notification and ends at one moment, although its messages have identifiers of their own.
    return message.timestamp * 1000 if message.flags & _BATCH else max(message.timestamp * 1000, id_time_ms(message.message_id))


def _body(wishes: OfflinePushInfo, elements: Sequence[Element], language: str) -> str:
    # Some vendors refuse an empty body, so a message without words is announced as such.
    return clean(wishes.Desc or push_text(elements, language)).strip() or new_message(language)


def _headline(wishes: OfflinePushInfo, body: str, nick: str, sender: str, default_title: str, *, apple: bool) -> tuple[str, str]:
    """Title and body. On Apple devices without a given title the nick is folded into the body (section 3)."""
    given = (apple and _line(wishes.ApnsInfo.Title)) or _line(wishes.Title)
    if given:
        return given, body
    if apple:
        return "", f"{nick}:{body}" if nick else body
    return _line(default_title) or nick or sender, body


def _line(text: str) -> str:
    return clean(text, newlines=False).strip()


def _wishes_of_custom(elements: Sequence[Element]) -> OfflinePushInfo:
    """Without offline push info the custom element's own Desc, Ext and Sound count (section 3, reference payload)."""
    for element in elements:
        if element.msg_type == CUSTOM:
            sound, ext = text_of(element.content, "Sound"), text_of(element.content, "Ext")
            if not (sound or ext):
                return NO_WISHES
            return msgspec.structs.replace(NO_WISHES, Ext=ext, ApnsInfo=msgspec.structs.replace(NO_WISHES.ApnsInfo, Sound=sound))
    return NO_WISHES


def without_content(wishes: OfflinePushInfo) -> OfflinePushInfo:
    """The sender's wishes without anything that a lock screen would show of the message."""
    replace = msgspec.structs.replace
    return replace(
        wishes,
        Title="",
        Desc="",
        AndroidInfo=replace(
            wishes.AndroidInfo,
            HuaWeiImage="",
            HonorImage="",
            GoogleImage="",
            XiaoMiTemplateId="",
            XiaoMiTemplateParam="",
            OPPOPrivateMsgTemplateId="",
        ),
        ApnsInfo=replace(wishes.ApnsInfo, Title="", SubTitle="", Image=""),
        HarmonyInfo=replace(wishes.HarmonyInfo, Image=""),
    )


def _closed_choices(wishes: OfflinePushInfo) -> OfflinePushInfo:
    """The wishes that choose from a list of the vendor's. Everything that can hold words goes, names of sounds and channels too."""
    android, apple = wishes.AndroidInfo, wishes.ApnsInfo
    return OfflinePushInfo(
        PushFlag=wishes.PushFlag,
        AndroidInfo=AndroidInfo(
            HuaWeiImportance=_one_of(android.HuaWeiImportance, _IMPORTANCES),
            OPPONotifyLevel=android.OPPONotifyLevel,
            VIVOClassification=android.VIVOClassification,
            HonorImportance=_one_of(android.HonorImportance, _IMPORTANCES),
            MeiZuNoticeMsgType=android.MeiZuNoticeMsgType,
        ),
        ApnsInfo=ApnsInfo(
            BadgeMode=apple.BadgeMode,
            InterruptionLevel=_one_of(apple.InterruptionLevel, _INTERRUPTION_LEVELS),
            ContentAvailable=apple.ContentAvailable,
        ),
        HarmonyInfo=HarmonyInfo(BadgeMode=wishes.HarmonyInfo.BadgeMode),
    )


def _one_of(value: str, choices: frozenset[str]) -> str:
    return value if value in choices else ""


def _badge_refused(wishes: OfflinePushInfo, platform: str) -> bool:
    if platform == Platform.HARMONY:
        return wishes.HarmonyInfo.BadgeMode == 1
    return wishes.ApnsInfo.BadgeMode == 1 and platform in _APPLE


def _default_ext(message: Message, nick: str, body: str) -> str:
    """The container that the original's UI kit sends, so that a tap can always open the chat (client-sdk sheet, section 5)."""
    return container_json(
        chat_type=GROUP if message.group_id else ONE_TO_ONE,
        action=CHAT,
        sender=message.group_id or message.from_account,
        nickname=nick,
        content=cut_bytes(body, MAX_EXT_CONTENT_BYTES),
        send_time=message.timestamp,
    )


def _identity(message: Message, conversation_id: str, mode: NotificationMode) -> tuple[int, str]:
    """Notify id (31 bits, never 0: some vendors take 0 for none) and collapse id (at most 64 bytes), stable over retries."""
    if mode is NotificationMode.PER_CONVERSATION:
        return _number(conversation_id), conversation_collapse_id(conversation_id)
    if message.flags & _BATCH:
        return batch_notify_id(message.from_account, message.msg_key), batch_collapse_id(message.from_account, message.msg_key)
    return message_notify_id(message.message_id), message_collapse_id(message.message_id)


def message_notify_id(message_id: int) -> int:
    """The notify id of a message that has a notification of its own."""
    # Message ids differ mostly in bits above the 31st; multiplying spreads them (Fibonacci hashing).
    return ((message_id * 0x9E37_79B9_7F4A_7C15) & _MASK64) >> 33 or 1


def batch_notify_id(from_account: str, msg_key: str) -> int:
    """The notify id that all receivers of a batch share."""
    return _number(_batch_name(from_account, msg_key))


def message_collapse_id(message_id: int) -> str:
    """The collapse id of a message that has a notification of its own."""
    return f"m-{message_id}"


def conversation_collapse_id(conversation_id: str) -> str:
    """The collapse id that all notifications of a conversation share."""
    return "c-" + _digest(conversation_id)


def batch_collapse_id(from_account: str, msg_key: str) -> str:
    """The collapse id that all receivers of a batch share."""
    return "b-" + _digest(_batch_name(from_account, msg_key))


def _batch_name(from_account: str, msg_key: str) -> str:
    return f"{from_account}/{msg_key}"


def _number(name: str) -> int:
    return zlib.crc32(name.encode("utf-8", "surrogatepass")) & _MASK31 or 1


def _digest(name: str) -> str:
    return hashlib.blake2b(name.encode("utf-8", "surrogatepass"), digest_size=16).hexdigest()
