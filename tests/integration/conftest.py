"""A whole push pipeline on a real store, with a vendor whose answers the test writes."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from homing.bus.local import LocalBus
from homing.channels.registry import CHANNELS
from homing.model.apps import App, AppSettings
from homing.model.certificates import Certificate
from homing.model.clock import Clock, Ids, SystemClock
from homing.model.delivery import Delivery
from homing.model.messages import Accepted, Draft, Element, MessageFlags
from homing.model.outcome import Grant, Outcome, TransportFailure, VendorRequest, VendorResponse
from homing.model.push_info import OfflinePushInfo
from homing.services.budgets import Budgets
from homing.services.delivery import Delivery as Acknowledgements
from homing.services.dispatch import Dispatch
from homing.services.messaging import Messaging
from homing.services.recorder import Recorder
from homing.services.verdicts import Verdicts
from homing.store.accounts import insert_accounts
from homing.store.engine import Bulk, Database, Query, Tx
from homing.store.push_queue import owner_of

from .many import Many

Answer = VendorResponse | TransportFailure
SENT = VendorResponse(200, {}, b'{"name":"projects/p/messages/0:1%a"}')
APP = 1_400_000_001
BUSINESS = 15_518

_PUSHES = Query(
    "test.pushes",
    "SELECT push_id, state, reason, attempts, due_at_ms, device_id, badge, token, vendor_message_id, message_id FROM push ORDER BY push_id",
)
_ATTEMPTS = Query("test.attempts", "SELECT push_id, number, outcome, code, request, answer FROM attempt ORDER BY push_id, number")
_DEVICE = Bulk(
    "test.device",
    [
        ("device_id", "bigint"),
        ("user_id", "text"),
        ("platform", "text"),
        ("session_state", "text"),
        ("app_state", "text"),
        ("node_id", "bigint"),
        ("business_id", "bigint"),
        ("token", "text"),
        ("seen_ms", "bigint"),
    ],
    f"INSERT INTO device (device_id, sdkappid, user_id, platform, instance_id, session_state, session_id, login_at_ms, expires_at_ms, "
    f"last_seen_ms, app_state, node_id, business_id, token) SELECT device_id, {APP}, user_id, platform, 'instance', session_state, 1, "
    "seen_ms, 0, seen_ms, app_state, node_id, business_id, token FROM k",
)
_CERTIFICATE = Query(
    "test.certificate",
    "INSERT INTO certificate (sdkappid, business_id, channel, name, credentials_sealed, options, version, receipt_path, created_at_ms, "
    "updated_at_ms) VALUES (?, ?, 'fcm', 'test', ?, '{}', 1, 'path', 0, 0)",
)


@pytest.fixture(scope="session")
def service_account() -> str:
    """A service account as Firebase gives it, with a key of its own."""
    key = rsa.generate_private_key(65537, 2048)
    pem = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()).decode()
    return json.dumps(
        {"type": "service_account", "project_id": "p", "private_key": pem, "private_key_id": "1", "client_email": "a@p.example"}
    )


class Vendor:
    """Takes requests and answers as the test says; ``hold`` keeps answers back until ``release``."""

    def __init__(self) -> None:
        self.requests: list[VendorRequest] = []
        self.reconnects: list[bool] = []
        self.answer: Callable[[VendorRequest], Answer] = lambda _: SENT
        self.held: list[tuple[VendorRequest, Callable[[Answer], object]]] = []
        self.hold = False
        self._arrived = asyncio.Event()

    def submit(self, request: VendorRequest, pool: str, done: Callable[[Answer], object], *, reconnect: bool = False) -> object:
        self.requests.append(request)
        self.reconnects.append(reconnect)
        if self.hold:
            self.held.append((request, done))
        else:
            asyncio.get_running_loop().call_soon(done, self.answer(request))
        self._arrived.set()
        return None

    def release(self) -> None:
        """Answer what was held back."""
        self.hold = False
        held, self.held = self.held, []
        for request, done in held:
            done(self.answer(request))

    async def received(self, n: int) -> list[VendorRequest]:
        """Wait until ``n`` requests arrived."""
        async with asyncio.timeout(10):
            while len(self.requests) < n:
                self._arrived.clear()
                await self._arrived.wait()
        return self.requests

    def bodies(self) -> list[str]:
        """The texts that were shown."""
        return [json.loads(request.body)["message"]["notification"]["body"] for request in self.requests]


class Authority:
    """Certificates without a store of their own."""

    def __init__(self, certificate: Certificate | None) -> None:
        self.certificate = certificate
        self.paused: list[str] = []

    async def get(self, sdkappid: int, business_id: int) -> Certificate | None:
        return self.certificate if business_id == BUSINESS else None

    async def pause(self, sdkappid: int, business_id: int, reason: str) -> None:
        self.paused.append(reason)


class Directory:
    """One app."""

    def __init__(self, app: App) -> None:
        self.app = app

    async def get(self, sdkappid: int) -> App | None:
        return self.app


class Logins:
    """Grants that the test controls."""

    def __init__(self) -> None:
        self.result: Grant | Outcome = Grant("grant-1", 2**50)
        self.asked = 0
        self.invalidated: list[Grant] = []

    async def grant(self, certificate: Certificate) -> Grant | Outcome | None:
        self.asked += 1
        return self.result

    def invalidate(self, certificate: Certificate, used: Grant) -> None:
        self.invalidated.append(used)


class Pipeline:
    """One node's accept and push side."""

    def __init__(self, database: Database, clock: Clock, certificate: Certificate, node_id: int = 1) -> None:
        self.database, self.clock, self.node_id = database, clock, node_id
        self.app = App(APP, "test", "k" * 32, ("administrator",), AppSettings(), 0)
        self.vendor, self.authority, self.logins = Vendor(), Authority(certificate), Logins()
        self.directory = Directory(self.app)
        self.bus = LocalBus()
        self.delivered: list[Delivery] = []
        self.bus.on_deliver(node_id, self.delivered.extend)
        ids = self.ids = Ids(clock, node_id)
        owner = self.owner = owner_of(node_id, 1)
        self.recorder = Recorder(database=database, ids=ids, owner=owner, clock=clock)
        verdicts = Verdicts(recorder=self.recorder, authority=self.authority, clock=clock, random=lambda: 0.5)
        # The cluster's limits go by the database's clock, which a clock that stands still cannot wait for.
        budgets = Budgets(database, clock, shared=None if isinstance(clock, SystemClock) else False)
        self.dispatch = Dispatch(
            database=database,
            bus=self.bus,
            owner=owner,
            clock=clock,
            apps=self.directory,
            authority=self.authority,
            logins=self.logins,
            sender=self.vendor,
            channels=CHANNELS,
            recorder=self.recorder,
            verdicts=verdicts,
            budgets=budgets,
        )
        self.messaging = Messaging(database=database, ids=ids, owner=owner, clock=clock, outgoing=self.dispatch)
        self.acknowledgements = Acknowledgements(database=database, clock=clock)

    async def send(self, text: str = "hello", *, to: str = "bob", sender: str = "alice", **options: Any) -> Accepted:
        """Send a text message."""
        options.setdefault("random", hash(text) & 0xFFFF)
        options.setdefault("elements", (Element("TIMTextElem", {"Text": text}),))
        options.setdefault("flags", MessageFlags.NONE)
        options.setdefault("push_info", OfflinePushInfo(Title="Alice", Desc=text))
        return await self.messaging.send(self.directory.app, Draft(from_account=sender, to_account=to, **options))

    def settings(self, **values: Any) -> None:
        """Change the app's settings."""
        self.directory.app = App(APP, "test", "k" * 32, ("administrator",), AppSettings(**values), 0)

    async def pushes(self) -> list[Any]:
        """All pushes as they are stored, once everything that happened is written."""
        await self.settle()

        async def work(tx: Tx) -> list[Any]:
            return await tx.fetch(_PUSHES)

        return [tuple(row) for row in await self.database.read(work)]

    async def attempts(self) -> list[Any]:
        """All attempts as they are recorded."""
        await self.settle()

        async def work(tx: Tx) -> list[Any]:
            return await tx.fetch(_ATTEMPTS)

        return [tuple(row) for row in await self.database.read(work)]

    async def settle(self) -> None:
        """Wait until what was sent is answered and written; what the vendor holds back is not waited for."""
        if not self.vendor.hold:
            await self.dispatch.quiet()
        await self.recorder.drain()

    async def turn(self) -> None:
        """One turn of the scheduler, so that tests need not wait for its timer."""
        await self.dispatch.turn()

    async def device(self, device_id: int, user_id: str, **values: Any) -> None:
        """Add a device: Android, in background, with a token, not connected, unless told otherwise."""
        row = {
            "platform": "android",
            "session_state": "active",
            "app_state": "background",
            "node_id": None,
            "business_id": BUSINESS,
            "token": f"token-{device_id}",
            "seen_ms": self.clock.now_ms(),
            **values,
        }

        async def work(tx: Tx) -> None:
            await tx.bulk(_DEVICE, [(device_id, user_id, *row.values())])

        await self.database.write(work)


