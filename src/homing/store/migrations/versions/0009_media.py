"""What accounts upload"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None

BIG = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    """Forward."""
    op.create_table(
        "media",
        sa.Column("sdkappid", BIG, autoincrement=False, nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("user_id", sa.Text(), nullable=False),
        sa.Column("size", BIG, nullable=False),
        sa.Column("content_type", sa.Text(), nullable=False),
        sa.Column("file_name", sa.Text(), nullable=False),
        sa.Column("sha256", sa.Text(), nullable=False),
        sa.Column("state", BIG, server_default="0", nullable=False),
        sa.Column("created_at_ms", BIG, nullable=False),
        sa.Column("expires_at_ms", BIG, nullable=False),
        sa.PrimaryKeyConstraint("sdkappid", "name"),
    )
    op.create_index("media_account", "media", ["sdkappid", "user_id", "created_at_ms"], unique=False)
    op.create_index("media_expiry", "media", ["expires_at_ms"], unique=False)
