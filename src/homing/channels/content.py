"""The text of a vendor request, and how it is made to fit a vendor's limit without ever being refused for its size."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator

import msgspec

from homing.model.notification import Notification
from homing.rules.text import clean, cut, cut_bytes

# Wishes come from a message of up to 12 KB: beyond these sizes no vendor takes them, so they are dropped.
MAX_IMAGE_BYTES = 1024
MAX_NAME_BYTES = 128
_RESOURCE = re.compile(r"[A-Za-z0-9_]{1,100}")
_SMALLEST_BODY_BYTES = 48
_SMALLEST_TITLE_BYTES = 48


class Content(msgspec.Struct, frozen=True):
    """What may shrink: the texts, the picture, our own extras (msg_id, push_id, conversation) and the sender's ext."""

    title: str
    body: str
    ext: str
    image: str = ""
    subtitle: str = ""
    ours: bool = True


def fit(content: Content, size: Callable[[Content], int], limit: int) -> Content:
    """The content cut to ``limit`` bytes by ``size``: a shorter body, then no extras of ours and no picture, then no ext."""
    for smaller in _steps(content):
        excess = size(smaller) - limit
        if excess <= 0:
            return smaller
        keep = max(_SMALLEST_BODY_BYTES, len(smaller.body.encode()) - excess)  # a byte of text is a byte or more of the request
        shorter = msgspec.structs.replace(smaller, body=cut_bytes(smaller.body, keep))
        if size(shorter) <= limit:
            return shorter
    return shorter


def _steps(content: Content) -> Iterator[Content]:
    replace = msgspec.structs.replace
    yield content
    content = replace(content, ours=False, image="")
    yield content
    bare = replace(content, title=cut_bytes(content.title, 4 * _SMALLEST_TITLE_BYTES), subtitle="")
    yield bare
    yield replace(bare, ext="")
    yield replace(bare, ext="", title=cut_bytes(content.title, _SMALLEST_TITLE_BYTES))


def cleaned(notification: Notification) -> Notification:
    """The notification with lone surrogates and control characters removed, for the rare text that cannot be encoded."""
    return msgspec.structs.replace(
        notification,
        title=clean(notification.title),
        body=clean(notification.body),
        subtitle=clean(notification.subtitle),
        ext=clean(notification.ext),
        conversation_id=clean(notification.conversation_id),
        collapse_id=clean(notification.collapse_id),
        msg_id=clean(notification.msg_id),
    )


def wish(value: str, certificate_value: str, limit: int = MAX_NAME_BYTES) -> str:
    """The message's value where it is not empty (and not absurdly long or broken), else the certificate's."""
    if not value or len(value) > limit:
        return certificate_value
    try:
        return value if len(value.encode()) <= limit else certificate_value
    except UnicodeEncodeError:
        return certificate_value


def image_wish(value: str) -> str:
    """A picture's URL where vendors take it: https only."""
    return wish(value, "", MAX_IMAGE_BYTES) if value.startswith("https://") else ""


def raw_sound(value: str, certificate_value: str) -> str:
    """The raw resource to play, the message's over the certificate's, "" for the phone's own tone.

    Android looks resources up without their file suffix. A name that no resource can have is passed over: some vendors
    refuse the whole message for it.
    """
    for name in (value, certificate_value):
        stem = without_suffix(name.removeprefix("/raw/"))
        if _RESOURCE.fullmatch(stem):
            return "" if stem == "default" else stem
    return ""


def without_suffix(sound: str) -> str:
    """A file name without its suffix."""
    stem, dot, suffix = sound.rpartition(".")
    return stem if dot and stem and suffix.isalnum() and len(suffix) <= 5 else sound


def cut_units(text: str, limit: int) -> str:
    """At most ``limit`` UTF-16 units, cut between user-visible characters.

    Vendors that limit characters count them as Java does, where one emoji is two or more.
    """
    if _units(text) <= limit:
        return text
    keep, shorter = limit, cut(text, limit)
    while (units := _units(shorter)) > limit:
        keep = min(keep - 1, keep * limit // units)
        shorter = cut(text, keep)
    return shorter


def _units(text: str) -> int:
    return len(text) if text.isascii() else len(text) + sum(character > "\uffff" for character in text)
