"""vivo push, server side (vendor sheet)."""

from __future__ import annotations

import hashlib
import hmac
import json
import secrets
from collections import OrderedDict
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Final

from ..base import Notice, PhoneEvent, SimRequest, SimResponse, TapKind
from ..bucket import TokenBucket
from ..daily import CHINA_OFFSET_MS, DAY_MS, DailyCounter
from ..front import json_response
from ..phones import Phone
from ..receipts import Batch, ReceiptPost
from ..world import World
from .vivo_rules import (
    LINK,
    NO_USER,
    OPERATIONAL,
    OTHER_FIELD,
    PAGE,
    SYSTEM,
    UNKNOWN_FIELD,
    Refused,
    VivoMessage,
    VivoRights,
    integer,
    read_message,
    request_id,
)

AUTH, SEND, SAVE, LIST, ALL = (f"/message/{name}" for name in ("auth", "send", "saveListPayload", "pushToList", "all"))
STATISTICS, CHECK = "/report/getStatistics", "/invalidUser/check"
PATHS: Final = frozenset({AUTH, SEND, SAVE, LIST, ALL, STATISTICS, CHECK})

WINDOW_MS: Final = 600_000
GRANT_SECONDS: Final = 86_400
MAX_GRANTS: Final = 10_000
LOG_INS: Final = 10  # a second and app
QPS: Final = 3000  # devices a second
BASE: Final = 10_000  # users that an app with fewer counts as
SYSTEM_FACTOR, OPERATIONAL_FACTOR = 20, 2
DEVICE_CAP: Final = 2  # operational messages a device and day
OPEN_HOUR, CLOSE_HOUR = 7, 23
SAVES_A_DAY: Final = 10_000  # the vendor names no figure
MAX_LIST: Final = 1000
MAX_KEPT: Final = 100_000
RECEIPT_SECONDS: Final = 0.2  # the vendor names no interval
BAD_TOKEN, QUOTA, CLOSED, BUSY, SYSTEM_QUOTA, WRONG_APP = 10000, 10070, 10071, 10072, 10073, 10094
BAD_USER, OFTEN, SAVES_SPENT, ALL_SPENT = 10302, 10250, 10252, 10254
UNKNOWN_ID, GONE, INACTIVE, NO_TEST_DEVICE = 1, 2, 3, 4


@dataclass(slots=True, eq=False)
class VivoApp:
    """One app in the console."""

    package: str
    app_id: int
    app_key: str
    app_secret: str
    rights: VivoRights
    bucket: TokenBucket
    log_ins: TokenBucket
    system_quota: int
    operational_quota: int
    device_cap: int
    saves_a_day: int
    hours: bool  # whether operational messages rest at night
    test_devices: bool  # whether its phones are listed for test mode
    profile_id: str
    receipt_id: str
    receipts_url: str = ""  # registered in the console: the newer receipts, which end the older ones
    grants: dict[str, int] = field(default_factory=dict)  # token -> when it ends, ms


@dataclass(slots=True, eq=False)
class IssuedRegId:
    """A regId and whose it is."""

    app: VivoApp
    phone: Phone


