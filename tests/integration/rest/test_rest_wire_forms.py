"""Bodies as other people's clients of this API write them, and the answers that they read.

Composed from the documented fields, in the spelling of Python clients in use: no content type, the names of 2019 beside today's.
"""

from __future__ import annotations

import pytest

TEXT = {"MsgType": "TIMTextElem", "MsgContent": {"Text": "hello"}}
FILE = {
    "MsgType": "TIMFileElem",
    "MsgContent": {"Url": "https://x.example.com/f.txt", "FileSize": 12, "FileName": "f.txt", "Download_Flag": 2},
}
SEND = {
    "From_Account": "alice",
    "To_Account": "bob",
    "SyncOtherMachine": 1,
    "MsgRandom": 4_294_967_295,
    "MsgBody": [TEXT, FILE],
    "CloudCustomData": "custom",
}


async def test_accounts_by_the_old_and_the_new_name(rest):
    await rest.ok("im_open_login_svc/account_import", {"UserID": "u1", "Nick": "N", "FaceUrl": "https://x.example.com/f"})
    await rest.ok("im_open_login_svc/account_import", {"Identifier": "u2"})
    assert (await rest.ok("im_open_login_svc/multiaccount_import", {"Accounts": ["u3", "u4"]}))["FailAccounts"] == []
    answer = await rest.ok("im_open_login_svc/account_check", {"CheckItem": [{"UserID": "u2"}, {"UserID": "nope"}]})
    assert answer["ResultItem"] == [
        {"UserID": "u2", "ResultCode": 0, "ResultInfo": "", "AccountStatus": "Imported"},
        {"UserID": "nope", "ResultCode": 0, "ResultInfo": "", "AccountStatus": "NotImported"},
    ]
    await rest.ok("im_open_login_svc/kick", {"UserID": "u2"})
    await rest.ok("im_open_login_svc/kick", {"Identifier": "u3"})
    answer = await rest.ok("im_open_login_svc/account_delete", {"DeleteItem": [{"UserID": "u4"}]})
    assert answer["ResultItem"] == [{"UserID": "u4", "ResultCode": 0, "ResultInfo": ""}]


@pytest.mark.parametrize("more", [{}, {"MsgLifeTime": 604_800, "MsgTimeStamp": 1_700_000_000}, {"SendTime": 1_700_000_000}])
async def test_a_message_is_answered_with_its_time_and_key(rest, more):
    answer = await rest.ok("openim/sendmsg", SEND | more)
    seq, random, time = (int(part) for part in answer["MsgKey"].split("_"))
    assert (random, time) == (SEND["MsgRandom"], answer["MsgTime"])
    assert seq >= 0


async def test_the_life_of_a_message(rest):
    sent = await rest.ok("openim/sendmsg", SEND)
    peers = {"To_Account": "bob", "Peer_Account": ["alice"]}
    assert (await rest.ok("openim/get_c2c_unread_msg_num", {"To_Account": "bob"}))["AllC2CUnreadMsgNum"] == 1
    answer = await rest.ok("openim/get_c2c_unread_msg_num", peers)
    assert answer["C2CUnreadMsgNumList"] == [{"Peer_Account": "alice", "C2CUnreadMsgNum": 1}]
    pair = {"From_Account": "alice", "To_Account": "bob"}
    span = {"MaxCnt": 10, "MinTime": sent["MsgTime"] - 3600, "MaxTime": sent["MsgTime"] + 10}
    (message,) = (await rest.ok("openim/admin_getroammsg", pair | span))["MsgList"]
    assert message["MsgBody"] == [TEXT, FILE]
    assert (message["MsgKey"], message["MsgFlagBits"], message["IsPeerRead"]) == (sent["MsgKey"], 0, 0)
    assert message["CloudCustomData"] == "custom"
    await rest.ok("openim/admin_set_msg_read", {"Report_Account": "bob", "Peer_Account": "alice"})
    assert (await rest.ok("openim/get_c2c_unread_msg_num", {"To_Account": "bob"}))["AllC2CUnreadMsgNum"] == 0
    await rest.ok("openim/admin_msgwithdraw", pair | {"MsgKey": sent["MsgKey"]})
    (message,) = (await rest.ok("openim/admin_getroammsg", pair | span))["MsgList"]
    assert (message["MsgFlagBits"], message["IsPeerRead"]) == (8, 1)


async def test_a_batch_tells_who_got_nothing(rest):
    batch = SEND | {"To_Account": ["bob", "ghost"]}
    answer = await rest.ok("openim/batchsendmsg", batch)
    assert answer["ErrorList"] == [{"To_Account": "ghost", "ErrorCode": 70107}]
    assert answer["MsgKey"].count("_") == 2


@pytest.mark.parametrize(("command", "name"), [("query_online_status", "Status"), ("querystate", "State")])
async def test_the_online_state_has_the_name_of_its_command(rest, command, name):
    answer = await rest.ok(f"openim/{command}", {"To_Account": ["bob", "ghost"]})
    assert answer["QueryResult"] == [{"To_Account": "bob", name: "Offline"}]
    assert answer["ErrorList"] == [{"To_Account": "ghost", "ErrorCode": 70107}]
