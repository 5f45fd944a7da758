"""OPPO PUSH, server side (vendor sheet)."""

from __future__ import annotations

import hashlib
import hmac
import json
import re
import secrets
import uuid
from dataclasses import dataclass, field
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
from .oppo_phone import make_notice
from .oppo_rules import (
    DEAD_ID,
    ILLEGAL,
    MARKETING,
    MISSING,
    NO_RIGHT,
    SERVICE,
    OppoMessage,
    OppoRights,
    OppoTemplate,
    Refused,
    from_form,
    is_private,
    read_notification,
    read_unicast,
)

PREFIX: Final = "/server/v1/"
AUTH: Final = PREFIX + "auth"
NOTIFICATION: Final = PREFIX + "message/notification/"
FEEDBACK: Final = PREFIX + "feedback/fetch_invalid_regidList"
PRIVATE_CHANNEL: Final = "tuikit"  # what the demo app creates, and its console has registered as private

WINDOW_MS: Final = 600_000
GRANT_SECONDS: Final = 86_400
MAX_GRANTS: Final = 10_000
MAX_BATCH: Final = 1000
MAX_SAVED: Final = 1000
QPS: Final = 5000  # devices a second (vendor sheet, section 6)
DAILY_FLOOR: Final = 100_000
DEVICE_CAP: Final = 2  # public messages a device and day
RECEIPT_SECONDS: Final = 0.2  # the vendor names no interval
OVERLOADED, NO_TOKEN, BAD_TOKEN, BUSY, QUOTA, ABSENT = -1, 29, 11, 13, 33, 31


@dataclass(slots=True, eq=False)
class OppoApp:
    """One app in the console."""

    package: str
    app_id: str
    app_key: str
    master_secret: str
    rights: OppoRights
    bucket: TokenBucket
    daily_quota: int
    device_cap: int
    grant_seconds: int
    late_dead: bool  # dead ids are taken with code 0 and told by a receipt only
    grants: dict[str, int] = field(default_factory=dict)  # auth token -> when it ends, ms
    saved: dict[str, dict[str, Any]] = field(default_factory=dict)  # broadcast bodies


@dataclass(slots=True, eq=False)
class IssuedId:
    """A registration id and whose it is; it stays known after the phone got another."""

    app: OppoApp
    phone: Phone


