"""Both ends of a vendor's protocol against one another: the channels and the simulators share no code, only the vendor sheet."""

from __future__ import annotations

import asyncio
from typing import Any
from urllib.parse import urlsplit

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from homing.channels.base import Channel, follow_ups
from homing.channels.fields import build
from homing.channels.registry import CHANNELS
from homing.model.apps import AppSettings
from homing.model.certificates import Certificate
from homing.model.messages import Message
from homing.model.notification import Notification, Target
from homing.model.outcome import Evidence, Grant, Outcome, OutcomeKind, ReceiptKind, ReceiptRequest, VendorRequest, VendorResponse
from homing.model.push_info import AndroidInfo, OfflinePushInfo
from homing.rules.withdrawing import cleared, recalled
from homing.sandbox.base import SimRequest
from homing.sandbox.phone_api import create_phone
from homing.sandbox.receipts import ReceiptPost
from homing.sandbox.server import simulators
from homing.sandbox.tap import open_notification
from homing.sandbox.world import World

EXT = '{"entity":{"action":1,"chatType":1,"content":"hi","nickname":"Ann","sendTime":0,"sender":"ann","version":1}}'
SIMULATED = {simulator.name: simulator.brands[0] for simulator in simulators(World())}
UNKNOWN_TOKENS = {"tpns": "0" * 36}  # a longer one is refused as no token of this vendor
THERE = [name for name in CHANNELS if name in SIMULATED]
RECALLING = [name for name in THERE if CHANNELS[name].capabilities.recall_option]
NO_RECALL = {name: {CHANNELS[name].capabilities.recall_option: ""} for name in RECALLING}
OTHER_PAGES = {"fcm", "harmony", "webpush"}  # an action alone; pages without a manifest


class Clock:
    def now_ms(self) -> int:
        return 1_795_000_000_000

    def monotonic(self) -> float:
        return 1_795_000_000.0


class Pair:
    """A channel with a certificate for a phone of the sandbox."""

    posts: list[ReceiptPost] | None = None

    def __init__(self, name: str, **options: str) -> None:
        self.world = World(clock=Clock(), base_url="http://127.0.0.1:9", apns_url="http://127.0.0.1:9")
        for simulator in simulators(self.world):
            self.world.add_vendor(simulator)
        self.channel: Channel = CHANNELS[name]
        self.simulator = self.world.vendors[name]
        self.phone = create_phone(self.world, {"brand": SIMULATED[name], "notifications_enabled": True})
        hint = self.simulator.business_hint(self.phone)
        built = build(self.channel, hint["settings"] | hint["files"] | options)
        assert isinstance(built, tuple), built
        self.certificate = Certificate(1400000001, 1, name, name, *built)
        self.grant = self.log_in()

    @property
    def now_ms(self) -> int:
        return self.world.clock.now_ms()

    def ask(self, request: VendorRequest) -> VendorResponse:
        if not request.url:  # as the transport does
            return VendorResponse(0, {}, b"")
        parts = urlsplit(request.url)
        query = dict(pair.split("=", 1) for pair in parts.query.split("&") if pair)
        asked = SimRequest(request.method, parts.path, query, dict(request.headers), request.body, "2" if request.http2 else "1.1")
        assert self.simulator.matches(asked)
        answer = asyncio.run(self._handle(asked))
        return VendorResponse(answer.status, {name.lower(): value for name, value in answer.headers.items()}, answer.body)

    async def _handle(self, asked: SimRequest) -> Any:
        answer = await self.simulator.handle(asked)
        if self.posts is not None:
            simulator: Any = self.simulator
            simulator._receipts.flush()  # now, not after the vendor's moment
        return answer

    def collect_receipts(self) -> None:
        """The certificate asks for receipts, and what the vendor posts is kept."""
        self.posts = posts = []

        def keep(post: ReceiptPost) -> bool:
            posts.append(post)
            return True

        self.world.post_receipt = keep
        options = msgspec.structs.replace(self.certificate.options, callback_base_url="http://127.0.0.1:9")
        self.certificate = msgspec.structs.replace(self.certificate, options=options, receipt_path="unguessable")

    def log_in(self) -> Grant | None:
        asked = self.channel.login(self.certificate, self.now_ms)
        if not isinstance(asked, VendorRequest):
            return asked
        grant = self.channel.read_login(self.certificate, self.ask(asked), self.now_ms)
        assert isinstance(grant, Grant), grant
        return grant

    def send(self, note: Notification, *tokens: str, grant: Grant | None = None) -> list[Outcome]:
        targets = [Target(number, token) for number, token in enumerate(tokens or (self.phone.token,), 1)]
        outcomes: list[Outcome] = []
        for request in self.channel.render(note, targets, self.certificate, grant or self.grant, self.now_ms):
            outcomes += self.answered(request)
        return outcomes

    def answered(self, request: VendorRequest) -> list[Outcome]:
        answer = self.ask(request)
        following = follow_ups(self.channel, request, answer, self.certificate)
        return (
            [o for next_ in following for o in self.answered(next_)] if following else self.channel.interpret(request, answer, self.now_ms)
        )

    def more_phones(self, count: int, **order: Any) -> list[Any]:
        order = {"brand": self.phone.brand, "notifications_enabled": True, **order}
        return [create_phone(self.world, order) for _ in range(count)]


