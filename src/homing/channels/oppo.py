"""OPPO PUSH for OPPO, OnePlus and realme phones (vendor sheet oppo)."""
# ruff: noqa: ARG002  (the protocol's methods have the protocol's parameters)

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from typing import Any, Final
from urllib.parse import quote_plus, urlencode

import msgspec

from homing.channels import oppo_receipts
from homing.channels.answers import ext_text, integer, json_object, text
from homing.channels.base import Capabilities, FieldProblem
from homing.channels.content import cleaned
from homing.channels.oppo_answers import TOKEN, class_refused, outcomes, refusal
from homing.channels.oppo_checks import problems
from homing.channels.oppo_fields import OppoCredentials, OppoOptions
from homing.channels.oppo_message import MAX_LONG_BODY, MAX_PARAMETERS, MAX_TITLE, MAX_TTL_SECONDS, OURS, Job, Prepared
from homing.channels.oppo_repairs import quieter
from homing.channels.statics import Statics
from homing.model.certificates import Certificate
from homing.model.notification import Notification, Target
from homing.model.outcome import Grant, Outcome, ReceiptAnswer, ReceiptRequest, VendorRequest, VendorResponse
from homing.model.push import Reason

_SINGLE_PATH: Final = "/server/v1/message/notification/unicast"
_BATCH_PATH: Final = "/server/v1/message/notification/unicast_batch"
_BATCH: Final = 1000
_MAX_BATCH_BYTES: Final = 1024 * 1024  # no limit is published; a request stays sendable in one go
_HEADERS: Final = (("content-type", "application/x-www-form-urlencoded; charset=UTF-8"),)
_GRANT_SECONDS: Final = 86_400
_PREPARED: Final = Statics(Prepared)
_encode: Final = msgspec.json.Encoder().encode


