"""Xiaomi Mi Push, server side (vendor sheet)."""

from __future__ import annotations

import asyncio
import base64
import hmac
import json
import secrets
from dataclasses import dataclass
from functools import partial
from typing import Any, Final
from urllib.parse import parse_qsl

from ..base import Notice, PhoneEvent, SimRequest, SimResponse
from ..bucket import TokenBucket
from ..daily import DailyCounter
from ..front import json_response
from ..phones import Phone
from ..receipts import Batch, ReceiptPost
from ..world import World
from .xiaomi_phone import is_private, make_notice
from .xiaomi_receipts import (
    CLICKED,
    DELIVERED,
    EXPIRED,
    INVALID_TARGET,
    KNOWN_TYPES,
    OVER_QUOTA,
    UNMATCHED,
    ReceiptEntry,
    receipt_bodies,
)
from .xiaomi_rules import ILLEGAL, MAX_REGIDS, MISSING, VENDOR_EXTRAS, MiChannel, MiMessage, MiTemplate, Refused, read_message

SEND_PATHS: Final = ("/v2/message/regid", "/v3/message/regid", "/v4/message/regid")
MULTI_PATH = "/v2/multi_messages/regids"
CHECK_PATH = "/v1/validation/regids"
QUOTA_PATH = "/v1/trace/quota/get"
_PREFIXES: Final = ("/v2/message/", "/v3/message/", "/v4/message/", "/v2/multi_messages/", "/v1/trace/", "/v1/validation/", "/v1/message/")

QPS_SMALL_APP = 500  # requests a second below 100,000 devices (vendor sheet, section 5)
INSTALLS_FLOOR = 10_000
PUBLIC_FACTOR = 2
PUBLIC_DEVICE_CAP, DEFAULT_DEVICE_CAP = 5, 1
RECEIPT_SECONDS = 1.0
MAX_SCHEDULED = 100_000

OK, AUTH, NO_API, WRONG_METHOD, NO_TARGET, PACKAGE, QUOTA, QPS = 0, 21301, 10020, 10021, 20301, 22022, 200001, 200002


@dataclass(slots=True, eq=False)
class MiApp:
    """One app in the console."""

    package: str
    app_secret: str
    channels: dict[str, MiChannel]
    templates: dict[str, MiTemplate]
    private_channel: str
    template: str
    bucket: TokenBucket
    needs_channel: bool = False
    needs_template: bool = False
    data_messages: bool = False
    installs: int = 0
    daily_quota: int | None = None  # replaces the computed one


@dataclass(slots=True, eq=False)
class IssuedRegId:
    """A regId and whose it is."""

    app: MiApp
    phone: Phone


