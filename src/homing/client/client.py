"""A device: logs in, reports its token and its state, sends, receives, and comes back by itself after a cut."""

from __future__ import annotations

import asyncio
import contextlib
import secrets
import ssl as ssl_module
import time
import uuid
from collections.abc import Sequence
from pathlib import Path
from typing import Any, TypeVar

import msgspec

from homing.model.messages import Element
from homing.model.push_info import OfflinePushInfo

from .backoff import Backoff
from .errors import ConnectionLost, HomingError
from .events import Events
from .groups import GroupEvent, Groups
from .link import Link, socket_url
from .listener import Listener
from .sending import OnError, OnProgress, OnSuccess, SendTask
from .upload import Uploaded, Uploader
from .values import (
    CursorNotice,
    EndedNotice,
    Incoming,
    LoginStatus,
    MissedPage,
    OfflinePushConfig,
    QuietWindow,
    ReadNotice,
    ReceivedMessage,
    RevokedNotice,
    SentMessage,
)

T = TypeVar("T")

REQUEST_SECONDS = 30.0
LOGIN_SECONDS = 15.0
#: Close codes after which there is nothing to come back to (device-api reference, close codes).
SESSION_OVER, KICKED, EXPIRED, REPLACED = 4000, 4001, 4002, 4007
_BUSY = {1012, 1013, 4003}
_FINAL = {SESSION_OVER, KICKED, EXPIRED, REPLACED}
_EXPIRED_CODES = {"usersig_expired", "usersig_revoked"}
_ENDED_CODES = {"session_ended", "session_unknown"}


