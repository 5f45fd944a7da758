"""Web Push: the browsers' push services and a browser with a service worker (vendor sheet webpush)."""

from __future__ import annotations

import json
import re
import secrets
import uuid
from dataclasses import dataclass, field
from typing import Any, Final

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

from ..base import Notice, PhoneEvent, SimRequest, SimResponse, StoreRule, TapKind
from ..phones import Phone
from ..world import World
from .webpush_crypto import BadVapid, CannotDecrypt, Vapid, b64, decrypt, public_point, read_vapid
from .webpush_services import PATHS, SERVICE_OF_BROWSER, Refusal, accepted_answer, refusal_answer

MAX_BODY_BYTES = 4096
MAX_TTL_SECONDS: Final = {"mozilla": 2_592_000, "chrome": 2_419_200, "apple": 2_592_000, "wns": 2_592_000}
OFFLINE_CAP = 100
URGENCIES: Final = ("very-low", "low", "normal", "high")
#: New tokens of one key that Apple takes in an hour before it refuses; it asks for one.
APPLE_TOKENS_AN_HOUR = 2
DEFAULT_ORIGIN = "https://chat.example.com"
_TOPIC: Final = re.compile(r"[A-Za-z0-9_-]{1,32}")


@dataclass(slots=True, eq=False)
class WebApp:
    """One web application: its key pair, when the sandbox made it."""

    public_key: str
    private_pem: str = ""
    tokens_seen: dict[str, int] = field(default_factory=dict)  # at Apple: JWT -> when it was first shown, ms


@dataclass(slots=True, eq=False)
class Subscribed:
    """A subscription, with the keys that only the browser has."""

    service: str
    app: WebApp
    phone: Phone
    key: ec.EllipticCurvePrivateKey
    auth: bytes
    token: str = ""  # the JSON that the page reports


