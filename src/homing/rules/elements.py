"""The words for a message's elements on a lock screen (rest-api sheet, section 6)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from homing.model.messages import Element
from homing.model.push_info import OfflinePushInfo

TEXT = "TIMTextElem"
CUSTOM = "TIMCustomElem"

#: Placeholders in Chinese and English. A relayed chat record has a title of its own; this is the original's fixed text.
PLACEHOLDERS: dict[str, tuple[str, str]] = {
    "TIMFaceElem": ("[表情]", "[Face]"),
    "TIMLocationElem": ("[位置]", "[Location]"),
    "TIMImageElem": ("[图片]", "[Image]"),
    "TIMSoundElem": ("[语音]", "[Voice]"),
    "TIMFileElem": ("[文件]", "[File]"),
    "TIMVideoFileElem": ("[视频]", "[Video]"),
    "TIMRelayElem": ("[聊天记录]", "[Chat history]"),
}
_NEW_MESSAGE = ("你收到一条新消息", "You have a new message")
_NEW_MESSAGE_TITLE = ("新消息", "New message")
_RECALLED = ("此消息已被撤回", "This message was recalled")


def is_chinese(language: str) -> bool:
    """Whether a language tag asks for Chinese; every other language is answered in English."""
    return language[:2].lower() == "zh" and (len(language) == 2 or not language[2].isalnum())


def new_message(language: str) -> str:
    """What is shown when the content is hidden, or when there are no words for it."""
    return _NEW_MESSAGE[0 if is_chinese(language) else 1]


def new_message_title(language: str) -> str:
    """The title of a notification that says nothing, where vendors demand a title."""
    return _NEW_MESSAGE_TITLE[0 if is_chinese(language) else 1]


def recalled_message(language: str) -> str:
    """What takes the place of a message that its sender recalled."""
    return _RECALLED[0 if is_chinese(language) else 1]


def element_text(element: Element, language: str) -> str:
    """The words for one element; "" for a custom element without a description."""
    kind = element.msg_type
    if kind == TEXT:
        return text_of(element.content, "Text")
    if kind == CUSTOM:
        return text_of(element.content, "Desc")
    placeholder = PLACEHOLDERS.get(kind)
    if placeholder is None:
        return ""
    return placeholder[0 if is_chinese(language) else 1]


def push_text(elements: Sequence[Element], language: str) -> str:
    """The words for a whole message: those of its elements in order, with nothing between them."""
    if len(elements) == 1:
        return element_text(elements[0], language)
    return "".join([element_text(element, language) for element in elements])


def describable(elements: Sequence[Element], info: OfflinePushInfo) -> bool:
    """Whether a push would have something to say: anything but a lone custom element without a description."""
    if info.Desc:
        return True
    return any(element.msg_type != CUSTOM or text_of(element.content, "Desc") for element in elements)


def text_of(content: dict[str, Any], name: str) -> str:
    """A text field of an element's content; "" when it is missing or of another type."""
    value = content.get(name)
    return value if isinstance(value, str) else ""
