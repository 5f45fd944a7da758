"""Requests as the vendors' own server libraries and other people's wrote them when they were run against the sandbox.

Each body here is what a library put on the wire (docs/reference/compared-libraries.md): fields that were not set go
along as empty texts, zeros and empty objects, numbers stand for texts, tags of mass pushes come with single ones.
"""

from __future__ import annotations

import asyncio
import base64
import hashlib
import json
import time
from collections.abc import AsyncIterator
from typing import Any, Final

import pytest
import requests

from homing.channels.fields import build
from homing.channels.registry import CHANNELS
from homing.model.certificates import Certificate
from homing.model.notification import Notification, Target
from homing.model.outcome import Grant, VendorRequest
from homing.model.push_info import OfflinePushInfo
from homing.sandbox.server import Sandbox

ACTIVITY: Final = "com.tencent.qcloud.tim.demo.main.MainActivity"
PAGE: Final = (
    "intent://com.tencent.qcloud/detail#Intent;scheme=pushscheme;launchFlags=0x4000000;"
    f"component=com.tencent.qcloud.tim.tuikit/{ACTIVITY};end"
)
UNKNOWN_OPPO: Final = "CN_" + "f" * 32


class App:
    """An app of the sandbox with one phone."""

    def __init__(self, sandbox: Sandbox, channel: str, brand: str = "", **vendor: Any) -> None:
        self.sandbox, self.channel = sandbox, CHANNELS[channel]
        self.wish = {"brand": brand or channel, "notifications_enabled": True, "app": {"vendor": vendor}}

    async def begin(self) -> App:
        self.phone = await self.json("/phones", json=self.wish)
        self.token: str = self.phone["token"]
        hint = self.phone["business_hint"]
        self.settings: dict[str, str] = hint["settings"]
        built = build(self.channel, self.settings | hint["files"])
        assert isinstance(built, tuple), built
        self.certificate = Certificate(1400000001, 1, self.channel.name, "", *built)
        return self

    async def call(self, path: str, **options: Any) -> requests.Response:
        return await asyncio.to_thread(requests.post, self.sandbox.base_url + path, timeout=20, **options)

    async def json(self, path: str, **options: Any) -> dict[str, Any]:
        found: dict[str, Any] = (await self.call(path, **options)).json()
        return found

    async def tray(self) -> list[dict[str, Any]]:
        path = f"{self.sandbox.base_url}/phones/{self.phone['phone_id']}/tray"
        found: list[dict[str, Any]] = (await asyncio.to_thread(requests.get, path, timeout=20)).json()
        return found

    async def shown(self) -> list[str]:
        return [item["body"] for item in await self.tray()]

    def ours(self) -> VendorRequest:
        """The channel's request for a message with everything that both sides have."""
        now_ms = time.time_ns() // 1_000_000
        note = Notification("Ann", "see you", "{}", "c2c_ann", "m1", 5, "c2c_ann", OfflinePushInfo(), now_ms + 3_600_000, badge=7)
        grant = self.channel.login(self.certificate, now_ms)
        grant = grant if isinstance(grant, Grant) else Grant("t", now_ms + 60_000)
        (request,) = self.channel.render(note, [Target(1, self.token)], self.certificate, grant, now_ms)
        return request


@pytest.fixture
async def sandbox() -> AsyncIterator[Sandbox]:
    async with Sandbox(receipts_to="http://127.0.0.1:9") as running:
        yield running


def kinds(value: Any, path: str = "") -> dict[str, type]:
    """The type of every field of a JSON document by its path; free maps and their content are one."""
    if not isinstance(value, dict):
        return {}
    found = {f"{path}{name}": type(inner) for name, inner in value.items()}
    for name, inner in value.items():
        if name not in {"clientCustomMap", "data", "extra"}:
            found |= kinds(inner, f"{path}{name}.")
    return found


def assert_same_fields(ours: VendorRequest, theirs: dict[str, Any]) -> None:
    """Every field of ours is one of theirs, and of the same JSON type."""
    assert kinds(json.loads(ours.body)).items() <= kinds(theirs).items()


