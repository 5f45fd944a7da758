"""REST load: many kept connections in a closed loop, optionally at a given rate, with every answer written down."""

from __future__ import annotations

import asyncio
import secrets
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any
from urllib.parse import urlencode

from .http import Exchange
from .processes import Arrival
from .seed import ADMIN, APP, admin_sig, user_of

_OK = b'"ActionStatus":"OK"'
MAX_TARGETS = 500


class Messages:
    """Makes REST requests; each message carries a mark that the mock vendor finds in the notification."""

    def __init__(self, users: int, *, first_user: int = 0, targets: int = 1) -> None:
        self.run = secrets.token_hex(4)
        self._users = users
        self._first = first_user
        self._targets = targets
        command = "sendmsg" if targets == 1 else "batchsendmsg"
        query = {"sdkappid": APP, "identifier": ADMIN, "usersig": admin_sig(), "random": 1, "contenttype": "json"}
        self._head = (
            f"POST /v4/openim/{command}?{urlencode(query)} HTTP/1.1\r\nhost: bench\r\ncontent-type: application/json\r\ncontent-length: "
        ).encode()

    def mark(self, number: int) -> str:
        """What finds message ``number`` again."""
        return f"hb-{self.run}-{number}"

    def request(self, number: int) -> bytes:
        """The HTTP request of message ``number``."""
        text = self.mark(number)
        body = (
            f'{{"SyncOtherMachine":2,"From_Account":"{self._sender(number)}","To_Account":{self._receivers(number)},'
            f'"MsgLifeTime":604800,"MsgRandom":{number & 0xFFFFFFFF},"MsgBody":[{{"MsgType":"TIMTextElem","MsgContent":{{"Text":'
            f'"hello {text}"}}}}],"OfflinePushInfo":{{"PushFlag":0,"Title":"Alice","Desc":"hello {text}","Ext":"{{\\"id\\":1}}"}}}}'
        ).encode()
        return b"%s%d\r\n\r\n%s" % (self._head, len(body), body)

    def _user(self, number: int) -> str:
        return user_of(self._first + number % self._users)

    def _sender(self, number: int) -> str:
        # One of the receivers would get no push of its own message.
        return self._user(number + 1) if self._targets == 1 else ADMIN

    def _receivers(self, number: int) -> str:
        if self._targets == 1:
            return f'"{self._user(number)}"'
        start = number * self._targets
        return "[" + ",".join(f'"{self._user(start + i)}"' for i in range(self._targets)) + "]"


class RestLoad:
    """Sends messages ``first`` to ``first + count - 1``.

    ``accepted`` says when each was answered OK, ``started`` when it was to be sent (monotonic ns).
    """

    def __init__(self, messages: Messages, count: int, *, first: int = 0, rate: float = 0.0) -> None:
        self.messages = messages
        self.accepted: dict[str, int] = {}
        self.started: dict[str, int] = {}
        self.refused: list[bytes] = []  # the first few answers that were not OK
        self.refusals = 0
        self.cut_off = 0
        self._next, self._end, self._first = first, first + count, first
        self._rate = rate
        self._began = 0.0
        self._began_ns = 0
        self._open = 0
        self._watchers: list[tuple[int, asyncio.Future[None]]] = []
        self._over: asyncio.Future[None] | None = None

    async def run(self, port: int, connections: int) -> float:
        """Send everything, or until every connection is gone. Returns the seconds it took."""
        loop = asyncio.get_running_loop()
        self._over = loop.create_future()
        self._began = began = loop.time()
        self._began_ns = time.monotonic_ns()
        self._open = connections
        made = await asyncio.gather(
            *(loop.create_connection(lambda: _Sender(self), "127.0.0.1", port) for _ in range(connections)), return_exceptions=True
        )
        for failed in [result for result in made if isinstance(result, BaseException)]:
            if not isinstance(failed, OSError):
                raise failed
            self.closed(waiting=False)
        await self._over
        return loop.time() - began

    async def until_accepted(self, count: int) -> None:
        """Wait until so many were accepted (or the load is over)."""
        if len(self.accepted) < count:
            future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
            self._watchers.append((count, future))
            await future

    def end(self) -> None:
        """Begin no further message; ``run`` returns when those under way are answered."""
        self._end = self._next

    # --- called by the connections

    def take(self) -> int | None:
        """The next message's number."""
        if self._next >= self._end:
            return None
        self._next += 1
        return self._next - 1

    def wait_seconds(self, number: int) -> float:
        """How long this message has to wait for its turn."""
        if not self._rate:
            return 0.0
        return self._began + (number - self._first) / self._rate - asyncio.get_running_loop().time()

    def planned_ns(self, number: int) -> int:
        """When this message was to be sent: at a given rate its turn, however late its connection was free; else now."""
        return self._began_ns + int((number - self._first) / self._rate * 1e9) if self._rate else time.monotonic_ns()

    def answered(self, number: int, body: bytes) -> None:
        """The answer to a message."""
        if _OK in body:
            self.accepted[self.messages.mark(number)] = time.monotonic_ns()
            if self._watchers and len(self.accepted) >= self._watchers[0][0]:
                self._watchers.pop(0)[1].set_result(None)
        else:
            self.refusals += 1
            if len(self.refused) < 5:
                self.refused.append(body[:300])

    def closed(self, *, waiting: bool) -> None:
        """A connection ended."""
        self.cut_off += waiting
        self._open -= 1
        if not self._open and self._over is not None and not self._over.done():
            self._over.set_result(None)
            for _, future in self._watchers:
                future.set_result(None)


