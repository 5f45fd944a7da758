"""Whatever comes in, these simulators too answer as their vendors would: never with a failure of their own."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import json
from typing import Any
from urllib.parse import urlencode

from hypothesis import given, settings
from hypothesis import strategies as st

from homing.sandbox.base import SimRequest
from homing.sandbox.front import Front
from homing.sandbox.phone_api import create_phone
from homing.sandbox.server import simulators
from homing.sandbox.world import World

NAMES = st.sampled_from(
    [
        *("title", "body", "content", "message", "android", "ios", "aps", "alert", "action", "action_type", "intent", "browser", "url"),
        *("notification", "clickAction", "type", "badge", "badgeClass", "setNum", "ttl", "data", "token", "token_list", "biTag"),
        *("noticeBarInfo", "clickTypeInfo", "clickType", "activity", "parameters", "pushTimeInfo", "validTime", "offLine"),
        *("extra", "callback", "callback.type", "advanceInfo", "notifyKey", "channel_rules", "channel", "disable", "custom_content"),
        *("audience_type", "message_type", "expire_time", "account_list", "environment", "style", "buttons", "when", "custom"),
    ]
)
VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-5, 300)
    | st.floats()
    | st.text(st.characters(), max_size=20)
    | st.sampled_from(["86400s", "notify", "token_list", "product", "https://a/b", "1"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(NAMES | st.text(max_size=5), inner, max_size=5),
    max_leaves=14,
)


def world_with(brand: str) -> tuple[World, dict[str, Any], str]:
    world = World(base_url="http://127.0.0.1:1")
    for simulator in simulators(world):
        world.add_vendor(simulator)
    phone = create_phone(world, {"brand": brand, "app": {"vendor": {"qps": 1_000_000}}})
    hint: dict[str, Any] = world.vendors[phone.vendor].business_hint(phone)
    return world, hint["settings"], phone.token


HONOR, HONOR_SETTINGS, HONOR_TOKEN = world_with("honor")
MEIZU, MEIZU_SETTINGS, MEIZU_TOKEN = world_with("meizu")
TPNS, TPNS_SETTINGS, TPNS_TOKEN = world_with("tpns")


def ask(world: World, path: str, headers: dict[str, str], body: bytes) -> dict[str, Any]:
    answer = asyncio.run(Front(world).handle(SimRequest("POST", path, headers=headers, body=body)))
    assert answer.status in (200, 400), answer.reason
    value: dict[str, Any] = json.loads(answer.body)
    return value


def _honor_grant() -> str:
    form = {"grant_type": "client_credentials", "client_id": HONOR_SETTINGS["client_id"], "client_secret": HONOR_SETTINGS["client_secret"]}
    headers = {"content-type": "application/x-www-form-urlencoded"}
    return str(ask(HONOR, "/auth/token", headers, urlencode(form).encode())["access_token"])


GRANT = _honor_grant()


def honor(body: bytes) -> dict[str, Any]:
    headers = {"authorization": f"Bearer {GRANT}", "timestamp": "1732400000123", "content-type": "application/json"}
    return ask(HONOR, f"/api/v1/{HONOR_SETTINGS['app_id']}/sendMessage", headers, body)


def meizu(form: dict[str, str]) -> dict[str, Any]:
    form = {"appId": MEIZU_SETTINGS["app_id"], **form}
    base = "".join(f"{name}={form[name]}" for name in sorted(form)) + MEIZU_SETTINGS["app_secret"]
    sign = hashlib.md5(base.encode(), usedforsecurity=False).hexdigest()
    headers = {"content-type": "application/x-www-form-urlencoded;charset=UTF-8"}
    return ask(MEIZU, "/garcia/api/server/push/varnished/pushByPushId", headers, urlencode(form | {"sign": sign}).encode())


def tpns(body: bytes) -> dict[str, Any]:
    pair = base64.b64encode(f"{TPNS_SETTINGS['access_id']}:{TPNS_SETTINGS['secret_key']}".encode()).decode()
    return ask(TPNS, "/v3/push/app", {"authorization": f"Basic {pair}", "content-type": "application/json"}, body)


@settings(max_examples=200, deadline=None)
@given(VALUES, VALUES)
def test_honor_answers_any_json(android: Any, notification: Any) -> None:
    for android_value in (android, {"notification": notification, "ttl": "60s"}):
        assert isinstance(honor(json.dumps({"token": [HONOR_TOKEN], "android": android_value}).encode())["code"], int)
    assert honor(json.dumps(android).encode())["code"] != 200


@settings(max_examples=100, deadline=None)
@given(st.binary(max_size=200))
def test_honor_answers_any_bytes(body: bytes) -> None:
    assert honor(body)["code"] in (80100003, 80300010)


@settings(max_examples=200, deadline=None)
@given(VALUES, VALUES)
def test_meizu_answers_any_message(message: Any, part: Any) -> None:
    bar = {"title": "a", "content": "b"}
    for value in (message, {"noticeBarInfo": part}, {"noticeBarInfo": bar, "clickTypeInfo": part}, {"noticeBarInfo": bar, "extra": part}):
        assert isinstance(meizu({"pushIds": MEIZU_TOKEN, "messageJson": json.dumps(value)})["code"], str)


@settings(max_examples=100, deadline=None)
@given(st.text(max_size=60), st.text(max_size=60))
def test_meizu_answers_any_text(ids: str, message: str) -> None:
    assert meizu({"pushIds": ids, "messageJson": message})["code"] in ("1005", "110004")


@settings(max_examples=200, deadline=None)
@given(VALUES, VALUES)
def test_tpns_answers_any_json(body: Any, part: Any) -> None:
    whole = {"audience_type": "token_list", "token_list": [TPNS_TOKEN], "message_type": "notify"}
    shown = {"title": "a", "content": "b"}
    for message in (part, shown | {"android": part}, shown | {"ios": part}):
        assert isinstance(tpns(json.dumps(whole | {"message": message}).encode())["ret_code"], int)
    assert tpns(json.dumps(body).encode())["ret_code"] != 0


@settings(max_examples=100, deadline=None)
@given(st.binary(max_size=200))
def test_tpns_answers_any_bytes(body: bytes) -> None:
    assert tpns(body)["ret_code"] in (1008001, 1008002, 1008007)
