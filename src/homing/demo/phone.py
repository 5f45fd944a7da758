"""One person's phone: the virtual phone of the sandbox, and the chat app that runs on it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from typing import Any, Literal

from homing.rules.offline_message import GROUP

from .app import ChatApp, Incoming
from .calls import SandboxApi
from .cast import BRANDS, Brand
from .words import Bubble, Letter, bubble_of

AppState = Literal["open", "background", "killed"]
MAX_BUBBLES = 200


class CannotDoThat(Exception):
    """The phone is in no state for it. ``str()`` is one sentence for the person who tried; ``code`` is stable."""

    def __init__(self, code: str, sentence: str) -> None:
        super().__init__(sentence)
        self.code = code


class DemoPhone:
    """What a person does with a phone. One thing at a time; everything goes to the server and the sandbox over HTTP."""

    def __init__(self, slot: str, sandbox: SandboxApi, app: ChatApp, changed: Callable[[], None]) -> None:
        self.slot = slot
        self.app = app
        self._sandbox, self._changed = sandbox, changed
        self._doing = asyncio.Lock()
        self.brand: Brand = BRANDS["xiaomi"]
        self.phone_id = ""
        self.token = ""
        self.business_id = 0
        self.person = ""  # whose phone it is: who logged in last
        self.account: str | None = None  # who is logged in, as the app knows
        self.app_state: AppState = "killed"
        self.locked = self.offline = False
        self.notifications = self.installed = True
        self.chat_with: str | None = None
        self.notice = ""  # what the login screen says: kicked, session_ended, …
        self.opened: dict[str, Any] = {}  # what the last tap opened
        self.tray: list[dict[str, Any]] = []
        self.badge = 0
        self._was_open = False  # when it was locked
        self._threads: dict[tuple[str, str], list[Bubble]] = {}
        self._unread: dict[tuple[str, str], int] = {}
        app.listen(self._arrived, self._kicked)

    # --- the phone itself ---

    async def unpack(self, brand: Brand, made: dict[str, Any], business_id: int) -> None:
        """Another phone, with the app freshly installed. ``made`` is the sandbox's answer when it was made."""
        async with self._doing:
            await self.app.cut()
            self.brand, self.phone_id, self.token, self.business_id = brand, made["phone_id"], made["token"], business_id
            self.account, self.app_state, self.chat_with, self.notice = None, "killed", None, ""
            self.locked = self.offline = self._was_open = False
            self.notifications = self.installed = True
            self.opened = {}
            settings = {"app_state": "killed", "locked": False, "offline": False, "notifications_enabled": True, "badge": 0}
            await self._set(app_installed=True, **settings)
            await self._sandbox.clear_tray(self.phone_id)
            await self._look()

    async def discard(self) -> None:
        """The old phone goes: log out, and the app is gone."""
        async with self._doing:
            if self.account is not None and not self.offline:
                await self._connect()
                await self.app.log_out()
            await self.app.cut()
            self.account, self.app_state = None, "killed"
            if self.phone_id:
                await self._set(app_installed=False)

    async def lock(self) -> None:
        """The screen goes dark: the app reports background, and soon the system cuts its connection."""
        async with self._doing:
            if self.locked:
                return
            self._was_open = self.app_state == "open"
            if self._was_open:
                await self._to_background()
            await self.app.cut()
            self.locked = True
            await self._set(locked=True)

    async def unlock(self) -> None:
        """The screen lights up; an app that was open is there again."""
        async with self._doing:
            await self._unlock()
            if self._was_open:
                await self._open()

    async def set_offline(self, offline: bool) -> None:
        """Airplane mode: nothing reaches the phone, the vendor keeps what comes."""
        async with self._doing:
            self.offline = offline
            if offline:
                await self.app.cut()
            await self._set(offline=offline)
            if not offline and self.app_state == "open" and not self.locked:
                await self._open()
            await self._look()

    async def set_notifications(self, enabled: bool) -> None:
        """The switch in the phone's settings."""
        async with self._doing:
            self.notifications = enabled
            await self._set(notifications_enabled=enabled)

    async def install(self, installed: bool) -> None:
        """Uninstalling kills the vendor's token; installing again brings a new one and an app that nobody is logged in to."""
        async with self._doing:
            if not installed:
                await self.app.cut()
                self.account, self.app_state, self.chat_with, self._was_open = None, "killed", None, False
            self.installed = installed
            await self._set(app_installed=installed)
            await self._look()

    # --- the app on it ---

    async def open(self) -> None:
        """Tap the app's icon."""
        async with self._doing:
            await self._unlock()
            await self._open()

    async def background(self) -> None:
        """Press the home button."""
        async with self._doing:
            if self.app_state == "open":
                await self._to_background()

    async def kill(self) -> None:
        """Swipe the app away: no good-bye, the connection just ends."""
        async with self._doing:
            await self.app.cut()
            self.app_state, self._was_open, self.chat_with = "killed", False, None
            await self._set(app_state="killed")

    async def log_in(self, user_id: str) -> None:
        """Log in, as this account from now on. Whoever was logged in before did not log out."""
        async with self._doing:
            self._require_network()
            await self._unlock()
            if self.account != user_id:
                await self.app.cut()
                self.account, self.chat_with = None, None
            self.account, self.person, self.notice = user_id, user_id, ""
            await self._open()

    async def log_out(self) -> None:
        """Log out in the app."""
        async with self._doing:
            self._require_network()
            await self._unlock()
            await self._open()
            if self.account is not None:
                await self.app.log_out()
            self.account, self.chat_with, self.notice = None, None, ""
            self._changed()

    async def use_certificate(self, business_id: int) -> None:
        """The app reports its token with another certificate of the same vendor, as after an update of the app."""
        async with self._doing:
            self.business_id = business_id
            if self.app.connected:
                await self.app.report_token(business_id, self.token)

    async def show_chat(self, peer: str | None) -> None:
        """Open a chat in the app, or go back to the list."""
        async with self._doing:
            self.chat_with = peer
            await self._read()
            self._changed()

    async def read_everything(self, peers: Iterable[str]) -> None:
        """Look at every chat: nothing is unread any more, for the server neither."""
        async with self._doing:
            for peer in peers:
                if peer != self.account:
                    await self.app.mark_read(peer)
            self._unread = {key: count for key, count in self._unread.items() if key[0] != self.account}
            await self._set(badge=0)

    async def tap(self, item_id: int) -> dict[str, Any]:
        """Tap a notification: unlock, start the page that the vendor's client opens, and go where its extras say.

        What opened: ``activity``, ``data``, ``sender``, ``error``.
        """
        async with self._doing:
            place = next((item["n"] for item in (await self._look())["tray"] if item["id"] == item_id), None)
            if place is None:
                raise CannotDoThat("gone", "This notification is not there any more")
            found = await self._sandbox.tap(self.phone_id, place)
            await self._unlock()
            if found.get("error"):
                self.opened = {"activity": None, "data": None, "sender": None, "error": found["error"]}
                await self._look()
                return self.opened
            self._was_open = True
            await self._open()
            message = self.app.read_extras(found["extras"])
            sender = message.sender if message else None
            in_group = message is not None and message.chat_type == GROUP
            self.opened = {"activity": found["activity"], "data": found["data"], "sender": sender, "group": in_group, "error": None}
            if self.account is not None:
                await self.app.report_clicked(found["extras"])
                if message is not None and in_group:
                    await self.app.read_group(message.sender)
                elif message is not None:
                    self.chat_with = message.sender
                    await self._read()
            await self._look()
            return self.opened

    async def send(self, letter: Letter) -> str | None:
        """Send from the app; the MsgKey. None when the app is not open and logged in: then a backend must send."""
        async with self._doing:
            if self.app_state != "open" or self.account is None or not self.app.connected:
                return None
            sent = await self.app.send(letter)
            bubble = bubble_of(sent.msg_id, self.account, letter.elements(), sent.at_ms)
            self._thread(letter.receiver).append(bubble)
            self.chat_with = letter.receiver
            await self._read()
            self._changed()
            return sent.msg_key

    # --- what it shows ---

    @property
    def device(self) -> str:
        """The instance id under which the app logs in."""
        return self.phone_id

    @property
    def unread(self) -> int:
        """Messages of the present account that nobody has looked at."""
        return sum(count for (account, _), count in self._unread.items() if account == self.account)

    async def refresh(self) -> None:
        """Look at the tray again."""
        await self._look()

    def picture(self) -> dict[str, Any]:
        """All of it, for the page."""
        return {
            "slot": self.slot,
            "phone_id": self.phone_id,
            "brand": self.brand.name,
            "service": self.brand.service,
            "person": self.person,
            "account": self.account,
            "app": self.app_state,
            "connected": self.app.connected,
            "locked": self.locked,
            "offline": self.offline,
            "notifications": self.notifications,
            "installed": self.installed,
            "badge": self.badge,
            "notice": self.notice,
            "opened": self.opened,
            "chat_with": self.chat_with,
            "tray": self.tray,
            "chats": self._chats(),
        }

    def thread(self, peer: str) -> list[Bubble]:
        """The chat of the present account with ``peer``, oldest first."""
        return list(self._threads.get((self.account or "", peer), ()))

    def _chats(self) -> list[dict[str, Any]]:
        return [
            {"peer": peer, "unread": self._unread.get((account, peer), 0), "bubbles": [_drawn(b) for b in bubbles[-30:]]}
            for (account, peer), bubbles in self._threads.items()
            if account == self.account
        ]

    # --- inside ---

    def _thread(self, peer: str) -> list[Bubble]:
        bubbles = self._threads.setdefault((self.account or "", peer), [])
        del bubbles[:-MAX_BUBBLES]
        return bubbles

    def _arrived(self, message: Incoming) -> None:
        """The app received a message, on the socket or while it caught up."""
        if self.account is None:
            return
        mine = message.sender == self.account
        peer = message.receiver if mine else message.sender
        thread = self._thread(peer)
        if any(bubble.msg_id == message.msg_id for bubble in thread):
            return
        thread.append(bubble_of(message.msg_id, message.sender, message.elements, message.at_ms))
        looking = self.app_state == "open" and self.chat_with == peer
        if not mine and not looking:
            self._unread[(self.account, peer)] = self._unread.get((self.account, peer), 0) + 1
        self._changed()

    def _kicked(self, reason: str) -> None:
        self.account, self.chat_with, self.notice = None, None, reason
        self._changed()

    async def _to_background(self) -> None:
        if self.account is not None and self.app.connected:
            await self.app.to_background(self.unread)
        self.app_state = "background"
        await self._set(app_state="background", badge=self.unread)

    async def _unlock(self) -> None:
        if self.locked:
            self.locked = False
            await self._set(locked=False)

    def _require_app(self) -> None:
        if not self.installed:
            raise CannotDoThat("not_installed", "The app is not installed on this phone")

    def _require_network(self) -> None:
        self._require_app()
        if self.offline:
            raise CannotDoThat("no_network", "The phone has no network: switch airplane mode off")

    async def _open(self) -> None:
        self._require_app()
        self.app_state, self._was_open = "open", True
        await self._set(app_state="foreground")
        if self.account is not None and not self.offline:
            await self._connect()
            await self._read()

    async def _connect(self) -> None:
        """Log in where needed, report the token, say that the app is in front, and catch up."""
        assert self.account is not None
        if not self.app.connected:
            await self.app.log_in(self.account, self.brand.platform, self.device)
            await self.app.report_token(self.business_id, self.token)
        await self.app.to_foreground()

    async def _read(self) -> None:
        """The open chat is read: no notifications, no count for it."""
        if self.account is None or self.chat_with is None or self.app_state != "open":
            return
        self._unread.pop((self.account, self.chat_with), None)
        if self.app.connected:
            await self.app.mark_read(self.chat_with)
        await self._sandbox.clear_tray(self.phone_id)
        await self._set(badge=self.unread)

    async def _set(self, **settings: Any) -> None:
        self._take(await self._sandbox.change(self.phone_id, **settings))

    async def _look(self) -> dict[str, Any]:
        phone = await self._sandbox.phone(self.phone_id)
        self._take(phone)
        return phone

    def _take(self, phone: dict[str, Any]) -> None:
        self.tray, self.badge, self.token = [_noted(item) for item in phone["tray"]], phone["badge"], phone["token"]
        self._changed()


def _noted(item: dict[str, Any]) -> dict[str, Any]:
    return {name: item[name] for name in ("id", "n", "title", "body", "sound", "channel", "received_at", "lock_screen")}


def _drawn(bubble: Bubble) -> dict[str, Any]:
    return {"id": bubble.msg_id, "sender": bubble.sender, "kind": bubble.kind, "text": bubble.text, "at": bubble.at_ms}
