"""The container behind a tapped notification (client-sdk sheet, sections 5 and 6), read with tolerance for damage."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import msgspec

ONE_TO_ONE, GROUP = 1, 2
CHAT, CALL = 1, 2
VERSION = 1
MAX_EXT_CHARS = 64 * 1024  # no vendor carries more than 4 KB; the rest is not ours
_MAX_INTEGER = 2**63 - 1


class OfflineMessage(msgspec.Struct, frozen=True):
    """What a tap should open."""

    version: int = VERSION
    chat_type: int = ONE_TO_ONE
    action: int = CHAT  # 1 chat, 2 call
    sender: str = ""  # the group's id when ``chat_type`` is 2
    nickname: str = ""
    face_url: str = ""
    content: str = ""
    send_time: int = 0  # unix seconds


def container_json(
    *, chat_type: int, action: int, sender: str, nickname: str = "", face_url: str = "", content: str = "", send_time: int = 0
) -> str:
    """The JSON text ``{"entity": {...}}`` that apps built on the original's UI kit understand."""
    entity = {
        "version": VERSION,
        "chatType": chat_type,
        "action": action,
        "sender": sender,
        "nickname": nickname,
        "faceUrl": face_url,
        "content": content,
        "sendTime": send_time,
    }
    try:
        return msgspec.json.encode({"entity": entity}).decode()
    except UnicodeEncodeError:  # a lone surrogate in a nick: escaped it is still JSON
        return json.dumps({"entity": entity}, separators=(",", ":"))


def parse_ext(text: str | bytes | Mapping[str, Any] | None) -> OfflineMessage | None:
    """The message in an ext: a container ``{"entity": ...}`` or the bare entity, as text or parsed. Never raises.

    None when it is no container, its version is not 1 or its action is neither chat nor call: the app cannot open it.
    """
    outer = _object(text)
    if outer is None:
        return None
    entity = _object(outer["entity"]) if "entity" in outer else outer
    return None if entity is None else _read(entity)


def parse_offline_message(extras: Mapping[str, object] | None) -> OfflineMessage | None:
    """The message in what a vendor's client hands to the tapped app, or None. Never raises.

    The shapes are listed in the client-sdk sheet, section 6. An ``ext`` wins over an ``entity``.
    """
    if not isinstance(extras, Mapping):
        return None
    for carrier in (extras, *_nested(extras)):
        for name in ("ext", "entity"):
            found = parse_ext(carrier.get(name))
            if found is not None:
                return found
    return None


#: Where a client hides the extras: a message object of the vendor's, its parameters, a page's want, a userInfo, custom content.
_WRAPPERS = ("key_message", "extra", "params", "parameters", "want", "userInfo", "data", "custom_content", "custom")
_MAX_DEPTH = 3


def _nested(extras: Mapping[str, object]) -> list[Mapping[str, Any]]:
    """The objects inside ``extras`` that may carry an ext, outer ones first."""
    found: list[Mapping[str, Any]] = []
    level: list[Mapping[str, Any]] = [extras]
    for _ in range(_MAX_DEPTH):
        level = [inner for carrier in level for name in _WRAPPERS if (inner := _object(carrier.get(name))) is not None]
        found += level
    return found


def _read(entity: Mapping[str, Any]) -> OfflineMessage | None:
    sender = _text(entity.get("sender"))
    version, action = _integer(entity.get("version"), VERSION), _integer(entity.get("action"), CHAT)
    if version != VERSION or action not in (CHAT, CALL):
        return None
    # Any JSON object would pass for an entity full of defaults; without a sender there is nothing to open.
    if not sender:
        return None
    return OfflineMessage(
        version=version,
        chat_type=GROUP if _integer(entity.get("chatType"), ONE_TO_ONE) == GROUP else ONE_TO_ONE,
        action=action,
        sender=sender,
        nickname=_text(entity.get("nickname")),
        face_url=_text(entity.get("faceUrl")),
        content=_text(entity.get("content")),
        send_time=_integer(entity.get("sendTime"), 0),
    )


def _object(value: object) -> Mapping[str, Any] | None:
    """A JSON object, given as such or as its text (also a text that was encoded twice)."""
    for _ in range(2):
        if isinstance(value, Mapping):
            return value
        if not isinstance(value, str | bytes) or not 2 <= len(value) <= MAX_EXT_CHARS:
            return None
        try:
            value = json.loads(value)
        except (ValueError, RecursionError):
            return None
    return value if isinstance(value, Mapping) else None


def _text(value: object) -> str:
    if isinstance(value, str):
        return value
    return str(value) if isinstance(value, int) and not isinstance(value, bool) and abs(value) <= _MAX_INTEGER else ""


def _integer(value: object, default: int) -> int:
    """A whole number, also written as text or with a fraction of zero; the default for what is missing or damaged."""
    if isinstance(value, bool):
        return default
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    elif isinstance(value, str) and value.isascii() and len(value) <= 20 and value.strip().lstrip("-").isdigit():
        value = int(value) if value.strip().count("-") <= 1 else default
    return value if isinstance(value, int) and abs(value) <= _MAX_INTEGER else default
