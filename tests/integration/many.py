"""A node that pushes to many, on a real store, with a vendor whose answers the test writes."""

from __future__ import annotations

import asyncio
from collections import Counter
from typing import Any

from homing.bus.local import LocalBus
from homing.channels.registry import CHANNELS
from homing.model.apps import App, AppSettings
from homing.model.certificates import Certificate
from homing.model.clock import Clock, Ids
from homing.model.delivery import Delivery
from homing.model.messages import Element, MessageFlags
from homing.model.outcome import Grant, VendorRequest, VendorResponse
from homing.model.push_info import OfflinePushInfo
from homing.model.push_jobs import Condition, JobDraft, JobKind, PushJob
from homing.services.budgets import Budgets
from homing.services.bulk_dispatch import BulkDispatch
from homing.services.bulk_results import BulkResults
from homing.services.dispatch import Dispatch
from homing.services.job_contents import JobContents
from homing.services.job_runner import JobRunner
from homing.services.messaging import Messaging
from homing.services.push_hooks import PushHooks
from homing.services.push_jobs import PushJobs, push_elements
from homing.services.recorder import Recorder
from homing.services.verdicts import Verdicts
from homing.store.accounts import insert_accounts
from homing.store.engine import Bulk, Database, Query, Tx
from homing.store.push_queue import owner_of

APP = 1_400_000_001
BATCHES, SINGLES = 15_518, 15_519  # a vendor that takes a thousand tokens at once, and one that takes one
SENT = VendorResponse(200, {}, b'{"code":"80000000","msg":"Success","requestId":"r1"}')
SENT_ONE = VendorResponse(200, {}, b'{"name":"projects/p/messages/0:1%a"}')
INFO = OfflinePushInfo(Title="News", Desc="It is spring")

_DEVICES = Bulk(
    "test.many_devices",
    [
        ("device_id", "bigint"),
        ("user_id", "text"),
        ("session_state", "text"),
        ("app_state", "text"),
        ("node_id", "bigint"),
        ("business_id", "bigint"),
        ("token", "text"),
        ("seen_ms", "bigint"),
    ],
    f"INSERT INTO device (device_id, sdkappid, user_id, platform, instance_id, session_state, session_id, login_at_ms, expires_at_ms, "
    f"last_seen_ms, app_state, node_id, business_id, token) SELECT device_id, {APP}, user_id, 'android', CAST(device_id AS text), "
    "session_state, 1, seen_ms, 0, seen_ms, app_state, node_id, business_id, token FROM k",
)
_CERTIFICATE = Query(
    "test.many_certificate",
    "INSERT INTO certificate (sdkappid, business_id, channel, name, credentials_sealed, options, version, receipt_path, created_at_ms, "
    "updated_at_ms) VALUES (?, ?, ?, 'test', ?, '{}', 1, ?, 0, 0)",
)
_BUNDLES = Query("test.bundles", "SELECT bundle_id, business_id, count, state, reason, attempts FROM push_bundle ORDER BY bundle_id")
_PUSHES = Query("test.many_pushes", "SELECT push_id, user_id, state, reason, notification_class FROM push ORDER BY push_id")
_TOKENS = Query("test.many_tokens", "SELECT device_id FROM device WHERE token IS NULL ORDER BY device_id")


class ManyVendor:
    """Answers at once, or as the test says."""

    def __init__(self) -> None:
        self.requests: list[VendorRequest] = []
        self.answer: Any = None
        self.silent = False

    def submit(self, request: VendorRequest, pool: str, done: Any, *, reconnect: bool = False) -> object:
        self.requests.append(request)
        if not self.silent:
            asyncio.get_running_loop().call_soon(done, self._answer(request))
        return None

    def _answer(self, request: VendorRequest) -> Any:
        if self.answer is not None:
            return self.answer(request)
        return SENT_ONE if "/v1/projects/" in request.url else SENT

    def tokens(self) -> Counter[str]:
        """How often each token was pushed to."""
        return Counter(target.token for request in self.requests for target in request.targets)

    def sizes(self) -> list[int]:
        """How many tokens each request had."""
        return [len(request.targets) for request in self.requests]


class Grants:
    """A grant that always works."""

    def __init__(self) -> None:
        self.invalidated = 0

    async def grant(self, certificate: Certificate) -> Grant:
        return Grant("grant", 2**50)

    def invalidate(self, certificate: Certificate, used: Grant) -> None:
        self.invalidated += 1


class Certificates:
    """The two certificates."""

    def __init__(self, service_account: str) -> None:
        huawei, fcm = CHANNELS["huawei"], CHANNELS["fcm"]
        credentials = huawei.credentials_type(app_id="1", client_secret="s")
        options = huawei.options_type(requests_per_second=1e9)
        self.known = {
            BATCHES: Certificate(APP, BATCHES, "huawei", "batches", credentials, options),
            SINGLES: Certificate(APP, SINGLES, "fcm", "singles", fcm.credentials_type(service_account=service_account), fcm.options_type()),
        }
        self.paused: list[str] = []

    async def get(self, sdkappid: int, business_id: int) -> Certificate | None:
        return self.known.get(business_id)

    async def pause(self, sdkappid: int, business_id: int, reason: str) -> None:
        self.paused.append(reason)


class Apps:
    """One app."""

    def __init__(self) -> None:
        self.app = App(APP, "test", "k" * 32, ("administrator",), AppSettings(), 0)

    async def get(self, sdkappid: int) -> App | None:
        return self.app if sdkappid == APP else None


