"""Huawei Push Kit for Android and HarmonyOS 2 to 4, v1 and v2 (vendor sheet huawei, sections 1 to 4)."""
# ruff: noqa: ARG002  (the protocol's methods have the protocol's parameters)

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any, Final
from urllib.parse import quote

import msgspec

from homing.channels import huawei_receipts, push_kit
from homing.channels.answers import ext_text, integer, json_object, one_line, retry_after, text
from homing.channels.base import Capabilities, CommonCredentials, CommonOptions, FieldProblem, field
from homing.channels.checks import common_problems, missing
from homing.channels.clicks import page_action, page_intent, page_problem
from homing.channels.content import Content, cleaned, fit, image_wish, raw_sound, wish
from homing.channels.statics import Statics
from homing.channels.urls import auth_endpoint, base
from homing.model.certificates import Certificate
from homing.model.notification import Notification, Target
from homing.model.outcome import Evidence, Grant, Outcome, OutcomeKind, ReceiptAnswer, ReceiptRequest, VendorRequest, VendorResponse

_HOST: Final = "https://push-api.cloud.huawei.com"
_TOKEN_PATH: Final = "/oauth2/v3/token"
_TOKEN_URL: Final = "https://oauth-login.cloud.huawei.com" + _TOKEN_PATH
_BEFORE_TOKENS: Final = b'{"message":{"token":'
_IMPORTANCES: Final = frozenset({"LOW", "NORMAL", "HIGH"})


class HuaweiCredentials(CommonCredentials, frozen=True, kw_only=True):
    """The OAuth client of an app, and the key that signs its receipts."""

    app_id: Annotated[str, field("App ID", "App ID", "From AppGallery Connect; part of the request path", "AppGallery Connect 中的 App ID")]
    client_id: Annotated[
        str, field("Client ID", "Client ID", "Of the OAuth 2.0 client; the app id where empty", "OAuth 2.0 客户端 ID；留空则同 App ID")
    ] = ""
    client_secret: Annotated[str, field("Client secret", "Client Secret", "Of the OAuth 2.0 client", "OAuth 2.0 客户端密钥", secret=True)]
    callback_key: push_kit.CallbackKey = ""


class HuaweiOptions(CommonOptions, frozen=True, kw_only=True):
    """Options of a Huawei certificate."""

    category: Annotated[
        str, field("Category", "消息类别", "IM for chat; needs the self-classification right", "聊天用 IM；需要自分类权益")
    ] = ""
    importance: Annotated[
        str,
        field(
            "Importance", "重要性", "LOW is silent; HIGH needs a right", "LOW 静默；HIGH 需要权益", choices=("", "LOW", "NORMAL", "HIGH")
        ),
    ] = ""
    badge_class: push_kit.BadgeClass = ""
    api_version: Annotated[
        str, field("API version", "接口版本", "v2 sends by project, for several senders", "v2 按项目发送（多发送方）", choices=("v1", "v2"))
    ] = "v1"
    project_id: Annotated[str, field("Project ID", "项目 ID", "Needed for v2", "v2 必填")] = ""
    collapse_key: Annotated[
        int,
        field(
            "Collapse key",
            "离线合并",
            "-1 keeps all while the phone is off, 0 the newest, 1-100 the newest of a group",
            "-1 离线全部保留；0 只留最新；1-100 按组留最新",
            ge=-1,
            le=100,
        ),
    ] = -1
    target_user_type: Annotated[
        int, field("Test messages", "测试消息", "1: test message, 500 a day, no caps", "1：测试消息，每日 500 条", ge=0, le=1)
    ] = 0
    receipt_id: push_kit.ReceiptId = ""
    callback_user: push_kit.CallbackUser = ""


class _Prepared:
    """What one certificate always needs."""

    __slots__ = ("intent", "send_url", "token_url")

    def __init__(self, certificate: Certificate) -> None:
        options: HuaweiOptions = certificate.options
        version = "v2" if options.api_version == "v2" else "v1"
        sender = options.project_id if version == "v2" else certificate.credentials.app_id
        self.send_url = f"{base(options.base_url, _HOST)}/{version}/{quote(sender, safe='')}/messages:send"
        self.token_url = auth_endpoint(options.auth_url, _TOKEN_URL, _TOKEN_PATH)
        self.intent = "" if page_action(options) else page_intent(options)


