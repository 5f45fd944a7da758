"""A message to a group by REST: in the trays of members with phones of several makes, where a tap opens the group."""

from __future__ import annotations

from pathlib import Path

import pytest

from homing.demo.scene import Scene
from homing.demo.stage import open_stage
from homing.demo.words import Letter

MAKES = ("google", "huawei", "honor", "oppo", "vivo", "meizu")


@pytest.mark.parametrize("make", MAKES)
async def test_a_group_message_reaches_two_makes_of_phones_and_the_tap_opens_the_group(make: str, tmp_path: Path) -> None:
    async with open_stage(tmp_path, ("127.0.0.1", 0), ("127.0.0.1", 0)) as stage:
        scene = Scene(stage)
        await scene.prepare(make)
        await stage.make_group("team", "The team", ["alice", "bob"])
        for phone in stage.phones.values():
            await phone.kill()
        await stage.say_in_group("team", "alice", Letter(receiver="", text="lunch?"))
        item = await scene.in_tray(scene.bob, "lunch?")
        assert item["title"] == "The team"
        opened = await scene.bob.tap(item["id"])
        assert (opened["error"], opened["sender"], opened["group"]) == (None, "team", True)
        scene.not_in_tray(scene.alice, "lunch?")
        await stage.say_in_group("team", "bob", Letter(receiver="", text="at noon"))
        item = await scene.in_tray(scene.alice, "at noon")
        assert item["body"].startswith("Bob")
        assert item["body"].endswith("(The team):at noon")
