"""What was sent, and why each message arrived or not: the explanations of the server, kept fresh while something may still happen."""

from __future__ import annotations

from collections import deque
from typing import Any, Protocol

from homing.model.clock import Clock
from homing.model.problems import Refused
from homing.store.engine import StoreBusy

from .cast import SDKAPPID, brand_of_channel

MAX_ENTRIES = 40
WATCH_MS = 180_000  # receipts and taps come late; after this an entry is left as it is
_SETTLED = frozenset({"suppressed", "failed", "expired", "cancelled", "delivered_online"})


class Explainer(Protocol):
    """The service behind `homing explain`."""

    async def message(self, sdkappid: int, key: str, language: str = "en") -> dict[str, Any]:
        """The messages with this MsgKey and all their pushes."""
        ...


class Entry:
    """One message that was sent."""

    def __init__(self, number: int, msg_key: str, sender: str, receiver: str, summary: dict[str, Any], way: str, at_ms: int) -> None:
        self.number, self.msg_key, self.sender, self.receiver = number, msg_key, sender, receiver
        self.summary, self.way, self.at_ms = summary, way, at_ms
        self.pushes: list[dict[str, Any]] = []

    def settled(self, now_ms: int) -> bool:
        """Nothing will change any more."""
        if now_ms - self.at_ms > WATCH_MS:
            return True
        return bool(self.pushes) and all(push["state"] in _SETTLED or push["clicked"] for push in self.pushes)

    def told(self) -> dict[str, Any]:
        """For the page."""
        return {
            "n": self.number,
            "key": self.msg_key,
            "from": self.sender,
            "to": self.receiver,
            "at": self.at_ms,
            "way": self.way,
            **self.summary,
            "pushes": self.pushes,
        }


class Ledger:
    """The newest messages with their explanations."""

    def __init__(self, explain: Explainer, clock: Clock) -> None:
        self._explain, self._clock = explain, clock
        self._entries: deque[Entry] = deque(maxlen=MAX_ENTRIES)
        self._count = 0

    def add(self, msg_key: str, sender: str, receiver: str, summary: dict[str, Any], way: str) -> Entry:
        """A message was sent: by the app on a phone (``device``) or by a backend (``rest``)."""
        self._count += 1
        entry = Entry(self._count, msg_key, sender, receiver, summary, way, self._clock.now_ms())
        self._entries.append(entry)
        return entry

    async def refresh(self) -> bool:
        """Ask again about what is not settled. True when something changed."""
        changed = False
        for entry in list(self._entries):
            if not entry.settled(self._clock.now_ms()):
                changed |= await self.ask(entry)
        return changed

    async def ask(self, entry: Entry) -> bool:
        """Ask about one message. True when something changed."""
        try:
            english = await self._explain.message(SDKAPPID, entry.msg_key, "en")
            chinese = await self._explain.message(SDKAPPID, entry.msg_key, "zh")
        except (Refused, StoreBusy):
            return False
        pairs = zip(_pushes(english), _pushes(chinese), strict=False)
        pushes = [_both(en, zh) for en, zh in pairs if en["user_id"] == entry.receiver]
        changed = pushes != entry.pushes
        entry.pushes = pushes
        return changed

    def told(self) -> list[dict[str, Any]]:
        """Newest first."""
        return [entry.told() for entry in reversed(self._entries)]


def _pushes(told: dict[str, Any]) -> list[dict[str, Any]]:
    return [push for message in told["messages"] for push in message["pushes"]]


def _both(en: dict[str, Any], zh: dict[str, Any]) -> dict[str, Any]:
    """One push in both languages."""
    brand = brand_of_channel(en["channel"])
    device = en["device"] or {}
    return {
        "push_id": str(en["push_id"]),
        "device": device.get("instance_id", ""),
        "platform": device.get("platform", ""),
        "service": brand.service if brand is not None else en["channel"],
        "state": en["state"],
        "reason": en["reason"],
        "state_text": [en["state_text"], zh["state_text"]],
        "reason_text": [en["reason_text"], zh["reason_text"]],
        "device_state": [en["device_state_text"], zh["device_state_text"]],
        "cure": [en["cure"], zh["cure"]],
        "hints": [list(pair) for pair in zip(en["hints"], zh["hints"], strict=False)],
        "attempts": [_attempt(one, other) for one, other in zip(en["attempts"], zh["attempts"], strict=False)],
        "notes": [
            {"kind": one["kind"], "text": [one["text"], other["text"]], "cure": [one["cure"], other["cure"]]}
            for one, other in zip(en["receipts"], zh["receipts"], strict=False)
        ],
        "accepted": en["accepted_at_ms"],
        "delivered": en["delivered_at_ms"],
        "shown": en["shown_at_ms"],
        "clicked": en["clicked_at_ms"],
    }


def _attempt(en: dict[str, Any], zh: dict[str, Any]) -> dict[str, Any]:
    words = [en["outcome_text"], zh["outcome_text"]]
    return {
        "at": en["at_ms"],
        "ms": en["latency_ms"],
        "outcome": en["outcome"],
        "code": en["code"],
        "text": words,
        "request": en["request"],
    }
