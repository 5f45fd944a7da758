"""Accounts on both engines."""

from __future__ import annotations

from homing.model.devices import Account
from homing.store import accounts as store
from homing.store.engine import Database, Query, Tx

APP, OTHER = 1400000001, 1400000002
NOW = 1_800_000_000_000


async def _fetch(database: Database, *user_ids: str, app: int = APP) -> dict[str, Account]:
    return await database.read(lambda tx: store.fetch_accounts(tx, app, user_ids))


async def test_inserting_makes_only_the_missing_accounts_and_says_which(database: Database) -> None:
    first = await database.write(lambda tx: store.insert_accounts(tx, APP, [("b", "B", ""), ("a", "", ""), ("a", "A", "")], NOW))
    again = await database.write(lambda tx: store.insert_accounts(tx, APP, [("a", "other", "x"), ("c", "", "")], NOW + 1))
    assert sorted(first) == ["a", "b"]
    assert again == ["c"]
    found = await _fetch(database, "a", "b", "c", "missing", "a")
    assert {key: value.nick for key, value in found.items()} == {"a": "A", "b": "B", "c": ""}
    assert found["a"].created_at_ms == NOW


async def test_upserting_overwrites_what_is_given_and_leaves_the_rest(database: Database) -> None:
    await database.write(lambda tx: store.upsert_accounts(tx, APP, [("a", "A", "http://f/1"), ("b", "B", "")], NOW))
    await database.write(lambda tx: store.upsert_accounts(tx, APP, [("a", "A2", ""), ("a", "A3", "")], NOW))
    found = await _fetch(database, "a", "b")
    assert (found["a"].nick, found["a"].face_url) == ("A3", "http://f/1")
    assert found["b"].nick == "B"


async def test_tenants_do_not_see_each_other(database: Database) -> None:
    await database.write(lambda tx: store.insert_accounts(tx, APP, [("a", "mine", "")], NOW))
    await database.write(lambda tx: store.insert_accounts(tx, OTHER, [("a", "theirs", "")], NOW))
    assert (await _fetch(database, "a"))["a"].nick == "mine"
    assert await database.write(lambda tx: store.delete_accounts(tx, OTHER, ["a", "b"])) == ["a"]
    assert list(await _fetch(database, "a")) == ["a"]
    assert await _fetch(database, "a", app=OTHER) == {}


async def test_valid_from_never_moves_back(database: Database) -> None:
    await database.write(lambda tx: store.insert_accounts(tx, APP, [("a", "", "")], NOW))
    assert await database.write(lambda tx: store.set_valid_from(tx, APP, "a", 500))
    assert await database.write(lambda tx: store.set_valid_from(tx, APP, "a", 400))
    assert (await _fetch(database, "a"))["a"].valid_from == 500
    assert not await database.write(lambda tx: store.set_valid_from(tx, APP, "nobody", 1))


async def test_a_deleted_account_leaves_its_places_and_conversations(database: Database) -> None:
    insert_message = Query(
        "test.message",
        "INSERT INTO message (message_id, sdkappid, conversation, from_account, to_account, seq, random, timestamp, content_crc, flags, "
        "body, to_seq, from_seq, expires_at_ms) VALUES (?, ?, ?, ?, ?, 1, 1, 1, 1, 0, ?, ?, ?, 1)",
    )
    insert_conversation = Query("test.conversation", "INSERT INTO conversation (sdkappid, user_id, peer) VALUES (?, ?, ?)")
    places = Query("test.places", "SELECT to_seq, from_seq FROM message ORDER BY message_id")
    conversations = Query("test.conversations", "SELECT user_id FROM conversation")

    async def prepare(tx: Tx) -> None:
        await store.insert_accounts(tx, APP, [("a", "", ""), ("b", "", "")], NOW)
        await tx.execute(insert_message, 1, APP, "a\x1fb", "a", "b", b"[]", 7, 8)
        await tx.execute(insert_message, 2, APP, "a\x1fb", "b", "a", b"[]", 9, 10)
        await tx.execute(insert_conversation, APP, "a", "b")
        await tx.execute(insert_conversation, APP, "b", "a")

    await database.write(prepare)
    await database.write(lambda tx: store.delete_accounts(tx, APP, ["a"]))
    rows = await database.read(lambda tx: tx.fetch(places))
    assert [tuple(row) for row in rows] == [(7, None), (None, 10)]
    assert [row[0] for row in await database.read(lambda tx: tx.fetch(conversations))] == ["b"]