def notification(**changes: Any) -> Notification:
    values: dict[str, Any] = {
        "title": "Ann",
        "body": "see you at eight",
        "ext": EXT,
        "conversation_id": "c2c_ann",
        "msg_id": "144115-1732437600-88",
        "notify_id": 481516,
        "collapse_id": "c2c_ann",
        "wishes": OfflinePushInfo(),
        "expires_at_ms": Clock().now_ms() + 86_400_000,
        "badge": 7,
    }
    return Notification(**(values | changes))


@pytest.mark.parametrize("name", THERE)
def test_a_notification_is_shown_and_its_tap_hands_over_the_ext(name):
    pair = Pair(name)
    (outcome,) = pair.send(notification())
    assert outcome.kind is OutcomeKind.ACCEPTED, outcome
    assert outcome.vendor_message_id
    (item,) = pair.phone.tray
    assert (item.notice.title, item.notice.body) == ("Ann", "see you at eight")
    tapped = open_notification(pair.phone, item.notice)
    assert tapped.error is None
    assert pair.channel.parse_extras(tapped.extras) == EXT


def recalled_notification(note: Notification, language: str) -> Notification:
    """What the pipeline makes of a recalled message, with the identity of its notification."""
    message = Message(1, 1400000001, "ann", "bob", 1, 2, 1_795_000_000, 0, b"[]", None, "", 1, 1, note.expires_at_ms)
    made = recalled(message=message, info=note.wishes, nick="Ann", settings=AppSettings(), language=language, platform="android", badge=6)
    return msgspec.structs.replace(made, notify_id=note.notify_id, collapse_id=note.collapse_id, msg_id=note.msg_id)


@pytest.mark.parametrize(("language", "words"), [("en-GB", "This message was recalled"), ("zh-CN", "此消息已被撤回")])
@pytest.mark.parametrize("name", [name for name in THERE if CHANNELS[name].capabilities.replaces])
def test_a_recalled_messages_notification_is_replaced_on_the_phone(name: str, language: str, words: str) -> None:
    pair = Pair(name, **NO_RECALL.get(name, {}))
    note = notification(wishes=OfflinePushInfo(Title="Secret", Desc="see you at eight", Ext=EXT))
    pair.send(note)
    (outcome,) = pair.send(recalled_notification(note, language))
    assert outcome.kind is OutcomeKind.ACCEPTED, outcome
    (item,) = pair.phone.tray
    assert (item.notice.title, item.notice.body) == ("Ann", words)
    tapped = open_notification(pair.phone, item.notice)
    assert "see you at eight" not in (pair.channel.parse_extras(tapped.extras) or "")


