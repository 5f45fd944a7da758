"""Webhooks and their queue, a secret key's predecessor, and the audit log"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"
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
        "app_previous_key",
        _number("sdkappid"),
        sa.Column("secret_key_sealed", sa.LargeBinary(), nullable=False),
        _number("valid_until_ms"),
        sa.PrimaryKeyConstraint("sdkappid"),
    )
    op.create_table(
        "audit",
        _number("audit_id"),
        _number("sdkappid"),
        _text("actor"),
        _text("action"),
        _text("detail"),
        _number("at_ms"),
        sa.PrimaryKeyConstraint("audit_id"),
    )
    op.create_index("audit_app", "audit", ["sdkappid", "audit_id"], unique=False)
    op.create_table(
        "webhook",
        _number("sdkappid"),
        _text("url"),
        _text("commands"),
        sa.Column("token_sealed", sa.LargeBinary(), nullable=False),
        _text("options"),
        sa.PrimaryKeyConstraint("sdkappid"),
    )
    op.create_table(
        "webhook_event",
        _number("event_id"),
        _number("sdkappid"),
        _text("command"),
        _text("platform"),
        sa.Column("body", sa.LargeBinary(), nullable=False),
        _number("state", "0"),
        _number("attempts", "0"),
        _number("due_at_ms"),
        _text("error", ""),
        sa.PrimaryKeyConstraint("event_id"),
    )
    op.create_index("webhook_event_app", "webhook_event", ["sdkappid", "state", "event_id"], unique=False)
    op.create_index(
        "webhook_event_due",
        "webhook_event",
        ["sdkappid", "due_at_ms"],
        unique=False,
        sqlite_where=sa.text("state = 0"),
        postgresql_where=sa.text("state = 0"),
    )
