"""What a mock vendor received: every message and token once, with when, how often, and under which notification tag."""

from __future__ import annotations

import re
import time
from typing import Any

#: Marks that the load puts into the text of a message and into tokens, so that both are found in any vendor's body.
MESSAGE = re.compile(rb"hb-[0-9a-z]+-[0-9]+")
TOKEN = re.compile(rb"hbtok-[0-9a-z]+")
TAG = re.compile(rb'"tag":"([^"]*)"|notify_id(?:":|=)(\d+)')


class Fault:
    """How some requests are answered instead of well: a kind of ``mock_vendor``, a status, a Retry-After."""

    __slots__ = ("kind", "retry_after", "status")

    def __init__(self, kind: str = "status", status: int = 503, retry_after: str = "1") -> None:
        self.kind = kind
        self.status = status
        self.retry_after = retry_after


class Seen:
    """One message as the vendor saw it. ``tokens`` counts the well answered requests for each token."""

    __slots__ = ("arrived_ns", "bad", "fault", "faults_left", "tag", "tags_differ", "tokens")

    def __init__(self, tag: bytes, fault: Fault | None, times: int) -> None:
        self.arrived_ns = 0
        self.bad = 0
        self.tag = tag
        self.tags_differ = False
        self.tokens: dict[bytes, int] = {}
        self.fault = fault
        self.faults_left = times


class Ledger:
    """All of it. Which messages meet a fault is counted off, not drawn: a run can be repeated."""

    def __init__(self) -> None:
        self.messages: dict[bytes, Seen] = {}
        self.requests = self.pushes = self.logins = self.in_flight = 0
        self.first_ns = self.last_ns = 0
        self._faults: list[Fault] = []
        self._every = 0
        self._times = 1
        self._channel = ""
        self._fresh = self._faulty = 0

    def order(self, faults: list[Fault], share: float, times: int, channel: str) -> None:
        """From now on this share of new messages meets a fault ``times`` times, before it is answered well."""
        self._faults = faults
        self._every = max(1, round(1 / share)) if faults and share > 0 else 0
        self._times = times
        self._channel = channel
        self._fresh = 0

    def look(self, channel: str, body: bytes) -> tuple[Seen, Fault | None]:
        """A request arrived. Returns its entry and the fault that it meets now."""
        self.requests += 1
        found = MESSAGE.search(body)
        mark = found[0] if found is not None else b""
        seen = self.messages.get(mark)
        tag = b""
        if (match := TAG.search(body)) is not None:
            tag = match[1] or match[2] or b""
        if seen is None:
            fault = self._next_fault(channel)
            seen = self.messages[mark] = Seen(tag, fault, self._times if fault is not None else 0)
        elif seen.tag != tag:
            seen.tags_differ = True
        if seen.fault is not None and seen.faults_left > 0:
            seen.faults_left -= 1
            seen.bad += 1
            return seen, seen.fault
        return seen, None

    def accept(self, seen: Seen, body: bytes, arrived_ns: int) -> None:
        """The request was answered well."""
        self.first_ns = self.first_ns or arrived_ns
        self.last_ns = arrived_ns
        seen.arrived_ns = seen.arrived_ns or arrived_ns
        tokens = TOKEN.findall(body) or (b"",)
        self.pushes += len(tokens)
        counts = seen.tokens
        for token in tokens:
            counts[token] = counts.get(token, 0) + 1

    def _next_fault(self, channel: str) -> Fault | None:
        if not self._every or (self._channel and channel != self._channel):
            return None
        self._fresh += 1
        if self._fresh % self._every:
            return None
        self._faulty += 1
        return self._faults[self._faulty % len(self._faults)]

    def totals(self) -> dict[str, Any]:
        """The counts, for polling."""
        return {
            "requests": self.requests,
            "pushes": self.pushes,
            "logins": self.logins,
            "in_flight": self.in_flight,
            "messages": len(self.messages),
            "first_ns": self.first_ns,
            "last_ns": self.last_ns,
            "now_ns": time.monotonic_ns(),
        }

    def dump(self) -> list[list[Any]]:
        """Every message: mark, first good arrival, bad answers, whether tags differed, good answers per token."""
        return [
            [mark.decode(), seen.arrived_ns, seen.bad, seen.tags_differ, {token.decode(): n for token, n in seen.tokens.items()}]
            for mark, seen in self.messages.items()
        ]
