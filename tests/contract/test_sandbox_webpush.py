"""The browsers' push services, driven with raw HTTP and an encryption of the test's own, written from the vendor sheet."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import hmac
import json
from collections.abc import AsyncIterator
from typing import Any

import jwt
import pytest
import requests
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from homing.sandbox.base import SandboxClock
from homing.sandbox.server import Sandbox
from homing.sandbox.vendors.webpush_crypto import CannotDecrypt, decrypt

SUBJECT = "mailto:push@example.com"


def b64(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def unb64(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


def hkdf(salt: bytes, material: bytes, info: bytes, length: int) -> bytes:
    return hmac.new(hmac.new(salt, material, hashlib.sha256).digest(), info + b"\x01", hashlib.sha256).digest()[:length]


def sealed(keys: dict[str, str], plaintext: bytes, *, auth: str = "", tail: bytes = b"\x02\x00\x00") -> bytes:
    """RFC 8291, section 3.4."""
    sender, salt, receiver = ec.generate_private_key(ec.SECP256R1()), b"0123456789abcdef", unb64(keys["p256dh"])
    mine = sender.public_key().public_bytes(serialization.Encoding.X962, serialization.PublicFormat.UncompressedPoint)
    shared = sender.exchange(ec.ECDH(), ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), receiver))
    material = hkdf(unb64(auth or keys["auth"]), shared, b"WebPush: info\0" + receiver + mine, 32)
    key, nonce = hkdf(salt, material, b"Content-Encoding: aes128gcm\0", 16), hkdf(salt, material, b"Content-Encoding: nonce\0", 12)
    return salt + (4096).to_bytes(4, "big") + b"\x41" + mine + AESGCM(key).encrypt(nonce, plaintext + tail, None)


class Sender:
    """One web application, and calls as its server would make them."""

    def __init__(self, sandbox: Sandbox, clock: Any) -> None:
        self.sandbox, self.clock = sandbox, clock

    async def call(self, method: str, path: str, **options: Any) -> requests.Response:
        url = path if path.startswith("http") else self.sandbox.base_url + path
        return await asyncio.to_thread(requests.request, method, url, timeout=20, **options)

    async def phone(self, browser: str = "firefox", **order: Any) -> dict[str, Any]:
        app = {"vendor": {"browser": browser}, **order.pop("app", {})}
        made = await self.call("POST", "/phones", json={"brand": "web", "app": app, **order})
        assert made.status_code == 201, made.text
        answer: dict[str, Any] = made.json()
        self.hint = answer["business_hint"]
        return {**answer, "subscription": json.loads(answer["token"])}

    def vapid(self, *, key: Any = None, shown: str = "", **claims: Any) -> str:
        own: Any = serialization.load_pem_private_key(self.hint["files"]["vapid_private_key"].encode(), None)
        values = {"aud": self.sandbox.base_url, "exp": self.clock.now_ms() // 1000 + 43_200, "sub": SUBJECT, **claims}
        token = jwt.encode({k: v for k, v in values.items() if v is not None}, key or own, "ES256")
        return f"vapid t={token}, k={shown or self.hint['vapid_public_key']}"

    async def push(self, phone: dict[str, Any], payload: Any = None, *, body: bytes | None = None, **headers: str) -> requests.Response:
        shown = {"v": 1, "title": "Li Lei", "body": "hi", **(payload or {})}
        data = sealed(phone["subscription"]["keys"], json.dumps(shown).encode()) if body is None else body
        head = {"TTL": "86400", "Urgency": "high", "Content-Encoding": "aes128gcm", "Authorization": self.vapid()}
        head |= {name.replace("_", "-"): value for name, value in headers.items()}
        head = {name: value for name, value in head.items() if value != "-"}
        return await self.call("POST", phone["subscription"]["endpoint"], data=data, headers=head)

    async def tray(self, phone: dict[str, Any]) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = (await self.call("GET", f"/phones/{phone['phone_id']}/tray")).json()
        return found


@pytest.fixture
async def sender(clock: SandboxClock) -> AsyncIterator[Sender]:
    async with Sandbox(clock=clock) as sandbox:
        yield Sender(sandbox, clock)


def test_the_browser_reads_the_vector_of_rfc_8291():
    body = unb64(
        "DGv6ra1nlYgDCS1FRnbzlwAAEABBBP4z9KsN6nGRTbVYI_c7VJSPQTBtkgcy27mlmlMoZIIgDll6e3vCYLocInmYWAmS6TlzAC8wEqKK6PBru3jl7A_"
        "yl95bQpu6cVPTpK4Mqgkf1CXztLVBSt2Ks3oZwbuwXPXLWyouBWLVWGNWQexSgSxsj_Qulcy4a-fN"
    )
    scalar = int.from_bytes(unb64("q1dXpw3UpT5VOmu_cf_v6ih07Aems3njxI-JWgLcM94"), "big")
    key, auth = ec.derive_private_key(scalar, ec.SECP256R1()), unb64("BTBZMqHH6r4Tts7J_aSIgg")
    assert decrypt(body, key, auth) == b"When I grow up, I want to be a watermelon"
    for broken in (body[:20], body[:86], body[:-1], body[:16] + b"\0\0\0\x05" + body[20:], body[:21] + b"\x05" + body[22:]):
        with pytest.raises(CannotDecrypt):
            decrypt(broken, key, auth)


@pytest.mark.parametrize(
    ("browser", "path", "name_in"),
    [
        ("firefox", "/wpush/v2/", "location"),
        ("chrome", "/fcm/send/", "location"),
        ("safari", "/apple/", "apns-id"),
        ("edge", "/w/?token=", "x-wns-msg-id"),
    ],
)
async def test_a_message_is_shown_and_a_click_opens_the_page(sender: Sender, browser: str, path: str, name_in: str) -> None:
    phone = await sender.phone(browser)
    assert phone["subscription"]["endpoint"].startswith(sender.sandbox.base_url + path)
    answer = await sender.push(phone, {"url": "/chat/u1", "ext": "{}", "badge": 3, "tag": "c"})
    assert answer.status_code == 201
    assert answer.headers["ttl"] == "86400"
    (item,) = await sender.tray(phone)
    assert (item["title"], item["body"], item["badge"]) == ("Li Lei", "hi", 3)
    assert answer.headers[name_in].endswith(item["vendor_message_id"])
    opened = (await sender.call("POST", f"/phones/{phone['phone_id']}/tray/0/tap")).json()
    assert opened == {"activity": "window", "data": "https://chat.example.com/chat/u1", "extras": {"ext": "{}", "url": "/chat/u1"}}


async def test_a_message_without_a_page_opens_the_application(sender: Sender) -> None:
    phone = await sender.phone()
    await sender.push(phone)
    assert (await sender.call("POST", f"/phones/{phone['phone_id']}/tray/0/tap")).json()["activity"] == "window"


OTHER = ec.generate_private_key(ec.SECP256R1())
OTHER_POINT = b64(OTHER.public_key().public_bytes(serialization.Encoding.X962, serialization.PublicFormat.UncompressedPoint))
BAD_SENDERS: list[dict[str, Any]] = [
    {"aud": "https://updates.push.services.mozilla.com"},
    {"aud": None},
    {"exp": None},
    {"exp": "tomorrow"},
    {"exp": 1},
    {"exp": 4_000_000_000},
    {"key": OTHER},
    {"shown": "garbage"},
    {"sub": None},
    {"sub": "mailto:me@localhost"},
]


@pytest.mark.parametrize("change", BAD_SENDERS)
async def test_a_wrong_vapid_token_is_refused_in_each_services_words(sender: Sender, change: dict[str, Any]) -> None:
    firefox, safari, chrome = [await sender.phone(browser) for browser in ("firefox", "safari", "chrome")]
    header = sender.vapid(**change)
    refused = await sender.push(firefox, Authorization=header)
    assert (refused.status_code, refused.json()["errno"]) == (401, 109)
    refused = await sender.push(safari, Authorization=header)
    assert (refused.status_code, refused.json()) == (403, {"reason": "BadJwtToken"})
    if "sub" not in change:  # not required by every service
        assert (await sender.push(chrome, Authorization=header)).status_code == 403
    assert await sender.tray(firefox) == []


@pytest.mark.parametrize("header", ["-", "", "WebPush eyJ", "Bearer x", "vapid", "vapid t=a.b.c, k="])
async def test_what_is_no_vapid_header_is_refused(sender: Sender, header: str) -> None:
    phone = await sender.phone()
    assert (await sender.push(phone, Authorization=header)).status_code == 401


async def test_spacing_and_case_of_the_header_do_not_matter(sender: Sender) -> None:
    phone = await sender.phone()
    assert (await sender.push(phone, Authorization=sender.vapid().replace("vapid", "VAPID").replace(", ", ","))).status_code == 201


@pytest.mark.parametrize(
    ("browser", "status", "word"), [("firefox", 401, "109"), ("safari", 403, "VapidPkHashMismatch"), ("chrome", 403, "key")]
)
async def test_a_subscription_is_bound_to_its_key(sender: Sender, browser: str, status: int, word: str) -> None:
    phone = await sender.phone(browser)
    refused = await sender.push(phone, Authorization=sender.vapid(key=OTHER, shown=OTHER_POINT))
    assert refused.status_code == status
    assert word in refused.text


async def test_an_application_may_bring_its_own_key(sender: Sender) -> None:
    phone = await sender.phone(app={"vendor": {"vapid_public_key": OTHER_POINT}})
    assert sender.hint["files"] == {}
    sender.hint["files"]["vapid_private_key"] = OTHER.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    ).decode()
    assert (await sender.push(phone)).status_code == 201


async def test_a_token_for_each_request_is_refused_by_apple(sender: Sender) -> None:
    phone = await sender.phone("safari")
    codes = [(await sender.push(phone)).status_code for _ in range(3)]  # ES256 signs differently each time
    assert codes == [201, 201, 403]
    sender.clock.advance(seconds=3600)
    assert (await sender.push(phone)).status_code == 201


@pytest.mark.parametrize(
    ("headers", "errno"),
    [
        ({"TTL": "-"}, 111),
        ({"TTL": "soon"}, 111),
        ({"TTL": "-1"}, 114),
        ({"Content_Encoding": "aesgcm"}, 110),
        ({"Content_Encoding": "-"}, 110),
        ({"Crypto_Key": "dh=x"}, 110),
        ({"Encryption": "salt=x"}, 110),
        ({"Topic": "a" * 33}, 113),
        ({"Topic": "a.b"}, 113),
        ({"Urgency": "urgent"}, 110),
    ],
)
async def test_each_header_is_checked(sender: Sender, headers: dict[str, Any], errno: int) -> None:
    phone = await sender.phone()
    refused = await sender.push(phone, **headers)
    assert (refused.status_code, refused.json()["errno"]) == (400, errno)
    assert await sender.tray(phone) == []


async def test_a_body_over_4096_bytes_is_refused_and_one_of_4096_is_not(sender: Sender) -> None:
    phone = await sender.phone()
    keys = phone["subscription"]["keys"]
    assert (await sender.push(phone, body=sealed(keys, b" " * 3991))).status_code == 201
    assert (await sender.push(phone, body=sealed(keys, b" " * 3992))).status_code == 413


async def test_the_cache_policy_of_windows_must_fit_the_time_to_live(sender: Sender) -> None:
    phone = await sender.phone("edge")
    refused = await sender.push(phone, TTL="0")
    assert refused.status_code == 400
    assert refused.headers["x-wns-error-description"] == "Ttl value conflicts with X-WNS-Cache-Policy."
    assert (await sender.push(phone, TTL="0", X_WNS_Cache_Policy="no-cache")).status_code == 201
    assert (await sender.push(phone, X_WNS_Cache_Policy="no-cache")).status_code == 400


async def test_what_the_browser_cannot_decrypt_or_read_is_accepted_and_not_shown(sender: Sender) -> None:
    phone = await sender.phone()
    keys = phone["subscription"]["keys"]
    for body in (
        sealed(keys, b"{}", auth=b64(b"x" * 16)),
        sealed(keys, b"{}", tail=b"\x01"),
        sealed(keys, b"no json"),
        sealed(keys, b'{"v":2}'),
        sealed(keys, b'{"v":1,"title":5}'),
    ):
        assert (await sender.push(phone, body=body)).status_code == 201
    assert await sender.tray(phone) == []
    logged = (await sender.call("GET", "/requests?vendor=webpush")).json()
    assert all("dropped by the browser" in entry["reason"] for entry in logged)


async def test_unknown_and_gone_subscriptions(sender: Sender) -> None:
    phone = await sender.phone()
    unknown = {**phone, "subscription": {**phone["subscription"], "endpoint": sender.sandbox.base_url + "/wpush/v2/nobody"}}
    assert (await sender.push(unknown)).json()["errno"] == 102
    await sender.call("PATCH", f"/phones/{phone['phone_id']}", json={"app_installed": False})
    gone = await sender.push(phone)
    assert (gone.status_code, gone.json()["errno"]) == (410, 106)
    await sender.call("PATCH", f"/phones/{phone['phone_id']}", json={"app_installed": True})
    assert (await sender.push(phone)).status_code == 410
    renewed = json.loads((await sender.call("GET", f"/phones/{phone['phone_id']}")).json()["token"])
    assert (await sender.push({**phone, "subscription": renewed})).status_code == 201
    assert (await sender.call("PUT", phone["subscription"]["endpoint"])).status_code == 405


async def test_ordered_faults(sender: Sender) -> None:
    phone = await sender.phone()
    await sender.call("POST", "/faults", json={"vendor": "webpush", "kind": "dead_token", "token": phone["token"], "count": 1})
    await sender.call("POST", "/faults", json={"vendor": "webpush", "kind": "quota", "count": 1})
    assert (await sender.push(phone)).status_code == 410
    slow = await sender.push(phone)
    assert (slow.status_code, slow.headers["retry-after"]) == (429, "60")
    assert (await sender.push(phone)).status_code == 201


async def test_an_offline_browser_gets_the_newest_of_each_topic_in_time(sender: Sender) -> None:
    phone = await sender.phone(offline=True)
    await sender.push(phone, {"body": "short"}, TTL="60")
    await sender.push(phone, {"body": "now or never"}, TTL="0")
    await sender.push(phone, {"body": "old"}, Topic="c1")
    await sender.push(phone, {"body": "new"}, Topic="c1")
    sender.clock.advance(seconds=61)
    await sender.call("PATCH", f"/phones/{phone['phone_id']}", json={"offline": False})
    assert [item["body"] for item in await sender.tray(phone)] == ["new"]


async def test_only_urgent_messages_reach_a_dozing_phone(sender: Sender) -> None:
    phone = await sender.phone(doze=True)
    await sender.push(phone, {"body": "later"}, Urgency="low")
    await sender.push(phone, {"body": "now"})
    assert [item["body"] for item in await sender.tray(phone)] == ["now"]


async def test_an_equal_tag_replaces(sender: Sender) -> None:
    phone = await sender.phone()
    for body, tag in (("1", "a"), ("2", "b"), ("3", "a")):
        await sender.push(phone, {"body": body, "tag": tag})
    assert [item["body"] for item in await sender.tray(phone)] == ["2", "3"]
