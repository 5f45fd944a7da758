"""Wake-up-only notifications: whatever a message says, no vendor is told; the app gets the identifiers that it needs."""

from __future__ import annotations

import functools
import json
from typing import Any
from urllib.parse import unquote_plus

import msgspec
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from hypothesis import given, settings
from hypothesis import strategies as st

from homing.channels.base import Channel
from homing.channels.fields import build
from homing.channels.registry import CHANNELS
from homing.channels.webpush import WebPushChannel
from homing.model.apps import AppSettings, NotificationMode
from homing.model.certificates import Certificate
from homing.model.clock import Ids
from homing.model.messages import Element, Message
from homing.model.notification import Notification, Target
from homing.model.outcome import Grant, VendorRequest
from homing.model.push_info import NO_WISHES, AndroidInfo, ApnsInfo, HarmonyInfo, OfflinePushInfo
from homing.rules.content import compose

NOW_MS = 1_800_000_000_000
WAKE_UP = AppSettings(wake_up_only=True)
SHOWN = AppSettings()
MESSAGE = Message(
    message_id=(NOW_MS - Ids.EPOCH_MS) << 22 | 1,
    sdkappid=1400000001,
    from_account="u1001",
    to_account="u1002",
    seq=1,
    random=2,
    timestamp=NOW_MS // 1000,
    flags=0,
    body=b"[]",
    push_info=None,
    cloud_custom_data="",
    to_seq=1,
    from_seq=None,
    expires_at_ms=NOW_MS + 7 * 86_400_000,
)
# The browser of RFC 8291, appendix A.
BROWSER = json.dumps(
    {
        "endpoint": "https://updates.push.services.mozilla.com/wpush/v2/gAAAA",
        "keys": {
            "p256dh": "BCVxsr7N_eNgVRqvHtD0zTZsEc6-VV-JvLexhqUzORcxaOzi6-AYWXvTBHm4bjyPjs7Vd8pZGH6SRpkNtoIAiw4",
            "auth": "BTBZMqHH6r4Tts7J_aSIgg",
        },
    }
)


def _pem(key: Any) -> str:
    encoded = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    return str(encoded.decode())


_RSA = _pem(rsa.generate_private_key(public_exponent=65537, key_size=2048))
_EC = _pem(ec.generate_private_key(ec.SECP256R1()))
FIELDS: dict[str, dict[str, str]] = {
    "fcm": {
        "service_account": json.dumps(
            {"type": "service_account", "project_id": "demo", "private_key": _RSA, "client_email": "push@demo.iam.gserviceaccount.com"}
        )
    },
    "apns": {"key_id": "ABCDE12345", "team_id": "TEAM123456", "private_key": _EC, "topic": "com.example.im"},
    "huawei": {"app_id": "100123", "client_secret": "s3cret"},
    "harmony": {
        "project_id": "388421841222",
        "service_account": json.dumps(
            {"project_id": "388421841222", "key_id": "9a1c5f7e", "private_key": _RSA, "sub_account": "103456789"}
        ),
    },
    "honor": {"app_id": "104400000", "client_id": "client", "client_secret": "s3cret"},
    "xiaomi": {"app_secret": "s3cret", "package_name": "com.example.im"},
    "oppo": {"app_key": "key", "master_secret": "s3cret"},
    "vivo": {"app_id": "10004", "app_key": "key", "app_secret": "s3cret"},
    "meizu": {"app_id": "110000", "app_secret": "s3cret"},
    "tpns": {"access_id": "1500000000", "secret_key": "s3cret"},
    "webpush": {"vapid_private_key": _EC, "subject": "mailto:push@example.com"},
}
#: No vendor word, key or identifier is made of these letters, so that a find is a leak.
SECRETS = st.text("qxzjQXZJ", min_size=6, max_size=24)


@functools.cache
def certificate(name: str, **more: str) -> Certificate:
    built = build(CHANNELS[name], FIELDS[name] | more)
    assert isinstance(built, tuple), built
    return Certificate(1400000001, 15500, name, name, *built)


def composed(word: str = "hello", *, app: AppSettings = WAKE_UP, info: OfflinePushInfo | None = None, **changes: Any) -> Notification:
    """The notification of a message that says ``word`` in every place that can hold one."""
    content = {"Text": word, "Desc": word, "Data": word, "Ext": word, "Sound": word}
    arguments: dict[str, Any] = {
        "message": msgspec.structs.replace(MESSAGE, cloud_custom_data=word),
        "elements": (Element("TIMTextElem", content), Element("TIMCustomElem", content)),
        "info": wishes(word) if info is None else info,
        "nick": word,
        "settings": app,
        "language": "en",
        "platform": "android",
        "badge": 3,
    }
    return compose(**(arguments | changes))


def wishes(word: str) -> OfflinePushInfo:
    """Every wish that is a text."""
    return OfflinePushInfo(
        Title=word,
        Desc=word,
        Ext=json.dumps({"entity": {"sender": word, "content": word}}),
        AndroidInfo=_filled(AndroidInfo, word),
        ApnsInfo=_filled(ApnsInfo, word),
        HarmonyInfo=_filled(HarmonyInfo, word),
    )


