"""Apple Push Notification service, provider API (vendor sheet apns).

One HTTP/2 request for each phone, ``POST /3/device/<token>``, with a JSON payload and ``apns-`` headers (``apns_message``);
a token that we sign ourselves, or a client certificate (``apns_keys``); a status and a reason (``apns_answers``).
"""
# ruff: noqa: ARG002  (the protocol's methods have the protocol's parameters)

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import Any, Final
from urllib.parse import quote

import jwt
import msgspec

from homing.channels import apns_voip
from homing.channels.answers import ext_text
from homing.channels.apns_answers import refused
from homing.channels.apns_fields import ApnsCredentials, ApnsOptions
from homing.channels.apns_keys import certificate_problems, client_certificate, key_problems, signing_key
from homing.channels.apns_message import MAX_TTL_SECONDS, PAYLOAD_LIMIT_BYTES, Job, apns_id
from homing.channels.base import Capabilities, FieldProblem
from homing.channels.checks import common_problems
from homing.channels.content import cleaned
from homing.channels.statics import Statics
from homing.channels.urls import base
from homing.model.certificates import Certificate
from homing.model.notification import Notification, Target
from homing.model.outcome import Grant, Outcome, OutcomeKind, ReceiptAnswer, ReceiptRequest, VendorRequest, VendorResponse

_HOSTS: Final = {"production": "https://api.push.apple.com", "sandbox": "https://api.sandbox.push.apple.com"}
# A new token at most every 20 minutes and at least every 60 (section 2.1): 50 leaves room for clocks that differ.
_GRANT_MS: Final = 50 * 60_000


class _Prepared:
    """What one certificate always needs: parsed once."""

    __slots__ = ("_headers", "_token", "client", "device_url", "key", "named_topic", "topic")

    def __init__(self, certificate: Certificate) -> None:
        credentials: ApnsCredentials = certificate.credentials
        options: ApnsOptions = certificate.options
        self.key = signing_key(credentials.private_key)
        self.client = client_certificate(credentials)
        self.named_topic = options.topic or (self.client.user_id if self.client else "")
        self.topic = apns_voip.topic_of(self.named_topic) if options.push_type == "voip" else self.named_topic
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


_PREPARED: Final = Statics(_Prepared)


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
        withdraws=True,
        classes=True,
        image=True,
        payload_limit_bytes=PAYLOAD_LIMIT_BYTES,
        max_ttl_seconds=MAX_TTL_SECONDS,
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
        found = certificate_problems(credentials, options) if by_certificate else key_problems(credentials, options)
        if options.environment not in _HOSTS:
            found.append(FieldProblem("environment", "environment is neither production nor sandbox", "Use one of the two"))
        found += apns_voip.problems(options.push_type, _PREPARED.get(certificate).named_topic)
        return found + common_problems(options, self.capabilities)

    def call_problem(self, certificate: Certificate) -> FieldProblem | None:
        """Whether PushKit tokens may name this certificate (section 3.1)."""
        return apns_voip.call_problem(certificate.options.push_type)

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
        job = Job(notification, certificate.options, now_ms)
        try:
            bodies = job.bodies(targets)
        except UnicodeEncodeError:
            job = Job(cleaned(notification), certificate.options, now_ms)
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
            # Apple repeats the id that it was given (section 3.1), and ours is the last header of each request.
            given = request.headers[-1] if request.headers else ("", "")
            identity = given[1] if given[0] == "apns-id" else response.headers.get("apns-id", "")[:256]
            outcome = Outcome(OutcomeKind.ACCEPTED, "200", vendor_message_id=identity)
        else:
            outcome = refused(response)
        return [outcome] * len(request.targets)

    def read_receipts(self, certificate: Certificate, request: ReceiptRequest, now_ms: int) -> ReceiptAnswer:
        """APNs calls nobody back (section 6)."""
        return ReceiptAnswer(status=404)

    def parse_extras(self, extras: dict[str, Any]) -> str | None:
        """The ext is a top-level key of the payload."""
        return ext_text(extras)


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
