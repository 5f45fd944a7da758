"""Pushes to many: whom a job reaches, where it stands, and what came of its targets."""

from __future__ import annotations

import enum

import msgspec

from .messages import Element
from .push_info import OfflinePushInfo

MAX_BATCH_ACCOUNTS = 500
RECALL_SECONDS = 86_400
BATCH_PREFIX = "batch_"


class JobState(enum.IntEnum):
    """Where a job stands. Stored as an integer; below 10 it is not over."""

    WAITING = 0
    RUNNING = 1
    PAUSED = 2
    FINISHED = 10
    REVOKED = 11  # recalled: what was not sent yet is not sent any more
    EXPIRED = 12  # its time ran out before everybody was reached


class JobKind(enum.StrEnum):
    """What a job makes for each account of its audience."""

    PUSH = "push"  # pushes alone, in bundles
    MESSAGE = "message"  # a stored one-to-one message, with everything that belongs to one


class Label(msgspec.Struct, frozen=True, order=True, array_like=True):
    """A tag (``value`` is "") or an attribute with its value."""

    kind: str  # "tag" or "attribute"
    name: str
    value: str = ""


class Condition(msgspec.Struct, frozen=True, omit_defaults=True):
    """Whom a job reaches: everybody, unless it says otherwise. ``any_of`` and ``all_of`` must both hold where both are given."""

    any_of: tuple[Label, ...] = ()
    all_of: tuple[Label, ...] = ()
    users: tuple[str, ...] = ()  # exactly these accounts

    @property
    def labels(self) -> bool:
        """Whether accounts are chosen by their tags or attributes."""
        return bool(self.any_of or self.all_of)


class JobDraft(msgspec.Struct, frozen=True, kw_only=True):
    """A push to many that somebody asks for."""

    from_account: str
    random: int
    condition: Condition
    elements: tuple[Element, ...]
    push_info: OfflinePushInfo | None
    kind: JobKind = JobKind.PUSH
    source: str = "all"
    flags: int = 0
    lifetime_seconds: int
    per_second: int = 0
    data_id: str = ""


class PushJob(msgspec.Struct, frozen=True):
    """A stored job."""

    job_id: int
    sdkappid: int
    kind: str
    source: str
    state: int
    from_account: str
    random: int
    fingerprint: int
    condition: bytes | str  # JSON of Condition
    cursor: str
    walked: int
    per_second: int
    data_id: str
    replaces_job: int
    created_at_ms: int
    started_at_ms: int
    finished_at_ms: int
    expires_at_ms: int
    accounts: int
    targets: int
    suppressed: int
    on_sockets: int
    sent: int
    failed: int
    ended: int

    @property
    def task_id(self) -> str:
        """The number by which the REST API names it."""
        return f"{BATCH_PREFIX if self.source == 'batch' else ''}{self.job_id:x}"

    @property
    def done(self) -> int:
        """Targets about which nothing more will happen here."""
        return self.sent + self.failed + self.ended


def job_id_of(task_id: str) -> int | None:
    """The job that a task id names, or None when it cannot be one."""
    digits = task_id.removeprefix(BATCH_PREFIX)
    if not 0 < len(digits) <= 16 or not all(c in "0123456789abcdef" for c in digits):
        return None
    number = int(digits, 16)
    return number if number < 2**63 else None