class XiaomiSimulator:
    """The message host of the Chinese mainland."""

    name = "xiaomi"
    brands = ("xiaomi",)

    def __init__(self, world: World) -> None:
        self._world = world
        self._apps: dict[str, MiApp] = {}
        self._by_secret: dict[str, MiApp] = {}
        self._regids: dict[str, IssuedRegId] = {}
        self._days = DailyCounter(world.clock)
        self._receipts: Batch[str, ReceiptEntry] = Batch(RECEIPT_SECONDS, self._post_receipts)
        self._scheduled: set[asyncio.TimerHandle] = set()

    # --- what the sandbox asks

    def matches(self, request: SimRequest) -> bool:
        return request.path.startswith(_PREFIXES) and not request.path.endswith(":send")

    def issue_token(self, phone: Phone) -> str:
        app = self._app(phone)
        app.installs += 1
        regid = base64.b64encode(secrets.token_bytes(48)).decode()
        self._regids[regid] = IssuedRegId(app, phone)
        return regid

    def business_hint(self, phone: Phone) -> dict[str, Any]:
        app = self._app(phone)
        settings = {
            "app_secret": app.app_secret,
            "package_name": app.package,
            "channel_id": app.private_channel,
            "base_url": self._world.base_url,
        }
        templates = [{"template_id": t.id, "channel_id": t.channel_id, "title": t.title, "text": t.text} for t in app.templates.values()]
        channels = [{"channel_id": c.id, "private": c.private, "audited": c.audited} for c in app.channels.values()]
        return {"channel": "xiaomi", "settings": settings, "files": {}, "channels": channels, "templates": templates}

    def fault_body(self, _status: int) -> bytes:
        return json.dumps({"result": "error", "reason": "System error", "trace_id": self._trace(), "code": 10001}).encode()

    async def handle(self, request: SimRequest) -> SimResponse:
        try:
            return self._route(request)
        except Refused as refused:
            return self._refusal(refused.code, refused.reason)

    async def aclose(self) -> None:
        """Forget what was scheduled."""
        for timer in self._scheduled:
            timer.cancel()
        self._scheduled.clear()

    def _route(self, request: SimRequest) -> SimResponse:
        path = request.path
        if path not in (*SEND_PATHS, MULTI_PATH, CHECK_PATH, QUOTA_PATH):
            raise Refused(NO_API, f"there is no API {path}")
        if request.method != ("GET" if path == QUOTA_PATH else "POST"):
            raise Refused(WRONG_METHOD, f"{request.method} is the wrong method")
        app = self._authenticate(request)
        if path == QUOTA_PATH:
            return self._ok(request, {"day_quota": str(self._quota(app)), "day_acked": str(self._days.get(("acked", app.package)))})
        form = _form(request)
        if path == CHECK_PATH:
            return self._validate(app, form)
        if not app.bucket.take():
            raise Refused(QPS, "the QPS of the app is over its limit")
        if self._world.faults.take(self.name, "quota") is not None:
            raise self._over_quota(app)
        return self._multi(app, form) if path == MULTI_PATH else self._single(app, form)

    def _authenticate(self, request: SimRequest) -> MiApp:
        """The static key; lower-case ``key``, no blank (vendor sheet, section 2)."""
        header = request.headers.get("authorization", "")
        app = self._by_secret.get(header.removeprefix("key=")) if header.startswith("key=") else None
        if app is None or not hmac.compare_digest(header.encode("utf-8", "replace"), f"key={app.app_secret}".encode()):
            raise Refused(AUTH, "authentication failed: the app secret is wrong")
        return app

    # --- sending

    def _single(self, app: MiApp, form: dict[str, str]) -> SimResponse:
        fields, extra = _split(form)
        regids = [r for r in form.get("registration_id", "").split(",") if r]
        if not regids:
            raise Refused(MISSING, "registration_id is required")
        if len(regids) > MAX_REGIDS:
            raise Refused(ILLEGAL, f"{len(regids)} registration ids, {MAX_REGIDS} are allowed")
        message = self._read(app, fields, extra)
        bad = [r for r in regids if not self._is_alive(app, r)]
        good = [r for r in regids if r not in set(bad)]
        if not good:
            raise Refused(NO_TARGET, "no valid targets")
        if not self._has_quota(app, message):
            raise self._over_quota(app)
        message_id = self._message_id()
        for regid in dict.fromkeys(good):
            self._send_to(app, regid, message, message_id)
        data: dict[str, Any] = {"id": message_id, **self._quota_words(app, message)}
        if bad:
            data["bad_regids"] = ",".join(bad)
        return self._accepted(data, f"Received push messages for {len(regids)} REGID", reason=f"bad_regids: {len(bad)}" if bad else "")

    def _multi(self, app: MiApp, form: dict[str, str]) -> SimResponse:
        pairs = [self._read_element(app, e, form.get("time_to_send", "0")) for e in _elements(form)]
        bad, exceeded, sent = [], dict[str, int](), 0
        message_id = self._message_id()
        for regid, message in pairs:
            if not self._is_alive(app, regid):
                bad.append(regid)
            elif not self._has_quota(app, message):
                name = message.channel.id if message.channel is not None else "no_channel"
                exceeded[name] = exceeded.get(name, 0) + 1
            else:
                sent += 1
                self._send_to(app, regid, message, message_id)
        if len(bad) == len(pairs):
            raise Refused(NO_TARGET, "no valid targets")
        data: dict[str, Any] = {"id": message_id}
        if bad:
            data["bad_regids"] = ",".join(bad)
        if exceeded:
            data["channel_exceed_quota"] = " ".join(f"{name}:{count}" for name, count in exceeded.items())
        return self._accepted(data, f"Received push messages for {sent} REGID", reason=f"bad_regids: {len(bad)}" if bad else "")

    def _read_element(self, app: MiApp, element: Any, send_at: str) -> tuple[str, MiMessage]:
        message = element.get("message") if isinstance(element, dict) else None
        target = element.get("target") if isinstance(element, dict) else None
        if not isinstance(message, dict) or not isinstance(target, str) or not target:
            raise Refused(ILLEGAL, "each of messages needs target and message")
        extra = message.get("extra") or {}
        if not isinstance(extra, dict) or not all(isinstance(v, str) for v in extra.values()):
            raise Refused(ILLEGAL, "extra must be an object of strings")
        fields = {k: v if isinstance(v, str) else json.dumps(v) for k, v in message.items() if k != "extra" and v is not None}
        return target, self._read(app, {**fields, "time_to_send": send_at}, extra)

    def _read(self, app: MiApp, fields: dict[str, str], extra: dict[str, str]) -> MiMessage:
        message = read_message(
            fields,
            extra,
            app.channels,
            app.templates,
            self._world.clock.now_ms(),
            needs_channel=app.needs_channel,
            needs_template=app.needs_template,
            data_messages=app.data_messages,
        )
        if message.packages and app.package not in message.packages:
            raise Refused(PACKAGE, f"the package name {message.packages[0]} is not this app's")
        return message

    def _is_alive(self, app: MiApp, regid: str) -> bool:
        issued = self._regids.get(regid)
        if (
            issued is None
            or issued.app is not app
            or not issued.phone.app_installed
            or issued.phone.token != regid
            or issued.phone.inactive
        ):
            return False
        return not (len(self._world.faults) and self._world.faults.take(self.name, "dead_token", token=regid))

    def _send_to(self, app: MiApp, regid: str, message: MiMessage, message_id: str) -> None:
        phone, wait_ms = self._regids[regid].phone, message.send_at_ms - self._world.clock.now_ms()
        if wait_ms <= 0:
            self._deliver(app, phone, message, message_id)
            return
        if len(self._scheduled) >= MAX_SCHEDULED:
            raise Refused(10002, "too many scheduled messages")

        def later() -> None:
            self._scheduled.discard(timer)
            self._deliver(app, phone, message, message_id)

        timer = asyncio.get_running_loop().call_later(wait_ms / 1000, later)
        self._scheduled.add(timer)

    def _deliver(self, app: MiApp, phone: Phone, message: MiMessage, message_id: str) -> None:
        cap = _device_cap(message)
        key = ("device", app.package, phone.id, message.channel is None)
        if cap is not None and self._days.get(key) >= cap:
            words = {"device_acked": str(cap), "device_quota": str(cap)}
            self._receipt(phone, message, message_id, OVER_QUOTA, words)
            return
        if not _matches_filters(message.extra, phone):
            self._receipt(phone, message, message_id, UNMATCHED)
            return
        if message.extra.get("only_send_once") == "1" and phone.offline:
            return
        if cap is not None:
            self._days.add(key)
        notice = make_notice(message, phone, message_id)
        notice.on_event = partial(self._on_event, app, message)
        self._world.notify(phone, notice)

    # --- quotas

    def _quota(self, app: MiApp) -> int:
        """Public messages of the app a day."""
        return app.daily_quota if app.daily_quota is not None else max(INSTALLS_FLOOR, app.installs) * PUBLIC_FACTOR

    def _has_quota(self, app: MiApp, message: MiMessage) -> bool:
        return is_private(message) or self._days.get(("acked", app.package)) < self._quota(app)

    def _over_quota(self, app: MiApp) -> Refused:
        quota = self._quota(app)
        return Refused(QUOTA, f"exceed quota, quota: {quota}, have acked: {max(quota, self._days.get(('acked', app.package)))}")

    def _quota_words(self, app: MiApp, message: MiMessage) -> dict[str, str]:
        if is_private(message):
            return {}
        return {"day_quota": str(self._quota(app)), "day_acked": str(self._days.get(("acked", app.package)))}

    # --- receipts

    def _on_event(self, app: MiApp, message: MiMessage, event: PhoneEvent, phone: Phone, notice: Notice, _reason: str) -> None:
        if event is PhoneEvent.DELIVERED:
            if not is_private(message):
                self._days.add(("acked", app.package))  # counted on delivered
            self._receipt(phone, message, notice.message_id, DELIVERED)
        elif event is PhoneEvent.CLICKED:
            self._receipt(phone, message, notice.message_id, CLICKED)
        elif event is PhoneEvent.EXPIRED:
            self._receipt(phone, message, notice.message_id, EXPIRED)
        elif event is PhoneEvent.APP_GONE:
            self._receipt(phone, message, notice.message_id, INVALID_TARGET)

    def _receipt(self, phone: Phone, message: MiMessage, message_id: str, kind: int, words: dict[str, str] | None = None) -> None:
        """Kept for the next batch when the sender asked for this kind. An unknown bit silences all (vendor sheet, section 6)."""
        extra = message.extra
        url = extra.get("callback", "")
        wanted = int(extra.get("callback.type", DELIVERED | CLICKED)) if url else 0
        if not wanted & kind or wanted & ~KNOWN_TYPES:
            return
        bar = "Enable" if phone.notifications_enabled else "Disable"
        now = self._world.clock.now_ms()
        entry = ReceiptEntry(message_id, kind, phone.token, extra.get("callback.param", ""), extra.get("jobkey", ""), bar, now, words or {})
        self._receipts.add(url, entry)

    def _post_receipts(self, url: str, entries: list[ReceiptEntry]) -> None:
        for body in receipt_bodies(entries):
            self._world.post_receipt(ReceiptPost(self.name, url, body, "application/x-www-form-urlencoded"))

    # --- the console

    def _app(self, phone: Phone) -> MiApp:
        app = self._apps.get(phone.package)
        if app is None:
            app = self._apps[phone.package] = self._new_app(phone)
            self._by_secret[app.app_secret] = app
        return app

    def _new_app(self, phone: Phone) -> MiApp:
        """``app.vendor`` of the phone may say: channels, templates, qps, daily_quota, needs_channel, needs_template, data_messages."""
        wishes, number = phone.vendor_settings, self._world.next_id()
        private, public, template = str(130_000 + number), str(140_000 + number), f"P{10_000 + number}"
        channels = {private: MiChannel(private, private=True), public: MiChannel(public, private=False)}
        channels |= {c.id: c for c in _read_channels(wishes.get("channels"))}
        templates = {template: MiTemplate(template, private, "[好友消息]{$nick$}", "{$content$}")}
        templates |= {t.id: t for t in _read_templates(wishes.get("templates"))}
        qps, quota = wishes.get("qps"), wishes.get("daily_quota")
        return MiApp(
            package=phone.package,
            app_secret=base64.b64encode(secrets.token_bytes(16)).decode(),
            channels=channels,
            templates=templates,
            private_channel=private,
            template=template,
            bucket=TokenBucket(self._world.clock, qps if isinstance(qps, int) and qps > 0 else QPS_SMALL_APP),
            needs_channel=wishes.get("needs_channel") is True,
            needs_template=wishes.get("needs_template") is True,
            data_messages=wishes.get("data_messages") is True,
            daily_quota=quota if isinstance(quota, int) else None,
        )

    # --- answers

    def _validate(self, app: MiApp, form: dict[str, str]) -> SimResponse:
        regids = [r for r in form.get("registration_ids", "").split(",") if r]
        valid = [r for r in regids if self._is_alive(app, r)]
        return self._accepted({"valid_regids": ",".join(valid)}, f"{len(valid)} of {len(regids)} are valid")

    def _trace(self) -> str:
        return f"Xcm{self._world.next_id():05d}{secrets.token_hex(8)}"

    def _message_id(self) -> str:
        return f"scm{self._world.next_id():05d}{self._world.clock.now_ms()}{secrets.token_hex(3)}"

    def _ok(self, _request: SimRequest, data: dict[str, Any]) -> SimResponse:
        return self._accepted(data, "ok")

    def _accepted(self, data: dict[str, Any], info: str, *, reason: str = "") -> SimResponse:
        value = {"result": "ok", "trace_id": self._trace(), "code": OK, "data": data, "description": "成功", "info": info}
        return json_response(200, value, reason=reason)

    def _refusal(self, code: int, reason: str) -> SimResponse:
        value = {"result": "error", "reason": reason, "trace_id": self._trace(), "code": code, "description": "发送消息失败"}
        return json_response(200, value, accepted=False, reason=f"{code} {reason}")


