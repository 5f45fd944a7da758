"""The bulkheads inside a lane whose pushes go to many hosts: one that is down or slow holds up its own pushes alone.

Most channels have one host, and their lane one breaker. Where each token names its host (browsers' push services), the
channel tells the group of hosts that a token belongs to, and each group has a breaker, a pause and a share of the requests.
"""

from __future__ import annotations

from collections import OrderedDict, deque
from collections.abc import Callable, Iterator

from homing.rules.quota import CircuitBreaker

from .jobs import Job

#: Tokens are written by clients, so they may name any number of hosts; the longest idle are forgotten.
MAX_GROUPS = 64
#: How many pushes of a group wait in memory for its share; more go back to the table, so that they leave room for others.
MAX_PARKED = 1_000
FULL_SECONDS = 1.0


class _Group:
    __slots__ = ("breaker", "held_until", "in_flight", "parked")

    def __init__(self) -> None:
        self.breaker = CircuitBreaker()
        self.held_until = 0.0
        self.in_flight = 0
        self.parked: deque[Job] = deque()


class HostGroups:
    """The groups of one lane. ``group_of`` is the channel's word for a token; ``now`` is a monotonic clock's seconds."""

    def __init__(self, group_of: Callable[[str], str], limit: int) -> None:
        """``limit``: requests of the whole lane in flight; one group may have half of them."""
        self._group_of = group_of
        self._share = max(1, limit // 2)
        self._groups: OrderedDict[str, _Group] = OrderedDict()

    def __len__(self) -> int:
        return sum(len(group.parked) for group in self._groups.values())

    def __iter__(self) -> Iterator[Job]:
        """The pushes that are parked."""
        for group in self._groups.values():
            yield from group.parked

    def admit(self, job: Job, now: float) -> float:
        """0: it may be sent. Positive: seconds until it may. Negative: it is parked until a request of its group is answered."""
        group = self._of(job.token)
        if group.held_until > now:
            return group.held_until - now
        if group.in_flight >= self._share:
            if len(group.parked) >= MAX_PARKED:
                return FULL_SECONDS
            group.parked.append(job)
            return -1.0
        return group.breaker.wait_seconds(now)

    def started(self, job: Job) -> None:
        """A request is on its way."""
        self._of(job.token).in_flight += 1

    def ended(self, job: Job) -> list[Job]:
        """It was answered. Returns the parked pushes that may try again, oldest first."""
        group = self._of(job.token)
        group.in_flight -= 1
        free = len(group.parked) if not group.in_flight else 1
        return [group.parked.popleft() for _ in range(min(free, len(group.parked)))]

    def hold(self, job: Job, until: float) -> None:
        """Its host asked for a pause."""
        group = self._of(job.token)
        group.held_until = max(group.held_until, until)

    def breaker(self, job: Job) -> CircuitBreaker:
        """The breaker of its group."""
        return self._of(job.token).breaker

    def keep(self, wanted: Callable[[Job], bool]) -> None:
        """Forget the parked pushes that are not wanted any more."""
        for group in self._groups.values():
            group.parked = deque(filter(wanted, group.parked))

    def drain(self) -> list[Job]:
        """Take everything that is parked out."""
        parked = list(self)
        self.keep(lambda _: False)
        return parked

    def _of(self, token: str) -> _Group:
        name = self._group_of(token)
        group = self._groups.get(name)
        if group is None:
            self._forget()
            group = self._groups[name] = _Group()
        self._groups.move_to_end(name)
        return group

    def _forget(self) -> None:
        if len(self._groups) >= MAX_GROUPS:
            idle = next((name for name, group in self._groups.items() if not group.in_flight and not group.parked), None)
            if idle is not None:
                del self._groups[idle]