class OppoChannel:
    """OPPO: a form with the message as JSON inside, up to 1000 different messages a request, a log-in token of a day."""

    name: str = "oppo"
    title_en: str = "OPPO PUSH"
    title_zh: str = "OPPO 推送"
    push_platform: int = 6
    platforms: frozenset[str] = frozenset({"android"})
    capabilities: Capabilities = Capabilities(
        batch_size=_BATCH,
        click_actions=("launcher", "page", "web"),
        badge=True,
        badge_option="badge",
        channel_id=True,
        classes=True,
        title_limit=MAX_TITLE,
        body_limit=MAX_LONG_BODY,
        payload_limit_bytes=MAX_PARAMETERS,
        min_ttl_seconds=1,
        max_ttl_seconds=MAX_TTL_SECONDS,
        receipts=True,
        login_token_seconds=_GRANT_SECONDS,
        requests_per_second=5000,
        rate_counts_devices=True,
        app_quota=True,
        daily_public=100_000,
        device_daily_public=2,
    )
    credentials_type: type[msgspec.Struct] = OppoCredentials
    options_type: type[msgspec.Struct] = OppoOptions

    def check(self, certificate: Certificate) -> list[FieldProblem]:
        """Sections 3, 8 and 9: keys, channel, category and level, template, click target, receipt URL."""
        return problems(certificate, self.capabilities)

    def login(self, certificate: Certificate, now_ms: int) -> VendorRequest | Grant | None:
        """The signed request of section 2."""
        credentials: OppoCredentials = certificate.credentials
        sign = signature(credentials.app_key, now_ms, credentials.master_secret)
        form = {"app_key": credentials.app_key, "timestamp": str(now_ms), "sign": sign}
        url, ca_file = _PREPARED.get(certificate).auth_url, certificate.options.ca_file
        return VendorRequest("POST", url, _HEADERS, urlencode(form).encode(), secrets=(sign,), ca_file=ca_file)

    def login_identity(self, certificate: Certificate) -> str:
        """Certificates of one app share one token (section 2); with the secret's digest, so that a wrong one cannot ride on a right one."""
        credentials: OppoCredentials = certificate.credentials
        digest = hashlib.sha256(credentials.master_secret.encode(errors="replace")).hexdigest()
        return f"{_PREPARED.get(certificate).auth_url}/{credentials.app_key}/{digest}"

    def read_login(self, certificate: Certificate, response: VendorResponse, now_ms: int) -> Grant | Outcome:
        """The token, with a life of 24 hours from its creation; ``data`` may be JSON inside a text (section 2)."""
        answer = json_object(response.body)
        data = answer.get("data")
        data = json_object(data) if isinstance(data, str) else data
        token = text(data.get("auth_token")) if isinstance(data, dict) else ""
        if isinstance(data, dict) and token and integer(answer.get("code"), -1) == 0:
            created = integer(data.get("create_time"), now_ms)
            if not now_ms - _GRANT_SECONDS * 1000 < created <= now_ms:  # a clock that differs, or seconds
                created = now_ms
            return Grant(token, created + _GRANT_SECONDS * 1000, now_ms)
        return refusal(response, now_ms)

    def render(
        self, notification: Notification, targets: Sequence[Target], certificate: Certificate, grant: Grant | None, now_ms: int
    ) -> list[VendorRequest]:
        """One unicast, or batches of up to 1000 messages; an id that cannot be one travels alone, so that it spoils no batch."""
        prepared, options = _PREPARED.get(certificate), certificate.options
        token = grant.access_token if grant else ""
        try:
            messages = Job(notification, options, prepared, now_ms).messages(targets)
        except UnicodeEncodeError:
            messages = Job(cleaned(notification), options, prepared, now_ms).messages(targets)
        auth = f"auth_token={quote_plus(token)}"
        secrets = tuple({token, quote_plus(token)}) if token else ()
        requests = []
        for batch, parts in _batches(targets, messages):
            single = len(batch) == 1
            body = f"{auth}&message={parts[0]}" if single else f"{auth}&messages=%5B{'%2C'.join(parts)}%5D"
            url = prepared.url + (_SINGLE_PATH if single else _BATCH_PATH)
            requests.append(
                VendorRequest("POST", url, _HEADERS, body.encode(), batch, secrets=secrets, ca_file=options.ca_file, context=options.region)
            )
        return requests

    def not_shown(self, notification: Notification, certificate: Certificate) -> Reason | None:
        """Section 9, trap 2: without a channel, and under the old rule, Android 8 and later show nothing."""
        if certificate.options.without_channel == "send":
            return None
        return None if any(Job(notification, certificate.options, _PREPARED.get(certificate), 0).place()) else Reason.NO_CHANNEL_ID

    def interpret(self, request: VendorRequest, response: VendorResponse, now_ms: int) -> list[Outcome]:
        """Section 5."""
        return outcomes(request, response, now_ms)

    def follow_up(self, request: VendorRequest, response: VendorResponse, certificate: Certificate) -> list[VendorRequest]:
        """Code 67: the same messages, less loud, then without a category (section 5)."""
        body = quieter(request.body) if class_refused(response) else b""
        return [msgspec.structs.replace(request, body=body)] if body else []

    def read_receipts(self, certificate: Certificate, request: ReceiptRequest, now_ms: int) -> ReceiptAnswer:
        """Section 7. There is no signature: the receipt path is the secret."""
        return oppo_receipts.read(request, now_ms)

    def parse_extras(self, extras: dict[str, Any]) -> str | None:
        """The top-level keys of the ext are extras of their own; an extra ``ext`` wins, as it does in the original client."""
        if found := ext_text(extras):
            return found
        own = {name: _value(value) for name, value in extras.items() if name not in OURS}
        return _encode(own).decode() if own else None


def signature(app_key: str, timestamp_ms: int, master_secret: str) -> str:
    """Lower-case hex SHA-256 over key, time and secret, one after the other (section 2)."""
    return hashlib.sha256(f"{app_key}{timestamp_ms}{master_secret}".encode(errors="replace")).hexdigest()


def _value(extra: Any) -> Any:
    """An extra back as the JSON value it was: objects and arrays travel as text."""
    if isinstance(extra, str) and extra[:1] in {"{", "["}:
        try:
            return msgspec.Raw(_encode(msgspec.json.decode(extra)))
        except (msgspec.DecodeError, UnicodeError, RecursionError):
            return extra
    return extra


def _batches(targets: Sequence[Target], messages: list[str]) -> Iterator[tuple[tuple[Target, ...], list[str]]]:
    batch: list[Target] = []
    parts: list[str] = []
    size = 0
    alone: list[tuple[tuple[Target, ...], list[str]]] = []
    for target, message in zip(targets, messages, strict=True):
        if TOKEN.fullmatch(target.token) is None:
            alone.append(((target,), [message]))
            continue
        if batch and (len(batch) == _BATCH or size + len(message) > _MAX_BATCH_BYTES):
            yield tuple(batch), parts
            batch, parts, size = [], [], 0
        batch.append(target)
        parts.append(message)
        size += len(message)
    if batch:
        yield tuple(batch), parts
    yield from alone