class OppoSimulator:
    """The push and feedback hosts of the Chinese mainland in one."""

    name = "oppo"
    brands = ("oppo",)

    def __init__(self, world: World) -> None:
        self._world = world
        self._apps: dict[str, OppoApp] = {}
        self._by_key: dict[str, OppoApp] = {}
        self._ids: dict[str, IssuedId] = {}
        self._grants: dict[str, OppoApp] = {}
        self._days = DailyCounter(world.clock)
        self._receipts: Batch[str, dict[str, Any]] = Batch(RECEIPT_SECONDS, self._post_receipts)

    # --- what the sandbox asks

    def matches(self, request: SimRequest) -> bool:
        return request.path.startswith(PREFIX)

    def issue_token(self, phone: Phone) -> str:
        token = f"CN_{secrets.token_hex(16)}"
        self._ids[token] = IssuedId(self._app(phone), phone)
        return token

    def business_hint(self, phone: Phone) -> dict[str, Any]:
        app, url = self._app(phone), self._world.base_url
        settings = {
            "app_key": app.app_key,
            "master_secret": app.master_secret,
            "region": "china",
            "channel_id": PRIVATE_CHANNEL,
            **({} if app.rights.legacy else {"category": "IM"}),
            "package_name": app.package,
            "base_url": url,
            "auth_url": url,
        }
        templates = [{"template_id": i, "title": sorted(t.title), "content": sorted(t.content)} for i, t in app.rights.templates.items()]
        return {"channel": "oppo", "settings": settings, "files": {}, "templates": templates}

    def fault_body(self, _status: int) -> bytes:
        return json.dumps({"code": OVERLOADED, "message": "Service Currently Unavailable"}).encode()

    async def handle(self, request: SimRequest) -> SimResponse:
        try:
            return self._route(request)
        except Refused as refused:
            value = {"code": refused.code, "message": refused.reason}
            return json_response(200, value, accepted=False, reason=f"{refused.code} {refused.reason}")

    def _route(self, request: SimRequest) -> SimResponse:
        if request.path == FEEDBACK:
            return self._feedback(request)
        calls = {"unicast": self._unicast, "unicast_batch": self._batch, "save_message_content": self._save, "broadcast": self._broadcast}
        call = calls.get(request.path.removeprefix(NOTIFICATION)) if request.path.startswith(NOTIFICATION) else None
        if call is None and request.path != AUTH:
            raise Refused(NO_RIGHT, f"there is no API {request.path} here")
        if request.method != "POST":
            raise Refused(12, f"{request.method} is the wrong method")
        form = _form(request)
        if call is None:
            return self._log_in(form)
        return call(self._authenticate(request, form), form)

    # --- log-in

    def _log_in(self, form: dict[str, str]) -> SimResponse:
        for name, code in (("app_key", 15), ("timestamp", 18), ("sign", 17)):
            if not form.get(name):
                raise Refused(code, f"Missing {name}")
        app, timestamp = self._by_key.get(form["app_key"]), form["timestamp"]
        if app is None:
            raise Refused(14, "Invalid App Key")
        if re.fullmatch(r"\d{13}", timestamp) is None or abs(int(timestamp) - self._world.clock.now_ms()) > WINDOW_MS:
            raise Refused(19, "Invalid Timestamp")
        sign = hashlib.sha256((app.app_key + timestamp + app.master_secret).encode()).hexdigest()
        if not hmac.compare_digest(sign.encode(), form["sign"].encode("utf-8", "replace")):
            raise Refused(16, "Invalid Signature")
        token, now = str(uuid.uuid4()), self._world.clock.now_ms()
        app.grants[token] = now + app.grant_seconds * 1000
        self._grants[token] = app
        while len(self._grants) > MAX_GRANTS:
            oldest = next(iter(self._grants))
            self._grants.pop(oldest).grants.pop(oldest, None)
        return _ok({"auth_token": token, "create_time": now})

    def _authenticate(self, request: SimRequest, form: dict[str, str]) -> OppoApp:
        """The token as a form field, or in a header as older clients have it."""
        token = form.get("auth_token") or request.headers.get("auth_token", "")
        if not token:
            raise Refused(NO_TOKEN, "Missing Auth Token")
        app = self._grants.get(token)
        if app is None or app.grants[token] <= self._world.clock.now_ms():
            raise Refused(BAD_TOKEN, "Invalid Auth Token")
        return app

    # --- sending

    def _unicast(self, app: OppoApp, form: dict[str, str]) -> SimResponse:
        if "message" not in form:
            raise Refused(MISSING, "message is required")
        value = _json(form["message"])
        self._count(app, 1)
        return _ok({"messageId": self._send(app, value)})

    def _batch(self, app: OppoApp, form: dict[str, str]) -> SimResponse:
        if "messages" not in form:
            raise Refused(MISSING, "messages is required")
        values = _json(form["messages"])
        if not isinstance(values, list) or not 1 <= len(values) <= MAX_BATCH:
            raise Refused(ILLEGAL, f"messages must be an array of 1 to {MAX_BATCH}")
        self._count(app, len(values))
        items, failed = [], 0
        for value in values:
            target = value.get("target_value", value.get("targetValue", "")) if isinstance(value, dict) else ""
            try:
                items.append({"messageId": self._send(app, value), "registrationId": target})
            except Refused as refused:
                failed += 1
                items.append({"registrationId": target, "errorCode": refused.code, "errorMessage": refused.reason})
        return _ok(items, reason=f"{failed} of {len(items)} failed" if failed else "")

    def _save(self, app: OppoApp, form: dict[str, str]) -> SimResponse:
        message_id = secrets.token_hex(12)
        app.saved[message_id] = read_notification(from_form(form), app.rights)
        while len(app.saved) > MAX_SAVED:
            del app.saved[next(iter(app.saved))]
        return _ok({"message_id": message_id})

    def _broadcast(self, app: OppoApp, form: dict[str, str]) -> SimResponse:
        fields = app.saved.get(form.get("message_id", ""))
        if fields is None:
            raise Refused(ABSENT, "message_id is unknown")
        if form.get("target_type") != "2":
            raise Refused(NO_RIGHT, "only registration ids are broadcast to here")
        targets = [t for t in form.get("target_value", "").split(";") if t]
        if not 1 <= len(targets) <= MAX_BATCH:
            raise Refused(ILLEGAL, f"target_value must have 1 to {MAX_BATCH} ids")
        self._count(app, len(targets))
        task_id, dead = self._message_id(app), []
        for target in targets:
            try:
                self._deliver(app, OppoMessage(target, verify=False, fields=fields, private=is_private(fields, app.rights)), task_id)
            except Refused as refused:
                if refused.code != DEAD_ID:
                    raise
                dead.append(target)
        return _ok({"message_id": form["message_id"], "task_id": task_id, **({str(DEAD_ID): dead} if dead else {})})

    def _count(self, app: OppoApp, devices: int) -> None:
        if not app.bucket.take(devices):
            raise Refused(BUSY, "App Call Limited")
        if self._world.faults.take(self.name, "quota") is not None:
            raise Refused(QUOTA, "The number of messages exceeds the daily limit")

    def _send(self, app: OppoApp, value: Any) -> str:
        message_id = self._message_id(app)
        self._deliver(app, read_unicast(value, app.rights), message_id)
        return message_id

    def _deliver(self, app: OppoApp, message: OppoMessage, message_id: str) -> None:
        issued = self._issued(app, message, message_id)
        if issued is None:
            return
        phone = issued.phone
        if not message.private:
            if self._days.get(("app", app.package)) >= app.daily_quota:
                raise Refused(QUOTA, "The number of messages exceeds the daily limit")
            self._days.add(("app", app.package))
            if self._days.add(("device", app.package, phone.id)) > app.device_cap:
                self._receipt(message, message.target, message_id, "user_daily_limit")
                return
        if message.verify and phone.token != message.target:
            return  # the phone registered anew: it drops what was meant for its former id
        notice = make_notice(message, phone, message_id)
        if notice is not None:
            notice.on_event = partial(self._on_event, message)
            self._world.notify(phone, notice)

    def _issued(self, app: OppoApp, message: OppoMessage, message_id: str) -> IssuedId | None:
        """Whose id it is. Raises Refused for a dead one, or tells it by a receipt and returns None."""
        issued = self._ids.get(message.target)
        if issued is None or issued.app is not app:
            raise Refused(DEAD_ID, "Invalid RegistrationId")
        gone = not issued.phone.app_installed or issued.phone.inactive
        if len(self._world.faults) and self._world.faults.take(self.name, "dead_token", token=message.target):
            raise Refused(DEAD_ID, "Invalid RegistrationId")
        if gone and app.late_dead:
            self._receipt(message, message.target, message_id, "regid_invalid")
            return None
        if gone:
            raise Refused(DEAD_ID, "Invalid RegistrationId")
        return issued

    def _feedback(self, request: SimRequest) -> SimResponse:
        if request.method != "GET":
            raise Refused(12, f"{request.method} is the wrong method")
        app = self._authenticate(request, request.query)
        dead = [i for i, issued in self._ids.items() if issued.app is app and not issued.phone.app_installed]
        return _ok({"registration_ids": dead[:MAX_BATCH]})

    # --- receipts

    def _on_event(self, message: OppoMessage, event: PhoneEvent, _phone: Phone, notice: Notice, _reason: str) -> None:
        """``push_arrive``: the push client has it; not that it was shown (vendor sheet, section 7)."""
        if event is PhoneEvent.DELIVERED:
            self._receipt(message, message.target, notice.message_id, "push_arrive")

    def _receipt(self, message: OppoMessage, target: str, message_id: str, event: str) -> None:
        url = message.text("call_back_url")
        if not url:
            return
        entry = {
            "messageId": message_id,
            "appId": message_id.partition("-")[0],
            "taskId": message_id,
            "registrationIds": target,
            "eventTime": str(self._world.clock.now_ms()),
            "param": message.text("call_back_parameter"),
            "eventType": event,
        }
        self._receipts.add(url, entry)

    def _post_receipts(self, url: str, entries: list[dict[str, Any]]) -> None:
        body = json.dumps(entries, separators=(",", ":")).encode()
        self._world.post_receipt(ReceiptPost(self.name, url, body, "application/json"))

    # --- the console

    def _app(self, phone: Phone) -> OppoApp:
        app = self._apps.get(phone.package)
        if app is None:
            app = self._apps[phone.package] = self._new_app(phone)
            self._by_key[app.app_key] = app
        return app

    def _new_app(self, phone: Phone) -> OppoApp:
        """``app.vendor`` of the phone may say: rule, categories, strong, needs_template, templates, private_channels, qps,
        daily_quota, device_cap, token_seconds, late_dead.
        """
        wishes = phone.vendor_settings
        return OppoApp(
            package=phone.package,
            app_id=str(3000 + self._world.next_id()),
            app_key=secrets.token_hex(16),
            master_secret=secrets.token_hex(16),
            rights=OppoRights(
                legacy=wishes.get("rule") == "legacy",
                categories=_names(wishes.get("categories"), SERVICE | MARKETING),
                strong=wishes.get("strong") is True,
                needs_template=wishes.get("needs_template") is True,
                templates=_read_templates(wishes.get("templates")),
                private_channels=_names(wishes.get("private_channels"), frozenset({PRIVATE_CHANNEL})),
            ),
            bucket=TokenBucket(self._world.clock, _number(wishes.get("qps"), QPS) or QPS),
            daily_quota=_number(wishes.get("daily_quota"), DAILY_FLOOR),
            device_cap=_number(wishes.get("device_cap"), DEVICE_CAP),
            grant_seconds=_number(wishes.get("token_seconds"), GRANT_SECONDS),
            late_dead=wishes.get("late_dead") is True,
        )

    def _message_id(self, app: OppoApp) -> str:
        return f"{app.app_id}-1-1-{self._world.next_id():06d}{secrets.token_hex(6)}"


