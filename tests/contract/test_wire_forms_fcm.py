"""Requests as Google's own libraries send them: the sandbox takes them, and the channel's have the same form.

Composed from the documented fields (vendor sheet fcm, sections 2 and 3), in the spelling that firebase-admin and google-auth give them.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any
from urllib.parse import parse_qs

import jwt
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
PACKAGE = "com.tencent.qcloud.tim.tuikit"
IMAGE = "https://img.example.com/a.png"
LIBRARY_HEADERS = {
    "X-GOOG-API-FORMAT-VERSION": "2",
    "X-FIREBASE-CLIENT": "fire-admin-python/7.7.0",
    "x-goog-api-client": "gl-python/3.11.7 fire-admin/7.7.0 cred-type/sa",
}
SHOWN = {
    "title": "t",
    "body": "b",
    "icon": "ic",
    "color": "#aabbcc",
    "sound": "ring",
    "tag": "c2c_ann",
    "click_action": "com.x.OPEN",
    "channel_id": "im",
    "image": IMAGE,
    "ticker": "tick",
    "sticky": True,
    "local_only": False,
    "event_time": "2026-01-02T03:04:05.000678Z",
    "notification_priority": "PRIORITY_HIGH",
    "vibrate_timings": ["0.100000000s", "2.500000000s"],
    "default_vibrate_timings": False,
    "default_sound": False,
    "default_light_settings": False,
    "light_settings": {
        "color": {"red": 0.06666666666666667, "green": 0.13333333333333333, "blue": 0.2, "alpha": 0.26666666666666666},
        "light_on_duration": "0.200000000s",
        "light_off_duration": "1.500000000s",
    },
    "visibility": "PRIVATE",
    "notification_count": 7,
    "proxy": "IF_PRIORITY_LOWERED",
    "title_loc_key": "tk",
    "title_loc_args": ["a"],
    "body_loc_key": "bk",
    "body_loc_args": ["a"],
}
EVERYTHING = {
    "notification": {"title": "Ann", "body": "see you at eight", "image": IMAGE},
    "data": {"ext": '{"a":1}'},
    "android": {
        "collapse_key": "c2c_ann",
        "priority": "high",
        "ttl": "86400.500000000s",
        "restricted_package_name": PACKAGE,
        "data": {"k": "v"},
        "direct_boot_ok": True,
        "fcm_options": {"analytics_label": "im_c2c"},
        "notification": SHOWN,
    },
    "apns": {
        "headers": {"apns-priority": "10"},
        "payload": {"aps": {"alert": {"title": "t"}, "badge": 3, "sound": {"name": "ring", "volume": 0.5, "critical": 1}, "z": 1}, "x": 1},
        "fcm_options": {"analytics_label": "lab", "image": IMAGE},
    },
    "webpush": {
        "headers": {"TTL": "4500"},
        "data": {"a": "b"},
        "notification": {
            "title": "t",
            "actions": [{"action": "a", "title": "t", "icon": "i"}],
            "renotify": True,
            "vibrate": [1, 2],
            "q": 1,
        },
        "fcm_options": {"link": "https://x.example.com/"},
    },
    "fcm_options": {"analytics_label": "all"},
}


class Google:
    """A project of the sandbox, and the channel with its certificate."""

    def __init__(self, sandbox: Sandbox) -> None:
        self.sandbox, self.channel = sandbox, CHANNELS["fcm"]

    async def call(self, url: str, **options: Any) -> requests.Response:
        return await asyncio.to_thread(requests.post, url, timeout=20, **options)

    async def begin(self) -> Google:
        self.phone = (await self.call(f"{self.sandbox.base_url}/phones", json={"brand": "google"})).json()
        hint = self.phone["business_hint"]
        self.account: dict[str, Any] = json.loads(hint["files"]["service_account"])
        built = build(self.channel, hint["settings"] | hint["files"] | {"click_action": "page", "click_value": "com.x.OPEN"})
        assert isinstance(built, tuple), built
        self.certificate = Certificate(1400000001, 1, "fcm", "fcm", *built)
        return self

    async def access_token(self) -> str:
        """As google-auth logs in: ``aud`` is the vendor's constant, whatever the file's token_uri says."""
        now = self.sandbox.world.clock.now_ms() // 1000
        claims = {"iat": now, "exp": now + 3600, "iss": self.account["client_email"], "aud": "https://oauth2.googleapis.com/token"}
        claims["scope"] = "https://www.googleapis.com/auth/cloud-platform https://www.googleapis.com/auth/firebase.messaging"
        assertion = jwt.encode(claims, self.account["private_key"], "RS256", {"kid": self.account["private_key_id"]})
        form = {"assertion": assertion, "grant_type": "urn:ietf:params:oauth:grant-type:jwt-bearer"}
        answer = (await self.call(self.account["token_uri"], data=form)).json()
        assert (answer["token_type"], answer["expires_in"]) == ("Bearer", 3599)
        return str(answer["access_token"])

    async def send(self, message: dict[str, Any], **more: Any) -> requests.Response:
        headers = LIBRARY_HEADERS | {"Authorization": f"Bearer {await self.access_token()}"}
        url = f"{self.sandbox.base_url}/v1/projects/{self.account['project_id']}/messages:send"
        return await self.call(url, json={"message": {"token": self.phone["token"]} | message} | more, headers=headers)


@pytest.fixture
async def google() -> AsyncIterator[Google]:
    async with Sandbox() as sandbox:
        yield await Google(sandbox).begin()


async def test_a_message_with_every_field_of_the_library_is_taken(google):
    answer = await google.send(EVERYTHING)
    assert answer.status_code == 200, answer.text
    assert answer.json()["name"].startswith(f"projects/{google.account['project_id']}/messages/0:")


async def test_a_dry_run_is_spelt_validate_only(google):
    answer = await google.send({"notification": {"title": "Ann"}}, validate_only=True)
    assert answer.json()["name"].endswith("/messages/fake_message_id")


@pytest.mark.parametrize(
    ("message", "status", "code"),
    [
        ({"token": "cAAAAAAAAAAAAAAAAAAAAA:APA91b" + "x" * 134}, 404, "UNREGISTERED"),
        ({"token": "nonsense"}, 400, "INVALID_ARGUMENT"),
        ({"data": {"from": "x"}}, 400, "INVALID_ARGUMENT"),
    ],
)
async def test_libraries_find_the_code_in_the_fcm_error_detail(google, message, status, code):
    answer = await google.send({"notification": {"title": "Ann"}} | message)
    details = answer.json()["error"]["details"]
    found = [d["errorCode"] for d in details if d["@type"] == "type.googleapis.com/google.firebase.fcm.v1.FcmError"]
    assert (answer.status_code, found) == (status, [code])


def rendered(google: Google) -> tuple[VendorRequest, dict[str, Any]]:
    wishes = OfflinePushInfo(AndroidInfo=AndroidInfo(Sound="ring.mp3", GoogleChannelID="im", GoogleImage=IMAGE))
    note = Notification(
        title="Ann",
        body="see you at eight",
        ext='{"a":1}',
        conversation_id="c2c_ann",
        msg_id="1-2-3",
        notify_id=5,
        collapse_id="c2c_ann",
        wishes=wishes,
        expires_at_ms=NOW_MS + 86_400_000,
        badge=7,
    )
    grant = Grant("ya29.x", NOW_MS + 1000, NOW_MS)
    (request,) = google.channel.render(note, [Target(9, google.phone["token"])], google.certificate, grant, NOW_MS)
    return request, json.loads(request.body)


async def test_the_channel_writes_the_same_message_as_the_library(google):
    request, body = rendered(google)
    assert body == {
        "message": {
            "token": google.phone["token"],
            "notification": {"title": "Ann", "body": "see you at eight", "image": IMAGE},
            "data": {"ext": '{"a":1}', "msg_id": "1-2-3", "push_id": "9", "conv": "c2c_ann"},
            "android": {
                "priority": "high",
                "ttl": "86400s",
                "restricted_package_name": PACKAGE,
                "notification": {
                    "channel_id": "im",
                    "sound": "ring",
                    "tag": "c2c_ann",
                    "click_action": "com.x.OPEN",
                    "notification_count": 7,
                },
            },
        }
    }
    assert dict(request.headers) == {"authorization": "Bearer ya29.x", "content-type": "application/json"}


async def test_the_channel_logs_in_as_the_library_does(google):
    asked = google.channel.login(google.certificate, NOW_MS)
    form = {name: values[0] for name, values in parse_qs(asked.body.decode()).items()}
    assert dict(asked.headers)["content-type"] == "application/x-www-form-urlencoded"
    assert form.keys() == {"grant_type", "assertion"}
    account = google.account
    assert jwt.get_unverified_header(form["assertion"]) == {"alg": "RS256", "typ": "JWT", "kid": account["private_key_id"]}
    claims = jwt.decode(form["assertion"], options={"verify_signature": False})
    assert claims == {
        "iss": account["client_email"],
        "scope": "https://www.googleapis.com/auth/firebase.messaging",
        "aud": "https://oauth2.googleapis.com/token",
        "iat": NOW_MS // 1000,
        "exp": NOW_MS // 1000 + 3600,
    }
