"""Rate budgets of the cluster, and dead letters that are tried again"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

BIG = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    """Forward."""
    op.create_table(
        "rate_budget",
        sa.Column("sdkappid", BIG, autoincrement=False, nullable=False),
        sa.Column("business_id", BIG, autoincrement=False, nullable=False),
        sa.Column("reserved_until_us", BIG, nullable=False),
        sa.PrimaryKeyConstraint("sdkappid", "business_id"),
    )
    if op.get_bind().dialect.name == "postgresql":
        # Written ten times a second, worth nothing after a crash: no log, so no disk flush either.
        op.execute("ALTER TABLE rate_budget SET UNLOGGED")
    op.create_table(
        "push_retry",
        sa.Column("push_id", BIG, autoincrement=False, nullable=False),
        sa.Column("at_ms", BIG, nullable=False),
        sa.Column("attempts", BIG, nullable=False),
        sa.Column("was", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("push_id"),
    )
    op.create_index(
        "push_dead",
        "push",
        ["sdkappid", "state", "push_id"],
        sqlite_where=sa.text("state BETWEEN 13 AND 14"),
        postgresql_where=sa.text("state BETWEEN 13 AND 14"),
    )