def _form(request: SimRequest) -> dict[str, str]:
    if not request.headers.get("content-type", "").lower().startswith("application/x-www-form-urlencoded"):
        raise Refused(ILLEGAL, "the content type must be application/x-www-form-urlencoded")
    try:
        return dict(parse_qsl(request.body.decode("ascii"), keep_blank_values=True, errors="strict"))
    except ValueError:
        raise Refused(ILLEGAL, "the body is not form-encoded UTF-8") from None


def _json(text: str) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        raise Refused(ILLEGAL, "the message is not JSON") from None


def _ok(data: Any, *, reason: str = "") -> SimResponse:
    return json_response(200, {"code": 0, "message": "", "data": data}, reason=reason)


def _names(value: Any, default: frozenset[str]) -> frozenset[str]:
    return frozenset(v for v in value if isinstance(v, str)) if isinstance(value, list) else default


def _number(value: Any, default: int) -> int:
    return value if isinstance(value, int) and not isinstance(value, bool) and value >= 0 else default


def _read_templates(value: Any) -> dict[str, OppoTemplate]:
    """``[{"id", "title": [placeholders], "content": [placeholders]}]``."""
    entries = [e for e in value if isinstance(e, dict) and isinstance(e.get("id"), str)] if isinstance(value, list) else []
    return {e["id"]: OppoTemplate(_names(e.get("title"), frozenset()), _names(e.get("content"), frozenset())) for e in entries}
