"""sendmsg, batchsendmsg and importmsg."""

from __future__ import annotations

import re
from typing import Any

import pytest

from homing.model.messages import Message, MessageFlags

SEND, BATCH, IMPORT = "openim/sendmsg", "openim/batchsendmsg", "openim/importmsg"
APP = 1400000001


def _text(text: str = "hello") -> dict[str, Any]:
    return {"MsgType": "TIMTextElem", "MsgContent": {"Text": text}}


def _body(**changes: Any) -> dict[str, Any]:
    body = {"From_Account": "alice", "To_Account": "bob", "MsgRandom": 42, "MsgBody": [_text()]} | changes
    return {key: value for key, value in body.items() if value is not ...}


async def _inbox(rest: Any, user_id: str, app: int = APP) -> list[Message]:
    messages, more = await rest.hub.history.inbox_after(app, user_id, 0, 1000)
    assert not more
    return list(messages)


async def test_a_message_is_stored_and_answered_with_its_keys(rest: Any) -> None:
    answer = await rest.ok(SEND, _body(MsgSeq=93847636, CloudCustomData="more"))
    assert list(answer) == ["ActionStatus", "ErrorInfo", "ErrorCode", "MsgTime", "MsgKey", "MsgId"]
    assert answer["MsgTime"] == rest.now
    assert answer["MsgKey"] == f"93847636_42_{rest.now}"
    assert re.fullmatch(rf"\d+-{rest.now}-42", answer["MsgId"])
    [message] = await _inbox(rest, "bob")
    assert (message.from_account, message.body, message.cloud_custom_data) == (
        "alice",
        b'[{"MsgType":"TIMTextElem","MsgContent":{"Text":"hello"}}]',
        "more",
    )
    assert await _inbox(rest, "bob", 1400000002) == []


async def test_without_a_sender_the_administrator_is_the_sender(rest: Any) -> None:
    await rest.ok(SEND, _body(From_Account=...))
    [message] = await _inbox(rest, "bob")
    assert message.from_account == "administrator"


async def test_a_resend_within_two_minutes_is_answered_alike_and_stored_once(rest: Any, clock: Any) -> None:
    first = await rest.ok(SEND, _body(MsgSeq=5))
    clock.advance(seconds=100)
    assert await rest.ok(SEND, _body(MsgSeq=5)) == first
    await rest.ok(SEND, _body(MsgSeq=5, MsgBody=[_text("other")]))
    clock.advance(seconds=30)
    assert await rest.ok(SEND, _body(MsgSeq=5)) != first
    assert len(await _inbox(rest, "bob")) == 3


@pytest.mark.parametrize(
    ("changes", "code", "where"),
    [
        ({"To_Account": ...}, 90003, ""),
        ({"To_Account": None}, 90003, ""),
        ({"To_Account": 5}, 90003, "$.To_Account"),
        ({"To_Account": "nobody"}, 90012, ""),
        ({"To_Account": "a\0b"}, 90012, ""),
        ({"From_Account": "nobody"}, 90048, ""),
        ({"From_Account": "名"}, 90048, ""),
        ({"MsgRandom": ...}, 90005, ""),
        ({"MsgRandom": "1"}, 90005, "$.MsgRandom"),
        ({"MsgRandom": -1}, 90005, ""),
        ({"MsgRandom": 2**32}, 90005, ""),
        ({"MsgRandom": 1.5}, 90005, "$.MsgRandom"),
        ({"MsgRandom": True}, 90005, "$.MsgRandom"),
        ({"MsgSeq": "1"}, 90004, "$.MsgSeq"),
        ({"MsgSeq": 2**32}, 90004, ""),
        ({"MsgTimeStamp": "now"}, 90006, "$.MsgTimeStamp"),
        ({"MsgTimeStamp": 2**70}, 90006, ""),
        ({"MsgBody": ...}, 90002, "$.MsgBody"),
        ({"MsgBody": {}}, 90007, "$.MsgBody"),
        ({"MsgBody": "text"}, 90007, "$.MsgBody"),
        ({"MsgBody": []}, 90007, "$.MsgBody"),
        ({"MsgBody": [1]}, 90002, "$.MsgBody"),
        ({"MsgBody": [{"MsgContent": {}}]}, 90002, ".MsgType"),
        ({"MsgBody": [{"MsgType": "TIMTextElem"}]}, 90002, ".MsgContent"),
        ({"MsgBody": [{"MsgType": "TIMTextElem", "MsgContent": []}]}, 90002, ".MsgContent"),
        ({"MsgBody": [_text(), {"MsgType": "Nothing", "MsgContent": {}}]}, 90010, "$.MsgBody[1].MsgType"),
        ({"MsgBody": [{"MsgType": "TIMTextElem", "MsgContent": {}}]}, 90010, "$.MsgBody[0].MsgContent.Text"),
        ({"MsgBody": [{"MsgType": "TIMCustomElem", "MsgContent": {}}] * 2}, 90010, "$.MsgBody[1]"),
        ({"MsgBody": [{"MsgType": "TIMCustomElem", "MsgContent": {"Data": 10**30}}]}, 90010, ""),
        ({"SyncOtherMachine": "1"}, 90031, "$.SyncOtherMachine"),
        ({"SyncOtherMachine": 3}, 90031, ""),
        ({"MsgLifeTime": "60"}, 90044, "$.MsgLifeTime"),
        ({"MsgLifeTime": -1}, 90026, ""),
        ({"OfflinePushInfo": []}, 90010, "$.OfflinePushInfo"),
        ({"OfflinePushInfo": {"AndroidInfo": {"OPPONotifyLevel": "2"}}}, 90010, "$.OfflinePushInfo.AndroidInfo.OPPONotifyLevel"),
        ({"SendMsgControl": "NoUnread"}, 90010, "$.SendMsgControl"),
        ({"CloudCustomData": "a\0b"}, 90010, "$.CloudCustomData"),
    ],
)
async def test_each_wrong_field_has_its_code_and_path(rest: Any, changes: dict[str, Any], code: int, where: str) -> None:
    answer = await rest(SEND, _body(**changes))
    assert (answer["ActionStatus"], answer["ErrorCode"]) == ("FAIL", code)
    assert where in answer["ErrorInfo"]
    assert await _inbox(rest, "bob") == []


