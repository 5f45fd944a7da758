"""Apple Push Notification service, provider API (vendor sheet apns)."""
# ruff: noqa: ARG002  (the protocol's methods have the protocol's parameters)

from __future__ import annotations

import hashlib
import uuid
from collections.abc import Sequence
from typing import Annotated, Any, Final
from urllib.parse import quote

import jwt
import msgspec
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, EllipticCurvePrivateKey
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from homing.channels import apns_voip
from homing.channels.answers import ext_text, integer, json_object, text
from homing.channels.base import Capabilities, CommonCredentials, CommonOptions, FieldProblem, field
from homing.channels.checks import common_problems
from homing.channels.client_certificate import ClientCertificate, load_client_certificate
from homing.channels.content import Content, cleaned, fit, image_wish, wish
from homing.channels.statics import Statics
from homing.channels.urls import base
from homing.model.certificates import Certificate
from homing.model.notification import Notification, Target
from homing.model.outcome import Evidence, Grant, Outcome, OutcomeKind, ReceiptAnswer, ReceiptRequest, VendorRequest, VendorResponse

_HOSTS: Final = {"production": "https://api.push.apple.com", "sandbox": "https://api.sandbox.push.apple.com"}
_PAYLOAD_LIMIT_BYTES: Final = 4096
_COLLAPSE_ID_LIMIT_BYTES: Final = 64
_MAX_TTL_SECONDS: Final = 30 * 86_400
# A new token at most every 20 minutes and at least every 60 (section 2.1): 50 leaves room for clocks that differ.
_GRANT_MS: Final = 50 * 60_000
_ID_NAMESPACE: Final = uuid.UUID("6f1d2a54-3c0b-5d3e-9f57-0a8a5d1e77c2")
_INTERRUPTION_LEVELS: Final = frozenset({"passive", "active", "time-sensitive", "critical"})
# The constants of the original product's client SDKs, by their names and by their values.
_NO_SOUND: Final = frozenset({"kIOSOfflinePushNoSound", "IOS_OFFLINE_PUSH_NO_SOUND", "push.no_sound"})
_DEFAULT_SOUND: Final = frozenset({"kIOSOfflinePushDefaultSound", "IOS_OFFLINE_PUSH_DEFAULT_SOUND"})
_DEVELOPMENT_OID: Final = "1.2.840.113635.100.6.3.1"
_PRODUCTION_OID: Final = "1.2.840.113635.100.6.3.2"


class ApnsCredentials(CommonCredentials, frozen=True, kw_only=True):
    """A signing key with its ids, or a client certificate."""

    key_id: Annotated[str, field("Key ID", "密钥 ID", "10 characters, from Apple's developer site", "苹果开发者网站上的 10 位 ID")] = ""
    team_id: Annotated[str, field("Team ID", "团队 ID", "10 characters, from Apple's developer site", "苹果开发者网站上的 10 位 ID")] = ""
    private_key: Annotated[
        str, field("Signing key (.p8)", "签名密钥（.p8）", "The AuthKey file", "AuthKey 文件", secret=True, file=True)
    ] = ""
    client_certificate: Annotated[
        bytes,
        field(
            "Push certificate",
            "推送证书",
            "A .p12 or .pem file, instead of a signing key",
            ".p12 或 .pem 文件，与签名密钥二选一",
            secret=True,
            file=True,
        ),
    ] = b""
    passphrase: Annotated[
        str, field("Passphrase", "证书密码", "Of the .p12 or of the key in the .pem", ".p12 或 .pem 私钥的密码", secret=True)
    ] = ""


