"""Logging in at vendors: one grant for a key, whoever uses it."""

from __future__ import annotations

from typing import Any

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

from homing.channels.registry import CHANNELS
from homing.model.certificates import Certificate
from homing.model.outcome import FailureKind, Grant, Outcome, OutcomeKind, TransportFailure, VendorRequest, VendorResponse
from homing.services.logins import VendorLogins
from homing.transport.grants import Grants


def p8() -> str:
    key = ec.generate_private_key(ec.SECP256R1())
    return key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()).decode()


def apple(business_id: int, key: str, key_id: str = "KEY0000001") -> Certificate:
    channel = CHANNELS["apns"]
    credentials = channel.credentials_type(key_id=key_id, team_id="TEAM000001", private_key=key)
    return Certificate(1, business_id, "apns", "", credentials, channel.options_type(topic="com.example.im"))


class Post:
    def __init__(self, answer: VendorResponse | TransportFailure) -> None:
        self.answer = answer
        self.sent: list[VendorRequest] = []

    async def send(self, request: VendorRequest, *, pool: str) -> VendorResponse | TransportFailure:
        self.sent.append(request)
        return self.answer


@pytest.fixture
def logins(clock: Any) -> VendorLogins:
    return VendorLogins(grants=Grants(clock), transport=Post(TransportFailure(FailureKind.CONNECT)), channels=CHANNELS, clock=clock)


async def test_two_certificates_of_one_apple_key_share_one_token(logins: VendorLogins) -> None:
    key = p8()
    first, second = await logins.grant(apple(1, key)), await logins.grant(apple(2, key))
    assert isinstance(first, Grant)
    assert first == second


async def test_another_key_under_the_same_name_gets_its_own_token(logins: VendorLogins) -> None:
    assert await logins.grant(apple(1, p8())) != await logins.grant(apple(2, p8()))


async def test_a_vendor_without_log_in_needs_none(logins: VendorLogins) -> None:
    channel = CHANNELS["xiaomi"]
    certificate = Certificate(1, 3, "xiaomi", "", channel.credentials_type(app_secret="s" * 16), channel.options_type(package_name="a.b"))
    assert await logins.grant(certificate) is None


async def test_a_vendor_that_cannot_be_reached_is_an_outcome(clock: Any, certificate: Certificate) -> None:
    post = Post(TransportFailure(FailureKind.DNS, "no such host"))
    answer = await VendorLogins(grants=Grants(clock), transport=post, channels=CHANNELS, clock=clock).grant(certificate)
    assert isinstance(answer, Outcome)
    assert (answer.kind, answer.code) == (OutcomeKind.VENDOR_DOWN, "transport_dns")


async def test_a_grant_is_fetched_once_and_again_only_when_it_was_refused(clock: Any, certificate: Certificate) -> None:
    post = Post(VendorResponse(200, {}, b'{"access_token":"one","expires_in":3599,"token_type":"Bearer"}'))
    logins = VendorLogins(grants=Grants(clock), transport=post, channels=CHANNELS, clock=clock)
    grant = await logins.grant(certificate)
    assert isinstance(grant, Grant)
    assert await logins.grant(certificate) == grant
    assert len(post.sent) == 1
    logins.invalidate(certificate, grant)
    post.answer = VendorResponse(200, {}, b'{"access_token":"two","expires_in":3599,"token_type":"Bearer"}')
    renewed = await logins.grant(certificate)
    assert isinstance(renewed, Grant)
    assert renewed.access_token == "two"
