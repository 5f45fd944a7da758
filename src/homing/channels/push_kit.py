"""What the channels of one family share: Huawei's first API, its successor for HarmonyOS 5, and Honor's copy of the first.

The vendors' own names, limits and receipts stand in their files; here is what is the same wherever these numbers are used
(vendor sheets huawei, sections 2 to 6, and honor, section 4: "numbers follow Huawei's families").
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Annotated, Any, Final
from urllib.parse import quote, urlencode

import msgspec

from homing.channels.answers import json_object, one_line, retry_after
from homing.channels.base import CommonOptions, field
from homing.channels.clicks import opens_page, page_action
from homing.channels.content import Content
from homing.model.notification import Notification, Target
from homing.model.outcome import Outcome, OutcomeKind, Receipt, ReceiptAnswer, ReceiptRequest, VendorRequest, VendorResponse
from homing.rules.intents import with_extras

BATCH: Final = 1000
BODY_LIMIT_BYTES: Final = 4096  # tokens excluded
MAX_TTL_SECONDS: Final = 1_296_000  # 15 days
MAX_BADGE: Final = 99
MAX_TAG_BYTES: Final = 64
PARTIAL: Final = "80100000"
#: Usually a wrong app id, not dead phones (sheet huawei, section 9, trap 1): never believed without a success beside it.
ALL_INVALID: Final = "80300007"
ALL_INVALID_WORDS: Final = "all tokens refused: of another app or project, of a removed app, or from before the phone's system was upgraded"
_BLANK: Final = "新消息"  # an empty title or text is refused
_MAX_RECEIPTS: Final = 2000
_REFUSED: Final = OutcomeKind.MESSAGE_REFUSED
_CREDENTIALS: Final = OutcomeKind.CREDENTIALS_REFUSED
_encode: Final = msgspec.json.Encoder().encode

#: The codes that mean the same everywhere. Those that speak of tokens, and 80200001, stand apart in each vendor's file.
CODES: Final[Mapping[str, OutcomeKind]] = {
    "80100001": _REFUSED,
    "80100003": _REFUSED,
    "80100004": _REFUSED,
    "80100013": _REFUSED,
    "80100016": _REFUSED,
    "80200003": OutcomeKind.AUTH_EXPIRED,
    "80200005": OutcomeKind.AUTH_EXPIRED,
    "80300002": _CREDENTIALS,
    "80300008": _REFUSED,
    "80300010": _REFUSED,
    "80300011": OutcomeKind.CLASS_REFUSED,
    "80300013": _CREDENTIALS,  # the receipt configuration: nothing goes out before the operator repairs it
    "80600003": OutcomeKind.VENDOR_DOWN,
    "81000001": OutcomeKind.VENDOR_DOWN,
}
STATUSES: Final[Mapping[int, OutcomeKind]] = {
    400: _REFUSED,
    401: OutcomeKind.AUTH_EXPIRED,
    403: _CREDENTIALS,
    404: _CREDENTIALS,
    413: _REFUSED,
    429: OutcomeKind.THROTTLED,
    503: OutcomeKind.THROTTLED,  # flow control
}

BadgeClass = Annotated[
    str,
    field("Badge class", "角标入口类", "Full name of the launcher activity; without it no badge", "应用入口 Activity 全类名；缺少则无角标"),
]
CallbackKey = Annotated[
    str, field("Receipt key", "回执密钥", "Signs receipts; configured in the console", "控制台回执配置中的密钥", secret=True)
]
CallbackUser = Annotated[str, field("Receipt user", "回执用户名", "As configured in the console", "控制台回执配置中的用户名")]
ReceiptId = Annotated[str, field("Receipt ID", "回执 ID", "Which receipt configuration of the console", "控制台中的回执配置 ID")]


def client_credentials(url: str, client_id: str, secret: str, ca_file: str) -> VendorRequest:
    """The OAuth 2.0 log-in of an app."""
    form = {"grant_type": "client_credentials", "client_id": client_id, "client_secret": secret}
    headers = (("content-type", "application/x-www-form-urlencoded"),)
    return VendorRequest("POST", url, headers, urlencode(form).encode(), secrets=tuple({secret, quote(secret, safe="")}), ca_file=ca_file)


def refusal(
    code: str,
    words: str,
    response: VendorResponse,
    now_ms: int,
    codes: Mapping[str, OutcomeKind],
    otherwise: OutcomeKind = OutcomeKind.UNKNOWN,
) -> Outcome:
    """A whole request refused: by the body's code under every HTTP status, else by the status, else ``otherwise``."""
    kind = codes.get(code) or STATUSES.get(response.status)
    if kind is None:
        kind = OutcomeKind.VENDOR_DOWN if response.status >= 500 else otherwise
    wait = retry_after(response.headers, now_ms) if kind in {OutcomeKind.THROTTLED, OutcomeKind.VENDOR_DOWN} else None
    return Outcome(kind, code or str(response.status), one_line(words), retry_after_seconds=wait)


def content_of(notification: Notification, image: str) -> Content:
    """What is shown; a title and a text are both needed."""
    return Content(notification.title.strip() or _BLANK, notification.body.strip() or _BLANK, notification.ext, image)


def click_data(notification: Notification, content: Content, push_id: str, *, ext: bool = True) -> dict[str, Any]:
    """What a tap hands to the app: the ext, and ours where there is room."""
    data: dict[str, Any] = {"ext": content.ext} if ext and content.ext else {}
    if content.ours:
        data |= {"msg_id": notification.msg_id, "conv": notification.conversation_id}
        if push_id:
            data["push_id"] = push_id
    return data


def click_action(options: CommonOptions, intent: str, ext: str) -> dict[str, Any]:
    """A click action: 1 a page, 2 a URL, 3 the app. ``intent`` is the page's, "" where none; the ext is put into it."""
    if intent:
        return {"type": 1, "intent": with_extras(intent, {"ext": ext}) if ext else intent}
    if opens_page(options) and (action := page_action(options)):
        return {"type": 1, "action": action}
    if options.click_action == "web" and options.click_value:
        return {"type": 2, "url": options.click_value}
    return {"type": 3}


def tag_of(notification: Notification) -> str:
    """What comes back in receipts; "" where it would be too long."""
    tag = f"m:{notification.msg_id}"
    return tag if len(tag.encode()) <= MAX_TAG_BYTES else ""


def with_tokens(encoded: bytes, before: bytes, targets: Sequence[Target]) -> bytes:
    """A body that was measured with an empty token list, which stands right after ``before``; a duplicate would be shown twice."""
    tokens = list(dict.fromkeys(target.token for target in targets))
    return before + _encode(tokens) + encoded[len(before) + 2 :]


def read_statuses(
    request: ReceiptRequest, taken: bytes, read: Callable[[dict[str, Any]], Receipt | None], *, signed: bool
) -> ReceiptAnswer:
    """The receipts of a call whose signature was looked at: ``statuses``, of which ``read`` makes one each."""
    if not signed:
        return ReceiptAnswer(status=401, body=b'{"code":"401","message":"bad signature"}')
    entries = json_object(request.body).get("statuses")
    if not isinstance(entries, list):
        return ReceiptAnswer(status=400, body=b'{"code":"400","message":"no statuses"}')
    receipts = (read(entry) for entry in entries[:_MAX_RECEIPTS] if isinstance(entry, dict))
    return ReceiptAnswer(tuple(receipt for receipt in receipts if receipt), 200, taken)


def message_of_tag(tag: str) -> str:
    """The message that a receipt's tag names, "" where it is none of ours."""
    return tag[2:] if tag.startswith("m:") else ""