class ApnsOptions(CommonOptions, frozen=True, kw_only=True):
    """Options of an APNs certificate."""

    topic: Annotated[
        str, field("Topic", "Topic（Bundle ID）", "The app's bundle id; a push certificate names its own", "应用的 Bundle ID；推送证书自带")
    ] = ""
    environment: Annotated[
        str,
        field(
            "Environment",
            "环境",
            "sandbox: builds from Xcode; production: App Store and TestFlight",
            "sandbox：Xcode 调试包；production：App Store 与 TestFlight",
            choices=("production", "sandbox"),
        ),
    ] = "production"
    push_type: Annotated[
        str,
        field(
            "Push type",
            "推送类型",
            "voip: calls by PushKit, with the device's VoIP token and nothing but calls",
            "voip：通过 PushKit 来电，使用设备的 VoIP token，且只能推送来电",
            choices=("alert", "voip"),
        ),
    ] = "alert"
    mutable_content: Annotated[
        bool, field("Mutable content", "mutable-content", "Let the app's service extension change the notification", "允许通知扩展修改通知")
    ] = False
    interruption_level: Annotated[
        str,
        field(
            "Interruption level",
            "中断级别",
            "iOS 15 and later",
            "iOS 15 及以上",
            choices=("", "passive", "active", "time-sensitive", "critical"),
        ),
    ] = ""
    category: Annotated[str, field("Category", "通知类别", "A UNNotificationCategory of the app", "应用注册的 UNNotificationCategory")] = ""


class _Prepared:
    """What one certificate always needs: parsed once."""

    __slots__ = ("_headers", "_token", "client", "device_url", "key", "topic")

    def __init__(self, certificate: Certificate) -> None:
        credentials: ApnsCredentials = certificate.credentials
        options: ApnsOptions = certificate.options
        self.key = _ec_key(credentials.private_key)
        self.client = _client_certificate(credentials)
        topic = options.topic or (self.client.user_id if self.client else "")
        self.topic = apns_voip.topic_of(topic) if options.push_type == "voip" else topic
        self.device_url = base(options.base_url, _HOSTS.get(options.environment, _HOSTS["production"])) + "/3/device/"
        self._token: str | None = None
        self._headers: tuple[tuple[str, str], ...] = ()

    def headers(self, token: str) -> tuple[tuple[str, str], ...]:
        """The headers that stay the same under this provider token."""
        if token != self._token:
            headers = (("apns-topic", self.topic),) if self.topic else ()
            self._headers = ((("authorization", f"bearer {token}"),) if token else ()) + headers
            self._token = token
        return self._headers


def _ec_key(pem: str) -> EllipticCurvePrivateKey | None:
    if not pem:
        return None
    try:
        key = load_pem_private_key(pem.encode(), password=None)
    except (ValueError, TypeError, UnsupportedAlgorithm):
        return None
    return key if isinstance(key, EllipticCurvePrivateKey) and isinstance(key.curve, SECP256R1) else None


def _client_certificate(credentials: ApnsCredentials) -> ClientCertificate | None:
    if not credentials.client_certificate:
        return None
    loaded = load_client_certificate(credentials.client_certificate, credentials.passphrase)
    return loaded if isinstance(loaded, ClientCertificate) else None


_PREPARED: Final = Statics(_Prepared)
_encode: Final = msgspec.json.Encoder().encode


class _Meaning(msgspec.Struct, frozen=True):
    kind: OutcomeKind
    reconnect: bool = False
    evidence: Evidence = Evidence.TOKEN
    wait: float | None = None


