"""Vendor by odd input: what people write becomes a request that the strict vendor takes, and receipts that lie change nothing."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from homing.channels.registry import CHANNELS
from homing.sandbox.receipts import ReceiptPost

APP = 1_400_000_001
OpenStreet = Callable[[str], Any]
TEXTS = {
    "emoji": "👩‍👩‍👧‍👦🏳️‍🌈👍🏽" * 30,
    "right to left": "مرحبا بالعالم، كيف حالك؟ \u202e\u2067שלום\u2069",
    "digits only": "1234567890",
    "latin only": "test",
    "one blank": " ",
    "ten thousand": "word " * 2_000,
    "thousands of ideographs": "长" * 3_500,
    "braces and percent": '{"a": "%s"} %00 &x=1+1;#<b>{$name$}',
    "control characters": "a\x00b\x1b[31mc\u2028d\ufeffe",
    "newlines": "\n\n\r\n first\n second",
}


@pytest.mark.parametrize("channel", CHANNELS)
async def test_whatever_people_write_reaches_the_phone(open_street: OpenStreet, channel: str) -> None:
    async with open_street(channel) as street:
        phone = await street.move_in()
        for name, text in TEXTS.items():
            street.clock.advance(seconds=120)
            before = len(phone.tray)
            answer = await street.rest("openim/sendmsg", message(street, text))
            assert answer["ActionStatus"] == "OK", (name, answer)
            push = await street.ended(str(answer["MsgKey"]))
            assert push["state"] == "accepted" or (push["state"], bool(push["cure"])) == ("suppressed", True), (name, push)
            assert len(phone.tray) == before + (push["state"] == "accepted"), name
        assert await street.token_of()


@pytest.mark.parametrize("channel", CHANNELS)
async def test_a_title_and_a_text_that_are_empty_are_filled(open_street: OpenStreet, channel: str) -> None:
    async with open_street(channel) as street:
        phone = await street.move_in()
        for wishes in ({"Title": "", "Desc": ""}, {"Title": " \n", "Desc": "\t"}, {"Title": "\u200b", "Desc": "hi"}):
            street.clock.advance(seconds=120)
            answer = await street.rest("openim/sendmsg", message(street, "hi", **wishes))
            push = await street.ended(str(answer["MsgKey"]))
            assert push["state"] == "accepted", push
        assert len(phone.tray) == 3
        assert all(item.notice.title or item.notice.body for item in phone.tray)


def message(street: Any, text: str, **info: Any) -> dict[str, Any]:
    return {
        "SyncOtherMachine": 2,
        "From_Account": "alice",
        "To_Account": "bob",
        "MsgRandom": next(street._numbers),
        "MsgBody": [{"MsgType": "TIMTextElem", "MsgContent": {"Text": text}}],
        "OfflinePushInfo": {"PushFlag": 0} | info,
    }


# --- receipts -----------------------------------------------------------------------------------


class Posts:
    """What the vendor would post, kept to be delivered by hand."""

    def __init__(self, street: Any) -> None:
        self.street, self.kept = street, []  # type: Any, list[ReceiptPost]
        street.world.post_receipt = self._keep

    def _keep(self, post: ReceiptPost) -> bool:
        self.kept.append(post)
        return True

    def flush(self) -> None:
        self.street.vendor._receipts.flush()

    async def deliver(self, path: str, body: bytes, headers: dict[str, str]) -> int:
        """A vendor's call on the receipt endpoint; the HTTP status."""
        sent: list[Any] = []
        messages = [{"type": "http.request", "body": body, "more_body": False}]

        async def receive() -> Any:
            return messages.pop(0) if messages else {"type": "http.disconnect"}

        async def send(message: Any) -> None:
            sent.append(message)

        scope = {
            "type": "http",
            "method": "POST",
            "path": f"/v1/receipts/{path}",
            "query_string": b"",
            "headers": [(name.lower().encode(), value.encode()) for name, value in headers.items()],
        }
        await self.street.front(scope, receive, send)
        await self.street.hub.receipts.drain()
        return int(sent[0]["status"])


async def receipt_path(street: Any, user_id: str = "bob") -> str:
    certificate = await street.hub.certificates.get(APP, street.business_ids[user_id])
    return str(certificate.receipt_path)


async def with_receipts(street: Any) -> Posts:
    """Bob's certificate asks for receipts, in the message or in the vendor's console."""
    posts = Posts(street)
    base = "http://127.0.0.1:9"
    more = {"callback_registered": "1"} if street.channel.name == "meizu" else {}
    phone = await street.move_in(callback_base_url=base, **more)
    configure = getattr(street.vendor, "configure_receipts", None)
    if configure is not None and street.channel.name != "vivo":  # there it ends the receipts that a message asks for
        hint = street.vendor.business_hint(phone)
        configure(hint["settings"]["package_name"], f"{base}/v1/receipts/{await receipt_path(street)}")
    return posts


@pytest.mark.parametrize("channel", [name for name, channel in CHANNELS.items() if channel.capabilities.receipts])
async def test_a_receipt_is_believed_once_and_only_where_it_belongs(open_street: OpenStreet, channel: str) -> None:
    async with open_street(channel) as street:
        posts = await with_receipts(street)
        key = await street.say("with a receipt")
        push = await street.ended(key)
        posts.flush()
        assert posts.kept
        post = posts.kept[0]
        headers = {"content-type": post.content_type} | (post.make_headers() if post.make_headers else {})
        path = await receipt_path(street)
        assert push["delivered_at_ms"] is None
        assert await posts.deliver("a-path-that-nobody-has", post.body, headers) == 404
        assert await posts.deliver(path, post.body + b" " * 10_000_000, headers) == 413
        if post.make_headers is not None:
            assert await posts.deliver(path, post.body, {"content-type": post.content_type}) == 401
            forged = {name: value[:-6] + "AAAAA=" for name, value in post.make_headers().items()}
            assert await posts.deliver(path, post.body, {"content-type": post.content_type} | forged) == 401
        for nonsense in (b"", b"[]", b"{}", b"null", b"\xff\xfe", b'{"statuses": 1}', b"data=%7B&cb=%7B", b"[" * 10_000):
            assert await posts.deliver(path, nonsense, headers) in (200, 400, 401)
        other = await street.hub.certificates.add(APP, channel, street.values, name="another")
        await posts.deliver(other.receipt_path, post.body, headers)
        assert (await street.told(key))["receipts"] == []
        assert await street.token_of()
        fresh = {"content-type": post.content_type} | (post.make_headers() if post.make_headers else {})
        assert await posts.deliver(path, post.body, fresh) == 200
        told = await street.told(key)
        assert told["delivered_at_ms"]
        assert told["receipts"]
        street.clock.advance(seconds=10)
        again = {"content-type": post.content_type} | (post.make_headers() if post.make_headers else {})
        assert await posts.deliver(path, post.body, again) == 200  # a replay, and one with a stale signature
        await posts.deliver(path, post.body, fresh)
        assert await street.told(key) == told
