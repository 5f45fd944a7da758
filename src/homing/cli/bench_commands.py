"""``homing bench``: reproducible figures of this machine, each with its ceiling from the same run where there is one."""

from __future__ import annotations

import argparse
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
    "storage": "What a message with its push takes on disk",
}


def _numbers(parser: argparse.ArgumentParser, **options: tuple[int, str]) -> None:
    for name, (default, text) in options.items():
        parser.add_argument(
            "--" + name.replace("_", "-"), type=whole_number, default=default, metavar="N", help=f"{text}; default {default}"
        )


def _channel(parser: argparse.ArgumentParser, default: str) -> None:
    parser.add_argument("--channel", choices=CHANNELS, default=default, help=f"the vendor's protocol; default {default}")


def _database(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--database", default="", metavar="DATABASE", help="an empty database to use; default a fresh SQLite file")


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
    _numbers(parser, count=(10_000, "messages"), connections=(64, "REST connections"), users=(1000, "accounts with a token each"))
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
    _numbers(parser, count=(20_000, "pending pushes"), users=(1000, "accounts with a token each"))
    _database(parser)


def _storage_options(parser: argparse.ArgumentParser) -> None:
    _numbers(parser, count=(10_000, "messages"), users=(1000, "accounts with a token each"))
    _database(parser)


def _cluster_options(parser: argparse.ArgumentParser) -> None:
    _numbers(parser, nodes=(2, "push processes"), count=(10_000, "pending pushes"), users=(1000, "accounts with a token each"))
    parser.add_argument("--latency-ms", type=_amount, default=50.0, metavar="N", help="how long the vendor takes; default 50")
    parser.add_argument("--database", required=True, metavar="DATABASE", help="an empty PostgreSQL database (required)")
    parser.add_argument(
        "--bus", default="local", metavar="BUS", help="nats://host:port, or local: they find work by polling; default local"
    )


def _amount(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = -1.0
    if not 0 <= value < 1e9:
        raise argparse.ArgumentTypeError(f"{text!r} is not a positive number")
    return value


def _bench(name: str, call: Call) -> _Bench:
    from homing.bench.backlog import bench_restart
    from homing.bench.cluster import bench_cluster
    from homing.bench.fanout import bench_fanout
    from homing.bench.group import bench_group
    from homing.bench.job import bench_job
    from homing.bench.send import bench_send
    from homing.bench.sockets import bench_sockets
    from homing.bench.storage import bench_storage
    from homing.bench.throughput import bench_server

    if name == "fanout" and call.args.targets > 500:
        raise WrongUse("--targets: one request names at most 500 receivers")
    if name == "cluster" and not call.args.database.startswith("postgres"):
        raise WrongUse("--database: several processes need an empty PostgreSQL database, postgresql://…")
    table: dict[str, _Bench] = {
        "send": bench_send,
        "server": bench_server,
        "fanout": bench_job if getattr(call.args, "job", 0) else bench_fanout,
        "group": bench_group,
        "sockets": bench_sockets,
        "restart": bench_restart,
        "cluster": bench_cluster,
        "storage": bench_storage,
    }
    return table[name]


def _runner(name: str) -> Callable[[Call], int]:
    def run(call: Call) -> int:
        import msgspec
        import uvloop

        from homing.bench.figures import table

        work = _bench(name, call)
        given = {key: value for key, value in vars(call.args).items() if key != "json"}
        if tokens := given.pop("job", 0):
            given = {"database": given["database"], "channel": given["channel"], "tokens": tokens}
        with tempfile.TemporaryDirectory(prefix="homing-bench-") as folder:
            try:
                figures = uvloop.run(work(Path(folder), **given))
            except (RuntimeError, OSError) as error:
                raise Failure(f"The benchmark broke off: {error}") from error
        print(table(_TITLES[name], figures), file=call.out, flush=True)
        if call.args.json:
            print(msgspec.json.encode(figures).decode(), file=call.out, flush=True)
        return OK

    return run


_DETAILS = (
    "Everything runs on this machine, with throw-away keys, against a mock vendor in a process of its own; nothing leaves it.\n"
    "Where there are two cores or more the server has one and load and vendor share another. With --json the last line is one\n"
    "JSON object. Compare ratios of one run; absolute figures do not travel."
)


def _command(name: str, summary: str, configure: Callable[[argparse.ArgumentParser], None], *examples: str) -> Command:
    return Command(f"bench {name}", summary, configure, _runner(name), details=_DETAILS, examples=examples)


COMMANDS = (
    _command("send", "measure the send stage alone", _send_options, "homing bench send --channel apns --json"),
    _command(
        "server",
        "measure a server from REST request to vendor request",
        _server_options,
        "homing bench server",
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
    _command("restart", "measure a server that starts with a backlog", _restart_options, "homing bench restart --count 100000"),
    _command(
        "cluster",
        "measure one push process against several",
        _cluster_options,
        "homing bench cluster --database postgresql://me@db/bench --bus nats://127.0.0.1:4222",
    ),
    _command("storage", "measure the disk space of messages and pushes", _storage_options, "homing bench storage --count 20000"),
)
