"""One action for each kind of outcome."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from homing.model.outcome import Evidence, Outcome, OutcomeKind
from homing.model.push import LIVE, PushState, Reason
from homing.rules.push_state import Step, next_step
from homing.rules.retry import RetryPolicy

NOW = 1_800_000_000_000
DAY_END = NOW + 3_600_000
EXPIRES = NOW + 7 * 86_400_000
POLICY = RetryPolicy(jitter=0)


def step(kind: OutcomeKind, *, attempts: int = 1, expires_at_ms: int = EXPIRES, ok: bool = True, **fields: Any) -> Step:
    arguments = {name: fields.pop(name) for name in ("policy", "refreshed") if name in fields}
    outcome = Outcome(kind, **fields)
    return next_step(outcome, attempts, NOW, expires_at_ms, 0.5, arguments.pop("policy", POLICY), DAY_END, ok, **arguments)


def test_accepted_is_done():
    assert step(OutcomeKind.ACCEPTED) == Step("done", PushState.ACCEPTED)


@pytest.mark.parametrize(
    ("kind", "reason"),
    [
        (OutcomeKind.MESSAGE_REFUSED, Reason.MESSAGE_REFUSED),
        (OutcomeKind.CLASS_REFUSED, Reason.CLASS_REFUSED),
        (OutcomeKind.QUOTA_DEVICE, Reason.QUOTA_DEVICE),
    ],
)
def test_what_trying_again_cannot_cure_fails(kind: OutcomeKind, reason: Reason):
    assert step(kind) == Step("fail", PushState.FAILED, reason)


def test_a_token_that_the_vendor_named_dead_is_dropped():
    assert step(OutcomeKind.TOKEN_DEAD, ok=False) == Step("fail", PushState.FAILED, Reason.TOKEN_DEAD, drop_token=True)


def test_a_blanket_refusal_drops_the_token_only_beside_a_recent_success():
    assert step(OutcomeKind.TOKEN_DEAD, evidence=Evidence.REQUEST).drop_token
    without = step(OutcomeKind.TOKEN_DEAD, evidence=Evidence.REQUEST, ok=False)
    assert without == Step("fail", PushState.FAILED, Reason.TOKEN_DEAD, flag_certificate=True)


def test_an_expired_log_in_is_renewed_once_and_tried_again_at_once():
    first = step(OutcomeKind.AUTH_EXPIRED)
    assert (first.kind, first.due_at_ms, first.refresh_grant) == ("retry", NOW, True)
    second = step(OutcomeKind.AUTH_EXPIRED, attempts=2)
    assert (second.kind, second.due_at_ms, second.refresh_grant) == ("retry", NOW + 2000, True)


def test_whether_the_log_in_was_renewed_may_be_said_outright():
    assert step(OutcomeKind.AUTH_EXPIRED, attempts=5, refreshed=False).due_at_ms == NOW
    assert step(OutcomeKind.AUTH_EXPIRED, attempts=1, refreshed=True).due_at_ms == NOW + 1000


def test_an_expired_log_in_does_not_revive_an_expired_push():
    assert step(OutcomeKind.AUTH_EXPIRED, expires_at_ms=NOW).state is PushState.EXPIRED


@pytest.mark.parametrize("kind", [OutcomeKind.THROTTLED, OutcomeKind.VENDOR_DOWN, OutcomeKind.UNKNOWN])
def test_the_vendor_s_own_wait_wins_over_the_back_off(kind: OutcomeKind):
    assert step(kind, retry_after_seconds=77.5).due_at_ms == NOW + 77_500
    assert step(kind, attempts=3).due_at_ms == NOW + 4000
    assert step(kind).reason == kind.value


@pytest.mark.parametrize("nonsense", [0.0, -5.0, float("nan")])
def test_a_nonsensical_wait_is_replaced_by_the_back_off(nonsense: float):
    assert step(OutcomeKind.THROTTLED, retry_after_seconds=nonsense).due_at_ms == NOW + 1000


def test_an_endless_wait_ends_the_push():
    assert step(OutcomeKind.THROTTLED, retry_after_seconds=float("inf")) == Step("fail", PushState.EXPIRED, Reason.TTL_OVER)


def test_nothing_is_retried_past_its_time_to_live():
    assert step(OutcomeKind.VENDOR_DOWN, expires_at_ms=NOW + 1000) == Step("fail", PushState.EXPIRED, Reason.TTL_OVER)
    assert step(OutcomeKind.VENDOR_DOWN, expires_at_ms=NOW + 1001).kind == "retry"


def test_attempts_are_counted():
    policy = RetryPolicy(max_attempts=3, jitter=0)
    assert step(OutcomeKind.VENDOR_DOWN, attempts=2, policy=policy).kind == "retry"
    assert step(OutcomeKind.VENDOR_DOWN, attempts=3, policy=policy) == Step("fail", PushState.FAILED, Reason.ATTEMPTS_OVER)


def test_an_answer_that_nobody_understands_is_given_up_sooner_than_an_outage():
    attempts = RetryPolicy().max_unclear_attempts
    assert step(OutcomeKind.UNKNOWN, attempts=attempts).reason == Reason.ATTEMPTS_OVER
    assert step(OutcomeKind.AUTH_EXPIRED, attempts=attempts).reason == Reason.ATTEMPTS_OVER
    assert step(OutcomeKind.VENDOR_DOWN, attempts=attempts).kind == "retry"


def test_an_outage_of_seven_days_ends_a_push_by_its_time_and_not_by_a_count():
    attempts, now = 0, NOW
    while True:
        attempts += 1
        result = next_step(Outcome(OutcomeKind.VENDOR_DOWN), attempts, now, EXPIRES, 0.5, RetryPolicy(), DAY_END, True)
        if result.kind == "fail":
            break
        now = result.due_at_ms
    assert result.reason == Reason.TTL_OVER


def test_refused_credentials_pause_the_certificate_and_keep_the_push():
    result = step(OutcomeKind.CREDENTIALS_REFUSED, attempts=10_000)
    assert result == Step("retry", PushState.PENDING, Reason.CREDENTIALS_REFUSED, due_at_ms=NOW + 900_000, pause_certificate=True)


def test_refused_credentials_keep_a_push_until_it_expires():
    assert step(OutcomeKind.CREDENTIALS_REFUSED, expires_at_ms=NOW + 5000).due_at_ms == NOW + 4999
    over = step(OutcomeKind.CREDENTIALS_REFUSED, expires_at_ms=NOW + 1)
    assert over == Step("fail", PushState.EXPIRED, Reason.TTL_OVER, pause_certificate=True)


def test_a_spent_quota_rests_the_lane_until_the_vendor_s_midnight():
    result = step(OutcomeKind.QUOTA_APP, attempts=10_000)
    assert result == Step("retry", PushState.PENDING, "quota_app", due_at_ms=DAY_END, stop_lane_until_ms=DAY_END)


def test_a_spent_quota_believes_a_vendor_that_names_a_later_moment():
    assert step(OutcomeKind.QUOTA_APP, retry_after_seconds=7200).stop_lane_until_ms == NOW + 7_200_000
    assert step(OutcomeKind.QUOTA_APP, retry_after_seconds=10).stop_lane_until_ms == DAY_END


def test_a_push_that_does_not_live_until_midnight_expires_and_the_lane_rests_all_the_same():
    result = step(OutcomeKind.QUOTA_APP, expires_at_ms=DAY_END)
    assert result == Step("fail", PushState.EXPIRED, Reason.TTL_OVER, stop_lane_until_ms=DAY_END)


OUTCOMES = st.builds(
    Outcome,
    kind=st.sampled_from(list(OutcomeKind)),
    evidence=st.sampled_from(list(Evidence)),
    retry_after_seconds=st.none() | st.floats(),
)


@given(OUTCOMES, st.integers(1, 2000), st.integers(-10, 10**9), st.floats(0, 1, exclude_max=True), st.booleans())
def test_every_outcome_has_one_action_that_ends_in_time(outcome: Outcome, attempts: int, left_ms: int, random: float, ok: bool):
    result = next_step(outcome, attempts, NOW, NOW + left_ms, random, RetryPolicy(), DAY_END, ok)
    if result.kind == "retry":
        assert result.state is PushState.PENDING
        assert NOW <= result.due_at_ms < NOW + left_ms
        assert result.reason
    else:
        assert result.state not in LIVE
        assert (result.state is PushState.ACCEPTED) == (result.kind == "done")
        assert result.due_at_ms == 0
    assert not result.drop_token or outcome.kind is OutcomeKind.TOKEN_DEAD
    assert not result.pause_certificate or outcome.kind is OutcomeKind.CREDENTIALS_REFUSED
