"""vivo's message: JSON for one phone, or a body that is saved and then pushed to a list (vendor sheet vivo, sections 3 and 4)."""

from __future__ import annotations

import hashlib
import unicodedata
from collections.abc import Sequence
from typing import Any, Final

import msgspec

from homing.channels.clicks import page_intent
from homing.channels.content import cut_units, wish
from homing.channels.urls import auth_endpoint, base, receipt_url
from homing.channels.vivo_fields import VivoOptions
from homing.model.certificates import Certificate
from homing.model.notification import Notification, Target
from homing.rules.text import clean, cut

HOST: Final = "https://api-push.vivo.com.cn"
AUTH_PATH: Final = "/message/auth"
SEND_PATH: Final = "/message/send"
SAVE_PATH: Final = "/message/saveListPayload"
LIST_PATH: Final = "/message/pushToList"
SYSTEM: Final = frozenset({"IM", "ACCOUNT", "TODO", "DEVICE_REMINDER", "ORDER", "SUBSCRIPTION"})
OPERATIONAL: Final = frozenset({"NEWS", "CONTENT", "MARKETING", "SOCIAL"})
MAX_TITLE: Final = 40
MAX_BODY: Final = 100
MIN_TTL_SECONDS: Final = 60
MAX_TTL_SECONDS: Final = 86_400
MAX_CALLBACK: Final = 128
MAX_SKIP_CONTENT: Final = 1024
_MAX_CALLBACK_PARAM: Final = 64
_MAX_CUSTOM: Final = 1024  # keys and values together
_BLANK: Final = "新消息"  # an empty title or text is refused
_encode: Final = msgspec.json.Encoder().encode


class Prepared:
    """What one certificate always needs."""

    __slots__ = ("auth_url", "fixed", "receipt", "url")

    def __init__(self, certificate: Certificate) -> None:
        options: VivoOptions = certificate.options
        self.url = base(options.base_url, HOST)
        self.auth_url = auth_endpoint(options.auth_url, self.url + AUTH_PATH, AUTH_PATH)
        self.receipt = receipt_fields(options, certificate.receipt_path)
        self.fixed: dict[str, Any] = {
            "appId": app_number(certificate.credentials.app_id),
            "notifyType": options.notify_type,
            **click(options),
            "networkType": -1,
            "pushMode": options.test_mode,
            "foregroundShow": options.foreground_show,  # explicit: the vendor's default is not published
            "sendOnline": False,
        }


class Job(msgspec.Struct, frozen=True):
    """One notification on its way through one certificate."""

    notification: Notification
    options: VivoOptions
    prepared: Prepared
    now_ms: int

    def single(self, target: Target) -> bytes:
        """The body of ``/message/send``."""
        token = clean(target.token)
        return _encode(self.body(str(target.push_id)) | {"regId": token, "requestId": request_id(self.name(), token)})

    def saved(self, targets: Sequence[Target]) -> bytes:
        """The body of ``saveListPayload``. A saved body is made for each attempt: the life of one is not published."""
        own = request_id(self.name(), str(self.now_ms), *(clean(target.token) for target in targets))
        return _encode(self.body("") | {"requestId": own})

    def name(self) -> str:
        """The same for the same message and text, on every retry."""
        return request_id(self.notification.msg_id, *self.texts())

    def body(self, push_id: str) -> dict[str, Any]:
        """Every field but the phone's and the request's id."""
        notification = self.notification
        title, content = self.texts()
        ttl = min(max(notification.ttl_seconds(self.now_ms), MIN_TTL_SECONDS), MAX_TTL_SECONDS)
        body = self.prepared.fixed | {"title": title, "content": content, "timeToLive": ttl}
        body |= {"notifyId": notification.notify_id & 0x7FFFFFFF or 1} | self.classified()
        if self.options.add_badge:
            body["addBadge"] = True
        if custom := self.custom(push_id):
            body["clientCustomMap"] = custom
        if self.prepared.receipt:
            body["extra"] = dict(self.prepared.receipt)
            if len(param := f"m:{notification.msg_id}") <= _MAX_CALLBACK_PARAM:
                body["extra"]["callback.param"] = param
        return body

    def texts(self) -> tuple[str, str]:
        title = clean(self.notification.title, newlines=False).strip() or _BLANK
        content = self.notification.body.strip() or _BLANK
        if self.options.length_rule == "chars":
            return cut_units(title, MAX_TITLE), cut_units(content, MAX_BODY)
        return cut_width(title, MAX_TITLE), cut_width(content, MAX_BODY)

    def classified(self) -> dict[str, Any]:
        """Category and classification, which have to agree (section 8); the message's own over the certificate's."""
        wishes, options = self.notification.wishes.AndroidInfo, self.options
        public = self.notification.notification_class == "public"
        certificates = options.category
        if public and options.notification_class != "public":  # marketing as a system message leads to a ban
            certificates = "MARKETING" if options.category else ""
        asked = wishes.VIVOClassification if wishes.VIVOClassification in {0, 1} else None
        category = wish(wishes.VIVOCategory, certificates).upper()
        if not wishes.VIVOCategory and asked is not None and asked != _classification_of(category, asked):
            category = ""
        level = asked if asked is not None else (0 if public else options.classification)
        return ({"category": category} if category else {}) | {"classification": _classification_of(category, level)}

    def custom(self, push_id: str) -> dict[str, str]:
        """``clientCustomMap``: extras of the opened page, texts only. What is too long gives way: ours first, then the ext."""
        notification = self.notification
        ours = {"msg_id": notification.msg_id, "conv": notification.conversation_id} | ({"push_id": push_id} if push_id else {})
        ext = {"ext": notification.ext} if notification.ext else {}
        return next((custom for custom in (ext | ours, ext, ours) if custom and _units(custom) <= _MAX_CUSTOM), {})


