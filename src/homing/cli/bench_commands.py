"""``homing bench``: reproducible figures of this machine, each with its ceiling from the same run where there is one."""

from __future__ import annotations

import argparse
import contextlib
import re
import tempfile
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

from .command import OK, Call, Command, Failure, WrongUse, whole_number

CHANNELS = ("fcm", "apns", "huawei", "xiaomi")
_Bench = Callable[..., Coroutine[Any, Any, dict[str, Any]]]
_TITLES = {
    "send": "The send stage alone: render, send, interpret",
    "server": "REST in to vendor request out, durable",
    "fanout": "One request to many receivers",
    "group": "One message to a large group",
    "sockets": "Idle devices on WebSockets",
    "restart": "A server that starts with a backlog",
    "cluster": "A backlog, with one push process and with several",
    "tokens": "Bulk import of push tokens",
    "accept": "REST in, stored durably, on SQLite and on PostgreSQL",
    "storage": "What a message with its push takes on disk",
}


_THROW_AWAY = "throw-away"
_ABOUT_THROW_AWAY = "a PostgreSQL started for it"


def _numbers(parser: argparse.ArgumentParser, **options: tuple[int, str]) -> None:
    for name, (default, text) in options.items():
        parser.add_argument(
            "--" + name.replace("_", "-"), type=whole_number, default=default, metavar="N", help=f"{text}; default {default}"
        )


def _channel(parser: argparse.ArgumentParser, default: str) -> None:
    parser.add_argument("--channel", choices=CHANNELS, default=default, help=f"the vendor's protocol; default {default}")


def _database(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--database",
        default="",
        metavar="DATABASE",
        help=f"an empty database to use, or {_THROW_AWAY}: {_ABOUT_THROW_AWAY}; default a fresh SQLite file",
    )


def _send_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--channel", choices=(*CHANNELS, "all"), default="fcm", help="the vendor's protocol, or all; default fcm")
    _numbers(
        parser,
        count=(20_000, "messages"),
        in_flight=(100, "requests under way"),
        slow_in_flight=(500, "requests under way where the vendor takes 50 ms"),
    )


def _server_options(parser: argparse.ArgumentParser) -> None:
    _channel(parser, "fcm")
    _numbers(
        parser,
        count=(20_000, "messages"),
        connections=(64, "REST connections"),
        users=(1000, "accounts with a token each"),
        half_load_seconds=(10, "how long a second part runs, at half of the rate and with a vendor that takes 50 ms; without --rate"),
    )
    parser.add_argument("--rate", type=_amount, default=0.0, metavar="N", help="messages a second; default as fast as they are accepted")
    parser.add_argument("--latency-ms", type=_amount, default=0.0, metavar="N", help="how long the vendor takes; default 0")
    _database(parser)


def _fanout_options(parser: argparse.ArgumentParser) -> None:
    _channel(parser, "huawei")
    _numbers(parser, requests=(20, "REST requests"), targets=(500, "receivers of each"), connections=(4, "REST connections"))
    parser.add_argument("--job", type=whole_number, default=0, metavar="N", help="instead: one push to all with N tokens, e.g. 1000000")
    _database(parser)


def _group_options(parser: argparse.ArgumentParser) -> None:
    _numbers(parser, members=(10_000, "members of the group, all away"))
    parser.add_argument("--rate", type=_amount, default=200.0, metavar="N", help="one-to-one messages a second beside it; default 200")
    _database(parser)


def _sockets_options(parser: argparse.ArgumentParser) -> None:
    _numbers(parser, count=(10_000, "devices"), hold_seconds=(10, "how long they idle"))
    _database(parser)


def _restart_options(parser: argparse.ArgumentParser) -> None:
    _channel(parser, "fcm")
    _numbers(
        parser,
        count=(1_000_000, "pending pushes; making them takes a minute or two"),
        users=(1000, "accounts with a token each"),
        seconds=(20, "how long to watch it send"),
    )
    _database(parser)


def _tokens_options(parser: argparse.ArgumentParser) -> None:
    _numbers(parser, count=(200_000, "lines"))
    _database(parser)


def _storage_options(parser: argparse.ArgumentParser) -> None:
    _numbers(parser, count=(10_000, "messages"), users=(1000, "accounts with a token each"))
    _database(parser)


def _cluster_options(parser: argparse.ArgumentParser) -> None:
    _numbers(
        parser,
        nodes=(2, "push processes"),
        count=(20_000, "pending pushes"),
        users=(1000, "accounts with a token each"),
        in_flight=(100, "requests under way a process at most, so that the vendor is the limit and not the cores"),
    )
    parser.add_argument("--latency-ms", type=_amount, default=50.0, metavar="N", help="how long the vendor takes; default 50")
    _postgresql(parser)
    parser.add_argument(
        "--bus",
        default=_THROW_AWAY,
        metavar="BUS",
        help="nats://host:port, local (they find work by polling), or throw-away: a NATS started for it; default throw-away",
    )


def _accept_options(parser: argparse.ArgumentParser) -> None:
    _numbers(parser, count=(20_000, "messages"), connections=(128, "REST connections"), users=(1000, "accounts with a token each"))
    _postgresql(parser)


def _postgresql(parser: argparse.ArgumentParser) -> None:
    text = f"an empty PostgreSQL database, or {_THROW_AWAY}: {_ABOUT_THROW_AWAY}; default {_THROW_AWAY}"
    parser.add_argument("--database", default=_THROW_AWAY, metavar="DATABASE", help=text)


