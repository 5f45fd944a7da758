"""Meizu (Flyme) push (vendor sheet meizu): signed forms, no log-in."""
# ruff: noqa: ARG002  (the protocol's methods have the protocol's parameters)

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Final
from urllib.parse import urlencode, urlsplit

import msgspec

from homing.channels import meizu_receipts
from homing.channels.answers import ext_text, json_object, one_line, retry_after, text
from homing.channels.base import Capabilities, CommonCredentials, CommonOptions, FieldProblem, field
from homing.channels.checks import common_problems, missing
from homing.channels.china_day import seconds_to_midnight
from homing.channels.clicks import no_action_problem, opens_page, page_action
from homing.channels.content import Content, cleaned, cut_units, fit
from homing.channels.statics import Statics
from homing.channels.urls import base, receipt_url
from homing.model.certificates import Certificate
from homing.model.notification import Notification, Target
from homing.model.outcome import Evidence, Grant, Outcome, OutcomeKind, ReceiptAnswer, ReceiptRequest, VendorRequest, VendorResponse
from homing.rules.intents import activity_of, parse_intent_uri
from homing.rules.text import clean

_HOSTS: Final = {"china": "https://server-api-push.meizu.com", "overseas": "https://server-api-push.in.meizu.com"}
_DOMAIN: Final = "meizu.com"
_PATH: Final = "/garcia/api/server/push/varnished/pushByPushId"
_BATCH: Final = 100
_MAX_TITLE_UNITS: Final = 32
_MAX_BODY_UNITS: Final = 100
_MESSAGE_LIMIT_BYTES: Final = 4096  # of messageJson; the vendor publishes none
_MAX_HOURS: Final = 72
_HOUR_SECONDS: Final = 3600
_MAX_CLICK_BYTES: Final = 1000
_MAX_CALLBACK_BYTES: Final = 128
_MAX_CALLBACK_PARAM_BYTES: Final = 64
_BOTH_RECEIPTS: Final = 3  # 1 delivered + 2 clicked
_BLANK: Final = "新消息"  # title and content need a character


class MeizuCredentials(CommonCredentials, frozen=True, kw_only=True):
    """The server's values of an app, and the token of its receipts."""

    app_id: Annotated[str, field("App ID", "AppId", "A number from the push console", "推送平台的 AppId（数字）")]
    app_secret: Annotated[
        str, field("App secret", "AppSecret", "Signs requests; not the AppKey, which is the client's", "签名用，不是 AppKey", secret=True)
    ]
    callback_token: Annotated[
        str,
        field("Receipt token", "回执 token", "The console's access_token of the receipt address", "回执地址的 access_token", secret=True),
    ] = ""


class MeizuOptions(CommonOptions, frozen=True, kw_only=True):
    """Options of a Meizu certificate."""

    region: Annotated[str, field("Region", "地区", "Where the phones are registered", "设备注册的地区", choices=("china", "overseas"))] = (
        "china"
    )
    callback_registered: Annotated[
        int,
        field(
            "Receipts registered",
            "回执地址已登记",
            "1: the receipt URL is registered in Meizu's console; unregistered it would stop the pushes themselves",
            "1：回执地址已在魅族后台登记；未登记时带上会导致推送失败",
            ge=0,
            le=1,
        ),
    ] = 0
    payload_limit_bytes: Annotated[
        int, field("Message limit", "消息上限", "Bytes of messageJson; the vendor publishes none", "messageJson 字节数", ge=1024, le=65_536)
    ] = _MESSAGE_LIMIT_BYTES


class _Prepared:
    """What one certificate always needs: the address, the receipt fields and the click target."""

    __slots__ = ("callback", "click", "url")

    def __init__(self, certificate: Certificate) -> None:
        options: MeizuOptions = certificate.options
        self.url = base(options.base_url, _HOSTS.get(options.region, _HOSTS["china"])) + _PATH
        self.click = _click(options)
        callback = receipt_url(options.callback_base_url, certificate.receipt_path) if options.callback_registered else ""
        self.callback = callback if len(callback.encode()) <= _MAX_CALLBACK_BYTES else ""


_PREPARED: Final = Statics(_Prepared)
_HEADERS: Final = (("content-type", "application/x-www-form-urlencoded;charset=UTF-8"),)
_encode: Final = msgspec.json.Encoder().encode