_REFUSED: Final = _Meaning(OutcomeKind.MESSAGE_REFUSED)
_CREDENTIALS: Final = _Meaning(OutcomeKind.CREDENTIALS_REFUSED)
# Section 4. BadDeviceToken may be a good token of the other environment (trap 1), so it needs a recent success beside it.
_BY_REASON: Final[dict[str, _Meaning]] = {
    "BadDeviceToken": _Meaning(OutcomeKind.TOKEN_DEAD, evidence=Evidence.REQUEST),
    "DeviceTokenNotForTopic": _Meaning(OutcomeKind.TOKEN_DEAD, evidence=Evidence.REQUEST),
    "Unregistered": _Meaning(OutcomeKind.TOKEN_DEAD),
    "ExpiredToken": _Meaning(OutcomeKind.TOKEN_DEAD),
    "TopicDisallowed": _CREDENTIALS,
    "BadTopic": _CREDENTIALS,
    "MissingTopic": _CREDENTIALS,
    "BadCertificate": _CREDENTIALS,
    "BadCertificateEnvironment": _CREDENTIALS,
    "InvalidProviderToken": _CREDENTIALS,
    "MissingProviderToken": _CREDENTIALS,
    "Forbidden": _CREDENTIALS,
    "BadEnvironmentKeyIdInToken": _CREDENTIALS,
    "BadEnvironmentKeyInToken": _CREDENTIALS,  # the live server's spelling
    "BadCollapseId": _REFUSED,
    "BadExpirationDate": _REFUSED,
    "BadMessageId": _REFUSED,
    "BadPriority": _REFUSED,
    "InvalidPushType": _REFUSED,
    "DuplicateHeaders": _REFUSED,
    "PayloadEmpty": _REFUSED,
    "PayloadTooLarge": _REFUSED,
    "MissingDeviceToken": _REFUSED,
    "BadPath": _REFUSED,
    "MethodNotAllowed": _REFUSED,
    "ExpiredProviderToken": _Meaning(OutcomeKind.AUTH_EXPIRED, reconnect=True),  # the connection stays wedged
    "UnrelatedKeyIdInToken": _Meaning(OutcomeKind.UNKNOWN, reconnect=True),  # bound to another key: a new connection, once
    "TooManyRequests": _Meaning(OutcomeKind.THROTTLED),  # one device's limit: no wait that would hold everybody up
    "TooManyProviderTokenUpdates": _Meaning(OutcomeKind.THROTTLED, reconnect=True, wait=60.0),
    "IdleTimeout": _Meaning(OutcomeKind.VENDOR_DOWN, reconnect=True),
    "InternalServerError": _Meaning(OutcomeKind.VENDOR_DOWN),
    "ServiceUnavailable": _Meaning(OutcomeKind.VENDOR_DOWN, reconnect=True),
    "Shutdown": _Meaning(OutcomeKind.VENDOR_DOWN, reconnect=True),
}
_BY_STATUS: Final[dict[int, _Meaning]] = {
    400: _REFUSED,
    403: _CREDENTIALS,
    404: _REFUSED,
    405: _REFUSED,
    410: _Meaning(OutcomeKind.TOKEN_DEAD, evidence=Evidence.REQUEST),
    413: _REFUSED,
    429: _Meaning(OutcomeKind.THROTTLED),
    503: _Meaning(OutcomeKind.VENDOR_DOWN, reconnect=True),
}


