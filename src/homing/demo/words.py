"""Messages as the people of the demo write them: elements, wishes for the notification, and bubbles in a chat."""

from __future__ import annotations

from typing import Any, Final, Literal

import msgspec

Kind = Literal["text", "picture", "custom"]
KINDS: Final[tuple[Kind, ...]] = ("text", "picture", "custom")
MAX_TEXT_CHARS: Final = 500
#: What the picture's address would be at a chat product; nothing fetches it.
_PICTURE_URL: Final = "https://pictures.example/{name}.jpg"


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

    def elements(self) -> list[dict[str, Any]]:
        """The message body, as the REST API and the device API take it."""
        if self.kind == "picture":
            picture = {"Type": 1, "Size": 48_213, "Width": 1200, "Height": 800, "URL": _PICTURE_URL.format(name="pigeon")}
            content: dict[str, Any] = {"UUID": "pigeon", "ImageFormat": 1, "ImageInfoArray": [picture]}
            return [{"MsgType": "TIMImageElem", "MsgContent": content}]
        if self.kind == "custom":
            return [{"MsgType": "TIMCustomElem", "MsgContent": {"Data": msgspec.json.encode({"order": self.text}).decode()}}]
        return [{"MsgType": "TIMTextElem", "MsgContent": {"Text": self.text}}]

    def wishes(self) -> dict[str, Any] | None:
        """OfflinePushInfo, or None when the sender has no wishes."""
        info: dict[str, Any] = {}
        if self.no_push:
            info["PushFlag"] = 1
        if self.description:
            info["Desc"] = self.description
        return info or None


def bubble_of(msg_id: str, sender: str, elements: list[dict[str, Any]], at_ms: int) -> Bubble:
    """The bubble of a message that arrived; unknown elements show their type."""
    first = elements[0] if elements else {}
    kind, content = str(first.get("MsgType", "")), first.get("MsgContent") or {}
    if kind == "TIMTextElem":
        return Bubble(msg_id, sender, "text", str(content.get("Text", "")), at_ms)
    if kind == "TIMImageElem":
        return Bubble(msg_id, sender, "picture", "", at_ms)
    if kind == "TIMCustomElem":
        return Bubble(msg_id, sender, "custom", _order(content.get("Data")), at_ms)
    return Bubble(msg_id, sender, "text", f"[{kind}]", at_ms)


def _order(data: object) -> str:
    try:
        value = msgspec.json.decode(str(data))
    except msgspec.DecodeError:
        return str(data)
    return str(value.get("order", "")) if isinstance(value, dict) else str(data)
