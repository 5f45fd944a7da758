"""Firebase Cloud Messaging, HTTP v1, as a server (vendor sheet fcm, section 8)."""

from __future__ import annotations

import re
import secrets
from typing import Any, Final
from urllib.parse import unquote

from ..base import Notice, PhoneEvent, SimRequest, SimResponse
from ..phones import Phone
from ..windows import Windows
from ..world import World
from . import fcm_answers as answers
from .fcm_delivery import notice_for, surplus_collapse_group
from .fcm_oauth import ServiceAccount, TokenEndpoint
from .fcm_proto import Unreadable, Violation, read_json
from .fcm_rules import has_target, is_token, violations
from .fcm_schema import SEND_REQUEST

_SEND: Final = re.compile(r"/v1/projects/([^/]+)/messages:send")
_OWN_PATHS: Final = ("/token", "/batch", "/fcm/send")
_PROJECT_A_MINUTE: Final = 600_000
_DEVICE_A_MINUTE: Final = 240
_DEVICE_AN_HOUR: Final = 5_000
_H2_STREAMS: Final = 100


class FcmProject:
    """A Firebase project: made with the first phone of a package. Its number is the sender id."""

    def __init__(self, package: str, number: int) -> None:
        slug = re.sub(r"[^a-z0-9]+", "-", package.lower()).strip("-")[-20:]
        self.id = f"sim-{slug}-{number}"
        self.number = str(100_000_000_000 + number)
        self.account = ServiceAccount.make(self.id)


