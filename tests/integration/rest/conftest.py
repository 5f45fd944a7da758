"""A REST API on real storage: the gate, the commands, accounts, messages and history are the real ones."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Sequence
from types import SimpleNamespace
from typing import Any, cast
from urllib.parse import urlencode

import pytest

from homing.bus.local import LocalBus
from homing.model.apps import App, AppSettings
from homing.model.clock import Clock, Ids
from homing.model.delivery import Delivery
from homing.model.devices import Device
from homing.rules.usersig import sign
from homing.server.rest_v4.app import RestV4
from homing.services.accounts import Accounts
from homing.services.do_not_disturb import DoNotDisturb
from homing.services.group_fan_out import GroupFanOut
from homing.services.group_messaging import GroupMessaging
from homing.services.groups import Groups
from homing.services.history import History
from homing.services.hub import Hub
from homing.services.labels import Labels
from homing.services.messaging import Messaging
from homing.services.portraits import Portraits
from homing.services.push_jobs import PushJobs
from homing.services.relations import Relations
from homing.services.statistics import Statistics
from homing.store.accounts import insert_accounts
from homing.store.engine import Database, Query

APP, OTHER = 1400000001, 1400000002
KEYS = {APP: "a" * 64, OTHER: "b" * 64}
ADMIN = "administrator"
NODE = 1
_INSERT_DEVICE = Query(
    "test.device",
    "INSERT INTO device (device_id, sdkappid, user_id, platform, instance_id, session_state, session_id, login_at_ms, expires_at_ms, "
    "last_seen_ms, app_state, node_id) VALUES (?, ?, ?, ?, ?, 'active', 1, 0, ?, ?, 'foreground', ?)",
)


class FakeApps:
    """The apps of the tests; a test may change them."""

    def __init__(self) -> None:
        self.known = {n: App(n, f"app {n}", KEYS[n], (ADMIN,), AppSettings(), 0) for n in (APP, OTHER)}

    async def get(self, sdkappid: int) -> App | None:
        return self.known.get(sdkappid)


class FakeSessions:
    """Remembers what it was asked; devices are set by the tests."""

    def __init__(self) -> None:
        self.devices: dict[str, list[Device]] = {}
        self.revoked: list[str] = []
        self.forgotten: list[str] = []

    async def revoke_account(self, app: App, user_id: str) -> int:
        self.revoked.append(user_id)
        return len(self.devices.get(user_id, ()))

    async def devices_of(self, sdkappid: int, user_ids: Sequence[str]) -> dict[str, list[Device]]:
        return {user_id: self.devices.get(user_id, []) for user_id in user_ids}

    async def forget_account(self, app: App, user_ids: Sequence[str]) -> None:
        self.forgotten.extend(user_ids)


class FakeOutgoing:
    """Nothing leaves."""

    def room(self, lane: Any) -> bool:
        return False

    def hand_over(self, stored: Sequence[Any]) -> None:
        pass

    def hand_on(self, stored: Sequence[Any]) -> None:
        pass


class Rest:
    """Calls the ASGI application as a server would."""

    def __init__(self, hub: Hub, apps: FakeApps, sessions: FakeSessions, delivered: list[Delivery]) -> None:
        self.hub = hub
        self.apps = apps
        self.sessions = sessions
        self.delivered = delivered
        self.api = RestV4(hub)
        self.received = 0  # body chunks that were asked for

    @property
    def now(self) -> int:
        return self.hub.clock.now_ms() // 1000

    def usersig(self, identifier: str = ADMIN, app: int = APP, *, issued_at: int | None = None, expire: int = 86_400) -> str:
        return sign(app, identifier, KEYS[app], self.now if issued_at is None else issued_at, expire)

    def query(self, **changes: Any) -> str:
        params = {"sdkappid": APP, "identifier": ADMIN, "usersig": self.usersig(), "random": 7, "contenttype": "json"} | changes
        return urlencode({key: value for key, value in params.items() if value is not None})

    async def __call__(self, command: str, body: Any = None, **changes: Any) -> dict[str, Any]:
        raw = body if isinstance(body, bytes) else json.dumps({} if body is None else body).encode()
        return await self.raw(f"/v4/{command}", self.query(**changes), [raw])

    async def ok(self, command: str, body: Any, **changes: Any) -> dict[str, Any]:
        answer = await self(command, body, **changes)
        assert (answer["ActionStatus"], answer["ErrorCode"], answer["ErrorInfo"]) == ("OK", 0, ""), answer
        return answer

    async def code(self, command: str, body: Any, **changes: Any) -> int:
        answer = await self(command, body, **changes)
        assert answer["ActionStatus"] == "FAIL", answer
        assert answer["ErrorInfo"]
        return int(answer["ErrorCode"])

    async def raw(self, path: str, query: str, chunks: Sequence[bytes], method: str = "POST") -> dict[str, Any]:
        waiting = list(chunks)
        sent: list[Any] = []

        async def receive() -> dict[str, Any]:
            self.received += 1
            chunk = waiting.pop(0)
            return {"type": "http.request", "body": chunk, "more_body": bool(waiting)}

        async def send(message: Any) -> None:
            sent.append(message)

        scope = {"type": "http", "method": method, "path": path, "query_string": query.encode(), "headers": []}
        await self.api(scope, receive, send)
        start, end = sent
        assert start["status"] == 200
        headers = dict(start["headers"])
        assert headers[b"content-length"] == str(len(end["body"])).encode()
        assert headers[b"content-type"].startswith(b"application/json")
        return cast(dict[str, Any], json.loads(end["body"]))

    async def connect(self, device_id: int, user_id: str, app: int = APP) -> None:
        """A device of this account whose socket this node holds."""
        far = self.hub.clock.now_ms() + 10**9
        row = (device_id, app, user_id, "android", f"i{device_id}", far, self.hub.clock.now_ms(), NODE)
        await self.hub.database.write(lambda tx: tx.execute(_INSERT_DEVICE, *row))


@pytest.fixture
async def rest(database: Database, clock: Clock, ids: Ids) -> AsyncIterator[Rest]:
    """The API with two apps, their administrators, and the accounts ``alice`` and ``bob`` in both."""
    bus = LocalBus()
    await bus.start()
    delivered: list[Delivery] = []
    bus.on_deliver(NODE, delivered.extend)
    apps, sessions = FakeApps(), FakeSessions()
    messaging = Messaging(database=database, ids=ids, owner=NODE, clock=clock, outgoing=FakeOutgoing())
    group_fan_out = GroupFanOut(database=database, clock=clock, ids=ids, owner=NODE, apps=apps, outgoing=FakeOutgoing())
    hub = SimpleNamespace(
        clock=clock,
        ids=ids,
        node_id=NODE,
        database=database,
        bus=bus,
        apps=apps,
        accounts=Accounts(database, clock, bus),
        sessions=sessions,
        messaging=messaging,
        history=History(database, clock, ids, bus),
        do_not_disturb=DoNotDisturb(database, clock),
        labels=Labels(database),
        push_jobs=PushJobs(database=database, ids=ids, clock=clock),
        statistics=Statistics(database, clock),
        portraits=Portraits(database),
        relations=Relations(database, clock),
        groups=Groups(database, clock, ids, bus),
        group_messaging=GroupMessaging(database=database, clock=clock, ids=ids, bus=bus, fan_out=group_fan_out),
        group_fan_out=group_fan_out,
    )
    for app in (APP, OTHER):
        rows = [(ADMIN, "", ""), ("alice", "Alice", ""), ("bob", "", "")]
        await database.write(lambda tx, app=app, rows=rows: insert_accounts(tx, app, rows, clock.now_ms()))  # type: ignore[misc]
    yield Rest(cast(Hub, hub), apps, sessions, delivered)
    await messaging.drain()
    await group_fan_out.stop()
    await bus.close()
