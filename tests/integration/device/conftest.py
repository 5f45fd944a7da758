"""The device API on real storage: accounts, sessions, messages, history, delivery and the gateway are the real ones."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Sequence
from types import SimpleNamespace
from typing import Any, cast

import pytest

from homing.bus.local import LocalBus
from homing.model.apps import App, AppSettings
from homing.model.clock import Ids
from homing.model.messages import Accepted, Draft, Element, MessageFlags
from homing.rules.usersig import sign
from homing.server.asgi import Front
from homing.server.device.gateway import Gateway
from homing.server.device.limits import DeviceLimits
from homing.server.device.routes import device_routes
from homing.server.device.socket import DeviceSocket
from homing.services.accounts import Accounts
from homing.services.delivery import Delivery
from homing.services.do_not_disturb import DoNotDisturb
from homing.services.group_fan_out import GroupFanOut
from homing.services.group_messaging import GroupMessaging
from homing.services.groups import Groups
from homing.services.history import History
from homing.services.hub import Hub
from homing.services.messaging import Messaging
from homing.services.receipts import Receipts
from homing.services.relations import Relations
from homing.services.sessions import Sessions
from homing.store.accounts import insert_accounts
from homing.store.engine import Database, Query

APP, OTHER = 1400000001, 1400000002
KEYS = {APP: "a" * 64, OTHER: "b" * 64}
NODE = 1
BUSINESS = 15518
_CERTIFICATE = Query(
    "test.certificate",
    "INSERT INTO certificate (sdkappid, business_id, channel, name, credentials_sealed, options, version, receipt_path, created_at_ms, "
    "updated_at_ms) VALUES (?, ?, 'fcm', 'test', ?, '{}', 1, ?, 0, 0)",
)
_DEVICES = Query(
    "test.devices",
    "SELECT device_id, user_id, session_state, app_state, node_id, business_id, token, synced_seq FROM device ORDER BY device_id",
)
_EVENTS = Query("test.events", "SELECT user_id, kind, detail FROM device_event ORDER BY event_id")
_PUSHES = Query("test.pushes", "SELECT user_id, state, reason FROM push ORDER BY push_id")
_UNREAD = Query("test.unread", "SELECT unread_total FROM account WHERE sdkappid = ? AND user_id = ?")


class FakeApps:
    """The apps of the tests; a test may change their settings."""

    def __init__(self) -> None:
        self.known = {n: App(n, f"app {n}", KEYS[n], ("administrator",), AppSettings(), 0) for n in (APP, OTHER)}

    async def get(self, sdkappid: int) -> App | None:
        return self.known.get(sdkappid)

    def settings(self, **values: Any) -> None:
        self.known[APP] = App(APP, "app", KEYS[APP], ("administrator",), AppSettings(**values), 0)


class FakeCertificates:
    """Which numbers exist."""

    async def get(self, sdkappid: int, business_id: int) -> object | None:
        return object() if (sdkappid, business_id) == (APP, BUSINESS) else None

    async def for_shared_tokens(self, sdkappid: int, platform: str) -> int:
        return BUSINESS if (sdkappid, platform) == (APP, "android") else 0

    async def call_problem(self, sdkappid: int, business_id: int) -> None:
        return None

    async def by_receipt_path(self, path: str) -> None:
        return None


class Outgoing:
    """Hands socket deliveries to the bus, as the dispatcher does; pushes stay in the table. ``lose`` drops hints."""

    def __init__(self, bus: LocalBus) -> None:
        self.bus = bus
        self.lose = False
        self.held: list[Any] | None = None

    def room(self, lane: Any) -> bool:
        return False

    def hand_on(self, stored: Sequence[Any]) -> None:
        self.hand_over(stored)

    def hand_over(self, stored: Sequence[Any]) -> None:
        if self.lose:
            return
        if self.held is not None:
            self.held.extend(stored)
            return
        for one in stored:
            for delivery in one.deliveries:
                self.bus.deliver(one.nodes[delivery.device_id], [delivery])


class Socket:
    """A WebSocket client of the ASGI application."""

    def __init__(self, front: Front, scope: dict[str, Any]) -> None:
        self._to_server: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
        self._from_server: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
        self.reading = asyncio.Event()
        self.reading.set()
        self._to_server.put_nowait({"type": "websocket.connect"})
        self.status = 0
        self.refusal: dict[str, Any] = {}
        self.closed: tuple[int, str] | None = None
        self.task = asyncio.get_running_loop().create_task(front(scope, self._to_server.get, self._take))
        self._ids = 0

    async def _take(self, message: Any) -> None:
        await self.reading.wait()
        kind = message["type"]
        if kind == "websocket.accept":
            self.status = 101
        elif kind == "websocket.http.response.start":
            self.status = message["status"]
        elif kind == "websocket.http.response.body":
            self.refusal = json.loads(message["body"])
        elif kind == "websocket.close":
            self.closed = (message["code"], message.get("reason", ""))
            self._to_server.put_nowait({"type": "websocket.disconnect", "code": message["code"]})
        await self._from_server.put(message)

    async def frame(self) -> dict[str, Any]:
        """The next frame."""
        async with asyncio.timeout(10):
            while True:
                message = await self._from_server.get()
                if message["type"] == "websocket.send":
                    return cast(dict[str, Any], json.loads(message["text"]))
                assert message["type"] == "websocket.accept", message

    async def until(self, op: str) -> list[dict[str, Any]]:
        """Frames up to and with the first of this kind."""
        frames = [await self.frame()]
        while frames[-1]["op"] != op:
            frames.append(await self.frame())
        return frames

    async def texts(self, n: int) -> list[str]:
        """The texts of the next n messages."""
        found: list[str] = []
        while len(found) < n:
            frame = await self.frame()
            if frame["op"] == "message":
                found.append(frame["body"]["elements"][0]["MsgContent"]["Text"])
        return found

    async def nothing(self) -> None:
        """Nothing more is on its way."""
        await asyncio.sleep(0.05)
        assert self._from_server.empty(), self._from_server.get_nowait()

    def send(self, op: str, body: Any = None, *, frame_id: Any = None) -> None:
        self.raw(json.dumps({"op": op, "id": frame_id, "body": {} if body is None else body}))

    def raw(self, text: str) -> None:
        self._to_server.put_nowait({"type": "websocket.receive", "text": text})

    async def call(self, op: str, body: Any = None) -> dict[str, Any]:
        """A frame and its reply."""
        self._ids += 1
        self.send(op, body, frame_id=self._ids)
        while True:
            frame = await self.frame()
            if frame["op"] == "reply" and frame["id"] == self._ids:
                return frame

    async def end(self) -> tuple[int, str]:
        """Wait until the server has closed; the code."""
        async with asyncio.timeout(10):
            while self.closed is None:
                await self._from_server.get()
            await self.task
        return self.closed

    async def hang_up(self) -> None:
        self._to_server.put_nowait({"type": "websocket.disconnect", "code": 1006})
        async with asyncio.timeout(10):
            await self.task


class World:
    """One node's device API."""

    def __init__(self, hub: Hub, apps: FakeApps, outgoing: Outgoing, clock: Any) -> None:
        self.hub, self.apps, self.outgoing, self.clock = hub, apps, outgoing, clock
        self.limits = DeviceLimits()
        self.sockets: list[Socket] = []
        self.build()

    def build(self, **limits: Any) -> None:
        """Another server on the same hub, with these limits."""
        self.limits = DeviceLimits(**limits)
        self.gateway = Gateway(self.hub, self.limits)
        self.hub.bus.on_deliver(NODE, self.gateway.deliver)
        routes = device_routes(self.hub, self.limits)
        self.front = Front(cast(Any, None), DeviceSocket(self.hub, self.gateway), routes)

    @property
    def now(self) -> int:
        return int(self.clock.now_ms() // 1000)

    def usersig(self, user_id: str, app: int = APP, *, expire: int = 86_400, issued_at: int | None = None, key: str = "") -> str:
        return sign(app, user_id, key or KEYS[app], self.now if issued_at is None else issued_at, expire)

    def login_body(self, who: str, **changes: Any) -> dict[str, Any]:
        body = {"sdkappid": APP, "user_id": who, "user_sig": self.usersig(who), "platform": "android", "instance_id": f"phone of {who}"}
        return body | changes

    async def http(self, method: str, path: str, body: Any = None, token: str = "", query: str = "") -> tuple[int, dict[str, Any]]:
        """A call; ``body`` is sent as it is when it is bytes."""
        raw = body if isinstance(body, bytes) else b"" if body is ... else json.dumps(body).encode()
        headers = [(b"authorization", f"Bearer {token}".encode())] if token else []
        sent: list[Any] = []
        chunks = [{"type": "http.request", "body": raw, "more_body": False}]

        async def receive() -> dict[str, Any]:
            return chunks.pop(0) if chunks else {"type": "http.disconnect"}

        async def send(message: Any) -> None:
            sent.append(message)

        scope = {
            "type": "http",
            "method": method,
            "path": path,
            "raw_path": path.encode(),
            "root_path": "",
            "query_string": query.encode(),
            "headers": headers,
            "server": ("127.0.0.1", 80),
            "scheme": "http",
            "http_version": "1.1",
        }
        await self.front(scope, receive, send)
        return sent[0]["status"], json.loads(sent[1]["body"])

    async def ok(self, method: str, path: str, body: Any = None, token: str = "", query: str = "") -> dict[str, Any]:
        status, answer = await self.http(method, "/v1/device/" + path, {} if body is None else body, token, query)
        assert status == 200, answer
        return answer

    async def refused(self, method: str, path: str, body: Any = None, token: str = "", query: str = "") -> tuple[int, str]:
        status, answer = await self.http(method, "/v1/device/" + path, {} if body is None else body, token, query)
        assert status >= 400, answer
        assert answer["message"]
        assert answer["help"].startswith("docs/")
        return status, answer["code"]

    async def login(self, user_id: str, **changes: Any) -> str:
        """Log in; the session token."""
        answer = await self.ok("POST", "login", self.login_body(user_id, **changes))
        return cast(str, answer["session_token"])

    def open(self, token: str = "", after: str | None = None) -> Socket:
        """A socket, before any frame was read."""
        headers = [(b"authorization", f"Bearer {token}".encode())] if token else []
        scope = {
            "type": "websocket",
            "path": "/v1/device/socket",
            "query_string": b"" if after is None else f"after={after}".encode(),
            "headers": headers,
            "extensions": {"websocket.http.response": {}},
        }
        socket = Socket(self.front, scope)
        self.sockets.append(socket)
        return socket

    async def socket(self, token: str, after: str | None = None) -> Socket:
        """A socket that is connected and synchronised; its backlog is read away."""
        socket = self.open(token, after)
        await socket.until("synced")
        return socket

    async def say(self, text: str, *, sender: str = "alice", to: str = "bob", **options: Any) -> Accepted:
        """A message by the backend."""
        options.setdefault("flags", MessageFlags.NONE)
        draft = Draft(
            from_account=sender, to_account=to, elements=(Element("TIMTextElem", {"Text": text}),), random=hash(text) & 0xFFFF, **options
        )
        return await self.hub.messaging.send(self.apps.known[APP], draft)

    async def rows(self, query: Query, *args: Any) -> list[tuple[Any, ...]]:
        return [tuple(row) for row in await self.hub.database.read(lambda tx: tx.fetch(query, *args))]

    async def devices(self) -> list[dict[str, Any]]:
        names = ("device_id", "user_id", "session_state", "app_state", "node_id", "business_id", "token", "synced_seq")
        return [dict(zip(names, row, strict=True)) for row in await self.rows(_DEVICES)]

    async def events(self, user_id: str) -> list[str]:
        return [kind for user, kind, _ in await self.rows(_EVENTS) if user == user_id]

    async def pushes(self) -> list[tuple[Any, ...]]:
        return await self.rows(_PUSHES)

    async def unread(self, user_id: str) -> int:
        return int((await self.rows(_UNREAD, APP, user_id))[0][0])


def text(words: str) -> list[dict[str, Any]]:
    """The elements of a text message."""
    return [{"MsgType": "TIMTextElem", "MsgContent": {"Text": words}}]


@pytest.fixture
def words() -> Any:
    """Makes the elements of a text message."""
    return text


@pytest.fixture
async def world(database: Database, clock: Any, ids: Ids) -> AsyncIterator[World]:
    """The device API with the accounts ``alice`` and ``bob``."""
    bus = LocalBus()
    await bus.start()
    apps, certificates = FakeApps(), FakeCertificates()
    outgoing = Outgoing(bus)
    accounts = Accounts(database, clock, bus)
    messaging = Messaging(database=database, ids=ids, owner=NODE, clock=clock, outgoing=outgoing)
    delivery = Delivery(database=database, clock=clock)
    receipts = Receipts(database=database, clock=clock, ids=ids, certificates=certificates)
    group_fan_out = GroupFanOut(database=database, clock=clock, ids=ids, owner=NODE, apps=cast(Any, apps), outgoing=outgoing)
    hub = SimpleNamespace(
        clock=clock,
        ids=ids,
        node_id=NODE,
        database=database,
        bus=bus,
        apps=apps,
        accounts=accounts,
        certificates=certificates,
        sessions=Sessions(
            database=database,
            clock=clock,
            ids=ids,
            bus=bus,
            node_id=NODE,
            apps=cast(Any, apps),
            accounts=accounts,
            certificates=cast(Any, certificates),
        ),
        messaging=messaging,
        history=History(database, clock, ids, bus),
        do_not_disturb=DoNotDisturb(database, clock),
        relations=Relations(database, clock),
        delivery=delivery,
        receipts=receipts,
        groups=Groups(database, clock, ids, bus),
        group_messaging=GroupMessaging(database=database, clock=clock, ids=ids, bus=bus, fan_out=group_fan_out),
        group_fan_out=group_fan_out,
    )
    await database.write(lambda tx: insert_accounts(tx, APP, [("alice", "Alice", ""), ("bob", "Bob", "")], clock.now_ms()))
    await database.write(lambda tx: tx.execute(_CERTIFICATE, APP, BUSINESS, b"", "path"))
    made = World(cast(Hub, hub), apps, outgoing, clock)
    yield made
    await group_fan_out.stop()
    for socket in made.sockets:
        if not socket.task.done():
            await socket.hang_up()
    await messaging.drain()
    await delivery.drain()
    await receipts.drain()
    await bus.close()
