"""Honor Push (vendor sheet honor): the shape of Huawei's first API with names, codes and receipts of its own."""
# ruff: noqa: ARG002  (the protocol's methods have the protocol's parameters)

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any, Final
from urllib.parse import quote, urlencode

import msgspec

from homing.channels import honor_receipts
from homing.channels.answers import ext_text, integer, json_object, one_line, retry_after, text
from homing.channels.base import Capabilities, CommonCredentials, CommonOptions, FieldProblem, field
from homing.channels.checks import common_problems, missing
from homing.channels.clicks import opens_page, page_action, page_intent, page_problem
from homing.channels.content import Content, cleaned, fit, image_wish
from homing.channels.statics import Statics
from homing.channels.urls import auth_endpoint, base
from homing.model.certificates import Certificate
from homing.model.notification import Notification, Target
from homing.model.outcome import Evidence, Grant, Outcome, OutcomeKind, ReceiptAnswer, ReceiptRequest, VendorRequest, VendorResponse
from homing.rules.intents import with_extras

_HOST: Final = "https://push-api.cloud.honor.com"
_TOKEN_PATH: Final = "/auth/token"
_TOKEN_URL: Final = "https://iam.developer.honor.com" + _TOKEN_PATH
_BATCH: Final = 1000
_BODY_LIMIT_BYTES: Final = 4096  # tokens excluded
_MAX_TTL_SECONDS: Final = 1_296_000  # 15 days
_MAX_BADGE: Final = 99
_MAX_TAG_BYTES: Final = 64
_BEFORE_TOKENS: Final = b'{"token":'
_IMPORTANCES: Final = frozenset({"NORMAL", "LOW"})
_BLANK: Final = "新消息"  # title and text are both needed


class HonorCredentials(CommonCredentials, frozen=True, kw_only=True):
    """The OAuth client of an app, and the key that may sign its receipts."""

    app_id: Annotated[
        str,
        field("App ID", "App ID", "Number of the push service, not the client id; part of the path", "推送服务的 App ID（不是 Client ID）"),
    ]
    client_id: Annotated[str, field("Client ID", "Client ID", "Of the push service", "推送服务的 Client ID")]
    client_secret: Annotated[
        str, field("Client secret", "Client Secret", "Of the push service; not the app secret", "推送服务的 Client Secret", secret=True)
    ]
    callback_key: Annotated[
        str,
        field(
            "Receipt key",
            "回执密钥",
            "Only when the console offers signed receipts",
            "仅当控制台提供回执签名时填写",
            secret=True,
        ),
    ] = ""


class HonorOptions(CommonOptions, frozen=True, kw_only=True):
    """Options of an Honor certificate."""

    importance: Annotated[
        str,
        field(
            "Importance",
            "重要性",
            "NORMAL service and communication, LOW news and marketing; empty: by the class of the message",
            "NORMAL 服务与通讯，LOW 资讯营销；留空则按消息分类",
            choices=("", "NORMAL", "LOW"),
        ),
    ] = ""
    badge_class: Annotated[
        str,
        field(
            "Badge class", "角标入口类", "Full name of the launcher activity; without it no badge", "应用入口 Activity 全类名；缺少则无角标"
        ),
    ] = ""
    target_user_type: Annotated[
        int, field("Test messages", "测试消息", "1: test message, 1000 a day, no caps", "1：测试消息，每日 1000 条", ge=0, le=1)
    ] = 0
    payload_limit_bytes: Annotated[
        int,
        field("Payload limit", "消息体上限", "Bytes without tokens; the vendor publishes none", "不含 token 的字节数", ge=1024, le=65_536),
    ] = _BODY_LIMIT_BYTES
    callback_user: Annotated[str, field("Receipt user", "回执用户名", "Only with a receipt key", "仅与回执密钥一起填写")] = ""


class _Prepared:
    """What one certificate always needs."""

    __slots__ = ("intent", "send_url", "token_url")

    def __init__(self, certificate: Certificate) -> None:
        options: HonorOptions = certificate.options
        self.send_url = f"{base(options.base_url, _HOST)}/api/v1/{quote(certificate.credentials.app_id, safe='')}/sendMessage"
        self.token_url = auth_endpoint(options.auth_url, _TOKEN_URL, _TOKEN_PATH)
        self.intent = "" if page_action(options) else page_intent(options)


_PREPARED: Final = Statics(_Prepared)
_encode: Final = msgspec.json.Encoder().encode