_PREPARED: Final = Statics(_Prepared)
_encode: Final = msgspec.json.Encoder().encode

_REFUSED: Final = OutcomeKind.MESSAGE_REFUSED
# Section 4, codes. 80000000, 80100000 and 80300007 stand apart: they speak of tokens.
_BY_CODE: Final = {
    **push_kit.CODES,
    "80100002": _REFUSED,
    "80100017": OutcomeKind.THROTTLED,
    "80100018": _REFUSED,
    "80200001": OutcomeKind.AUTH_EXPIRED,
    **{str(code): _REFUSED for code in range(82000001, 82000012)},  # topics and groups, which are not used
}


class HuaweiChannel:
    """Huawei: up to 1000 tokens a request, an OAuth token of an hour."""

    name: str = "huawei"
    title_en: str = "Huawei Push Kit"
    title_zh: str = "华为推送"
    push_platform: int = 3
    platforms: frozenset[str] = frozenset({"android"})
    capabilities: Capabilities = Capabilities(
        batch_size=push_kit.BATCH,
        click_actions=("launcher", "page", "web"),
        custom_sound=True,
        badge=True,
        badge_option="badge_class",
        channel_id=True,
        classes=True,
        image=True,
        payload_limit_bytes=push_kit.BODY_LIMIT_BYTES,
        max_ttl_seconds=push_kit.MAX_TTL_SECONDS,
        receipts=True,
        login_token_seconds=3600,
        requests_per_second=6000,
        rate_counts_devices=True,
        device_daily_public=2,
    )
    credentials_type: type[msgspec.Struct] = HuaweiCredentials
    options_type: type[msgspec.Struct] = HuaweiOptions

    def check(self, certificate: Certificate) -> list[FieldProblem]:
        """Sections 2, 3 and 8: ids, the v2 project, the click target, and what would silently not work."""
        credentials: HuaweiCredentials = certificate.credentials
        options: HuaweiOptions = certificate.options
        found = missing("app_id", credentials.app_id) + missing("client_secret", credentials.client_secret)
        if options.api_version == "v2":
            found += missing("project_id", options.project_id)
        if problem := page_problem(options):
            found.append(problem)
        if options.callback_user and not credentials.callback_key:
            found += missing("callback_key", "")
        return found + common_problems(options, self.capabilities) + _warnings(options)

    def login(self, certificate: Certificate, now_ms: int) -> VendorRequest | Grant | None:
        """The client-credentials request of section 2.1."""
        credentials: HuaweiCredentials = certificate.credentials
        client_id = credentials.client_id or credentials.app_id
        url, ca_file = _PREPARED.get(certificate).token_url, certificate.options.ca_file
        return push_kit.client_credentials(url, client_id, credentials.client_secret, ca_file)

    def login_identity(self, certificate: Certificate) -> str:
        """Each certificate logs in for itself."""
        return ""

    def read_login(self, certificate: Certificate, response: VendorResponse, now_ms: int) -> Grant | Outcome:
        """The access token with its true expiry, or what the refusal means (section 2.1)."""
        answer = json_object(response.body)
        token = text(answer.get("access_token"))
        if response.status == 200 and token:
            return Grant(token, now_ms + integer(answer.get("expires_in"), 3600) * 1000, now_ms)
        codes = [text(answer.get(name)) for name in ("error", "sub_error")]
        code = "/".join(code for code in codes if code) or str(response.status)
        detail = one_line(answer.get("error_description"))
        if response.status in {400, 401, 404}:
            return Outcome(OutcomeKind.CREDENTIALS_REFUSED, code, detail)
        if response.status == 429 or response.status >= 500:
            wait = retry_after(response.headers, now_ms)
            return Outcome(OutcomeKind.VENDOR_DOWN, code, detail, retry_after_seconds=wait)
        return Outcome(OutcomeKind.UNKNOWN, code, detail)

    def render(
        self, notification: Notification, targets: Sequence[Target], certificate: Certificate, grant: Grant | None, now_ms: int
    ) -> list[VendorRequest]:
        """One request for up to 1000 targets. A lone target's request names its push_id too."""
        prepared = _PREPARED.get(certificate)
        token = grant.access_token if grant else ""
        headers = (("authorization", f"Bearer {token}"), ("content-type", "application/json; charset=UTF-8"))
        requests = []
        for start in range(0, len(targets), push_kit.BATCH):
            batch = tuple(targets[start : start + push_kit.BATCH])
            try:
                body = _Job(notification, certificate.options, prepared.intent, now_ms).body(batch)
            except UnicodeEncodeError:
                body = _Job(cleaned(notification), certificate.options, prepared.intent, now_ms).body(batch)
            secrets = (token,) if token else ()
            ca_file = certificate.options.ca_file
            requests.append(VendorRequest("POST", prepared.send_url, headers, body, batch, secrets=secrets, ca_file=ca_file))
        return requests

    def interpret(self, request: VendorRequest, response: VendorResponse, now_ms: int) -> list[Outcome]:
        """Section 4: the body's code under every HTTP status, else the status."""
        answer = json_object(response.body)
        code, words = text(answer.get("code")), answer.get("msg")
        request_id = text(answer.get("requestId"))[:256]
        if code == "80000000":
            return [Outcome(OutcomeKind.ACCEPTED, code, vendor_message_id=request_id)] * len(request.targets)
        if code == push_kit.PARTIAL:
            return _partly(request.targets, text(words), request_id)
        return [_refused(code, one_line(words), response, now_ms)] * len(request.targets)

    def read_receipts(self, certificate: Certificate, request: ReceiptRequest, now_ms: int) -> ReceiptAnswer:
        """Section 6."""
        return huawei_receipts.read(request, certificate.options.callback_user, certificate.credentials.callback_key, now_ms)

    def parse_extras(self, extras: dict[str, Any]) -> str | None:
        """The ext is an extra of the opened page, out of the intent URI or of the click data."""
        return ext_text(extras)


