"""Honor Push (vendor sheet honor): the shape of Huawei's first API with names, codes and receipts of its own."""
# ruff: noqa: ARG002  (the protocol's methods have the protocol's parameters)

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any, Final
from urllib.parse import quote

import msgspec

from homing.channels import honor_receipts, push_kit
from homing.channels.answers import ext_text, integer, json_object, one_line, retry_after, text
from homing.channels.base import Capabilities, CommonCredentials, CommonOptions, FieldProblem, field
from homing.channels.checks import common_problems, missing
from homing.channels.clicks import page_action, page_intent, page_problem
from homing.channels.content import Content, cleaned, fit, image_wish
from homing.channels.statics import Statics
from homing.channels.urls import auth_endpoint, base
from homing.model.certificates import Certificate
from homing.model.notification import Notification, Target
from homing.model.outcome import Evidence, Grant, Outcome, OutcomeKind, ReceiptAnswer, ReceiptRequest, VendorRequest, VendorResponse

_HOST: Final = "https://push-api.cloud.honor.com"
_TOKEN_PATH: Final = "/auth/token"
_TOKEN_URL: Final = "https://iam.developer.honor.com" + _TOKEN_PATH
_BEFORE_TOKENS: Final = b'{"token":'
_IMPORTANCES: Final = frozenset({"NORMAL", "LOW"})


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
    badge_class: push_kit.BadgeClass = ""
    target_user_type: Annotated[
        int, field("Test messages", "测试消息", "1: test message, 1000 a day, no caps", "1：测试消息，每日 1000 条", ge=0, le=1)
    ] = 0
    payload_limit_bytes: Annotated[
        int,
        field("Payload limit", "消息体上限", "Bytes without tokens; the vendor publishes none", "不含 token 的字节数", ge=1024, le=65_536),
    ] = push_kit.BODY_LIMIT_BYTES
    timestamp_unit: Annotated[
        str,
        field(
            "Timestamp unit",
            "时间戳单位",
            "Of the header timestamp: the vendor's sample has milliseconds, some of its libraries send seconds",
            "请求头 timestamp 的单位：官方示例为毫秒，部分 SDK 使用秒",
            choices=("ms", "s"),
        ),
    ] = "ms"
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
# Section 4. The accepting codes and 80300007 stand apart: they speak of tokens.
_BY_CODE: Final = {**push_kit.CODES, "80200001": OutcomeKind.AUTH_EXPIRED}


class HonorChannel:
    """Honor: up to 1000 tokens a request, an OAuth token whose life the answer tells."""

    name: str = "honor"
    title_en: str = "Honor Push"
    title_zh: str = "荣耀推送"
    push_platform: int = 8
    platforms: frozenset[str] = frozenset({"android"})
    capabilities: Capabilities = Capabilities(
        batch_size=push_kit.BATCH,
        click_actions=("launcher", "page", "web"),
        badge=True,
        badge_option="badge_class",
        classes=True,
        image=True,
        payload_limit_bytes=push_kit.BODY_LIMIT_BYTES,
        min_ttl_seconds=1,
        max_ttl_seconds=push_kit.MAX_TTL_SECONDS,
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
        if options.timestamp_unit not in {"ms", "s"}:
            found.append(FieldProblem("timestamp_unit", "timestamp_unit is neither ms nor s", "Use ms"))
        if problem := page_problem(options):
            found.append(problem)
        if options.callback_user and not credentials.callback_key:
            found += missing("callback_key", "")
        return found + common_problems(options, self.capabilities) + _warnings(options)

    def login(self, certificate: Certificate, now_ms: int) -> VendorRequest | Grant | None:
        """The client-credentials request of section 2."""
        credentials: HonorCredentials = certificate.credentials
        url, ca_file = _PREPARED.get(certificate).token_url, certificate.options.ca_file
        return push_kit.client_credentials(url, credentials.client_id, credentials.client_secret, ca_file)

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
            ("timestamp", str(now_ms if certificate.options.timestamp_unit == "ms" else now_ms // 1000)),
            ("content-type", "application/json; charset=UTF-8"),
        )
        secrets = (token,) if token else ()
        requests = []
        for start in range(0, len(targets), push_kit.BATCH):
            batch = tuple(targets[start : start + push_kit.BATCH])
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
        content = push_kit.content_of(notification, image)
        encoded = self.encoded(content, push_id, twice=True)
        if len(encoded) > limit:
            content = fit(content, lambda smaller: len(self.encoded(smaller, push_id)), limit)
            encoded = self.encoded(content, push_id)
        return push_kit.with_tokens(encoded, _BEFORE_TOKENS, targets)

    def encoded(self, content: Content, push_id: str, *, twice: bool = False) -> bytes:
        """The body with an empty token list. ``twice``: ext in the page's intent and in the data, since clients differ in
        which one they hand over; where room is short, the data alone.
        """
        asked = self.notification.wishes.AndroidInfo.ExtAsHuaweiIntentParam == 1
        in_intent = bool(self.intent and content.ext) and (twice or asked)
        data = push_kit.click_data(self.notification, content, push_id, ext=not (in_intent and asked))
        click = push_kit.click_action(self.options, self.intent, content.ext if in_intent else "")
        notification = self.shown(content) | {"clickAction": click}
        return _encode({"token": [], "data": _encode(data).decode(), "android": self.android() | {"notification": notification}})

    def android(self) -> dict[str, Any]:
        """``android`` but for the notification (section 3)."""
        ttl = min(max(self.notification.ttl_seconds(self.now_ms), 1), push_kit.MAX_TTL_SECONDS)
        android: dict[str, Any] = {"ttl": f"{ttl}s", "targetUserType": self.options.target_user_type}
        if tag := push_kit.tag_of(self.notification):
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
            shown["badge"] = {"badgeClass": options.badge_class, "setNum": min(max(notification.badge, 0), push_kit.MAX_BADGE)}
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
    if code == push_kit.ALL_INVALID:
        detail = "; ".join(part for part in (words, push_kit.ALL_INVALID_WORDS) if part)
        return Outcome(OutcomeKind.TOKEN_DEAD, code, detail, evidence=Evidence.REQUEST)
    # An unknown code gives the message up; no code at all is worth another try.
    otherwise = OutcomeKind.MESSAGE_REFUSED if code and code not in _ACCEPTING_WITH_RESULT else OutcomeKind.UNKNOWN
    return push_kit.refusal(code, words, response, now_ms, _BY_CODE, otherwise)


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
