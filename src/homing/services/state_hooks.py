"""Callbacks about devices that come and go (webhooks sheet, section 2)."""

from __future__ import annotations

from collections.abc import Sequence

from homing.model.clock import Clock, Ids
from homing.model.devices import Device
from homing.model.webhooks import Callback
from homing.rules.webhooks import platform_name, state_told
from homing.store.engine import Tx
from homing.store.webhooks import insert_events

from .webhooks import Webhooks

LOGIN = ("Login", "Register")
LOGOUT = ("Logout", "Unregister")
CLOSED = ("Disconnect", "LinkClose")
SILENT = ("Disconnect", "TimeOut")


class StateHooks:
    """Queues state changes, in the transactions that make them."""

    def __init__(self, *, webhooks: Webhooks, clock: Clock, ids: Ids) -> None:
        self._webhooks = webhooks
        self._clock = clock
        self._ids = ids

    async def note(self, tx: Tx, devices: Sequence[Device], what: tuple[str, str], kicked: Sequence[Device] = ()) -> None:
        """These devices' state has changed; ``kicked`` had to go for it."""
        if not self._webhooks.by_app:
            return
        now_ms = self._clock.now_ms()
        rows = []
        for device in devices:
            if self._webhooks.of(device.sdkappid, Callback.STATE_CHANGE) is not None:
                body = state_told(device.user_id, *what, [gone.platform for gone in kicked], now_ms)
                platform = platform_name(device.platform)
                rows.append((self._ids.next(), device.sdkappid, Callback.STATE_CHANGE.value, platform, body, now_ms))
        await insert_events(tx, rows)
