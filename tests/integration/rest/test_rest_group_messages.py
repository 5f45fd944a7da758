"""Messages of groups by REST, under the old names and the new ones."""

from __future__ import annotations

from typing import Any

import pytest

SERVICE = "group_open_http_svc/"
TEXT = [{"MsgType": "TIMTextElem", "MsgContent": {"Text": "hello"}}]


@pytest.fixture
async def group(rest: Any) -> str:
    """The group ``g1`` of alice with bob."""
    body = {"Type": "Public", "Name": "team", "Owner_Account": "alice", "GroupId": "g1", "MemberList": [{"Member_Account": "bob"}]}
    await rest.ok(SERVICE + "create_group", body)
    return "g1"


async def send(rest: Any, **fields: Any) -> dict[str, Any]:
    body = {"GroupId": "g1", "Random": 1, "From_Account": "alice", "MsgBody": TEXT} | fields
    return dict(await rest.ok(SERVICE + "send_group_msg", {name: value for name, value in body.items() if value is not None}))


async def history(rest: Any, **fields: Any) -> list[dict[str, Any]]:
    answer = await rest.ok(SERVICE + "group_msg_get_simple", {"GroupId": "g1", "ReqMsgNumber": 20} | fields)
    return list(answer["RspMsgList"])


async def test_messages_are_numbered_from_one_and_read_backwards(rest: Any, group: str) -> None:
    for number in range(1, 4):
        answer = await send(rest, Random=number)
        assert (answer["MsgSeq"], answer["MsgTime"]) == (number, rest.now)
    page = await rest.ok(SERVICE + "group_msg_get_simple", {"GroupId": group, "ReqMsgNumber": 2})
    assert ([item["MsgSeq"] for item in page["RspMsgList"]], page["IsFinished"]) == ([3, 2], 0)
    rest_of_it = await rest.ok(SERVICE + "group_msg_get_simple", {"GroupId": group, "ReqMsgNumber": 2, "ReqMsgSeq": 1})
    assert ([item["MsgSeq"] for item in rest_of_it["RspMsgList"]], rest_of_it["IsFinished"]) == ([1], 1)
    [first] = rest_of_it["RspMsgList"]
    assert (first["From_Account"], first["MsgBody"], first["MsgRandom"], first["IsPlaceMsg"]) == ("alice", TEXT, 1, 0)


async def test_a_repeat_is_answered_as_the_first_was(rest: Any, group: str) -> None:
    first = await send(rest, Random=7)
    assert await send(rest, Random=7) == first
    assert len(await history(rest)) == 1


async def test_the_administrator_writes_in_every_group_and_others_do_not(rest: Any, group: str) -> None:
    await send(rest, From_Account=None)
    await rest.ok("im_open_login_svc/account_import", {"UserID": "carol"})
    body = {"GroupId": group, "Random": 1, "MsgBody": TEXT}
    assert await rest.code(SERVICE + "send_group_msg", body | {"From_Account": "carol"}) == 10007
    assert await rest.code(SERVICE + "send_group_msg", body | {"From_Account": "ghost"}) == 10019
    await rest.ok(SERVICE + "forbid_send_msg", {"GroupId": group, "Members_Account": ["bob"], "ShutUpTime": 9})
    assert await rest.code(SERVICE + "send_group_msg", body | {"From_Account": "bob"}) == 10017


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"GroupId": "nothing"}, 10010),
        ({"GroupId": None}, 10004),
        ({"Random": None}, 10004),
        ({"Random": 2**32}, 10004),
        ({"MsgBody": None}, 10004),
        ({"MsgBody": []}, 10004),
        ({"MsgBody": "text"}, 10004),
        ({"MsgBody": [{"MsgType": "TIMTextElem", "MsgContent": {}}]}, 10004),
        ({"MsgBody": [{"MsgType": "TIMTextElem", "MsgContent": {"Text": "x" * 12_400}}]}, 80002),
        ({"MsgPriority": "Loud"}, 10004),
        ({"TopicId": "t"}, 10004),
        ({"To_Account": [f"u{n}" for n in range(51)]}, 10005),
    ],
)
async def test_a_wrong_message_is_refused_with_the_groups_codes(rest: Any, group: str, change: dict[str, Any], code: int) -> None:
    body = {"GroupId": group, "Random": 1, "From_Account": "alice", "MsgBody": TEXT} | change
    assert await rest.code(SERVICE + "send_group_msg", {name: value for name, value in body.items() if value is not None}) == code
    assert await history(rest) == []


