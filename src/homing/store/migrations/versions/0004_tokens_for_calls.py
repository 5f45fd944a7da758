"""The token that a device reports for calls alone"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

BIG = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    """Forward."""
    op.create_table(
        "voip_token",
        sa.Column("device_id", BIG, autoincrement=False, nullable=False),
        sa.Column("sdkappid", BIG, nullable=False),
        sa.Column("user_id", sa.Text(), nullable=False),
        sa.Column("business_id", BIG, nullable=False),
        sa.Column("token", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("device_id"),
    )
    op.create_index("voip_token_value", "voip_token", ["sdkappid", "business_id", "token"], unique=False)
