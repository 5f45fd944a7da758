"""Tokens that a device reports beside its first one"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

BIG = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    """Forward."""
    op.create_table(
        "fallback_token",
        sa.Column("device_id", BIG, autoincrement=False, nullable=False),
        sa.Column("rank", BIG, autoincrement=False, nullable=False),
        sa.Column("sdkappid", BIG, nullable=False),
        sa.Column("business_id", BIG, nullable=False),
        sa.Column("token", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("device_id", "rank"),
    )
    op.create_index("fallback_token_value", "fallback_token", ["sdkappid", "business_id", "token"], unique=False)
