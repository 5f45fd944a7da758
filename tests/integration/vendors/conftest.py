"""A street: the real server with its transport, and the simulator of a vendor with its phones, on a clock that the test moves."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import msgspec
import pytest

from homing.app import Node, open_node
from homing.channels.registry import CHANNELS
from homing.config import Config
from homing.model.certificates import Certificate
from homing.model.outcome import VendorRequest
from homing.rules.usersig import sign
from homing.sandbox.phone_api import create_phone
from homing.sandbox.phones import Phone
from homing.sandbox.server import Sandbox
from homing.server.asgi import Front
from homing.server.build import build
from homing.services.sessions import LoginRequest
from homing.transport.client import HttpTransport

APP, KEY = 1_400_000_001, "k" * 64
#: Real seconds after which a request without an answer is given up: enough for loopback on a busy machine.
PATIENCE_SECONDS = 1.0


class Street:
    """Bob has a phone of one make, and Alice writes to him through the REST API."""

    def __init__(self, node: Node, front: Front, sandbox: Sandbox, clock: Any, channel: str) -> None:
        self.node, self.front, self.sandbox, self.clock = node, front, sandbox, clock
        self.hub, self.world = node.hub, sandbox.world
        self.channel = CHANNELS[channel]
        self.vendor: Any = self.world.vendors[channel]
        self.phones: dict[str, Phone] = {}
        self.business_ids: dict[str, int] = {}
        self.devices: dict[str, Any] = {}
        self.values: dict[str, Any] = {}
        self._numbers = iter(range(1, 1_000_000))

    # --- who lives here ---

    async def move_in(self, user_id: str = "bob", **options: Any) -> Phone:
        """A person with a phone of this make, and a certificate for it; the app is killed."""
        phone = create_phone(self.world, {"brand": self.vendor.brands[0], "notifications_enabled": True, "app_state": "killed"})
        hint = self.vendor.business_hint(phone)
        self.values = hint["settings"] | hint["files"] | options
        certificate = await self.hub.certificates.add(APP, self.channel.name, self.values)
        assert isinstance(certificate, Certificate), certificate
        await self.move_to(user_id, phone, certificate.business_id)
        return phone

    async def move_to(self, user_id: str, phone: Phone, business_id: int) -> None:
        """A person logs in on a phone whose app uses this certificate."""
        await self.hub.accounts.import_accounts(await self.hub.apps.require(APP), [(user_id, user_id.capitalize(), "")])
        signature = sign(APP, user_id, KEY, self.clock.now_ms() // 1000, 30 * 86_400)
        platform = min(self.channel.platforms, key=lambda name: (name != "ios", name))
        login = await self.hub.sessions.login(APP, LoginRequest(user_id, signature, platform, f"{user_id}-{phone.id}"))
        await self.hub.sessions.set_push_config(login.device, business_id, phone.token)
        await self.hub.sessions.background(login.device)
        self.phones[user_id], self.devices[user_id], self.business_ids[user_id] = phone, login.device, business_id

    async def token_of(self, user_id: str = "bob") -> str | None:
        """The push token that the server has for a person's phone."""
        found = await self.hub.sessions.devices_of(APP, [user_id])
        return found[user_id][0].token or None

    # --- what is said ---

    async def rest(self, command: str, body: dict[str, Any]) -> dict[str, Any]:
        """A call on the server REST API."""
        signature = sign(APP, "administrator", KEY, self.clock.now_ms() // 1000, 86_400)
        query = {"sdkappid": APP, "identifier": "administrator", "usersig": signature, "random": 7, "contenttype": "json"}
        sent: list[Any] = []
        messages = [{"type": "http.request", "body": json.dumps(body).encode(), "more_body": False}]

        async def receive() -> Any:
            return messages.pop(0)

        async def send(message: Any) -> None:
            sent.append(message)

        path = f"/v4/{command}"
        scope = {"type": "http", "method": "POST", "path": path, "query_string": urlencode(query).encode(), "headers": []}
        await self.front(scope, receive, send)
        answer: dict[str, Any] = json.loads(b"".join(message.get("body", b"") for message in sent))
        return answer

    async def say(self, text: str, to: str = "bob", **info: Any) -> str:
        """Alice writes; the MsgKey of her message."""
        number = next(self._numbers)
        body = {
            "SyncOtherMachine": 2,
            "From_Account": "alice",
            "To_Account": to,
            "MsgLifeTime": 604_800,
            "MsgRandom": number,
            "MsgBody": [{"MsgType": "TIMTextElem", "MsgContent": {"Text": text}}],
            "OfflinePushInfo": {"PushFlag": 0, "Title": "Alice", "Desc": text} | info,
        }
        answer = await self.rest("openim/sendmsg", body)
        assert answer["ActionStatus"] == "OK", answer
        return str(answer["MsgKey"])

    # --- what came of it ---

    async def told(self, key: str) -> dict[str, Any]:
        """What is explained of the push of a message."""
        told = await self.hub.explain.message(APP, key)
        pushes: list[dict[str, Any]] = told["messages"][0]["pushes"]
        assert len(pushes) == 1, told
        return pushes[0]

    async def until(self, key: str, true: Callable[[dict[str, Any]], object]) -> dict[str, Any]:
        """Wait for the server, on the clock as it stands. Returns what is explained then."""
        push: dict[str, Any] = {}
        try:
            async with asyncio.timeout(20):
                while not true(push := await self.told(key)):
                    await self.hub.dispatch.turn()
                    await asyncio.sleep(0.003)
        except TimeoutError:
            raise AssertionError(f"it never came to that: {json.dumps(push, ensure_ascii=False, default=str)[:3000]}") from None
        return push

    async def attempted(self, key: str, times: int = 1) -> dict[str, Any]:
        """Wait until so many attempts are recorded and the push is decided again."""
        return await self.until(key, lambda push: len(push["attempts"]) >= times and push["state"] != "claimed")

    async def ended(self, key: str) -> dict[str, Any]:
        """Wait until the push is out of the queue, and move the clock to each next attempt."""
        push = await self.attempted(key)
        for times in range(len(push["attempts"]) + 1, 20):
            if push["state"] not in ("pending", "claimed"):
                return push
            due_ms = max(push["next_at_ms"], self.clock.now_ms()) + 1000
            self.clock.set(due_ms)
            push = await self.attempted(key, times)
        raise AssertionError(f"it never ended: {push}")

    def shown(self, text: str, to: str = "bob") -> int:
        """How often a text is in a phone's tray."""
        return sum(text in (item.notice.body, item.notice.title) for item in self.phones[to].tray)

    def order(self, kind: str, **order: Any) -> None:
        """Order a fault at this vendor."""
        self.world.faults.add({"vendor": self.channel.name, "kind": kind, "count": 1} | order)


@pytest.fixture
def open_street(
    clock: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Callable[[str], contextlib.AbstractAsyncContextManager[Street]]:
    """Opens a street of a channel."""
    submit = HttpTransport.submit

    def impatient(self: HttpTransport, request: VendorRequest, *args: Any, **kwargs: Any) -> Any:
        return submit(self, msgspec.structs.replace(request, timeout_seconds=PATIENCE_SECONDS), *args, **kwargs)

    monkeypatch.setattr(HttpTransport, "submit", impatient)
    monkeypatch.setattr("homing.app.SystemClock", lambda: clock)

    @contextlib.asynccontextmanager
    async def opened(channel: str) -> AsyncIterator[Street]:
        config = Config(database=f"sqlite:///{tmp_path}/homing.db", drain_seconds=1.0)
        async with contextlib.AsyncExitStack() as stack:
            sandbox = await stack.enter_async_context(Sandbox(clock=clock))
            node = await stack.enter_async_context(open_node(config))
            front = await stack.enter_async_context(build(node))
            await node.hub.apps.create(APP, KEY, name="street")
            await node.hub.accounts.import_accounts(await node.hub.apps.require(APP), [("alice", "Alice", "")])
            yield Street(node, front, sandbox, clock, channel)

    return opened
