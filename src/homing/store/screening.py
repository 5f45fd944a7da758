"""What accounts have set against incoming messages: receive options, quiet hours, and both with the blacklist for a whole batch."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import msgspec

from homing.model.receive_options import QuietHours, Screening
from homing.model.relations import InboxFilter

from .engine import Bulk, Query, Tx
from .relations import set_filter

Key = tuple[int, str, str, str]  # sdkappid, receiver, conversation as the receiver names it, sender

_LOAD = Bulk(
    "screening.load",
    [("sdkappid", "bigint"), ("user_id", "text"), ("conversation", "text"), ("sender", "text")],
    "SELECT k.sdkappid, k.user_id, k.conversation, k.sender, CASE WHEN b.blocked IS NULL THEN 0 ELSE 1 END, COALESCE(o.option, 0), "
    "COALESCE(o.passes_quiet, 0), q.rule FROM k "
    "LEFT JOIN blacklist b ON b.sdkappid = k.sdkappid AND b.user_id = k.user_id AND b.blocked = k.sender "
    "LEFT JOIN receive_option o ON o.sdkappid = k.sdkappid AND o.user_id = k.user_id AND o.conversation = k.conversation "
    "LEFT JOIN quiet_hours q ON q.sdkappid = k.sdkappid AND q.user_id = k.user_id",
)
_FILTERING = Bulk(
    "screening.filtering",
    [("user_id", "text")],
    "SELECT k.user_id FROM k JOIN account a ON a.sdkappid = ? AND a.user_id = k.user_id WHERE a.filters <> 0",
)
_OPTIONS_OF = Bulk(
    "screening.options_of",
    [("conversation", "text")],
    "SELECT o.conversation, o.option, o.passes_quiet FROM k JOIN receive_option o ON o.conversation = k.conversation "
    "WHERE o.sdkappid = ? AND o.user_id = ?",
)
_SAVE_OPTIONS = Bulk(
    "screening.save_options",
    [("conversation", "text"), ("option", "bigint"), ("passes_quiet", "bigint")],
    "INSERT INTO receive_option (sdkappid, user_id, conversation, option, passes_quiet) "
    "SELECT CAST(? AS bigint), ?, conversation, option, passes_quiet FROM k WHERE true "
    "ON CONFLICT (sdkappid, user_id, conversation) DO UPDATE SET option = excluded.option, passes_quiet = excluded.passes_quiet",
)
_DROP_DEFAULTS = Query(
    "screening.drop_defaults", "DELETE FROM receive_option WHERE sdkappid = ? AND user_id = ? AND option = 0 AND passes_quiet = 0"
)
_HAS_OPTIONS = Query("screening.has_options", "SELECT COUNT(*) FROM receive_option WHERE sdkappid = ? AND user_id = ?")
_SAVE_QUIET = Query(
    "screening.save_quiet",
    "INSERT INTO quiet_hours (sdkappid, user_id, rule) VALUES (?, ?, ?) ON CONFLICT (sdkappid, user_id) DO UPDATE SET rule = excluded.rule",
)
_DELETE_QUIET = Query("screening.delete_quiet", "DELETE FROM quiet_hours WHERE sdkappid = ? AND user_id = ?")
_QUIET_OF = Query("screening.quiet_of", "SELECT rule FROM quiet_hours WHERE sdkappid = ? AND user_id = ?")
_window = msgspec.json.Decoder(QuietHours).decode


class OptionRow(msgspec.Struct, frozen=True):
    """What an account wants of one conversation."""

    conversation: str
    option: int
    passes_quiet: bool = False


async def load_screens(tx: Tx, keys: Iterable[Key]) -> dict[Key, Screening]:
    """What these receivers have set that bears on these senders. Asked only about accounts whose ``filters`` are not 0."""
    rows = await tx.bulk(_LOAD, list(dict.fromkeys(keys)))
    return {
        (row[0], row[1], row[2], row[3]): Screening(bool(row[4]), row[5], bool(row[6]), None if row[7] is None else _window(row[7]))
        for row in rows
    }


async def load_screens_of_many(tx: Tx, sdkappid: int, user_ids: Iterable[str], sender: str) -> dict[str, Screening]:
    """What these accounts have set that bears on one sender's messages, by account; those that have set nothing are left out."""
    filtering = await tx.bulk(_FILTERING, [(user_id,) for user_id in dict.fromkeys(user_ids)], sdkappid)
    if not filtering:
        return {}
    found = await load_screens(tx, [(sdkappid, row[0], f"c2c_{sender}", sender) for row in filtering])
    return {key[1]: screening for key, screening in found.items()}


async def options_of(tx: Tx, sdkappid: int, user_id: str, conversations: Sequence[str]) -> dict[str, OptionRow]:
    """What the account wants of these conversations; those at their default are left out."""
    rows = await tx.bulk(_OPTIONS_OF, [(name,) for name in dict.fromkeys(conversations)], sdkappid, user_id)
    return {row[0]: OptionRow(row[0], row[1], bool(row[2])) for row in rows}


async def is_muted(tx: Tx, sdkappid: int, user_id: str, filters: int, peer: str) -> bool:
    """Whether an account with these ``filters`` has set its conversation with ``peer`` to anything but notify."""
    if not filters & InboxFilter.OPTIONS:
        return False
    row = (await options_of(tx, sdkappid, user_id, [f"c2c_{peer}"])).get(f"c2c_{peer}")
    return row is not None and row.option != 0


async def save_options(tx: Tx, sdkappid: int, user_id: str, rows: Sequence[OptionRow]) -> None:
    """Set options. The caller holds the account's lock."""
    values = {row.conversation: (row.conversation, row.option, int(row.passes_quiet)) for row in rows}
    await tx.bulk(_SAVE_OPTIONS, [values[name] for name in sorted(values)], sdkappid, user_id)
    await tx.execute(_DROP_DEFAULTS, sdkappid, user_id)
    await set_filter(tx, sdkappid, user_id, InboxFilter.OPTIONS, on=await count_options(tx, sdkappid, user_id) > 0)


async def count_options(tx: Tx, sdkappid: int, user_id: str) -> int:
    """How many conversations the account has set to something."""
    row = await tx.fetch_one(_HAS_OPTIONS, sdkappid, user_id)
    return 0 if row is None else int(row[0])


async def quiet_hours_of(tx: Tx, sdkappid: int, user_id: str) -> QuietHours | None:
    """The account's window, or None."""
    row = await tx.fetch_one(_QUIET_OF, sdkappid, user_id)
    return None if row is None else _window(row[0])


async def save_quiet_hours(tx: Tx, sdkappid: int, user_id: str, window: QuietHours | None) -> None:
    """Set or remove the window. The caller holds the account's lock."""
    if window is None:
        await tx.execute(_DELETE_QUIET, sdkappid, user_id)
    else:
        await tx.execute(_SAVE_QUIET, sdkappid, user_id, msgspec.json.encode(window).decode())
    await set_filter(tx, sdkappid, user_id, InboxFilter.QUIET_HOURS, on=window is not None)
