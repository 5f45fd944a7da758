"""Apps (tenants): made by the operator, looked up with every request."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec

from homing.model.apps import App, AppSettings
from homing.model.clock import Clock
from homing.model.problems import ALREADY_EXISTS, APP_NOT_FOUND, BAD_PARAMETER, Refused
from homing.rules.sending_limits import own_limits
from homing.store import apps as store
from homing.store.accounts import insert_accounts
from homing.store.administration import previous_key
from homing.store.engine import Database, Tx
from homing.store.sealing import Sealer, app_context, previous_key_context

from .fresh import FreshCache

DEFAULT_ADMIN = "administrator"
MAX_SDKAPPID = 2**32 - 1
MIN_KEY_LENGTH = 8
MAX_KEY_LENGTH = 256
MAX_NAME_LENGTH = 100
MAX_USER_ID_BYTES = 32
MAX_ADMINS = 100


class Apps:
    """The apps of this installation. Changes made by another process are seen within two seconds."""

    def __init__(self, database: Database, sealer: Sealer, clock: Clock) -> None:
        self._database = database
        self._sealer = sealer
        self._clock = clock
        self._cache: FreshCache[int, App | None] = FreshCache(self._load, clock)

    async def get(self, sdkappid: int) -> App | None:
        """The app, or None. Cached; raises ``StoreBusy`` when the store must be asked and cannot answer."""
        return await self._cache.get(sdkappid)

    async def require(self, sdkappid: int) -> App:
        """The app. Raises ``Refused`` (app_not_found)."""
        app = await self.get(sdkappid)
        if app is None:
            raise Refused(APP_NOT_FOUND, str(sdkappid))
        return app

    def forget(self, sdkappid: int | None = None) -> None:
        """Somebody changed an app: look anew."""
        self._cache.forget(sdkappid)

    async def list(self) -> Sequence[App]:
        """Every app, in the order of their numbers."""
        rows = await self._database.read(store.list_apps)
        return [self._read(row) for row in rows]

    async def create(self, sdkappid: int, secret_key: str, *, name: str = "", admins: Sequence[str] = (DEFAULT_ADMIN,)) -> App:
        """Make an app and its administrators' accounts. Raises ``Refused`` when a value is illegal or the number is taken."""
        app = App(sdkappid, name, secret_key, tuple(dict.fromkeys(admins)), AppSettings(), self._clock.now_ms())
        _check(app)
        row = self._row(app)

        async def work(tx: Tx) -> bool:
            if not await store.insert_app(tx, row):
                return False
            await _insert_admins(tx, app)
            return True

        if not await self._database.write(work):
            raise Refused(
                ALREADY_EXISTS,
                f"app {sdkappid}",
                cure="Take another --sdkappid, or change this one with `homing app set`",
            )
        self.forget(sdkappid)
        return app

    async def update(
        self,
        sdkappid: int,
        *,
        name: str | None = None,
        secret_key: str | None = None,
        admins: Sequence[str] | None = None,
        settings: dict[str, Any] | None = None,
    ) -> App:
        """Change what is given and leave the rest. ``settings`` holds fields of ``AppSettings``. Raises ``Refused``."""

        async def work(tx: Tx) -> App:
            row = await store.get_app(tx, sdkappid)
            if row is None:
                raise Refused(APP_NOT_FOUND, str(sdkappid))
            known = secret_key if secret_key is not None else self._open(row)
            app = App(
                sdkappid,
                row.name if name is None else name,
                known,
                tuple(msgspec.json.decode(row.admins)) if admins is None else tuple(dict.fromkeys(admins)),
                _changed(_settings(row), settings or {}),
                row.created_at_ms,
            )
            _check(app)
            await store.update_app(tx, self._row(app))
            await _insert_admins(tx, app)
            return app

        app = await self._database.write(work)
        self.forget(sdkappid)
        return app

    async def _load(self, sdkappid: int) -> App | None:
        async def work(tx: Tx) -> tuple[store.AppRow | None, tuple[bytes, int] | None]:
            return await store.get_app(tx, sdkappid), await previous_key(tx, sdkappid)

        row, previous = await self._database.read(work)
        if row is None:
            return None
        app = self._read(row)
        if previous is not None and previous[1] > self._clock.now_ms():
            key = self._sealer.open(previous[0], previous_key_context(sdkappid)).decode()
            app = msgspec.structs.replace(app, previous_key=key, previous_key_until_ms=previous[1])
        known = self._cache.peek(sdkappid)
        # The same object again when nothing changed: what others keep per app stays valid.
        return known if known == app else app

    def _read(self, row: store.AppRow) -> App:
        return App(row.sdkappid, row.name, self._open(row), tuple(msgspec.json.decode(row.admins)), _settings(row), row.created_at_ms)

    def _open(self, row: store.AppRow) -> str:
        return self._sealer.open(row.secret_key_sealed, app_context(row.sdkappid)).decode()

    def _row(self, app: App) -> store.AppRow:
        return store.AppRow(
            app.sdkappid,
            app.name,
            self._sealer.seal(app.secret_key.encode(), app_context(app.sdkappid)),
            msgspec.json.encode(app.admins).decode(),
            msgspec.json.encode(app.settings).decode(),
            app.created_at_ms,
        )