class VivoSimulator:
    """The one host of vivo."""

    name = "vivo"
    brands = ("vivo",)

    def __init__(self, world: World) -> None:
        self._world = world
        self._apps: dict[str, VivoApp] = {}
        self._by_id: dict[int, VivoApp] = {}
        self._regids: dict[str, IssuedRegId] = {}
        self._grants: dict[str, VivoApp] = {}
        self._saved: OrderedDict[str, tuple[VivoApp, VivoMessage]] = OrderedDict()
        self._seen: OrderedDict[tuple[str, str], str] = OrderedDict()  # (package, request id) -> task id
        self._counts: OrderedDict[str, dict[str, int]] = OrderedDict()  # task id -> statistics
        self._days = DailyCounter(world.clock)
        self._receipts: Batch[str, tuple[str, dict[str, Any]]] = Batch(RECEIPT_SECONDS, self._post_receipts)

    # --- what the sandbox asks

    def matches(self, request: SimRequest) -> bool:
        return request.path in PATHS

    def issue_token(self, phone: Phone) -> str:
        regid = f"v2-{secrets.token_urlsafe(42)}"
        self._regids[regid] = IssuedRegId(self._app(phone), phone)
        return regid

    def business_hint(self, phone: Phone) -> dict[str, Any]:
        app, url = self._app(phone), self._world.base_url
        settings = {
            "app_id": str(app.app_id),
            "app_key": app.app_key,
            "app_secret": app.app_secret,
            "category": "IM",
            "package_name": app.package,
            "base_url": url,
            "auth_url": url,
            **({"receipt_id": app.receipt_id} if app.receipts_url else {}),
        }
        return {"channel": "vivo", "settings": settings, "files": {}, "receipt_id": app.receipt_id}

    def configure_receipts(self, package: str, url: str) -> None:
        """What the console's receipt page holds; "" closes the newer receipts. Raises LookupError."""
        app = self._apps.get(package)
        if app is None:
            raise LookupError(f"no app {package!r}")
        app.receipts_url = url

    def fault_body(self, _status: int) -> bytes:
        return json.dumps({"result": 10102, "desc": "unknown fault"}).encode()

    async def handle(self, request: SimRequest) -> SimResponse:
        try:
            return self._route(request)
        except Refused as refused:
            value = {"result": refused.code, "desc": refused.reason, **refused.more}
            return json_response(200, value, accepted=False, reason=f"{refused.code} {refused.reason}")

    def _route(self, request: SimRequest) -> SimResponse:
        if request.method != ("GET" if request.path == STATISTICS else "POST"):
            return json_response(405, {"result": 405, "desc": "wrong method"}, accepted=False, reason="405")
        if request.path == STATISTICS:
            return self._statistics(self._authenticate(request), request.query.get("taskIds", ""))
        body = _json_object(request)
        if request.path == AUTH:
            return self._log_in(body)
        app = self._authenticate(request)
        if "appId" in body and integer(body, "appId", WRONG_APP, 0, 2**53) != app.app_id:
            raise Refused(WRONG_APP, "appId is not that of the authToken")
        calls = {SEND: self._send, SAVE: self._save, LIST: self._list, CHECK: self._check}
        if request.path == ALL:
            raise Refused(ALL_SPENT, "the push to all of today is spent")
        return calls[request.path](app, body)

    # --- log-in

    def _log_in(self, body: dict[str, Any]) -> SimResponse:
        for name, code in (("appId", 10200), ("appKey", 10201), ("timestamp", 10203), ("sign", 10204)):
            if body.get(name) in (None, ""):
                raise Refused(code, f"{name} is empty")
        app = self._by_id.get(integer(body, "appId", 10205, 0, 2**53))
        if app is None:
            raise Refused(10205, "appId does not exist")
        if body["appKey"] != app.app_key:
            raise Refused(10202, "appKey is illegal")
        now, timestamp = self._world.clock.now_ms(), integer(body, "timestamp", 10207, 10**12, 10**13 - 1)
        if abs(timestamp - now) > WINDOW_MS:
            raise Refused(10207, "timestamp is out of range")
        sign = hashlib.md5(f"{app.app_id}{app.app_key}{timestamp}{app.app_secret}".encode(), usedforsecurity=False).hexdigest()
        if not hmac.compare_digest(sign.encode(), str(body["sign"]).encode("utf-8", "replace")):
            raise Refused(10206, "sign is wrong")
        if not app.log_ins.take():
            raise Refused(OFTEN, "auth is called too often")
        token = secrets.token_hex(18)
        app.grants[token] = now + GRANT_SECONDS * 1000
        self._grants[token] = app
        while len(self._grants) > MAX_GRANTS:
            oldest = next(iter(self._grants))
            self._grants.pop(oldest).grants.pop(oldest, None)
        return _ok(authToken=token)

    def _authenticate(self, request: SimRequest) -> VivoApp:
        token = request.headers.get("authtoken", "")
        app = self._grants.get(token)
        if app is None or app.grants[token] <= self._world.clock.now_ms():
            raise Refused(BAD_TOKEN, "authToken is missing, wrong or expired")
        return app

    # --- sending

    def _send(self, app: VivoApp, body: dict[str, Any]) -> SimResponse:
        message = read_message(body, app.rights)
        regid = body.get("regId") or body.get("alias")
        if not isinstance(regid, str) or not regid:
            raise Refused(NO_USER, "regId or alias is required")
        self._admit(app, message, 1)
        status = self._status(app, regid, message)
        if status:
            raise Refused(BAD_USER, "regId不合法", invalidUser={"status": status, "userid": regid})
        return _ok(taskId=self._once(app, message.request_id, lambda task: self._deliver(app, regid, message, task, single=True)))

    def _save(self, app: VivoApp, body: dict[str, Any]) -> SimResponse:
        message = read_message(body, app.rights, saved=True)
        if self._days.add(("saves", app.package)) > app.saves_a_day:
            raise Refused(SAVES_SPENT, "too many saved bodies today")
        task = self._task_id()
        _keep(self._saved, task, (app, message))
        return _ok(taskId=task)

    def _list(self, app: VivoApp, body: dict[str, Any]) -> SimResponse:
        unknown = sorted(set(body) - {"appId", "regIds", "aliases", "taskId", "requestId", "pushMode"})
        if unknown:
            raise Refused(UNKNOWN_FIELD, f"unknown field {unknown[0]}")
        name, regids = request_id(body), body.get("regIds") or body.get("aliases")
        if not isinstance(regids, list) or not 2 <= len(regids) <= MAX_LIST or not all(isinstance(r, str) and r for r in regids):
            raise Refused(NO_USER, f"regIds must have 2 to {MAX_LIST} ids")
        saved = self._saved.get(str(body.get("taskId", "")))
        if saved is None or saved[0] is not app:
            raise Refused(OTHER_FIELD, "taskId is unknown")
        message, task = saved[1], str(body["taskId"])
        self._admit(app, message, len(regids))
        statuses = {regid: self._status(app, regid, message) for regid in regids}

        def deliver(_task: str) -> None:
            for regid, status in statuses.items():
                if not status:
                    self._deliver(app, regid, message, task, single=False)

        self._once(app, name, deliver)
        invalid = [{"status": status, "userid": regid} for regid, status in statuses.items() if status]
        return _ok(taskId=task, **({"invalidUsers": invalid} if invalid else {}))

    def _once(self, app: VivoApp, name: str, deliver: Any) -> str:
        """A repeated request id is answered as the first one was, and delivers nothing."""
        known = self._seen.get((app.package, name))
        if known is not None:
            return known
        task = self._task_id()
        _keep(self._seen, (app.package, name), task)
        deliver(task)
        return task

    def _admit(self, app: VivoApp, message: VivoMessage, devices: int) -> None:
        """Rate, hours and the day's total of the class. Tests are outside the quotas."""
        if not app.bucket.take(devices):
            raise Refused(BUSY, "sending too fast")
        if self._world.faults.take(self.name, "quota") is not None:
            raise Refused(QUOTA, "发送总量超出限制")
        if message.test:
            return
        if not message.system and app.hours and not OPEN_HOUR <= self._hour() < CLOSE_HOUR:
            raise Refused(CLOSED, "outside of the hours of operational messages")
        if self._days.get((message.system, app.package)) >= (app.system_quota if message.system else app.operational_quota):
            raise Refused(SYSTEM_QUOTA if message.system else QUOTA, "发送总量超出限制")

    def _hour(self) -> int:
        return (self._world.clock.now_ms() + CHINA_OFFSET_MS) % DAY_MS // 3_600_000

    def _status(self, app: VivoApp, regid: str, message: VivoMessage) -> int:
        """What is wrong with an id, 0 where nothing is."""
        issued = self._regids.get(regid)
        if issued is None or issued.app is not app:
            return UNKNOWN_ID
        if not issued.phone.app_installed or issued.phone.token != regid:
            return GONE
        if len(self._world.faults) and self._world.faults.take(self.name, "dead_token", token=regid):
            return GONE
        if message.test and not app.test_devices:
            return NO_TEST_DEVICE
        return INACTIVE if issued.phone.inactive else 0

    def _deliver(self, app: VivoApp, regid: str, message: VivoMessage, task: str, *, single: bool) -> None:
        phone = self._regids[regid].phone
        counts = self._counts.get(task) or _keep(self._counts, task, dict.fromkeys(("send", "receive", "display", "click"), 0))
        counts["send"] += 1
        if not message.system and not message.test and self._days.add(("device", app.package, phone.id)) > app.device_cap:
            return  # silent; seen in the statistics only
        if message.send_online and phone.offline:
            return
        if message.profile_id and message.profile_id != app.profile_id:
            return
        notice = _notice(message, phone, task)
        notice.on_event = partial(self._on_event, app, message, counts, regid, single)
        self._world.notify(phone, notice)

    # --- receipts and statistics

    def _on_event(
        self,
        app: VivoApp,
        message: VivoMessage,
        counts: dict[str, int],
        regid: str,
        single: bool,
        event: PhoneEvent,
        _phone: Phone,
        notice: Notice,
        _reason: str,
    ) -> None:
        if event is PhoneEvent.DELIVERED:
            counts["receive"] += 1
            self._days.add((message.system, app.package))  # quotas count arrivals
            self._receipt(app, message, regid, notice.message_id, single, "0")
        elif event is PhoneEvent.SHOWN:
            counts["display"] += 1
        elif event is PhoneEvent.CLICKED:
            counts["click"] += 1
        elif event is PhoneEvent.EXPIRED:
            self._receipt(app, message, regid, notice.message_id, single, "1")

    def _receipt(self, app: VivoApp, message: VivoMessage, regid: str, task: str, single: bool, ack: str) -> None:
        """The newer receipts go to the console's address; open, they end the older ones, which are for single sends only."""
        if app.receipts_url:
            url = app.receipts_url if message.callback_id == app.receipt_id else ""
        else:
            url = message.callback if single and not message.test else ""
        if url:
            entry = {"param": message.callback_param, "targets": regid, "ackType": ack, "ackTime": self._world.clock.now_ms()}
            self._receipts.add(url, (task, entry))

    def _post_receipts(self, url: str, entries: list[tuple[str, dict[str, Any]]]) -> None:
        """One object keyed by task id; a task with several phones needs several calls."""
        while entries:
            body: dict[str, Any] = {}
            rest = [(task, entry) for task, entry in entries if body.setdefault(task, entry) is not entry]
            self._world.post_receipt(ReceiptPost(self.name, url, json.dumps(body).encode(), "application/json"))
            entries = rest

    def _statistics(self, _app: VivoApp, task_ids: str) -> SimResponse:
        wanted = [t for t in task_ids.split(",") if t]
        if len(wanted) > 100:
            raise Refused(OTHER_FIELD, "at most 100 task ids")
        return _ok(statistics=[{"taskId": t, **self._counts[t]} for t in wanted if t in self._counts])

    def _check(self, app: VivoApp, body: dict[str, Any]) -> SimResponse:
        regids = body.get("userIds")
        if integer(body, "userType", OTHER_FIELD, 1, 2, required=True) != 1 or not isinstance(regids, list):
            raise Refused(OTHER_FIELD, "userType must be 1, userIds a list")
        found = []
        for regid in regids[:MAX_LIST]:
            issued = self._regids.get(str(regid))
            status = UNKNOWN_ID if issued is None or issued.app is not app else 0 if issued.phone.app_installed else GONE
            if status:
                found.append({"userid": str(regid), "status": status})
        return _ok(data=found)

    # --- the console

    def _app(self, phone: Phone) -> VivoApp:
        app = self._apps.get(phone.package)
        if app is None:
            app = self._apps[phone.package] = self._new_app(phone)
            self._by_id[app.app_id] = app
        return app

    def _new_app(self, phone: Phone) -> VivoApp:
        """``app.vendor`` of the phone may say: categories, length_rule, test_filter, qps, system_quota, operational_quota,
        device_cap, saves_a_day, hours, test_devices, profile_id, receipts_url.
        """
        wishes, clock, number = phone.vendor_settings, self._world.clock, self._world.next_id()
        categories = wishes.get("categories")
        return VivoApp(
            package=phone.package,
            app_id=100_000_000 + number,
            app_key=secrets.token_hex(16),
            app_secret=secrets.token_hex(18),
            rights=VivoRights(
                categories=frozenset(str(c) for c in categories) if isinstance(categories, list) else SYSTEM | OPERATIONAL,
                half_width=wishes.get("length_rule") != "chars",
                test_filter=wishes.get("test_filter") is True,
            ),
            bucket=TokenBucket(clock, _number(wishes.get("qps"), QPS) or QPS),
            log_ins=TokenBucket(clock, LOG_INS),
            system_quota=_number(wishes.get("system_quota"), BASE * SYSTEM_FACTOR),
            operational_quota=_number(wishes.get("operational_quota"), BASE * OPERATIONAL_FACTOR),
            device_cap=_number(wishes.get("device_cap"), DEVICE_CAP),
            saves_a_day=_number(wishes.get("saves_a_day"), SAVES_A_DAY),
            hours=wishes.get("hours") is not False,
            test_devices=wishes.get("test_devices") is True,
            profile_id=str(wishes.get("profile_id") or ""),
            receipt_id=str(number),
            receipts_url=str(wishes.get("receipts_url") or ""),
        )

    def _task_id(self) -> str:
        return str(130_000_000 + self._world.next_id())


