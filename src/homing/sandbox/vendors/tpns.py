"""Tencent TPNS, server side of REST v3 (vendor sheet)."""

from __future__ import annotations

import json
import secrets
from dataclasses import dataclass, field
from typing import Any, Final

from ..base import PhoneEvent, SimRequest, SimResponse
from ..front import json_response
from ..phones import Phone
from ..world import World
from .tpns_phone import android_notice, apple_notice, way
from .tpns_rules import AUTHENTICATION, LISTS, PARAMETER, Refused, access_id_of, check_authentication, read_body

PUSH_PATH: Final = "/v3/push/app"
INNER, TEXT_REFUSED, TOKEN_FAILS, TOO_OFTEN, NO_TARGET, NO_ACCOUNT, REPEATED = (
    1008004,
    1008019,
    1008029,
    1008028,
    10010005,
    10110008,
    10010018,
)
MAX_SEEN = 1000


@dataclass(slots=True, eq=False)
class TpnsApp:
    """One application at one access point: an Android and an iOS app of one product are two."""

    package: str
    access_id: str
    secret_key: str
    apple: bool
    refuse_repeats: bool
    blocked: str  # a word that the content-safety service refuses; "" for none
    seen: dict[bytes, int] = field(default_factory=dict)  # body -> when, ms


@dataclass(slots=True, eq=False)
class IssuedToken:
    """A token and whose it is."""

    app: TpnsApp
    phone: Phone


class TpnsSimulator:
    """One access point."""

    name = "tpns"
    brands = ("tpns",)  # an Android phone of any maker, with the TPNS client in the app

    def __init__(self, world: World) -> None:
        self._world = world
        self._apps: dict[str, TpnsApp] = {}
        self._by_id: dict[str, TpnsApp] = {}
        self._tokens: dict[str, IssuedToken] = {}

    # --- what the sandbox asks

    def matches(self, request: SimRequest) -> bool:
        return request.path == PUSH_PATH

    def issue_token(self, phone: Phone) -> str:
        app = self._app(phone)
        token = secrets.token_hex(18)
        self._tokens[token] = IssuedToken(app, phone)
        return token

    def business_hint(self, phone: Phone) -> dict[str, Any]:
        app = self._app(phone)
        settings = {
            "access_id": app.access_id,
            "secret_key": app.secret_key,
            "package_name": app.package,
            "base_url": self._world.base_url,
        }
        return {"channel": "tpns", "settings": settings, "files": {}}

    def fault_body(self, _status: int) -> bytes:
        return json.dumps(_value(INNER, "inner service failed", seq=0)).encode()

    async def handle(self, request: SimRequest) -> SimResponse:
        if request.method != "POST":
            return json_response(405, _value(PARAMETER, "use POST"), accepted=False, reason="405")
        try:
            return self._push(request)
        except Refused as refused:
            return _refusal(refused.code, refused.words)

    # --- push

    def _push(self, request: SimRequest) -> SimResponse:
        app = self._by_id.get(access_id_of(request))
        if app is None:  # also what a key of another access point looks like
            raise Refused(AUTHENTICATION, "authentication failed: the AccessId is unknown at this access point")
        check_authentication(request, app.access_id, app.secret_key, self._world.clock.now_ms())
        if not request.headers.get("content-type", "").lower().startswith("application/json"):
            raise Refused(PARAMETER, "the content type must be application/json")
        body = read_body(request.body)
        if self._world.faults.take(self.name, "quota") is not None:
            raise Refused(TOO_OFTEN, "over the frequency limit")
        if app.apple != (body["message"].get("ios") is not None):
            raise Refused(PARAMETER, f"the AccessId belongs to an {'iOS' if app.apple else 'Android'} application")
        if app.blocked and any(app.blocked in (body["message"].get(name) or "") for name in ("title", "content")):
            raise Refused(TEXT_REFUSED, "the content-safety service refused the text")
        if self._is_repeated(app, request.body):
            raise Refused(REPEATED, "repeated push")
        return self._to_targets(app, body)

    def _is_repeated(self, app: TpnsApp, body: bytes) -> bool:
        """``app.vendor.refuse_repeats``: an equal body within a second is refused."""
        if not app.refuse_repeats:
            return False
        now = self._world.clock.now_ms()
        before = app.seen.pop(body, None)
        app.seen[body] = now
        while len(app.seen) > MAX_SEEN:
            del app.seen[next(iter(app.seen))]
        return before is not None and now - before < 1000

    def _to_targets(self, app: TpnsApp, body: dict[str, Any]) -> SimResponse:
        audience = body["audience_type"]
        targets: list[str] = list(dict.fromkeys(body[LISTS[audience]]))
        if LISTS[audience] == "account_list":  # nobody binds an account here
            raise Refused(NO_ACCOUNT, "the account is not found")
        if audience == "token":
            targets = targets[:1]
        bad = [token for token in targets if not self._is_alive(app, token)]
        if bad and not (audience == "token_list" and body.get("ignore_invalid_token") == 1):
            raise Refused(TOKEN_FAILS, "a token fails its check")
        if len(bad) == len(targets):
            raise Refused(NO_TARGET, "the push target does not exist")
        push_id = str(400_000_000 + self._world.next_id())
        dead = set(bad)
        for token in targets:
            if token not in dead:
                self._deliver(self._tokens[token].phone, body, push_id)
        value = _value(0, "NO_ERROR", push_id=push_id, seq=body.get("seq", 0), environment=body.get("environment", "product"))
        value |= {"err_msg_zh": "", "result": "{}", "invalid_targe_list": bad}
        return json_response(200, value, reason=f"invalid_targe_list: {len(bad)}" if bad else "")

    def _is_alive(self, app: TpnsApp, token: str) -> bool:
        issued = self._tokens.get(token)
        if issued is None or issued.app is not app or not issued.phone.app_installed or issued.phone.token != token:
            return False
        return not (len(self._world.faults) and self._world.faults.take(self.name, "dead_token", token=token))

    def _deliver(self, phone: Phone, body: dict[str, Any], push_id: str) -> None:
        channel = way(body, phone)
        notice = apple_notice(body, phone, push_id) if channel == "apns" else android_notice(body, phone, push_id, channel or "xg")
        if channel is None:
            self._world.tell(PhoneEvent.NOT_SHOWN, phone, notice, "the app is killed, and no maker's channel takes this message")
            return
        self._world.notify(phone, notice)

    # --- the console

    def _app(self, phone: Phone) -> TpnsApp:
        """``app.vendor`` of the phone may say: apple, refuse_repeats, blocked; and for the phone itself: maker."""
        app = self._apps.get(phone.package)
        if app is None:
            wishes = phone.vendor_settings
            apple, blocked = wishes.get("apple") is True, wishes.get("blocked")
            access_id = str((1_600_000_000 if apple else 1_500_000_000) + self._world.next_id())
            app = TpnsApp(
                package=phone.package,
                access_id=access_id,
                secret_key=secrets.token_hex(16),
                apple=apple,
                refuse_repeats=wishes.get("refuse_repeats") is True,
                blocked=blocked if isinstance(blocked, str) else "",
            )
            self._apps[phone.package] = self._by_id[access_id] = app
        return app


def _value(code: int, words: str, **more: Any) -> dict[str, Any]:
    return {"ret_code": code, "err_msg": words, **more}


def _refusal(code: int, words: str) -> SimResponse:
    return json_response(200, _value(code, words, seq=0, push_id="", result=""), accepted=False, reason=f"{code} {words}")
