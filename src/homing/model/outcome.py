"""What a vendor's answer means: a closed set, each with one action, and the wire values around it."""

from __future__ import annotations

import enum
from collections.abc import Mapping

import msgspec

from .notification import Target


class OutcomeKind(enum.StrEnum):
    """The closed set of DESIGN section 5. The action for each stands in ``rules/push_state.py``."""

    ACCEPTED = "accepted"
    TOKEN_DEAD = "token_dead"
    MESSAGE_REFUSED = "message_refused"
    CLASS_REFUSED = "class_refused"
    CREDENTIALS_REFUSED = "credentials_refused"
    AUTH_EXPIRED = "auth_expired"
    THROTTLED = "throttled"
    QUOTA_APP = "quota_app"
    QUOTA_DEVICE = "quota_device"
    VENDOR_DOWN = "vendor_down"
    UNKNOWN = "unknown"


class Evidence(enum.StrEnum):
    """How sure a ``token_dead`` is. Blanket failures never delete a token (promise 4)."""

    TOKEN = "token"  # the vendor named this token
    REQUEST = "request"  # the vendor refused the whole request; believed only beside a recent success


class Outcome(msgspec.Struct, frozen=True, gc=False):
    """The meaning of an answer for one target."""

    kind: OutcomeKind
    code: str = ""  # the vendor's own code, e.g. "UNREGISTERED", "80300007"
    detail: str = ""  # the vendor's words, cut to a line
    vendor_message_id: str = ""
    retry_after_seconds: float | None = None  # the vendor said when
    dead_since_ms: int | None = None  # the token was dead from then on (APNs 410)
    evidence: Evidence = Evidence.TOKEN
    replacement_token: str = ""
    reconnect: bool = False  # the connection is spoilt: send the next request on a new one


class VendorRequest(msgspec.Struct, frozen=True, gc=False):
    """One HTTP request to a vendor, with the targets it covers."""

    method: str
    url: str
    headers: tuple[tuple[str, str], ...]
    body: bytes
    targets: tuple[Target, ...] = ()
    http2: bool = False  # HTTP/2 only (APNs); else whatever ALPN settles
    timeout_seconds: float = 15.0
    secrets: tuple[str, ...] = ()  # values that must be masked wherever this request is shown
    client_pem: bytes = b""  # certificate and key for mutual TLS, PEM
    ca_file: str = ""
    context: str = ""  # the channel's own note for reading the answer; never sent

    def __repr__(self) -> str:
        return f"VendorRequest({self.method} {self.url}, {len(self.body)} bytes, {len(self.targets)} targets)"


class VendorResponse(msgspec.Struct, frozen=True, gc=False):
    """A vendor's answer. Header names are lower case."""

    status: int
    headers: Mapping[str, str]
    body: bytes


class FailureKind(enum.StrEnum):
    """Why there was no answer."""

    DNS = "dns"
    CONNECT = "connect"
    TLS = "tls"
    TIMEOUT = "timeout"
    CLOSED = "closed"  # connection lost in the middle: the vendor may have taken the message
    BLOCKED = "blocked"  # the address is not allowed (SSRF guard)
    TOO_LARGE = "too_large"  # the answer was larger than we read


class TransportFailure(msgspec.Struct, frozen=True):
    """No answer came."""

    kind: FailureKind
    detail: str = ""


class Grant(msgspec.Struct, frozen=True):
    """A vendor's log-in token, or a self-signed one. Shared by all connections and all nodes."""

    access_token: str
    expires_at_ms: int
    issued_at_ms: int = 0

    def __repr__(self) -> str:
        return f"Grant(expires_at_ms={self.expires_at_ms})"


class ReceiptKind(enum.StrEnum):
    """A later word about a push."""

    DELIVERED = "delivered"
    SHOWN = "shown"
    CLICKED = "clicked"
    DROPPED = "dropped"
    TOKEN_DEAD = "token_dead"
    MUTED = "muted"  # notifications are switched off on the phone


class Receipt(msgspec.Struct, frozen=True):
    """One receipt, tied to a push by its id, or by message id and token."""

    kind: ReceiptKind
    at_ms: int
    push_id: int | None = None
    msg_id: str = ""
    token: str = ""
    code: str = ""
    detail: str = ""
    replacement_token: str = ""


class ReceiptRequest(msgspec.Struct, frozen=True):
    """A vendor's call on our receipt endpoint."""

    headers: dict[str, str]  # lower-case names
    query: dict[str, str]
    body: bytes


class ReceiptAnswer(msgspec.Struct, frozen=True):
    """What a receipt call contained, and what the vendor wants to hear."""

    receipts: tuple[Receipt, ...] = ()
    status: int = 200
    body: bytes = b"{}"
