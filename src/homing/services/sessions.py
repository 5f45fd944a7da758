"""Sessions: log-in with a UserSig, the multi-terminal policy, push tokens, background and foreground."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import msgspec

from homing.bus.base import Bus
from homing.model.apps import DAY_SECONDS, App
from homing.model.clock import Clock, Ids
from homing.model.delivery import SessionEnded
from homing.model.devices import AppState, Device, Platform, SessionState
from homing.model.problems import (
    APP_NOT_FOUND,
    BAD_PARAMETER,
    CERTIFICATE_UNKNOWN,
    SESSION_ENDED,
    SESSION_UNKNOWN,
    USERSIG_EXPIRED,
    USERSIG_REVOKED,
    Problem,
    Refused,
)
from homing.rules.usersig import verify_for
from homing.store import devices as store
from homing.store.engine import Database, Tx
from homing.store.messages import lock_accounts
from homing.store.presence import set_app_state, set_unread_total
from homing.store.push_tokens import bind_token, clear_token
from homing.store.token_import import IMPORTED

from .accounts import Accounts
from .apps import MAX_SDKAPPID, Apps
from .certificates import Certificates
from .fresh import FreshCache
from .login import Admitted, LoginPlan, admit
from .presence import Presence
from .state_hooks import LOGIN, LOGOUT, StateHooks
from .tokens import check_push_token, new_session_token, session_hash

MAX_INSTANCE_CHARS = 128
MAX_LANGUAGE_CHARS = 35
MAX_UNREAD = 1_000_000
MAX_CACHED_SESSIONS = 20_000
TOPIC = "sessions/"
_PLATFORMS = frozenset(platform.value for platform in Platform)
_ENDED_BECAUSE = {
    SessionState.LOGGED_OUT: "the device logged out",
    SessionState.KICKED: "another device of the account logged in",
    SessionState.REVOKED: "the account was logged out by the backend",
    SessionState.EXPIRED: "the UserSig expired",
}


class LoginRequest(msgspec.Struct, frozen=True):
    """Who wants to log in, and on what."""

    user_id: str
    user_sig: str
    platform: str
    instance_id: str
    language: str = ""

    def __repr__(self) -> str:
        return f"LoginRequest({self.user_id!r}, {self.platform!r})"  # never the UserSig


class Login(msgspec.Struct, frozen=True):
    """A new session. The token is told once and never again."""

    session_token: str
    device: Device
    expires_in: int  # seconds until the UserSig ends
    cursor: int  # inbox place from which this device synchronises

    def __repr__(self) -> str:
        return f"Login(device_id={self.device.device_id})"


class Sessions:
    """The sessions of every app. A session that another node ended is refused within two seconds.

    Whatever silences a device holds its account's lock, as accepting a message does: a message comes before, and its push is
    stopped with the others, or after, and finds the device silent (promise 5).
    """

    def __init__(
        self,
        *,
        database: Database,
        clock: Clock,
        ids: Ids,
        bus: Bus,
        node_id: int,
        apps: Apps,
        accounts: Accounts,
        certificates: Certificates,
        hooks: StateHooks | None = None,
    ) -> None:
        self._database = database
        self._clock = clock
        self._ids = ids
        self._bus = bus
        self._hooks = hooks
        self.presence = Presence(database, clock, node_id, hooks)
        self._apps = apps
        self._accounts = accounts
        self._certificates = certificates
        self._cache: FreshCache[bytes, Device | None] = FreshCache(self._load, clock, max_entries=MAX_CACHED_SESSIONS)
        self._hashes: dict[int, bytes] = {}  # of cached sessions, by device
        bus.on_announce(TOPIC, self._forget_announced)

    async def login(self, sdkappid: int, request: LoginRequest) -> Login:
        """Begin a session; devices that the policy sends away are kicked in the same transaction.

        Raises ``Refused``: unknown app, any problem of the UserSig, impossible parameters.
        """
        app = await self._apps.get(sdkappid) if 0 < sdkappid <= MAX_SDKAPPID else None
        if app is None:
            raise Refused(APP_NOT_FOUND, str(sdkappid)[:20])
        now_ms = self._clock.now_ms()
        signature = verify_for(app, request.user_sig, request.user_id, now_ms)
        if isinstance(signature, Problem):
            raise Refused(signature)
        request = _checked(request)
        account = await self._accounts.ensure(app, request.user_id)
        if signature.issued_at < account.valid_from:
            raise Refused(USERSIG_REVOKED)
        token = new_session_token()
        plan = LoginPlan(
            app=app,
            device=Device(
                device_id=self._ids.next(),
                sdkappid=sdkappid,
                user_id=request.user_id,
                platform=request.platform,
                instance_id=request.instance_id,
                login_at_ms=now_ms,
                # Its last second is still valid; a year 275,000 is no date that anybody reads.
                expires_at_ms=min((signature.expires_at + 1) * 1000, 2**53),
                last_seen_ms=now_ms,
                language=request.language,
            ),
            session_hash=session_hash(token),
            issued_at=signature.issued_at,
            now_ms=now_ms,
        )

        async def work(tx: Tx) -> Admitted:
            admitted = await admit(tx, plan, self._ids.next)
            kicked = [gone for gone, state in admitted.ended if state is SessionState.KICKED]
            if kicked and self._hooks is not None:
                await self._hooks.note(tx, [admitted.device], LOGIN, kicked)
            return admitted

        admitted = await self._database.write(work)
        self._tell_ended(admitted.ended)
        self._forget(admitted.device.device_id)
        return Login(token, admitted.device, max(0, signature.expires_at - now_ms // 1000), admitted.synced_seq)

    async def authenticate(self, session_token: str) -> tuple[App, Device]:
        """The app and device behind a session token. Raises ``Refused``: session_unknown, session_ended, usersig_expired."""
        digest = session_hash(session_token)
        device = await self._cache.get(digest)
        if device is None:
            raise Refused(SESSION_UNKNOWN)
        if device.session_state != SessionState.ACTIVE:
            self._refuse_ended(device)
        app = await self._apps.get(device.sdkappid)
        if app is None:
            raise Refused(SESSION_UNKNOWN)
        now_ms = self._clock.now_ms()
        if device.expires_at_ms <= now_ms:
            await self.expire(device)
            raise Refused(USERSIG_EXPIRED)
        if not device.connected and now_ms - device.last_seen_ms > app.settings.session_days * DAY_SECONDS * 1000:
            raise Refused(SESSION_ENDED, f"it was not used for {app.settings.session_days} days")
        return app, device

    async def logout(self, device: Device) -> None:
        """End the session: no push reaches the device any more. Logging out twice is no error."""
        await self._end([device], SessionState.LOGGED_OUT, "logout")

    async def expire(self, device: Device) -> None:
        """The UserSig ran out."""
        await self._end([device], SessionState.EXPIRED, "expired")

    async def revoke_account(self, app: App, user_id: str) -> int:
        """End every session of an account (REST kick); returns how many there were. The caller revokes the UserSigs first."""
        devices = (await self.devices_of(app.sdkappid, [user_id])).get(user_id, [])
        return await self._end(devices, SessionState.REVOKED, "revoked")

    async def forget_account(self, app: App, user_ids: Sequence[str]) -> None:
        """End every session of these accounts and forget their devices; the accounts are about to be deleted."""

        async def work(tx: Tx) -> list[Device]:
            await lock_accounts(tx, sorted({(app.sdkappid, user_id) for user_id in user_ids}))
            found = await store.devices_of(tx, app.sdkappid, user_ids)
            devices = [device for devices in found.values() for device in devices]
            for device in devices:
                await store.end_session(tx, device, SessionState.REVOKED, self._clock.now_ms())
            await store.delete_devices(tx, [device.device_id for device in devices])
            return devices

        if user_ids:
            self._tell_ended([(device, SessionState.REVOKED) for device in await self._database.write(work)])

    async def set_push_config(
        self,
        device: Device,
        business_id: int,
        token: str,
        *,
        is_tpns_token: bool = False,
        fallbacks: Sequence[tuple[int, str]] = (),
        voip: tuple[int, str] | None = None,
    ) -> None:
        """Report the push token; it moves away from whoever had it (promise 5).

        ``fallbacks`` are further tokens of the phone (business id, token), each used when the one before it is dead.
        ``voip`` is its token for calls; all other messages go to ``token``.
        Raises ``Refused``: token_too_long, bad_parameter, certificate_unknown, session_ended.
        """
        check_push_token(token)
        if voip is not None and voip[0] == business_id:
            raise Refused(BAD_PARAMETER, "$.voip.business_id: calls need a certificate of their own")
        for further_id, further in (*fallbacks, *([voip] if voip else ())):
            check_push_token(further)
            if not 0 < further_id < 2**63 or await self._certificates.get(device.sdkappid, further_id) is None:
                raise Refused(CERTIFICATE_UNKNOWN, str(further_id)[:20])
        if voip is not None and (problem := await self._certificates.call_problem(device.sdkappid, voip[0])):
            raise Refused(BAD_PARAMETER, f"$.voip.business_id {voip[0]}: {problem.sentence}", cure=problem.cure)
        # The original takes businessID 0 for tokens of the shared push service (client-sdk sheet, section 3). They go to the
        # app's certificate for that service; without one the token is kept, and its pushes say what is missing.
        known = is_tpns_token and business_id == 0
        if known:
            business_id = await self._certificates.for_shared_tokens(device.sdkappid, device.platform)
        if not known and (not 0 < business_id < 2**63 or await self._certificates.get(device.sdkappid, business_id) is None):
            raise Refused(CERTIFICATE_UNKNOWN, str(business_id)[:20])
        now_ms = self._clock.now_ms()

        async def work(tx: Tx) -> list[int]:
            before = await store.device_by_id(tx, device.device_id)
            moved = await bind_token(tx, device, business_id, token, now_ms, is_tpns_token=is_tpns_token, fallbacks=fallbacks, voip=voip)
            if moved is None or before is None:
                raise Refused(SESSION_ENDED)
            for holder in moved:
                loser = msgspec.structs.replace(device, device_id=holder.device_id, user_id=holder.user_id)
                await store.note_event(tx, self._ids.next(), loser, now_ms, "token_moved", f"to {device.user_id}")
            if (before.business_id, before.token) != (business_id, token):
                detail = f"business_id {business_id}" + "".join(f", from {user_id}" for user_id in {h.user_id for h in moved})
                await store.note_event(tx, self._ids.next(), device, now_ms, "token_reported", detail)
            return [holder.device_id for holder in moved]

        for loser_id in await self._database.write(work):
            self._bus.announce(f"{TOPIC}{loser_id}")  # what waits for it in a lane's memory is forgotten

    async def clear_push_config(self, device: Device) -> None:
        """Turn push off for this device. Raises ``Refused`` (session_ended)."""
        now_ms = self._clock.now_ms()

        async def work(tx: Tx) -> None:
            if not await clear_token(tx, device, now_ms):
                raise Refused(SESSION_ENDED)
            await store.note_event(tx, self._ids.next(), device, now_ms, "token_cleared")

        await self._database.write(work)

    async def background(self, device: Device, unread_count: int | None = None) -> None:
        """The app went to the background: from now on messages are pushed. ``unread_count`` is where the badge starts.

        Raises ``Refused``: bad_parameter, session_ended.
        """
        if unread_count is not None and not 0 <= unread_count <= MAX_UNREAD:
            raise Refused(BAD_PARAMETER, f"$.unread_count: it must be 0 to {MAX_UNREAD}")
        await self._set_app_state(device, AppState.BACKGROUND, unread_count)

    async def foreground(self, device: Device) -> None:
        """The app is in front again: messages come on the socket alone. Raises ``Refused`` (session_ended)."""
        await self._set_app_state(device, AppState.FOREGROUND, None)

    async def devices_of(self, sdkappid: int, user_ids: Iterable[str]) -> dict[str, list[Device]]:
        """Every device of these accounts, ended sessions included; accounts without one are left out."""
        wanted = list(user_ids)
        if not wanted:
            return {}
        return await self._database.read(lambda tx: store.devices_of(tx, sdkappid, wanted))

    async def _set_app_state(self, device: Device, state: AppState, unread_count: int | None) -> None:
        now_ms = self._clock.now_ms()

        async def work(tx: Tx) -> None:
            if not await set_app_state(tx, device, state, now_ms):
                raise Refused(SESSION_ENDED)
            if unread_count is not None:
                await set_unread_total(tx, device.sdkappid, device.user_id, unread_count)
            await store.note_event(tx, self._ids.next(), device, now_ms, state.value)

        await self._database.write(work)

    async def _end(self, devices: Sequence[Device], state: SessionState, kind: str) -> int:
        now_ms = self._clock.now_ms()

        async def work(tx: Tx) -> list[Device]:
            await lock_accounts(tx, sorted({(device.sdkappid, device.user_id) for device in devices}))
            ended = []
            for device in sorted(devices, key=lambda device: device.device_id):
                gone = await store.end_session(tx, device, state, now_ms)
                if gone is not None:
                    await store.note_event(tx, self._ids.next(), device, now_ms, kind)
                    ended.append(gone)
            if self._hooks is not None:
                await self._hooks.note(tx, ended, LOGOUT)
            return ended

        ended = await self._database.write(work) if devices else []
        self._tell_ended([(device, state) for device in ended])
        return len(ended)

    def _tell_ended(self, ended: Sequence[tuple[Device, SessionState]]) -> None:
        """Close the sockets, and make every node forget the sessions."""
        for device, state in ended:
            if device.node_id is not None:
                self._bus.deliver(device.node_id, [SessionEnded(device.device_id, device.session_id, state.value)])
            self._forget(device.device_id)
            self._bus.announce(f"{TOPIC}{device.device_id}")

    def _refuse_ended(self, device: Device) -> None:
        if device.session_state == SessionState.EXPIRED:
            raise Refused(USERSIG_EXPIRED)
        raise Refused(SESSION_ENDED, _ENDED_BECAUSE.get(SessionState(device.session_state), ""))

    async def _load(self, digest: bytes) -> Device | None:
        device = await self._database.read(lambda tx: store.device_by_session(tx, digest))
        if device is not None:
            self._hashes.pop(device.device_id, None)
            self._hashes[device.device_id] = digest
            while len(self._hashes) > MAX_CACHED_SESSIONS:
                del self._hashes[next(iter(self._hashes))]
        return device

    def _forget(self, device_id: int) -> None:
        digest = self._hashes.pop(device_id, None)
        if digest is not None:
            self._cache.forget(digest)

    def _forget_announced(self, topic: str) -> None:
        number = topic.removeprefix(TOPIC)
        if number.isdigit():
            self._forget(int(number))


def _checked(request: LoginRequest) -> LoginRequest:
    """The request in its stored form. Raises ``Refused`` with the field that is wrong."""
    platform = request.platform.lower()
    if platform not in _PLATFORMS:
        raise Refused(BAD_PARAMETER, f"$.platform: it is none of {', '.join(sorted(_PLATFORMS))}")
    instance = request.instance_id
    if not 0 < len(instance) <= MAX_INSTANCE_CHARS or not instance.isprintable() or instance.startswith(IMPORTED):
        raise Refused(BAD_PARAMETER, f"$.instance_id: it must be 1 to {MAX_INSTANCE_CHARS} printable characters, the same at each login")
    language = request.language
    if len(language) > MAX_LANGUAGE_CHARS or not language.isascii() or not language.isprintable():
        raise Refused(BAD_PARAMETER, "$.language: it must be a language tag such as zh-CN")
    return msgspec.structs.replace(request, platform=platform)
