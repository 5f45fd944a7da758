"""Web Push for browsers: delivery by RFC 8030, encryption by RFC 8291, VAPID by RFC 8292 (vendor sheet webpush).

A device's token is the JSON of its subscription. What travels is encrypted for the browser; the page's service worker
decides what it shows, so the payload (section 5) is an agreement between it and this file.
"""
# ruff: noqa: ARG002  (the protocol's methods have the protocol's parameters)

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Callable, Sequence
from typing import Annotated, Any, Final

import msgspec

from homing.channels import webpush_answers
from homing.channels.answers import ext_text
from homing.channels.base import Capabilities, CommonCredentials, CommonOptions, FieldProblem, field
from homing.channels.checks import common_problems, missing
from homing.channels.content import Content, cleaned, fit, image_wish
from homing.channels.statics import Statics
from homing.channels.urls import url_problem
from homing.channels.webpush_encryption import KEY_BYTES, MAX_PLAINTEXT_BYTES, SALT_BYTES, encode_base64, encrypt, private_key
from homing.channels.webpush_endpoints import Gate, Unusable, bad_host, endpoint_of, origin_of
from homing.channels.webpush_vapid import Vapid, read_private_key, subject_problem
from homing.model.certificates import Certificate
from homing.model.notification import Notification, Target
from homing.model.outcome import Grant, Outcome, OutcomeKind, ReceiptAnswer, ReceiptRequest, VendorRequest, VendorResponse

_MAX_TTL_SECONDS: Final = 28 * 86_400
_VERSION: Final = 1
#: One service hands messages on to phones through a bridge with a lower limit (section 7).
_LIMITS: Final = {"updates.push.services.mozilla.com": 2500}
_encode: Final = msgspec.json.Encoder().encode


class WebPushCredentials(CommonCredentials, frozen=True, kw_only=True):
    """The key pair that subscriptions are bound to, and who to write to about it."""

    vapid_private_key: Annotated[
        str,
        field(
            "VAPID private key",
            "VAPID 私钥",
            "P-256, as PEM or base64url; a changed key makes every subscription worthless",
            "P-256 私钥，PEM 或 base64url；更换后所有订阅失效",
            secret=True,
            file=True,
        ),
    ]
    subject: Annotated[
        str,
        field(
            "Subject",
            "联系方式",
            "mailto: or https: address where push services reach you; not localhost",
            "推送服务可联系到你的 mailto: 或 https: 地址；不能是 localhost",
        ),
    ]


class WebPushOptions(CommonOptions, frozen=True, kw_only=True):
    """Options of a Web Push certificate."""

    icon: Annotated[str, field("Icon", "图标", "https address of the notification's icon", "通知图标的 https 地址")] = ""
    allowed_hosts: Annotated[
        str,
        field(
            "Allowed hosts",
            "允许的主机",
            "Push services beside those of the known browsers: host, *.host or host:port, separated by commas",
            "已知浏览器之外的推送服务：host、*.host 或 host:port，以逗号分隔",
        ),
    ] = ""


class _Prepared:
    """What one certificate always needs: parsed once."""

    __slots__ = ("gate", "vapid")

    def __init__(self, certificate: Certificate) -> None:
        credentials: WebPushCredentials = certificate.credentials
        key = read_private_key(credentials.vapid_private_key)
        self.vapid = Vapid(key, credentials.subject) if key else None
        self.gate = Gate(certificate.options.allowed_hosts, certificate.options.base_url)


_PREPARED: Final = Statics(_Prepared)


