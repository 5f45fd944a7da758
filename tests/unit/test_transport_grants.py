"""Vendor log-in grants: single flight, renewal, back-off, sharing."""

from __future__ import annotations

import asyncio

import pytest

from homing.model.outcome import Grant, Outcome, OutcomeKind
from homing.transport.grants import GrantKey, Grants

KEY = GrantKey(20000001, 15518)
HOUR_MS = 3_600_000
REFUSED = Outcome(OutcomeKind.CREDENTIALS_REFUSED, "invalid_client")


class HandClock:
    def __init__(self) -> None:
        self.ms = 1_700_000_000_000

    def now_ms(self) -> int:
        return self.ms

    def monotonic(self) -> float:
        return self.ms / 1000

    def pass_seconds(self, seconds: float) -> None:
        self.ms += int(seconds * 1000)


class Vendor:
    """Counts log-ins; ``gate`` holds them until it is set."""

    def __init__(self, clock: HandClock, life_ms: int = HOUR_MS) -> None:
        self.clock = clock
        self.life_ms = life_ms
        self.logins = 0
        self.gate = asyncio.Event()
        self.gate.set()
        self.answer: Outcome | Exception | None = None

    async def login(self) -> Grant | Outcome:
        self.logins += 1
        number = self.logins
        await self.gate.wait()
        if isinstance(self.answer, Exception):
            raise self.answer
        if self.answer is not None:
            return self.answer
        return Grant(f"token-{number}", self.clock.now_ms() + self.life_ms, self.clock.now_ms())


class MemoryStore:
    def __init__(self) -> None:
        self.grants: dict[GrantKey, Grant] = {}

    async def load(self, key: GrantKey) -> Grant | None:
        return self.grants.get(key)

    async def save(self, key: GrantKey, grant: Grant, previous_expires_at_ms: int) -> bool:
        present = self.grants.get(key)
        if (present.expires_at_ms if present else 0) != previous_expires_at_ms:
            return False
        self.grants[key] = grant
        return True


class BrokenStore:
    async def load(self, key: GrantKey) -> Grant | None:
        raise OSError("database away")

    async def save(self, key: GrantKey, grant: Grant, previous_expires_at_ms: int) -> bool:
        raise OSError("database away")


@pytest.fixture
def clock() -> HandClock:
    return HandClock()


@pytest.fixture
async def vendor(clock: HandClock) -> Vendor:
    return Vendor(clock)


async def token(grants: Grants, vendor: Vendor, key: GrantKey = KEY) -> str:
    grant = await grants.get(key, vendor.login)
    assert isinstance(grant, Grant)
    return grant.access_token


async def settle() -> None:
    for _ in range(10):
        await asyncio.sleep(0)


async def test_many_callers_share_one_login(clock: HandClock, vendor: Vendor) -> None:
    grants = Grants(clock)
    vendor.gate.clear()
    callers = [asyncio.ensure_future(grants.get(KEY, vendor.login)) for _ in range(50)]
    await settle()
    vendor.gate.set()
    assert len({grant.access_token for grant in await asyncio.gather(*callers) if isinstance(grant, Grant)}) == 1
    assert vendor.logins == 1


async def test_keys_and_certificate_versions_log_in_apart(clock: HandClock, vendor: Vendor) -> None:
    grants = Grants(clock)
    assert await token(grants, vendor) == "token-1"
    assert await token(grants, vendor, GrantKey(20000001, 15518, 2)) == "token-2"
    assert await token(grants, vendor) == "token-1"


async def test_a_cancelled_caller_does_not_stop_the_login_for_the_others(clock: HandClock, vendor: Vendor) -> None:
    grants = Grants(clock)
    vendor.gate.clear()
    first, second = (asyncio.ensure_future(grants.get(KEY, vendor.login)) for _ in range(2))
    await settle()
    first.cancel()
    await settle()
    vendor.gate.set()
    assert isinstance(await second, Grant)
    assert vendor.logins == 1


