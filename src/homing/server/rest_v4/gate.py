"""Who may call: the query parameters, the app, the UserSig and the administrator (rest-api sheet, section 1)."""

from __future__ import annotations

from typing import TypeVar
from urllib.parse import unquote_plus

import msgspec

from homing.model.apps import App
from homing.model.problems import (
    BAD_IDENTIFIER,
    BAD_URL,
    BAD_USERSIG,
    MISSING_APP,
    NOT_ADMIN,
    UNKNOWN_APP,
    USERSIG_EXPIRED,
    USERSIG_REVOKED,
    Problem,
    Refused,
)
from homing.rules.usersig import verify_for
from homing.services.hub import Hub

MAX_VERIFIED = 4096
K = TypeVar("K")
V = TypeVar("V")
MAX_QUERY_BYTES = 16 * 1024
MAX_SDKAPPID_DIGITS = 10


class _Verified(msgspec.Struct, frozen=True):
    """A UserSig whose signature was checked, and the key that it was checked with."""

    secret_key: str
    issued_at: int
    expires_at: int


class Call(msgspec.Struct, frozen=True):
    """An admitted call."""

    hub: Hub
    app: App
    identifier: str


class Gate:
    """Admits administrators. Checked signatures are remembered; expiry, revocation and administrators are looked at every time."""

    def __init__(self, hub: Hub) -> None:
        self._hub = hub
        self._verified: dict[tuple[int, str, str], _Verified] = {}
        self._parsed: dict[bytes, dict[str, str]] = {}

    async def admit(self, query: bytes) -> Call:
        """The call behind a query string. Raises ``Refused``."""
        same = _without_random(query)
        params = self._parsed.get(same) or parse_query(query)
        app = await self._app(params)
        identifier = params.get("identifier", "")
        if not identifier:
            raise Refused(BAD_IDENTIFIER)
        usersig = params.get("usersig")
        if usersig is None:
            raise Refused(BAD_USERSIG)
        issued_at = self._issued_at(app, identifier, usersig)
        if issued_at < await self._hub.accounts.valid_from(app.sdkappid, identifier):
            raise Refused(USERSIG_REVOKED)
        if identifier not in app.admins:
            raise Refused(NOT_ADMIN)
        if same not in self._parsed:
            _remember(self._parsed, same, params)
        return Call(self._hub, app, identifier)

    async def _app(self, params: dict[str, str]) -> App:
        text = params.get("sdkappid", "")
        if not text:
            raise Refused(MISSING_APP)
        app = None
        if len(text) <= MAX_SDKAPPID_DIGITS and text.isascii() and text.isdigit():
            app = await self._hub.apps.get(int(text))
        if app is None:
            raise Refused(UNKNOWN_APP)
        return app

    def _issued_at(self, app: App, identifier: str, usersig: str) -> int:
        now = self._hub.clock.now_ms() // 1000
        key = (app.sdkappid, identifier, usersig)
        known = self._verified.get(key)
        if known is None or known.secret_key != app.secret_key:
            result = verify_for(app, usersig, identifier, self._hub.clock.now_ms())
            if isinstance(result, Problem):
                raise Refused(result)
            known = _Verified(app.secret_key, result.issued_at, result.expires_at)
            # While an old key is still good nothing is remembered: its signatures end with it.
            if identifier in app.admins and not app.previous_key:  # others cannot fill the memory
                _remember(self._verified, key, known)
        if known.expires_at < now:
            self._verified.pop(key, None)
            raise Refused(USERSIG_EXPIRED)
        return known.issued_at


def _remember(known: dict[K, V], key: K, value: V) -> None:
    known[key] = value
    while len(known) > MAX_VERIFIED:
        del known[next(iter(known))]


def _without_random(query: bytes) -> bytes:
    """What a client's calls have in common: ``random`` differs from one to the next and means nothing."""
    start = 0 if query.startswith(b"random=") else query.find(b"&random=")
    if start < 0:
        return query
    end = query.find(b"&", start + 1)
    return query[:start] + query[end:] if end > 0 else query[:start]


def parse_query(query: bytes) -> dict[str, str]:
    """The parameters in any order; the last one of a name counts. Raises ``Refused`` when there is nothing to parse."""
    if len(query) > MAX_QUERY_BYTES or not query.isascii():
        raise Refused(BAD_URL, "the query string is too long or not ASCII")
    params: dict[str, str] = {}
    for part in query.decode("ascii").split("&"):
        name, _, value = part.partition("=")
        params[name] = unquote_plus(value) if "%" in value or "+" in value else value
    if params.get("contenttype", "json").lower() != "json":
        raise Refused(BAD_URL, "contenttype must be json")
    return params
