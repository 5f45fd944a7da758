"""Huawei's receipts: signature, both bodies, the table of statuses (vendor sheet huawei, section 6)."""

from __future__ import annotations

from typing import Any, Final

from homing.channels import push_kit
from homing.channels.answers import integer, text
from homing.channels.callback_signature import is_signed
from homing.model.outcome import Receipt, ReceiptAnswer, ReceiptKind, ReceiptRequest

# The archived V1 page names other keys than the current one; all four are harmless to both.
_TAKEN: Final = b'{"code":"0","message":"success","errno":"0","errmsg":"success"}'

STATUSES: Final[dict[int, tuple[ReceiptKind, str]]] = {
    0: (ReceiptKind.DELIVERED, ""),
    2: (ReceiptKind.TOKEN_DEAD, "the app is not installed"),
    5: (ReceiptKind.TOKEN_DEAD, "the token is unknown to this device"),
    6: (ReceiptKind.MUTED, "notifications are switched off"),
    10: (ReceiptKind.DROPPED, "the device was inactive for 30 days or more"),
    14: (ReceiptKind.DROPPED, "an internal or network error"),
    15: (ReceiptKind.DROPPED, "replaced in the offline cache"),
    22: (ReceiptKind.DROPPED, "another user of the phone is active"),
    27: (ReceiptKind.DROPPED, "the app's process is absent; the data message is cached"),
    31: (ReceiptKind.DROPPED, "the target page is missing or protected: check click_value"),
    51: (ReceiptKind.DROPPED, "the phone was booted and not unlocked yet"),
    102: (ReceiptKind.DROPPED, "the device's daily frequency limit"),
    144: (ReceiptKind.DROPPED, "the account is not bound on the device"),
    151: (ReceiptKind.DROPPED, "not shown"),
    188: (ReceiptKind.DROPPED, "the app could not be started"),
    191: (ReceiptKind.DROPPED, "the badge could not be set"),
    201: (ReceiptKind.DROPPED, "held by the server: token and user differ, notifications off, or app removed"),
    256: (ReceiptKind.DROPPED, "the category's frequency limit"),
    259: (ReceiptKind.DROPPED, "the content or a URL was refused"),
    264: (ReceiptKind.DROPPED, "not subscribed"),
}


def read(request: ReceiptRequest, user: str, key: str, now_ms: int) -> ReceiptAnswer:
    """The receipts of a call. With a callback user and key, an unsigned, stale or wrongly signed call is refused."""
    signed = not (user and key) or is_signed(request.headers.get("x-huawei-callback-id", ""), user, key, now_ms)
    return push_kit.read_statuses(request, _TAKEN, lambda entry: _receipt(entry, now_ms), signed=signed)


def _receipt(entry: dict[str, Any], now_ms: int) -> Receipt | None:
    """V1 has ``status`` and ``timestamp`` in the entry, V2 in ``deliveryStatus``; widgets' ``formStatus`` is not ours."""
    delivery = entry.get("deliveryStatus")
    source, name = (delivery, "result") if isinstance(delivery, dict) else (entry, "status")
    status = integer(source.get(name), -1)
    if status < 0:
        return None
    kind, words = STATUSES.get(status, (ReceiptKind.DROPPED, "a status that the vendor does not explain"))
    return Receipt(
        kind,
        integer(source.get("timestamp")) or now_ms,
        msg_id=push_kit.message_of_tag(text(entry.get("biTag"))),
        token=text(entry.get("token")),
        code=str(status),
        detail=words,
    )
