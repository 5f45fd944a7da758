"""Profiles: the nick and face URL of the table ``account``, and everything else as JSON beside them."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, NamedTuple

import msgspec

from .engine import Bulk, Query, Tx

_FETCH = Bulk(
    "portraits.fetch",
    [("user_id", "text")],
    "SELECT a.user_id, a.nick, a.face_url, a.portrait FROM k JOIN account a ON a.user_id = k.user_id WHERE a.sdkappid = ?",
)
_SAVE = Query("portraits.save", "UPDATE account SET nick = ?, face_url = ?, portrait = ? WHERE sdkappid = ? AND user_id = ?")


class PortraitRow(NamedTuple):
    """A profile; ``rest`` holds what has no column of its own, by tag."""

    nick: str
    face_url: str
    rest: dict[str, Any]


async def fetch_portraits(tx: Tx, sdkappid: int, user_ids: Iterable[str]) -> dict[str, PortraitRow]:
    """The profiles of the accounts that exist."""
    rows = await tx.bulk(_FETCH, [(user_id,) for user_id in dict.fromkeys(user_ids)], sdkappid)
    return {row[0]: PortraitRow(row[1], row[2], msgspec.json.decode(row[3]) if row[3] else {}) for row in rows}


async def save_portrait(tx: Tx, sdkappid: int, user_id: str, portrait: PortraitRow) -> None:
    """Write a whole profile. The caller holds the account's lock."""
    text = msgspec.json.encode(portrait.rest).decode() if portrait.rest else ""
    await tx.execute(_SAVE, portrait.nick, portrait.face_url, text, sdkappid, user_id)
