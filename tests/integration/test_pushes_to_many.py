"""Pushes to many: everybody is met once, whatever happens in between."""

from __future__ import annotations

import json
from typing import Any

import pytest

from homing.model.outcome import VendorRequest, VendorResponse
from homing.model.push import PushState
from homing.model.push_info import OfflinePushInfo
from homing.model.push_jobs import Condition, JobState
from homing.services import job_runner
from homing.store.engine import Database, Query
from homing.store.labels import add_labels, attribute, tag
from homing.store.push_jobs import let_go_nodes

from .many import APP, SENT, SINGLES, Many, user


@pytest.fixture
def small_pages(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(job_runner, "PAGE_ACCOUNTS", 10)
    monkeypatch.setattr(job_runner, "PAGE_MESSAGES", 10)


async def test_everybody_is_pushed_to_once_and_batch_vendors_get_full_requests(many: Many) -> None:
    await many.devices(*range(1, 2501))
    job = await many.push()
    await many.run()
    assert sorted(many.vendor.sizes()) == [500, 1000, 1000]
    tokens = many.vendor.tokens()
    assert len(tokens) == 2500
    assert set(tokens.values()) == {1}
    done = await many.job(job)
    assert (done.state, done.accounts, done.targets, done.sent, done.suppressed) == (JobState.FINISHED, 2501, 2500, 2500, 1)


async def test_each_vendor_gets_its_own_form(many: Many) -> None:
    await many.devices(*range(1, 121), business_id=SINGLES)
    await many.devices(*range(200, 220))
    job = await many.push()
    await many.run()
    assert sorted(many.vendor.sizes()) == [1] * 120 + [20]
    assert set(many.vendor.tokens().values()) == {1}
    assert (await many.job(job)).sent == 140
    assert all(b"It is spring" in request.body for request in many.vendor.requests)


async def test_devices_that_get_no_push_are_recorded_with_their_reason(many: Many) -> None:
    await many.devices(1)
    await many.devices(2, session_state="logged_out")
    await many.devices(3, token=None)
    await many.devices(4, business_id=1)
    job = await many.push()
    await many.run()
    assert many.vendor.tokens() == {"token-1": 1}
    reasons = {reason: count for _, _, count, state, reason, _ in await many.bundles() if state == PushState.SUPPRESSED}
    assert reasons == {"no_device": 1, "logged_out": 1, "no_token": 1, "no_certificate": 1}
    assert (await many.job(job)).suppressed == 4


@pytest.mark.parametrize(
    ("condition", "expected"),
    [
        (Condition(any_of=(tag("a"),)), [1, 2, 3]),
        (Condition(any_of=(tag("a"), tag("b"))), [1, 2, 3, 4]),
        (Condition(all_of=(tag("a"), tag("b"))), [3]),
        (Condition(any_of=(tag("c"), tag("d")), all_of=(tag("a"),)), [2]),
        (Condition(any_of=(attribute("sex", "f"),)), [1, 4]),
        (Condition(all_of=(attribute("sex", "f"), attribute("city", "Oslo"))), [4]),
        (Condition(any_of=(tag("nobody's"),)), []),
        (Condition(users=(user(5), user(1), "ghost")), [1, 5]),
    ],
)
@pytest.mark.usefixtures("small_pages")
async def test_a_condition_chooses_accounts(many: Many, condition: Condition, expected: list[int]) -> None:
    await many.devices(*range(1, 6))
    tags = [(user(1), "a", ""), (user(2), "a", ""), (user(2), "c", ""), (user(3), "a", ""), (user(3), "b", ""), (user(4), "b", "")]
    attributes = [(user(1), "sex", "f"), (user(4), "sex", "f"), (user(4), "city", "Oslo"), (user(2), "city", "Oslo")]
    await many.database.write(lambda tx: add_labels(tx, APP, "tag", tags))
    await many.database.write(lambda tx: add_labels(tx, APP, "attribute", attributes))
    job = await many.push(condition)
    await many.run()
    assert sorted(many.vendor.tokens()) == [f"token-{n}" for n in expected]
    assert (await many.job(job)).state == JobState.FINISHED


@pytest.mark.usefixtures("small_pages")
async def test_a_long_list_of_marked_accounts_is_walked_page_by_page(many: Many) -> None:
    await many.devices(*range(1, 46))
    await many.database.write(lambda tx: add_labels(tx, APP, "tag", [(user(n), "odd" if n % 2 else "even", "") for n in range(1, 46)]))
    await many.push(Condition(any_of=(tag("odd"), tag("even")), all_of=(tag("odd"),)))
    await many.run()
    assert sorted(many.vendor.tokens()) == sorted(f"token-{n}" for n in range(1, 46, 2))
    assert set(many.vendor.tokens().values()) == {1}


@pytest.mark.usefixtures("small_pages")
async def test_a_node_that_dies_in_the_middle_is_followed_where_it_stood(
    many: Many, database: Database, clock: Any, service_account: str
) -> None:
    await many.devices(*range(1, 96))
    job = await many.push()
    for _ in range(4):
        await many.runner.turn()
    await many.bulk.quiet()
    walked = (await many.job(job)).accounts
    assert 0 < walked < 96
    # Nothing is given back: the process is gone.
    clock.advance(ms=1)
    heir = Many(database, clock, service_account, life=2)
    await heir.bulk.start()
    await database.write(lambda tx: let_go_nodes(tx, [1]))
    await heir.run(20)
    both = many.vendor.tokens() + heir.vendor.tokens()
    assert len(both) == 95
    assert set(both.values()) == {1}
    assert ((await heir.job(job)).state, (await heir.job(job)).sent) == (JobState.FINISHED, 95)
    await heir.close()


@pytest.mark.usefixtures("small_pages")
async def test_what_was_claimed_and_not_sent_by_a_node_that_died_is_sent_by_its_heir(
    many: Many, database: Database, clock: Any, service_account: str
) -> None:
    await many.devices(*range(1, 36))
    job = await many.push()
    many.vendor.silent = True
    for _ in range(6):
        await many.runner.turn()
    heir = Many(database, clock, service_account, node_id=2)
    clock.advance(seconds=61)  # the dead node's leases run out
    await heir.run(20)
    assert len(heir.vendor.tokens()) == 35
    assert set(heir.vendor.tokens().values()) == {1}
    assert (await heir.job(job)).sent == 35
    # The dead node's own late word changes nothing.
    before = await heir.bundles()
    await many.bulk.stop()
    assert await heir.bundles() == before
    await heir.close()


@pytest.mark.usefixtures("small_pages")
async def test_two_nodes_walk_a_job_one_at_a_time(many: Many, database: Database, clock: Any, service_account: str) -> None:
    await many.devices(*range(1, 60))
    job = await many.push()
    other = Many(database, clock, service_account, node_id=2)
    for _ in range(4):
        await many.runner.turn()
        await other.runner.turn()
    await many.bulk.quiet()
    await other.bulk.quiet()
    assert (await other.bundles()) == (await many.bundles())
    clock.advance(seconds=16)  # the walker's lease runs out: the other goes on, and the first notices
    for _ in range(12):
        await other.runner.turn()
        await many.runner.turn()
    for node in (many, other):
        await node.bulk.turn()
        await node.bulk.quiet()
    both = many.vendor.tokens() + other.vendor.tokens()
    assert len(both) == 59
    assert set(both.values()) == {1}
    assert (await many.job(job)).accounts == 60
    await other.close()


@pytest.mark.usefixtures("small_pages")
async def test_a_recalled_push_stops_and_its_replacement_goes_to_those_who_had_it(many: Many) -> None:
    await many.devices(*range(1, 31))
    job = await many.push()
    await many.runner.turn()
    await many.bulk.quiet()
    sent = set(many.vendor.tokens())
    identity = {_identity(request) for request in many.vendor.requests}
    assert 0 < len(sent) < 30
    many.vendor.requests.clear()
    await many.jobs.revoke(APP, job.task_id, OfflinePushInfo(Title="Sorry", Desc="Never mind"))
    await many.run()
    assert set(many.vendor.tokens()) == sent
    assert {_identity(request) for request in many.vendor.requests} == identity
    assert {json.loads(request.body)["message"]["android"]["notification"]["body"] for request in many.vendor.requests} == {"Never mind"}
    assert (await many.job(job)).state == JobState.REVOKED


def _identity(request: VendorRequest) -> int:
    return int(json.loads(request.body)["message"]["android"]["notification"]["notify_id"])


@pytest.mark.usefixtures("small_pages")
async def test_a_paused_push_stands_still_and_goes_on(many: Many) -> None:
    await many.devices(*range(1, 31))
    job = await many.push()
    await many.runner.turn()
    await many.bulk.quiet()
    await many.jobs.pause(APP, job.task_id)
    before = len(many.vendor.tokens())
    await many.run()
    assert len(many.vendor.tokens()) == before < 30
    await many.jobs.resume(APP, job.task_id)
    await many.run()
    assert set(many.vendor.tokens().values()) == {1}
    assert len(many.vendor.tokens()) == 30
    assert (await many.job(job)).state == JobState.FINISHED


@pytest.mark.usefixtures("small_pages")
async def test_a_push_whose_time_is_over_reaches_nobody_more(many: Many, clock: Any) -> None:
    await many.devices(*range(1, 31))
    job = await many.push(lifetime_seconds=60)
    await many.runner.turn()
    await many.bulk.quiet()
    before = len(many.vendor.tokens())
    clock.advance(seconds=61)
    await many.run()
    assert len(many.vendor.tokens()) == before < 30
    assert (await many.job(job)).state == JobState.EXPIRED


async def test_speed_is_limited_to_accounts_a_second(many: Many, clock: Any) -> None:
    await many.devices(*range(1, 101))
    job = await many.push(per_second=50)
    for _ in range(5):
        await many.runner.turn()
    assert (await many.job(job)).accounts == 10
    for _ in range(6):
        clock.advance(ms=200)
        await many.runner.turn()
    assert (await many.job(job)).accounts == 70


async def test_only_the_tokens_that_the_vendor_called_dead_are_removed(many: Many) -> None:
    await many.devices(*range(1, 11))
    partly = json.dumps({"code": "80100000", "msg": json.dumps({"illegal_tokens": ["token-3", "token-7"]}), "requestId": "r"}).encode()
    many.vendor.answer = lambda request: VendorResponse(200, {}, partly)
    job = await many.push()
    await many.run()
    assert await many.without_token() == [3, 7]
    done = await many.job(job)
    assert (done.sent, done.failed, done.state) == (8, 2, JobState.FINISHED)


async def test_a_refusal_of_the_whole_request_removes_no_token(many: Many) -> None:
    await many.devices(*range(1, 11))
    many.vendor.answer = lambda request: VendorResponse(200, {}, b'{"code":"80300007","msg":"all tokens are illegal"}')
    job = await many.push()
    await many.run()
    assert await many.without_token() == []
    assert (await many.job(job)).failed == 10


async def test_a_bundle_is_tried_again_as_a_whole_when_the_vendor_is_down(many: Many, clock: Any) -> None:
    await many.devices(*range(1, 11))
    many.vendor.answer = lambda request: VendorResponse(503, {}, b"")
    job = await many.push()
    await many.run(2)
    assert len(many.vendor.requests) == 1
    many.vendor.answer = lambda request: SENT
    clock.advance(seconds=5)
    await many.run()
    assert many.vendor.sizes() == [10, 10]
    assert (await many.job(job)).sent == 10
    assert [(state, attempts) for _, business, _, state, _, attempts in await many.bundles() if business] == [(PushState.ACCEPTED, 2)]


async def test_single_targets_that_must_wait_become_pushes_of_their_own(many: Many) -> None:
    await many.devices(*range(1, 5), business_id=SINGLES)

    def answer(request: VendorRequest) -> VendorResponse:
        busy = request.targets[0].token == "token-2"
        return VendorResponse(429, {"retry-after": "30"}, b"{}") if busy else VendorResponse(200, {}, b'{"name":"projects/p/messages/1"}')

    many.vendor.answer = answer
    await many.push()
    await many.run()
    [(push_id, account, state, _, kind)] = await many.pushes()
    assert (account, state, kind) == (user(2), PushState.PENDING, "bulk")
    first = next(bundle_id for bundle_id, business, *_ in await many.bundles() if business)
    assert push_id == first + 1


async def test_a_device_that_logged_out_before_its_bundle_went_out_is_left_out(many: Many, clock: Any) -> None:
    await many.devices(*range(1, 6))
    many.vendor.answer = lambda request: VendorResponse(503, {}, b"")
    job = await many.push()
    await many.run(2)
    gone = Query("test.gone", "UPDATE device SET session_state = 'logged_out', token = NULL WHERE device_id = 2")
    await many.database.write(lambda tx: tx.execute(gone))
    many.vendor.requests.clear()
    many.vendor.answer = lambda request: SENT
    clock.advance(seconds=5)
    await many.run()
    assert sorted(many.vendor.tokens()) == ["token-1", "token-3", "token-4", "token-5"]
    done = await many.job(job)
    assert (done.sent, done.targets, done.state) == (4, 4, JobState.FINISHED)


async def test_connected_devices_get_it_on_their_socket(many: Many) -> None:
    await many.devices(1, node_id=1, app_state="foreground")
    await many.devices(2, node_id=1, app_state="background")
    await many.devices(3)
    job = await many.push()
    await many.run()
    assert sorted(delivery.device_id for delivery in many.delivered) == [1, 2]
    assert sorted(many.vendor.tokens()) == ["token-2", "token-3"]
    [(_, account, state, _, _)] = await many.pushes()
    assert (account, state) == (user(1), PushState.WAITING_ACK)
    assert (await many.job(job)).on_sockets == 1


@pytest.mark.usefixtures("small_pages")
async def test_a_stored_message_goes_to_every_account_once(many: Many) -> None:
    await many.devices(*range(1, 26))
    job = await many.message()
    await many.run()
    pushes = await many.pushes()
    assert len({account for _, account, *_ in pushes}) == len(pushes) == 25
    done = await many.job(job)
    assert (done.state, done.sent, done.accounts) == (JobState.FINISHED, 25, 25)
