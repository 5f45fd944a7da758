"""Certificates: rows of the table ``certificate``, with the credentials still sealed."""

from __future__ import annotations

import msgspec

from .engine import Query, Tx

FIRST_BUSINESS_ID = 15_501
MAX_BUSINESS_ID = 2**31 - 1

_COLUMNS = (
    "sdkappid, business_id, channel, name, credentials_sealed, options, version, paused_reason, receipt_path, created_at_ms, updated_at_ms"
)
_INSERT = Query(
    "certificates.insert",
    f"INSERT INTO certificate ({_COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (sdkappid, business_id) DO NOTHING",
)
_GET = Query("certificates.get", f"SELECT {_COLUMNS} FROM certificate WHERE sdkappid = ? AND business_id = ?")
_LIST = Query("certificates.list", f"SELECT {_COLUMNS} FROM certificate WHERE sdkappid = ? ORDER BY business_id")
_BY_PATH = Query("certificates.by_receipt_path", f"SELECT {_COLUMNS} FROM certificate WHERE receipt_path = ?")
_HIGHEST = Query("certificates.highest", "SELECT MAX(business_id) FROM certificate WHERE sdkappid = ?")
_UPDATE = Query(
    "certificates.update",
    "UPDATE certificate SET name = ?, credentials_sealed = ?, options = ?, version = version + 1, paused_reason = '', updated_at_ms = ? "
    "WHERE sdkappid = ? AND business_id = ?",
)
_PAUSE = Query(
    "certificates.pause",
    "UPDATE certificate SET paused_reason = ?, updated_at_ms = ? "
    "WHERE sdkappid = ? AND business_id = ? AND version = ? AND paused_reason = ''",
)
_RESUME = Query(
    "certificates.resume",
    "UPDATE certificate SET paused_reason = '', version = version + 1, updated_at_ms = ? "
    "WHERE sdkappid = ? AND business_id = ? AND paused_reason <> ''",
)
_REMOVE = Query("certificates.remove", "DELETE FROM certificate WHERE sdkappid = ? AND business_id = ?")
_REMOVE_GRANT = Query("certificates.remove_grant", "DELETE FROM vendor_grant WHERE sdkappid = ? AND business_id = ?")


class CertificateRow(msgspec.Struct, frozen=True):
    """A row as it is stored."""

    sdkappid: int
    business_id: int
    channel: str
    name: str
    credentials_sealed: bytes
    options: str  # JSON
    version: int
    paused_reason: str
    receipt_path: str
    created_at_ms: int
    updated_at_ms: int


async def insert_certificate(tx: Tx, row: CertificateRow) -> bool:
    """Store a new certificate. False when the app already has that business id; nothing changed then."""
    return await tx.execute(_INSERT, *msgspec.structs.astuple(row)) == 1


async def next_business_id(tx: Tx, sdkappid: int) -> int:
    """A business id that this app does not use: above every one it has, from 15501 on."""
    row = await tx.fetch_one(_HIGHEST, sdkappid)
    highest = row[0] if row is not None and row[0] is not None else 0
    return max(FIRST_BUSINESS_ID, int(highest) + 1)


async def get_certificate(tx: Tx, sdkappid: int, business_id: int) -> CertificateRow | None:
    """One certificate, or None."""
    row = await tx.fetch_one(_GET, sdkappid, business_id)
    return None if row is None else CertificateRow(*row)


async def list_certificates(tx: Tx, sdkappid: int) -> list[CertificateRow]:
    """All certificates of an app, in the order of their numbers."""
    return [CertificateRow(*row) for row in await tx.fetch(_LIST, sdkappid)]


async def certificate_by_receipt_path(tx: Tx, path: str) -> CertificateRow | None:
    """The certificate that a receipt URL belongs to, or None."""
    row = await tx.fetch_one(_BY_PATH, path)
    return None if row is None else CertificateRow(*row)


async def update_certificate(
    tx: Tx, sdkappid: int, business_id: int, *, name: str, credentials_sealed: bytes, options: str, now_ms: int
) -> bool:
    """Replace credentials and options; the version grows and a pause ends. False when there is no such certificate."""
    return await tx.execute(_UPDATE, name, credentials_sealed, options, now_ms, sdkappid, business_id) == 1


async def pause_certificate(tx: Tx, sdkappid: int, business_id: int, *, version: int, reason: str, now_ms: int) -> bool:
    """Pause this version. False when it was changed or paused meanwhile: an old failure never stops new credentials."""
    return await tx.execute(_PAUSE, reason, now_ms, sdkappid, business_id, version) == 1


async def resume_certificate(tx: Tx, sdkappid: int, business_id: int, now_ms: int) -> bool:
    """End a pause. The version grows, so that log-in tokens and connections of the bad time are not used again."""
    return await tx.execute(_RESUME, now_ms, sdkappid, business_id) == 1


async def remove_certificate(tx: Tx, sdkappid: int, business_id: int) -> bool:
    """Delete a certificate and its log-in token. Devices keep their tokens and are suppressed with ``no_certificate``."""
    await tx.execute(_REMOVE_GRANT, sdkappid, business_id)
    return await tx.execute(_REMOVE, sdkappid, business_id) == 1
