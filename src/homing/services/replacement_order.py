"""Promise 8: on one device, a conversation's notification is never replaced by an older one, whatever is retried."""

from __future__ import annotations

from collections.abc import Callable

from .jobs import Job


class ReplacementOrder:
    """One push at a time for each device and conversation whose notifications replace one another; the newest waits behind it."""

    def __init__(self) -> None:
        self._waiting: dict[tuple[int, str], Job | None] = {}  # a key is there while its push is on its way

    def enter(self, job: Job) -> tuple[bool, Job | None]:
        """Whether it may go now (else it waits), and the push that it makes needless."""
        key = (job.device_id, job.replaces)
        if key not in self._waiting:
            self._waiting[key] = None
            return True, None
        waiting = self._waiting[key]
        older, newer = (job, waiting) if waiting is not None and waiting.push_id > job.push_id else (waiting, job)
        self._waiting[key] = newer
        return False, older

    def newer_waits(self, job: Job) -> bool:
        """Whether a newer notification is ready to take its place."""
        return bool(job.replaces) and self._waiting.get((job.device_id, job.replaces)) is not None

    def leave(self, job: Job) -> Job | None:
        """This one is out of the way: the newer notification that waited for it may go."""
        return self._waiting.pop((job.device_id, job.replaces), None) if job.replaces else None

    def holds(self) -> list[int]:
        """The push ids that wait here."""
        return [job.push_id for job in self._waiting.values() if job is not None]

    def keep(self, wanted: Callable[[Job], bool]) -> None:
        """Forget the waiting pushes that are not wanted any more."""
        self._waiting.update({key: None for key, job in self._waiting.items() if job is not None and not wanted(job)})
