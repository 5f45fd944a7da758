"""Receipts: from vendors' calls and from devices, matched to pushes and stored in batches."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from typing import Protocol

import structlog

from homing.channels.base import Channel
from homing.channels.registry import CHANNELS
from homing.model.certificates import Certificate
from homing.model.clock import Clock, Ids
from homing.model.devices import MAX_TOKEN_BYTES
from homing.model.outcome import Receipt, ReceiptAnswer, ReceiptKind, ReceiptRequest
from homing.model.problems import BAD_PARAMETER, PUSH_UNKNOWN, TOO_FAST, Refused
from homing.rules.message_keys import parse_msg_key
from homing.store.engine import Database, StoreBusy, Tx
from homing.store.receipts import Report, store_receipts

from .batcher import Batcher
from .push_hooks import PushHooks

log = structlog.get_logger()

MAX_QUEUED = 20_000
VENDOR_PATIENCE_SECONDS = 1.0  # vendors give up after a few seconds, and some then call less often
DEVICE_PATIENCE_SECONDS = 5.0
MAX_ID = 2**63 - 1
_RETRY_SECONDS = 0.5
_DEVICE_KINDS = {kind.value: kind for kind in (ReceiptKind.DELIVERED, ReceiptKind.SHOWN, ReceiptKind.CLICKED)}


class CertificatesByPath(Protocol):
    """Where receipt URLs lead."""

    async def by_receipt_path(self, path: str) -> Certificate | None:
        """The certificate that a vendor's receipt URL belongs to, or None."""
        ...


class Receipts:
    """Takes receipts. What waits for the store is bounded; beyond it callers are told to come again."""

    def __init__(
        self,
        *,
        database: Database,
        clock: Clock,
        ids: Ids,
        certificates: CertificatesByPath,
        channels: Mapping[str, Channel] = CHANNELS,
        max_queued: int = MAX_QUEUED,
        hooks: PushHooks | None = None,
    ) -> None:
        self._database = database
        self._clock = clock
        self._ids = ids
        self._certificates = certificates
        self._channels = channels
        self._max_queued = max_queued
        self._hooks = hooks
        self._batcher: Batcher[Report, int | None] = Batcher(self._write, max_batch=512, max_queued=max_queued)

    async def accept(self, receipt_path: str, request: ReceiptRequest) -> ReceiptAnswer | None:
        """Take a vendor's call and give its channel's answer. None: no certificate has this path.

        Raises ``StoreBusy`` when the receipts cannot be taken now; nothing of the call was taken then.
        """
        certificate = await self._certificates.by_receipt_path(receipt_path)
        if certificate is None:
            return None
        channel = self._channels.get(certificate.channel)
        if channel is None or certificate.credentials is None or certificate.options is None:
            raise StoreBusy("the certificate cannot be read now")
        try:
            answer = channel.read_receipts(certificate, request, self._clock.now_ms())
        except Exception:  # whatever a stranger sends must not become a 500
            log.exception("receipts_unreadable", channel=certificate.channel)
            return ReceiptAnswer(status=400)
        await self._take([self._report(certificate, receipt) for receipt in answer.receipts])
        return answer

    async def report_from_device(
        self, sdkappid: int, device_id: int, push_id: int | None, msg_id: str | None, kind: str, at_ms: int
    ) -> None:
        """A device says that a push was delivered, shown or clicked; returns when that is stored.

        Raises ``Refused``: push_unknown when the device has no such push, bad_parameter, too_fast.
        """
        known_kind = _DEVICE_KINDS.get(kind)
        if known_kind is None:
            raise Refused(BAD_PARAMETER, "event must be delivered, shown or clicked")
        report = Report(
            sdkappid=sdkappid,
            device_id=device_id,
            push_id=_id(push_id),
            message_id=message_id_of(msg_id or ""),
            key=key_of(msg_id or ""),
            kind=known_kind,
            at_ms=self._sane(at_ms),
        )
        try:
            stored = await asyncio.wait_for(self._batcher.submit(report), DEVICE_PATIENCE_SECONDS)
        except (StoreBusy, TimeoutError):
            raise Refused(TOO_FAST) from None
        if stored is None:
            raise Refused(PUSH_UNKNOWN)

    async def drain(self, grace_seconds: float = 5.0) -> None:
        """Wait until everything taken so far is stored, at most this long."""
        try:
            async with asyncio.timeout(grace_seconds):
                await self._batcher.drain()
        except TimeoutError:
            log.warning("receipts_not_stored", waiting=len(self._batcher))

    async def _take(self, reports: Sequence[Report]) -> None:
        """Queue all or none, and give the store a moment, so that in quiet times an answered receipt is on disk."""
        if not reports:
            return
        if len(self._batcher) + len(reports) > self._max_queued:
            raise StoreBusy("too many receipts are waiting for the store")
        for report in reports[:-1]:
            self._batcher.add(report)
        await asyncio.wait([self._batcher.submit(reports[-1])], timeout=VENDOR_PATIENCE_SECONDS)

    def _report(self, certificate: Certificate, receipt: Receipt) -> Report:
        return Report(
            sdkappid=certificate.sdkappid,
            business_id=certificate.business_id,
            push_id=_id(receipt.push_id),
            message_id=message_id_of(receipt.msg_id),
            key=key_of(receipt.msg_id),
            token=_clean(receipt.token, MAX_TOKEN_BYTES),
            kind=receipt.kind,
            at_ms=self._sane(receipt.at_ms),
            code=_clean(receipt.code, 100),
            detail=_clean(receipt.detail, 300),
            replacement_token=_clean(receipt.replacement_token, MAX_TOKEN_BYTES),
        )

    def _sane(self, at_ms: int) -> int:
        """A vendor's clock may be wrong: never later than now, and now when it is nonsense."""
        now_ms = self._clock.now_ms()
        return min(at_ms, now_ms) if at_ms > 0 else now_ms

    async def _write(self, reports: list[Report]) -> list[int | None]:
        try:
            return await self._until_stored(reports)
        except Exception:
            if len(reports) == 1:
                log.exception("receipt_not_stored", kind=reports[0].kind.value)
                return [None]
        # One of them is at fault: it must not take the others with it.
        return [(await self._write([report]))[0] for report in reports]

    async def _until_stored(self, reports: list[Report]) -> list[int | None]:
        async def work(tx: Tx) -> list[int | None]:
            pushes, new = await store_receipts(tx, reports, self._clock.now_ms(), self._ids.next)
            if new and self._hooks is not None and self._hooks.webhooks.by_app:
                await self._hooks.note_receipts(tx, new)
            return pushes

        while True:
            try:
                return await self._database.write(work)
            except StoreBusy as busy:
                log.warning("receipts_wait_for_the_store", why=str(busy))
                await asyncio.sleep(_RETRY_SECONDS)


def message_id_of(msg_id: str) -> int:
    """The message id in a MsgID ``{message id}-{unix s}-{random}``; 0 when there is none."""
    head = msg_id.partition("-")[0]
    return _id(int(head)) if head.isascii() and head.isdigit() and len(head) < 20 else 0


def key_of(msg_id: str) -> tuple[int, int] | None:
    """MsgSeq and MsgRandom where a notification was named by its MsgKey (a message of a batch)."""
    key = parse_msg_key(msg_id)
    return None if key is None else (key[0], key[1])


def _id(value: int | None) -> int:
    return value if value is not None and 0 < value <= MAX_ID else 0


def _clean(text: str, limit: int) -> str:
    """Text that both engines store: no NUL, no lone surrogate, bounded."""
    return text[:limit].replace("\0", "").encode("utf-8", "replace").decode()