_REFUSED: Final = OutcomeKind.MESSAGE_REFUSED
_CREDENTIALS: Final = OutcomeKind.CREDENTIALS_REFUSED
_REDIRECT: Final = "300"
_REDIRECTED: Final = "redirected"
_DEAD: Final = frozenset({"110002", "110003"})

# Section 5, top-level codes. 200 stands apart, and so do the two that speak of a token.
_BY_CODE: Final[dict[str, OutcomeKind]] = {
    "-1": OutcomeKind.UNKNOWN,
    "300": OutcomeKind.UNKNOWN,  # a second redirect, or one to somebody else
    "500": OutcomeKind.UNKNOWN,  # also plain complaints about an argument: not a reason to call the vendor down
    "1001": OutcomeKind.VENDOR_DOWN,
    "1003": OutcomeKind.VENDOR_DOWN,
    "1005": _REFUSED,
    "1006": _CREDENTIALS,
    "110000": _CREDENTIALS,
    "110001": _CREDENTIALS,
    "110004": _REFUSED,
    "110009": _CREDENTIALS,
    "110010": OutcomeKind.THROTTLED,  # inside ``value`` the same number says that the user switched notifications off
    "110019": OutcomeKind.QUOTA_APP,
    "110031": _CREDENTIALS,
    "110032": _REFUSED,
    "110033": _CREDENTIALS,
    "110051": OutcomeKind.QUOTA_APP,
    "110053": _REFUSED,
}
# Section 5, the keys of ``value``: what became of single targets.
_BY_INNER_CODE: Final[dict[str, tuple[OutcomeKind, str]]] = {
    "201": (OutcomeKind.CLASS_REFUSED, "no right for this kind of message"),
    "501": (OutcomeKind.UNKNOWN, "the push failed at the vendor"),
    "513": (OutcomeKind.UNKNOWN, "the push failed at the vendor"),
    "518": (OutcomeKind.THROTTLED, "over the configured rate"),
    "519": (OutcomeKind.THROTTLED, "the vendor is overloaded"),
    "520": (OutcomeKind.QUOTA_DEVICE, "folded: more than five within a minute for this device"),
    "110002": (OutcomeKind.TOKEN_DEAD, "the pushId expired or unsubscribed"),
    "110003": (OutcomeKind.TOKEN_DEAD, "the pushId is illegal"),
    "110005": (_REFUSED, "the alias is not subscribed"),
    "110010": (_REFUSED, "notifications are switched off on the phone"),
    "110011": (OutcomeKind.QUOTA_DEVICE, "the device's daily cap of public messages; chat needs noticeMsgType 1"),
}
_BY_STATUS: Final[dict[int, OutcomeKind]] = {200: OutcomeKind.UNKNOWN, 429: OutcomeKind.THROTTLED}


def sign(fields: Mapping[str, str], app_secret: str) -> str:
    """The signature of a form (section 2): MD5 over the sorted raw ``name=value`` without a separator, then the secret."""
    text_to_sign = "".join(f"{name}={fields[name]}" for name in sorted(fields)) + app_secret
    return hashlib.md5(text_to_sign.encode(), usedforsecurity=False).hexdigest()


