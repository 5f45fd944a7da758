"""Apple Push Notification service as a server (vendor sheet apns, section 8)."""

from __future__ import annotations

import json
import secrets
import uuid
from dataclasses import dataclass
from typing import Any, Final

from ..base import Notice, PhoneEvent, SimRequest, SimResponse
from ..phones import Phone
from ..tls import CertificateAuthority
from ..windows import Windows
from ..world import World
from .apns_delivery import notice_for
from .apns_keys import AppleApp, ProviderTokens, PushCertificate, Refusal, read_certificate
from .apns_request import Push, check_payload, read_push, response_id

MAX_STREAMS: Final = 1000
_DEVICE_A_MINUTE: Final = 240  # Apple publishes no number
_SANDBOX_HOSTS: Final = ("api.sandbox.push.apple.com", "api.development.push.apple.com")
_REASONS: Final = {
    400: "BadMessageId",
    403: "InvalidProviderToken",
    404: "BadPath",
    405: "MethodNotAllowed",
    410: "Unregistered",
    413: "PayloadTooLarge",
    429: "TooManyRequests",
    500: "InternalServerError",
    503: "ServiceUnavailable",
}


@dataclass(slots=True)
class _Issued:
    """A device token that was given out. It stays known after it died: Apple says since when."""

    phone: Phone
    bundle_id: str
    environment: str
    voip: bool = False  # PushKit's token for the same app
    dead_since_ms: int | None = None


class ApnsSimulator:
    """APNs over HTTP/2; phones of the brand ``apple`` carry its device tokens.

    ``environment`` is what this host is; a request that names Apple's development host is for the other one. A phone whose app has
    ``{"vendor": {"environment": "sandbox"}}`` is a debug build: its token belongs there. ``team_id``, ``key_scope`` and
    ``key_environment`` in the same place shape the key that is made for the bundle id.
    """

    name = "apns"
    brands = ("apple",)

    def __init__(self, world: World) -> None:
        self._world = world
        self.environment = "production"
        self.apps: dict[str, AppleApp] = {}
        self._tokens: dict[str, _Issued] = {}
        self._provider_tokens = ProviderTokens(world.clock, self.apps)
        self._device_minute = Windows(world.clock, 60, _DEVICE_A_MINUTE)

    # --- for the world

    def matches(self, request: SimRequest) -> bool:
        """Apple's paths."""
        return request.path.startswith(("/3/", "/4/broadcasts")) or request.path == "/3"

    def issue_token(self, phone: Phone) -> str:
        """A device token of 32 bytes, and PushKit's beside it; earlier ones of this phone are dead from now on."""
        phone.voip_token = self._issue(phone, phone.voip_token, voip=True)
        return self._issue(phone, phone.token, voip=False)

    def _issue(self, phone: Phone, before: str, *, voip: bool) -> str:
        app = self.app_of(phone)
        previous = self._tokens.get(before)
        if previous is not None and previous.dead_since_ms is None:
            previous.dead_since_ms = self._world.clock.now_ms()
        token = secrets.token_hex(32)
        self._tokens[token] = _Issued(phone, app.bundle_id, str(phone.vendor_settings.get("environment") or "production"), voip)
        return token

    def business_hint(self, phone: Phone) -> dict[str, Any]:
        """The key's file, its ids, the topic, and where to send."""
        app = self.app_of(phone)
        settings = {
            "base_url": self._world.apns_url or self._world.base_url,
            "key_id": app.key_id,
            "team_id": app.team_id,
            "topic": app.bundle_id,
            "environment": self._tokens[phone.token].environment if phone.token in self._tokens else self.environment,
        }
        if self._world.apns_ca_file:
            settings["ca_file"] = self._world.apns_ca_file
        hint: dict[str, Any] = {"channel": self.name, "settings": settings, "files": {"private_key": app.p8}}
        if self._world.authority is not None:
            hint["with_certificate"] = self._certificate_hint(settings, app.bundle_id, self._world.authority)
        return hint

    def _certificate_hint(self, settings: dict[str, str], bundle_id: str, authority: CertificateAuthority) -> dict[str, Any]:
        """The same app with a client certificate in place of the key."""
        kept = {name: value for name, value in settings.items() if name not in ("key_id", "team_id")}
        kept["base_url"] = self._world.apns_tls_url or settings["base_url"]
        return {"settings": kept, "files": {"client_certificate": authority.push_client(bundle_id).pem.decode()}}

    def app_of(self, phone: Phone) -> AppleApp:
        """The app of a phone's bundle id, made on first use."""
        app = self.apps.get(phone.package)
        if app is None:
            app = self.apps[phone.package] = AppleApp.make(phone.package, phone.vendor_settings)
        return app

    def fault_body(self, status: int) -> bytes:
        """The reason that goes with an ordered status."""
        answer: dict[str, Any] = {"reason": _REASONS.get(status, "InternalServerError" if status >= 500 else "Forbidden")}
        if status == 410:
            answer["timestamp"] = self._world.clock.now_ms()
        return json.dumps(answer).encode()

    def fault_headers(self, request: SimRequest) -> dict[str, str]:
        """Apple names the push in every answer; some clients find the waiting caller by it alone."""
        return {"apns-id": response_id(request)}

    def goaway_body(self) -> bytes:
        """The debug data of an ordered GOAWAY."""
        return b'{"reason":"Shutdown"}'

    # --- requests

    async def handle(self, request: SimRequest) -> SimResponse:
        """Answer as Apple would. HTTP/1.1 is not served: the connection goes away."""
        if not request.http_version.startswith("2"):
            return SimResponse(421, reset=True, accepted=False, reason="APNs speaks HTTP/2 only")
        apns_id = response_id(request)
        try:
            return self._push(request, apns_id)
        except Refusal as refusal:
            return _refused(refusal.status, refusal.reason, apns_id)

    def _push(self, request: SimRequest, apns_id: str) -> SimResponse:
        environment = _environment(request, self.environment)
        certificate = _certificate(request)
        push = read_push(request, apns_id, certificate.bundle_id if certificate and len(certificate.topics) == 1 else None)
        device = self._device(push.device_token, environment)
        if isinstance(device, SimResponse):
            return _with_id(device, apns_id)
        if device.bundle_id != push.topic or device.voip != (push.push_type == "voip"):  # PushKit's token is for its topic alone
            raise Refusal(400, "DeviceTokenNotForTopic")
        if certificate is not None:
            certificate.check(push.topic, environment, voip=device.voip)
        else:
            self._provider_tokens.check(request.headers.get("authorization"), push.topic, environment, request.connection)
        _allow_streams(request)
        check_payload(push, request.body)
        self._check_rate(device.phone)
        reason = self._deliver(device.phone, push, request.body)
        headers = {"apns-id": apns_id}
        if environment == "sandbox":
            headers["apns-unique-id"] = str(uuid.uuid4())
        return SimResponse(200, headers, reason=reason)

    def _device(self, token: str, environment: str) -> _Issued | SimResponse:
        """The owner of a token, or 410 with the moment of its death; a token of the other environment is simply bad here."""
        issued = self._tokens.get(token)
        if issued is None or issued.environment != environment:
            raise Refusal(400, "BadDeviceToken")
        now_ms = self._world.clock.now_ms()
        if self._world.faults.take(self.name, "dead_token", token=token) is not None:
            return _gone(now_ms)
        if issued.dead_since_ms is None and (not issued.phone.app_installed or token not in (issued.phone.token, issued.phone.voip_token)):
            issued.dead_since_ms = now_ms
        return issued if issued.dead_since_ms is None else _gone(issued.dead_since_ms)

    def _check_rate(self, phone: Phone) -> None:
        ordered = self._world.faults.take(self.name, "quota", token=phone.token)
        if ordered is not None or not self._device_minute.hit(phone.id):
            raise Refusal(429, "TooManyRequests")

    def _deliver(self, phone: Phone, push: Push, body: bytes) -> str:
        """Hand it to the phone. The reason why it will never be seen is for the request log: Apple does not tell."""
        notice, unseen = notice_for(phone, push, body, self._world.clock.now_ms())
        if unseen:
            self._drop(phone, notice, unseen)
        else:
            self._world.notify(phone, notice)
        return unseen

    def _drop(self, phone: Phone, notice: Notice, reason: str) -> None:
        notice.accepted_at_ms = self._world.clock.now_ms()
        self._world.tell(PhoneEvent.NOT_SHOWN, phone, notice, reason)


