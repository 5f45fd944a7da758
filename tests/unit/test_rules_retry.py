"""Back-off."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from homing.rules.retry import RetryPolicy, back_off_seconds

CHANCE = st.floats(0, 1, exclude_max=True)


@pytest.mark.parametrize(("attempts", "seconds"), [(0, 1), (1, 1), (2, 2), (3, 4), (10, 512), (11, 900), (10**9, 900)])
def test_each_wait_is_double_the_one_before_up_to_the_ceiling(attempts: int, seconds: float):
    assert back_off_seconds(RetryPolicy(), attempts, 0.5) == seconds


def test_jitter_spreads_both_ways():
    assert back_off_seconds(RetryPolicy(), 1, 0.0) == pytest.approx(0.8)
    assert back_off_seconds(RetryPolicy(), 1, 0.999999) == pytest.approx(1.2, abs=1e-5)


@given(st.builds(RetryPolicy, st.floats(0.01, 100), st.floats(0.5, 10), st.floats(0.01, 1000)), st.integers(0, 10**9), CHANCE)
def test_a_wait_is_never_negative_and_never_over_the_ceiling_and_its_jitter(policy: RetryPolicy, attempts: int, random: float):
    wait = back_off_seconds(policy, attempts, random)
    assert 0 <= wait <= policy.max_seconds * (1 + policy.jitter)
    assert wait == back_off_seconds(policy, attempts, random)


@given(st.integers(1, 100), CHANCE)
def test_a_later_attempt_never_waits_less(attempts: int, random: float):
    assert back_off_seconds(RetryPolicy(), attempts, random) <= back_off_seconds(RetryPolicy(), attempts + 1, random)
