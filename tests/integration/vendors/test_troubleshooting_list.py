"""The troubleshooting list of the original product, point by point: what is explained of a push says what to do."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

OpenStreet = Callable[[str], Any]
#: What the list says of a push that was accepted and never seen, and the words that answer it in both languages.
UNSEEN = {
    "notifications are switched off, by default on some brands": ("must be allowed", "允许"),
    "contents are hidden on the lock screen": ("lock", "锁屏"),
    "the notification is silent, or has another tone": ("tone", "铃声"),
    "there is no icon in the status bar": ("status bar", "状态栏"),
    "the channel id is missing": ("channel id", "通道 ID"),
    "the console's parameters or the registration in the app are wrong": ("homing cert check", "homing cert check"),
    "simple characters are filtered": ("digits", "纯数字"),
    "the vendor limits the class or the number": ("limited a day", "每日数量"),
}


@pytest.mark.parametrize("point", UNSEEN)
async def test_a_push_that_nobody_sees_is_answered_for_each_point(open_street: OpenStreet, point: str) -> None:
    async with open_street("oppo") as street:
        phone = await street.move_in()
        phone.notifications_enabled = False
        key = await street.say("can you see me?")
        assert (await street.ended(key))["state"] == "accepted"
        assert street.shown("can you see me?") == 0
        street.clock.advance(seconds=120)
        english = (await street.told(key))["hints"]
        chinese = (await street.hub.explain.message(1_400_000_001, key, "zh"))["messages"][0]["pushes"][0]["hints"]
        assert any(UNSEEN[point][0] in hint for hint in english), english
        assert any(UNSEEN[point][1] in hint for hint in chinese), chinese


async def test_no_channel_on_a_phone_that_needs_one(open_street: OpenStreet) -> None:
    async with open_street("oppo") as street:
        await street.move_in(channel_id="", category="", notify_level="0")
        push = await street.until(await street.say("hi"), lambda push: push["state"] == "suppressed")
        assert push["reason"] == "no_channel_id"
        assert "channel_id" in push["cure"]


async def test_an_ext_that_is_not_json_arrives_all_the_same(open_street: OpenStreet) -> None:
    async with open_street("oppo") as street:
        await street.move_in()
        assert (await street.ended(await street.say("hi", Ext="no json")))["state"] == "accepted"
        assert street.shown("hi") == 1


async def test_a_custom_message_without_a_description(open_street: OpenStreet) -> None:
    async with open_street("xiaomi") as street:
        await street.move_in()
        custom = {"MsgType": "TIMCustomElem", "MsgContent": {"Data": "{}", "Desc": "", "Ext": "", "Sound": ""}}
        body = {"SyncOtherMachine": 2, "From_Account": "alice", "To_Account": "bob", "MsgRandom": 1, "MsgBody": [custom]}
        answer = await street.rest("openim/sendmsg", body)
        push = await street.until(str(answer["MsgKey"]), lambda push: push["state"] == "suppressed")
        assert push["reason"] == "no_description"
        assert "Desc" in push["cure"]


async def test_a_tap_that_opens_the_wrong_page(open_street: OpenStreet) -> None:
    async with open_street("xiaomi") as street:
        page = "intent://com.tencent.qcloud/detail#Intent;scheme=pushscheme;launchFlags=0x4000000;component=com.example/.Main;end"
        await street.move_in(click_action="page", click_value=page)
        key = await street.say("tap me")
        push = await street.ended(key)
        assert push["state"] == "accepted"
        device = street.devices["bob"].device_id
        await street.hub.receipts.report_from_device(1_400_000_001, device, push["push_id"], None, "shown", street.clock.now_ms())
        assert "click_value" in (await street.told(key))["hints"][0]
        await street.hub.receipts.report_from_device(1_400_000_001, device, push["push_id"], None, "clicked", street.clock.now_ms())
        assert (await street.told(key))["hints"] == []
