"""Huawei Push Kit, server side: OAuth and the v1/v2 send call (vendor sheet, sections 2 to 8)."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import secrets
import uuid
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Final
from urllib.parse import parse_qs

from ..base import Notice, PhoneEvent, SimRequest, SimResponse, StoreRule, TapKind
from ..bucket import TokenBucket
from ..daily import DailyCounter
from ..front import json_response
from ..phones import Phone
from ..receipts import Batch, ReceiptPost
from ..world import World
from .huawei_schema import read_body, ttl_ms
from .push_kit import PARAMETER, Refused

TOKEN_PATHS: Final = ("/oauth2/v3/token", "/oauth2/v2/token")
GRANT_SECONDS = 3600
QPS_FLOOR = 6000  # devices a second; the quota of an app with few users (vendor sheet, section 7)
MARKETING_CAP = 2  # per device, app and day; 5 for news apps
DEVICE_CAP = 3000  # all messages per device, app and day
TEST_CAP = 500  # test messages per app and day
OFFLINE_CAP = 120
SERVICE_CATEGORIES: Final = ("IM", "VOIP")  # what the console approved for a new sandbox app
MAX_GRANTS = 10_000
RECEIPT_BATCH = 100
RECEIPT_SECONDS = 0.2  # the vendor names no interval

SUCCESS, PARTIAL = "80000000", "80100000"
AUTH_WRONG, AUTH_EXPIRED, NO_RIGHT, ALL_INVALID = "80200001", "80200003", "80300002", "80300007"
_HTTP_STATUS: Final = {SUCCESS: 200, PARTIAL: 200, ALL_INVALID: 200, AUTH_WRONG: 401, AUTH_EXPIRED: 401, "81000001": 500}


@dataclass(slots=True, eq=False)
class HuaweiApp:
    """One app in the console."""

    package: str
    app_id: str
    client_secret: str
    project_id: str
    rights: frozenset[str]
    marketing_cap: int
    bucket: TokenBucket
    receipts_url: str = ""
    receipts_user: str = ""
    receipts_key: str = ""
    receipts_key_is_base64: bool = True
    grants: dict[str, int] = field(default_factory=dict)  # access token -> when it ends, ms


@dataclass(slots=True, eq=False)
class IssuedToken:
    """A push token and whose it is; it stays known after the phone got another."""

    app: HuaweiApp
    phone: Phone


class HuaweiSimulator:
    """The vendor's log-in and push hosts in one."""

    name = "huawei"
    brands = ("huawei",)

    def __init__(self, world: World) -> None:
        self._world = world
        self._apps: dict[str, HuaweiApp] = {}
        self._by_id: dict[str, HuaweiApp] = {}
        self._by_project: dict[str, HuaweiApp] = {}
        self._tokens: dict[str, IssuedToken] = {}
        self._grants: dict[str, HuaweiApp] = {}
        self._days = DailyCounter(world.clock)
        self._receipts: Batch[HuaweiApp, dict[str, Any]] = Batch(RECEIPT_SECONDS, self._post_receipts)

    # --- what the sandbox asks

    def matches(self, request: SimRequest) -> bool:
        parts = request.path.split("/")
        return request.path in TOKEN_PATHS or (len(parts) == 4 and parts[1] in ("v1", "v2") and parts[3] == "messages:send")

    def issue_token(self, phone: Phone) -> str:
        app = self._app(phone)
        token = "IQAAAACy0" + secrets.token_urlsafe(96)
        self._tokens[token] = IssuedToken(app, phone)
        return token

    def business_hint(self, phone: Phone) -> dict[str, Any]:
        app = self._app(phone)
        url = self._world.base_url
        settings = {
            "app_id": app.app_id,
            "client_id": app.app_id,
            "client_secret": app.client_secret,
            "category": "IM",
            "badge_class": phone.launcher,
            "package_name": app.package,
            "callback_user": app.receipts_user,
            "callback_key": app.receipts_key,
            "base_url": url,
            "auth_url": url,
        }
        receipts = {"url": app.receipts_url, "user_name": app.receipts_user, "key": app.receipts_key}
        return {"channel": "huawei", "settings": settings, "files": {}, "project_id": app.project_id, "receipts": receipts}

    def configure_receipts(self, package: str, url: str, user_name: str | None = None, key: str | None = None) -> None:
        """What the console's receipt page holds. What is not given stays; an empty key: no signature. Raises LookupError."""
        app = self._apps.get(package)
        if app is None:
            raise LookupError(f"no app {package!r}")
        app.receipts_url = url
        app.receipts_user = app.receipts_user if user_name is None else user_name
        if key is not None:
            app.receipts_key, app.receipts_key_is_base64 = key, _is_base64(key)

    def fault_body(self, status: int) -> bytes:
        code = {400: PARAMETER, 401: AUTH_WRONG}.get(status, "81000001")
        return json.dumps({"code": code, "msg": "System inner error", "requestId": self._request_id()}).encode()

    async def handle(self, request: SimRequest) -> SimResponse:
        if request.path in TOKEN_PATHS:
            return self._log_in(request)
        try:
            return self._send(request)
        except Refused as refused:
            return self._answer(refused.code, refused.words)

    # --- log-in

    def _log_in(self, request: SimRequest) -> SimResponse:
        if request.method != "POST":
            return json_response(405, {"error": 1101, "sub_error": 31204, "error_description": "method not allowed"}, accepted=False)
        if not request.headers.get("content-type", "").lower().startswith("application/x-www-form-urlencoded"):
            return _oauth_refusal(20041, "the content type must be application/x-www-form-urlencoded")
        form = {k: v[0] for k, v in parse_qs(request.body.decode("utf-8", "replace"), keep_blank_values=True).items()}
        if form.get("grant_type") != "client_credentials":
            return _oauth_refusal(20042, "grant_type must be client_credentials")
        client_id = form.get("client_id", "")
        if not (client_id.isdecimal() and len(client_id) <= 64):
            return _oauth_refusal(20002, "client_id must match ^[0-9]{1,64}$")
        app = self._by_id.get(client_id)
        if app is None or not hmac.compare_digest(app.client_secret.encode(), form.get("client_secret", "").encode()):
            return _oauth_refusal(20044, "client_id or client_secret is wrong")
        return self._grant(app)

    def _grant(self, app: HuaweiApp) -> SimResponse:
        token = "CgB6e3x9" + base64.b64encode(secrets.token_bytes(48)).decode()
        app.grants[token] = self._world.clock.now_ms() + GRANT_SECONDS * 1000
        self._grants[token] = app
        while len(self._grants) > MAX_GRANTS:
            oldest = next(iter(self._grants))
            self._grants.pop(oldest).grants.pop(oldest, None)
        answer = json.dumps({"access_token": token, "expires_in": GRANT_SECONDS, "token_type": "Bearer"})
        escaped = answer.replace("/", "\\/").encode()  # as the vendor does; a JSON parser takes the backslash away
        return SimResponse(200, {"content-type": "application/json"}, escaped)

    def _authenticate(self, request: SimRequest) -> HuaweiApp:
        """The app that the path names, when the grant is its own. Raises Refused."""
        _, version, identifier, _ = request.path.split("/")
        header = request.headers.get("authorization", "")
        token = header.removeprefix("Bearer ")
        app = self._grants.get(token) if header.startswith("Bearer ") else None
        if app is None:
            raise Refused(AUTH_WRONG, "Oauth token is wrong or missing")
        if app.grants[token] <= self._world.clock.now_ms():
            raise Refused(AUTH_EXPIRED, "Oauth token has expired")
        named = (self._by_id if version == "v1" else self._by_project).get(identifier)
        if named is None:
            raise Refused(NO_RIGHT, "the app of this path has no permission to push")
        if named is not app:
            raise Refused(AUTH_WRONG, "Oauth token belongs to another app")
        return app

    # --- send

    def _send(self, request: SimRequest) -> SimResponse:
        if request.method != "POST":
            return json_response(
                405, {"code": "80100001", "msg": "use POST", "requestId": self._request_id()}, accepted=False, reason="405"
            )
        app = self._authenticate(request)
        if not request.headers.get("content-type", "").lower().startswith("application/json"):
            raise Refused(PARAMETER, "the content type must be application/json")
        body = read_body(request.body)
        message = body["message"]
        tokens: list[str] = message.get("token") or []
        if self._world.faults.take(self.name, "quota") is not None or not app.bucket.take(max(1, len(tokens))):
            return self._answer("81000001", "Flow control: the QPS of the app is over its quota", status=503)
        if not tokens:  # topics and conditions have no subscribers here
            return self._answer(SUCCESS, "Success")
        illegal = [t for t in tokens if not self._is_alive(app, t)]
        if len(illegal) == len(tokens):
            return self._answer(ALL_INVALID, "All the tokens are invalid")
        request_id = self._request_id()
        if not body.get("validate_only"):
            dead = set(illegal)
            for token in tokens:
                if token not in dead:
                    self._deliver(app, self._tokens[token].phone, message, request_id)
        if not illegal:
            return self._answer(SUCCESS, "Success", request_id)
        detail = {"success": len(tokens) - len(illegal), "failure": len(illegal), "illegal_tokens": illegal}
        return self._answer(PARTIAL, json.dumps(detail, separators=(",", ":")), request_id)

    def _is_alive(self, app: HuaweiApp, token: str) -> bool:
        issued = self._tokens.get(token)
        if issued is None or issued.app is not app or not issued.phone.app_installed or issued.phone.token != token:
            return False
        return not (len(self._world.faults) and self._world.faults.take(self.name, "dead_token", token=token))

    def _deliver(self, app: HuaweiApp, phone: Phone, message: dict[str, Any], request_id: str) -> None:
        android = message.get("android") or {}
        reply = partial(self._receipt, app, android.get("bi_tag") or "", request_id)
        if self._days.add(("all", app.package, phone.id)) > DEVICE_CAP:
            reply(phone, 102)
            return
        data_only = android.get("notification") is None
        marketing = not data_only and android.get("category") not in app.rights
        is_test = android.get("target_user_type") == 1 and self._days.add(("test", app.package)) <= TEST_CAP
        if marketing and not is_test and self._days.add(("marketing", app.package, phone.id)) > app.marketing_cap:
            return  # the API says success, and on v1 no receipt tells (vendor sheet, section 7)
        if phone.inactive:
            reply(phone, 10)
            return
        notice = _notice(message, phone, request_id, quiet=marketing)
        notice.on_event = partial(self._on_event, reply)
        self._world.notify(phone, notice)

    # --- receipts

    def _on_event(self, reply: Any, event: PhoneEvent, phone: Phone, notice: Notice, reason: str) -> None:
        """Which receipt follows from what became of a notice on the phone (vendor sheet, section 6)."""
        if event is PhoneEvent.SHOWN:
            reply(phone, 0)
        elif event is PhoneEvent.HANDED_TO_APP:
            reply(phone, 27 if notice.data_only and phone.app_state == "killed" else 0)
        elif event is PhoneEvent.NOT_SHOWN:
            reply(phone, 6 if "switched off" in reason else 151)
        elif event is PhoneEvent.REPLACED:
            reply(phone, 15)
        elif event is PhoneEvent.APP_GONE:
            reply(phone, 2)

    def _receipt(self, app: HuaweiApp, bi_tag: str, request_id: str, phone: Phone, status: int) -> None:
        if not app.receipts_url:
            return
        entry = {
            "biTag": bi_tag,
            "appid": app.app_id,
            "token": phone.token,
            "status": status,
            "timestamp": self._world.clock.now_ms(),
            "requestId": request_id,
        }
        self._receipts.add(app, entry)

    def _post_receipts(self, app: HuaweiApp, entries: list[dict[str, Any]]) -> None:
        make_headers = partial(self._signature, app) if app.receipts_user and app.receipts_key else None
        for start in range(0, len(entries), RECEIPT_BATCH):
            body = json.dumps({"statuses": entries[start : start + RECEIPT_BATCH]}, separators=(",", ":")).encode()
            self._world.post_receipt(ReceiptPost(self.name, app.receipts_url, body, "application/json", make_headers))

    def _signature(self, app: HuaweiApp) -> dict[str, str]:
        """X-HUAWEI-CALLBACK-ID: HMAC over timestamp, nonce and user name, one after the other."""
        timestamp, nonce = str(self._world.clock.now_ms()), str(uuid.uuid4())
        key = base64.b64decode(app.receipts_key) if app.receipts_key_is_base64 else app.receipts_key.encode()
        digest = hmac.new(key, (timestamp + nonce + app.receipts_user).encode(), hashlib.sha256).digest()
        return {"X-HUAWEI-CALLBACK-ID": f"timestamp={timestamp}; nonce={nonce}; value={base64.b64encode(digest).decode()}"}

    # --- the console

    def _app(self, phone: Phone) -> HuaweiApp:
        app = self._apps.get(phone.package)
        if app is None:
            app = self._apps[phone.package] = self._new_app(phone)
            self._by_id[app.app_id] = app
            self._by_project[app.project_id] = app
        return app

    def _new_app(self, phone: Phone) -> HuaweiApp:
        """``app.vendor`` of the phone may say: rights, marketing_cap, qps, receipts_url."""
        wishes, number = phone.vendor_settings, self._world.next_id()
        rights, qps, cap = wishes.get("rights"), wishes.get("qps"), wishes.get("marketing_cap")
        base = self._world.receipts_to
        return HuaweiApp(
            package=phone.package,
            app_id=str(100_000_000 + number),
            client_secret=secrets.token_hex(32),
            project_id=str(388_421_000_000_000_000 + number),
            rights=frozenset(r for r in rights if isinstance(r, str)) if isinstance(rights, list) else frozenset(SERVICE_CATEGORIES),
            marketing_cap=cap if isinstance(cap, int) else MARKETING_CAP,
            bucket=TokenBucket(self._world.clock, qps if isinstance(qps, int) and qps > 0 else QPS_FLOOR),
            receipts_url=str(wishes.get("receipts_url") or (f"{base}/{self.name}" if base else "")),
            receipts_user="sandbox",
            receipts_key=base64.b64encode(secrets.token_bytes(32)).decode(),
        )

    def _request_id(self) -> str:
        return f"{self._world.clock.now_ms()}{self._world.next_id():011d}"

    def _answer(self, code: str, message: str, request_id: str = "", status: int = 0) -> SimResponse:
        value = {"code": code, "msg": message, "requestId": request_id or self._request_id()}
        good = code in (SUCCESS, PARTIAL)
        return json_response(
            status or _HTTP_STATUS.get(code, 400), value, accepted=good, reason="" if code == SUCCESS else f"{code} {message}"
        )