# --- vivo: vpush-server-sdk 3.3 (Java), push-vivo (Node) -----------------------------------------


async def vivo_headers(app: App) -> dict[str, str]:
    app_id, now = int(app.settings["app_id"]), time.time_ns() // 1_000_000
    signed = f"{app_id}{app.settings['app_key']}{now}{app.settings['app_secret']}"
    sign = hashlib.md5(signed.encode(), usedforsecurity=False).hexdigest()
    body = {"sign": sign, "appKey": app.settings["app_key"], "appId": app_id, "timestamp": now}
    granted = await app.json("/message/auth", json=body)
    return {"authToken": granted["authToken"], "Content-Type": "application/json;charset=UTF-8", "Content-Encoding": "UTF-8"}


#: The tags of a tag push come with every message of the vendor's own library.
VPUSH: Final[dict[str, Any]] = {
    "networkType": -1,
    "notifyType": 4,
    "skipType": 1,
    "tagExpression": {"orTags": [], "andTags": [], "notTags": []},
    "timeToLive": 3600,
    "title": "Ann",
    "category": "IM",
}


def vpush_full(app: App) -> dict[str, Any]:
    return VPUSH | {
        "addBadge": True,
        "appId": int(app.settings["app_id"]),
        "classification": 1,
        "clientCustomMap": {"ext": "{}"},
        "content": "完整",
        "extra": {"callback": "http://127.0.0.1:9/cb", "callback.param": "p"},
        "foregroundShow": False,
        "notifyId": 5,
        "pushMode": 0,
        "regId": app.token,
        "requestId": "j1",
        "sendOnline": False,
        "skipContent": PAGE,
        "skipType": 4,
    }


async def test_vivo_takes_every_form_of_the_vendors_own_library(sandbox: Sandbox) -> None:
    app = await App(sandbox, "vivo").begin()
    headers = await vivo_headers(app)
    assert (await app.json("/message/send", json=vpush_full(app), headers=headers))["result"] == 0
    minimal = VPUSH | {"clientCustomMap": {}, "extra": {}, "content": "少", "regId": app.token, "requestId": "j2"}
    assert (await app.json("/message/send", json=minimal, headers=headers))["result"] == 0
    saved = await app.json(
        "/message/saveListPayload", json=VPUSH | {"clientCustomMap": {}, "extra": {}, "content": "群", "requestId": "j3"}, headers=headers
    )
    order = {"regIds": [app.token, "16005080910330978890938"], "requestId": "j4", "taskId": saved["taskId"]}
    answer = await app.json("/message/pushToList", json=order, headers=headers)
    assert answer["invalidUsers"] == [{"status": 1, "userid": "16005080910330978890938"}]
    assert await app.shown() == ["完整", "少", "群"]


async def test_vivo_takes_a_request_id_that_is_a_number_and_an_empty_category(sandbox: Sandbox) -> None:
    app = await App(sandbox, "vivo", hours=False).begin()
    body = {
        "title": "Ann",
        "content": "数",
        "notifyType": 4,
        "skipType": 1,
        "regId": app.token,
        "requestId": 1_795_000_000_000,
        "category": "",
    }
    headers = await vivo_headers(app)
    first = await app.json("/message/send", json=body, headers=headers)
    again = await app.json("/message/send", json=body | {"requestId": "1795000000000"}, headers=headers)
    assert (first["result"], again["taskId"]) == (0, first["taskId"])
    (item,) = await app.tray()
    assert (item["body"], item["sound"]) == ("数", None)  # operational, for want of a category


async def test_vivos_requests_have_the_fields_and_types_of_the_vendors_own_library(sandbox: Sandbox) -> None:
    app = await App(sandbox, "vivo").begin()
    assert_same_fields(app.ours(), vpush_full(app))


# --- OPPO: opush-server-sdk 1.0.4 (Java), push-oppo (Node) ---------------------------------------

