"""One command of the REST API: its path, the types of its body and answer, and what it does."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

from .answers import Answer
from .bodies import BodyDecoder, Family
from .gate import Call

MAX_BODY_BYTES = 1024 * 1024
#: 12 KB of message, and room for its receiver and its offline push info.
MAX_MESSAGE_REQUEST_BYTES = 64 * 1024

Run = Callable[[Call, Any], Awaitable[Answer]]


class Command:
    """One command: its path, the types of its body and answer, and what it does."""

    def __init__(
        self,
        path: str,
        request: type[Any],
        run: Run,
        family: Family,
        *,
        answer: type[Answer] = Answer,
        max_body_bytes: int = MAX_BODY_BYTES,
        check_size: Callable[[Any, int], None] | None = None,
        aliases: tuple[str, ...] = (),
    ) -> None:
        self.path = path  # "service/command"
        self.request = request
        self.run = run
        self.family = family
        self.answer = answer
        self.max_body_bytes = max_body_bytes
        self.check_size = check_size  # of the request, and of the body in bytes
        self.aliases = aliases
        self.decoder: BodyDecoder[Any] = BodyDecoder(request, family)

    @property
    def summary(self) -> str:
        """The first line of what it does."""
        return (self.run.__doc__ or "").strip().splitlines()[0]
