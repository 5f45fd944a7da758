"""Push Kit v3 for HarmonyOS 5 and later, server side and phones (vendor sheet huawei, sections 5 to 8)."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import secrets
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any, Final

from ..base import Notice, PhoneEvent, SimRequest, SimResponse, StoreRule, TapKind
from ..bucket import TokenBucket
from ..daily import DailyCounter
from ..front import json_response
from ..phones import Phone
from ..receipts import Batch, ReceiptPost
from ..tray import recall
from ..world import World
from .harmony_keys import AUTH_WRONG, JWT_EXPIRED, ServiceAccount, account_of
from .harmony_schema import read_body, read_recall
from .push_kit import PARAMETER, STRUCTURE, Refused

QPS_FLOOR = 6000  # devices a second; the quota of an app with few users (section 7)
MARKETING_CAP = 2  # per device, app and day; 5 for news apps
DEVICE_CAP = 3000  # all messages per device, app and day
TEST_CAP = 1000  # test messages per project and day
OFFLINE_CAP = 120
APPROVED: Final = ("IM", "VOIP")  # what the console approved for a new sandbox app
#: The skills of the app's ability: what its module.json5 lists. The seed app's page, as on Android.
DEFAULT_URIS: Final = ("pushscheme://com.tencent.qcloud/detail",)
DEFAULT_ACTIONS: Final = ("action.com.tencent.qcloud.detail",)
RECEIPT_BATCH = 100
RECEIPT_SECONDS = 0.2  # the vendor names no interval

SUCCESS, PARTIAL, NO_RIGHT, ALL_INVALID, TOO_MANY_TESTS = "80000000", "80100000", "80300002", "80300007", "80300029"
IMAGE_UNCHECKED, RECEIPTS_BROKEN = "80100022", "80300013"
PARTLY_RECALLED, MANY_APPS, ANOTHER_APP = "80100020", "80300017", "80300028"
_HTTP_STATUS: Final = {SUCCESS: 200, PARTIAL: 200, ALL_INVALID: 200, AUTH_WRONG: 401, JWT_EXPIRED: 401, "81000001": 500}


@dataclass(slots=True, eq=False)
class HarmonyApp:
    """One app in the console, with its project and service account."""

    package: str
    client_id: str
    account: ServiceAccount
    rights: frozenset[str]
    marketing_cap: int
    bucket: TokenBucket
    receipts_url: str
    receipts_user: str
    receipts_key: str
    refuses_images: bool = False  # picture risk control is on, and knows no picture
    receipts_broken: bool = False  # the certificate of the receipt address has expired


@dataclass(slots=True, eq=False)
class IssuedToken:
    """A push token and whose it is; it stays known after the phone got another."""

    app: HarmonyApp
    phone: Phone


class HarmonySimulator:
    """The v3 push host and the phones that it reaches."""

    name = "harmony"
    brands = ("harmony",)

    def __init__(self, world: World) -> None:
        self._world = world
        self._apps: dict[str, HarmonyApp] = {}
        self._by_project: dict[str, HarmonyApp] = {}
        self._by_client: dict[str, HarmonyApp] = {}
        self._accounts: dict[str, ServiceAccount] = {}
        self._tokens: dict[str, IssuedToken] = {}
        self._days = DailyCounter(world.clock)
        self._receipts: Batch[HarmonyApp, dict[str, Any]] = Batch(RECEIPT_SECONDS, self._post_receipts)

    # --- what the sandbox asks

    def matches(self, request: SimRequest) -> bool:
        parts = request.path.split("/")
        return len(parts) == 4 and (parts[1], parts[3]) in (("v3", "messages:send"), ("v1", "messages:revoke"))

    def issue_token(self, phone: Phone) -> str:
        app = self._app(phone)
        token = "MAMzLgIkEUWNEgAA" + secrets.token_urlsafe(72)
        self._tokens[token] = IssuedToken(app, phone)
        return token

    def business_hint(self, phone: Phone) -> dict[str, Any]:
        app = self._app(phone)
        settings = {
            "project_id": app.account.project_id,
            "category": "IM",
            "package_name": app.package,
            "client_id": app.client_id,
            "callback_user": app.receipts_user,
            "callback_key": app.receipts_key,
            "base_url": self._world.base_url,
        }
        receipts = {"url": app.receipts_url, "user_name": app.receipts_user, "key": app.receipts_key}
        page = next(iter(_skills(phone, "uris", DEFAULT_URIS)), "")
        files = {"service_account": app.account.file()}
        return {"channel": "harmony", "settings": settings, "files": files, "receipts": receipts, "intent_uri": page}

    def configure_receipts(self, package: str, url: str, user_name: str | None = None, key: str | None = None) -> None:
        """What the console's receipt page holds. What is not given stays; an empty key: no signature. Raises LookupError."""
        app = self._apps.get(package)
        if app is None:
            raise LookupError(f"no app {package!r}")
        app.receipts_url = url
        app.receipts_user = app.receipts_user if user_name is None else user_name
        app.receipts_key = app.receipts_key if key is None else key

    def fault_body(self, status: int) -> bytes:
        code = {400: PARAMETER, 401: AUTH_WRONG}.get(status, "81000001")
        return json.dumps({"code": code, "msg": "System inner error", "requestId": self._request_id()}).encode()

    async def handle(self, request: SimRequest) -> SimResponse:
        if request.method != "POST":
            value = {"code": PARAMETER, "msg": "use POST", "requestId": self._request_id()}
            return json_response(405, value, accepted=False, reason="405")
        try:
            return self._recall(request) if request.path.endswith(":revoke") else self._send(request)
        except Refused as refused:
            return self._answer(refused.code, refused.words)

    # --- send

    def _authenticate(self, request: SimRequest, apps: dict[str, HarmonyApp]) -> HarmonyApp:
        """The app of the path's project or client id, when the JWT is of its account. Raises Refused."""
        account = account_of(request.headers.get("authorization", ""), self._accounts, self._world.clock.now_ms() // 1000)
        app = apps.get(request.path.split("/")[2])
        if app is None:
            raise Refused(NO_RIGHT, "the app of this path has no permission to push")
        if app.account is not account:
            raise Refused(AUTH_WRONG, "the JWT belongs to another project")
        return app

    def _send(self, request: SimRequest) -> SimResponse:
        app = self._authenticate(request, self._by_project)
        if not request.headers.get("content-type", "application/json").lower().startswith("application/json"):
            raise Refused(PARAMETER, "the content type must be application/json")  # some libraries leave it out
        if request.headers.get("push-type") != "0":
            raise Refused(PARAMETER, "the push-type header must be 0 for a notification")
        body = read_body(request.body)
        _check_console(app, body)
        tokens: list[str] = body["target"]["token"]
        if self._world.faults.take(self.name, "quota") is not None or not app.bucket.take(len(tokens)):
            return self._answer("81000001", "Flow control: the QPS of the app is over its quota", status=503)
        illegal = {token: reason for token in tokens if (reason := self._why_illegal(app, token))}
        is_test = (body.get("pushOptions") or {}).get("testMessage") is True
        good = [token for token in tokens if token not in illegal]
        if is_test and good and self._days.add(("test", app.package), len(good)) > TEST_CAP:
            return self._answer(TOO_MANY_TESTS, "too many test messages today")
        request_id = self._request_id()
        for token in good:
            self._deliver(app, self._tokens[token].phone, body, request_id, is_test=is_test)
        return self._verdict(good, illegal, request_id)

    def _verdict(self, good: list[str], illegal: dict[str, str], request_id: str) -> SimResponse:
        if not illegal:
            return self._answer(SUCCESS, "Success", request_id)
        by_reason: dict[str, list[str]] = {}
        for token, reason in illegal.items():
            by_reason.setdefault(reason, []).append(token)
        if not good:
            return self._answer(ALL_INVALID, _compact({"failure": len(illegal), "illegalTokens": by_reason}), request_id)
        detail = {"illegalTokens": by_reason, "success": len(good), "failure": len(illegal)}
        return self._answer(PARTIAL, _compact(detail), request_id)

    def _why_illegal(self, app: HarmonyApp, token: str) -> str:
        """The documented reason, "" for a good token."""
        issued = self._tokens.get(token)
        if issued is None:
            # A token of the Android family is known to the vendor, but not on this API.
            elsewhere = self._world.find_token("huawei", token) is not None or token.startswith("IQAAAA")
            return "tokenPlatformNotSupport" if elsewhere else "tokenFormatError"
        phone = issued.phone
        if issued.app is not app or not phone.app_installed or phone.token != token:
            return "noRight"
        killed = len(self._world.faults) and self._world.faults.take(self.name, "dead_token", token=token)
        return "noRight" if killed else ""

    def _deliver(self, app: HarmonyApp, phone: Phone, body: dict[str, Any], request_id: str, *, is_test: bool) -> None:
        tag = (body.get("pushOptions") or {}).get("biTag") or ""
        reply = partial(self._receipt, app, tag, request_id)
        if self._days.add(("all", app.package, phone.id)) > DEVICE_CAP:
            reply(phone, 102)
            return
        marketing = body["payload"]["notification"]["category"] not in app.rights
        if marketing and not is_test and self._days.add(("marketing", app.package, phone.id)) > app.marketing_cap:
            reply(phone, 256)
            return
        if phone.inactive:
            reply(phone, 10)
            return
        notice = _notice(body, phone, request_id, quiet=marketing)
        notice.on_event = partial(_on_event, reply)
        self._world.notify(phone, notice)

    # --- recall (the vendor's reference page "messages:revoke")

    def _recall(self, request: SimRequest) -> SimResponse:
        app = self._authenticate(request, self._by_client)
        if not request.headers.get("content-type", "").lower().startswith("application/json"):
            raise Refused(PARAMETER, "the content type must be application/json")
        if request.headers.get("push-type") != "0":  # and 2, voice broadcasts, which the sandbox does not have
            raise Refused(STRUCTURE, "Illegal payload, The header does not contain valid push-type")
        body = read_recall(request.body)
        known = [issued for token in body["token"] if (issued := self._tokens.get(token)) and issued.phone.token == token]
        apps = {issued.app.package for issued in known}
        if len(apps) > 1:
            raise Refused(MANY_APPS, "Token app count should not exceed 1.")
        if apps and apps != {app.package}:
            raise Refused(ANOTHER_APP, "Token app mismatch with specify app.")
        if not known:
            return self._answer(ALL_INVALID, "All the tokens are invalid.")
        for issued in known:
            recall(issued.phone, self.name, f"id:{body['notifyId']}")
        if len(known) < len(body["token"]):
            return self._answer(PARTLY_RECALLED, "Check Parameter Partial Success.")
        return self._answer(SUCCESS, "Success")

    # --- receipts

    def _receipt(self, app: HarmonyApp, tag: str, request_id: str, phone: Phone, result: int) -> None:
        if not app.receipts_url:
            return
        entry = {
            "token": phone.token,
            "pushType": 0,
            "appPackageName": app.package,
            "biTag": tag,
            "requestId": request_id,
            "deliveryStatus": {"result": result, "timestamp": self._world.clock.now_ms()},
        }
        self._receipts.add(app, entry)

    def _post_receipts(self, app: HarmonyApp, entries: list[dict[str, Any]]) -> None:
        make_headers = partial(self._signature, app) if app.receipts_user and app.receipts_key else None
        for start in range(0, len(entries), RECEIPT_BATCH):
            body = _compact({"statuses": entries[start : start + RECEIPT_BATCH]}).encode()
            self._world.post_receipt(ReceiptPost(self.name, app.receipts_url, body, "application/json", make_headers))

    def _signature(self, app: HarmonyApp) -> dict[str, str]:
        """X-HUAWEI-CALLBACK-ID: HMAC over timestamp, nonce and user name, one after the other."""
        timestamp, nonce = str(self._world.clock.now_ms()), str(uuid.uuid4())
        digest = hmac.new(_key_bytes(app.receipts_key), (timestamp + nonce + app.receipts_user).encode(), hashlib.sha256).digest()
        return {"X-HUAWEI-CALLBACK-ID": f"timestamp={timestamp}; nonce={nonce}; value={base64.b64encode(digest).decode()}"}

    # --- the console

    def _app(self, phone: Phone) -> HarmonyApp:
        app = self._apps.get(phone.package)
        if app is None:
            app = self._apps[phone.package] = self._new_app(phone)
            self._by_project[app.account.project_id] = app
            self._by_client[app.client_id] = app
            self._accounts[app.account.key_id] = app.account
        return app

    def _new_app(self, phone: Phone) -> HarmonyApp:
        """``app.vendor`` of the phone may say: rights, marketing_cap, qps, receipts_url, refuses_images, receipts_broken; uris, actions."""
        wishes = phone.vendor_settings
        rights, qps, cap = wishes.get("rights"), wishes.get("qps"), wishes.get("marketing_cap")
        receipts_to = self._world.receipts_to
        return HarmonyApp(
            package=phone.package,
            client_id=str(100_000_000 + self._world.next_id()),
            account=ServiceAccount(str(388_421_500_000_000_000 + self._world.next_id())),
            rights=frozenset(r for r in rights if isinstance(r, str)) if isinstance(rights, list) else frozenset(APPROVED),
            marketing_cap=cap if isinstance(cap, int) else MARKETING_CAP,
            bucket=TokenBucket(self._world.clock, qps if isinstance(qps, int) and qps > 0 else QPS_FLOOR),
            receipts_url=str(wishes.get("receipts_url") or (f"{receipts_to}/{self.name}" if receipts_to else "")),
            receipts_user="sandbox",
            receipts_key=base64.b64encode(secrets.token_bytes(32)).decode(),
            refuses_images=wishes.get("refuses_images") is True,
            receipts_broken=wishes.get("receipts_broken") is True,
        )

    def _request_id(self) -> str:
        return f"{self._world.clock.now_ms()}{self._world.next_id():011d}"

    def _answer(self, code: str, message: str, request_id: str = "", status: int = 0) -> SimResponse:
        value = {"code": code, "msg": message, "requestId": request_id or self._request_id()}
        good = code in (SUCCESS, PARTIAL)
        reason = "" if code == SUCCESS else f"{code} {message}"
        return json_response(status or _HTTP_STATUS.get(code, 400), value, accepted=good, reason=reason)


def _check_console(app: HarmonyApp, body: dict[str, Any]) -> None:
    """What the console's settings refuse. Raises Refused."""
    if app.refuses_images and body["payload"]["notification"].get("image"):
        raise Refused(IMAGE_UNCHECKED, "the picture was not checked by risk control")
    if app.receipts_broken and (body.get("pushOptions") or {}).get("receiptId"):
        raise Refused(RECEIPTS_BROKEN, "the certificate of the receipt address has expired")


def _on_event(reply: Callable[[Phone, int], None], event: PhoneEvent, phone: Phone, _notice: Notice, reason: str) -> None:
    """Which receipt follows from what became of a notice on the phone (section 6)."""
    if event in (PhoneEvent.SHOWN, PhoneEvent.HANDED_TO_APP):
        reply(phone, 0)
    elif event is PhoneEvent.NOT_SHOWN:
        reply(phone, 6 if "switched off" in reason else 151)
    elif event is PhoneEvent.REPLACED:
        reply(phone, 15)
    elif event is PhoneEvent.APP_GONE:
        reply(phone, 2)


def _notice(body: dict[str, Any], phone: Phone, request_id: str, *, quiet: bool) -> Notice:
    """What the phone gets out of a checked message."""
    shown, options = body["payload"]["notification"], body.get("pushOptions") or {}
    kind, value = _tap(shown["clickAction"], phone)
    badge, collapse = shown.get("badge") or {}, options.get("collapseKey")
    notify_id = shown.get("notifyId")
    return Notice(
        vendor="harmony",
        message_id=request_id,
        package=phone.package,
        title=shown["title"],
        body=shown["body"],
        tap=kind,
        tap_value=value,
        extras=dict(shown["clickAction"].get("data") or {}),
        sound=_sound(shown.get("sound"), phone),
        silent=quiet,
        badge=badge.get("setNum"),
        badge_add=None if badge.get("setNum") is not None else badge.get("addNum"),
        image=shown.get("image") or "",
        replace_key=f"id:{notify_id}" if notify_id is not None and notify_id >= 0 else None,
        first_wins_key=shown.get("appMessageId"),
        show_in_foreground=shown.get("foregroundShow") is not False,
        ttl_ms=(options.get("ttl") or 86_400) * 1000,
        store=StoreRule(group=None if collapse in (-1, None) else f"collapse:{collapse}", cap=OFFLINE_CAP),
    )


def _tap(click: dict[str, Any], phone: Phone) -> tuple[TapKind, str]:
    """A page by its URI; an action that no skill has opens the home (section 5)."""
    if click["actionType"] == 0:
        return TapKind.LAUNCHER, ""
    if click.get("action") in _skills(phone, "actions", DEFAULT_ACTIONS):
        return TapKind.PAGE, click.get("uri") or click["action"]
    uri = click.get("uri")
    if not uri:
        return TapKind.LAUNCHER, ""
    known = any(uri.partition("?")[0] == skill for skill in _skills(phone, "uris", DEFAULT_URIS))
    return (TapKind.PAGE, uri) if known else (TapKind.NO_PAGE, f"no ability of the app has a skill for {uri}")


def _skills(phone: Phone, name: str, default: tuple[str, ...]) -> tuple[str, ...]:
    listed = phone.vendor_settings.get(name)
    return tuple(s for s in listed if isinstance(s, str)) if isinstance(listed, list) else default


def _sound(name: str | None, phone: Phone) -> str:
    """A file of resources/rawfile; the phone's list of the app's sounds may leave the suffix out."""
    if not name:
        return "default"
    return name if name in phone.sounds else name.rpartition(".")[0]


def _key_bytes(key: str) -> bytes:
    """Keys of newer configurations are Base64, older ones plain text (section 6)."""
    try:
        decoded = base64.b64decode(key, validate=True)
    except ValueError:
        return key.encode()
    return decoded if len(decoded) >= 16 else key.encode()


def _compact(value: Any) -> str:
    return json.dumps(value, separators=(",", ":"))
