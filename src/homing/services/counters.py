"""Counts for the metrics page: plain integers, read when somebody asks."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence

from homing.model.certificates import Certificate
from homing.model.outcome import Outcome

from .fan_out import Stored


class Counters:
    """What happened on this node since it started."""

    def __init__(self) -> None:
        self.messages = 0
        self.commits = 0
        self.decisions: Counter[str] = Counter()
        self.outcomes: Counter[tuple[str, str]] = Counter()
        self.open_sockets: Callable[[], int] = int  # how many devices hold one here now

    def stored(self, items: Sequence[Stored]) -> None:
        """A batch of messages became durable."""
        self.commits += 1
        self.messages += len(items)
        for item in items:
            self.decisions.update(item.reasons)

    def handed_out(self, item: Stored) -> None:
        """Some members of a group were served."""
        self.decisions.update(item.reasons)

    def outcome(self, certificate: Certificate, outcome: Outcome) -> None:
        """A vendor's answer was understood."""
        self.outcomes[certificate.channel, outcome.kind.value] += 1
