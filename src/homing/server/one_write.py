"""The server's HTTP protocol with one thing more: an answer that is ready as a whole is written as a whole.

Through the application interface an answer takes two messages, two system calls and a check of every header; for the REST
API, whose answers are short and always alike, that was a seventh of the server's time.
"""

from __future__ import annotations

from collections.abc import Callable, MutableMapping
from typing import Any, cast

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

#: Under this key of ``scope["extensions"]``: ``reply(body) -> bool``. False: not possible now, answer the usual way.
REPLY = "homing.reply"
Reply = Callable[[bytes], bool]

_HEAD = b"HTTP/1.1 200 OK\r\ncontent-type: application/json; charset=utf-8\r\ncontent-length: %d\r\n"


class OneWriteProtocol(HttpToolsProtocol):
    """Pass as ``http=`` to uvicorn."""

    def on_headers_complete(self) -> None:
        """Offer the short way to the application, which begins to run after this."""
        super().on_headers_complete()
        cycle = self.cycle
        if cycle is not None and cycle.scope is self.scope:
            scope = cast(MutableMapping[str, Any], self.scope)
            scope["extensions"] = {REPLY: lambda body: self._reply(cycle, body)}

    def _reply(self, cycle: Any, body: bytes) -> bool:
        """Write a whole JSON answer with status 200, if nothing stands in the way."""
        if cycle.disconnected:
            return True
        if cycle.response_started or cycle.flow.write_paused or cycle.scope["method"] == "HEAD":
            return False
        head = [_HEAD % len(body)]
        for name, value in cycle.default_headers:
            head += (name, b": ", value, b"\r\n")
        head.append(b"\r\n" if cycle.keep_alive else b"connection: close\r\n\r\n")
        cycle.response_started = cycle.response_complete = True
        cycle.waiting_for_100_continue = False
        cycle.transport.write(b"".join((*head, body)))
        cycle.message_event.set()
        if not cycle.keep_alive:
            cycle.transport.close()
        cycle.on_response()
        return True
