"""Reserved permits: used in their time, never saved up, reserved ahead of need."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from homing.rules.budget import LIFE_SECONDS, SLICE_SECONDS, Slices


def test_permits_are_used_when_their_time_has_come() -> None:
    slices = Slices(10, 100.0)
    assert slices.take(100.0) < 0
    slices.reserved(2, 100.5)
    assert slices.take(100.0) == 0.5
    assert [slices.take(100.5), slices.take(100.6)] == [0, 0]
    assert slices.take(100.6) < 0


def test_unused_permits_are_lost() -> None:
    slices = Slices(10, 0.0)
    slices.reserved(5, 0.0)
    assert slices.take(0.1) == 0
    assert slices.take(0.5 + LIFE_SECONDS) < 0


def test_more_is_reserved_when_half_is_used() -> None:
    slices = Slices(100, 0.0)
    slices.reserved(4, 0.0)
    assert not slices.low
    slices.take(0.0)
    assert not slices.low
    slices.take(0.0)
    assert slices.low


def test_a_reservation_is_as_large_as_the_need_and_never_larger_than_a_slice() -> None:
    slices = Slices(100, 0.0)
    assert slices.wanted(0.0, 0) == 0
    assert slices.wanted(0.0, 3) == 3
    assert slices.wanted(0.0, 5000) == 100 * SLICE_SECONDS


def test_a_reservation_covers_what_was_used_lately_so_that_a_steady_load_needs_few() -> None:
    slices = Slices(10_000, 0.0)
    asked, now = 0, 0.0
    for _ in range(2000):  # one a millisecond, nothing waits
        now += 0.001
        while slices.take(now):
            asked += 1
            slices.reserved(slices.wanted(now, 1), now)
        if slices.low and (wanted := slices.wanted(now, 0)):
            asked += 1
            slices.reserved(wanted, now)
    assert asked < 70  # two seconds
    assert slices.wanted(now + 100, 0) <= 1


def test_a_limit_below_one_a_slice_still_lets_one_pass() -> None:
    assert Slices(0.5, 0.0).wanted(0.0, 100) == 1


@given(st.floats(0.5, 20_000), st.lists(st.tuples(st.floats(0, 0.5), st.integers(0, 50)), max_size=60))
def test_never_more_is_used_than_was_reserved(rate: float, steps: list[tuple[float, int]]) -> None:
    slices, now, used, reserved, free_at = Slices(rate, 0.0), 0.0, 0, 0, 0.0
    for pause, uses in steps:
        now += pause
        for waiting in range(uses, 0, -1):
            wait = slices.take(now)
            if wait == 0:
                used += 1
            elif wait < 0:
                wanted = slices.wanted(now, waiting)
                free_at = max(free_at, now)
                slices.reserved(wanted, free_at)
                free_at += wanted / rate
                reserved += wanted
    assert used <= reserved
