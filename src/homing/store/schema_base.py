"""What every table of the schema is made with."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa

metadata = sa.MetaData()

#: SQLite gives autoincrement only to INTEGER; everything there is 64 bits wide anyway.
Big = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
Text = sa.Text()
Blob = sa.LargeBinary()


def col(name: str, kind: Any = Big, **options: Any) -> sa.Column[Any]:
    """A column; ``NOT NULL`` unless said otherwise."""
    options.setdefault("nullable", False)
    return sa.Column(name, kind, **options)


def index(name: str, *columns: sa.Column[Any], unique: bool = False, where: Any = None) -> sa.Index:
    """An index; ``where`` makes it partial on both engines, so that rows outside cost nothing."""
    if where is None:
        return sa.Index(name, *columns, unique=unique)
    return sa.Index(name, *columns, unique=unique, sqlite_where=where, postgresql_where=where)