def _filled(kind: type[Any], word: str) -> Any:
    values: dict[str, Any] = {field.name: word for field in msgspec.structs.fields(kind) if field.default == ""}
    values |= {name: f"https://{word}.example.com/{word}.png" for name in values if name.endswith("Image")}
    return kind(**values)


def rendered(name: str, note: Notification, cert: Certificate | None = None) -> list[VendorRequest]:
    channel: Channel = WebPushChannel(lambda size: b"\x07" * size) if name == "webpush" else CHANNELS[name]
    token = BROWSER if name == "webpush" else "5f0c1e9a7b3d4c2281aa90ffed01b6c7d8e9f00112233445566778899aabbccd"
    grant = Grant("access-token", NOW_MS + 3_000_000, NOW_MS)
    return channel.render(note, (Target(4711, token),), cert or certificate(name), grant, NOW_MS)


def sent(requests: list[VendorRequest]) -> str:
    """All that the vendor would read, as it stands and with URL encoding undone."""
    text = "\n".join(
        part for r in requests for part in (r.url, *(f"{k}: {v}" for k, v in r.headers), r.body.decode("utf-8", "backslashreplace"))
    )
    return f"{text}\n{unquote_plus(text)}"


@pytest.mark.parametrize("name", CHANNELS)
@settings(max_examples=25, deadline=None)  # signing with a new key takes its time once
@given(word=SECRETS)
def test_no_word_of_the_message_reaches_any_vendor(name: str, word: str):
    for info in (wishes(word), NO_WISHES):
        assert word not in sent(rendered(name, composed(word, info=info)))


@pytest.mark.parametrize("name", [name for name in CHANNELS if name != "webpush"])  # that one is encrypted for the browser
def test_the_same_message_does_reach_them_when_content_is_allowed(name: str):
    assert "qxzjqxzj" in sent(rendered(name, composed("qxzjqxzj", app=SHOWN)))


@given(
    first=st.text(max_size=80),
    second=st.text(max_size=80),
    platform=st.sampled_from(["android", "ios", "harmony", "web"]),
    mode=st.sampled_from(list(NotificationMode)),
)
def test_two_messages_with_different_words_make_the_same_notification(first: str, second: str, platform: str, mode: NotificationMode):
    app = AppSettings(wake_up_only=True, notification_mode=mode)
    assert composed(first, app=app, platform=platform) == composed(second, app=app, platform=platform)


@pytest.mark.parametrize("name", [name for name in CHANNELS if name not in ("fcm", "webpush")])
def test_the_vendors_that_show_notifications_get_the_neutral_text_and_both_identifiers(name: str):
    platform = "ios" if name == "apns" else "android"
    text = sent(rendered(name, composed(platform=platform)))
    assert "You have a new message" in text
    assert MESSAGE.msg_id in text
    assert "c2c_u1001" in text


def test_the_neutral_text_follows_the_phones_language():
    chinese, english = composed(language="zh-CN"), composed(language="de")
    assert (chinese.title, chinese.body) == ("新消息", "你收到一条新消息")
    assert (english.title, english.body) == ("New message", "You have a new message")


@pytest.mark.parametrize("message_type", ["notification", "data", "android_v2"])
@pytest.mark.parametrize("kind", ["private", "public"])
def test_fcm_wakes_the_app_with_urgent_data_and_shows_nothing_itself(message_type: str, kind: str):
    note = msgspec.structs.replace(composed(), notification_class=kind)
    (request,) = rendered("fcm", note, certificate("fcm", message_type=message_type))
    message = json.loads(request.body)["message"]
    del message["token"]
    assert message == {
        "data": {"msg_id": MESSAGE.msg_id, "conv": "c2c_u1001", "push_id": "4711"},
        "android": {"ttl": "604800s", "priority": "high"},
    }


def test_an_iphone_shows_an_alert_that_the_apps_extension_may_replace():
    (request,) = rendered("apns", composed(platform="ios"))
    headers = dict(request.headers)
    assert (headers["apns-push-type"], headers["apns-priority"]) == ("alert", "10")
    assert json.loads(request.body) == {
        "aps": {
            "alert": {"body": "You have a new message"},
            "badge": 3,
            "sound": "default",
            "thread-id": "c2c_u1001",
            "mutable-content": 1,
        },
        "msg_id": MESSAGE.msg_id,
        "conv": "c2c_u1001",
        "push_id": "4711",
    }


def test_choices_from_a_vendors_list_are_kept():
    info = OfflinePushInfo(
        AndroidInfo=AndroidInfo(VIVOClassification=1, HuaWeiImportance="HIGH", HonorImportance="LOW", OPPONotifyLevel=16),
        ApnsInfo=ApnsInfo(InterruptionLevel="time-sensitive", ContentAvailable=1, BadgeMode=1),
        HarmonyInfo=HarmonyInfo(BadgeMode=1),
    )
    assert composed(info=info).wishes == info
    assert composed(info=info, platform="ios").badge is None


def test_a_message_that_asks_for_a_silent_wake_up_stays_silent_on_an_iphone():
    (request,) = rendered("apns", composed(platform="ios", info=OfflinePushInfo(ApnsInfo=ApnsInfo(ContentAvailable=1))))
    headers = dict(request.headers)
    assert (headers["apns-push-type"], headers["apns-priority"]) == ("background", "5")
    assert json.loads(request.body)["aps"] == {"content-available": 1}
