"""Groups: rows of the table ``chat_group``."""

from __future__ import annotations

from collections.abc import Sequence

from homing.model.groups import Group

from .engine import Bulk, Query, Tx

GROUP_COLUMNS = (
    "sdkappid, group_id, kind, name, owner, introduction, notice, face_url, apply_join, invite_join, mute_all, max_members, member_count, "
    "app_data, created_at, changed_at, last_seq, last_message_at, counted"
)
_COUNT = len(GROUP_COLUMNS.split(","))
_FIND_SQL = f"SELECT {GROUP_COLUMNS} FROM chat_group WHERE sdkappid = ? AND group_id = ?"
_FIND = Query("groups.find", _FIND_SQL)
_LOCK = Query("groups.lock", _FIND_SQL, _FIND_SQL + " FOR UPDATE")
_FIND_MANY = Bulk(
    "groups.find_many",
    [("group_id", "text")],
    f"SELECT {', '.join('g.' + column for column in GROUP_COLUMNS.split(', '))} FROM k "
    "JOIN chat_group g ON g.group_id = k.group_id WHERE g.sdkappid = ?",
)
_INSERT = Query(
    "groups.insert",
    f"INSERT INTO chat_group ({GROUP_COLUMNS}) VALUES ({', '.join('?' * _COUNT)}) ON CONFLICT (sdkappid, group_id) DO NOTHING",
)
_SAVE = Query(
    "groups.save",
    "UPDATE chat_group SET name = ?, owner = ?, introduction = ?, notice = ?, face_url = ?, apply_join = ?, invite_join = ?, mute_all = ?, "
    "max_members = ?, app_data = ?, changed_at = ? WHERE sdkappid = ? AND group_id = ?",
)
_LAST_NUMBER = Query("groups.last_number", "SELECT COALESCE(MAX(seq), 0) FROM group_message WHERE sdkappid = ? AND group_id = ?")
_DELETE = Query("groups.delete", "DELETE FROM chat_group WHERE sdkappid = ? AND group_id = ?")
_DELETE_MEMBERS = Query("groups.delete_members", "DELETE FROM group_member WHERE sdkappid = ? AND group_id = ?")
_DELETE_FAN_OUT = Query("groups.delete_fan_out", "DELETE FROM group_fan_out WHERE sdkappid = ? AND group_id = ?")
_COUNT_MEMBERS = Query("groups.count_members", "UPDATE chat_group SET member_count = member_count + ? WHERE sdkappid = ? AND group_id = ?")
_LIST = Query(
    "groups.list",
    "SELECT group_id FROM chat_group WHERE sdkappid = ? AND (CAST(? AS text) = '' OR kind = ?) ORDER BY group_id LIMIT ? OFFSET ?",
)
_TOTAL = Query("groups.total", "SELECT COUNT(*) FROM chat_group WHERE sdkappid = ? AND (CAST(? AS text) = '' OR kind = ?)")


async def find_group(tx: Tx, sdkappid: int, group_id: str, *, lock: bool = False) -> Group | None:
    """The group, or None. ``lock``: nobody else changes it, or says something in it, before this transaction ends."""
    row = await tx.fetch_one(_LOCK if lock else _FIND, sdkappid, group_id)
    return None if row is None else Group(*row)


async def find_groups(tx: Tx, sdkappid: int, group_ids: Sequence[str]) -> dict[str, Group]:
    """The groups that exist, by id."""
    rows = await tx.bulk(_FIND_MANY, [(group_id,) for group_id in dict.fromkeys(group_ids)], sdkappid)
    return {row[1]: Group(*row) for row in rows}


async def insert_group(tx: Tx, group: Group) -> bool:
    """Store a new group. False when its id is taken."""
    return await tx.execute(_INSERT, *(getattr(group, column) for column in GROUP_COLUMNS.split(", "))) == 1


async def last_number(tx: Tx, sdkappid: int, group_id: str) -> int:
    """The highest number that a message of a group with this id has, dissolved groups included; 0: none."""
    row = await tx.fetch_one(_LAST_NUMBER, sdkappid, group_id)
    return int(row[0]) if row is not None else 0


async def save_group(tx: Tx, group: Group) -> None:
    """Write what describes the group; its counters are left alone."""
    await tx.execute(
        _SAVE,
        group.name,
        group.owner,
        group.introduction,
        group.notice,
        group.face_url,
        group.apply_join,
        group.invite_join,
        group.mute_all,
        group.max_members,
        group.app_data,
        group.changed_at,
        group.sdkappid,
        group.group_id,
    )


async def delete_group(tx: Tx, sdkappid: int, group_id: str) -> bool:
    """Delete a group with its members; what is not handed out yet stays unsent. Its messages go with their age."""
    for statement in (_DELETE_FAN_OUT, _DELETE_MEMBERS):
        await tx.execute(statement, sdkappid, group_id)
    return await tx.execute(_DELETE, sdkappid, group_id) == 1


async def count_members(tx: Tx, sdkappid: int, group_id: str, change: int) -> None:
    """Correct the number of members by ``change``."""
    if change:
        await tx.execute(_COUNT_MEMBERS, change, sdkappid, group_id)


async def list_groups(tx: Tx, sdkappid: int, kind: str, limit: int, offset: int) -> tuple[list[str], int]:
    """A page of group ids of this kind ("": all), and how many there are in all."""
    rows = await tx.fetch(_LIST, sdkappid, kind, kind, limit, offset)
    total = await tx.fetch_one(_TOTAL, sdkappid, kind, kind)
    return [row[0] for row in rows], 0 if total is None else int(total[0])