@pytest.mark.parametrize(("length", "codes"), [(12_400, {80002}), (70_000, {93000})])
async def test_a_message_over_twelve_kilobytes_is_refused(rest: Any, length: int, codes: set[int]) -> None:
    assert await rest.code(SEND, _body(MsgBody=[_text("x" * length)])) in codes


async def test_push_info_does_not_count_towards_the_twelve_kilobytes(rest: Any) -> None:
    await rest.ok(SEND, _body(MsgBody=[_text("x" * 11_000)], OfflinePushInfo={"Title": "t", "Ext": "y" * 3000}))


async def test_custom_data_counts_towards_the_twelve_kilobytes(rest: Any) -> None:
    assert await rest.code(SEND, _body(MsgBody=[_text("x" * 9_000)], CloudCustomData="y" * 4000)) == 80002


async def test_null_fields_count_as_left_out_but_not_inside_the_content(rest: Any) -> None:
    nothing = dict.fromkeys(["MsgSeq", "SyncOtherMachine", "MsgLifeTime", "CloudCustomData", "SendMsgControl", "OnlineOnlyFlag"])
    info = {"PushFlag": None, "Title": "t", "AndroidInfo": {"Sound": None, "OPPOChannelID": "c"}, "ApnsInfo": None}
    element = {"MsgType": "TIMRelayElem", "MsgContent": {"MsgList": [{"a": None}], "Title": None}}
    await rest.ok(SEND, _body(**nothing, MsgBody=[element], OfflinePushInfo=info))
    [message] = await _inbox(rest, "bob")
    assert message.body == b'[{"MsgType":"TIMRelayElem","MsgContent":{"MsgList":[{"a":null}],"Title":null}}]'
    assert message.push_info == b'{"Title":"t","AndroidInfo":{"OPPOChannelID":"c"}}'


@pytest.mark.parametrize(
    ("changes", "flags"),
    [
        ({}, MessageFlags.NONE),
        ({"SyncOtherMachine": 1}, MessageFlags.SYNC_SENDER),
        ({"SyncOtherMachine": 2}, MessageFlags.NO_SENDER_COPY),
        ({"SendMsgControl": ["NoUnread", "NoLastMsg", "Other"]}, MessageFlags.NO_UNREAD | MessageFlags.NO_LAST_MSG),
        ({"SendMsgControl": ["WithMuteNotifications"]}, MessageFlags.HONOUR_MUTE),
        ({"IsNeedReadReceipt": 1, "SupportMessageExtension": 1}, MessageFlags.NEED_RECEIPT),
        (
            {"MsgSeq": 1, "ForbidCallbackControl": ["ForbidBeforeSendMsgCallback"]},
            MessageFlags.CALLER_SEQ | MessageFlags.NO_HOOK_BEFORE,
        ),
    ],
)
async def test_the_wishes_of_a_message_are_stored(rest: Any, changes: dict[str, Any], flags: MessageFlags) -> None:
    await rest.ok(SEND, _body(**changes))
    [message] = await _inbox(rest, "bob")
    assert message.flags == flags


async def test_online_only_messages_are_in_no_history(rest: Any) -> None:
    await rest.ok(SEND, _body(OnlineOnlyFlag=1))
    await rest.ok(SEND, _body(MsgLifeTime=0))
    assert await _inbox(rest, "bob") == []
    assert (await rest.hub.history.unread(rest.apps.known[APP], "bob"))[0] == 0


