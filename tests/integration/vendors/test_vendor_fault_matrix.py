"""Vendor by fault, through the real server and transport: nothing is lost, nothing is doubled, no token goes without evidence."""

from __future__ import annotations

import itertools
import json
from collections.abc import Callable
from typing import Any

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa

from homing.channels.registry import CHANNELS
from homing.model.notification import Target
from homing.model.outcome import Evidence, OutcomeKind, VendorRequest, VendorResponse

APP = 1_400_000_001
OpenStreet = Callable[[str], Any]
#: What may go wrong on the way of one request, and goes by.
PASSING: dict[str, dict[str, Any]] = {
    "html_and_502": {"kind": "status", "status": 502, "body": "html"},
    "html_and_200": {"kind": "status", "status": 200, "body": "html"},
    "nothing_and_200": {"kind": "status", "status": 200, "body": "empty"},
    "half_of_the_json_and_200": {"kind": "status", "status": 200, "body": "truncated"},
    "closed_in_the_middle": {"kind": "status", "status": 200, "body": "cut"},
    "no_and_200": {"kind": "status", "status": 200, "body": "ok_but_no"},
    "reset": {"kind": "reset"},
    "silence": {"kind": "latency", "ms": 600_000},
    "429_with_a_time": {"kind": "status", "status": 429, "retry_after": 3},
    "429_without": {"kind": "status", "status": 429},
    "429_and_html": {"kind": "status", "status": 429, "body": "html"},
    "500": {"kind": "status", "status": 500},
    "503_with_a_time": {"kind": "status", "status": 503, "retry_after": 3},
    "503_without": {"kind": "status", "status": 503},
    "503_and_nothing": {"kind": "status", "status": 503, "body": "empty"},
}
#: Vendors whose yes is the status alone: a 200 is all that they say, whatever stands in the body (their sheets' answers).
YES_IS_THE_STATUS = {"apns", "webpush"}
TWO_HUNDREDS = {"html_and_200", "nothing_and_200", "half_of_the_json_and_200", "no_and_200"}


@pytest.mark.parametrize("channel", CHANNELS)
async def test_what_passes_costs_time_and_nothing_else(open_street: OpenStreet, channel: str) -> None:
    async with open_street(channel) as street:
        await street.move_in()
        token = await street.token_of()
        await street.ended(await street.say("warm"))
        for name, order in PASSING.items():
            street.clock.advance(seconds=120)
            street.order(**order)
            push = await street.ended(await street.say(name))
            outcomes = [attempt["outcome"] for attempt in push["attempts"]]
            assert push["state"] == "accepted", (name, push)
            assert all(attempt["outcome_text"] and attempt["request"] for attempt in push["attempts"]), name
            if channel in YES_IS_THE_STATUS and name in TWO_HUNDREDS:
                assert outcomes == ["accepted"], name
                continue
            assert outcomes[-1] == "accepted", (name, outcomes)
            assert len(outcomes) > 1 or name == "reset", name  # on a kept connection the transport itself sends once more
            assert not {"accepted", "token_dead", "credentials_refused", "message_refused"}.intersection(outcomes[:-1]), (name, outcomes)
            assert street.shown(name) == 1, (name, street.shown(name), outcomes)
        assert await street.token_of() == token
        assert not (await street.hub.certificates.get(1_400_000_001, street.business_ids["bob"])).paused_reason


@pytest.mark.parametrize("channel", [name for name in CHANNELS if name != "apns"])  # Apple names no times (its sheet, section 4)
async def test_a_time_that_a_vendor_names_is_kept(open_street: OpenStreet, channel: str) -> None:
    async with open_street(channel) as street:
        await street.move_in()
        await street.ended(await street.say("warm"))
        for status in (429, 503):
            street.clock.advance(seconds=120)
            street.order("status", status=status, retry_after=37, body="empty")
            key = await street.say(f"wait {status}")
            push = await street.attempted(key)
            waits = push["next_at_ms"] - street.clock.now_ms()
            assert push["state"] == "pending"
            assert waits == pytest.approx(37_000, abs=1000), (status, push["attempts"][-1])
            assert (await street.ended(key))["state"] == "accepted"
            assert street.shown(f"wait {status}") == 1


