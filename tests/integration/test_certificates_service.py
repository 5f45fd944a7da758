"""Certificates and their log-in tokens on both engines."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from homing.model.certificates import Certificate
from homing.model.outcome import Grant
from homing.model.problems import ALREADY_EXISTS, APP_NOT_FOUND, CERTIFICATE_UNKNOWN, Refused
from homing.services.apps import Apps
from homing.services.certificates import SECRETS_UNREADABLE, Certificates
from homing.store.engine import Database, Query, Tx
from homing.store.grants import SealedGrants
from homing.store.sealing import Sealer, make_key
from homing.transport.grants import GrantKey

APP = 1400000001
_RAW = Query("test.raw_certificate", "SELECT credentials_sealed, options FROM certificate WHERE business_id = ?")
_SWAP = Query("test.swap_certificate", "UPDATE certificate SET credentials_sealed = ? WHERE business_id = ?")


@pytest.fixture(scope="module")
def service_account() -> bytes:
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    pem = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    account = {
        "type": "service_account",
        "project_id": "demo",
        "private_key_id": "1",
        "private_key": pem.decode(),
        "client_email": "push@demo.iam.gserviceaccount.com",
        "token_uri": "https://oauth2.googleapis.com/token",
    }
    return json.dumps(account).encode()


@pytest.fixture
def sealer(tmp_path: Path) -> Sealer:
    return Sealer(make_key(tmp_path / "homing.key"))


@pytest.fixture
async def certificates(database: Database, sealer: Sealer, clock: Any) -> Certificates:
    await Apps(database, sealer, clock).create(APP, "secret-key-of-the-app")
    return Certificates(database, sealer, clock)


async def _added(certificates: Certificates, service_account: bytes, **options: Any) -> Certificate:
    added = await certificates.add(APP, "fcm", {"service_account": service_account, "channel_id": "chat"}, **options)
    assert isinstance(added, Certificate)
    return added


async def test_numbers_are_given_from_15501_upward_and_never_twice(certificates: Certificates, service_account: bytes) -> None:
    assert (await _added(certificates, service_account)).business_id == 15501
    assert (await _added(certificates, service_account, business_id=15518)).business_id == 15518
    assert (await _added(certificates, service_account)).business_id == 15519


async def test_what_was_added_is_read_back(certificates: Certificates, service_account: bytes) -> None:
    added = await _added(certificates, service_account, business_id=15518, name="production")
    found = await certificates.require(APP, 15518)
    assert found == added
    assert found.options.channel_id == "chat"
    assert found.name == "production"
    assert await certificates.by_receipt_path(found.receipt_path) == found
    assert len(found.receipt_path) >= 32
    assert await certificates.of_app(APP) == [found]
    assert await certificates.get(APP + 1, 15518) is None


async def test_secrets_are_sealed_in_the_database(database: Database, certificates: Certificates, service_account: bytes) -> None:
    await _added(certificates, service_account, business_id=15518)

    async def raw(tx: Tx) -> bytes:
        row = await tx.fetch_one(_RAW, 15518)
        assert row is not None
        return bytes(row[0]) + str(row[1]).encode()

    assert b"PRIVATE KEY" not in await database.read(raw)


async def test_wrong_fields_are_named_and_nothing_is_stored(certificates: Certificates) -> None:
    problems = await certificates.add(APP, "fcm", {"service_account": b"{", "chanel_id": "x"})
    assert isinstance(problems, list)
    assert {problem.field for problem in problems} >= {"chanel_id"}
    assert await certificates.of_app(APP) == []


async def test_a_taken_number_an_unknown_app_and_an_unknown_channel_are_refused(certificates: Certificates, service_account: bytes) -> None:
    await _added(certificates, service_account, business_id=15518)
    with pytest.raises(Refused) as taken:
        await _added(certificates, service_account, business_id=15518)
    assert taken.value.problem is ALREADY_EXISTS
    with pytest.raises(Refused) as unknown:
        await certificates.add(7, "fcm", {"service_account": service_account})
    assert unknown.value.problem is APP_NOT_FOUND
    with pytest.raises(Refused, match="no channel"):
        await certificates.add(APP, "pigeon", {})


async def test_an_update_keeps_what_is_not_given_and_ends_a_pause(certificates: Certificates, service_account: bytes) -> None:
    await _added(certificates, service_account, business_id=15518, name="old")
    await certificates.pause(APP, 15518, "invalid_grant")
    changed = await certificates.update(APP, 15518, {"sound": "bell"}, name="new")
    assert isinstance(changed, Certificate)
    assert (changed.options.channel_id, changed.options.sound, changed.name) == ("chat", "bell", "new")
    assert (changed.version, changed.paused_reason) == (2, "")
    with pytest.raises(Refused) as refusal:
        await certificates.update(APP, 1, {})
    assert refusal.value.problem is CERTIFICATE_UNKNOWN


async def test_a_pause_has_its_reason_and_resuming_renews_the_version(certificates: Certificates, service_account: bytes) -> None:
    await _added(certificates, service_account, business_id=15518)
    await certificates.pause(APP, 15518, "invalid_grant")
    assert (await certificates.require(APP, 15518)).paused_reason == "invalid_grant"
    assert await certificates.resume(APP, 15518)
    assert not await certificates.resume(APP, 15518)
    resumed = await certificates.require(APP, 15518)
    assert (resumed.paused_reason, resumed.version) == ("", 2)


async def test_a_late_failure_of_old_credentials_does_not_pause_new_ones(certificates: Certificates, service_account: bytes) -> None:
    old = await _added(certificates, service_account, business_id=15518)
    await certificates.update(APP, 15518, {"sound": "bell"})
    await certificates.pause(APP, 15518, "invalid_grant", version=old.version)
    assert (await certificates.require(APP, 15518)).paused_reason == ""


async def test_another_process_pause_is_seen_within_two_seconds(
    database: Database, sealer: Sealer, certificates: Certificates, service_account: bytes, clock: Any
) -> None:
    await _added(certificates, service_account, business_id=15518)
    before = await certificates.require(APP, 15518)
    await Certificates(database, sealer, clock).pause(APP, 15518, "refused")
    assert await certificates.require(APP, 15518) is before
    clock.advance(seconds=2)
    assert (await certificates.require(APP, 15518)).paused_reason == "refused"


async def test_removing_takes_the_login_token_along(
    database: Database, sealer: Sealer, certificates: Certificates, service_account: bytes
) -> None:
    await _added(certificates, service_account, business_id=15518)
    grants = SealedGrants(database, sealer)
    assert await grants.save(GrantKey(APP, 15518), Grant("token", 1000), 0)
    assert await certificates.remove(APP, 15518)
    assert not await certificates.remove(APP, 15518)
    assert await certificates.get(APP, 15518) is None
    assert await grants.load(GrantKey(APP, 15518)) is None


async def test_secrets_copied_from_another_certificate_do_not_open(
    database: Database, certificates: Certificates, service_account: bytes, clock: Any
) -> None:
    await _added(certificates, service_account, business_id=15518)
    await _added(certificates, service_account, business_id=15519)

    async def swap(tx: Tx) -> None:
        row = await tx.fetch_one(_RAW, 15519)
        assert row is not None
        await tx.execute(_SWAP, row[0], 15518)

    await database.write(swap)
    clock.advance(seconds=5)
    assert (await certificates.require(APP, 15518)).paused_reason == SECRETS_UNREADABLE
    assert (await certificates.require(APP, 15519)).paused_reason == ""


async def test_after_the_key_was_lost_certificates_are_paused_until_they_are_stored_again(
    database: Database, certificates: Certificates, service_account: bytes, tmp_path: Path, clock: Any
) -> None:
    await _added(certificates, service_account, business_id=15518)
    later = Certificates(database, Sealer(make_key(tmp_path / "other.key")), clock)
    lost = await later.require(APP, 15518)
    assert (lost.paused_reason, lost.credentials) == (SECRETS_UNREADABLE, None)
    assert later.problems(lost)[0].field == "credentials"
    problems = await later.update(APP, 15518, {"sound": "bell"})
    assert isinstance(problems, list)
    changed = await later.update(APP, 15518, {"service_account": service_account})
    assert isinstance(changed, Certificate)
    assert changed.paused_reason == ""


async def test_a_login_token_is_stored_only_over_the_one_that_was_seen(database: Database, sealer: Sealer) -> None:
    grants, key = SealedGrants(database, sealer), GrantKey(APP, 15518, 2)
    assert await grants.load(key) is None
    assert await grants.save(key, Grant("first", 1000, 1), 0)
    assert not await grants.save(key, Grant("second", 2000, 2), 0), "another node was faster"
    assert await grants.save(key, Grant("second", 2000, 2), 1000)
    assert await grants.load(key) == Grant("second", 2000, 2)


async def test_a_changed_certificate_starts_with_no_login_token_and_an_old_node_cannot_bring_its_own_back(
    database: Database, sealer: Sealer
) -> None:
    grants = SealedGrants(database, sealer)
    assert await grants.save(GrantKey(APP, 15518, 1), Grant("old", 1000), 0)
    assert await grants.load(GrantKey(APP, 15518, 2)) is None
    assert await grants.save(GrantKey(APP, 15518, 2), Grant("new", 1000), 0)
    assert not await grants.save(GrantKey(APP, 15518, 1), Grant("old again", 3000), 1000)
    assert await grants.load(GrantKey(APP, 15518, 2)) == Grant("new", 1000)


async def test_a_login_token_sealed_with_a_lost_key_counts_as_none(database: Database, sealer: Sealer, tmp_path: Path) -> None:
    await SealedGrants(database, sealer).save(GrantKey(APP, 15518), Grant("token", 1000), 0)
    assert await SealedGrants(database, Sealer(make_key(tmp_path / "other.key"))).load(GrantKey(APP, 15518)) is None


async def test_tokens_reported_without_a_number_go_to_the_first_certificate_of_their_service_and_platform(
    certificates: Certificates, service_account: bytes
) -> None:
    await _added(certificates, service_account)
    assert await certificates.for_shared_tokens(APP, "android") == 0
    numbers = {}
    for access_id in ("1500001048", "1600001048", "1500001049"):
        added = await certificates.add(APP, "tpns", {"access_id": access_id, "secret_key": "k"})
        assert isinstance(added, Certificate)
        numbers[access_id] = added.business_id
    assert await certificates.for_shared_tokens(APP, "android") == numbers["1500001048"]
    assert await certificates.for_shared_tokens(APP, "ios") == numbers["1600001048"]
    assert await certificates.for_shared_tokens(APP, "harmony") == 0


async def test_a_certificate_tells_whether_tokens_for_calls_may_name_it(certificates: Certificates, service_account: bytes) -> None:
    added = await _added(certificates, service_account)
    problem = await certificates.call_problem(APP, added.business_id)
    assert problem is not None
    assert "calls" in problem.sentence
    assert await certificates.call_problem(APP, 1) is None