def _environment(request: SimRequest, default: str) -> str:
    host = request.headers.get("host", "").partition(":")[0].lower()
    return "sandbox" if host in _SANDBOX_HOSTS else default


def _certificate(request: SimRequest) -> PushCertificate | None:
    """The connection's certificate, read once a connection. Raises Refusal when it is no push certificate."""
    if request.client_certificate is None:
        return None
    certificate: PushCertificate | None = request.connection.values.get("apns_certificate")
    if certificate is None:
        certificate = request.connection.values["apns_certificate"] = read_certificate(request.client_certificate)
    return certificate


def _allow_streams(request: SimRequest) -> None:
    """One stream until the first valid token, then a thousand, by a new SETTINGS frame (section 1)."""
    connection = request.connection.values.get("h2")
    if connection is not None and not request.connection.values.get("apns_streams"):
        request.connection.values["apns_streams"] = True
        connection.set_max_concurrent_streams(MAX_STREAMS)


def _refused(status: int, reason: str, apns_id: str) -> SimResponse:
    body = json.dumps({"reason": reason}).encode()
    return SimResponse(status, {"apns-id": apns_id, "content-type": "application/json"}, body, accepted=False, reason=reason)


def _gone(since_ms: int) -> SimResponse:
    body = json.dumps({"reason": "Unregistered", "timestamp": since_ms}).encode()
    return SimResponse(410, {"content-type": "application/json"}, body, accepted=False, reason="Unregistered")


def _with_id(response: SimResponse, apns_id: str) -> SimResponse:
    response.headers["apns-id"] = apns_id
    return response
