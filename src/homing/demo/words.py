"""Messages as the people of the demo write them: elements, wishes for the notification, and bubbles in a chat."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, Literal

import msgspec

from homing.client import AndroidInfo, ApnsInfo, Element, OfflinePushInfo, custom_message, image_message, text_message

Kind = Literal["text", "picture", "custom"]
MAX_TEXT_CHARS: Final = 500
#: What the picture's address would be at a chat product; nothing fetches it.
_PICTURE_URL: Final = "https://pictures.example/pigeon.jpg"


class Bubble(msgspec.Struct):
    """One message as a chat shows it."""

    msg_id: str
    sender: str
    kind: Kind
    text: str
    at_ms: int


class Letter(msgspec.Struct, frozen=True):
    """What somebody writes, with the sender's wishes for its notification."""

    receiver: str
    kind: Kind = "text"
    text: str = ""
    description: str = ""  # OfflinePushInfo.Desc: what a notification may say about a custom message
    no_push: bool = False  # OfflinePushInfo.PushFlag = 1
    sound: str = ""  # a tone that the receiver's app brings along

    def elements(self) -> tuple[Element, ...]:
        """The message's elements."""
        if self.kind == "picture":
            return (image_message(_PICTURE_URL, "pigeon", width=1200, height=800, size=48_213, image_format=1),)
        if self.kind == "custom":
            return (custom_message(msgspec.json.encode({"order": self.text}).decode()),)
        return (text_message(self.text),)

    def wishes(self) -> OfflinePushInfo | None:
        """The offline push info, or None when the sender has no wishes."""
        if not (self.no_push or self.description or self.sound):
            return None
        return OfflinePushInfo(
            PushFlag=int(self.no_push),
            Desc=self.description,
            AndroidInfo=AndroidInfo(Sound=self.sound),
            ApnsInfo=ApnsInfo(Sound=self.sound),
        )


def bubble_of(msg_id: str, sender: str, elements: Sequence[Element], at_ms: int) -> Bubble:
    """The bubble of a message; an element that this app cannot draw shows its type."""
    first = elements[0] if elements else Element("", {})
    match first.msg_type:
        case "TIMTextElem":
            return Bubble(msg_id, sender, "text", str(first.content.get("Text", "")), at_ms)
        case "TIMImageElem":
            return Bubble(msg_id, sender, "picture", "", at_ms)
        case "TIMCustomElem":
            return Bubble(msg_id, sender, "custom", _order(first.content.get("Data")), at_ms)
    return Bubble(msg_id, sender, "text", f"[{first.msg_type}]", at_ms)


def _order(data: object) -> str:
    try:
        value = msgspec.json.decode(str(data))
    except msgspec.DecodeError:
        return str(data)
    return str(value.get("order", "")) if isinstance(value, dict) else str(data)