def _notice(message: VivoMessage, phone: Phone, task: str) -> Notice:
    """What the phone gets: the class decides tone and lock screen (vendor sheet, section 8)."""
    kinds = {LINK: TapKind.WEB, PAGE: TapKind.INTENT_URI, 1: TapKind.LAUNCHER}
    return Notice(
        vendor="vivo",
        message_id=task,
        package=phone.package,
        title=message.title,
        body=message.content,
        tap=kinds.get(message.skip_type, TapKind.RECEIVER),
        tap_value=message.skip_content,
        extras=dict(message.custom) if message.skip_type in kinds else {"params": dict(message.custom)},
        sound="default",
        silent=not message.system,
        badge_add=1 if message.add_badge else None,
        replace_key=f"id:{message.notify_id}" if message.notify_id is not None else None,
        show_in_foreground=message.foreground_show,
        visibility="private" if message.system else "secret",
        ttl_ms=message.ttl_seconds * 1000,
    )


def _json_object(request: SimRequest) -> dict[str, Any]:
    if not request.headers.get("content-type", "").lower().startswith("application/json"):
        raise Refused(UNKNOWN_FIELD, "the content type must be application/json")
    try:
        body = json.loads(request.body)
    except (ValueError, RecursionError):
        raise Refused(UNKNOWN_FIELD, "the body is not JSON") from None
    if not isinstance(body, dict):
        raise Refused(UNKNOWN_FIELD, "the body is not a JSON object")
    return body


def _ok(**fields: Any) -> SimResponse:
    invalid = fields.get("invalidUsers")
    return json_response(200, {"result": 0, "desc": "请求成功", **fields}, reason=f"{len(invalid)} invalid users" if invalid else "")


def _keep(book: OrderedDict[Any, Any], key: Any, value: Any) -> Any:
    """Put into a book that forgets its oldest entries."""
    book[key] = value
    while len(book) > MAX_KEPT:
        book.popitem(last=False)
    return value


def _number(value: Any, default: int) -> int:
    return value if isinstance(value, int) and not isinstance(value, bool) and value >= 0 else default
