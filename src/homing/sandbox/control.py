"""The control API: phones, trays, taps, faults, the request log and live events. JSON, for this machine only."""

from __future__ import annotations

import ipaddress
import json
from collections.abc import AsyncIterator, Callable
from typing import Any
from urllib.parse import unquote, urlsplit

from .base import PhoneEvent, SimRequest, SimResponse
from .faults import BadFault
from .front import json_response
from .phone_api import BadOrder, change_phone, create_phone, ignored_fields, intent_uri_of, phone_json, tray_json
from .phones import Phone
from .tap import open_notification
from .world import World

MAX_WAIT_SECONDS = 30.0
SSE_KEEP_ALIVE_SECONDS = 15.0
CALLS = (
    "POST /phones",
    "GET /phones",
    "GET /phones/{id}",
    "PATCH /phones/{id}",
    "GET /phones/{id}/tray",
    "DELETE /phones/{id}/tray",
    "POST /phones/{id}/tray/{n}/tap",
    "POST /faults",
    "GET /faults",
    "DELETE /faults",
    "GET /requests?vendor=&after=&limit=",
    "GET /events?after=&wait=",
    "PUT /vendors/{vendor}/receipts",
    "GET /ca.pem",
)


class Control:
    """Answers what no vendor answers."""

    def __init__(self, world: World) -> None:
        self._world = world

    async def handle(self, request: SimRequest) -> SimResponse:
        """The answer; bad input is a 4xx with code, message and help."""
        refusal = _outsider(request)
        if refusal is not None:
            return refusal
        cors = _cors(request)
        if request.method == "OPTIONS":
            return SimResponse(204, cors)
        try:
            response = await self._route(request)
        except BadOrder as problem:
            response = _problem(problem.status, problem.code, problem.message, problem.help)
        except BadFault as problem:
            response = _problem(
                400, "bad_fault", str(problem), 'for example {"vendor": "fcm", "kind": "status", "status": 503, "count": 2}'
            )
        response.headers.update(cors)
        return response

    async def _route(self, request: SimRequest) -> SimResponse:
        parts = [unquote(p) for p in request.path.strip("/").split("/")]
        match parts:
            case [""]:
                return self._only(request, {"GET": self._index})
            case ["healthz"]:
                return self._only(request, {"GET": lambda: {"status": "ok"}})
            case ["ca.pem"] if self._world.apns_ca_pem:
                return self._only(
                    request, {"GET": lambda: SimResponse(200, {"content-type": "text/plain"}, self._world.apns_ca_pem.encode())}
                )
            case ["phones"]:
                return self._only(request, {"GET": self._phones, "POST": lambda: self._create(request)})
            case ["phones", phone_id, *rest]:
                return self._phone(request, self._find(phone_id), rest)
            case ["faults"]:
                handlers = {"GET": self._list_faults, "DELETE": self._clear_faults, "POST": lambda: self._add_fault(request)}
                return self._only(request, handlers)
            case ["requests"]:
                return self._only(request, {"GET": lambda: self._requests(request)})
            case ["events"] if request.method == "GET":
                return await self._events(request)
            case ["vendors", name, "receipts"]:
                return self._only(request, {"PUT": lambda: self._set_receipts(name, request)})
        return _problem(404, "not_found", f"there is no {request.path} here", "see GET /")

    def _only(self, request: SimRequest, handlers: dict[str, Callable[[], Any]]) -> SimResponse:
        handler = handlers.get(request.method)
        if handler is None:
            answer = _problem(405, "method_not_allowed", f"{request.method} does not work here", f"use {' or '.join(handlers)}")
            answer.headers["allow"] = ", ".join(handlers)
            return answer
        value = handler()
        return value if isinstance(value, SimResponse) else json_response(200, value)

    def _index(self) -> dict[str, Any]:
        world = self._world
        return {
            "sandbox": "homing",
            "vendors": sorted(world.vendors),
            "brands": world.brands(),
            "base_url": world.base_url,
            "apns_url": world.apns_url,
            "phones": len(world.phones),
            "faults": len(world.faults),
            "requests": world.counts,
            "calls": list(CALLS),
        }

    def _find(self, phone_id: str) -> Phone:
        phone = self._world.phones.get(phone_id)
        if phone is None:
            raise BadOrder("no_such_phone", f"there is no phone {phone_id!r}", "GET /phones lists them", 404)
        return phone

    def _phones(self) -> list[dict[str, Any]]:
        return [phone_json(p, with_tray=False) for p in self._world.phones.values()]

    def _create(self, request: SimRequest) -> SimResponse:
        order = _json_object(request)
        phone = create_phone(self._world, order)
        hint = self._world.vendors[phone.vendor].business_hint(phone)
        page = intent_uri_of(phone)
        if page is not None:
            hint.setdefault("intent_uri", page)
        answer = {"phone_id": phone.id, "token": phone.token, "business_hint": hint}
        ignored = ignored_fields(order)
        return json_response(201, {**answer, "ignored": ignored} if ignored else answer)

    def _phone(self, request: SimRequest, phone: Phone, rest: list[str]) -> SimResponse:
        match rest:
            case []:
                return self._only(request, {"GET": lambda: phone_json(phone), "PATCH": lambda: self._change(phone, request)})
            case ["tray"]:
                return self._only(request, {"GET": lambda: tray_json(phone), "DELETE": lambda: self._clear_tray(phone)})
            case ["tray", place, "tap"]:
                return self._only(request, {"POST": lambda: self._tap(phone, place)})
        return _problem(404, "not_found", f"there is no {request.path} here", "see GET /")

    def _change(self, phone: Phone, request: SimRequest) -> dict[str, Any]:
        change_phone(self._world, phone, _json_object(request))
        return phone_json(phone)

    def _clear_tray(self, phone: Phone) -> dict[str, Any]:
        count = len(phone.tray)
        phone.tray.clear()
        self._world.publish({"event": "tray_cleared", "phone_id": phone.id})
        return {"removed": count}

    def _tap(self, phone: Phone, place: str) -> dict[str, Any]:
        if not place.isdecimal() or int(place) >= len(phone.tray):
            shown = len(phone.tray)
            raise BadOrder("no_such_notification", f"the tray shows {shown}; there is no number {place}", "numbers start at 0", 404)
        item = phone.tray.pop(int(place))
        result = open_notification(phone, item.notice)
        self._world.tell(PhoneEvent.CLICKED, phone, item.notice, result.error or "")
        return result.as_dict()

    def _list_faults(self) -> list[dict[str, Any]]:
        return [f.as_dict() for f in self._world.faults.all()]

    def _clear_faults(self) -> dict[str, Any]:
        return {"removed": self._world.faults.clear()}

    def _add_fault(self, request: SimRequest) -> SimResponse:
        order = _json_object(request)
        vendor = order.get("vendor", "*")
        if vendor != "*" and vendor not in self._world.vendors:
            raise BadFault(f"vendor must be one of {', '.join(sorted(self._world.vendors))}, or * for all")
        return json_response(201, self._world.faults.add(order).as_dict())

    def _requests(self, request: SimRequest) -> list[dict[str, Any]]:
        after, limit = _number(request, "after", 0), _number(request, "limit", self._world.log_size)
        return [r.as_dict() for r in self._world.requests_after(after, request.query.get("vendor") or None, max(1, limit))]

    async def _events(self, request: SimRequest) -> SimResponse:
        after = _number(request, "after", _number_text(request.headers.get("last-event-id", "0"), "last-event-id"))
        if "text/event-stream" in request.headers.get("accept", ""):
            headers = {"content-type": "text/event-stream", "cache-control": "no-store"}
            return SimResponse(200, headers, stream=self._stream(after))
        wait = min(_number(request, "wait", 0), MAX_WAIT_SECONDS)
        if wait and not self._world.events_after(after):
            await self._world.wait_for_news(wait)
        return json_response(200, self._world.events_after(after))

    async def _stream(self, after: int) -> AsyncIterator[bytes]:
        while True:
            news = self._world.events_after(after)
            for event in news:
                after = event["n"]
                yield f"id: {after}\ndata: {json.dumps(event, ensure_ascii=False)}\n\n".encode("utf-8", "backslashreplace")
            if not news and not await self._world.wait_for_news(SSE_KEEP_ALIVE_SECONDS):
                yield b": still here\n\n"

    def _set_receipts(self, name: str, request: SimRequest) -> dict[str, Any]:
        vendor: Any = self._world.vendors.get(name)
        configure = getattr(vendor, "configure_receipts", None)
        if configure is None:
            raise BadOrder("no_receipts", f"{name!r} has no receipts to configure", "see GET /", 404)
        order = _json_object(request)
        if not all(isinstance(v, str) for v in order.values()):
            raise BadOrder("bad_value", "every value must be text", 'for example {"package": "…", "url": "http://127.0.0.1:…"}')
        try:
            configure(**order)
        except TypeError:
            raise BadOrder("bad_value", "the fields are package, url, user_name and key") from None
        except LookupError as problem:
            raise BadOrder("no_such_app", str(problem.args[0]), "create a phone with the app first", 404) from None
        return {"ok": True}


