"""Members of groups: rows of the table ``group_member``."""

from __future__ import annotations

from collections.abc import Sequence

from homing.model.groups import Group, JoinedGroup, Member

from .engine import Bulk, Query, Row, Tx
from .groups import GROUP_COLUMNS

_COLUMNS = (
    "sdkappid, group_id, user_id, role, name_card, receive_option, muted_until, joined_at, join_seq, read_seq, counted_read, last_sent_at, "
    "app_data"
)
_NAMES = _COLUMNS.split(", ")
_OF_M = ", ".join("m." + name for name in _NAMES)
_OF_G = ", ".join("g." + name for name in GROUP_COLUMNS.split(", "))
_TEXTS = {"group_id", "user_id", "role", "name_card", "app_data"}
_TYPED = [(name, "text" if name in _TEXTS else "bigint") for name in _NAMES]
_MINE = "sdkappid = ? AND group_id = ?"

_INSERT = Bulk(
    "group_members.insert",
    _TYPED,
    f"INSERT INTO group_member ({_COLUMNS}) SELECT {_COLUMNS} FROM k WHERE true "
    "ON CONFLICT (sdkappid, group_id, user_id) DO NOTHING RETURNING user_id",
)
_FIND = Query("group_members.find", f"SELECT {_COLUMNS} FROM group_member WHERE {_MINE} AND user_id = ?")
_NAMED = Bulk(
    "group_members.named",
    [("user_id", "text")],
    f"SELECT {_OF_M} FROM k JOIN group_member m ON m.user_id = k.user_id WHERE m.sdkappid = ? AND m.group_id = ?",
)
_PAGE = Query(
    "group_members.page",
    f"SELECT {_COLUMNS} FROM group_member WHERE {_MINE} AND user_id > ? ORDER BY user_id LIMIT ? OFFSET ?",
)
_MUTED = Query(
    "group_members.muted",
    f"SELECT user_id, muted_until FROM group_member WHERE {_MINE} AND muted_until > 0 AND muted_until > ? ORDER BY user_id LIMIT ?",
)
_SAVE = Query(
    "group_members.save",
    "UPDATE group_member SET role = ?, name_card = ?, receive_option = ?, muted_until = ?, read_seq = ?, counted_read = ?, app_data = ? "
    f"WHERE {_MINE} AND user_id = ?",
)
_MUTE = Bulk(
    "group_members.mute",
    [("user_id", "text"), ("muted_until", "bigint")],
    "UPDATE group_member SET muted_until = k.muted_until FROM k "
    "WHERE group_member.sdkappid = ? AND group_member.group_id = ? AND group_member.user_id = k.user_id RETURNING group_member.user_id",
)
_SPOKE = Query(
    "group_members.spoke", f"UPDATE group_member SET counted_read = counted_read + ?, last_sent_at = ? WHERE {_MINE} AND user_id = ?"
)
_DELETE = Bulk(
    "group_members.delete",
    [("user_id", "text")],
    f"DELETE FROM group_member WHERE {_MINE} AND user_id IN (SELECT user_id FROM k) RETURNING user_id",
)
# Recalled messages were counted when they came; a member that has not read so far does not count them any more.
_UNREAD = (
    "g.counted - m.counted_read - (SELECT COUNT(*) FROM group_message r WHERE r.sdkappid = m.sdkappid AND r.group_id = m.group_id "
    "AND r.revoked = 1 AND r.seq > m.read_seq AND r.counts = 1 AND r.from_account <> m.user_id)"
)
_JOINED_TAIL = (
    "FROM group_member m JOIN chat_group g ON g.sdkappid = m.sdkappid AND g.group_id = m.group_id "
    "WHERE m.sdkappid = ? AND m.user_id = ? AND (CAST(? AS text) = '' OR g.kind = ?)"
)
_JOINED = Query("group_members.joined", f"SELECT {_OF_G}, {_OF_M}, {_UNREAD} {_JOINED_TAIL} ORDER BY m.group_id LIMIT ? OFFSET ?")
_JOINED_TOTAL = Query("group_members.joined_total", f"SELECT COUNT(*) {_JOINED_TAIL}")
_ONLINE = Query(
    "group_members.online",
    "SELECT COUNT(DISTINCT m.user_id) FROM group_member m JOIN device d ON d.sdkappid = m.sdkappid AND d.user_id = m.user_id "
    "WHERE m.sdkappid = ? AND m.group_id = ? AND d.node_id IS NOT NULL AND d.session_state = 'active'",
)
_LEAVE_COUNTS = Bulk(
    "group_members.leave_counts",
    [("user_id", "text")],
    "UPDATE chat_group SET member_count = member_count - (SELECT COUNT(*) FROM group_member m JOIN k ON k.user_id = m.user_id "
    "WHERE m.sdkappid = chat_group.sdkappid AND m.group_id = chat_group.group_id) WHERE sdkappid = ? AND group_id IN "
    "(SELECT m.group_id FROM k JOIN group_member m ON m.user_id = k.user_id WHERE m.sdkappid = ?)",
)
_LEAVE = Bulk(
    "group_members.leave", [("user_id", "text")], "DELETE FROM group_member WHERE sdkappid = ? AND user_id IN (SELECT user_id FROM k)"
)