class FcmSimulator:
    """FCM's token endpoint and its send endpoint; phones of the brand ``google`` carry its tokens."""

    name = "fcm"
    brands = ("google",)

    def __init__(self, world: World) -> None:
        self._world = world
        self.oauth = TokenEndpoint(world.clock)
        self._by_package: dict[str, FcmProject] = {}
        self._by_name: dict[str, FcmProject] = {}  # id and number
        self._by_fid: dict[str, Phone] = {}
        self._project_minute = Windows(world.clock, 60, _PROJECT_A_MINUTE)
        self._device_minute = Windows(world.clock, 60, _DEVICE_A_MINUTE)
        self._device_hour = Windows(world.clock, 3600, _DEVICE_AN_HOUR)
        self._last_micros = 0

    # --- for the world

    def matches(self, request: SimRequest) -> bool:
        """Google's paths."""
        return request.path in _OWN_PATHS or request.path.startswith("/v1/projects/")

    def issue_token(self, phone: Phone) -> str:
        """A registration token: installation id, colon, the rest."""
        self.project_of(phone.package)
        fid = "cdef"[secrets.randbelow(4)] + secrets.token_urlsafe(16)[:21]
        self._by_fid[fid] = phone
        return f"{fid}:APA91b{secrets.token_urlsafe(100)[:134]}"

    def business_hint(self, phone: Phone) -> dict[str, Any]:
        """The service account's file, and where to send."""
        project = self.project_of(phone.package)
        base = self._world.base_url
        settings = {"base_url": base, "auth_url": base, "package_name": phone.package}
        return {"channel": self.name, "settings": settings, "files": {"service_account": project.account.file(f"{base}/token")}}

    def project_of(self, package: str) -> FcmProject:
        """The project of a package, made on first use."""
        project = self._by_package.get(package)
        if project is None:
            project = FcmProject(package, len(self._by_package) + 1)
            self._by_package[package] = project
            self._by_name[project.id] = self._by_name[project.number] = project
            self.oauth.accounts[project.account.email] = project.account
        return project

    def fault_body(self, status: int) -> bytes:
        """The vendor's error envelope for an ordered status."""
        return answers.of_status(status)

    # --- requests

    async def handle(self, request: SimRequest) -> SimResponse:
        """Answer as Google would."""
        if request.path == "/token":
            return self.oauth.handle(request, f"{self._world.base_url}/token")
        match = _SEND.fullmatch(request.path)
        if match is None or request.method != "POST":
            return answers.html_404()
        return self._send(request, unquote(match[1]))

    def _send(self, request: SimRequest, project_name: str) -> SimResponse:
        """Section 8, item 2: the order of the checks."""
        refusal = self._authenticate(request) or self._authorize(request, project_name)
        if refusal is not None:
            return refusal
        _allow_streams(request)
        project = self._by_name[project_name]
        try:
            value = read_json(request.body)
        except Unreadable as problem:
            return answers.unreadable([Violation("", str(problem))])
        found: list[Violation] = []
        read = SEND_REQUEST(value, "", found)
        if found:
            return answers.unreadable(found)
        message: dict[str, Any] = read.get("message", {})
        refusal = _check(message)
        if refusal is not None:
            return refusal
        return self._deliver(project, message, validate_only=read.get("validate_only", False))

    def _authenticate(self, request: SimRequest) -> SimResponse | None:
        scheme, _, token = request.headers.get("authorization", "").partition(" ")
        if scheme.lower() != "bearer" or not token:
            return answers.unauthenticated(missing=True)
        access = self.oauth.access(token.strip())
        if access is None or self._world.clock.now_ms() >= access.expires_at_ms:
            return answers.unauthenticated(missing=False)
        return None

    def _authorize(self, request: SimRequest, project_name: str) -> SimResponse | None:
        project = self._by_name.get(project_name)
        if project is None:
            return answers.no_project()
        access = self.oauth.access(request.headers["authorization"].partition(" ")[2].strip())
        if access is None or access.project_id != project.id:
            return answers.denied(project_name)
        return None

    def _deliver(self, project: FcmProject, message: dict[str, Any], *, validate_only: bool) -> SimResponse:
        phone: Phone | None = None
        if not message.get("topic") and not message.get("condition"):
            target = self._target(project, message)
            if isinstance(target, SimResponse):
                return target
            phone = target
        refusal = self._over_quota(project, phone)
        if refusal is not None:
            return refusal
        if validate_only:
            return answers.accepted(f"projects/{project.id}/messages/fake_message_id")
        if phone is None:  # a topic: nobody has subscribed
            return answers.accepted(f"projects/{project.id}/messages/{self._micros()}")
        name = f"projects/{project.id}/messages/0:{self._micros()}%{secrets.token_hex(8)}"
        self._hand_over(phone, notice_for(phone, message, name, project.number, self._world.clock.now_ms()))
        return answers.accepted(name)

    def _target(self, project: FcmProject, message: dict[str, Any]) -> Phone | SimResponse:
        """The phone, or why there is none. A malformed installation id is simply unknown, a malformed token is an error."""
        token, fid = message.get("token", ""), message.get("fid", "")
        if token and not is_token(token):
            return answers.bad_token()
        if self._world.faults.take(self.name, "dead_token", token=token or fid) is not None:
            return answers.unregistered()
        phone = self._world.find_token(self.name, token) if token else self._by_fid.get(fid)
        if phone is None or not phone.app_installed or (fid and not phone.token.startswith(f"{fid}:")):
            return answers.unregistered()
        if self.project_of(phone.package) is not project:
            return answers.sender_mismatch()
        package = message.get("android", message.get("android_v2", {})).get("restricted_package_name")
        if package and package != phone.package:
            words = "The package name of the message does not match the registration token"
            return answers.refused([Violation("message.android.restricted_package_name", words)])
        if phone.vendor_settings.get("third_party_auth_error"):
            return answers.third_party_auth()
        return phone

    def _over_quota(self, project: FcmProject, phone: Phone | None) -> SimResponse | None:
        ordered = self._world.faults.take(self.name, "quota", token=phone.token if phone is not None else None)
        if ordered is not None:
            wait = ordered.retry_after if ordered.retry_after is not None else 60
            return answers.quota(f"project:{project.id}", "Quota exceeded for quota metric 'Messages sent per minute'.", wait)
        if not self._project_minute.hit(project.id):
            return answers.quota(f"project:{project.id}", "Quota exceeded for quota metric 'Messages sent per minute'.")
        if phone is not None and not (self._device_minute.hit(phone.id) and self._device_hour.hit(phone.id)):
            return answers.quota("device", "The rate of messages to this device is too high.")
        return None

    def _hand_over(self, phone: Phone, notice: Notice) -> None:
        world = self._world
        if phone.inactive:
            notice.accepted_at_ms = world.clock.now_ms()
            world.tell(PhoneEvent.EXPIRED, phone, notice, "the device was not seen for a month: accepted and discarded")
            return
        surplus = surplus_collapse_group(phone, notice)
        if surplus is not None and not phone.reachable:
            for old in [n for n in phone.stored if n.store.group == surplus]:
                phone.stored.remove(old)
                world.tell(PhoneEvent.REPLACED, phone, old, "more than four collapse keys")
        world.notify(phone, notice)

    def _micros(self) -> int:
        """Microseconds that never repeat: the number in a message id."""
        self._last_micros = max(self._last_micros + 1, self._world.clock.now_ms() * 1000)
        return self._last_micros


def _check(message: dict[str, Any]) -> SimResponse | None:
    if not has_target(message):
        return answers.no_recipient()
    found = violations(message)
    return answers.refused(found) if found else None


def _allow_streams(request: SimRequest) -> None:
    """A connection that began on Apple's listener has room for one stream; Google gives a hundred."""
    connection = request.connection.values.get("h2")
    if connection is not None and not request.connection.values.get("fcm_streams"):
        request.connection.values["fcm_streams"] = True
        connection.set_max_concurrent_streams(_H2_STREAMS)