@pytest.mark.parametrize("offline", [False, True])
@pytest.mark.parametrize("read", [False, True])
@pytest.mark.parametrize("name", RECALLING)
def test_the_vendor_takes_a_notification_back_from_all_phones_that_show_it_or_will(name: str, read: bool, offline: bool) -> None:
    pair = Pair(name)
    phones = [pair.phone, *pair.more_phones(1)]
    phones[1].offline = offline
    tokens = [phone.token for phone in phones]
    note, other = notification(msg_id="m1"), notification(msg_id="m2", notify_id=7, collapse_id="m-2")
    for shown in (note, other):
        pair.send(shown, *tokens)
    message = Message(1, 1400000001, "ann", "bob", 1, 2, 1_795_000_000, 0, b"[]", None, "", 1, 1, note.expires_at_ms)
    takes_back = cleared(message, [note.collapse_id], 1, note.notify_id) if read else recalled_notification(note, "en")
    outcomes = pair.send(takes_back, *tokens)
    assert [outcome.kind for outcome in outcomes] == [OutcomeKind.ACCEPTED] * 2, outcomes
    phones[1].offline = False
    pair.world.release_stored(phones[1])
    assert [[item.notice.replace_key for item in phone.tray] for phone in phones] == [["id:7"]] * 2


@pytest.mark.parametrize("name", [name for name in THERE if CHANNELS[name].capabilities.withdraws])
def test_what_was_read_elsewhere_is_taken_away_silently_and_the_badge_is_set(name: str) -> None:
    pair = Pair(name)
    for number in (1, 2, 3):
        pair.send(notification(collapse_id=f"m-{number}", notify_id=number, badge=number))
    message = Message(1, 1400000001, "ann", "bob", 1, 2, 1_795_000_000, 0, b"[]", None, "", 1, 1, Clock().now_ms() + 86_400_000)
    (outcome,) = pair.send(cleared(message, ["m-1", "m-3"], 1))
    assert outcome.kind is OutcomeKind.ACCEPTED, outcome
    assert [item.notice.replace_key for item in pair.phone.tray] == ["m-2"]
    assert pair.phone.badge == 1


@pytest.mark.parametrize(
    "name", [name for name in THERE if "page" in CHANNELS[name].capabilities.click_actions and name not in OTHER_PAGES]
)
def test_a_tap_opens_the_certificates_page(name):
    page = (
        "intent://com.tencent.qcloud/detail#Intent;scheme=pushscheme;launchFlags=0x4000000;"
        "component=com.tencent.qcloud.tim.tuikit/com.tencent.qcloud.tim.demo.main.MainActivity;end"
    )
    pair = Pair(name, click_action="page", click_value=page)
    assert pair.send(notification())[0].kind is OutcomeKind.ACCEPTED
    tapped = open_notification(pair.phone, pair.phone.tray[0].notice)
    assert tapped.error is None
    assert tapped.activity == "com.tencent.qcloud.tim.demo.main.MainActivity"
    assert pair.channel.parse_extras(tapped.extras) == EXT


@pytest.mark.parametrize("name", THERE)
def test_unknown_tokens_are_found_dead_and_good_ones_beside_them_are_not(name):
    pair = Pair(name)
    good, bad = pair.send(notification(), pair.phone.token, UNKNOWN_TOKENS.get(name, "0" * 64))
    assert (good.kind, bad.kind) == (OutcomeKind.ACCEPTED, OutcomeKind.TOKEN_DEAD)


@pytest.mark.parametrize("name", [name for name in THERE if CHANNELS[name].capabilities.login_token_seconds])
def test_a_worthless_grant_is_told_as_such(name):
    pair = Pair(name)
    (outcome,) = pair.send(notification(), grant=Grant("worthless", pair.now_ms + 1))
    assert outcome.kind in {OutcomeKind.AUTH_EXPIRED, OutcomeKind.CREDENTIALS_REFUSED}


