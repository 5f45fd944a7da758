"""The bulkheads of a lane whose tokens name their hosts."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from homing.model.notification import Notification
from homing.model.push_info import NO_WISHES
from homing.services.host_groups import MAX_GROUPS, MAX_PARKED, HostGroups
from homing.services.jobs import Job

NOTE = Notification(
    title="Ann",
    body="hi",
    ext="",
    conversation_id="c",
    msg_id="1",
    notify_id=1,
    collapse_id="",
    wishes=NO_WISHES,
    expires_at_ms=2**50,
)


def job(push_id: int, host: str = "a") -> Job:
    return Job(push_id, push_id, push_id, host, NOTE, 2**50, "", 0)


def groups(limit: int = 4) -> HostGroups:
    return HostGroups(lambda token: token, limit)


def test_a_group_has_half_of_the_requests_and_the_rest_of_it_waits_in_order():
    found = groups()
    jobs = [job(n) for n in range(5)]
    admitted = []
    for each in jobs:
        admitted.append(found.admit(each, 0.0))
        if admitted[-1] == 0:
            found.started(each)
    assert admitted == [0, 0, -1, -1, -1]
    assert found.admit(job(9, "b"), 0.0) == 0
    assert ([each.push_id for each in found], len(found)) == ([2, 3, 4], 3)
    assert [each.push_id for each in found.ended(jobs[0])] == [2]
    assert [each.push_id for each in found.ended(jobs[1])] == [3, 4]
    assert len(found) == 0


def test_an_open_breaker_and_a_pause_say_how_long():
    found = groups()
    for _ in range(5):
        found.breaker(job(1)).failure(10.0)
    assert found.admit(job(2), 11.0) == 4.0
    assert found.admit(job(3, "b"), 11.0) == 0
    found.hold(job(3, "b"), 13.0)
    found.hold(job(3, "b"), 12.0)
    assert found.admit(job(4, "b"), 11.0) == 2.0


def test_what_waits_is_bounded_and_can_be_taken_out():
    found = groups(2)
    found.started(job(0))
    waits = {found.admit(job(n), 0.0) for n in range(MAX_PARKED + 10)}
    assert (len(found), waits) == (MAX_PARKED, {-1.0, 1.0})
    found.keep(lambda each: each.push_id < 3)
    assert [each.push_id for each in found.drain()] == [0, 1, 2]
    assert len(found) == 0


@given(st.lists(st.integers(0, 500), min_size=1, max_size=300))
def test_any_number_of_hosts_is_bounded_and_a_busy_one_is_never_forgotten(hosts):
    found = groups()
    busy = job(1, "busy")
    found.started(busy)
    for host in hosts:
        assert found.admit(job(2, str(host)), 0.0) == 0
    assert len(found._groups) <= MAX_GROUPS
    assert found.ended(busy) == []
    assert found._groups["busy"].in_flight == 0
