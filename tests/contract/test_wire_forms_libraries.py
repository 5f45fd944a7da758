"""Requests as other people's server libraries for Honor, Meizu and TPNS send them: the sandbox takes them, and the channels'
requests have the same names.

Composed from the documented fields in the spelling of those libraries, which send along what was not set (vendor sheets, section 3).
"""

from __future__ import annotations

import asyncio
import base64
import hashlib
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
from homing.model.outcome import Grant, VendorRequest
from homing.model.push_info import AndroidInfo, OfflinePushInfo
from homing.sandbox.server import Sandbox

NOW_MS = 1_795_000_000_000
ACTIVITY = "com.tencent.qcloud.tim.demo.main.MainActivity"
PAGE = (
    "intent://com.tencent.qcloud/detail#Intent;scheme=pushscheme;launchFlags=0x4000000;"
    f"component=com.tencent.qcloud.tim.tuikit/{ACTIVITY};end"
)


class App:
    """An app of the sandbox, and the channel with its certificate."""

    def __init__(self, sandbox: Sandbox, name: str) -> None:
        self.sandbox, self.channel = sandbox, CHANNELS[name]

    async def call(self, path: str, **options: Any) -> requests.Response:
        return await asyncio.to_thread(requests.post, self.sandbox.base_url + path, timeout=20, **options)

    async def begin(self, **options: str) -> App:
        self.phone = (await self.call("/phones", json={"brand": self.channel.name})).json()
        self.settings = self.phone["business_hint"]["settings"]
        built = build(self.channel, self.settings | {"click_action": "page", "click_value": PAGE} | options)
        assert isinstance(built, tuple), built
        self.certificate = Certificate(1400000001, 1, self.channel.name, "", *built)
        return self

    def ours(self) -> VendorRequest:
        note = Notification(
            title="Ann",
            body="see you",
            ext="{}",
            conversation_id="c2c_ann",
            msg_id="m1",
            notify_id=5,
            collapse_id="c2c_ann",
            wishes=OfflinePushInfo(AndroidInfo=AndroidInfo(PushStyle=1, HonorImage="https://a/b.png")),
            expires_at_ms=NOW_MS + 86_400_000,
            badge=7,
        )
        target = Target(1, self.phone["token"])
        (request,) = self.channel.render(note, [target], self.certificate, Grant("t", NOW_MS + 1), NOW_MS)
        return request

    async def shown(self) -> dict[str, Any]:
        tray = await asyncio.to_thread(requests.get, f"{self.sandbox.base_url}/phones/{self.phone['phone_id']}/tray", timeout=20)
        (item,) = tray.json()
        found: dict[str, Any] = item
        return found


@pytest.fixture
async def sandbox() -> AsyncIterator[Sandbox]:
    async with Sandbox(receipts_to="http://127.0.0.1:9") as running:
        yield running


def names(value: Any, path: str = "") -> set[str]:
    """Every field of a JSON document by its path."""
    if not isinstance(value, dict):
        return set()
    found = {f"{path}{name}" for name in value}
    return found.union(*(names(inner, f"{path}{name}.") for name, inner in value.items()))


# --- Honor ---------------------------------------------------------------------------------------


def honor_body(token: str, launcher: str) -> dict[str, Any]:
    """A library with a struct for each object: zeros and empty texts where nothing was set."""
    return {
        "data": '{"ext":"{}"}',
        "notification": {"title": "Ann", "body": "see you", "image": ""},
        "token": [token],
        "android": {
            "ttl": "86400s",
            "biTag": "m:m1",
            "targetUserType": 1,
            "notification": {
                "title": "Ann",
                "body": "see you",
                "image": "https://a/b.png",
                "style": 1,
                "bigTitle": "Ann",
                "bigBody": "see you",
                "importance": "NORMAL",
                "when": "2014-10-02T15:01:23.045123456Z",
                "buttons": [{"name": "open", "actionType": 0, "intentType": 0, "intent": "", "data": ""}],
                "badge": {"addNum": 0, "badgeClass": launcher, "setNum": 7},
                "notifyId": 5,
                "tag": "t",
                "group": "g",
                "clickAction": {"type": 1, "intent": PAGE},
            },
        },
    }


@pytest.mark.parametrize("timestamp", ["1795000000000", "1795000000"])
async def test_honor_takes_a_library_that_sends_zeros_and_seconds(sandbox: Sandbox, timestamp: str) -> None:
    app = await App(sandbox, "honor").begin()
    secret = app.settings["client_secret"]
    form = f"grant_type=client_credentials&client_id={app.settings['client_id']}&client_secret={secret}"
    granted = await app.call("/auth/token", data=form, headers={"Content-Type": "application/x-www-form-urlencoded"})
    headers = {
        "Authorization": f"Bearer {granted.json()['access_token']}",
        "timestamp": timestamp,
        "Content-Type": "application/json",
    }
    body = honor_body(app.phone["token"], app.settings["badge_class"])
    sent = await app.call(f"/api/v1/{app.settings['app_id']}/sendMessage", json=body, headers=headers)
    assert sent.json()["code"] == 200, sent.text
    assert (await app.shown())["badge"] == 7


async def test_honors_requests_have_the_names_of_the_libraries(sandbox: Sandbox) -> None:
    app = await App(sandbox, "honor").begin()
    assert names(json.loads(app.ours().body)) <= names(honor_body("t", "a.B"))


