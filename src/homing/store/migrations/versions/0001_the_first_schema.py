"""The first schema"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

BIG = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    """Forward."""
    op.create_table(
        "account",
        sa.Column("sdkappid", BIG, autoincrement=False, nullable=False),
        sa.Column("user_id", sa.Text(), nullable=False),
        sa.Column("nick", sa.Text(), server_default="", nullable=False),
        sa.Column("face_url", sa.Text(), server_default="", nullable=False),
        sa.Column("valid_from", BIG, server_default="0", nullable=False),
        sa.Column("unread_total", BIG, server_default="0", nullable=False),
        sa.Column("inbox_seq", BIG, server_default="0", nullable=False),
        sa.Column("created_at_ms", BIG, nullable=False),
        sa.PrimaryKeyConstraint("sdkappid", "user_id"),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "app",
        sa.Column("sdkappid", BIG, autoincrement=False, nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("secret_key_sealed", sa.LargeBinary(), nullable=False),
        sa.Column("admins", sa.Text(), nullable=False),
        sa.Column("settings", sa.Text(), nullable=False),
        sa.Column("created_at_ms", BIG, nullable=False),
        sa.PrimaryKeyConstraint("sdkappid"),
    )
    op.create_table(
        "attempt",
        sa.Column("push_id", BIG, autoincrement=False, nullable=False),
        sa.Column("number", BIG, autoincrement=False, nullable=False),
        sa.Column("at_ms", BIG, nullable=False),
        sa.Column("latency_ms", BIG, nullable=False),
        sa.Column("outcome", sa.Text(), nullable=False),
        sa.Column("code", sa.Text(), nullable=False),
        sa.Column("detail", sa.Text(), nullable=False),
        sa.Column("request", sa.Text(), nullable=False),
        sa.Column("answer", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("push_id", "number"),
    )
    op.create_table(
        "certificate",
        sa.Column("sdkappid", BIG, autoincrement=False, nullable=False),
        sa.Column("business_id", BIG, autoincrement=False, nullable=False),
        sa.Column("channel", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("credentials_sealed", sa.LargeBinary(), nullable=False),
        sa.Column("options", sa.Text(), nullable=False),
        sa.Column("version", BIG, nullable=False),
        sa.Column("paused_reason", sa.Text(), server_default="", nullable=False),
        sa.Column("receipt_path", sa.Text(), nullable=False),
        sa.Column("created_at_ms", BIG, nullable=False),
        sa.Column("updated_at_ms", BIG, nullable=False),
        sa.PrimaryKeyConstraint("sdkappid", "business_id"),
    )
    op.create_index("certificate_receipt", "certificate", ["receipt_path"], unique=True)

    op.create_table(
        "conversation",
        sa.Column("sdkappid", BIG, autoincrement=False, nullable=False),
        sa.Column("user_id", sa.Text(), nullable=False),
        sa.Column("peer", sa.Text(), nullable=False),
        sa.Column("unread", BIG, server_default="0", nullable=False),
        sa.Column("read_at", BIG, server_default="0", nullable=False),
        sa.Column("last_message_id", BIG, server_default="0", nullable=False),
        sa.PrimaryKeyConstraint("sdkappid", "user_id", "peer"),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "device",
        sa.Column("device_id", BIG, autoincrement=False, nullable=False),
        sa.Column("sdkappid", BIG, nullable=False),
        sa.Column("user_id", sa.Text(), nullable=False),
        sa.Column("platform", sa.Text(), nullable=False),
        sa.Column("instance_id", sa.Text(), nullable=False),
        sa.Column("session_state", sa.Text(), nullable=False),
        sa.Column("session_id", BIG, nullable=False),
        sa.Column("session_hash", sa.LargeBinary(), nullable=True),
        sa.Column("login_at_ms", BIG, nullable=False),
        sa.Column("ended_at_ms", BIG, server_default="0", nullable=False),
        sa.Column("expires_at_ms", BIG, nullable=False),
        sa.Column("last_seen_ms", BIG, nullable=False),
        sa.Column("app_state", sa.Text(), nullable=False),
        sa.Column("node_id", BIG, nullable=True),
        sa.Column("connection_id", BIG, server_default="0", nullable=False),
        sa.Column("business_id", BIG, nullable=True),
        sa.Column("token", sa.Text(), nullable=True),
        sa.Column("token_at_ms", BIG, server_default="0", nullable=False),
        sa.Column("is_tpns_token", BIG, server_default="0", nullable=False),
        sa.Column("language", sa.Text(), server_default="", nullable=False),
        sa.Column("synced_seq", BIG, server_default="0", nullable=False),
        sa.PrimaryKeyConstraint("device_id"),
    )
    op.create_index("device_installation", "device", ["sdkappid", "user_id", "platform", "instance_id"], unique=True)
    op.create_index(
        "device_node",
        "device",
        ["node_id"],
        unique=False,
        sqlite_where=sa.text("node_id IS NOT NULL"),
        postgresql_where=sa.text("node_id IS NOT NULL"),
    )
    op.create_index(
        "device_session",
        "device",
        ["session_hash"],
        unique=True,
        sqlite_where=sa.text("session_hash IS NOT NULL"),
        postgresql_where=sa.text("session_hash IS NOT NULL"),
    )
    op.create_index(
        "device_token",
        "device",
        ["sdkappid", "business_id", "token"],
        unique=True,
        sqlite_where=sa.text("token IS NOT NULL"),
        postgresql_where=sa.text("token IS NOT NULL"),
    )

    op.create_table(
        "device_event",
        sa.Column("event_id", BIG, autoincrement=False, nullable=False),
        sa.Column("sdkappid", BIG, nullable=False),
        sa.Column("user_id", sa.Text(), nullable=False),
        sa.Column("device_id", BIG, nullable=False),
        sa.Column("at_ms", BIG, nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("detail", sa.Text(), server_default="", nullable=False),
        sa.PrimaryKeyConstraint("event_id"),
    )
    op.create_index("device_event_account", "device_event", ["sdkappid", "user_id", "event_id"], unique=False)

    op.create_table(
        "message",
        sa.Column("message_id", BIG, autoincrement=False, nullable=False),
        sa.Column("sdkappid", BIG, nullable=False),
        sa.Column("conversation", sa.Text(), nullable=False),
        sa.Column("from_account", sa.Text(), nullable=False),
        sa.Column("to_account", sa.Text(), nullable=False),
        sa.Column("seq", BIG, nullable=False),
        sa.Column("random", BIG, nullable=False),
        sa.Column("timestamp", BIG, nullable=False),
        sa.Column("content_crc", BIG, nullable=False),
        sa.Column("flags", BIG, nullable=False),
        sa.Column("body", sa.LargeBinary(), nullable=False),
        sa.Column("push_info", sa.LargeBinary(), nullable=True),
        sa.Column("cloud_custom_data", sa.Text(), server_default="", nullable=False),
        sa.Column("to_seq", BIG, nullable=True),
        sa.Column("from_seq", BIG, nullable=True),
        sa.Column("expires_at_ms", BIG, nullable=False),
        sa.Column("revoked_at_ms", BIG, server_default="0", nullable=False),
        sa.PrimaryKeyConstraint("message_id"),
    )
    op.create_index("message_conversation", "message", ["sdkappid", "conversation", "timestamp", "message_id"], unique=False)
    op.create_index(
        "message_inbox",
        "message",
        ["sdkappid", "to_account", "to_seq"],
        unique=True,
        sqlite_where=sa.text("to_seq IS NOT NULL"),
        postgresql_where=sa.text("to_seq IS NOT NULL"),
    )
    op.create_index("message_key", "message", ["sdkappid", "seq", "random"], unique=False)
    op.create_index(
        "message_outbox",
        "message",
        ["sdkappid", "from_account", "from_seq"],
        unique=True,
        sqlite_where=sa.text("from_seq IS NOT NULL"),
        postgresql_where=sa.text("from_seq IS NOT NULL"),
    )

    op.create_table(
        "node",
        sa.Column("node_id", BIG, autoincrement=False, nullable=False),
        sa.Column("boot", sa.Text(), nullable=False),
        sa.Column("started_at_ms", BIG, nullable=False),
        sa.Column("lease_until_ms", BIG, nullable=False),
        sa.PrimaryKeyConstraint("node_id"),
    )
    op.create_table(
        "push",
        sa.Column("push_id", BIG, autoincrement=False, nullable=False),
        sa.Column("sdkappid", BIG, nullable=False),
        sa.Column("message_id", BIG, nullable=False),
        sa.Column("user_id", sa.Text(), nullable=False),
        sa.Column("device_id", BIG, nullable=False),
        sa.Column("state", BIG, nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("inputs", sa.Text(), nullable=False),
        sa.Column("business_id", BIG, server_default="0", nullable=False),
        sa.Column("channel", sa.Text(), server_default="", nullable=False),
        sa.Column("notification_class", sa.Text(), server_default="private", nullable=False),
        sa.Column("token", sa.Text(), server_default="", nullable=False),
        sa.Column("badge", BIG, nullable=True),
        sa.Column("attempts", BIG, server_default="0", nullable=False),
        sa.Column("due_at_ms", BIG, server_default="0", nullable=False),
        sa.Column("expires_at_ms", BIG, server_default="0", nullable=False),
        sa.Column("owner", BIG, nullable=True),
        sa.Column("replaces", sa.Text(), server_default="", nullable=False),
        sa.Column("created_at_ms", BIG, nullable=False),
        sa.Column("finished_at_ms", BIG, server_default="0", nullable=False),
        sa.Column("vendor_message_id", sa.Text(), server_default="", nullable=False),
        sa.Column("delivered_at_ms", BIG, server_default="0", nullable=False),
        sa.Column("shown_at_ms", BIG, server_default="0", nullable=False),
        sa.Column("clicked_at_ms", BIG, server_default="0", nullable=False),
        sa.PrimaryKeyConstraint("push_id"),
    )
    op.create_index("push_account", "push", ["sdkappid", "user_id", "push_id"], unique=False)
    op.create_index(
        "push_due",
        "push",
        ["sdkappid", "business_id", "notification_class", "due_at_ms"],
        unique=False,
        sqlite_where=sa.text("state < 10"),
        postgresql_where=sa.text("state < 10"),
    )
    op.create_index(
        "push_live_device", "push", ["device_id"], unique=False, sqlite_where=sa.text("state < 10"), postgresql_where=sa.text("state < 10")
    )
    op.create_index("push_message", "push", ["message_id"], unique=False)

    op.create_table(
        "quota",
        sa.Column("sdkappid", BIG, autoincrement=False, nullable=False),
        sa.Column("business_id", BIG, autoincrement=False, nullable=False),
        sa.Column("notification_class", sa.Text(), nullable=False),
        sa.Column("day", sa.Text(), nullable=False),
        sa.Column("accepted", BIG, server_default="0", nullable=False),
        sa.Column("stopped_until_ms", BIG, server_default="0", nullable=False),
        sa.PrimaryKeyConstraint("sdkappid", "business_id", "notification_class", "day"),
    )
    op.create_table(
        "receipt",
        sa.Column("push_id", BIG, autoincrement=False, nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("at_ms", BIG, nullable=False),
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("code", sa.Text(), server_default="", nullable=False),
        sa.Column("detail", sa.Text(), server_default="", nullable=False),
        sa.PrimaryKeyConstraint("push_id", "kind"),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "vendor_grant",
        sa.Column("sdkappid", BIG, autoincrement=False, nullable=False),
        sa.Column("business_id", BIG, autoincrement=False, nullable=False),
        sa.Column("certificate_version", BIG, nullable=False),
        sa.Column("token_sealed", sa.LargeBinary(), nullable=False),
        sa.Column("issued_at_ms", BIG, nullable=False),
        sa.Column("expires_at_ms", BIG, nullable=False),
        sa.PrimaryKeyConstraint("sdkappid", "business_id"),
    )
