"""What the parts of the sandbox hand to one another: requests, responses, notices for phones, and what a simulator is."""

from __future__ import annotations

import enum
import itertools
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from .phones import Phone

_connection_numbers = itertools.count(1)


class SandboxClock(Protocol):
    """The wall clock in milliseconds and a monotonic one in seconds."""

    def now_ms(self) -> int:
        """Milliseconds since 1970, UTC."""
        ...

    def monotonic(self) -> float:
        """Seconds on a clock that never jumps."""
        ...


class RealClock:
    """The machine's clock."""

    def now_ms(self) -> int:
        return time.time_ns() // 1_000_000

    def monotonic(self) -> float:
        return time.monotonic()


@dataclass(slots=True)
class ConnectionState:
    """One client connection. A simulator keeps in ``values`` what a vendor binds to a connection (team, tokens seen)."""

    number: int = field(default_factory=lambda: next(_connection_numbers))
    values: dict[str, Any] = field(default_factory=dict)


@dataclass(slots=True)
class SimRequest:
    """One HTTP request as it arrived. Header names are lower case, the path is still percent-encoded and has no query."""

    method: str
    path: str
    query: dict[str, str] = field(default_factory=dict)
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b""
    http_version: str = "1.1"
    connection: ConnectionState = field(default_factory=ConnectionState)
    header_list: tuple[tuple[str, str], ...] = ()  # HTTP/2 only: as they came, a repeated header twice
    client_certificate: bytes | None = None  # DER of the client's certificate, when it showed one


@dataclass(slots=True)
class SimResponse:
    """The answer. ``goaway`` ends the HTTP/2 connection (HTTP/1.1: closes it) after it, ``reset`` kills the stream instead of it;
    both together: GOAWAY that leaves the request unprocessed.
    """

    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b""
    goaway: bool = False
    reset: bool = False
    refused_stream: bool = False  # HTTP/2: RST_STREAM REFUSED_STREAM, not processed
    goaway_body: bytes = b""  # additional data of the GOAWAY frame
    truncate: bool = False  # promise more bytes than are sent, then close
    accepted: bool = True  # the verdict for the request log
    reason: str = ""  # why not, in the vendor's own code and words
    stream: AsyncIterator[bytes] | None = None  # HTTP/1.1 only: sent in chunks instead of ``body``


class VendorSimulator(Protocol):
    """One vendor's server side."""

    name: str  # the channel name: "fcm", "apns", "huawei", "xiaomi"
    brands: tuple[str, ...]  # phones whose tokens it issues: ("google",)

    def matches(self, request: SimRequest) -> bool:
        """Whether this request is for this vendor. Paths of the vendors do not overlap."""
        ...

    async def handle(self, request: SimRequest) -> SimResponse:
        """Answer as the vendor would. Never raises for bad input."""
        ...

    def issue_token(self, phone: Phone) -> str:
        """Register the phone's app and return its vendor token; makes the vendor app (credentials) on first use."""
        ...

    def business_hint(self, phone: Phone) -> dict[str, Any]:
        """What a certificate for this phone needs: ``{"channel", "settings": {..}, "files": {name: content}}``."""
        ...


class TapKind(enum.StrEnum):
    """What a tap does."""

    LAUNCHER = "launcher"  # the app's launcher activity
    INTENT_URI = "intent_uri"  # value: intent://...#Intent;...;end
    ACTIVITY = "activity"  # value: a class name
    ACTION = "action"  # value: an intent action, restricted to the app's package
    WEB = "web"  # value: a URL
    RECEIVER = "receiver"  # no page: the app's own receiver gets the click
    PAGE = "page"  # a page of an app without a manifest; value: its URI
    NO_PAGE = "no_page"  # an app without a manifest has no such page; value: why, in words


class PhoneEvent(enum.StrEnum):
    """What became of a notice on a phone."""

    DELIVERED = "delivered"  # it reached the device
    SHOWN = "shown"
    NOT_SHOWN = "not_shown"  # it reached the device; the reason tells why nothing is in the tray
    HANDED_TO_APP = "handed_to_app"  # data message, or the app is in the foreground
    CLICKED = "clicked"
    STORED = "stored"  # the phone is away: the vendor keeps it
    EXPIRED = "expired"  # its time ran out while it was stored
    REPLACED = "replaced"  # pushed out of the vendor's store by a newer one
    APP_GONE = "app_gone"  # the app was uninstalled


EventHook = Callable[["PhoneEvent", "Phone", "Notice", str], None]


@dataclass(slots=True)
class StoreRule:
    """How a vendor keeps a notice for a phone that is away."""

    group: str | None = None  # only the newest of a group is kept; None: all are kept
    cap: int = 100  # how many of one app are kept for one phone
    overflow_drops_all: bool = False  # one too many discards everything, as FCM does; else the oldest goes
    high_priority: bool = True  # reaches a dozing phone at once


@dataclass(slots=True, eq=False)
class Notice:
    """A notification (or data message) on its way from a vendor to one phone."""

    vendor: str
    message_id: str
    package: str
    title: str = ""
    body: str = ""
    tap: TapKind = TapKind.LAUNCHER
    tap_value: str = ""
    tap_data: str | None = None  # data URI for an action or activity tap
    extras: dict[str, Any] = field(default_factory=dict)  # what the opened page finds in its extras
    data_only: bool = False  # nothing is shown; the app's code gets ``extras``
    channel_id: str | None = None
    fallback_channel: str | None = "default"  # when the phone has no such channel; None: then nothing is shown
    fallback_takes_sound: bool = False  # the fallback channel is made with this notice's sound
    create_channel: bool = False  # the vendor's client creates a missing channel with this notice's sound
    sound: str | None = None  # resource or file name; "default": system tone; None: silent
    silent: bool = False
    badge: int | None = None  # absolute
    badge_add: int | None = None
    image: str = ""
    replace_key: str | None = None  # an equal key replaces the shown notification
    group: str = ""
    first_wins_key: str | None = None  # an equal key was shown before: this one is not
    show_in_foreground: bool = True
    visibility: str = "private"  # private | public | secret on the lock screen
    ttl_ms: int = 86_400_000
    started_by_app: bool = False  # the app itself starts the page, so that it need not be exported
    store: StoreRule = field(default_factory=StoreRule)
    on_event: EventHook | None = None
    received_at_ms: int = 0  # set when it reaches the phone
    accepted_at_ms: int = 0  # set by World.notify


Handler = Callable[[SimRequest], Awaitable[SimResponse]]