def _form(request: SimRequest) -> dict[str, str]:
    """The parameters. Some clients put them all into the query of a POST without a body; the vendor reads both."""
    if not request.body and request.query:
        return dict(request.query)
    if not request.headers.get("content-type", "").lower().startswith("application/x-www-form-urlencoded"):
        raise Refused(ILLEGAL, "the content type must be application/x-www-form-urlencoded")
    try:
        pairs = parse_qsl(request.body.decode("ascii"), keep_blank_values=True, errors="strict")
    except ValueError:
        raise Refused(ILLEGAL, "the body is not form-encoded UTF-8") from None
    return dict(pairs)


def _split(form: dict[str, str]) -> tuple[dict[str, str], dict[str, str]]:
    """Plain fields and extras; the extras lose their prefix."""
    extra = {k.removeprefix("extra."): v for k, v in form.items() if k.startswith("extra.")}
    extra = {k: v for k, v in extra.items() if v or k not in VENDOR_EXTRAS}  # libraries send what was not set as empty
    return {k: v for k, v in form.items() if not k.startswith("extra.")}, extra


def _elements(form: dict[str, str]) -> list[Any]:
    try:
        elements = json.loads(form.get("messages", ""))
    except (ValueError, RecursionError):
        raise Refused(ILLEGAL, "messages is not JSON") from None
    if not isinstance(elements, list) or not 1 <= len(elements) <= MAX_REGIDS:
        raise Refused(ILLEGAL, f"messages must be an array of 1 to {MAX_REGIDS}")
    return elements


def _device_cap(message: MiMessage) -> int | None:
    """Messages per device, app and day: none for private ones."""
    if message.channel is None:
        return DEFAULT_DEVICE_CAP
    return None if message.channel.private else PUBLIC_DEVICE_CAP


def _matches_filters(extra: dict[str, str], phone: Phone) -> bool:
    locale = phone.locale.replace("-", "_")
    wanted, unwanted = extra.get("locale", ""), extra.get("locale_not_in", "")
    return (not wanted or locale in wanted.split(",")) and locale not in unwanted.split(",")


def _read_channels(value: Any) -> list[MiChannel]:
    entries = [e for e in value if isinstance(e, dict) and isinstance(e.get("id"), str)] if isinstance(value, list) else []
    return [MiChannel(e["id"], e.get("private") is True, e.get("audited") is not False, str(e.get("sound") or "")) for e in entries]


def _read_templates(value: Any) -> list[MiTemplate]:
    entries = [e for e in value if isinstance(e, dict)] if isinstance(value, list) else []
    return [MiTemplate(*(str(e.get(k) or "") for k in ("id", "channel_id", "title", "text"))) for e in entries]
