"""The tables of webhooks and of administration."""

from __future__ import annotations

import sqlalchemy as sa

from .schema_base import Big, Blob, Text, col, index, metadata

#: The key that an app's present one took the place of; good until then.
app_previous_key = sa.Table(
    "app_previous_key",
    metadata,
    col("sdkappid", Big, primary_key=True, autoincrement=False),
    col("secret_key_sealed", Blob),
    col("valid_until_ms"),
)

#: Who changed what. App 0 is the installation itself.
audit = sa.Table(
    "audit",
    metadata,
    col("audit_id", Big, primary_key=True, autoincrement=False),
    col("sdkappid"),
    col("actor", Text),
    col("action", Text),
    col("detail", Text),
    col("at_ms"),
)
index("audit_app", audit.c.sdkappid, audit.c.audit_id)

#: Where an app's backend listens, and for what.
webhook = sa.Table(
    "webhook",
    metadata,
    col("sdkappid", Big, primary_key=True, autoincrement=False),
    col("url", Text),
    col("commands", Text),  # JSON array
    col("token_sealed", Blob),
    col("options", Text),  # JSON of WebhookOptions
)

#: What has to be told. State 0 waits for ``due_at_ms``, which is a retry or the end of a claim's lease; 1 was given up.
webhook_event = sa.Table(
    "webhook_event",
    metadata,
    col("event_id", Big, primary_key=True, autoincrement=False),
    col("sdkappid"),
    col("command", Text),
    col("platform", Text),
    col("body", Blob),
    col("state", Big, server_default="0"),
    col("attempts", Big, server_default="0"),
    col("due_at_ms"),
    col("error", Text, server_default=""),
)
index("webhook_event_app", webhook_event.c.sdkappid, webhook_event.c.state, webhook_event.c.event_id)
index("webhook_event_due", webhook_event.c.sdkappid, webhook_event.c.due_at_ms, where=sa.text("state = 0"))
