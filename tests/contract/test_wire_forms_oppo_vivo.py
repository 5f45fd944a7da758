"""Requests as server libraries of OPPO and vivo send them: the sandbox takes them, and the channels' have the same form.

Composed from the documented fields (vendor sheets oppo and vivo, sections 2 to 4), in the spellings that libraries use.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import time
from collections.abc import AsyncIterator
from typing import Any
from urllib.parse import parse_qs

import pytest
import requests

from homing.channels.fields import build
from homing.channels.registry import CHANNELS
from homing.model.certificates import Certificate
from homing.model.notification import Notification, Target
from homing.model.outcome import Grant
from homing.model.push_info import OfflinePushInfo
from homing.sandbox.server import Sandbox

NOW_MS = 1_795_000_000_000
MAIN = "com.tencent.qcloud.tim.demo.main.MainActivity"
PAGE = (
    f"intent://com.tencent.qcloud/detail#Intent;scheme=pushscheme;launchFlags=0x4000000;component=com.tencent.qcloud.tim.tuikit/{MAIN};end"
)
NOTE = Notification(
    title="Ann",
    body="一起吃饭吗",
    ext='{"entity":{"sender":"ann"}}',
    conversation_id="c2c_ann",
    msg_id="1-2-3",
    notify_id=5,
    collapse_id="c2c_ann",
    wishes=OfflinePushInfo(),
    expires_at_ms=NOW_MS + 3_600_000,
    badge=7,
)


class Vendor:
    """An app of the sandbox, its phone, and the channel with its certificate."""

    def __init__(self, sandbox: Sandbox, name: str) -> None:
        self.sandbox, self.name, self.channel = sandbox, name, CHANNELS[name]

    async def post(self, path: str, **options: Any) -> dict[str, Any]:
        answer = await asyncio.to_thread(requests.post, self.sandbox.base_url + path, timeout=20, **options)
        assert answer.status_code in (200, 201), answer.text
        found: dict[str, Any] = answer.json()
        return found

    async def begin(self) -> Vendor:
        self.phone = await self.post("/phones", json={"brand": self.name, "notifications_enabled": True})
        self.settings = self.phone["business_hint"]["settings"]
        built = build(self.channel, self.settings | {"click_action": "page", "click_value": PAGE})
        assert isinstance(built, tuple), built
        self.certificate = Certificate(1400000001, 1, self.name, self.name, *built)
        return self

    async def shown(self) -> list[str]:
        found = await asyncio.to_thread(requests.get, f"{self.sandbox.base_url}/phones/{self.phone['phone_id']}/tray", timeout=20)
        return [item["body"] for item in found.json()]

    def rendered(self) -> Any:
        (request,) = self.channel.render(NOTE, [Target(9, self.phone["token"])], self.certificate, Grant("t", NOW_MS + 1), NOW_MS)
        return request


@pytest.fixture
async def oppo() -> AsyncIterator[Vendor]:
    async with Sandbox() as sandbox:
        yield await Vendor(sandbox, "oppo").begin()


@pytest.fixture
async def vivo() -> AsyncIterator[Vendor]:
    async with Sandbox() as sandbox:
        yield await Vendor(sandbox, "vivo").begin()


async def oppo_token(oppo: Vendor) -> str:
    key, timestamp = oppo.settings["app_key"], str(time.time_ns() // 1_000_000)
    sign = hashlib.sha256((key + timestamp + oppo.settings["master_secret"]).encode()).hexdigest()
    form = {"app_key": key, "sign": sign, "timestamp": timestamp, "sdk_version": "JAVA_SDK_V1.0.0"}
    token: str = (await oppo.post("/server/v1/auth", data=form))["data"]["auth_token"]
    return token


async def test_oppos_unicast_of_a_typed_library_is_taken(oppo: Vendor) -> None:
    notification = {
        "title": "Ann",
        "content": "typed",
        "click_action_type": 4,
        "click_action_activity": MAIN,
        "action_parameters": '{"key1":"value1"}',
        "off_line": True,
        "off_line_ttl": 86_400,
        "fix_speed": False,
        "channel_id": "tuikit",
        "category": "IM",
        "notify_level": 2,
    }
    message = {
        "target_type": 2,
        "target_value": oppo.phone["token"],
        "notification": notification,
        "verify_registration_id": False,
    }
    answer = await oppo.post(
        "/server/v1/message/notification/unicast", data={"message": json.dumps(message), "auth_token": await oppo_token(oppo)}
    )
    assert answer["code"] == 0
    assert await oppo.shown() == ["typed"]


async def test_oppos_unicast_with_the_target_as_form_fields_too_is_taken(oppo: Vendor) -> None:
    message = {
        "target_type": 2,
        "target_value": oppo.phone["token"],
        "notification": {"title": "Ann", "content": "twice", "channelId": "tuikit", "clickActionType": 0, "offLine": True},
    }
    form = {
        "auth_token": await oppo_token(oppo),
        "target_type": "2",
        "target_value": oppo.phone["token"],
        "message": json.dumps(message, ensure_ascii=False),
    }
    assert (await oppo.post("/server/v1/message/notification/unicast", data=form))["code"] == 0
    assert await oppo.shown() == ["twice"]


async def test_oppos_broadcast_of_a_library_is_taken(oppo: Vendor) -> None:
    token = await oppo_token(oppo)
    flat = {
        "auth_token": token,
        "style": "1",
        "title": "Ann",
        "content": "all",
        "click_action_type": "5",
        "click_action_url": PAGE,
        "channel_id": "tuikit",
    }
    saved = await oppo.post("/server/v1/message/notification/save_message_content", data=flat)
    form = {
        "auth_token": token,
        "target_type": "2",
        "target_value": f"{oppo.phone['token']};CN_{'0' * 32}",
        "message_id": saved["data"]["message_id"],
    }
    answer = await oppo.post("/server/v1/message/notification/broadcast", data=form)
    assert answer["data"]["10000"] == [f"CN_{'0' * 32}"]
    assert await oppo.shown() == ["all"]


async def test_the_channels_request_has_the_fields_of_oppos_table(oppo: Vendor) -> None:
    request = oppo.rendered()
    form = {name: values[0] for name, values in parse_qs(request.body.decode("ascii"), strict_parsing=True).items()}
    message = json.loads(form.pop("message"))
    assert form == {"auth_token": "t"}
    assert len(message["notification"].pop("app_message_id")) == 32
    parameters = json.loads(message["notification"].pop("action_parameters"))
    assert parameters == {"push_id": "9", "msg_id": "1-2-3", "conv": "c2c_ann", "entity": {"sender": "ann"}}
    assert message == {
        "target_type": 2,
        "target_value": oppo.phone["token"],
        "verify_registration_id": True,
        "notification": {
            "style": 1,
            "title": "Ann",
            "content": "一起吃饭吗",
            "click_action_type": 4,
            "click_action_activity": MAIN,
            "off_line": True,
            "off_line_ttl": 3600,
            "notify_id": 5,
            "channel_id": "tuikit",
            "category": "IM",
        },
    }


async def vivo_token(vivo: Vendor, *, app_id_as_text: bool) -> str:
    app_id, key, now = vivo.settings["app_id"], vivo.settings["app_key"], time.time_ns() // 1_000_000
    sign = hashlib.md5(f"{app_id}{key}{now}{vivo.settings['app_secret']}".encode()).hexdigest()
    body = {"appId": app_id if app_id_as_text else int(app_id), "appKey": key, "timestamp": now, "sign": sign}
    token: str = (await vivo.post("/message/auth", json=body))["authToken"]
    return token


@pytest.mark.parametrize("as_text", [True, False])
async def test_vivos_single_push_of_libraries_is_taken(vivo: Vendor, as_text: bool) -> None:
    token = await vivo_token(vivo, app_id_as_text=as_text)
    body = {
        **({"appId": vivo.settings["app_id"]} if as_text else {}),  # many libraries leave it out
        "regId": vivo.phone["token"],
        "notifyType": 4,
        "title": "标题",
        "content": "内容",
        "timeToLive": 86_400,
        "skipType": 4,
        "skipContent": PAGE,
        "networkType": "-1" if as_text else -1,
        "classification": 1,
        "category": "IM",
        "clientCustomMap": {"key1": "v1"},
        "extra": {"callback": "http://127.0.0.1:9/cb", "callback.param": "p"},
        "requestId": "25509283-3767-4b9e-83fe-b6e55ac6b123",
        **({} if as_text else {"serverSdkVer": "3.3", "pushMode": 0}),
    }
    assert (await vivo.post("/message/send", json=body, headers={"authToken": token}))["result"] == 0
    assert await vivo.shown() == ["内容"]


async def test_vivos_group_push_of_libraries_is_taken(vivo: Vendor) -> None:
    headers = {"authToken": await vivo_token(vivo, app_id_as_text=False)}
    payload = {"title": "标题", "content": "群", "notifyType": 2, "skipType": 1, "requestId": "1", "category": "IM", "pushMode": 0}
    saved = await vivo.post("/message/saveListPayload", json=payload, headers=headers)
    order = {"regIds": [vivo.phone["token"], "16005080910330978890938"], "taskId": saved["taskId"], "requestId": "2", "pushMode": 0}
    answer = await vivo.post("/message/pushToList", json=order, headers=headers)
    assert (answer["result"], answer["invalidUsers"]) == (0, [{"status": 1, "userid": "16005080910330978890938"}])
    assert await vivo.shown() == ["群"]


async def test_the_channels_request_has_the_fields_of_vivos_table(vivo: Vendor) -> None:
    request = vivo.rendered()
    body = json.loads(request.body)
    assert len(body.pop("requestId")) == 32
    assert body == {
        "appId": int(vivo.settings["app_id"]),
        "regId": vivo.phone["token"],
        "notifyType": 4,
        "title": "Ann",
        "content": "一起吃饭吗",
        "timeToLive": 3600,
        "skipType": 4,
        "skipContent": PAGE,
        "networkType": -1,
        "classification": 1,
        "category": "IM",
        "clientCustomMap": {"ext": NOTE.ext, "msg_id": "1-2-3", "conv": "c2c_ann", "push_id": "9"},
        "pushMode": 0,
        "notifyId": 5,
        "addBadge": True,
        "foregroundShow": False,
        "sendOnline": False,
    }
    assert dict(request.headers) == {"authtoken": "t", "content-type": "application/json;charset=UTF-8"}
