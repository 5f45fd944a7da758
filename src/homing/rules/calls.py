"""Whether a message is a call (client-sdk sheet, section 5: the container's action)."""

from __future__ import annotations

from collections.abc import Sequence

from homing.model.messages import Element
from homing.model.push_info import NO_WISHES, OfflinePushInfo

from .elements import CUSTOM, text_of
from .offline_message import CALL, parse_ext


def is_call(info: OfflinePushInfo | None, elements: Sequence[Element]) -> bool:
    """A call rings; everything else is shown. Without offline push info the custom element's own ext counts."""
    if info is not None and info != NO_WISHES:
        return _calls(info.Ext)
    return any(element.msg_type == CUSTOM and _calls(text_of(element.content, "Ext")) for element in elements)


def _calls(ext: str) -> bool:
    message = parse_ext(ext) if ext else None
    return message is not None and message.action == CALL
