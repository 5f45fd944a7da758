"""What all exchanges with a vendor have in common, whichever lane or log-in makes them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from homing.model.certificates import Certificate
from homing.model.outcome import Outcome, OutcomeKind, TransportFailure

if TYPE_CHECKING:
    from homing.channels.base import Channel

MAX_DETAIL_CHARS = 500


def pool_of(certificate: Certificate) -> str:
    """The bulkhead of a certificate's connections; what was saved anew begins with new ones."""
    return f"{certificate.sdkappid}/{certificate.business_id}/{certificate.version}"


def rate_of(certificate: Certificate, channel: Channel) -> float:
    """Requests a second: the certificate's own limit, else the vendor's; 0 where there is none."""
    return certificate.options.requests_per_second or channel.capabilities.requests_per_second or 0.0


def unanswered(failure: TransportFailure) -> Outcome:
    """What it means that no answer came."""
    return Outcome(OutcomeKind.VENDOR_DOWN, f"transport_{failure.kind.value}", failure.detail)


def attempt_row(push_id: int, number: int, outcome: Outcome, request: str, answer: str, at_ms: int, latency_ms: int) -> tuple[Any, ...]:
    """An attempt in the columns' order of ``push_queue.attempts``."""
    return (push_id, number, at_ms, latency_ms, outcome.kind.value, outcome.code, outcome.detail[:MAX_DETAIL_CHARS], request, answer)