def neutral(request_body: bytes, text: str) -> bytes:
    """A request with another text, which is another request for the vendor."""
    body: dict[str, Any] = msgspec.json.decode(request_body)
    body |= {"title": text, "content": text, "requestId": request_id(str(body["requestId"]), text)}
    return _encode(body)


def without(request_body: bytes, name: str) -> bytes:
    """A request without one of its fields; the vendor refused the first, so the request id is a new one."""
    body: dict[str, Any] = msgspec.json.decode(request_body)
    body.pop(name, None)
    body["requestId"] = request_id(str(body["requestId"]), name)
    return _encode(body)


def to_list(saved_body: bytes, name: str, task_id: str, targets: Sequence[Target]) -> bytes:
    """The body of ``pushToList`` for a saved body."""
    body: dict[str, Any] = msgspec.json.decode(saved_body)
    tokens = list(dict.fromkeys(clean(target.token) for target in targets))
    request = {"appId": body["appId"], "regIds": tokens, "taskId": task_id, "requestId": request_id(name, *tokens)}
    return _encode(request | {"pushMode": body["pushMode"]})


def to_one(saved_body: bytes, name: str, target: Target) -> bytes:
    """The body of ``/message/send`` with the content of a saved body."""
    body: dict[str, Any] = msgspec.json.decode(saved_body)
    token = clean(target.token)
    return _encode(body | {"regId": token, "requestId": request_id(name, token)})


def request_id(*parts: str) -> str:
    """The same for the same parts on every retry: the vendor knows a repeat by it."""
    return hashlib.sha256("\0".join(parts).encode(errors="replace")).hexdigest()[:32]


def app_number(app_id: str) -> int:
    """The app id as the vendor takes it."""
    return int(app_id) if app_id.strip().isascii() and app_id.strip().isdigit() else 0


def receipt_fields(options: VivoOptions, receipt_path: str) -> dict[str, str]:
    """``extra``: the console's receipt id, or a URL; the vendor takes one of the two (section 7)."""
    if options.receipt_id:
        return {"callback.id": options.receipt_id}
    url = receipt_url(options.callback_base_url, receipt_path)
    return {"callback": url} if url and len(url) <= MAX_CALLBACK and not options.test_mode else {}


def click(options: VivoOptions) -> dict[str, Any]:
    """``skipType``: 1 the app, 2 a URL, 4 a page by intent URI."""
    if intent := page_intent(options):
        return {"skipType": 4, "skipContent": intent}
    if options.click_action == "web" and options.click_value:
        return {"skipType": 2, "skipContent": options.click_value}
    return {"skipType": 1}


def cut_width(text: str, limit: int) -> str:
    """At most ``limit`` columns, cut between user-visible characters. What is not surely narrow counts two."""
    if _width(text) <= limit:
        return text
    keep, shorter = limit, cut(text, limit)
    while (width := _width(shorter)) > limit:
        keep = min(keep - 1, keep * limit // width)
        shorter = cut(text, keep)
    return shorter


def _width(text: str) -> int:
    return (
        len(text)
        if text.isascii()
        else sum(1 if unicodedata.east_asian_width(c) in {"N", "Na", "H"} and c <= "\uffff" else 2 for c in text)
    )


def _units(custom: dict[str, str]) -> int:
    return sum(len(part) + sum(character > "\uffff" for character in part) for pair in custom.items() for part in pair)


def _classification_of(category: str, otherwise: int) -> int:
    return 1 if category in SYSTEM else 0 if category in OPERATIONAL else otherwise
