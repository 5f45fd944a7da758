"""A message on its way: its id is there at once, its answer can be awaited."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Generator
from typing import Any

from .errors import HomingError
from .values import SentMessage

OnProgress = Callable[[int], object]
OnSuccess = Callable[[SentMessage], object]
OnError = Callable[[str, str], object]


class SendTask:
    """``V2TIMSendCallback`` and an awaitable in one: ``sent = await client.send_message(...)``.

    ``msg_id`` is the client's own until the server has answered, then the server's.
    """

    def __init__(
        self,
        msg_id: str,
        task: asyncio.Task[SentMessage],
        on_progress: OnProgress | None,
        on_success: OnSuccess | None,
        on_error: OnError | None,
    ) -> None:
        self.msg_id = msg_id
        self._task = task
        self._on_progress = on_progress
        self._on_success = on_success
        self._on_error = on_error
        task.add_done_callback(self._done)

    def __await__(self) -> Generator[Any, None, SentMessage]:
        return asyncio.shield(self._task).__await__()

    @property
    def done(self) -> bool:
        """Whether the server has answered, or it failed."""
        return self._task.done()

    def _done(self, task: asyncio.Task[SentMessage]) -> None:
        if task.cancelled():
            self._failed(HomingError("closed", "the client was closed"))
            return
        error = task.exception()
        if error is not None:
            self._failed(error)
            return
        sent = task.result()
        self.msg_id = sent.msg_id
        if self._on_progress is not None:
            self._on_progress(100)
        if self._on_success is not None:
            self._on_success(sent)

    def _failed(self, error: BaseException) -> None:
        if self._on_error is not None:
            known = isinstance(error, HomingError)
            self._on_error(error.code if known else "internal", error.message if known else str(error))  # type: ignore[attr-defined]