_REFUSED: Final = OutcomeKind.MESSAGE_REFUSED
_CREDENTIALS: Final = OutcomeKind.CREDENTIALS_REFUSED
_ACCEPTING: Final = frozenset({"200", "80100000"})
_ACCEPTING_WITH_RESULT: Final = frozenset({"0", "80000000"})  # seen in other servers' code (section 4)
_ALL_INVALID: Final = "80300007"
# Section 4. The accepting codes and 80300007 stand apart: they speak of tokens.
_BY_CODE: Final[dict[str, OutcomeKind]] = {
    "80100001": _REFUSED,
    "80100003": _REFUSED,
    "80100004": _REFUSED,
    "80100016": _REFUSED,
    "80200001": OutcomeKind.AUTH_EXPIRED,
    "80200003": OutcomeKind.AUTH_EXPIRED,
    "80300002": _CREDENTIALS,
    "80300008": _REFUSED,
    "80300010": _REFUSED,
    "81000001": OutcomeKind.VENDOR_DOWN,
}
_BY_STATUS: Final[dict[int, OutcomeKind]] = {
    400: _REFUSED,
    401: OutcomeKind.AUTH_EXPIRED,
    403: _CREDENTIALS,
    404: _CREDENTIALS,
    413: _REFUSED,
    429: OutcomeKind.THROTTLED,
    503: OutcomeKind.THROTTLED,  # flow control
}


class HonorChannel:
    """Honor: up to 1000 tokens a request, an OAuth token whose life the answer tells."""

    name: str = "honor"
    title_en: str = "Honor Push"
    title_zh: str = "荣耀推送"
    push_platform: int = 8
    platforms: frozenset[str] = frozenset({"android"})
    capabilities: Capabilities = Capabilities(
        batch_size=_BATCH,
        click_actions=("launcher", "page", "web"),
        badge=True,
        badge_option="badge_class",
        classes=True,
        image=True,
        payload_limit_bytes=_BODY_LIMIT_BYTES,
        min_ttl_seconds=1,
        max_ttl_seconds=_MAX_TTL_SECONDS,
        receipts=True,
        login_token_seconds=3600,
        requests_per_second=3000,
        device_daily_public=2,
    )
    credentials_type: type[msgspec.Struct] = HonorCredentials
    options_type: type[msgspec.Struct] = HonorOptions

    def check(self, certificate: Certificate) -> list[FieldProblem]:
        """Sections 1 to 3 and 8: ids, the click target, and what would silently not work."""
        credentials: HonorCredentials = certificate.credentials
        options: HonorOptions = certificate.options
        found = missing("app_id", credentials.app_id) + missing("client_id", credentials.client_id)
        found += missing("client_secret", credentials.client_secret)
        if credentials.app_id and not (credentials.app_id.isascii() and credentials.app_id.isdigit()):
            found.append(FieldProblem("app_id", "app_id is not a number", "Copy the App ID of the push service, not the client id"))
        if problem := page_problem(options):
            found.append(problem)
        if options.callback_user and not credentials.callback_key:
            found += missing("callback_key", "")
        return found + common_problems(options, self.capabilities) + _warnings(options)

    def login(self, certificate: Certificate, now_ms: int) -> VendorRequest | Grant | None:
        """The client-credentials request of section 2."""
        credentials: HonorCredentials = certificate.credentials
        secret = credentials.client_secret
        form = {"grant_type": "client_credentials", "client_id": credentials.client_id, "client_secret": secret}
        return VendorRequest(
            "POST",
            _PREPARED.get(certificate).token_url,
            (("content-type", "application/x-www-form-urlencoded"),),
            urlencode(form).encode(),
            secrets=tuple({secret, quote(secret, safe="")}),
            ca_file=certificate.options.ca_file,
        )

    def login_identity(self, certificate: Certificate) -> str:
        """Each certificate logs in for itself."""
        return ""

    def read_login(self, certificate: Certificate, response: VendorResponse, now_ms: int) -> Grant | Outcome:
        """The access token with the expiry that the answer tells, or what the refusal means (section 2)."""
        answer = json_object(response.body)
        token = text(answer.get("access_token"))
        if response.status == 200 and token:
            return Grant(token, now_ms + integer(answer.get("expires_in"), 3600) * 1000, now_ms)
        code = text(answer.get("error")) or str(response.status)
        detail = one_line(answer.get("error_description"))
        if response.status in {400, 401, 403, 404} or (response.status == 200 and "error" in answer):
            return Outcome(_CREDENTIALS, code, detail)
        if response.status == 429 or response.status >= 500:
            return Outcome(OutcomeKind.VENDOR_DOWN, code, detail, retry_after_seconds=retry_after(response.headers, now_ms))
        return Outcome(OutcomeKind.UNKNOWN, code, detail)

    def render(
        self, notification: Notification, targets: Sequence[Target], certificate: Certificate, grant: Grant | None, now_ms: int
    ) -> list[VendorRequest]:
        """One request for up to 1000 targets. A lone target's request names its push_id too."""
        prepared = _PREPARED.get(certificate)
        token = grant.access_token if grant else ""
        headers = (
            ("authorization", f"Bearer {token}"),
            ("timestamp", str(now_ms)),  # milliseconds, as in the vendor's sample
            ("content-type", "application/json; charset=UTF-8"),
        )
        secrets = (token,) if token else ()
        requests = []
        for start in range(0, len(targets), _BATCH):
            batch = tuple(targets[start : start + _BATCH])
            try:
                body = _Job(notification, certificate.options, prepared.intent, now_ms).body(batch)
            except UnicodeEncodeError:
                body = _Job(cleaned(notification), certificate.options, prepared.intent, now_ms).body(batch)
            ca_file = certificate.options.ca_file
            requests.append(VendorRequest("POST", prepared.send_url, headers, body, batch, secrets=secrets, ca_file=ca_file))
        return requests

    def interpret(self, request: VendorRequest, response: VendorResponse, now_ms: int) -> list[Outcome]:
        """Section 4: the body's code and its two lists under every HTTP status, else the status."""
        answer = json_object(response.body)
        code = text(answer.get("code"))
        data = answer.get("data")
        data = data if isinstance(data, dict) else {}
        words = one_line(answer.get("message"))
        if code in _ACCEPTING or (code in _ACCEPTING_WITH_RESULT and data.get("sendResult") is True):
            return _by_lists(request.targets, code, words, data)
        return [_refused(code, words, response, now_ms)] * len(request.targets)

    def read_receipts(self, certificate: Certificate, request: ReceiptRequest, now_ms: int) -> ReceiptAnswer:
        """Section 6. The receipt path is the secret; a signature is checked where a key is configured."""
        return honor_receipts.read(request, certificate.options.callback_user, certificate.credentials.callback_key, now_ms)

    def parse_extras(self, extras: dict[str, Any]) -> str | None:
        """The ext is an extra of the opened page, out of the intent URI or of the click data."""
        return ext_text(extras)


