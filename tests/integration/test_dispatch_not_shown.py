"""Pushes that a vendor would accept and no phone would show are suppressed with the cure."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from homing.channels.registry import CHANNELS
from homing.model.apps import NotificationMode
from homing.model.certificates import Certificate
from homing.model.outcome import VendorResponse
from homing.model.push import PushState
from homing.model.push_info import AndroidInfo, OfflinePushInfo
from homing.rules.explanations import reason_words

TAKEN = VendorResponse(200, {}, b'{"code":0,"message":"","data":{"messageId":"3000-1-1-66f0"}}')
TOKEN = "CN_0123456789abcdef0123456789abcdef"
WISHES = OfflinePushInfo(Title="Alice", Desc="hi")


@pytest.fixture
async def oppo(pipeline: Any) -> Any:
    """Bob's phone is one whose vendor needs a channel id; ``options`` sets the certificate."""
    channel = CHANNELS["oppo"]
    credentials = channel.credentials_type(app_key="key", master_secret="secret")

    def options(**values: str) -> None:
        certificate = Certificate(1_400_000_001, 15_518, "oppo", "test", credentials, channel.options_type(**values))
        pipeline.authority.certificate = certificate
        for lane in pipeline.dispatch._lanes.values():
            lane.equip(None, None)
            lane.equip(certificate, channel)

    pipeline.options = options
    options()
    pipeline.vendor.answer = lambda _: TAKEN
    await pipeline.device(7, "bob", token=TOKEN)
    return pipeline


async def decided(oppo: Any) -> list[Any]:
    """All pushes, once nothing waits any more."""
    async with asyncio.timeout(10):
        while any(push[1] < PushState.ACCEPTED for push in await oppo.pushes()):
            await oppo.turn()
    pushes: list[Any] = await oppo.pushes()
    return pushes


async def test_without_a_channel_nothing_is_sent_and_the_cure_is_told(oppo: Any) -> None:
    await oppo.send("hi", push_info=WISHES)
    [push] = await decided(oppo)
    assert push[1:3] == (PushState.SUPPRESSED, "no_channel_id")
    assert oppo.vendor.requests == []
    assert "channel_id" in reason_words("no_channel_id").cure("en")
    assert "通道" in reason_words("no_channel_id").cure("zh")


@pytest.mark.parametrize("options", [{"channel_id": "chat"}, {"category": "IM"}, {"without_channel": "send"}])
async def test_a_channel_or_a_category_or_the_operators_word_sends_it(oppo: Any, options: dict[str, str]) -> None:
    oppo.options(**options)
    await oppo.send("hi", push_info=WISHES)
    await oppo.vendor.received(1)
    [push] = await decided(oppo)
    assert push[1] == PushState.ACCEPTED


async def test_a_message_that_brings_its_channel_is_sent(oppo: Any) -> None:
    wishes = OfflinePushInfo(Title="Alice", Desc="hi", AndroidInfo=AndroidInfo(OPPOChannelID="chat"))
    await oppo.send("hi", push_info=wishes)
    await oppo.vendor.received(1)
    assert b"channel_id%22%3A%22chat" in oppo.vendor.requests[0].body


async def test_a_suppressed_push_lets_the_next_of_its_conversation_go(oppo: Any) -> None:
    oppo.settings(notification_mode=NotificationMode.PER_CONVERSATION)
    await oppo.send("one", push_info=WISHES)
    await decided(oppo)
    wishes = OfflinePushInfo(Title="Alice", Desc="two", AndroidInfo=AndroidInfo(OPPOChannelID="chat"))
    await oppo.send("two", push_info=wishes, seq=2)
    await oppo.vendor.received(1)
    assert [push[1] for push in await decided(oppo)] == [PushState.SUPPRESSED, PushState.ACCEPTED]