class _Job(msgspec.Struct, frozen=True):
    """One notification on its way to a batch of targets through one certificate."""

    notification: Notification
    options: HuaweiOptions
    intent: str  # of the page that a tap opens, "" where none
    now_ms: int

    def body(self, targets: Sequence[Target]) -> bytes:
        """The request body. The limit is counted without the tokens, so they are put in last."""
        notification = self.notification
        push_id = str(targets[0].push_id) if len(targets) == 1 else ""
        image = image_wish(notification.wishes.AndroidInfo.HuaWeiImage)
        content = push_kit.content_of(notification, image)
        encoded = self.encoded(content, push_id, twice=True)
        if len(encoded) > push_kit.BODY_LIMIT_BYTES:
            content = fit(content, lambda smaller: len(self.encoded(smaller, push_id)), push_kit.BODY_LIMIT_BYTES)
            encoded = self.encoded(content, push_id)
        return push_kit.with_tokens(encoded, _BEFORE_TOKENS, targets)

    def encoded(self, content: Content, push_id: str, *, twice: bool = False) -> bytes:
        """The body with an empty token list. ``twice``: ext in the page's intent also where the sender did not ask for it,
        because phones before NC 9.1.1 do not hand over the data.
        """
        notification, wishes = self.notification, self.notification.wishes.AndroidInfo
        in_intent = bool(self.intent and content.ext) and (twice or wishes.ExtAsHuaweiIntentParam == 1)
        only_in_intent = in_intent and wishes.ExtAsHuaweiIntentParam == 1
        android = self.android(content)
        data = push_kit.click_data(notification, content, push_id, ext=not only_in_intent)
        android["data"] = _encode(data).decode()  # a JSON text, as a notification message must have it
        click = push_kit.click_action(self.options, self.intent, content.ext if in_intent else "")
        android["notification"]["click_action"] = click  # section 3.4
        return _encode({"message": {"token": [], "android": android}})

    def android(self, content: Content) -> dict[str, Any]:
        """``message.android`` (section 3.2) but for data and click action."""
        notification, options = self.notification, self.options
        ttl = min(max(notification.ttl_seconds(self.now_ms), 1), push_kit.MAX_TTL_SECONDS)
        android: dict[str, Any] = {"ttl": f"{ttl}s", "collapse_key": options.collapse_key}
        if category := _category(notification, options):
            android["category"] = category
        if tag := push_kit.tag_of(notification):
            android["bi_tag"] = tag
        if options.receipt_id:
            android["receipt_id"] = options.receipt_id
        if options.target_user_type:
            android["target_user_type"] = options.target_user_type
        android["notification"] = self.shown(content)
        return android

    def shown(self, content: Content) -> dict[str, Any]:
        """``message.android.notification`` (section 3.3)."""
        notification, options = self.notification, self.options
        wishes = notification.wishes.AndroidInfo
        shown: dict[str, Any] = {"title": content.title, "body": content.body, "notify_id": notification.notify_id & 0x7FFFFFFF}
        if content.image:
            shown["image"] = content.image
        if sound := raw_sound(wishes.Sound, options.sound):
            shown |= {"default_sound": False, "sound": f"/raw/{sound}"}
        if channel := wish(wishes.HuaWeiChannelID, options.channel_id):
            shown["channel_id"] = channel
        importance = wishes.HuaWeiImportance if wishes.HuaWeiImportance in _IMPORTANCES else options.importance
        if importance:
            shown["importance"] = importance
        if options.badge_class and notification.badge is not None:
            shown["badge"] = {"class": options.badge_class, "set_num": min(max(notification.badge, 0), push_kit.MAX_BADGE)}
        if wishes.PushStyle == 1 and content.ours:  # the text twice: not where room is short
            shown |= {"style": 1, "big_title": content.title, "big_body": content.body}
        return shown


