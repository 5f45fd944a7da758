"""``homing bench fanout --job``: one push to everybody, and how its targets leave."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path
from typing import Any

from .figures import Figures, rated
from .http import call_json
from .load import arrived
from .processes import LOAD_CORE, MockVendor, Server, pin
from .seed import ADMIN, APP, Binding, admin_sig, seed
from .waiting import until

MARK = "hb-job-1"
_POLL_SECONDS = 0.1


async def ask_for_push(port: int, **changes: Any) -> str:
    """Push to all through the REST API; returns the task id. Raises ``RuntimeError`` when it is refused."""
    body = {"From_Account": ADMIN, "MsgRandom": 1, "OfflinePushInfo": {"Title": "News", "Desc": f"hello {MARK}"}, **changes}
    answer = await _call(port, "timpush/push", body)
    return str(answer["TaskId"])


async def report(port: int, task_id: str) -> dict[str, Any]:
    """How far the push is."""
    answer = await _call(port, "all_member_push/im_get_push_report", {"TaskIds": [task_id]})
    return dict(answer["Reports"][0])


async def _call(port: int, command: str, body: dict[str, Any]) -> dict[str, Any]:
    query = f"sdkappid={APP}&identifier={ADMIN}&usersig={admin_sig()}&random=1&contenttype=json"
    answer = dict(await call_json(port, "POST", f"/v4/{command}?{query}", body))
    if answer["ErrorCode"] != 0:
        raise RuntimeError(f"{command} was refused: {answer['ErrorInfo']}")
    return answer


async def bench_job(folder: Path, *, database: str = "", channel: str = "huawei", tokens: int = 100_000) -> Figures:
    """Targets a second of a push to all, from its acceptance to the last vendor request, with CPU time and memory."""
    vendor = MockVendor(folder)
    server = Server(database or f"sqlite:///{folder}/homing.db", folder)
    await vendor.start()
    try:
        pin(LOAD_CORE)
        await seed(server.database, server.key_file, vendor, [Binding(channel, tokens, options={"requests_per_second": "10000000"})])
        await server.start()
        before, began_ns = server.usage(), time.monotonic_ns()
        task_id = await ask_for_push(server.port)
        answered_s = (time.monotonic_ns() - began_ns) / 1e9
        peak = _Peak()
        watching = asyncio.create_task(peak.watch(server))
        pushes = await arrived(vendor.totals, tokens, deadline_seconds=600)
        after, totals = server.usage(), await vendor.totals()
        watching.cancel()
        over = await finished(server.port, task_id)
        times = [times for arrival in (await vendor.dump()).values() for times in arrival.tokens.values()]
    finally:
        await server.stop()
        await vendor.stop()
    return {
        "bench": "fanout",
        "channel": channel,
        **rated(pushes, (totals["last_ns"] - began_ns) / 1e9, after.cpu_seconds - before.cpu_seconds),
        "tokens": tokens,
        "answered_s": round(answered_s, 3),
        "vendor_requests": totals["requests"],
        "lost": tokens - len(times),
        "doubled": sum(n > 1 for n in times),
        "finished": over["Finished"],
        "rss_mib": round(max(after.rss_mib, peak.rss_mib), 1),
    }


class _Peak:
    """The largest memory that was seen."""

    def __init__(self) -> None:
        self.rss_mib = 0.0

    async def watch(self, server: Server) -> None:
        """Look until cancelled."""
        while True:
            self.rss_mib = max(self.rss_mib, server.usage().rss_mib)
            await asyncio.sleep(_POLL_SECONDS)


async def finished(port: int, task_id: str, seconds: float = 20.0) -> dict[str, Any]:
    """The report once the push is over."""
    told: dict[str, Any] = {}

    async def over() -> str:
        told.update(await report(port, task_id))
        return "" if told["Status"] == 2 else f"the push is at {told}"

    await until(over, seconds)
    return told
