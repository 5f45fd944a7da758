"""The table of what accounts upload."""

from __future__ import annotations

import sqlalchemy as sa

from .schema_base import Big, Text, col, index, metadata

#: A file, image, sound or video. ``name`` cannot be guessed: who knows it may read the bytes.
media = sa.Table(
    "media",
    metadata,
    col("sdkappid", Big, primary_key=True, autoincrement=False),
    col("name", Text, primary_key=True),
    col("user_id", Text),  # who uploads it
    col("size"),  # bytes
    col("content_type", Text),
    col("file_name", Text),
    col("sha256", Text),  # hex; "" while nobody has said it
    col("state", Big, server_default="0"),  # 0: asked for, 1: there
    col("created_at_ms"),
    col("expires_at_ms"),  # of the permission to upload, later of the bytes
)
index("media_account", media.c.sdkappid, media.c.user_id, media.c.created_at_ms)
index("media_expiry", media.c.expires_at_ms)
