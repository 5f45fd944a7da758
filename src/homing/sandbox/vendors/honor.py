"""Honor Push, server side: OAuth and the send call (vendor sheet)."""

from __future__ import annotations

import hmac
import json
import secrets
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Final
from urllib.parse import parse_qs

from ..base import Notice, PhoneEvent, SimRequest, SimResponse
from ..bucket import TokenBucket
from ..daily import DailyCounter
from ..front import json_response
from ..night import NightHold
from ..phones import Phone
from ..receipts import Batch, ReceiptPost
from ..world import World
from .honor_phone import importance, is_shown, make_notice
from .honor_schema import read_body
from .push_kit import PARAMETER, STRUCTURE, Refused

TOKEN_PATHS: Final = ("/auth/token", "/auth/realms/developer/protocol/openid-connect/token")
GRANT_SECONDS = 3600
QPS = 3000  # requests a second and app
MARKETING_CAP = 2  # per device, app and day; 5 for news apps with the licence
TEST_CAP = 1000  # test messages per app and day
MAX_GRANTS = 10_000
RECEIPT_BATCH = 100
RECEIPT_SECONDS = 0.2  # the vendor names no interval

SUCCESS, PARTIAL = 200, 80100000
AUTH_WRONG, AUTH_EXPIRED, NO_RIGHT, ALL_INVALID, BUSY = "80200001", "80200003", "80300002", "80300007", "81000001"
_HTTP_STATUS: Final = {AUTH_WRONG: 401, AUTH_EXPIRED: 401, NO_RIGHT: 403, ALL_INVALID: 200, BUSY: 503}


@dataclass(slots=True, eq=False)
class HonorApp:
    """One app in the console."""

    package: str
    app_id: str
    client_id: str
    client_secret: str
    has_right: bool  # the self-classification right for service and communication
    marketing_cap: int
    bucket: TokenBucket
    receipts_url: str = ""
    night_hold: bool = False
    grants: dict[str, int] = field(default_factory=dict)  # access token -> when it ends, ms


@dataclass(slots=True, eq=False)
class IssuedToken:
    """A push token and whose it is; it stays known after the phone got another."""

    app: HonorApp
    phone: Phone


