"""One login as one transaction: the policy, the kicks, the new session."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import msgspec

from homing.model.apps import DAY_SECONDS, App
from homing.model.devices import Device, SessionState
from homing.model.problems import USERSIG_REVOKED, Refused
from homing.rules.terminals import kicked_by
from homing.store import devices as store
from homing.store.accounts import fetch_accounts
from homing.store.engine import Tx
from homing.store.messages import lock_accounts
from homing.store.token_import import IMPORTED

#: Devices of one account, so that nobody makes every message to it expensive.
MAX_ACTIVE = 100
MAX_ENDED = 20
FORGET_ENDED_MS = 30 * DAY_SECONDS * 1000


class LoginPlan(msgspec.Struct, frozen=True):
    """What is to be stored. An installation that is known keeps its own ``device_id``."""

    app: App
    device: Device
    session_hash: bytes
    issued_at: int
    now_ms: int


class Admitted(msgspec.Struct, frozen=True):
    """What the login changed."""

    device: Device
    synced_seq: int
    ended: tuple[tuple[Device, SessionState], ...]  # sessions that are over, as they were


async def admit(tx: Tx, plan: LoginPlan, next_id: Callable[[], int]) -> Admitted:
    """Store the login. Raises ``Refused`` when a kick revoked the UserSig meanwhile."""
    new, now_ms = plan.device, plan.now_ms
    key = (new.sdkappid, new.user_id)
    # The lock puts the logins of one account in a row; else two phones could both believe to be the only one.
    account = (await lock_accounts(tx, [key])).get(key)
    details = (await fetch_accounts(tx, new.sdkappid, [new.user_id])).get(new.user_id)
    if account is None or details is None or plan.issued_at < details.valid_from:
        raise Refused(USERSIG_REVOKED)
    devices = (await store.devices_of(tx, new.sdkappid, [new.user_id])).get(new.user_id, [])
    kicked = _sent_away(new, devices, plan)
    ended: list[tuple[Device, SessionState]] = []
    for device in kicked:
        gone = await store.end_session(tx, device, SessionState.KICKED, now_ms)
        if gone is not None:
            ended.append((gone, SessionState.KICKED))
            await store.note_event(tx, next_id(), device, now_ms, "kicked", f"by {new.platform} {new.instance_id}")
    known = next((d for d in devices if (d.platform, d.instance_id) == (new.platform, new.instance_id)), None)
    before = None if known is None else await store.lock_device(tx, known.device_id)
    if before is not None and before.session_state == SessionState.ACTIVE:
        ended.append((before, SessionState.LOGGED_OUT))
    await store.delete_devices(tx, [d.device_id for d in _stale(new, devices, kicked, now_ms)])
    stored = await store.save_login(tx, new, plan.session_hash, account.inbox_seq)
    await store.note_event(tx, next_id(), stored, now_ms, "login", f"{new.platform} {new.instance_id}")
    return Admitted(stored, await store.synced_seq_of(tx, stored.device_id), tuple(ended))


def _sent_away(new: Device, devices: Sequence[Device], plan: LoginPlan) -> list[Device]:
    """The devices that the policy kicks, and the oldest when there are too many."""
    kicked = kicked_by(new.platform, new.instance_id, devices, plan.app.settings.terminal_policy)
    gone = {device.device_id for device in kicked}
    left = [
        device
        for device in devices
        if device.session_state == SessionState.ACTIVE
        and device.device_id not in gone
        and (device.platform, device.instance_id) != (new.platform, new.instance_id)
    ]
    left.sort(key=lambda device: (device.login_at_ms, device.device_id))
    return kicked + left[: max(0, len(left) + 1 - MAX_ACTIVE)]


def _stale(new: Device, devices: Sequence[Device], kicked: Sequence[Device], now_ms: int) -> list[Device]:
    """Ended devices that nobody will miss: too old, too many, or only imported. Those kicked just now stay for their explanation."""
    recent = {device.device_id for device in kicked}
    imported = [device for device in kicked if device.instance_id.startswith(IMPORTED)]
    ended = [
        device
        for device in devices
        if device.session_state != SessionState.ACTIVE
        and device.device_id not in recent
        and (device.platform, device.instance_id) != (new.platform, new.instance_id)
    ]
    ended.sort(key=lambda device: device.last_seen_ms, reverse=True)
    old = [device for place, device in enumerate(ended) if place >= MAX_ENDED or now_ms - device.last_seen_ms > FORGET_ENDED_MS]
    return imported + old
