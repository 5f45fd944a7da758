"""Faults that a test orders: latency, refusals, resets, GOAWAY, refused streams, dead tokens and spent quotas."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

KINDS = ("latency", "status", "reset", "goaway", "dead_token", "quota", "refused_stream", "max_streams")
# HTTP/2 only: refused_stream answers RST_STREAM REFUSED_STREAM, max_streams announces another limit of concurrent streams.
BODIES = ("html", "empty", "truncated", "cut", "ok_but_no")  # cut: more bytes are promised than come
MAX_FAULTS = 1000
MAX_LATENCY_MS = 600_000


class BadFault(ValueError):
    """The order is not understood; the text says why."""


@dataclass(slots=True)
class Fault:
    """One ordered fault. ``left`` counts down; None means until it is deleted."""

    id: int
    vendor: str  # "*" for every vendor
    kind: str
    ms: int = 0
    status: int = 503
    left: int | None = None
    rate: float = 1.0
    token: str | None = None
    body: str | None = None
    retry_after: int | None = None
    streams: int = 1  # of max_streams
    path: str | None = None  # only requests whose path contains this

    def as_dict(self) -> dict[str, Any]:
        """For the control API."""
        return {
            "id": self.id,
            "vendor": self.vendor,
            "kind": self.kind,
            "ms": self.ms,
            "status": self.status,
            "count": self.left,
            "rate": self.rate,
            "token": self.token,
            "body": self.body,
            "retry_after": self.retry_after,
            "path": self.path,
            "streams": self.streams,
        }


class FaultBook:
    """The ordered faults. ``take`` spends one use of the first that applies."""

    def __init__(self, chance: Callable[[], float] | None = None) -> None:
        self._chance = chance or random.random
        self._faults: list[Fault] = []
        self._next_id = 1

    def __len__(self) -> int:
        return len(self._faults)

    def all(self) -> list[Fault]:
        """The faults in force, in the order in which they were given."""
        return list(self._faults)

    def clear(self) -> int:
        """Remove every fault; how many there were."""
        count = len(self._faults)
        self._faults.clear()
        return count

    def add(self, order: dict[str, Any]) -> Fault:
        """Read an order of the control API. Raises BadFault with a sentence."""
        if len(self._faults) >= MAX_FAULTS:
            raise BadFault(f"there are {MAX_FAULTS} faults already; delete some")
        fault = _read(self._next_id, order)
        self._next_id += 1
        self._faults.append(fault)
        return fault

    def take(self, vendor: str, kind: str, *, token: str | None = None, path: str = "") -> Fault | None:
        """The fault that hits now, or None. A fault for one token hits only that token."""
        for fault in self._faults:
            if fault.kind != kind or fault.vendor not in (vendor, "*"):
                continue
            if (fault.token is not None and fault.token != token) or (fault.path is not None and fault.path not in path):
                continue
            if fault.rate < 1.0 and self._chance() >= fault.rate:
                continue
            self._spend(fault)
            return fault
        return None

    def _spend(self, fault: Fault) -> None:
        if fault.left is None:
            return
        fault.left -= 1
        if fault.left <= 0:
            self._faults.remove(fault)


def _read(number: int, order: dict[str, Any]) -> Fault:
    vendor, kind = order.get("vendor", "*"), order.get("kind")
    if not isinstance(vendor, str) or not vendor:
        raise BadFault("vendor must be a vendor's name, or * for all")
    if kind not in KINDS:
        raise BadFault(f"kind must be one of {', '.join(KINDS)}")
    fault = Fault(id=number, vendor=vendor, kind=kind)
    fault.ms = _integer(order, "ms", 0, MAX_LATENCY_MS) or 0
    fault.status = _integer(order, "status", 200, 599) or (200 if order.get("body") == "ok_but_no" else 503)
    fault.left = _integer(order, "count", 1, 1_000_000_000)
    fault.retry_after = _integer(order, "retry_after", 0, 86_400)
    fault.streams = _integer(order, "streams", 1, 10_000) or 1
    fault.rate = _rate(order.get("rate"))
    fault.token, fault.path = _text(order, "token"), _text(order, "path")
    fault.body = _text(order, "body")
    if fault.body is not None and fault.body not in BODIES:
        raise BadFault(f"body must be one of {', '.join(BODIES)}")
    return fault


def _integer(order: dict[str, Any], key: str, low: int, high: int) -> int | None:
    value = order.get(key)
    if value is None:
        return None
    if not isinstance(value, int) or isinstance(value, bool) or not low <= value <= high:
        raise BadFault(f"{key} must be a whole number from {low} to {high}")
    return value


def _rate(value: Any) -> float:
    if value is None:
        return 1.0
    if not isinstance(value, int | float) or isinstance(value, bool) or not 0 < value <= 1:
        raise BadFault("rate must be a number above 0 and up to 1")
    return float(value)


def _text(order: dict[str, Any], key: str) -> str | None:
    value = order.get(key)
    if value is not None and not isinstance(value, str):
        raise BadFault(f"{key} must be text")
    return value