class _Job(msgspec.Struct, frozen=True):
    """One notification on its way to a batch of targets through one certificate."""

    notification: Notification
    options: HonorOptions
    intent: str  # of the page that a tap opens, "" where none
    now_ms: int

    def body(self, targets: Sequence[Target]) -> bytes:
        """The request body. The limit is counted without the tokens, so they are put in last."""
        notification, limit = self.notification, self.options.payload_limit_bytes
        push_id = str(targets[0].push_id) if len(targets) == 1 else ""
        image = image_wish(notification.wishes.AndroidInfo.HonorImage)
        content = Content(notification.title.strip() or _BLANK, notification.body.strip() or _BLANK, notification.ext, image)
        encoded = self.encoded(content, push_id, twice=True)
        if len(encoded) > limit:
            content = fit(content, lambda smaller: len(self.encoded(smaller, push_id)), limit)
            encoded = self.encoded(content, push_id)
        tokens = list(dict.fromkeys(target.token for target in targets))  # a duplicate is shown twice
        return _BEFORE_TOKENS + _encode(tokens) + encoded[len(_BEFORE_TOKENS) + 2 :]

    def encoded(self, content: Content, push_id: str, *, twice: bool = False) -> bytes:
        """The body with an empty token list. ``twice``: ext in the page's intent and in the data, since clients differ in
        which one they hand over; where room is short, the data alone.
        """
        asked = self.notification.wishes.AndroidInfo.ExtAsHuaweiIntentParam == 1
        in_intent = bool(self.intent and content.ext) and (twice or asked)
        data = self.data(content, push_id, ext=not (in_intent and asked))
        notification = self.shown(content) | {"clickAction": self.click(content.ext if in_intent else "")}
        return _encode({"token": [], "data": data, "android": self.android() | {"notification": notification}})

    def android(self) -> dict[str, Any]:
        """``android`` but for the notification (section 3)."""
        ttl = min(max(self.notification.ttl_seconds(self.now_ms), 1), _MAX_TTL_SECONDS)
        android: dict[str, Any] = {"ttl": f"{ttl}s", "targetUserType": self.options.target_user_type}
        tag = f"m:{self.notification.msg_id}"
        if len(tag.encode()) <= _MAX_TAG_BYTES:
            android["biTag"] = tag
        return android

    def shown(self, content: Content) -> dict[str, Any]:
        """``android.notification`` but for the click action. There is no sound and no channel to send (section 3)."""
        notification, options = self.notification, self.options
        shown: dict[str, Any] = {
            "title": content.title,
            "body": content.body,
            "importance": self.importance(),
            "notifyId": notification.notify_id & 0x7FFFFFFF,
        }
        if content.image:
            shown["image"] = content.image
        if options.badge_class and notification.badge is not None:  # a 0 must be sent: it clears the badge
            shown["badge"] = {"badgeClass": options.badge_class, "setNum": min(max(notification.badge, 0), _MAX_BADGE)}
        if notification.wishes.AndroidInfo.PushStyle == 1 and content.ours:  # the text twice: not where room is short
            shown |= {"style": 1, "bigTitle": content.title, "bigBody": content.body}
        return shown

    def importance(self) -> str:
        """Section 8: the one classification field. A private certificate never lifts a public message: misuse is punished."""
        wished = self.notification.wishes.AndroidInfo.HonorImportance
        if wished in _IMPORTANCES:
            return wished
        if self.notification.notification_class == "public":
            return "LOW"
        return self.options.importance or "NORMAL"

    def data(self, content: Content, push_id: str, *, ext: bool) -> str:
        """The click data: a JSON text, whose keys become extras of the opened page."""
        data = {"ext": content.ext} if ext and content.ext else {}
        if content.ours:
            data |= {"msg_id": self.notification.msg_id, "conv": self.notification.conversation_id}
            if push_id:
                data["push_id"] = push_id
        return _encode(data).decode()

    def click(self, ext: str) -> dict[str, Any]:
        """``clickAction`` (section 3): 1 a page, 2 a URL, 3 the app."""
        options = self.options
        if self.intent:
            return {"type": 1, "intent": with_extras(self.intent, {"ext": ext}) if ext else self.intent}
        if opens_page(options) and (action := page_action(options)):
            return {"type": 1, "action": action}
        if options.click_action == "web" and options.click_value:
            return {"type": 2, "url": options.click_value}
        return {"type": 3}


