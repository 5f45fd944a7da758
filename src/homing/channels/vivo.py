"""vivo push for vivo and iQOO phones (vendor sheet vivo)."""
# ruff: noqa: ARG002  (the protocol's methods have the protocol's parameters)

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import Any, Final

import msgspec

from homing.channels import vivo_receipts
from homing.channels.answers import ext_text, json_object, text
from homing.channels.base import Capabilities, FieldProblem
from homing.channels.content import cleaned
from homing.channels.statics import Statics
from homing.channels.vivo_answers import TASK, TEXT_REFUSED, outcomes, refusal, result, task_id
from homing.channels.vivo_checks import problems
from homing.channels.vivo_fields import VivoCredentials, VivoOptions
from homing.channels.vivo_message import (
    LIST_PATH,
    MAX_BODY,
    MAX_TITLE,
    MAX_TTL_SECONDS,
    MIN_TTL_SECONDS,
    SAVE_PATH,
    SEND_PATH,
    Job,
    Prepared,
    app_number,
    neutral,
    to_list,
    to_one,
    without,
)
from homing.model.certificates import Certificate
from homing.model.notification import Notification, Target
from homing.model.outcome import Grant, Outcome, OutcomeKind, ReceiptAnswer, ReceiptRequest, VendorRequest, VendorResponse

_BATCH: Final = 1000
_GRANT_SECONDS: Final = 86_400
_JSON: Final = ("content-type", "application/json;charset=UTF-8")
_SAVE, _REPAIRED = "save:", "repaired"  # what a request's context says; behind the first stands the name of the message
_PREPARED: Final = Statics(Prepared)
_encode: Final = msgspec.json.Encoder().encode


class VivoChannel:
    """vivo: JSON for one phone, or a saved text for up to 1000 of them, a log-in token of a day."""

    name: str = "vivo"
    title_en: str = "vivo push"
    title_zh: str = "vivo 推送"
    push_platform: int = 7
    platforms: frozenset[str] = frozenset({"android"})
    capabilities: Capabilities = Capabilities(
        batch_size=_BATCH,
        click_actions=("launcher", "page", "web"),
        badge=True,
        badge_by_one=True,
        classes=True,
        title_limit=MAX_TITLE,
        body_limit=MAX_BODY,
        payload_limit_bytes=1024,
        min_ttl_seconds=MIN_TTL_SECONDS,
        max_ttl_seconds=MAX_TTL_SECONDS,
        receipts=True,
        login_token_seconds=_GRANT_SECONDS,
        requests_per_second=3000,
        rate_counts_devices=True,
        app_quota=True,
        daily_public=20_000,
        daily_private=200_000,
        device_daily_public=2,
    )
    credentials_type: type[msgspec.Struct] = VivoCredentials
    options_type: type[msgspec.Struct] = VivoOptions

    def check(self, certificate: Certificate) -> list[FieldProblem]:
        """Sections 3, 7, 8 and 9: keys, category, click target, test mode, receipts."""
        return problems(certificate, self.capabilities)

    def login(self, certificate: Certificate, now_ms: int) -> VendorRequest | Grant | None:
        """The signed request of section 2; the time in the body and in the sign is the same number."""
        credentials: VivoCredentials = certificate.credentials
        sign = signature(credentials.app_id, credentials.app_key, now_ms, credentials.app_secret)
        body = {"appId": app_number(credentials.app_id), "appKey": credentials.app_key.strip(), "timestamp": now_ms, "sign": sign}
        url, ca_file = _PREPARED.get(certificate).auth_url, certificate.options.ca_file
        return VendorRequest("POST", url, (_JSON,), _encode(body), secrets=(sign,), ca_file=ca_file)

    def login_identity(self, certificate: Certificate) -> str:
        """Certificates of one app share one token; with the secret's digest, so that a wrong one cannot ride on a right one."""
        credentials: VivoCredentials = certificate.credentials
        digest = hashlib.sha256(f"{credentials.app_key}\0{credentials.app_secret}".encode(errors="replace")).hexdigest()
        return f"{_PREPARED.get(certificate).auth_url}/{credentials.app_id.strip()}/{digest}"

    def read_login(self, certificate: Certificate, response: VendorResponse, now_ms: int) -> Grant | Outcome:
        """The token, with a life of 24 hours (section 2)."""
        answer = json_object(response.body)
        token = text(answer.get("authToken"))
        if result(answer) == 0 and token:
            return Grant(token, now_ms + _GRANT_SECONDS * 1000, now_ms)
        return refusal(response, now_ms)

    def render(
        self, notification: Notification, targets: Sequence[Target], certificate: Certificate, grant: Grant | None, now_ms: int
    ) -> list[VendorRequest]:
        """One request a phone; from ``list_from`` phones on a body to be saved, which ``follow_up`` pushes to the list."""
        try:
            return _requests(notification, targets, certificate, grant, now_ms)
        except UnicodeEncodeError:
            return _requests(cleaned(notification), targets, certificate, grant, now_ms)

    def interpret(self, request: VendorRequest, response: VendorResponse, now_ms: int) -> list[Outcome]:
        """Section 5. A body that was saved and not pushed is not accepted."""
        if request.context.startswith(_SAVE) and result(json_object(response.body)) == 0:
            return [Outcome(OutcomeKind.UNKNOWN, "0", "the text was saved and not pushed")] * len(request.targets)
        return outcomes(request, response, now_ms)

    def follow_up(self, request: VendorRequest, response: VendorResponse, certificate: Certificate) -> list[VendorRequest]:
        """The requests that replace this one: the list push of a saved body, or one repair that the vendor's code asks for."""
        answer = json_object(response.body)
        code, task = result(answer), task_id(answer)
        prepared, options = _PREPARED.get(certificate), certificate.options
        saved, name = request.context.startswith(_SAVE), request.context.removeprefix(_SAVE)
        replace = msgspec.structs.replace
        if saved and code == 0 and task:
            body = to_list(request.body, name, task, request.targets)
            return [replace(request, url=prepared.url + LIST_PATH, body=body, context=TASK + task)]
        if saved and code == 10252:  # saving has a daily limit of its own
            url = prepared.url + SEND_PATH
            return [replace(request, url=url, body=to_one(request.body, name, t), targets=(t,), context="") for t in request.targets]
        if request.context == _REPAIRED or request.context.startswith(TASK):
            return []
        repaired = _repaired(code, request.body, options.neutral_text)
        return [replace(request, body=repaired, context=request.context or _REPAIRED)] if repaired else []

    def read_receipts(self, certificate: Certificate, request: ReceiptRequest, now_ms: int) -> ReceiptAnswer:
        """Section 7. There is no signature: the receipt path is the secret."""
        return vivo_receipts.read(request, now_ms)

    def parse_extras(self, extras: dict[str, Any]) -> str | None:
        """The custom map's ``ext``: an extra of the opened page, or among the parameters of the receiver's message."""
        params = extras.get("params")
        return ext_text(extras) or (ext_text(params) if isinstance(params, dict) else None)


