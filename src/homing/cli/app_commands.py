"""``homing app``: make, list, show and change apps (tenants)."""

from __future__ import annotations

import argparse
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

from .command import OK, Call, Command, WrongUse, sdkappid_option, store_options

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from homing.model.apps import App
    from homing.services.administration import Administration
    from homing.services.apps import Apps


@asynccontextmanager
async def apps_of(call: Call, *, make: bool = False, replacing: bool = False) -> AsyncIterator[Apps]:
    """The apps of the database that this call names."""
    from homing.model.clock import SystemClock
    from homing.services.apps import Apps

    async with call.database(make=make) as database:
        yield Apps(database, await call.sealer(database, replacing=replacing), SystemClock())


def _document(app: App) -> dict[str, Any]:
    import msgspec

    return {
        "sdkappid": app.sdkappid,
        "name": app.name,
        "admins": list(app.admins),
        "settings": msgspec.structs.asdict(app.settings),
        "created_at_ms": app.created_at_ms,
    }


def _text(app: App) -> str:
    lines = [f"app {app.sdkappid}" + (f" ({app.name})" if app.name else ""), f"  administrators: {', '.join(app.admins)}"]
    lines += [f"  {key} = {value}" for key, value in _document(app)["settings"].items()]
    return "\n".join(lines)


def _configure_create(parser: argparse.ArgumentParser) -> None:
    sdkappid_option(parser)
    parser.add_argument("--secret-key", required=True, metavar="KEY", help="signs UserSigs; 8 to 256 printable ASCII characters")
    parser.add_argument("--name", default="", help="what people call it")
    parser.add_argument(
        "--admin", action="append", metavar="USERID", help="account that may call the REST API; may be repeated; default administrator"
    )
    store_options(parser)


async def _create(call: Call) -> int:
    from homing.services.apps import DEFAULT_ADMIN

    args = call.args
    async with apps_of(call, make=True) as apps:
        app = await apps.create(args.sdkappid, args.secret_key, name=args.name, admins=args.admin or [DEFAULT_ADMIN])
    await noted(call, app.sdkappid, "app create")
    call.show(_document(app), f"app {app.sdkappid} is made; administrators: {', '.join(app.admins)}")
    return OK


async def _list(call: Call) -> int:
    async with apps_of(call) as apps:
        found = await apps.list()
    lines = [f"{app.sdkappid}  {app.name or '-'}  administrators: {', '.join(app.admins)}" for app in found]
    call.show([_document(app) for app in found], "\n".join(lines) or "no app yet: make one with `homing app create`")
    return OK


async def _show(call: Call) -> int:
    async with apps_of(call) as apps:
        app = await apps.require(call.args.sdkappid)
    call.show(_document(app), _text(app))
    return OK


def _configure_show(parser: argparse.ArgumentParser) -> None:
    sdkappid_option(parser)
    store_options(parser)


def _configure_set(parser: argparse.ArgumentParser) -> None:
    sdkappid_option(parser)
    parser.add_argument("--name", help="what people call it")
    parser.add_argument("--secret-key", metavar="KEY", help="a new key: UserSigs signed with the old one end at once")
    parser.add_argument("--admin", action="append", metavar="USERID", help="the administrators, replacing the old ones; may be repeated")
    parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE", dest="settings", help="a setting, see `homing app show`")
    store_options(parser)


async def _set(call: Call) -> int:
    args = call.args
    settings = dict(pair(text, "--set") for text in args.settings)
    if not settings and args.name is None and args.secret_key is None and args.admin is None:
        raise WrongUse("nothing to change: give --name, --secret-key, --admin or --set (see `homing app set --help`)")
    async with apps_of(call, replacing=args.secret_key is not None) as apps:
        app = await apps.update(args.sdkappid, name=args.name, secret_key=args.secret_key, admins=args.admin, settings=settings)
    changed = [name for name in ("name", "secret_key", "admin") if getattr(args, name) is not None]
    await noted(call, app.sdkappid, "app set", ", ".join([*changed, *(f"{key}={value}" for key, value in settings.items())]))
    call.show(_document(app), _text(app))
    return OK


def _configure_rotate(parser: argparse.ArgumentParser) -> None:
    sdkappid_option(parser)
    parser.add_argument("--secret-key", required=True, metavar="KEY", help="the new key; 8 to 256 printable ASCII characters")
    parser.add_argument("--overlap-seconds", type=int, default=86_400, metavar="N", help="how long the old key stays good; default 86400")
    store_options(parser)


async def _rotate(call: Call) -> int:
    args = call.args
    async with _administration_of(call) as administration:
        until_ms = await administration.rotate_key(args.sdkappid, args.secret_key, args.overlap_seconds)
    text = f"app {args.sdkappid} has its new key; the old one is good for {args.overlap_seconds} seconds more"
    call.show({"sdkappid": args.sdkappid, "old_key_valid_until_ms": until_ms}, text)
    return OK


def _configure_delete(parser: argparse.ArgumentParser) -> None:
    sdkappid_option(parser)
    parser.add_argument("--yes", action="store_true", help="really: accounts, messages, certificates and pushes of the app are gone then")
    store_options(parser)


async def _delete(call: Call) -> int:
    args = call.args
    if not args.yes:
        raise WrongUse(f"this deletes app {args.sdkappid} with everything that is its own: say --yes")
    async with _administration_of(call) as administration:
        deleted = await administration.delete(args.sdkappid)
    call.show({"sdkappid": args.sdkappid, "rows": deleted}, f"app {args.sdkappid} is gone, with {sum(deleted.values())} rows")
    return OK


async def noted(call: Call, sdkappid: int, action: str, detail: str = "") -> None:
    """Write into the audit log what a command did."""
    async with _administration_of(call, replacing=True) as administration:
        await administration.note(sdkappid, action, detail)


@asynccontextmanager
async def _administration_of(call: Call, *, replacing: bool = False) -> AsyncIterator[Administration]:
    from homing.model.clock import SystemClock
    from homing.services.administration import Administration

    async with call.database() as database:
        yield Administration(database, await call.sealer(database, replacing=replacing), SystemClock())


def pair(text: str, option: str) -> tuple[str, str]:
    """``key=value`` in two. Raises ``WrongUse`` naming the option."""
    key, equals, value = text.partition("=")
    if not equals or not key:
        raise WrongUse(f"{option} takes key=value, not {text[:60]!r}")
    return key.strip(), value


COMMANDS = (
    Command(
        "app create",
        "make an app (tenant) and its administrators",
        _configure_create,
        _create,
        examples=("homing app create --sdkappid 1400000001 --secret-key $(openssl rand -hex 32) --name chat",),
    ),
    Command(
        "app rotate-key",
        "take a new secret key while the old one stays good for a time",
        _configure_rotate,
        _rotate,
        details="UserSigs of both keys are taken until then. A running server follows within two seconds.",
        examples=("homing app rotate-key --sdkappid 1400000001 --secret-key $(openssl rand -hex 32) --overlap-seconds 604800",),
    ),
    Command(
        "app delete",
        "delete an app with everything that is its own",
        _configure_delete,
        _delete,
        details="It goes in small batches beside a running server. Interrupted, call it again. The audit log stays.",
        examples=("homing app delete --sdkappid 1400000001 --yes",),
    ),
    Command("app list", "list the apps", store_options, _list),
    Command("app show", "show an app and its settings", _configure_show, _show),
    Command(
        "app set",
        "change an app",
        _configure_set,
        _set,
        details="What is not given stays. A running server follows within two seconds.",
        examples=("homing app set --sdkappid 1400000001 --set notification_mode=per_conversation --set keep_days=14",),
    ),
)