def _row(member: Member) -> Row:
    return tuple(getattr(member, name) for name in _NAMES)


async def insert_members(tx: Tx, members: Sequence[Member]) -> set[str]:
    """Store new members; who is one already stays as it is. Returns the new ones."""
    rows = [_row(member) for member in sorted(members, key=lambda member: member.user_id)]
    return {row[0] for row in await tx.bulk(_INSERT, rows)}


async def find_member(tx: Tx, sdkappid: int, group_id: str, user_id: str) -> Member | None:
    """The member, or None."""
    row = await tx.fetch_one(_FIND, sdkappid, group_id, user_id)
    return None if row is None else Member(*row)


async def find_members(tx: Tx, sdkappid: int, group_id: str, user_ids: Sequence[str]) -> dict[str, Member]:
    """Those of these accounts that are members, by UserID."""
    rows = await tx.bulk(_NAMED, [(user_id,) for user_id in dict.fromkeys(user_ids)], sdkappid, group_id)
    return {row[2]: Member(*row) for row in rows}


async def members_page(tx: Tx, sdkappid: int, group_id: str, after: str, limit: int, offset: int = 0) -> list[Member]:
    """Members in the order of their UserIDs, after one of them ("": from the first)."""
    return [Member(*row) for row in await tx.fetch(_PAGE, sdkappid, group_id, after, limit, offset)]


async def muted_members(tx: Tx, sdkappid: int, group_id: str, now: int, limit: int) -> list[tuple[str, int]]:
    """Who may not speak now (unix seconds), and until when."""
    return [(row[0], row[1]) for row in await tx.fetch(_MUTED, sdkappid, group_id, now, limit)]


async def save_member(tx: Tx, member: Member) -> None:
    """Write a member as it is now."""
    await tx.execute(
        _SAVE,
        member.role,
        member.name_card,
        member.receive_option,
        member.muted_until,
        member.read_seq,
        member.counted_read,
        member.app_data,
        member.sdkappid,
        member.group_id,
        member.user_id,
    )


async def mute_members(tx: Tx, sdkappid: int, group_id: str, user_ids: Sequence[str], until: int) -> set[str]:
    """No speaking before ``until`` (unix seconds; 0: at once). Returns those that are members."""
    rows = [(user_id, until) for user_id in sorted(set(user_ids))]
    return {row[0] for row in await tx.bulk(_MUTE, rows, sdkappid, group_id)}


async def member_spoke(tx: Tx, sdkappid: int, group_id: str, user_id: str, counts: int, now: int) -> None:
    """A member's own message is nothing that it has to read."""
    await tx.execute(_SPOKE, counts, now, sdkappid, group_id, user_id)


async def delete_members(tx: Tx, sdkappid: int, group_id: str, user_ids: Sequence[str]) -> set[str]:
    """Delete members. Returns those that were some."""
    return {row[0] for row in await tx.bulk(_DELETE, [(user_id,) for user_id in sorted(set(user_ids))], sdkappid, group_id)}


async def joined_groups(tx: Tx, sdkappid: int, user_id: str, kind: str, limit: int, offset: int) -> tuple[list[JoinedGroup], int]:
    """A page of the groups of this kind ("": all) that an account is in, and how many there are in all."""
    rows = await tx.fetch(_JOINED, sdkappid, user_id, kind, kind, limit, offset)
    total = await tx.fetch_one(_JOINED_TOTAL, sdkappid, user_id, kind, kind)
    width = len(GROUP_COLUMNS.split(", "))
    found = [JoinedGroup(Group(*row[:width]), Member(*row[width:-1]), max(0, row[-1])) for row in rows]
    return found, 0 if total is None else int(total[0])


async def online_members(tx: Tx, sdkappid: int, group_id: str) -> int:
    """How many members have a connected device."""
    row = await tx.fetch_one(_ONLINE, sdkappid, group_id)
    return 0 if row is None else int(row[0])


async def leave_all(tx: Tx, sdkappid: int, user_ids: Sequence[str]) -> None:
    """These accounts are deleted: they are in no group any more."""
    rows = [(user_id,) for user_id in sorted(set(user_ids))]
    await tx.bulk(_LEAVE_COUNTS, rows, sdkappid, sdkappid)
    await tx.bulk(_LEAVE, rows, sdkappid)
