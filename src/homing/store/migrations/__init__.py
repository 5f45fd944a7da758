"""Schema migrations (Alembic). One file a step in ``versions/``; a step that was released is never changed."""