def _settings(row: store.AppRow) -> AppSettings:
    return msgspec.json.decode(row.settings, type=AppSettings)


async def _insert_admins(tx: Tx, app: App) -> None:
    await insert_accounts(tx, app.sdkappid, [(admin, "", "") for admin in app.admins], app.created_at_ms)


def _changed(settings: AppSettings, changes: dict[str, Any]) -> AppSettings:
    fields = {field.name: field.type for field in msgspec.structs.fields(AppSettings)}
    values = msgspec.structs.asdict(settings)
    for key, value in changes.items():
        if key not in fields:
            raise Refused(BAD_PARAMETER, f"there is no app setting {key!r}", cure=f"Use one of {', '.join(fields)}")
        values[key] = _setting(key, value, fields[key])
    return AppSettings(**values)


def _setting(key: str, value: Any, kind: Any) -> Any:
    try:
        converted = msgspec.convert(value, kind, strict=False)
    except msgspec.ValidationError as error:
        raise Refused(BAD_PARAMETER, f"the app setting {key} cannot be {str(value)[:40]!r}: {_lower(str(error))}") from None
    if isinstance(converted, int) and not isinstance(converted, bool) and converted < 0:
        raise Refused(BAD_PARAMETER, f"the app setting {key} must not be negative")
    return converted


def _check_limits(settings: AppSettings) -> None:
    try:
        own_limits(settings.command_limits)
    except ValueError as error:
        raise Refused(BAD_PARAMETER, f"the app setting command_limits is wrong: {error}") from None


def _lower(text: str) -> str:
    return text[:1].lower() + text[1:]


def _check(app: App) -> None:
    _check_limits(app.settings)
    if not 0 < app.sdkappid <= MAX_SDKAPPID:
        raise Refused(BAD_PARAMETER, f"sdkappid must be between 1 and {MAX_SDKAPPID}")
    if not MIN_KEY_LENGTH <= len(app.secret_key) <= MAX_KEY_LENGTH:
        raise Refused(BAD_PARAMETER, f"the secret key must have {MIN_KEY_LENGTH} to {MAX_KEY_LENGTH} characters")
    if not (app.secret_key.isascii() and app.secret_key.isprintable()):
        raise Refused(BAD_PARAMETER, "the secret key must be printable ASCII")
    if len(app.name) > MAX_NAME_LENGTH or not (app.name == "" or app.name.isprintable()):
        raise Refused(BAD_PARAMETER, f"the name must be at most {MAX_NAME_LENGTH} printable characters")
    if not 0 < len(app.admins) <= MAX_ADMINS:
        raise Refused(BAD_PARAMETER, f"an app needs 1 to {MAX_ADMINS} administrators")
    for admin in app.admins:
        if not 0 < len(admin) <= MAX_USER_ID_BYTES or not (admin.isascii() and admin.isprintable()):
            raise Refused(BAD_PARAMETER, f"the administrator {admin!r} is no UserID: 1 to {MAX_USER_ID_BYTES} printable bytes")
