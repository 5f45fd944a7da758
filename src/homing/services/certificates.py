"""Certificates: added by the operator, read by every push, paused when a vendor refuses the credentials."""

from __future__ import annotations

import secrets
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from homing.channels import fields
from homing.channels.base import Channel, FieldProblem, call_problem, serves_shared_tokens
from homing.channels.registry import CHANNELS
from homing.model.certificates import Certificate
from homing.model.clock import Clock
from homing.model.problems import ALREADY_EXISTS, APP_NOT_FOUND, BAD_PARAMETER, CERTIFICATE_UNKNOWN, Refused
from homing.store import certificates as store
from homing.store.apps import get_app
from homing.store.engine import Database, StoreRefused, Tx
from homing.store.sealing import Sealer, certificate_context

from .fresh import FreshCache

MAX_NAME_LENGTH = 100
MAX_REASON_LENGTH = 300
_RECEIPT_PATH_BYTES = 24

#: Paused by what is stored and not by a vendor.
SECRETS_UNREADABLE = "secrets_unreadable"
OPTIONS_UNREADABLE = "options_unreadable"
UNKNOWN_CHANNEL = "unknown_channel"

Values = Mapping[str, str | bytes]


class Certificates:
    """The certificates of all apps. Changes made by another process are seen within two seconds.

    The same object is handed out as long as nothing changed, so that whoever keeps parsed keys by it may go on.
    """

    def __init__(self, database: Database, sealer: Sealer, clock: Clock, channels: Mapping[str, Channel] = CHANNELS) -> None:
        self._database = database
        self._sealer = sealer
        self._clock = clock
        self._channels = channels
        self._cache: FreshCache[tuple[int, int], Certificate | None] = FreshCache(self._load, clock)
        self._by_path: FreshCache[str, tuple[int, int] | None] = FreshCache(self._load_path, clock)

    # --- reading ---

    async def get(self, sdkappid: int, business_id: int) -> Certificate | None:
        """The certificate, or None. Cached. One whose secrets cannot be opened comes paused, without credentials."""
        return await self._cache.get((sdkappid, business_id))

    async def require(self, sdkappid: int, business_id: int) -> Certificate:
        """The certificate. Raises ``Refused`` (certificate_unknown)."""
        certificate = await self.get(sdkappid, business_id)
        if certificate is None:
            raise Refused(CERTIFICATE_UNKNOWN, f"app {sdkappid}, business id {business_id}", cure="`homing cert list` shows those it has")
        return certificate

    async def of_app(self, sdkappid: int) -> list[Certificate]:
        """Every certificate of an app, in the order of their numbers. Not cached."""

        async def work(tx: Tx) -> list[store.CertificateRow]:
            return await store.list_certificates(tx, sdkappid)

        return [self._read(row) for row in await self._database.read(work)]

    async def for_shared_tokens(self, sdkappid: int, platform: str) -> int:
        """The number of the app's first certificate that takes tokens reported with businessID 0 on this platform; 0 where none does."""
        for certificate in await self.of_app(sdkappid):
            vendor = self._channels.get(certificate.channel)
            readable = vendor is not None and certificate.credentials is not None and certificate.options is not None
            if vendor is not None and readable and serves_shared_tokens(vendor, certificate, platform):
                return certificate.business_id
        return 0

    async def call_problem(self, sdkappid: int, business_id: int) -> FieldProblem | None:
        """Why a token for calls may not name this certificate; None where it may, or where the certificate cannot be read now."""
        certificate = await self.get(sdkappid, business_id)
        vendor = self._channels.get(certificate.channel) if certificate is not None else None
        if certificate is None or vendor is None or certificate.options is None:
            return None
        return call_problem(vendor, certificate)

    async def of_known_app(self, sdkappid: int) -> list[Certificate]:
        """As ``of_app``, for people: raises ``Refused`` (app_not_found)."""

        async def work(tx: Tx) -> bool:
            return await get_app(tx, sdkappid) is not None

        if not await self._database.read(work):
            raise Refused(APP_NOT_FOUND, str(sdkappid))
        return await self.of_app(sdkappid)

    async def by_receipt_path(self, path: str) -> Certificate | None:
        """The certificate that a vendor's receipt URL belongs to, or None."""
        key = await self._by_path.get(path) if 0 < len(path) <= 64 else None
        return None if key is None else await self.get(*key)

    def forget(self, sdkappid: int | None = None, business_id: int | None = None) -> None:
        """Somebody changed a certificate: look anew."""
        self._by_path.forget()
        if sdkappid is None or business_id is None:
            self._cache.forget()
        else:
            self._cache.forget((sdkappid, business_id))

    # --- changing ---

    async def add(
        self, sdkappid: int, channel: str, values: Values, *, business_id: int | None = None, name: str = ""
    ) -> Certificate | list[FieldProblem]:
        """Store a new certificate, or say what is wrong with its fields; nothing is stored then.

        Raises ``Refused`` when the app does not exist, the channel is unknown or the business id is taken.
        """
        vendor = self._channel(channel)
        built = fields.build(vendor, values)
        if isinstance(built, list):
            return built
        row = self._new_row(sdkappid, business_id or 0, vendor, _name(name, values), built)

        async def work(tx: Tx) -> store.CertificateRow:
            if await get_app(tx, sdkappid) is None:
                raise Refused(APP_NOT_FOUND, str(sdkappid))
            number = await store.next_business_id(tx, sdkappid) if business_id is None else business_id
            numbered = self._numbered(row, number, vendor, built)
            if not await store.insert_certificate(tx, numbered):
                raise Refused(
                    ALREADY_EXISTS,
                    f"certificate {number} of app {sdkappid}",
                    cure="Leave --business-id out to get a free number, or change that one with `homing cert set`",
                )
            return numbered

        stored = await self._database.write(work)
        self.forget(sdkappid, stored.business_id)
        return self._read(stored)

    async def update(self, sdkappid: int, business_id: int, values: Values, *, name: str | None = None) -> Certificate | list[FieldProblem]:
        """Change what is given and leave the rest; the version grows and a pause ends. Raises ``Refused`` when there is none.

        Where the stored secrets cannot be opened any more, every credential must be given again.
        """

        async def current(tx: Tx) -> store.CertificateRow | None:
            return await store.get_certificate(tx, sdkappid, business_id)

        row = await self._database.read(current)
        if row is None:
            raise Refused(CERTIFICATE_UNKNOWN, f"app {sdkappid}, business id {business_id}")
        vendor = self._channel(row.channel)
        known = self._read(row)
        usable = known.credentials is not None and known.options is not None
        built = fields.build(vendor, values, current=(known.credentials, known.options) if usable else None)
        if isinstance(built, list):
            return built
        if name is None:
            name = _name("", values) or row.name
        sealed, options = self._sealed(sdkappid, business_id, vendor, built)

        async def work(tx: Tx) -> bool:
            return await store.update_certificate(
                tx, sdkappid, business_id, name=_checked_name(name), credentials_sealed=sealed, options=options, now_ms=self._clock.now_ms()
            )

        await self._database.write(work)
        self.forget(sdkappid, business_id)
        return await self.require(sdkappid, business_id)

    async def remove(self, sdkappid: int, business_id: int) -> bool:
        """Delete a certificate. False when there is none."""

        async def work(tx: Tx) -> bool:
            return await store.remove_certificate(tx, sdkappid, business_id)

        removed = await self._database.write(work)
        self.forget(sdkappid, business_id)
        return removed

    async def pause(self, sdkappid: int, business_id: int, reason: str, *, version: int | None = None) -> None:
        """The vendor refused this certificate's credentials: stop using it.

        ``version`` is the one that failed (default: the one handed out last). Changed meanwhile, it is left alone.
        """
        if version is None:
            known = self._cache.peek((sdkappid, business_id)) or await self.get(sdkappid, business_id)
            version = known.version if known is not None else 0
        failed = version

        async def work(tx: Tx) -> None:
            text = reason[:MAX_REASON_LENGTH] or "credentials_refused"
            await store.pause_certificate(tx, sdkappid, business_id, version=failed, reason=text, now_ms=self._clock.now_ms())

        await self._database.write(work)
        self.forget(sdkappid, business_id)

    async def resume(self, sdkappid: int, business_id: int) -> bool:
        """End a pause. False when it is not paused."""

        async def work(tx: Tx) -> bool:
            return await store.resume_certificate(tx, sdkappid, business_id, self._clock.now_ms())

        resumed = await self._database.write(work)
        self.forget(sdkappid, business_id)
        return resumed

    def problems(self, certificate: Certificate) -> list[FieldProblem]:
        """What would fail or bite later, warnings included, without asking the vendor."""
        if certificate.credentials is None or certificate.options is None:
            return [FieldProblem("credentials", "the stored secrets cannot be opened", "Give them again with `homing cert set`")]
        return self._channel(certificate.channel).check(certificate)

    # --- rows ---

    def _channel(self, name: str) -> Channel:
        vendor = self._channels.get(name)
        if vendor is None:
            raise Refused(BAD_PARAMETER, f"there is no channel {name!r}", cure=f"Use one of {', '.join(self._channels)}")
        return vendor

    def _sealed(self, sdkappid: int, business_id: int, vendor: Channel, built: tuple[Any, Any]) -> tuple[bytes, str]:
        plain = fields.dump_credentials(vendor, built[0])
        context = certificate_context(sdkappid, business_id, vendor.name)
        return self._sealer.seal(plain, context), fields.dump_options(vendor, built[1]).decode()

    def _new_row(self, sdkappid: int, business_id: int, vendor: Channel, name: str, built: tuple[Any, Any]) -> store.CertificateRow:
        if business_id < 0 or business_id > store.MAX_BUSINESS_ID:
            raise Refused(BAD_PARAMETER, f"the business id must be between 1 and {store.MAX_BUSINESS_ID}")
        now_ms = self._clock.now_ms()
        sealed, options = self._sealed(sdkappid, business_id, vendor, built)
        path = secrets.token_urlsafe(_RECEIPT_PATH_BYTES)
        return store.CertificateRow(sdkappid, business_id, vendor.name, _checked_name(name), sealed, options, 1, "", path, now_ms, now_ms)

    def _numbered(self, row: store.CertificateRow, number: int, vendor: Channel, built: tuple[Any, Any]) -> store.CertificateRow:
        """The row under its number: the secrets are bound to it."""
        if number == row.business_id:
            return row
        sealed, _ = self._sealed(row.sdkappid, number, vendor, built)
        return msgspec.structs.replace(row, business_id=number, credentials_sealed=sealed)

    def _read(self, row: store.CertificateRow) -> Certificate:
        vendor = self._channels.get(row.channel)
        credentials, options, paused = None, None, row.paused_reason
        if vendor is None:
            paused = UNKNOWN_CHANNEL
        else:
            try:
                context = certificate_context(row.sdkappid, row.business_id, row.channel)
                credentials = fields.load_credentials(vendor, self._sealer.open(row.credentials_sealed, context))
            except (StoreRefused, msgspec.DecodeError):
                paused = SECRETS_UNREADABLE
            try:
                options = fields.load_options(vendor, row.options.encode())
            except msgspec.DecodeError:
                paused = OPTIONS_UNREADABLE
        return Certificate(
            row.sdkappid, row.business_id, row.channel, row.name, credentials, options, row.version, paused, row.receipt_path
        )

    async def _load(self, key: tuple[int, int]) -> Certificate | None:
        async def work(tx: Tx) -> store.CertificateRow | None:
            return await store.get_certificate(tx, *key)

        row = await self._database.read(work)
        if row is None:
            return None
        certificate, known = self._read(row), self._cache.peek(key)
        return known if known == certificate else certificate

    async def _load_path(self, path: str) -> tuple[int, int] | None:
        async def work(tx: Tx) -> store.CertificateRow | None:
            return await store.certificate_by_receipt_path(tx, path)

        row = await self._database.read(work)
        return None if row is None else (row.sdkappid, row.business_id)


def sorted_problems(problems: Sequence[FieldProblem]) -> list[FieldProblem]:
    """Errors before warnings."""
    return sorted(problems, key=lambda problem: problem.warning)


def _name(name: str, values: Values) -> str:
    given = values.get("name", "")
    return name or (given.decode(errors="replace") if isinstance(given, bytes) else given)


def _checked_name(name: str) -> str:
    if len(name) > MAX_NAME_LENGTH or not (name == "" or name.isprintable()):
        raise Refused(BAD_PARAMETER, f"the name must be at most {MAX_NAME_LENGTH} printable characters")
    return name