def _is_base64(key: str) -> bool:
    """Keys of newer configurations are Base64, older ones plain text (vendor sheet, section 6)."""
    try:
        return len(base64.b64decode(key, validate=True)) >= 16
    except ValueError:
        return False


def _oauth_refusal(sub_error: int, text: str) -> SimResponse:
    value = {"error": 1101, "sub_error": sub_error, "error_description": text}
    return json_response(400, value, accepted=False, reason=f"1101/{sub_error} {text}")


def _notice(message: dict[str, Any], phone: Phone, request_id: str, *, quiet: bool) -> Notice:
    """What the phone gets out of a checked message."""
    android = message.get("android") or {}
    shown, general = android.get("notification") or {}, message.get("notification") or {}
    data = android.get("data") or message.get("data") or ""
    kind, value = _tap(shown.get("click_action") or {})
    set_num, add_num = _badge(phone, shown.get("badge") or {})
    collapse = android.get("collapse_key", -1)
    notify_id, tag = shown.get("notify_id", -1), shown.get("tag")
    return Notice(
        vendor="huawei",
        message_id=request_id,
        package=phone.package,
        title=shown.get("title") or general.get("title") or "",
        body=shown.get("body") or general.get("body") or "",
        tap=kind,
        tap_value=value,
        extras=_extras(data, data_only=not shown),
        data_only=not shown,
        channel_id=shown.get("channel_id"),
        fallback_channel=_fallback_channel(shown),
        fallback_takes_sound=True,
        sound=_sound(shown),
        silent=quiet or shown.get("importance") == "LOW",
        badge=set_num,
        badge_add=add_num,
        image=shown.get("image") or general.get("image") or "",
        replace_key=f"tag:{tag}" if tag else (f"id:{notify_id}" if notify_id is not None and notify_id >= 0 else None),
        group=shown.get("group") or "",
        show_in_foreground=shown.get("foreground_show") is not False,
        visibility=str(shown.get("visibility") or "PRIVATE").lower(),
        ttl_ms=ttl_ms(android.get("ttl")),
        store=StoreRule(group=None if collapse in (-1, None) else f"collapse:{collapse}", cap=OFFLINE_CAP),
    )


