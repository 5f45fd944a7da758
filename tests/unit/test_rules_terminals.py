"""The multi-terminal policy."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from homing.model.apps import TerminalPolicy
from homing.model.devices import Device, Platform, SessionState
from homing.rules.terminals import group_of, kicked_by


def device(platform: str, number: int = 1, **changes: object) -> Device:
    fields = {"device_id": number, "sdkappid": 1, "user_id": "u", "platform": platform, "instance_id": f"{platform}-{number}", **changes}
    return Device(**fields)  # type: ignore[arg-type]


EVERYTHING = [device(platform, number) for number, platform in enumerate(Platform, 1)]


@pytest.mark.parametrize(
    ("policy", "platform", "kicked"),
    [
        (TerminalPolicy.SINGLE, "android", {"android", "ios", "ipad", "harmony", "web", "windows", "mac", "linux"}),
        (TerminalPolicy.TWO, "android", {"android", "ios", "ipad", "harmony", "windows", "mac", "linux"}),
        (TerminalPolicy.TWO, "web", {"web"}),
        (TerminalPolicy.THREE, "android", {"android", "ios", "ipad", "harmony"}),
        (TerminalPolicy.THREE, "mac", {"windows", "mac", "linux"}),
        (TerminalPolicy.THREE, "web", {"web"}),
        (TerminalPolicy.THREE, "fridge", {"windows", "mac", "linux"}),
        (TerminalPolicy.PER_PLATFORM, "ios", {"ios"}),
        (TerminalPolicy.PER_PLATFORM, "fridge", set()),
        (TerminalPolicy.UNLIMITED, "android", set()),
    ],
)
def test_each_policy_kicks_its_group(policy: TerminalPolicy, platform: str, kicked: set[str]):
    assert {gone.platform for gone in kicked_by(platform, "new", EVERYTHING, policy)} == kicked


def test_the_same_installation_logging_in_again_is_no_kick():
    phone = device("android")
    for policy in TerminalPolicy:
        assert kicked_by("android", phone.instance_id, [phone], policy) == []


def test_the_same_instance_id_on_another_platform_is_another_installation():
    assert kicked_by("ios", "x", [device("android", instance_id="x")], TerminalPolicy.SINGLE)


@pytest.mark.parametrize("state", [state for state in SessionState if state is not SessionState.ACTIVE])
def test_a_session_that_ended_is_not_kicked_again(state: SessionState):
    assert kicked_by("android", "new", [device("android", session_state=state)], TerminalPolicy.SINGLE) == []


def test_the_earliest_login_goes_first():
    others = [device("android", 1, login_at_ms=30), device("ios", 2, login_at_ms=10), device("web", 3, login_at_ms=10)]
    assert [gone.device_id for gone in kicked_by("mac", "new", others, TerminalPolicy.SINGLE)] == [2, 3, 1]


def test_every_platform_has_a_group():
    assert {group_of(platform) for platform in Platform} == {"mobile", "desktop", "web"}


@given(st.sampled_from(list(TerminalPolicy)), st.lists(st.sampled_from(list(Platform)), max_size=8))
def test_after_any_series_of_logins_the_policy_holds(policy: TerminalPolicy, logins: list[Platform]):
    present: list[Device] = []
    for number, platform in enumerate(logins, 1):
        new = device(platform, number)
        gone = kicked_by(platform, new.instance_id, present, policy)
        present = [*(other for other in present if other not in gone), new]
    for first, second in itertools.pairwise(present):
        assert kicked_by(second.platform, second.instance_id, [first], policy) == []
    assert not logins or present[-1].device_id == len(logins)