def _problem(status: int, code: str, message: str, help_: str) -> SimResponse:
    return json_response(status, {"code": code, "message": message, "help": help_}, accepted=False, reason=code)


def _json_object(request: SimRequest) -> dict[str, Any]:
    try:
        value = json.loads(request.body or b"{}")
    except (ValueError, RecursionError):
        raise BadOrder("bad_json", "the body is not JSON", "send a JSON object") from None
    if not isinstance(value, dict):
        raise BadOrder("bad_json", "the body is not a JSON object", "send a JSON object")
    return value


def _number(request: SimRequest, name: str, default: int) -> int:
    return _number_text(request.query[name], name) if request.query.get(name) else default


def _number_text(text: str, name: str) -> int:
    if not text.isdecimal() or len(text) > 15:
        raise BadOrder("bad_value", f"{name} must be a whole number from 0")
    return int(text)


def _is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host.removeprefix("::ffff:")).is_loopback
    except ValueError:
        return False


def _outsider(request: SimRequest) -> SimResponse | None:
    """Only this machine may give orders; a web page from elsewhere that a browser here shows may not either."""
    peer = str(request.connection.values.get("peer", ""))
    host = urlsplit("//" + request.headers.get("host", "")).hostname or ""
    origin = request.headers.get("origin")
    if not _is_loopback(peer) or not _is_loopback(host) or (origin is not None and not _is_loopback(urlsplit(origin).hostname or "")):
        return _problem(403, "not_from_here", "the control API answers only this machine", "call it through 127.0.0.1")
    return None


def _cors(request: SimRequest) -> dict[str, str]:
    """Pages of this machine (any port) may follow the trays."""
    origin = request.headers.get("origin")
    if origin is None:
        return {}
    return {
        "access-control-allow-origin": origin,
        "access-control-allow-methods": "GET, POST, PUT, PATCH, DELETE",
        "access-control-allow-headers": "content-type",
        "vary": "origin",
    }
