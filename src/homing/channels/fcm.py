"""Firebase Cloud Messaging, HTTP v1 (vendor sheet fcm)."""
# ruff: noqa: ARG002  (the protocol's methods have the protocol's parameters)

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any, Final
from urllib.parse import quote, urlencode

import jwt
import msgspec
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from homing.channels.answers import ext_text, integer, json_object, one_line, retry_after, text
from homing.channels.base import Capabilities, CommonCredentials, CommonOptions, FieldProblem, field
from homing.channels.checks import common_problems, missing
from homing.channels.content import Content, cleaned, fit, image_wish, raw_sound, wish
from homing.channels.statics import Statics
from homing.channels.urls import auth_endpoint, base, url_problem
from homing.model.certificates import Certificate
from homing.model.notification import Notification, Target
from homing.model.outcome import Evidence, Grant, Outcome, OutcomeKind, ReceiptAnswer, ReceiptRequest, VendorRequest, VendorResponse
from homing.rules.intents import parse_intent_uri

_HOST: Final = "https://fcm.googleapis.com"
_TOKEN_URL: Final = "https://oauth2.googleapis.com/token"
_SCOPE: Final = "https://www.googleapis.com/auth/firebase.messaging"
_GRANT_TYPE: Final = "urn:ietf:params:oauth:grant-type:jwt-bearer"
_ASSERTION_SECONDS: Final = 3600
_MAX_TTL_SECONDS: Final = 2_419_200  # 28 days
_MESSAGE_LIMIT_BYTES: Final = 3584  # section 3.6: the 4096 bytes are counted by an unpublished rule, so stay below
_MAX_INT32: Final = 2**31 - 1
_MESSAGE_TYPES: Final = ("notification", "data", "android_v2")


class FcmCredentials(CommonCredentials, frozen=True, kw_only=True):
    """The service account that may send for a Firebase project."""

    service_account: Annotated[
        str,
        field(
            "Service account",
            "服务账号",
            "The JSON file from Firebase console, project settings, service accounts",
            "Firebase 控制台「项目设置 - 服务账号」生成的 JSON 文件",
            secret=True,
            file=True,
        ),
    ]


class FcmOptions(CommonOptions, frozen=True, kw_only=True):
    """Options of an FCM certificate."""

    message_type: Annotated[
        str,
        field(
            "Message type",
            "消息类型",
            "notification: Android shows it; data: the app is woken and shows it; android_v2: notification for SDKs of 2026",
            "notification：系统展示；data：唤醒应用由应用展示；android_v2：同 notification，需 2026 年的 SDK",
            choices=("notification", "data", "android_v2"),
        ),
    ] = "notification"
    address: Annotated[
        str,
        field(
            "Address",
            "地址类型",
            "What the app reports: a registration token, or a Firebase installation ID",
            "应用上报的是注册 token 还是 Firebase 安装 ID（fid）",
            choices=("token", "fid"),
        ),
    ] = "token"


class ServiceAccount(msgspec.Struct, frozen=True):
    """The keys of the vendor's JSON file that are used (section 2)."""

    project_id: str = ""
    private_key: str = ""
    client_email: str = ""
    private_key_id: str = ""
    token_uri: str = _TOKEN_URL
    type: str = "service_account"

    def __repr__(self) -> str:
        return f"ServiceAccount(project_id={self.project_id!r})"


class _Prepared:
    """What one certificate always needs: parsed once."""

    __slots__ = ("_headers", "_token", "account", "action", "key", "send_url", "token_url")

    def __init__(self, certificate: Certificate) -> None:
        options: FcmOptions = certificate.options
        self.account = _account(certificate.credentials.service_account) or ServiceAccount()
        self.key = _rsa_key(self.account.private_key)
        self.send_url = f"{base(options.base_url, _HOST)}/v1/projects/{quote(self.account.project_id, safe='')}/messages:send"
        self.token_url = auth_endpoint(options.auth_url, self.account.token_uri, "/token")
        self.action = _intent_action(options)
        self._token: str | None = None
        self._headers: tuple[tuple[str, str], ...] = ()

    def headers(self, token: str) -> tuple[tuple[str, str], ...]:
        """The request headers under this access token, made once a token."""
        if token != self._token:
            self._headers = (("authorization", f"Bearer {token}"), ("content-type", "application/json"))
            self._token = token
        return self._headers


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


