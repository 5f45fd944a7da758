"""Requests as Xiaomi's server libraries send them: the sandbox takes them, and the channel's have the same form.

Composed from the documented fields (vendor sheet xiaomi, sections 2 to 4), in the spelling of the vendor's server library.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any
from urllib.parse import parse_qs

import pytest
import requests

from homing.channels.fields import build
from homing.channels.registry import CHANNELS
from homing.model.certificates import Certificate
from homing.model.notification import Notification, Target
from homing.model.push_info import AndroidInfo, OfflinePushInfo
from homing.sandbox.server import Sandbox

NOW_MS = 1_795_000_000_000
PAGE = (
    "intent://com.tencent.qcloud/detail#Intent;scheme=pushscheme;launchFlags=0x4000000;"
    "component=com.tencent.qcloud.tim.tuikit/com.tencent.qcloud.tim.demo.main.MainActivity;end"
)


class Xiaomi:
    """An app of the sandbox, and the channel with its certificate."""

    def __init__(self, sandbox: Sandbox) -> None:
        self.sandbox, self.channel = sandbox, CHANNELS["xiaomi"]

    async def call(self, path: str, **options: Any) -> requests.Response:
        return await asyncio.to_thread(requests.post, self.sandbox.base_url + path, timeout=20, **options)

    async def begin(self) -> Xiaomi:
        self.phone = (await self.call("/phones", json={"brand": "xiaomi"})).json()
        self.settings = self.phone["business_hint"]["settings"]
        built = build(self.channel, self.settings | {"click_action": "page", "click_value": PAGE})
        assert isinstance(built, tuple), built
        self.certificate = Certificate(1400000001, 1, "xiaomi", "xiaomi", *built)
        return self

    def form(self, **changes: str) -> dict[str, str]:
        form = {
            "registration_id": self.phone["token"],
            "restricted_package_name": self.settings["package_name"],
            "title": "Ann",
            "description": "see you",
            "pass_through": "0",
            "payload": "payload",
            "notify_type": "-1",
            "notify_id": "5",
            "time_to_live": "86400000",
            "extra.channel_id": self.settings["channel_id"],
            "extra.notify_effect": "1",
            "extra.notify_foreground": "1",
            "extra.flow_control": "1",
            "extra.sound_uri": "android.resource://com.tencent.qcloud.tim.tuikit/raw/ring",
            "extra.a": "b",
        }
        return form | changes

    async def send(self, path: str = "/v3/message/regid", **changes: str) -> dict[str, Any]:
        headers = {
            "Authorization": f"key={self.settings['app_secret']}",
            "Content-Type": "application/x-www-form-urlencoded;charset=UTF-8",
            "X-PUSH-HOST-LIST": "true",
        }
        answer = await self.call(path, data=self.form(**changes), headers=headers)
        value: dict[str, Any] = answer.json()
        return value


@pytest.fixture
async def xiaomi() -> AsyncIterator[Xiaomi]:
    async with Sandbox() as sandbox:
        yield await Xiaomi(sandbox).begin()


@pytest.mark.parametrize("path", ["/v2/message/regid", "/v3/message/regid", "/v4/message/regid"])
async def test_the_librarys_form_is_taken_on_every_version_of_the_path(xiaomi, path):
    answer = await xiaomi.send(path)
    assert (answer["code"], answer["result"]) == (0, "ok")
    assert answer["data"]["id"].startswith("scm")


async def test_libraries_find_a_number_and_a_reason_in_a_refusal(xiaomi):
    answer = await xiaomi.send(registration_id="nope")
    assert (answer["code"], answer["result"]) == (20301, "error")
    assert answer["description"]
    assert answer["reason"]


async def test_the_channel_writes_the_same_form_as_the_library(xiaomi):
    note = Notification(
        title="Ann",
        body="see you",
        ext='{"a":"b c+d"}',
        conversation_id="c2c_ann",
        msg_id="1-2-3",
        notify_id=5,
        collapse_id="c2c_ann",
        wishes=OfflinePushInfo(AndroidInfo=AndroidInfo(Sound="ring.mp3")),
        expires_at_ms=NOW_MS + 86_400_000,
        badge=7,
    )
    (request,) = xiaomi.channel.render(note, [Target(9, "a/b+c=")], xiaomi.certificate, None, NOW_MS)
    form = {name: values[0] for name, values in parse_qs(request.body.decode("ascii"), strict_parsing=True).items()}
    assert form == {
        "registration_id": "a/b+c=",
        "restricted_package_name": xiaomi.settings["package_name"],
        "title": "Ann",
        "description": "see you",
        "pass_through": "0",
        "notify_type": "-1",
        "notify_id": "5",
        "time_to_live": "86400000",
        "extra.channel_id": xiaomi.settings["channel_id"],
        "extra.notify_effect": "2",
        "extra.intent_uri": PAGE,
        "extra.sound_uri": "android.resource://com.tencent.qcloud.tim.tuikit/raw/ring",
        "extra.ext": '{"a":"b c+d"}',
        "extra.msg_id": "1-2-3",
        "extra.conv": "c2c_ann",
        "extra.push_id": "9",
    }
    assert dict(request.headers) == {
        "authorization": f"key={xiaomi.settings['app_secret']}",
        "content-type": "application/x-www-form-urlencoded; charset=UTF-8",
    }
