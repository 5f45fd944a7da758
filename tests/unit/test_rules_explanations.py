"""Every state, reason and outcome has words in both languages."""

from __future__ import annotations

import pytest

from homing.model.outcome import OutcomeKind, ReceiptKind
from homing.model.push import PushState, Reason
from homing.rules.explanations import (
    OUTCOMES,
    REASONS,
    RECEIPTS,
    STATES,
    UNSEEN,
    Words,
    outcome_words,
    reason_words,
    receipt_words,
    state_words,
)

_NO_CURE = {
    # a push was made, or nobody would want one
    Reason.OFFLINE,
    Reason.BACKGROUND,
    Reason.FOREGROUND,
    Reason.NO_ACK,
    Reason.FALLBACK,
    Reason.OWN_MESSAGE,
    Reason.NOT_MOBILE,
    Reason.READ_ELSEWHERE,
    Reason.RECALLED,
    Reason.SUPERSEDED,
    Reason.TAKEN_BACK,
    Reason.CLEARED,
}


@pytest.mark.parametrize("reason", list(Reason))
def test_every_reason_has_words_and_a_cure_where_there_is_one(reason: Reason) -> None:
    words = REASONS[reason]
    assert words.en
    assert words.zh
    assert bool(words.cure_en) == bool(words.cure_zh) == (reason not in _NO_CURE)


@pytest.mark.parametrize("state", list(PushState))
def test_every_state_has_words(state: PushState) -> None:
    assert STATES[state].en
    assert STATES[state].zh


@pytest.mark.parametrize("outcome", list(OutcomeKind))
def test_every_outcome_has_words(outcome: OutcomeKind) -> None:
    assert OUTCOMES[outcome].en
    assert OUTCOMES[outcome].zh


@pytest.mark.parametrize("kind", list(ReceiptKind))
def test_every_receipt_has_words(kind: ReceiptKind) -> None:
    assert RECEIPTS[kind].en
    assert RECEIPTS[kind].zh


def test_accepted_delivered_and_clicked_are_three_different_words() -> None:
    told = {STATES[PushState.ACCEPTED].en, RECEIPTS[ReceiptKind.DELIVERED].en, RECEIPTS[ReceiptKind.CLICKED].en}
    assert len(told) == 3
    assert not any("delivered" in words.en.split(":")[0].lower() and "not" not in words.en for words in UNSEEN)


def test_what_a_newer_release_wrote_stands_for_itself() -> None:
    assert reason_words("brand_new").text("en") == "brand_new"
    assert outcome_words("brand_new").text("zh") == "brand_new"
    assert receipt_words("brand_new").cure("en") == ""
    assert state_words(99).text("en") == "state 99"


def test_words_come_in_the_language_that_is_asked_for() -> None:
    words = Words("a", "b", "c", "d")
    assert (words.text("en"), words.text("zh"), words.cure("en"), words.cure("zh")) == ("a", "b", "c", "d")