def _intent_action(options: FcmOptions) -> str:
    """FCM opens pages by the action of their intent filter; of an intent URI that is its ``action=`` part."""
    if options.click_action != "page":
        return ""
    intent = parse_intent_uri(options.click_value)
    return intent.action if intent else options.click_value


_PREPARED: Final = Statics(_Prepared)


class _Sent(msgspec.Struct):
    name: str = ""


_encode: Final = msgspec.json.Encoder().encode
_decode_sent: Final = msgspec.json.Decoder(_Sent).decode

# errorCode of an FcmError detail -> meaning (section 4.2). INVALID_ARGUMENT and the codes of a bare status stand apart.
_BY_ERROR_CODE: Final[dict[str, tuple[OutcomeKind, Evidence, float | None]]] = {
    "UNREGISTERED": (OutcomeKind.TOKEN_DEAD, Evidence.TOKEN, None),
    "SENDER_ID_MISMATCH": (OutcomeKind.TOKEN_DEAD, Evidence.REQUEST, None),  # alarms when it hits many: a wrong project
    "THIRD_PARTY_AUTH_ERROR": (OutcomeKind.CREDENTIALS_REFUSED, Evidence.TOKEN, None),  # Apple's or web push's key, not ours
    "APNS_AUTH_ERROR": (OutcomeKind.CREDENTIALS_REFUSED, Evidence.TOKEN, None),
    "QUOTA_EXCEEDED": (OutcomeKind.THROTTLED, Evidence.TOKEN, 60.0),
    "UNAVAILABLE": (OutcomeKind.VENDOR_DOWN, Evidence.TOKEN, 10.0),
    "INTERNAL": (OutcomeKind.VENDOR_DOWN, Evidence.TOKEN, 10.0),
}
_BY_STATUS: Final[dict[int, tuple[OutcomeKind, float | None]]] = {
    400: (OutcomeKind.MESSAGE_REFUSED, None),
    401: (OutcomeKind.AUTH_EXPIRED, None),
    403: (OutcomeKind.CREDENTIALS_REFUSED, None),
    404: (OutcomeKind.CREDENTIALS_REFUSED, None),  # without UNREGISTERED: a wrong project id, never a dead token
    408: (OutcomeKind.VENDOR_DOWN, 10.0),
    413: (OutcomeKind.MESSAGE_REFUSED, None),
    429: (OutcomeKind.THROTTLED, 60.0),
    502: (OutcomeKind.VENDOR_DOWN, 30.0),
}
# The vendor gives no other sign of a malformed token than this sentence when it leaves out the violations (section 4.2).
_BAD_TOKEN_SENTENCE: Final = "The registration token is not a valid FCM registration token"


