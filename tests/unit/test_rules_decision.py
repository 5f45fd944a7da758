"""The decision table, row by row, and what must hold for every device and message."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from homing.model.devices import AppState, Platform, SessionState
from homing.model.push import Action, Decision, Reason
from homing.rules.decision import TABLE, DeviceSnapshot, MessageTraits, Row, decide, decide_without_socket

NOW = 1_800_000_000_000
KEEP = 7 * 86_400_000

OFFLINE = DeviceSnapshot(
    session_state=SessionState.ACTIVE,
    platform=Platform.ANDROID,
    connected=False,
    app_state=AppState.BACKGROUND,
    last_seen_ms=NOW - 1000,
    has_token=True,
    certificate="ok",
    session_expires_at_ms=NOW + KEEP,
)
PLAIN = MessageTraits()


def device(**changes: Any) -> DeviceSnapshot:
    return msgspec.structs.replace(OFFLINE, **changes)


def ask(snapshot: DeviceSnapshot, message: MessageTraits = PLAIN) -> Decision:
    return decide(snapshot, message, NOW, KEEP)


#: An example for each row of the published table, in its order.
EXAMPLES: list[tuple[DeviceSnapshot, MessageTraits]] = [
    (device(is_sender_account=True, connected=True), PLAIN),
    (device(is_sender_account=True), PLAIN),
    (device(session_state=SessionState.LOGGED_OUT), PLAIN),
    (device(session_state=SessionState.KICKED), PLAIN),
    (device(session_state=SessionState.REVOKED), PLAIN),
    (device(session_state=SessionState.EXPIRED), PLAIN),
    (device(connected=True), MessageTraits(blocked=True)),
    (device(connected=True), MessageTraits(discarded=True)),
    (device(connected=True, app_state=AppState.FOREGROUND), PLAIN),
    (device(connected=True), PLAIN),
    (device(connected=True), MessageTraits(muted=True)),
    (device(platform=Platform.WINDOWS), PLAIN),
    (device(last_seen_ms=NOW - KEEP - 1), PLAIN),
    (device(has_token=False), PLAIN),
    (device(certificate="none"), PLAIN),
    (device(certificate="paused"), PLAIN),
    (OFFLINE, MessageTraits(push_flag=1)),
    (OFFLINE, MessageTraits(online_only=True)),
    (OFFLINE, MessageTraits(describable=False)),
    (OFFLINE, MessageTraits(muted=True)),
    (OFFLINE, MessageTraits(quiet=True)),
    (OFFLINE, PLAIN),
]


@pytest.mark.parametrize(("row", "example"), list(zip(TABLE, EXAMPLES, strict=False)), ids=lambda value: getattr(value, "state_en", ""))
def test_each_row_of_the_table_is_what_is_decided(row: Row, example: tuple[DeviceSnapshot, MessageTraits]):
    assert ask(*example) == Decision(row.result, row.reason)


def test_the_last_row_is_the_missed_acknowledgement():
    assert len(TABLE) == len(EXAMPLES) + 1
    row = TABLE[-1]
    foreground = device(connected=True, app_state=AppState.FOREGROUND)
    assert decide_without_socket(foreground, PLAIN, NOW, KEEP) == Decision(row.result, row.reason)


def test_every_row_is_worded_in_both_languages():
    assert all(row.state_en and any("\u4e00" <= letter <= "\u9fff" for letter in row.state_zh) for row in TABLE)


def test_the_table_names_every_reason_that_can_be_decided():
    decided = {ask(*example).reason for example in EXAMPLES}
    assert decided | {Reason.NO_ACK} == {row.reason for row in TABLE}


@pytest.mark.parametrize("state", [SessionState.LOGGED_OUT, SessionState.EXPIRED])
def test_a_device_of_the_sender_without_a_session_is_not_synchronised(state: SessionState):
    assert ask(device(is_sender_account=True, connected=True, session_state=state)) == Decision(Action.SUPPRESS, Reason.OWN_MESSAGE)


def test_a_usersig_that_ran_out_silences_a_session_that_still_counts_as_active():
    assert ask(device(session_expires_at_ms=NOW, connected=True)).reason is Reason.USERSIG_EXPIRED
    assert ask(device(session_expires_at_ms=NOW + 1)).reason is Reason.OFFLINE
    assert ask(device(session_expires_at_ms=0)).reason is Reason.OFFLINE


def test_the_keep_period_includes_its_last_millisecond():
    assert ask(device(last_seen_ms=NOW - KEEP)).action is Action.PUSH


def test_a_connected_device_is_not_measured_by_the_keep_period():
    assert ask(device(connected=True, last_seen_ms=0)) == Decision(Action.SOCKET_AND_PUSH, Reason.BACKGROUND)


@pytest.mark.parametrize(
    ("platform", "has_token", "reason"),
    [
        (Platform.WEB, True, Reason.OFFLINE),
        (Platform.WEB, False, Reason.NOT_MOBILE),
        (Platform.MAC, True, Reason.NOT_MOBILE),
        ("fridge", True, Reason.NOT_MOBILE),
        (Platform.HARMONY, True, Reason.OFFLINE),
        (Platform.IPAD, True, Reason.OFFLINE),
    ],
)
def test_only_phones_tablets_and_browsers_with_a_token_are_pushed(platform: str, has_token: bool, reason: Reason):
    assert ask(device(platform=platform, has_token=has_token)).reason is reason


@pytest.mark.parametrize("message", [MessageTraits(muted=True, mentioned=True), MessageTraits(quiet=True, mentioned=True)])
def test_a_mention_that_passes_is_pushed_although_muted(message: MessageTraits):
    assert ask(OFFLINE, message).action is Action.PUSH


def test_a_mention_does_not_overrule_the_sender():
    assert ask(OFFLINE, MessageTraits(push_flag=1, mentioned=True)).reason is Reason.SENDER_OPTED_OUT


def test_an_online_only_message_reaches_the_socket_and_is_never_pushed():
    message = MessageTraits(online_only=True)
    foreground = device(connected=True, app_state=AppState.FOREGROUND)
    assert ask(foreground, message) == Decision(Action.SOCKET, Reason.FOREGROUND)
    assert ask(device(connected=True), message) == Decision(Action.SOCKET, Reason.ONLINE_ONLY)
    assert decide_without_socket(foreground, message, NOW, KEEP) == Decision(Action.SUPPRESS, Reason.ONLINE_ONLY)


def test_an_unknown_session_state_is_treated_as_logged_out():
    assert ask(device(session_state="?")) == Decision(Action.SUPPRESS, Reason.LOGGED_OUT)


DEVICES = st.builds(
    DeviceSnapshot,
    session_state=st.sampled_from(list(SessionState)),
    platform=st.sampled_from(list(Platform)),
    connected=st.booleans(),
    app_state=st.sampled_from(list(AppState)),
    last_seen_ms=st.sampled_from([0, NOW - KEEP - 1, NOW - KEEP, NOW - 1, NOW + 5]),
    has_token=st.booleans(),
    certificate=st.sampled_from(["ok", "none", "paused"]),
    is_sender_account=st.booleans(),
    session_expires_at_ms=st.sampled_from([0, NOW - 1, NOW, NOW + 1]),
)
MESSAGES = st.builds(
    MessageTraits,
    push_flag=st.sampled_from([0, 1]),
    online_only=st.booleans(),
    describable=st.booleans(),
    muted=st.booleans(),
    quiet=st.booleans(),
    mentioned=st.booleans(),
)
PUSHES = {Action.PUSH, Action.SOCKET_AND_PUSH}


@given(DEVICES, MESSAGES)
def test_a_push_needs_a_living_session_a_token_a_certificate_and_a_message_that_allows_it(snapshot: DeviceSnapshot, message: MessageTraits):
    for decision in (ask(snapshot, message), decide_without_socket(snapshot, message, NOW, KEEP)):
        if decision.action in PUSHES:
            assert snapshot.session_state == SessionState.ACTIVE
            assert not snapshot.is_sender_account
            assert snapshot.has_token
            assert snapshot.certificate == "ok"
            assert message.push_flag == 0
            assert not message.online_only
            assert message.describable
            assert message.mentioned or not (message.muted or message.quiet)


@given(DEVICES, MESSAGES)
def test_the_socket_is_used_exactly_for_connected_devices_with_a_living_session(snapshot: DeviceSnapshot, message: MessageTraits):
    alive = snapshot.session_state == SessionState.ACTIVE and not 0 < snapshot.session_expires_at_ms <= NOW
    uses_socket = ask(snapshot, message).action in {Action.SOCKET, Action.SOCKET_AND_PUSH, Action.SYNC}
    assert uses_socket == (snapshot.connected and alive)


@given(DEVICES, MESSAGES)
def test_without_the_socket_it_is_a_push_or_nothing_as_for_a_device_that_is_gone(snapshot: DeviceSnapshot, message: MessageTraits):
    decision = decide_without_socket(snapshot, message, NOW, KEEP)
    assert decision.action in {Action.PUSH, Action.SUPPRESS}
    if not snapshot.connected:
        assert decision == ask(snapshot, message)