def _tap(click: dict[str, Any]) -> tuple[TapKind, str]:
    kind = click.get("type")
    if kind == 1 and click.get("intent"):
        return TapKind.INTENT_URI, click["intent"]
    if kind == 1:
        return TapKind.ACTION, click["action"]
    if kind == 2:
        return TapKind.WEB, click["url"]
    return TapKind.LAUNCHER, ""


def _extras(data: str, *, data_only: bool) -> dict[str, Any]:
    """Top-level keys of the data become extras of the opened page; a data message hands the text over as it is."""
    if data_only:
        return {"data": data}
    try:
        value = json.loads(data) if data else {}
    except ValueError:
        return {}
    if not isinstance(value, dict):
        return {}
    return {k: v if isinstance(v, str) else json.dumps(v, ensure_ascii=False, separators=(",", ":")) for k, v in value.items()}


def _sound(shown: dict[str, Any]) -> str:
    """A sound counts only with default_sound false (vendor sheet, trap 5)."""
    if shown.get("sound") and shown.get("default_sound") is False:
        return str(shown["sound"]).removeprefix("/raw/").partition(".")[0]
    return "default"


def _fallback_channel(shown: dict[str, Any]) -> str:
    """Without a channel of the app's own, the message makes one; its tone is that of the first message."""
    sound = _sound(shown)
    return "default" if sound == "default" else f"default:{sound}"


def _badge(phone: Phone, badge: dict[str, Any]) -> tuple[int | None, int | None]:
    """The absolute and the added number; without the launcher's class nothing is counted (vendor sheet, trap 6)."""
    if not badge.get("class") or badge["class"] != phone.launcher:
        return None, None
    if badge.get("set_num") is not None:
        return badge["set_num"], None
    return None, badge.get("add_num") or 1