def _category(notification: Notification, options: HuaweiOptions) -> str:
    """Section 8: marketing under a chat category is punished, so a certificate's private category never labels public ones."""
    certificates = options.category
    if notification.notification_class == "public" and options.notification_class != "public":
        certificates = "MARKETING"
    return wish(notification.wishes.AndroidInfo.HuaWeiCategory, certificates).upper()


def _partly(targets: Sequence[Target], words: str, request_id: str) -> list[Outcome]:
    """80100000: ``msg`` is a JSON document inside a text. Without a list nobody knows which tokens were taken."""
    verdict = json_object(words)
    illegal = verdict.get("illegal_tokens", verdict.get("illegalTokens"))
    if isinstance(illegal, dict):
        illegal = [token for tokens in illegal.values() if isinstance(tokens, list) for token in tokens]
    if not isinstance(illegal, list):
        return [Outcome(OutcomeKind.UNKNOWN, "80100000", one_line(words))] * len(targets)
    bad = {token.strip() for token in illegal if isinstance(token, str)}
    accepted = Outcome(OutcomeKind.ACCEPTED, "80100000", vendor_message_id=request_id)
    dead = Outcome(OutcomeKind.TOKEN_DEAD, "80100000", "illegal token", evidence=Evidence.TOKEN)
    return [dead if target.token in bad else accepted for target in targets]


def _refused(code: str, words: str, response: VendorResponse, now_ms: int) -> Outcome:
    if code == push_kit.ALL_INVALID:  # usually a wrong app id, not dead phones (section 9, trap 1)
        detail = "; ".join(part for part in (words, push_kit.ALL_INVALID_WORDS) if part)
        return Outcome(OutcomeKind.TOKEN_DEAD, code, detail, evidence=Evidence.REQUEST)
    return push_kit.refusal(code, words, response, now_ms, _BY_CODE)


def _warnings(options: HuaweiOptions) -> list[FieldProblem]:
    found = []
    if options.notification_class == "private" and not options.category:
        sentence = "without category every message counts as marketing: silent, and 2 to 5 a day and device"
        found.append(FieldProblem("category", sentence, "Apply for self-classification, then set category=IM", warning=True))
    if not options.badge_class:
        sentence = "without badge_class the launcher shows no badge"
        found.append(FieldProblem("badge_class", sentence, "Set it to the launcher activity's full name", warning=True))
    if options.click_action == "web" and not options.click_value.startswith("https://"):
        found.append(FieldProblem("click_value", "Huawei opens https URLs only", "Use an https URL"))
    return found
