"""``homing bench group``: one message to a large group whose members are away, alone and beside one-to-one messages."""

from __future__ import annotations

import asyncio
import json
import time
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

from .figures import Figures, against, rated
from .http import call_json
from .load import Messages, RestLoad, percentile
from .processes import LOAD_CORE, MockVendor, Server, pin
from .seed import ADMIN, APP, BUSINESS_ID, Binding, admin_sig, seed, user_of
from .send import bare_transport
from .throughput import warm_up

GROUP = "bench_group"
#: Five certificates; two of their vendors take a phone a request, two take many.
VENDORS = ("huawei", "xiaomi", "fcm", "apns", "huawei")
ADDED_AT_ONCE = 500
OTHERS = 1_000
BESIDE_SECONDS = 3.0
POLL_SECONDS = 0.02


async def bench_group(folder: Path, *, database: str = "", members: int = 10_000, rate: float = 200.0) -> Figures:
    """Seconds until a message to ``members`` members has left for all vendors; what ``rate`` one-to-one messages a second feel of it."""
    vendor = MockVendor(folder)
    server = Server(database or f"sqlite:///{folder}/homing.db", folder)
    await vendor.start()
    try:
        ceiling = await bare_transport(vendor, "huawei", members)
        pin(LOAD_CORE)
        await seed(server.database, server.key_file, vendor, _bindings(members))
        await server.start()
        await make_group(server.port, members)
        await warm_up(vendor, server, members)
        before = server.usage()
        seconds = await _one(vendor, server, members, "hb-group-1")
        totals = await vendor.totals()
        after = server.usage()
        calm = await _beside(server, members, rate)
        await vendor.reset()
        load = RestLoad(_others(members), int(rate * BESIDE_SECONDS), rate=rate)
        running = asyncio.get_running_loop().create_task(load.run(server.port, 16))
        await load.until_accepted(int(rate / 2))
        beside_seconds = await _one(vendor, server, members, "hb-group-2", load)
        await running
        doubled = sum(count - 1 for arrival in (await vendor.dump()).values() for token, count in arrival.tokens.items() if token)
    finally:
        await server.stop()
        await vendor.stop()
    figures = rated(members, seconds, after.cpu_seconds - before.cpu_seconds)
    return {
        "bench": "group",
        "members": members,
        **against(figures, ceiling),
        "handed_out_seconds": round(seconds, 3),
        "vendor_requests": totals["requests"],
        "beside_handed_out_seconds": round(beside_seconds, 3),
        "one_to_one_ms_calm": calm,
        "one_to_one_ms_beside": _answer_times(load),
        "refused": load.refusals + load.cut_off,
        "doubled": doubled,
        "rss_mib": round(after.rss_mib, 1),
    }


def _bindings(members: int) -> list[Binding]:
    share = members // len(VENDORS)
    # The vendors' documented rates are not what is measured here.
    fast = {"requests_per_second": "100000"}
    bindings = [
        Binding(
            channel, share if number < len(VENDORS) - 1 else members - share * number, BUSINESS_ID + number, share * number, options=fast
        )
        for number, channel in enumerate(VENDORS)
    ]
    return [*bindings, Binding("fcm", OTHERS, BUSINESS_ID + len(VENDORS), members, options=fast)]


def _others(members: int) -> Messages:
    return Messages(OTHERS, first_user=members)


async def _beside(server: Server, members: int, rate: float) -> dict[str, float]:
    """What one-to-one messages feel when nothing else is going on."""
    load = RestLoad(_others(members), int(rate * BESIDE_SECONDS), rate=rate)
    await load.run(server.port, 16)
    return _answer_times(load)


def _answer_times(load: RestLoad) -> dict[str, float]:
    """Milliseconds from request to answer."""
    values = sorted((at - load.started[mark]) / 1e6 for mark, at in load.accepted.items())
    return {name: percentile(values, share) for name, share in (("p50", 0.5), ("p95", 0.95), ("p99", 0.99), ("max", 1.0))}


async def _one(vendor: MockVendor, server: Server, members: int, mark: str, load: RestLoad | None = None) -> float:
    """Send one message and wait until every member's push has arrived. Returns the seconds from the request."""
    began = time.monotonic()
    await say(server.port, mark)
    while (await vendor.totals())["pushes"] - (0 if load is None else len(load.accepted)) < members:
        if time.monotonic() - began > 60:
            raise RuntimeError(f"the message did not reach all members within a minute: {await vendor.totals()}")
        await asyncio.sleep(POLL_SECONDS)
    return time.monotonic() - began


async def say(port: int, mark: str) -> None:
    """Send a message with this mark to the group; the backend says it."""
    elements = [{"MsgType": "TIMTextElem", "MsgContent": {"Text": f"hello {mark}"}}]
    await _rest(port, "send_group_msg", {"GroupId": GROUP, "Random": int(mark[-1]), "MsgBody": elements})


async def make_group(port: int, members: int) -> None:
    """The benchmark's group, with so many of its users."""
    await _rest(port, "create_group", {"Type": "Community", "Name": "bench", "GroupId": GROUP})
    for start in range(0, members, ADDED_AT_ONCE):
        users = [{"Member_Account": user_of(number)} for number in range(start, min(start + ADDED_AT_ONCE, members))]
        await _rest(port, "import_group_member", {"GroupId": GROUP, "MemberList": users})


async def _rest(port: int, command: str, body: dict[str, Any]) -> None:
    query = urlencode({"sdkappid": APP, "identifier": ADMIN, "usersig": admin_sig(), "random": 1, "contenttype": "json"})
    answer = await call_json(port, "POST", f"/v4/group_open_http_svc/{command}?{query}", body)
    if answer["ActionStatus"] != "OK":
        raise RuntimeError(f"{command} was refused: {json.dumps(answer)[:300]}")