def _by_lists(targets: Sequence[Target], code: str, words: str, data: dict[str, Any]) -> list[Outcome]:
    """Section 4: expired tokens are dead, failed ones are tried again, the others are accepted."""
    expired, failed = _tokens(data.get("expireTokens")), _tokens(data.get("failTokens"))
    if not expired and not failed and (code == "80100000" or data.get("sendResult") is False):
        return [Outcome(OutcomeKind.UNKNOWN, code, words or "failed without naming a token")] * len(targets)
    accepted = Outcome(OutcomeKind.ACCEPTED, code, vendor_message_id=text(data.get("requestId"))[:256])
    dead = Outcome(OutcomeKind.TOKEN_DEAD, code, "expireTokens", evidence=Evidence.TOKEN)
    later = Outcome(OutcomeKind.UNKNOWN, code, "failTokens")
    return [dead if target.token in expired else later if target.token in failed else accepted for target in targets]


def _tokens(value: Any) -> frozenset[str]:
    return frozenset(token for token in value if isinstance(token, str)) if isinstance(value, list) else frozenset()


def _refused(code: str, words: str, response: VendorResponse, now_ms: int) -> Outcome:
    if code == _ALL_INVALID:  # usually a wrong app id, not dead phones
        return Outcome(OutcomeKind.TOKEN_DEAD, code, words, evidence=Evidence.REQUEST)
    kind = _BY_CODE.get(code) or _BY_STATUS.get(response.status)
    if kind is None and response.status >= 500:
        kind = OutcomeKind.VENDOR_DOWN
    if kind is None:  # an unknown code gives the message up; no code at all is worth another try
        kind = _REFUSED if code and code not in _ACCEPTING_WITH_RESULT else OutcomeKind.UNKNOWN
    wait = retry_after(response.headers, now_ms) if kind in {OutcomeKind.THROTTLED, OutcomeKind.VENDOR_DOWN} else None
    return Outcome(kind, code or str(response.status), words, retry_after_seconds=wait)


def _warnings(options: HonorOptions) -> list[FieldProblem]:
    found = []
    if options.notification_class == "private" and options.importance == "LOW":
        sentence = "importance LOW is marketing: silent, and 2 to 5 a day and device"
        found.append(FieldProblem("importance", sentence, "Apply for self-classification, then leave it empty or NORMAL", warning=True))
    if not options.badge_class:
        sentence = "without badge_class the launcher shows no badge"
        found.append(FieldProblem("badge_class", sentence, "Set it to the launcher activity's full name", warning=True))
    if options.target_user_type == 1:
        sentence = "test messages stop after 1000 a day"
        found.append(FieldProblem("target_user_type", sentence, "Set it to 0 before real users come", warning=True))
    for name in ("sound", "channel_id"):
        if getattr(options, name):
            found.append(FieldProblem(name, f"Honor's server takes no {name}; it is not sent", f"Leave {name} empty", warning=True))
    if options.click_action == "web" and not options.click_value.startswith("https://"):
        found.append(FieldProblem("click_value", "Honor opens https URLs only", "Use an https URL"))
    return found
