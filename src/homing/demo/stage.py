"""The stage: a server on a fresh database, the sandbox, the demo app with its certificates, and two phones."""

from __future__ import annotations

import asyncio
import contextlib
import secrets
from collections.abc import AsyncIterator, Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import structlog

from homing.app import listener, open_node, web_server
from homing.client import HomingError, RestClient
from homing.config import Config
from homing.model.problems import GROUP_ID_TAKEN
from homing.sandbox.server import Sandbox
from homing.server.build import build
from homing.store.engine import StoreRefused

from .app import ChatApp, in_words
from .calls import CallFailed, SandboxApi
from .cast import BRANDS, PEOPLE, RING, RING_CHANNEL, SDKAPPID, Brand
from .ledger import Entry, Ledger
from .phone import DemoPhone
from .words import Letter

if TYPE_CHECKING:
    from homing.app import Node
    from homing.model.certificates import Certificate

log = structlog.get_logger()

FIRST_BUSINESS_ID = 15501
NEWS_WAIT_SECONDS = 10
WATCH_SECONDS = 0.25


class Stage:
    """Everything that runs. Make one with ``open_stage``."""

    def __init__(self, node: Node, base_url: str, sandbox: SandboxApi, secret_key: str) -> None:
        self.base_url = base_url
        self.sandbox = sandbox
        self.rest = RestClient(base_url, SDKAPPID, secret_key)
        self.ledger = Ledger(node.hub.explain, node.hub.clock)
        self._node, self._secret_key = node, secret_key
        self._business_ids: dict[str, int] = {}
        self._second_ids: dict[str, int] = {}
        self._values: dict[str, dict[str, Any]] = {}  # of the certificates, by brand
        self._spare: dict[str, list[dict[str, Any]]] = {}  # phones that nobody uses now, by brand
        self._listeners: set[Callable[[], None]] = set()
        self.closing = asyncio.Event()
        self.phones = {slot: self._phone(slot) for slot in ("left", "right")}
        self.second_phone = self._app()  # where a person logs in too, to be kicked here

    # --- setting up ---

    async def furnish(self) -> None:
        """The app, its people, a certificate and a phone of every brand, and the first two phones in their owners' hands."""
        await self._node.hub.apps.create(SDKAPPID, self._secret_key, name="Homing demo")
        await self._node.hub.apps.update(SDKAPPID, settings={"language": "en"})
        for person in PEOPLE.values():
            await self.rest.import_account(person.user_id, person.nick)
        for number, brand in enumerate(BRANDS.values(), FIRST_BUSINESS_ID):
            made = await self._create_phone(brand)
            await self._add_certificate(brand, number, made)
            self._spare[brand.name] = [made]
        await self.give("left", "apple", "alice")
        await self.give("right", "xiaomi", "bob")

    async def _add_certificate(self, brand: Brand, business_id: int, made: dict[str, Any]) -> None:
        hint = made["business_hint"]
        values = self._values[brand.name] = _certificate_values(brand, hint, self.base_url)
        certificate = await self._store_certificate(brand, values, business_id)
        self._business_ids[brand.name] = business_id
        receipts = hint.get("receipts", {})
        if "url" in receipts:  # the vendor's console holds the address
            settings = {name: receipts[name] for name in ("user_name", "key") if name in receipts}
            url = f"{self.base_url}/v1/receipts/{certificate.receipt_path}"
            await self.sandbox.send_receipts(brand.channel, package=hint["settings"]["package_name"], url=url, **settings)

    async def _store_certificate(self, brand: Brand, values: dict[str, Any], business_id: int | None = None) -> Certificate:
        certificate = await self._node.hub.certificates.add(SDKAPPID, brand.channel, values, business_id=business_id, name=brand.label_en)
        if isinstance(certificate, list):
            raise StoreRefused(f"The demo's certificate for {brand.label_en} is wrong: {certificate[0].sentence}")
        return certificate

    async def _create_phone(self, brand: Brand) -> dict[str, Any]:
        app = {"channels": [{"id": RING_CHANNEL, "importance": "high", "sound": RING}]} if _rings_in_channel(brand) else {}
        return await self.sandbox.create_phone(brand.name, app_state="killed", app=app)

    def _app(self) -> ChatApp:
        return ChatApp(self.base_url, self.rest.usersig)

    def _phone(self, slot: str) -> DemoPhone:
        return DemoPhone(slot, self.sandbox, self._app(), self.changed)

    # --- what can be done beside what a phone does ---

    async def second_certificate(self, brand: Brand) -> int:
        """The number of another certificate for this make, with the same credentials; made when it is first asked for."""
        if brand.name not in self._second_ids:
            self._second_ids[brand.name] = (await self._store_certificate(brand, self._values[brand.name])).business_id
        return self._second_ids[brand.name]

    async def give(self, slot: str, brand: str, user_id: str) -> None:
        """Another phone of this brand, on which this person logs in. The old one is logged out and its app removed."""
        phone, spare = self.phones[slot], self._spare[brand]
        if phone.phone_id:
            await phone.discard()
        made = spare.pop(0) if spare else await self._create_phone(BRANDS[brand])
        if phone.phone_id:
            self._spare[phone.brand.name].append({"phone_id": phone.phone_id, "token": phone.token})
        await phone.unpack(BRANDS[brand], made, self._business_ids[brand])
        await phone.log_in(user_id)

    async def send(self, sender: str, letter: Letter) -> Entry:
        """A person writes: in the app where it is open and logged in, else their backend sends for them through REST."""
        phone = next((phone for phone in self.phones.values() if phone.account == sender), None)
        key = await phone.send(letter) if phone is not None else None
        way = "device"
        if key is None:
            way, key = "rest", await self._send_for(sender, letter)
        # The phones as they are now: a later look at this message must not name the phones of then by today's brands.
        phones = {phone.device: phone.brand.name for phone in self.phones.values()}
        summary = {"kind": letter.kind, "text": letter.text, "description": letter.description, "no_push": letter.no_push, "phones": phones}
        entry = self.ledger.add(key, sender, letter.receiver, summary, way)
        await self.ledger.ask(entry)
        self.changed()
        return entry

    async def _send_for(self, sender: str, letter: Letter) -> str:
        """As the sender's backend, which also tells the sender's own devices (SyncOtherMachine 1); the MsgKey."""
        with in_words():
            answer = await self.rest.send_message(
                sender, letter.receiver, letter.elements(), offline_push_info=letter.wishes(), SyncOtherMachine=1
            )
        return str(answer["MsgKey"])

    async def make_group(self, group_id: str, name: str, members: Sequence[str]) -> None:
        """A group of these people, made by the backend; it may be there from an earlier performance."""
        people = [{"Member_Account": user_id} for user_id in members]
        try:
            await self.rest.call(
                "group_open_http_svc/create_group", {"Type": "Public", "Name": name, "GroupId": group_id, "MemberList": people}
            )
        except HomingError as error:
            if error.number != GROUP_ID_TAKEN.rest_code:
                raise CallFailed(str(error)) from None

    async def say_in_group(self, group_id: str, sender: str, letter: Letter) -> None:
        """A member writes, by its backend."""
        body: dict[str, Any] = {
            "GroupId": group_id,
            "From_Account": sender,
            "Random": secrets.randbits(32),
            "MsgBody": list(letter.elements()),
        }
        with in_words():
            await self.rest.call("group_open_http_svc/send_group_msg", body)

    async def log_in_elsewhere(self, slot: str) -> None:
        """The person of this phone logs in on another phone of the same kind: this one is kicked."""
        phone = self.phones[slot]
        await self.second_phone.cut()
        await self.second_phone.log_in(phone.person, phone.brand.platform, f"another-{phone.brand.platform}")
        await self.second_phone.log_out()

    # --- news ---

    def listen(self, listener: Callable[[], None]) -> Callable[[], None]:
        """``listener`` is called after each change; call what comes back to stop that."""
        self._listeners.add(listener)
        return lambda: self._listeners.discard(listener)

    def changed(self) -> None:
        """Something is different: whoever watches looks again."""
        for heard in list(self._listeners):
            heard()

    async def follow_trays(self) -> None:
        """Look at a phone again whenever the sandbox says that something happened on it."""
        after = 0
        while True:
            try:
                news = await self.sandbox.events(after, NEWS_WAIT_SECONDS)
                if not news:
                    continue
                after = news[-1]["n"]
                touched = {event.get("phone_id") for event in news if event["event"] not in ("phone_changed", "phone_created")}
                for phone in self.phones.values():
                    if phone.phone_id in touched:
                        await phone.refresh()
            except CallFailed as failed:
                log.warning("trays_not_followed", why=str(failed))
                await asyncio.sleep(1)

    async def follow_explanations(self) -> None:
        """Keep the explanations fresh."""
        while True:
            await asyncio.sleep(WATCH_SECONDS)
            if await self.ledger.refresh():
                self.changed()

    def let_go(self) -> None:
        """The live pages end by themselves: nobody waits for them when the server stops."""
        self.closing.set()
        self.changed()

    async def aclose(self) -> None:
        """Close what the apps have open."""
        for app in (self.second_phone, *(phone.app for phone in self.phones.values())):
            await app.cut()
        await self.rest.aclose()


