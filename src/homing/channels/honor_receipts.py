"""Honor's receipts: the body and the table of statuses (vendor sheet honor, section 6)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from homing.channels import push_kit
from homing.channels.answers import integer, text
from homing.channels.callback_signature import is_signed
from homing.model.outcome import Receipt, ReceiptAnswer, ReceiptKind, ReceiptRequest

_TAKEN: Final = b'{"code":"0","message":"success"}'
_HELD: Final = 40000013  # power saving holds it until the screen is on: neither delivered nor lost

STATUSES: Final[dict[int, tuple[ReceiptKind, str]]] = {
    40000001: (ReceiptKind.DELIVERED, "the data message was handed to the app"),
    40000002: (ReceiptKind.DELIVERED, ""),
    40000003: (ReceiptKind.TOKEN_DEAD, "the app is not installed"),
    40000004: (ReceiptKind.TOKEN_DEAD, "the token is unknown or void for this user"),
    40000005: (ReceiptKind.MUTED, "notifications are switched off"),
    40000006: (ReceiptKind.MUTED, "the app is disabled or stopped on the device"),
    40000007: (ReceiptKind.CLICKED, ""),
    40000009: (ReceiptKind.DROPPED, "discarded by the system, mostly over the device's daily quota: check the importance"),
    40000011: (ReceiptKind.DROPPED, "the target page is missing or protected: check click_value"),
    40000014: (ReceiptKind.DROPPED, "another user of the phone is active"),
    40000015: (ReceiptKind.DROPPED, "could not be shown: the intent was refused, or the shade is full"),
    50000003: (ReceiptKind.DROPPED, "the app's process is absent; the data message is cached"),
}


def read(request: ReceiptRequest, user: str, key: str, now_ms: int) -> ReceiptAnswer:
    """The receipts of a call. With a callback user and key, an unsigned, stale or wrongly signed call is refused."""
    signed = not (user and key) or is_signed(_signature(request.headers), user, key, now_ms)
    return push_kit.read_statuses(request, _TAKEN, lambda entry: _receipt(entry, now_ms), signed=signed)


def _signature(headers: Mapping[str, str]) -> str:
    """The vendor's name for the header is not published; its form is that of the older channel (section 6)."""
    return next((value for name, value in headers.items() if name.endswith("-callback-id")), "")


def _receipt(entry: dict[str, Any], now_ms: int) -> Receipt | None:
    status = integer(entry.get("status"), -1)
    if status in {-1, _HELD}:
        return None
    kind, words = STATUSES.get(status, (ReceiptKind.DROPPED, "a status that the vendor does not explain"))
    return Receipt(
        kind,
        integer(entry.get("timestamp")) or now_ms,
        msg_id=push_kit.message_of_tag(text(entry.get("biTag"))),
        token=text(entry.get("token")),
        code=str(status),
        detail=words,
    )