class ApnsChannel:
    """APNs: one HTTP/2 request a target, a self-signed provider token or a client certificate."""

    name: str = "apns"
    title_en: str = "Apple APNs"
    title_zh: str = "苹果 APNs"
    push_platform: int = 1
    platforms: frozenset[str] = frozenset({"ios", "ipad", "mac"})
    capabilities: Capabilities = Capabilities(
        custom_sound=True,
        badge=True,
        classes=True,
        image=True,
        payload_limit_bytes=_PAYLOAD_LIMIT_BYTES,
        max_ttl_seconds=_MAX_TTL_SECONDS,
        login_token_seconds=_GRANT_MS // 1000,
        http_version="2",
        max_in_flight=1000,
    )
    credentials_type: type[msgspec.Struct] = ApnsCredentials
    options_type: type[msgspec.Struct] = ApnsOptions

    def check(self, certificate: Certificate) -> list[FieldProblem]:
        """Section 2: a key with its ids or a certificate, the topic, the environment."""
        credentials: ApnsCredentials = certificate.credentials
        options: ApnsOptions = certificate.options
        by_certificate = bool(credentials.client_certificate)
        found = _certificate_problems(credentials, options) if by_certificate else _key_problems(credentials, options)
        if options.environment not in _HOSTS:
            found.append(FieldProblem("environment", "environment is neither production nor sandbox", "Use one of the two"))
        return found + apns_voip.problems(options.push_type, options.topic) + common_problems(options, self.capabilities)

    def login(self, certificate: Certificate, now_ms: int) -> VendorRequest | Grant | None:
        """A provider token signed here, for 50 minutes; None with a client certificate (section 2).

        Share it: each signing counts against the team's limit of one new token in 20 minutes.
        """
        if certificate.credentials.client_certificate:
            return None
        return Grant(_provider_token(certificate, now_ms // 1000), now_ms + _GRANT_MS, now_ms)

    def login_identity(self, certificate: Certificate) -> str:
        """Apple counts new tokens per team and key, not per certificate of ours: all of one key share one token (section 2.1)."""
        credentials = certificate.credentials
        if credentials.client_certificate:
            return ""
        # The key's own digest belongs to it: a wrong key under a right name must not get the right key's token.
        digest = hashlib.sha256(credentials.private_key.encode()).hexdigest()
        return f"{credentials.team_id}/{credentials.key_id}/{digest}"

    def read_login(self, certificate: Certificate, response: VendorResponse, now_ms: int) -> Grant | Outcome:
        """APNs has no log-in request."""
        return Outcome(OutcomeKind.UNKNOWN, str(response.status))

    def render(
        self, notification: Notification, targets: Sequence[Target], certificate: Certificate, grant: Grant | None, now_ms: int
    ) -> list[VendorRequest]:
        """One request a target (section 3). The apns-id follows from the push id, so a repeated request repeats it."""
        job = _Job(notification, certificate.options, now_ms)
        try:
            bodies = job.bodies(targets)
        except UnicodeEncodeError:
            job = _Job(cleaned(notification), certificate.options, now_ms)
            bodies = job.bodies(targets)
        prepared = _PREPARED.get(certificate)
        token = grant.access_token if grant else ""
        headers, secrets = prepared.headers(token) + job.headers(), ((token,) if token else ())
        pem = prepared.client.pem if prepared.client else b""
        url, ca_file = prepared.device_url, certificate.options.ca_file
        return [
            VendorRequest(
                "POST", url + _path(t.token), (*headers, ("apns-id", apns_id(t.push_id))), body, (t,), True, 15.0, secrets, pem, ca_file
            )
            for t, body in zip(targets, bodies, strict=True)
        ]

    def interpret(self, request: VendorRequest, response: VendorResponse, now_ms: int) -> list[Outcome]:
        """The table of section 4, by reason, else by status."""
        if response.status == 200:
            outcome = Outcome(OutcomeKind.ACCEPTED, "200", vendor_message_id=response.headers.get("apns-id", "")[:256])
        else:
            outcome = _refused(response)
        return [outcome] * len(request.targets)

    def read_receipts(self, certificate: Certificate, request: ReceiptRequest, now_ms: int) -> ReceiptAnswer:
        """APNs calls nobody back (section 6)."""
        return ReceiptAnswer(status=404)

    def parse_extras(self, extras: dict[str, Any]) -> str | None:
        """The ext is a top-level key of the payload."""
        return ext_text(extras)


def apns_id(push_id: int) -> str:
    """The UUID of a push in Apple's records, the same for every attempt."""
    return str(uuid.uuid5(_ID_NAMESPACE, str(push_id)))


def expires_at_ms(certificate: Certificate) -> int | None:
    """When the client certificate ends, in milliseconds since 1970; None with a signing key."""
    client = _PREPARED.get(certificate).client
    return client.expires_at_ms if client else None


def _provider_token(certificate: Certificate, now: int) -> str:
    credentials: ApnsCredentials = certificate.credentials
    key = _PREPARED.get(certificate).key
    if key is None:
        return ""  # Apple answers MissingProviderToken, which pauses the certificate in words
    return jwt.encode({"iss": credentials.team_id, "iat": now}, key, algorithm="ES256", headers={"kid": credentials.key_id})


def _path(token: str) -> str:
    """Tokens are lower-case hex; anything else is escaped and left for Apple to refuse."""
    return token.lower() if token.isalnum() and token.isascii() else quote(token, safe="")


class _Job(msgspec.Struct, frozen=True):
    """One notification on its way to its targets through one certificate."""

    notification: Notification
    options: ApnsOptions
    now_ms: int

    @property
    def call(self) -> bool:
        return self.options.push_type == "voip"

    @property
    def limit(self) -> int:
        return apns_voip.PAYLOAD_LIMIT_BYTES if self.call else _PAYLOAD_LIMIT_BYTES

    @property
    def silent(self) -> bool:
        return not self.call and self.notification.wishes.ApnsInfo.ContentAvailable == 1

    def headers(self) -> tuple[tuple[str, str], ...]:
        """The headers of this notification (section 3.1)."""
        if self.call:
            return apns_voip.headers(self.notification, self.now_ms)
        ttl = min(self.notification.ttl_seconds(self.now_ms), _MAX_TTL_SECONDS)
        expiration = self.now_ms // 1000 + ttl if ttl else 0
        urgent = not self.silent and self.notification.notification_class == "private"  # 10 is an error with background
        headers: tuple[tuple[str, str], ...] = (
            ("apns-push-type", "background" if self.silent else "alert"),
            ("apns-priority", "10" if urgent else "5"),
            ("apns-expiration", str(expiration)),
        )
        if self.notification.collapse_id:
            headers += (("apns-collapse-id", _collapse_id(self.notification.collapse_id)),)
        return headers

    def bodies(self, targets: Sequence[Target]) -> list[bytes]:
        """A body for each target; only push_id differs unless it must shrink."""
        notification, wishes = self.notification, self.notification.wishes.ApnsInfo
        content = Content(
            wish(wishes.Title, notification.title, 512),
            notification.body,
            notification.ext,
            image_wish(wishes.Image),
            wish(wishes.SubTitle, notification.subtitle, 512),
        )
        payload = self.payload(content)
        bodies = []
        for target in targets:
            payload["push_id"] = str(target.push_id)
            body = _encode(payload)
            bodies.append(body if len(body) <= self.limit else self.shrunk(content, target))
        return bodies

    def shrunk(self, content: Content, target: Target) -> bytes:
        def encode(smaller: Content) -> bytes:
            payload = self.payload(smaller)
            if smaller.ours:
                payload["push_id"] = str(target.push_id)
            return _encode(payload)

        return encode(fit(content, lambda smaller: len(encode(smaller)), self.limit))

    def payload(self, content: Content) -> dict[str, Any]:
        """The payload (section 3.2) but for push_id."""
        payload: dict[str, Any] = {"aps": self.aps(content)}
        if content.ext:
            payload["ext"] = content.ext
        if content.ours:
            payload["msg_id"] = self.notification.msg_id
            payload["conv"] = self.notification.conversation_id
        if content.image and not self.silent and not self.call:
            payload["image"] = content.image
        return payload

    def aps(self, content: Content) -> dict[str, Any]:
        if self.call:
            return apns_voip.aps(self.notification, content)
        if self.silent:
            return {"content-available": 1}
        notification, options, wishes = self.notification, self.options, self.notification.wishes.ApnsInfo
        alert = {"title": content.title, "subtitle": content.subtitle, "body": content.body}
        aps: dict[str, Any] = {"alert": {key: value for key, value in alert.items() if value} or {"body": content.body}}
        if notification.badge is not None and wishes.BadgeMode != 1:
            aps["badge"] = max(0, notification.badge)
        if sound := _sound(wishes.Sound, options.sound):
            aps["sound"] = sound
        if notification.conversation_id:
            aps["thread-id"] = notification.conversation_id
        if options.category:
            aps["category"] = options.category
        if wishes.MutableContent == 1 or options.mutable_content or content.image or notification.wake_up:
            aps["mutable-content"] = 1
        level = wishes.InterruptionLevel if wishes.InterruptionLevel in _INTERRUPTION_LEVELS else options.interruption_level
        if level:
            aps["interruption-level"] = level
        return aps


def _sound(wanted: str, certificates: str) -> str:
    """The file with its suffix; "" is silence."""
    sound = wish(wanted, certificates) or "default"
    if sound in _NO_SOUND:
        return ""
    return "default" if sound in _DEFAULT_SOUND else sound


def _collapse_id(identifier: str) -> str:
    """At most 64 bytes that may stand in a header; longer or other ones become their digest."""
    if len(identifier) <= _COLLAPSE_ID_LIMIT_BYTES and identifier.isascii() and identifier.isprintable():
        return identifier
    return hashlib.sha256(identifier.encode(errors="replace")).hexdigest()


def _refused(response: VendorResponse) -> Outcome:
    answer = json_object(response.body)
    reason = text(answer.get("reason"))
    meaning = _BY_REASON.get(reason) or _BY_STATUS.get(response.status)
    if meaning is None:
        meaning = _Meaning(OutcomeKind.VENDOR_DOWN if response.status >= 500 else OutcomeKind.UNKNOWN)
    dead_since = integer(answer.get("timestamp")) if meaning.kind is OutcomeKind.TOKEN_DEAD else 0
    return Outcome(
        meaning.kind,
        reason[:64] or str(response.status),
        vendor_message_id=response.headers.get("apns-id", "")[:256],
        retry_after_seconds=meaning.wait,
        dead_since_ms=dead_since if dead_since > 0 else None,
        evidence=meaning.evidence,
        reconnect=meaning.reconnect,
    )


def _key_problems(credentials: ApnsCredentials, options: ApnsOptions) -> list[FieldProblem]:
    if not credentials.private_key:
        return [FieldProblem("private_key", "private_key is missing", "Pass --file private_key=AuthKey_….p8, or client_certificate")]
    found = []
    if _ec_key(credentials.private_key) is None:
        found.append(FieldProblem("private_key", "private_key is not a P-256 key in PEM", "Use the .p8 file as Apple gave it"))
    for name in ("key_id", "team_id"):
        value = getattr(credentials, name)
        if not value:
            found.append(FieldProblem(name, f"{name} is missing", f"Pass --set {name}=…"))
        elif not (len(value) == 10 and value.isascii() and value.isalnum()):
            found.append(FieldProblem(name, f"{name} does not look like Apple's 10 characters", "Compare it on Apple's site", warning=True))
    if not options.topic:
        found.append(FieldProblem("topic", "topic is missing", "Pass the app's bundle id"))
    return found + _topic_problems(options)


def _certificate_problems(credentials: ApnsCredentials, options: ApnsOptions) -> list[FieldProblem]:
    name = "client_certificate"
    if credentials.private_key:
        return [FieldProblem("private_key", "private_key and client_certificate exclude one another", "Pass one of the two")]
    loaded = load_client_certificate(credentials.client_certificate, credentials.passphrase)
    if isinstance(loaded, FieldProblem):
        return [loaded]
    found = _topic_problems(options)
    if not (options.topic or loaded.user_id):
        found.append(FieldProblem("topic", "topic is missing and the certificate names none", "Pass the app's bundle id"))
    kinds = {_PRODUCTION_OID: "production", _DEVELOPMENT_OID: "sandbox"}
    environments = {kinds[oid] for oid in loaded.extension_oids if oid in kinds}
    if environments and options.environment not in environments:
        found.append(FieldProblem(name, f"{name} is for {environments.pop()} only", "Set environment to it, or use another certificate"))
    return found


def _topic_problems(options: ApnsOptions) -> list[FieldProblem]:
    if options.topic.isascii() and options.topic.isprintable() and len(options.topic) <= 255 and " " not in options.topic:
        return []
    return [FieldProblem("topic", "topic is not a bundle id", "Use letters, digits, dots and hyphens")]
