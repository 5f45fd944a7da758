"""Meizu (Flyme) push, server side (vendor sheet)."""

from __future__ import annotations

import json
import re
import secrets
from collections import deque
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Final
from urllib.parse import urlencode

from ..base import Notice, PhoneEvent, SimRequest, SimResponse
from ..bucket import TokenBucket
from ..daily import DailyCounter
from ..front import json_response
from ..phones import Phone
from ..receipts import Batch, ReceiptPost
from ..world import World
from .meizu_phone import is_public, make_notice
from .meizu_rules import BAD_APP, PARAMETER, Refused, check_sign, need, read_form, read_message, split_targets

_PUSH: Final = "/garcia/api/server/push/"
SEND_PATH, ALIAS_PATH = _PUSH + "varnished/pushByPushId", _PUSH + "varnished/pushByAlias"
DATA_PATHS: Final = (_PUSH + "unvarnished/pushByPushId", _PUSH + "unvarnished/pushByAlias")
TASK_PATH, TASK_SEND_PATH = _PUSH + "pushTask/getTaskId", _PUSH + "task/varnished/pushByPushId"
SWITCH_PATH = "/garcia/api/server/message/getRegisterSwitch"

QPS = 200
PUBLIC_CAP = 3  # per device, app and day; 5 for news
FOLD_LIMIT, FOLD_SECONDS = 5, 60
MAX_TASKS = 10_000
RECEIPT_SECONDS = 1.0

OK, TOO_FAST, APP_QUOTA, BAD_TASK, NO_DATA = "200", "110010", "110019", "110032", "110053"
NO_RIGHT, FOLDED, EXPIRED, ILLEGAL, NO_ALIAS, MUTED, CAPPED = "201", "520", "110002", "110003", "110005", "110010", "110011"
_PUSH_ID: Final = re.compile(r"[0-9A-Za-z]{20,64}")


@dataclass(slots=True, eq=False)
class MeizuApp:
    """One app in the console."""

    package: str
    app_id: str
    app_secret: str
    receipt_token: str
    bucket: TokenBucket
    public_cap: int
    private_right: bool
    receipt_urls: set[str] = field(default_factory=set)
    tasks: dict[str, dict[str, Any]] = field(default_factory=dict)


@dataclass(slots=True, eq=False)
class IssuedId:
    """A pushId and whose it is, with the moments of its latest messages."""

    app: MeizuApp
    phone: Phone
    recent: deque[float] = field(default_factory=lambda: deque(maxlen=FOLD_LIMIT))


