"""What passes between the HTTP/2 server and whoever answers: a request, and one of five replies."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

REFUSED_STREAM = 0x7  # RFC 9113, section 7
INTERNAL_ERROR = 0x2
NO_ERROR = 0x0


@dataclass(frozen=True, slots=True)
class StreamRequest:
    """One complete request of one stream. Header names are lowercase; a repeated header is there twice."""

    stream_id: int
    method: str
    scheme: str
    authority: str
    path: str
    headers: tuple[tuple[str, str], ...]
    body: bytes  # at most ``H2Limits.max_body_bytes`` + 1 bytes: whoever answers sees that it is too long

    def header(self, name: str) -> str | None:
        """The first value of a header, None when it was not sent."""
        return next((value for key, value in self.headers if key == name), None)


@dataclass(frozen=True, slots=True)
class Answer:
    """A response; without a body END_STREAM is on its HEADERS frame."""

    status: int
    headers: tuple[tuple[str, str], ...] = ()
    body: bytes = b""


@dataclass(frozen=True, slots=True)
class ResetStream:
    """RST_STREAM. The default says: not processed, may be sent again."""

    error_code: int = REFUSED_STREAM


@dataclass(frozen=True, slots=True)
class Goaway:
    """GOAWAY that leaves this request, and every later one, unprocessed; ``reason`` goes as JSON into its debug data."""

    reason: Mapping[str, Any] | None = None
    error_code: int = NO_ERROR


@dataclass(frozen=True, slots=True)
class Abort:
    """TCP reset, without a word."""


@dataclass(frozen=True, slots=True)
class Stall:
    """No answer, ever; the connection stays open."""


Reply = Answer | ResetStream | Goaway | Abort | Stall


@dataclass(frozen=True, slots=True)
class H2Limits:
    """Bounds of the server and of each of its connections. Times in seconds, sizes in bytes."""

    initial_max_streams: int = 100  # announced in the first SETTINGS frame
    unacknowledged_max_streams: int = 1000  # allowed until the client has acknowledged that frame (RFC 9113, 6.5.3)
    max_body_bytes: int = 65_536
    max_header_list_bytes: int = 8_000
    max_connections: int = 512
    idle_seconds: float = 3_600.0
    goaway_grace_seconds: float = 5.0
    max_pings_between_requests: int | None = None  # None: any number

    def __post_init__(self) -> None:
        if self.initial_max_streams < 1 or self.max_connections < 1:
            raise ValueError("an HTTP/2 server needs room for one stream and one connection")


@dataclass(slots=True)
class StreamState:
    """A stream between its HEADERS and the end of its answer."""

    headers: list[tuple[str, str]]
    body: bytearray = field(default_factory=bytearray)
    pending: memoryview | None = None  # the part of the answer that waits for the client's window
