"""Pushes to many: tags and attributes, jobs, bundles of targets, and counts a day"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None

BIG = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    """Forward."""
    op.create_table(
        "account_label",
        sa.Column("sdkappid", BIG, autoincrement=False, nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("value", sa.Text(), nullable=False),
        sa.Column("user_id", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("sdkappid", "kind", "name", "value", "user_id"),
        sqlite_with_rowid=False,
    )
    op.create_index("account_label_account", "account_label", ["sdkappid", "user_id", "kind", "name"], unique=False)
    op.create_table(
        "attribute_name",
        sa.Column("sdkappid", BIG, autoincrement=False, nullable=False),
        sa.Column("number", BIG, autoincrement=False, nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("account_type", BIG, server_default="0", nullable=False),
        sa.PrimaryKeyConstraint("sdkappid", "number"),
    )
    op.create_table(
        "push_bundle",
        sa.Column("bundle_id", BIG, autoincrement=False, nullable=False),
        sa.Column("sdkappid", BIG, nullable=False),
        sa.Column("job_id", BIG, nullable=False),
        sa.Column("business_id", BIG, nullable=False),
        sa.Column("channel", sa.Text(), nullable=False),
        sa.Column("platform", sa.Text(), nullable=False),
        sa.Column("language", sa.Text(), nullable=False),
        sa.Column("page", sa.Text(), nullable=False),
        sa.Column("count", BIG, nullable=False),
        sa.Column("targets", sa.LargeBinary(), nullable=False),
        sa.Column("state", BIG, nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("exceptions", sa.LargeBinary(), nullable=True),
        sa.Column("attempts", BIG, server_default="0", nullable=False),
        sa.Column("vendor_message_id", sa.Text(), server_default="", nullable=False),
        sa.Column("due_at_ms", BIG, server_default="0", nullable=False),
        sa.Column("owner", BIG, nullable=True),
        sa.Column("created_at_ms", BIG, nullable=False),
        sa.Column("finished_at_ms", BIG, server_default="0", nullable=False),
        sa.PrimaryKeyConstraint("bundle_id"),
    )
    op.create_index(
        "push_bundle_due",
        "push_bundle",
        ["sdkappid", "business_id", "due_at_ms"],
        unique=False,
        sqlite_where=sa.text("state < 10"),
        postgresql_where=sa.text("state < 10"),
    )
    op.create_index(
        "push_bundle_live",
        "push_bundle",
        ["job_id"],
        unique=False,
        sqlite_where=sa.text("state < 10"),
        postgresql_where=sa.text("state < 10"),
    )
    op.create_index("push_bundle_page", "push_bundle", ["job_id", "page"], unique=False)
    op.create_table(
        "push_day",
        sa.Column("sdkappid", BIG, autoincrement=False, nullable=False),
        sa.Column("day", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("channel", sa.Text(), nullable=False),
        sa.Column("total", BIG, server_default="0", nullable=False),
        sa.Column("sent", BIG, server_default="0", nullable=False),
        sa.Column("delivered", BIG, server_default="0", nullable=False),
        sa.Column("clicked", BIG, server_default="0", nullable=False),
        sa.PrimaryKeyConstraint("sdkappid", "day", "kind", "channel"),
    )
    op.create_table(
        "push_job",
        sa.Column("job_id", BIG, autoincrement=False, nullable=False),
        sa.Column("sdkappid", BIG, nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("state", BIG, nullable=False),
        sa.Column("from_account", sa.Text(), nullable=False),
        sa.Column("random", BIG, nullable=False),
        sa.Column("fingerprint", BIG, nullable=False),
        sa.Column("condition", sa.Text(), nullable=False),
        sa.Column("cursor", sa.Text(), server_default="", nullable=False),
        sa.Column("walked", BIG, server_default="0", nullable=False),
        sa.Column("per_second", BIG, server_default="0", nullable=False),
        sa.Column("data_id", sa.Text(), server_default="", nullable=False),
        sa.Column("replaces_job", BIG, server_default="0", nullable=False),
        sa.Column("created_at_ms", BIG, nullable=False),
        sa.Column("started_at_ms", BIG, server_default="0", nullable=False),
        sa.Column("finished_at_ms", BIG, server_default="0", nullable=False),
        sa.Column("expires_at_ms", BIG, nullable=False),
        sa.Column("owner", BIG, nullable=True),
        sa.Column("lease_until_ms", BIG, server_default="0", nullable=False),
        sa.Column("accounts", BIG, server_default="0", nullable=False),
        sa.Column("targets", BIG, server_default="0", nullable=False),
        sa.Column("suppressed", BIG, server_default="0", nullable=False),
        sa.Column("on_sockets", BIG, server_default="0", nullable=False),
        sa.Column("sent", BIG, server_default="0", nullable=False),
        sa.Column("failed", BIG, server_default="0", nullable=False),
        sa.Column("ended", BIG, server_default="0", nullable=False),
        sa.PrimaryKeyConstraint("job_id"),
    )
    op.create_index("push_job_app", "push_job", ["sdkappid", "job_id"], unique=False)
    op.create_index(
        "push_job_live", "push_job", ["job_id"], unique=False, sqlite_where=sa.text("state < 10"), postgresql_where=sa.text("state < 10")
    )
    op.create_index("push_job_random", "push_job", ["sdkappid", "random"], unique=False)