@pytest.fixture
def certificate(service_account: str) -> Certificate:
    """An FCM certificate."""
    fcm = CHANNELS["fcm"]
    return Certificate(APP, BUSINESS, "fcm", "test", fcm.credentials_type(service_account=service_account), fcm.options_type())


@pytest.fixture
async def pipeline(database: Database, clock: Clock, certificate: Certificate) -> AsyncIterator[Pipeline]:
    """A running pipeline with alice, bob and carol; bob has no device yet."""
    running = Pipeline(database, clock, certificate)

    async def people(tx: Tx) -> None:
        await insert_accounts(tx, APP, [("alice", "Alice", ""), ("bob", "Bob", ""), ("carol", "", "")], clock.now_ms())
        await tx.execute(_CERTIFICATE, APP, BUSINESS, b"sealed")

    await database.write(people)
    await running.bus.start()
    await running.dispatch.start()
    yield running
    await running.messaging.drain()
    await running.dispatch.stop(1.0)
    await running.bus.close()


@pytest.fixture
async def many(database: Database, clock: Clock, service_account: str) -> AsyncIterator[Many]:
    """A node that pushes to many, with its certificates and accounts."""
    node = Many(database, clock, service_account)
    await node.certificate_rows()
    await node.accounts()
    await node.bus.start()
    yield node
    await node.close()
    await node.bus.close()