class HonorSimulator:
    """The vendor's log-in and push hosts in one."""

    name = "honor"
    brands = ("honor",)

    def __init__(self, world: World) -> None:
        self._world = world
        self._apps: dict[str, HonorApp] = {}
        self._by_id: dict[str, HonorApp] = {}
        self._by_client: dict[str, HonorApp] = {}
        self._tokens: dict[str, IssuedToken] = {}
        self._grants: dict[str, HonorApp] = {}
        self._days = DailyCounter(world.clock)
        self._receipts: Batch[HonorApp, dict[str, Any]] = Batch(RECEIPT_SECONDS, self._post_receipts)
        self._night = NightHold(world.clock, world.notify)

    # --- what the sandbox asks

    def matches(self, request: SimRequest) -> bool:
        parts = request.path.split("/")
        return request.path in TOKEN_PATHS or (len(parts) == 5 and parts[1:3] == ["api", "v1"] and parts[4] == "sendMessage")

    def issue_token(self, phone: Phone) -> str:
        app = self._app(phone)
        token = "BAEAAAAAB." + secrets.token_urlsafe(96)
        self._tokens[token] = IssuedToken(app, phone)
        return token

    def business_hint(self, phone: Phone) -> dict[str, Any]:
        app = self._app(phone)
        url = self._world.base_url
        settings = {
            "app_id": app.app_id,
            "client_id": app.client_id,
            "client_secret": app.client_secret,
            "badge_class": phone.launcher,
            "package_name": app.package,
            "base_url": url,
            "auth_url": url,
        }
        return {"channel": "honor", "settings": settings, "files": {}, "receipts": {"url": app.receipts_url}}

    def configure_receipts(self, package: str, url: str, user_name: str | None = None, key: str | None = None) -> None:
        """What the console's receipt page holds: an address, no signature. Raises LookupError."""
        del user_name, key
        app = self._apps.get(package)
        if app is None:
            raise LookupError(f"no app {package!r}")
        app.receipts_url = url

    def fault_body(self, status: int) -> bytes:
        code = {400: PARAMETER, 401: AUTH_WRONG}.get(status, BUSY)
        return json.dumps({"code": int(code), "message": "system error", "data": {}}).encode()

    async def aclose(self) -> None:
        """What is held until the morning is forgotten."""
        self._night.close()

    async def handle(self, request: SimRequest) -> SimResponse:
        self._night.release()
        if request.path in TOKEN_PATHS:
            return self._log_in(request)
        try:
            return self._send(request)
        except Refused as refused:
            return self._refusal(refused.code, refused.words)

    # --- log-in

    def _log_in(self, request: SimRequest) -> SimResponse:
        if request.method != "POST":
            return _oauth_refusal(405, "invalid_request", "use POST")
        if not request.headers.get("content-type", "").lower().startswith("application/x-www-form-urlencoded"):
            return _oauth_refusal(400, "invalid_request", "the content type must be application/x-www-form-urlencoded")
        form = {k: v[0] for k, v in parse_qs(request.body.decode("utf-8", "replace"), keep_blank_values=True).items()}
        if form.get("grant_type") != "client_credentials":
            return _oauth_refusal(400, "unsupported_grant_type", "grant_type must be client_credentials")
        app = self._by_client.get(form.get("client_id", ""))
        if app is None or not hmac.compare_digest(app.client_secret.encode(), form.get("client_secret", "").encode()):
            return _oauth_refusal(401, "invalid_client", "client_id or client_secret is wrong")
        return self._grant(app)

    def _grant(self, app: HonorApp) -> SimResponse:
        token = "eyJhbGciOi" + secrets.token_urlsafe(64)
        app.grants[token] = self._world.clock.now_ms() + GRANT_SECONDS * 1000
        self._grants[token] = app
        while len(self._grants) > MAX_GRANTS:
            oldest = next(iter(self._grants))
            self._grants.pop(oldest).grants.pop(oldest, None)
        return json_response(200, {"access_token": token, "expires_in": GRANT_SECONDS, "token_type": "Bearer"})

    def _authenticate(self, request: SimRequest) -> HonorApp:
        """The app that the path names, when the grant is its own. Raises Refused."""
        header = request.headers.get("authorization", "")
        token = header.removeprefix("Bearer ")
        app = self._grants.get(token) if header.startswith("Bearer ") else None
        if app is None:
            raise Refused(AUTH_WRONG, "the access token is wrong or missing")
        if app.grants[token] <= self._world.clock.now_ms():
            raise Refused(AUTH_EXPIRED, "the access token has expired")
        if self._by_id.get(request.path.split("/")[3]) is not app:
            raise Refused(NO_RIGHT, "the access token has no permission for the app of this path")
        return app

    # --- send

    def _send(self, request: SimRequest) -> SimResponse:
        if request.method != "POST":
            return self._refusal(PARAMETER, "use POST", status=405)
        app = self._authenticate(request)
        if not request.headers.get("content-type", "").lower().startswith("application/json"):
            raise Refused(STRUCTURE, "the content type must be application/json")
        timestamp = request.headers.get("timestamp", "")
        if not (timestamp.isascii() and timestamp.isdigit() and len(timestamp) in (10, 13)):
            raise Refused(PARAMETER, "the header timestamp must be milliseconds since 1970")
        body = read_body(request.body)
        if self._world.faults.take(self.name, "quota") is not None or not app.bucket.take():
            raise Refused(BUSY, "flow control: over the QPS of the app")
        return self._to_tokens(app, body)

    def _to_tokens(self, app: HonorApp, body: dict[str, Any]) -> SimResponse:
        tokens = list(dict.fromkeys(body["token"]))
        expired = [token for token in tokens if not self._is_alive(app, token)]
        failing = [token for token in tokens if token not in set(expired) and self._fails(token)]
        lists = {"failTokens": expired + failing, "expireTokens": expired}
        request_id = f"{self._world.clock.now_ms()}{self._world.next_id():08d}"
        for token in tokens:
            if token not in set(lists["failTokens"]):
                self._deliver(app, self._tokens[token].phone, body, request_id)
        code, words = (PARTIAL, "part of the tokens failed") if lists["failTokens"] else (SUCCESS, "success")
        data = {"sendResult": len(lists["failTokens"]) < len(tokens), "requestId": request_id, **lists}
        return json_response(200, {"code": code, "message": words, "data": data}, reason="" if code == SUCCESS else f"{code} {words}")

    def _is_alive(self, app: HonorApp, token: str) -> bool:
        """A phone that is away has not told the vendor yet that the app is gone: the message is taken, and a receipt tells."""
        issued = self._tokens.get(token)
        if issued is None or issued.app is not app or issued.phone.token != token:
            return False
        if not issued.phone.app_installed and not issued.phone.offline:
            return False
        return not (len(self._world.faults) and self._world.faults.take(self.name, "dead_token", token=token))

    def _fails(self, token: str) -> bool:
        """``app.vendor.failing`` of the phone: a token that works, but not now."""
        return self._tokens[token].phone.vendor_settings.get("failing") is True

    def _deliver(self, app: HonorApp, phone: Phone, body: dict[str, Any], request_id: str) -> None:
        android = body.get("android") or {}
        reply = partial(self._receipt, app, android.get("biTag") or "", request_id)
        marketing = is_shown(body) and (importance(body) != "NORMAL" or not app.has_right)
        is_test = android.get("targetUserType") == 1 and self._days.add(("test", app.package)) <= TEST_CAP
        if marketing and not is_test and self._days.add(("marketing", app.package, phone.id)) > app.marketing_cap:
            reply(phone, 40000009)  # the API says success all the same
            return
        notice = make_notice(body, phone, request_id, quiet=marketing)
        notice.on_event = partial(self._on_event, reply)
        if not (app.night_hold and is_shown(body) and self._night.hold(phone, notice)):
            self._world.notify(phone, notice)

    # --- receipts

    def _on_event(self, reply: Any, event: PhoneEvent, phone: Phone, notice: Notice, reason: str) -> None:
        """Which receipt follows from what became of a notice on the phone (vendor sheet, section 6)."""
        if event is PhoneEvent.SHOWN:
            reply(phone, 40000002)
        elif event is PhoneEvent.HANDED_TO_APP:
            reply(phone, (50000003 if phone.app_state == "killed" else 40000001) if notice.data_only else 40000002)
        elif event is PhoneEvent.NOT_SHOWN:
            reply(phone, 40000005 if "switched off" in reason else 40000006 if "force-stopped" in reason else 40000015)
        elif event is PhoneEvent.CLICKED:
            reply(phone, 40000007)
        elif event is PhoneEvent.APP_GONE:
            reply(phone, 40000003)

    def _receipt(self, app: HonorApp, bi_tag: str, request_id: str, phone: Phone, status: int) -> None:
        if not app.receipts_url:
            return
        entry = {
            "appid": app.app_id,
            "token": phone.token,
            "biTag": bi_tag,
            "status": status,
            "timestamp": self._world.clock.now_ms(),
            "requestId": request_id,
        }
        self._receipts.add(app, entry)

    def _post_receipts(self, app: HonorApp, entries: list[dict[str, Any]]) -> None:
        for start in range(0, len(entries), RECEIPT_BATCH):
            body = json.dumps({"statuses": entries[start : start + RECEIPT_BATCH]}, separators=(",", ":")).encode()
            self._world.post_receipt(ReceiptPost(self.name, app.receipts_url, body, "application/json"))

    # --- the console

    def _app(self, phone: Phone) -> HonorApp:
        app = self._apps.get(phone.package)
        if app is None:
            app = self._apps[phone.package] = self._new_app(phone)
            self._by_id[app.app_id] = app
            self._by_client[app.client_id] = app
        return app

    def _new_app(self, phone: Phone) -> HonorApp:
        """``app.vendor`` of the phone may say: has_right, marketing_cap, qps, receipts_url, night_hold (section 5)."""
        wishes, number = phone.vendor_settings, self._world.next_id()
        qps, cap = wishes.get("qps"), wishes.get("marketing_cap")
        base = self._world.receipts_to
        return HonorApp(
            package=phone.package,
            app_id=str(104_000_000 + number),
            client_id=secrets.token_hex(16),
            client_secret=secrets.token_urlsafe(24),
            has_right=wishes.get("has_right") is not False,
            marketing_cap=cap if isinstance(cap, int) else MARKETING_CAP,
            bucket=TokenBucket(self._world.clock, qps if isinstance(qps, int) and qps > 0 else QPS),
            night_hold=wishes.get("night_hold") is True,
            receipts_url=str(wishes.get("receipts_url") or (f"{base}/{self.name}" if base else "")),
        )

    def _refusal(self, code: str, words: str, status: int = 0) -> SimResponse:
        value = {"code": int(code), "message": words, "data": {"sendResult": False}}
        return json_response(status or _HTTP_STATUS.get(code, 400), value, accepted=False, reason=f"{code} {words}")


def _oauth_refusal(status: int, error: str, words: str) -> SimResponse:
    return json_response(status, {"error": error, "error_description": words}, accepted=False, reason=f"{error}: {words}")
