"""Recall, read marks, unread counts, roaming."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from homing.model.delivery import ReadDelivery, RevokedDelivery
from homing.model.push import PushState
from homing.store.engine import Query

APP = 1400000001
SEND = "openim/sendmsg"
UNREAD = "openim/get_c2c_unread_msg_num"
_PUSHES = Query("test.pushes", "SELECT state, reason FROM push ORDER BY push_id")
_GIVE_TOKEN = Query("test.token", "UPDATE device SET node_id = NULL, business_id = 1, token = 't' WHERE device_id = ?")
_CERTIFICATE = Query(
    "test.certificate",
    "INSERT INTO certificate (sdkappid, business_id, channel, name, credentials_sealed, options, version, receipt_path, created_at_ms, "
    "updated_at_ms) VALUES (?, 1, 'none', '', ?, '{}', 1, 'p', 0, 0)",
)
_TOTAL = Query("test.total", "SELECT unread_total FROM account WHERE sdkappid = ? AND user_id = ?")


async def _send(rest: Any, sender: str, receiver: str, text: str = "x", **changes: Any) -> dict[str, Any]:
    body = {
        "From_Account": sender,
        "To_Account": receiver,
        "MsgRandom": 1,
        "MsgBody": [{"MsgType": "TIMTextElem", "MsgContent": {"Text": text}}],
    }
    answer: dict[str, Any] = await rest.ok(SEND, body | changes)
    return answer


async def _unread(rest: Any, user_id: str) -> int:
    return int((await rest.ok(UNREAD, {"To_Account": user_id}))["AllC2CUnreadMsgNum"])


async def _total(rest: Any, user_id: str) -> int:
    row = await rest.hub.database.read(lambda tx: tx.fetch_one(_TOTAL, APP, user_id))
    return int(row[0])


async def _settled(rest: Any) -> list[Any]:
    """What the bus brought; it hands over on the next steps of the loop, and a database call takes some."""
    await rest.hub.database.read(lambda tx: tx.fetch(_PUSHES))
    return list(rest.delivered)


async def _with_phone(rest: Any, device_id: int, user_id: str) -> None:
    """A phone that is gone, with a token: messages to it become live pushes."""
    await rest.connect(device_id, user_id)
    await rest.hub.database.write(lambda tx: tx.execute(_CERTIFICATE, APP, b""))
    await rest.hub.database.write(lambda tx: tx.execute(_GIVE_TOKEN, device_id))


async def _pushes(rest: Any) -> list[tuple[int, str]]:
    return [tuple(row) for row in await rest.hub.database.read(lambda tx: tx.fetch(_PUSHES))]


async def test_unread_counts_by_peer_and_in_all(rest: Any) -> None:
    await _send(rest, "alice", "bob")
    await _send(rest, "alice", "bob")
    await _send(rest, "administrator", "bob")
    await _send(rest, "alice", "bob", SendMsgControl=["NoUnread"])
    await _send(rest, "bob", "bob")
    assert await _unread(rest, "bob") == 3
    assert await _unread(rest, "alice") == 0
    assert (await rest.ok(UNREAD, {"To_Account": "bob", "Peer_Account": []}))["AllC2CUnreadMsgNum"] == 3
    answer = await rest.ok("openim/getc2cunreadmsgnum", {"To_Account": "bob", "Peer_Account": ["alice", "bob", "nobody", "名"]})
    assert answer["C2CUnreadMsgNumList"] == [
        {"Peer_Account": "alice", "C2CUnreadMsgNum": 2},
        {"Peer_Account": "bob", "C2CUnreadMsgNum": 0},
    ]
    assert [item["Peer_Account"] for item in answer["ErrorList"]] == ["nobody", "名"]
    assert "AllC2CUnreadMsgNum" not in answer
    assert (await rest.ok(UNREAD, {"To_Account": "bob"}, sdkappid=1400000002, usersig=rest.usersig(app=1400000002)))[
        "AllC2CUnreadMsgNum"
    ] == 0


@pytest.mark.parametrize(
    ("body", "code"),
    [
        ({}, 90003),
        ({"To_Account": "nobody"}, 90048),
        ({"To_Account": "a\0"}, 90048),
        ({"To_Account": "bob", "Peer_Account": ["a"] * 11}, 90018),
    ],
)
async def test_wrong_unread_queries_have_their_codes(rest: Any, body: dict[str, Any], code: int) -> None:
    assert await rest.code(UNREAD, body) == code


async def test_reading_lowers_the_counts_and_never_moves_back(rest: Any, clock: Any) -> None:
    for _ in range(3):
        await _send(rest, "alice", "bob")
        clock.advance(seconds=10)
    await _send(rest, "administrator", "bob")
    start = rest.now - 30
    read = {"Report_Account": "bob", "Peer_Account": "alice"}
    await rest.ok("openim/admin_set_msg_read", read | {"MsgReadTime": start + 10})
    assert (await _unread(rest, "bob"), await _total(rest, "bob")) == (2, 2)
    await rest.ok("openim/admin_set_msg_read", read | {"MsgReadTime": start})
    assert await _unread(rest, "bob") == 2
    await rest.ok("openim/admin_set_msg_read", read)
    assert (await _unread(rest, "bob"), await _total(rest, "bob")) == (1, 1)
    await rest.ok("openim/admin_set_msg_read", read | {"MsgReadTime": 2**60})
    await rest.ok("openim/admin_set_msg_read", read | {"MsgReadTime": 0})
    clock.advance(seconds=1)
    await _send(rest, "alice", "bob")
    assert await _unread(rest, "bob") == 2


async def test_reading_tells_both_sides_but_not_the_device_that_read(rest: Any) -> None:
    await rest.connect(1, "bob")
    await rest.connect(2, "bob")
    await rest.connect(3, "alice")
    await _send(rest, "alice", "bob")
    app = rest.apps.known[APP]
    await rest.hub.history.mark_read(app, "bob", "alice", None, device_id=1)
    told = sorted(await _settled(rest), key=lambda delivery: delivery.device_id)
    assert told == [ReadDelivery(2, 1, "alice", rest.now), ReadDelivery(3, 1, "bob", rest.now, by_peer=True)]


async def test_reading_and_recalling_cancel_live_pushes(rest: Any, clock: Any) -> None:
    await _with_phone(rest, 1, "bob")
    await _send(rest, "alice", "bob")
    clock.advance(seconds=1)
    key = (await _send(rest, "alice", "bob"))["MsgKey"]
    assert [state for state, _ in await _pushes(rest)] == [PushState.PENDING] * 2
    read = {"Report_Account": "bob", "Peer_Account": "alice", "MsgReadTime": rest.now - 1}
    await rest.ok("openim/admin_set_msg_read", read)
    await rest.ok("openim/admin_msgwithdraw", {"From_Account": "alice", "To_Account": "bob", "MsgKey": key})
    assert await _pushes(rest) == [(PushState.CANCELLED, "read_elsewhere"), (PushState.CANCELLED, "recalled")]


@pytest.mark.parametrize(
    ("body", "code"),
    [
        ({"Peer_Account": "alice"}, 20001),
        ({"Report_Account": "bob"}, 20001),
        ({"Report_Account": "nobody", "Peer_Account": "alice"}, 90048),
        ({"Report_Account": "bob", "Peer_Account": "nobody"}, 90048),
        ({"Report_Account": "bob", "Peer_Account": "a\0"}, 90048),
        ({"Report_Account": "bob", "Peer_Account": "alice", "MsgReadTime": "1"}, 90010),
    ],
)
async def test_wrong_read_marks_have_their_codes(rest: Any, body: dict[str, Any], code: int) -> None:
    assert await rest.code("openim/admin_set_msg_read", body) == code


async def test_a_recalled_message_is_flagged_uncounted_and_told_once(rest: Any, clock: Any) -> None:
    await rest.connect(1, "bob")
    await rest.connect(2, "alice")
    sent = await _send(rest, "alice", "bob")
    await _send(rest, "alice", "bob", "stays")
    clock.advance(seconds=3600)
    body = {"From_Account": "alice", "To_Account": "bob", "MsgKey": sent["MsgKey"]}
    await rest.ok("openim/admin_msgwithdraw", body)
    await rest.ok("openim/admin_msgwithdraw", body)
    assert (await _unread(rest, "bob"), await _total(rest, "bob")) == (1, 1)
    told = sorted(await _settled(rest), key=lambda delivery: delivery.device_id)
    assert told == [RevokedDelivery(device, 1, sent["MsgId"], sent["MsgKey"], "alice", "bob") for device in (1, 2)]
    messages, _ = await rest.hub.history.inbox_after(APP, "bob", 0, 10)
    assert [message.revoked for message in messages] == [True, False]


async def test_a_sender_recalls_within_the_apps_time_only(rest: Any, clock: Any) -> None:
    from homing.model.problems import Refused

    sent = await _send(rest, "alice", "bob")
    app = rest.apps.known[APP]
    clock.advance(seconds=121)
    with pytest.raises(Refused) as refused:
        await rest.hub.history.revoke(app, "alice", "bob", msg_id=sent["MsgId"], by_admin=False)
    assert refused.value.problem.rest_code == 20016
    clock.advance(seconds=-2)
    with pytest.raises(Refused):
        await rest.hub.history.revoke(app, "bob", "alice", msg_id=sent["MsgId"], by_admin=False)
    await rest.hub.history.revoke(app, "alice", "bob", msg_id=sent["MsgId"], by_admin=False)


async def test_recalling_what_was_read_leaves_the_counts_alone(rest: Any, clock: Any) -> None:
    sent = await _send(rest, "alice", "bob")
    await rest.ok("openim/admin_set_msg_read", {"Report_Account": "bob", "Peer_Account": "alice"})
    clock.advance(seconds=1)
    await _send(rest, "alice", "bob")
    await rest.ok("openim/admin_msgwithdraw", {"From_Account": "alice", "To_Account": "bob", "MsgKey": sent["MsgKey"]})
    assert await _unread(rest, "bob") == 1


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"MsgKey": "1_2_3"}, 20022),
        ({"MsgKey": "nonsense"}, 20022),
        ({"MsgKey": ""}, 20001),
        ({"From_Account": ""}, 20001),
        ({"To_Account": ""}, 90003),
        ({"To_Account": "administrator"}, 20022),
        ({"From_Account": "bob", "To_Account": "alice"}, 20022),
    ],
)
async def test_wrong_recalls_have_their_codes(rest: Any, changes: dict[str, Any], code: int) -> None:
    sent = await _send(rest, "alice", "bob")
    body = {"From_Account": "alice", "To_Account": "bob", "MsgKey": sent["MsgKey"]} | changes
    assert await rest.code("openim/admin_msgwithdraw", body) == code


async def test_another_tenant_cannot_recall(rest: Any) -> None:
    sent = await _send(rest, "alice", "bob")
    body = {"From_Account": "alice", "To_Account": "bob", "MsgKey": sent["MsgKey"]}
    foreign = {"sdkappid": 1400000002, "usersig": rest.usersig(app=1400000002)}
    assert await rest.code("openim/admin_msgwithdraw", body, **foreign) == 20022


async def _roam(rest: Any, **changes: Any) -> dict[str, Any]:
    body = {"Operator_Account": "bob", "Peer_Account": "alice", "MaxCnt": 100, "MinTime": 0, "MaxTime": rest.now} | changes
    answer: dict[str, Any] = await rest.ok("openim/admin_getroammsg", body)
    return answer


async def test_roaming_shows_both_directions_with_flags(rest: Any, clock: Any) -> None:
    recalled = await _send(rest, "alice", "bob", "first", CloudCustomData="c")
    clock.advance(seconds=1)
    await _send(rest, "bob", "alice", "second")
    await rest.ok("openim/admin_msgwithdraw", {"From_Account": "alice", "To_Account": "bob", "MsgKey": recalled["MsgKey"]})
    await rest.ok("openim/admin_set_msg_read", {"Report_Account": "alice", "Peer_Account": "bob"})
    page = await _roam(rest)
    assert (page["Complete"], page["MsgCnt"]) == (1, 2)
    first, second = page["MsgList"]
    assert (first["From_Account"], first["MsgFlagBits"], first["CloudCustomData"], first["IsPeerRead"]) == ("alice", 8, "c", 0)
    assert first["MsgKey"] == recalled["MsgKey"]
    assert first["MsgBody"] == [{"MsgType": "TIMTextElem", "MsgContent": {"Text": "first"}}]
    assert (second["To_Account"], second["MsgFlagBits"], second["IsPeerRead"]) == ("alice", 0, 1)
    old = await rest.ok(
        "openim/admin_getroammsg", {"From_Account": "alice", "To_Account": "bob", "MaxCnt": 1, "MinTime": rest.now, "MaxTime": rest.now}
    )
    assert [message["MsgSeq"] for message in old["MsgList"]] == [second["MsgSeq"]]


async def test_pages_meet_without_gap_or_repeat_even_inside_a_second(rest: Any, clock: Any) -> None:
    sent = []
    for index in range(12):
        sent.append((await _send(rest, *(("alice", "bob") if index % 3 else ("bob", "alice")), f"{index}"))["MsgKey"])
        if index % 5 == 4:
            clock.advance(seconds=1)
    pages: list[list[str]] = []
    changes: dict[str, Any] = {}
    while True:
        page = await _roam(rest, MaxCnt=5, **changes)
        pages.insert(0, [message["MsgKey"] for message in page["MsgList"]])
        if page["Complete"]:
            break
        changes = {"MaxTime": page["LastMsgTime"], "LastMsgKey": page["LastMsgKey"]}
    assert [key for page_keys in pages for key in page_keys] == sent
    assert len(pages) == 3


async def test_inside_a_second_the_callers_sequence_orders(rest: Any) -> None:
    for seq in (30, 10, 20):
        await _send(rest, "alice", "bob", f"{seq}", MsgSeq=seq)
    assert [message["MsgSeq"] for message in (await _roam(rest))["MsgList"]] == [10, 20, 30]


async def test_a_page_is_bounded_in_bytes(rest: Any) -> None:
    for _ in range(25):
        await _send(rest, "alice", "bob", "x" * 12_000)
    page = await _roam(rest)
    assert page["Complete"] == 0
    assert 1 <= page["MsgCnt"] < 25


async def test_an_empty_conversation_is_complete(rest: Any) -> None:
    page = await _roam(rest)
    assert (page["Complete"], page["MsgCnt"], page["MsgList"]) == (1, 0, [])


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"Operator_Account": ""}, 20001),
        ({"Peer_Account": ""}, 20001),
        ({"Operator_Account": "nobody"}, 90048),
        ({"MaxCnt": 0}, 90010),
        ({"MaxCnt": "1"}, 90010),
        ({"MinTime": None}, 90010),
        ({"MaxTime": -1}, 90010),
    ],
)
async def test_wrong_roaming_queries_have_their_codes(rest: Any, changes: dict[str, Any], code: int) -> None:
    body = {"Operator_Account": "bob", "Peer_Account": "alice", "MaxCnt": 1, "MinTime": 0, "MaxTime": 9} | changes
    assert await rest.code("openim/admin_getroammsg", body) == code


async def test_the_inbox_orders_sent_and_received_by_one_counter(rest: Any) -> None:
    for index in range(7):
        await _send(rest, *(("alice", "bob") if index % 2 else ("bob", "alice")), f"{index}")
    await _send(rest, "bob", "bob", "note")
    seen: list[bytes] = []
    cursor, more = 0, True
    while more:
        messages, more = await rest.hub.history.inbox_after(APP, "bob", cursor, 3)
        last = messages[-1]
        cursor = (last.to_seq if last.to_account == "bob" else last.from_seq) or 0
        seen += [message.body for message in messages]
    assert [f'"{index}"'.encode() in body for index, body in enumerate(seen[:7])] == [True] * 7
    assert len(seen) == 8
    assert await rest.hub.history.inbox_after(APP, "bob", cursor, 3) == ([], False)


async def test_counts_stay_true_while_messages_reads_and_recalls_race(rest: Any, clock: Any) -> None:
    sent = [await _send(rest, "alice", "bob", MsgRandom=n) for n in range(10)]
    clock.advance(seconds=5)
    read = {"Report_Account": "bob", "Peer_Account": "alice", "MsgReadTime": rest.now - 5}
    recalls = [{"From_Account": "alice", "To_Account": "bob", "MsgKey": answer["MsgKey"]} for answer in sent[:5]]
    await asyncio.gather(
        *(_send(rest, "alice", "bob", MsgRandom=n) for n in range(100, 130)),
        *(_send(rest, "bob", "alice", MsgRandom=n) for n in range(200, 210)),
        *(rest.ok("openim/admin_msgwithdraw", body) for body in recalls),
        *(rest.ok("openim/admin_set_msg_read", read) for _ in range(5)),
    )
    assert (await _unread(rest, "bob"), await _total(rest, "bob")) == (30, 30)
    assert (await _unread(rest, "alice"), await _total(rest, "alice")) == (10, 10)
    messages, _ = await rest.hub.history.inbox_after(APP, "bob", 0, 100)
    assert len({message.message_id for message in messages}) == 50
