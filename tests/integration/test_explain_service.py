"""Explanations of what is recorded, on both engines."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
import sqlalchemy as sa

from homing.cli.explain_command import in_words
from homing.model.problems import ACCOUNT_NOT_FOUND, Refused
from homing.model.push import PushState, Reason
from homing.services.explain import NOT_RECORDED, Explain
from homing.store import schema
from homing.store.engine import Database, Query, Tx

APP = 1400000001
KEY = "7_42_1800000000"
NOW_MS = 1_800_000_000_000
OPTIONS = '{"callback_base_url":""}'


async def put(database: Database, table: sa.Table, **values: Any) -> None:
    """Insert one row; columns that are not named get a neutral value."""
    row = {column.name: values.get(column.name, _neutral(column)) for column in table.columns}
    unknown = set(values) - set(row)
    assert not unknown, unknown
    names = ", ".join(row)
    query = Query("test.put", f"INSERT INTO {table.name} ({names}) VALUES ({', '.join('?' * len(row))})")

    async def work(tx: Tx) -> None:
        await tx.execute(query, *row.values())

    await database.write(work)


def _neutral(column: sa.Column[Any]) -> Any:
    if column.nullable:
        return None
    if isinstance(column.type, sa.LargeBinary):
        return b""
    return "" if isinstance(column.type, sa.Text) else 0


@pytest.fixture
async def explain(database: Database, clock: Any) -> Explain:
    await put(database, schema.app, sdkappid=APP, admins="[]", settings="{}")
    await put(database, schema.account, sdkappid=APP, user_id="bob", nick="Bob", unread_total=3)
    await put(
        database,
        schema.message,
        message_id=100,
        sdkappid=APP,
        from_account="alice",
        to_account="bob",
        seq=7,
        random=42,
        timestamp=1_800_000_000,
        body=b'[{"MsgType":"TIMTextElem","MsgContent":{"Text":"hi"}}]',
    )
    await put(database, schema.certificate, sdkappid=APP, business_id=15518, channel="fcm", name="live", options=OPTIONS, receipt_path="p")
    await put(
        database,
        schema.device,
        device_id=5,
        sdkappid=APP,
        user_id="bob",
        platform="android",
        instance_id="i",
        session_state="active",
        app_state="background",
        business_id=15518,
        token="abcdefghijklmnopqrstuvwxyz",
        last_seen_ms=NOW_MS - 1000,
    )
    return Explain(database, clock)


def _inputs(**changes: Any) -> str:
    state = {
        "session_state": "active",
        "platform": "android",
        "connected": False,
        "app_state": "background",
        "last_seen_ms": NOW_MS - 1000,
        "has_token": True,
        "certificate": "ok",
    }
    return msgspec.json.encode(state | changes).decode()


async def _push(database: Database, **values: Any) -> None:
    known: dict[str, Any] = {
        "push_id": 200,
        "sdkappid": APP,
        "message_id": 100,
        "user_id": "bob",
        "device_id": 5,
        "state": PushState.ACCEPTED,
        "reason": Reason.OFFLINE,
        "inputs": _inputs(),
        "business_id": 15518,
        "channel": "fcm",
        "notification_class": "private",
        "created_at_ms": NOW_MS,
    }
    await put(database, schema.push, **(known | values))


async def test_an_accepted_push_is_told_with_its_attempt_and_the_three_words_apart(explain: Explain, database: Database) -> None:
    await _push(database, finished_at_ms=NOW_MS + 50, delivered_at_ms=NOW_MS + 900)
    await put(
        database,
        schema.attempt,
        push_id=200,
        number=1,
        at_ms=NOW_MS + 10,
        latency_ms=40,
        outcome="accepted",
        request="POST https://vendor.example/send\nauthorization: Bearer …\n\n{}",
        answer='200\n{"name":"x"}',
    )
    await put(database, schema.receipt, push_id=200, kind="delivered", at_ms=NOW_MS + 900, source="device")
    told = await explain.message(APP, KEY)
    [push] = told["messages"][0]["pushes"]
    assert (push["state"], push["accepted_at_ms"], push["delivered_at_ms"], push["clicked_at_ms"]) == (
        "accepted",
        NOW_MS + 50,
        NOW_MS + 900,
        None,
    )
    assert push["cure"] == ""
    assert push["hints"] == []
    text = in_words(told, "en")
    assert "accepted by the vendor: 2027-01-15 08:00:00.050 UTC; delivered: 2027-01-15 08:00:00.900 UTC" in text
    assert "clicked: not known" in text
    assert "POST https://vendor.example/send" in text
    assert "not connected" in text


async def test_a_push_that_nobody_heard_of_again_comes_with_the_phones_troubleshooting_list(
    explain: Explain, database: Database, clock: Any
) -> None:
    await _push(database, finished_at_ms=NOW_MS)
    clock.set(NOW_MS + 120_000)
    [push] = (await explain.push(APP, 200))["messages"][0]["pushes"]
    assert any("notifications of the app must be allowed" in hint for hint in push["hints"])
    assert any("delivery receipts" in hint or "callback_base_url" in hint for hint in push["hints"])


@pytest.mark.parametrize(
    ("state", "reason", "words"),
    [
        (PushState.SUPPRESSED, Reason.LOGGED_OUT, "logged out"),
        (PushState.SUPPRESSED, Reason.NO_DESCRIPTION, "Set Desc"),
        (PushState.SUPPRESSED, Reason.NO_TOKEN, "setOfflinePushConfig"),
        (PushState.FAILED, Reason.TOKEN_DEAD, "reports a new token"),
        (PushState.EXPIRED, Reason.TTL_OVER, "MsgLifeTime"),
    ],
)
async def test_what_did_not_go_out_comes_with_its_cure(
    explain: Explain, database: Database, state: PushState, reason: Reason, words: str
) -> None:
    await _push(database, state=state, reason=reason)
    [push] = (await explain.push(APP, 200))["messages"][0]["pushes"]
    assert words in push["cure"] or words in push["reason_text"]
    assert push["cure"]


async def test_how_the_device_came_into_its_state_is_told_with_the_push(explain: Explain, database: Database) -> None:
    await _push(database, state=PushState.SUPPRESSED, reason=Reason.KICKED, inputs=_inputs(session_state="kicked"))
    for number, (at_ms, kind) in enumerate([(NOW_MS - 9000, "login"), (NOW_MS - 5000, "kicked"), (NOW_MS + 5000, "login")]):
        await put(database, schema.device_event, event_id=number, sdkappid=APP, user_id="bob", device_id=5, at_ms=at_ms, kind=kind)
    told = await explain.push(APP, 200)
    assert [event["kind"] for event in told["messages"][0]["pushes"][0]["device_events"]] == ["login", "kicked"]
    assert "2027-01-15 07:59:55.000 UTC: kicked by another login" in in_words(told, "en")


async def test_the_pause_reason_of_the_certificate_is_told(explain: Explain, database: Database) -> None:
    await _push(database, push_id=201, state=PushState.SUPPRESSED, reason=Reason.CERTIFICATE_PAUSED, business_id=15519)
    await put(
        database,
        schema.certificate,
        sdkappid=APP,
        business_id=15519,
        channel="fcm",
        options=OPTIONS,
        receipt_path="q",
        paused_reason="invalid_grant",
    )
    [push] = (await explain.push(APP, 201))["messages"][0]["pushes"]
    assert "(invalid_grant)" in push["cure"]


async def test_a_push_that_waits_says_why(explain: Explain, database: Database, clock: Any) -> None:
    await _push(database, state=PushState.PENDING, due_at_ms=NOW_MS)
    clock.set(NOW_MS + 60_000)
    [overdue] = (await explain.push(APP, 200))["messages"][0]["pushes"]
    assert "role push" in overdue["hints"][0]
    await put(
        database,
        schema.quota,
        sdkappid=APP,
        business_id=15518,
        notification_class="private",
        day="2027-01-15",
        stopped_until_ms=NOW_MS + 3_600_000,
    )
    [stopped] = (await explain.push(APP, 200))["messages"][0]["pushes"]
    assert "2027-01-15 09:00:00.000 UTC" in stopped["hints"][0]


async def test_a_message_for_nobodys_device_says_so(explain: Explain, database: Database) -> None:
    await _push(database, device_id=0, state=PushState.SUPPRESSED, reason=Reason.NO_DEVICE, inputs="{}", business_id=0, channel="")
    told = await explain.message(APP, KEY)
    assert told["messages"][0]["pushes"][0]["device"] is None
    assert "has never logged in" in in_words(told, "en")


async def test_an_account_shows_whether_each_device_can_get_a_push_now(explain: Explain, database: Database) -> None:
    await put(
        database,
        schema.device,
        device_id=6,
        sdkappid=APP,
        user_id="bob",
        platform="android",
        instance_id="j",
        session_state="logged_out",
        app_state="background",
    )
    await put(database, schema.device_event, event_id=1, sdkappid=APP, user_id="bob", device_id=6, at_ms=NOW_MS, kind="logged_out")
    told = await explain.account(APP, "bob")
    by_id = {device["device_id"]: device for device in told["devices"]}
    assert by_id[5]["can_get_push"]
    assert by_id[5]["token"] == "ab…yz"
    assert (by_id[6]["can_get_push"], by_id[6]["why_not"]) == (False, "logged_out")
    assert told["events"][0]["text"] == "logged out"
    text = in_words(told, "en")
    assert "can get a push now" in text
    assert "can get NO push now: the user had logged out" in text


async def test_chinese_is_spoken_where_it_is_asked_for(explain: Explain, database: Database) -> None:
    await _push(database, state=PushState.SUPPRESSED, reason=Reason.LOGGED_OUT, inputs=_inputs(session_state="logged_out"))
    text = in_words(await explain.message(APP, KEY, "zh"), "zh")
    assert "已退出登录" in text
    assert "处理办法" in text
    assert "未推送" in text


async def test_damaged_or_newer_records_are_told_as_they_are(explain: Explain, database: Database) -> None:
    await _push(database, state=99, reason="invented", inputs="{broken")
    told = await explain.push(APP, 200)
    assert "invented" in in_words(told, "en")


async def test_a_push_outlives_its_message(explain: Explain, database: Database) -> None:
    await _push(database, message_id=999)
    told = await explain.push(APP, 200)
    assert told["messages"] == []
    assert "Push 200" in in_words(told, "en")


async def test_what_is_not_recorded_is_refused_with_a_sentence(explain: Explain) -> None:
    for wanted in (explain.message(APP, "1_2_3"), explain.push(APP, 1), explain.push(APP + 1, 200)):
        with pytest.raises(Refused) as refusal:
            await wanted
        assert refusal.value.problem is NOT_RECORDED
    with pytest.raises(Refused) as unknown:
        await explain.account(APP, "nobody")
    assert unknown.value.problem is ACCOUNT_NOT_FOUND
    with pytest.raises(Refused, match="is not a MsgKey"):
        await explain.message(APP, "abc")


async def test_another_apps_message_is_not_shown(explain: Explain, database: Database) -> None:
    with pytest.raises(Refused):
        await explain.message(APP + 1, KEY)
