"""Ask a vendor whether a certificate's credentials work, by logging in with them. Nothing is sent to a phone."""

from __future__ import annotations

import enum
from email.utils import parsedate_to_datetime
from typing import Protocol

import msgspec

from homing.channels.base import Channel
from homing.model.certificates import Certificate
from homing.model.clock import Clock
from homing.model.outcome import FailureKind, Grant, Outcome, OutcomeKind, TransportFailure, VendorRequest, VendorResponse

MAX_CLOCK_SECONDS = 60


class Verdict(enum.StrEnum):
    """What the log-in showed."""

    WORKS = "works"
    REFUSED = "refused"  # the vendor answered, and said no to these credentials
    UNREACHABLE = "unreachable"  # no answer, or none that can be read
    NOT_ASKED = "not_asked"  # this vendor has no log-in: only a push can tell


class VendorCheck(msgspec.Struct, frozen=True):
    """The result, in words."""

    verdict: Verdict
    sentence: str
    cure: str = ""
    code: str = ""
    latency_ms: int = 0
    clock_off_seconds: int | None = None  # this machine's clock against the vendor's; None: the vendor told no time


class Transport(Protocol):
    """What sends one request."""

    async def send(self, request: VendorRequest, *, pool: str) -> VendorResponse | TransportFailure:
        """The answer, or why there is none."""
        ...


_FAILURE_CURES = {
    FailureKind.DNS: "Check base_url and auth_url of the certificate, and this machine's DNS",
    FailureKind.CONNECT: "Check that this machine may reach the vendor (firewall, proxy), and base_url and auth_url of the certificate",
    FailureKind.TLS: "Check this machine's clock and CA certificates; for a private CA set ca_file of the certificate",
    FailureKind.TIMEOUT: "Check that this machine may reach the vendor (firewall, proxy)",
    FailureKind.CLOSED: "Try again in a minute",
    FailureKind.BLOCKED: "Only public addresses and simulators on loopback may be used: correct base_url and auth_url",
    FailureKind.TOO_LARGE: "Something else than the vendor answers: check base_url and auth_url of the certificate",
}


async def check_credentials(channel: Channel, certificate: Certificate, transport: Transport, clock: Clock) -> VendorCheck:
    """Log in with the vendor and say whether the credentials work."""
    step = channel.login(certificate, clock.now_ms())
    if not isinstance(step, VendorRequest):
        how = "signs its own log-in token" if isinstance(step, Grant) else "has no separate log-in"
        return VendorCheck(
            Verdict.NOT_ASKED,
            f"{channel.title_en} {how}: the credentials are well-formed, and only a push can tell whether the vendor takes them",
            "Send a message to a device with this certificate and look at `homing explain`",
        )
    began = clock.monotonic()
    answer = await transport.send(step, pool=f"check/{certificate.sdkappid}/{certificate.business_id}")
    latency_ms = round((clock.monotonic() - began) * 1000)
    if isinstance(answer, TransportFailure):
        return VendorCheck(
            Verdict.UNREACHABLE,
            f"{channel.title_en} did not answer ({answer.kind}: {answer.detail})",
            _FAILURE_CURES[answer.kind],
            answer.kind,
            latency_ms,
        )
    found = _read(channel, channel.read_login(certificate, answer, clock.now_ms()), answer.status, latency_ms)
    return _with_clock(found, answer, clock.now_ms())


def _with_clock(found: VendorCheck, answer: VendorResponse, now_ms: int) -> VendorCheck:
    """Vendors refuse log-ins that were signed at a wrong time, and seldom say so."""
    try:
        off = round(now_ms / 1000 - parsedate_to_datetime(answer.headers.get("date", "")).timestamp())
    except ValueError:
        return found
    cure = found.cure
    if abs(off) > MAX_CLOCK_SECONDS:
        cure = (
            f"This machine's clock is {abs(off)} seconds {'ahead' if off > 0 else 'behind'}: switch time synchronisation on. {cure}".strip()
        )
    return msgspec.structs.replace(found, clock_off_seconds=off, cure=cure)


def _read(channel: Channel, outcome: Grant | Outcome, status: int, latency_ms: int) -> VendorCheck:
    if isinstance(outcome, Grant):
        return VendorCheck(Verdict.WORKS, f"{channel.title_en} accepted the credentials", "", str(status), latency_ms)
    detail = " ".join(part for part in (outcome.code, outcome.detail) if part) or f"HTTP {status}"
    if outcome.kind in (OutcomeKind.CREDENTIALS_REFUSED, OutcomeKind.AUTH_EXPIRED, OutcomeKind.CLASS_REFUSED):
        return VendorCheck(
            Verdict.REFUSED,
            f"{channel.title_en} refused the credentials ({detail})",
            "Compare them with the vendor's developer console and store them with `homing cert set`; check this machine's clock",
            outcome.code,
            latency_ms,
        )
    return VendorCheck(
        Verdict.UNREACHABLE,
        f"{channel.title_en} gave no usable answer to the log-in ({detail})",
        "Try again in a minute; if it stays so, check base_url and auth_url of the certificate",
        outcome.code,
        latency_ms,
    )