class MeizuChannel:
    """Meizu: a signed form for up to 100 ids."""

    name: str = "meizu"
    title_en: str = "Meizu Push"
    title_zh: str = "魅族推送"
    push_platform: int = 5
    platforms: frozenset[str] = frozenset({"android"})
    capabilities: Capabilities = Capabilities(
        batch_size=_BATCH,
        click_actions=("launcher", "page", "web"),
        classes=True,
        title_limit=_MAX_TITLE_UNITS,
        body_limit=_MAX_BODY_UNITS,
        payload_limit_bytes=_MESSAGE_LIMIT_BYTES,
        max_ttl_seconds=_MAX_HOURS * _HOUR_SECONDS,
        receipts=True,
        requests_per_second=200,
        app_quota=True,
        device_daily_public=3,
    )
    credentials_type: type[msgspec.Struct] = MeizuCredentials
    options_type: type[msgspec.Struct] = MeizuOptions

    def check(self, certificate: Certificate) -> list[FieldProblem]:
        """Sections 2, 3, 7 and 8: the ids, the click target, the receipt address, and what would silently not work."""
        credentials: MeizuCredentials = certificate.credentials
        options: MeizuOptions = certificate.options
        found = missing("app_id", credentials.app_id) + missing("app_secret", credentials.app_secret)
        if credentials.app_id and not (credentials.app_id.isascii() and credentials.app_id.isdigit()):
            found.append(FieldProblem("app_id", "app_id is not a number", "Copy the AppId from the push console"))
        if not credentials.app_secret.isascii():
            found.append(FieldProblem("app_secret", "app_secret has characters that no secret has", "Copy it again from the console"))
        if options.region not in _HOSTS:
            found.append(FieldProblem("region", f"region is none of {', '.join(_HOSTS)}", "Use one of them"))
        return found + common_problems(options, self.capabilities) + _click_problems(options) + _warnings(certificate)

    def login(self, certificate: Certificate, now_ms: int) -> VendorRequest | Grant | None:
        """None: each request is signed (section 2)."""
        return None

    def login_identity(self, certificate: Certificate) -> str:
        """Each certificate signs for itself."""
        return ""

    def read_login(self, certificate: Certificate, response: VendorResponse, now_ms: int) -> Grant | Outcome:
        """Meizu has no log-in request."""
        return Outcome(OutcomeKind.UNKNOWN, str(response.status))

    def render(
        self, notification: Notification, targets: Sequence[Target], certificate: Certificate, grant: Grant | None, now_ms: int
    ) -> list[VendorRequest]:
        """One signed form for up to 100 targets. A lone target's request names its push_id too."""
        prepared = _PREPARED.get(certificate)
        options: MeizuOptions = certificate.options
        credentials: MeizuCredentials = certificate.credentials
        requests = []
        for start in range(0, len(targets), _BATCH):
            batch = tuple(targets[start : start + _BATCH])
            push_id = str(batch[0].push_id) if len(batch) == 1 else ""
            try:
                message = _Job(notification, options, prepared, now_ms).message(push_id)
            except UnicodeEncodeError:
                message = _Job(cleaned(notification), options, prepared, now_ms).message(push_id)
            ids = dict.fromkeys(_push_id(target.token) for target in batch)
            # The very text that is signed must be sent: written anew it would be refused (section 9).
            form = {"appId": credentials.app_id, "messageJson": message, "pushIds": ",".join(ids)}
            body = urlencode(form | {"sign": sign(form, credentials.app_secret)}).encode()
            requests.append(VendorRequest("POST", prepared.url, _HEADERS, body, batch, ca_file=options.ca_file))
        return requests

    def interpret(self, request: VendorRequest, response: VendorResponse, now_ms: int) -> list[Outcome]:
        """Section 5: the body's code, and behind a 200 the targets that failed; without a code the HTTP status."""
        answer = json_object(response.body)
        code, words = text(answer.get("code")), one_line(answer.get("message"))
        if code == "200":
            return _by_target(request.targets, answer)
        if not code:
            return [_by_status(response, now_ms)] * len(request.targets)
        return [_refused(code, words, response, len(request.targets), now_ms)] * len(request.targets)

    def follow_up(self, request: VendorRequest, response: VendorResponse, certificate: Certificate) -> list[VendorRequest]:
        """Code 300: the same form once more where the vendor says, but never outside the vendor's own domain (section 5)."""
        answer = json_object(response.body)
        if text(answer.get("code")) != _REDIRECT or request.context == _REDIRECTED:
            return []
        url = text(answer.get("redirect"))
        return [msgspec.structs.replace(request, url=url, context=_REDIRECTED)] if _is_vendors(url, request.url) else []

    def read_receipts(self, certificate: Certificate, request: ReceiptRequest, now_ms: int) -> ReceiptAnswer:
        """Section 7. There is no signature: the receipt path is the secret, and the console's token where it is configured."""
        return meizu_receipts.read(request, certificate.credentials.callback_token, now_ms)

    def parse_extras(self, extras: dict[str, Any]) -> str | None:
        """The click parameters become extras of the opened page."""
        return ext_text(extras)