async def test_a_grant_near_its_end_is_renewed_in_the_background_and_handed_out_meanwhile(clock: HandClock, vendor: Vendor) -> None:
    grants = Grants(clock)
    await token(grants, vendor)
    clock.pass_seconds(3600 - 224)
    vendor.gate.clear()
    assert await token(grants, vendor) == "token-1"
    assert await token(grants, vendor) == "token-1"
    await settle()
    assert vendor.logins == 2
    vendor.gate.set()
    await settle()
    assert await token(grants, vendor) == "token-2"


async def test_before_the_margin_nothing_is_renewed(clock: HandClock, vendor: Vendor) -> None:
    grants = Grants(clock)
    await token(grants, vendor)
    clock.pass_seconds(3600 - 226)
    await token(grants, vendor)
    await settle()
    assert vendor.logins == 1


async def test_the_margin_of_a_short_grant_is_a_third_of_its_life(clock: HandClock) -> None:
    vendor, grants = Vendor(clock, life_ms=60_000), Grants(clock)
    await token(grants, vendor)
    clock.pass_seconds(39)
    await token(grants, vendor)
    await settle()
    assert vendor.logins == 1
    clock.pass_seconds(2)
    await token(grants, vendor)
    await settle()
    assert vendor.logins == 2


async def test_an_ended_grant_is_never_handed_out(clock: HandClock, vendor: Vendor) -> None:
    grants = Grants(clock)
    await token(grants, vendor)
    clock.pass_seconds(3601)
    assert await token(grants, vendor) == "token-2"


async def test_a_failed_renewal_keeps_the_old_grant_until_its_end(clock: HandClock, vendor: Vendor) -> None:
    grants = Grants(clock)
    await token(grants, vendor)
    clock.pass_seconds(3500)
    vendor.answer = Outcome(OutcomeKind.VENDOR_DOWN, "503")
    for _ in range(10):
        assert await token(grants, vendor) == "token-1"
        await settle()
    assert vendor.logins == 2
    clock.pass_seconds(101)
    answer = await grants.get(KEY, vendor.login)
    assert isinstance(answer, Outcome)


async def test_a_failed_login_is_remembered_with_growing_pauses(clock: HandClock, vendor: Vendor) -> None:
    grants = Grants(clock)
    vendor.answer = REFUSED
    pauses = []
    for _ in range(8):
        answer = await grants.get(KEY, vendor.login)
        again = await grants.get(KEY, vendor.login)
        assert isinstance(answer, Outcome)
        assert isinstance(again, Outcome)
        assert (again.kind, again.code) == (OutcomeKind.CREDENTIALS_REFUSED, "invalid_client")
        assert again.retry_after_seconds is not None
        pauses.append(again.retry_after_seconds)
        clock.pass_seconds(again.retry_after_seconds)
    assert vendor.logins == 8
    assert pauses == [1, 2, 4, 8, 16, 32, 60, 60]


async def test_the_vendors_own_pause_is_kept(clock: HandClock, vendor: Vendor) -> None:
    grants = Grants(clock)
    vendor.answer = Outcome(OutcomeKind.THROTTLED, "429", retry_after_seconds=300.0)
    await grants.get(KEY, vendor.login)
    clock.pass_seconds(299)
    await grants.get(KEY, vendor.login)
    assert vendor.logins == 1
    clock.pass_seconds(1)
    await grants.get(KEY, vendor.login)
    assert vendor.logins == 2


async def test_a_success_forgets_earlier_failures(clock: HandClock, vendor: Vendor) -> None:
    grants = Grants(clock)
    vendor.answer = REFUSED
    await grants.get(KEY, vendor.login)
    clock.pass_seconds(1)
    vendor.answer = None
    assert await token(grants, vendor) == "token-2"


async def test_a_login_that_raises_becomes_an_outcome(clock: HandClock, vendor: Vendor) -> None:
    vendor.answer = ValueError("the private key secret-value is broken")
    answer = await Grants(clock).get(KEY, vendor.login)
    assert isinstance(answer, Outcome)
    assert answer.kind is OutcomeKind.UNKNOWN
    assert "secret-value" not in answer.detail


