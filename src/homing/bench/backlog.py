"""``homing bench restart``: how soon a server with a backlog sends again, how fast, and in how much memory."""

from __future__ import annotations

import time
from pathlib import Path

from homing.model.clock import Ids, SystemClock
from homing.model.messages import conversation_of
from homing.model.push import PushState, Reason
from homing.store.engine import Database, Query, Row, Tx
from homing.store.messages import save_batch
from homing.store.nodes import MAX_NODES
from homing.store.open import open_database
from homing.store.pushes import insert_pushes

from .figures import Figures, against, rated
from .load import arrived
from .processes import LOAD_CORE, MockVendor, Server, peak_rss_mib, pin, unpin
from .seed import ADMIN, APP, BUSINESS_ID, Binding, seed
from .send import bare_transport

_ROWS = 10_000
_DAY_MS = 86_400_000
_DEVICES = Query("bench.devices", "SELECT user_id, device_id, token FROM device WHERE sdkappid = ?")


async def bench_restart(
    folder: Path, *, database: str = "", channel: str = "fcm", count: int = 1_000_000, users: int = 1000, seconds: int = 20
) -> Figures:
    """Time from process start to listening and to the first push, the rate after it for so many seconds, and memory."""
    vendor = MockVendor(folder)
    server = Server(database or f"sqlite:///{folder}/homing.db", folder)
    await vendor.start()
    try:
        ceiling = await bare_transport(vendor, channel, min(count, 10_000))
        unpin()
        await seed(server.database, server.key_file, vendor, [Binding(channel, users)])
        inserting = time.monotonic()
        await insert_backlog(server.database, channel, count)
        inserting = time.monotonic() - inserting
        pin(LOAD_CORE)
        began_ns = time.monotonic_ns()
        await server.start()
        listening_ns = time.monotonic_ns()
        pushes = await arrived(vendor.totals, count, deadline_seconds=seconds)
        used, peak, totals = server.usage(), peak_rss_mib(server.pid), await vendor.totals()
        doubled = sum(arrival.times > 1 for arrival in (await vendor.dump()).values())
    finally:
        await server.stop()
        await vendor.stop()
    span = (totals["last_ns"] - totals["first_ns"]) / 1e9
    return {
        "bench": "restart",
        "channel": channel,
        **against(rated(pushes, span, used.cpu_seconds), ceiling),
        "backlog": count,
        "sent": pushes,
        "inserting_s": round(inserting, 1),
        "doubled": doubled,
        "listening_s": round((listening_ns - began_ns) / 1e9, 3),
        "first_push_s": round((totals["first_ns"] - began_ns) / 1e9, 3) if totals["first_ns"] else None,
        "rss_mib": round(used.rss_mib, 1),
        "peak_rss_mib": round(peak, 1),
    }


async def insert_backlog(url: str, channel: str, count: int) -> list[str]:
    """Put messages with pending pushes straight into the store. Returns their marks."""
    clock = SystemClock()
    ids = Ids(clock, MAX_NODES)
    database = await open_database(url)
    try:
        devices = await database.read(lambda tx: tx.fetch(_DEVICES, APP))
        for start in range(0, count, _ROWS):
            rows = [
                _rows(ids, clock.now_ms(), number, devices[number % len(devices)], channel)
                for number in range(start, min(count, start + _ROWS))
            ]
            await _insert(database, [message for message, _ in rows], [push for _, push in rows])
    finally:
        await database.close()
    return [f"hb-backlog-{number}" for number in range(count)]


async def _insert(database: Database, messages: list[Row], pushes: list[Row]) -> None:
    async def work(tx: Tx) -> None:
        await save_batch(tx, messages, [], [])
        await insert_pushes(tx, pushes)

    await database.write(work)


def _rows(ids: Ids, now_ms: int, number: int, device: Row, channel: str) -> tuple[Row, Row]:
    user_id, device_id, token = device
    sender, message_id, expires = ADMIN, ids.next(), now_ms + 7 * _DAY_MS
    text = f"hello hb-backlog-{number}"
    body = f'[{{"MsgType":"TIMTextElem","MsgContent":{{"Text":"{text}"}}}}]'.encode()
    info = f'{{"Title":"Alice","Desc":"{text}"}}'.encode()
    sent = (message_id, APP, conversation_of(sender, user_id), sender, user_id, number, number, now_ms // 1000, 0, 0)
    message = (*sent, body, info, "", None, None, expires)
    why = (int(PushState.PENDING), Reason.BACKGROUND.value, "{}")
    push = (
        ids.next(),
        APP,
        message_id,
        user_id,
        device_id,
        *why,
        BUSINESS_ID,
        channel,
        "private",
        token,
        1,
        now_ms,
        expires,
        None,
        "",
        now_ms,
        0,
    )
    return message, push
