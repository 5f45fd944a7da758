"""The push state machine: one action for each kind of outcome (DESIGN section 5)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

import msgspec

from homing.model.outcome import Evidence, Outcome, OutcomeKind
from homing.model.push import PushState, Reason

from .retry import RetryPolicy, back_off_seconds

StepKind = Literal["done", "retry", "fail"]


class Step(msgspec.Struct, frozen=True):
    """What to do with a push after an attempt."""

    kind: StepKind
    state: PushState
    reason: str = ""  # "" leaves the push's reason as it is
    due_at_ms: int = 0  # of a retry
    drop_token: bool = False  # unbind it, unless it was replaced meanwhile
    pause_certificate: bool = False  # the vendor refused the credentials
    flag_certificate: bool = False  # blanket refusals without any success: warn the operator
    stop_lane_until_ms: int | None = None
    refresh_grant: bool = False  # log in at the vendor anew before the next attempt


class _Case(msgspec.Struct, frozen=True):
    """The inputs of ``next_step`` under one name."""

    outcome: Outcome
    attempts: int
    now_ms: int
    expires_at_ms: int
    random: float
    policy: RetryPolicy
    day_end_ms: int
    certificate_recently_ok: bool
    refreshed: bool


def next_step(
    outcome: Outcome,
    attempts: int,
    now_ms: int,
    expires_at_ms: int,
    random: float,
    policy: RetryPolicy,
    day_end_ms: int,
    certificate_recently_ok: bool,
    refreshed: bool | None = None,
) -> Step:
    """The one action that follows ``outcome``.

    ``attempts`` counts this one; ``random`` in [0, 1) spreads retries; ``day_end_ms`` is the vendor's next midnight;
    ``certificate_recently_ok`` says whether this certificate had anything accepted lately. ``refreshed`` says whether the
    log-in was already renewed for this push; when it is not given, that is so from the second attempt on.
    """
    if outcome.kind is OutcomeKind.ACCEPTED:
        return _ACCEPTED
    fixed = _FIXED.get(outcome.kind)
    if fixed is not None:
        return fixed
    renewed = attempts > 1 if refreshed is None else refreshed
    case = _Case(outcome, attempts, now_ms, expires_at_ms, random, policy, day_end_ms, certificate_recently_ok, renewed)
    return _RULES[outcome.kind](case)


def _token_dead(case: _Case) -> Step:
    # Promise 4: a refusal of the whole request is believed only beside a recent success of the same certificate.
    if case.outcome.evidence is Evidence.TOKEN or case.certificate_recently_ok:
        return Step("fail", PushState.FAILED, Reason.TOKEN_DEAD, drop_token=True)
    return Step("fail", PushState.FAILED, Reason.TOKEN_DEAD, flag_certificate=True)


def _auth_expired(case: _Case) -> Step:
    if case.refreshed:
        return _later(case, case.policy.max_unclear_attempts, refresh_grant=True)
    if case.now_ms >= case.expires_at_ms:
        return _EXPIRED
    return Step("retry", PushState.PENDING, case.outcome.kind.value, due_at_ms=case.now_ms, refresh_grant=True)


def _vendor_not_ready(case: _Case) -> Step:
    return _later(case, case.policy.max_attempts)


def _unknown(case: _Case) -> Step:
    return _later(case, case.policy.max_unclear_attempts)


def _credentials_refused(case: _Case) -> Step:
    """Pending until the operator repairs the certificate or the push expires; a count must not end it before."""
    due = min(case.now_ms + int(case.policy.max_seconds * 1000), case.expires_at_ms - 1)
    if due <= case.now_ms:
        return msgspec.structs.replace(_EXPIRED, pause_certificate=True)
    return Step("retry", PushState.PENDING, Reason.CREDENTIALS_REFUSED, due_at_ms=due, pause_certificate=True)


def _quota_app(case: _Case) -> Step:
    """The lane rests until the vendor's midnight. A vendor that names a later moment is believed."""
    until = max(case.day_end_ms, case.now_ms + _retry_after_ms(case.outcome))
    if until >= case.expires_at_ms:
        return msgspec.structs.replace(_EXPIRED, stop_lane_until_ms=until)
    return Step("retry", PushState.PENDING, case.outcome.kind.value, due_at_ms=until, stop_lane_until_ms=until)


def _later(case: _Case, max_attempts: int, *, refresh_grant: bool = False) -> Step:
    """Try again after the vendor's Retry-After or the back-off, unless the push is over before."""
    if case.attempts >= min(max_attempts, case.policy.max_attempts):
        return _ATTEMPTS_OVER
    wait_ms = _retry_after_ms(case.outcome) or int(back_off_seconds(case.policy, case.attempts, case.random) * 1000)
    due = case.now_ms + wait_ms
    if due >= case.expires_at_ms:
        return _EXPIRED
    return Step("retry", PushState.PENDING, case.outcome.kind.value, due_at_ms=due, refresh_grant=refresh_grant)


def _retry_after_ms(outcome: Outcome) -> int:
    """The vendor's own wait; 0 when it gave none, or nonsense."""
    seconds = outcome.retry_after_seconds
    return int(min(seconds, _LONGEST_WAIT_SECONDS) * 1000) if seconds is not None and seconds > 0 else 0


_LONGEST_WAIT_SECONDS = 366 * 86_400.0
_ACCEPTED = Step("done", PushState.ACCEPTED)
_EXPIRED = Step("fail", PushState.EXPIRED, Reason.TTL_OVER)
_ATTEMPTS_OVER = Step("fail", PushState.FAILED, Reason.ATTEMPTS_OVER)
_FIXED = {
    OutcomeKind.MESSAGE_REFUSED: Step("fail", PushState.FAILED, Reason.MESSAGE_REFUSED),
    OutcomeKind.CLASS_REFUSED: Step("fail", PushState.FAILED, Reason.CLASS_REFUSED),
    OutcomeKind.QUOTA_DEVICE: Step("fail", PushState.FAILED, Reason.QUOTA_DEVICE),
}
_RULES: dict[OutcomeKind, Callable[[_Case], Step]] = {
    OutcomeKind.TOKEN_DEAD: _token_dead,
    OutcomeKind.AUTH_EXPIRED: _auth_expired,
    OutcomeKind.THROTTLED: _vendor_not_ready,
    OutcomeKind.VENDOR_DOWN: _vendor_not_ready,
    OutcomeKind.UNKNOWN: _unknown,
    OutcomeKind.CREDENTIALS_REFUSED: _credentials_refused,
    OutcomeKind.QUOTA_APP: _quota_app,
}