class Many:
    """One life of one node's push side."""

    def __init__(
        self, database: Database, clock: Clock, service_account: str, *, node_id: int = 1, life: int = 1, hooks: PushHooks | None = None
    ) -> None:
        self.database, self.clock, self.apps = database, clock, Apps()
        self.vendor, self.certificates, self.logins = ManyVendor(), Certificates(service_account), Grants()
        self.bus = LocalBus()
        self.delivered: list[Delivery] = []
        self.bus.on_deliver(node_id, self.delivered.extend)
        self.ids, owner = Ids(clock, node_id), owner_of(node_id, life)
        self.recorder = Recorder(database=database, ids=self.ids, owner=owner, clock=clock, hooks=hooks)
        verdicts = Verdicts(recorder=self.recorder, authority=self.certificates, clock=clock, random=lambda: 0.5)
        budgets = Budgets(database, clock, shared=False)
        common: dict[str, Any] = {"database": database, "clock": clock, "owner": owner}
        sending: dict[str, Any] = {
            "authority": self.certificates,
            "logins": self.logins,
            "sender": self.vendor,
            "channels": CHANNELS,
            "budgets": budgets,
            "recorder": self.recorder,
        }
        self.dispatch = Dispatch(**common, **sending, bus=self.bus, apps=self.apps, verdicts=verdicts)
        self.messaging = Messaging(**common, ids=self.ids, outgoing=self.dispatch)
        contents = JobContents(database, self.apps)
        results = BulkResults(ids=self.ids, owner=owner, clock=clock, random=lambda: 0.5, hooks=hooks)
        self.bulk = BulkDispatch(**common, **sending, results=results, contents=contents, chat_waits=self.dispatch.waits)
        self.runner = JobRunner(
            **common, ids=self.ids, bus=self.bus, channels=CHANNELS, contents=contents, bulk=self.bulk, messaging=self.messaging
        )
        self.jobs = PushJobs(database=database, ids=self.ids, clock=clock)

    async def accounts(self, *users: str) -> None:
        """Make accounts, the sender's among them."""
        await self.database.write(
            lambda tx: insert_accounts(tx, APP, [(user, user.title(), "") for user in ("news", *users)], self.clock.now_ms())
        )

    async def devices(self, *numbers: int, business_id: int = BATCHES, **values: Any) -> None:
        """An account ``u{number}`` with one device each, in background and not connected unless told otherwise."""
        row = {"session_state": "active", "app_state": "background", "node_id": None, **values}
        await self.accounts(*(user(n) for n in numbers))
        rows = [(n, user(n), *row.values(), business_id, values.get("token", f"token-{n}"), self.clock.now_ms()) for n in numbers]
        kept = [row[:5] + row[-3:] for row in rows]
        await self.database.write(lambda tx: tx.bulk(_DEVICES, kept))

    async def certificate_rows(self) -> None:
        """The certificates' rows: only their channels count here."""

        async def work(tx: Tx) -> None:
            for business_id, certificate in self.certificates.known.items():
                await tx.execute(_CERTIFICATE, APP, business_id, certificate.channel, b"sealed", f"path{business_id}")

        await self.database.write(work)

    async def push(self, condition: Condition | None = None, **values: Any) -> PushJob:
        """Ask for a push."""
        draft = JobDraft(
            from_account="news",
            random=values.pop("random", 7),
            condition=condition or Condition(),
            elements=values.pop("elements", push_elements(INFO)),
            push_info=INFO,
            flags=values.pop("flags", (MessageFlags.NO_UNREAD | MessageFlags.NO_LAST_MSG).value),
            lifetime_seconds=values.pop("lifetime_seconds", 86_400),
            **values,
        )
        job, _ = await self.jobs.create(self.apps.app, draft)
        return job

    async def message(self, text: str = "hello") -> PushJob:
        """Ask for a stored message to all."""
        return await self.push(elements=(Element("TIMTextElem", {"Text": text}),), kind=JobKind.MESSAGE)

    async def run(self, turns: int = 12) -> None:
        """Walk and send until nothing moves."""
        for _ in range(turns):
            await self.runner.turn()
            await self.bulk.turn()
            await self.bulk.quiet()

    async def job(self, job: PushJob) -> PushJob:
        """The job as it is now."""
        return await self.jobs.get(APP, job.task_id)

    async def rows(self, query: Query) -> list[tuple[Any, ...]]:
        """The rows of a query."""
        return [tuple(row) for row in await self.database.read(lambda tx: tx.fetch(query))]

    async def bundles(self) -> list[tuple[Any, ...]]:
        """Bundles: id, business id, count, state, reason, attempts."""
        return await self.rows(_BUNDLES)

    async def pushes(self) -> list[tuple[Any, ...]]:
        """Pushes of their own: id, account, state, reason, class."""
        await self.recorder.drain()
        return await self.rows(_PUSHES)

    async def without_token(self) -> list[int]:
        """Devices without a token."""
        return [row[0] for row in await self.rows(_TOKENS)]

    async def close(self) -> None:
        """End this life, tidily."""
        await self.bulk.stop()
        await self.messaging.drain()
        await self.recorder.drain()


def user(number: int) -> str:
    """The account with this number; they sort as their numbers do."""
    return f"u{number:06}"