class HomingClient:
    """One installation of an app. One account at a time, as in the original.

    ``async with HomingClient("https://im.example.com", 1400000001) as client: await client.login("alice", user_sig)``
    """

    def __init__(
        self,
        base_url: str,
        sdkappid: int,
        *,
        listener: Listener | None = None,
        ssl: ssl_module.SSLContext | None = None,
        backoff: Backoff | None = None,
        request_seconds: float = REQUEST_SECONDS,
    ) -> None:
        self._url = socket_url(base_url)
        self._uploader = Uploader(base_url, ssl, request_seconds)
        self._sdkappid = sdkappid
        self._ssl = ssl
        self._backoff = backoff or Backoff()
        self._request_seconds = request_seconds
        self._events = Events(self._acknowledge)
        self.groups = Groups(self, self._events.message)
        self._status = LoginStatus.LOGOUT
        self._user_id = ""
        self._login_body: dict[str, Any] = {}
        self._session_token = ""
        self.device_id = ""
        self._link: Link | None = None
        self._changed = asyncio.Event()  # a connection stands, or the session is over
        self._runner: asyncio.Task[None] | None = None
        self._sends: set[asyncio.Task[SentMessage]] = set()
        self._final: HomingError | None = None
        self._ended_by = 0  # close code that the server announced
        if listener is not None:
            self.add_listener(listener)

    async def __aenter__(self) -> HomingClient:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    def add_listener(self, listener: Listener) -> None:
        """From now on this listener hears what happens."""
        self._events.listeners.append(listener)

    def remove_listener(self, listener: Listener) -> None:
        """It hears no more."""
        with contextlib.suppress(ValueError):
            self._events.listeners.remove(listener)

    # --- logging in and out ---

    @property
    def login_status(self) -> LoginStatus:
        """V2TIM_STATUS_LOGINED, LOGINING or LOGOUT."""
        return self._status

    @property
    def login_user(self) -> str:
        """The account that is logged in, or ""."""
        return self._user_id if self._status is LoginStatus.LOGINED else ""

    @property
    def connected(self) -> bool:
        """Whether the socket stands at this moment."""
        return self._link is not None

    @property
    def cursor(self) -> str:
        """Everything up to here was handed to the listeners; keep it over a restart for ``login(after=...)``."""
        return self._events.cursor

    async def settled(self) -> None:
        """Wait until the listeners have heard everything that came so far."""
        await self._events.settled()

    async def login(
        self,
        user_id: str,
        user_sig: str,
        *,
        platform: str = "android",
        instance_id: str | None = None,
        language: str = "",
        after: str | None = None,
    ) -> None:
        """Log in and connect. ``instance_id`` names the installation: keep it, the push token belongs to it.

        Raises ``HomingError``: the server's no, ``login_running``, or ``connect_failed``.
        """
        if self._status is not LoginStatus.LOGOUT:
            raise HomingError("login_running", "log out first: one account at a time")
        self._status, self._final = LoginStatus.LOGINING, None
        self._login_body = {
            "sdkappid": self._sdkappid,
            "user_id": user_id,
            "user_sig": user_sig,
            "platform": platform,
            "instance_id": instance_id or uuid.uuid4().hex,
            "language": language,
        }
        if user_id != self._user_id or after is not None:
            self._events.restart(after or "")
        if self._user_id and user_id != self._user_id:
            self.groups.restart()
        self._user_id, self._session_token = user_id, ""
        self._changed.clear()
        self._events.tell("on_connecting")
        try:
            link = await self._open()
        except BaseException as error:
            self._status = LoginStatus.LOGOUT
            if isinstance(error, HomingError):
                self._events.tell("on_connect_failed", error.code, error.message)
            raise
        self._stands(link)
        self._runner = asyncio.get_running_loop().create_task(self._keep(link))

    async def logout(self) -> None:
        """End the session: no message and no push reaches this installation any more."""
        if self._status is LoginStatus.LOGOUT:
            return
        try:
            # The server closes the connection after this one: that is no loss to come back from.
            link = await self._standing_link()
            await asyncio.wait_for(link.request("logout", {}), self._request_seconds)
        except ConnectionLost:
            raise HomingError("connect_failed", "the connection broke; log out again") from None
        except TimeoutError:
            raise HomingError("timeout", "logout was not answered") from None
        except HomingError as error:
            if error.code not in _ENDED_CODES:
                raise
        await self._hang_up()

    async def close(self) -> None:
        """Hang up without logging out, as when the app is killed: pushes go on."""
        await self._hang_up()
        await self.groups.close()
        for task in list(self._sends):
            task.cancel()
        if self._sends:
            await asyncio.wait(self._sends)
        await self._events.close()

    def cut(self) -> None:
        """Lose the connection, as a phone loses its network; the client comes back by itself. For tests and demonstrations."""
        if self._link is not None:
            self._link.abort()

    # --- offline push ---

    async def set_offline_push_config(self, config: OfflinePushConfig | None) -> None:
        """Report the token of the vendor's SDK; None turns push off. Call it after each log-in and each change of the token."""
        await self.call("push-config", config, dict[str, Any])

    async def do_background(self, unread_count: int = 0) -> None:
        """The app is in the background now; ``unread_count`` is where the badge starts."""
        await self.call("background", {"unread_count": unread_count}, dict[str, Any])

    async def do_foreground(self) -> None:
        """The app is in front again: no pushes."""
        await self.call("foreground", {}, dict[str, Any])

    async def report_push_event(self, push_id: int | str, event: str, *, at: int | None = None) -> None:
        """Say that a push was ``delivered``, ``shown`` or ``clicked``. ``at``: unix seconds, default now."""
        body = {"push_id": push_id, "event": event, "at": int(time.time()) if at is None else at}
        await self.call("push-events", body, dict[str, Any])

    # --- messages ---

    def send_message(
        self,
        to_user: str,
        elements: Element | Sequence[Element],
        *,
        offline_push_info: OfflinePushInfo | None = None,
        online_only: bool = False,
        cloud_custom_data: str = "",
        exclude_from_unread: bool = False,
        need_read_receipt: bool = False,
        on_progress: OnProgress | None = None,
        on_success: OnSuccess | None = None,
        on_error: OnError | None = None,
    ) -> SendTask:
        """Send a message. Returns at once with its ``msg_id``; await the result, or pass callbacks.

        It is repeated after a cut until it is answered; the server stores it once.
        """
        body: dict[str, Any] = {
            "to_user": to_user,
            "elements": [elements] if isinstance(elements, Element) else list(elements),
            "online_only": online_only,
            "cloud_custom_data": cloud_custom_data,
            "exclude_from_unread": exclude_from_unread,
            "need_read_receipt": need_read_receipt,
        }
        if offline_push_info is not None:
            body["offline_push_info"] = offline_push_info
        return self.start_send(body, on_progress, on_success, on_error)

    def start_send(
        self, body: dict[str, Any], on_progress: OnProgress | None, on_success: OnSuccess | None, on_error: OnError | None
    ) -> SendTask:
        """Send the body of a message under a random number of its own; the groups send by this too."""
        random = body["random"] = secrets.randbits(32)
        task = asyncio.get_running_loop().create_task(self._send(body))
        self._sends.add(task)
        task.add_done_callback(self._sends.discard)
        if on_progress is not None:
            on_progress(0)
        return SendTask(f"{self._user_id}-{int(time.time())}-{random}", task, on_progress, on_success, on_error)

    async def upload(
        self,
        source: bytes | Path,
        kind: str = "file",
        *,
        content_type: str = "",
        file_name: str = "",
        on_progress: OnProgress | None = None,
    ) -> Uploaded:
        """Upload a ``file``, ``image``, ``sound`` or ``video``; its element is made from the result, for ``send_message``.

        Without ``content_type`` the name says what it is. ``on_progress`` hears percents. Raises ``HomingError``, and ``OSError``
        for a file that cannot be read.
        """
        await self._standing_link()
        return await self._uploader.upload(self, self._session_token, source, kind, content_type, file_name, on_progress)

    async def mark_read(self, peer: str, read_at: int | None = None) -> None:
        """The conversation with ``peer`` is read, up to a unix second (default now)."""
        body = {"peer": peer} if read_at is None else {"peer": peer, "read_at": read_at}
        await self.call("read", body, dict[str, Any])

    async def recall(self, to_user: str, msg_key: str) -> None:
        """Take back a message of one's own."""
        await self.call("recall", {"to_user": to_user, "msg_key": msg_key}, dict[str, Any])

    # --- do not disturb ---

    async def set_c2c_receive_message_opt(self, peers: Sequence[str], option: int, *, pass_quiet_hours: bool | None = None) -> None:
        """0: receive and notify, 1: receive nothing, 2: receive without notification; for at most 30 peers.

        ``pass_quiet_hours``: they notify in the do-not-disturb window too.
        """
        body: dict[str, Any] = {"peers": list(peers), "option": option, "pass_quiet_hours": pass_quiet_hours}
        await self.call("set-receive-options", body, dict[str, Any])

    async def get_c2c_receive_message_opt(self, peers: Sequence[str]) -> dict[str, int]:
        """The options of these conversations, by peer."""
        answer = await self.call("receive-options", {"peers": list(peers)}, dict[str, Any])
        return {item["peer"]: item["option"] for item in answer["options"]}

    async def set_all_receive_message_opt(self, window: QuietWindow | None) -> None:
        """The account's do-not-disturb window, in which nothing is pushed; None ends it."""
        await self.call("set-quiet-hours", window, dict[str, Any])

    async def get_all_receive_message_opt(self) -> dict[str, Any]:
        """The window, and whether the account is in it now."""
        return await self.call("quiet-hours", {}, dict[str, Any])

    async def missed_messages(self, after: str = "", limit: int = 50) -> MissedPage:
        """A page of the inbox after a cursor, oldest first."""
        return await self.call("messages", {"after": after, "limit": limit}, MissedPage)

    async def session(self) -> dict[str, Any]:
        """What the server knows of this session."""
        return await self.call("session", {}, dict[str, Any])

    # --- inside ---

    async def _send(self, body: dict[str, Any]) -> SentMessage:
        sent = await self.call("send", body, SentMessage)
        self._events.remember(sent.msg_id)
        return sent

    async def call(self, op: str, body: Any, kind: type[T]) -> T:
        """Do an operation of the device API; over a cut if need be, since every one may be repeated. Raises ``HomingError``."""
        try:
            async with asyncio.timeout(self._request_seconds):
                while True:
                    link = await self._standing_link()
                    try:
                        return msgspec.json.decode(await link.request(op, body), type=kind)
                    except ConnectionLost:
                        self._lost(link)
        except TimeoutError:
            raise HomingError("timeout", f"{op} was not answered within {self._request_seconds:g} seconds") from None

    async def _standing_link(self) -> Link:
        while self._link is None:
            if self._status is LoginStatus.LOGOUT:
                raise self._final or HomingError("not_logged_in", "log in first")
            await self._changed.wait()
        return self._link

    async def _acknowledge(self, msg_ids: list[str], cursor: str) -> None:
        if self._link is not None:
            with contextlib.suppress(ConnectionLost):
                await self._link.send({"op": "ack", "body": {"msg_ids": msg_ids, "cursor": cursor}})

    async def _open(self) -> Link:
        """A connection whose session lives. Raises ``HomingError``."""
        link = await Link.open(self._url, self._ssl, self._on_frame)
        body: dict[str, Any] = {"session_token": self._session_token} if self._session_token else dict(self._login_body)
        if self._events.cursor:
            body["after"] = self._events.cursor
        try:
            async with asyncio.timeout(LOGIN_SECONDS):
                answer = msgspec.json.decode(await link.request("login", body))
        except (ConnectionLost, TimeoutError):
            code, reason = link.closed_by
            await link.close()
            raise HomingError("connect_failed", f"the server closed with {code} {reason}".strip()) from None
        except BaseException:
            await link.close()
            raise
        self._session_token = answer.get("session_token", self._session_token)
        self.device_id = answer["device_id"]
        self._ended_by = 0
        return link

    def _stands(self, link: Link) -> None:
        self._link, self._status = link, LoginStatus.LOGINED
        self._changed.set()
        self._events.tell("on_connect_success")

    def _lost(self, link: Link) -> None:
        if self._link is link:
            self._link = None
            self._changed.clear()

    async def _keep(self, link: Link) -> None:
        """Stay connected until the session is over."""
        while True:
            await link.closed()
            self._lost(link)
            code = self._ended_by or link.closed_by[0]
            if code in _FINAL:
                self._over(code)
                return
            # All clients of a server that restarts come back: not all at once.
            following = await self._come_back(attempt=1 if code in _BUSY else 0)
            if following is None:
                return
            link = following

    async def _come_back(self, attempt: int) -> Link | None:
        """Connect again, as often as it takes; None when the session is over."""
        while True:
            await asyncio.sleep(self._backoff.seconds(attempt))
            self._events.tell("on_connecting")
            try:
                link = await self._open()
            except HomingError as error:
                if error.code in _EXPIRED_CODES or error.code == "session_ended":
                    self._over(EXPIRED if error.code in _EXPIRED_CODES else KICKED)
                    return None
                if error.code == "session_unknown":
                    self._session_token = ""  # the server lost it; the UserSig is still good for a new one
                self._events.tell("on_connect_failed", error.code, error.message)
                attempt += 1
            else:
                self._stands(link)
                return link

    def _over(self, code: int) -> None:
        expired = code == EXPIRED
        self._final = HomingError("usersig_expired" if expired else "session_ended", "log in again")
        self._status, self._link, self._session_token = LoginStatus.LOGOUT, None, ""
        self._changed.set()
        self._events.tell("on_user_sig_expired" if expired else "on_kicked_offline")

    async def _hang_up(self) -> None:
        runner, self._runner = self._runner, None
        link, self._link = self._link, None
        self._status, self._session_token = LoginStatus.LOGOUT, ""
        self._changed.set()
        if runner is not None:
            runner.cancel()
            await asyncio.wait([runner])
        if link is not None:
            await link.close()

    def _on_frame(self, frame: Incoming) -> None:
        kind = _EVENTS.get(frame.op)
        if kind is None:
            return  # of a newer server
        body = msgspec.json.decode(frame.body, type=kind)
        if isinstance(body, ReceivedMessage):
            if body.to_group:
                self.groups.heard(body)
            self._events.message(body)
            if self._events.full and self._link is not None:
                self._link.abort()  # what is not taken now comes again from the cursor
        elif isinstance(body, EndedNotice):
            self._ended_by = body.close_code
        elif isinstance(body, CursorNotice):
            if frame.op == "synced":
                self.groups.catch_up()
                self._events.tell("on_sync_finished", body.cursor)
            elif not self._events.cursor:
                self._events.cursor = body.cursor
        elif isinstance(body, GroupEvent):
            self._events.tell("on_group_event", body)
        else:
            self._events.tell("on_message_revoked" if isinstance(body, RevokedNotice) else "on_conversation_read", body)


_EVENTS: dict[str, Any] = {
    "message": ReceivedMessage,
    "revoked": RevokedNotice,
    "read": ReadNotice,
    "group": GroupEvent,
    "ended": EndedNotice,
    "ready": CursorNotice,
    "synced": CursorNotice,
}