@pytest.mark.parametrize("name", THERE)
@settings(max_examples=40, deadline=None)
@given(
    title=st.text(st.characters(), max_size=400),
    body=st.text(st.characters(), max_size=5000),
    ext=st.just(EXT) | st.text(max_size=5000),
    ttl_seconds=st.integers(-10, 40 * 86_400),
    badge=st.none() | st.integers(-5, 2**40),
    notification_class=st.sampled_from(["private", "public"]),
    sound=st.text(max_size=200),
)
def test_no_text_and_no_number_makes_a_vendor_refuse(name, title, body, ext, ttl_seconds, badge, notification_class, sound):
    pair = Pair(name)
    note = notification(
        title=title,
        body=body,
        ext=ext,
        expires_at_ms=pair.now_ms + ttl_seconds * 1000,
        badge=badge,
        notification_class=notification_class,
        wishes=OfflinePushInfo(AndroidInfo=AndroidInfo(Sound=sound)),
    )
    (outcome,) = pair.send(note)
    assert outcome.kind is OutcomeKind.ACCEPTED, outcome


def test_a_page_of_a_phone_without_a_manifest_opens_by_its_uri_or_by_an_android_intent_for_it():
    uri = "pushscheme://com.tencent.qcloud/detail"
    intent = "intent://com.tencent.qcloud/detail#Intent;scheme=pushscheme;launchFlags=0x4000000;end"
    for page, opened in ((uri, uri), (intent, uri), ("action.com.tencent.qcloud.detail", "action.com.tencent.qcloud.detail")):
        pair = Pair("harmony", click_action="page", click_value=page)
        assert pair.send(notification())[0].kind is OutcomeKind.ACCEPTED
        tapped = open_notification(pair.phone, pair.phone.tray[0].notice)
        assert (tapped.error, tapped.activity, tapped.data) == (None, "EntryAbility", opened)
        assert pair.channel.parse_extras(tapped.extras) == EXT


@pytest.mark.parametrize("browser", ["firefox", "chrome", "safari", "edge"])
def test_every_browser_decrypts_the_message_and_a_click_opens_the_page(browser):
    pair = Pair("webpush", click_action="page", click_value="/chat?from=push")
    phone = create_phone(pair.world, {"brand": "web", "app": {"vendor": {"browser": browser}}})
    for body in ("first", "second", "third"):
        (outcome,) = pair.send(notification(body=body), phone.token)
        assert outcome.kind is OutcomeKind.ACCEPTED, outcome
        assert outcome.vendor_message_id
    (item,) = phone.tray
    assert (item.notice.body, phone.badge) == ("third", 7)
    tapped = open_notification(phone, item.notice)
    assert (tapped.error, tapped.data) == (None, "https://chat.example.com/chat?from=push")
    assert pair.channel.parse_extras(tapped.extras) == EXT


def test_a_subscription_made_with_another_key_is_doubted_and_one_that_is_gone_is_dead():
    pair = Pair("webpush")
    gone = create_phone(pair.world, {"brand": "web"})
    gone.app_installed = False
    for browser, kind in (("safari", OutcomeKind.TOKEN_DEAD), ("chrome", OutcomeKind.TOKEN_DEAD), ("firefox", OutcomeKind.AUTH_EXPIRED)):
        foreign = create_phone(pair.world, {"brand": "web", "app": {"package": "com.other", "vendor": {"browser": browser}}})
        (outcome,) = pair.send(notification(), foreign.token)
        assert outcome.kind is kind
        assert outcome.kind is OutcomeKind.AUTH_EXPIRED or outcome.evidence is Evidence.REQUEST
    (outcome,) = pair.send(notification(), gone.token)
    assert (outcome.kind, outcome.evidence) == (OutcomeKind.TOKEN_DEAD, Evidence.TOKEN)


def test_an_android_token_on_the_api_of_the_same_vendors_new_system_is_doubted_and_explained():
    pair = Pair("harmony")
    android = create_phone(pair.world, {"brand": "huawei"})
    good, wrong = pair.send(notification(), pair.phone.token, android.token)
    assert (good.kind, wrong.kind, wrong.evidence) == (OutcomeKind.ACCEPTED, OutcomeKind.TOKEN_DEAD, Evidence.REQUEST)
    assert "Android" in wrong.detail
    assert android.tray == []