class WebPushChannel:
    """Web Push: one request a subscription, a JWT for each push service. ``random_bytes`` gives salts and one-time keys."""

    name: str = "webpush"
    title_en: str = "Web Push"
    title_zh: str = "浏览器推送"
    push_platform: int = 0  # the original product has no browsers
    platforms: frozenset[str] = frozenset({"web"})
    capabilities: Capabilities = Capabilities(
        click_actions=("launcher", "page", "web"),
        badge=True,
        classes=True,
        image=True,
        payload_limit_bytes=MAX_PLAINTEXT_BYTES,
        min_ttl_seconds=1,
        max_ttl_seconds=_MAX_TTL_SECONDS,
        max_in_flight=60,
    )
    credentials_type: type[msgspec.Struct] = WebPushCredentials
    options_type: type[msgspec.Struct] = WebPushOptions

    def __init__(self, random_bytes: Callable[[int], bytes] = secrets.token_bytes) -> None:
        self._random_bytes = random_bytes

    def check(self, certificate: Certificate) -> list[FieldProblem]:
        """Section 3: the key and the subject; the options."""
        credentials: WebPushCredentials = certificate.credentials
        options: WebPushOptions = certificate.options
        found = missing("vapid_private_key", credentials.vapid_private_key) + missing("subject", credentials.subject)
        if credentials.vapid_private_key and read_private_key(credentials.vapid_private_key) is None:
            sentence = "vapid_private_key is neither a P-256 key in PEM form nor 32 bytes in base64url"
            found.append(FieldProblem("vapid_private_key", sentence, "Pass the private key of the pair that the page subscribes with"))
        if credentials.subject and (problem := subject_problem(credentials.subject)):
            found.append(FieldProblem("subject", problem, "Use mailto:someone@your-domain: browsers' services refuse others"))
        return found + common_problems(options, self.capabilities) + _option_problems(options)

    def login(self, certificate: Certificate, now_ms: int) -> VendorRequest | Grant | None:
        """There is no log-in: each push service gets a JWT of its own, made with the request."""
        return None

    def login_identity(self, certificate: Certificate) -> str:
        """Nothing to share: the same key makes the same JWT everywhere."""
        return ""

    def read_login(self, certificate: Certificate, response: VendorResponse, now_ms: int) -> Grant | Outcome:
        """There is no log-in request."""
        return Outcome(OutcomeKind.UNKNOWN, str(response.status))

    def render(
        self, notification: Notification, targets: Sequence[Target], certificate: Certificate, grant: Grant | None, now_ms: int
    ) -> list[VendorRequest]:
        """One request a target. A token that cannot be used gives a request without a URL, which is not sent."""
        prepared = _PREPARED.get(certificate)
        job = _Job(notification, certificate.options, now_ms)
        return [self._request(job, target, prepared) for target in targets]

    def _request(self, job: _Job, target: Target, prepared: _Prepared) -> VendorRequest:
        found = prepared.gate.read(target.token)
        if isinstance(found, Unusable):
            return VendorRequest("POST", "", (), webpush_answers.unsent(found), (target,))
        try:
            payload = job.payload(target, found.host)
        except UnicodeEncodeError:
            job = _Job(cleaned(job.notification), job.options, job.now_ms)
            payload = job.payload(target, found.host)
        sender, salt = private_key(self._random_bytes(KEY_BYTES)), self._random_bytes(SALT_BYTES)
        authorization, token = prepared.vapid.authorization(found.origin, job.now_ms // 1000) if prepared.vapid else ("", "")
        headers = (("authorization", authorization), *job.headers()) if token else job.headers()
        body = encrypt(payload, found.keys, sender, salt)
        secret = (token,) if token else ()
        return VendorRequest("POST", found.url, headers, body, (target,), secrets=secret, ca_file=job.options.ca_file)

    def host_group(self, token: str) -> str:
        """Each push service is a vendor of its own: its origin (section 1)."""
        return origin_of(endpoint_of(token))[0]

    def interpret(self, request: VendorRequest, response: VendorResponse, now_ms: int) -> list[Outcome]:
        """Section 6, by the service's own word, else by the status."""
        return [webpush_answers.interpret(request, response, _replaced(request), now_ms)] * len(request.targets)

    def read_receipts(self, certificate: Certificate, request: ReceiptRequest, now_ms: int) -> ReceiptAnswer:
        """Push services call nobody back (section 8); the service worker reports with the device API."""
        return ReceiptAnswer(status=404)

    def parse_extras(self, extras: dict[str, Any]) -> str | None:
        """The ext is a key of the data that the service worker gave the notification."""
        return ext_text(extras)


def public_key(certificate: Certificate) -> str:
    """What the page subscribes with (``applicationServerKey``), base64url; "" where the private key cannot be read."""
    vapid = _PREPARED.get(certificate).vapid
    return vapid.public_key if vapid else ""


class _Job(msgspec.Struct, frozen=True):
    """One notification on its way to its targets through one certificate."""

    notification: Notification
    options: WebPushOptions
    now_ms: int

    def headers(self) -> tuple[tuple[str, str], ...]:
        """The headers of this notification (section 2)."""
        notification = self.notification
        # 0 would lose the message whenever the browser is closed, and one service refuses it.
        ttl = min(max(notification.ttl_seconds(self.now_ms), 1), _MAX_TTL_SECONDS)
        headers: tuple[tuple[str, str], ...] = (
            ("ttl", str(ttl)),
            ("urgency", "high" if notification.notification_class == "private" else "low"),
            ("content-type", "application/octet-stream"),
            ("content-encoding", "aes128gcm"),
        )
        return (*headers, ("topic", _topic(notification.collapse_id))) if notification.collapse_id else headers

    def payload(self, target: Target, host: str) -> bytes:
        """The JSON for the service worker, cut to what the push service takes."""
        notification = self.notification
        image = image_wish(notification.wishes.AndroidInfo.GoogleImage)
        content = Content(notification.title, notification.body, notification.ext, image)
        limit = min(MAX_PLAINTEXT_BYTES, _LIMITS.get(host, MAX_PLAINTEXT_BYTES))
        encoded = _encode(self.shown(content, target))
        if len(encoded) <= limit:
            return encoded
        smaller = fit(content, lambda less: len(_encode(self.shown(less, target))), limit)
        return _encode(self.shown(smaller, target))

    def shown(self, content: Content, target: Target) -> dict[str, Any]:
        """The payload of section 5."""
        notification, options = self.notification, self.options
        shown: dict[str, Any] = {"v": _VERSION, "title": content.title, "body": content.body}
        if notification.collapse_id:
            shown["tag"] = notification.collapse_id[:64]
        if notification.badge is not None:
            shown["badge"] = max(0, notification.badge)
        if options.click_action != "launcher" and options.click_value:
            shown["url"] = options.click_value
        if options.icon:
            shown["icon"] = options.icon
        if content.image:
            shown["image"] = content.image
        if content.ours:
            shown |= {"msg_id": notification.msg_id, "conv": notification.conversation_id, "push_id": str(target.push_id)}
        if content.ext:
            shown["ext"] = content.ext
        return shown


def _topic(collapse_id: str) -> str:
    """32 characters of the base64url alphabet, equal for equal ids; the service learns nothing else of the conversation."""
    return encode_base64(hashlib.sha256(collapse_id.encode(errors="replace")).digest()[:24])


def _replaced(request: VendorRequest) -> bool:
    """Whether the request went elsewhere than its subscription says: ``base_url`` took the service's place."""
    return all(request.url != endpoint_of(target.token) for target in request.targets)


def _option_problems(options: WebPushOptions) -> list[FieldProblem]:
    found = []
    if options.click_action == "page" and options.click_value and not options.click_value.startswith(("/", "https://")):
        sentence = "click_value is not a page of a web application"
        found.append(FieldProblem("click_value", sentence, "Use a path such as /chat, or an https address of the application"))
    if options.icon and (problem := url_problem("icon", options.icon)):
        found.append(problem)
    if host := bad_host(options.allowed_hosts):
        sentence = f"allowed_hosts has {host[:60]!r}, which is not a host name"
        found.append(FieldProblem("allowed_hosts", sentence, "Use host, *.host or host:port, separated by commas"))
    if options.base_url and not origin_of(options.base_url)[0]:
        found.append(FieldProblem("base_url", "base_url is not an address with a host name", "Use https://host[:port]"))
    if options.sound or options.channel_id:
        name = "sound" if options.sound else "channel_id"
        found.append(FieldProblem(name, f"browsers have no {name} to choose", "Leave it empty", warning=True))
    return found