async def test_old_names_and_options_are_taken(rest: Any, group: str) -> None:
    await send(rest, Random=None, MsgRandom=5, MsgOnlineOnlyFlag=1)
    await send(
        rest,
        Random=6,
        SendMsgControl=["NoUnread", "NoLastMsg", "WithMuteNotifications"],
        ForbidCallbackControl=["ForbidBeforeSendMsgCallback"],
        GroupAtInfo=[{"GroupAtAllFlag": 0, "GroupAt_Account": "bob"}, {"GroupAtAllFlag": 1}],
        OfflinePushInfo={"Title": "t", "AndroidInfo": {"HuaWeiCategory": "IM"}},
        CloudCustomData="c",
        MsgPriority="High",
        SendTime=5,
    )
    [message] = await history(rest)
    assert (message["MsgSeq"], message["CloudCustomData"], message["MsgPriority"]) == (2, "c", 1)


async def test_messages_are_recalled_by_number(rest: Any, group: str) -> None:
    await send(rest)
    answer = await rest.ok(SERVICE + "group_msg_recall", {"GroupId": group, "MsgSeqList": [{"MsgSeq": 1}, {"MsgSeq": 9}]})
    assert answer["RecallRetList"] == [{"MsgSeq": 1, "RetCode": 0}, {"MsgSeq": 9, "RetCode": 10030}]
    [hidden] = await history(rest)
    assert (hidden["IsPlaceMsg"], hidden["MsgBody"]) == (1, [])
    [shown] = await history(rest, WithRecalledMsg=1)
    assert (shown["IsPlaceMsg"], shown["MsgBody"], shown["MsgFlagBits"]) == (0, TEXT, 8)


async def test_all_messages_of_a_sender_are_recalled(rest: Any, group: str) -> None:
    await send(rest)
    await send(rest, Random=2, From_Account="bob")
    await rest.ok(SERVICE + "delete_group_msg_by_sender", {"GroupId": group, "Sender_Account": "alice"})
    assert {item["From_Account"]: item["IsPlaceMsg"] for item in await history(rest)} == {"alice": 1, "bob": 0}


async def test_old_messages_are_imported_in_their_order(rest: Any, group: str) -> None:
    old = [{"From_Account": "bob", "SendTime": 1_500_000_000 + n, "Random": n, "MsgBody": TEXT} for n in range(3)]
    answer = await rest.ok(SERVICE + "import_group_msg", {"GroupId": group, "MsgList": old})
    assert [(item["Result"], item["MsgSeq"], item["MsgTime"]) for item in answer["ImportMsgResult"]] == [
        (0, 1, 1_500_000_000),
        (0, 2, 1_500_000_001),
        (0, 3, 1_500_000_002),
    ]
    assert (await send(rest))["MsgSeq"] == 4
    assert [item["MsgTimeStamp"] for item in await history(rest)][1:] == [1_500_000_002, 1_500_000_001, 1_500_000_000]


async def test_the_unread_count_can_be_set_and_is_told_with_the_joined_groups(rest: Any, group: str) -> None:
    await send(rest)

    async def unread() -> int:
        wanted = {"SelfInfoFilter": ["UnreadMsgNum"]}
        answer = await rest.ok(SERVICE + "get_joined_group_list", {"Member_Account": "bob", "ResponseFilter": wanted})
        return int(answer["GroupIdList"][0]["SelfInfo"]["UnreadMsgNum"])

    assert await unread() == 1
    await rest.ok(SERVICE + "set_unread_msg_num", {"GroupId": group, "Member_Account": "bob", "UnreadMsgNum": 0})
    assert await unread() == 0
    assert await rest.code(SERVICE + "set_unread_msg_num", {"GroupId": group, "Member_Account": "bob"}) == 10004
