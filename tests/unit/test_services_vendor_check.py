"""Asking a vendor whether credentials work."""

from __future__ import annotations

from typing import Any

import pytest

from homing.channels.base import Capabilities
from homing.model.certificates import Certificate
from homing.model.outcome import FailureKind, Grant, Outcome, OutcomeKind, TransportFailure, VendorRequest, VendorResponse
from homing.services.vendor_check import Verdict, check_credentials

CERTIFICATE = Certificate(1, 15518, "pigeon", "", None, None)
LOGIN = VendorRequest("POST", "https://vendor.example/token", (), b"")


class Vendor:
    """A channel with one way to log in and one answer."""

    name = "pigeon"
    title_en = "Pigeon"
    capabilities = Capabilities()

    def __init__(self, step: VendorRequest | Grant | None, answer: Grant | Outcome | None = None) -> None:
        self.step = step
        self.answer = answer

    def login(self, certificate: Certificate, now_ms: int) -> VendorRequest | Grant | None:
        return self.step

    def read_login(self, certificate: Certificate, response: VendorResponse, now_ms: int) -> Grant | Outcome | None:
        return self.answer


class Line:
    """A transport with one answer."""

    def __init__(self, answer: VendorResponse | TransportFailure) -> None:
        self.answer = answer
        self.sent: list[VendorRequest] = []

    async def send(self, request: VendorRequest, *, pool: str) -> VendorResponse | TransportFailure:
        self.sent.append(request)
        return self.answer


async def _check(vendor: Any, answer: VendorResponse | TransportFailure, clock: Any) -> Any:
    return await check_credentials(vendor, CERTIFICATE, Line(answer), clock)


async def test_credentials_that_are_taken_work(clock: Any) -> None:
    found = await _check(Vendor(LOGIN, Grant("t", 1)), VendorResponse(200, {}, b""), clock)
    assert found.verdict is Verdict.WORKS
    assert found.cure == ""


async def test_refused_credentials_are_told_with_the_vendors_code(clock: Any) -> None:
    refusal = Outcome(OutcomeKind.CREDENTIALS_REFUSED, "invalid_grant", "account not found")
    found = await _check(Vendor(LOGIN, refusal), VendorResponse(400, {}, b""), clock)
    assert found.verdict is Verdict.REFUSED
    assert "invalid_grant account not found" in found.sentence
    assert "homing cert set" in found.cure


async def test_a_vendor_that_is_out_of_order_is_not_called_a_refusal(clock: Any) -> None:
    found = await _check(Vendor(LOGIN, Outcome(OutcomeKind.VENDOR_DOWN)), VendorResponse(503, {}, b"<html>"), clock)
    assert found.verdict is Verdict.UNREACHABLE
    assert "HTTP 503" in found.sentence


@pytest.mark.parametrize("kind", list(FailureKind))
async def test_every_way_of_not_answering_has_a_cure(kind: FailureKind, clock: Any) -> None:
    found = await _check(Vendor(LOGIN), TransportFailure(kind, "detail"), clock)
    assert found.verdict is Verdict.UNREACHABLE
    assert found.cure


@pytest.mark.parametrize("step", [None, Grant("signed here", 1)])
async def test_a_vendor_without_a_login_is_not_asked(step: Grant | None, clock: Any) -> None:
    line = Line(VendorResponse(200, {}, b""))
    vendor: Any = Vendor(step)
    found = await check_credentials(vendor, CERTIFICATE, line, clock)
    assert found.verdict is Verdict.NOT_ASKED
    assert line.sent == []


async def test_a_clock_that_is_off_is_named_as_the_likely_cause(clock: Any) -> None:
    refusal = Outcome(OutcomeKind.CREDENTIALS_REFUSED, "invalid_grant")
    answer = VendorResponse(400, {"date": "Fri, 15 Jan 2027 08:10:00 GMT"}, b"")
    found = await _check(Vendor(LOGIN, refusal), answer, clock)
    assert found.clock_off_seconds == -600
    assert "600 seconds behind" in found.cure


async def test_a_vendor_that_tells_no_time_or_nonsense_is_no_problem(clock: Any) -> None:
    for headers in ({}, {"date": "yesterday"}):
        assert (await _check(Vendor(LOGIN, Grant("t", 1)), VendorResponse(200, headers, b""), clock)).clock_off_seconds is None