class FcmChannel:
    """FCM: one request a target, a bearer token of an hour."""

    name: str = "fcm"
    title_en: str = "Google FCM"
    title_zh: str = "谷歌 FCM"
    push_platform: int = 4
    platforms: frozenset[str] = frozenset({"android"})
    capabilities: Capabilities = Capabilities(
        click_actions=("launcher", "page"),
        custom_sound=True,
        badge=True,
        withdraws=True,
        channel_id=True,
        classes=True,
        image=True,
        payload_limit_bytes=4096,
        max_ttl_seconds=_MAX_TTL_SECONDS,
        login_token_seconds=3600,
        requests_per_second=10_000,  # 600,000 a minute and project
        max_in_flight=200,
    )
    credentials_type: type[msgspec.Struct] = FcmCredentials
    options_type: type[msgspec.Struct] = FcmOptions

    def check(self, certificate: Certificate) -> list[FieldProblem]:
        """Section 2: the keys of the service account, and the options."""
        options: FcmOptions = certificate.options
        found = _account_problems(certificate.credentials.service_account)
        found += common_problems(options, self.capabilities)
        if options.message_type not in _MESSAGE_TYPES:
            found.append(FieldProblem("message_type", f"message_type is none of {', '.join(_MESSAGE_TYPES)}", "Use one of them"))
        if options.address not in {"token", "fid"}:
            found.append(FieldProblem("address", "address is neither token nor fid", "Use one of the two"))
        if options.click_action == "page" and options.click_value and not _intent_action(options):
            found.append(
                FieldProblem("click_value", "FCM opens a page by its intent action, and click_value has none", "Pass the action's name")
            )
        return found

    def login(self, certificate: Certificate, now_ms: int) -> VendorRequest | Grant | None:
        """The JWT-bearer request of section 2. A key that cannot sign is refused by the vendor in words."""
        prepared = _PREPARED.get(certificate)
        assertion = _assertion(prepared, now_ms // 1000)
        body = urlencode({"grant_type": _GRANT_TYPE, "assertion": assertion}).encode()
        return VendorRequest(
            "POST",
            prepared.token_url,
            (("content-type", "application/x-www-form-urlencoded"),),
            body,
            secrets=(assertion,) if assertion else (),
            ca_file=certificate.options.ca_file,
        )

    def login_identity(self, certificate: Certificate) -> str:
        """Each certificate logs in for itself."""
        return ""

    def read_login(self, certificate: Certificate, response: VendorResponse, now_ms: int) -> Grant | Outcome:
        """The access token with its true expiry, or why there is none (section 2, token endpoint errors)."""
        answer = json_object(response.body)
        token = text(answer.get("access_token"))
        if response.status == 200 and token:
            seconds = integer(answer.get("expires_in"), 3599)  # a number or a numeric string
            return Grant(token, now_ms + seconds * 1000, now_ms)
        code = text(answer.get("error")) or str(response.status)
        detail = one_line(answer.get("error_description"))
        if response.status in {408, 429} or response.status >= 500 or code in _TRANSIENT_LOGIN_ERRORS:
            wait = retry_after(response.headers, now_ms) or 1.0
            return Outcome(OutcomeKind.VENDOR_DOWN, code, detail, retry_after_seconds=wait)
        if response.status in {400, 401, 403, 404}:
            return Outcome(OutcomeKind.CREDENTIALS_REFUSED, code, detail)
        return Outcome(OutcomeKind.UNKNOWN, code, detail)

    def render(
        self, notification: Notification, targets: Sequence[Target], certificate: Certificate, grant: Grant | None, now_ms: int
    ) -> list[VendorRequest]:
        """One request a target; the message is built once and only token and push_id change."""
        prepared = _PREPARED.get(certificate)
        options: FcmOptions = certificate.options
        token = grant.access_token if grant else ""
        headers, secrets = prepared.headers(token), ((token,) if token else ())
        url, ca_file = prepared.send_url, options.ca_file
        try:
            bodies = _Job(notification, options, prepared.action, now_ms).bodies(targets)
        except UnicodeEncodeError:
            bodies = _Job(cleaned(notification), options, prepared.action, now_ms).bodies(targets)
        return [
            VendorRequest("POST", url, headers, body, (target,), False, 15.0, secrets, b"", ca_file)
            for target, body in zip(targets, bodies, strict=True)
        ]

    def interpret(self, request: VendorRequest, response: VendorResponse, now_ms: int) -> list[Outcome]:
        """The table of section 4.2: FcmError.errorCode first, then the HTTP status."""
        if response.status == 200:
            return [_accepted(response.body)] * len(request.targets)
        return [_refused(response, now_ms)] * len(request.targets)

    def read_receipts(self, certificate: Certificate, request: ReceiptRequest, now_ms: int) -> ReceiptAnswer:
        """FCM calls nobody back (section 6)."""
        return ReceiptAnswer(status=404)

    def parse_extras(self, extras: dict[str, Any]) -> str | None:
        """FCM hands the data map over as intent extras."""
        return ext_text(extras)


_TRANSIENT_LOGIN_ERRORS: Final = frozenset({"internal_failure", "server_error", "temporarily_unavailable"})


def _account_problems(raw: str) -> list[FieldProblem]:
    name = "service_account"
    if not raw:
        return missing(name, raw)
    account = _account(raw)
    if account is None:
        return [FieldProblem(name, f"{name} is not the JSON file of a service account", "Download the key again in the Firebase console")]
    if account.type != "service_account":
        return [FieldProblem(name, f"{name} is a {account.type} file", "Use a service account's key, not the app's google-services.json")]
    found = [
        FieldProblem(name, f"{name} has no {key}", "Download the key again in the Firebase console")
        for key in ("project_id", "client_email", "private_key")
        if not getattr(account, key)
    ]
    if account.private_key and _rsa_key(account.private_key) is None:
        found.append(FieldProblem(name, f"the private_key in {name} is not an RSA key in PEM", "Download the key again"))
    problem = url_problem(name, account.token_uri)
    if problem:
        found.append(FieldProblem(name, f"the token_uri in {name} is not a usable URL", "Download the key again"))
    return found


def _assertion(prepared: _Prepared, now: int) -> str:
    if prepared.key is None:
        return ""
    account = prepared.account
    claims = {"iss": account.client_email, "scope": _SCOPE, "aud": _TOKEN_URL, "iat": now, "exp": now + _ASSERTION_SECONDS}
    headers = {"kid": account.private_key_id} if account.private_key_id else None
    return jwt.encode(claims, prepared.key, algorithm="RS256", headers=headers)


def _message(notification: Notification, content: Content, options: FcmOptions, action: str, now_ms: int) -> dict[str, Any]:
    """The message but for its target and push_id (sections 3.1 and 3.2)."""
    ttl = min(notification.ttl_seconds(now_ms), _MAX_TTL_SECONDS)
    android: dict[str, Any] = {"ttl": f"{ttl}s"}
    if options.package_name:
        android["restricted_package_name"] = options.package_name
    data: dict[str, str] = {}
    if content.ext:
        data["ext"] = content.ext
    if content.ours:
        data["msg_id"] = notification.msg_id
        data["push_id"] = ""
        data["conv"] = notification.conversation_id
    if notification.wake_up:  # data alone, so that the app's own code runs and decrypts what it fetches
        android["priority"] = "high"
        return {options.address: "", "data": data, "android": android}
    if notification.withdraws:
        data["withdraw"] = _encode(notification.withdraws).decode()
        if notification.badge is not None:
            data["badge"] = str(max(0, notification.badge))
        return {options.address: "", "data": data, "android": android | {"priority": "normal"}}
    shown = _shown(notification, options, action)
    texts = {"title": content.title, "body": content.body}
    if content.image:
        texts["image"] = content.image
    if options.message_type == "android_v2":  # urgent by itself, and refused with a priority (section 3.4)
        android["remote_notification"] = {"notification": texts | shown | {"id": notification.notify_id}}
        return {options.address: "", "data": data, "android_v2": android}
    android["priority"] = "high" if notification.notification_class == "private" else "normal"
    if options.message_type == "data":  # everything as strings: any other type is refused (section 7)
        data |= {key: str(value) for key, value in (texts | shown).items()}
        return {options.address: "", "data": data, "android": android}
    if shown:
        android["notification"] = shown
    return {options.address: "", "notification": texts, "data": data, "android": android}


def _shown(notification: Notification, options: FcmOptions, action: str) -> dict[str, Any]:
    """``android.notification`` (section 3.3)."""
    wishes = notification.wishes.AndroidInfo
    shown: dict[str, Any] = {}
    if channel := wish(wishes.GoogleChannelID, options.channel_id):
        shown["channel_id"] = channel
    if sound := raw_sound(wishes.Sound, options.sound) or ("default" if wishes.Sound or options.sound else ""):
        shown["sound"] = sound
    if notification.collapse_id:
        shown["tag"] = notification.collapse_id
    if action:
        shown["click_action"] = action
    if notification.badge is not None:
        shown["notification_count"] = min(max(notification.badge, 0), _MAX_INT32)
    return shown


class _Job(msgspec.Struct, frozen=True):
    """One notification on its way to its targets through one certificate."""

    notification: Notification
    options: FcmOptions
    action: str
    now_ms: int

    def message(self, content: Content) -> dict[str, Any]:
        return _message(self.notification, content, self.options, self.action, self.now_ms)

    def bodies(self, targets: Sequence[Target]) -> list[bytes]:
        """A body for each target. The message is built once; only token and push_id change unless it must shrink."""
        notification = self.notification
        image = image_wish(notification.wishes.AndroidInfo.GoogleImage)
        content = Content(notification.title, notification.body, notification.ext, image)
        message = self.message(content)
        envelope, data, address = {"message": message}, message["data"], self.options.address
        bodies = []
        for target in targets:
            message[address] = target.token
            data["push_id"] = str(target.push_id)
            body = _encode(envelope)
            limit = _MESSAGE_LIMIT_BYTES + len(target.token)
            bodies.append(body if len(body) <= limit else self.shrunk(content, target, limit))
        return bodies

    def shrunk(self, content: Content, target: Target, limit: int) -> bytes:
        def encode(smaller: Content) -> bytes:
            message = self.message(smaller)
            message[self.options.address] = target.token
            if smaller.ours:
                message["data"]["push_id"] = str(target.push_id)
            return _encode({"message": message})

        return encode(fit(content, lambda smaller: len(encode(smaller)), limit))


def _accepted(body: bytes) -> Outcome:
    """A 200 counts only with the message's name in it: proxies and captive portals answer 200 too."""
    try:
        name = _decode_sent(body).name
    except (msgspec.DecodeError, UnicodeError):
        name = ""
    if not name:
        return Outcome(OutcomeKind.UNKNOWN, "200", one_line(body[:200].decode("utf-8", "replace")) or "an empty answer")
    return Outcome(OutcomeKind.ACCEPTED, "200", vendor_message_id=name[:256])


def _refused(response: VendorResponse, now_ms: int) -> Outcome:
    error = json_object(response.body).get("error")
    error = error if isinstance(error, dict) else {}
    details = (
        [detail for detail in error.get("details") or () if isinstance(detail, dict)] if isinstance(error.get("details"), list) else []
    )
    error_code = next((text(d.get("errorCode")) for d in details if text(d.get("@type")).endswith("FcmError")), "")
    code = error_code or text(error.get("status")) or str(response.status)
    detail = one_line(error.get("message"))
    wait = retry_after(response.headers, now_ms)
    if error_code in _BY_ERROR_CODE:
        kind, evidence, default_wait = _BY_ERROR_CODE[error_code]
        return Outcome(kind, code, detail, retry_after_seconds=wait or default_wait, evidence=evidence)
    if response.status == 400:
        return _invalid_argument(code, detail, details)
    if response.status in _BY_STATUS:
        kind, default_wait = _BY_STATUS[response.status]
        return Outcome(kind, code, detail, retry_after_seconds=wait or default_wait)
    if response.status >= 500:
        return Outcome(OutcomeKind.VENDOR_DOWN, code, detail, retry_after_seconds=wait or 10.0)
    return Outcome(OutcomeKind.UNKNOWN, code, detail)


def _invalid_argument(code: str, detail: str, details: list[dict[str, Any]]) -> Outcome:
    """A bad payload must not cost good tokens (section 7): only a violation on the token itself condemns it."""
    violations = [v for d in details if isinstance(d.get("fieldViolations"), list) for v in d["fieldViolations"] if isinstance(v, dict)]
    if violations:
        about_token = all(text(v.get("field")) in {"message.token", "message.fid"} for v in violations)
        words = one_line(violations[0].get("description")) or detail
        return Outcome(OutcomeKind.TOKEN_DEAD if about_token else OutcomeKind.MESSAGE_REFUSED, code, words)
    if detail.startswith(_BAD_TOKEN_SENTENCE):
        return Outcome(OutcomeKind.TOKEN_DEAD, code, detail, evidence=Evidence.REQUEST)
    return Outcome(OutcomeKind.MESSAGE_REFUSED, code, detail)
