"""One libcurl multi handle on the event loop: its own connections, sockets and timer.

libcurl says which sockets to watch and when to be called again; the loop does both. Everything runs on the loop's
thread. libcurl is never entered from inside one of its own callbacks.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable

import pycurl

from homing.model.outcome import FailureKind, TransportFailure

from .easy import Answer, Easy, TransportOptions

log = logging.getLogger(__name__)

#: How long after its own time limit a request is ended by us and not by libcurl.
OVERDUE_SECONDS = 5.0
GENTLE_SECONDS = 1.0
_MAX_RESTARTS = 10
_NEVER_TAKEN = "Connection died, tried"  # libcurl, multi.c: the only sign that it gives

_READ = frozenset({pycurl.POLL_IN, pycurl.POLL_INOUT})
_WRITE = frozenset({pycurl.POLL_OUT, pycurl.POLL_INOUT})


class Engine:
    """A multi handle. ``over`` gets every handle whose request is over, and whether it may be used again."""

    __slots__ = (
        "_gentle",
        "_gentle_end",
        "_loop",
        "_multi",
        "_options",
        "_over",
        "_reading",
        "_timer",
        "_writing",
        "active",
        "answers",
        "last_answer",
        "suspect",
    )

    def __init__(self, loop: asyncio.AbstractEventLoop, options: TransportOptions, over: Callable[[Easy, bool], None]) -> None:
        self._loop = loop
        self._over = over
        self._options = options
        self._gentle = False
        self._gentle_end: asyncio.TimerHandle | None = None
        self.active: dict[pycurl.Curl, Easy] = {}
        self.answers = 0
        self.last_answer = 0.0
        self.suspect = False  # a request ran out of time and nothing else was answered meanwhile: the connection may be dead
        self._timer: asyncio.Handle | None = None
        self._reading: set[int] = set()
        self._writing: set[int] = set()
        self._multi = pycurl.CurlMulti()
        self._multi.setopt(pycurl.M_PIPELINING, pycurl.PIPE_MULTIPLEX)
        self._multi.setopt(pycurl.M_MAX_CONCURRENT_STREAMS, options.max_streams)
        self._multi.setopt(pycurl.M_MAX_HOST_CONNECTIONS, options.max_connections)
        self._multi.setopt(pycurl.M_MAXCONNECTS, options.max_connections)
        self._multi.setopt(pycurl.M_SOCKETFUNCTION, self._on_socket)
        self._multi.setopt(pycurl.M_TIMERFUNCTION, self._on_timer)

    def _begin_gently(self) -> None:
        """HTTP/2 only: few connections, and one request alone until it is answered or a second has passed.

        APNs allows one stream until it has seen a valid token, and libcurl assumes a hundred before it has read the
        server's settings; where streams are short it would open one connection after the other, which Apple takes for
        an attack.
        """
        self._gentle = True
        self._multi.setopt(pycurl.M_MAX_HOST_CONNECTIONS, min(self._options.max_http2_connections, self._options.max_connections))
        self._multi.setopt(pycurl.M_MAX_CONCURRENT_STREAMS, 1)
        self._gentle_end = self._loop.call_later(GENTLE_SECONDS, self._end_gently)

    def _end_gently(self) -> None:
        if self._gentle_end is not None:
            self._gentle_end.cancel()
            self._gentle_end = None
            self._multi.setopt(pycurl.M_MAX_CONCURRENT_STREAMS, self._options.max_streams)

    def start(self, easy: Easy, *, http2: bool = False) -> None:
        """Begin the request that was prepared on ``easy``. ``http2``: it must be HTTP/2."""
        if http2 and not self._gentle:
            self._begin_gently()
        self.active[easy.curl] = easy
        self._multi.add_handle(easy.curl)

    def withdraw(self, easy: Easy, serial: int) -> None:
        """Stop a request without telling anybody. Does nothing when it is over: its handle may serve another by now."""
        if easy.serial == serial and easy.done is not None:
            self._cancel(easy)

    def _cancel(self, easy: Easy) -> None:
        if self.active.pop(easy.curl, None) is not None:
            self._multi.remove_handle(easy.curl)
            easy.done = None
            self._over(easy, False)

    def fail_overdue(self, now: float) -> None:
        """Second line of defence: libcurl keeps its own time limits, but nothing may wait for ever should it miss one."""
        for easy in [easy for easy in self.active.values() if easy.deadline < now]:
            done = easy.done
            self._cancel(easy)
            _tell(done, TransportFailure(FailureKind.TIMEOUT, "no answer within the time limit"))

    def close(self) -> None:
        """Close all connections. Requests under way are told that the connection was closed."""
        for easy in list(self.active.values()):
            done = easy.done
            self._cancel(easy)
            _tell(done, TransportFailure(FailureKind.CLOSED, "the transport was closed"))
        for timer in (self._timer, self._gentle_end):
            if timer is not None:
                timer.cancel()
        self._timer = self._gentle_end = None
        self._multi.close()
        for fd in list(self._reading):
            self._loop.remove_reader(fd)
        for fd in list(self._writing):
            self._loop.remove_writer(fd)
        self._reading.clear()
        self._writing.clear()

    # --- called by libcurl: only note what it wants ---

    def _on_socket(self, what: int, fd: int, _multi: pycurl.CurlMulti, _data: object) -> None:
        if what in _READ:
            if fd not in self._reading:
                self._loop.add_reader(fd, self._act, fd, pycurl.CSELECT_IN)
                self._reading.add(fd)
        elif fd in self._reading:
            self._loop.remove_reader(fd)
            self._reading.discard(fd)
        if what in _WRITE:
            if fd not in self._writing:
                self._loop.add_writer(fd, self._act, fd, pycurl.CSELECT_OUT)
                self._writing.add(fd)
        elif fd in self._writing:
            self._loop.remove_writer(fd)
            self._writing.discard(fd)

    def _on_timer(self, milliseconds: int) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if milliseconds == 0:
            self._timer = self._loop.call_soon(self._on_time)
        elif milliseconds > 0:
            self._timer = self._loop.call_later(milliseconds / 1000, self._on_time)

    # --- called by the loop ---

    def _on_time(self) -> None:
        self._timer = None
        self._act(pycurl.SOCKET_TIMEOUT, 0)

    def _act(self, fd: int, event: int) -> None:
        try:
            _, running = self._multi.socket_action(fd, event)
        except pycurl.error:
            log.exception("libcurl refused an event")
            running = -1
        if running != len(self.active):
            self._collect()

    def _collect(self) -> None:
        queued = 1
        while queued:
            queued, good, bad = self._multi.info_read(1000)
            if good:
                if self._gentle_end is not None:
                    self._end_gently()
                self.answers += len(good)
                self.last_answer = self._loop.time()
            for curl in good:
                self._finish(curl, None)
            for curl, code, text in bad:
                easy = self.active.get(curl)
                if easy is not None and code == pycurl.E_OPERATION_TIMEDOUT and easy.started >= self.last_answer:
                    self.suspect = True
                self._finish(curl, (code, text))

    def _finish(self, curl: pycurl.Curl, error: tuple[int, str] | None) -> None:
        easy = self.active.pop(curl, None)
        if easy is None:
            return
        self._multi.remove_handle(curl)
        if error is not None and self._again(easy, *error):
            return
        answer: Answer = easy.response() if error is None else easy.failure(*error)
        done, easy.done = easy.done, None
        self._over(easy, True)
        _tell(done, answer)

    def _again(self, easy: Easy, code: int, text: str) -> bool:
        """Start a request anew that libcurl gave up although no server ever looked at it.

        libcurl repeats a request whose stream a GOAWAY left out, five times in all. A server that leaves its connections
        after a handful of requests uses that up easily when many are under way.
        """
        left = easy.deadline - self._loop.time() - OVERDUE_SECONDS
        if code != pycurl.E_RECV_ERROR or not text.startswith(_NEVER_TAKEN) or easy.restarts >= _MAX_RESTARTS or left <= 0:
            return False
        easy.restart(left)
        self.start(easy)
        return True


def _tell(done: Callable[[Answer], object] | None, answer: Answer) -> None:
    if done is None:
        return
    try:
        done(answer)
    except Exception:  # a caller's mistake must not stop the other answers
        log.exception("the receiver of a vendor's answer failed")