class _Job(msgspec.Struct, frozen=True):
    """One notification on its way through one certificate."""

    notification: Notification
    options: MeizuOptions
    prepared: _Prepared
    now_ms: int

    def message(self, push_id: str) -> str:
        """``messageJson``, within the limit."""
        notification, limit = self.notification, self.options.payload_limit_bytes
        title = clean(notification.title, newlines=False).strip() or _BLANK
        content = Content(title, notification.body.strip() or _BLANK, notification.ext)
        encoded = self.encoded(content, push_id)
        if len(encoded) > limit:
            encoded = self.encoded(fit(content, lambda smaller: len(self.encoded(smaller, push_id)), limit), push_id)
        return encoded.decode()

    def encoded(self, content: Content, push_id: str) -> bytes:
        """The fields of section 3.2."""
        notification = self.notification
        message: dict[str, Any] = {
            "noticeBarInfo": {
                "noticeMsgType": self.message_class(),
                "noticeBarType": 0,
                "title": cut_units(content.title, _MAX_TITLE_UNITS),
                "content": cut_units(content.body, _MAX_BODY_UNITS),
            },
            "noticeExpandInfo": {"noticeExpandType": 0},
            "clickTypeInfo": self.prepared.click | {"parameters": self.parameters(content, push_id)},
            "pushTimeInfo": self.kept(),
            "advanceInfo": {
                "suspend": 1,
                "clearNoticeBar": 1,
                "notificationType": {"vibrate": 1, "lights": 1, "sound": 1},
                "notifyKey": f"{notification.notify_id & 0x7FFFFFFF:08x}",  # 8 characters at most
            },
        }
        if self.prepared.callback:
            message["extra"] = self.callback()
        return _encode(message)

    def message_class(self) -> int:
        """Section 8: 1 private, 0 public, which is capped at 3 to 5 a day and device."""
        wished = self.notification.wishes.AndroidInfo.MeiZuNoticeMsgType
        if wished in (0, 1):
            return wished
        return 1 if self.notification.notification_class == "private" else 0

    def parameters(self, content: Content, push_id: str) -> dict[str, str]:
        """The extras of the opened page; the values are texts."""
        own = {"ext": content.ext} if content.ext else {}
        if content.ours:
            own |= {"msg_id": self.notification.msg_id, "conv": self.notification.conversation_id}
            if push_id:
                own["push_id"] = push_id
        return own

    def kept(self) -> dict[str, int]:
        """How long the vendor keeps it for a phone that is away, in whole hours; under half an hour not at all."""
        hours = (self.notification.ttl_seconds(self.now_ms) + _HOUR_SECONDS // 2) // _HOUR_SECONDS
        return {"offLine": int(hours > 0), "validTime": min(max(hours, 1), _MAX_HOURS)}

    def callback(self) -> dict[str, Any]:
        """Receipts of this message (section 7)."""
        extra: dict[str, Any] = {"callback": self.prepared.callback}
        param = f"m:{self.notification.msg_id}"
        if len(param.encode()) <= _MAX_CALLBACK_PARAM_BYTES:
            extra["callback.param"] = param
        return extra | {"callback.type": _BOTH_RECEIPTS}


def _is_vendors(url: str, asked: str) -> bool:
    """Whether a redirect stays with the vendor: an https address of its domain, or of the very host that answered."""
    try:
        there, here = urlsplit(url), urlsplit(asked)
    except ValueError:
        return False
    if there.netloc and (there.scheme, there.netloc) == (here.scheme, here.netloc):
        return True
    host = there.hostname or ""
    return there.scheme == "https" and (host == _DOMAIN or host.endswith("." + _DOMAIN)) and "@" not in there.netloc


def _push_id(token: str) -> str:
    """A comma separates ids, so none may be inside one."""
    return token.replace(",", "")


def _click(options: MeizuOptions) -> dict[str, Any]:
    """``clickTypeInfo`` but for the parameters (section 3.2): 0 the app, 1 an activity, 2 a URI of the web or of the app."""
    value = options.click_value
    if opens_page(options):
        if activity := _activity(options):
            return {"clickType": 1, "activity": activity}
        intent = parse_intent_uri(value)
        if intent is not None and intent.data:
            return {"clickType": 2, "url": intent.data}
    if options.click_action == "web" and value:
        return {"clickType": 2, "url": value}
    return {"clickType": 0}


def _activity(options: MeizuOptions) -> str:
    """The full class name in the click value, "" where it names none; ``.Class`` is one of the package."""
    name = "" if page_action(options) else activity_of(options.click_value)
    if not name.startswith("."):
        return name
    return options.package_name + name if options.package_name else ""


def _by_target(targets: Sequence[Target], answer: dict[str, Any]) -> list[Outcome]:
    """Code 200: a target that ``value`` does not list was accepted."""
    failed: dict[str, Outcome] = {}
    value = answer.get("value")
    for code, ids in value.items() if isinstance(value, dict) else ():
        kind, words = _BY_INNER_CODE.get(code, (_REFUSED, "a code that the vendor does not explain"))
        outcome = Outcome(kind, code, words, evidence=Evidence.TOKEN)
        for target in ids if isinstance(ids, list) else [ids]:
            if isinstance(target, str):
                failed.setdefault(target, outcome)
    accepted = Outcome(OutcomeKind.ACCEPTED, "200", vendor_message_id=text(answer.get("msgId"))[:256])
    return [failed.get(_push_id(target.token), accepted) for target in targets]


def _refused(code: str, words: str, response: VendorResponse, targets: int, now_ms: int) -> Outcome:
    if code in _DEAD:  # a host of the other region says the same of every id
        kind = OutcomeKind.TOKEN_DEAD if targets == 1 else OutcomeKind.UNKNOWN
        return Outcome(kind, code, words, evidence=Evidence.REQUEST)
    kind = _BY_CODE.get(code, OutcomeKind.VENDOR_DOWN if response.status >= 500 else OutcomeKind.UNKNOWN)
    if kind is OutcomeKind.QUOTA_APP:
        return Outcome(kind, code, words, retry_after_seconds=seconds_to_midnight(now_ms))
    wait = retry_after(response.headers, now_ms) if kind in {OutcomeKind.THROTTLED, OutcomeKind.VENDOR_DOWN} else None
    return Outcome(kind, code, words, retry_after_seconds=wait)


def _by_status(response: VendorResponse, now_ms: int) -> Outcome:
    """5xx may be tried again; any other status but 200 means that the request is invalid (section 5)."""
    kind = _BY_STATUS.get(response.status)
    if kind is None:
        kind = OutcomeKind.VENDOR_DOWN if response.status >= 500 else _REFUSED if response.status >= 400 else OutcomeKind.UNKNOWN
    return Outcome(kind, str(response.status), retry_after_seconds=retry_after(response.headers, now_ms))


def _click_problems(options: MeizuOptions) -> list[FieldProblem]:
    click = _click(options)
    if opens_page(options) and click["clickType"] == 0:
        return [no_action_problem("Meizu")]
    target = click.get("activity") or click.get("url") or ""
    if len(target.encode()) > _MAX_CLICK_BYTES:
        return [FieldProblem("click_value", "click_value is longer than the 1000 bytes that Meizu takes", "Shorten it")]
    return []


def _warnings(certificate: Certificate) -> list[FieldProblem]:
    options: MeizuOptions = certificate.options
    found = []
    if options.notification_class == "public":
        sentence = "public messages are capped at 3 (news: 5) a day and device since 2025-05-07"
        found.append(FieldProblem("notification_class", sentence, "Use private for chat", warning=True))
    if options.callback_base_url and not options.callback_registered:
        url = receipt_url(options.callback_base_url, certificate.receipt_path)
        cure = f"Register {url} under the console's receipts, then set callback_registered=1"
        found.append(FieldProblem("callback_registered", "receipts are off until the address is registered at Meizu", cure, warning=True))
    if len(receipt_url(options.callback_base_url, certificate.receipt_path).encode()) > _MAX_CALLBACK_BYTES:
        sentence = "the receipt URL is longer than the 128 bytes that Meizu takes, so there are no receipts"
        found.append(FieldProblem("callback_base_url", sentence, "Use a shorter host or path", warning=True))
    for name in ("sound", "channel_id"):
        if getattr(options, name):
            found.append(FieldProblem(name, f"Meizu's server takes no {name}; it is not sent", f"Leave {name} empty", warning=True))
    return found
