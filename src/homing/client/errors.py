"""What can go wrong, with the server's stable code."""

from __future__ import annotations


class HomingError(Exception):
    """A call was refused or could not be made.

    ``code`` is the server's stable word (``docs/reference/errors.md``), or one of the client's own: ``not_logged_in``,
    ``login_running``, ``connect_failed``, ``timeout``, ``closed``.
    """

    def __init__(self, code: str, message: str, *, number: int = 0) -> None:
        super().__init__(f"{code}: {message}" if message else code)
        self.code = code
        self.message = message
        self.number = number  # ErrorCode of a REST answer; 0 elsewhere


class ConnectionLost(Exception):
    """The connection broke while an answer was awaited."""
