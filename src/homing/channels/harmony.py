"""Huawei Push Kit for HarmonyOS 5 and later, v3 (vendor sheet huawei, sections 2.2 and 5).

Another protocol than v1/v2 on the same host: camelCase, a ``push-type`` header, and a JWT that is signed here and sent
as it is. Tokens of one family are never sent through the other's URL.
"""
# ruff: noqa: ARG002  (the protocol's methods have the protocol's parameters)

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence
from typing import Annotated, Any, Final
from urllib.parse import quote

import jwt
import msgspec
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from homing.channels import harmony_answers, harmony_recall, huawei_receipts, push_kit
from homing.channels.answers import ext_text
from homing.channels.base import Capabilities, CommonCredentials, CommonOptions, FieldProblem, field
from homing.channels.checks import common_problems, missing
from homing.channels.clicks import opens_page
from homing.channels.content import Content, cleaned, fit, image_wish, wish
from homing.channels.statics import Statics
from homing.channels.urls import base
from homing.model.certificates import Certificate
from homing.model.notification import Notification, Target
from homing.model.outcome import Grant, Outcome, OutcomeKind, ReceiptAnswer, ReceiptRequest, VendorRequest, VendorResponse
from homing.model.push import Reason
from homing.rules.intents import parse_intent_uri

_HOST: Final = "https://push-api.cloud.huawei.com"
_AUDIENCE: Final = "https://oauth-login.cloud.huawei.com/oauth2/v3/token"  # fixed: the JWT is never exchanged there
_GRANT_SECONDS: Final = 3600
_TEST_BATCH: Final = 10
_ALERT: Final = "0"
_TOKENS: Final = b'"target":{"token":['
_MESSAGE_ID: Final = re.compile(r"[A-Za-z0-9+/=_\- ]{1,64}")
_SOUND: Final = re.compile(r"[A-Za-z0-9_\-]{1,90}(\.[A-Za-z0-9]{1,5})?")
_CATEGORY: Final = re.compile(r"[A-Z_]{1,64}")
_CLIENT_ID: Final = re.compile(r"[A-Za-z0-9]{1,64}")
_encode: Final = msgspec.json.Encoder().encode


class HarmonyCredentials(CommonCredentials, frozen=True, kw_only=True):
    """The service account that may send for a project, and the key that signs its receipts."""

    project_id: Annotated[
        str,
        field(
            "Project ID",
            "项目 ID",
            "From AppGallery Connect; that of the service account where empty",
            "AppGallery Connect 中的项目 ID；留空则取服务账号文件中的",
        ),
    ] = ""
    service_account: Annotated[
        str,
        field(
            "Service account",
            "服务账号密钥",
            "The JSON key file of the project's service account",
            "API Console 创建的服务账号密钥 JSON 文件",
            secret=True,
            file=True,
        ),
    ]
    callback_key: push_kit.CallbackKey = ""


class HarmonyOptions(CommonOptions, frozen=True, kw_only=True):
    """Options of a HarmonyOS certificate."""

    category: Annotated[
        str,
        field(
            "Category",
            "消息类别",
            "IM where empty (MARKETING for public); each needs its self-classification right",
            "留空则为 IM（公信为 MARKETING）；需要对应的自分类权益",
        ),
    ] = ""
    collapse_key: Annotated[
        int,
        field(
            "Collapse key",
            "离线合并",
            "-1 keeps all while the phone is off, 0-100 the newest of a group",
            "-1 离线全部保留；0-100 按组留最新",
            ge=-1,
            le=100,
        ),
    ] = -1
    test_message: Annotated[
        bool, field("Test messages", "测试消息", "1000 a day and project, ten devices a request, no caps", "每项目每日 1000 条，每次 10 台")
    ] = False
    client_id: Annotated[
        str,
        field(
            "Client ID",
            "Client ID",
            "The app's, from AppGallery Connect: notifications are then taken off phones; replaced where empty",
            "AppGallery Connect 中应用的 Client ID：填写后可撤回通知；留空则以新通知替换",
        ),
    ] = ""
    receipt_id: push_kit.ReceiptId = ""
    callback_user: push_kit.CallbackUser = ""


class ServiceAccount(msgspec.Struct, frozen=True):
    """The keys of the vendor's JSON file that are used (section 2.2)."""

    project_id: str = ""
    key_id: str = ""
    private_key: str = ""
    sub_account: str = ""

    def __repr__(self) -> str:
        return f"ServiceAccount(project_id={self.project_id!r})"


