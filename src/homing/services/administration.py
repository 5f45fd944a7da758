"""Administration of apps beyond their settings: keys that overlap, taking an app away, and who did what."""

from __future__ import annotations

import getpass
import secrets
from collections.abc import Callable

import msgspec

from homing.model.clock import Clock, Ids
from homing.model.problems import APP_NOT_FOUND, BAD_PARAMETER, Refused
from homing.store import administration as store
from homing.store.engine import Database, Tx
from homing.store.sealing import Sealer, previous_key_context

from .apps import Apps

BATCH = 1_000
MAX_OVERLAP_SECONDS = 366 * 86_400
MAX_DETAIL_CHARS = 500
MAX_LISTED = 10_000


class AuditEntry(msgspec.Struct, frozen=True):
    """Who did what, and when. App 0 is the installation."""

    audit_id: int
    sdkappid: int
    actor: str
    action: str
    detail: str
    at_ms: int


class Administration:
    """What an operator does to apps. ``actor`` is who does it."""

    def __init__(self, database: Database, sealer: Sealer, clock: Clock, actor: str = "") -> None:
        self._database = database
        self._sealer = sealer
        self._clock = clock
        self._apps = Apps(database, sealer, clock)
        # Their time counts, so that retention finds them; two commands of one millisecond are told apart by chance.
        self._next_id = _numbers(clock)
        self._actor = actor or operator()

    async def rotate_key(self, sdkappid: int, secret_key: str, overlap_seconds: int) -> int:
        """Take a new key; the present one stays good for ``overlap_seconds``. Returns until when (ms). Raises ``Refused``."""
        if not 0 <= overlap_seconds <= MAX_OVERLAP_SECONDS:
            raise Refused(BAD_PARAMETER, f"the overlap must be 0 to {MAX_OVERLAP_SECONDS} seconds")
        until_ms = self._clock.now_ms() + overlap_seconds * 1000
        old = (await self._apps.require(sdkappid)).secret_key
        if secrets.compare_digest(old.encode(), secret_key.encode()):
            raise Refused(BAD_PARAMETER, "the new key is the present one")
        sealed = self._sealer.seal(old.encode(), previous_key_context(sdkappid)) if overlap_seconds else None
        # The old key is kept first: a crash between the two leaves everybody able to log in.
        await self._database.write(lambda tx: store.keep_previous_key(tx, sdkappid, sealed, until_ms))
        await self._apps.update(sdkappid, secret_key=secret_key)
        await self.note(sdkappid, "app rotate-key", f"the old key is good for {overlap_seconds} seconds")
        return until_ms

    async def delete(self, sdkappid: int) -> dict[str, int]:
        """Take an app away with all that is its own, in small batches. Returns the rows by table.

        Interrupted, it is begun again with the same call. Raises ``Refused`` when nothing of such an app is left.
        """
        await self.note(sdkappid, "app delete", "begun")
        deleted: dict[str, int] = {}
        for table in store.BY_APP:
            while n := await self._database.write(lambda tx, table=table: store.delete_rows(tx, table, sdkappid, BATCH)):  # type: ignore[misc]
                deleted[table] = deleted.get(table, 0) + n
        if not deleted:
            raise Refused(APP_NOT_FOUND, str(sdkappid))
        await self.note(sdkappid, "app delete", f"{sum(deleted.values())} rows")
        return deleted

    async def note(self, sdkappid: int, action: str, detail: str = "") -> None:
        """Write down what was done."""
        now_ms = self._clock.now_ms()

        async def work(tx: Tx) -> None:
            await store.note(tx, self._next_id, sdkappid, self._actor, action, detail[:MAX_DETAIL_CHARS], now_ms)

        await self._database.write(work)

    async def entries(self, sdkappid: int | None = None, limit: int = 100) -> list[AuditEntry]:
        """The newest entries, of one app or of all. Raises ``Refused``."""
        if not 0 < limit <= MAX_LISTED:
            raise Refused(BAD_PARAMETER, f"the limit must be 1 to {MAX_LISTED}")
        rows = await self._database.read(lambda tx: store.notes(tx, sdkappid, limit))
        return [AuditEntry(*row) for row in rows]


def operator() -> str:
    """The person at this machine."""
    try:
        return getpass.getuser()
    except (OSError, KeyError):
        return "unknown"


def _numbers(clock: Clock) -> Callable[[], int]:
    return lambda: (clock.now_ms() - Ids.EPOCH_MS) << 22 | secrets.randbelow(1 << 22)
