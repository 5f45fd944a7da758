"""Vendor days, the token bucket and the circuit breaker."""

from __future__ import annotations

import datetime as dt

import pytest
from hypothesis import given
from hypothesis import strategies as st

from homing.rules.quota import DAY_MS, TRIAL_LOOK_SECONDS, CircuitBreaker, TokenBucket, day_end_ms, day_of

BEIJING = 480


def at(text: str) -> int:
    return int(dt.datetime.fromisoformat(text).timestamp() * 1000)


@pytest.mark.parametrize(
    ("moment", "offset", "day", "end"),
    [
        ("2027-01-15T15:59:59.999+00:00", BEIJING, "2027-01-15", "2027-01-16T00:00+08:00"),
        ("2027-01-15T16:00:00+00:00", BEIJING, "2027-01-16", "2027-01-17T00:00+08:00"),
        ("2027-12-31T23:59:59+00:00", 0, "2027-12-31", "2028-01-01T00:00+00:00"),
        ("2027-01-01T02:00:00+00:00", -180, "2026-12-31", "2027-01-01T00:00-03:00"),
        ("2027-01-01T00:00:00+05:30", 330, "2027-01-01", "2027-01-02T00:00+05:30"),
    ],
)
def test_the_day_is_the_vendor_s(moment: str, offset: int, day: str, end: str):
    assert day_of(at(moment), offset) == day
    assert day_end_ms(at(moment), offset) == at(end)


@given(st.integers(0, 10**13), st.integers(-720, 840))
def test_midnight_is_ahead_and_starts_the_next_day(now_ms: int, offset: int):
    end = day_end_ms(now_ms, offset)
    assert now_ms < end <= now_ms + DAY_MS
    assert day_of(end - 1, offset) == day_of(now_ms, offset)
    assert day_of(end, offset) > day_of(now_ms, offset)


def test_a_bucket_gives_its_burst_at_once_and_then_its_rate():
    bucket = TokenBucket(rate=10, burst=3, now=100)
    assert [bucket.take(100) for _ in range(3)] == [0, 0, 0]
    assert bucket.take(100) == pytest.approx(0.1)
    assert bucket.take(100) == pytest.approx(0.1)  # a refusal takes nothing
    assert bucket.take(100.1) == 0


def test_a_bucket_never_holds_more_than_its_burst():
    bucket = TokenBucket(rate=10, burst=3, now=0)
    assert bucket.take(1000, 3) == 0
    assert bucket.take(1000, 1) == pytest.approx(0.1)


def test_a_batch_larger_than_the_burst_is_slow_and_not_stuck():
    bucket = TokenBucket(rate=10, burst=5, now=0)
    assert bucket.take(0, 20) == 0
    assert bucket.take(0, 1) == pytest.approx(1.6)
    assert bucket.take(1.6, 1) == 0


def test_without_a_rate_there_is_no_limit():
    assert TokenBucket(rate=0, burst=1, now=0).take(0, 10**6) == 0


def test_a_clock_that_steps_back_gives_nothing_for_free():
    bucket = TokenBucket(rate=1, burst=1, now=100)
    assert bucket.take(100) == 0
    assert bucket.take(50) == pytest.approx(1)
    assert bucket.take(101) == 0


@given(st.floats(0.5, 1000), st.integers(1, 50), st.lists(st.floats(0, 0.5), min_size=1, max_size=60))
def test_no_more_is_granted_than_burst_and_rate_allow(rate: float, burst: int, steps: list[float]):
    bucket, now, granted = TokenBucket(rate, burst, 0), 0.0, 0
    for step in steps:
        now += step
        granted += bucket.take(now) == 0
    assert granted <= burst + rate * now + 1e-6


@given(st.floats(0.5, 1000), st.integers(1, 50), st.integers(1, 50))
def test_after_the_wait_it_is_granted(rate: float, burst: int, n: int):
    bucket = TokenBucket(rate, burst, 0)
    bucket.take(0, burst)
    wait = bucket.take(0, n)
    assert wait > 0
    assert bucket.take(wait * (1 + 1e-9), n) == 0


def opened() -> CircuitBreaker:
    breaker = CircuitBreaker(threshold=2, open_seconds=10, max_open_seconds=30)
    breaker.failure(0)
    assert breaker.allow(0)
    breaker.failure(0)
    return breaker


def test_a_closed_breaker_lets_everything_through():
    breaker = CircuitBreaker()
    assert breaker.allow(0)
    assert (breaker.state, breaker.retry_at) == ("closed", 0)


def test_failures_in_a_row_open_it_for_a_while():
    breaker = opened()
    assert (breaker.state, breaker.retry_at) == ("open", 10)
    assert not breaker.allow(9.9)


def test_a_success_between_failures_keeps_it_closed():
    breaker = CircuitBreaker(threshold=2)
    breaker.failure(0)
    breaker.success()
    breaker.failure(0)
    assert breaker.allow(0)


def test_after_the_open_time_one_trial_goes_out_and_decides():
    breaker = opened()
    assert breaker.allow(10)
    assert breaker.state == "half_open"
    assert not breaker.allow(10)
    breaker.success()
    assert breaker.state == "closed"
    assert breaker.allow(10)


def test_each_failed_trial_doubles_the_wait_up_to_the_ceiling():
    breaker, waits = opened(), []
    for _ in range(4):
        now = breaker.retry_at
        assert breaker.allow(now)
        breaker.failure(now)
        waits.append(breaker.retry_at - now)
    assert waits == [20, 30, 30, 30]


def test_failures_of_requests_that_were_under_way_do_not_prolong_the_wait():
    breaker = opened()
    breaker.failure(5)
    assert breaker.retry_at == 10


def test_who_waits_for_a_trial_asks_again_soon_and_who_waits_for_the_open_time_does_not():
    breaker = opened()
    assert breaker.wait_seconds(1) == 9
    assert breaker.wait_seconds(9.99) == 0.05
    assert breaker.wait_seconds(10) == 0  # the trial
    assert breaker.wait_seconds(11) == TRIAL_LOOK_SECONDS
    assert breaker.wait_seconds(19.5) == 0.5
    breaker.success()
    assert breaker.wait_seconds(19.5) == 0


def test_a_trial_that_never_reports_does_not_close_the_door_for_ever():
    breaker = opened()
    assert breaker.allow(10)
    assert not breaker.allow(19)
    assert breaker.retry_at == 20
    assert breaker.allow(20)


@given(st.lists(st.tuples(st.sampled_from(["allow", "success", "failure"]), st.floats(0, 50)), max_size=60))
def test_it_always_opens_again_and_never_waits_longer_than_the_ceiling(events: list[tuple[str, float]]):
    breaker, now = CircuitBreaker(threshold=2, open_seconds=10, max_open_seconds=30), 0.0
    for event, step in events:
        now += step
        if event == "allow":
            expected = now >= breaker.retry_at
            assert breaker.allow(now) == expected
        elif event == "success":
            breaker.success()
        else:
            breaker.failure(now)
        assert breaker.retry_at <= now + 30
    assert breaker.allow(max(now, breaker.retry_at))
