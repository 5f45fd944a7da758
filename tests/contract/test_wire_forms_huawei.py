"""Requests as Huawei's own libraries send them: the sandbox takes them, and the channel's have the same form.

Composed from the documented fields (vendor sheet huawei, sections 2 to 4), in the spelling of the vendor's server libraries.
"""

from __future__ import annotations

import asyncio
import json
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
from homing.model.push_info import AndroidInfo, OfflinePushInfo
from homing.sandbox.server import Sandbox

NOW_MS = 1_795_000_000_000
IMAGE = "https://img.example.com/a.png"
PAGE = "intent://com.tencent.qcloud/detail?#Intent;scheme=pushscheme;launchFlags=0x4000000;i.age=180;S.name=abc;end"
EVERYTHING = {
    "icon": "/raw/ic_launcher2",
    "color": "#AACCDD",
    "sound": "/raw/shake",
    "default_sound": False,
    "tag": "tagBoom",
    "importance": "NORMAL",
    "multi_lang_key": {"title_key": {"en": "value1"}, "body_key": {"en": "value2"}},
    "click_action": {"type": 1, "intent": PAGE},
    "body_loc_key": "M.String.body",
    "body_loc_args": ["boy", "dog"],
    "title_loc_key": "M.String.title",
    "title_loc_args": ["Girl", "Cat"],
    "channel_id": "im",
    "notify_summary": "some summary",
    "style": 0,
    "big_title": "Big",
    "big_body": "Body",
    "auto_clear": 86_400_000,
    "auto_cancel": True,
    "local_only": False,
    "notify_id": 4861,
    "group": "Group1",
    "badge": {"add_num": 1, "class": "Classic"},
    "use_default_vibrate": True,
    "use_default_light": True,
    "visibility": "PUBLIC",
    "light_settings": {
        "color": {"alpha": 0, "red": 0, "green": 1, "blue": 1},
        "light_on_duration": "3.5",
        "light_off_duration": "5S",
    },
    "foreground_show": True,
}


class Huawei:
    """An app of the sandbox, and the channel with its certificate."""

    def __init__(self, sandbox: Sandbox) -> None:
        self.sandbox, self.channel = sandbox, CHANNELS["huawei"]

    async def call(self, path: str, **options: Any) -> requests.Response:
        return await asyncio.to_thread(requests.post, self.sandbox.base_url + path, timeout=20, **options)

    async def begin(self) -> Huawei:
        self.phone = (await self.call("/phones", json={"brand": "huawei"})).json()
        self.settings = self.phone["business_hint"]["settings"]
        built = build(self.channel, self.settings | {"click_action": "page", "click_value": PAGE})
        assert isinstance(built, tuple), built
        self.certificate = Certificate(1400000001, 1, "huawei", "huawei", *built)
        return self

    async def access_token(self, path: str = "/oauth2/v3/token") -> str:
        form = {"grant_type": "client_credentials", "client_secret": self.settings["client_secret"], "client_id": self.settings["app_id"]}
        headers = {"Content-Type": "application/x-www-form-urlencoded;charset=utf-8"}
        answer = (await self.call(path, data=form, headers=headers)).json()
        assert (answer["token_type"], answer["expires_in"]) == ("Bearer", 3600)
        return str(answer["access_token"])

    async def send(self, message: dict[str, Any], login: str = "/oauth2/v3/token") -> dict[str, Any]:
        token = await self.access_token(login)
        headers = {"Content-Type": "application/json;charset=utf-8", "Authorization": f"Bearer {token}"}
        body = json.dumps({"validate_only": False, "message": {"token": [self.phone["token"]]} | message})
        answer = await self.call(f"/v1/{self.settings['app_id']}/messages:send", data=body, headers=headers)
        value: dict[str, Any] = answer.json()
        assert value.keys() == {"code", "msg", "requestId"}
        assert all(isinstance(part, str) for part in value.values())
        return value


@pytest.fixture
async def huawei() -> AsyncIterator[Huawei]:
    async with Sandbox() as sandbox:
        yield await Huawei(sandbox).begin()


@pytest.mark.parametrize("login", ["/oauth2/v3/token", "/oauth2/v2/token"])
async def test_a_message_with_every_field_of_the_library_is_taken(huawei, login):
    general = {"title": "Ann", "body": "see you", "image": IMAGE}
    android = {"collapse_key": -1, "urgency": "NORMAL", "ttl": "10000s", "bi_tag": "tag", "notification": EVERYTHING}
    assert (await huawei.send({"notification": general, "android": android}, login))["code"] == "80000000"


async def test_a_data_message_is_taken(huawei):
    message = {"data": '{"a":"b"}', "android": {"collapse_key": -1, "urgency": "NORMAL", "ttl": "100s"}}
    assert (await huawei.send(message))["code"] == "80000000"


async def test_partial_success_is_json_inside_the_text(huawei):
    shown = {"title": "Ann", "body": "hi", "click_action": {"type": 3}}
    answer = await huawei.send({"token": [huawei.phone["token"], "IQAAAAnope"], "android": {"notification": shown}})
    assert answer["code"] == "80100000"
    assert json.loads(answer["msg"]) == {"success": 1, "failure": 1, "illegal_tokens": ["IQAAAAnope"]}


async def test_the_channel_writes_the_same_message_as_the_library(huawei):
    wishes = OfflinePushInfo(AndroidInfo=AndroidInfo(Sound="ring.mp3", HuaWeiChannelID="im", HuaWeiImage=IMAGE, HuaWeiImportance="NORMAL"))
    note = Notification(
        title="Ann",
        body="see you",
        ext="",
        conversation_id="c2c_ann",
        msg_id="1-2-3",
        notify_id=5,
        collapse_id="c2c_ann",
        wishes=wishes,
        expires_at_ms=NOW_MS + 86_400_000,
        badge=7,
    )
    (request,) = huawei.channel.render(note, [Target(9, "tokenA")], huawei.certificate, Grant("CgB6", NOW_MS + 1000, NOW_MS), NOW_MS)
    message = json.loads(request.body)["message"]
    assert json.loads(message["android"].pop("data")) == {"msg_id": "1-2-3", "conv": "c2c_ann", "push_id": "9"}
    assert message == {
        "token": ["tokenA"],
        "android": {
            "collapse_key": -1,
            "ttl": "86400s",
            "category": "IM",
            "bi_tag": "m:1-2-3",
            "notification": {
                "title": "Ann",
                "body": "see you",
                "image": IMAGE,
                "notify_id": 5,
                "default_sound": False,
                "sound": "/raw/ring",
                "channel_id": "im",
                "importance": "NORMAL",
                "badge": {"class": huawei.settings["badge_class"], "set_num": 7},
                "click_action": {"type": 1, "intent": PAGE},
            },
        },
    }
    assert dict(request.headers) == {"authorization": "Bearer CgB6", "content-type": "application/json; charset=UTF-8"}


async def test_the_channel_logs_in_as_the_library_does(huawei):
    asked = huawei.channel.login(huawei.certificate, NOW_MS)
    form = {name: values[0] for name, values in parse_qs(asked.body.decode()).items()}
    settings = huawei.settings
    assert form == {"grant_type": "client_credentials", "client_id": settings["app_id"], "client_secret": settings["client_secret"]}
    assert asked.url.endswith("/oauth2/v3/token")
