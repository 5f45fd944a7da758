"""Tencent TPNS, REST v3 (vendor sheet tpns): an aggregator that is no longer sold, for clients that still report its tokens."""
# ruff: noqa: ARG002  (the protocol's methods have the protocol's parameters)

from __future__ import annotations

import base64
import hashlib
import hmac
from collections.abc import Iterator, Sequence
from typing import Any, Final

import msgspec

from homing.channels.answers import ext_text, integer, json_object, one_line, retry_after, text
from homing.channels.base import Capabilities, FieldProblem
from homing.channels.checks import common_problems, missing
from homing.channels.clicks import no_action_problem, opens_page
from homing.channels.content import Content, cleaned, fit
from homing.channels.statics import Statics
from homing.channels.tpns_fields import TpnsCredentials, TpnsOptions
from homing.channels.tpns_message import MAX_BODY_UNITS, MAX_TITLE_UNITS, action, android_message, apple_message, picture, texts
from homing.channels.urls import base
from homing.model.certificates import Certificate
from homing.model.notification import Notification, Target
from homing.model.outcome import Evidence, Grant, Outcome, OutcomeKind, ReceiptAnswer, ReceiptRequest, VendorRequest, VendorResponse
from homing.rules.text import clean

_HOSTS: Final = {
    "guangzhou": "https://api.tpns.tencent.com",
    "shanghai": "https://api.tpns.sh.tencent.com",
    "hongkong": "https://api.tpns.hk.tencent.com",
    "singapore": "https://api.tpns.sgp.tencent.com",
}
_PATH: Final = "/v3/push/app"
_BATCH: Final = 1000
_MAX_TOKEN_CHARS: Final = 36
_MESSAGE_LIMIT_BYTES: Final = 4096
_MAX_TTL_SECONDS: Final = 259_200  # 72 hours; more fails
_SHORTEST_KEPT_SECONDS: Final = 400  # the vendor stretches 1 to 799 to 800: a shorter one is sent as "only now"
_BLANK: Final = "新消息"  # empty texts are refused by the makers' channels


class _Prepared:
    """What one certificate always needs."""

    __slots__ = ("apple", "basic", "url")

    def __init__(self, certificate: Certificate) -> None:
        credentials, options = certificate.credentials, certificate.options
        self.url = base(options.base_url, _HOSTS.get(options.region, _HOSTS["guangzhou"])) + _PATH
        self.apple = is_apple(credentials, options)
        pair = f"{credentials.access_id}:{credentials.secret_key}".encode()
        self.basic = "Basic " + base64.b64encode(pair).decode() if options.authentication == "basic" else ""


_PREPARED: Final = Statics(_Prepared)
_encode: Final = msgspec.json.Encoder().encode

_REFUSED: Final = OutcomeKind.MESSAGE_REFUSED
_CREDENTIALS: Final = OutcomeKind.CREDENTIALS_REFUSED


def _table() -> dict[int, OutcomeKind]:
    """Section 5. 0, 10010018 and the codes that speak of tokens stand apart."""
    rows: dict[OutcomeKind, tuple[int, ...]] = {
        _REFUSED: (1008001, 1008002, 1008007, 1008015, 1008016, 1008019, 10010012),
        _CREDENTIALS: (
            *(1008003, 10030002, 1008023, 1008025, 1008030, 1008031, 1010001),
            *(1008011, 1008012, 1008013, 1008020, 1008021, 1008022),
        ),
        OutcomeKind.VENDOR_DOWN: (1008004, 10100, 10101),
        OutcomeKind.THROTTLED: (1008028,),
        OutcomeKind.UNKNOWN: (1008026, 1008027),  # a batch of accounts failed in part: not said which
    }
    return {code: kind for kind, codes in rows.items() for code in codes}


_BY_CODE: Final = _table()
_NO_TARGET: Final = frozenset({10010005, 10110008})  # nobody of this request is known
_BAD_TOKEN: Final = frozenset({1008006, 1008029})  # one of this request fails its check
_SENT_BEFORE: Final = 10010018
_TEXT_REFUSED: Final = 1008019
_NEUTRAL: Final = "neutral"
_BY_STATUS: Final[dict[int, OutcomeKind]] = {401: _CREDENTIALS, 403: _CREDENTIALS, 413: _REFUSED, 429: OutcomeKind.THROTTLED}