async def test_a_grant_that_has_already_ended_is_a_failure_and_not_a_loop(clock: HandClock) -> None:
    vendor, grants = Vendor(clock, life_ms=-1), Grants(clock)
    for _ in range(5):
        answer = await grants.get(KEY, vendor.login)
        assert isinstance(answer, Outcome)
        assert answer.code == "grant_expired"
    assert vendor.logins == 1


async def test_invalidating_drops_the_grant_that_was_used(clock: HandClock, vendor: Vendor) -> None:
    grants = Grants(clock)
    used = await grants.get(KEY, vendor.login)
    assert isinstance(used, Grant)
    grants.invalidate(KEY, used)
    assert await token(grants, vendor) == "token-2"


async def test_invalidating_an_older_grant_leaves_the_newer_one(clock: HandClock, vendor: Vendor) -> None:
    grants = Grants(clock)
    used = await grants.get(KEY, vendor.login)
    assert isinstance(used, Grant)
    grants.invalidate(KEY, used)
    await token(grants, vendor)
    for _ in range(99):
        grants.invalidate(KEY, used)
    assert await token(grants, vendor) == "token-2"
    assert vendor.logins == 2


async def test_a_vendor_that_refuses_every_new_grant_is_not_hammered(clock: HandClock, vendor: Vendor) -> None:
    grants = Grants(clock)
    for _ in range(100):
        grant = await grants.get(KEY, vendor.login)
        if isinstance(grant, Grant):
            grants.invalidate(KEY, grant)
        else:
            assert grant.retry_after_seconds is not None
            assert grant.retry_after_seconds > 0
    assert vendor.logins == 2


async def test_nodes_share_one_grant_through_the_store(clock: HandClock, vendor: Vendor) -> None:
    store = MemoryStore()
    here, there = Grants(clock, store), Grants(clock, store)
    assert await token(here, vendor) == "token-1"
    assert await token(there, vendor) == "token-1"
    assert vendor.logins == 1


async def test_two_nodes_that_log_in_at_the_same_time_end_with_the_same_grant(clock: HandClock, vendor: Vendor) -> None:
    store = MemoryStore()
    vendor.gate.clear()
    both = [asyncio.ensure_future(Grants(clock, store).get(KEY, vendor.login)) for _ in range(2)]
    await settle()
    vendor.gate.set()
    first, second = await asyncio.gather(*both)
    assert first == second == store.grants[KEY]


async def test_a_refused_grant_is_not_taken_from_the_store_again(clock: HandClock, vendor: Vendor) -> None:
    store = MemoryStore()
    grants = Grants(clock, store)
    used = await grants.get(KEY, vendor.login)
    assert isinstance(used, Grant)
    clock.pass_seconds(60)
    grants.invalidate(KEY, used)
    assert await token(grants, vendor) == "token-2"
    assert store.grants[KEY].access_token == "token-2"


async def test_renewal_takes_the_grant_that_another_node_has_renewed_already(clock: HandClock, vendor: Vendor) -> None:
    store = MemoryStore()
    here, there = Grants(clock, store), Grants(clock, store)
    await token(here, vendor)
    await token(there, vendor)
    clock.pass_seconds(3500)
    await token(here, vendor)
    await settle()
    await token(there, vendor)
    await settle()
    assert await token(here, vendor) == await token(there, vendor) == "token-2"
    assert vendor.logins == 2


async def test_without_its_store_a_node_works_alone(clock: HandClock, vendor: Vendor) -> None:
    assert await token(Grants(clock, BrokenStore()), vendor) == "token-1"


async def test_closing_stops_a_login_under_way(clock: HandClock, vendor: Vendor) -> None:
    grants = Grants(clock)
    vendor.gate.clear()
    waiting = asyncio.ensure_future(grants.get(KEY, vendor.login))
    await settle()
    await grants.aclose()
    with pytest.raises(asyncio.CancelledError):
        await waiting
