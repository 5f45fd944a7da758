"""Log-in, the multi-terminal policy, the end of sessions, push tokens, background and foreground."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from homing.model.apps import TerminalPolicy
from homing.model.push import PushState
from homing.store.token_import import TokenRow, import_tokens

APP, OTHER, BUSINESS = 1400000001, 1400000002, 15518


async def report(world: Any, token: str, push_token: str = "push-token") -> None:
    await world.ok("PUT", "push-config", {"business_id": BUSINESS, "token": push_token, "is_tpns_token": False}, token)


async def test_a_first_login_makes_the_account_and_a_session(world: Any) -> None:
    answer = await world.ok("POST", "login", world.login_body("carol"))
    assert len(answer["session_token"]) >= 43
    assert answer["expires_in"] == 86_400
    session = await world.ok("GET", "session", token=answer["session_token"])
    assert (session["device_id"], session["user_id"], session["has_token"]) == (answer["device_id"], "carol", False)
    assert await world.hub.accounts.check(world.apps.known[APP], ["carol"]) == {"carol"}


@pytest.mark.parametrize(
    ("changes", "status", "code"),
    [
        ({"sdkappid": 7}, 404, "app_not_found"),
        ({"user_sig": ""}, 401, "usersig_empty"),
        ({"user_sig": "rubbish"}, 401, "usersig_malformed"),
        ({"user_id": "mallory"}, 401, "usersig_other_user"),
        ({"sdkappid": OTHER}, 401, "usersig_other_app"),
        ({"platform": "toaster"}, 400, "bad_parameter"),
        ({"instance_id": ""}, 400, "bad_parameter"),
        ({"instance_id": "import-1"}, 400, "bad_parameter"),
        ({"instance_id": "x" * 200}, 400, "bad_parameter"),
        ({"instance_id": 5}, 400, "bad_parameter"),
        ({"language": "\n"}, 400, "bad_parameter"),
        ({"sdkappid": 2**70}, 404, "app_not_found"),
    ],
)
async def test_a_wrong_login_is_refused_with_its_code(world: Any, changes: dict[str, Any], status: int, code: str) -> None:
    assert await world.refused("POST", "login", world.login_body("alice", **changes)) == (status, code)


async def test_a_usersig_with_another_key_or_an_old_one_is_refused(world: Any) -> None:
    foreign = world.login_body("alice", user_sig=world.usersig("alice", key="c" * 64))
    assert await world.refused("POST", "login", foreign) == (401, "usersig_wrong_key")
    old = world.login_body("alice", user_sig=world.usersig("alice", issued_at=world.now - 100, expire=99))
    assert await world.refused("POST", "login", old) == (401, "usersig_expired")


async def test_an_unknown_session_is_refused(world: Any) -> None:
    assert await world.refused("GET", "session") == (401, "session_unknown")
    assert await world.refused("GET", "session", token="nobody") == (401, "session_unknown")
    assert await world.refused("GET", "session", token="x" * 5000) == (401, "session_unknown")


async def test_a_second_phone_kicks_the_first(world: Any) -> None:
    first = await world.login("bob", instance_id="one")
    await report(world, first)
    socket = await world.socket(first)
    await world.ok("POST", "background", {"unread_count": 0}, first)
    await world.say("before")
    second = await world.login("bob", instance_id="two")
    frames = await socket.until("ended")
    assert frames[-1]["body"] == {"reason": "kicked", "close_code": 4001}
    assert await socket.end() == (4001, "kicked")
    assert await world.refused("GET", "session", token=first) == (401, "session_ended")
    assert (await world.ok("GET", "session", token=second))["has_token"] is False
    kicked = (await world.devices())[0]
    assert (kicked["session_state"], kicked["token"], kicked["node_id"]) == ("kicked", None, None)
    assert (await world.pushes())[-1] == ("bob", PushState.SUPPRESSED, "kicked")
    await world.say("after")
    assert {reason for _, _, reason in await world.pushes()} == {"kicked", "no_token"}
    assert await world.events("bob") == ["login", "token_reported", "background", "kicked", "login"]


async def test_another_platform_kicks_only_as_the_policy_says(world: Any) -> None:
    phone = await world.login("bob", instance_id="phone")
    await world.login("bob", platform="windows", instance_id="pc")
    await world.ok("GET", "session", token=phone)
    world.apps.settings(terminal_policy=TerminalPolicy.SINGLE)
    await world.login("bob", platform="web", instance_id="browser")
    assert await world.refused("GET", "session", token=phone) == (401, "session_ended")
    assert [device["session_state"] for device in await world.devices()] == ["kicked", "kicked", "active"]


async def test_logins_at_one_moment_leave_one_session(world: Any) -> None:
    world.apps.settings(terminal_policy=TerminalPolicy.SINGLE)
    tokens = await asyncio.gather(*[world.login("bob", instance_id=f"phone {n}") for n in range(8)])
    alive = [token for token in tokens if (await world.http("GET", "/v1/device/session", {}, token))[0] == 200]
    assert len(alive) == 1


async def test_the_same_installation_logs_in_again_and_keeps_its_token(world: Any) -> None:
    first = await world.login("bob")
    await report(world, first)
    socket = await world.socket(first)
    second = await world.login("bob")
    assert await socket.end() == (4000, "session_ended")
    assert await world.refused("GET", "session", token=first) == (401, "session_unknown")
    session = await world.ok("GET", "session", token=second)
    assert (session["has_token"], session["connected"]) == (True, False)
    assert len(await world.devices()) == 1


async def test_a_logout_silences_the_device(world: Any) -> None:
    token = await world.login("bob")
    await report(world, token)
    await world.say("one")
    await world.ok("POST", "logout", {}, token)
    assert (await world.pushes()) == [("bob", PushState.SUPPRESSED, "logged_out")]
    await world.say("two")
    assert (await world.pushes())[-1] == ("bob", PushState.SUPPRESSED, "logged_out")
    assert (await world.devices())[0]["token"] is None
    assert await world.refused("POST", "logout", {}, token) == (401, "session_ended")


async def test_a_kick_by_the_backend_ends_all_sessions_and_the_usersigs(world: Any) -> None:
    body = world.login_body("bob", user_sig=world.usersig("bob", issued_at=world.now - 10))
    token = (await world.ok("POST", "login", body))["session_token"]
    socket = await world.socket(token)
    app = world.apps.known[APP]
    await world.hub.accounts.revoke(app, "bob", world.now)
    assert await world.hub.sessions.revoke_account(app, "bob") == 1
    assert await socket.end() == (4001, "kicked")
    assert await world.refused("GET", "session", token=token) == (401, "session_ended")
    assert await world.refused("POST", "login", body) == (401, "usersig_revoked")
    await world.login("bob")


async def test_a_forgotten_account_leaves_no_device(world: Any) -> None:
    token = await world.login("bob")
    socket = await world.socket(token)
    await world.hub.sessions.forget_account(world.apps.known[APP], ["bob"])
    assert await socket.end() == (4001, "kicked")
    assert await world.devices() == []
    assert await world.refused("GET", "session", token=token) == (401, "session_unknown")


async def test_an_expired_usersig_ends_the_session_online_and_over_https(world: Any) -> None:
    token = await world.login("bob", user_sig=world.usersig("bob", expire=60))
    await report(world, token)
    socket = await world.socket(token)
    world.clock.advance(seconds=60)
    await world.gateway.tick()
    await socket.nothing()
    world.clock.advance(seconds=1)
    await world.gateway.tick()
    assert (await socket.until("ended"))[-1]["body"]["reason"] == "expired"
    assert await socket.end() == (4002, "usersig_expired")
    assert await world.refused("GET", "session", token=token) == (401, "usersig_expired")
    assert (await world.devices())[0]["session_state"] == "expired"
    again = await world.login("bob")
    assert (await world.ok("GET", "session", token=again))["has_token"] is True


async def test_a_session_that_nobody_uses_ends(world: Any) -> None:
    token = await world.login("bob", user_sig=world.usersig("bob", expire=365 * 86_400))
    world.clock.advance(seconds=29 * 86_400)
    await world.ok("GET", "session", token=token)
    await world.hub.sessions.presence.flush()
    world.clock.advance(seconds=29 * 86_400)
    await world.ok("GET", "session", token=token)
    world.clock.advance(seconds=31 * 86_400)
    assert await world.refused("GET", "session", token=token) == (401, "session_ended")


async def test_a_push_token_moves_to_the_account_that_reports_it(world: Any) -> None:
    alice, bob = await world.login("alice"), await world.login("bob")
    await report(world, bob)
    await world.say("for bob")
    assert (await world.pushes())[-1] == ("bob", PushState.PENDING, "offline")
    await report(world, alice)
    assert (await world.pushes())[-1] == ("bob", PushState.SUPPRESSED, "token_moved")
    assert [device["token"] for device in await world.devices()] == ["push-token", None]
    assert await world.events("bob") == ["login", "token_reported", "token_moved"]
    await world.say("again for bob")
    assert (await world.pushes())[-1][2] == "no_token"


async def test_one_token_reported_by_many_at_one_moment_has_one_owner(world: Any) -> None:
    sessions = [await world.login(f"user{n}") for n in range(8)]
    await asyncio.gather(*[report(world, token) for token in sessions])
    assert [device["token"] for device in await world.devices()].count("push-token") == 1


async def test_an_imported_token_moves_to_the_real_device(world: Any) -> None:
    rows = [TokenRow("bob", "android", BUSINESS, "push-token", "background")]
    await world.hub.database.write(lambda tx: import_tokens(tx, APP, rows, world.hub.ids.next, world.clock.now_ms()))
    await report(world, await world.login("bob"))
    devices = await world.devices()
    assert [(device["user_id"], device["token"]) for device in devices] == [("bob", "push-token")]


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        ({"business_id": BUSINESS, "token": "x" * 4097}, 413, "token_too_long"),
        ({"business_id": BUSINESS, "token": "汉" * 1366}, 413, "token_too_long"),
        ({"business_id": BUSINESS, "token": ""}, 400, "bad_parameter"),
        ({"business_id": BUSINESS, "token": "a\u0000b"}, 400, "bad_parameter"),
        ({"business_id": 1, "token": "t"}, 404, "certificate_unknown"),
        ({"business_id": 0, "token": "t"}, 404, "certificate_unknown"),
        ({"business_id": "15518", "token": "t"}, 400, "bad_parameter"),
        ({"token": "t"}, 400, "bad_parameter"),
        ({"business_id": 2**80, "token": "t"}, 404, "certificate_unknown"),
    ],
)
async def test_a_wrong_push_configuration_is_refused(world: Any, body: dict[str, Any], status: int, code: str) -> None:
    assert await world.refused("PUT", "push-config", body, await world.login("bob")) == (status, code)


async def test_a_certificate_of_another_app_is_refused(world: Any) -> None:
    token = await world.login("bob", sdkappid=OTHER, user_sig=world.usersig("bob", OTHER))
    assert await world.refused("PUT", "push-config", {"business_id": BUSINESS, "token": "t"}, token) == (404, "certificate_unknown")


async def test_null_turns_push_off(world: Any) -> None:
    token = await world.login("bob")
    await report(world, token)
    await world.say("one")
    await world.ok("PUT", "push-config", b"null", token)
    assert (await world.pushes())[-1] == ("bob", PushState.SUPPRESSED, "no_token")
    assert (await world.devices())[0]["token"] is None
    await report(world, token)
    assert (await world.devices())[0]["token"] == "push-token"


async def test_a_token_of_the_shared_service_goes_to_its_certificate_or_is_kept_without(world: Any) -> None:
    for platform, expected in (("android", BUSINESS), ("ios", 0)):
        token = await world.login("bob", platform=platform)
        await world.ok("PUT", "push-config", {"business_id": 0, "token": f"shared-{platform}", "is_tpns_token": True}, token)
        (device,) = [device for device in await world.devices() if device["token"] == f"shared-{platform}"]
        assert device["business_id"] == expected


async def test_background_pushes_and_foreground_does_not(world: Any) -> None:
    token = await world.login("bob")
    await report(world, token)
    socket = await world.socket(token)
    await world.ok("POST", "background", {"unread_count": 41}, token)
    assert await world.unread("bob") == 41
    await world.say("one")
    assert await socket.texts(1) == ["one"]
    assert (await world.pushes())[-1] == ("bob", PushState.PENDING, "background")
    assert await world.unread("bob") == 42
    await world.ok("POST", "foreground", {}, token)
    await world.say("two")
    assert (await world.pushes())[-1] == ("bob", PushState.WAITING_ACK, "foreground")


@pytest.mark.parametrize("count", [-1, 10**7, "3", 1.5])
async def test_a_wrong_unread_count_is_refused(world: Any, count: Any) -> None:
    token = await world.login("bob")
    assert await world.refused("POST", "background", {"unread_count": count}, token) == (400, "bad_parameter")


async def test_old_installations_are_forgotten(world: Any) -> None:
    for n in range(30):
        await world.login("bob", instance_id=f"phone {n}")
        world.clock.advance(seconds=1)
    assert len(await world.devices()) <= 23
    world.clock.advance(seconds=40 * 86_400)
    await world.login("bob", instance_id="the last")
    assert len(await world.devices()) == 2  # it and the one that it kicked
