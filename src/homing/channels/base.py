"""What a vendor is: the protocol that every channel fills in, and the metadata of its certificate fields.

A channel turns values into values. It never opens a socket, reads a clock or raises for a vendor's no.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Protocol

import msgspec

from homing.model.certificates import Certificate
from homing.model.notification import Notification, Target
from homing.model.outcome import Grant, Outcome, ReceiptAnswer, ReceiptRequest, VendorRequest, VendorResponse


class FieldInfo(msgspec.Struct, frozen=True):
    """How a certificate field is presented: form label, secret or not, help. Put into ``msgspec.Meta(extra=...)``."""

    label_en: str
    label_zh: str
    help_en: str = ""
    help_zh: str = ""
    secret: bool = False
    file: bool = False  # the value is a file's content (--file key=PATH)
    choices: tuple[str, ...] = ()


def field(
    label_en: str,
    label_zh: str,
    help_en: str = "",
    help_zh: str = "",
    *,
    secret: bool = False,
    file: bool = False,
    choices: tuple[str, ...] = (),
    **constraints: Any,
) -> msgspec.Meta:
    """Metadata for one certificate field: ``app_id: Annotated[str, field("App ID", "应用 ID")]``."""
    info = FieldInfo(label_en, label_zh, help_en, help_zh, secret, file, choices)
    return msgspec.Meta(extra={"field": info}, **constraints)


class FieldProblem(msgspec.Struct, frozen=True):
    """Something wrong or risky with a certificate, found before anything is sent."""

    field: str
    sentence: str
    cure: str
    warning: bool = False  # True: it may be saved, but will bite


class Capabilities(msgspec.Struct, frozen=True, kw_only=True):
    """What a vendor can do and its limits. The capability matrix in the documents is made from these."""

    batch_size: int = 1
    click_actions: tuple[str, ...] = ("launcher",)
    custom_sound: bool = False
    badge: bool = False
    channel_id: bool = False
    classes: bool = False
    image: bool = False
    title_limit: int | None = None  # user-visible characters; None: only the payload limit counts
    body_limit: int | None = None
    payload_limit_bytes: int = 4096
    min_ttl_seconds: int = 0
    max_ttl_seconds: int = 28 * 86_400
    recall: bool = False
    receipts: bool = False
    login_token_seconds: int | None = None  # None: no log-in
    http_version: str = "1.1/2"
    requests_per_second: float | None = None  # the vendor's documented default; None: none documented
    max_in_flight: int = 100


class Channel(Protocol):
    """One vendor's protocol, sans I/O."""

    name: str
    title_en: str
    title_zh: str
    push_platform: int  # PushPlatform number of the original product's records
    platforms: frozenset[str]  # device platforms it can reach
    capabilities: Capabilities
    credentials_type: type[msgspec.Struct]
    options_type: type[msgspec.Struct]

    def check(self, certificate: Certificate) -> list[FieldProblem]:
        """Everything about this certificate that would fail or bite later, without asking the vendor."""
        ...

    def login(self, certificate: Certificate, now_ms: int) -> VendorRequest | Grant | None:
        """How to get a log-in grant: a request to send, a grant made here (a signed JWT), or None where none is needed."""
        ...

    def read_login(self, certificate: Certificate, response: VendorResponse, now_ms: int) -> Grant | Outcome:
        """The grant in a log-in answer, or what the refusal means."""
        ...

    def render(
        self, notification: Notification, targets: Sequence[Target], certificate: Certificate, grant: Grant | None, now_ms: int
    ) -> list[VendorRequest]:
        """The vendor requests for these targets, batched to the vendor's limit. Never fails: content is cut to the limits."""
        ...

    def interpret(self, request: VendorRequest, response: VendorResponse, now_ms: int) -> list[Outcome]:
        """What the answer means, one outcome for each target of the request, in order."""
        ...

    def read_receipts(self, certificate: Certificate, request: ReceiptRequest, now_ms: int) -> ReceiptAnswer:
        """The receipts in a vendor's call on our endpoint. A wrong signature yields none and says so in the status."""
        ...

    def parse_extras(self, extras: dict[str, Any]) -> str | None:
        """The sender's ext out of what this vendor's client hands to the tapped app, or None."""
        ...


Problems = Callable[[Certificate], list[FieldProblem]]


class CommonOptions(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Options that every channel has (CONTRACT, names of the certificate fields). Vendors' structs inherit from this."""

    click_action: str = "launcher"
    click_value: str = ""
    channel_id: str = ""
    sound: str = ""
    notification_class: str = "private"
    package_name: str = ""
    base_url: str = ""  # "": the vendor's production host
    auth_url: str = ""
    ca_file: str = ""
    callback_base_url: str = ""
    requests_per_second: float = 0  # 0: the vendor's documented default
    max_in_flight: int = 0  # 0: the channel's default
