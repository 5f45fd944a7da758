"""Vendor log-in tokens: one row a certificate, sealed, shared by the whole cluster.

A node that made a new token stores it only when nobody else did since it looked (compare-and-set on the expiry), so that
all nodes use one token and vendors that count log-ins see one.
"""

from __future__ import annotations

from typing import Protocol

from homing.model.outcome import Grant

from .engine import Database, Query, StoreRefused, Tx
from .sealing import Sealer, grant_context

_GET = Query(
    "grants.get",
    "SELECT token_sealed, issued_at_ms, expires_at_ms FROM vendor_grant WHERE sdkappid = ? AND business_id = ? AND certificate_version = ?",
)
# A row of an older version of the certificate always gives way; one of a newer version never does.
_SAVE = Query(
    "grants.save",
    "INSERT INTO vendor_grant (sdkappid, business_id, certificate_version, token_sealed, issued_at_ms, expires_at_ms) "
    "VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT (sdkappid, business_id) DO UPDATE SET certificate_version = excluded.certificate_version, "
    "token_sealed = excluded.token_sealed, issued_at_ms = excluded.issued_at_ms, expires_at_ms = excluded.expires_at_ms "
    "WHERE vendor_grant.certificate_version < excluded.certificate_version "
    "OR (vendor_grant.certificate_version = excluded.certificate_version AND vendor_grant.expires_at_ms = ?)",
)


class Key(Protocol):
    """One set of credentials: a certificate in one version."""

    @property
    def sdkappid(self) -> int:
        """The app."""
        ...

    @property
    def business_id(self) -> int:
        """The certificate's number."""
        ...

    @property
    def version(self) -> int:
        """Grows with each change of the certificate."""
        ...


class SealedGrants:
    """The cluster's log-in tokens."""

    def __init__(self, database: Database, sealer: Sealer) -> None:
        self._database = database
        self._sealer = sealer

    async def load(self, key: Key) -> Grant | None:
        """The stored token of this version of the certificate, or None; one that cannot be opened counts as none."""

        async def work(tx: Tx) -> Grant | None:
            row = await tx.fetch_one(_GET, key.sdkappid, key.business_id, key.version)
            if row is None:
                return None
            token = self._sealer.open(row[0], grant_context(key.sdkappid, key.business_id)).decode()
            return Grant(token, expires_at_ms=row[2], issued_at_ms=row[1])

        try:
            return await self._database.read(work)
        except StoreRefused:  # sealed with a lost key: the vendor gives a new token
            return None

    async def save(self, key: Key, grant: Grant, previous_expires_at_ms: int) -> bool:
        """Store a token when the stored one still ends at ``previous_expires_at_ms`` (0: there is none). False: another was faster."""
        sealed = self._sealer.seal(grant.access_token.encode(), grant_context(key.sdkappid, key.business_id))

        async def work(tx: Tx) -> bool:
            values = (key.sdkappid, key.business_id, key.version, sealed, grant.issued_at_ms, grant.expires_at_ms)
            return await tx.execute(_SAVE, *values, previous_expires_at_ms) == 1

        return await self._database.write(work)
