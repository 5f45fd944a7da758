"""What is doubted is not deleted, and what a vendor counts by the second is paced before it refuses."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest

from homing.channels.registry import CHANNELS
from homing.sandbox.phone_api import create_phone

OpenStreet = Callable[[str], Any]
#: A token that another family or app issued, and what the explanation must say of it.
FOREIGN = {
    "huawei": ("harmony", "upgraded"),
    "harmony": ("huawei", "Android"),
    "apns": ("apns", "topic"),
    "webpush": ("webpush", ""),
}


@pytest.mark.parametrize("channel", FOREIGN)
async def test_a_token_of_another_family_is_explained_and_not_deleted_on_the_first_doubt(open_street: OpenStreet, channel: str) -> None:
    other, words = FOREIGN[channel]
    async with open_street(channel) as street:
        phone = await street.move_in()
        brand = street.world.vendors[other].brands[0]
        order = {"app": {"package": "com.another.app"}} if other in ("apns", "webpush") else {}
        foreign = create_phone(street.world, {"brand": brand, **order})
        device = street.devices["bob"]
        await street.hub.sessions.set_push_config(device, street.business_ids["bob"], foreign.token)
        push = await street.attempted(await street.say("who are you?"))
        assert push["attempts"][-1]["outcome"] in ("token_dead", "auth_expired"), push["attempts"]
        assert words in push["attempts"][-1]["detail"], push["attempts"][-1]
        assert await street.token_of() == foreign.token
        assert foreign.tray == []
        street.clock.advance(seconds=1800)
        await street.hub.sessions.set_push_config(device, street.business_ids["bob"], phone.token)
        assert (await street.ended(await street.say("there you are")))["state"] == "accepted"
        assert await street.token_of() == phone.token


@pytest.mark.parametrize("channel", [name for name, channel in CHANNELS.items() if channel.capabilities.requests_per_second])
async def test_a_rate_is_paced_so_that_the_vendor_never_refuses(open_street: OpenStreet, channel: str) -> None:
    async with open_street(channel) as street:
        await street.move_in(requests_per_second="2")
        await street.ended(await street.say("warm"))
        street.clock.advance(seconds=120)
        before = len(street.world.requests)
        # No more than five: one vendor folds what comes to a phone beyond that in a minute.
        keys = [await street.say(f"number {n}") for n in range(5)]
        for _ in range(20):
            await street.hub.dispatch.turn()
            await asyncio.sleep(0.001)
        at_once = len(street.world.requests) - before
        assert at_once <= 2, at_once  # a tenth of a second's worth, and one
        for second in range(1, 8):
            street.clock.advance(seconds=1)
            for _ in range(20):
                await street.hub.dispatch.turn()
                await asyncio.sleep(0.002)
            assert len(street.world.requests) - before <= at_once + 2 * second, second
        pushes = [await street.ended(key) for key in keys]
        assert [push["state"] for push in pushes] == ["accepted"] * 5
        assert {len(push["attempts"]) for push in pushes} == {1}
