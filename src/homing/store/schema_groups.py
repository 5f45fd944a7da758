"""The tables of groups."""

from __future__ import annotations

import sqlalchemy as sa

from .schema_base import Big, Text, metadata
from .schema_base import col as _col
from .schema_base import index as _index

#: Groups. ``last_seq`` numbers its messages; ``counted`` is how many of them ever counted as unread.
chat_group = sa.Table(
    "chat_group",
    metadata,
    _col("sdkappid", Big, primary_key=True, autoincrement=False),
    _col("group_id", Text, primary_key=True),
    _col("kind", Text),
    _col("name", Text),
    _col("owner", Text, server_default=""),
    _col("introduction", Text, server_default=""),
    _col("notice", Text, server_default=""),
    _col("face_url", Text, server_default=""),
    _col("apply_join", Text, server_default=""),
    _col("invite_join", Text, server_default=""),
    _col("mute_all", Big, server_default="0"),
    _col("max_members"),
    _col("member_count", Big, server_default="0"),
    _col("app_data", Text, server_default="{}"),  # JSON object of AppDefinedData
    _col("created_at"),
    _col("changed_at"),
    _col("last_seq", Big, server_default="0"),
    _col("last_message_at", Big, server_default="0"),
    _col("counted", Big, server_default="0"),
    sqlite_with_rowid=False,
)

#: Members. Unread is the group's ``counted`` less ``counted_read``, so that a message writes no row a member.
group_member = sa.Table(
    "group_member",
    metadata,
    _col("sdkappid", Big, primary_key=True, autoincrement=False),
    _col("group_id", Text, primary_key=True),
    _col("user_id", Text, primary_key=True),
    _col("role", Text, server_default="Member"),
    _col("name_card", Text, server_default=""),
    _col("receive_option", Big, server_default="0"),
    _col("muted_until", Big, server_default="0"),  # unix seconds: no speaking before
    _col("joined_at"),
    _col("join_seq"),  # messages up to here were before its time
    _col("read_seq"),
    _col("counted_read"),
    _col("last_sent_at", Big, server_default="0"),
    _col("app_data", Text, server_default="{}"),  # JSON object of AppMemberDefinedData
    sqlite_with_rowid=False,
)
_index("group_member_account", group_member.c.sdkappid, group_member.c.user_id, group_member.c.group_id)
_index("group_member_muted", group_member.c.sdkappid, group_member.c.group_id, group_member.c.user_id, where=group_member.c.muted_until > 0)

#: The messages of groups: one row for all members. What was said is in ``message``.
group_message = sa.Table(
    "group_message",
    metadata,
    _col("message_id", Big, primary_key=True, autoincrement=False),
    _col("sdkappid"),
    _col("group_id", Text),
    _col("seq"),
    _col("random"),
    _col("from_account", Text),
    _col("counts", Big, server_default="0"),  # 1: it counts as unread
    _col("hidden", Big, server_default="0"),  # 1: not in the history (online only)
    _col("revoked", Big, server_default="0"),
    _col("details", Text, server_default="{}"),  # JSON of GroupDetails: mentions, receivers, priority
)
_index("group_message_seq", group_message.c.sdkappid, group_message.c.group_id, group_message.c.seq, unique=True)
_index("group_message_random", group_message.c.sdkappid, group_message.c.group_id, group_message.c.random)
_index("group_message_revoked", group_message.c.sdkappid, group_message.c.group_id, group_message.c.seq, where=group_message.c.revoked == 1)

#: Group messages whose members are still being served, and how far that has come (in the order of the members' UserIDs).
group_fan_out = sa.Table(
    "group_fan_out",
    metadata,
    _col("sdkappid", Big, primary_key=True, autoincrement=False),
    _col("group_id", Text, primary_key=True),
    _col("seq", Big, primary_key=True, autoincrement=False),
    _col("message_id"),
    _col("reached", Text, server_default=""),  # UserID of the last member that was served
    _col("sender_device_id", Big, server_default="0"),
    _col("touched_at_ms"),
    sqlite_with_rowid=False,
)
_index("group_fan_out_touched", group_fan_out.c.touched_at_ms)