@pytest.mark.parametrize("body", ["see you", "👍", "你好🌹 " * 80, "\u0378\ue000"])
def test_a_template_takes_every_chat_text(body):
    first = Pair("xiaomi")
    template = first.simulator.business_hint(first.phone)["templates"][0]
    options = {"template_id": template["template_id"], "channel_id": template["channel_id"]}
    pair = Pair("xiaomi", template_param='{"nick":"{title}","content":"{body}"}', **options)
    (outcome,) = pair.send(notification(body=body))
    assert outcome.kind is OutcomeKind.ACCEPTED, outcome
    assert pair.phone.tray[0].notice.title.endswith("Ann")


@pytest.mark.parametrize("ext", ["plain text", '["a"]', '{"a":'])
def test_an_ext_that_is_no_object_is_not_lost_where_the_vendor_needs_one(ext):
    pair = Pair("oppo")
    assert pair.send(notification(ext=ext))[0].kind is OutcomeKind.ACCEPTED
    tapped = open_notification(pair.phone, pair.phone.tray[0].notice)
    assert tapped.extras["ext"] == ext
    assert pair.channel.parse_extras(tapped.extras) == ext


def test_an_object_arrives_as_extras_of_its_own():
    pair = Pair("oppo")
    pair.send(notification())
    extras = open_notification(pair.phone, pair.phone.tray[0].notice).extras
    assert extras["entity"] == EXT[len('{"entity":') : -1]
    assert (extras["msg_id"], extras["conv"], extras["push_id"]) == ("144115-1732437600-88", "c2c_ann", "1")


def test_a_channel_that_the_app_did_not_create_shows_nothing():
    pair = Pair("oppo", channel_id="nosuch")
    assert pair.send(notification())[0].kind is OutcomeKind.ACCEPTED
    assert pair.phone.tray == []


def test_a_token_of_another_region_is_explained_and_kept():
    outcomes = Pair("oppo").send(notification(), "IN_0123456789abcdef0123456789abcdef")
    assert [outcome.kind for outcome in outcomes] == [OutcomeKind.MESSAGE_REFUSED]
    assert "region" in outcomes[0].detail


@pytest.mark.parametrize("name", ["oppo", "vivo"])
def test_a_retry_is_shown_once(name):
    pair = Pair(name)
    for _ in range(2):
        assert pair.send(notification())[0].kind is OutcomeKind.ACCEPTED
    assert len(pair.phone.tray) == 1


@pytest.mark.parametrize("name", ["oppo", "vivo"])
def test_equal_text_for_many_phones_reaches_each_and_names_the_dead(name):
    pair = Pair(name)
    phones = pair.more_phones(25)
    phones[3].app_installed = False
    outcomes = pair.send(notification(), *(phone.token for phone in phones))
    assert [n for n, outcome in enumerate(outcomes) if outcome.kind is not OutcomeKind.ACCEPTED] == [3]
    assert outcomes[3].kind is OutcomeKind.TOKEN_DEAD
    assert [len(phone.tray) for phone in phones] == [int(n != 3) for n in range(25)]
    assert all(outcome.vendor_message_id for n, outcome in enumerate(outcomes) if n != 3)


@pytest.mark.parametrize("name", ["xiaomi", "oppo", "vivo"])
def test_what_the_vendor_posts_is_read_as_delivered(name):
    pair = Pair(name)
    pair.collect_receipts()
    assert pair.send(notification())[0].kind is OutcomeKind.ACCEPTED
    assert pair.posts
    (post,) = pair.posts
    assert post.url == "http://127.0.0.1:9/v1/receipts/unguessable"
    answer = pair.channel.read_receipts(pair.certificate, ReceiptRequest({}, {}, post.body), pair.now_ms)
    (receipt,) = answer.receipts
    assert (answer.status, receipt.kind, receipt.token) == (200, ReceiptKind.DELIVERED, pair.phone.token)
    assert (receipt.msg_id, receipt.at_ms) == ("144115-1732437600-88", pair.now_ms)