@pytest.mark.parametrize("channel", CHANNELS)
async def test_a_dead_token_is_removed_and_explained_and_the_next_message_says_so(open_street: OpenStreet, channel: str) -> None:
    async with open_street(channel) as street:
        phone = await street.move_in()
        await street.ended(await street.say("warm"))
        phone.app_installed = False
        street.clock.advance(seconds=120)
        push = await street.ended(await street.say("anybody?"))
        assert (push["state"], push["reason"]) == ("failed", "token_dead")
        assert push["cure"]
        assert push["attempts"][-1]["code"]
        await street.until(
            await street.say("hello?"), lambda push: push["state"] == "suppressed" and push["reason"] in ("no_token", "not_mobile")
        )
        assert not await street.token_of()


@pytest.mark.parametrize("channel", [name for name, channel in CHANNELS.items() if channel.capabilities.app_quota])
async def test_a_spent_quota_waits_for_the_vendors_midnight_and_then_goes_on(open_street: OpenStreet, channel: str) -> None:
    async with open_street(channel) as street:
        await street.move_in()
        await street.ended(await street.say("warm"))
        street.order("quota")
        key = await street.say("one too many")
        push = await street.attempted(key)
        offset_ms = street.channel.capabilities.day_utc_offset_minutes * 60_000
        midnight_ms = ((street.clock.now_ms() + offset_ms) // 86_400_000 + 1) * 86_400_000 - offset_ms
        assert (push["state"], push["attempts"][-1]["outcome"]) == ("pending", "quota_app")
        assert push["next_at_ms"] == pytest.approx(midnight_ms, abs=1000)
        assert "waits until" in push["hints"][0]
        assert push["cure"]
        later = await street.say("and another")
        street.clock.set(midnight_ms - 60_000)
        await street.hub.dispatch.turn()
        assert (street.shown("one too many"), street.shown("and another")) == (0, 0)
        street.clock.set(midnight_ms + 1000)
        for waiting in (key, later):
            await street.until(waiting, lambda push: push["state"] == "accepted")
        assert (street.shown("one too many"), street.shown("and another")) == (1, 1)


@pytest.mark.parametrize("channel", [name for name, channel in CHANNELS.items() if not channel.capabilities.app_quota])
async def test_a_vendor_that_counts_by_the_second_only_delays(open_street: OpenStreet, channel: str) -> None:
    async with open_street(channel) as street:
        await street.move_in()
        await street.ended(await street.say("warm"))
        street.order("quota")
        push = await street.ended(await street.say("too fast"))
        assert push["state"] == "accepted"
        assert push["attempts"][0]["outcome"] in ("throttled", "vendor_down", "quota_app"), push["attempts"][0]
        assert street.shown("too fast") == 1


def stale(street: Any) -> Any:
    """A grant that the vendor refuses: one it never gave, or one that we signed two hours ago."""
    from homing.model.outcome import Grant

    [lane] = [lane for lane in street.hub.dispatch._lanes.values() if lane.certificate is not None]
    long_ago = street.clock.now_ms() - 2 * 3_600_000
    signed = street.channel.login(lane.certificate, long_ago)
    text = signed.access_token if isinstance(signed, Grant) else "worthless"
    lane._grant = Grant(text, street.clock.now_ms() + 3_600_000, long_ago)
    return lane._grant


@pytest.mark.parametrize("channel", [name for name, channel in CHANNELS.items() if channel.capabilities.login_token_seconds])
async def test_a_log_in_that_ends_in_between_is_renewed_and_nothing_is_lost(open_street: OpenStreet, channel: str) -> None:
    async with open_street(channel) as street:
        await street.move_in()
        await street.ended(await street.say("warm"))
        street.clock.advance(seconds=120)
        worthless = stale(street)
        push = await street.until(await street.say("again"), lambda push: push["state"] == "accepted")
        assert [attempt["outcome"] for attempt in push["attempts"]] == ["auth_expired", "accepted"]
        assert worthless.access_token not in str(push)
        assert street.shown("again") == 1


STATUSES = (301, 400, 401, 403, 404, 405, 406, 408, 410, 413, 418, 429, 500, 502, 503, 504)
BODIES = (b"", b"<html><body>no</body></html>", b"{}", b'{"code":', b"[]", b"null")


@pytest.mark.parametrize("channel", CHANNELS)
def test_no_bare_status_deletes_a_token(channel: str) -> None:
    """Not on the first doubt: only a vendor's own word about the token does."""
    request = VendorRequest("POST", "https://vendor.example/send", (), b"", (Target(1, "a"), Target(2, "b")))
    for status, body in itertools.product(STATUSES, BODIES):
        for outcome in CHANNELS[channel].interpret(request, VendorResponse(status, {}, body), 0):
            assert not (outcome.kind is OutcomeKind.TOKEN_DEAD and outcome.evidence is Evidence.TOKEN), (status, body, outcome)
            assert outcome.kind is not OutcomeKind.ACCEPTED, (status, body)


SECRETS = {
    "huawei": "client_secret",
    "honor": "client_secret",
    "xiaomi": "app_secret",
    "oppo": "master_secret",
    "vivo": "app_secret",
    "meizu": "app_secret",
    "tpns": "secret_key",
}


def wrong(channel: str, values: dict[str, Any]) -> dict[str, Any]:
    """Credentials as somebody copied them from another app."""
    if channel in SECRETS:
        return {SECRETS[channel]: "another-apps-secret"}
    encoding, form, plain = serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    if channel == "apns":
        return {"private_key": ec.generate_private_key(ec.SECP256R1()).private_bytes(encoding, form, plain).decode()}
    account = json.loads(values["service_account"])
    account["private_key"] = rsa.generate_private_key(65537, 2048).private_bytes(encoding, form, plain).decode()
    return {"service_account": json.dumps(account).encode()}


# Browsers' services know no credentials but the key that each subscription was made with: a wrong one is one subscription's doubt.
@pytest.mark.parametrize("channel", [name for name in CHANNELS if name != "webpush"])
async def test_refused_credentials_pause_the_certificate_and_the_push_waits_for_the_repair(open_street: OpenStreet, channel: str) -> None:
    async with open_street(channel) as street:
        await street.move_in()
        token, number = await street.token_of(), street.business_ids["bob"]
        await street.ended(await street.say("warm"))
        assert not isinstance(await street.hub.certificates.update(APP, number, wrong(channel, street.values)), list)
        street.clock.advance(seconds=120)
        await street.hub.dispatch.turn()
        key = await street.say("it waits")
        push = await street.until(
            key, lambda push: push["certificate"]["paused_reason"] and push["attempts"] and push["state"] == "pending"
        )
        assert push["attempts"][-1]["outcome"] == "credentials_refused", push["attempts"]
        assert street.shown("it waits") == 0
        assert await street.token_of() == token
        refused = await street.until(await street.say("while it is paused"), lambda push: push["state"] == "suppressed")
        assert refused["reason"] == "certificate_paused"
        assert push["certificate"]["paused_reason"] in refused["cure"]
        assert not isinstance(await street.hub.certificates.update(APP, number, street.values), list)
        street.clock.advance(seconds=1800)
        push = await street.until(key, lambda push: push["state"] == "accepted")
        assert street.shown("it waits") == 1
        assert not push["certificate"]["paused_reason"]


async def test_a_full_phone_is_told_where_the_vendor_says_so(open_street: OpenStreet) -> None:
    async with open_street("meizu") as street:
        await street.move_in(notification_class="public")
        pushes = []
        for number in range(8):
            street.clock.advance(seconds=120)
            pushes.append(await street.ended(await street.say(f"news {number}")))
        cap = street.channel.capabilities.device_daily_public
        assert [push["state"] for push in pushes] == ["accepted"] * cap + ["failed"] * (8 - cap)
        assert {push["reason"] for push in pushes[cap:]} == {"quota_device"}
        assert "private" in pushes[-1]["cure"]
        assert await street.token_of()
        street.clock.advance(seconds=86_400)
        assert (await street.ended(await street.say("tomorrow's news")))["state"] == "accepted"