# --- Meizu ---------------------------------------------------------------------------------------

#: As the vendor's own library writes it: switches are booleans, what was not set is empty, the receipt kind is a text.
MEIZU_MESSAGE: dict[str, Any] = {
    "advanceInfo": {
        "clearNoticeBar": True,
        "fixDisplay": False,
        "fixEndDisplayTime": "",
        "fixSpeed": False,
        "fixSpeedRate": 0,
        "fixStartDisplayTime": "",
        "notificationType": {"lights": True, "sound": True, "vibrate": True},
        "notifyKey": "key1",
        "suspend": True,
    },
    "clickTypeInfo": {"activity": ACTIVITY, "clickType": 1, "customAttribute": "", "parameters": {"ext": "{}"}, "url": ""},
    "extra": {"callback": "http://127.0.0.1:9/v1/receipts/x", "callback.param": "m:m1", "callback.type": "3"},
    "noticeBarInfo": {"content": "see you", "noticeBarType": 0, "noticeMsgType": 1, "title": "Ann"},
    "noticeExpandInfo": {"noticeExpandContent": "", "noticeExpandImgUrl": "", "noticeExpandType": 0},
    "pushTimeInfo": {"offLine": True, "pushTimeType": 0, "startTime": "", "validTime": 24},
    "vipInfo": {
        "backgroundImgUrl": "",
        "bigIconUrl": "",
        "notGroup": False,
        "pullDownTop": False,
        "smallIconUrl": "",
        "subtitle": "",
        "timeTop": 0,
        "titleColor": "",
    },
}


@pytest.mark.parametrize("extra", [MEIZU_MESSAGE["extra"], {}])
async def test_meizu_takes_what_its_own_library_sends(sandbox: Sandbox, extra: dict[str, str]) -> None:
    app = await App(sandbox, "meizu").begin()
    form = {
        "pushIds": app.phone["token"],
        "appId": app.settings["app_id"],
        "messageJson": json.dumps(MEIZU_MESSAGE | {"extra": extra}, ensure_ascii=False, separators=(",", ":")),
    }
    base = "".join(f"{name}={form[name]}" for name in sorted(form)) + app.settings["app_secret"]
    form["sign"] = hashlib.md5(base.encode(), usedforsecurity=False).hexdigest()
    headers = {"F-PUSH-SDK-VERSION": "1.2.13.20250422_release", "F-PUSH-OS": "linux"}
    sent = await app.call("/garcia/api/server/push/varnished/pushByPushId", data=form, headers=headers)
    assert (sent.json()["code"], sent.json()["value"]) == ("200", {}), sent.text
    assert (await app.shown())["title"] == "Ann"


async def test_meizus_requests_have_the_names_of_its_library(sandbox: Sandbox) -> None:
    app = await App(sandbox, "meizu").begin()
    form = {name: values[0] for name, values in parse_qs(app.ours().body.decode()).items()}
    assert set(form) == {"appId", "pushIds", "messageJson", "sign"}
    ours = {name for name in names(json.loads(form["messageJson"])) if not name.startswith("clickTypeInfo.parameters.")}
    assert ours <= names(MEIZU_MESSAGE)


# --- TPNS ----------------------------------------------------------------------------------------


def tpns_body(token: str) -> dict[str, Any]:
    """A library with a class for each object: defaults are sent, also those of the other platform and of mass pushes."""
    return {
        "audience_type": "token_list",
        "platform": "android",
        "message_type": "notify",
        "message": {
            "title": "Ann",
            "content": "see you",
            "android": {
                "n_id": 0,
                "builder_id": 0,
                "ring": 1,
                "vibrate": 1,
                "lights": 1,
                "clearable": 1,
                "icon_type": 0,
                "style_id": 1,
                "action": {"action_type": 1, "activity": ""},
                "custom_content": '{"ext":"{}"}',
            },
        },
        "expire_time": 259_200,
        "multi_pkg": False,
        "loop_times": 0,
        "loop_interval": 0,
        "environment": "product",
        "seq": 0,
        "account_list": [],
        "account_type": 0,
        "token_list": [token],
        "push_id": "0",
    }


async def test_tpns_takes_a_library_with_basic_authentication_and_every_default(sandbox: Sandbox) -> None:
    app = await App(sandbox, "tpns").begin()
    pair = base64.b64encode(f"{app.settings['access_id']}:{app.settings['secret_key']}".encode()).decode()
    headers = {"Authorization": f"Basic {pair}", "Content-Type": "application/json; charset=UTF-8"}
    body = json.dumps(tpns_body(app.phone["token"]), ensure_ascii=False).encode()
    sent = await app.call("/v3/push/app", data=body, headers=headers)
    assert sent.json()["ret_code"] == 0, sent.text
    assert (await app.shown())["title"] == "Ann"


async def test_tpnss_requests_have_the_names_of_the_vendors_page(sandbox: Sandbox) -> None:
    app = await App(sandbox, "tpns").begin(channel_id="im", sound="ring", huawei_category="IM")
    documented = {"ignore_invalid_token", "message.xg_media_resources", "message.android.action.intent"}
    documented |= {f"message.android.{name}" for name in ("n_ch_id", "n_ch_name", "hw_category", "hw_importance", "vivo_ch_id")}
    documented |= {f"message.android.{name}" for name in ("badge_type", "ring_raw", "show_type")}
    assert names(json.loads(app.ours().body)) <= names(tpns_body("t")) | documented