OPUSH: Final[dict[str, Any]] = {
    "style": 1,
    "title": "Ann",
    "click_action_type": 4,
    "click_action_activity": ACTIVITY,
    "action_parameters": '{"k":"v"}',
    "show_time_type": 0,
    "push_time_type": 0,
    "time_zone": "GMT+08:00",
    "off_line": True,
    "off_line_ttl": 3600,
    "network_type": 0,
    "channel_id": "tuikit",
    "call_back_url": "http://127.0.0.1:9/cb",
    "call_back_parameter": "p",
}
SDK_VERSION: Final = {"sdk_version": "JAVA_SDK_V1.0.0"}


async def oppo_token(app: App) -> dict[str, str]:
    key, now = app.settings["app_key"], str(time.time_ns() // 1_000_000)
    sign = hashlib.sha256((key + now + app.settings["master_secret"]).encode()).hexdigest()
    granted = await app.json("/server/v1/auth", data=SDK_VERSION | {"app_key": key, "sign": sign, "timestamp": now})
    return {"auth_token": granted["data"]["auth_token"]}


async def test_oppo_takes_every_form_of_the_vendors_own_library(sandbox: Sandbox) -> None:
    app = await App(sandbox, "oppo").begin()
    form = SDK_VERSION | await oppo_token(app)

    def message(token: str, content: str) -> dict[str, Any]:
        note = OPUSH | {"content": content, "app_message_id": f"{token}-{content}"}
        return {"notification": note, "target_value": token, "target_type": 2}

    start = "/server/v1/message/notification/"
    single = await app.json(start + "unicast", data=form | {"message": json.dumps(message(app.token, "one"))})
    assert single["code"] == 0
    pair = json.dumps([message(app.token, "batch"), message(UNKNOWN_OPPO, "batch")])
    batch = await app.json(start + "unicast_batch", data=form | {"messages": pair})
    assert [entry.get("errorCode") for entry in batch["data"]] == [None, 10000]
    flat = {name: "true" if value is True else str(value) for name, value in OPUSH.items()}
    saved = await app.json(start + "save_message_content", data=form | flat | {"content": "all", "app_message_id": "x"})
    order = {"target_type": "2", "target_value": f"{app.token};{UNKNOWN_OPPO}", "message_id": saved["data"]["message_id"]}
    assert (await app.json(start + "broadcast", data=form | order))["data"]["10000"] == [UNKNOWN_OPPO]
    assert await app.shown() == ["one", "batch", "all"]


async def test_oppo_takes_the_log_in_token_as_a_header(sandbox: Sandbox) -> None:
    app = await App(sandbox, "oppo").begin()
    headers, start = await oppo_token(app), "/server/v1/message/notification/"
    flat = {"app_message_id": "1795000000000", "title": "Ann", "content": "header", "channel_id": "tuikit", "click_action_type": "0"}
    saved = await app.json(start + "save_message_content", data=flat | {"list": app.token, "success": "", "fail": ""}, headers=headers)
    order = {"message_id": saved["data"]["message_id"], "target_type": "2", "target_value": app.token}
    assert (await app.json(start + "broadcast", data=order, headers=headers))["code"] == 0
    assert await app.shown() == ["header"]


# --- Xiaomi: push-xiaomi 0.1.6 (Node) ------------------------------------------------------------


async def test_xiaomi_takes_options_that_were_not_set_as_empty(sandbox: Sandbox) -> None:
    app = await App(sandbox, "xiaomi").begin()
    unset = dict.fromkeys(("extra.notify_effect", "extra.intent_uri", "extra.callback", "extra.callback.type"), "")
    form = {"payload": "{}", "restricted_package_name": app.settings["package_name"], "registration_id": app.token, "title": "Ann"}
    form |= {"description": "empty", "notify_id": "5", "notify_type": "-1", "pass_through": "0"}
    headers = {"Authorization": f"key={app.settings['app_secret']}"}
    assert (await app.json("/v3/message/regid", data=form | unset, headers=headers))["code"] == 0
    assert await app.shown() == ["empty"]


# --- TPNS: agileadept/tpns (PHP), xinge-api-java -------------------------------------------------

#: A class for each object, every field public: what was not set is "", 0, false or null.
TPNS_ANDROID: Final[dict[str, Any]] = {
    **dict.fromkeys(("n_ch_id", "n_ch_name", "n_category", "xm_ch_id", "fcm_ch_id", "hw_ch_id", "hw_category", "oppo_ch_id"), ""),
    **dict.fromkeys(("oppo_advertiser_id", "vivo_marketing", "vivo_category", "vivo_ch_id", "ring_raw", "icon_res", "small_icon"), ""),
    **dict.fromkeys(("oppo_top_notification_bar_show", "oppo_senior_push"), False),
    **dict.fromkeys(("hw_biz_type", "hw_importance", "builder_id", "icon_type", "style_id", "icon_color"), 0),
    **dict.fromkeys(("ring", "vibrate", "lights", "clearable"), 1),
    "n_importance": 4,
    "urgency": "NORMAL",
    "badge_type": -1,
    "show_type": 2,
    "action": {"action_type": 1, "activity": "", "intent": "", "browser": {"url": "", "confirm": 0}},
    "custom_content": '{"ext":"{}"}',
}


def tpns_body(token: str, android: dict[str, Any]) -> dict[str, Any]:
    texts = dict.fromkeys(("thread_id", "thread_sumtext", "xg_media_resources", "xg_media_audio_resources"), "")
    return {
        "audience_type": "token",
        "message": {"title": "Ann", "content": "see you", "accept_time": None, **texts, "android": android},
        "message_type": "notify",
        "token_list": [token],
        "expire_time": 259_200,
        "multi_pkg": False,
        "force_collapse": False,
        **dict.fromkeys(("tag_rules", "account_list", "channel_rules"), None),
        **dict.fromkeys(("platform", "environment", "send_time", "plan_id"), ""),
        **dict.fromkeys(("upload_id", "account_push_type", "account_type", "collapse_id", "push_speed", "tpns_online_push_type"), 0),
        "ignore_invalid_token": 0,
    }


async def tpns_send(app: App, body: dict[str, Any]) -> dict[str, Any]:
    pair = base64.b64encode(f"{app.settings['access_id']}:{app.settings['secret_key']}".encode()).decode()
    headers = {"Authorization": f"Basic {pair}", "Content-Type": "application/json;charset='utf-8'"}
    return await app.json("/v3/push/app", data=json.dumps(body).encode(), headers=headers)


@pytest.mark.parametrize(
    "action",
    [TPNS_ANDROID["action"], {"action_type": 0, "activity": "xxx", "intent": "xxx"}, {"action_type": 3, "activity": "", "intent": PAGE}],
)
async def test_tpns_takes_libraries_that_send_every_field(sandbox: Sandbox, action: dict[str, Any]) -> None:
    app = await App(sandbox, "tpns").begin()
    answer = await tpns_send(app, tpns_body(app.token, TPNS_ANDROID | {"action": action}))
    assert (answer["ret_code"], await app.shown()) == (0, ["see you"]), answer


@pytest.mark.parametrize("action", [{"action_type": 2, "browser": {"url": "", "confirm": 0}}, {"action_type": 3, "intent": ""}])
async def test_tpns_refuses_a_click_that_leads_nowhere(sandbox: Sandbox, action: dict[str, Any]) -> None:
    app = await App(sandbox, "tpns").begin()
    assert (await tpns_send(app, tpns_body(app.token, TPNS_ANDROID | {"action": action})))["ret_code"] == 1008007


async def test_tpnss_requests_have_the_fields_and_types_of_the_libraries(sandbox: Sandbox) -> None:
    app = await App(sandbox, "tpns").begin()
    assert_same_fields(app.ours(), tpns_body(app.token, TPNS_ANDROID))


# --- Meizu: its own PushServerSDK 1.2.11 (Java), go-meizu-push-sdk, push-meizu (Node) --------------


MEIZU_FORMS: Final[list[dict[str, Any]]] = [
    {"noticeBarInfo": {"noticeBarType": 0, "title": "Ann", "content": "see you"}},
    {
        "noticeBarInfo": {"noticeBarType": 2, "title": "Ann", "content": "see you"},
        "noticeExpandInfo": {"noticeExpandType": 0, "noticeExpandContent": ""},
        "clickTypeInfo": {"clickType": 1, "url": "", "parameters": {"test": "test"}, "activity": ACTIVITY, "customAttribute": ""},
        "pushTimeInfo": {"offLine": 0, "validTime": 24},
        "advanceInfo": {
            **dict.fromkeys(("suspend", "clearNoticeBar", "fixDisplay"), 0),
            **dict.fromkeys(("fixStartDisplayTime", "fixEndDisplayTime"), ""),
            "notificationType": {"vibrate": 1, "lights": 1, "sound": 1},
        },
    },
    {
        "noticeBarInfo": {"content": "see you", "noticeBarImgUrl": "", "noticeBarType": 0, "noticeMsgType": 0, "title": "Ann"},
        "clickTypeInfo": {"activity": "", "clickType": 0, "customAttribute": "", "url": ""},
        "pushTimeInfo": {"offLine": True, "pushTimeType": 0, "startTime": "", "validTime": 24},
        "extra": {},
    },
]


@pytest.mark.parametrize("message", MEIZU_FORMS)
async def test_meizu_takes_the_forms_of_three_libraries(sandbox: Sandbox, message: dict[str, Any]) -> None:
    app = await App(sandbox, "meizu").begin()
    form = {"appId": app.settings["app_id"], "pushIds": f"{app.token},S5Q{'f' * 40}", "messageJson": json.dumps(message)}
    base = "".join(f"{name}={form[name]}" for name in sorted(form)) + app.settings["app_secret"]
    form["sign"] = hashlib.md5(base.encode(), usedforsecurity=False).hexdigest()
    answer = await app.json("/garcia/api/server/push/varnished/pushByPushId", data=form)
    assert (answer["code"], list(answer["value"].values())) == ("200", [[f"S5Q{'f' * 40}"]])
    assert await app.shown() == ["see you"]


# --- Honor: honor-push, go-multipush (Go) --------------------------------------------------------


@pytest.mark.parametrize(
    ("scheme", "notify_id", "code"),
    [("Bearer ", 5, 200), ("", 5, 80200001), ("Bearer ", "5", 80100003)],  # two slips of these libraries
)
async def test_honor_takes_the_form_of_the_libraries_and_names_their_slips(
    sandbox: Sandbox, scheme: str, notify_id: Any, code: int
) -> None:
    app = await App(sandbox, "honor").begin()
    pair = {"client_id": app.settings["client_id"], "client_secret": app.settings["client_secret"]}
    granted = await app.json("/auth/token", data=pair | {"grant_type": "client_credentials"})
    badge = {"addNum": 0, "badgeClass": app.settings["badge_class"], "setNum": 7}
    note = {"title": "Ann", "body": "see you", "clickAction": {"type": 1, "intent": PAGE}, "importance": "NORMAL", "badge": badge}
    android = {"ttl": "3600s", "biTag": "b", "notification": note | {"notifyId": notify_id}, "targetUserType": 0}
    body = {"data": '{"ext":"{}"}', "token": [app.token], "android": android}
    headers = {"Authorization": scheme + granted["access_token"], "timestamp": str(time.time_ns() // 1_000_000)}
    sent = await app.json(f"/api/v1/{app.settings['app_id']}/sendMessage", json=body, headers=headers)
    assert sent["code"] == code, sent
    assert_same_fields(app.ours(), body | {"android": android | {"notification": note | {"notifyId": 5}}})


# --- HarmonyOS: the vendor's server demo (Java), go-multipush (Go) -------------------------------


def harmony_body(token: str) -> dict[str, Any]:
    note = {
        "category": "IM",
        "title": "Ann",
        "body": "see you",
        "style": 0,
        "notifyId": 5,
        "appMessageId": "m1",
        "clickAction": {"actionType": 0, "data": {"ext": "{}"}},
        "badge": {"setNum": 7},
        "foregroundShow": True,
    }
    options = {"testMessage": False, "ttl": 3600, "biTag": "b", "collapseKey": -1}
    return {"payload": {"notification": note}, "target": {"token": [token]}, "pushOptions": options}


@pytest.mark.parametrize("content_type", [{"Content-Type": "application/json; charset=UTF-8"}, {}])
async def test_harmony_takes_the_libraries_with_and_without_a_content_type(sandbox: Sandbox, content_type: dict[str, str]) -> None:
    app = await App(sandbox, "harmony").begin()
    headers = {"Authorization": dict(app.ours().headers)["authorization"], "push-type": "0", **content_type}
    body = json.dumps(harmony_body(app.token)).encode()
    sent = await app.json(f"/v3/{app.settings['project_id']}/messages:send", data=body, headers=headers)
    assert (sent["code"], await app.shown()) == ("80000000", ["see you"]), sent
    assert_same_fields(app.ours(), harmony_body(app.token))


async def test_harmonys_own_token_has_the_fields_of_both_libraries(sandbox: Sandbox) -> None:
    app = await App(sandbox, "harmony").begin()
    token = dict(app.ours().headers)["authorization"].removeprefix("Bearer ")
    header, claims = (json.loads(base64.urlsafe_b64decode(part + "==")) for part in token.split(".")[:2])
    assert (set(header), header["alg"], header["typ"]) == ({"alg", "kid", "typ"}, "PS256", "JWT")
    assert set(claims) == {"iss", "aud", "iat", "exp"}
    assert claims["aud"] == "https://oauth-login.cloud.huawei.com/oauth2/v3/token"


# --- Web Push: pywebpush 2.5 (Python), web-push 3.6 (Node) ---------------------------------------


@pytest.mark.parametrize(
    ("comma", "more"),
    [(",", {"ttl": "0"}), (", ", {"ttl": "2419200", "content-type": "application/octet-stream", "urgency": "high", "topic": "c2c_ann"})],
)
async def test_push_services_take_the_headers_of_both_libraries(sandbox: Sandbox, comma: str, more: dict[str, str]) -> None:
    app = await App(sandbox, "webpush", "web").begin()
    ours = app.ours()
    vapid = dict(ours.headers)["authorization"].replace(", ", comma)
    sent = await asyncio.to_thread(
        requests.post, ours.url, data=ours.body, headers={"authorization": vapid, "content-encoding": "aes128gcm", **more}, timeout=20
    )
    assert (sent.status_code, await app.shown()) == (201, ["see you"])


async def test_a_push_without_a_payload_is_taken_and_shows_nothing(sandbox: Sandbox) -> None:
    app = await App(sandbox, "webpush", "web").begin()
    ours = app.ours()
    headers = {"authorization": dict(ours.headers)["authorization"], "ttl": "60"}
    sent = await asyncio.to_thread(requests.post, ours.url, headers=headers, timeout=20)
    log = (await asyncio.to_thread(requests.get, f"{sandbox.base_url}/requests?vendor=webpush", timeout=20)).json()
    assert (sent.status_code, await app.shown()) == (201, [])
    assert "without a payload" in log[-1]["reason"]


async def test_the_older_encryption_is_refused(sandbox: Sandbox) -> None:
    app = await App(sandbox, "webpush", "web").begin()
    ours = app.ours()
    headers = {"authorization": dict(ours.headers)["authorization"], "ttl": "60", "content-encoding": "aesgcm"}
    old = headers | {"encryption": "salt=xfr5h0jgk--Gd5FRCmZ9vw", "crypto-key": "dh=BBcQlB"}
    sent = await asyncio.to_thread(requests.post, ours.url, data=ours.body, headers=old, timeout=20)
    assert (sent.status_code, await app.shown()) == (400, [])
