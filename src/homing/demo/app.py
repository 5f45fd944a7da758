"""The chat app on a phone: what a real app does with the device SDK (seed page, steps 5 to 8)."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import msgspec

from homing.client import (
    Element,
    HomingClient,
    HomingError,
    Listener,
    OfflineMessage,
    OfflinePushConfig,
    ReceivedMessage,
    parse_offline_message,
)

from .calls import CallFailed
from .cast import SDKAPPID
from .words import Letter

CALL_SECONDS = 10.0
MAX_NESTED = 4


class Incoming(msgspec.Struct, frozen=True):
    """A message that reached the app."""

    msg_id: str
    sender: str
    receiver: str
    elements: tuple[Element, ...]
    at_ms: int


class Sent(msgspec.Struct, frozen=True):
    """A message that the app sent."""

    msg_id: str
    msg_key: str
    at_ms: int


class ChatApp(Listener):
    """The app. Each start of its process is a client of its own; ``cut`` ends the process without a good-bye."""

    def __init__(self, base_url: str, usersig_of: Callable[[str], str], language: str = "en") -> None:
        self._base_url, self._usersig_of, self._language = base_url, usersig_of, language
        self._client: HomingClient | None = None
        self._arrived: Callable[[Incoming], None] = lambda _: None
        self._kicked: Callable[[str], None] = lambda _: None

    def listen(self, arrived: Callable[[Incoming], None], kicked: Callable[[str], None]) -> None:
        """Who hears of messages, and of the end of the session (with the reason)."""
        self._arrived, self._kicked = arrived, kicked

    @property
    def connected(self) -> bool:
        """The process runs and its socket stands."""
        return self._client is not None and self._client.connected

    # --- as the process lives ---

    async def log_in(self, user_id: str, platform: str, instance_id: str) -> None:
        """Start the process and log in."""
        await self.cut()
        self._client = HomingClient(self._base_url, SDKAPPID, listener=self, request_seconds=CALL_SECONDS)
        with in_words():
            await self._client.login(
                user_id, self._usersig_of(user_id), platform=platform, instance_id=instance_id, language=self._language
            )

    async def log_out(self) -> None:
        """The account goes; the process stays without one."""
        if self._client is not None:
            with in_words():
                await self._client.logout()
        await self.cut()

    async def cut(self) -> None:
        """The process ends, or the network does: nobody tells the server."""
        client, self._client = self._client, None
        if client is not None:
            client.remove_listener(self)
            await client.close()

    # --- what the app tells the server ---

    async def report_token(self, business_id: int, token: str) -> None:
        """``setOfflinePushConfig``."""
        with in_words():
            await self._running.set_offline_push_config(OfflinePushConfig(business_id, token))

    async def to_background(self, unread: int) -> None:
        """``doBackground``."""
        with in_words():
            await self._running.do_background(unread)

    async def to_foreground(self) -> None:
        """``doForeground``."""
        with in_words():
            await self._running.do_foreground()

    async def send(self, letter: Letter) -> Sent:
        """``sendMessage``."""
        with in_words():
            sent = await self._running.send_message(letter.receiver, letter.elements(), offline_push_info=letter.wishes())
        return Sent(sent.msg_id, sent.msg_key, sent.timestamp * 1000)

    async def mark_read(self, peer: str) -> None:
        """The conversation was looked at."""
        with in_words():
            await self._running.mark_read(peer)

    async def read_group(self, group_id: str) -> None:
        """Everything in this group is read."""
        with in_words():
            await self._running.groups.mark_read(group_id)

    def read_extras(self, extras: Mapping[str, Any]) -> OfflineMessage | None:
        """Where a tapped notification leads: ``parseOfflineMessage`` of what the vendor's client handed over."""
        return parse_offline_message(extras)

    async def report_clicked(self, extras: Mapping[str, Any]) -> None:
        """Tell the server that the user came by this notification, where it says which push it was."""
        push_id = find_push_id(extras)
        if push_id:
            with contextlib.suppress(HomingError):  # statistics: an app goes on without them
                await self._running.report_push_event(push_id, "clicked")

    @property
    def _running(self) -> HomingClient:
        if self._client is None:
            raise CallFailed("The app is not running")
        return self._client

    # --- what the app hears ---

    def on_recv_new_message(self, message: ReceivedMessage) -> None:
        """A message, on the socket or while catching up."""
        self._arrived(Incoming(message.msg_id, message.from_user, message.to_user, message.elements, message.timestamp * 1000))

    def on_kicked_offline(self) -> None:
        """Another phone of the same kind took over."""
        self._kicked("kicked")

    def on_user_sig_expired(self) -> None:
        """The log-in ran out."""
        self._kicked("expired")


def find_push_id(extras: Any, depth: int = 0) -> str:
    """The ``push_id`` that came with a notification: among the extras, or inside what a vendor's client wraps them in."""
    if isinstance(extras, str) and extras.startswith("{"):
        with contextlib.suppress(ValueError, RecursionError):
            extras = json.loads(extras)
    if not isinstance(extras, Mapping) or depth > MAX_NESTED:
        return ""
    found = extras.get("push_id")
    if isinstance(found, str | int) and found:
        return str(found)
    return next((inner for value in extras.values() if (inner := find_push_id(value, depth + 1))), "")


@contextlib.contextmanager
def in_words() -> Iterator[None]:
    """A refusal of the server as a sentence for the person who pressed the button."""
    try:
        yield
    except HomingError as error:
        raise CallFailed(error.message or error.code) from None