def is_apple(credentials: TpnsCredentials, options: TpnsOptions) -> bool:
    """Whether the pair belongs to an iOS application: their access ids begin with 16."""
    return options.platform == "ios" or (not options.platform and credentials.access_id.startswith("16"))


def sign(secret_key: str, timestamp: str, access_id: str, body: bytes) -> str:
    """The header ``Sign`` (section 2): base64 of the HMAC's hexadecimal text, not of its bytes."""
    digest = hmac.new(secret_key.encode(), timestamp.encode() + access_id.encode() + body, hashlib.sha256).hexdigest()
    return base64.b64encode(digest.encode()).decode()


class TpnsChannel:
    """TPNS: up to 1000 tokens a request, each request signed."""

    name: str = "tpns"
    title_en: str = "Tencent TPNS"
    title_zh: str = "腾讯移动推送 TPNS"
    push_platform: int = 0  # the original's records have no number for it
    platforms: frozenset[str] = frozenset({"android", "ios", "ipad"})
    capabilities: Capabilities = Capabilities(
        batch_size=_BATCH,
        click_actions=("launcher", "page", "web"),
        custom_sound=True,
        badge=True,
        replaces=False,
        channel_id=True,
        classes=True,
        image=True,
        title_limit=MAX_TITLE_UNITS,
        body_limit=MAX_BODY_UNITS,
        payload_limit_bytes=_MESSAGE_LIMIT_BYTES,
        max_ttl_seconds=_MAX_TTL_SECONDS,
    )
    credentials_type: type[msgspec.Struct] = TpnsCredentials
    options_type: type[msgspec.Struct] = TpnsOptions

    def check(self, certificate: Certificate) -> list[FieldProblem]:
        """Sections 1 to 3, 8 and 9: the pair, the access point, the click target, and what would silently not work."""
        credentials: TpnsCredentials = certificate.credentials
        options: TpnsOptions = certificate.options
        found = missing("access_id", credentials.access_id) + missing("secret_key", credentials.secret_key)
        if credentials.access_id and not (credentials.access_id.isascii() and credentials.access_id.isdigit()):
            found.append(FieldProblem("access_id", "access_id is not a number", "Copy the AccessID from the console"))
        if not credentials.secret_key.isascii():
            found.append(FieldProblem("secret_key", "secret_key has characters that no key has", "Copy it again from the console"))
        if options.region not in _HOSTS:
            found.append(FieldProblem("region", f"region is none of {', '.join(_HOSTS)}", "Use one of them"))
        return found + common_problems(options, self.capabilities) + _page_problems(options) + _warnings(credentials, options)

    def login(self, certificate: Certificate, now_ms: int) -> VendorRequest | Grant | None:
        """None: each request is signed (section 2)."""
        return None

    def login_identity(self, certificate: Certificate) -> str:
        """Each certificate signs for itself."""
        return ""

    def read_login(self, certificate: Certificate, response: VendorResponse, now_ms: int) -> Grant | Outcome:
        """TPNS has no log-in request."""
        return Outcome(OutcomeKind.UNKNOWN, str(response.status))

    def render(
        self, notification: Notification, targets: Sequence[Target], certificate: Certificate, grant: Grant | None, now_ms: int
    ) -> list[VendorRequest]:
        """One request for up to 1000 targets. A token that is too long to be TPNS's travels alone: it fails its whole list."""
        prepared = _PREPARED.get(certificate)
        requests = []
        for batch in _batches(targets):
            try:
                body = _Job(notification, certificate.options, prepared.apple, now_ms).body(batch)
            except UnicodeEncodeError:
                body = _Job(cleaned(notification), certificate.options, prepared.apple, now_ms).body(batch)
            headers = _headers(certificate.credentials, prepared, body, now_ms)
            secrets = (prepared.basic.removeprefix("Basic "),) if prepared.basic else ()
            ca_file = certificate.options.ca_file
            requests.append(VendorRequest("POST", prepared.url, headers, body, batch, secrets=secrets, ca_file=ca_file))
        return requests

    def interpret(self, request: VendorRequest, response: VendorResponse, now_ms: int) -> list[Outcome]:
        """Section 5: the body's ret_code and the tokens that were filtered out; without a code the HTTP status."""
        answer = json_object(response.body)
        code = integer(answer.get("ret_code"), -1) if "ret_code" in answer else None
        if code is None:
            return [_by_status(response, now_ms)] * len(request.targets)
        if code in {0, _SENT_BEFORE}:
            return _accepted(request.targets, code, answer)
        return [_refused(code, one_line(answer.get("err_msg")), response, len(request.targets), now_ms)] * len(request.targets)

    def follow_up(self, request: VendorRequest, response: VendorResponse, certificate: Certificate) -> list[VendorRequest]:
        """A text that the content check refused is replaced once by the certificate's neutral one (section 5, 1008019)."""
        neutral = certificate.options.neutral_text
        refused = integer(json_object(response.body).get("ret_code"), -1) == _TEXT_REFUSED
        body = json_object(request.body)
        if not refused or not neutral or request.context == _NEUTRAL or not isinstance(body.get("message"), dict):
            return []
        body["message"] |= texts(neutral, neutral)
        body["message"].pop("xg_media_resources", None)
        encoded = _encode(body)
        headers = _signed_anew(request.headers, certificate.credentials, encoded)
        return [msgspec.structs.replace(request, body=encoded, headers=headers, context=_NEUTRAL)]

    def serves(self, certificate: Certificate, platform: str) -> bool:
        """Clients report these tokens with businessID 0; Android and Apple devices have a certificate each (section 1)."""
        return platform in self.platforms and is_apple(certificate.credentials, certificate.options) == (platform != "android")

    def read_receipts(self, certificate: Certificate, request: ReceiptRequest, now_ms: int) -> ReceiptAnswer:
        """TPNS calls no app's server back (section 7)."""
        return ReceiptAnswer(status=404)

    def parse_extras(self, extras: dict[str, Any]) -> str | None:
        """The client hands the custom content over as a JSON text; a page's address may have the ext as its parameter."""
        for name in ("custom_content", "custom"):
            inner = extras.get(name)
            found = ext_text(json_object(inner) if isinstance(inner, str) else inner) if isinstance(inner, str | dict) else None
            if found:
                return found
        return ext_text(extras)


