"""Groups on a device: sending, reading, coming and going, and fetching what was missed after a cut."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Sequence
from typing import Any, Protocol, TypeVar

import msgspec

from homing.model.messages import Element
from homing.model.push_info import OfflinePushInfo

from .errors import HomingError
from .sending import OnError, OnProgress, OnSuccess, SendTask
from .values import ReceivedMessage

T = TypeVar("T")

PAGE = 100
GROUPS_AT_ONCE = 500
#: Pages of one group that are fetched after a cut; who was away longer reads on with ``messages``.
MAX_MISSED_PAGES = 10


class JoinedGroup(msgspec.Struct, frozen=True):
    """V2TIMGroupInfo and one's own place in the group."""

    to_group: str
    kind: str
    name: str
    owner: str = ""
    introduction: str = ""
    notification: str = ""
    face_url: str = ""
    members: int = 0
    last_seq: int = 0
    last_message_at: int = 0
    mute_all: bool = False
    role: str = ""
    option: str = ""
    name_card: str = ""
    muted_until: int = 0
    read_seq: int = 0
    unread: int = 0


class GroupPage(msgspec.Struct, frozen=True):
    """A page of a group's history; ``reached`` begins the next."""

    messages: tuple[ReceivedMessage, ...]
    reached: int
    more: bool


class GroupMember(msgspec.Struct, frozen=True):
    """A member."""

    user_id: str
    role: str
    name_card: str = ""
    joined_at: int = 0


class GroupEvent(msgspec.Struct, frozen=True):
    """Something happened to a group: joined, left, removed, changed, dissolved, read (elsewhere), or the backend's notification."""

    to_group: str
    name: str
    event: str
    content: str = ""


class _JoinedPage(msgspec.Struct, frozen=True):
    groups: tuple[JoinedGroup, ...]
    total: int


class _MembersPage(msgspec.Struct, frozen=True):
    members: tuple[GroupMember, ...]
    total: int
    more: bool


class Caller(Protocol):
    """What the groups need of the client."""

    async def call(self, op: str, body: Any, kind: type[T]) -> T:
        """Ask the server."""
        ...

    def start_send(
        self, body: dict[str, Any], on_progress: OnProgress | None, on_success: OnSuccess | None, on_error: OnError | None
    ) -> SendTask:
        """Send a message, over a cut if need be."""
        ...


class Groups:
    """The groups of the account that is logged in."""

    def __init__(self, caller: Caller, tell: Callable[[ReceivedMessage], None]) -> None:
        self._caller = caller
        self._tell = tell
        self._task: asyncio.Task[None] | None = None
        self.reached: dict[str, int] = {}  # the highest number that the listeners have heard of, by group; keep it over a restart

    def send(
        self,
        to_group: str,
        elements: Element | Sequence[Element],
        *,
        at: Sequence[str] = (),
        at_all: bool = False,
        offline_push_info: OfflinePushInfo | None = None,
        online_only: bool = False,
        cloud_custom_data: str = "",
        exclude_from_unread: bool = False,
        on_progress: OnProgress | None = None,
        on_success: OnSuccess | None = None,
        on_error: OnError | None = None,
    ) -> SendTask:
        """Send a message to a group. ``at``: accounts that are mentioned. Returns as ``HomingClient.send_message`` does."""
        body: dict[str, Any] = {
            "to_group": to_group,
            "elements": [elements] if isinstance(elements, Element) else list(elements),
            "at": list(at),
            "at_all": at_all,
            "online_only": online_only,
            "cloud_custom_data": cloud_custom_data,
            "exclude_from_unread": exclude_from_unread,
        }
        if offline_push_info is not None:
            body["offline_push_info"] = offline_push_info
        return self._caller.start_send(body, on_progress, on_success, on_error)

    async def mark_read(self, to_group: str, seq: int | None = None) -> None:
        """The group is read up to a number (default: everything)."""
        await self._caller.call("read", {"to_group": to_group, "seq": seq}, dict[str, Any])

    async def recall(self, to_group: str, seq: int) -> None:
        """Take back a message of one's own, or, leading the group, anybody's."""
        await self._caller.call("recall", {"to_group": to_group, "seq": seq}, dict[str, Any])

    async def joined(self, limit: int = 100, offset: int = 0) -> tuple[JoinedGroup, ...]:
        """The groups that the account is in, with their unread messages."""
        return (await self._caller.call("groups", {"limit": limit, "offset": offset}, _JoinedPage)).groups

    async def messages(self, to_group: str, after: int = 0, limit: int = 50) -> GroupPage:
        """A page of the history after a number, oldest first."""
        return await self._caller.call("group-messages", {"to_group": to_group, "after": after, "limit": limit}, GroupPage)

    async def members(self, to_group: str, after: str = "", limit: int = 100) -> tuple[GroupMember, ...]:
        """A page of the members, after a UserID."""
        return (await self._caller.call("group-members", {"to_group": to_group, "after": after, "limit": limit}, _MembersPage)).members

    async def join(self, to_group: str) -> None:
        """Come into a group that lets accounts in."""
        await self._caller.call("group-join", {"to_group": to_group}, dict[str, Any])

    async def quit(self, to_group: str) -> None:
        """Leave a group."""
        await self._caller.call("group-quit", {"to_group": to_group}, dict[str, Any])

    async def set_receive_option(self, to_group: str, option: str) -> None:
        """setGroupReceiveMessageOpt: AcceptAndNotify, AcceptNotNotify, Discard, AcceptNotNotifyExceptAt or DiscardExceptAt."""
        await self._caller.call("group-option", {"to_group": to_group, "option": option}, dict[str, Any])

    # --- called by the client ---

    def heard(self, message: ReceivedMessage) -> None:
        """A message of a group came."""
        self.reached[message.to_group] = max(message.seq, self.reached.get(message.to_group, 0))

    def restart(self) -> None:
        """Another account."""
        self.reached.clear()

    def catch_up(self) -> None:
        """The connection stands: fetch what was said meanwhile."""
        if self._task is None or self._task.done():
            self._task = asyncio.get_running_loop().create_task(self._fetch_missed())

    async def settled(self) -> None:
        """Wait until what was missed is fetched."""
        if self._task is not None:
            await asyncio.wait([self._task])

    async def close(self) -> None:
        """Fetch nothing more."""
        if self._task is not None:
            self._task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._task

    async def _fetch_missed(self) -> None:
        with contextlib.suppress(HomingError):  # the next connection tries again
            for group in await self.joined(GROUPS_AT_ONCE):
                after = self.reached.setdefault(group.to_group, group.read_seq)
                if group.last_seq > after:
                    await self._fetch(group.to_group, after)

    async def _fetch(self, to_group: str, after: int) -> None:
        for _ in range(MAX_MISSED_PAGES):
            page = await self.messages(to_group, after, PAGE)
            for message in page.messages:
                self._tell(message)
            after = page.reached
            self.reached[to_group] = max(after, self.reached.get(to_group, 0))
            if not page.more:
                return
