"""Requests as APNs libraries in wide use send them: the sandbox takes them, and the channel's have the same form.

Composed from the documented headers and keys (vendor sheet apns, sections 2 and 3), in the spellings of aioapns, PyAPNs2, kalyke,
node-apn and apns2.
"""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from typing import Any

import jwt
import pytest

from homing.channels.fields import build
from homing.channels.registry import CHANNELS
from homing.model.certificates import Certificate
from homing.model.notification import Notification, Target
from homing.model.outcome import Grant
from homing.model.push_info import ApnsInfo, OfflinePushInfo
from homing.sandbox.base import RealClock
from homing.sandbox.phone_api import create_phone
from homing.sandbox.phones import Phone
from homing.sandbox.server import Sandbox

NOW_MS = 1_795_000_000_000
TOPIC = "com.tencent.qcloud.tim.tuikit"
PAYLOAD = {
    "aps": {
        "alert": {"title": "Ann", "subtitle": "sub", "body": "see you"},
        "badge": 7,
        "sound": "ring.caf",
        "thread-id": "c2c_ann",
        "category": "IM",
        "mutable-content": 1,
        "interruption-level": "active",
    },
    "ext": "{}",
}
EXPIRATION = str(4_000_000_000)
LIBRARIES: dict[str, dict[str, str]] = {
    "aioapns": {
        "apns-id": "82997811-f97b-4ea0-93ab-a8d5cd969ee1",
        "apns-topic": TOPIC,
        "apns-expiration": EXPIRATION,
        "apns-priority": "10",
        "apns-collapse-id": "c2c_ann",
        "apns-push-type": "alert",
    },
    "PyAPNs2": {"apns-topic": TOPIC, "apns-push-type": "alert", "apns-expiration": EXPIRATION, "apns-collapse-id": "x"},
    "kalyke": {
        "accept": "*/*",
        "accept-encoding": "gzip, deflate",
        "apns-push-type": "alert",
        "apns-expiration": EXPIRATION,
        "apns-priority": "10",
        "apns-topic": TOPIC,
        "user-agent": f"python-httpx2/2.16.2 {TOPIC}",
        "content-type": "application/json",
    },
    "node-apn": {
        "apns-priority": "10",
        "apns-collapse-id": "c2c_ann",
        "apns-expiration": EXPIRATION,
        "apns-topic": TOPIC,
        "apns-push-type": "alert",
    },
    "only what is required": {"apns-topic": TOPIC},
}


class Apple:
    """An app of the sandbox with a connection to it, and the channel with its certificate."""

    def __init__(self, sandbox: Sandbox, client: Any) -> None:
        self.sandbox, self.client = sandbox, client
        self.phone: Phone = create_phone(sandbox.world, {"brand": "apple", "app": {"package": TOPIC}})
        self.hint = sandbox.world.vendors["apns"].business_hint(self.phone)
        self.channel = CHANNELS["apns"]
        built = build(self.channel, self.hint["settings"] | self.hint["files"] | {"category": "IM"})
        assert isinstance(built, tuple), built
        self.certificate = Certificate(1400000001, 1, "apns", "apns", *built)

    def token(self, spelling: type = int) -> str:
        settings, seconds = self.hint["settings"], self.sandbox.world.clock.now_ms() // 1000
        claims = {"iss": settings["team_id"], "iat": spelling(seconds)}
        return jwt.encode(claims, self.hint["files"]["private_key"], "ES256", {"kid": settings["key_id"]})


@pytest.fixture
async def apple(raw_h2: Any) -> AsyncIterator[Apple]:
    async with Sandbox(apns_listen=("127.0.0.1", 0), clock=RealClock()) as sandbox:
        yield Apple(sandbox, await raw_h2(int(sandbox.apns_url.rpartition(":")[2])))


@pytest.mark.parametrize("library", LIBRARIES)
@pytest.mark.parametrize("spelling", [int, float, str])
async def test_the_librarys_headers_are_taken(apple, library, spelling):
    headers = [("authorization", f"bearer {apple.token(spelling)}"), *LIBRARIES[library].items()]
    answer = await apple.client.ask(f"/3/device/{apple.phone.token}", headers, json.dumps(PAYLOAD).encode())
    assert (answer.status, answer.body) == (200, b"")
    assert answer.headers["apns-id"] == LIBRARIES[library].get("apns-id", answer.headers["apns-id"])


async def test_a_refusal_names_its_reason_and_the_push(apple):
    headers = [("authorization", f"bearer {apple.token()}"), ("apns-topic", TOPIC), ("apns-id", LIBRARIES["aioapns"]["apns-id"])]
    answer = await apple.client.ask("/3/device/" + "ab" * 32, headers, json.dumps(PAYLOAD).encode())
    assert (answer.status, json.loads(answer.body)) == (400, {"reason": "BadDeviceToken"})
    assert answer.headers["apns-id"] == LIBRARIES["aioapns"]["apns-id"]


async def test_the_channel_writes_the_same_request_as_the_libraries(apple):
    note = Notification(
        title="Ann",
        body="see you",
        ext="{}",
        conversation_id="c2c_ann",
        msg_id="1-2-3",
        notify_id=5,
        collapse_id="c2c_ann",
        wishes=OfflinePushInfo(ApnsInfo=ApnsInfo(SubTitle="sub", Sound="ring.caf", MutableContent=1, InterruptionLevel="active")),
        expires_at_ms=NOW_MS + 86_400_000,
        badge=7,
    )
    grant = apple.channel.login(apple.certificate, NOW_MS)
    assert isinstance(grant, Grant)
    (request,) = apple.channel.render(note, [Target(9, apple.phone.token)], apple.certificate, grant, NOW_MS)
    assert json.loads(request.body) == PAYLOAD | {"msg_id": "1-2-3", "conv": "c2c_ann", "push_id": "9"}
    headers = dict(request.headers)
    assert headers.keys() == LIBRARIES["aioapns"].keys() | {"authorization"}
    assert headers | {"authorization": "", "apns-id": ""} == {
        "authorization": "",
        "apns-id": "",
        "apns-topic": TOPIC,
        "apns-push-type": "alert",
        "apns-priority": "10",
        "apns-expiration": str(NOW_MS // 1000 + 86_400),
        "apns-collapse-id": "c2c_ann",
    }
    assert headers["authorization"] == f"bearer {grant.access_token}"
    assert request.url.endswith(f"/3/device/{apple.phone.token}")
    settings = apple.hint["settings"]
    assert jwt.get_unverified_header(grant.access_token) == {"alg": "ES256", "typ": "JWT", "kid": settings["key_id"]}
    claims = jwt.decode(grant.access_token, options={"verify_signature": False})
    assert claims == {"iss": settings["team_id"], "iat": NOW_MS // 1000}