def _amount(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = -1.0
    if not 0 <= value < 1e9:
        raise argparse.ArgumentTypeError(f"{text!r} is not a positive number")
    return value


def _bench(name: str, call: Call) -> _Bench:
    from homing.bench.accept import bench_accept
    from homing.bench.backlog import bench_restart
    from homing.bench.cluster import bench_cluster
    from homing.bench.fanout import bench_fanout
    from homing.bench.group import bench_group
    from homing.bench.job import bench_job
    from homing.bench.send import bench_send
    from homing.bench.sockets import bench_sockets
    from homing.bench.storage import bench_storage
    from homing.bench.throughput import bench_server
    from homing.bench.tokens import bench_tokens

    if name == "fanout" and call.args.targets > 500:
        raise WrongUse("--targets: one request names at most 500 receivers")
    if name in ("cluster", "accept") and not call.args.database.startswith(("postgres", _THROW_AWAY)):
        raise WrongUse("--database: this needs an empty PostgreSQL database, postgresql://…")
    table: dict[str, _Bench] = {
        "accept": bench_accept,
        "send": bench_send,
        "server": bench_server,
        "fanout": bench_job if getattr(call.args, "job", 0) else bench_fanout,
        "group": bench_group,
        "sockets": bench_sockets,
        "restart": bench_restart,
        "cluster": bench_cluster,
        "storage": bench_storage,
        "tokens": bench_tokens,
    }
    return table[name]


def _runner(name: str) -> Callable[[Call], int]:
    def run(call: Call) -> int:
        import msgspec
        import uvloop

        from homing.bench.figures import table

        work = _bench(name, call)
        given = {key: value for key, value in vars(call.args).items() if key not in ("json", "write_docs")}
        if tokens := given.pop("job", 0):
            given = {"database": given["database"], "channel": given["channel"], "tokens": tokens}
        with tempfile.TemporaryDirectory(prefix="homing-bench-") as folder, contextlib.ExitStack() as stack:
            try:
                given |= _throw_aways(given, Path(folder), stack)
                figures = uvloop.run(work(Path(folder), **given))
            except (RuntimeError, OSError) as error:
                raise Failure(f"The benchmark broke off: {error}") from error
        if call.args.write_docs:
            _write_docs(Path(call.args.write_docs), name, call, figures)
        print(table(_TITLES[name], figures), file=call.out, flush=True)
        if call.args.json:
            print(msgspec.json.encode(figures).decode(), file=call.out, flush=True)
        return OK

    return run


def _write_docs(page: Path, name: str, call: Call, figures: dict[str, Any]) -> None:
    from homing.bench.page import write

    try:
        write(page, f"homing bench {name}{_options_given(call)}", figures)
    except (RuntimeError, OSError) as error:
        raise Failure(f"The page was not written: {error}") from error


def _options_given(call: Call) -> str:
    """The options that differ from their defaults, as one would type them; of an address only its scheme."""
    parser = argparse.ArgumentParser()
    call.command.configure(parser)
    words = []
    for action in parser._actions:
        value = getattr(call.args, action.dest, action.default)
        if action.dest != "write_docs" and value != action.default:
            shown = re.sub("://.*", "://…", f"{value:g}" if isinstance(value, float) else str(value))
            words.append(f" {action.option_strings[-1]} {shown}")
    return "".join(words)


def _throw_aways(given: dict[str, Any], folder: Path, stack: contextlib.ExitStack) -> dict[str, str]:
    from homing.bench.throwaway import nats, postgresql

    servers: dict[str, Callable[[], contextlib.AbstractContextManager[str]]] = {"database": lambda: postgresql(folder), "bus": nats}
    return {name: stack.enter_context(start()) for name, start in servers.items() if given.get(name) == _THROW_AWAY}


_DETAILS = (
    "Everything runs on this machine, with throw-away keys, against a mock vendor in a process of its own; nothing leaves it.\n"
    "Where there are two cores or more the server has one and load and vendor share another. With --json the last line is one\n"
    "JSON object. Compare ratios of one run; absolute figures do not travel."
)


def _command(name: str, summary: str, configure: Callable[[argparse.ArgumentParser], None], *examples: str) -> Command:
    def with_common(parser: argparse.ArgumentParser) -> None:
        configure(parser)
        parser.add_argument(
            "--write-docs",
            default="",
            metavar="PAGE",
            help="put the figures into the table of this page, with day, machine and versions, e.g. docs/reference/performance.md",
        )

    return Command(f"bench {name}", summary, with_common, _runner(name), details=_DETAILS, examples=examples)


COMMANDS = (
    _command("send", "measure the send stage alone", _send_options, "homing bench send --channel apns --json"),
    _command(
        "server",
        "measure a server from REST request to vendor request",
        _server_options,
        "homing bench server",
        "homing bench server --database throw-away",
        "homing bench server --rate 1500 --count 15000 --latency-ms 50",
    ),
    _command(
        "fanout",
        "measure messages to many receivers",
        _fanout_options,
        "homing bench fanout --channel xiaomi",
        "homing bench fanout --job 1000000",
    ),
    _command("group", "measure a message to a large group", _group_options, "homing bench group --members 10000"),
    _command("sockets", "measure idle devices on WebSockets", _sockets_options, "homing bench sockets --count 5000"),
    _command(
        "restart",
        "measure a server that starts with a backlog",
        _restart_options,
        "homing bench restart",
        "homing bench restart --count 100000 --database throw-away",
    ),
    _command(
        "cluster",
        "measure one push process against several",
        _cluster_options,
        "homing bench cluster",
        "homing bench cluster --database postgresql://me@db/bench --bus nats://127.0.0.1:4222",
    ),
    _command("accept", "measure accepting on PostgreSQL against SQLite", _accept_options, "homing bench accept"),
    _command("tokens", "measure the bulk import of push tokens", _tokens_options, "homing bench tokens"),
    _command("storage", "measure the disk space of messages and pushes", _storage_options, "homing bench storage --count 20000"),
)
