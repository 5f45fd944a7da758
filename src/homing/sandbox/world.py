"""The sandbox's state: phones, faults, the request log, live events; and the way of a notice to a phone."""

from __future__ import annotations

import asyncio
import itertools
from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

from .base import Notice, PhoneEvent, RealClock, SandboxClock, VendorSimulator
from .faults import FaultBook
from .phones import Phone
from .receipts import ReceiptPost
from .tls import CertificateAuthority
from .tray import arrive, put_into_store

MAX_PHONES = 1_000_000
MAX_EVENTS = 10_000
DEFAULT_LOG = 20_000
MAX_LOGGED_BODY = 262_144  # a thousand tokens fit
MAX_LOGGED_BYTES = 64 * 1024 * 1024


@dataclass(slots=True)
class LoggedRequest:
    """One vendor request in the log."""

    n: int
    at_ms: int
    vendor: str
    method: str
    path: str
    headers: dict[str, str]
    body: str
    status: int
    verdict: str  # "accepted" | "refused" | "fault"
    reason: str
    http_version: str

    def as_dict(self) -> dict[str, Any]:
        """For the control API."""
        names = ("n", "vendor", "method", "path", "headers", "body", "status", "verdict", "reason", "http_version")
        return {"at": self.at_ms, **{name: getattr(self, name) for name in names}}


