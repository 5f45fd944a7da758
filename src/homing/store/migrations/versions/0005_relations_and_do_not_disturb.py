"""Profiles, friends, blacklists, do not disturb, and pushes that take a notification back"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

BIG = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def _key(name: str) -> sa.Column[object]:
    return sa.Column(name, sa.Text(), nullable=False)


def _app() -> sa.Column[object]:
    return sa.Column("sdkappid", BIG, autoincrement=False, nullable=False)


def upgrade() -> None:
    """Forward."""
    op.add_column("account", sa.Column("portrait", sa.Text(), server_default="", nullable=False))
    op.add_column("account", sa.Column("filters", BIG, server_default="0", nullable=False))
    op.add_column("push", sa.Column("kind", sa.Text(), server_default="", nullable=False))
    op.create_table(
        "friend",
        _app(),
        _key("user_id"),
        _key("friend"),
        sa.Column("details", sa.Text(), nullable=False),
        sa.Column("added_at", BIG, nullable=False),
        sa.PrimaryKeyConstraint("sdkappid", "user_id", "friend"),
        sqlite_with_rowid=False,
    )
    op.create_index("friend_of", "friend", ["sdkappid", "friend"], unique=False)
    op.create_table(
        "blacklist",
        _app(),
        _key("user_id"),
        _key("blocked"),
        sa.Column("added_at", BIG, nullable=False),
        sa.PrimaryKeyConstraint("sdkappid", "user_id", "blocked"),
        sqlite_with_rowid=False,
    )
    op.create_index("blacklist_of", "blacklist", ["sdkappid", "blocked"], unique=False)
    op.create_table(
        "receive_option",
        _app(),
        _key("user_id"),
        _key("conversation"),
        sa.Column("option", BIG, nullable=False),
        sa.Column("passes_quiet", BIG, server_default="0", nullable=False),
        sa.PrimaryKeyConstraint("sdkappid", "user_id", "conversation"),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "quiet_hours",
        _app(),
        _key("user_id"),
        sa.Column("rule", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("sdkappid", "user_id"),
        sqlite_with_rowid=False,
    )