class _Prepared:
    """What one certificate always needs: parsed once."""

    __slots__ = ("account", "action", "key", "revoke_url", "send_url", "uri")

    def __init__(self, certificate: Certificate) -> None:
        credentials: HarmonyCredentials = certificate.credentials
        self.account = _account(credentials.service_account) or ServiceAccount()
        self.key = _rsa_key(self.account.private_key)
        project = credentials.project_id or self.account.project_id
        host = base(certificate.options.base_url, _HOST)
        self.send_url = f"{host}/v3/{quote(project, safe='')}/messages:send"
        self.revoke_url = f"{host}/v1/{quote(certificate.options.client_id, safe='')}/messages:revoke"
        self.action, self.uri = _page(certificate.options)


def _account(raw: str) -> ServiceAccount | None:
    try:
        return msgspec.json.decode(raw, type=ServiceAccount)
    except (msgspec.DecodeError, UnicodeError):
        return None


def _rsa_key(pem: str) -> RSAPrivateKey | None:
    try:
        key = load_pem_private_key(pem.encode(), password=None)
    except (ValueError, TypeError, UnsupportedAlgorithm):
        return None
    return key if isinstance(key, RSAPrivateKey) else None


def _page(options: HarmonyOptions) -> tuple[str, str]:
    """The ability's action and URI. An Android intent URI, as other certificates have it, gives its data and its action."""
    if not opens_page(options):
        return "", ""
    value = options.click_value
    if value.startswith("intent:"):
        intent = parse_intent_uri(value)
        return (intent.action, intent.data) if intent else ("", "")
    return ("", value) if "://" in value else (value, "")


_PREPARED: Final = Statics(_Prepared)


