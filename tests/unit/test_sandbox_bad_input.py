"""Whatever comes in, a simulator answers as the vendor would: never with a failure of its own."""

from __future__ import annotations

import asyncio
import json
from typing import Any
from urllib.parse import urlencode

from hypothesis import given, settings
from hypothesis import strategies as st

from homing.sandbox.base import SimRequest
from homing.sandbox.control import Control
from homing.sandbox.front import Front
from homing.sandbox.phone_api import create_phone
from homing.sandbox.server import simulators
from homing.sandbox.world import World

FIELDS = st.sampled_from(
    [
        "title",
        "body",
        "click_action",
        "type",
        "intent",
        "badge",
        "class",
        "set_num",
        "style",
        "ttl",
        "collapse_key",
        "data",
        "sound",
        "notify_id",
        "urgency",
        "buttons",
        "vibrate_config",
        "light_settings",
        "color",
        "token",
        "topic",
        "validate_only",
        "importance",
        "image",
    ]
)
VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(st.characters(), max_size=20)
    | st.sampled_from(["86400s", "/raw/a", "IM"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(FIELDS | st.text(max_size=5), inner, max_size=4),
    max_leaves=12,
)
EXTRAS = st.sampled_from(
    [
        "title",
        "description",
        "payload",
        "pass_through",
        "notify_type",
        "notify_id",
        "time_to_live",
        "time_to_send",
        "registration_id",
        "restricted_package_name",
        "extra.channel_id",
        "extra.template_id",
        "extra.template_param",
        "extra.notify_effect",
        "extra.intent_uri",
        "extra.web_uri",
        "extra.jobkey",
        "extra.callback",
        "extra.callback.type",
        "extra.callback.param",
        "extra.only_send_once",
        "extra.ext",
        "messages",
    ]
)


def world_with(brand: str) -> tuple[World, dict[str, Any], str]:
    world = World(base_url="http://127.0.0.1:1")
    for simulator in simulators(world):
        world.add_vendor(simulator)
    phone = create_phone(world, {"brand": brand, "app": {"vendor": {"qps": 1_000_000}}})
    hint: dict[str, Any] = world.vendors[phone.vendor].business_hint(phone)
    return world, hint["settings"], phone.token


HUAWEI, HUAWEI_SETTINGS, HUAWEI_TOKEN = world_with("huawei")
XIAOMI, XIAOMI_SETTINGS, XIAOMI_TOKEN = world_with("xiaomi")


def log_in() -> str:
    form = {"grant_type": "client_credentials", "client_id": HUAWEI_SETTINGS["app_id"], "client_secret": HUAWEI_SETTINGS["client_secret"]}
    headers = {"content-type": "application/x-www-form-urlencoded"}
    answer = asyncio.run(Front(HUAWEI).handle(SimRequest("POST", "/oauth2/v3/token", headers=headers, body=urlencode(form).encode())))
    grant: str = json.loads(answer.body)["access_token"]
    return grant


GRANT = log_in()


def huawei(body: bytes) -> dict[str, Any]:
    headers = {"authorization": f"Bearer {GRANT}", "content-type": "application/json"}
    request = SimRequest("POST", f"/v1/{HUAWEI_SETTINGS['app_id']}/messages:send", headers=headers, body=body)
    answer = asyncio.run(Front(HUAWEI).handle(request))
    assert answer.status in (200, 400)
    value: dict[str, Any] = json.loads(answer.body)
    return value


@settings(max_examples=200, deadline=None)
@given(VALUES, VALUES, VALUES)
def test_huawei_answers_any_json(message: Any, android: Any, notification: Any) -> None:
    assert huawei(json.dumps({"message": message}).encode())["code"] != "80000000"
    whole = {"message": {"token": [HUAWEI_TOKEN], "android": {"notification": notification, "ttl": "60s"}}}
    assert isinstance(huawei(json.dumps(whole).encode())["code"], str)
    whole = {"message": {"token": [HUAWEI_TOKEN], "android": android}}
    assert isinstance(huawei(json.dumps(whole).encode())["msg"], str)


@settings(max_examples=100, deadline=None)
@given(st.binary(max_size=200))
def test_huawei_answers_any_bytes(body: bytes) -> None:
    assert huawei(body)["code"] in ("80100003", "80300010")


@settings(max_examples=200, deadline=None)
@given(st.dictionaries(EXTRAS, st.text(max_size=30) | st.integers().map(str) | st.just(XIAOMI_TOKEN), max_size=8), st.booleans(), VALUES)
def test_xiaomi_answers_any_form(form: dict[str, str], multi: bool, messages: Any) -> None:
    headers = {"authorization": f"key={XIAOMI_SETTINGS['app_secret']}", "content-type": "application/x-www-form-urlencoded"}
    if multi:
        form = {**form, "messages": json.dumps([{"target": XIAOMI_TOKEN, "message": messages}, messages])}
    path = "/v2/multi_messages/regids" if multi else "/v3/message/regid"
    body = urlencode(form, errors="replace").encode()
    answer = asyncio.run(Front(XIAOMI).handle(SimRequest("POST", path, headers=headers, body=body)))
    assert answer.status == 200
    assert isinstance(json.loads(answer.body)["code"], int)


@settings(max_examples=200, deadline=None)
@given(st.dictionaries(st.sampled_from(["brand", "app", "locked", "channels", "locale", "badge"]), VALUES | st.just("huawei"), max_size=4))
def test_the_control_api_answers_any_order(order: dict[str, Any]) -> None:
    world = World()
    for simulator in simulators(world):
        world.add_vendor(simulator)
    for method, path in (("POST", "/phones"), ("POST", "/faults"), ("PATCH", "/phones/x")):
        request = SimRequest(method, path, headers={"host": "localhost"}, body=json.dumps(order).encode())
        request.connection.values["peer"] = "127.0.0.1"
        answer = asyncio.run(Control(world).handle(request))
        assert answer.status in (201, 400, 404)
        assert json.loads(answer.body)
