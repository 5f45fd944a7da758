"""Groups and who is in them (rest-api sheet, section 4). What is said in them is in ``group_messaging``."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import msgspec

from homing.bus.base import Bus
from homing.model.apps import App
from homing.model.clock import Clock, Ids
from homing.model.delivery import Delivery, GroupNotice
from homing.model.groups import FOREVER, Group, GroupKind, JoinedGroup, Member, Role
from homing.model.problems import (
    GROUP_ACCOUNT_UNKNOWN,
    GROUP_BAD_ID,
    GROUP_BAD_PARAMETER,
    GROUP_DENIED,
    GROUP_FULL,
    GROUP_ID_OWNED,
    GROUP_ID_TAKEN,
    GROUP_NOT_FOUND,
    GROUP_OWNER_STAYS,
    Refused,
)
from homing.rules.groups import automatic_group_id, can_join, first_receive_option, is_group_id
from homing.store import group_members as members
from homing.store import groups as store
from homing.store.accounts import fetch_accounts
from homing.store.engine import Database, Tx
from homing.store.group_messages import connected_members

ADDED, MEMBER_ALREADY = 1, 2
MAX_MUTED_LISTED = 10_000


class Groups:
    """The groups of every app."""

    def __init__(self, database: Database, clock: Clock, ids: Ids, bus: Bus) -> None:
        self._database = database
        self._clock = clock
        self._ids = ids
        self._bus = bus

    # --- groups ---

    async def create(self, app: App, group: Group, first: Sequence[Member]) -> Group:
        """Make a group with its first members, its owner among them. ``group_id`` "": one is made up.

        Raises ``Refused``: impossible or taken id, unknown account, too many members.
        """
        now = self._clock.now_ms() // 1000
        group_id = group.group_id or automatic_group_id(self._ids.next(), GroupKind(group.kind))
        if not is_group_id(group_id, GroupKind(group.kind), given=bool(group.group_id)):
            raise Refused(GROUP_BAD_ID)
        people = _with_owner(group, first)
        if len(people) > group.max_members:
            raise Refused(GROUP_FULL)
        made = msgspec.structs.replace(
            group,
            sdkappid=app.sdkappid,
            group_id=group_id,
            member_count=len(people),
            created_at=group.created_at or now,
            changed_at=now,
        )

        async def work(tx: Tx) -> tuple[Group, list[GroupNotice]]:
            await _require_accounts(tx, app.sdkappid, [member.user_id for member in people])
            # A group that was dissolved may have had this id. Its messages keep their numbers, and its history stays closed to new members.
            numbered = msgspec.structs.replace(made, last_seq=await store.last_number(tx, app.sdkappid, group_id))
            if not await store.insert_group(tx, numbered):
                there = await store.find_group(tx, app.sdkappid, group_id)
                owned = there is not None and made.owner != "" and there.owner == made.owner
                raise Refused(GROUP_ID_OWNED if owned else GROUP_ID_TAKEN, group_id)
            await members.insert_members(tx, [_placed(numbered, member, now) for member in people])
            return numbered, await _notices(tx, numbered, [member.user_id for member in people], "joined")

        numbered, notices = await self._database.write(work)
        self._tell(notices)
        return numbered

    async def find(self, app: App, group_ids: Sequence[str]) -> dict[str, Group]:
        """The groups that exist, by id."""
        return await self._database.read(lambda tx: store.find_groups(tx, app.sdkappid, group_ids))

    async def list_ids(self, app: App, kind: str, limit: int, offset: int) -> tuple[list[str], int]:
        """A page of the app's group ids ("": of every kind), and how many there are."""
        return await self._database.read(lambda tx: store.list_groups(tx, app.sdkappid, kind, limit, offset))

    async def change(self, app: App, group_id: str, changes: dict[str, Any], *, by: str | None = None) -> Group:
        """Change what describes the group. ``by``: the member that does it; None is the backend. Raises ``Refused``."""
        now = self._clock.now_ms() // 1000

        async def work(tx: Tx) -> tuple[Group, list[GroupNotice]]:
            group = await _locked(tx, app.sdkappid, group_id)
            if by is not None:
                await _require_leader(tx, group, by)
            if changes.get("max_members", group.member_count) < group.member_count:
                raise Refused(GROUP_BAD_PARAMETER, f"$.MaxMemberNum: the group has {group.member_count} members")
            changed = msgspec.structs.replace(group, **changes, changed_at=now)
            await store.save_group(tx, changed)
            return changed, await _notices(tx, changed, None, "changed")

        changed, notices = await self._database.write(work)
        self._tell(notices)
        return changed

    async def change_owner(self, app: App, group_id: str, user_id: str) -> None:
        """Another member owns the group from now on; the one before becomes an ordinary member. Raises ``Refused``."""

        async def work(tx: Tx) -> None:
            group = await _locked(tx, app.sdkappid, group_id)
            heir = await _require_member(tx, group, user_id)
            before = await members.find_member(tx, app.sdkappid, group_id, group.owner) if group.owner else None
            if before is not None:
                await members.save_member(tx, msgspec.structs.replace(before, role=Role.MEMBER))
            await members.save_member(tx, msgspec.structs.replace(heir, role=Role.OWNER))
            await store.save_group(tx, msgspec.structs.replace(group, owner=user_id, changed_at=self._clock.now_ms() // 1000))

        await self._database.write(work)

    async def destroy(self, app: App, group_id: str) -> None:
        """Dissolve a group. Raises ``Refused`` when there is none."""

        async def work(tx: Tx) -> list[GroupNotice]:
            group = await _locked(tx, app.sdkappid, group_id)
            notices = await _notices(tx, group, None, "dissolved")
            await store.delete_group(tx, app.sdkappid, group_id)
            return notices

        self._tell(await self._database.write(work))

    async def notify(self, app: App, group_id: str, content: str, to: Sequence[str]) -> None:
        """A system notification: to the connected devices of all members, or of those named. Raises ``Refused``."""

        async def work(tx: Tx) -> list[GroupNotice]:
            group = await _found(tx, app.sdkappid, group_id)
            return await _notices(tx, group, to or None, "notification", content)

        self._tell(await self._database.read(work))

    # --- members ---

    async def page(self, app: App, group_id: str, after: str, limit: int, offset: int = 0) -> tuple[Group, list[Member]]:
        """The group and a page of its members in the order of their UserIDs. Raises ``Refused``."""

        async def work(tx: Tx) -> tuple[Group, list[Member]]:
            group = await _found(tx, app.sdkappid, group_id)
            return group, await members.members_page(tx, app.sdkappid, group_id, after, limit, offset)

        return await self._database.read(work)

    async def named(self, app: App, group_id: str, user_ids: Sequence[str]) -> tuple[Group, dict[str, Member]]:
        """The group and those of these accounts that are its members. Raises ``Refused``."""

        async def work(tx: Tx) -> tuple[Group, dict[str, Member]]:
            group = await _found(tx, app.sdkappid, group_id)
            return group, await members.find_members(tx, app.sdkappid, group_id, user_ids)

        return await self._database.read(work)

    async def joined(self, app: App, user_id: str, kind: str, limit: int, offset: int) -> tuple[list[JoinedGroup], int]:
        """A page of the groups that an account is in, with its unread messages, and how many there are. Raises ``Refused``."""

        async def work(tx: Tx) -> tuple[list[JoinedGroup], int]:
            await _require_accounts(tx, app.sdkappid, [user_id])
            return await members.joined_groups(tx, app.sdkappid, user_id, kind, limit, offset)

        return await self._database.read(work)

    async def add(self, app: App, group_id: str, people: Sequence[Member], *, silent: bool = False) -> dict[str, int]:
        """Add members: 1 added, 2 one already, by UserID. Raises ``Refused``: no group, unknown account, full, a live audience."""
        now = self._clock.now_ms() // 1000

        async def work(tx: Tx) -> tuple[dict[str, int], list[GroupNotice]]:
            group = await _locked(tx, app.sdkappid, group_id)
            if group.live:
                raise Refused(GROUP_DENIED, f"{group.kind} groups are joined by their members", cure="Let the device join the group")
            added = await _add(tx, group, people, now)
            results = {member.user_id: ADDED if member.user_id in added else MEMBER_ALREADY for member in people}
            return results, [] if silent else await _notices(tx, group, sorted(added), "joined")

        results, notices = await self._database.write(work)
        self._tell(notices)
        return results

    async def remove(self, app: App, group_id: str, user_ids: Sequence[str], *, silent: bool = False) -> None:
        """Remove members; who is none is left out. The owner stays. Raises ``Refused``."""
        await self._leave(app, group_id, user_ids, "" if silent else "removed")

    async def join(self, app: App, group_id: str, user_id: str) -> Group:
        """An account comes in by itself. Raises ``Refused`` where the group lets nobody in without being asked."""
        now = self._clock.now_ms() // 1000

        async def work(tx: Tx) -> Group:
            group = await _locked(tx, app.sdkappid, group_id)
            if not can_join(group):
                raise Refused(GROUP_DENIED, "it takes no members that come by themselves", cure="Have the backend add the account")
            await _add(tx, group, [Member(app.sdkappid, group_id, user_id)], now)
            return group

        return await self._database.write(work)

    async def quit(self, app: App, group_id: str, user_id: str) -> None:
        """An account leaves. Raises ``Refused``: the owner stays, except in a group whose owner may leave (Private)."""
        await self._leave(app, group_id, [user_id], "left", must_be_member=True)

    async def change_member(self, app: App, group_id: str, user_id: str, change: Callable[[Group, Member], Member]) -> None:
        """Change a member. ``change`` may refuse. Raises ``Refused``."""

        async def work(tx: Tx) -> None:
            group = await _locked(tx, app.sdkappid, group_id)
            member = await _require_member(tx, group, user_id)
            await members.save_member(tx, change(group, member))

        await self._database.write(work)

    async def mute(self, app: App, group_id: str, user_ids: Sequence[str], seconds: int) -> None:
        """Let members not speak for so many seconds; 0 lets them speak again. Raises ``Refused``."""

        async def work(tx: Tx) -> None:
            group = await _locked(tx, app.sdkappid, group_id)
            if group.kind == GroupKind.PRIVATE:
                raise Refused(GROUP_DENIED, "members of Private groups cannot be muted", cure="Use a Public group")
            await members.mute_members(tx, app.sdkappid, group_id, user_ids, self.mute_end(seconds))

        await self._database.write(work)

    async def muted(self, app: App, group_id: str) -> list[tuple[str, int]]:
        """Who may not speak now, and until when (unix seconds). Raises ``Refused``."""
        now = self._clock.now_ms() // 1000

        async def work(tx: Tx) -> list[tuple[str, int]]:
            await _found(tx, app.sdkappid, group_id)
            return await members.muted_members(tx, app.sdkappid, group_id, now, MAX_MUTED_LISTED)

        return await self._database.read(work)

    async def online(self, app: App, group_id: str) -> int:
        """How many members have a connected device. Raises ``Refused``."""

        async def work(tx: Tx) -> int:
            await _found(tx, app.sdkappid, group_id)
            return await members.online_members(tx, app.sdkappid, group_id)

        return await self._database.read(work)

    def mute_end(self, seconds: int) -> int:
        """When a mute of so many seconds ends (unix seconds); 0 for none, the highest number for one that does not end."""
        if seconds <= 0:
            return 0
        return FOREVER if seconds >= FOREVER else min(self._clock.now_ms() // 1000 + seconds, FOREVER)

    # --- inside ---

    async def _leave(self, app: App, group_id: str, user_ids: Sequence[str], notice: str, *, must_be_member: bool = False) -> None:
        async def work(tx: Tx) -> list[GroupNotice]:
            group = await _locked(tx, app.sdkappid, group_id)
            if group.owner in user_ids:
                raise Refused(GROUP_OWNER_STAYS)
            notices = await _notices(tx, group, user_ids, notice) if notice else []
            gone = await members.delete_members(tx, app.sdkappid, group_id, user_ids)
            if must_be_member and not gone:
                raise Refused(GROUP_DENIED, "the account is no member", cure="Nothing has to be done")
            await store.count_members(tx, app.sdkappid, group_id, -len(gone))
            return notices

        self._tell(await self._database.write(work))

    def _tell(self, deliveries: Sequence[Delivery]) -> None:
        by_node: dict[int, list[GroupNotice]] = {}
        for delivery in deliveries:
            if isinstance(delivery, GroupNotice):
                by_node.setdefault(delivery.node_id, []).append(delivery)
        for node_id, mine in by_node.items():
            self._bus.deliver(node_id, mine)


async def _notices(tx: Tx, group: Group, user_ids: Sequence[str] | None, event: str, content: str = "") -> list[GroupNotice]:
    """What the connected devices of these members hear; None: of all."""
    found = await connected_members(tx, group.sdkappid, group.group_id, user_ids)
    return [
        GroupNotice(device.device_id, device.session_id, device.node_id, group.group_id, group.name, event, content) for device in found
    ]


def _with_owner(group: Group, first: Sequence[Member]) -> list[Member]:
    """One entry an account, the owner as such."""
    people = {member.user_id: member for member in first}
    if group.owner:
        listed = people.get(group.owner, Member(0, "", group.owner))
        people[group.owner] = msgspec.structs.replace(listed, role=Role.OWNER)
    return [
        member if member.role != Role.OWNER or member.user_id == group.owner else msgspec.structs.replace(member, role=Role.MEMBER)
        for member in people.values()
    ]


def _placed(group: Group, member: Member, now: int) -> Member:
    """The member's row: what was said before its time is none of its business. An import brings unread messages as a negative count."""
    option = member.receive_option if member.receive_option >= 0 else first_receive_option(GroupKind(group.kind))
    return msgspec.structs.replace(
        member,
        sdkappid=group.sdkappid,
        group_id=group.group_id,
        receive_option=int(option),
        joined_at=member.joined_at or now,
        join_seq=group.last_seq,
        read_seq=group.last_seq,
        counted_read=group.counted + member.counted_read,
    )


async def _add(tx: Tx, group: Group, people: Sequence[Member], now: int) -> set[str]:
    """Store new members of a locked group."""
    await _require_accounts(tx, group.sdkappid, [member.user_id for member in people])
    there = await members.find_members(tx, group.sdkappid, group.group_id, [member.user_id for member in people])
    new = {member.user_id: _placed(group, member, now) for member in people if member.user_id not in there}
    if group.member_count + len(new) > group.max_members:
        raise Refused(GROUP_FULL, f"it may have {group.max_members} members")
    added = await members.insert_members(tx, list(new.values()))
    await store.count_members(tx, group.sdkappid, group.group_id, len(added))
    return added


async def _locked(tx: Tx, sdkappid: int, group_id: str) -> Group:
    group = await store.find_group(tx, sdkappid, group_id, lock=True)
    if group is None:
        raise Refused(GROUP_NOT_FOUND)
    return group


async def _found(tx: Tx, sdkappid: int, group_id: str) -> Group:
    group = await store.find_group(tx, sdkappid, group_id)
    if group is None:
        raise Refused(GROUP_NOT_FOUND)
    return group


async def _require_member(tx: Tx, group: Group, user_id: str) -> Member:
    member = await members.find_member(tx, group.sdkappid, group.group_id, user_id)
    if member is None:
        raise Refused(GROUP_DENIED, f"{user_id} is no member of the group", cure="Add the account with add_group_member")
    return member


async def _require_leader(tx: Tx, group: Group, user_id: str) -> None:
    if not (await _require_member(tx, group, user_id)).leads:
        raise Refused(GROUP_DENIED, "only the owner and administrators of the group may")


async def _require_accounts(tx: Tx, sdkappid: int, user_ids: Sequence[str]) -> None:
    known = await fetch_accounts(tx, sdkappid, user_ids)
    missing = [user_id for user_id in user_ids if user_id not in known]
    if missing:
        raise Refused(GROUP_ACCOUNT_UNKNOWN, ", ".join(missing[:5]))