@dataclass
class World:
    """Everything that the simulators and the control API share. Nothing here does I/O."""

    clock: SandboxClock = field(default_factory=RealClock)
    faults: FaultBook = field(default_factory=FaultBook)
    log_size: int = DEFAULT_LOG
    base_url: str = ""  # where the vendors answer, e.g. http://127.0.0.1:9100
    apns_url: str = ""  # where HTTP/2 alone is spoken
    apns_tls_url: str = ""  # the same with TLS, when there is a listener of its own
    apns_ca_pem: str = ""  # the CA of a TLS listener, when there is one
    apns_ca_file: str = ""  # where it is written
    authority: CertificateAuthority | None = None  # signs client certificates for that listener
    receipts_to: str = ""  # base of the receiver's receipt URLs
    post_receipt: Callable[[ReceiptPost], bool] = lambda _post: False  # set by the server

    def __post_init__(self) -> None:
        self.phones: dict[str, Phone] = {}
        self.vendors: dict[str, VendorSimulator] = {}
        self.requests: deque[LoggedRequest] = deque(maxlen=self.log_size)
        self.events: deque[dict[str, Any]] = deque(maxlen=MAX_EVENTS)
        self.counts: dict[str, dict[str, int]] = {}
        self._tokens: dict[tuple[str, str], Phone] = {}
        self._ids = itertools.count(1)
        self._request_numbers = itertools.count(1)
        self._event_numbers = itertools.count(1)
        self._news = asyncio.Event()
        self._logged_bytes = 0

    def next_id(self) -> int:
        """A number that was never given before."""
        return next(self._ids)

    def add_vendor(self, simulator: VendorSimulator) -> None:
        """Put a simulator into the world."""
        self.vendors[simulator.name] = simulator

    def vendor_of_brand(self, brand: str) -> VendorSimulator | None:
        """The simulator whose tokens phones of this brand carry."""
        return next((v for v in self.vendors.values() if brand in v.brands), None)

    def brands(self) -> list[str]:
        """Every brand that a phone can have."""
        return [brand for vendor in self.vendors.values() for brand in vendor.brands]

    def add_phone(self, phone: Phone) -> None:
        """Register a phone that has its token."""
        self.phones[phone.id] = phone
        self._tokens[(phone.vendor, phone.token)] = phone

    def change_token(self, phone: Phone, token: str) -> None:
        """The vendor SDK reports a new token; the old one stays known and dead for the vendor's own table."""
        self._tokens.pop((phone.vendor, phone.token), None)
        phone.token = token
        self._tokens[(phone.vendor, token)] = phone

    def find_token(self, vendor: str, token: str) -> Phone | None:
        """The phone that holds this vendor token, whatever its state."""
        return self._tokens.get((vendor, token))

    def notify(self, phone: Phone, notice: Notice) -> PhoneEvent:
        """Bring a notice to a phone, or keep it as the vendor would. The notice's hook hears what happens, now and later."""
        notice.accepted_at_ms = self.clock.now_ms()
        if not phone.app_installed:
            return self.tell(PhoneEvent.APP_GONE, phone, notice, "the app was uninstalled")
        if phone.offline or (phone.doze and not notice.store.high_priority):
            if notice.ttl_ms <= 0:
                return self.tell(PhoneEvent.EXPIRED, phone, notice, "time to live 0 and the phone is away")
            for dropped in put_into_store(phone, notice):
                self.tell(PhoneEvent.REPLACED, phone, dropped, "pushed out of the vendor's store")
            return self.tell(PhoneEvent.STORED, phone, notice, "the phone is away")
        return self._arrive(phone, notice)

    def release_stored(self, phone: Phone) -> None:
        """The phone is back: what the vendor kept arrives, what is too old expires."""
        waiting, phone.stored = phone.stored, []
        for notice in waiting:
            if phone.offline or (phone.doze and not notice.store.high_priority):
                phone.stored.append(notice)
            elif self.clock.now_ms() >= notice.accepted_at_ms + notice.ttl_ms:
                self.tell(PhoneEvent.EXPIRED, phone, notice, "time to live is over")
            else:
                self._arrive(phone, notice)

    def _arrive(self, phone: Phone, notice: Notice) -> PhoneEvent:
        notice.received_at_ms = self.clock.now_ms()
        self.tell(PhoneEvent.DELIVERED, phone, notice, "")
        event, reason = arrive(phone, notice, self.next_id())
        return self.tell(event, phone, notice, reason)

    def tell(self, event: PhoneEvent, phone: Phone, notice: Notice, reason: str) -> PhoneEvent:
        """Record what happened and let the vendor hear it."""
        self.publish(
            {"event": str(event), "phone_id": phone.id, "vendor": notice.vendor, "vendor_message_id": notice.message_id, "reason": reason}
        )
        if notice.on_event is not None:
            notice.on_event(event, phone, notice, reason)
        return event

    def publish(self, event: dict[str, Any]) -> None:
        """Put an event on the live stream."""
        self.events.append({"n": next(self._event_numbers), "at": self.clock.now_ms(), **event})
        self._news.set()
        self._news = asyncio.Event()

    def events_after(self, after: int) -> list[dict[str, Any]]:
        """Events with a higher number, oldest first."""
        return _after(self.events, lambda e: e["n"] > after)

    async def wait_for_news(self, timeout_seconds: float) -> bool:
        """Wait until something is published; False when nothing was in time."""
        try:
            async with asyncio.timeout(timeout_seconds):
                await self._news.wait()
        except TimeoutError:
            return False
        return True

    def log(self, vendor: str, request: Any, status: int, verdict: str, reason: str) -> LoggedRequest:
        """Record a vendor request (a SimRequest) and its verdict."""
        body = request.body[:MAX_LOGGED_BODY].decode("utf-8", "replace")
        entry = LoggedRequest(
            next(self._request_numbers),
            self.clock.now_ms(),
            vendor,
            request.method,
            request.path,
            dict(request.headers),
            body,
            status,
            verdict,
            reason,
            request.http_version,
        )
        if len(self.requests) == self.log_size:
            self._forget_oldest()
        self.requests.append(entry)
        self._logged_bytes += len(body)
        while self._logged_bytes > MAX_LOGGED_BYTES:
            self._forget_oldest()
        counts = self.counts.setdefault(vendor, {"requests": 0, "accepted": 0, "refused": 0, "fault": 0})
        counts["requests"] += 1
        counts[verdict] += 1
        return entry

    def _forget_oldest(self) -> None:
        self._logged_bytes -= len(self.requests.popleft().body)

    def requests_after(self, after: int, vendor: str | None = None, limit: int = DEFAULT_LOG) -> list[LoggedRequest]:
        """Logged requests with a higher number, oldest first."""
        found = _after(self.requests, lambda r: r.n > after)
        return [r for r in found if vendor is None or r.vendor == vendor][:limit]


def _after(ring: Iterable[Any], is_newer: Any) -> list[Any]:
    """The newer end of a ring, without walking through its old part."""
    found: list[Any] = []
    for entry in reversed(ring):  # type: ignore[call-overload]
        if not is_newer(entry):
            break
        found.append(entry)
    found.reverse()
    return found
