"""``homing webhook``: where an app's own backend is asked and told."""

from __future__ import annotations

import argparse
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

from .app_commands import noted
from .command import OK, Call, Command, Failure, sdkappid_option, store_options

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from homing.model.webhooks import Webhook
    from homing.services.webhooks import Webhooks


@asynccontextmanager
async def _webhooks_of(call: Call) -> AsyncIterator[Webhooks]:
    from homing.model.clock import SystemClock
    from homing.services.apps import Apps
    from homing.services.webhooks import Webhooks

    async with call.database() as database:
        sealer = await call.sealer(database)
        await Apps(database, sealer, SystemClock()).require(call.args.sdkappid)
        webhooks = Webhooks(database, sealer, allow_private=call.config.webhooks_to_private_addresses)
        await webhooks.refresh()
        yield webhooks


def _document(hook: Webhook) -> dict[str, Any]:
    import msgspec

    return {
        "sdkappid": hook.sdkappid,
        "url": hook.url,
        "commands": sorted(hook.commands),
        "signed": bool(hook.token),
        **{key: getattr(value, "value", value) for key, value in msgspec.structs.asdict(hook.options).items()},
    }


def _configure_set(parser: argparse.ArgumentParser) -> None:
    sdkappid_option(parser)
    parser.add_argument("--url", help="where the backend listens; needed the first time")
    parser.add_argument("--command", action="append", metavar="NAME", help="a callback to send, or all; may be repeated; default all")
    parser.add_argument("--token", help="signs every request; empty for none")
    parser.add_argument("--timeout-seconds", type=float, metavar="N", help="how long a message waits for the answer; default 2")
    for what in ("message", "push"):
        parser.add_argument(
            f"--{what}-on-failure", choices=("allow", "refuse"), help=f"what becomes of a {what} when there is no answer; default allow"
        )
    store_options(parser)
    parser.add_argument(
        "--webhooks-to-private-addresses", action="store_true", default=None, help="the URL may name this machine or a private network"
    )


async def _set(call: Call) -> int:
    import msgspec

    from homing.model.webhooks import OnFailure, Webhook, WebhookOptions
    from homing.services.webhooks import callbacks_named

    args = call.args
    async with _webhooks_of(call) as webhooks:
        known = webhooks.by_app.get(args.sdkappid)
        options = known.options if known is not None else WebhookOptions()
        for name in ("message_on_failure", "push_on_failure"):
            if (given := getattr(args, name)) is not None:
                options = msgspec.structs.replace(options, **{name: OnFailure(given)})
        if args.timeout_seconds is not None:
            options = msgspec.structs.replace(options, timeout_seconds=args.timeout_seconds)
        commands = callbacks_named(args.command or ["all"]) if args.command or known is None else known.commands
        hook = Webhook(
            args.sdkappid,
            args.url or (known.url if known is not None else ""),
            commands,
            args.token if args.token is not None else (known.token if known is not None else ""),
            options,
        )
        await webhooks.save(hook)
    await noted(call, hook.sdkappid, "webhook set", hook.url)
    call.show(_document(hook), f"app {hook.sdkappid}: {len(hook.commands)} callbacks go to {hook.url}")
    return OK


async def _show(call: Call) -> int:
    from homing.store import webhooks as store

    args = call.args
    async with _webhooks_of(call) as webhooks:
        hook = webhooks.by_app.get(args.sdkappid)
        counted = await webhooks.counts(args.sdkappid)
    if hook is None:
        raise Failure(f"app {args.sdkappid} has no webhook: make one with `homing webhook set`")
    waiting, dead = counted.get(store.WAITING, (0, "")), counted.get(store.DEAD, (0, ""))
    document = _document(hook) | {"waiting": waiting[0], "given_up": dead[0], "error": waiting[1] or dead[1]}
    call.show(document, "\n".join(f"{key} = {', '.join(value) if isinstance(value, list) else value}" for key, value in document.items()))
    return OK


async def _retry(call: Call) -> int:
    async with _webhooks_of(call) as webhooks:
        revived = await webhooks.revive(call.args.sdkappid)
    call.show({"revived": revived}, f"{revived} events are told again")
    return OK


async def _delete(call: Call) -> int:
    async with _webhooks_of(call) as webhooks:
        deleted = await webhooks.delete(call.args.sdkappid)
    await noted(call, call.args.sdkappid, "webhook delete")
    call.show({"deleted": deleted}, "the webhook is gone; a running server follows within two seconds" if deleted else "there was none")
    return OK


def _configure_one(parser: argparse.ArgumentParser) -> None:
    sdkappid_option(parser)
    store_options(parser)


COMMANDS = (
    Command(
        "webhook set",
        "say where an app's backend is asked and told",
        _configure_set,
        _set,
        details="What is not given stays. A running server follows within two seconds.",
        examples=("homing webhook set --sdkappid 1400000001 --url https://backend.example/im --token $(openssl rand -hex 16)",),
    ),
    Command("webhook show", "show an app's webhook and what waits for it", _configure_one, _show),
    Command("webhook retry", "tell again what was given up", _configure_one, _retry),
    Command("webhook delete", "tell an app's backend nothing more", _configure_one, _delete),
)