class HarmonyChannel:
    """HarmonyOS: up to 1000 tokens a request, a self-signed JWT of an hour."""

    name: str = "harmony"
    title_en: str = "HarmonyOS Push Kit"
    title_zh: str = "鸿蒙推送"
    push_platform: int = 9  # the original product's number is not published; 9 is the first one that is free
    platforms: frozenset[str] = frozenset({"harmony"})
    capabilities: Capabilities = Capabilities(
        batch_size=push_kit.BATCH,
        click_actions=("launcher", "page"),
        custom_sound=True,
        badge=True,
        classes=True,
        image=True,
        payload_limit_bytes=push_kit.BODY_LIMIT_BYTES,
        max_ttl_seconds=push_kit.MAX_TTL_SECONDS,
        recall_option="client_id",
        receipts=True,
        login_token_seconds=_GRANT_SECONDS,
        requests_per_second=6000,
        rate_counts_devices=True,
        device_daily_public=2,
    )
    credentials_type: type[msgspec.Struct] = HarmonyCredentials
    options_type: type[msgspec.Struct] = HarmonyOptions

    def check(self, certificate: Certificate) -> list[FieldProblem]:
        """Sections 2.2, 5 and 8: the key file, the project, the click target, and what would silently not work."""
        credentials: HarmonyCredentials = certificate.credentials
        options: HarmonyOptions = certificate.options
        found = _account_problems(credentials)
        if options.callback_user and not credentials.callback_key:
            found += missing("callback_key", "")
        return found + common_problems(options, self.capabilities) + _option_problems(options)

    def login(self, certificate: Certificate, now_ms: int) -> VendorRequest | Grant | None:
        """The JWT of section 2.2, signed here for an hour. It is the bearer token itself."""
        return Grant(_signed(_PREPARED.get(certificate), now_ms // 1000), now_ms + _GRANT_SECONDS * 1000, now_ms)

    def login_identity(self, certificate: Certificate) -> str:
        """All certificates of one key share one JWT, as the vendor asks."""
        account = _PREPARED.get(certificate).account
        # The key's own digest belongs to it: a wrong key under a right name must not get the right key's token.
        digest = hashlib.sha256(account.private_key.encode(errors="replace")).hexdigest()
        return f"{account.sub_account}/{account.key_id}/{digest}"

    def read_login(self, certificate: Certificate, response: VendorResponse, now_ms: int) -> Grant | Outcome:
        """There is no log-in request."""
        return Outcome(OutcomeKind.UNKNOWN, str(response.status))

    def render(
        self, notification: Notification, targets: Sequence[Target], certificate: Certificate, grant: Grant | None, now_ms: int
    ) -> list[VendorRequest]:
        """One request for up to 1000 targets (10 for test messages). A lone target's request names its push_id too.

        With the app's Client ID, what takes a notification back is the vendor's recall of it.
        """
        options: HarmonyOptions = certificate.options
        prepared = _PREPARED.get(certificate)
        token = grant.access_token if grant else ""
        headers = (("authorization", f"Bearer {token}"), ("content-type", "application/json"), ("push-type", _ALERT))
        secrets = (token,) if token else ()
        if options.client_id and (notification.recalls or notification.withdraws):
            like = VendorRequest("POST", prepared.revoke_url, headers, b"", secrets=secrets, ca_file=options.ca_file)
            return harmony_recall.requests(notification.notify_id, targets, like)
        size = _TEST_BATCH if options.test_message else push_kit.BATCH
        requests = []
        for start in range(0, len(targets), size):
            batch = tuple(targets[start : start + size])
            try:
                body = _Job(notification, options, prepared.action, prepared.uri, now_ms).body(batch)
            except UnicodeEncodeError:
                body = _Job(cleaned(notification), options, prepared.action, prepared.uri, now_ms).body(batch)
            requests.append(VendorRequest("POST", prepared.send_url, headers, body, batch, secrets=secrets, ca_file=options.ca_file))
        return requests

    def interpret(self, request: VendorRequest, response: VendorResponse, now_ms: int) -> list[Outcome]:
        """Section 5: the body's code under every HTTP status, and the reasons that name tokens."""
        if request.context == harmony_recall.RECALL:
            return harmony_recall.interpret(request, response, now_ms)
        return harmony_answers.interpret(request, response, now_ms)

    def follow_up(self, request: VendorRequest, response: VendorResponse, certificate: Certificate) -> list[VendorRequest]:
        """The message without its picture or its receipt, where the vendor refuses it for that alone."""
        return harmony_answers.repaired(request, response)

    def not_shown(self, notification: Notification, certificate: Certificate) -> Reason | None:
        """Nothing takes a read notification off a phone but the recall: there is none where the Client ID was removed meanwhile."""
        return Reason.NO_DEVICE if notification.withdraws and not certificate.options.client_id else None

    def read_receipts(self, certificate: Certificate, request: ReceiptRequest, now_ms: int) -> ReceiptAnswer:
        """Section 6, the V2 body."""
        return huawei_receipts.read(request, certificate.options.callback_user, certificate.credentials.callback_key, now_ms)

    def parse_extras(self, extras: dict[str, Any]) -> str | None:
        """The click data are the parameters of the want that the ability gets."""
        return ext_text(extras)


class _Job(msgspec.Struct, frozen=True):
    """One notification on its way to a batch of targets through one certificate."""

    notification: Notification
    options: HarmonyOptions
    action: str
    uri: str
    now_ms: int

    def body(self, targets: Sequence[Target]) -> bytes:
        """The request body. The limit is counted without the tokens, so they are put in last."""
        notification = self.notification
        push_id = str(targets[0].push_id) if len(targets) == 1 else ""
        image = image_wish(notification.wishes.HarmonyInfo.Image)
        content = push_kit.content_of(notification, image)
        encoded = self.encoded(content, push_id)
        if len(encoded) > push_kit.BODY_LIMIT_BYTES:
            content = fit(content, lambda smaller: len(self.encoded(smaller, push_id)), push_kit.BODY_LIMIT_BYTES)
            encoded = self.encoded(content, push_id)
        tokens = _encode(list(dict.fromkeys(target.token for target in targets)))  # a duplicate is shown twice
        return b"{" + _TOKENS + tokens[1:] + encoded[len(_TOKENS) + 2 :]

    def encoded(self, content: Content, push_id: str) -> bytes:
        """The body with an empty token list, which stands first."""
        shown = self.shown(content)
        shown["clickAction"] = self.click(content, push_id)
        return _encode({"target": {"token": []}, "payload": {"notification": shown}, "pushOptions": self.push_options()})

    def shown(self, content: Content) -> dict[str, Any]:
        """``payload.notification`` but for the click."""
        notification, options = self.notification, self.options
        shown: dict[str, Any] = {
            "category": _category(notification, options),
            "title": content.title,
            "body": content.body,
            "notifyId": notification.notify_id & 0x7FFFFFFF,
        }
        if _MESSAGE_ID.fullmatch(notification.msg_id) and not notification.recalls:  # a replacement is about a message that was shown
            shown["appMessageId"] = notification.msg_id  # shown once in 24 hours, however often it is sent
        if content.image:
            shown["image"] = content.image
        if notification.badge is not None and notification.wishes.HarmonyInfo.BadgeMode != 1:
            shown["badge"] = {"setNum": min(max(notification.badge, 0), push_kit.MAX_BADGE)}
        if sound := _sound(notification.wishes.AndroidInfo.Sound, options.sound):
            shown["sound"] = sound
        return shown

    def click(self, content: Content, push_id: str) -> dict[str, Any]:
        """``clickAction``: 0 the app's home, 1 a page; its data are an object that the app gets as parameters."""
        data = push_kit.click_data(self.notification, content, push_id)
        click: dict[str, Any] = {"actionType": 1 if self.action or self.uri else 0}
        click |= {name: value for name, value in (("action", self.action), ("uri", self.uri)) if value}
        return click | {"data": data} if data else click

    def push_options(self) -> dict[str, Any]:
        """``pushOptions``."""
        options = self.options
        ttl = min(max(self.notification.ttl_seconds(self.now_ms), 1), push_kit.MAX_TTL_SECONDS)
        values: dict[str, Any] = {"ttl": ttl, "collapseKey": options.collapse_key, "testMessage": options.test_message}
        if tag := push_kit.tag_of(self.notification):
            values["biTag"] = tag
        if options.receipt_id:
            values["receiptId"] = options.receipt_id
        return values


def _category(notification: Notification, options: HarmonyOptions) -> str:
    """Required. Marketing under a chat category is punished, so a certificate's private category never labels public ones."""
    public = notification.notification_class == "public"
    if public and options.notification_class != "public":
        certificates = "MARKETING"
    else:
        certificates = options.category.upper() or ("MARKETING" if public else "IM")
    wanted = wish(notification.wishes.HarmonyInfo.Category, "").upper()
    return wanted if _CATEGORY.fullmatch(wanted) else certificates


def _sound(wanted: str, certificates: str) -> str:
    """A file of resources/rawfile with its suffix. Senders name sounds as for Android, without: then it is an mp3."""
    for name in (wanted, certificates):
        file = name.removeprefix("/raw/")
        if _SOUND.fullmatch(file):
            stem, dot, _ = file.partition(".")
            return "" if stem == "default" else file if dot else f"{file}.mp3"
    return ""


def _signed(prepared: _Prepared, now: int) -> str:
    account, key = prepared.account, prepared.key
    if key is None:
        return ""  # the vendor refuses an empty token, which pauses the certificate in words
    claims = {"iss": account.sub_account, "aud": _AUDIENCE, "iat": now, "exp": now + _GRANT_SECONDS}
    return jwt.encode(claims, key, algorithm="PS256", headers={"kid": account.key_id})


def _account_problems(credentials: HarmonyCredentials) -> list[FieldProblem]:
    if not credentials.service_account.strip():
        return missing("service_account", "")
    account = _account(credentials.service_account)
    cure = "Download the key of the project's service account again, and pass the file as it is"
    if account is None:
        return [FieldProblem("service_account", "service_account is not the vendor's JSON file", cure)]
    lacking = [name for name in ("project_id", "key_id", "private_key", "sub_account") if not getattr(account, name)]
    if credentials.project_id and "project_id" in lacking:
        lacking.remove("project_id")
    if lacking:
        return [FieldProblem("service_account", f"service_account has no {', '.join(lacking)}", cure)]
    if _rsa_key(account.private_key) is None:
        return [FieldProblem("service_account", "the private_key in service_account is not an RSA key in PEM form", cure)]
    if credentials.project_id and account.project_id not in {"", credentials.project_id}:
        sentence = f"service_account belongs to project {account.project_id}, not to {credentials.project_id}"
        return [FieldProblem("project_id", sentence, "Use the project of the service account: the vendor refuses any other")]
    return []


def _option_problems(options: HarmonyOptions) -> list[FieldProblem]:
    found = []
    if options.category and not _CATEGORY.fullmatch(options.category.upper()):
        found.append(FieldProblem("category", "category is not a word of letters", "Use IM for chat"))
    if options.notification_class == "private" and not options.category:
        sentence = "without the right to category IM messages count as marketing: silent, and 2 to 5 a day and device"
        found.append(FieldProblem("category", sentence, "Apply for self-classification, then set category=IM", warning=True))
    if options.notification_class == "private" and options.category.upper() == "MARKETING":
        sentence = "category MARKETING is silent and capped, and notification_class is private"
        found.append(FieldProblem("category", sentence, "Set category=IM, or notification_class=public", warning=True))
    if opens_page(options) and not any(_page(options)):
        sentence = "click_value is an Android page: HarmonyOS opens a page by its URI or its action"
        found.append(FieldProblem("click_value", sentence, "Pass a uri or an action of the ability's skills in module.json5"))
    if options.client_id and not _CLIENT_ID.fullmatch(options.client_id):
        sentence = "client_id is not an app's Client ID: it consists of digits or letters"
        found.append(FieldProblem("client_id", sentence, "Copy the app's Client ID from AppGallery Connect, or leave it empty"))
    if options.channel_id:
        found.append(
            FieldProblem("channel_id", "HarmonyOS has no notification channels to choose", "Leave it empty; category decides", warning=True)
        )
    if options.test_message:
        sentence = "test_message is on: 1000 messages a day and project, then none"
        found.append(FieldProblem("test_message", sentence, "Set test_message=false before people use it", warning=True))
    return found