class _Job(msgspec.Struct, frozen=True):
    """One notification on its way to a batch of targets through one certificate."""

    notification: Notification
    options: TpnsOptions
    apple: bool
    now_ms: int

    def body(self, targets: Sequence[Target]) -> bytes:
        """The request body (section 3.1). The list form alone names dead tokens, so one device is a list too."""
        push_id = str(targets[0].push_id) if len(targets) == 1 else ""
        body: dict[str, Any] = {
            "audience_type": "token_list",
            "token_list": list(dict.fromkeys(target.token for target in targets)),
            "ignore_invalid_token": 1,
            "message_type": "notify",
            "expire_time": self.expire_time(),
        }
        if self.apple:
            body["environment"] = self.options.environment
        elif self.options.multi_pkg:
            body["multi_pkg"] = True
        return _encode(body | {"message": self.message(push_id)})

    def expire_time(self) -> int:
        """Seconds; 0 for a message that is worth nothing later."""
        seconds = self.notification.ttl_seconds(self.now_ms)
        return 0 if seconds < _SHORTEST_KEPT_SECONDS else min(seconds, _MAX_TTL_SECONDS)

    def message(self, push_id: str) -> dict[str, Any]:
        """``message`` within its limit."""
        notification = self.notification
        title = clean(notification.title, newlines=False).strip() or _BLANK
        image = picture(notification, apple=self.apple)
        content = Content(title, notification.body.strip() or _BLANK, notification.ext, image, notification.subtitle)
        message = self.sized(content, push_id, twice=True)
        if len(_encode(message)) <= _MESSAGE_LIMIT_BYTES:
            return message
        smaller = fit(content, lambda part: len(_encode(self.sized(part, push_id))), _MESSAGE_LIMIT_BYTES)
        return self.sized(smaller, push_id)

    def sized(self, content: Content, push_id: str, *, twice: bool = False) -> dict[str, Any]:
        """``message`` with this content."""
        if self.apple:
            return apple_message(self.notification, self.options, content, push_id)
        return android_message(self.notification, self.options, content, push_id, twice=twice)


def _batches(targets: Sequence[Target]) -> Iterator[tuple[Target, ...]]:
    fitting = [target for target in targets if len(target.token) <= _MAX_TOKEN_CHARS]
    for start in range(0, len(fitting), _BATCH):
        yield tuple(fitting[start : start + _BATCH])
    for target in targets:
        if len(target.token) > _MAX_TOKEN_CHARS:
            yield (target,)