class _Sender(Exchange):
    def __init__(self, load: RestLoad) -> None:
        super().__init__()
        self._load = load
        self._number = 0

    def opened(self) -> None:
        self._go_on()

    def answered(self, status: int, body: bytes) -> None:  # noqa: ARG002  (the business answer stands in the body)
        self._load.answered(self._number, body)
        self._go_on()

    def cut_off(self, waiting: bool) -> None:
        self._load.closed(waiting=waiting)

    def _go_on(self) -> None:
        number = self._load.take()
        if number is None:
            self.transport.close()
            return
        self._number = number
        wait = self._load.wait_seconds(number)
        if wait > 0:
            asyncio.get_running_loop().call_later(wait, self._send)
        else:
            self._send()

    def _send(self) -> None:
        if not self.transport.is_closing():
            self._load.started[self._load.messages.mark(self._number)] = self._load.planned_ns(self._number)
            self.ask(self._load.messages.request(self._number))


async def arrived(
    totals: Callable[[], Awaitable[dict[str, Any]]], wanted: int, *, quiet_seconds: float = 5.0, deadline_seconds: float = 60.0
) -> int:
    """Wait until the vendor has ``wanted`` pushes, or nothing has come for a while. Returns how many it has."""
    loop = asyncio.get_running_loop()
    last, changed, end = -1, loop.time(), loop.time() + deadline_seconds
    while True:
        pushes = int((await totals())["pushes"])
        now = loop.time()
        if pushes != last:
            last, changed = pushes, now
        if pushes >= wanted or now - changed > quiet_seconds or now > end:
            return pushes
        await asyncio.sleep(0.05)


class Reckoning:
    """What was accepted against what arrived. ``lost`` and ``doubled`` are marks."""

    def __init__(self, accepted: Mapping[str, int], arrivals: Mapping[str, Arrival], tokens: int = 1) -> None:
        self.lost = [mark for mark in accepted if mark not in arrivals or len(arrivals[mark].tokens) < tokens]
        self.doubled = [mark for mark, arrival in arrivals.items() if arrival.times > 1]


def latencies(since: Mapping[str, int], arrivals: Mapping[str, Arrival]) -> dict[str, float]:
    """Percentiles of the milliseconds from a moment of each message to its arrival; an arrival before the moment counts as 0."""
    found = ((arrivals[mark].arrived_ns, at) for mark, at in since.items() if mark in arrivals and arrivals[mark].arrived_ns)
    values = sorted(max(0, arrived_ns - at) / 1e6 for arrived_ns, at in found)
    return {name: percentile(values, share) for name, share in (("p50", 0.5), ("p95", 0.95), ("p99", 0.99), ("max", 1.0))}


def percentile(values: Sequence[float], share: float) -> float:
    """Of sorted values; 0 where there are none."""
    return round(values[min(len(values) - 1, int(len(values) * share))], 2) if values else 0.0