def signature(app_id: str, app_key: str, timestamp_ms: int, app_secret: str) -> str:
    """Lower-case hex MD5 over id, key, time and secret, each trimmed (section 2)."""
    signed = app_id.strip() + app_key.strip() + str(timestamp_ms) + app_secret.strip()
    return hashlib.md5(signed.encode(errors="replace"), usedforsecurity=False).hexdigest()


def _requests(
    notification: Notification, targets: Sequence[Target], certificate: Certificate, grant: Grant | None, now_ms: int
) -> list[VendorRequest]:
    prepared, options = _PREPARED.get(certificate), certificate.options
    job = Job(notification, options, prepared, now_ms)
    token = grant.access_token if grant else ""
    base = VendorRequest("POST", "", (("authtoken", token), _JSON), b"", secrets=(token,) if token else (), ca_file=options.ca_file)
    replace = msgspec.structs.replace
    requests = []
    for start in range(0, len(targets), _BATCH):
        batch = tuple(targets[start : start + _BATCH])
        if len(batch) >= max(2, options.list_from or _BATCH + 1):
            requests.append(replace(base, url=prepared.url + SAVE_PATH, body=job.saved(batch), targets=batch, context=_SAVE + job.name()))
            continue
        requests += [replace(base, url=prepared.url + SEND_PATH, body=job.single(target), targets=(target,)) for target in batch]
    return requests


def _repaired(code: int | None, body: bytes, text_instead: str) -> bytes:
    """The request once more, changed as section 5 advises; b"" where nothing helps."""
    if code in TEXT_REFUSED and text_instead.encode() not in body:
        return neutral(body, text_instead)
    if code == 10096 and b'"category"' in body:
        return without(body, "category")
    if code == 10097 and b'"classification"' in body:
        return without(body, "classification")
    return b""
