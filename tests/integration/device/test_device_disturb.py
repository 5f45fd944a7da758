"""A device mutes conversations and sets quiet hours for its account."""

from __future__ import annotations

from typing import Any

from homing.model.push import Reason


async def test_a_device_mutes_a_conversation_for_all_devices_of_its_account(world: Any) -> None:
    phone, tablet = await world.login("bob"), await world.login("bob", platform="ipad", instance_id="tablet")
    alice = await world.login("alice", instance_id="a")
    await world.ok("PUT", "receive-options", {"peers": ["alice"], "option": 2}, phone)
    options = await world.ok("POST", "receive-options", {"peers": ["alice"]}, tablet)
    assert options == {"options": [{"peer": "alice", "option": 2, "pass_quiet_hours": False}]}
    for token in (phone, tablet):
        await world.ok("PUT", "push-config", {"business_id": 15518, "token": f"t-{token}"}, token)
    await world.ok("POST", "messages", {"to_user": "bob", "elements": [{"MsgType": "TIMTextElem", "MsgContent": {"Text": "hi"}}]}, alice)
    assert {reason for user_id, _, reason in await world.pushes() if user_id == "bob"} == {Reason.MUTED}


async def test_quiet_hours_are_set_read_and_ended(world: Any) -> None:
    token = await world.login("bob")
    assert await world.ok("GET", "quiet-hours", token=token) == {"quiet_hours": None, "active": False}
    window = {"duration_seconds": 86_400, "start_hour": 22, "start_minute": 5, "start_second": 9, "time_zone": "Europe/Berlin"}
    await world.ok("PUT", "quiet-hours", window, token)
    answer = await world.ok("GET", "quiet-hours", token=token)
    assert answer["active"]
    assert answer["quiet_hours"] == window | {"starts_at": 0, "utc_offset_minutes": 0}
    assert (await world.refused("PUT", "quiet-hours", window | {"time_zone": "Nowhere"}, token))[0] == 400
    status, _ = await world.http("PUT", "/v1/device/quiet-hours", b"null", token)
    assert status == 200
    assert (await world.ok("GET", "quiet-hours", token=token))["quiet_hours"] is None


async def test_a_blocked_device_hears_why(world: Any) -> None:
    await world.hub.relations.block(world.apps.known[1400000001], "bob", ["alice"])
    alice = await world.login("alice")
    body = {"to_user": "bob", "elements": [{"MsgType": "TIMTextElem", "MsgContent": {"Text": "hi"}}]}
    assert await world.refused("POST", "messages", body, alice) == (403, "message_blocked")