class WebPushSimulator:
    """Push services told apart by their paths, and the browsers behind them."""

    name = "webpush"
    brands = ("web",)

    def __init__(self, world: World) -> None:
        self._world = world
        self._apps: dict[str, WebApp] = {}
        self._subscriptions: dict[tuple[str, str], Subscribed] = {}

    # --- what the sandbox asks

    def matches(self, request: SimRequest) -> bool:
        return _address(request) is not None

    def issue_token(self, phone: Phone) -> str:
        """``app.vendor`` of the phone may say: browser (firefox, chrome, safari, edge), vapid_public_key, origin."""
        wanted = phone.vendor_settings.get("browser")
        service = SERVICE_OF_BROWSER.get(wanted, "mozilla") if isinstance(wanted, str) else "mozilla"
        name = ("gAAAAAB" if service == "mozilla" else "") + secrets.token_urlsafe(96)
        key, auth = ec.generate_private_key(ec.SECP256R1()), secrets.token_bytes(16)
        path = f"{PATHS[service]}?token={name}" if service == "wns" else PATHS[service] + name
        keys = {"p256dh": b64(public_point(key)), "auth": b64(auth)}
        token = json.dumps({"endpoint": self._world.base_url + path, "expirationTime": None, "keys": keys}, separators=(",", ":"))
        self._subscriptions[service, name] = Subscribed(service, self._app(phone), phone, key, auth, token)
        return token

    def business_hint(self, phone: Phone) -> dict[str, Any]:
        app = self._app(phone)
        settings = {"subject": "mailto:push@chat.example.com", "base_url": self._world.base_url}
        files = {"vapid_private_key": app.private_pem} if app.private_pem else {}
        return {
            "channel": "webpush",
            "settings": settings,
            "files": files,
            "vapid_public_key": app.public_key,
            "intent_uri": "/chat",
        }

    def fault_body(self, status: int) -> bytes:
        value = {"code": status, "errno": 201 if status == 503 else 999, "error": "Error", "message": "ordered fault", "more_info": ""}
        return json.dumps(value).encode()

    async def handle(self, request: SimRequest) -> SimResponse:
        address = _address(request)
        assert address is not None
        try:
            return self._push(request, *address)
        except Refusal as refusal:
            return refusal_answer(address[0], refusal)

    # --- a push, checked in the order of Mozilla's service (section 6)

    def _push(self, request: SimRequest, service: str, name: str) -> SimResponse:
        if request.method != "POST":
            raise Refusal("method", "use POST")
        subscribed = self._subscriptions.get((service, name))
        if subscribed is None:
            raise Refusal("unknown", "no such subscription")
        self._check_sender(request, subscribed)
        self._check_alive(subscribed)
        if len(request.body) > MAX_BODY_BYTES:
            raise Refusal("too_large", f"the body is larger than {MAX_BODY_BYTES} bytes")
        ttl = _ttl(request.headers)
        _check_encoding(request)
        topic, urgency = _topic(request.headers), _urgency(request.headers)
        ttl = min(ttl, MAX_TTL_SECONDS[service])
        _check_wns(service, request.headers, ttl)
        message_id = str(uuid.uuid4()) if service == "apple" else secrets.token_urlsafe(24)
        why_dropped = self._hand_over(subscribed, request.body, message_id, ttl, topic, urgency)
        answer = accepted_answer(service, self._world.base_url, message_id, ttl)
        answer.reason = why_dropped
        return answer

    def _check_sender(self, request: SimRequest, subscribed: Subscribed) -> None:
        """Raises Refusal."""
        now_ms = self._world.clock.now_ms()
        try:
            vapid = read_vapid(request.headers.get("authorization", ""), self._world.base_url, now_ms // 1000)
        except BadVapid as problem:
            raise Refusal("vapid", str(problem)) from None
        if subscribed.service in ("apple", "mozilla"):
            _check_subject(vapid)
        if vapid.key != subscribed.app.public_key:
            raise Refusal("key", "the key is not the one that the subscription was made with")
        if subscribed.service == "apple":
            _count_token(subscribed.app, vapid.token, now_ms)

    def _check_alive(self, subscribed: Subscribed) -> None:
        phone, faults = subscribed.phone, self._world.faults
        if not phone.app_installed or phone.token != subscribed.token:
            raise Refusal("gone", "the subscription is gone")
        if len(faults) and faults.take(self.name, "dead_token", token=phone.token) is not None:
            raise Refusal("gone", "the subscription is gone")
        if faults.take(self.name, "quota") is not None:
            raise Refusal("too_many", "too many messages for this subscription")

    def _hand_over(self, subscribed: Subscribed, body: bytes, message_id: str, ttl: int, topic: str, urgency: str) -> str:
        """Bring the message to the browser. The push service cannot read it: what is wrong inside shows in the browser only."""
        notice = Notice("webpush", message_id, subscribed.phone.package, ttl_ms=ttl * 1000)
        notice.store = StoreRule(group=topic or None, cap=OFFLINE_CAP, high_priority=urgency == "high")
        try:
            if not body:
                raise ValueError("a push without a payload tells the page's service worker nothing to show")
            shown = _service_worker(decrypt(body, subscribed.key, subscribed.auth))
        except (CannotDecrypt, ValueError) as problem:
            self._world.tell(PhoneEvent.NOT_SHOWN, subscribed.phone, notice, str(problem))
            return f"accepted, and dropped by the browser: {problem}"
        _fill(notice, shown, subscribed.phone)
        self._world.notify(subscribed.phone, notice)
        return ""

    def _app(self, phone: Phone) -> WebApp:
        own = phone.vendor_settings.get("vapid_public_key")
        name = own if isinstance(own, str) and own else phone.package
        app = self._apps.get(name)
        if app is None:
            app = self._apps[name] = WebApp(name) if own else _new_app()
        return app


def _address(request: SimRequest) -> tuple[str, str] | None:
    """Service and name of the subscription that a path is of."""
    for service, prefix in PATHS.items():
        if service == "wns":
            if request.path == prefix and "token" in request.query:
                return service, request.query["token"]
        elif request.path.startswith(prefix):
            return service, request.path.removeprefix(prefix)
    return None


def _new_app() -> WebApp:
    key = ec.generate_private_key(ec.SECP256R1())
    pem = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    return WebApp(b64(public_point(key)), pem.decode())


def _check_subject(vapid: Vapid) -> None:
    subject = vapid.claims.get("sub")
    if not isinstance(subject, str) or not subject.startswith(("mailto:", "https://")) or "localhost" in subject:
        raise Refusal("subject", "sub must be mailto: or https: with a real domain")


def _count_token(app: WebApp, token: str, now_ms: int) -> None:
    """A JWT for each request is refused."""
    app.tokens_seen = {t: at for t, at in app.tokens_seen.items() if now_ms - at < 3_600_000}
    if token not in app.tokens_seen and len(app.tokens_seen) >= APPLE_TOKENS_AN_HOUR:
        raise Refusal("vapid", "the token is renewed too often")
    app.tokens_seen.setdefault(token, now_ms)


def _ttl(headers: dict[str, str]) -> int:
    value = headers.get("ttl", "")
    if value.startswith("-") and value[1:].isdigit():
        raise Refusal("bad_ttl", "TTL must not be negative")
    if not (value.isascii() and value.isdigit() and len(value) <= 12):
        raise Refusal("no_ttl", "TTL must be seconds")
    return int(value)


def _check_encoding(request: SimRequest) -> None:
    if not request.body:
        return
    if request.headers.get("content-encoding") != "aes128gcm":
        raise Refusal("encoding", "Content-Encoding must be aes128gcm")
    for name, mark in (("crypto-key", "dh="), ("encryption", "salt=")):
        if mark in request.headers.get(name, ""):
            raise Refusal("encoding", f"{name} with {mark} belongs to another encoding")
    if len(request.body) < 21 + 65 + 17:
        raise Refusal("encoding", "the body is too short to be encrypted")


def _topic(headers: dict[str, str]) -> str:
    topic = headers.get("topic", "")
    if topic and _TOPIC.fullmatch(topic) is None:
        raise Refusal("topic", "Topic must be at most 32 characters of the base64url alphabet")
    return topic


def _urgency(headers: dict[str, str]) -> str:
    urgency = headers.get("urgency", "normal")
    if urgency not in URGENCIES:
        raise Refusal("urgency", f"Urgency must be one of {', '.join(URGENCIES)}")
    return urgency


def _check_wns(service: str, headers: dict[str, str], ttl: int) -> None:
    """A TTL of 0 counts as a conflict with the cache policy that the service assumes."""
    policy = headers.get("x-wns-cache-policy", "cache")
    if service == "wns" and policy != ("cache" if ttl else "no-cache"):
        raise Refusal("bad_ttl", "Ttl value conflicts with X-WNS-Cache-Policy.")


def _service_worker(plaintext: bytes) -> dict[str, Any]:
    """The payload as the page's service worker reads it (section 5). Raises ValueError for what it cannot show."""
    shown = json.loads(plaintext)
    if not isinstance(shown, dict) or shown.get("v") != 1:
        raise ValueError("the payload is not an object of version 1")
    types = {"title": str, "body": str, "icon": str, "image": str, "tag": str, "url": str, "badge": int, "msg_id": str, "push_id": str}
    for name, kind in types.items():
        if name in shown and not isinstance(shown[name], kind):
            raise ValueError(f"{name} has the wrong type")
    return shown


def _fill(notice: Notice, shown: dict[str, Any], phone: Phone) -> None:
    """``registration.showNotification``, ``navigator.setAppBadge``, and what ``notificationclick`` will open."""
    notice.title, notice.body, notice.image = shown.get("title", ""), shown.get("body", ""), shown.get("image", "")
    notice.badge, notice.sound = shown.get("badge"), "default"
    notice.replace_key = f"tag:{shown['tag']}" if shown.get("tag") else None
    notice.extras = {name: shown[name] for name in ("ext", "msg_id", "conv", "push_id", "url") if name in shown}
    url = shown.get("url", "")
    if url:
        notice.tap, notice.tap_value = TapKind.PAGE, (_origin(phone) + url if url.startswith("/") else url)


def _origin(phone: Phone) -> str:
    origin = phone.vendor_settings.get("origin")
    return origin.rstrip("/") if isinstance(origin, str) else DEFAULT_ORIGIN