def _certificate_values(brand: Brand, hint: dict[str, Any], base_url: str) -> dict[str, Any]:
    """What the certificate of a make says: the sandbox's hint, what a tap opens, where receipts go, and where the app rings."""
    values: dict[str, Any] = hint["settings"] | hint["files"]
    if brand.opens_page:
        values |= {"click_action": "page", "click_value": hint["intent_uri"]}
    if "url" not in hint.get("receipts", {}):
        values |= {"callback_base_url": base_url}
    if _rings_in_channel(brand):
        values = {"channel_id": RING_CHANNEL, "sound": RING} | values
    return values


def _rings_in_channel(brand: Brand) -> bool:
    """The app makes a notification channel with its own tone: on Android the channel's tone wins over the message's."""
    return brand.custom_sound and brand.platform == "android"


class _Door:
    """The server with one more thing behind it: whatever is asked for under ``/demo``."""

    def __init__(self, server: Any) -> None:
        self._server = server
        self.page: Any = None

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        page = self.page is not None and scope["type"] == "http" and (scope["path"] == "/" or scope["path"].split("/")[1] == "demo")
        await (self.page if page else self._server)(scope, receive, send)


@contextlib.asynccontextmanager
async def open_stage(
    folder: Path, listen: tuple[str, int], sandbox_listen: tuple[str, int], make_page: Callable[[Stage], Any] | None = None
) -> AsyncIterator[Stage]:
    """A running stage in an empty folder. Raises ``StoreRefused`` with a sentence when it cannot start."""
    config = Config(listen=f"{listen[0]}:{listen[1]}", database=f"sqlite:///{folder}/homing.db", log_level="error", drain_seconds=2.0)
    async with contextlib.AsyncExitStack() as stack:
        sock = listener(*listen)
        stack.callback(sock.close)
        base_url = f"http://{listen[0]}:{sock.getsockname()[1]}"
        sandbox = Sandbox(sandbox_listen, (sandbox_listen[0], 0), receipts_to=base_url)
        try:
            await stack.enter_async_context(sandbox)
        except OSError as error:
            raise StoreRefused(f"The sandbox cannot listen on {sandbox_listen[0]}:{sandbox_listen[1]} ({error.strerror})") from error
        node = await stack.enter_async_context(open_node(config))
        started = asyncio.Event()
        door = _Door(await stack.enter_async_context(build(node)))
        server = web_server(door, config, started)
        serving = asyncio.create_task(server.serve(sockets=[sock]))
        stack.push_async_callback(_end, server, serving)
        await started.wait()
        stage = Stage(node, base_url, SandboxApi(sandbox.base_url), secrets.token_hex(32))
        stack.push_async_callback(stage.aclose)
        await stage.furnish()
        stack.callback(stage.let_go)
        followers = [asyncio.create_task(stage.follow_trays()), asyncio.create_task(stage.follow_explanations())]
        stack.push_async_callback(_cancel, followers)
        door.page = make_page(stage) if make_page is not None else None
        yield stage


async def _end(server: Any, serving: asyncio.Task[None]) -> None:
    server.should_exit = True
    await serving


async def _cancel(tasks: list[asyncio.Task[None]]) -> None:
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