def _headers(credentials: TpnsCredentials, prepared: _Prepared, body: bytes, now_ms: int) -> tuple[tuple[str, str], ...]:
    content_type = ("content-type", "application/json")
    if prepared.basic:
        return (content_type, ("authorization", prepared.basic))
    timestamp = str(now_ms // 1000)
    signature = sign(credentials.secret_key, timestamp, credentials.access_id, body)
    return (content_type, ("accessid", credentials.access_id), ("timestamp", timestamp), ("sign", signature))


def _signed_anew(headers: tuple[tuple[str, str], ...], credentials: TpnsCredentials, body: bytes) -> tuple[tuple[str, str], ...]:
    """The headers for another body a moment later."""
    timestamp = dict(headers).get("timestamp", "")
    signature = sign(credentials.secret_key, timestamp, credentials.access_id, body)
    return tuple((name, signature if name == "sign" else value) for name, value in headers)


def _accepted(targets: Sequence[Target], code: int, answer: dict[str, Any]) -> list[Outcome]:
    """Accepted, but for the tokens in ``invalid_targe_list``: the misspelling is the vendor's."""
    found = answer.get("invalid_targe_list", answer.get("invalid_target_list"))
    bad = {token for token in found if isinstance(token, str)} if isinstance(found, list) else set()
    accepted = Outcome(OutcomeKind.ACCEPTED, str(code), vendor_message_id=text(answer.get("push_id"))[:256])
    dead = Outcome(OutcomeKind.TOKEN_DEAD, str(code), "invalid_targe_list", evidence=Evidence.TOKEN)
    return [dead if target.token in bad else accepted for target in targets]


def _refused(code: int, words: str, response: VendorResponse, targets: int, now_ms: int) -> Outcome:
    """A wrong access point looks like unknown tokens, so a refusal of the whole request is weak evidence (section 9)."""
    if code in _NO_TARGET or (code in _BAD_TOKEN and targets == 1):
        return Outcome(OutcomeKind.TOKEN_DEAD, str(code), words, evidence=Evidence.REQUEST)
    if code in _BAD_TOKEN:
        return Outcome(OutcomeKind.UNKNOWN, str(code), words)
    kind = _BY_CODE.get(code, OutcomeKind.VENDOR_DOWN if response.status >= 500 else _REFUSED)  # unknown codes: given up
    wait = retry_after(response.headers, now_ms) if kind in {OutcomeKind.THROTTLED, OutcomeKind.VENDOR_DOWN} else None
    return Outcome(kind, str(code), words, retry_after_seconds=wait)


def _by_status(response: VendorResponse, now_ms: int) -> Outcome:
    kind = _BY_STATUS.get(response.status, OutcomeKind.VENDOR_DOWN if response.status >= 500 else OutcomeKind.UNKNOWN)
    return Outcome(kind, str(response.status), retry_after_seconds=retry_after(response.headers, now_ms))


def _page_problems(options: TpnsOptions) -> list[FieldProblem]:
    if not opens_page(options) or action(options, "") != {"action_type": 1}:
        return []
    return [no_action_problem("TPNS")]


def _warnings(credentials: TpnsCredentials, options: TpnsOptions) -> list[FieldProblem]:
    sentence = "TPNS is no longer sold, tells no receipts, and has no class for Meizu and OPPO phones"
    found = [FieldProblem("access_id", sentence, "Let the app report its maker's token and use that channel", warning=True)]
    if is_apple(credentials, options):
        return found
    if options.sound and not options.channel_id:
        sentence = "without channel_id the phone's own tone is played"
        found.append(FieldProblem("sound", sentence, "Set channel_id to the channel that has this tone", warning=True))
    if options.click_action == "launcher" or action(options, "")["action_type"] == 1:
        sentence = "on Huawei phones the tapped app gets no ext unless a page is opened by the app's own scheme"
        cure = "Use click_action=page with an intent URI that has a scheme"
        found.append(FieldProblem("click_action", sentence, cure, warning=True))
    if options.notification_class == "private" and not options.huawei_category:
        sentence = "without huawei_category Huawei counts every message as marketing"
        found.append(FieldProblem("huawei_category", sentence, "Apply for self-classification, then set IM", warning=True))
    return found
