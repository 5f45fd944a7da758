"""The webhooks of all apps: stored by the operator, held in memory, so that an app without one costs a look into a dictionary."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Iterable
from typing import Any

import msgspec
import structlog

from homing.model.problems import BAD_PARAMETER, Refused
from homing.model.webhooks import Callback, Webhook, WebhookOptions
from homing.store import webhooks as store
from homing.store.engine import Database, StoreBusy
from homing.store.sealing import Sealer, webhook_context
from homing.transport.guard import check_url, judge_origin, origin_of

log = structlog.get_logger()

REFRESH_SECONDS = 1.0
MAX_URL_CHARS = 1_000
MAX_TOKEN_CHARS = 256
_COMMANDS = frozenset(callback.value for callback in Callback)
_TIMEOUTS = (0.1, 10.0)


class Webhooks:
    """Where each app's backend listens. A change is seen by every node within two seconds."""

    def __init__(self, database: Database, sealer: Sealer, *, allow_private: bool = False) -> None:
        self._database = database
        self._sealer = sealer
        self._allow_private = allow_private
        self._task: asyncio.Task[None] | None = None
        self.by_app: dict[int, Webhook] = {}

    def of(self, sdkappid: int, callback: Callback) -> Webhook | None:
        """The webhook of an app that wants this callback, or None."""
        hook = self.by_app.get(sdkappid)
        return hook if hook is not None and callback.value in hook.commands else None

    async def start(self) -> None:
        """Read them, and follow their changes. Raises ``StoreBusy``."""
        await self.refresh()
        self._task = asyncio.get_running_loop().create_task(self._follow())

    def stop(self) -> None:
        """Follow no more."""
        if self._task is not None:
            self._task.cancel()

    async def refresh(self) -> None:
        """Read all webhooks anew."""
        self.by_app = {hook.sdkappid: hook for hook in await self.list()}

    async def list(self) -> list[Webhook]:
        """Every app's webhook."""
        return [self._read(row) for row in await self._database.read(store.all_webhooks)]

    async def save(self, hook: Webhook) -> None:
        """Store a webhook in place of the app's former one. Raises ``Refused`` with what is wrong."""
        check(hook, allow_private=self._allow_private)
        row = (
            hook.sdkappid,
            hook.url,
            msgspec.json.encode(sorted(hook.commands)).decode(),
            self._sealer.seal(hook.token.encode(), webhook_context(hook.sdkappid)),
            msgspec.json.encode(hook.options).decode(),
        )
        await self._database.write(lambda tx: store.save_webhook(tx, row))

    async def delete(self, sdkappid: int) -> bool:
        """Tell an app's backend nothing more. False when there was none."""
        return await self._database.write(lambda tx: store.delete_webhook(tx, sdkappid))

    async def counts(self, sdkappid: int) -> dict[int, tuple[int, str]]:
        """How many events wait and were given up, by state, with one of their errors."""
        return await self._database.read(lambda tx: store.counts(tx, sdkappid))

    async def revive(self, sdkappid: int) -> int:
        """Tell again what was given up. Returns how many events."""
        return await self._database.write(lambda tx: store.revive(tx, sdkappid, 0))

    def _read(self, row: Any) -> Webhook:
        sdkappid, url, commands, sealed, options = row
        token = self._sealer.open(sealed, webhook_context(sdkappid)).decode()
        return Webhook(
            sdkappid,
            url,
            frozenset(msgspec.json.decode(commands, type=list[str])),
            token,
            msgspec.json.decode(options, type=WebhookOptions),
        )

    async def _follow(self) -> None:
        while True:
            await asyncio.sleep(REFRESH_SECONDS)
            with contextlib.suppress(StoreBusy):
                await self.refresh()


def callbacks_named(names: Iterable[str]) -> frozenset[str]:
    """The callbacks of these names; ``all`` stands for all. Raises ``Refused`` for an unknown one."""
    wanted = {name.strip() for name in names if name.strip()}
    if wanted == {"all"}:
        return _COMMANDS
    unknown = sorted(wanted - _COMMANDS)
    if unknown:
        raise Refused(
            BAD_PARAMETER, f"there is no callback {unknown[0][:60]!r}", cure=f"Use all, or some of {', '.join(sorted(_COMMANDS))}"
        )
    return frozenset(wanted)


def check(hook: Webhook, *, allow_private: bool) -> None:
    """Raises ``Refused`` when the webhook cannot be used."""
    if len(hook.url) > MAX_URL_CHARS or "#" in hook.url or not hook.url.isascii():
        raise Refused(BAD_PARAMETER, f"the URL must have at most {MAX_URL_CHARS} ASCII characters and no fragment")
    refusal = check_url(hook.url, allow_private=allow_private)
    if refusal is None and judge_origin(origin_of(hook.url)).loopback and not allow_private:
        refusal = "The URL names this machine itself"
    if refusal is not None:
        raise Refused(
            BAD_PARAMETER, f"the URL cannot be used: {refusal}", cure="Use a public https:// address, or set webhooks_to_private_addresses"
        )
    if not hook.commands:
        raise Refused(BAD_PARAMETER, "a webhook needs at least one callback")
    if len(hook.token) > MAX_TOKEN_CHARS or not (hook.token == "" or (hook.token.isascii() and hook.token.isprintable())):
        raise Refused(BAD_PARAMETER, f"the token must have at most {MAX_TOKEN_CHARS} printable ASCII characters")
    if not _TIMEOUTS[0] <= hook.options.timeout_seconds <= _TIMEOUTS[1]:
        raise Refused(BAD_PARAMETER, f"the timeout must be {_TIMEOUTS[0]:g} to {_TIMEOUTS[1]:g} seconds")