async def test_the_life_time_is_at_most_a_week_and_ends_offline_delivery(rest: Any, clock: Any) -> None:
    await rest.ok(SEND, _body(MsgLifeTime=10**9))
    await rest.ok(SEND, _body(MsgLifeTime=60))
    [week, minute] = await _inbox(rest, "bob")
    assert week.expires_at_ms == clock.now_ms() + 604_800_000
    assert minute.expires_at_ms == clock.now_ms() + 60_000
    clock.advance(seconds=61)
    assert [message.message_id for message in await _inbox(rest, "bob")] == [week.message_id]
    assert len(await _inbox(rest, "alice")) == 2


async def test_a_batch_reaches_everybody_it_can_under_one_key(rest: Any) -> None:
    body = _body(To_Account=["bob", "nobody", "administrator", "bob", "名"], MsgRandom=9)
    answer = await rest.ok(BATCH, body)
    assert answer["ErrorList"] == [{"To_Account": "nobody", "ErrorCode": 70107}, {"To_Account": "名", "ErrorCode": 70107}]
    keys = [message.msg_key for user in ("bob", "administrator") for message in await _inbox(rest, user)]
    assert keys == [answer["MsgKey"]] * 2


async def test_a_batch_that_reaches_nobody_fails(rest: Any) -> None:
    answer = await rest(BATCH, _body(To_Account=["x", "y"]))
    assert (answer["ActionStatus"], answer["ErrorCode"], len(answer["ErrorList"])) == ("FAIL", 90012, 2)
    assert await rest.code(BATCH, _body(From_Account="nobody", To_Account=["bob"])) == 90048


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"To_Account": "bob"}, 90003),
        ({"To_Account": []}, 90003),
        ({"To_Account": ...}, 90003),
        ({"To_Account": [1]}, 90003),
        ({"To_Account": ["bob"] * 501}, 90011),
        ({"To_Account": ["bob"], "MsgRandom": ...}, 90005),
        ({"To_Account": ["bob"], "MsgBody": [_text("x" * 13_000)]}, 80002),
    ],
)
async def test_wrong_batches_have_their_codes(rest: Any, changes: dict[str, Any], code: int) -> None:
    assert await rest.code(BATCH, _body(**changes)) == code


async def test_five_hundred_receivers_with_long_names_fit(rest: Any) -> None:
    names = [f"{n:032d}" for n in range(500)]
    answer = await rest(BATCH, _body(To_Account=names, MsgBody=[_text("x" * 11_000)]))
    assert len(answer["ErrorList"]) == 500


async def test_an_import_keeps_its_time_and_the_first_one_wins(rest: Any) -> None:
    at = rest.now - 1000
    body = _body(SyncFromOldSystem=1, MsgSeq=3, MsgTimeStamp=at)
    answer = await rest.ok(IMPORT, body)
    assert answer["MsgKey"] == f"3_42_{at}"
    await rest.ok(IMPORT, body | {"MsgBody": [_text("second")]})
    await rest.ok(IMPORT, body | {"From_Account": "bob", "To_Account": "alice"})
    [message] = await _inbox(rest, "bob")
    assert (message.timestamp, b"hello" in message.body) == (at, True)
    assert (await rest.hub.history.unread(rest.apps.known[APP], "bob"))[0] == 1


async def test_an_import_from_before_the_read_mark_is_read(rest: Any) -> None:
    await rest.ok(SEND, _body())
    await rest.ok("openim/admin_set_msg_read", {"Report_Account": "bob", "Peer_Account": "alice"})
    await rest.ok(IMPORT, _body(SyncFromOldSystem=1, MsgTimeStamp=rest.now - 5))
    assert (await rest.hub.history.unread(rest.apps.known[APP], "bob"))[0] == 0


async def test_history_imports_are_neither_unread_nor_new(rest: Any) -> None:
    await rest.ok(IMPORT, _body(SyncFromOldSystem=2, MsgTimeStamp=rest.now - 10))
    assert await _inbox(rest, "bob") == []
    assert await _inbox(rest, "alice") == []
    assert (await rest.hub.history.unread(rest.apps.known[APP], "bob"))[0] == 0
    page = await rest.hub.history.roam(rest.apps.known[APP], "bob", "alice", max_count=9, min_time=0, max_time=rest.now)
    assert len(page.messages) == 1


async def test_an_import_that_counts_as_sent_is_sent(rest: Any) -> None:
    answer = await rest.ok(IMPORT, _body(SyncFromOldSystem=5, MsgTimeStamp=rest.now))
    assert [message.msg_key for message in await _inbox(rest, "bob")] == [answer["MsgKey"]]


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"SyncFromOldSystem": 3}, 90010),
        ({"MsgTimeStamp": ...}, 90006),
        ({"MsgTimeStamp": 2**35}, 90006),
        ({"From_Account": ...}, 90010),
        ({"To_Account": "nobody"}, 90012),
        ({"From_Account": "nobody"}, 90048),
    ],
)
async def test_wrong_imports_have_their_codes(rest: Any, changes: dict[str, Any], code: int) -> None:
    body = _body(**({"SyncFromOldSystem": 1, "MsgTimeStamp": 1_700_000_000} | changes))
    assert await rest.code(IMPORT, body) == code
