"""Groups, their members and messages"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None

BIG = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def _number(name: str, default: str | None = None) -> sa.Column[int]:
    return sa.Column(name, BIG, server_default=default, autoincrement=False, nullable=False)


def _text(name: str, default: str | None = None) -> sa.Column[str]:
    return sa.Column(name, sa.Text(), server_default=default, nullable=False)


def upgrade() -> None:
    """Forward."""
    op.create_table(
        "chat_group",
        _number("sdkappid"),
        _text("group_id"),
        _text("kind"),
        _text("name"),
        *(_text(name, "") for name in ("owner", "introduction", "notice", "face_url", "apply_join", "invite_join")),
        _number("mute_all", "0"),
        _number("max_members"),
        _number("member_count", "0"),
        _text("app_data", "{}"),
        _number("created_at"),
        _number("changed_at"),
        *(_number(name, "0") for name in ("last_seq", "last_message_at", "counted")),
        sa.PrimaryKeyConstraint("sdkappid", "group_id"),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "group_member",
        _number("sdkappid"),
        _text("group_id"),
        _text("user_id"),
        _text("role", "Member"),
        _text("name_card", ""),
        *(_number(name, "0") for name in ("receive_option", "muted_until")),
        *(_number(name) for name in ("joined_at", "join_seq", "read_seq", "counted_read")),
        _number("last_sent_at", "0"),
        _text("app_data", "{}"),
        sa.PrimaryKeyConstraint("sdkappid", "group_id", "user_id"),
        sqlite_with_rowid=False,
    )
    op.create_index("group_member_account", "group_member", ["sdkappid", "user_id", "group_id"], unique=False)
    _partial("group_member_muted", "group_member", ["sdkappid", "group_id", "user_id"], "muted_until > 0")
    op.create_table(
        "group_message",
        *(_number(name) for name in ("message_id", "sdkappid")),
        _text("group_id"),
        *(_number(name) for name in ("seq", "random")),
        _text("from_account"),
        *(_number(name, "0") for name in ("counts", "hidden", "revoked")),
        _text("details", "{}"),
        sa.PrimaryKeyConstraint("message_id"),
    )
    op.create_index("group_message_seq", "group_message", ["sdkappid", "group_id", "seq"], unique=True)
    op.create_index("group_message_random", "group_message", ["sdkappid", "group_id", "random"], unique=False)
    _partial("group_message_revoked", "group_message", ["sdkappid", "group_id", "seq"], "revoked = 1")
    op.create_table(
        "group_fan_out",
        _number("sdkappid"),
        _text("group_id"),
        *(_number(name) for name in ("seq", "message_id")),
        _text("reached", ""),
        _number("sender_device_id", "0"),
        _number("touched_at_ms"),
        sa.PrimaryKeyConstraint("sdkappid", "group_id", "seq"),
        sqlite_with_rowid=False,
    )
    op.create_index("group_fan_out_touched", "group_fan_out", ["touched_at_ms"], unique=False)


def _partial(name: str, table: str, columns: list[str], where: str) -> None:
    condition = sa.text(where)
    op.create_index(name, table, columns, unique=False, sqlite_where=condition, postgresql_where=condition)