class MeizuSimulator:
    """The push and the subscription host in one."""

    name = "meizu"
    brands = ("meizu",)

    def __init__(self, world: World) -> None:
        self._world = world
        self._apps: dict[str, MeizuApp] = {}
        self._by_id: dict[str, MeizuApp] = {}
        self._ids: dict[str, IssuedId] = {}
        self._days = DailyCounter(world.clock)
        self._receipts: Batch[tuple[MeizuApp, str], tuple[str, int, str, str]] = Batch(RECEIPT_SECONDS, self._post_receipts)

    # --- what the sandbox asks

    def matches(self, request: SimRequest) -> bool:
        return request.path.startswith("/garcia/api/server/")

    def issue_token(self, phone: Phone) -> str:
        app = self._app(phone)
        push_id = "S5Q" + secrets.token_hex(21)
        self._ids[push_id] = IssuedId(app, phone)
        return push_id

    def business_hint(self, phone: Phone) -> dict[str, Any]:
        app = self._app(phone)
        settings = {
            "app_id": app.app_id,
            "app_secret": app.app_secret,
            "callback_token": app.receipt_token,
            "package_name": app.package,
            "base_url": self._world.base_url,
        }
        if self._world.receipts_to:  # addresses there count as registered
            settings["callback_registered"] = "1"
        return {"channel": "meizu", "settings": settings, "files": {}, "receipts": {"urls": sorted(app.receipt_urls)}}

    def configure_receipts(self, package: str, url: str, user_name: str | None = None, key: str | None = None) -> None:
        """Register one more receipt address; ``key`` replaces the token that is sent along. Raises LookupError."""
        del user_name
        app = self._apps.get(package)
        if app is None:
            raise LookupError(f"no app {package!r}")
        app.receipt_urls.add(url)
        app.receipt_token = app.receipt_token if key is None else key

    def fault_body(self, _status: int) -> bytes:
        return json.dumps({"code": "1001", "message": "系统错误", "value": "", "redirect": ""}, ensure_ascii=False).encode()

    async def handle(self, request: SimRequest) -> SimResponse:
        try:
            return self._route(request)
        except Refused as refused:
            value = {"code": refused.code, "message": refused.words, "value": "", "redirect": ""}
            return json_response(200, value, accepted=False, reason=f"{refused.code} {refused.words}")

    def _route(self, request: SimRequest) -> SimResponse:
        routes = {SEND_PATH: self._send, ALIAS_PATH: self._alias, TASK_PATH: self._task, TASK_SEND_PATH: self._send_task}
        path = request.path
        if path == SWITCH_PATH and request.method == "GET":
            return self._switches(read_form(request))
        if path in DATA_PATHS:
            raise Refused(NO_DATA, "data messages are no longer offered")
        if path not in routes or request.method != "POST":
            return SimResponse(404, {"content-type": "application/json"}, b"", accepted=False, reason=f"no {request.method} {path}")
        return routes[path](read_form(request))

    def _authenticate(self, form: dict[str, str], *names: str) -> MeizuApp:
        """The app whose secret signed the form. Raises Refused."""
        need(form, "appId", *names)
        app = self._by_id.get(form["appId"])
        if app is None:
            raise Refused(BAD_APP, "appId 不合法")
        check_sign(form, app.app_secret)
        if self._world.faults.take(self.name, "quota") is not None:
            raise Refused(APP_QUOTA, "the app's daily number of pushes is used up")
        if not app.bucket.take():
            raise Refused(TOO_FAST, "应用请求频率超过限制")
        return app

    # --- calls

    def _send(self, form: dict[str, str]) -> SimResponse:
        app = self._authenticate(form, "pushIds", "messageJson")
        return self._to_ids(app, split_targets(form["pushIds"]), read_message(form["messageJson"]))

    def _alias(self, form: dict[str, str]) -> SimResponse:
        """Nobody subscribes an alias here."""
        self._authenticate(form, "alias", "messageJson")
        read_message(form["messageJson"])
        return _answer({NO_ALIAS: split_targets(form["alias"])}, secrets.token_hex(16))

    def _task(self, form: dict[str, str]) -> SimResponse:
        app = self._authenticate(form, "pushType", "messageJson")
        if form["pushType"] != "0":
            raise Refused(NO_DATA if form["pushType"] == "1" else PARAMETER, "pushType must be 0")
        message, number = read_message(form["messageJson"]), 20_000 + self._world.next_id()
        app.tasks[str(number)] = message
        while len(app.tasks) > MAX_TASKS:
            del app.tasks[next(iter(app.tasks))]
        return _answer({"taskId": number, "pushType": 0, "appId": int(app.app_id)})

    def _send_task(self, form: dict[str, str]) -> SimResponse:
        app = self._authenticate(form, "taskId", "pushIds")
        message = app.tasks.get(form["taskId"])
        if message is None:
            raise Refused(BAD_TASK, f"taskId {form['taskId']} is invalid")
        return self._to_ids(app, split_targets(form["pushIds"]), {k: v for k, v in message.items() if k != "extra"})  # no receipts

    def _switches(self, form: dict[str, str]) -> SimResponse:
        app = self._authenticate(form, "pushId")
        issued = self._ids.get(form["pushId"])
        if issued is None or issued.app is not app:
            raise Refused(EXPIRED, "pushId 未注册")
        on = int(issued.phone.notifications_enabled)
        return _answer({"barTypeSwitch": on, "directTypeSwitch": on, "pushId": form["pushId"]})

    def _to_ids(self, app: MeizuApp, ids: list[str], message: dict[str, Any]) -> SimResponse:
        callback = (message.get("extra") or {}).get("callback", "")
        if callback and not self._is_registered(app, callback):
            raise Refused(PARAMETER, "extra.callback is not registered in the console")
        message_id = secrets.token_hex(16)
        failed: dict[str, list[str]] = {}
        for push_id in ids:
            code = self._problem(app, push_id, message)
            if code is None:
                self._deliver(app, push_id, message, message_id)
            else:
                failed.setdefault(code, []).append(push_id)
        return _answer(failed, message_id)

    def _is_registered(self, app: MeizuApp, url: str) -> bool:
        base = self._world.receipts_to
        return url in app.receipt_urls or bool(base and url.startswith(base + "/"))

    def _problem(self, app: MeizuApp, push_id: str, message: dict[str, Any]) -> str | None:
        """Why one target fails (section 5, inner codes), or None; a target that does not fail is counted."""
        issued = self._ids.get(push_id)
        if issued is None:
            return EXPIRED if _PUSH_ID.fullmatch(push_id) else ILLEGAL
        phone = issued.phone
        if issued.app is not app or not phone.app_installed or phone.token != push_id or self._is_dead_by_order(push_id):
            return EXPIRED
        if not phone.notifications_enabled:
            return MUTED
        if not is_public(message) and not app.private_right:
            return NO_RIGHT
        now = self._world.clock.monotonic()
        if len(issued.recent) == FOLD_LIMIT and now - issued.recent[0] < FOLD_SECONDS:
            return FOLDED
        if is_public(message) and self._days.add(("public", app.package, phone.id)) > app.public_cap:
            return CAPPED
        issued.recent.append(now)
        return None

    def _is_dead_by_order(self, push_id: str) -> bool:
        return bool(len(self._world.faults) and self._world.faults.take(self.name, "dead_token", token=push_id))

    def _deliver(self, app: MeizuApp, push_id: str, message: dict[str, Any], message_id: str) -> None:
        phone = self._ids[push_id].phone
        notice = make_notice(message, phone, message_id)
        notice.on_event = partial(self._on_event, app, push_id, message.get("extra") or {})
        self._world.notify(phone, notice)

    # --- receipts

    def _on_event(
        self, app: MeizuApp, push_id: str, extra: dict[str, Any], event: PhoneEvent, _phone: Phone, notice: Notice, _reason: str
    ) -> None:
        """Delivered and clicked are all that the vendor tells (section 7)."""
        kind = {PhoneEvent.DELIVERED: 1, PhoneEvent.CLICKED: 2}.get(event, 0)
        if kind & int(extra.get("callback.type") or 3) and extra.get("callback"):
            self._receipts.add((app, extra["callback"]), (notice.message_id, kind, extra.get("callback.param", ""), push_id))

    def _post_receipts(self, key: tuple[MeizuApp, str], entries: list[tuple[str, int, str, str]]) -> None:
        app, url = key
        batch: dict[str, dict[str, Any]] = {}
        for message_id, kind, param, push_id in entries:
            batch.setdefault(f"{message_id}-{kind}", {"param": param, "type": kind, "targets": []})["targets"].append(push_id)
        body = urlencode({"cb": json.dumps(batch, separators=(",", ":")), "access_token": app.receipt_token}).encode()
        self._world.post_receipt(ReceiptPost(self.name, url, body, "application/x-www-form-urlencoded"))

    # --- the console

    def _app(self, phone: Phone) -> MeizuApp:
        app = self._apps.get(phone.package)
        if app is None:
            app = self._apps[phone.package] = self._new_app(phone)
            self._by_id[app.app_id] = app
        return app

    def _new_app(self, phone: Phone) -> MeizuApp:
        """``app.vendor`` of the phone may say: qps, public_cap, private_right, receipts_url."""
        wishes = phone.vendor_settings
        qps, cap, url = wishes.get("qps"), wishes.get("public_cap"), wishes.get("receipts_url")
        return MeizuApp(
            package=phone.package,
            app_id=str(100_000 + self._world.next_id()),
            app_secret=secrets.token_hex(16),
            receipt_token=secrets.token_hex(16),
            bucket=TokenBucket(self._world.clock, qps if isinstance(qps, int) and qps > 0 else QPS),
            public_cap=cap if isinstance(cap, int) else PUBLIC_CAP,
            private_right=wishes.get("private_right") is not False,
            receipt_urls={url} if isinstance(url, str) else set(),
        )


def _answer(value: dict[str, Any], message_id: str = "") -> SimResponse:
    """Code 200; behind it, ``value`` names the targets that failed all the same."""
    answer = {"code": OK, "message": "", "value": value, "redirect": ""} | ({"msgId": message_id} if message_id else {})
    failed = {code: len(ids) for code, ids in value.items() if isinstance(ids, list)}
    return json_response(200, answer, reason=f"failed: {failed}" if failed else "")
