"""Do not disturb: windows by the clock on the wall, whatever the clocks do, and what each option means to the decision."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from homing.model.receive_options import DAY_SECONDS, QuietHours, ReceiveOption, Screening
from homing.rules.decision import MessageTraits
from homing.rules.receiver_words import receiver_words
from homing.rules.screening import is_quiet, is_time_zone, screened, zone_of

ZONES = ["UTC", "Asia/Shanghai", "Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "Asia/Kathmandu", "Pacific/Apia"]
MOMENTS = st.integers(min_value=1_577_836_800, max_value=2_208_988_800)  # 2020 to 2040
NIGHT = QuietHours(start_second=22 * 3600, duration_seconds=9 * 3600, time_zone="Europe/Berlin")  # 22:00 to 07:00


def at(text: str, zone: str, fold: int = 0) -> int:
    return int(datetime.fromisoformat(text).replace(tzinfo=ZoneInfo(zone), fold=fold).timestamp())


@pytest.mark.parametrize(
    ("moment", "quiet"),
    [
        ("2027-01-15 21:59:59", False),
        ("2027-01-15 22:00:00", True),
        ("2027-01-15 23:59:59", True),
        ("2027-01-16 00:00:00", True),  # over midnight
        ("2027-01-16 06:59:59", True),
        ("2027-01-16 07:00:00", False),
        ("2027-03-28 01:59:59", True),  # the night in which the clocks go forward
        ("2027-03-28 03:00:00", True),
        ("2027-03-28 06:59:59", True),
        ("2027-03-28 07:00:00", False),  # at seven on the wall, not an hour later
        ("2027-10-31 06:59:59", True),  # the night in which they go back
        ("2027-10-31 07:00:00", False),
    ],
)
def test_a_nightly_window_goes_by_the_clock_on_the_wall(moment: str, quiet: bool) -> None:
    assert is_quiet(NIGHT, at(moment, "Europe/Berlin")) is quiet


@pytest.mark.parametrize("fold", [0, 1])
def test_the_hour_that_comes_twice_is_treated_alike_both_times(fold: int) -> None:
    window = QuietHours(start_second=2 * 3600 + 1800, duration_seconds=600, time_zone="Europe/Berlin")
    assert is_quiet(window, at("2027-10-31 02:35:00", "Europe/Berlin", fold))
    assert not is_quiet(window, at("2027-10-31 02:45:00", "Europe/Berlin", fold))


@given(st.sampled_from(ZONES), st.integers(0, DAY_SECONDS - 1), st.integers(1, DAY_SECONDS - 1), MOMENTS)
def test_the_window_is_the_local_times_between_its_start_and_its_end(zone: str, start: int, duration: int, now: int) -> None:
    local = datetime.fromtimestamp(now, ZoneInfo(zone)).replace(tzinfo=None)
    begins = [local.replace(hour=0, minute=0, second=0, microsecond=0) + timedelta(days=day, seconds=start) for day in (-1, 0)]
    inside = any(begin <= local < begin + timedelta(seconds=duration) for begin in begins)
    assert is_quiet(QuietHours(start, duration, zone), now) is inside


@given(st.integers(-14 * 60, 14 * 60), st.integers(0, DAY_SECONDS - 1), st.integers(1, DAY_SECONDS - 1), MOMENTS)
def test_an_offset_stands_in_for_a_zone(offset: int, start: int, duration: int, now: int) -> None:
    shifted = (now + offset * 60 - start) % DAY_SECONDS < duration
    assert is_quiet(QuietHours(start, duration, "", offset), now) is shifted


@given(MOMENTS, st.integers(DAY_SECONDS, 10 * DAY_SECONDS), st.integers(0, DAY_SECONDS - 1))
def test_a_whole_day_and_more_has_no_end(now: int, duration: int, start: int) -> None:
    assert is_quiet(QuietHours(start, duration, "UTC"), now)


@given(MOMENTS, st.integers(1, 400 * DAY_SECONDS), st.integers(-10, 500 * DAY_SECONDS))
def test_a_window_that_happens_once_begins_and_ends_once(starts_at: int, duration: int, after: int) -> None:
    window = QuietHours(duration_seconds=duration, starts_at=starts_at)
    assert is_quiet(window, starts_at + after) is (0 <= after < duration)


def test_a_zone_that_this_machine_lost_falls_back_to_the_offset() -> None:
    assert zone_of(QuietHours(time_zone="Atlantis/Center")) is UTC
    moved = zone_of(QuietHours(time_zone="Atlantis/Center", utc_offset_minutes=90))
    assert moved.utcoffset(None) == timedelta(minutes=90)
    assert is_time_zone("Asia/Shanghai")
    assert not is_time_zone("Atlantis/Center")
    assert not is_time_zone("../etc/passwd")


@pytest.mark.parametrize(
    ("option", "discarded", "muted"),
    [
        (ReceiveOption.NOTIFY, False, False),
        (ReceiveOption.DISCARD, True, True),
        (ReceiveOption.SILENT, False, True),
        (ReceiveOption.SILENT_BUT_MENTIONS, False, True),
        (ReceiveOption.DISCARD_BUT_MENTIONS, True, True),
    ],
)
def test_what_an_option_means_to_the_decision(option: int, discarded: bool, muted: bool) -> None:
    traits = screened(MessageTraits(), Screening(option=option), 0, honours_mute=True)
    assert (traits.discarded, traits.muted, traits.quiet, traits.blocked) == (discarded, muted, False, False)


def test_a_backend_passes_over_muting_unless_it_says_otherwise() -> None:
    screening = Screening(option=ReceiveOption.DISCARD, quiet_hours=QuietHours(duration_seconds=DAY_SECONDS))
    assert screened(MessageTraits(), screening, 0, honours_mute=False) == MessageTraits()
    assert screened(MessageTraits(), screening, 0, honours_mute=True).quiet


def test_a_conversation_may_pass_the_quiet_hours() -> None:
    always = QuietHours(duration_seconds=DAY_SECONDS)
    assert screened(MessageTraits(), Screening(quiet_hours=always), 0, honours_mute=True).quiet
    assert not screened(MessageTraits(), Screening(quiet_hours=always, passes_quiet=True), 0, honours_mute=True).quiet


@given(
    st.booleans(),
    st.sampled_from(list(ReceiveOption)),
    st.booleans(),
    st.none() | st.builds(QuietHours, st.integers(0, 86_399), st.integers(1, 10**6), st.sampled_from(["", "UTC"])),
    st.booleans(),
)
def test_what_the_sender_decided_is_never_changed(
    blocked: bool, option: int, passes: bool, window: QuietHours | None, honours: bool
) -> None:
    message = MessageTraits(push_flag=1, online_only=True, describable=False, mentioned=True)
    traits = screened(message, Screening(blocked, option, passes, window), 10**12, honours_mute=honours)
    assert (traits.push_flag, traits.online_only, traits.describable, traits.mentioned) == (1, True, False, True)
    assert traits.blocked is blocked


@pytest.mark.parametrize("chinese", [False, True])
def test_everything_that_can_be_set_has_words(chinese: bool) -> None:
    windows = [
        {"start_second": 79_200, "duration_seconds": 32_400, "time_zone": "Asia/Shanghai"},
        {"duration_seconds": 60, "utc_offset_minutes": 330},
        {"duration_seconds": DAY_SECONDS},
        {"duration_seconds": 60, "starts_at": 5},
    ]
    for window in windows:
        words = receiver_words({"blocked": True, "option": 2, "passes_quiet": True, "quiet_hours": window}, chinese=chinese)
        assert len(words) == 4
        assert all(words)
    assert receiver_words({"option": 0, "quiet_hours": None}, chinese=chinese) == [""]
    assert receiver_words({"quiet_hours": windows[0]}, chinese=False)[1] == "do-not-disturb hours 22:00-07:00 Asia/Shanghai"
